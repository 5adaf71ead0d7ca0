//! Everything that is printed. Data goes to stdout, talk to stderr, and all of it through the mask.

pub mod change;
pub mod drawing;
pub mod fault;
pub mod group;
pub mod json;
pub mod plan;
pub mod run;

use std::io::Write;

use anstyle::{AnsiColor, Style};

use crate::model::secret::mask;

/// Prints `text` to stdout. A closed pipe is no failure: whoever reads has seen enough.
pub fn out(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(mask(text).as_bytes());
    let _ = out.flush();
}

/// Prints JSON to stdout. Its texts are masked one by one: masking the finished page could hit a
/// number and break it.
pub fn page(page: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{:#}", masked(page));
    let _ = out.flush();
}

fn masked(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => mask(text).into(),
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(map) => {
            let entries = map.iter().map(|(k, v)| (mask(k).into_owned(), masked(v)));
            entries.collect::<serde_json::Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// Prints `text` to stderr.
pub fn talk(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(mask(text).as_bytes());
    let _ = out.flush();
}

/// Prints a line to stdout that hands out credentials of a sandbox, unmasked.
pub fn credentials(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Added: green.
pub const ADD: Style = AnsiColor::Green.on_default();
/// Changed: yellow.
pub const CHANGE: Style = AnsiColor::Yellow.on_default();
/// Removed, failed: red.
pub const REMOVE: Style = AnsiColor::Red.on_default();
/// Unknown: magenta.
pub const UNKNOWN: Style = AnsiColor::Magenta.on_default();
/// Headings.
pub const BOLD: Style = Style::new().bold();
/// Remarks.
pub const DIM: Style = Style::new().dimmed();

/// Returns `text` in `style`.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns `count thing` or `count things`.
pub fn count(count: usize, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
    }
}
