//! A message for a person: what, where, why, and what to do. Data only; `view` draws it.

use super::Place;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing stops.
    Warning,
    /// Must be mended first.
    Error,
}

/// One message: a summary, a place in the user's files or an address, the reason and hints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no final period, names in backticks.
    pub summary: String,
    /// Why, in full sentences.
    pub detail: Option<String>,
    /// Where in the user's files.
    pub place: Option<Place>,
    /// Other places that matter, with a word on each.
    pub related: Vec<(Place, String)>,
    /// What to do.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// Returns an error with this summary.
    pub fn error(summary: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            summary: summary.into(),
            detail: None,
            place: None,
            related: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// Returns a warning with this summary.
    pub fn warning(summary: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(summary) }
    }

    /// Adds the place it is about.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Diagnostic {
        if !place.is_nowhere() {
            self.place = Some(place.clone());
        }
        self
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Diagnostic {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a hint, if there is one.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Diagnostic {
        self.hints.extend(hint.into());
        self
    }

    /// Adds another place, with a word on it.
    #[must_use]
    pub fn also(mut self, place: &Place, word: impl Into<String>) -> Diagnostic {
        self.related.push((place.clone(), word.into()));
        self
    }

    /// True when it must be mended first.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The messages of a run, collected so that all of them can be mended in one go.
#[derive(Debug, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one, unless the very same was said already.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    /// True when at least one is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(Diagnostic::is_error)
    }

    /// Adds all of `more`.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Diagnostic>) {
        more.into_iter().for_each(|d| self.push(d));
    }
}
