//! `cm.role`: on which hosts a service has roles of a type, and that they run.
//!
//! `hosts` are all the hosts that have a role of this type, by the names the manager knows: others
//! lose theirs, after it was stopped. A role that is added is in the base group of its type and does not run yet; `state:
//! started` or `stopped` comes after the service's settings and starts or stops what is not so. A
//! role cannot move: it is removed here and added there. Decommission a DataNode before it is
//! removed (`cm.host`).
//!
//! ```yaml
//! - name: Kafka's brokers
//!   cm.role:
//!     service: kafka
//!     type: KAFKA_BROKER
//!     hosts: [worker-01.example.com, worker-02.example.com, worker-03.example.com]
//!     state: started
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::shared::names::set_of;
use super::shared::{parts, role_type};
use super::{Kind, Link, Unsettles, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity, MANAGEMENT_SERVICE};
use crate::model::nearest::did_you_mean;
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Node, Value};

/// Roles of a type.
pub struct CmRole;

/// On which hosts a service has roles of a type.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service by name.
    service: String,
    /// The type of the roles, such as `DATANODE`.
    #[serde(rename = "type")]
    role_type: String,
    /// All hosts that have a role of this type, by the names the manager knows.
    hosts: Option<Vec<String>>,
    /// Whether the roles run.
    state: Option<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    Started,
    Stopped,
}

/// A role as the manager lists it.
struct Role<'a> {
    name: &'a str,
    host: &'a str,
    state: &'a str,
}

impl Args {
    fn entity(&self) -> Entity {
        Entity::Roles(Arc::from(self.service.as_str()))
    }

    /// Returns the roles of this type.
    fn own<'a>(&'a self, reply: &'a Reply) -> impl Iterator<Item = Role<'a>> {
        reply.texts("role/").filter_map(|(name, told)| {
            let mut parts = told.splitn(3, '|');
            let is_own = parts.next()? == self.role_type;
            let (host, state) = (parts.next()?, parts.next()?);
            is_own.then_some(Role { name, host, state })
        })
    }

    fn wants_host(&self, host: &str) -> bool {
        self.hosts.iter().flatten().any(|wanted| wanted == host)
    }

    /// Returns the roles that are not in the state that is declared; gateways have none.
    fn astray<'a>(&'a self, reply: &'a Reply, state: State) -> impl Iterator<Item = Role<'a>> {
        let wanted = if state == State::Started { "STARTED" } else { "STOPPED" };
        self.own(reply).filter(move |role| role.state != wanted && role.state != "NA")
    }
}

impl Kind for CmRole {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.role", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_role.rs");

    fn key(args: &Args) -> String {
        let state = if args.state.is_some() { " (state)" } else { "" };
        format!("{}/{}{state}", args.service, args.role_type)
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (argument, value) in [("service", &args.service), ("type", &args.role_type)] {
            if value.is_empty() {
                problems.push(problem(&[argument], format!("`{argument}` is empty"), None));
            }
        }
        if args.hosts.is_none() && args.state.is_none() {
            let hint = "name `hosts` or `state`";
            problems.push(problem(&[], "nothing is declared about the roles", Some(hint)));
        }
        if args.service == MANAGEMENT_SERVICE && args.hosts.is_some() {
            let said = "the roles of the Cloudera Management Service are set up with it";
            problems.push(problem(&["service"], said, None));
        }
        problems
    }

    fn parts(node: &Node) -> Option<Vec<Node>> {
        parts::state_apart(node, &["started", "stopped"], "hosts", &["service", "type"])
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Entity(args.entity())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        if let Some(reason) = role_type::unknown(&args.service, &args.role_type, reply) {
            return Delta::refused(reason);
        }
        if let Some(reason) = unknown_hosts(args, reply) {
            return Delta::lacking(reason);
        }
        if let Some(role) = args.own(reply).find(|role| is_untold(role)) {
            let said = format!("the manager does not know the state of {} itself", role.name);
            return Delta::unknown(said);
        }
        let mut delta = Delta::default();
        if let Some(hosts) = &args.hosts {
            let live = Live::Known(set_of(args.own(reply).map(|role| role.host)));
            let want = set_of(hosts.iter().map(String::as_str));
            delta.attributes.push(Attribute::new("hosts", live, want));
        }
        if let Some(state) = args.state {
            let name = if state == State::Started { "not started" } else { "not stopped" };
            let live = Live::Known(set_of(args.astray(reply, state).map(|role| role.host)));
            delta.attributes.push(Attribute::new(name, live, Value::List(Vec::new())));
        }
        delta
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let reply = &replies[0];
        let names = |roles: Vec<Role<'_>>| -> Vec<Arc<str>> {
            roles.iter().map(|role| Arc::from(role.name)).collect()
        };
        let mut calls = Vec::new();
        if args.hosts.is_some() {
            let has = |host: &String| args.own(reply).any(|role| role.host == host);
            let lacking = args.hosts.iter().flatten().filter(|host| !has(host));
            let lacking: Vec<Arc<str>> = lacking.map(|host| Arc::from(host.as_str())).collect();
            let role_type = Arc::from(args.role_type.as_str());
            calls.extend((!lacking.is_empty()).then(|| Call::AddRoles(role_type, lacking)));
            let surplus = || args.own(reply).filter(|role| !args.wants_host(role.host));
            let running: Vec<Role<'_>> =
                surplus().filter(|role| !matches!(role.state, "STOPPED" | "NA")).collect();
            let running = names(running);
            calls.extend((!running.is_empty()).then_some(Call::RunRoles(false, running)));
            let surplus = names(surplus().collect());
            calls.extend((!surplus.is_empty()).then_some(Call::RemoveRoles(surplus)));
        }
        if let Some(state) = args.state {
            let astray = names(args.astray(reply, state).collect());
            let is_on = state == State::Started;
            calls.extend((!astray.is_empty()).then_some(Call::RunRoles(is_on, astray)));
        }
        calls.into_iter().map(|call| Action::Call(args.entity(), call)).collect()
    }

    fn needs(args: &Args) -> Vec<Link> {
        match args.state {
            None => vec![Link::new("cm.service", args.service.clone()), Link::any("cm.host")],
            Some(_) => vec![
                Link::new("cm.service", args.service.clone()),
                Link::new("cm.role", format!("{}/{}", args.service, args.role_type)),
                Link::of_service("cm.role_group", &args.service),
                Link::of_service("cm.config", &args.service),
            ],
        }
    }

    fn hosts(args: &Args) -> Vec<String> {
        args.hosts.clone().unwrap_or_default()
    }

    fn unsettles(args: &Args) -> Option<Unsettles> {
        args.hosts.is_some().then(|| Unsettles::Service(Arc::from(args.service.as_str())))
    }
}

/// States that tell nothing (CM API: `ApiRoleState`).
fn is_untold(role: &Role<'_>) -> bool {
    matches!(role.state, "UNKNOWN" | "HISTORY_NOT_AVAILABLE")
}

/// Names the declared hosts that the cluster does not have: roles elsewhere must not go for them.
fn unknown_hosts(args: &Args, reply: &Reply) -> Option<String> {
    let known: Vec<&str> = reply.texts("host/").map(|(name, _)| name).collect();
    let unknown = args.hosts.iter().flatten().find(|host| !known.contains(&host.as_str()))?;
    let near = did_you_mean(unknown, known).map(|near| format!("; {near}"));
    Some(format!("the cluster has no host `{unknown}`{}", near.unwrap_or_default()))
}
