//! Configuration revisions and the events that tell of them.

use serde_json::{Value, json};

use crate::clock::iso;
use crate::digest::uuid;
use crate::document::text;
use crate::world::{Place, World};

/// Records that the settings of a place were changed.
pub(crate) fn record(world: &mut World, place: Place, message: &str) {
    let revision = world.next("nextRevision");
    let mut content = format!("User {} created a new revision.", world.user);
    if !message.is_empty() {
        content.push_str(&format!(" Message was: {message}"));
    }
    let mut attributes = vec![
        attribute("EVENTCODE", "EV_REVISION_CREATED"),
        attribute("USER", world.user),
        attribute("REVISION", &revision.to_string()),
    ];
    attributes.extend(place_attributes(world, place));
    add(world, &content, attributes);
}

/// Records that a service or a whole cluster was restarted.
pub(crate) fn record_restart(world: &mut World, command: &Value) {
    let (cluster, service) = (text(command, "cluster"), text(command, "service"));
    let (code, content) = if service.is_empty() {
        ("EV_CLUSTER_RESTARTED", format!("Cluster {cluster} was restarted."))
    } else {
        ("EV_SERVICE_RESTARTED", format!("Service {service} was restarted."))
    };
    let mut attributes = vec![
        attribute("EVENTCODE", code),
        attribute("COMMAND", text(command, "name")),
        attribute("COMMAND_STATUS", "SUCCEEDED"),
        attribute("USER", world.user),
    ];
    if !cluster.is_empty() {
        attributes.push(attribute("CLUSTER", cluster));
    }
    if !service.is_empty() {
        attributes.push(attribute("SERVICE", service));
    }
    add(world, &content, attributes);
}

fn add(world: &mut World, content: &str, attributes: Vec<Value>) {
    let number = world.next("nextEvent");
    let seed = format!("{} event {number}", text(&world.state["server"], "cmServerId"));
    let event = json!({
        "id": uuid(&seed),
        "content": content,
        "timeOccurred": iso(world.now),
        "timeReceived": iso(world.now),
        "category": "AUDIT_EVENT",
        "severity": "INFORMATIONAL",
        "alert": false,
        "attributes": attributes,
    });
    world.add_event(event);
}

fn attribute(name: &str, value: &str) -> Value {
    json!({ "name": name, "values": [value] })
}

fn place_attributes(world: &World, place: Place) -> Vec<Value> {
    match place {
        Place::Manager | Place::AllHosts => Vec::new(),
        Place::Host(index) => {
            let host = &world.state["hosts"][index];
            let names = [("HOST_IDS", "hostId"), ("HOSTS", "hostname")];
            names.map(|(name, member)| attribute(name, text(host, member))).into()
        }
        Place::Service(index) => service_attributes(world, index),
        Place::Group(index, group) => {
            let name = text(&world.service_at(index)["groups"][group], "name");
            let mut attributes = service_attributes(world, index);
            attributes.push(attribute("ROLE_CONFIG_GROUP", name));
            attributes
        }
        Place::Role(index, role) => {
            let role = &world.service_at(index)["roles"][role];
            let mut attributes = service_attributes(world, index);
            attributes.push(attribute("ROLE", text(role, "name")));
            attributes.push(attribute("ROLE_TYPE", text(role, "type")));
            attributes
        }
    }
}

fn service_attributes(world: &World, index: usize) -> Vec<Value> {
    let service = world.service_at(index);
    let mut attributes = vec![
        attribute("SERVICE", text(service, "name")),
        attribute("SERVICE_TYPE", text(service, "type")),
        attribute("SERVICE_DISPLAY_NAME", text(service, "displayName")),
    ];
    if let Ok(cluster) = world.cluster(text(service, "cluster")) {
        attributes.push(attribute("CLUSTER", text(cluster, "name")));
        attributes.push(attribute("CLUSTER_DISPLAY_NAME", text(cluster, "displayName")));
    }
    attributes
}
