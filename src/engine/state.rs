//! What drsync must remember between runs: the ledger of applied secrets, and managers of which it
//! is not known yet what the last writes made stale.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::digest::Ledger;

/// The folder that keeps what drsync must remember of an inventory.
#[derive(Clone, Debug)]
pub struct State {
    folder: PathBuf,
}

impl State {
    /// Returns the state kept in `folder`; nothing is created yet.
    pub fn new(folder: PathBuf) -> State {
        State { folder }
    }

    /// Returns the path of something kept here.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Creates the folder.
    pub fn create(&self) -> Result<(), String> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| format!("cannot create `{}`: {error}", self.folder.display()))
    }

    /// Notes that something is about to be written to the manager of `side`, and which service that
    /// may make stale (`None` for all of them); the manager will find out later.
    pub fn mark_unsettled(&self, side: &str, service: Option<&str>) -> Result<(), String> {
        self.create()?;
        let mark = self.unsettled_mark(side);
        let known = std::fs::read_to_string(&mark).unwrap_or_default();
        write_private(&mark, &format!("{known}{}\n", service.unwrap_or_default()))
    }

    /// Notes that all is known of what was written to the manager of `side`.
    pub fn clear_unsettled(&self, side: &str) {
        // A mark that stays costs the next run a moment.
        let _ = std::fs::remove_file(self.unsettled_mark(side));
    }

    /// Returns how long ago a run wrote to the manager of `side` without having seen what became of
    /// it, and which services that may have made stale (an empty name for all of them).
    pub fn unsettled(&self, side: &str) -> Option<(Duration, Vec<String>)> {
        let mark = self.unsettled_mark(side);
        let written = std::fs::metadata(&mark).ok()?.modified().ok()?;
        let services = std::fs::read_to_string(&mark).ok()?;
        Some((written.elapsed().ok()?, services.lines().map(String::from).collect()))
    }

    /// Notes that the manager of `side` is about to be told of repositories, and has not looked into
    /// them yet.
    pub fn mark_unrefreshed(&self, side: &str) -> Result<(), String> {
        self.create()?;
        write_private(&self.path(&format!("unrefreshed-{side}")), "")
    }

    /// Notes that the manager of `side` has looked into its repositories.
    pub fn clear_unrefreshed(&self, side: &str) {
        // A mark that stays makes the manager look once more.
        let _ = std::fs::remove_file(self.path(&format!("unrefreshed-{side}")));
    }

    /// True when a run told the manager of `side` of repositories, and did not see it look into them.
    pub fn is_unrefreshed(&self, side: &str) -> bool {
        self.path(&format!("unrefreshed-{side}")).exists()
    }

    fn unsettled_mark(&self, side: &str) -> PathBuf {
        self.path(&format!("unsettled-{side}"))
    }

    /// Reads the ledger; a new one gets `key`.
    pub fn ledger(&self, key: impl FnOnce() -> String) -> Result<Ledger, String> {
        let file = self.path("ledger.json");
        match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| format!("`{}` is damaged: {error}", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Ledger { key: key(), ..Ledger::default() })
            }
            Err(error) => Err(format!("cannot read `{}`: {error}", file.display())),
        }
    }

    /// Writes the ledger.
    pub fn keep_ledger(&self, ledger: &Ledger) -> Result<(), String> {
        self.create()?;
        let text = serde_json::to_string_pretty(ledger).map_err(|error| error.to_string())?;
        write_private(&self.path("ledger.json"), &text)
    }
}

/// Replaces a file as a whole, or not at all; only its owner may read it.
pub fn write_private(file: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot write `{}`: {error}", file.display());
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Temporary files are created with mode 0600.
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist(file).map(|_| ()).map_err(|error| failed(error.error))
}
