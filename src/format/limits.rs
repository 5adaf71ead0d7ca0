//! Lines of `limits.conf` (limits.conf(5)): domain, type, item, value.

use super::lines::{bare, ending, join, lines};

/// Whose limit of what is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// A user, `@group`, `*`, or a range of numbers.
    pub domain: &'a str,
    /// `soft`, `hard`, or `-` for both.
    pub sort: &'a str,
    /// What is limited.
    pub item: &'a str,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<'a> {
    /// Whose limit of what it is.
    pub subject: Subject<'a>,
    /// The limit.
    pub value: &'a str,
    /// The comment behind it, `#` included.
    pub comment: &'a str,
}

/// Reads a line; `None` when it sets nothing.
pub fn parse(line: &str) -> Option<Limit<'_>> {
    let line = bare(line);
    let at = line.find('#').unwrap_or(line.len());
    let (setting, comment) = line.split_at(at);
    let words: Vec<&str> = setting.split_whitespace().collect();
    match words[..] {
        [domain, sort, item, value] => {
            Some(Limit { subject: Subject { domain, sort, item }, value, comment })
        }
        _ => None,
    }
}

/// Returns the domain of a line `user -`, which takes a user out of all limits.
pub fn exempts(line: &str) -> Option<&str> {
    let setting = bare(line).split('#').next().unwrap_or_default();
    let words: Vec<&str> = setting.split_whitespace().collect();
    matches!(words[..], [_, "-"]).then(|| words[0])
}

impl Subject<'_> {
    /// True when `other` sets what this one sets, or part of it.
    pub fn meets(&self, other: &Subject<'_>) -> bool {
        let is_sort = self.sort == other.sort || self.sort == "-" || other.sort == "-";
        self.domain == other.domain && self.item == other.item && is_sort
    }

    /// Returns the line that sets `value`, without its end, as Ansible's `pam_limits` writes it.
    fn line(&self, value: &str, comment: &str) -> String {
        let Subject { domain, sort, item } = self;
        let blank = if comment.is_empty() { "" } else { "\t" };
        format!("{domain}\t{sort}\t{item}\t{value}{blank}{comment}")
    }
}

/// Returns a value in the one spelling of its meaning.
pub fn canonical(item: &str, value: &str) -> String {
    let is_signed = matches!(item, "nice" | "priority");
    match value {
        "unlimited" | "infinity" => "unlimited".into(),
        "-1" if !is_signed => "unlimited".into(),
        value => value.parse::<i64>().map_or_else(|_| value.to_string(), |n| n.to_string()),
    }
}

/// Returns `text` with that limit. Its last line is changed; where a line behind it undoes that,
/// the limit goes to the end. `comment`, `#` included, replaces the one that is there.
pub fn set(text: &str, subject: &Subject<'_>, value: &str, comment: &str) -> String {
    let (all, end) = (lines(text), ending(text));
    let found = |at: &usize| parse(all[*at]).filter(|limit| limit.subject.meets(subject));
    let own = (0..all.len()).rev().find(|at| found(at).is_some_and(|l| l.subject == *subject));
    let wished = canonical(subject.item, value);
    let undoes = |at: usize| found(&at).is_some_and(|l| canonical(subject.item, l.value) != wished);
    let (old, old_end) =
        own.map_or((None, end), |at| (parse(all[at]), &all[at][bare(all[at]).len()..]));
    let is_undone = own.is_some_and(|at| (at + 1..all.len()).any(undoes));
    let is_same = old.is_some_and(|limit| canonical(subject.item, limit.value) == wished);
    if is_same && !is_undone {
        return text.to_string();
    }
    let old_comment = old.map_or("", |limit| limit.comment);
    let comment = if comment.is_empty() { old_comment } else { comment };
    let line = subject.line(value, comment);
    let mut new: Vec<String> = all.iter().map(|line| line.to_string()).collect();
    match own {
        Some(at) if !is_undone => new[at] = format!("{line}{old_end}"),
        own => {
            own.map(|at| new.remove(at));
            new.push(format!("{line}{end}"));
        }
    }
    join(new.iter().map(String::as_str), end)
}

/// Returns `text` without any line of exactly that subject.
pub fn remove(text: &str, subject: &Subject<'_>) -> String {
    let is_kept = |line: &&str| parse(line).is_none_or(|limit| limit.subject != *subject);
    lines(text).into_iter().filter(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HDFS: Subject<'_> = Subject { domain: "hdfs", sort: "soft", item: "nofile" };

    #[test]
    fn lines_are_read_as_pam_does() {
        let limit = parse("hdfs\tsoft  nofile 10 # why\r\n").unwrap();
        assert_eq!((limit.subject, limit.value, limit.comment), (HDFS, "10", "# why"));
        assert_eq!(parse("# hdfs soft nofile 1\n"), None);
        assert_eq!(parse("hdfs soft nofile\n"), None);
        assert_eq!((parse("hdfs -"), exempts(" hdfs - # x\n")), (None, Some("hdfs")));
        assert!(HDFS.meets(&Subject { sort: "-", ..HDFS }));
        assert!(!HDFS.meets(&Subject { sort: "hard", ..HDFS }));
        assert_eq!(canonical("nofile", "-1"), canonical("nofile", "infinity"));
        assert_eq!(canonical("nice", "-1"), "-1");
        assert_eq!(canonical("nofile", "0010"), "10");
    }

    #[test]
    fn a_limit_is_set_where_it_counts() {
        let set = |text: &str| set(text, &HDFS, "9", "");
        assert_eq!(set(""), "hdfs\tsoft\tnofile\t9\n");
        assert_eq!(set("# x\nhdfs soft nofile 1 # why"), "# x\nhdfs\tsoft\tnofile\t9\t# why");
        assert_eq!(set("hdfs  soft nofile 009"), "hdfs  soft nofile 009");
        assert_eq!(set("* soft nofile 1"), "* soft nofile 1\nhdfs\tsoft\tnofile\t9\n");
        let later = "hdfs soft nofile 1\nhdfs - nofile 2\n";
        assert_eq!(set(later), "hdfs - nofile 2\nhdfs\tsoft\tnofile\t9\n");
        let twice = "hdfs soft nofile 1\nhdfs soft nofile 2\n";
        assert_eq!(set(twice), "hdfs soft nofile 1\nhdfs\tsoft\tnofile\t9\n");
        assert_eq!(remove(twice, &HDFS), "");
        assert_eq!(remove(later, &HDFS), "hdfs - nofile 2\n");
    }
}
