//! `os.service`: a systemd unit: its drop-ins, enabled at boot, running now.
//!
//! Parameters follow Ansible's `systemd_service`. A unit enabled only until the next boot
//! (`systemctl enable --runtime`) is not enabled. A unit that is `static`, `indirect` or
//! `generated` cannot be enabled: such a wish is refused, not retried for ever.
//!
//! A unit that is started must still be up after `settle` seconds, without having been restarted
//! meanwhile; otherwise the end of its log is told. A unit whose files changed since systemd read
//! them differs (`daemon_reload`). There is no state `restarted`: a restart is an act, and would be
//! done at every run.
//!
//! `dropins` are whole files in `/etc/systemd/system/UNIT.d`, by their names; `null` removes one.
//! A running unit takes up most of what they say when it is next restarted.
//!
//! ```yaml
//! - name: Time service
//!   os.service: { name: chronyd, enabled: true, state: started }
//!   hosts: all
//! - name: The agent may open many files
//!   os.service:
//!     name: cloudera-scm-agent
//!     enabled: true
//!     dropins:
//!       limits: |
//!         [Service]
//!         LimitNOFILE=65536
//!   hosts: nodes
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::shared::file::{self, PUT, REMOVE, Sight, Stat};
use super::shared::unit::{FOLDER, SERVICE, UNIT, Unit, full_name};
use super::{Kind, Link, argument, problem};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply};
use crate::model::{Attribute, Data, Delta, Live, Node, Secret, Value, Want};

/// A systemd unit.
pub struct OsService;

/// A systemd unit: its drop-ins, enabled at boot, running now.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The unit; without an ending it is a `.service`.
    name: String,
    /// Start it at boot?
    enabled: Option<bool>,
    /// What it should be now: `started` or `stopped`.
    state: Option<State>,
    /// Forbid starting it at all?
    masked: Option<bool>,
    /// Additions to its file, by name (`limits` or `limits.conf`); `null` removes one.
    #[serde(default)]
    dropins: BTreeMap<String, Node>,
    /// Have systemd read its files again where they changed since?
    #[serde(default = "yes")]
    daemon_reload: bool,
    /// Seconds after a start during which it must not die; 2 when left out.
    settle: Option<u16>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    Started,
    Stopped,
    #[schemars(skip)]
    Restarted,
    #[schemars(skip)]
    Reloaded,
}

/// One declared drop-in.
struct Dropin<'a> {
    file: String,
    path: String,
    /// What it should hold; `None`: it should not be there.
    content: Option<String>,
    node: &'a Node,
}

impl Dropin<'_> {
    fn is_secret(&self) -> bool {
        matches!(self.node.data, Data::Secret(_))
    }

    fn shown(&self, text: &str) -> Value {
        if self.is_secret() { Value::Sensitive } else { Value::text(text) }
    }
}

impl Args {
    fn dropins(&self) -> Vec<Dropin<'_>> {
        let folder = self.folder();
        let whole = |content: Argument| {
            let text = content.reveal();
            let end = if text.ends_with('\n') { "" } else { "\n" };
            format!("{text}{end}")
        };
        let dropin = |(name, node): (&String, _)| {
            let file = file_name(name);
            let path = format!("{folder}/{file}");
            Dropin { file, path, content: argument(node).map(whole), node }
        };
        self.dropins.iter().map(dropin).collect()
    }

    fn folder(&self) -> String {
        format!("/etc/systemd/system/{}.d", full_name(&self.name))
    }

    fn is_template(&self) -> bool {
        full_name(&self.name).contains("@.")
    }
}

impl Kind for OsService {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.service", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_service.rs");

    fn key(args: &Args) -> String {
        args.name.strip_suffix(".service").unwrap_or(&args.name).to_string()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems: Vec<Problem> = name_problem(&args.name).into_iter().collect();
        let says_nothing = args.enabled.is_none() && args.state.is_none() && args.masked.is_none();
        let contradiction = args.masked == Some(true)
            && (args.enabled == Some(true) || args.state == Some(State::Started));
        if says_nothing && args.dropins.is_empty() {
            let hint = Some("add `enabled`, `state`, `masked` or `dropins`");
            problems.push(problem(&["name"], "nothing is wished for this unit", hint));
        }
        if contradiction {
            let said = "a masked unit can be neither enabled nor started";
            problems.push(problem(&["masked"], said, None));
        }
        if let Some(State::Restarted | State::Reloaded) = args.state {
            let said = "a restart is an act, not a state: it would be done at every run";
            problems.push(problem(&["state"], said, Some("write `state: started`")));
        }
        if args.state.is_some() && args.is_template() {
            let said = "a template does not run";
            problems.push(problem(&["state"], said, Some("name an instance: `name@instance`")));
        }
        problems.extend(args.dropins.iter().filter_map(|(name, node)| dropin_problem(name, node)));
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let mut questions = vec![Question::Probe(&SERVICE, vec![Argument::plain(&args.name)])];
        questions.extend(args.dropins().iter().map(|dropin| {
            let digest = dropin.content.as_deref().map(|c| sha256(c.as_bytes()));
            let sight = match (&digest, dropin.is_secret()) {
                (None, _) => Sight::Attributes,
                (Some(_), true) => Sight::Digest,
                (Some(_), false) => Sight::Content,
            };
            file::ask(&dropin.path, &digest.unwrap_or_default(), sight)
        }));
        questions
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let unit = match replies[0].text("unit") {
            Ok(text) => Unit::parse(&text.unwrap_or_default()),
            Err(reason) => return Delta::unknown(reason),
        };
        let mut delta = Delta::default();
        for (dropin, reply) in args.dropins().iter().zip(&replies[1..]) {
            match dropin_attribute(dropin, reply, &unit) {
                Ok(attribute) => delta.attributes.push(attribute),
                Err(refused) => delta.refused = Some(refused),
            }
        }
        if unit.needs_reload && args.daemon_reload {
            let live = Live::Known(Value::text("needed"));
            delta.attributes.push(Attribute::new("daemon_reload", live, Value::text("done")));
        }
        if let Some(wish) = args.masked {
            delta.attributes.push(masked(&unit, wish));
        }
        if let Some(wish) = args.enabled {
            delta.attributes.push(enabled(&unit, wish));
        }
        if let Some(wish) = args.state {
            delta.attributes.push(state(&unit, wish));
            if let "activating" | "deactivating" = &*unit.active {
                delta.notes.push(format!("it is {} at this moment", unit.active));
            }
        }
        refuse(args, &unit, &mut delta);
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let unit = replies[0].text("unit").ok().flatten().unwrap_or_default();
        let unit = Unit::parse(&unit);
        // An alias can be neither enabled nor masked.
        let own = match unit.id.is_empty() || unit.id == full_name(&args.name) {
            true => &args.name,
            false => &unit.id,
        };
        let act = |unit: &str, words: &[&str]| {
            let words = std::iter::once(&unit).chain(words).map(Argument::plain).collect();
            Action::Host(&UNIT, words)
        };
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let mut actions = dropin_steps(args, delta);
        if differs("masked") {
            actions.push(act(own, &[if args.masked == Some(true) { "mask" } else { "unmask" }]));
        }
        if differs("enabled") {
            actions
                .push(act(own, &[if args.enabled == Some(true) { "enable" } else { "disable" }]));
        }
        if differs("state") {
            let settle = args.settle.map(|seconds| seconds.to_string());
            let mut words = vec![if args.state == Some(State::Started) { "start" } else { "stop" }];
            words.extend(settle.as_deref().filter(|_| args.state == Some(State::Started)));
            actions.push(act(&args.name, &words));
        }
        // All others have systemd read its files again by themselves.
        if actions.is_empty() && differs("daemon_reload") {
            actions.push(act(&args.name, &["daemon-reload"]));
        }
        actions
    }

    fn needs(args: &Args) -> Vec<Link> {
        let unit = full_name(&args.name);
        let mut names = vec![unit.clone()];
        // An instance comes from its template.
        if let Some((template, rest)) = unit.split_once('@')
            && let Some((_, sort)) = rest.rsplit_once('.')
        {
            names.push(format!("{template}@.{sort}"));
        }
        let folders = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
        let paths = names.iter().flat_map(|name| folders.map(|folder| format!("{folder}/{name}")));
        let mut links: Vec<Link> = paths.map(|path| Link::new("os.file", path)).collect();
        links.push(Link::new("os.directory", args.folder()));
        links.push(Link::new("os.package", Self::key(args)));
        links
    }
}

fn file_name(name: &str) -> String {
    format!("{}.conf", name.strip_suffix(".conf").unwrap_or(name))
}

fn name_problem(name: &str) -> Option<Problem> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let is_sound =
        !name.is_empty() && !name.starts_with('-') && name.chars().all(is_part) && name.len() < 256;
    let shown: String = name.chars().take(60).collect();
    (!is_sound).then(|| problem(&["name"], format!("`{shown}` is not the name of a unit"), None))
}

fn dropin_problem(name: &str, node: &Node) -> Option<Problem> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || ":-_.@".contains(c);
    let is_name = !name.is_empty()
        && !name.starts_with(['.', '-'])
        && name.chars().all(is_part)
        && name.len() <= 200;
    let content = argument(node);
    let first = content.as_ref().and_then(|content| {
        let mut lines = content.reveal().lines().map(str::trim);
        lines.find(|line| !line.is_empty() && !line.starts_with(['#', ';'])).map(String::from)
    });
    let path = &["dropins", name];
    let hint = "write a section first, such as [Service]";
    match (&node.data, content) {
        _ if !is_name => {
            let shown: String = name.chars().take(60).collect();
            let said = format!("`{shown}` is not the name of a drop-in");
            Some(problem(&["dropins"], said, Some("letters, digits, `-`, `_`, `.` and `@`")))
        }
        (Data::Null, _) => None,
        (_, None) => Some(problem(path, format!("text is due, found {}", node.sort()), None)),
        (_, Some(content)) if content.reveal().len() > 1 << 17 => {
            Some(problem(path, "a drop-in has at most 128 KiB", None))
        }
        (_, Some(_)) if first.is_some_and(|line| !line.starts_with('[')) => {
            Some(problem(path, "it does not begin with a section", Some(hint)))
        }
        _ => None,
    }
}

/// Compares a drop-in. Errors: why it cannot be as declared.
fn dropin_attribute(dropin: &Dropin<'_>, reply: &Reply, unit: &Unit) -> Result<Attribute, String> {
    let name = dropin.file.clone();
    let stat = match Stat::read(reply) {
        Ok(stat) => stat,
        Err(reason) => {
            let after = Want::Later("not read".into());
            let before = Live::Unknown(reason);
            return Ok(Attribute { name: name.into(), before, after, differs: false, note: None });
        }
    };
    if let Some(stat) = stat.as_ref().filter(|stat| !stat.is_file()) {
        return Err(format!("{} is a {}, not a regular file", dropin.path, stat.sort));
    }
    let Some(content) = &dropin.content else {
        let before = stat.map_or(Live::Absent, |stat| Live::Known(Value::text(stat.sort)));
        return Ok(Attribute::gone(name, before));
    };
    let want = dropin.shown(content);
    let running = matches!(&*unit.active, "active" | "activating" | "reloading");
    let note = running.then(|| "a running unit takes it up when it is restarted".to_string());
    if stat.is_none() {
        return Ok(Attribute::new(name, Live::Absent, want).noted(note));
    }
    let digest = match reply.text("digest") {
        Ok(digest) => digest.unwrap_or_default(),
        Err(reason) => return Ok(Attribute::new(name, Live::Unknown(reason), want)),
    };
    if *digest == *sha256(content.as_bytes()) {
        return Ok(Attribute::new(name, Live::Known(want.clone()), want));
    }
    let before = match reply.text("content") {
        Ok(Some(text)) => dropin.shown(&text),
        _ if dropin.is_secret() => Value::Sensitive,
        _ => Value::text(format!("sha256 {digest}")),
    };
    let attribute = Attribute::new(name, Live::Known(before), want).noted(note);
    Ok(Attribute { differs: true, ..attribute })
}

fn dropin_steps(args: &Args, delta: &Delta) -> Vec<Action> {
    let mut actions = Vec::new();
    let dropins = args.dropins();
    let differs = |dropin: &&Dropin<'_>| delta.differing().any(|a| a.name == dropin.file);
    for dropin in dropins.iter().filter(differs) {
        let path = Argument::plain(&dropin.path);
        let Some(content) = &dropin.content else {
            actions.push(Action::Host(&REMOVE, vec![path]));
            continue;
        };
        if actions
            .iter()
            .all(|action| !matches!(action, Action::Host(script, _) if *script == &FOLDER))
        {
            actions.push(Action::Host(&FOLDER, vec![Argument::plain(args.folder())]));
        }
        let content = match dropin.is_secret() {
            true => Argument::Secret(Secret::derived(content.clone())),
            false => Argument::plain(content),
        };
        let mode = if dropin.is_secret() { "0600" } else { "" };
        let mut words = vec![path];
        words.extend([mode, "", "", "text"].map(Argument::plain));
        words.push(content);
        actions.push(Action::Host(&PUT, words));
    }
    actions
}

/// Refuses what systemd would not do.
fn refuse(args: &Args, unit: &Unit, delta: &mut Delta) {
    let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
    let enables = args.enabled == Some(true) && differs("enabled");
    let starts = args.state == Some(State::Started) && differs("state");
    if unit.is_masked() && args.masked.is_none() && (enables || starts) {
        delta.refused = Some("the unit is masked: `masked: false` would change that".into());
    } else if args.enabled == Some(true)
        && !unit.is_missing()
        && matches!(&*unit.file, "static" | "indirect" | "generated")
    {
        delta.refused = Some(format!("the unit is {}: it cannot be enabled", unit.file));
    }
}

fn missing_note(unit: &Unit) -> Option<String> {
    unit.is_missing().then(|| "the unit does not exist yet".to_string())
}

fn masked(unit: &Unit, wish: bool) -> Attribute {
    // What is masked until the next boot is not masked for good, but masked all the same.
    let is_masked = if wish { unit.file == "masked" } else { unit.is_masked() };
    Attribute::new("masked", Live::Known(Value::Bool(is_masked)), Value::Bool(wish))
}

fn enabled(unit: &Unit, wish: bool) -> Attribute {
    let live = match unit.is_missing() {
        true if wish => Live::Absent,
        // What does not exist does not start at boot.
        true => Live::Known(Value::Bool(false)),
        false => Live::Known(Value::Bool(unit.file == "enabled")),
    };
    Attribute::new("enabled", live, Value::Bool(wish)).noted(missing_note(unit))
}

fn state(unit: &Unit, wish: State) -> Attribute {
    let want = match wish {
        State::Stopped => "stopped",
        _ => "started",
    };
    let live = match &*unit.active {
        // The file of a unit that runs may be gone.
        "" | "inactive" if unit.is_missing() && want == "started" => Live::Absent,
        "" | "inactive" if unit.is_missing() => Live::Known(Value::text("stopped")),
        "" => Live::Unknown("systemd does not run there".into()),
        // It dies and is restarted over and over.
        "activating" if unit.sub.starts_with("auto-restart") => Live::Known(Value::text("dying")),
        "active" | "reloading" | "activating" => Live::Known(Value::text("started")),
        "inactive" | "deactivating" => Live::Known(Value::text("stopped")),
        "failed" if wish == State::Stopped => Live::Known(Value::text("stopped")),
        other => Live::Known(Value::text(other)),
    };
    Attribute::new("state", live, Value::text(want)).noted(missing_note(unit))
}
