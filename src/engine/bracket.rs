//! Single-node maintenance: which steps of it a plan needs.
//!
//! Its steps are declared for every manager with two servers. They are needed where the plan does
//! work that the two must not do together, and, on the way back, where a server is not as it should
//! be.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::instance::Instance;
use super::plan::Prepared;
use super::read::Readings;
use crate::kinds::{self, Guarded};
use crate::lang::inventory::Inventory;
use crate::lang::resource::Phase;
use crate::model::change::Verdict;
use crate::model::plan::Planned;
use crate::model::{Delta, Diagnostic, Live, Target};

/// Why a step back is there although there is no work: shown with what differs.
const LEFT: &str = "left in single-node mode";

/// Decides which of the steps among `planned` are needed; they stand in the order of `prepared`.
pub fn settle(inventory: &Inventory, prepared: &Prepared, planned: &mut [Planned]) {
    let steps: Vec<(usize, Phase)> = prepared
        .order
        .instances()
        .enumerate()
        .filter_map(|(at, i)| Some((at, phase(inventory, &prepared.instances[i])?)))
        .collect();
    if steps.is_empty() {
        return;
    }
    let working = sides_with_work(prepared, planned);
    let astray: HashSet<Arc<str>> = steps
        .iter()
        .filter(|(at, phase)| *phase == Phase::Close && is_astray(&planned[*at]))
        .map(|(at, _)| planned[*at].address.target.side().clone())
        .collect();
    for (at, phase) in steps {
        let side = planned[at].address.target.side().clone();
        match (phase, working.contains(&side)) {
            (Phase::Open, false) => drop_step(&mut planned[at]),
            // What is as it should be now is looked at again when its turn has come.
            (_, true) => foresee(&mut planned[at]),
            (Phase::Close, false) if astray.contains(&side) => {
                if is_wait(&planned[at]) {
                    foresee(&mut planned[at]);
                }
                explain(&mut planned[at]);
            }
            // What could not be seen is not in sync.
            (Phase::Close, false) if !is_seen(&planned[at]) => {}
            (Phase::Close, false) => drop_step(&mut planned[at]),
        }
    }
}

/// Finds managers whose two servers do not use one database (requirement M1).
pub fn databases(
    inventory: &Inventory,
    prepared: &Prepared,
    readings: &Readings,
) -> Vec<Diagnostic> {
    let mut found: IndexMap<&Arc<str>, Vec<Database<'_>>> = IndexMap::new();
    for (i, instance) in prepared.instances.iter().enumerate() {
        let Target::Host { side, host } = &instance.address.target else { continue };
        if phase(inventory, instance).is_none() {
            continue;
        }
        let servers = found.entry(side).or_default();
        if servers.iter().any(|known| known.host == host) {
            continue;
        }
        let replies = prepared.sheets.replies(readings, i);
        if let Live::Known(database) = replies.last().map_or(Live::Absent, kinds::database) {
            let database = plain(&database.to_string());
            servers.push(Database { host, database, resource: instance.resource });
        }
    }
    let differ = found.iter().filter_map(|(side, servers)| match &servers[..] {
        [one, other] if one.database != other.database => {
            let place = &inventory.resources[one.resource].place;
            let because = format!(
                "Both must use one (M1). On {}: {}. On {}: {}.",
                one.host, one.database, other.host, other.database
            );
            Some(
                Diagnostic::error(format!("the servers of `{side}` use two databases"))
                    .because(because)
                    .at(place)
                    .hint("compare /etc/cloudera-scm-server/db.properties".to_string()),
            )
        }
        _ => None,
    });
    differ.collect()
}

/// Returns a database as compared: without the port that goes without saying, on one line.
fn plain(database: &str) -> String {
    let lines = database.lines().map(|line| line.strip_suffix(":5432").unwrap_or(line));
    lines.collect::<Vec<_>>().join(", ")
}

/// Which database a server uses, as its host says.
struct Database<'a> {
    host: &'a Arc<str>,
    database: String,
    resource: usize,
}

/// Returns the part an instance has in single-node maintenance.
pub fn phase(inventory: &Inventory, instance: &Instance) -> Option<Phase> {
    inventory.resources[instance.resource].phase
}

/// Sides on which something changes that two servers must not work on together.
fn sides_with_work(prepared: &Prepared, planned: &[Planned]) -> HashSet<Arc<str>> {
    let order = prepared.order.instances().zip(planned);
    let work = order.filter(|(i, planned)| {
        let guarded = prepared.instances[*i].shared.guarded;
        planned.verdict == Verdict::Change
            && guarded.is_some_and(|guarded| concerns(guarded, planned.delta.as_deref()))
    });
    work.map(|(_, planned)| planned.address.target.side().clone()).collect()
}

fn concerns(guarded: Guarded, delta: Option<&Delta>) -> bool {
    match guarded {
        Guarded::Whole => true,
        Guarded::Attribute(name) => {
            delta.is_some_and(|delta| delta.differing().any(|attribute| attribute.name == name))
        }
    }
}

/// True when a server is not as it should be without any work going on. What waits for the manager
/// tells nothing of a server, except how many are alive.
fn is_astray(step: &Planned) -> bool {
    let tells_nothing = is_wait(step) && !step.address.key.ends_with("alive");
    !tells_nothing && step.verdict == Verdict::Change
}

fn is_seen(step: &Planned) -> bool {
    step.verdict.is_settled() || step.verdict == Verdict::Change
}

fn is_wait(step: &Planned) -> bool {
    matches!(step.address.target, Target::Manager { .. })
}

fn drop_step(step: &mut Planned) {
    step.verdict = Verdict::InSync;
    step.delta = None;
}

/// A step that finds nothing to do yet may find it when its turn has come. So does a wait for a
/// manager that cannot be read now.
fn foresee(step: &mut Planned) {
    let waits = is_wait(step);
    let Some(delta) = step.delta.as_mut() else { return };
    let is_dark = waits && step.verdict == Verdict::Unknown;
    if step.verdict != Verdict::InSync && !is_dark {
        return;
    }
    if is_dark {
        delta.attributes.iter_mut().for_each(|attribute| attribute.before = Live::Absent);
    }
    delta.foresee();
    step.verdict = delta.verdict();
}

fn explain(step: &mut Planned) {
    let Some(delta) = step.delta.as_mut() else { return };
    for attribute in delta.attributes.iter_mut().filter(|a| a.differs && a.name.contains("haMode"))
    {
        attribute.note = Some(LEFT.into());
    }
}
