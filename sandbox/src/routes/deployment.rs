//! The whole manager as a deployment export.

use serde_json::{Value, json};

use super::{clusters, services};
use crate::clock::iso;
use crate::config::summary;
use crate::document::{list, text, wrap};
use crate::parcel;
use crate::world::{Place, World};

/// `GET /cm/deployment`: always with secrets hidden.
pub(super) fn export(world: &World) -> Value {
    let names: Vec<String> = list(world.state, "clusters")
        .iter()
        .map(|cluster| text(cluster, "name").to_owned())
        .collect();
    let mut export = json!({
        "timestamp": iso(world.now),
        "clusters": names.iter().map(|name| cluster(world, name)).collect::<Vec<_>>(),
        "hosts": (0..list(world.state, "hosts").len())
            .map(|index| host(world, index))
            .collect::<Vec<_>>(),
        "users": super::access::all_users(world)["items"],
        "versionInfo": world.state["version"],
        "managerSettings": config(world, Place::Manager),
        "allHostsConfig": config(world, Place::AllHosts),
        "peers": list(world.state, "peers"),
        "hostTemplates": host_templates(world),
    });
    if let Ok(index) = world.management() {
        export["managementService"] = service(world, index);
    }
    export
}

fn config(world: &World, place: Place) -> Value {
    summary(world, place, world.values(place))
}

fn cluster(world: &World, name: &str) -> Value {
    let mut shown = clusters::cluster(world, name);
    let services = world.services_of(name).into_iter();
    shown["services"] = services.map(|index| service(world, index)).collect();
    let parcels = world.cluster(name).map_or(&[][..], |cluster| list(cluster, "products"));
    shown["parcels"] = parcels
        .iter()
        .map(|product| {
            json!({
                "product": text(product, "product"),
                "version": text(product, "version"),
                "stage": parcel::stage(product),
                "clusterRef": { "clusterName": name },
            })
        })
        .collect();
    shown
}

fn host(world: &World, index: usize) -> Value {
    let host = &world.state["hosts"][index];
    json!({
        "hostId": text(host, "hostId"),
        "ipAddress": text(host, "ipAddress"),
        "hostname": text(host, "hostname"),
        "rackId": text(host, "rackId"),
        "config": config(world, Place::Host(index)),
    })
}

fn service(world: &World, index: usize) -> Value {
    let service = world.service_at(index);
    let groups = list(service, "groups").iter().enumerate().map(|(position, group)| {
        json!({
            "name": text(group, "name"),
            "displayName": text(group, "displayName"),
            "roleType": text(group, "roleType"),
            "base": group["base"],
            "serviceRef": services::reference(service),
            "config": config(world, Place::Group(index, position)),
        })
    });
    let roles = list(service, "roles").iter().enumerate().map(|(position, role)| {
        json!({
            "name": text(role, "name"),
            "type": text(role, "type"),
            "hostRef": { "hostId": text(role, "host") },
            "config": config(world, Place::Role(index, position)),
            "roleConfigGroupRef": { "roleConfigGroupName": text(role, "group") },
        })
    });
    json!({
        "name": text(service, "name"),
        "type": text(service, "type"),
        "displayName": text(service, "displayName"),
        "config": config(world, Place::Service(index)),
        "roles": roles.collect::<Vec<_>>(),
        "roleConfigGroups": groups.collect::<Vec<_>>(),
    })
}

fn host_templates(world: &World) -> Value {
    let mut templates = Vec::new();
    for cluster in list(world.state, "clusters") {
        for entry in list(cluster, "hostTemplates") {
            let groups = list(entry, "groups").iter();
            let references: Vec<Value> =
                groups.map(|group| json!({ "roleConfigGroupName": group })).collect();
            templates.push(json!({
                "name": text(entry, "name"),
                "clusterRef": { "clusterName": text(cluster, "name") },
                "roleConfigGroupRefs": references,
            }));
        }
    }
    wrap(templates)
}
