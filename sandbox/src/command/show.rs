//! Commands as the API shows them.

use serde_json::{Value, json};

use super::is_active;
use crate::answer::{Refusal, Reply};
use crate::clock::iso;
use crate::document::{list, number, text, wrap};
use crate::world::World;

/// A command by id; with its children, one level of them, when `children` is set.
pub(crate) fn show(world: &World, id: i64, children: bool) -> Reply {
    let commands = list(world.state, "commands");
    let Some(command) = commands.iter().find(|command| number(command, "id") == id) else {
        return Err(Refusal::missing("Command", &id.to_string()));
    };
    let mut shown = summary(world, command);
    if !children {
        return Ok(shown);
    }
    let mut parents = commands.iter();
    if let Some(parent) = parents.find(|other| command["parent"] == other["id"]) {
        shown["parent"] = summary(world, parent);
    }
    let parts = commands.iter().filter(|other| number(other, "parent") == id);
    shown["children"] = wrap(parts.map(|part| summary(world, part)).collect());
    if !is_active(command, world.now) {
        shown["canRetry"] = json!(false);
    }
    Ok(shown)
}

/// Whether one of these commands runs.
pub(crate) fn runs(world: &World, ids: &[i64]) -> bool {
    let mut commands = list(world.state, "commands").iter();
    commands.any(|command| ids.contains(&number(command, "id")) && is_active(command, world.now))
}

/// The running commands on an object: the manager, a cluster or a service.
pub(crate) fn active(world: &World, cluster: Option<&str>, service: Option<&str>) -> Value {
    let chosen = |command: &&Value| {
        is_active(command, world.now)
            && command["parent"].is_null()
            && command["cluster"].as_str() == cluster
            && command["service"].as_str() == service
    };
    let commands = list(world.state, "commands").iter().filter(chosen);
    wrap(commands.map(|command| summary(world, command)).collect())
}

/// What a running command does to a role just now: `STARTING`, `STOPPING`, or nothing.
pub(crate) fn activity(world: &World, service: &Value, role: &str) -> Option<&'static str> {
    let mut commands = list(world.state, "commands").iter().rev();
    let command = commands.find(|command| {
        is_active(command, world.now)
            && command["role"].as_str() == Some(role)
            && command["cluster"] == service["cluster"]
            && command["service"] == service["name"]
    })?;
    let (start, end) = (number(command, "start"), number(command, "end"));
    match text(command, "name") {
        "Start" => Some("STARTING"),
        "Stop" => Some("STOPPING"),
        name if name.ends_with("Restart") && world.now - start < (end - start) / 2 => {
            Some("STOPPING")
        }
        name if name.ends_with("Restart") => Some("STARTING"),
        _ => None,
    }
}

fn summary(world: &World, command: &Value) -> Value {
    let now = world.now;
    let mut shown = json!({
        "id": command["id"],
        "name": command["name"],
        "startTime": iso(number(command, "start")),
    });
    if is_active(command, now) {
        shown["active"] = json!(true);
    } else {
        shown["endTime"] = json!(iso(number(command, "end")));
        shown["active"] = json!(false);
        shown["success"] = command["success"].clone();
        shown["resultMessage"] = command["message"].clone();
    }
    let reference = |member: &str| {
        let mut reference = json!({});
        let parts = [("clusterName", "cluster"), ("serviceName", "service"), ("roleName", "role")];
        for (name, part) in parts {
            if command[part].is_string() {
                reference[name] = command[part].clone();
            }
            if part == member {
                break;
            }
        }
        reference
    };
    if let Some(host) = command["host"].as_str() {
        let id = world.host(host).map_or(host, |at| text(&world.state["hosts"][at], "hostId"));
        shown["hostRef"] = json!({ "hostId": id, "hostname": host });
    }
    if command["role"].is_string() {
        shown["roleRef"] = reference("role");
    }
    if command["service"].is_string() {
        shown["serviceRef"] = reference("service");
    } else if command["cluster"].is_string() {
        shown["clusterRef"] = reference("cluster");
    }
    shown
}
