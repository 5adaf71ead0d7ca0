//! `/hosts`: the hosts the manager knows.

use serde_json::{Value, json};

use super::{clusters, read, roles};
use crate::answer::{Refusal, Reply};
use crate::clock::iso;
use crate::config;
use crate::document::{list, text, wrap};
use crate::request::Request;
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
        _ => Err(Refusal::no_path()),
    }
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
        "maintenanceMode": false,
        "maintenanceOwners": [],
        "commissionState": "COMMISSIONED",
        "numCores": 16,
        "numPhysicalCores": 8,
        "totalPhysMemBytes": 134_839_656_448_u64,
        "entityStatus": "GOOD_HEALTH",
        "distribution": { "distributionType": "redhat", "name": "RedHat", "version": "8.8" },
        "tags": [],
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
