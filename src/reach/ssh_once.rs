//! One login for one script: all that a run which only reads needs of a host.

use std::path::Path;
use std::pin::pin;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::time::sleep;

use super::Limits;
use super::host::Shared;
use super::local::{Output, tail};
use super::ssh_login as login;
use super::ssh_queue::{Turn, admitted};
use super::talk::{Heard, talk};
use crate::model::connection::SshOptions;

/// Status with which ssh ends for itself, or for a command that a signal ended (ssh(1)); the
/// scripts never do.
const LOST: i32 = 255;
/// Time between two looks whether the login is done.
const LOOK: Duration = Duration::from_millis(50);

/// Logs in, runs `script` through `command`, and is gone with it; returns the output and how long
/// it took until the host answered.
///
/// A script that only reads is sent again where the host lets only so many in at once.
///
/// Errors: why the host cannot be reached.
pub async fn run(
    options: &SshOptions,
    shared: &Shared,
    command: &str,
    script: &str,
) -> Result<(Output, Duration), String> {
    let call = Call { options, shared, command, script, begun: Instant::now() };
    admitted(options, shared, |turn| call.attempt(turn)).await
}

struct Call<'a> {
    options: &'a SshOptions,
    shared: &'a Shared,
    command: &'a str,
    script: &'a str,
    begun: Instant,
}

impl Call<'_> {
    async fn attempt(&self, turn: Turn) -> Result<(Output, Duration), String> {
        let limits = &self.shared.limits;
        let folder = login::folder(limits)?;
        // A master only for its socket, which tells that the login is done. Neither agent nor
        // display are anything a host needs to be read.
        let flags = ["-MTax", "-o", "ControlPersist=no"];
        let mut ssh = login::command(self.options, limits, folder.path(), &flags)?;
        ssh.arg(self.command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = ssh.spawn().map_err(|error| format!("cannot start `ssh`: {error}"))?;
        let (mut heard, connected) = (Heard::default(), OnceLock::new());
        let answers = || _ = connected.set(self.begun.elapsed());
        let socket = folder.path().join(login::SOCKET);
        let status = tokio::select! {
            status = exchange(&mut child, self.script, &mut heard, answers) => status,
            overdue = overdue(limits, &socket, &connected, turn) => match overdue {
                Overdue::Login => return Err(login::late(limits)),
                Overdue::Script => None,
            },
        };
        // A jump host's ssh tells its trouble before ours loses the connection.
        let said = [heard.err, login::log(folder.path())].concat();
        if status == Some(LOST) && heard.out.is_empty() {
            return Err(login::explain(&said, self.options));
        }
        let status = status.filter(|status| *status != LOST);
        let connected = connected.into_inner().unwrap_or_else(|| self.begun.elapsed());
        Ok((Output { stdout: heard.out, stderr: tail(&said), status }, connected))
    }
}

/// Sends `script` and listens until ssh has ended; returns its status.
async fn exchange(
    child: &mut Child,
    script: &str,
    heard: &mut Heard,
    answers: impl FnOnce(),
) -> Option<i32> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut talk = pin!(talk(stdin, stdout, stderr, script, heard, answers));
    let ended = tokio::select! {
        () = &mut talk => child.wait().await,
        ended = child.wait() => {
            // All is said; but what ssh started on its way, a jump host's master, say, may hold
            // the streams open for hours.
            let _ = tokio::time::timeout(Duration::from_secs(1), talk).await;
            ended
        }
    };
    ended.ok().and_then(|status| status.code())
}

/// What took too long.
enum Overdue {
    Login,
    Script,
}

/// Waits as long as a login and then a script may take. The login is done when `socket` appears, or
/// the host has answered; then its turn is given back.
async fn overdue(
    limits: &Limits,
    socket: &Path,
    connected: &OnceLock<Duration>,
    turn: Turn,
) -> Overdue {
    let begun = Instant::now();
    while connected.get().is_none() && !socket.exists() {
        if begun.elapsed() > login::deadline(limits) {
            return Overdue::Login;
        }
        sleep(LOOK).await;
    }
    drop(turn);
    // The remote `timeout` comes first; this one is for a connection that hangs.
    sleep(limits.command + Duration::from_secs(10)).await;
    Overdue::Script
}
