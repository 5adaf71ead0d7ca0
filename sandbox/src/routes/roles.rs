//! Roles of a service.

use serde_json::{Value, json};

use super::{membership, post, read, services};
use crate::answer::{Refusal, Reply};
use crate::catalogue::types::is_gateway;
use crate::command;
use crate::config;
use crate::document::{list, text, wrap};
use crate::request::Request;
use crate::staleness;
use crate::world::{Place, World};

/// Answers what is below `…/roles`.
pub(super) fn route(world: &mut World, service: usize, path: &[&str], request: &Request) -> Reply {
    match path {
        [] if request.method == "POST" => membership::add_roles(world, service, request),
        ["bulkDelete"] => {
            post(request)?;
            let body = request.object(&["items"])?;
            let names = list(&body, "items").iter().filter_map(Value::as_str);
            let names: Vec<String> = names.map(str::to_owned).collect();
            membership::remove_roles(world, service, &names)
        }
        [name] if request.method == "DELETE" => {
            let gone = membership::remove_roles(world, service, &[(*name).to_owned()])?;
            Ok(gone["items"][0].clone())
        }
        [] => {
            read(request)?;
            let full = request.full_view()?;
            let conditions = conditions(&request.parameter("filter").unwrap_or_default())?;
            let roles = list(world.service_at(service), "roles").iter().enumerate();
            let chosen = roles.filter(|(_, role)| {
                conditions.iter().all(|(name, value)| selector(world, role, name) == value)
            });
            Ok(wrap(chosen.map(|(role, _)| show(world, service, role, full)).collect()))
        }
        [name, rest @ ..] => {
            let role = world.role(service, name)?;
            match rest {
                [] => {
                    read(request)?;
                    // A single role is shown in full unless the summary is asked for.
                    let asked = request.parameter("view").is_some();
                    Ok(show(world, service, role, !asked || request.full_view()?))
                }
                ["config"] => config::route(world, Place::Role(service, role), request),
                _ => Err(Refusal::no_path()),
            }
        }
    }
}

/// `hostname==h;type==DATANODE` as pairs.
fn conditions(filter: &str) -> Result<Vec<(String, String)>, Refusal> {
    let parts = filter.split(';').map(str::trim).filter(|part| !part.is_empty());
    let pairs = parts.map(|part| match part.split_once("==") {
        Some((name @ ("hostname" | "hostId" | "type"), value)) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        Some((name, _)) => Err(Refusal::bad(format!("Unknown selector '{name}'"))),
        None => Err(Refusal::bad("Missing comparator")),
    });
    pairs.collect()
}

fn selector<'a>(world: &'a World, role: &'a Value, name: &str) -> &'a str {
    match name {
        "hostname" => world.hostname(text(role, "host")),
        "hostId" => text(role, "host"),
        _ => text(role, "type"),
    }
}

/// The running state of a role just now.
pub(super) fn state(world: &World, service: &Value, role: &Value) -> &'static str {
    if is_gateway(text(role, "type")) {
        return "NA";
    }
    let settled = if text(role, "state") == "STARTED" { "STARTED" } else { "STOPPED" };
    command::activity(world, service, text(role, "name")).unwrap_or(settled)
}

/// A role as the API shows it.
pub(super) fn show(world: &World, service: usize, role: usize, full: bool) -> Value {
    let owner = world.service_at(service);
    let role = &owner["roles"][role];
    let (name, host) = (text(role, "name"), text(role, "host"));
    let state = state(world, owner, role);
    let (health, entity) = match state {
        "STARTED" => ("GOOD", "GOOD_HEALTH"),
        "NA" => ("NOT_AVAILABLE", "NONE"),
        _ => ("DISABLED", if state == "STOPPED" { "STOPPED" } else { state }),
    };
    let mut shown = json!({
        "name": name,
        "type": text(role, "type"),
        "serviceRef": services::reference(owner),
        "hostRef": { "hostId": host, "hostname": world.hostname(host) },
        "roleState": state,
        "commissionState": "COMMISSIONED",
        "healthSummary": health,
        "configStalenessStatus": staleness::of_role(role, world.now),
        "maintenanceMode": false,
        "maintenanceOwners": [],
        "roleUrl": format!("{}/cmf/roleRedirect/{name}", world.url),
        "roleConfigGroupRef": { "roleConfigGroupName": text(role, "group") },
        "entityStatus": entity,
        "tags": [],
    });
    if state == "STARTED" {
        add_part_played(&mut shown, owner, role);
    }
    if full {
        shown["healthChecks"] = json!([]);
    }
    shown
}

/// Which part a role plays among its likes: the first is active or leads.
fn add_part_played(shown: &mut Value, owner: &Value, role: &Value) {
    let role_type = text(role, "type");
    let likes: Vec<&Value> =
        list(owner, "roles").iter().filter(|other| text(other, "type") == role_type).collect();
    let first = likes.first().is_some_and(|other| other["name"] == role["name"]);
    let several = likes.len() > 1;
    match role_type {
        "NAMENODE" | "RESOURCEMANAGER" if several => {
            shown["haStatus"] = json!(if first { "ACTIVE" } else { "STANDBY" });
        }
        "SERVER" if text(owner, "type") == "ZOOKEEPER" => {
            shown["zooKeeperServerMode"] = json!(match (several, first) {
                (false, _) => "STANDALONE",
                (true, true) => "REPLICATED_LEADER",
                (true, false) => "REPLICATED_FOLLOWER",
            });
        }
        _ => {}
    }
}

/// References to all roles on a host; those of the management service have short names.
pub(super) fn references_on(world: &World, host_id: &str) -> Value {
    let mut references = Vec::new();
    for service in list(world.state, "services") {
        let own = list(service, "roles").iter().filter(|role| text(role, "host") == host_id);
        for role in own {
            let state = state(world, service, role);
            let health = if state == "STOPPED" { "DISABLED" } else { "GOOD" };
            let mut reference = json!({});
            match service["cluster"].as_str() {
                Some(cluster) => {
                    reference["clusterName"] = json!(cluster);
                    reference["serviceName"] = json!(text(service, "name"));
                    reference["roleName"] = json!(text(role, "name"));
                }
                None => {
                    reference["serviceName"] = json!("MGMT");
                    reference["roleName"] = json!(text(role, "type"));
                }
            }
            reference["healthSummary"] = json!(health);
            reference["roleStatus"] = json!(state);
            references.push(reference);
        }
    }
    Value::Array(references)
}
