//! Host ranges as Ansible writes them: `dn[01:40]`, `db-[a:f].example.com`, `n[1:10:3]`.

/// Expands the ranges in a host name, first range outermost.
///
/// Errors: text for the user when a range is not one Ansible would accept.
pub fn expand(name: &str) -> Result<Vec<String>, String> {
    let Some(open) = name.find('[') else { return Ok(vec![name.to_string()]) };
    let Some(close) = name[open..].find(']').map(|i| open + i) else {
        return Err(format!("`[` without `]` in `{name}`"));
    };
    let (head, inside, tail) = (&name[..open], &name[open + 1..close], &name[close + 1..]);
    let tails = expand(tail)?;
    let mut names = Vec::new();
    for item in items(inside)? {
        names.extend(tails.iter().map(|tail| format!("{head}{item}{tail}")));
    }
    Ok(names)
}

fn items(inside: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = inside.split(':').collect();
    let (begin, end, step) = match parts[..] {
        [begin, end] => (begin, end, "1"),
        [begin, end, step] => (begin, end, step),
        _ => return Err(format!("a range is [first:last] or [first:last:step], found `[{inside}]`")),
    };
    let step: usize = step.parse().ok().filter(|s| *s > 0).ok_or_else(|| {
        format!("the step of `[{inside}]` must be a whole number of 1 or more")
    })?;
    if end.is_empty() {
        return Err(format!("the range `[{inside}]` has no end"));
    }
    let begin = if begin.is_empty() { "0" } else { begin };
    match (letter(begin), letter(end)) {
        (Some(first), Some(last)) => letters(first, last, step, inside),
        _ => numbers(begin, end, step, inside),
    }
}

fn letter(text: &str) -> Option<usize> {
    let mut chars = text.chars();
    let (only, rest) = (chars.next()?, chars.next());
    (rest.is_none()).then(|| LETTERS.find(only))?
}

/// Ansible counts through Python's `string.ascii_letters`.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn letters(first: usize, last: usize, step: usize, inside: &str) -> Result<Vec<String>, String> {
    if first > last {
        return Err(format!("the range `[{inside}]` runs backwards"));
    }
    Ok((first..=last).step_by(step).map(|i| LETTERS[i..=i].to_string()).collect())
}

fn numbers(begin: &str, end: &str, step: usize, inside: &str) -> Result<Vec<String>, String> {
    let number = |text: &str| {
        text.parse::<usize>().map_err(|_| {
            format!("the range `[{inside}]` must run between two numbers or two single letters")
        })
    };
    let (first, last) = (number(begin)?, number(end)?);
    let width = if begin.len() > 1 && begin.starts_with('0') { begin.len() } else { 0 };
    if width > 0 && begin.len() != end.len() {
        return Err(format!("both ends of `[{inside}]` need the same number of digits"));
    }
    if first > last {
        return Err(format!("the range `[{inside}]` runs backwards"));
    }
    if last - first > 100_000 {
        return Err(format!("the range `[{inside}]` stands for more than 100000 hosts"));
    }
    Ok((first..=last).step_by(step).map(|n| format!("{n:0width$}")).collect())
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
}
