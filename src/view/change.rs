//! One change, attribute by attribute.

use super::{ADD, CHANGE, DIM, REMOVE, UNKNOWN, paint};
use crate::format::text_diff::{self, Line};
use crate::format::units;
use crate::model::digest::sha256;
use crate::model::secret::mask;
use crate::model::{Attribute, Delta, Live, Value, Want};

/// Longer values are cut in the middle.
const LONGEST: usize = 160;
/// More lines of a text difference are left out.
const MOST_LINES: usize = 60;
/// Longer lines of a text difference are cut.
const LONGEST_LINE: usize = 200;
/// What stands before the first difference of a line that is cut.
const LEAD: usize = 60;
/// What the name of a size in bytes has in it.
const BYTES: [&str; 9] =
    ["heap", "bytes", "memory", "mem_", "rmem", "wmem", "size", "reserved", "_limit"];
/// Stand for a carriage return, the end of a line, and the end of a text without one, while lines
/// are compared: Unicode keeps these for uses like this one.
const RETURN: char = '\u{fdd0}';
const END: char = '\u{fdd1}';
const OPEN: char = '\u{fdd2}';

/// Returns the lines that show what differs in `delta`.
pub fn lines(delta: &Delta) -> Vec<String> {
    let width = delta.differing().map(|a| a.name.chars().count()).max().unwrap_or(0).min(48);
    delta.differing().flat_map(|attribute| attribute_lines(attribute, width)).collect()
}

/// Returns a remark as it may be shown.
pub fn told(note: &str) -> String {
    escaped(&mask(note))
}

fn attribute_lines(attribute: &Attribute, width: usize) -> Vec<String> {
    let name = escaped(&attribute.name);
    let note = attribute.note.as_ref();
    let note = note.map(|note| paint(DIM, format!("   ({})", told(note))));
    let note = note.unwrap_or_default();
    let below = |style, sign: &str, mut below: Vec<String>| {
        below.insert(0, format!("{} {name}{note}", paint(style, sign)));
        below
    };
    match (&attribute.before, &attribute.after) {
        (Live::Known(Value::Map(before)), Want::Value(Value::Map(after))) => {
            below(CHANGE, "~", map_lines(before, after))
        }
        (Live::Absent, Want::Value(Value::Map(after))) => below(ADD, "+", map_lines(&[], after)),
        (Live::Known(Value::Text(before)), Want::Value(Value::Text(after)))
            if is_long(before) || is_long(after) =>
        {
            below(CHANGE, "~", text_lines(before, after))
        }
        (Live::Absent, Want::Value(Value::Text(after))) if is_long(after) => {
            below(ADD, "+", text_lines("", after))
        }
        (before, after) => {
            let (old, new) = sides(&attribute.name, before, after);
            let arrow = paint(DIM, "→");
            vec![format!("{} {name:width$}  {old} {arrow} {new}{note}", sign(before, after))]
        }
    }
}

fn sides(name: &str, before: &Live, after: &Want) -> (String, String) {
    match (before, after) {
        (Live::Known(a), Want::Value(b)) => both(name, a, b),
        _ => (live(name, before), want(name, after)),
    }
}

fn sign(before: &Live, after: &Want) -> String {
    match (before, after) {
        (_, Want::Absent(_)) => paint(REMOVE, "-"),
        (Live::Absent, _) => paint(ADD, "+"),
        _ => paint(CHANGE, "~"),
    }
}

fn is_long(text: &str) -> bool {
    text.trim_end().contains('\n') || text.chars().count() > LONGEST
}

/// Returns what was read, as shown.
fn live(name: &str, live: &Live) -> String {
    match live {
        Live::Known(value) => shown(name, value),
        Live::Absent => paint(DIM, "absent"),
        Live::Unknown(why) => paint(UNKNOWN, format!("unknown: {}", escaped(&mask(why)))),
    }
}

fn want(name: &str, want: &Want) -> String {
    match want {
        Want::Value(value) => shown(name, value),
        Want::Absent(Some(default)) => {
            format!("{} {}", shown(name, default), paint(DIM, "(default)"))
        }
        Want::Absent(None) => paint(DIM, "absent"),
        Want::Later(why) => {
            paint(DIM, format!("(known after apply: {})", escaped(&mask(&why.to_string()))))
        }
    }
}

/// Returns a value on one line; a size in bytes with its readable form.
fn shown(name: &str, value: &Value) -> String {
    let raw = value.to_string();
    let readable = raw.parse().ok().filter(|_| is_bytes(name)).and_then(units::readable);
    let text = visible(&mask(&raw));
    let length = text.chars().count();
    let cut = match length > LONGEST {
        true => {
            let head: String = text.chars().take(LONGEST / 2).collect();
            let tail: String = text.chars().skip(length - LONGEST / 2).collect();
            format!("{head}…{tail}")
        }
        false => text,
    };
    match readable {
        Some(readable) => format!("{cut} {}", paint(DIM, format!("({readable})"))),
        None => cut,
    }
}

fn is_bytes(name: &str) -> bool {
    let name = name.to_lowercase();
    BYTES.iter().any(|part| name.contains(part))
}

/// Returns two values that differ so that they look different.
fn both(name: &str, before: &Value, after: &Value) -> (String, String) {
    let (old, new) = (shown(name, before), shown(name, after));
    let (a, b) = (before.to_string(), after.to_string());
    let (a, b) = (mask(&a), mask(&b));
    match old == new && a != b {
        true => (format!("{old} {}", measure(&a)), format!("{new} {}", measure(&b))),
        false => (old, new),
    }
}

/// Returns what tells apart two texts that look the same. `text` must be masked: the digest of a
/// secret would help to guess it.
fn measure(text: &str) -> String {
    let digest = sha256(text.as_bytes());
    format!("({} characters, sha256 {})", text.chars().count(), &digest[..12])
}

/// Returns `text` without what a terminal would obey or hide; tabs stay.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\t' => out.push(c),
            '\n' | '\r' => out.extend(c.escape_default()),
            c if c.is_control() || is_hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        out
    })
}

/// Marks of direction and width, and line separators that only some programs know.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fdd0}'..='\u{fdd2}')
}

/// Returns `text` with blanks at its end, and blanks that are no plain ones, made visible.
fn visible(text: &str) -> String {
    let body = text.trim_end_matches([' ', '\t', '\r']);
    let mut out = String::with_capacity(text.len());
    for c in escaped(body).chars() {
        match c.is_whitespace() && !c.is_ascii() {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    let mark = |c| match c {
        '\r' => '␍',
        '\t' => '⇥',
        _ => '·',
    };
    out.extend(text[body.len()..].chars().map(mark));
    out
}

type Entry = (std::sync::Arc<str>, Value);

fn map_lines(before: &[Entry], after: &[Entry]) -> Vec<String> {
    let find =
        |map: &[Entry], key: &str| map.iter().find(|(k, _)| &**k == key).map(|(_, v)| v.clone());
    let mut keys: Vec<&str> = before.iter().chain(after).map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys.dedup();
    let line = |key: &str| match (find(before, key), find(after, key)) {
        (Some(a), Some(b)) if a == b => None,
        (Some(a), Some(b)) => {
            let (old, new) = both(key, &a, &b);
            let (sign, arrow) = (paint(CHANGE, "~"), paint(DIM, "→"));
            Some(format!("    {sign} {}  {old} {arrow} {new}", escaped(key)))
        }
        (None, Some(b)) => {
            Some(format!("    {} {}  {}", paint(ADD, "+"), escaped(key), shown(key, &b)))
        }
        (Some(a), None) => {
            Some(format!("    {} {}  {}", paint(REMOVE, "-"), escaped(key), shown(key, &a)))
        }
        (None, None) => None,
    };
    keys.into_iter().filter_map(line).collect()
}

fn text_lines(before: &str, after: &str) -> Vec<String> {
    let diff = text_diff::unified(&ends_marked(before), &ends_marked(after));
    let left_out = diff.len().saturating_sub(MOST_LINES);
    let is_open = |text: &str| !text.is_empty() && !text.ends_with('\n');
    let notes_end = is_open(before) != is_open(after) && !before.is_empty() && !after.is_empty();
    let mut lines: Vec<String> = Vec::new();
    for run in diff.chunk_by(|a, b| is_changed(a) && is_changed(b)) {
        // Rendering what is not shown would take long for long texts.
        let room = MOST_LINES.saturating_sub(lines.len());
        lines.extend(run_lines(run, room, notes_end));
    }
    if lines.is_empty() {
        let (a, b) = (measure(&mask(before)), measure(&mask(after)));
        lines.push(paint(DIM, format!("    (nothing to show: {a} → {b})")));
    }
    if left_out > 0 {
        lines.push(paint(DIM, format!("    … {left_out} more lines")));
    }
    lines
}

/// Returns `text` with a mark at the end of each line, which the comparison would strip else.
fn ends_marked(text: &str) -> String {
    let line = |line: &str| {
        let (body, end) = match line.strip_suffix('\n') {
            Some(body) => (body, format!("{END}\n")),
            None => (line, OPEN.to_string()),
        };
        format!("{}{end}", body.replace('\r', RETURN.encode_utf8(&mut [0; 4])))
    };
    text.split_inclusive('\n').map(line).collect()
}

fn is_changed(line: &Line) -> bool {
    matches!(line, Line::Removed(_) | Line::Added(_))
}

/// One changed line: masked, and as shown.
struct Changed {
    is_added: bool,
    raw: String,
    text: String,
    is_open: bool,
}

/// Returns the first `room` lines of a run: changed lines, or a single other one.
fn run_lines(run: &[Line], room: usize, notes_end: bool) -> Vec<String> {
    let run = &run[..run.len().min(room)];
    let changed: Vec<Changed> = run.iter().filter_map(changed).collect();
    match run {
        [Line::Hunk(text)] => vec![paint(DIM, format!("    {text}"))],
        [Line::Same(line)] => vec![format!("      {}", same(line))],
        _ => changed.iter().map(|line| changed_line(line, &changed, notes_end)).collect(),
    }
}

/// Returns a line of context; its end is of no interest.
fn same(line: &str) -> String {
    let raw = unmarked(line).0;
    let text = escaped(mask(&raw).trim_end_matches('\r'));
    match text.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns the line as it was, and whether the text ended without a line end there.
fn unmarked(line: &str) -> (String, bool) {
    let is_open = line.ends_with(OPEN);
    let body = line.strip_suffix([END, OPEN]).unwrap_or(line);
    (body.replace(RETURN, "\r"), is_open)
}

fn changed(line: &Line) -> Option<Changed> {
    let (is_added, line) = match line {
        Line::Added(line) => (true, line),
        Line::Removed(line) => (false, line),
        Line::Hunk(_) | Line::Same(_) => return None,
    };
    let (raw, is_open) = unmarked(line);
    let raw = mask(&raw).into_owned();
    let text = visible(&raw);
    Some(Changed { is_added, raw, text, is_open })
}

/// Returns `line` so that it looks different from every line of the other side.
fn changed_line(line: &Changed, run: &[Changed], notes_end: bool) -> String {
    let others = || run.iter().filter(|other| other.is_added != line.is_added);
    let is_alike = |other: &Changed| other.text.split_whitespace().eq(line.text.split_whitespace());
    let is_twin = others().any(|other| other.text == line.text && other.raw != line.raw);
    let text = match others().any(is_alike) {
        true => line.text.replace('\t', "\\t"),
        false => line.text.clone(),
    };
    let own = |other: &&Changed| other.is_added == line.is_added;
    let place = run.iter().filter(own).position(|other| std::ptr::eq(other, line));
    let partner = place.and_then(|place| others().nth(place)).map_or("", |other| &other.text);
    let (mut text, is_cut) = cut_around(text, partner);
    if is_cut || is_twin {
        text = format!("{text} {}", measure(&line.raw));
    }
    if notes_end && line.is_open {
        text.push_str(" (no line end)");
    }
    match line.is_added {
        true => paint(ADD, format!("    + {text}")),
        false => paint(REMOVE, format!("    - {text}")),
    }
}

/// Cuts a long line so that its first difference from `partner` stays, and tells whether it did.
fn cut_around(text: String, partner: &str) -> (String, bool) {
    if text.chars().nth(LONGEST_LINE).is_none() {
        return (text, false);
    }
    let common = text.chars().zip(partner.chars()).take_while(|(a, b)| a == b).count();
    let from = if common + LEAD < LONGEST_LINE { 0 } else { common - LEAD };
    let part: String = text.chars().skip(from).take(LONGEST_LINE).collect();
    let head = if from > 0 { "…" } else { "" };
    let tail = if text.chars().nth(from + LONGEST_LINE).is_some() { "…" } else { "" };
    (format!("{head}{part}{tail}"), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[String]) -> String {
        let styles = [ADD, CHANGE, REMOVE, DIM, UNKNOWN];
        let codes = styles.iter().flat_map(|s| [format!("{s}"), format!("{s:#}")]);
        let strip = |text: String, code: String| match code.is_empty() {
            true => text,
            false => text.replace(&code, ""),
        };
        codes.fold(lines.join("\n"), strip)
    }

    fn diff(before: &str, after: &str) -> String {
        plain(&text_lines(before, after))
    }

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        let text = diff("a\nb\u{1b}[31m\n", "a\nb\u{9b}2J\u{202e}\n");
        assert!(
            text.contains("- b\\u{1b}[31m") && text.contains("+ b\\u{9b}2J\\u{202e}"),
            "{text}"
        );
        assert_eq!(shown("x", &Value::text("a\u{1b}\r\n\tb")), "a\\u{1b}\\r\\n\tb");
        let map = [("k\u{7}".into(), Value::text("v\u{8}"))];
        assert!(plain(&map_lines(&[], &map)).ends_with("k\\u{7}  v\\u{8}"));
    }

    #[test]
    fn what_is_invisible_is_marked_on_changed_lines() {
        let text = diff("same \r\na\r\nb\n", "same \r\na\nb \t\n");
        assert_eq!(
            text.lines().skip(1).collect::<Vec<_>>(),
            ["      same ", "    - a␍", "    - b", "    + a", "    + b·⇥"]
        );
        assert!(diff("a\u{a0}b\nc\n", "a b\nc\n").contains("- a\\u{a0}b\n    + a b"));
        assert!(diff("a\tb\nc\n", "a b\nc\n").contains("- a\\tb\n    + a b"));
        assert!(diff("a\rb\nc\n", "ab\nc\n").contains("- a\\rb\n    + ab"));
        let text = diff("a\nb", "a\nb\n");
        assert!(text.ends_with("    - b (no line end)\n    + b"), "{text}");
        assert!(!diff("a\nb", "a\nc").contains("line end"));
    }

    #[test]
    fn texts_that_differ_never_look_the_same() {
        let text = diff("a\u{1b}\nb\n", "a\\u{1b}\nb\n");
        assert!(
            text.contains("(2 characters, sha256 ") && text.contains("(7 characters"),
            "{text}"
        );
        let list = |end: &str| {
            let middle = format!("{}{end}{}", "x".repeat(200), "y".repeat(200));
            Value::List(vec![Value::text(middle)])
        };
        let (old, new) = both("x", &list("1"), &list("2"));
        assert!(old != new && old.contains("(403 characters, sha256 "), "{old}");
        let (old, new) = both("x", &Value::text("a"), &Value::text("a "));
        assert_eq!((&*old, &*new), ("a", "a·"));
    }

    #[test]
    fn long_lines_are_cut_around_the_difference() {
        let line = |end: &str| format!("{}{end}{}", "x".repeat(1 << 20), "y".repeat(1000));
        let text = diff(&line("1"), &line("2"));
        assert!(text.contains("x1y") && text.contains("x2y"), "{text}");
        assert!(text.contains("(1049577 characters, sha256 "), "{text}");
        assert!(text.chars().count() < 700, "{}", text.len());
        let text = diff(&format!("{}\na\n", line("1")), &format!("{}\nb\n", line("1")));
        assert!(text.chars().count() < 300 && text.contains("xxx…\n    - a"), "{text}");
    }

    #[test]
    fn only_sizes_are_shown_as_sizes() {
        let value = Value::text("4194304");
        assert_eq!(shown("kernel.pid_max", &value), "4194304");
        for name in ["net.core.rmem_max", "namenode_java_heapsize", "Memory_Limit"] {
            assert!(shown(name, &value).contains("(4 MiB)"), "{name}");
        }
    }

    #[test]
    fn secrets_are_masked_before_anything_is_cut_or_measured() {
        let secret = |c: &str| crate::model::secret::Secret::new(format!("pw {}", c.repeat(300)));
        let (old, new) = (secret("q"), secret("w"));
        let text = diff(&format!("{}\n", old.reveal()), &format!("{}\n", new.reveal()));
        assert!(text.ends_with("- (sensitive)\n    + (sensitive)"), "{text}");
    }
}
