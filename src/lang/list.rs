//! The inventory as `ansible-inventory --list` and `--graph` print it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::hosts::{ALL, Hosts};
use crate::model::{Data, Node};

/// Returns the JSON `ansible-inventory --list` prints.
pub fn list(hosts: &Hosts) -> Value {
    let mut groups = Map::new();
    let mut seen = BTreeSet::new();
    add_group(hosts, ALL, &mut groups, &mut seen);
    let mut hostvars = Map::new();
    for host in 0..hosts.hosts.len() {
        let vars = host_vars(hosts, host);
        if !vars.is_empty() {
            hostvars.insert(hosts.host_name(host).to_string(), Value::Object(vars));
        }
    }
    let mut page = Map::new();
    page.insert("_meta".into(), json!({ "hostvars": hostvars, "profile": "inventory_legacy" }));
    page.extend(groups);
    Value::Object(page)
}

fn add_group(
    hosts: &Hosts,
    group: usize,
    groups: &mut Map<String, Value>,
    seen: &mut BTreeSet<usize>,
) {
    if !seen.insert(group) {
        return;
    }
    let body = &hosts.groups[group];
    let mut entry = Map::new();
    if group != ALL {
        let names: Vec<Value> = body.hosts.iter().map(|h| json!(&*hosts.host_name(*h))).collect();
        if !names.is_empty() {
            entry.insert("hosts".into(), Value::Array(names));
        }
    }
    let children: Vec<Value> = body
        .children
        .iter()
        .map(|child| json!(hosts.group_name(*child)))
        .collect();
    if !children.is_empty() {
        entry.insert("children".into(), Value::Array(children));
    }
    if !entry.is_empty() {
        groups.insert(hosts.group_name(group).to_string(), Value::Object(entry));
    }
    for child in &body.children {
        add_group(hosts, *child, groups, seen);
    }
}

fn host_vars(hosts: &Hosts, host: usize) -> Map<String, Value> {
    let mut vars = Map::new();
    for layer in hosts.layers(host) {
        for (name, node) in layer.iter() {
            vars.insert(name.to_string(), to_json(node));
        }
    }
    vars
}

/// Returns JSON as Ansible prints it: keys sorted, four blanks of indentation.
pub fn printed(page: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    match serde::Serialize::serialize(&sorted(page), &mut serializer) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(error) => error.to_string(),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Returns a node as the JSON Ansible would print; templates and secrets are left as written.
pub fn to_json(node: &Node) -> Value {
    match &node.data {
        Data::Null => Value::Null,
        Data::Bool(value, _) => json!(value),
        Data::Int(value, _) => json!(value),
        Data::Float(value, _) => json!(value),
        Data::Text(text) => json!(&**text),
        Data::Literal(text) => json!({ "__ansible_unsafe": &**text }),
        Data::Vault(text) => json!({ "__ansible_vault": &**text }),
        Data::Secret(_) => json!(crate::model::secret::MASK),
        Data::List(items) => items.iter().map(to_json).collect(),
        Data::Map(map) => {
            map.iter().map(|(k, v)| (k.name.to_string(), to_json(v))).collect::<Map<_, _>>().into()
        }
    }
}

/// Returns the tree `ansible-inventory --graph` prints.
pub fn graph(hosts: &Hosts) -> String {
    let mut lines = vec![format!("@{}:", hosts.group_name(ALL))];
    graph_group(hosts, ALL, 1, &mut lines);
    lines.join("\n") + "\n"
}

fn graph_group(hosts: &Hosts, group: usize, depth: usize, lines: &mut Vec<String>) {
    let bar = "  |".repeat(depth);
    let mut children: Vec<usize> = hosts.groups[group].children.clone();
    children.sort_by_key(|child| hosts.group_name(*child).to_string());
    for child in children {
        lines.push(format!("{bar}--@{}:", hosts.group_name(child)));
        graph_group(hosts, child, depth + 1, lines);
    }
    if group == ALL {
        return;
    }
    let mut names: Vec<_> =
        hosts.groups[group].hosts.iter().map(|host| hosts.host_name(*host)).collect();
    names.sort();
    lines.extend(names.into_iter().map(|name| format!("{bar}--{name}")));
}
