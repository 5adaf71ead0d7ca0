//! How a write failed.

use std::fmt;

/// Why a write failed, and whether that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The reason, for the user.
    pub said: String,
    /// No answer came: it may or may not have been done. Look before it is tried again.
    pub is_lost: bool,
}

impl Failure {
    /// Puts what was being done before the reason.
    #[must_use]
    pub fn during(self, what: impl fmt::Display) -> Failure {
        Failure { said: format!("{what}: {}", self.said), ..self }
    }
}

impl From<String> for Failure {
    fn from(said: String) -> Failure {
        Failure { said, is_lost: false }
    }
}

impl From<&str> for Failure {
    fn from(said: &str) -> Failure {
        Failure::from(said.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}
