//! Lines of `/etc/hosts` (hosts(5)): an address, and its names, the full one first.

use std::net::IpAddr;

use super::lines::{bare, ending, indent, join, lines};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The address.
    pub address: IpAddr,
    /// The names.
    pub names: Vec<&'a str>,
    /// What stands before the first name: the address and blanks.
    head: &'a str,
    /// What stands behind the last name: blanks and a comment.
    tail: &'a str,
}

/// Reads a line; `None` when it names nothing.
pub fn parse(line: &str) -> Option<Entry<'_>> {
    let line = bare(line);
    let setting = &line[..line.find('#').unwrap_or(line.len())];
    let setting = setting.trim_end();
    let start = indent(setting).len();
    let (address, rest) = setting[start..].split_once([' ', '\t'])?;
    let names = rest.trim_start();
    let head = &line[..setting.len() - names.len()];
    let names: Vec<&str> = names.split_whitespace().collect();
    // An address may say on which interface it is: `fe80::1%eth0`.
    let address = address.split('%').next()?.parse().ok()?;
    Some(Entry { address, names, head, tail: &line[setting.len()..] })
}

/// What is wished of an address.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The address.
    pub address: IpAddr,
    /// Its names, the full one first; none means all where they should go.
    pub names: &'a [String],
    /// Should it have them?
    pub present: bool,
    /// May it have no other names, and no other address these?
    pub exclusive: bool,
}

impl Wish<'_> {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|wished| wished.eq_ignore_ascii_case(name))
    }

    /// True when `entry` must not have a wished name: one name has one address of each family, and
    /// the name of a machine has none that only that machine can reach.
    fn is_rival(&self, entry: &Entry<'_>) -> bool {
        let is_family = entry.address.is_ipv4() == self.address.is_ipv4();
        self.exclusive
            && entry.address != self.address
            && (is_family || entry.address.is_loopback())
    }

    fn is_taken(&self, entry: &Entry<'_>, name: &str) -> bool {
        let is_local = entry.address.is_loopback() && is_localhost(name);
        let is_family = entry.address.is_ipv4() == self.address.is_ipv4();
        self.is_rival(entry) && self.has(name) && (is_family || !is_local)
    }
}

/// True for the names every machine has for itself.
pub fn is_localhost(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let plain = name.trim_end_matches(['4', '6']);
    let forms = ["localhost", "ip6-localhost", "ip6-loopback", "loopback"];
    let is_form = |form: &&str| *form == name || *form == plain;
    let domain = plain.split_once('.');
    forms.iter().any(is_form)
        || name.ends_with(".localhost")
        || domain.is_some_and(|(host, domain)| {
            matches!(host, "localhost" | "localhost4" | "localhost6") && domain == "localdomain"
        })
}

/// What is there, and the text as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The new text.
    pub text: String,
    /// By line of the address: its names.
    pub live: Vec<Vec<String>>,
    /// The names it should have.
    pub names: Vec<String>,
    /// Names that stand under other addresses: `ADDRESS NAME`.
    pub elsewhere: Vec<String>,
}

/// Returns `text` as `wish` would have it.
pub fn fulfil(text: &str, wish: &Wish<'_>) -> Outcome {
    let mut outcome = Outcome { names: wish.names.to_vec(), ..Outcome::default() };
    let (all, end) = (lines(text), ending(text));
    let own: Vec<Entry<'_>> =
        all.iter().filter_map(|line| parse(line)).filter(|e| e.address == wish.address).collect();
    for entry in &own {
        outcome.live.push(entry.names.iter().map(|name| name.to_string()).collect());
        let further = entry.names.iter().filter(|name| !wish.exclusive && !wish.has(name));
        for name in further {
            if !outcome.names.iter().any(|other| other == name) {
                outcome.names.push(name.to_string());
            }
        }
    }
    let mut new: Vec<String> = Vec::with_capacity(all.len() + 1);
    let mut is_written = !wish.present;
    for line in &all {
        match parse(line) {
            Some(entry) if entry.address == wish.address => {
                new.extend(own_line(line, &entry, wish, &outcome.names, &mut is_written));
            }
            Some(entry) if wish.present => {
                new.extend(others_line(line, &entry, wish, &mut outcome.elsewhere));
            }
            _ => new.push(line.to_string()),
        }
    }
    if !is_written {
        new.push(format!("{} {}{end}", wish.address, outcome.names.join(" ")));
    }
    outcome.text = join(new.iter().map(String::as_str), end);
    outcome
}

/// Returns what becomes of a line of the address itself: the first one is kept.
fn own_line(
    line: &str,
    entry: &Entry<'_>,
    wish: &Wish<'_>,
    names: &[String],
    is_written: &mut bool,
) -> Option<String> {
    if !wish.present {
        let kept = entry.names.iter().filter(|name| !wish.names.is_empty() && !wish.has(name));
        return with_names(line, entry, &kept.copied().collect::<Vec<_>>());
    }
    match std::mem::replace(is_written, true) {
        true => None,
        false => with_names(line, entry, &names.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

fn others_line(
    line: &str,
    entry: &Entry<'_>,
    wish: &Wish<'_>,
    elsewhere: &mut Vec<String>,
) -> Option<String> {
    let (taken, kept): (Vec<&str>, Vec<&str>) =
        entry.names.iter().partition(|name| wish.is_taken(entry, name));
    elsewhere.extend(taken.iter().map(|name| format!("{} {name}", entry.address)));
    with_names(line, entry, &kept)
}

/// Returns a line with other names, as it is if it has them already; none where no name is left.
fn with_names(line: &str, entry: &Entry<'_>, names: &[&str]) -> Option<String> {
    if entry.names == names {
        return Some(line.to_string());
    }
    let end = &line[bare(line).len()..];
    (!names.is_empty()).then(|| format!("{}{}{}{end}", entry.head, names.join(" "), entry.tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "127.0.0.1\tlocalhost\n127.0.1.1 n1.example.com n1  # Debian\n\
                        ::1 localhost ip6-localhost\n# cluster\n10.0.0.2   n2.example.com n2\n";

    fn done(text: &str, address: &str, names: &[&str], exclusive: bool, present: bool) -> Outcome {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let address = address.parse().unwrap();
        let wish = Wish { address, names: &names, present, exclusive };
        let outcome = fulfil(text, &wish);
        let again = fulfil(&outcome.text, &wish);
        assert_eq!(again.text, outcome.text, "a second time changes it again");
        assert!(again.elsewhere.is_empty());
        outcome
    }

    #[test]
    fn a_name_has_one_address() {
        let n1 = done(TEXT, "10.0.0.1", &["n1.example.com", "n1"], true, true);
        let want = TEXT.replace("127.0.1.1 n1.example.com n1  # Debian\n", "");
        assert_eq!(n1.text, format!("{want}10.0.0.1 n1.example.com n1\n"));
        assert_eq!(n1.elsewhere, ["127.0.1.1 n1.example.com", "127.0.1.1 n1"]);
        assert!(n1.live.is_empty());
        let kept = done(TEXT, "10.0.0.1", &["n1.example.com"], false, true);
        assert_eq!(kept.text, format!("{TEXT}10.0.0.1 n1.example.com\n"));
        // One of each family, and everyone is localhost.
        let six = done(TEXT, "fd00::2", &["n2.example.com", "n2"], true, true);
        assert_eq!(six.text, format!("{TEXT}fd00::2 n2.example.com n2\n"));
        assert_eq!(done(TEXT, "127.0.0.1", &["localhost"], true, true).text, TEXT);
        let loopback = done("::1 n3\n", "10.0.0.3", &["n3"], true, true);
        assert_eq!(loopback.text, "10.0.0.3 n3\n");
    }

    #[test]
    fn a_line_of_the_address_is_taken_over() {
        let n2 = done(TEXT, "10.0.0.2", &["n2.example.com", "new"], true, true);
        assert_eq!(n2.text, TEXT.replace("   n2.example.com n2", "   n2.example.com new"));
        let more = done(TEXT, "10.0.0.2", &["new.example.com"], false, true);
        assert_eq!(more.text, TEXT.replace("   n2", "   new.example.com n2"));
        let two = "10.0.0.2 a\n10.0.0.2 B c\n";
        assert_eq!(done(two, "10.0.0.2", &["a", "b"], true, true).text, "10.0.0.2 a b\n");
        assert_eq!(done(two, "10.0.0.2", &["b"], false, true).text, "10.0.0.2 b a c\n");
        let spelled = done("0:0::1 localhost", "::1", &["localhost"], true, true);
        assert_eq!(spelled.text, "0:0::1 localhost");
    }

    #[test]
    fn names_go_or_the_whole_address() {
        let one = done(TEXT, "10.0.0.2", &["N2"], true, false);
        assert_eq!(one.text, TEXT.replace("example.com n2", "example.com"));
        let all = done(TEXT, "127.0.1.1", &[], true, false);
        assert_eq!(all.text, TEXT.replace("127.0.1.1 n1.example.com n1  # Debian\n", ""));
        assert_eq!(done(TEXT, "10.9.9.9", &[], true, false).text, TEXT);
    }

    #[test]
    fn forms_of_localhost() {
        for name in [
            "localhost",
            "localhost4",
            "localhost6.localdomain6",
            "ip6-loopback",
            "localhost.localdomain",
            "x.localhost",
        ] {
            assert!(is_localhost(name), "{name}");
        }
        for name in ["n1", "localhost.example.com", "localhosts", "n1.localdomain"] {
            assert!(!is_localhost(name), "{name}");
        }
    }
}
