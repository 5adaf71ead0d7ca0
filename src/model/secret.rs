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
    /// Keeps `text` secret from here on: as a whole, line by line, and in the encodings in which
    /// it may turn up.
    pub fn new(text: String) -> Secret {
        remember(forms(&text));
        Secret(Arc::new(Zeroizing::new(text)))
    }

    /// Keeps `text`, which was made with a secret, secret as a whole. Its single lines are not
    /// hidden wherever they turn up: most of a file with a password in it is no secret.
    pub fn derived(text: String) -> Secret {
        remember(vec![escape_json(&text), text.clone()]);
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

/// Returns `text`, its lines, and what JSON, base64 and addresses make of them.
fn forms(text: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let mut parts: Vec<&str> = vec![text, text.trim()];
    parts.extend(text.lines().flat_map(|line| [line, line.trim()]));
    parts.retain(|part| part.len() >= SHORTEST_MASKED);
    parts.sort_unstable();
    parts.dedup();
    let encoded = |part: &&str| {
        let base64 = [STANDARD_NO_PAD.encode(part), URL_SAFE_NO_PAD.encode(part)];
        base64.into_iter().chain([part.to_string(), escape_json(part), super::quote::percent(part)])
    };
    parts.iter().flat_map(encoded).collect()
}

fn remember(forms: Vec<String>) {
    let Ok(mut known) = KNOWN.write() else { return };
    for form in forms {
        // Masking these words wherever they stand would hide nothing and break JSON.
        let is_word = matches!(&*form, "true" | "false" | "null");
        if form.len() >= SHORTEST_MASKED && !is_word && !known.iter().any(|k| **k == form) {
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

/// Returns where known secrets stand in `text`, in bytes; the ranges may overlap.
pub fn found_in(text: &str) -> Vec<std::ops::Range<usize>> {
    let Ok(known) = KNOWN.read() else { return std::iter::once(0..text.len()).collect() };
    let found = known.iter().flat_map(|secret| text.match_indices(secret.as_str()));
    found.map(|(at, secret)| at..at + secret.len()).collect()
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
        assert_eq!(mask("?p=tr0ub4dor%22x&dHIwdWI0ZG9yIng="), "?p=(sensitive)&(sensitive)=");
        assert_eq!(found_in("a tr0ub4dor\"x b").first(), Some(&(2..13)));
    }

    #[test]
    fn lines_of_a_file_with_a_secret_stay_readable() {
        let secret = Secret::derived("port = 8888\nkey = 5ecr3t+1\n".into());
        assert!(secret.reveal().contains("8888"));
        assert_eq!(mask("port = 8888"), "port = 8888");
    }
}
