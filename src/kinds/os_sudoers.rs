//! `os.sudoers`: a file in `/etc/sudoers.d`.
//!
//! Parameters follow Ansible's `community.general.sudoers`: who (`user` or `group`) may run which
//! `commands`; or `content` is the whole text. What has a meaning in sudoers (`,`, `:`, `=`, `#`) is
//! escaped in arguments of commands, unless it is already. The file is root's, mode `0440`, and takes
//! its place only after `visudo -c` has accepted it: a broken file would end all use of sudo.
//!
//! ```yaml
//! - name: Operators restart the agent
//!   os.sudoers:
//!     name: cm-agent
//!     group: operators
//!     commands:
//!       - /usr/bin/systemctl restart cloudera-scm-agent
//!       - /usr/bin/systemctl status cloudera-scm-agent
//! ```

use serde::Deserialize;

use super::shared::file::{self, ATTRIBUTES, PUT, REMOVE, Sight, Stat};
use super::shared::ownership::{Ownership, is_account};
use super::{Kind, Link, argument, folders_above, problem};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply};
use crate::model::{Attribute, Data, Delta, Live, Node, Place, Value, Want};

/// A file in `/etc/sudoers.d`.
pub struct OsSudoers;

/// A file in `/etc/sudoers.d`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The name of the file: no dot and no `~` in it, or sudo passes over it.
    name: String,
    /// The whole text, in the place of a rule.
    content: Option<Node>,
    /// Who may: a user.
    user: Option<String>,
    /// Who may: a group.
    group: Option<String>,
    /// What they may run: commands with whole paths, with or without arguments, or `ALL`.
    #[serde(default)]
    commands: Vec<String>,
    /// As whom: `user` or `user:group`; root where it is left out.
    runas: Option<String>,
    /// Without their password?
    #[serde(default = "yes")]
    nopassword: bool,
    /// Keep the commands from running others?
    #[serde(default)]
    noexec: bool,
    /// May they set the environment?
    #[serde(default)]
    setenv: bool,
    /// On which hosts the rule counts.
    #[serde(default = "everywhere")]
    host: String,
    /// Must `visudo` accept the file?
    #[serde(default)]
    validation: Validation,
    /// The folder of the file.
    #[serde(default = "folder")]
    sudoers_path: String,
    /// Should the file be there?
    #[serde(default)]
    state: State,
}

fn yes() -> bool {
    true
}

fn everywhere() -> String {
    "ALL".into()
}

fn folder() -> String {
    "/etc/sudoers.d".into()
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Validation {
    /// It must.
    #[default]
    Required,
    /// It must, where there is one.
    Detect,
    /// It is not asked.
    Absent,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Present,
    Absent,
}

impl Args {
    fn path(&self) -> String {
        format!("{}/{}", self.sudoers_path, self.name)
    }

    /// Returns the text of the file.
    fn text(&self) -> Argument {
        if let Some(text) = self.content.as_ref().and_then(argument) {
            return text;
        }
        let who = match (&self.user, &self.group) {
            (Some(user), _) => escape_name(user),
            (None, group) => format!("%{}", escape_name(group.as_deref().unwrap_or_default())),
        };
        let tags =
            [(self.noexec, "NOEXEC:"), (self.nopassword, "NOPASSWD:"), (self.setenv, "SETENV:")];
        let tags: String = tags.iter().filter(|(is_on, _)| *is_on).map(|(_, tag)| *tag).collect();
        let runas = self.runas.as_ref().map(|runas| format!("({runas})")).unwrap_or_default();
        let commands: Vec<String> = self.commands.iter().map(|c| escape_command(c)).collect();
        Argument::plain(format!("{who} {}={runas}{tags} {}\n", self.host, commands.join(", ")))
    }

    fn is_secret(&self) -> bool {
        matches!(&self.content, Some(Node { data: Data::Secret(_), .. }))
    }

    fn shown(&self, text: &str) -> Value {
        if self.is_secret() { Value::Sensitive } else { Value::text(text) }
    }

    fn validate(&self) -> Option<&'static str> {
        match self.validation {
            Validation::Required => Some("visudo -cf %s"),
            Validation::Detect => Some("! command -v visudo >/dev/null || visudo -cf %s"),
            Validation::Absent => None,
        }
    }
}

/// Blanks and backslashes (`DOMAIN\name`) in names are escaped.
fn escape_name(name: &str) -> String {
    name.replace('\\', "\\\\").replace(' ', "\\ ")
}

/// Escapes what has a meaning in sudoers, in the path and the arguments of a command. Words before the
/// path (a digest, a tag) are left as they are, and so is a regular expression (`^…$`).
fn escape_command(command: &str) -> String {
    let mut out = String::new();
    let (mut is_path_seen, mut is_escaped, mut is_pattern) = (false, false, false);
    let mut is_start = true;
    for c in command.trim().chars() {
        if is_start {
            is_path_seen |= c == '/';
            is_pattern |= c == '^';
        }
        let is_special = matches!(c, ',' | ':' | '=' | '#');
        if is_special && is_path_seen && !is_escaped && !is_pattern {
            out.push('\\');
        }
        out.push(c);
        is_escaped = c == '\\' && !is_escaped;
        is_start = matches!(c, ' ' | '\t') || is_start && c == '!';
    }
    out
}

/// The mode of every file of sudo.
fn mode() -> Node {
    Node::text(Place::nowhere(), "0440")
}

fn ownership(mode: &Node) -> Ownership<'_> {
    Ownership { mode: Some(mode), owner: Some("root"), group: Some("root") }
}

impl Kind for OsSudoers {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.sudoers", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_sudoers.rs");

    fn key(args: &Args) -> String {
        match args.sudoers_path == folder() {
            true => args.name.clone(),
            false => args.path(),
        }
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(file::path_problem("sudoers_path", &args.sudoers_path));
        let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
        if args.name.is_empty() || args.name.contains(['.', '~', '/']) {
            add("name", "not the name of a file sudo reads: no dot, no `~` and no `/` in it");
        } else if args.name.contains(char::is_control) || args.name.len() > 200 {
            add("name", "not the name of a file");
        }
        match (&args.content, args.state) {
            (_, State::Absent) => {}
            (Some(node), _) if argument(node).is_none() => add("content", "`content` must be text"),
            (Some(_), _) if args.user.is_some() || args.group.is_some() => {
                add("content", "`content` is the whole text: it excludes `user` and `group`");
            }
            (Some(_), _) if !args.commands.is_empty() => {
                add("content", "`content` is the whole text: it excludes `commands`");
            }
            (Some(_), _) => {}
            (None, _) => check_rule(args, &mut problems),
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let sight = if args.is_secret() { Sight::Digest } else { Sight::Content };
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
        let refused = stat.as_ref().filter(|stat| !stat.is_file());
        let refused = refused.map(|stat| format!("it is a {}, not a regular file", stat.sort));
        let mut delta = Delta { refused, ..Delta::default() };
        if args.state == State::Absent {
            let before = stat.as_ref().map(|stat| Live::Known(Value::text(&stat.sort)));
            let (before, after) = (before.unwrap_or(Live::Absent), Want::Absent(None));
            let (name, differs) = ("state".into(), stat.is_some());
            delta.attributes.push(Attribute { name, before, after, differs, note: None });
            return delta;
        }
        if delta.refused.is_some() {
            return delta;
        }
        delta.attributes.push(content(args, stat.as_ref(), &replies[0]));
        ownership(&mode()).compare(stat.as_ref(), &mut delta.attributes);
        delta
    }

    fn steps(args: &Args, delta: &Delta, _: &[Reply]) -> Vec<Action> {
        let mut words = vec![Argument::plain(args.path())];
        if args.state == State::Absent {
            return vec![Action::Host(&REMOVE, words)];
        }
        words.extend(ownership(&mode()).words());
        if !delta.differing().any(|attribute| attribute.name == "content") {
            return vec![Action::Host(&ATTRIBUTES, words)];
        }
        words.extend([Argument::plain("text"), args.text(), Argument::plain("")]);
        words.extend(args.validate().map(Argument::plain));
        vec![Action::Host(&PUT, words)]
    }

    fn needs(args: &Args) -> Vec<Link> {
        let mut links = folders_above(&args.path());
        links.push(Link::new("os.package", "sudo"));
        links.extend(args.user.iter().map(|user| Link::new("os.user", user)));
        links.extend(args.group.iter().map(|group| Link::new("os.group", group)));
        links
    }
}

fn check_rule(args: &Args, problems: &mut Vec<Problem>) {
    let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
    match (&args.user, &args.group) {
        (None, None) => add("name", "who may? add `user` or `group`, or the whole `content`"),
        (Some(_), Some(_)) => add("group", "`user` and `group` exclude each other"),
        _ => {}
    }
    for (name, who) in [("user", &args.user), ("group", &args.group)] {
        let Some(who) = who else { continue };
        let bare = who.strip_prefix(['%', '+', '#']).filter(|_| name == "user").unwrap_or(who);
        if !is_account(&bare.replace(' ', "_")) {
            add(name, "not the name of a user or group");
        }
    }
    if args.commands.is_empty() {
        add("name", "which `commands` may they run?");
    }
    let is_odd = |text: &str| text.trim().is_empty() || text.contains(char::is_control);
    for (i, command) in args.commands.iter().enumerate() {
        if is_odd(command) || command.trim_end().ends_with('\\') {
            let said = "a command is one line, with its whole path";
            problems.push(problem(&["commands", &i.to_string()], said, None));
        }
    }
    let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
    let is_special = |text: &str| is_odd(text) || text.contains(['(', ')', '=', '#', '"']);
    if args.runas.as_deref().is_some_and(is_special) {
        add("runas", "neither a user nor `user:group`");
    }
    if is_special(&args.host) || args.host.contains(' ') {
        add("host", "not the name of a host");
    }
}

fn content(args: &Args, stat: Option<&Stat>, reply: &Reply) -> Attribute {
    let wish = args.text();
    let want = args.shown(wish.reveal());
    if stat.is_none() {
        return Attribute::new("content", Live::Absent, want);
    }
    let digest = match reply.text("digest") {
        Ok(digest) => digest.unwrap_or_default(),
        Err(reason) => return Attribute::new("content", Live::Unknown(reason), want),
    };
    if *digest == *sha256(wish.reveal().as_bytes()) {
        return Attribute::new("content", Live::Known(want.clone()), want);
    }
    let before = match reply.text("content") {
        _ if args.is_secret() => Value::Sensitive,
        Ok(Some(text)) => Value::Text(text),
        _ => Value::text(format!("sha256 {digest}")),
    };
    Attribute { differs: true, ..Attribute::new("content", Live::Known(before), want) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sudoers_gives_a_meaning_is_escaped_once() {
        for (command, escaped) in [
            ("/bin/ls", "/bin/ls"),
            ("ALL", "ALL"),
            ("/bin/chown a:b /srv/x,y", "/bin/chown a\\:b /srv/x\\,y"),
            ("/bin/chown a\\:b /srv/x\\,y", "/bin/chown a\\:b /srv/x\\,y"),
            ("/bin/x --a=1 #2", "/bin/x --a\\=1 \\#2"),
            ("sha224:0Go== /bin/ls a=b", "sha224:0Go== /bin/ls a\\=b"),
            ("NOEXEC: /bin/vi", "NOEXEC: /bin/vi"),
            ("!/bin/su root:x", "!/bin/su root\\:x"),
            ("/bin/cat ^/var/log/[a:z],x$", "/bin/cat ^/var/log/[a:z],x$"),
            ("sudoedit /etc/a:b", "sudoedit /etc/a\\:b"),
        ] {
            assert_eq!(escape_command(command), escaped);
        }
        assert_eq!(escape_name("LAKE\\domain admins"), "LAKE\\\\domain\\ admins");
    }
}
