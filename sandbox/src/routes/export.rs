//! A cluster as a cluster template.

use serde_json::{Value, json};

use crate::document::{entries, list, text};
use crate::parcel;
use crate::world::{Place, World};

/// `GET /clusters/{c}/export`: secrets become variables without their value.
pub(super) fn template(world: &World, name: &str) -> Value {
    let Ok(cluster) = world.cluster(name) else { return Value::Null };
    let mut variables = Vec::new();
    let services: Vec<Value> = world
        .services_of(name)
        .into_iter()
        .map(|index| service(world, index, &mut variables))
        .collect();
    let templates = host_templates(cluster);
    json!({
        "cdhVersion": text(cluster, "fullVersion"),
        "products": products(cluster),
        "services": services,
        "hostTemplates": templates,
        "displayName": text(cluster, "displayName"),
        "cmVersion": text(&world.state["version"], "version"),
        "instantiator": {
            "clusterName": name,
            "hosts": hosts(world, name, cluster),
            "variables": variables,
            "keepHostTemplates": true,
            "lenient": true,
        },
        "repositories": list(cluster, "repositories"),
        "tags": list(cluster, "tags"),
    })
}

/// The parcels in use.
fn products(cluster: &Value) -> Vec<Value> {
    let active =
        list(cluster, "products").iter().filter(|parcel| parcel::stage(parcel) == "ACTIVATED");
    let product = |parcel: &Value| json!({ "product": text(parcel, "product"), "version": text(parcel, "version") });
    active.map(product).collect()
}

fn service(world: &World, index: usize, variables: &mut Vec<Value>) -> Value {
    let service = world.service_at(index);
    let name = text(service, "name");
    let settings = configs(world, Place::Service(index), name, variables);
    let groups: Vec<Value> = (0..list(service, "groups").len())
        .filter(|group| is_used(service, *group))
        .map(|group| {
            let document = &service["groups"][group];
            let reference = text(document, "name");
            let configs = configs(world, Place::Group(index, group), reference, variables);
            json!({
                "refName": reference,
                "roleType": text(document, "roleType"),
                "base": document["base"],
                "displayName": text(document, "displayName"),
                "configs": configs,
            })
        })
        .collect();
    json!({
        "refName": name,
        "serviceType": text(service, "type"),
        "displayName": text(service, "displayName"),
        "serviceConfigs": settings,
        "roleConfigGroups": groups,
    })
}

/// Groups with neither roles nor settings are left out.
fn is_used(service: &Value, group: usize) -> bool {
    let group = &service["groups"][group];
    let has_roles = list(service, "roles").iter().any(|role| role["group"] == group["name"]);
    has_roles || entries(group, "config").next().is_some()
}

fn configs(world: &World, place: Place, owner: &str, variables: &mut Vec<Value>) -> Vec<Value> {
    let scope = world.scope(place);
    let cluster_services: Vec<&str> =
        list(world.state, "services").iter().map(|service| text(service, "name")).collect();
    let mut configs = Vec::new();
    for (name, value) in world.values(place) {
        let value = value.as_str().unwrap_or("");
        let sensitive = world.catalogue.find(&scope, name).is_some_and(|setting| setting.sensitive);
        if sensitive {
            let variable = format!("{owner}-{name}");
            configs.push(json!({ "name": name, "variable": variable }));
            variables.push(json!({ "name": variable, "value": "<changeme>" }));
        } else if name.ends_with("_service") && cluster_services.contains(&value) {
            configs.push(json!({ "name": name, "ref": value }));
        } else {
            configs.push(json!({ "name": name, "value": value }));
        }
    }
    configs
}

fn host_templates(cluster: &Value) -> Vec<Value> {
    let template = |entry: &Value| {
        json!({
            "refName": text(entry, "name"),
            "roleConfigGroupsRefNames": list(entry, "groups"),
            "cardinality": 0,
        })
    };
    list(cluster, "hostTemplates").iter().map(template).collect()
}

fn hosts(world: &World, name: &str, cluster: &Value) -> Vec<Value> {
    let own = list(world.state, "hosts").iter().filter(|host| text(host, "cluster") == name);
    own.map(|host| {
        let mut entry = json!({
            "hostName": text(host, "hostname"),
            "rackId": text(host, "rackId"),
        });
        if let Some(template) = fitting_template(world, text(host, "hostId"), cluster) {
            entry["hostTemplateRefName"] = json!(template);
        }
        entry
    })
    .collect()
}

/// The host template whose groups are those of the roles on a host.
fn fitting_template<'a>(world: &World, host_id: &str, cluster: &'a Value) -> Option<&'a str> {
    let mut groups: Vec<&Value> = list(world.state, "services")
        .iter()
        .filter(|service| service["cluster"].is_string())
        .flat_map(|service| list(service, "roles"))
        .filter(|role| text(role, "host") == host_id)
        .map(|role| &role["group"])
        .collect();
    groups.sort_by_key(|group| group.to_string());
    let fits = |entry: &&Value| {
        let mut wanted: Vec<&Value> = list(entry, "groups").iter().collect();
        wanted.sort_by_key(|group| group.to_string());
        wanted == groups
    };
    list(cluster, "hostTemplates").iter().find(fits).map(|entry| text(entry, "name"))
}
