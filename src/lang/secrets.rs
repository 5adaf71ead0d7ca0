//! Where secrets come from: `{ env: }`, `{ file: }`, `{ command: }` and `!vault`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::model::{Data, Diagnostic, Map, Node, Place, Secret};

/// The outside as far as secrets need it. The command line's floor provides it: nothing below
/// reads the environment or starts a program by itself.
pub trait SecretSource: Send + Sync {
    /// Returns an environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// Runs a program (never through a shell) with `input` on its standard input, and returns what
    /// it prints; the error says what went wrong, without the output.
    fn run(&self, program: &[String], folder: &Path, input: &str) -> Result<String, String>;
}

/// Resolves references to secrets, each once.
pub struct Secrets {
    source: Box<dyn SecretSource>,
    folder: PathBuf,
    opened: Mutex<HashMap<String, Result<Secret, String>>>,
}

/// A reference to a secret, as written.
enum Reference<'a> {
    Env(&'a str),
    File(&'a str),
    Command(Vec<String>),
    Vault(&'a str),
}

impl Secrets {
    /// Returns a resolver; relative files and commands start from `folder`.
    pub fn new(source: Box<dyn SecretSource>, folder: &Path) -> Secrets {
        Secrets { source, folder: folder.to_path_buf(), opened: Mutex::default() }
    }

    /// Resolves `node` if it is a reference to a secret.
    ///
    /// Errors: what could not be read and why, at the place of the reference.
    pub fn resolve(&self, node: &Node) -> Option<Result<Secret, Diagnostic>> {
        let reference = reference(node)?;
        let Ok(mut opened) = self.opened.lock() else { return None };
        let secret = opened.entry(reference.key()).or_insert_with(|| self.open(&reference));
        Some(secret.clone().map_err(|why| unreadable(&reference, &why, &node.place)))
    }

    fn open(&self, reference: &Reference<'_>) -> Result<Secret, String> {
        let text = match reference {
            Reference::Env(name) => self
                .source
                .variable(name)
                .ok_or_else(|| format!("the environment variable `{name}` is not set"))?,
            Reference::File(path) => {
                let path = self.folder.join(path);
                let text = super::source::read_text(&path).map_err(|d| {
                    d.detail.map_or(d.summary.clone(), |detail| format!("{}: {detail}", d.summary))
                })?;
                trim_line_end(&text)
            }
            Reference::Command(words) => {
                trim_line_end(&self.source.run(words, &self.folder, "")?)
            }
            Reference::Vault(text) => {
                let words = ["ansible-vault", "decrypt", "--output", "-"].map(String::from);
                self.source.run(&words, &self.folder, text)?
            }
        };
        match text.is_empty() {
            true => Err("it is empty".into()),
            false => Ok(Secret::new(text)),
        }
    }
}

impl Reference<'_> {
    /// Returns the key under which it is opened once.
    fn key(&self) -> String {
        match self {
            Reference::Env(name) => format!("env {name}"),
            Reference::File(path) => format!("file {path}"),
            Reference::Command(words) => format!("command {}", words.join("\0")),
            Reference::Vault(text) => format!("vault {text}"),
        }
    }

    /// Names it for messages.
    fn name(&self) -> String {
        match self {
            Reference::Env(name) => format!("`env: {name}`"),
            Reference::File(path) => format!("`file: {path}`"),
            Reference::Command(words) => format!("`command: {}`", words.join(" ")),
            Reference::Vault(_) => "`!vault`".into(),
        }
    }
}

/// Returns the reference `node` is, if it is one: a mapping with the one key `env`, `file` or
/// `command`, or text tagged `!vault`.
fn reference(node: &Node) -> Option<Reference<'_>> {
    match &node.data {
        Data::Vault(text) => Some(Reference::Vault(text)),
        Data::Map(Map(entries)) if entries.len() == 1 => {
            let (key, value) = &entries[0];
            match &*key.name {
                "env" => value.as_text().map(Reference::Env),
                "file" => value.as_text().map(Reference::File),
                "command" => words(value).map(Reference::Command),
                _ => None,
            }
        }
        _ => None,
    }
}

fn words(node: &Node) -> Option<Vec<String>> {
    match &node.data {
        Data::List(items) => items.iter().map(|item| item.as_text().map(String::from)).collect(),
        _ => {
            let words: Vec<String> = node.as_text()?.split_whitespace().map(String::from).collect();
            (!words.is_empty()).then_some(words)
        }
    }
}

/// True when `node` refers to a secret.
pub fn is_reference(node: &Node) -> bool {
    reference(node).is_some()
}

fn trim_line_end(text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text).to_string()
}

fn unreadable(reference: &Reference<'_>, why: &str, place: &Place) -> Diagnostic {
    let hint = match reference {
        Reference::Env(name) => Some(format!("set it for this command: {name}=… drsync …")),
        Reference::Vault(_) => Some(
            "ansible-vault must be installed and know the password (ANSIBLE_VAULT_PASSWORD_FILE)"
                .to_string(),
        ),
        Reference::File(_) | Reference::Command(_) => None,
    };
    let said = format!("cannot read the secret {}", reference.name());
    Diagnostic::error(said).because(why).at(place).hint(hint)
}

/// Shares a resolver among the parts of the language.
pub type SharedSecrets = Arc<Secrets>;
