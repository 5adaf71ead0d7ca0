//! Values that must never be shown, and the mask that keeps them out of every output.
//!
//! Every secret announces itself to one process-wide list. Whatever is printed passes through
//! [`mask`], so a secret that slipped into an error text or a file's content is covered too.

use std::fmt;
use std::sync::{Arc, RwLock};

use zeroize::Zeroizing;

/// What stands in the place of a secret.
pub const MASK: &str = "(sensitive)";

/// Shorter secrets are hidden by kind only: masking every `a` would make output unreadable.
const SHORTEST_MASKED: usize = 4;

static KNOWN: RwLock<Vec<Zeroizing<String>>> = RwLock::new(Vec::new());

/// A secret value: no `Debug`, `Display` or serialisation shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Keeps `text` secret from here on.
    pub fn new(text: String) -> Secret {
        remember(&text);
        Secret(Arc::new(Zeroizing::new(text)))
    }

    /// Returns the value, for the one place that sends it where it belongs.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

fn remember(text: &str) {
    let mut forms = vec![text.to_string()];
    forms.extend(text.lines().map(str::to_string));
    forms.push(text.trim().to_string());
    forms.push(escape_json(text));
    let Ok(mut known) = KNOWN.write() else { return };
    for form in forms {
        if form.len() >= SHORTEST_MASKED && !known.iter().any(|k| **k == form) {
            known.push(Zeroizing::new(form));
        }
    }
    // Longer ones first, so that a secret that contains another is covered whole.
    known.sort_by_key(|k| std::cmp::Reverse(k.len()));
}

fn escape_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_string()
}

/// Returns `text` with every known secret replaced by [`MASK`].
pub fn mask(text: &str) -> std::borrow::Cow<'_, str> {
    let Ok(known) = KNOWN.read() else { return std::borrow::Cow::Borrowed(MASK) };
    let mut masked = std::borrow::Cow::Borrowed(text);
    for secret in known.iter() {
        if masked.contains(secret.as_str()) {
            masked = std::borrow::Cow::Owned(masked.replace(secret.as_str(), MASK));
        }
    }
    masked
}

/// True when `text` holds a known secret.
pub fn is_tainted(text: &str) -> bool {
    KNOWN.read().map_or(true, |known| known.iter().any(|k| text.contains(k.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_nowhere() {
        let secret = Secret::new("tr0ub4dor\"x".into());
        assert_eq!(format!("{secret:?}"), MASK);
        assert_eq!(mask("password tr0ub4dor\"x!"), "password (sensitive)!");
        assert_eq!(mask(r#"{"p":"tr0ub4dor\"x"}"#), r#"{"p":"(sensitive)"}"#);
        assert!(is_tainted("a tr0ub4dor\"x b"));
    }
}
