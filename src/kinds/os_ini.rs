//! `os.ini`: an option in a section of a configuration file.
//!
//! Parameters follow Ansible's `community.general.ini_file`. Comments, order and indentation stay,
//! and a comment is used for a new value (`#opt = 1` becomes `opt = 2`) only where no line has the
//! option yet. With `no_extra_spaces` there are no blanks around `=`; unless `ignore_spaces` is
//! set, a line that differs in these blanks alone is rewritten.
//!
//! Nested sections, as in `hue.ini`, are named by the way to them: `section: [desktop, database]`
//! is `[[database]]` in `[desktop]`. In such a file `#` begins a comment in every place, so a value
//! with `#` needs quotes. In `krb5.conf`, `{ … }` is left as it is: only plain options are changed,
//! as everywhere only values of one line are.
//!
//! ```yaml
//! - name: No ticket caches Java cannot read
//!   os.ini:
//!     path: /etc/krb5.conf
//!     section: libdefaults
//!     option: default_ccache_name
//!     state: absent
//!   hosts: all
//! - name: Hue's database
//!   os.ini:
//!     path: /etc/hue/conf/hue.ini
//!     section: [desktop, database]
//!     option: engine
//!     value: postgresql_psycopg2
//!     no_extra_spaces: true
//!   hosts: hue
//! ```

use serde::Deserialize;

use super::shared::edit::{self, Edit};
use super::shared::ownership::Ownership;
use super::shared::state::State;
use super::{Claim, Kind, Link, argument, problem};
use crate::format::ini_wish::{Fault, Outcome, Wish, fulfil};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Data, Delta, Live, Node, Value, Want};

/// An option in a section of a configuration file.
pub struct OsIni;

/// An option in a section of a configuration file.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Absolute path of the file.
    path: String,
    /// The section: its name, or the names on the way to a nested one. Without it, the option
    /// stands before the first section.
    section: Option<Node>,
    /// Among several sections of that name, the first in which options have these values.
    #[serde(default)]
    section_has_values: Vec<Condition>,
    /// The option; without it the section itself is meant.
    option: Option<String>,
    /// Its value.
    value: Option<Node>,
    /// Its values, one line each.
    values: Option<Vec<Node>>,
    /// Should it be there?
    #[serde(default)]
    state: State,
    /// May the option have no other values? Otherwise only the values given are added or removed.
    #[serde(default = "yes")]
    exclusive: bool,
    /// Have no blanks around `=`?
    #[serde(default)]
    no_extra_spaces: bool,
    /// Leave lines alone that differ only in the blanks around `=`?
    #[serde(default)]
    ignore_spaces: bool,
    /// May the option stand without a value and without `=`?
    #[serde(default)]
    allow_no_value: bool,
    /// May a comment that has the option be made the option?
    #[serde(default = "yes")]
    modify_inactive_option: bool,
    /// Make the file where there is none?
    #[serde(default = "yes")]
    create: bool,
    /// A command that must accept the new content; `%s` stands for the file that holds it.
    validate: Option<String>,
    /// Permissions of the file in octal, quoted: "0644".
    mode: Option<Node>,
    /// Owner of the file, by name.
    owner: Option<String>,
    /// Group of the file, by name.
    group: Option<String>,
}

/// What tells a section from others of its name.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// An option the section has.
    option: String,
    /// Its value.
    value: Option<String>,
    /// One of these values.
    values: Option<Vec<String>>,
}

fn yes() -> bool {
    true
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

    /// Returns the names on the way to the section; `None` when they are not text.
    fn section(&self) -> Option<Vec<String>> {
        let Some(node) = &self.section else { return Some(Vec::new()) };
        let names = match &node.data {
            Data::Null => return Some(Vec::new()),
            Data::List(items) => items.iter().map(Node::as_text).collect::<Option<Vec<_>>>()?,
            _ => vec![node.as_text()?],
        };
        let names = names.into_iter().map(|name| name.trim().to_string());
        Some(names.filter(|name| !name.is_empty()).collect())
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.value.iter().chain(self.values.iter().flatten())
    }

    fn is_secret(&self) -> bool {
        self.nodes().any(|node| matches!(node.data, Data::Secret(_)))
    }

    fn values(&self) -> Vec<Option<String>> {
        let text = |node: &Node| argument(node).map(|value| value.reveal().to_string());
        let mut values: Vec<_> = self.nodes().filter_map(text).map(Some).collect();
        if values.is_empty() && self.allow_no_value && self.state == State::Present {
            values.push(None);
        }
        values
    }

    fn wish(&self) -> Wish<'_> {
        let condition = |condition: &Condition| {
            let values = condition.value.iter().chain(condition.values.iter().flatten());
            (condition.option.clone(), values.cloned().collect())
        };
        Wish {
            section: self.section().unwrap_or_default(),
            with: self.section_has_values.iter().map(condition).collect(),
            option: self.option.as_deref(),
            values: self.values(),
            present: self.state == State::Present,
            exclusive: self.exclusive,
            reuse: self.modify_inactive_option,
            spaced: !self.no_extra_spaces,
            any_spaces: self.ignore_spaces,
        }
    }

    /// Returns values as they may be shown: one alone, several as a list.
    fn shown(&self, values: &[Option<String>]) -> Value {
        let one = |value: &Option<String>| Value::text(value.as_deref().unwrap_or("(no value)"));
        match values {
            _ if self.is_secret() => Value::Sensitive,
            [value] => one(value),
            values => Value::List(values.iter().map(one).collect()),
        }
    }
}

impl Kind for OsIni {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.ini", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_ini.rs");

    fn key(args: &Args) -> String {
        let section = args.section().unwrap_or_default().join("/");
        let section = if section.is_empty() { section } else { format!("[{section}]") };
        let mut what = format!("{section}{}", args.option.as_deref().unwrap_or_default());
        for condition in &args.section_has_values {
            let values = condition.value.iter().chain(condition.values.iter().flatten());
            let values: Vec<&str> = values.map(String::as_str).collect();
            what.push_str(&format!(" with {}={}", condition.option, values.join("|")));
        }
        if !args.exclusive && !args.is_secret() {
            let values = args.values().into_iter().flatten().collect::<Vec<_>>();
            what.push_str(&format!(" = {}", values.join("|")));
        }
        format!("{}: {}", args.path, edit::key_part(&what))
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        args.edit().check(&mut problems);
        check_names(args, &mut problems);
        check_values(args, &mut problems);
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![args.edit().ask()]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let present = match args.edit().read(&replies[0]) {
            Ok(present) => present,
            // Where there is no file there is no option either.
            Err(delta) if args.state == State::Absent && delta.is_curable => {
                let attribute = absent(args, Live::Absent);
                return Delta { attributes: vec![attribute], ..Delta::default() };
            }
            Err(delta) => return delta,
        };
        let mut delta = Delta::default();
        match fulfil(&present.text, &args.wish()) {
            Ok(outcome) => delta.attributes = attributes(args, &present.text, &outcome),
            Err(Fault::Unclear(said)) => return Delta::unknown(format!("{}: {said}", args.path)),
            Err(Fault::Refused(said)) => delta.refused = Some(said),
        }
        args.edit().ownership.compare(present.stat.as_ref(), &mut delta.attributes);
        delta
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(present) = args.edit().read(&replies[0]) else { return Vec::new() };
        let Ok(outcome) = fulfil(&present.text, &args.wish()) else { return Vec::new() };
        args.edit().write(&present, &outcome.text, args.is_secret())
    }

    fn needs(args: &Args) -> Vec<Link> {
        args.edit().needs()
    }

    fn claims(args: &Args) -> Option<Claim> {
        Some(args.edit().claim())
    }
}

fn check_names(args: &Args, problems: &mut Vec<Problem>) {
    let mut add = |name: &str, said: &str, hint: Option<&str>| {
        problems.push(problem(&[name], said, hint));
    };
    let section = args.section();
    match &section {
        None => add("section", "`section` is a name, or a list of names", None),
        Some(names) => {
            let is_bad =
                |name: &String| name.contains(['[', ']']) || name.contains(char::is_control);
            if names.iter().any(is_bad) {
                let hint = "a nested one is written as a list: [desktop, database]";
                add("section", "the name of a section has no brackets", Some(hint));
            }
        }
    }
    let has_section = section.is_none_or(|names| !names.is_empty());
    if !has_section && !args.section_has_values.is_empty() {
        add("section_has_values", "`section_has_values` needs `section`", None);
    }
    let options = args.section_has_values.iter().map(|c| (&c.option, "section_has_values"));
    for (option, name) in args.option.iter().map(|o| (o, "option")).chain(options) {
        let is_bad = option.is_empty()
            || option.trim() != option
            || option.contains(['=', '\n', '\r'])
            || option.contains(": ")
            || option.ends_with(':')
            || option.starts_with(['#', ';', '[']);
        if is_bad {
            let said = format!("`{}` is not the name of an option", edit::key_part(option));
            add(name, &said, None);
        }
    }
    if args.option.is_none() && !has_section {
        add("path", "`section` or `option` is needed", None);
    }
}

fn check_values(args: &Args, problems: &mut Vec<Problem>) {
    let mut add = |name: &str, said: &str, hint: Option<&str>| {
        problems.push(problem(&[name], said, hint));
    };
    let name = if args.values.is_some() { "values" } else { "value" };
    if args.value.is_some() && args.values.is_some() {
        add("values", "`value` and `values` exclude each other", None);
    }
    if args.nodes().any(|node| argument(node).is_none()) {
        add(name, "a value must be text", None);
    }
    if args.option.is_none() && args.nodes().next().is_some() {
        add("path", "`option` is needed: whose value is it?", None);
    }
    let lacks_value = args.values().is_empty() && args.option.is_some();
    if lacks_value && args.state == State::Present {
        add("option", "`value` is needed", Some("`allow_no_value: true` makes an option without"));
    }
    if lacks_value && args.state == State::Absent && !args.exclusive {
        add("exclusive", "which value should go? add `value`", None);
    }
    let values = args.values();
    let values: Vec<&String> = values.iter().flatten().collect();
    if values.iter().any(|value| value.contains(['\n', '\r'])) {
        add(name, "a value is one line", None);
    }
    if values.iter().any(|value| value.trim() != **value) {
        add(name, "blanks around a value are not read back", Some("put the value in quotes"));
    }
    if values.iter().any(|value| *value == "{" || value.ends_with('\\')) {
        let hint = "`os.block` writes text of several lines";
        add(name, "such a value would go on in the next line", Some(hint));
    }
}

fn absent(args: &Args, before: Live) -> Attribute {
    let name = if args.option.is_some() { "value" } else { "section" };
    Attribute::gone(name, before)
}

fn attributes(args: &Args, text: &str, outcome: &Outcome) -> Vec<Attribute> {
    let there = || Live::Known(Value::text("there"));
    let is_changed = outcome.text != text;
    let before = match (&args.option, outcome.live.is_empty()) {
        (None, _) if outcome.has_section => there(),
        (Some(_), false) => Live::Known(args.shown(&outcome.live)),
        _ => Live::Absent,
    };
    let twins = (outcome.sections > 1 && args.section_has_values.is_empty()).then(|| {
        format!("there are {} sections of that name; this is the first", outcome.sections)
    });
    let value = match (args.state, &args.option) {
        (State::Absent, _) => absent(args, before),
        (State::Present, None) => Attribute::new("section", before, Value::text("there")),
        (State::Present, Some(_)) => {
            let wish = args.wish().values;
            let (mut live, mut wanted) = (outcome.live.clone(), wish.clone());
            live.sort();
            wanted.sort();
            wanted.dedup();
            // Their order does not count, and a second line with one of them may be left.
            let is_same =
                live == wanted || !args.exclusive && wanted.iter().all(|w| live.contains(w));
            let after = Want::Value(args.shown(&wish));
            Attribute { name: "value".into(), before, after, differs: !is_same, note: None }
        }
    };
    let only_form = is_changed && !value.differs;
    let mut attributes = vec![value.noted(twins)];
    if only_form {
        let lines = |pick: fn(&(String, String)) -> &String| {
            let lines: Vec<&str> = outcome.form.iter().map(|both| pick(both).as_str()).collect();
            if args.is_secret() { Value::Sensitive } else { Value::text(lines.join("\n")) }
        };
        let (before, after) =
            (Live::Known(lines(|both| &both.0)), Want::Value(lines(|both| &both.1)));
        let name = "line".into();
        attributes.push(Attribute { name, before, after, differs: true, note: None });
    }
    attributes
}
