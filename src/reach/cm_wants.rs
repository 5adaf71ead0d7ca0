//! Which lists of Cloudera Manager a set of questions needs: each is read once.

use std::collections::HashSet;

use crate::model::manager::{CommandScope, ConfigScope, Entity, Look};

/// The lists that are to be read.
#[derive(Default)]
pub(super) struct Wants<'a> {
    /// Services that must be found.
    pub(super) services: HashSet<&'a str>,
    /// Services of which the role config groups are needed.
    pub(super) groups: HashSet<&'a str>,
    /// Services of which the roles are needed.
    pub(super) roles: HashSet<&'a str>,
    /// Whether the hosts are needed.
    pub(super) hosts: bool,
    /// Whether it is needed which roles the hosts have.
    pub(super) hosts_in_full: bool,
    /// Whether the parcels that are in use are needed.
    pub(super) parcels_in_use: bool,
    /// Versions of products of which the parcels are needed.
    pub(super) parcels: HashSet<(&'a str, &'a str)>,
    /// Whether the manager's own settings are needed.
    pub(super) settings: bool,
    /// Whether it is needed which services are stale.
    pub(super) staleness: bool,
    /// Whether the host templates are needed.
    pub(super) templates: bool,
    /// Whether the users are needed.
    pub(super) users: bool,
    /// Whether the peers are needed.
    pub(super) peers: bool,
    /// Services of which the replication schedules are needed.
    pub(super) replications: HashSet<&'a str>,
    /// Schedules, by service and name, of which the last runs are needed.
    pub(super) runs: HashSet<(&'a str, &'a str)>,
    /// Whether the manager's servers are needed.
    pub(super) servers: bool,
    /// What is looked at in documents.
    pub(super) looks: HashSet<&'a Look>,
    /// Whether it is needed what restarts would mean.
    pub(super) impact: bool,
}

impl<'a> Wants<'a> {
    /// Adds what is needed to find `scope`.
    pub(super) fn scope(&mut self, scope: &'a ConfigScope) {
        self.services.extend(scope.service().map(|name| &**name));
        match scope {
            ConfigScope::Manager | ConfigScope::AllHosts | ConfigScope::Service(_) => {}
            ConfigScope::Host(_) => self.hosts = true,
            ConfigScope::RoleGroup(service, _) => _ = self.groups.insert(service),
            ConfigScope::Role(service, _, on) => {
                self.roles.insert(service);
                self.hosts |= on.is_some();
            }
        }
    }

    /// Adds what is needed to tell of `entity`.
    pub(super) fn entity(&mut self, entity: &'a Entity) {
        match entity {
            Entity::Host(_) | Entity::HostNames => self.hosts = true,
            Entity::Membership(_) => (self.hosts, self.hosts_in_full) = (true, true),
            Entity::Parcel(product, version) => {
                self.parcels.insert((product, version));
            }
            Entity::ParcelsInUse => self.parcels_in_use = true,
            Entity::Repositories => self.settings = true,
            Entity::Services => self.staleness = true,
            Entity::Impact => self.impact = true,
            Entity::Manager => self.servers = true,
            Entity::Service(name) => _ = self.services.insert(name),
            Entity::HostTemplate(_) => self.templates = true,
            Entity::Replication(service, _) => {
                self.services.insert(service);
                self.replications.insert(service);
            }
            Entity::ReplicationRuns(service, name) => {
                self.services.insert(service);
                self.replications.insert(service);
                self.runs.insert((service, name));
            }
            Entity::User(_) => self.users = true,
            Entity::Peer(_) => self.peers = true,
            Entity::Member(look) => _ = self.looks.insert(look),
            Entity::Command(scope, _) => match scope {
                CommandScope::Service(name) => _ = self.services.insert(name),
                CommandScope::Host(_) => self.hosts = true,
                CommandScope::Manager | CommandScope::Cluster | CommandScope::ControlPlanes(_) => {}
            },
            Entity::Roles(service) | Entity::RoleGroup(service, _) => {
                self.hosts |= matches!(entity, Entity::Roles(_));
                self.services.insert(service);
                self.groups.insert(service);
                self.roles.insert(service);
            }
        }
    }
}
