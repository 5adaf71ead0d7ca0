//! Finds a member of a JSON document by its path: `items[name=WEB_TLS].value`.
//!
//! Names are joined by dots; `[2]` takes an item of a list by its number, `[name=hdfs]` the first
//! one with such a member. An empty path is the whole document.

use serde_json::Value as Json;

/// One step on the way to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step<'a> {
    Member(&'a str),
    Item(usize),
    Where(&'a str, &'a str),
}

/// Returns what is at `path` of a document; `None` where it is not there.
///
/// Errors: the path is none, or does not fit the document, which then says nothing.
pub fn find<'a>(document: &'a Json, path: &str) -> Result<Option<&'a Json>, String> {
    let mut at = document;
    for step in steps(path)? {
        let next = match step {
            Step::Member("value") if at.get("sensitive") == Some(&Json::Bool(true)) => {
                return Err("it is a secret, which is not looked at".into());
            }
            Step::Member(name) => at
                .as_object()
                .ok_or_else(|| format!("nothing in it has a member `{name}`"))?
                .get(name)
                .filter(|value| !value.is_null()),
            Step::Item(number) => items(at)?.get(number),
            Step::Where(member, value) => {
                let items = items(at)?;
                // A member that no item has is misspelt: it says nothing of what is there.
                if !items.is_empty() && items.iter().all(|item| item.get(member).is_none()) {
                    return Err(format!("no item has a member `{member}`"));
                }
                let is_it = |item: &&Json| item.get(member).is_some_and(|it| text(it) == value);
                items.iter().find(is_it)
            }
        };
        match next {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// Says what is wrong with `path`, if anything is.
pub fn objection(path: &str) -> Option<String> {
    steps(path).err()
}

/// Returns a value as text: a scalar as it is, anything else as JSON.
pub fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

fn items(value: &Json) -> Result<&Vec<Json>, String> {
    value.as_array().ok_or_else(|| "it has no list there".to_string())
}

fn steps(path: &str) -> Result<Vec<Step<'_>>, String> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (inner, after) =
                    inner.split_once(']').ok_or_else(|| format!("`{rest}` lacks a `]`"))?;
                (item(inner)?, after)
            }
            None => {
                let (name, after) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
                if name.is_empty() {
                    return Err(format!("`{path}` lacks a name"));
                }
                (Step::Member(name), after)
            }
        };
        steps.push(step);
        rest = match after.strip_prefix('.') {
            Some("") => return Err(format!("`{path}` ends with a dot")),
            Some(after) => after,
            None if after.is_empty() || after.starts_with('[') => after,
            None => return Err(format!("`{path}` lacks a dot before `{after}`")),
        };
    }
    Ok(steps)
}

fn item(inner: &str) -> Result<Step<'_>, String> {
    match (inner.parse(), inner.split_once('=')) {
        (Ok(number), _) => Ok(Step::Item(number)),
        (_, Some((member, value))) if !member.is_empty() => Ok(Step::Where(member, value)),
        _ => Err(format!("`[{inner}]` is neither a number nor `[member=value]`")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_found_by_name_number_and_value() {
        let document = json!({ "items": [{ "name": "a.b", "at": { "on": true } }, { "n": 2 }] });
        let at = |path: &str| find(&document, path).map(|found| found.map(text));
        assert_eq!(at("items[name=a.b].at.on"), Ok(Some("true".into())));
        assert_eq!(at("items[1].n"), Ok(Some("2".into())));
        assert_eq!(at("items[n=2].n"), Ok(Some("2".into())));
        assert_eq!(find(&json!(false), "").map(|found| found.map(text)), Ok(Some("false".into())));
        // The manager leaves out what has no value.
        assert_eq!(at("items[0].at.off"), Ok(None));
        assert_eq!(at("items[name=c].at"), Ok(None));
        assert_eq!(at("items[7]"), Ok(None));
        assert!(at("items[nmae=a.b]").is_err());
        let secret = json!({ "name": "p", "value": "hush", "sensitive": true });
        assert!(find(&secret, "value").is_err() && find(&secret, "name").is_ok());
    }

    #[test]
    fn a_document_of_another_shape_says_nothing() {
        for path in ["items[0]", "name.of", "[0].name[1]"] {
            assert!(find(&json!({ "name": "x" }), path).is_err() || path == "items[0]", "{path}");
        }
        assert!(find(&json!({ "items": {} }), "items[0]").is_err());
    }

    #[test]
    fn paths_that_are_none_are_told() {
        for path in ["a..b", "a.", ".a", "a[", "a[x]", "a[=x]", "a[0]b"] {
            assert!(objection(path).is_some(), "{path}");
        }
        assert_eq!(objection("items[name=a.b].c[0]"), None);
    }
}
