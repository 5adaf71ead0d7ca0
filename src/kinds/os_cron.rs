//! `os.cron`: an entry of a user's crontab, or of a file in `/etc/cron.d`.
//!
//! Parameters follow Ansible's `cron`. An entry is found by the line `#Ansible: NAME` (or `#drsync:
//! NAME`) before it; drsync writes Ansible's, so that both agree on whose entry it is. A line that is
//! as wished but unmarked is taken over. With `env: true`, `name` is a variable and `job` its value, for
//! all entries of the crontab. Everything else in the crontab stays as it is. A user's crontab is
//! written by `crontab`, so that cron learns of it; under a `root` the file is. A `%` in `job` means
//! a line end to cron, unless it is written `\%`.
//!
//! ```yaml
//! - name: Old logs go every night
//!   os.cron:
//!     name: old logs
//!     user: hdfs
//!     hour: 2
//!     minute: 30
//!     job: find /var/log/hadoop -name '*.gz' -mtime +30 -delete
//! - name: Kerberos tickets at boot
//!   os.cron: { name: tickets, special_time: reboot, job: /opt/bin/kinit-all, cron_file: tickets }
//! ```

use serde::Deserialize;

use super::shared::edit::{self, Edit, Present, bare};
use super::shared::file::{self, Sight, Stat};
use super::shared::{account, ownership};
use super::{Kind, Link, argument, problem};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Data, Delta, Live, Node, Secret, Value, Want};

/// An entry of a crontab.
pub struct OsCron;

/// An entry of a user's crontab, or of a file in `/etc/cron.d`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What the entry is called; with `env`, the name of the variable.
    name: String,
    /// The command; with `env`, the value.
    job: Option<Node>,
    /// When: minute (0-59).
    minute: Option<String>,
    /// When: hour (0-23).
    hour: Option<String>,
    /// When: day of the month (1-31).
    day: Option<String>,
    /// When: month (1-12 or jan-dec).
    month: Option<String>,
    /// When: day of the week (0-7 or sun-sat).
    weekday: Option<String>,
    /// When, in a word, in the place of the five fields.
    special_time: Option<Special>,
    /// Whose crontab, or who runs the entry of a `cron_file`.
    #[serde(default = "root")]
    user: String,
    /// A file in `/etc/cron.d`, by name or path, or `/etc/crontab`.
    cron_file: Option<String>,
    /// Keep the entry, but as a comment?
    #[serde(default)]
    disabled: bool,
    /// Is it an environment variable?
    #[serde(default)]
    env: bool,
    /// Should it be there?
    #[serde(default)]
    state: State,
}

fn root() -> String {
    "root".into()
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Present,
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Special {
    Annually,
    Daily,
    Hourly,
    Monthly,
    Reboot,
    Weekly,
    Yearly,
}

/// Where users' crontabs are: Debian's folder, which other systems do not have, and theirs.
const DEBIAN: &str = "/var/spool/cron/crontabs";
const OTHERS: &str = "/var/spool/cron";

/// `drsync_crontab USER PATH OLD TEXT`: replaces a user's crontab, unless its file is no longer the
/// one with the digest `OLD`.
static CRONTAB: Script = Script::each(
    "drsync_crontab",
    r#"
drsync_crontab() {
  path=$root$2
  if [ -e "$path" ] || [ -L "$path" ]; then
    now=$(sha256sum < "$path") || return
    now=${now%% *}
  else now=absent; fi
  if [ "$now" != "$3" ]; then echo "the crontab of $1 changed since it was read"; return 1; fi
  if [ -z "$root" ]; then
    if ! command -v crontab >/dev/null 2>&1; then echo 'crontab is not there: install cron'; return 1; fi
    printf '%s' "$4" | crontab -u "$1" -
    return
  fi
  ids=$(user=$1 awk -F: '$1 == ENVIRON["user"] { print $3 ":" $4; exit }' "$root/etc/passwd") || return
  if [ -z "$ids" ]; then echo "there is no user $1 in the image"; return 1; fi
  rm -f -- "${path%/*}/.${path##*/}.drsync."??????
  new=$(mktemp "${path%/*}/.${path##*/}.drsync.XXXXXX") || return
  printf '%s' "$4" > "$new" && chown "$ids" "$new" && chmod 0600 "$new" && mv -f -T -- "$new" "$path" ||
    { rm -f -- "$new"; return 1; }
}
"#,
);

impl Args {
    /// Returns the path of the `cron_file`.
    fn file(&self) -> Option<String> {
        let name = self.cron_file.as_ref()?;
        Some(match name.starts_with('/') {
            true => name.clone(),
            false => format!("/etc/cron.d/{name}"),
        })
    }

    fn job(&self) -> String {
        let job = self.job.as_ref().and_then(argument);
        job.map(|job| job.reveal().trim_end_matches(['\r', '\n']).to_string()).unwrap_or_default()
    }

    fn is_secret(&self) -> bool {
        matches!(&self.job, Some(Node { data: Data::Secret(_), .. }))
    }

    /// Returns the five fields by name.
    fn fields(&self) -> [(&'static str, &Option<String>); 5] {
        [
            ("minute", &self.minute),
            ("hour", &self.hour),
            ("day", &self.day),
            ("month", &self.month),
            ("weekday", &self.weekday),
        ]
    }

    /// Returns the line as it should be.
    fn line(&self) -> String {
        if self.env {
            return format!("{}=\"{}\"", self.name, self.job());
        }
        let time = match self.special_time {
            Some(special) => format!("@{}", format!("{special:?}").to_lowercase()),
            None => self.fields().map(|(_, field)| field.as_deref().unwrap_or("*")).join(" "),
        };
        let hash = if self.disabled { "#" } else { "" };
        match self.cron_file {
            Some(_) => format!("{hash}{time} {} {}", self.user, self.job()),
            None => format!("{hash}{time} {}", self.job()),
        }
    }

    /// Returns a line as it may be shown.
    fn shown(&self, line: &str) -> Value {
        if self.is_secret() { Value::Sensitive } else { Value::text(line) }
    }
}

impl Kind for OsCron {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.cron", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_cron.rs");

    fn key(args: &Args) -> String {
        let whose = args.file().unwrap_or_else(|| args.user.clone());
        let sort = if args.env { "$" } else { "" };
        format!("{whose}: {sort}{}", edit::key_part(&args.name))
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(account::name_problem("user", &args.user));
        check_file(args, &mut problems);
        check_time(args, &mut problems);
        let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
        if args.name.trim().is_empty() || args.name.contains(char::is_control) {
            add("name", "a name is one line of text");
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if args.env && (!args.name.chars().all(is_part) || args.name.starts_with(char::is_numeric))
        {
            add("name", "not the name of an environment variable");
        }
        match &args.job {
            None if args.state == State::Present => add("name", "`job` is needed"),
            Some(node) if argument(node).is_none() => add("job", "`job` must be text"),
            Some(_) if args.job().contains(['\n', '\r']) => {
                add("job", "an entry is one line: put longer work into a script (os.file)");
            }
            Some(_) if args.job().trim().is_empty() && !args.env => add("job", "`job` is empty"),
            Some(_) if args.env && args.job().contains('"') => {
                add("job", "a value in a crontab cannot hold a double quote");
            }
            _ => {}
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        match args.file() {
            Some(path) => vec![file::ask(&path, "", Sight::Edit)],
            None => vec![
                file::ask(DEBIAN, "", Sight::Attributes),
                file::ask(&format!("{DEBIAN}/{}", args.user), "", Sight::Edit),
                file::ask(&format!("{OTHERS}/{}", args.user), "", Sight::Edit),
            ],
        }
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let table = match Table::read(args, replies) {
            Ok(table) => table,
            Err(delta) => return delta,
        };
        let lines = edit::lines(table.text());
        let found: Vec<&str> = match args.env {
            true => lines.iter().filter(|line| sets(args, line)).map(|line| bare(line)).collect(),
            false => {
                let marks = (0..lines.len()).filter(|at| is_mark(args, lines[*at]));
                marks.filter_map(|at| Some(bare(entry_after(&lines, at)?))).collect()
            }
        };
        let before = match &found[..] {
            [] => Live::Absent,
            [one] => Live::Known(args.shown(one)),
            several => Live::Known(Value::List(several.iter().map(|l| args.shown(l)).collect())),
        };
        let differs = changed(args, table.text()) != table.text();
        let entry = match args.state {
            State::Absent => {
                let after = Want::Absent(None);
                Attribute { name: "entry".into(), before, after, differs, note: None }
            }
            State::Present => {
                let wish = args.line();
                let is_unmarked = found.is_empty() && lines.iter().any(|line| bare(line) == wish);
                let note = is_unmarked.then(|| "it is there, unmarked".to_string());
                let entry = Attribute::new("entry", before, args.shown(&wish)).noted(note);
                Attribute { differs, ..entry }
            }
        };
        Delta { attributes: vec![entry], ..Delta::default() }
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(table) = Table::read(args, replies) else { return Vec::new() };
        let mut text = changed(args, table.text());
        if !text.is_empty() && !text.ends_with('\n') {
            // cron passes over a last line without an end, and `crontab` refuses it.
            text.push('\n');
        }
        let Some(spool) = &table.spool else {
            let path = args.file().unwrap_or_default();
            let edit = Edit { create: true, ..Edit::of(&path) };
            return edit.write(&table.present, &text, args.is_secret());
        };
        let old = match table.present.stat {
            Some(_) => sha256(table.present.text.as_bytes()),
            None => "absent".into(),
        };
        let text = match args.is_secret() {
            true => Argument::Secret(Secret::derived(text)),
            false => Argument::plain(text),
        };
        let path = format!("{spool}/{}", args.user);
        let words = [&args.user, &path, &old].map(Argument::plain);
        vec![Action::Host(&CRONTAB, words.into_iter().chain([text]).collect())]
    }

    fn needs(args: &Args) -> Vec<Link> {
        let mut links = vec![Link::new("os.user", &args.user)];
        links.extend(["cron", "cronie"].map(|name| Link::new("os.package", name)));
        links.extend(args.file().iter().flat_map(|path| Edit::of(path).needs()));
        links
    }
}

fn check_file(args: &Args, problems: &mut Vec<Problem>) {
    let Some(path) = args.file() else { return };
    let mut add = |said: &str, hint| problems.push(problem(&["cron_file"], said, Some(hint)));
    let name = path.strip_prefix("/etc/cron.d/");
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match name {
        None if path == "/etc/crontab" => {}
        None => add("cron does not read this file", "name a file in /etc/cron.d"),
        Some(name) if name.is_empty() || !name.chars().all(is_part) => {
            let hint = "letters, digits, `_` and `-`: cron passes over other names, dots above all";
            add("not the name of a file cron reads", hint);
        }
        Some(_) => {}
    }
}

fn check_time(args: &Args, problems: &mut Vec<Problem>) {
    for ((name, field), (low, high, words)) in args.fields().into_iter().zip(RANGES) {
        let Some(field) = field else { continue };
        if args.special_time.is_some() || args.env {
            let said = format!("`{name}` means nothing here");
            problems.push(problem(&[name], said, None));
        } else if !is_time(field, low, high, words) {
            let said = format!("`{field}` is not a time for `{name}`");
            let hint = format!("{low} to {high}, `*`, lists with commas, ranges and steps");
            problems.push(problem(&[name], said, Some(&hint)));
        }
    }
}

/// What the five fields may hold.
const RANGES: [(u32, u32, &[&str]); 5] = [
    (0, 59, &[]),
    (0, 23, &[]),
    (1, 31, &[]),
    (1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    (0, 7, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// True when `field` is a time as crontab(5) has it.
fn is_time(field: &str, low: u32, high: u32, words: &[&str]) -> bool {
    let is_number = |text: &str| {
        let plain = ownership::is_number(text) && text.len() <= 4;
        plain && text.parse().is_ok_and(|number: u32| (low..=high).contains(&number))
    };
    let is_word = |text: &str| words.contains(&&*text.to_lowercase());
    let is_point = |text: &str| is_number(text) || is_word(text);
    let is_step = |text: &str| text.parse().is_ok_and(|step: u32| step > 0);
    field.split(',').all(|part| {
        let (base, step) = part.split_once('/').map_or((part, None), |(b, s)| (b, Some(s)));
        let is_base = match base.split_once(['-', '~']) {
            Some((from, to)) => is_point(from) && is_point(to),
            None => base == "*" || is_point(base),
        };
        is_base && step.is_none_or(is_step)
    })
}

/// A crontab.
struct Table {
    present: Present,
    /// Where the crontab of a user lives; `None` for a file of cron's own.
    spool: Option<&'static str>,
}

impl Table {
    /// Errors: the delta that says why it cannot be told.
    fn read(args: &Args, replies: &[Reply]) -> Result<Table, Delta> {
        if let Some(path) = args.file() {
            let edit = Edit { create: true, ..Edit::of(&path) };
            return Ok(Table { present: edit.read(&replies[0])?, spool: None });
        }
        let is_debian = Stat::read(&replies[0]).map_err(Delta::unknown)?.is_some();
        let (spool, reply) = if is_debian { (DEBIAN, &replies[1]) } else { (OTHERS, &replies[2]) };
        let path = format!("{spool}/{}", args.user);
        let edit = Edit { create: true, ..Edit::of(&path) };
        Ok(Table { present: edit.read(reply)?, spool: Some(spool) })
    }

    /// Returns the text without the lines that `crontab` puts before it.
    fn text(&self) -> &str {
        let text = &*self.present.text;
        let ends: Vec<usize> = text.match_indices('\n').take(3).map(|(at, _)| at + 1).collect();
        match ends[..] {
            [first, second, third]
                if self.spool.is_some()
                    && text.starts_with("# DO NOT EDIT THIS FILE")
                    && text[first..second].starts_with("# (")
                    && text[second..third].starts_with("# (") =>
            {
                &text[third..]
            }
            _ => text,
        }
    }
}

/// True for the line that marks the entry.
fn is_mark(args: &Args, line: &str) -> bool {
    let line = bare(line);
    let name = line.strip_prefix("#Ansible: ").or_else(|| line.strip_prefix("#drsync: "));
    name == Some(&*args.name)
}

/// Returns the entry that belongs to the mark at `at`.
fn entry_after<'a>(lines: &[&'a str], at: usize) -> Option<&'a str> {
    let is_other = |line: &&str| line.starts_with("#Ansible: ") || line.starts_with("#drsync: ");
    lines.get(at + 1).copied().filter(|line| !is_other(line) && !bare(line).trim().is_empty())
}

/// True for a line that sets the variable.
fn sets(args: &Args, line: &str) -> bool {
    let value = line.trim_start().strip_prefix(&*args.name);
    value.is_some_and(|rest| rest.trim_start().starts_with('='))
}

/// Returns the crontab as it should be.
fn changed(args: &Args, text: &str) -> String {
    let lines = edit::lines(text);
    let wish = (args.state == State::Present).then(|| args.line());
    if args.env {
        return with_variable(args, &lines, wish.as_deref());
    }
    let mut out = String::new();
    let (mut at, mut is_done) = (0, wish.is_none());
    while at < lines.len() {
        if is_mark(args, lines[at]) {
            if !is_done {
                out.push_str(lines[at]);
                edit::append(&mut out, wish.as_deref().unwrap_or_default());
            }
            is_done = true;
            at += 1 + usize::from(entry_after(&lines, at).is_some());
        } else {
            out.push_str(lines[at]);
            at += 1;
        }
    }
    match wish {
        Some(wish) if !is_done => marked(args, &lines, &wish),
        _ => out,
    }
}

/// Adds the entry, or its mark where the line is there without one.
fn marked(args: &Args, lines: &[&str], wish: &str) -> String {
    let is_marked = |at: usize| {
        at > 0
            && (lines[at - 1].starts_with("#Ansible: ") || lines[at - 1].starts_with("#drsync: "))
    };
    let same = (0..lines.len()).find(|at| bare(lines[*at]) == wish && !is_marked(*at));
    let at = same.unwrap_or(lines.len());
    let mut out = lines[..at].concat();
    edit::append(&mut out, &format!("#Ansible: {}", args.name));
    match same {
        Some(at) => {
            edit::append(&mut out, wish);
            out.push_str(&lines[at + 1..].concat());
        }
        None => edit::append(&mut out, wish),
    }
    out
}

fn with_variable(args: &Args, lines: &[&str], wish: Option<&str>) -> String {
    let mut wish = wish;
    let mut out = String::new();
    if !lines.iter().any(|line| sets(args, line))
        && let Some(wish) = wish.take()
    {
        // It rules what follows only.
        edit::append(&mut out, wish);
    }
    for line in lines {
        match sets(args, line) {
            false => out.push_str(line),
            true => wish.take().into_iter().for_each(|wish| edit::append(&mut out, wish)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    fn args(change: impl Fn(&mut Args)) -> Args {
        let mut args = Args {
            name: "logs".into(),
            job: Some(Node::text(Place::nowhere(), "rm x")),
            minute: Some("5".into()),
            hour: None,
            day: None,
            month: None,
            weekday: None,
            special_time: None,
            user: "root".into(),
            cron_file: None,
            disabled: false,
            env: false,
            state: State::Present,
        };
        change(&mut args);
        args
    }

    #[test]
    fn entries_are_found_by_their_mark() {
        let one = args(|_| ());
        assert_eq!(changed(&one, ""), "#Ansible: logs\n5 * * * * rm x\n");
        let own = "# mine\n#drsync: logs\n@daily old\n1 * * * * other";
        assert_eq!(changed(&one, own), "# mine\n#drsync: logs\n5 * * * * rm x\n1 * * * * other");
        let twice = "#Ansible: logs\na\n#Ansible: logs\nb\n#Ansible: x\nc\n";
        assert_eq!(changed(&one, twice), "#Ansible: logs\n5 * * * * rm x\n#Ansible: x\nc\n");
        let lost = "#Ansible: logs\n#Ansible: x\nc\n";
        assert_eq!(changed(&one, lost), "#Ansible: logs\n5 * * * * rm x\n#Ansible: x\nc\n");
        let bare = "a\n5 * * * * rm x\nb\n";
        assert_eq!(changed(&one, bare), "a\n#Ansible: logs\n5 * * * * rm x\nb\n");
        let gone = args(|a| a.state = State::Absent);
        assert_eq!(changed(&gone, own), "# mine\n1 * * * * other");
        for text in [own, twice, lost, bare, ""] {
            let once = changed(&one, text);
            assert_eq!(changed(&one, &once), once, "{text}");
        }
    }

    #[test]
    fn lines_are_written_as_ansible_writes_them() {
        let special = |a: &mut Args| (a.special_time, a.minute) = (Some(Special::Reboot), None);
        assert_eq!(args(special).line(), "@reboot rm x");
        let system = |a: &mut Args| (a.cron_file, a.disabled) = (Some("x".into()), true);
        assert_eq!(args(system).line(), "#5 * * * * root rm x");
        let env = args(|a| (a.env, a.name) = (true, "MAILTO".into()));
        assert_eq!(changed(&env, "a\n"), "MAILTO=\"rm x\"\na\n");
        assert_eq!(changed(&env, "a\nMAILTO = x\nMAILTO=y\n"), "a\nMAILTO=\"rm x\"\n");
        assert_eq!(changed(&env, "MAILTOO=1\n"), "MAILTO=\"rm x\"\nMAILTOO=1\n");
    }

    #[test]
    fn times_are_checked() {
        for time in ["*", "*/5", "0", "59", "1,2-5/2", "10~20"] {
            assert!(is_time(time, 0, 59, &[]), "{time}");
        }
        for time in ["", "60", "*/0", "1-", "a", "1 2", "-1", "**", "5,"] {
            assert!(!is_time(time, 0, 59, &[]), "{time}");
        }
        assert!(is_time("Mon-fri", 0, 7, RANGES[4].2));
    }
}
