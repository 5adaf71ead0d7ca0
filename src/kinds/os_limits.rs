//! `os.limits`: what a user may use, from the next log-in on.
//!
//! Parameters follow Ansible's `pam_limits`; only the file is another one unless `dest` says so:
//! `/etc/security/limits.d/90-drsync.conf`. The limit compared is what all files come to: first
//! `limits.conf`, then `limits.d/*.conf` by name, and of one domain the last line counts. So a plan
//! names the file that would undo ours, as RHEL 7's `20-nproc.conf` does to `limits.conf`.
//!
//! A line for a user beats one for a group, and that beats `*`, wherever they stand; `@group` and
//! `*` do not hold for root. What runs already keeps its limits, and services of systemd never
//! read them: set `LimitNOFILE=` and the like in their units.
//!
//! ```yaml
//! - name: Open files of HDFS
//!   os.limits: { domain: hdfs, limit_type: "-", limit_item: nofile, value: 131072 }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::edit::Edit;
use super::shared::state::State;
use super::{Claim, Kind, Link, problem};
use crate::format::limits::{self, Limit, Subject};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// A limit of what a user may use.
pub struct OsLimits;

/// A limit of what a user may use.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Whose limit: a user, `@group`, `*`, or a range of numbers such as `1000:2000`.
    domain: String,
    /// `soft`, `hard`, or `-` for both.
    limit_type: Sort,
    /// What is limited: `nofile`, `nproc`, `memlock`, …
    limit_item: String,
    /// The limit: a number, or `unlimited`.
    value: Option<String>,
    /// Take the smaller one of `value` and what is there?
    #[serde(default)]
    use_min: bool,
    /// Take the greater one of `value` and what is there?
    #[serde(default)]
    use_max: bool,
    /// Written behind the limit where it is written.
    #[serde(default)]
    comment: String,
    /// The file that keeps it.
    #[serde(default = "own_file")]
    dest: String,
    /// Should the file have the limit?
    #[serde(default)]
    state: State,
}

fn own_file() -> String {
    "/etc/security/limits.d/90-drsync.conf".into()
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
enum Sort {
    #[serde(rename = "soft")]
    Soft,
    #[serde(rename = "hard")]
    Hard,
    #[serde(rename = "-")]
    Both,
}

impl Sort {
    fn word(self) -> &'static str {
        match self {
            Sort::Soft => "soft",
            Sort::Hard => "hard",
            Sort::Both => "-",
        }
    }

    /// Returns the limits it sets.
    fn sides(self) -> &'static [&'static str] {
        match self {
            Sort::Soft => &["soft"],
            Sort::Hard => &["hard"],
            Sort::Both => &["soft", "hard"],
        }
    }
}

/// All lines of all files that set something, and how many files a process may open at most.
static FILES: Script = Script::each(
    "drsync_limits",
    r#"
drsync_limits() {
  set --
  for folder in etc/security etc/security/limits.d; do
    if ! out=$(ls "$root/$folder/." 2>&1); then
      case $out in *': No such file or directory') continue ;; esac
      unknown files "$out"
      return
    fi
  done
  for file in "$root/etc/security/limits.conf" "$root/etc/security/limits.d"/*.conf "$root/proc/sys/fs/nr_open"; do
    [ ! -e "$file" ] || set -- "$@" "$file"
  done
  out=$(grep -H '^[[:blank:]]*[^#[:blank:]]' /dev/null "$@" 2>&1)
  if [ $? -le 1 ]; then put files "$out"; put root "$root"; else unknown files "$out"; fi
}
"#,
);

const MAIN: &str = "/etc/security/limits.conf";
const FOLDER: &str = "/etc/security/limits.d";

/// What can be limited (limits.conf(5)).
const ITEMS: [&str; 20] = [
    "as",
    "chroot",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "maxlogins",
    "maxsyslogins",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nonewprivs",
    "nproc",
    "priority",
    "rss",
    "rtprio",
    "sigpending",
    "stack",
];

impl Args {
    fn edit(&self) -> Edit<'_> {
        Edit { create: self.state == State::Present, ..Edit::of(&self.dest) }
    }

    fn subject(&self) -> Subject<'_> {
        Subject { domain: &self.domain, sort: self.limit_type.word(), item: &self.limit_item }
    }

    fn comment(&self) -> String {
        match self.comment.as_str() {
            "" => String::new(),
            comment => format!("#{comment}"),
        }
    }

    fn canonical(&self, value: &str) -> String {
        limits::canonical(&self.limit_item, value)
    }

    /// Returns the value to be reached: the declared one, or the smaller or greater one of that
    /// and what is there.
    fn wished(&self, files: &Files<'_>) -> String {
        let value = self.value.as_deref().unwrap_or_default();
        let sides = self.limit_type.sides().iter();
        let live =
            sides.filter_map(|side| files.effective(self, side)).map(|(_, limit)| limit.value);
        // No limit at all is the greatest.
        let size = |value: &&str| match self.canonical(value).parse::<i64>() {
            Ok(number) => (0, number),
            Err(_) => (1, 0),
        };
        let all = live.chain([value]);
        let picked = match (self.use_min, self.use_max) {
            (true, _) => all.min_by_key(size),
            (_, true) => all.max_by_key(size),
            _ => None,
        };
        picked.unwrap_or(value).to_string()
    }
}

impl Kind for OsLimits {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.limits", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_limits.rs");

    fn key(args: &Args) -> String {
        format!("{} {} {}", args.domain, args.limit_type.word(), args.limit_item)
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        args.edit().check(&mut problems);
        let mut add = |name: &str, said: String, hint: Option<&str>| {
            problems.push(problem(&[name], said, hint));
        };
        let is_word = |c: char| !c.is_whitespace() && !c.is_control();
        let domain = &args.domain;
        if domain.is_empty() || domain.starts_with('#') || !domain.chars().all(is_word) {
            let hint = "write a user, `@group`, `*`, or a range of numbers";
            add("domain", "a domain is one word".into(), Some(hint));
        }
        if !ITEMS.contains(&&*args.limit_item) {
            let said = format!("there is no limit called `{}`", args.limit_item);
            add("limit_item", said, Some("see limits.conf(5)"));
        }
        match args.value.as_deref() {
            None if args.state == State::Present => add("domain", "`value` is needed".into(), None),
            Some(value) => {
                if let Some((said, hint)) = value_problem(&args.limit_item, value) {
                    add("value", said, hint);
                }
            }
            None => {}
        }
        if args.use_min && args.use_max {
            add("use_max", "`use_min` and `use_max` exclude each other".into(), None);
        }
        if args.comment.contains(char::is_control) {
            add("comment", "a comment is one line".into(), None);
        }
        let (folder, _) = args.dest.rsplit_once('/').unwrap_or_default();
        if args.dest != MAIN && (folder != FOLDER || !args.dest.ends_with(".conf")) {
            let hint = "only /etc/security/limits.conf and /etc/security/limits.d/*.conf are read";
            add("dest", "not a file of limits".into(), Some(hint));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![args.edit().ask(), Question::Probe(&FILES, vec![])]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let present = match args.edit().read(&replies[0]) {
            Ok(present) => present,
            // Where there is no file there is no limit either.
            Err(delta) if args.state == State::Absent && delta.is_curable => {
                return Delta { attributes: vec![gone(args, "")], ..Delta::default() };
            }
            Err(delta) => return delta,
        };
        if args.state == State::Absent {
            return Delta { attributes: vec![gone(args, &present.text)], ..Delta::default() };
        }
        let all = match Read::of(&replies[1]) {
            Ok(all) => all,
            Err(reason) => return Delta::unknown(reason),
        };
        let files = Files::with(&all, &args.dest, &present.text);
        let wished = args.wished(&files);
        let mut delta = Delta::default();
        for side in args.limit_type.sides() {
            delta.attributes.push(attribute(args, &files, side, &wished));
        }
        delta.refused = refusal(args, &all, &files, &wished, &present.text);
        delta
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(present) = args.edit().read(&replies[0]) else { return Vec::new() };
        let text = match args.state {
            State::Absent => limits::remove(&present.text, &args.subject()),
            State::Present => {
                let Ok(all) = Read::of(&replies[1]) else { return Vec::new() };
                let wished = args.wished(&Files::with(&all, &args.dest, &present.text));
                limits::set(&present.text, &args.subject(), &wished, &args.comment())
            }
        };
        args.edit().write(&present, &text, false)
    }

    fn needs(args: &Args) -> Vec<Link> {
        args.edit().needs()
    }

    fn claims(args: &Args) -> Option<Claim> {
        Some(args.edit().claim())
    }
}

/// Returns what is wrong with a value, and a hint.
fn value_problem(item: &str, value: &str) -> Option<(String, Option<&'static str>)> {
    let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let is_unlimited = matches!(value, "unlimited" | "infinity" | "-1");
    let fits = match item {
        "nice" | "priority" => value.parse::<i8>().is_ok_and(|n| (-20..=19).contains(&n)),
        "nonewprivs" => matches!(value, "0" | "1"),
        "chroot" => value.starts_with('/') && !value.contains(char::is_whitespace),
        _ => is_unlimited || is_number && value.parse::<i64>().is_ok(),
    };
    if !fits {
        let hint = match item {
            "nice" | "priority" => "it goes from -20 to 19",
            "nonewprivs" => "it is 0 or 1",
            "chroot" => "it is the path of a folder",
            _ => "write a number, or `unlimited`",
        };
        let shown: String = value.chars().take(60).collect();
        return Some((format!("`{shown}` is no limit of {item}"), Some(hint)));
    }
    (item == "nofile" && is_unlimited).then(|| {
        let said =
            "the kernel has no unlimited `nofile`: log-ins fail, or keep their limit".to_string();
        (said, Some("write a number up to fs.nr_open, e.g. 1048576"))
    })
}

/// Every line of every file, with the path of its file.
struct Read {
    lines: Vec<(String, String)>,
    /// How many files a process may open at most.
    nr_open: Option<i64>,
}

impl Read {
    fn of(reply: &Reply) -> Result<Read, String> {
        let text = reply.text("files")?.unwrap_or_default();
        let root = reply.text("root")?.unwrap_or_default();
        let mut read = Read { lines: Vec::new(), nr_open: None };
        for line in text.lines() {
            let line = line.strip_prefix(&*root).unwrap_or(line);
            if let Some(number) = line.strip_prefix("/proc/sys/fs/nr_open:") {
                read.nr_open = number.trim().parse().ok();
            } else if let Some((path, line)) = line.split_once(".conf:") {
                read.lines.push((format!("{path}.conf"), line.to_string()));
            }
        }
        Ok(read)
    }
}

/// All limits in the order in which they are read.
struct Files<'a>(Vec<(&'a str, Limit<'a>)>);

impl<'a> Files<'a> {
    /// Takes what was read, with `text` as what the file `dest` says.
    fn with(read: &'a Read, dest: &'a str, text: &'a str) -> Files<'a> {
        let others = read.lines.iter().filter(|(path, _)| path != dest);
        let others = others.map(|(path, line)| (path.as_str(), line.as_str()));
        let all = others.chain(text.lines().map(|line| (dest, line)));
        let mut limits: Vec<_> =
            all.filter_map(|(path, line)| limits::parse(line).map(|limit| (path, limit))).collect();
        limits.sort_by_key(|(path, _)| (*path != MAIN, *path));
        Files(limits)
    }

    /// Returns the limit that counts for `side`, and its file.
    fn effective(&self, args: &Args, side: &str) -> Option<&(&'a str, Limit<'a>)> {
        let subject = Subject { sort: side, ..args.subject() };
        self.0.iter().rfind(|(_, limit)| subject.meets(&limit.subject))
    }
}

fn attribute(args: &Args, files: &Files<'_>, side: &'static str, wished: &str) -> Attribute {
    let live = files.effective(args, side);
    let value = |value: &str| Value::text(args.canonical(value));
    let before = live.map_or(Live::Absent, |(_, limit)| Live::Known(value(limit.value)));
    let attribute = Attribute::new(side, before, value(wished));
    let note = match live {
        Some((path, _)) => format!("now set in {path}"),
        None => args.dest.clone(),
    };
    let note = attribute.differs.then_some(note);
    attribute.noted(note)
}

/// Returns why writing the limit would not help.
fn refusal(
    args: &Args,
    read: &Read,
    files: &Files<'_>,
    wished: &str,
    text: &str,
) -> Option<String> {
    let exempting = read.lines.iter().find(|(_, l)| limits::exempts(l) == Some(&args.domain));
    if let Some((path, _)) = exempting {
        let domain = &args.domain;
        return Some(format!(
            "{path} takes {domain} out of all limits: remove its line `{domain} -`"
        ));
    }
    let ceiling = read.nr_open.filter(|_| args.limit_item == "nofile");
    if let (Some(ceiling), Ok(number)) = (ceiling, wished.parse::<i64>())
        && number > ceiling
    {
        return Some(format!(
            "a process may open {ceiling} files at most, with more log-ins fail or keep their \
             limit: raise the kernel parameter fs.nr_open first"
        ));
    }
    let is_met = |files: &Files<'_>, side: &&&str| {
        let live = files.effective(args, side);
        live.is_some_and(|(_, limit)| args.canonical(limit.value) == args.canonical(wished))
    };
    let new = limits::set(text, &args.subject(), wished, "");
    let then = Files::with(read, &args.dest, &new);
    let sides = args.limit_type.sides();
    let missed = sides.iter().filter(|side| !is_met(files, side)).find(|side| !is_met(&then, side));
    let (path, _) = then.effective(args, missed?)?;
    Some(format!(
        "{path} sets it too and is read after {}: declare `dest: {path}`, or take it out there",
        args.dest
    ))
}

fn gone(args: &Args, text: &str) -> Attribute {
    let own = text.lines().filter_map(limits::parse).filter(|l| args.subject().is(&l.subject));
    let values: Vec<Value> = own.map(|limit| Value::text(args.canonical(limit.value))).collect();
    let before = match &values[..] {
        [] => Live::Absent,
        [value] => Live::Known(value.clone()),
        _ => Live::Known(Value::List(values)),
    };
    Attribute::gone("value", before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::question::Field;
    use std::sync::Arc;

    fn args(domain: &str, sort: Sort, value: &str) -> Args {
        Args {
            domain: domain.into(),
            limit_type: sort,
            limit_item: "nproc".into(),
            value: Some(value.into()),
            use_min: false,
            use_max: false,
            comment: String::new(),
            dest: own_file(),
            state: State::Present,
        }
    }

    fn read(text: &str) -> Read {
        let field = |name: &'static str, text: &str| Field {
            name: name.into(),
            live: Live::Known(Value::text(text)),
        };
        Read::of(&Reply::Fields(Arc::new(vec![field("files", text), field("root", "")]))).unwrap()
    }

    #[test]
    fn the_last_line_of_a_domain_counts() {
        let read = read(
            "/etc/security/limits.d/20-nproc.conf:* soft nproc 4096\n\
             /etc/security/limits.d/20-nproc.conf:root soft nproc unlimited\n\
             /etc/security/limits.conf:* - nproc 65536\n/proc/sys/fs/nr_open:1048576\n",
        );
        assert_eq!(read.nr_open, Some(1_048_576));
        let star = args("*", Sort::Both, "65536");
        let files = Files::with(&read, &star.dest, "");
        let value = |side: &str| files.effective(&star, side).map(|(_, limit)| limit.value);
        assert_eq!((value("soft"), value("hard")), (Some("4096"), Some("65536")));
        assert_eq!(refusal(&star, &read, &files, "65536", ""), None);
        let main = Args { dest: MAIN.into(), ..args("*", Sort::Both, "65536") };
        let text = "* - nproc 65536\n";
        let files = Files::with(&read, MAIN, text);
        let said = refusal(&main, &read, &files, "65536", text).unwrap();
        assert!(said.starts_with("/etc/security/limits.d/20-nproc.conf sets it too"), "{said}");
    }

    #[test]
    fn the_greater_or_smaller_one_may_be_taken() {
        let read = read("/etc/security/limits.conf:a soft nproc unlimited\n");
        let wished = |sort: Sort, value: &str, max: bool| {
            let args = Args { use_max: max, use_min: !max, ..args("a", sort, value) };
            let files = Files::with(&read, "", "");
            args.wished(&files)
        };
        assert_eq!(wished(Sort::Soft, "5", true), "unlimited");
        assert_eq!(wished(Sort::Soft, "5", false), "5");
        assert_eq!(wished(Sort::Hard, "5", true), "5");
    }
}
