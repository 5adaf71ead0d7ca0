//! `playbooks/*.yaml`: which part of an inventory a recurring job is about.
//!
//! ```yaml
//! name: Operating system
//! description: The hosts alone.
//! tags: [os]
//! skip_tags: [network]
//! sides: [dr]
//! kinds: [os.sysctl]
//! limit: workers
//! ```

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::scalar::Dialect;
use super::source::Sources;
use crate::model::Diagnostic;
use crate::model::decode::decode;

/// A named selection.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Only these sides.
    #[serde(default)]
    pub sides: Vec<String>,
    /// Only hosts that match this pattern; leaves managers out.
    pub limit: Option<String>,
    /// Only resources with one of these tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// No resources with one of these tags.
    #[serde(default)]
    pub skip_tags: Vec<String>,
    /// Only resources of these kinds.
    #[serde(default)]
    pub kinds: Vec<String>,
}

/// Texts of the files read, for excerpts.
type Texts = HashMap<Arc<str>, Arc<str>>;

/// Reads a playbook.
///
/// Errors: what is wrong with the file, and its text for the excerpts.
pub fn load(file: &Path) -> Result<Playbook, (Vec<Diagnostic>, Texts)> {
    let mut sources = Sources::default();
    let node = sources.mapping(file, Dialect::Core);
    let playbook =
        node.and_then(|node| decode(&node).map_err(|mistake| sources.mistakes.push(mistake)).ok());
    playbook.ok_or_else(|| (std::mem::take(&mut sources.mistakes), sources.texts().clone()))
}
