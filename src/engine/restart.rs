//! Foresees which services will have to be restarted: those that are stale, those that the plan
//! changes, and those whose configuration is built from theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::instance::Instance;
use super::plan::Prepared;
use super::read::Readings;
use crate::kinds::Unsettles;
use crate::lang::pair::Restart;
use crate::model::change::Verdict;
use crate::model::manager::{Entity, MANAGEMENT_SERVICE};
use crate::model::plan::{Plan, Planned};
use crate::model::question::{Question, Reply};
use crate::model::{Attribute, Delta, Live, Value, Want};
use crate::reach::World;

/// The kind that restarts.
pub const KIND: &str = "cm.restart";

/// What the changes of a plan, one after the other, may make stale.
pub struct Forecast {
    policy: Restart,
    touched: BTreeMap<Arc<str>, Touched>,
}

/// What is changed on one side.
#[derive(Default)]
struct Touched {
    services: BTreeSet<Arc<str>>,
    is_everything: bool,
    is_something: bool,
}

impl Forecast {
    /// Returns a forecast of a plan that changes nothing yet.
    pub fn new(policy: Restart) -> Forecast {
        Forecast { policy, touched: BTreeMap::new() }
    }

    /// Notes that `instance` will be changed.
    pub fn note(&mut self, instance: &Instance) {
        let side = instance.address.target.side();
        match &instance.shared.unsettles {
            None => {}
            Some(Unsettles::Something) => {
                self.touched.entry(side.clone()).or_default().is_something = true;
            }
            Some(Unsettles::Cluster) => {
                self.touched.entry(side.clone()).or_default().is_everything = true;
            }
            Some(Unsettles::Service(name)) => {
                self.touched.entry(side.clone()).or_default().services.insert(name.clone());
            }
        }
    }

    /// Adds to the restarts of `side` what will only be stale after the changes noted.
    pub fn foresee(&self, side: &Arc<str>, replies: &[Reply], delta: &mut Delta) {
        if self.policy == Restart::None || delta.attributes.iter().any(|a| a.unknown().is_some()) {
            return;
        }
        let Some(touched) = self.touched.get(side) else { return };
        let known: Vec<(&str, &str)> =
            replies.iter().flat_map(|reply| reply.texts("service/")).collect();
        // Everything is built from the core settings of a cluster.
        let is_core = known.iter().any(|(name, told)| {
            told.starts_with("CORE_SETTINGS|") && touched.services.contains(*name)
        });
        // What depends on a service that is yet to come is not known either.
        let is_new = |name: &&Arc<str>| known.iter().all(|(listed, _)| *listed != &***name);
        let is_something = touched.is_something || touched.services.iter().any(|s| is_new(&s));
        for (name, told) in known {
            let is_all = (touched.is_everything || is_core) && name != MANAGEMENT_SERVICE;
            let is_touched = is_all || touched.services.contains(name);
            if is_touched && !told.contains("|STOPPED|") {
                expect(delta, name);
            }
        }
        if is_something && delta.differing().next().is_none() {
            expect(delta, SOMETHING);
        }
    }
}

/// Stands for services that nobody can name before the change.
const SOMETHING: &str = "services";

/// Adds that a service may be stale later, unless it is stale already.
fn expect(delta: &mut Delta, service: &str) {
    if delta.attributes.iter().any(|attribute| attribute.name == service) {
        return;
    }
    delta.attributes.push(Attribute {
        name: service.to_string().into(),
        before: Live::Known(Value::text("fresh")),
        after: Want::Later("restarted or refreshed where stale".into()),
        differs: true,
        note: None,
    });
}

/// What is told where QueueManager is not restarted in the same run.
const LOOK: &str = "may be stale once the servers of Cloudera Manager run with another haMode: look \
                    again then, and have it restarted";

/// Adds QueueManager to the restarts of sides on which a server of the manager is restarted with
/// another `haMode`: it may be stale then (requirement M15).
pub fn after_servers(
    prepared: &Prepared,
    readings: &Readings,
    policy: Restart,
    planned: &mut [Planned],
) {
    let mut sides: BTreeMap<Arc<str>, bool> = BTreeMap::new();
    for step in planned.iter().filter(|planned| turns_server(planned)) {
        // What `cm.server` changes is restarted after the services are.
        let in_time = step.address.kind == "cm.single_node" && policy != Restart::None;
        *sides.entry(step.address.target.side().clone()).or_default() |= in_time;
    }
    let order: Vec<usize> = prepared.order.instances().collect();
    for (planned, i) in planned.iter_mut().zip(order) {
        let Some(in_time) = sides.get(planned.address.target.side()) else { continue };
        if planned.address.kind != KIND
            || !(planned.verdict.is_settled() || planned.verdict == Verdict::Change)
        {
            continue;
        }
        let replies = prepared.sheets.replies(readings, i);
        let services = replies.iter().flat_map(|reply| reply.texts("service/"));
        let runs = |told: &str| told.starts_with("QUEUEMANAGER|") && !told.contains("|STOPPED|");
        for (name, _) in services.filter(|(_, told)| runs(told)) {
            let delta = planned.delta.get_or_insert_default();
            match in_time {
                true => expect(delta, name),
                false => delta.notes.push(format!("{name} {LOOK}")),
            }
            planned.verdict = delta.verdict();
        }
    }
}

/// True for a step that starts a server with another `haMode`.
fn turns_server(planned: &Planned) -> bool {
    matches!(planned.address.kind, "cm.single_node" | "cm.server")
        && planned.verdict == Verdict::Change
        && planned.delta.as_ref().is_some_and(|delta| {
            delta.differing().any(|attribute| attribute.name == "running haMode")
        })
}

/// Completes the restarts of a plan with what has to be read for it: services that depend on those
/// that are changed, how many roles each has, and how it is restarted.
pub async fn complete(plan: &mut Plan, world: &Arc<World>, policy: Restart) {
    let pending = plan.instances.iter_mut().filter(|planned| {
        planned.address.kind == KIND && planned.delta.as_ref().is_some_and(|d| differs(d))
    });
    for planned in pending {
        let side = planned.address.target.side().clone();
        let reading = world.eyes().manager(&side, &[Question::Entity(Entity::Impact)]).await;
        let services = finish(planned, &reading.replies[0], policy);
        plan.restarts.insert(side.clone(), services);
        if let Some(seen) = plan.coverage.managers.get_mut(&*side) {
            (seen.reads, seen.writes) = reading.requests;
        }
    }
}

fn finish(planned: &mut Planned, impact: &Reply, policy: Restart) -> usize {
    let Some(delta) = planned.delta.as_mut() else { return 0 };
    let touched: Vec<String> = delta.differing().map(|a| a.name.to_string()).collect();
    for (name, needs) in impact.texts("needs/") {
        if needs.split(' ').any(|needed| touched.iter().any(|name| name == needed)) {
            expect(delta, name);
        }
    }
    let how = match policy {
        Restart::Rolling => "rolling",
        Restart::Full => "all at once",
        Restart::None => "not restarted",
    };
    let named = |attribute: &&mut Attribute| attribute.differs && attribute.name != SOMETHING;
    for attribute in delta.attributes.iter_mut().filter(named) {
        let roles = match impact.text(&format!("roles/{}", attribute.name)) {
            Ok(Some(roles)) if &*roles == "1" => "1 role".into(),
            Ok(Some(roles)) => format!("up to {roles} roles"),
            // Only what has running roles is listed.
            Err(_) if matches!(impact, Reply::Fields(_)) => "no running roles".into(),
            _ => "its number of roles is not known".into(),
        };
        attribute.note = Some(format!("{how}, {roles}"));
    }
    if let Reply::Unknown(reason) = impact {
        delta.notes.push(format!("what depends on these services could not be read: {reason}"));
    }
    delta.differing().filter(|attribute| attribute.name != SOMETHING).count()
}

fn differs(delta: &Delta) -> bool {
    delta.differing().next().is_some()
}
