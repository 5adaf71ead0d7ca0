//! Talking to a shell: the script goes in while its output comes out.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// More output than this is cut; the rest of the reply is then unknown.
const MOST_OUTPUT: u64 = 256 * 1024 * 1024;
/// More complaints than this are cut.
const MOST_ERRORS: u64 = 1 << 20;

/// What a shell printed so far; kept outside of the talk, so that a deadline loses nothing.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
}

/// Sends `script` and listens until both streams end; calls `answers` at the first output, or the
/// end without any.
pub(super) async fn talk(
    stdin: Option<impl AsyncWrite + Unpin>,
    stdout: Option<impl AsyncRead + Unpin>,
    stderr: Option<impl AsyncRead + Unpin>,
    script: &str,
    heard: &mut Heard,
    answers: impl FnOnce(),
) {
    let write = async {
        if let Some(mut stdin) = stdin {
            // A shell that ends early breaks the pipe; its output tells why.
            let _ = stdin.write_all(script.as_bytes()).await;
            let _ = stdin.shutdown().await;
        }
    };
    let read = async {
        if let Some(stdout) = stdout {
            let mut stdout = stdout.take(MOST_OUTPUT);
            let _ = stdout.read_buf(&mut heard.out).await;
            answers();
            let _ = stdout.read_to_end(&mut heard.out).await;
        }
    };
    let listen = async {
        if let Some(stderr) = stderr {
            let _ = stderr.take(MOST_ERRORS).read_to_end(&mut heard.err).await;
        }
    };
    tokio::join!(write, read, listen);
}

/// Joins an error and its causes, each said once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
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
