//! Running shell text that the user wrote, without letting it disturb anything else.

use crate::kinds::{argument, problem};
use crate::model::change::Problem;
use crate::model::question::Argument;
use crate::model::{Data, Node, Secret};

/// Shell text longer than this could not be handed to another shell.
const LONGEST: usize = 100_000;

/// Returns what is wrong with shell text in the argument `name`.
pub fn code_problem(name: &str, code: &str) -> Option<Problem> {
    if code.trim().is_empty() {
        return Some(problem(&[name], format!("`{name}` holds no command"), None));
    }
    let hint = "put it into a script of its own (os.file) and call that";
    (code.len() > LONGEST)
        .then(|| problem(&[name], format!("`{name}` is longer than {LONGEST} bytes"), Some(hint)))
}

/// Returns a value as the text of a shell variable: a list of plain items one to a line, nothing as
/// the empty text, mappings and other lists as JSON.
pub fn variable(node: &Node) -> Argument {
    if let Some(argument) = scalar(node) {
        return argument;
    }
    let items = node.as_list().map(|items| items.iter().map(scalar).collect::<Option<Vec<_>>>());
    match items.flatten() {
        Some(items) if !items.iter().any(|item| item.reveal().contains('\n')) => {
            let lines: Vec<&str> = items.iter().map(Argument::reveal).collect();
            guarded(node, lines.join("\n"))
        }
        _ => guarded(node, json(node).to_string()),
    }
}

fn scalar(node: &Node) -> Option<Argument> {
    match &node.data {
        Data::Null => Some(Argument::plain("")),
        Data::Bool(value, _) => Some(Argument::plain(value.to_string())),
        _ => argument(node),
    }
}

fn guarded(node: &Node, text: String) -> Argument {
    match holds_secret(node) {
        true => Argument::Secret(Secret::derived(text)),
        false => Argument::plain(text),
    }
}

/// True when any part of `node` is secret.
pub fn holds_secret(node: &Node) -> bool {
    match &node.data {
        Data::Secret(_) => true,
        Data::List(items) => items.iter().any(holds_secret),
        Data::Map(map) => map.iter().any(|(_, value)| holds_secret(value)),
        _ => false,
    }
}

fn json(node: &Node) -> serde_json::Value {
    match &node.data {
        Data::Null | Data::Vault(_) => serde_json::Value::Null,
        Data::Bool(value, _) => (*value).into(),
        Data::Int(value, _) => (*value).into(),
        Data::Float(value, _) => (*value).into(),
        Data::Text(text) | Data::Literal(text) => (&**text).into(),
        Data::Secret(secret) => secret.reveal().into(),
        Data::List(items) => items.iter().map(json).collect(),
        Data::Map(map) => {
            let entries = map.iter().map(|(key, value)| (key.name.to_string(), json(value)));
            serde_json::Value::Object(entries.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    #[test]
    fn values_become_text_a_shell_can_work_with() {
        let text = |text: &str| Node::text(Place::nowhere(), text);
        let new = |data| Node::new(Place::nowhere(), data);
        let shown = |node: &Node| variable(node).reveal().to_string();
        assert_eq!(shown(&new(Data::Bool(true, "yes".into()))), "true");
        assert_eq!(shown(&new(Data::Null)), "");
        assert_eq!(shown(&new(Data::List(vec![text("a b"), text("-c")]))), "a b\n-c");
        assert_eq!(shown(&new(Data::List(vec![text("a\nb")]))), r#"["a\nb"]"#);
        let secret = new(Data::Secret(Secret::new("tr0ub4dor".into())));
        let list = variable(&new(Data::List(vec![text("a"), secret])));
        assert!(matches!(list, Argument::Secret(_)));
    }
}
