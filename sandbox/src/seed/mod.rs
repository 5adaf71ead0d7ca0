//! From a seed file to the first state of a manager.

mod deployment;
mod management;
pub(crate) mod template;

use std::path::Path;

use serde_json::{Value, json};

use crate::catalogue;
use crate::clock;
use crate::digest::{sha256_hex, uuid};
use crate::document::{list, text};
use crate::error::SandboxError;

/// Number of the first command; CM 7 counts from about here.
const FIRST_COMMAND: i64 = 1_546_300_000;
/// Number of the first configuration revision.
const FIRST_REVISION: i64 = 1_546_338_000;
/// Highest API version per CM version prefix.
const API_VERSIONS: [(&str, u32); 22] = [
    ("5.11", 16),
    ("5.12", 17),
    ("5.13", 18),
    ("5.14", 19),
    ("5.15", 19),
    ("5.16", 19),
    ("6.0", 30),
    ("6.1", 31),
    ("6.2", 32),
    ("6.3", 33),
    ("7.0", 40),
    ("7.1", 41),
    ("7.2", 43),
    ("7.4", 44),
    ("7.5", 45),
    ("7.6", 48),
    ("7.9", 51),
    ("7.11", 54),
    ("7.12", 55),
    ("7.13.1", 57),
    ("7.13.2", 58),
    ("7.13.3", 58),
];

/// A seed file that was read.
pub(crate) struct Seed {
    document: Value,
    /// SHA-256 of the file.
    pub(crate) sha256: String,
}

impl Seed {
    /// Reads a seed file.
    pub(crate) fn read(path: &Path) -> Result<Seed, SandboxError> {
        let bytes =
            std::fs::read(path).map_err(|source| SandboxError::file(path, "read", source))?;
        let mut document: Value = serde_json::from_slice(&bytes).map_err(|error| {
            SandboxError::content(path, format!("not a JSON document: {error}"))
        })?;
        // Templates shipped with provisioning tools are wrapped with a description.
        if document["blueprint"].is_object() {
            document = document["blueprint"].take();
        }
        if !document["services"].is_array() && !document["clusters"].is_array() {
            let reason = "neither a cluster template (member `services`) nor a deployment export \
                          (member `clusters`)";
            return Err(SandboxError::content(path, reason));
        }
        Ok(Seed { document, sha256: sha256_hex(&bytes) })
    }

    /// The first state of a manager with this seed.
    pub(crate) fn state(&self, side: &str) -> Value {
        let is_deployment = self.document["clusters"].is_array();
        let mut state = frame(side, &self.sha256);
        if is_deployment {
            deployment::fill(&mut state, &self.document);
        } else {
            template::fill(&mut state, &self.document);
        }
        if !list(&state, "services").iter().any(|service| text(service, "type") == "MGMT") {
            management::add(&mut state, &self.document["sandbox"]);
        }
        name_server(&mut state, side);
        // What repositories hold, by address: a simulated manager has no network.
        state["remoteParcels"] = self.document["sandbox"]["remoteParcels"].clone();
        state["learned"] = catalogue::names_in_use(&state);
        state
    }
}

/// The members every state has, before the seed fills them.
fn frame(side: &str, sha256: &str) -> Value {
    json!({
        "format": 1,
        "side": side,
        "seedSha256": sha256,
        "apiVersion": 54,
        "version": {},
        "server": {},
        "nextCommand": FIRST_COMMAND,
        "nextRevision": FIRST_REVISION,
        "nextEvent": 1,
        "settings": {},
        "allHosts": {},
        "clusters": [],
        "services": [],
        "hosts": [],
        "users": [],
        "peers": [],
        "commands": [],
        "events": [],
        "faults": [],
        "previous": {},
    })
}

/// Sets what the manager says about its version.
fn set_version(state: &mut Value, version: &str) {
    let version = if version.is_empty() { "7.11.3" } else { version };
    state["apiVersion"] = json!(api_version(version));
    state["version"] = json!({
        "version": version,
        "buildUser": "jenkins",
        "buildTimestamp": "20230901-1200",
        "gitHash": &sha256_hex(version.as_bytes())[..40],
        "snapshot": false,
    });
}

/// The highest API version of a CM version; the longest matching prefix decides.
fn api_version(version: &str) -> u32 {
    let matches = |prefix: &str| {
        version.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let known = API_VERSIONS.iter().filter(|(prefix, _)| matches(prefix));
    known.max_by_key(|(prefix, _)| prefix.len()).map_or(54, |(_, number)| *number)
}

/// The manager's own entry: it plays on a host of the first host's domain.
fn name_server(state: &mut Value, side: &str) {
    let first = list(state, "hosts").first().map(|host| text(host, "hostname")).unwrap_or("");
    let name = match first.split_once('.') {
        Some((_, domain)) => format!("cm.{domain}"),
        None => format!("cm-{side}"),
    };
    state["server"] = json!({
        "cmServerId": uuid(&format!("{side} {name}")),
        "name": name,
        "ipAddress": "10.0.0.5",
        "created": clock::now(),
    });
}

/// The configuration entries `[{name, value}]` as a map; entries without a value are left out.
fn config_map(items: &[Value]) -> Value {
    let mut map = serde_json::Map::new();
    for item in items {
        if let Some(value) = plain(&item["value"]) {
            map.insert(text(item, "name").to_owned(), Value::String(value));
        }
    }
    Value::Object(map)
}

/// A configuration value as text, as the API has all of them.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::api_version;

    #[test]
    fn knows_the_documented_versions() {
        assert_eq!(api_version("7.11.3"), 54);
        assert_eq!(api_version("7.13.1"), 57);
        assert_eq!(api_version("7.13.1.100"), 57);
        assert_eq!(api_version("5.14.3"), 19);
        assert_eq!(api_version("9.0"), 54);
    }
}
