
# stat -c FORMAT -- PATH...: owners come from the table, everything else from the real file.
format=
follow=
while [ $# -gt 0 ]; do
  case $1 in
    -c) format=$2; shift 2 ;;
    --format=*) format=${1#*=}; shift ;;
    -L) follow=-L; shift ;;
    --) shift; break ;;
    *) break ;;
  esac
done
real stat
if [ -z "$format" ]; then
  exec "$found" $follow -- "$@"
fi
answer=$("$found" $follow -c "%n|%u|%g|%a|%s|%Y|%F|%N" -- "$@")
status=$?
[ -n "$answer" ] || exit $status
printf '%s\n' "$answer" | awk -v root="$root" -v format="$format" -F'|' '
  BEGIN {
    uid["root"] = 0; gid["root"] = 0
    while ((getline line < (root "/.sandbox/owners")) > 0) {
      split(line, part, "|")
      if (part[2] != "") owner[part[1]] = part[2]
      if (part[3] != "") group[part[1]] = part[3]
      if (part[4] != "") mode[part[1]] = part[4]
    }
    while ((getline line < (root "/.sandbox/users")) > 0) { split(line, part, ":"); uid[part[1]] = part[2] }
    while ((getline line < (root "/.sandbox/groups")) > 0) { split(line, part, ":"); gid[part[1]] = part[2] }
    fields = split(format, wanted, "|")
  }
  {
    path = substr($1, length(root) + 1)
    user = (path in owner) ? owner[path] : "root"
    team = (path in group) ? group[path] : "root"
    out = ""
    for (i = 1; i <= fields; i++) {
      field = wanted[i]
      if (field == "%n") value = $1
      else if (field == "%U") value = user
      else if (field == "%G") value = team
      else if (field == "%u") value = (user in uid) ? uid[user] : 65534
      else if (field == "%g") value = (team in gid) ? gid[team] : 65534
      else if (field == "%a") value = (path in mode) ? mode[path] : $4
      else if (field == "%s") value = $5
      else if (field == "%Y") value = $6
      else if (field == "%F") value = $7
      else if (field == "%N") value = $8
      else value = field
      out = out (i > 1 ? "|" : "") value
    }
    print out
  }'
exit $status
