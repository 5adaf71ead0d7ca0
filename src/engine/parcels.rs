//! Files of parcels on a manager's servers: which steps for them a plan needs.
//!
//! They are declared for every manager with two servers, and needed only where the plan brings hosts
//! into the cluster or adds services (requirement M16).

use std::collections::HashSet;
use std::sync::Arc;

use crate::model::change::Verdict;
use crate::model::plan::Planned;
use crate::model::{Live, Value, Want};

/// The kind that looks after the files.
pub const KIND: &str = "cm.parcel_files";

/// True for kinds that may bring hosts into a cluster, or add services.
pub fn may_add(kind: &str) -> bool {
    matches!(kind, "cm.host" | "cm.service")
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
    }
}

fn adds(planned: &Planned) -> bool {
    let attribute = match planned.address.kind {
        "cm.host" => "in_cluster",
        "cm.service" => "type",
        _ => return false,
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
