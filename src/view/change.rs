//! One change, attribute by attribute.

use super::{ADD, CHANGE, DIM, REMOVE, UNKNOWN, paint};
use crate::format::text_diff::{self, Line};
use crate::format::units;
use crate::model::{Attribute, Delta, Live, Value, Want};

/// Longer values are cut in the middle.
const LONGEST: usize = 160;
/// More lines of a text difference are left out.
const MOST_LINES: usize = 60;

/// Returns the lines that show what differs in `delta`.
pub fn lines(delta: &Delta) -> Vec<String> {
    let width = delta.differing().map(|a| a.name.chars().count()).max().unwrap_or(0).min(48);
    delta.differing().flat_map(|attribute| attribute_lines(attribute, width)).collect()
}

fn attribute_lines(attribute: &Attribute, width: usize) -> Vec<String> {
    let name = &attribute.name;
    let note = attribute.note.as_ref().map(|note| paint(DIM, format!("   ({note})")));
    let note = note.unwrap_or_default();
    match (&attribute.before, &attribute.after) {
        (Live::Known(Value::Map(before)), Want::Value(Value::Map(after))) => {
            let mut lines = vec![format!("{} {name}{note}", paint(CHANGE, "~"))];
            lines.extend(map_lines(before, after));
            lines
        }
        (Live::Absent, Want::Value(Value::Map(after))) => {
            let mut lines = vec![format!("{} {name}{note}", paint(ADD, "+"))];
            lines.extend(map_lines(&[], after));
            lines
        }
        (Live::Known(Value::Text(before)), Want::Value(Value::Text(after)))
            if is_long(before) || is_long(after) =>
        {
            let mut lines = vec![format!("{} {name}{note}", paint(CHANGE, "~"))];
            lines.extend(text_lines(before, after));
            lines
        }
        (Live::Absent, Want::Value(Value::Text(after))) if is_long(after) => {
            let mut lines = vec![format!("{} {name}{note}", paint(ADD, "+"))];
            lines.extend(text_lines("", after));
            lines
        }
        (before, after) => vec![format!(
            "{} {name:width$}  {} {} {}{note}",
            sign(before, after),
            live(before),
            paint(DIM, "→"),
            want(after),
        )],
    }
}

fn sign(before: &Live, after: &Want) -> String {
    match (before, after) {
        (_, Want::Absent(_)) => paint(REMOVE, "-"),
        (Live::Absent, _) => paint(ADD, "+"),
        _ => paint(CHANGE, "~"),
    }
}

fn is_long(text: &str) -> bool {
    text.trim_end().contains('\n') || text.chars().count() > LONGEST
}

/// Returns what was read, as shown.
pub fn live(live: &Live) -> String {
    match live {
        Live::Known(value) => shown(value),
        Live::Absent => paint(DIM, "absent"),
        Live::Unknown(reason) => paint(UNKNOWN, format!("unknown: {reason}")),
    }
}

fn want(want: &Want) -> String {
    match want {
        Want::Value(value) => shown(value),
        Want::Absent(Some(default)) => format!("{} {}", shown(default), paint(DIM, "(default)")),
        Want::Absent(None) => paint(DIM, "absent"),
        Want::Later(why) => paint(DIM, format!("(known after apply: {why})")),
    }
}

/// Returns a value on one line; a size in bytes with its readable form.
fn shown(value: &Value) -> String {
    let text = value.to_string().replace('\n', "\\n");
    let readable = text.parse().ok().and_then(units::readable);
    let length = text.chars().count();
    let cut = match length > LONGEST {
        true => {
            let head: String = text.chars().take(LONGEST / 2).collect();
            let tail: String = text.chars().skip(length - LONGEST / 2).collect();
            format!("{head}…{tail}")
        }
        false => text,
    };
    match readable {
        Some(readable) => format!("{cut} {}", paint(DIM, format!("({readable})"))),
        None => cut,
    }
}

type Entry = (std::sync::Arc<str>, Value);

fn map_lines(before: &[Entry], after: &[Entry]) -> Vec<String> {
    let find =
        |map: &[Entry], key: &str| map.iter().find(|(k, _)| &**k == key).map(|(_, v)| v.clone());
    let mut keys: Vec<&str> = before.iter().chain(after).map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys.dedup();
    let line = |key: &str| match (find(before, key), find(after, key)) {
        (Some(a), Some(b)) if a == b => None,
        (Some(a), Some(b)) => Some(format!(
            "    {} {key}  {} {} {}",
            paint(CHANGE, "~"),
            shown(&a),
            paint(DIM, "→"),
            shown(&b)
        )),
        (None, Some(b)) => Some(format!("    {} {key}  {}", paint(ADD, "+"), shown(&b))),
        (Some(a), None) => Some(format!("    {} {key}  {}", paint(REMOVE, "-"), shown(&a))),
        (None, None) => None,
    };
    keys.into_iter().filter_map(line).collect()
}

fn text_lines(before: &str, after: &str) -> Vec<String> {
    let diff = text_diff::unified(before, after);
    let left_out = diff.len().saturating_sub(MOST_LINES);
    let mut lines: Vec<String> = diff
        .iter()
        .take(MOST_LINES)
        .map(|line| match line {
            Line::Hunk(text) => paint(DIM, format!("    {text}")),
            Line::Same(text) => format!("      {text}"),
            Line::Removed(text) => paint(REMOVE, format!("    - {text}")),
            Line::Added(text) => paint(ADD, format!("    + {text}")),
        })
        .collect();
    if lines.is_empty() {
        lines.push(paint(DIM, "    (only the end of the last line differs)"));
    }
    if left_out > 0 {
        lines.push(paint(DIM, format!("    … {left_out} more lines")));
    }
    lines
}
