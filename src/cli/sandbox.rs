//! `drsync sandbox`

use std::path::Path;

use serde_json::json;

use super::arguments::SandboxCommand;
use super::exit::{Code, Fault};
use super::{load, world};
use crate::engine::state::State;
use crate::lang::inventory::Inventory;
use crate::model::Diagnostic;
use crate::view;

/// Serves or resets the simulated part of an inventory.
pub fn run(command: &SandboxCommand) -> Result<Code, Fault> {
    match command {
        SandboxCommand::Serve { inventory } => serve(inventory.as_deref()),
        SandboxCommand::Reset { inventory } => reset(inventory.as_deref()),
    }
}

fn loaded(folder: Option<&Path>) -> Result<Inventory, Fault> {
    let inventory = load::inventory(folder)?;
    // The simulated part needs pair.yaml alone.
    match inventory.world.pair.sides.is_empty() {
        true => Err(Fault::invalid(inventory.diagnostics, inventory.texts)),
        false => Ok(inventory),
    }
}

fn serve(folder: Option<&Path>) -> Result<Code, Fault> {
    let inventory = loaded(folder)?;
    let sides: Vec<_> = inventory
        .world
        .pair
        .sides
        .iter()
        .filter(|(_, side)| side.manager.as_ref().is_some_and(|m| m.sandbox.is_some()))
        .map(|(name, _)| name.clone())
        .collect();
    if sides.is_empty() {
        let said = "this inventory has no simulated manager";
        return Err(Fault::new(Code::Usage, Diagnostic::error(said)));
    }
    world::block_on(async {
        let state = State::new(inventory.state_folder());
        let mut managers = Vec::new();
        for side in sides {
            let (manager, way) = world::simulate(&inventory, &state, &side).await?;
            let line = json!({
                "side": &*side,
                "url": way.url,
                "user": way.user,
                "password": way.password.reveal(),
            });
            view::credentials(&line.to_string());
            managers.push(manager);
        }
        world::interrupted().await;
        for manager in managers {
            manager.stop().await;
        }
        Ok(Code::Done)
    })?
}

fn reset(folder: Option<&Path>) -> Result<Code, Fault> {
    let inventory = loaded(folder)?;
    let state = State::new(inventory.state_folder());
    for part in ["hosts", "managers", "commands"] {
        let path = state.path(part);
        match std::fs::remove_dir_all(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                let said = format!("cannot remove `{}`", path.display());
                let diagnostic = Diagnostic::error(said).because(error.to_string());
                return Err(Fault::new(Code::Failed, diagnostic));
            }
        }
    }
    Ok(Code::Done)
}
