//! A scripted world, for tests and benchmarks of what is above.

use super::{HostReading, ManagerReading, Written};
use crate::model::question::{Action, Question};

/// Answers questions without any I/O.
pub trait Fake: Send + Sync {
    /// Answers for a host.
    fn host(&self, name: &str, questions: &[Question]) -> HostReading;
    /// Answers for the manager of a side.
    fn manager(&self, side: &str, questions: &[Question]) -> ManagerReading;
    /// Takes a write.
    fn write(&self, target: &str, actions: &[Action], questions: &[Question]) -> Written;
}
