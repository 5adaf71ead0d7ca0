//! The way to a host through the operator's own `ssh`: the only file that names its library.
//!
//! One master connection per host and one channel per script. Logins are spread out where an sshd
//! would refuse many at once (`MaxStartups` 10:30:100, sshd_config(5)).

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openssh::{Session, Stdio};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::{OnceCell, Semaphore};

use super::host::Shared;
use super::local::{Output, tail};
use super::talk::{Heard, chain, talk};
use super::{Limits, retry, ssh_config};
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
        let socket = self.0.path().join("socket");
        if socket.exists() {
            let mut ssh = std::process::Command::new("ssh");
            ssh.args(["-q", "-F", "none", "-O", "exit", "-S"]).arg(socket).arg("master");
            ssh.stdin(null()).stdout(null()).stderr(null());
            // It may have ended in between.
            let _ = ssh.status();
        }
    }
}

/// Logs in, and tries again where an sshd lets only so many in at once.
async fn connect(options: &SshOptions, shared: &Shared) -> Result<Master, String> {
    let jump = shared.jumps.of(options);
    let _permit = match &jump {
        Some(jump) => jump.acquire().await.ok(),
        None => None,
    };
    let mut pauses = retry::Pauses::new(shared.limits.connect);
    let (begun, mut queue) = (Instant::now(), None);
    loop {
        let login = shared.logins.acquire().await;
        let opened = open(options, &shared.limits).await;
        drop(login);
        let said = match opened {
            Ok(master) => return Ok(master),
            Err(said) if is_crowded(&said) => said,
            Err(said) => return Err(said),
        };
        let queue = queue.get_or_insert_with(|| shared.crowd.join());
        match pauses.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            // One that is always turned away is not welcome; many at once only have to wait.
            None if queue.is_long() && begun.elapsed() < LONGEST_QUEUE => {
                pauses = retry::Pauses::new(shared.limits.connect);
            }
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

/// Starts a master, which goes into the background once the login is done.
///
/// The library would start it too, but lets go of an ssh that hangs in its login.
async fn open(options: &SshOptions, limits: &Limits) -> Result<Master, String> {
    let folder = tempfile::Builder::new().prefix("c").tempdir_in(&limits.runtime);
    let folder = Folder(folder.map_err(|error| format!("cannot keep a control socket: {error}"))?);
    let deadline = limits.connect + Duration::from_secs(5);
    let mut login = login(options, limits, folder.0.path()).map_err(|error| error.to_string())?;
    match tokio::time::timeout(deadline, login.status()).await {
        Err(_) => Err(format!("no login within {} s", deadline.as_secs())),
        Ok(Err(error)) => Err(format!("cannot start `ssh`: {error}")),
        Ok(Ok(status)) if status.success() => {
            let socket = folder.0.path().join("socket").into_boxed_path();
            Ok(Master { session: Session::resume_mux(socket, None), _folder: folder })
        }
        Ok(Ok(_)) => {
            let read = |name| std::fs::read(folder.0.path().join(name)).unwrap_or_default();
            // A jump host's ssh tells its trouble before ours loses the connection.
            let said = [read("stderr"), read("log")].concat();
            Err(explain(&String::from_utf8_lossy(&said), options))
        }
    }
}

fn null() -> std::process::Stdio {
    std::process::Stdio::null()
}

/// Prepares the call of ssh; what it needs and what it says is in `folder`.
fn login(options: &SshOptions, limits: &Limits, folder: &Path) -> std::io::Result<Command> {
    let config = folder.join("config");
    std::fs::write(&config, ssh_config::text(options, limits.home.as_deref()))?;
    let check = match ssh_config::value(options, "StrictHostKeyChecking").as_deref() {
        Some("no" | "off") => "no",
        Some("accept-new") => "accept-new",
        _ if limits.accept_new_host_keys => "accept-new",
        _ => "yes",
    };
    let mut ssh = Command::new("ssh");
    ssh.arg("-MNf").arg("-S").arg(folder.join("socket"));
    ssh.arg("-E").arg(folder.join("log")).arg("-F").arg(config);
    ssh.args(["-o", "BatchMode=yes", "-o", "ControlPersist=60"]);
    ssh.args(["-o", &format!("StrictHostKeyChecking={check}")]);
    ssh.args(["-o", &format!("ConnectTimeout={}", limits.connect.as_secs())]);
    options.user.iter().for_each(|user| _ = ssh.args(["-l", user]));
    options.port.iter().for_each(|port| _ = ssh.args(["-p", &port.to_string()]));
    options.key.iter().for_each(|key| _ = ssh.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(key));
    ssh.args(["--", &options.host]);
    ssh.stdin(null()).stdout(null()).stderr(std::fs::File::create(folder.join("stderr"))?);
    ssh.kill_on_drop(true);
    Ok(ssh)
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
        talk(stdin, stdout, stderr, script, &mut heard).await;
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

/// Says why a login failed, and what to do about it.
fn explain(said: &str, options: &SshOptions) -> String {
    if said.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        let host = between(said, "Host key for ", " has changed").unwrap_or(&options.host);
        return format!(
            "the host key of {host} is not the one in known_hosts: find out why, then remove the \
             old one with `ssh-keygen -R '{host}'`"
        );
    }
    if said.contains("Host key verification failed") || said.contains("host key is known") {
        let host = between(said, "host key is known for ", " and ").unwrap_or(&options.host);
        return format!(
            "the host key of {host} is not known: log in once by hand, or use \
             --accept-new-host-keys"
        );
    }
    if said.contains("Permission denied") {
        let user = options.user.as_deref().map_or(String::new(), |user| format!(" for `{user}`"));
        return format!("ssh login refused{user}: {}", last_lines(said));
    }
    match last_lines(said) {
        words if words.is_empty() => "ssh ended without a word".into(),
        words => format!("ssh: {}", words.trim_start_matches("ssh: ")),
    }
}

/// Returns what stands between two texts: the name ssh looked up, with its port, if it was a jump
/// host's too.
fn between<'a>(said: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(said.split_once(before)?.1.split_once(after)?.0)
}

fn last_lines(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let kept: Vec<&str> = lines.collect();
    kept[kept.len().saturating_sub(2)..].join(" ")
}
