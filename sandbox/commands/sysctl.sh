
# sysctl: reads and writes the files below proc/sys of the simulated host.
plain=
failed=0

# Sets `file` for a dotted key.
locate() {
  file=$root/proc/sys
  shown=/proc/sys
  rest=$1.
  while [ -n "$rest" ]; do
    file=$file/${rest%%.*}
    shown=$shown/${rest%%.*}
    rest=${rest#*.}
  done
  [ -f "$file" ] && return 0
  echo "sysctl: cannot stat $shown: No such file or directory" >&2
  failed=255
  return 1
}

assign() {
  locate "$1" || return 0
  printf '%s\n' "$2" > "$file"
  [ -n "$quiet" ] || printf '%s = %s\n' "$1" "$2"
}

show() {
  locate "$1" || return 0
  value=
  IFS= read -r value < "$file" || :
  if [ -n "$plain" ]; then printf '%s\n' "$value"; else printf '%s = %s\n' "$1" "$value"; fi
}

load() {
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      ''|'#'*|';'*) continue ;;
      *=*) ;;
      *) continue ;;
    esac
    key=${line%%=*}
    value=${line#*=}
    key=${key#-}
    while [ "$key" != "${key% }" ]; do key=${key% }; done
    while [ "$key" != "${key# }" ]; do key=${key# }; done
    while [ "$value" != "${value# }" ]; do value=${value# }; done
    assign "$key" "$value"
  done < "$1"
}

quiet=
for argument do
  case $argument in
    -n|--values) plain=yes ;;
    -q|--quiet) quiet=yes ;;
    -w|--write|-e|-p|--load) ;;
    --system)
      for conf in "$root"/usr/lib/sysctl.d/*.conf "$root"/etc/sysctl.d/*.conf "$root"/etc/sysctl.conf; do
        if [ -f "$conf" ]; then load "$conf"; fi
      done ;;
    "$root"/*) load "$argument" ;;
    /*) load "$root$argument" ;;
    *=*) assign "${argument%%=*}" "${argument#*=}" ;;
    *) show "$argument" ;;
  esac
done
exit $failed
