//! What a plain (unquoted) YAML scalar means.
//!
//! Ansible's files follow YAML 1.1 as PyYAML reads it, because the same inventory must mean the
//! same to both tools; our own files follow the YAML 1.2 core schema, in which `on` and `no` are
//! words. A number with a leading zero (a file mode!) stays text there.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::pyyaml;
use crate::model::Data;

/// Whose rules decide what a plain scalar means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// YAML 1.1 as PyYAML's resolver has it: `hosts.yaml`, `group_vars`, `host_vars`.
    Ansible,
    /// YAML 1.2 core schema: everything else.
    Core,
}

/// Returns what the plain scalar `text` means.
pub fn resolve(text: &str, dialect: Dialect) -> Data {
    match dialect {
        Dialect::Core => core(text),
        Dialect::Ansible => pyyaml::resolve(text),
    }
}

/// Returns a mapping key as text. Ansible's JSON output spells keys of other types JSON's way.
pub fn key_text(data: &Data, dialect: Dialect) -> Arc<str> {
    match (data, dialect) {
        (Data::Null, _) => Arc::from("null"),
        (Data::Bool(value, _), Dialect::Ansible) => Arc::from(value.to_string()),
        (Data::Int(value, _), Dialect::Ansible) => Arc::from(value.to_string()),
        (Data::Float(value, _), Dialect::Ansible) => Arc::from(pyyaml::float_text(*value)),
        (Data::Bool(_, raw) | Data::Int(_, raw) | Data::Float(_, raw), _) => raw.clone(),
        (Data::Text(text) | Data::Literal(text) | Data::Vault(text), _) => text.clone(),
        (Data::Secret(_) | Data::List(_) | Data::Map(_), _) => Arc::from(""),
    }
}

/// True for what means "nothing" in every dialect.
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn core(text: &str) -> Data {
    if is_null(text) {
        return Data::Null;
    }
    match text {
        "true" | "True" | "TRUE" => return Data::Bool(true, Arc::from(text)),
        "false" | "False" | "FALSE" => return Data::Bool(false, Arc::from(text)),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let may_be_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !may_be_number {
        return Data::Text(Arc::from(text));
    }
    if let Some(int) = core_int(text, digits) {
        return Data::Int(int, Arc::from(text));
    }
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    match core_float(text, digits) {
        Some(float) if !leading_zero => Data::Float(float, Arc::from(text)),
        _ => Data::Text(Arc::from(text)),
    }
}

fn core_int(text: &str, digits: &str) -> Option<i64> {
    if let Some(hex) = digits.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok();
    }
    if let Some(octal) = digits.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok();
    }
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    (plain && (digits.len() == 1 || !digits.starts_with('0'))).then(|| text.parse().ok())?
}

fn core_float(text: &str, digits: &str) -> Option<f64> {
    static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
            .expect("the pattern is a constant that compiles")
    });
    match digits {
        ".inf" | ".Inf" | ".INF" => {
            Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY })
        }
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        _ => FLOAT.is_match(text).then(|| text.parse().ok())?,
    }
}

/// Returns what a bare word of a JSON file means: a number, a truth value or null.
pub fn json(text: &str) -> Data {
    let raw = || Arc::from(text);
    match text {
        "true" | "false" => return Data::Bool(text == "true", raw()),
        "null" => return Data::Null,
        _ => {}
    }
    if let Ok(int) = text.parse() {
        return Data::Int(int, raw());
    }
    match text.parse() {
        Ok(float) if text.contains(['.', 'e', 'E']) => Data::Float(float, raw()),
        _ => Data::Text(raw()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, dialect: Dialect) -> String {
        match resolve(text, dialect) {
            Data::Null => "null".into(),
            Data::Bool(b, _) => format!("bool {b}"),
            Data::Int(i, _) => format!("int {i}"),
            Data::Float(f, _) => format!("float {f}"),
            _ => "text".into(),
        }
    }

    #[test]
    fn our_files_keep_words_and_modes() {
        for (text, meant) in [
            ("yes", "text"),
            ("on", "text"),
            ("true", "bool true"),
            ("0644", "text"),
            ("644", "int 644"),
            ("0x1F", "int 31"),
            ("1.5e3", "float 1500"),
            ("1.2.3", "text"),
            ("-3", "int -3"),
            ("~", "null"),
            ("", "null"),
            ("12:30", "text"),
            ("0", "int 0"),
            ("0.5", "float 0.5"),
            ("007.5", "text"),
            (".inf", "float inf"),
            ("1_000", "text"),
        ] {
            assert_eq!(shown(text, Dialect::Core), meant, "{text}");
        }
    }

    #[test]
    fn ansible_files_mean_what_pyyaml_says() {
        for (text, meant) in [
            ("yes", "bool true"),
            ("Off", "bool false"),
            ("0644", "int 420"),
            ("0o644", "text"),
            ("1_000", "int 1000"),
            ("0x1F", "int 31"),
            ("1e3", "text"),
            ("1.5e+3", "float 1500"),
            ("12:30:45", "int 45045"),
            ("1:30", "int 90"),
            ("y", "text"),
            ("089", "text"),
            ("-0b11", "int -3"),
            ("1.", "float 1"),
            ("+.inf", "float inf"),
            ("1:30.5", "float 90.5"),
        ] {
            assert_eq!(shown(text, Dialect::Ansible), meant, "{text}");
        }
    }
}
