//! Reads everything, compares everything, touches nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use regex::Regex;

use super::bracket;
use super::graph::{self, Index, Order, Point};
use super::instance::{self, Instance};
use super::read::{self, Readings, Sheets};
use super::restart::{self, Forecast};
use super::select::Chosen;
use super::{names, parcels, two_servers};
use crate::lang::expand;
use crate::lang::inventory::Inventory;
use crate::model::change::Verdict;
use crate::model::digest::sha256;
use crate::model::manager::ManagerIdentity;
use crate::model::plan::{Plan, Planned};
use crate::model::question::Reply;
use crate::model::{Delta, Diagnostic, Live, Value, Want};
use crate::reach::World;

/// What is to be looked at, ordered; nothing was contacted yet.
pub struct Prepared {
    /// The instances, side by side in the order of sides.
    pub instances: Vec<Instance>,
    /// What comes before what.
    pub order: Order,
    /// What each target is asked.
    pub sheets: Sheets,
    /// What will do, but is better written in another way.
    pub warnings: Vec<Diagnostic>,
    /// Where the names of machines are found.
    pub names: names::Asked,
}

/// Expands and orders what `chosen` selects of the inventory.
///
/// Errors: every mistake found.
pub fn prepare(inventory: &Inventory, chosen: &Chosen) -> Result<Prepared, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let declared = expand::expand(inventory, chosen, &mut mistakes);
    let mut warnings = Vec::new();
    let mut instances = instance::build(inventory, declared, &mut mistakes, &mut warnings);
    mistakes.extend(two_servers::check(inventory, &instances));
    let order = &inventory.world.pair.order;
    let rank = |i: &Instance| order.iter().position(|side| side == i.address.target.side());
    instances.sort_by_key(rank);
    // A circle is told even when there are other mistakes; a link to nothing only when everything
    // was looked at, because it may be to something that was not chosen or is broken.
    if mistakes.is_empty() && chosen.is_everything() {
        mistakes.extend(graph::dangling(inventory, &instances));
    }
    let order = match Order::new(inventory, &instances) {
        Ok(order) if mistakes.is_empty() => order,
        Ok(_) => return Err(mistakes),
        Err(circles) => {
            mistakes.extend(circles);
            return Err(mistakes);
        }
    };
    let mut sheets = Sheets::new(&instances);
    let names = names::ask(&mut sheets);
    Ok(Prepared { instances, order, sheets, warnings, names })
}

/// Reads all targets and compares.
///
/// Errors: declarations that the live systems show to be mistaken (an unknown setting, say).
pub async fn plan(
    inventory: &Inventory,
    prepared: &Prepared,
    world: &Arc<World>,
    with_evidence: bool,
) -> Result<Plan, Vec<Diagnostic>> {
    let readings = read::read(world, &prepared.sheets, &prepared.instances).await;
    let mut plan = decide(inventory, prepared, readings, with_evidence)?;
    restart::complete(&mut plan, world, inventory.world.pair.policy.restart).await;
    plan.digest = digest(&plan);
    Ok(plan)
}

/// Compares what was read with what is declared. Pure.
///
/// Errors: as for [`plan`].
pub fn decide(
    inventory: &Inventory,
    prepared: &Prepared,
    readings: Readings,
    with_evidence: bool,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut mistakes = bracket::databases(inventory, prepared, &readings);
    mistakes.extend(one_cluster(inventory, &readings));
    let names = names::compare(inventory, &prepared.names, &readings);
    let mut planned = Vec::with_capacity(prepared.instances.len());
    let mut scopes: HashMap<(&str, String), usize> = HashMap::new();
    let mut moving = Moving::new(&prepared.order);
    let mut forecast = Forecast::new(inventory.world.pair.policy.restart);
    for i in prepared.order.instances() {
        let instance = &prepared.instances[i];
        let address = &instance.address;
        let replies = prepared.sheets.replies(&readings, i);
        if let Some(Reply::Config(config)) = replies.first() {
            let scope = (&**address.target.side(), config.path.clone());
            if let Some(first) = scopes.insert(scope, i) {
                mistakes.push(one_scope(inventory, &prepared.instances[first], instance));
            }
        }
        let mut delta = compare(inventory, instance, &replies);
        if let Some(reason) = names.misnamed(instance) {
            delta = Delta::refused(reason);
        }
        if delta.is_curable && moving.before(i) {
            delta = delta.postponed();
        }
        if delta.verdict() == Verdict::InSync && awaits(prepared, &moving, i) {
            delta.foresee();
        }
        if address.kind == restart::KIND {
            forecast.foresee(address.target.side(), &replies, &mut delta);
        }
        // Steps of single-node maintenance change nothing that others rest on.
        if delta.verdict() == Verdict::Change && bracket::phase(inventory, instance).is_none() {
            moving.changes(i);
            forecast.note(instance);
        }
        for problem in &delta.problems {
            let mistake = instance::located(problem, &instance.shared.node);
            if !mistakes.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
        planned.push(describe(inventory, instance, delta, with_evidence));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    bracket::settle(inventory, prepared, &mut planned);
    parcels::settle(&mut planned);
    restart::after_servers(prepared, &readings, inventory.world.pair.policy.restart, &mut planned);
    let mut plan = Plan {
        pair: inventory.world.pair.name.clone(),
        sides: inventory.world.pair.order.clone(),
        instances: planned,
        coverage: readings.coverage,
        identities: readings.identities,
        digest: String::new(),
        restarts: BTreeMap::new(),
        warnings: names.warnings,
    };
    plan.digest = digest(&plan);
    Ok(plan)
}

/// What a plan changes before each point of the order.
struct Moving<'a> {
    order: &'a Order,
    /// By point: something on the way to it changes.
    moved: Vec<bool>,
    /// By point: it is told already whether something does.
    told: Vec<bool>,
}

impl Moving<'_> {
    fn new(order: &Order) -> Moving<'_> {
        Moving { order, moved: vec![false; order.len()], told: vec![false; order.len()] }
    }

    /// True when something that comes before instance `i` changes, other sides apart.
    ///
    /// Everything before it must have been told.
    fn before(&mut self, i: usize) -> bool {
        self.reaches(Index::new(i), false)
    }

    fn changes(&mut self, i: usize) {
        self.moved[i] = true;
        self.told[i] = true;
    }

    fn reaches(&mut self, index: Index, with_itself: bool) -> bool {
        let at = index.index();
        if with_itself && self.told[at] {
            return self.moved[at];
        }
        let order = self.order;
        let mut moved = false;
        for before in order.needed(index) {
            let is_side = matches!(order.point(before), Point::Side(_));
            moved |= !is_side && self.reaches(before, true);
        }
        if with_itself {
            (self.moved[at], self.told[at]) = (moved, true);
        }
        moved
    }
}

/// True for the running state of a service or of roles when what should run is only made before it.
fn awaits(prepared: &Prepared, moving: &Moving<'_>, i: usize) -> bool {
    let made = |kind: &str| matches!(kind, "cm.role" | "cm.service");
    let instance = &prepared.instances[i];
    made(instance.address.kind)
        && instance.address.key.ends_with("(state)")
        && prepared.order.needed(Index::new(i)).any(|before| match prepared.order.point(before) {
            Point::Instance(j) => {
                made(prepared.instances[*j].address.kind) && moving.moved[before.index()]
            }
            _ => false,
        })
}

/// Two sides that lead to one cluster: what is declared for one would be done to the other.
fn one_cluster(inventory: &Inventory, readings: &Readings) -> Option<Diagnostic> {
    let seen: Vec<_> = readings.identities.managers.iter().collect();
    let is_one = |one: &ManagerIdentity, other: &ManagerIdentity| {
        let cluster = one.cluster_uuid.is_some() && one.cluster_uuid == other.cluster_uuid;
        cluster && one.servers.iter().any(|server| other.servers.contains(server))
    };
    let (one, other) = seen.iter().enumerate().find_map(|(at, (side, identity))| {
        let (same, _) = seen[..at].iter().find(|(_, earlier)| is_one(earlier, identity))?;
        Some((*same, *side))
    })?;
    let diagnostic = Diagnostic::error(format!("`{one}` and `{other}` lead to one cluster"))
        .because("Both managers are the same server and name the same cluster (P1, P2).")
        .hint("compare `url` and `cluster` of the two managers in pair.yaml".to_string());
    let place = inventory.world.pair.sides.get(other.as_str()).map(|side| &side.place);
    Some(match place {
        Some(place) => diagnostic.at(place),
        None => diagnostic,
    })
}

/// Two names of one scope of a manager would undo each other's settings for ever.
fn one_scope(inventory: &Inventory, first: &Instance, second: &Instance) -> Diagnostic {
    let place = |instance: &Instance| &inventory.resources[instance.resource].place;
    Diagnostic::error(format!("{} and {} are one scope", first.address, second.address))
        .at(place(second))
        .also(place(first), "the first one")
        .hint("call it by the same name in both".to_string())
}

/// Compares one instance; attributes and findings that the resource ignores are dropped.
pub fn compare(inventory: &Inventory, instance: &Instance, replies: &[Reply]) -> Delta {
    let shared = &instance.shared;
    let mut delta = shared.kind.diff(&shared.args, replies);
    let ignored = &inventory.resources[instance.resource].ignore;
    if !ignored.is_empty() {
        let is_ignored = |name: &str| ignored.iter().any(|glob| matches_glob(glob, name));
        delta.attributes.retain(|attribute| !is_ignored(&attribute.name));
        delta.findings.retain(|finding| !is_ignored(&finding.name));
    }
    delta
}

fn matches_glob(glob: &str, name: &str) -> bool {
    if !glob.contains(['*', '?']) {
        return glob == name;
    }
    let pattern = regex::escape(glob).replace(r"\*", ".*").replace(r"\?", ".");
    Regex::new(&format!("^{pattern}$")).is_ok_and(|regex| regex.is_match(name))
}

fn describe(
    inventory: &Inventory,
    instance: &Instance,
    delta: Delta,
    with_evidence: bool,
) -> Planned {
    let resource = &inventory.resources[instance.resource];
    let verdict = delta.verdict();
    let evidence = match with_evidence {
        true => {
            delta.attributes.iter().map(|a| (a.name.to_string(), evidence(&a.before))).collect()
        }
        false => Vec::new(),
    };
    // What a step of single-node maintenance finds is needed to foresee what it will do.
    let silent = verdict == Verdict::InSync
        && delta.unmanaged.is_empty()
        && delta.notes.is_empty()
        && resource.phase.is_none();
    Planned {
        address: instance.address.clone(),
        name: resource.name.clone(),
        place: resource.place.clone(),
        verdict,
        delta: (!silent).then(|| Box::new(delta)),
        is_protected: resource.protect,
        evidence,
    }
}

/// Returns the digest of what was read; of a secret only that there is one.
fn evidence(live: &Live) -> String {
    match live {
        Live::Known(Value::Sensitive) => "sensitive".into(),
        Live::Known(value) => sha256(value.to_json().to_string().as_bytes())[..32].to_string(),
        Live::Absent => "absent".into(),
        Live::Unknown(_) => "unknown".into(),
    }
}

/// Returns the digest of a plan's typed effects: addresses, attributes, before and after. It holds
/// no time, no secret and no rendered text, so equal effects give an equal digest.
fn digest(plan: &Plan) -> String {
    let mut text = String::new();
    for instance in plan.changes() {
        let Some(delta) = &instance.delta else { continue };
        text.push_str(&instance.address.to_string());
        text.push('\n');
        for attribute in delta.differing() {
            let after = match &attribute.after {
                Want::Value(value) => value.to_json().to_string(),
                Want::Absent(_) => "absent".into(),
                Want::Later(_) => "later".into(),
            };
            let before = match &attribute.before {
                Live::Known(value) => value.to_json().to_string(),
                Live::Absent => "absent".into(),
                Live::Unknown(_) => "unknown".into(),
            };
            text.push_str(&format!(" {} {before} -> {after}\n", attribute.name));
        }
    }
    sha256(text.as_bytes())[..32].to_string()
}
