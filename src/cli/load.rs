//! Finds and loads the inventory a command is about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arguments::Part;
use super::exit::{Code, Fault};
use super::outside::{Environment, MODULES};
use crate::engine::plan::{Prepared, prepare};
use crate::engine::select::Choice;
use crate::kinds;
use crate::lang::inventory::{Inventory, Outside};
use crate::lang::playbook::{self, Playbook};
use crate::lang::source::read_text;
use crate::model::Diagnostic;
use crate::view::{self, fault::Texts};

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
    chosen(part, choice(part, command)?, command)
}

/// Returns what the command line asks for; where it says nothing the playbook decides.
fn choice(part: &Part, command: &'static str) -> Result<Choice, Fault> {
    let playbook = part.playbook.as_deref().map(playbook::load).transpose();
    let playbook = playbook.map_err(|(mistakes, texts)| {
        Fault::invalid(mistakes, texts).with_json(part.json, command)
    })?;
    let or = |given: &Vec<String>, book: fn(&Playbook) -> &Vec<String>| match &playbook {
        Some(playbook) if given.is_empty() => book(playbook).clone(),
        _ => given.clone(),
    };
    Ok(Choice {
        sides: or(&part.sides, |p| &p.sides),
        limit: part.limit.clone().or_else(|| playbook.as_ref()?.limit.clone()),
        tags: or(&part.tags, |p| &p.tags),
        skip_tags: or(&part.skip_tags, |p| &p.skip_tags),
        kinds: or(&part.kinds, |p| &p.kinds),
    })
}

/// As [`prepared`], with a choice that does not come from the command line.
pub fn chosen(part: &Part, choice: Choice, command: &'static str) -> Result<Loaded, Fault> {
    let mut inventory = inventory(part.inventory.as_deref())?;
    let mut diagnostics = std::mem::take(&mut inventory.diagnostics);
    let invalid = |diagnostics: Vec<Diagnostic>, inventory: &Inventory| {
        let texts = texts(&diagnostics, inventory);
        Fault::invalid(diagnostics, texts).with_json(part.json, command)
    };
    // A broken inventory is looked at as far as it goes, so that all mistakes are told at once.
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    let checked = match choice.check(&inventory) {
        Ok(checked) => checked,
        Err(_) if broken => return Err(invalid(diagnostics, &inventory)),
        Err(mistakes) => return Err(Fault::usage(mistakes).with_json(part.json, command)),
    };
    let prepared = prepare(&inventory, &checked);
    diagnostics.extend(connections(&inventory));
    match prepared {
        Ok(prepared) if prepared.instances.is_empty() && !broken && !checked.is_everything() => {
            let said = "nothing that is declared matches the whole of this selection";
            Err(Fault::usage(vec![said.to_string()]).with_json(part.json, command))
        }
        Ok(mut prepared) if !diagnostics.iter().any(Diagnostic::is_error) => {
            diagnostics.append(&mut prepared.warnings);
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

/// Returns the texts of all files that `diagnostics` speak of, templates included.
fn texts(diagnostics: &[Diagnostic], inventory: &Inventory) -> Texts {
    let mut texts = inventory.texts.clone();
    for place in diagnostics.iter().filter_map(|diagnostic| diagnostic.place.as_ref()) {
        if !texts.contains_key(&place.file)
            && let Ok(text) = read_text(Path::new(&*place.file))
        {
            texts.insert(place.file.clone(), Arc::from(text));
        }
    }
    texts
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
