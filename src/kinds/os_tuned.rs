//! `os.tuned`: the profile of tuned, now and after the next boot.
//!
//! tuned keeps its profile in `/etc/tuned/active_profile` and applies it at boot. A profile that is
//! chosen automatically (`profile_mode` is `auto`) may change by itself, so that differs too. A
//! profile may set what `os.sysctl` and `os.transparent_hugepage` declare: tuned's stock profiles set
//! `vm.swappiness`. The plan says so.
//!
//! ```yaml
//! - name: Tuned for throughput
//!   os.tuned: { profile: throughput-performance }
//!   hosts: nodes
//! ```

use serde::Deserialize;

use super::shared::unit::{SERVICE, UNIT, Unit};
use super::{Kind, Link, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::nearest::nearest;
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// The profile of tuned.
pub struct OsTuned;

/// The profile of tuned, now and after the next boot.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The profile; several are separated by blanks, the last one wins.
    profile: Option<String>,
    /// Should tuned run, now and at boot?
    #[serde(default)]
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Started,
    Stopped,
}

impl Args {
    fn profiles(&self) -> Vec<&str> {
        self.profile.as_deref().unwrap_or_default().split_whitespace().collect()
    }
}

/// `drsync_tuned PROFILES`: which profile is chosen, which there are, and what the wished one sets
/// that other kinds set too.
static PROBE: Script = Script::each(
    "drsync_tuned",
    r#"
drsync_tuned() {
  for name in active_profile profile_mode; do
    path=$root/etc/tuned/$name
    if [ ! -e "$path" ]; then absent $name
    elif line=$({ cat < "$path"; } 2>&1); then put $name "$line"
    else unknown $name "$line"; fi
  done
  list= sets= reapply=yes
  for folder in /etc/tuned/profiles /etc/tuned /usr/lib/tuned/profiles /usr/lib/tuned; do
    for path in "$root$folder"/*/tuned.conf; do
      [ -e "$path" ] || continue
      path=${path%/tuned.conf}
      list="$list${path##*/}$nl"
    done
  done
  put profiles "$list"
  todo="$1 " deep=0
  while [ -n "$todo" ] && [ $deep -lt 30 ]; do
    one=${todo%% *} todo=${todo#* } deep=$((deep + 1))
    [ -z "$one" ] || drsync_tuned_read
  done
  put sets "$sets"
  if [ -r "$root/etc/tuned/tuned-main.conf" ]; then
    while IFS= read -r line; do
      case $line in reapply_sysctl*=*0|reapply_sysctl*=*[Ff]alse) reapply=no ;; esac
    done < "$root/etc/tuned/tuned-main.conf"
  fi
  put reapply $reapply
}
drsync_tuned_read() {
  for folder in /etc/tuned/profiles /etc/tuned /usr/lib/tuned/profiles /usr/lib/tuned; do
    path=$root$folder/$one/tuned.conf
    [ -r "$path" ] || continue
    section=
    while IFS= read -r line || [ -n "$line" ]; do
      case $section$line in
        *'['*']') section=$line ;;
        '[main]'include*=*)
          line=${line#*=}
          case $line in *[!A-Za-z0-9_,\ .-]*) ;; *) todo="$todo$(printf %s "$line" | tr ',' ' ') " ;; esac ;;
        '[sysctl]vm.swappiness'*=*|'[vm]transparent_hugepages'*=*) sets="$sets$line$nl" ;;
      esac
    done < "$path"
    return
  done
}
"#,
);

/// `drsync_tuned_profile PROFILES`
static CHOOSE: Script = Script::each(
    "drsync_tuned_profile",
    r#"
drsync_tuned_profile() {
  if [ -n "$root" ]; then
    printf '%s\n' "$1" > "$root/etc/tuned/active_profile" && printf 'manual\n' > "$root/etc/tuned/profile_mode"
    return
  fi
  (set -f; tuned-adm profile $1)
}
"#,
);

impl Kind for OsTuned {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.tuned", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_tuned.rs");

    fn key(_: &Args) -> String {
        "profile".into()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_sound = |name: &&str| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_part)
        };
        let profiles = args.profiles();
        let mut problems = Vec::new();
        match args.state {
            State::Started if profiles.is_empty() => {
                let hint = Some("`tuned-adm list` shows what there is");
                problems.push(problem(&["profile"], "`profile` is needed", hint));
            }
            State::Stopped if args.profile.is_some() => {
                let said = "where tuned does not run there is no profile";
                problems.push(problem(&["profile"], said, None));
            }
            _ => {}
        }
        for name in profiles.iter().filter(|name| !is_sound(name) || name.len() > 200) {
            let shown: String = name.chars().take(60).collect();
            let said = format!("`{shown}` is not the name of a profile");
            problems.push(problem(&["profile"], said, None));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![
            Question::Probe(&PROBE, vec![Argument::plain(args.profiles().join(" "))]),
            Question::Probe(&SERVICE, vec![Argument::plain("tuned")]),
        ]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let unit = match replies[1].text("unit") {
            Ok(text) => Unit::parse(&text.unwrap_or_default()),
            Err(reason) => return Delta::unknown(reason),
        };
        let mut delta = Delta::default();
        if args.state == State::Started {
            match profile(args, &replies[0], &mut delta) {
                Ok(attributes) => delta.attributes.extend(attributes),
                Err(reason) => return Delta::unknown(reason),
            }
            if unit.is_missing() {
                delta.refused = Some("tuned is not installed".into());
                delta.is_curable = true;
            }
        }
        delta.attributes.extend(service(args, &unit));
        delta
    }

    fn steps(args: &Args, delta: &Delta, _: &[Reply]) -> Vec<Action> {
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let act = |verb: &str| Action::Host(&UNIT, ["tuned", verb].map(Argument::plain).to_vec());
        let starts = args.state == State::Started;
        let mut actions = Vec::new();
        if differs("boot") {
            actions.push(act(if starts { "enable" } else { "disable" }));
        }
        if differs("runtime") {
            actions.push(act(if starts { "start" } else { "stop" }));
        }
        if differs("profile") || differs("mode") {
            let words = vec![Argument::plain(args.profiles().join(" "))];
            actions.push(Action::Host(&CHOOSE, words));
        }
        actions
    }

    fn needs(args: &Args) -> Vec<Link> {
        let folders = ["/etc/tuned", "/etc/tuned/profiles"];
        let profiles = args.profiles();
        let paths = profiles
            .iter()
            .flat_map(|name| folders.map(|folder| format!("{folder}/{name}/tuned.conf")));
        let mut links: Vec<Link> = paths.map(|path| Link::new("os.file", path)).collect();
        links.push(Link::new("os.package", "tuned"));
        links
    }
}

/// Compares the profile, and whether somebody chose it. Errors: why it is unknown.
fn profile(args: &Args, reply: &Reply, delta: &mut Delta) -> Result<Vec<Attribute>, String> {
    let blanks = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let active = reply.text("active_profile")?.map(|text| blanks(&text));
    let mode = reply.text("profile_mode")?.map(|text| blanks(&text));
    let known = reply.text("profiles")?.unwrap_or_default();
    let known: Vec<&str> = known.lines().collect();
    let profiles = args.profiles();
    if let Some(name) = profiles.iter().find(|name| !known.is_empty() && !known.contains(name)) {
        let hint = nearest(name, known.iter().copied());
        let hint = hint.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        delta.refused = Some(format!("tuned has no profile `{name}`{hint}"));
        delta.is_curable = true;
    }
    let live = active
        .filter(|text| !text.is_empty())
        .map_or(Live::Absent, |text| Live::Known(Value::text(text)));
    let remark = conflict(reply)?;
    let wanted = Attribute::new("profile", live, Value::text(profiles.join(" ")));
    // What differs is told with its remark anyway.
    if !wanted.differs && reply.text("reapply")?.as_deref() == Some("no") {
        delta.notes.extend(remark.clone());
    }
    let mut attributes = vec![wanted.noted(remark)];
    // Older versions know no mode.
    if let Some(mode) = mode.filter(|mode| !mode.is_empty()) {
        let live = Live::Known(Value::text(mode));
        attributes.push(Attribute::new("mode", live, Value::text("manual")));
    }
    Ok(attributes)
}

/// Tells what the profile sets that others set too. What comes first wins: a profile goes before
/// those it includes.
fn conflict(reply: &Reply) -> Result<Option<String>, String> {
    let text = reply.text("sets")?.unwrap_or_default();
    let mut sets: Vec<(&str, &str)> = Vec::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let (key, value) = (key.trim(), value.trim().trim_start_matches(['>', '<']));
        if !sets.iter().any(|(known, _)| *known == key) {
            sets.push((key, value));
        }
    }
    if sets.is_empty() {
        return Ok(None);
    }
    let shown: Vec<String> = sets.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let outcome = match reply.text("reapply")?.as_deref() {
        Some("no") => ", whatever sysctl.d says (reapply_sysctl is off)",
        _ if sets.iter().any(|(key, _)| key.starts_with("vm.")) => "; sysctl.d is applied after it",
        _ => "",
    };
    Ok(Some(format!("it sets {}{outcome}", shown.join(" and "))))
}

/// Compares whether tuned runs, and whether it does at boot.
fn service(args: &Args, unit: &Unit) -> Vec<Attribute> {
    let wish = args.state == State::Started;
    let told = |is_on: bool| Value::text(if is_on { "started" } else { "stopped" });
    let is_gone = unit.is_missing() && wish;
    let runtime = match &*unit.active {
        _ if is_gone => Live::Absent,
        "active" | "reloading" | "activating" => Live::Known(told(true)),
        "failed" if wish => Live::Known(Value::text("failed")),
        _ => Live::Known(told(false)),
    };
    let boot = match is_gone {
        true => Live::Absent,
        false => Live::Known(Value::Bool(unit.file == "enabled")),
    };
    let mut attributes = Vec::new();
    // In an image nothing runs.
    if !unit.active.is_empty() || unit.is_missing() {
        attributes.push(Attribute::new("runtime", runtime, told(wish)));
    }
    attributes.push(Attribute::new("boot", boot, Value::Bool(wish)));
    attributes
}
