//! `os.transparent_hugepage`: transparent huge pages, now and after the next boot.
//!
//! Cloudera asks for `never`. Who sets it at boot is told by `via`:
//!
//! - `unit` (the default): a oneshot unit of ours that writes the wish into `/sys`;
//! - `tuned`: a profile of ours that includes the active one. Declare no other profile then;
//! - `kernel-arg`: the kernel argument `transparent_hugepage=`, which `os.kernel_arg` sets and this
//!   kind only verifies.
//!
//! There may be other owners: those, `rc.local`, other units, `sysfs.conf` and `tmpfiles.d`. What they
//! come to in the end counts: one that says the same is good enough, and one that comes later and
//! says something else is named, since it would undo the wish at every boot.
//!
//! ```yaml
//! - name: No transparent huge pages
//!   os.transparent_hugepage: { enabled: never, defrag: never }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::file::PUT;
use super::shared::tuned::{Tuned, tuned_shell};
use super::shared::unit::{SERVICE, UNIT, Unit};
use super::{Kind, Link};
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// Transparent huge pages.
pub struct OsTransparentHugepage;

/// Transparent huge pages, now and after the next boot.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// When memory is backed by huge pages: `always`, `madvise` or `never`.
    #[serde(default = "never")]
    enabled: Enabled,
    /// When memory is compacted for them; the kernel's own choice when left out.
    defrag: Option<Defrag>,
    /// Who sets it at boot: `unit`, `tuned` or `kernel-arg`.
    #[serde(default)]
    via: Via,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Via {
    #[default]
    Unit,
    Tuned,
    KernelArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Enabled {
    Always,
    Madvise,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
enum Defrag {
    #[serde(rename = "always")]
    Always,
    #[serde(rename = "defer")]
    Defer,
    #[serde(rename = "defer+madvise")]
    DeferMadvise,
    #[serde(rename = "madvise")]
    Madvise,
    #[serde(rename = "never")]
    Never,
}

fn never() -> Enabled {
    Enabled::Never
}

impl Enabled {
    fn word(self) -> &'static str {
        match self {
            Enabled::Always => "always",
            Enabled::Madvise => "madvise",
            Enabled::Never => "never",
        }
    }
}

impl Defrag {
    fn word(self) -> &'static str {
        match self {
            Defrag::Always => "always",
            Defrag::Defer => "defer",
            Defrag::DeferMadvise => "defer+madvise",
            Defrag::Madvise => "madvise",
            Defrag::Never => "never",
        }
    }
}

const UNIT_NAME: &str = "drsync-transparent-hugepage.service";
const UNIT_PATH: &str = "/etc/systemd/system/drsync-transparent-hugepage.service";

static PROBE: Script = Script::each(
    "drsync_thp",
    concat!(
        r##"
drsync_thp() {
  for name in enabled defrag; do
    path=$root/sys/kernel/mm/transparent_hugepage/$name
    if [ ! -e "$path" ]; then absent $name
    elif IFS= read -r line < "$path"; then put $name "$line"
    else unknown $name "cannot read /sys/kernel/mm/transparent_hugepage/$name"; fi
  done
  if [ -r "$root/proc/cmdline" ] && IFS= read -r line < "$root/proc/cmdline"; then put cmdline "$line"; else absent cmdline; fi
  path=$root$1
  if [ ! -e "$path" ]; then absent unit_digest
  elif sum=$({ sha256sum < "$path"; } 2>&1); then put unit_digest "${sum%% *}"
  else unknown unit_digest "$sum"; fi
  drsync_thp_owners
  drsync_tuned
}
# Whatever may set them at boot, and the configuration of the boot loader.
drsync_thp_owners() {
  set --
  for file in "$root"/boot/loader/entries/*.conf "$root"/boot/grub2/grubenv "$root"/boot/grub*/grub.cfg \
    "$root"/boot/efi/EFI/*/grub.cfg; do
    [ ! -f "$file" ] || set -- "$@" "$file"
  done
  if [ $# -gt 0 ]; then put loader yes; else absent loader; fi
  for file in "$root"/etc/systemd/system/*.wants/*.service; do
    file=$root/etc/systemd/system/${file##*/}
    if [ -f "$file" ] && [ ! -L "$file" ]; then set -- "$@" "$file"; fi
  done
  for file in "$root"/etc/sysfs.conf "$root"/etc/sysfs.d/*.conf "$root"/etc/tmpfiles.d/*.conf; do
    [ ! -f "$file" ] || set -- "$@" "$file"
  done
  for file in "$root"/etc/rc.d/rc.local "$root"/etc/rc.local; do
    if [ -f "$file" ] && [ -x "$file" ]; then set -- "$@" "$file"; break; fi
  done
  put root "$root"
  if [ $# = 0 ]; then put owners ''; return; fi
  out=$(grep -a -H 'transparent_hugepage' /dev/null "$@" 2>&1)
  if [ $? -le 1 ]; then put owners "$out"; else unknown owners "$out"; fi
}
"##,
        tuned_shell!()
    ),
);

static SET: Script = Script::each(
    "drsync_thp_set",
    r#"
drsync_thp_set() { printf '%s\n' "$2" > "$root/sys/kernel/mm/transparent_hugepage/$1"; }
"#,
);

/// `drsync_thp_tuned TEXT`: keeps the profile `drsync` and makes it the active one.
static TUNED: Script = Script::each(
    "drsync_thp_tuned",
    r#"
drsync_thp_tuned() {
  path=$root/etc/tuned/drsync/tuned.conf
  mkdir -p -- "${path%/*}" && printf '%s' "$1" | cat > "$path.new" && chmod 0644 "$path.new" && mv -f -T -- "$path.new" "$path" || return
  if [ -n "$root" ]; then
    case $(command -v tuned-adm) in
      "${DRSYNC_COMMANDS:-/dev/null}"/*) ;;
      *) printf 'drsync\n' > "$root/etc/tuned/active_profile"; return ;;
    esac
  fi
  tuned-adm profile drsync
}
"#,
);

/// `drsync_thp_argument WORD`: nothing to do but to say who has to do it.
static ARGUMENT: Script = Script::each(
    "drsync_thp_argument",
    r#"
drsync_thp_argument() {
  printf 'the boot loader does not pass transparent_hugepage=%s: declare os.kernel_arg for it' "$1"
  return 1
}
"#,
);

impl Kind for OsTransparentHugepage {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "os.transparent_hugepage", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_transparent_hugepage.rs");

    fn key(_: &Args) -> String {
        "kernel".into()
    }

    fn ask(_: &Args) -> Vec<Question> {
        vec![
            Question::Probe(&PROBE, vec![Argument::plain(UNIT_PATH)]),
            Question::Probe(&SERVICE, vec![Argument::plain(UNIT_NAME)]),
        ]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let mut delta = Delta::default();
        let live = active(&replies[0], "enabled");
        if matches!(live, Live::Absent) {
            // A kernel built without them never uses them.
            match args.enabled {
                Enabled::Never => return in_sync_without(args),
                _ => delta.refused = Some("this kernel has no transparent huge pages".into()),
            }
        }
        delta.attributes.push(Attribute::new("enabled", live, Value::text(args.enabled.word())));
        if let Some(defrag) = args.defrag {
            let live = active(&replies[0], "defrag");
            delta.attributes.push(Attribute::new("defrag", live, Value::text(defrag.word())));
        }
        at_boot(args, replies, &mut delta);
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let act = |script, words: &[&str]| {
            Action::Host(script, words.iter().map(Argument::plain).collect())
        };
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let mut actions = Vec::new();
        if differs("enabled") {
            actions.push(act(&SET, &["enabled", args.enabled.word()]));
        }
        if let Some(defrag) = args.defrag.filter(|_| differs("defrag")) {
            actions.push(act(&SET, &["defrag", defrag.word()]));
        }
        if !differs("boot") && !differs("boot_defrag") {
            return actions;
        }
        match args.via {
            Via::Unit => {
                let unit = unit_text(args);
                actions.push(act(&PUT, &[UNIT_PATH, "0644", "root", "root", "text", &unit]));
                actions.push(act(&UNIT, &[UNIT_NAME, "enable"]));
            }
            Via::Tuned => {
                let text = Tuned::read(&replies[0]).ok().flatten().map(|t| profile_text(args, &t));
                actions.extend(text.map(|text| act(&TUNED, &[&text])));
            }
            Via::KernelArg => actions.push(act(&ARGUMENT, &[args.enabled.word()])),
        }
        actions
    }

    fn needs(args: &Args) -> Vec<Link> {
        match args.via {
            Via::Unit => Vec::new(),
            Via::Tuned => vec![Link::new("os.package", "tuned"), Link::new("os.service", "tuned")],
            Via::KernelArg => vec![Link::new("os.kernel_arg", "transparent_hugepage")],
        }
    }
}

fn in_sync_without(args: &Args) -> Delta {
    let want = Value::text(args.enabled.word());
    let note = Some("the kernel has none".to_string());
    let attribute = Attribute::new("enabled", Live::Known(want.clone()), want).noted(note);
    Delta { attributes: vec![attribute], ..Delta::default() }
}

/// Returns the word in brackets: `always madvise [never]`. One word alone is active too.
fn active(reply: &Reply, name: &str) -> Live {
    match reply.text(name) {
        Ok(None) => Live::Absent,
        Err(reason) => Live::Unknown(reason),
        Ok(Some(line)) => {
            let inside = line.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
            match (inside, line.split_whitespace().collect::<Vec<_>>()[..].as_ref()) {
                (Some((word, _)), _) => Live::Known(Value::text(word)),
                (None, [word]) => Live::Known(Value::text(word)),
                _ => Live::Unknown(format!("`{line}` names no active choice")),
            }
        }
    }
}

/// Someone who sets them at boot.
#[derive(Debug, PartialEq)]
struct Owner {
    /// When: owners of a higher number come later.
    rank: u8,
    name: String,
    enabled: Option<String>,
    defrag: Option<String>,
}

const RANKS: [(Via, u8); 3] = [(Via::KernelArg, 0), (Via::Unit, 2), (Via::Tuned, 4)];

impl Via {
    fn rank(self) -> u8 {
        RANKS.iter().find(|(via, _)| *via == self).map_or(0, |(_, rank)| *rank)
    }
}

/// Compares what all owners together come to at boot with the wish.
fn at_boot(args: &Args, replies: &[Reply], delta: &mut Delta) {
    let owners = owners(args, replies);
    let wish = Value::text(args.enabled.word());
    let owners = match owners {
        Ok(owners) => owners,
        Err(reason) => {
            delta.attributes.push(Attribute::new("boot", Live::Unknown(reason), wish));
            return;
        }
    };
    let last = |pick: fn(&Owner) -> Option<&str>| {
        let found = owners.iter().rev().find_map(|owner| Some((pick(owner)?, owner)));
        let note = found.map(|(_, owner)| format!("now set by {}", owner.name));
        (found.map_or(Live::Absent, |(word, _)| Live::Known(Value::text(word))), note)
    };
    let kept = match args.via {
        Via::Unit => format!("kept by {UNIT_NAME}"),
        Via::Tuned => "kept by tuned's profile drsync".into(),
        Via::KernelArg => "os.kernel_arg sets it".into(),
    };
    let mut add = |name: &'static str, (live, note): (Live, Option<String>), want: Value| {
        delta.attributes.push(Attribute::new(name, live, want).noted(note.unwrap_or(kept.clone())));
    };
    add("boot", last(|owner| owner.enabled.as_deref()), wish);
    if let Some(defrag) = args.defrag {
        add("boot_defrag", last(|owner| owner.defrag.as_deref()), Value::text(defrag.word()));
    }
    if delta.differing().any(|a| a.name == "boot" || a.name == "boot_defrag") {
        obstacle(args, &owners, replies, delta);
    }
}

/// Refuses where the declared owner cannot keep the wish.
fn obstacle(args: &Args, owners: &[Owner], replies: &[Reply], delta: &mut Delta) {
    let other = |word: &Option<String>, wish: Option<&str>| matches!((word, wish), (Some(word), Some(wish)) if word != wish);
    let defrag = args.defrag.map(Defrag::word);
    let undoes = |owner: &&Owner| {
        owner.rank > args.via.rank()
            && (other(&owner.enabled, Some(args.enabled.word())) || other(&owner.defrag, defrag))
    };
    if let Some(owner) = owners.iter().find(undoes) {
        let hint = match owner.rank == Via::Tuned.rank() {
            true => "declare `via: tuned`, or choose another profile",
            false => "take it out there",
        };
        let words = [owner.enabled.as_deref(), owner.defrag.as_deref()];
        let word = words.into_iter().flatten().next().unwrap_or_default();
        delta.refused = Some(format!("{} sets `{word}` later in every boot: {hint}", owner.name));
    } else if args.via == Via::Tuned && matches!(Tuned::read(&replies[0]), Ok(None)) {
        delta.refused = Some("tuned is not in use here: start it with some profile first".into());
        delta.is_curable = true;
    } else if args.via == Via::KernelArg && delta.differing().any(|a| a.name == "boot_defrag") {
        delta.refused = Some("no kernel argument sets `defrag`: leave it out, or `via`".into());
    }
}

/// Returns who sets them at boot, in the order they do.
fn owners(args: &Args, replies: &[Reply]) -> Result<Vec<Owner>, String> {
    let cmdline = replies[0].text("cmdline")?.unwrap_or_default();
    let lines = match &replies[0] {
        Reply::Fields(fields) if !fields.iter().any(|field| field.name == "owners") => None,
        reply => reply.text("owners")?,
    };
    let root = replies[0].text("root").ok().flatten().unwrap_or_default();
    let lines: Vec<(&str, &str)> = lines
        .as_deref()
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_prefix(&*root).unwrap_or(line).split_once(':'))
        .filter(|(_, text)| !text.trim_start().starts_with(['#', ';']))
        .collect();
    let has_loader = matches!(replies[0].field("loader"), Live::Known(_));
    let mut owners: Vec<Owner> =
        kernel_argument(&cmdline, &lines, has_loader).into_iter().collect();
    owners.extend(unit(args, replies, &lines)?);
    for (path, text) in &lines {
        let rank = match path {
            _ if path.starts_with("/boot/") || *path == UNIT_PATH => continue,
            _ if path.starts_with("/etc/systemd/") => 3,
            _ if path.ends_with("rc.local") => 5,
            _ => 1,
        };
        add_words(&mut owners, rank, path, text);
    }
    if let Some(tuned) = Tuned::read(&replies[0])? {
        let word = |names: &[&str]| names.iter().find_map(|name| tuned.setting(name));
        let folder = "/sys/kernel/mm/transparent_hugepage";
        let enabled =
            [&format!("{folder}/enabled"), "transparent_hugepages", "transparent_hugepage"];
        let defrag = [&format!("{folder}/defrag"), "transparent_hugepage.defrag"];
        owners.push(Owner {
            rank: Via::Tuned.rank(),
            name: format!("tuned (profile {})", tuned.profile),
            enabled: word(&enabled).map(String::from),
            defrag: word(&defrag).map(String::from),
        });
    }
    owners.sort_by_key(|owner| owner.rank);
    Ok(owners)
}

/// Returns the kernel argument of the next boot: what the boot loader's configuration says where it
/// can be read, otherwise what the running kernel was given.
fn kernel_argument(cmdline: &str, lines: &[(&str, &str)], has_loader: bool) -> Option<Owner> {
    let find = |text: &str| {
        let word = text.split([' ', '\t', '"', '\'']);
        word.filter_map(|w| w.strip_prefix("transparent_hugepage=")).next_back().map(String::from)
    };
    let loader = lines.iter().filter(|(path, _)| path.starts_with("/boot/"));
    let enabled = match has_loader {
        true => loader.filter_map(|(_, text)| find(text)).next_back(),
        false => find(cmdline),
    }?;
    let name = "the kernel argument transparent_hugepage".to_string();
    Some(Owner { rank: 0, name, enabled: Some(enabled), defrag: None })
}

/// Returns what our unit does, if it is enabled.
fn unit(args: &Args, replies: &[Reply], lines: &[(&str, &str)]) -> Result<Option<Owner>, String> {
    let digest = replies[0].text("unit_digest")?;
    let unit = Unit::parse(&replies[1].text("unit")?.unwrap_or_default());
    if digest.is_none() || unit.file != "enabled" {
        return Ok(None);
    }
    if digest.as_deref() == Some(&sha256(unit_text(args).as_bytes())) {
        let defrag = args.defrag.map(|defrag| defrag.word().to_string());
        let enabled = Some(args.enabled.word().to_string());
        let (rank, name) = (Via::Unit.rank(), UNIT_NAME.to_string());
        return Ok(Some(Owner { rank, name, enabled, defrag }));
    }
    // One of ours that says something else, left from another declaration.
    let mut found = Vec::new();
    for (_, text) in lines.iter().filter(|(path, _)| *path == UNIT_PATH) {
        add_words(&mut found, Via::Unit.rank(), UNIT_NAME, text);
    }
    Ok(found.pop())
}

/// Reads `echo never > …/enabled`, `…/enabled = never` (sysfs.conf) and the fields of tmpfiles.d.
fn add_words(owners: &mut Vec<Owner>, rank: u8, path: &str, text: &str) {
    let patterns = [
        r#"(?:echo|printf)\s+(?:-n\s+)?['"]?(?<word>[a-z+]+)(?:\\n)?['"]?\s*(?:>+|\|\s*(?:sudo\s+)?tee)\s*['"]?/sys/kernel/mm/transparent_hugepage/(?<name>enabled|defrag)"#,
        r"^\s*kernel/mm/transparent_hugepage/(?<name>enabled|defrag)\s*=\s*(?<word>[a-z+]+)",
        r"^\s*[wf]\S*\s+/sys/kernel/mm/transparent_hugepage/(?<name>enabled|defrag)(?:\s+\S+){4}\s+(?<word>[a-z+]+)",
    ];
    for pattern in patterns {
        let Ok(regex) = regex::Regex::new(pattern) else { continue };
        for found in regex.captures_iter(text) {
            let word = Some(found["word"].to_string());
            let (enabled, defrag) = match &found["name"] {
                "enabled" => (word, None),
                _ => (None, word),
            };
            match owners.iter_mut().find(|owner| owner.name == path) {
                Some(owner) => {
                    owner.enabled = enabled.or(owner.enabled.take());
                    owner.defrag = defrag.or(owner.defrag.take());
                }
                None => owners.push(Owner { rank, name: path.into(), enabled, defrag }),
            }
        }
    }
}

/// A profile of ours that includes the one active before (tuned.conf(5)).
fn profile_text(args: &Args, tuned: &Tuned) -> String {
    // Ours is the most important one: its `include` is the last.
    let base = match &*tuned.profile {
        "drsync" => tuned.setting("include").unwrap_or_default().to_string(),
        others => others.split_whitespace().collect::<Vec<_>>().join(","),
    };
    let include = if base.is_empty() { String::new() } else { format!("include={base}\n") };
    let mut text = format!(
        "# Kept by drsync.\n[main]\nsummary=Transparent huge pages as declared\n{include}\n\
         [vm]\ntransparent_hugepages={}\n",
        args.enabled.word()
    );
    if let Some(defrag) = args.defrag {
        // Every version's `[sysfs]` can do it; `[vm]` of a recent one only.
        let path = "/sys/kernel/mm/transparent_hugepage/defrag";
        text.push_str(&format!("\n[sysfs]\n{path}={}\n", defrag.word()));
    }
    text
}

/// The unit that sets the wish at boot (systemd.service(5)).
fn unit_text(args: &Args) -> String {
    let folder = "/sys/kernel/mm/transparent_hugepage";
    let mut commands = format!("echo {} > {folder}/enabled", args.enabled.word());
    if let Some(defrag) = args.defrag {
        commands.push_str(&format!("; echo {} > {folder}/defrag", defrag.word()));
    }
    format!(
        "# Kept by drsync.\n[Unit]\nDescription=Transparent huge pages as declared\n\
         DefaultDependencies=no\nAfter=sysinit.target local-fs.target\nBefore=basic.target\n\n\
         [Service]\nType=oneshot\nExecStart=/bin/sh -c '{commands}'\nRemainAfterExit=yes\n\n\
         [Install]\nWantedBy=basic.target\n"
    )
}
