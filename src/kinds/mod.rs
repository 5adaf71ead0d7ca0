//! Types of resources: one file per kind, all of them pure.
//!
//! A kind answers with data: what makes two declarations the same thing (`key`), what must be read
//! (`ask`), what differs (`diff`), what to do about it (`steps`) and what comes before it
//! (`needs`). It never does I/O, so every kind is tested by data alone.

mod cm_command;
mod cm_config;
mod cm_host;
mod cm_host_template;
mod cm_parcel;
mod cm_parcel_files;
mod cm_parcel_repository;
mod cm_peer;
mod cm_replication_schedule;
mod cm_restart;
mod cm_role;
mod cm_role_group;
mod cm_server;
mod cm_server_log;
mod cm_service;
mod cm_single_node;
mod cm_single_node_gate;
mod cm_user;
mod os_authorized_key;
mod os_block;
mod os_certificate;
mod os_command;
mod os_cron;
mod os_directory;
mod os_file;
mod os_group;
mod os_hostname;
mod os_hosts_entry;
mod os_ini;
mod os_kernel_arg;
mod os_kernel_module;
mod os_limits;
mod os_line;
mod os_link;
mod os_mount;
mod os_package;
mod os_properties;
mod os_script;
mod os_selinux;
mod os_service;
mod os_sudoers;
mod os_sysctl;
mod os_timezone;
mod os_transparent_hugepage;
mod os_tuned;
mod os_user;
mod os_xml_property;
mod registry;
mod shared;

use serde::de::DeserializeOwned;

use crate::model::change::Problem;
use crate::model::kind_info::KindInfo;
use crate::model::question::{Action, Question, Reply};
use crate::model::{Delta, Node};

pub use shared::cm_server::database;
pub use shared::host_name::{ask_name, own_name};

pub use registry::{AnyKind, Decoded, all, find, infos, of};

/// A type of resource.
pub trait Kind: Send + Sync + 'static {
    /// Its arguments; the doc comments of the fields are their manual.
    type Args: DeserializeOwned + schemars::JsonSchema + Send + Sync + 'static;

    /// Its name, where it lives, whether it takes files.
    const INFO: KindInfo;

    /// The source file: its `//!` lines are the manual page, with an example.
    const SOURCE: &'static str;

    /// Returns what tells an instance from others of its kind on one target.
    fn key(args: &Self::Args) -> String;

    /// Returns mistakes that show without looking at anything live.
    fn check(args: &Self::Args) -> Vec<Problem> {
        let _ = args;
        Vec::new()
    }

    /// Returns what is better written in another way, though it will do.
    fn advice(args: &Self::Args) -> Vec<Problem> {
        let _ = args;
        Vec::new()
    }

    /// Returns what must be read. The replies come back in the same order.
    fn ask(args: &Self::Args) -> Vec<Question>;

    /// Returns what of its host must be read besides, as the replies show. What comes back follows
    /// them.
    fn ask_further(args: &Self::Args, replies: &[Reply]) -> Vec<Question> {
        let _ = (args, replies);
        Vec::new()
    }

    /// Compares the declaration with the replies. Pure: equal inputs give an equal result.
    fn diff(args: &Self::Args, replies: &[Reply]) -> Delta;

    /// Returns the writes that bring about `delta`, in order.
    fn steps(args: &Self::Args, delta: &Delta, replies: &[Reply]) -> Vec<Action>;

    /// Returns what must come first, if it is declared for the same target.
    fn needs(args: &Self::Args) -> Vec<Link> {
        let _ = args;
        Vec::new()
    }

    /// Returns the arguments of several instances that one declaration stands for, because other
    /// things come between them; `None` for itself.
    fn parts(args: &Node) -> Option<Vec<Node>> {
        let _ = args;
        None
    }

    /// Returns what may run outdated configuration after a change of it.
    fn unsettles(args: &Self::Args) -> Option<Unsettles> {
        let _ = args;
        None
    }

    /// Returns what of it two servers of a manager must not work on together (requirements M2, M4
    /// and M8 to M11).
    fn guarded(args: &Self::Args) -> Option<Guarded> {
        let _ = args;
        None
    }

    /// Returns the hosts it names, by the names the manager must know.
    fn hosts(args: &Self::Args) -> Vec<String> {
        let _ = args;
        Vec::new()
    }

    /// Returns which file's content it decides. Whoever decides all of a file leaves nothing to
    /// others: the two would undo each other in every run.
    fn claims(args: &Self::Args) -> Option<Claim> {
        let _ = args;
        None
    }
}

/// What an instance decides of a file's content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// All of the file with this path.
    Whole(String),
    /// A part of it.
    Part(String),
}

impl Claim {
    /// Returns the file's path.
    pub fn path(&self) -> &str {
        match self {
            Claim::Whole(path) | Claim::Part(path) => path,
        }
    }
}

/// What of an instance two servers of a manager must not work on together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// Any change.
    Whole,
    /// A change of this attribute.
    Attribute(&'static str),
}

/// What of a manager may run outdated configuration after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsettles {
    /// A service, and what depends on it.
    Service(std::sync::Arc<str>),
    /// Every service.
    Cluster,
    /// Nobody can say what.
    Something,
}

/// Names an instance on the same target, or all of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// Its kind.
    pub kind: &'static str,
    /// Its key; `None` for every instance of the kind.
    pub key: Option<String>,
}

impl Link {
    /// Returns a link to `kind[key]`.
    pub fn new(kind: &'static str, key: impl Into<String>) -> Link {
        Link { kind, key: Some(key.into()) }
    }

    /// Returns a link to everything of `kind` that belongs to a service: what has the service's
    /// name as its key, or before a slash.
    pub fn of_service(kind: &'static str, service: &str) -> Link {
        Link { kind, key: Some(format!("{service}/")) }
    }

    /// Returns a link to every instance of `kind`.
    pub fn any(kind: &'static str) -> Link {
        Link { kind, key: None }
    }

    /// Returns the service that the instance with `key` belongs to, if it belongs to one: what
    /// stands before the first slash or space.
    pub fn service_of(key: &str) -> &str {
        key.split_once(['/', ' ']).map_or(key, |(service, _)| service)
    }

    /// True if it names the instance `kind[key]`.
    pub fn names(&self, kind: &str, key: &str) -> bool {
        let is_key = |wanted: &str| match wanted.strip_suffix('/') {
            Some(service) => Link::service_of(key) == service,
            None => wanted == key,
        };
        self.kind == kind && self.key.as_deref().is_none_or(is_key)
    }
}

/// Returns a problem with one argument.
fn problem(path: &[&str], summary: impl Into<String>, hint: Option<&str>) -> Problem {
    Problem {
        path: path.iter().map(|part| part.to_string()).collect(),
        summary: summary.into(),
        detail: None,
        hint: hint.map(String::from),
    }
}

/// Returns what follows from a manager's reply that tells nothing; `None` if it tells something.
fn unanswered(reply: &Reply) -> Option<Delta> {
    match reply {
        Reply::Unknown(reason) => Some(Delta::unknown(reason.to_string())),
        Reply::Missing(what, hint) => {
            let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            Some(Delta::lacking(format!("{what}{hint}")))
        }
        _ => None,
    }
}

/// Returns the links to the folders above `path`, and to what is mounted there.
fn folders_above(path: &str) -> Vec<Link> {
    std::path::Path::new(path)
        .ancestors()
        .skip(1)
        .map(|folder| folder.display().to_string())
        .filter(|folder| folder.len() > 1)
        .flat_map(|folder| [Link::new("os.mount", &folder), Link::new("os.directory", folder)])
        .collect()
}

/// Text a user wrote that may be secret, as an argument.
fn argument(node: &Node) -> Option<crate::model::question::Argument> {
    use crate::model::Data;
    use crate::model::question::Argument;
    match &node.data {
        Data::Secret(secret) => Some(Argument::Secret(secret.clone())),
        _ => node.as_text().map(Argument::plain),
    }
}
