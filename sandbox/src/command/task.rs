//! Commands that do one thing as a whole: what they are called, take and change. Their names in the
//! list of commands are not published.

use serde_json::{Value, json};

use super::manager::fail;
use super::order::{Outcome, Share, add, prune, refuse_duplicate};
use super::show;
use crate::answer::{Refusal, Reply};
use crate::digest::uuid;
use crate::document::{flag, list, list_mut, number, text};
use crate::request::Request;
use crate::store::Table;
use crate::world::World;

/// One such command.
pub(crate) struct Task {
    /// The last part of its path.
    word: &'static str,
    /// What it works on.
    pub(crate) on: Target,
    /// Its name in the list of commands.
    name: &'static str,
    /// The members its body may have.
    members: &'static [&'static str],
    /// Two servers must not work on it at once.
    races: bool,
    /// It works with files of the server that it runs on.
    has_files: bool,
}

/// What a command works on.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Target {
    Manager,
    Cluster,
    ControlPlanes,
}

const TASKS: [Task; 5] = [
    Task {
        word: "generateCmca",
        on: Target::Manager,
        name: "GenerateCMCA",
        members: &[
            "sshPort",
            "userName",
            "password",
            "privateKey",
            "passphrase",
            "location",
            "customCA",
            "interpretAsFilenames",
            "trustedCaCerts",
            "additionalArguments",
            "hostCerts",
            "configureAllServices",
        ],
        races: false,
        has_files: true,
    },
    Task {
        word: "hostInstall",
        on: Target::Manager,
        name: "GlobalHostInstall",
        members: &[
            "hostNames",
            "sshPort",
            "userName",
            "password",
            "privateKey",
            "passphrase",
            "parallelInstallCount",
            "cmRepoUrl",
            "gpgKeyCustomUrl",
            "javaInstallStrategy",
            "unlimitedJCE",
        ],
        races: true,
        has_files: false,
    },
    Task {
        word: "firstRun",
        on: Target::Cluster,
        name: "FirstRun",
        members: &[],
        races: true,
        has_files: false,
    },
    Task {
        word: "upgradeCdh",
        on: Target::Cluster,
        name: "UpgradeCdh",
        members: &["cdhParcelVersion", "cdhPackageVersion", "rollingRestartArgs"],
        races: true,
        has_files: false,
    },
    Task {
        word: "installEmbeddedControlPlane",
        on: Target::ControlPlanes,
        name: "InstallEmbeddedControlPlane",
        members: &["remoteRepoUrl", "valuesYaml", "experienceClusterName", "datalakeClusterName"],
        races: true,
        has_files: false,
    },
];

/// The command with this word in its path.
pub(crate) fn task(on: Target, word: &str) -> Option<&'static Task> {
    TASKS.iter().find(|task| task.on == on && task.word == word)
}

/// Submits a command; `cluster` is the one it works on.
pub(crate) fn submit_task(
    world: &mut World,
    task: &Task,
    cluster: Option<&str>,
    request: &Request,
) -> Reply {
    let given = request.optional_object(task.members)?;
    if task.word == "hostInstall" && list(&given, "hostNames").is_empty() {
        return Err(Refusal::bad("`hostNames` must name hosts."));
    }
    let object = json!({ "cluster": cluster, "service": null, "role": null });
    refuse_duplicate(world, task.name, &object)?;
    prune(world);
    let outcome = Outcome::of(world, 0);
    let top = add(world, task.name, &object, Value::Null, outcome, Share::Top(task.word));
    let server = world.servers.active().map(str::to_owned);
    let commands = list_mut(world.state, "commands").iter_mut();
    for command in commands.filter(|command| number(command, "id") == top) {
        command["given"] = without_secrets(&given);
        if task.has_files {
            command["server"] = json!(server);
        }
    }
    let row = [(task.name.to_owned(), top.to_string())];
    if task.races
        && let Err(said) = world.store.add_rows(Table::Services, &row)
    {
        fail(world, top, &said);
    }
    show(world, top, false)
}

/// Logins are used, and kept nowhere.
fn without_secrets(given: &Value) -> Value {
    let mut given = given.clone();
    for member in ["password", "privateKey", "passphrase"] {
        if let Some(members) = given.as_object_mut() {
            members.remove(member);
        }
    }
    given
}

/// Ends commands whose files are on a server that does not run any more.
pub(super) fn lose_files(world: &mut World) {
    let running: Vec<String> = world.servers.running.iter().map(|own| own.name.clone()).collect();
    let now = world.now;
    let mut lost = false;
    for command in list_mut(world.state, "commands") {
        let is_elsewhere =
            command["server"].as_str().is_some_and(|own| !running.iter().any(|name| name == own));
        if is_elsewhere && !flag(command, "settled") {
            command["end"] = json!(now.min(number(command, "end")));
            command["success"] = json!(false);
            command["effect"] = json!("");
            command["message"] = json!("Command failed: its files are not on this server.");
            lost = true;
        }
    }
    world.changed |= lost;
}

/// Does what a command does once it has ended well; false for other commands.
pub(super) fn done(world: &mut World, command: &Value) -> bool {
    let (given, cluster) = (&command["given"], text(command, "cluster"));
    match text(command, "effect") {
        "generateCmca" => {
            for name in ["WEB_TLS", "AGENT_TLS"] {
                world.state["settings"][name] = json!("true");
            }
        }
        "hostInstall" => {
            let names = list(given, "hostNames").iter().filter_map(Value::as_str);
            let new: Vec<Value> =
                names.filter(|name| world.host(name).is_err()).map(new_host).collect();
            list_mut(world.state, "hosts").extend(new);
        }
        "firstRun" => {
            for service in world.services_of(cluster) {
                for role in list_mut(&mut world.state["services"][service], "roles") {
                    if text(role, "state") == "STOPPED" {
                        role["state"] = json!("STARTED");
                    }
                }
            }
        }
        "upgradeCdh" => {
            let version = text(given, "cdhParcelVersion").split('-').next().unwrap_or_default();
            for owner in list_mut(world.state, "clusters") {
                if text(owner, "name") == cluster && !version.is_empty() {
                    owner["fullVersion"] = json!(version);
                }
            }
        }
        "installEmbeddedControlPlane" => {
            let plane = json!({
                "namespace": "cdp",
                "uuid": uuid("control plane"),
                "remoteRepoUrl": text(given, "remoteRepoUrl"),
                "version": "1.5.4",
                "kubernetesType": "ecs",
            });
            list_mut(world.state, "controlPlanes").push(plane);
        }
        _ => return false,
    }
    true
}

/// A host on which an agent was installed: it belongs to no cluster yet.
fn new_host(name: &str) -> Value {
    json!({
        "hostId": uuid(name),
        "hostname": name,
        "ipAddress": "10.0.0.99",
        "rackId": "/default",
        "config": {},
        "tags": [],
    })
}
