//! A throw-away sshd on the loopback with a user of its own, for tests over real SSH.

#![allow(dead_code)] // every test binary uses its own part of this

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::support::{Project, Ran, ran};

/// Programs without which there is no lab.
const TOOLS: [&str; 6] = ["sshd", "ssh", "ssh-keygen", "sudo", "useradd", "userdel"];

/// The login shell of the lab's user. `LOGIN_AS` comes from the client (`SetEnv`) and names a file
/// under `shells`.
const LOGIN: &str = "#!/bin/sh\nif [ -z \"${LOGIN_AS-}\" ]; then exec /bin/sh \"$@\"; fi\n\
                     shells=SHELLS\n. \"$shells/$LOGIN_AS\"\n";

/// An sshd, a user who may use sudo, and a project whose hosts all lead there.
pub struct Lab {
    // Dropped in this order: sessions end before their user goes, and files last.
    sshd: Sshd,
    /// The user that hosts log in as.
    pub user: User,
    /// The scratch folder with everything in it.
    pub project: Project,
}

impl Lab {
    /// Returns a lab; says what is missing and returns `None` where there cannot be one.
    pub fn new() -> Option<Lab> {
        if let Some(what) = missing() {
            skipped(&what);
            return None;
        }
        let project = Project::new();
        // The user must get through to its shell.
        open_to_all(&project.path(""));
        for folder in ["home/.ssh", "run", "shells", "ssh", "target"] {
            std::fs::create_dir_all(project.path(folder)).unwrap();
        }
        let user = User::create(&project);
        let sshd = Sshd::start(&project);
        let lab = Lab { sshd, user, project };
        lab.know(&["127.0.0.1"], "ssh/host.pub");
        Some(lab)
    }

    /// Returns the port sshd listens on.
    pub fn port(&self) -> u16 {
        self.sshd.port
    }

    /// Returns a path inside the project as text.
    pub fn path(&self, name: &str) -> String {
        self.project.path(name).display().to_string()
    }

    /// Writes `ssh/known_hosts`: the key in `key` for each of `names`.
    pub fn know(&self, names: &[&str], key: &str) {
        let key = self.project.read(key);
        let line = |name: &&str| format!("[{name}]:{} {key}", self.port());
        self.project.file("ssh/known_hosts", names.iter().map(line).collect::<String>());
    }

    /// Adds a login shell under `name`; hosts take it with [`Lab::logging_in_as`].
    pub fn shell(&self, name: &str, text: &str) {
        self.project.file(&format!("shells/{name}"), format!("{text}\n"));
    }

    /// Returns host variables: the login shell `name`, and `more`.
    pub fn logging_in_as(&self, name: &str, more: &str) -> String {
        let arguments = self.arguments(&format!("-o SetEnv=LOGIN_AS={name}"));
        format!("{{ ansible_ssh_common_args: {arguments}, {more} }}")
    }

    /// Returns the ssh arguments of every host with `more` added, quoted for YAML.
    pub fn arguments(&self, more: &str) -> String {
        let known = self.path("ssh/known_hosts");
        serde_json::to_string(&format!("-o UserKnownHostsFile={known} {more}")).unwrap()
    }

    /// Writes an inventory: the first host is side `a`, the others are side `b`.
    pub fn inventory(&self, hosts: &[(&str, String)], resources: &str) {
        let line = |(name, vars): &(&str, String)| format!("    {name}: {vars}\n");
        let (first, others) = hosts.split_at(1);
        let text = format!(
            "all:\n  vars:\n    ansible_host: 127.0.0.1\n    ansible_port: {}\n    \
             ansible_user: {}\n    ansible_ssh_private_key_file: {}\n    \
             ansible_ssh_common_args: {}\na:\n  hosts:\n{}b:\n  hosts:\n{}",
            self.port(),
            self.user.name,
            self.path("ssh/user"),
            self.arguments(""),
            first.iter().map(line).collect::<String>(),
            others.iter().map(line).collect::<String>(),
        );
        self.project.file("pair/hosts.yaml", text);
        self.project.file("pair/pair.yaml", "pair: lab\nsides: { a: {}, b: {} }\norder: [a, b]\n");
        self.project.file("pair/resources/all.yaml", resources);
    }

    /// Prepares a call of drsync with the lab's home and a runtime folder of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command
            .env("HOME", self.project.path("home"))
            .env("XDG_RUNTIME_DIR", self.project.path("run"))
            .env("DRSYNC_INVENTORY", self.project.path("pair"))
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("LOGIN_AS");
        command
    }

    /// Runs drsync; afterwards no connection may be left.
    #[track_caller]
    pub fn drsync(&self, arguments: &[&str]) -> Ran {
        let ran = ran(self.command(arguments).output().unwrap());
        self.assert_nothing_left(&ran.all());
        ran
    }

    /// Asserts that no ssh process and no control folder of a run is left.
    #[track_caller]
    pub fn assert_nothing_left(&self, said: &str) {
        let run = self.path("run");
        let processes = || processes(|process| process.words.contains(&run));
        // A master that was told to stop still says goodbye.
        wait_until(Duration::from_secs(3), || processes().is_empty());
        assert!(processes().is_empty(), "left behind: {:?}\n{said}", processes());
        let left = std::fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.collect();
        assert!(left.is_empty(), "left behind in {run}: {left:?}\n{said}");
    }

    /// Returns sshd's log.
    pub fn log(&self) -> String {
        self.project.read("ssh/log")
    }

    /// Returns how many commands sshd has started so far.
    pub fn execs(&self) -> usize {
        self.log().matches("Starting session: command for").count()
    }
}

/// Prints, past the capture of passing tests, that something is not tested here.
pub fn skipped(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

/// Returns what this machine lacks for a lab.
fn missing() -> Option<String> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        return Some("tests over SSH need root, for a user and an sshd of their own".into());
    }
    let lacking: Vec<&str> = TOOLS.into_iter().filter(|tool| find(tool).is_none()).collect();
    let what = format!("tests over SSH need {}, not installed here", lacking.join(", "));
    (!lacking.is_empty()).then_some(what)
}

/// Returns the path of a program.
pub fn find(program: &str) -> Option<PathBuf> {
    let folders = std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin:/sbin";
    folders.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// Looks again until `done`, for `longest` at the most.
pub fn wait_until(longest: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + longest;
    while !done() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(15));
    }
    true
}

/// Runs a tool of the lab's own; returns what it said on failure.
fn tool(words: &[&str]) -> Result<(), String> {
    let program = find(words[0]).unwrap_or_else(|| words[0].into());
    let output = Command::new(program).args(&words[1..]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Makes a key pair at `path`.
pub fn make_key(path: &Path) {
    let path = path.display().to_string();
    tool(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", &path]).unwrap();
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    id: u32,
    parent: u32,
    user: u32,
    words: String,
}

impl Process {
    /// Returns its program and arguments.
    pub fn words(&self) -> &str {
        &self.words
    }
}

/// Returns all processes that `are_meant`.
pub fn processes(are_meant: impl Fn(&Process) -> bool) -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| process(&entry.path())).filter(|found| are_meant(found)).collect()
}

fn process(folder: &Path) -> Option<Process> {
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    let words = std::fs::read(folder.join("cmdline")).ok()?;
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    let number = |name: &str| -> Option<u32> {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    };
    // What has ended and is not yet collected does nothing any more.
    if status.contains("\nState:\tZ") {
        return None;
    }
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    Some(Process { id, parent: number("PPid:")?, user: number("Uid:")?, words })
}

/// Sends a signal, by its short name.
pub fn signal(name: &str, id: u32) {
    // Ended already: so be it.
    let _ = Command::new("sh").args(["-c", &format!("kill -{name} {id} 2>/dev/null")]).status();
}

/// A user with a login shell of its own and the right to use sudo.
pub struct User {
    /// The login name; the group has the same.
    pub name: String,
    id: u32,
}

/// useradd and userdel lock the password file and do not wait for each other.
static PASSWORDS: Mutex<()> = Mutex::new(());
static COUNT: AtomicUsize = AtomicUsize::new(0);

impl User {
    fn create(project: &Project) -> User {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("drsync-t{}-{count}", std::process::id());
        let shells = project.path("shells").display().to_string();
        let shell = project.path("login").display().to_string();
        project.file("login", LOGIN.replace("SHELLS", &shells));
        open_to_all(Path::new(&shell));
        let home = project.path("home").display().to_string();
        // The password `*` fits nothing, but does not lock the account as none would.
        let words = ["useradd", "-M", "-d", &home, "-s", &shell, "-p", "*", &name];
        patiently(&words).unwrap_or_else(|said| panic!("useradd: {said}"));
        let user = User { id: id_of(&name), name };
        let rule = format!("{} ALL=(ALL) NOPASSWD: ALL\n", user.name);
        std::fs::write(user.rule(), rule).unwrap();
        std::fs::set_permissions(user.rule(), PermissionsExt::from_mode(0o440)).unwrap();
        user
    }

    fn rule(&self) -> PathBuf {
        Path::new("/etc/sudoers.d").join(&self.name)
    }

    /// Takes the right to use sudo away.
    pub fn lose_sudo(&self) {
        std::fs::remove_file(self.rule()).unwrap();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.rule());
        processes(|process| process.user == self.id).iter().for_each(|p| signal("KILL", p.id));
        if let Err(said) = patiently(&["userdel", "-f", &self.name]) {
            skipped(&format!("removing the user {}: {said}", self.name));
        }
    }
}

/// Runs useradd or userdel; another process may hold the password file for a moment.
fn patiently(words: &[&str]) -> Result<(), String> {
    let _one = PASSWORDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut result = tool(words);
    for _ in 0..20 {
        match &result {
            Err(said) if said.contains("lock") => std::thread::sleep(Duration::from_millis(100)),
            _ => break,
        }
        result = tool(words);
    }
    result
}

fn id_of(name: &str) -> u32 {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    line.split(':').nth(2).unwrap().parse().unwrap()
}

/// A server that ends with the test.
struct Sshd {
    port: u16,
    child: Child,
}

impl Sshd {
    fn start(project: &Project) -> Sshd {
        // sshd wants this folder; Debian's service makes it.
        std::fs::create_dir_all("/run/sshd").unwrap();
        make_key(&project.path("ssh/host"));
        make_key(&project.path("ssh/user"));
        std::fs::copy(project.path("ssh/user.pub"), project.path("ssh/authorized_keys")).unwrap();
        for _ in 0..5 {
            let mut sshd = Sshd::launch(project);
            let listens = || {
                let log = std::fs::read_to_string(project.path("ssh/log")).unwrap_or_default();
                log.matches("Server listening on").count() == 2
            };
            let has_ended = |sshd: &mut Sshd| sshd.child.try_wait().unwrap().is_some();
            for _ in 0..500 {
                if listens() {
                    return sshd;
                }
                if has_ended(&mut sshd) {
                    // Somebody else took the port in between.
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("sshd does not start: {}", project.read("ssh/log"));
    }

    fn launch(project: &Project) -> Sshd {
        let port = free_port();
        let folder = project.path("ssh").display().to_string();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nListenAddress 127.0.0.2\nHostKey {folder}/host\nPidFile {folder}/pid\n\
             AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\n\
             AcceptEnv LOGIN_AS\nLogLevel VERBOSE\n"
        );
        project.file("ssh/sshd_config", settings);
        let child = Command::new(find("sshd").unwrap())
            .args(["-D", "-f"])
            .arg(project.path("ssh/sshd_config"))
            .arg("-E")
            .arg(project.path("ssh/log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Sshd { port, child }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let mut family = vec![self.child.id()];
        loop {
            let children = processes(|process| {
                family.contains(&process.parent) && !family.contains(&process.id)
            });
            if children.is_empty() {
                break;
            }
            family.extend(children.iter().map(|process| process.id));
        }
        family.into_iter().for_each(|id| signal("KILL", id));
        let _ = self.child.wait();
    }
}

/// Passes connections on to the lab's sshd until a login begins, and holds everything from then on.
///
/// Returns its port. Ends with the test's process.
pub fn stalling(lab: &Lab) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (own, port) = (listener.local_addr().unwrap().port(), lab.port());
    let log = lab.project.path("ssh/log");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let log = log.clone();
            let has_begun = move || {
                std::fs::read_to_string(&log).is_ok_and(|log| log.contains("Postponed publickey"))
            };
            std::thread::spawn(move || pass(up, server, || false));
            std::thread::spawn(move || pass(down, client, has_begun));
        }
    });
    own
}

fn pass(mut from: TcpStream, mut to: TcpStream, stalls: impl Fn() -> bool) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if stalls() {
            continue;
        }
        if to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// Returns a port nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
