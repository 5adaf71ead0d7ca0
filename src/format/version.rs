//! Versions of packages, compared as dpkg (deb-version(7)) and rpm (rpmvercmp) compare them.

use std::cmp::Ordering;

/// Compares two versions of a Debian package: `[EPOCH:]UPSTREAM[-REVISION]`.
pub fn deb(a: &str, b: &str) -> Ordering {
    let ((a_epoch, a), (b_epoch, b)) = (epoch(a), epoch(b));
    let (a_upstream, a_revision) = a.rsplit_once('-').unwrap_or((a, ""));
    let (b_upstream, b_revision) = b.rsplit_once('-').unwrap_or((b, ""));
    number(a_epoch)
        .cmp(&number(b_epoch))
        .then_with(|| deb_part(a_upstream, b_upstream))
        .then_with(|| deb_part(a_revision, b_revision))
}

/// Compares two versions of an RPM package: `[EPOCH:]VERSION[-RELEASE]`. Where one of them names no
/// release, releases do not count.
pub fn rpm(a: &str, b: &str) -> Ordering {
    let ((a_epoch, a), (b_epoch, b)) = (epoch(a), epoch(b));
    let (a_version, a_release) = release(a);
    let (b_version, b_release) = release(b);
    let releases = || match (a_release, b_release) {
        (Some(a), Some(b)) => rpm_part(a, b),
        _ => Ordering::Equal,
    };
    number(a_epoch)
        .cmp(&number(b_epoch))
        .then_with(|| rpm_part(a_version, b_version))
        .then_with(releases)
}

/// Splits the epoch off; none is 0.
pub fn epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("0", version))
}

fn release(version: &str) -> (&str, Option<&str>) {
    match version.split_once('-') {
        Some((version, release)) => (version, Some(release)),
        None => (version, None),
    }
}

/// Returns a number of any length so that longer ones are larger.
fn number(digits: &str) -> (usize, &str) {
    let digits = digits.trim_start_matches('0');
    (digits.len(), digits)
}

/// Takes the characters at the beginning of `rest` that are of one sort.
fn take<'a>(rest: &mut &'a str, is_of_sort: impl Fn(char) -> bool) -> &'a str {
    let end = rest.find(|c| !is_of_sort(c)).unwrap_or(rest.len());
    let (head, tail) = rest.split_at(end);
    *rest = tail;
    head
}

/// dpkg's `verrevcmp`: parts without digits and numbers take turns.
fn deb_part(mut a: &str, mut b: &str) -> Ordering {
    let is_digit = |c: char| c.is_ascii_digit();
    while !a.is_empty() || !b.is_empty() {
        let (x, y) = (take(&mut a, |c| !is_digit(c)), take(&mut b, |c| !is_digit(c)));
        let (x_number, y_number) = (take(&mut a, is_digit), take(&mut b, is_digit));
        let order = deb_text(x, y).then_with(|| number(x_number).cmp(&number(y_number)));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Letters come before other characters, and `~` even before the end.
fn deb_text(a: &str, b: &str) -> Ordering {
    let rank = |c: Option<char>| match c {
        Some('~') => (0, 0),
        None => (1, 0),
        Some(c) if c.is_ascii_alphabetic() => (2, u32::from(c)),
        Some(c) => (3, u32::from(c)),
    };
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (x, y) if rank(x) != rank(y) => return rank(x).cmp(&rank(y)),
            _ => {}
        }
    }
}

/// rpm's `rpmvercmp`: segments of digits or letters; what stands between them does not count.
fn rpm_part(mut a: &str, mut b: &str) -> Ordering {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '~' || c == '^';
    loop {
        take(&mut a, |c| !is_part(c));
        take(&mut b, |c| !is_part(c));
        // `~` comes before everything, even the end.
        match (a.strip_prefix('~'), b.strip_prefix('~')) {
            (None, None) => {}
            (Some(x), Some(y)) => {
                (a, b) = (x, y);
                continue;
            }
            (one, _) => return if one.is_some() { Ordering::Less } else { Ordering::Greater },
        }
        // `^` comes after the end, but before anything else.
        match (a.strip_prefix('^'), b.strip_prefix('^')) {
            (None, None) => {}
            (Some(x), Some(y)) => {
                (a, b) = (x, y);
                continue;
            }
            (Some(_), None) => {
                return if b.is_empty() { Ordering::Greater } else { Ordering::Less };
            }
            (None, Some(_)) => {
                return if a.is_empty() { Ordering::Less } else { Ordering::Greater };
            }
        }
        if a.is_empty() || b.is_empty() {
            return a.len().cmp(&b.len());
        }
        let is_number = a.starts_with(|c: char| c.is_ascii_digit());
        let of_sort = |c: char| match is_number {
            true => c.is_ascii_digit(),
            false => c.is_ascii_alphabetic(),
        };
        let (x, y) = (take(&mut a, of_sort), take(&mut b, of_sort));
        let order = match (y.is_empty(), is_number) {
            // A number beats letters.
            (true, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, true) => number(x).cmp(&number(y)),
            (false, false) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(compare: fn(&str, &str) -> Ordering, ascending: &[&str]) {
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} and {b}");
            }
        }
    }

    #[test]
    fn debian_versions_are_ordered_as_dpkg_orders_them() {
        check(
            deb,
            &[
                "1.0~~",
                "1.0~~a",
                "1.0~",
                "1.0~rc1-1",
                "1.0",
                "1.0-1",
                "1.0-1.1",
                "1.0-10",
                "1.0a",
                "1.0+b1",
                "1.0.1",
                "1.9",
                "1.10",
                "2-9",
                "10",
                "1:0.5",
                "1:1.0",
                "2:0",
            ],
        );
        for same in [("1.0", "1.0-0"), ("0:1.0", "1.0"), ("1.00", "1.0"), ("1.0-", "1.0")] {
            assert_eq!(deb(same.0, same.1), Ordering::Equal, "{same:?}");
        }
        assert_eq!(deb("1-2-3", "1-2-10"), Ordering::Less);
        assert_eq!(deb("99999999999999999999999", "100000000000000000000000"), Ordering::Less);
    }

    #[test]
    fn rpm_versions_are_ordered_as_rpm_orders_them() {
        check(
            rpm,
            &[
                "1.0~rc1",
                "1.0~rc1^git1",
                "1.0~rc2",
                "1.0",
                "1.0^",
                "1.0^git1~pre",
                "1.0^git1",
                "1.0^git2",
                "1.0.1",
                "1.9",
                "1.10",
                "2.0",
                "10.1",
                "10.39",
                "1:0.1",
                "2:0.1",
            ],
        );
        check(rpm, &["1.0-1", "1.0-2", "1.0-10", "1.0.1-1", "1.9-3", "1.10-1.el8", "1.10-1.el9"]);
        check(rpm, &["1.a", "1.b", "1.1", "1.1a", "1.1.1", "2", "1:0"]);
        // From rpm's own tests (rpmvercmp.at).
        for (a, b, order) in [
            ("2.0.1a", "2.0.1", Ordering::Greater),
            ("5.5p1", "5.5p10", Ordering::Less),
            ("10xyz", "10.1xyz", Ordering::Less),
            ("xyz10", "xyz10.1", Ordering::Less),
            ("xyz.4", "8", Ordering::Less),
            ("5.5p2", "5.6p1", Ordering::Less),
            ("6.0.rc1", "6.0", Ordering::Greater),
            ("10b2", "10a1", Ordering::Greater),
            ("10.0001", "10.1", Ordering::Equal),
            ("4.999.9", "5.0", Ordering::Less),
            ("20101121", "20101122", Ordering::Less),
            ("2_0", "2.0", Ordering::Equal),
            ("a+", "a_", Ordering::Equal),
            ("1.0~rc1~git123", "1.0~rc1", Ordering::Less),
            ("1.0^git1", "1.01", Ordering::Less),
            ("1.0^20160101", "1.0.1", Ordering::Less),
            ("1.0^20160101^git1", "1.0^20160102", Ordering::Less),
            ("1.0~rc1^git1", "1.0~rc1", Ordering::Greater),
            ("1.0^git1~pre", "1.0^git1", Ordering::Less),
        ] {
            assert_eq!(rpm(a, b), order, "{a} and {b}");
            assert_eq!(rpm(b, a), order.reverse(), "{b} and {a}");
        }
    }

    #[test]
    fn a_version_without_a_release_stands_for_all_of_them() {
        assert_eq!(rpm("1.0", "1.0-7.el9"), Ordering::Equal);
        assert_eq!(rpm("0:1.0-1", "1.0-1"), Ordering::Equal);
        assert_eq!(rpm("1:1.0", "1.0-9"), Ordering::Greater);
    }
}
