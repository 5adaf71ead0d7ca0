//! `os.sysctl`: a kernel parameter, now and after the next boot.
//!
//! The value at boot is what the whole precedence of `sysctl.d` comes to (sysctl.d(5)), not just
//! what our own file says: if a file read later sets the parameter to something else, the plan
//! names that file. There, `key` beats any pattern (`net.ipv4.conf.*.rp_filter`), and `-key`
//! without a value takes the parameter out. Blanks between the fields of a value do not count.
//!
//! With `state: absent` the entry is taken out of our file; the running kernel keeps its value.
//! `disable_ipv6: 1` counts as done where the kernel has no IPv6 at all. Parameters follow
//! Ansible's `sysctl`; a kernel that refuses a value is a failure, never ignored.
//!
//! ```yaml
//! - name: Swappiness on every node
//!   os.sysctl: { name: vm.swappiness, value: 1 }
//!   hosts: all
//! - name: No longer ours
//!   os.sysctl: { name: net.core.somaxconn, state: absent }
//!   hosts: all
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::shared::state::State;
use super::shared::tuned::{Tuned, tuned_shell};
use super::{Claim, Kind, Link, folders_above, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// A kernel parameter.
pub struct OsSysctl;

/// A kernel parameter, now and after the next boot.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The parameter, e.g. `vm.swappiness`. An interface with a dot is written with slashes:
    /// `net/ipv4/conf/eth0.5/forwarding`.
    name: String,
    /// Its value.
    value: Option<String>,
    /// The file that keeps it for the next boot.
    #[serde(default = "own_file")]
    sysctl_file: String,
    /// Should the file set it? `absent` leaves the running kernel alone.
    #[serde(default)]
    state: State,
}

fn own_file() -> String {
    "/etc/sysctl.d/90-drsync.conf".into()
}

impl Args {
    fn value(&self) -> String {
        blanks(self.value.as_deref().unwrap_or_default())
    }
}

/// Sets of NUMBER PATH. One `grep` reads all of them: the kernel tells a value to the first read(2)
/// only, which rules out dash's `read`. What it does not tell is read once more, for the reason.
static RUNTIME: Script = Script::together(
    "drsync_sysctl",
    r#"
drsync_sysctl() {
  paths=
  drsync_sysctl_paths "$@"
  values=$(IFS=$nl; set -f; grep -a -s -H '' /dev/null $paths)$nl
  while [ $# -gt 0 ]; do
    n=$1 path=$root/proc/sys/$2
    case $values in
      "$path:"*)
        value=
        while :; do
          case $values in "$path:"*) ;; *) break ;; esac
          line=${values%%"$nl"*} values=${values#*"$nl"}
          value=$value${line#"$path:"}$nl
        done
        put runtime "${value%"$nl"}" ;;
      *) drsync_sysctl_one "$2" ;;
    esac
    finish
    shift 2
  done
}
drsync_sysctl_paths() {
  while [ $# -gt 0 ]; do paths="$paths$root/proc/sys/$2$nl"; shift 2; done
}
drsync_sysctl_one() {
  if out=$(cat -- "$path" 2>&1); then put runtime "$out"; return; fi
  case $out in
    *': No such file or directory')
      absent runtime
      case $1 in net/ipv6/*) [ -e "$root/proc/sys/net/ipv6" ] || absent ipv6 ;; esac ;;
    *) unknown runtime "$out" ;;
  esac
}
"#,
);

/// What every file that is read at boot sets: `files` (lines `PATH:SETTING`), `list` (the files, the
/// empty ones and links to /dev/null too: they mask others) and `conf`, how /etc/sysctl.conf is
/// read: through the link of this name, `last` where procps does it, or not (`alone`).
static FILES: Script = Script::each(
    "drsync_sysctl_files",
    concat!(
        r##"
drsync_sysctl_files() {
  set --
  list= lost= conf=
  for folder in etc/sysctl.d run/sysctl.d usr/local/lib/sysctl.d usr/lib/sysctl.d lib/sysctl.d; do
    case $folder in lib/*) [ ! -L "$root/lib" ] || continue ;; esac
    if [ ! -d "$root/$folder" ]; then lost="$lost$root/$folder$nl"; continue; fi
    if [ ! -r "$root/$folder" ]; then unknown files "$(ls "$root/$folder/." 2>&1 >/dev/null || :)"; return; fi
    for file in "$root/$folder"/*.conf; do
      [ -e "$file" ] || [ -L "$file" ] || continue
      if [ -L "$file" ]; then drsync_sysctl_link || return 0; fi
      [ "$conf" != "${file##*/}" ] && [ -e "$file" ] || continue
      list="$list$file$nl"
      [ ! -f "$file" ] || set -- "$@" "$file"
    done
  done
  if [ -z "$conf" ]; then
    conf=last
    for file in usr/lib lib; do [ ! -e "$root/$file/systemd/systemd-sysctl" ] || conf=alone; done
  fi
  put conf "$conf"; put list "$list"; put root "$root"
  [ ! -e "$root/etc/sysctl.conf" ] || set -- "$@" "$root/etc/sysctl.conf"
  # What `grep` says of folders that are not there tells whether that is so.
  out=$(IFS=$nl; set -f; grep -a -H -v -e '^[[:blank:]]*[#;]' -e '^[[:blank:]]*$' /dev/null "$@" $lost 2>&1)
  if [ $? -le 2 ]; then put files "$out"; else unknown files "$out"; fi
  drsync_tuned
}
drsync_sysctl_link() {
  if [ "$file" -ef "$root/etc/sysctl.conf" ]; then conf=${file##*/}; return; fi
  [ -n "$root" ] || [ ! -e "$file" ] || return 0
  case $(readlink -- "$file") in
    /etc/sysctl.conf|../sysctl.conf) conf=${file##*/} ;;
    /dev/null|[!/]*) ;;
    *) [ -n "$root" ] || return 0; unknown files "${file#"$root"} leads out of $root"; return 1 ;;
  esac
}
"##,
        tuned_shell!()
    ),
);

static SET: Script = Script::each(
    "drsync_sysctl_set",
    r#"
drsync_sysctl_set() {
  if [ ! -e "$root/proc/sys/$1" ]; then echo "the kernel has no /proc/sys/$1"; return 1; fi
  # The shell itself calls whatever the kernel refuses an "I/O error".
  printf '%s\n' "$2" | cat > "$root/proc/sys/$1"
}
"#,
);

/// `drsync_sysctl_keep FILE KEY [VALUE]`: sets KEY in FILE; without VALUE, takes it out.
static KEEP: Script = Script::each(
    "drsync_sysctl_keep",
    r##"
drsync_sysctl_keep() {
  path=$root$1
  if [ -z "$root" ] && [ -L "$path" ]; then path=$(readlink -f -- "$path") || return; fi
  mkdir -p -- "${path%/*}" || return
  rm -f -- "${path%/*}/.${path##*/}.drsync."??????
  new=$(mktemp "${path%/*}/.${path##*/}.drsync.XXXXXX") || return
  trap 'rm -f -- "$new"' EXIT
  trap 'exit 1' HUP INT TERM
  drop=; [ $# -ge 3 ] || drop=yes
  if [ -e "$path" ]; then drsync_sysctl_text "$2" "$3" < "$path" > "$new"
  else printf '# Kept by drsync.\n%s = %s\n' "$2" "$3" | cat > "$new"; fi || return
  if [ -e "$path" ]; then
    chmod "$(stat -c '%a' -- "$path")" "$new" || return
    [ ! -e /sys/fs/selinux/enforce ] || chcon --reference="$path" -- "$new" || return
  else chmod 0644 "$new" || return; fi
  mv -f -T -- "$new" "$path"
}
drsync_sysctl_text() {
  KEY=$1 VALUE=$2 DROP=$drop awk '
    function dotted(k,  i) {
      i = match(k, /[.\/]/)
      if (i && substr(k, i, 1) == "/") { gsub(/\./, "\001", k); gsub("/", ".", k); gsub("\001", "/", k) }
      return k
    }
    function say() { if (!done && !ENVIRON["DROP"]) print ENVIRON["KEY"] " = " ENVIRON["VALUE"]; done = 1 }
    { line = $0; key = line; sub(/=.*/, "", key); gsub(/[ \t]/, "", key); sub(/^-/, "", key); key = dotted(key) }
    line !~ /^[ \t]*[#;]/ && (line ~ /=/ || line ~ /^[ \t]*-/) && key == ENVIRON["KEY"] { say(); next }
    { print line }
    END { say() }'
}
"##,
);

impl Kind for OsSysctl {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.sysctl", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_sysctl.rs");

    fn key(args: &Args) -> String {
        dotted(&args.name)
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if args.name.contains(['*', '?', '[']) {
            let hint = "declare every interface by itself; `loop` saves writing";
            problems.push(problem(&["name"], "a pattern has no value of its own", Some(hint)));
        } else if !is_name(&args.name) {
            let shown: String = args.name.chars().take(60).collect();
            let said = format!("`{shown}` is not the name of a kernel parameter");
            problems.push(problem(&["name"], said, Some("write it as in `vm.swappiness`")));
        }
        match (&args.value, args.state) {
            (None, State::Present) => problems.push(problem(&[], "missing key `value`", None)),
            (Some(value), _) if !is_value(value) => {
                let said = "a kernel parameter's value is one line of text";
                problems.push(problem(&["value"], said, Some("4096 bytes at the most")));
            }
            _ => {}
        }
        let (folder, _) = args.sysctl_file.rsplit_once('/').unwrap_or_default();
        let is_read = FOLDERS.contains(&folder) || args.sysctl_file == CONF;
        let is_sound = super::shared::file::path_problem("", &args.sysctl_file).is_none();
        if !is_read || !is_sound || !args.sysctl_file.ends_with(".conf") {
            let hint =
                "only files in /etc/sysctl.d and its like that end in `.conf` are read at boot";
            problems.push(problem(&["sysctl_file"], "not a sysctl file", Some(hint)));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let files = Question::Probe(&FILES, vec![]);
        match args.state {
            State::Present => {
                let path = Argument::plain(proc_path(&args.name));
                vec![Question::Probe(&RUNTIME, vec![path]), files]
            }
            State::Absent => vec![files],
        }
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let [live, files] = replies else { return gone(args, &replies[0]) };
        let want = Value::text(args.value());
        let runtime = match live.text("runtime") {
            Ok(Some(text)) => Live::Known(Value::text(blanks(&text))),
            Ok(None) => Live::Absent,
            Err(reason) => Live::Unknown(reason),
        };
        let is_missing = matches!(runtime, Live::Absent);
        if is_missing && is_off(args, live) {
            return without_ipv6(want);
        }
        let boot = boot(args, files, want.clone());
        let mut runtime = Attribute::new("runtime", runtime, want);
        if runtime.differs && !boot.differs {
            runtime.note = culprit(args, files);
        }
        let mut delta = Delta { attributes: vec![runtime, boot], ..Delta::default() };
        if is_missing {
            let said = format!("the kernel has no parameter `{}`", args.name);
            delta.refused = Some(format!("{said} (is its module loaded?)"));
            delta.is_curable = true;
        } else {
            delta.refused = obstacle(args, files);
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, _: &[Reply]) -> Vec<Action> {
        let value = args.value();
        let words = |words: &[&str]| words.iter().map(Argument::plain).collect();
        let (path, key) = (proc_path(&args.name), dotted(&args.name));
        let action = |name: &str| match (name, args.state) {
            ("runtime", _) => Action::Host(&SET, words(&[&path, &value])),
            (_, State::Absent) => Action::Host(&KEEP, words(&[&args.sysctl_file, &key])),
            _ => Action::Host(&KEEP, words(&[&args.sysctl_file, &key, &value])),
        };
        delta.differing().map(|attribute| action(&attribute.name)).collect()
    }

    fn needs(args: &Args) -> Vec<Link> {
        let mut links = vec![Link::new("os.file", &args.sysctl_file)];
        links.extend(folders_above(&args.sysctl_file));
        links
    }

    fn claims(args: &Args) -> Option<Claim> {
        Some(Claim::Part(args.sysctl_file.clone()))
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-./:@+%,".contains(c);
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with(['/', '.', '-'])
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("//")
        && !name.contains("/./")
        && name.chars().all(is_part)
}

fn is_value(value: &str) -> bool {
    let is_odd = |c: char| c.is_control() && c != '\t';
    value.len() <= 4096 && !value.contains(is_odd) && !value.trim().is_empty()
}

/// Takes the entry out of our file; the kernel keeps its value.
fn gone(args: &Args, reply: &Reply) -> Delta {
    let name = dotted(&args.name);
    let files = match Files::read(reply) {
        Ok(files) => files,
        Err(reason) => return Delta::unknown(reason),
    };
    let ours = files.all.iter().filter(|(path, _)| path == &args.sysctl_file);
    let entry = ours.flat_map(|(_, lines)| lines).rev().find_map(|line| entry(line, &name));
    let before = match entry {
        Some(value) => Live::Known(Value::text(value.unwrap_or_default())),
        None => Live::Absent,
    };
    let other = files.explicit(&name).filter(|(_, file)| file != &args.sysctl_file);
    let note = other.map(|(_, file)| format!("{file} still sets it"));
    let boot = Attribute::gone("boot", before).noted(note);
    Delta { attributes: vec![boot], ..Delta::default() }
}

/// True when IPv6 should be off and the kernel has none (`ipv6.disable=1`).
fn is_off(args: &Args, live: &Reply) -> bool {
    args.name.ends_with("disable_ipv6")
        && args.value() == "1"
        && matches!(live.field("ipv6"), Live::Absent)
}

fn without_ipv6(want: Value) -> Delta {
    let note = || Some("the kernel has no IPv6".to_string());
    let done = |name: &'static str| {
        Attribute::new(name, Live::Known(want.clone()), want.clone()).noted(note())
    };
    Delta { attributes: vec![done("runtime"), done("boot")], ..Delta::default() }
}

/// Returns who probably undid the value, where boot is right and now is not.
fn culprit(args: &Args, reply: &Reply) -> Option<String> {
    let tuned = Tuned::read(reply).ok()??;
    let value = tuned.setting(&dotted(&args.name))?;
    Some(format!("probably tuned: its profile {} sets it to {value}", tuned.profile))
}

/// Returns the path below `/proc/sys`. A name that uses slashes first keeps its dots (sysctl(8)).
fn proc_path(name: &str) -> String {
    match uses_slashes(name) {
        true => name.to_string(),
        false => swapped(name),
    }
}

fn uses_slashes(name: &str) -> bool {
    name.find(['/', '.']).is_some_and(|i| name.as_bytes()[i] == b'/')
}

/// Returns the name as files usually have it: separated by dots.
fn dotted(name: &str) -> String {
    match uses_slashes(name) {
        // The dots of `eth0.5` become slashes, as sysctl.d(5) asks.
        true => swapped(name),
        false => name.to_string(),
    }
}

fn swapped(name: &str) -> String {
    let swap = |c: char| match c {
        '/' => '.',
        '.' => '/',
        c => c,
    };
    name.chars().map(swap).collect()
}

/// Folds blanks: values are separated by tabs in `/proc` and by anything in files.
fn blanks(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

const CONF: &str = "/etc/sysctl.conf";

/// The folders read at boot, most important first (sysctl.d(5)).
const FOLDERS: [&str; 5] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
];

/// Of two files with one name the one in the earlier folder counts (sysctl.d(5)).
fn rank(path: &str) -> usize {
    let folder = path.rsplit_once('/').unwrap_or(("", path)).0;
    FOLDERS.iter().position(|f| *f == folder).unwrap_or(FOLDERS.len())
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Reads a line as a setting of `name`: `Some(None)` when it takes it out (`-key`).
fn entry(line: &str, name: &str) -> Option<Option<String>> {
    let line = line.trim();
    match line.split_once('=') {
        _ if line.starts_with(['#', ';']) => None,
        Some((key, value)) => {
            let key = key.strip_prefix('-').unwrap_or(key).trim();
            (dotted(key) == name).then(|| Some(blanks(value)))
        }
        None => (dotted(line.strip_prefix('-')?.trim()) == name).then_some(None),
    }
}

/// The files that set parameters at boot.
struct Files {
    /// Every file with its settings.
    all: Vec<(String, Vec<String>)>,
    /// Those that are read, in order: places in `all`.
    order: Vec<usize>,
    /// Every file's path, those without settings too.
    list: Vec<String>,
    /// How /etc/sysctl.conf is read.
    conf: String,
}

impl Files {
    fn read(reply: &Reply) -> Result<Files, String> {
        let text = reply.text("files")?.unwrap_or_default();
        let root = reply.text("root")?.unwrap_or_default();
        let optional = |name: &str| reply.text(name).ok().flatten().unwrap_or_default();
        let plain = |path: &str| path.strip_prefix(&*root).unwrap_or(path).to_string();
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        for line in text.lines() {
            if let Some(said) = line.strip_prefix("grep: ") {
                match said.ends_with(": No such file or directory") {
                    true => continue,
                    false => return Err(said.to_string()),
                }
            }
            let Some((path, setting)) = line.split_once(".conf:") else { continue };
            let path = plain(path) + ".conf";
            match all.last_mut().filter(|(last, _)| *last == path) {
                Some((_, settings)) => settings.push(setting.to_string()),
                None => all.push((path, vec![setting.to_string()])),
            }
        }
        let list = optional("list").lines().map(plain).collect();
        let mut files = Files { all, order: Vec::new(), list, conf: optional("conf").to_string() };
        let mut order: BTreeMap<(u8, String), usize> = BTreeMap::new();
        for (at, (path, _)) in files.all.iter().enumerate() {
            if (path != CONF || files.conf != "alone") && files.mask(path).is_none() {
                order.insert(files.place(path), at);
            }
        }
        files.order = order.into_values().collect();
        Ok(files)
    }

    /// Returns where in the order a file is read: sorted by name; /etc/sysctl.conf last by procps,
    /// by systemd only through a link.
    fn place(&self, path: &str) -> (u8, String) {
        match (path, &*self.conf) {
            (CONF, "" | "last" | "alone") => (1, String::new()),
            (CONF, link) => (0, link.to_string()),
            _ => (0, base(path).to_string()),
        }
    }

    /// Returns the file of the same name in a more important folder, which is read instead.
    fn mask(&self, path: &str) -> Option<&str> {
        let others = self.list.iter().chain(self.all.iter().map(|(other, _)| other));
        let mut others = others.filter(|other| path != CONF && *other != CONF);
        let masks = |other: &&String| base(other) == base(path) && rank(other) < rank(path);
        others.find(masks).map(String::as_str)
    }

    /// Returns the last setting of `name` itself and its file.
    fn explicit(&self, name: &str) -> Option<(Option<String>, String)> {
        let mut found = None;
        for at in &self.order {
            let (path, settings) = &self.all[*at];
            if let Some(value) = settings.iter().rev().find_map(|line| entry(line, name)) {
                found = Some((value, path.clone()));
            }
        }
        found
    }

    /// Returns what wins at boot and where it stands: what names the parameter itself beats every
    /// pattern, wherever it stands (sysctl.d(5)).
    fn winner(&self, name: &str) -> Option<(String, String)> {
        if let Some((value, file)) = self.explicit(name) {
            return value.map(|value| (value, file));
        }
        // The order in which systemd-sysctl applies patterns: one set anew moves to the end.
        let mut patterns: Vec<(String, String, &str)> = Vec::new();
        let lines = self.order.iter().map(|at| &self.all[*at]);
        for (path, line) in lines.flat_map(|(path, lines)| lines.iter().map(move |l| (path, l))) {
            let Some((key, value)) = line.split_once('=') else { continue };
            let key = proc_path(key.trim().trim_start_matches('-').trim());
            if !key.contains(['*', '?', '[']) {
                continue;
            }
            let value = blanks(value);
            if !patterns.iter().any(|(k, v, _)| *k == key && *v == value) {
                patterns.retain(|(k, ..)| *k != key);
                patterns.push((key, value, path));
            }
        }
        let path = proc_path(name);
        let hit = patterns.into_iter().rfind(|(pattern, ..)| matches_path(pattern, &path));
        hit.map(|(_, value, file)| (value, file.to_string()))
    }
}

/// Matches as glob(7) does: no wildcard stands for a slash.
fn matches_path(pattern: &str, path: &str) -> bool {
    let mut regex = String::from("^");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '[' if chars.as_str().contains(']') => {
                let set: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let (not, set) = match set.strip_prefix(['!', '^']) {
                    Some(rest) => ("^", rest.to_string()),
                    None => ("", set),
                };
                let set = set.replace('\\', r"\\").replace('[', r"\[");
                regex.push_str(&format!("[{not}{set}]"));
            }
            c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    regex::Regex::new(&regex).is_ok_and(|regex| regex.is_match(path))
}

fn boot(args: &Args, reply: &Reply, want: Value) -> Attribute {
    let files = match Files::read(reply) {
        Ok(files) => files,
        Err(reason) => return Attribute::new("boot", Live::Unknown(reason), want),
    };
    match files.winner(&dotted(&args.name)) {
        None => Attribute::new("boot", Live::Absent, want).noted(args.sysctl_file.clone()),
        Some((value, file)) => {
            let live = Live::Known(Value::text(value));
            let differs = Attribute::new("boot", live, want);
            let note = differs.differs.then(|| format!("now set in {file}"));
            differs.noted(note)
        }
    }
}

/// Returns why writing our file would not help.
fn obstacle(args: &Args, reply: &Reply) -> Option<String> {
    let files = Files::read(reply).ok()?;
    let (name, own) = (dotted(&args.name), &args.sysctl_file);
    if files.winner(&name).is_some_and(|(value, _)| value == args.value()) {
        return None;
    }
    if own == CONF && files.conf == "alone" {
        return Some(format!(
            "systemd reads {CONF} only through a link in /etc/sysctl.d, which is not there: declare \
             a `sysctl_file` in /etc/sysctl.d"
        ));
    }
    if let Some(mask) = files.mask(own) {
        return Some(format!("{mask} is read instead of {own}: declare `sysctl_file: {mask}`"));
    }
    let (_, file) = files.explicit(&name)?;
    (&file != own && files.place(&file) > files.place(own)).then(|| {
        format!(
            "{file} sets it too and is read after {own}: declare `sysctl_file: {file}`, or take it \
             out there"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::question::Field;
    use std::sync::Arc;

    fn reply(fields: &[(&'static str, &str)]) -> Reply {
        let field = |(name, text): &(&'static str, &str)| Field {
            name: (*name).into(),
            live: Live::Known(Value::text(text)),
        };
        Reply::Fields(Arc::new(fields.iter().map(field).collect()))
    }

    fn winner(fields: &[(&'static str, &str)], name: &str) -> Option<(String, String)> {
        let mut all = vec![("root", "")];
        all.extend(fields);
        Files::read(&reply(&all)).unwrap().winner(name)
    }

    fn some(value: &str, file: &str) -> Option<(String, String)> {
        Some((value.into(), file.into()))
    }

    #[test]
    fn the_last_file_by_name_wins_and_folders_mask_each_other() {
        let files = "/usr/lib/sysctl.d/50-a.conf:vm.swappiness = 10\n\
             /etc/sysctl.d/90-z.conf:-vm/swappiness=30\n\
             /etc/sysctl.d/90-z.conf:# vm.swappiness = 5\n\
             /usr/lib/sysctl.d/90-z.conf:vm.swappiness = 99\n";
        let files = [("files", files)];
        assert_eq!(winner(&files, "vm.swappiness"), some("30", "/etc/sysctl.d/90-z.conf"));
        assert_eq!(winner(&[("files", "")], "vm.swappiness"), None);
        // An empty file, or a link to /dev/null, masks too.
        let list = ("list", "/etc/sysctl.d/90-z.conf\n/usr/lib/sysctl.d/90-z.conf\n");
        let text = ("files", "/usr/lib/sysctl.d/90-z.conf:vm.swappiness = 99");
        assert_eq!(winner(&[text, list], "vm.swappiness"), None);
        assert_eq!(winner(&[text], "vm.swappiness"), some("99", "/usr/lib/sysctl.d/90-z.conf"));
    }

    #[test]
    fn sysctl_conf_is_read_through_its_link_last_or_not_at_all() {
        let files = ("files", "/etc/sysctl.d/99-tuned.conf:a.b=1\n/etc/sysctl.conf:a.b=2\n");
        let read = |conf| winner(&[files, ("conf", conf)], "a.b").unwrap().0;
        assert_eq!(read("last"), "2");
        assert_eq!(read("99-sysctl.conf"), "1");
        assert_eq!(read("99-zz.conf"), "2");
        assert_eq!(read("alone"), "1");
    }

    #[test]
    fn a_name_beats_every_pattern() {
        let name = "net.ipv4.conf.eth0.rp_filter";
        let files = "/etc/sysctl.d/10.conf:net.ipv4.conf.eth0.rp_filter = 0\n\
             /etc/sysctl.d/20.conf:net.ipv4.conf.*.rp_filter = 1\n\
             /etc/sysctl.d/30.conf:net/ipv4/conf/eth?/rp_filter = 2\n";
        let files = [("files", files)];
        assert_eq!(winner(&files, name), some("0", "/etc/sysctl.d/10.conf"));
        let other = "net.ipv4.conf.eth1.rp_filter";
        assert_eq!(winner(&files, other), some("2", "/etc/sysctl.d/30.conf"));
        assert_eq!(winner(&files, "net.ipv4.conf.lo.rp_filter").unwrap().0, "1");
        assert_eq!(winner(&files, "net.ipv4.conf.a/b.rp_filter").unwrap().0, "1");
        assert_eq!(winner(&files, "net.ipv4.conf.rp_filter"), None);
        let out = "/etc/sysctl.d/10.conf:net.ipv4.conf.*.rp_filter=1\n\
             /etc/sysctl.d/10.conf:-net.ipv4.conf.eth1.rp_filter\n";
        assert_eq!(winner(&[("files", out)], other), None);
    }

    #[test]
    fn values_may_hold_an_equals_sign() {
        let files = [("files", "/etc/sysctl.d/1.conf:kernel.core_pattern = |/bin/x a=%p")];
        assert_eq!(winner(&files, "kernel.core_pattern").unwrap().0, "|/bin/x a=%p");
    }

    #[test]
    fn interfaces_with_dots_are_written_with_slashes() {
        assert_eq!(proc_path("net/ipv4/conf/eth0.5/forwarding"), "net/ipv4/conf/eth0.5/forwarding");
        assert_eq!(dotted("net/ipv4/conf/eth0.5/forwarding"), "net.ipv4.conf.eth0/5.forwarding");
        assert_eq!(proc_path("net.ipv4.conf.eth0/5.forwarding"), "net/ipv4/conf/eth0.5/forwarding");
        assert_eq!(proc_path("vm.swappiness"), "vm/swappiness");
    }
}
