//! The outside world: hosts over SSH, managers over REST, directories that stand for hosts.
//!
//! Reading and writing are two types. A planner is given [`Eyes`], which have no way to write;
//! only an apply gets [`Hands`].

pub mod catalogue;
pub mod cm;
mod cm_command;
mod cm_entity;
mod cm_gate;
mod cm_members;
mod cm_order;
mod cm_overview;
mod cm_parcel;
mod cm_replication;
mod cm_scope;
mod cm_staleness;
mod cm_wants;
mod failure;
pub mod fake;
pub mod host;
pub mod http;
pub mod local;
mod progress;
pub mod retry;
pub mod script;
pub mod ssh;
mod ssh_config;
mod ssh_login;
mod ssh_once;
pub mod ssh_queue;
mod talk;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::model::connection::{HostConnection, ManagerConnection};
use crate::model::digest::Ledger;
use crate::model::manager::ManagerIdentity;
use crate::model::question::{Action, Question, Reply};

pub use failure::Failure;
pub use progress::Progress;

/// How long a login on a host lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logins {
    /// For one script: a run that only reads has no more for a host.
    Once,
    /// Until the run ends.
    Kept,
}

/// Limits on how the world is used.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Hosts worked on at once.
    pub parallel: usize,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest time one script may take on a host.
    pub command: Duration,
    /// How long a login lasts; writing always keeps it.
    pub logins: Logins,
    /// How long reads from a manager are tried again.
    pub reads: Duration,
    /// Take the keys of hosts never seen before.
    pub accept_new_host_keys: bool,
    /// Folder for control sockets: short, and ours alone.
    pub runtime: PathBuf,
    /// The user's home, where the ssh configuration is.
    pub home: Option<PathBuf>,
    /// Folder of the cached catalogues of settings.
    pub catalogues: PathBuf,
    /// Command stand-ins for hosts that are directories.
    pub commands: Option<PathBuf>,
    /// Told of what takes long.
    pub progress: Progress,
}

/// What was read from one host.
#[derive(Clone, Debug)]
pub struct HostReading {
    /// The replies, in the order of the questions.
    pub replies: Vec<Reply>,
    /// `/etc/machine-id`: which machine this physically is.
    pub machine_id: Option<String>,
    /// Time until the host was connected (for a login of one script: until it answered), and for
    /// the script.
    pub timings: (Duration, Duration),
    /// Scripts run on the host.
    pub execs: usize,
}

/// What was read from one manager.
#[derive(Clone, Debug)]
pub struct ManagerReading {
    /// The replies, in the order of the questions.
    pub replies: Vec<Reply>,
    /// Which manager and cluster this physically is.
    pub identity: Option<ManagerIdentity>,
    /// Time it took.
    pub time: Duration,
    /// Requests made: reads and writes.
    pub requests: (usize, usize),
}

/// What writing to a target came to.
#[derive(Clone, Debug)]
pub struct Written {
    /// `Err` when an action failed.
    pub outcome: Result<(), Failure>,
    /// Read back afterwards, in the order of the questions.
    pub replies: Vec<Reply>,
}

/// All hosts and managers of a run.
pub struct World {
    hosts: HashMap<Arc<str>, host::Host>,
    managers: HashMap<Arc<str>, cm::Cm>,
    fake: Option<Box<dyn fake::Fake>>,
}

impl World {
    /// Prepares the way to hosts and managers; nothing is contacted yet.
    pub fn new(
        hosts: Vec<HostConnection>,
        managers: Vec<ManagerConnection>,
        limits: Limits,
        ledger: Ledger,
    ) -> World {
        let shared = Arc::new(host::Shared::new(limits));
        let ledger = Arc::new(ledger);
        World {
            hosts: hosts
                .into_iter()
                .map(|way| (way.name.clone(), host::Host::new(way, shared.clone())))
                .collect(),
            managers: managers
                .into_iter()
                .map(|way| {
                    let limits = &shared.limits;
                    (way.side.clone(), cm::Cm::new(way, limits, ledger.clone()))
                })
                .collect(),
            fake: None,
        }
    }

    /// Returns a world that answers from a script.
    pub fn fake(fake: Box<dyn fake::Fake>) -> World {
        World { hosts: HashMap::new(), managers: HashMap::new(), fake: Some(fake) }
    }

    /// Returns the side of the world that can only read.
    pub fn eyes(&self) -> Eyes<'_> {
        Eyes(self)
    }

    /// Returns the side of the world that can write. Only an apply asks for it.
    pub fn hands(&self) -> Hands<'_> {
        Hands(self)
    }

    /// Returns `ledger` with what this run applied to the managers.
    pub fn ledger(&self, mut ledger: Ledger) -> Ledger {
        for manager in self.managers.values() {
            let applied = manager.ledger().applied.clone();
            ledger.applied.extend(applied);
        }
        ledger
    }

    /// Closes every connection.
    pub async fn close(self) {
        let mut closing = tokio::task::JoinSet::new();
        for (_, host) in self.hosts {
            closing.spawn(host.close());
        }
        while closing.join_next().await.is_some() {}
    }
}

/// Reads, and cannot write.
#[derive(Clone, Copy)]
pub struct Eyes<'a>(&'a World);

impl Eyes<'_> {
    /// Asks a host all `questions` in one script.
    pub async fn host(&self, name: &str, questions: &[Question]) -> HostReading {
        if let Some(fake) = &self.0.fake {
            return fake.host(name, questions);
        }
        match self.0.hosts.get(name) {
            Some(host) => host.read(questions).await,
            None => HostReading::failed(questions, "the inventory does not say how to reach it"),
        }
    }

    /// Asks the manager of `side` all `questions` with as few requests as possible.
    pub async fn manager(&self, side: &str, questions: &[Question]) -> ManagerReading {
        if let Some(fake) = &self.0.fake {
            return fake.manager(side, questions);
        }
        match self.0.managers.get(side) {
            Some(manager) => manager.read(questions).await,
            None => ManagerReading::failed(questions, "the pair does not say how to reach it"),
        }
    }
}

/// Writes.
#[derive(Clone, Copy)]
pub struct Hands<'a>(&'a World);

impl Hands<'_> {
    /// Runs `actions` on a host in one script and reads `questions` back.
    pub async fn host(&self, name: &str, actions: &[Action], questions: &[Question]) -> Written {
        if let Some(fake) = &self.0.fake {
            return fake.write(name, actions, questions);
        }
        match self.0.hosts.get(name) {
            Some(host) => host.write(actions, questions).await,
            None => Written::failed(questions, "the inventory does not say how to reach it"),
        }
    }

    /// Sends `actions` to the manager of `side` with `message` as the reason, and reads back.
    pub async fn manager(
        &self,
        side: &str,
        actions: &[Action],
        questions: &[Question],
        message: &str,
    ) -> Written {
        if let Some(fake) = &self.0.fake {
            return fake.write(side, actions, questions);
        }
        match self.0.managers.get(side) {
            Some(manager) => manager.write(actions, questions, message).await,
            None => Written::failed(questions, "the pair does not say how to reach it"),
        }
    }
}

fn all_unknown(questions: &[Question], reason: &str) -> Vec<Reply> {
    let reason: Arc<str> = Arc::from(&*crate::model::secret::mask(reason));
    questions.iter().map(|_| Reply::Unknown(reason.clone())).collect()
}

impl HostReading {
    /// Returns a reading in which everything is unknown for `reason`.
    pub fn failed(questions: &[Question], reason: &str) -> HostReading {
        HostReading {
            replies: all_unknown(questions, reason),
            machine_id: None,
            timings: (Duration::ZERO, Duration::ZERO),
            execs: 0,
        }
    }
}

impl ManagerReading {
    /// Returns a reading in which everything is unknown for `reason`.
    pub fn failed(questions: &[Question], reason: &str) -> ManagerReading {
        ManagerReading {
            replies: all_unknown(questions, reason),
            identity: None,
            time: Duration::ZERO,
            requests: (0, 0),
        }
    }
}

impl Written {
    /// Returns the outcome of a write that could not be tried.
    pub fn failed(questions: &[Question], reason: &str) -> Written {
        let reason = crate::model::secret::mask(reason).into_owned();
        Written { replies: all_unknown(questions, &reason), outcome: Err(reason.into()) }
    }
}
