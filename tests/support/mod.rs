//! A scratch project and the program under test, for all integration tests.

#![allow(dead_code)] // every test binary uses its own part of this

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What one call of drsync came to.
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output, without colours.
    pub out: String,
    /// Standard error, without colours.
    pub err: String,
}

impl Ran {
    /// Asserts the exit code; prints everything when it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    /// Returns stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }

    /// Returns stdout and stderr together.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// A scratch folder with an inventory in it.
pub struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    /// Returns an empty project.
    pub fn new() -> Project {
        Project { dir: tempfile::tempdir().unwrap() }
    }

    /// Returns a project that holds a copy of the demo at `inventories/demo`.
    pub fn demo() -> Project {
        let project = Project::new();
        copy(&repository().join("inventories/demo"), &project.path("inventories/demo"));
        project
    }

    /// Returns a path inside the project.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> &Project {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Prepares a call of drsync from the project's folder, in an environment without surprises.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drsync"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_remove("DRSYNC_INVENTORY")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs drsync.
    pub fn drsync(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments).output().unwrap())
    }
}

/// Turns a finished process into what it came to.
pub fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Returns the repository's root.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the recordings of real systems that stand beside the repository; says so and returns
/// `None` where they are missing.
pub fn recordings() -> Option<PathBuf> {
    let path = repository().join("../shared/cm-recordings");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: there are no recordings at {}", path.display());
    None
}

/// Copies a folder; what the demo remembers between runs stays behind.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_name() == ".drsync" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Has the demo's manager of `dr` know a host that belongs to no cluster.
pub fn spare_host(project: &Project, name: &str) {
    let seed = "inventories/demo/sandbox/dr.json";
    let mut document: serde_json::Value = serde_json::from_str(&project.read(seed)).unwrap();
    document["sandbox"]["spareHosts"] = serde_json::json!([name]);
    project.file(seed, document.to_string());
}

/// Serves the `count` managers of an inventory, calls `edit` with what is said of each, and stops.
pub fn served(project: &Project, inventory: &str, count: usize, edit: impl Fn(&serde_json::Value)) {
    let words = ["sandbox", "serve", "-i", inventory];
    let server = project.command(&words).stdout(Stdio::piped()).spawn().unwrap();
    let mut server = Stopped(server);
    let lines = BufReader::new(server.0.stdout.take().unwrap()).lines().take(count);
    for line in lines {
        edit(&serde_json::from_str(&line.unwrap()).unwrap());
    }
}

/// A process that is stopped when its test ends, however it does.
struct Stopped(std::process::Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // Ended by itself: so be it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asserts that all `words` stand in `text`, in this order.
#[track_caller]
pub fn in_order(text: &str, words: &[impl AsRef<str>]) {
    let mut at = 0;
    for word in words.iter().map(AsRef::as_ref) {
        let found = text[at..].find(word);
        at += found.unwrap_or_else(|| panic!("`{word}` is not there, or too early:\n{text}"));
    }
}

/// Sends a request with a bare client: the tests share no code with the one under test.
pub fn request(at: &serde_json::Value, method: &str, path: &str, body: &str) -> String {
    use base64::Engine as _;
    use std::io::{Read, Write};
    let text = |key: &str| at[key].as_str().unwrap();
    let address = text("url").strip_prefix("http://").unwrap();
    let login = format!("{}:{}", text("user"), text("password"));
    let login = base64::engine::general_purpose::STANDARD.encode(login);
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {login}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
