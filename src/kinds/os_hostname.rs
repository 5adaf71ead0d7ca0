//! `os.hostname`: the name of a host, now (`runtime`) and after the next boot (`boot`).
//!
//! Parameters follow Ansible's `hostname`. Cloudera Manager wants the full name, in lower case. Where
//! cloud-init would give the host its own name again at the next boot, `preserve_hostname` is set
//! for it.
//!
//! ```yaml
//! - name: Full name of each host
//!   os.hostname: { name: worker-01.example.com }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::edit::Edit;
use super::{Claim, Kind, Link, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// The name of a host.
pub struct OsHostname;

/// The name of a host, now and after the next boot.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The name: the full one, in lower case.
    name: String,
}

const FILE: &str = "/etc/hostname";

/// No fork, but one where there is cloud-init.
static PROBE: Script = Script::each(
    "drsync_hostname",
    r#"
drsync_hostname() {
  path=$root/proc/sys/kernel/hostname
  if { IFS= read -r line < "$path"; } 2>/dev/null; then put runtime "$line"
  elif [ -n "$root" ] && [ ! -e "$path" ]; then unknown runtime 'only a running system has a name'
  else unknown runtime '/proc/sys/kernel/hostname cannot be read'; fi
  set --
  if [ ! -e "$root/etc/cloud/cloud-init.disabled" ]; then
    for file in "$root"/etc/cloud/cloud.cfg "$root"/etc/cloud/cloud.cfg.d/*.cfg; do
      [ ! -f "$file" ] || set -- "$@" "$file"
    done
  fi
  if [ $# = 0 ]; then absent cloud; return; fi
  out=$(grep -h '^[[:blank:]]*preserve_hostname' /dev/null "$@" 2>&1)
  if [ $? -le 1 ]; then put cloud "$out"; else unknown cloud "$out"; fi
}
"#,
);

static SET: Script = Script::each(
    "drsync_hostname_set",
    r#"
drsync_hostname_set() {
  # A folder that stands for a host must not rename the one it is on.
  if [ -z "$root" ] && command -v hostname >/dev/null; then hostname "$1"; return; fi
  printf '%s\n' "$1" | cat > "$root/proc/sys/kernel/hostname"
}
"#,
);

static PRESERVE: Script = Script::each(
    "drsync_hostname_preserve",
    r#"
drsync_hostname_preserve() {
  folder=$root/etc/cloud/cloud.cfg.d
  mkdir -p -- "$folder" || return
  printf '# Kept by drsync.\npreserve_hostname: true\n' | cat > "$folder/.99-drsync-hostname.new" &&
    mv -f -T -- "$folder/.99-drsync-hostname.new" "$folder/99-zz-drsync-hostname.cfg"
}
"#,
);

impl Args {
    fn edit(&self) -> Edit<'_> {
        Edit { create: true, ..Edit::of(FILE) }
    }
}

impl Kind for OsHostname {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.hostname", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_hostname.rs");

    fn key(_: &Args) -> String {
        "host".into()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let name = &args.name;
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(is_part)
        };
        let said = match () {
            () if name.len() > 64 => "the kernel takes no name of more than 64 characters".into(),
            () if !name.split('.').all(is_label) => {
                let shown: String = name.chars().take(64).collect();
                format!("`{shown}` is not the name of a host")
            }
            () if name.contains(|c: char| c.is_ascii_uppercase()) => {
                "Cloudera Manager and Kerberos want it in lower case".into()
            }
            () => return Vec::new(),
        };
        vec![problem(&["name"], said, Some("letters, digits, `-` and dots: `dn-01.example.com`"))]
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Probe(&PROBE, vec![]), args.edit().ask()]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let present = match args.edit().read(&replies[1]) {
            Ok(present) => present,
            Err(delta) => return delta,
        };
        let want = Value::text(&args.name);
        let mut delta = Delta::default();
        delta.attributes.push(Attribute::new("runtime", replies[0].field("runtime"), want.clone()));
        // hostname(5): comments and empty lines do not count.
        let mut lines = present.text.lines().map(str::trim);
        let name = lines.rfind(|line| !line.is_empty() && !line.starts_with('#'));
        let live = name.map_or(Live::Absent, |name| Live::Known(Value::text(name)));
        delta.attributes.push(Attribute::new("boot", live, want));
        delta.attributes.extend(cloud(&replies[0]));
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let mut actions = Vec::new();
        for attribute in delta.differing() {
            match &*attribute.name {
                "runtime" => {
                    actions.push(Action::Host(&SET, vec![Argument::plain(&args.name)]));
                }
                "boot" => {
                    let present = args.edit().read(&replies[1]);
                    let text = format!("{}\n", args.name);
                    actions.extend(present.iter().flat_map(|p| args.edit().write(p, &text, false)));
                }
                _ => actions.push(Action::Host(&PRESERVE, vec![])),
            }
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

/// Returns whether cloud-init leaves the name alone; `None` where there is no cloud-init.
fn cloud(reply: &Reply) -> Option<Attribute> {
    let live = match reply.text("cloud") {
        Ok(None) => return None,
        Ok(Some(text)) => {
            let value = text.lines().next_back().and_then(|line| line.split_once(':'));
            let word = value.map(|(_, value)| value.split('#').next().unwrap_or_default().trim());
            let is_set = word.is_some_and(|word| {
                matches!(word.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1")
            });
            Live::Known(Value::Bool(is_set))
        }
        Err(reason) => Live::Unknown(reason),
    };
    let note = "otherwise cloud-init names the host anew at boot".to_string();
    Some(Attribute::new("preserve_hostname", live, Value::Bool(true)).noted(note))
}
