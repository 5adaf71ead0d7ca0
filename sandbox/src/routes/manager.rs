//! `/cm`: the manager itself and its management service.

use serde_json::{Value, json};

use super::{access, deployment, post, read, services};
use crate::answer::{Refusal, Reply};
use crate::clock::iso;
use crate::command::{self, TaskTarget};
use crate::config;
use crate::digest::uuid;
use crate::document::{number, text, wrap};
use crate::request::Request;
use crate::world::{Place, World};

/// Answers what is below `/cm`.
pub(super) fn route(world: &mut World, path: &[&str], request: &Request) -> Reply {
    match path {
        ["config"] => config::route(world, Place::Manager, request),
        ["allHosts", "config"] => config::route(world, Place::AllHosts, request),
        ["version"] => read(request).map(|()| world.state["version"].clone()),
        ["instances"] => read(request).map(|()| wrap(instances(world))),
        ["instances", id] => {
            read(request)?;
            let found = instances(world).into_iter().find(|own| text(own, "cmServerId") == *id);
            found.ok_or_else(|| Refusal::missing("Instance", id))
        }
        ["scmDbInfo"] => {
            read(request)?;
            Ok(json!({ "scmDbType": "POSTGRESQL", "embeddedDbUsed": false }))
        }
        ["commands"] => read(request).map(|()| command::active(world, None, None)),
        ["commands", "hostsDecommission"] => {
            on_hosts(world, request, "HostsDecommission", "DECOMMISSIONED")
        }
        ["commands", "hostsRecommission"] => {
            on_hosts(world, request, "HostsRecommission", "COMMISSIONED")
        }
        ["commands", "refreshParcelRepos"] => {
            post(request)?;
            command::submit_on_manager(world, "RefreshParcelRepos", "refreshParcels")
        }
        ["commands", word] => {
            let task = command::task(TaskTarget::Manager, word).ok_or_else(Refusal::no_path)?;
            post(request)?;
            command::submit_task(world, task, None, request)
        }
        ["peers", rest @ ..] => access::peers(world, rest, request),
        ["deployment"] => read(request).map(|()| deployment::export(world)),
        ["shutdownReadiness"] => read(request).map(|()| json!({ "state": "READY" })),
        ["service", rest @ ..] => {
            let index = world.management()?;
            services::one(world, index, rest, request)
        }
        _ => Err(Refusal::no_path()),
    }
}

/// A command on hosts, which are given by name.
fn on_hosts(
    world: &mut World,
    request: &Request,
    name: &'static str,
    effect: &'static str,
) -> Reply {
    post(request)?;
    let body = request.object(&["items"])?;
    let given = body["items"].as_array().filter(|items| !items.is_empty());
    let given = given.ok_or_else(|| Refusal::bad("`items` must be a list of names of hosts."))?;
    let mut hosts = Vec::new();
    for name in given {
        let index = world.host(name.as_str().unwrap_or_default())?;
        hosts.push(text(&world.state["hosts"][index], "hostname").to_owned());
    }
    command::submit_on_hosts(world, name, effect, &hosts)
}

/// The manager's servers; one that does not run was seen last when it was created.
fn instances(world: &World) -> Vec<Value> {
    let server = &world.state["server"];
    let created = iso(number(server, "created"));
    let instance = |name: &str, id: &str, seen: &str| {
        json!({
            "cmServerId": id,
            "name": name,
            "ipAddress": text(server, "ipAddress"),
            "createdTime": created,
            "lastUpdatedTime": seen,
        })
    };
    if world.servers.all.is_empty() {
        let (name, id) = (text(server, "name"), text(server, "cmServerId"));
        return vec![instance(name, id, &iso(world.now))];
    }
    let names = world.servers.all.iter();
    let seen = |name: &String| world.servers.running.iter().any(|running| running.name == *name);
    names
        .map(|name| match (world.servers.seen.get(name), seen(name)) {
            (Some(at), _) => instance(name, &uuid(name), &iso(*at)),
            (None, true) => instance(name, &uuid(name), &iso(world.now)),
            (None, false) => instance(name, &uuid(name), "2026-01-01T00:00:00.000Z"),
        })
        .collect()
}
