//! Role config groups of a service.

use serde_json::{Value, json};

use super::{read, roles, services};
use crate::answer::{Refusal, Reply};
use crate::config;
use crate::document::{list, list_mut, text, wrap};
use crate::request::{Request, check_members};
use crate::staleness;
use crate::world::{Place, World};

const MEMBERS: [&str; 6] = ["name", "roleType", "base", "config", "displayName", "serviceRef"];

/// Answers what is below `…/roleConfigGroups`.
pub(super) fn route(world: &mut World, service: usize, path: &[&str], request: &Request) -> Reply {
    // The groups of the management service are neither made, removed nor given roles.
    let is_change = matches!((path, request.method.as_str()), ([_], "PUT") | ([_, "config"], _));
    if text(world.service_at(service), "type") == "MGMT" && !is_change {
        read(request)?;
    }
    match path {
        [] if request.method == "POST" => create(world, service, request),
        [] => {
            read(request)?;
            request.full_view()?;
            let count = list(world.service_at(service), "groups").len();
            Ok(wrap((0..count).map(|group| show(world, service, group)).collect()))
        }
        ["roles"] if request.method == "PUT" => {
            let moved = request.object(&["items"])?;
            move_to_base(world, service, &moved)
        }
        [name, rest @ ..] => {
            let group = world.group(service, name)?;
            one(world, service, group, rest, request)
        }
    }
}

fn one(world: &mut World, service: usize, group: usize, path: &[&str], request: &Request) -> Reply {
    match (path, request.method.as_str()) {
        ([], "PUT") => change(world, service, group, request),
        ([], "DELETE") => delete(world, service, group),
        ([], _) => read(request).map(|()| show(world, service, group)),
        (["config"], _) => config::route(world, Place::Group(service, group), request),
        (["roles"], "PUT") => {
            let moved = request.object(&["items"])?;
            let name = text(&world.service_at(service)["groups"][group], "name").to_owned();
            for role in names(&moved)? {
                set_group(world, service, role, &name)?;
            }
            Ok(members(world, service, group))
        }
        (["roles"], _) => read(request).map(|()| members(world, service, group)),
        _ => Err(Refusal::no_path()),
    }
}

/// A group as the API shows it, with what is explicitly set.
fn show(world: &World, service: usize, group: usize) -> Value {
    let owner = world.service_at(service);
    let document = &owner["groups"][group];
    json!({
        "name": text(document, "name"),
        "roleType": text(document, "roleType"),
        "base": document["base"],
        "config": config::shown(world, Place::Group(service, group), false),
        "displayName": text(document, "displayName"),
        "serviceRef": services::reference(owner),
    })
}

/// The name of the display and the settings can be changed.
fn change(world: &mut World, service: usize, group: usize, request: &Request) -> Reply {
    let body = request.object(&MEMBERS)?;
    if body["config"].is_object() {
        check_members(&body["config"], &["items"])?;
        let message = request.parameter("message").unwrap_or_default();
        config::put(world, Place::Group(service, group), &body["config"], &message)?;
    }
    let name = text(&body, "displayName");
    if !name.is_empty() {
        world.state["services"][service]["groups"][group]["displayName"] = json!(name);
        world.changed = true;
    }
    Ok(show(world, service, group))
}

fn create(world: &mut World, service: usize, request: &Request) -> Reply {
    let body = request.object(&["items"])?;
    let first = list(world.service_at(service), "groups").len();
    for item in list(&body, "items") {
        check_members(item, &MEMBERS)?;
        let (name, role_type) = (text(item, "name"), text(item, "roleType"));
        let groups = list(world.service_at(service), "groups");
        if groups.iter().any(|group| text(group, "name") == name) {
            return Err(Refusal::bad(format!("Role configuration group '{name}' exists already.")));
        }
        if !groups.iter().any(|group| text(group, "roleType") == role_type) {
            return Err(Refusal::bad(format!("Unknown role type '{role_type}'.")));
        }
        let display_name = text(item, "displayName");
        let document = json!({
            "name": name,
            "roleType": role_type,
            "base": false,
            "displayName": if display_name.is_empty() { name } else { display_name },
            "config": {},
        });
        list_mut(&mut world.state["services"][service], "groups").push(document);
        world.changed = true;
    }
    let count = list(world.service_at(service), "groups").len();
    Ok(wrap((first..count).map(|group| show(world, service, group)).collect()))
}

fn delete(world: &mut World, service: usize, group: usize) -> Reply {
    let document = show(world, service, group);
    let used = list(world.service_at(service), "roles")
        .iter()
        .any(|role| text(role, "group") == text(&document, "name"));
    if document["base"] == json!(true) || used {
        return Err(Refusal::bad("A base group or a group with roles cannot be deleted."));
    }
    list_mut(&mut world.state["services"][service], "groups").remove(group);
    world.changed = true;
    Ok(document)
}

fn members(world: &World, service: usize, group: usize) -> Value {
    let name = text(&world.service_at(service)["groups"][group], "name");
    let all = list(world.service_at(service), "roles").iter().enumerate();
    let own = all.filter(|(_, role)| text(role, "group") == name);
    wrap(own.map(|(role, _)| roles::show(world, service, role, false)).collect())
}

/// The names of roles under `items`; the API takes nothing but a list of texts.
fn names(body: &Value) -> Result<Vec<&str>, Refusal> {
    let items = body["items"].as_array();
    let items = items.ok_or_else(|| Refusal::bad("`items` must be a list of names of roles."))?;
    let odd = |item: &Value| Refusal::bad(format!("Not the name of a role: {item}"));
    items.iter().map(|item| item.as_str().ok_or_else(|| odd(item))).collect()
}

fn move_to_base(world: &mut World, service: usize, body: &Value) -> Reply {
    let mut moved = Vec::new();
    for name in names(body)? {
        let role = world.role(service, name)?;
        let owner = world.service_at(service);
        let role_type = text(&owner["roles"][role], "type");
        let base = list(owner, "groups")
            .iter()
            .find(|group| group["base"] == json!(true) && text(group, "roleType") == role_type)
            .map(|group| text(group, "name").to_owned())
            .ok_or_else(|| Refusal::missing("Role configuration group", role_type))?;
        set_group(world, service, name, &base)?;
        moved.push(roles::show(world, service, role, false));
    }
    Ok(wrap(moved))
}

fn set_group(world: &mut World, service: usize, role: &str, group: &str) -> Result<(), Refusal> {
    let (role, target) = (world.role(service, role)?, world.group(service, group)?);
    let owner = &mut world.state["services"][service];
    if owner["roles"][role]["type"] != owner["groups"][target]["roleType"] {
        return Err(Refusal::bad(format!("Group '{group}' is for another role type.")));
    }
    owner["roles"][role]["group"] = json!(group);
    world.changed = true;
    staleness::announce(world);
    Ok(())
}
