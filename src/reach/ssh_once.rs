//! One login for one script: all that a run which only reads needs of a host.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Limits;
use super::host::Shared;
use super::local::{Output, tail};
use super::ssh_login as login;
use super::ssh_queue::{Turn, admitted};
use super::talk::{Heard, talk};
use crate::model::connection::SshOptions;

/// Status with which ssh itself ends, by ssh(1); the scripts never do.
const LOST: i32 = 255;

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
        // A master only for its socket, which tells that the login is done.
        let flags = ["-MT", "-o", "ControlPersist=no"];
        let mut ssh = login::command(self.options, limits, folder.path(), &flags)?;
        ssh.arg(self.command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = ssh.spawn().map_err(|error| format!("cannot start `ssh`: {error}"))?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let socket = folder.path().join(login::SOCKET);
        let (mut heard, mut connected) = (Heard::default(), None);
        let answers = || {
            connected = Some(self.begun.elapsed());
            drop(turn);
        };
        let status = {
            let talk = async {
                talk(stdin, stdout, stderr, self.script, &mut heard, answers).await;
                child.wait().await
            };
            tokio::select! {
                ended = talk => ended.ok().and_then(|status| status.code()),
                overdue = overdue(limits, &socket) => match overdue {
                    Overdue::Login => return Err(login::late(limits)),
                    Overdue::Script => None,
                },
            }
        };
        // A jump host's ssh tells its trouble before ours loses the connection.
        let said = [heard.err, login::log(folder.path())].concat();
        if status == Some(LOST) && heard.out.is_empty() {
            return Err(login::explain(&said, self.options));
        }
        let status = status.filter(|status| *status != LOST);
        let connected = connected.unwrap_or_else(|| self.begun.elapsed());
        Ok((Output { stdout: heard.out, stderr: tail(&said), status }, connected))
    }
}

/// What took too long.
enum Overdue {
    Login,
    Script,
}

/// Waits as long as a login and then a script may take; `socket` appears in between.
async fn overdue(limits: &Limits, socket: &Path) -> Overdue {
    // The remote `timeout` comes first; this one is for a connection that hangs.
    let (login, script) = (login::deadline(limits), limits.command + Duration::from_secs(10));
    let age = || socket.metadata().ok()?.modified().ok()?.elapsed().ok();
    sleep(login.min(script)).await;
    if age().is_none() {
        sleep(login.saturating_sub(script)).await;
    }
    match age() {
        None => Overdue::Login,
        Some(age) => {
            sleep(script.saturating_sub(age)).await;
            Overdue::Script
        }
    }
}
