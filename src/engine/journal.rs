//! What a run is about to do and what came of it, written ahead and forced to disk.
//!
//! One JSON object per line. `intent` comes before the write, `done` or `failed` after it; an
//! intent without an end means "attempted, outcome unknown", which the next run settles by reading.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Value as Json, json};

use crate::model::secret;

/// The journal of one run.
#[derive(Debug)]
pub struct Journal(Mutex<File>);

impl Journal {
    /// Starts a journal at `path` with what the run is.
    pub fn start(path: &Path, run: &str, digest: &str) -> Result<Journal, String> {
        let failed = |error: std::io::Error| format!("cannot write `{}`: {error}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // It holds prior contents of files: nobody else's business.
        let options = &mut std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        let journal = Journal(Mutex::new(file));
        journal.line(&json!({ "run": run, "plan": digest, "tool": env!("CARGO_PKG_VERSION") }))?;
        Ok(journal)
    }

    /// Writes that `address` is about to be changed from `before` to `after`.
    pub fn intent(&self, address: &str, changes: Json) -> Result<(), String> {
        self.line(&json!({ "intent": address, "changes": changes }))
    }

    /// Writes how the change of `address` ended.
    pub fn end(&self, address: &str, word: &str, reason: Option<&str>) -> Result<(), String> {
        let mut line = json!({ "end": address, "outcome": word });
        if let Some(reason) = reason {
            line["reason"] = json!(reason);
        }
        self.line(&line)
    }

    fn line(&self, line: &Json) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot write the journal: {error}");
        let text = secret::mask(&line.to_string()).into_owned() + "\n";
        let mut file = self.0.lock().map_err(|_| "the journal is broken".to_string())?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_data().map_err(failed)
    }
}
