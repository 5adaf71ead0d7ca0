//! `os.selinux`: the state of SELinux, now and after the next boot.
//!
//! Parameters follow Ansible's `selinux`. To or from `disabled` only a boot leads: until then the
//! running system is made permissive, and the plan says that a reboot is pending. From Red Hat 9 on
//! `SELINUX=disabled` in the file leaves SELinux loaded with no policy; the kernel argument
//! `selinux=0` (`os.kernel_arg`) is what disables it. A host without SELinux counts as `disabled`;
//! any other wish is refused there.
//!
//! ```yaml
//! - name: SELinux only reports
//!   os.selinux: { state: permissive, policy: targeted }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::edit::{self, Edit};
use super::shared::file;
use super::{Claim, Kind, Link, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// The state of SELinux.
pub struct OsSelinux;

/// The state of SELinux, now and after the next boot.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What it should do.
    state: State,
    /// The policy to load at boot, e.g. `targeted`.
    policy: Option<String>,
    /// The file that keeps both for the next boot.
    #[serde(default = "file_of_selinux")]
    configfile: String,
}

fn file_of_selinux() -> String {
    "/etc/selinux/config".into()
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Deny what the policy does not allow.
    Enforcing,
    /// Only report it.
    Permissive,
    /// Nothing at all.
    Disabled,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Enforcing => "enforcing",
            State::Permissive => "permissive",
            State::Disabled => "disabled",
        }
    }
}

static PROBE: Script = Script::each(
    "drsync_selinux",
    r#"
drsync_selinux() {
  path=$root/sys/fs/selinux/enforce
  if [ -e "$path" ]; then
    if out=$(cat "$path" 2>&1); then put enforce "$out"; else unknown enforce "$out"; fi
  else absent enforce; fi
  out=
  if [ -r "$root/proc/cmdline" ] && IFS= read -r out < "$root/proc/cmdline"; then put cmdline "$out"; else absent cmdline; fi
}
"#,
);

static SET: Script = Script::each(
    "drsync_selinux_set",
    "\ndrsync_selinux_set() { printf '%s\\n' \"$1\" > \"$root/sys/fs/selinux/enforce\"; }\n",
);

impl Args {
    fn edit(&self) -> Edit<'_> {
        Edit::of(&self.configfile)
    }
}

impl Kind for OsSelinux {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.selinux", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_selinux.rs");

    fn key(_: &Args) -> String {
        "host".into()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems: Vec<Problem> =
            file::path_problem("configfile", &args.configfile).into_iter().collect();
        let is_name = |name: &str| {
            (1..=64).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        if args.policy.as_deref().is_some_and(|policy| !is_name(policy)) {
            let said = "not the name of a policy";
            problems.push(problem(&["policy"], said, Some("`targeted` is the usual one")));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Probe(&PROBE, Vec::new()), args.edit().ask()]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let live = match replies[0].text("enforce") {
            Ok(None) => State::Disabled,
            Ok(Some(text)) if &*text == "0" => State::Permissive,
            Ok(Some(_)) => State::Enforcing,
            Err(reason) => return Delta::unknown(reason),
        };
        let present = match args.edit().read(&replies[1]) {
            Ok(present) => present,
            Err(missing) if missing.is_curable => return without(args, live),
            Err(delta) => return delta,
        };
        let mut delta = Delta::default();
        runtime(args.state, live, &mut delta);
        let kept = |name: &str| match setting(&present.text, name) {
            Some(value) => Live::Known(Value::text(value.to_lowercase())),
            None => Live::Absent,
        };
        let word = Value::text(args.state.word());
        delta.attributes.push(Attribute::new("boot", kept("SELINUX"), word));
        if let Some(policy) = &args.policy {
            let live = kept("SELINUXTYPE");
            delta.attributes.push(Attribute::new(
                "policy",
                live,
                Value::text(policy.to_lowercase()),
            ));
        }
        if args.state != State::Disabled && boots_without(&replies[0]) {
            delta.notes.push("the kernel argument selinux=0 disables it all the same".into());
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let mut actions = Vec::new();
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        if differs("runtime") {
            let value = if args.state == State::Enforcing { "1" } else { "0" };
            actions.push(Action::Host(&SET, vec![Argument::plain(value)]));
        }
        if let (true, Ok(present)) =
            (differs("boot") || differs("policy"), args.edit().read(&replies[1]))
        {
            let mut text = with(&present.text, "SELINUX", args.state.word());
            if let Some(policy) = &args.policy {
                text = with(&text, "SELINUXTYPE", policy);
            }
            actions.extend(args.edit().write(&present, &text, false));
        }
        actions
    }

    fn needs(args: &Args) -> Vec<Link> {
        args.edit().needs()
    }

    fn claims(args: &Args) -> Option<Claim> {
        Some(args.edit().claim())
    }
}

/// The host has no file of SELinux: it has no SELinux.
fn without(args: &Args, live: State) -> Delta {
    if args.state != State::Disabled || live != State::Disabled {
        return Delta::lacking(format!(
            "the host has no SELinux: there is no {} (package selinux-policy)",
            args.configfile
        ));
    }
    let word = Value::text(State::Disabled.word());
    let attribute =
        |name: &'static str| Attribute::new(name, Live::Known(word.clone()), word.clone());
    Delta { attributes: vec![attribute("runtime"), attribute("boot")], ..Delta::default() }
}

/// Compares what runs; where only a boot leads, that is a note, not a difference.
fn runtime(want: State, live: State, delta: &mut Delta) {
    let reboot = "a reboot is pending: only a boot leads to or from disabled";
    let reachable = match (want, live) {
        (State::Disabled, State::Disabled) => State::Disabled,
        (State::Disabled, _) => {
            delta.notes.push(reboot.into());
            State::Permissive
        }
        (_, State::Disabled) => {
            delta.notes.push(reboot.into());
            State::Disabled
        }
        (want, _) => want,
    };
    let live = Live::Known(Value::text(live.word()));
    delta.attributes.push(Attribute::new("runtime", live, Value::text(reachable.word())));
}

fn boots_without(reply: &Reply) -> bool {
    let cmdline = reply.text("cmdline").ok().flatten().unwrap_or_default();
    cmdline.split_whitespace().any(|word| word == "selinux=0")
}

/// Returns the value a setting has in the file; the last one counts.
fn setting<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().rev().find_map(|line| value_of(line, name))
}

fn value_of<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    Some(line.trim().strip_prefix(name)?.trim_start().strip_prefix('=')?.trim())
}

/// Returns the text with the setting; every line that sets it is replaced.
fn with(text: &str, name: &str, value: &str) -> String {
    let mut new = String::with_capacity(text.len());
    let mut done = false;
    for line in edit::lines(text) {
        match value_of(line, name) {
            None => new.push_str(line),
            Some(_) if done => {}
            Some(_) => {
                let bare = edit::bare(line);
                new.push_str(&format!("{name}={value}{}", &line[bare.len()..]));
                done = true;
            }
        }
    }
    if !done {
        edit::append(&mut new, &format!("{name}={value}"));
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_replaced_where_they_stand() {
        let text = "# SELINUX= can be\nSELINUX=enforcing\nSELINUXTYPE=targeted";
        assert_eq!(setting(text, "SELINUX"), Some("enforcing"));
        let new = with(text, "SELINUX", "permissive");
        assert_eq!(new, "# SELINUX= can be\nSELINUX=permissive\nSELINUXTYPE=targeted");
        assert_eq!(with("", "SELINUXTYPE", "mls"), "SELINUXTYPE=mls\n");
    }
}
