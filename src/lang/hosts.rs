//! `hosts.yaml`: a normal Ansible YAML inventory, with `group_vars/` and `host_vars/` beside it.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use super::range;
use super::scalar::Dialect;
use super::source::Sources;
use super::vars::{self, VarMap};
use crate::model::nearest::did_you_mean;
use crate::model::{Diagnostic, Map, Node};

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
        if let Some(node) = sources.mapping(file, Dialect::Ansible) {
            let mut mistakes = Vec::new();
            for (name, body) in node.as_map().unwrap_or(&Map::default()).iter() {
                hosts.read_group(&name.name, body, None, &mut mistakes);
            }
            sources.mistakes.extend(mistakes);
        }
        hosts.reconcile();
        if let Some(folder) = file.parent() {
            hosts.folder = folder.display().to_string();
            vars::load_folders(sources, folder, &mut hosts);
        }
        if let Some(circle) = hosts.circle() {
            let said = format!("groups contain each other: {circle}");
            sources.mistakes.push(Diagnostic::error(said));
            return hosts;
        }
        hosts.settle();
        hosts
    }

    fn group_index(&mut self, name: &str) -> usize {
        let entry = self.groups.entry(Arc::from(name));
        let index = entry.index();
        entry.or_insert_with(|| Group { priority: 1, ..Group::default() });
        index
    }

    fn host_index(&mut self, name: &str) -> usize {
        let entry = self.hosts.entry(Arc::from(name));
        let index = entry.index();
        entry.or_default();
        index
    }

    /// Reads one group: `hosts`, `children` and `vars`.
    fn read_group(
        &mut self,
        name: &str,
        body: &Node,
        parent: Option<usize>,
        mistakes: &mut Vec<Diagnostic>,
    ) {
        let group = self.group_index(name);
        if let Some(parent) = parent {
            self.adopt(parent, group);
        }
        if matches!(body.data, crate::model::Data::Null) {
            return;
        }
        let Some(body) = body.as_map() else {
            let said = format!("group `{name}` must be a mapping, found {}", body.sort());
            mistakes.push(Diagnostic::error(said).at(&body.place).hint(
                "a group has `hosts`, `children` and `vars`".to_string(),
            ));
            return;
        };
        for (key, section) in body.iter() {
            match &*key.name {
                "hosts" => self.read_hosts(group, section, mistakes),
                "children" => self.read_children(group, section, mistakes),
                "vars" => self.read_vars(group, section, mistakes),
                other => mistakes.push(
                    Diagnostic::error(format!("unknown key `{other}` in group `{name}`"))
                        .at(&key.place)
                        .hint(
                            did_you_mean(other, ["hosts", "children", "vars"])
                                .or(Some("a group has `hosts`, `children` and `vars`".into())),
                        ),
                ),
            }
        }
    }

    fn read_children(&mut self, group: usize, section: &Node, mistakes: &mut Vec<Diagnostic>) {
        for (key, child) in section_entries(section, "children", mistakes) {
            self.read_group(&key, &child, Some(group), mistakes);
        }
    }

    fn read_vars(&mut self, group: usize, section: &Node, mistakes: &mut Vec<Diagnostic>) {
        let Some(map) = section_map(section, "vars", mistakes) else { return };
        for (key, value) in map.iter() {
            if &*key.name == "ansible_group_priority" {
                match value.as_text().and_then(|text| text.trim().parse().ok()) {
                    Some(priority) => self.groups[group].priority = priority,
                    None => mistakes.push(
                        Diagnostic::error("`ansible_group_priority` must be a whole number")
                            .at(&value.place),
                    ),
                }
                continue;
            }
            self.groups[group].inline.insert(key.name.clone(), Arc::new(value.clone()));
        }
    }

    fn read_hosts(&mut self, group: usize, section: &Node, mistakes: &mut Vec<Diagnostic>) {
        if let Some(text) = section.as_text() {
            return self.read_host(group, text, section, None, mistakes);
        }
        let Some(map) = section_map(section, "hosts", mistakes) else { return };
        for (key, body) in map.iter() {
            let at = Node::text(key.place.clone(), &key.name);
            self.read_host(group, &key.name, &at, Some(body), mistakes);
        }
    }

    fn read_host(
        &mut self,
        group: usize,
        pattern: &str,
        at: &Node,
        body: Option<&Node>,
        mistakes: &mut Vec<Diagnostic>,
    ) {
        let (names, port) = match split_port(pattern).and_then(|(name, port)| {
            range::expand(name).map(|names| (names, port))
        }) {
            Ok(found) => found,
            Err(said) => {
                mistakes.push(Diagnostic::error(said).at(&at.place));
                return;
            }
        };
        let vars = body.and_then(|body| section_map(body, "host variables", mistakes));
        for name in names {
            let host = self.host_index(&name);
            if !self.groups[group].hosts.contains(&host) {
                self.groups[group].hosts.push(host);
                self.hosts[host].groups.push(group);
            }
            if let Some(port) = port {
                let node = Node::new(
                    at.place.clone(),
                    crate::model::Data::Int(i64::from(port), Arc::from(port.to_string())),
                );
                self.hosts[host].inline.insert(Arc::from("ansible_port"), Arc::new(node));
            }
            for (key, value) in vars.iter().flat_map(|map| map.iter()) {
                self.hosts[host].inline.insert(key.name.clone(), Arc::new(value.clone()));
            }
        }
    }

    fn adopt(&mut self, parent: usize, child: usize) {
        if parent != child && !self.groups[parent].children.contains(&child) {
            self.groups[parent].children.push(child);
            self.groups[child].parents.push(parent);
        }
    }

    /// Puts parentless groups under `all` and hosts without a group under `ungrouped`.
    fn reconcile(&mut self) {
        self.adopt(ALL, UNGROUPED);
        for group in 1..self.groups.len() {
            if self.groups[group].parents.is_empty() {
                self.adopt(ALL, group);
            }
        }
        for host in 0..self.hosts.len() {
            let real = self.hosts[host].groups.iter().any(|g| *g != ALL && *g != UNGROUPED);
            let ungrouped = self.hosts[host].groups.contains(&UNGROUPED);
            if real && ungrouped {
                self.hosts[host].groups.retain(|g| *g != UNGROUPED);
                self.groups[UNGROUPED].hosts.retain(|h| *h != host);
            } else if !real && !ungrouped {
                self.hosts[host].groups.push(UNGROUPED);
                self.groups[UNGROUPED].hosts.push(host);
            }
        }
    }

    /// Returns a circle among the groups as `a → b → a`, if there is one.
    fn circle(&self) -> Option<String> {
        fn visit(hosts: &Hosts, group: usize, path: &mut Vec<usize>, done: &mut [bool]) -> bool {
            if path.contains(&group) {
                path.push(group);
                return true;
            }
            if done[group] {
                return false;
            }
            path.push(group);
            for child in &hosts.groups[group].children {
                if visit(hosts, *child, path, done) {
                    return true;
                }
            }
            path.pop();
            done[group] = true;
            false
        }
        let (mut path, mut done) = (Vec::new(), vec![false; self.groups.len()]);
        for group in 0..self.groups.len() {
            if visit(self, group, &mut path, &mut done) {
                let last = path.last().copied()?;
                let start = path.iter().position(|g| *g == last)?;
                let names: Vec<&str> = path[start..].iter().map(|g| self.group_name(*g)).collect();
                return Some(names.join(" → "));
            }
        }
        None
    }

    /// Computes depths and the layers of variables of every host.
    fn settle(&mut self) {
        for group in 0..self.groups.len() {
            self.deepen(group);
        }
        let group_layers: Vec<(Layer, Layer)> = self
            .groups
            .values()
            .map(|group| (Arc::new(group.inline.clone()), Arc::new(group.files.clone())))
            .collect();
        for host in 0..self.hosts.len() {
            let groups = self.ancestors(&self.hosts[host].groups);
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

    fn deepen(&mut self, group: usize) {
        for child in self.groups[group].children.clone() {
            if self.groups[child].depth <= self.groups[group].depth {
                self.groups[child].depth = self.groups[group].depth + 1;
                self.deepen(child);
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
        found.sort_by_key(|g| (self.groups[*g].depth, self.groups[*g].priority, self.group_name(*g)));
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

/// Splits `host:2222` and `[ipv6]:22`; a range's colons do not count.
fn split_port(pattern: &str) -> Result<(&str, Option<u16>), String> {
    if let Some((name, port)) = pattern.rsplit_once(':')
        && !port.is_empty()
        && port.bytes().all(|b| b.is_ascii_digit())
        && name.matches('[').count() == name.matches(']').count()
        && !name.contains("::")
        && name.split('[').next().is_some_and(|head| !head.contains(':'))
    {
        let number = port.parse().map_err(|_| format!("`{port}` is not a port number"))?;
        return Ok((name, Some(number)));
    }
    Ok((pattern, None))
}

fn section_map<'a>(
    section: &'a Node,
    what: &str,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<&'a Map> {
    if matches!(section.data, crate::model::Data::Null) {
        return None;
    }
    let map = section.as_map();
    if map.is_none() {
        let said = format!("`{what}` must be a mapping, found {}", section.sort());
        mistakes.push(Diagnostic::error(said).at(&section.place).hint(
            "write every name as a key: `name:`".to_string(),
        ));
    }
    map
}

fn section_entries(
    section: &Node,
    what: &str,
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<(Arc<str>, Node)> {
    if let Some(text) = section.as_text() {
        return vec![(Arc::from(text), Node::new(section.place.clone(), crate::model::Data::Null))];
    }
    section_map(section, what, mistakes)
        .map(|map| map.iter().map(|(k, v)| (k.name.clone(), v.clone())).collect())
        .unwrap_or_default()
}
