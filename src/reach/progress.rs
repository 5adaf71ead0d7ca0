//! What is told while something takes long.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Shortest time between two lines about one thing.
const PACE: Duration = Duration::from_secs(5);

/// Takes what is to be told; by default nobody listens.
#[derive(Clone, Default)]
pub struct Progress(Option<Listener>);

type Listener = Arc<dyn Fn(&str) + Send + Sync>;

impl Progress {
    /// Returns a progress that tells `listener` one line at a time, without its end.
    pub fn new(listener: impl Fn(&str) + Send + Sync + 'static) -> Progress {
        Progress(Some(Arc::new(listener)))
    }

    /// Begins to tell of one thing, `what`.
    pub fn about(&self, what: impl Into<String>) -> Thing<'_> {
        Thing { progress: self, what: what.into(), last: Mutex::new(None) }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Progress({})", if self.0.is_some() { "heard" } else { "unheard" })
    }
}

/// One thing that takes long.
pub struct Thing<'a> {
    progress: &'a Progress,
    what: String,
    last: Mutex<Option<(Instant, String)>>,
}

impl Thing<'_> {
    /// Tells how far it is, unless that was just told.
    pub fn tell(&self, how_far: &str) {
        let Some(listener) = &self.progress.0 else { return };
        let Ok(mut last) = self.last.lock() else { return };
        let is_news =
            last.as_ref().is_none_or(|(at, said)| at.elapsed() >= PACE && said != how_far);
        if is_news {
            listener(&format!("{}: {how_far}", self.what));
            *last = Some((Instant::now(), how_far.to_string()));
        }
    }
}
