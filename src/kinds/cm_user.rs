//! `cm.user`: a user of Cloudera Manager, and what the user may do.
//!
//! Roles are those of the manager, such as `ROLE_ADMIN`, `ROLE_USER` (may read) or
//! `ROLE_CLUSTER_ADMIN`. The password is set when the user is added, and never again: nobody can
//! read whether it is still that one. Users of an external directory need no entry here.
//!
//! ```yaml
//! - name: Who reports drift at night
//!   cm.user:
//!     name: drsync-read
//!     roles: [ROLE_USER]
//!     password: "{{ drsync_read_password }}"
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::shared::names::set_of;
use super::shared::state::State;
use super::{Kind, argument, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Node, Secret};

/// A user of Cloudera Manager.
pub struct CmUser;

/// A user of Cloudera Manager.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The login name.
    name: String,
    /// The roles, such as `ROLE_USER`; needed unless the user should not be there.
    roles: Option<Vec<String>>,
    /// The password a new user gets.
    password: Option<Node>,
    /// Should there be this user?
    #[serde(default)]
    state: State,
}

impl Args {
    fn entity(&self) -> Entity {
        Entity::User(Arc::from(self.name.as_str()))
    }

    fn roles(&self) -> Vec<Arc<str>> {
        self.roles.iter().flatten().map(|role| Arc::from(role.as_str())).collect()
    }
}

impl Kind for CmUser {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.user", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_user.rs");

    fn key(args: &Args) -> String {
        args.name.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        // The manager trims names (CM API).
        if args.name.is_empty() || args.name.trim() != args.name || args.name.contains('/') {
            let said = format!("`{}` cannot be a login name", args.name);
            problems.push(problem(&["name"], said, None));
        }
        let roles = args.roles.as_deref().unwrap_or_default();
        if args.state == State::Present && roles.is_empty() {
            let hint = "such as `[ROLE_USER]`";
            problems.push(problem(&["name"], "a user needs `roles`", Some(hint)));
        }
        for role in roles.iter().filter(|role| !role.starts_with("ROLE_")) {
            let hint = format!("did you mean `ROLE_{}`?", role.to_uppercase());
            problems.push(problem(&["roles"], format!("`{role}` is no role"), Some(&hint)));
        }
        if args.state == State::Absent && (args.roles.is_some() || args.password.is_some()) {
            let said = "`roles` and `password` say nothing about a user that should not be there";
            problems.push(problem(&["state"], said, None));
        }
        if args.password.as_ref().is_some_and(|node| argument(node).is_none()) {
            problems.push(problem(&["password"], "`password` must be text", None));
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
        let live = match reply.field("roles") {
            Live::Known(roles) => {
                let roles = roles.to_string();
                Live::Known(set_of(roles.split(' ').filter(|role| !role.is_empty())))
            }
            other => other,
        };
        if args.state == State::Absent {
            let gone = Attribute::gone("roles", live);
            return Delta { attributes: vec![gone], ..Delta::default() };
        }
        if live == Live::Absent && args.password.is_none() {
            let said = format!("there is no user `{}`, and no `password` for a new one", args.name);
            return Delta::refused(said);
        }
        let want = set_of(args.roles.iter().flatten().map(String::as_str));
        Delta { attributes: vec![Attribute::new("roles", live, want)], ..Delta::default() }
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let is_new = replies[0].field("roles") == Live::Absent;
        let password = args.password.as_ref().and_then(argument);
        let call = match (args.state, is_new, password) {
            (State::Absent, ..) => Call::RemoveUser,
            (_, true, Some(password)) => {
                Call::AddUser(Secret::new(password.reveal().to_string()), args.roles())
            }
            _ => Call::SetUserRoles(args.roles()),
        };
        vec![Action::Call(args.entity(), call)]
    }
}
