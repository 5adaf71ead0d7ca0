//! `os.selinux`: whether SELinux forbids, only reports, or is off, now and after the next boot.
//!
//! Parameters follow Ansible's `selinux`. A running kernel cannot be taken out of `disabled` or put
//! into it: then only the next boot is changed (`boot`), and the plan says that a reboot is due. A
//! kernel argument (`selinux=0`, `enforcing=0`) beats the file; `os.kernel_arg` changes those. From
//! RHEL 9 on `disabled` in the file leaves SELinux in the kernel, without a policy: the kernel
//! argument `selinux=0` takes it out.
//!
//! A system without SELinux counts as `disabled`; any other wish is refused there.
//!
//! ```yaml
//! - name: SELinux reports only
//!   os.selinux: { state: permissive, policy: targeted }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::edit::{self, Edit, Present};
use super::shared::file::path_problem;
use super::{Claim, Kind, Link, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// SELinux.
pub struct OsSelinux;

/// Whether SELinux forbids, only reports, or is off, now and after the next boot.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// `enforcing`, `permissive` or `disabled`.
    state: State,
    /// The policy, e.g. `targeted`; needed unless it is off.
    policy: Option<String>,
    /// The file that keeps it for the next boot.
    #[serde(default = "config")]
    configfile: String,
}

fn config() -> String {
    "/etc/selinux/config".into()
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    Enforcing,
    Permissive,
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

    fn parse(word: &str) -> Option<State> {
        let all = [State::Enforcing, State::Permissive, State::Disabled];
        all.into_iter().find(|state| state.word() == word.to_ascii_lowercase())
    }
}

/// `drsync_selinux POLICY`: no forks.
static PROBE: Script = Script::each(
    "drsync_selinux",
    r#"
drsync_selinux() {
  path=$root/sys/fs/selinux/enforce line=
  if [ -e "$path" ]; then
    # The file has no line end.
    { IFS= read -r line < "$path"; } 2>/dev/null || :
    case $line in
      0|1) put enforce "$line" ;;
      *) unknown enforce '/sys/fs/selinux/enforce cannot be read' ;;
    esac
  elif [ -z "$root" ] && [ ! -d /sys/kernel ]; then unknown enforce '/sys is not mounted'
  else absent enforce; fi
  if [ -r "$root/proc/cmdline" ] && IFS= read -r line < "$root/proc/cmdline"; then put cmdline "$line"; else absent cmdline; fi
  if [ -z "$1" ] || [ -d "$root/etc/selinux/$1" ]; then put policy yes; else absent policy; fi
  release=
  if [ -r "$root/etc/os-release" ]; then
    while IFS= read -r line; do
      case $line in ID=*|ID_LIKE=*|VERSION_ID=*) release="$release$line$nl" ;; esac
    done < "$root/etc/os-release"
  fi
  put release "$release"
}
"#,
);

static SET: Script = Script::each(
    "drsync_selinux_set",
    r#"
drsync_selinux_set() { printf '%s' "$1" | cat > "$root/sys/fs/selinux/enforce"; }
"#,
);

impl Args {
    fn edit(&self) -> Edit<'_> {
        Edit { create: self.state == State::Disabled, ..Edit::of(&self.configfile) }
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
            path_problem("configfile", &args.configfile).into_iter().collect();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let is_policy = |name: &String| {
            !name.is_empty()
                && name.len() <= 64
                && !name.starts_with(['.', '-'])
                && name.chars().all(is_part)
        };
        match &args.policy {
            None if args.state != State::Disabled => {
                problems.push(problem(&["state"], "`policy` is needed", Some("e.g. `targeted`")));
            }
            Some(policy) if !is_policy(policy) => {
                problems.push(problem(&["policy"], "not the name of a policy", None));
            }
            _ => {}
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let policy = args.policy.as_deref().unwrap_or_default();
        vec![Question::Probe(&PROBE, vec![Argument::plain(policy)]), args.edit().ask()]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let live = match replies[0].text("enforce") {
            Ok(Some(text)) if &*text == "1" => State::Enforcing,
            Ok(Some(_)) => State::Permissive,
            Ok(None) => State::Disabled,
            Err(reason) => return Delta::unknown(reason),
        };
        let present = match args.edit().read(&replies[1]) {
            Ok(present) => present,
            Err(delta) if delta.is_curable => {
                let said = format!("this system has no SELinux: there is no {}", args.configfile);
                return Delta::lacking(said);
            }
            Err(delta) => return delta,
        };
        let mut delta = Delta::default();
        delta.attributes.push(runtime(args, live, &replies[0]));
        if live == State::Disabled && present.stat.is_none() {
            return delta;
        }
        boot(args, &present, &replies[0], &mut delta);
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let mut actions = Vec::new();
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        if differs("runtime") {
            let word = if args.state == State::Enforcing { "1" } else { "0" };
            actions.push(Action::Host(&SET, vec![Argument::plain(word)]));
        }
        if (differs("boot") || differs("policy"))
            && let Ok(present) = args.edit().read(&replies[1])
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
        let packages = args.policy.iter().flat_map(|policy| {
            [format!("selinux-policy-{policy}"), "selinux-policy-default".to_string()]
        });
        let packages = packages.map(|name| Link::new("os.package", name));
        args.edit().needs().into_iter().chain(packages).collect()
    }

    fn claims(args: &Args) -> Option<Claim> {
        Some(args.edit().claim())
    }
}

/// Compares now. What only a reboot can bring about is told, not tried.
fn runtime(args: &Args, live: State, reply: &Reply) -> Attribute {
    let before = Live::Known(Value::text(live.word()));
    let mut runtime = Attribute::new("runtime", before, Value::text(args.state.word()));
    let is_apart = (live == State::Disabled) != (args.state == State::Disabled);
    if is_apart {
        runtime.differs = false;
        runtime.note = Some(match args.state {
            State::Disabled if stays_in_kernel(reply) => {
                "a reboot is due; the kernel argument selinux=0 takes it out of the kernel".into()
            }
            State::Disabled => "a reboot is due".into(),
            _ => "a reboot is due, with all files labelled anew (`fixfiles -F onboot`)".into(),
        });
    }
    runtime
}

/// True from RHEL 9 on, where the file no longer takes SELinux out of the kernel.
fn stays_in_kernel(reply: &Reply) -> bool {
    let release = reply.text("release").ok().flatten().unwrap_or_default();
    let value = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_string()
    };
    let major = value("VERSION_ID").split('.').next().and_then(|major| major.parse::<u32>().ok());
    let is_rhel = format!("{} {}", value("ID"), value("ID_LIKE")).contains("rhel");
    is_rhel && major.is_some_and(|major| major >= 9)
}

/// Compares the next boot: a kernel argument beats the file.
fn boot(args: &Args, present: &Present, reply: &Reply, delta: &mut Delta) {
    let file = value(&present.text, "SELINUX");
    let state = file.as_deref().and_then(State::parse);
    let before = match (&file, state) {
        (_, Some(state)) => Live::Known(Value::text(state.word())),
        (Some(text), None) => Live::Known(Value::text(text)),
        (None, None) => Live::Absent,
    };
    delta.attributes.push(Attribute::new("boot", before, Value::text(args.state.word())));
    if let Some(policy) = &args.policy {
        let live = value(&present.text, "SELINUXTYPE");
        let live = live.map_or(Live::Absent, |live| Live::Known(Value::text(live)));
        delta.attributes.push(Attribute::new("policy", live, Value::text(policy)));
        if args.state != State::Disabled && matches!(reply.field("policy"), Live::Absent) {
            delta.refused = Some(format!("the policy {policy} is not installed"));
            delta.is_curable = true;
        }
    }
    let cmdline = reply.text("cmdline").ok().flatten().unwrap_or_default();
    let argument = |name: &str| {
        let words = cmdline.split_whitespace().rev();
        words.filter_map(|word| word.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v)
    };
    let beaten = match (argument("selinux"), argument("enforcing"), args.state) {
        (Some("0"), _, State::Enforcing | State::Permissive) => Some("selinux=0"),
        (_, Some("0"), State::Enforcing) => Some("enforcing=0"),
        (_, Some("1"), State::Permissive) => Some("enforcing=1"),
        _ => None,
    };
    if let Some(argument) = beaten {
        delta.refused = Some(format!(
            "the kernel argument {argument} beats the file: take it away with os.kernel_arg and \
             reboot"
        ));
    }
}

/// Returns what the file sets `name` to; the last line counts.
fn value(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().rev();
    let mut values = lines.filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    values.next().map(|value| value.trim().to_string())
}

/// Returns the text with `name` set to `value`, once.
fn with(text: &str, name: &str, value: &str) -> String {
    let is_it =
        |line: &str| line.trim().strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
    let mut is_due = true;
    let mut new = String::with_capacity(text.len() + 32);
    for line in edit::lines(text) {
        if !is_it(line) {
            new.push_str(line);
        } else if std::mem::take(&mut is_due) {
            new.push_str(&format!("{name}={value}\n"));
        }
    }
    if is_due {
        edit::append(&mut new, &format!("{name}={value}"));
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_keeps_its_comments() {
        let text = "# SELINUX= can be\nSELINUX=enforcing\nSELINUXTYPE=targeted\nSELINUX=disabled";
        assert_eq!(value(text, "SELINUX").as_deref(), Some("disabled"));
        let new = with(text, "SELINUX", "permissive");
        assert_eq!(new, "# SELINUX= can be\nSELINUX=permissive\nSELINUXTYPE=targeted\n");
        assert_eq!(with("", "SELINUX", "disabled"), "SELINUX=disabled\n");
    }
}
