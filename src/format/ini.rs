//! Options in sections, `[section]` and `option = value`, in their dialects: flat files; nested
//! sections `[[x]]` as in `hue.ini`, where `#` begins a comment in every place; and `krb5.conf`,
//! whose `{ … }` are opaque here.

use std::ops::Range;

use super::lines::{bare, ending, indent, join, lines};

/// What one line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Nothing.
    Blank,
    /// A comment, which may be an option that is switched off.
    Comment,
    /// `[name]`; two brackets make a depth of two.
    Header(usize, &'a str),
    /// An option, or whatever else stands in a section.
    Option,
    /// What the option before it goes on with.
    More,
}

/// A text taken apart. Every line is still there, ends included.
#[derive(Debug)]
pub struct Ini<'a> {
    /// Stands before everything else in files from Windows.
    mark: &'static str,
    /// The lines.
    pub lines: Vec<&'a str>,
    /// What they are.
    pub sorts: Vec<Line<'a>>,
    /// True where sections nest.
    pub is_nested: bool,
    /// How lines end.
    pub end: &'static str,
}

/// Where a section is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its header; the beginning of the text has none.
    pub header: Option<usize>,
    /// The lines of its own options.
    pub own: Range<usize>,
    /// All of its lines, header and sections inside included.
    pub whole: Range<usize>,
}

/// A line that has a given option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Which line.
    pub at: usize,
    /// False when a `#` or `;` switches it off.
    pub is_active: bool,
    /// What stands between option and value; empty for an option without one.
    pub separator: &'a str,
    /// The value; `None` without a separator.
    pub value: Option<&'a str>,
    /// A comment behind the value, blanks before it included.
    pub tail: &'a str,
}

impl<'a> Ini<'a> {
    /// Takes `text` apart. Sections nest where one does, or where `nests` says so.
    ///
    /// Errors: a `{` or quotes that are not closed, so that what follows cannot be told.
    pub fn parse(text: &'a str, nests: bool) -> Result<Ini<'a>, String> {
        let (mark, text) = match text.strip_prefix('\u{feff}') {
            Some(rest) => ("\u{feff}", rest),
            None => ("", text),
        };
        let lines = lines(text);
        let is_deep = |line: &&str| header(bare(line)).is_some_and(|(depth, _)| depth > 1);
        let is_nested = nests || lines.iter().any(is_deep);
        let sorts = Sorter::new(is_nested).sort(&lines)?;
        Ok(Ini { mark, lines, sorts, is_nested, end: ending(text) })
    }

    /// Returns the sections at `path`; the empty path is what stands before the first one.
    pub fn sections(&self, path: &[String]) -> Vec<Section> {
        let is_header = |at: &usize| matches!(self.sorts[*at], Line::Header(..));
        let count = self.lines.len();
        let next = |from: usize| (from..count).find(is_header).unwrap_or(count);
        if path.is_empty() {
            return vec![Section { header: None, own: 0..next(0), whole: 0..next(0) }];
        }
        let mut open: Vec<&str> = Vec::new();
        let mut found = Vec::new();
        for (at, sort) in self.sorts.iter().enumerate() {
            let Line::Header(depth, name) = sort else { continue };
            open.resize(depth - 1, "");
            open.push(name);
            if open.iter().eq(path.iter()) {
                let closes =
                    |at: &usize| matches!(self.sorts[*at], Line::Header(d, _) if d <= *depth);
                let end = (at + 1..count).find(closes).unwrap_or(count);
                let own = at + 1..next(at + 1);
                found.push(Section { header: Some(at), own, whole: at..end });
            }
        }
        found
    }

    /// Returns the lines of `section` that have `option`, those switched off included.
    pub fn options(&self, section: &Section, option: &str) -> Vec<Found<'a>> {
        section.own.clone().filter_map(|at| self.option(at, option)).collect()
    }

    fn option(&self, at: usize, option: &str) -> Option<Found<'a>> {
        let line = bare(self.lines[at]).trim_start_matches(BLANKS);
        let is_active = match self.sorts[at] {
            Line::Option => true,
            Line::Comment => false,
            _ => return None,
        };
        let line = match is_active {
            true => line,
            false => line[1..].trim_start_matches(BLANKS),
        };
        let rest = line.strip_prefix(option)?;
        let (separator, value) = split(rest)?;
        let (value, tail) = match self.is_nested && is_active {
            true => comment(value),
            false => (value.trim_end(), ""),
        };
        let found = match separator {
            // A comment is an option only where it assigns something.
            "" if !is_active || !value.is_empty() => return None,
            "" => Found { at, is_active, separator, value: None, tail },
            _ => Found { at, is_active, separator, value: Some(value), tail },
        };
        Some(found)
    }

    /// Returns the line after the last one in `range` that is neither blank nor a comment;
    /// the beginning of the range where there is none.
    pub fn end_of(&self, range: &Range<usize>) -> usize {
        let is_filled = |at: &usize| !matches!(self.sorts[*at], Line::Blank | Line::Comment);
        range.clone().rev().find(is_filled).map_or(range.start, |at| at + 1)
    }

    /// True when the value in line `at` goes on in the next.
    pub fn goes_on(&self, at: usize) -> bool {
        self.sorts.get(at + 1) == Some(&Line::More)
    }

    /// True when what is put before line `at` would be taken for the rest of the value before it.
    pub fn dangles(&self, at: usize) -> bool {
        let last = (0..at).rev().find(|at| self.sorts[*at] != Line::Comment);
        last.is_some_and(|at| is_continued(self.lines[at].trim()))
    }

    /// Returns the blanks before a new option of `section`.
    pub fn indent_in(&self, section: &Section) -> &'a str {
        let option = section.own.clone().rev().find(|at| self.sorts[*at] == Line::Option);
        option.or(section.header).map_or("", |at| indent(self.lines[at]))
    }

    /// Returns the blanks before a new header below `parent`.
    pub fn indent_of(&self, depth: usize, parent: Option<usize>) -> &'a str {
        let is_like = |at: &usize| matches!(self.sorts[*at], Line::Header(d, _) if d == depth);
        let like = (0..self.lines.len()).find(is_like);
        like.or(parent).map_or("", |at| indent(self.lines[at]))
    }

    /// Returns the text with other lines.
    pub fn with(&self, lines: impl IntoIterator<Item = String>) -> String {
        let lines: Vec<String> = lines.into_iter().collect();
        format!("{}{}", self.mark, join(lines.iter().map(String::as_str), self.end))
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// Reads `[name]`, `[[name]]`, …: the depth and the name.
fn header(line: &str) -> Option<(usize, &str)> {
    let line = line.trim();
    let inside = line.trim_start_matches('[');
    let depth = line.len() - inside.len();
    let (name, rest) = inside.split_once(']').filter(|_| depth > 0)?;
    let closing = "]".repeat(depth - 1);
    let rest = rest.strip_prefix(&closing)?;
    // `[name]*` is final in krb5.conf.
    let rest = rest.strip_prefix('*').unwrap_or(rest).trim_start();
    let is_header = rest.is_empty() || rest.starts_with(['#', ';']);
    is_header.then_some((depth, name.trim()))
}

/// Splits what follows an option: the separator with its blanks, and the value.
fn split(rest: &str) -> Option<(&str, &str)> {
    let after = rest.trim_start_matches(BLANKS);
    // A colon separates only before a blank: `default:pushurl` is a name.
    let is_colon = after.starts_with(": ") || after.starts_with(":\t") || after == ":";
    if after.starts_with('=') || is_colon {
        let value = after[1..].trim_start_matches(BLANKS);
        return Some((&rest[..rest.len() - value.len()], value));
    }
    let is_word = after.is_empty() || after.starts_with(['#', ';']) && after.len() < rest.len();
    is_word.then_some(("", rest))
}

/// Splits a comment off a value in which `#` begins one unless it is quoted.
fn comment(value: &str) -> (&str, &str) {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let quoted = quote.and_then(|quote| value[1..].find(quote)).map_or(0, |end| end + 2);
    let end = value[quoted..].find('#').map_or(value.len(), |at| quoted + at);
    let bare = value[..end].trim_end();
    match end == value.len() {
        true => (bare, ""),
        false => (bare, &value[bare.len()..]),
    }
}

/// Tells what lines are, one after the other.
struct Sorter {
    is_nested: bool,
    /// The blanks before the last option.
    option: Option<usize>,
    /// How many `{` are open, and the line of the first.
    braces: (usize, usize),
    /// The quotes that end a value of many lines, and the line where it begins.
    quotes: Option<(&'static str, usize)>,
    /// True after a line that ends with a backslash.
    goes_on: bool,
}

impl Sorter {
    fn new(is_nested: bool) -> Sorter {
        Sorter { is_nested, option: None, braces: (0, 0), quotes: None, goes_on: false }
    }

    fn sort<'a>(mut self, lines: &[&'a str]) -> Result<Vec<Line<'a>>, String> {
        let sorts = lines.iter().enumerate().map(|(at, line)| self.line(at, bare(line))).collect();
        match (self.braces, self.quotes) {
            ((0, _), None) => Ok(sorts),
            ((0, _), Some((quotes, line))) => {
                Err(format!("the {quotes} in line {} is not closed", line + 1))
            }
            ((_, line), _) => Err(format!("the `{{` in line {} is not closed", line + 1)),
        }
    }

    fn line<'a>(&mut self, at: usize, line: &'a str) -> Line<'a> {
        let trimmed = line.trim();
        if self.braces.0 > 0 || self.quotes.is_some() {
            self.inside(trimmed);
            return Line::More;
        }
        let is_comment = trimmed.starts_with(['#', ';']);
        if trimmed.is_empty() || is_comment {
            self.goes_on &= is_comment;
            return if is_comment { Line::Comment } else { Line::Blank };
        }
        let goes_on = std::mem::replace(&mut self.goes_on, is_continued(trimmed));
        let is_deeper = self.option.is_some_and(|option| indent(line).len() > option);
        match header(line) {
            Some((depth, name)) if !goes_on && (depth > 1 || !is_deeper) => {
                (self.option, self.goes_on) = (None, false);
                Line::Header(depth, name)
            }
            _ if goes_on || is_deeper && !trimmed.contains('=') && !trimmed.contains(": ") => {
                Line::More
            }
            _ => {
                self.option = Some(indent(line).len());
                self.opens(at, trimmed);
                Line::Option
            }
        }
    }

    /// Notes what the value of an option opens.
    fn opens(&mut self, at: usize, line: &str) {
        let Some((_, value)) = line.split_once('=') else { return };
        let value = value.trim();
        if value == "{" {
            self.braces = (1, at);
        }
        for quotes in ["\"\"\"", "'''"] {
            let rest = value.strip_prefix(quotes);
            if self.is_nested && rest.is_some_and(|rest| !rest.contains(quotes)) {
                self.quotes = Some((quotes, at));
            }
        }
    }

    fn inside(&mut self, line: &str) {
        if self.quotes.is_some_and(|(quotes, _)| line.contains(quotes)) {
            self.quotes = None;
        }
        if self.braces.0 == 0 || line.starts_with(['#', ';']) {
            return;
        }
        if line.starts_with('}') {
            self.braces.0 -= 1;
        }
        if line.ends_with('{') {
            self.braces.0 += 1;
        }
    }
}

/// True when a line ends with a backslash that is not itself escaped.
fn is_continued(line: &str) -> bool {
    (line.len() - line.trim_end_matches('\\').len()) % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn values<'a>(text: &'a str, section: &[&str], option: &str) -> Vec<Option<&'a str>> {
        let ini = Ini::parse(text, false).unwrap();
        let sections = ini.sections(&path(section));
        let options = sections.iter().flat_map(|section| ini.options(section, option));
        options.filter(|found| found.is_active).map(|found| found.value).collect()
    }

    #[test]
    fn flat_files() {
        let text = "x = 0\n[a]\nx = 1 # no comment\n#x = 5\nxy=2\nx\n[b]\nx: 3\nx:y = 4\n x = 6\n";
        assert_eq!(values(text, &[], "x"), [Some("0")]);
        assert_eq!(values(text, &["a"], "x"), [Some("1 # no comment"), None]);
        assert_eq!(values(text, &["a"], "xy"), [Some("2")]);
        assert_eq!(values(text, &["b"], "x"), [Some("3"), Some("6")]);
        assert_eq!(values(text, &["b"], "x:y"), [Some("4")]);
        assert_eq!(values("\u{feff}[a]\r\nx=1\r\n", &["a"], "x"), [Some("1")]);
    }

    #[test]
    fn sections_nest_and_comments_follow_values_as_in_hue_ini() {
        let text = "[desktop]\n  port=8888  # of the server\n  [[database]]\n    port=5432\n    \
                    name=\"a#b\" # x\n  [[kerberos]]\n  port=88\n  [[[deep]]]\n  port=1\n[beeswax]\nport=10\n";
        assert_eq!(values(text, &["desktop"], "port"), [Some("8888")]);
        assert_eq!(values(text, &["desktop", "database"], "port"), [Some("5432")]);
        assert_eq!(values(text, &["desktop", "database"], "name"), [Some("\"a#b\"")]);
        assert_eq!(values(text, &["desktop", "kerberos", "deep"], "port"), [Some("1")]);
        assert_eq!(values(text, &["beeswax"], "port"), [Some("10")]);
        assert_eq!(values(text, &["database"], "port"), []);
        let ini = Ini::parse(text, false).unwrap();
        assert_eq!(ini.sections(&path(&["desktop"]))[0].whole, 0..9);
        let quotes = "[a]\n[[b]]\nx='''\n[c]\ny=1\n'''\ny=2\n";
        assert_eq!(values(quotes, &["a", "b"], "y"), [Some("2")]);
    }

    #[test]
    fn braces_of_krb5_conf_are_opaque() {
        let text = "[realms]\n A = {\n  kdc = k1\n  sub = {\n   kdc = k2\n  }\n }\n kdc = no\n\
                    [libdefaults]*\n kdc = x\n";
        assert_eq!(values(text, &["realms"], "kdc"), [Some("no")]);
        assert_eq!(values(text, &["realms"], "A"), [Some("{")]);
        let open = Ini::parse("[realms]\n A = {\n kdc = k1\n[x]\n", false).unwrap_err();
        assert_eq!(open, "the `{` in line 2 is not closed");
        assert_eq!(values(text, &["libdefaults"], "kdc"), [Some("x")]);
    }

    #[test]
    fn values_go_on_in_the_next_line() {
        let text = "[a]\nx = 1,\n    2\n  [y]\ny = a \\\n z = b\nz = c\n";
        let ini = Ini::parse(text, false).unwrap();
        assert!(ini.goes_on(1) && ini.goes_on(4) && !ini.goes_on(6));
        assert_eq!(values(text, &["a"], "z"), [Some("c")]);
    }
}
