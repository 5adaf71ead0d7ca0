//! Instances that tell the same are told once: `38 hosts (dr 36, primary 2)`.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use indexmap::IndexMap;

use crate::model::change::Verdict;
use crate::model::kind_info;
use crate::model::plan::Planned;
use crate::model::{Live, Value, Want};

/// Instances of one resource that tell the same.
pub struct Group<'a> {
    /// The first of them.
    pub first: &'a Planned,
    /// All of them, in order.
    pub members: Vec<&'a Planned>,
}

/// Groups `instances`, keeping the order of the first of each group.
///
/// What comes after a step that drsync declared itself for the manager of its side, such as stopping
/// a server, is told after it: it joins no group that was told before.
pub fn groups<'a>(instances: impl Iterator<Item = &'a Planned>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut steps: HashMap<&str, usize> = HashMap::new();
    for instance in instances {
        let after = steps.get(&**instance.address.target.side()).copied().unwrap_or_default();
        if kind_info::is_implied(instance.address.kind) {
            steps.insert(instance.address.target.side(), groups.len());
        }
        let same = known.entry(fingerprint(instance)).or_default();
        let joins = |i: &&usize| **i >= after && tells_same(groups[**i].first, instance);
        match same.iter().find(joins) {
            Some(i) => groups[*i].members.push(instance),
            None => {
                same.push(groups.len());
                groups.push(Group { first: instance, members: vec![instance] });
            }
        }
    }
    groups
}

fn tells_same(one: &Planned, other: &Planned) -> bool {
    one.address.kind == other.address.kind
        && one.address.key == other.address.key
        && one.verdict == other.verdict
        && one.name == other.name
        && match one.verdict {
            // Of what could not be read only the reason counts.
            Verdict::Unknown => reason(one) == reason(other),
            _ => one.delta == other.delta,
        }
}

/// Returns why an instance is unknown.
pub fn reason(instance: &Planned) -> Option<&str> {
    let delta = instance.delta.as_deref()?;
    delta.attributes.iter().find_map(crate::model::Attribute::unknown)
}

fn fingerprint(instance: &Planned) -> u64 {
    let mut hasher = DefaultHasher::new();
    instance.address.kind.hash(&mut hasher);
    instance.address.key.hash(&mut hasher);
    for attribute in instance.delta.iter().flat_map(|delta| &delta.attributes) {
        attribute.name.hash(&mut hasher);
        if let Live::Known(value) = &attribute.before {
            hash(value, &mut hasher);
        }
        if let Want::Value(value) = &attribute.after {
            hash(value, &mut hasher);
        }
    }
    hasher.finish()
}

fn hash(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Text(text) => text.hash(hasher),
        Value::Bool(b) => b.hash(hasher),
        Value::List(items) => items.len().hash(hasher),
        Value::Map(map) => map.len().hash(hasher),
        Value::Sensitive => 0.hash(hasher),
    }
}

impl Group<'_> {
    /// Says where the members live: `dr/dn-07`, or `38 hosts (dr 36, primary 2)`.
    pub fn whereabouts(&self) -> String {
        let hosts = self.members.iter().filter(|i| i.address.target.host().is_some()).count();
        let mut sides: IndexMap<&str, usize> = IndexMap::new();
        for member in &self.members {
            *sides.entry(member.address.target.side()).or_default() += 1;
        }
        let managers = self.members.len() - hosts;
        match (self.members.len(), hosts) {
            (1, _) => self.first.address.target.to_string(),
            (_, 0) => sides.keys().copied().collect::<Vec<_>>().join(", "),
            _ => {
                let parts: Vec<String> =
                    sides.iter().map(|(side, count)| format!("{side} {count}")).collect();
                let rest =
                    if managers > 0 { format!(" and {managers} managers") } else { String::new() };
                format!("{hosts} hosts ({}){rest}", parts.join(", "))
            }
        }
    }
}
