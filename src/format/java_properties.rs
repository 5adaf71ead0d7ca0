//! Java's `.properties` files, as `java.util.Properties` reads them: `k=v`, `k:v` and `k v`,
//! comments with `#` and `!`, lines that go on after a backslash, and escapes.

use std::ops::Range;

use super::lines::{bare, ending, join, lines};

/// One property, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its key, escapes resolved.
    pub key: String,
    /// Its value, escapes resolved.
    pub value: String,
    /// Its lines.
    place: Range<usize>,
    /// Its first line up to the value; empty where the value begins in a later line.
    head: &'a str,
    /// What separates key and value, blanks included.
    separator: &'a str,
}

/// Reads all properties in the order written. Of several with one key the last counts.
///
/// Errors: what Java refuses, with its line.
pub fn parse(text: &str) -> Result<Vec<Entry<'_>>, String> {
    let lines = lines(text);
    if lines.iter().any(|line| bare(line).contains('\r')) {
        return Err("a line ends with a carriage return alone".into());
    }
    let mut entries = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let first = at;
        at += 1;
        let start = bare(lines[first]).trim_start_matches(BLANKS);
        // A backslash alone begins nothing yet.
        if matches!(start, "" | "\\") || start.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = uncontinued(bare(lines[first])).to_string();
        while is_continued(bare(lines[at - 1])) && at < lines.len() {
            whole.push_str(uncontinued(bare(lines[at]).trim_start_matches(BLANKS)));
            at += 1;
        }
        let entry = entry(&whole, uncontinued(bare(lines[first])), first..at);
        entries.push(entry.map_err(|error| format!("line {}: {error}", first + 1))?);
    }
    Ok(entries)
}

fn entry<'a>(whole: &str, first: &'a str, place: Range<usize>) -> Result<Entry<'a>, String> {
    let (begin, key, value) = ends(whole);
    let (head, separator) = match value <= first.len() {
        true => (&first[..value], &first[key..value]),
        false => ("", ""),
    };
    let (key, value) = (unescaped(&whole[begin..key])?, unescaped(&whole[value..])?);
    Ok(Entry { key, value, place, head, separator })
}

/// What Java takes for blanks.
const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// True when a line goes on in the next: its last backslash is not itself escaped.
fn is_continued(line: &str) -> bool {
    (line.len() - line.trim_end_matches('\\').len()) % 2 == 1
}

/// Returns a line without the backslash that makes it go on.
fn uncontinued(line: &str) -> &str {
    if is_continued(line) { &line[..line.len() - 1] } else { line }
}

/// Returns where the key of a line begins, where it ends, and where the value begins.
fn ends(line: &str) -> (usize, usize, usize) {
    let begin = line.len() - line.trim_start_matches(BLANKS).len();
    let mut escaped = false;
    let is_end = |c: char| {
        let ends = !escaped && (matches!(c, '=' | ':') || BLANKS.contains(&c));
        escaped = !escaped && c == '\\';
        ends
    };
    let key = line[begin..].find(is_end).map_or(line.len(), |at| begin + at);
    let rest = line[key..].trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(BLANKS);
    (begin, key, line.len() - rest.len())
}

fn unescaped(text: &str) -> Result<String, String> {
    // Java's characters are UTF-16, and an escape may be one half of a pair.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => rest.next(),
            c => {
                units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                continue;
            }
        };
        let c = match c {
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let is_hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
                units.push(unit.ok_or_else(|| format!("`\\u{digits}` is no character"))?);
                continue;
            }
            Some('t') => '\t',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('f') => '\u{c}',
            Some(c) => c,
            None => continue,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    Ok(String::from_utf16_lossy(&units))
}

/// Writes what a key or value has in common: control characters and what is not ASCII, which older
/// programs read as ISO-8859-1 and newer ones as UTF-8.
fn escape(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\u{c}' => out.push_str("\\f"),
        ' '..='~' => out.push(c),
        c => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04X}"));
            }
        }
    }
}

fn escaped_key(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for c in key.chars() {
        if matches!(c, ' ' | '=' | ':' | '#' | '!') {
            out.push('\\');
        }
        escape(c, &mut out);
    }
    out
}

/// Writes a value. Only blanks at its ends need an escape, and what would be taken for the
/// separator where that is a mere blank.
fn escaped_value(value: &str, separator: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    let is_blank = !separator.contains(['=', ':']);
    for (i, c) in value.chars().enumerate() {
        match c {
            ' ' if i == 0 => out.push_str("\\ "),
            // Editors take blanks off line ends.
            ' ' if i == last => out.push_str("\\u0020"),
            '=' | ':' if i == 0 && is_blank => out.extend(['\\', c]),
            c => escape(c, &mut out),
        }
    }
    out
}

/// Returns `text` with `value` under `key`: in the place of the last one, or at the end.
///
/// Errors: see [`parse`].
pub fn set(text: &str, key: &str, value: &str) -> Result<String, String> {
    let (all, end, entries) = (lines(text), ending(text), parse(text)?);
    let mut new: Vec<String> = all.iter().map(|line| line.to_string()).collect();
    if let Some(old) = entries.iter().rfind(|entry| entry.key == key) {
        let head = match old.separator {
            "" => format!("{}=", escaped_key(key)),
            _ => old.head.to_string(),
        };
        let last = all[old.place.end - 1];
        let end = &last[bare(last).len()..];
        let separator = if old.separator.is_empty() { "=" } else { old.separator };
        let line = format!("{head}{}{end}", escaped_value(value, separator));
        new.splice(old.place.clone(), [line]);
    } else {
        // A backslash at the very end would swallow what follows; an empty line ends that.
        if entries.last().is_some_and(|entry| is_dangling(&all, entry)) {
            new.push(end.to_string());
        }
        let separators = entries.iter().rev().map(|entry| entry.separator);
        let mut separators = separators.filter(|separator| separator.contains(['=', ':']));
        let separator = separators.next().unwrap_or("=");
        let value = escaped_value(value, separator);
        new.push(format!("{}{separator}{value}{end}", escaped_key(key)));
    }
    Ok(join(new.iter().map(String::as_str), end))
}

fn is_dangling(all: &[&str], entry: &Entry<'_>) -> bool {
    entry.place.end == all.len() && all.last().is_some_and(|line| is_continued(bare(line)))
}

/// Returns `text` without any property of that key.
///
/// Errors: see [`parse`].
pub fn remove(text: &str, key: &str) -> Result<String, String> {
    let entries = parse(text)?;
    let is_doomed = |at: usize| entries.iter().any(|e| e.key == key && e.place.contains(&at));
    let kept = lines(text).into_iter().enumerate().filter(|(at, _)| !is_doomed(*at));
    Ok(kept.map(|(_, line)| line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().map(|entry| (entry.key, entry.value)).collect()
    }

    fn pair(text: &str) -> (String, String) {
        pairs(text).remove(0)
    }

    #[test]
    fn lines_mean_what_java_says() {
        let is = |text: &str, key: &str, value: &str| {
            assert_eq!(pair(text), (key.into(), value.into()), "{text}");
        };
        for text in ["k=v", " k = v", "k:v", "k v", "k\t: v", "k\\\n=v", "k=\\\n   v", "\\\nk=v"] {
            is(text, "k", "v");
        }
        is("a\\ b\\:c=d\\=e", "a b:c", "d=e");
        is("k= = v ", "k", "= v ");
        is("k", "k", "");
        is("k=C:\\\\x\\ty\\q", "k", "C:\\x\tyq");
        is("k=a,\\\r\n  # b,\\\n  !c", "k", "a,# b,!c");
        is("k=\\u00e4\\uD83D\\uDE00", "k", "ä😀");
        is("k=v\\\\\nx=y", "k", "v\\");
        is("k=v\\\n\nx=y", "k", "v");
        assert!(pairs("# a=b\\\n ! c\n\n   \n").is_empty());
        assert!(parse("a=1\nk=\\u12g4").unwrap_err().starts_with("line 2: `\\u12g4`"));
        is("k=\\uD83D", "k", "\u{fffd}");
        assert!(pairs("\\\n# a=b\n").is_empty());
        assert!(parse("a=1\rb=2\n").is_err());
    }

    #[test]
    fn what_is_set_reads_back() {
        let values =
            ["", " x ", "=x", ":", "a\\", "ä\n\t😀\u{c}\r", "#!", "x  y", "\\u0041", "\u{7f}"];
        for text in
            ["", "k=1", "k 1\n", "k: 1\n# end\n", "  k\\\n  = 1,\\\n 2\nz=1\n", "k", "z=1\\"]
        {
            for value in values {
                let new = set(text, "k", value).unwrap();
                let found = pairs(&new).into_iter().rfind(|(key, _)| key == "k");
                assert_eq!(found.map(|(_, v)| v).as_deref(), Some(value), "{text:?} {new:?}");
                assert_eq!(pairs(&new).len(), pairs(&set(text, "k", "").unwrap()).len());
                assert!(new.is_ascii());
            }
        }
        let odd = " a=b:c#\\ä";
        assert_eq!(pair(&set("", odd, "v").unwrap()).0, odd);
    }

    #[test]
    fn everything_else_stays() {
        let text = "# licence\nk = 1\n\nother : x,\\\n  y\nk = 2\n";
        assert_eq!(set(text, "k", "3").unwrap(), text.replace("k = 2", "k = 3"));
        assert_eq!(set(text, "other", "z").unwrap(), text.replace("x,\\\n  y", "z"));
        assert_eq!(set(text, "new", "z").unwrap(), format!("{text}new = z\n"));
        assert_eq!(remove(text, "k").unwrap(), "# licence\n\nother : x,\\\n  y\n");
        assert_eq!(set("a=1\\", "b", "2").unwrap(), "a=1\\\n\nb=2\n");
        assert_eq!(set("a=1\r\n", "b", "2").unwrap(), "a=1\r\nb=2\r\n");
    }
}
