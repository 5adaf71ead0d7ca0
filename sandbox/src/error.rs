//! What can go wrong while the simulated world is set up.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a simulated manager or host could not be set up.
#[derive(Debug)]
pub enum SandboxError {
    /// A file or directory could not be read, written or locked.
    File {
        /// The file or directory.
        path: PathBuf,
        /// What was being done to it, as an infinitive: "read", "write".
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file was read but does not hold what it should.
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What keeps the state does not do so.
    Storage {
        /// What it said.
        reason: String,
    },
    /// No port could be opened.
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl SandboxError {
    /// An operating-system failure on one path.
    pub(crate) fn file(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), action, source }
    }

    /// Unusable content of one file.
    pub(crate) fn content(path: &Path, reason: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), reason: reason.into() }
    }
}

impl fmt::Display for SandboxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, action, source } => {
                write!(formatter, "{}: cannot {action}: {source}", path.display())
            }
            Self::Content { path, reason } => write!(formatter, "{}: {reason}", path.display()),
            Self::Storage { reason } => write!(formatter, "the state of the manager: {reason}"),
            Self::Listen { address, source } => {
                write!(formatter, "{address}: cannot open a port for a simulated manager: {source}")
            }
        }
    }
}

impl std::error::Error for SandboxError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::Listen { source, .. } => Some(source),
            Self::Content { .. } | Self::Storage { .. } => None,
        }
    }
}
