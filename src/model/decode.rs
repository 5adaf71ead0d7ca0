//! Typed reading of a [`Node`]: a serde deserialiser whose errors carry the place of the mistake.
//!
//! Reading is as lenient as YAML users expect where nothing can be lost (`"80"` is a number where
//! a number is due, `yes` a truth value where one is due, `1.10` the text `1.10` where text is
//! due) and strict everywhere else.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};

use super::nearest::did_you_mean;
use super::{Data, Diagnostic, Key, Node, Place};

/// Decodes `node` as a `T`; the error names the place of the first mistake.
pub fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, Diagnostic> {
    T::deserialize(Reader(node)).map_err(|error| error.into_diagnostic(&node.place))
}

/// How the message for a key that is not there begins.
const MISSING: &str = "missing key";

/// Decodes `node` with `decode` as far as it goes, so that all mistakes are told at once: what a
/// mistake is about is left out, and the rest is decoded again.
///
/// `None` when the rest lacks something needed.
pub fn leniently<T>(
    node: &Node,
    mistakes: &mut Vec<Diagnostic>,
    decode: impl Fn(&Node) -> Result<T, Diagnostic>,
) -> Option<T> {
    let mut rest = node.clone();
    // Where something was left out: what is missing there now may not have been missing before.
    let mut holes: Vec<Place> = Vec::new();
    loop {
        let mistake = match decode(&rest) {
            Ok(value) => return Some(value),
            Err(mistake) => mistake,
        };
        let place = mistake.place.clone().unwrap_or_else(Place::nowhere);
        let is_missing = mistake.summary.starts_with(MISSING);
        if !(is_missing && holes.contains(&place) || mistakes.contains(&mistake)) {
            mistakes.push(mistake);
        }
        if is_missing && place == rest.place {
            return None;
        }
        holes.push(leave_out(&mut rest, &place)?);
    }
}

/// Removes the innermost entry or item that is written at `place`; returns where what held it is.
fn leave_out(node: &mut Node, place: &Place) -> Option<Place> {
    let here = node.place.clone();
    match &mut node.data {
        Data::Map(map) => {
            if let Some(hole) = map.0.iter_mut().find_map(|(_, value)| leave_out(value, place)) {
                return Some(hole);
            }
            let is_meant =
                |(key, value): &(Key, Node)| key.place == *place || value.place == *place;
            map.0.iter().position(is_meant).map(|index| map.0.remove(index))?;
        }
        Data::List(items) => {
            if let Some(hole) = items.iter_mut().find_map(|item| leave_out(item, place)) {
                return Some(hole);
            }
            items.iter().position(|item| item.place == *place).map(|index| items.remove(index))?;
        }
        _ => return None,
    }
    Some(here)
}

/// A decoding mistake, on its way out to where its place is known.
#[derive(Debug)]
pub struct DecodeError {
    message: String,
    hint: Option<String>,
    place: Option<Place>,
    /// The mistake is in the name of a key: its place is the key's, not the value's.
    about_key: bool,
}

impl DecodeError {
    fn new(message: impl Into<String>) -> DecodeError {
        DecodeError { message: message.into(), hint: None, place: None, about_key: false }
    }

    fn at(mut self, place: &Place) -> DecodeError {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    fn into_diagnostic(self, fallback: &Place) -> Diagnostic {
        let place = self.place.as_ref().unwrap_or(fallback);
        Diagnostic::error(self.message).at(place).hint(self.hint)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

fn list(names: &[&str]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> DecodeError {
        DecodeError::new(message.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> DecodeError {
        let near = did_you_mean(field, expected.iter().copied());
        let hint = near.unwrap_or_else(|| format!("known here: {}", list(expected)));
        DecodeError {
            message: format!("unknown key `{field}`"),
            hint: Some(hint),
            place: None,
            about_key: true,
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> DecodeError {
        let near = did_you_mean(variant, expected.iter().copied()).map(|h| format!("; {h}"));
        DecodeError {
            hint: Some(format!("allowed: {}{}", list(expected), near.unwrap_or_default())),
            ..DecodeError::new(format!("`{variant}` is not allowed here"))
        }
    }

    fn missing_field(field: &'static str) -> DecodeError {
        DecodeError::new(format!("{MISSING} `{field}`"))
    }
}

/// Reads one node.
struct Reader<'a>(&'a Node);

impl Reader<'_> {
    fn wrong(&self, due: &str) -> DecodeError {
        let found = match self.0.as_text() {
            Some(text) if text.len() <= 40 => format!("{} `{text}`", self.0.sort()),
            _ => self.0.sort().to_string(),
        };
        DecodeError::new(format!("expected {due}, found {found}")).at(&self.0.place)
    }

    fn truth(&self) -> Option<bool> {
        match &self.0.data {
            Data::Bool(value, _) => Some(*value),
            Data::Text(text) => match &*text.to_lowercase() {
                "true" | "yes" | "on" => Some(true),
                "false" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn whole(&self) -> Option<i64> {
        match &self.0.data {
            Data::Int(value, _) => Some(*value),
            Data::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty, $due:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            let number = self.whole().ok_or_else(|| self.wrong("a whole number"))?;
            let fitting = <$type>::try_from(number).map_err(|_| self.wrong($due))?;
            visitor.$visit(fitting)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.0.data {
            Data::Null => visitor.visit_unit(),
            Data::Bool(value, _) => visitor.visit_bool(*value),
            Data::Int(value, _) => visitor.visit_i64(*value),
            Data::Float(value, _) => visitor.visit_f64(*value),
            Data::Text(text) | Data::Literal(text) => visitor.visit_str(text),
            Data::List(_) => self.deserialize_seq(visitor),
            Data::Map(_) => self.deserialize_map(visitor),
            Data::Vault(_) | Data::Secret(_) => Err(self.wrong("a value that may be shown")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bool(self.truth().ok_or_else(|| self.wrong("true or false"))?)
    }

    whole_numbers! {
        deserialize_i8 visit_i8 i8, "a number from -128 to 127";
        deserialize_i16 visit_i16 i16, "a number from -32768 to 32767";
        deserialize_i32 visit_i32 i32, "a number of 32 bits";
        deserialize_i64 visit_i64 i64, "a number of 64 bits";
        deserialize_u8 visit_u8 u8, "a number from 0 to 255";
        deserialize_u16 visit_u16 u16, "a number from 0 to 65535";
        deserialize_u32 visit_u32 u32, "a number from 0 to 4294967295";
        deserialize_u64 visit_u64 u64, "a number of 0 or more";
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.0.data {
            Data::Float(value, _) => visitor.visit_f64(*value),
            Data::Int(_, raw) | Data::Text(raw) => {
                visitor.visit_f64(raw.trim().parse().map_err(|_| self.wrong("a number"))?)
            }
            _ => Err(self.wrong("a number")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.0.as_text().ok_or_else(|| match self.0.data {
            Data::Null => self.wrong("text (write \"\" for empty text)"),
            _ => self.wrong("text"),
        })?;
        visitor.visit_str(text).map_err(|e: DecodeError| e.at(&self.0.place))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0.data {
            Data::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name != RAW {
            return visitor.visit_newtype_struct(self);
        }
        PASSED.with(|slot| *slot.borrow_mut() = Some(self.0.clone()));
        visitor.visit_unit()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.0.data {
            Data::List(items) => {
                visitor.visit_seq(Items(items.iter())).map_err(|error| error.at(&self.0.place))
            }
            _ => Err(self.wrong("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.0.data {
            Data::Map(map) => visitor
                .visit_map(Entries { rest: map.0.iter(), value: None, key: None })
                .map_err(|error| error.at(&self.0.place)),
            _ => Err(self.wrong("a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let _ = (name, variants);
        let word = self.0.as_text().ok_or_else(|| self.wrong("one word"))?;
        let plain: de::value::StrDeserializer<'_, DecodeError> = word.into_deserializer();
        visitor.visit_enum(plain).map_err(|error| error.at(&self.0.place))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bytes byte_buf unit_struct tuple tuple_struct identifier
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(node) = self.0.next() else { return Ok(None) };
        seed.deserialize(Reader(node)).map(Some).map_err(|e| e.at(&node.place))
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, (Key, Node)>,
    value: Option<&'a Node>,
    key: Option<&'a Key>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, node)) = self.rest.next() else { return Ok(None) };
        (self.key, self.value) = (Some(key), Some(node));
        let name: de::value::StrDeserializer<'_, DecodeError> = (*key.name).into_deserializer();
        seed.deserialize(name).map(Some).map_err(|e| e.at(&key.place))
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let node = self.value.take().expect("serde asks for a value only after its key");
        seed.deserialize(Reader(node)).map_err(|e| match (e.about_key, self.key) {
            (true, Some(key)) => e.at(&key.place),
            _ => e.at(&node.place),
        })
    }
}

/// The name under which [`Node`] asks to be passed through whole.
const RAW: &str = "$drsync::node";

thread_local! {
    /// The node handed from the reader to `Node::deserialize`: serde has no way to pass it along.
    static PASSED: RefCell<Option<Node>> = const { RefCell::new(None) };
}

impl<'de> de::Deserialize<'de> for Node {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
                let passed = PASSED.with(|slot| slot.borrow_mut().take());
                passed.ok_or_else(|| E::custom("a node can only be read from a node"))
            }
        }
        deserializer.deserialize_newtype_struct(RAW, Whole)
    }
}

impl schemars::JsonSchema for Node {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Any".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!(true)
    }
    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Map;
    use serde::Deserialize;
    use std::sync::Arc;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        #[expect(dead_code, reason = "only decoding it is of interest")]
        port: Option<u16>,
        #[expect(dead_code, reason = "only decoding it is of interest")]
        extra: Option<Node>,
    }

    fn at(line: u32, data: Data) -> Node {
        Node::new(Place::new(Arc::from("f.yaml"), line, 3), data)
    }

    fn entry(name: &str, line: u32, data: Data) -> (Key, Node) {
        let key = Key { name: name.into(), place: Place::new(Arc::from("f.yaml"), line, 1) };
        (key, at(line, data))
    }

    fn decode_sample(entries: Vec<(Key, Node)>) -> Result<Sample, Diagnostic> {
        decode(&at(1, Data::Map(Map(entries))))
    }

    #[test]
    fn mistakes_name_their_place() {
        let name = || entry("name", 1, Data::Text("x".into()));
        let wrong = decode_sample(vec![name(), entry("port", 2, Data::Text("http".into()))]);
        let wrong = wrong.unwrap_err();
        assert_eq!(wrong.summary, "expected a whole number, found text `http`");
        assert_eq!(wrong.place.unwrap().to_string(), "f.yaml:2:3");
        let unknown = decode_sample(vec![name(), entry("prot", 4, Data::Null)]).unwrap_err();
        assert_eq!(unknown.place.unwrap().to_string(), "f.yaml:4:1");
        assert_eq!(unknown.hints, ["did you mean `port`?"]);
        let big = decode_sample(vec![name(), entry("port", 3, Data::Int(99999, "99999".into()))]);
        assert_eq!(
            big.unwrap_err().summary,
            "expected a number from 0 to 65535, found a whole number `99999`"
        );
        assert_eq!(decode_sample(vec![]).unwrap_err().summary, "missing key `name`");
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = |text: &str| Data::Text(text.into());
        let node = at(
            9,
            Data::Map(Map(vec![
                entry("nmae", 1, text("x")),
                entry("port", 2, text("http")),
                entry("prot", 3, Data::Null),
            ])),
        );
        let mut mistakes = Vec::new();
        assert!(leniently(&node, &mut mistakes, decode::<Sample>).is_none());
        let lines: Vec<u32> = mistakes.iter().map(|m| m.place.as_ref().unwrap().line).collect();
        assert_eq!(lines, [1, 2, 3]);
    }

    #[test]
    fn spelling_survives_where_text_is_due() {
        let sample = decode_sample(vec![entry("name", 1, Data::Float(1.1, "1.10".into()))]);
        assert_eq!(sample.unwrap().name, "1.10");
    }
}
