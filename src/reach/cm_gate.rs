//! Waiting for Cloudera Manager itself: until it answers, does nothing, has both servers.

use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::time::sleep;

use super::cm::items;
use super::cm_command::Line;
use super::cm_entity::{Place, field};
use super::cm_scope::{Overview, listed, text};
use super::failure::Failure;
use super::http::Trouble;
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
    let alive = alive(servers).into_iter().map(|name| Field {
        name: format!("server/{name}").into(),
        live: Live::Known(Value::text("alive")),
    });
    Ok(std::iter::once(idle).chain(alive).collect())
}

/// Returns the servers that were seen about as lately as the one seen last.
fn alive(servers: &[Json]) -> Vec<&str> {
    let seen = |server: &Json| -> Option<jiff::Timestamp> {
        text(server, "lastUpdatedTime")?.parse().ok()
    };
    let Some(newest) = servers.iter().filter_map(seen).max() else { return Vec::new() };
    let is_alive =
        |server: &&Json| seen(server).is_some_and(|at| newest.duration_since(at) <= ALIVE);
    servers.iter().filter(is_alive).filter_map(|server| text(server, "name")).collect()
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

/// Waits until no command runs, `longest` at most.
pub(super) async fn await_idle(
    line: Line<'_>,
    place: &Place,
    longest: Duration,
) -> Result<(), Failure> {
    let (told, begun) = (line.about(), Instant::now());
    loop {
        let running = running(line, &place.list).await?;
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

/// Names all commands that run: of the manager, of the cluster and of each of its services.
async fn running(line: Line<'_>, cluster: &str) -> Result<Vec<String>, Failure> {
    let mut lists = vec!["/cm/commands".to_string()];
    if !cluster.is_empty() {
        lists.push(format!("{cluster}/commands"));
        for service in items(&line.get(&format!("{cluster}/services")).await?)? {
            let name = percent(text(&service, "name").unwrap_or_default());
            lists.push(format!("{cluster}/services/{name}/commands"));
        }
    }
    let mut names = Vec::new();
    for list in lists {
        for command in items(&line.get(&list).await?)? {
            let id = command.get("id").and_then(Json::as_i64).unwrap_or_default();
            names.push(format!("{} ({id})", text(&command, "name").unwrap_or("a command")));
        }
    }
    Ok(names)
}

/// Waits until `count` servers are alive.
pub(super) async fn await_servers(line: Line<'_>, count: usize) -> Result<(), Failure> {
    let (told, begun) = (line.about(), Instant::now());
    loop {
        let servers = line.get("/cm/instances").await.and_then(|answer| items(&answer));
        let found = match &servers {
            Ok(servers) => alive(servers).len(),
            Err(trouble @ (Trouble::Login(_) | Trouble::Refused(..))) => {
                return Err(trouble.clone().into());
            }
            Err(_) => 0,
        };
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
        assert_eq!(alive(&[a, b, c, json!({ "name": "d" })]), ["a", "b"]);
        assert_eq!(alive(&[]), Vec::<&str>::new());
    }
}
