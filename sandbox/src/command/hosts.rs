//! Commands on hosts.

use serde_json::{Value, json};

use super::order::{Outcome, Share, add, prune, refuse_duplicate};
use super::{is_active, show};
use crate::answer::Reply;
use crate::clock::iso;
use crate::document::{list, text};
use crate::world::World;

/// Submits a command of the manager on hosts, each with a child of its own. `effect` is the state
/// that a host has once its child has ended well.
pub(crate) fn submit_on_hosts(
    world: &mut World,
    name: &'static str,
    effect: &'static str,
    hosts: &[String],
) -> Reply {
    let manager = json!({ "cluster": null, "service": null, "role": null });
    refuse_duplicate(world, name, &manager)?;
    prune(world);
    let outcome = Outcome::of(world, hosts.len() as i64);
    let top = add(world, name, &manager, Value::Null, outcome, Share::Top(""));
    for (at, host) in (1..).zip(hosts) {
        let mut object = manager.clone();
        object["host"] = json!(host);
        add(world, name, &object, json!(top), outcome, Share::Host(at, effect));
    }
    show(world, top, false)
}

/// The commission state of a host just now.
pub(crate) fn commission_state(world: &World, host: &Value) -> &'static str {
    let name = text(host, "hostname");
    let running = list(world.state, "commands").iter().any(|command| {
        is_active(command, world.now)
            && command["host"].as_str() == Some(name)
            && text(command, "name") == "HostsDecommission"
    });
    match text(host, "commissionState") {
        _ if running => "DECOMMISSIONING",
        "DECOMMISSIONED" => "DECOMMISSIONED",
        _ => "COMMISSIONED",
    }
}

/// The answer to a command that is over at once: it has no number to be asked for.
pub(crate) fn synchronous(world: &World, name: &str, host: &Value) -> Value {
    json!({
        "id": -1,
        "name": name,
        "startTime": iso(world.now),
        "endTime": iso(world.now),
        "active": false,
        "success": true,
        "hostRef": { "hostId": text(host, "hostId"), "hostname": text(host, "hostname") },
    })
}
