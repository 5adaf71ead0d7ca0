//! `os.sudoers`: a rule of sudo, as a file in `/etc/sudoers.d`.
//!
//! Parameters follow Ansible's `sudoers`, and the file's text is the same for the same parameters,
//! so either tool takes the other's file for right. `content` holds free text instead: aliases,
//! defaults, several rules. The file is always root's with mode `0440`, and it is checked by
//! `visudo -cf` before it is put in its place.
//!
//! Commands are written as sudoers(5) has them: a comma, a colon or a backslash inside an argument
//! needs a `\` before it (sudo before 1.9.11 wants it before `=` too). sudo skips files with a dot
//! or an ending `~` in their name, so such names are refused.
//!
//! ```yaml
//! - name: Operators restart the agent
//!   os.sudoers:
//!     name: cdp-operators
//!     group: cdpops
//!     commands:
//!       - /usr/bin/systemctl restart cloudera-scm-agent
//!       - /usr/bin/journalctl -u cloudera-scm-agent
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::file::{self, ATTRIBUTES, PUT, REMOVE, Sight, Stat};
use super::shared::state::State;
use super::{Claim, Kind, Link, argument, folders_above, problem};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply};
use crate::model::{Attribute, Data, Delta, Live, Node, Value};

/// A rule of sudo.
pub struct OsSudoers;

/// A rule of sudo, as a file in `/etc/sudoers.d`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The file's name: letters, digits, `_` and `-`.
    name: String,
    /// Who may run the commands: a user.
    user: Option<String>,
    /// Who may run the commands: a group, without `%`.
    group: Option<String>,
    /// Which commands: a list, or one text.
    commands: Option<Node>,
    /// As whom: a user, `user:group`, `ALL`. Without it, as root.
    runas: Option<String>,
    /// Without asking for a password?
    #[serde(default = "yes")]
    nopassword: bool,
    /// Keep the commands from starting others?
    #[serde(default)]
    noexec: bool,
    /// May the environment be kept?
    #[serde(default)]
    setenv: bool,
    /// On which hosts.
    #[serde(default = "all")]
    host: String,
    /// The whole text, instead of a rule.
    content: Option<Node>,
    /// Should the file be there?
    #[serde(default)]
    state: State,
    /// Must `visudo` accept it: `required`, `detect` (where there is one), `absent` (no check).
    #[serde(default)]
    validation: Validation,
    /// The folder.
    #[serde(default = "folder")]
    sudoers_path: String,
}

fn yes() -> bool {
    true
}

fn all() -> String {
    "ALL".into()
}

fn folder() -> String {
    "/etc/sudoers.d".into()
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Validation {
    #[default]
    Required,
    Detect,
    Absent,
}

impl Args {
    fn path(&self) -> String {
        format!("{}/{}", self.sudoers_path, self.name)
    }

    /// Returns the commands; `None` where something else than text is among them.
    fn commands(&self) -> Option<Vec<&str>> {
        match self.commands.as_ref().map(|node| (node, &node.data)) {
            None => Some(Vec::new()),
            Some((_, Data::List(items))) => items.iter().map(Node::as_text).collect(),
            Some((node, _)) => node.as_text().map(|text| vec![text]),
        }
    }

    fn is_secret(&self) -> bool {
        matches!(&self.content, Some(Node { data: Data::Secret(_), .. }))
    }

    /// Returns the text of the file, byte for byte as Ansible writes it.
    fn text(&self) -> Argument {
        if let Some(content) = self.content.as_ref().and_then(argument) {
            return content;
        }
        let owner = match (&self.user, &self.group) {
            (Some(user), _) => user.clone(),
            (None, group) => format!("%{}", group.as_deref().unwrap_or_default()),
        };
        let runas = self.runas.as_ref().map(|runas| format!("({runas})")).unwrap_or_default();
        let tag = |is_set: bool, tag: &'static str| if is_set { tag } else { "" };
        Argument::plain(format!(
            "{owner} {}={runas}{}{}{} {}\n",
            self.host,
            tag(self.noexec, "NOEXEC:"),
            tag(self.nopassword, "NOPASSWD:"),
            tag(self.setenv, "SETENV:"),
            self.commands().unwrap_or_default().join(", ")
        ))
    }

    fn shown(&self) -> Value {
        if self.is_secret() { Value::Sensitive } else { Value::text(self.text().reveal()) }
    }
}

impl Kind for OsSudoers {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.sudoers", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_sudoers.rs");

    fn key(args: &Args) -> String {
        match &*args.sudoers_path {
            "/etc/sudoers.d" => args.name.clone(),
            _ => args.path(),
        }
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let is_name = !args.name.starts_with('-') && args.name.chars().all(is_plain);
        if args.name.is_empty() || args.name.len() > 200 || !is_name {
            let shown: String = args.name.chars().take(60).collect();
            let hint = "letters, digits, `_` and `-`: sudo skips files with a dot or `~`";
            problems.push(problem(
                &["name"],
                format!("`{shown}` is not the name of a file that sudo reads"),
                Some(hint),
            ));
        }
        problems.extend(file::path_problem("sudoers_path", &args.sudoers_path));
        check_sort(args, &mut problems);
        if args.content.is_none() {
            check_rule(args, &mut problems);
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let sight = match (args.state, args.is_secret()) {
            (State::Absent, _) => Sight::Attributes,
            (State::Present, true) => Sight::Digest,
            (State::Present, false) => Sight::Content,
        };
        let digest = match args.state {
            State::Present => sha256(args.text().reveal().as_bytes()),
            State::Absent => String::new(),
        };
        vec![file::ask(&args.path(), &digest, sight)]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let stat = match Stat::read(&replies[0]) {
            Ok(stat) => stat,
            Err(reason) => return Delta::unknown(reason),
        };
        let mut delta = Delta::default();
        if let Some(stat) = stat.as_ref().filter(|stat| !stat.is_file()) {
            delta.refused = Some(format!("{} is a {}, not a regular file", args.path(), stat.sort));
            return delta;
        }
        if args.state == State::Absent {
            let before = stat.map_or(Live::Absent, |_| Live::Known(Value::text("present")));
            delta.attributes.push(Attribute::gone("state", before));
            return delta;
        }
        delta.attributes.push(content(args, stat.as_ref(), &replies[0]));
        let root = |name: &str, number: &str| match number {
            "0" => "root".to_string(),
            _ => name.to_string(),
        };
        let mut add = |name: &'static str, want: &str, live: Option<String>| {
            let live = live.map_or(Live::Absent, |live| Live::Known(Value::text(live)));
            delta.attributes.push(Attribute::new(name, live, Value::text(want)));
        };
        let stat = stat.as_ref();
        add("mode", "0440", stat.map(|s| s.mode.clone()));
        add("owner", "root", stat.map(|s| root(&s.owner, &s.uid)));
        add("group", "root", stat.map(|s| root(&s.group, &s.gid)));
        delta
    }

    fn steps(args: &Args, delta: &Delta, _: &[Reply]) -> Vec<Action> {
        let mut words = vec![Argument::plain(args.path())];
        if args.state == State::Absent {
            return vec![Action::Host(&REMOVE, words)];
        }
        words.extend(["0440", "root", "root"].map(Argument::plain));
        if !delta.differing().any(|attribute| attribute.name == "content") {
            return vec![Action::Host(&ATTRIBUTES, words)];
        }
        words.extend([Argument::plain("text"), args.text(), Argument::plain("")]);
        words.extend(match args.validation {
            Validation::Required => Some(Argument::plain("visudo -cf %s")),
            Validation::Detect => Some(Argument::plain("! command -v visudo || visudo -cf %s")),
            Validation::Absent => None,
        });
        vec![Action::Host(&PUT, words)]
    }

    fn needs(args: &Args) -> Vec<Link> {
        let mut links = folders_above(&args.path());
        links.extend(args.user.iter().map(|user| Link::new("os.user", user)));
        links.extend(args.group.iter().map(|group| Link::new("os.group", group)));
        links.push(Link::new("os.package", "sudo"));
        links
    }

    fn claims(args: &Args) -> Option<Claim> {
        Some(Claim::Whole(args.path()))
    }
}

fn content(args: &Args, stat: Option<&Stat>, reply: &Reply) -> Attribute {
    let after = args.shown();
    if stat.is_none() {
        return Attribute::new("content", Live::Absent, after);
    }
    let digest = match reply.text("digest") {
        Ok(digest) => digest.unwrap_or_default(),
        Err(reason) => return Attribute::new("content", Live::Unknown(reason), after),
    };
    if *digest == *sha256(args.text().reveal().as_bytes()) {
        return Attribute::new("content", Live::Known(after.clone()), after);
    }
    let before = match reply.text("content") {
        _ if args.is_secret() => Value::Sensitive,
        Ok(Some(text)) => Value::Text(text),
        _ => Value::text(format!("sha256 {digest}")),
    };
    Attribute { differs: true, ..Attribute::new("content", Live::Known(before), after) }
}

/// Finds what is wrong with the choice between a rule and free text.
fn check_sort(args: &Args, problems: &mut Vec<Problem>) {
    let mut add = |name: &str, said: &str, hint: Option<&str>| {
        problems.push(problem(&[name], said, hint));
    };
    let is_rule = args.user.is_some() || args.group.is_some() || args.commands.is_some();
    match &args.content {
        Some(_) if is_rule => add("content", "`content` stands for the whole rule", None),
        Some(node) if argument(node).is_none() => add("content", "`content` must be text", None),
        None if args.state == State::Present => {
            if args.user.is_none() && args.group.is_none() {
                add("name", "who may run the commands?", Some("add `user` or `group`"));
            }
            if args.commands.is_none() {
                let hint = "add `commands`; `ALL` stands for all of them";
                add("name", "which commands may be run?", Some(hint));
            }
        }
        _ => {}
    }
    if args.user.is_some() && args.group.is_some() {
        add("group", "`user` and `group` exclude each other", None);
    }
}

/// Finds what is wrong with the parts of a rule, each of which must stay in its place.
fn check_rule(args: &Args, problems: &mut Vec<Problem>) {
    let words = [
        ("user", args.user.as_deref(), ",:=()!#\"' \t"),
        ("group", args.group.as_deref(), ",:=()!#\"' \t%"),
        ("runas", args.runas.as_deref(), "=()\""),
        ("host", Some(&*args.host), "=()\""),
    ];
    for (name, text, forbidden) in words {
        let Some(text) = text else { continue };
        // A user given by number.
        let rest = text.strip_prefix('#').filter(|_| name != "group").unwrap_or(text);
        let said = match unescaped(rest, forbidden) {
            _ if text.is_empty() || text.len() > 1024 || text.contains(char::is_control) => {
                "it is one line of at most 1024 bytes".to_string()
            }
            Some('\\') => "a backslash is written `\\\\` in sudoers(5)".to_string(),
            Some(c) => format!("`{c}` is written `\\{c}` in sudoers(5)"),
            None => continue,
        };
        problems.push(problem(&[name], said, None));
    }
    let Some(commands) = args.commands() else {
        let said = "`commands` is a list of texts, or one text";
        return problems.push(problem(&["commands"], said, None));
    };
    if args.commands.is_some() && commands.is_empty() {
        problems.push(problem(&["commands"], "which commands may be run?", None));
    }
    for command in commands {
        problems.extend(command_problem(command));
    }
}

/// Returns the first character of `text` that has no backslash before it though it must, or a
/// backslash that stands for nothing.
fn unescaped(text: &str, special: &str) -> Option<char> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            // `DOMAIN\user` would be read as `DOMAINuser`.
            '\\' if chars.next().is_none_or(char::is_alphanumeric) => return Some('\\'),
            '\\' => {}
            c if special.contains(c) => return Some(c),
            _ => {}
        }
    }
    None
}

fn command_problem(command: &str) -> Option<Problem> {
    let add = |said: String, hint: &str| Some(problem(&["commands"], said, Some(hint)));
    let shown: String = command.chars().take(60).collect();
    if command.trim().is_empty() || command.contains(char::is_control) || command.len() > 65536 {
        let hint = "at most 64 KiB, without line ends; aliases go into `content`";
        return add("a command is one line".to_string(), hint);
    }
    // A regular expression (sudo 1.9.10) has its own escapes.
    if command.contains('^') {
        return None;
    }
    if unescaped(command, "") == Some('\\') {
        let hint = "a backslash is written `\\\\`";
        return add(format!("`\\` in `{shown}` stands for nothing"), hint);
    }
    for one in split(command) {
        let Some(at) = one.find('/') else { continue };
        // Before the path come tags and digests, with colons of their own.
        let rest = &one[at..];
        let arguments = rest.find(char::is_whitespace).map_or("", |end| &rest[end..]);
        if unescaped(arguments, ":") == Some(':') {
            let hint = "a colon begins another rule: `\\:` is one inside an argument";
            return add(format!("`:` in `{shown}` needs a backslash"), hint);
        }
    }
    None
}

/// Splits at commas that have no backslash before them.
fn split(command: &str) -> Vec<&str> {
    let mut is_escaped = false;
    command
        .split(|c| {
            let is_end = c == ',' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sudoers_reads_otherwise_is_refused() {
        let is_sound = |command: &str| command_problem(command).is_none();
        assert!(is_sound("/bin/a -x, !/bin/b, sudoedit /etc/x"));
        assert!(is_sound(r"/bin/a http\://x\,y \\ \* a=b"));
        assert!(is_sound("sha224:abc= /bin/a, NOEXEC: /bin/b"));
        assert!(is_sound("ALL"));
        assert!(!is_sound("/bin/a x:y"));
        assert!(!is_sound(r"/bin/a \d"));
        assert!(!is_sound("/bin/a\nb ALL=ALL"));
        assert_eq!(unescaped(r"DOMAIN\user", ""), Some('\\'));
        assert_eq!(unescaped(r"DOMAIN\\domain\ users", " "), None);
        assert_eq!(split(r"a\,b,c\\,d"), [r"a\,b", r"c\\", "d"]);
    }
}
