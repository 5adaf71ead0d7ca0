//! `cm.parcel_repository`: an address from which Cloudera Manager takes parcels.
//!
//! The address is one entry of the manager's list (`REMOTE_PARCEL_REPO_URLS`); other entries stay.
//! After a change the manager is told to look what is offered there, and is waited for. A slash at
//! the end does not count.
//!
//! ```yaml
//! - name: Where CDH comes from
//!   cm.parcel_repository:
//!     url: https://archive.cloudera.com/p/cdh7/7.1.9/parcels/
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::shared::state::State;
use super::{Guarded, Kind, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Value};

/// A parcel repository.
pub struct CmParcelRepository;

/// An address from which Cloudera Manager takes parcels.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The address; may hold `{latest_supported}`.
    url: String,
    /// Should the manager take parcels from there?
    #[serde(default)]
    state: State,
}

impl Kind for CmParcelRepository {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "cm.parcel_repository", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_parcel_repository.rs");

    fn key(args: &Args) -> String {
        plain(&args.url).to_string()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let url = args.url.as_str();
        let is_url = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        let hint = "such as `https://archive.cloudera.com/p/cdh7/7.1.9/parcels/`";
        let said = match url {
            _ if !is_url => "is no http or https address",
            _ if url.contains([',', ' ', '\t', '\n']) => "holds a comma or a blank",
            _ if url.contains('@') => "holds a login; Cloudera Manager would show it to everybody",
            _ => return Vec::new(),
        };
        vec![problem(&["url"], format!("`{url}` {said}"), Some(hint))]
    }

    fn ask(_: &Args) -> Vec<Question> {
        vec![Question::Entity(Entity::Repositories)]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        let found = urls(reply).find(|url| is_same(url, &args.url));
        let live = found.map_or(Live::Absent, |url| Live::Known(Value::text(plain(url))));
        let attribute = match args.state {
            State::Present => Attribute::new("url", live, Value::text(plain(&args.url))),
            State::Absent => Attribute::gone("url", live),
        };
        let mut delta = Delta { attributes: vec![attribute], ..Delta::default() };
        if reply.text("looked_into").ok().flatten().as_deref() == Some("no") {
            let live = Live::Known(Value::text("no"));
            delta.attributes.push(Attribute::new("looked into", live, Value::text("yes")));
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        if delta.differing().all(|attribute| attribute.name != "url") {
            return vec![Action::Call(Entity::Repositories, Call::RefreshRepositories)];
        }
        let others = urls(&replies[0]).filter(|url| !is_same(url, &args.url));
        let mut all: Vec<Arc<str>> = others.map(Arc::from).collect();
        if args.state == State::Present {
            all.push(Arc::from(args.url.as_str()));
        }
        vec![Action::Call(Entity::Repositories, Call::SetRepositories(all))]
    }

    fn guarded(_: &Args) -> Option<Guarded> {
        Some(Guarded::Whole)
    }
}

fn urls(reply: &Reply) -> impl Iterator<Item = &str> {
    reply.texts("url/").map(|(_, url)| url)
}

fn is_same(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

fn plain(url: &str) -> &str {
    url.trim_end_matches('/')
}
