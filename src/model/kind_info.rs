//! What the language needs to know of a kind: its name, where it lives, whether it takes files.

/// Where instances of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// On hosts.
    Host,
    /// At the manager of a side.
    Manager,
}

/// A kind as the language sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// Its name, e.g. `os.sysctl`.
    pub name: &'static str,
    /// Where its instances live.
    pub home: Home,
    /// True when its `source` and `template` arguments name files whose text becomes `content`.
    pub takes_files: bool,
}

/// Kinds whose instances drsync declares by itself, from what `pair.yaml` says.
const IMPLIED: [&str; 4] =
    ["cm.parcel_files", "cm.restart", "cm.single_node", "cm.single_node_gate"];

/// True when drsync declares the instances of `kind` by itself, and nobody else can.
pub fn is_implied(kind: &str) -> bool {
    IMPLIED.contains(&kind)
}

/// Commands of Cloudera Manager that bring hosts into a cluster, or add services (CM API:
/// `/cm/commands/hostInstall`, `/cm/importClusterTemplate`, `…/commands/firstRun`).
pub const ADDING_COMMANDS: [&str; 3] = ["hostInstall", "importClusterTemplate", "firstRun"];

impl KindInfo {
    /// True when drsync declares its instances by itself, and nobody else can.
    pub fn is_implied(&self) -> bool {
        is_implied(self.name)
    }
}

/// The kind that runs the shell text of modules which are a kind of their own.
pub const SCRIPTED: &str = "os.script";
