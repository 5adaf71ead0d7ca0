
# mv: the recorded owner moves with the file.
real mv
into=yes
ended=
source=
target=
count=0
for argument do
  case $ended$argument in
    --) ended=yes; continue ;;
    -T|--no-target-directory) into=; continue ;;
    -*T*) into=; continue ;;
    -*) continue ;;
  esac
  source=$target
  target=$argument
  count=$((count + 1))
done
if [ "$count" = 2 ] && [ -n "$into" ] && [ -d "$target" ]; then
  target=${target%/}/${source##*/}
fi
"$found" "$@" || exit $?
[ "$count" = 2 ] && [ -f "$owners" ] || exit 0
source=${source#"$root"}
owner=root
group=root
mode=
while IFS='|' read -r path one two three; do
  if [ "$path" = "$source" ]; then
    owner=${one:-$owner}
    group=${two:-$group}
    mode=${three:-$mode}
  fi
done < "$owners"
printf '%s|%s|%s|%s\n%s|root|root|\n' "${target#"$root"}" "$owner" "$group" "$mode" "$source" \
  >> "$owners"
