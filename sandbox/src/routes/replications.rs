//! `…/services/{s}/replications`: what is copied from another cluster, and when.

use serde_json::{Value, json};

use super::{post, read};
use crate::answer::{Refusal, Reply};
use crate::command::{self, Order, Target};
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
            let all = list(world.service_at(service), "replications");
            Ok(wrap(all.iter().map(|schedule| shown(world, schedule)).collect()))
        }
        ([id, "run"], _) => {
            post(request)?;
            let at = find(world, service, id)?;
            run(world, service, at)
        }
        ([id, "history"], _) => {
            read(request)?;
            let at = find(world, service, id)?;
            history(world, service, at, request)
        }
        ([id], method) => {
            let at = find(world, service, id)?;
            match method {
                "PUT" => {
                    let body = request.object(&MEMBERS)?;
                    check(world, service, &body)?;
                    let own = &mut world.state["services"][service]["replications"][at];
                    let (id, runs) = (own["id"].clone(), own["runs"].clone());
                    *own = body;
                    (own["id"], own["runs"]) = (id, runs);
                    world.changed = true;
                }
                "DELETE" => {
                    world.changed = true;
                    let owner = &mut world.state["services"][service];
                    let gone = list_mut(owner, "replications").remove(at);
                    return Ok(shown(world, &gone));
                }
                _ => read(request)?,
            }
            Ok(shown(world, &world.service_at(service)["replications"][at]))
        }
        _ => Err(Refusal::no_path()),
    }
}

/// The position of a schedule.
fn find(world: &World, service: usize, id: &str) -> Result<usize, Refusal> {
    let mut all = list(world.service_at(service), "replications").iter();
    let at = all.position(|schedule| number(schedule, "id").to_string() == id);
    at.ok_or_else(|| Refusal::missing("Replication schedule", id))
}

/// A schedule as listed: its runs are told elsewhere.
fn shown(world: &World, schedule: &Value) -> Value {
    let mut shown = schedule.clone();
    let runs: Vec<i64> = list(schedule, "runs").iter().filter_map(Value::as_i64).collect();
    let active = command::runs(world, &runs);
    if let Some(members) = shown.as_object_mut() {
        members.remove("runs");
        members.insert("active".into(), json!(active));
    }
    shown
}

/// Runs a schedule now.
fn run(world: &mut World, service: usize, at: usize) -> Reply {
    let name = match text(world.service_at(service), "type") {
        "HIVE" => "HiveReplicationCommand",
        _ => "HdfsReplicationCommand",
    };
    let order = Order {
        name,
        role_effect: "",
        deploys: false,
        cluster: None,
        targets: vec![Target { service, roles: Vec::new() }],
        single_role: false,
    };
    let submitted = command::submit(world, &order)?;
    let own = &mut world.state["services"][service]["replications"][at];
    list_mut(own, "runs").push(submitted["id"].clone());
    world.changed = true;
    Ok(submitted)
}

/// The runs of a schedule, the newest first.
fn history(world: &World, service: usize, at: usize, request: &Request) -> Reply {
    let (limit, offset) = (request.count("limit", 20)?, request.count("offset", 0)?);
    let runs = list(&world.service_at(service)["replications"][at], "runs").iter().rev();
    let runs = runs.filter_map(Value::as_i64).skip(offset).take(limit);
    Ok(wrap(runs.filter_map(|id| command::show(world, id, false).ok()).collect()))
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
