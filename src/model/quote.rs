//! Quoting for a POSIX shell: a value stays one word and never becomes code.

/// Returns `text` as one single-quoted shell word.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for part in text.split_inclusive('\'') {
        match part.strip_suffix('\'') {
            Some(before) => {
                quoted.push_str(before);
                quoted.push_str("'\\''");
            }
            None => quoted.push_str(part),
        }
    }
    quoted.push('\'');
    quoted
}

/// True when `name` can be the name of a shell variable.
pub fn is_word(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.chars().all(is_part)
}

/// True when `name` may be given to a shell variable that holds a user's value: names in capitals mean
/// something to shells and programs, and a few are in use by drsync.
pub fn is_variable(name: &str) -> bool {
    is_word(name)
        && !name.contains(|c: char| c.is_ascii_uppercase())
        && name.len() <= 100
        && !["_", "want_", "drsync_"].iter().any(|start| name.starts_with(start))
        && !matches!(name, "root" | "nl")
}

/// What to say when [`is_variable`] says no.
pub const VARIABLE_HINT: &str = "lower-case letters, digits and `_`, a letter first; `root`, `nl`, `want_…` and `drsync_…` are taken";

/// Returns `text` percent-encoded, as one segment of an address (RFC 3986): cluster names often
/// hold blanks.
pub fn percent(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_closed_and_reopened() {
        assert_eq!(quote("a'b $(c)"), r"'a'\''b $(c)'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn names_with_a_meaning_are_no_variables() {
        assert!(["port", "max_2", "n", "mark"].into_iter().all(is_variable));
        let others =
            ["", "PATH", "root", "nl", "a-b", "2a", "_", "a;id", "drsync_x", "want_x", "ü"];
        assert!(!others.into_iter().any(is_variable));
    }
}
