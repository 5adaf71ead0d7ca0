//! `host:port` in a hosts file, by the rules of Ansible's `parse_address`.

use std::net::Ipv6Addr;
use std::sync::LazyLock;

use regex::Regex;

/// Splits `host:2222` and `[2001:db8::1]:22`; without a port, or where the rest is no valid host
/// name or address, the whole text is the name. Port 0 is no port.
///
/// Errors: text for the user when the port is beyond all numbers.
pub fn split(pattern: &str) -> Result<(&str, Option<i64>), String> {
    let (mut name, mut port) = (pattern, None);
    // One after the other, as Ansible does.
    for form in [&*BRACKETED, &*BARE] {
        if let Some((_, [rest, digits])) = form.captures(name).map(|found| found.extract()) {
            (name, port) = (rest, Some(digits));
        }
    }
    let Some(digits) = port.filter(|_| is_host(name)) else { return Ok((pattern, None)) };
    let number: i64 = digits.parse().map_err(|_| format!("`{digits}` is not a port number"))?;
    Ok((name, Some(number).filter(|port| *port != 0)))
}

static BRACKETED: LazyLock<Regex> = LazyLock::new(|| regex(r"^\[(.+)\]:([0-9]+)$"));
static BARE: LazyLock<Regex> = LazyLock::new(|| regex(r"^((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)$"));

/// Labels of letters, digits, `_`, `-` and ranges between dots, none that ends in `-` or `_` or
/// begins with `-`. An IPv4 address is such a name too.
static HOST_NAME: LazyLock<Regex> = LazyLock::new(|| {
    let range = r"\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]";
    let label = format!(r"(?:(?:\w|{range})(?:[\w-]|{range})*)?(?:[\w&&[^_]]|{range})");
    regex(&format!(r"(?i)^{label}(?:\.{label})*$"))
});

static HEXADECIMAL_RANGE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\]"));

fn is_host(name: &str) -> bool {
    // Four digits fill a part of an IPv6 address: a range beside other digits is not valid.
    HOST_NAME.is_match(name)
        || HEXADECIMAL_RANGE.replace_all(name, "0000").parse::<Ipv6Addr>().is_ok()
}

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant that compiles")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_split_off_valid_names_only() {
        for (pattern, name, port) in [
            ("h:2222", "h", Some(2222)),
            ("h", "h", None),
            ("h[1:2]:0022", "h[1:2]", Some(22)),
            ("dn[01:40]", "dn[01:40]", None),
            ("[2001:db8::1]:22", "2001:db8::1", Some(22)),
            ("[2001:db8::[1:f]]:22", "2001:db8::[1:f]", Some(22)),
            ("2001:db8::2", "2001:db8::2", None),
            ("10.0.0.[1:2]:22", "10.0.0.[1:2]", Some(22)),
            ("a.b-c.d_e:5", "a.b-c.d_e", Some(5)),
            ("h:0", "h", None),
            ("foo-:22", "foo-:22", None),
            ("x..y:3", "x..y:3", None),
            ("a:b:22", "a:b:22", None),
            ("[a:c]:22", "[a:c]:22", None),
        ] {
            assert_eq!(split(pattern).unwrap(), (name, port), "{pattern}");
        }
        assert!(split("h:99999999999999999999").is_err());
    }
}
