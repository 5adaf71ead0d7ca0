//! Words on the command line → one function per command.

mod apply;
mod arguments;
mod check;
mod drift;
mod exit;
mod graph;
mod hosts;
mod kinds;
mod load;
mod outside;
mod plan;
mod sandbox;
mod schema;
mod world;

use clap::{CommandFactory, Parser};

pub use exit::Code;

use arguments::{Arguments, Command};

/// Reads the command line, runs the command and returns the exit code.
pub fn run() -> Code {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return arguments::complain(&error),
    };
    let result = match &arguments.command {
        Command::Check(part) => check::run(part),
        Command::Plan(options) => plan::run(options),
        Command::Apply(options) => apply::run(options),
        Command::Drift(part) => drift::run(part),
        Command::Graph(options) => graph::run(options),
        Command::Hosts(options) => hosts::run(options),
        Command::Kinds { kind, json } => kinds::run(kind.as_deref(), *json),
        Command::Schema => schema::run(),
        Command::Sandbox { command } => sandbox::run(command),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "drsync", &mut text);
            crate::view::out(&String::from_utf8_lossy(&text));
            Ok(Code::Done)
        }
    };
    let (json, command) = arguments.command.json();
    result.unwrap_or_else(|fault| fault.with_json(json, command).tell())
}
