//! What can be typed. Holds no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::exit::Code;
use crate::lang::servers::RETRY_FOR;

/// Keep the two clusters of a disaster-recovery pair alike.
///
/// drsync reads an inventory that declares both sides, reads live state over SSH and REST, shows
/// the difference as a plan, and applies it in order.
///
/// Exit codes: 0 in sync or done, 1 failed, 2 differences found, 3 partly applied, 4 incomplete
/// view, 5 plan stale or wrong target, 6 lock held, 7 refused by window, limit or approval, 8
/// inventory invalid, 64 usage, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "drsync", version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the inventory without contacting anything
    Check(Part),
    /// Show what apply would do
    Plan(PlanOptions),
    /// Bring live state to what is declared
    Apply(ApplyOptions),
    /// Report live state that differs from the declaration; exits with 2 when some does
    Drift(Part),
    /// Draw what comes before what
    Graph(GraphOptions),
    /// Show the hosts of an inventory as Ansible sees them
    Hosts(HostsOptions),
    /// List the kinds of resources, or show the manual page of one
    Kinds {
        /// Show this kind
        kind: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of resource files, for editors
    Schema,
    /// Work with the simulated part of an inventory
    Sandbox {
        #[command(subcommand)]
        command: SandboxCommand,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Returns whether JSON was asked for, and the command's name.
    pub fn json(&self) -> (bool, &'static str) {
        match self {
            Command::Check(part) => (part.json, "check"),
            Command::Plan(options) => (options.part.json, "plan"),
            Command::Apply(options) => (options.part.json, "apply"),
            Command::Drift(part) => (part.json, "drift"),
            Command::Graph(options) => (options.part.json, "graph"),
            Command::Kinds { json, .. } => (*json, "kinds"),
            Command::Hosts(_) => (false, "hosts"),
            Command::Schema => (false, "schema"),
            Command::Sandbox { .. } => (false, "sandbox"),
            Command::Completions { .. } => (false, "completions"),
        }
    }
}

/// Which inventory, and which part of it.
#[derive(Debug, Clone, Args)]
pub struct Part {
    /// The inventory's folder; the only one below inventories/ when left out
    #[arg(short, long, env = "DRSYNC_INVENTORY", value_name = "DIR")]
    pub inventory: Option<PathBuf>,
    /// Only the part of the inventory that this playbook names
    #[arg(long, value_name = "FILE")]
    pub playbook: Option<PathBuf>,
    /// Only these sides
    #[arg(long = "side", value_name = "SIDE", value_delimiter = ',')]
    pub sides: Vec<String>,
    /// Only hosts that match this Ansible pattern; leaves managers out
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Only resources with one of these tags
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// No resources with one of these tags
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub skip_tags: Vec<String>,
    /// Only resources of these kinds
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print what every target cost
    #[arg(long)]
    pub timings: bool,
    /// Targets worked on at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub parallel: u16,
    /// Let what could not be read count as less than a failure
    #[arg(long)]
    pub allow_incomplete: bool,
    /// Take the host keys of hosts never seen before
    #[arg(long)]
    pub accept_new_host_keys: bool,
    /// Longest wait for a connection, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub connect_timeout: u64,
    /// Longest time one script may take on a host, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub command_timeout: u64,
    /// How long a manager that is not ready is asked again, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = RETRY_FOR, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub retry_for: u64,
}

#[derive(Debug, Args)]
pub struct PlanOptions {
    #[command(flatten)]
    pub part: Part,
    /// Save the plan, to be applied with `drsync apply FILE`
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 2 when something would change
    #[arg(long)]
    pub detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub struct ApplyOptions {
    /// A plan saved by `drsync plan -o`
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub part: Part,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// A change ticket, kept with the run and told to managers
    #[arg(long, value_name = "ID")]
    pub ticket: Option<String>,
    /// Apply outside of the declared change windows
    #[arg(long)]
    pub ignore_windows: bool,
}

#[derive(Debug, Args)]
pub struct GraphOptions {
    #[command(flatten)]
    pub part: Part,
    /// The language of the drawing
    #[arg(long, value_enum, default_value_t = Drawing::Dot)]
    pub format: Drawing,
    /// The same as --format dot
    #[arg(long, conflicts_with = "mermaid")]
    pub dot: bool,
    /// The same as --format mermaid
    #[arg(long)]
    pub mermaid: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Drawing {
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
}

#[derive(Debug, Args)]
pub struct HostsOptions {
    /// An inventory's folder or a hosts file
    pub path: Option<PathBuf>,
    /// The inventory's folder, where no PATH is given
    #[arg(short, long, env = "DRSYNC_INVENTORY", value_name = "DIR")]
    pub inventory: Option<PathBuf>,
    /// Print the JSON that `ansible-inventory --list` prints
    #[arg(long, conflicts_with = "graph")]
    pub list: bool,
    /// Print the tree that `ansible-inventory --graph` prints
    #[arg(long)]
    pub graph: bool,
}

#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Serve the simulated managers until stopped; prints one JSON line for each
    Serve {
        /// The inventory's folder
        #[arg(short, long, env = "DRSYNC_INVENTORY", value_name = "DIR")]
        inventory: Option<PathBuf>,
    },
    /// Forget everything done to the simulated managers and hosts
    Reset {
        /// The inventory's folder
        #[arg(short, long, env = "DRSYNC_INVENTORY", value_name = "DIR")]
        inventory: Option<PathBuf>,
    },
}

/// Prints what is wrong with the command line, or the help that was asked for.
pub fn complain(error: &clap::Error) -> Code {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        crate::view::talk(&text);
        return Code::Usage;
    }
    crate::view::out(&text);
    Code::Done
}
