//! Which roles run with outdated configuration, computed from the times of the changes.

use serde_json::{Value, json};

use crate::catalogue::Setting;
use crate::catalogue::types::is_gateway;
use crate::command;
use crate::document::{entries, list, list_mut, map_mut, number, text};
use crate::world::{Place, World};

/// How long after a change the status shows it.
const DELAY: i64 = 200;

/// Status words from best to worst.
const FRESH: &str = "FRESH";
const REFRESHABLE: &str = "STALE_REFRESHABLE";
const STALE: &str = "STALE";

/// Notes what a change of settings makes stale.
pub(crate) fn note(world: &mut World, place: Place, changed: &[Setting]) {
    let effective: Vec<&Setting> =
        changed.iter().filter(|setting| !setting.monitoring_only()).collect();
    if effective.is_empty() {
        return;
    }
    let refreshable = effective.iter().all(|setting| setting.refreshable);
    let status = if refreshable { REFRESHABLE } else { STALE };
    let client = effective.iter().any(|setting| setting.client);
    let visible = world.now + world.faults.milliseconds("staleness_delay").unwrap_or(DELAY);
    let change = json!({ "changed": world.now, "visible": visible, "status": status });
    match place {
        Place::Manager => return,
        // What a host has reaches the processes that run there.
        Place::AllHosts => mark_hosts(world, &change, |_| true),
        Place::Host(index) => {
            let host = text(&world.state["hosts"][index], "hostId").to_owned();
            mark_hosts(world, &change, |own| own == host);
        }
        Place::Service(index) => {
            let mut affected = dependents(world, index);
            affected.push(index);
            for service in affected {
                mark_roles(world, service, &change, |_| true);
                if client {
                    mark_client(world, service, &change);
                }
            }
        }
        Place::Group(index, group) => {
            let group = world.service_at(index)["groups"][group].clone();
            mark_roles(world, index, &change, |role| role["group"] == group["name"]);
            if client || is_gateway(text(&group, "roleType")) {
                mark_client(world, index, &change);
            }
        }
        Place::Role(index, role) => {
            let own = world.service_at(index)["roles"][role].clone();
            mark_roles(world, index, &change, |role| role["name"] == own["name"]);
            if client || is_gateway(text(&own, "type")) {
                mark_client(world, index, &change);
            }
        }
    }
    command::note_check(world, visible);
}

/// Notes that something changed that may make roles stale, and makes none so here.
pub(crate) fn announce(world: &mut World) {
    let visible = world.now + world.faults.milliseconds("staleness_delay").unwrap_or(DELAY);
    command::note_check(world, visible);
}

/// Notes that everything of a cluster runs what it should not run any more: another parcel.
pub(crate) fn note_cluster(world: &mut World, cluster: &str) {
    let visible = world.now + world.faults.milliseconds("staleness_delay").unwrap_or(DELAY);
    let change = json!({ "changed": world.now, "visible": visible, "status": STALE });
    for service in world.services_of(cluster) {
        mark_roles(world, service, &change, |_| true);
        mark_client(world, service, &change);
    }
    command::note_check(world, visible);
}

/// Notes servers that run with another `haMode` than before: QueueManager shows stale configuration
/// then.
pub(crate) fn note_servers(world: &mut World) {
    let mut turned = false;
    for server in world.servers.running.clone() {
        let mode = json!(server.ha_mode);
        let before = map_mut(world.state, "haModes").insert(server.name, mode.clone());
        world.changed |= before.as_ref() != Some(&mode);
        turned |= before.is_some_and(|before| before != mode);
    }
    if !turned {
        return;
    }
    let visible = world.now + DELAY;
    let change = json!({ "changed": world.now, "visible": visible, "status": STALE });
    for service in 0..list(world.state, "services").len() {
        if text(world.service_at(service), "type") == "QUEUEMANAGER" {
            mark_roles(world, service, &change, |_| true);
        }
    }
    command::note_check(world, visible);
}

/// The services whose configuration is built from that of another: those which name it in a
/// `*_service` setting, and all of a cluster for its core settings.
fn dependents(world: &World, index: usize) -> Vec<usize> {
    let source = world.service_at(index);
    let Some(cluster) = source["cluster"].as_str() else { return Vec::new() };
    let (name, is_core) = (text(source, "name"), text(source, "type") == "CORE_SETTINGS");
    let depends = |position: &usize| {
        let mut settings = entries(world.service_at(*position), "config");
        is_core || settings.any(|(key, value)| key.ends_with("_service") && value == name)
    };
    let others = world.services_of(cluster).into_iter().filter(|position| *position != index);
    others.filter(depends).collect()
}

fn mark_hosts(world: &mut World, change: &Value, chosen: impl Fn(&str) -> bool) {
    for service in 0..list(world.state, "services").len() {
        mark_roles(world, service, change, |role| chosen(text(role, "host")));
    }
}

fn mark_roles(world: &mut World, service: usize, change: &Value, chosen: impl Fn(&Value) -> bool) {
    for role in list_mut(&mut world.state["services"][service], "roles") {
        // A stopped role reads the new configuration when it starts.
        if text(role, "state") == "STARTED" && chosen(role) {
            list_mut(role, "changes").push(change.clone());
        }
    }
}

fn mark_client(world: &mut World, service: usize, change: &Value) {
    list_mut(&mut world.state["services"][service], "clientChanges").push(change.clone());
}

/// The status of a role.
pub(crate) fn of_role(role: &Value, now: i64) -> &'static str {
    if text(role, "state") == "STARTED" { worst(list(role, "changes"), now) } else { FRESH }
}

/// The status of a service: that of its worst role.
pub(crate) fn of_service(service: &Value, now: i64) -> &'static str {
    let statuses = list(service, "roles").iter().map(|role| of_role(role, now));
    statuses.max_by_key(|status| rank(status)).unwrap_or(FRESH)
}

/// The status of a service's client configuration.
pub(crate) fn of_client(service: &Value, now: i64) -> &'static str {
    if worst(list(service, "clientChanges"), now) == FRESH { FRESH } else { STALE }
}

/// Forgets the changes that a command started at `start` took up; a refresh takes up only some.
pub(crate) fn clear(owner: &mut Value, member: &str, start: i64, refresh: bool) {
    list_mut(owner, member).retain(|change| {
        number(change, "changed") > start || (refresh && text(change, "status") == STALE)
    });
}

fn worst(changes: &[Value], now: i64) -> &'static str {
    let visible = changes.iter().filter(|change| number(change, "visible") <= now);
    let statuses = visible.map(|change| match text(change, "status") {
        REFRESHABLE => REFRESHABLE,
        _ => STALE,
    });
    statuses.max_by_key(|status| rank(status)).unwrap_or(FRESH)
}

fn rank(status: &str) -> u8 {
    match status {
        STALE => 2,
        REFRESHABLE => 1,
        _ => 0,
    }
}
