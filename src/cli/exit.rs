//! Exit codes are an API; a fault knows its own.

use crate::model::Diagnostic;
use crate::view::{self, fault::Texts};

/// How the program ends. When several hold the more severe one wins: see [`Code::worst`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// In sync, or done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Differences found.
    Differs = 2,
    /// Partly applied.
    Partly = 3,
    /// Something could not be read.
    Incomplete = 4,
    /// The plan is stale or for another target.
    Stale = 5,
    /// Another apply holds the lock.
    Locked = 6,
    /// Refused by a window, a limit or for want of approval.
    Refused = 7,
    /// The inventory is invalid.
    Invalid = 8,
    /// The command line is wrong.
    Usage = 64,
    /// Interrupted.
    Interrupted = 130,
}

impl Code {
    /// Returns the most severe of `codes`: 8, 5, 7, 6, 3, 1, 4, 2.
    pub fn worst(codes: &[Code]) -> Code {
        let severity = [
            Code::Interrupted,
            Code::Usage,
            Code::Invalid,
            Code::Stale,
            Code::Refused,
            Code::Locked,
            Code::Partly,
            Code::Failed,
            Code::Incomplete,
            Code::Differs,
        ];
        severity.into_iter().find(|code| codes.contains(code)).unwrap_or(Code::Done)
    }
}

/// Why a command cannot go on.
pub struct Fault {
    code: Code,
    diagnostics: Vec<Diagnostic>,
    texts: Texts,
    json: Option<&'static str>,
}

impl Fault {
    /// Returns a fault with one message.
    pub fn new(code: Code, diagnostic: Diagnostic) -> Fault {
        Fault { code, diagnostics: vec![diagnostic], texts: Texts::new(), json: None }
    }

    /// Returns a fault of the inventory, with the texts its places are in.
    pub fn invalid(diagnostics: Vec<Diagnostic>, texts: Texts) -> Fault {
        Fault { code: Code::Invalid, diagnostics, texts, json: None }
    }

    /// Returns a fault of the command line: one message for each mistake.
    pub fn usage(mistakes: Vec<String>) -> Fault {
        let diagnostics = mistakes.into_iter().map(Diagnostic::error).collect();
        Fault { code: Code::Usage, diagnostics, texts: Texts::new(), json: None }
    }

    /// Tells it as JSON on stdout too, when `json` was asked for.
    #[must_use]
    pub fn with_json(mut self, json: bool, command: &'static str) -> Fault {
        self.json = json.then_some(command);
        self
    }

    /// Prints it and returns its code.
    pub fn tell(&self) -> Code {
        if let Some(command) = self.json {
            let page = view::json::diagnostics(&self.diagnostics, command);
            view::page(&page);
        }
        view::talk(&view::fault::text(&self.diagnostics, &self.texts));
        self.code
    }
}
