//! `os.block`: a block of lines in a text file, between two marker lines.
//!
//! Parameters follow Ansible's `blockinfile`; only the marker is our own: `# BEGIN DRSYNC MANAGED
//! BLOCK`. Several blocks of one file are told apart by `name`, which is appended to it, or by
//! `marker`. A block that Ansible made under its own default marker is taken over when there is
//! none under ours: it stays where it is and keeps Ansible's marker lines, so that either tool may
//! be used until the move is done. A block that is there already is never moved.
//!
//! An empty block, or `state: absent`, removes the lines and their markers. Markers that are there
//! twice, or of which one is missing, are refused: mend the file by hand first.
//!
//! ```yaml
//! - name: Hosts of the other side
//!   os.block:
//!     path: /etc/ssh/ssh_config
//!     name: peers
//!     block: |
//!       Host *.dr.example.com
//!         ServerAliveInterval 30
//!     insertbefore: ^Host \*
//!     create: true
//!   hosts: all
//! ```

use std::ops::Range;

use regex::Regex;
use serde::Deserialize;

use super::shared::edit::{self, Edit, bare};
use super::shared::ownership::Ownership;
use super::shared::state::State;
use super::{Claim, Kind, Link, argument, problem};
use crate::format::block::{self, Markers};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Data, Delta, Live, Node, Value, Want};

/// A block of lines in a text file.
pub struct OsBlock;

/// A block of lines in a text file.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Absolute path of the file.
    path: String,
    /// The lines. Without any, the block goes.
    block: Option<Node>,
    /// Tells several blocks of a file apart: appended to the default marker.
    name: Option<String>,
    /// The lines around the block; `{mark}` stands for `marker_begin` and `marker_end`.
    marker: Option<String>,
    /// What `{mark}` stands for in the line before the block.
    #[serde(default = "begin")]
    marker_begin: String,
    /// What `{mark}` stands for in the line after the block.
    #[serde(default = "end")]
    marker_end: String,
    /// Should the block be there?
    #[serde(default)]
    state: State,
    /// Where a new block goes: after the last line that matches, or `EOF`.
    insertafter: Option<String>,
    /// Where a new block goes: before the last line that matches, or `BOF`.
    insertbefore: Option<String>,
    /// Make the file where there is none?
    #[serde(default)]
    create: bool,
    /// Have an empty line after the block, unless it ends the file?
    #[serde(default)]
    append_newline: bool,
    /// Have an empty line before the block, unless it begins the file?
    #[serde(default)]
    prepend_newline: bool,
    /// A command that must accept the new content; `%s` stands for the file that holds it.
    validate: Option<String>,
    /// Permissions of the file in octal, quoted: "0644".
    mode: Option<Node>,
    /// Owner of the file, by name.
    owner: Option<String>,
    /// Group of the file, by name.
    group: Option<String>,
}

fn begin() -> String {
    "BEGIN".into()
}

fn end() -> String {
    "END".into()
}

impl Args {
    fn edit(&self) -> Edit<'_> {
        let (owner, group) = (self.owner.as_deref(), self.group.as_deref());
        Edit {
            path: &self.path,
            create: self.create && self.is_wanted(),
            validate: self.validate.as_deref(),
            ownership: Ownership { mode: self.mode.as_ref(), owner, group },
        }
    }

    /// Returns the lines, each ended by `\n`.
    fn block(&self) -> String {
        let block = self.block.as_ref().and_then(argument);
        let mut block = block.map(|b| b.reveal().replace("\r\n", "\n")).unwrap_or_default();
        if !block.is_empty() && !block.ends_with('\n') {
            block.push('\n');
        }
        block
    }

    fn is_wanted(&self) -> bool {
        self.state == State::Present && !self.block().is_empty()
    }

    fn is_secret(&self) -> bool {
        matches!(&self.block, Some(Node { data: Data::Secret(_), .. }))
    }

    fn marker(&self, whose: &str) -> String {
        let name = self.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        let default = format!("# {{mark}} {whose} MANAGED BLOCK{name}");
        self.marker.clone().unwrap_or(default)
    }

    fn markers(&self, whose: &str) -> Markers {
        Markers::new(&self.marker(whose), &self.marker_begin, &self.marker_end)
    }

    fn shown(&self, text: &str) -> Value {
        match self.is_secret() {
            true => Value::Sensitive,
            false => Value::text(text.strip_suffix('\n').unwrap_or(text)),
        }
    }
}

impl Kind for OsBlock {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.block", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_block.rs");

    fn key(args: &Args) -> String {
        match (&args.name, &args.marker) {
            (Some(name), _) => format!("{}: {}", args.path, edit::key_part(name)),
            (None, Some(marker)) => format!("{}: {}", args.path, edit::key_part(marker)),
            (None, None) => args.path.clone(),
        }
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        args.edit().check(&mut problems);
        check_markers(args, &mut problems);
        let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
        if args.insertafter.is_some() && args.insertbefore.is_some() {
            add("insertbefore", "`insertafter` and `insertbefore` exclude each other");
        }
        if args.block.as_ref().is_some_and(|node| argument(node).is_none()) {
            add("block", "`block` must be text");
        }
        for (name, pattern) in
            [("insertafter", &args.insertafter), ("insertbefore", &args.insertbefore)]
        {
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
            // Where there is no file there is no block either.
            Err(delta) if !args.is_wanted() && delta.is_curable => {
                return Delta {
                    attributes: vec![Attribute::gone("block", Live::Absent)],
                    ..Delta::default()
                };
            }
            Err(delta) => return delta,
        };
        let mut delta = Delta::default();
        let found = match found(args, &present.text) {
            Ok(found) => found,
            Err(said) => {
                delta.refused = Some(format!("{said}: mend {} by hand first", args.path));
                return delta;
            }
        };
        delta.attributes = attributes(args, &present.text, &found);
        args.edit().ownership.compare(present.stat.as_ref(), &mut delta.attributes);
        delta
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(present) = args.edit().read(&replies[0]) else { return Vec::new() };
        let Ok(found) = found(args, &present.text) else { return Vec::new() };
        args.edit().write(&present, &found.text, args.is_secret())
    }

    fn needs(args: &Args) -> Vec<Link> {
        args.edit().needs()
    }

    fn claims(args: &Args) -> Option<Claim> {
        Some(args.edit().claim())
    }
}

fn check_markers(args: &Args, problems: &mut Vec<Problem>) {
    let mut add = |name: &str, said: &str, hint: Option<&str>| {
        problems.push(problem(&[name], said, hint));
    };
    let lines = [
        ("name", args.name.as_deref()),
        ("marker", args.marker.as_deref()),
        ("marker_begin", Some(&*args.marker_begin)),
        ("marker_end", Some(&*args.marker_end)),
    ];
    for (name, text) in lines {
        if text.is_some_and(|text| text.contains(char::is_control)) {
            add(name, "a marker is one line", None);
        }
    }
    if args.name.is_some() && args.marker.is_some() {
        add("name", "`name` belongs to the default marker", Some("write it into `marker`"));
    }
    if args.name.as_ref().is_some_and(|name| name.trim() != name || name.is_empty()) {
        add("name", "a name neither is empty nor has blanks around it", None);
    }
    let markers = args.markers("DRSYNC");
    if !args.marker("").contains("{mark}") || markers.begin == markers.end {
        let hint = "it stands for BEGIN and END, which tell the two lines apart";
        add("marker", "the lines before and after the block would be the same", Some(hint));
    }
    let block = args.block();
    if block.lines().any(|line| line == markers.begin || line == markers.end) {
        add("block", "the block holds its own marker", None);
    }
}

/// What is there, and what the text should be.
struct Found {
    /// The block as it is.
    before: Option<String>,
    /// The new text of the file.
    text: String,
    /// True when it stands under Ansible's marker.
    is_ansibles: bool,
}

fn found(args: &Args, text: &str) -> Result<Found, String> {
    let own = args.markers("DRSYNC");
    let mut place = own.find(text)?;
    let mut markers = own;
    let mut is_ansibles = false;
    if place.is_none() && args.marker.is_none() {
        let theirs = args.markers("ANSIBLE");
        place = theirs.find(text)?;
        is_ansibles = place.is_some();
        if is_ansibles {
            markers = theirs;
        }
    }
    let before = place.clone().map(|place| block::content(text, &place));
    let text = match (args.is_wanted(), place) {
        (false, None) => text.to_string(),
        (false, Some(place)) => block::take(text, place),
        (true, place) => {
            let place = place.unwrap_or_else(|| insertion(args, text));
            let blank = (args.prepend_newline, args.append_newline);
            block::put(text, place, &args.block(), &markers, blank)
        }
    };
    Ok(Found { before, text, is_ansibles })
}

/// Returns where a new block goes, as Ansible's `blockinfile` puts it.
fn insertion(args: &Args, text: &str) -> Range<usize> {
    let lines = edit::lines(text);
    let last = lines.len();
    let at = match (args.insertafter.as_deref(), args.insertbefore.as_deref()) {
        (_, Some("BOF")) | (Some("BOF"), _) => 0,
        (None | Some("EOF"), None) | (_, Some("EOF")) => last,
        (Some(pattern), _) => matching(pattern, text, &lines, true).map_or(last, |at| at + 1),
        (None, Some(pattern)) => matching(pattern, text, &lines, false).unwrap_or(last),
    };
    at..at
}

/// Returns the last line that matches. A pattern of several lines, `(?m)…`, is looked for in the
/// whole text, and its last or first line is returned.
fn matching(pattern: &str, text: &str, lines: &[&str], is_after: bool) -> Option<usize> {
    let regex = Regex::new(pattern).ok()?;
    let flags = pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')'));
    let is_whole = flags.is_some_and(|(flags, _)| {
        flags.contains('m') && flags.bytes().all(|b| b.is_ascii_lowercase())
    });
    if !is_whole {
        return lines.iter().rposition(|line| regex.is_match(bare(line)));
    }
    let found = regex.find(text)?;
    let end = if is_after { found.end() } else { found.start() };
    Some(text[..end].matches('\n').count())
}

fn attributes(args: &Args, text: &str, found: &Found) -> Vec<Attribute> {
    let live = |before: &String| Live::Known(args.shown(before));
    let before = found.before.as_ref().map_or(Live::Absent, live);
    if !args.is_wanted() {
        return vec![Attribute::gone("block", before)];
    }
    let block = args.block();
    let note = found.is_ansibles.then(|| "under Ansible's marker, which stays".to_string());
    let is_same = found.before.as_ref() == Some(&block);
    let after = Want::Value(args.shown(&block));
    let mut attributes =
        vec![Attribute { name: "block".into(), before, after, differs: !is_same, note }];
    // The block is as wished, so it is the empty lines around it that differ.
    if is_same && found.text != text {
        let (before, after) = (Value::text("not there"), Value::text("there"));
        attributes.push(Attribute::new("empty line beside it", Live::Known(before), after));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place as Written;

    fn args(block: &str) -> Args {
        Args {
            path: "/etc/x".into(),
            block: Some(Node::text(Written::nowhere(), block)),
            name: None,
            marker: None,
            marker_begin: begin(),
            marker_end: end(),
            state: State::Present,
            insertafter: None,
            insertbefore: None,
            create: false,
            append_newline: false,
            prepend_newline: false,
            validate: None,
            mode: None,
            owner: None,
            group: None,
        }
    }

    fn with(args: &Args, text: &str) -> String {
        found(args, text).map(|found| found.text).unwrap()
    }

    const BLOCK: &str = "# BEGIN DRSYNC MANAGED BLOCK\nx\n# END DRSYNC MANAGED BLOCK\n";

    #[test]
    fn blocks_go_where_ansible_puts_them() {
        let one = |change: &dyn Fn(&mut Args)| {
            let mut args = args("x");
            change(&mut args);
            with(&args, "a=1\nb=2\na=3\n").replace(BLOCK, "*")
        };
        assert_eq!(one(&|_| ()), "a=1\nb=2\na=3\n*");
        assert_eq!(one(&|a| a.insertafter = Some("^a".into())), "a=1\nb=2\na=3\n*");
        assert_eq!(one(&|a| a.insertafter = Some("b=2$".into())), "a=1\nb=2\n*a=3\n");
        assert_eq!(one(&|a| a.insertafter = Some("(?m)1\nb".into())), "a=1\nb=2\n*a=3\n");
        assert_eq!(one(&|a| a.insertbefore = Some("(?m)1\nb".into())), "*a=1\nb=2\na=3\n");
        assert_eq!(one(&|a| a.insertbefore = Some("^a".into())), "a=1\nb=2\n*a=3\n");
        assert_eq!(one(&|a| a.insertbefore = Some("^c".into())), "a=1\nb=2\na=3\n*");
        assert_eq!(one(&|a| a.insertbefore = Some("BOF".into())), "*a=1\nb=2\na=3\n");
    }

    #[test]
    fn a_block_of_ansible_is_taken_over_where_it_is() {
        let theirs = BLOCK.replace("DRSYNC", "ANSIBLE");
        let text = format!("a\n{theirs}b\n");
        assert_eq!(with(&args("x"), &text), text);
        assert_eq!(with(&args("y"), &text), text.replace("x", "y"));
        let mut without = args("");
        assert_eq!(with(&without, &text), "a\nb\n");
        without.name = Some("other".into());
        assert_eq!(with(&without, &text), text);
        // Ours goes first, and theirs is left alone.
        let both = format!("{theirs}{}", BLOCK.replace('x', "1"));
        assert_eq!(with(&args("x"), &both), format!("{theirs}{BLOCK}"));
    }
}
