//! Saved plans: written by `plan -o`, checked by `apply FILE`.
//!
//! A saved plan is never executed as text. It is a claim about effects and evidence: `apply` plans
//! afresh from the inventory and live systems, and goes on only when the effects are the very same
//! and the machines are the very same.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::select::Choice;
use crate::model::plan::{Identities, Plan};
use crate::model::{Live, Value, Want};

/// The version of the file's format.
const FORMAT: u32 = 1;

/// A saved plan.
#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    /// Always `drsync-plan`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// Version of drsync that wrote it.
    pub tool: String,
    /// The pair.
    pub pair: String,
    /// Digest of the typed effects.
    pub digest: String,
    /// Which part of the inventory it is about.
    pub choice: Choice,
    /// Which machines it was made for.
    pub identities: Identities,
    /// The steps, in order: address and attributes with before and after.
    pub steps: Vec<Json>,
    /// Digest of every attribute read, by address.
    pub evidence: BTreeMap<String, BTreeMap<String, String>>,
}

/// Why a saved plan is not applied.
#[derive(Debug, PartialEq, Eq)]
pub struct Stale(pub Vec<String>);

impl Saved {
    /// Returns `plan`, which must carry evidence, as it is saved.
    pub fn new(plan: &Plan, choice: &Choice) -> Saved {
        let steps = plan.changes().map(|instance| {
            let delta = instance.delta.as_deref();
            let attributes = delta.into_iter().flat_map(|delta| delta.differing()).map(
                |a| json!({ "name": a.name, "before": live(&a.before), "after": want(&a.after) }),
            );
            json!({
                "address": instance.address.to_string(),
                "name": &*instance.name,
                "attributes": attributes.collect::<Vec<_>>(),
            })
        });
        let evidence = plan.instances.iter().map(|instance| {
            let digests = instance.evidence.iter().cloned().collect();
            (instance.address.to_string(), digests)
        });
        Saved {
            format: "drsync-plan".into(),
            version: FORMAT,
            tool: env!("CARGO_PKG_VERSION").into(),
            pair: plan.pair.clone(),
            digest: plan.digest.clone(),
            choice: choice.clone(),
            identities: plan.identities.clone(),
            steps: steps.collect(),
            evidence: evidence.collect(),
        }
    }

    /// Writes the plan to `file`, readable by its owner only.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        // Values are masked one by one: masking the page could hit an address.
        super::state::write_private(file, &(text + "\n"))
    }

    /// Reads a saved plan.
    ///
    /// Errors: text for the user when the file is not one this version can read.
    pub fn read(file: &Path) -> Result<Saved, String> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read the plan `{shown}`: {error}"))?;
        let saved: Saved = serde_json::from_str(&text)
            .map_err(|error| format!("`{shown}` is not a saved plan: {error}"))?;
        match (saved.format.as_str(), saved.version) {
            ("drsync-plan", FORMAT) => Ok(saved),
            ("drsync-plan", other) => Err(format!(
                "`{shown}` was saved in format {other} by drsync {}; this one reads format {FORMAT}",
                saved.tool
            )),
            _ => Err(format!("`{shown}` is not a saved plan")),
        }
    }

    /// Compares with a plan made afresh, with evidence.
    ///
    /// Errors: everything that is not as it was, by name.
    pub fn check(&self, fresh: &Plan) -> Result<(), Stale> {
        let mut stale = self.other_machines(fresh);
        if stale.is_empty() && self.digest != fresh.digest {
            stale = self.moved(fresh);
            if stale.is_empty() {
                stale.push("the declaration changed: other steps are needed now".into());
            }
        } else if stale.is_empty() {
            // Effects agree; what was in sync must still have been read alike.
            stale = self.moved(fresh);
        }
        if stale.is_empty() { Ok(()) } else { Err(Stale(stale)) }
    }

    fn other_machines(&self, fresh: &Plan) -> Vec<String> {
        let mut said = Vec::new();
        if self.pair != fresh.pair {
            said.push(format!("the plan is for the pair `{}`, not `{}`", self.pair, fresh.pair));
        }
        for (host, id) in &self.identities.hosts {
            match fresh.identities.hosts.get(host) {
                Some(now) if now != id => said.push(format!(
                    "host `{host}` is another machine now: machine-id {id} became {now}"
                )),
                _ => {}
            }
        }
        for (side, id) in &self.identities.managers {
            let Some(now) = fresh.identities.managers.get(side) else { continue };
            if now.cluster_uuid != id.cluster_uuid {
                let name = |uuid: &Option<String>| uuid.clone().unwrap_or_else(|| "none".into());
                said.push(format!(
                    "the manager of `{side}` rules another cluster now: {} became {}",
                    name(&id.cluster_uuid),
                    name(&now.cluster_uuid)
                ));
            } else if !id.servers.is_empty() && !id.servers.iter().any(|s| now.servers.contains(s))
            {
                said.push(format!("the manager of `{side}` is another Cloudera Manager now"));
            }
        }
        said
    }

    /// Names the attributes whose live value moved since the plan was made.
    fn moved(&self, fresh: &Plan) -> Vec<String> {
        let mut said = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for instance in &fresh.instances {
            let address = instance.address.to_string();
            let Some(known) = self.evidence.get(&address) else {
                said.push(format!("{address} is new in the declaration"));
                continue;
            };
            for (name, digest) in &instance.evidence {
                if known.get(name).is_some_and(|then| then != digest) {
                    let from = self.value_then(&address, name);
                    let to = value_now(fresh, &address, name);
                    said.push(format!("{address} {name} moved{from}{to}"));
                }
            }
            seen.insert(address);
        }
        let gone = self.evidence.keys().filter(|address| !seen.contains(*address));
        said.extend(gone.map(|address| format!("{address} is gone from the declaration")));
        said
    }

    fn value_then(&self, address: &str, attribute: &str) -> String {
        let step = self.steps.iter().find(|step| step["address"] == address);
        let attributes = step.and_then(|step| step["attributes"].as_array());
        let found = attributes.and_then(|list| list.iter().find(|a| a["name"] == attribute));
        match found.map(|a| &a["before"]) {
            Some(before) => format!(" from {}", brief(before)),
            None => " from the declared value".to_string(),
        }
    }
}

fn value_now(fresh: &Plan, address: &str, attribute: &str) -> String {
    let instance = fresh.instances.iter().find(|i| i.address.to_string() == address);
    let delta = instance.and_then(|instance| instance.delta.as_deref());
    let found = delta.and_then(|delta| delta.attributes.iter().find(|a| a.name == attribute));
    match found {
        Some(attribute) => format!(" to {}", brief(&live(&attribute.before))),
        None => " to the declared value".to_string(),
    }
}

fn brief(value: &Json) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), String::from);
    match text.chars().count() > 80 {
        true => format!("{}…", text.chars().take(79).collect::<String>()),
        false => format!("`{text}`"),
    }
}

/// Returns what was read as JSON; long text only in part.
fn live(live: &Live) -> Json {
    match live {
        Live::Known(value) => bounded(value),
        Live::Absent => Json::Null,
        Live::Unknown(reason) => json!({ "unknown": crate::model::secret::mask(reason) }),
    }
}

fn want(want: &Want) -> Json {
    match want {
        Want::Value(value) => bounded(value),
        Want::Absent(_) => Json::Null,
        Want::Later(why) => json!({ "known_after_apply": why }),
    }
}

fn bounded(value: &Value) -> Json {
    match value {
        Value::Text(text) if text.len() > 65_536 => json!(format!(
            "{} bytes, sha256 {}",
            text.len(),
            crate::model::digest::sha256(text.as_bytes())
        )),
        value => value.to_json(),
    }
}
