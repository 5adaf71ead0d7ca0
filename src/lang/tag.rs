//! What a YAML tag makes of a value in Ansible's files.

use std::sync::Arc;

use super::pyyaml;
use crate::model::{Data, Diagnostic, Node, Place};

/// Marks values, and all text in them, that are never templates.
pub const UNSAFE: &str = "!unsafe";

/// Returns what the scalar `text` is under `tag`.
///
/// Errors: a tag Ansible does not know, or text that cannot be what the tag says.
pub fn scalar(tag: &str, text: &str, place: &Place) -> Result<Data, Diagnostic> {
    pyyaml::tagged(tag, text).ok_or_else(|| misfit(tag, place))
}

/// Returns what the list or mapping `data` is under `tag`.
///
/// Errors: a tag Ansible does not know, or one for values of another sort.
pub fn collection(tag: &str, data: Data, place: &Place) -> Result<Data, Diagnostic> {
    let found = match (tag, data) {
        ("!" | "!!seq" | UNSAFE, Data::List(items)) => Some(Data::List(items)),
        ("!" | "!!map" | UNSAFE, Data::Map(map)) => Some(Data::Map(map)),
        ("!!set", Data::Map(map)) => Some(Data::List(
            map.0.into_iter().map(|(key, _)| Node::text(key.place, &key.name)).collect(),
        )),
        ("!!omap" | "!!pairs", Data::List(items)) => {
            items.into_iter().map(pair).collect::<Option<_>>().map(Data::List)
        }
        _ => None,
    };
    found.ok_or_else(|| misfit(tag, place))
}

/// Returns the mapping `{key: value}` as `[key, value]`.
fn pair(node: Node) -> Option<Node> {
    let Data::Map(mut map) = node.data else { return None };
    let (key, value) = map.0.pop().filter(|_| map.0.is_empty())?;
    let key = Node::new(key.place, Data::Text(key.name));
    Some(Node::new(node.place, Data::List(vec![key, value])))
}

/// JSON files spell `!unsafe` and `!vault` as mappings with these keys.
pub fn from_json(data: Data) -> Data {
    let Data::Map(map) = &data else { return data };
    let text = |name: &str| map.get(name).and_then(Node::as_text).map(Arc::from);
    if let Some(text) = text("__ansible_unsafe") {
        return Data::Literal(text);
    }
    text("__ansible_vault").map_or(data, Data::Vault)
}

fn misfit(tag: &str, place: &Place) -> Diagnostic {
    Diagnostic::error(format!("the tag `{tag}` does not fit here"))
        .because("Ansible does not know the tag, or the value is not what the tag says.")
        .at(place)
}
