//! `/sandbox`: the simulator's own controls, which no real manager has.

use serde_json::{Value, json};

use crate::answer::{Refusal, Reply};
use crate::counters::Counters;
use crate::document::{list, text};
use crate::fault;
use crate::request::Request;

/// Every fault there is.
const FAULTS: [&str; 15] = [
    "latency",
    "status",
    "drop",
    "cut",
    "html",
    "put_loses",
    "stale_reads",
    "staleness_delay",
    "command_ms",
    "command_fails",
    "child_fails",
    "event_server_down",
    "read_only_user",
    "documented_status",
    "hides_parcels",
];

/// Answers a control request; the flag says whether the state changed.
pub(crate) fn route(state: &mut Value, request: &Request, counters: Counters) -> (Reply, bool) {
    match (request.path.as_str(), request.method.as_str()) {
        ("/sandbox/faults", "GET") => (Ok(fault::shown(state)), false),
        ("/sandbox/faults", "PUT") => match read_faults(request) {
            Ok(faults) => {
                state["faults"] = Value::Array(faults);
                (Ok(fault::shown(state)), true)
            }
            Err(refusal) => (Err(refusal), false),
        },
        ("/sandbox/counters", "GET") => (Ok(counted(counters)), false),
        ("/sandbox/faults" | "/sandbox/counters", _) => (Err(Refusal::method()), false),
        _ => (Err(Refusal::no_path()), false),
    }
}

/// Why a fault cannot be used, if it cannot.
pub(crate) fn objection(fault: &Value) -> Option<String> {
    let name = text(fault, "fault");
    if !fault.is_object() {
        Some("a fault is an object with a member `fault`".to_owned())
    } else if FAULTS.contains(&name) {
        None
    } else {
        Some(format!("unknown fault '{name}'; there are {}", FAULTS.join(", ")))
    }
}

/// The body is a list of faults, bare or as the API writes lists.
fn read_faults(request: &Request) -> Result<Vec<Value>, Refusal> {
    let document: Value = serde_json::from_slice(&request.body)
        .map_err(|error| Refusal::bad(format!("Cannot read the request body: {error}")))?;
    let faults = document.as_array().map_or_else(|| list(&document, "items"), Vec::as_slice);
    match faults.iter().find_map(objection) {
        Some(reason) => Err(Refusal::bad(reason)),
        None => Ok(faults.to_vec()),
    }
}

fn counted(counters: Counters) -> Value {
    json!({
        "reads": counters.reads,
        "writes": counters.writes,
        "logins": counters.logins,
        "failed_logins": counters.failed_logins,
        "max_in_flight": counters.max_in_flight,
        "connections": counters.connections,
    })
}
