//! `os.line`: a line in a text file.
//!
//! Parameters follow Ansible's `lineinfile`. With `regexp` (or `search_string`) the last line that
//! matches is replaced, the first one with `firstmatch`; where none matches, `line` is added: at
//! the end, or where `insertafter` and `insertbefore` say. With `state: absent` every matching line
//! goes. With `backrefs`, `\1` or `\g<name>` in `line` stand for groups of `regexp`, and a file
//! without a match is left alone. Lines end where the file's lines end; the file is replaced as a
//! whole, unless it changed since it was read.
//!
//! ```yaml
//! - name: Strong entropy for Java
//!   os.line:
//!     path: /etc/java/security.conf
//!     regexp: ^securerandom\.source=
//!     line: securerandom.source=file:/dev/urandom
//!     create: true
//!   hosts: all
//! ```

use regex::Regex;
use serde::Deserialize;

use super::shared::edit::{self, Edit, bare};
use super::shared::ownership::Ownership;
use super::shared::state::State;
use super::{Claim, Kind, Link, argument, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Data, Delta, Live, Node, Value};

/// A line in a text file.
pub struct OsLine;

/// A line in a text file.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Absolute path of the file.
    path: String,
    /// The line, without its end.
    line: Option<Node>,
    /// Which line it replaces: a regular expression that is looked for in every line.
    regexp: Option<String>,
    /// Which line it replaces: text that is looked for in every line.
    search_string: Option<String>,
    /// Should the line be there?
    #[serde(default)]
    state: State,
    /// Replace `\1` and `\g<name>` in `line` by groups of `regexp`?
    #[serde(default)]
    backrefs: bool,
    /// Where a new line goes: after the last line that matches, or `EOF`.
    insertafter: Option<String>,
    /// Where a new line goes: before the last line that matches, or `BOF`.
    insertbefore: Option<String>,
    /// Make the file where there is none?
    #[serde(default)]
    create: bool,
    /// Take the first line that matches instead of the last?
    #[serde(default)]
    firstmatch: bool,
    /// A command that must accept the new content; `%s` stands for the file that holds it.
    validate: Option<String>,
    /// Permissions of the file in octal, quoted: "0644".
    mode: Option<Node>,
    /// Owner of the file, by name.
    owner: Option<String>,
    /// Group of the file, by name.
    group: Option<String>,
}

impl Args {
    fn edit(&self) -> Edit<'_> {
        let (owner, group) = (self.owner.as_deref(), self.group.as_deref());
        Edit {
            path: &self.path,
            create: self.create && self.state == State::Present,
            validate: self.validate.as_deref(),
            ownership: Ownership { mode: self.mode.as_ref(), owner, group },
        }
    }

    fn line(&self) -> String {
        let line = self.line.as_ref().and_then(argument);
        line.map(|line| line.reveal().to_string()).unwrap_or_default()
    }

    fn is_secret(&self) -> bool {
        matches!(&self.line, Some(Node { data: Data::Secret(_), .. }))
    }

    /// Returns how lines are found; `None` when only the line itself can be.
    fn finder(&self) -> Option<Finder<'_>> {
        match (&self.regexp, &self.search_string) {
            (Some(regexp), _) => Regex::new(regexp).ok().map(Finder::Regexp),
            (None, Some(text)) => Some(Finder::Text(text)),
            (None, None) => None,
        }
    }

    /// Returns a value as it may be shown.
    fn shown(&self, text: &str) -> Value {
        if self.is_secret() { Value::Sensitive } else { Value::text(text) }
    }
}

enum Finder<'a> {
    Regexp(Regex),
    Text(&'a str),
}

impl Finder<'_> {
    fn finds(&self, line: &str) -> bool {
        match self {
            Finder::Regexp(regexp) => regexp.is_match(line),
            Finder::Text(text) => line.contains(text),
        }
    }
}

impl Kind for OsLine {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.line", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_line.rs");

    fn key(args: &Args) -> String {
        let line = if args.is_secret() { String::new() } else { args.line() };
        let what = args.regexp.as_ref().or(args.search_string.as_ref()).unwrap_or(&line);
        format!("{}: {}", args.path, edit::key_part(what))
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        args.edit().check(&mut problems);
        let searches = args.regexp.is_some() || args.search_string.is_some();
        let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
        if args.regexp.is_some() && args.search_string.is_some() {
            add("search_string", "`regexp` and `search_string` exclude each other");
        }
        if args.insertafter.is_some() && args.insertbefore.is_some() {
            add("insertbefore", "`insertafter` and `insertbefore` exclude each other");
        }
        match (&args.line, args.state) {
            (None, State::Present) => add("path", "`line` is needed"),
            (None, State::Absent) if !searches => add("path", "which line should go? add `regexp`"),
            (Some(node), _) if argument(node).is_none() => add("line", "`line` must be text"),
            (Some(_), _) if args.line().contains(['\n', '\r']) => {
                add("line", "a line has no line end inside: `os.block` takes several");
            }
            (Some(_), _) if args.is_secret() && !searches => {
                add("line", "a secret line is found again by `regexp` only");
            }
            _ => {}
        }
        if args.backrefs && args.regexp.is_none() {
            add("backrefs", "`backrefs` needs `regexp`");
        }
        for (name, pattern) in [
            ("regexp", &args.regexp),
            ("insertafter", &args.insertafter),
            ("insertbefore", &args.insertbefore),
        ] {
            problems.extend(edit::regexp_problem(name, pattern.as_deref()));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![args.edit().ask()]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let present = match args.edit().read(&replies[0]) {
            Ok(present) => present,
            // Where there is no file there is no line either.
            Err(delta) if args.state == State::Absent && delta.is_curable => {
                return Delta {
                    attributes: vec![Attribute::gone("line", Live::Absent)],
                    ..Delta::default()
                };
            }
            Err(delta) => return delta,
        };
        let mut delta = Delta::default();
        let (before, after) = found(args, &present.text);
        delta.attributes.push(match args.state {
            State::Absent => Attribute::gone("line", before),
            State::Present => {
                let differs = after.as_deref().is_some_and(|after| match &before {
                    Live::Known(Value::Text(text)) => **text != *after,
                    _ => true,
                });
                let want = args.shown(after.as_deref().unwrap_or_default());
                let before = match before {
                    Live::Known(_) if args.is_secret() => Live::Known(Value::Sensitive),
                    before => before,
                };
                match after {
                    Some(_) => Attribute { differs, ..Attribute::new("line", before, want) },
                    // `backrefs` without a match asks for nothing.
                    None => unasked(),
                }
            }
        });
        args.edit().ownership.compare(present.stat.as_ref(), &mut delta.attributes);
        delta
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(present) = args.edit().read(&replies[0]) else { return Vec::new() };
        let text = match args.state {
            State::Present => with(args, &present.text),
            State::Absent => without(args, &present.text),
        };
        args.edit().write(&present, &text, args.is_secret())
    }

    fn needs(args: &Args) -> Vec<Link> {
        args.edit().needs()
    }

    fn claims(args: &Args) -> Option<Claim> {
        Some(args.edit().claim())
    }
}

fn unasked() -> Attribute {
    let note = Some("no line matches, so `backrefs` asks for nothing".to_string());
    Attribute::gone("line", Live::Absent).noted(note)
}

/// Returns which line is there and which should be; `None` when nothing is asked for.
fn found(args: &Args, text: &str) -> (Live, Option<String>) {
    let lines = edit::lines(text);
    if args.state == State::Absent {
        let doomed: Vec<Value> = lines
            .iter()
            .filter(|line| is_doomed(args, line))
            .map(|line| args.shown(bare(line)))
            .collect();
        return match doomed.is_empty() {
            true => (Live::Absent, None),
            false => (Live::Known(Value::List(doomed)), None),
        };
    }
    match place(args, &lines) {
        Place::Replace(at) => {
            let old = bare(lines[at]);
            (Live::Known(Value::text(old)), Some(filled(args, old)))
        }
        Place::Insert(_) => (Live::Absent, Some(args.line())),
        Place::Nowhere => (Live::Absent, None),
    }
}

fn is_doomed(args: &Args, line: &str) -> bool {
    match args.finder() {
        Some(finder) => finder.finds(bare(line)),
        None => bare(line) == args.line(),
    }
}

/// Where the line goes.
#[derive(Debug, PartialEq)]
enum Place {
    /// In the place of this one.
    Replace(usize),
    /// Before this one.
    Insert(usize),
    /// Nowhere.
    Nowhere,
}

/// Finds the place, as Ansible's `lineinfile` does.
fn place(args: &Args, lines: &[&str]) -> Place {
    let pick = |finds: &dyn Fn(&str) -> bool| match args.firstmatch {
        true => lines.iter().position(|line| finds(bare(line))),
        false => lines.iter().rposition(|line| finds(bare(line))),
    };
    if let Some(at) = args.finder().and_then(|finder| pick(&|line| finder.finds(line))) {
        return Place::Replace(at);
    }
    if args.backrefs {
        return Place::Nowhere;
    }
    let line = args.line();
    if let Some(at) = lines.iter().rposition(|l| bare(l) == line) {
        return Place::Replace(at);
    }
    let last = lines.len();
    let at = |pattern: &str| Regex::new(pattern).ok().and_then(|r| pick(&|line| r.is_match(line)));
    Place::Insert(match (args.insertafter.as_deref(), args.insertbefore.as_deref()) {
        (Some("BOF"), _) | (_, Some("BOF")) => 0,
        (Some("EOF"), _) | (None, None | Some("EOF")) => last,
        (Some(pattern), _) => at(pattern).map_or(last, |at| at + 1),
        (None, Some(pattern)) => at(pattern).unwrap_or(last),
    })
}

/// Returns the line as it should be in the place of `old`.
fn filled(args: &Args, old: &str) -> String {
    let line = args.line();
    match (args.backrefs, args.finder()) {
        (true, Some(Finder::Regexp(regexp))) => match regexp.captures(old) {
            Some(groups) => expand(&line, &groups),
            None => line,
        },
        _ => line,
    }
}

/// Fills `\1` and `\g<name>` in, as Python's `Match.expand` does.
fn expand(template: &str, groups: &regex::Captures<'_>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            let group = rest[..digits].parse().ok().and_then(|i: usize| groups.get(i));
            out.push_str(group.map_or("", |group| group.as_str()));
            rest = &rest[digits..];
        } else if let Some((name, after)) =
            rest.strip_prefix("g<").and_then(|named| named.split_once('>'))
        {
            let group = match name.parse::<usize>() {
                Ok(number) => groups.get(number),
                Err(_) => groups.name(name),
            };
            out.push_str(group.map_or("", |group| group.as_str()));
            rest = after;
        } else {
            let next = rest.chars().next();
            match next {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('\\') => out.push('\\'),
                Some(c) => out.extend(['\\', c]),
                None => out.push('\\'),
            }
            rest = &rest[next.map_or(0, char::len_utf8)..];
        }
    }
    out.push_str(rest);
    out
}

/// Returns the text with the line in its place.
fn with(args: &Args, text: &str) -> String {
    let lines = edit::lines(text);
    match place(args, &lines) {
        Place::Nowhere => text.to_string(),
        Place::Replace(at) => {
            let old = bare(lines[at]);
            let end = &lines[at][old.len()..];
            let new = filled(args, old);
            [&lines[..at].concat(), &*new, end, &lines[at + 1..].concat()].concat()
        }
        Place::Insert(at) => {
            let mut new = lines[..at].concat();
            edit::append(&mut new, &args.line());
            new.push_str(&lines[at..].concat());
            new
        }
    }
}

fn without(args: &Args, text: &str) -> String {
    edit::lines(text).into_iter().filter(|line| !is_doomed(args, line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place as Written;

    fn args(line: &str) -> Args {
        Args {
            path: "/etc/x".into(),
            line: Some(Node::text(Written::nowhere(), line)),
            regexp: None,
            search_string: None,
            state: State::Present,
            backrefs: false,
            insertafter: None,
            insertbefore: None,
            create: false,
            firstmatch: false,
            validate: None,
            mode: None,
            owner: None,
            group: None,
        }
    }

    #[test]
    fn lines_go_where_ansible_puts_them() {
        let text = "a=1\nb=2\na=3";
        let one = |change: &dyn Fn(&mut Args)| {
            let mut args = args("a=9");
            change(&mut args);
            with(&args, text)
        };
        assert_eq!(one(&|_| ()), "a=1\nb=2\na=3\na=9\n");
        assert_eq!(one(&|a| a.regexp = Some("^a=".into())), "a=1\nb=2\na=9");
        let first = |a: &mut Args| (a.regexp, a.firstmatch) = (Some("^a=".into()), true);
        assert_eq!(one(&first), "a=9\nb=2\na=3");
        assert_eq!(one(&|a| a.insertafter = Some("^b".into())), "a=1\nb=2\na=9\na=3");
        assert_eq!(one(&|a| a.insertbefore = Some("^b".into())), "a=1\na=9\nb=2\na=3");
        assert_eq!(one(&|a| a.insertbefore = Some("BOF".into())), "a=9\na=1\nb=2\na=3");
        assert_eq!(one(&|a| a.search_string = Some("b=".into())), "a=1\na=9\na=3");
        assert_eq!(one(&|a| a.insertafter = Some("^no".into())), "a=1\nb=2\na=3\na=9\n");
    }

    #[test]
    fn groups_are_filled_in() {
        let mut args = args(r"\g<key>=\2!");
        (args.regexp, args.backrefs) = (Some("^(?P<key>a)=(.*)$".into()), true);
        assert_eq!(with(&args, "a=1\n"), "a=1!\n");
        assert_eq!(with(&args, "b=1\n"), "b=1\n");
    }
}
