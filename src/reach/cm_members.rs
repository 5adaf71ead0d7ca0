//! Hosts of a cluster, services, roles, host templates, users and peers of Cloudera Manager.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::cm::items;
use super::cm_command::{Line, adopt, is_done_meanwhile, name_list, run, run_roles};
use super::cm_entity::{Place, field, known};
use super::cm_replication;
use super::cm_scope::{Overview, Session, distinct, listed, service, text, unknown};
use super::failure::Failure;
use crate::model::call::Call;
use crate::model::question::{Field, Reply};
use crate::model::quote::percent;
use crate::model::{Live, Value};

/// Tells a service; one that is not there has no type.
pub(super) fn service_fields(overview: &Overview, name: &str) -> Result<Vec<Field>, Reply> {
    let services = listed(overview.services.as_ref(), "services")?;
    let told = |member: &str| match services.get(name) {
        Some(service) => known(text(&service.told, member), member),
        None => Live::Absent,
    };
    Ok(vec![
        field("type", told("type")),
        field("state", told("serviceState")),
        field("display_name", told("displayName")),
    ])
}

/// Tells the roles of a service.
pub(super) fn role_fields(
    session: &Session,
    overview: &Overview,
    name: &str,
) -> Result<Vec<Field>, Reply> {
    let service = service(session, overview, name)?;
    let groups = listed(service.groups.as_ref(), "role config groups")?;
    let roles = listed(service.roles.as_ref(), "roles")?;
    let types = distinct(groups, "roleType");
    let hosts = listed(overview.hosts.as_ref(), "hosts")?;
    let mut fields = vec![field("role_types", Live::Known(Value::text(types)))];
    for role in roles {
        let told = role_told(role, hosts).ok_or_else(|| {
            let name = text(role, "name").unwrap_or("a role");
            unknown(&format!("the manager does not tell type, host and state of {name}"))
        })?;
        let name = format!("role/{}", text(role, "name").unwrap_or_default());
        fields.push(Field { name: name.into(), live: Live::Known(Value::text(told)) });
    }
    let own = session.cluster.as_deref().ok();
    let own = hosts.iter().filter(|host| {
        let cluster = host.get("clusterRef").and_then(|at| text(at, "clusterName"));
        cluster.is_some() && cluster == own
    });
    fields.extend(own.filter_map(|host| text(host, "hostname")).map(|name| Field {
        name: format!("host/{name}").into(),
        live: Live::Known(Value::text("own")),
    }));
    Ok(fields)
}

/// Returns type, host and state of a role; the host by its name, which older managers leave out.
fn role_told(role: &Json, hosts: &[Json]) -> Option<String> {
    let id = text(role.get("hostRef")?, "hostId");
    let by_id = || hosts.iter().find(|host| text(host, "hostId") == id);
    let name = text(role.get("hostRef")?, "hostname").or_else(|| text(by_id()?, "hostname"))?;
    Some(format!("{}|{name}|{}", text(role, "type")?, text(role, "roleState")?))
}

/// Tells a host template.
pub(super) fn template_fields(overview: &Overview, name: &str) -> Result<Vec<Field>, Reply> {
    let templates = listed(overview.templates.as_ref(), "host templates")?;
    let Some(template) = named(templates, name) else { return Ok(vec![absent("name")]) };
    let groups = template.get("roleConfigGroupRefs").and_then(Json::as_array);
    let groups = groups.into_iter().flatten().filter_map(|g| text(g, "roleConfigGroupName"));
    let groups = groups.enumerate().map(|(n, group)| Field {
        name: format!("group/{n}").into(),
        live: Live::Known(Value::text(group)),
    });
    Ok(std::iter::once(field("name", Live::Known(Value::text(name)))).chain(groups).collect())
}

/// Tells a user.
pub(super) fn user_fields(overview: &Overview, name: &str) -> Result<Vec<Field>, Reply> {
    let users = listed(overview.users.as_ref(), "users")?;
    let Some(user) = named(users, name) else { return Ok(vec![absent("roles")]) };
    let roles = user.get("authRoles").and_then(Json::as_array).map(|roles| {
        let mut names: Vec<&str> = roles.iter().filter_map(|role| text(role, "name")).collect();
        names.sort_unstable();
        names.join(" ")
    });
    Ok(vec![field("roles", known(roles.as_deref(), "authRoles"))])
}

/// Tells a peer.
pub(super) fn peer_fields(overview: &Overview, name: &str) -> Result<Vec<Field>, Reply> {
    let peers = listed(overview.peers.as_ref(), "peers")?;
    let Some(peer) = named(peers, name) else {
        return Ok(vec![absent("url"), absent("username")]);
    };
    let told = |member: &'static str| field(member, known(text(peer, member), member));
    Ok(vec![told("url"), told("username")])
}

fn named<'a>(list: &'a [Json], name: &str) -> Option<&'a Json> {
    list.iter().find(|item| text(item, "name") == Some(name))
}

fn absent(name: &'static str) -> Field {
    field(name, Live::Absent)
}

/// Does a call to a host of a cluster, a service, a role, a template, a user or a peer.
///
/// Errors: why it failed, or that its outcome is unknown.
pub(super) async fn call(line: Line<'_>, place: &Place, call: &Call) -> Result<(), Failure> {
    let (thing, list) =
        (format!("{}{}", line.api, place.path), format!("{}{}", line.api, place.list));
    let name = place.name.as_str();
    let one = |item: Json| json!({ "items": [item] });
    match call {
        Call::Join(true) => {
            let hosts = items(&line.get("/hosts").await?)?;
            let host = json!({ "hostId": host_id(&hosts, name)?, "hostname": name });
            line.http.post(&list, Some(&one(host))).await?;
        }
        Call::AddService(kind, shown) => {
            let service = json!({ "name": name, "type": &**kind, "displayName": &**shown });
            line.http.post(&list, Some(&one(service))).await?;
        }
        Call::RenameService(shown) => {
            let body = json!({ "name": name, "displayName": &**shown });
            line.http.put(&thing, &body).await?;
        }
        Call::Run(is_on) => return switch(line, place, *is_on).await,
        Call::AddRoles(kind, hosts) => add_roles(line, place, kind, hosts).await?,
        Call::RunRoles(is_on, roles) => return switch_roles(line, place, *is_on, roles).await,
        Call::RemoveRoles(roles) => {
            let path = format!("{thing}/roles/bulkDelete");
            line.http.post(&path, Some(&name_list(roles))).await?;
        }
        Call::SetTemplate(is_new, groups) => {
            let groups = groups.iter().map(|group| json!({ "roleConfigGroupName": &**group }));
            let groups: Vec<Json> = groups.collect();
            let template = json!({ "name": name, "roleConfigGroupRefs": groups });
            match is_new {
                true => line.http.post(&list, Some(&one(template))).await.map(drop)?,
                false => line.http.put(&thing, &template).await?,
            }
        }
        Call::AddUser(password, roles) => {
            let user = json!({
                "name": name, "password": password.reveal(), "authRoles": role_refs(roles),
            });
            line.http.post(&list, Some(&one(user))).await?;
        }
        Call::SetUserRoles(roles) => {
            let user = json!({ "name": name, "authRoles": role_refs(roles) });
            line.http.put(&thing, &user).await?;
        }
        Call::SetPeer(is_new, url, user, password) => {
            let peer = json!({
                "name": name,
                "type": "REPLICATION",
                "url": &**url,
                "username": &**user,
                "password": password.reveal(),
                // The login is the declared one, not one the manager makes for itself.
                "clouderaManagerCreatedUser": false,
            });
            match is_new {
                true => line.http.post(&list, Some(&peer)).await.map(drop)?,
                false => line.http.put(&thing, &peer).await?,
            }
        }
        Call::SetReplication(is_new, values) => {
            return cm_replication::set(line, place, *is_new, values).await;
        }
        Call::RemovePeer => {
            line.http.delete(&format!("{thing}?type=REPLICATION"), None).await?;
        }
        _ => line.http.delete(&thing, None).await?,
    }
    Ok(())
}

/// Starts or stops a service. A command that does so already is waited for first.
async fn switch(line: Line<'_>, place: &Place, is_on: bool) -> Result<(), Failure> {
    let (word, done) = if is_on { ("start", "STARTED") } else { ("stop", "STOPPED") };
    let commands = format!("{}/commands", place.path);
    if is_done_meanwhile(line, place, (&commands, word), ("serviceState", done)).await? {
        return Ok(());
    }
    run(line, &format!("{commands}/{word}"), None).await
}

/// Starts or stops roles. Commands that do so already are waited for first.
async fn switch_roles(
    line: Line<'_>,
    place: &Place,
    is_on: bool,
    roles: &[Arc<str>],
) -> Result<(), Failure> {
    let (word, done) = if is_on { ("start", "STARTED") } else { ("stop", "STOPPED") };
    if !adopt(line, &format!("{}/commands", place.path), word).await? {
        return run_roles(line, place, word, roles).await;
    }
    let now = items(&line.get(&format!("{}/roles", place.path)).await?)?;
    let is_done = |name: &Arc<str>| {
        named(&now, name).is_some_and(|role| text(role, "roleState") == Some(done))
    };
    let left: Vec<Arc<str>> = roles.iter().filter(|name| !is_done(name)).cloned().collect();
    match left.is_empty() {
        true => Ok(()),
        false => run_roles(line, place, word, &left).await,
    }
}

async fn add_roles(
    line: Line<'_>,
    place: &Place,
    kind: &str,
    names: &[Arc<str>],
) -> Result<(), Failure> {
    let hosts = items(&line.get("/hosts").await?)?;
    let mut roles = Vec::new();
    for name in names {
        let id = host_id(&hosts, name)?;
        roles.push(json!({ "type": kind, "hostRef": { "hostId": id } }));
    }
    let path = format!("{}/roles", place.path);
    line.post(&path, Some(&json!({ "items": roles }))).await?;
    Ok(())
}

fn host_id<'a>(hosts: &'a [Json], name: &str) -> Result<&'a str, String> {
    let host = hosts.iter().find(|host| text(host, "hostname") == Some(name));
    let id = host.and_then(|host| text(host, "hostId"));
    id.ok_or_else(|| format!("the manager has no host `{name}`"))
}

fn role_refs(roles: &[Arc<str>]) -> Vec<Json> {
    roles.iter().map(|role| json!({ "name": &**role })).collect()
}

/// Returns where a thing of a list is: `LIST/NAME`.
pub(super) fn place_in(list: String, name: &str) -> Place {
    Place { path: format!("{list}/{}", percent(name)), list, name: name.to_string() }
}
