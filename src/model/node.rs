//! A YAML value in which every key and scalar keeps its place.

use std::sync::Arc;

use super::{Place, Secret};

/// A value with the place it was written at.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value starts.
    pub place: Place,
    /// The value itself.
    pub data: Data,
}

/// What a [`Node`] holds. Scalars that are not text keep the text they were written as, so that
/// `1.10` can still be read as the words `1.10`.
#[derive(Clone, Debug)]
pub enum Data {
    /// `null`, `~` or nothing.
    Null,
    /// A truth value and its spelling.
    Bool(bool, Arc<str>),
    /// A whole number and its spelling.
    Int(i64, Arc<str>),
    /// A fraction and its spelling.
    Float(f64, Arc<str>),
    /// Text; may hold a template until it is rendered.
    Text(Arc<str>),
    /// Text that is never a template (`!unsafe`).
    Literal(Arc<str>),
    /// Text encrypted by ansible-vault, not opened yet (`!vault`).
    Vault(Arc<str>),
    /// A value that must not be shown.
    Secret(Secret),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order written.
    Map(Map),
}

/// A mapping key with its place.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key as text.
    pub name: Arc<str>,
    /// Where it was written.
    pub place: Place,
}

/// A mapping in the order written; keys are unique.
#[derive(Clone, Debug, Default)]
pub struct Map(pub Vec<(Key, Node)>);

impl Map {
    /// Returns the value under `name`.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// Returns key and value under `name`.
    pub fn entry(&self, name: &str) -> Option<(&Key, &Node)> {
        self.0.iter().find(|(key, _)| &*key.name == name).map(|(key, node)| (key, node))
    }

    /// Iterates over the entries in the order written.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Node)> {
        self.0.iter().map(|(key, node)| (key, node))
    }

    /// Sets `key` to `node`, in place when the key exists already.
    pub fn set(&mut self, key: Key, node: Node) {
        match self.0.iter_mut().find(|(k, _)| k.name == key.name) {
            Some(slot) => *slot = (key, node),
            None => self.0.push((key, node)),
        }
    }
}

impl Node {
    /// Returns `data` written at `place`.
    pub fn new(place: Place, data: Data) -> Node {
        Node { place, data }
    }

    /// Returns a text node.
    pub fn text(place: Place, text: &str) -> Node {
        Node::new(place, Data::Text(Arc::from(text)))
    }

    /// Returns the mapping, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.data {
            Data::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the items, if this is a sequence.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.data {
            Data::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns a scalar as the text it was written as; secrets, lists and maps have none.
    pub fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Bool(_, raw) | Data::Int(_, raw) | Data::Float(_, raw) => Some(raw),
            Data::Text(text) | Data::Literal(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value under `name` when this is a mapping that has it.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.as_map()?.get(name)
    }

    /// Follows `path` through mappings and sequences as far as it goes, and returns the place of
    /// the last key found; the place of the node itself when nothing matches.
    pub fn place_of(&self, path: &[&str]) -> Place {
        let Some((first, rest)) = path.split_first() else { return self.place.clone() };
        match &self.data {
            Data::Map(map) => match map.entry(first) {
                Some((key, _)) if rest.is_empty() => key.place.clone(),
                Some((_, node)) => node.place_of(rest),
                None => self.place.clone(),
            },
            Data::List(items) => match first.parse::<usize>().ok().and_then(|i| items.get(i)) {
                Some(node) => node.place_of(rest),
                None => self.place.clone(),
            },
            _ => self.place.clone(),
        }
    }

    /// Names the sort of value for messages: "a list", "text", …
    pub fn sort(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Bool(..) => "a truth value",
            Data::Int(..) => "a whole number",
            Data::Float(..) => "a number",
            Data::Text(_) | Data::Literal(_) => "text",
            Data::Vault(_) | Data::Secret(_) => "a secret",
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
        }
    }

    /// True when both hold the same value, wherever they were written. Scalars compare by the text
    /// they were written as.
    pub fn same(&self, other: &Node) -> bool {
        match (&self.data, &other.data) {
            (Data::Null, Data::Null) => true,
            (Data::Secret(a), Data::Secret(b)) => a == b,
            (Data::Vault(a), Data::Vault(b)) => a == b,
            (Data::List(a), Data::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.same(y))
            }
            (Data::Map(a), Data::Map(b)) => {
                a.0.len() == b.0.len()
                    && a.iter().all(|(k, v)| b.get(&k.name).is_some_and(|w| v.same(w)))
            }
            _ => match (self.as_text(), other.as_text()) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }
}
