//! What a template can see: variables of the host or side, of the resource, and a few given names.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use super::hosts::{Hosts, Layer};
use super::module::Param;
use super::pair::Pair;
use super::secrets::Secrets;
use super::vars::VarMap;
use crate::model::{Node, Target};

/// What all scopes of an inventory share.
pub struct World {
    /// Groups, hosts and their variables.
    pub hosts: Hosts,
    /// The pair: sides, translation.
    pub pair: Pair,
    /// Opens secrets.
    pub secrets: Secrets,
    /// The inventory's folder.
    pub folder: PathBuf,
    /// Which side every host belongs to, by host index.
    pub side_of: Vec<Option<Arc<str>>>,
}

/// Variables that belong to a resource, a loop or a module's use.
#[derive(Debug)]
pub struct Locals {
    /// The variables, unrendered.
    pub vars: VarMap,
    /// True for a module's parameters: their values are rendered where the module is used, so a
    /// parameter may be given the variable of the same name.
    pub outer: bool,
    /// What a module's parameters must be, checked once their values are known.
    pub types: IndexMap<Arc<str>, Param>,
    /// The `loop` of a module's use: in the place of these variables there will be `item`, for each
    /// of the items in turn.
    pub repeat: Option<Node>,
}

impl Locals {
    /// Returns the variables of a resource.
    pub fn of(vars: VarMap) -> Locals {
        Locals { vars, outer: false, types: IndexMap::new(), repeat: None }
    }
}

/// What one target's templates can see.
#[derive(Clone)]
pub struct Scope {
    /// The inventory.
    pub world: Arc<World>,
    /// The side of the target.
    pub side: Arc<str>,
    /// The host, for a host's resources.
    pub host: Option<usize>,
    /// The target's inventory variables, lowest precedence first.
    pub layers: Arc<Vec<Layer>>,
    /// Innermost last.
    pub locals: Vec<Arc<Locals>>,
}

/// Names every template can use, beside variables.
pub const GIVEN: [&str; 11] = [
    "side",
    "peer",
    "translate",
    "translations",
    "groups",
    "group_names",
    "hostvars",
    "inventory_hostname",
    "inventory_hostname_short",
    "inventory_dir",
    "omit",
];

impl Scope {
    /// Returns the scope of a host.
    pub fn of_host(world: &Arc<World>, side: &Arc<str>, host: usize) -> Scope {
        let layers = Arc::new(world.hosts.layers(host).to_vec());
        Scope { world: world.clone(), side: side.clone(), host: Some(host), layers, locals: vec![] }
    }

    /// Returns the scope of a side's manager: the variables of the side's group.
    pub fn of_side(world: &Arc<World>, side: &Arc<str>) -> Scope {
        let group =
            world.pair.sides.get(side).and_then(|s| world.hosts.groups.get_index_of(&*s.group));
        let layers = group.map(|group| world.hosts.group_layers(group)).unwrap_or_default();
        let layers = Arc::new(layers);
        Scope { world: world.clone(), side: side.clone(), host: None, layers, locals: vec![] }
    }

    /// Returns this scope with `locals` innermost.
    #[must_use]
    pub fn with(&self, locals: Arc<Locals>) -> Scope {
        let mut scope = self.clone();
        scope.locals.push(locals);
        scope
    }

    /// Finds a variable: its unrendered value, and the scope to render it in when that is not this
    /// one.
    pub fn find(&self, name: &str) -> Option<(Arc<Node>, Option<Scope>)> {
        for (depth, locals) in self.locals.iter().enumerate().rev() {
            if let Some(node) = locals.vars.get(name) {
                let keep = if locals.outer { depth } else { depth + 1 };
                let outer = (keep < self.locals.len()).then(|| {
                    let mut scope = self.clone();
                    scope.locals.truncate(keep);
                    scope
                });
                return Some((node.clone(), outer));
            }
        }
        let found = self.layers.iter().rev().find_map(|layer| layer.get(name))?;
        let outer = (!self.locals.is_empty()).then(|| {
            let mut scope = self.clone();
            // An inventory variable may use what the resource declares, as in Ansible, but not
            // what a module calls its parameters.
            scope.locals.retain(|locals| !locals.outer);
            scope
        });
        Some((found.clone(), outer))
    }

    /// Returns the name of the other side, in a pair of two.
    pub fn peer(&self) -> Option<&Arc<str>> {
        let mut others = self.world.pair.sides.keys().filter(|name| **name != self.side);
        match (others.next(), others.next()) {
            (Some(peer), None) => Some(peer),
            _ => None,
        }
    }

    /// Returns the names of all variables in reach, for "did you mean".
    pub fn names(&self) -> Vec<Arc<str>> {
        let locals = self.locals.iter().flat_map(|locals| locals.vars.keys());
        let layers = self.layers.iter().flat_map(|layer| layer.keys());
        locals.chain(layers).cloned().chain(GIVEN.iter().map(|name| Arc::from(*name))).collect()
    }

    /// Returns the target this scope belongs to.
    pub fn target(&self) -> Target {
        match self.host {
            Some(host) => {
                Target::Host { side: self.side.clone(), host: self.world.hosts.host_name(host) }
            }
            None => Target::Manager { side: self.side.clone() },
        }
    }
}
