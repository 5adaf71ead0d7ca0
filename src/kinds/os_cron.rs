//! `os.cron`: an entry in a user's crontab or in a file of `/etc/cron.d`.
//!
//! Parameters follow Ansible's `cron`. An entry is found again by the line before it, `#drsync:
//! NAME`. One that Ansible made (`#Ansible: NAME`) is taken over where it is and keeps that line,
//! so that either tool may be used until the move is done. A line that is there already, word for
//! word but without a marker, gets one, rather than a twin that runs as well. With `env` the entry
//! is a variable, `NAME="JOB"`, and `name` is its name.
//!
//! A user's crontab is written by crontab(1), which checks it. cron skips a file in `/etc/cron.d`
//! with a dot in its name or that others than root may write: the first is refused, the second
//! mended. Note cron's own rules: with both `day` and `weekday` an entry runs when either fits, and
//! a `%` in `job` ends the command unless it is written `\%`.
//!
//! ```yaml
//! - name: Purge scratch folders every night
//!   os.cron:
//!     name: purge scratch
//!     minute: "30"
//!     hour: "2"
//!     job: /usr/local/bin/purge-scratch --days 7
//!     user: hdfs
//!   hosts: all
//! ```

use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use super::shared::edit::{self, Edit};
use super::shared::file::{REMOVE, Stat};
use super::shared::ownership::{self, Ownership};
use super::shared::state::State;
use super::{Claim, Kind, Link, argument, problem};
use crate::format::crontab::{self, FIELDS, Spot};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Data, Delta, Live, Node, Place, Secret, Value, Want};

/// An entry of cron.
pub struct OsCron;

/// An entry in a user's crontab or in a file of `/etc/cron.d`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What the entry is called; with `env`, the variable.
    name: String,
    /// The command; with `env`, the value.
    #[serde(alias = "value")]
    job: Option<Node>,
    /// Minutes: `0`-`59`, `*`, `*/5`, `0,30`, `1-9/2`.
    #[serde(default = "every")]
    minute: String,
    /// Hours: `0`-`23`.
    #[serde(default = "every")]
    hour: String,
    /// Days of the month: `1`-`31`.
    #[serde(default = "every", alias = "dom")]
    day: String,
    /// Months: `1`-`12` or `jan`-`dec`.
    #[serde(default = "every")]
    month: String,
    /// Days of the week: `0`-`7` (0 and 7 are Sunday) or `sun`-`sat`.
    #[serde(default = "every", alias = "dow")]
    weekday: String,
    /// A time by name, instead of the five fields.
    special_time: Option<Special>,
    /// Whose crontab, root's by default; with `cron_file`, as whom the job runs.
    user: Option<String>,
    /// A file in `/etc/cron.d`, by name or path, instead of a user's crontab.
    cron_file: Option<String>,
    /// Keep the entry as a comment?
    #[serde(default)]
    disabled: bool,
    /// Is it a variable?
    #[serde(default)]
    env: bool,
    /// With `env`: put a new variable after this one, instead of at the top.
    insertafter: Option<String>,
    /// With `env`: put a new variable before this one.
    insertbefore: Option<String>,
    /// Should the entry be there?
    #[serde(default)]
    state: State,
}

fn every() -> String {
    "*".into()
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Special {
    Reboot,
    Yearly,
    Annually,
    Monthly,
    Weekly,
    Daily,
    Hourly,
}

static FILE_MODE: LazyLock<Node> = LazyLock::new(|| Node::text(Place::nowhere(), "0644"));

/// `drsync_crontab USER`: `crontab` is the text, absent where the user has none; `lacking` says what
/// must be there before anybody has one.
static READ: Script = Script::each(
    "drsync_crontab",
    r#"
drsync_crontab() {
  if [ -n "$root" ]; then
    drsync_crontab_place "$1"
    if out=$(cat -- "$place" 2>&1 && echo .); then put crontab "${out%.}"; return; fi
    out=${out%.}
    case $out in
      *': No such file or directory') absent crontab ;;
      *) unknown crontab "$out" ;;
    esac
    return
  fi
  if ! command -v crontab >/dev/null; then put lacking 'cron is not installed'; absent crontab; return; fi
  if out=$(crontab -u "$1" -l 2>&1 && echo .); then put crontab "${out%.}"; return; fi
  case $out in
    *'no crontab for '*) absent crontab ;;
    *user*unknown*) put lacking "there is no user \`$1\`"; absent crontab ;;
    *) unknown crontab "${out:-crontab said nothing}" ;;
  esac
}
drsync_crontab_place() {
  place=$root/var/spool/cron
  if [ -d "$place/crontabs" ] || [ -e "$root/etc/debian_version" ]; then place=$place/crontabs; fi
  place=$place/$1
}
"#,
);

/// `drsync_crontab_write USER OLD TEXT`: installs a crontab, unless it changed since it was read.
static WRITE: Script = Script::each(
    "drsync_crontab_write",
    r##"
drsync_crontab_write() {
  if [ -n "$root" ]; then drsync_crontab_image "$1" "$2" "$3"; return; fi
  now=absent
  if out=$(crontab -u "$1" -l 2>&1 && echo .); then
    now=$(printf '%s' "${out%.}" | sha256sum)
  else case $out in *'no crontab for '*) ;; *) printf '%s' "$out"; return 1 ;; esac; fi
  if [ "${now%% *}" != "$2" ]; then echo "the crontab of $1 changed since it was read"; return 1; fi
  printf '%s' "$3" | crontab -u "$1" -
}
# The header is what crontab(1) would write; it leaves out as many lines when it lists.
drsync_crontab_image() {
  header=
  place=$root/var/spool/cron
  if [ -d "$place/crontabs" ] || [ -e "$root/etc/debian_version" ]; then
    place=$place/crontabs
    header="# DO NOT EDIT THIS FILE - edit the master and reinstall.$nl# (/tmp/crontab installed on -)$nl# (Cron version -)$nl"
  fi
  now=absent
  if [ -e "$place/$1" ]; then now=$(sha256sum < "$place/$1") || return; fi
  if [ "${now%% *}" != "$2" ]; then echo "the crontab of $1 changed since it was read"; return 1; fi
  mkdir -p -- "$place" || return
  new=$(mktemp "$place/.drsync.XXXXXX") || return
  owner=$(WHO=$1 awk -F: '$1 == ENVIRON["WHO"] { print $3 ":" $4; exit }' "$root/etc/passwd")
  [ -z "$header" ] || team=$(awk -F: '$1 == "crontab" { print $3; exit }' "$root/etc/group")
  printf '%s%s' "$header" "$3" > "$new" && chmod 0600 "$new" &&
    { [ -z "$owner" ] || chown "${owner%:*}:${team:-${owner#*:}}" "$new"; } &&
    mv -f -T -- "$new" "$place/$1" || { rm -f -- "$new"; return 1; }
}
"##,
);

/// The crontab as it is.
struct Present {
    text: Arc<str>,
    /// The digest of what is there, `absent` where nothing is.
    digest: String,
    stat: Option<Stat>,
}

impl Args {
    fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("root")
    }

    /// Returns the path of the file in `/etc/cron.d`, if it is not in a user's crontab.
    fn path(&self) -> Option<String> {
        self.cron_file.as_ref().map(|name| match name.starts_with('/') {
            true => name.clone(),
            false => format!("/etc/cron.d/{name}"),
        })
    }

    fn edit<'a>(&self, path: &'a str, mode: Option<&'a Node>) -> Edit<'a> {
        // cron skips files that others could write.
        let ownership = Ownership { mode, owner: Some("root"), group: None };
        Edit { path, create: self.state == State::Present, validate: None, ownership }
    }

    fn job(&self) -> String {
        let job = self.job.as_ref().and_then(argument);
        let job = job.map(|job| job.reveal().to_string()).unwrap_or_default();
        job.trim_matches(['\r', '\n']).to_string()
    }

    fn is_secret(&self) -> bool {
        matches!(&self.job, Some(Node { data: Data::Secret(_), .. }))
    }

    fn times(&self) -> [&str; 5] {
        [&self.minute, &self.hour, &self.day, &self.month, &self.weekday]
    }

    /// Returns the line as Ansible writes it.
    fn line(&self) -> String {
        if self.env {
            return format!("{}=\"{}\"", self.name, self.job());
        }
        let time = match self.special_time {
            Some(special) => format!("@{}", format!("{special:?}").to_lowercase()),
            None => self.times().join(" "),
        };
        let user = self.cron_file.as_ref().map(|_| format!("{} ", self.user()));
        let disabled = if self.disabled { "#" } else { "" };
        format!("{disabled}{time} {}{}", user.unwrap_or_default(), self.job())
    }

    fn shown(&self, text: &str) -> Value {
        if self.is_secret() { Value::Sensitive } else { Value::text(text) }
    }

    fn read(&self, reply: &Reply) -> Result<Present, Delta> {
        if let Some(path) = self.path() {
            let present = self.edit(&path, None).read(reply)?;
            return Ok(Present { text: present.text, digest: String::new(), stat: present.stat });
        }
        let unknown = |reason: String| Delta::unknown(reason);
        let text = reply.text("crontab").map_err(unknown)?;
        if let Some((_, said)) = reply.texts("lacking").next() {
            return Err(Delta::lacking(said));
        }
        let digest = text.as_ref().map_or_else(|| "absent".into(), |t| sha256(t.as_bytes()));
        let text = text.map(|text| Arc::from(crontab::without_header(&text)));
        Ok(Present { text: text.unwrap_or_else(|| Arc::from("")), digest, stat: None })
    }

    /// Returns how the entry is, and the text in which it is as wished.
    fn compare(&self, text: &str) -> Result<(Attribute, String), String> {
        let line = self.line();
        let wish = (self.state == State::Present).then_some(&*line);
        let (found, note, text) = if self.env {
            let found: Vec<String> =
                crontab::variable(text, &self.name).into_iter().map(String::from).collect();
            let spot = match (&self.insertafter, &self.insertbefore) {
                (Some(other), _) => Spot::After(other),
                (None, Some(other)) => Spot::Before(other),
                (None, None) => Spot::Top,
            };
            (found, None, crontab::put_variable(text, &self.name, wish, spot)?)
        } else {
            let found = crontab::put(text, &self.name, wish);
            let note = match (found.is_bare, found.is_ansibles) {
                (true, _) => Some("the line is there without its marker, which is added"),
                (_, true) => Some("under Ansible's marker, which stays"),
                _ => self.note(),
            };
            (found.entries, note, found.text)
        };
        let differs = match wish {
            Some(wish) => !matches!(&found[..], [one] if one == wish),
            None => !found.is_empty(),
        };
        let before = match &found[..] {
            [] => Live::Absent,
            [one] => Live::Known(self.shown(one)),
            more => Live::Known(Value::List(more.iter().map(|one| self.shown(one)).collect())),
        };
        let after = wish.map_or(Want::Absent(None), |wish| Want::Value(self.shown(wish)));
        let note = note.filter(|_| differs).map(String::from);
        Ok((Attribute { name: "entry".into(), before, after, differs, note }, text))
    }

    /// Returns what of cron's rules surprises in this entry.
    fn note(&self) -> Option<&'static str> {
        let job = self.job();
        let mut before = ' ';
        let is_cut = job.chars().any(|c| std::mem::replace(&mut before, c) != '\\' && c == '%');
        match () {
            () if is_cut => Some("a `%` without a backslash ends the command"),
            () if ![&self.day, &self.weekday].iter().any(|field| field.starts_with('*')) => {
                Some("it runs when either `day` or `weekday` fits")
            }
            () => None,
        }
    }
}

impl Kind for OsCron {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.cron", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_cron.rs");

    fn key(args: &Args) -> String {
        let path = args.path();
        let place = path.as_deref().unwrap_or(args.user());
        let sort = if args.env { "env " } else { "" };
        format!("{place}: {sort}{}", edit::key_part(&args.name))
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        check_place(args, &mut problems);
        check_time(args, &mut problems);
        let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
        let is_line = |text: &str| !text.contains(['\n', '\r']);
        if args.name.is_empty() || !is_line(&args.name) || args.name.len() > 512 {
            add("name", "a name is one line of at most 512 bytes");
        } else if args.env && !is_variable(&args.name) {
            add("name", "a variable's name has letters, digits and `_`");
        }
        if !args.env && (args.insertafter.is_some() || args.insertbefore.is_some()) {
            add("env", "`insertafter` and `insertbefore` are for variables");
        }
        if args.insertafter.is_some() && args.insertbefore.is_some() {
            add("insertbefore", "`insertafter` and `insertbefore` exclude each other");
        }
        if args.state == State::Absent {
            return problems;
        }
        let job = args.job();
        match &args.job {
            None => add("name", "what should run? `job` is needed"),
            Some(node) if argument(node).is_none() => add("job", "`job` must be text"),
            _ if !is_line(&job) => add("job", "a job is one line: put more into a script"),
            _ if job.trim().is_empty() && !args.env => add("job", "the job is empty"),
            // What is longer, cron cuts off or does not run.
            _ if args.line().len() > 998 => add("job", "cron takes lines of at most 998 bytes"),
            _ if args.env && job.contains('"') => add("job", "a value has no `\"` in it"),
            _ => {}
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![match args.path() {
            Some(path) => args.edit(&path, None).ask(),
            None => Question::Probe(&READ, vec![Argument::plain(args.user())]),
        }]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let present = match args.read(&replies[0]) {
            Ok(present) => present,
            Err(delta) if args.state == State::Absent && delta.is_curable => {
                Present { text: Arc::from(""), digest: String::new(), stat: None }
            }
            Err(delta) => return delta,
        };
        let mut attributes = match args.compare(&present.text) {
            Ok((entry, _)) => vec![entry],
            Err(said) => return Delta::lacking(said),
        };
        if let (Some(path), State::Present) = (args.path(), args.state) {
            let mode = mode(&present);
            let ownership = args.edit(&path, mode).ownership;
            ownership.compare(present.stat.as_ref(), &mut attributes);
        }
        Delta { attributes, ..Delta::default() }
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(present) = args.read(&replies[0]) else { return Vec::new() };
        let Ok((_, text)) = args.compare(&present.text) else { return Vec::new() };
        let Some(path) = args.path() else {
            let text = match args.is_secret() {
                true => Argument::Secret(Secret::derived(text)),
                false => Argument::plain(text),
            };
            let words = vec![Argument::plain(args.user()), Argument::plain(present.digest), text];
            return vec![Action::Host(&WRITE, words)];
        };
        if args.state == State::Absent && text.trim().is_empty() {
            return vec![Action::Host(&REMOVE, vec![Argument::plain(path)])];
        }
        let edit = args.edit(&path, mode(&present));
        let present = edit::Present { text: present.text, stat: present.stat };
        edit.write(&present, &text, args.is_secret())
    }

    fn needs(args: &Args) -> Vec<Link> {
        let mut links = vec![Link::new("os.user", args.user())];
        links.extend(["cron", "cronie"].map(|package| Link::new("os.package", package)));
        if let Some(path) = args.path() {
            links.extend(args.edit(&path, None).needs());
        }
        links
    }

    fn claims(args: &Args) -> Option<Claim> {
        args.path().map(|path| args.edit(&path, None).claim())
    }
}

/// Returns the mode to set: only where cron would skip the file.
fn mode(present: &Present) -> Option<&'static Node> {
    let mode = present.stat.as_ref().and_then(|stat| u32::from_str_radix(&stat.mode, 8).ok())?;
    (mode & 0o022 != 0).then_some(&*FILE_MODE)
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Finds what is wrong with user and file.
fn check_place(args: &Args, problems: &mut Vec<Problem>) {
    let user = args.user();
    if !ownership::is_account(user) || [".", ".."].contains(&user) {
        let shown: String = user.chars().take(60).collect();
        problems.push(problem(&["user"], format!("`{shown}` is not the name of a user"), None));
    }
    let Some(path) = args.path() else { return };
    let name = path.strip_prefix("/etc/cron.d/").unwrap_or_default();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if name.is_empty() || name.len() > 200 || !name.bytes().all(is_plain) {
        let shown: String = path.chars().take(60).collect();
        let said = format!("cron does not read `{shown}`");
        let hint = "a file in /etc/cron.d has letters, digits, `_` and `-` in its name";
        problems.push(problem(&["cron_file"], said, Some(hint)));
    }
    if args.user.is_none() && args.state == State::Present && !args.env {
        let hint = "lines in /etc/cron.d name the user: add `user`";
        problems.push(problem(&["cron_file"], "as whom should it run?", Some(hint)));
    }
}

/// Finds what is wrong with the time: for one bad line cron skips a whole file.
fn check_time(args: &Args, problems: &mut Vec<Problem>) {
    let names = ["minute", "hour", "day", "month", "weekday"];
    for ((name, text), field) in names.into_iter().zip(args.times()).zip(FIELDS) {
        if args.special_time.is_some() && text != "*" {
            let said = format!("`special_time` and `{name}` exclude each other");
            problems.push(problem(&[name], said, None));
        } else if let Some(said) = field.problem(text) {
            problems.push(problem(&[name], said, None));
        }
    }
}
