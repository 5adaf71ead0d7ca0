//! `os.kernel_arg`: an argument of the kernel's command line, at the next boot.
//!
//! Where `grubby` is (the RHEL family) it sets the argument for all kernels. Elsewhere GRUB's files
//! are changed, `/etc/default/grub.d/90-drsync.cfg` or, where that folder is missing,
//! `/etc/default/grub`, and the boot menu is made anew: `boot` is what the menu says now,
//! `configuration` what it will be made from next time.
//!
//! Nothing is rebooted. When all is right for the next boot, but the running kernel was started
//! without it, the plan says "pending reboot"; `require_reboot: drift` makes that a difference.
//!
//! Of an argument that stands there several times the last one counts, so the others go. Those that
//! mean something each time (`console`, `hugepagesz`, …) are kept, and declared one by one.
//!
//! ```yaml
//! - name: No transparent huge pages
//!   os.kernel_arg: { name: transparent_hugepage, value: never }
//!   hosts: nodes
//! - name: Boot messages are shown
//!   os.kernel_arg: { name: quiet, state: absent }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::edit::{Edit, Present};
use super::{Kind, Link, problem};
use crate::format::kernel_line::{self, is_named};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value, Want};

/// An argument of the kernel's command line.
pub struct OsKernelArg;

/// An argument of the kernel's command line, at the next boot.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its name, e.g. `transparent_hugepage`.
    name: String,
    /// Its value; none for a word alone such as `quiet`.
    value: Option<String>,
    /// Should it be there? Absent without a value: whatever value it has.
    #[serde(default)]
    state: State,
    /// What to make of a running kernel that was started otherwise.
    #[serde(default)]
    require_reboot: RequireReboot,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Present,
    Absent,
}

/// What to make of a running kernel that was started otherwise.
#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RequireReboot {
    /// Tell of it; it is no difference.
    #[default]
    Report,
    /// Say nothing.
    Ignore,
    /// It is a difference, which only a reboot ends.
    Drift,
}

/// Arguments that mean something each time they stand there.
const REPEATED: [&str; 12] = [
    "console",
    "earlycon",
    "hugepages",
    "hugepagesz",
    "ifname",
    "ip",
    "memmap",
    "nameserver",
    "rd.luks.uuid",
    "rd.lvm.lv",
    "rd.md.uuid",
    "rd.znet",
];

const MAIN: &str = "/etc/default/grub";
const OWN: &str = "/etc/default/grub.d/90-drsync.cfg";

/// `drsync_kernel_line`: the command lines of the running kernel and of the entries of the boot
/// menu, and GRUB's files beside the two that are read whole.
static PROBE: Script = Script::each(
    "drsync_kernel_line",
    r#"
drsync_kernel_line() {
  if [ -n "$root" ]; then put image yes; absent cmdline
  elif [ -r /proc/cmdline ] && { IFS= read -r line || [ -n "$line" ]; } < /proc/cmdline; then absent image; put cmdline "$line"
  else absent image; unknown cmdline 'cannot read /proc/cmdline'; fi
  if [ -z "$root" ] && command -v grubby >/dev/null 2>&1; then
    if out=$(grubby --info=ALL 2>&1); then put grubby "$out"; else unknown grubby "grubby --info=ALL: $out"; fi
    return
  fi
  absent grubby
  if [ -d "$root/etc/default/grub.d" ]; then put folder yes; else absent folder; fi
  out=
  for file in "$root/etc/default/grub.d"/*.cfg; do
    [ -e "$file" ] || continue
    shown=${file#"$root"}
    [ "$shown" != /etc/default/grub.d/90-drsync.cfg ] || { out="$out@$shown$nl"; continue; }
    if ! lines=$({ grep GRUB_CMDLINE_LINUX < "$file"; } 2>&1) && [ -n "$lines" ]; then unknown others "$lines"; return; fi
    out="$out@$shown$nl$lines$nl"
  done
  put others "$out"
  [ -z "$root" ] || return 0
  drsync_kernel_line_menu
}
# The menu in the EFI partition only counts where it is more than a pointer to the other one.
drsync_kernel_line_menu() {
  menu=
  for file in /boot/efi/EFI/*/grub.cfg /boot/grub2/grub.cfg /boot/grub/grub.cfg; do
    [ -e "$file" ] || continue
    case $file in /boot/efi/*) grep -q '^[[:space:]]*menuentry ' "$file" 2>/dev/null || continue ;; esac
    menu=$file
    break
  done
  if [ -z "$menu" ]; then absent menu; absent entries; return; fi
  put menu "$menu"
  if out=$(grep -hE '^[[:space:]]*linux(16|efi)?[[:space:]]' "$menu" 2>&1) || [ -z "$out" ]; then put entries "$out"
  else unknown entries "$out"; fi
}
"#,
);

/// `drsync_kernel_grubby REMOVE ADD`
static GRUBBY: Script = Script::each(
    "drsync_kernel_grubby",
    r#"
drsync_kernel_grubby() {
  [ -z "$1" ] || grubby --update-kernel=ALL --remove-args="$1" || return
  [ -z "$2" ] || grubby --update-kernel=ALL --args="$2"
}
"#,
);

/// `drsync_kernel_menu MENU`: makes the boot menu anew; told is only why it cannot be.
static MENU: Script = Script::each(
    "drsync_kernel_menu",
    r#"
drsync_kernel_menu() {
  if command -v update-grub >/dev/null 2>&1; then set -- update-grub
  elif command -v grub2-mkconfig >/dev/null 2>&1; then set -- grub2-mkconfig -o "${1:-/boot/grub2/grub.cfg}"
  else set -- grub-mkconfig -o "${1:-/boot/grub/grub.cfg}"; fi
  said=$("$@" 2>&1) || { printf '%s: %s' "$1" "$(printf '%s\n' "$said" | tail -n 4)"; return 1; }
}
"#,
);

/// `drsync_kernel_pending`: nothing but a reboot helps.
static PENDING: Script = Script::each(
    "drsync_kernel_pending",
    r#"
drsync_kernel_pending() {
  echo 'pending reboot: the next boot is as declared, the running kernel is not'
  return 1
}
"#,
);

/// What a host says of command lines.
struct Lines {
    /// The running kernel's; `None` in an image.
    running: Option<String>,
    /// Those of the entries of the boot menu; `None` when there is no menu to be seen.
    entries: Option<Vec<String>>,
    /// The menu's file.
    menu: String,
    /// GRUB's files; `None` where grubby rules.
    files: Option<Files>,
}

struct Files {
    main: Present,
    own: Present,
    /// The others in `grub.d`: path and text; ours without a text.
    others: Vec<(String, String)>,
    has_folder: bool,
}

impl Args {
    fn word(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.name),
            None => self.name.clone(),
        }
    }

    fn is_repeated(&self) -> bool {
        REPEATED.iter().any(|name| is_named(name, &self.name))
    }

    fn is_same(&self, word: &str) -> bool {
        let value = |word: &str| word.split_once('=').map(|(_, value)| value.to_string());
        is_named(word, &self.name) && value(word) == self.value
    }

    /// True for a word that must not be there: all of this name but the wished one.
    fn is_doomed(&self, word: &str) -> bool {
        let is_named = is_named(word, &self.name);
        match self.state {
            State::Present => is_named && !self.is_repeated() && !self.is_same(word),
            State::Absent if self.value.is_some() => self.is_same(word),
            State::Absent => is_named,
        }
    }

    /// Returns the word that counts in a command line, if it is there.
    fn found(&self, line: &str) -> Option<String> {
        let words = kernel_line::words(line);
        let mut named = words.into_iter().filter(|word| match self.is_repeated() {
            true => self.is_same(word) || (self.value.is_none() && is_named(word, &self.name)),
            false if self.state == State::Absent => self.is_doomed(word),
            false => is_named(word, &self.name),
        });
        named.next_back().map(String::from)
    }

    /// Compares the wish with command lines.
    fn compare<'a>(&self, name: &'static str, lines: impl Iterator<Item = &'a str>) -> Attribute {
        let mut found: Vec<Option<String>> = lines.map(|line| self.found(line)).collect();
        // One spelling for what is the same.
        for word in found.iter_mut().flatten() {
            if self.is_same(word) {
                *word = self.word();
            }
        }
        found.dedup();
        let before = match &found[..] {
            [] | [None] => Live::Absent,
            [Some(word)] => Live::Known(Value::text(word)),
            several => {
                let shown = |word: &Option<String>| word.clone().unwrap_or("absent".into());
                let mut several: Vec<String> = several.iter().map(shown).collect();
                several.sort();
                several.dedup();
                Live::Known(Value::text(several.join(" or ")))
            }
        };
        match self.state {
            State::Present => Attribute::new(name, before, Value::text(self.word())),
            State::Absent => {
                let differs = !matches!(before, Live::Absent);
                Attribute {
                    name: name.into(),
                    before,
                    after: Want::Absent(None),
                    differs,
                    note: None,
                }
            }
        }
    }
}

impl Kind for OsKernelArg {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.kernel_arg", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_kernel_arg.rs");

    fn key(args: &Args) -> String {
        match args.is_repeated() {
            true => args.word(),
            false => args.name.clone(),
        }
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        let shown = |text: &str| text.chars().take(60).collect::<String>();
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
        let name = &args.name;
        if name.is_empty()
            || name.starts_with('-')
            || !name.chars().all(is_name)
            || name.len() > 100
        {
            let hint = name.contains('=').then_some("its value goes into `value`");
            let said = format!("`{}` is not the name of a kernel argument", shown(name));
            problems.push(problem(&["name"], said, hint));
        }
        if ["root", "initrd", "BOOT_IMAGE"].contains(&&**name) {
            let said = format!("`{name}` is the boot loader's own");
            problems.push(problem(&["name"], said, None));
        }
        let is_value = |c: char| c.is_ascii_alphanumeric() || "_-.:/,=@+%~*!^".contains(c);
        if let Some(value) =
            args.value.as_ref().filter(|v| !v.chars().all(is_value) || v.len() > 400)
        {
            let hint = "blanks, quotes and `$` would not come through GRUB's files unharmed";
            let said = format!("`{}` cannot be the value of a kernel argument", shown(value));
            problems.push(problem(&["value"], said, Some(hint)));
        }
        problems
    }

    fn ask(_: &Args) -> Vec<Question> {
        vec![Question::Probe(&PROBE, Vec::new()), main().ask(), own().ask()]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let lines = match read(replies) {
            Ok(lines) => lines,
            Err(delta) => return delta,
        };
        let mut delta = Delta::default();
        if let Some(entries) = &lines.entries {
            delta.attributes.push(args.compare("boot", entries.iter().map(|line| &**line)));
        }
        if let Some(files) = &lines.files {
            match files.evaluate(&files.main.text, &files.own.text) {
                Ok(words) => {
                    let line = words.join(" ");
                    delta.attributes.push(args.compare("configuration", std::iter::once(&*line)));
                }
                Err(line) => {
                    let said = format!("GRUB's files have a line that is not understood: {line}");
                    delta.refused = Some(said);
                }
            }
            refuse(args, files, &mut delta);
        }
        runtime(args, &lines, &mut delta);
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(lines) = read(replies) else { return Vec::new() };
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let mut actions = Vec::new();
        match &lines.files {
            None if differs("boot") => actions.push(grubby(args, &lines)),
            Some(files) if differs("boot") || differs("configuration") => {
                let (main_text, own_text) = files.changed(args);
                if main_text != *files.main.text {
                    actions.extend(main().write(&files.main, &main_text, false));
                }
                if own_text != *files.own.text {
                    actions.extend(own().write(&files.own, &own_text, false));
                }
                if lines.entries.is_some() {
                    actions.push(Action::Host(&MENU, vec![Argument::plain(&lines.menu)]));
                }
            }
            _ => {}
        }
        if differs("runtime") {
            actions.push(Action::Host(&PENDING, Vec::new()));
        }
        actions
    }

    fn needs(_: &Args) -> Vec<Link> {
        main().needs().into_iter().chain(own().needs()).collect()
    }
}

fn main() -> Edit<'static> {
    Edit::of(MAIN)
}

fn own() -> Edit<'static> {
    Edit { create: true, ..Edit::of(OWN) }
}

/// Reads what a host replied. Errors: the delta that says why it cannot be told.
fn read(replies: &[Reply]) -> Result<Lines, Delta> {
    let text = |name: &str| replies[0].text(name).map_err(Delta::unknown);
    let is_image = text("image")?.is_some();
    let running = text("cmdline")?.map(|line| line.to_string());
    if let Some(info) = text("grubby")? {
        let entries = info.lines().filter_map(|line| line.trim().strip_prefix("args="));
        let entries: Vec<String> = entries.map(|line| unquoted(line).to_string()).collect();
        if entries.is_empty() {
            return Err(Delta::unknown("grubby tells of no kernel"));
        }
        return Ok(Lines { running, entries: Some(entries), menu: String::new(), files: None });
    }
    if matches!(replies[1].field("stat"), Live::Absent) {
        let reason =
            "there is neither grubby nor /etc/default/grub: how this host boots is not known";
        return Err(Delta::lacking(reason));
    }
    let mut others: Vec<(String, String)> = Vec::new();
    for line in text("others")?.unwrap_or_default().lines() {
        match (line.strip_prefix('@'), others.last_mut()) {
            (Some(path), _) => others.push((path.to_string(), String::new())),
            (None, Some((_, text))) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    let files = Files {
        main: main().read(&replies[1])?,
        own: own().read(&replies[2])?,
        others,
        has_folder: text("folder")?.is_some(),
    };
    let (menu, entries) = match is_image {
        true => (None, None),
        false => (text("menu")?, text("entries")?),
    };
    // Entries for repair are started otherwise on purpose.
    let is_ordinary = |line: &&str| {
        !kernel_line::words(line)
            .iter()
            .any(|word| matches!(*word, "single" | "recovery" | "rescue"))
    };
    let entries = entries.map(|text| text.lines().filter(is_ordinary).map(String::from).collect());
    let entries = entries.filter(|entries: &Vec<String>| !entries.is_empty());
    let menu = menu.map(|path| path.to_string()).unwrap_or_default();
    Ok(Lines { running, entries, menu, files: Some(files) })
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

impl Files {
    /// Returns the words the files come to, with these texts in the place of the two we may change.
    fn evaluate(&self, main: &str, own: &str) -> Result<Vec<String>, String> {
        let is_later = |path: &str| path > OWN;
        let early = self.others.iter().filter(|(path, _)| !is_later(path) && path != OWN);
        let late = self.others.iter().filter(|(path, _)| is_later(path));
        let texts = std::iter::once(main)
            .chain(early.map(|(_, text)| &**text))
            .chain(std::iter::once(if self.has_folder { own } else { "" }))
            .chain(late.map(|(_, text)| &**text));
        kernel_line::evaluate(texts)
    }

    /// Returns the two files as they should be.
    fn changed(&self, args: &Args) -> (String, String) {
        let main = kernel_line::without(&self.main.text, |word| args.is_doomed(word));
        let own = kernel_line::without(&self.own.text, |word| args.is_doomed(word));
        // Lines of ours that add nothing any more go.
        let adds = |line: &&str| line.trim_end() != "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX\"";
        let own: String = own.split_inclusive('\n').filter(adds).collect();
        let has_it = |words: &[String]| words.iter().any(|word| args.is_same(word));
        if args.state == State::Absent
            || self.evaluate(&main, &own).is_ok_and(|words| has_it(&words))
        {
            return (main, own);
        }
        match self.has_folder {
            false => (kernel_line::with(&main, &args.word()), own),
            true => {
                let head = if own.is_empty() { "# Kept by drsync.\n" } else { "" };
                let end = if own.is_empty() || own.ends_with('\n') { "" } else { "\n" };
                (main, format!("{head}{own}{end}{}", kernel_line::addition(&args.word())))
            }
        }
    }
}

/// Refuses what a file that is not ours would undo.
fn refuse(args: &Args, files: &Files, delta: &mut Delta) {
    let changes = delta.differing().any(|attribute| attribute.name == "configuration");
    if !changes || delta.refused.is_some() {
        return;
    }
    let (main, own) = files.changed(args);
    let line = files.evaluate(&main, &own).unwrap_or_default().join(" ");
    if args.compare("configuration", std::iter::once(&*line)).differs {
        let is_named = |text: &str| {
            kernel_line::evaluate([text])
                .is_ok_and(|words| words.iter().any(|word| args.is_doomed(word)))
        };
        let culprit = files.others.iter().find(|(_, text)| is_named(text));
        let culprit = culprit.map_or("another of GRUB's files", |(path, _)| path);
        delta.refused = Some(format!("{culprit} says otherwise: change it there"));
    }
}

/// Tells whether the running kernel was started as declared.
fn runtime(args: &Args, lines: &Lines, delta: &mut Delta) {
    let Some(running) = &lines.running else { return };
    let mut attribute = args.compare("runtime", std::iter::once(&**running));
    let is_pending =
        attribute.differs && delta.differing().next().is_none() && delta.refused.is_none();
    attribute.differs &= args.require_reboot == RequireReboot::Drift;
    if is_pending && args.require_reboot == RequireReboot::Report {
        let now = match &attribute.before {
            Live::Known(value) => format!("with {value}"),
            _ => format!("without {}", args.word()),
        };
        delta.notes.push(format!("pending reboot: the kernel runs {now}"));
    }
    delta.attributes.push(attribute.noted("in force after a reboot".to_string()));
}

/// Whole words are removed: older grubbys take away whatever begins like them. What is added takes
/// the place of all of its name, so those that are to stay are added with it.
fn grubby(args: &Args, lines: &Lines) -> Action {
    let entries = lines.entries.iter().flatten();
    let mut named: Vec<&str> = Vec::new();
    for word in entries.flat_map(|line| kernel_line::words(line)) {
        if is_named(word, &args.name) && !named.contains(&word) {
            named.push(word);
        }
    }
    let own = args.word();
    let (mut remove, mut add) = (Vec::new(), Vec::new());
    for word in named.into_iter().filter(|word| *word != own || args.state == State::Absent) {
        match (args.is_doomed(word), args.state) {
            (true, _) => remove.push(word),
            (false, State::Present) => add.push(word),
            (false, State::Absent) => {}
        }
    }
    if args.state == State::Present {
        add.push(&own);
    }
    Action::Host(&GRUBBY, [remove.join(" "), add.join(" ")].map(Argument::plain).to_vec())
}
