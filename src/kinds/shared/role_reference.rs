//! Values that name a role: what it is called is the manager's affair, and differs on the two sides.
//!
//! Some settings hold the name of a role, such as `hue_webhdfs`. Those names are made of the id of
//! the host (CM API), so a declaration names the role by where it is.

use super::super::problem;
use crate::model::change::Problem;
use crate::model::nearest::did_you_mean;
use crate::model::question::Reply;
use crate::model::{Data, Node};

/// A role by service, type and host.
#[derive(Debug, PartialEq)]
pub struct Reference<'a> {
    /// The service by name.
    pub service: &'a str,
    role_type: &'a str,
    host: &'a str,
}

/// What a reference comes to.
pub enum Found {
    /// The role's own name.
    Name(String),
    /// It could not be read; the reason.
    Unknown(String),
    /// There is no such role; the reason.
    Missing(String),
}

/// Reads `{ role: { service, type, host } }`; `None` for any other value.
pub fn parse(node: &Node) -> Option<Reference<'_>> {
    let Data::Map(outer) = &node.data else { return None };
    let (key, inner) = outer.iter().next().filter(|_| outer.iter().count() == 1)?;
    let inner = inner.as_map().filter(|_| &*key.name == "role")?;
    let text = |name: &str| inner.get(name).and_then(Node::as_text);
    let reference =
        Reference { service: text("service")?, role_type: text("type")?, host: text("host")? };
    (inner.iter().count() == 3).then_some(reference)
}

/// Says what is wrong with a value that means to name a role.
pub fn unfit(name: &str, node: &Node) -> Option<Problem> {
    let map = node.as_map()?;
    let inner = map.get("role").filter(|_| map.iter().count() == 1)?.as_map()?;
    let means_it = inner.get("host").is_some() && inner.get("type").is_some();
    if !means_it || parse(node).is_some() {
        return None;
    }
    let hint = "write `{ role: { service: NAME, type: ROLE_TYPE, host: NAME } }`";
    Some(problem(&["values", name], "a role is named by service, type and host", Some(hint)))
}

/// As the key of the `cm.role` that brings it.
impl std::fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.role_type)
    }
}

impl Reference<'_> {
    /// Finds the role among those of its service, as the manager tells them.
    pub fn find(&self, roles: Option<&Reply>) -> Found {
        let reply = match roles {
            Some(Reply::Unknown(said)) => return Found::Unknown(said.to_string()),
            Some(Reply::Missing(said, _)) => return Found::Missing(said.to_string()),
            Some(reply) => reply,
            None => return Found::Unknown("the roles were not read".into()),
        };
        let mine = reply.texts("role/").find(|(_, told)| {
            let mut parts = told.split('|');
            parts.next() == Some(self.role_type) && parts.next() == Some(self.host)
        });
        match mine {
            Some((name, _)) => Found::Name(name.to_string()),
            None => Found::Missing(self.missing(reply)),
        }
    }

    fn missing(&self, reply: &Reply) -> String {
        let Reference { service, role_type, host } = self;
        let said = format!("service `{service}` has no role `{role_type}` on host `{host}`");
        let hosts = reply.texts("role/").filter_map(|(_, told)| {
            let (kind, rest) = told.split_once('|')?;
            (kind == *role_type).then(|| rest.split('|').next().unwrap_or_default())
        });
        match did_you_mean(host, hosts) {
            Some(near) => format!("{said}; {near}"),
            None => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    fn map(entries: Vec<(&str, Node)>) -> Node {
        let key = |name: &str| crate::model::Key { name: name.into(), place: Place::nowhere() };
        let entries = entries.into_iter().map(|(name, node)| (key(name), node)).collect();
        Node::new(Place::nowhere(), Data::Map(crate::model::Map(entries)))
    }

    fn text(text: &str) -> Node {
        Node::text(Place::nowhere(), text)
    }

    #[test]
    fn a_role_is_told_from_other_mappings() {
        let inner =
            || vec![("service", text("hdfs")), ("type", text("HTTPFS")), ("host", text("h"))];
        let whole = map(vec![("role", map(inner()))]);
        let found = Reference { service: "hdfs", role_type: "HTTPFS", host: "h" };
        assert_eq!(parse(&whole), Some(found));
        let property = map(vec![("role", map(vec![("value", text("x"))]))]);
        assert!(parse(&property).is_none() && unfit("a", &property).is_none());
        let mut lacking = inner();
        lacking.remove(0);
        let lacking = map(vec![("role", map(lacking))]);
        assert!(parse(&lacking).is_none() && unfit("a", &lacking).is_some());
    }
}
