//! Replication schedules of Cloudera Manager.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::cm_command::Line;
use super::cm_entity::{Place, field};
use super::cm_scope::{Overview, Service, listed, text};
use super::failure::Failure;
use crate::model::question::{Field, Reply};
use crate::model::{Live, Value};

/// Tells a schedule: every member by its JSON pointer. Past runs are left out.
pub(super) fn fields(service: &Service, name: &str) -> Result<Vec<Field>, Reply> {
    let schedules = listed(service.replications.as_ref(), "replication schedules")?;
    let Some(schedule) = named(schedules, name) else {
        return Ok(vec![field("id", Live::Absent)]);
    };
    let id = match schedule.get("id").and_then(Json::as_i64) {
        Some(id) => Live::Known(Value::text(id.to_string())),
        None => Live::Unknown("the manager does not tell its `id`".into()),
    };
    let mut fields = vec![field("id", id)];
    let members = schedule.as_object().into_iter().flatten().filter(|(name, _)| *name != "history");
    members.for_each(|(name, value)| flatten(&format!("/{name}"), value, &mut fields));
    Ok(fields)
}

/// So many of the last runs are read: of those that have ended the last two count.
const RUNS: usize = 5;

/// Returns where the last runs of a schedule are told, below its service; `None` where there are
/// none to be read: it is not there, it is paused, or its listing told them.
pub(super) fn history(service: &Service, name: &str) -> Option<String> {
    let schedule = named(service.replications.as_ref()?.as_ref().ok()?, name)?;
    let is_paused = schedule.get("paused").and_then(Json::as_bool).unwrap_or(false);
    let id = schedule.get("id").and_then(Json::as_i64)?;
    let told = schedule.get("history").and_then(Json::as_array);
    let is_told = told.is_some_and(|told| !told.is_empty());
    (!is_paused && !is_told).then(|| format!("replications/{id}/history?limit={RUNS}"))
}

/// Tells the last runs of a schedule that have ended, the newest first.
pub(super) fn run_fields(
    overview: &Overview,
    service: &Service,
    name: &str,
) -> Result<Vec<Field>, Reply> {
    let servers = Value::text(overview.declared_servers.to_string());
    let schedules = listed(service.replications.as_ref(), "replication schedules")?;
    let is_paused = |schedule: &&Json| schedule.get("paused").and_then(Json::as_bool) == Some(true);
    let schedule = named(schedules, name).filter(|schedule| !is_paused(schedule));
    let told = schedule.and_then(|s| s.get("history")).and_then(Json::as_array);
    let told = told.filter(|told| !told.is_empty());
    let runs = match (told, service.runs.get(name)) {
        (Some(told), _) => told,
        (None, Some(read)) => listed(Some(read), "runs")?,
        (None, None) => &Vec::new(),
    };
    // One that does not say how it ended tells nothing.
    let success = |run: &Json| run.get("success").and_then(Json::as_bool);
    let is_over = |run: &&Json| {
        run.get("active").and_then(Json::as_bool) == Some(false) && success(run).is_some()
    };
    let mut over: Vec<&Json> = runs.iter().filter(is_over).collect();
    over.sort_by_key(|run| std::cmp::Reverse(text(run, "startTime").unwrap_or_default()));
    let run = |(n, run): (usize, &Json)| {
        let word = if success(run) == Some(true) { "done" } else { "failed" };
        let time = text(run, "startTime");
        let said = text(run, "resultMessage").unwrap_or_default();
        let told = format!("{word}|{}|{said}", time.unwrap_or_default());
        Field { name: format!("run/{n}").into(), live: Live::Known(Value::text(told)) }
    };
    let runs = over.into_iter().enumerate().map(run);
    Ok(std::iter::once(field("servers", Live::Known(servers))).chain(runs).collect())
}

/// Returns the id of a schedule.
pub(super) fn id(service: &Service, name: &str) -> Option<String> {
    let schedules = service.replications.as_ref()?.as_ref().ok()?;
    named(schedules, name)?.get("id").map(Json::to_string)
}

fn named<'a>(schedules: &'a [Json], name: &str) -> Option<&'a Json> {
    schedules.iter().find(|schedule| text(schedule, "displayName") == Some(name))
}

fn flatten(pointer: &str, value: &Json, fields: &mut Vec<Field>) {
    let text = match value {
        Json::Object(members) => {
            members.iter().for_each(|(name, value)| {
                flatten(&format!("{pointer}/{name}"), value, fields);
            });
            return;
        }
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    fields.push(Field { name: pointer.to_string().into(), live: Live::Known(Value::text(text)) });
}

/// Adds a schedule, or sets members of it. A schedule is only taken whole: what is not set is sent
/// as it is.
pub(super) async fn set(
    line: Line<'_>,
    place: &Place,
    is_new: bool,
    values: &[(Arc<str>, Arc<str>)],
) -> Result<(), Failure> {
    let mut schedule = match is_new {
        true => json!({ "displayName": &place.name }),
        false => line.get(&place.path).await?,
    };
    for (pointer, value) in values {
        insert(&mut schedule, pointer, typed(pointer, value));
    }
    if let Some(members) = schedule.as_object_mut() {
        // What only the manager says.
        for member in ["history", "nextRun", "active"] {
            members.remove(member);
        }
    }
    let (api, http) = (line.api, line.http);
    match is_new {
        true => {
            let body = json!({ "items": [schedule] });
            http.post(&format!("{api}{}", place.list), Some(&body)).await?;
        }
        false => http.put(&format!("{api}{}", place.path), &schedule).await?,
    }
    Ok(())
}

/// Members that are numbers (CM API: `ApiReplicationSchedule`).
const NUMBERS: [&str; 4] = ["interval", "numMaps", "bandwidthPerMap", "numThreads"];
/// Members that are texts; all others are true or false.
const TEXTS: [&str; 9] = [
    "peerName",
    "clusterName",
    "serviceName",
    "sourcePath",
    "destinationPath",
    "mapreduceServiceName",
    "userName",
    "intervalUnit",
    "startTime",
];

/// Returns a value as the manager wants it: numbers and truths are no texts there.
fn typed(pointer: &str, value: &str) -> Json {
    let member = pointer.rsplit('/').next().unwrap_or_default();
    match value.parse::<i64>() {
        Ok(number) if NUMBERS.contains(&member) => number.into(),
        _ if TEXTS.contains(&member) => value.into(),
        _ => (value == "true").into(),
    }
}

fn insert(document: &mut Json, pointer: &str, value: Json) {
    let mut at = document;
    for name in pointer.trim_start_matches('/').split('/') {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[name];
    }
    *at = value;
}
