//! A manager that fails in every way a manager fails: never a false "in sync", never "absent".

mod support;

use support::Project;

/// A pair whose `dr` manager has `faults`; both sides declare one setting that differs.
fn faulty(faults: &str) -> Project {
    let project = Project::demo();
    let demo = project.path("inventories/demo/sandbox");
    let manager = |side: &str, faults: &str| {
        format!(
            "{{ manager: {{ cluster: lake, sandbox: {{ seed: {}, faults: {faults} }} }} }}",
            demo.join(format!("{side}.json")).display()
        )
    };
    project
        .file(
            "inv/pair.yaml",
            format!(
                "pair: faulty\nsides:\n  primary: {}\n  dr: {}\norder: [dr, primary]\n",
                manager("primary", "[]"),
                manager("dr", faults)
            ),
        )
        .file("inv/hosts.yaml", "all: { children: { primary: {}, dr: {} } }\n")
        .file(
            "inv/resources/all.yaml",
            "- cm.config: { service: kafka, values: { num.partitions: 24 }, unmanaged: ignore }\n",
        );
    project
}

fn verdict(page: &serde_json::Value, side: &str) -> String {
    let instances = page["instances"].as_array().unwrap();
    let found = instances.iter().find(|i| i["side"] == side);
    found.map_or("in sync".into(), |i| i["verdict"].as_str().unwrap().to_string())
}

#[test]
fn a_manager_that_cannot_be_read_is_unknown_and_the_other_side_is_not_affected() {
    let faults = [
        r#"[{ fault: status, code: 503 }]"#,
        r#"[{ fault: status, code: 502, path: /services }]"#,
        r#"[{ fault: status, code: 500, path: /kafka/config }]"#,
        r#"[{ fault: drop, path: /services }]"#,
        r#"[{ fault: drop }]"#,
        r#"[{ fault: cut, bytes: 40, path: /kafka/config }]"#,
        r#"[{ fault: cut, bytes: 0, path: /clusters }]"#,
        r#"[{ fault: html, path: /kafka/config }]"#,
        r#"[{ fault: html }]"#,
        // What a passive server answers while it takes over.
        r#"[{ fault: status, code: 404 }]"#,
    ];
    for fault in faults {
        let project = faulty(fault);
        let plan = project.drsync(&["plan", "-i", "inv", "--json", "--retry-for", "1"]);
        let page = plan.expect(4).json();
        assert_eq!(verdict(&page, "dr"), "unknown", "{fault}");
        assert_eq!(verdict(&page, "primary"), "change", "{fault}");
        let apply = project.drsync(&["apply", "-i", "inv", "--yes", "--retry-for", "1"]);
        assert_eq!(apply.code, 1, "{fault}: {}", apply.all());
        assert!(apply.err.contains("could not be read"), "{}", apply.err);
    }
}

#[test]
fn a_manager_that_stumbles_is_asked_again() {
    for fault in [
        r#"[{ fault: status, code: 503, times: 2 }]"#,
        r#"[{ fault: drop, times: 2, path: /services }]"#,
        r#"[{ fault: html, times: 1, path: /kafka/config }]"#,
        r#"[{ fault: cut, bytes: 10, times: 1, path: /clusters }]"#,
        r#"[{ fault: latency, ms: 200 }]"#,
    ] {
        let project = faulty(fault);
        let page = project.drsync(&["plan", "-i", "inv", "--json"]).expect(0).json();
        assert_eq!(verdict(&page, "dr"), "change", "{fault}");
    }
}

#[test]
fn what_could_not_be_read_holds_back_the_next_side_unless_told_otherwise() {
    let project = faulty(r#"[{ fault: status, code: 503 }]"#);
    let arguments = ["apply", "-i", "inv", "--yes", "--retry-for", "1"];
    let held = project.drsync(&arguments).expect(1);
    assert!(held.err.contains("skipped  primary/cm.config[kafka]"), "{}", held.err);
    let lenient: Vec<&str> = arguments.into_iter().chain(["--allow-incomplete"]).collect();
    let done = project.drsync(&lenient).expect(0);
    assert!(done.err.contains("changed  primary/cm.config[kafka]"), "{}", done.err);
}

#[test]
fn writes_are_settled_by_reading_and_never_repeated_blindly() {
    let puts = |project: &Project| {
        let log = project.read("inv/.drsync/inv/managers/dr.json.requests.jsonl");
        log.lines().filter(|line| line.contains(r#""method":"PUT""#)).count()
    };
    // Applied, but the answer was lost: reading tells that it is done.
    let project = faulty(r#"[{ fault: drop, method: PUT, times: 1, applied: true }]"#);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    assert_eq!(puts(&project), 1);
    // Not applied and no answer: reading tells, and it is sent again.
    let project = faulty(r#"[{ fault: drop, method: PUT, times: 1 }]"#);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    assert_eq!(puts(&project), 2);
    // Never an answer: failed in the end, and the next run finishes.
    let project = faulty(r#"[{ fault: drop, method: PUT, times: 3 }]"#);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(1);
    assert_eq!(puts(&project), 3);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    // The manager lost one entry once: what is missing after reading is sent once more.
    let project = faulty(r#"[{ fault: put_loses, name: num.partitions, times: 1 }]"#);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    assert_eq!(puts(&project), 2);
    // It never sticks: said so, not tried for ever.
    let project = faulty(r#"[{ fault: put_loses, name: num.partitions }]"#);
    let stuck = project.drsync(&["apply", "-i", "inv", "--yes"]).expect(1);
    assert!(stuck.err.contains("does not converge: num.partitions is still 3"), "{}", stuck.err);
    assert_eq!(puts(&project), 2);
}

#[test]
fn a_read_only_login_suffices_to_plan_and_is_refused_to_apply() {
    let project = faulty(r#"[{ fault: read_only_user }]"#);
    project.drsync(&["plan", "-i", "inv"]).expect(0);
    let refused = project.drsync(&["apply", "-i", "inv", "--yes"]).expect(1);
    assert!(refused.err.contains("HTTP 403"), "{}", refused.err);
}

#[test]
fn a_wrong_password_is_tried_once() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let logins = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = logins.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0u8; 4096];
            let read = stream.read(&mut buffer).unwrap_or(0);
            let text = String::from_utf8_lossy(&buffer[..read]).to_lowercase();
            if text.contains("authorization: basic") {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            let answer =
                "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let project = Project::new();
    project
        .file(
            "inv/pair.yaml",
            format!(
                "pair: x\nsides:\n  a: {{ manager: {{ url: 'http://{address}', user: u, password: {{ env: CM_PASSWORD }} }} }}\n  b: {{}}\n"
            ),
        )
        .file("inv/hosts.yaml", "all: { children: { a: {}, b: {} } }\n")
        .file(
            "inv/resources/all.yaml",
            "- cm.config: { service: kafka, values: { num.partitions: 24 } }\n\
             - cm.config: { service: hdfs, values: { dfs_replication: 3 } }\n\
             - cm.config: { scope: manager, values: { SESSION_TIMEOUT: 900 } }\n",
        );
    let output = project.command(&["plan", "-i", "inv"]).env("CM_PASSWORD", "wrong-horse").output();
    let ran = support::ran(output.unwrap()).expect(4);
    assert!(ran.out.contains("refuses the login of `u`"), "{}", ran.out);
    assert_eq!(logins.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// A pair whose `dr` manager has `faults`, with a host there to be taken out of service.
fn going(faults: &str) -> Project {
    let project = faulty(faults);
    project.file(
        "inv/resources/all.yaml",
        "- cm.host: { name: dr-w04.example.com, commission_state: decommissioned }\n  sides: dr\n",
    );
    project
}

/// How many commands were submitted to the `dr` manager.
fn submitted(project: &Project) -> usize {
    let log = project.read("inv/.drsync/inv/managers/dr.json.requests.jsonl");
    log.lines().filter(|line| line.contains("POST") && line.contains("hostsDecommission")).count()
}

#[test]
fn a_command_is_followed_to_its_end_and_submitted_once() {
    let project = going(r#"[{ fault: command_ms, ms: 2500 }]"#);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    assert_eq!(submitted(&project), 1);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_command_that_succeeds_with_a_failed_child_is_a_failure() {
    for fault in ["child_fails", "command_fails"] {
        let project = going(&format!("[{{ fault: {fault}, times: 1 }}]"));
        let apply = project.drsync(&["apply", "-i", "inv", "--yes"]).expect(1);
        let said = "decommission: HostsDecommission failed on dr-w04.example.com: Command failed.";
        assert!(apply.err.contains(said), "{fault}: {}", apply.err);
        assert_eq!(submitted(&project), 1);
        project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
        assert_eq!(submitted(&project), 2);
    }
}

#[test]
fn a_command_whose_answer_is_lost_is_not_submitted_again_but_followed() {
    let project = going(
        "[{ fault: command_ms, ms: 6000 }, { fault: drop, applied: true, times: 1, \
         path: hostsDecommission }]",
    );
    // The command still runs: it is found and waited for.
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    assert_eq!(submitted(&project), 1);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_command_is_followed_through_a_manager_that_stumbles() {
    let project = going(
        "[{ fault: command_ms, ms: 1500 }, { fault: status, code: 503, times: 3, path: /commands/1 }]",
    );
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    assert_eq!(submitted(&project), 1);
}

/// A setting, a group with a role, and the restart they need.
const MIXED: &str = "\
- cm.config: { service: kafka, values: { num.partitions: 24 }, unmanaged: ignore }
- cm.role_group: { service: kafka, name: large, role_type: KAFKA_BROKER, hosts: [dr-w01.example.com] }
- cm.host: { name: dr-w01.example.com, rack: /dr/r9, tags: { owner: us } }
- cm.user: { name: eve, roles: [ROLE_USER], password: hush-hush }
";

/// A pair of which only `dr` has a manager, with `faults` and commands that are over at once.
fn mixed(faults: &[serde_json::Value]) -> Project {
    let project = faulty("[]");
    let quick = serde_json::json!({ "fault": "command_ms", "ms": 20 });
    let faults = serde_json::Value::from([&[quick], faults].concat()).to_string();
    let seed = project.path("inventories/demo/sandbox/dr.json");
    let pair = format!(
        "pair: f\nsides: {{ primary: {{}}, dr: {{ manager: {{ cluster: lake, sandbox: {{ seed: {}, \
         faults: {faults} }} }} }} }}\n",
        seed.display()
    );
    project.file("inv/pair.yaml", pair).file("inv/resources/all.yaml", MIXED);
    project
}

/// The requests made so far: method and path, each once, in order.
fn calls(project: &Project) -> Vec<(String, String)> {
    let log = project.read("inv/.drsync/inv/managers/dr.json.requests.jsonl");
    let mut calls = Vec::new();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_string();
        let path = text("path");
        // Numbers of commands are new in every run.
        let path = path.split("/commands/1").next().unwrap().to_string();
        let call = (text("method"), path);
        if !calls.contains(&call) {
            calls.push(call);
        }
    }
    calls
}

/// The commands of a name that the manager has taken.
fn commands(project: &Project, name: &str) -> usize {
    let state = project.read("inv/.drsync/inv/managers/dr.json");
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let all = state["commands"].as_array().unwrap().iter();
    all.filter(|command| command["name"] == name && command["parent"].is_null()).count()
}

#[test]
fn each_call_may_fail_once_in_every_way_and_nothing_is_lost_or_done_twice() {
    let clean = mixed(&[]);
    let verdicts = |page: &serde_json::Value| {
        let all = page["instances"].as_array().unwrap().iter();
        all.map(|i| (i["address"].to_string(), i["verdict"].to_string())).collect::<Vec<_>>()
    };
    let wanted = verdicts(&clean.drsync(&["plan", "-i", "inv", "--json"]).expect(0).json());
    clean.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    let all = calls(&clean);
    assert!(all.len() >= 20, "{all:?}");
    let ways = [
        serde_json::json!({ "fault": "latency", "ms": 40 }),
        serde_json::json!({ "fault": "status", "code": 502 }),
        serde_json::json!({ "fault": "status", "code": 503, "applied": true }),
        serde_json::json!({ "fault": "drop" }),
        serde_json::json!({ "fault": "drop", "applied": true }),
        serde_json::json!({ "fault": "cut", "bytes": 7 }),
        serde_json::json!({ "fault": "html" }),
        serde_json::json!({ "fault": "html", "applied": true }),
    ];
    let goes_well = |way: &serde_json::Value| {
        let fault = |(method, path): &(String, String)| {
            let mut fault = way.clone();
            fault["method"] = method.as_str().into();
            fault["path"] = path.as_str().into();
            fault["times"] = 1.into();
            fault
        };
        let project = mixed(&all.iter().map(fault).collect::<Vec<_>>());
        let plan = project.drsync(&["plan", "-i", "inv", "--json"]).expect(0);
        assert_eq!(verdicts(&plan.json()), wanted, "{way}");
        // The calls that a plan does not make fail now.
        project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
        assert_eq!(commands(&project, "RollingRestart"), 1, "{way}");
        project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = ways.iter().map(|way| scope.spawn(|| goes_well(way))).collect();
        running.into_iter().for_each(|task| task.join().unwrap());
    });
}
