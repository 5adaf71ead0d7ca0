//! Finds and loads the inventory a command is about.

use std::path::{Path, PathBuf};

use super::arguments::Part;
use super::exit::{Code, Fault};
use super::outside::{Environment, MODULES};
use crate::engine::plan::{Prepared, prepare};
use crate::engine::select::Choice;
use crate::kinds;
use crate::lang::inventory::{Inventory, Outside};
use crate::model::Diagnostic;
use crate::view;

/// Returns the inventory's folder: the one given, or the only one below `inventories/`.
pub fn folder(given: Option<&Path>) -> Result<PathBuf, Fault> {
    if let Some(given) = given {
        return match given.is_dir() {
            true => Ok(given.to_path_buf()),
            false => Err(Fault::new(
                Code::Usage,
                Diagnostic::error(format!("there is no inventory folder `{}`", given.display())),
            )),
        };
    }
    let entries = std::fs::read_dir("inventories").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join("pair.yaml").is_file()).collect();
    folders.sort();
    match &folders[..] {
        [only] => Ok(only.clone()),
        [] => Err(Fault::new(
            Code::Usage,
            Diagnostic::error("no inventory is given")
                .hint("name its folder: -i DIR (or DRSYNC_INVENTORY=DIR)".to_string()),
        )),
        several => {
            let names: Vec<String> = several.iter().map(|f| f.display().to_string()).collect();
            Err(Fault::new(
                Code::Usage,
                Diagnostic::error("there are several inventories")
                    .because(names.join(", "))
                    .hint("choose one: -i DIR".to_string()),
            ))
        }
    }
}

/// Loads the inventory in `given`; warnings are told, errors are the fault.
pub fn inventory(given: Option<&Path>) -> Result<Inventory, Fault> {
    let folder = folder(given)?;
    let infos = kinds::infos();
    let outside = Outside { kinds: &infos, modules: &MODULES, secrets: Box::new(Environment) };
    Ok(Inventory::load(&folder, outside))
}

/// An inventory and what a command is to do with it.
pub struct Loaded {
    pub inventory: Inventory,
    pub prepared: Prepared,
    pub choice: Choice,
}

/// Loads, selects, expands and orders; nothing is contacted.
pub fn prepared(part: &Part, command: &'static str) -> Result<Loaded, Fault> {
    let choice = Choice {
        sides: part.sides.clone(),
        limit: part.limit.clone(),
        tags: part.tags.clone(),
        skip_tags: part.skip_tags.clone(),
        kinds: part.kinds.clone(),
    };
    chosen(part, choice, command)
}

/// As [`prepared`], with a choice that does not come from the command line.
pub fn chosen(part: &Part, choice: Choice, command: &'static str) -> Result<Loaded, Fault> {
    let mut inventory = inventory(part.inventory.as_deref())?;
    let mut diagnostics = std::mem::take(&mut inventory.diagnostics);
    let invalid = |diagnostics: Vec<Diagnostic>, inventory: &Inventory| {
        Fault::invalid(diagnostics, inventory.texts.clone()).as_json(part.json, command)
    };
    // A broken inventory is looked at as far as it goes, so that all mistakes are told at once.
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    let checked = match choice.check(&inventory) {
        Ok(checked) => checked,
        Err(_) if broken => return Err(invalid(diagnostics, &inventory)),
        Err(mistakes) => return Err(Fault::usage(mistakes).as_json(part.json, command)),
    };
    let prepared = prepare(&inventory, &checked);
    diagnostics.extend(connections(&inventory));
    match prepared {
        Ok(prepared) if !diagnostics.iter().any(Diagnostic::is_error) => {
            if !diagnostics.is_empty() {
                view::talk(&view::fault::text(&diagnostics, &inventory.texts));
            }
            Ok(Loaded { inventory, prepared, choice })
        }
        Ok(_) => Err(invalid(diagnostics, &inventory)),
        Err(mistakes) => {
            for mistake in mistakes {
                if !diagnostics.contains(&mistake) {
                    diagnostics.push(mistake);
                }
            }
            Err(invalid(diagnostics, &inventory))
        }
    }
}

/// Checks that every host and manager says how it is reached.
fn connections(inventory: &Inventory) -> Vec<Diagnostic> {
    let mut mistakes: Vec<Diagnostic> = Vec::new();
    let world = &inventory.world;
    let hosts = (0..world.hosts.hosts.len()).filter(|host| world.side_of[*host].is_some());
    let hosts = hosts.filter_map(|host| inventory.host_connection(host).err());
    let managers = world.pair.sides.keys();
    let managers = managers.filter_map(|side| inventory.manager_connection(side)?.err());
    for mistake in hosts.chain(managers).flatten() {
        if !mistakes.contains(&mistake) {
            mistakes.push(mistake);
        }
    }
    mistakes
}
