//! `os.authorized_key`: public keys that may log in as a user.
//!
//! Parameters follow Ansible's `authorized_key`. Keys are the same when their data are; the comment
//! counts only where `comment` is declared, the options always: a key without options in the
//! declaration is one without restrictions. With `exclusive` every other line of the file goes. The
//! file is `~/.ssh/authorized_keys` unless `path` says otherwise; it belongs to the user, mode
//! `0600`, and so does its folder, mode `0700`, unless `manage_dir: false`.
//!
//! The user may do as they like with their home while drsync works there as root. So a folder or a
//! file that is a symbolic link is refused, never followed, and what is written in a folder of the
//! user is written as the user (setpriv(1)).
//!
//! ```yaml
//! - name: The copier logs in from the other side
//!   os.authorized_key:
//!     user: drcopy
//!     key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILz88rkn4gFp9EGakYwoaTteFDNNQAiT11NzWLBh3QVd drcopy
//!     key_options: from="10.2.0.0/16",no-pty
//!   hosts: all
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::shared::state::State;
use super::shared::{edit, file, ownership};
use super::{Claim, Kind, Link, folders_above, problem};
use crate::format::authorized_keys::{self as keys, Key};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value, Want};

/// Public keys that may log in as a user.
pub struct OsAuthorizedKey;

/// Public keys that may log in as a user.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Who logs in with them.
    user: String,
    /// The keys, one a line, as in the file.
    key: String,
    /// Options of every key, instead of those before it, e.g. `no-pty,from="10.2.0.0/16"`.
    key_options: Option<String>,
    /// The comment of every key, instead of the one after it.
    comment: Option<String>,
    /// May no other key be there?
    #[serde(default)]
    exclusive: bool,
    /// Is the folder the user's with mode 0700, and made where there is none?
    #[serde(default = "yes")]
    manage_dir: bool,
    /// The file, if it is not `~/.ssh/authorized_keys`.
    path: Option<String>,
    /// Should the keys be there?
    #[serde(default)]
    state: State,
}

fn yes() -> bool {
    true
}

/// Sets of NUMBER USER PATH; an empty path is `~/.ssh/authorized_keys`. One `getent` and one `stat`
/// see all of them.
///
/// Nothing is read through a symbolic link. A size of `too large` leaves the content unread.
static KEYS: Script = Script::together(
    "drsync_keys",
    r#"
drsync_keys() {
  names=
  drsync_keys_names "$@"
  broken=
  entries=$(if [ -r "$root/etc/passwd" ]; then cat "$root/etc/passwd"; fi)$nl
  if [ -z "$root" ]; then
    found=$(IFS=$nl; set -f; getent passwd -- $names) || { rc=$?; [ $rc = 2 ] || broken="getent ended with status $rc"; }
    entries=$entries$found$nl
  elif [ ! -r "$root/etc/passwd" ]; then broken='/etc/passwd cannot be read'; fi
  list=
  drsync_keys_places "$@"
  facts=$nl$(IFS=$nl; set -f; [ -z "$list" ] || stat -c '%n|%F|%a|%U|%G|%u|%g|%s' -- $list 2>/dev/null)$nl
  while [ $# -gt 0 ]; do
    n=$1
    drsync_keys_one "$2" "$3"
    finish
    shift 3
  done
}
drsync_keys_names() {
  while [ $# -gt 0 ]; do names="$names$2$nl"; shift 3; done
}
# Sets `entry`, `home` and `file` for USER PATH.
drsync_keys_place() {
  entry= home= file=$2
  case $nl$entries in *"$nl$1:"*) ;; *) return 1 ;; esac
  entry=$nl$entries
  entry=${entry#*"$nl$1:"}
  entry=${entry%%"$nl"*}
  home=${entry#*:*:*:*:}
  home=${home%%:*}
  home=${home%/}
  [ -n "$file" ] || file=$home/.ssh/authorized_keys
}
drsync_keys_places() {
  while [ $# -gt 0 ]; do
    if drsync_keys_place "$2" "$3"; then
      folder=$root${file%/*}
      list="$list${folder%/*}/$nl$folder$nl$root$file$nl"
    fi
    shift 3
  done
}
drsync_keys_one() {
  if ! drsync_keys_place "$1" "$2"; then
    if [ -n "$broken" ]; then unknown entry "$broken"; else absent entry; fi
    return
  fi
  put entry "$1:$entry"
  case $file in /*) ;; *) unknown file "the home of $1 is \`$home\`"; return ;; esac
  put path "$file"
  folder=$root${file%/*}
  drsync_keys_stat above "${folder%/*}/"
  drsync_keys_stat folder "$folder"
  case $fact in directory'|'*) ;; *) absent file; return ;; esac
  drsync_keys_stat file "$root$file"
  case $fact in 'regular '*) ;; *) return ;; esac
  size=${fact##*|}
  if [ "$size" -gt 1048576 ]; then unknown content 'it is larger than 1 MiB'; return; fi
  part content "$size"
  packed "$size"
  dd if="$root$file" iflag=nofollow,nonblock status=none bs=65536
  printf '\n'
}
# NAME PATH: reports what is there, and leaves it in `fact`.
drsync_keys_stat() {
  case $facts in
    *"$nl$2|"*)
      fact=${facts#*"$nl$2|"}
      fact=${fact%%"$nl"*}
      put "$1" "$fact"
      return ;;
  esac
  if fact=$(stat -c '%F|%a|%U|%G|%u|%g|%s' -- "$2" 2>&1); then put "$1" "$fact"; return; fi
  case $fact in
    *': No such file or directory'|*': Not a directory') absent "$1" ;;
    *) unknown "$1" "$fact" ;;
  esac
  fact=
}
"#,
);

/// `drsync_key_folder UID GID PATH`: makes the folder, or gives it to the user.
static FOLDER: Script = Script::each(
    "drsync_key_folder",
    r#"
drsync_key_folder() {
  path=$root$3
  if [ -L "$path" ]; then echo "$3 is a symbolic link"; return 1; fi
  if [ ! -e "$path" ]; then drsync_key_as "$1" "$2" "${path%/*}/" mkdir -m 0700 -- "$path" || return; fi
  # A link put here meanwhile is given away itself, not what it points to.
  chown -h "$1:$2" -- "$path" && drsync_key_as "$1" "$2" "$path" chmod 0700 -- "$path" &&
  if [ -z "$root" ] && [ -e /sys/fs/selinux/enforce ]; then restorecon -- "$path"; fi
}
drsync_key_as() {
  who=$1 team=$2 where=$3
  shift 3
  if [ -z "$root" ] && [ "$who" != 0 ] && [ "$(id -u)" = 0 ] && [ "$(stat -c %u -- "$where")" = "$who" ]; then
    setpriv --reuid "$who" --regid "$team" --clear-groups -- "$@"
  else "$@"; fi
}
"#,
);

/// `drsync_key_file UID GID PATH OLD CONTENT`: replaces the file unless it changed since it was
/// read. Who owns the folder writes in it, so that no link there leads root astray.
static FILE: Script = Script::each(
    "drsync_key_file",
    r#"
drsync_key_file() {
  path=$root$3 folder=$root${3%/*}
  if [ -L "$folder" ] || [ -L "$path" ]; then echo "$3 is behind a symbolic link"; return 1; fi
  case $4 in
    absent) if [ -e "$path" ]; then echo "$3 appeared since it was read"; return 1; fi ;;
    *)
      now=$(dd if="$path" iflag=nofollow,nonblock status=none bs=65536 | sha256sum) || return
      if [ "${now%% *}" != "$4" ]; then echo "$3 changed since it was read"; return 1; fi ;;
  esac
  if [ -z "$root" ] && [ "$1" != 0 ] && [ "$(id -u)" = 0 ] && [ "$(stat -c %u -- "$folder")" = "$1" ]; then
    printf '%s' "$5" | setpriv --reuid "$1" --regid "$2" --clear-groups -- sh -c "$drsync_key_write" drsync "$path" ''
  else
    printf '%s' "$5" | sh -c "$drsync_key_write" drsync "$path" "$1:$2"
  fi &&
  if [ -z "$root" ] && [ -e /sys/fs/selinux/enforce ]; then restorecon -- "$path"; fi
}
drsync_key_write='umask 077
rm -f -- "${1%/*}/.${1##*/}.drsync."??????
new=$(mktemp "${1%/*}/.${1##*/}.drsync.XXXXXX") || exit
trap '\''rm -f -- "$new"'\'' EXIT
trap '\''exit 1'\'' HUP INT TERM
cat > "$new" && chmod 0600 -- "$new" && { [ -z "$2" ] || chown -h "$2" -- "$new"; } && mv -f -T -- "$new" "$1"'
"#,
);

/// What is at a path.
#[derive(Clone, Debug)]
struct Seen {
    sort: String,
    mode: String,
    uid: String,
    /// The owner's name.
    owner: String,
    gid: String,
}

impl Seen {
    fn read(reply: &Reply, name: &str) -> Result<Option<Seen>, String> {
        let Some(text) = reply.text(name)? else { return Ok(None) };
        let fields: Vec<&str> = text.split('|').collect();
        let [sort, mode, owner, _, uid, gid, _] = fields[..] else {
            return Err(format!("stat answered `{text}`"));
        };
        let mode = format!("{mode:0>4}");
        let [sort, uid, owner, gid] = [sort, uid, owner, gid].map(String::from);
        Ok(Some(Seen { sort, mode, uid, owner, gid }))
    }
}

/// The user's file, as it is.
struct Present {
    uid: String,
    gid: String,
    path: Arc<str>,
    above: Option<Seen>,
    folder: Option<Seen>,
    file: Option<Seen>,
    text: Arc<str>,
}

impl Present {
    /// Errors: the delta that says why it cannot be told, or why the wish cannot be met.
    fn read(args: &Args, reply: &Reply) -> Result<Present, Delta> {
        let unknown = |reason: String| Delta::unknown(reason);
        let Some(entry) = reply.text("entry").map_err(unknown)? else {
            return Err(Delta::lacking(format!("there is no user `{}`", args.user)));
        };
        let fields: Vec<&str> = entry.split(':').collect();
        let [_, _, uid, gid, ..] = fields[..] else {
            return Err(unknown(format!("the entry of the user is `{entry}`")));
        };
        let path = reply.text("path");
        let file = Seen::read(reply, "file").map_err(unknown)?;
        let is_regular = file.as_ref().is_some_and(|file| file.sort.starts_with("regular"));
        Ok(Present {
            uid: uid.into(),
            gid: gid.into(),
            path: path.map_err(unknown)?.unwrap_or_default(),
            above: Seen::read(reply, "above").map_err(unknown)?,
            folder: Seen::read(reply, "folder").map_err(unknown)?,
            text: match is_regular {
                true => reply.text("content").map_err(unknown)?.unwrap_or_default(),
                false => Arc::from(""),
            },
            file,
        })
    }

    fn folder_path(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Returns why nothing may be written there.
    fn danger(&self, args: &Args) -> Option<Delta> {
        let refused = |said: String| Some(Delta::refused(said));
        let (folder, file) = (self.folder_path(), &self.path);
        match (&self.folder, &self.file) {
            (Some(seen), _) if seen.sort != "directory" => {
                refused(format!("{folder} is a {}, which is never followed", seen.sort))
            }
            (_, Some(seen)) if !seen.sort.starts_with("regular") => {
                refused(format!("{file} is a {}, which is never followed", seen.sort))
            }
            (Some(seen), _) if ![&*self.uid, "0"].contains(&&*seen.uid) => {
                refused(format!("{folder} belongs to {}, not to {}", seen.owner, args.user))
            }
            (Some(seen), _) if args.manage_dir && args.path.is_some() && seen.uid != self.uid => {
                refused(format!(
                    "{folder} belongs to {}: declare `manage_dir: false` to leave it so",
                    seen.owner
                ))
            }
            (None, _) if !args.manage_dir => {
                Some(Delta::lacking(format!("{folder} does not exist; `manage_dir` is off")))
            }
            (None, _) if self.above.is_none() => {
                Some(Delta::lacking(format!("the folder above {folder} does not exist")))
            }
            _ => None,
        }
    }
}

impl Args {
    /// Returns the declared keys as they should be written.
    ///
    /// Errors: what is wrong with a line.
    fn keys(&self) -> Result<Vec<Key>, String> {
        let lines = self.key.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                let mut key = Key::parse(line).ok_or_else(|| not_a_key(line))?;
                key.sound()?;
                if let Some(options) = &self.key_options {
                    key.options = options.clone();
                }
                if let Some(comment) = &self.comment {
                    key.comment = comment.clone();
                }
                Ok(key)
            })
            .collect()
    }

    /// Returns which of the declared keys are there, and what else is.
    fn compare(&self, text: &str) -> (Vec<Attribute>, String) {
        let wanted = self.keys().unwrap_or_default();
        let mut attributes = Vec::new();
        for (i, key) in wanted.iter().enumerate() {
            let name = match wanted.len() {
                1 => "key".to_string(),
                _ => format!("key[{}]", i + 1),
            };
            attributes.push(self.compare_one(name, key, text));
        }
        let is_wanted = |line: &str| {
            Key::parse(line).is_some_and(|key| wanted.iter().any(|w| w.data == key.data))
        };
        let exclusive = self.exclusive && self.state == State::Present;
        if exclusive {
            let others = edit::lines(text).into_iter().map(edit::bare);
            let others: Vec<Value> = others
                .filter(|line| !is_wanted(line))
                .map(|line| Value::text(shown(line)))
                .collect();
            let differs = !others.is_empty();
            let before = if differs { Live::Known(Value::List(others)) } else { Live::Absent };
            let (name, after) = ("others".into(), Want::Absent(None));
            attributes.push(Attribute { name, before, after, differs, note: None });
        }
        let differing = attributes.iter().any(|attribute| attribute.differs);
        let text = match (differing, self.state) {
            (false, _) => text.to_string(),
            (true, State::Absent) => {
                edit::lines(text).into_iter().filter(|line| !is_wanted(line)).collect()
            }
            (true, State::Present) => keys::put(text, &wanted, self.comment.is_some(), exclusive),
        };
        (attributes, text)
    }

    fn compare_one(&self, name: String, key: &Key, text: &str) -> Attribute {
        let lines = edit::lines(text).into_iter().filter_map(|line| Key::parse(edit::bare(line)));
        let found: Vec<Key> = lines.filter(|other| other.data == key.data).collect();
        let live = |found: &[Key]| match found {
            [] => Live::Absent,
            [one] => Live::Known(Value::text(one.shown())),
            more => Live::Known(Value::List(more.iter().map(|k| Value::text(k.shown())).collect())),
        };
        let name = name.into();
        let before = live(&found);
        if self.state == State::Absent {
            let differs = !found.is_empty();
            return Attribute { name, before, after: Want::Absent(None), differs, note: None };
        }
        let is_right = |other: &Key| other.fits(key, self.comment.is_some());
        let differs = found.is_empty() || !found.iter().all(is_right);
        let after = Value::text(if differs { key.shown() } else { found[0].shown() });
        let is_twice = differs && found.len() > 1;
        let note = is_twice.then(|| "sshd takes the first line that has the key".to_string());
        Attribute { name, before, after: Want::Value(after), differs, note }
    }
}

fn not_a_key(line: &str) -> String {
    match line.contains("PRIVATE KEY") {
        // What was pasted there must not be shown.
        true => "this is a private key: the public one is in the file that ends in `.pub`".into(),
        false => format!("`{}` is not a public key", line.chars().take(40).collect::<String>()),
    }
}

/// Returns a line as it may be shown: what is no key stays out of plans.
fn shown(line: &str) -> String {
    match Key::parse(line) {
        Some(key) => key.shown(),
        None if line.trim().is_empty() => "an empty line".into(),
        None if line.trim_start().starts_with('#') => "a comment".into(),
        None => "a line that is no key".into(),
    }
}

impl Kind for OsAuthorizedKey {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "os.authorized_key", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_authorized_key.rs");

    fn key(args: &Args) -> String {
        let keys = args.keys().unwrap_or_default();
        let path = args.path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
        let Some(first) = keys.first().filter(|_| !args.exclusive) else {
            return format!("{}{path}", args.user);
        };
        let more = match keys.len() {
            1 => String::new(),
            _ => {
                let all: String = keys.iter().map(|key| &*key.data).collect();
                format!(" and {} more, {}", keys.len() - 1, &sha256(all.as_bytes())[..8])
            }
        };
        format!("{}{path}: {}{more}", args.user, first.short())
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !ownership::is_account(&args.user) {
            let shown: String = args.user.chars().take(60).collect();
            problems.push(problem(&["user"], format!("`{shown}` is not the name of a user"), None));
        }
        problems.extend(args.path.as_deref().and_then(|path| file::path_problem("path", path)));
        let is_depth = |path: &String| path.matches('/').count() > 1;
        if args.path.as_ref().is_some_and(|path| !is_depth(path)) {
            problems.push(problem(&["path"], "a file right below `/` is not for keys", None));
        }
        let is_elsewhere = ["http://", "https://", "file:"].iter().any(|s| args.key.starts_with(s));
        match args.keys() {
            _ if is_elsewhere => {
                let hint = "`{{ lookup('file', …) }}` reads one";
                problems.push(problem(&["key"], "`key` is the key itself", Some(hint)));
            }
            Ok(keys) if keys.is_empty() => {
                problems.push(problem(&["key"], "there is no key in it", None));
            }
            Ok(_) if args.key.len() > 262_144 => {
                problems.push(problem(&["key"], "more than 256 KiB of keys", None));
            }
            Err(said) => problems.push(problem(&["key"], said, None)),
            Ok(_) => {}
        }
        if let Some(said) = args.key_options.as_deref().and_then(keys::options_problem) {
            problems.push(problem(&["key_options"], said, None));
        }
        let is_line = |text: &str| !text.contains(char::is_control) && text.len() <= 1024;
        if args.comment.as_deref().is_some_and(|text| !is_line(text) || text.trim() != text) {
            let said = "a comment is one line of at most 1024 bytes, without blanks around it";
            problems.push(problem(&["comment"], said, None));
        }
        if args.exclusive && args.state == State::Absent {
            let hint = "`exclusive` with the keys that should stay removes the others";
            problems.push(problem(
                &["exclusive"],
                "`exclusive` is for keys to be there",
                Some(hint),
            ));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let path = args.path.as_deref().unwrap_or_default();
        vec![Question::Probe(&KEYS, [&*args.user, path].map(Argument::plain).to_vec())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let present = match Present::read(args, &replies[0]) {
            Ok(present) => present,
            // Who is not there does not log in.
            Err(delta) if args.state == State::Absent && delta.is_curable => {
                return Delta { attributes: args.compare("").0, ..Delta::default() };
            }
            Err(delta) => return delta,
        };
        if args.state == State::Absent && present.file.is_none() && present.folder.is_none() {
            return Delta { attributes: args.compare("").0, ..Delta::default() };
        }
        if let Some(delta) = present.danger(args) {
            return delta;
        }
        let mut attributes = args.compare(&present.text).0;
        if args.state == State::Present {
            attributes.extend(belongings(args, &present));
        }
        Delta { attributes, ..Delta::default() }
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(present) = Present::read(args, &replies[0]) else { return Vec::new() };
        let mut actions = Vec::new();
        let is_folder = |name: &str| name.starts_with("folder");
        let words = |path: &str| [&*present.uid, &*present.gid, path].map(Argument::plain).to_vec();
        if delta.differing().any(|attribute| is_folder(&attribute.name)) {
            actions.push(Action::Host(&FOLDER, words(present.folder_path())));
        }
        if delta.differing().any(|attribute| !is_folder(&attribute.name)) {
            let old = match present.file {
                Some(_) => sha256(present.text.as_bytes()),
                None => "absent".into(),
            };
            let (_, text) = args.compare(&present.text);
            let mut words = words(&present.path);
            words.extend([old, text].map(Argument::plain));
            actions.push(Action::Host(&FILE, words));
        }
        actions
    }

    fn needs(args: &Args) -> Vec<Link> {
        let mut links = vec![Link::new("os.user", &args.user)];
        links.extend(args.path.iter().flat_map(|path| folders_above(path)));
        links
    }

    fn claims(args: &Args) -> Option<Claim> {
        let home = format!("~{}/.ssh/authorized_keys", args.user);
        let path = args.path.clone().unwrap_or(home);
        Some(if args.exclusive { Claim::Whole(path) } else { Claim::Part(path) })
    }
}

/// Compares owner and mode of folder and file; sshd ignores what others may write.
fn belongings(args: &Args, present: &Present) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    let mut add = |name: &'static str, live: Option<String>, want: &str| {
        let live = live.map_or(Live::Absent, |live| Live::Known(Value::text(live)));
        attributes.push(Attribute::new(name, live, Value::text(want)));
    };
    let owner = |seen: &Seen| match (seen.uid == present.uid, seen.gid == present.gid) {
        (true, true) => args.user.clone(),
        (true, false) => format!("{} with group {}", args.user, seen.gid),
        (false, _) => seen.owner.clone(),
    };
    if args.manage_dir {
        add("folder", present.folder.as_ref().map(|f| f.mode.clone()), "0700");
        add("folder_owner", present.folder.as_ref().map(owner), &args.user);
    }
    add("mode", present.file.as_ref().map(|f| f.mode.clone()), "0600");
    add("owner", present.file.as_ref().map(owner), &args.user);
    attributes
}
