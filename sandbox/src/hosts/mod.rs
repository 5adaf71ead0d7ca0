//! Simulated hosts: a directory tree each, and stand-ins for the commands run on them.

mod commands;
mod guard;
mod tree;

use std::path::Path;

use serde_json::Value;

use crate::error::SandboxError;

/// Creates, or re-creates when `seed` changed since, the directory tree of one simulated host.
///
/// `seed` may have the members `files` (path to content, or to `content`, `mode`, `owner` and
/// `group`), `directories` (path to `mode`, `owner` and `group`), `links` (path to target),
/// `units` (name to `enabled`, `active`, `masked`, `pid` and `fragment`), `users`, `groups` and `packages`
/// (names).
/// A directory that holds anything but an earlier simulated host is refused. Processes that prepare
/// the same directory wait for each other, at the file `<dir>.lock` beside it.
pub fn prepare(dir: &Path, seed: &Value, machine_id: &str) -> Result<(), SandboxError> {
    let _guard = guard::lock(dir)?;
    tree::prepare(dir, seed, machine_id)
}

/// Writes the command stand-ins, for a directory that belongs first on PATH: they act on the host
/// named by the environment variable `DRSYNC_SANDBOX_ROOT`, and step aside without it.
/// Processes wait for each other as in [`prepare`].
pub fn prepare_commands(dir: &Path) -> Result<(), SandboxError> {
    let _guard = guard::lock(dir)?;
    commands::prepare(dir)
}
