//! `/timeseries`: what the monitors have recorded of the manager's own servers.
//!
//! Queries are understood as far as `select METRIC where CONDITION`, with a category or the name of
//! an entity as the condition.

use serde_json::{Value, json};

use super::post;
use crate::answer::{Refusal, Reply};
use crate::clock::iso;
use crate::document::{text, wrap};
use crate::request::Request;
use crate::world::World;

/// The category of the manager's servers.
const CATEGORY: &str = "CMSERVER";
/// What the one server was called before there could be two.
const OLD: &str = "cloudera_manager_server";
/// How long ago the names were changed.
const CHANGED: i64 = 86_400_000;

/// Answers a query, in the address or in the body.
pub(super) fn route(world: &World, request: &Request) -> Reply {
    let query = match request.is_read() {
        true => request.parameter("query").unwrap_or_default(),
        false => {
            post(request)?;
            let members =
                ["query", "from", "to", "contentType", "desiredRollup", "mustUseDesiredRollup"];
            text(&request.object(&members)?, "query").to_owned()
        }
    };
    let (metric, condition) = parse(&query)?;
    let series = entities(world).into_iter().filter(|(name, _)| match &condition {
        Condition::Category(category) => category == CATEGORY,
        Condition::Entity(wanted) => wanted == name,
    });
    let series: Vec<Value> = series.map(|(name, last)| show(world, &metric, &name, last)).collect();
    let mut answer = json!({ "timeSeries": series, "timeSeriesQuery": query, "warnings": [] });
    if series.is_empty() {
        answer["warnings"] = json!(["No data matches the query."]);
    }
    Ok(wrap(vec![answer]))
}

enum Condition {
    Category(String),
    Entity(String),
}

fn parse(query: &str) -> Result<(String, Condition), Refusal> {
    let invalid = || Refusal::bad(format!("Invalid query: {query}"));
    let lower = query.to_ascii_lowercase();
    let metric = lower.find("select ").ok_or_else(invalid)? + "select ".len();
    let place = lower.find(" where ").filter(|place| *place >= metric).ok_or_else(invalid)?;
    let condition = &query[place + " where ".len()..];
    let (name, value) = condition.split_once('=').ok_or_else(invalid)?;
    let value = value.trim().trim_matches('"').to_owned();
    let condition = match name.trim().to_ascii_lowercase().as_str() {
        "category" => Condition::Category(value),
        "entityname" => Condition::Entity(value),
        _ => return Err(invalid()),
    };
    Ok((query[metric..place].trim().to_owned(), condition))
}

/// The entities of the servers, old and new, each with the time of its last value.
fn entities(world: &World) -> Vec<(String, i64)> {
    let own = text(&world.state["server"], "name").to_owned();
    let names = match world.servers.all.is_empty() {
        true => vec![own],
        false => world.servers.all.clone(),
    };
    let new = names.into_iter().map(|name| (format!("{CATEGORY}:{name}"), world.now));
    std::iter::once((OLD.to_owned(), world.now - CHANGED)).chain(new).collect()
}

fn show(world: &World, metric: &str, name: &str, last: i64) -> Value {
    let point = |at: i64| json!({ "timestamp": iso(at), "value": 512.0, "type": "SAMPLE" });
    let first = last - 60_000;
    json!({
        "metadata": {
            "metricName": metric,
            "entityName": name,
            "startTime": iso(first),
            "endTime": iso(world.now),
            "attributes": { "category": CATEGORY, "entityName": name },
            "unitNumerators": ["mb"],
            "unitDenominators": [],
        },
        "data": [point(first), point(last)],
    })
}
