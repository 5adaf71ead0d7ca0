//! Faults: what goes wrong on purpose, and for which requests.

use serde_json::{Value, json};

use crate::document::{list, list_mut, number, text};
use crate::request::Request;

/// The faults that apply to one request.
#[derive(Debug, Default, Clone)]
pub(crate) struct Faults(Vec<Value>);

impl Faults {
    /// Counts the request against every fault and answers those in force; the flag says whether
    /// the state changed.
    pub(crate) fn collect(state: &mut Value, request: &Request) -> (Faults, bool) {
        if list(state, "faults").is_empty() {
            return (Faults::default(), false);
        }
        let mut active = Vec::new();
        let mut changed = false;
        for fault in list_mut(state, "faults") {
            if !matches(fault, request) {
                continue;
            }
            let seen = number(fault, "seen");
            let fired = seen - number(fault, "after");
            let times = fault.get("times").and_then(Value::as_i64).unwrap_or(i64::MAX);
            if (0..times).contains(&fired) {
                active.push(fault.clone());
            }
            fault["seen"] = json!(seen + 1);
            changed = true;
        }
        (Faults(active), changed)
    }

    /// The fault of this name, when in force.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|fault| text(fault, "fault") == name)
    }

    /// The `ms` of the fault of this name, when in force.
    pub(crate) fn milliseconds(&self, name: &str) -> Option<i64> {
        self.get(name).map(|fault| number(fault, "ms"))
    }
}

/// The fault list as it was set, without the counts kept beside each fault.
pub(crate) fn shown(state: &Value) -> Value {
    let plain = |fault: &Value| {
        let mut fault = fault.clone();
        if let Some(members) = fault.as_object_mut() {
            members.remove("seen");
        }
        fault
    };
    crate::document::wrap(list(state, "faults").iter().map(plain).collect())
}

/// Whether a fault concerns a request at all.
fn matches(fault: &Value, request: &Request) -> bool {
    let method = text(fault, "method");
    (method.is_empty() || method.eq_ignore_ascii_case(&request.method))
        && request.path.contains(text(fault, "path"))
        && relevant(fault, request)
}

/// A fault of one kind of request is neither used up nor let through by other requests.
fn relevant(fault: &Value, request: &Request) -> bool {
    let last = request.path.rsplit('/').next().unwrap_or("");
    let path = request.path.to_lowercase();
    let is_run = path.contains("/replications/") && last == "run";
    let is_command = request.method == "POST" && (path.contains("commands/") || is_run);
    match text(fault, "fault") {
        "put_loses" => {
            let name = Value::from(text(fault, "name")).to_string();
            request.method == "PUT" && String::from_utf8_lossy(&request.body).contains(&name)
        }
        "stale_reads" => request.is_read() && request.path.to_lowercase().contains("config"),
        "staleness_delay" => request.method == "PUT" || last == "activate",
        "command_ms" => is_command,
        "command_fails" | "child_fails" => {
            let name = text(fault, "name");
            is_command && (name.is_empty() || name.eq_ignore_ascii_case(last))
        }
        "event_server_down" => last == "events",
        "read_only_user" => !request.is_read(),
        _ => true,
    }
}
