//! The Cloudera Management Service, which a cluster template does not describe.

use serde_json::{Value, json};

use super::config_map;
use super::template::{add_base_groups, role_document};
use crate::document::{list, list_mut, text};
use crate::naming::{base_group, role_name};

const NAME: &str = "mgmt";
const ROLE_TYPES: [&str; 5] =
    ["ALERTPUBLISHER", "EVENTSERVER", "HOSTMONITOR", "REPORTSMANAGER", "SERVICEMONITOR"];

/// Adds the service with its usual roles on the first host. `extras.managementGroups` may hold
/// settings per role type.
pub(super) fn add(state: &mut Value, extras: &Value) {
    let mut groups = Vec::new();
    add_base_groups(&mut groups, NAME, "MGMT");
    for group in &mut groups {
        let own = &extras["managementGroups"][text(group, "roleType")];
        group["config"] = config_map(own.as_array().map_or(&[], Vec::as_slice));
    }
    let first = list(state, "hosts").first().map(|host| text(host, "hostId").to_owned());
    let roles: Vec<Value> = first
        .iter()
        .flat_map(|host| {
            ROLE_TYPES.map(|role_type| {
                let name = role_name(NAME, role_type, host);
                role_document(&name, role_type, host, &base_group(NAME, role_type))
            })
        })
        .collect();
    list_mut(state, "services").push(json!({
        "cluster": null,
        "name": NAME,
        "type": "MGMT",
        "displayName": "Cloudera Management Service",
        "config": {},
        "groups": groups,
        "roles": roles,
        "clientChanges": [],
    }));
}
