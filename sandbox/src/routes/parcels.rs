//! `/clusters/{c}/parcels`: what is installed, or could be.

use serde_json::{Value, json};

use super::{clusters, post, read};
use crate::answer::{Refusal, Reply};
use crate::document::{list, text, wrap};
use crate::parcel;
use crate::request::Request;
use crate::world::World;

/// Answers what is below `parcels` of a cluster.
pub(super) fn route(world: &mut World, cluster: &str, path: &[&str], request: &Request) -> Reply {
    match path {
        [] => {
            read(request)?;
            request.full_view()?;
            let parcels = list(world.cluster(cluster)?, "products").to_vec();
            let hides = parcel::hides(world);
            let listed = parcels.iter().filter(|parcel| !(hides && parcel::is_new(parcel)));
            Ok(wrap(listed.map(|parcel| show(world, cluster, parcel)).collect()))
        }
        ["usage"] => read(request).map(|()| usage(world, cluster)),
        ["products", product, "versions", version] => {
            read(request)?;
            let found = parcel::find(world, cluster, product, version)?.clone();
            Ok(show(world, cluster, &found))
        }
        ["products", product, "versions", version, "commands", word] => {
            post(request)?;
            parcel::command(world, cluster, (product, version), word)
        }
        _ => Err(Refusal::no_path()),
    }
}

fn show(world: &World, cluster: &str, parcel: &Value) -> Value {
    let own = |host: &&Value| host["cluster"].as_str() == Some(cluster);
    let hosts = list(world.state, "hosts").iter().filter(own).count();
    let mut shown = parcel::show(parcel, world.now, hosts);
    shown["clusterRef"] = clusters::reference(world, cluster);
    shown
}

/// Which parcels are activated; every process uses them.
fn usage(world: &World, cluster: &str) -> Value {
    let parcels = world.cluster(cluster).map_or(&[][..], |owner| list(owner, "products"));
    let active = parcels.iter().filter(|parcel| parcel::stage(parcel) == "ACTIVATED");
    let shown = active.map(|parcel| {
        json!({
            "parcelRef": {
                "clusterName": cluster,
                "parcelName": text(parcel, "product"),
                "parcelVersion": text(parcel, "version"),
                "parcelDisplayName": text(parcel, "product"),
            },
            "processCount": 0,
            "activated": true,
        })
    });
    json!({ "racks": [], "parcels": shown.collect::<Vec<_>>() })
}
