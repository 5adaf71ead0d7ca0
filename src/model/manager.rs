//! What a manager (Cloudera Manager) rules, as far as kinds speak of it.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use super::digest::Ledger;

/// A place in Cloudera Manager that has settings of its own (CM API: the `…/config` resources).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConfigScope {
    /// Cloudera Manager itself: `/cm/config`.
    Manager,
    /// What all hosts inherit: `/cm/allHosts/config`.
    AllHosts,
    /// One host's overrides: `/hosts/{id}/config`.
    Host(Arc<str>),
    /// A service; `mgmt` is the Cloudera Management Service.
    Service(Arc<str>),
    /// A role config group of a service, by group name or, for the base group, by role type.
    RoleGroup(Arc<str>, Arc<str>),
    /// A single role: service, role type or role name, and the host for a role type.
    Role(Arc<str>, Arc<str>, Option<Arc<str>>),
}

/// The name under which the Cloudera Management Service goes (CM API: `/cm/service`).
pub const MANAGEMENT_SERVICE: &str = "mgmt";

impl ConfigScope {
    /// Returns the service the scope belongs to, if any.
    pub fn service(&self) -> Option<&Arc<str>> {
        match self {
            ConfigScope::Service(service)
            | ConfigScope::RoleGroup(service, _)
            | ConfigScope::Role(service, _, _) => Some(service),
            _ => None,
        }
    }
}

impl fmt::Display for ConfigScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigScope::Manager => f.write_str("manager"),
            ConfigScope::AllHosts => f.write_str("all_hosts"),
            ConfigScope::Host(host) => write!(f, "host/{host}"),
            ConfigScope::Service(service) => f.write_str(service),
            ConfigScope::RoleGroup(service, group) => write!(f, "{service}/{group}"),
            ConfigScope::Role(service, role, None) => write!(f, "{service}/{role}"),
            ConfigScope::Role(service, role, Some(host)) => write!(f, "{service}/{role}@{host}"),
        }
    }
}

/// A thing of Cloudera Manager that is asked after by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Entity {
    /// A host, by the name the manager knows it by (CM API: `ApiHost`).
    ///
    /// The reply has `rack`, `maintenance` and `commission_state`, and a field `tag/NAME` for each
    /// tag; `tags` is unknown where tags are not told; `maintenance_through` names whom the
    /// maintenance mode comes from if not from the host.
    Host(Arc<str>),
    /// A role config group of a service, by its own name (CM API: `ApiRoleConfigGroup`).
    ///
    /// The reply has `role_type` (absent where there is no such group), `display_name`, `base` and
    /// `role_types` (all the service has, separated by blanks), and a field `role/NAME` for each
    /// role of the service: its type, its host and its group, separated by `|`.
    RoleGroup(Arc<str>, Arc<str>),
    /// The addresses of parcel repositories (CM API: `REMOTE_PARCEL_REPO_URLS` of `/cm/config`).
    ///
    /// The reply has a field `url/N` for each.
    Repositories,
    /// A version of a product (CM API: `ApiParcel`).
    ///
    /// The reply has `stage` (absent where the manager knows no such parcel), `errors`, and a field
    /// `version/VERSION` with the stage of each version of the product; `products` names all
    /// products, separated by blanks.
    Parcel(Arc<str>, Arc<str>),
    /// All services of the cluster and the management service, and whether what they run is what
    /// is declared (CM API: `configStalenessStatus`).
    ///
    /// The reply has a field `service/NAME` for each: its type, its state and the staleness of its
    /// roles and of its client configuration, separated by `|`; and, where several are stale, a
    /// field `needs/NAME` with the services whose configuration it is built from.
    Services,
    /// What restarts of services would mean.
    ///
    /// The reply has for each service a field `roles/NAME`, how many of its roles run, and
    /// `needs/NAME`, the services whose configuration it is built from.
    Impact,
    /// A service (CM API: `ApiService`).
    Service(Arc<str>),
    /// Cloudera Manager itself: what it does, and which of its servers are alive.
    ///
    /// The reply has `idle` (`verified` once it was waited for and nothing was begun since), and a
    /// field `server/NAME` for each server that was alive lately (CM API: `/cm/instances`).
    Manager,
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entity::Host(name) => write!(f, "host/{name}"),
            Entity::RoleGroup(service, group) => write!(f, "{service}/{group}"),
            Entity::Repositories => f.write_str("repositories"),
            Entity::Parcel(product, version) => write!(f, "{product} {version}"),
            Entity::Services => f.write_str("services"),
            Entity::Impact => f.write_str("impact"),
            Entity::Service(name) => f.write_str(name),
            Entity::Manager => f.write_str("manager"),
        }
    }
}

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
    /// Bring a parcel to its next stage, and wait for it.
    Parcel(ParcelMove),
    /// Deploy the client configuration of a service (CM API: `deployClientConfig`).
    DeployClientConfig,
    /// Have those roles of a service that can read their configuration anew do so (CM API:
    /// `roleCommands/refresh`).
    Refresh,
    /// Restart a service, its stale roles one after the other (`true`) or all roles at once.
    Restart(bool),
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
            Call::SetRepositories(urls) => write!(f, "set repositories {}", urls.join(" ")),
            Call::Parcel(step) => f.write_str(step.word()),
            Call::DeployClientConfig => f.write_str("deploy client configuration"),
            Call::Refresh => f.write_str("refresh"),
            Call::Restart(true) => f.write_str("rolling restart"),
            Call::Restart(false) => f.write_str("restart"),
            Call::AwaitReady => f.write_str("wait until the manager answers"),
            Call::AwaitIdle(_) => f.write_str("wait until no command runs"),
            Call::AwaitServers(count) => write!(f, "wait until {count} servers are alive"),
        }
    }
}

/// One setting as the catalogue (`view=full`) and the live view tell it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setting {
    /// The value explicitly set; `None` means the default rules.
    pub value: Option<Arc<str>>,
    /// The default; `None` when there is none.
    pub default: Option<Arc<str>>,
    /// The native property, e.g. `dfs.replication`; empty when there is none.
    pub related: Arc<str>,
    /// A password or the like: reads answer `REDACTED`.
    pub sensitive: bool,
}

/// The settings of one scope: what can be set, what is set, and how to write it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScopeConfig {
    /// All settings of the scope by API name.
    pub settings: IndexMap<Arc<str>, Setting>,
    /// The manager's name of the scope, for messages, e.g. `hdfs-DATANODE-BASE`.
    pub title: String,
    /// The scope's own address at the manager: two names of one scope have one path.
    pub path: String,
    /// True for a role or a host: a value that is not set there is inherited, so only an explicit
    /// one is this scope's own.
    pub overrides: bool,
    /// What was applied last, for values the manager hides.
    pub ledger: Arc<Ledger>,
    /// Names this scope in the ledger.
    pub ledger_place: String,
}

impl ScopeConfig {
    /// True when `secret` is what was applied to the setting `name` last.
    pub fn agrees(&self, name: &str, secret: &str) -> bool {
        self.ledger.agrees(&format!("{}/{name}", self.ledger_place), secret)
    }
}

/// What identifies a manager and its cluster physically, whatever its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ManagerIdentity {
    /// The cluster's uuid (CM API: `ApiCluster.uuid`).
    pub cluster_uuid: Option<String>,
    /// Ids of the Cloudera Manager servers (CM API: `/cm/instances`).
    pub servers: Vec<String>,
    /// Version of the manager.
    pub version: String,
    /// API version in use, e.g. `v54`.
    pub api: String,
}
