//! Commands on clusters, services and roles.

use serde_json::{Value, json};

use super::post;
use crate::answer::{Refusal, Reply};
use crate::catalogue::types::{is_gateway, is_worker};
use crate::command::{Order, Target, submit};
use crate::document::{flag, list, text};
use crate::request::Request;
use crate::staleness;
use crate::world::World;

/// The members the body of a cluster command may have.
const CLUSTER_MEMBERS: [&str; 11] = [
    "items",
    "restartOnlyStaleServices",
    "redeployClientConfiguration",
    "restartServiceNames",
    "slaveBatchSize",
    "sleepSeconds",
    "slaveFailCountThreshold",
    "staleConfigsOnly",
    "unUpgradedOnly",
    "rolesToInclude",
    "rackBatchSize",
];
/// The members the body of a service command may have.
const SERVICE_MEMBERS: [&str; 8] = [
    "items",
    "slaveBatchSize",
    "sleepSeconds",
    "slaveFailCountThreshold",
    "staleConfigsOnly",
    "unUpgradedOnly",
    "restartRoleTypes",
    "restartRoleNames",
];

/// The API name of a command and what it does to each role.
fn meaning(word: &str) -> Option<(&'static str, &'static str)> {
    match word {
        "start" => Some(("Start", "start")),
        "stop" => Some(("Stop", "stop")),
        "restart" => Some(("Restart", "restart")),
        "rollingRestart" => Some(("RollingRestart", "restart")),
        "refresh" => Some(("Refresh", "refresh")),
        "deployClientConfig" => Some(("DeployClientConfig", "")),
        _ => None,
    }
}

/// `POST /clusters/{c}/commands/{word}`.
pub(super) fn on_cluster(world: &mut World, cluster: &str, word: &str, request: &Request) -> Reply {
    let (name, role_effect) = match word {
        "refresh" => ("RefreshCluster", "refresh"),
        "deployClientConfigsAndRefresh" => ("DeployClientConfigsAndRefresh", "refresh"),
        _ => meaning(word).ok_or_else(Refusal::no_path)?,
    };
    post(request)?;
    let body = request.optional_object(&CLUSTER_MEMBERS)?;
    let rolling = word == "rollingRestart";
    let mut targets = Vec::new();
    for service in chosen_services(world, cluster, &body) {
        let roles = world.service_at(service);
        let chosen = list(roles, "roles").iter().filter(|role| {
            wanted(role, role_effect)
                && (!rolling || rolls(role, &body))
                && (!flag(&body, "staleConfigsOnly") || is_stale(world, role))
        });
        let roles: Vec<String> = chosen.map(|role| text(role, "name").to_owned()).collect();
        if !roles.is_empty() {
            targets.push(Target { service, roles });
        }
    }
    let deploys =
        word.starts_with("deployClientConfig") || flag(&body, "redeployClientConfiguration");
    let cluster = Some(cluster.to_owned());
    submit(world, &Order { name, role_effect, deploys, cluster, targets, single_role: false })
}

/// `POST …/services/{s}/commands/{word}`.
pub(super) fn on_service(
    world: &mut World,
    service: usize,
    word: &str,
    request: &Request,
) -> Reply {
    let (name, role_effect) =
        meaning(word).filter(|_| word != "refresh").ok_or_else(Refusal::no_path)?;
    post(request)?;
    let body = request.optional_object(&SERVICE_MEMBERS)?;
    let named = |member: &str, name: &str| {
        let given = list(&body, member);
        given.is_empty() || given.iter().any(|entry| entry.as_str() == Some(name))
    };
    let chosen = list(world.service_at(service), "roles").iter().filter(|role| {
        wanted(role, role_effect)
            && named("restartRoleTypes", text(role, "type"))
            && named("restartRoleNames", text(role, "name"))
            && (!flag(&body, "staleConfigsOnly") || is_stale(world, role))
    });
    let roles: Vec<String> = chosen.map(|role| text(role, "name").to_owned()).collect();
    let deploys = word == "deployClientConfig";
    let targets = vec![Target { service, roles }];
    submit(world, &Order { name, role_effect, deploys, cluster: None, targets, single_role: false })
}

/// `POST …/services/{s}/roleCommands/{word}` with a list of role names.
pub(super) fn on_roles(world: &mut World, service: usize, word: &str, request: &Request) -> Reply {
    let known = meaning(word).filter(|(_, effect)| !effect.is_empty() && word != "rollingRestart");
    let (name, role_effect) = known.ok_or_else(Refusal::no_path)?;
    post(request)?;
    let body = request.object(&["items"])?;
    let (mut commands, mut errors) = (Vec::new(), Vec::new());
    for given in list(&body, "items").iter().filter_map(Value::as_str) {
        let Some(role) = role_named(world, service, given) else {
            errors.push(format!("Role '{given}' not found."));
            continue;
        };
        let targets = vec![Target { service, roles: vec![role] }];
        let order =
            Order { name, role_effect, deploys: false, cluster: None, targets, single_role: true };
        match submit(world, &order) {
            Ok(command) => commands.push(command),
            Err(refusal) => errors.push(refusal.message),
        }
    }
    if commands.is_empty() && !errors.is_empty() {
        return Err(Refusal::bad(errors.join(" ")));
    }
    Ok(json!({ "items": commands, "errors": errors }))
}

/// A role by name; scripts in use address the management roles by type.
fn role_named(world: &World, service: usize, name: &str) -> Option<String> {
    let owner = world.service_at(service);
    let by_type = text(owner, "type") == "MGMT";
    let mut roles = list(owner, "roles").iter();
    let found =
        roles.find(|role| text(role, "name") == name || (by_type && text(role, "type") == name));
    found.map(|role| text(role, "name").to_owned())
}

/// Whether a command with this effect has a part for the role.
fn wanted(role: &Value, effect: &str) -> bool {
    let gateway = is_gateway(text(role, "type"));
    match effect {
        "" => gateway,
        "refresh" => !gateway && text(role, "state") == "STARTED",
        _ => !gateway,
    }
}

/// Whether a rolling restart of a cluster includes the role; only workers unless told otherwise.
fn rolls(role: &Value, body: &Value) -> bool {
    let worker = is_worker(text(role, "type"));
    match text(body, "rolesToInclude") {
        "ALL_ROLES" => true,
        "NON_SLAVES_ONLY" => !worker,
        _ => worker,
    }
}

fn is_stale(world: &World, role: &Value) -> bool {
    staleness::of_role(role, world.now) != "FRESH"
}

/// The services of a cluster that pass both filters of a restart.
fn chosen_services(world: &World, cluster: &str, body: &Value) -> Vec<usize> {
    let names = list(body, "restartServiceNames");
    let stale_only = flag(body, "restartOnlyStaleServices");
    let chosen = |index: &usize| {
        let service = world.service_at(*index);
        let named = names.is_empty() || names.contains(&service["name"]);
        let stale = staleness::of_service(service, world.now) != "FRESH"
            || staleness::of_client(service, world.now) != "FRESH";
        named && (!stale_only || stale)
    };
    world.services_of(cluster).into_iter().filter(chosen).collect()
}
