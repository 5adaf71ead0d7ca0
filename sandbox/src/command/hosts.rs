//! Commands on hosts.

use serde_json::{Value, json};

use super::order::DURATION;
use super::{is_active, show};
use crate::answer::{Refusal, Reply};
use crate::clock::iso;
use crate::document::{list, list_mut, text};
use crate::world::World;

/// Submits a command of the manager on hosts, each with a child of its own. `effect` is the state
/// that a host has once its child has ended well.
pub(crate) fn submit_on_hosts(
    world: &mut World,
    name: &'static str,
    effect: &'static str,
    hosts: &[String],
) -> Reply {
    let same = |command: &&Value| {
        is_active(command, world.now)
            && text(command, "name") == name
            && command["parent"].is_null()
    };
    if let Some(command) = list(world.state, "commands").iter().find(same) {
        let said = format!("The command {name} (id {}) is already running.", command["id"]);
        return Err(Refusal::bad(said));
    }
    let duration = world.faults.milliseconds("command_ms").unwrap_or(DURATION);
    let fails = world.faults.get("command_fails").is_some();
    let child_fails = world.faults.get("child_fails").is_some();
    let mut add = |parent: Value, host: Value, effect: &str, success: bool| {
        let id = world.next("nextCommand");
        let message = if success { "Command completed." } else { "Command failed." };
        list_mut(world.state, "commands").push(json!({
            "cluster": null, "service": null, "role": null, "host": host,
            "id": id, "name": name, "parent": parent,
            "start": world.now, "end": world.now + duration,
            "success": success, "message": message,
            "effect": if success { effect } else { "" },
            "settled": false,
        }));
        id
    };
    let top = add(Value::Null, Value::Null, "", !fails);
    for (at, host) in hosts.iter().enumerate() {
        let success = !(fails || child_fails && at == 0);
        add(json!(top), json!(host), effect, success);
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
