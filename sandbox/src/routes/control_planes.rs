//! `/controlPlanes`: Data Services on premises.

use super::{post, read};
use crate::answer::{Refusal, Reply};
use crate::command::{self, TaskTarget};
use crate::document::{list, text, wrap};
use crate::request::Request;
use crate::world::World;

/// Answers what is below `/controlPlanes`.
pub(super) fn route(world: &mut World, path: &[&str], request: &Request) -> Reply {
    let known = list(world.state, "controlPlanes");
    match path {
        [] => read(request).map(|()| wrap(known.to_vec())),
        ["commands", word] => {
            let task = command::task(TaskTarget::ControlPlanes, word);
            let task = task.ok_or_else(Refusal::no_path)?;
            post(request)?;
            command::submit_task(world, task, None, request)
        }
        [id] => {
            read(request)?;
            let found = known.iter().find(|plane| text(plane, "uuid") == *id).cloned();
            found.ok_or_else(|| Refusal::missing("Control plane", id))
        }
        _ => Err(Refusal::no_path()),
    }
}
