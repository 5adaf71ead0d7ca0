//! `os.timezone`: the time zone, and whether the hardware clock keeps it.
//!
//! Parameters follow Ansible's `timezone`. The zone is where `/etc/localtime` points (`localtime`)
//! and, where the family has that file, what `/etc/timezone` says (`timezone_file`): both hold now
//! and after the next boot. Programs that run keep the zone they started with until they are started
//! anew, Java above all.
//!
//! ```yaml
//! - name: One zone on all hosts
//!   os.timezone: { name: Etc/UTC }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::edit::{self, Edit, Present};
use super::shared::file::{self, Sight, Stat};
use super::{Kind, Link, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// The time zone.
pub struct OsTimezone;

/// The time zone, and whether the hardware clock keeps it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The zone, e.g. `Europe/Berlin`.
    name: String,
    /// Does the hardware clock keep `UTC` or `local` time?
    hwclock: Option<Clock>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
enum Clock {
    #[serde(rename = "UTC")]
    Utc,
    #[serde(rename = "local")]
    Local,
}

impl Clock {
    /// As adjtime(5) has it.
    fn word(self) -> &'static str {
        match self {
            Clock::Utc => "UTC",
            Clock::Local => "LOCAL",
        }
    }
}

const LINK: &str = "/etc/localtime";
const FILE: &str = "/etc/timezone";
const CLOCK: &str = "/etc/adjtime";
const ZONES: &str = "/usr/share/zoneinfo";

static SET: Script = Script::each(
    "drsync_timezone",
    r#"
drsync_timezone() {
  new=$root/etc/.localtime.drsync
  rm -f -- "$new"
  ln -s -- "../usr/share/zoneinfo/$1" "$new" && mv -f -T -- "$new" "$root/etc/localtime"
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
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_+-".contains(c);
        let is_name = |part: &str| !part.is_empty() && part.chars().all(is_part);
        let is_zone = args.name.len() <= 64
            && !args.name.starts_with(['-', '+'])
            && args.name.split('/').all(is_name);
        let hint = Some("as `timedatectl list-timezones` has it: `Europe/Berlin`");
        let shown: String = args.name.chars().take(60).collect();
        (!is_zone)
            .then(|| problem(&["name"], format!("`{shown}` is not a time zone"), hint))
            .into_iter()
            .collect()
    }

    fn ask(args: &Args) -> Vec<Question> {
        let zone = format!("{ZONES}/{}", args.name);
        let mut questions = vec![
            file::ask(LINK, "", Sight::Target),
            file::ask(&zone, "", Sight::Attributes),
            Edit::of(FILE).ask(),
        ];
        questions.extend(args.hwclock.map(|_| Edit::of(CLOCK).ask()));
        questions
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let zone = match Stat::read(&replies[1]) {
            Ok(zone) => zone,
            Err(reason) => return Delta::unknown(reason),
        };
        let mut delta = Delta::default();
        let want = Value::text(&args.name);
        delta.attributes.push(Attribute::new("localtime", linked(&replies[0]), want.clone()));
        match text_of(FILE, &replies[2]) {
            Ok(Some(present)) => {
                let live = Live::Known(Value::text(present.text.trim()));
                delta.attributes.push(Attribute::new("timezone_file", live, want));
            }
            Ok(None) => {}
            Err(live) => delta.attributes.push(Attribute::new("timezone_file", live, want)),
        }
        if let Some(clock) = args.hwclock {
            let live = match text_of(CLOCK, &replies[3]) {
                Ok(present) => Live::Known(Value::text(kept(present.as_ref()))),
                Err(live) => live,
            };
            delta.attributes.push(Attribute::new("hwclock", live, Value::text(clock.word())));
        }
        match zone {
            None => {
                let said = format!("this system does not know the zone {}", args.name);
                delta.refused = Some(format!("{said} (is tzdata installed?)"));
                delta.is_curable = true;
            }
            Some(zone) if zone.sort == "directory" => {
                delta.refused = Some(format!("{} is a folder of zones, not a zone", args.name));
            }
            Some(_) => {}
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let mut actions = Vec::new();
        if differs("localtime") {
            actions.push(Action::Host(&SET, vec![Argument::plain(&args.name)]));
        }
        if differs("timezone_file")
            && let Ok(Some(present)) = text_of(FILE, &replies[2])
        {
            let text = format!("{}\n", args.name);
            actions.extend(Edit::of(FILE).write(&present, &text, false));
        }
        if differs("hwclock")
            && let (Some(clock), Ok(present)) = (args.hwclock, text_of(CLOCK, &replies[3]))
        {
            let present = present.unwrap_or(Present { text: "".into(), stat: None });
            let text = with_clock(&present.text, clock);
            actions.extend(Edit::of(CLOCK).write(&present, &text, false));
        }
        actions
    }

    fn needs(_: &Args) -> Vec<Link> {
        vec![Link::new("os.package", "tzdata")]
    }
}

/// Returns the zone /etc/localtime points to.
fn linked(reply: &Reply) -> Live {
    match Stat::read(reply) {
        Err(reason) => Live::Unknown(reason),
        Ok(None) => Live::Absent,
        Ok(Some(stat)) if stat.sort != "symbolic link" => {
            Live::Known(Value::text(format!("a {}, not a link", stat.sort)))
        }
        Ok(Some(_)) => match reply.text("target") {
            Err(reason) => Live::Unknown(reason),
            Ok(target) => {
                let target = target.unwrap_or_default();
                let zone = target.split_once("/zoneinfo/").map_or(&*target, |(_, zone)| zone);
                Live::Known(Value::text(zone))
            }
        },
    }
}

/// Returns a file's text, `None` where there is none.
fn text_of(path: &str, reply: &Reply) -> Result<Option<Present>, Live> {
    match Edit::of(path).read(reply) {
        Ok(present) => Ok(Some(present)),
        Err(delta) if delta.is_curable => Ok(None),
        Err(delta) => {
            let reason = delta.attributes.iter().find_map(Attribute::unknown).map(String::from);
            Err(Live::Unknown(reason.or(delta.refused).unwrap_or_default()))
        }
    }
}

/// Returns what the hardware clock keeps: UTC unless the third line says otherwise (adjtime(5)).
fn kept(present: Option<&Present>) -> &'static str {
    let line = present.and_then(|present| present.text.lines().nth(2));
    if line.map(str::trim) == Some("LOCAL") { "LOCAL" } else { "UTC" }
}

fn with_clock(text: &str, clock: Clock) -> String {
    let mut lines = edit::lines(text).into_iter().map(edit::bare);
    let (first, second) = (lines.next().unwrap_or("0.0 0 0.0"), lines.next().unwrap_or("0"));
    format!("{first}\n{second}\n{}\n", clock.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hardware_clock_keeps_its_drift() {
        assert_eq!(with_clock("", Clock::Local), "0.0 0 0.0\n0\nLOCAL\n");
        assert_eq!(with_clock("1.5 9 0.0\n9\nLOCAL\n", Clock::Utc), "1.5 9 0.0\n9\nUTC\n");
    }
}
