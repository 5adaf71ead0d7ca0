//! `os.authorized_key`: who may log in as a user by SSH key.
//!
//! Parameters follow Ansible's `authorized_key`. A key is known by its type and its digits; its
//! comment only counts where `comment` is declared, its options always. With `exclusive` all other keys
//! go. The folder gets mode `0700`, the file `0600`, both the user's.
//!
//! What lies in a user's home is looked at and written with that user's rights (`setpriv`, or
//! `runuser`), never root's: whoever owns the folder could make it lead anywhere. For the same reason
//! a symbolic link is refused, and so is a `path` elsewhere whose folder is not root's.
//!
//! ```yaml
//! - name: The other side's replication may log in
//!   os.authorized_key:
//!     user: hdfs
//!     key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHKHLx3FPpcVxX0T7WdCj6MlVEzpxfUHtLJGrUoYhUNI repl@dr
//!     key_options: from="10.2.0.0/16",no-pty
//! ```

use base64::Engine as _;
use serde::Deserialize;

use super::shared::{account, edit, file};
use super::{Kind, Link, folders_above, problem};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value, Want};

/// Who may log in as a user by SSH key.
pub struct OsAuthorizedKey;

/// Who may log in as a user by SSH key.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Who is logged in as.
    user: String,
    /// The public key; several of them one to a line.
    key: String,
    /// Options of the keys, in the place of any before them in `key`.
    key_options: Option<String>,
    /// Remove all other keys?
    #[serde(default)]
    exclusive: bool,
    /// Make the folder, and keep its mode?
    #[serde(default = "yes")]
    manage_dir: bool,
    /// The file, where it is not `.ssh/authorized_keys` in the user's home.
    path: Option<String>,
    /// A comment for the keys, in the place of the one after them in `key`.
    comment: Option<String>,
    /// Should the keys be there?
    #[serde(default)]
    state: State,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Present,
    Absent,
}

/// Sets of NUMBER USER PATH. One `getent` sees all users; then each file is looked at with the rights
/// of its user, in one process.
static LOOK: Script = Script::together(
    "drsync_authorized",
    r#"
drsync_authorized() {
  me=$(id -u) trouble=
  if [ -n "$root" ]; then entries=$(cat "$root/etc/passwd" 2>&1) || trouble="/etc/passwd: $entries"
  else
    entries=$(drsync_authorized_users "$@")
    case $? in 0|2) ;; *) trouble="getent ended with status $?" ;; esac
  fi
  entries=$nl$entries$nl
  while [ $# -gt 0 ]; do
    n=$1
    case $entries in
      *"$nl$2:"*)
        entry=${entries#*"$nl$2:"}
        drsync_authorized_one "$2" "$3" "${entry%%"$nl"*}" ;;
      *) if [ -n "$trouble" ]; then unknown home "$trouble"; else absent home; fi ;;
    esac
    finish
    shift 3
  done
}
drsync_authorized_users() {
  list=
  while [ $# -gt 0 ]; do list="$list$2$nl"; shift 3; done
  IFS=$nl; set -f
  getent passwd -- $list
}
drsync_authorized_one() {
  user=$1 file=$2 entry=${3#*:}
  uid=${entry%%:*} entry=${entry#*:}
  gid=${entry%%:*} entry=${entry#*:}
  entry=${entry#*:}
  home=${entry%%:*}
  file=${file:-$home/.ssh/authorized_keys}
  own=no
  case $file in "$home"/*) [ "$home" = / ] || [ -z "$home" ] || own=yes ;; esac
  # In a sandbox nobody is anybody else.
  [ -z "${DRSYNC_SANDBOX_ROOT-}" ] || uid=$me
  put home "$home"; put ids "$uid:$gid"; put file "$file"; put own "$own"
  # The last `x` keeps the line ends before it.
  if ! out=$(drsync_authorized_as "$own" "$uid" "$gid" "$user" '
    for path in "$1" "$2"; do
      if said=$(stat -c "%F|%a|%u|%U" -- "$path" 2>&1); then echo "$said"
      else case $said in *": No such file or directory"|*": Not a directory") echo absent ;; *) echo "unknown|$said" ;; esac; fi
    done
    if [ ! -L "$1" ] && [ ! -L "$2" ] && [ -f "$2" ]; then cat -- "$2" || exit; fi
    echo x' "$root${file%/*}" "$root$file" 2>&1)
  then unknown folder "$out"; return; fi
  put folder "${out%%"$nl"*}"
  out=${out#*"$nl"}
  put stat "${out%%"$nl"*}"
  out=${out#*"$nl"}
  put content "${out%x}"
}
# drsync_authorized_as OWN UID GID USER CODE ARGUMENT…: with the rights of the user, if that is another one.
drsync_authorized_as() {
  own=$1 uid=$2 gid=$3 user=$4 code=$5
  shift 5
  if [ "$own" = no ] || [ "$me" != 0 ] || [ "$uid" = 0 ]; then set -- sh -c "$code" sh "$@"
  elif command -v setpriv >/dev/null 2>&1; then
    set -- setpriv --reuid="$uid" --regid="$gid" --clear-groups -- sh -c "$code" sh "$@"
  else set -- runuser -u "$user" -- sh -c "$code" sh "$@"; fi
  (cd / && exec "$@")
}
"#,
);

/// `drsync_authorize USER UID:GID OWN FILE MANAGE OLD TEXT`: replaces the file, unless its digest is no
/// longer `OLD`; an empty `TEXT` with the digest `keep` sets modes only.
static WRITE: Script = Script::each(
    "drsync_authorize",
    r#"
drsync_authorize() {
  me=$(id -u)
  ids=
  [ "$3" = yes ] || [ "$me" != 0 ] || ids=$2
  printf '%s' "$7" | drsync_authorize_as "$3" "${2%:*}" "${2#*:}" "$1" '
    umask 077
    folder=$1 file=$2 manage=$3 old=$4 ids=$5
    if [ "$manage" != no ] && [ ! -e "$folder" ] && [ ! -L "$folder" ]; then mkdir -m "$manage" -- "$folder" || exit; fi
    for path in "$folder" "$file"; do
      if [ -L "$path" ]; then echo "$path is a symbolic link"; exit 1; fi
    done
    if [ "$manage" = 0700 ]; then chmod 0700 -- "$folder" || exit; fi
    if [ "$old" = keep ]; then chmod 0600 -- "$file"; exit; fi
    if [ -e "$file" ]; then now=$(sha256sum < "$file") || exit; now=${now%% *}; else now=absent; fi
    if [ "$now" != "$old" ]; then echo "$file changed since it was read"; exit 1; fi
    rm -f -- "$folder/.drsync.keys."??????
    new=$(mktemp "$folder/.drsync.keys.XXXXXX") || exit
    cat > "$new" && chmod 0600 "$new" && { [ -z "$ids" ] || chown "$ids" "$new"; } && mv -f -T -- "$new" "$file" ||
      { rm -f -- "$new"; exit 1; }
    if [ -e /sys/fs/selinux/enforce ]; then restorecon -- "$folder" "$file" || exit; fi' \
    "$root${4%/*}" "$root$4" "$5" "$6" "$ids"
}
drsync_authorize_as() {
  own=$1 uid=$2 gid=$3 user=$4 code=$5
  shift 5
  if [ "$own" = no ] || [ "$me" != 0 ] || [ "$uid" = 0 ]; then set -- sh -c "$code" sh "$@"
  elif command -v setpriv >/dev/null 2>&1; then
    set -- setpriv --reuid="$uid" --regid="$gid" --clear-groups -- sh -c "$code" sh "$@"
  else set -- runuser -u "$user" -- sh -c "$code" sh "$@"; fi
  (cd / && exec "$@")
}
"#,
);

/// Types of keys, as sshd(8) has them.
const TYPES: [&str; 16] = [
    "ssh-rsa",
    "ssh-ed25519",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa-cert-v01@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "ssh-dss-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
];

/// A line of `authorized_keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PublicKey {
    options: String,
    sort: String,
    digits: String,
    comment: String,
}

impl PublicKey {
    /// Reads a line; `None` when it holds no key.
    fn parse(line: &str) -> Option<PublicKey> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (first, rest) = split_word(line);
        let (options, sort, rest) = match TYPES.contains(&first) {
            true => ("", first, rest),
            false => {
                let (sort, rest) = split_word(rest);
                (first, sort, rest)
            }
        };
        let (digits, comment) = split_word(rest);
        (TYPES.contains(&sort) && !digits.is_empty()).then(|| PublicKey {
            options: options.into(),
            sort: sort.into(),
            digits: digits.into(),
            comment: comment.into(),
        })
    }

    /// True when the digits are a key of the type they are said to be.
    fn is_sound(&self) -> bool {
        let bytes = base64::engine::general_purpose::STANDARD.decode(&self.digits);
        bytes.is_ok_and(|bytes| {
            let length = u32::try_from(self.sort.len()).unwrap_or(0).to_be_bytes();
            bytes.strip_prefix(&length).is_some_and(|rest| rest.starts_with(self.sort.as_bytes()))
        })
    }

    fn is(&self, other: &PublicKey) -> bool {
        self.sort == other.sort && self.digits == other.digits
    }

    /// Returns the fingerprint as far as people compare it.
    fn fingerprint(&self) -> String {
        let bytes = base64::engine::general_purpose::STANDARD.decode(&self.digits);
        sha256(&bytes.unwrap_or_default())[..12].to_string()
    }

    fn line(&self) -> String {
        let parts = [&self.options, &self.sort, &self.digits, &self.comment];
        let parts: Vec<&str> =
            parts.into_iter().map(|part| &**part).filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }

    /// Returns the key in short: all but the digits.
    fn shown(&self) -> Value {
        let parts = [&self.options, &self.sort, &self.comment];
        let parts: Vec<&str> =
            parts.into_iter().map(|part| &**part).filter(|part| !part.is_empty()).collect();
        Value::text(parts.join(" "))
    }
}

/// Splits off the first word; blanks inside of double quotes do not end it.
fn split_word(text: &str) -> (&str, &str) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        if matches!(c, ' ' | '\t') && !is_quoted {
            return (&text[..at], text[at..].trim_start());
        }
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
    }
    (text, "")
}

/// Returns the single options, sorted: their order does not matter.
fn options(text: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        if c == ',' && !is_quoted {
            parts.push(text[start..at].trim());
            start = at + 1;
        }
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts.sort_unstable();
    parts
}

impl Args {
    /// Returns the lines of `key` that should hold keys.
    fn lines(&self) -> impl Iterator<Item = &str> {
        self.key.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    fn keys(&self) -> Vec<PublicKey> {
        let keys = self.lines().filter_map(PublicKey::parse).map(|key| PublicKey {
            options: self.key_options.clone().unwrap_or(key.options),
            comment: self.comment.clone().unwrap_or(key.comment),
            ..key
        });
        keys.collect()
    }

    /// True when `live` is as `wish` wants it.
    fn fits(&self, wish: &PublicKey, live: &PublicKey) -> bool {
        options(&wish.options) == options(&live.options)
            && (self.comment.is_none() || wish.comment == live.comment)
    }
}

impl Kind for OsAuthorizedKey {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "os.authorized_key", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_authorized_key.rs");

    fn key(args: &Args) -> String {
        let keys = args.keys();
        let prints: Vec<String> = keys.iter().map(PublicKey::fingerprint).collect();
        let whose = match &args.path {
            Some(path) => format!("{} {path}", args.user),
            None => args.user.clone(),
        };
        match &keys[..] {
            _ if args.exclusive => whose,
            [key] if !key.comment.is_empty() => {
                format!("{whose}: {} {}", edit::key_part(&key.comment), prints[0])
            }
            [_] => format!("{whose}: {}", prints[0]),
            several => {
                let print = &sha256(prints.concat().as_bytes())[..12];
                format!("{whose}: {} keys {print}", several.len())
            }
        }
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(account::name_problem("user", &args.user));
        problems.extend(args.path.iter().filter_map(|path| file::path_problem("path", path)));
        let mut add = |name: &str, said: &str, hint| problems.push(problem(&[name], said, hint));
        if args.lines().next().is_none() {
            add("key", "there is no key in it", None);
        }
        for line in args.lines() {
            let key = PublicKey::parse(line).filter(PublicKey::is_sound);
            if key.is_none() {
                let shown: String = line.chars().take(40).collect();
                let said = format!("`{shown}` is not a public key");
                let hint =
                    "as in `id_ed25519.pub`: type, digits, comment; take files in by `lookup`";
                add("key", &said, Some(hint));
            }
        }
        if args.exclusive && args.state == State::Absent {
            add(
                "exclusive",
                "`exclusive` says what should be there, `absent` what should not",
                None,
            );
        }
        // What is written must read the same again: an open quote would swallow the key.
        let with = |change: fn(PublicKey) -> PublicKey| {
            args.keys().into_iter().map(change).all(|key| {
                let line = key.line();
                !line.contains(char::is_control) && PublicKey::parse(&line) == Some(key)
            })
        };
        let bare = |key: PublicKey| PublicKey { comment: String::new(), ..key };
        let plain = |key: PublicKey| PublicKey { options: String::new(), ..key };
        if args.comment.is_some() && !with(plain) {
            add("comment", "a comment is one line, without blanks around it", None);
        }
        if args.key_options.is_some() && !with(bare) {
            let said = "options are one word: commas between them, blanks only inside of quotes";
            add("key_options", said, None);
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let words = [&*args.user, args.path.as_deref().unwrap_or_default()];
        vec![Question::Probe(&LOOK, words.map(Argument::plain).to_vec())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let found = match Found::read(args, &replies[0]) {
            Ok(found) => found,
            Err(delta) => return delta,
        };
        let live: Vec<PublicKey> =
            edit::lines(&found.text).into_iter().filter_map(PublicKey::parse).collect();
        let mut delta = Delta::default();
        let wishes = args.keys();
        for wish in &wishes {
            let name = format!("key {}", wish.fingerprint());
            let there = live.iter().find(|key| key.is(wish));
            let before = there.map_or(Live::Absent, |key| Live::Known(key.shown()));
            delta.attributes.push(match args.state {
                State::Absent => gone(name, before),
                State::Present => {
                    let differs = there.is_none_or(|key| !args.fits(wish, key));
                    let want = if differs { wish.shown() } else { shown(there, wish) };
                    Attribute { differs, ..Attribute::new(name, before, want) }
                }
            });
        }
        if args.exclusive {
            let others = live.iter().filter(|key| !wishes.iter().any(|wish| wish.is(key)));
            let others = others
                .map(|key| gone(format!("key {}", key.fingerprint()), Live::Known(key.shown())));
            delta.attributes.extend(others);
        }
        if args.state == State::Present {
            found.modes(args, &mut delta.attributes);
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(found) = Found::read(args, &replies[0]) else { return Vec::new() };
        let manage = match (args.manage_dir, found.is_own) {
            (false, _) => "no",
            (true, true) => "0700",
            (true, false) => "0755",
        };
        let is_same = delta.differing().all(|attribute| !attribute.name.starts_with("key "))
            && found.stat.as_ref().is_some_and(|stat| stat.uid == found.uid());
        let (old, text) = match (&found.stat, is_same) {
            (_, true) => ("keep".to_string(), String::new()),
            (Some(_), _) => (sha256(found.text.as_bytes()), changed(args, &found.text)),
            (None, _) => ("absent".to_string(), changed(args, &found.text)),
        };
        let own = if found.is_own { "yes" } else { "no" };
        let words = [&args.user, &found.ids, own, &found.file, manage, &old, &text];
        vec![Action::Host(&WRITE, words.map(Argument::plain).to_vec())]
    }

    fn needs(args: &Args) -> Vec<Link> {
        let user = Link::new("os.user", &args.user);
        std::iter::once(user).chain(args.path.iter().flat_map(|path| folders_above(path))).collect()
    }
}

fn gone(name: String, before: Live) -> Attribute {
    let differs = matches!(before, Live::Known(_));
    Attribute { name: name.into(), before, after: Want::Absent(None), differs, note: None }
}

fn shown(there: Option<&PublicKey>, wish: &PublicKey) -> Value {
    there.unwrap_or(wish).shown()
}

/// What `stat` says of a folder or a file.
#[derive(Clone, Debug)]
struct Fact {
    sort: String,
    mode: String,
    uid: String,
    owner: String,
}

impl Fact {
    fn read(reply: &Reply, name: &str) -> Result<Option<Fact>, String> {
        let text = reply.text(name)?.unwrap_or_default();
        if let Some(reason) = text.strip_prefix("unknown|") {
            return Err(reason.to_string());
        }
        match text.split('|').collect::<Vec<_>>()[..] {
            ["absent"] => Ok(None),
            [sort, mode, uid, owner] => Ok(Some(Fact {
                sort: sort.into(),
                mode: format!("{mode:0>4}"),
                uid: uid.into(),
                owner: owner.into(),
            })),
            _ => Err(format!("stat answered `{text}`")),
        }
    }
}

/// What is there.
#[derive(Default)]
struct Found {
    file: String,
    ids: String,
    /// Is it in the user's home, and done with the user's rights?
    is_own: bool,
    folder: Option<Fact>,
    stat: Option<Fact>,
    text: String,
}

impl Found {
    /// Errors: the delta that says why it cannot be told, or why nothing can be done.
    fn read(args: &Args, reply: &Reply) -> Result<Found, Delta> {
        if reply.text("home").map_err(Delta::unknown)?.is_none() {
            return match args.state {
                State::Present => Err(Delta::lacking(format!("there is no user {}", args.user))),
                State::Absent => Ok(Found::default()),
            };
        }
        let text = |name: &str| {
            let text = reply.text(name).map_err(Delta::unknown)?;
            Ok(text.unwrap_or_default().to_string())
        };
        let (file, ids, is_own) = (text("file")?, text("ids")?, text("own")? == "yes");
        let folder = Fact::read(reply, "folder").map_err(Delta::unknown)?;
        let mut found = Found { file, ids, is_own, folder, stat: None, text: text("content")? };
        // First the folder: behind a link there may be nothing the user can look at.
        let danger = found.danger(args);
        if danger.is_none() {
            found.stat = Fact::read(reply, "stat").map_err(Delta::unknown)?;
        }
        match danger.or_else(|| found.danger(args)) {
            // What comes before it may set the folder right.
            Some(refused) => Err(Delta::lacking(refused)),
            None => Ok(found),
        }
    }

    fn uid(&self) -> &str {
        self.ids.split(':').next().unwrap_or_default()
    }

    /// Returns why nothing may be written here.
    fn danger(&self, args: &Args) -> Option<String> {
        let path = self.file.rsplit_once('/').map_or("/", |(folder, _)| folder);
        if let Some(folder) = &self.folder {
            if folder.sort != "directory" {
                return Some(format!("{path} is a {}, not a directory", folder.sort));
            }
            let due = if self.is_own { self.uid() } else { "0" };
            if folder.uid != due {
                let whose = if self.is_own { &*args.user } else { "root" };
                let said = format!("{path} belongs to {}", folder.owner);
                return Some(format!("{said}: give it to {whose} first (os.directory)"));
            }
            let mode = u32::from_str_radix(&folder.mode, 8).unwrap_or(0o777);
            if !self.is_own && mode & 0o022 != 0 {
                return Some(format!("others than root may write to {path}"));
            }
        }
        let stat = self.stat.as_ref()?;
        (!stat.sort.starts_with("regular"))
            .then(|| format!("{} is a {}, not a regular file", self.file, stat.sort))
    }

    /// Compares modes and owner; what is not there yet gets the right ones.
    fn modes(&self, args: &Args, attributes: &mut Vec<Attribute>) {
        let mut add = |name: &'static str, live: &str, want: &str| {
            let live = Live::Known(Value::text(live));
            attributes.push(Attribute::new(name, live, Value::text(want)));
        };
        if let Some(folder) = self.folder.as_ref().filter(|_| args.manage_dir && self.is_own) {
            add("folder_mode", &folder.mode, "0700");
        }
        if let Some(stat) = self.stat.as_ref().filter(|_| self.is_own) {
            add("mode", &stat.mode, "0600");
            if stat.uid != self.uid() {
                add("owner", &stat.owner, &args.user);
            }
        }
    }
}

/// Returns the file as it should be.
fn changed(args: &Args, text: &str) -> String {
    let mut wishes = args.keys();
    let mut out = String::new();
    for line in edit::lines(text) {
        let Some(live) = PublicKey::parse(line) else {
            out.push_str(line);
            continue;
        };
        let at = wishes.iter().position(|wish| wish.is(&live));
        match (at, args.state) {
            // The same key may stand there twice.
            (Some(_), State::Absent) => {}
            (Some(at), State::Present) => {
                let wish = wishes.remove(at);
                match args.fits(&wish, &live) {
                    true => out.push_str(line),
                    false => edit::append(&mut out, &wish.line()),
                }
            }
            (None, _) if args.exclusive => {}
            (None, _) => out.push_str(line),
        }
    }
    if args.state == State::Present {
        wishes.iter().for_each(|wish| edit::append(&mut out, &wish.line()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHKHLx3FPpcVxX0T7WdCj6MlVEzpxfUHtLJGrUoYhUNI";
    const B: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn args(key: &str, change: impl Fn(&mut Args)) -> Args {
        let mut args = Args {
            user: "app".into(),
            key: key.into(),
            key_options: None,
            exclusive: false,
            manage_dir: true,
            path: None,
            comment: None,
            state: State::Present,
        };
        change(&mut args);
        args
    }

    #[test]
    fn keys_are_known_by_their_digits() {
        let file = format!("# mine\n{A} old\n{B} b");
        assert_eq!(changed(&args(A, |_| ()), &file), file);
        let gone = args(A, |a| a.state = State::Absent);
        assert_eq!(changed(&gone, &format!("{file}\n{A}\n")), format!("# mine\n{B} b\n"));
        let only = args(&format!("{A} new"), |a| a.exclusive = true);
        assert_eq!(changed(&only, &file), format!("# mine\n{A} old\n"));
        let named = args(A, |a| a.comment = Some("new".into()));
        assert_eq!(changed(&named, &file), format!("# mine\n{A} new\n{B} b"));
        let both = args(&format!("\n# x\n{B}\n{A} a\n"), |_| ());
        assert_eq!(changed(&both, ""), format!("{B}\n{A} a\n"));
    }

    #[test]
    fn options_always_count_and_their_order_never() {
        let bound = |text: &str| {
            let text = text.to_string();
            args(A, move |a| a.key_options = Some(text.clone()))
        };
        let file = format!("no-pty,command=\"a, \\\"b\" {A} x y\n");
        assert_eq!(changed(&bound("command=\"a, \\\"b\",no-pty"), &file), file);
        assert_eq!(changed(&bound("no-pty"), &file), format!("no-pty {A}\n"));
        assert_eq!(changed(&args(A, |_| ()), &file), format!("{A}\n"));
        let key = PublicKey::parse(&file).unwrap();
        assert_eq!((&*key.options, &*key.comment), ("no-pty,command=\"a, \\\"b\"", "x y"));
    }

    #[test]
    fn only_keys_are_taken_for_keys() {
        let is_sound = |line: &str| PublicKey::parse(line).is_some_and(|key| key.is_sound());
        assert!(is_sound(A) && is_sound(&format!("from=\"a b\" {A} c d")));
        assert!(!is_sound("ssh-ed25519 AAAA") && !is_sound("ssh-rsa x") && !is_sound("hello"));
        assert!(!is_sound(&A.replace("ssh-ed25519", "ssh-rsa")) && !is_sound(&format!("#{A}")));
    }
}
