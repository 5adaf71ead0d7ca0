//! From text to meaning: YAML, templates, the inventory, modules, secrets. No network.

pub mod address;
pub mod expand;
pub mod filters;
pub mod hosts;
pub mod hosts_file;
mod implied;
pub mod inventory;
pub mod list;
pub mod module;
pub mod pair;
pub mod pattern;
pub mod playbook;
pub mod pyyaml;
pub mod range;
pub mod resource;
pub mod scalar;
pub mod scope;
pub mod secrets;
pub mod servers;
pub mod source;
pub mod ssh_args;
pub mod tag;
pub mod template;
pub mod vars;
pub mod yaml;
