//! `os.xml_property`: a property in a Hadoop `*-site.xml` file.
//!
//! Values are compared as Hadoop reads them: escapes resolved, blanks around them left out; of
//! several properties with one name the last counts, unless an earlier one is final. Where such a
//! property changes, the others of its name go. Comments, licence, order and indentation stay, and
//! so do includes, which are not looked into. What Cloudera Manager writes to
//! `/etc/hadoop/conf` is its own: declare that with `cm.config`.
//!
//! ```yaml
//! - name: Clients outside of Cloudera Manager know the nameservice
//!   os.xml_property:
//!     path: /opt/tool/conf/core-site.xml
//!     property: fs.defaultFS
//!     value: hdfs://nsdr
//!     create: true
//!   hosts: edge
//! ```

use serde::Deserialize;

use super::shared::edit::{self, Edit};
use super::shared::ownership::Ownership;
use super::shared::state::State;
use super::{Claim, Kind, Link, argument, problem};
use crate::format::hadoop_site::{Property, Site, Wish};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Data, Delta, Live, Node, Value, Want};

/// A property in a Hadoop `*-site.xml` file.
pub struct OsXmlProperty;

/// A property in a Hadoop `*-site.xml` file.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Absolute path of the file.
    path: String,
    /// The property's name.
    property: String,
    /// Its value.
    value: Option<Node>,
    /// May later files not change it? Left out, that stays as it is.
    #[serde(rename = "final")]
    is_final: Option<bool>,
    /// What it is for. Left out, that stays as it is.
    description: Option<String>,
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
        if self.is_secret() { Value::Sensitive } else { Value::text(value.trim()) }
    }
}

impl Kind for OsXmlProperty {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "os.xml_property", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_xml_property.rs");

    fn key(args: &Args) -> String {
        format!("{}: {}", args.path, edit::key_part(&args.property))
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        args.edit().check(&mut problems);
        let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
        if args.property.trim() != args.property || args.property.is_empty() {
            add("property", "a property has a name, without blanks around it");
        }
        match &args.value {
            None if args.state == State::Present => add("path", "`value` is needed"),
            Some(node) if argument(node).is_none() => add("value", "`value` must be text"),
            _ => {}
        }
        let texts = [
            ("property", args.property.clone()),
            ("value", args.value()),
            ("description", args.description.clone().unwrap_or_default()),
        ];
        for (name, text) in texts {
            if !text.chars().all(is_xml) {
                add(name, "it holds a character that XML cannot");
            }
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
        let site = match Site::parse(&present.text) {
            Ok(site) => site,
            Err(said) => return Delta::unknown(format!("{}: {said}", args.path)),
        };
        let mut delta = Delta { attributes: attributes(args, &site), ..Delta::default() };
        args.edit().ownership.compare(present.stat.as_ref(), &mut delta.attributes);
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(present) = args.edit().read(&replies[0]) else { return Vec::new() };
        let Ok(site) = Site::parse(&present.text) else { return Vec::new() };
        let is_other = |a: &Attribute| matches!(&*a.name, "value" | "final" | "description");
        let value = args.value();
        let (name, description) = (args.property.as_str(), args.description.as_deref());
        let text = match args.state {
            _ if !delta.differing().any(is_other) => present.text.to_string(),
            State::Absent => site.remove(name),
            State::Present => {
                site.set(&Wish { name, value: &value, is_final: args.is_final, description })
            }
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

/// True for what XML 1.0 can hold and gives back as it was written.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn attributes(args: &Args, site: &Site<'_>) -> Vec<Attribute> {
    let live = site.effective(&args.property);
    let before = live.and_then(|p| p.value.as_deref());
    let shown = before.map_or(Live::Absent, |value| Live::Known(args.shown(value)));
    if args.state == State::Absent {
        // A property without a value sets nothing, but is to go as well.
        let is_empty = before.is_none() && site.count(&args.property) > 0;
        return vec![Attribute::gone(
            "value",
            if is_empty { Live::Known(args.shown("")) } else { shown },
        )];
    }
    let differs = before.map(str::trim) != Some(args.value().trim());
    let after = Want::Value(args.shown(&args.value()));
    let name = "value".into();
    let value = Attribute { name, before: shown, after, differs, note: note(args, site) };
    let mut attributes = vec![value];
    if let Some(want) = args.is_final {
        let is_final = |p: &Property| Live::Known(Value::Bool(p.is_final));
        let before = live.map_or(Live::Known(Value::Bool(false)), is_final);
        attributes.push(Attribute::new("final", before, Value::Bool(want)));
    }
    if let Some(want) = &args.description {
        let text = live.and_then(|p| p.description.as_deref()).map(str::trim);
        let before = text.map_or(Live::Absent, |text| Live::Known(Value::text(text)));
        attributes.push(Attribute::new("description", before, Value::text(want.trim())));
    }
    attributes
}

fn note(args: &Args, site: &Site<'_>) -> Option<String> {
    let count = site.count(&args.property);
    if count > 1 {
        return Some(format!("it is there {count} times, only one of which counts"));
    }
    site.includes.then(|| "the file includes others, which are not looked into".to_string())
}
