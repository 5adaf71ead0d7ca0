//! Parcels: which there are, the stages they go through, and how long each takes.

use serde_json::{Value, json};

use crate::answer::{Refusal, Reply};
use crate::clock::iso;
use crate::document::{flag, list, list_mut, number, text};
use crate::staleness;
use crate::world::World;

/// How long a transition takes unless a fault says otherwise.
const DURATION: i64 = 300;
/// How long after a download nothing can be distributed: torrents are being set up.
const BUSY: i64 = 400;

const REMOTE: &str = "AVAILABLE_REMOTELY";
const DOWNLOADED: &str = "DOWNLOADED";
const DISTRIBUTED: &str = "DISTRIBUTED";
const ACTIVATED: &str = "ACTIVATED";

/// A way from one stable stage to another: the command, both ends and the stage in between.
struct Way {
    command: &'static str,
    from: &'static str,
    through: &'static str,
    to: &'static str,
}

const WAYS: [Way; 6] = [
    Way { command: "startDownload", from: REMOTE, through: "DOWNLOADING", to: DOWNLOADED },
    Way {
        command: "startDistribution",
        from: DOWNLOADED,
        through: "DISTRIBUTING",
        to: DISTRIBUTED,
    },
    Way { command: "activate", from: DISTRIBUTED, through: "ACTIVATING", to: ACTIVATED },
    Way { command: "deactivate", from: ACTIVATED, through: "", to: DISTRIBUTED },
    Way {
        command: "startRemovalOfDistribution",
        from: DISTRIBUTED,
        through: "UNDISTRIBUTING",
        to: DOWNLOADED,
    },
    Way { command: "removeDownload", from: DOWNLOADED, through: "", to: REMOTE },
];

/// The stage of a parcel just now.
pub(crate) fn stage(parcel: &Value) -> &str {
    match (text(&parcel["way"], "through"), text(parcel, "stage")) {
        ("", "") => ACTIVATED,
        ("", stage) => stage,
        (through, _) => through,
    }
}

/// The parcel as the API shows it, without its cluster.
pub(crate) fn show(parcel: &Value, now: i64, hosts: usize) -> Value {
    let way = &parcel["way"];
    let state = match way.is_object() {
        true => {
            let (start, end) = (number(way, "start"), number(way, "end"));
            let part = (now - start).clamp(0, end - start);
            json!({
                "progress": part,
                "totalProgress": end - start,
                "count": if part == end - start { hosts } else { 0 },
                "totalCount": hosts,
            })
        }
        false => json!({ "progress": 0, "totalProgress": 0, "count": 0, "totalCount": 0 }),
    };
    let mut shown = json!({
        "product": text(parcel, "product"),
        "version": text(parcel, "version"),
        "stage": stage(parcel),
        "state": state,
        "displayName": text(parcel, "product"),
        "description": format!("Parcel of {}", text(parcel, "product")),
    });
    shown["state"]["errors"] = json!(list(parcel, "errors"));
    shown["state"]["warnings"] = json!([]);
    shown
}

/// Starts what `word` names; the answer is that of a command which is over at once.
pub(crate) fn command(
    world: &mut World,
    cluster: &str,
    (product, version): (&str, &str),
    word: &str,
) -> Reply {
    let way = WAYS.iter().find(|way| way.command == word).ok_or_else(Refusal::no_path)?;
    let now = world.now;
    let duration = world.faults.milliseconds("command_ms").unwrap_or(DURATION);
    let fails = world.faults.get("command_fails").is_some();
    let parcel = find(world, cluster, product, version)?;
    let present = stage(parcel).to_owned();
    if present != way.from {
        return Err(Refusal::bad(format!(
            "Parcel {product}-{version} is {present}; {word} wants it {}.",
            way.from
        )));
    }
    if word == "startDistribution" && now < number(parcel, "since") + BUSY {
        return Err(Refusal::bad(format!("Parcel {product}-{version} is not ready yet.")));
    }
    parcel["errors"] = json!([]);
    let end = if way.through.is_empty() { now } else { now + duration };
    parcel["stage"] = json!(present);
    parcel["way"] = json!({
        "through": way.through, "to": way.to, "start": now, "end": end, "fails": fails,
    });
    world.changed = true;
    settle(world);
    Ok(json!({
        "id": -1,
        "name": word,
        "startTime": iso(now),
        "endTime": iso(now),
        "active": false,
        "success": true,
        "clusterRef": { "clusterName": cluster },
    }))
}

/// Whether parcels that were found lately are not shown just now.
pub(crate) fn hides(world: &World) -> bool {
    world.servers.race() && world.faults.get("hides_parcels").is_some()
}

/// Whether a parcel was found, and nothing was done with it since.
pub(crate) fn is_new(parcel: &Value) -> bool {
    stage(parcel) == REMOTE
}

/// A parcel of a cluster.
pub(crate) fn find<'a>(
    world: &'a mut World,
    cluster: &str,
    product: &str,
    version: &str,
) -> Result<&'a mut Value, Refusal> {
    let missing = || Refusal::missing("Parcel", &format!("{product}-{version}"));
    let hides = hides(world);
    let owner = list_mut(world.state, "clusters").iter_mut();
    let owner = owner.filter(|owner| text(owner, "name") == cluster);
    let mut parcels = owner.flat_map(|owner| list_mut(owner, "products"));
    parcels
        .find(|parcel| text(parcel, "product") == product && text(parcel, "version") == version)
        .filter(|parcel| !(hides && is_new(parcel)))
        .ok_or_else(missing)
}

/// Ends the transitions whose time is over.
pub(crate) fn settle(world: &mut World) {
    let now = world.now;
    let mut activated = Vec::new();
    let mut changed = false;
    for cluster in list_mut(world.state, "clusters") {
        let owner = text(cluster, "name").to_owned();
        for parcel in list_mut(cluster, "products") {
            let way = parcel["way"].take();
            if way.is_null() || number(&way, "end") > now {
                parcel["way"] = way;
                continue;
            }
            changed = true;
            if flag(&way, "fails") {
                let said = format!("{} failed on 1 host.", text(&way, "through"));
                parcel["errors"] = json!([said]);
                continue;
            }
            parcel["stage"] = way["to"].clone();
            parcel["since"] = way["end"].clone();
            if text(&way, "to") == ACTIVATED {
                let product = text(parcel, "product").to_owned();
                activated.push((owner.clone(), product, text(parcel, "version").to_owned()));
            }
        }
    }
    world.changed |= changed;
    for (cluster, product, version) in activated {
        retire(world, &cluster, &product, &version);
        staleness::note_cluster(world, &cluster);
    }
}

/// One version of a product is active at a time.
fn retire(world: &mut World, cluster: &str, product: &str, active: &str) {
    let owner = list_mut(world.state, "clusters").iter_mut();
    let owner = owner.filter(|owner| text(owner, "name") == cluster);
    for parcel in owner.flat_map(|owner| list_mut(owner, "products")) {
        let is_other = text(parcel, "product") == product && text(parcel, "version") != active;
        if is_other && stage(parcel) == ACTIVATED {
            parcel["stage"] = json!(DISTRIBUTED);
        }
    }
}

/// The products and versions that the declared repositories hold.
pub(crate) fn offered(world: &World) -> Vec<(String, String)> {
    let urls = world.state["settings"]["REMOTE_PARCEL_REPO_URLS"].as_str().unwrap_or_default();
    let urls: Vec<&str> = urls.split(',').map(plain).collect();
    let held = world.state["remoteParcels"].as_object().into_iter().flatten();
    let held = held.filter(|(url, _)| urls.contains(&plain(url)));
    let parcels = held.flat_map(|(_, parcels)| parcels.as_array().into_iter().flatten());
    let name = |parcel| (text(parcel, "product").to_owned(), text(parcel, "version").to_owned());
    parcels.map(name).collect()
}

/// Looks into the declared repositories: parcels that are new there can be downloaded, those that
/// are gone and were not downloaded are forgotten.
pub(crate) fn refresh(world: &mut World) {
    let offered = offered(world);
    for cluster in list_mut(world.state, "clusters") {
        let parcels = list_mut(cluster, "products");
        let name = |parcel: &Value| {
            (text(parcel, "product").to_owned(), text(parcel, "version").to_owned())
        };
        parcels.retain(|parcel| stage(parcel) != REMOTE || offered.contains(&name(parcel)));
        for (product, version) in &offered {
            if !parcels.iter().any(|parcel| name(parcel) == (product.clone(), version.clone())) {
                parcels.push(json!({ "product": product, "version": version, "stage": REMOTE }));
            }
        }
    }
    world.changed = true;
}

fn plain(url: &str) -> &str {
    url.trim().trim_end_matches('/')
}
