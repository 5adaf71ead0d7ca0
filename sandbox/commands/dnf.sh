
# dnf, yum: installing adds a line to .sandbox/packages, removing takes it out.
packages=$root/.sandbox/packages
verb= names=
for argument do
  case $argument in
    -*) ;;
    *) if [ -z "$verb" ]; then verb=$argument; else names="$names $argument"; fi ;;
  esac
done
case $verb in
  install|upgrade|downgrade|remove) ;;
  clean) exit 0 ;;
  *) echo "No such command: $verb." >&2; exit 1 ;;
esac
for package in $names; do
  awk -F'|' -v name="$package" '$1 != name' "$packages" > "$packages.new" || exit
  [ "$verb" = remove ] || printf '%s|0:1.0-1.el9|x86_64\n' "$package" >> "$packages.new"
  mv -f "$packages.new" "$packages" || exit
  printf '%s %s\n' "$verb" "$package" >> "$root/.sandbox/actions"
done
