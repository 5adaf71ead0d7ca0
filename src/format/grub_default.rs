//! `/etc/default/grub` and its like: shell files of which the kernel's arguments are read and set.
//!
//! Assignments of `GRUB_CMDLINE_LINUX` and `GRUB_CMDLINE_LINUX_DEFAULT` are understood, with
//! references to the two inside them. What a shell would have to run stays as it is written.

use super::lines::{bare, ending, lines};

/// Arguments of a kernel, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    all: Vec<String>,
    /// How many of them do not come from `GRUB_CMDLINE_LINUX_DEFAULT`.
    first: usize,
}

impl Words {
    /// Returns the words of a kernel's command line.
    pub fn of(line: &str) -> Words {
        let all: Vec<String> = line.split_whitespace().map(String::from).collect();
        Words { first: all.len(), all }
    }

    /// Returns the arguments in a line of a boot menu: `linux FILE ARGUMENT…`.
    pub fn of_entry(line: &str) -> Words {
        let all: Vec<String> = line.split_whitespace().skip(2).map(String::from).collect();
        Words { first: all.len(), all }
    }

    /// Returns the last argument called `name`, whole.
    pub fn last(&self, name: &str) -> Option<&str> {
        self.all.iter().rev().find(|word| is_called(word, name)).map(String::as_str)
    }

    /// True when `GRUB_CMDLINE_LINUX_DEFAULT` has an argument called `name`.
    pub fn is_in_default(&self, name: &str) -> bool {
        self.all[self.first..].iter().any(|word| is_called(word, name))
    }

    /// True for the arguments of an entry for repairs.
    pub fn is_recovery(&self) -> bool {
        ["single", "recovery"].iter().any(|word| self.all.iter().any(|other| other == word))
    }
}

fn is_called(word: &str, name: &str) -> bool {
    word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

const LINUX: &str = "GRUB_CMDLINE_LINUX";
const DEFAULT: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

/// Returns what the kernel gets when a shell reads `texts` one after the other.
pub fn evaluate<'a>(texts: impl Iterator<Item = &'a str>) -> Words {
    let (mut linux, mut default) = (String::new(), String::new());
    for text in texts {
        for line in lines(text) {
            let Some(found) = Assignment::find(bare(line)) else { continue };
            let mut value = found.value.to_string();
            if found.quote != Some('\'') {
                // The longer name first: the shorter one is a part of it.
                for (name, known) in [(DEFAULT, &default), (LINUX, &linux)] {
                    value = value.replace(&format!("${{{name}}}"), known);
                    value = value.replace(&format!("${name}"), known);
                }
            }
            if found.name == LINUX { linux = value } else { default = value }
        }
    }
    let mut words = Words::of(&linux);
    words.all.extend(default.split_whitespace().map(String::from));
    words
}

/// An assignment of one of the two, taken apart.
struct Assignment<'a> {
    name: &'a str,
    /// The text before the value, with the quote.
    head: &'a str,
    quote: Option<char>,
    value: &'a str,
    /// The text after the value, with the quote.
    tail: &'a str,
}

impl<'a> Assignment<'a> {
    fn find(line: &'a str) -> Option<Assignment<'a>> {
        let body = line.trim_start();
        let body = body.strip_prefix("export ").map_or(body, str::trim_start);
        let (name, right) = body.split_once('=')?;
        if ![LINUX, DEFAULT].contains(&name) {
            return None;
        }
        let quote = right.chars().next().filter(|c| matches!(c, '"' | '\''));
        let inner = &right[quote.map_or(0, char::len_utf8)..];
        let end = match quote {
            Some(quote) => closing(inner, quote)?,
            None => inner.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(inner.len()),
        };
        let head = &line[..line.len() - inner.len()];
        Some(Assignment { name, head, quote, value: &inner[..end], tail: &inner[end..] })
    }

    /// Returns the line with another value.
    fn with(&self, value: &str) -> String {
        let needs_quotes = self.quote.is_none() && value.contains(char::is_whitespace);
        let quote = if needs_quotes { "\"" } else { "" };
        format!("{}{quote}{value}{quote}{}", self.head, self.tail)
    }
}

/// Finds the quote that ends a value.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == quote && !is_escaped;
        is_escaped = quote == '"' && c == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// Returns `text` without the argument called `name`, wherever one of the two has it.
pub fn without(text: &str, name: &str) -> String {
    rewrite(text, |found| {
        let is_there = found.value.split_whitespace().any(|word| is_called(word, name));
        is_there.then(|| {
            let kept = found.value.split_whitespace().filter(|word| !is_called(word, name));
            kept.collect::<Vec<_>>().join(" ")
        })
    })
}

/// Returns `text` with `word` at the end of its last `GRUB_CMDLINE_LINUX`.
pub fn with(text: &str, word: &str) -> String {
    let is_linux =
        |line: &&str| Assignment::find(bare(line)).is_some_and(|found| found.name == LINUX);
    let count = lines(text).iter().filter(|line| is_linux(line)).count();
    if count == 0 {
        return appended(text, &format!("{LINUX}=\"{word}\""));
    }
    let mut seen = 0;
    rewrite(text, |found| {
        seen += usize::from(found.name == LINUX);
        let is_last = found.name == LINUX && seen == count;
        is_last.then(|| format!("{} {word}", found.value).trim().to_string())
    })
}

fn rewrite(text: &str, mut value: impl FnMut(&Assignment<'_>) -> Option<String>) -> String {
    let line = |line: &str| {
        let plain = bare(line);
        let found = Assignment::find(plain)?;
        let new = value(&found)?;
        Some(found.with(&new) + &line[plain.len()..])
    };
    let mut line = line;
    lines(text).into_iter().map(|old| line(old).unwrap_or_else(|| old.to_string())).collect()
}

/// Returns a file of ours without the line that adds the argument called `name`.
pub fn without_line(text: &str, name: &str) -> String {
    let adds = |line: &str| {
        let found = Assignment::find(bare(line));
        found.is_some_and(|f| f.value.split_whitespace().any(|word| is_called(word, name)))
    };
    lines(text).into_iter().filter(|line| !adds(line)).collect()
}

/// Returns a file of ours with a line that adds `word`, to the second of the two if `is_default`.
pub fn with_line(text: &str, word: &str, is_default: bool) -> String {
    let name = if is_default { DEFAULT } else { LINUX };
    let text = if text.is_empty() { "# Kept by drsync.\n" } else { text };
    appended(text, &format!("{name}=\"${name} {word}\""))
}

fn appended(text: &str, line: &str) -> String {
    let end = ending(text);
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { end };
    format!("{text}{gap}{line}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> String {
        evaluate(texts.iter().copied()).all.join(" ")
    }

    #[test]
    fn files_are_read_as_a_shell_reads_them() {
        let default = "# GRUB_CMDLINE_LINUX=no\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n\
                       GRUB_CMDLINE_LINUX='a=1  $x' # b\n";
        assert_eq!(words(&[default]), "a=1 $x quiet");
        let own = "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX thp=never\"\n\
                   GRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT} splash\"";
        assert_eq!(words(&[default, own]), "a=1 $x thp=never quiet splash");
        assert_eq!(words(&[default, "GRUB_CMDLINE_LINUX=\n"]), "quiet");
    }

    #[test]
    fn an_argument_goes_and_comes_and_the_rest_stays() {
        let text = "GRUB_CMDLINE_LINUX=\"ro thp=always rhgb\" # ours\nX=1";
        assert_eq!(without(text, "thp"), "GRUB_CMDLINE_LINUX=\"ro rhgb\" # ours\nX=1");
        assert_eq!(without(text, "th"), text);
        assert_eq!(with(text, "a=b"), "GRUB_CMDLINE_LINUX=\"ro thp=always rhgb a=b\" # ours\nX=1");
        assert_eq!(with("X=1", "a=b"), "X=1\nGRUB_CMDLINE_LINUX=\"a=b\"\n");
        assert_eq!(with("GRUB_CMDLINE_LINUX=ro\n", "a"), "GRUB_CMDLINE_LINUX=\"ro a\"\n");
        assert_eq!(with("GRUB_CMDLINE_LINUX=\"\"\n", "a"), "GRUB_CMDLINE_LINUX=\"a\"\n");
    }

    #[test]
    fn a_file_of_ours_has_a_line_for_each() {
        let one = with_line("", "a=1", false);
        let two = with_line(&one, "b", true);
        assert_eq!(
            two,
            "# Kept by drsync.\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX a=1\"\n\
             GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT b\"\n"
        );
        assert_eq!(without_line(&two, "b"), one);
        assert!(evaluate([&*two].into_iter()).is_in_default("b"));
    }
}
