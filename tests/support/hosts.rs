//! The laboratory of real hosts that `tests/lab/up` brings up; `DRSYNC_LAB` names its folder.

#![allow(dead_code)] // every test binary uses its own part of this

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::lab::{processes, wait_until};
use super::support::{Project, Ran, ran, repository};

/// Real hosts, and a project whose inventory leads to them.
pub struct Laboratory {
    folder: PathBuf,
    namespace: String,
    /// Names and addresses, in order.
    pub hosts: Vec<(String, String)>,
    /// The scratch project.
    pub project: Project,
}

impl Laboratory {
    /// Returns the laboratory; says so and returns `None` where there is none.
    pub fn find() -> Option<Laboratory> {
        Laboratory::named("DRSYNC_LAB")
    }

    /// Returns the laboratory whose folder is in the environment variable `name`.
    pub fn named(name: &str) -> Option<Laboratory> {
        let Some(folder) = std::env::var_os(name).map(PathBuf::from) else {
            super::lab::skipped(&format!("{name} names no laboratory (`tests/run` brings it up)"));
            return None;
        };
        let mut laboratory = Laboratory {
            namespace: String::new(),
            hosts: Vec::new(),
            project: Project::new(),
            folder,
        };
        laboratory.namespace = laboratory.value("NETNS");
        let hosts = laboratory.value("HOSTS");
        let hosts = hosts.split(' ').filter_map(|pair| pair.split_once('='));
        laboratory.hosts = hosts.map(|(name, address)| (name.into(), address.into())).collect();
        std::fs::create_dir_all(laboratory.project.path("run")).unwrap();
        std::fs::create_dir_all(laboratory.project.path("home")).unwrap();
        Some(laboratory)
    }

    /// Returns a value of the laboratory's file `env`.
    pub fn value(&self, name: &str) -> String {
        let env = std::fs::read_to_string(self.folder.join("env")).unwrap();
        let line = env.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name} in {env}")).trim_matches('"').to_string()
    }

    /// Returns a file of the laboratory as text: `key`, `known_hosts`, …
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn address(&self, host: &str) -> &str {
        let found = self.hosts.iter().find(|(name, _)| name == host);
        &found.unwrap_or_else(|| panic!("there is no host {host}")).1
    }

    /// Returns how a host is reached, as YAML variables: as `user`, with `more` added.
    pub fn way(&self, host: &str, user: &str, more: &str) -> String {
        let arguments = format!("-o UserKnownHostsFile={}", self.path("known_hosts"));
        let shared = format!(
            "ansible_host: {}, ansible_user: {user}, ansible_ssh_private_key_file: {}",
            self.address(host),
            self.path("key"),
        );
        match more.contains("ansible_ssh_common_args") {
            true => format!("{{ {shared}, {more} }}"),
            false => format!("{{ {shared}, ansible_ssh_common_args: '{arguments}', {more} }}"),
        }
    }

    /// Returns how a host is reached by the one who may use sudo, and does.
    pub fn root(&self, host: &str) -> String {
        self.way(host, "ops", "ansible_become: true")
    }

    /// Writes an inventory: names whose real host begins with `dr` are the other side.
    pub fn inventory(&self, hosts: &[(&str, String)], resources: &str) {
        let (mut primary, mut dr) = (String::new(), String::new());
        for (name, way) in hosts {
            let side = if name.starts_with("dr") { &mut dr } else { &mut primary };
            side.push_str(&format!("    {name}: {way}\n"));
        }
        let group = |name: &str, hosts: String| match hosts.is_empty() {
            true => format!("{name}: {{}}\n"),
            false => format!("{name}:\n  hosts:\n{hosts}"),
        };
        let text = group("primary", primary) + &group("dr", dr);
        self.project.file("pair/hosts.yaml", text);
        let pair = "pair: lab\nsides: { primary: {}, dr: {} }\norder: [dr, primary]\n";
        self.project.file("pair/pair.yaml", pair);
        self.project.file("pair/resources/all.yaml", resources);
    }

    /// Prepares a call of drsync among the hosts.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.inside(env!("CARGO_BIN_EXE_drsync"));
        command
            .args(arguments)
            .current_dir(self.project.path(""))
            .env("DRSYNC_INVENTORY", self.project.path("pair"))
            .env("XDG_RUNTIME_DIR", self.project.path("run"))
            .env("HOME", self.project.path("home"))
            .env("NO_COLOR", "1")
            .env_remove("SSH_AUTH_SOCK");
        command
    }

    /// Prepares a call of any program in the network of the hosts.
    pub fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]).stdin(Stdio::null());
        command
    }

    /// Runs drsync; afterwards no connection may be left.
    #[track_caller]
    pub fn drsync(&self, arguments: &[&str]) -> Ran {
        let ran = ran(self.command(arguments).output().unwrap());
        self.assert_nothing_left(&ran.all());
        ran
    }

    /// Starts drsync.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Asserts that no ssh process and no control folder of a run is left.
    #[track_caller]
    pub fn assert_nothing_left(&self, said: &str) {
        let run = self.project.path("run").display().to_string();
        let left = || processes(|process| process.words().contains(&run));
        wait_until(std::time::Duration::from_secs(3), || left().is_empty());
        assert!(left().is_empty(), "left behind: {:?}\n{said}", left());
        let folders: Vec<_> = std::fs::read_dir(&run).unwrap().flatten().collect();
        assert!(folders.is_empty(), "left behind in {run}: {folders:?}\n{said}");
    }

    /// Runs a shell script on a host as root, not through ssh.
    #[track_caller]
    pub fn on(&self, host: &str, script: &str) -> String {
        let output = Command::new(repository().join("tests/lab/in"))
            .arg(&self.folder)
            .args([host, "sh", "-ec", script])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "on {host}: {script}\n{said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Cuts or mends the link of a host, at the bridge.
    pub fn link(&self, host: &str, state: &str) {
        let interface = format!("vb-{host}");
        let status = self.inside("ip").args(["link", "set", &interface, state]).status();
        assert!(status.unwrap().success(), "{interface} {state}");
    }

    /// Asserts that no file half-written is left on a host.
    #[track_caller]
    pub fn assert_no_leftovers(&self, host: &str) {
        let found = self.on(host, "find / -xdev -name '.*.drsync.??????' 2>/dev/null || :");
        assert_eq!(found, "", "left on {host}");
    }
}
