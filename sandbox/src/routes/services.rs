//! `/clusters/{c}/services` and, the same below another path, `/cm/service`.

use serde_json::{Value, json};

use super::{clusters, groups, membership, read, replications, roles, service_commands};
use crate::answer::{Refusal, Reply};
use crate::catalogue::types::{is_gateway, role_types};
use crate::command;
use crate::config;
use crate::document::{list, text, wrap};
use crate::request::Request;
use crate::staleness;
use crate::world::{Place, World};

/// The members a service may have in a request.
pub(super) const MEMBERS: [&str; 22] = [
    "name",
    "type",
    "clusterRef",
    "serviceState",
    "healthSummary",
    "configStale",
    "configStalenessStatus",
    "clientConfigStalenessStatus",
    "healthChecks",
    "serviceUrl",
    "roleInstancesUrl",
    "maintenanceMode",
    "maintenanceOwners",
    "config",
    "roles",
    "displayName",
    "roleConfigGroups",
    "replicationSchedules",
    "snapshotPolicies",
    "entityStatus",
    "tags",
    "serviceVersion",
];

/// The services of a cluster.
pub(super) fn list_of(world: &World, cluster: &str, request: &Request) -> Reply {
    let full = request.full_view()?;
    let services = world.services_of(cluster).into_iter();
    Ok(wrap(services.map(|index| show(world, index, full)).collect()))
}

/// Answers what is below one service.
pub(super) fn one(world: &mut World, index: usize, path: &[&str], request: &Request) -> Reply {
    match path {
        [] if request.method == "PUT" => rename(world, index, request),
        [] if request.method == "DELETE" => membership::remove_service(world, index),
        [] => {
            read(request)?;
            // A single service is shown in full unless the summary is asked for.
            let asked = request.parameter("view").is_some();
            Ok(show(world, index, !asked || request.full_view()?))
        }
        ["config"] => config::route(world, Place::Service(index), request),
        ["roleConfigGroups", rest @ ..] => groups::route(world, index, rest, request),
        ["roles", rest @ ..] => roles::route(world, index, rest, request),
        ["replications", rest @ ..] => replications::route(world, index, rest, request),
        ["roleTypes"] => {
            read(request)?;
            let types = role_types(text(world.service_at(index), "type")).into_iter();
            Ok(json!({ "items": types.map(|(name, _)| name).collect::<Vec<_>>() }))
        }
        ["commands"] => {
            read(request)?;
            let service = world.service_at(index);
            Ok(command::active(world, service["cluster"].as_str(), service["name"].as_str()))
        }
        ["commands", word] => service_commands::on_service(world, index, word, request),
        ["roleCommands", word] => service_commands::on_roles(world, index, word, request),
        _ => Err(Refusal::no_path()),
    }
}

/// Only the display name of a service can be changed.
fn rename(world: &mut World, index: usize, request: &Request) -> Reply {
    let body = request.object(&MEMBERS)?;
    let name = text(&body, "displayName");
    if !name.is_empty() {
        world.state["services"][index]["displayName"] = json!(name);
        world.changed = true;
    }
    Ok(show(world, index, false))
}

/// The running state of a service, from its roles.
pub(super) fn state(world: &World, index: usize) -> &'static str {
    let service = world.service_at(index);
    let daemons = list(service, "roles").iter().filter(|role| !is_gateway(text(role, "type")));
    let states: Vec<&str> = daemons.map(|role| roles::state(world, service, role)).collect();
    let has = |state: &str| states.contains(&state);
    match () {
        () if states.is_empty() => "NA",
        () if has("STOPPING") => "STOPPING",
        () if has("STARTING") => "STARTING",
        () if has("STARTED") => "STARTED",
        () => "STOPPED",
    }
}

/// A service as the API shows it.
pub(super) fn show(world: &World, index: usize, full: bool) -> Value {
    let service = world.service_at(index);
    let (name, state) = (text(service, "name"), state(world, index));
    let link = format!("{}/cmf/serviceRedirect/{name}", world.url);
    let mut shown = json!({ "name": name, "type": text(service, "type") });
    if let Some(cluster) = service["cluster"].as_str() {
        shown["clusterRef"] = clusters::reference(world, cluster);
        let version = world.cluster(cluster).map_or("", |cluster| text(cluster, "fullVersion"));
        shown["serviceVersion"] = json!(format!("CDH {version}"));
    }
    let (health, entity) = match state {
        "STOPPED" => ("DISABLED", "STOPPED"),
        "STARTING" => ("DISABLED", "STARTING"),
        "STOPPING" => ("DISABLED", "STOPPING"),
        "NA" => ("NOT_AVAILABLE", "NONE"),
        _ => ("GOOD", "GOOD_HEALTH"),
    };
    shown["serviceUrl"] = json!(link);
    shown["roleInstancesUrl"] = json!(format!("{link}/instances"));
    shown["serviceState"] = json!(state);
    shown["healthSummary"] = json!(health);
    shown["healthChecks"] = health_checks(text(service, "type"), health, full);
    shown["configStalenessStatus"] = json!(staleness::of_service(service, world.now));
    shown["clientConfigStalenessStatus"] = json!(staleness::of_client(service, world.now));
    shown["maintenanceMode"] = json!(false);
    shown["maintenanceOwners"] = json!([]);
    shown["displayName"] = json!(text(service, "displayName"));
    shown["entityStatus"] = json!(entity);
    shown["tags"] = json!([]);
    shown
}

fn health_checks(service_type: &str, summary: &str, full: bool) -> Value {
    let names: &[&str] = match service_type {
        "ZOOKEEPER" => &["ZOOKEEPER_CANARY_HEALTH", "ZOOKEEPER_SERVERS_HEALTHY"],
        "HDFS" => &[
            "HDFS_CANARY_HEALTH",
            "HDFS_DATA_NODES_HEALTHY",
            "HDFS_FREE_SPACE_REMAINING",
            "HDFS_HA_NAMENODE_HEALTH",
            "HDFS_MISSING_BLOCKS",
            "HDFS_UNDER_REPLICATED_BLOCKS",
        ],
        "YARN" => &[
            "YARN_JOBHISTORY_HEALTH",
            "YARN_NODE_MANAGERS_HEALTHY",
            "YARN_RESOURCEMANAGERS_HEALTH",
        ],
        "HIVE" => &["HIVE_HIVEMETASTORES_HEALTHY"],
        "HUE" => &["HUE_HUE_SERVERS_HEALTHY", "HUE_LOAD_BALANCER_HEALTHY"],
        "HBASE" => &["HBASE_MASTER_HEALTH", "HBASE_REGION_SERVERS_HEALTHY"],
        "OOZIE" => &["OOZIE_OOZIE_SERVERS_HEALTHY"],
        _ => &[],
    };
    let check = |name: &&str| {
        let mut check = json!({ "name": name, "summary": summary, "suppressed": false });
        if full {
            check["explanation"] = json!("Simulated.");
        }
        check
    };
    names.iter().map(check).collect()
}

/// A reference to a service.
pub(super) fn reference(service: &Value) -> Value {
    let mut reference = json!({});
    if let Some(cluster) = service["cluster"].as_str() {
        reference["clusterName"] = json!(cluster);
        reference["serviceName"] = json!(text(service, "name"));
        reference["serviceDisplayName"] = json!(text(service, "displayName"));
        reference["serviceType"] = json!(text(service, "type"));
    } else {
        reference["serviceName"] = json!(text(service, "name"));
        reference["serviceType"] = json!(text(service, "type"));
    }
    reference
}
