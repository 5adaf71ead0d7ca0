//! Ansible host patterns: `a:b:&c:!d`, globs, `~regex`, `group[0]`, `group[1:3]`.

use regex::Regex;

use super::hosts::{ALL, Hosts};
use crate::model::nearest::nearest;

/// Returns the hosts `pattern` names, each once, in inventory order of the naming groups.
///
/// Errors: text for the user when the pattern is malformed or any part of it, an exclusion
/// included, matches nothing: a misspelt name must not silently select or spare a host.
pub fn select(hosts: &Hosts, pattern: &str) -> Result<Vec<usize>, String> {
    let parts = split(pattern);
    if parts.is_empty() {
        return Err("the host pattern is empty".into());
    }
    let (mut chosen, mut kept): (Vec<usize>, Vec<&str>) = (Vec::new(), Vec::new());
    let plain: Vec<&str> = parts.iter().copied().filter(|p| !p.starts_with(['!', '&'])).collect();
    if plain.is_empty() {
        chosen = hosts.members(ALL);
    }
    for part in plain {
        for host in one(hosts, part)? {
            if !chosen.contains(&host) {
                chosen.push(host);
            }
        }
    }
    kept.extend(parts.iter().filter(|p| p.starts_with('&')));
    for part in kept {
        let both = one(hosts, &part[1..])?;
        chosen.retain(|host| both.contains(host));
    }
    for part in parts.iter().filter(|p| p.starts_with('!')) {
        let without = one(hosts, &part[1..])?;
        chosen.retain(|host| !without.contains(host));
    }
    if chosen.is_empty() {
        return Err(format!("the host pattern `{pattern}` matches no host"));
    }
    Ok(chosen)
}

/// Splits at `:` and `,`, but not inside brackets or a regular expression's classes.
fn split(pattern: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0usize);
    for (i, c) in pattern.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ':' | ',' if depth == 0 => {
                parts.push(pattern[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(pattern[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Returns the hosts one part names.
fn one(hosts: &Hosts, part: &str) -> Result<Vec<usize>, String> {
    let exists = |name: &str| hosts.groups.contains_key(name) || hosts.hosts.contains_key(name);
    let (name, subscript) = match part.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((name, inside)) if !part.starts_with('~') && !exists(part) && is_subscript(inside) => {
            (name, Some(inside))
        }
        _ => (part, None),
    };
    let matched = matches(hosts, name)?;
    if matched.is_empty() {
        return Err(unmatched(hosts, part));
    }
    match subscript {
        None => Ok(matched),
        Some(inside) => {
            slice(&matched, inside).filter(|chosen| !chosen.is_empty()).ok_or_else(|| {
                format!("`[{inside}]` is outside of `{name}`, which has {} hosts", matched.len())
            })
        }
    }
}

fn is_subscript(inside: &str) -> bool {
    let number = |text: &str| text.is_empty() || text.parse::<i64>().is_ok();
    match inside.split_once([':', '-']) {
        Some((from, to)) if !from.is_empty() || inside.starts_with(':') => {
            number(from) && number(to)
        }
        _ => !inside.is_empty() && inside.parse::<i64>().is_ok(),
    }
}

/// Takes `[i]`, `[i:j]` (both ends count) or `[i:]` of `matched`; negative numbers count from the end.
fn slice(matched: &[usize], inside: &str) -> Option<Vec<usize>> {
    let index = |text: &str, otherwise: i64| -> Option<usize> {
        let number = if text.is_empty() { otherwise } else { text.parse().ok()? };
        let len = i64::try_from(matched.len()).ok()?;
        usize::try_from(if number < 0 { number + len } else { number }).ok()
    };
    match inside.split_once(':') {
        None => Some(vec![*matched.get(index(inside, 0)?)?]),
        Some((from, to)) => {
            let (from, to) = (index(from, 0)?, index(to, -1)?);
            Some(matched.iter().copied().skip(from).take((to + 1).saturating_sub(from)).collect())
        }
    }
}

fn matches(hosts: &Hosts, name: &str) -> Result<Vec<usize>, String> {
    if let Some(group) = hosts.groups.get_index_of(name) {
        return Ok(hosts.members(group));
    }
    if let Some(host) = hosts.hosts.get_index_of(name) {
        return Ok(vec![host]);
    }
    let matcher = match name.strip_prefix('~') {
        Some(text) => Regex::new(&format!("^(?:{text})")),
        None if name.contains(['*', '?', '[']) => Regex::new(&glob(name)),
        None => return Ok(Vec::new()),
    }
    .map_err(|error| format!("`{name}` is not a valid pattern: {error}"))?;
    let mut found = Vec::new();
    for (group, _) in hosts.groups.keys().enumerate().filter(|(_, name)| matcher.is_match(name)) {
        found.extend(hosts.members(group));
    }
    found.extend(
        hosts.hosts.keys().enumerate().filter(|(_, name)| matcher.is_match(name)).map(|(i, _)| i),
    );
    let mut seen = std::collections::HashSet::new();
    found.retain(|host| seen.insert(*host));
    Ok(found)
}

/// Turns a shell glob into an anchored regular expression.
fn glob(pattern: &str) -> String {
    let mut out = String::from("^(?s:");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                out.push('[');
                if chars.peek() == Some(&'!') {
                    chars.next();
                    out.push('^');
                }
            }
            ']' | '-' => out.push(c),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push_str(")$");
    out
}

fn unmatched(hosts: &Hosts, part: &str) -> String {
    let names = hosts.groups.keys().chain(hosts.hosts.keys()).map(|name| &**name);
    let near = nearest(part, names).map(|name| format!("; did you mean `{name}`?"));
    format!("no group or host matches `{part}`{}", near.unwrap_or_default())
}
