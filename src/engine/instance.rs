//! Resources → instances: decoded, merged, checked.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use crate::kinds::{self, AnyKind, Claim, Decoded, Guarded, Link, Unsettles};
use crate::lang::expand::Declared;
use crate::lang::inventory::Inventory;
use crate::model::change::Problem;
use crate::model::decode::leniently;
use crate::model::question::Question;
use crate::model::{Address, Data, Diagnostic, Map, Node, Severity, Target};

/// What instances with equal arguments share.
pub struct Shared {
    /// Their kind.
    pub kind: &'static dyn AnyKind,
    /// Their arguments, decoded.
    pub args: Decoded,
    /// Their arguments as written and rendered, for places.
    pub node: Arc<Node>,
    /// Their key.
    pub key: Arc<str>,
    /// What they ask.
    pub questions: Vec<Question>,
    /// What must come first, if declared.
    pub needs: Vec<Link>,
    /// What may run outdated configuration after a change.
    pub unsettles: Option<Unsettles>,
    /// What of it two servers of a manager must not work on together.
    pub guarded: Option<Guarded>,
    /// Which file's content it decides.
    pub claim: Option<Claim>,
}

/// One declared thing on one target.
pub struct Instance {
    /// Its address.
    pub address: Address,
    /// Kind, arguments, questions.
    pub shared: Arc<Shared>,
    /// Index of the resource that declares it first.
    pub resource: usize,
    /// Further resources that declare parts of it.
    pub also: Vec<usize>,
}

/// Builds the instances of what was declared; mistakes go to `mistakes`, and what will do but is
/// better written in another way to `warnings`.
///
/// Several resources may declare parts of one instance (settings of one role group, say). Where
/// they contradict each other both places are named.
pub fn build(
    inventory: &Inventory,
    declared: Vec<Declared>,
    mistakes: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) -> Vec<Instance> {
    let mut builder = Builder {
        inventory,
        parts: HashMap::new(),
        decoded: HashMap::new(),
        merged: HashMap::new(),
        mistakes,
        warnings,
    };
    let mut instances: Vec<Instance> = Vec::with_capacity(declared.len());
    let mut known: HashMap<u64, Vec<usize>, BuildHasherDefault<DefaultHasher>> =
        HashMap::with_capacity_and_hasher(declared.len(), BuildHasherDefault::default());
    let parts = declared.into_iter().flat_map(|one| {
        let parts = builder.parts(one.resource, &one.args);
        let of = move |args| Declared { args, target: one.target.clone(), ..one };
        parts.into_iter().map(of).collect::<Vec<_>>()
    });
    let parts: Vec<Declared> = parts.collect();
    for one in parts {
        let Some(shared) = builder.decode(one.resource, &one.args) else { continue };
        let kind = inventory.resources[one.resource].kind.name;
        let address = Address { target: one.target, kind, key: shared.key.clone() };
        let hash = known.hasher().hash_one(&address);
        let same = known.entry(hash).or_default();
        match same.iter().copied().find(|i| instances[*i].address == address) {
            Some(earlier) => builder.merge(&mut instances[earlier], one.resource, &shared),
            None => {
                same.push(instances.len());
                instances.push(Instance { address, shared, resource: one.resource, also: vec![] });
            }
        }
    }
    disputes(inventory, &instances, mistakes);
    instances
}

/// Finds files of which one instance decides everything and another a part.
fn disputes(inventory: &Inventory, instances: &[Instance], mistakes: &mut Vec<Diagnostic>) {
    let claim = |instance: &Instance| instance.shared.claim.clone();
    let is_part = |instance: &Instance| matches!(claim(instance), Some(Claim::Part(_)));
    if !instances.iter().any(is_part) {
        return;
    }
    let mut owners: HashMap<(&Target, &str), &Instance> = HashMap::new();
    for instance in instances {
        if let Some(Claim::Whole(path)) = &instance.shared.claim {
            owners.insert((&instance.address.target, path), instance);
        }
    }
    for instance in instances {
        let Some(Claim::Part(path)) = &instance.shared.claim else { continue };
        let Some(owner) = owners.get(&(&instance.address.target, &**path)) else { continue };
        let place = |instance: &Instance| &inventory.resources[instance.resource].place;
        let said =
            format!("{} changes a part of {path}, which is declared whole", instance.address.kind);
        push(
            mistakes,
            Diagnostic::error(said)
                .because("The two would undo each other in every run.")
                .at(place(instance))
                .also(place(owner), "declared whole here")
                .hint("put the part into that content, or leave `content` out there".to_string()),
        );
    }
}

struct Builder<'a> {
    inventory: &'a Inventory,
    /// Arguments that stand for several instances, by the identity of their node (kept alive by the
    /// entry).
    parts: HashMap<usize, (Arc<Node>, Vec<Arc<Node>>)>,
    /// Decoded arguments by the identity of their node (kept alive by the entry).
    decoded: HashMap<usize, Option<Arc<Shared>>>,
    merged: HashMap<(usize, usize), Option<Arc<Shared>>>,
    mistakes: &'a mut Vec<Diagnostic>,
    warnings: &'a mut Vec<Diagnostic>,
}

impl Builder<'_> {
    /// Returns the arguments of the instances that one declaration stands for.
    fn parts(&mut self, resource: usize, node: &Arc<Node>) -> Vec<Arc<Node>> {
        let key = Arc::as_ptr(node) as usize;
        if let Some((_, parts)) = self.parts.get(&key) {
            return parts.clone();
        }
        let kind = kinds::of(self.inventory.resources[resource].kind.name);
        let parts = kind.and_then(|kind| kind.parts(node));
        let Some(parts) = parts else { return vec![node.clone()] };
        let parts: Vec<Arc<Node>> = parts.into_iter().map(Arc::new).collect();
        self.parts.insert(key, (node.clone(), parts.clone()));
        parts
    }

    fn decode(&mut self, resource: usize, node: &Arc<Node>) -> Option<Arc<Shared>> {
        let key = Arc::as_ptr(node) as usize;
        if let Some(known) = self.decoded.get(&key) {
            return known.clone();
        }
        let shared = self.decode_new(resource, node);
        self.decoded.insert(key, shared.clone());
        shared
    }

    fn decode_new(&mut self, resource: usize, node: &Arc<Node>) -> Option<Arc<Shared>> {
        let kind = kinds::of(self.inventory.resources[resource].kind.name)?;
        let node = self.with_policy(kind, node);
        let mut found = Vec::new();
        unsendable(&node, &mut found);
        let args = leniently(&node, &mut found, |node| kind.decode(node));
        if !found.is_empty() {
            found.into_iter().for_each(|mistake| push(self.mistakes, mistake));
            return None;
        }
        let args = args?;
        let problems = kind.check(&args);
        if !problems.is_empty() {
            problems.iter().for_each(|p| push(self.mistakes, located(p, &node)));
            return None;
        }
        for advice in kind.advice(&args) {
            let severity = Severity::Warning;
            push(self.warnings, Diagnostic { severity, ..located(&advice, &node) });
        }
        Some(Arc::new(Shared {
            kind,
            key: Arc::from(kind.key(&args)),
            questions: kind.ask(&args),
            needs: kind.needs(&args),
            unsettles: kind.unsettles(&args),
            guarded: kind.guarded(&args),
            claim: kind.claims(&args),
            args,
            node,
        }))
    }

    /// Gives `cm.config` the pair's policy for undeclared settings where it names none.
    fn with_policy(&self, kind: &dyn AnyKind, node: &Arc<Node>) -> Arc<Node> {
        let map = match &node.data {
            Data::Map(map) if kind.info().name == "cm.config" && map.get("unmanaged").is_none() => {
                map
            }
            _ => return node.clone(),
        };
        let mut map = map.clone();
        let word = self.inventory.world.pair.policy.unmanaged.word();
        let key = crate::model::Key { name: "unmanaged".into(), place: node.place.clone() };
        map.set(key, Node::text(node.place.clone(), word));
        Arc::new(Node::new(node.place.clone(), Data::Map(map)))
    }

    fn merge(&mut self, earlier: &mut Instance, resource: usize, shared: &Arc<Shared>) {
        earlier.also.push(resource);
        let key = (Arc::as_ptr(&earlier.shared) as usize, Arc::as_ptr(shared) as usize);
        if key.0 == key.1 {
            return;
        }
        let merged = match self.merged.get(&key) {
            Some(merged) => merged.clone(),
            None => {
                let merged = self.merge_new(&earlier.shared, resource, shared);
                self.merged.insert(key, merged.clone());
                merged
            }
        };
        if let Some(merged) = merged {
            earlier.shared = merged;
        }
    }

    fn merge_new(
        &mut self,
        first: &Arc<Shared>,
        resource: usize,
        second: &Arc<Shared>,
    ) -> Option<Arc<Shared>> {
        let kind = self.inventory.resources[resource].kind.name;
        let what = format!("{kind}[{}]", first.key);
        let mut conflicts = Vec::new();
        let node = merge_nodes(&first.node, &second.node, "", &mut conflicts);
        for (path, one, other) in conflicts {
            push(
                self.mistakes,
                Diagnostic::error(format!("`{path}` of {what} is declared twice, differently"))
                    .at(&other.place)
                    .also(&one.place, "declared here too")
                    .hint("keep one of the two, or give them different sides or hosts".to_string()),
            );
        }
        // Both originals must stay alive: their addresses are keys.
        let merged = self.decode_new(resource, &Arc::new(node));
        self.decoded.insert(Arc::as_ptr(first) as usize, Some(first.clone()));
        self.decoded.insert(Arc::as_ptr(second) as usize, Some(second.clone()));
        merged
    }
}

/// Finds values that neither a file, a shell nor a manager's setting could hold.
fn unsendable(node: &Node, mistakes: &mut Vec<Diagnostic>) {
    let has_nul = match &node.data {
        Data::List(items) => return items.iter().for_each(|item| unsendable(item, mistakes)),
        Data::Map(map) => return map.iter().for_each(|(_, value)| unsendable(value, mistakes)),
        Data::Secret(secret) => secret.reveal().contains('\0'),
        _ => node.as_text().is_some_and(|text| text.contains('\0')),
    };
    if has_nul {
        mistakes.push(
            Diagnostic::error("a value holds a NUL character")
                .because("No shell and no setting can hold one.")
                .at(&node.place)
                .hint("take binary files from `files/` with `source`".to_string()),
        );
    }
}

fn push(mistakes: &mut Vec<Diagnostic>, mistake: Diagnostic) {
    if !mistakes.contains(&mistake) {
        mistakes.push(mistake);
    }
}

/// Returns a problem as a diagnostic at its argument's place.
pub fn located(problem: &Problem, node: &Node) -> Diagnostic {
    let path: Vec<&str> = problem.path.iter().map(String::as_str).collect();
    let mut diagnostic = Diagnostic::error(problem.summary.clone())
        .at(&node.place_of(&path))
        .hint(problem.hint.clone());
    diagnostic.detail = problem.detail.clone();
    diagnostic
}

/// Merges two declarations key by key; returns the contradictions beside.
fn merge_nodes<'a>(
    one: &'a Node,
    other: &'a Node,
    path: &str,
    conflicts: &mut Vec<(String, &'a Node, &'a Node)>,
) -> Node {
    let (Data::Map(a), Data::Map(b)) = (&one.data, &other.data) else {
        if !one.same(other) {
            conflicts.push((path.to_string(), one, other));
        }
        return one.clone();
    };
    let mut merged = Map::default();
    for (key, node) in a.iter() {
        let below =
            if path.is_empty() { key.name.to_string() } else { format!("{path}.{}", key.name) };
        let node = match b.get(&key.name) {
            Some(more) => merge_nodes(node, more, &below, conflicts),
            None => node.clone(),
        };
        merged.0.push((key.clone(), node));
    }
    for (key, node) in b.iter().filter(|(key, _)| a.get(&key.name).is_none()) {
        merged.0.push((key.clone(), node.clone()));
    }
    Node::new(one.place.clone(), Data::Map(merged))
}
