//! Text → [`Node`]: the only file that names the YAML library.
//!
//! The tree is built from parser events, because only they keep what a reconciler needs of a
//! scalar: its place, its style (quoted or plain) and its tag.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_yaml::granit_parser::{self, Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::pyyaml;
use super::scalar::{self, Dialect};
use super::tag;
use crate::model::{Data, Diagnostic, Key, Map, Node, Place};

/// Nesting beyond this is a mistake or an attack.
const DEEPEST: usize = 100;
/// Nodes one file may hold once its aliases are expanded (bounds an "alias bomb").
const MOST_NODES: usize = 3_000_000;
/// Nodes that aliases alone may add.
const MOST_ALIASED: usize = 200_000;

/// Parses the one document of a file. An empty file is `Null`.
///
/// Errors: the first syntax error, or every duplicate key, each with its place.
pub fn parse(file: &Arc<str>, text: &str, dialect: Dialect) -> Result<Node, Vec<Diagnostic>> {
    // Ansible tries JSON first, which knows no byte order mark; there 1e3 is a number.
    let json = dialect == Dialect::Ansible
        && text.trim_start().starts_with('{')
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = granit_parser::options! {
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
        emit_unresolved_aliases: true,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder {
        parser,
        file: file.clone(),
        dialect,
        json,
        literal: 0,
        anchors: HashMap::new(),
        budget: MOST_NODES,
        aliased: 0,
        mistakes: Vec::new(),
    };
    let node = builder.stream().map_err(|error| vec![error])?;
    if builder.mistakes.is_empty() { Ok(node) } else { Err(builder.mistakes) }
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    file: Arc<str>,
    dialect: Dialect,
    /// True for a file that is JSON throughout.
    json: bool,
    /// How many `!unsafe` collections are open.
    literal: usize,
    /// Anchored nodes and how many nodes each holds.
    anchors: HashMap<usize, (Node, usize)>,
    budget: usize,
    aliased: usize,
    mistakes: Vec<Diagnostic>,
}

type Step<T> = Result<T, Diagnostic>;

impl<'a> Builder<'a> {
    fn next(&mut self) -> Step<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(pair)) => Ok(pair),
            Some(Err(error)) => {
                let mark = error.marker();
                let place = self.place_at(mark.line(), mark.col());
                let said = error.info();
                Err(match said.contains("nesting") || said.contains("recursion") {
                    true => too_deep(&place),
                    false => Diagnostic::error("not valid YAML").because(said).at(&place),
                })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn place_at(&self, line: usize, column: usize) -> Place {
        let (line, column) = (u32::try_from(line), u32::try_from(column));
        Place::new(self.file.clone(), line.unwrap_or(u32::MAX), column.unwrap_or(0) + 1)
    }

    fn place(&self, span: &Span) -> Place {
        self.place_at(span.start.line(), span.start.col())
    }

    /// Reads the whole stream: exactly one document, or none.
    fn stream(&mut self) -> Step<Node> {
        let mut document: Option<Node> = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(..) if document.is_some() => {
                    return Err(Diagnostic::error("a second YAML document in one file")
                        .at(&self.place(&span))
                        .hint("keep one document per file".to_string()));
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => document = Some(self.node(event, &span, 0)?.0),
            }
        }
        let start = Place::new(self.file.clone(), 1, 1);
        Ok(document.unwrap_or(Node::new(start, Data::Null)))
    }

    /// Builds the node that starts with `event`; also returns how many nodes it holds.
    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Step<(Node, usize)> {
        let place = self.place(span);
        if depth > DEEPEST {
            return Err(too_deep(&place));
        }
        let mapping = matches!(event, Event::MappingStart(..));
        self.budget = self.budget.checked_sub(1).ok_or_else(|| too_many(&place))?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let data = self.scalar(&text, style, tag.as_deref(), &place)?;
                Ok(self.anchored(anchor, Node::new(place, data), 1))
            }
            Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag) => {
                self.collection(mapping, place, (anchor, tag.as_deref()), depth)
            }
            Event::Alias(id) => self.alias(id, &place),
            Event::UnresolvedAlias(name) => {
                Err(Diagnostic::error(format!("alias `*{name}` has no anchor `&{name}` before it"))
                    .at(&place))
            }
            _ => Err(Diagnostic::error("not valid YAML").at(&place)),
        }
    }

    fn anchored(&mut self, anchor: usize, node: Node, size: usize) -> (Node, usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        (node, size)
    }

    fn alias(&mut self, id: usize, place: &Place) -> Step<(Node, usize)> {
        let found = self.anchors.get(&id).map(|(node, size)| (node.data.clone(), *size));
        let (data, size) = found.ok_or_else(|| {
            Diagnostic::error("an alias inside the value it stands for").at(place)
        })?;
        self.aliased += size;
        if self.aliased > MOST_ALIASED {
            return Err(too_many(place));
        }
        Ok((Node::new(place.clone(), data), size))
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: &Place,
    ) -> Step<Data> {
        let plain = matches!(style, ScalarStyle::Plain);
        let settled = |data| if self.literal > 0 { pyyaml::literal(data) } else { data };
        Ok(match (tag.map(tag_name).as_deref(), self.dialect) {
            (Some(tag), Dialect::Ansible) => settled(tag::scalar(tag, text, place)?),
            (Some("!vault" | "!vault-encrypted"), Dialect::Core) => Data::Vault(Arc::from(text)),
            (Some("!unsafe"), Dialect::Core) => Data::Literal(Arc::from(text)),
            (Some("!!str" | "!"), Dialect::Core) => Data::Text(Arc::from(text)),
            _ if plain && self.json => scalar::json(text),
            _ if plain && self.literal > 0 => pyyaml::resolve_literal(text),
            _ if plain => scalar::resolve(text, self.dialect),
            _ => settled(Data::Text(Arc::from(text))),
        })
    }

    fn collection(
        &mut self,
        mapping: bool,
        place: Place,
        (anchor, tag): (usize, Option<&Tag>),
        depth: usize,
    ) -> Step<(Node, usize)> {
        let tag = tag.map(tag_name).filter(|_| self.dialect == Dialect::Ansible);
        let literal = tag.as_deref() == Some(tag::UNSAFE);
        self.literal += usize::from(literal);
        let (mut data, size) = if mapping { self.mapping(depth)? } else { self.sequence(depth)? };
        self.literal -= usize::from(literal);
        if let Some(tag) = tag {
            data = tag::collection(&tag, data, &place)?;
        }
        if self.json {
            data = tag::from_json(data);
        }
        Ok(self.anchored(anchor, Node::new(place, data), size))
    }

    fn sequence(&mut self, depth: usize) -> Step<(Data, usize)> {
        let (mut items, mut size) = (Vec::new(), 1);
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Data::List(items), size));
            }
            let (node, held) = self.node(event, &span, depth + 1)?;
            size += held;
            items.push(node);
        }
    }

    fn mapping(&mut self, depth: usize) -> Step<(Data, usize)> {
        let (mut map, mut size) = (Map::default(), 1);
        let mut seen: HashMap<Arc<str>, Place> = HashMap::new();
        let mut merged: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let plain = matches!(event, Event::Scalar(_, ScalarStyle::Plain, ..));
            let (key, _) = self.node(event, &span, depth + 1)?;
            let (event, span) = self.next()?;
            let (value, held) = self.node(event, &span, depth + 1)?;
            size += held + 1;
            if plain && key.as_text() == Some("<<") {
                merged.push(value);
                continue;
            }
            let key = self.key(key)?;
            match seen.get(&key.name) {
                Some(first) => self.mistakes.push(duplicate(&key, first)),
                None => {
                    seen.insert(key.name.clone(), key.place.clone());
                    map.0.push((key, value));
                }
            }
        }
        let map = if merged.is_empty() { map } else { merge(merged, map)? };
        Ok((Data::Map(map), size))
    }

    fn key(&self, node: Node) -> Step<Key> {
        let name = match &node.data {
            Data::List(_) | Data::Map(_) => {
                return Err(Diagnostic::error("a mapping key must be a plain word").at(&node.place));
            }
            data => scalar::key_text(data, self.dialect),
        };
        Ok(Key { name, place: node.place })
    }
}

/// Puts the mappings under `<<` before what `own` has, as PyYAML does: of several `<<` the later
/// one wins, in the list under one `<<` the earlier mapping, and `own` wins over all.
fn merge(sources: Vec<Node>, own: Map) -> Step<Map> {
    let mut found: IndexMap<Arc<str>, (Key, Node)> = IndexMap::new();
    let mut add = |map: Map| {
        // A key keeps the position it was first met at.
        found.extend(map.0.into_iter().map(|(key, node)| (key.name.clone(), (key, node))));
    };
    for source in sources {
        match source.data {
            Data::List(items) => {
                for item in items.into_iter().rev() {
                    add(mergeable(item)?);
                }
            }
            _ => add(mergeable(source)?),
        }
    }
    add(own);
    Ok(Map(found.into_values().collect()))
}

fn mergeable(node: Node) -> Step<Map> {
    match node.data {
        Data::Map(map) => Ok(map),
        _ => Err(Diagnostic::error("`<<` merges mappings only").at(&node.place)),
    }
}

/// Returns a tag by its short name, however it was written: `!!str`, `!unsafe`.
fn tag_name(tag: &Tag) -> String {
    match tag.suffix_in_namespace("tag:yaml.org,2002:") {
        Some(name) => format!("!!{name}"),
        None => format!("{}{}", tag.handle(), tag.suffix()),
    }
}

/// Writes `value` as YAML.
pub fn to_text(value: &serde_json::Value) -> Result<String, String> {
    serde_yaml::to_string(value).map_err(|error| error.to_string())
}

fn too_deep(place: &Place) -> Diagnostic {
    Diagnostic::error("nested too deeply")
        .because(format!("More than {DEEPEST} levels of lists and mappings."))
        .at(place)
}

fn too_many(place: &Place) -> Diagnostic {
    Diagnostic::error("the file expands to too many values")
        .because(format!(
            "Aliases may add {MOST_ALIASED} values, and a file may hold {MOST_NODES} in all."
        ))
        .at(place)
        .hint("split the file, or write out what the aliases repeat".to_string())
}

fn duplicate(key: &Key, first: &Place) -> Diagnostic {
    Diagnostic::error(format!("duplicate key `{}`", key.name))
        .at(&key.place)
        .also(first, "first written here")
        .hint("keep one of the two: YAML readers disagree on which one counts".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Vec<Diagnostic>> {
        parse(&Arc::from("t.yaml"), text, Dialect::Core)
    }

    #[test]
    fn places_count_from_one_and_survive_non_ascii() {
        let node = read("é: ü\nlist:\n  - a\n  - {x: 1}\n").unwrap();
        let list = node.get("list").unwrap().as_list().unwrap();
        assert_eq!(list[1].get("x").unwrap().place.to_string(), "t.yaml:4:9");
        assert_eq!(node.place_of(&["list"]).to_string(), "t.yaml:2:1");
    }

    #[test]
    fn every_duplicate_key_is_named() {
        let mistakes = read("a: 1\nb: 2\na: 3\nb: 4\n").unwrap_err();
        let said: Vec<_> = mistakes.iter().map(|m| m.summary.as_str()).collect();
        assert_eq!(said, ["duplicate key `a`", "duplicate key `b`"]);
        assert_eq!(mistakes[0].place.as_ref().unwrap().line, 3);
    }

    #[test]
    fn merge_keys_fill_in_and_do_not_override() {
        let node = read("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n").unwrap();
        let b = node.get("b").unwrap();
        assert_eq!(b.get("x").unwrap().as_text(), Some("1"));
        assert_eq!(b.get("y").unwrap().as_text(), Some("3"));
    }

    #[test]
    fn merged_keys_come_first_and_the_later_merge_wins() {
        let text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\n\
            c: {own: 0, <<: *a, <<: *b}\nd: {<<: [*a, *b], x: 9}\n";
        let node = read(text).unwrap();
        let shown = |name: &str| -> Vec<String> {
            let map = node.get(name).unwrap().as_map().unwrap();
            map.iter()
                .map(|(key, value)| format!("{}{}", key.name, value.as_text().unwrap()))
                .collect()
        };
        assert_eq!(shown("c"), ["x1", "y3", "z4", "own0"]);
        assert_eq!(shown("d"), ["y2", "z4", "x9"]);
    }

    #[test]
    fn json_and_tags_count_in_ansible_files() {
        let read = |text: &str| parse(&Arc::from("t.json"), text, Dialect::Ansible);
        let node = read("{\"a\": 1e3, \"b\": {\"__ansible_unsafe\": \"{{ x }}\"}}").unwrap();
        assert!(matches!(node.get("a").unwrap().data, Data::Float(1000.0, _)));
        assert!(matches!(node.get("b").unwrap().data, Data::Literal(_)));
        let node = read("a: !unsafe {b: [x]}\nc: !!int \"1:30\"\nd: 1e3\n").unwrap();
        let inner = &node.get("a").unwrap().get("b").unwrap().as_list().unwrap()[0];
        assert!(matches!(inner.data, Data::Literal(_)));
        assert!(matches!(node.get("c").unwrap().data, Data::Int(90, _)));
        assert!(matches!(node.get("d").unwrap().data, Data::Text(_)));
        assert_eq!(read("a: 1\nb: !odd x\n").unwrap_err()[0].place.as_ref().unwrap().line, 2);
    }

    #[test]
    fn bombs_and_towers_are_refused() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..10 {
            let row = vec![format!("*a{}", i - 1); 10].join(",");
            bomb.push_str(&format!("a{i}: &a{i} [{row}]\n"));
        }
        assert!(read(&bomb).unwrap_err()[0].summary.contains("too many"));
        let tower = "[".repeat(20_000);
        assert_eq!(read(&tower).unwrap_err()[0].summary, "nested too deeply");
        assert!(!read("{a: [b: c").unwrap_err().is_empty());
        assert_eq!(read("a: 1\n---\nb: 2\n").unwrap_err()[0].place.as_ref().unwrap().line, 2);
    }
}
