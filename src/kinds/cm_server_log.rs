//! `cm.server_log`: what the log of Cloudera Manager's server tells of errors.
//!
//! It only looks: nothing is ever written, and what it finds is a finding, for a person to look
//! into. It reads the newest part of the log (`tail` bytes), and of that what came since the last
//! start of the server began. Two servers that worked on parcels at the same time are told by what
//! PostgreSQL says then (`cm-ha-parcel-race`); every other line of the levels ERROR and FATAL is
//! told as `cm-server-error`, the newest few of them in words. `HHH000315` with a
//! `StaleStateException` of one row is left out: two servers cause it, and Cloudera calls it
//! harmless. `ignored` leaves out more, by parts of the message; the common key `ignore` leaves out
//! a whole sort. What looks like a secret is hidden. A log that is not there or cannot be read is
//! unknown.
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

/// `drsync_cm_log PATH BYTES IGNORED…`: errors since the last start of the server, equal ones
/// together.
///
/// The reply has `log` with a line for each, the newest first: `E COUNT TIME MESSAGE`; `R COUNT
/// TEXT` for what PostgreSQL says of the race; `M COUNT` for errors beyond those told; and in the
/// end `L LINES`, how many lines were read: without it the reading broke off. A message is the line
/// without its time, with what the lines right after it say: some break it there. Messages are equal
/// whatever thread they come from. What is left out is left out here, before anything is counted, so
/// that it crowds out nothing.
static LOG: Script = Script::each(
    "drsync_cm_log",
    r#"
drsync_cm_log() {
  file=$root$1 bytes=$2
  if [ -n "$root" ] && [ -L "$file" ]; then
    unknown log 'it is a symbolic link, which is not followed in an image'; return
  elif [ ! -e "$file" ]; then unknown log "$1 is not there"; return
  elif [ ! -f "$file" ]; then unknown log "$1 is no file"; return
  elif [ ! -r "$file" ]; then unknown log "$1 cannot be read"; return
  fi
  path=$1
  shift 2
  log=$(tail -c "$bytes" -- "$file" | tr -d '\r' | tr -c '\011\012\040-\176' '?' |
    awk "$drsync_cm_log_errors" "$@")
  case ${log##*"$nl"} in
    'L 0') if [ -s "$file" ]; then unknown log "nothing of $path could be read"; return; fi ;;
    'L '*) ;;
    *) unknown log "the reading of $path broke off"; return ;;
  esac
  put log "$log"
}
drsync_cm_log_errors='
BEGIN { for (i = 1; i < ARGC; i++) ignored[i] = ARGV[i]; ignores = ARGC - 1; ARGC = 1 }
function cut(s) { return substr(s, 1, 600) }
function is_left_out(s,  i) {
  for (i = 1; i <= ignores; i++) if (index(s, ignored[i])) return 1
  s = tolower(s)
  return index(s, "hhh000315") && index(s, "stalestateexception") &&
    index(s, "unexpected row count") && s ~ /actual row count: 0/ && s ~ /expected: 1([^0-9]|$)/
}
function without_thread(s,  head) {
  if (!match(s, /: /)) return s
  head = substr(s, 1, RSTART - 1)
  if (!match(head, /^[A-Z]+ .*:/)) return s
  return substr(s, 1, 5) substr(s, RLENGTH + 1)
}
function flush(  key) {
  if (entry != "" && !race && !is_left_out(entry)) {
    key = without_thread(entry)
    count[key]++; time[key] = at; said[key] = entry; last[key] = ++n; order[n] = key
  }
  entry = ""; race = 0
}
function forget() {
  split("", count); split("", order); split("", time); split("", said); split("", last)
  n = races = 0; raced = entry = ""; race = 0
}
# The end of a start is the second best: what failed during the start came before it.
tolower($0) ~ /starting scm server/ { forget(); started = 1; next }
tolower($0) ~ /started jetty server/ { if (!started) { forget(); next } }
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
  for (i = n; i > 0; i--) {
    key = order[i]
    if (last[key] != i) continue
    if (told++ < 40) print "E " count[key] " " time[key] " " said[key]
    else more += count[key]
  }
  if (more) print "M " more
  print "L " NR
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
        let mut words = vec![Argument::plain(&args.path), Argument::plain(args.tail.to_string())];
        words.extend(args.ignored.iter().map(Argument::plain));
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
        if !matches!(found.last(), Some(Found::Read)) {
            return Delta::unknown("the reading of the log broke off");
        }
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
    /// The reading came to its end.
    Read,
}

fn parse(line: &str) -> Option<Found<'_>> {
    let (sort, rest) = line.split_once(' ')?;
    let (count, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let count = count.parse().ok()?;
    match sort {
        "R" => Some(Found::Race(count, text)),
        "E" => Some(Found::Error(count, text.get(..19)?, text.get(20..)?)),
        "M" => Some(Found::More(count)),
        "L" => Some(Found::Read),
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

/// Every other error, the newest few in words.
fn errors(args: &Args, found: &[Found<'_>]) -> Option<Finding> {
    let (mut all, mut told) = (0, Vec::new());
    for found in found {
        match found {
            Found::Error(count, time, message) => {
                all += count;
                let times = if *count == 1 { String::new() } else { format!(", {count} times") };
                told.push(format!("`{}` ({time}{times})", shown(message)));
            }
            Found::More(count) => all += count,
            Found::Race(..) | Found::Read => {}
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

/// Returns a message as it may be shown: cut, and without what looks like a secret. Of a message that
/// speaks of a secret in a way that is not known, only the class is shown.
fn shown(message: &str) -> String {
    static PATTERNS: LazyLock<[Regex; 3]> = LazyLock::new(patterns);
    static SPOKEN: LazyLock<Regex> = LazyLock::new(|| {
        let words = r"pass(word|wd|phrase|code)|\bpass\b|pwd|secret|token|credential|authori[sz]ation|\bbearer\b|api.?key|private.?key";
        Regex::new(&format!("(?i){words}")).expect("the pattern is sound")
    });
    let hide = |text: String, with: &str| {
        PATTERNS.iter().fold(text, |text, one| one.replace_all(&text, with).into_owned())
    };
    let (head, said) = parted(message);
    let text = match SPOKEN.is_match(&hide(said.to_string(), " ")) {
        true => format!("{head}(hidden: it speaks of a secret)"),
        false => format!("{head}{}", hide(said.to_string(), "${1}(hidden)${2}")),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns the patterns of secrets in logs: what is before the secret, and what is after it. A value
/// ends with its quote or at a blank; one whose end was cut off is hidden as well.
fn patterns() -> [Regex; 3] {
    let name = r"[\w.-]*(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|credentials?|authorization|(?:api|private).?key)[\w.-]*";
    let quoted = r#"\\+"[^"]*(?:"|$)|"(?:\\.|[^"\\])*(?:"|$)|'[^']*(?:'|$)"#;
    let value = format!(r"(?:(?:bearer|basic|digest|negotiate) +)?(?:{quoted}|\S+)");
    let named = format!(r#"({name}\\*["']?\s*(?:[:=]|=>)\s*|--?{name}\s+){value}()"#);
    let element = format!(r"(<{name}>|<name>\s*{name}\s*</name>\s*<value>)[^<]*(</|$)");
    // A password may hold a slash or an at sign, so a login goes as far as it can.
    let login = r"(//|jdbc:oracle:thin:)\S*(@)";
    [element, named, login.to_string()]
        .map(|one| Regex::new(&format!("(?i){one}")).expect("the pattern is sound"))
}

/// Splits a message (`ERROR thread:com.example.Class: text`) where its text begins.
fn parted(message: &str) -> (&str, &str) {
    static HEAD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[A-Z]+ +(?:[\w.#-]+:)?\w+(?:[.$]\w+)+: ").expect("the pattern is sound")
    });
    let end = HEAD.find(message).map(|head| head.end());
    message.split_at(end.or(message.find(' ').map(|at| at + 1)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_log_is_hidden_however_it_is_written() {
        for said in [
            "ran scm --password hunter2 -v",
            "ran scm -password=hunter2",
            "url=https://admin:hunter2@cm:7183/x",
            "url=https://hunter2@cm/x",
            "url=https://admin:a/hunter2@b@cm/x",
            "jdbc:oracle:thin:scm/hunter2@//db:1521/x",
            r#"{"password":"hunter2","user":"x"}"#,
            r#"{\"password\":\"hunter2\",\"user\":\"x\"}"#,
            r#"{ \"db.password\" : \"a hunter2\" }"#,
            r#"password="a \" hunter2" and"#,
            r#"password="a hunter2"#,
            "password=a,hunter2",
            "<name>db.password</name><value>a hunter2</value>",
            "<property><name>db.password</name> <value>hunter2</value>",
            "<password>a hunter2</password>",
            "Authorization: Bearer hunter2",
            "the password is hunter2",
            "wrong password 'hunter2' for scm",
            "password=x for the token hunter2",
            "hunter2 is no token",
        ] {
            let text = shown(&format!("ERROR main:com.example.Agent: {said}"));
            assert!(!text.contains("hunter2") && text.contains("(hidden"), "{said}: {text}");
            assert!(text.contains("com.example.Agent: "), "{said}: {text}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for said in ["the passive server is away", "bypass of host w1 failed", "a: b@c /d"] {
            let message = format!("ERROR main:com.example.TokenStore: {said}");
            assert_eq!(shown(&message), message);
        }
        // Without a class there is only the level, whatever stands in its place.
        let text = shown("ERROR password:hunter2 x: the token is wrong");
        assert_eq!(text, "ERROR (hidden: it speaks of a secret)");
    }
}
