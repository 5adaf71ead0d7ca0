//! One declaration that stands for two instances: that something is there, and that it runs. What
//! makes it fit to run comes between them.

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
    let part = |keeps: &dyn Fn(&str) -> bool| {
        let kept = map.iter().filter(|(key, _)| keeps(&key.name));
        let kept = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        Node::new(node.place.clone(), Data::Map(Map(kept)))
    };
    let thing = part(&|name| name != "state");
    let state = part(&|name| name == "state" || identify.contains(&name));
    Some(vec![thing, state])
}
