//! Looking at systemd units, and changing them.

use crate::model::question::Script;

/// `drsync_service UNIT`: what systemd says of a unit.
///
/// Under a `root` without a running system (an image, a chroot) only the enablement can be read.
pub static SERVICE: Script = Script::each(
    "drsync_service",
    r#"
drsync_service() {
  if ! command -v systemctl >/dev/null 2>&1; then
    unknown unit 'systemctl is not there'
  elif [ -n "${DRSYNC_SANDBOX_ROOT-}" ] || { [ -z "$root" ] && [ -d /run/systemd/system ]; }; then
    if out=$(systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -p NeedDaemonReload "$1" 2>&1)
    then put unit "$out"; else unknown unit "systemctl show: $out"; fi
  else
    out=$(systemctl ${root:+--root="$root"} is-enabled "$1" 2>&1)
    case $out in
      enabled*|disabled|static|masked*|indirect|linked*|generated|alias|transient)
        put unit "LoadState=loaded
UnitFileState=$out" ;;
      *'No such file'*|*not-found*|*'does not exist'*) put unit 'LoadState=not-found' ;;
      *) unknown unit "systemctl is-enabled: $out" ;;
    esac
  fi
}
"#,
);

/// `drsync_unit UNIT VERB`: enable, disable, start, stop, mask or unmask a unit.
pub static UNIT: Script = Script::each(
    "drsync_unit",
    r#"
drsync_unit() {
  if [ -n "$root" ] && [ -z "${DRSYNC_SANDBOX_ROOT-}" ]; then
    systemctl --root="$root" "$2" "$1"
    return
  fi
  if [ -n "${DRSYNC_SANDBOX_ROOT-}" ] || [ -d /run/systemd/system ]; then systemctl daemon-reload || return; fi
  systemctl "$2" "$1" || return
  if [ "$2" = start ]; then
    [ -n "${DRSYNC_SANDBOX_ROOT-}" ] || sleep 1
    state=$(systemctl is-active "$1")
    case $state in
      active|activating|reloading) ;;
      *) printf 'the unit is %s right after its start' "$state"; return 1 ;;
    esac
  fi
}
"#,
);

/// What systemd says of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// `active`, `inactive`, `failed`, …; empty when it cannot be known.
    pub active: String,
    /// `enabled`, `disabled`, `static`, …
    pub file: String,
}

impl Unit {
    /// Reads the properties `systemctl show` printed.
    pub fn parse(text: &str) -> Unit {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().trim().to_string()
        };
        Unit {
            load: value("LoadState"),
            active: value("ActiveState"),
            file: value("UnitFileState"),
        }
    }

    /// True when systemd does not know the unit.
    pub fn is_missing(&self) -> bool {
        self.load == "not-found"
    }
}
