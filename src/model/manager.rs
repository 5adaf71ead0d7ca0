//! What a manager (Cloudera Manager) rules, as far as kinds speak of it.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use super::digest::Ledger;

pub use super::call::{Call, ParcelMove};
pub use super::command::{CommandScope, Look, Order, Wish};

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

/// The setting of Cloudera Manager that lists the addresses of parcel repositories (CM API:
/// `/cm/config`). Each is declared on its own with `cm.parcel_repository`.
pub const REPOSITORIES: &str = "REMOTE_PARCEL_REPO_URLS";

/// The folder for parcels' files where the setting of Cloudera Manager for it (CM API: `/cm/config`,
/// `PARCEL_REPO_PATH`) is as it comes.
pub const PARCEL_FOLDER: &str = "/opt/cloudera/parcel-repo";

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
    /// The reply has `in_cluster`, `rack`, `maintenance` and `commission_state`, and a field `tag/NAME` for each
    /// tag; `tags` is unknown where tags are not told; `maintenance_through` names whom the
    /// maintenance mode comes from if not from the host.
    Host(Arc<str>),
    /// The names of all hosts.
    ///
    /// The reply has a field `host/NAME` for each, its address.
    HostNames,
    /// Whether a host belongs to the cluster, and what of it runs there (CM API: `roleRefs`).
    ///
    /// The reply has `in_cluster`, and a field `role/NAME` with the service for each role.
    Membership(Arc<str>),
    /// A role config group of a service, by its own name (CM API: `ApiRoleConfigGroup`).
    ///
    /// The reply has `role_type` (absent where there is no such group), `display_name`, `base` and
    /// `role_types` (all the service has, separated by blanks), and a field `role/NAME` for each
    /// role of the service: its type, its host and its group, separated by `|`.
    RoleGroup(Arc<str>, Arc<str>),
    /// The addresses of parcel repositories (CM API: `REMOTE_PARCEL_REPO_URLS` of `/cm/config`).
    ///
    /// The reply has a field `url/N` for each; `looked_into`: `no` when the manager was told of
    /// some and has not looked for parcels there yet; and `folder`, where its servers keep parcels.
    Repositories,
    /// A version of a product (CM API: `ApiParcel`).
    ///
    /// The reply has `stage` (absent where the manager knows no such parcel), `errors`, and a field
    /// `version/VERSION` with the stage of each version of the product; `products` names all
    /// products, separated by blanks. Where there is no such parcel, `servers` and `repositories`
    /// tell how many there are, if known.
    Parcel(Arc<str>, Arc<str>),
    /// The parcels that are in use (CM API: `ApiParcel`).
    ///
    /// The reply has a field `parcel/PRODUCT-VERSION` for each, its stage.
    ParcelsInUse,
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
    ///
    /// The reply has `type` (absent where there is no such service), `state` and `display_name`.
    Service(Arc<str>),
    /// The roles of a service (CM API: `ApiRole`).
    ///
    /// The reply has `role_types` (all the service has, separated by blanks), and a field
    /// `role/NAME` for each role: its type, its host and its state, separated by `|`; and a field
    /// `host/NAME` for each host of the cluster.
    Roles(Arc<str>),
    /// A host template (CM API: `ApiHostTemplate`).
    ///
    /// The reply has `name` (absent where there is no such template), and a field `group/N` for
    /// each of its role config groups.
    HostTemplate(Arc<str>),
    /// A user of the manager (CM API: `ApiUser2`).
    ///
    /// The reply has `roles`, separated by blanks; absent where there is no such user.
    User(Arc<str>),
    /// Another manager that this one replicates from (CM API: `ApiCmPeer`).
    ///
    /// The reply has `url` (absent where there is no such peer) and `username`.
    Peer(Arc<str>),
    /// A replication schedule of a service, by its name (CM API: `ApiReplicationSchedule`).
    ///
    /// The reply has `id` (absent where there is no such schedule), and a field for each member, by
    /// its JSON pointer.
    Replication(Arc<str>, Arc<str>),
    /// A member of a document.
    ///
    /// The reply has `value`; absent where there is no such member, or no such document.
    Member(Look),
    /// A command, by the last part of its path.
    Command(CommandScope, Arc<str>),
    /// The last runs of a replication schedule that is there and not paused (CM API:
    /// `…/replications/{id}/history`).
    ///
    /// The reply has `servers`, how many servers the manager is declared to have, and a field
    /// `run/N` for each run that has ended, the newest first: `done` or `failed`, when it began,
    /// and what the manager says of it, separated by `|`.
    ReplicationRuns(Arc<str>, Arc<str>),
    /// Cloudera Manager itself: what it does, and which of its servers are alive.
    ///
    /// The reply has `idle` (`verified` once it was waited for and nothing was begun since), and a
    /// field `server/NAME` for each server that was alive lately (CM API: `/cm/instances`).
    Manager,
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entity::Host(name) | Entity::Membership(name) => write!(f, "host/{name}"),
            Entity::RoleGroup(service, group) => write!(f, "{service}/{group}"),
            Entity::Repositories => f.write_str("repositories"),
            Entity::Parcel(product, version) => write!(f, "{product} {version}"),
            Entity::HostNames => f.write_str("names of hosts"),
            Entity::ParcelsInUse => f.write_str("parcels in use"),
            Entity::Services => f.write_str("services"),
            Entity::Impact => f.write_str("impact"),
            Entity::Service(name) | Entity::Roles(name) => f.write_str(name),
            Entity::HostTemplate(name) => write!(f, "host template {name}"),
            Entity::Replication(service, name) | Entity::ReplicationRuns(service, name) => {
                write!(f, "{service}/{name}")
            }
            Entity::User(name) => write!(f, "user {name}"),
            Entity::Peer(name) => write!(f, "peer {name}"),
            Entity::Member(look) => write!(f, "{} {}", look.path, look.at),
            Entity::Command(_, name) => f.write_str(name),
            Entity::Manager => f.write_str("manager"),
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
