//! Crontabs: entries under marker lines, environment lines, and the fields of a time.

use super::lines::lines;

/// The marker of our own entries.
const OURS: &str = "#drsync: ";
/// The marker of entries that Ansible made.
const ANSIBLES: &str = "#Ansible: ";

/// A named entry of a crontab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The lines that stand under the marker, one for each marker with the name.
    pub entries: Vec<String>,
    /// True when Ansible made the entry.
    pub is_ansibles: bool,
    /// True when the very line is there, but without a marker.
    pub is_bare: bool,
    /// The text with the entry as wished.
    pub text: String,
}

/// Looks for the entry `name` and puts `wish` in its place; `None`: takes it out.
///
/// An entry under Ansible's marker keeps that marker, so that both tools find it. A line that is
/// the wished one and has no marker gets ours, rather than a twin that runs as well.
pub fn put(text: &str, name: &str, wish: Option<&str>) -> Found {
    let is_ansibles = !has(text, OURS, name) && has(text, ANSIBLES, name);
    let marker = format!("{}{name}", if is_ansibles { ANSIBLES } else { OURS });
    let lines: Vec<&str> = lines(text);
    let is_known = lines.iter().any(|line| plain(line) == marker);
    let bare = bare_line(&lines, wish.filter(|_| !is_known));
    let mut found =
        Found { entries: Vec::new(), is_ansibles, is_bare: bare.is_some(), text: String::new() };
    let mut is_done = wish.is_none();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        if bare == Some(at - 1) {
            push(&mut found.text, &marker);
            is_done = true;
        }
        if plain(line) != marker {
            found.text.push_str(line);
            continue;
        }
        // A marker right before another one, or at the end, has lost its line.
        let entry = lines.get(at).map(|line| plain(line)).filter(|line| !is_marker(line));
        if let Some(entry) = entry {
            found.entries.push(entry.to_string());
            at += 1;
        }
        if let Some(wish) = wish.filter(|_| !is_done) {
            push(&mut found.text, &marker);
            push(&mut found.text, wish);
            is_done = true;
        }
    }
    if let Some(wish) = wish.filter(|_| !is_done) {
        push(&mut found.text, &marker);
        push(&mut found.text, wish);
    }
    found
}

fn has(text: &str, marker: &str, name: &str) -> bool {
    lines(text).iter().any(|line| plain(line).strip_prefix(marker) == Some(name))
}

/// Returns where the wished line stands without anybody's marker.
fn bare_line(lines: &[&str], wish: Option<&str>) -> Option<usize> {
    let wish = wish?;
    (0..lines.len()).find(|at| {
        let before = at.checked_sub(1).map(|before| plain(lines[before]));
        plain(lines[*at]) == wish && !before.is_some_and(is_marker)
    })
}

fn is_marker(line: &str) -> bool {
    line.starts_with(OURS) || line.starts_with(ANSIBLES)
}

/// Where a new environment line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot<'a> {
    /// At the top.
    Top,
    /// After the line of this variable.
    After(&'a str),
    /// Before the line of this variable.
    Before(&'a str),
}

/// Returns the lines that set the variable `name`.
pub fn variable<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let found = lines(text).into_iter().map(plain);
    found.filter(|line| sets(line, name)).collect()
}

/// Sets the variable `name` by the line `wish`; `None`: takes it out.
///
/// Errors: the variable it should stand beside is not there.
pub fn put_variable(
    text: &str,
    name: &str,
    wish: Option<&str>,
    spot: Spot<'_>,
) -> Result<String, String> {
    let mut new = String::new();
    let mut is_done = wish.is_none();
    let anchor = |other: &str| {
        let at = lines(text).iter().position(|line| sets(plain(line), other));
        at.ok_or_else(|| format!("there is no variable `{other}` to stand beside"))
    };
    let place = match spot {
        _ if is_done || !variable(text, name).is_empty() => None,
        Spot::Top => Some(0),
        Spot::Before(other) => Some(anchor(other)?),
        Spot::After(other) => Some(anchor(other)? + 1),
    };
    for (at, line) in lines(text).into_iter().enumerate() {
        if let Some(wish) = wish.filter(|_| place == Some(at)) {
            push(&mut new, wish);
            is_done = true;
        }
        match (sets(plain(line), name), wish) {
            (true, Some(wish)) if !is_done => {
                push(&mut new, wish);
                is_done = true;
            }
            (true, _) => {}
            (false, _) => new.push_str(line),
        }
    }
    if let Some(wish) = wish.filter(|_| !is_done) {
        push(&mut new, wish);
    }
    Ok(new)
}

fn sets(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
}

/// Returns a crontab without the lines that crontab(1) puts before it when it is installed.
pub fn without_header(text: &str) -> &str {
    let begins = ["# DO NOT EDIT THIS FILE", "# (", "# (Cron version"];
    let mut rest = text;
    for begin in begins {
        match rest.split_once('\n') {
            Some((line, after)) if line.starts_with(begin) => rest = after,
            _ => return text,
        }
    }
    rest
}

fn plain(line: &str) -> &str {
    line.strip_suffix('\n').unwrap_or(line)
}

fn push(text: &mut String, line: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
}

/// One of the five fields of a time.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The least number.
    pub least: u8,
    /// The greatest.
    pub most: u8,
    /// Names of numbers, from the least on; three letters each.
    pub names: &'static str,
}

/// Minute, hour, day, month and day of the week, in the order of a crontab.
pub const FIELDS: [Field; 5] = [
    Field { least: 0, most: 59, names: "" },
    Field { least: 0, most: 23, names: "" },
    Field { least: 1, most: 31, names: "" },
    Field { least: 1, most: 12, names: "janfebmaraprmayjunjulaugsepoctnovdec" },
    Field { least: 0, most: 7, names: "sunmontuewedthufrisat" },
];

impl Field {
    /// Returns what is wrong with `text` as this field: cron skips a whole file for it.
    pub fn problem(&self, text: &str) -> Option<String> {
        let shown: String = text.chars().take(40).collect();
        let (least, most) = (self.least, self.most);
        text.split(',').find_map(|part| {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let is_step = |step: &str| number(step).is_some_and(|step| (1..=most).contains(&step));
            if step.is_some_and(|step| !is_step(step)) {
                return Some(format!("the step in `{shown}` is not a number from 1 to {most}"));
            }
            let is_sound = match range.split_once('-') {
                _ if range == "*" => true,
                Some((from, to)) => match (self.number(from), self.number(to)) {
                    (Some(from), Some(to)) => from <= to,
                    _ => false,
                },
                // `5/10` is no range for cron to step through.
                None => step.is_none() && self.number(range).is_some(),
            };
            (!is_sound).then(|| {
                format!("`{shown}` is not `*`, a number from {least} to {most}, a range or a list")
            })
        })
    }

    fn number(&self, text: &str) -> Option<u8> {
        let names = self.names.as_bytes().chunks(3);
        let named =
            names.zip(self.least..).find(|(name, _)| text.as_bytes().eq_ignore_ascii_case(name));
        let found = named.map(|(_, number)| number).or_else(|| number(text));
        found.filter(|number| (self.least..=self.most).contains(number))
    }
}

fn number(text: &str) -> Option<u8> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_place_and_their_marker() {
        let put = |text: &str, wish| put(text, "a", wish).text;
        let job = Some("* * * * * x");
        assert_eq!(put("", job), "#drsync: a\n* * * * * x\n");
        assert_eq!(put("M=1", job), "M=1\n#drsync: a\n* * * * * x\n");
        assert_eq!(put("#Ansible: a\nold\nb\n", job), "#Ansible: a\n* * * * * x\nb\n");
        assert_eq!(put("#Ansible: a b\nold\n", None), "#Ansible: a b\nold\n");
        assert_eq!(put("#drsync: a\nold\n#drsync: b\nc\n", None), "#drsync: b\nc\n");
        // Without a twin that would run as well.
        assert_eq!(put("b\n* * * * * x\n", job), "b\n#drsync: a\n* * * * * x\n");
        assert_eq!(put("#drsync: a\n1\n#drsync: a\n2\n", job), "#drsync: a\n* * * * * x\n");
        // The line under somebody else's marker is theirs.
        let other = "#Ansible: b\n* * * * * x\n";
        assert_eq!(put(other, job), format!("{other}#drsync: a\n* * * * * x\n"));
        assert_eq!(
            put("#drsync: a\n#drsync: b\nc\n", job),
            "#drsync: a\n* * * * * x\n#drsync: b\nc\n"
        );
    }

    #[test]
    fn variables_go_to_the_top_or_beside_another() {
        let put = |text: &str, spot| put_variable(text, "A", Some("A=\"1\""), spot);
        assert_eq!(put("B=2\n", Spot::Top).unwrap(), "A=\"1\"\nB=2\n");
        assert_eq!(put("", Spot::Top).unwrap(), "A=\"1\"\n");
        assert_eq!(put("B=2\nC=3", Spot::After("B")).unwrap(), "B=2\nA=\"1\"\nC=3");
        assert_eq!(put("B=2\nC=3", Spot::After("C")).unwrap(), "B=2\nC=3\nA=\"1\"\n");
        assert_eq!(put("B=2\nC=3\n", Spot::Before("C")).unwrap(), "B=2\nA=\"1\"\nC=3\n");
        assert_eq!(put("B=2\nA=0\nA=3\n", Spot::Top).unwrap(), "B=2\nA=\"1\"\n");
        assert!(put("AA=0\n", Spot::After("B")).is_err());
        assert_eq!(put_variable("A=1\nB=2\n", "A", None, Spot::Top).unwrap(), "B=2\n");
    }

    #[test]
    fn times_are_what_cron_reads() {
        let is_sound = |field: usize, text: &str| FIELDS[field].problem(text).is_none();
        for text in ["*", "*/5", "0", "59", "1,2,5-10/2", "00"] {
            assert!(is_sound(0, text), "{text}");
        }
        for text in ["", "60", "-1", "5/10", "*/0", "1-", "9-5", "1,,2", "mon", "* *", "+1", "1~5"]
        {
            assert!(!is_sound(0, text), "{text}");
        }
        assert!(is_sound(3, "jan-Mar,12") && !is_sound(3, "0"));
        assert!(is_sound(4, "7") && is_sound(4, "sun") && !is_sound(4, "8"));
        assert!(!is_sound(2, "0"));
    }

    #[test]
    fn the_header_of_an_installed_crontab_is_no_part_of_it() {
        let header = "# DO NOT EDIT THIS FILE - edit\n# (x installed on y)\n# (Cron version z)\n";
        assert_eq!(without_header(&format!("{header}#drsync: a\nb\n")), "#drsync: a\nb\n");
        assert_eq!(without_header("#drsync: a\nb\n"), "#drsync: a\nb\n");
    }
}
