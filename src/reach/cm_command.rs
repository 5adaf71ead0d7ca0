//! Writes to things of Cloudera Manager, and commands followed to their end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::cm_entity::Place;
use super::cm_gate::{self, Seen};
use super::cm_members;
use super::cm_parcel;
use super::cm_scope::text;
use super::cm_staleness::{Cure, cure};
use super::failure::Failure;
use super::http::{Http, Trouble};
use super::progress::{Progress, Thing};
use crate::model::manager::{Call, REPOSITORIES};
use crate::model::quote::percent;

/// Longest wait for a command: a decommission moves all blocks of a DataNode.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);
/// Longest pause between two looks at a command.
pub(super) const PAUSE: Duration = Duration::from_secs(5);
/// Longest time without an answer while a command runs: a manager takes minutes to start.
const OUTAGE: Duration = Duration::from_secs(30 * 60);
/// Deepest generation of commands looked into.
const DEEPEST: usize = 6;

/// The command that looks into the repositories.
const REFRESH: &str = "/cm/commands/refreshParcelRepos";

/// The line to a manager over which calls are made.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) http: &'a Http,
    /// Path of the API version.
    pub(super) api: &'a str,
    /// Told of what takes long.
    pub(super) progress: &'a Progress,
    /// What is being done, for what is told: the side and the call.
    pub(super) what: &'a str,
    /// When each server of the manager was seen first in this run.
    pub(super) seen: &'a Seen,
}

impl Line<'_> {
    /// Begins to tell how far what is being done is.
    pub(super) fn about(&self) -> Thing<'_> {
        self.progress.about(self.what)
    }

    /// Reads a path below the API version.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Trouble> {
        self.http.get_json(&format!("{}{path}", self.api)).await
    }

    /// Reads a path below the API version, however long the manager is away: while it starts anew
    /// its work goes on.
    pub(super) async fn get_patiently(
        &self,
        path: &str,
        told: &Thing<'_>,
    ) -> Result<Value, Trouble> {
        let begun = Instant::now();
        loop {
            match self.get(path).await {
                Err(Trouble::Unknown(said)) if begun.elapsed() < OUTAGE => told.tell(&said),
                read => return read,
            }
            sleep(PAUSE).await;
        }
    }

    /// Posts to a path below the API version, once.
    pub(super) async fn post(&self, path: &str, body: Option<&Value>) -> Result<String, Trouble> {
        self.http.post(&format!("{}{path}", self.api), body).await
    }
}

/// Does `call` to the thing at `place`. It is sent once.
///
/// Errors: why it failed, or that its outcome is unknown.
pub(super) async fn call(line: Line<'_>, place: &Place, call: &Call) -> Result<(), Failure> {
    let Line { http, api, .. } = line;
    let (thing, list) = (format!("{api}{}", place.path), format!("{api}{}", place.list));
    let tags = format!("{list}/{}/tags", percent(&place.name));
    let sent = match call {
        Call::Rack(rack) => http.put(&thing, &json!({ "rackId": &**rack })).await,
        Call::SetTags(list) => http.put(&tags, &tag_list(list)).await,
        Call::RemoveTags(list) => http.delete(&tags, Some(&tag_list(list))).await,
        Call::Maintenance(is_on) => {
            let word = if *is_on { "enter" } else { "exit" };
            let path = format!("{}/commands/{word}MaintenanceMode", place.path);
            return run(line, &path, None).await;
        }
        Call::Commission(is_in) => return commission(line, place, *is_in).await,
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
        Call::SetRepositories(urls) => {
            let items = json!([{ "name": REPOSITORIES, "value": urls.join(",") }]);
            http.put(&thing, &json!({ "items": items })).await?;
            return run(line, REFRESH, None).await;
        }
        Call::RefreshRepositories => return run(line, REFRESH, None).await,
        Call::Parcel(step) => return cm_parcel::bring(line, place, *step).await,
        Call::DeployClientConfig => return cure(line, place, Cure::Deploy).await,
        Call::Refresh => return cure(line, place, Cure::Refresh).await,
        Call::Restart(true) => return cure(line, place, Cure::Roll).await,
        Call::Restart(false) => return cure(line, place, Cure::Restart).await,
        Call::Join(_)
        | Call::AddService(..)
        | Call::RenameService(_)
        | Call::Run(_)
        | Call::RemoveService
        | Call::AddRoles(..)
        | Call::RunRoles(..)
        | Call::RemoveRoles(_)
        | Call::SetTemplate(..)
        | Call::RemoveTemplate
        | Call::AddUser(..)
        | Call::SetUserRoles(_)
        | Call::RemoveUser
        | Call::SetPeer(..)
        | Call::RemovePeer
        | Call::SetReplication(..)
        | Call::RemoveReplication => return cm_members::call(line, place, call).await,
        Call::Command(_) => return Err("a declared command is carried out elsewhere".into()),
        Call::AwaitReady => return cm_gate::await_ready(line).await,
        Call::AwaitIdle(seconds) => {
            return cm_gate::await_idle(line, Duration::from_secs(*seconds), true).await;
        }
        Call::AwaitServers(count) => {
            return cm_gate::await_servers(line, *count, line.seen).await;
        }
    };
    sent.map_err(Failure::from)
}

pub(super) fn name_list(names: &[Arc<str>]) -> Value {
    json!({ "items": names.iter().map(|name| &**name).collect::<Vec<_>>() })
}

fn tag_list(tags: &[(Arc<str>, Arc<str>)]) -> Value {
    tags.iter().map(|(name, value)| json!({ "name": &**name, "value": &**value })).collect()
}

/// Takes a host out of service or back in.
async fn commission(line: Line<'_>, place: &Place, is_in: bool) -> Result<(), Failure> {
    let word = if is_in { "hostsRecommission" } else { "hostsDecommission" };
    let wanted = ("commissionState", if is_in { "COMMISSIONED" } else { "DECOMMISSIONED" });
    if is_done_meanwhile(line, place, ("/cm/commands", word), wanted).await? {
        return Ok(());
    }
    run(line, &format!("/cm/commands/{word}"), Some(&json!({ "items": [&place.name] }))).await
}

/// Waits for the commands of `list` with `word` in their names that run already. Returns whether
/// there were any, and the thing at `place` has `wanted` as the value of a member after them.
pub(super) async fn is_done_meanwhile(
    line: Line<'_>,
    place: &Place,
    (list, word): (&str, &str),
    (member, wanted): (&str, &str),
) -> Result<bool, Failure> {
    Ok(adopt(line, list, word).await?
        && text(&line.get(&place.path).await?, member) == Some(wanted))
}

/// Waits for the commands with `word` in their names that run already, as `list` tells: they may
/// well be those of a run that was interrupted. Returns whether there were any.
pub(super) async fn adopt(line: Line<'_>, list: &str, word: &str) -> Result<bool, Failure> {
    let active = line.get(list).await?;
    let active = active.get("items").and_then(Value::as_array).into_iter().flatten();
    let mut found = false;
    let word = word.to_lowercase();
    for command in active.filter(|command| name(command).to_lowercase().contains(&word)) {
        found = true;
        follow(line, command.clone(), PAUSE).await?;
    }
    Ok(found)
}

/// Submits a command once and follows it by its id until it has ended, with all it started.
pub(super) async fn run(line: Line<'_>, path: &str, body: Option<&Value>) -> Result<(), Failure> {
    let command = submit(line, path, body).await?;
    let command = follow(line, command, PAUSE).await?;
    ended(line, &command).await
}

/// Submits a command once; returns it as it is then.
pub(super) async fn submit(
    line: Line<'_>,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let text = line.post(path, body).await?;
    let command = serde_json::from_str(&text)
        .map_err(|error| format!("submitted, but the answer is not a command: {error}"))?;
    Ok(command)
}

/// Tells how a command has ended, with all it started.
pub(super) async fn ended(line: Line<'_>, command: &Value) -> Result<(), Failure> {
    match failure_of(line, command).await {
        Some(said) => Err(said.into()),
        None => Ok(()),
    }
}

/// Has a command done by several roles of the service at `place`, and follows all of it.
pub(super) async fn run_roles(
    line: Line<'_>,
    place: &Place,
    word: &str,
    roles: &[Arc<str>],
) -> Result<(), Failure> {
    let path = format!("{}/roleCommands/{word}", place.path);
    let answer = line.post(&path, Some(&name_list(roles))).await?;
    let answer: Value = serde_json::from_str(&answer)
        .map_err(|error| format!("submitted, but the answer is no list of commands: {error}"))?;
    let errors = answer.get("errors").and_then(Value::as_array).into_iter().flatten();
    let mut said: Vec<String> = errors.filter_map(Value::as_str).map(String::from).collect();
    let commands = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    for command in commands {
        let ended = follow(line, command, PAUSE).await?;
        said.extend(failure_of(line, &ended).await);
    }
    match said.is_empty() {
        true => Ok(()),
        false => Err(said.join("; ").into()),
    }
}

/// Waits until a command has ended, and looks again after `longest` at the latest; returns it as it
/// is then.
pub(super) async fn follow(
    line: Line<'_>,
    command: Value,
    longest: Duration,
) -> Result<Value, Failure> {
    let (mut command, begun) = (command, Instant::now());
    let told = line.about();
    let (mut pause, mut seen) = (Duration::from_millis(100), Instant::now());
    while command.get("active").and_then(Value::as_bool).unwrap_or(false) {
        let Some(id) = command.get("id").and_then(Value::as_i64) else {
            return Err("the manager gave the command no id; its outcome is unknown".into());
        };
        if begun.elapsed() > LONGEST {
            let hours = LONGEST.as_secs() / 3600;
            return Err(format!("command {id} still runs after {hours} h").into());
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
        match look(line, id).await {
            Ok(now) => {
                (command, seen) = (now, Instant::now());
                told.tell(&format!("command {id}: {}", how_far(&command)));
            }
            // A manager that starts anew takes its time, and its commands go on.
            Err(Trouble::Unknown(_)) if seen.elapsed() < OUTAGE => {}
            Err(trouble) => {
                return Err(format!("command {id} was not seen to its end: {trouble}").into());
            }
        }
    }
    Ok(command)
}

async fn look(line: Line<'_>, id: i64) -> Result<Value, Trouble> {
    line.get(&format!("/commands/{id}")).await
}

/// Says how many of its parts a command has done.
fn how_far(command: &Value) -> String {
    let parts = command.pointer("/children/items").and_then(Value::as_array);
    let parts = parts.map(Vec::as_slice).unwrap_or_default();
    let is_done = |part: &&Value| part.get("active").and_then(Value::as_bool) == Some(false);
    match parts.len() {
        0 => "runs".into(),
        all => format!("{} of {all} parts done", parts.iter().filter(is_done).count()),
    }
}

/// Says why a command that has ended failed. One that "succeeds" with a failed child is a failure.
/// The useful words may be at the top or deep down (CM API): the deepest that has some is heard.
async fn failure_of(line: Line<'_>, command: &Value) -> Option<String> {
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
            // Children come one generation at a time. What was done to a role has none.
            let is_leaf = child.get("roleRef").is_some() && success(child) == Some(true);
            let id = child.get("id").and_then(Value::as_i64).filter(|id| *id >= 0 && !is_leaf);
            let whole = match id {
                Some(id) => look(line, id).await.unwrap_or_else(|_| child.clone()),
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
