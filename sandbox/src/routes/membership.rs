//! What comes into a cluster and goes: hosts, services, roles, host templates.

use serde_json::{Value, json};

use super::{clusters, read, roles, services};
use crate::answer::{Refusal, Reply};
use crate::catalogue::types::{role_types, service_display_name, service_types};
use crate::document::{entries, list, list_mut, text, wrap};
use crate::naming::{base_group, role_name};
use crate::request::{Request, check_members};
use crate::seed::template::{add_base_groups, role_document};
use crate::staleness;
use crate::store::Table;
use crate::world::World;

/// Takes hosts that belong to no cluster into one.
pub(super) fn add_hosts(world: &mut World, cluster: &str, request: &Request) -> Reply {
    let body = request.object(&["items"])?;
    let mut joining = Vec::new();
    for item in list(&body, "items") {
        check_members(item, &["hostId", "hostname"])?;
        let at = world.host(text(item, "hostId"))?;
        let host = &world.state["hosts"][at];
        if !text(host, "cluster").is_empty() {
            let (name, other) = (text(host, "hostname"), text(host, "cluster"));
            return Err(Refusal::bad(format!("Host '{name}' is in cluster '{other}' already.")));
        }
        joining.push(at);
    }
    for at in joining {
        world.state["hosts"][at]["cluster"] = json!(cluster);
    }
    world.changed = true;
    Ok(body)
}

/// Takes a host without roles out of its cluster.
pub(super) fn remove_host(
    world: &mut World,
    cluster: &str,
    name: &str,
    request: &Request,
) -> Reply {
    let at = world.host(name)?;
    let host = &world.state["hosts"][at];
    if text(host, "cluster") != cluster {
        return Err(Refusal::missing("Host", name));
    }
    if request.method != "DELETE" {
        return Err(Refusal::method());
    }
    let (id, shown) = (text(host, "hostId"), text(host, "hostname"));
    if world.services_of(cluster).into_iter().any(|service| {
        list(world.service_at(service), "roles").iter().any(|role| text(role, "host") == id)
    }) {
        return Err(Refusal::bad(format!("Host '{shown}' still has roles.")));
    }
    let gone = json!({ "hostId": id, "hostname": shown });
    world.state["hosts"][at]["cluster"] = Value::Null;
    world.changed = true;
    Ok(gone)
}

/// Adds services that have no roles yet.
pub(super) fn add_services(world: &mut World, cluster: &str, request: &Request) -> Reply {
    let body = request.object(&["items"])?;
    let rows = list(&body, "items").iter().map(|item| (cluster.into(), text(item, "name").into()));
    let written = world.store.add_rows(Table::Services, &rows.collect::<Vec<_>>());
    written.map_err(|message| Refusal { status: 500, message })?;
    let mut made = Vec::new();
    for item in list(&body, "items") {
        check_members(item, &services::MEMBERS)?;
        let (name, kind) = (text(item, "name"), text(item, "type"));
        if name.is_empty() || name.contains([' ', '/']) {
            return Err(Refusal::bad(format!("Invalid service name '{name}'.")));
        }
        if world.service(Some(cluster), name).is_ok() {
            return Err(Refusal::bad(format!("Service '{name}' already exists.")));
        }
        if !service_types().contains(&kind) {
            return Err(Refusal::bad(format!("Unknown service type '{kind}'.")));
        }
        let shown = text(item, "displayName");
        let mut groups = Vec::new();
        add_base_groups(&mut groups, name, kind);
        list_mut(world.state, "services").push(json!({
            "cluster": cluster,
            "name": name,
            "type": kind,
            "displayName": if shown.is_empty() { service_display_name(kind) } else { shown },
            "config": {},
            "groups": groups,
            "roles": [],
            "clientChanges": [],
        }));
        world.changed = true;
        made.push(world.service(Some(cluster), name)?);
    }
    staleness::announce(world);
    Ok(wrap(made.into_iter().map(|index| services::show(world, index, false)).collect()))
}

/// Removes a service that is stopped and that no other names.
pub(super) fn remove_service(world: &mut World, index: usize) -> Reply {
    let shown = services::show(world, index, false);
    let service = world.service_at(index);
    let name = text(service, "name").to_owned();
    if !matches!(services::state(world, index), "STOPPED" | "NA") {
        return Err(Refusal::bad(format!("Service '{name}' is not stopped.")));
    }
    let cluster = text(service, "cluster").to_owned();
    let dependent = world.services_of(&cluster).into_iter().find(|other| {
        let mut settings = entries(world.service_at(*other), "config");
        settings.any(|(key, value)| key.ends_with("_service") && value == name)
    });
    if let Some(other) = dependent {
        let other = text(world.service_at(other), "name");
        return Err(Refusal::bad(format!("Service '{other}' depends on '{name}'.")));
    }
    list_mut(world.state, "services").remove(index);
    world.changed = true;
    staleness::announce(world);
    Ok(shown)
}

/// Adds roles on hosts of the cluster; they do not run yet.
pub(super) fn add_roles(world: &mut World, service: usize, request: &Request) -> Reply {
    let body = request.object(&["items"])?;
    let mut made = Vec::new();
    for item in list(&body, "items") {
        let owner = world.service_at(service);
        let (name, kind) = (text(owner, "name").to_owned(), text(owner, "type"));
        let role_type = text(item, "type").to_owned();
        if !role_types(kind).iter().any(|(known, _)| *known == role_type) {
            return Err(Refusal::bad(format!("Unknown role type '{role_type}'.")));
        }
        let host = text(&item["hostRef"], "hostId").to_owned();
        let at = world.host(&host)?;
        if world.state["hosts"][at]["cluster"] != owner["cluster"] {
            return Err(Refusal::bad(format!("Host '{host}' is not in the cluster.")));
        }
        let twice = list(owner, "roles")
            .iter()
            .any(|role| text(role, "type") == role_type && text(role, "host") == host);
        if twice {
            return Err(Refusal::bad(format!("There is a {role_type} on '{host}' already.")));
        }
        let group = text(&item["roleConfigGroupRef"], "roleConfigGroupName");
        let standard = base_group(&name, &role_type);
        let group = if group.is_empty() { &standard } else { group };
        world.group(service, group)?;
        let own = role_name(&name, &role_type, &host);
        let mut role = role_document(&own, &role_type, &host, group);
        if text(&role, "state") == "STARTED" {
            role["state"] = json!("STOPPED");
        }
        list_mut(&mut world.state["services"][service], "roles").push(role);
        world.changed = true;
        made.push(world.role(service, &own)?);
    }
    staleness::announce(world);
    Ok(wrap(made.into_iter().map(|role| roles::show(world, service, role, false)).collect()))
}

/// Removes roles that do not run.
pub(super) fn remove_roles(world: &mut World, service: usize, names: &[String]) -> Reply {
    let mut gone = Vec::new();
    for name in names {
        let role = world.role(service, name)?;
        let shown = roles::show(world, service, role, false);
        if !matches!(text(&shown, "roleState"), "STOPPED" | "NA") {
            return Err(Refusal::bad(format!("Role '{name}' is not stopped.")));
        }
        gone.push(shown);
    }
    for name in names {
        let role = world.role(service, name)?;
        list_mut(&mut world.state["services"][service], "roles").remove(role);
    }
    world.changed = true;
    staleness::announce(world);
    Ok(wrap(gone))
}

/// Answers what is below `/clusters/{c}/hostTemplates`.
pub(super) fn templates(
    world: &mut World,
    cluster: &str,
    path: &[&str],
    request: &Request,
) -> Reply {
    match (path, request.method.as_str()) {
        ([], "POST") => {
            let body = request.object(&["items"])?;
            for item in list(&body, "items") {
                let name = text(item, "name");
                if name.is_empty() || template(world, cluster, name).is_ok() {
                    return Err(Refusal::bad(format!("Host template '{name}' already exists.")));
                }
                let made = json!({ "name": name, "groups": groups(world, cluster, item)? });
                list_mut(owner(world, cluster)?, "hostTemplates").push(made);
                world.changed = true;
            }
            Ok(body)
        }
        ([], _) => read(request).map(|()| clusters::host_templates(world, cluster)),
        ([name], method) => {
            let at = template(world, cluster, name)?;
            match method {
                "PUT" => {
                    let body = request.object(&["name", "clusterRef", "roleConfigGroupRefs"])?;
                    let groups = groups(world, cluster, &body)?;
                    owner(world, cluster)?["hostTemplates"][at]["groups"] = json!(groups);
                    world.changed = true;
                }
                "DELETE" => {
                    let shown = clusters::host_templates(world, cluster)["items"][at].clone();
                    list_mut(owner(world, cluster)?, "hostTemplates").remove(at);
                    world.changed = true;
                    return Ok(shown);
                }
                _ => read(request)?,
            }
            Ok(clusters::host_templates(world, cluster)["items"][at].clone())
        }
        _ => Err(Refusal::no_path()),
    }
}

fn owner<'a>(world: &'a mut World, cluster: &str) -> Result<&'a mut Value, Refusal> {
    let mut clusters = list_mut(world.state, "clusters").iter_mut();
    let found = clusters.find(|owner| text(owner, "name") == cluster);
    found.ok_or_else(|| Refusal::missing("Cluster", cluster))
}

fn template(world: &World, cluster: &str, name: &str) -> Result<usize, Refusal> {
    let mut known = list(world.cluster(cluster)?, "hostTemplates").iter();
    let found = known.position(|entry| text(entry, "name") == name);
    found.ok_or_else(|| Refusal::missing("Host template", name))
}

/// The groups a template names: they exist, and there is one at most of a role type.
fn groups(world: &World, cluster: &str, item: &Value) -> Result<Vec<String>, Refusal> {
    let mut types = Vec::new();
    let mut names = Vec::new();
    for reference in list(item, "roleConfigGroupRefs") {
        let name = text(reference, "roleConfigGroupName");
        let known = world.services_of(cluster).into_iter().find_map(|service| {
            let group = world.group(service, name).ok()?;
            let owner = world.service_at(service);
            let role_type = text(&owner["groups"][group], "roleType");
            Some(format!("{} {role_type}", text(owner, "name")))
        });
        let Some(role_type) = known else {
            let said = "Role configuration group reference in host template";
            return Err(Refusal::bad(format!("{said} {} is not valid.", text(item, "name"))));
        };
        if types.contains(&role_type) {
            return Err(Refusal::bad(format!("There are two groups of {role_type}.")));
        }
        types.push(role_type);
        names.push(name.to_owned());
    }
    Ok(names)
}
