//! Host trees and every command stand-in.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use drsync_sandbox::hosts;
use serde_json::{Value, json};
use tempfile::TempDir;

struct Host {
    directory: TempDir,
    root: PathBuf,
}

fn seed() -> Value {
    json!({
        "files": {
            "/etc/hostname": "pri-m01.example.com\n",
            "/etc/chrony.conf": { "content": "pool a\n", "mode": "0640", "owner": "root", "group": "chrony" },
            "/proc/sys/vm/swappiness": "60\n",
            "/etc/sysctl.d/90.conf": "# own\nvm.swappiness = 1\n",
        },
        "directories": { "/data/1": { "mode": "0750", "owner": "hdfs", "group": "hadoop" } },
        "links": { "/etc/localtime": "/usr/share/zoneinfo/UTC" },
        "units": {
            "chronyd": { "enabled": true, "active": true, "masked": false },
            "firewalld": { "masked": true },
        },
        "users": ["hdfs"],
        "groups": ["hadoop", "chrony"],
    })
}

fn host() -> Host {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("host");
    hosts::prepare(&root, &seed(), "0123").unwrap();
    hosts::prepare_commands(&directory.path().join("bin")).unwrap();
    Host { directory, root }
}

impl Host {
    fn run(&self, script: &str) -> Output {
        let path = std::env::var("PATH").unwrap();
        let bin = self.directory.path().join("bin");
        Command::new("/bin/sh")
            .args(["-c", script])
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("DRSYNC_SANDBOX_ROOT", &self.root)
            .env("LC_ALL", "C")
            .current_dir(&self.root)
            .output()
            .unwrap()
    }

    /// What a script prints when it ends well, without the root before paths.
    fn out(&self, script: &str) -> String {
        let output = self.run(script);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}: {error}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.replace(self.root.to_str().unwrap(), "").trim_end().to_owned()
    }

    /// Exit code and message of a script that fails.
    fn fail(&self, script: &str) -> (i32, String) {
        let output = self.run(script);
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), error.trim_end().to_owned())
    }

    fn stat(&self, path: &str) -> String {
        let format = "%n|%F|%a|%u|%g|%U|%G";
        self.out(&format!("stat -c '{format}' -- \"$DRSYNC_SANDBOX_ROOT{path}\""))
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn builds_the_tree_once_per_seed() {
    let host = host();
    assert_eq!(text(&host.root.join("etc/machine-id")), "0123\n");
    let mode = host.root.join("etc/chrony.conf").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let link = std::fs::read_link(host.root.join("etc/localtime")).unwrap();
    assert_eq!(link, Path::new("/usr/share/zoneinfo/UTC"));
    std::fs::write(host.root.join("etc/chrony.conf"), "changed").unwrap();
    hosts::prepare(&host.root, &seed(), "0123").unwrap();
    assert_eq!(text(&host.root.join("etc/chrony.conf")), "changed", "the seed is the same");
    let mut other = seed();
    other["files"]["/etc/new"] = json!("x");
    hosts::prepare(&host.root, &other, "0123").unwrap();
    assert_eq!(text(&host.root.join("etc/chrony.conf")), "pool a\n");
    assert_eq!(text(&host.root.join("etc/new")), "x");
}

#[test]
fn refuses_foreign_directories_and_paths() {
    let directory = tempfile::tempdir().unwrap();
    let foreign = directory.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("mine"), "x").unwrap();
    let refused = hosts::prepare(&foreign, &seed(), "0").unwrap_err().to_string();
    assert!(refused.contains("not those of a simulated host"), "{refused}");
    let escaping = json!({ "files": { "/../x": "x" } });
    assert!(hosts::prepare(&directory.path().join("new"), &escaping, "0").is_err());
}

#[test]
fn many_prepare_the_same_directory_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (root, bin) = (directory.path().join("deep/host"), directory.path().join("deep/bin"));
    let start = std::sync::Barrier::new(8);
    let prepare = || {
        start.wait();
        hosts::prepare(&root, &seed(), "0123").unwrap();
        assert_eq!(text(&root.join("etc/machine-id")), "0123\n", "complete on return");
        hosts::prepare_commands(&bin).unwrap();
        assert!(bin.join("systemctl").is_file(), "complete on return");
    };
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(prepare))));
    let names = std::fs::read_dir(&bin).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with('.')));
    let mut outside = std::fs::read_dir(directory.path().join("deep")).unwrap();
    assert!(outside.all(|entry| {
        let name = entry.unwrap().file_name();
        ["host", "host.lock", "bin", "bin.lock"].iter().any(|known| name == **known)
    }));
}

#[test]
fn a_slash_at_the_end_keeps_the_lock_outside() {
    let directory = tempfile::tempdir().unwrap();
    hosts::prepare(&directory.path().join("host/"), &seed(), "0123").unwrap();
    assert!(directory.path().join("host.lock").is_file());
    assert!(!directory.path().join("host/.lock").exists());
}

#[test]
fn stat_knows_the_recorded_owners() {
    let host = host();
    assert_eq!(
        host.stat("/etc/chrony.conf"),
        "/etc/chrony.conf|regular file|640|0|1002|root|chrony"
    );
    assert_eq!(host.stat("/data/1"), "/data/1|directory|750|1001|1001|hdfs|hadoop");
    assert_eq!(host.stat("/etc"), "/etc|directory|755|0|0|root|root");
    let both = "stat -c '%s|%U' -- $DRSYNC_SANDBOX_ROOT/etc/hostname $DRSYNC_SANDBOX_ROOT/data/1";
    assert!(host.out(both).starts_with("20|root\n"));
    let link = host.out("stat -c '%F|%N' -- $DRSYNC_SANDBOX_ROOT/etc/localtime");
    assert!(link.starts_with("symbolic link|") && link.contains("/usr/share/zoneinfo/UTC"));
    let (code, message) = host.fail("stat -c '%n' -- $DRSYNC_SANDBOX_ROOT/nothing");
    assert_eq!(code, 1);
    assert!(message.contains("No such file"), "{message}");
}

#[test]
fn owners_change_and_move_with_the_file() {
    let host = host();
    host.out("chown -h hdfs:hadoop -- $DRSYNC_SANDBOX_ROOT/etc/hostname");
    assert!(host.stat("/etc/hostname").ends_with("|hdfs|hadoop"));
    host.out("chgrp chrony -- $DRSYNC_SANDBOX_ROOT/etc/hostname");
    assert!(host.stat("/etc/hostname").ends_with("|hdfs|chrony"));
    host.out("chown root $DRSYNC_SANDBOX_ROOT/etc/hostname");
    assert!(host.stat("/etc/hostname").ends_with("|root|chrony"));
    let replace = "cd $DRSYNC_SANDBOX_ROOT/etc && echo new > .tmp && \
                   chown hdfs:hadoop -- $DRSYNC_SANDBOX_ROOT/etc/.tmp && \
                   mv -f $DRSYNC_SANDBOX_ROOT/etc/.tmp $DRSYNC_SANDBOX_ROOT/etc/chrony.conf";
    host.out(replace);
    assert!(host.stat("/etc/chrony.conf").ends_with("|hdfs|hadoop"));
    assert_eq!(text(&host.root.join("etc/chrony.conf")), "new\n");
    let (code, message) = host.fail("chown hdfs -- $DRSYNC_SANDBOX_ROOT/nothing");
    assert_eq!(code, 1);
    assert!(message.contains("No such file"));
}

#[test]
fn sysctl_reads_and_writes() {
    let host = host();
    assert_eq!(host.out("sysctl -n vm.swappiness"), "60");
    assert_eq!(host.out("sysctl -w vm.swappiness=10"), "vm.swappiness = 10");
    assert_eq!(text(&host.root.join("proc/sys/vm/swappiness")), "10\n");
    let (code, message) = host.fail("sysctl -w vm.nothing=1");
    assert_eq!(code, 255);
    assert_eq!(message, "sysctl: cannot stat /proc/sys/vm/nothing: No such file or directory");
    assert_eq!(host.out("sysctl --system"), "vm.swappiness = 1");
}

#[test]
fn systemctl_shows_units() {
    let host = host();
    let asked = "-p Id -p LoadState -p ActiveState -p SubState -p UnitFileState -p FragmentPath";
    let shown = host.out(&format!("systemctl show {asked} chronyd nothing firewalld.service"));
    let blocks: Vec<&str> = shown.split("\n\n").collect();
    assert_eq!(
        blocks[0],
        "Id=chronyd.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\
         UnitFileState=enabled\nFragmentPath=/usr/lib/systemd/system/chronyd.service"
    );
    assert_eq!(
        blocks[1],
        "Id=nothing.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n\
         UnitFileState=\nFragmentPath="
    );
    assert!(blocks[2].contains("LoadState=masked") && blocks[2].contains("UnitFileState=masked"));
}

#[test]
fn systemctl_acts_on_units() {
    let host = host();
    let state =
        |unit: &str| host.out(&format!("systemctl show -p ActiveState,UnitFileState {unit}"));
    host.out("systemctl disable --now --quiet chronyd");
    assert_eq!(state("chronyd"), "ActiveState=inactive\nUnitFileState=disabled");
    assert_eq!(host.run("systemctl is-active --quiet chronyd").status.code(), Some(3));
    assert_eq!(host.run("systemctl is-enabled chronyd").status.code(), Some(1));
    host.out("systemctl enable chronyd.service && systemctl restart chronyd");
    assert_eq!(state("chronyd.service"), "ActiveState=active\nUnitFileState=enabled");
    assert_eq!(host.out("systemctl is-active chronyd"), "active");
    assert_eq!(host.fail("systemctl start nothing").0, 5);
    let (code, message) = host.fail("systemctl start firewalld");
    assert_eq!(
        (code, message.as_str()),
        (1, "Failed to start firewalld.service: Unit firewalld.service is masked.")
    );
    host.out("systemctl unmask firewalld && systemctl start firewalld && systemctl mask chronyd");
    assert_eq!(state("firewalld"), "ActiveState=active\nUnitFileState=disabled");
    let folder = host.root.join("etc/systemd/system");
    std::fs::create_dir_all(&folder).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::fs::write(folder.join("own.service"), "[Unit]\n").unwrap();
    let shown = host.out("systemctl show -p LoadState -p FragmentPath -p NeedDaemonReload own");
    let path = "/etc/systemd/system/own.service";
    assert_eq!(shown, format!("LoadState=loaded\nFragmentPath={path}\nNeedDaemonReload=yes"));
    std::thread::sleep(std::time::Duration::from_millis(20));
    host.out("systemctl daemon-reload && systemctl enable --now own");
    assert_eq!(host.out("systemctl show -p NeedDaemonReload own"), "NeedDaemonReload=no");
    assert_eq!(state("own"), "ActiveState=active\nUnitFileState=enabled");
}

#[test]
fn hostname_comes_from_the_tree() {
    let host = host();
    assert_eq!(host.out("hostname -f"), "pri-m01.example.com");
    assert_eq!(host.out("hostname -s"), "pri-m01");
    assert_eq!(host.out("hostname"), "pri-m01.example.com");
}

#[test]
fn without_a_root_the_real_command_runs() {
    let host = host();
    let script =
        "unset DRSYNC_SANDBOX_ROOT; stat -c %F -- / && cd etc && touch a && mv a b && ls b";
    assert_eq!(host.out(script), "directory\nb");
}
