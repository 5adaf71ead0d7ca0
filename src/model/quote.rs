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
    use super::quote;

    #[test]
    fn quotes_are_closed_and_reopened() {
        assert_eq!(quote("a'b $(c)"), r"'a'\''b $(c)'");
        assert_eq!(quote(""), "''");
    }
}
