//! `drsync schema`: what editors are told.

mod support;

use serde_json::Value;
use support::Project;

/// All types that some branch of `schema` allows.
fn types(schema: &Value) -> Vec<&str> {
    let branches = schema["anyOf"].as_array().into_iter().flatten();
    let of_branches = branches.map(|branch| &branch["type"]);
    let listed = of_branches.flat_map(|types| match types {
        Value::Array(types) => types.iter().collect(),
        other => vec![other],
    });
    listed.filter_map(Value::as_str).collect()
}

#[test]
fn the_schema_knows_every_kind_and_takes_what_yaml_reads_as_text() {
    let project = Project::new();
    let schema = project.drsync(&["schema"]).expect(0).json();
    let properties = &schema["items"]["properties"];
    let kinds = project.drsync(&["kinds"]).expect(0).out;
    for kind in kinds.lines().filter_map(|line| line.split_whitespace().next()) {
        assert_eq!(properties[kind]["type"], "object", "{kind}");
        assert!(properties[kind]["description"].is_string(), "{kind}");
    }
    let value = &properties["os.sysctl"]["properties"]["value"];
    let types = types(value);
    assert!(["string", "number", "boolean"].iter().all(|t| types.contains(t)), "{value}");
}

#[test]
fn kinds_keep_their_definitions_apart() {
    let schema = Project::new().drsync(&["schema"]).expect(0).json();
    let state = |kind: &str| {
        let name = format!("{kind}.State");
        schema["$defs"][name]["anyOf"][0]["enum"].clone()
    };
    assert_eq!(state("os.file"), serde_json::json!(["present", "absent"]));
    assert_eq!(state("os.service"), serde_json::json!(["started", "stopped"]));
}
