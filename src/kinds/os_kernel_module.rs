//! `os.kernel_module`: a kernel module, loaded now and at boot, or kept away.
//!
//! Parameters follow Ansible's `modprobe`. `-` and `_` in a name are the same; what is built into
//! the kernel counts as loaded. `persistent: present` keeps it for the next boot, in
//! `/etc/modules-load.d/NAME.conf`, and its `params` in `/etc/modprobe.d/NAME.conf`; all files
//! that are read at boot count, not just these two. Parameters of a module that is loaded change
//! only when it is loaded anew: the plan says so. With `blacklist: true` (and `state: absent`)
//! neither its devices nor a `modprobe` load it any more.
//!
//! ```yaml
//! - name: Bridged traffic passes the firewall
//!   os.kernel_module: { name: br_netfilter, persistent: present }
//!   hosts: all
//! - name: No file systems nobody needs
//!   os.kernel_module: { name: cramfs, state: absent, blacklist: true }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::edit::{append, bare};
use super::shared::state::State;
use super::shared::texts::{self, Text};
use super::{Claim, Kind, Link, folders_above, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// A kernel module.
pub struct OsKernelModule;

/// A kernel module, loaded now and at boot, or kept away.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The module, without `.ko`.
    name: String,
    /// Should it be loaded now?
    #[serde(default)]
    state: State,
    /// Its parameters, e.g. `mode=1 miimon=100`; left out, they stay as they are.
    params: Option<String>,
    /// At boot: load it (`present`), do not (`absent`), or leave that as it is (`disabled`).
    #[serde(default)]
    persistent: Persistent,
    /// Keep it from being loaded at all? Left out, that stays as it is.
    blacklist: Option<bool>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Persistent {
    #[default]
    Disabled,
    Present,
    Absent,
}

/// Sets of NUMBER NAME PARAMETERS: what runs. The kernel tells names with `_` only.
static LOADED: Script = Script::together(
    "drsync_modules",
    r#"
drsync_modules() {
  modules= builtin= release= said=
  if [ -e "$root/proc/modules" ]; then
    modules=$(cat "$root/proc/modules" 2>&1) || said=$modules
    kernel=modules
  elif [ -d "$root/sys/module" ]; then kernel=whole
  elif [ -n "$root" ]; then said="no kernel runs below $root"
  else said='neither /proc/modules nor /sys/module is there (a container?)'; fi
  if [ -r "$root/proc/sys/kernel/osrelease" ] && IFS= read -r release < "$root/proc/sys/kernel/osrelease" &&
    [ -r "$root/lib/modules/$release/modules.builtin" ]; then
    builtin=$(tr - _ < "$root/lib/modules/$release/modules.builtin")
  fi
  while [ $# -gt 0 ]; do
    n=$1
    if [ -n "$said" ]; then unknown loaded "$said"; else drsync_modules_one "$2" "$3"; fi
    finish
    shift 3
  done
}
drsync_modules_one() {
  put kernel "$kernel"
  case "$nl$modules" in
    *"$nl$1 "*) rest="$nl$modules"; rest=${rest#*"$nl$1 "}; put loaded "$1 ${rest%%"$nl"*}" ;;
    *)
      if [ -d "$root/sys/module/$1" ]; then put loaded built-in
      else
        case "$builtin$nl" in
          *"/$1.ko$nl"*) put loaded built-in ;;
          *)
            if [ -z "$builtin" ] && [ ! -d "$root/sys/module" ]; then
              unknown loaded 'what is built into the kernel cannot be seen (a container?)'
            else absent loaded; drsync_modules_exists "$1"; fi ;;
        esac
      fi ;;
  esac
  for name in $2; do
    value=$root/sys/module/$1/parameters/$name
    if [ -r "$value" ] && IFS= read -r value < "$value"; then put "param:$name" "$value"; fi
  done
}
drsync_modules_exists() {
  [ "$kernel" = modules ] || return
  if [ -n "$root" ] && [ ! -x "${DRSYNC_COMMANDS:-/nonexistent}/modprobe" ]; then return; fi
  if out=$(modprobe -n -q -- "$1" 2>&1); then return; fi
  # An `install` line that forbids it says no as well; only this is a module that is not there.
  out=$(modprobe -n -- "$1" 2>&1)
  case $out in *"Module $1 not found"*) put lacks "$out" ;; esac
}
"#,
);

/// `drsync_module_change load|unload NAME [PARAMETER…]`.
static CHANGE: Script = Script::each(
    "drsync_module_change",
    r#"
drsync_module_change() {
  if [ -n "$root" ] && [ ! -x "${DRSYNC_COMMANDS:-/nonexistent}/modprobe" ]; then
    echo "no kernel runs below $root"
    return 1
  fi
  verb=$1
  shift
  case $verb in load) modprobe -- "$@" ;; *) modprobe -r -- "$1" ;; esac
}
"#,
);

/// The folders read at boot, most important first (modules-load.d(5)).
const LOAD: [&str; 4] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
];

/// The folders `modprobe` reads, most important first (modprobe.d(5)).
const PROBE: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

impl Args {
    /// The name as the kernel tells it.
    fn plain(&self) -> String {
        self.name.replace('-', "_")
    }

    fn load_file(&self) -> String {
        format!("{}/{}.conf", LOAD[0], self.name)
    }

    fn probe_file(&self) -> String {
        format!("{}/{}.conf", PROBE[0], self.name)
    }

    /// Returns the wished parameters for boot; `None` when they stay as they are.
    fn kept(&self) -> Option<Vec<&str>> {
        match self.persistent {
            Persistent::Disabled => None,
            Persistent::Present => self.params.as_deref().map(|p| p.split_whitespace().collect()),
            Persistent::Absent => Some(Vec::new()),
        }
    }
}

impl Kind for OsKernelModule {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "os.kernel_module", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_kernel_module.rs");

    fn key(args: &Args) -> String {
        args.plain()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_name = |text: &str| {
            !text.is_empty() && !text.starts_with(['-', '.']) && text.chars().all(is_part)
        };
        if !is_name(&args.name) || args.name.len() > 60 || args.name.ends_with(".ko") {
            let hint = Some("write its name alone, as in `br_netfilter`");
            problems.push(problem(&["name"], "this is not the name of a kernel module", hint));
        }
        let words: Vec<&str> = args.params.as_deref().unwrap_or("").split_whitespace().collect();
        let is_sound = |word: &&str| {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            is_name(name)
                && !value.contains(|c: char| c.is_control() || matches!(c, '"' | '\'' | '\\'))
        };
        let is_long = args.params.as_ref().is_some_and(|params| params.len() > 1000);
        if is_long || !words.iter().all(is_sound) {
            let said = "parameters are written `name=value`, without quotes, 1000 bytes at most";
            problems.push(problem(&["params"], said, None));
        }
        let mut names: Vec<&str> = words.iter().map(|word| param_name(word)).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let said = format!("`{}` is given twice", twice[0]);
            problems.push(problem(&["params"], said, None));
        }
        if args.blacklist == Some(true)
            && (args.state == State::Present || args.persistent == Persistent::Present)
        {
            let hint = Some("add `state: absent`");
            problems.push(problem(&["blacklist"], "what is kept away cannot be loaded", hint));
        }
        if args.state == State::Absent && args.persistent == Persistent::Present {
            let said = "it cannot be loaded at boot and yet not be loaded";
            problems.push(problem(&["persistent"], said, None));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let params = args.params.as_deref().unwrap_or("").split_whitespace().map(param_name);
        let params = params.collect::<Vec<_>>().join(" ");
        let places: Vec<String> =
            LOAD.iter().chain(&PROBE).map(|folder| format!("{folder}/")).collect();
        let places: Vec<&str> = places.iter().map(|place| &**place).collect();
        vec![
            Question::Probe(&LOADED, vec![Argument::plain(args.plain()), Argument::plain(params)]),
            texts::ask(".conf", &places),
        ]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let texts = match texts::read(&replies[1]) {
            Ok(texts) => texts,
            Err(reason) => return Delta::unknown(reason),
        };
        let mut delta = runtime(args, &replies[0]);
        if args.persistent != Persistent::Disabled {
            delta.attributes.push(boot(args, &texts));
        }
        if let Some(wish) = args.kept() {
            let live = options(args, &texts).join(" ");
            let live = if live.is_empty() { Live::Absent } else { Live::Known(Value::text(live)) };
            let wish = sorted(wish).join(" ");
            delta.attributes.push(match wish.is_empty() {
                true => Attribute::gone("boot_params", live),
                false => Attribute::new("boot_params", live, Value::text(wish)),
            });
        }
        if let Some(wish) = args.blacklist {
            let live = Live::Known(Value::Bool(is_forbidden(args, &texts, wish)));
            delta.attributes.push(Attribute::new("blacklist", live, Value::Bool(wish)));
        }
        if delta.refused.is_none() {
            delta.refused = hindrance(args, &texts, &delta);
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(texts) = texts::read(&replies[1]) else { return Vec::new() };
        let mut actions = Vec::new();
        for (path, new) in rewritten(args, &texts) {
            actions.extend(texts::write(&texts, &path, &new));
        }
        if delta.differing().any(|attribute| attribute.name == "runtime") {
            let verb = if args.state == State::Present { "load" } else { "unload" };
            let params = match args.state {
                State::Present => args.params.as_deref().unwrap_or(""),
                State::Absent => "",
            };
            let words = [verb, &args.name].into_iter().chain(params.split_whitespace());
            actions.push(Action::Host(&CHANGE, words.map(Argument::plain).collect()));
        }
        actions
    }

    fn needs(args: &Args) -> Vec<Link> {
        let mut links = folders_above(&args.load_file());
        links.extend(folders_above(&args.probe_file()));
        links.push(Link::new("os.package", "kmod"));
        links
    }

    fn claims(args: &Args) -> Option<Claim> {
        match (args.kept(), args.blacklist) {
            (None, None) => None,
            _ => Some(Claim::Part(args.probe_file())),
        }
    }
}

fn param_name(word: &str) -> &str {
    word.split_once('=').map_or(word, |(name, _)| name)
}

fn sorted<T: Ord>(mut words: Vec<T>) -> Vec<T> {
    words.sort_unstable();
    words
}

/// Compares what runs; the result may be refused, and has a note where parameters are others.
fn runtime(args: &Args, reply: &Reply) -> Delta {
    let loaded = match reply.text("loaded") {
        Ok(loaded) => loaded,
        Err(reason) => return one(Attribute::new("runtime", Live::Unknown(reason), shown(args))),
    };
    let Some(loaded) = loaded else { return not_loaded(args, reply) };
    if args.state == State::Absent {
        let mut delta = one(Attribute::gone("runtime", Live::Known(Value::text("loaded"))));
        if &*loaded == "built-in" {
            let said = format!("`{}` is built into the kernel: it cannot be unloaded", args.name);
            delta.refused = Some(said);
        } else if let Some(users) = users(&loaded) {
            let attribute = delta.attributes.remove(0).noted(format!("in use by {users}"));
            delta.attributes.push(attribute);
        }
        return delta;
    }
    let mut delta = one(Attribute::new("runtime", Live::Known(shown(args)), shown(args)));
    for word in args.params.as_deref().unwrap_or("").split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, "Y"));
        if let Ok(Some(live)) = reply.text(&format!("param:{name}"))
            && !is_same_value(live.trim(), value)
        {
            delta.notes.push(format!(
                "`{name}` is {} as long as the module stays loaded: load it anew, or reboot",
                live.trim()
            ));
        }
    }
    delta
}

fn shown(args: &Args) -> Value {
    Value::text(if args.state == State::Present { "loaded" } else { "not loaded" })
}

fn one(attribute: Attribute) -> Delta {
    Delta { attributes: vec![attribute], ..Delta::default() }
}

fn not_loaded(args: &Args, reply: &Reply) -> Delta {
    if args.state == State::Absent {
        return one(Attribute::gone("runtime", Live::Absent));
    }
    let mut delta = one(Attribute::new("runtime", Live::Absent, shown(args)));
    if reply.text("kernel") == Ok(Some("whole".into())) {
        delta.refused = Some(format!(
            "this kernel has no modules, and `{}` is not built into it: declare it for other \
             hosts only",
            args.name
        ));
    } else if let Ok(Some(said)) = reply.text("lacks") {
        delta.refused = Some(format!("the running kernel has no such module: {}", said.trim()));
        delta.is_curable = true;
    }
    delta
}

/// Returns which modules use one, from its line in `/proc/modules`: `NAME SIZE COUNT a,b, Live …`.
fn users(line: &str) -> Option<&str> {
    let users = line.split_whitespace().nth(3)?.trim_end_matches(',');
    (users != "-").then_some(users)
}

/// The kernel shows switches as `Y` and `N`, and numbers in its own way.
fn is_same_value(live: &str, wish: &str) -> bool {
    let switch = |text: &str| match text {
        "Y" | "y" | "1" => Some(true),
        "N" | "n" | "0" => Some(false),
        _ => None,
    };
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    live == wish
        || switch(live).is_some_and(|live| switch(wish) == Some(live))
        || number(live).is_some_and(|live| number(wish) == Some(live))
}

fn is_same_name(found: &str, args: &Args) -> bool {
    found.replace('-', "_") == args.plain()
}

/// Lines of `modprobe.d`: one that ends in `\` goes on in the next.
fn whole_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.split_inclusive('\n') {
        match lines.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(line),
            None => lines.push(line.to_string()),
        }
        goes_on = bare(line).ends_with('\\');
    }
    lines
}

/// Returns the words of a line, without those of a comment.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split("\\\n").flat_map(str::split_whitespace);
    match line.trim_start().starts_with('#') {
        true => Vec::new(),
        false => parts.collect(),
    }
}

/// Returns whether a line of `modules-load.d` loads the module.
fn loads(args: &Args, line: &str) -> bool {
    // Ansible leaves remarks after a name alone; systemd does not know them.
    is_same_name(line.trim(), args)
}

/// Returns whether a line of `modprobe.d` forbids the module.
fn forbids(args: &Args, line: &str) -> bool {
    match words(line)[..] {
        ["blacklist", name] => is_same_name(name, args),
        ["install", name, command, ..] => is_same_name(name, args) && is_refusal(command),
        _ => false,
    }
}

fn is_refusal(command: &str) -> bool {
    matches!(command.rsplit('/').next(), Some("false" | "true"))
}

fn sets(args: &Args, line: &str) -> bool {
    matches!(words(line)[..], ["options", name, ..] if is_same_name(name, args))
}

fn boot(args: &Args, texts: &[Text]) -> Attribute {
    let order = texts::in_order(texts, &LOAD);
    let file = order.iter().find(|text| text.text.lines().any(|line| loads(args, line)));
    let live = file.map_or(Live::Absent, |_| Live::Known(Value::text("loaded")));
    let attribute = match args.persistent {
        Persistent::Absent => Attribute::gone("boot", live),
        _ => Attribute::new("boot", live, Value::text("loaded")),
    };
    attribute.noted(file.map(|file| format!("by {}", file.path)))
}

/// Returns the parameters that hold at boot: those of `/etc` and those declared. Others come with
/// the distribution. Of two values the one read later counts.
fn options(args: &Args, texts: &[Text]) -> Vec<String> {
    let declared: Vec<&str> = args.kept().unwrap_or_default();
    let mut found: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for text in texts::in_order(texts, &PROBE) {
        for line in whole_lines(&text.text).iter().filter(|line| sets(args, line)) {
            for word in &words(line)[2..] {
                let name = param_name(word);
                let counts = text.path.starts_with("/etc/")
                    || found.contains_key(name)
                    || declared.iter().any(|declared| param_name(declared) == name);
                if counts {
                    found.insert(name.into(), word.to_string());
                }
            }
        }
    }
    sorted(found.into_values().collect())
}

/// With `wish`, returns whether it is kept away in both ways; without, whether it is in any.
fn is_forbidden(args: &Args, texts: &[Text], wish: bool) -> bool {
    let order = texts::in_order(texts, &PROBE);
    let lines = order.iter().flat_map(|text| whole_lines(&text.text));
    let lines: Vec<String> = lines.filter(|line| forbids(args, line)).collect();
    let has = |word: &str| lines.iter().any(|line| words(line)[0] == word);
    match wish {
        true => has("blacklist") && has("install"),
        false => !lines.is_empty(),
    }
}

/// Returns the texts of all files that should say something else.
fn rewritten(args: &Args, texts: &[Text]) -> Vec<(String, String)> {
    let mut new = Vec::new();
    let is_ours = |text: &Text| text.path.starts_with("/etc/");
    if args.persistent == Persistent::Absent {
        for text in texts::in_order(texts, &LOAD).into_iter().filter(|text| is_ours(text)) {
            let lines = text.text.split_inclusive('\n');
            let lines = lines.map(|line| silenced(line, loads(args, line))).collect();
            new.push((text.path.clone(), lines));
        }
    } else if args.persistent == Persistent::Present
        && matches!(boot(args, texts).before, Live::Absent)
    {
        let path = args.load_file();
        let old = texts.iter().find(|text| text.path == path).map_or("", |text| &*text.text);
        let mut lines = old.to_string();
        append(&mut lines, &args.name);
        new.push((path, lines));
    }
    let wish = args.kept();
    let set_anew = wish.as_ref().is_some_and(|wish| sorted(wish.clone()) != options(args, texts));
    let forbid = args.blacklist.filter(|wish| is_forbidden(args, texts, *wish) != *wish);
    let own = args.probe_file();
    let mut is_there = false;
    for text in texts::in_order(texts, &PROBE).into_iter().filter(|text| is_ours(text)) {
        is_there |= text.path == own;
        let is_out = |line: &str| {
            let is_over = forbid == Some(false) || (forbid == Some(true) && text.path == own);
            (set_anew && sets(args, line)) || (is_over && forbids(args, line))
        };
        let lines = whole_lines(&text.text);
        let mut lines: String = match text.path == own {
            true => lines.into_iter().filter(|line| !is_out(line)).collect(),
            false => lines.iter().map(|line| silenced(line, is_out(line))).collect(),
        };
        if text.path == own {
            add(args, &mut lines, set_anew, forbid);
        }
        new.push((text.path.clone(), lines));
    }
    let mut lines = String::new();
    add(args, &mut lines, set_anew, forbid);
    if !is_there && !lines.is_empty() {
        new.push((own, lines));
    }
    new
}

/// Returns a line, as a comment where it should not count.
fn silenced(line: &str, is_out: bool) -> String {
    if is_out { format!("#{line}") } else { line.to_string() }
}

/// Appends what is wished to the text of our own file: one option a line, as Ansible reads it.
fn add(args: &Args, text: &mut String, set_anew: bool, forbid: Option<bool>) {
    for word in args.kept().filter(|_| set_anew).unwrap_or_default() {
        append(text, &format!("options {} {word}", args.name));
    }
    if forbid == Some(true) {
        append(text, &format!("blacklist {}", args.name));
        append(text, &format!("install {} /bin/false", args.name));
    }
}

/// Returns why writing would not help: a file that is not ours says otherwise.
fn hindrance(args: &Args, texts: &[Text], delta: &Delta) -> Option<String> {
    let later: Vec<Text> = texts::after(texts, rewritten(args, texts));
    let foreign = |folders: &[&str], finds: &dyn Fn(&str) -> bool| {
        let order = texts::in_order(&later, folders);
        let found =
            order.iter().rev().find(|text| whole_lines(&text.text).iter().any(|l| finds(l)));
        found.map(|text| text.path.clone()).unwrap_or_default()
    };
    let mask = |path: &str, folder: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        format!("hide it by a link {folder}/{name} to /dev/null")
    };
    if args.persistent == Persistent::Absent && boot(args, &later).differs {
        let path = foreign(&LOAD, &|line| loads(args, line));
        return Some(format!("{path} loads it too: {}", mask(&path, LOAD[0])));
    }
    if args.kept().is_some_and(|wish| sorted(wish) != options(args, &later)) {
        let own = args.probe_file();
        let path = foreign(&PROBE, &|line| sets(args, line));
        return Some(format!("{path} counts for more than {own}: {}", mask(&path, PROBE[0])));
    }
    let is_loading = args.state == State::Present
        && delta.differing().any(|attribute| attribute.name == "runtime");
    // `modprobe NAME` heeds `install` lines only; at boot, `blacklist` counts too.
    let heeds = |line: &str| match words(line).first() {
        Some(&"install") => is_loading,
        _ => args.persistent == Persistent::Present,
    };
    let stops = |line: &str| forbids(args, line) && (args.blacklist == Some(false) || heeds(line));
    let path = foreign(&PROBE, &stops);
    match path.starts_with("/etc/") {
        _ if path.is_empty() => None,
        true => Some(format!("{path} keeps it from being loaded: add `blacklist: false`")),
        false => Some(format!("{path} keeps it from being loaded: {}", mask(&path, PROBE[0]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_go_on_are_one() {
        let lines = whole_lines("options a x=1 \\\n  y=2\n# b \\\nc\nd");
        assert_eq!(lines, ["options a x=1 \\\n  y=2\n", "# b \\\nc\n", "d"]);
        assert_eq!(words(&lines[0]), ["options", "a", "x=1", "y=2"]);
        assert!(words(&lines[1]).is_empty());
    }

    #[test]
    fn values_are_compared_as_the_kernel_shows_them() {
        assert!(is_same_value("Y", "1") && is_same_value("N", "n") && is_same_value("16", "0x10"));
        assert!(!is_same_value("Y", "0") && !is_same_value("1", "2"));
    }

    #[test]
    fn who_uses_a_module_is_told_from_its_line() {
        assert_eq!(users("bridge 372736 2 br_netfilter,x, Live 0x0"), Some("br_netfilter,x"));
        assert_eq!(users("xfs 2125824 1 - Live 0x0"), None);
    }
}
