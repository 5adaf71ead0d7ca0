//! `/users` and `/cm/peers`: who may log in, and which other managers are known.

use serde_json::{Value, json};

use super::read;
use crate::answer::{Refusal, Reply};
use crate::document::{list, list_mut, text, wrap};
use crate::request::{Request, check_members};
use crate::world::World;

/// The roles there are.
const ROLES: [&str; 11] = [
    "ROLE_ADMIN",
    "ROLE_USER",
    "ROLE_LIMITED",
    "ROLE_OPERATOR",
    "ROLE_CONFIGURATOR",
    "ROLE_CLUSTER_ADMIN",
    "ROLE_BDR_ADMIN",
    "ROLE_USER_ADMIN",
    "ROLE_KEY_ADMIN",
    "ROLE_NAVIGATOR_ADMIN",
    "ROLE_AUDITOR",
];
const USER: [&str; 6] = ["name", "password", "authRoles", "pwHash", "pwSalt", "pwLogin"];
const PEER: [&str; 7] = [
    "name",
    "type",
    "url",
    "username",
    "password",
    "clouderaManagerCreatedUser",
    "createUserWithAdminRole",
];

/// Answers what is below `/users`.
pub(super) fn users(world: &mut World, path: &[&str], request: &Request) -> Reply {
    match (path, request.method.as_str()) {
        ([], "POST") => {
            let body = request.object(&["items"])?;
            let mut made = Vec::new();
            for item in list(&body, "items") {
                check_members(item, &USER)?;
                let name = text(item, "name").trim();
                if name.is_empty() || user(world, name).is_ok() {
                    return Err(Refusal::bad(format!("User '{name}' already exists.")));
                }
                if text(item, "password").is_empty() {
                    return Err(Refusal::bad("A password is needed."));
                }
                let known = json!({ "name": name, "authRoles": roles(item)? });
                made.push(show_user(&known));
                list_mut(world.state, "users").push(known);
                world.changed = true;
            }
            Ok(wrap(made))
        }
        ([], _) => read(request).map(|()| all_users(world)),
        ([name], method) => {
            let at = user(world, name)?;
            match method {
                "PUT" => {
                    let body = request.object(&USER)?;
                    if body["authRoles"].is_array() {
                        world.state["users"][at]["authRoles"] = json!(roles(&body)?);
                        world.changed = true;
                    }
                }
                "DELETE" => {
                    world.changed = true;
                    return Ok(show_user(&list_mut(world.state, "users").remove(at)));
                }
                _ => read(request)?,
            }
            Ok(show_user(&world.state["users"][at]))
        }
        _ => Err(Refusal::no_path()),
    }
}

/// The users who may log in.
pub(super) fn all_users(world: &World) -> Value {
    wrap(list(world.state, "users").iter().map(show_user).collect())
}

fn show_user(user: &Value) -> Value {
    let roles = list(user, "authRoles").iter().filter_map(Value::as_str);
    let roles: Vec<Value> = roles.map(|role| json!({ "name": role })).collect();
    json!({ "name": text(user, "name"), "authRoles": roles })
}

fn user(world: &World, name: &str) -> Result<usize, Refusal> {
    let mut known = list(world.state, "users").iter();
    let found = known.position(|user| text(user, "name") == name);
    found.ok_or_else(|| Refusal::missing("User", name))
}

fn roles(user: &Value) -> Result<Vec<String>, Refusal> {
    let given = list(user, "authRoles").iter().map(|role| text(role, "name").to_owned());
    let given: Vec<String> = given.collect();
    match given.iter().find(|name| !ROLES.contains(&name.as_str())) {
        Some(name) => Err(Refusal::bad(format!("Unknown role '{name}'."))),
        None if given.is_empty() => Ok(vec!["ROLE_USER".into()]),
        None => Ok(given),
    }
}

/// Answers what is below `/cm/peers`. Passwords are taken and never told.
pub(super) fn peers(world: &mut World, path: &[&str], request: &Request) -> Reply {
    match (path, request.method.as_str()) {
        ([], "POST") => {
            let body = request.object(&PEER)?;
            let name = text(&body, "name");
            if name.is_empty() || peer(world, name).is_ok() {
                return Err(Refusal::bad(format!("Peer '{name}' already exists.")));
            }
            let known = plain(&body, &json!({ "type": "REPLICATION" }))?;
            list_mut(world.state, "peers").push(known.clone());
            world.changed = true;
            Ok(known)
        }
        ([], _) => read(request).map(|()| wrap(list(world.state, "peers").to_vec())),
        ([name], method) => {
            let at = peer(world, name)?;
            match method {
                "PUT" => {
                    let body = request.object(&PEER)?;
                    world.state["peers"][at] = plain(&body, &world.state["peers"][at])?;
                    world.changed = true;
                }
                "DELETE" => {
                    world.changed = true;
                    return Ok(list_mut(world.state, "peers").remove(at));
                }
                _ => read(request)?,
            }
            Ok(world.state["peers"][at].clone())
        }
        _ => Err(Refusal::no_path()),
    }
}

fn peer(world: &World, name: &str) -> Result<usize, Refusal> {
    let mut known = list(world.state, "peers").iter();
    let found = known.position(|peer| text(peer, "name") == name);
    found.ok_or_else(|| Refusal::missing("Peer", name))
}

/// What is kept of a peer: what is given, over what is known.
fn plain(given: &Value, known: &Value) -> Result<Value, Refusal> {
    let mut kept = known.clone();
    for member in PEER.iter().filter(|member| **member != "password") {
        if !given[*member].is_null() {
            kept[*member] = given[*member].clone();
        }
    }
    if !text(&kept, "url").starts_with("http") {
        return Err(Refusal::bad("The address of a peer starts with http."));
    }
    Ok(kept)
}
