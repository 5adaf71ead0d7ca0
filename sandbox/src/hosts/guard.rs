//! One process at a time prepares a directory.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::SandboxError;

/// Waits until nobody else prepares `dir`; the lock ends with the file that is returned.
pub(super) fn lock(dir: &Path) -> Result<File, SandboxError> {
    let path = beside(dir);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|source| SandboxError::file(parent, "create", source))?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| SandboxError::file(&path, "open", source))?;
    file.lock().map_err(|source| SandboxError::file(&path, "lock", source))?;
    Ok(file)
}

/// `<dir>.lock`: not inside, since the directory itself is removed and made anew.
fn beside(dir: &Path) -> PathBuf {
    // Without a slash at the end, which would lead inside.
    let mut name = OsString::from(dir.components().as_path());
    name.push(".lock");
    PathBuf::from(name)
}
