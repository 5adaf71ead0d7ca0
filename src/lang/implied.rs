//! Resources that drsync declares itself, because of what `pair.yaml` says.

use std::sync::Arc;

use super::pair::{Pair, Policy, Restart};
use super::resource::Resource;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::{Data, Key, Map, Node, Place};

/// Adds the resources that follow from `pair` where managers are ruled at all.
pub fn add(pair: &Pair, kinds: &[KindInfo], resources: &mut Vec<Resource>) {
    if resources.iter().all(|resource| resource.kind.home != Home::Manager) {
        return;
    }
    let kind = |name: &str| kinds.iter().find(|kind| kind.name == name).copied();
    let place = pair.policy_place.clone().unwrap_or_else(Place::nowhere);
    if let Some(kind) = kind("cm.restart") {
        let args = restart(&pair.policy, &place);
        resources.push(Resource::new("Restart what is stale", kind, args, place));
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
        let number = Data::Int(most.into(), Arc::from(most.to_string()));
        entries.push(("max_restarts", Node::new(place.clone(), number)));
    }
    mapping(place, entries)
}

/// Returns a mapping written at `place`.
fn mapping(place: &Place, entries: Vec<(&str, Node)>) -> Node {
    let key = |name: &str| Key { name: Arc::from(name), place: place.clone() };
    let entries = entries.into_iter().map(|(name, node)| (key(name), node));
    Node::new(place.clone(), Data::Map(Map(entries.collect())))
}
