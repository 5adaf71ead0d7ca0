//! Host ranges as Ansible writes them: `dn[01:40]`, `db-[a:f].example.com`, `n[1:10:3]`.

/// Host names one pattern may stand for.
const MOST: usize = 100_000;

/// Expands the ranges in a host name, first range outermost.
///
/// Errors: text for the user when a range is not one Ansible would accept, or stands for nothing.
pub fn expand(name: &str) -> Result<Vec<String>, String> {
    let Some(open) = name.find('[') else { return Ok(vec![name.to_string()]) };
    let Some(close) = name[open..].find(']').map(|i| open + i) else {
        return Err(format!("`[` without `]` in `{name}`"));
    };
    let (head, inside, tail) = (&name[..open], &name[open + 1..close], &name[close + 1..]);
    if name.contains('|') || head.contains(']') {
        return Err(format!("`{name}` has a range and a stray `|` or `]`"));
    }
    let (items, tails) = (items(inside)?, expand(tail)?);
    if items.len() * tails.len() > MOST {
        return Err(too_many(name));
    }
    let pairs = items.iter().flat_map(|item| tails.iter().map(move |tail| (item, tail)));
    Ok(pairs.map(|(item, tail)| format!("{head}{item}{tail}")).collect())
}

fn items(inside: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = inside.split(':').collect();
    let (begin, end, step) = match parts[..] {
        [begin, end] => (begin, end, "1"),
        [begin, end, step] => (begin, end, step),
        _ => {
            return Err(format!(
                "a range is [first:last] or [first:last:step], found `[{inside}]`"
            ));
        }
    };
    let step: i64 =
        step.parse().ok().filter(|step| *step != 0).ok_or_else(|| {
            format!("the step of `[{inside}]` must be a whole number other than 0")
        })?;
    if end.is_empty() {
        return Err(format!("the range `[{inside}]` has no end"));
    }
    let begin = if begin.is_empty() { "0" } else { begin };
    let width = if begin.len() > 1 && begin.starts_with('0') { begin.len() } else { 0 };
    if width > 0 && begin.len() != end.len() {
        return Err(format!("both ends of `[{inside}]` need the same number of digits"));
    }
    let found = match (LETTERS.find(begin), LETTERS.find(end)) {
        (Some(first), Some(last)) => letters(first, last, step),
        _ => numbers(begin, end, step, width, inside)?,
    };
    match found.is_empty() {
        true => Err(format!("the range `[{inside}]` stands for no host")),
        false => Ok(found),
    }
}

/// Ansible counts through Python's `string.ascii_letters`, and finds a bound of several letters
/// where it begins.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn letters(first: usize, last: usize, step: i64) -> Vec<String> {
    match usize::try_from(step) {
        Ok(step) => (first..=last).step_by(step).map(|i| LETTERS[i..=i].to_string()).collect(),
        // A slice of letters that steps backwards from its first letter is empty in Python.
        Err(_) => Vec::new(),
    }
}

/// Counts as Python's `range(begin, end + 1, step)` does, so that `[10:1:-4]` ends at 6.
fn numbers(
    begin: &str,
    end: &str,
    step: i64,
    width: usize,
    inside: &str,
) -> Result<Vec<String>, String> {
    // `i32` keeps the sums below from overflowing; no host is numbered higher.
    let number = |text: &str| {
        text.parse::<i32>().map(i64::from).map_err(|_| {
            format!("the range `[{inside}]` must run between two numbers or two single letters")
        })
    };
    let (first, stop) = (number(begin)?, number(end)? + 1);
    let length = if step > 0 { stop - first } else { first - stop };
    if length / step.abs() >= MOST as i64 {
        return Err(too_many(&format!("[{inside}]")));
    }
    let mut found = Vec::new();
    let mut next = first;
    while (step > 0 && next < stop) || (step < 0 && next > stop) {
        found.push(format!("{next:0width$}"));
        next = next.saturating_add(step);
    }
    Ok(found)
}

fn too_many(name: &str) -> String {
    format!("`{name}` stands for more than {MOST} hosts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_expand_as_ansible_does() {
        assert_eq!(expand("dn[08:10]").unwrap(), ["dn08", "dn09", "dn10"]);
        assert_eq!(expand("n[1:10:4].x").unwrap(), ["n1.x", "n5.x", "n9.x"]);
        assert_eq!(expand("[a:c]").unwrap(), ["a", "b", "c"]);
        assert_eq!(expand("r[1:2]h[a:b]").unwrap(), ["r1ha", "r1hb", "r2ha", "r2hb"]);
        assert_eq!(expand("plain").unwrap(), ["plain"]);
        for bad in ["n[3:1]", "n[1]", "n[1:", "n[01:100]", "n[a:9]", "n[1:3:0]", "n[:]"] {
            assert!(expand(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn odd_ranges_count_as_python_does() {
        assert_eq!(expand("[10:1:-4]").unwrap(), ["10", "6"]);
        assert_eq!(expand("[-2:1]").unwrap(), ["-2", "-1", "0", "1"]);
        assert_eq!(expand("[:2]").unwrap(), ["0", "1", "2"]);
        assert_eq!(expand("[9:010]").unwrap(), ["9", "10"]);
        assert_eq!(expand("[y:B]").unwrap(), ["y", "z", "A", "B"]);
        assert_eq!(expand("[ab:cd]").unwrap(), ["a", "b", "c"]);
        for bad in ["[1:99999999]", "[1:999][1:999]", "a|[1:2]", "a]b[1:2]", "[c:a]", "[a:c:-1]"] {
            assert!(expand(bad).is_err(), "{bad}");
        }
    }
}
