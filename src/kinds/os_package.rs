//! `os.package`: a package of apt, dnf or yum.
//!
//! Parameters follow Ansible's `apt` and `dnf`; one package each, `loop` makes many. `version` is
//! exact or a glob (`1.2*`), as the tool allows it. A package installed in another version is
//! changed; going back to an older one needs `allow_downgrade: true`. `latest` compares with the
//! newest version the host's package cache knows, and does not update that cache to find out.
//!
//! A held package (`apt-mark hold`, the versionlock plugin of dnf and yum) is not touched unless
//! `hold` is declared. A removal that would take other packages along is not done without
//! `dependents: true`. Configuration files that were changed on the host stay as they are.
//!
//! ```yaml
//! - name: Time service
//!   os.package: { name: chrony }
//!   hosts: all
//! - name: The Java everyone was tested with
//!   os.package: { name: java-17-openjdk-devel, version: 17.0.12*, hold: true }
//!   hosts: nodes
//! ```

use std::cmp::Ordering;

use regex::Regex;
use serde::Deserialize;

use super::shared::package::{self, Package};
use super::{Kind, Link, problem};
use crate::format::version::epoch;
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply};
use crate::model::{Attribute, Delta, Live, Value, Want};

/// A package.
pub struct OsPackage;

/// A package of apt, dnf or yum.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its name, with an architecture if need be: `libc6:i386`, `glibc.i686`.
    name: String,
    /// Its version: exact, or a glob such as `1.2*`.
    version: Option<String>,
    /// Should it be there? `latest` asks for the newest version the host's package cache knows.
    #[serde(default)]
    state: State,
    /// The package manager; `auto` takes the one of the host's distribution.
    #[serde(default, rename = "use")]
    tool: Tool,
    /// Keep it at its version when others are upgraded?
    hold: Option<bool>,
    /// May an older version replace a newer one?
    #[serde(default)]
    allow_downgrade: bool,
    /// Update the package cache before an installation?
    #[serde(default)]
    update_cache: bool,
    /// Install what it recommends too? The host's own choice when left out.
    install_recommends: Option<bool>,
    /// Repositories to use although they are disabled (dnf and yum).
    #[serde(default)]
    enablerepo: Vec<String>,
    /// Repositories not to use (dnf and yum).
    #[serde(default)]
    disablerepo: Vec<String>,
    /// With `state: absent`: remove its configuration too (apt)?
    #[serde(default)]
    purge: bool,
    /// With `state: absent`: remove the packages that depend on it too?
    #[serde(default)]
    dependents: bool,
    /// Seconds to wait while another run of the package manager holds the lock.
    #[serde(default = "one_minute")]
    lock_timeout: u16,
}

fn one_minute() -> u16 {
    60
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Present,
    Absent,
    Latest,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Tool {
    #[default]
    Auto,
    Apt,
    Dnf,
    Yum,
}

impl Tool {
    fn word(self) -> &'static str {
        match self {
            Tool::Auto => "auto",
            Tool::Apt => "apt",
            Tool::Dnf => "dnf",
            Tool::Yum => "yum",
        }
    }
}

impl Kind for OsPackage {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.package", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_package.rs");

    fn key(args: &Args) -> String {
        args.name.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems: Vec<Problem> = name_problem(&args.name).into_iter().collect();
        problems.extend(args.version.as_deref().and_then(version_problem));
        let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
        let (is_gone, is_latest) = (args.state == State::Absent, args.state == State::Latest);
        let clashes = [
            (is_gone && args.version.is_some(), "version", "has no version"),
            (is_gone && args.hold.is_some(), "hold", "cannot be held"),
        ];
        for (_, name, what) in clashes.iter().filter(|(clashes, ..)| *clashes) {
            add(name, &format!("a package that should not be there {what}"));
        }
        if is_latest && args.version.is_some() {
            add("version", "`latest` and `version` exclude each other");
        }
        if is_latest && args.hold == Some(true) {
            add("hold", "a held package does not follow the newest version");
        }
        if !is_gone && (args.purge || args.dependents) {
            let name = if args.purge { "purge" } else { "dependents" };
            add(name, &format!("`{name}` goes with `state: absent`"));
        }
        for (name, list) in [("enablerepo", &args.enablerepo), ("disablerepo", &args.disablerepo)] {
            if args.tool == Tool::Apt && !list.is_empty() {
                add(name, &format!("apt knows no `{name}`"));
            }
            for repo in list.iter().filter(|repo| !is_repository(repo)) {
                add(name, &format!("`{}` is not the id of a repository", shown(repo)));
            }
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![package::ask(&args.name, args.tool.word(), args.state == State::Latest)]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let package = match Package::read(&replies[0], bare(&args.name)) {
            Ok(package) => package,
            Err(reason) => return Delta::unknown(reason),
        };
        let mut delta = Delta::default();
        delta.attributes.push(match (args.state, &args.version) {
            (State::Absent, _) => gone(args, &package),
            (State::Latest, _) => newest(&package, &replies[0]),
            (State::Present, Some(version)) => chosen(&package, version),
            (State::Present, None) => present(&package),
        });
        if let Some(wish) = args.hold {
            delta.attributes.push(hold(&package, wish));
        }
        refuse(args, &package, &mut delta);
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(package) = Package::read(&replies[0], bare(&args.name)) else { return Vec::new() };
        let changes = delta.differing().any(|attribute| attribute.name != "hold");
        let holds = delta.differing().any(|attribute| attribute.name == "hold");
        let call = |verb: &str, target: &str| call(args, &package, verb, target);
        let mut actions = Vec::new();
        // apt goes through a hold when told to; the versionlock plugin hides all other versions.
        let unlocks = changes && package.is_held() && !package.is_deb();
        if (holds && args.hold == Some(false)) || (unlocks && args.hold == Some(true)) {
            actions.push(call("unhold", &args.name));
        }
        if changes {
            actions.push(call(verb(args, &package), &target(args, &package)));
        }
        // What was installed through a hold is no longer held.
        if args.hold == Some(true) && (holds || changes) {
            actions.push(call("hold", &args.name));
        }
        actions
    }

    fn needs(args: &Args) -> Vec<Link> {
        args.enablerepo.iter().map(|repo| Link::new("os.yum_repository", repo)).collect()
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Returns the name without its architecture.
fn bare(name: &str) -> &str {
    const RPM: [&str; 8] =
        ["noarch", "x86_64", "i386", "i586", "i686", "aarch64", "ppc64le", "s390x"];
    match (name.split_once(':'), name.rsplit_once('.')) {
        (Some((name, _)), _) => name,
        (None, Some((name, arch))) if RPM.contains(&arch) => name,
        _ => name,
    }
}

fn name_problem(name: &str) -> Option<Problem> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+-._:".contains(c);
    let is_sound = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(is_part)
        && !name.ends_with(['-', ':'])
        && name.len() <= 200;
    let hint = match () {
        () if name.starts_with('@') => "groups and modules are not packages: declare the packages",
        () if name.contains(['/', '\\']) => "packages come from repositories, not from files",
        () if name.contains('=') => "the version goes into `version`",
        () if name.contains(['*', '?', '<', '>']) => "one package each; `version` takes a glob",
        () if name.contains([' ', ',']) => "one package each: `loop` makes many",
        () => "letters, digits, `+`, `-`, `.` and `_`",
    };
    let said = || format!("`{}` is not the name of a package", shown(name));
    (!is_sound).then(|| problem(&["name"], said(), Some(hint)))
}

fn version_problem(version: &str) -> Option<Problem> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+-.~^:_*?".contains(c);
    let is_sound = !version.is_empty()
        && !version.starts_with('-')
        && version.chars().all(is_part)
        && version.len() <= 200;
    let hint = "exact, e.g. 1.2.3-4, or with `*` and `?`";
    let said = || format!("`{}` is not a version", shown(version));
    (!is_sound).then(|| problem(&["version"], said(), Some(hint)))
}

fn is_repository(id: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.:/*+".contains(c);
    !id.is_empty() && !id.starts_with('-') && id.chars().all(is_part) && id.len() <= 200
}

/// True when an installed version is the declared one. For rpm any part of EPOCH:VERSION-RELEASE
/// from the version on may be declared, as dnf takes it.
fn fits(package: &Package, installed: &str, declared: &str) -> bool {
    let pattern = regex::escape(declared).replace(r"\*", ".*").replace(r"\?", ".");
    let Ok(regex) = Regex::new(&format!("^{pattern}$")) else { return false };
    if package.is_deb() {
        return regex.is_match(installed);
    }
    let (number, rest) = epoch(installed);
    let version = rest.split('-').next().unwrap_or(rest);
    let with_epoch = |text: &str| format!("{number}:{text}");
    [rest, version].into_iter().any(|t| regex.is_match(t) || regex.is_match(&with_epoch(t)))
}

/// True when `declared` is older than `installed`; `None` when a glob does not tell.
fn is_downgrade(package: &Package, installed: &str, declared: &str) -> Option<bool> {
    // Who names no epoch means the one that is there, for rpm.
    let installed = match package.is_deb() || declared.contains(':') {
        true => installed,
        false => epoch(installed).1,
    };
    let Some(at) = declared.find(['*', '?']) else {
        return Some(package.compare(declared, installed) == Ordering::Less);
    };
    // Only whole segments before the glob count: `1.1*` may be 1.10.
    let fixed = declared[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric());
    let fixed = fixed.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    if fixed.is_empty() {
        return None;
    }
    let rest = installed.strip_prefix(fixed);
    let is_within = rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    (!is_within).then(|| package.compare(fixed, installed) == Ordering::Less)
}

/// Returns what is there, when it is not installed whole.
fn half(package: &Package) -> Live {
    let is_part = |status: &str| !matches!(status, "config-files" | "not-installed");
    match package.instances.iter().find(|i| is_part(&i.status)) {
        Some(instance) => Live::Known(Value::text(&instance.status)),
        None => Live::Absent,
    }
}

fn present(package: &Package) -> Attribute {
    let live = match package.installed() {
        Some(_) => Live::Known(Value::text("present")),
        None => half(package),
    };
    Attribute::new("state", live, Value::text("present"))
}

fn chosen(package: &Package, declared: &str) -> Attribute {
    let want = Value::text(declared);
    let whole = package.instances.iter().filter(|i| i.status == "installed");
    let fitting = whole.map(|i| &i.version).find(|version| fits(package, version, declared));
    let live = match (fitting, package.installed()) {
        (Some(version), _) => Live::Known(Value::text(version)),
        (None, Some(instance)) => Live::Known(Value::text(&instance.version)),
        (None, None) => half(package),
    };
    let differs = fitting.is_none();
    Attribute { differs, ..Attribute::new("version", live, want) }
}

fn newest(package: &Package, reply: &Reply) -> Attribute {
    let later = |before: Live, differs: bool| {
        let after = Want::Later("the newest there is".into());
        Attribute { name: "version".into(), before, after, differs, note: None }
    };
    let Some(installed) = package.installed() else { return later(half(package), true) };
    let live = Live::Known(Value::text(&installed.version));
    let candidates = match reply.text("candidate") {
        Ok(Some(text)) => text,
        Ok(None) => {
            let reason = "no repository the package cache knows of has it";
            return later(Live::Unknown(reason.into()), false);
        }
        Err(reason) => return later(Live::Unknown(reason), false),
    };
    let trimmed = |version: &str| match package.is_deb() {
        true => version.to_string(),
        false => version.strip_prefix("0:").unwrap_or(version).to_string(),
    };
    let newest = candidates.lines().max_by(|a, b| package.compare(a, b)).map(trimmed);
    match newest {
        Some(newest) if package.compare(&newest, &installed.version) == Ordering::Greater => {
            Attribute::new("version", live, Value::text(newest))
                .noted("the newest the host's package cache knows".to_string())
        }
        _ => Attribute::new("version", live.clone(), Value::text(&installed.version)),
    }
}

fn gone(args: &Args, package: &Package) -> Attribute {
    let rest = package.instances.iter().find(|i| i.status == "config-files");
    let before = match (package.installed(), half(package)) {
        (Some(instance), _) => Live::Known(Value::text(&instance.version)),
        (None, Live::Absent) if args.purge && rest.is_some() => {
            Live::Known(Value::text("config-files"))
        }
        (None, half) => half,
    };
    let differs = !matches!(before, Live::Absent);
    Attribute { name: "state".into(), before, after: Want::Absent(None), differs, note: None }
}

fn hold(package: &Package, wish: bool) -> Attribute {
    let live = match package.installed().is_none() && !package.is_held() && wish {
        true => Live::Absent,
        false => Live::Known(Value::Bool(package.is_held())),
    };
    Attribute::new("hold", live, Value::Bool(wish))
}

/// Refuses what the tool would not do, or what would do harm.
fn refuse(args: &Args, package: &Package, delta: &mut Delta) {
    let changes = delta.differing().any(|attribute| attribute.name != "hold");
    let older = args.version.as_deref().zip(package.installed());
    let older = older.filter(|_| changes && !args.allow_downgrade);
    let older = older.filter(|(wish, i)| is_downgrade(package, &i.version, wish) == Some(true));
    if delta.differing().next().is_some() && package.is_image {
        delta.refused = Some("packages of an image are not changed from outside".into());
    } else if let Some((wish, instance)) = older {
        delta.refused = Some(format!(
            "{} is installed, and {wish} is older: `allow_downgrade: true` would go back",
            instance.version
        ));
    } else if changes && args.hold.is_none() && package.is_held() {
        let by = if package.is_deb() { "apt-mark hold" } else { "versionlock" };
        delta.refused =
            Some(format!("it is held ({by}): end that by hand, or declare whether to `hold` it"));
    } else if args.hold == Some(true) && !package.is_deb() && package.locks.is_none() {
        delta.refused = Some(format!(
            "the versionlock plugin of {} is not there, or disabled: install it first ({})",
            package.tool,
            match package.tool.as_str() {
                "dnf" => "python3-dnf-plugin-versionlock",
                _ => "yum-plugin-versionlock",
            }
        ));
        delta.is_curable = true;
    }
}

/// Returns what the tool is told to do.
fn verb(args: &Args, package: &Package) -> &'static str {
    let Some(installed) = package.installed() else {
        return match (args.state, args.purge && package.is_deb()) {
            (State::Absent, true) => "purge",
            (State::Absent, false) => "remove",
            _ => "install",
        };
    };
    let older = args.version.as_deref().and_then(|w| is_downgrade(package, &installed.version, w));
    match (args.state, package.is_deb()) {
        (State::Absent, true) if args.purge => "purge",
        (State::Absent, _) => "remove",
        (_, true) => "install",
        // dnf's `install` goes back without a word.
        (_, false) if !args.allow_downgrade => "upgrade",
        (_, false) if older == Some(true) => "downgrade",
        (_, false) => "install",
    }
}

/// Returns the package as the tool takes it, with the version where one is declared.
fn target(args: &Args, package: &Package) -> String {
    let name = &args.name;
    match (&args.version, package.is_deb()) {
        (None, _) => name.clone(),
        (Some(version), true) => format!("{name}={version}"),
        (Some(version), false) => {
            let bare = bare(name);
            format!("{bare}-{version}{}", &name[bare.len()..])
        }
    }
}

fn call(args: &Args, package: &Package, verb: &str, target: &str) -> Action {
    let installs = !matches!(verb, "remove" | "purge" | "hold" | "unhold");
    let mut options = String::new();
    let mut option = |is_on: bool, letter: char| options.extend(is_on.then_some(letter));
    option(installs && args.update_cache, 'u');
    option(installs && args.allow_downgrade, 'd');
    option(verb != "hold" && verb != "unhold" && args.hold.is_some() && package.is_held(), 'h');
    option(installs && args.install_recommends == Some(true), 'r');
    option(installs && args.install_recommends == Some(false), 'R');
    option(args.dependents, 'x');
    let words = [
        &package.tool,
        verb,
        target,
        &args.lock_timeout.to_string(),
        &options,
        &args.enablerepo.join(","),
        &args.disablerepo.join(","),
    ];
    Action::Host(&package::CHANGE, words.map(Argument::plain).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(tool: &str) -> Package {
        Package { tool: tool.into(), is_image: false, instances: Vec::new(), locks: None }
    }

    #[test]
    fn versions_fit_as_the_tools_take_them() {
        let (apt, dnf) = (host("apt"), host("dnf"));
        for declared in ["1:1.2-3", "1:1.2*", "1:1.?-3"] {
            assert!(fits(&apt, "1:1.2-3", declared), "{declared}");
        }
        assert!(!fits(&apt, "1:1.2-3", "1.2-3") && !fits(&apt, "1:1.2-3", "1:1.2"));
        for declared in ["1.2", "1.2-3.el9", "1:1.2", "1:1.2-3.el9", "1.2*", "1.2-*", "1:*"] {
            assert!(fits(&dnf, "1:1.2-3.el9", declared), "{declared}");
        }
        assert!(fits(&dnf, "1.2-3.el9", "0:1.2"));
        assert!(!fits(&dnf, "1.20-3.el9", "1.2") && !fits(&dnf, "1.2-3.el9", "1.2-3"));
    }

    #[test]
    fn a_downgrade_is_told_where_it_can_be() {
        let (apt, dnf) = (host("apt"), host("dnf"));
        assert_eq!(is_downgrade(&apt, "1.9", "1.10"), Some(false));
        assert_eq!(is_downgrade(&apt, "1.10", "1.9"), Some(true));
        assert_eq!(is_downgrade(&dnf, "2:1.0-1", "1.1"), Some(false));
        assert_eq!(is_downgrade(&dnf, "2:1.0-1", "1:9"), Some(true));
        assert_eq!(is_downgrade(&dnf, "1.9-1", "1.1*"), None);
        assert_eq!(is_downgrade(&dnf, "2.9-1", "10*"), None);
        assert_eq!(is_downgrade(&dnf, "10.1-1", "2.*"), Some(true));
        assert_eq!(is_downgrade(&dnf, "10.1-1", "12.*"), Some(false));
        assert_eq!(is_downgrade(&apt, "17.0.1", "17.0.*"), None);
        assert_eq!(is_downgrade(&apt, "3", "*"), None);
    }

    #[test]
    fn architectures_are_told_from_names() {
        assert_eq!(bare("libc6:i386"), "libc6");
        assert_eq!(bare("glibc.i686"), "glibc");
        assert_eq!(bare("python3.11"), "python3.11");
    }
}
