//! One simulated manager: how it is started, addressed and stopped.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::catalogue::Catalogue;
use crate::control;
use crate::counters::{Counters, LiveCounters};
use crate::document::{number, text};
use crate::error::SandboxError;
use crate::login::Account;
use crate::seed::Seed;
use crate::server::{Server, handle};
use crate::servers::ServerHost;
use crate::store::{FileStore, Storage};
use crate::wire::{Connection, FatefulListener};

/// How long open requests may take once a manager is told to stop.
const PATIENCE: Duration = Duration::from_secs(2);

/// How to start one simulated manager.
#[derive(Debug, Clone)]
pub struct ManagerSpec {
    /// Which side of the pair it plays; used in names and messages only.
    pub side: String,
    /// JSON seed: a cluster template or a deployment export.
    pub seed: PathBuf,
    /// Extra catalogues of setting names.
    pub catalogue: Vec<PathBuf>,
    /// JSON state file; created from the seed when missing or when the seed changed.
    pub state: PathBuf,
    /// The only user that can log in.
    pub user: String,
    /// That user's password.
    pub password: String,
    /// The hosts of its servers; empty for a server that is always there.
    pub servers: Vec<ServerHost>,
    /// Faults to begin with; they replace the faults of the state whenever they differ from the
    /// ones it was last started with, and an empty list leaves the state alone.
    pub faults: Vec<Value>,
}

/// A running simulated manager; it stops when dropped.
pub struct Manager {
    url: String,
    counters: Arc<LiveCounters>,
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Manager {
    /// Binds a free port of 127.0.0.1 and serves it.
    pub async fn start(spec: ManagerSpec) -> Result<Manager, SandboxError> {
        if let Some(parent) = spec.state.parent() {
            let failed = |source| SandboxError::file(parent, "create", source);
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let store = Arc::new(FileStore::new(&spec.state, spec.servers.clone()));
        Manager::start_on(spec, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), store).await
    }

    /// Binds `address` and serves it, with the state kept by `store`: the `state` and the `servers` of
    /// `spec` are not looked at.
    pub async fn start_on(
        spec: ManagerSpec,
        address: SocketAddr,
        store: Arc<dyn Storage>,
    ) -> Result<Manager, SandboxError> {
        let failed = |source| SandboxError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let counters = Arc::new(LiveCounters::default());
        let account = Account::new(&spec.user, &spec.password);
        let kept = Arc::clone(&store);
        // Some stores wait for their database, which no asynchronous task may do.
        let prepared = tokio::task::spawn_blocking(move || prepare(&spec, &*kept)).await;
        let gone = |_| SandboxError::Storage { reason: "it could not be prepared".into() };
        let catalogue = prepared.map_err(gone)??;
        let server =
            Server { url: url.clone(), catalogue, store, account, counters: Arc::clone(&counters) };
        let application = Router::new()
            .fallback(handle)
            .with_state(Arc::new(server))
            .into_make_service_with_connect_info::<Connection>();
        let listener = FatefulListener { listener, counters: Arc::clone(&counters) };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let serving = axum::serve(listener, application).with_graceful_shutdown(async {
                // The sender being dropped means the same as a message.
                stopped.await.ok();
            });
            serving.await.ok();
        });
        Ok(Manager { url, counters, task, stop: Some(stop) })
    }

    /// The base address, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Traffic since the start.
    pub fn counters(&self) -> Counters {
        self.counters.snapshot()
    }

    /// Stops serving; requests in progress get a moment to finish.
    pub async fn stop(mut self) {
        self.stop.take();
        if tokio::time::timeout(PATIENCE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Makes sure of the state and loads the catalogue for it.
fn prepare(spec: &ManagerSpec, store: &dyn Storage) -> Result<Catalogue, SandboxError> {
    if let Some(reason) = spec.faults.iter().find_map(control::objection) {
        return Err(SandboxError::content(&spec.seed, format!("faults given with it: {reason}")));
    }
    let seed = Seed::read(&spec.seed)?;
    let mut catalogue = Catalogue::load(&spec.catalogue)?;
    let current =
        |state: &Value| text(state, "seedSha256") == seed.sha256 && number(state, "format") == 1;
    store.create(&current, &|| seed.state(&spec.side))?;
    store.with(|state| {
        catalogue.learn(state);
        let given = json!(spec.faults);
        let changes = !spec.faults.is_empty() && state["faultsGiven"] != given;
        if changes {
            state["faults"] = given.clone();
            state["faultsGiven"] = given;
        }
        ((), changes)
    })?;
    Ok(catalogue)
}
