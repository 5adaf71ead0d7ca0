//! `hosts.yaml`: a normal Ansible YAML inventory, with `group_vars/` and `host_vars/` beside it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use super::hosts_file;
use super::scalar::Dialect;
use super::source::Sources;
use super::vars::{self, VarMap};
use crate::model::{Diagnostic, Node};

/// A group of hosts.
#[derive(Debug, Default)]
pub struct Group {
    /// Variables written in the inventory file.
    pub inline: VarMap,
    /// Variables from `group_vars/`.
    pub files: VarMap,
    /// Hosts named in this group itself, in the order written.
    pub hosts: Vec<usize>,
    /// Child groups, in the order written.
    pub children: Vec<usize>,
    /// Parent groups.
    pub parents: Vec<usize>,
    /// `ansible_group_priority`: the higher one wins among groups of one depth.
    pub priority: i64,
    /// Longest way from `all`.
    pub depth: usize,
}

/// A host of the inventory.
#[derive(Debug, Default)]
pub struct Host {
    /// Variables written in the inventory file.
    pub inline: VarMap,
    /// Variables from `host_vars/`.
    pub files: VarMap,
    /// Groups that name the host themselves.
    pub groups: Vec<usize>,
    /// Taken out of `ungrouped`, where a child of `ungrouped` does not bring it back to.
    left_ungrouped: bool,
}

/// All groups and hosts, in the order first met.
#[derive(Debug, Default)]
pub struct Hosts {
    /// Groups by name; `all` is 0 and `ungrouped` is 1.
    pub groups: IndexMap<Arc<str>, Group>,
    /// Hosts by name.
    pub hosts: IndexMap<Arc<str>, Host>,
    /// Layers of variables per host, lowest precedence first.
    layers: Vec<Vec<Layer>>,
    /// Every group of a host, parents included, by host: sorted by precedence.
    ancestry: Vec<Vec<usize>>,
    /// The folder `hosts.yaml` was read from: `inventory_dir`.
    pub folder: String,
}

/// One layer of variables, shared by all hosts of a group.
pub type Layer = Arc<VarMap>;

/// The index of the group `all`.
pub const ALL: usize = 0;
/// The index of the group `ungrouped`.
pub const UNGROUPED: usize = 1;

impl Hosts {
    /// Loads `file` with the `group_vars` and `host_vars` beside it; mistakes go to `sources`.
    pub fn load(sources: &mut Sources, file: &Path) -> Hosts {
        let mut hosts = Hosts::default();
        hosts.group_index("all");
        hosts.group_index("ungrouped");
        // Inventories have it as the first child of `all`.
        hosts.link(ALL, UNGROUPED);
        if let Some(node) = sources.mapping(file, Dialect::Ansible) {
            sources.mistakes.extend(hosts_file::read(&mut hosts, &node));
        }
        sources.mistakes.extend(hosts.reconcile());
        if let Some(folder) = file.parent() {
            hosts.folder = folder.display().to_string();
            vars::load_folders(sources, folder, &mut hosts);
        }
        hosts.settle();
        hosts
    }

    /// Returns the index of the group `name`, which is created if need be.
    pub fn group_index(&mut self, name: &str) -> usize {
        let entry = self.groups.entry(Arc::from(name));
        let index = entry.index();
        entry.or_insert_with(|| Group { priority: 1, ..Group::default() });
        index
    }

    /// Returns the index of the host `name`, which is created if need be.
    pub fn host_index(&mut self, name: &str) -> usize {
        let entry = self.hosts.entry(Arc::from(name));
        let index = entry.index();
        entry.or_default();
        index
    }

    /// Puts a host into a group, unless it is there already.
    pub fn join(&mut self, group: usize, host: usize) {
        if !self.hosts[host].groups.contains(&group) {
            self.hosts[host].groups.push(group);
            self.groups[group].hosts.push(host);
        }
    }

    /// Makes `child` a child of `parent`.
    ///
    /// Errors: the circle this would close, as `a → b → a`.
    pub fn adopt(&mut self, parent: usize, child: usize) -> Result<(), String> {
        match self.circle(parent, child) {
            Some(circle) => Err(circle),
            None => {
                self.link(parent, child);
                Ok(())
            }
        }
    }

    fn link(&mut self, parent: usize, child: usize) {
        if !self.groups[child].parents.contains(&parent) {
            self.groups[parent].children.push(child);
            self.groups[child].parents.push(parent);
        }
    }

    /// Puts parentless groups under `all` and hosts without a group under `ungrouped`.
    fn reconcile(&mut self) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        for group in 1..self.groups.len() {
            if self.groups[group].parents.is_empty() {
                self.link(ALL, group);
            }
        }
        for host in 0..self.hosts.len() {
            let name = self.host_name(host);
            let groups = self.ancestors(&self.hosts[host].groups);
            let real = groups.iter().any(|g| *g != ALL && *g != UNGROUPED);
            if groups.contains(&UNGROUPED) {
                if real && self.hosts[host].groups.contains(&UNGROUPED) {
                    self.hosts[host].left_ungrouped = true;
                    self.hosts[host].groups.retain(|g| *g != UNGROUPED);
                    self.groups[UNGROUPED].hosts.retain(|h| *h != host);
                }
            } else if !real {
                // Ansible goes by the name, and looks among the groups first.
                match self.groups.get_index_of(&name) {
                    Some(group) => mistakes.extend(self.group_for_host(group).err()),
                    None => self.join(UNGROUPED, host),
                }
            }
        }
        mistakes
    }

    /// Puts a group under `ungrouped` where a host of its name is in no group.
    fn group_for_host(&mut self, group: usize) -> Result<(), Diagnostic> {
        self.adopt(UNGROUPED, group).map_err(|circle| {
            let name = self.group_name(group);
            Diagnostic::error(format!("the host `{name}` is in no group and has the name of one"))
                .because(format!("Ansible then makes a circle of groups: {circle}."))
        })?;
        for host in self.members(group) {
            self.hosts[host].left_ungrouped = false;
        }
        Ok(())
    }

    /// Returns the circle that `child` below `parent` would close, as `a → b → a`.
    fn circle(&self, parent: usize, child: usize) -> Option<String> {
        if child == ALL {
            // Every group comes below `all` in the end.
            return Some(format!("all → {} → all", self.group_name(parent)));
        }
        let mut below: HashMap<usize, usize> = HashMap::from([(parent, child)]);
        let mut open = vec![parent];
        while let Some(group) = open.pop().filter(|_| !below.contains_key(&child)) {
            for above in &self.groups[group].parents {
                if !below.contains_key(above) {
                    below.insert(*above, group);
                    open.push(*above);
                }
            }
        }
        let mut next = *below.get(&child)?;
        let mut names = vec![self.group_name(child)];
        while next != child {
            names.push(self.group_name(next));
            next = *below.get(&next)?;
        }
        names.push(self.group_name(child));
        Some(names.join(" → "))
    }

    /// Computes depths and the layers of variables of every host.
    fn settle(&mut self) {
        self.deepen();
        let group_layers: Vec<(Layer, Layer)> = self
            .groups
            .values()
            .map(|group| (Arc::new(group.inline.clone()), Arc::new(group.files.clone())))
            .collect();
        for host in 0..self.hosts.len() {
            let mut groups = self.ancestors(&self.hosts[host].groups);
            groups.retain(|group| *group != UNGROUPED || !self.hosts[host].left_ungrouped);
            let mut layers: Vec<Layer> = Vec::new();
            // Ansible's VARIABLE_PRECEDENCE: what the inventory file says of `all`, then of the
            // other groups; then group_vars/all, then the other group_vars; then the host's own.
            layers.extend(groups.iter().map(|g| group_layers[*g].0.clone()));
            layers.extend(groups.iter().map(|g| group_layers[*g].1.clone()));
            layers.push(Arc::new(self.hosts[host].inline.clone()));
            layers.push(Arc::new(self.hosts[host].files.clone()));
            layers.retain(|layer| !layer.is_empty());
            self.layers.push(layers);
            self.ancestry.push(groups);
        }
    }

    /// Sets every depth to the longest way from `all`, each group after all its parents.
    fn deepen(&mut self) {
        let mut parents: Vec<usize> = self.groups.values().map(|g| g.parents.len()).collect();
        let mut open = vec![ALL];
        while let Some(group) = open.pop() {
            let depth = self.groups[group].depth + 1;
            for child in self.groups[group].children.clone() {
                self.groups[child].depth = self.groups[child].depth.max(depth);
                parents[child] -= 1;
                if parents[child] == 0 {
                    open.push(child);
                }
            }
        }
    }

    /// Returns `groups` and all their ancestors, lowest precedence first.
    pub fn ancestors(&self, groups: &[usize]) -> Vec<usize> {
        let mut found: Vec<usize> = vec![ALL];
        let mut open: Vec<usize> = groups.to_vec();
        while let Some(group) = open.pop() {
            if !found.contains(&group) {
                found.push(group);
                open.extend(&self.groups[group].parents);
            }
        }
        found.sort_by_key(|g| {
            (self.groups[*g].depth, self.groups[*g].priority, self.group_name(*g))
        });
        found
    }

    /// Returns a group's name.
    pub fn group_name(&self, group: usize) -> &str {
        self.groups.get_index(group).map_or("", |(name, _)| name)
    }

    /// Returns a host's name.
    pub fn host_name(&self, host: usize) -> Arc<str> {
        self.hosts.get_index(host).map_or_else(|| Arc::from(""), |(name, _)| name.clone())
    }

    /// Returns the layers of a host's variables, lowest precedence first.
    pub fn layers(&self, host: usize) -> &[Layer] {
        self.layers.get(host).map_or(&[], Vec::as_slice)
    }

    /// Returns every group of a host, parents included.
    pub fn groups_of(&self, host: usize) -> &[usize] {
        self.ancestry.get(host).map_or(&[], Vec::as_slice)
    }

    /// Returns the layers of a group's variables, its parents' included, lowest precedence first.
    pub fn group_layers(&self, group: usize) -> Vec<Layer> {
        let groups = self.ancestors(&[group]);
        let inline = groups.iter().map(|g| Arc::new(self.groups[*g].inline.clone()));
        let files = groups.iter().map(|g| Arc::new(self.groups[*g].files.clone()));
        inline.chain(files).filter(|layer| !layer.is_empty()).collect()
    }

    /// Returns the hosts of a group and of its children, each once, in the order written.
    pub fn members(&self, group: usize) -> Vec<usize> {
        let mut seen = vec![false; self.hosts.len()];
        let (mut found, mut open) = (Vec::new(), vec![group]);
        let mut visited = vec![false; self.groups.len()];
        while let Some(group) = open.pop() {
            if std::mem::replace(&mut visited[group], true) {
                continue;
            }
            for host in &self.groups[group].hosts {
                if !std::mem::replace(&mut seen[*host], true) {
                    found.push(*host);
                }
            }
            open.extend(self.groups[group].children.iter().rev());
        }
        found
    }

    /// Returns a host's variable as the highest layer has it, unrendered.
    pub fn variable(&self, host: usize, name: &str) -> Option<&Arc<Node>> {
        self.layers(host).iter().rev().find_map(|layer| layer.get(name))
    }
}
