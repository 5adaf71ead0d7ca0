//! What a Cloudera Manager setting's text means: one normaliser for diff, display and apply.
//!
//! Cloudera Manager stores every value as text and publishes no types, so the type is told from
//! the setting's name, its default and the values themselves (CM API `ApiConfig`).

use std::sync::Arc;

use super::{hadoop_xml, number, properties};
use crate::model::Value;

/// How the values of a setting compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// As truth values, numbers, JSON, XML properties or `key=value` lines where both sides are
    /// such; as trimmed text otherwise.
    Plain,
    /// As a list separated by commas; blanks around items do not count.
    List,
}

/// Returns the normalised value of `text`, the value of the setting `name` whose default is
/// `default`. Without a default nothing tells that a setting is a number or a truth value: it
/// compares as text.
pub fn normalise(name: &str, text: &str, default: Option<&str>, sort: Sort) -> Value {
    let text = text.trim();
    if sort == Sort::List && !text.starts_with(['[', '{', '<']) {
        return list(text);
    }
    if let Some(value) = structured(name, text) {
        return value;
    }
    let default = default.map(str::trim).unwrap_or_default();
    let lower = text.to_ascii_lowercase();
    if is_truth(&lower) && is_truth(&default.to_ascii_lowercase()) {
        return Value::Bool(lower == "true");
    }
    match number::canonical(text) {
        Some(canonical) if number::canonical(default).is_some() => Value::text(canonical),
        _ => Value::text(text),
    }
}

fn is_truth(text: &str) -> bool {
    matches!(text, "true" | "false")
}

fn list(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::List(items.map(Value::text).collect())
}

/// Reads XML properties, JSON or `key=value` lines.
fn structured(name: &str, text: &str) -> Option<Value> {
    if text.starts_with('<') {
        return xml(text);
    }
    if text.starts_with(['{', '[']) {
        // Thresholds hold numbers as text: "51.0" and 51 are one value there (CM API).
        let loose = name.ends_with("_thresholds");
        return serde_json::from_str(text).ok().map(|json| from_json(&json, loose));
    }
    // One line alone is as likely to be plain text: only several make a file.
    if text.lines().count() > 1 {
        let pairs = properties::parse(text)?;
        // A value that refers to another line depends on the order.
        if pairs.iter().any(|(_, value)| value.contains('$')) {
            return None;
        }
        return Some(map(pairs.into_iter().map(|(k, v)| (Arc::from(k), Value::text(v)))));
    }
    None
}

fn xml(text: &str) -> Option<Value> {
    let properties = hadoop_xml::parse(text).ok()?;
    Some(map(properties.into_iter().map(|property| {
        let value = Value::text(property.value);
        let value =
            match property.is_final {
                true => map([(Arc::from("final"), Value::Bool(true)), (Arc::from("value"), value)]
                    .into_iter()),
                false => value,
            };
        (Arc::from(property.name), value)
    })))
}

fn map(entries: impl Iterator<Item = (Arc<str>, Value)>) -> Value {
    let mut entries: Vec<(Arc<str>, Value)> = entries.collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Map(entries)
}

fn from_json(json: &serde_json::Value, loose: bool) -> Value {
    match json {
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Array(items) => {
            Value::List(items.iter().map(|item| from_json(item, loose)).collect())
        }
        serde_json::Value::Object(entries) => {
            map(entries.iter().map(|(k, v)| (Arc::from(k.as_str()), from_json(v, loose))))
        }
        serde_json::Value::String(s) if loose => {
            Value::text(number::canonical(s.trim()).unwrap_or_else(|| s.clone()))
        }
        // Quoted, so that "1" is not 1 and "null" not null.
        serde_json::Value::String(_) => Value::text(json.to_string()),
        serde_json::Value::Number(n) => {
            let text = n.to_string();
            Value::text(number::canonical(&text).unwrap_or(text))
        }
        serde_json::Value::Null => Value::text("null"),
    }
}

/// Returns the unit a plain number of this setting counts, where that is known: 1 for bytes,
/// 1048576 for MiB (CM: sizes are bytes unless the name says otherwise).
pub fn unit(name: &str, default: Option<&str>) -> Option<u64> {
    const MEBI: u64 = 1 << 20;
    let lower = name.to_ascii_lowercase();
    let in_mebibytes = ["broker_max_heap_size", "max_log_size", "audit_event_log_max_file_size"];
    if in_mebibytes.contains(&lower.as_str())
        || lower.ends_with("_mb")
        || lower.ends_with(".mb")
        || lower.ends_with("-mb")
    {
        return Some(MEBI);
    }
    let names_bytes = [
        "heapsize",
        "_bytes",
        ".bytes",
        "memory_limit",
        "locked_memory",
        "du_reserved",
        "block_size",
    ];
    if names_bytes.iter().any(|part| lower.contains(part)) {
        return Some(1);
    }
    // A default of a mebibyte or more can only be bytes.
    let default = default.and_then(|text| text.trim().parse::<u64>().ok());
    default.filter(|bytes| *bytes >= MEBI).map(|_| 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str, default: Option<&str>) -> bool {
        let value = |text| normalise("x_thresholds", text, default, Sort::Plain);
        value(a) == value(b)
    }

    #[test]
    fn spelling_does_not_count_and_meaning_does() {
        assert!(same("TRUE", "true", Some("false")));
        assert!(same("0.50", "0.5", Some("0.4")));
        assert!(same(" 3 ", "3", Some("3")));
        assert!(same(
            r#"{"critical":"51.0","warning":"99"}"#,
            r#"{ "warning":"99.0", "critical":"51" }"#,
            None
        ));
        assert!(same("A=1\nB=2", "B=2\n# note\nA=1\n", None));
        assert!(!same("022", "22", Some("022")));
        assert!(!same("a b", "a  b", None));
        assert!(!same("", "0", Some("0")));
        assert!(!same("True", "true", Some("text")));
        assert!(!same("1.10", "1.1", Some("1.2.3")));
        let list = |text| normalise("x_list", text, None, Sort::List);
        assert_eq!(list("/a, /b"), list("/a,/b"));
        for (a, b) in [
            ("<queue name=\"x\"/>", "<queue name=\"y\"/>"),
            ("<!DOCTYPE x><x/>", "<y/>"),
            ("1.10", "1.1"),
            ("TRUE", "true"),
            ("P=/x\nQ=$P", "Q=$P\nP=/x"),
            ("[1]", "[\"1\"]"),
            ("{\"a\":null}", "{\"a\":\"null\"}"),
        ] {
            let value = |text| normalise("text_setting", text, None, Sort::Plain);
            assert_ne!(value(a), value(b), "{a} is not {b}");
        }
    }

    #[test]
    fn units_are_known_or_refused() {
        assert_eq!(unit("broker_max_heap_size", Some("1024")), Some(1 << 20));
        assert_eq!(unit("yarn_nodemanager_resource_memory_mb", Some("8192")), Some(1 << 20));
        assert_eq!(unit("datanode_java_heapsize", None), Some(1));
        assert_eq!(unit("dfs_some_cache", Some("4294967296")), Some(1));
        assert_eq!(unit("dfs_replication", Some("3")), None);
    }
}
