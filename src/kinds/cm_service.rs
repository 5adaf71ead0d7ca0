//! `cm.service`: a service of the cluster in Cloudera Manager: that it is there, and that it runs.
//!
//! A service that is added has its default role config groups and neither roles nor settings; those
//! are declared with `cm.role` and `cm.config`, which come after it. `state: started` or `stopped`
//! comes after those in turn: a new service gets its roles and settings first and is started then.
//! With `absent` a service that runs is stopped and removed; the manager refuses that while another
//! service names it. The name never changes; the type cannot.
//!
//! ```yaml
//! - name: A second Kafka
//!   cm.service:
//!     name: kafka-audit
//!     type: KAFKA
//!     display_name: Audit log
//!     state: started
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::shared::parts;
use super::{Guarded, Kind, Link, Unsettles, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity, MANAGEMENT_SERVICE};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Node, Value};

/// A service.
pub struct CmService;

/// A service of the cluster.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service's own name, which never changes.
    name: String,
    /// Its type, such as `KAFKA`; needed for `present`.
    #[serde(rename = "type")]
    service_type: Option<String>,
    /// The name that the console shows.
    display_name: Option<String>,
    /// Should it be there, and run?
    #[serde(default)]
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Present,
    Absent,
    Started,
    Stopped,
}

impl Args {
    fn entity(&self) -> Entity {
        Entity::Service(Arc::from(self.name.as_str()))
    }

    fn runs(&self) -> bool {
        matches!(self.state, State::Started | State::Stopped)
    }
}

impl Kind for CmService {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.service", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_service.rs");

    fn key(args: &Args) -> String {
        match args.runs() {
            true => format!("{} (state)", args.name),
            false => args.name.clone(),
        }
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if args.name.is_empty() || args.name.contains([' ', '/']) {
            let said = format!("`{}` cannot be the name of a service", args.name);
            problems.push(problem(&["name"], said, None));
        }
        let is_given = args.service_type.is_some() || args.display_name.is_some();
        match args.state {
            State::Absent if is_given => {
                let said = "`type` and `display_name` say nothing about a service that should not \
                            be there";
                problems.push(problem(&["state"], said, None));
            }
            State::Started | State::Stopped if is_given => {
                let said = "`display_name` goes with a `type`";
                problems.push(problem(&["display_name"], said, None));
            }
            State::Present if args.service_type.as_deref().unwrap_or_default().is_empty() => {
                let hint = "such as `KAFKA`";
                problems.push(problem(&["name"], "a service needs a `type`", Some(hint)));
            }
            _ => {}
        }
        if args.name == MANAGEMENT_SERVICE && !args.runs() {
            let said = "the Cloudera Management Service is always there; declare its `state` alone";
            problems.push(problem(&["name"], said, None));
        }
        problems
    }

    fn parts(node: &Node) -> Option<Vec<Node>> {
        parts::state_apart(node, &["started", "stopped"], "type", &["name"])
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Entity(args.entity())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        let live = reply.field("type");
        let mut delta = Delta::default();
        match args.state {
            State::Absent => delta.attributes.push(Attribute::gone("type", live)),
            State::Started | State::Stopped => {
                if live == Live::Absent {
                    return Delta::lacking(format!("there is no service `{}`", args.name));
                }
                let want = if args.state == State::Started { "started" } else { "stopped" };
                let live = running(reply.field("state"), want);
                delta.attributes.push(Attribute::new("state", live, Value::text(want)));
            }
            State::Present => {
                let wanted = args.service_type.as_deref().unwrap_or_default();
                if let Live::Known(Value::Text(found)) = &live
                    && &**found != wanted
                {
                    let said = format!(
                        "`{}` is a service of type {found}, and the type of a service cannot be \
                         changed",
                        args.name
                    );
                    return Delta::refused(said);
                }
                delta.attributes.push(Attribute::new("type", live, Value::text(wanted)));
                if let Some(shown) = &args.display_name {
                    let live = reply.field("display_name");
                    delta.attributes.push(Attribute::new("display_name", live, Value::text(shown)));
                }
            }
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let calls = match args.state {
            State::Started => vec![Call::Run(true)],
            State::Stopped => vec![Call::Run(false)],
            State::Absent => {
                let state = replies[0].text("state").ok().flatten().unwrap_or_default();
                let runs = !matches!(&*state, "STOPPED" | "NA");
                let stop = runs.then_some(Call::Run(false));
                stop.into_iter().chain([Call::RemoveService]).collect()
            }
            State::Present if differs("type") => {
                let kind = args.service_type.as_deref().unwrap_or_default();
                let shown = args.display_name.as_deref().unwrap_or(&args.name);
                vec![Call::AddService(Arc::from(kind), Arc::from(shown))]
            }
            State::Present => {
                let shown = args.display_name.as_deref().map(Arc::from);
                shown.map(Call::RenameService).into_iter().collect()
            }
        };
        calls.into_iter().map(|call| Action::Call(args.entity(), call)).collect()
    }

    fn needs(args: &Args) -> Vec<Link> {
        match args.runs() {
            // A service goes before the parcel it runs from does.
            false if args.state == State::Absent => Vec::new(),
            false => vec![Link::any("cm.parcel"), Link::any("cm.host")],
            true => vec![
                Link::new("cm.service", args.name.clone()),
                Link::of_service("cm.role", &args.name),
                Link::of_service("cm.role_group", &args.name),
                Link::of_service("cm.config", &args.name),
            ],
        }
    }

    fn unsettles(args: &Args) -> Option<Unsettles> {
        (!args.runs()).then(|| Unsettles::Service(Arc::from(args.name.as_str())))
    }

    fn guarded(args: &Args) -> Option<Guarded> {
        (!args.runs()).then_some(Guarded::Attribute("type"))
    }
}

/// Returns whether the service runs, in the words of the declaration. One without daemons (`NA`,
/// CM API) is as it should be either way.
fn running(live: Live, want: &str) -> Live {
    match live {
        Live::Known(Value::Text(word)) => match &*word {
            "NA" => Live::Known(Value::text(want)),
            "UNKNOWN" | "HISTORY_NOT_AVAILABLE" => {
                Live::Unknown("the manager does not know it itself".into())
            }
            word => Live::Known(Value::text(word.to_lowercase())),
        },
        live => live,
    }
}
