//! Looking at users and groups, many at a time.

use crate::kinds::problem;
use crate::model::change::Problem;
use crate::model::question::{Argument, Question, Script};

/// Asks for a user.
///
/// The reply has `entry` (the line of passwd(5); absent when there is none), `local` (whether it
/// stands in `/etc/passwd`), `group` (the name of its first group, where that is known), `groups`
/// (further local groups, separated by commas) and, `with_password`, the `password` of shadow(5).
pub fn ask_user(name: &str, with_password: bool) -> Question {
    let more = if with_password { "password" } else { "" };
    Question::Probe(&ACCOUNTS, ["passwd", name, more].map(Argument::plain).to_vec())
}

/// Asks for a group.
///
/// The reply has `entry` (the line of group(5); absent when there is none) and `local`.
pub fn ask_group(name: &str) -> Question {
    Question::Probe(&ACCOUNTS, ["group", name, ""].map(Argument::plain).to_vec())
}

/// Sets of NUMBER DATABASE NAME MORE. One `awk` sees all of them in the files; where one is missing
/// there, two `getent` are asked for all, and another `awk` tells.
///
/// What the files say is local; what only `getent` finds comes from a directory service.
static ACCOUNTS: Script = Script::together(
    "drsync_accounts",
    r#"
drsync_accounts() {
  if [ -n "$root" ]; then drsync_accounts_tell all "$@"; return; fi
  drsync_accounts_tell local "$@"
  [ $? = 3 ] || return
  users= groups=
  drsync_accounts_list "$@"
  for base in passwd group; do
    case $base in passwd) list=$users ;; *) list=$groups ;; esac
    [ -n "$list" ] || continue
    (IFS=$nl; set -f; getent $base -- $list) || case $? in
      2) ;;
      *) printf '%s\n' "!$base:$?" ;;
    esac
    printf '%s\n' "-$base"
  done | drsync_accounts_tell all "$@"
}
drsync_accounts_tell() {
  scope=$1; shift
  mark=$mark root=$root scope=$scope awk '
    function tell(n, name, status, text) {
      printf "%s %s %s %s %d\n%s\n", ENVIRON["mark"], n, name, status, length(text), text
    }
    function read(file, into,  line, part, got) {
      while ((got = (getline line < (ENVIRON["root"] file))) > 0) {
        split(line, part, ":")
        if (!((file, part[1]) in known)) { known[file, part[1]] = line; order[file, ++count[file]] = part[1] }
      }
      if (got < 0) lost[file] = 1
    }
    BEGIN {
      read("/etc/passwd"); read("/etc/group")
      for (i = 1; i < ARGC; i += 4) {
        sort[i] = ARGV[i + 1]; name[i] = ARGV[i + 2]; more[i] = ARGV[i + 3]; number[i] = ARGV[i]
        if (more[i] == "password" && !shadow++) read("/etc/shadow")
        ARGV[i] = ARGV[i + 1] = ARGV[i + 2] = ARGV[i + 3] = ""
      }
      last = i
      for (i = 1; i <= count["/etc/group"]; i++) {
        team = order["/etc/group", i]
        split(known["/etc/group", team], part, ":")
        if (!(part[3] in called)) called[part[3]] = team
        members = split(part[4], member, ",")
        for (j = 1; j <= members; j++)
          if (member[j] != "") within[member[j]] = within[member[j]] (member[j] in within ? "," : "") team
      }
      if (ENVIRON["scope"] == "local") {
        for (i = 1; i < last; i += 4) if (!(("/etc/" sort[i], name[i]) in known)) exit 3
      }
      found = 0
      while (ENVIRON["scope"] == "all" && (getline line < "-") > 0) {
        if (line ~ /^!/) { split(substr(line, 2), part, ":"); broken[part[1]] = part[2]; continue }
        if (line ~ /^-/) { base = substr(line, 2); for (j = 1; j <= found; j++) { split(heard[j], part, ":"); nss[base, part[1]] = heard[j]; if (base == "group" && !(part[3] in called)) called[part[3]] = part[1] }; found = 0; continue }
        heard[++found] = line
      }
      for (i = 1; i < last; i += 4) {
        file = "/etc/" sort[i]
        local = ((file, name[i]) in known)
        if (local) entry = known[file, name[i]]
        else if ((sort[i], name[i]) in nss) entry = nss[sort[i], name[i]]
        else {
          if (file in lost) tell(number[i], "entry", "unknown", file " cannot be read")
          else if (sort[i] in broken) tell(number[i], "entry", "unknown", "getent ended with status " broken[sort[i]])
          else tell(number[i], "entry", "absent", "")
          tell(number[i], "local", "absent", ""); tell(number[i], "group", "absent", "")
          tell(number[i], "groups", "absent", ""); tell(number[i], "password", "absent", "")
          print ENVIRON["mark"], number[i], "done"
          continue
        }
        tell(number[i], "entry", "known", entry)
        tell(number[i], "local", "known", local ? "yes" : "no")
        if (sort[i] == "passwd") {
          split(entry, part, ":")
          if (part[4] in called) tell(number[i], "group", "known", called[part[4]])
          else tell(number[i], "group", "absent", "")
          if ("/etc/group" in lost) tell(number[i], "groups", "unknown", "/etc/group cannot be read")
          else tell(number[i], "groups", "known", within[name[i]])
          if (more[i] == "password") {
            if ("/etc/shadow" in lost) tell(number[i], "password", "unknown", "/etc/shadow cannot be read")
            else if (("/etc/shadow", name[i]) in known) {
              split(known["/etc/shadow", name[i]], part, ":")
              tell(number[i], "password", "known", part[2])
            } else tell(number[i], "password", "absent", "")
          }
        }
        print ENVIRON["mark"], number[i], "done"
      }
    }' "$@"
}
drsync_accounts_list() {
  while [ $# -gt 0 ]; do
    case $2 in passwd) users="$users$3$nl" ;; *) groups="$groups$3$nl" ;; esac
    shift 4
  done
}
"#,
);

/// Returns what is wrong with the argument `argument` as the name of a local user or group.
///
/// A name of digits only would be taken for a number by most tools.
pub fn name_problem(argument: &str, name: &str) -> Option<Problem> {
    let is_sound = super::ownership::is_account(name)
        && !super::ownership::is_number(name)
        && !name.contains(['@', '\\'])
        && name.len() <= 32;
    let said = || {
        let shown: String = name.chars().take(60).collect();
        format!("`{shown}` is not the name of a local user or group")
    };
    (!is_sound)
        .then(|| problem(&[argument], said(), Some("at most 32 letters, digits, `_`, `-` and `.`")))
}
