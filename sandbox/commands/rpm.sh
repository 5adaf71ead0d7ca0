
# rpm: packages are lines `NAME|EPOCH:VERSION-RELEASE|ARCHITECTURE` in .sandbox/packages.
packages=$root/.sandbox/packages
query= format= names= removes=
while [ $# -gt 0 ]; do
  case $1 in
    --eval) echo /var/lib/rpm; exit 0 ;;
    --root=*) ;;
    -q) query=yes ;;
    --qf) format=$2; shift ;;
    -e) removes=yes ;;
    --test|--) ;;
    -*) echo "rpm: $1: unknown option" >&2; exit 1 ;;
    *) names="$names $1" ;;
  esac
  shift
done
[ -z "$removes" ] || exit 0
[ -n "$query" ] || { echo "rpm: only -q and -e --test are known here" >&2; exit 1; }
awk -F'|' -v names="$names" -v format="$format" '
  { line[$1] = $0 }
  END {
    count = split(names, name, " ")
    for (i = 1; i <= count; i++) {
      if (!(name[i] in line)) { print "package " name[i] " is not installed"; missing++; continue }
      split(line[name[i]], part, "|")
      if (format == "") { print part[1] "-" part[2] "." part[3]; continue }
      split(part[2], version, /[:-]/)
      text = format
      gsub(/%\{NAME\}/, part[1], text); gsub(/%\{EPOCH\}/, version[1], text)
      gsub(/%\{VERSION\}/, version[2], text); gsub(/%\{RELEASE\}/, version[3], text)
      gsub(/%\{ARCH\}/, part[3], text); gsub(/\\n/, "\n", text)
      printf "%s", text
    }
    exit missing > 250 ? 250 : missing
  }' "$packages"
