//! A manager from a deployment export.

use serde_json::{Value, json};

use super::config_map;
use super::template::{add_base_groups, role_document};
use crate::catalogue::types::{role_display_name, service_display_name};
use crate::digest::uuid;
use crate::document::{items, list, text};
use crate::naming::base_group;

/// Fills a state from a deployment export.
pub(super) fn fill(state: &mut Value, export: &Value) {
    super::set_version(state, text(&export["versionInfo"], "version"));
    for member in ["buildUser", "buildTimestamp", "gitHash", "snapshot"] {
        if let Some(value) = export["versionInfo"].get(member) {
            state["version"][member] = value.clone();
        }
    }
    let clusters = list(export, "clusters");
    state["clusters"] = clusters.iter().map(|cluster| cluster_document(cluster, export)).collect();
    let mut services: Vec<Value> = clusters
        .iter()
        .flat_map(|cluster| {
            let name = text(cluster, "name");
            list(cluster, "services").iter().map(move |service| service_document(service, name))
        })
        .collect();
    if export["managementService"].is_object() {
        services.push(service_document(&export["managementService"], ""));
    }
    state["services"] = Value::Array(services);
    state["hosts"] =
        list(export, "hosts").iter().map(|host| host_document(host, clusters)).collect();
    state["settings"] = config_map(items(export, "managerSettings"));
    state["allHosts"] = config_map(items(export, "allHostsConfig"));
    state["users"] = list(export, "users").iter().map(user_document).collect();
    state["peers"] = Value::Array(list(export, "peers").to_vec());
}

fn cluster_document(cluster: &Value, export: &Value) -> Value {
    let name = text(cluster, "name");
    let display_name = text(cluster, "displayName");
    let given_uuid = text(cluster, "uuid");
    let kind = text(cluster, "clusterType");
    let templates = items(export, "hostTemplates").iter().filter(|entry| {
        let owner = text(&entry["clusterRef"], "clusterName");
        owner.is_empty() || owner == name
    });
    let mut products: Vec<Value> = Vec::new();
    for parcel in list(cluster, "parcels") {
        let product = json!({
            "product": text(parcel, "product"), "version": text(parcel, "version"),
        });
        // An export lists a parcel once per completed stage.
        if !products.contains(&product) {
            products.push(product);
        }
    }
    json!({
        "name": name,
        "displayName": if display_name.is_empty() { name } else { display_name },
        "uuid": if given_uuid.is_empty() { uuid(name) } else { given_uuid.to_owned() },
        "fullVersion": text(cluster, "fullVersion"),
        "clusterType": if kind.is_empty() { "BASE_CLUSTER" } else { kind },
        "tags": list(cluster, "tags"),
        "products": products,
        "repositories": [],
        "hostTemplates": templates.map(host_template_document).collect::<Vec<_>>(),
    })
}

fn host_template_document(template: &Value) -> Value {
    let references = list(template, "roleConfigGroupRefs").iter();
    let groups: Vec<_> = references.map(|entry| text(entry, "roleConfigGroupName")).collect();
    json!({ "name": text(template, "name"), "groups": groups })
}

fn service_document(service: &Value, cluster: &str) -> Value {
    let (name, kind) = (text(service, "name"), text(service, "type"));
    let display_name = text(service, "displayName");
    let source = list(service, "roleConfigGroups").iter();
    let mut groups: Vec<Value> = source.map(|group| group_document(group, kind)).collect();
    add_base_groups(&mut groups, name, kind);
    let roles = list(service, "roles").iter().map(|role| role_of_export(role, name));
    json!({
        "cluster": if cluster.is_empty() { Value::Null } else { json!(cluster) },
        "name": name,
        "type": kind,
        "displayName":
            if display_name.is_empty() { service_display_name(kind) } else { display_name },
        "config": config_map(items(service, "config")),
        "groups": groups,
        "roles": roles.collect::<Vec<_>>(),
        "clientChanges": [],
    })
}

fn group_document(group: &Value, kind: &str) -> Value {
    let (name, role_type) = (text(group, "name"), text(group, "roleType"));
    let display_name = text(group, "displayName");
    let standard = format!("{} Default Group", role_display_name(kind, role_type));
    json!({
        "name": name,
        "roleType": role_type,
        "base": group["base"].as_bool().unwrap_or(false),
        "displayName": if display_name.is_empty() { &standard } else { display_name },
        "config": config_map(items(group, "config")),
    })
}

fn role_of_export(role: &Value, service: &str) -> Value {
    let role_type = text(role, "type");
    let group = text(&role["roleConfigGroupRef"], "roleConfigGroupName");
    let standard = base_group(service, role_type);
    let group = if group.is_empty() { &standard } else { group };
    let host = text(&role["hostRef"], "hostId");
    let mut document = role_document(text(role, "name"), role_type, host, group);
    document["config"] = config_map(items(role, "config"));
    if text(role, "roleState") == "STOPPED" {
        document["state"] = json!("STOPPED");
    }
    document
}

fn host_document(host: &Value, clusters: &[Value]) -> Value {
    let host_id = text(host, "hostId");
    let named = text(&host["clusterRef"], "clusterName");
    let runs_here = |cluster: &&Value| {
        let mut roles = list(cluster, "services").iter().flat_map(|service| list(service, "roles"));
        roles.any(|role| text(&role["hostRef"], "hostId") == host_id)
    };
    let owner = clusters.iter().find(runs_here).map(|cluster| text(cluster, "name"));
    let rack = text(host, "rackId");
    let cluster = owner.unwrap_or(named);
    json!({
        "hostId": host_id,
        "hostname": text(host, "hostname"),
        "ipAddress": text(host, "ipAddress"),
        "rackId": if rack.is_empty() { "/default" } else { rack },
        "cluster": if cluster.is_empty() { Value::Null } else { json!(cluster) },
        "config": config_map(items(host, "config")),
    })
}

fn user_document(user: &Value) -> Value {
    let mut roles: Vec<&str> =
        list(user, "authRoles").iter().map(|role| text(role, "name")).collect();
    roles.extend(list(user, "roles").iter().filter_map(Value::as_str));
    json!({ "name": text(user, "name"), "authRoles": roles })
}
