//! Running shell text that the user wrote, without letting it disturb anything else.

use crate::format::number;
use crate::kinds::{argument, problem};
use crate::model::change::Problem;
use crate::model::question::Argument;
use crate::model::{Attribute, Data, Live, Node, Secret, Value};

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

/// Returns a value as JSON text.
pub fn json_text(node: &Node) -> Argument {
    guarded(node, json(node).to_string())
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

/// True when a wish is one value, nothing, or a list of values.
pub fn is_wish(wish: &Node) -> bool {
    let is_plain = |node: &Node| argument(node).is_some() || matches!(node.data, Data::Null);
    match wish.as_list() {
        Some(items) => items.iter().all(is_plain),
        None => is_plain(wish),
    }
}

/// Compares text that was printed with what is wished, by the meaning that the wish has: truth values,
/// numbers and lists (a line for each item) in any spelling; nothing for absence.
pub fn compare(name: &str, wish: &Node, live: Live) -> Attribute {
    let name = name.to_string();
    if matches!(wish.data, Data::Null) {
        return Attribute::gone(name, live);
    }
    let text = match &live {
        Live::Known(Value::Text(text)) => text.trim_end_matches(['\n', '\r']).to_string(),
        _ => return Attribute::new(name, live, shown(wish)),
    };
    let is_same = means(wish, &text);
    let want = shown(wish);
    let before = match (&want, is_same) {
        (Value::Sensitive, _) => Value::Sensitive,
        // Equal by meaning: told in the words of the wish.
        (_, true) => want.clone(),
        (Value::List(_), false) => Value::List(text.lines().map(Value::text).collect()),
        (_, false) => Value::text(&text),
    };
    Attribute { differs: !is_same, ..Attribute::new(name, Live::Known(before), want) }
}

/// Returns a wish as it may be shown.
fn shown(wish: &Node) -> Value {
    if holds_secret(wish) {
        return Value::Sensitive;
    }
    match &wish.data {
        Data::Bool(value, _) => Value::Bool(*value),
        Data::List(items) => Value::List(items.iter().map(shown).collect()),
        _ => Value::text(wish.as_text().unwrap_or_default().trim_end_matches(['\n', '\r'])),
    }
}

/// True when `live` says what `wish` wants.
fn means(wish: &Node, live: &str) -> bool {
    match &wish.data {
        Data::Bool(value, _) => match &*live.trim().to_ascii_lowercase() {
            "true" | "yes" | "on" | "1" => *value,
            "false" | "no" | "off" | "0" => !*value,
            _ => false,
        },
        Data::Int(_, raw) | Data::Float(_, raw) => {
            let live = live.trim();
            let whole = if live.starts_with('.') { "0" } else { "" };
            let same = number::canonical(&format!("{whole}{live}"))
                .is_some_and(|live| number::canonical(raw) == Some(live));
            same || live == &**raw
        }
        Data::List(items) => {
            let lines: Vec<&str> = live.lines().collect();
            lines.len() == items.len()
                && items.iter().zip(lines).all(|(item, line)| means(item, line))
        }
        _ => {
            argument(wish).is_some_and(|wish| wish.reveal().trim_end_matches(['\n', '\r']) == live)
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
