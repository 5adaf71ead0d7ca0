//! `os.kernel_arg`: an argument of the kernel, for the next boot.
//!
//! Where boot entries are files of their own (RHEL 8 and later) `grubby` sets it, in all of them.
//! Elsewhere it is set in `/etc/default/grub.d/90-drsync.cfg` (Debian, Ubuntu) or in
//! `GRUB_CMDLINE_LINUX` of `/etc/default/grub`, and the boot menu is made anew. `boot` is what
//! those files come to, all of them read in their order; `menu` shows when they are right but the
//! menu was not made since. Of an argument that stands there twice the later one counts, as for the
//! kernel; `state: absent` takes all of them away. drsync does not reboot: while the running kernel
//! still has another value, the plan says `pending reboot`.
//!
//! ```yaml
//! - name: No transparent huge pages from the start
//!   os.kernel_arg: { name: transparent_hugepage, value: never }
//!   hosts: all
//! - name: A boot that shows what it does
//!   os.kernel_arg: { name: quiet, state: absent }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::state::State;
use super::shared::texts::{self, Text};
use super::{Claim, Kind, Link, problem};
use crate::format::grub_default::{self, Words};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// An argument of the kernel.
pub struct OsKernelArg;

/// An argument of the kernel, for the next boot.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its name, e.g. `transparent_hugepage`.
    name: String,
    /// Its value; left out for an argument that has none, such as `quiet`.
    value: Option<String>,
    /// Should it be there?
    #[serde(default)]
    state: State,
}

/// What runs, what `grubby` says, which tool makes the menu, and the kernels' lines in it.
static PROBE: Script = Script::each(
    "drsync_kernel_arg",
    r#"
drsync_kernel_arg() {
  if [ -r "$root/proc/cmdline" ] && IFS= read -r line < "$root/proc/cmdline"; then put cmdline "$line"
  else unknown cmdline '/proc/cmdline cannot be read'; fi
  # grubby and its like act on the machine itself; below a root only their stand-ins may.
  stand_ins=${DRSYNC_COMMANDS:-/nonexistent} tool=
  for name in grubby update-grub grub2-mkconfig grub-mkconfig; do
    if [ -n "$root" ]; then [ -x "$stand_ins/$name" ] || continue
    else command -v "$name" >/dev/null 2>&1 || continue; fi
    case $name in
      grubby)
        set -- "$root"/boot/loader/entries/*.conf
        [ -e "$1" ] || continue
        if out=$(grubby --info=ALL 2>&1); then put entries "$out"; else unknown entries "grubby --info=ALL: $out"; fi
        return ;;
      *) tool=$name; break ;;
    esac
  done
  absent entries
  if [ -n "$tool" ]; then put tool "$tool"; elif [ -n "$root" ]; then absent tool; put image "$root"; else absent tool; fi
  case $tool in
    update-grub|grub-mkconfig) menu=/boot/grub/grub.cfg ;;
    *) menu=/boot/grub2/grub.cfg ;;
  esac
  if [ "$tool" = grub2-mkconfig ] && [ -d "$root/sys/firmware/efi" ]; then
    for file in "$root"/boot/efi/EFI/*/grub.cfg; do
      # A short file there only leads to the one in /boot/grub2 (RHEL 9): it has to stay.
      if [ -e "$file" ] && grep -q '^### BEGIN ' "$file"; then menu=${file#"$root"}; fi
    done
  fi
  put menu "$menu"
  if [ ! -e "$root$menu" ]; then absent lines
  elif out=$(grep -E '^(### (BEGIN|END) |[[:space:]]*linux(16|efi)?[[:space:]])' "$root$menu" 2>&1) || [ -z "$out" ]; then put lines "$out"
  else unknown lines "$out"; fi
}
"#,
);

/// `drsync_kernel_arg_entries OPTION ARGUMENT`: changes all boot entries.
static ENTRIES: Script = Script::each(
    "drsync_kernel_arg_entries",
    r#"
drsync_kernel_arg_entries() { grubby --update-kernel=ALL "$1=$2"; }
"#,
);

/// `drsync_kernel_arg_menu TOOL PATH`: makes the boot menu anew.
static MENU: Script = Script::each(
    "drsync_kernel_arg_menu",
    r#"
drsync_kernel_arg_menu() {
  case $1 in
    update-grub) out=$(update-grub 2>&1) ;;
    *) out=$("$1" -o "$root$2" 2>&1) ;;
  esac && return
  printf '%s' "$1: $out"
  return 1
}
"#,
);

const DEFAULT: &str = "/etc/default/grub";
const FOLDER: &str = "/etc/default/grub.d";
const OWN: &str = "/etc/default/grub.d/90-drsync.cfg";

impl Args {
    fn word(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.name),
            None => self.name.clone(),
        }
    }

    /// Returns an attribute that compares the argument among `words` with the wish.
    fn compare(&self, name: &'static str, words: &Words) -> Attribute {
        let live = words.last(&self.name).map(|word| Live::Known(Value::text(word)));
        self.attribute(name, live.unwrap_or(Live::Absent))
    }

    fn attribute(&self, name: &'static str, live: Live) -> Attribute {
        match self.state {
            State::Present => Attribute::new(name, live, Value::text(self.word())),
            State::Absent => Attribute::gone(name, live),
        }
    }
}

impl Kind for OsKernelArg {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.kernel_arg", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_kernel_arg.rs");

    fn key(args: &Args) -> String {
        args.name.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_name = !args.name.is_empty()
            && args.name.len() <= 100
            && !args.name.starts_with(['-', '.'])
            && args.name.chars().all(is_part);
        if !is_name {
            let said = "this is not the name of a kernel argument";
            problems.push(problem(&["name"], said, Some("its value goes to `value`")));
        }
        let value = args.value.as_deref().unwrap_or("");
        let is_plain =
            // The boot menu is a script: these would end the kernel's line there.
            |c: char| c.is_ascii_graphic() && !"\"'\\$`;&|<>{}".contains(c);
        if value.len() > 500 || !value.chars().all(is_plain) {
            let said =
                "a kernel argument's value is short plain text: no blanks, quotes, `$`, `\\`, `;`";
            problems.push(problem(&["value"], said, None));
        }
        if args.state == State::Absent && args.value.is_some() {
            let hint = Some("leave it out: every one of this name is taken away");
            problems.push(problem(&["value"], "what should not be there has no value", hint));
        }
        problems
    }

    fn ask(_: &Args) -> Vec<Question> {
        vec![Question::Probe(&PROBE, vec![]), texts::ask(".cfg", &[DEFAULT, &format!("{FOLDER}/")])]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let mut delta = match replies[0].text("entries") {
            Err(reason) => return Delta::unknown(reason),
            Ok(Some(entries)) => in_entries(args, &entries),
            Ok(None) => in_files(args, replies),
        };
        if delta.refused.is_none()
            && delta.differing().next().is_none()
            && !delta.attributes.iter().any(|attribute| attribute.unknown().is_some())
        {
            delta.notes.extend(pending(args, &replies[0]));
        }
        delta
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        if let Ok(Some(_)) = replies[0].text("entries") {
            let words = match args.state {
                State::Present => ["--args".to_string(), args.word()],
                State::Absent => ["--remove-args".to_string(), args.name.clone()],
            };
            return vec![Action::Host(&ENTRIES, words.map(Argument::plain).to_vec())];
        }
        let (Ok(found), Ok(Some(tool)), Ok(Some(menu))) =
            (Grub::read(replies), replies[0].text("tool"), replies[0].text("menu"))
        else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        for (path, text) in found.rewritten(args) {
            actions.extend(texts::write(&found.texts, &path, &text));
        }
        actions.push(Action::Host(&MENU, vec![Argument::plain(tool), Argument::plain(menu)]));
        actions
    }

    fn needs(_: &Args) -> Vec<Link> {
        let mut links = vec![Link::new("os.file", DEFAULT)];
        links.extend(["grub2-common", "grub2-tools", "grubby"].map(|p| Link::new("os.package", p)));
        links
    }

    fn claims(_: &Args) -> Option<Claim> {
        Some(Claim::Part(OWN.into()))
    }
}

/// Returns a remark where the running kernel was started otherwise.
fn pending(args: &Args, reply: &Reply) -> Option<String> {
    let line = match reply.text("cmdline") {
        Ok(line) => line.unwrap_or_default(),
        Err(reason) => return Some(format!("whether a reboot is pending is not known: {reason}")),
    };
    let running = args.compare("runtime", &Words::of(&line));
    running.differs.then(|| match &running.before {
        Live::Known(word) => format!("pending reboot: the running kernel has `{word}`"),
        _ => format!("pending reboot: the running kernel has no `{}`", args.name),
    })
}

/// Compares what `grubby --info=ALL` says: every entry should have it.
fn in_entries(args: &Args, text: &str) -> Delta {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("args="));
    let entries: Vec<Words> = lines.map(|line| Words::of(line.trim_matches('"'))).collect();
    if entries.is_empty() {
        return Delta::unknown("`grubby --info=ALL` shows no arguments of any boot entry");
    }
    Delta { attributes: vec![worst(args, "boot", &entries)], ..Delta::default() }
}

/// Returns the attribute of the first entry that differs, or else of any.
fn worst(args: &Args, name: &'static str, entries: &[Words]) -> Attribute {
    let compared: Vec<Attribute> = entries.iter().map(|words| args.compare(name, words)).collect();
    let differ = compared.iter().filter(|attribute| attribute.differs).count();
    let first = compared.iter().find(|a| a.differs).or(compared.first()).cloned();
    let note = (differ > 0 && differ < entries.len())
        .then(|| format!("in {differ} of {} boot entries", entries.len()));
    first.unwrap_or_else(|| args.attribute(name, Live::Absent)).noted(note)
}

fn in_files(args: &Args, replies: &[Reply]) -> Delta {
    if let Ok(Some(image)) = replies[0].text("image") {
        return Delta::unknown(format!("nothing boots from {image}: its boot menu is left alone"));
    }
    let found = match Grub::read(replies) {
        Ok(found) => found,
        Err(reason) => return Delta::unknown(reason),
    };
    let tool = match replies[0].text("tool") {
        Ok(tool) => tool,
        Err(reason) => return Delta::unknown(reason),
    };
    if tool.is_none() {
        return Delta::lacking(match found.texts.is_empty() {
            true => {
                "no boot loader was found, neither grubby with boot entries nor GRUB: what starts \
                 this kernel from outside gives its arguments"
            }
            false => {
                "nothing here makes the boot menu: neither update-grub nor grub2-mkconfig is there"
            }
        });
    }
    let mut delta = Delta::default();
    let boot = args.compare("boot", &found.words());
    let note = boot.differs.then(|| "takes effect at the next boot".to_string());
    // The menu is made for all of them at once: until ours is in the files, it may change under us.
    delta.attributes.extend(menu(args, &replies[0]).filter(|_| !boot.differs));
    delta.attributes.push(boot.noted(note));
    let later = Grub { texts: texts::after(&found.texts, found.rewritten(args)), ..found };
    if args.compare("boot", &later.words()).differs {
        delta.refused = Some(format!(
            "the files in /etc/default make `{}` in a way only a shell understands: change it there",
            args.name
        ));
    }
    delta
}

/// Compares what the boot menu says; `None` where it has no kernel of its own.
fn menu(args: &Args, reply: &Reply) -> Option<Attribute> {
    let text = match reply.text("lines") {
        Err(reason) => return Some(args.attribute("menu", Live::Unknown(reason))),
        Ok(None) => return Some(args.attribute("menu", Live::Absent)),
        Ok(Some(text)) => text,
    };
    let mut entries = Vec::new();
    let mut is_ours = false;
    for line in text.lines() {
        match line.strip_prefix("### ") {
            Some(mark) if mark.starts_with("BEGIN ") => is_ours = mark.contains("10_linux"),
            Some(_) => is_ours = false,
            // After the command and the kernel's file.
            None if is_ours => entries.push(Words::of_entry(line)),
            None => {}
        }
    }
    // An entry for repairs does not get what only GRUB_CMDLINE_LINUX_DEFAULT says.
    let normal: Vec<Words> = entries.into_iter().filter(|words| !words.is_recovery()).collect();
    (!normal.is_empty()).then(|| worst(args, "menu", &normal))
}

/// The files `grub-mkconfig` reads.
struct Grub {
    texts: Vec<Text>,
    has_folder: bool,
}

impl Grub {
    fn read(replies: &[Reply]) -> Result<Grub, String> {
        let texts = texts::read(&replies[1])?;
        // Only Debian's grub-mkconfig reads the folder, and only it comes with `update-grub`.
        let has_folder = replies[0].text("tool")?.as_deref() == Some("update-grub");
        Ok(Grub { texts, has_folder })
    }

    /// Returns the files that count, in the order in which they are read.
    fn in_order(&self) -> Vec<&Text> {
        let mut order: Vec<&Text> = self.texts.iter().filter(|t| t.path == DEFAULT).collect();
        if self.has_folder {
            order.extend(texts::in_order(&self.texts, &[FOLDER]));
        }
        order
    }

    fn words(&self) -> Words {
        grub_default::evaluate(self.in_order().iter().map(|text| &*text.text))
    }

    /// Returns the texts of all files that should say something else.
    fn rewritten(&self, args: &Args) -> Vec<(String, String)> {
        let own = if self.has_folder { OWN } else { DEFAULT };
        let mut new = Vec::new();
        if !args.compare("boot", &self.words()).differs {
            return new;
        }
        let is_all = args.state == State::Absent;
        for text in self.in_order().into_iter().filter(|text| is_all || text.path == own) {
            let without = match text.path == OWN {
                true => grub_default::without_line(&text.text, &args.name),
                false => grub_default::without(&text.text, &args.name),
            };
            new.push((text.path.clone(), without));
        }
        if args.state == State::Absent {
            return new;
        }
        if !new.iter().any(|(path, _)| path == own) {
            new.push((own.into(), String::new()));
        }
        // What GRUB_CMDLINE_LINUX_DEFAULT says comes later on the kernel's line, so ours must too.
        let texts = texts::after(&self.texts, new.clone());
        let later = Grub { texts, has_folder: self.has_folder };
        let is_default = later.words().is_in_default(&args.name);
        for (_, text) in new.iter_mut().filter(|(path, _)| path == own) {
            *text = match own == OWN {
                true => grub_default::with_line(text, &args.word(), is_default),
                false => grub_default::with(text, &args.word()),
            };
        }
        new
    }
}
