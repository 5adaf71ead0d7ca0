//! `/cm`: the manager itself and its management service.

use serde_json::{Value, json};

use super::{deployment, read, services};
use crate::answer::{Refusal, Reply};
use crate::clock::iso;
use crate::command;
use crate::config;
use crate::document::{list, number, text, wrap};
use crate::request::Request;
use crate::world::{Place, World};

/// Answers what is below `/cm`.
pub(super) fn route(world: &mut World, path: &[&str], request: &Request) -> Reply {
    match path {
        ["config"] => config::route(world, Place::Manager, request),
        ["allHosts", "config"] => config::route(world, Place::AllHosts, request),
        ["version"] => read(request).map(|()| world.state["version"].clone()),
        ["instances"] => read(request).map(|()| wrap(vec![instance(world)])),
        ["instances", id] => {
            read(request)?;
            let own = instance(world);
            if text(&own, "cmServerId") == *id {
                Ok(own)
            } else {
                Err(Refusal::missing("Instance", id))
            }
        }
        ["scmDbInfo"] => {
            read(request)?;
            Ok(json!({ "scmDbType": "POSTGRESQL", "embeddedDbUsed": false }))
        }
        ["commands"] => read(request).map(|()| command::active(world, None, None)),
        ["peers"] => read(request).map(|()| wrap(list(world.state, "peers").to_vec())),
        ["deployment"] => read(request).map(|()| deployment::export(world)),
        ["shutdownReadiness"] => read(request).map(|()| json!({ "state": "READY" })),
        ["service", rest @ ..] => {
            let index = world.management()?;
            services::one(world, index, rest, request)
        }
        _ => Err(Refusal::no_path()),
    }
}

/// The users who may log in.
pub(super) fn users(world: &World) -> Value {
    let user = |user: &Value| {
        let roles = list(user, "authRoles").iter().filter_map(Value::as_str);
        let roles: Vec<Value> = roles.map(|role| json!({ "name": role })).collect();
        json!({ "name": text(user, "name"), "authRoles": roles })
    };
    wrap(list(world.state, "users").iter().map(user).collect())
}

fn instance(world: &World) -> Value {
    let server = &world.state["server"];
    json!({
        "cmServerId": text(server, "cmServerId"),
        "name": text(server, "name"),
        "ipAddress": text(server, "ipAddress"),
        "createdTime": iso(number(server, "created")),
        "lastUpdatedTime": iso(world.now),
    })
}
