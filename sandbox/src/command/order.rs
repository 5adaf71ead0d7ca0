//! Submitting commands.

use serde_json::{Value, json};

use super::{is_active, show};
use crate::answer::{Refusal, Reply};
use crate::document::{flag, list, list_mut, text};
use crate::world::World;

/// How long a command takes unless a fault says otherwise.
const DURATION: i64 = 300;
/// How many finished commands are remembered.
const REMEMBERED: usize = 2000;

/// The roles of one service that a command works on.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Position of the service.
    pub(crate) service: usize,
    /// Role names; each becomes a child command.
    pub(crate) roles: Vec<String>,
}

/// A command to be submitted.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The name as the API shows it, for example `Restart`.
    pub(crate) name: &'static str,
    /// What happens to each role: start, stop, restart, refresh, or nothing.
    pub(crate) role_effect: &'static str,
    /// Whether the client configuration of the services is deployed.
    pub(crate) deploys: bool,
    /// The cluster, for commands on a whole cluster.
    pub(crate) cluster: Option<String>,
    /// What the command works on: one service, or any number of a cluster's services.
    pub(crate) targets: Vec<Target>,
    /// Whether the only role of the only target is itself the object of the command.
    pub(crate) single_role: bool,
}

/// How the parts of a command will end.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    start: i64,
    duration: i64,
    fails: bool,
    child_fails: bool,
    /// How many role commands there are.
    roles: i64,
}

impl Outcome {
    /// How a command with so many parts ends, by the faults in force.
    pub(super) fn of(world: &World, roles: i64) -> Outcome {
        Outcome {
            start: world.now,
            duration: world.faults.milliseconds("command_ms").unwrap_or(DURATION),
            fails: world.faults.get("command_fails").is_some(),
            child_fails: world.faults.get("child_fails").is_some(),
            roles,
        }
    }
}

/// Submits a command; it runs until its time is over.
pub(crate) fn submit(world: &mut World, order: &Order) -> Reply {
    let object = object(world, order);
    refuse_duplicate(world, order.name, &object)?;
    prune(world);
    let roles = order.targets.iter().map(|target| target.roles.len() as i64).sum::<i64>();
    let outcome = Outcome::of(world, roles);
    let effects = Effects { role: order.role_effect, deploys: order.deploys };
    let top = if order.single_role {
        add(world, order.name, &object, Value::Null, outcome, Share::Role(1, effects.role))
    } else if order.cluster.is_some() {
        let top = add(world, order.name, &object, Value::Null, outcome, Share::Top(""));
        let mut position = 0;
        for target in &order.targets {
            let service = service_object(world, target.service);
            let share = Share::Service(position + target.roles.len() as i64, effects.deploy());
            let child = add(world, order.name, &service, json!(top), outcome, share);
            add_roles(world, order, target, child, &mut position, outcome);
        }
        top
    } else {
        let share = Share::Top(effects.deploy());
        let top = add(world, order.name, &object, Value::Null, outcome, share);
        let mut position = 0;
        for target in &order.targets {
            add_roles(world, order, target, top, &mut position, outcome);
        }
        top
    };
    show(world, top, false)
}

/// What a command changes once it has ended well.
#[derive(Clone, Copy)]
struct Effects {
    role: &'static str,
    deploys: bool,
}

impl Effects {
    fn deploy(self) -> &'static str {
        if self.deploys { "deploy" } else { "" }
    }
}

/// Which part of a command a document stands for, with its effect.
#[derive(Clone, Copy)]
pub(super) enum Share {
    Top(&'static str),
    /// A service of a cluster command, over once so many role commands are.
    Service(i64, &'static str),
    /// The role command of this position, counted from 1.
    Role(i64, &'static str),
    /// The command on the host of this position, counted from 1; all take the whole time.
    Host(i64, &'static str),
}

fn add_roles(
    world: &mut World,
    order: &Order,
    target: &Target,
    parent: i64,
    position: &mut i64,
    outcome: Outcome,
) {
    for role in &target.roles {
        *position += 1;
        let mut object = service_object(world, target.service);
        object["role"] = json!(role);
        let share = Share::Role(*position, order.role_effect);
        add(world, order.name, &object, json!(parent), outcome, share);
    }
}

/// Adds one command document; its end and result are decided here, its effect comes later.
pub(super) fn add(
    world: &mut World,
    name: &str,
    object: &Value,
    parent: Value,
    outcome: Outcome,
    share: Share,
) -> i64 {
    let id = world.next("nextCommand");
    let part = |position: i64| outcome.duration * position / (outcome.roles + 1);
    let (length, effect, success) = match share {
        Share::Top(effect) => (outcome.duration, effect, !outcome.fails),
        Share::Service(position, effect) => (part(position), effect, !outcome.fails),
        Share::Role(_, effect) if parent.is_null() => (outcome.duration, effect, !outcome.fails),
        Share::Role(position, effect) => {
            let fails = position == 1 && (outcome.fails || outcome.child_fails);
            (part(position), effect, !fails)
        }
        Share::Host(position, effect) => {
            let fails = outcome.fails || position == 1 && outcome.child_fails;
            (outcome.duration, effect, !fails)
        }
    };
    let mut command = object.clone();
    command["id"] = json!(id);
    command["name"] = json!(name);
    command["parent"] = parent;
    command["start"] = json!(outcome.start);
    command["end"] = json!(outcome.start + length);
    command["success"] = json!(success);
    command["message"] = json!(message(name, object["role"].is_string(), success));
    // A command that fails as a whole leaves everything as it was.
    command["effect"] = json!(if success && !outcome.fails { effect } else { "" });
    command["settled"] = json!(false);
    list_mut(world.state, "commands").push(command);
    id
}

fn message(name: &str, is_role: bool, success: bool) -> String {
    let thing = if is_role { "process" } else { "service" };
    let (done, infinitive) = match name {
        "Start" => ("started", "start"),
        "Stop" => ("stopped", "stop"),
        "Restart" | "RollingRestart" => ("restarted", "restart"),
        "HostsDecommission"
        | "HostsRecommission"
        | "RefreshParcelRepos"
        | "GenerateCMCA"
        | "GlobalHostInstall"
        | "FirstRun"
        | "UpgradeCdh"
        | "InstallEmbeddedControlPlane" => {
            let result = if success { "completed" } else { "failed" };
            return format!("Command {result}.");
        }
        "HdfsReplicationCommand" | "HiveReplicationCommand" => {
            let result = if success { "Finished Successfully" } else { "Failed" };
            return format!("Replication {result}.");
        }
        "DeployClientConfig" => {
            let result = if success { "Successfully deployed" } else { "Failed to deploy" };
            return format!("{result} all client configurations.");
        }
        _ => ("refreshed", "refresh"),
    };
    if success {
        format!("Successfully {done} {thing}.")
    } else {
        format!("Failed to {infinitive} {thing}.")
    }
}

/// The object of a command: cluster, service or role, by name.
fn object(world: &World, order: &Order) -> Value {
    match (&order.cluster, order.targets.first()) {
        (Some(cluster), _) => json!({ "cluster": cluster, "service": null, "role": null }),
        (None, Some(target)) => {
            let mut object = service_object(world, target.service);
            if order.single_role {
                object["role"] = json!(target.roles.first());
            }
            object
        }
        (None, None) => json!({ "cluster": null, "service": null, "role": null }),
    }
}

fn service_object(world: &World, service: usize) -> Value {
    let service = world.service_at(service);
    json!({ "cluster": service["cluster"], "service": text(service, "name"), "role": null })
}

/// Refuses what is already running on the same object.
pub(super) fn refuse_duplicate(world: &World, name: &str, object: &Value) -> Result<(), Refusal> {
    let same = |command: &&Value| {
        is_active(command, world.now)
            && command["parent"].is_null()
            && text(command, "name") == name
            && ["cluster", "service", "role"].iter().all(|part| command[*part] == object[*part])
    };
    match list(world.state, "commands").iter().find(same) {
        None => Ok(()),
        Some(command) => Err(Refusal::bad(format!(
            "The command {name} (id {}) is already running on this object.",
            command["id"]
        ))),
    }
}

/// Forgets the oldest commands once there are very many.
pub(super) fn prune(world: &mut World) {
    let commands = list_mut(world.state, "commands");
    if commands.len() > REMEMBERED && commands.iter().all(|command| flag(command, "settled")) {
        commands.drain(..REMEMBERED / 2);
    }
}
