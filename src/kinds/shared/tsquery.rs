//! Queries of time series (tsquery) in settings: which entities they ask for.
//!
//! Since a Cloudera Manager may have two servers, each is an entity of its own, `CMSERVER:HOST`; what
//! was called `cloudera_manager_server` before gets no new values. A query by category has both.

use std::sync::LazyLock;

use regex::Regex;

use crate::model::change::Problem;
use crate::model::{Data, Node};

/// The condition that finds the servers by name; in settings that are JSON quotes are escaped.
static BY_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r#"(?:cloudera_manager_server|CMSERVER:[^\s"'\\)]+)"#;
    let quote = r#"(?:\\?["'])?"#;
    Regex::new(&format!(r"(?i)\bentityName\s*=\s*{quote}{name}{quote}")).ok()
});

/// The condition that finds them all, before the change of names and after it.
const BY_CATEGORY: &str = "category=CMSERVER";

/// Returns advice for every query in `node`, which is found at `path`, that asks for a server of
/// Cloudera Manager by its name (requirements M26 and M27).
pub fn advice(node: &Node, path: &[&str]) -> Vec<Problem> {
    let below = |name: &str, node: &Node| advice(node, &[path, &[name]].concat());
    match &node.data {
        Data::Map(map) => map.iter().flat_map(|(key, node)| below(&key.name, node)).collect(),
        Data::List(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(at, node)| below(&at.to_string(), node)).collect()
        }
        _ => node.as_text().map(|text| about(text, path)).unwrap_or_default(),
    }
}

fn about(text: &str, path: &[&str]) -> Vec<Problem> {
    let Some(by_name) = BY_NAME.as_ref() else { return Vec::new() };
    by_name.find_iter(text).map(|found| told(text, found, path)).collect()
}

fn told(text: &str, found: regex::Match<'_>, path: &[&str]) -> Problem {
    let (from, to) = query(text, found.start(), found.end());
    let rewritten = match BY_NAME.as_ref() {
        Some(by_name) => by_name.replace_all(&text[from..to], BY_CATEGORY),
        None => text[from..to].into(),
    };
    let rewritten = rewritten.replace("\\\"", "\"");
    let said = found.as_str().replace("\\\"", "\"");
    Problem {
        path: path.iter().map(|part| part.to_string()).collect(),
        summary: format!("a query asks for a server of Cloudera Manager by its name: `{said}`"),
        detail: Some(
            "Each server is an entity of its own since there may be two, `CMSERVER:HOST`; the old \
             entity `cloudera_manager_server` keeps what it had and gets nothing new (M26, M27)."
                .into(),
        ),
        hint: Some(format!("ask by category, for old and new: {}", rewritten.trim())),
    }
}

/// Returns where the query around a condition begins and ends.
fn query(text: &str, start: usize, end: usize) -> (usize, usize) {
    // In ASCII, so that positions stay what they are.
    let from = text[..start].to_ascii_lowercase().rfind("select").unwrap_or(0);
    let rest = &text[end..];
    // Where the quotes of the condition are escaped, one that is not ends the text around it.
    let is_quoted = text[start..end].contains("\\\"");
    let mut open = 0;
    let mut is_end = |at: usize, c: char| {
        open += i32::from(c == '(') - i32::from(c == ')');
        open < 0 || c == '\n' || (c == '"' && is_quoted && !rest[..at].ends_with('\\'))
    };
    let to = rest.char_indices().find(|(at, c)| is_end(*at, *c));
    (from, to.map_or(text.len(), |(at, _)| end + at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    fn hint(text: &str) -> Option<String> {
        let node = Node::text(Place::nowhere(), text);
        advice(&node, &[]).first().and_then(|problem| problem.hint.clone())
    }

    #[test]
    fn queries_by_name_are_written_by_category() {
        let by_category = |query: &str| Some(format!("ask by category, for old and new: {query}"));
        assert_eq!(
            hint("select jvm_heap_used_mb where entityName = \"cloudera_manager_server\""),
            by_category("select jvm_heap_used_mb where category=CMSERVER")
        );
        // As a trigger has it: JSON, with the query inside a condition.
        let trigger = r#"[{"triggerName":"t","triggerExpression":"IF (SELECT pauses WHERE entityName=\"CMSERVER:cm1.a.com\" AND last(pauses) > 9) DO health:bad"}]"#;
        assert_eq!(
            hint(trigger),
            by_category("SELECT pauses WHERE category=CMSERVER AND last(pauses) > 9")
        );
    }

    #[test]
    fn other_queries_are_let_alone() {
        for query in [
            "select jvm_heap_used_mb where category=CMSERVER",
            "select fd_open where entityName = \"hdfs-DATANODE-1\"",
            "cloudera_manager_server",
        ] {
            assert_eq!(hint(query), None, "{query}");
        }
    }
}
