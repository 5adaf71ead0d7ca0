//! Checks the `servers` of managers against the hosts of the inventory.

use super::pair::{CredentialStorage, Manager};
use super::scope::World;
use crate::model::nearest::did_you_mean;
use crate::model::{Diagnostic, Node, Place};

/// Returns what is wrong with the servers of all sides.
pub fn check(world: &World) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for (side, body) in &world.pair.sides {
        let Some(manager) = &body.manager else { continue };
        mistakes.extend(too_many(manager));
        mistakes.extend(slow_failover(manager));
        if manager.credential_storage != CredentialStorage::None {
            mistakes.extend(no_storage(manager, &manager.storage_place));
        }
        for server in &manager.servers {
            mistakes.extend(not_reachable(world, manager, server));
            mistakes.extend(elsewhere(world, manager, side, server));
        }
    }
    mistakes
}

/// How long a manager that is not ready is asked again unless `--retry-for` says otherwise, in
/// seconds: failing back takes up to 25 (requirement M25).
pub const RETRY_FOR: u64 = 40;

/// A failover must be over before reads are given up (requirements M12 and M24).
fn slow_failover(manager: &Manager) -> Option<Diagnostic> {
    let [_, second] = &manager.servers[..] else { return None };
    let (balancer, longest) = (manager.balancer, manager.balancer.failover_seconds());
    (longest > RETRY_FOR).then(|| {
        Diagnostic::warning(format!("a failover takes up to {longest} s by the balancer's checks"))
            .because(format!(
                "It gives a server up after {} failed checks, one every {} s (M24); what is read is \
                 asked again for {RETRY_FOR} s only.",
                balancer.fall, balancer.inter_seconds
            ))
            .at(&second.place)
            .hint(format!("check more often, or run drsync with `--retry-for {}`", longest + 10))
    })
}

/// An active and a passive server, no more (requirement M28).
fn too_many(manager: &Manager) -> Option<Diagnostic> {
    let servers = &manager.servers;
    let twice = servers.iter().enumerate().find(|(at, server)| {
        servers[..*at].iter().any(|earlier| earlier.as_text() == server.as_text())
    });
    if let Some((_, server)) = twice {
        let said = format!("server `{}` is named twice", server.as_text().unwrap_or_default());
        return Some(Diagnostic::error(said).at(&server.place));
    }
    let third = servers.get(2)?;
    Some(
        Diagnostic::error("a Cloudera Manager has two servers at most")
            .because("One is active, the other passive; there is no third (M28).")
            .at(&third.place),
    )
}

/// Returns the error that two servers and a credential storage, which is declared at `place`, do not
/// go together (requirement M14).
pub fn no_storage(manager: &Manager, place: &Place) -> Option<Diagnostic> {
    let [_, second, ..] = &manager.servers[..] else { return None };
    Some(
        Diagnostic::error("two servers of a manager cannot use Secure Credential Storage")
            .because(
                "Cloudera lists Cloudera Manager High Availability as not supported with the \
                 Secure Credential Provider, and it cannot be enabled once there are two servers \
                 (M14).",
            )
            .at(place)
            .also(&second.place, "the second server")
            .hint(
                "keep the passwords in the manager's own database, or have one server".to_string(),
            ),
    )
}

/// Two servers are worked on by their hosts: each must be one of the inventory.
fn not_reachable(world: &World, manager: &Manager, server: &Node) -> Option<Diagnostic> {
    let name = server.as_text().unwrap_or_default();
    if manager.servers.len() < 2 || world.hosts.hosts.get_index_of(name).is_some() {
        return None;
    }
    let known = (0..world.hosts.hosts.len()).map(|host| world.hosts.host_name(host));
    let known: Vec<_> = known.collect();
    Some(
        Diagnostic::error(format!("server `{name}` is no host of the inventory"))
            .because("Single-node maintenance stops and starts both servers on their hosts.")
            .at(&server.place)
            .hint(
                did_you_mean(name, known.iter().map(|name| &**name))
                    .or_else(|| Some("add it to hosts.yaml".to_string())),
            ),
    )
}

/// A manager on a host of the other side is of no use when that side has failed (requirement P2).
/// The hosts of two servers must be those of their side: only there are they stopped and started.
fn elsewhere(world: &World, manager: &Manager, side: &str, server: &Node) -> Option<Diagnostic> {
    let name = server.as_text().unwrap_or_default();
    let host = world.hosts.hosts.get_index_of(name)?;
    let is_pair = manager.servers.len() == 2;
    let said = match &world.side_of[host] {
        Some(other) if **other == *side => return None,
        Some(other) => format!(
            "the manager of `{side}` runs on a host of `{other}`: {name} (manager-on-wrong-side)"
        ),
        None if is_pair => format!("server `{name}` belongs to no side"),
        None => return None,
    };
    let diagnostic = match is_pair {
        true => Diagnostic::error(said),
        false => Diagnostic::warning(said),
    };
    Some(
        diagnostic
            .because("When the other side has failed, nothing is left to manage this one (P2).")
            .at(&server.place)
            .hint(format!("run it on a host of `{side}`")),
    )
}
