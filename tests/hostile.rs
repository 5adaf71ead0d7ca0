//! Values that break whatever is quoted badly, through every parameter of every host kind: they
//! arrive unharmed and never run, in every shell.
//!
//! For each kind the arguments of its cases are taken, each text in them is replaced by each of
//! the values, and what the kind then asks and does runs in a real shell below a scratch root. What
//! `check` refuses is not sent at all. Programs that would act on the machine itself are replaced by
//! ones that write down how they were called.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use drsync::kinds::{self, AnyKind, Decoded};
use drsync::lang::scalar::Dialect;
use drsync::lang::yaml;
use drsync::model::change::Verdict;
use drsync::model::kind_info::Home;
use drsync::model::question::{Action, Question, Reply};
use drsync::model::{Data, Node};
use drsync::reach::script::{self, Setting};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const SHELLS: [&str; 3] = ["sh", "dash", "bash"];

/// Parameters that are code because the user means them to be, and what such code is compared
/// with, which never leaves drsync.
const CODE: [&str; 10] = [
    "read",
    "run",
    "probe",
    "apply",
    "unless",
    "onlyif",
    "validate",
    "executable",
    "want",
    "expect",
];

/// Programs that act on the machine itself.
const PROGRAMS: [&str; 40] = [
    "useradd",
    "usermod",
    "userdel",
    "groupadd",
    "groupmod",
    "groupdel",
    "chpasswd",
    "systemctl",
    "apt-get",
    "apt-cache",
    "apt-mark",
    "dpkg",
    "dpkg-query",
    "rpm",
    "dnf",
    "yum",
    "hostname",
    "hostnamectl",
    "timedatectl",
    "tuned-adm",
    "modprobe",
    "rmmod",
    "mount",
    "umount",
    "update-grub",
    "grub2-mkconfig",
    "grubby",
    "crontab",
    "keytool",
    "setenforce",
    "sysctl",
    "journalctl",
    "loginctl",
    "restorecon",
    "update-ca-trust",
    "hwclock",
    "chown",
    "chgrp",
    "gpasswd",
    "visudo",
];

fn parse(name: &str, text: &str) -> Option<Node> {
    yaml::parse(&Arc::from(name), text, Dialect::Core).ok()
}

/// Arguments of a kind: those of its cases and of its manual page.
fn samples(kind: &dyn AnyKind) -> Vec<Node> {
    let name = kind.info().name;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kinds").join(name);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let cases = files.iter().filter_map(|file| {
        parse(name, &std::fs::read_to_string(file).unwrap())?.get("args").cloned()
    });
    let manual = kind.manual();
    let example = manual.split("```yaml").nth(1).and_then(|rest| rest.split("```").next());
    let example = parse(name, example.unwrap()).unwrap();
    let example = example.as_list().unwrap().iter().filter_map(|item| item.get(name).cloned());
    example.chain(cases).collect()
}

/// The paths of all scalars in `node`.
fn leaves(node: &Node, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match &node.data {
        Data::Map(map) => {
            for (key, value) in map.iter() {
                path.push(key.name.to_string());
                leaves(value, path, found);
                path.pop();
            }
        }
        Data::List(items) => {
            for (i, item) in items.iter().enumerate() {
                path.push(i.to_string());
                leaves(item, path, found);
                path.pop();
            }
        }
        _ => found.push(path.clone()),
    }
}

fn replaced(node: &Node, path: &[String], value: &str) -> Node {
    let mut node = node.clone();
    match (path, &mut node.data) {
        ([], _) => node.data = Data::Literal(Arc::from(value)),
        ([first, rest @ ..], Data::Map(map)) => {
            let slot = map.0.iter_mut().find(|(key, _)| *key.name == **first).unwrap();
            slot.1 = replaced(&slot.1, rest, value);
        }
        ([first, rest @ ..], Data::List(items)) => {
            let slot = &mut items[first.parse::<usize>().unwrap()];
            *slot = replaced(slot, rest, value);
        }
        _ => unreachable!(),
    }
    node
}

/// One way to put a value into the arguments of a kind.
struct Slot {
    kind: &'static dyn AnyKind,
    args: Node,
    path: Vec<String>,
}

impl Slot {
    /// Returns the decoded arguments with `value` in place, unless the kind refuses them.
    fn fill(&self, value: &str) -> Option<(Node, Decoded)> {
        let node = replaced(&self.args, &self.path, value);
        let args = self.kind.decode(&node).ok()?;
        self.kind.check(&args).is_empty().then_some((node, args))
    }

    /// Returns `value` as a path where the slot holds one.
    fn fit(&self, value: &str) -> String {
        let sample = self.path.iter().try_fold(&self.args, |node, part| match &node.data {
            Data::List(items) => items.get(part.parse::<usize>().ok()?),
            _ => node.get(part),
        });
        match sample.and_then(Node::as_text).is_some_and(|text| text.starts_with('/')) {
            true => format!("/srv/{}", value.trim_start_matches('/')),
            false => value.to_string(),
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.kind.info().name, self.path.join("."))
    }
}

/// Every parameter of every host kind that users declare, once: numbers of list items do not tell
/// slots apart.
fn slots() -> Vec<Slot> {
    let mut slots = BTreeMap::new();
    let declared =
        |kind: &&dyn AnyKind| kind.info().home == Home::Host && !kind.info().is_implied();
    for kind in kinds::all().iter().copied().filter(declared) {
        for args in samples(kind) {
            let mut paths = Vec::new();
            leaves(&args, &mut Vec::new(), &mut paths);
            for path in paths.into_iter().filter(|path| !CODE.contains(&&*path[0])) {
                let state = args.get("state").and_then(Node::as_text).unwrap_or("");
                let generic =
                    path.iter().map(|part| if part.parse::<u8>().is_ok() { "*" } else { part });
                let id = format!(
                    "{} {} {state}",
                    kind.info().name,
                    generic.collect::<Vec<_>>().join(".")
                );
                slots.entry(id).or_insert(Slot { kind, args: args.clone(), path });
            }
        }
    }
    slots.into_values().collect()
}

/// A scratch host.
struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Host {
        let host = Host { folder: tempfile::tempdir().unwrap() };
        for folder in [
            "root/srv",
            "root/tmp",
            "root/proc/sys/vm",
            "root/proc/self",
            "root/etc/sysctl.d",
            "root/etc/sudoers.d",
            "root/etc/cron.d",
            "root/etc/security/limits.d",
            "root/etc/systemd/system",
            "root/etc/modprobe.d",
            "root/etc/modules-load.d",
            "root/etc/default/grub.d",
            "root/etc/tuned",
            "bin",
        ] {
            std::fs::create_dir_all(host.path(folder)).unwrap();
        }
        let record = host.path("calls").display().to_string();
        for program in PROGRAMS {
            let text = format!(
                "#!/bin/sh\nprintf '%s\\0' \"${{0##*/}}\" \"$@\" >> '{record}'\n\
                 case ${{0##*/}} in chpasswd|crontab) cat >> '{record}' ;; esac\nexit 0\n"
            );
            std::fs::write(host.path("bin").join(program), text).unwrap();
            let mode = PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(host.path("bin").join(program), mode).unwrap();
        }
        for (name, text) in [
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\nhdfs:x:982:982::/srv/hdfs:/bin/sh\n"),
            ("etc/group", "root:x:0:\nhdfs:x:982:\n"),
            ("etc/shadow", "root:*:1::::::\nhdfs:!:1::::::\n"),
            ("etc/fstab", ""),
            ("etc/hosts", "127.0.0.1 localhost\n"),
            ("proc/self/mountinfo", ""),
            ("proc/modules", ""),
            ("proc/cmdline", "ro quiet\n"),
            ("proc/sys/vm/swappiness", "60\n"),
        ] {
            std::fs::write(host.path("root").join(name), text).unwrap();
        }
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the folders above every path in `node`, as a user would declare them.
    fn make_folders(&self, node: &Node) {
        let mut paths = Vec::new();
        leaves(node, &mut Vec::new(), &mut paths);
        for path in paths {
            let text = path.iter().try_fold(node, |node, part| match &node.data {
                Data::List(items) => items.get(part.parse::<usize>().ok()?),
                _ => node.get(part),
            });
            let text =
                text.and_then(Node::as_text).filter(|t| t.starts_with('/') && !t.contains(".."));
            if let Some((folder, _)) = text.and_then(|text| text.rsplit_once('/')) {
                // Names that are too long fail here as they do later.
                let _ = std::fs::create_dir_all(self.path(&format!("root{folder}")));
            }
        }
    }

    /// Runs `script`; returns what it printed.
    fn run(&self, shell: &str, script: &str) -> Vec<u8> {
        let mut child = Command::new(shell)
            .arg("-s")
            .current_dir(self.path("root/tmp"))
            .env("DRSYNC_COMMANDS", self.path("bin"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let text = script.to_string();
        let sender = std::thread::spawn(move || {
            // A shell that ends early is seen by what it did not print.
            let _ = stdin.write_all(text.as_bytes());
        });
        let output = child.wait_with_output().unwrap().stdout;
        sender.join().unwrap();
        output
    }

    fn setting(&self) -> Setting {
        Setting { root: self.path("root").display().to_string(), mark: "@m".into() }
    }

    fn ask(&self, shell: &str, questions: &[Question]) -> Vec<Reply> {
        let script = script::reading(questions, &self.setting());
        let output = self.run(shell, &script);
        let answer = script::parse(&output, "@m", questions.len(), "cut short");
        assert!(answer.is_whole, "the reply is cut: {}", String::from_utf8_lossy(&output));
        answer.replies
    }

    fn act(
        &self,
        shell: &str,
        actions: &[Action],
        questions: &[Question],
    ) -> (Option<String>, Vec<Reply>) {
        let script = script::writing(actions, questions, &self.setting());
        let output = self.run(shell, &script);
        let answer = script::parse(&output, "@m", questions.len(), "cut short");
        assert!(answer.is_whole, "the reply is cut: {}", String::from_utf8_lossy(&output));
        (answer.actions.into_iter().find_map(Result::err), answer.replies)
    }

    /// Asserts that nothing a value said was done.
    fn assert_nothing_ran(&self, what: &str) {
        for folder in ["root/tmp", "root"] {
            for canary in ["CANARY", "CANARY;", "CANARY'"] {
                assert!(!self.path(folder).join(canary).exists(), "{what}: a value was executed");
            }
        }
    }
}

/// Values that say `touch CANARY` wherever they are taken for code.
fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "$(touch CANARY)",
        "`touch CANARY`",
        "'; touch CANARY; '",
        "\"; touch CANARY; \"",
        "a\ntouch CANARY\nb",
        "a'b\"c\\d\\n%s%%",
        "; touch CANARY #",
        "& touch CANARY &",
        "${IFS}touch${IFS}CANARY",
        "-rf",
        "--help",
        "ü€𝄞 \u{a0}",
        "* ? [a-z] ~ !x {a,b}",
        " lead and trail ",
        "@m 0 end",
        "a:b|c;d",
        "x=$HOME",
        "\\",
        "/../../../CANARY",
    ]
    .map(String::from)
    .to_vec();
    values.push(format!("{}$(touch CANARY)'", "A".repeat(1 << 20)));
    values
}

/// Puts `value` into `slot` and runs everything that follows from it.
///
/// Returns whether the kind took it. Errors: how it was harmed.
fn try_value(host: &Host, slot: &Slot, value: &str, shell: &str) -> Result<bool, String> {
    let Some((node, args)) = slot.fill(value) else { return Ok(false) };
    host.make_folders(&node);
    let kind = slot.kind;
    let questions = kind.ask(&args);
    let replies = host.ask(shell, &questions);
    host.assert_nothing_ran(&slot.name());
    if let Some(Reply::Unknown(reason)) = replies.iter().find(|r| matches!(r, Reply::Unknown(_))) {
        return Err(format!("no reply: {reason}"));
    }
    let delta = kind.diff(&args, &replies);
    if delta.verdict() != Verdict::Change {
        return Ok(true);
    }
    let actions = kind.steps(&args, &delta, &replies);
    std::fs::write(host.path("calls"), "").unwrap();
    let (failure, replies) = host.act(shell, &actions, &questions);
    host.assert_nothing_ran(&slot.name());
    let calls = std::fs::read(host.path("calls")).unwrap();
    let arrived = calls.windows(value.len().max(1)).any(|part| part == value.as_bytes());
    match failure {
        // A file system's limit is the file system's to tell.
        Some(reason) if reason.contains("File name too long") => Ok(true),
        Some(_) if arrived => Ok(true),
        Some(reason) => Err(format!("failed: {reason}")),
        None if kind.diff(&args, &replies).verdict() == Verdict::InSync || arrived => Ok(true),
        // Nothing of this value is in what differs.
        None if !calls.is_empty() => Ok(true),
        None => Err(format!("did not arrive: {:?}", kind.diff(&args, &replies))),
    }
}

fn shown(value: &str) -> String {
    value.chars().take(60).collect()
}

/// Tries all values in the slots of one kind; returns what went wrong and how many were taken.
fn try_kind(slots: &[Slot], values: &[String]) -> (Vec<String>, usize) {
    let host = Host::new();
    let (mut failures, mut taken) = (Vec::new(), 0);
    for (s, slot) in slots.iter().enumerate() {
        for (v, value) in values.iter().enumerate() {
            let shell = SHELLS[(s + v) % SHELLS.len()];
            let value = &slot.fit(value);
            match try_value(&host, slot, value, shell) {
                Ok(was_taken) => taken += usize::from(was_taken),
                Err(said) => {
                    let said: String = said.chars().take(400).collect();
                    let name = slot.name();
                    failures.push(format!("{name} in {shell}, `{}`: {said}", shown(value)));
                }
            }
        }
    }
    (failures, taken)
}

#[test]
fn values_pass_unharmed_through_every_parameter_of_every_kind() {
    let (slots, values) = (slots(), values());
    let count = slots.len();
    let kinds: Vec<&[Slot]> =
        slots.chunk_by(|a, b| a.kind.info().name == b.kind.info().name).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new((Vec::new(), 0)));
    let work = || {
        while let Some(slots) = kinds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (failures, taken) = try_kind(slots, &values);
            let mut found = found.lock().unwrap();
            found.0.extend(failures);
            found.1 += taken;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (failures, taken) = found.into_inner().unwrap();
    println!("{count} parameters, {taken} values taken");
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    assert!(taken > count, "only {taken} values were taken by {count} parameters");
}

#[test]
fn any_text_passes_unharmed() {
    let slots: Vec<Slot> = slots();
    let host = Host::new();
    let mut runner =
        TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let text = proptest::string::string_regex(
        "[^\\x00]{0,40}(\\$\\(touch CANARY\\)|`touch CANARY`|'|\")?[^\\x00]{0,10}",
    )
    .unwrap();
    let strategy = (0..slots.len(), text, 0..SHELLS.len());
    let result = runner.run(&strategy, |(slot, value, shell)| {
        try_value(&host, &slots[slot], &value, SHELLS[shell])
            .map(|_| ())
            .map_err(|said| TestCaseError::fail(format!("{}: {said}", slots[slot].name())))
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
