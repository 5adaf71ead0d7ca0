//! `group_vars/` and `host_vars/`: files and folders of variables, in Ansible's order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::hosts::Hosts;
use super::scalar::Dialect;
use super::source::Sources;
use crate::model::{Data, Diagnostic, Node};

/// Variables by name, unrendered.
pub type VarMap = IndexMap<Arc<str>, Arc<Node>>;

/// What Ansible reads as variables: these extensions, or none at all.
const EXTENSIONS: [&str; 4] = ["", "yml", "yaml", "json"];

/// Loads `group_vars/` and `host_vars/` in `folder` into the groups and hosts of `hosts`.
pub fn load_folders(sources: &mut Sources, folder: &Path, hosts: &mut Hosts) {
    for index in 0..hosts.groups.len() {
        let name = hosts.group_name(index).to_string();
        let vars = load(sources, &folder.join("group_vars"), &name);
        hosts.groups[index].files = vars;
    }
    for index in 0..hosts.hosts.len() {
        let name = hosts.host_name(index);
        let vars = load(sources, &folder.join("host_vars"), &name);
        hosts.hosts[index].files = vars;
    }
}

/// Loads what `folder` says of `name`: a file, or a folder of files.
fn load(sources: &mut Sources, folder: &Path, name: &str) -> VarMap {
    let mut vars = VarMap::new();
    for file in sources_of(folder, name) {
        let Some(node) = sources.yaml(&file, Dialect::Ansible) else { continue };
        if node.as_map().is_none() && !is_falsy(&node) {
            let said = format!("expected a mapping, found {}", node.sort());
            sources.mistakes.push(Diagnostic::error(said).at(&node.place));
        }
        for (key, value) in node.as_map().into_iter().flat_map(|map| map.iter()) {
            vars.insert(key.name.clone(), Arc::new(value.clone()));
        }
    }
    vars
}

/// Returns the files that hold the variables of `name`, in the order Ansible reads them: the
/// first of `name`, `name.yml`, `name.yaml`, `name.json` that exists, be it a file or a folder.
fn sources_of(folder: &Path, name: &str) -> Vec<PathBuf> {
    if name.starts_with('/') {
        return Vec::new();
    }
    let mut files = Vec::new();
    for extension in EXTENSIONS {
        let path = match extension {
            "" => folder.join(name),
            extension => folder.join(format!("{name}.{extension}")),
        };
        if path.is_dir() {
            files_of_folder(&path, &mut files);
        } else if path.is_file() {
            files.push(path);
        } else {
            continue;
        }
        break;
    }
    files
}

/// True when `name`, as a path below `group_vars` or `host_vars`, climbs out of the folder that
/// holds them.
pub fn leaves_the_inventory(name: &str) -> bool {
    let mut level = 1;
    !name.starts_with('/')
        && name.split('/').any(|part| {
            level += match part {
                ".." => -1,
                "" | "." => 0,
                _ => 1,
            };
            level < 0
        })
}

/// True for what Python takes for false: nothing, zero, and empty text or collections.
pub fn is_falsy(node: &Node) -> bool {
    match &node.data {
        Data::Null | Data::Bool(false, _) | Data::Int(0, _) => true,
        Data::Float(value, _) => *value == 0.0,
        Data::Text(text) | Data::Literal(text) => text.is_empty(),
        Data::List(items) => items.is_empty(),
        Data::Map(map) => map.0.is_empty(),
        Data::Bool(..) | Data::Int(..) | Data::Vault(_) | Data::Secret(_) => false,
    }
}

fn files_of_folder(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        if path.is_dir() {
            if extension.is_none() {
                files_of_folder(&path, files);
            }
        } else if extension.is_none_or(|e| !e.is_empty() && EXTENSIONS.contains(&e)) {
            files.push(path);
        }
    }
}
