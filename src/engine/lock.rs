//! One apply per pair at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// A held lock; dropping it lets go. The operating system lets go too when the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock was not had.
#[derive(Debug)]
pub enum Refusal {
    /// Someone holds it: who, as they said.
    Held(String),
    /// It cannot be tried.
    Failed(String),
}

impl Lock {
    /// Takes the lock at `path` and writes `holder` into it.
    pub fn take(path: &Path, holder: &str) -> Result<Lock, Refusal> {
        let failed = |error: std::io::Error| {
            Refusal::Failed(format!("cannot lock `{}`: {error}", path.display()))
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut who = String::new();
                let _ = file.read_to_string(&mut who);
                return Err(Refusal::Held(who.trim().to_string()));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        file.write_all(holder.as_bytes()).map_err(failed)?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path, "run 1 by ann").unwrap();
        match Lock::take(&path, "run 2") {
            Err(Refusal::Held(who)) => assert_eq!(who, "run 1 by ann"),
            other => panic!("{other:?}"),
        }
        drop(first);
        Lock::take(&path, "run 3").unwrap();
    }
}
