//! The inventory as `ansible-inventory --list` and `--graph` print it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::hosts::{ALL, Hosts};
use super::pyyaml::float_text;
use crate::model::{Data, Node};

/// Names Ansible keeps for itself (its `INTERNAL_STATIC_VARS`): it shows no variable called so.
const INTERNAL: [&str; 33] = [
    "ansible_async_path",
    "ansible_collection_name",
    "ansible_config_file",
    "ansible_dependent_role_names",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_role_names",
    "ansible_playbook_python",
    "ansible_role_name",
    "ansible_role_names",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "role_uuid",
];

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
    let children: Vec<Value> =
        body.children.iter().map(|child| json!(hosts.group_name(*child))).collect();
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
        for (name, node) in layer.iter().filter(|(name, _)| !INTERNAL.contains(&&***name)) {
            vars.insert(name.to_string(), to_json(node));
        }
    }
    vars
}

/// Returns JSON as Ansible prints it: keys sorted, four blanks of indentation, Python's numbers.
pub fn printed(page: &Value) -> String {
    let mut out = String::new();
    print(page, 0, &mut out);
    out
}

fn print(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (index, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if index == 0 { "{" } else { "," });
                new_line(depth + 1, out);
                print_text(key, out);
                out.push_str(": ");
                print(value, depth + 1, out);
            }
            new_line(depth, out);
            out.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "[" } else { "," });
                new_line(depth + 1, out);
                print(item, depth + 1, out);
            }
            new_line(depth, out);
            out.push(']');
        }
        Value::Number(number) if number.is_f64() => {
            out.push_str(&float_text(number.as_f64().unwrap_or_default()));
        }
        Value::String(text) => print_text(text, out),
        other => out.push_str(&other.to_string()),
    }
}

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    out.push_str(&"    ".repeat(depth));
}

fn print_text(text: &str, out: &mut String) {
    // Python leaves DEL as it is, but a terminal (and our own output) swallows it.
    out.push_str(&Value::from(text).to_string().replace('\u{7f}', "\\u007f"));
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
    for child in &hosts.groups[group].children {
        lines.push(format!("{bar}--@{}:", hosts.group_name(*child)));
        graph_group(hosts, *child, depth + 1, lines);
    }
    if group != ALL {
        let names = hosts.groups[group].hosts.iter().map(|host| hosts.host_name(*host));
        lines.extend(names.map(|name| format!("{bar}--{name}")));
    }
}
