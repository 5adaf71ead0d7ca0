//! Waiting for Cloudera Manager itself: until it answers, does nothing, has both servers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::time::sleep;

use super::cm::items;
use super::cm_command::Line;
use super::cm_entity::field;
use super::cm_scope::{Overview, listed, text};
use super::failure::Failure;
use super::http::Trouble;
use super::progress::Thing;
use crate::model::question::{Field, Reply};
use crate::model::quote::percent;
use crate::model::{Live, Value};

/// Longest wait for a manager that was started: it takes minutes.
const START: Duration = Duration::from_secs(20 * 60);
/// How long a server counts as alive after it was seen last. Each renews its own entry (CM API:
/// `/cm/instances`).
const ALIVE: jiff::SignedDuration = jiff::SignedDuration::from_secs(120);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Tells whether the manager is known to do nothing, and which servers are alive.
pub(super) fn fields(overview: &Overview) -> Result<Vec<Field>, Reply> {
    let servers = listed(overview.servers.as_ref(), "servers of the manager")?;
    let idle = match overview.is_idle {
        true => "none runs",
        false => "not looked at yet",
    };
    let idle = field("idle", Live::Known(Value::text(idle)));
    let alive = alive(servers, &overview.seen).into_iter().map(|name| Field {
        name: format!("server/{name}").into(),
        live: Live::Known(Value::text("alive")),
    });
    Ok(std::iter::once(idle).chain(alive).collect())
}

/// When each server was seen last, by name.
pub(super) type Seen = BTreeMap<String, jiff::Timestamp>;

/// Returns when each server was seen last.
pub(super) fn seen(servers: &[Json]) -> Seen {
    let seen = |server: &Json| {
        let at = text(server, "lastUpdatedTime")?.parse().ok()?;
        Some((text(server, "name")?.to_string(), at))
    };
    servers.iter().filter_map(seen).collect()
}

/// Returns the servers that were seen about as lately as the one seen last. Once one was seen again
/// since an `earlier` look, all that are alive must have been.
pub(super) fn alive(servers: &[Json], earlier: &Seen) -> Vec<String> {
    let now = seen(servers);
    let Some(newest) = now.values().max().copied() else { return Vec::new() };
    let was_seen_again =
        |name: &String, at: &jiff::Timestamp| earlier.get(name).is_none_or(|earlier| at > earlier);
    let is_news =
        now.iter().any(|(name, at)| earlier.contains_key(name) && was_seen_again(name, at));
    let is_alive = |(name, at): &(&String, &jiff::Timestamp)| {
        newest.duration_since(**at) <= ALIVE && (!is_news || was_seen_again(name, at))
    };
    now.iter().filter(is_alive).map(|(name, _)| name.clone()).collect()
}

/// Waits until the manager answers.
pub(super) async fn await_ready(line: Line<'_>) -> Result<(), Failure> {
    let (told, begun) = (line.about(), Instant::now());
    loop {
        match line.get("/cm/version").await {
            Ok(_) => return Ok(()),
            Err(trouble @ Trouble::Login(_)) => return Err(trouble.into()),
            Err(trouble) if begun.elapsed() > START => return Err(trouble.into()),
            Err(_) => told.tell("not yet"),
        }
        sleep(PAUSE).await;
    }
}

/// Waits until nothing is going on, `longest` at most; for a manager that is away that begins when
/// it is back.
///
/// Parcels on their way count with `parcels_count`: the second server must not come back to them.
pub(super) async fn await_idle(
    line: Line<'_>,
    longest: Duration,
    parcels_count: bool,
) -> Result<(), Failure> {
    let told = line.about();
    line.get_patiently("/cm/version", &told).await?;
    let begun = Instant::now();
    loop {
        let running = running(line, &told, parcels_count).await?;
        if running.is_empty() {
            return Ok(());
        }
        let names = running.join(", ");
        if begun.elapsed() >= longest {
            let waited = longest.as_secs();
            return Err(format!("after {waited} s there still runs: {names}").into());
        }
        told.tell(&names);
        sleep(PAUSE.min(longest)).await;
    }
}

/// Names all that is going on: commands of the manager, of its own service, of each cluster and of
/// their services, and parcels on their way, which are no commands (CM API).
async fn running(
    line: Line<'_>,
    told: &Thing<'_>,
    parcels_count: bool,
) -> Result<Vec<String>, Failure> {
    let mut names = commands(line, "/cm/commands", told).await?;
    names.extend(commands(line, "/cm/service/commands", told).await?);
    for cluster in listing(line, "/clusters?clusterType=any", told).await? {
        let cluster = format!("/clusters/{}", percent(text(&cluster, "name").unwrap_or_default()));
        names.extend(commands(line, &format!("{cluster}/commands"), told).await?);
        for service in listing(line, &format!("{cluster}/services"), told).await? {
            let name = percent(text(&service, "name").unwrap_or_default());
            let list = format!("{cluster}/services/{name}/commands");
            names.extend(commands(line, &list, told).await?);
        }
        if !parcels_count {
            continue;
        }
        let parcels = listing(line, &format!("{cluster}/parcels"), told).await?;
        let moving = parcels
            .iter()
            .filter(|parcel| text(parcel, "stage").is_some_and(|stage| stage.ends_with("ING")));
        names.extend(moving.filter_map(|parcel| {
            let stage = text(parcel, "stage")?.to_lowercase();
            Some(format!("{stage} {} {}", text(parcel, "product")?, text(parcel, "version")?))
        }));
    }
    Ok(names)
}

/// Returns the items of a list. What a cluster or a manager does not have lists nothing: the
/// management service, or parcels of a cluster of another sort.
async fn listing(line: Line<'_>, path: &str, told: &Thing<'_>) -> Result<Vec<Json>, Failure> {
    match line.get_patiently(path, told).await {
        Err(Trouble::NotFound(_)) => Ok(Vec::new()),
        listed => Ok(items(&listed?)?),
    }
}

async fn commands(line: Line<'_>, list: &str, told: &Thing<'_>) -> Result<Vec<String>, Failure> {
    let active = listing(line, list, told).await?;
    let name = |command: &Json| {
        let id = command.get("id").and_then(Json::as_i64).unwrap_or_default();
        format!("{} ({id})", text(command, "name").unwrap_or("a command"))
    };
    Ok(active.iter().map(name).collect())
}

/// Waits until `count` servers are alive.
pub(super) async fn await_servers(
    line: Line<'_>,
    count: usize,
    earlier: &Seen,
) -> Result<(), Failure> {
    let (told, begun) = (line.about(), Instant::now());
    loop {
        let servers = line.get_patiently("/cm/instances", &told).await?;
        let found = alive(&items(&servers)?, earlier).len();
        if found >= count {
            return Ok(());
        }
        if begun.elapsed() > START {
            return Err(format!("only {found} of {count} servers are alive").into());
        }
        told.tell(&format!("{found} of {count} alive"));
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_that_was_not_seen_for_minutes_is_not_alive() {
        let server = |name: &str, at: &str| json!({ "name": name, "lastUpdatedTime": at });
        let a = server("a", "2026-11-28T10:00:00.000Z");
        let b = server("b", "2026-11-28T09:58:30.500Z");
        let c = server("c", "2026-11-28T09:57:59.000Z");
        let first = [a, b.clone(), c, json!({ "name": "d" })];
        assert_eq!(alive(&first, &Seen::new()), ["a", "b"]);
        assert_eq!(alive(&[], &Seen::new()), Vec::<String>::new());
        // Nobody was seen again yet: that tells nothing.
        assert_eq!(alive(&first, &seen(&first)), ["a", "b"]);
        let later = [server("a", "2026-11-28T10:00:10.000Z"), b];
        assert_eq!(alive(&later, &seen(&first)), ["a"]);
    }
}
