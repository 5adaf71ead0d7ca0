//! What is special about some commands of Cloudera Manager.

use crate::model::manager::CommandScope;

/// Wizards: commands that two servers of a manager must not work on together, because both would
/// write the same rows (requirement M4). What is below `/controlPlanes` is always one: the
/// deployment of Data Services on premises is validated by one thread (requirement M11).
const WIZARDS: [(Where, &str); 8] = [
    // Install: hosts, and whole clusters (M4; CM API: `/cm/commands/hostInstall`,
    // `/cm/importClusterTemplate`).
    (Where::Manager, "hostInstall"),
    (Where::Manager, "importClusterTemplate"),
    // Install, and the end of adding services (M4, M10; CM API: `/clusters/{c}/commands/firstRun`,
    // `…/services/{s}/commands/firstRun`).
    (Where::Cluster, "firstRun"),
    (Where::Service, "firstRun"),
    // Upgrade: one server orchestrates it (M4, M9; CM API: `/clusters/{c}/commands/…`).
    (Where::Cluster, "upgradeCdh"),
    (Where::Cluster, "upgradeServices"),
    (Where::Cluster, "rollingUpgrade"),
    (Where::Cluster, "postClouderaRuntimeUpgrade"),
];

/// Commands that make or take files of the server they run on; the other server does not have them
/// (requirement M13 names the first, the others make or take files by their description in the CM
/// API).
const WITH_FILES: [(Where, &str); 5] = [
    (Where::Manager, "generateCmca"),
    (Where::Manager, "addCustomCerts"),
    (Where::Manager, "updateGlobalTruststore"),
    (Where::Host, "generateHostCerts"),
    (Where::Manager, "collectDiagnosticData"),
];

/// Where a command of the tables is run.
#[derive(Clone, Copy, PartialEq)]
enum Where {
    Manager,
    Cluster,
    Service,
    Host,
}

/// True for work that two servers of a manager must not do together.
pub fn is_wizard(scope: &CommandScope, name: &str) -> bool {
    matches!(scope, CommandScope::ControlPlanes(_)) || is_in(&WIZARDS, scope, name)
}

/// True for a command that works with files of the server it runs on.
pub fn is_file_bound(scope: &CommandScope, name: &str) -> bool {
    is_in(&WITH_FILES, scope, name)
}

fn is_in(table: &[(Where, &str)], scope: &CommandScope, name: &str) -> bool {
    let place = match scope {
        CommandScope::Manager => Where::Manager,
        CommandScope::Cluster => Where::Cluster,
        CommandScope::Service(_) => Where::Service,
        CommandScope::Host(_) => Where::Host,
        CommandScope::ControlPlanes(_) => return false,
    };
    table.contains(&(place, name))
}
