//! What must be read for an instance, and what came back: the contract between kinds and reach.

use std::borrow::Cow;
use std::sync::Arc;

use super::manager::{Call, ConfigScope, Entity, ScopeConfig};
use super::{Live, Secret, Value};

/// A POSIX shell function: one per probe and per action of a kind.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Script {
    /// The function's name.
    pub name: &'static str,
    /// Its definition. Parameters arrive as `$1`, `$2`, …; `$root` prefixes every path.
    pub source: &'static str,
    /// How its calls are made.
    pub calls: Calls,
}

/// How the calls of a shell function are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Calls {
    /// One call per question, or per action.
    Each,
    /// One call for all questions of a host, so that one process answers many of them. The
    /// parameters of all questions follow each other, each set after the question's number; every
    /// set has the same length. The function sets `n` to a number before it reports for it, and
    /// calls `done` for every number.
    Together,
}

impl Script {
    /// Returns a function that is called once per question or action.
    pub const fn each(name: &'static str, source: &'static str) -> Script {
        Script { name, source, calls: Calls::Each }
    }

    /// Returns a probe that is called once for all questions of a host.
    pub const fn together(name: &'static str, source: &'static str) -> Script {
        Script { name, source, calls: Calls::Together }
    }
}

/// One argument of a shell function. Values never become code: they are quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// May be shown.
    Plain(Arc<str>),
    /// Must not be shown or stored.
    Secret(Secret),
}

impl Argument {
    /// Returns a plain argument.
    pub fn plain(text: impl AsRef<str>) -> Argument {
        Argument::Plain(Arc::from(text.as_ref()))
    }

    /// Returns the text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        match self {
            Argument::Plain(text) => text,
            Argument::Secret(secret) => secret.reveal(),
        }
    }
}

/// One thing to read. Equal questions to one target are asked once.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Run a probe on a host. A probe writes nothing.
    Probe(&'static Script, Vec<Argument>),
    /// Read one configuration scope of a manager.
    Config(ConfigScope),
    /// Read what a manager knows of a thing.
    Entity(Entity),
}

impl Question {
    /// True when a manager lists its hosts to answer it.
    pub fn reads_hosts(&self) -> bool {
        match self {
            Question::Entity(entity) => {
                matches!(entity, Entity::Host(_) | Entity::Membership(_) | Entity::Roles(_))
            }
            Question::Config(scope) => {
                matches!(scope, ConfigScope::Host(_) | ConfigScope::Role(.., Some(_)))
            }
            Question::Probe(..) => false,
        }
    }
}

/// What came back for one question.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The fields a probe reported, or those of a manager's thing.
    Fields(Arc<Vec<Field>>),
    /// A configuration scope.
    Config(Arc<ScopeConfig>),
    /// What the question is about is not there (a service, a role): where, and a hint.
    Missing(Arc<str>, Option<Arc<str>>),
    /// Nothing usable; the reason.
    Unknown(Arc<str>),
}

/// One record of a probe's reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name, e.g. `mode`.
    pub name: Cow<'static, str>,
    /// What was read.
    pub live: Live,
}

impl Reply {
    /// Returns what a probe reported under `name`; unknown when the record is missing.
    pub fn field(&self, name: &str) -> Live {
        match self {
            Reply::Fields(fields) => fields.iter().find(|field| field.name == name).map_or_else(
                || Live::Unknown(format!("no `{name}` in the reply")),
                |f| f.live.clone(),
            ),
            Reply::Config(_) | Reply::Missing(..) => Live::Unknown("not a host's reply".into()),
            Reply::Unknown(reason) => Live::Unknown(reason.to_string()),
        }
    }

    /// Returns the text under `name`: `Err` with the reason when unknown, `None` when absent.
    pub fn text(&self, name: &str) -> Result<Option<Arc<str>>, String> {
        match self.field(name) {
            Live::Known(Value::Text(text)) => Ok(Some(text)),
            Live::Known(other) => Ok(Some(Arc::from(other.to_string()))),
            Live::Absent => Ok(None),
            Live::Unknown(reason) => Err(reason),
        }
    }

    /// Iterates over the known texts whose name starts with `prefix`, the rest of the name first.
    pub fn texts<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let fields: &[Field] = match self {
            Reply::Fields(fields) => fields,
            _ => &[],
        };
        fields.iter().filter_map(move |field| {
            match (&field.live, field.name.strip_prefix(prefix)) {
                (Live::Known(Value::Text(text)), Some(rest)) => Some((rest, &**text)),
                _ => None,
            }
        })
    }
}

/// One write, as data.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Run a shell function on a host.
    Host(&'static Script, Vec<Argument>),
    /// Set (`Some`) or reset (`None`) settings of one configuration scope.
    Config(ConfigScope, Vec<(Arc<str>, Option<Argument>)>),
    /// Do something to a thing of a manager.
    Call(Entity, Call),
}
