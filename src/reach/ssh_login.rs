//! The call of the operator's own `ssh`, and what it says when a login fails.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::{Limits, ssh_config};
use crate::model::connection::SshOptions;

/// Name of the control socket in a login's folder. It is there once the login is done.
pub const SOCKET: &str = "socket";

/// Makes the folder of one login: for what ssh needs, and for what it says.
pub fn folder(limits: &Limits) -> Result<TempDir, String> {
    let folder = tempfile::Builder::new().prefix("c").tempdir_in(&limits.runtime);
    folder.map_err(|error| format!("cannot keep a control socket: {error}"))
}

/// Prepares a call of ssh with `flags`; a command for the host may follow.
///
/// Errors: why `folder` cannot be written to.
pub fn command(
    options: &SshOptions,
    limits: &Limits,
    folder: &Path,
    flags: &[&str],
) -> Result<Command, String> {
    let config = folder.join("config");
    std::fs::write(&config, ssh_config::text(options, limits.home.as_deref()))
        .map_err(|error| format!("cannot write `{}`: {error}", config.display()))?;
    let check = match ssh_config::value(options, "StrictHostKeyChecking").as_deref() {
        Some("no" | "off") => "no",
        Some("accept-new") => "accept-new",
        _ if limits.accept_new_host_keys => "accept-new",
        _ => "yes",
    };
    let mut ssh = Command::new("ssh");
    ssh.args(flags).arg("-S").arg(folder.join(SOCKET));
    ssh.arg("-E").arg(folder.join("log")).arg("-F").arg(config);
    ssh.args(["-o", "BatchMode=yes"]);
    // Where the user's language is sent along, sudo would complain in it.
    ssh.env("LC_ALL", "C").env_remove("LANGUAGE");
    ssh.args(["-o", &format!("StrictHostKeyChecking={check}")]);
    ssh.args(["-o", &format!("ConnectTimeout={}", limits.connect.as_secs())]);
    options.user.iter().for_each(|user| _ = ssh.args(["-l", user]));
    options.port.iter().for_each(|port| _ = ssh.args(["-p", &port.to_string()]));
    options.key.iter().for_each(|key| _ = ssh.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(key));
    ssh.args(["--", &options.host]);
    ssh.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    Ok(ssh)
}

/// Returns what ssh itself said, in its log and not through the host.
pub fn log(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("log")).unwrap_or_default()
}

/// Returns how long a login may take: ssh minds the time only until the host answers.
pub fn deadline(limits: &Limits) -> Duration {
    limits.connect + Duration::from_secs(5)
}

/// Says that a login took longer than its [`deadline`].
pub fn late(limits: &Limits) -> String {
    format!("no login within {} s", deadline(limits).as_secs())
}

/// Says why a login failed, and what to do about it.
pub fn explain(said: &[u8], options: &SshOptions) -> String {
    let said = &*String::from_utf8_lossy(said);
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
