//! Loads an inventory folder: pair, hosts, variables, resources.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::hosts::Hosts;
use super::implied;
use super::module::Modules;
use super::pair::Pair;
use super::resource::Resource;
use super::scalar::Dialect;
use super::scope::{Scope, World};
use super::secrets::{SecretSource, Secrets};
use super::servers;
use super::source::{Sources, files_below};
use super::{pattern, template};
use crate::model::connection::{HostConnection, ManagerConnection, SshOptions, Way};
use crate::model::kind_info::{Home, KindInfo};
use crate::model::nearest::did_you_mean;
use crate::model::{Data, Diagnostic, Node, Place, Secret, secret};

/// A loaded inventory.
pub struct Inventory {
    /// The inventory's folder.
    pub folder: PathBuf,
    /// The project: the folder above `inventories/`, or the inventory's own.
    pub project: PathBuf,
    /// Pair, hosts, variables, secrets.
    pub world: Arc<World>,
    /// Resources, modules expanded, in the order written.
    pub resources: Vec<Resource>,
    /// The user's files, for excerpts.
    pub texts: HashMap<Arc<str>, Arc<str>>,
    /// Mistakes and warnings found while loading.
    pub diagnostics: Vec<Diagnostic>,
}

/// What could be read: of the rest it is not known what names it holds.
#[derive(Default)]
struct Legible {
    sides: bool,
    hosts: bool,
    resources: bool,
    /// Names of resources that have mistakes.
    broken: Vec<Arc<str>>,
}

/// What loading needs from outside.
pub struct Outside<'a> {
    /// All kinds.
    pub kinds: &'a [KindInfo],
    /// Modules that come with drsync.
    pub modules: &'a [(&'static str, &'static str)],
    /// Environment and programs, for secrets.
    pub secrets: Box<dyn SecretSource>,
}

impl Inventory {
    /// Loads the inventory in `folder`. Never fails: mistakes are in `diagnostics`.
    pub fn load(folder: &Path, outside: Outside<'_>) -> Inventory {
        let mut sources = Sources::default();
        let project = project_of(folder);
        let pair = match sources.mapping(&folder.join("pair.yaml"), Dialect::Core) {
            Some(node) => Pair::load(&mut sources, &node),
            None => Pair::default(),
        };
        let before = sources.mistakes.len();
        let hosts = Hosts::load(&mut sources, &hosts_file(folder));
        let mut legible = Legible {
            sides: !pair.sides.is_empty(),
            hosts: !hosts.hosts.is_empty() || sources.mistakes.len() == before,
            ..Legible::default()
        };
        let side_of = match legible.hosts {
            true => assign_sides(&pair, &hosts, &mut sources.mistakes),
            false => Vec::new(),
        };
        let mut resources = read_resources(folder, &project, &outside, &mut sources, &mut legible);
        implied::add(&pair, outside.kinds, &mut resources);
        let world = World {
            hosts,
            pair,
            secrets: Secrets::new(outside.secrets, folder),
            folder: folder.to_path_buf(),
            side_of,
        };
        let mut inventory = Inventory {
            folder: folder.to_path_buf(),
            project,
            world: Arc::new(world),
            resources,
            texts: sources.texts().clone(),
            diagnostics: sources.mistakes,
        };
        if legible.sides && legible.hosts {
            inventory.diagnostics.extend(servers::check(&inventory.world));
        }
        let mistakes = inventory.check_selectors(&legible);
        inventory.diagnostics.extend(mistakes);
        if !inventory.diagnostics.iter().any(Diagnostic::is_error) {
            inventory.diagnostics.extend(inventory.without_manager());
        }
        inventory
    }

    /// Resources of managers' kinds in a pair without any manager would silently mean nothing.
    fn without_manager(&self) -> Vec<Diagnostic> {
        if self.world.pair.sides.values().any(|side| side.manager.is_some()) {
            return Vec::new();
        }
        let lost = self.resources.iter().filter(|r| r.kind.home == Home::Manager);
        let told = lost.map(|resource| {
            Diagnostic::error("no side of the pair has a manager")
                .because(format!("`{}` lives at the manager of a side.", resource.kind.name))
                .at(&resource.place)
        });
        told.collect()
    }

    /// Checks every name a resource uses to select: hosts, sides, other resources.
    fn check_selectors(&self, legible: &Legible) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        for resource in &self.resources {
            if legible.sides {
                mistakes.extend(self.unknown_sides(resource));
            }
            if legible.resources {
                mistakes.extend(self.unknown_names(resource, &legible.broken));
                mistakes.extend(Self::waits_for_itself(resource));
            }
            if let Some((pattern, place)) = resource.hosts.as_ref().filter(|_| legible.hosts) {
                let found = match legible.sides {
                    true => self.hosts_of(pattern),
                    false => pattern::select(&self.world.hosts, pattern),
                };
                mistakes.extend(found.err().map(|said| Diagnostic::error(said).at(place)));
            }
        }
        // A module's resources share its selectors: say each thing once.
        let mut once: Vec<Diagnostic> = Vec::new();
        for mistake in mistakes {
            if !once.contains(&mistake) {
                once.push(mistake);
            }
        }
        once
    }

    fn unknown_sides(&self, resource: &Resource) -> impl Iterator<Item = Diagnostic> {
        let sides = &self.world.pair.sides;
        resource.sides.iter().filter(|(side, _)| !sides.contains_key(side)).map(|(side, place)| {
            Diagnostic::error(format!("unknown side `{side}`"))
                .at(place)
                .hint(did_you_mean(side, sides.keys().map(|side| &**side)))
        })
    }

    /// A resource that waits for itself never begins.
    fn waits_for_itself(resource: &Resource) -> Option<Diagnostic> {
        let mut links = resource.requires.iter().chain(&resource.before);
        let (name, place) = links.find(|(name, _)| *name == resource.name)?;
        let said = format!("the order runs in a circle: {name} → {name}");
        Some(Diagnostic::error(said).at(place))
    }

    fn unknown_names(&self, resource: &Resource, broken: &[Arc<str>]) -> Vec<Diagnostic> {
        let own = || self.resources.iter().flat_map(|r| r.within.iter().chain([&r.name]));
        let names = || own().chain(broken).map(|name| &**name);
        let links = resource.requires.iter().chain(&resource.before);
        let unknown = links
            .filter(|(name, _)| !names().any(|known| *known == **name) && !self.declares(name));
        let told = unknown.map(|(name, place)| {
            Diagnostic::error(format!("no resource is named `{name}`"))
                .at(place)
                .hint(did_you_mean(name, names()))
                .hint("name it as in its `name`, or as `kind[key]`".to_string())
        });
        told.collect()
    }

    /// True when `name` is written as `kind[key]` of a kind that some resource has.
    fn declares(&self, name: &str) -> bool {
        let kind =
            name.split_once('[').filter(|(_, rest)| rest.ends_with(']')).map(|(kind, _)| kind);
        kind.is_some_and(|kind| self.resources.iter().any(|r| r.kind.name == kind))
    }

    /// Returns the managed hosts a pattern names.
    ///
    /// Errors: text for the user when it names none, or none that belongs to a side.
    pub fn hosts_of(&self, pattern: &str) -> Result<Vec<usize>, String> {
        let mut hosts = pattern::select(&self.world.hosts, pattern)?;
        hosts.retain(|host| self.world.side_of[*host].is_some());
        match hosts.is_empty() {
            true => Err(format!("no host of `{pattern}` belongs to a side of the pair")),
            false => Ok(hosts),
        }
    }

    /// Returns how to reach a host.
    ///
    /// Errors: connection variables that do not render or make no sense.
    pub fn host_connection(&self, host: usize) -> Result<HostConnection, Vec<Diagnostic>> {
        let world = &self.world;
        let side = world.side_of[host].clone().unwrap_or_else(|| Arc::from(""));
        let scope = Scope::of_host(world, &side, host);
        let mut vars = ConnectionVars { scope, mistakes: Vec::new() };
        let name = world.hosts.host_name(host);
        let way = match vars.text("ansible_connection").as_deref().unwrap_or("ssh") {
            "ssh" | "smart" | "paramiko" => Way::Ssh(vars.ssh(&name, &self.folder)),
            "local" => Way::Local,
            "sandbox" => Way::Sandbox(self.state_folder().join("hosts").join(&*name)),
            other => {
                let said = format!("`ansible_connection: {other}` of host `{name}` is not known");
                let place = vars.place("ansible_connection");
                vars.mistakes.push(
                    Diagnostic::error(said)
                        .at(&place)
                        .hint("use `ssh`, `local` or `sandbox`".to_string()),
                );
                Way::Local
            }
        };
        let root = vars.text("drsync_root").filter(|root| root != "/");
        let becomes = vars.truth("ansible_become");
        let become_user =
            becomes.then(|| vars.text("ansible_become_user").unwrap_or_else(|| "root".to_string()));
        match vars.mistakes.is_empty() {
            true => Ok(HostConnection { name, way, root, become_user }),
            false => Err(vars.mistakes),
        }
    }

    /// Returns the address of a host, where the inventory has one beside its name.
    pub fn address_of(&self, host: usize) -> Option<String> {
        let side = self.world.side_of[host].clone()?;
        let scope = Scope::of_host(&self.world, &side, host);
        let mut vars = ConnectionVars { scope, mistakes: Vec::new() };
        vars.first(&["ansible_host", "ansible_ssh_host"])
    }

    /// Returns how to reach the real manager of `side`; `None` when it has none or a simulated one.
    pub fn manager_connection(
        &self,
        side: &Arc<str>,
    ) -> Option<Result<ManagerConnection, Vec<Diagnostic>>> {
        let manager = self.world.pair.sides.get(side)?.manager.as_ref()?;
        let url = manager.url.as_ref()?;
        Some(self.real_manager(side, manager, url))
    }

    fn real_manager(
        &self,
        side: &Arc<str>,
        manager: &super::pair::Manager,
        url: &Node,
    ) -> Result<ManagerConnection, Vec<Diagnostic>> {
        let scope = Scope::of_side(&self.world, side);
        let url = template::render(url, &scope)?;
        let password = manager.password.clone().unwrap_or(Node::text(url.place.clone(), ""));
        let password = template::render(&password, &scope)?;
        let password = match &password.data {
            Data::Secret(secret) => secret.clone(),
            _ => Secret::new(password.as_text().unwrap_or_default().to_string()),
        };
        let text = match &url.data {
            Data::Secret(secret) => secret.reveal(),
            _ => url.as_text().unwrap_or_default(),
        };
        let text = text.trim_end_matches('/').to_string();
        if !text.starts_with("http://") && !text.starts_with("https://") {
            let said = format!("`{text}` is not the address of a manager");
            return Err(vec![
                Diagnostic::error(said)
                    .at(&url.place)
                    .hint("write it as https://host:7183".to_string()),
            ]);
        }
        Ok(ManagerConnection {
            unsettled: None,
            is_unrefreshed: false,
            patience: manager.maintenance.patience(),
            side: side.clone(),
            url: text,
            user: manager.user.clone().unwrap_or_default(),
            password,
            ca: manager.ca.as_ref().map(|ca| self.folder.join(ca)),
            cluster: manager.cluster.clone(),
            servers: manager.servers.len().max(1),
        })
    }

    /// Returns the folder that keeps what drsync must remember of this inventory.
    pub fn state_folder(&self) -> PathBuf {
        // However the folder was named on the way here, it is one inventory with one state.
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        let name = folder.file_name().map_or_else(|| "inventory".into(), |name| name.to_owned());
        self.project.join(".drsync").join(name)
    }
}

/// Returns the project an inventory belongs to.
fn project_of(folder: &Path) -> PathBuf {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    match folder.parent() {
        Some(parent) if parent.file_name().is_some_and(|name| name == "inventories") => {
            parent.parent().unwrap_or(parent).to_path_buf()
        }
        _ => folder,
    }
}

/// Returns the inventory file of `folder`: `hosts.yaml`, `hosts.yml` or `hosts`.
pub fn hosts_file(folder: &Path) -> PathBuf {
    let names = ["hosts.yaml", "hosts.yml", "hosts"];
    let found = names.iter().map(|name| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| folder.join("hosts.yaml"))
}

fn read_resources(
    folder: &Path,
    project: &Path,
    outside: &Outside<'_>,
    sources: &mut Sources,
    legible: &mut Legible,
) -> Vec<Resource> {
    let folders = vec![folder.join("modules"), project.join("modules")];
    let mut modules = Modules::new(folders, outside.modules, outside.kinds);
    let mut resources = Vec::new();
    let below = folder.join("resources");
    let files = match files_below(&below, &["yaml", "yml"]) {
        Ok(files) => files,
        Err(error) => {
            let said = format!("cannot read the folder `{}`", below.display());
            sources.mistakes.push(
                Diagnostic::error(said)
                    .because(error.to_string())
                    .hint("desired state is declared in files below it".to_string()),
            );
            return resources;
        }
    };
    if files.is_empty() {
        let said = format!("there is no YAML file below `{}`", below.display());
        let hint = "an inventory that declares nothing is never out of sync".to_string();
        sources.mistakes.push(Diagnostic::error(said).hint(hint));
    }
    legible.resources = true;
    for file in files {
        let Some(node) = sources.yaml(&file, Dialect::Core) else {
            legible.resources = false;
            continue;
        };
        match &node.data {
            Data::List(items) => modules.read_list(sources, items, &mut resources, 0),
            Data::Null => {}
            _ => {
                let said = format!("expected a list of resources, found {}", node.sort());
                sources.mistakes.push(
                    Diagnostic::error(said)
                        .at(&node.place)
                        .hint("start every resource with `- `".to_string()),
                );
            }
        }
    }
    legible.broken = modules.broken;
    resources
}

/// Finds the side of every host; a host of two sides is a mistake, as is a side without its group.
fn assign_sides(
    pair: &Pair,
    hosts: &Hosts,
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<Option<Arc<str>>> {
    let mut side_of: Vec<Option<Arc<str>>> = vec![None; hosts.hosts.len()];
    for (name, side) in &pair.sides {
        let Some(group) = hosts.groups.get_index_of(&*side.group) else {
            let groups = hosts.groups.keys().map(|group| &**group);
            mistakes.push(
                Diagnostic::error(format!(
                    "side `{name}` names the group `{}`, which hosts.yaml does not have",
                    side.group
                ))
                .at(&side.place)
                .hint(did_you_mean(&side.group, groups)),
            );
            continue;
        };
        for host in hosts.members(group) {
            if let Some(other) = &side_of[host] {
                let said = format!(
                    "host `{}` belongs to two sides: `{other}` and `{name}`",
                    hosts.host_name(host)
                );
                let first = pair.sides.get(other).map_or(&side.place, |other| &other.place);
                let mistake = Diagnostic::error(said).at(&side.place);
                mistakes.push(mistake.also(first, format!("group of side `{other}`")));
            }
            side_of[host] = Some(name.clone());
        }
    }
    side_of
}

/// Reads a host's `ansible_*` variables.
struct ConnectionVars {
    scope: Scope,
    mistakes: Vec<Diagnostic>,
}

impl ConnectionVars {
    fn node(&mut self, name: &str) -> Option<Node> {
        let (node, _) = self.scope.find(name)?;
        match template::render(&node, &self.scope) {
            Ok(node) => Some(node),
            Err(mistakes) => {
                self.mistakes.extend(mistakes);
                None
            }
        }
    }

    fn place(&self, name: &str) -> Place {
        self.scope.find(name).map_or_else(Place::nowhere, |(node, _)| node.place.clone())
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let node = self.node(name)?;
        match &node.data {
            Data::Secret(secret) => Some(secret.reveal().to_string()),
            _ => node.as_text().map(String::from).filter(|text| !text.is_empty()),
        }
    }

    fn truth(&mut self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|text| matches!(&*text.to_lowercase(), "true" | "yes" | "on" | "1"))
    }

    fn first(&mut self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    fn ssh(&mut self, name: &str, folder: &Path) -> SshOptions {
        let port = self.first(&["ansible_port", "ansible_ssh_port"]);
        let port = port.and_then(|port| match port.trim().parse() {
            Ok(port) => Some(port),
            Err(_) => {
                let said = format!("`{port}` is not a port number");
                let place = self.place("ansible_port");
                self.mistakes.push(Diagnostic::error(said).at(&place));
                None
            }
        });
        let key = self.first(&["ansible_ssh_private_key_file", "ansible_private_key_file"]);
        let mut options = SshOptions {
            host: self.first(&["ansible_host", "ansible_ssh_host"]).unwrap_or_else(|| name.into()),
            port,
            user: self.first(&["ansible_user", "ansible_ssh_user"]),
            key: key.map(|key| if key.starts_with('~') { key.into() } else { folder.join(key) }),
            ..SshOptions::default()
        };
        for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"] {
            if let Some(args) = self.text(name)
                && let Err(said) = super::ssh_args::read(&args, &mut options)
            {
                let place = self.place(name);
                // Pieces of a secret are not known to be one.
                let said = match secret::is_tainted(&args) {
                    true => format!("`{name}` is not understood (it holds a secret)"),
                    false => said,
                };
                self.mistakes.push(Diagnostic::error(said).at(&place));
            }
        }
        options
    }
}
