//! What the tests share: a tiny HTTP client and ways to start a manager.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use drsync_sandbox::{Manager, ManagerSpec};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Base64 of `admin:admin`.
pub const LOGIN: &str = "Authorization: Basic YWRtaW46YWRtaW4=\r\n";

/// An answer as it came over the wire.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 0 when the connection closed without an answer.
    pub status: u16,
    pub head: String,
    pub body: String,
    /// Whether as many bytes came as were announced.
    pub complete: bool,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A manager in a directory of its own.
pub struct World {
    pub manager: Manager,
    pub directory: TempDir,
    pub spec: ManagerSpec,
}

/// The workspace directory.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The seed of the demo's primary side.
pub fn demo_seed() -> PathBuf {
    workspace().join("inventories/demo/sandbox/primary.json")
}

/// A recording, or nothing with a visible line when there are none here.
pub fn recording(name: &str) -> Option<PathBuf> {
    let path = workspace().join("../shared/cm-recordings").join(name);
    if !path.exists() {
        eprintln!("skipped: no recordings beside the workspace ({name})");
        return None;
    }
    Some(path)
}

pub async fn start(seed: &Path, faults: Vec<Value>) -> World {
    let directory = tempfile::tempdir().unwrap();
    let spec = ManagerSpec {
        side: "primary".into(),
        seed: seed.into(),
        catalogue: Vec::new(),
        state: directory.path().join("state.json"),
        user: "admin".into(),
        password: "admin".into(),
        servers: Vec::new(),
        faults,
    };
    let manager = Manager::start(spec.clone()).await.unwrap();
    World { manager, directory, spec }
}

/// The demo's primary side.
pub async fn demo() -> World {
    start(&demo_seed(), Vec::new()).await
}

/// Sends one request on a connection of its own.
pub async fn send(url: &str, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A reset is one of the endings under test.
    stream.read_to_end(&mut bytes).await.ok();
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let announced = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let complete = status != 0 && announced.unwrap_or(0) == body.len();
    Answer { status, head: head.into(), body: body.into(), complete }
}

impl World {
    /// An authenticated call below the newest API version of the demo.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        send(self.manager.url(), method, &format!("/api/v54{path}"), LOGIN, &text).await
    }

    /// GET that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// PUT of one setting; null resets it.
    pub async fn set(&self, path: &str, name: &str, value: Value) -> Answer {
        let mut item = json!({ "name": name });
        if !value.is_null() {
            item["value"] = value;
        }
        self.call("PUT", path, json!({ "items": [item] })).await
    }

    /// The explicitly set value of a setting.
    pub async fn value(&self, path: &str, name: &str) -> Option<String> {
        let document = self.get(path).await;
        let items = document["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["name"] == name)?;
        item["value"].as_str().map(str::to_owned)
    }

    pub async fn faults(&self, faults: Value) {
        let url = self.manager.url();
        let answer = send(url, "PUT", "/sandbox/faults", LOGIN, &faults.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Waits until a command has ended and answers it.
    pub async fn finish(&self, command: &Value) -> Value {
        let path = format!("/commands/{}", command["id"]);
        for _ in 0..100 {
            let shown = self.get(&path).await;
            if shown["active"] == json!(false) {
                return shown;
            }
            pause(30).await;
        }
        panic!("{command} does not end");
    }
}

pub async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
