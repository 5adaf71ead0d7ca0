//! A cluster from a cluster template, as an import would build it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::plain;
use crate::catalogue::types::{role_display_name, role_types, service_display_name};
use crate::clock;
use crate::digest::{md5_hex, uuid};
use crate::document::{list, list_mut, map_mut, text};
use crate::naming::{base_group, role_name};

/// What an import keeps track of while it builds the cluster.
#[derive(Default)]
struct Import {
    services: Vec<Value>,
    hosts: Vec<Value>,
    /// Template reference of a group to (service index, group name).
    groups: HashMap<String, (usize, String)>,
    /// Template reference of a role to its name.
    role_names: HashMap<String, String>,
}

/// Fills a state from a cluster template.
pub(super) fn fill(state: &mut Value, template: &Value) {
    super::set_version(state, text(template, "cmVersion"));
    let cluster = cluster_name(template).to_owned();
    let mut import = Import::default();
    for service in list(template, "services") {
        import.add_service(service, &cluster, &template["instantiator"]);
    }
    for (number, host) in template_hosts(template).iter().enumerate() {
        import.add_host(number, host, &cluster, template);
    }
    import.fill_configs(template);
    state["clusters"] = json!([cluster_document(template, &cluster, &import)]);
    state["settings"] = manager_settings(template);
    state["allHosts"] = super::config_map(list(&template["sandbox"], "allHostsConfig"));
    state["users"] = json!([{ "name": "admin", "authRoles": ["ROLE_ADMIN"] }]);
    // Hosts whose agents have reported, and that belong to no cluster yet.
    let spare = list(&template["sandbox"], "spareHosts").iter().filter_map(Value::as_str);
    let first = import.hosts.len();
    for (position, name) in spare.enumerate() {
        import.add_host(first + position, &json!({ "hostName": name }), "", template);
        import.hosts[first + position]["cluster"] = Value::Null;
    }
    state["services"] = Value::Array(import.services);
    state["hosts"] = Value::Array(import.hosts);
}

fn cluster_name(template: &Value) -> &str {
    let given = text(&template["instantiator"], "clusterName");
    if given.is_empty() { text(template, "displayName") } else { given }
}

fn cluster_document(template: &Value, cluster: &str, import: &Import) -> Value {
    let templates = list(template, "hostTemplates").iter().map(|host_template| {
        let references = list(host_template, "roleConfigGroupsRefNames").iter();
        let groups: Vec<_> = references
            .filter_map(|reference| import.groups.get(reference.as_str()?))
            .map(|(_, name)| name)
            .collect();
        json!({ "name": text(host_template, "refName"), "groups": groups })
    });
    let display_name = text(template, "displayName");
    json!({
        "name": cluster,
        "displayName": if display_name.is_empty() { cluster } else { display_name },
        "uuid": uuid(&format!("cluster {cluster} {}", clock::now())),
        "fullVersion": text(template, "cdhVersion"),
        "clusterType": "BASE_CLUSTER",
        "tags": list(template, "tags"),
        "products": list(template, "products"),
        "repositories": list(template, "repositories"),
        "hostTemplates": templates.collect::<Vec<_>>(),
    })
}

/// A template says nothing about the manager itself, so a usual small set is assumed.
fn manager_settings(template: &Value) -> Value {
    let mut settings = json!({
        "CLUSTER_STATS_START": "10/26/2012 22:40",
        "PUBLIC_CLOUD_STATUS": "NOT_ON_PUBLIC_CLOUD",
    });
    let repositories: Vec<_> =
        list(template, "repositories").iter().filter_map(Value::as_str).collect();
    if !repositories.is_empty() {
        settings["REMOTE_PARCEL_REPO_URLS"] = json!(repositories.join(","));
    }
    let own = super::config_map(list(&template["sandbox"], "managerSettings"));
    for (name, value) in own.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
    settings
}

/// The hosts of the instantiator, ranges expanded; one per host template when it names none.
fn template_hosts(template: &Value) -> Vec<Value> {
    let given = list(&template["instantiator"], "hosts");
    if given.is_empty() {
        return list(template, "hostTemplates").iter().flat_map(invented_hosts).collect();
    }
    given.iter().flat_map(expand_range).collect()
}

fn invented_hosts(host_template: &Value) -> Vec<Value> {
    let reference = text(host_template, "refName");
    let count = host_template["cardinality"].as_f64().unwrap_or(1.0).max(1.0);
    (0..count as u64)
        .map(|index| {
            let name = format!("{reference}{index}.example.com");
            json!({ "hostName": name, "hostTemplateRefName": reference })
        })
        .collect()
}

/// `w[01-03].example.com` as three hosts; the width of the first number is kept.
fn expand_range(host: &Value) -> Vec<Value> {
    let range = text(host, "hostNameRange");
    let parts = range.split_once('[').and_then(|(start, rest)| {
        let (numbers, end) = rest.split_once(']')?;
        let (first, last) = numbers.split_once('-')?;
        let bounds = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        Some((start, end, first.len(), bounds))
    });
    let Some((start, end, width, (first, last))) = parts else {
        return vec![host.clone()];
    };
    (first..=last)
        .map(|number| {
            let mut single = host.clone();
            single["hostName"] = json!(format!("{start}{number:0width$}{end}"));
            single
        })
        .collect()
}

impl Import {
    fn add_service(&mut self, service: &Value, cluster: &str, instantiator: &Value) {
        let (name, kind) = (text(service, "refName"), text(service, "serviceType"));
        let index = self.services.len();
        let mut groups = Vec::new();
        for group in list(service, "roleConfigGroups") {
            let document = group_document(group, name, kind, instantiator);
            let place = (index, text(&document, "name").to_owned());
            self.groups.insert(text(group, "refName").to_owned(), place);
            groups.push(document);
        }
        add_base_groups(&mut groups, name, kind);
        let display_name = text(service, "displayName");
        self.services.push(json!({
            "cluster": cluster,
            "name": name,
            "type": kind,
            "displayName":
                if display_name.is_empty() { service_display_name(kind) } else { display_name },
            "config": {},
            "groups": groups,
            "roles": [],
            "clientChanges": [],
        }));
    }

    fn add_host(&mut self, position: usize, host: &Value, cluster: &str, template: &Value) {
        let hostname = text(host, "hostName");
        let host_id = md5_hex(hostname);
        let rack = text(host, "rackId");
        self.hosts.push(json!({
            "hostId": host_id,
            "hostname": hostname,
            "ipAddress": format!("10.0.{}.{}", position / 200, position % 200 + 10),
            "rackId": if rack.is_empty() { "/default" } else { rack },
            "cluster": cluster,
            "config": {},
        }));
        let reference = text(host, "hostTemplateRefName");
        let host_templates = list(template, "hostTemplates").iter();
        let named = host_templates.filter(|entry| text(entry, "refName") == reference);
        let groups = named.flat_map(|entry| list(entry, "roleConfigGroupsRefNames"));
        for group in groups.filter_map(Value::as_str) {
            if let Some((index, name)) = self.groups.get(group).cloned() {
                self.add_role(index, &name, &host_id);
            }
        }
        for reference in list(host, "roleRefNames").iter().filter_map(Value::as_str) {
            self.bind_role(reference, &host_id, template);
        }
    }

    /// Puts a role into a group, unless the service has one of that type on the host already.
    fn add_role(&mut self, index: usize, group: &str, host_id: &str) {
        let service = &mut self.services[index];
        let found = list(service, "groups").iter().find(|entry| text(entry, "name") == group);
        let role_type = found.map(|entry| text(entry, "roleType")).unwrap_or("").to_owned();
        let name = role_name(text(service, "name"), &role_type, host_id);
        if list(service, "roles").iter().all(|role| text(role, "name") != name) {
            list_mut(service, "roles").push(role_document(&name, &role_type, host_id, group));
        }
    }

    /// Remembers which role a template reference means, adding the role where it is missing.
    fn bind_role(&mut self, reference: &str, host_id: &str, template: &Value) {
        for (index, service) in list(template, "services").iter().enumerate() {
            let mut roles = list(service, "roles").iter();
            let Some(role) = roles.find(|role| text(role, "refName") == reference) else {
                continue;
            };
            let role_type = text(role, "roleType");
            let service_name = text(service, "refName").to_owned();
            self.add_role(index, &base_group(&service_name, role_type), host_id);
            let name = role_name(&service_name, role_type, host_id);
            self.role_names.insert(reference.to_owned(), name);
        }
    }

    /// Copies the configuration last, since a reference may mean any service or role.
    fn fill_configs(&mut self, template: &Value) {
        let variables = variables(template);
        for (index, source) in list(template, "services").iter().enumerate() {
            let config = self.resolve(list(source, "serviceConfigs"), &variables);
            self.services[index]["config"] = config;
            for group in list(source, "roleConfigGroups") {
                let config = self.resolve(list(group, "configs"), &variables);
                let Some((_, name)) = self.groups.get(text(group, "refName")) else { continue };
                put_config(&mut self.services[index], "groups", name, config);
            }
            for role in list(source, "roles") {
                let config = self.resolve(list(role, "configs"), &variables);
                let Some(name) = self.role_names.get(text(role, "refName")) else { continue };
                put_config(&mut self.services[index], "roles", name, config);
            }
        }
    }

    fn resolve(&self, configs: &[Value], variables: &HashMap<&str, String>) -> Value {
        let mut map = Map::new();
        for config in configs {
            let reference = text(config, "ref");
            let variable = text(config, "variable");
            let value = if !reference.is_empty() {
                let role = self.role_names.get(reference).map(String::as_str);
                Some(role.unwrap_or(reference).to_owned())
            } else if !variable.is_empty() {
                Some(variables.get(variable).map_or("<changeme>", String::as_str).to_owned())
            } else {
                plain(&config["value"])
            };
            if let Some(value) = value {
                map.insert(text(config, "name").to_owned(), Value::String(value));
            }
        }
        Value::Object(map)
    }
}

fn variables(template: &Value) -> HashMap<&str, String> {
    let given = list(&template["instantiator"], "variables").iter();
    given.filter_map(|entry| Some((text(entry, "name"), plain(&entry["value"])?))).collect()
}

fn put_config(service: &mut Value, member: &str, name: &str, config: Value) {
    let mut owners = list_mut(service, member).iter_mut();
    if let Some(owner) = owners.find(|owner| text(owner, "name") == name)
        && let Value::Object(config) = config
    {
        map_mut(owner, "config").extend(config);
    }
}

/// A role config group; the instantiator may give it another name than the reference.
fn group_document(group: &Value, service: &str, kind: &str, instantiator: &Value) -> Value {
    let (reference, role_type) = (text(group, "refName"), text(group, "roleType"));
    let base = group["base"].as_bool().unwrap_or(reference.ends_with("-BASE"));
    let mut renames = list(instantiator, "roleConfigGroups").iter();
    let renamed = renames.find(|entry| text(entry, "rcgRefName") == reference);
    let name = match renamed {
        Some(entry) => text(entry, "name").to_owned(),
        None if base => base_group(service, role_type),
        None => reference.to_owned(),
    };
    let display_name = text(group, "displayName");
    let display_name = match display_name {
        "" if base => format!("{} Default Group", role_display_name(kind, role_type)),
        "" => name.clone(),
        given => given.to_owned(),
    };
    json!({
        "name": name,
        "roleType": role_type,
        "base": base,
        "displayName": display_name,
        "config": {},
    })
}

/// Every role type has a default group, even without roles.
pub(crate) fn add_base_groups(groups: &mut Vec<Value>, service: &str, kind: &str) {
    let mut needed: Vec<String> =
        role_types(kind).into_iter().map(|(role_type, _)| role_type.to_owned()).collect();
    needed.extend(groups.iter().map(|group| text(group, "roleType").to_owned()));
    for role_type in needed {
        let has_base = groups
            .iter()
            .any(|group| text(group, "roleType") == role_type && group["base"] == json!(true));
        if !has_base {
            groups.push(json!({
                "name": base_group(service, &role_type),
                "roleType": role_type,
                "base": true,
                "displayName": format!("{} Default Group", role_display_name(kind, &role_type)),
                "config": {},
            }));
        }
    }
}

/// A role as the state keeps it, running unless it is a gateway.
pub(crate) fn role_document(name: &str, role_type: &str, host_id: &str, group: &str) -> Value {
    let gateway = crate::catalogue::types::is_gateway(role_type);
    json!({
        "name": name,
        "type": role_type,
        "host": host_id,
        "group": group,
        "state": if gateway { "NA" } else { "STARTED" },
        "config": {},
        "changes": [],
    })
}

#[cfg(test)]
mod tests {
    use super::template_hosts;
    use serde_json::json;

    #[test]
    fn expands_ranges_and_invents_hosts() {
        let ranged = json!({ "instantiator": { "hosts": [{ "hostNameRange": "w[01-12].a" }] } });
        assert_eq!(template_hosts(&ranged).len(), 12);
        let bare = json!({ "hostTemplates": [{ "refName": "worker", "cardinality": 3.0 }] });
        assert_eq!(template_hosts(&bare).len(), 3);
    }
}
