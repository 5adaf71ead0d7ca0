
# chown and chgrp: notes the owner in the table, last line wins, empty columns keep what was.
whom=
ended=
for argument do
  case $ended$argument in
    --) ended=yes; continue ;;
    -*) continue ;;
  esac
  if [ -z "$whom" ]; then
    whom=$argument
    case $name$whom in
      chgrp*) owner=; group=$whom ;;
      chown*:*) owner=${whom%%:*}; group=${whom#*:} ;;
      *) owner=$whom; group= ;;
    esac
    continue
  fi
  if [ ! -e "$argument" ] && [ ! -L "$argument" ]; then
    echo "$name: cannot access '$argument': No such file or directory" >&2
    failed=1
    continue
  fi
  printf '%s|%s|%s|\n' "${argument#"$root"}" "$owner" "$group" >> "$owners"
done
if [ -z "$whom" ]; then
  echo "$name: missing operand" >&2
  exit 1
fi
exit ${failed-0}
