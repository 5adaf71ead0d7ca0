//! Runs drsync and turns its end into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(drsync::cli::run() as u8)
}
