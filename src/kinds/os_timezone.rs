//! `os.timezone`: the time zone of a host.
//!
//! Parameters follow Ansible's `timezone`. The zone is where `/etc/localtime` points, and on Debian
//! and its kin what `/etc/timezone` says too. Running programs keep the zone they started with.
//!
//! ```yaml
//! - name: One time zone on both sides
//!   os.timezone: { name: UTC }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::{Kind, Link, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// The time zone of a host.
pub struct OsTimezone;

/// The time zone of a host.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The zone, e.g. `Europe/Berlin` or `UTC`.
    name: String,
    /// What the hardware clock keeps.
    hwclock: Option<Clock>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
enum Clock {
    /// Universal time.
    #[serde(rename = "UTC")]
    Utc,
    /// The zone's own time.
    #[serde(rename = "local")]
    Local,
}

impl Clock {
    /// Returns the word `/etc/adjtime` has for it (hwclock(8)).
    fn word(self) -> &'static str {
        match self {
            Clock::Utc => "UTC",
            Clock::Local => "LOCAL",
        }
    }
}

static PROBE: Script = Script::each(
    "drsync_timezone",
    r#"
drsync_timezone() {
  path=$root/etc/localtime
  if [ -L "$path" ]; then
    if out=$(readlink -- "$path" 2>&1); then put link "$out"; else unknown link "$out"; fi
  elif [ -f "$path" ]; then
    if out=$(cmp -- "$path" "$root/usr/share/zoneinfo/$1" 2>&1); then put link "zoneinfo/$1"; else put link 'a file of its own'; fi
  elif out=$(ls -d -- "$path" 2>&1); then unknown link "/etc/localtime is neither a link nor a file"
  else
    case $out in *': No such file or directory') absent link ;; *) unknown link "$out" ;; esac
  fi
  if [ -f "$root/usr/share/zoneinfo/$1" ]; then put zone "$1"; else absent zone; fi
  if [ -f "$root/etc/timezone" ]; then
    if IFS= read -r out < "$root/etc/timezone" || [ -n "$out" ]; then put file "$out"; else put file ''; fi
  else absent file; fi
  if [ -f "$root/etc/adjtime" ]; then
    if { IFS= read -r out && IFS= read -r out && IFS= read -r out; } < "$root/etc/adjtime"; then put clock "$out"; else put clock UTC; fi
  else put clock UTC; fi
}
"#,
);

/// `drsync_timezone_set link|file|clock VALUE`.
static SET: Script = Script::each(
    "drsync_timezone_set",
    r#"
drsync_timezone_set() {
  case $1 in
    link) name=localtime ;;
    file) name=timezone ;;
    clock) name=adjtime ;;
  esac
  new=$root/etc/.$name.drsync.$$
  rm -f -- "$new"
  case $1 in
    link) ln -s "../usr/share/zoneinfo/$2" "$new" ;;
    file) printf '%s\n' "$2" > "$new" ;;
    clock)
      first='0.0 0 0.0' second=0
      [ ! -f "$root/etc/adjtime" ] || { IFS= read -r first; IFS= read -r second; } < "$root/etc/adjtime"
      printf '%s\n%s\n%s\n' "$first" "$second" "$2" > "$new" ;;
  esac && mv -f -T -- "$new" "$root/etc/$name" || { rm -f -- "$new"; return 1; }
}
"#,
);

impl Kind for OsTimezone {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.timezone", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_timezone.rs");

    fn key(_: &Args) -> String {
        "host".into()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let is_part = |part: &str| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c))
        };
        let is_zone = args.name.len() <= 64 && args.name.split('/').all(is_part);
        let said = || {
            let shown: String = args.name.chars().take(60).collect();
            problem(
                &["name"],
                format!("`{shown}` is not the name of a time zone"),
                Some("write it as in `Europe/Berlin`"),
            )
        };
        (!is_zone).then(said).into_iter().collect()
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Probe(&PROBE, vec![Argument::plain(&args.name)])]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let want = Value::text(&args.name);
        let link = match replies[0].text("link") {
            Ok(None) => Live::Absent,
            Ok(Some(target)) => Live::Known(Value::text(zone(&target))),
            Err(reason) => Live::Unknown(reason),
        };
        let mut delta = Delta::default();
        delta.attributes.push(Attribute::new("zone", link, want.clone()));
        match replies[0].field("file") {
            // Only Debian and its kin have the file.
            Live::Absent => {}
            file => delta.attributes.push(Attribute::new("etc_timezone", file, want)),
        }
        if let Some(clock) = args.hwclock {
            let live = replies[0].field("clock");
            delta.attributes.push(Attribute::new("hwclock", live, Value::text(clock.word())));
        }
        if matches!(replies[0].field("zone"), Live::Absent) && delta.differing().next().is_some() {
            let said = format!("the host has no zone `{}` (package tzdata)", args.name);
            return Delta { attributes: delta.attributes, ..Delta::lacking(said) };
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, _: &[Reply]) -> Vec<Action> {
        let step = |what: &str, value: &str| {
            Action::Host(&SET, [what, value].map(Argument::plain).to_vec())
        };
        let steps = delta.differing().filter_map(|attribute| match &*attribute.name {
            "zone" => Some(step("link", &args.name)),
            "etc_timezone" => Some(step("file", &args.name)),
            _ => args.hwclock.map(|clock| step("clock", clock.word())),
        });
        steps.collect()
    }

    fn needs(_: &Args) -> Vec<Link> {
        vec![Link::new("os.package", "tzdata")]
    }
}

/// Returns the zone a link of /etc/localtime stands for: `../usr/share/zoneinfo/Etc/UTC`.
fn zone(target: &str) -> &str {
    target.split_once("zoneinfo/").map_or(target, |(_, zone)| zone)
}
