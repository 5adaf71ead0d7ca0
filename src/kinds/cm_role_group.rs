//! `cm.role_group`: a role config group of a service in Cloudera Manager, and whose roles are in it.
//!
//! A group holds settings for some roles of one type; its settings are declared with `cm.config`.
//! `hosts` are all the hosts whose role of this type is in the group: roles on other hosts go back
//! to the base group. Left out, roles stay where they are. A group is removed after its roles went
//! back to the base group; a service that is not there is a mistake even then. Base groups
//! (`hdfs-DATANODE-BASE`) belong to Cloudera Manager and cannot be made or removed.
//!
//! ```yaml
//! - name: DataNodes with more memory
//!   cm.role_group:
//!     service: hdfs
//!     name: hdfs-DATANODE-large
//!     role_type: DATANODE
//!     display_name: Large DataNodes
//!     hosts: [worker-07.example.com, worker-08.example.com]
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::shared::names::set_of;
use super::shared::role_type;
use super::shared::state::State;
use super::{Kind, Link, Unsettles, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity, MANAGEMENT_SERVICE};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Delta, Live, Value};

/// A role config group.
pub struct CmRoleGroup;

/// A role config group of a service.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service by name.
    service: String,
    /// The group's own name, which never changes.
    name: String,
    /// The type of its roles; needed unless the group should not be there.
    role_type: Option<String>,
    /// The name that the console shows.
    display_name: Option<String>,
    /// All hosts whose role of this type is in the group.
    hosts: Option<Vec<String>>,
    /// Should the group be there?
    #[serde(default)]
    state: State,
}

impl Args {
    fn entity(&self) -> Entity {
        Entity::RoleGroup(Arc::from(self.service.as_str()), Arc::from(self.name.as_str()))
    }

    fn role_type(&self) -> &str {
        self.role_type.as_deref().unwrap_or_default()
    }

    fn wants_host(&self, host: &str) -> bool {
        self.hosts.iter().flatten().any(|wanted| wanted == host)
    }
}

/// A role as the manager lists it.
struct Role<'a> {
    name: &'a str,
    role_type: &'a str,
    host: &'a str,
    group: &'a str,
}

fn roles(reply: &Reply) -> impl Iterator<Item = Role<'_>> {
    reply.texts("role/").filter_map(|(name, told)| {
        let mut parts = told.splitn(3, '|');
        let (role_type, host, group) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Role { name, role_type, host, group })
    })
}

impl Kind for CmRoleGroup {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "cm.role_group", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_role_group.rs");

    fn key(args: &Args) -> String {
        format!("{}/{}", args.service, args.name)
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (argument, value) in [("service", &args.service), ("name", &args.name)] {
            if value.is_empty() {
                problems.push(problem(&[argument], format!("`{argument}` is empty"), None));
            }
        }
        if args.service == MANAGEMENT_SERVICE {
            let said = "the groups of the Cloudera Management Service are Cloudera Manager's own";
            let hint = "their settings are declared with `cm.config`";
            problems.push(problem(&["service"], said, Some(hint)));
        }
        if args.state == State::Absent {
            let given = [
                ("role_type", args.role_type.is_some()),
                ("display_name", args.display_name.is_some()),
                ("hosts", args.hosts.is_some()),
            ];
            problems.extend(given.iter().filter(|(_, given)| *given).map(|(argument, _)| {
                let said =
                    format!("`{argument}` says nothing about a group that should not be there");
                problem(&[argument], said, None)
            }));
        } else if args.role_type().is_empty() {
            let hint = "such as `DATANODE`";
            problems.push(problem(&[], "a group needs a `role_type`", Some(hint)));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Entity(args.entity())]
    }

    fn hosts(args: &Args) -> Vec<String> {
        args.hosts.clone().unwrap_or_default()
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        let live = reply.field("role_type");
        let is_base = reply.text("base").ok().flatten().as_deref() == Some("true");
        if args.state == State::Absent {
            if is_base {
                return Delta::refused(format!(
                    "`{}` is a base group: it cannot be removed",
                    args.name
                ));
            }
            let gone = Attribute::gone("role_type", live);
            return Delta { attributes: vec![gone], ..Delta::default() };
        }
        if let Some(reason) = hindrance(args, reply, &live, is_base) {
            return Delta::refused(reason);
        }
        if let Some(reason) = lacking_roles(args, reply) {
            return Delta::lacking(reason);
        }
        let is_there = matches!(live, Live::Known(_));
        let mut delta = Delta::default();
        delta.attributes.push(Attribute::new("role_type", live, Value::text(args.role_type())));
        if let Some(name) = &args.display_name {
            let shown = reply.field("display_name");
            delta.attributes.push(Attribute::new("display_name", shown, Value::text(name)));
        }
        if let Some(hosts) = &args.hosts {
            let own = roles(reply).filter(|role| role.group == args.name);
            let live = match is_there {
                true => Live::Known(set_of(own.map(|role| role.host))),
                false => Live::Absent,
            };
            let want = set_of(hosts.iter().map(String::as_str));
            delta.attributes.push(Attribute::new("hosts", live, want));
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let names = |chosen: &dyn Fn(&Role<'_>) -> bool| -> Vec<Arc<str>> {
            roles(&replies[0]).filter(chosen).map(|role| Arc::from(role.name)).collect()
        };
        let is_own = |role: &Role<'_>| role.group == args.name;
        let mut calls = Vec::new();
        let mut away = Vec::new();
        if args.state == State::Absent {
            away = names(&is_own);
        } else {
            if differs("role_type") {
                let shown = args.display_name.as_deref().unwrap_or(&args.name);
                calls.push(Call::AddGroup(Arc::from(args.role_type()), Arc::from(shown)));
            } else if differs("display_name") {
                let shown = args.display_name.as_deref().map(Arc::from);
                calls.extend(shown.map(Call::RenameGroup));
            }
            if differs("hosts") {
                let joins = |role: &Role<'_>| {
                    role.role_type == args.role_type()
                        && args.wants_host(role.host)
                        && !is_own(role)
                };
                let joining = names(&joins);
                calls.extend((!joining.is_empty()).then_some(Call::MoveRoles(joining)));
                away = names(&|role| is_own(role) && !args.wants_host(role.host));
            }
        }
        calls.extend((!away.is_empty()).then_some(Call::MoveToBase(away)));
        if args.state == State::Absent {
            calls.push(Call::RemoveGroup);
        }
        calls.into_iter().map(|call| Action::Call(args.entity(), call)).collect()
    }

    fn needs(args: &Args) -> Vec<Link> {
        vec![
            Link::new("cm.service", args.service.clone()),
            Link::new("cm.role", format!("{}/{}", args.service, args.role_type())),
        ]
    }

    fn unsettles(args: &Args) -> Option<Unsettles> {
        Some(Unsettles::Service(Arc::from(args.service.as_str())))
    }
}

/// Says why the group cannot be what is declared, whatever comes before it.
fn hindrance(args: &Args, reply: &Reply, live: &Live, is_base: bool) -> Option<String> {
    let (name, wanted) = (&args.name, args.role_type());
    match live {
        Live::Known(Value::Text(found)) if &**found != wanted => Some(format!(
            "`{name}` is a group for {found}, and the role type of a group cannot be changed"
        )),
        Live::Known(_) if is_base && args.hosts.is_some() => Some(format!(
            "`{name}` is a base group: it has every {wanted} that no other group has; name the \
             hosts of the other groups"
        )),
        Live::Absent => role_type::unknown(&args.service, wanted, reply),
        _ => None,
    }
}

/// Says which of the hosts have no role that could be in the group.
fn lacking_roles(args: &Args, reply: &Reply) -> Option<String> {
    let has = |host: &str| {
        roles(reply).any(|role| role.role_type == args.role_type() && role.host == host)
    };
    let without: Vec<&str> =
        args.hosts.iter().flatten().map(String::as_str).filter(|host| !has(host)).collect();
    (!without.is_empty()).then(|| {
        let (service, role_type) = (&args.service, args.role_type());
        format!("service `{service}` has no {role_type} on {}", without.join(", "))
    })
}
