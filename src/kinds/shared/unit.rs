//! Looking at systemd units, many at a time, and changing them.

use crate::model::question::Script;

/// Sets of NUMBER UNIT: what systemd says of units. One `systemctl show` sees all of them.
///
/// Under a `root` without a running system (an image, a chroot) only the enablement can be read,
/// and so it is for a template without an instance.
pub static SERVICE: Script = Script::together(
    "drsync_service",
    r#"
drsync_service() {
  units=
  if ! command -v systemctl >/dev/null 2>&1; then mode=none
  elif [ -n "${DRSYNC_SANDBOX_ROOT-}" ] || { [ -z "$root" ] && [ -d /run/systemd/system ]; }; then
    mode=live
    drsync_service_list "$@"
    shown=$(IFS=$nl; set -f; drsync_service_show $units) || mode=single
    # A unit that systemd cannot tell of has no block at all: then each is asked alone.
    rest="$shown$nl$nl" blocks=0
    while [ -n "${rest%"$nl"}" ]; do rest=${rest#*"$nl$nl"} blocks=$((blocks + 1)); done
    [ -z "$units" ] || [ $blocks = $count ] || mode=single
  else mode=image; fi
  while [ $# -gt 0 ]; do
    n=$1
    case $mode$2 in
      none*) unknown unit 'systemctl is not there' ;;
      image*|*@|*@.*) drsync_service_enabled "$2" ;;
      single*) if out=$(drsync_service_show "$2"); then put unit "$out"; else unknown unit "systemctl show: $out"; fi ;;
      *) put unit "${shown%%"$nl$nl"*}"; shown=${shown#*"$nl$nl"} ;;
    esac
    finish
    shift 2
  done
}
drsync_service_list() {
  count=0
  while [ $# -gt 0 ]; do
    case $2 in *@|*@.*) ;; *) units="$units$2$nl" count=$((count + 1)) ;; esac
    shift 2
  done
}
drsync_service_show() {
  [ $# -gt 0 ] || return 0
  systemctl show -p Id -p LoadState -p ActiveState -p SubState -p UnitFileState -p NeedDaemonReload -- "$@" 2>&1
}
drsync_service_enabled() {
  out=$(systemctl ${root:+--root="$root"} is-enabled -- "$1" 2>&1)
  case $out in
    enabled*|disabled|static|masked*|indirect|linked*|generated|alias|transient)
      put unit "LoadState=loaded
UnitFileState=$out" ;;
    *'No such file'*|*not-found*|*'does not exist'*) put unit 'LoadState=not-found' ;;
    *) unknown unit "systemctl is-enabled: $out" ;;
  esac
}
"#,
);

/// `drsync_unit UNIT VERB [SETTLE]`: enable, disable, start, stop, mask or unmask a unit, or
/// `daemon-reload` alone.
///
/// systemd reads its files anew first. What was started is looked at again once it had SETTLE
/// seconds (2) to die.
pub static UNIT: Script = Script::each(
    "drsync_unit",
    r#"
drsync_unit() {
  unit=$1 verb=$2 settle=${3:-2}
  if [ -n "$root" ] && [ -z "${DRSYNC_SANDBOX_ROOT-}" ]; then
    [ "$verb" = daemon-reload ] || systemctl --root="$root" "$verb" -- "$unit"
    return
  fi
  if [ -n "${DRSYNC_SANDBOX_ROOT-}" ] || [ -d /run/systemd/system ]; then systemctl daemon-reload || return; fi
  case $verb in
    daemon-reload) ;;
    start) drsync_unit_start ;;
    unmask)
      systemctl unmask -- "$unit" || return
      case $(systemctl is-enabled -- "$unit" 2>/dev/null) in
        masked-runtime) systemctl unmask --runtime -- "$unit" ;;
      esac ;;
    *) systemctl "$verb" -- "$unit" ;;
  esac
}
drsync_unit_start() {
  if [ -n "${DRSYNC_SANDBOX_ROOT-}" ]; then systemctl start -- "$unit"; return; fi
  begin=$(date +%s)
  drsync_unit_look
  # One that failed too often would not be started again.
  [ "$active" != failed ] || systemctl reset-failed -- "$unit" 2>/dev/null
  if ! said=$(systemctl start -- "$unit" 2>&1); then
    drsync_unit_look
    drsync_unit_tell "${said%%"$nl"*}"
    return 1
  fi
  left=60
  drsync_unit_look
  while [ "$active:$sub" != "activating:auto-restart" ] && [ $left -gt 0 ]; do
    case $active in activating|deactivating) sleep 1 ;; *) break ;; esac
    left=$((left - 1))
    drsync_unit_look
  done
  before=$restarts
  sleep "$settle"
  drsync_unit_look
  case $active:$result in
    active:*|reloading:*) [ "$restarts" = "$before" ] || { drsync_unit_tell "it died and was restarted within $settle s"; return 1; } ;;
    inactive:success) drsync_unit_tell 'it ran to its end: a oneshot stays started only with RemainAfterExit=yes'; return 1 ;;
    *) drsync_unit_tell "it is $active ($sub${result:+, $result}) after its start"; return 1 ;;
  esac
}
drsync_unit_look() {
  active= sub= restarts= result=
  while IFS='=' read -r key value; do
    case $key in
      ActiveState) active=$value ;;
      SubState) sub=$value ;;
      NRestarts) restarts=$value ;;
      Result) result=$value ;;
    esac
  done <<DRSYNC
$(systemctl show -p ActiveState -p SubState -p NRestarts -p Result -- "$unit")
DRSYNC
}
# A few lines only: what a service writes to its log may be more than should be shown.
drsync_unit_tell() {
  printf '%s' "$1"
  journalctl -q -u "$unit" --since "@$begin" -n 5 -o cat --no-pager 2>/dev/null | cut -c 1-200 |
    while IFS= read -r line; do printf '\n    %s' "$line"; done
}
"#,
);

/// `drsync_dropin_folder FOLDER`: makes the folder of a unit's drop-ins.
pub static FOLDER: Script = Script::each(
    "drsync_dropin_folder",
    "\ndrsync_dropin_folder() { [ -d \"$root$1\" ] || mkdir -p -- \"$root$1\"; }\n",
);

/// What systemd says of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its own name, where it was asked for by an alias; empty when it is not told.
    pub id: String,
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// `active`, `inactive`, `failed`, …; empty when it cannot be known.
    pub active: String,
    /// `running`, `exited`, `auto-restart`, …
    pub sub: String,
    /// `enabled`, `disabled`, `static`, …
    pub file: String,
    /// True when its files changed since systemd read them.
    pub needs_reload: bool,
}

impl Unit {
    /// Reads the properties `systemctl show` printed.
    pub fn parse(text: &str) -> Unit {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().trim().to_string()
        };
        Unit {
            id: value("Id"),
            load: value("LoadState"),
            active: value("ActiveState"),
            sub: value("SubState"),
            file: value("UnitFileState"),
            needs_reload: value("NeedDaemonReload") == "yes",
        }
    }

    /// True when systemd does not know the unit.
    pub fn is_missing(&self) -> bool {
        self.load == "not-found"
    }

    /// True when nothing can start it.
    pub fn is_masked(&self) -> bool {
        self.file.starts_with("masked") || self.load == "masked"
    }
}

/// Returns the whole name of a unit: what has no other ending is a service (systemctl(1)).
pub fn full_name(name: &str) -> String {
    const SORTS: [&str; 11] = [
        "service",
        "socket",
        "device",
        "mount",
        "automount",
        "swap",
        "target",
        "path",
        "timer",
        "slice",
        "scope",
    ];
    match name.rsplit_once('.') {
        Some((_, sort)) if SORTS.contains(&sort) => name.to_string(),
        _ => format!("{name}.service"),
    }
}
