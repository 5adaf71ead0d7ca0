//! `cm.command`: a command of Cloudera Manager that is run until what it should bring about is there.
//!
//! `name` is the last part of the command's path in the API, such as `generateCmca`. It is run by
//! the manager; with `scope: cluster` on the cluster of the side, with `service` or `host` on one
//! of these, with `scope: control_planes` on Data Services on premises (`control_plane` for one that
//! is there already). `arguments` is what the API takes as its body; secrets in it stay hidden.
//!
//! `done` is the side that looks, and must change nothing: the document at the path `get` below the
//! API version (`{cluster}` stands for the cluster of the side), in it the member `at`, and the value
//! it has (`is`) or whether there is one (`exists`) once there is nothing left to do. Members are
//! joined by dots; `items[name=hdfs]` takes an item of a list by one of its members, `items[0]` by its
//! number. A document that is not there has no members; one that cannot be read is unknown.
//!
//! The command is followed by its id to its end, with all it starts; one that runs already is
//! followed instead of being begun again. Then `done` must hold. Order it with `requires` and
//! `before`. On a manager with two servers, wizards (`hostInstall`, `importClusterTemplate`,
//! `firstRun`, upgrades, Data Services) are worked on by one of them alone. Commands that work with
//! files (`generateCmca`, `addCustomCerts`, `updateGlobalTruststore`, `generateHostCerts`,
//! `collectDiagnosticData`) are not run again by the same run when the manager fails over meanwhile:
//! the files stay behind on the other server, so look first, and apply again by hand.
//!
//! `done` must last: what is there today and gone tomorrow, such as a service that runs, has the
//! command run again. What comes after `importClusterTemplate` finds the new cluster in the next run.
//!
//! ```yaml
//! - name: A certificate authority of the manager's own
//!   cm.command:
//!     name: generateCmca
//!     arguments:
//!       customCA: false
//!       configureAllServices: true
//!       userName: root
//!       password: "{{ installer_password }}"
//!     done: { get: /cm/config, at: "items[name=WEB_TLS].value", is: true }
//! - name: Data Services on premises
//!   cm.command:
//!     name: installEmbeddedControlPlane
//!     scope: control_planes
//!     arguments: { remoteRepoUrl: "https://archive.cloudera.com/p/cdp-pvc-ds/1.5.4/" }
//!     done: { get: /controlPlanes, at: "items[0]", exists: true }
//! - name: The agent is installed on the new worker
//!   cm.command:
//!     name: hostInstall
//!     label: worker-05
//!     arguments: { hostNames: [worker-05.example.com], userName: root }
//!     done: { get: /hosts, at: "items[hostname=worker-05.example.com]", exists: true }
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::shared::{cm_command, edit, shell};
use super::{Guarded, Kind, Link, Unsettles, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, CommandScope, Entity, Look, Order, Wish};
use crate::model::member;
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Data, Delta, Live, Node, Value};

/// A command of Cloudera Manager.
pub struct CmCommand;

/// A command of Cloudera Manager that is run until what it should bring about is there.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The last part of the command's path in the API, such as `generateCmca`.
    name: String,
    /// What tells it from another use of the same command.
    label: Option<String>,
    /// Where it is run, if not by the manager.
    scope: Option<Scope>,
    /// The service it is run on; `mgmt` is the Cloudera Management Service.
    service: Option<String>,
    /// The host it is run on, by the name the manager knows.
    host: Option<String>,
    /// The uuid of the Data Services it is run on.
    control_plane: Option<String>,
    /// What the API takes as its body.
    arguments: Option<Node>,
    /// How it is seen that there is nothing to do.
    done: Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Scope {
    Manager,
    Cluster,
    ControlPlanes,
}

/// A member of a document of the manager, and what it should be.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Done {
    /// Path of the document below the API version; `{cluster}` stands for the cluster of the side.
    get: String,
    /// The member, such as `items[name=hdfs].serviceState`; the whole document when left out.
    #[serde(default)]
    at: String,
    /// Its value once there is nothing to do.
    is: Option<Node>,
    /// Whether there is such a member then.
    exists: Option<bool>,
}

impl Done {
    fn look(&self) -> Look {
        Look { path: Arc::from(self.get.as_str()), at: Arc::from(self.at.as_str()) }
    }

    /// Returns the wish; `None` where there is not exactly one.
    fn wish(&self) -> Option<Wish> {
        match (&self.is, self.exists) {
            (Some(node), None) => Some(Wish::Is(Arc::from(plain(node)?))),
            (None, Some(is_there)) => Some(Wish::Exists(is_there)),
            _ => None,
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '{' | '}' | '#');
        let path = self.get.replace("{cluster}", "c");
        if !path.starts_with('/') || path.contains(is_odd) || path.contains("..") {
            let said = format!("`{}` is no path below the API version", self.get);
            let hint = "such as `/cm/config` or `/clusters/{cluster}/services`";
            problems.push(problem(&["done", "get"], said, Some(hint)));
        }
        if let Some(said) = member::objection(&self.at) {
            let hint = "such as `items[name=hdfs].serviceState`";
            problems.push(problem(&["done", "at"], said, Some(hint)));
        }
        if self.wish().is_none() {
            let said = "`done` needs either `is` with one plain value, or `exists`";
            problems.push(problem(&["done"], said, None));
        }
        problems
    }
}

/// Returns one value as the manager writes it.
fn plain(node: &Node) -> Option<String> {
    match &node.data {
        Data::Bool(value, _) => Some(value.to_string()),
        _ => node.as_text().map(String::from),
    }
}

impl Args {
    /// Returns where it is run; `None` where several places are named.
    fn place(&self) -> Option<CommandScope> {
        let text = |text: &String| Arc::from(text.as_str());
        match (self.scope, &self.service, &self.host, &self.control_plane) {
            (None | Some(Scope::Manager), None, None, None) => Some(CommandScope::Manager),
            (Some(Scope::Cluster), None, None, None) => Some(CommandScope::Cluster),
            (None, Some(service), None, None) => Some(CommandScope::Service(text(service))),
            (None, None, Some(host), None) => Some(CommandScope::Host(text(host))),
            (None | Some(Scope::ControlPlanes), None, None, id) => {
                Some(CommandScope::ControlPlanes(id.as_ref().map(text)))
            }
            _ => None,
        }
    }

    fn is_file_bound(&self) -> bool {
        self.place().is_some_and(|place| cm_command::is_file_bound(&place, &self.name))
    }
}

impl Kind for CmCommand {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.command", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_command.rs");

    fn key(args: &Args) -> String {
        let name = match (args.place(), &args.service, &args.host) {
            (_, Some(owner), _) | (_, _, Some(owner)) => format!("{owner}/{}", args.name),
            (Some(CommandScope::Cluster), ..) => format!("cluster/{}", args.name),
            (Some(CommandScope::ControlPlanes(_)), ..) => format!("control_planes/{}", args.name),
            _ => args.name.clone(),
        };
        match &args.label {
            Some(label) => format!("{name} ({})", edit::key_part(label)),
            None => name,
        }
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if args.name.is_empty() || !args.name.chars().all(|c| c.is_ascii_alphanumeric()) {
            let said = format!("`{}` is not the name of a command", args.name);
            let hint = "the last part of its path in the API, such as `generateCmca`";
            problems.push(problem(&["name"], said, Some(hint)));
        }
        if args.place().is_none() {
            let hint = "name one: `scope`, `service`, `host`, or `control_plane`";
            problems.push(problem(&[], "these keys name no one place to run it", Some(hint)));
        }
        if args.arguments.as_ref().is_some_and(|node| node.as_map().is_none()) {
            problems.push(problem(&["arguments"], "`arguments` must be a mapping", None));
        }
        problems.extend(args.done.problems());
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Entity(Entity::Member(args.done.look()))]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        let live = reply.field("value");
        let name = match args.done.at.as_str() {
            "" => args.done.get.clone(),
            at => at.to_string(),
        };
        let there = || Value::text("there");
        let is_there = |live: Live| match live {
            Live::Known(_) => Live::Known(there()),
            live => live,
        };
        let is_whole = matches!(reply.text("is_whole"), Ok(Some(_)));
        let attribute = match args.done.wish() {
            Some(Wish::Is(_)) if is_whole => {
                return Delta::unknown(format!("{name} is no plain value: name a member of it"));
            }
            Some(Wish::Is(value)) => Attribute::new(name, live, Value::text(value)),
            Some(Wish::Exists(true)) => Attribute::new(name, is_there(live), there()),
            Some(Wish::Exists(false)) | None => Attribute::gone(name, is_there(live)),
        };
        let note = args.is_file_bound() && attribute.differs;
        let note =
            note.then(|| "works with files of one server: not to be interrupted".to_string());
        Delta { attributes: vec![attribute.noted(note)], ..Delta::default() }
    }

    fn steps(args: &Args, _: &Delta, _: &[Reply]) -> Vec<Action> {
        let (Some(place), Some(wish)) = (args.place(), args.done.wish()) else {
            return Vec::new();
        };
        let order = Order {
            arguments: args.arguments.as_ref().map(shell::json_text),
            done: args.done.look(),
            wish,
            is_file_bound: args.is_file_bound(),
        };
        let entity = Entity::Command(place, Arc::from(args.name.as_str()));
        vec![Action::Call(entity, Call::Command(Arc::new(order)))]
    }

    fn needs(args: &Args) -> Vec<Link> {
        match args.place() {
            Some(CommandScope::Service(service)) => {
                ["cm.service", "cm.role", "cm.role_group", "cm.config"]
                    .map(|kind| match kind {
                        // Its running state may be what the command is for.
                        "cm.service" => Link::new(kind, &*service),
                        kind => Link::of_service(kind, &service),
                    })
                    .into()
            }
            Some(CommandScope::Host(host)) => vec![Link::new("cm.host", &*host)],
            _ => Vec::new(),
        }
    }

    fn unsettles(args: &Args) -> Option<Unsettles> {
        match args.place()? {
            CommandScope::Service(service) => Some(Unsettles::Service(service)),
            CommandScope::ControlPlanes(_) => None,
            _ => Some(Unsettles::Something),
        }
    }

    fn guarded(args: &Args) -> Option<Guarded> {
        cm_command::is_wizard(&args.place()?, &args.name).then_some(Guarded::Whole)
    }
}
