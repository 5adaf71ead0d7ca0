//! Scalars as PyYAML reads them: its YAML 1.1 resolver, and what it builds under a tag.

use std::sync::{Arc, LazyLock};

use jiff::civil::Date;
use regex::{Captures, Regex};

use super::scalar::is_null;
use crate::model::Data;

/// The patterns of PyYAML's resolver (`yaml/resolver.py`).
struct Patterns {
    int: Regex,
    float: Regex,
    timestamp: Regex,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let compiled = |text| Regex::new(text).expect("the pattern is a constant that compiles");
    Patterns {
        int: compiled(concat!(
            r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)",
            r"|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$"
        )),
        float: compiled(concat!(
            r"^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?",
            r"|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?",
            r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*",
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        )),
        timestamp: compiled(concat!(
            r"^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})",
            r"(?P<time>(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.(?P<fraction>[0-9]*))?",
            r"(?:[ \t]*(?P<zone>Z|(?P<sign>[-+])(?P<hours>[0-9]{1,2})(?::(?P<minutes>[0-9]{2}))?))?)?$"
        )),
    }
});

/// Returns what the plain scalar `text` means.
pub fn resolve(text: &str) -> Data {
    if is_null(text) {
        return Data::Null;
    }
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Data::Bool(true, Arc::from(text));
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Data::Bool(false, Arc::from(text));
        }
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return Data::Text(Arc::from(text));
    }
    let found = if PATTERNS.float.is_match(text) {
        float(text)
    } else if PATTERNS.int.is_match(text) {
        int(text)
    } else {
        plain_time(text).map(|iso| Data::Text(Arc::from(iso)))
    };
    found.unwrap_or_else(|| Data::Text(Arc::from(text)))
}

/// Returns what the plain scalar `text` means among values that are never templates.
pub fn resolve_literal(text: &str) -> Data {
    match resolve(text) {
        // A time only looks like text.
        Data::Text(word) if plain_time(text).is_none() => Data::Literal(word),
        other => other,
    }
}

/// Returns the date or time a plain scalar stands for.
fn plain_time(text: &str) -> Option<String> {
    // A date alone needs two digits each for month and day.
    let iso = if text.get(4..5) == Some("-") { timestamp(text) } else { None };
    iso.filter(|iso| iso.len() > 10 || text.len() == 10)
}

/// Returns what the scalar `text` is under `tag`; `None` when it cannot be that, or nobody knows
/// the tag.
pub fn tagged(tag: &str, text: &str) -> Option<Data> {
    match tag {
        "!!str" => Some(Data::Text(Arc::from(text))),
        "!!int" => int(text),
        "!!float" => float(text),
        "!!bool" => boolean(text).map(|value| Data::Bool(value, Arc::from(text))),
        "!!null" => Some(Data::Null),
        "!!timestamp" => timestamp(text).map(|iso| Data::Text(Arc::from(iso))),
        "!" => Some(resolve(text)),
        // Quotes do not count under this tag.
        "!unsafe" => Some(resolve_literal(text)),
        "!vault" | "!vault-encrypted" => Some(Data::Vault(Arc::from(text))),
        _ => None,
    }
}

/// Returns text as text that is never a template; anything else as it is.
pub fn literal(data: Data) -> Data {
    match data {
        Data::Text(text) => Data::Literal(text),
        other => other,
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" => Some(true),
        "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Splits off the sign: true for a minus, and the rest without underscores.
fn signed(text: &str) -> (bool, String) {
    let plain = text.replace('_', "");
    let digits = plain.strip_prefix(['-', '+']).unwrap_or(&plain);
    (plain.starts_with('-'), digits.to_string())
}

fn int(text: &str) -> Option<Data> {
    let (minus, digits) = signed(text);
    let value = if let Some(binary) = digits.strip_prefix("0b") {
        i128::from_str_radix(binary, 2).ok()?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()?
    } else if digits.starts_with('0') {
        i128::from_str_radix(&digits, 8).ok()?
    } else if digits.contains(':') {
        // Base 60, as in times: 1:30 is 90.
        digits
            .split(':')
            .try_fold(0i128, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))?
    } else {
        digits.parse().ok()?
    };
    let value = i64::try_from(if minus { -value } else { value }).ok()?;
    Some(Data::Int(value, Arc::from(text)))
}

fn float(text: &str) -> Option<Data> {
    let (minus, digits) = signed(text);
    let value = match digits.to_lowercase().as_str() {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        // From the right, as PyYAML adds them up: the order decides how the sum is rounded.
        sexagesimal if sexagesimal.contains(':') => {
            sexagesimal
                .rsplit(':')
                .try_fold((0.0, 1.0), |(sum, base), part| {
                    Some((sum + part.parse::<f64>().ok()? * base, base * 60.0))
                })?
                .0
        }
        plain => plain.parse().ok()?,
    };
    Some(Data::Float(if minus { -value } else { value }, Arc::from(text)))
}

/// Returns a date or a time as Python's `isoformat` spells it; `None` when there is no such time.
fn timestamp(text: &str) -> Option<String> {
    let found = PATTERNS.timestamp.captures(text)?;
    let number = |group: usize| -> Option<i16> { found.get(group)?.as_str().parse().ok() };
    let (year, month, day) = (number(1)?, number(2)?, number(3)?);
    let day = date_of(year, month, day)?;
    if found.name("time").is_none() {
        return Some(day);
    }
    let (hour, minute, second) = (number(5)?, number(6)?, number(7)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction: String =
        found.name("fraction").map_or("", |f| f.as_str()).chars().take(6).collect();
    let fraction = match fraction.trim_matches('0') {
        "" => String::new(),
        _ => format!(".{fraction:0<6}"),
    };
    let zone = zone(&found)?;
    Some(format!("{day}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

fn date_of(year: i16, month: i16, day: i16) -> Option<String> {
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    // Python's years begin with 1.
    Date::new(year, month, day).ok().filter(|_| year > 0).map(|date| date.to_string())
}

fn zone(found: &Captures<'_>) -> Option<String> {
    if found.name("zone").is_none() {
        return Some(String::new());
    }
    let part = |name| found.name(name).map_or("", |part| part.as_str());
    let number = |name| part(name).parse::<u8>().unwrap_or(0);
    let (hours, minutes) = (number("hours") + number("minutes") / 60, number("minutes") % 60);
    let sign = if part("sign") == "-" && (hours, minutes) != (0, 0) { '-' } else { '+' };
    (hours < 24).then(|| format!("{sign}{hours:02}:{minutes:02}"))
}

/// Returns a number as Python's `json` spells it: `1.0`, `1e+16`, `1e-05`.
pub fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let short = format!("{value:e}");
    let (digits, exponent) = short.split_once('e').unwrap_or((&short, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = value.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_as_python_does() {
        for (text, meant) in [
            ("2026-01-01", "2026-01-01"),
            ("2026-1-1 1:02:03", "2026-01-01T01:02:03"),
            ("2001-12-14 21:59:43.10 -5", "2001-12-14T21:59:43.100000-05:00"),
            ("2001-12-14T21:59:43.1234567+5:30", "2001-12-14T21:59:43.123456+05:30"),
            ("2026-01-01t12:30:45Z", "2026-01-01T12:30:45+00:00"),
            ("2026-01-01T00:00:00-00:00", "2026-01-01T00:00:00+00:00"),
            ("2001-12-14 21:59:43.", "2001-12-14T21:59:43"),
            ("2026-1-1", "2026-1-1"),
            ("2026-02-30", "2026-02-30"),
            ("2026-01-01T25:00:00", "2026-01-01T25:00:00"),
        ] {
            assert!(matches!(resolve(text), Data::Text(found) if *found == *meant), "{text}");
        }
    }

    #[test]
    fn tags_decide_whatever_the_quotes() {
        assert!(matches!(tagged("!!int", "0x10"), Some(Data::Int(16, _))));
        assert!(matches!(tagged("!!float", "1e3"), Some(Data::Float(1000.0, _))));
        assert!(matches!(tagged("!!bool", "OFF"), Some(Data::Bool(false, _))));
        assert!(matches!(tagged("!unsafe", "12"), Some(Data::Int(12, _))));
        assert!(matches!(tagged("!unsafe", "{{ x }}"), Some(Data::Literal(_))));
        assert!(tagged("!!int", "x").is_none() && tagged("!other", "x").is_none());
    }

    #[test]
    fn numbers_are_spelled_as_python_does() {
        for (value, meant) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (6.02e23, "6.02e+23"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (5e-324, "5e-324"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float_text(value), meant);
        }
    }
}
