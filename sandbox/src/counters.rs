//! How much traffic one simulated manager has seen since it was started.

use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of the traffic of one manager since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// GET and HEAD requests under `/api`.
    pub reads: u64,
    /// All other requests under `/api`.
    pub writes: u64,
    /// Requests that carried an accepted Basic login.
    pub logins: u64,
    /// Requests that carried a refused Basic login.
    pub failed_logins: u64,
    /// The highest number of requests handled at one time.
    pub max_in_flight: u64,
    /// TCP connections accepted.
    pub connections: u64,
}

/// The counters while the manager runs.
#[derive(Debug, Default)]
pub(crate) struct LiveCounters {
    pub(crate) reads: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) logins: AtomicU64,
    pub(crate) failed_logins: AtomicU64,
    pub(crate) connections: AtomicU64,
    in_flight: AtomicU64,
    max_in_flight: AtomicU64,
}

impl LiveCounters {
    /// Adds one to a counter.
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a request began; the guard notes its end.
    pub(crate) fn enter(&self) -> InFlight<'_> {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_in_flight.fetch_max(now, Ordering::SeqCst);
        InFlight(self)
    }

    /// The present values.
    pub(crate) fn snapshot(&self) -> Counters {
        let value = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counters {
            reads: value(&self.reads),
            writes: value(&self.writes),
            logins: value(&self.logins),
            failed_logins: value(&self.failed_logins),
            max_in_flight: value(&self.max_in_flight),
            connections: value(&self.connections),
        }
    }
}

/// One request being handled.
pub(crate) struct InFlight<'a>(&'a LiveCounters);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
