
# systemctl: units are files in .sandbox/units, known also by a unit file in the tree.
units=$root/.sandbox/units
stamp=$root/.sandbox/daemon-reload

# Reads the state of unit $1 into variables.
look() {
  case $1 in
    *.service|*.socket|*.timer|*.target|*.path|*.mount|*.slice) full=$1 ;;
    *) full=$1.service ;;
  esac
  short=${full%.service}
  known=0 enabled=false active=false masked=false fragment= pid=0
  if [ -f "$units/$short" ]; then
    while IFS='=' read -r key value; do
      case $key in
        known) known=$value ;;
        enabled) enabled=$value ;;
        active) active=$value ;;
        masked) masked=$value ;;
        pid) pid=$value ;;
      esac
    done < "$units/$short"
  fi
  for folder in /etc/systemd/system /run/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
    if [ -f "$root$folder/$full" ]; then
      fragment=$folder/$full
      known=1
      break
    fi
  done
  [ "$masked" = false ] || fragment=/etc/systemd/system/$full
}

store() {
  printf 'known=1\nenabled=%s\nactive=%s\nmasked=%s\npid=%s\n' \
    "$enabled" "$active" "$masked" "$pid" > "$units/$short"
}

# A unit with a file of options runs as a process that has them.
begin() {
  active=true
  [ -f "$root/etc/default/$short" ] || return 0
  finish
  pid=$((pid + 1000))
  mkdir -p "$root/proc/$pid"
  printf '%s\0' "$short" > "$root/proc/$pid/cmdline"
  (
    CMF_JAVA_OPTS=
    . "$root/etc/default/$short"
    printf 'CMF_JAVA_OPTS=%s\0' "$CMF_JAVA_OPTS" > "$root/proc/$pid/environ"
  )
}

finish() {
  active=${1:-$active}
  [ "$pid" = 0 ] || rm -rf "$root/proc/$pid"
}

file_state() {
  if [ "$masked" = true ]; then echo masked
  elif [ "$known" != 1 ]; then echo
  elif [ "$enabled" = true ]; then echo enabled
  else echo disabled; fi
}

reload_needed() {
  for part in "$root$fragment" "$root/etc/systemd/system/$full.d"/*.conf; do
    if [ -f "$part" ] && [ "$part" -nt "$stamp" ]; then echo yes; return; fi
  done
  echo no
}

property() {
  case $1 in
    Id) value=$full ;;
    LoadState)
      value=loaded
      [ "$known" = 1 ] || value=not-found
      [ "$masked" = false ] || value=masked ;;
    ActiveState) value=inactive; [ "$active" = false ] || value=active ;;
    SubState) value=dead; [ "$active" = false ] || value=running ;;
    UnitFileState) value=$(file_state) ;;
    FragmentPath) value=$fragment ;;
    NeedDaemonReload) value=$(reload_needed) ;;
    MainPID) value=$pid; [ "$active" = true ] || value=0 ;;
    *) return ;;
  esac
  if [ -n "$bare" ]; then printf '%s\n' "$value"; else printf '%s=%s\n' "$1" "$value"; fi
}

show() {
  [ -n "$wanted" ] ||
    wanted="Id LoadState ActiveState SubState UnitFileState FragmentPath NeedDaemonReload"
  first=yes
  for unit do
    [ -n "$first" ] || echo
    first=
    look "$unit"
    for one in $wanted; do property "$one"; done
  done
}

missing() {
  case $verb in
    enable|disable|mask|unmask) echo "Failed to $verb unit: Unit file $full does not exist." >&2; failed=1 ;;
    *) echo "Failed to $verb $full: Unit $full not found." >&2; failed=5 ;;
  esac
}

refuse_masked() {
  case $verb in
    enable) echo "Failed to enable unit: Unit file /etc/systemd/system/$full is masked." >&2 ;;
    *) echo "Failed to $verb $full: Unit $full is masked." >&2 ;;
  esac
  failed=1
}

act() {
  look "$1"
  case $verb$known in
    mask0) ;;
    *0) missing; return ;;
  esac
  case $verb$masked in
    enabletrue|starttrue|restarttrue|reloadtrue) refuse_masked; return ;;
    reloadfalse) [ "$active" = true ] || { echo "Job for $full invalid: unit is not active." >&2; failed=1; return; } ;;
  esac
  case $verb in
    enable) enabled=true; [ -z "$at_once" ] || active=true ;;
    disable) enabled=false; [ -z "$at_once" ] || active=false ;;
    start) [ "$active" = true ] || begin ;;
    restart|reload-or-restart|try-restart) begin ;;
    stop) finish false ;;
    mask) masked=true; [ -z "$at_once" ] || active=false ;;
    unmask) masked=false ;;
  esac
  store
  printf '%s %s\n' "$verb" "$short" >> "$root/.sandbox/actions"
}

verb= wanted= bare= at_once= quiet= names= failed=0 expects=
for argument do
  if [ -n "$expects" ]; then
    saved=$IFS; IFS=,; for one in $argument; do wanted="$wanted $one"; done; IFS=$saved
    expects=
    continue
  fi
  case $argument in
    -p|--property) expects=yes ;;
    -p*|--property=*)
      list=${argument#--property=}; list=${list#-p}
      saved=$IFS; IFS=,; for one in $list; do wanted="$wanted $one"; done; IFS=$saved ;;
    --now) at_once=yes ;;
    --value) bare=yes ;;
    -q|--quiet) quiet=yes ;;
    -*) ;;
    *) if [ -z "$verb" ]; then verb=$argument; else names="$names $argument"; fi ;;
  esac
done

case $verb in
  show) show $names ;;
  daemon-reload)
    : > "$stamp"
    printf 'daemon-reload\n' >> "$root/.sandbox/actions" ;;
  is-enabled)
    for unit in $names; do
      look "$unit"
      state=$(file_state)
      [ -n "$state" ] || state=not-found
      [ -n "$quiet" ] || echo "$state"
      [ "$state" = enabled ] || failed=1
    done ;;
  is-active)
    for unit in $names; do
      look "$unit"
      if [ "$active" = true ]; then state=active; else state=inactive; failed=3; fi
      [ -n "$quiet" ] || echo "$state"
    done ;;
  enable|disable|start|stop|restart|reload|reload-or-restart|try-restart|mask|unmask)
    for unit in $names; do act "$unit"; done ;;
  *) echo "Unknown command verb $verb." >&2; exit 1 ;;
esac
exit $failed
