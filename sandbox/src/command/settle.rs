//! What commands leave behind once their time is over.

use serde_json::{Value, json};

use super::{is_active, show, task};
use crate::answer::{Refusal, Reply};
use crate::document::{flag, list, list_mut, number, text};
use crate::parcel;
use crate::revision;
use crate::staleness;
use crate::world::World;

/// Applies the effects of all commands whose time is over.
pub(crate) fn settle(world: &mut World) {
    task::lose_files(world);
    let over = |command: &&Value| !flag(command, "settled") && number(command, "end") <= world.now;
    let mut due: Vec<Value> = list(world.state, "commands").iter().filter(over).cloned().collect();
    due.sort_by_key(|command| number(command, "end"));
    for command in due {
        apply(world, &command);
        if command["parent"].is_null()
            && command["role"].is_null()
            && flag(&command, "success")
            && text(&command, "name").ends_with("Restart")
        {
            revision::record_restart(world, &command);
        }
        if let Some(stored) = find(world.state, number(&command, "id")) {
            stored["settled"] = json!(true);
        }
        world.changed = true;
    }
    parcel::settle(world);
}

/// Ends a running command and its parts without effect.
pub(crate) fn abort(world: &mut World, id: i64) -> Reply {
    let now = world.now;
    let user = world.user.to_owned();
    let Some(command) = find(world.state, id) else {
        return Err(Refusal::missing("Command", &id.to_string()));
    };
    if !is_active(command, now) {
        return Err(Refusal::bad(format!("Command {id} is not active.")));
    }
    let mut family = vec![id];
    for command in list(world.state, "commands") {
        // Parts are numbered after their parents, so one pass meets every generation.
        if family.contains(&number(command, "parent")) {
            family.push(number(command, "id"));
        }
    }
    for command in list_mut(world.state, "commands") {
        if family.contains(&number(command, "id")) && is_active(command, now) {
            command["end"] = json!(now);
            command["success"] = json!(false);
            command["effect"] = json!("");
            command["message"] = json!(format!("Aborted by user {user}."));
            command["settled"] = json!(true);
        }
    }
    world.changed = true;
    show(world, id, true)
}

fn find(state: &mut Value, id: i64) -> Option<&mut Value> {
    list_mut(state, "commands").iter_mut().find(|command| number(command, "id") == id)
}

fn apply(world: &mut World, command: &Value) {
    let effect = text(command, "effect");
    let start = number(command, "start");
    if effect.is_empty() {
        return;
    }
    if effect == "refreshParcels" {
        return parcel::refresh(world);
    }
    if task::done(world, command) {
        return;
    }
    if let Some(host) = command["host"].as_str() {
        if let Ok(index) = world.host(host) {
            world.state["hosts"][index]["commissionState"] = json!(effect);
        }
        return;
    }
    let found = world.service(command["cluster"].as_str(), text(command, "service"));
    let Ok(index) = found else { return };
    let service = &mut world.state["services"][index];
    if effect == "deploy" {
        staleness::clear(service, "clientChanges", start, false);
        return;
    }
    let name = text(command, "role");
    let Some(role) = list_mut(service, "roles").iter_mut().find(|role| text(role, "name") == name)
    else {
        return;
    };
    staleness::clear(role, "changes", start, effect == "refresh");
    match effect {
        "start" | "restart" => role["state"] = json!("STARTED"),
        "stop" => role["state"] = json!("STOPPED"),
        _ => {}
    }
}
