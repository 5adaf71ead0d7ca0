//! Short ways to read and change JSON documents.

use serde_json::{Map, Value};

/// The text member `name`, or an empty text.
pub(crate) fn text<'a>(document: &'a Value, name: &str) -> &'a str {
    document.get(name).and_then(Value::as_str).unwrap_or("")
}

/// The whole-number member `name`, or 0.
pub(crate) fn number(document: &Value, name: &str) -> i64 {
    document.get(name).and_then(Value::as_i64).unwrap_or(0)
}

/// The boolean member `name`, or false.
pub(crate) fn flag(document: &Value, name: &str) -> bool {
    document.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// The list member `name`, or an empty list.
pub(crate) fn list<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The list under `name.items`, as the API writes lists, or an empty list.
pub(crate) fn items<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document.get(name).map_or(&[], |inner| list(inner, "items"))
}

/// The list member `name`, created empty when it is something else.
pub(crate) fn list_mut<'a>(document: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    let slot = &mut document[name];
    if !slot.is_array() {
        *slot = Value::Array(Vec::new());
    }
    slot.as_array_mut().expect("the slot was just made a list")
}

/// The object member `name`, created empty when it is something else.
pub(crate) fn map_mut<'a>(document: &'a mut Value, name: &str) -> &'a mut Map<String, Value> {
    let slot = &mut document[name];
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut().expect("the slot was just made an object")
}

/// The entries of the object member `name`, as name and text.
pub(crate) fn entries<'a>(
    document: &'a Value,
    name: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    document
        .get(name)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or("")))
}

/// An API list around `values`.
pub(crate) fn wrap(values: Vec<Value>) -> Value {
    serde_json::json!({ "items": values })
}
