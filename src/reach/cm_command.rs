//! Writes to things of Cloudera Manager, and commands followed to their end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::cm_entity::Place;
use super::cm_scope::text;
use super::http::{Http, Trouble};
use crate::model::manager::Call;
use crate::model::quote::percent;

/// Longest wait for a command: a decommission moves all blocks of a DataNode.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);
/// Longest pause between two looks at a command.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest time without an answer while a command runs: a manager takes minutes to start.
const OUTAGE: Duration = Duration::from_secs(30 * 60);
/// Deepest generation of commands looked into.
const DEEPEST: usize = 6;

/// Does `call` to the thing at `place`. It is sent once.
///
/// Errors: why it failed, or that its outcome is unknown.
pub(super) async fn call(http: &Http, api: &str, place: &Place, call: &Call) -> Result<(), String> {
    let (thing, list) = (format!("{api}{}", place.path), format!("{api}{}", place.list));
    let tags = format!("{list}/{}/tags", percent(&place.name));
    let sent = match call {
        Call::Rack(rack) => http.put(&thing, &json!({ "rackId": &**rack })).await,
        Call::SetTags(list) => http.put(&tags, &tag_list(list)).await,
        Call::RemoveTags(list) => http.delete(&tags, Some(&tag_list(list))).await,
        Call::Maintenance(is_on) => {
            let word = if *is_on { "enter" } else { "exit" };
            let path = format!("{thing}/commands/{word}MaintenanceMode");
            return run(http, api, &path, None).await;
        }
        Call::Commission(is_in) => return commission(http, api, place, *is_in).await,
        Call::AddGroup(role_type, shown) => {
            let (role_type, shown) = (&**role_type, &**shown);
            let group = json!({
                "name": &place.name, "roleType": role_type, "base": false, "displayName": shown,
            });
            http.post(&list, Some(&json!({ "items": [group] }))).await.map(drop)
        }
        Call::RenameGroup(name) => http.put(&thing, &json!({ "displayName": &**name })).await,
        Call::MoveRoles(roles) => http.put(&format!("{thing}/roles"), &name_list(roles)).await,
        Call::MoveToBase(roles) => http.put(&format!("{list}/roles"), &name_list(roles)).await,
        Call::RemoveGroup => http.delete(&thing, None).await,
    };
    sent.map_err(|trouble| trouble.to_string())
}

fn name_list(names: &[Arc<str>]) -> Value {
    json!({ "items": names.iter().map(|name| &**name).collect::<Vec<_>>() })
}

fn tag_list(tags: &[(Arc<str>, Arc<str>)]) -> Value {
    tags.iter().map(|(name, value)| json!({ "name": &**name, "value": &**value })).collect()
}

/// Takes a host out of service or back in. A command that already does so is waited for first: it
/// may well be that of a run that was interrupted.
async fn commission(http: &Http, api: &str, place: &Place, is_in: bool) -> Result<(), String> {
    let word = if is_in { "hostsRecommission" } else { "hostsDecommission" };
    let said = |trouble: Trouble| trouble.to_string();
    let active = http.get_json(&format!("{api}/cm/commands")).await.map_err(said)?;
    let active = active.get("items").and_then(Value::as_array).into_iter().flatten();
    for command in active.filter(|command| name(command).eq_ignore_ascii_case(word)) {
        let _ = follow(http, api, command.clone()).await?;
        let host = http.get_json(&format!("{api}{}", place.path)).await.map_err(said)?;
        let wanted = if is_in { "COMMISSIONED" } else { "DECOMMISSIONED" };
        if text(&host, "commissionState") == Some(wanted) {
            return Ok(());
        }
    }
    let path = format!("{api}/cm/commands/{word}");
    run(http, api, &path, Some(&json!({ "items": [&place.name] }))).await
}

/// Submits a command once and follows it by its id until it has ended, with all it started.
async fn run(http: &Http, api: &str, path: &str, body: Option<&Value>) -> Result<(), String> {
    let text = http.post(path, body).await.map_err(|trouble| trouble.to_string())?;
    let command = serde_json::from_str(&text)
        .map_err(|error| format!("submitted, but the answer is not a command: {error}"))?;
    let command = follow(http, api, command).await?;
    match failure(http, api, &command).await {
        Some(said) => Err(said),
        None => Ok(()),
    }
}

/// Waits until a command has ended; returns it as it is then.
async fn follow(http: &Http, api: &str, command: Value) -> Result<Value, String> {
    let (mut command, begun) = (command, Instant::now());
    let (mut pause, mut seen) = (Duration::from_millis(250), Instant::now());
    while command.get("active").and_then(Value::as_bool).unwrap_or(false) {
        let Some(id) = command.get("id").and_then(Value::as_i64) else {
            return Err("the manager gave the command no id; its outcome is unknown".into());
        };
        if begun.elapsed() > LONGEST {
            return Err(format!("command {id} still runs after {} h", LONGEST.as_secs() / 3600));
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE);
        match look(http, api, id).await {
            Ok(now) => (command, seen) = (now, Instant::now()),
            // A manager that starts anew takes its time, and its commands go on.
            Err(Trouble::Unknown(_)) if seen.elapsed() < OUTAGE => {}
            Err(trouble) => {
                return Err(format!("command {id} was not seen to its end: {trouble}"));
            }
        }
    }
    Ok(command)
}

async fn look(http: &Http, api: &str, id: i64) -> Result<Value, Trouble> {
    http.get_json(&format!("{api}/commands/{id}")).await
}

/// Says why a command that has ended failed. One that "succeeds" with a failed child is a failure.
/// The useful words may be at the top or deep down (CM API): the deepest that has some is heard.
async fn failure(http: &Http, api: &str, command: &Value) -> Option<String> {
    let success = |command: &Value| command.get("success").and_then(Value::as_bool);
    if success(command).is_none() {
        return Some(format!("{} does not say how it ended", name(command)));
    }
    let mut open = vec![(command.clone(), 0)];
    let (mut failed, mut said) = (None, None);
    while let Some((command, depth)) = open.pop() {
        if success(&command) == Some(false) {
            failed.get_or_insert_with(|| words(&command));
            if text(&command, "resultMessage").is_some() {
                said = Some(words(&command));
            }
        }
        // What did not fail may still hide a child that did.
        let children = command.pointer("/children/items").and_then(Value::as_array);
        for child in children.into_iter().flatten().filter(|_| depth < DEEPEST) {
            // Children come one generation at a time.
            let id = child.get("id").and_then(Value::as_i64).filter(|id| *id >= 0);
            let whole = match id {
                Some(id) => look(http, api, id).await.unwrap_or_else(|_| child.clone()),
                None => child.clone(),
            };
            open.push((whole, depth + 1));
        }
    }
    said.or(failed)
}

fn name(command: &Value) -> &str {
    text(command, "name").unwrap_or("the command")
}

fn words(command: &Value) -> String {
    let why = text(command, "resultMessage").unwrap_or("no reason given");
    let at = [("hostRef", "hostname"), ("roleRef", "roleName"), ("serviceRef", "serviceName")];
    let at = at.iter().find_map(|(reference, member)| text(command.get(reference)?, member));
    let at = at.map_or(String::new(), |at| format!(" on {at}"));
    format!("{} failed{at}: {why}", name(command))
}
