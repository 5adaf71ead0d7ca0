//! One request as the routes see it.

use serde_json::Value;

use crate::answer::Refusal;

/// A request with its path split and decoded.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path as sent.
    pub(crate) path: String,
    /// The query as sent, without the question mark.
    pub(crate) query: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The decoded parts of the path.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|part| !part.is_empty()).map(decode).collect()
    }

    /// The decoded query parameter `name`.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        let mut split = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let (_, value) = split.find(|(key, _)| decode(key) == name)?;
        Some(decode(&value.replace('+', " ")))
    }

    /// A query parameter that must be a whole number.
    pub(crate) fn count(&self, name: &str, default: usize) -> Result<usize, Refusal> {
        let Some(text) = self.parameter(name) else { return Ok(default) };
        text.parse().map_err(|_| Refusal::bad(format!("{name} is not a number: {text}")))
    }

    /// Whether the full view is asked for.
    pub(crate) fn full_view(&self) -> Result<bool, Refusal> {
        let view = self.parameter("view").unwrap_or_default().to_lowercase();
        match view.as_str() {
            "" | "summary" | "export" | "export_redacted" => Ok(false),
            "full" | "full_with_health_check_explanation" => Ok(true),
            _ => Err(Refusal::bad(format!("Invalid view: {view}"))),
        }
    }

    /// Whether the request only reads.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// The body, which must be a JSON object with no members but `allowed`.
    pub(crate) fn object(&self, allowed: &[&str]) -> Result<Value, Refusal> {
        let document: Value = serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::bad(format!("Cannot read the request body: {error}")))?;
        check_members(&document, allowed)?;
        Ok(document)
    }

    /// The body, which must be a JSON array.
    pub(crate) fn list(&self) -> Result<Vec<Value>, Refusal> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::bad(format!("Cannot read the request body: {error}")))
    }

    /// As `object`, but an absent body counts as an empty object.
    pub(crate) fn optional_object(&self, allowed: &[&str]) -> Result<Value, Refusal> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(serde_json::json!({}));
        }
        self.object(allowed)
    }
}

/// Refuses anything but an object with the members `allowed`.
pub(crate) fn check_members(document: &Value, allowed: &[&str]) -> Result<(), Refusal> {
    let Some(members) = document.as_object() else {
        return Err(Refusal::bad("Cannot read the request body: an object is expected"));
    };
    match members.keys().find(|name| !allowed.contains(&name.as_str())) {
        Some(name) => Err(Refusal::bad(format!("Unrecognized field \"{name}\""))),
        None => Ok(()),
    }
}

/// Resolves percent escapes; malformed ones stay as they are.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        let digits = bytes.get(position + 1..position + 3);
        let pair = digits.and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[position], pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                position += 3;
            }
            (byte, _) => {
                plain.push(byte);
                position += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}
