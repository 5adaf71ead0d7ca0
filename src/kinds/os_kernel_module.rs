//! `os.kernel_module`: a kernel module: loaded now, loaded at boot, its parameters, or forbidden.
//!
//! Parameters follow Ansible's `modprobe`, but `persistent` follows `state` when it is left out:
//! what is loaded now is loaded at boot too. Boot files are `/etc/modules-load.d/NAME.conf` and
//! `/etc/modprobe.d/NAME.conf`; what other files say counts all the same, as modules-load.d(5) and
//! modprobe.d(5) rank them. `-` and `_` are one letter. A module built into the kernel counts as
//! loaded. What is in the initial ramdisk takes effect when that is made anew.
//!
//! `blacklist: true` forbids the module: neither devices nor `modprobe` can load it.
//!
//! ```yaml
//! - name: Bonding
//!   os.kernel_module: { name: bonding, params: "mode=4 miimon=100" }
//!   hosts: nodes
//! - name: No USB sticks
//!   os.kernel_module: { name: usb-storage, state: absent, blacklist: true }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::edit::{self, Edit, Present};
use super::shared::file::{FOLDER, REMOVE};
use super::{Kind, Link, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value, Want};

/// A kernel module.
pub struct OsKernelModule;

/// A kernel module: loaded now, loaded at boot, its parameters, or forbidden.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its name.
    name: String,
    /// Should it be loaded?
    #[serde(default)]
    state: State,
    /// Its parameters, e.g. `mode=4 miimon=100`.
    params: Option<String>,
    /// Should it be loaded at boot? `disabled` leaves the boot files alone.
    persistent: Option<Persistent>,
    /// Should nothing be able to load it?
    blacklist: Option<bool>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Present,
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Persistent {
    Disabled,
    Present,
    Absent,
}

/// Sets of NUMBER MODULE PARAMETERS: what the kernel and the boot files say of modules. One `awk`
/// reads all files.
static PROBE: Script = Script::together(
    "drsync_modules",
    r#"
drsync_modules() {
  [ -n "$root" ] || drsync_modules_live "$@"
  release=
  if [ -z "$root" ] && [ -r /proc/sys/kernel/osrelease ]; then IFS= read -r release < /proc/sys/kernel/osrelease; fi
  for folder in /etc /run /usr/local/lib /usr/lib /lib; do
    for sort in modules-load modprobe; do
      [ -d "$root$folder/$sort.d" ] || continue
      [ -r "$root$folder/$sort.d" ] || printf 'lost %s\n' "$folder/$sort.d"
      for file in "$root$folder/$sort.d"/*.conf; do
        if [ -e "$file" ] || [ -L "$file" ]; then printf '%s %s\n' "$sort" "$file"; fi
      done
    done
  done | mark=$mark root=$root release=$release awk '
    function tell(n, name, status, text) {
      printf "%s %s %s %s %d\n%s\n", ENVIRON["mark"], n, name, status, length(text), text
    }
    function plain(name) { gsub(/-/, "_", name); return name }
    # `said` holds what the files say of each module: a path and a line.
    function hear(sort, module, path, line) {
      if (module in wanted) said[sort, module] = said[sort, module] path "|" line "\n"
    }
    function read(sort, path,  line, whole, got, word, shown) {
      shown = substr(path, length(ENVIRON["root"]) + 1)
      while ((got = (getline line < path)) > 0) {
        sub(/\r$/, "", line)
        if (sort == "modprobe" && line ~ /\\$/) { whole = whole substr(line, 1, length(line) - 1); continue }
        line = whole line; whole = ""
        gsub(/[ \t]+/, " ", line); sub(/^ /, "", line); sub(/ $/, "", line)
        if (line == "" || line ~ /^[#;]/) continue
        split(line, word, " ")
        if (sort == "modules-load") hear(sort, plain(word[1]), shown, line)
        else if (word[1] ~ /^(options|blacklist|install)$/) hear(sort, plain(word[2]), shown, line)
      }
      if (got < 0) lost = lost (lost == "" ? "" : ", ") shown
      close(path)
    }
    BEGIN {
      for (i = 1; i < ARGC; i += 3) { number[i] = ARGV[i]; module[i] = plain(ARGV[i + 1]); wanted[module[i]] }
      while ((getline item < "-") > 0) {
        sort = item; sub(/ .*/, "", sort)
        path = substr(item, length(sort) + 2)
        if (sort == "lost") { lost = lost (lost == "" ? "" : ", ") path; continue }
        base = path; sub(/.*\//, "", base)
        # Of two files with one name the one in the earlier folder counts.
        if (!seen[sort, base]++) read(sort, path)
      }
      if (ENVIRON["root"] == "") {
        while ((getline line < "/proc/modules") > 0) { split(line, word, " "); loaded[word[1]] }
        while ((getline line < ("/lib/modules/" ENVIRON["release"] "/modules.builtin")) > 0) {
          sub(/.*\//, "", line); sub(/\.ko.*$/, "", line); built[plain(line)]
        }
      }
      for (i = 1; i < ARGC; i += 3) {
        n = number[i]; name = module[i]
        if (ENVIRON["root"] != "") tell(n, "image", "known", "yes")
        else {
          tell(n, "image", "absent", "")
          if (name in loaded) tell(n, "runtime", "known", "loaded")
          else if (name in built) tell(n, "runtime", "known", "built in")
          # A kernel without loadable modules has no list of them.
          else if (ENVIRON["release"] != "") tell(n, "runtime", "absent", "")
          else tell(n, "runtime", "unknown", "there is no /proc")
        }
        if (lost != "") { tell(n, "modules-load", "unknown", "cannot read " lost); tell(n, "modprobe", "unknown", "cannot read " lost) }
        else { tell(n, "modules-load", "known", said["modules-load", name]); tell(n, "modprobe", "known", said["modprobe", name]) }
        print ENVIRON["mark"], n, "done"
      }
    }' "$@"
}
# Parameters of loaded modules, and the presence of modules that are in no list.
drsync_modules_live() {
  while [ $# -gt 0 ]; do
    n=$1 name=$2 words=$3
    while :; do case $name in *-*) name=${name%%-*}_${name#*-} ;; *) break ;; esac; done
    if [ -d "/sys/module/$name" ]; then put sys yes; else absent sys; fi
    set -f
    for word in $words; do
      word=${word%%=*}
      path=/sys/module/$name/parameters/$word
      if [ -r "$path" ] && IFS= read -r line < "$path"; then put "parameter.$word" "$line"; fi
    done
    set +f
    shift 3
  done
}
"#,
);

/// `drsync_module load|unload NAME PARAMETERS`
static MODULE: Script = Script::each(
    "drsync_module",
    r#"
drsync_module() {
  if [ -n "$root" ]; then echo 'an image has no kernel'; return 1; fi
  case $1 in
    load) (set -f; modprobe -- "$2" $3) ;;
    *) modprobe -r -- "$2" ;;
  esac
}
"#,
);

/// `drsync_module_forget FILE MODULE`: takes a module out of a list of those loaded at boot.
static FORGET: Script = Script::each(
    "drsync_module_forget",
    r#"
drsync_module_forget() {
  path=$root$1
  if [ -L "$path" ]; then
    link=$(readlink -- "$path") || return
    case $link in /*) path=$root$link ;; *) path=${path%/*}/$link ;; esac
  fi
  new=$(mktemp "${path%/*}/.${path##*/}.drsync.XXXXXX") || return
  trap 'rm -f -- "$new"' EXIT
  MODULE=$2 awk '
    { line = $0; sub(/^[ \t]+/, "", line); sub(/[ \t\r].*/, "", line); gsub(/-/, "_", line) }
    line != ENVIRON["MODULE"]' "$path" > "$new" &&
  chown "$(stat -c '%u:%g' -- "$path")" "$new" &&
  chmod "$(stat -c '%a' -- "$path")" "$new" &&
  mv -f -T -- "$new" "$path"
}
"#,
);

/// A line of a boot file.
#[derive(Debug, PartialEq)]
struct Said {
    path: String,
    line: String,
}

impl Said {
    fn words(&self) -> impl Iterator<Item = &str> {
        self.line.split_whitespace()
    }

    fn is(&self, rule: &str) -> bool {
        self.words().next() == Some(rule)
    }
}

/// What a host says of a module.
struct Module {
    is_image: bool,
    runtime: Option<String>,
    loads: Vec<Said>,
    rules: Vec<Said>,
}

impl Args {
    fn module(&self) -> String {
        self.name.replace('-', "_")
    }

    fn persistent(&self) -> Persistent {
        self.persistent.unwrap_or(match self.state {
            State::Present => Persistent::Present,
            State::Absent => Persistent::Absent,
        })
    }

    fn loads_path(&self) -> String {
        format!("/etc/modules-load.d/{}.conf", self.name)
    }

    fn rules_path(&self) -> String {
        format!("/etc/modprobe.d/{}.conf", self.name)
    }

    /// Returns the parameters, when they are to be kept for boot.
    fn kept_params(&self) -> Option<Vec<(String, String)>> {
        let params = self.params.as_deref()?;
        (self.persistent() == Persistent::Present).then(|| split(params))
    }
}

fn editing(path: &str) -> Edit<'_> {
    Edit { create: true, ..Edit::of(path) }
}

/// Splits parameters into names, `-` and `_` being one letter, and values.
fn split(params: &str) -> Vec<(String, String)> {
    let words = params.split_whitespace();
    let pair = |word: &str| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        (name.replace('-', "_"), value.to_string())
    };
    words.map(pair).collect()
}

impl Kind for OsKernelModule {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "os.kernel_module", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_kernel_module.rs");

    fn key(args: &Args) -> String {
        args.module()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |name: &str, said: String| problems.push(problem(&[name], said, None));
        let shown = |text: &str| text.chars().take(60).collect::<String>();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let is_sound = args.name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && args.name.chars().all(is_part)
            && args.name.len() <= 60;
        if !is_sound {
            add("name", format!("`{}` is not the name of a module", shown(&args.name)));
        }
        let params = args.params.as_deref().unwrap_or_default();
        let is_param = |word: &str| {
            let name = word.split('=').next().unwrap_or_default();
            let value = word[name.len()..].chars();
            let is_plain = |c: char| c.is_ascii_graphic() && !"\"'\\#$`|".contains(c);
            !name.is_empty()
                && !name.starts_with('-')
                && name.chars().all(is_part)
                && value.into_iter().all(is_plain)
        };
        if let Some(word) = params.split_whitespace().find(|word| !is_param(word)) {
            add("params", format!("`{}` is not NAME=VALUE", shown(word)));
        }
        if params.len() > 1000 || params.contains(['\n', '\r']) {
            add("params", "parameters are one line of at most 1000 characters".into());
        }
        let is_present = args.state == State::Present;
        if !is_present && args.params.is_some() {
            add("params", "a module that should not be loaded has no parameters".into());
        }
        if is_present && args.blacklist == Some(true) {
            add("blacklist", "what is forbidden cannot be loaded: `state: absent`".into());
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let words = [&*args.name, args.params.as_deref().unwrap_or_default()];
        vec![
            Question::Probe(&PROBE, words.map(Argument::plain).to_vec()),
            editing(&args.loads_path()).ask(),
            editing(&args.rules_path()).ask(),
        ]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let live = match read(&replies[0]) {
            Ok(live) => live,
            Err(reason) => return Delta::unknown(reason),
        };
        for (path, reply) in [args.loads_path(), args.rules_path()].iter().zip(&replies[1..]) {
            if let Err(delta) = editing(path).read(reply) {
                return delta;
            }
        }
        let mut delta = Delta::default();
        delta.attributes.extend(runtime(args, &live));
        delta.attributes.extend(boot(args, &live));
        delta.attributes.extend(params(args, &live));
        delta.attributes.extend(blacklist(args, &live));
        remarks(args, &live, &replies[0], &mut delta);
        refuse(args, &live, &mut delta);
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(live) = read(&replies[0]) else { return Vec::new() };
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let mut actions = Vec::new();
        if differs("boot") {
            let present = editing(&args.loads_path()).read(&replies[1]);
            actions.extend(present.iter().flat_map(|present| loads_steps(args, &live, present)));
        }
        if differs("params") || differs("blacklist") {
            let present = editing(&args.rules_path()).read(&replies[2]);
            actions.extend(present.iter().flat_map(|present| {
                let text = rules_text(args, &present.text);
                put(&args.rules_path(), present, &text)
            }));
        }
        if differs("runtime") {
            let verb = if args.state == State::Present { "load" } else { "unload" };
            let params = args.params.as_deref().unwrap_or_default();
            let words = [verb, &args.name, params].map(Argument::plain);
            actions.push(Action::Host(&MODULE, words.to_vec()));
        }
        actions
    }

    fn needs(args: &Args) -> Vec<Link> {
        let paths = [args.loads_path(), args.rules_path()];
        paths.iter().flat_map(|path| editing(path).needs()).collect()
    }
}

/// Reads what a host replied. Errors: why it is unknown.
fn read(reply: &Reply) -> Result<Module, String> {
    let said = |name: &str| -> Result<Vec<Said>, String> {
        let text = reply.text(name)?.unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once('|'));
        Ok(lines.map(|(path, line)| Said { path: path.into(), line: line.into() }).collect())
    };
    let is_image = reply.text("image")?.is_some();
    let runtime = match is_image {
        true => None,
        false => match (reply.text("runtime")?, reply.text("sys")?) {
            (Some(word), _) => Some(word.to_string()),
            // Not every kernel comes with a list of what is built into it.
            (None, Some(_)) => Some("built in".into()),
            (None, None) => None,
        },
    };
    Ok(Module { is_image, runtime, loads: said("modules-load")?, rules: said("modprobe")? })
}

fn is_built_in(live: &Module) -> bool {
    live.runtime.as_deref() == Some("built in")
}

/// Compares what is with "loaded" or "not there".
fn loaded(name: &'static str, wish: bool, is_loaded: bool) -> Attribute {
    let word = Value::text("loaded");
    let before = if is_loaded { Live::Known(word.clone()) } else { Live::Absent };
    let after = if wish { Want::Value(word) } else { Want::Absent(None) };
    Attribute { name: name.into(), before, after, differs: wish != is_loaded, note: None }
}

fn runtime(args: &Args, live: &Module) -> Option<Attribute> {
    let attribute = loaded("runtime", args.state == State::Present, live.runtime.is_some());
    let note = is_built_in(live).then(|| "it is built into the kernel".to_string());
    (!live.is_image).then(|| attribute.noted(note))
}

fn boot(args: &Args, live: &Module) -> Option<Attribute> {
    let wish = match args.persistent() {
        Persistent::Disabled => return None,
        Persistent::Present => true,
        Persistent::Absent => false,
    };
    let is_loaded = !live.loads.is_empty() || (wish && is_built_in(live));
    let files: Vec<&str> = live.loads.iter().map(|said| &*said.path).collect();
    let note = (!files.is_empty()).then(|| format!("listed in {}", files.join(", ")));
    Some(loaded("boot", wish, is_loaded).noted(note))
}

/// Returns the parameters of the lines that `pick` picks, the last of each name.
fn options(live: &Module, pick: impl Fn(&Said) -> bool) -> Vec<(String, String)> {
    let mut rules: Vec<&Said> =
        live.rules.iter().filter(|said| said.is("options") && pick(said)).collect();
    // modprobe goes by the names of the files, whatever folder they are in.
    let base = |said: &Said| said.path.rsplit('/').next().unwrap_or_default().to_string();
    rules.sort_by_key(|said| base(said));
    let mut found: Vec<(String, String)> = Vec::new();
    for (name, value) in
        rules.iter().flat_map(|said| split(&said.words().skip(2).collect::<Vec<_>>().join(" ")))
    {
        match found.iter_mut().find(|(known, _)| *known == name) {
            Some(slot) => slot.1 = value,
            None => found.push((name, value)),
        }
    }
    found
}

fn shown(params: &[(String, String)]) -> Value {
    let word = |(name, value): &(String, String)| match value.is_empty() {
        true => name.clone(),
        false => format!("{name}={value}"),
    };
    Value::text(params.iter().map(word).collect::<Vec<_>>().join(" "))
}

/// Compares the parameters: those declared, and those our own file sets beyond.
fn params(args: &Args, live: &Module) -> Option<Attribute> {
    let want = args.kept_params()?;
    let own = options(live, |said| said.path == args.rules_path());
    let counts = |name: &String| want.iter().chain(&own).any(|(known, _)| known == name);
    let mut found = options(live, |_| true);
    found.retain(|(name, _)| counts(name));
    let sorted = |list: &[(String, String)]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    let same = sorted(&found) == sorted(&want);
    let before = match found.is_empty() {
        true if !want.is_empty() => Live::Absent,
        _ if same => Live::Known(shown(&want)),
        _ => Live::Known(shown(&found)),
    };
    Some(Attribute { differs: !same, ..Attribute::new("params", before, shown(&want)) })
}

fn is_forbidding(said: &Said) -> bool {
    let command = said.words().nth(2).unwrap_or_default();
    let name = command.rsplit('/').next().unwrap_or_default();
    said.is("install") && matches!(name, "false" | "true")
}

fn blacklist(args: &Args, live: &Module) -> Option<Attribute> {
    let wish = args.blacklist?;
    let is_listed = live.rules.iter().any(|said| said.is("blacklist"));
    let is_forbidden = live.rules.iter().any(is_forbidding);
    let is_on = if wish { is_listed && is_forbidden } else { is_listed || is_forbidden };
    Some(Attribute::new("blacklist", Live::Known(Value::Bool(is_on)), Value::Bool(wish)))
}

/// Tells of parameters that are not in force although all files are right.
fn remarks(args: &Args, live: &Module, reply: &Reply, delta: &mut Delta) {
    let truth = |value: &str| match value {
        "Y" | "y" | "true" => "1".to_string(),
        "N" | "n" | "false" => "0".to_string(),
        other => other.to_string(),
    };
    for (name, want) in split(args.params.as_deref().unwrap_or_default()) {
        let now = reply.text(&format!("parameter.{name}")).ok().flatten();
        if let Some(now) = now.filter(|now| truth(now.trim()) != truth(&want)) {
            let when = match is_built_in(live) {
                true => format!("os.kernel_arg takes `{}.{name}` for a built-in module", args.name),
                false => format!("{name}={want} counts when the module is loaded anew"),
            };
            delta.notes.push(format!("it runs with {name}={}: {when}", now.trim()));
        }
    }
}

/// Refuses what only others can change.
fn refuse(args: &Args, live: &Module, delta: &mut Delta) {
    let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
    let is_foreign = |said: &&Said| !said.path.starts_with("/etc/");
    let other = |said: &&Said| said.path != args.rules_path();
    let of_package = live.loads.iter().find(is_foreign);
    if differs("runtime") && args.state == State::Absent && is_built_in(live) {
        delta.refused = Some("it is built into the kernel".into());
    } else if let (true, Persistent::Absent, Some(said)) =
        (differs("boot"), args.persistent(), of_package)
    {
        let base = said.path.rsplit('/').next().unwrap_or_default();
        delta.refused = Some(format!(
            "{} has it loaded at boot: a file of yours, /etc/modules-load.d/{base}, would take its place",
            said.path
        ));
    } else if differs("params") {
        let want = args.kept_params().unwrap_or_default();
        let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_string();
        let wins = |said: &&Said| base(&said.path) > base(&args.rules_path());
        let clash = |said: &&Said| {
            let set = split(&said.words().skip(2).collect::<Vec<_>>().join(" "));
            set.iter().any(|(n, v)| want.iter().any(|(name, value)| n == name && v != value))
        };
        let options = live.rules.iter().filter(|said| said.is("options"));
        if let Some(said) = options.filter(other).filter(wins).find(clash) {
            delta.refused =
                Some(format!("{} says otherwise and counts more: {}", said.path, said.line));
        }
    } else if differs("blacklist") && args.blacklist == Some(false) {
        let forbids = |said: &&Said| said.is("blacklist") || is_forbidding(said);
        if let Some(said) = live.rules.iter().filter(forbids).find(other) {
            delta.refused = Some(format!("{} forbids it: {}", said.path, said.line));
        }
    }
}

/// Returns the writes that list the module, or take it out of every list.
fn loads_steps(args: &Args, live: &Module, present: &Present) -> Vec<Action> {
    let path = args.loads_path();
    if args.persistent() == Persistent::Present {
        let mut text = present.text.to_string();
        edit::append(&mut text, &args.name);
        return put(&path, present, &text);
    }
    let mut actions = Vec::new();
    for said in &live.loads {
        if said.path != path {
            let words = [said.path.clone(), args.module()].map(Argument::plain);
            actions.push(Action::Host(&FORGET, words.to_vec()));
        }
    }
    if live.loads.iter().any(|said| said.path == path) {
        let is_it = |line: &&str| {
            let word = line.split_whitespace().next().unwrap_or_default();
            word.replace('-', "_") == args.module()
        };
        let lines = edit::lines(&present.text);
        let text: String = lines.into_iter().filter(|line| !is_it(line)).collect();
        actions.extend(put(&path, present, &text));
    }
    actions
}

/// Replaces our own file; one with nothing in it goes.
fn put(path: &str, present: &Present, text: &str) -> Vec<Action> {
    if text.trim().is_empty() && present.stat.is_some() {
        return vec![Action::Host(&REMOVE, vec![Argument::plain(path)])];
    }
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let folder = Action::Host(&FOLDER, vec![Argument::plain(folder)]);
    let mut actions: Vec<Action> = present.stat.is_none().then_some(folder).into_iter().collect();
    actions.extend(editing(path).write(present, text, false));
    actions
}

/// Returns our own file of rules with the declared ones in the place of the old.
fn rules_text(args: &Args, text: &str) -> String {
    let params = args.kept_params();
    let is_doomed = |rule: &str| {
        let mut words = rule.split_whitespace();
        let (rule, module) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        module.replace('-', "_") == args.module()
            && match rule {
                "options" => params.is_some(),
                "blacklist" | "install" => args.blacklist.is_some(),
                _ => false,
            }
    };
    let mut new = String::with_capacity(text.len());
    let mut rule = String::new();
    // A line that ends with a backslash goes on in the next one.
    for line in edit::lines(text) {
        rule.push_str(line);
        if !edit::bare(line).ends_with('\\') {
            new.push_str(if is_doomed(&rule) { "" } else { &rule });
            rule.clear();
        }
    }
    new.push_str(&rule);
    if let Some(params) =
        args.params.as_deref().filter(|p| params.is_some() && !p.trim().is_empty())
    {
        let words: Vec<&str> = params.split_whitespace().collect();
        edit::append(&mut new, &format!("options {} {}", args.name, words.join(" ")));
    }
    if args.blacklist == Some(true) {
        edit::append(&mut new, &format!("blacklist {}", args.name));
        edit::append(&mut new, &format!("install {} /bin/false", args.name));
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(params: Option<&str>, blacklist: Option<bool>) -> Args {
        Args {
            name: "usb-storage".into(),
            state: State::Present,
            params: params.map(String::from),
            persistent: None,
            blacklist,
        }
    }

    #[test]
    fn only_what_is_declared_is_replaced() {
        let text =
            "# mine\noptions usb_storage a=1 \\\n  b=2\nblacklist usb-storage\noptions sg x=1";
        assert_eq!(
            rules_text(&args(Some("a=2"), None), text),
            "# mine\nblacklist usb-storage\noptions sg x=1\noptions usb-storage a=2\n"
        );
        assert_eq!(
            rules_text(&args(None, Some(true)), "install usb_storage /bin/true\n"),
            "blacklist usb-storage\ninstall usb-storage /bin/false\n"
        );
        assert_eq!(rules_text(&args(Some(""), Some(false)), "blacklist usb_storage\n"), "");
    }

    #[test]
    fn the_last_option_of_a_name_counts_by_the_names_of_the_files() {
        let said = |path: &str, line: &str| Said { path: path.into(), line: line.into() };
        let rules = vec![
            said("/etc/modprobe.d/z.conf", "options sg a-b=3"),
            said("/usr/lib/modprobe.d/b.conf", "options sg a_b=2 c=1"),
            said("/etc/modprobe.d/z.conf", "blacklist sg"),
        ];
        let live = Module { is_image: true, runtime: None, loads: Vec::new(), rules };
        let found = options(&live, |_| true);
        assert_eq!(shown(&found), Value::text("a_b=3 c=1"));
    }
}
