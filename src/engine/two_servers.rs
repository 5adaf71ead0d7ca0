//! What does not go together with a manager that has two servers, one active and one passive.

use super::instance::Instance;
use crate::lang::inventory::Inventory;
use crate::lang::pair::Manager;
use crate::lang::servers::no_storage;
use crate::model::plan::Identities;
use crate::model::{Data, Diagnostic, Node};

/// The first version that is said to have two servers. Cloudera does not publish which one it is.
const FIRST: (u32, u32) = (7, 7);

/// Finds settings that turn on Secure Credential Storage where there are two servers (requirement
/// M14).
pub fn check(inventory: &Inventory, instances: &[Instance]) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for instance in instances.iter().filter(|instance| instance.address.kind == "cm.config") {
        if &*instance.address.key != "manager" {
            continue;
        }
        let Some(manager) = manager(inventory, instance.address.target.side()) else { continue };
        let values = instance.shared.node.get("values").and_then(Node::as_map);
        let entries = values.into_iter().flat_map(|map| map.iter());
        let turned_on = entries.filter(|(key, value)| is_storage(&key.name) && is_on(value));
        for mistake in turned_on.filter_map(|(key, _)| no_storage(manager, &key.place)) {
            if !mistakes.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
    }
    mistakes
}

/// Finds managers that are older than the first with two servers, but should have two (requirement
/// B6).
pub fn too_old(inventory: &Inventory, identities: &Identities) -> Vec<Diagnostic> {
    let found = identities.managers.iter().filter_map(|(side, identity)| {
        let [_, second, ..] = &manager(inventory, side)?.servers[..] else { return None };
        let version = &identity.version;
        (number(version)? < FIRST).then(|| {
            Diagnostic::warning(format!(
                "the manager of `{side}` is Cloudera Manager {version}, and two servers are declared"
            ))
            .because(format!(
                "An active and a passive server came with about version {}.{} (Cloudera does not \
                 publish the first one); an older manager has one server (B6).",
                FIRST.0, FIRST.1
            ))
            .at(&second.place)
            .hint("name one server until the manager is upgraded".to_string())
        })
    });
    found.collect()
}

fn manager<'a>(inventory: &'a Inventory, side: &str) -> Option<&'a Manager> {
    inventory.world.pair.sides.get(side)?.manager.as_ref()
}

/// True for a setting that chooses the storage. Their names are not published: any that speaks of a
/// credential storage counts.
fn is_storage(name: &str) -> bool {
    name.to_uppercase().replace(['.', '-'], "_").contains("CREDENTIAL_STOR")
}

fn is_on(value: &Node) -> bool {
    if let Data::Bool(is_on, _) = value.data {
        return is_on;
    }
    let word = value.as_text().map(|text| text.trim().to_lowercase());
    let is_off = matches!(word.as_deref(), Some("" | "none" | "false"));
    !is_off && !matches!(value.data, Data::Null)
}

fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse::<u32>);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}
