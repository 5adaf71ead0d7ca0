//! `drsync schema`: a JSON Schema of resource files, for editors.
//!
//! It describes what may be written, which is more than what a kind decodes in the end: text may
//! be a number or a reference to a secret, and everything may be a template.

use serde_json::{Map, Value, json};

use super::exit::{Code, Fault};
use crate::kinds;
use crate::view;

/// Text that is rendered before it is decoded.
const TEMPLATE: &str = r"\{[{%#]";
/// Text that is read as a truth value.
const TRUTH: &str = concat!(
    "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|",
    "[Yy][Ee][Ss]|[Nn][Oo]|[Oo][Nn]|[Oo][Ff][Ff])$"
);
/// Text that is read as a number.
const NUMBER: &str = r"^\s*[-+]?([0-9]+\.?|[0-9]*\.[0-9]+)([eE][-+]?[0-9]+)?\s*$";
/// Names of modules; those of kinds have dots.
const MODULE: &str = "^[^./]+$";

/// Parameters that take any value as far as their type tells, but are mappings.
const MAPPINGS: [(&str, &str); 1] = [("cm.config", "values")];

/// Prints the JSON Schema of resource files.
pub fn run() -> Result<Code, Fault> {
    let mut definitions = Map::from_iter([
        ("template".to_string(), json!({ "type": "string", "pattern": TEMPLATE })),
        ("secret".to_string(), secret()),
    ]);
    let mut of_kinds = Map::new();
    for kind in kinds::all() {
        let name = kind.info().name;
        let mut args = kind.schema();
        take_definitions(name, &mut args, &mut definitions);
        loosen_parts(&mut args);
        for (_, parameter) in MAPPINGS.iter().filter(|(of, _)| *of == name) {
            if let Some(schema) = args["properties"].get_mut(parameter) {
                as_mapping(schema);
            }
        }
        if let Some(args) = args.as_object_mut() {
            args.remove("title");
        }
        args["description"] = json!(kind.manual().lines().next().unwrap_or_default());
        of_kinds.insert(name.to_string(), args);
    }
    view::page(&json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "drsync resources",
        "type": "array",
        "items": resource(of_kinds),
        "$defs": definitions,
    }));
    Ok(Code::Done)
}

/// Returns the schema of one resource: common keys and exactly one kind or module.
///
/// Which modules there are is not known here. Every other name may be one, but then its value is
/// a mapping or nothing, which a misspelt common key's seldom is.
fn resource(of_kinds: Map<String, Value>) -> Value {
    let names: Vec<&String> = of_kinds.keys().collect();
    let mut verbs: Vec<Value> = names.iter().map(|name| json!({ "required": [name] })).collect();
    let property_names = json!({ "anyOf": [{ "enum": names }, { "pattern": MODULE }] });
    let mut properties = common();
    properties.extend(of_kinds);
    let known: Map<String, Value> = properties.keys().map(|k| (k.clone(), json!(true))).collect();
    verbs.push(json!({ "required": ["module"] }));
    // Some key that is not known: a module.
    verbs.push(json!({ "not": { "properties": known, "additionalProperties": false } }));
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": {
            "type": ["object", "null"],
            "description": "A module, with its parameters.",
        },
        "propertyNames": property_names,
        "dependentRequired": { "params": ["module"] },
        "oneOf": verbs,
    })
}

/// Returns the schemas of the keys that every resource may have.
fn common() -> Map<String, Value> {
    let text = || json!({ "type": ["string", "number", "boolean"] });
    let words = || {
        let list = json!({ "type": "array", "items": text(), "minItems": 1 });
        json!({ "anyOf": [text(), list] })
    };
    let mapping = || json!({ "type": "object" });
    let truth = json!({ "type": "boolean" });
    let entries = [
        ("name", text(), "What it is for, in the reader's words."),
        ("hosts", text(), "Ansible host pattern."),
        ("sides", words(), "Sides it is for; all when left out."),
        ("vars", mapping(), "Variables for its templates."),
        ("when", json!({}), "Condition: an expression, or a list of them that must all hold."),
        ("loop", json!({}), "Items to repeat it over, each as `item`."),
        ("tags", words(), "Tags for --tags and --skip-tags."),
        ("requires", words(), "Names of resources, or `kind[key]`, that come first."),
        ("before", words(), "Names of resources, or `kind[key]`, that come after."),
        ("protect", truth, "Never let apply change it."),
        ("ignore", words(), "Attributes (globs) that are not compared."),
        ("module", text(), "Use this module instead of a kind."),
        ("params", mapping(), "Parameters of the module."),
    ];
    let described = entries.into_iter().map(|(name, mut schema, description)| {
        schema["description"] = json!(description);
        (name.to_string(), schema)
    });
    described.collect()
}

/// Returns the schema of a reference to a secret.
fn secret() -> Value {
    let text = || json!({ "type": "string" });
    let words = json!({ "anyOf": [text(), { "type": "array", "items": text() }] });
    json!({
        "description": "A secret: from the environment, a file, or what a command prints.",
        "type": "object",
        "properties": { "env": text(), "file": text(), "command": words },
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    })
}

/// Moves the definitions of a kind to those of all, under names of its own: two kinds may well
/// both have a `State`.
fn take_definitions(kind: &str, args: &mut Value, definitions: &mut Map<String, Value>) {
    let own = args.as_object_mut().and_then(|args| args.remove("$defs"));
    prefix_references(kind, args);
    let Some(Value::Object(own)) = own else { return };
    for (name, mut schema) in own {
        prefix_references(kind, &mut schema);
        loosen(&mut schema);
        definitions.insert(format!("{kind}.{name}"), schema);
    }
}

fn prefix_references(kind: &str, schema: &mut Value) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        schema["$ref"] = json!(format!("#/$defs/{kind}.{name}"));
    }
    for part in parts(schema) {
        prefix_references(kind, part);
    }
}

/// Returns the schemas that stand directly inside of `schema`.
fn parts(schema: &mut Value) -> Vec<&mut Value> {
    let Some(keywords) = schema.as_object_mut() else { return Vec::new() };
    let mut found = Vec::new();
    for (keyword, value) in keywords {
        match (keyword.as_str(), value) {
            ("properties" | "patternProperties", Value::Object(map)) => {
                found.extend(map.values_mut());
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(list)) => found.extend(list),
            ("items" | "additionalProperties", value @ Value::Object(_)) => found.push(value),
            _ => {}
        }
    }
    found
}

/// Lets a parameter be what is decoded as its type, too.
fn loosen(schema: &mut Value) {
    loosen_parts(schema);
    let Some(keywords) = schema.as_object_mut() else { return };
    let is_choice = keywords.contains_key("enum") || keywords.contains_key("const");
    let types = match keywords.get("type") {
        Some(Value::Array(types)) => types.clone(),
        Some(Value::String(word)) => vec![json!(word)],
        _ => return,
    };
    let has = |word: &str| types.iter().any(|t| t == word);
    let template = json!({ "$ref": "#/$defs/template" });
    let others = if is_choice {
        vec![template]
    } else if has("string") {
        vec![json!({ "type": ["number", "boolean"] }), json!({ "$ref": "#/$defs/secret" })]
    } else if has("boolean") {
        vec![json!({ "type": "string", "pattern": TRUTH }), template]
    } else if has("integer") || has("number") {
        vec![json!({ "type": "string", "pattern": NUMBER }), template]
    } else if has("array") || has("object") {
        vec![template]
    } else {
        return;
    };
    either(schema, others);
}

fn loosen_parts(schema: &mut Value) {
    if let Some(keywords) = schema.as_object_mut()
        && let Some(branches) = keywords.remove("oneOf")
    {
        // A template fits every branch.
        keywords.insert("anyOf".to_string(), branches);
    }
    for part in parts(schema) {
        loosen(part);
    }
}

fn as_mapping(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else { return };
    keywords.insert("type".to_string(), json!("object"));
    loosen(schema);
}

/// Makes `schema` one of several; its description and default stay outside.
fn either(schema: &mut Value, others: Vec<Value>) {
    let Some(keywords) = schema.as_object_mut() else { return };
    let is_remark = |word: &String| ["title", "description", "default"].contains(&word.as_str());
    let (remarks, rules): (Map<_, _>, Map<_, _>) =
        std::mem::take(keywords).into_iter().partition(|(word, _)| is_remark(word));
    let branches: Vec<Value> = std::iter::once(Value::Object(rules)).chain(others).collect();
    *keywords = remarks;
    keywords.insert("anyOf".to_string(), json!(branches));
}
