//! `drsync schema`

use serde_json::{Map, Value, json};

use super::exit::{Code, Fault};
use crate::kinds;
use crate::view;

/// Prints the JSON Schema of resource files.
pub fn run() -> Result<Code, Fault> {
    let mut properties = common();
    let mut verbs = Vec::new();
    let mut definitions = Map::new();
    for kind in kinds::all() {
        let name = kind.info().name;
        let mut schema = kind.schema();
        if let Some(inner) = schema.as_object_mut().and_then(|s| s.remove("$defs")) {
            definitions.extend(inner.as_object().cloned().unwrap_or_default());
        }
        schema["description"] = json!(kind.manual().lines().next().unwrap_or_default());
        properties.insert(name.to_string(), schema);
        verbs.push(json!({ "required": [name] }));
    }
    // Names that are neither common nor a kind are modules: the editor cannot know them.
    let page = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "drsync resources",
        "type": "array",
        "items": { "type": "object", "properties": properties },
        "$defs": definitions,
    });
    let _ = verbs;
    view::page(&page);
    Ok(Code::Done)
}

fn common() -> Map<String, Value> {
    let words = || json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] });
    let described = |mut schema: Value, text: &str| {
        schema["description"] = json!(text);
        schema
    };
    let text = || json!({ "type": "string" });
    let entries = [
        ("name", described(text(), "What it is for, in the reader's words.")),
        ("hosts", described(text(), "Ansible host pattern.")),
        ("sides", described(words(), "Sides it is for; all when left out.")),
        ("vars", described(json!({ "type": "object" }), "Variables for its templates.")),
        (
            "when",
            described(
                json!(true).as_bool().map_or(json!({}), |_| json!({})),
                "Condition: an expression, or a list of them that must all hold.",
            ),
        ),
        ("loop", described(json!({}), "Items to repeat it over, each as `item`.")),
        ("tags", described(words(), "Tags for --tags and --skip-tags.")),
        ("requires", described(words(), "Names of resources, or `kind[key]`, that come first.")),
        ("before", described(words(), "Names of resources, or `kind[key]`, that come after.")),
        ("protect", described(json!({ "type": "boolean" }), "Never let apply change it.")),
        ("ignore", described(words(), "Attributes (globs) that are not compared.")),
        ("module", described(text(), "Use this module instead of a kind.")),
        ("params", described(json!({ "type": "object" }), "Parameters of the module.")),
    ];
    entries.into_iter().map(|(name, schema)| (name.to_string(), schema)).collect()
}
