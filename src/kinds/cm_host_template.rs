//! `cm.host_template`: a host template of the cluster in Cloudera Manager.
//!
//! A template is a set of role config groups, one at most of each role type; applied to a host that
//! joins the cluster it gives the host roles of those groups. It does nothing by itself.
//!
//! ```yaml
//! - name: What a worker runs
//!   cm.host_template:
//!     name: worker
//!     role_groups: [hdfs-DATANODE-BASE, yarn-NODEMANAGER-BASE]
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::shared::names::set_of;
use super::shared::state::State;
use super::{Kind, Link, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live};

/// A host template.
pub struct CmHostTemplate;

/// A host template of the cluster.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its name.
    name: String,
    /// Its role config groups by name; needed unless it should not be there.
    role_groups: Option<Vec<String>>,
    /// Should it be there?
    #[serde(default)]
    state: State,
}

impl Args {
    fn entity(&self) -> Entity {
        Entity::HostTemplate(Arc::from(self.name.as_str()))
    }
}

impl Kind for CmHostTemplate {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "cm.host_template", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_host_template.rs");

    fn key(args: &Args) -> String {
        args.name.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if args.name.is_empty() {
            problems.push(problem(&["name"], "the name of the template is empty", None));
        }
        match (args.state, &args.role_groups) {
            (State::Present, None) => {
                problems.push(problem(&["name"], "a template needs `role_groups`", None));
            }
            (State::Absent, Some(_)) => {
                let said = "`role_groups` say nothing about a template that should not be there";
                problems.push(problem(&["role_groups"], said, None));
            }
            _ => {}
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Entity(args.entity())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        let live = match reply.field("name") {
            Live::Known(_) => Live::Known(set_of(reply.texts("group/").map(|(_, group)| group))),
            other => other,
        };
        let attribute = match args.state {
            State::Absent => Attribute::gone("role_groups", live),
            State::Present => {
                let want = set_of(args.role_groups.iter().flatten().map(String::as_str));
                Attribute::new("role_groups", live, want)
            }
        };
        Delta { attributes: vec![attribute], ..Delta::default() }
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let is_new = replies[0].field("name") == Live::Absent;
        let groups = args.role_groups.iter().flatten().map(|group| Arc::from(group.as_str()));
        let call = match args.state {
            State::Absent => Call::RemoveTemplate,
            State::Present => Call::SetTemplate(is_new, groups.collect()),
        };
        vec![Action::Call(args.entity(), call)]
    }

    fn needs(_: &Args) -> Vec<Link> {
        vec![Link::any("cm.host"), Link::any("cm.role_group"), Link::any("cm.service")]
    }
}
