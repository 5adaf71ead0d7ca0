#!/bin/sh
# Stand-in that acts on the simulated host in DRSYNC_SANDBOX_ROOT, and steps aside without it.
name=${0##*/}
root=${DRSYNC_SANDBOX_ROOT-}

# Prints the path of the real command: the next of the same name on PATH.
real() {
  saved=$IFS
  IFS=:
  for folder in $PATH; do
    if [ -x "$folder/$1" ] && [ ! "$folder/$1" -ef "${0%/*}/$1" ]; then
      IFS=$saved
      found=$folder/$1
      return 0
    fi
  done
  IFS=$saved
  echo "$name: $1: command not found" >&2
  exit 127
}

if [ -z "$root" ]; then
  real "$name"
  exec "$found" "$@"
fi
root=${root%/}
owners=$root/.sandbox/owners
