//! The same results as JSON. `version` counts breaking changes; members may be added.

use serde_json::{Value as Json, json};

use crate::model::change::Verdict;
use crate::model::plan::{Coverage, Effect, Plan, Planned, Seen};
use crate::model::report::{Outcome, Report};
use crate::model::secret::mask;
use crate::model::{Diagnostic, Live, Want};

/// The version of the schema.
const VERSION: u32 = 1;

/// Returns a plan, or drift, as JSON: instances in sync are counted, the others told.
pub fn plan(plan: &Plan, command: &str, timings: bool) -> Json {
    let tally = plan.tally();
    let told = plan.instances.iter().filter(|i| i.verdict != Verdict::InSync);
    let mut page = json!({
        "version": VERSION,
        "command": command,
        "pair": plan.pair,
        "summary": {
            "in_sync": tally.in_sync,
            "finding": tally.finding,
            "add": tally.add,
            "change": tally.change,
            "remove": tally.remove,
            "unknown": tally.unknown,
            "refused": tally.refused,
        },
        "instances": told.map(instance).collect::<Vec<_>>(),
        "findings": findings(plan),
        "unmanaged": unmanaged(plan),
        "notes": notes(plan),
        "coverage": coverage(&plan.coverage),
        "identities": plan.identities,
        "digest": plan.digest,
        "diagnostics": list_of(&plan.warnings),
    });
    if timings {
        page["timings"] = times(&plan.coverage);
    }
    page
}

/// Live, non-default settings that nobody declared: worth knowing, no difference.
fn unmanaged(plan: &Plan) -> Json {
    let with = plan.instances.iter().filter_map(|i| Some((i, i.delta.as_deref()?)));
    with.flat_map(|(instance, delta)| {
        let address = instance.address.to_string();
        delta.unmanaged.iter().map(move |(name, value)| {
            json!({ "address": address, "name": name, "value": value.to_json() })
        })
    })
    .collect()
}

/// What a person must look into.
fn findings(plan: &Plan) -> Json {
    let told = plan.findings().map(|(instance, finding)| {
        json!({
            "address": instance.address.to_string(),
            "finding": mask(&finding.name),
            "summary": mask(&finding.summary),
            "advice": finding.advice.as_deref().map(mask),
        })
    });
    told.collect()
}

/// What is worth knowing of instances although it is no difference.
fn notes(plan: &Plan) -> Json {
    let with = plan.instances.iter().filter_map(|i| Some((i, i.delta.as_deref()?)));
    with.flat_map(|(instance, delta)| {
        let address = instance.address.to_string();
        delta.notes.iter().map(move |note| json!({ "address": address, "note": mask(note) }))
    })
    .collect()
}

fn instance(instance: &Planned) -> Json {
    let delta = instance.delta.as_deref();
    let attributes = delta.map(|delta| &delta.attributes[..]).unwrap_or_default().iter();
    let attributes = attributes.filter(|a| a.differs || a.unknown().is_some()).map(|attribute| {
        let mut entry = json!({
            "name": attribute.name,
            "before": live(&attribute.before),
            "after": want(&attribute.after),
        });
        if let Some(reason) = attribute.unknown() {
            entry["unknown"] = json!(reason);
        }
        if let Some(note) = &attribute.note {
            entry["note"] = json!(note);
        }
        entry
    });
    let target = &instance.address.target;
    let mut entry = json!({
        "address": instance.address.to_string(),
        "side": &**target.side(),
        "host": target.host().map(|host| &**host),
        "kind": instance.address.kind,
        "key": &*instance.address.key,
        "name": &*instance.name,
        "place": instance.place.to_string(),
        "verdict": instance.verdict.word(),
        "attributes": attributes.collect::<Vec<_>>(),
    });
    if instance.verdict == Verdict::Change {
        entry["effect"] = json!(match instance.effect() {
            Effect::Add => "add",
            Effect::Change => "change",
            Effect::Remove => "remove",
        });
    }
    if let Some(reason) = delta.and_then(|delta| delta.refused.as_ref()) {
        entry["refused"] = json!(reason);
    }
    entry
}

fn live(live: &Live) -> Json {
    match live {
        Live::Known(value) => value.to_json(),
        Live::Absent | Live::Unknown(_) => Json::Null,
    }
}

fn want(want: &Want) -> Json {
    match want {
        Want::Value(value) => value.to_json(),
        Want::Absent(default) => default.as_ref().map_or(Json::Null, |value| value.to_json()),
        Want::Later(why) => json!({ "known_after_apply": why }),
    }
}

fn coverage(coverage: &Coverage) -> Json {
    let part = |seen: &std::collections::BTreeMap<String, Seen>| {
        let troubles: serde_json::Map<String, Json> = seen
            .iter()
            .filter_map(|(name, seen)| Some((name.clone(), json!(seen.trouble.as_ref()?))))
            .collect();
        json!({ "asked": seen.len(), "read": Coverage::read(seen), "unread": troubles })
    };
    json!({ "hosts": part(&coverage.hosts), "managers": part(&coverage.managers) })
}

fn times(coverage: &Coverage) -> Json {
    let hosts: serde_json::Map<String, Json> = coverage
        .hosts
        .iter()
        .map(|(name, seen)| {
            let times = json!({ "execs": seen.reads, "connect": seen.connect, "read": seen.read });
            (name.clone(), times)
        })
        .collect();
    let managers: serde_json::Map<String, Json> = coverage
        .managers
        .iter()
        .map(|(side, seen)| {
            (side.clone(), json!({ "gets": seen.reads, "writes": seen.writes, "read": seen.read }))
        })
        .collect();
    json!({ "hosts": hosts, "managers": managers })
}

/// Returns the end of an apply as JSON.
pub fn report(report: &Report, plan: &Plan) -> Json {
    let ends = report.ends.iter().map(|(address, outcome, seconds)| {
        let reason = match outcome {
            Outcome::Failed(reason) | Outcome::Skipped(reason) => Some(reason),
            Outcome::Changed | Outcome::Unchanged => None,
        };
        json!({
            "address": address.to_string(),
            "outcome": outcome.word(),
            "reason": reason,
            "seconds": seconds,
        })
    });
    json!({
        "version": VERSION,
        "command": "apply",
        "pair": plan.pair,
        "run": report.run,
        "stopped": report.was_stopped,
        "summary": {
            "changed": report.count("changed"),
            "unchanged": report.count("unchanged"),
            "failed": report.count("failed"),
            "skipped": report.count("skipped"),
            "in_sync": plan.tally().in_sync,
        },
        "instances": ends.collect::<Vec<_>>(),
        "findings": findings(plan),
        "coverage": coverage(&plan.coverage),
        "digest": plan.digest,
        "diagnostics": [],
    })
}

/// Returns diagnostics as JSON.
pub fn diagnostics(list: &[Diagnostic], command: &str) -> Json {
    json!({ "version": VERSION, "command": command, "diagnostics": list_of(list) })
}

fn list_of(list: &[Diagnostic]) -> Json {
    let place = |place: &crate::model::Place| json!({ "file": &*place.file, "line": place.line, "column": place.column });
    let list = list.iter().map(|diagnostic| {
        json!({
            "severity": if diagnostic.is_error() { "error" } else { "warning" },
            "summary": mask(&diagnostic.summary),
            "detail": diagnostic.detail.as_deref().map(mask),
            "place": diagnostic.place.as_ref().map(place),
            "related": diagnostic.related.iter().map(|(at, word)| {
                json!({ "place": place(at), "word": word })
            }).collect::<Vec<_>>(),
            "hints": diagnostic.hints.iter().map(|hint| mask(hint)).collect::<Vec<_>>(),
        })
    });
    list.collect()
}
