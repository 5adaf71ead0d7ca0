//! The state file of one manager, shared safely between processes.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

use crate::error::SandboxError;

/// What tells one version of the state file from another: the generation kept in the lock file,
/// and, for people who edit or delete the file by hand, its time and length.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    generation: u64,
    modified: Option<SystemTime>,
    length: u64,
}

/// The state file and the copy of it in memory.
pub(crate) struct Store {
    path: PathBuf,
    lock_path: PathBuf,
    log_path: PathBuf,
    loaded: Mutex<Option<(Stamp, Value)>>,
}

impl Store {
    /// A store over a state file, which need not exist yet.
    pub(crate) fn new(path: &Path) -> Store {
        Store {
            path: path.to_owned(),
            lock_path: beside(path, ".lock"),
            log_path: beside(path, ".requests.jsonl"),
            loaded: Mutex::new(None),
        }
    }

    /// Creates the state when there is none, or when `keep` refuses the one there is.
    pub(crate) fn create(
        &self,
        keep: impl FnOnce(&Value) -> bool,
        make: impl FnOnce() -> Value,
    ) -> Result<(), SandboxError> {
        let mut lock = self.lock()?;
        if let Ok(state) = self.read()
            && keep(&state)
        {
            return Ok(());
        }
        self.write(&mut lock, &make()).map(drop)
    }

    /// Runs `work` on the newest state while no other process can; a changed state, which
    /// `work` reports by its second answer, is on disk before this returns.
    pub(crate) fn with<R>(
        &self,
        work: impl FnOnce(&mut Value) -> (R, bool),
    ) -> Result<R, SandboxError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lock = self.lock()?;
        let stamp = self.stamp(&mut lock)?;
        let mut state = match loaded.take() {
            Some((known, state)) if known == stamp => state,
            _ => self.read()?,
        };
        let (answer, changed) = work(&mut state);
        let stamp = if changed { self.write(&mut lock, &state)? } else { stamp };
        *loaded = Some((stamp, state));
        Ok(answer)
    }

    /// Appends one line to the record of requests.
    pub(crate) fn record(&self, line: &Value) -> Result<(), SandboxError> {
        let failed = |source| SandboxError::file(&self.log_path, "write", source);
        let mut file =
            OpenOptions::new().create(true).append(true).open(&self.log_path).map_err(failed)?;
        file.write_all(format!("{line}\n").as_bytes()).map_err(failed)
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

/// A file next to `path` with something appended to its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
