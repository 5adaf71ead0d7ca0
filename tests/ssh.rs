//! Plans and applies over real SSH: an sshd on the loopback, a user of its own, sudo.

#[path = "support/lab.rs"]
mod lab;
mod support;

use std::fmt::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use lab::{Lab, find, free_port, make_key, signal, skipped, stalling, wait_until};
use serde_json::Value;
use support::{Ran, ran};

const BECOME: &str = "ansible_become: true";

fn plain() -> String {
    "{}".into()
}

fn root() -> String {
    format!("{{ {BECOME} }}")
}

/// Returns text quoted for YAML.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Returns the instances a page tells of, those in sync left out: host, address, verdict.
fn told(page: &Value) -> Vec<(String, String, String)> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_string();
    let instances = page["instances"].as_array().unwrap().iter();
    let instances = instances.filter(|item| item["verdict"] != "in sync");
    instances
        .map(|item| {
            let what = format!("{}[{}]", text(item, "kind"), text(item, "key"));
            (text(item, "host"), what, text(item, "verdict"))
        })
        .collect()
}

/// Returns what is told of one host.
fn of<'a>(told: &'a [(String, String, String)], host: &str) -> Vec<(&'a str, &'a str)> {
    let mine = told.iter().filter(|(name, ..)| name == host);
    mine.map(|(_, what, verdict)| (&**what, &**verdict)).collect()
}

/// Returns why a whole host could not be read.
#[track_caller]
fn why(page: &Value, host: &str) -> String {
    let reason = page["coverage"]["hosts"]["unread"][host].as_str();
    reason.unwrap_or_else(|| panic!("{host} was read: {page:#}")).to_string()
}

/// Resources that are in sync on this machine as it is, read by the test itself.
fn as_it_is(count: usize) -> (String, usize) {
    let mut text = String::new();
    let mut files: Vec<_> = std::fs::read_dir("/etc").unwrap().flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let files = files
        .iter()
        .map(std::fs::DirEntry::path)
        .filter(|path| path.symlink_metadata().is_ok_and(|found| found.is_file()));
    let mut made = 0;
    for path in files.take(count) {
        let mode = path.metadata().unwrap().mode() & 0o7777;
        let path = quoted(&path.display().to_string());
        writeln!(text, "- os.file: {{ path: {path}, mode: \"{mode:04o}\", owner: root }}").unwrap();
        made += 1;
    }
    (text, made)
}

#[test]
fn a_plan_reads_the_real_machine_with_one_command_per_host() {
    let Some(lab) = Lab::new() else { return };
    let live = |name: &str| std::fs::read_to_string(format!("/proc/sys/{name}")).unwrap();
    let swappiness = live("vm/swappiness").trim().to_string();
    let ports = live("net/ipv4/ip_local_port_range");
    let hostname = Path::new("/etc/hostname").metadata().unwrap().mode() & 0o7777;
    let (files, made) = as_it_is(36);
    let resources = format!(
        "- os.sysctl: {{ name: vm.swappiness, value: \"{swappiness}\" }}\n\
         - os.sysctl: {{ name: net.ipv4.ip_local_port_range, value: \"1 2\" }}\n\
         - os.file: {{ path: /etc/hostname, mode: \"{hostname:04o}\", owner: root, group: root }}\n\
         - os.file: {{ path: /no/such/folder/file, state: absent }}\n{}",
        files.replace("- os.file: { path: \"/etc/hostname\"", "# - os.file: { path: \"\"")
    );
    lab.inventory(&[("plain", plain()), ("root", root())], &resources);
    let page = lab.drsync(&["plan", "--json", "--timings"]).expect(0).json();

    assert_eq!(page["coverage"]["hosts"]["read"], 2, "{page:#}");
    for host in ["plain", "root"] {
        assert_eq!(page["timings"]["hosts"][host]["execs"], 1, "{page:#}");
    }
    assert_eq!(lab.execs(), 2, "{}", lab.log());
    let in_sync = page["summary"]["in_sync"].as_u64().unwrap();
    assert!(in_sync >= 2 * (made as u64), "{page:#}");
    for instance in page["instances"].as_array().unwrap() {
        let runtime = |name: &str| {
            let attributes = instance["attributes"].as_array().unwrap();
            attributes.iter().find(|attribute| attribute["name"] == name).cloned()
        };
        match instance["key"].as_str().unwrap() {
            // The value is live already; what the next boot brings is another matter.
            "vm.swappiness" => assert_eq!(runtime("runtime"), None, "{instance:#}"),
            "net.ipv4.ip_local_port_range" => {
                let fields: Vec<&str> = ports.split_whitespace().collect();
                assert_eq!(runtime("runtime").unwrap()["before"], fields.join(" "));
            }
            other => panic!("{other} differs: {instance:#}"),
        }
    }
}

/// Content that breaks everything that is quoted badly anywhere on its way.
const AWKWARD: &str = "it's \"quoted\" $(id) `id` ${HOME} \\n \\\\ %s %% \\x41\n\n\ttab \u{fc} \u{20ac} \
                       \u{1f600}\n-n\n'\\''\n#!EOF\n@drsync 0 stat absent 0\n";
const AWKWARD_NAME: &str = "/etc/app/it's \"$(id)\" \\ -n.conf";

const UNIT: &str = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";

/// A scratch root on the host: files, units, and a kernel to set. Only root may write there: what
/// succeeds went through sudo.
fn scratch_root(lab: &Lab) -> String {
    let files = [
        ("etc/app/.keep", ""),
        ("etc/app/kept.conf", "old\n"),
        ("etc/app/gone.conf", "to be removed\n"),
        ("etc/systemd/system/lab.service", UNIT),
        ("etc/systemd/system/fleeting.service", UNIT),
        ("proc/sys/vm/swappiness", "60\n"),
        ("proc/cmdline", "quiet\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
        ("sys/kernel/mm/transparent_hugepage/defrag", "always [madvise] never\n"),
    ];
    for (name, text) in files {
        lab.project.file(&format!("target/{name}"), text);
    }
    // Enabled, but only until the next boot.
    let wants = lab.project.path("target/run/systemd/system/multi-user.target.wants");
    std::fs::create_dir_all(&wants).unwrap();
    let unit = "/etc/systemd/system/fleeting.service";
    std::os::unix::fs::symlink(unit, wants.join("fleeting.service")).unwrap();
    lab.path("target")
}

fn scratch_resources(lab: &Lab, content: &str) -> String {
    let (user, content) = (&lab.user.name, quoted(content));
    format!(
        "- os.file: {{ path: {}, content: {content}, mode: \"0640\", owner: {user}, group: {user} }}\n\
         - os.file: {{ path: /etc/app/kept.conf, content: \"no line end\", mode: \"04711\", owner: root }}\n\
         - os.file: {{ path: /etc/app/empty.conf, content: \"\" }}\n\
         - os.file: {{ path: /etc/app/gone.conf, state: absent }}\n\
         - os.file: {{ path: /etc/systemd/system/new.service, content: {} }}\n\
         - os.service: {{ name: lab, enabled: true }}\n\
         - os.service: {{ name: new.service, enabled: true }}\n\
         - os.service: {{ name: fleeting, enabled: true }}\n\
         - os.sysctl: {{ name: vm.swappiness, value: 1 }}\n\
         - os.transparent_hugepage: {{ enabled: never, defrag: never }}\n",
        quoted(AWKWARD_NAME),
        quoted(UNIT)
    )
}

/// Returns the names of all files below `folder`.
fn names_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(names_below(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[track_caller]
fn assert_no_leftovers(lab: &Lab) {
    let names = names_below(&lab.project.path("target"));
    let left: Vec<&String> = names.iter().filter(|name| name.contains(".drsync.")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_apply_through_sudo_is_exact_and_drift_names_what_was_broken() {
    let Some(lab) = Lab::new() else { return };
    if find("systemctl").is_none() {
        return skipped("enabling units needs systemctl, not installed here");
    }
    let target = scratch_root(&lab);
    let vars = format!("{{ {BECOME}, drsync_root: {target} }}");
    lab.inventory(&[("scratch", vars)], &scratch_resources(&lab, AWKWARD));
    lab.drsync(&["apply", "--yes"]).expect(0);
    lab.drsync(&["plan", "--detailed-exitcode"]).expect(0);

    let stat = |name: &str| std::fs::metadata(format!("{target}{name}")).unwrap();
    assert_eq!(lab.project.read(&format!("target{AWKWARD_NAME}")), AWKWARD);
    let awkward = stat(AWKWARD_NAME);
    let login = stat("/../login");
    assert_eq!((awkward.mode() & 0o7777, login.uid()), (0o640, 0));
    assert_ne!((awkward.uid(), awkward.gid()), (0, 0));
    assert_eq!(lab.project.read("target/etc/app/kept.conf"), "no line end");
    assert_eq!(stat("/etc/app/kept.conf").mode() & 0o7777, 0o4711);
    assert_eq!(
        (stat("/etc/app/empty.conf").mode() & 0o7777, stat("/etc/app/empty.conf").size()),
        (0o644, 0)
    );
    assert!(!Path::new(&format!("{target}/etc/app/gone.conf")).exists());
    for unit in ["lab", "new", "fleeting"] {
        let link = format!("{target}/etc/systemd/system/multi-user.target.wants/{unit}.service");
        assert!(Path::new(&link).is_symlink(), "{link}");
    }
    assert_eq!(lab.project.read("target/proc/sys/vm/swappiness"), "1\n");
    assert_no_leftovers(&lab);

    let kept = lab.project.path("target/etc/app/kept.conf");
    std::fs::set_permissions(&kept, PermissionsExt::from_mode(0o644)).unwrap();
    let drift = lab.drsync(&["drift", "--json"]).expect(2).json();
    let expected = ("scratch".into(), "os.file[/etc/app/kept.conf]".into(), "change".into());
    assert_eq!(told(&drift), [expected]);
    lab.drsync(&["apply", "--yes"]).expect(0);
    assert_eq!(stat("/etc/app/kept.conf").mode() & 0o7777, 0o4711);
    lab.drsync(&["drift"]).expect(0);
}

#[test]
fn a_rewrite_keeps_the_owner_and_mode_it_is_not_told_to_change() {
    let Some(lab) = Lab::new() else { return };
    let file = scratch_root(&lab) + "/etc/app/kept.conf";
    // An owner this machine has no name for.
    std::os::unix::fs::chown(&file, Some(3_000_017), Some(3_000_018)).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o4750)).unwrap();
    let resources = "- os.file: { path: /etc/app/kept.conf, content: \"new\\n\" }\n";
    let vars = format!("{{ {BECOME}, drsync_root: {} }}", lab.path("target"));
    lab.inventory(&[("scratch", vars)], resources);
    lab.drsync(&["apply", "--yes"]).expect(0);
    let stat = std::fs::metadata(&file).unwrap();
    assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o7777), (3_000_017, 3_000_018, 0o4750));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "new\n");
}

#[test]
fn what_the_login_may_not_see_is_unknown_never_absent() {
    let Some(lab) = Lab::new() else { return };
    scratch_root(&lab);
    let close = |name: &str| {
        let path = lab.project.path("target").join(name);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap();
    };
    lab.project.file("target/etc/secret/inside.conf", "x\n");
    lab.project.file("target/etc/sysctl.d/10-lab.conf", "vm.swappiness = 60\n");
    ["etc/secret", "etc/sysctl.d", "etc/app/kept.conf"].into_iter().for_each(close);
    let resources = "\
        - os.file: { path: /etc/secret/inside.conf, content: \"x\\n\" }\n\
        - os.file: { path: /etc/secret/deeper/inside.conf, content: \"x\\n\" }\n\
        - os.file: { path: /etc/app/kept.conf, content: \"old\\n\" }\n\
        - os.sysctl: { name: vm.swappiness, value: 60 }\n";
    let vars = |more: &str| format!("{{ drsync_root: {}, {more} }}", lab.path("target"));
    lab.project.file("target/etc/secret/deeper/inside.conf", "x\n");
    lab.inventory(&[("root", vars(BECOME)), ("plain", vars(""))], resources);
    let page = lab.drsync(&["plan", "--json"]).expect(4).json();
    let told = told(&page);
    assert_eq!(of(&told, "root"), []);
    let plain = of(&told, "plain");
    assert_eq!(plain.len(), 4, "{page:#}");
    assert!(plain.iter().all(|(_, verdict)| *verdict == "unknown"), "{plain:?}");
    for instance in page["instances"].as_array().unwrap() {
        let attributes = instance["attributes"].as_array().unwrap();
        let reasons: String = attributes.iter().filter_map(|a| a["unknown"].as_str()).collect();
        assert!(reasons.to_lowercase().contains("permission denied"), "{instance:#}");
    }
}

/// Resources in sync on any machine, of some length when told.
fn in_sync_anywhere() -> String {
    let (mut text, _) = as_it_is(12);
    text.push_str("- os.file: { path: /no/such/file, state: absent }\n");
    if find("systemctl").is_some() {
        text.push_str("- os.service: { name: no-such-unit, enabled: false }\n");
    }
    text
}

#[test]
fn noise_and_cut_replies_leave_things_unknown_and_other_hosts_alone() {
    let Some(lab) = Lab::new() else { return };
    let exec = "exec /bin/sh \"$@\"";
    lab.shell(
        "banner",
        &format!("echo 'Welcome to this host'\nprintf 'no line end'\necho oops >&2\n{exec}"),
    );
    lab.shell(
        "loud",
        &format!("head -c 3000000 /dev/zero | tr '\\0' x >&2\nhead -c 300000 /dev/zero\n{exec}"),
    );
    lab.shell(
        "binary",
        &format!("printf '\\377\\0\\n@drsync-000000000000 begin\\n@drsync'\n{exec}"),
    );
    lab.shell("late", "/bin/sh \"$@\"\necho bye\necho bye >&2");
    lab.shell("exits", "exit 3");
    lab.shell("silent", "exit 0");
    lab.shell("complains", "echo 'This account is not available.' >&2\nexit 1");
    let mut hosts = vec![("good".to_string(), plain())];
    let working = ["banner", "loud", "binary", "late"];
    let broken = ["exits", "silent", "complains"];
    for name in working.iter().chain(&broken) {
        hosts.push((name.to_string(), lab.logging_in_as(name, "")));
    }
    let cuts: Vec<usize> = (0..=4000).step_by(250).chain([1, 40, 90, 130, 190]).collect();
    for cut in &cuts {
        let name = format!("cut-{cut}");
        lab.shell(&name, &format!("/bin/sh \"$@\" | head -c {cut}"));
        hosts.push((name.clone(), lab.logging_in_as(&name, "")));
    }
    let hosts: Vec<(&str, String)> =
        hosts.iter().map(|(name, vars)| (&**name, vars.clone())).collect();
    lab.inventory(&hosts, &in_sync_anywhere());
    let page = lab.drsync(&["plan", "--json", "--parallel", "8"]).expect(4).json();

    let told = told(&page);
    assert!(told.iter().all(|(.., verdict)| verdict == "unknown"), "{page:#}");
    assert_eq!(page["summary"]["add"], 0);
    for name in ["good"].iter().chain(&working) {
        assert_eq!(of(&told, name), [], "{page:#}");
    }
    assert!(why(&page, "exits").contains("status 3"), "{page:#}");
    assert!(why(&page, "complains").contains("not available"), "{page:#}");
    assert!(!why(&page, "silent").is_empty());
    assert_cuts_lose_only_their_end(&told, cuts);
}

/// The more of a reply arrives, the less is unknown; and each sort of end was met.
fn assert_cuts_lose_only_their_end(told: &[(String, String, String)], mut cuts: Vec<usize>) {
    cuts.sort_unstable();
    let unknown: Vec<usize> =
        cuts.iter().map(|cut| of(told, &format!("cut-{cut}")).len()).collect();
    assert!(unknown.is_sorted_by(|a, b| a >= b), "{cuts:?} {unknown:?}");
    let (all, none) = (unknown[0], *unknown.last().unwrap());
    assert!(all >= 13 && none == 0 && unknown.iter().any(|n| *n > 0 && *n < all), "{unknown:?}");
}

#[test]
fn a_login_without_sudo_is_told_so() {
    let Some(lab) = Lab::new() else { return };
    lab.user.lose_sudo();
    lab.inventory(&[("plain", plain()), ("root", root())], &in_sync_anywhere());
    let page = lab.drsync(&["plan", "--json"]).expect(4).json();
    assert_eq!(of(&told(&page), "plain"), []);
    assert!(why(&page, "root").contains("sudo"), "{page:#}");
    let apply = lab.drsync(&["apply", "--yes"]).expect(4);
    assert!(apply.out.contains("sudo"), "{}", apply.all());
}

#[test]
fn hosts_that_cannot_be_reached_are_unknown_and_others_unaffected() {
    let Some(lab) = Lab::new() else { return };
    lab.project.file("ssh/nobody", "");
    make_key(&lab.project.path("ssh/other"));
    let other = lab.project.read("ssh/other.pub");
    lab.project.file("ssh/changed", format!("[127.0.0.1]:{} {other}", lab.port()));
    let known = |file: &str| {
        format!("{{ ansible_ssh_common_args: \"-o UserKnownHostsFile={}\" }}", lab.path(file))
    };
    let hosts = [
        ("good", plain()),
        ("stranger", known("ssh/nobody")),
        ("changed", known("ssh/changed")),
        ("refused", format!("{{ ansible_ssh_private_key_file: {} }}", lab.path("ssh/other"))),
        ("deaf", format!("{{ ansible_port: {} }}", free_port())),
        ("nameless", "{ ansible_host: no-such-host.invalid }".into()),
    ];
    lab.inventory(&hosts, &in_sync_anywhere());
    let page = lab.drsync(&["plan", "--json"]).expect(4).json();
    let told = told(&page);
    assert_eq!(of(&told, "good"), [], "{page:#}");
    assert!(told.iter().all(|(.., verdict)| verdict == "unknown"), "{page:#}");
    let reasons = [
        ("stranger", "--accept-new-host-keys"),
        ("changed", &format!("ssh-keygen -R '[127.0.0.1]:{}'", lab.port())),
        ("refused", "login refused"),
        ("deaf", "Connection refused"),
        ("nameless", "no-such-host.invalid"),
    ];
    for (host, expected) in reasons {
        let reason = why(&page, host);
        assert!(reason.contains(expected), "{host}: {reason}");
        assert!(reason.lines().count() <= 2 && !reason.contains("@@@@"), "{host}: {reason}");
    }

    let page = lab.drsync(&["plan", "--json", "--accept-new-host-keys"]).expect(4).json();
    assert_eq!(page["coverage"]["hosts"]["read"], 2, "{page:#}");
    assert!(lab.project.read("ssh/nobody").contains("ssh-ed25519"));
    // A key that changed is never taken.
    assert!(why(&page, "changed").contains("known_hosts"), "{page:#}");
    // From now on the stranger is known.
    let page = lab.drsync(&["plan", "--json"]).expect(4).json();
    assert_eq!(page["coverage"]["hosts"]["read"], 2, "{page:#}");
}

#[test]
fn a_host_that_takes_too_long_is_unknown() {
    let Some(lab) = Lab::new() else { return };
    lab.shell("sleeps", "sleep 40; exec /bin/sh \"$@\"");
    // `sh` itself is slow: what the remote `timeout` is there for.
    let slow = "#!/bin/sh\nsleep 40\n";
    lab.project.file("slow/sh", slow);
    std::fs::set_permissions(lab.project.path("slow/sh"), PermissionsExt::from_mode(0o755))
        .unwrap();
    lab.shell("slow", &format!("PATH={}:$PATH exec /bin/sh \"$@\"", lab.path("slow")));
    let slow = |name| (name, lab.logging_in_as(name, ""));
    lab.inventory(&[("good", plain()), slow("sleeps"), slow("slow")], &in_sync_anywhere());
    let before = Instant::now();
    let page = lab.drsync(&["plan", "--json", "--command-timeout", "1"]).expect(4).json();
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
    assert_eq!(of(&told(&page), "good"), [], "{page:#}");
    for host in ["sleeps", "slow"] {
        assert!(why(&page, host).contains("too long"), "{page:#}");
    }
}

#[test]
fn a_login_that_hangs_is_given_up() {
    let Some(lab) = Lab::new() else { return };
    let alias = format!("-o HostKeyAlias=[127.0.0.1]:{}", lab.port());
    let (port, arguments) = (stalling(&lab), lab.arguments(&alias));
    let stalled = format!("{{ ansible_port: {port}, ansible_ssh_common_args: {arguments} }}");
    lab.inventory(&[("good", plain()), ("hangs", stalled)], &in_sync_anywhere());
    let page = lab.drsync(&["plan", "--json", "--connect-timeout", "1"]).expect(4).json();
    assert_eq!(of(&told(&page), "good"), [], "{page:#}");
    assert!(why(&page, "hangs").contains("no login within"), "{page:#}");
}

#[test]
fn every_login_shell_reads_the_command_alike() {
    let Some(lab) = Lab::new() else { return };
    scratch_root(&lab);
    let mut hosts = vec![("good", plain())];
    for shell in ["bash", "dash", "csh", "tcsh", "fish", "zsh", "ksh"] {
        let Some(path) = find(shell) else {
            skipped(&format!("the login shell {shell} is not installed here"));
            continue;
        };
        lab.shell(shell, &format!("exec {} \"$@\"", path.display()));
        let root = format!("{BECOME}, drsync_root: {}", lab.path("target"));
        hosts.push((shell, lab.logging_in_as(shell, &root)));
    }
    let resources = "- os.file: { path: \"/etc/app/{{ inventory_hostname }} it's\", content: \"$HOME\\n\" }\n  \
                     hosts: b\n- os.file: { path: /etc/app/kept.conf, content: \"old\\n\" }\n  hosts: b\n";
    lab.inventory(&hosts, resources);
    let page = lab.drsync(&["plan", "--json"]).expect(0).json();
    let expected: Vec<String> = hosts[1..].iter().map(|(shell, _)| (*shell).to_string()).collect();
    let changes: Vec<String> = told(&page).into_iter().map(|(host, ..)| host).collect();
    assert_eq!(changes, expected, "{page:#}");
    lab.drsync(&["apply", "--yes"]).expect(0);
    for (shell, _) in &hosts[1..] {
        assert_eq!(lab.project.read(&format!("target/etc/app/{shell} it's")), "$HOME\n");
    }
}

#[test]
fn the_users_own_configuration_and_jump_hosts_are_honoured() {
    let Some(lab) = Lab::new() else { return };
    lab.know(&["127.0.0.1", "127.0.0.2"], "ssh/host.pub");
    let common = format!(
        "IdentityFile {}\nUserKnownHostsFile {}\nUser {}\nPort {}\n",
        lab.path("ssh/user"),
        lab.path("ssh/known_hosts"),
        lab.user.name,
        lab.port()
    );
    // Loopback addresses differ, so that the jump host is not the target itself.
    let config = format!(
        "Include included\nHost bastion\nHostName 127.0.0.2\n{common}\
         Host by-alias by-jump\nHostName 127.0.0.1\n{common}Host by-jump\nProxyJump bastion\n"
    );
    lab.project.file("home/.ssh/config", config);
    let bare = "ansible_port: null, ansible_user: null, ansible_ssh_private_key_file: null";
    let alias =
        |host: &str| format!("{{ ansible_host: {host}, ansible_ssh_common_args: '', {bare} }}");
    let jump = lab.arguments("-o ProxyJump=bastion");
    let hosts = [
        ("alias", alias("by-alias")),
        ("configured", alias("by-jump")),
        ("declared", format!("{{ ansible_ssh_common_args: {jump} }}")),
        ("root", format!("{{ ansible_ssh_common_args: {jump}, {BECOME} }}")),
    ];
    lab.inventory(&hosts, &in_sync_anywhere());
    let page = lab.drsync(&["plan", "--json"]).expect(0).json();
    assert_eq!(page["coverage"]["hosts"]["read"], 4, "{page:#}");
    assert_eq!(lab.execs(), 4, "{}", lab.log());
    let forwarded = lab.log().matches("Accepted publickey").count();
    // Four targets, and three logins on the way.
    assert_eq!(forwarded, 7, "{}", lab.log());
}

#[test]
fn twenty_names_of_one_server_are_all_read() {
    let Some(lab) = Lab::new() else { return };
    let names: Vec<String> = (1..=20).map(|i| format!("n{i:02}")).collect();
    let hosts: Vec<(&str, String)> = names.iter().map(|name| (&**name, plain())).collect();
    lab.inventory(&hosts, &in_sync_anywhere());
    let page = lab.drsync(&["plan", "--json", "--timings"]).expect(0).json();
    assert_eq!(page["coverage"]["hosts"]["read"], 20, "{page:#}");
    assert_eq!(lab.execs(), 20, "{}", lab.log());
    let execs = page["timings"]["hosts"].as_object().unwrap();
    assert!(execs.values().all(|host| host["execs"] == 1), "{page:#}");
}

/// Starts drsync, waits until `execs` commands ran on hosts, sends `name`, and waits for the end.
fn interrupted(lab: &Lab, words: &[&str], execs: usize, name: &str) -> Ran {
    let mut command = lab.command(words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(wait_until(Duration::from_secs(20), || lab.execs() >= execs), "{}", lab.log());
    let before = Instant::now();
    signal(name, child.id());
    let ran = ran(child.wait_with_output().unwrap());
    assert!(before.elapsed() < Duration::from_secs(10), "{words:?} {name}: {:?}", before.elapsed());
    lab.assert_nothing_left(&format!("{words:?} {name}: {} {}", ran.code, ran.all()));
    ran
}

/// Two hosts, each with a change, that take their time.
fn slow_hosts(lab: &Lab) {
    scratch_root(lab);
    lab.project.file("other/etc/app/kept.conf", "old\n");
    lab.shell("slow", "sleep 1; exec /bin/sh \"$@\"");
    let slow = |root: &str| {
        let root = format!("{BECOME}, drsync_root: {}", lab.path(root));
        lab.logging_in_as("slow", &root)
    };
    let resources = "- os.file: { path: /etc/app/kept.conf, content: \"new\\n\" }\n";
    lab.inventory(&[("first", slow("target")), ("second", slow("other"))], resources);
}

#[test]
fn an_interrupted_plan_leaves_no_connection_behind() {
    for (words, name) in
        [(&["plan"][..], "INT"), (&["drift"], "TERM"), (&["apply", "--yes"], "INT")]
    {
        let Some(lab) = Lab::new() else { return };
        slow_hosts(&lab);
        let ran = interrupted(&lab, words, 1, name).expect(130);
        assert!(ran.err.contains("nothing was changed"), "{}", ran.all());
        assert_eq!(lab.project.read("target/etc/app/kept.conf"), "old\n");
    }
}

#[test]
fn an_interrupted_apply_ends_its_step_and_leaves_no_connection_behind() {
    let Some(lab) = Lab::new() else { return };
    slow_hosts(&lab);
    // Two commands for the plan, then one that looks at the first host again.
    let ran = interrupted(&lab, &["apply", "--yes"], 3, "INT").expect(130);
    assert!(ran.out.contains("1 changed") && ran.out.contains("1 skipped"), "{}", ran.all());
    assert_eq!(lab.project.read("target/etc/app/kept.conf"), "new\n");
    assert_eq!(lab.project.read("other/etc/app/kept.conf"), "old\n");
    lab.drsync(&["apply", "--yes"]).expect(0);
    lab.drsync(&["drift"]).expect(0);
}

#[test]
fn an_apply_that_cannot_begin_leaves_no_connection_behind() {
    let Some(lab) = Lab::new() else { return };
    slow_hosts(&lab);
    lab.project.file("pair/.drsync/pair/runs", "in the way of the journals\n");
    lab.drsync(&["apply", "--yes"]).expect(1);
    assert_eq!(lab.project.read("target/etc/app/kept.conf"), "old\n");
}

/// A login shell that counts its calls and does something else in one of them.
fn at_call(lab: &Lab, call: usize, text: &str) -> String {
    let count = lab.path("shells/count");
    lab.project.file("shells/count", "");
    std::fs::set_permissions(&count, PermissionsExt::from_mode(0o666)).unwrap();
    format!(
        "echo x >> {count}\nif [ $(wc -l < {count}) = {call} ]; then\n{text}\nfi\nexec /bin/sh \"$@\""
    )
}

/// Applies one file to each of two hosts while the second one's connection is killed by `text`.
fn killed(lab: &Lab, text: &str) -> Ran {
    scratch_root(lab);
    lab.project.file("other/etc/app/kept.conf", "old\n");
    // The first command is the plan's, the second looks before the write, the third writes.
    lab.shell("dies", &at_call(lab, 3, text));
    let dies = format!("{BECOME}, drsync_root: {}", lab.path("target"));
    let good = format!("{{ {BECOME}, drsync_root: {} }}", lab.path("other"));
    let resources = "- os.file: { path: /etc/app/kept.conf, content: \"new\\n\" }\n";
    lab.inventory(&[("good", good), ("dies", lab.logging_in_as("dies", &dies))], resources);
    lab.drsync(&["apply", "--yes", "--json"])
}

/// Asserts that one host failed with its connection, and that a second apply sets things right.
fn assert_second_apply_mends(lab: &Lab, first: Ran, content: &str) {
    let page = first.expect(3).json();
    let ends = page["instances"].as_array().unwrap();
    let end = ends.iter().find(|end| end["address"].as_str().unwrap().contains("dies")).unwrap();
    assert_eq!(end["outcome"], "failed", "{page:#}");
    let reason = end["reason"].as_str().unwrap();
    assert!(reason.contains("outcome is unknown") && reason.contains("connection"), "{reason}");
    assert_eq!(lab.project.read("other/etc/app/kept.conf"), "new\n");
    assert_eq!(lab.project.read("target/etc/app/kept.conf"), content);
    lab.drsync(&["apply", "--yes"]).expect(0);
    lab.drsync(&["drift"]).expect(0);
    assert_eq!(lab.project.read("target/etc/app/kept.conf"), "new\n");
    assert_no_leftovers(lab);
}

#[test]
fn a_connection_killed_before_a_write_fails_it_and_a_second_apply_mends() {
    let Some(lab) = Lab::new() else { return };
    let first = killed(&lab, "kill -9 $PPID; exit 0");
    assert_second_apply_mends(&lab, first, "old\n");
}

#[test]
fn a_connection_killed_after_a_write_leaves_its_outcome_unknown_and_a_second_apply_mends() {
    let Some(lab) = Lab::new() else { return };
    let first = killed(&lab, "/bin/sh \"$@\" > /dev/null; kill -9 $PPID; exit 0");
    assert_second_apply_mends(&lab, first, "new\n");
}
