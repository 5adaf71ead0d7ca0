//! `cm.server`: the options of Cloudera Manager's server, on the host where it runs.
//!
//! The options of Java stand in `/etc/default/cloudera-scm-server`, in `CMF_JAVA_OPTS`. Only the
//! properties named are changed there, every other byte stays. A server that was started with other
//! values is restarted (`restart: false` leaves that to you): Cloudera Manager is away for some
//! minutes then, the cluster is not. `null` removes a property.
//!
//! ```yaml
//! - name: Cloudera Manager runs active-passive
//!   cm.server:
//!     ha_mode: true
//!     properties: { com.cloudera.api.redaction: "true" }
//!   hosts: managers
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::shared::cm_server::{self, FILE, HA_MODE, Server, VARIABLE};
use super::{Claim, Kind, Link, problem};
use crate::format::java_options::Options;
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Value, Want};

/// The options of Cloudera Manager's server.
pub struct CmServer;

/// The options of Cloudera Manager's server.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Whether the server is one of two that run active-passive.
    ha_mode: Option<bool>,
    /// Other system properties by name; `null` removes one.
    #[serde(default)]
    properties: BTreeMap<String, Option<String>>,
    /// Restart a server that was started with other values?
    #[serde(default = "yes")]
    restart: bool,
}

fn yes() -> bool {
    true
}

impl Args {
    /// Returns all properties and the values wished for them.
    fn wishes(&self) -> Vec<(&str, Option<String>)> {
        let ha_mode = self.ha_mode.map(|is_on| (HA_MODE, Some(is_on.to_string())));
        let others = self.properties.iter().map(|(name, value)| (name.as_str(), value.clone()));
        ha_mode.into_iter().chain(others).collect()
    }
}

impl Kind for CmServer {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.server", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_server.rs");

    fn key(_: &Args) -> String {
        FILE.into()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if args.wishes().is_empty() {
            let hint = "name `ha_mode` or `properties`";
            problems.push(problem(&[], "nothing is declared about the server", Some(hint)));
        }
        for (name, value) in &args.properties {
            let path = ["properties", name.as_str()];
            if name == HA_MODE {
                problems.push(problem(&path, "that property is `ha_mode`", None));
            }
            let is_plain = |text: &str| {
                let more = |c: char| "._:/,+@%-=".contains(c);
                text.chars().all(|c| c.is_ascii_alphanumeric() || more(c))
            };
            if name.is_empty() || name.contains('=') || !is_plain(name) {
                problems.push(problem(&path, format!("`{name}` is no system property"), None));
            }
            if let Some(value) = value.as_ref().filter(|value| !is_plain(value)) {
                let said = format!("`{value}` cannot stand in {VARIABLE}: it is a shell's text");
                problems.push(problem(&path, said, None));
            }
        }
        problems
    }

    fn ask(_: &Args) -> Vec<Question> {
        cm_server::ask()
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let present = match cm_server::edit().read(&replies[0]) {
            Ok(present) => present,
            Err(delta) => return delta,
        };
        let mut delta = Delta::default();
        for (name, wish) in args.wishes() {
            let live = match cm_server::file_property(&present.text, name) {
                Ok(value) => value.map_or(Live::Absent, |value| Live::Known(Value::text(value))),
                Err(reason) => return Delta::unknown(reason),
            };
            delta.attributes.push(attribute(name, "", live, wish.as_deref()));
            if args.restart {
                delta.attributes.extend(running(&replies[1], name, wish.as_deref()));
            }
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(present) = cm_server::edit().read(&replies[0]) else { return Vec::new() };
        let mut text = present.text.to_string();
        for (name, wish) in args.wishes() {
            let Ok(options) = Options::parse(&text, VARIABLE) else { return Vec::new() };
            text = match wish {
                Some(value) if options.property(name) == Some(value.as_str()) => continue,
                Some(value) => options.with(VARIABLE, name, &value),
                None => options.without(name),
            };
        }
        let mut actions = Vec::new();
        if *text != *present.text {
            actions.extend(cm_server::edit().write(&present, &text, false));
        }
        // A server that does not run reads the file when it starts.
        let runs = matches!(cm_server::server(&replies[1]), Ok(Server::Running));
        if args.restart && runs && delta.differing().next().is_some() {
            actions.push(cm_server::restart());
        }
        actions
    }

    fn needs(_: &Args) -> Vec<Link> {
        cm_server::edit().needs()
    }

    fn claims(_: &Args) -> Option<Claim> {
        Some(cm_server::edit().claim())
    }
}

fn shown(name: &str) -> String {
    if name == HA_MODE { "haMode".into() } else { name.to_string() }
}

/// Compares one property. What its name tells to be a secret is not shown.
fn attribute(name: &str, prefix: &str, live: Live, wish: Option<&str>) -> Attribute {
    let title = format!("{prefix}{}", shown(name));
    let is_other = match (&live, wish) {
        (Live::Known(value), Some(wish)) => value.to_string() != wish,
        (Live::Known(_), None) | (Live::Absent, Some(_)) => true,
        _ => false,
    };
    let is_secret = is_secret(name);
    let hidden = |live| match live {
        Live::Known(_) if is_secret => Live::Known(Value::Sensitive),
        live => live,
    };
    let after = match wish {
        Some(_) if is_secret => Want::Value(Value::Sensitive),
        Some(value) => Want::Value(Value::text(value)),
        None => Want::Absent(None),
    };
    Attribute { name: title.into(), before: hidden(live), after, differs: is_other, note: None }
}

/// True for names such as `javax.net.ssl.trustStorePassword`.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["password", "passphrase", "secret", "token", "credential"]
        .iter()
        .any(|word| name.contains(word))
}

/// Compares the value with which the server was started, if it runs.
fn running(reply: &Reply, name: &str, wish: Option<&str>) -> Option<Attribute> {
    let live = match (cm_server::server(reply), cm_server::running_property(reply, name)) {
        (Err(reason), _) | (_, Err(reason)) => Live::Unknown(reason),
        (Ok(Server::Running), Ok(value)) => {
            value.map_or(Live::Absent, |value| Live::Known(Value::text(value)))
        }
        (Ok(_), Ok(_)) => return None,
    };
    Some(attribute(name, "running ", live, wish))
}
