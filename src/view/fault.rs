//! A diagnostic with the user's own line under it: the only file that names the renderer.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use regex::Regex;

use crate::model::secret::{self, MASK, mask};
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
    column: usize,
    text: String,
    span: Range<usize>,
}

impl Excerpt {
    /// Corrects the column in a drawing: the renderer counts in the line as shown, in which a mask
    /// may be longer or shorter than what it hides.
    fn with_true_column(&self, drawn: String) -> String {
        let shown = self.text[..self.span.start].chars().count() + 1;
        let at = |column: usize| format!("{}:{}:{column}", self.file, self.line);
        match shown == self.column {
            true => drawn,
            false => drawn.replacen(&at(shown), &at(self.column), 1),
        }
    }
}

fn excerpt(place: &Place, texts: &Texts) -> Excerpt {
    let line = texts
        .get(&place.file)
        .and_then(|text| text.lines().nth(place.line.saturating_sub(1) as usize))
        .unwrap_or_default();
    let column = place.column.saturating_sub(1) as usize;
    let at = line.char_indices().nth(column).map_or(line.len(), |(i, _)| i);
    let (text, start) = hide(line, at);
    let end = start + word(&text[start..]);
    Excerpt {
        file: place.file.to_string(),
        line: place.line,
        column: place.column as usize,
        text,
        span: start..end.max(start),
    }
}

/// Returns the length of what `rest` begins with: a quoted text, the mask, or a word.
fn word(rest: &str) -> usize {
    let closing = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let quoted = closing.and_then(|quote| rest[1..].find(quote)).map(|end| end + 2);
    let masked = rest.starts_with(MASK).then_some(MASK.len());
    let stop = rest.find([' ', ':', ',', '}', ']']).filter(|end| *end > 0);
    quoted.or(masked).or(stop).unwrap_or_else(|| rest.trim_end().len())
}

/// Masks what is known to be secret and what is written under a name that says so. Also returns
/// where the byte `at` of the line has moved to.
fn hide(line: &str, at: usize) -> (String, usize) {
    let mut ranges = secret::found_in(line);
    ranges.extend(named(line));
    ranges.sort_by_key(|range| range.start);
    let (mut text, mut taken, mut moved) = (String::new(), 0, None);
    for range in ranges {
        if range.start >= taken {
            let kept = &line[taken..range.start];
            if at < range.start {
                moved = moved.or(Some(text.len() + at.saturating_sub(taken)));
            }
            text.push_str(kept);
            if at < range.end {
                moved = moved.or(Some(text.len()));
            }
            text.push_str(MASK);
        }
        taken = taken.max(range.end);
    }
    let start = moved.unwrap_or(text.len() + at.saturating_sub(taken));
    text.push_str(&line[taken..]);
    (text, start)
}

/// Returns where values stand that are written in clear under a name such as `password`.
fn named(line: &str) -> Vec<Range<usize>> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        let words = "pass?w|passphrase|pwd|secret|token|credential|(?:api|access|private)[-_.]?key";
        Regex::new(&format!(r#"(?i)(?:{words})[\w.-]*["']?\s*[:=]\s*"#))
            .expect("the pattern is a constant that compiles")
    });
    let mut found: Vec<Range<usize>> = Vec::new();
    for name in NAME.find_iter(line) {
        let is_inside = found.last().is_some_and(|value| name.start() < value.end);
        let value = &line[name.end()..];
        // A reference to a secret, a template, or a value that begins on the next line.
        let refers =
            ["{", "[", "|", ">", "*", "!vault", "\"{{", "'{{"].iter().any(|s| value.starts_with(s));
        if !is_inside && !refers && !value.trim().is_empty() {
            found.push(name.end()..name.end() + value_length(value, &line[..name.start()]));
        }
    }
    found
}

/// Returns the length of the value that `rest` begins with; in doubt all of `rest`.
fn value_length(rest: &str, before: &str) -> usize {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let in_braces = before.matches('{').count() > before.matches('}').count();
    let end = match quote {
        Some('"') if rest.contains('\\') => None,
        Some(quote) => rest[1..].find(quote).map(|end| end + 2),
        None if in_braces => rest.find([',', '}']),
        None => None,
    };
    end.unwrap_or(rest.trim_end().len())
}

fn draw(diagnostic: &Diagnostic, texts: &Texts) -> String {
    let level = if diagnostic.is_error() { Level::ERROR } else { Level::WARNING };
    let summary = mask(&diagnostic.summary).into_owned();
    let excerpts: Vec<(Excerpt, Option<String>)> = diagnostic
        .place
        .iter()
        .map(|place| (excerpt(place, texts), None))
        .chain(
            diagnostic
                .related
                .iter()
                .map(|(place, word)| (excerpt(place, texts), Some(mask(word).into_owned()))),
        )
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
    let drawn = Renderer::styled().render(&[group]) + "\n";
    excerpts.iter().fold(drawn, |drawn, (excerpt, _)| excerpt.with_true_column(drawn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_under_telling_names_are_hidden_and_the_caret_stays() {
        for (line, at, shown, under) in [
            ("password: hunter2", 0, "password: (sensitive)", "password"),
            ("a: { password: hunter2, b: 1 }", 24, "a: { password: (sensitive), b: 1 }", "b"),
            ("a: { password: 'x, y', b: 1 }", 23, "a: { password: (sensitive), b: 1 }", "b"),
            ("password: a, b: 1", 13, "password: (sensitive)", "(sensitive)"),
            ("password: \"a\\\"b\" # b", 10, "password: (sensitive)", "(sensitive)"),
            ("\"api_key\": x", 0, "\"api_key\": (sensitive)", "\"api_key\""),
            ("password: { env: X }", 10, "password: { env: X }", "{"),
            ("password: \"{{ x }}\"", 10, "password: \"{{ x }}\"", "\"{{ x }}\""),
            ("é: ü", 4, "é: ü", "ü"),
        ] {
            let (text, start) = hide(line, at);
            assert_eq!(text, shown);
            assert_eq!(&text[start..start + word(&text[start..])], under, "{line}");
        }
    }
}
