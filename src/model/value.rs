//! A typed value as read from, or wished for, a live system.

use std::fmt;
use std::sync::Arc;

use super::secret::MASK;

/// A value after normalisation: two values are the same setting exactly when they are equal.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// Text, numbers included: they are compared in canonical form.
    Text(Arc<str>),
    /// An ordered list.
    List(Vec<Value>),
    /// Named values; the order does not matter, they are kept sorted.
    Map(Vec<(Arc<str>, Value)>),
    /// Something that must not be shown, stored or digested; only "as wished or not" is known.
    Sensitive,
}

impl Value {
    /// Returns a text value.
    pub fn text(text: impl AsRef<str>) -> Value {
        Value::Text(Arc::from(text.as_ref()))
    }

    /// Returns the value as JSON, secrets masked.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Bool(b) => (*b).into(),
            Value::Text(t) => super::secret::mask(t).into_owned().into(),
            Value::List(items) => items.iter().map(Value::to_json).collect(),
            Value::Map(map) => map
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Value::Sensitive => MASK.into(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(b) => write!(f, "{b}"),
            Value::Text(t) if t.is_empty() => f.write_str("\"\""),
            Value::Text(t) => f.write_str(t),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Value::Map(map) => {
                let items: Vec<String> = map.iter().map(|(k, v)| format!("{k}: {v}")).collect();
                write!(f, "{{{}}}", items.join(", "))
            }
            Value::Sensitive => f.write_str(MASK),
        }
    }
}
