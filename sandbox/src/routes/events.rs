//! `/events`: what the event server has recorded.

use serde_json::{Value, json};

use crate::answer::{Refusal, Reply};
use crate::document::{list, text};
use crate::request::Request;
use crate::world::World;

/// One condition of an event query.
struct Condition {
    field: String,
    equal: bool,
    value: String,
}

/// Answers a query, newest events first.
pub(super) fn route(world: &World, request: &Request) -> Reply {
    super::read(request)?;
    if world.faults.get("event_server_down").is_some() {
        let message = "Could not connect to the Event Server".to_owned();
        return Err(Refusal { status: 503, message });
    }
    let conditions = parse(&request.parameter("query").unwrap_or_default())?;
    let most = request.count("maxResults", 100)?;
    let offset = request.count("resultOffset", 0)?;
    let events = list(world.state, "events").iter().rev();
    let found: Vec<&Value> =
        events.filter(|event| conditions.iter().all(|one| one.holds(event))).collect();
    let page: Vec<Value> =
        found.iter().skip(offset).take(most).map(|event| shown(world, event)).collect();
    Ok(json!({ "totalResults": found.len(), "items": page }))
}

fn shown(world: &World, event: &Value) -> Value {
    let mut event = event.clone();
    let link = format!("{}/cmf/eventRedirect/{}", world.url, text(&event, "id"));
    crate::document::list_mut(&mut event, "attributes")
        .push(json!({ "name": "URL", "values": [link] }));
    event
}

/// Conditions are joined by `;`, each with `==` or `!=`.
fn parse(query: &str) -> Result<Vec<Condition>, Refusal> {
    let parts = query.split(';').map(str::trim).filter(|part| !part.is_empty());
    let conditions: Vec<Condition> = parts.map(condition).collect::<Result<_, _>>()?;
    if !conditions.is_empty() && conditions.iter().all(|condition| !condition.equal) {
        return Err(Refusal::bad("A query cannot consist of negative terms only."));
    }
    Ok(conditions)
}

fn condition(part: &str) -> Result<Condition, Refusal> {
    let split = part
        .split_once("==")
        .map(|sides| (sides, true))
        .or_else(|| part.split_once("!=").map(|sides| (sides, false)));
    let Some(((field, value), equal)) = split else {
        return Err(Refusal::bad("Missing comparator"));
    };
    let known = matches!(field.trim(), "category" | "severity" | "alert" | "content" | "id");
    // The times of events cannot be asked for, and the server words it like this.
    if !known && !field.trim().starts_with("attributes.") {
        return Err(Refusal::bad("Missing comparator"));
    }
    Ok(Condition { field: field.trim().into(), equal, value: value.trim().into() })
}

impl Condition {
    fn holds(&self, event: &Value) -> bool {
        let matched = match self.field.strip_prefix("attributes.") {
            Some(name) => {
                let named =
                    list(event, "attributes").iter().filter(|one| text(one, "name") == name);
                named.flat_map(|one| list(one, "values")).any(|value| value == &self.value)
            }
            None => match &event[&self.field] {
                Value::String(value) => *value == self.value,
                Value::Bool(value) => self.value == if *value { "true" } else { "false" },
                _ => false,
            },
        };
        matched == self.equal
    }
}
