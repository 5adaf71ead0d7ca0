//! Builds the outside world of a run: real connections, and the sandbox where the inventory has one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drsync_sandbox::{Manager, ManagerSpec, SandboxError, ServerHost};
use serde_json::json;

use super::arguments::Part;
use super::exit::{Code, Fault};
use super::outside;
use crate::engine::state::State;
use crate::lang::inventory::Inventory;
use crate::lang::list::to_json;
use crate::lang::pair::Manager as DeclaredManager;
use crate::lang::pattern;
use crate::lang::scalar::Dialect;
use crate::lang::source::Sources;
use crate::model::connection::{HostConnection, ManagerConnection, Way};
use crate::model::digest::{Ledger, sha256};
use crate::model::{Diagnostic, Node, Secret, Target};
use crate::reach::{Limits, Logins, Progress, World};
use crate::view;

/// The outside of one run.
pub struct Built {
    pub world: Arc<World>,
    pub managers: Vec<Manager>,
    pub state: State,
    pub ledger: Ledger,
    _runtime: tempfile::TempDir,
}

impl Built {
    /// Closes connections and ends the simulated managers.
    pub async fn close(self) {
        let mut shared = self.world;
        // Readings that were interrupted let go of the world a moment later.
        for _ in 0..100 {
            match Arc::try_unwrap(shared) {
                Ok(world) => {
                    world.close().await;
                    break;
                }
                Err(still) => shared = still,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for manager in self.managers {
            manager.stop().await;
        }
    }
}

fn failed(said: impl Into<String>) -> Fault {
    Fault::new(Code::Failed, Diagnostic::error(said))
}

/// Prepares the way to `targets`. Nothing real is contacted yet.
pub async fn build<'a>(
    inventory: &Inventory,
    part: &Part,
    targets: impl Iterator<Item = &'a Target>,
    logins: Logins,
) -> Result<Built, Fault> {
    let state = State::new(inventory.state_folder());
    let ledger = state.ledger(|| outside::random(32).unwrap_or_default()).map_err(failed)?;
    let (mut hosts, mut managers, mut simulated) = (Vec::new(), Vec::new(), Vec::new());
    for target in targets {
        match target {
            Target::Host { host, .. } => {
                let index = inventory.world.hosts.hosts.get_index_of(&**host);
                let way = index.map(|index| inventory.host_connection(index));
                // Mistakes in connections were told when the inventory was checked.
                hosts.extend(way.into_iter().flatten());
            }
            Target::Manager { side } => match inventory.manager_connection(side) {
                Some(Ok(way)) => managers.push(way),
                Some(Err(_)) => {}
                None => {
                    let (manager, way) = simulate(inventory, &state, side).await?;
                    simulated.push(manager);
                    managers.push(way);
                }
            },
        }
    }
    for way in &mut managers {
        way.unsettled = state.unsettled(&way.side);
        way.is_unrefreshed = state.is_unrefreshed(&way.side);
    }
    let commands = prepare_hosts(inventory, &state, &hosts)?;
    let runtime = runtime_folder().map_err(failed)?;
    let limits = Limits {
        parallel: usize::from(part.parallel),
        connect: Duration::from_secs(part.connect_timeout),
        command: Duration::from_secs(part.command_timeout),
        logins,
        reads: Duration::from_secs(part.retry_for),
        accept_new_host_keys: part.accept_new_host_keys,
        runtime: runtime.path().to_path_buf(),
        home: std::env::home_dir(),
        catalogues: state.path("catalogues"),
        commands,
        progress: match part.json {
            true => Progress::default(),
            false => Progress::new(|line| view::talk(&view::run::progress(line))),
        },
    };
    let world = Arc::new(World::new(hosts, managers, limits, ledger.clone()));
    Ok(Built { world, managers: simulated, state, ledger, _runtime: runtime })
}

/// Returns a private folder with a short name: control sockets allow about a hundred characters.
fn runtime_folder() -> Result<tempfile::TempDir, String> {
    let below = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
    let below = below.filter(|dir| dir.as_os_str().len() < 40).unwrap_or_else(|| "/tmp".into());
    tempfile::Builder::new()
        .prefix("drs")
        .rand_bytes(4)
        .tempdir_in(&below)
        .map_err(|error| format!("cannot create a folder below `{}`: {error}", below.display()))
}

/// Starts the simulated manager of `side`.
pub async fn simulate(
    inventory: &Inventory,
    state: &State,
    side: &Arc<str>,
) -> Result<(Manager, ManagerConnection), Fault> {
    let declared = inventory.world.pair.sides.get(side).and_then(|side| side.manager.as_ref());
    let sandbox = declared.and_then(|manager| manager.sandbox.as_ref());
    let sandbox =
        sandbox.ok_or_else(|| failed(format!("side `{side}` has no simulated manager")))?;
    let folder = state.path("managers");
    std::fs::create_dir_all(&folder)
        .map_err(|error| failed(format!("cannot create `{}`: {error}", folder.display())))?;
    let password = outside::random(12).map_err(failed)?;
    let user = declared.and_then(|manager| manager.user.clone()).unwrap_or_else(|| "admin".into());
    let spec = ManagerSpec {
        side: side.to_string(),
        seed: inventory.folder.join(&sandbox.seed),
        catalogue: sandbox.catalogue.iter().map(|file| inventory.folder.join(file)).collect(),
        state: folder.join(format!("{side}.json")),
        user: user.clone(),
        password: password.clone(),
        servers: server_hosts(state, declared),
        faults: sandbox.faults.iter().map(to_json).collect(),
    };
    let own = spec.state.clone();
    let manager = Manager::start(spec).await.map_err(|error| {
        let said = format!("the simulated manager of `{side}` does not start");
        // What the inventory names is the inventory's fault; our own state is not.
        let code = match &error {
            SandboxError::Content { .. } => Code::Invalid,
            SandboxError::File { path, .. } if !path.starts_with(own.parent().unwrap_or(&own)) => {
                Code::Invalid
            }
            _ => Code::Failed,
        };
        Fault::new(code, Diagnostic::error(said).because(error.to_string()))
    })?;
    let way = ManagerConnection {
        unsettled: None,
        is_unrefreshed: false,
        patience: declared.map(|manager| manager.maintenance.patience()).unwrap_or_default(),
        side: side.clone(),
        url: manager.url().to_string(),
        user,
        password: Secret::new(password),
        ca: None,
        cluster: declared.and_then(|manager| manager.cluster.clone()),
        servers: declared.map_or(1, |manager| manager.servers.len().max(1)),
    };
    Ok((manager, way))
}

/// Where the servers of a simulated manager run, if there are two of them.
fn server_hosts(state: &State, declared: Option<&DeclaredManager>) -> Vec<ServerHost> {
    let servers = declared.map(|manager| manager.servers.as_slice()).unwrap_or_default();
    let names = servers.iter().filter_map(Node::as_text).filter(|_| servers.len() == 2);
    let root = |name: &str| state.path("hosts").join(name);
    names.map(|name| ServerHost { name: name.to_string(), root: root(name) }).collect()
}

/// Creates the directories that stand for hosts, as the inventory's seed tells.
fn prepare_hosts(
    inventory: &Inventory,
    state: &State,
    hosts: &[HostConnection],
) -> Result<Option<PathBuf>, Fault> {
    let folders: Vec<(&HostConnection, &Path)> = hosts
        .iter()
        .filter_map(|host| match &host.way {
            Way::Sandbox(folder) => Some((host, folder.as_path())),
            _ => None,
        })
        .collect();
    if folders.is_empty() {
        return Ok(None);
    }
    let commands = state.path("commands");
    drsync_sandbox::hosts::prepare_commands(&commands)
        .map_err(|error| failed(error.to_string()))?;
    let seeds = read_seeds(inventory)?;
    for (host, folder) in folders {
        let seed = seeds.of(&host.name);
        let id = sha256(format!("{}/{}", inventory.world.pair.name, host.name).as_bytes());
        drsync_sandbox::hosts::prepare(folder, &seed, &id[..32])
            .map_err(|error| failed(error.to_string()))?;
    }
    Ok(Some(commands))
}

/// What host directories hold on the first day: pieces, each for some hosts.
struct Seeds(Vec<(Vec<Arc<str>>, serde_json::Value)>);

impl Seeds {
    /// Joins the pieces for `host`, later ones over earlier ones.
    fn of(&self, host: &str) -> serde_json::Value {
        let mut seed = json!({});
        for (_, piece) in self.0.iter().filter(|(hosts, _)| hosts.iter().any(|h| **h == *host)) {
            join(&mut seed, piece);
        }
        seed
    }
}

fn join(seed: &mut serde_json::Value, piece: &serde_json::Value) {
    use serde_json::Value::{Array, Object};
    match (seed, piece) {
        (Object(seed), Object(piece)) => {
            for (key, value) in piece {
                match seed.get_mut(key) {
                    Some(slot) if slot.is_object() || slot.is_array() => join(slot, value),
                    _ => {
                        seed.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (Array(seed), Array(piece)) => seed.extend(piece.iter().cloned()),
        (seed, piece) => *seed = piece.clone(),
    }
}

fn read_seeds(inventory: &Inventory) -> Result<Seeds, Fault> {
    let Some(declared) = &inventory.world.pair.sandbox else { return Ok(Seeds(Vec::new())) };
    let mut sources = Sources::default();
    let node = sources.yaml(&inventory.folder.join(&declared.hosts), Dialect::Core);
    let mut seeds = Vec::new();
    for piece in node.iter().filter_map(Node::as_list).flatten() {
        let hosts = piece.get("hosts").and_then(Node::as_text).unwrap_or("all");
        match pattern::select(&inventory.world.hosts, hosts) {
            Ok(found) => {
                let names = found.into_iter().map(|h| inventory.world.hosts.host_name(h)).collect();
                let mut seed = to_json(piece);
                if let Some(map) = seed.as_object_mut() {
                    map.remove("hosts");
                }
                seeds.push((names, seed));
            }
            Err(said) => sources.mistakes.push(Diagnostic::error(said).at(&piece.place)),
        }
    }
    match sources.mistakes.is_empty() {
        true => Ok(Seeds(seeds)),
        false => {
            Err(Fault::invalid(std::mem::take(&mut sources.mistakes), sources.texts().clone()))
        }
    }
}

/// Returns once the user, or the system, asks the program to end.
pub async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut term) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
        }
        // Without the handler the signal ends the program by itself.
        Err(_) => std::future::pending().await,
    }
}

/// Runs `work` to its end.
pub fn block_on<F: Future>(work: F) -> Result<F::Output, Fault> {
    // A second provider is refused, and the first one is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(format!("cannot start the runtime: {error}")))?;
    Ok(runtime.block_on(work))
}
