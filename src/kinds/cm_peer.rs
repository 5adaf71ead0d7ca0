//! `cm.peer`: another Cloudera Manager that this one replicates from.
//!
//! A peer is declared on the side that receives, and leads to the manager of the side that sends.
//! The password is sent when the peer is added and when its address or login change; nobody can read
//! whether it is still that one.
//!
//! ```yaml
//! - name: The primary, seen from the recovery side
//!   cm.peer:
//!     name: primary
//!     url: https://cm.pri.example.com:7183
//!     username: replication
//!     password: "{{ replication_password }}"
//!   sides: dr
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::shared::state::State;
use super::{Kind, argument, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Node, Secret, Value};

/// Another Cloudera Manager.
pub struct CmPeer;

/// Another Cloudera Manager that this one replicates from.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The peer's name here.
    name: String,
    /// The address of the other manager.
    url: Option<String>,
    /// The login there, an administrator's.
    username: Option<String>,
    /// Its password.
    password: Option<Node>,
    /// Should there be this peer?
    #[serde(default)]
    state: State,
}

impl Args {
    fn entity(&self) -> Entity {
        Entity::Peer(Arc::from(self.name.as_str()))
    }
}

impl Kind for CmPeer {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.peer", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_peer.rs");

    fn key(args: &Args) -> String {
        args.name.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if args.name.is_empty() || args.name.contains('/') {
            let said = format!("`{}` cannot be the name of a peer", args.name);
            problems.push(problem(&["name"], said, None));
        }
        let given = [
            ("url", args.url.is_some()),
            ("username", args.username.is_some()),
            ("password", args.password.is_some()),
        ];
        for (argument, is_given) in given {
            match (args.state, is_given) {
                (State::Present, false) => {
                    problems.push(problem(&["name"], format!("a peer needs `{argument}`"), None));
                }
                (State::Absent, true) => {
                    let said =
                        format!("`{argument}` says nothing about a peer that should not be there");
                    problems.push(problem(&[argument], said, None));
                }
                _ => {}
            }
        }
        if args.url.as_ref().is_some_and(|url| !url.starts_with("http")) {
            let hint = "such as `https://cm.example.com:7183`";
            problems.push(problem(&["url"], "that is no address", Some(hint)));
        }
        if args.password.as_ref().is_some_and(|node| argument(node).is_none()) {
            problems.push(problem(&["password"], "`password` must be text", None));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Entity(args.entity())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        let url = match reply.field("url") {
            Live::Known(url) => Live::Known(Value::text(plain(&url.to_string()))),
            other => other,
        };
        if args.state == State::Absent {
            let gone = Attribute::gone("url", url);
            return Delta { attributes: vec![gone], ..Delta::default() };
        }
        let want =
            |value: &Option<String>| Value::text(plain(value.as_deref().unwrap_or_default()));
        let attributes = vec![
            Attribute::new("url", url, want(&args.url)),
            Attribute::new("username", reply.field("username"), want(&args.username)),
        ];
        Delta { attributes, ..Delta::default() }
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let is_new = replies[0].field("url") == Live::Absent;
        let password = args.password.as_ref().and_then(argument);
        let password = password.map(|password| Secret::new(password.reveal().to_string()));
        let call = match (args.state, &args.url, &args.username, password) {
            (State::Present, Some(url), Some(username), Some(password)) => Call::SetPeer(
                is_new,
                Arc::from(url.as_str()),
                Arc::from(username.as_str()),
                password,
            ),
            _ => Call::RemovePeer,
        };
        vec![Action::Call(args.entity(), call)]
    }
}

fn plain(url: &str) -> &str {
    url.trim_end_matches('/')
}
