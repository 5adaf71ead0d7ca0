
# hostname [-f|-s]: the name the simulated host has in its own files.
IFS= read -r full < "$root/etc/hostname" || [ -n "${full-}" ] || { echo localhost; exit 0; }
case ${1-} in
  -s|--short) printf '%s\n' "${full%%.*}" ;;
  -d|--domain) printf '%s\n' "${full#*.}" ;;
  ''|-f|--fqdn|--long) printf '%s\n' "$full" ;;
  *) echo "hostname: you must be root to change the host name" >&2; exit 1 ;;
esac
