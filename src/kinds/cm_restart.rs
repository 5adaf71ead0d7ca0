//! `cm.restart`: services of Cloudera Manager run the configuration that is declared.
//!
//! drsync declares it itself for every manager it rules; `policy.restart` in `pair.yaml` says how:
//! `rolling` (the default: stale roles one after the other, as far as the service can), `full` (all
//! roles of a service at once) or `none` (stale services are only told). It comes after everything
//! else at its manager, and goes by what the manager finds stale then, so a run that was
//! interrupted and is started again still restarts what is stale. Client configuration is deployed
//! first, then what can be refreshed is refreshed, then what must be is restarted, each service
//! once, after the services it depends on. Where more services would have to be restarted than
//! `policy.max_restarts` allows, none is. QueueManager may be stale once the servers of Cloudera
//! Manager were restarted with another `haMode`: single-node maintenance is followed by its restart.
//!
//! ```yaml
//! policy:
//!   restart: rolling
//!   max_restarts: 3
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::{Kind, Link, unanswered};
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Value};

/// Services run the configuration that is declared.
pub struct CmRestart;

/// How what is stale is restarted.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// How services are restarted.
    policy: Policy,
    /// Most services that may be restarted at once.
    max_restarts: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Policy {
    Rolling,
    Full,
    None,
}

/// The type of a service that a restart of Cloudera Manager's servers may leave stale.
const QUEUE_MANAGER: &str = "QUEUEMANAGER";

/// What a service needs in order to run what is declared.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Staleness {
    Fresh,
    Refresh,
    Restart,
    Untold,
}

/// A service as the manager tells it.
struct Service<'a> {
    name: &'a str,
    sort: &'a str,
    roles: Staleness,
    /// Its client configuration is stale.
    clients: bool,
}

impl Service<'_> {
    fn is_fresh(&self) -> bool {
        self.roles == Staleness::Fresh && !self.clients
    }

    /// Returns what is stale, in words.
    fn words(&self) -> &'static str {
        match (self.roles, self.clients) {
            (Staleness::Untold, _) => "not told",
            (Staleness::Fresh, false) => "fresh",
            (Staleness::Fresh, true) => "stale client configuration",
            (Staleness::Refresh, false) => "to be refreshed",
            (Staleness::Refresh, true) => "to be refreshed, stale client configuration",
            (Staleness::Restart, false) => "stale",
            (Staleness::Restart, true) => "stale, client configuration too",
        }
    }
}

/// Tells of a service that is not restarted (for QueueManager: requirement M15).
fn told(service: &Service<'_>) -> String {
    let advice = match service.sort {
        QUEUE_MANAGER => ": a restart of Cloudera Manager's servers may leave it so; restart it",
        _ => "",
    };
    format!("{} is {}{advice}", service.name, service.words())
}

/// Returns the services a reply tells of (CM API: `configStalenessStatus`).
fn services(reply: &Reply) -> impl Iterator<Item = Service<'_>> {
    reply.texts("service/").filter_map(|(name, told)| {
        let mut parts = told.splitn(4, '|');
        let (sort, _state) = (parts.next()?, parts.next()?);
        let roles = match parts.next()? {
            "STALE" => Staleness::Restart,
            "STALE_REFRESHABLE" => Staleness::Refresh,
            "FRESH" => Staleness::Fresh,
            _ => Staleness::Untold,
        };
        let clients = parts.next()?.starts_with("STALE");
        Some(Service { name, sort, roles, clients })
    })
}

impl Kind for CmRestart {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.restart", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_restart.rs");

    fn key(_: &Args) -> String {
        "services".into()
    }

    fn ask(_: &Args) -> Vec<Question> {
        vec![Question::Entity(Entity::Services)]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        let stale: Vec<Service<'_>> = services(reply).filter(|s| !s.is_fresh()).collect();
        let mut delta = Delta::default();
        if args.policy == Policy::None {
            delta.notes.extend(stale.iter().map(told));
            return delta;
        }
        delta.attributes.extend(stale.iter().map(|service| {
            let live = match service.roles {
                Staleness::Untold => {
                    Live::Unknown("the manager does not tell `configStalenessStatus`".into())
                }
                _ => Live::Known(Value::text(service.words())),
            };
            Attribute::new(service.name.to_string(), live, Value::text("fresh"))
        }));
        let restarts = stale.iter().filter(|s| s.roles == Staleness::Restart).count();
        if let Some(most) = args.max_restarts.filter(|most| restarts > *most) {
            delta.refused = Some(format!(
                "{restarts} services would have to be restarted, more than policy.max_restarts \
                 allows ({most})"
            ));
        }
        delta
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let reply = &replies[0];
        let services = in_order(services(reply).collect(), reply);
        let call = |service: &Service<'_>, call: Call| {
            Action::Call(Entity::Service(Arc::from(service.name)), call)
        };
        let deploys = services.iter().filter(|s| s.clients);
        let deploys = deploys.map(|s| call(s, Call::DeployClientConfig));
        let refreshes = services.iter().filter(|s| s.roles == Staleness::Refresh);
        let refreshes = refreshes.map(|s| call(s, Call::Refresh));
        let restarts = services.iter().filter(|s| s.roles == Staleness::Restart);
        let is_rolling = args.policy == Policy::Rolling;
        let restarts = restarts.map(|s| call(s, Call::Restart(is_rolling)));
        deploys.chain(refreshes).chain(restarts).collect()
    }

    fn needs(_: &Args) -> Vec<Link> {
        [
            "cm.command",
            "cm.config",
            "cm.host",
            "cm.parcel",
            "cm.parcel_repository",
            "cm.role",
            "cm.role_group",
            "cm.service",
        ]
        .map(Link::any)
        .into()
    }
}

/// The order in which services of these types start: those named earlier are what others are built
/// upon. It decides where the manager does not tell what depends on what.
const FOUNDATIONS: [&str; 9] =
    ["CORE_SETTINGS", "ZOOKEEPER", "HDFS", "OZONE", "SOLR", "RANGER", "YARN", "HBASE", "HIVE"];

/// Puts services after those they need. Where they need each other, the type decides, and then the
/// order in which the manager lists them.
fn in_order<'a>(services: Vec<Service<'a>>, reply: &'a Reply) -> Vec<Service<'a>> {
    let rank = |service: &Service<'_>| {
        let found = FOUNDATIONS.iter().position(|sort| *sort == service.sort);
        found.unwrap_or(FOUNDATIONS.len())
    };
    let mut open = services;
    open.sort_by_key(rank);
    let needs = |name: &str| -> Vec<&str> {
        let found = reply.texts("needs/").find(|(service, _)| *service == name);
        found.map(|(_, needs)| needs.split(' ').collect()).unwrap_or_default()
    };
    let mut ordered = Vec::with_capacity(open.len());
    while !open.is_empty() {
        let is_ready = |service: &Service<'_>| {
            let waits = needs(service.name);
            !open.iter().any(|other| other.name != service.name && waits.contains(&other.name))
        };
        let next = open.iter().position(is_ready).unwrap_or(0);
        ordered.push(open.remove(next));
    }
    ordered
}
