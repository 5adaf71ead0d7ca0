//! `os.command`: a command that brings something about, and the way to see whether it must run.
//!
//! There is always a side that looks, which must change nothing: `read` is a command whose output is
//! the live value, and `expect` the output wished (blanks around it do not count; a list is compared
//! line by line); or the file `creates` is missing; or the file `removes` is there; or the command
//! `unless` fails. `onlyif` is a command that must succeed, alone or beside one of these. Where several
//! are given, `run` runs when all of them ask for it. After `run` the same looks tell whether it did
//! what it should. A command that cannot be run at all, or takes too long, says nothing: unknown.
//!
//! Commands are shell text (`sh`). Values belong into `args` (`"$1"`, `"$2"`, …) and `env`, not into the
//! text, where they could become code; secrets into `env` and `stdin`, which other users cannot see.
//! What is wished is in `$expect`, `$creates` and `$removes`.
//! `$root` goes before every path (empty but for images and sandboxes; text that does not mention it is
//! not run there). Ansible's `command` and `shell` run always unless told otherwise; this never does.
//!
//! ```yaml
//! - name: Longest name of a file share
//!   os.command:
//!     name: share limit
//!     read: cat "$root/etc/share.limit"
//!     expect: 255
//!     run: printf '%s\n' "$expect" > "$root/etc/share.limit"
//! - name: What was there before the first run
//!   os.command:
//!     name: list of the first state
//!     creates: /var/backups/first.list
//!     run: ls -lA "$root/etc" > "$root$creates"
//! ```

use indexmap::IndexMap;
use serde::Deserialize;

use super::shared::file::{self, Sight, Stat};
use super::shared::{edit, shell};
use super::{Kind, Link, argument, folders_above, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::quote::is_word;
use crate::model::{Attribute, Data, Delta, Live, Node, Value};

/// A command.
pub struct OsCommand;

/// A command that brings something about, and the way to see whether it must run.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What tells it from other commands on the same host.
    name: String,
    /// The command that brings about what is wished.
    run: String,
    /// A command that prints the live value, and changes nothing.
    read: Option<String>,
    /// What `read` should print.
    expect: Option<Node>,
    /// A file that `run` makes: it runs where there is none.
    creates: Option<String>,
    /// A file that `run` removes: it runs where there is one.
    removes: Option<String>,
    /// A command that fails as long as `run` must run, and changes nothing.
    unless: Option<String>,
    /// A command that must succeed for `run` to run, and changes nothing.
    onlyif: Option<String>,
    /// The folder that all commands start in.
    chdir: Option<String>,
    /// Values for all commands: `"$1"`, `"$2"`, …
    #[serde(default)]
    args: Vec<Node>,
    /// Environment variables for all commands.
    #[serde(default)]
    env: IndexMap<String, Node>,
    /// What `run` gets as its standard input.
    stdin: Option<Node>,
    /// The longest time for each of the commands, in seconds; 0 for no limit of its own.
    #[serde(default = "minute")]
    timeout: u32,
}

fn minute() -> u32 {
    60
}

/// No single word handed to a program may be longer.
const LONGEST: usize = 100_000;

/// `drsync_command_run TIMEOUT FOLDER STDIN CODE COUNT (NAME VALUE)… ARGUMENT…` runs a command;
/// `drsync_command` does so to look, and reports its `output`, its `status` and what it `said`.
///
/// Status 126 stands for a command that could not be run.
const TEXT: &str = r#"
drsync_command() {
  { said=$(drsync_command_look "$@" 2>&1); rc=$?; } 9>&1
  put status "$rc"
  [ "${#said}" -le 2000 ] || said=$(printf '%.2000s…' "$said")
  unknown said "$said"
}
drsync_command_look() {
  out=$(drsync_command_run "$@")
  rc=$?
  put output "$out" >&9
  return $rc
}
drsync_command_run() {
  drsync_time=$1 drsync_folder=$root$2 drsync_stdin=$3 drsync_code=$4 drsync_count=$5
  case $root$4 in
    "$4"|*'$root'*|*'${root'*) ;;
    *) echo 'it does not mention $root, so it is not run in an image' >&2; return 126 ;;
  esac
  shift 5
  cd "$drsync_folder/" || return 126
  while [ "$drsync_count" -gt 0 ]; do
    export "$1=$2"
    shift 2
    drsync_count=$((drsync_count - 1))
  done
  export root
  set -- sh -c "$drsync_code" sh "$@"
  [ "$drsync_time" = 0 ] || set -- timeout -k 5 "$drsync_time" "$@"
  if [ -z "$drsync_stdin" ]; then "$@" </dev/null
  else printf '%s' "$drsync_stdin" | "$@"; fi
  drsync_status=$?
  [ "$drsync_status" != 124 ] || echo "it took longer than $drsync_time s" >&2
  return "$drsync_status"
}
"#;

static LOOK: Script = Script::each("drsync_command", TEXT);
static RUN: Script = Script::each("drsync_command_run", TEXT);

impl Args {
    /// Returns the parameters of [`RUN`] for one of the commands.
    fn words(&self, code: &str, stdin: Option<Argument>) -> Vec<Argument> {
        let nothing = || Argument::plain("");
        let mut words = vec![
            Argument::plain(self.timeout.to_string()),
            Argument::plain(self.chdir.as_deref().unwrap_or_default()),
            stdin.unwrap_or_else(nothing),
            Argument::plain(code),
        ];
        let wishes = self.files().map(|(name, path)| (name, Argument::plain(path)));
        let wish = self.expect.iter().map(|wish| ("expect", shell::variable(wish)));
        let env = self.env.iter().map(|(name, value)| (&**name, shell::variable(value)));
        let pairs: Vec<_> = wishes.chain(wish).chain(env).collect();
        words.push(Argument::plain(pairs.len().to_string()));
        for (name, value) in pairs {
            words.extend([Argument::plain(name), value]);
        }
        words.extend(self.args.iter().map(shell::variable));
        words
    }

    /// Returns the commands that look, by the names of their arguments.
    fn looks(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let looks = [("onlyif", &self.onlyif), ("unless", &self.unless), ("read", &self.read)];
        looks.into_iter().filter_map(|(name, code)| Some((name, code.as_deref()?)))
    }

    /// Returns the files looked for, by the names of their arguments.
    fn files(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let files = [("creates", &self.creates), ("removes", &self.removes)];
        files.into_iter().filter_map(|(name, path)| Some((name, path.as_deref()?)))
    }
}

impl Kind for OsCommand {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.command", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_command.rs");

    fn key(args: &Args) -> String {
        edit::key_part(&args.name)
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        let commands = args.looks().chain([("run", &*args.run)]);
        problems.extend(commands.filter_map(|(name, code)| shell::code_problem(name, code)));
        check_looks(args, &mut problems);
        check_values(args, &mut problems);
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let looks = args.looks().map(|(_, code)| Question::Probe(&LOOK, args.words(code, None)));
        let files = args.files().map(|(_, path)| file::ask(path, "", Sight::Attributes));
        looks.chain(files).collect()
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let (looks, files) = replies.split_at(args.looks().count().min(replies.len()));
        let looks = args.looks().zip(looks).map(|((name, _), reply)| look(args, name, reply));
        let files =
            args.files().zip(files).map(|((name, path), reply)| presence(name, path, reply));
        let mut attributes: Vec<Attribute> = looks.chain(files).collect();
        let is_met = |a: &Attribute| !a.differs && a.unknown().is_none();
        if attributes.iter().any(is_met) {
            // One look that sees no need is enough; what the others see, or fail to, does not matter.
            attributes.retain(is_met);
        } else if attributes.len() > 1 {
            // A gate: `run` is not expected to close it.
            attributes.retain(|a| a.name != "onlyif" || a.unknown().is_some());
        }
        if let Some(first) = attributes.first_mut().filter(|a| a.differs) {
            let mut lines = args.run.trim().lines();
            let (line, more) = (lines.next().unwrap_or_default(), lines.next().is_some());
            first.note = Some(format!("runs: {line}{}", if more { " …" } else { "" }));
        }
        Delta { attributes, ..Delta::default() }
    }

    fn steps(args: &Args, _: &Delta, _: &[Reply]) -> Vec<Action> {
        vec![Action::Host(&RUN, args.words(&args.run, args.stdin.as_ref().and_then(argument)))]
    }

    fn needs(args: &Args) -> Vec<Link> {
        let folder = args.chdir.iter().map(|path| Link::new("os.directory", path));
        let above = args.files().flat_map(|(_, path)| folders_above(path));
        folder.chain(above).collect()
    }
}

fn check_looks(args: &Args, problems: &mut Vec<Problem>) {
    let mut add = |name: &str, said: &str, hint: Option<&str>| {
        problems.push(problem(&[name], said, hint));
    };
    if args.name.trim().is_empty() {
        add("name", "it needs a name to be told from others", None);
    }
    if args.looks().next().is_none() && args.files().next().is_none() {
        let hint = "add `read` and `expect`, `creates`, `removes`, `unless` or `onlyif`";
        add("run", "nothing tells whether it must run", Some(hint));
    }
    match (&args.read, &args.expect) {
        (Some(_), None) => add("read", "`read` needs `expect`: what should it print?", None),
        (None, Some(_)) => add("expect", "`expect` needs `read`: a command that prints it", None),
        (Some(_), Some(wish)) if !shell::is_wish(wish) => {
            add("expect", "`expect` must be one value or a list of such", None);
        }
        _ => {}
    }
    let hint = Some("`unless: test -e …` can look for any of several files");
    for (name, path) in args.files() {
        if path.contains(['*', '?', '[']) {
            add(name, "a pattern is no path", hint);
        }
    }
    let paths = args.files().chain(args.chdir.as_deref().map(|path| ("chdir", path)));
    problems.extend(paths.filter_map(|(name, path)| file::path_problem(name, path)));
}

fn check_values(args: &Args, problems: &mut Vec<Problem>) {
    let hint = "put long values into a file (os.file), or into `stdin`";
    let is_long = |node: &Node| shell::variable(node).reveal().len() > LONGEST;
    for (i, node) in args.args.iter().enumerate() {
        let at = i.to_string();
        if shell::holds_secret(node) {
            let hint = "give it by `env` or `stdin`";
            let said = "every user of the host could see a secret in `args`";
            problems.push(problem(&["args", &at], said, Some(hint)));
        }
        if is_long(node) {
            let said = format!("a value is longer than {LONGEST} bytes");
            problems.push(problem(&["args", &at], said, Some(hint)));
        }
    }
    for (name, node) in &args.env {
        // Shells do not let these be set, or ours would go wrong.
        let taken = ["_", "root", "IFS", "UID", "EUID", "PPID", "BASHOPTS", "SHELLOPTS"];
        let taken = taken.into_iter().chain(["expect", "creates", "removes"]);
        if !is_word(name)
            || taken.into_iter().any(|taken| taken == name)
            || name.starts_with("drsync_")
        {
            let said = format!("`{name}` cannot be the name of an environment variable");
            problems.push(problem(&["env", name], said, None));
        }
        if is_long(node) {
            let said = format!("a value is longer than {LONGEST} bytes");
            problems.push(problem(&["env", name], said, Some(hint)));
        }
    }
    if args.expect.as_ref().is_some_and(is_long) {
        let said = format!("a value is longer than {LONGEST} bytes");
        problems.push(problem(&["expect"], said, None));
    }
    if args.stdin.as_ref().is_some_and(|node| argument(node).is_none()) {
        problems.push(problem(&["stdin"], "`stdin` must be text", None));
    }
}

/// Returns how a command that looks ended, and what it printed.
///
/// Errors: it could not be run, or not to its end.
fn ended(args: &Args, reply: &Reply) -> Result<(u32, String), String> {
    let status = reply.text("status")?.unwrap_or_default();
    let status: u32 = status.parse().map_err(|_| format!("the status is `{status}`"))?;
    let why = match status {
        124 if args.timeout > 0 => return Err(format!("it took longer than {} s", args.timeout)),
        126 | 127 => "it could not be run".to_string(),
        129.. => format!("it was ended by signal {}", status - 128),
        _ => return Ok((status, reply.text("output")?.unwrap_or_default().to_string())),
    };
    Err(with_words(why, reply))
}

fn with_words(why: String, reply: &Reply) -> String {
    match reply.field("said") {
        Live::Unknown(said) if !said.is_empty() => format!("{why}: {said}"),
        _ => why,
    }
}

/// Returns what the command `name` tells.
fn look(args: &Args, name: &'static str, reply: &Reply) -> Attribute {
    let end = ended(args, reply);
    if let ("read", Some(wish)) = (name, &args.expect) {
        let live = match end {
            Ok((0, output)) => Live::Known(Value::text(output.trim())),
            Ok((status, _)) => {
                Live::Unknown(with_words(format!("it ended with status {status}"), reply))
            }
            Err(reason) => Live::Unknown(reason),
        };
        return shell::compare("value", &trimmed(wish), live);
    }
    let word = |succeeds: bool| if succeeds { "succeeds" } else { "fails" };
    let wish = name == "unless";
    let live = match end {
        Ok((status, _)) => Live::Known(Value::text(word(status == 0))),
        Err(reason) => Live::Unknown(reason),
    };
    Attribute::new(name, live, Value::text(word(wish)))
}

/// Blanks around what is expected do not count.
fn trimmed(wish: &Node) -> Node {
    match &wish.data {
        Data::Text(text) | Data::Literal(text) => Node::text(wish.place.clone(), text.trim()),
        _ => wish.clone(),
    }
}

/// Returns what a file's being there, or not, tells.
fn presence(name: &'static str, path: &str, reply: &Reply) -> Attribute {
    let live = match Stat::read(reply) {
        Ok(Some(_)) => Live::Known(Value::text(path)),
        Ok(None) => Live::Absent,
        Err(reason) => Live::Unknown(reason),
    };
    if name == "creates" {
        return Attribute::new(name, live, Value::text(path));
    }
    Attribute::gone(name, live)
}
