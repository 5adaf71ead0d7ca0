//! `cm.server_log`: what the log of Cloudera Manager's server tells of errors.
//!
//! It only looks: nothing is ever written, and what it finds is a finding, for a person to look
//! into. It reads the newest part of the log (`tail` bytes), and of that what came after the last
//! start of the server. Two servers that worked on parcels at the same time are told by what
//! PostgreSQL says then (`cm-ha-parcel-race`); every other line of the levels ERROR and FATAL is
//! told as `cm-server-error`, the first few of them in words. `HHH000315` with a
//! `StaleStateException` of one row is left out: two servers cause it, and Cloudera calls it
//! harmless. `ignored` leaves out more, by parts of the message; the common key `ignore` leaves out
//! a whole sort. A log that is not there or cannot be read is unknown.
//!
//! ```yaml
//! - name: No errors in the log of Cloudera Manager
//!   cm.server_log:
//!     ignored: [Failed to send the license usage report]
//!   hosts: managers
//! ```

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::shared::file;
use super::{Kind, problem};
use crate::model::Delta;
use crate::model::change::{Finding, Problem};
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};

/// The log of Cloudera Manager's server.
pub struct CmServerLog;

/// What the log of Cloudera Manager's server tells of errors.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The log.
    #[serde(default = "standard_path")]
    path: String,
    /// How many bytes at its end are read.
    #[serde(default = "mebibyte")]
    tail: u32,
    /// Messages that are known and of no interest: parts of their text.
    #[serde(default)]
    ignored: Vec<String>,
}

fn standard_path() -> String {
    "/var/log/cloudera-scm-server/cloudera-scm-server.log".into()
}

fn mebibyte() -> u32 {
    1 << 20
}

/// More of a log is no look at its newest part any more.
const LONGEST_TAIL: u32 = 64 << 20;
/// So many messages are told in words.
const SHOWN: usize = 3;
/// Longer messages are cut.
const LONGEST: usize = 240;

/// `drsync_cm_log PATH BYTES`: errors since the last start of the server, equal ones together.
///
/// The reply has `log` with a line for each: `E COUNT TIME MESSAGE`; `R COUNT TEXT` for what
/// PostgreSQL says of the race; `M COUNT` for errors beyond those told. A message is the line
/// without its time, with what the lines right after it say: some break it there.
static LOG: Script = Script::each(
    "drsync_cm_log",
    r#"
drsync_cm_log() {
  file=$root$1
  if [ -n "$root" ] && [ -L "$file" ]; then
    unknown log 'it is a symbolic link, which is not followed in an image'
  elif [ ! -e "$file" ]; then unknown log "$1 is not there"
  elif [ ! -f "$file" ]; then unknown log "$1 is no file"
  elif [ ! -r "$file" ]; then unknown log "$1 cannot be read"
  else
    put log "$(tail -c "$2" -- "$file" | tr -d '\r' | tr -c '\011\012\040-\176' '?' |
      awk "$drsync_cm_log_errors")"
  fi
}
drsync_cm_log_errors='
function cut(s) { return substr(s, 1, 600) }
function flush() {
  if (entry != "" && !race) {
    if (entry in count) count[entry]++
    else if (n < 40) { order[++n] = entry; count[entry] = 1 }
    else more++
    time[entry] = at
  }
  entry = ""; race = 0
}
function forget() {
  split("", count); split("", order); split("", time)
  n = more = races = 0; raced = entry = ""; race = 0
}
tolower($0) ~ /started jetty server/ { forget(); next }
/^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] / {
  flush()
  if ($3 == "ERROR" || $3 == "FATAL") {
    at = substr($0, 1, 19); further = 0
    entry = $0; sub(/^[^ ]+ +[^ ]+ +/, "", entry); entry = cut(entry)
  }
}
entry != "" && !/^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] / && !/^[ \t]*at / && NF {
  if (further++ < 4) { line = $0; sub(/^[ \t]+/, "", line); entry = entry " " cut(line) }
}
match($0, /Key \(product, version\)=\([^)]*\) already exists/) {
  races++; raced = substr($0, RSTART, RLENGTH); race = 1
}
END {
  flush()
  if (races) print "R " races " " cut(raced)
  for (i = 1; i <= n; i++) print "E " count[order[i]] " " time[order[i]] " " order[i]
  if (more) print "M " more
}'
"#,
);

impl Kind for CmServerLog {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.server_log", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_server_log.rs");

    fn key(args: &Args) -> String {
        args.path.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems: Vec<Problem> =
            file::path_problem("path", &args.path).into_iter().collect();
        if args.tail == 0 || args.tail > LONGEST_TAIL {
            let said = format!("`tail` is a number of bytes, at most {LONGEST_TAIL}");
            problems.push(problem(&["tail"], said, None));
        }
        if args.ignored.iter().any(|part| part.trim().is_empty()) {
            let said = "an empty text is part of every message";
            problems.push(problem(&["ignored"], said, None));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let words = vec![Argument::plain(&args.path), Argument::plain(args.tail.to_string())];
        vec![Question::Probe(&LOG, words)]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let log = match replies[0].text("log") {
            Ok(Some(log)) => log,
            Ok(None) => return Delta::unknown("the log was not read"),
            Err(reason) => return Delta::unknown(reason),
        };
        let Some(found) = log.lines().map(parse).collect::<Option<Vec<Found<'_>>>>() else {
            return Delta::unknown("what was read of the log is not understood");
        };
        let findings = race(&found).into_iter().chain(errors(args, &found)).collect();
        Delta { findings, ..Delta::default() }
    }

    fn steps(_: &Args, _: &Delta, _: &[Reply]) -> Vec<Action> {
        Vec::new()
    }
}

/// What the probe tells.
enum Found<'a> {
    /// Two servers worked on parcels at once: how often, and what PostgreSQL said.
    Race(usize, &'a str),
    /// An error: how often, when last, and its message.
    Error(usize, &'a str, &'a str),
    /// So many errors more.
    More(usize),
}

fn parse(line: &str) -> Option<Found<'_>> {
    let (sort, rest) = line.split_once(' ')?;
    let (count, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let count = count.parse().ok()?;
    match sort {
        "R" => Some(Found::Race(count, text)),
        "E" => Some(Found::Error(count, text.get(..19)?, text.get(20..)?)),
        "M" => Some(Found::More(count)),
        _ => None,
    }
}

/// Requirements M2 and M3: the symptom, its cause, and what to do.
fn race(found: &[Found<'_>]) -> Option<Finding> {
    let (count, said) = found.iter().find_map(|found| match found {
        Found::Race(count, said) => Some((count, said)),
        _ => None,
    })?;
    let times = if *count == 1 { String::new() } else { format!(" ({count} times)") };
    let summary = format!(
        "two servers of Cloudera Manager worked on parcels at the same time: `{}`{times}",
        shown(said)
    );
    Some(Finding::new("cm-ha-parcel-race", summary).advised(
        "parcels, their repositories and new services need single-node maintenance: let drsync \
         declare them (`drsync kinds cm.single_node`), or stop the secondary server before and \
         start it after; then look whether the parcel is there",
    ))
}

/// Every other error, the first few in words.
fn errors(args: &Args, found: &[Found<'_>]) -> Option<Finding> {
    let of_interest = |message: &str| {
        !is_stale_state(message) && !args.ignored.iter().any(|part| message.contains(part.as_str()))
    };
    let (mut all, mut told) = (0, Vec::new());
    for found in found {
        match found {
            Found::Error(count, time, message) if of_interest(message) => {
                all += count;
                let times = if *count == 1 { String::new() } else { format!(", {count} times") };
                told.push(format!("`{}` ({time}{times})", shown(message)));
            }
            Found::More(count) => all += count,
            _ => {}
        }
    }
    if all == 0 {
        return None;
    }
    let more = if told.len() > SHOWN || told.is_empty() { ", …" } else { "" };
    told.truncate(SHOWN);
    let word = if all == 1 { "error" } else { "errors" };
    let summary = format!("{all} {word} since the server started: {}{more}", told.join(", "));
    Some(
        Finding::new("cm-server-error", summary)
            .advised(format!("look into {}; `ignored` leaves out what is known", args.path)),
    )
}

/// True for the message that two servers cause and that means nothing (requirement M17). The
/// logger's name is spelt in several ways, and the message may be broken over lines.
fn is_stale_state(message: &str) -> bool {
    let message = message.to_lowercase();
    let words = ["hhh000315", "stalestateexception", "unexpected row count"];
    words.iter().all(|word| message.contains(word))
        && message.contains("actual row count: 0")
        && message.contains("expected: 1")
}

/// Returns a message as it may be shown: cut, and without what looks like a secret.
fn shown(message: &str) -> String {
    static SECRET: LazyLock<Regex> = LazyLock::new(|| {
        let name = "pass(word|wd|phrase)?|pwd|secret|token|credentials?|authorization|api.?key";
        let value = r#"(bearer |basic )?("[^"]*"|'[^']*'|[^\s,;&)\]}]+)"#;
        Regex::new(&format!(r#"(?i)([\w.-]*({name})[\w.-]*["']?\s*[:=]\s*){value}"#))
            .expect("the pattern is sound")
    });
    static LOGIN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"//[^/\s@]*:[^/\s@]*@").expect("the pattern is sound"));
    let text = SECRET.replace_all(message, "${1}(hidden)");
    let text = LOGIN.replace_all(&text, "//(hidden)@");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
