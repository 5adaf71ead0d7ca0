//! `cm.replication_schedule`: what a service copies from another cluster, and when.
//!
//! A schedule belongs to the side that receives, and takes from a service of a peer (`cm.peer`); it
//! is told from others by its name. Everything that is not named stays as it is. `paused` schedules
//! do not run by themselves. The time of the first run is only sent when the schedule is added.
//!
//! The last run of a schedule that is not paused must have succeeded; else that is a finding,
//! `replication-failed`. With two `servers` of the manager one failed run of Hive's may be due to a
//! change from one to the other, and the next one succeeds then (Cloudera): only two in a row are a
//! finding. The history of each schedule that is declared costs one request.
//!
//! ```yaml
//! - name: The warehouse, every quarter of an hour
//!   cm.replication_schedule:
//!     service: hdfs
//!     name: warehouse
//!     source: { peer: primary, cluster: lake, service: hdfs }
//!     hdfs:
//!       source_path: /warehouse
//!       destination_path: /warehouse
//!       mapreduce_service: yarn
//!       user: hdfs
//!       maps: 20
//!       remove_missing_files: true
//!     every: { interval: 15, unit: minute }
//!     start: "2026-12-01T00:00:00Z"
//!   sides: dr
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::shared::state::State;
use super::{Kind, Link, problem, unanswered};
use crate::model::change::{Finding, Problem};
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Value};

/// A replication schedule.
pub struct CmReplicationSchedule;

/// What a service copies from another cluster, and when.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service that receives: one of HDFS or of Hive.
    service: String,
    /// The schedule's name.
    name: String,
    /// Where it copies from; needed unless it should not be there.
    source: Option<Source>,
    /// What is copied, for HDFS.
    hdfs: Option<Hdfs>,
    /// What is copied, for Hive.
    hive: Option<Hive>,
    /// How often it runs; once when left out.
    every: Option<Every>,
    /// When it runs first (RFC 3339), for a schedule that is added.
    start: Option<String>,
    /// Whether it waits.
    paused: Option<bool>,
    /// Should it be there?
    #[serde(default)]
    state: State,
}

/// The service of another cluster.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Source {
    /// The peer's name here.
    peer: String,
    /// The cluster's name there.
    cluster: String,
    /// The service's name there.
    service: String,
}

/// What is copied in HDFS.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hdfs {
    /// The folder there.
    source_path: String,
    /// The folder here; Hive finds its data only at the same path.
    destination_path: String,
    /// The YARN service that does the work.
    mapreduce_service: Option<String>,
    /// Who copies.
    user: Option<String>,
    /// Copies at once.
    maps: Option<u32>,
    /// Megabytes per second of one copy.
    bandwidth_mb: Option<u32>,
    /// Remove here what was removed there?
    remove_missing_files: Option<bool>,
    /// Leave out the comparison of checksums?
    skip_checksum_checks: Option<bool>,
    /// Keep permissions?
    preserve_permissions: Option<bool>,
}

/// What is copied in Hive.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hive {
    /// Copy the data, too?
    replicate_data: Option<bool>,
    /// Overwrite tables that differ here?
    force: Option<bool>,
    /// Threads that export and import.
    threads: Option<u32>,
    /// Copy Impala's metadata, too?
    replicate_impala_metadata: Option<bool>,
}

/// How often a schedule runs.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Every {
    /// So many units.
    interval: u32,
    /// The unit.
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// Returns the manager's word (CM API: `ApiScheduleInterval`).
    fn word(self) -> &'static str {
        match self {
            Unit::Minute => "MINUTE",
            Unit::Hour => "HOUR",
            Unit::Day => "DAY",
            Unit::Week => "WEEK",
            Unit::Month => "MONTH",
            Unit::Year => "YEAR",
        }
    }
}

/// One declared member: its name here, where it is in the manager's document, and its value.
struct Member {
    name: &'static str,
    pointer: String,
    value: String,
}

impl Args {
    fn entity(&self) -> Entity {
        Entity::Replication(Arc::from(self.service.as_str()), Arc::from(self.name.as_str()))
    }

    /// Returns everything that is declared (CM API: `ApiReplicationSchedule`).
    fn members(&self) -> Vec<Member> {
        let mut members = Vec::new();
        let mut add = |name, pointer: &str, value: Option<String>| {
            members.extend(value.map(|value| Member { name, pointer: pointer.into(), value }));
        };
        let root = if self.hive.is_some() { "/hiveArguments" } else { "/hdfsArguments" };
        if let Some(source) = &self.source {
            let at = |member: &str| format!("{root}/sourceService/{member}");
            add("source peer", &at("peerName"), Some(source.peer.clone()));
            add("source cluster", &at("clusterName"), Some(source.cluster.clone()));
            add("source service", &at("serviceName"), Some(source.service.clone()));
        }
        let text = |value: &Option<u32>| value.map(|number| number.to_string());
        let truth = |value: &Option<bool>| value.map(|truth| truth.to_string());
        if let Some(hdfs) = &self.hdfs {
            let at = |member: &str| format!("/hdfsArguments/{member}");
            add("source_path", &at("sourcePath"), Some(hdfs.source_path.clone()));
            add("destination_path", &at("destinationPath"), Some(hdfs.destination_path.clone()));
            add("mapreduce_service", &at("mapreduceServiceName"), hdfs.mapreduce_service.clone());
            add("user", &at("userName"), hdfs.user.clone());
            add("maps", &at("numMaps"), text(&hdfs.maps));
            add("bandwidth_mb", &at("bandwidthPerMap"), text(&hdfs.bandwidth_mb));
            add(
                "remove_missing_files",
                &at("removeMissingFiles"),
                truth(&hdfs.remove_missing_files),
            );
            add(
                "skip_checksum_checks",
                &at("skipChecksumChecks"),
                truth(&hdfs.skip_checksum_checks),
            );
            add(
                "preserve_permissions",
                &at("preservePermissions"),
                truth(&hdfs.preserve_permissions),
            );
        }
        if let Some(hive) = &self.hive {
            let at = |member: &str| format!("/hiveArguments/{member}");
            add("replicate_data", &at("replicateData"), truth(&hive.replicate_data));
            add("force", &at("force"), truth(&hive.force));
            add("threads", &at("numThreads"), text(&hive.threads));
            let impala = truth(&hive.replicate_impala_metadata);
            add("replicate_impala_metadata", &at("replicateImpalaMetadata"), impala);
        }
        if let Some(every) = &self.every {
            add("interval", "/interval", Some(every.interval.to_string()));
            add("unit", "/intervalUnit", Some(every.unit.word().into()));
        }
        add("paused", "/paused", truth(&self.paused));
        members
    }
}

impl Kind for CmReplicationSchedule {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "cm.replication_schedule", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_replication_schedule.rs");

    fn key(args: &Args) -> String {
        format!("{}/{}", args.service, args.name)
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if args.name.is_empty() {
            problems.push(problem(&["name"], "the name of the schedule is empty", None));
        }
        let sorts = usize::from(args.hdfs.is_some()) + usize::from(args.hive.is_some());
        match args.state {
            State::Absent if sorts > 0 || args.source.is_some() || args.every.is_some() => {
                let said = "only `service` and `name` go with a schedule that should not be there";
                problems.push(problem(&["state"], said, None));
            }
            State::Present if sorts != 1 => {
                let said = "a schedule copies either `hdfs` or `hive`";
                problems.push(problem(&["name"], said, None));
            }
            State::Present if args.source.is_none() => {
                problems.push(problem(&["name"], "a schedule needs a `source`", None));
            }
            _ => {}
        }
        if args.every.as_ref().is_some_and(|every| every.interval == 0) {
            problems.push(problem(&["every", "interval"], "an interval is at least 1", None));
        }
        for path in args.hdfs.iter().flat_map(|hdfs| [&hdfs.source_path, &hdfs.destination_path]) {
            if !path.starts_with('/') {
                let said = format!("`{path}` is not an absolute path");
                problems.push(problem(&["hdfs"], said, None));
            }
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let mut questions = vec![Question::Entity(args.entity())];
        if args.state == State::Present && args.paused != Some(true) {
            let (service, name) = (Arc::from(&*args.service), Arc::from(&*args.name));
            questions.push(Question::Entity(Entity::ReplicationRuns(service, name)));
        }
        questions
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        let id = reply.field("id");
        if args.state == State::Absent {
            let gone = Attribute::gone("schedule", id);
            return Delta { attributes: vec![gone], ..Delta::default() };
        }
        if let Live::Unknown(reason) = id {
            return Delta::unknown(reason);
        }
        let live = |member: &Member| {
            let found = reply.texts("").find(|(name, _)| *name == member.pointer);
            found.map_or(Live::Absent, |(_, value)| Live::Known(Value::text(value)))
        };
        let members = args.members();
        let attributes = members
            .iter()
            .map(|member| Attribute::new(member.name, live(member), Value::text(&member.value)))
            .collect();
        let mut delta = Delta { attributes, ..Delta::default() };
        if let Some(runs) = replies.get(1).filter(|_| id != Live::Absent) {
            judge(runs, args.hive.is_some(), &mut delta);
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        if args.state == State::Absent {
            return vec![Action::Call(args.entity(), Call::RemoveReplication)];
        }
        let is_new = replies[0].field("id") == Live::Absent;
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let members = args.members().into_iter().filter(|member| differs(member.name));
        let pair = |pointer: &str, value: &str| (Arc::from(pointer), Arc::from(value));
        let mut wishes: Vec<(Arc<str>, Arc<str>)> =
            members.map(|member| pair(&member.pointer, &member.value)).collect();
        if is_new {
            wishes.extend(args.start.as_deref().map(|start| pair("/startTime", start)));
        }
        vec![Action::Call(args.entity(), Call::SetReplication(is_new, wishes))]
    }

    fn needs(args: &Args) -> Vec<Link> {
        let peer = args.source.as_ref().map(|source| Link::new("cm.peer", source.peer.clone()));
        let service = Link::new("cm.service", args.service.clone());
        peer.into_iter().chain([service]).collect()
    }
}

/// A run that has ended, as the manager tells it.
struct Run<'a> {
    failed: bool,
    /// When it began.
    time: &'a str,
    /// What the manager says of it.
    said: &'a str,
}

/// Longer words of the manager are cut.
const LONGEST: usize = 200;

impl Run<'_> {
    fn parse(told: &str) -> Run<'_> {
        let mut parts = told.splitn(3, '|');
        let failed = parts.next() == Some("failed");
        let (time, said) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        Run { failed, time, said }
    }
}

impl std::fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said: String = self.said.chars().take(LONGEST).collect();
        write!(f, "{}: {}", self.time, if said.is_empty() { "no reason is told" } else { &said })
    }
}

/// Tells of runs that failed (requirement M18).
fn judge(reply: &Reply, is_hive: bool, delta: &mut Delta) {
    let servers = match (reply, reply.text("servers")) {
        (_, Ok(servers)) => servers.unwrap_or_default(),
        (Reply::Missing(..), _) => return,
        // What the history does not tell holds up no change of the schedule itself.
        (_, Err(reason)) if delta.differing().next().is_some() => {
            return delta.notes.push(format!("its last runs could not be read: {reason}"));
        }
        (_, Err(reason)) => {
            let attribute = Attribute::new("last runs", Live::Unknown(reason), Value::text("done"));
            return delta.attributes.push(attribute);
        }
    };
    let runs: Vec<Run<'_>> = reply.texts("run/").map(|(_, told)| Run::parse(told)).collect();
    let advice = "look at the run in Cloudera Manager (Replication Policies); nothing is copied \
                  until it is mended";
    match &runs[..] {
        [last, before, ..] if last.failed && before.failed => {
            let summary = format!("its last runs failed ({last}; {before})");
            delta.findings.push(Finding::new("replication-failed", summary).advised(advice));
        }
        [last, ..] if last.failed && is_hive && *servers != *"1" => delta.notes.push(format!(
            "its last run failed ({last}): the manager may have changed from one server to the \
             other then; look into it if the next run fails, too"
        )),
        [last, ..] if last.failed => {
            let summary = format!("its last run failed ({last})");
            delta.findings.push(Finding::new("replication-failed", summary).advised(advice));
        }
        _ => {}
    }
}
