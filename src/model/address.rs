//! The name of one instance: `dr/dn-07/os.sysctl[vm.swappiness]`.

use std::fmt;
use std::sync::Arc;

/// Where an instance lives: one host of a side, or the manager of a side.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A host, by its inventory name.
    Host {
        /// The side it belongs to.
        side: Arc<str>,
        /// Its name in the inventory.
        host: Arc<str>,
    },
    /// The manager of a side.
    Manager {
        /// The side it rules.
        side: Arc<str>,
    },
}

impl Target {
    /// Returns the side.
    pub fn side(&self) -> &Arc<str> {
        match self {
            Target::Host { side, .. } | Target::Manager { side } => side,
        }
    }

    /// Returns the host name, if the target is a host.
    pub fn host(&self) -> Option<&Arc<str>> {
        match self {
            Target::Host { host, .. } => Some(host),
            Target::Manager { .. } => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Host { side, host } => write!(f, "{side}/{host}"),
            Target::Manager { side } => f.write_str(side),
        }
    }
}

/// Names one instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Where it lives.
    pub target: Target,
    /// Its kind, e.g. `os.sysctl`.
    pub kind: &'static str,
    /// What tells it from others of its kind there, e.g. `vm.swappiness`.
    pub key: Arc<str>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.target, self.kind, self.key)
    }
}
