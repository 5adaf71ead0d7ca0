//! `os.tuned`: the profile tuned(8) applies.
//!
//! `active` is the profile that `/etc/tuned/active_profile` names, which tuned applies at every
//! start; `running` tells whether it runs. A profile that tuned chose by itself may be another one
//! tomorrow, so `mode` has to be `manual`. Several profiles are written with blanks between them;
//! what the later ones set counts.
//!
//! The stock profiles set `vm.swappiness` (`throughput-performance` 10, `virtual-guest` 30), and
//! some of them transparent huge pages: with `os.sysctl` or `os.transparent_hugepage` for the same,
//! take a profile of your own, in `/etc/tuned/NAME/tuned.conf`, that includes the stock one. Whether
//! tuned starts at boot is `os.service`'s to say.
//!
//! ```yaml
//! - name: Throughput before saving power
//!   os.tuned: { profile: throughput-performance }
//!   hosts: all
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::shared::unit::{SERVICE, Unit};
use super::{Kind, Link, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::nearest::nearest;
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// The profile of tuned.
pub struct OsTuned;

/// The profile tuned applies.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its name; several with blanks between them.
    profile: String,
    /// Ask tuned whether everything is as the profile wants it, and have it applied again if not?
    #[serde(default)]
    verify: bool,
}

static PROBE: Script = Script::each(
    "drsync_tuned",
    r#"
drsync_tuned() {
  admin=
  for file in /usr/sbin/tuned-adm /usr/bin/tuned-adm; do [ ! -x "$root$file" ] || admin=$file; done
  [ ! -x "${DRSYNC_COMMANDS:-/nonexistent}/tuned-adm" ] || admin=$DRSYNC_COMMANDS/tuned-adm
  if [ -z "$admin" ]; then absent admin; return; fi
  put admin "$admin"
  for name in active_profile profile_mode; do
    file=$root/etc/tuned/$name line=
    if [ ! -e "$file" ]; then absent "$name"
    # The file may lack a line end, which `read` calls a failure.
    elif out=$({ IFS= read -r line; printf '%s' "$line"; } 2>&1 < "$file") || [ -r "$file" ]; then put "$name" "$out"
    else unknown "$name" "/etc/tuned/$name cannot be read"; fi
  done
  set --
  for file in "$root"/usr/lib/tuned/*/tuned.conf "$root"/usr/lib/tuned/profiles/*/tuned.conf \
    "$root"/etc/tuned/*/tuned.conf "$root"/etc/tuned/profiles/*/tuned.conf; do
    [ ! -e "$file" ] || set -- "$@" "$file"
  done
  # One line of each file at least, so that it is named.
  put profiles "$(grep -H -E '^[[:space:]]*(\[main\]|include[[:space:]]*=|vm\.swappiness[[:space:]]*=)' /dev/null "$@" 2>/dev/null)"
  list=
  for file in "$@"; do file=${file%/tuned.conf}; list="$list${file##*/}$nl"; done
  put names "$list"
}
"#,
);

static VERIFY: Script = Script::each(
    "drsync_tuned_verify",
    r#"
drsync_tuned_verify() {
  if [ -n "$root" ] && [ ! -x "${DRSYNC_COMMANDS:-/nonexistent}/tuned-adm" ]; then unknown settings "tuned does not run below $root"; return; fi
  out=$(tuned-adm verify 2>&1)
  case $? in
    0) put settings 'as the profile wants them' ;;
    *)
      case $out in
        *'erification failed'*) put settings 'others than the profile wants' ;;
        *) unknown settings "tuned-adm verify: $out" ;;
      esac ;;
  esac
}
"#,
);

/// `drsync_tuned_set PROFILE…`. Where nothing runs (an image), tuned reads the files at its start.
static SET: Script = Script::each(
    "drsync_tuned_set",
    r#"
drsync_tuned_set() {
  if [ -z "$root" ] || [ -x "${DRSYNC_COMMANDS:-/nonexistent}/tuned-adm" ]; then
    out=$(tuned-adm profile "$@" 2>&1) && return
    printf '%s' "$out"
    return 1
  fi
  printf '%s\n' "$*" > "$root/etc/tuned/active_profile" && printf 'manual\n' > "$root/etc/tuned/profile_mode"
}
"#,
);

impl Args {
    /// The profiles, as `/etc/tuned/active_profile` has them.
    fn plain(&self) -> String {
        self.profile.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Kind for OsTuned {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.tuned", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_tuned.rs");

    fn key(_: &Args) -> String {
        "profile".into()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let is_name = |name: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            !name.starts_with(['-', '.']) && name.chars().all(is_part)
        };
        let is_sound = !args.profile.trim().is_empty()
            && args.profile.len() <= 200
            && !args.profile.contains(char::is_control)
            && args.profile.split_whitespace().all(is_name);
        let hint = Some("`tuned-adm list` names those a host has");
        let said = || problem(&["profile"], "this is not the name of a profile of tuned", hint);
        (!is_sound).then(said).into_iter().collect()
    }

    fn ask(args: &Args) -> Vec<Question> {
        let mut questions = vec![
            Question::Probe(&PROBE, vec![]),
            Question::Probe(&SERVICE, vec![Argument::plain("tuned.service")]),
        ];
        questions.extend(args.verify.then(|| Question::Probe(&VERIFY, vec![])));
        questions
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        match replies[0].text("admin") {
            Ok(Some(_)) => {}
            Ok(None) => return Delta::lacking("tuned-adm is not there: install the package tuned"),
            Err(reason) => return Delta::unknown(reason),
        }
        let said = replies[0].text("names").unwrap_or_default().unwrap_or_default();
        let wish = args.plain();
        let unknown = wish.split(' ').find(|name| !said.lines().any(|known| known == *name));
        if let Some(name) = unknown {
            let near = nearest(name, said.lines());
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Delta::lacking(format!(
                "tuned has no profile `{name}` in /usr/lib/tuned or /etc/tuned{near}"
            ));
        }
        let mut delta = Delta::default();
        let active = first_line(&replies[0], "active_profile");
        let note = swappiness(&replies[0], &wish);
        let active = Attribute::new("active", active, Value::text(&wish));
        let note = note.filter(|_| active.differs);
        delta.attributes.push(active.noted(note));
        // Versions before 2.9 do not know the file: there a profile is always set by hand.
        match first_line(&replies[0], "profile_mode") {
            Live::Absent => {}
            live => delta.attributes.push(Attribute::new("mode", live, Value::text("manual"))),
        }
        daemon(&mut delta, &replies[1]);
        if let Some(reply) = replies.get(2) {
            let want = Value::text("as the profile wants them");
            let live = reply.field("settings");
            // What another profile wants does not matter.
            if !delta.attributes[0].differs {
                delta.attributes.push(Attribute::new("settings", live, want));
            }
        }
        delta
    }

    fn steps(args: &Args, _: &Delta, _: &[Reply]) -> Vec<Action> {
        let words = args.profile.split_whitespace().map(Argument::plain).collect();
        vec![Action::Host(&SET, words)]
    }

    fn needs(args: &Args) -> Vec<Link> {
        let mut links = vec![Link::new("os.package", "tuned"), Link::new("os.service", "tuned")];
        for name in args.profile.split_whitespace() {
            links.push(Link::new("os.file", format!("/etc/tuned/{name}/tuned.conf")));
            links.push(Link::new("os.file", format!("/etc/tuned/profiles/{name}/tuned.conf")));
        }
        links
    }
}

fn first_line(reply: &Reply, name: &str) -> Live {
    match reply.text(name) {
        Err(reason) => Live::Unknown(reason),
        Ok(None) => Live::Absent,
        Ok(Some(text)) => match text.split_whitespace().collect::<Vec<_>>().join(" ") {
            words if words.is_empty() => Live::Absent,
            words => Live::Known(Value::text(words)),
        },
    }
}

/// Compares whether the daemon runs, where a system runs at all.
fn daemon(delta: &mut Delta, reply: &Reply) {
    let unit = match reply.text("unit") {
        Ok(text) => Unit::parse(&text.unwrap_or_default()),
        Err(reason) => {
            let live = Live::Unknown(reason);
            delta.attributes.push(Attribute::new("running", live, Value::Bool(true)));
            return;
        }
    };
    if !unit.active.is_empty() {
        let runs = matches!(&*unit.active, "active" | "activating" | "reloading");
        let running = Attribute::new("running", Live::Known(Value::Bool(runs)), Value::Bool(true));
        delta.attributes.push(running);
    }
    if matches!(&*unit.file, "disabled" | "masked" | "masked-runtime") {
        delta.notes.push(format!(
            "tuned.service is {}: the profile will not be applied after the next boot",
            unit.file
        ));
    }
}

/// Returns a remark where the profile, or one it includes, sets `vm.swappiness`.
fn swappiness(reply: &Reply, wish: &str) -> Option<String> {
    let said = reply.text("profiles").ok()??;
    let mut profiles: BTreeMap<&str, Profile<'_>> = BTreeMap::new();
    for line in said.lines() {
        let Some((path, setting)) = line.split_once("/tuned.conf:") else { continue };
        let name = path.rsplit('/').next().unwrap_or(path);
        let profile = profiles.entry(name).or_default();
        match setting.split_once('=') {
            Some((key, value)) if key.trim() == "include" => profile.includes = value.trim(),
            Some((_, value)) => profile.swappiness = Some(value.trim()),
            None => {}
        }
    }
    let found = wish.split(' ').rev().find_map(|name| inherited(&profiles, name, 0))?;
    let (name, value) = found;
    Some(format!("`{name}` sets vm.swappiness to {value}, at every start of tuned"))
}

#[derive(Default)]
struct Profile<'a> {
    includes: &'a str,
    swappiness: Option<&'a str>,
}

fn inherited<'a>(
    profiles: &BTreeMap<&'a str, Profile<'a>>,
    name: &str,
    depth: u8,
) -> Option<(&'a str, &'a str)> {
    let (name, profile) = profiles.get_key_value(name)?;
    if let Some(value) = profile.swappiness {
        return Some((name, value));
    }
    // Profiles may include each other in a circle by mistake.
    let included = profile.includes.split([',', ' ']).map(|one| one.trim().trim_start_matches('-'));
    let mut included = included.filter(|one| !one.is_empty() && depth < 10);
    included.find_map(|one| inherited(profiles, one, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::question::Field;
    use std::sync::Arc;

    #[test]
    fn a_profile_inherits_what_it_includes() {
        let text = "/usr/lib/tuned/virtual-guest/tuned.conf:[main]\n\
                    /usr/lib/tuned/virtual-guest/tuned.conf:vm.swappiness = 30\n\
                    /etc/tuned/cdp/tuned.conf:[main]\n\
                    /etc/tuned/cdp/tuned.conf:include=virtual-guest\n\
                    /etc/tuned/a/tuned.conf:include=a";
        let live = Live::Known(Value::text(text));
        let reply = Reply::Fields(Arc::new(vec![Field { name: "profiles".into(), live }]));
        let said = swappiness(&reply, "cdp").unwrap();
        assert_eq!(said, "`virtual-guest` sets vm.swappiness to 30, at every start of tuned");
        assert_eq!(swappiness(&reply, "a"), None);
    }
}
