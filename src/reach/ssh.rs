//! The way to a host through the operator's own `ssh`: the only file that names its library.
//!
//! One master connection per host and one channel per script. Logins are spread out where an sshd
//! would refuse many at once (`MaxStartups` 10:30:100, sshd_config(5)).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openssh::{ControlPersist, Error, KnownHosts, Session, SessionBuilder, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OnceCell, Semaphore};

use super::host::Shared;
use super::local::{MOST_OUTPUT, Output, tail};
use super::{retry, ssh_config};
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
pub struct Link(OnceCell<Result<Session, String>>);

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
        let session = self.0.get_or_init(|| connect(options, shared)).await;
        let connected = before.elapsed();
        let session = session.as_ref().map_err(Clone::clone)?;
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
        if let Some(Ok(session)) = self.0.into_inner() {
            // The connection may be gone already; then there is nothing left to close.
            let _ = tokio::time::timeout(Duration::from_secs(5), session.close()).await;
        }
    }
}

async fn connect(options: &SshOptions, shared: &Shared) -> Result<Session, String> {
    let jump = shared.jumps.of(options);
    let _permit = match &jump {
        Some(jump) => jump.acquire().await.ok(),
        None => None,
    };
    let mut pauses = retry::Pauses::new(shared.limits.connect);
    loop {
        match open(options, shared).await {
            Ok(session) => return Ok(session),
            Err(error) => {
                let said = explain(&error, options);
                match pauses.next().filter(|_| is_crowded(&said)) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(said),
                }
            }
        }
    }
}

/// True when an sshd turned the login away because of too many others (`MaxStartups`).
fn is_crowded(said: &str) -> bool {
    said.contains("kex_exchange_identification") || said.contains("Connection reset by peer")
}

async fn open(options: &SshOptions, shared: &Shared) -> Result<Session, Error> {
    let limits = &shared.limits;
    let text = ssh_config::text(options, limits.home.as_deref());
    let name = format!("c{}", &crate::model::digest::sha256(text.as_bytes())[..8]);
    let config = limits.runtime.join(name);
    std::fs::write(&config, text).map_err(Error::Master)?;
    let check = match ssh_config::value(options, "StrictHostKeyChecking").as_deref() {
        Some("no" | "off") => KnownHosts::Accept,
        Some("accept-new") => KnownHosts::Add,
        _ if limits.accept_new_host_keys => KnownHosts::Add,
        _ => KnownHosts::Strict,
    };
    let mut builder = SessionBuilder::default();
    builder
        .known_hosts_check(check)
        .connect_timeout(limits.connect)
        .control_directory(&limits.runtime)
        .control_persist(ControlPersist::IdleFor(
            std::num::NonZeroUsize::new(60).unwrap_or(std::num::NonZeroUsize::MIN),
        ))
        .config_file(&config);
    options.user.iter().for_each(|user| {
        builder.user(user.clone());
    });
    options.port.iter().for_each(|port| {
        builder.port(*port);
    });
    options.key.iter().for_each(|key| {
        builder.keyfile(key);
    });
    let deadline = limits.connect + Duration::from_secs(5);
    match tokio::time::timeout(deadline, builder.connect_mux(&options.host)).await {
        Ok(connected) => connected,
        Err(_) => Err(Error::Connect(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no login within {} s", deadline.as_secs()),
        ))),
    }
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
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let talk = async {
        let write = async {
            if let Some(mut stdin) = stdin {
                // A shell that ends early breaks the pipe; its output tells why.
                let _ = stdin.write_all(script.as_bytes()).await;
                let _ = stdin.shutdown().await;
            }
        };
        let read = async {
            if let Some(stdout) = stdout {
                let _ = stdout.take(MOST_OUTPUT).read_to_end(&mut out).await;
            }
        };
        let listen = async {
            if let Some(stderr) = stderr {
                let _ = stderr.take(1 << 20).read_to_end(&mut err).await;
            }
        };
        tokio::join!(write, read, listen);
        child.wait().await
    };
    // The remote `timeout` comes first; this one is for a connection that hangs.
    let ended = tokio::time::timeout(deadline + Duration::from_secs(10), talk).await;
    let status = match ended {
        Ok(Ok(status)) => status.code(),
        _ => None,
    };
    Ok(Output { stdout: out, stderr: tail(&err), status })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        source = cause.source();
    }
    said
}

/// Says why a login failed, and what to do about it.
fn explain(error: &Error, options: &SshOptions) -> String {
    let said = chain(error);
    let host = &options.host;
    if said.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return format!(
            "the host key of {host} is not the one in known_hosts: find out why, then remove the \
             old one with `ssh-keygen -R {host}`"
        );
    }
    if said.contains("Host key verification failed") || said.contains("host key is known") {
        return format!(
            "the host key of {host} is not known: log in once by hand, or use \
             --accept-new-host-keys"
        );
    }
    if said.contains("Permission denied") {
        let user = options.user.as_deref().map_or(String::new(), |user| format!(" for `{user}`"));
        return format!("ssh login refused{user}: {}", last_line(&said));
    }
    format!("ssh: {}", last_line(&said))
}

fn last_line(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let kept: Vec<&str> = lines.collect();
    kept.iter().rev().take(2).rev().copied().collect::<Vec<_>>().join(" ")
}
