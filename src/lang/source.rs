//! The user's files: read once, kept for the excerpts of diagnostics.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::scalar::Dialect;
use super::yaml;
use crate::model::{Data, Diagnostic, Node, Place};

/// Larger files are refused before they are read.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Reads the user's files and remembers their text.
#[derive(Default)]
pub struct Sources {
    texts: HashMap<Arc<str>, Arc<str>>,
    /// Mistakes found while reading.
    pub mistakes: Vec<Diagnostic>,
}

impl Sources {
    /// Returns the texts read so far, by the file name that places carry.
    pub fn texts(&self) -> &HashMap<Arc<str>, Arc<str>> {
        &self.texts
    }

    /// Reads a YAML file; mistakes are collected, and `None` returned.
    pub fn yaml(&mut self, path: &Path, dialect: Dialect) -> Option<Node> {
        let file: Arc<str> = Arc::from(path.display().to_string());
        let text = match read_text(path) {
            Ok(text) => text,
            Err(mistake) => {
                if mistake.place.is_some() {
                    let bytes = std::fs::read(path).unwrap_or_default();
                    self.texts.insert(file, Arc::from(String::from_utf8_lossy(&bytes)));
                }
                self.mistakes.push(mistake);
                return None;
            }
        };
        let parsed = yaml::parse(&file, &text, dialect);
        self.texts.insert(file, Arc::from(text));
        parsed.map_err(|mistakes| self.mistakes.extend(mistakes)).ok()
    }

    /// Reads a YAML file whose top level must be a mapping; an empty file is an empty mapping.
    pub fn mapping(&mut self, path: &Path, dialect: Dialect) -> Option<Node> {
        let mut node = self.yaml(path, dialect)?;
        match node.data {
            Data::Map(_) => Some(node),
            Data::Null => {
                node.data = Data::Map(crate::model::Map::default());
                Some(node)
            }
            _ => {
                let said = format!("expected a mapping, found {}", node.sort());
                self.mistakes.push(Diagnostic::error(said).at(&node.place));
                None
            }
        }
    }

    /// Makes the text of a file that does not come from disk known (shipped modules).
    pub fn remember(&mut self, file: &Arc<str>, text: &str) {
        self.texts.insert(file.clone(), Arc::from(text));
    }
}

/// Reads a file as UTF-8; the error says which file, and where the first bad byte is.
pub fn read_text(path: &Path) -> Result<String, Diagnostic> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        Diagnostic::error(format!("cannot read `{shown}`")).because(error.to_string())
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > LARGEST {
        return Err(Diagnostic::error(format!("`{shown}` is too large"))
            .because(format!("{size} bytes; at most {LARGEST} are read.")));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|b| **b == b'\n').count() + 1;
        let start = good.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let column = String::from_utf8_lossy(&good[start..]).chars().count() + 1;
        let place = Place::new(
            Arc::from(shown.to_string()),
            u32::try_from(line).unwrap_or(u32::MAX),
            u32::try_from(column).unwrap_or(u32::MAX),
        );
        Diagnostic::error("not UTF-8 text")
            .at(&place)
            .because("The byte at this place starts no character.")
            .hint("save the file as UTF-8".to_string())
    })
}

/// Lists the files below `folder` with one of `extensions`, sorted by path; hidden ones and backups
/// are left out.
pub fn files_below(folder: &Path, extensions: &[&str]) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if path.is_dir() {
            found.extend(files_below(&path, extensions)?);
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
    Ok(found)
}
