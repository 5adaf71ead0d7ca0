//! Template filters that Ansible users expect, beyond those the engine brings.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind};
use regex::Regex;
use sha2::{Digest, Sha256};

/// Adds the filters to `env`.
pub fn install(env: &mut Environment<'static>) {
    env.add_filter("b64encode", |text: String| STANDARD.encode(text));
    env.add_filter("b64decode", b64decode);
    env.add_filter("basename", |path: String| file_part(&path, true));
    env.add_filter("dirname", |path: String| file_part(&path, false));
    env.add_filter("bool", to_bool);
    env.add_filter("combine", combine);
    env.add_filter("mandatory", mandatory);
    env.add_filter(
        "ternary",
        |when: Value, yes: Value, no: Value| if when.is_true() { yes } else { no },
    );
    env.add_filter("regex_replace", regex_replace);
    env.add_filter("regex_search", regex_search);
    env.add_filter("to_json", |value: Value| to_json(&value, false));
    env.add_filter("to_nice_json", |value: Value| to_json(&value, true));
    env.add_filter("to_yaml", to_yaml);
    env.add_filter("to_nice_yaml", to_yaml);
    env.add_filter("hash", hash);
    env.add_filter("quote", |text: String| crate::model::quote::quote(&text));
    env.add_filter("union", |a: Vec<Value>, b: Vec<Value>| unique(a.into_iter().chain(b)));
    env.add_filter("intersect", |a: Vec<Value>, b: Vec<Value>| {
        unique(a.into_iter().filter(|item| b.contains(item)))
    });
    env.add_filter("difference", |a: Vec<Value>, b: Vec<Value>| {
        unique(a.into_iter().filter(|item| !b.contains(item)))
    });
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn b64decode(text: String) -> Result<String, Error> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| wrong("b64decode: not base64"))?;
    String::from_utf8(bytes).map_err(|_| wrong("b64decode: the result is not UTF-8 text"))
}

fn file_part(path: &str, base: bool) -> String {
    let path = Path::new(path);
    match base {
        true => path.file_name().map(|name| name.to_string_lossy().into_owned()),
        false => path.parent().map(|parent| parent.display().to_string()),
    }
    .unwrap_or_default()
}

fn to_bool(value: Value) -> bool {
    match value.as_str().map(str::to_lowercase).as_deref() {
        Some(text) => matches!(text, "true" | "yes" | "on" | "1"),
        None => value.is_true(),
    }
}

fn combine(base: Value, more: Value, options: Kwargs) -> Result<Value, Error> {
    let recursive = options.get::<Option<bool>>("recursive")?.unwrap_or(false);
    options.assert_all_used()?;
    merged(&base, &more, recursive)
}

fn merged(base: &Value, more: &Value, recursive: bool) -> Result<Value, Error> {
    let mut entries: Vec<(Value, Value)> = Vec::new();
    for key in base.try_iter()? {
        let value = base.get_item(&key)?;
        entries.push((key, value));
    }
    for key in more.try_iter()? {
        let value = more.get_item(&key)?;
        match entries.iter_mut().find(|(k, _)| *k == key) {
            Some((_, slot)) if recursive && is_map(slot) && is_map(&value) => {
                *slot = merged(slot, &value, true)?;
            }
            Some((_, slot)) => *slot = value,
            None => entries.push((key, value)),
        }
    }
    Ok(Value::from_pairs(entries))
}

fn is_map(value: &Value) -> bool {
    value.kind() == minijinja::value::ValueKind::Map
}

fn mandatory(value: Value) -> Result<Value, Error> {
    match value.is_undefined() {
        true => Err(Error::new(ErrorKind::UndefinedError, "a mandatory variable is undefined")),
        false => Ok(value),
    }
}

fn compile(pattern: &str) -> Result<Regex, Error> {
    Regex::new(pattern).map_err(|error| wrong(format!("not a regular expression: {error}")))
}

fn regex_replace(text: String, pattern: String, replacement: String) -> Result<String, Error> {
    // Ansible writes groups as `\1`, this engine as `${1}`.
    let groups = compile(r"\\(\d)")?;
    let replacement = groups.replace_all(&replacement, "$${$1}").into_owned();
    Ok(compile(&pattern)?.replace_all(&text, replacement.as_str()).into_owned())
}

fn regex_search(text: String, pattern: String) -> Result<Value, Error> {
    let found = compile(&pattern)?.find(&text).map(|found| found.as_str().to_string());
    Ok(found.map_or(Value::from(()), Value::from))
}

fn json_of(value: &Value) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value).map_err(|error| wrong(error.to_string()))
}

fn to_json(value: &Value, nice: bool) -> Result<String, Error> {
    let json = json_of(value)?;
    match nice {
        true => serde_json::to_string_pretty(&json),
        false => serde_json::to_string(&json),
    }
    .map_err(|error| wrong(error.to_string()))
}

fn to_yaml(value: Value) -> Result<String, Error> {
    super::yaml::to_text(&json_of(&value)?).map_err(wrong)
}

fn hash(text: String, algorithm: Option<String>) -> Result<String, Error> {
    match algorithm.as_deref().unwrap_or("sha256") {
        "sha256" => Ok(crate::model::digest::hex(&Sha256::digest(text.as_bytes()))),
        other => Err(wrong(format!("hash: `{other}` is not supported; use sha256"))),
    }
}

fn unique(items: impl Iterator<Item = Value>) -> Value {
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    Value::from(kept)
}
