//! Differences between two texts, line by line: the only file that names the diff library.

use std::time::Duration;

use similar::{Algorithm, ChangeTag, TextDiff};

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// `@@ -1,3 +1,4 @@`
    Hunk(String),
    /// The same on both sides.
    Same(String),
    /// Only before.
    Removed(String),
    /// Only after.
    Added(String),
}

/// Returns the lines of a unified difference with three lines of context; long ones give up on
/// detail after half a second.
pub fn unified(before: &str, after: &str) -> Vec<Line> {
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Histogram)
        .timeout(Duration::from_millis(500))
        .diff_lines(before, after);
    let mut lines = Vec::new();
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        lines.push(Line::Hunk(hunk.header().to_string().trim_end().to_string()));
        for change in hunk.iter_changes() {
            let text = change.value().trim_end_matches(['\n', '\r']).to_string();
            lines.push(match change.tag() {
                ChangeTag::Equal => Line::Same(text),
                ChangeTag::Delete => Line::Removed(text),
                ChangeTag::Insert => Line::Added(text),
            });
        }
    }
    lines
}
