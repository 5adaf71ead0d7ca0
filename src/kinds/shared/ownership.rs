//! Mode, owner and group of whatever has a path.

use super::file::Stat;
use crate::kinds::{Link, problem};
use crate::model::change::Problem;
use crate::model::question::Argument;
use crate::model::{Attribute, Data, Live, Node, Value};

/// What is wished of mode, owner and group; what is left out stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct Ownership<'a> {
    /// Permissions in octal.
    pub mode: Option<&'a Node>,
    /// Name or number.
    pub owner: Option<&'a str>,
    /// Name or number.
    pub group: Option<&'a str>,
}

impl Ownership<'_> {
    /// Returns what is wrong with the wish.
    pub fn check(&self, problems: &mut Vec<Problem>) {
        if let Some(node) = self.mode
            && octal(node).is_none()
        {
            let said = format!("`{}` is not a mode", node.as_text().unwrap_or(node.sort()));
            let hint = "write it in octal and in quotes, e.g. \"0644\": YAML reads a bare number as decimal";
            problems.push(problem(&["mode"], said, Some(hint)));
        }
        for (name, value) in [("owner", self.owner), ("group", self.group)] {
            let said =
                |value: &str| format!("`{}` is not the name of a user or group", shown(value));
            problems
                .extend(value.filter(|v| !is_account(v)).map(|v| problem(&[name], said(v), None)));
        }
    }

    /// Compares the wish with what is there; `None`: nothing is.
    pub fn compare(&self, stat: Option<&Stat>, attributes: &mut Vec<Attribute>) {
        let mut add = |name: &'static str, live: Option<String>, want: Option<String>| {
            if let Some(want) = want {
                let live = live.map_or(Live::Absent, |live| Live::Known(Value::text(live)));
                attributes.push(Attribute::new(name, live, Value::text(want)));
            }
        };
        // Whoever declares a number means the number, whatever name it has there.
        let pick = |wish: Option<&str>, name: &str, number: &str| match wish {
            Some(wish) if is_number(wish) => number.to_string(),
            _ => name.to_string(),
        };
        add("mode", stat.map(|s| s.mode.clone()), self.mode.and_then(octal));
        let owner = stat.map(|s| pick(self.owner, &s.owner, &s.uid));
        add("owner", owner, self.owner.map(String::from));
        let group = stat.map(|s| pick(self.group, &s.group, &s.gid));
        add("group", group, self.group.map(String::from));
    }

    /// Returns mode, owner and group as the words shell functions take; empty where not wished.
    pub fn words(&self) -> [Argument; 3] {
        let mode = self.mode.and_then(octal).unwrap_or_default();
        [&mode, self.owner.unwrap_or_default(), self.group.unwrap_or_default()].map(Argument::plain)
    }

    /// Returns the links to the user and the group, which must exist first.
    pub fn needs(&self) -> impl Iterator<Item = Link> {
        let owner = self.owner.map(|owner| Link::new("os.user", owner));
        let group = self.group.map(|group| Link::new("os.group", group));
        owner.into_iter().chain(group)
    }
}

/// Reads permissions written in octal; a bare decimal number is refused.
pub fn octal(node: &Node) -> Option<String> {
    match &node.data {
        Data::Text(text) | Data::Literal(text) => {
            let digits = text.strip_prefix("0o").unwrap_or(text);
            let is_octal = digits.len() >= 3 && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
            let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777)?;
            is_octal.then(|| format!("{mode:04o}"))
        }
        _ => None,
    }
}

/// True for a user's or group's number.
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// True for the name of a user or group (useradd(8), and what directory services add to it).
pub fn is_account(name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | '@' | '\\');
    !name.is_empty() && name.len() <= 256 && !name.starts_with('-') && name.chars().all(is_part)
}

/// Returns the beginning of a value, for a message.
fn shown(value: &str) -> String {
    value.chars().take(60).collect()
}
