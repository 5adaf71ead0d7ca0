//! What an apply did, and what it tells while it goes on.

use super::Address;

/// How one instance ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written, and read back as wished.
    Changed,
    /// Nothing was needed any more.
    Unchanged,
    /// Not as wished; the reason.
    Failed(String),
    /// Not tried, because of what it depends on; the reason.
    Skipped(String),
}

impl Outcome {
    /// Returns the word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Changed => "changed",
            Outcome::Unchanged => "unchanged",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped(_) => "skipped",
        }
    }
}

/// The end of an apply.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The run's id.
    pub run: String,
    /// Every instance of which something was to be told, in the order they ended.
    pub ends: Vec<(Address, Outcome, f64)>,
    /// True when the run was stopped before its end.
    pub was_stopped: bool,
}

impl Report {
    /// Counts the instances that ended like this.
    pub fn count(&self, word: &str) -> usize {
        self.ends.iter().filter(|(_, outcome, _)| outcome.word() == word).count()
    }
}

/// Told while an apply goes on.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step begins: its number and how many there are.
    Started(Address, usize, usize),
    /// A step ended after so many seconds.
    Ended(Address, Outcome, f64),
}
