//! `/clusters`: clusters and what belongs to them.

use serde_json::{Value, json};

use super::{export, membership, parcels, post, read, service_commands, services};
use crate::answer::{Refusal, Reply};
use crate::catalogue::types::service_types;
use crate::command::{self, TaskTarget};
use crate::document::{list, text, wrap};
use crate::request::Request;
use crate::world::World;

/// Answers what is below `/clusters`.
pub(super) fn route(world: &mut World, path: &[&str], request: &Request) -> Reply {
    let [given, rest @ ..] = path else {
        read(request)?;
        return clusters(world, request);
    };
    let name = text(world.cluster(given)?, "name").to_owned();
    match rest {
        [] => read(request).map(|()| cluster(world, &name)),
        ["hosts"] if request.method == "POST" => membership::add_hosts(world, &name, request),
        ["hosts", host] => membership::remove_host(world, &name, host, request),
        ["hosts"] => read(request).map(|()| super::hosts::of_cluster(world, &name, request))?,
        ["services"] if request.method == "POST" => membership::add_services(world, &name, request),
        ["services"] => read(request).map(|()| services::list_of(world, &name, request))?,
        ["services", service, rest @ ..] => {
            let index = world.service(Some(&name), service)?;
            services::one(world, index, rest, request)
        }
        ["serviceTypes"] => read(request).map(|()| json!({ "items": service_types() })),
        ["commands"] => read(request).map(|()| command::active(world, Some(&name), None)),
        ["commands", word] => match command::task(TaskTarget::Cluster, word) {
            Some(task) => {
                post(request)?;
                command::submit_task(world, task, Some(&name), request)
            }
            None => service_commands::on_cluster(world, &name, word, request),
        },
        ["hostTemplates", rest @ ..] => membership::templates(world, &name, rest, request),
        ["parcels", rest @ ..] => parcels::route(world, &name, rest, request),
        ["export"] => read(request).map(|()| export::template(world, &name)),
        ["isTlsEnabled"] => read(request).map(|()| json!(false)),
        _ => Err(Refusal::no_path()),
    }
}

fn clusters(world: &World, request: &Request) -> Reply {
    request.full_view()?;
    let wanted = request.parameter("clusterType").unwrap_or_default().to_lowercase();
    let matches = |cluster: &&Value| {
        let kind = text(cluster, "clusterType").to_lowercase();
        match wanted.as_str() {
            "any" => true,
            "" => kind.starts_with("base"),
            other => kind.starts_with(other),
        }
    };
    let names: Vec<String> = list(world.state, "clusters")
        .iter()
        .filter(matches)
        .map(|cluster| text(cluster, "name").to_owned())
        .collect();
    Ok(wrap(names.iter().map(|name| cluster(world, name)).collect()))
}

/// A cluster as the API shows it.
pub(super) fn cluster(world: &World, name: &str) -> Value {
    let Ok(cluster) = world.cluster(name) else { return Value::Null };
    let link = format!("{}/cmf/clusterRedirect/{name}", world.url);
    let version = text(cluster, "fullVersion");
    let major = version.split('.').next().unwrap_or("");
    json!({
        "name": name,
        "displayName": text(cluster, "displayName"),
        "version": format!("CDH{major}"),
        "fullVersion": version,
        "maintenanceMode": false,
        "maintenanceOwners": [],
        "clusterUrl": link,
        "hostsUrl": format!("{link}/hosts"),
        "entityStatus": entity_status(world, name),
        "uuid": text(cluster, "uuid"),
        "clusterType": text(cluster, "clusterType"),
        "tags": list(cluster, "tags"),
    })
}

fn entity_status(world: &World, cluster: &str) -> &'static str {
    let states: Vec<_> = world
        .services_of(cluster)
        .into_iter()
        .map(|index| services::state(world, index))
        .filter(|state| *state != "NA")
        .collect();
    if !states.is_empty() && states.iter().all(|state| *state == "STOPPED") {
        "STOPPED"
    } else {
        "GOOD_HEALTH"
    }
}

/// A reference to a cluster.
pub(super) fn reference(world: &World, name: &str) -> Value {
    let display_name = world.cluster(name).map_or("", |cluster| text(cluster, "displayName"));
    json!({ "clusterName": name, "displayName": display_name })
}

pub(super) fn host_templates(world: &World, name: &str) -> Value {
    let Ok(cluster) = world.cluster(name) else { return wrap(Vec::new()) };
    let template = |entry: &Value| {
        let groups = list(entry, "groups").iter();
        let references: Vec<Value> =
            groups.map(|group| json!({ "roleConfigGroupName": group })).collect();
        json!({
            "name": text(entry, "name"),
            "clusterRef": reference(world, name),
            "roleConfigGroupRefs": references,
        })
    };
    wrap(list(cluster, "hostTemplates").iter().map(template).collect())
}
