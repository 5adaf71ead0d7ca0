//! `os.sysctl`: a kernel parameter, now and after the next boot.
//!
//! The value at boot is what the whole precedence of `sysctl.d` comes to (sysctl.d(5)), not just
//! what our own file says: if a file read later sets the parameter to something else, the plan
//! names that file. Blanks between the fields of a value do not count. Parameters follow Ansible's
//! `sysctl`.
//!
//! ```yaml
//! - name: Swappiness on every node
//!   os.sysctl: { name: vm.swappiness, value: 1 }
//!   hosts: all
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Kind, folders_above, problem};
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
    value: String,
    /// The file that keeps it for the next boot.
    #[serde(default = "own_file")]
    sysctl_file: String,
}

fn own_file() -> String {
    "/etc/sysctl.d/90-drsync.conf".into()
}

static RUNTIME: Script = Script::each(
    "drsync_sysctl",
    r#"
drsync_sysctl() {
  path=$root/proc/sys/$1
  # The kernel tells a value to the first read(2) only, and dash's `read` takes single bytes.
  if out=$(cat "$path" 2>&1); then put runtime "$out"; return; fi
  case $out in
    *': No such file or directory') absent runtime ;;
    *) unknown runtime "$out" ;;
  esac
}
"#,
);

static FILES: Script = Script::each(
    "drsync_sysctl_files",
    r#"
drsync_sysctl_files() {
  set --
  for folder in run/sysctl.d etc/sysctl.d usr/local/lib/sysctl.d usr/lib/sysctl.d lib/sysctl.d; do
    if ! out=$(ls "$root/$folder/." 2>&1); then
      case $out in *': No such file or directory') continue ;; esac
      unknown files "$out"
      return
    fi
    for file in "$root/$folder"/*.conf; do [ ! -e "$file" ] || set -- "$@" "$file"; done
  done
  [ ! -e "$root/etc/sysctl.conf" ] || set -- "$@" "$root/etc/sysctl.conf"
  out=$(grep -H '=' /dev/null "$@" 2>&1)
  if [ $? -le 1 ]; then put files "$out"; put root "$root"; else unknown files "$out"; fi
}
"#,
);

static SET: Script = Script::each(
    "drsync_sysctl_set",
    r#"
drsync_sysctl_set() {
  if [ ! -e "$root/proc/sys/$1" ]; then echo "the kernel has no /proc/sys/$1"; return 1; fi
  printf '%s\n' "$2" > "$root/proc/sys/$1"
}
"#,
);

static KEEP: Script = Script::each(
    "drsync_sysctl_keep",
    r##"
drsync_sysctl_keep() {
  path=$root$1
  mkdir -p "${path%/*}" || return
  new=$(mktemp "${path%/*}/.${path##*/}.drsync.XXXXXX") || return
  {
    if [ -e "$path" ]; then
      KEY=$2 VALUE=$3 awk '
        function dotted(k,  i) {
          i = match(k, /[.\/]/)
          if (i && substr(k, i, 1) == "/") { gsub(/\./, "\001", k); gsub("/", ".", k); gsub("\001", "/", k) }
          return k
        }
        { line = $0; key = line; sub(/=.*/, "", key); gsub(/[ \t]|^-/, "", key); key = dotted(key) }
        line !~ /^[ \t]*[#;]/ && line ~ /=/ && key == ENVIRON["KEY"] {
          if (!done) print ENVIRON["KEY"] " = " ENVIRON["VALUE"]; done = 1; next }
        { print line }
        END { if (!done) print ENVIRON["KEY"] " = " ENVIRON["VALUE"] }' "$path" > "$new"
    else
      printf '# Kept by drsync.\n%s = %s\n' "$2" "$3" > "$new"
    fi &&
    if [ -e "$path" ]; then chmod "$(stat -c '%a' -- "$path")" "$new"; else chmod 0644 "$new"; fi && mv -f -T "$new" "$path"
  } || { rm -f "$new"; return 1; }
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
        let name_is_good = !args.name.is_empty()
            && !args.name.starts_with(['/', '.'])
            && !args.name.contains("..")
            && !args.name.contains(char::is_whitespace);
        if !name_is_good {
            let said = format!("`{}` is not the name of a kernel parameter", args.name);
            problems.push(problem(&["name"], said, Some("write it as in `vm.swappiness`")));
        }
        if args.value.contains('\n') || args.value.trim().is_empty() {
            problems.push(problem(
                &["value"],
                "a kernel parameter's value is one line of text",
                None,
            ));
        }
        let (folder, _) = args.sysctl_file.rsplit_once('/').unwrap_or_default();
        let is_read = FOLDERS.contains(&folder) || args.sysctl_file == "/etc/sysctl.conf";
        if !is_read || !args.sysctl_file.ends_with(".conf") {
            let hint =
                "only files in /etc/sysctl.d and its like that end in `.conf` are read at boot";
            problems.push(problem(&["sysctl_file"], "not a sysctl file", Some(hint)));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![
            Question::Probe(&RUNTIME, vec![Argument::plain(proc_path(&args.name))]),
            Question::Probe(&FILES, vec![]),
        ]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let want = Value::text(blanks(&args.value));
        let runtime = match replies[0].text("runtime") {
            Ok(Some(text)) => Live::Known(Value::text(blanks(&text))),
            Ok(None) => Live::Absent,
            Err(reason) => Live::Unknown(reason),
        };
        let missing = matches!(runtime, Live::Absent);
        let mut delta = Delta::default();
        delta.attributes.push(Attribute::new("runtime", runtime, want.clone()));
        delta.attributes.push(boot(args, &replies[1], want));
        if missing {
            let said = format!("the kernel has no parameter `{}`", args.name);
            delta.refused = Some(format!("{said} (is its module loaded?)"));
        } else if let Some(blocker) = blocker(args, &replies[1]) {
            delta.refused = Some(format!(
                "{blocker} sets it too and is read after {}: declare `sysctl_file: {blocker}`, or \
                 take it out there",
                args.sysctl_file
            ));
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, _: &[Reply]) -> Vec<Action> {
        let value = blanks(&args.value);
        let action = |name: &str| match name {
            "runtime" => Action::Host(
                &SET,
                vec![Argument::plain(proc_path(&args.name)), Argument::plain(&value)],
            ),
            _ => Action::Host(
                &KEEP,
                vec![
                    Argument::plain(&args.sysctl_file),
                    Argument::plain(dotted(&args.name)),
                    Argument::plain(&value),
                ],
            ),
        };
        delta.differing().map(|attribute| action(&attribute.name)).collect()
    }

    fn needs(args: &Args) -> Vec<super::Link> {
        folders_above(&args.sysctl_file)
    }
}

/// Returns the path below `/proc/sys`. A name that uses slashes first keeps its dots (sysctl(8)).
fn proc_path(name: &str) -> String {
    match uses_slashes(name) {
        true => name.to_string(),
        false => name.replace('.', "/"),
    }
}

fn uses_slashes(name: &str) -> bool {
    name.find(['/', '.']).is_some_and(|i| name.as_bytes()[i] == b'/')
}

/// Returns the name as files usually have it: separated by dots.
fn dotted(name: &str) -> String {
    match uses_slashes(name) {
        // The dots of `eth0.5` become slashes, as sysctl.d(5) asks.
        true => name
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                c => c,
            })
            .collect(),
        false => name.to_string(),
    }
}

/// Folds blanks: values are separated by tabs in `/proc` and by anything in files.
fn blanks(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the files say of `name`: the value that wins at boot and the file it stands in.
fn winner(reply: &Reply, name: &str) -> Result<Option<(String, String)>, String> {
    let text = reply.text("files")?.unwrap_or_default();
    let root = reply.text("root")?.unwrap_or_default();
    let mut files: BTreeMap<(u8, String), (u8, &str, Vec<&str>)> = BTreeMap::new();
    for line in text.lines() {
        let line = line.strip_prefix(&*root).unwrap_or(line);
        let Some((path, setting)) = line.split_once(".conf:") else { continue };
        let (folder, base) = path.rsplit_once('/').unwrap_or(("", path));
        // procps reads /etc/sysctl.conf last; systemd only through its link in sysctl.d.
        let (last, rank) = match path {
            "/etc/sysctl" => (1, 0),
            _ => (0, rank(folder)),
        };
        let entry = files.entry((last, base.to_string())).or_insert((rank, path, Vec::new()));
        if rank < entry.0 {
            *entry = (rank, path, Vec::new());
        }
        if rank == entry.0 {
            entry.2.push(setting);
        }
    }
    let mut found = None;
    for (_, path, settings) in files.values() {
        for setting in settings {
            let setting = setting.trim();
            if setting.starts_with(['#', ';']) {
                continue;
            }
            let Some((key, value)) = setting.split_once('=') else { continue };
            if dotted(key.trim().trim_start_matches('-')) == name {
                found = Some((blanks(value), format!("{path}.conf")));
            }
        }
    }
    Ok(found)
}

/// The folders read at boot, most important first (sysctl.d(5)).
const FOLDERS: [&str; 4] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];

/// Of two files with one name the one in the earlier folder counts (sysctl.d(5)).
fn rank(folder: &str) -> u8 {
    FOLDERS.iter().position(|f| *f == folder).and_then(|i| u8::try_from(i).ok()).unwrap_or(9)
}

fn boot(args: &Args, reply: &Reply, want: Value) -> Attribute {
    match winner(reply, &dotted(&args.name)) {
        Err(reason) => Attribute::new("boot", Live::Unknown(reason), want),
        Ok(None) => Attribute::new("boot", Live::Absent, want).noted(args.sysctl_file.clone()),
        Ok(Some((value, file))) => {
            let live = Live::Known(Value::text(value));
            let differs = Attribute::new("boot", live, want);
            let note = differs.differs.then(|| format!("now set in {file}"));
            differs.noted(note)
        }
    }
}

/// Returns the file that would undo ours: it wins, says something else, and is read after ours.
fn blocker(args: &Args, reply: &Reply) -> Option<String> {
    let (value, file) = winner(reply, &dotted(&args.name)).ok()??;
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_string();
    let last = |path: &str| path == "/etc/sysctl.conf";
    let after = (last(&file), base(&file)) > (last(&args.sysctl_file), base(&args.sysctl_file));
    (value != blanks(&args.value) && file != args.sysctl_file && after).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::question::Field;
    use std::sync::Arc;

    fn files(text: &str) -> Reply {
        let field = |name: &'static str, text: &str| Field {
            name: name.into(),
            live: Live::Known(Value::text(text)),
        };
        Reply::Fields(Arc::new(vec![field("files", text), field("root", "")]))
    }

    #[test]
    fn the_last_file_by_name_wins_and_folders_mask_each_other() {
        let reply = files(
            "/usr/lib/sysctl.d/50-a.conf:vm.swappiness = 10\n\
             /etc/sysctl.d/90-z.conf:-vm/swappiness=30\n\
             /etc/sysctl.d/90-z.conf:# vm.swappiness = 5\n\
             /usr/lib/sysctl.d/90-z.conf:vm.swappiness = 99\n",
        );
        assert_eq!(
            winner(&reply, "vm.swappiness"),
            Ok(Some(("30".into(), "/etc/sysctl.d/90-z.conf".into())))
        );
        assert_eq!(winner(&files(""), "vm.swappiness"), Ok(None));
        let args =
            Args { name: "vm.swappiness".into(), value: "1".into(), sysctl_file: own_file() };
        let later = files("/etc/sysctl.d/99-tuned.conf:vm.swappiness=10");
        assert_eq!(blocker(&args, &later).as_deref(), Some("/etc/sysctl.d/99-tuned.conf"));
        assert_eq!(blocker(&args, &files("/etc/sysctl.d/10-x.conf:vm.swappiness=10")), None);
    }

    #[test]
    fn interfaces_with_dots_are_written_with_slashes() {
        assert_eq!(proc_path("net/ipv4/conf/eth0.5/forwarding"), "net/ipv4/conf/eth0.5/forwarding");
        assert_eq!(dotted("net/ipv4/conf/eth0.5/forwarding"), "net.ipv4.conf.eth0/5.forwarding");
        assert_eq!(proc_path("vm.swappiness"), "vm/swappiness");
    }
}
