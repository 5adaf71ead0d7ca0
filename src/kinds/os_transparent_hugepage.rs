//! `os.transparent_hugepage`: transparent huge pages, now and after the next boot.
//!
//! Cloudera asks for `never`. For the next boot a oneshot unit is kept that writes the wish into
//! `/sys`; a kernel argument `transparent_hugepage=` that says the same counts too.
//!
//! ```yaml
//! - name: No transparent huge pages
//!   os.transparent_hugepage: { enabled: never, defrag: never }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::Kind;
use super::shared::file::PUT;
use super::shared::unit::{SERVICE, UNIT, Unit};
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
    r#"
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
}
"#,
);

static SET: Script = Script::each(
    "drsync_thp_set",
    r#"
drsync_thp_set() { printf '%s\n' "$2" > "$root/sys/kernel/mm/transparent_hugepage/$1"; }
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
        delta.attributes.push(boot(args, replies));
        delta
    }

    fn steps(args: &Args, delta: &Delta, _: &[Reply]) -> Vec<Action> {
        let set = |name: &str, word: &str| {
            Action::Host(&SET, vec![Argument::plain(name), Argument::plain(word)])
        };
        let mut actions = Vec::new();
        for attribute in delta.differing() {
            match &*attribute.name {
                "enabled" => actions.push(set("enabled", args.enabled.word())),
                "defrag" => actions.extend(args.defrag.map(|defrag| set("defrag", defrag.word()))),
                _ => {
                    let unit = unit_text(args);
                    let words = [UNIT_PATH, "0644", "root", "root", "text", &unit];
                    actions.push(Action::Host(&PUT, words.map(Argument::plain).to_vec()));
                    let words = vec![Argument::plain(UNIT_NAME), Argument::plain("enable")];
                    actions.push(Action::Host(&UNIT, words));
                }
            }
        }
        actions
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

fn boot(args: &Args, replies: &[Reply]) -> Attribute {
    let want = Value::text(args.enabled.word());
    let cmdline = match replies[0].text("cmdline") {
        Ok(cmdline) => cmdline.unwrap_or_default(),
        Err(reason) => return Attribute::new("boot", Live::Unknown(reason), want),
    };
    let argument = cmdline.split_whitespace().find_map(|w| w.strip_prefix("transparent_hugepage="));
    if argument == Some(args.enabled.word()) && args.defrag.is_none() {
        return Attribute::new("boot", Live::Known(want.clone()), want);
    }
    let digest = match replies[0].text("unit_digest") {
        Ok(digest) => digest,
        Err(reason) => return Attribute::new("boot", Live::Unknown(reason), want),
    };
    let unit = match replies[1].text("unit") {
        Ok(text) => Unit::parse(&text.unwrap_or_default()),
        Err(reason) => return Attribute::new("boot", Live::Unknown(reason), want),
    };
    let kept = digest.as_deref() == Some(&sha256(unit_text(args).as_bytes()));
    let live = match kept && unit.file == "enabled" {
        true => Live::Known(want.clone()),
        false => Live::Absent,
    };
    Attribute::new("boot", live, want).noted(format!("kept by {UNIT_NAME}"))
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
