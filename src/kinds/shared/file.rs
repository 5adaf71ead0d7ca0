//! Looking at files, many at a time, and replacing one as a whole.

use crate::kinds::problem;
use crate::model::change::Problem;
use crate::model::question::{Argument, Question, Reply, Script};

/// What is wanted of a file beside its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing.
    Attributes,
    /// Its digest.
    Digest,
    /// Its digest and, if that is not the wished one, its content where it is short.
    Content,
    /// Its whole content, through symbolic links, to change a part of it.
    Edit,
    /// Where it points, if it is a symbolic link.
    Target,
}

impl Sight {
    fn word(self) -> &'static str {
        match self {
            Sight::Attributes => "",
            Sight::Digest => "hide",
            Sight::Content => "show",
            Sight::Edit => "edit",
            Sight::Target => "link",
        }
    }
}

/// Asks what is at `path`; `digest` is the one wished for, or empty.
///
/// The reply has `stat` (sort, mode, owner, group, their numbers and the size, separated by `|`;
/// absent when nothing is there) and, as wanted, `digest`, `content` and `target`.
pub fn ask(path: &str, digest: &str, sight: Sight) -> Question {
    Question::Probe(&FILES, [path, digest, sight.word()].map(Argument::plain).to_vec())
}

/// Sets of NUMBER PATH DIGEST SIGHT. One `stat`, one `sha256sum` and one `cat` see all files.
///
/// What `stat` does not tell in its first run it is asked again, for the reason: only its own
/// words tell a file that is not there from one that hides behind a lost mount.
static FILES: Script = Script::together(
    "drsync_files",
    r#"
drsync_files() {
  list= missing= lost= sums= todo= packs= total=0
  drsync_files_list "$@"
  facts=$(IFS=$nl; set -f; stat -c '%n|%F|%a|%U|%G|%u|%g|%s' -- $list 2>/dev/null)$nl
  drsync_files_stat "$@"
  [ -z "$missing" ] || drsync_files_missing
  [ -z "$sums" ] || drsync_files_digest
  if [ -n "$packs" ]; then
    spill
    packed "$total"
    (IFS=$nl; set -f; cat -- $packs)
    printf '\n'
  fi
  while [ $# -gt 0 ]; do n=$1; hold "$mark $n done"; shift 4; done
  spill
}
drsync_files_list() {
  while [ $# -gt 0 ]; do list="$list$root$2$nl"; shift 4; done
}
drsync_files_stat() {
  while [ $# -gt 0 ]; do
    n=$1 path=$root$2
    case $facts in
      "$path|"*)
        fact=${facts%%"$nl"*}
        facts=${facts#*"$nl"}
        drsync_files_one "${fact#"$path|"}" "$3" "$4" ;;
      *) missing="$missing$path$nl" lost="$lost$n $3 $4$nl" ;;
    esac
    shift 4
  done
}
drsync_files_one() {
  fact=$1
  case $3$fact in
    'editsymbolic link'*)
      if [ -z "$root" ] && followed=$(stat -L -c '%F|%a|%U|%G|%u|%g|%s' -- "$path" 2>&1); then
        fact=$followed
      fi ;;
    'linksymbolic link'*) if out=$(readlink -- "$path" 2>&1); then keep target known "$out"; else keep target unknown "$out"; fi ;;
  esac
  keep stat known "$fact"
  case $fact in 'regular '*) ;; *) return ;; esac
  case $3 in
    edit) ;;
    *) [ -n "$2" ] || return ;;
  esac
  sums="$sums$path$nl"
  todo="$todo$n $2 $3 ${fact##*|} $path$nl"
}
drsync_files_missing() {
  said=$(IFS=$nl; set -f; stat -c %n -- $missing 2>&1 >/dev/null)$nl
  saved=$IFS; IFS=$nl; set -f
  for path in $missing; do
    item=${lost%%"$nl"*}; lost=${lost#*"$nl"}
    line=${said%%"$nl"*}; said=${said#*"$nl"}
    n=${item%% *}; item=${item#* }
    case $line in
      *"'$path': No such file or directory"|*"'$path': Not a directory") keep stat absent ''; continue ;;
    esac
    if line=$(stat -c '%F|%a|%U|%G|%u|%g|%s' -- "$path" 2>&1); then
      drsync_files_one "$line" "${item%% *}" "${item#* }"
      continue
    fi
    case $line in
      *': No such file or directory'|*': Not a directory') keep stat absent '' ;;
      *) keep stat unknown "$line" ;;
    esac
  done
  IFS=$saved; set +f
}
drsync_files_digest() {
  out=$(IFS=$nl; set -f; sha256sum -- $sums 2>/dev/null)$nl
  saved=$IFS; IFS=$nl; set -f
  for item in $todo; do
    n=${item%% *}; item=${item#* }
    want=${item%% *}; item=${item#* }
    sight=${item%% *}; item=${item#* }
    size=${item%% *}; path=${item#* }
    line=${out%%"$nl"*}
    case $line in
      *"  $path") sum=${line%% *}; out=${out#*"$nl"} ;;
      \\*) out=${out#*"$nl"}; sum= ;;
      *) sum= ;;
    esac
    if [ -z "$sum" ]; then
      if ! sum=$({ sha256sum < "$path"; } 2>&1); then keep digest unknown "$sum"; continue; fi
      sum=${sum%% *}
    fi
    keep digest known "$sum"
    case $sight in
      show) [ "$sum" != "$want" ] && [ "$size" -le 262144 ] || continue ;;
      edit) if [ "$size" -gt 8388608 ]; then keep content unknown "it is larger than 8 MiB"; continue; fi ;;
      *) continue ;;
    esac
    hold "$mark $n content part $size"
    packs="$packs$path$nl" total=$((total + size))
  done
  IFS=$saved; set +f
}
"#,
);

/// `drsync_put PATH MODE OWNER GROUP ENCODING CONTENT [OLD [VALIDATE]]`: replaces a file as a
/// whole, or not at all.
///
/// An empty mode, owner or group keeps what the file has (`0644` for a new one). With `OLD`, the
/// digest of what was read (`absent` for nothing), a file that changed since is left alone, and a
/// symbolic link is followed. `VALIDATE` is a command that must accept the new content; `%s` in it
/// stands for the file that holds it.
pub static PUT: Script = Script::each(
    "drsync_put",
    r#"
drsync_put() {
  path=$root$1
  if [ -n "$7" ] && [ -z "$root" ] && [ -L "$path" ]; then path=$(readlink -f -- "$path") || return; fi
  if [ -d "$path" ]; then echo "$1 is a directory"; return 1; fi
  case $7 in
    '') ;;
    absent) if [ -e "$path" ] || [ -L "$path" ]; then echo "$1 appeared since it was read"; return 1; fi ;;
    *)
      now=$(sha256sum < "$path") || return
      if [ "${now%% *}" != "$7" ]; then echo "$1 changed since it was read"; return 1; fi ;;
  esac
  # What an interrupted run left here; nobody else writes these names.
  rm -f -- "${path%/*}/.${path##*/}.drsync."??????
  new=$(mktemp "${path%/*}/.${path##*/}.drsync.XXXXXX") || return
  trap 'rm -f -- "$new"' EXIT
  trap 'exit 1' HUP INT TERM
  {
    case $5 in
      base64) printf '%s' "$6" | base64 -d > "$new" ;;
      # Not by the shell itself, which calls a full disk an "I/O error".
      *) printf '%s' "$6" | cat > "$new" ;;
    esac &&
    if [ -e "$path" ]; then
      mode=$(stat -c '%a' -- "$path") && chown "$(stat -c '%u:%g' -- "$path")" "$new"
    else mode=0644; fi &&
    { [ -z "$3$4" ] || chown "$3${4:+:$4}" "$new"; } &&
    # Last: a change of owner takes setuid and setgid away.
    chmod "${2:-$mode}" "$new" &&
    drsync_label "$path" "$new" &&
    drsync_valid "$8" "$new" &&
    drsync_place "$new" "$path" &&
    drsync_reload_units "$1"
  }
}
# systemd acts by what it read last.
drsync_reload_units() {
  case $1 in */systemd/system/*) ;; *) return 0 ;; esac
  if [ -n "${DRSYNC_SANDBOX_ROOT-}" ] || { [ -z "$root" ] && [ -d /run/systemd/system ]; }; then
    systemctl daemon-reload
  fi
}
drsync_label() {
  [ -e /sys/fs/selinux/enforce ] || return 0
  if [ -e "$1" ]; then chcon --reference="$1" -- "$2"
  elif command -v matchpathcon >/dev/null 2>&1; then chcon "$(matchpathcon -n "$1")" -- "$2"; fi
}
drsync_valid() {
  [ -n "$1" ] || return 0
  said=$(new=$2 sh -c "$(printf '%s\n' "$1" | sed 's/%s/"$new"/g')" 2>&1) || { printf '%s' "the new content is not valid: $said"; return 1; }
}
drsync_place() {
  said=$(mv -f -T -- "$1" "$2" 2>&1) && return
  case $said in
    # A single file that is bind-mounted cannot be replaced, only written.
    *'Device or resource busy') cat < "$1" > "$2" ;;
    *) printf '%s' "$said"; return 1 ;;
  esac
}
"#,
);

/// `drsync_attributes PATH MODE OWNER GROUP`: sets what is not empty.
pub static ATTRIBUTES: Script = Script::each(
    "drsync_attributes",
    r#"
drsync_attributes() {
  { [ -z "$3$4" ] || chown "$3${4:+:$4}" "$root$1"; } && { [ -z "$2" ] || chmod "$2" "$root$1"; }
}
"#,
);

/// `drsync_remove PATH`: removes a file.
pub static REMOVE: Script = Script::each(
    "drsync_remove",
    r#"
drsync_remove() {
  rm -f -- "$root$1" || return
  # systemd acts by what it read last.
  case $1 in */systemd/system/*) ;; *) return 0 ;; esac
  if [ -n "${DRSYNC_SANDBOX_ROOT-}" ] || { [ -z "$root" ] && [ -d /run/systemd/system ]; }; then
    systemctl daemon-reload
  fi
}
"#,
);

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `regular file`, `directory`, `symbolic link`, …
    pub sort: String,
    /// Permissions: four octal digits.
    pub mode: String,
    /// The owner's name.
    pub owner: String,
    /// The group's name.
    pub group: String,
    /// The owner's number.
    pub uid: String,
    /// The group's number.
    pub gid: String,
}

impl Stat {
    /// Reads what a host replied; `None` when nothing is there.
    ///
    /// Errors: why it is unknown.
    pub fn read(reply: &Reply) -> Result<Option<Stat>, String> {
        let Some(text) = reply.text("stat")? else { return Ok(None) };
        let fields: Vec<&str> = text.split('|').collect();
        let [sort, mode, owner, group, uid, gid, _] = fields[..] else {
            return Err(format!("stat answered `{text}`"));
        };
        Ok(Some(Stat {
            sort: sort.into(),
            mode: format!("{mode:0>4}"),
            owner: owner.into(),
            group: group.into(),
            uid: uid.into(),
            gid: gid.into(),
        }))
    }

    /// True for a regular file.
    pub fn is_file(&self) -> bool {
        self.sort.starts_with("regular")
    }
}

/// Returns what is wrong with the argument `name` as the path of a file or folder.
pub fn path_problem(name: &str, path: &str) -> Option<Problem> {
    let is_plain = path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    if path.starts_with('/') && is_plain && !path.contains(char::is_control) && path.len() < 4096 {
        return None;
    }
    let hint = "write the whole path from `/`, without `..`, down to the file's name";
    let shown: String = path.chars().take(200).collect();
    Some(problem(&[name], format!("`{shown}` is not the path of a file"), Some(hint)))
}

/// Returns what is wrong with a command that must accept new content.
pub fn validate_problem(command: Option<&str>) -> Option<Problem> {
    let hint = "it stands for the file that holds the new content";
    command
        .filter(|command| !command.contains("%s"))
        .map(|_| problem(&["validate"], "`validate` needs a `%s`", Some(hint)))
}
