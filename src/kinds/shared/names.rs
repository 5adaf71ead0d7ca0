//! Names as managers list them.

use crate::model::Value;

/// Returns names as a list in which order and repetition do not matter.
pub fn set_of<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    Value::List(names.into_iter().map(Value::text).collect())
}
