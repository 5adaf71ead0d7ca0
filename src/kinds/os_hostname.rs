//! `os.hostname`: the name of a host, now and after the next boot.
//!
//! Cloudera wants the full name, in lower case. Where cloud-init gives the host its name at every
//! boot, the plan says so: `preserve_hostname: true` in its configuration stops that.
//!
//! ```yaml
//! - name: Full name
//!   os.hostname: { name: "{{ inventory_hostname }}" }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::{Kind, problem};
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
    /// The name, usually the full one: `dn01.example.com`.
    name: String,
}

static PROBE: Script = Script::each(
    "drsync_hostname",
    r#"
drsync_hostname() {
  if [ -z "$root" ]; then put runtime "$(uname -n)"
  elif [ -r "$root/proc/sys/kernel/hostname" ]; then put runtime "$(cat "$root/proc/sys/kernel/hostname")"
  else absent runtime; fi
  path=$root/etc/hostname found=
  if [ -f "$path" ]; then
    while IFS= read -r out || [ -n "$out" ]; do
      case $out in ''|'#'*) ;; *) found=$out; break ;; esac
    done < "$path" && put boot "$found" || unknown boot '/etc/hostname cannot be read'
  elif out=$(ls -d -- "$path" 2>&1); then unknown boot '/etc/hostname is not a file'
  else
    case $out in *': No such file or directory') absent boot ;; *) unknown boot "$out" ;; esac
  fi
  if [ -f "$root/etc/cloud/cloud.cfg" ] && ! grep -qsE '^preserve_hostname:[ \t]*true' "$root/etc/cloud/cloud.cfg" "$root"/etc/cloud/cloud.cfg.d/*.cfg
  then put cloud sets; else absent cloud; fi
}
"#,
);

/// `drsync_hostname_set runtime|boot NAME`.
static SET: Script = Script::each(
    "drsync_hostname_set",
    r#"
drsync_hostname_set() {
  if [ "$1" = boot ]; then
    new=$root/etc/.hostname.drsync.$$
    rm -f -- "$new"
    printf '%s\n' "$2" > "$new" && mv -f -T -- "$new" "$root/etc/hostname" || { rm -f -- "$new"; return 1; }
  elif [ -n "$root" ]; then printf '%s\n' "$2" > "$root/proc/sys/kernel/hostname"
  elif command -v hostname >/dev/null 2>&1; then hostname "$2"
  else printf '%s\n' "$2" > /proc/sys/kernel/hostname; fi
}
"#,
);

impl Kind for OsHostname {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.hostname", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_hostname.rs");

    fn key(_: &Args) -> String {
        "host".into()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let name = &args.name;
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let shown: String = name.chars().take(60).collect();
        // 64: HOST_NAME_MAX of Linux.
        if name.len() > 64 || !name.split('.').all(is_label) {
            let hint = "at most 64 letters, digits and hyphens, in parts separated by dots";
            return vec![problem(&["name"], format!("`{shown}` is not a host name"), Some(hint))];
        }
        if name.chars().any(|c| c.is_ascii_uppercase()) {
            let hint = format!("write `{}`", name.to_lowercase());
            let said = format!("`{shown}` has capitals, which Cloudera Manager does not take");
            return vec![problem(&["name"], said, Some(&hint))];
        }
        Vec::new()
    }

    fn ask(_: &Args) -> Vec<Question> {
        vec![Question::Probe(&PROBE, Vec::new())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let want = Value::text(&args.name);
        let mut delta = Delta::default();
        match replies[0].field("runtime") {
            // An image does not run.
            Live::Absent => {}
            live => delta.attributes.push(Attribute::new("runtime", live, want.clone())),
        }
        let boot = Attribute::new("boot", replies[0].field("boot"), want);
        delta.attributes.push(boot);
        if matches!(replies[0].field("cloud"), Live::Known(_)) {
            let said = "cloud-init sets the name at every boot; `preserve_hostname: true` in \
                        /etc/cloud/cloud.cfg stops that";
            delta.notes.push(said.into());
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, _: &[Reply]) -> Vec<Action> {
        let step =
            |name: &str| Action::Host(&SET, [name, &args.name].map(Argument::plain).to_vec());
        delta.differing().map(|attribute| step(&attribute.name)).collect()
    }
}
