//! What is done to things of a manager (Cloudera Manager), as data.

use std::fmt;
use std::sync::Arc;

use super::Secret;
use super::command::Order;
#[cfg(doc)]
use super::manager::Entity;

/// A move of a parcel from one stable stage to the next (CM API: the commands of a parcel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParcelMove {
    /// To the manager.
    Download,
    /// From the manager to all hosts.
    Distribute,
    /// Into use.
    Activate,
    /// Out of use.
    Deactivate,
    /// Away from the hosts.
    Undistribute,
    /// Away from the manager.
    Remove,
}

impl ParcelMove {
    /// Returns what is said of it.
    pub fn word(self) -> &'static str {
        match self {
            ParcelMove::Download => "download",
            ParcelMove::Distribute => "distribute",
            ParcelMove::Activate => "activate",
            ParcelMove::Deactivate => "deactivate",
            ParcelMove::Undistribute => "remove from hosts",
            ParcelMove::Remove => "remove download",
        }
    }
}

/// A write to an [`Entity`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Take a host into the cluster (`true`) or out of it (CM API: `/clusters/{c}/hosts`).
    Join(bool),
    /// Put a host into a rack (CM API: `PUT /hosts/{h}`).
    Rack(Arc<str>),
    /// Enter or leave the maintenance mode (CM API: `…/commands/enterMaintenanceMode`).
    Maintenance(bool),
    /// Recommission (`true`) or decommission a host, and wait for it (CM API:
    /// `/cm/commands/hostsRecommission`).
    Commission(bool),
    /// Set tags, by name and value (CM API: `PUT /hosts/{h}/tags`).
    SetTags(Vec<(Arc<str>, Arc<str>)>),
    /// Remove tags, by name and value (CM API: `DELETE /hosts/{h}/tags`).
    RemoveTags(Vec<(Arc<str>, Arc<str>)>),
    /// Add a role config group for a role type, with the name to show (CM API:
    /// `POST …/roleConfigGroups`).
    AddGroup(Arc<str>, Arc<str>),
    /// Give a role config group another display name (CM API: `PUT …/roleConfigGroups/{g}`).
    RenameGroup(Arc<str>),
    /// Move roles, by their own names, into a role config group (CM API: `PUT …/{g}/roles`).
    MoveRoles(Vec<Arc<str>>),
    /// Move roles to the base groups of their types (CM API: `PUT …/roleConfigGroups/roles`).
    MoveToBase(Vec<Arc<str>>),
    /// Remove a role config group that has no roles (CM API: `DELETE …/roleConfigGroups/{g}`).
    RemoveGroup,
    /// Set the addresses of parcel repositories, and look for parcels there (CM API:
    /// `/cm/commands/refreshParcelRepos`).
    SetRepositories(Vec<Arc<str>>),
    /// Look for parcels in the repositories (CM API: `/cm/commands/refreshParcelRepos`).
    RefreshRepositories,
    /// Bring a parcel to its next stage, and wait for it.
    Parcel(ParcelMove),
    /// Deploy the client configuration of a service (CM API: `deployClientConfig`).
    DeployClientConfig,
    /// Have those roles of a service that can read their configuration anew do so (CM API:
    /// `roleCommands/refresh`).
    Refresh,
    /// Restart a service, its stale roles one after the other (`true`) or all roles at once.
    Restart(bool),
    /// Add a service of a type, with the name to show (CM API: `POST …/services`).
    AddService(Arc<str>, Arc<str>),
    /// Give a service another display name (CM API: `PUT …/services/{s}`).
    RenameService(Arc<str>),
    /// Start (`true`) or stop a service (CM API: `…/commands/start`).
    Run(bool),
    /// Remove a service that is stopped (CM API: `DELETE …/services/{s}`).
    RemoveService,
    /// Add roles of a type on hosts (CM API: `POST …/roles`).
    AddRoles(Arc<str>, Vec<Arc<str>>),
    /// Start (`true`) or stop roles, by their own names (CM API: `…/roleCommands/start`).
    RunRoles(bool, Vec<Arc<str>>),
    /// Remove roles that are stopped, by their own names (CM API: `…/roles/bulkDelete`).
    RemoveRoles(Vec<Arc<str>>),
    /// Add a host template, or (`false`) change it to these role config groups (CM API:
    /// `…/hostTemplates`).
    SetTemplate(bool, Vec<Arc<str>>),
    /// Remove a host template.
    RemoveTemplate,
    /// Add a user with a password and these roles (CM API: `POST /users`).
    AddUser(Secret, Vec<Arc<str>>),
    /// Give a user these roles (CM API: `PUT /users/{name}`).
    SetUserRoles(Vec<Arc<str>>),
    /// Remove a user.
    RemoveUser,
    /// Add a peer, or (`false`) change it: its address, and the login there (CM API: `/cm/peers`).
    SetPeer(bool, Arc<str>, Arc<str>, Secret),
    /// Remove a peer.
    RemovePeer,
    /// Add a replication schedule, or (`false`) change it: values by JSON pointer; the rest stays
    /// (CM API: `…/replications`).
    SetReplication(bool, Vec<(Arc<str>, Arc<str>)>),
    /// Remove a replication schedule.
    RemoveReplication,
    /// Run a command, and wait for it.
    Command(Arc<Order>),
    /// Wait until the manager answers.
    AwaitReady,
    /// Wait until no command runs, so many seconds at most.
    AwaitIdle(u64),
    /// Wait until so many servers of the manager are alive.
    AwaitServers(usize),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags = |f: &mut fmt::Formatter<'_>, what: &str, tags: &[(Arc<str>, Arc<str>)]| {
            let list: Vec<String> = tags.iter().map(|(n, v)| format!("{n}={v}")).collect();
            write!(f, "{what} {}", list.join(" "))
        };
        match self {
            Call::Join(true) => f.write_str("take into the cluster"),
            Call::Join(false) => f.write_str("take out of the cluster"),
            Call::Rack(rack) => write!(f, "rack {rack}"),
            Call::Maintenance(true) => f.write_str("enter maintenance mode"),
            Call::Maintenance(false) => f.write_str("exit maintenance mode"),
            Call::Commission(true) => f.write_str("recommission"),
            Call::Commission(false) => f.write_str("decommission"),
            Call::SetTags(list) => tags(f, "set tags", list),
            Call::RemoveTags(list) => tags(f, "remove tags", list),
            Call::AddGroup(role_type, shown) => {
                write!(f, "add role config group `{shown}` for {role_type}")
            }
            Call::RenameGroup(name) => write!(f, "display name {name}"),
            Call::MoveRoles(roles) => write!(f, "move in {}", roles.join(" ")),
            Call::MoveToBase(roles) => write!(f, "move to base {}", roles.join(" ")),
            Call::RemoveGroup => f.write_str("remove role config group"),
            // Addresses that others declared may hold a login.
            Call::SetRepositories(urls) => write!(f, "set {} repositories", urls.len()),
            Call::RefreshRepositories => f.write_str("look into the repositories"),
            Call::Parcel(step) => f.write_str(step.word()),
            Call::DeployClientConfig => f.write_str("deploy client configuration"),
            Call::Refresh => f.write_str("refresh"),
            Call::Restart(true) => f.write_str("rolling restart"),
            Call::Restart(false) => f.write_str("restart"),
            Call::AddService(kind, shown) => write!(f, "add service `{shown}` of type {kind}"),
            Call::RenameService(name) => write!(f, "display name {name}"),
            Call::Run(true) => f.write_str("start"),
            Call::Run(false) => f.write_str("stop"),
            Call::RemoveService => f.write_str("remove service"),
            Call::AddRoles(kind, hosts) => write!(f, "add {kind} on {}", hosts.join(" ")),
            Call::RunRoles(true, roles) => write!(f, "start {}", roles.join(" ")),
            Call::RunRoles(false, roles) => write!(f, "stop {}", roles.join(" ")),
            Call::RemoveRoles(roles) => write!(f, "remove {}", roles.join(" ")),
            Call::SetTemplate(true, groups) => write!(f, "add with {}", groups.join(" ")),
            Call::SetTemplate(false, groups) => write!(f, "set to {}", groups.join(" ")),
            Call::AddUser(_, roles) => write!(f, "add with {}", roles.join(" ")),
            Call::SetUserRoles(roles) => write!(f, "set to {}", roles.join(" ")),
            Call::SetPeer(true, url, name, _) => write!(f, "add {url} as {name}"),
            Call::SetPeer(false, url, name, _) => write!(f, "set to {url} as {name}"),
            Call::SetReplication(is_new, values) => {
                let values: Vec<String> =
                    values.iter().map(|(at, v)| format!("{at}={v}")).collect();
                write!(f, "{} {}", if *is_new { "add with" } else { "set" }, values.join(" "))
            }
            Call::RemoveTemplate
            | Call::RemoveUser
            | Call::RemovePeer
            | Call::RemoveReplication => f.write_str("remove"),
            // What it is given is not told: it may hold a login.
            Call::Command(_) => f.write_str("run"),
            Call::AwaitReady => f.write_str("wait until the manager answers"),
            Call::AwaitIdle(_) => f.write_str("wait until no command runs"),
            Call::AwaitServers(count) => write!(f, "wait until {count} servers are alive"),
        }
    }
}
