# Shared by the scripts beside it; not run by itself.
#
# Every name of a lab follows from its folder, so that a half-built lab can be taken down knowing
# nothing but where it lies: /tmp/drlab-XXXX, network namespace drsync-lab-XXXX, cgroup drlab-XXXX.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/drsync-tests/lab

# Sites keep these out of a user's PATH; cron and CI too.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

fail() { echo "${0##*/}: $*" >&2; exit 1; }

# There can be no lab on this machine: no fault of the tests.
skip() { echo "skipped: $*" >&2; exit 75; }

# The rest of a lab's names: sets folder, netns and group.
names_of() { # FOLDER
  folder=${1%/}
  [[ $folder == /* ]] || folder=$PWD/$folder
  group=${folder##*/}
  # `down` removes this folder and all in it.
  [[ $group =~ ^drlab-[A-Za-z0-9]+$ ]] || fail "not a lab's folder: $1"
  netns=drsync-lab-${group#drlab-}
}

need() { # PROGRAM PACKAGE
  command -v "$1" >/dev/null || skip "no $1 (Debian package $2)"
}

# A host's init as seen from outside: below nspawn, and number 1 of a pid namespace of its own.
init_of() { # HOST
  local keeper nspawn child
  keeper=$(awk -v host="$1" '$1 == host { print $2 }' "$folder/pids" 2>/dev/null) || return 1
  [ -n "$keeper" ] || return 1
  for nspawn in $(cat "/proc/$keeper/task/$keeper/children" 2>/dev/null); do
    for child in $(cat "/proc/$nspawn/task/$nspawn/children" 2>/dev/null); do
      if grep -qE '^NSpid:.*[[:space:]]1$' "/proc/$child/status" 2>/dev/null; then
        echo "$child"
        return 0
      fi
    done
  done
  return 1
}

# One lab at a time adds or removes a network namespace: iproute2 mounts a folder for all of them.
with_netns_lock() { mkdir -p "$cache"; flock "$cache/netns.lock" "$@"; }
