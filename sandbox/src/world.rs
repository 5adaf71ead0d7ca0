//! What a route works on: the state, the catalogue and the circumstances of one request.

use serde_json::{Map, Value, json};

use crate::answer::Refusal;
use crate::catalogue::{Catalogue, role_scope, service_scope};
use crate::document::{list, list_mut, map_mut, text};
use crate::fault::Faults;
use crate::servers::Servers;
use crate::store::Storage;

/// One request's view of the manager.
pub(crate) struct World<'a> {
    pub(crate) state: &'a mut Value,
    pub(crate) catalogue: &'a Catalogue,
    /// The manager's own address, for links in objects.
    pub(crate) url: &'a str,
    /// Who is logged in.
    pub(crate) user: &'a str,
    /// Milliseconds since 1970.
    pub(crate) now: i64,
    pub(crate) faults: Faults,
    /// What the servers write beside the state.
    pub(crate) store: &'a dyn Storage,
    /// The manager's servers on their hosts.
    pub(crate) servers: Servers,
    /// Whether the state must be written back.
    pub(crate) changed: bool,
}

/// Where settings live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Manager,
    AllHosts,
    Host(usize),
    Service(usize),
    /// Service and group positions.
    Group(usize, usize),
    /// Service and role positions.
    Role(usize, usize),
}

impl World<'_> {
    /// A cluster by name or display name.
    pub(crate) fn cluster(&self, name: &str) -> Result<&Value, Refusal> {
        let clusters = list(self.state, "clusters");
        let by = |member: &'static str| clusters.iter().find(move |c| text(c, member) == name);
        by("name").or_else(|| by("displayName")).ok_or_else(|| Refusal::missing("Cluster", name))
    }

    /// The position of a service; the management service belongs to no cluster.
    pub(crate) fn service(&self, cluster: Option<&str>, name: &str) -> Result<usize, Refusal> {
        let services = list(self.state, "services").iter();
        let mut found = services.enumerate().filter(|(_, service)| {
            service["cluster"].as_str() == cluster && text(service, "name") == name
        });
        found.next().map(|(index, _)| index).ok_or_else(|| Refusal::missing("Service", name))
    }

    /// The position of the management service.
    pub(crate) fn management(&self) -> Result<usize, Refusal> {
        let services = list(self.state, "services");
        let found = services.iter().position(|service| text(service, "type") == "MGMT");
        found.ok_or_else(|| Refusal::missing("Service", "mgmt"))
    }

    /// The document of a service.
    pub(crate) fn service_at(&self, index: usize) -> &Value {
        &self.state["services"][index]
    }

    /// The positions of all services of a cluster.
    pub(crate) fn services_of(&self, cluster: &str) -> Vec<usize> {
        let services = list(self.state, "services").iter().enumerate();
        let own = services.filter(|(_, service)| service["cluster"].as_str() == Some(cluster));
        own.map(|(index, _)| index).collect()
    }

    /// The position of a group of a service.
    pub(crate) fn group(&self, service: usize, name: &str) -> Result<usize, Refusal> {
        let groups = list(self.service_at(service), "groups");
        let found = groups.iter().position(|group| text(group, "name") == name);
        found.ok_or_else(|| Refusal::missing("Role configuration group", name))
    }

    /// The position of a role of a service.
    pub(crate) fn role(&self, service: usize, name: &str) -> Result<usize, Refusal> {
        let roles = list(self.service_at(service), "roles");
        let found = roles.iter().position(|role| text(role, "name") == name);
        found.ok_or_else(|| Refusal::missing("Role", name))
    }

    /// The position of a host by id or name.
    pub(crate) fn host(&self, name: &str) -> Result<usize, Refusal> {
        let hosts = list(self.state, "hosts");
        let matches = |host: &Value| text(host, "hostId") == name || text(host, "hostname") == name;
        hosts.iter().position(matches).ok_or_else(|| Refusal::missing("Host", name))
    }

    /// The name of a host, or its id when it is unknown.
    pub(crate) fn hostname<'b>(&'b self, host_id: &'b str) -> &'b str {
        let mut hosts = list(self.state, "hosts").iter();
        let found = hosts.find(|host| text(host, "hostId") == host_id);
        found.map_or(host_id, |host| text(host, "hostname"))
    }

    /// The catalogue scope of a place.
    pub(crate) fn scope(&self, place: Place) -> String {
        match place {
            Place::Manager => "manager".to_owned(),
            Place::AllHosts | Place::Host(_) => "allHosts".to_owned(),
            Place::Service(index) => service_scope(text(self.service_at(index), "type")),
            Place::Group(index, group) => {
                let service = self.service_at(index);
                role_scope(text(service, "type"), text(&service["groups"][group], "roleType"))
            }
            Place::Role(index, role) => {
                let service = self.service_at(index);
                role_scope(text(service, "type"), text(&service["roles"][role], "type"))
            }
        }
    }

    /// The explicitly set values of a place.
    pub(crate) fn values(&self, place: Place) -> &Map<String, Value> {
        let document = match place {
            Place::Manager => &self.state["settings"],
            Place::AllHosts => &self.state["allHosts"],
            Place::Host(index) => &self.state["hosts"][index]["config"],
            Place::Service(index) => &self.service_at(index)["config"],
            Place::Group(index, group) => &self.service_at(index)["groups"][group]["config"],
            Place::Role(index, role) => &self.service_at(index)["roles"][role]["config"],
        };
        document.as_object().expect("every place is created with a map of settings")
    }

    /// The explicitly set values of a place, to be changed.
    pub(crate) fn values_mut(&mut self, place: Place) -> &mut Map<String, Value> {
        match place {
            Place::Manager => map_mut(self.state, "settings"),
            Place::AllHosts => map_mut(self.state, "allHosts"),
            Place::Host(index) => map_mut(&mut self.state["hosts"][index], "config"),
            Place::Service(index) => map_mut(&mut self.state["services"][index], "config"),
            Place::Group(index, group) => {
                map_mut(&mut self.state["services"][index]["groups"][group], "config")
            }
            Place::Role(index, role) => {
                map_mut(&mut self.state["services"][index]["roles"][role], "config")
            }
        }
    }

    /// A name for a place that is the same in every request.
    pub(crate) fn place_key(&self, place: Place) -> String {
        match place {
            Place::Manager => "manager".to_owned(),
            Place::AllHosts => "allHosts".to_owned(),
            Place::Host(index) => format!("host {}", text(&self.state["hosts"][index], "hostId")),
            Place::Service(index) => self.service_key(index),
            Place::Group(index, group) => {
                let name = text(&self.service_at(index)["groups"][group], "name");
                format!("{} group {name}", self.service_key(index))
            }
            Place::Role(index, role) => {
                let name = text(&self.service_at(index)["roles"][role], "name");
                format!("{} role {name}", self.service_key(index))
            }
        }
    }

    fn service_key(&self, index: usize) -> String {
        let service = self.service_at(index);
        format!("service {} {}", text(service, "cluster"), text(service, "name"))
    }

    /// The next number of a counter kept in the state.
    pub(crate) fn next(&mut self, counter: &str) -> i64 {
        let number = crate::document::number(self.state, counter);
        self.state[counter] = json!(number + 1);
        self.changed = true;
        number
    }

    /// Adds an event; the oldest are dropped once there are very many.
    pub(crate) fn add_event(&mut self, event: Value) {
        const MOST: usize = 5000;
        let events = list_mut(self.state, "events");
        events.push(event);
        if events.len() > MOST {
            events.remove(0);
        }
        self.changed = true;
    }
}
