//! One declaration that stands for two instances: that something is there, and that it runs. What
//! makes it fit to run comes between them. Or that it is like this, and that it goes.

use crate::model::{Data, Map, Node};

/// Splits arguments with both `marker` and a `state` among `states`: into all of them without the
/// state, and the state with the arguments that `identify` the thing.
pub fn state_apart(
    node: &Node,
    states: &[&str],
    marker: &str,
    identify: &[&str],
) -> Option<Vec<Node>> {
    let map = node.as_map()?;
    let state = map.get("state")?.as_text()?;
    if !states.contains(&state) || map.get(marker).is_none() {
        return None;
    }
    let thing = part(node, map, |name| name != "state");
    let state = part(node, map, |name| name == "state" || identify.contains(&name));
    Some(vec![thing, state])
}

/// Splits arguments whose `marker` is false off the others: what leaves does so last.
pub fn leaving_apart(node: &Node, marker: &str, identify: &str) -> Option<Vec<Node>> {
    let map = node.as_map()?;
    let value = map.get(marker)?;
    let leaves = matches!(value.data, Data::Bool(false, _)) || value.as_text() == Some("false");
    if !leaves || map.iter().all(|(key, _)| [marker, identify].contains(&&*key.name)) {
        return None;
    }
    let rest = part(node, map, |name| name != marker);
    let leaving = part(node, map, |name| name == marker || name == identify);
    Some(vec![rest, leaving])
}

fn part(node: &Node, map: &Map, keeps: impl Fn(&str) -> bool) -> Node {
    let kept = map.iter().filter(|(key, _)| keeps(&key.name));
    let kept = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
    Node::new(node.place.clone(), Data::Map(Map(kept)))
}
