//! `…/services/{s}/replications`: what is copied from another cluster, and when.

use serde_json::{Value, json};

use super::read;
use crate::answer::{Refusal, Reply};
use crate::document::{list, list_mut, number, text, wrap};
use crate::request::{Request, check_members};
use crate::world::World;

const MEMBERS: [&str; 20] = [
    "id",
    "displayName",
    "description",
    "startTime",
    "endTime",
    "interval",
    "intervalUnit",
    "nextRun",
    "paused",
    "alertOnStart",
    "alertOnSuccess",
    "alertOnFail",
    "alertOnAbort",
    "hdfsArguments",
    "hiveArguments",
    "hdfsCloudArguments",
    "hiveCloudArguments",
    "hive3Arguments",
    "hbaseArguments",
    "active",
];
const UNITS: [&str; 6] = ["MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"];

/// Answers what is below `replications`.
pub(super) fn route(world: &mut World, service: usize, path: &[&str], request: &Request) -> Reply {
    match (path, request.method.as_str()) {
        ([], "POST") => {
            let body = request.object(&["items"])?;
            let mut made = Vec::new();
            for item in list(&body, "items") {
                check(world, service, item)?;
                let mut schedule = item.clone();
                schedule["id"] = json!(world.next("nextSchedule") + 1);
                schedule["active"] = json!(false);
                made.push(schedule.clone());
                list_mut(&mut world.state["services"][service], "replications").push(schedule);
            }
            Ok(wrap(made))
        }
        ([], _) => {
            read(request)?;
            Ok(wrap(list(world.service_at(service), "replications").to_vec()))
        }
        ([id], method) => {
            let mut all = list(world.service_at(service), "replications").iter();
            let at = all.position(|schedule| number(schedule, "id").to_string() == *id);
            let at = at.ok_or_else(|| Refusal::missing("Replication schedule", id))?;
            match method {
                "PUT" => {
                    let body = request.object(&MEMBERS)?;
                    check(world, service, &body)?;
                    let own = &mut world.state["services"][service]["replications"][at];
                    let id = own["id"].clone();
                    *own = body;
                    own["id"] = id;
                    world.changed = true;
                }
                "DELETE" => {
                    world.changed = true;
                    let owner = &mut world.state["services"][service];
                    return Ok(list_mut(owner, "replications").remove(at));
                }
                _ => read(request)?,
            }
            Ok(world.service_at(service)["replications"][at].clone())
        }
        _ => Err(Refusal::no_path()),
    }
}

/// A schedule says what it copies, from a peer that is known, and when.
fn check(world: &World, service: usize, schedule: &Value) -> Result<(), Refusal> {
    check_members(schedule, &MEMBERS)?;
    let kind = text(world.service_at(service), "type");
    let arguments = match kind {
        "HDFS" => &schedule["hdfsArguments"],
        "HIVE" => &schedule["hiveArguments"],
        _ => return Err(Refusal::bad(format!("{kind} has no replication."))),
    };
    if !arguments.is_object() {
        return Err(Refusal::bad(format!("The arguments for {kind} are missing.")));
    }
    let peer = text(&arguments["sourceService"], "peerName");
    let is_known = list(world.state, "peers").iter().any(|known| text(known, "name") == peer);
    if !peer.is_empty() && !is_known {
        return Err(Refusal::bad(format!("Peer '{peer}' not found.")));
    }
    let unit = text(schedule, "intervalUnit");
    if !unit.is_empty() && !UNITS.contains(&unit) {
        return Err(Refusal::bad(format!("Invalid interval unit '{unit}'.")));
    }
    Ok(())
}
