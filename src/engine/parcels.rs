//! Files of parcels on a manager's servers: which steps for them a plan needs.
//!
//! They are declared for every manager with two servers, and needed only where the plan brings hosts
//! into the cluster or adds services (requirement M16).

use std::collections::HashSet;
use std::sync::Arc;

use crate::model::change::Verdict;
use crate::model::kind_info::ADDING_COMMANDS;
use crate::model::plan::{Plan, Planned};
use crate::model::{Address, Live, Target, Value, Want};

/// The kind that looks after the files.
pub const KIND: &str = "cm.parcel_files";

/// True for what may bring hosts into a cluster, or add services.
pub fn may_add(address: &Address) -> bool {
    match address.kind {
        "cm.host" | "cm.service" => true,
        "cm.command" => {
            // The key has the command's name after a slash, and before a label.
            let name = address.key.split(" (").next().unwrap_or_default();
            ADDING_COMMANDS.contains(&name.rsplit('/').next().unwrap_or_default())
        }
        _ => false,
    }
}

/// True if files that could not be looked at hold nothing up: a host that cannot be reached says
/// nothing of its server, which may be down on purpose.
pub fn is_out_of_reach(plan: &Plan, target: &Target) -> bool {
    let Target::Host { host, .. } = target else { return false };
    plan.coverage.hosts.get(&**host).is_some_and(|seen| seen.trouble.is_some())
}

/// Leaves the steps out on sides where nothing is added.
pub fn settle(planned: &mut [Planned]) {
    let adding: HashSet<Arc<str>> = planned
        .iter()
        .filter(|planned| adds(planned))
        .map(|planned| planned.address.target.side().clone())
        .collect();
    let idle = |planned: &&mut Planned| {
        planned.address.kind == KIND && !adding.contains(planned.address.target.side())
    };
    for planned in planned.iter_mut().filter(idle) {
        planned.verdict = Verdict::InSync;
        planned.delta = None;
        // A saved plan must not go stale for what it never showed.
        planned.evidence.clear();
    }
}

/// True if `planned` brings a host into the cluster, or adds a service.
pub fn adds(planned: &Planned) -> bool {
    let attribute = match planned.address.kind {
        "cm.host" => "in_cluster",
        "cm.service" => "type",
        _ => return planned.verdict == Verdict::Change && may_add(&planned.address),
    };
    let is_new = |before: &Live, after: &Want| match attribute {
        "type" => *before == Live::Absent,
        _ => *after == Want::Value(Value::Bool(true)),
    };
    planned.verdict == Verdict::Change
        && planned.delta.as_ref().is_some_and(|delta| {
            delta.differing().any(|a| a.name == attribute && is_new(&a.before, &a.after))
        })
}
