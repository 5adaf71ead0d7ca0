//! `cm.single_node_gate`: a step of single-node maintenance that waits for Cloudera Manager.
//!
//! drsync declares these steps itself, see `cm.single_node`. They wait until the manager answers
//! after a restart (it takes minutes), verify that no command runs before the second server is
//! stopped and before it comes back (`wait_seconds` at most), and verify that both servers are alive in the end.
//!
//! ```yaml
//! sides:
//!   dr:
//!     manager:
//!       servers: [cm1.dr.example.com, cm2.dr.example.com]
//!       maintenance: { wait_seconds: 1800 }
//! ```

use serde::Deserialize;

use super::{Kind, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Value};

/// A step of single-node maintenance that waits for the manager.
pub struct CmSingleNodeGate;

/// A step of single-node maintenance that waits for the manager.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its place among the steps, such as `5 of 10`.
    number: String,
    /// What is waited for.
    gate: Gate,
    /// Longest wait for commands that run, in seconds; for `idle`.
    wait_seconds: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Gate {
    /// The manager answers.
    Ready,
    /// No command runs.
    Idle,
    /// Both servers are alive.
    Both,
}

impl Kind for CmSingleNodeGate {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "cm.single_node_gate", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_single_node_gate.rs");

    fn key(args: &Args) -> String {
        let what = match args.gate {
            Gate::Ready => "the manager answers",
            Gate::Idle => "no command runs",
            Gate::Both => "both servers are alive",
        };
        format!("{}: {what}", args.number)
    }

    fn check(args: &Args) -> Vec<Problem> {
        match (args.gate == Gate::Idle) == args.wait_seconds.is_some() {
            true => Vec::new(),
            false => vec![problem(&["wait_seconds"], "`wait_seconds` goes with `idle`", None)],
        }
    }

    fn ask(_: &Args) -> Vec<Question> {
        vec![Question::Entity(Entity::Manager)]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        let attribute = match args.gate {
            Gate::Ready => {
                let live = Live::Known(Value::text("answers"));
                Attribute::new("manager", live, Value::text("answers"))
            }
            Gate::Idle => Attribute::new("commands", reply.field("idle"), Value::text("none runs")),
            Gate::Both => {
                let alive = reply.texts("server/").count().to_string();
                let live = Live::Known(Value::text(alive));
                Attribute::new("servers alive", live, Value::text("2"))
            }
        };
        Delta { attributes: vec![attribute], ..Delta::default() }
    }

    fn steps(args: &Args, _: &Delta, _: &[Reply]) -> Vec<Action> {
        let call = match args.gate {
            Gate::Ready => Call::AwaitReady,
            Gate::Idle => Call::AwaitIdle(args.wait_seconds.unwrap_or_default()),
            Gate::Both => Call::AwaitServers(2),
        };
        vec![Action::Call(Entity::Manager, call)]
    }
}
