//! Names of machines: the inventory, the manager and the host itself must call each one the same.
//!
//! Looked at only where a manager's hosts are read anyway: it costs no request, and one more question
//! in the script of a host.

use std::collections::HashMap;
use std::sync::Arc;

use super::instance::Instance;
use super::read::{Readings, Sheets, Spot};
use crate::kinds;
use crate::lang::inventory::Inventory;
use crate::model::manager::Entity;
use crate::model::question::{Question, Reply};
use crate::model::{Diagnostic, Live, Target};

/// So many hosts are told one by one.
const SHOWN: usize = 5;

/// Where the replies about names are.
#[derive(Default)]
pub struct Asked {
    /// By side.
    managers: HashMap<Arc<str>, Spot>,
    /// By host.
    hosts: HashMap<Arc<str>, Spot>,
}

/// Adds the questions after names to those of an inventory.
pub fn ask(sheets: &mut Sheets) -> Asked {
    let mut asked = Asked::default();
    let reads_hosts = |questions: &[Question]| questions.iter().any(Question::reads_hosts);
    let managers = sheets.targets.iter().filter_map(|(target, sheet)| match target {
        Target::Manager { side } if reads_hosts(&sheet.questions) => Some(side.clone()),
        _ => None,
    });
    let managers: Vec<Arc<str>> = managers.collect();
    for side in managers {
        let hosts = sheets.targets.keys().filter(|target| *target.side() == side);
        let hosts = hosts.filter_map(|target| Some((target.clone(), target.host()?.clone())));
        for (target, host) in hosts.collect::<Vec<_>>() {
            asked.hosts.insert(host, sheets.add(&target, kinds::ask_name()));
        }
        let target = Target::Manager { side: side.clone() };
        let names = Question::Entity(Entity::HostNames);
        asked.managers.insert(side, sheets.add(&target, names));
    }
    asked
}

/// What the names come to.
#[derive(Default)]
pub struct Names {
    /// Machines that go by several names.
    pub warnings: Vec<Diagnostic>,
    /// The manager's name by side and by a name that the manager does not know.
    aliases: HashMap<(Arc<str>, String), String>,
}

/// A machine, and what everybody calls it.
struct Machine<'a> {
    inventory: Arc<str>,
    manager: &'a str,
    own: Option<String>,
}

/// Compares the names of every host.
pub fn compare(inventory: &Inventory, asked: &Asked, readings: &Readings) -> Names {
    let mut names = Names::default();
    let known = asked
        .managers
        .iter()
        .filter_map(|(side, spot)| Some((side.clone(), Known::of(spot.reply(readings)?))));
    let known: HashMap<Arc<str>, Known<'_>> = known.collect();
    if known.is_empty() {
        return names;
    }
    let hosts = 0..inventory.world.side_of.len();
    let addresses: Vec<Option<String>> = hosts.map(|at| inventory.address_of(at)).collect();
    let mut having: HashMap<&str, usize> = HashMap::new();
    addresses.iter().flatten().for_each(|address| *having.entry(address).or_default() += 1);
    for (at, side) in inventory.world.side_of.iter().enumerate() {
        let Some((side, known)) = side.as_ref().and_then(|side| known.get_key_value(side)) else {
            continue;
        };
        let name = inventory.world.hosts.host_name(at);
        let own = asked.hosts.get(&name).and_then(|spot| spot.reply(readings));
        let own = own.map(kinds::own_name).and_then(|live| match live {
            Live::Known(name) => Some(name.to_string()),
            _ => None,
        });
        // An address that several hosts have is that of a way to them, not their own.
        let address = addresses[at].as_deref().filter(|address| having.get(address) == Some(&1));
        let called = [own.as_deref(), address, Some(&*name)];
        let manager = called.into_iter().flatten().find_map(|name| known.find(name));
        if let Some(manager) = manager {
            names.add(side, known, Machine { inventory: name, manager, own }, asked);
        }
    }
    let more = names.warnings.len().saturating_sub(SHOWN);
    if more > 0 {
        names.warnings.truncate(SHOWN);
        let said = format!("{more} more hosts go by several names");
        names.warnings.push(Diagnostic::warning(said));
    }
    names
}

/// The manager's names of hosts, by those names and by addresses.
struct Known<'a>(HashMap<&'a str, &'a str>);

impl<'a> Known<'a> {
    fn of(told: &'a Reply) -> Known<'a> {
        let by_address = told.texts("host/").map(|(host, address)| (address, host));
        Known(by_address.chain(told.texts("host/").map(|(host, _)| (host, host))).collect())
    }

    /// Returns what the manager calls a host, by a name or an address of it.
    fn find(&self, called: &str) -> Option<&'a str> {
        self.0.get(called).copied()
    }

    fn is_name(&self, name: &str) -> bool {
        self.0.get(name) == Some(&name)
    }
}

impl Names {
    fn add(&mut self, side: &Arc<str>, known: &Known<'_>, machine: Machine<'_>, asked: &Asked) {
        let Machine { inventory, manager, own } = &machine;
        for other in [Some(&**inventory), own.as_deref()].into_iter().flatten() {
            if !known.is_name(other) {
                self.aliases.insert((side.clone(), other.to_string()), manager.to_string());
            }
        }
        let differs = **inventory != **manager || own.as_deref().is_some_and(|o| o != *manager);
        // A host that is not asked anything is only of interest where a resource names it.
        if differs && asked.hosts.contains_key(inventory) {
            self.warnings.push(machine.warning());
        }
    }

    /// Says why `instance` names a host wrongly, if it does.
    pub fn misnamed(&self, instance: &Instance) -> Option<String> {
        let Target::Manager { side } = &instance.address.target else { return None };
        if self.aliases.is_empty() {
            return None;
        }
        let hosts = instance.shared.kind.hosts(&instance.shared.args);
        hosts.into_iter().find_map(|host| {
            let manager = self.aliases.get(&(side.clone(), host.clone()))?;
            Some(format!(
                "Cloudera Manager knows host `{host}` as `{manager}` only: call it that here"
            ))
        })
    }
}

impl Machine<'_> {
    fn warning(&self) -> Diagnostic {
        let own = match &self.own {
            Some(own) => format!("the host itself says `{own}` (`hostname -f`)"),
            None => "the host itself was not asked or tells no name".into(),
        };
        Diagnostic::warning(format!("host `{}` goes by several names", self.inventory))
            .because(format!(
                "The inventory calls it `{}`, Cloudera Manager `{}`, and {own}. A role that is \
                 placed by one of these names may come to another machine, and Kerberos principals \
                 are made of the host's own name.",
                self.inventory, self.manager
            ))
            .hint(
                "call it the same everywhere: in the inventory, on the host (`os.hostname`, \
                 /etc/hosts, DNS) and in Cloudera Manager, whose agent takes the host's own name"
                    .to_string(),
            )
    }
}
