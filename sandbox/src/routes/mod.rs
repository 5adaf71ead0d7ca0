//! From a path to the piece of the manager that answers it.

mod access;
mod clusters;
mod control_planes;
mod deployment;
mod events;
mod export;
mod groups;
mod hosts;
mod manager;
mod membership;
mod parcels;
mod replications;
mod roles;
mod service_commands;
mod services;
mod timeseries;

use serde_json::json;

use crate::answer::{Refusal, Reply};
use crate::command;
use crate::request::Request;
use crate::world::World;

/// Answers a request; `path` is what follows `/api/vNN`.
pub(crate) fn route(world: &mut World, path: &[&str], request: &Request) -> Reply {
    match path {
        ["cm", rest @ ..] => manager::route(world, rest, request),
        ["clusters", rest @ ..] => clusters::route(world, rest, request),
        ["hosts", rest @ ..] => hosts::route(world, rest, request),
        ["users", rest @ ..] => access::users(world, rest, request),
        ["controlPlanes", rest @ ..] => control_planes::route(world, rest, request),
        ["events"] => events::route(world, request),
        ["timeseries"] => timeseries::route(world, request),
        ["commands", id] => {
            read(request)?;
            command::show(world, command_id(id)?, true)
        }
        ["commands", id, "abort"] => {
            post(request)?;
            command::abort(world, command_id(id)?)
        }
        ["tools", "echo"] => {
            read(request)?;
            let message = request.parameter("message");
            Ok(json!({ "message": message.unwrap_or_else(|| "Hello, World!".to_owned()) }))
        }
        ["tools", "echoError"] => {
            read(request)?;
            Err(Refusal::bad(request.parameter("message").unwrap_or_default()))
        }
        _ => Err(Refusal::no_path()),
    }
}

/// Refuses anything but reading.
fn read(request: &Request) -> Result<(), Refusal> {
    if request.is_read() { Ok(()) } else { Err(Refusal::method()) }
}

/// Refuses anything but POST.
fn post(request: &Request) -> Result<(), Refusal> {
    if request.method == "POST" { Ok(()) } else { Err(Refusal::method()) }
}

fn command_id(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| Refusal::missing("Command", text))
}
