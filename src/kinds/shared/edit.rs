//! Changing a part of a text file: the kind reads the whole text, makes the new one, and the file
//! is replaced, unless it changed in between.

use std::sync::Arc;

use super::file::{self, ATTRIBUTES, PUT, Sight, Stat};
use super::ownership::Ownership;
use crate::kinds::{Claim, Link, folders_above, problem};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::question::{Action, Argument, Question, Reply};
use crate::model::{Delta, Secret};

pub use crate::format::lines::{bare, lines};

/// A text file of which a part is declared.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// Absolute path.
    pub path: &'a str,
    /// Make the file where there is none?
    pub create: bool,
    /// A command that must accept the new content; `%s` stands for the file that holds it.
    pub validate: Option<&'a str>,
    /// Mode, owner and group of the whole file.
    pub ownership: Ownership<'a>,
}

/// What is there now.
#[derive(Clone, Debug)]
pub struct Present {
    /// The text; empty where there is no file.
    pub text: Arc<str>,
    /// What the file is like; `None` where there is none.
    pub stat: Option<Stat>,
}

impl<'a> Edit<'a> {
    /// Returns an edit of `path` that leaves everything else of the file as it is.
    pub fn of(path: &'a str) -> Edit<'a> {
        let ownership = Ownership { mode: None, owner: None, group: None };
        Edit { path, create: false, validate: None, ownership }
    }

    /// Finds what is wrong with path, mode, owner, group and `validate`.
    pub fn check(&self, problems: &mut Vec<Problem>) {
        problems.extend(file::path_problem("path", self.path));
        self.ownership.check(problems);
        problems.extend(file::validate_problem(self.validate));
    }

    /// Asks for the whole text. All edits of one file share one question.
    pub fn ask(&self) -> Question {
        file::ask(self.path, "", Sight::Edit)
    }

    /// Returns what is there; a missing file is an empty one where it may be created.
    ///
    /// Errors: the delta that says why it cannot be told, or why the wish cannot be met.
    pub fn read(&self, reply: &Reply) -> Result<Present, Delta> {
        let Some(stat) = Stat::read(reply).map_err(Delta::unknown)? else {
            let lacking = format!("{} does not exist; `create: true` would make it", self.path);
            return match self.create {
                true => Ok(Present { text: Arc::from(""), stat: None }),
                false => Err(Delta::lacking(lacking)),
            };
        };
        if !stat.is_file() {
            let refused = Some(format!("{} is a {}, not a regular file", self.path, stat.sort));
            return Err(Delta { refused, ..Delta::default() });
        }
        let digest = reply.text("digest").map_err(Delta::unknown)?;
        let text = reply.text("content").map_err(Delta::unknown)?.unwrap_or_default();
        // Many files are read in one go; what does not add up was changed meanwhile.
        if digest.as_deref() != Some(&*sha256(text.as_bytes())) {
            return Err(Delta::unknown(format!("{} changed while it was read", self.path)));
        }
        Ok(Present { text, stat: Some(stat) })
    }

    /// Returns the writes that turn `present` into `text` and set what differs of the ownership.
    pub fn write(&self, present: &Present, text: &str, is_secret: bool) -> Vec<Action> {
        let mut words = vec![Argument::plain(self.path)];
        words.extend(self.ownership.words());
        if present.stat.is_some() && *present.text == *text {
            return vec![Action::Host(&ATTRIBUTES, words)];
        }
        let old = match present.stat {
            Some(_) => sha256(present.text.as_bytes()),
            None => "absent".into(),
        };
        let content = match is_secret {
            true => Argument::Secret(Secret::derived(text.to_string())),
            false => Argument::plain(text),
        };
        words.extend([Argument::plain("text"), content, Argument::plain(old)]);
        words.extend(self.validate.map(Argument::plain));
        vec![Action::Host(&PUT, words)]
    }

    /// Returns what it decides of the file.
    pub fn claim(&self) -> Claim {
        Claim::Part(self.path.to_string())
    }

    /// Returns what must come first: the file itself, its folders, user and group.
    pub fn needs(&self) -> Vec<Link> {
        let mut links = vec![Link::new("os.file", self.path)];
        links.extend(folders_above(self.path));
        links.extend(self.ownership.needs());
        links
    }
}

/// Appends `line`, after a line end where the text lacks one.
pub fn append(text: &mut String, line: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
}

/// Returns `name` as a part of a key: long ones are cut, and told apart by their digest.
pub fn key_part(name: &str) -> String {
    let one_line: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match one_line.chars().count() > 80 || one_line != name {
        false => one_line,
        true => {
            let head: String = one_line.chars().take(60).collect();
            format!("{head}…{}", &sha256(name.as_bytes())[..8])
        }
    }
}

/// Returns what is wrong with `pattern` as a regular expression.
pub fn regexp_problem(name: &str, pattern: Option<&str>) -> Option<Problem> {
    let error = regex::Regex::new(pattern?).err()?.to_string();
    let said = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
    Some(problem(&[name], format!("not a regular expression: {said}"), None))
}
