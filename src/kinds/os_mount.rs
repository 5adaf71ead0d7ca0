//! `os.mount`: a file system: mounted now, and at the next boot (fstab(5)).
//!
//! Parameters follow Ansible's `mount`. `boot` is the line of fstab, `runtime` what the kernel has
//! mounted. Options are compared as sets: order, defaults, what the kernel adds (`relatime`,
//! `attr2`, `inode64`) and what it never shows do not count, `noatime` implies `nodiratime`, and
//! `size=64M` is `size=65536k`. Where only options differ it is mounted anew in place; another
//! source or type is unmounted first. What is in use is not unmounted: that fails, in the system's
//! words. The mount point is made where it is missing, and never removed. Of mounts inside each other
//! that should go, write the inner one first.
//!
//! - `mounted`: mounted, and in fstab
//! - `present`: in fstab; what is mounted now is left alone (the only choice for swap)
//! - `ephemeral`: mounted; fstab is left alone
//! - `unmounted`: not mounted; fstab is left alone
//! - `absent`: neither mounted nor in fstab
//! - `absent_from_fstab`: not in fstab; what is mounted now is left alone
//!
//! ```yaml
//! - name: A data disk
//!   os.mount:
//!     path: /data/1
//!     src: UUID=b2c7a5a0-5b5f-4a8e-9d8e-0d3b6d1f6c55
//!     fstype: xfs
//!     opts: defaults,noatime
//!     state: mounted
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::edit::{self, Edit};
use super::shared::file::path_problem;
use super::shared::mount::{Entry, Mounted, Options, mounted};
use super::{Claim, Kind, Link, folders_above, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// A file system.
pub struct OsMount;

/// A file system: mounted now, and at the next boot.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Where it is mounted; `none` for swap.
    path: String,
    /// What is mounted: a device, `UUID=…`, `LABEL=…`, `host:/folder`, a folder to bind.
    src: Option<String>,
    /// The type of file system.
    fstype: Option<String>,
    /// Options, separated by commas.
    #[serde(default = "defaults")]
    opts: String,
    /// Is it saved by dump(8)?
    #[serde(default)]
    dump: u8,
    /// When fsck(8) looks at it at boot: 1 first, 2 later, 0 never.
    #[serde(default)]
    passno: u8,
    /// Should it be mounted, in fstab, both or neither?
    state: State,
    /// The file that keeps it for the next boot.
    #[serde(default = "fstab")]
    fstab: String,
}

fn defaults() -> String {
    "defaults".into()
}

fn fstab() -> String {
    "/etc/fstab".into()
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    Mounted,
    Present,
    Ephemeral,
    Unmounted,
    Absent,
    AbsentFromFstab,
}

impl State {
    /// Should it be mounted? `None`: no matter.
    fn runtime(self) -> Option<bool> {
        match self {
            State::Mounted | State::Ephemeral => Some(true),
            State::Unmounted | State::Absent => Some(false),
            State::Present | State::AbsentFromFstab => None,
        }
    }

    /// Should it be in fstab? `None`: no matter.
    fn boot(self) -> Option<bool> {
        match self {
            State::Mounted | State::Present => Some(true),
            State::Absent | State::AbsentFromFstab => Some(false),
            State::Ephemeral | State::Unmounted => None,
        }
    }
}

/// What the kernel has mounted: one `cat` for all mounts of a host.
static MOUNTS: Script = Script::each(
    "drsync_mounts",
    r#"
drsync_mounts() {
  path=$root/proc/self/mountinfo
  if [ ! -e "$path" ]; then unknown mounts 'only a running system has anything mounted'
  elif out=$(cat -- "$path" 2>&1); then put mounts "$out"
  else unknown mounts "$out"; fi
}
"#,
);

/// Sets of NUMBER PATH TAG: the numbers of devices, to tell `UUID=…` and /dev/disk/… from others.
/// One `stat` sees all of them. Where udev made no links, `blkid` looks for the tag.
static DEVICES: Script = Script::together(
    "drsync_devices",
    r#"
drsync_devices() {
  paths=
  drsync_devices_paths "$@"
  facts=$(IFS=$nl; set -f; stat -L -c '%n|%t:%T' -- $paths 2>/dev/null)$nl
  while [ $# -gt 0 ]; do
    n=$1 path=$root$2
    case $facts in
      "$path|"*) fact=${facts%%"$nl"*}; facts=${facts#*"$nl"}; put device "${fact#"$path|"}" ;;
      *) drsync_devices_one "$3" ;;
    esac
    finish
    shift 3
  done
}
drsync_devices_paths() {
  while [ $# -gt 0 ]; do paths="$paths$root$2$nl"; shift 3; done
}
drsync_devices_one() {
  if [ -z "$root" ] && [ -n "$1" ] && found=$(blkid -l -o device -t "$1" 2>/dev/null) && [ -n "$found" ]; then path=$found; fi
  if out=$(stat -L -c '%t:%T' -- "$path" 2>&1); then put device "$out"; return; fi
  case $out in
    *': No such file or directory'|*': Not a directory') absent device ;;
    *) unknown device "$out" ;;
  esac
}
"#,
);

/// `drsync_mount PATH SRC FSTYPE OPTIONS`: mounts; without FSTYPE, mounts anew in place. SRC is given
/// there too: without it mount(8) adds the options of before, which rules `noatime` in for ever.
static MOUNT: Script = Script::each(
    "drsync_mount",
    r#"
drsync_mount() {
  drsync_mount_here mount || return
  if [ -z "$3" ]; then mount -o "remount${4:+,$4}" -- "$2" "$root$1"; return; fi
  [ -e "$root$1" ] || mkdir -p -- "$root$1" || return
  mount -t "$3" -o "$4" -- "$2" "$root$1"
}
drsync_mount_here() {
  [ -n "$root" ] || return 0
  case $(command -v "$1") in "${DRSYNC_COMMANDS:-/dev/null}"/*) return ;; esac
  echo 'only a running system has anything mounted'
  return 1
}
"#,
);

/// `drsync_umount PATH`.
static UNMOUNT: Script = Script::each(
    "drsync_umount",
    r#"
drsync_umount() {
  if [ -n "$root" ]; then
    case $(command -v umount) in "${DRSYNC_COMMANDS:-/dev/null}"/*) ;; *) echo 'only a running system has anything mounted'; return 1 ;; esac
  fi
  umount -- "$root$1"
}
"#,
);

/// systemd makes units of fstab's lines, and may undo a mount whose unit says something else.
static RELOAD: Script = Script::each(
    "drsync_mount_reload",
    r#"
drsync_mount_reload() {
  if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
}
"#,
);

impl Args {
    fn edit(&self) -> Edit<'_> {
        Edit { create: true, ..Edit::of(&self.fstab) }
    }

    fn is_swap(&self) -> bool {
        self.fstype.as_deref() == Some("swap")
    }

    fn entry(&self) -> Entry {
        Entry {
            src: self.src.clone().unwrap_or_default(),
            path: self.path.clone(),
            fstype: self.fstype.clone().unwrap_or_default(),
            opts: self.opts.clone(),
            dump: self.dump.to_string(),
            passno: self.passno.to_string(),
        }
    }

    fn options(&self) -> Options {
        Options::parse(&self.opts, self.fstype.as_deref().unwrap_or_default())
    }

    /// True for the line of fstab that is about this one.
    fn is_its_line(&self, line: &str) -> bool {
        Entry::parse(edit::bare(line)).is_some_and(|entry| match self.is_swap() {
            true => entry.fstype == "swap" && Some(&entry.src) == self.src.as_ref(),
            false => entry.path == self.path && entry.fstype != "swap",
        })
    }

    /// Returns where the device's number can be read, if it is one: its path and its tag.
    fn device(&self) -> Option<(String, &str)> {
        let src = self.src.as_deref()?;
        if self.state.runtime() != Some(true) {
            return None;
        }
        if src.starts_with("/dev/") {
            return Some((src.to_string(), ""));
        }
        let (tag, value) = src.split_once('=')?;
        let folder = match tag {
            "UUID" => "by-uuid",
            "LABEL" => "by-label",
            "PARTUUID" => "by-partuuid",
            "PARTLABEL" => "by-partlabel",
            _ => return None,
        };
        Some((format!("/dev/disk/{folder}/{}", link_name(value)), src))
    }
}

/// Returns a label as udev writes it in the name of a link.
fn link_name(label: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"#+-.:=@_".contains(&b) || b >= 128;
    let bytes = label.bytes().flat_map(|b| match is_plain(b) {
        true => vec![b],
        false => format!("\\x{b:02x}").into_bytes(),
    });
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

impl Kind for OsMount {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.mount", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_mount.rs");

    fn key(args: &Args) -> String {
        match args.is_swap() {
            true => format!("swap {}", args.src.as_deref().unwrap_or_default()),
            false => args.path.clone(),
        }
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if args.is_swap() {
            check_swap(args, &mut problems);
        } else if args.path != "/" {
            problems.extend(path_problem("path", &args.path));
        }
        problems.extend(path_problem("fstab", &args.fstab));
        let is_wished = args.state.runtime() == Some(true) || args.state.boot() == Some(true);
        let mut add = |name: &str, said: &str, hint| problems.push(problem(&[name], said, hint));
        for (name, value) in [("src", &args.src), ("fstype", &args.fstype)] {
            if value.is_none() && is_wished {
                add("state", &format!("`{name}` is needed"), None);
            }
        }
        if args.src.as_deref().is_some_and(|src| !is_source(src)) {
            add("src", "nothing that can be mounted is called so", None);
        }
        if args.fstype.as_deref().is_some_and(|fstype| !is_type(fstype)) {
            add("fstype", "not a type of file system", Some("as in /proc/filesystems: `xfs`"));
        }
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if args.opts.is_empty() || args.opts.len() > 4000 || args.opts.contains(is_odd) {
            let hint = "options are separated by commas, without blanks";
            add("opts", "not a list of mount options", Some(hint));
        }
        if args.opts.split(',').any(|o| o.starts_with("password=") || o.starts_with("pass=")) {
            let hint = "keep it in a file of mode 0600 and declare `credentials=FILE`";
            add("opts", "everyone can read a password in fstab", Some(hint));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let mut questions = vec![args.edit().ask()];
        if args.state.runtime().is_some() {
            questions.push(Question::Probe(&MOUNTS, vec![]));
        }
        if let Some((path, tag)) = args.device() {
            let words = [&*path, tag].map(Argument::plain).to_vec();
            questions.push(Question::Probe(&DEVICES, words));
        }
        questions
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let mut delta = Delta::default();
        if let Some(wish) = args.state.runtime() {
            delta.attributes.push(runtime(args, replies, wish));
        }
        if let Some(wish) = args.state.boot() {
            match args.edit().read(&replies[0]) {
                Ok(present) => delta.attributes.push(boot(args, &present.text, wish)),
                Err(Delta { refused: Some(reason), .. }) => delta.refused = Some(reason),
                Err(unread) => {
                    let reason = unread.attributes.iter().find_map(Attribute::unknown);
                    let live = Live::Unknown(reason.unwrap_or_default().to_string());
                    let wish = Value::text(args.entry().canonical());
                    delta.attributes.push(Attribute::new("boot", live, wish));
                }
            }
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let mut actions = Vec::new();
        if differs("runtime") && args.state.runtime() == Some(false) {
            actions.extend(unmount(args, replies));
        }
        if differs("boot")
            && let Ok(present) = args.edit().read(&replies[0])
        {
            let text = with_entry(args, &present.text);
            actions.extend(args.edit().write(&present, &text, false));
            actions.push(Action::Host(&RELOAD, vec![]));
        }
        if differs("runtime") && args.state.runtime() == Some(true) {
            actions.extend(mount(args, replies));
        }
        actions
    }

    fn needs(args: &Args) -> Vec<Link> {
        let mut links = args.edit().needs();
        if args.state.runtime() == Some(false) || args.state.boot() == Some(false) {
            // What lies inside goes first: as written.
            return links;
        }
        links.extend(folders_above(&args.path));
        let src = args.src.as_deref().unwrap_or_default();
        if args.options().is_bind() {
            links.extend([Link::new("os.mount", src), Link::new("os.directory", src)]);
            links.extend(folders_above(src));
        }
        if args.fstype.as_deref().is_some_and(|fstype| fstype.starts_with("nfs")) {
            links.extend(["nfs-utils", "nfs-common"].map(|name| Link::new("os.package", name)));
        }
        links
    }

    fn claims(args: &Args) -> Option<Claim> {
        args.state.boot().map(|_| args.edit().claim())
    }
}

fn check_swap(args: &Args, problems: &mut Vec<Problem>) {
    if !matches!(&*args.path, "none" | "swap") {
        problems.push(problem(&["path"], "swap is mounted nowhere: write `path: none`", None));
    }
    if args.src.is_none() {
        problems.push(problem(&["fstype"], "`src` is needed", None));
    }
    if !matches!(args.state, State::Present | State::AbsentFromFstab) {
        let hint = "`present` and `absent_from_fstab` keep its line; swapon(8) is not done";
        problems.push(problem(&["state"], "swap is not mounted", Some(hint)));
    }
}

fn is_source(src: &str) -> bool {
    !src.is_empty()
        && src.len() < 4096
        && !src.starts_with(['-', '#'])
        && !src.contains(|c: char| c.is_control())
}

fn is_type(fstype: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !fstype.is_empty()
        && fstype.len() < 64
        && !fstype.starts_with('-')
        && fstype.chars().all(is_part)
}

/// Compares the line of fstab.
fn boot(args: &Args, text: &str, wish: bool) -> Attribute {
    let found: Vec<String> = edit::lines(text)
        .into_iter()
        .filter(|line| args.is_its_line(line))
        .filter_map(|line| Some(Entry::parse(edit::bare(line))?.canonical()))
        .collect();
    let live = match found.is_empty() {
        true => Live::Absent,
        false => Live::Known(Value::text(found.join("; "))),
    };
    match wish {
        true => Attribute::new("boot", live, Value::text(args.entry().canonical())),
        false => Attribute::gone("boot", live),
    }
}

/// Returns fstab with, or without, the line.
fn with_entry(args: &Args, text: &str) -> String {
    let mut is_due = args.state.boot() == Some(true);
    let mut new = String::with_capacity(text.len() + 80);
    for line in edit::lines(text) {
        if !args.is_its_line(line) {
            new.push_str(line);
        } else if std::mem::take(&mut is_due) {
            new.push_str(&args.entry().line());
        }
    }
    if is_due {
        edit::append(&mut new, args.entry().line().trim_end_matches('\n'));
    }
    new
}

/// Returns what is mounted at the path, the topmost last.
fn there(args: &Args, text: &str) -> (Vec<Mounted>, Vec<Mounted>) {
    let all = mounted(text);
    // A trigger of an automount is no file system yet.
    let (triggers, rest): (Vec<Mounted>, Vec<Mounted>) =
        all.iter().filter(|m| m.path == args.path).cloned().partition(|m| m.fstype == "autofs");
    match rest.is_empty() && args.options().is_automatic() && args.state.runtime() == Some(true) {
        true => (triggers, all),
        false => (rest, all),
    }
}

/// Compares what is mounted.
fn runtime(args: &Args, replies: &[Reply], wish: bool) -> Attribute {
    let text = match replies[1].text("mounts") {
        Ok(text) => text.unwrap_or_default(),
        Err(reason) => return Attribute::new("runtime", Live::Unknown(reason), wished(args, "")),
    };
    let (there, all) = there(args, &text);
    let top = there.last();
    if !wish {
        let show = |m: &Mounted| Live::Known(Value::text(format!("{} {}", m.src, m.fstype)));
        return Attribute::gone("runtime", top.map_or(Live::Absent, show));
    }
    let Some(top) = top else { return Attribute::new("runtime", Live::Absent, wished(args, "")) };
    if top.fstype == "autofs" {
        let want = wished(args, "x-systemd.automount");
        return Attribute::new("runtime", Live::Known(want.clone()), want);
    }
    let (is, should) = args.options().compare(top);
    let (src, fstype) = (source(args, replies, top, &all), fstype(args, top));
    let is_other = src.is_some() || fstype.is_some();
    let fstype = fstype.or(args.fstype.as_deref()).unwrap_or_default();
    let src = src.or(args.src.as_deref()).unwrap_or_default();
    let live = Value::text(format!("{src} {fstype} {}", words(&is)));
    let is_broken = top.options.contains_key("ro") && !top.flags.contains("ro");
    let note = match () {
        () if is_other => Some("what is mounted there now is unmounted first"),
        () if is_broken && should.iter().any(|word| word == "rw") => {
            Some("the file system itself is read-only, perhaps after an error: see dmesg(1)")
        }
        () => None,
    };
    let want = wished(args, &words(&should));
    Attribute::new("runtime", Live::Known(live), want).noted(note.map(String::from))
}

fn words(options: &[String]) -> String {
    if options.is_empty() { "defaults".into() } else { options.join(",") }
}

fn wished(args: &Args, options: &str) -> Value {
    let canonical = args.options().canonical();
    let options = if options.is_empty() { &canonical } else { options };
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    Value::text(format!("{} {} {options}", part(&args.src), part(&args.fstype)))
}

/// Returns the live type where it is another one.
fn fstype<'a>(args: &Args, live: &'a Mounted) -> Option<&'a str> {
    let wish = args.fstype.as_deref().unwrap_or_default();
    let found = &*live.fstype;
    let is_same = found == wish
        || matches!(wish, "auto" | "none" | "bind")
        || args.options().is_bind()
        || (wish == "nfs" && found == "nfs4")
        || found.strip_prefix("fuse.") == Some(wish)
        || (found == "fuseblk" && wish.starts_with("ntfs"));
    (!is_same).then_some(found)
}

/// Returns the live source where it is another one.
fn source<'a>(
    args: &Args,
    replies: &[Reply],
    live: &'a Mounted,
    all: &[Mounted],
) -> Option<&'a str> {
    let wish = args.src.as_deref().unwrap_or_default();
    let is_same = match () {
        () if args.options().is_bind() => is_bound(wish, live, all),
        () if live.src.trim_end_matches('/') == wish.trim_end_matches('/') => true,
        () if args.device().is_some() => is_device(&replies[2], live),
        // Without a device the name of the source says nothing.
        () => !wish.contains(['/', ':', '=']) && !live.src.starts_with('/'),
    };
    (!is_same).then_some(&live.src)
}

/// True when the declared device is the one mounted. A file system of several devices (btrfs) has
/// a number of its own, which tells nothing.
fn is_device(reply: &Reply, live: &Mounted) -> bool {
    let Ok(Some(number)) = reply.text("device") else { return false };
    let decimal = number.split_once(':').and_then(|(major, minor)| {
        let number = |hex| u32::from_str_radix(hex, 16).ok();
        Some(format!("{}:{}", number(major)?, number(minor)?))
    });
    decimal.as_ref() == Some(&live.device) || live.device.starts_with("0:")
}

/// True when the folder `src` is what is bound to another place.
fn is_bound(src: &str, live: &Mounted, all: &[Mounted]) -> bool {
    let src = src.trim_end_matches('/');
    let below = |mount: &Mounted| {
        let rest = src.strip_prefix(mount.path.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_string())
    };
    let above = all.iter().filter_map(|mount| Some((mount, below(mount)?)));
    let Some((mount, rest)) = above.max_by_key(|(mount, _)| mount.path.len()) else {
        return false;
    };
    let root = format!("{}{rest}", mount.root.trim_end_matches('/'));
    let root = if root.is_empty() { "/" } else { &root };
    mount.device == live.device && root == live.root
}

fn unmount(args: &Args, replies: &[Reply]) -> Vec<Action> {
    let text = replies[1].text("mounts").ok().flatten().unwrap_or_default();
    let count = there(args, &text).0.len();
    let action = || Action::Host(&UNMOUNT, vec![Argument::plain(&args.path)]);
    std::iter::repeat_with(action).take(count).collect()
}

fn mount(args: &Args, replies: &[Reply]) -> Vec<Action> {
    let text = replies[1].text("mounts").ok().flatten().unwrap_or_default();
    let (there, all) = there(args, &text);
    let wish = args.entry();
    let act = |words: [&str; 4]| Action::Host(&MOUNT, words.map(Argument::plain).to_vec());
    let whole = [&*wish.path, &wish.src, &wish.fstype, &wish.opts];
    match there.last() {
        None => vec![act(whole)],
        Some(top) if source(args, replies, top, &all).is_some() || fstype(args, top).is_some() => {
            let mut actions = unmount(args, replies);
            actions.push(act(whole));
            actions
        }
        Some(top) => {
            let opts = args.options().for_remount(&wish.opts, top);
            let src = if args.options().is_bind() { &wish.src } else { &top.src };
            vec![act([&wish.path, src, "", &opts])]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_written_as_udev_does() {
        assert_eq!(link_name("my data/1"), r"my\x20data\x2f1");
    }

    #[test]
    fn a_bound_folder_is_told_by_its_file_system() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /srv rw - xfs /dev/sdb1 rw\n\
                    3 1 8:2 /a /mnt/a rw - xfs /dev/sdb1 rw\n4 1 8:1 /srv /mnt/b rw - ext4 /dev/sda1 rw\n";
        let all = mounted(text);
        assert!(is_bound("/srv/a", &all[2], &all));
        assert!(!is_bound("/srv/b", &all[2], &all));
        assert!(!is_bound("/srv", &all[3], &all));
    }
}
