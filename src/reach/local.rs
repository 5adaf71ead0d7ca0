//! Runs a script in a local `sh`: for this machine itself, and for directories that stand for
//! hosts.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::talk::{Heard, talk};

/// What a script printed and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// The end of standard error.
    pub stderr: String,
    /// Exit status; `None` when a signal or the deadline ended it.
    pub status: Option<i32>,
}

/// Runs `script` in `program` with `environment` added, and waits until `deadline` at the most.
///
/// Errors: why nothing could be run.
pub async fn run(
    program: &[String],
    environment: &[(String, String)],
    script: &str,
    deadline: Duration,
) -> Result<Output, String> {
    let (name, arguments) = program.split_first().ok_or("no program to run")?;
    let mut child = Command::new(name)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot start `{name}`: {error}"))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut heard = Heard::default();
    let talk = async {
        talk(stdin, stdout, stderr, script, &mut heard, || ()).await;
        child.wait().await
    };
    let ended = tokio::time::timeout(deadline, talk).await;
    let status = match ended {
        Ok(Ok(status)) => status.code(),
        _ => None,
    };
    Ok(Output { stdout: heard.out, stderr: tail(&heard.err), status })
}

/// Returns the end of what was printed, for a message.
pub fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    let start = text.len().saturating_sub(400);
    let start = (start..text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    text[start..].to_string()
}
