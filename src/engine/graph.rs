//! What comes before what: the only file that names the graph library.
//!
//! Edges come from `requires` and `before`, from what kinds need, and from the order of sides. Ties
//! keep the order as written. Where many must wait for many, a join stands between them, so that
//! the graph stays linear in the number of instances.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::instance::Instance;
use super::{parcels, restart};
use crate::kinds::Link;
use crate::lang::inventory::Inventory;
use crate::lang::resource::{Phase, Resource};
use crate::model::nearest::did_you_mean;
use crate::model::{Diagnostic, Target};

/// Names a point of the graph.
pub type Index = NodeIndex;

/// A point of the graph.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// An instance, by index.
    Instance(usize),
    /// All instances of a resource on a side are done.
    Join(usize, Arc<str>),
    /// All instances of a side are done.
    Side(Arc<str>),
}

/// What it means that one point comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// The second needs the first: it is not tried when the first fails.
    Needs,
    /// The second comes after the first, whatever became of that.
    Follows,
}

/// Instances and what comes before them.
pub struct Order {
    graph: DiGraph<Point, Strength>,
    /// All points, each after everything it depends on.
    pub sequence: Vec<NodeIndex>,
}

impl Order {
    /// Orders `instances`, which stand side by side in the order of sides.
    ///
    /// Errors: every cycle, named whole, with the places of its resources.
    pub fn new(inventory: &Inventory, instances: &[Instance]) -> Result<Order, Vec<Diagnostic>> {
        let mut builder = Builder::new(inventory, instances);
        builder.declared_edges();
        builder.needed_edges();
        builder.maintenance_edges();
        builder.server_edges();
        builder.parcel_edges();
        builder.side_edges();
        let graph = builder.graph;
        let sequence = sequence(&graph);
        if sequence.len() < graph.node_count() {
            return Err(cycles(&graph, inventory, instances));
        }
        Ok(Order { graph, sequence })
    }

    /// Returns what stands at `index`.
    pub fn point(&self, index: NodeIndex) -> &Point {
        &self.graph[index]
    }

    /// Iterates over what must be done before `index`.
    pub fn before(&self, index: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        self.graph.neighbors_directed(index, Direction::Incoming)
    }

    /// Iterates over what `index` needs: what must have been done well before it.
    pub fn needed(&self, index: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        let edges = self.graph.edges_directed(index, Direction::Incoming);
        edges.filter(|edge| *edge.weight() == Strength::Needs).map(|edge| edge.source())
    }

    /// Iterates over what waits for `index`.
    pub fn after(&self, index: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        self.graph.neighbors(index)
    }

    /// Returns the number of points.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// True when there is nothing to order.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// Returns the instances' indices in order.
    pub fn instances(&self) -> impl Iterator<Item = usize> {
        self.sequence.iter().filter_map(|index| match self.graph[*index] {
            Point::Instance(i) => Some(i),
            _ => None,
        })
    }
}

struct Builder<'a> {
    inventory: &'a Inventory,
    instances: &'a [Instance],
    graph: DiGraph<Point, Strength>,
    /// Instances by resource.
    by_resource: HashMap<usize, Vec<usize>>,
    joins: HashMap<(usize, Arc<str>), NodeIndex>,
}

impl<'a> Builder<'a> {
    fn new(inventory: &'a Inventory, instances: &'a [Instance]) -> Builder<'a> {
        let mut graph = DiGraph::with_capacity(instances.len() + 16, instances.len() * 2);
        let mut by_resource: HashMap<usize, Vec<usize>> = HashMap::new();
        for (i, instance) in instances.iter().enumerate() {
            graph.add_node(Point::Instance(i));
            for resource in std::iter::once(instance.resource).chain(instance.also.iter().copied())
            {
                by_resource.entry(resource).or_default().push(i);
            }
        }
        Builder { inventory, instances, graph, by_resource, joins: HashMap::new() }
    }

    fn edge(&mut self, first: NodeIndex, then: NodeIndex) {
        if first != then {
            self.graph.add_edge(first, then, Strength::Needs);
        }
    }

    /// Single-node maintenance of a side: the way there, the work, the way back. Everything else at
    /// the manager comes before, unless it waits for the work; then it comes after.
    fn maintenance_edges(&mut self) {
        let phase = |i: &usize| self.inventory.resources[self.instances[*i].resource].phase;
        let steps: Vec<usize> = (0..self.instances.len()).filter(|i| phase(i).is_some()).collect();
        let mut sides: Vec<&Arc<str>> = Vec::new();
        for i in &steps {
            let side = self.instances[*i].address.target.side();
            if !sides.contains(&side) {
                sides.push(side);
            }
        }
        for side in sides {
            let of = |wanted: Phase| -> Vec<NodeIndex> {
                let own = steps.iter().filter(|i| {
                    self.instances[**i].address.target.side() == side && phase(i) == Some(wanted)
                });
                own.map(|i| NodeIndex::new(*i)).collect()
            };
            let (open, close) = (of(Phase::Open), of(Phase::Close));
            if let ([first, ..], [.., last], [back, ..], [.., done]) =
                (&open[..], &open[..], &close[..], &close[..])
            {
                self.side_maintenance(side, (*first, *last), (*back, *done));
            }
        }
    }

    fn side_maintenance(
        &mut self,
        side: &Arc<str>,
        (first, last): (NodeIndex, NodeIndex),
        (back, done): (NodeIndex, NodeIndex),
    ) {
        let instances = self.instances;
        let at_manager = |i: &usize| {
            let instance = &instances[*i];
            let is_own =
                matches!(&instance.address.target, Target::Manager { side: own } if own == side);
            is_own && self.inventory.resources[instance.resource].phase.is_none()
        };
        let all: Vec<usize> = (0..instances.len()).filter(at_manager).collect();
        let (work, others): (Vec<usize>, Vec<usize>) =
            all.into_iter().partition(|i| instances[*i].shared.guarded.is_some());
        let after = self.reachable(&work, Direction::Outgoing);
        let before = self.reachable(&work, Direction::Incoming);
        for i in work {
            self.edge(last, NodeIndex::new(i));
            self.follow(NodeIndex::new(i), back);
        }
        for i in others {
            let index = NodeIndex::new(i);
            let is_restart = instances[i].address.kind == restart::KIND;
            match (after.contains(&index) || is_restart, before.contains(&index)) {
                // Between two pieces of work.
                (true, true) => {
                    self.follow(last, index);
                    self.follow(index, back);
                }
                (true, false) => self.follow(done, index),
                (false, _) => self.follow(index, first),
            }
        }
        self.follow(last, back);
    }

    fn follow(&mut self, first: NodeIndex, then: NodeIndex) {
        if first != then {
            self.graph.add_edge(first, then, Strength::Follows);
        }
    }

    /// The servers of a manager are changed last on their side, one after the other: they are away
    /// for minutes, and so is the manager.
    fn server_edges(&mut self) {
        let instances = self.instances;
        let mut earlier: HashMap<&Arc<str>, NodeIndex> = HashMap::new();
        for (i, instance) in instances.iter().enumerate() {
            if instance.address.kind != "cm.server" {
                continue;
            }
            let side = instance.address.target.side();
            let last = instances.iter().position(|other| {
                other.address.kind == restart::KIND && other.address.target.side() == side
            });
            if let Some(last) = last {
                self.follow(NodeIndex::new(last), NodeIndex::new(i));
            }
            if let Some(earlier) = earlier.insert(side, NodeIndex::new(i)) {
                self.follow(earlier, NodeIndex::new(i));
            }
        }
    }

    /// Files of parcels are there before what may need them, and before single-node maintenance:
    /// gigabytes travel while both servers run. One server comes after the other: what they share
    /// is loaded once. An apply looks itself whether an addition may go on without the files.
    fn parcel_edges(&mut self) {
        let instances = self.instances;
        let phase = |i: &Instance| self.inventory.resources[i.resource].phase;
        let waits = |i: &Instance| parcels::may_add(&i.address) || phase(i) == Some(Phase::Open);
        let waiting: Vec<usize> = (0..instances.len()).filter(|i| waits(&instances[*i])).collect();
        let mut earlier: HashMap<&Arc<str>, NodeIndex> = HashMap::new();
        for (first, files) in instances.iter().enumerate() {
            if files.address.kind != parcels::KIND {
                continue;
            }
            let (first, side) = (NodeIndex::new(first), files.address.target.side());
            for then in waiting.iter().filter(|i| instances[**i].address.target.side() == side) {
                self.follow(first, NodeIndex::new(*then));
            }
            if let Some(earlier) = earlier.insert(side, first) {
                self.follow(earlier, first);
            }
        }
    }

    /// Returns all points that come after (or before) one of `from`.
    fn reachable(&self, from: &[usize], direction: Direction) -> HashSet<NodeIndex> {
        let mut open: Vec<NodeIndex> = from.iter().map(|i| NodeIndex::new(*i)).collect();
        let mut seen = HashSet::new();
        while let Some(index) = open.pop() {
            let next = self.graph.neighbors_directed(index, direction);
            open.extend(next.filter(|next| seen.insert(*next)));
        }
        seen
    }

    /// `requires` and `before`.
    fn declared_edges(&mut self) {
        for index in 0..self.inventory.resources.len() {
            let resource = &self.inventory.resources[index];
            if resource.requires.is_empty() && resource.before.is_empty() {
                continue;
            }
            let (requires, before) = (resource.requires.clone(), resource.before.clone());
            for (name, _) in requires {
                for first in self.named(&name) {
                    self.resource_edge(first, index);
                }
            }
            for (name, _) in before {
                for then in self.named(&name) {
                    self.resource_edge(index, then);
                }
            }
        }
    }

    /// Returns the resources called `name`, or those that declare `kind[key]`.
    fn named(&self, name: &str) -> Vec<usize> {
        let resources = self.inventory.resources.iter().enumerate();
        let is_it = |r: &Resource| &*r.name == name || r.within.iter().any(|used| **used == *name);
        let named: Vec<usize> = resources.filter(|(_, r)| is_it(r)).map(|(i, _)| i).collect();
        if !named.is_empty() {
            return named;
        }
        let Some((kind, key)) = name.strip_suffix(']').and_then(|n| n.split_once('[')) else {
            return Vec::new();
        };
        let declares = |i: &usize| {
            self.by_resource[i].iter().any(|instance| {
                let address = &self.instances[*instance].address;
                address.kind == kind && &*address.key == key
            })
        };
        let mut found: Vec<usize> = self.by_resource.keys().copied().filter(declares).collect();
        found.sort_unstable();
        found
    }

    /// Every instance of `then` waits for those of `first` on its own target; where there are none,
    /// for all of them on its side.
    fn resource_edge(&mut self, first: usize, then: usize) {
        let firsts = self.by_resource.get(&first).cloned().unwrap_or_default();
        let thens = self.by_resource.get(&then).cloned().unwrap_or_default();
        let mut on_target: HashMap<&Target, Vec<usize>> = HashMap::new();
        for i in &firsts {
            on_target.entry(&self.instances[*i].address.target).or_default().push(*i);
        }
        for i in thens {
            let instances = self.instances;
            let target = &instances[i].address.target;
            match on_target.get(target) {
                Some(here) => {
                    // A resource may stand for two instances with others between them.
                    let waits = |first: &&usize| needs(&instances[**first], &instances[i]);
                    for first in here.iter().filter(|first| !waits(first)) {
                        self.edge(NodeIndex::new(*first), NodeIndex::new(i));
                    }
                }
                None => {
                    if let Some(join) = self.join(first, target.side(), &firsts) {
                        self.edge(join, NodeIndex::new(i));
                    }
                }
            }
        }
    }

    fn join(&mut self, resource: usize, side: &Arc<str>, all: &[usize]) -> Option<NodeIndex> {
        if let Some(known) = self.joins.get(&(resource, side.clone())) {
            return Some(*known);
        }
        let on_side: Vec<usize> = all
            .iter()
            .copied()
            .filter(|i| self.instances[*i].address.target.side() == side)
            .collect();
        if on_side.is_empty() {
            return None;
        }
        let join = self.graph.add_node(Point::Join(resource, side.clone()));
        for first in on_side {
            self.edge(NodeIndex::new(first), join);
        }
        self.joins.insert((resource, side.clone()), join);
        Some(join)
    }

    /// What kinds need on the same target.
    fn needed_edges(&mut self) {
        if self.instances.iter().all(|instance| instance.shared.needs.is_empty()) {
            return;
        }
        let instances = self.instances;
        let mut wanted: HashSet<(&str, Option<&str>)> = HashSet::new();
        let mut seen = HashSet::new();
        for instance in instances {
            if seen.insert(Arc::as_ptr(&instance.shared)) {
                wanted.extend(instance.shared.needs.iter().map(|n| (n.kind, n.key.as_deref())));
            }
        }
        // What belongs to a service is wanted by the service's name and a slash.
        let of_service = |(kind, key): &(&'a str, Option<&'a str>)| {
            let key = (*key)?;
            Some(((*kind, key.strip_suffix('/')?), key))
        };
        let wanted_of: HashMap<(&str, &str), &str> = wanted.iter().filter_map(of_service).collect();
        let mut providers: HashMap<(&Target, &str, Option<&str>), Vec<usize>> = HashMap::new();
        for (i, instance) in instances.iter().enumerate() {
            let address = &instance.address;
            let service = Link::service_of(&address.key);
            for key in [Some(&*address.key), None] {
                if wanted.contains(&(address.kind, key)) {
                    providers.entry((&address.target, address.kind, key)).or_default().push(i);
                }
            }
            if let Some(key) = wanted_of.get(&(address.kind, service)) {
                let key = (&address.target, address.kind, Some(*key));
                providers.entry(key).or_default().push(i);
            }
        }
        if providers.is_empty() {
            return;
        }
        for (i, instance) in instances.iter().enumerate() {
            for need in &instance.shared.needs {
                let key = (&instance.address.target, need.kind, need.key.as_deref());
                // What comes after the restarts, or after all of the kind that waits here (a host
                // that leaves waits for roles), is no part of what comes before them.
                let waits_itself = |first: &usize| {
                    let is_later = |n: &Link| {
                        let is_all = n.key.is_none() && n.kind == instance.address.kind;
                        is_all || n.kind == restart::KIND
                    };
                    need.key.is_none() && instances[*first].shared.needs.iter().any(is_later)
                };
                let firsts = providers.get(&key).into_iter().flatten();
                for first in firsts.filter(|first| !waits_itself(first)) {
                    self.edge(NodeIndex::new(*first), NodeIndex::new(i));
                }
            }
        }
    }

    /// A side waits for the sides before it.
    fn side_edges(&mut self) {
        let order = &self.inventory.world.pair.order;
        let mut previous: Option<NodeIndex> = None;
        for side in order {
            let instances = self.instances;
            let here: Vec<usize> = (0..instances.len())
                .filter(|i| instances[*i].address.target.side() == side)
                .collect();
            if here.is_empty() {
                continue;
            }
            let done = self.graph.add_node(Point::Side(side.clone()));
            for i in here {
                if let Some(previous) = previous {
                    self.edge(previous, NodeIndex::new(i));
                }
                self.edge(NodeIndex::new(i), done);
            }
            previous = Some(done);
        }
    }
}

/// True when `one` itself needs `other` on the same target.
fn needs(one: &Instance, other: &Instance) -> bool {
    let address = &other.address;
    one.shared.needs.iter().any(|link| {
        // What comes after the restarts comes after everything at its manager.
        let is_before = link.kind == restart::KIND && address.kind.starts_with("cm.");
        is_before || link.names(address.kind, &address.key)
    })
}

/// Returns the links that name a `kind[key]` no instance has.
pub fn dangling(inventory: &Inventory, instances: &[Instance]) -> Vec<Diagnostic> {
    let builder = Builder::new(inventory, instances);
    let mut said = Vec::new();
    for resource in &inventory.resources {
        for (name, place) in resource.requires.iter().chain(&resource.before) {
            // Names without a key were checked when the inventory was loaded.
            if !name.ends_with(']') || !builder.named(name).is_empty() {
                continue;
            }
            let known: Vec<String> = instances
                .iter()
                .map(|i| format!("{}[{}]", i.address.kind, i.address.key))
                .collect();
            let diagnostic = Diagnostic::error(format!("nothing declares `{name}`"))
                .at(place)
                .hint(did_you_mean(name, known.iter().map(String::as_str)));
            if !said.contains(&diagnostic) {
                said.push(diagnostic);
            }
        }
    }
    said
}

/// Orders the points; of those that are ready the one written first comes first (Kahn).
fn sequence(graph: &DiGraph<Point, Strength>) -> Vec<NodeIndex> {
    let mut open: Vec<usize> = graph
        .node_indices()
        .map(|i| graph.neighbors_directed(i, Direction::Incoming).count())
        .collect();
    let ready = graph.node_indices().filter(|i| open[i.index()] == 0).map(|i| Reverse(i.index()));
    let mut ready: BinaryHeap<Reverse<usize>> = ready.collect();
    let mut sequence = Vec::with_capacity(graph.node_count());
    while let Some(Reverse(index)) = ready.pop() {
        sequence.push(NodeIndex::new(index));
        for next in graph.neighbors(NodeIndex::new(index)) {
            open[next.index()] -= 1;
            if open[next.index()] == 0 {
                ready.push(Reverse(next.index()));
            }
        }
    }
    sequence
}

/// Names every cycle whole: `hive → hdfs → yarn → hive`.
fn cycles(
    graph: &DiGraph<Point, Strength>,
    inventory: &Inventory,
    instances: &[Instance],
) -> Vec<Diagnostic> {
    let mut said: Vec<Diagnostic> = Vec::new();
    for knot in tarjan_scc(graph).iter().filter(|knot| knot.len() > 1) {
        let circle = circle(graph, knot);
        let resource = |index: &NodeIndex| match &graph[*index] {
            Point::Instance(i) => Some(instances[*i].resource),
            Point::Join(resource, _) => Some(*resource),
            Point::Side(_) => None,
        };
        let mut names: Vec<String> = circle
            .iter()
            .filter_map(|index| match (&graph[*index], resource(index)) {
                (Point::Side(side), _) => Some(format!("everything on side {side}")),
                (_, resource) => Some(inventory.resources[resource?].name.to_string()),
            })
            .collect();
        names.dedup();
        if names.len() > 1 && names.first() != names.last() {
            names.push(names[0].clone());
        }
        let mut places: Vec<_> = circle
            .iter()
            .filter_map(resource)
            .map(|r| (&inventory.resources[r].place, &inventory.resources[r].name))
            .collect();
        places.dedup();
        let mut diagnostic =
            Diagnostic::error(format!("the order runs in a circle: {}", names.join(" → ")));
        if let Some((place, _)) = places.first() {
            diagnostic = diagnostic.at(place);
        }
        for (place, name) in places.iter().skip(1) {
            diagnostic = diagnostic.also(place, format!("`{name}`"));
        }
        let diagnostic = diagnostic.hint("drop one of the `requires` or `before`".to_string());
        if !said.iter().any(|d| d.summary == diagnostic.summary) {
            said.push(diagnostic);
        }
    }
    said
}

/// Walks the members of a knot until one comes again.
fn circle(graph: &DiGraph<Point, Strength>, knot: &[NodeIndex]) -> Vec<NodeIndex> {
    let start = knot.iter().min().copied().unwrap_or_default();
    let mut path = vec![start];
    loop {
        let here = path[path.len() - 1];
        let next = graph
            .neighbors(here)
            .filter(|next| knot.contains(next))
            .min_by_key(|next| path.iter().position(|p| p == next).map_or(0, |i| i + 1));
        let Some(next) = next else { return path };
        if let Some(begin) = path.iter().position(|index| *index == next) {
            path.push(next);
            return path.split_off(begin);
        }
        path.push(next);
    }
}

/// A resource in a drawing: its name, kind and how many instances it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The side.
    pub side: String,
    /// Name and kind.
    pub label: String,
    /// Instances.
    pub count: usize,
}

/// Returns the resources per side and the edges among them, for a drawing.
pub fn drawing(
    inventory: &Inventory,
    instances: &[Instance],
    order: &Order,
) -> (Vec<Drawn>, Vec<(usize, usize)>) {
    let mut index: HashMap<(usize, Arc<str>), usize> = HashMap::new();
    let (mut nodes, mut edges) = (Vec::<Drawn>::new(), Vec::new());
    let mut node_of = |resource: usize, side: &Arc<str>, nodes: &mut Vec<Drawn>| {
        *index.entry((resource, side.clone())).or_insert_with(|| {
            let body = &inventory.resources[resource];
            let label = match &*body.name == body.kind.name {
                true => body.kind.name.to_string(),
                false => format!("{} ({})", body.name, body.kind.name),
            };
            nodes.push(Drawn { side: side.to_string(), label, count: 0 });
            nodes.len() - 1
        })
    };
    for i in order.instances() {
        let at = node_of(instances[i].resource, instances[i].address.target.side(), &mut nodes);
        nodes[at].count += 1;
    }
    for edge in order.graph.raw_edges() {
        let mut ends =
            [edge.source(), edge.target()].into_iter().map(|end| match &order.graph[end] {
                Point::Instance(i) => {
                    let side = instances[*i].address.target.side();
                    Some(node_of(instances[*i].resource, side, &mut nodes))
                }
                Point::Join(resource, side) => Some(node_of(*resource, side, &mut nodes)),
                Point::Side(_) => None,
            });
        if let (Some(Some(first)), Some(Some(then))) = (ends.next(), ends.next())
            && first != then
            && !edges.contains(&(first, then))
        {
            edges.push((first, then));
        }
    }
    (nodes, edges)
}
