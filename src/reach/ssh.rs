//! A login that is kept for many scripts, through a master connection of the operator's own `ssh`:
//! the only file that names its library. Each script has a channel of its own.

use std::time::{Duration, Instant};

use openssh::{Session, Stdio};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::host::Shared;
use super::local::{Output, tail};
use super::ssh_login as login;
use super::ssh_queue::{Turn, admitted};
use super::talk::{Heard, chain, talk};
use super::{Limits, retry};
use crate::model::connection::SshOptions;

/// The connection to one host, made when first needed.
#[derive(Default)]
pub struct Link(OnceCell<Result<Master, String>>);

impl Link {
    /// Runs `script` through `command`; returns the output and how long it took to connect.
    ///
    /// Errors: why the host cannot be reached. It is not tried twice in one run.
    pub async fn run(
        &self,
        options: &SshOptions,
        shared: &Shared,
        command: &str,
        script: &str,
    ) -> Result<(Output, Duration), String> {
        let before = Instant::now();
        let master = self.0.get_or_init(|| connect(options, shared)).await;
        let connected = before.elapsed();
        let session = &master.as_ref().map_err(Clone::clone)?.session;
        let mut pauses = retry::Pauses::new(Duration::from_secs(3));
        loop {
            match exchange(session, command, script, shared.limits.command).await {
                // The server frees a channel late; nothing ran yet, so trying again is safe.
                Err(error) if error.contains("refused by peer") => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
                other => return other.map(|output| (output, connected)),
            }
        }
    }

    /// Closes the master connection.
    pub async fn close(self) {
        if let Some(Ok(master)) = self.0.into_inner() {
            // The connection may be gone already; then there is nothing left to close.
            let _ = tokio::time::timeout(Duration::from_secs(5), master.session.close()).await;
        }
    }
}

/// An `ssh` in the background.
struct Master {
    session: Session,
    _folder: Folder,
}

/// The folder of a master's socket. A master that still listens when it goes is ended: nobody can
/// reach it any more.
struct Folder(TempDir);

impl Drop for Folder {
    fn drop(&mut self) {
        let socket = self.0.path().join(login::SOCKET);
        if socket.exists() {
            let mut ssh = std::process::Command::new("ssh");
            ssh.args(["-q", "-F", "none", "-O", "exit", "-S"]).arg(socket).arg("master");
            let null = std::process::Stdio::null;
            ssh.stdin(null()).stdout(null()).stderr(null());
            // It may have ended in between.
            let _ = ssh.status();
        }
    }
}

/// Starts a master, which goes into the background once the login is done.
///
/// The library would start it too, but lets go of an ssh that hangs in its login.
async fn open(options: &SshOptions, limits: &Limits, _turn: Turn) -> Result<Master, String> {
    let folder = Folder(login::folder(limits)?);
    let path = folder.0.path();
    let flags = ["-MNf", "-o", "ControlPersist=60"];
    let mut ssh = login::command(options, limits, path, &flags)?;
    // A file, because the master would keep a pipe open.
    let stderr = path.join("stderr");
    let file = std::fs::File::create(&stderr)
        .map_err(|error| format!("cannot write `{}`: {error}", stderr.display()))?;
    match tokio::time::timeout(login::deadline(limits), ssh.stderr(file).status()).await {
        Err(_) => Err(login::late(limits)),
        Ok(Err(error)) => Err(format!("cannot start `ssh`: {error}")),
        Ok(Ok(status)) if status.success() => {
            let socket = path.join(login::SOCKET).into_boxed_path();
            Ok(Master { session: Session::resume_mux(socket, None), _folder: folder })
        }
        Ok(Ok(_)) => {
            // A jump host's ssh tells its trouble before ours loses the connection.
            let said = [std::fs::read(stderr).unwrap_or_default(), login::log(path)].concat();
            Err(login::explain(&said, options))
        }
    }
}

/// Logs in when it is this host's turn.
async fn connect(options: &SshOptions, shared: &Shared) -> Result<Master, String> {
    admitted(options, shared, |turn| open(options, &shared.limits, turn)).await
}

/// Sends `script` to `command` and collects what it prints.
async fn exchange(
    session: &Session,
    command: &str,
    script: &str,
    deadline: Duration,
) -> Result<Output, String> {
    let mut child = session
        .raw_command(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .await
        .map_err(|error| chain(&error))?;
    let (stdin, stdout, stderr) =
        (child.stdin().take(), child.stdout().take(), child.stderr().take());
    let mut heard = Heard::default();
    let talk = async {
        talk(stdin, stdout, stderr, script, &mut heard, || ()).await;
        child.wait().await
    };
    // The remote `timeout` comes first; this one is for a connection that hangs.
    let ended = tokio::time::timeout(deadline + Duration::from_secs(10), talk).await;
    let status = match ended {
        Ok(Ok(status)) => status.code(),
        _ => None,
    };
    Ok(Output { stdout: heard.out, stderr: tail(&heard.err), status })
}
