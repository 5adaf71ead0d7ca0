//! What is wished of an option in a section, and the text that fulfils it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::ini::{Found, Ini, Line, Section};
use super::lines::{bare, indent};

/// What is wished of one option, or of a section.
#[derive(Clone, Debug, Default)]
pub struct Wish<'a> {
    /// The names on the way to the section; none for what stands before the first one.
    pub section: Vec<String>,
    /// Among several sections of that name, the one in which these options have one of these
    /// values (any, where none are given).
    pub with: Vec<(String, Vec<String>)>,
    /// The option; without it the section itself is meant.
    pub option: Option<&'a str>,
    /// Its values; `None` is the option alone, without a separator.
    pub values: Vec<Option<String>>,
    /// Should it be there?
    pub present: bool,
    /// May the option have no other values?
    pub exclusive: bool,
    /// May a line that is switched off be made the option?
    pub reuse: bool,
    /// Do blanks stand around `=`?
    pub spaced: bool,
    /// Does it matter whether they do?
    pub any_spaces: bool,
}

/// What is there, and the text as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The new text.
    pub text: String,
    /// How many sections there are of that name.
    pub sections: usize,
    /// Is the section meant there?
    pub has_section: bool,
    /// The values the option has; if others do not matter, only those that are wished for.
    pub live: Vec<Option<String>>,
    /// Lines that have the right value in another form, as they are and as they should be.
    pub form: Vec<(String, String)>,
}

/// Why a wish is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The text cannot be told apart into sections and options.
    Unclear(String),
    /// It cannot be changed so.
    Refused(String),
}

/// Returns `text` as `wish` would have it.
pub fn fulfil(text: &str, wish: &Wish<'_>) -> Result<Outcome, Fault> {
    let outcome = once(text, wish)?;
    if outcome.text == text || once(&outcome.text, wish).is_ok_and(|o| o.text == outcome.text) {
        return Ok(outcome);
    }
    // Where lines go on in others, what stands next to a change may be read in another way.
    let said =
        "other lines would be read in another way after the change: use `os.block` or `os.file`";
    Err(Fault::Refused(said.into()))
}

fn once(text: &str, wish: &Wish<'_>) -> Result<Outcome, Fault> {
    let ini = Ini::parse(text, wish.section.len() > 1).map_err(Fault::Unclear)?;
    if ini.is_nested {
        let is_cut = |value: &str| value.contains('#') && !value.starts_with(['"', '\'']);
        if wish.present && wish.values.iter().flatten().any(|value| is_cut(value)) {
            let said =
                "`#` begins a comment in a file with nested sections: put the value in quotes";
            return Err(Fault::Refused(said.into()));
        }
    }
    let sections = ini.sections(&wish.section);
    let mut fitting = sections.iter().filter(|section| wish.fits(&ini, section));
    let mut outcome = Outcome { sections: sections.len(), ..Outcome::default() };
    let section = fitting.next();
    outcome.has_section = section.is_some();
    let mut draft = Draft::default();
    match (section, wish.present) {
        (Some(section), true) => present(&ini, wish, section, &mut draft, &mut outcome)?,
        (Some(section), false) => absent(&ini, wish, section, &mut draft, &mut outcome)?,
        (None, true) => new_section(&ini, wish, &mut draft),
        (None, false) => {}
    }
    outcome.text = match draft.is_empty() {
        true => text.to_string(),
        false => draft.write(&ini),
    };
    Ok(outcome)
}

/// Changes of lines.
#[derive(Default)]
struct Draft {
    /// By number: the line instead of it, or none.
    lines: BTreeMap<usize, Option<String>>,
    /// By number: the lines before it.
    before: BTreeMap<usize, Vec<String>>,
}

impl Draft {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.before.is_empty()
    }

    /// Puts lines before line `at`.
    fn put(&mut self, ini: &Ini<'_>, at: usize, mut lines: Vec<String>) {
        if ini.dangles(at) {
            lines.insert(0, ini.end.to_string());
        }
        self.before.insert(at, lines);
    }

    fn write(mut self, ini: &Ini<'_>) -> String {
        let mut new = Vec::new();
        for at in 0..=ini.lines.len() {
            new.extend(self.before.remove(&at).unwrap_or_default());
            match (self.lines.remove(&at), ini.lines.get(at)) {
                (Some(line), _) => new.extend(line),
                (None, Some(line)) => new.push(line.to_string()),
                (None, None) => {}
            }
        }
        ini.with(new)
    }
}

impl Wish<'_> {
    fn fits(&self, ini: &Ini<'_>, section: &Section) -> bool {
        self.with.iter().all(|(option, values)| {
            ini.options(section, option).iter().filter(|found| found.is_active).any(|found| {
                values.is_empty() || values.iter().any(|value| found.value == Some(value))
            })
        })
    }

    /// Returns the wished values, each once.
    fn distinct(&self) -> Vec<Option<&str>> {
        let mut distinct = Vec::new();
        for value in self.values.iter().map(Option::as_deref) {
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        distinct
    }

    /// Returns the line, without its end.
    fn line(&self, option: &str, value: Option<&str>) -> String {
        match value {
            None => option.to_string(),
            Some(value) => format!("{option}{}{value}", if self.spaced { " = " } else { "=" }),
        }
    }

    /// Returns the line that has `value` in the place of `found`.
    fn rewritten(&self, ini: &Ini<'_>, found: &Found<'_>, value: Option<&str>) -> String {
        let old = bare(ini.lines[found.at]);
        let option = self.option.unwrap_or_default();
        let keeps = found.is_active && (self.any_spaces || found.separator.starts_with(':'));
        let line = match value {
            Some(value) if keeps && !found.separator.is_empty() => {
                format!("{option}{}{value}", found.separator)
            }
            value => self.line(option, value),
        };
        format!("{}{line}{}{}", indent(old), found.tail, &ini.lines[found.at][old.len()..])
    }
}

/// Which line gets which value.
struct Choice<'f, 'v> {
    chosen: Vec<(&'f Found<'f>, Option<&'v str>)>,
    /// Values that have no line yet.
    missing: Vec<Option<&'v str>>,
}

impl<'f, 'v> Choice<'f, 'v> {
    /// A line that has a wished value stays; then others are changed; then new ones are made.
    fn of(wish: &'v Wish<'_>, active: &[&'f Found<'f>], idle: &[&'f Found<'f>]) -> Self {
        let mut choice = Choice { chosen: Vec::new(), missing: wish.distinct() };
        choice.choose(active, true);
        if wish.exclusive {
            choice.choose(active, false);
        }
        if wish.reuse {
            choice.choose(idle, true);
        }
        if wish.reuse && wish.exclusive {
            choice.choose(idle, false);
        }
        choice
    }

    fn choose(&mut self, from: &[&'f Found<'f>], only_equal: bool) {
        for found in from {
            let equal = self.missing.iter().position(|value| *value == found.value);
            let pick = if only_equal { equal } else { equal.or(Some(0)) };
            if let Some(at) = pick.filter(|at| *at < self.missing.len() && !self.has(found)) {
                self.chosen.push((found, self.missing.remove(at)));
            }
        }
    }

    fn has(&self, found: &Found<'_>) -> bool {
        self.chosen.iter().any(|(chosen, _)| chosen.at == found.at)
    }
}

fn present(
    ini: &Ini<'_>,
    wish: &Wish<'_>,
    section: &Section,
    draft: &mut Draft,
    outcome: &mut Outcome,
) -> Result<(), Fault> {
    let Some(option) = wish.option else { return Ok(()) };
    let found = ini.options(section, option);
    let (active, idle): (Vec<_>, Vec<_>) = found.iter().partition(|found| found.is_active);
    let choice = Choice::of(wish, &active, &idle);
    outcome.live = live(wish, &active);
    for (found, value) in &choice.chosen {
        refuse_blocks(ini, option, found)?;
        let (old, new) = (ini.lines[found.at], wish.rewritten(ini, found, *value));
        if bare(old).trim_end() == bare(&new).trim_end() {
            continue;
        }
        if found.is_active && found.value == *value {
            outcome.form.push((old.trim().into(), new.trim().into()));
        }
        draft.lines.insert(found.at, Some(new));
    }
    for found in active.iter().filter(|found| wish.exclusive && !choice.has(found)) {
        refuse_blocks(ini, option, found)?;
        draft.lines.insert(found.at, None);
    }
    let last = active.iter().copied().chain(choice.chosen.iter().map(|(found, _)| *found));
    let last = last.map(|found| found.at).max();
    let at = last.map_or_else(|| place(ini, section), |at| end_of_value(ini, at));
    let indent = ini.indent_in(section);
    let line = |value| format!("{indent}{}{}", wish.line(option, value), ini.end);
    if !choice.missing.is_empty() {
        draft.put(ini, at, choice.missing.into_iter().map(line).collect());
    }
    Ok(())
}

/// Returns the values that are there, as far as the wish speaks of them.
fn live(wish: &Wish<'_>, active: &[&Found<'_>]) -> Vec<Option<String>> {
    let is_meant = |value: &Option<&str>| {
        wish.exclusive || wish.values.iter().any(|wished| wished.as_deref() == *value)
    };
    let values = active.iter().map(|found| found.value).filter(is_meant);
    values.map(|value| value.map(String::from)).collect()
}

/// A value of several lines is never changed, so that none of its lines is left behind.
fn refuse_blocks(ini: &Ini<'_>, option: &str, found: &Found<'_>) -> Result<(), Fault> {
    match found.is_active && ini.goes_on(found.at) {
        true => Err(Fault::Refused(format!(
            "the value of `{option}` in line {} goes on in the next line, and only values of one \
             line are changed: use `os.block` or `os.file`",
            found.at + 1
        ))),
        false => Ok(()),
    }
}

fn end_of_value(ini: &Ini<'_>, at: usize) -> usize {
    (at + 1..ini.lines.len()).find(|at| ini.sorts[*at] != Line::More).unwrap_or(ini.lines.len())
}

/// Returns where a new option of `section` goes: behind the last one. Where there is none before
/// the first section, it goes behind the comment that opens the file.
fn place(ini: &Ini<'_>, section: &Section) -> usize {
    let at = ini.end_of(&section.own);
    if section.header.is_some() || at > 0 {
        return at;
    }
    let sort = |at: usize| ini.sorts.get(at);
    let opening = section.own.clone().take_while(|at| ini.sorts[*at] == Line::Comment).count();
    match sort(opening) {
        Some(Line::Blank) if opening > 0 => opening + 1,
        None => opening,
        _ => 0,
    }
}

fn absent(
    ini: &Ini<'_>,
    wish: &Wish<'_>,
    section: &Section,
    draft: &mut Draft,
    outcome: &mut Outcome,
) -> Result<(), Fault> {
    let Some(option) = wish.option else {
        for at in all_of(ini, section) {
            draft.lines.insert(at, None);
        }
        return Ok(());
    };
    let found = ini.options(section, option);
    let is_meant = |found: &&Found<'_>| {
        let is_wished = wish.values.iter().any(|value| value.as_deref() == found.value);
        found.is_active && (wish.exclusive || is_wished)
    };
    for found in found.iter().filter(is_meant) {
        refuse_blocks(ini, option, found)?;
        outcome.live.push(found.value.map(String::from));
        draft.lines.insert(found.at, None);
    }
    Ok(())
}

/// Returns the lines that go with a section. A comment right above the next section belongs to
/// that one.
fn all_of(ini: &Ini<'_>, section: &Section) -> Range<usize> {
    let Range { start, end } = section.whole;
    if end == ini.lines.len() {
        return start..end;
    }
    let is_comment = |at: &usize| ini.sorts[*at] == Line::Comment;
    let first = (start + 1..end).rev().take_while(is_comment).last();
    match first {
        Some(first) if ini.sorts[first - 1] == Line::Blank => start..first,
        _ => start..end,
    }
}

/// Returns where a section below `section` goes: behind all that belongs to it.
fn behind(ini: &Ini<'_>, section: &Section) -> usize {
    let all = all_of(ini, section);
    let is_filled = |at: &usize| ini.sorts[*at] != Line::Blank;
    all.clone().rev().find(is_filled).map_or(all.start, |at| at + 1)
}

/// Adds the section that is not there, below the one that should hold it.
fn new_section(ini: &Ini<'_>, wish: &Wish<'_>, draft: &mut Draft) {
    let path = &wish.section;
    let parent = (1..path.len()).rev().find_map(|depth| {
        ini.sections(&path[..depth]).into_iter().next().map(|section| (depth, section))
    });
    let (depth, at, header) = match &parent {
        Some((depth, section)) => (*depth, behind(ini, section), section.header),
        None => (0, ini.lines.len(), None),
    };
    let mut new = Vec::new();
    if depth == 0 && at > 0 && ini.sorts[at - 1] != Line::Blank {
        new.push(ini.end.to_string());
    }
    let mut indent = "";
    for (i, name) in path.iter().enumerate().skip(depth) {
        indent = ini.indent_of(i + 1, header);
        let (open, close) = ("[".repeat(i + 1), "]".repeat(i + 1));
        new.push(format!("{indent}{open}{name}{close}{}", ini.end));
    }
    let mut add = |option: &str, value: Option<&str>| {
        new.push(format!("{indent}{}{}", wish.line(option, value), ini.end));
    };
    for (option, values) in wish.with.iter().filter(|(option, _)| Some(&**option) != wish.option) {
        values.iter().for_each(|value| add(option, Some(value)));
    }
    if let Some(option) = wish.option {
        wish.distinct().into_iter().for_each(|value| add(option, value));
    }
    draft.put(ini, at, new);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish<'a>(section: &[&str], option: &'a str, values: &[&str]) -> Wish<'a> {
        Wish {
            section: section.iter().map(|name| name.to_string()).collect(),
            option: Some(option),
            values: values.iter().map(|value| Some(value.to_string())).collect(),
            present: true,
            exclusive: true,
            reuse: true,
            spaced: true,
            ..Wish::default()
        }
    }

    /// Fulfils a wish and makes sure that it is then fulfilled.
    fn done(text: &str, wish: &Wish<'_>) -> String {
        let outcome = fulfil(text, wish).unwrap();
        let again = fulfil(&outcome.text, wish).unwrap();
        assert_eq!(again.text, outcome.text, "a second time changes it again");
        assert!(again.form.is_empty());
        outcome.text
    }

    #[test]
    fn options_are_changed_in_their_place() {
        let text = "# licence\n\n[a]\n# about x\nx = 1\n\n# about b\n[b]\nx = 1\n";
        let a = |value: &'static str| wish(&["a"], "x", &[value]);
        assert_eq!(done(text, &a("2")), text.replacen("x = 1", "x = 2", 1));
        assert_eq!(done(text, &a("1")), text);
        let new = done(text, &wish(&["a"], "y", &["2"]));
        assert_eq!(new, text.replacen("x = 1\n", "x = 1\ny = 2\n", 1));
        let top = done(text, &wish(&[], "y", &["2"]));
        assert_eq!(top, text.replacen("\n\n", "\n\ny = 2\n", 1));
        let c = done("[a]\nx = 1", &wish(&["c"], "y", &["2"]));
        assert_eq!(c, "[a]\nx = 1\n\n[c]\ny = 2\n");
        assert_eq!(done("", &wish(&["c"], "y", &[""])), "[c]\ny = \n");
        let windows = done("[a]\r\nx=1\r\n", &a("2"));
        assert_eq!(windows, "[a]\r\nx = 2\r\n");
    }

    #[test]
    fn comments_stay_and_what_is_switched_off_is_used_where_nothing_is_on() {
        let w = wish(&["a"], "x", &["2"]);
        assert_eq!(done("[a]\n#x = 2\nx = 1\n", &w), "[a]\n#x = 2\nx = 2\n");
        assert_eq!(done("[a]\n#x = 5\n;x=2\n", &w), "[a]\n#x = 5\nx = 2\n");
        assert_eq!(done("[a]\n#x = 5\ny = 1\n", &w), "[a]\nx = 2\ny = 1\n");
        assert_eq!(done("[a]\n# x is good\ny = 1\n", &w), "[a]\n# x is good\ny = 1\nx = 2\n");
        let never = Wish { reuse: false, ..w };
        assert_eq!(done("[a]\n#x = 5\ny = 1\n", &never), "[a]\n#x = 5\ny = 1\nx = 2\n");
    }

    #[test]
    fn several_values() {
        let text = "[a]\nx = 1\ny = 0\nx = 2\nx = 3\n";
        let both = wish(&["a"], "x", &["3", "4", "4"]);
        assert_eq!(done(text, &both), "[a]\nx = 4\ny = 0\nx = 3\n");
        assert_eq!(fulfil(text, &both).unwrap().live.len(), 3);
        let more = Wish { exclusive: false, ..both };
        assert_eq!(done(text, &more), format!("{text}x = 4\n"));
        assert_eq!(fulfil(text, &more).unwrap().live, [Some("3".to_string())]);
        let gone = Wish { present: false, ..more };
        assert_eq!(done(text, &gone), "[a]\nx = 1\ny = 0\nx = 2\n");
        let all = Wish { exclusive: true, ..gone };
        assert_eq!(done(text, &all), "[a]\ny = 0\n");
        let alone = Wish { values: vec![None], ..wish(&["a"], "x", &[]) };
        assert_eq!(done(text, &alone), "[a]\nx\ny = 0\n");
    }

    #[test]
    fn blanks_count_only_where_they_should() {
        let strict = wish(&["a"], "x", &["1"]);
        let outcome = fulfil("[a]\n  x=1\n", &strict).unwrap();
        assert_eq!(outcome.text, "[a]\n  x = 1\n");
        assert_eq!(outcome.form, [("x=1".to_string(), "x = 1".to_string())]);
        let loose = Wish { any_spaces: true, ..strict };
        assert_eq!(done("[a]\n  x=1\n", &loose), "[a]\n  x=1\n");
        let two = Wish { any_spaces: true, ..wish(&["a"], "x", &["2"]) };
        assert_eq!(done("[a]\n  x=1\n", &two), "[a]\n  x=2\n");
        let tight = Wish { spaced: false, ..wish(&["a"], "x", &["2"]) };
        assert_eq!(done("[a]\nx = 1\n", &tight), "[a]\nx=2\n");
        assert_eq!(done("[a]\nx: 1\n", &tight), "[a]\nx: 2\n");
    }

    #[test]
    fn nested_sections_keep_their_indentation_and_comments() {
        let text = "[desktop]\n  x=1  # one\n  [[database]]\n    engine=sqlite3  # which\n    \
                    # user=\n\n# about next\n[next]\n";
        let spaces = |w: Wish<'static>| Wish { any_spaces: true, spaced: false, ..w };
        let engine = spaces(wish(&["desktop", "database"], "engine", &["mysql"]));
        assert_eq!(done(text, &engine), text.replace("sqlite3", "mysql"));
        let host = spaces(wish(&["desktop", "database"], "host", &["db"]));
        let want = text.replace("which\n", "which\n    host=db\n");
        assert_eq!(done(text, &host), want);
        let new = spaces(wish(&["desktop", "smtp"], "host", &["m"]));
        let want = text.replace("# user=\n", "# user=\n  [[smtp]]\n  host=m\n");
        assert_eq!(done(text, &new), want);
        let x = spaces(wish(&["desktop"], "y", &["2"]));
        assert_eq!(done(text, &x), text.replace("one\n", "one\n  y=2\n"));
        let both = spaces(wish(&["new", "deep"], "y", &["2"]));
        assert_eq!(done("", &both), "[new]\n[[deep]]\ny=2\n");
        let cut = fulfil(text, &wish(&["desktop"], "x", &["a#b"])).unwrap_err();
        assert!(matches!(cut, Fault::Refused(said) if said.contains("comment")));
    }

    #[test]
    fn sections_go_whole_but_leave_the_comment_of_the_next() {
        let text = "[a]\nx = 1\n[[in]]\ny = 1\n# x\n\n# about b\n[b]\nx = 1\n";
        let gone = |section: &[&str]| Wish {
            option: None,
            present: false,
            values: vec![],
            ..wish(section, "", &[])
        };
        assert_eq!(done(text, &gone(&["a"])), "# about b\n[b]\nx = 1\n");
        assert_eq!(done(text, &gone(&["a", "in"])), "[a]\nx = 1\n# about b\n[b]\nx = 1\n");
        assert_eq!(done(text, &gone(&["b"])), text.split("[b]").next().unwrap());
    }

    #[test]
    fn one_of_several_sections_is_told_by_what_it_has() {
        let text = "[Peer]\nKey = 1\nAllowed = a\n[Peer]\nKey = 2\nAllowed = a\n";
        let mut w = wish(&["Peer"], "Allowed", &["b"]);
        w.with = vec![("Key".into(), vec!["2".into()])];
        assert_eq!(done(text, &w), "[Peer]\nKey = 1\nAllowed = a\n[Peer]\nKey = 2\nAllowed = b\n");
        w.with = vec![("Key".into(), vec!["3".into()])];
        assert_eq!(done(text, &w), format!("{text}\n[Peer]\nKey = 3\nAllowed = b\n"));
    }

    #[test]
    fn blocks_of_krb5_conf_are_never_broken() {
        let text = "[libdefaults]\n default_realm = A\n[realms]\n A = {\n  kdc = k\n }\n";
        let realm = wish(&["libdefaults"], "default_realm", &["B"]);
        assert_eq!(done(text, &realm), text.replace("default_realm = A", "default_realm = B"));
        let block = fulfil(text, &wish(&["realms"], "A", &["x"])).unwrap_err();
        assert!(matches!(block, Fault::Refused(said) if said.contains("line 4")));
        let new = done(text, &wish(&["realms"], "x", &["y"]));
        assert_eq!(new, format!("{text} x = y\n"));
        let open = fulfil(text.trim_end().trim_end_matches('}'), &realm).unwrap_err();
        assert!(matches!(open, Fault::Unclear(_)));
    }
}
