//! What a route answers: a JSON document or a refusal.

use serde_json::{Value, json};

/// A refusal with the status and the message of the error body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl Refusal {
    /// 400: the request makes no sense.
    pub(crate) fn bad(message: impl Into<String>) -> Refusal {
        Refusal { status: 400, message: message.into() }
    }

    /// 404: there is no such object.
    pub(crate) fn missing(kind: &str, name: &str) -> Refusal {
        Refusal { status: 404, message: format!("{kind} '{name}' not found.") }
    }

    /// 404: there is no such path.
    pub(crate) fn no_path() -> Refusal {
        Refusal { status: 404, message: "HTTP 404 Not Found".to_owned() }
    }

    /// 405: the path exists, but not for this method.
    pub(crate) fn method() -> Refusal {
        Refusal { status: 405, message: "HTTP 405 Method Not Allowed".to_owned() }
    }

    /// The error body.
    pub(crate) fn body(&self) -> Value {
        json!({ "message": self.message })
    }
}

/// The result of a route.
pub(crate) type Reply = Result<Value, Refusal>;

/// A finished answer, ready for the wire.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: u16, document: &Value) -> Answer {
        let body = document.to_string().into_bytes();
        Answer { status, content_type: "application/json", body }
    }

    /// A plain-text answer.
    pub(crate) fn text(text: String) -> Answer {
        Answer { status: 200, content_type: "text/plain", body: text.into_bytes() }
    }

    /// An HTML page, as proxies and the login filter send.
    pub(crate) fn page(status: u16, title: &str) -> Answer {
        let body = format!(
            "<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        );
        Answer { status, content_type: "text/html;charset=utf-8", body: body.into_bytes() }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Answer {
        match reply {
            Ok(document) => Answer::json(200, &document),
            Err(refusal) => Answer::json(refusal.status, &refusal.body()),
        }
    }
}
