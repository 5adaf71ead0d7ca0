//! A diagnostic with the user's own line under it: the only file that names the renderer.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use regex::Regex;

use crate::model::secret::{MASK, mask};
use crate::model::{Diagnostic, Place};

/// Texts of the user's files by name.
pub type Texts = HashMap<Arc<str>, Arc<str>>;

/// Returns diagnostics as compilers print them, errors last so that they stay on the screen.
pub fn text(diagnostics: &[Diagnostic], texts: &Texts) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    let place = |d: &Diagnostic| d.place.clone().unwrap_or_else(Place::nowhere);
    sorted.sort_by_key(|d| (d.severity, place(d).file, place(d).line, place(d).column));
    let drawn: Vec<String> = sorted.iter().map(|diagnostic| draw(diagnostic, texts)).collect();
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    let tail = match errors {
        0 => String::new(),
        n => format!("{} found\n", super::count(n, "error")),
    };
    drawn.join("\n") + "\n" + &tail
}

/// An excerpt: one line of a file, with secrets masked, and the span to underline.
struct Excerpt {
    file: String,
    line: u32,
    text: String,
    span: std::ops::Range<usize>,
}

fn excerpt(place: &Place, texts: &Texts) -> Excerpt {
    let line = texts
        .get(&place.file)
        .and_then(|text| text.lines().nth(place.line.saturating_sub(1) as usize))
        .unwrap_or_default();
    let text = hide(line);
    let column = place.column.saturating_sub(1) as usize;
    let start = text.char_indices().nth(column).map_or(text.len(), |(i, _)| i);
    let rest = &text[start..];
    let stop = rest.find([' ', ':', ',', '}', ']']).filter(|end| *end > 0);
    let quoted = rest.starts_with(['"', '\'']).then(|| rest.trim_end().len());
    let end = start + quoted.or(stop).unwrap_or_else(|| rest.trim_end().len());
    Excerpt { file: place.file.to_string(), line: place.line, text, span: start..end.max(start) }
}

/// Masks what is known to be secret and what is written under a name that says so.
fn hide(line: &str) -> String {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)((?:password|passphrase|secret|token|credential)[\w.-]*\s*:\s*)([^\s{\[!|>&*].*)$")
            .expect("the pattern is a constant that compiles")
    });
    let masked = mask(line);
    NAMED.replace(&masked, format!("${{1}}{MASK}")).into_owned()
}

fn draw(diagnostic: &Diagnostic, texts: &Texts) -> String {
    let level = if diagnostic.is_error() { Level::ERROR } else { Level::WARNING };
    let summary = mask(&diagnostic.summary).into_owned();
    let excerpts: Vec<(Excerpt, Option<String>)> = diagnostic
        .place
        .iter()
        .map(|place| (excerpt(place, texts), None))
        .chain(diagnostic.related.iter().map(|(place, word)| {
            (excerpt(place, texts), Some(mask(word).into_owned()))
        }))
        .collect();
    let mut group = Group::with_title(level.primary_title(&summary));
    for (excerpt, word) in &excerpts {
        let kind = if word.is_none() { AnnotationKind::Primary } else { AnnotationKind::Context };
        let mut annotation = kind.span(excerpt.span.clone());
        if let Some(word) = word {
            annotation = annotation.label(word);
        }
        let snippet = Snippet::source(&excerpt.text)
            .line_start(excerpt.line as usize)
            .path(&excerpt.file)
            .annotation(annotation);
        group = group.element(snippet);
    }
    let detail = diagnostic.detail.as_deref().map(|text| mask(text).into_owned());
    if let Some(detail) = &detail {
        group = group.element(Level::NOTE.message(detail));
    }
    let hints: Vec<String> = diagnostic.hints.iter().map(|h| mask(h).into_owned()).collect();
    for hint in &hints {
        group = group.element(Level::HELP.message(hint));
    }
    Renderer::styled().render(&[group]) + "\n"
}
