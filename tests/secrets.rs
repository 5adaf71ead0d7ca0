//! Secrets are used where they are due and turn up nowhere else.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use support::{Project, Ran};

/// One secret per source, full of characters that quoting may get wrong; the last two replace the
/// first two later on.
const ENV: &str = "eNv7kq \"dq'x\" $HOME\\n zP4wqq";
const FILE: &str = "fIl3vb%20 <two> & 'words' 100%zz";
const COMMAND: &str = "cOm8mm${PATH} `id` \"cc\" #endcc";
const VAULT: &str = "vAu1one \"first\" line\nvAu2two 'second' $line=1";
const LOGIN: &str = "lOg5in:p@ss wOrd3\"$x";
const ENV_NEW: &str = "nEw6env ~other~ \"wOrth7\" $1qq";
const FILE_NEW: &str = "nEw9fil another\\value 'here'pp";
const ALL: [&str; 7] = [ENV, FILE, COMMAND, VAULT, LOGIN, ENV_NEW, FILE_NEW];

const PAIR: &str = "\
pair: lake
sides:
  a: { manager: { cluster: lake, sandbox: { seed: sandbox/dr.json } } }
  b: {}
order: [b, a]
sandbox: { hosts: sandbox/first.yaml }
";

const HOSTS: &str = "\
all:
  vars: { ansible_connection: sandbox }
  children:
    a: { hosts: { a1: , a2: } }
    b: { hosts: { b1: } }
";

const FIRST: &str = "\
- hosts: all
  files:
    /proc/sys/vm/swappiness: \"60\\n\"
    /etc/canary/old: \"as it was\\n\"
  directories:
    /etc/canary: {}
    /etc/sysctl.d: {}
";

const VARS: &str = "\
from_env: { env: CANARY_ENV }
from_file: { file: secrets/canary }
from_command: { command: [sh, secrets/canary.sh] }
from_vault: !vault |
  $ANSIBLE_VAULT;1.1;AES256
  31323334
";

const TEMPLATE: &str = "\
[server]
port = 8888
password = {{ from_env }}
pair = {{ from_file | upper }} {{ from_command | to_json }}
";

const MODULE: &str = "\
params:
  key: { type: string }
  also: { type: any }
resources:
  - name: Key file
    os.file: { path: /etc/canary/key, content: \"key={{ key }} {{ also }}\\n\", mode: \"0600\" }
";

const RESOURCES: &str = "\
- name: Whole content
  os.file: { path: /etc/canary/whole, content: \"{{ from_env }}\" }
- name: Named in place
  os.file: { path: /etc/canary/old, content: { file: secrets/canary } }
- name: Inside a template
  os.file: { path: /etc/canary/template, template: canary.j2, mode: \"0600\" }
- name: Encoded
  os.file: { path: /etc/canary/encoded, content: \"a\\n{{ from_vault | b64encode }}\\nb\\n\" }
- name: In a module
  keys: { key: \"{{ from_command }}\", also: { env: CANARY_ENV } }
- name: One of a list
  os.file: { path: \"/etc/canary/{{ item.name }}\", content: \"{{ item.value }}\" }
  loop: [{ name: one, value: \"{{ from_vault }}\" }, { name: two, value: \"{{ from_file }}\" }]
- name: In a condition
  os.sysctl: { name: vm.swappiness, value: 7 }
  when: [from_command != 'x', from_env | length > 3]
- name: Below a file
  os.file: { path: /etc/canary/whole/below, content: \"{{ from_file }}\" }
  requires: [Whole content]
  sides: [a]
- name: Sensitive setting
  cm.config:
    service: hue
    values:
      database_password: { env: CANARY_ENV }
      hue_service_safety_valve: \"[desktop]\\nsecret_key={{ from_vault }}\\n\"
- name: Safety valve
  cm.config:
    service: hdfs
    values:
      core_site_safety_valve:
        fs.canary.key: \"{{ from_file }}\"
        fs.canary.other: { env: CANARY_ENV }
- name: Setting that is not sensitive
  cm.config:
    scope: manager
    values: { CUSTOM_BANNER_HTML: \"{{ from_file }}\" }
";

/// Stands for ansible-vault: prints the secret for the one encrypted text there is.
const FAKE_VAULT: &str = "#!/bin/sh\ngrep -q 31323334 || exit 1\ncat \"$0.secret\"\n";

struct Lake(Project);

impl Lake {
    fn new() -> Lake {
        let project = Project::new();
        let demo = support::repository().join("inventories/demo/sandbox");
        support::copy(&demo, &project.path("inventories/lake/sandbox"));
        let lake = Lake(project);
        for (name, text) in [
            ("pair.yaml", PAIR),
            ("hosts.yaml", HOSTS),
            ("sandbox/first.yaml", FIRST),
            ("group_vars/all.yaml", VARS),
            ("templates/canary.j2", TEMPLATE),
            ("modules/keys/module.yaml", MODULE),
            ("resources/x.yaml", RESOURCES),
            ("secrets/canary", FILE),
            ("secrets/canary.sh", "cat \"$(dirname \"$0\")/command\"\n"),
            ("secrets/command", COMMAND),
        ] {
            lake.file(name, text);
        }
        lake.0.file("bin/ansible-vault", FAKE_VAULT).file("bin/ansible-vault.secret", VAULT);
        let chmod = Command::new("chmod").arg("755").arg(lake.0.path("bin/ansible-vault")).status();
        assert!(chmod.unwrap().success());
        lake
    }

    fn file(&self, name: &str, text: &str) {
        self.0.file(&format!("inventories/lake/{name}"), text);
    }

    fn run(&self, words: &[&str]) -> Ran {
        self.run_with(words, ENV)
    }

    fn run_with(&self, words: &[&str], env: &str) -> Ran {
        let path = std::env::var("PATH").unwrap();
        let mut command = self.0.command(words);
        command
            .args(["-i", "inventories/lake"])
            .env("PATH", format!("{}:{path}", self.0.path("bin").display()))
            .env("CANARY_ENV", env)
            .env("CANARY_LOGIN", LOGIN);
        support::ran(command.output().unwrap())
    }

    /// Runs and asserts that nothing secret was said.
    #[track_caller]
    fn quiet(&self, words: &[&str], env: &str) -> Ran {
        let ran = self.run_with(words, env);
        assert_clean(&words.join(" "), &ran.all());
        ran
    }
}

/// Every form in which a secret could be recognised: as it is, by lines and longer words, and
/// encoded.
fn forms(secret: &str) -> Vec<String> {
    let whole = [secret].into_iter().chain(secret.lines());
    let words = secret.split(char::is_whitespace).filter(|word| word.len() >= 6);
    let encoded = |part: &str| {
        let json = serde_json::Value::from(part).to_string();
        let percent = |b: u8| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        };
        let hex: String = part.bytes().map(|b| format!("{b:02x}")).collect();
        [
            json[1..json.len() - 1].to_string(),
            STANDARD_NO_PAD.encode(part),
            part.bytes().map(percent).collect(),
            part.replace(' ', "+"),
            part.to_uppercase(),
            hex,
        ]
    };
    let words = words.map(String::from).collect::<Vec<_>>();
    whole
        .flat_map(|part| encoded(part).into_iter().chain([part.to_string()]))
        .chain(words)
        .collect()
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for secret in ALL {
        for form in forms(secret) {
            assert!(!text.contains(&form), "{what} shows {form:?}:\n{text}");
        }
    }
}

/// Looks into everything drsync keeps, but for what the simulated hosts and managers keep.
fn assert_kept_clean(project: &Project) -> Vec<String> {
    fn walk(folder: &Path, seen: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            let is_simulated = name.ends_with("/.drsync/lake/hosts")
                || name.ends_with("/managers/a.json")
                || path.is_symlink();
            if is_simulated {
                continue;
            }
            match path.is_dir() {
                true => walk(&path, seen),
                false => {
                    let bytes = std::fs::read(&path).unwrap();
                    assert_clean(&name, &String::from_utf8_lossy(&bytes));
                    seen.push(name);
                }
            }
        }
    }
    let mut seen = Vec::new();
    walk(&project.path(".drsync"), &mut seen);
    seen
}

#[test]
fn no_command_shows_or_keeps_a_secret() {
    let lake = Lake::new();
    for words in [
        &["check"][..],
        &["check", "--json"],
        &["graph"],
        &["graph", "--format", "mermaid"],
        &["plan", "--timings"],
        &["plan", "--json", "--timings"],
        &["plan", "-o", "plan.json"],
        &["plan", "-o", "plan.json", "--json"],
    ] {
        lake.quiet(words, ENV).expect(0);
    }
    assert_clean("the saved plan", &lake.0.read("plan.json"));
    lake.quiet(&["drift"], ENV).expect(2);
    let applied = lake.quiet(&["apply", "--yes", "--json"], ENV).expect(3).json();
    let mut failed: Vec<&str> = applied["instances"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|i| i["outcome"] == "failed")
        .map(|i| i["address"].as_str().unwrap())
        .collect();
    failed.sort_unstable();
    let below = "os.file[/etc/canary/whole/below]";
    assert_eq!(failed, [format!("a/a1/{below}"), format!("a/a2/{below}")]);

    let host = ".drsync/lake/hosts/a1/etc/canary";
    let content = |name: &str| lake.0.read(&format!("{host}/{name}"));
    assert_eq!(content("whole"), ENV, "secrets do arrive, unharmed");
    assert_eq!(content("old"), FILE);
    assert_eq!(content("one"), VAULT);
    assert_eq!(content("key"), format!("key={COMMAND} {ENV}\n"));
    assert!(
        content("template").contains(&format!("password = {ENV}\npair = {}", FILE.to_uppercase()))
    );
    let database = lake.0.read(".drsync/lake/managers/a.json");
    let escaped = serde_json::Value::from(ENV).to_string();
    assert!(database.contains(escaped.trim_matches('"')), "the manager got the password");

    // What is live now is another secret than the declared one; neither may be seen.
    lake.file("secrets/canary", FILE_NEW);
    for words in [
        &["plan"][..],
        &["plan", "--json"],
        &["plan", "-o", "second.json"],
        &["drift", "--json", "--timings"],
        &["apply", "plan.json", "--yes"],
        &["apply", "second.json", "--yes"],
        &["apply", "--yes"],
        &["drift"],
    ] {
        lake.quiet(words, ENV_NEW);
    }
    assert_clean("the saved plan", &lake.0.read("second.json"));
    assert_eq!(content("whole"), ENV_NEW);
    let kept = assert_kept_clean(&lake.0);
    for part in ["/runs/", "/ledger.json", "/catalogues/", ".requests.jsonl"] {
        assert!(kept.iter().any(|name| name.contains(part)), "{part} was not looked at");
    }
}

#[test]
fn most_of_a_file_with_a_secret_in_it_is_no_secret() {
    let lake = Lake::new();
    lake.file(
        "resources/y.yaml",
        "- os.file: { path: /etc/canary/plain, content: \"port = 8888\\n\" }\n",
    );
    let plan = lake.run(&["plan"]).expect(0);
    assert!(plan.out.contains("port = 8888"), "{}", plan.out);
}

/// Resources that are wrong, and what is wrong with them.
const BROKEN: [(&str, &str); 17] = [
    ("os.sysctl: { name: a.b, value: \"{{ from_env }}\" }", "expected text, found a secret"),
    ("os.sysctl: { name: a.b, value: { env: CANARY_ENV } }", "expected text, found a secret"),
    ("os.sysctl: { name: a.b, value: \"{{ from_env | int }}\" }", "the template does not work"),
    ("os.sysctl: { name: a.b, value: \"{{ from_env | length }}\" }", "found a secret"),
    ("os.file: { path: /x, content: \"{{ from_vault / 2 }}\" }", "the template does not work"),
    ("os.file: { path: /x, content: \"a {{ from_vault | b64decode }}\" }", "does not work"),
    (
        "os.file: { path: /x, content: \"{{ 'x' | regex_replace('(' ~ from_env, '') }}\" }",
        "does not",
    ),
    ("os.file: { path: /x, content: \"{{ from_env.nosuch }}\" }", "undefined variable"),
    ("os.file: { path: /x, content: \"{{ {'a': 1}[from_env] }}\" }", "undefined variable"),
    ("os.file: { path: /x, content: a, mode: \"{{ from_env }}\" }", "`a secret` is not a mode"),
    ("os.file: { path: \"{{ from_command }}\", content: a }", "expected text, found a secret"),
    ("os.file: { path: /x, source: \"{{ from_env }}\" }", "must name a file, found a secret"),
    ("os.file: { path: /x, content: a, state: \"{{ from_env }}\" }", "found a secret"),
    ("cm.config: { service: \"{{ from_env }}\", values: {} }", "expected text, found a secret"),
    (
        "os.file: { path: /x, content: \"{{ from_env | nosuch }}\" }",
        "unknown filter: filter nosuch",
    ),
    (
        "keys: { key: [\"{{ from_env }}\"], also: 1, more: { env: CANARY_ENV } }",
        "no parameter `more`",
    ),
    (
        "os.file: { path: /etc/canary/whole, content: \"{{ from_file }}\" }",
        "declared twice, differently",
    ),
];

#[test]
fn mistakes_around_a_secret_do_not_show_it() {
    let lake = Lake::new();
    for (resource, said) in BROKEN {
        lake.file("resources/y.yaml", &format!("- {resource}\n"));
        for words in [&["check"][..], &["plan", "--json"], &["apply", "--yes"]] {
            let ran = lake.quiet(words, ENV).expect(8);
            assert!(ran.err.contains(said), "{resource}: {}", ran.err);
        }
    }
}

#[test]
fn mistakes_in_connections_do_not_show_a_secret() {
    let lake = Lake::new();
    for (vars, said) in [
        ("ansible_connection: { env: CANARY_ENV }", "is not known"),
        ("ansible_port: { env: CANARY_ENV }", "is not a port number"),
        ("ansible_ssh_common_args: { env: CANARY_ENV }", "holds a secret"),
        ("ansible_ssh_common_args: \"-o {{ from_file }}\"", "holds a secret"),
    ] {
        lake.file("hosts.yaml", HOSTS);
        let connection = match vars.starts_with("ansible_connection") {
            true => "",
            false => "ansible_connection: ssh\n",
        };
        lake.file("host_vars/b1.yaml", &format!("{connection}{vars}\n"));
        let ran = lake.quiet(&["check"], ENV).expect(8);
        assert!(ran.err.contains(said), "{vars}: {}", ran.err);
    }
    let pair =
        PAIR.replace("b: {}", "b: { manager: { url: { env: CANARY_ENV }, user: u, password: x } }");
    lake.file("host_vars/b1.yaml", "{}\n");
    lake.file("pair.yaml", &pair);
    let ran = lake.quiet(&["check"], ENV).expect(8);
    assert!(ran.err.contains("is not the address of a manager"), "{}", ran.err);
}

#[test]
fn a_host_that_cannot_be_reached_does_not_tell_how_it_was_tried() {
    let lake = Lake::new();
    lake.file("host_vars/b1.yaml", "ansible_connection: ssh\nansible_host: 127.0.0.1\nansible_port: 1\nansible_user: \"{{ from_env }}\"\n");
    lake.quiet(&["plan", "--timings", "--connect-timeout", "1"], ENV).expect(4);
    lake.quiet(&["plan", "--json", "--connect-timeout", "1"], ENV).expect(4);
    assert_kept_clean(&lake.0);
}

#[test]
fn a_refused_password_is_tried_once_and_never_shown() {
    let lake = Lake::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let manager = "b: { manager: { url: \"URL\", user: ops, password: { env: CANARY_LOGIN } } }";
    lake.file("pair.yaml", &PAIR.replace("b: {}", &manager.replace("URL", &url)));
    let (seen, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0u8; 4096];
            let length = stream.read(&mut head).unwrap_or(0);
            let _ = seen.send(String::from_utf8_lossy(&head[..length]).into_owned());
            let _ = stream.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    });
    for words in [&["plan", "--timings"][..], &["plan", "--json"], &["apply", "--yes"]] {
        let ran = lake.quiet(words, ENV);
        assert!(ran.all().contains("refuses the login of `ops`"), "{}", ran.all());
        let heads: Vec<String> = requests.try_iter().collect();
        assert_eq!(heads.len(), 1, "{words:?}: {heads:?}");
        let login = base64::engine::general_purpose::STANDARD.encode(format!("ops:{LOGIN}"));
        assert!(heads[0].contains(&login), "{heads:?}");
        assert!(!ran.all().contains(&login));
    }
    assert_kept_clean(&lake.0);
}

#[test]
fn a_password_in_clear_is_not_quoted_back() {
    let literal = "hunter2-In-Clear";
    let manager = |body: &str| PAIR.replace("b: {}", &format!("b: {{ manager: {{ {body} }} }}"));
    let url = "url: http://127.0.0.1:9, user: u";
    let cases = [
        (
            "pair.yaml",
            manager(&format!("{url}, password: {literal}, clster: x")),
            "did you mean `cluster`?",
        ),
        (
            "pair.yaml",
            manager(&format!("{url}, clster: x, password: '{literal}'")),
            "did you mean `cluster`?",
        ),
        (
            "pair.yaml",
            manager(&format!("{url}, password: \"{literal}\", cluster: [x]")),
            "expected text",
        ),
        ("pair.yaml", manager(&format!("{url}, passwrd: {literal}")), "did you mean `password`?"),
        (
            "pair.yaml",
            manager(&format!("{url}, password: {literal}, password: {literal}2")),
            "duplicate key",
        ),
        ("pair.yaml", manager(&format!("{url}, password: {literal} ]")), "not valid YAML"),
        (
            "resources/y.yaml",
            format!(
                "- cm.config: {{ service: yarn, values: {{ my_password: {literal} }} }}\n- cm.config: {{ service: yarn, values: {{ my_password: {literal}2 }} }}\n"
            ),
            "declared twice, differently",
        ),
    ];
    for (file, text, said) in cases {
        let lake = Lake::new();
        lake.file(file, &text);
        for words in [&["check"][..], &["plan", "--json"]] {
            let ran = lake.quiet(words, ENV).expect(8);
            assert!(ran.err.contains(said), "{text}: {}", ran.err);
            assert!(!ran.all().contains("hunter2"), "{}", ran.all());
        }
    }
}

#[test]
fn two_vaults_that_end_alike_are_two_secrets() {
    let lake = Lake::new();
    lake.0.file("bin/ansible-vault", "#!/bin/sh\nsed -n 2p\n");
    lake.file(
        "resources/x.yaml",
        "- os.file:\n    path: /etc/canary/one\n    content: !vault |\n      $ANSIBLE_VAULT;1.1;AES256\n      \
         first-one\n      3132\n- os.file:\n    path: /etc/canary/two\n    content: !vault |\n      \
         $ANSIBLE_VAULT;1.1;AES256\n      second-one\n      3132\n",
    );
    lake.run(&["apply", "--yes"]).expect(0);
    for (name, content) in [("one", "first-one\n"), ("two", "second-one\n")] {
        let path = format!(".drsync/lake/hosts/b1/etc/canary/{name}");
        assert_eq!(lake.0.read(&path), content);
    }
}
