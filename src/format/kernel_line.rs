//! Kernel command lines, and the files GRUB makes them from.

/// The variables of `/etc/default/grub` that go into the line of every ordinary entry.
const VARIABLES: [&str; 2] = ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"];

/// Splits a command line into its words; blanks between double quotes do not part them.
pub fn words(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut is_quoted) = (None, false);
    for (at, c) in line.char_indices() {
        if c == '"' {
            is_quoted = !is_quoted;
        }
        match (start, c.is_whitespace() && !is_quoted) {
            (None, false) => start = Some(at),
            (Some(begin), true) => {
                found.push(&line[begin..at]);
                start = None;
            }
            _ => {}
        }
    }
    found.extend(start.map(|begin| &line[begin..]));
    found
}

/// True when `word` is the argument called `name`; the kernel takes `-` and `_` for one letter.
pub fn is_named(word: &str, name: &str) -> bool {
    let same = |a: &str, b: &str| a.replace('-', "_") == b.replace('-', "_");
    same(word.split('=').next().unwrap_or(word), name)
}

/// One assignment of a variable in a file of GRUB's.
struct Assignment<'a> {
    variable: &'static str,
    /// What stands between the quotes; `None` when it is written in a way not understood here.
    value: Option<&'a str>,
    /// Where the value lies in its line.
    at: usize,
}

fn assignment(line: &str) -> Option<Assignment<'_>> {
    let trimmed = line.trim_start();
    let trimmed = trimmed.strip_prefix("export ").unwrap_or(trimmed);
    let (name, rest) = trimmed.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let variable = VARIABLES.into_iter().find(|variable| *variable == name)?;
    let start = line.len() - rest.len();
    let opaque = Assignment { variable, value: None, at: start };
    if trimmed[name.len()..].starts_with('+') {
        return Some(opaque);
    }
    let (quote, body) = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => (Some(quote), &rest[1..]),
        _ => (None, rest),
    };
    let end = match quote {
        Some(quote) => body.find(quote),
        None => Some(body.find(char::is_whitespace).unwrap_or(body.trim_end().len())),
    };
    let Some(end) = end else { return Some(opaque) };
    let after = body[end..].trim_start_matches(|c| Some(c) == quote).trim();
    let is_plain = !body[..end].contains(['\\', '`']) && !body[..end].contains("$(");
    match is_plain && (after.is_empty() || after.starts_with('#')) {
        true => {
            let at = start + usize::from(quote.is_some());
            Some(Assignment { variable, value: Some(&body[..end]), at })
        }
        false => Some(opaque),
    }
}

/// Returns the words that the files make of the command line, in the order GRUB reads them.
///
/// Errors: the line that is not understood.
pub fn evaluate<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let mut values = [String::new(), String::new()];
    for line in texts.into_iter().flat_map(str::lines) {
        let Some(assignment) = assignment(line) else { continue };
        let Some(value) = assignment.value else { return Err(line.trim().to_string()) };
        let mut new = value.to_string();
        // The longer name first: it begins with the shorter one.
        for (variable, old) in VARIABLES.iter().zip(&values).rev() {
            new =
                new.replace(&format!("${{{variable}}}"), old).replace(&format!("${variable}"), old);
        }
        let slot = VARIABLES.iter().position(|variable| *variable == assignment.variable);
        values[slot.unwrap_or(0)] = new;
    }
    Ok(values.iter().flat_map(|value| words(value)).map(String::from).collect())
}

/// Returns `text` without the words that `is_doomed` picks.
pub fn without(text: &str, is_doomed: impl Fn(&str) -> bool) -> String {
    let line = |line: &str| {
        let Some(Assignment { value: Some(value), at, .. }) = assignment(line) else {
            return line.to_string();
        };
        let all = words(value);
        let kept: Vec<&str> = all.iter().copied().filter(|word| !is_doomed(word)).collect();
        match kept.len() == all.len() {
            true => line.to_string(),
            false => format!("{}{}{}", &line[..at], kept.join(" "), &line[at + value.len()..]),
        }
    };
    text.split_inclusive('\n').map(line).collect()
}

/// Returns `text` with `word` added to the last assignment of `GRUB_CMDLINE_LINUX`.
pub fn with(text: &str, word: &str) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(String::from).collect();
    let is_it = |line: &String| {
        assignment(line).is_some_and(|a| a.variable == VARIABLES[0] && a.value.is_some())
    };
    let Some(at) = lines.iter().rposition(is_it) else {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return format!("{text}{end}{}=\"{word}\"\n", VARIABLES[0]);
    };
    if let Some(Assignment { value: Some(value), at: start, .. }) = assignment(&lines[at]) {
        let (head, tail) = (&lines[at][..start], &lines[at][start + value.len()..]);
        let blank = if value.trim().is_empty() { "" } else { " " };
        let is_bare = head.ends_with('=');
        let (open, close) = if is_bare { ("\"", "\"") } else { ("", "") };
        lines[at] = format!("{head}{open}{}{blank}{word}{close}{tail}", value.trim_end());
    }
    lines.concat()
}

/// Returns the line that adds `word` to what was said before.
pub fn addition(word: &str) -> String {
    format!("{0}=\"${0} {word}\"\n", VARIABLES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_quotes_do_not_part_words() {
        assert_eq!(
            words(" ro dyndbg=\"file x +p\"  quiet\n"),
            ["ro", "dyndbg=\"file x +p\"", "quiet"]
        );
        assert!(is_named("intel-iommu=on", "intel_iommu") && !is_named("quieter", "quiet"));
    }

    #[test]
    fn files_add_up_as_in_a_shell() {
        let main = "# GRUB_CMDLINE_LINUX=\"no\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\" # x\n\
                    GRUB_CMDLINE_LINUX='net.ifnames=0'\nGRUB_CMDLINE_XEN=a\n";
        let more = "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT splash\"\n\
                    GRUB_CMDLINE_LINUX=\"${GRUB_CMDLINE_LINUX} a=1\"\n";
        assert_eq!(evaluate([main, more]).unwrap(), ["net.ifnames=0", "a=1", "quiet", "splash"]);
        for opaque in [
            "GRUB_CMDLINE_LINUX=\"$(cat x)\"",
            "GRUB_CMDLINE_LINUX=\"a \\",
            "GRUB_CMDLINE_LINUX+=\" b\"",
        ] {
            assert_eq!(evaluate([opaque]), Err(opaque.to_string()));
        }
        assert_eq!(evaluate(["GRUB_CMDLINE_LINUX=quiet"]).unwrap(), ["quiet"]);
    }

    #[test]
    fn words_are_added_and_taken_away_in_place() {
        let text = "A=1\nGRUB_CMDLINE_LINUX=\"a=1 b=2\" # keep\nGRUB_CMDLINE_LINUX_DEFAULT='a=3'";
        let less = without(text, |word| is_named(word, "a"));
        assert_eq!(less, "A=1\nGRUB_CMDLINE_LINUX=\"b=2\" # keep\nGRUB_CMDLINE_LINUX_DEFAULT=''");
        assert_eq!(
            with(&less, "c"),
            "A=1\nGRUB_CMDLINE_LINUX=\"b=2 c\" # keep\nGRUB_CMDLINE_LINUX_DEFAULT=''"
        );
        assert_eq!(with("GRUB_CMDLINE_LINUX=quiet\n", "c"), "GRUB_CMDLINE_LINUX=\"quiet c\"\n");
        assert_eq!(with("GRUB_CMDLINE_LINUX=\"\"\n", "c"), "GRUB_CMDLINE_LINUX=\"c\"\n");
        assert_eq!(with("A=1", "c"), "A=1\nGRUB_CMDLINE_LINUX=\"c\"\n");
        assert_eq!(addition("c"), "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX c\"\n");
    }
}
