//! How long to wait before a read is tried again. Writes are never repeated blindly.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

/// Pauses that double up to four seconds, until a deadline.
pub struct Pauses {
    end: Instant,
    pause: Duration,
}

impl Pauses {
    /// Returns pauses that end `within` this time.
    pub fn new(within: Duration) -> Pauses {
        Pauses { end: Instant::now() + within, pause: Duration::from_millis(125) }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    /// Returns the next pause; `None` when it would go past the deadline.
    fn next(&mut self) -> Option<Duration> {
        // Many who failed together must not return together.
        let spread = RandomState::new().build_hasher().finish() % 100;
        let pause = self.pause + Duration::from_millis(spread);
        self.pause = (self.pause * 2).min(Duration::from_secs(4));
        (Instant::now() + pause <= self.end).then_some(pause)
    }
}
