//! `/hosts`: the hosts the manager knows.

use serde_json::{Value, json};

use super::{clusters, post, read, roles};
use crate::answer::{Refusal, Reply};
use crate::clock::iso;
use crate::command::{commission_state, synchronous};
use crate::config;
use crate::document::{flag, list, list_mut, text, wrap};
use crate::request::{Request, check_members};
use crate::world::{Place, World};

const CHECKS: [&str; 8] = [
    "HOST_AGENT_LOG_DIRECTORY_FREE_SPACE",
    "HOST_AGENT_PARCEL_DIRECTORY_FREE_SPACE",
    "HOST_AGENT_PROCESS_DIRECTORY_FREE_SPACE",
    "HOST_CLOCK_OFFSET",
    "HOST_DNS_RESOLUTION",
    "HOST_MEMORY_SWAPPING",
    "HOST_NETWORK_FRAME_ERRORS",
    "HOST_SCM_HEALTH",
];
/// The members a host may have in a request.
const MEMBERS: [&str; 20] = [
    "hostId",
    "ipAddress",
    "hostname",
    "rackId",
    "lastHeartbeat",
    "roleRefs",
    "healthSummary",
    "healthChecks",
    "hostUrl",
    "maintenanceMode",
    "commissionState",
    "maintenanceOwners",
    "config",
    "numCores",
    "numPhysicalCores",
    "totalPhysMemBytes",
    "entityStatus",
    "clusterRef",
    "distribution",
    "tags",
];

/// Answers what is below `/hosts`.
pub(super) fn route(world: &mut World, path: &[&str], request: &Request) -> Reply {
    match path {
        [] => {
            read(request)?;
            selected(world, request, |_| true)
        }
        [name] => {
            let index = world.host(name)?;
            if request.method == "PUT" {
                return change(world, index, request);
            }
            read(request)?;
            // A single host is shown in full unless the summary is asked for.
            let asked = request.parameter("view").is_some();
            Ok(host(world, index, !asked || request.full_view()?))
        }
        [name, "config"] => {
            let index = world.host(name)?;
            config::route(world, Place::Host(index), request)
        }
        [name, "commands", word @ ("enterMaintenanceMode" | "exitMaintenanceMode")] => {
            let index = world.host(name)?;
            post(request)?;
            let enters = word.starts_with("enter");
            world.state["hosts"][index]["maintenance"] = json!(enters);
            world.changed = true;
            let name = if enters { "EnterMaintenanceMode" } else { "ExitMaintenanceMode" };
            Ok(synchronous(world, name, &world.state["hosts"][index]))
        }
        [name, "tags"] => {
            let index = world.host(name)?;
            tags(world, index, request)
        }
        _ => Err(Refusal::no_path()),
    }
}

/// Tags of a host: listed, set by name, removed by name and value.
fn tags(world: &mut World, index: usize, request: &Request) -> Reply {
    if request.is_read() {
        return Ok(json!(list(&world.state["hosts"][index], "tags")));
    }
    let given = request.list()?;
    for tag in &given {
        check_members(tag, &["name", "value"])?;
        if text(tag, "name").is_empty() {
            return Err(Refusal::bad("A tag needs a name."));
        }
    }
    let tags = list_mut(&mut world.state["hosts"][index], "tags");
    match request.method.as_str() {
        "PUT" => {
            for tag in &given {
                tags.retain(|known| known["name"] != tag["name"]);
                tags.push(tag.clone());
            }
        }
        "DELETE" => tags.retain(|known| !given.contains(known)),
        _ => return Err(Refusal::method()),
    }
    world.changed = true;
    Ok(Value::Array(given))
}

/// The hosts of a cluster.
pub(super) fn of_cluster(world: &World, cluster: &str, request: &Request) -> Reply {
    selected(world, request, |host| text(host, "cluster") == cluster)
}

fn selected(world: &World, request: &Request, chosen: impl Fn(&Value) -> bool) -> Reply {
    let full = request.full_view()?;
    let hosts = list(world.state, "hosts").iter().enumerate();
    let indexes = hosts.filter(|(_, host)| chosen(host)).map(|(index, _)| index);
    Ok(wrap(indexes.map(|index| host(world, index, full)).collect()))
}

/// Only the rack can be changed; other members are ignored.
fn change(world: &mut World, index: usize, request: &Request) -> Reply {
    let body = request.object(&MEMBERS)?;
    let rack = text(&body, "rackId");
    if !rack.is_empty() && rack != text(&world.state["hosts"][index], "rackId") {
        if !rack.starts_with('/') {
            return Err(Refusal::bad(format!("Rack '{rack}' does not start with a slash.")));
        }
        world.state["hosts"][index]["rackId"] = json!(rack);
        world.changed = true;
    }
    Ok(host(world, index, false))
}

fn host(world: &World, index: usize, full: bool) -> Value {
    let host = &world.state["hosts"][index];
    let host_id = text(host, "hostId");
    let mut shown = json!({
        "hostId": host_id,
        "ipAddress": text(host, "ipAddress"),
        "hostname": text(host, "hostname"),
        "rackId": text(host, "rackId"),
        "hostUrl": format!("{}/cmf/hostRedirect/{host_id}", world.url),
        "maintenanceMode": flag(host, "maintenance"),
        "maintenanceOwners": if flag(host, "maintenance") { json!(["HOST"]) } else { json!([]) },
        "commissionState": commission_state(world, host),
        "numCores": 16,
        "numPhysicalCores": 8,
        "totalPhysMemBytes": 134_839_656_448_u64,
        "entityStatus": "GOOD_HEALTH",
        "distribution": { "distributionType": "RHEL8", "name": "redhat", "version": "8.8" },
        "tags": list(host, "tags"),
    });
    if let Some(cluster) = host["cluster"].as_str() {
        shown["clusterRef"] = clusters::reference(world, cluster);
    }
    if full {
        let check = |name: &str| json!({ "name": name, "summary": "GOOD", "suppressed": false });
        shown["lastHeartbeat"] = json!(iso(world.now - world.now % 15_000));
        shown["healthSummary"] = json!("GOOD");
        shown["healthChecks"] = CHECKS.map(check).into();
        shown["roleRefs"] = roles::references_on(world, host_id);
    }
    shown
}
