//! Real hosts: every kind against Ansible, and what goes wrong between here and a host.
//!
//! The laboratory (`tests/lab`) is brought up by `tests/run`; without one these tests say that they
//! are skipped. They share its hosts, so they run one at a time.

#[path = "support/hosts.rs"]
mod hosts;
#[path = "support/lab.rs"]
mod lab;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use drsync::lang::list::to_json;
use drsync::lang::scalar::Dialect;
use drsync::lang::yaml;
use drsync::model::Node;
use hosts::Laboratory;
use lab::{skipped, wait_until};
use serde_json::{Value, json};
use support::{Ran, repository};

/// One test at a time: they share the hosts.
static ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What one kind does in the laboratory.
struct Case {
    kind: String,
    prepare: String,
    resources: Vec<Value>,
    ansible: Vec<Value>,
    breaks: String,
    drift: Vec<String>,
    /// What Ansible has no module for: drsync may still find it different after Ansible.
    beyond_ansible: Vec<String>,
}

impl Case {
    fn read(file: &Path) -> Case {
        let text = std::fs::read_to_string(file).unwrap();
        let name: Arc<str> = Arc::from(file.display().to_string());
        let page =
            yaml::parse(&name, &text, Dialect::Core).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let text =
            |key: &str| page.get(key).and_then(Node::as_text).unwrap_or_default().to_string();
        let list = |key: &str| match page.get(key).map(to_json) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let words = |key: &str| list(key).iter().map(|w| w.as_str().unwrap().to_string()).collect();
        Case {
            kind: file.file_stem().unwrap().to_string_lossy().into_owned(),
            prepare: text("prepare"),
            resources: list("resources"),
            ansible: list("ansible"),
            breaks: text("break"),
            drift: words("drift"),
            beyond_ansible: words("beyond_ansible"),
        }
    }

    fn all() -> Vec<Case> {
        let folder = repository().join("tests/lab/cases");
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let only = std::env::var("DRSYNC_LAB_KINDS").unwrap_or_default();
        let cases = files.iter().map(|file| Case::read(file));
        cases.filter(|case| only.is_empty() || only.split(',').any(|k| k == case.kind)).collect()
    }
}

fn joined<'a>(cases: &'a [Case], list: impl Fn(&'a Case) -> &'a [Value]) -> String {
    let all: Vec<&Value> = cases.iter().flat_map(list).collect();
    serde_json::to_string_pretty(&all).unwrap()
}

/// Runs a part of every case on a host, each by itself.
fn run_on(laboratory: &Laboratory, host: &str, cases: &[Case], part: impl Fn(&Case) -> &str) {
    for case in cases.iter().filter(|case| !part(case).is_empty()) {
        laboratory.on(host, part(case));
    }
}

/// Returns `kind[key]` of every instance a page tells of, by host.
fn told(page: &Value, host: &str) -> BTreeSet<String> {
    let instances = page["instances"].as_array().unwrap().iter();
    let instances = instances.filter(|item| item["host"] == host && item["verdict"] != "in sync");
    let name = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_string();
    instances.map(|item| format!("{}[{}]", name(item, "kind"), name(item, "key"))).collect()
}

#[track_caller]
fn assert_in_sync(ran: Ran, what: &str) {
    let page = ran.json();
    let summary = &page["summary"];
    let left = page["instances"].as_array().unwrap();
    assert!(left.is_empty() && ran.code == 0, "{what}: {summary}\n{left:#?}\n{}", ran.err);
}

/// The ansible-playbook of the test environment.
fn ansible() -> Option<PathBuf> {
    let path =
        std::env::var_os("DRSYNC_ANSIBLE_PLAYBOOK").map(PathBuf::from).filter(|p| p.is_file());
    if path.is_none() {
        skipped("the comparison with Ansible: DRSYNC_ANSIBLE_PLAYBOOK names no ansible-playbook");
    }
    path
}

/// Runs `tasks` on `hosts` through Ansible; returns its results by host and task.
fn play(
    laboratory: &Laboratory,
    program: &Path,
    hosts: &[&str],
    tasks: &str,
    check: bool,
) -> Value {
    let project = &laboratory.project;
    let way = |host: &&str| format!("    {host}: {}\n", laboratory.root(host));
    let inventory: String = hosts.iter().map(way).collect();
    project.file("ansible/hosts.yaml", format!("all:\n  hosts:\n{inventory}"));
    let play = format!("- hosts: all\n  gather_facts: true\n  tasks: {tasks}\n");
    project.file("ansible/play.yaml", play);
    let mut command = laboratory.inside(program.to_str().unwrap());
    command
        .args(["-i", "hosts.yaml", "play.yaml"])
        .args(check.then_some(["--check", "--diff"]).into_iter().flatten())
        .current_dir(project.path("ansible"))
        .env("HOME", project.path("home"))
        .env("LC_ALL", "C.UTF-8")
        .env("ANSIBLE_STDOUT_CALLBACK", "ansible.posix.json")
        .env("ANSIBLE_PIPELINING", "True")
        .env("ANSIBLE_SSH_ARGS", "-o ControlMaster=no")
        .env("ANSIBLE_NOCOLOR", "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let start = said.find('{').unwrap_or(0);
    let page: Value = serde_json::from_str(&said[start..]).unwrap_or_else(|error| {
        panic!("{error}\n{said}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    for host in hosts {
        let stats = &page["stats"][host];
        let bad = stats["failures"].as_u64().unwrap() + stats["unreachable"].as_u64().unwrap();
        assert!(bad == 0, "Ansible failed on {host}: {:#?}", bad_tasks(&page, host));
    }
    page
}

fn results<'a>(page: &'a Value, host: &'a str) -> impl Iterator<Item = (String, &'a Value)> {
    let tasks = page["plays"][0]["tasks"].as_array().unwrap().iter();
    tasks.filter_map(move |task| {
        let result = task["hosts"].get(host)?;
        Some((task["task"]["name"].as_str().unwrap_or_default().to_string(), result))
    })
}

fn bad_tasks(page: &Value, host: &str) -> Vec<String> {
    let is_bad = |result: &Value| result["failed"] == true || result["unreachable"] == true;
    results(page, host).filter(|(_, r)| is_bad(r)).map(|(n, r)| format!("{n}: {r}")).collect()
}

fn changed(page: &Value, host: &str) -> Vec<String> {
    let changed = results(page, host).filter(|(_, result)| result["changed"] == true);
    changed.map(|(name, r)| format!("{name}: {} {}", r["diff"], r["invocation"])).collect()
}

/// For every kind: apply then plan is empty; what is broken by hand is named and restored; and
/// Ansible agrees, whoever was first.
#[test]
fn p5_every_kind_converges_names_what_was_broken_and_agrees_with_ansible() {
    let _alone = alone();
    let Some(laboratory) = Laboratory::find() else { return };
    let cases = Case::all();
    let (ours, theirs) = (["pri-01", "dr-01"], ["pri-02", "dr-02"]);
    let resources = joined(&cases, |case| &case.resources);
    for host in ours.iter().chain(&theirs) {
        run_on(&laboratory, host, &cases, |case| &case.prepare);
    }
    let ways = |hosts: &[&'static str]| -> Vec<(&'static str, String)> {
        hosts.iter().map(|host| (*host, laboratory.root(host))).collect()
    };
    laboratory.inventory(&ways(&ours), &resources);
    laboratory.drsync(&["apply", "--yes"]).expect(0);
    assert_in_sync(laboratory.drsync(&["plan", "--json"]), "after an apply");

    for host in ours {
        run_on(&laboratory, host, &cases, |case| &case.breaks);
    }
    let page = laboratory.drsync(&["drift", "--json"]).expect(2).json();
    let due: BTreeSet<String> = cases.iter().flat_map(|case| case.drift.clone()).collect();
    for host in ours {
        let found = told(&page, host);
        let missed: Vec<_> = due.difference(&found).collect();
        let extra: Vec<_> = found.difference(&due).collect();
        assert!(
            missed.is_empty() && extra.is_empty(),
            "{host}: not named {missed:?}, beside {extra:?}\n{page:#}"
        );
    }
    laboratory.drsync(&["apply", "--yes"]).expect(0);
    assert_in_sync(laboratory.drsync(&["plan", "--json"]), "after what was broken is restored");

    if let Some(program) = ansible() {
        let tasks = joined(&cases, |case| &case.ansible);
        let page = play(&laboratory, &program, &ours, &tasks, true);
        for host in ours {
            let changed = changed(&page, host);
            assert!(changed.is_empty(), "{host}: Ansible would change\n{}", changed.join("\n"));
        }
        play(&laboratory, &program, &theirs, &tasks, false);
        let known: Vec<Case> = cases.into_iter().filter(|case| !case.ansible.is_empty()).collect();
        let beyond: BTreeSet<String> =
            known.iter().flat_map(|c| c.beyond_ansible.clone()).collect();
        laboratory.inventory(&ways(&theirs), &joined(&known, |case| &case.resources));
        let page = laboratory.drsync(&["plan", "--json"]).expect(0).json();
        for host in theirs {
            let left: Vec<_> = told(&page, host).difference(&beyond).cloned().collect();
            assert!(
                left.is_empty(),
                "{host}: after Ansible drsync would change {left:?}\n{page:#}"
            );
        }
    }
    ours.iter().for_each(|host| laboratory.assert_no_leftovers(host));
}

/// The modules that need nothing but what a Debian host has, on real hosts.
#[test]
fn p4_modules_converge_on_real_hosts_of_both_sides() {
    let _alone = alone();
    let Some(laboratory) = Laboratory::find() else { return };
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["lab.example.com".to_string()]).unwrap();
    let pem = parameters.self_signed(&key).unwrap().pem();
    let resources = json!([
        { "cdp-host-prerequisites": {
            "family": "debian", "timezone": "UTC", "kerberos": false, "nscd": false,
            "hosts_entries": [{ "address": "10.99.9.9", "names": ["dn09.example.com", "dn09"] }],
        } },
        { "service-accounts": { "family": "debian", "gids": { "hadoop": 980 } } },
        { "tls-hosts": {
            "family": "debian", "authority": pem, "certificate": pem, "key": key.serialize_pem(),
            "check_names": ["lab.example.com"], "readers": ["hdfs", "hive"],
        } },
    ]);
    let hosts = ["pri-03", "dr-03"].map(|host| (host, laboratory.root(host)));
    laboratory.inventory(&hosts, &resources.to_string());
    laboratory.drsync(&["apply", "--yes"]).expect(0);
    assert_in_sync(laboratory.drsync(&["plan", "--json"]), "after the modules");
    let shown = "id -Gn yarn; getent passwd cloudera-scm; cat /proc/sys/vm/swappiness";
    let said = laboratory.on("pri-03", shown);
    // One module makes hosts of both sides alike.
    assert_eq!(said, laboratory.on("dr-03", shown));
    assert!(said.contains("hadoop") && said.contains("spark"), "{said}");
    assert!(said.contains("/var/lib/cloudera-scm-server:/usr/sbin/nologin"), "{said}");
    assert!(said.ends_with("\n1\n"), "{said}");
}

/// A file that is different on every host, so that an apply has something to do.
fn file(path: &str, content: &str) -> String {
    json!([{ "os.file": { "path": path, "content": content, "mode": "0644" } }]).to_string()
}

fn outcome<'a>(page: &'a Value, host: &str) -> &'a Value {
    let instances = page["instances"].as_array().unwrap().iter();
    let mut mine =
        instances.filter(|item| item["address"].as_str().unwrap().contains(&format!("/{host}/")));
    mine.next_back().unwrap_or_else(|| panic!("nothing of {host}: {page:#}"))
}

#[track_caller]
fn assert_failed(page: &Value, host: &str, words: &str) {
    let outcome = outcome(page, host);
    let reason = outcome["reason"].as_str().unwrap_or_default();
    assert_eq!(outcome["outcome"], "failed", "{host}: {outcome}");
    assert!(reason.contains(words), "{host}: `{words}` is not in `{reason}`");
}

#[track_caller]
fn unread(page: &Value, host: &str) -> String {
    let reason = page["coverage"]["hosts"]["unread"][host].as_str();
    reason.unwrap_or_else(|| panic!("{host} was read: {page:#}")).to_string()
}

/// Logins of every sort on real hosts: each is read, or told why not, and none spoils another.
#[test]
fn logins_of_every_sort_are_read_or_told_apart() {
    let _alone = alone();
    let Some(laboratory) = Laboratory::find() else { return };
    let wrong = format!("[x]:1 {}", std::fs::read_to_string(laboratory.path("key.pub")).unwrap());
    let address = &laboratory.hosts[2].1;
    laboratory.project.file("wrong", wrong.replace("[x]:1", address));
    let wrong = laboratory.project.path("wrong").display().to_string();
    let wrong = format!("ansible_ssh_common_args: '-o UserKnownHostsFile={wrong}'");
    let (third, sudo) = (laboratory.hosts[2].0.clone(), "ansible_become: true");
    let way = |user: &str| laboratory.way("pri-01", user, sudo);
    laboratory.inventory(
        &[
            ("pri-plain", way("ops")),
            ("pri-csh", way("cshuser")),
            ("pri-fish", way("fishuser")),
            ("pri-slow", way("slow")),
            ("pri-nosudo", way("nosudo")),
            ("pri-tty", way("tty")),
            ("dr-wrong-key", laboratory.way(&third, "ops", &wrong)),
        ],
        "- os.file: { path: /etc/shadow, mode: \"0640\", owner: root }\n",
    );
    let page = laboratory.drsync(&["plan", "--json", "--timings"]).expect(4).json();
    assert_eq!(page["coverage"]["hosts"]["read"], 4, "{page:#}");
    assert_eq!(page["summary"]["in_sync"], 4, "{page:#}");
    assert!(unread(&page, "pri-nosudo").contains("sudo"), "{page:#}");
    assert!(unread(&page, "pri-tty").contains("requiretty"), "{page:#}");
    assert!(unread(&page, "dr-wrong-key").contains("host key"), "{page:#}");
}

/// An sshd that allows little: plans and applies go through all the same.
#[test]
fn narrow_servers_are_waited_for() {
    let _alone = alone();
    let Some(laboratory) = Laboratory::find() else { return };
    let narrow = "printf 'MaxSessions 2\\nMaxStartups 2:100:2\\n' > /etc/ssh/sshd_config.d/narrow.conf\nsystemctl reload ssh";
    laboratory.on("pri-03", narrow);
    let names: Vec<String> = (0..12).map(|i| format!("pri-{i:02}")).collect();
    let hosts: Vec<(&str, String)> =
        names.iter().map(|name| (&**name, laboratory.root("pri-03"))).collect();
    let resources = "- os.file: { path: '/srv/narrow-{{ inventory_hostname }}-{{ item }}', content: x }\n  loop: [1, 2, 3]\n";
    laboratory.inventory(&hosts, resources);
    let planned = laboratory.drsync(&["plan", "--json"]);
    let applied = laboratory.drsync(&["apply", "--yes", "--json"]);
    laboratory.on(
        "pri-03",
        "rm /etc/ssh/sshd_config.d/narrow.conf; systemctl reload ssh; rm -f /srv/narrow-*",
    );
    let page = planned.expect(0).json();
    assert_eq!(page["coverage"]["hosts"]["read"], 12, "{page:#}");
    let page = applied.expect(0).json();
    assert_eq!(page["summary"]["changed"], 36, "{page:#}");
}

/// No room, and a file system that takes no writes: the step fails with the system's words, what
/// was there stays whole, and others go on.
#[test]
fn full_and_read_only_file_systems_fail_the_step_and_lose_nothing() {
    let _alone = alone();
    let Some(laboratory) = Laboratory::find() else { return };
    laboratory.on("pri-03", "mkdir -p /srv/full && mount -t tmpfs -o size=64k tmpfs /srv/full && echo old > /srv/full/file");
    laboratory.on("dr-02", "mkdir -p /srv/full && echo old > /srv/full/file && mount --bind / /mnt && mount -o remount,bind,ro / 2>/dev/null || { mount --bind /srv /srv && mount -o remount,bind,ro /srv; }; umount /mnt || :");
    laboratory.on("dr-03", "mkdir -p /srv/full && echo old > /srv/full/file");
    let hosts = ["pri-03", "dr-02", "dr-03"].map(|host| (host, laboratory.root(host)));
    laboratory.inventory(&hosts, &file("/srv/full/file", &"new ".repeat(64 << 10)));
    // What fails on one side holds back the other.
    let page = laboratory.drsync(&["apply", "--yes", "--json", "--side", "dr"]).expect(3).json();
    assert_eq!(outcome(&page, "dr-03")["outcome"], "changed", "{page:#}");
    assert_failed(&page, "dr-02", "Read-only file system");
    let page =
        laboratory.drsync(&["apply", "--yes", "--json", "--side", "primary"]).expect(1).json();
    assert_failed(&page, "pri-03", "No space left on device");
    for host in ["pri-03", "dr-02"] {
        assert_eq!(laboratory.on(host, "cat /srv/full/file; ls -A /srv/full"), "old\nfile\n");
    }
    laboratory.on("pri-03", "umount /srv/full");
    laboratory.on(
        "dr-02",
        "mount -o remount,bind,rw / ; umount /srv 2>/dev/null || :; touch /srv/x; rm /srv/x",
    );
    laboratory.on("dr-03", "rm -r /srv/full");
}

/// Waits until a host runs something whose command line has `words`.
fn wait_for(laboratory: &Laboratory, host: &str, words: &str) -> String {
    // The brackets keep pgrep from finding the shell it is called by.
    let script = format!("pgrep -f '[{}]{}' || :", &words[..1], &words[1..]);
    let mut found = String::new();
    let end = Instant::now() + Duration::from_secs(20);
    while found.is_empty() {
        assert!(Instant::now() < end, "`{words}` never ran on {host}");
        found = laboratory.on(host, &script).trim().to_string();
    }
    found
}

/// A resource whose read and write take as many seconds as said, unless they are done already.
fn slow(read: u8, write: u8) -> String {
    json!([{ "os.command": {
        "name": "slow",
        "read": format!("sleep {read}.125; cat /srv/slow 2>/dev/null || :"),
        "expect": "done",
        "run": format!("sleep {write}.25; echo done > /srv/slow"),
    } }])
    .to_string()
}

fn finish(child: std::process::Child) -> Ran {
    support::ran(child.wait_with_output().unwrap())
}

/// A link that is cut while a plan reads, and while an apply writes.
#[test]
fn a_cut_link_costs_its_own_host_only() {
    let _alone = alone();
    let Some(laboratory) = Laboratory::find() else { return };
    let quick = "-o ServerAliveInterval=1 -o ServerAliveCountMax=3";
    let known = laboratory.path("known_hosts");
    let more = format!(
        "ansible_become: true, ansible_ssh_common_args: '-o UserKnownHostsFile={known} {quick}'"
    );
    let way = |host: &str| laboratory.way(host, "ops", &more);
    laboratory.inventory(&[("pri-01", way("pri-01")), ("dr-03", way("dr-03"))], &slow(3, 3));

    let child = laboratory.start(&["plan", "--json", "--command-timeout", "20"]);
    wait_for(&laboratory, "dr-03", "sleep 3.125");
    laboratory.link("dr-03", "down");
    let ran = finish(child);
    laboratory.link("dr-03", "up");
    let page = ran.expect(4).json();
    assert_eq!(page["coverage"]["hosts"]["read"], 1, "{page:#}");
    unread(&page, "dr-03");

    let words = ["apply", "--yes", "--json", "--command-timeout", "20", "--parallel", "2"];
    let child = laboratory.start(&words);
    wait_for(&laboratory, "dr-03", "sleep 3.25");
    laboratory.link("dr-03", "down");
    let ran = finish(child);
    laboratory.link("dr-03", "up");
    let page = ran.expect(1).json();
    assert_failed(&page, "dr-03", "unknown");
    // What was under way on the host ends by itself; then looking tells what became of it.
    wait_until(Duration::from_secs(10), || laboratory.on("dr-03", "ls /srv").contains("slow"));
    laboratory.drsync(&["apply", "--yes"]).expect(0);
    assert_in_sync(laboratory.drsync(&["plan", "--json"]), "after the link is back");
    for host in ["pri-01", "dr-03"] {
        laboratory.assert_no_leftovers(host);
        laboratory.on(host, "rm -f /srv/slow");
    }
}

/// The remote shell is killed half-way through a write: told, nothing half-written, mended by the
/// next apply.
#[test]
fn a_killed_remote_shell_is_told_and_mended() {
    let _alone = alone();
    let Some(laboratory) = Laboratory::find() else { return };
    let hosts = ["pri-01", "dr-03"].map(|host| (host, laboratory.root(host)));
    laboratory.inventory(&hosts, &slow(0, 3));
    let child = laboratory.start(&["apply", "--yes", "--json"]);
    let sleeping = wait_for(&laboratory, "dr-03", "sleep 3.25");
    let parents = format!(
        "for p in {sleeping}; do q=$(ps -o ppid= -p $p) && kill -KILL $q $p || :; done",
        sleeping = sleeping.replace('\n', " ")
    );
    laboratory.on("dr-03", &parents);
    let page = finish(child).expect(1).json();
    assert_eq!(outcome(&page, "dr-03")["outcome"], "failed", "{page:#}");
    laboratory.drsync(&["apply", "--yes"]).expect(0);
    assert_in_sync(laboratory.drsync(&["plan", "--json"]), "after another apply");
    for host in ["pri-01", "dr-03"] {
        laboratory.assert_no_leftovers(host);
        laboratory.on(host, "rm -f /srv/slow");
    }
}

/// Hosts that are down: refused, silent, and gone while others are read.
#[test]
fn hosts_that_are_down_are_told_and_others_unaffected() {
    let _alone = alone();
    let Some(laboratory) = Laboratory::find() else { return };
    laboratory.on("pri-03", "systemctl stop ssh.socket 2>/dev/null || :; systemctl stop ssh");
    laboratory.link("dr-03", "down");
    let hosts = ["pri-01", "pri-03", "dr-01", "dr-03"].map(|host| (host, laboratory.root(host)));
    laboratory.inventory(&hosts, &file("/srv/up", "yes\n"));
    let before = Instant::now();
    let planned = laboratory.drsync(&["plan", "--json", "--connect-timeout", "3"]);
    let took = before.elapsed();
    let applied = laboratory.drsync(&[
        "apply",
        "--yes",
        "--json",
        "--connect-timeout",
        "3",
        "--allow-incomplete",
    ]);
    laboratory.link("dr-03", "up");
    laboratory.on("pri-03", "systemctl start ssh");
    let page = planned.expect(4).json();
    assert_eq!(page["coverage"]["hosts"]["read"], 2, "{page:#}");
    assert!(unread(&page, "pri-03").contains("refused"), "{page:#}");
    assert!(
        unread(&page, "dr-03").contains("timed out") || unread(&page, "dr-03").contains("No route"),
        "{page:#}"
    );
    assert!(took < Duration::from_secs(15), "{took:?}");
    // What could not be read was allowed to be missing; it is told all the same.
    let page = applied.expect(0).json();
    for host in ["pri-01", "dr-01"] {
        assert_eq!(outcome(&page, host)["outcome"], "changed", "{page:#}");
        laboratory.on(host, "rm /srv/up");
    }
    assert_failed(&page, "dr-03", "could not be read");
}

/// What no privilege changes is a failure in the kernel's words.
#[test]
fn a_parameter_the_kernel_does_not_let_go_fails_in_its_words() {
    let _alone = alone();
    let Some(laboratory) = Laboratory::find() else { return };
    let resources = "- os.sysctl: { name: kernel.pid_max, value: 4194303 }\n- os.sysctl: { name: net.core.somaxconn, value: 16001 }\n";
    laboratory.inventory(&[("dr-03", laboratory.root("dr-03"))], resources);
    let page = laboratory.drsync(&["apply", "--yes", "--json"]).expect(3).json();
    let instances = page["instances"].as_array().unwrap();
    let failed = instances.iter().find(|item| item["outcome"] == "failed").unwrap();
    assert!(failed["reason"].as_str().unwrap().contains("Read-only file system"), "{page:#}");
    let live = laboratory.on("dr-03", "cat /proc/sys/net/core/somaxconn");
    assert_eq!(live.trim(), "16001");
    laboratory.on("dr-03", "rm -f /etc/sysctl.d/90-drsync.conf");
}
