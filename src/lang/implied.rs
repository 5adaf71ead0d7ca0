//! Resources that drsync declares itself, because of what `pair.yaml` says.

use std::sync::Arc;

use super::pair::{Manager, Pair, Policy, Procedure, Restart};
use super::resource::{Phase, Resource};
use crate::model::kind_info::{ADDING_COMMANDS, Home, KindInfo};
use crate::model::{Data, Key, Map, Node, Place};

/// Adds the resources that follow from `pair` where managers are ruled at all.
pub fn add(pair: &Pair, kinds: &[KindInfo], resources: &mut Vec<Resource>) {
    if resources.iter().all(|resource| resource.kind.home != Home::Manager) {
        return;
    }
    let kind = |name: &str| kinds.iter().find(|kind| kind.name == name).copied();
    let (Some(host), Some(gate)) = (kind("cm.single_node"), kind("cm.single_node_gate")) else {
        return;
    };
    let parcels = kind("cm.parcel_files").filter(|_| resources.iter().any(may_add));
    for (side, body) in &pair.sides {
        if let Some(manager) = &body.manager
            && let [primary, secondary] = &manager.servers[..]
        {
            let files = parcels.iter().flat_map(|kind| {
                [primary, secondary].map(|server| parcel_files(*kind, side, server))
            });
            resources.extend(files);
            let mut steps = Steps { side, place: &primary.place, host, gate, made: Vec::new() };
            maintenance(&mut steps, manager, primary, secondary);
            resources.extend(steps.made);
        }
    }
    if let Some(kind) = kind("cm.restart") {
        let place = pair.policy_place.clone().unwrap_or_else(Place::nowhere);
        let args = restart(&pair.policy, &place);
        resources.push(Resource::new("Restart what is stale", kind, args, place));
    }
}

/// True for what may bring hosts into a cluster, or add services. What is not known before it is
/// rendered may.
fn may_add(resource: &Resource) -> bool {
    let argument = |name: &str| resource.args.as_map().and_then(|map| map.get(name));
    let is_open = |node: &Node| node.as_text().is_some_and(|text| text.contains('{'));
    match resource.kind.name {
        "cm.service" => true,
        "cm.host" => argument("in_cluster")
            .is_some_and(|node| is_open(node) || !matches!(node.data, Data::Bool(false, _))),
        "cm.command" => argument("name").is_some_and(|node| {
            is_open(node) || node.as_text().is_some_and(|name| ADDING_COMMANDS.contains(&name))
        }),
        _ => false,
    }
}

/// Declares the parcels' files on a server of a side (requirement M16).
fn parcel_files(kind: KindInfo, side: &Arc<str>, server: &Node) -> Resource {
    let name = Arc::from(server.as_text().unwrap_or_default());
    let title = format!("Parcels in use on {name}");
    Resource {
        hosts: Some((name, server.place.clone())),
        sides: vec![(side.clone(), server.place.clone())],
        ..Resource::new(&title, kind, mapping(&server.place, Vec::new()), server.place.clone())
    }
}

fn restart(policy: &Policy, place: &Place) -> Node {
    let word = match policy.restart {
        Restart::Rolling => "rolling",
        Restart::Full => "full",
        Restart::None => "none",
    };
    let mut entries = vec![("policy", Node::text(place.clone(), word))];
    if let Some(most) = policy.max_restarts {
        entries.push(("max_restarts", number(place, most)));
    }
    mapping(place, entries)
}

/// The steps of single-node maintenance of one side, each after the one before it.
struct Steps<'a> {
    side: &'a Arc<str>,
    place: &'a Place,
    host: KindInfo,
    gate: KindInfo,
    made: Vec<Resource>,
}

/// Declares the steps around work that two servers must not do together, in the order of
/// requirements M5 and M20. They end with both servers in their roles, whatever became of the work.
fn maintenance(steps: &mut Steps<'_>, manager: &Manager, primary: &Node, secondary: &Node) {
    let is_full = manager.maintenance.procedure == Procedure::Full;
    let wait = manager.maintenance.wait_seconds;
    steps.on(primary, Phase::Open, "start", None);
    // What the secondary would leave half done is waited for.
    steps.wait(Phase::Open, "idle", Some(wait));
    steps.on(secondary, Phase::Open, "stop", None);
    if is_full {
        steps.on(primary, Phase::Open, "set", Some(false));
        steps.on(primary, Phase::Open, "restart", Some(false));
    }
    steps.wait(Phase::Open, "ready", None);
    // The way back begins with a primary that runs and answers, whatever became of the way there.
    steps.on(primary, Phase::Close, "start", None);
    steps.wait(Phase::Close, "ready", None);
    steps.wait(Phase::Close, "idle", Some(wait));
    if is_full {
        steps.on(primary, Phase::Close, "set", Some(true));
        steps.on(primary, Phase::Close, "restart", Some(true));
        steps.wait(Phase::Close, "ready", None);
    }
    steps.on(secondary, Phase::Close, "start", None);
    steps.wait(Phase::Close, "both", None);
}

impl Steps<'_> {
    /// Adds a step on the host of a server.
    fn on(&mut self, server: &Node, phase: Phase, step: &str, ha_mode: Option<bool>) {
        let host = Arc::from(server.as_text().unwrap_or_default());
        let mut entries = vec![("step", Node::text(self.place.clone(), step))];
        if let Some(is_on) = ha_mode {
            let truth = Data::Bool(is_on, Arc::from(is_on.to_string()));
            entries.push(("ha_mode", Node::new(self.place.clone(), truth)));
        }
        self.add(self.host, phase, Some((host, server.place.clone())), entries);
    }

    /// Adds a step that waits for the manager.
    fn wait(&mut self, phase: Phase, gate: &str, seconds: Option<u32>) {
        let mut entries = vec![("gate", Node::text(self.place.clone(), gate))];
        entries.extend(seconds.map(|seconds| ("wait_seconds", number(self.place, seconds))));
        self.add(self.gate, phase, None, entries);
    }

    fn add(
        &mut self,
        kind: KindInfo,
        phase: Phase,
        hosts: Option<(Arc<str>, Place)>,
        mut entries: Vec<(&str, Node)>,
    ) {
        let number = format!("{:02}", self.made.len() + 1);
        entries.push(("number", Node::text(self.place.clone(), &number)));
        let name = format!("Single-node maintenance of {}, step {number}", self.side);
        let args = mapping(self.place, entries);
        let before = self.made.last().map(|step| (step.name.clone(), self.place.clone()));
        // The way back is gone whatever became of the work and of the way there.
        let turns = self.made.last().is_some_and(|step| step.phase != Some(phase));
        self.made.push(Resource {
            hosts,
            sides: vec![(self.side.clone(), self.place.clone())],
            requires: before.filter(|_| !turns).into_iter().collect(),
            phase: Some(phase),
            ..Resource::new(&name, kind, args, self.place.clone())
        });
    }
}

fn number(place: &Place, number: u32) -> Node {
    Node::new(place.clone(), Data::Int(number.into(), Arc::from(number.to_string())))
}

/// Returns a mapping written at `place`.
fn mapping(place: &Place, entries: Vec<(&str, Node)>) -> Node {
    let key = |name: &str| Key { name: Arc::from(name), place: place.clone() };
    let entries = entries.into_iter().map(|(name, node)| (key(name), node));
    Node::new(place.clone(), Data::Map(Map(entries.collect())))
}
