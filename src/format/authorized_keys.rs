//! Lines of `authorized_keys`, as sshd(8) reads them.

use super::lines::{bare, ending, lines};

/// A public key with its options and comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What stands before it, separated by commas; empty without.
    pub options: String,
    /// `ssh-ed25519`, `ssh-rsa`, …
    pub sort: String,
    /// The key in base64.
    pub data: String,
    /// What stands after it.
    pub comment: String,
}

impl Key {
    /// Reads a line; `None` where it is not a key.
    pub fn parse(line: &str) -> Option<Key> {
        let line = line.trim();
        let (options, rest) = match is_sort(word(line).0) {
            true => ("", line),
            false => {
                let end = options_end(line)?;
                (&line[..end], line[end..].trim_start())
            }
        };
        let (sort, rest) = word(rest);
        let (data, comment) = word(rest);
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        let is_key = is_sort(sort) && data.len() > 15 && data.chars().all(is_base64);
        is_key.then(|| Key {
            options: options.into(),
            sort: sort.into(),
            data: data.into(),
            comment: comment.into(),
        })
    }

    /// Finds out whether the data are whole and of the sort they claim to be.
    pub fn sound(&self) -> Result<(), String> {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let bytes = engine.decode(&self.data).unwrap_or_default();
        let mut rest = &*bytes;
        let mut first = None;
        // A sequence of fields, each after its length in four bytes; the first is the sort.
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let Some((field, after)) = after.split_at_checked(length) else { break };
            first = first.or(Some(field));
            rest = after;
        }
        match first == Some(self.sort.as_bytes()) && rest.is_empty() {
            true => Ok(()),
            false => Err(format!("the key {} is cut short or damaged", self.short())),
        }
    }

    /// Returns the line, without its end.
    pub fn line(&self) -> String {
        let parts = [&self.options, &self.sort, &self.data, &self.comment];
        let parts: Vec<&str> =
            parts.into_iter().map(|part| &**part).filter(|p| !p.is_empty()).collect();
        parts.join(" ")
    }

    /// Returns the line with the data cut to the end that tells keys apart.
    pub fn shown(&self) -> String {
        Key { data: String::new(), sort: self.short(), ..self.clone() }.line()
    }

    /// Returns sort and end of the key.
    pub fn short(&self) -> String {
        let start = self.data.len().saturating_sub(12);
        format!("{} …{}", self.sort, self.data.get(start..).unwrap_or_default())
    }

    /// True when this key, which is there, is as `wish` has it.
    pub fn fits(&self, wish: &Key, with_comment: bool) -> bool {
        let sorted = |key: &Key| {
            let mut options: Vec<String> =
                split(&key.options).into_iter().map(String::from).collect();
            options.sort_by(|a, b| a.split('=').next().cmp(&b.split('=').next()));
            options
        };
        self.sort == wish.sort
            && sorted(self) == sorted(wish)
            && (!with_comment || self.comment == wish.comment)
    }
}

/// Returns `text` with `wanted` in it: in the place of the line that has the key, or at the end.
/// With `exclusive`, nothing else is left.
pub fn put(text: &str, wanted: &[Key], with_comment: bool, exclusive: bool) -> String {
    let end = ending(text);
    let mut done = vec![false; wanted.len()];
    let mut new = String::new();
    for line in lines(text) {
        let found = Key::parse(bare(line));
        let at = found.as_ref().and_then(|key| wanted.iter().position(|w| w.data == key.data));
        match (at, found) {
            (Some(at), _) if done[at] => {}
            (Some(at), Some(key)) => {
                done[at] = true;
                match key.fits(&wanted[at], with_comment) {
                    true => push(&mut new, bare(line), end),
                    false => push(&mut new, &wanted[at].line(), end),
                }
            }
            _ if exclusive => {}
            _ => new.push_str(line),
        }
    }
    for (key, done) in wanted.iter().zip(done) {
        if !done {
            push(&mut new, &key.line(), end);
        }
    }
    new
}

fn push(text: &mut String, line: &str, end: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str(end);
    }
    text.push_str(line);
    text.push_str(end);
}

/// Returns what is wrong with `options` as a whole.
pub fn options_problem(options: &str) -> Option<String> {
    if options.contains(char::is_control) || options.len() > 65536 {
        return Some("options are one line of at most 64 KiB".into());
    }
    if options.is_empty() {
        return None;
    }
    match options_end(&format!("{options} ")) {
        Some(end) if end == options.len() => None,
        Some(_) => Some("blanks belong between quotes: `command=\"a b\"`".into()),
        None => Some("a quote is not closed".into()),
    }
}

/// Returns where the options end: at the first blank outside of quotes.
fn options_end(line: &str) -> Option<usize> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' if is_escaped => {}
            '"' => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => return Some(at),
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}

/// Splits options at commas outside of quotes.
fn split(options: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = options.split(|c| {
        if c == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = c == '\\' && !is_escaped;
        c == ',' && !is_quoted
    });
    parts.filter(|part| !part.is_empty()).collect()
}

fn is_sort(word: &str) -> bool {
    let begins = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "webauthn-sk-", "rsa-sha2-"];
    begins.iter().any(|begin| word.starts_with(begin)) && !word.contains([',', '"'])
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    match text.find([' ', '\t']) {
        Some(end) => (&text[..end], text[end..].trim()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = "AAAAC3NzaC1lZDI1NTE5AAAAILz88rkn4gFp9EGakYwoaTteFDNNQAiT11NzWLBh3QVd";

    #[test]
    fn lines_are_read_as_sshd_does() {
        let line = format!(r#"command="echo \"a, b\" c",no-pty ssh-ed25519 {DATA} a b"#);
        let key = Key::parse(&line).unwrap();
        assert_eq!(key.options, r#"command="echo \"a, b\" c",no-pty"#);
        assert_eq!((&*key.sort, &*key.data, &*key.comment), ("ssh-ed25519", DATA, "a b"));
        assert_eq!(key.line(), line);
        assert_eq!(key.sound(), Ok(()));
        let turned = format!(r#"no-pty,command="echo \"a, b\" c" ssh-ed25519 {DATA}"#);
        assert!(Key::parse(&turned).unwrap().fits(&key, false));
        assert!(!Key::parse(&turned).unwrap().fits(&key, true));
        assert_eq!(Key::parse("# ssh-ed25519 is a comment"), None);
        assert_eq!(Key::parse(""), None);
        let cut = Key::parse(&format!("ssh-ed25519 {}", &DATA[..60])).unwrap();
        assert!(cut.sound().is_err());
        let other = Key::parse(&format!("ssh-rsa {DATA}")).unwrap();
        assert!(other.sound().is_err());
    }

    #[test]
    fn keys_go_to_their_line_or_to_the_end() {
        let key = Key::parse(&format!("ssh-ed25519 {DATA} new")).unwrap();
        let old = format!("no-pty ssh-ed25519 {DATA} old\n");
        let new = format!("ssh-ed25519 {DATA} new\n");
        let put = |text: &str, exclusive| put(text, std::slice::from_ref(&key), false, exclusive);
        assert_eq!(put(&format!("# a\n{old}x"), false), format!("# a\n{new}x"));
        assert_eq!(put(&format!("# a\n{old}x"), true), new);
        assert_eq!(put("x", false), format!("x\n{new}"));
        assert_eq!(put(&format!("{old}{old}"), false), new);
    }

    #[test]
    fn options_hold_together() {
        assert_eq!(options_problem(r#"from="a b",no-pty"#), None);
        assert!(options_problem("no-pty ssh").is_some());
        assert!(options_problem(r#"from="a"#).is_some());
    }
}
