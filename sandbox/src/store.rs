//! Where the servers of a manager keep what they share: the state file of one manager, shared safely
//! between processes, or another [`Storage`].

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

use crate::error::SandboxError;
use crate::servers::{ServerHost, Servers};

/// Where the servers of one manager keep what they share.
pub trait Storage: Send + Sync {
    /// Creates the state when there is none, or when `keep` refuses the one there is.
    fn create(
        &self,
        keep: &dyn Fn(&Value) -> bool,
        make: &dyn Fn() -> Value,
    ) -> Result<(), SandboxError>;

    /// Runs `work` on the newest state while no other server can; a changed state, which `work`
    /// reports, is kept before this returns.
    fn work(&self, work: &mut dyn FnMut(&mut Value) -> bool) -> Result<(), SandboxError>;

    /// Adds one line to the record of requests.
    fn record(&self, line: &Value) -> Result<(), SandboxError>;

    /// Returns the manager's servers just now.
    fn servers(&self) -> Result<Servers, SandboxError>;

    /// Writes the new ones of `rows` as every server that runs with `haMode=true` does, all at the
    /// same time. No two rows of a table are alike: returns what the database says to the second.
    fn add_rows(&self, table: Table, rows: &[(String, String)]) -> Result<(), String>;
}

/// A table that servers write by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Which versions of products there are: product and version.
    Releases,
    /// The services: cluster and name.
    Services,
}

impl Table {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Table::Releases => "releases",
            Table::Services => "services",
        }
    }

    /// The names of its two columns.
    pub fn columns(self) -> [&'static str; 2] {
        match self {
            Table::Releases => ["product", "version"],
            Table::Services => ["cluster", "name"],
        }
    }
}

impl dyn Storage + '_ {
    /// Runs `work`, whose second answer says whether it changed the state, as [`Storage::work`]
    /// does, and returns its first.
    pub(crate) fn with<R>(
        &self,
        work: impl FnOnce(&mut Value) -> (R, bool),
    ) -> Result<R, SandboxError> {
        let (mut work, mut answer) = (Some(work), None);
        self.work(&mut |state| {
            let Some(work) = work.take() else { return false };
            let (given, changed) = work(state);
            answer = Some(given);
            changed
        })?;
        answer.ok_or_else(|| SandboxError::Storage { reason: "no state was worked on".into() })
    }
}

/// What tells one version of the state file from another: the generation kept in the lock file,
/// and, for people who edit or delete the file by hand, its time and length.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    generation: u64,
    modified: Option<SystemTime>,
    length: u64,
}

/// The state file and the copy of it in memory, for servers on simulated hosts.
pub(crate) struct FileStore {
    hosts: Vec<ServerHost>,
    path: PathBuf,
    lock_path: PathBuf,
    log_path: PathBuf,
    loaded: Mutex<Option<(Stamp, Value)>>,
}

impl FileStore {
    /// A store over a state file, which need not exist yet.
    pub(crate) fn new(path: &Path, hosts: Vec<ServerHost>) -> FileStore {
        FileStore {
            hosts,
            path: path.to_owned(),
            lock_path: beside(path, ".lock"),
            log_path: beside(path, ".requests.jsonl"),
            loaded: Mutex::new(None),
        }
    }

    /// The exclusive lock, held until the file is dropped.
    fn lock(&self) -> Result<File, SandboxError> {
        let failed = |source| SandboxError::file(&self.lock_path, "lock", source);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(&self.lock_path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    fn stamp(&self, lock: &mut File) -> Result<Stamp, SandboxError> {
        let failed = |source| SandboxError::file(&self.path, "read", source);
        let facts = std::fs::metadata(&self.path).map_err(failed)?;
        Ok(Stamp {
            generation: self.generation(lock)?,
            modified: facts.modified().ok(),
            length: facts.len(),
        })
    }

    fn generation(&self, lock: &mut File) -> Result<u64, SandboxError> {
        let failed = |source| SandboxError::file(&self.lock_path, "read", source);
        let mut text = String::new();
        lock.rewind().map_err(failed)?;
        lock.read_to_string(&mut text).map_err(failed)?;
        Ok(text.trim().parse().unwrap_or(0))
    }

    fn read(&self) -> Result<Value, SandboxError> {
        let bytes = std::fs::read(&self.path)
            .map_err(|source| SandboxError::file(&self.path, "read", source))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            SandboxError::content(&self.path, format!("not a state of this simulator: {error}"))
        })
    }

    /// Replaces the state file in one step, so that a reader never sees half of it.
    fn write(&self, lock: &mut File, state: &Value) -> Result<Stamp, SandboxError> {
        let temporary = beside(&self.path, ".new");
        let failed = |source| SandboxError::file(&self.path, "write", source);
        std::fs::write(&temporary, state.to_string()).map_err(failed)?;
        std::fs::rename(&temporary, &self.path).map_err(failed)?;
        let generation = self.generation(lock)?.wrapping_add(1);
        let noted = lock.set_len(0).and_then(|()| lock.rewind());
        noted.and_then(|()| lock.write_all(generation.to_string().as_bytes())).map_err(failed)?;
        self.stamp(lock)
    }
}

impl Storage for FileStore {
    fn create(
        &self,
        keep: &dyn Fn(&Value) -> bool,
        make: &dyn Fn() -> Value,
    ) -> Result<(), SandboxError> {
        let mut lock = self.lock()?;
        if let Ok(state) = self.read()
            && keep(&state)
        {
            return Ok(());
        }
        self.write(&mut lock, &make()).map(drop)
    }

    fn work(&self, work: &mut dyn FnMut(&mut Value) -> bool) -> Result<(), SandboxError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lock = self.lock()?;
        let stamp = self.stamp(&mut lock)?;
        let mut state = match loaded.take() {
            Some((known, state)) if known == stamp => state,
            _ => self.read()?,
        };
        let stamp = if work(&mut state) { self.write(&mut lock, &state)? } else { stamp };
        *loaded = Some((stamp, state));
        Ok(())
    }

    fn record(&self, line: &Value) -> Result<(), SandboxError> {
        let failed = |source| SandboxError::file(&self.log_path, "write", source);
        let mut file =
            OpenOptions::new().create(true).append(true).open(&self.log_path).map_err(failed)?;
        file.write_all(format!("{line}\n").as_bytes()).map_err(failed)
    }

    fn servers(&self) -> Result<Servers, SandboxError> {
        Ok(Servers::look(&self.hosts))
    }

    fn add_rows(&self, table: Table, rows: &[(String, String)]) -> Result<(), String> {
        let [one, other] = table.columns();
        match rows.first() {
            Some((first, second)) if Servers::look(&self.hosts).race() => Err(format!(
                "ERROR: duplicate key value violates unique constraint \"{}_{one}_{other}_key\" \
                 Detail: Key ({one}, {other})=({first}, {second}) already exists.",
                table.name()
            )),
            _ => Ok(()),
        }
    }
}

/// A file next to `path` with something appended to its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
