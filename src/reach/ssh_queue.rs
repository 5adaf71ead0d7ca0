//! Turns to log in: no more at once than processors, jump hosts and an sshd (`MaxStartups`
//! 10:30:100, sshd_config(5)) can serve.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::host::Shared;
use super::retry;
use crate::model::connection::SshOptions;

/// Logins at once through one jump host.
const PER_JUMP: usize = 8;

/// Limits logins through each jump host.
#[derive(Default)]
pub struct Jumps(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Jumps {
    fn of(&self, options: &SshOptions) -> Option<Arc<Semaphore>> {
        let jump = options.jump.clone()?;
        let mut jumps = self.0.lock().ok()?;
        Some(jumps.entry(jump).or_insert_with(|| Arc::new(Semaphore::new(PER_JUMP))).clone())
    }
}

/// The right to log in now; to be given back once the login is done.
pub struct Turn {
    _login: Option<OwnedSemaphorePermit>,
    _jump: Option<OwnedSemaphorePermit>,
}

impl Turn {
    async fn wait(options: &SshOptions, shared: &Shared) -> Turn {
        let jump = match shared.jumps.of(options) {
            Some(jump) => jump.acquire_owned().await.ok(),
            None => None,
        };
        Turn { _login: shared.logins.clone().acquire_owned().await.ok(), _jump: jump }
    }
}

/// Calls `attempt` when it is its turn, and again where an sshd lets only so many in at once.
///
/// Errors: what the last attempt said.
pub async fn admitted<T, Attempt: Future<Output = Result<T, String>>>(
    options: &SshOptions,
    shared: &Shared,
    attempt: impl Fn(Turn) -> Attempt,
) -> Result<T, String> {
    let pauses = || retry::Pauses::new(shared.limits.connect);
    let mut waiting = None;
    loop {
        let said = match attempt(Turn::wait(options, shared).await).await {
            Err(said) if is_crowded(&said) => said,
            ended => return ended,
        };
        // The time spent on other hosts' turns is not this one's.
        let (refused, queue, left) =
            waiting.get_or_insert_with(|| (Instant::now(), shared.crowd.join(), pauses()));
        match left.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            // One that is always turned away is not welcome; many at once only have to wait.
            None if queue.is_long() && refused.elapsed() < LONGEST_QUEUE => *left = pauses(),
            None => return Err(said),
        }
    }
}

/// Longest wait for an sshd that lets only so many in at once.
const LONGEST_QUEUE: Duration = Duration::from_secs(180);

/// Logins that were turned away and wait.
#[derive(Default)]
pub struct Crowd(AtomicUsize);

impl Crowd {
    fn join(&self) -> Queue<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Queue(self)
    }
}

/// A place among those who wait; given back when it goes.
struct Queue<'a>(&'a Crowd);

impl Queue<'_> {
    fn is_long(&self) -> bool {
        self.0.0.load(Ordering::Relaxed) > 2
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// True when an sshd turned the login away because of too many others (`MaxStartups`).
fn is_crowded(said: &str) -> bool {
    said.contains("kex_exchange_identification") || said.contains("Connection reset by peer")
}
