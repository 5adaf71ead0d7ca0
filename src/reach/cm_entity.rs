//! What Cloudera Manager lists of a thing, as fields.

use std::sync::Arc;

use serde_json::Value as Json;

use super::cm_scope::{
    Overview, Service, Session, distinct, host, listed, service, service_path, text, unknown,
};
use super::{cm_gate, cm_members, cm_order, cm_parcel, cm_replication, cm_staleness};
use crate::model::manager::{CommandScope, Entity};
use crate::model::question::{Field, Reply};
use crate::model::quote::percent;
use crate::model::{Live, Value};

/// Answers a question after `entity`.
pub(super) fn reply(session: &Session, overview: &Overview, entity: &Entity) -> Reply {
    let fields = match entity {
        Entity::Host(name) => {
            own_host(session, overview, name).map(|host| host_fields(session, host))
        }
        Entity::HostNames => names(overview),
        Entity::Membership(name) => {
            own_host(session, overview, name).and_then(|host| membership_fields(session, host))
        }
        Entity::RoleGroup(name, group) => {
            service(session, overview, name).and_then(|service| group_fields(service, group))
        }
        Entity::Repositories => cm_parcel::repository_fields(overview),
        Entity::Parcel(product, version) => cm_parcel::fields(overview, product, version),
        Entity::ParcelsInUse => cm_parcel::fields_in_use(overview),
        Entity::Services => cm_staleness::fields(overview),
        Entity::Impact => cm_staleness::impact_fields(overview),
        Entity::Service(name) => cm_members::service_fields(overview, name),
        Entity::Roles(name) => cm_members::role_fields(session, overview, name),
        Entity::HostTemplate(name) => cm_members::template_fields(overview, name),
        Entity::User(name) => cm_members::user_fields(overview, name),
        Entity::Peer(name) => cm_members::peer_fields(overview, name),
        Entity::Replication(owner, name) => service(session, overview, owner)
            .and_then(|service| cm_replication::fields(service, name)),
        Entity::ReplicationRuns(owner, name) => service(session, overview, owner)
            .and_then(|service| cm_replication::run_fields(overview, service, name)),
        Entity::Manager => cm_gate::fields(overview),
        Entity::Member(look) => cm_order::fields(overview, look),
        Entity::Command(..) => Err(unknown("a command is no thing that can be looked at")),
    };
    match fields {
        Ok(fields) => Reply::Fields(Arc::new(fields)),
        Err(reply) => reply,
    }
}

/// Where a thing is at the manager, below the API version.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Path of the thing itself.
    pub(super) path: String,
    /// Path of the list it is in.
    pub(super) list: String,
    /// The manager's name of it.
    pub(super) name: String,
}

impl Place {
    /// Returns the path of the cluster that a service belongs to.
    pub(super) fn cluster(&self) -> Option<&str> {
        self.list.strip_suffix("/services")
    }
}

/// Returns where `entity` is or is to be; else why it cannot be told.
pub(super) fn path(
    session: &Session,
    overview: &Overview,
    entity: &Entity,
) -> Result<Place, Reply> {
    let (list, id, name) = match entity {
        Entity::Host(name) | Entity::Membership(name) => {
            let host = own_host(session, overview, name)?;
            let member = |member: &str| {
                let said =
                    || unknown(&format!("the manager does not tell the `{member}` of {name}"));
                text(host, member).map(String::from).ok_or_else(said)
            };
            let list = match entity {
                Entity::Membership(_) => {
                    let cluster = session.cluster_path().map_err(|t| unknown(&t.to_string()))?;
                    format!("{cluster}/hosts")
                }
                _ => "/hosts".to_string(),
            };
            (list, member("hostId")?, member("hostname")?)
        }
        Entity::RoleGroup(owner, group) => {
            service(session, overview, owner)?;
            let list = format!("{}/roleConfigGroups", service_path(session, owner));
            (list, group.to_string(), group.to_string())
        }
        Entity::Repositories => {
            let path = "/cm/config".to_string();
            return Ok(Place { list: path.clone(), path, name: "repositories".into() });
        }
        Entity::HostNames | Entity::ParcelsInUse | Entity::Services | Entity::Impact => {
            return Err(unknown("there is no one place for all of them"));
        }
        Entity::Manager => {
            let list = session.cluster_path().unwrap_or_default();
            return Ok(Place { path: "/cm".into(), list, name: "Cloudera Manager".into() });
        }
        // A service may be there only after the call.
        Entity::Service(name) | Entity::Roles(name) => {
            listed(overview.services.as_ref(), "services")?;
            let path = service_path(session, name);
            let list = path.rsplit_once('/').map_or("", |(list, _)| list).to_string();
            return Ok(Place { path, list, name: name.to_string() });
        }
        Entity::HostTemplate(name) => {
            let cluster = session.cluster_path().map_err(|said| unknown(&said.to_string()))?;
            return Ok(cm_members::place_in(format!("{cluster}/hostTemplates"), name));
        }
        Entity::Replication(owner, name) | Entity::ReplicationRuns(owner, name) => {
            let owner_of = service(session, overview, owner)?;
            let list = format!("{}/replications", service_path(session, owner));
            let path = format!("{list}/{}", cm_replication::id(owner_of, name).unwrap_or_default());
            return Ok(Place { path, list, name: name.to_string() });
        }
        Entity::User(name) => return Ok(cm_members::place_in("/users".into(), name)),
        Entity::Peer(name) => return Ok(cm_members::place_in("/cm/peers".into(), name)),
        Entity::Member(_) => return Err(unknown("what is looked at cannot be changed")),
        Entity::Command(scope, name) => return command_place(session, overview, scope, name),
        Entity::Parcel(product, version) => {
            let cluster = session.cluster_path().map_err(|said| unknown(&said.to_string()))?;
            let list = format!("{cluster}/parcels");
            let (product, number) = (percent(product), percent(version));
            let path = format!("{list}/products/{product}/versions/{number}");
            return Ok(Place { path, list, name: entity.to_string() });
        }
    };
    Ok(Place { path: format!("{list}/{}", percent(&id)), list, name })
}

/// The command that is not among the others (CM API).
const IMPORT: &str = "importClusterTemplate";

/// Returns where a command is run, and the list of what runs there.
fn command_place(
    session: &Session,
    overview: &Overview,
    scope: &CommandScope,
    name: &str,
) -> Result<Place, Reply> {
    // Not every thing lists its commands; the manager's own list is the widest (CM API).
    const ALL: &str = "/cm/commands";
    let (path, list) = match scope {
        CommandScope::Manager if name == IMPORT => ("/cm".to_string(), ALL.to_string()),
        CommandScope::Manager => (ALL.to_string(), ALL.to_string()),
        CommandScope::Cluster => {
            let cluster = session.cluster_path().map_err(|said| unknown(&said.to_string()))?;
            (format!("{cluster}/commands"), format!("{cluster}/commands"))
        }
        CommandScope::Service(owner) => {
            service(session, overview, owner)?;
            let list = format!("{}/commands", service_path(session, owner));
            (list.clone(), list)
        }
        CommandScope::Host(host) => {
            let host = own_host(session, overview, host)?;
            let id = text(host, "hostId").ok_or_else(|| unknown("the host has no `hostId`"))?;
            (format!("/hosts/{}/commands", percent(id)), ALL.to_string())
        }
        CommandScope::ControlPlanes(None) => ("/controlPlanes/commands".into(), ALL.to_string()),
        CommandScope::ControlPlanes(Some(id)) => {
            (format!("/controlPlanes/{}/commands", percent(id)), ALL.to_string())
        }
    };
    Ok(Place { path: format!("{path}/{}", percent(name)), list, name: name.to_string() })
}

/// Finds a host of this cluster, or of none.
fn own_host<'a>(session: &Session, overview: &'a Overview, name: &str) -> Result<&'a Json, Reply> {
    let host = host(overview, name)?;
    let own = session.cluster.as_deref().ok();
    match foreign(host, own) {
        None => Ok(host),
        Some(other) => {
            let own = own.unwrap_or_default();
            let said = format!("host `{name}` belongs to cluster `{other}`, not to `{own}`");
            Err(Reply::Missing(Arc::from(said), None))
        }
    }
}

/// Returns the cluster a host belongs to if that is not `own`: one manager may rule several.
fn foreign<'a>(host: &'a Json, own: Option<&str>) -> Option<&'a str> {
    let cluster = text(host.get("clusterRef")?, "clusterName")?;
    own.filter(|own| *own != cluster).map(|_| cluster)
}

fn group_fields(service: &Service, name: &str) -> Result<Vec<Field>, Reply> {
    let groups = listed(service.groups.as_ref(), "role config groups")?;
    let roles = listed(service.roles.as_ref(), "roles")?;
    let group = groups.iter().find(|group| text(group, "name") == Some(name));
    let told = |member: &str| match group {
        Some(group) => known(text(group, member), member),
        None => Live::Absent,
    };
    let is_base = group.and_then(|group| group.get("base")).and_then(Json::as_bool);
    let mut fields = vec![
        field("role_type", told("roleType")),
        field("display_name", told("displayName")),
        field("base", Live::Known(Value::text(is_base.unwrap_or(false).to_string()))),
    ];
    let types = distinct(groups, "roleType");
    fields.push(field("role_types", Live::Known(Value::text(types))));
    fields.extend(roles.iter().filter_map(role_field));
    Ok(fields)
}

fn role_field(role: &Json) -> Option<Field> {
    let inner = |reference: &str, member: &str| text(role.get(reference)?, member);
    let host = inner("hostRef", "hostname").or_else(|| inner("hostRef", "hostId"))?;
    let group = inner("roleConfigGroupRef", "roleConfigGroupName").unwrap_or_default();
    let told = format!("{}|{host}|{group}", text(role, "type")?);
    Some(Field {
        name: format!("role/{}", text(role, "name")?).into(),
        live: Live::Known(Value::text(told)),
    })
}

fn names(overview: &Overview) -> Result<Vec<Field>, Reply> {
    let hosts = listed(overview.hosts.as_ref(), "hosts")?;
    let name = |host: &Json| {
        let address = Value::text(text(host, "ipAddress").unwrap_or_default());
        let name = format!("host/{}", text(host, "hostname")?);
        Some(Field { name: name.into(), live: Live::Known(address) })
    };
    Ok(hosts.iter().filter_map(name).collect())
}

/// A host of another cluster was sorted out before, where it is known which one is meant.
fn in_cluster(session: &Session, host: &Json) -> Field {
    let cluster = host.get("clusterRef").and_then(|at| text(at, "clusterName"));
    let live = match &session.cluster {
        Ok(_) => Live::Known(Value::text(cluster.is_some().to_string())),
        Err(said) => Live::Unknown(said.clone()),
    };
    field("in_cluster", live)
}

fn membership_fields(session: &Session, host: &Json) -> Result<Vec<Field>, Reply> {
    let roles = host.get("roleRefs").and_then(Json::as_array);
    let roles = roles.ok_or_else(|| unknown("the manager does not tell `roleRefs`"))?;
    let role = |role: &Json| Field {
        name: format!("role/{}", text(role, "roleName").unwrap_or_default()).into(),
        live: Live::Known(Value::text(text(role, "serviceName").unwrap_or_default())),
    };
    // Those of the management service belong to no cluster, and stay (CM API: `roleRefs`).
    let roles = roles.iter().filter(|role| text(role, "clusterName").is_some()).map(role);
    Ok(std::iter::once(in_cluster(session, host)).chain(roles).collect())
}

/// Tags came with this version of the API.
const TAGS_SINCE: u32 = 41;

fn host_fields(session: &Session, host: &Json) -> Vec<Field> {
    let api = session.api_number();
    let (maintenance, through) = maintenance(host, "HOST");
    let state = match text(host, "commissionState") {
        Some("UNKNOWN") => Live::Unknown("the manager does not know it itself".into()),
        state => known(state, "commissionState"),
    };
    let tags = match api {
        ..TAGS_SINCE => Live::Unknown(format!("API v{api} has no tags")),
        _ => Live::Known(Value::text("listed")),
    };
    let mut fields = vec![
        in_cluster(session, host),
        field("rack", known(text(host, "rackId"), "rackId")),
        field("maintenance", maintenance),
        field("maintenance_through", through.map_or(Live::Absent, Live::Known)),
        field("commission_state", state),
        field("tags", tags),
    ];
    for tag in host.get("tags").and_then(Json::as_array).into_iter().flatten() {
        if let Some(name) = text(tag, "name") {
            let value = Value::text(text(tag, "value").unwrap_or_default());
            fields.push(Field { name: format!("tag/{name}").into(), live: Live::Known(value) });
        }
    }
    fields
}

pub(super) fn field(name: &'static str, live: Live) -> Field {
    Field { name: name.into(), live }
}

pub(super) fn known(text: Option<&str>, member: &str) -> Live {
    text.map_or_else(
        || Live::Unknown(format!("the manager does not tell `{member}`")),
        |text| Live::Known(Value::text(text)),
    )
}

/// Returns whether a thing is itself in maintenance mode, and else whom it inherits the mode from
/// (CM API: `maintenanceOwners`).
fn maintenance(object: &Json, own: &str) -> (Live, Option<Value>) {
    let Some(is_on) = object.get("maintenanceMode").and_then(Json::as_bool) else {
        return (Live::Unknown("the manager does not tell `maintenanceMode`".into()), None);
    };
    let owners = object.get("maintenanceOwners").and_then(Json::as_array);
    let owners: Vec<&str> = owners.into_iter().flatten().filter_map(Json::as_str).collect();
    let is_own = is_on && (owners.is_empty() || owners.contains(&own));
    let through = (is_on && !is_own).then(|| Value::text(owners.join(", ").to_lowercase()));
    (Live::Known(Value::text(is_own.to_string())), through)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_host_of_another_cluster_is_told_apart() {
        let host = json!({ "hostname": "w1", "clusterRef": { "clusterName": "lake" } });
        assert_eq!(foreign(&host, Some("lake")), None);
        assert_eq!(foreign(&host, Some("pond")), Some("lake"));
        // The manager's own host may be in no cluster at all.
        assert_eq!(foreign(&json!({ "hostname": "cm" }), Some("lake")), None);
    }

    #[test]
    fn maintenance_through_the_cluster_is_not_the_hosts_own() {
        let of = |owners: Json| {
            let host = json!({ "maintenanceMode": true, "maintenanceOwners": owners });
            maintenance(&host, "HOST")
        };
        assert_eq!(of(json!(["HOST", "CLUSTER"])), (Live::Known(Value::text("true")), None));
        let through = Some(Value::text("cluster"));
        assert_eq!(of(json!(["CLUSTER"])), (Live::Known(Value::text("false")), through));
        assert!(matches!(maintenance(&json!({}), "HOST").0, Live::Unknown(_)));
    }
}
