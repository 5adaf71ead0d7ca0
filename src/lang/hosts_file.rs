//! Reads a hosts file into groups and hosts, in the order Ansible's YAML plugin does.

use std::sync::Arc;

use super::hosts::{ALL, Hosts, UNGROUPED};
use super::{address, range, vars};
use crate::model::nearest::did_you_mean;
use crate::model::{Data, Diagnostic, Key, Map, Node, Place};

/// Ansible keeps it as a number of the group, not as a variable.
const PRIORITY: &str = "ansible_group_priority";

/// Reads the groups at the top of a hosts file into `hosts`; returns the mistakes found.
pub fn read(hosts: &mut Hosts, file: &Node) -> Vec<Diagnostic> {
    let mut reader = Reader { hosts, mistakes: Vec::new() };
    for (name, body) in file.as_map().unwrap_or(&Map::default()).iter() {
        reader.group(name, body);
    }
    reader.mistakes
}

struct Reader<'a> {
    hosts: &'a mut Hosts,
    mistakes: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Reads one group with all below it: `hosts`, `children` and `vars`, in the order written.
    fn group(&mut self, name: &Key, body: &Node) -> Option<usize> {
        self.check_name(&name.name, &name.place)?;
        let group = self.hosts.group_index(&name.name);
        if matches!(body.data, Data::Null) {
            return Some(group);
        }
        let Some(body) = body.as_map() else {
            let said = format!("group `{}` must be a mapping, found {}", name.name, body.sort());
            self.mistakes.push(
                Diagnostic::error(said)
                    .at(&body.place)
                    .hint("a group has `hosts`, `children` and `vars`".to_string()),
            );
            return None;
        };
        for (key, section) in body.iter() {
            match &*key.name {
                "hosts" => self.hosts(group, section),
                "children" => self.children(group, section),
                "vars" => self.vars(&name.name, section),
                other => self.mistakes.push(
                    Diagnostic::error(format!("unknown key `{other}` in group `{}`", name.name))
                        .at(&key.place)
                        .hint(
                            did_you_mean(other, ["hosts", "children", "vars"])
                                .or(Some("a group has `hosts`, `children` and `vars`".into())),
                        ),
                ),
            }
        }
        Some(group)
    }

    fn children(&mut self, parent: usize, section: &Node) {
        for (name, body) in self.names(section, "children").iter() {
            // Linked after all below it was read, which decides the order of `children`.
            let Some(child) = self.group(name, body) else { continue };
            if child == UNGROUPED && parent != ALL {
                self.mistakes.push(
                    Diagnostic::error("`ungrouped` cannot be the child of a group")
                        .because("Ansible loses its hosts then.")
                        .at(&name.place),
                );
            }
            if let Err(circle) = self.hosts.adopt(parent, child) {
                let said = format!("groups contain each other: {circle}");
                self.mistakes.push(Diagnostic::error(said).at(&name.place));
            }
        }
    }

    fn vars(&mut self, group: &str, section: &Node) {
        let Some(map) = self.section(section, "vars") else { return };
        for (key, value) in map.iter() {
            self.set_variable(group, key, &Arc::new(value.clone()));
        }
    }

    /// Sets a variable of the group, or else the host, called `name`: where both exist, Ansible
    /// takes the group even for variables written below the host.
    fn set_variable(&mut self, name: &str, key: &Key, value: &Arc<Node>) {
        let owner = match self.hosts.groups.get_mut(name) {
            Some(group) if &*key.name == PRIORITY => {
                match whole_number(value) {
                    Some(priority) => group.priority = priority,
                    None => self.mistakes.push(
                        Diagnostic::error(format!("`{PRIORITY}` must be a whole number"))
                            .at(&value.place),
                    ),
                }
                return;
            }
            Some(group) => Some(&mut group.inline),
            None => self.hosts.hosts.get_mut(name).map(|host| &mut host.inline),
        };
        if let Some(variables) = owner {
            variables.insert(key.name.clone(), value.clone());
        }
    }

    fn hosts(&mut self, group: usize, section: &Node) {
        for (pattern, body) in self.names(section, "hosts").iter() {
            let expanded = address::split(&pattern.name)
                .and_then(|(name, port)| Ok((range::expand(name)?, port)));
            let (names, port) = match expanded {
                Ok(found) => found,
                Err(said) => {
                    self.mistakes.push(Diagnostic::error(said).at(&pattern.place));
                    continue;
                }
            };
            let port = port.map(|port| {
                let data = Data::Int(port, Arc::from(port.to_string()));
                Arc::new(Node::new(pattern.place.clone(), data))
            });
            let variables = match vars::is_falsy(body) {
                true => None,
                false => self.section(body, "host variables"),
            };
            let variables: Vec<(&Key, Arc<Node>)> = variables
                .iter()
                .flat_map(|map| map.iter())
                .map(|(key, value)| (key, Arc::new(value.clone())))
                .collect();
            for name in names {
                self.host(group, &name, &pattern.place, port.as_ref());
                for (key, value) in &variables {
                    self.set_variable(&name, key, value);
                }
            }
        }
    }

    fn host(&mut self, group: usize, name: &str, place: &Place, port: Option<&Arc<Node>>) {
        if self.check_name(name, place).is_none() {
            return;
        }
        let known = self.hosts.hosts.contains_key(name);
        let host = self.hosts.host_index(name);
        // Ansible sets the port when it first meets a host, and forgets a later one.
        if let Some(port) = port.filter(|_| !known) {
            self.hosts.hosts[host].inline.insert(Arc::from("ansible_port"), port.clone());
        }
        self.hosts.join(group, host);
    }

    /// Names become file names below `group_vars` and `host_vars`.
    fn check_name(&mut self, name: &str, place: &Place) -> Option<()> {
        let said = if name.is_empty() {
            "a group or host needs a name".to_string()
        } else if vars::leaves_the_inventory(name) {
            format!("the name `{name}` leads out of the inventory's folder")
        } else {
            return Some(());
        };
        self.mistakes.push(Diagnostic::error(said).at(place));
        None
    }

    /// Returns the names and bodies of a section; a text stands for one name without a body.
    fn names<'a>(&mut self, section: &'a Node, what: &str) -> std::borrow::Cow<'a, Map> {
        if let Data::Text(text) | Data::Literal(text) = &section.data {
            let key = Key { name: text.clone(), place: section.place.clone() };
            let nothing = Node::new(section.place.clone(), Data::Null);
            return std::borrow::Cow::Owned(Map(vec![(key, nothing)]));
        }
        match self.section(section, what) {
            Some(map) => std::borrow::Cow::Borrowed(map),
            None => std::borrow::Cow::Owned(Map::default()),
        }
    }

    fn section<'a>(&mut self, section: &'a Node, what: &str) -> Option<&'a Map> {
        if matches!(section.data, Data::Null) {
            return None;
        }
        let map = section.as_map();
        if map.is_none() {
            let said = format!("`{what}` must be a mapping, found {}", section.sort());
            self.mistakes.push(
                Diagnostic::error(said)
                    .at(&section.place)
                    .hint("write every name as a key: `name:`".to_string()),
            );
        }
        map
    }
}

/// What Python's `int()` makes of a value.
fn whole_number(node: &Node) -> Option<i64> {
    match &node.data {
        Data::Int(value, _) => Some(*value),
        Data::Bool(value, _) => Some(i64::from(*value)),
        Data::Float(value, _) if value.is_finite() => Some(value.trunc() as i64),
        Data::Text(text) | Data::Literal(text) => text.trim().parse().ok(),
        _ => None,
    }
}
