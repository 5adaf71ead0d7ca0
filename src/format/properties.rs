//! `key=value` lines, as in environment safety valves and simple `.properties` text.

/// Reads `text` when every line is `key=value`, a comment or blank; `None` otherwise. Of two lines
/// with one key the later wins.
pub fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        if line.ends_with('\\') {
            return None;
        }
        let (key, value) = line.split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || key.contains(char::is_whitespace) {
            return None;
        }
        match pairs.iter_mut().find(|(k, _)| k == key) {
            Some(pair) => pair.1 = value.to_string(),
            None => pairs.push((key.to_string(), value.to_string())),
        }
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// Writes one `key=value` line per pair.
pub fn render(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n")
}
