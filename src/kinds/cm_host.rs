//! `cm.host`: what Cloudera Manager holds about a host: cluster, rack, maintenance mode, tags, ….
//!
//! The host is one that the manager knows already; an agent brings it there.
//! `in_cluster` takes the host into the cluster of its side, before roles are put there, or out of
//! it, after roles have gone: a host that still has roles stays, and so does one of another cluster.
//! The maintenance mode silences alerts and stops nothing; a host that is in it only through its cluster counts as not
//! in it itself, and that is told. Decommissioning moves the host's work and data elsewhere, stops
//! its roles, and is waited for; recommissioning starts nothing. Tags that are not named stay as
//! they are; `null` removes one.
//!
//! ```yaml
//! - name: Where the worker is
//!   cm.host:
//!     name: worker-01.example.com
//!     in_cluster: true
//!     rack: /hall-2/rack-07
//!     maintenance: false
//!     commission_state: commissioned
//!     tags: { owner: platform, ticket: null }
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::shared::parts;
use super::{Kind, Link, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Node, Value};

/// A host as Cloudera Manager sees it.
pub struct CmHost;

/// What Cloudera Manager holds about a host.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The host's name as the manager knows it, or its id.
    name: String,
    /// Whether the host belongs to the cluster of its side.
    in_cluster: Option<bool>,
    /// The rack: a path that starts with `/`.
    rack: Option<String>,
    /// Whether the host itself is in maintenance mode.
    maintenance: Option<bool>,
    /// Whether the host takes part in its cluster's work.
    commission_state: Option<CommissionState>,
    /// Tags by name; `null` removes one.
    tags: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum CommissionState {
    Commissioned,
    Decommissioned,
}

impl CommissionState {
    fn word(self) -> &'static str {
        match self {
            CommissionState::Commissioned => "commissioned",
            CommissionState::Decommissioned => "decommissioned",
        }
    }
}

impl Args {
    fn entity(&self) -> Entity {
        Entity::Host(Arc::from(self.name.as_str()))
    }

    /// True for the part that takes the host out of the cluster: it comes after everything that
    /// takes roles from it.
    fn leaves(&self) -> bool {
        self.in_cluster == Some(false)
    }

    fn membership(&self) -> Entity {
        Entity::Membership(Arc::from(self.name.as_str()))
    }

    fn tags(&self) -> impl Iterator<Item = (&String, &Option<String>)> {
        self.tags.iter().flatten()
    }
}

impl Kind for CmHost {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.host", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_host.rs");

    fn key(args: &Args) -> String {
        match args.leaves() {
            true => format!("{} (out of the cluster)", args.name),
            false => args.name.clone(),
        }
    }

    fn parts(node: &Node) -> Option<Vec<Node>> {
        parts::leaving_apart(node, "in_cluster", "name")
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if args.name.is_empty() {
            problems.push(problem(&["name"], "the name of the host is empty", None));
        }
        if let Some(rack) = args.rack.as_deref().filter(|rack| !is_rack(rack)) {
            let hint = "a path such as `/hall-2/rack-07`";
            problems.push(problem(&["rack"], format!("`{rack}` is not a rack"), Some(hint)));
        }
        let reserved = args.tags().filter(|(name, _)| name.to_lowercase().starts_with("_cldr_"));
        problems.extend(reserved.map(|(name, _)| {
            let said = format!("`{name}`: tags that start with `_cldr_` are Cloudera's own");
            problem(&["tags", name], said, None)
        }));
        let nothing = args.in_cluster.is_none()
            && args.rack.is_none()
            && args.maintenance.is_none()
            && args.commission_state.is_none()
            && args.tags.is_none();
        if nothing {
            let hint = "name `in_cluster`, `rack`, `maintenance`, `commission_state` or `tags`";
            problems.push(problem(&[], "nothing is declared about the host", Some(hint)));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        match args.leaves() {
            true => vec![Question::Entity(args.membership())],
            false => vec![Question::Entity(args.entity())],
        }
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        // One that the manager does not know any more, or that another cluster has, is out of it.
        if let (true, Reply::Missing(said, _)) = (args.leaves(), reply) {
            let gone = Live::Known(Value::Bool(false));
            let attributes = vec![Attribute::new("in_cluster", gone, Value::Bool(false))];
            return Delta { attributes, notes: vec![said.to_string()], ..Delta::default() };
        }
        if let Some(delta) = unanswered(reply) {
            // No step brings a host to the manager: its agent does.
            return Delta { is_curable: false, ..delta };
        }
        let mut delta = Delta::default();
        if let Some(is_in) = args.in_cluster {
            let live = truth(reply.field("in_cluster"));
            delta.attributes.push(Attribute::new("in_cluster", live, Value::Bool(is_in)));
            let leaves = args.leaves() && delta.differing().next().is_some();
            delta.refused = leaves.then(|| still_needed(reply)).flatten();
            // A step before it may take the roles away.
            delta.is_curable = delta.refused.is_some();
        }
        if let Some(rack) = &args.rack {
            let want = Value::text(rack);
            delta.attributes.push(Attribute::new("rack", reply.field("rack"), want));
        }
        if let Some(is_on) = args.maintenance {
            let live = truth(reply.field("maintenance"));
            delta.attributes.push(Attribute::new("maintenance", live, Value::Bool(is_on)));
            if let Ok(Some(owner)) = reply.text("maintenance_through") {
                delta.notes.push(format!("in maintenance mode through its {owner}"));
            }
        }
        if let Some(state) = args.commission_state {
            let live = commission_state(reply.field("commission_state"), state);
            let want = Value::text(state.word());
            delta.attributes.push(Attribute::new("commission_state", live, want));
        }
        delta.attributes.extend(args.tags().map(|(name, value)| tag(reply, name, value.as_ref())));
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        if args.leaves() {
            return vec![Action::Call(args.membership(), Call::Join(false))];
        }
        let mut calls = Vec::new();
        if let Some(rack) = args.rack.as_deref().filter(|_| differs("rack")) {
            calls.push(Call::Rack(Arc::from(rack)));
        }
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        for (name, value) in args.tags().filter(|(name, _)| differs(&format!("tag {name}"))) {
            let pair = |value: &str| (Arc::from(name.as_str()), Arc::from(value));
            match value {
                Some(value) => set.push(pair(value)),
                // The manager wants the value of the tag to be removed, too.
                None => {
                    let live = replies[0].text(&format!("tag/{name}")).ok().flatten();
                    removed.extend(live.map(|live| pair(&live)));
                }
            }
        }
        calls.extend((!removed.is_empty()).then_some(Call::RemoveTags(removed)));
        calls.extend((!set.is_empty()).then_some(Call::SetTags(set)));
        let maintenance = args.maintenance.filter(|_| differs("maintenance"));
        let commission = args.commission_state.filter(|_| differs("commission_state"));
        let commission =
            commission.map(|state| Call::Commission(state == CommissionState::Commissioned));
        // Alerts are silenced before the host goes, and heard again once it is back.
        match maintenance {
            Some(true) => {
                calls.push(Call::Maintenance(true));
                calls.extend(commission);
            }
            other => {
                calls.extend(commission);
                calls.extend(other.map(Call::Maintenance));
            }
        }
        let join = differs("in_cluster").then(|| Action::Call(args.membership(), Call::Join(true)));
        let calls = calls.into_iter().map(|call| Action::Call(args.entity(), call));
        join.into_iter().chain(calls).collect()
    }

    fn hosts(args: &Args) -> Vec<String> {
        vec![args.name.clone()]
    }

    fn needs(args: &Args) -> Vec<Link> {
        match args.leaves() {
            true => vec![
                Link::new("cm.host", args.name.clone()),
                Link::any("cm.role"),
                Link::any("cm.service"),
            ],
            false => Vec::new(),
        }
    }
}

/// Says why a host cannot leave its cluster, if it cannot.
fn still_needed(reply: &Reply) -> Option<String> {
    let mut services: Vec<&str> = reply.texts("role/").map(|(_, service)| service).collect();
    let roles = services.len();
    services.sort_unstable();
    services.dedup();
    let word = if roles == 1 { "role" } else { "roles" };
    (roles > 0).then(|| {
        format!(
            "it still has {roles} {word} ({}): they must go first (`cm.role`)",
            services.join(", ")
        )
    })
}

/// Cloudera Manager takes racks as paths of Hadoop's network topology.
fn is_rack(rack: &str) -> bool {
    rack.len() > 1
        && rack.starts_with('/')
        && !rack.ends_with('/')
        && !rack.contains("//")
        && !rack.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Compares one tag. One that is not listed is not there.
fn tag(reply: &Reply, name: &str, want: Option<&String>) -> Attribute {
    let found = reply.texts("tag/").find(|(listed, _)| *listed == name);
    let live = match (found, reply.field("tags")) {
        (Some((_, value)), _) => Live::Known(Value::text(value)),
        (None, Live::Unknown(reason)) => Live::Unknown(reason),
        (None, _) => Live::Absent,
    };
    match want {
        Some(value) => Attribute::new(format!("tag {name}"), live, Value::text(value)),
        None => Attribute::gone(format!("tag {name}"), live),
    }
}

fn truth(live: Live) -> Live {
    match live {
        Live::Known(Value::Text(text)) => Live::Known(Value::Bool(&*text == "true")),
        live => live,
    }
}

/// Returns the state in the words of the declaration. A host on its way out can be waited for, but
/// not be called back.
fn commission_state(live: Live, want: CommissionState) -> Live {
    match live {
        Live::Known(Value::Text(text)) => match &*text {
            "DECOMMISSIONING" | "OFFLINING" if want == CommissionState::Commissioned => {
                Live::Unknown("it is being taken out of service just now".into())
            }
            text => Live::Known(Value::text(text.to_lowercase())),
        },
        live => live,
    }
}
