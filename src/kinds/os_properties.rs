//! `os.properties`: a property in a Java `.properties` file.
//!
//! Values are compared as Java reads them: `k=v`, `k:v` and `k v` are one, a backslash goes on in
//! the next line, `\u00e4` is `ä`, and of several lines with one key the last counts. What is not
//! ASCII is written with escapes, which reads alike whatever encoding a program expects. Comments,
//! order and the separator of a line stay. With `state: absent` every line of that key goes.
//!
//! ```yaml
//! - name: Cloudera Manager's database is on the replica's name
//!   os.properties:
//!     path: /etc/cloudera-scm-server/db.properties
//!     key: com.cloudera.cmf.db.host
//!     value: db.dr.example.com:5432
//!   hosts: managers
//! ```

use serde::Deserialize;

use super::shared::edit::{self, Edit};
use super::shared::ownership::Ownership;
use super::shared::state::State;
use super::{Claim, Kind, Link, argument, problem};
use crate::format::java_properties;
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Data, Delta, Live, Node, Value, Want};

/// A property in a Java `.properties` file.
pub struct OsProperties;

/// A property in a Java `.properties` file.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Absolute path of the file.
    path: String,
    /// The key, without escapes.
    key: String,
    /// Its value, without escapes.
    value: Option<Node>,
    /// Should it be there?
    #[serde(default)]
    state: State,
    /// Make the file where there is none?
    #[serde(default)]
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

    fn value(&self) -> String {
        let value = self.value.as_ref().and_then(argument);
        value.map(|value| value.reveal().to_string()).unwrap_or_default()
    }

    fn is_secret(&self) -> bool {
        matches!(&self.value, Some(Node { data: Data::Secret(_), .. }))
    }

    fn shown(&self, value: &str) -> Value {
        if self.is_secret() { Value::Sensitive } else { Value::text(value) }
    }
}

impl Kind for OsProperties {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.properties", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_properties.rs");

    fn key(args: &Args) -> String {
        format!("{}: {}", args.path, edit::key_part(&args.key))
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        args.edit().check(&mut problems);
        let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
        if args.key.is_empty() {
            add("key", "a property has a key");
        }
        match &args.value {
            None if args.state == State::Present => add("path", "`value` is needed"),
            Some(node) if argument(node).is_none() => add("value", "`value` must be text"),
            _ => {}
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![args.edit().ask()]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let present = match args.edit().read(&replies[0]) {
            Ok(present) => present,
            // Where there is no file there is no property either.
            Err(delta) if args.state == State::Absent && delta.is_curable => {
                return Delta {
                    attributes: vec![Attribute::gone("value", Live::Absent)],
                    ..Delta::default()
                };
            }
            Err(delta) => return delta,
        };
        let entries = match java_properties::parse(&present.text) {
            Ok(entries) => entries,
            Err(said) => return Delta::unknown(format!("{}: {said}", args.path)),
        };
        let mut values = entries.iter().filter(|e| e.key == args.key).map(|e| &e.value);
        let (count, last) = (values.clone().count(), values.next_back());
        let before = last.map_or(Live::Absent, |value| Live::Known(args.shown(value)));
        let value = match args.state {
            State::Absent => Attribute::gone("value", before),
            State::Present => {
                let differs = last != Some(&args.value());
                let after = Want::Value(args.shown(&args.value()));
                let note =
                    (count > 1).then(|| format!("it is there {count} times; the last counts"));
                Attribute { name: "value".into(), before, after, differs, note }
            }
        };
        let mut delta = Delta { attributes: vec![value], ..Delta::default() };
        args.edit().ownership.compare(present.stat.as_ref(), &mut delta.attributes);
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(present) = args.edit().read(&replies[0]) else { return Vec::new() };
        let is_other = delta.differing().any(|attribute| attribute.name == "value");
        let text = match args.state {
            _ if !is_other => Ok(present.text.to_string()),
            State::Present => java_properties::set(&present.text, &args.key, &args.value()),
            State::Absent => java_properties::remove(&present.text, &args.key),
        };
        let Ok(text) = text else { return Vec::new() };
        args.edit().write(&present, &text, args.is_secret())
    }

    fn needs(args: &Args) -> Vec<Link> {
        args.edit().needs()
    }

    fn claims(args: &Args) -> Option<Claim> {
        Some(args.edit().claim())
    }
}
