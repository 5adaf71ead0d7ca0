//! `cm.single_node`: a step of single-node maintenance, on a host of Cloudera Manager's servers.
//!
//! drsync declares the steps itself for a manager with two `servers` in `pair.yaml`, which run
//! active-passive. Parcels, their repositories, new services and wizards (`cm.command`) are worked on
//! while only one server runs: two would race for the same rows of the database. Secure Credential
//! Storage (`credential_storage: embedded` or `vault` at the manager) and two servers exclude each
//! other, and managers before about version 7.7 have one. The steps around that work, in order:
//! wait until no command runs; stop the secondary server (the second of `servers`); set
//! `haMode=false` on the primary, nothing else of the file changes; restart the primary; the work; verify that no command runs; set
//! `haMode=true`; restart the primary; start the secondary; verify that both are alive. With
//! `procedure: passive_stop` the primary is left as it is: the secondary is stopped, and started
//! after the work.
//!
//! Every step goes by what it finds, so a run that was interrupted and is started again goes on
//! where that one was, and ends with two servers. Without such work the steps back are done where
//! a server is not as it should be: `left in single-node mode`.
//!
//! ```yaml
//! sides:
//!   dr:
//!     manager:
//!       servers: [cm1.dr.example.com, cm2.dr.example.com]
//!       maintenance: { procedure: full, wait_seconds: 1800 }
//! ```

use serde::Deserialize;

use super::shared::cm_server::{self, FILE, HA_MODE, Server, UNIT, VARIABLE};
use super::shared::unit;
use super::{Claim, Kind, problem};
use crate::format::java_options::Options;
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply};
use crate::model::{Attribute, Delta, Live, Value};

/// A step of single-node maintenance on a host.
pub struct CmSingleNode;

/// A step of single-node maintenance on a host.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its place among the steps, such as `2 of 10`.
    number: String,
    /// What is done.
    step: Step,
    /// The value of `haMode`, for `set` and `restart`.
    ha_mode: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// The server does not run.
    Stop,
    /// The server runs.
    Start,
    /// `haMode` in the file of the server.
    Set,
    /// The server runs with this `haMode`.
    Restart,
}

impl Args {
    fn ha_mode(&self) -> bool {
        self.ha_mode.unwrap_or(true)
    }
}

impl Kind for CmSingleNode {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "cm.single_node", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_single_node.rs");

    fn key(args: &Args) -> String {
        let what = match args.step {
            Step::Stop => "stop the server".to_string(),
            Step::Start => "start the server".to_string(),
            Step::Set => format!("set haMode={}", args.ha_mode()),
            Step::Restart => format!("restart the server with haMode={}", args.ha_mode()),
        };
        format!("{}: {what}", args.number)
    }

    fn check(args: &Args) -> Vec<Problem> {
        let wants = matches!(args.step, Step::Set | Step::Restart);
        match wants == args.ha_mode.is_some() {
            true => Vec::new(),
            false => vec![problem(&["ha_mode"], "`ha_mode` goes with `set` and `restart`", None)],
        }
    }

    fn ask(_: &Args) -> Vec<Question> {
        cm_server::ask()
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let attribute = match args.step {
            Step::Stop => server(&replies[1], "stopped"),
            Step::Start => server(&replies[1], "running"),
            Step::Set => match cm_server::edit().read(&replies[0]) {
                Ok(present) => in_file(&present.text, args.ha_mode()),
                Err(delta) => return delta,
            },
            Step::Restart => running(&replies[1], args.ha_mode()),
        };
        Delta { attributes: vec![attribute], ..Delta::default() }
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let act = |verb: &str| {
            vec![Action::Host(&unit::UNIT, vec![Argument::plain(UNIT), Argument::plain(verb)])]
        };
        match args.step {
            Step::Stop => act("stop"),
            Step::Start => act("start"),
            Step::Restart => vec![cm_server::restart()],
            Step::Set => {
                let Ok(present) = cm_server::edit().read(&replies[0]) else { return Vec::new() };
                let Ok(options) = Options::parse(&present.text, VARIABLE) else {
                    return Vec::new();
                };
                let text = options.with(VARIABLE, HA_MODE, &args.ha_mode().to_string());
                cm_server::edit().write(&present, &text, false)
            }
        }
    }

    fn claims(args: &Args) -> Option<Claim> {
        (args.step == Step::Set).then(|| cm_server::edit().claim())
    }
}

fn server(reply: &Reply, want: &str) -> Attribute {
    let live = match cm_server::server(reply) {
        Ok(Server::Running) => Live::Known(Value::text("running")),
        Ok(Server::Stopped) => Live::Known(Value::text("stopped")),
        Ok(Server::Between(word)) => Live::Known(Value::text(word)),
        Err(reason) => Live::Unknown(reason),
    };
    Attribute::new("server", live, Value::text(want))
}

/// Compares `haMode` in the file; where it is not set, it is off (Cloudera).
fn in_file(text: &str, want: bool) -> Attribute {
    let live = match cm_server::file_property(text, HA_MODE) {
        Ok(value) => Live::Known(Value::text(value.as_deref().unwrap_or("false"))),
        Err(reason) => Live::Unknown(reason),
    };
    let want = Value::text(want.to_string());
    Attribute::new("haMode", live, want).noted(format!("in {FILE}"))
}

/// Compares the `haMode` with which the server was started.
fn running(reply: &Reply, want: bool) -> Attribute {
    let live = match (cm_server::server(reply), cm_server::running_property(reply, HA_MODE)) {
        (Err(reason), _) | (_, Err(reason)) => Live::Unknown(reason),
        (Ok(Server::Running), Ok(value)) => {
            Live::Known(Value::text(value.as_deref().unwrap_or("false")))
        }
        (Ok(_), _) => Live::Absent,
    };
    Attribute::new("running haMode", live, Value::text(want.to_string()))
}
