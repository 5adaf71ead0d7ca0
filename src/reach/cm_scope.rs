//! Finds configuration scopes among what a Cloudera Manager listed.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::catalogue::Catalogues;
use super::cm_gate::Seen;
use super::cm_staleness::Impact;
use super::http::Trouble;
use crate::model::manager::{ConfigScope, MANAGEMENT_SERVICE, ManagerIdentity};
use crate::model::nearest::did_you_mean;
use crate::model::question::Reply;
use crate::model::quote::percent;

/// What is read first: the API version, and what this manager and cluster are.
pub(super) struct Session {
    /// Path of the API version, `/api/v54`.
    pub(super) api: String,
    pub(super) identity: ManagerIdentity,
    /// Name of the cluster in paths; `None` when the manager has none.
    pub(super) cluster: Result<String, String>,
    pub(super) catalogues: Catalogues,
}

impl Session {
    /// Returns the path of the cluster below the API version.
    pub(super) fn cluster_path(&self) -> Result<String, Trouble> {
        match &self.cluster {
            Ok(cluster) => Ok(format!("/clusters/{}", percent(cluster))),
            Err(said) => Err(Trouble::Refused(0, said.clone())),
        }
    }

    /// Returns the number of the API version in use.
    pub(super) fn api_number(&self) -> u32 {
        self.identity.api.trim_start_matches('v').parse().unwrap_or(0)
    }
}

/// Members of a service: its type, groups and roles, as far as questions ask for them.
#[derive(Default)]
pub(super) struct Service {
    pub(super) sort: String,
    /// As the manager lists it.
    pub(super) told: Value,
    pub(super) groups: Option<Result<Vec<Value>, Trouble>>,
    pub(super) roles: Option<Result<Vec<Value>, Trouble>>,
    pub(super) replications: Option<Result<Vec<Value>, Trouble>>,
    /// Runs of its replication schedules, by the schedule's name.
    pub(super) runs: HashMap<String, Result<Vec<Value>, Trouble>>,
}

/// Everything read for one set of questions.
pub(super) struct Overview {
    pub(super) services: Option<Result<IndexMap<String, Service>, Trouble>>,
    pub(super) hosts: Option<Result<Vec<Value>, Trouble>>,
    pub(super) parcels: Option<Result<Vec<Value>, Trouble>>,
    /// The manager's own settings, in full.
    pub(super) settings: Option<Result<Vec<Value>, Trouble>>,
    /// All services with their staleness.
    pub(super) staleness: Option<Result<Vec<Value>, Trouble>>,
    pub(super) templates: Option<Result<Vec<Value>, Trouble>>,
    pub(super) users: Option<Result<Vec<Value>, Trouble>>,
    pub(super) peers: Option<Result<Vec<Value>, Trouble>>,
    /// Documents that are looked into, by their paths as declared.
    pub(super) documents: HashMap<String, Result<Value, Trouble>>,
    /// How many servers the manager is declared to have.
    pub(super) declared_servers: usize,
    /// The manager's servers.
    pub(super) servers: Option<Result<Vec<Value>, Trouble>>,
    /// The manager was told of repositories, and has not looked into them yet.
    pub(super) is_unrefreshed: bool,
    /// When each server was seen first in this run.
    pub(super) seen: Seen,
    /// It was verified that no command runs, and nothing was begun since.
    pub(super) is_idle: bool,
    /// What restarts would mean.
    pub(super) impact: Option<Result<Impact, Trouble>>,
}

/// A scope found on this manager.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Path of its `config`, below the API version.
    pub(super) path: String,
    /// What sort of scope it is, for the catalogue: `HDFS`, `HDFS/DATANODE`, `manager`, …
    pub(super) sort: String,
    /// The manager's own name for it.
    pub(super) title: String,
    /// Values the listing already told.
    pub(super) told: Option<Value>,
    /// True for a role or a host: what it does not set itself comes from its group or from all
    /// hosts.
    pub(super) overrides: bool,
}

fn missing(said: String, hint: Option<String>) -> Reply {
    Reply::Missing(Arc::from(said), hint.map(Arc::from))
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// Returns the values that `member` has in a list, each once and in order, with spaces between.
pub(super) fn distinct(list: &[Value], member: &str) -> String {
    let mut values: Vec<&str> = list.iter().filter_map(|item| text(item, member)).collect();
    values.sort_unstable();
    values.dedup();
    values.join(" ")
}

pub(super) fn unknown(said: &str) -> Reply {
    Reply::Unknown(Arc::from(&*crate::model::secret::mask(said)))
}

/// Returns a list that was read; else why it was not. `what` names its items.
pub(super) fn listed<'a, T>(
    list: Option<&'a Result<T, Trouble>>,
    what: &str,
) -> Result<&'a T, Reply> {
    match list {
        Some(Ok(list)) => Ok(list),
        Some(Err(trouble)) => Err(unknown(&trouble.to_string())),
        None => Err(unknown(&format!("the {what} were not read"))),
    }
}

pub(super) fn service_path(session: &Session, service: &str) -> String {
    match (service, &session.cluster) {
        (MANAGEMENT_SERVICE, _) => "/cm/service".to_string(),
        (_, Ok(cluster)) => format!("/clusters/{}/services/{}", percent(cluster), percent(service)),
        // Services were listed, so there is a cluster.
        (_, Err(_)) => String::new(),
    }
}

/// Finds a scope on this manager: where its settings are, and what sort it is.
pub(super) fn find(
    session: &Session,
    overview: &Overview,
    scope: &ConfigScope,
) -> Result<Found, Reply> {
    let plain = |path: &str, sort: &str, title: &str| Found {
        path: path.to_string(),
        sort: sort.to_string(),
        title: title.to_string(),
        told: None,
        overrides: false,
    };
    match scope {
        ConfigScope::Manager => Ok(plain("/cm/config", "manager", "Cloudera Manager")),
        ConfigScope::AllHosts => Ok(plain("/cm/allHosts/config", "host", "all hosts")),
        ConfigScope::Host(name) => {
            let host = host(overview, name)?;
            let id = text(host, "hostId").unwrap_or_default();
            let path = format!("/hosts/{}/config", percent(id));
            Ok(Found { overrides: true, ..plain(&path, "host", name) })
        }
        ConfigScope::Service(name) => {
            let service = service(session, overview, name)?;
            let path = format!("{}/config", service_path(session, name));
            Ok(plain(&path, &service.sort, name))
        }
        ConfigScope::RoleGroup(name, group) => {
            let service = service(session, overview, name)?;
            let group = role_group(service, name, group)?;
            Ok(group_scope(session, service, name, group))
        }
        ConfigScope::Role(name, role, on) => {
            let service = service(session, overview, name)?;
            role_scope(session, overview, service, (name, role, on.as_deref()))
        }
    }
}

pub(super) fn host<'a>(overview: &'a Overview, name: &str) -> Result<&'a Value, Reply> {
    let hosts = listed(overview.hosts.as_ref(), "hosts")?;
    let is_it =
        |host: &&Value| text(host, "hostname") == Some(name) || text(host, "hostId") == Some(name);
    hosts.iter().find(is_it).ok_or_else(|| {
        let names = hosts.iter().filter_map(|host| text(host, "hostname"));
        missing(format!("the manager has no host `{name}`"), did_you_mean(name, names))
    })
}

pub(super) fn service<'a>(
    session: &Session,
    overview: &'a Overview,
    name: &str,
) -> Result<&'a Service, Reply> {
    let services = listed(overview.services.as_ref(), "services")?;
    services.get(name).ok_or_else(|| {
        let near = did_you_mean(name, services.keys().map(String::as_str));
        let cluster = session.cluster.as_deref().unwrap_or("the manager");
        missing(format!("cluster `{cluster}` has no service `{name}`"), near)
    })
}

/// Finds a group by its name, else the base group of a role type.
fn role_group<'a>(service: &'a Service, name: &str, group: &str) -> Result<&'a Value, Reply> {
    let groups = listed(service.groups.as_ref(), "role config groups")?;
    let is_base = |g: &&Value| g.get("base").and_then(Value::as_bool).unwrap_or(false);
    groups
        .iter()
        .find(|g| text(g, "name") == Some(group))
        .or_else(|| groups.iter().filter(is_base).find(|g| text(g, "roleType") == Some(group)))
        .ok_or_else(|| {
            let types = groups.iter().filter_map(|g| text(g, "roleType"));
            let names = groups.iter().filter_map(|g| text(g, "name"));
            let near = did_you_mean(group, types.chain(names));
            missing(format!("service `{name}` has no role config group `{group}`"), near)
        })
}

fn group_scope(session: &Session, service: &Service, name: &str, group: &Value) -> Found {
    let own = text(group, "name").unwrap_or_default();
    let base = service_path(session, name);
    Found {
        path: format!("{base}/roleConfigGroups/{}/config", percent(own)),
        sort: format!("{}/{}", service.sort, text(group, "roleType").unwrap_or_default()),
        title: own.to_string(),
        told: group.get("config").filter(|config| config.get("items").is_some()).cloned(),
        overrides: false,
    }
}

fn role_scope(
    session: &Session,
    overview: &Overview,
    service: &Service,
    (name, role, on): (&str, &str, Option<&str>),
) -> Result<Found, Reply> {
    let roles = listed(service.roles.as_ref(), "roles")?;
    let found = match on {
        None => roles.iter().find(|r| text(r, "name") == Some(role)),
        Some(on) => {
            let id = text(host(overview, on)?, "hostId").map(String::from);
            roles.iter().find(|r| {
                let at = r.get("hostRef").and_then(|h| text(h, "hostId"));
                text(r, "type") == Some(role) && at == id.as_deref()
            })
        }
    };
    let Some(found) = found else {
        let near = match on {
            None => did_you_mean(role, roles.iter().filter_map(|r| text(r, "name"))),
            Some(_) => did_you_mean(role, roles.iter().filter_map(|r| text(r, "type"))),
        };
        let place = on.map(|on| format!(" on host `{on}`")).unwrap_or_default();
        return Err(missing(format!("service `{name}` has no role `{role}`{place}"), near));
    };
    let own = text(found, "name").unwrap_or_default();
    let sort = text(found, "type").unwrap_or_default();
    Ok(Found {
        path: format!("{}/roles/{}/config", service_path(session, name), percent(own)),
        sort: format!("{}/{sort}", service.sort),
        title: own.to_string(),
        told: None,
        overrides: true,
    })
}
