//! Mounts as fstab(5) declares them and as `/proc/self/mountinfo` shows them.

use std::collections::{BTreeMap, BTreeSet};

/// A line of fstab(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is mounted.
    pub src: String,
    /// Where.
    pub path: String,
    /// The type of file system.
    pub fstype: String,
    /// Options, separated by commas.
    pub opts: String,
    /// Field 5.
    pub dump: String,
    /// Field 6.
    pub passno: String,
}

impl Entry {
    /// Reads a line; `None` for comments and empty lines.
    pub fn parse(line: &str) -> Option<Entry> {
        let fields: Vec<&str> =
            line.split([' ', '\t', '\n', '\r']).filter(|f| !f.is_empty()).collect();
        if fields.first()?.starts_with('#') || fields.len() < 2 {
            return None;
        }
        let field = |at: usize, default: &str| unescape(fields.get(at).copied().unwrap_or(default));
        Some(Entry {
            src: unquote(&field(0, "")),
            path: plain_path(&field(1, "")),
            fstype: field(2, "auto"),
            opts: field(3, "defaults"),
            dump: field(4, "0"),
            passno: field(5, "0"),
        })
    }

    /// Returns the line, with its end.
    pub fn line(&self) -> String {
        let Entry { src, path, fstype, opts, dump, passno } = self;
        let (src, path) = (escape(src), escape(path));
        format!("{src} {path} {fstype} {} {dump} {passno}\n", escape(opts))
    }

    /// Returns what it comes to, as one line to compare and show: options in a fixed order.
    pub fn canonical(&self) -> String {
        let opts = Options::parse(&self.opts, &self.fstype);
        let Entry { src, fstype, dump, passno, .. } = self;
        format!("{src} {fstype} {} {dump} {passno}", opts.canonical())
    }
}

/// A file system that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// `major:minor`.
    pub device: String,
    /// Which folder of the file system is mounted: `/`, or another one for a bind mount.
    pub root: String,
    /// Where.
    pub path: String,
    /// Its type.
    pub fstype: String,
    /// What is mounted.
    pub src: String,
    /// Options of this mount.
    pub flags: BTreeSet<String>,
    /// Options of the file system.
    pub options: BTreeMap<String, String>,
}

impl Mounted {
    /// Reads a line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
    pub fn parse(line: &str) -> Option<Mounted> {
        let (head, tail) = line.split_once(" - ")?;
        let head: Vec<&str> = head.split(' ').collect();
        let [_, _, device, root, path, flags, ..] = head[..] else { return None };
        let mut tail = tail.splitn(3, ' ');
        let (fstype, src) = (tail.next()?, tail.next()?);
        let options = split(tail.next().unwrap_or_default()).into_iter().map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((&option, ""));
            (name.to_string(), normal(name, &unescape(value)))
        });
        Some(Mounted {
            device: device.to_string(),
            root: unescape(root),
            path: unescape(path),
            fstype: fstype.to_string(),
            src: unescape(src),
            flags: flags.split(',').map(String::from).collect(),
            options: options.collect(),
        })
    }

    /// True when nothing can be written to it.
    pub fn is_read_only(&self) -> bool {
        self.flags.contains("ro") || self.options.contains_key("ro")
    }
}

/// Reads the whole of `/proc/self/mountinfo`.
pub fn mounted(text: &str) -> Vec<Mounted> {
    text.lines().filter_map(Mounted::parse).collect()
}

/// What only mount(8), fstab(5) and systemd.mount(5) know: the kernel never sees these.
const OUTSIDE: [&str; 16] = [
    "defaults", "auto", "noauto", "nofail", "_netdev", "user", "users", "nouser", "owner", "group",
    "bind", "rbind", "loop", "fail", "nogroup", "noowner",
];

/// What every file system has: the word, its opposite, and whether the word is the default.
const COMMON: [(&str, &str); 9] = [
    ("ro", "rw"),
    ("nosuid", "suid"),
    ("nodev", "dev"),
    ("noexec", "exec"),
    ("sync", "async"),
    ("dirsync", "nodirsync"),
    ("mand", "nomand"),
    ("lazytime", "nolazytime"),
    ("nosymfollow", "symfollow"),
];

/// When the time of the last access is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Not said: the kernel's `relatime`.
    Default,
    No,
    Relative,
    Strict,
}

/// Mount options by what they mean: sets, not strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Words of [`COMMON`] that hold.
    common: BTreeSet<&'static str>,
    access: Access,
    nodiratime: bool,
    /// What mount(8) and systemd read.
    outside: BTreeSet<String>,
    /// What the file system reads.
    own: BTreeMap<String, String>,
}

impl Options {
    /// Reads options as fstab(5) has them. Of two that contradict each other the last one counts.
    pub fn parse(text: &str, fstype: &str) -> Options {
        let mut options = Options {
            common: BTreeSet::new(),
            access: Access::Default,
            nodiratime: false,
            outside: BTreeSet::new(),
            own: BTreeMap::new(),
        };
        for option in split(text) {
            options.add(&option, fstype);
        }
        options
    }

    fn add(&mut self, option: &str, fstype: &str) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        if let Some((word, _)) = COMMON.iter().find(|(word, _)| *word == option) {
            self.common.insert(word);
            return;
        }
        if let Some((word, _)) = COMMON.iter().find(|(_, opposite)| *opposite == option) {
            self.common.remove(word);
            return;
        }
        match name {
            "noatime" => self.access = Access::No,
            "relatime" | "atime" => self.access = Access::Relative,
            "strictatime" => self.access = Access::Strict,
            "norelatime" | "nostrictatime" => {}
            "nodiratime" => self.nodiratime = true,
            "diratime" => self.nodiratime = false,
            "defaults" | "auto" | "nouser" | "fail" | "" => {
                self.outside.remove("noauto");
            }
            "user" | "users" | "owner" | "group" => {
                // mount(8): these imply others, unless a later option says otherwise.
                self.common.extend(["nosuid", "nodev"]);
                if name.starts_with("user") {
                    self.common.insert("noexec");
                }
                self.outside.insert(option.to_string());
            }
            _ if OUTSIDE.contains(&name) || name.starts_with("x-") || name == "comment" => {
                self.outside.insert(option.to_string());
            }
            _ => {
                let (name, value) = match (fstype, name) {
                    ("nfs" | "nfs4", "nfsvers") => ("vers", value),
                    ("nfs" | "nfs4", "tcp" | "udp") => ("proto", name),
                    _ => (name, value),
                };
                self.own.insert(name.to_string(), normal(name, value));
            }
        }
    }

    /// Returns all that is not a default, in a fixed order.
    pub fn canonical(&self) -> String {
        let mut words: Vec<String> = self.common.iter().map(|word| (*word).to_string()).collect();
        words.extend(match self.access {
            Access::No => Some("noatime".to_string()),
            Access::Strict => Some("strictatime".to_string()),
            _ => None,
        });
        // `noatime` implies it.
        words.extend((self.nodiratime && self.access != Access::No).then(|| "nodiratime".into()));
        words.extend(self.outside.iter().cloned());
        words.extend(self.own.iter().map(|(name, value)| joined(name, value)));
        match words.is_empty() {
            true => "defaults".into(),
            false => words.join(","),
        }
    }

    /// True when a folder, not a device, is mounted.
    pub fn is_bind(&self) -> bool {
        self.outside.contains("bind") || self.outside.contains("rbind")
    }

    /// True when it is mounted when someone first looks.
    pub fn is_automatic(&self) -> bool {
        self.outside.contains("x-systemd.automount")
    }

    /// Returns which options `live` has and should have, of those that can be told: (live, wished).
    ///
    /// What the kernel adds does not count, nor what it never shows. A bind mount takes over what
    /// the other mount has, so there only what is asked for counts.
    pub fn compare(&self, live: &Mounted) -> (Vec<String>, Vec<String>) {
        let (mut is, mut wish) = (Vec::new(), Vec::new());
        for (word, opposite) in COMMON {
            let has = match word {
                "ro" => live.is_read_only(),
                _ => live.flags.contains(word) || live.options.contains_key(word),
            };
            let wants = self.common.contains(word);
            if !self.is_bind() || wants {
                let say = |holds: bool| if holds { word } else { opposite }.to_string();
                if has || wants {
                    is.push(say(has));
                    wish.push(say(wants));
                }
            }
        }
        self.compare_access(live, &mut is, &mut wish);
        for (name, value) in &self.own {
            if let Some(found) = told(name, value, live) {
                is.extend(found);
                wish.push(joined(name, value));
            }
        }
        (is, wish)
    }

    fn compare_access(&self, live: &Mounted, is: &mut Vec<String>, wish: &mut Vec<String>) {
        let has = match () {
            () if live.flags.contains("noatime") => "noatime",
            () if live.flags.contains("relatime") => "relatime",
            () => "strictatime",
        };
        let wants = match self.access {
            Access::No => "noatime",
            Access::Strict => "strictatime",
            Access::Default if self.is_bind() || has != "noatime" => has,
            Access::Relative | Access::Default => "relatime",
        };
        if has != wants || wants == "noatime" {
            is.push(has.into());
            wish.push(wants.into());
        }
        if wants != "noatime" && (self.nodiratime || !self.is_bind()) {
            let lacks = |set: bool| if set { "nodiratime" } else { "diratime" }.to_string();
            let has = live.flags.contains("nodiratime");
            if has != self.nodiratime {
                is.push(lacks(has));
                wish.push(lacks(self.nodiratime));
            }
        }
    }

    /// Returns the options a remount takes: the wish, defaults spelled out where `live` differs.
    pub fn for_remount(&self, text: &str, live: &Mounted) -> String {
        let (is, wish) = self.compare(live);
        let mut words: Vec<String> =
            split(text).into_iter().filter(|word| !OUTSIDE.contains(&&**word)).collect();
        words.retain(|word| !word.starts_with("x-") && !word.starts_with("comment="));
        let missing = wish.into_iter().filter(|word| !is.contains(word));
        let mut missing: Vec<String> = missing.collect();
        if self.is_bind() {
            // What it took over from the other mount stays.
            words.insert(0, "bind".into());
            let common = COMMON.iter().map(|(word, _)| *word).chain(["noatime", "relatime"]);
            let kept = common.filter(|word| live.flags.contains(*word));
            let is_access = |word: &str| word.ends_with("atime");
            let chosen = words.iter().chain(&missing).any(|word| is_access(word));
            missing.extend(kept.filter(|word| !(chosen && is_access(word))).map(String::from));
        }
        for word in missing {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        let quoted = words.iter().map(|word| match word.split_once('=') {
            Some((name, value)) if value.contains(',') => format!("{name}=\"{value}\""),
            _ => word.clone(),
        });
        quoted.collect::<Vec<_>>().join(",")
    }
}

/// Returns what the file system says of its option, empty where it should be there and is not;
/// `None` when it says nothing either way.
fn told(name: &str, value: &str, live: &Mounted) -> Option<Option<String>> {
    let opposite = match name.strip_prefix("no") {
        Some(rest) => rest.to_string(),
        None => format!("no{name}"),
    };
    // Of memory it can only be told at the host; names of users are shown as numbers.
    let is_relative = value.ends_with('%')
        || (matches!(name, "uid" | "gid") && !value.bytes().all(|b| b.is_ascii_digit()));
    if is_relative {
        return None;
    }
    if let Some(found) = live.options.get(name) {
        return Some(Some(joined(name, found)));
    }
    if live.options.contains_key(&opposite) && value.is_empty() {
        return Some(Some(opposite));
    }
    match (name, &*live.fstype) {
        ("soft", "nfs" | "nfs4") if live.options.contains_key("hard") => Some(Some("hard".into())),
        ("hard", "nfs" | "nfs4") if live.options.contains_key("soft") => Some(Some("soft".into())),
        // These are shown whenever they hold.
        ("discard", "ext4" | "xfs" | "btrfs") | ("size" | "nr_inodes", "tmpfs") => Some(None),
        _ => None,
    }
}

fn joined(name: &str, value: &str) -> String {
    match value {
        "" => name.to_string(),
        value => format!("{name}={value}"),
    }
}

/// Splits options at commas, those inside quotes apart (SELinux contexts have some).
fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Returns a value as the kernel shows it: sizes in KiB, modes without zeros in front.
fn normal(name: &str, value: &str) -> String {
    let scaled = |value: &str, unit: u64| {
        let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let scale = match value[digits.len()..].to_ascii_lowercase().as_str() {
            "" => 1,
            "k" => 1 << 10,
            "m" => 1 << 20,
            "g" => 1 << 30,
            "t" => 1 << 40,
            _ => return None,
        };
        Some(digits.parse::<u64>().ok()?.checked_mul(scale)?.div_ceil(unit))
    };
    match name {
        "size" => scaled(value, 1024).map(|size| format!("{size}k")),
        "nr_inodes" => scaled(value, 1).map(|count| count.to_string()),
        "mode" => Some(value.trim_start_matches('0').to_string()),
        _ => None,
    }
    .unwrap_or_else(|| value.to_string())
}

/// Returns `path` without slashes at its end.
fn plain_path(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" if path.starts_with('/') => "/".into(),
        path => path.into(),
    }
}

/// Takes away the quotes of `UUID="…"`.
fn unquote(src: &str) -> String {
    match src.split_once('=') {
        Some((tag, value)) if value.len() > 1 && value.starts_with('"') && value.ends_with('"') => {
            format!("{tag}={}", &value[1..value.len() - 1])
        }
        _ => src.to_string(),
    }
}

/// Reads `\040` and its like.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .filter(|d| *first == b'\\' && d.iter().all(|b| matches!(b, b'0'..=b'7')));
        let value = digits.and_then(|d| std::str::from_utf8(d).ok());
        match value.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes blanks and backslashes as fstab(5) wants them.
fn escape(text: &str) -> String {
    text.replace('\\', r"\134").replace(' ', r"\040").replace('\t', r"\011").replace('\n', r"\012")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(line: &str) -> Mounted {
        Mounted::parse(line).unwrap()
    }

    fn differs(wish: &str, line: &str) -> bool {
        let live = live(line);
        let (is, wish) = Options::parse(wish, &live.fstype).compare(&live);
        is != wish
    }

    #[test]
    fn blanks_are_escaped_in_both_files() {
        let entry = Entry::parse("LABEL=\"a\"\t/mnt/my\\040disk/  xfs").unwrap();
        assert_eq!(
            (&*entry.src, &*entry.path, &*entry.opts),
            ("LABEL=a", "/mnt/my disk", "defaults")
        );
        assert_eq!(entry.line(), "LABEL=a /mnt/my\\040disk xfs defaults 0 0\n");
        assert_eq!(Entry::parse(" # /dev/x /y"), None);
        let line =
            r"36 27 8:1 /sub /mnt/my\040disk rw,noatime shared:1 - xfs /dev/sda1 rw,attr2,inode64";
        let live = live(line);
        assert_eq!((&*live.path, &*live.root, &*live.src), ("/mnt/my disk", "/sub", "/dev/sda1"));
        assert!(live.options.contains_key("attr2") && !live.is_read_only());
    }

    #[test]
    fn options_are_sets() {
        let canonical = |text: &str| Options::parse(text, "xfs").canonical();
        assert_eq!(canonical("defaults"), canonical("rw,relatime,suid,auto"));
        assert_eq!(canonical("noatime,nodiratime"), canonical("defaults,noatime"));
        assert_eq!(canonical("nofail,noexec,exec"), "nofail");
        assert_eq!(canonical("user,exec"), "nodev,nosuid,user");
        assert_eq!(Options::parse("size=64M", "tmpfs").canonical(), "size=65536k");
        assert_eq!(
            Options::parse("context=\"a:s0:c1,c2\",ro", "xfs").canonical(),
            "ro,context=a:s0:c1,c2"
        );
    }

    #[test]
    fn what_the_kernel_adds_or_never_shows_does_not_count() {
        let xfs = "36 27 8:1 / /data rw,noatime - xfs /dev/sda1 rw,seclabel,attr2,inode64,noquota";
        assert!(!differs("defaults,noatime,nofail,x-systemd.device-timeout=9", xfs));
        assert!(!differs("noatime,nodiratime,inode64,logbufs=8", xfs));
        assert!(differs("defaults", xfs));
        assert!(differs("noatime,noexec", xfs));
        assert!(differs("noatime,discard", xfs));
        let tmp = "36 27 0:9 / /tmp rw,nosuid,noexec - tmpfs tmpfs rw,size=65536k,mode=755";
        assert!(!differs("nosuid,noexec,size=64m,mode=0755,uid=hdfs", tmp));
        assert!(!differs("nosuid,noexec,size=50%", tmp));
        assert!(differs("nosuid,size=64m", tmp));
        assert!(differs("nosuid,noexec,size=1g", tmp));
        let nfs = "36 27 0:9 / /n rw,relatime - nfs4 nas:/x rw,vers=4.2,hard,proto=tcp,sec=sys";
        assert!(!differs("rw,nfsvers=4.2,hard,intr,tcp,bg", nfs));
        assert!(differs("soft", nfs));
        let error = "36 27 8:1 / /data rw,relatime - ext4 /dev/sda1 ro,errors=remount-ro";
        assert!(differs("defaults", error));
    }

    #[test]
    fn a_remount_spells_out_what_should_no_longer_hold() {
        let live = live("36 27 0:9 / /tmp rw,nosuid,noexec,noatime - tmpfs tmpfs rw");
        let opts = "defaults,nosuid,nofail,x-y";
        assert_eq!(Options::parse(opts, "tmpfs").for_remount(opts, &live), "nosuid,exec,relatime");
        let bind = Options::parse("bind,ro", "none").for_remount("bind,ro", &live);
        assert_eq!(bind, "bind,ro,nosuid,noexec,noatime");
    }
}
