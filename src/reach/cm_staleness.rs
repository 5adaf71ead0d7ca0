//! Which services of Cloudera Manager run outdated configuration, and what cures that.
//!
//! The manager finds out after a change, some seconds later: what is read right after a write says
//! nothing yet.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use super::cm_command::{Line, adopt, run, run_roles};
use super::cm_entity::Place;
use super::cm_scope::{Overview, listed, text};
use super::failure::Failure;
use super::http::Trouble;
use crate::model::question::{Field, Reply};
use crate::model::{Live, Value};

/// The command with which the manager looks for stale configuration after a change.
const CHECK: &str = "ProcessStalenessCheckCommand";
/// How long after the last write the manager may begin to look for stale configuration.
const BEGINS: Duration = Duration::from_secs(30);
/// How long what was expected to be stale must have been seen before it is believed to be all.
const STEADY: Duration = Duration::from_secs(2);
/// Longest wait for the manager to find out what is stale, and for a cure to show.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// Writes whose consequences the manager may not have found out yet.
#[derive(Clone, Debug)]
pub(super) struct Unsettled {
    /// When the last of them was.
    pub(super) since: Instant,
    /// Services that are expected to be stale.
    pub(super) expected: HashSet<String>,
    /// Something is expected to be stale, nobody knows what.
    pub(super) anything: bool,
    /// What was stale before them: it tells nothing of them.
    pub(super) before: HashSet<String>,
    /// Checks that ran before the last of them, by id, if that is known: they tell nothing either.
    pub(super) old_checks: Option<HashSet<i64>>,
}

impl Unsettled {
    /// True when all that is expected is among what is `stale`.
    fn is_met(&self, stale: &[String]) -> bool {
        let is_new = |name: &String| !self.before.contains(name);
        let is_any = self.anything && stale.iter().any(is_new);
        let is_all = self.expected.iter().all(|name| is_new(name) && stale.contains(name));
        is_all && (is_any || !self.anything && !self.expected.is_empty())
    }
}

/// Tells all services.
pub(super) fn fields(overview: &Overview) -> Result<Vec<Field>, Reply> {
    let services = listed(overview.staleness.as_ref(), "services")?;
    Ok(services
        .iter()
        .flat_map(|service| {
            let name = text(service, "name").unwrap_or_default();
            let words =
                ["type", "serviceState", "configStalenessStatus", "clientConfigStalenessStatus"]
                    .map(|member| text(service, member).unwrap_or_default());
            let own = told(format!("service/{name}"), words.join("|"));
            let needs = service.get("needs").and_then(Json::as_str);
            [Some(own), needs.map(|needs| told(format!("needs/{name}"), needs.to_string()))]
        })
        .flatten()
        .collect())
}

fn told(name: String, text: String) -> Field {
    Field { name: name.into(), live: Live::Known(Value::text(text)) }
}

/// What restarts would mean.
#[derive(Default)]
pub(super) struct Impact {
    /// The hosts with their roles.
    hosts: Vec<Json>,
    /// What each service needs.
    needs: Vec<(String, String)>,
}

/// Reads what restarts would mean. Settings of services that are `known` by their path are not read
/// again.
pub(super) async fn impact(
    line: Line<'_>,
    cluster: &str,
    known: &HashMap<String, Json>,
) -> Result<Impact, Trouble> {
    let services = super::cm::items(&line.get(&format!("{cluster}/services")).await?)?;
    let names: Vec<String> =
        services.iter().filter_map(|s| text(s, "name").map(String::from)).collect();
    let mut impact = Impact {
        hosts: super::cm::items(&line.get("/hosts?view=full").await?)?,
        needs: Vec::new(),
    };
    for name in &names {
        let path = format!("{}/config", path(cluster, name));
        let needs = match known.get(&path) {
            Some(config) => needs(config, &names).join(" "),
            None => needs(&line.get(&path).await?, &names).join(" "),
        };
        impact.needs.push((name.clone(), needs));
    }
    Ok(impact)
}

/// Tells what restarts would mean; the running roles are counted as the hosts tell them.
pub(super) fn impact_fields(overview: &Overview) -> Result<Vec<Field>, Reply> {
    let impact = listed(overview.impact.as_ref(), "consequences of restarts")?;
    let mut counts: IndexMap<&str, usize> = IndexMap::new();
    let roles = impact.hosts.iter().filter_map(|h| h.get("roleRefs").and_then(Json::as_array));
    for role in roles.flatten() {
        let is_running = !matches!(text(role, "roleStatus"), Some("NA" | "STOPPED"));
        if let Some(service) = text(role, "serviceName").filter(|_| is_running) {
            *counts.entry(service).or_default() += 1;
        }
    }
    let counts = counts.iter().map(|(name, n)| told(format!("roles/{name}"), n.to_string()));
    let needs = impact.needs.iter().map(|(name, on)| told(format!("needs/{name}"), on.clone()));
    Ok(counts.chain(needs).collect())
}

/// Reads all services, once the manager has found out what `unsettled` writes made stale. Where
/// several are stale, what they need is read too.
pub(super) async fn read(
    line: Line<'_>,
    cluster: &str,
    unsettled: Option<Unsettled>,
) -> Result<Vec<Json>, Trouble> {
    let mut services = settled(line, cluster, unsettled).await?;
    let names: Vec<String> =
        services.iter().filter_map(|s| text(s, "name").map(String::from)).collect();
    let is_stale = |service: &&Json| text(service, "configStalenessStatus") == Some("STALE");
    if services.iter().filter(is_stale).count() < 2 {
        return Ok(services);
    }
    for service in &mut services {
        let name = text(service, "name").unwrap_or_default().to_string();
        if !is_stale(&&*service) || is_management(service) {
            continue;
        }
        let config = line.get(&format!("{}/config", path(cluster, &name))).await?;
        service["needs"] = json!(needs(&config, &names).join(" "));
    }
    Ok(services)
}

fn is_management(service: &Json) -> bool {
    text(service, "type") == Some("MGMT")
}

fn path(cluster: &str, service: &str) -> String {
    format!("{cluster}/services/{}", crate::model::quote::percent(service))
}

/// Returns the services that a service's settings name (CM API: `*_service`).
fn needs<'a>(config: &'a Json, names: &[String]) -> Vec<&'a str> {
    let items = config.get("items").and_then(Json::as_array);
    let named = items.into_iter().flatten().filter_map(|item| {
        let is_reference = text(item, "name")?.ends_with("_service");
        text(item, "value").filter(|_| is_reference)
    });
    named.filter(|value| names.iter().any(|name| name == value)).collect()
}

async fn settled(
    line: Line<'_>,
    cluster: &str,
    unsettled: Option<Unsettled>,
) -> Result<Vec<Json>, Trouble> {
    let told = line.about();
    let begun = Instant::now();
    let (mut pause, mut was_checking) = (Duration::from_millis(50), false);
    // Where it is not known, a check that runs at the first look may be that of an earlier write.
    let mut old_checks = unsettled.as_ref().and_then(|writes| writes.old_checks.clone());
    let mut seen: Option<(Vec<String>, Instant)> = None;
    loop {
        let checks = checks(line).await?;
        let is_checking = !checks.is_empty();
        let old = old_checks.get_or_insert_with(|| checks.clone());
        let services = all(line, cluster).await?;
        let stale: Vec<String> = services.iter().filter_map(stale_name).collect();
        let since = match &seen {
            Some((then, since)) if *then == stale => *since,
            _ => Instant::now(),
        };
        seen = Some((stale.clone(), since));
        let is_done = match &unsettled {
            None => true,
            Some(writes) => {
                was_checking
                    || writes.is_met(&stale) && since.elapsed() >= STEADY
                    || writes.since.elapsed() >= BEGINS
            }
        };
        if !is_checking && is_done || begun.elapsed() > LONGEST {
            return Ok(services);
        }
        was_checking |= checks.iter().any(|id| !old.contains(id));
        told.tell("the manager looks for what is stale");
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Returns the ids of the commands that look for stale configuration just now.
pub(super) async fn checks(line: Line<'_>) -> Result<HashSet<i64>, Trouble> {
    let active = line.get("/cm/commands").await?;
    let active = active.get("items").and_then(Json::as_array).into_iter().flatten();
    let checks = active.filter(|command| text(command, "name") == Some(CHECK));
    Ok(checks.filter_map(|command| command.get("id").and_then(Json::as_i64)).collect())
}

/// Reads the cluster's services, and the management service if there is one.
async fn all(line: Line<'_>, cluster: &str) -> Result<Vec<Json>, Trouble> {
    let path = format!("{cluster}/services");
    let (services, management) = tokio::join!(line.get(&path), line.get("/cm/service"));
    let mut all = super::cm::items(&services?)?;
    match management {
        Ok(management) => all.push(management),
        Err(Trouble::NotFound(_)) => {}
        Err(trouble) => return Err(trouble),
    }
    Ok(all)
}

pub(super) fn stale_name(service: &Json) -> Option<String> {
    let is_stale = |member: &str| text(service, member).is_some_and(|s| s.starts_with("STALE"));
    let stale = is_stale("configStalenessStatus") || is_stale("clientConfigStalenessStatus");
    text(service, "name").filter(|_| stale).map(String::from)
}

/// What is done about a stale service.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cure {
    /// Its client configuration is deployed.
    Deploy,
    /// Its roles read their configuration anew.
    Refresh,
    /// Its stale roles are restarted one after the other.
    Roll,
    /// It is restarted.
    Restart,
}

/// Cures the service at `place`, and waits until that shows. A restart that is under way already is
/// waited for first: it may well be that of a run that was interrupted.
pub(super) async fn cure(line: Line<'_>, place: &Place, cure: Cure) -> Result<(), Failure> {
    let member = match cure {
        Cure::Deploy => "clientConfigStalenessStatus",
        _ => "configStalenessStatus",
    };
    let commands = format!("{}/commands", place.path);
    let word = match cure {
        Cure::Deploy => "deployClientConfig",
        Cure::Refresh => "refresh",
        Cure::Roll | Cure::Restart => "restart",
    };
    let mut found = adopt(line, &commands, word).await?;
    if let (Cure::Roll, Some(cluster)) = (cure, place.cluster()) {
        found |= adopt(line, &format!("{cluster}/commands"), word).await?;
    }
    if found && is_fresh(line, place, member).await? {
        return Ok(());
    }
    match (cure, place.cluster()) {
        (Cure::Deploy, _) => {
            // No roles named: all of them (CM API).
            let all = json!({ "items": [] });
            run(line, &format!("{commands}/deployClientConfig"), Some(&all)).await?;
        }
        (Cure::Refresh, _) => refresh(line, place).await?,
        (Cure::Roll, Some(cluster)) => {
            let path = format!("{cluster}/commands/rollingRestart");
            let body = json!({
                "restartServiceNames": [&place.name],
                "staleConfigsOnly": true,
                // Only workers are restarted unless all are asked for (CM API).
                "rolesToInclude": "ALL_ROLES",
            });
            run(line, &path, Some(&body)).await.map_err(unlicensed)?;
        }
        (Cure::Roll | Cure::Restart, _) => run(line, &format!("{commands}/restart"), None).await?,
    }
    let begun = Instant::now();
    while !is_fresh(line, place, member).await? {
        if begun.elapsed() > LONGEST {
            return Err("it is stale still, although the command ended well".into());
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Says what to do where the manager may not restart one role after the other.
fn unlicensed(failure: Failure) -> Failure {
    match failure.said.to_lowercase().contains("licen") {
        true => Failure {
            said: format!("{} (`restart: full` in pair.yaml needs no licence)", failure.said),
            ..failure
        },
        false => failure,
    }
}

async fn is_fresh(line: Line<'_>, place: &Place, member: &str) -> Result<bool, Trouble> {
    let service = line.get(&place.path).await?;
    Ok(!text(&service, member).is_some_and(|status| status.starts_with("STALE")))
}

/// Refreshes the roles for which that is enough.
async fn refresh(line: Line<'_>, place: &Place) -> Result<(), Failure> {
    let roles = super::cm::items(&line.get(&format!("{}/roles", place.path)).await?)?;
    let is_stale = |role: &&Json| text(role, "configStalenessStatus") == Some("STALE_REFRESHABLE");
    let names = roles.iter().filter(is_stale).filter_map(|role| text(role, "name"));
    let names: Vec<Arc<str>> = names.map(Arc::from).collect();
    run_roles(line, place, "refresh", &names).await
}

/// Returns the writes of a run that ended `age` ago without having seen their consequences.
pub(super) fn earlier((age, services): (Duration, Vec<String>)) -> Unsettled {
    let now = Instant::now();
    let since = now.checked_sub(age).unwrap_or(now);
    let anything = services.iter().any(String::is_empty);
    let expected = services.into_iter().filter(|name| !name.is_empty()).collect();
    Unsettled { since, expected, anything, before: HashSet::new(), old_checks: None }
}

/// Returns the writes as they are after one more, to `service`.
pub(super) fn one_more(
    writes: Option<Unsettled>,
    service: Option<&Arc<str>>,
    stale: &HashSet<String>,
    old_checks: Option<HashSet<i64>>,
) -> Unsettled {
    let mut writes = writes.unwrap_or_else(|| Unsettled {
        since: Instant::now(),
        expected: HashSet::new(),
        anything: false,
        before: stale.clone(),
        old_checks: None,
    });
    writes.old_checks = old_checks;
    writes.since = Instant::now();
    writes.anything |= service.is_none();
    writes.expected.extend(service.map(|name| name.to_string()));
    writes
}
