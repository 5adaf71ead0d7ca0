//! Lines of a text that keep their ends, so that what is not changed stays as it is.

/// Splits `text` into lines that keep their ends, so that joining them gives `text` again.
pub fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Returns a line without its end.
pub fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Returns how lines of `text` end: as the first one does.
pub fn ending(text: &str) -> &'static str {
    match text.split_inclusive('\n').next() {
        Some(first) if first.ends_with("\r\n") => "\r\n",
        _ => "\n",
    }
}

/// Returns the blanks at the beginning of a line.
pub fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Joins lines; one that is not the last gets an end where it lacks one.
pub fn join<'a>(lines: impl IntoIterator<Item = &'a str>, end: &str) -> String {
    let mut text = String::new();
    for line in lines {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(end);
        }
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        for text in ["", "a", "a\n", "a\r\nb", "\n\n", "a\rb\n"] {
            assert_eq!(join(lines(text), "\n"), text);
        }
        assert_eq!(join(["a", "b\r\n", "c"], "\r\n"), "a\r\nb\r\nc");
        assert_eq!((ending("a\r\nb\n"), ending("a\nb\r\n"), ending("")), ("\r\n", "\n", "\n"));
        assert_eq!((bare("a \r\n"), indent("\t a")), ("a ", "\t "));
    }
}
