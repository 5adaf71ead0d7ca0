//! The demo pair from the first plan to in sync, and drift after a hand edit.

mod support;

use support::{Project, request, served};

const DEMO: [&str; 2] = ["-i", "inventories/demo"];

fn with(words: &[&str]) -> Vec<String> {
    words.iter().chain(&DEMO).map(|word| word.to_string()).collect()
}

fn run(project: &Project, words: &[&str]) -> support::Ran {
    let words = with(words);
    project.drsync(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn p3_from_the_first_plan_to_in_sync_and_back_to_drift() {
    let project = Project::demo();
    let first = run(&project, &["plan", "--detailed-exitcode"]).expect(2);
    assert!(first.out.contains("14 hosts (dr 7, primary 7)"), "{}", first.out);
    assert!(first.out.contains("dfs_namenode_handler_count  30 → 120"), "{}", first.out);
    run(&project, &["apply", "--yes"]).expect(0);
    let second = run(&project, &["plan", "--detailed-exitcode"]).expect(0);
    assert!(second.out.contains("In sync"), "{}", second.out);
    run(&project, &["drift"]).expect(0);

    project.file(".drsync/demo/hosts/dr-w02.example.com/proc/sys/vm/swappiness", "42\n");
    served(&project, "inventories/demo", 2, |manager| {
        if manager["side"] == "primary" {
            let path = "/api/v54/clusters/lake/services/kafka/config?message=by+hand";
            let body = r#"{"items":[{"name":"num.partitions","value":"7"}]}"#;
            let answer = request(manager, "PUT", path, body);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    });
    let drift = run(&project, &["drift", "--json"]).expect(2).json();
    let named: Vec<&str> = drift["instances"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|i| i["verdict"] == "change")
        .map(|i| i["address"].as_str().unwrap())
        .collect();
    assert_eq!(
        named,
        [
            "dr/dr-w02.example.com/os.sysctl[vm.swappiness]",
            "primary/cm.config[kafka]",
            // What was changed by hand is not in force yet.
            "primary/cm.restart[services]"
        ]
    );
    run(&project, &["apply", "--yes"]).expect(0);
    run(&project, &["drift"]).expect(0);
}

#[test]
fn planning_writes_nothing() {
    let project = Project::demo();
    run(&project, &["plan"]).expect(0);
    let tree = |project: &Project| {
        let mut seen = Vec::new();
        walk(&project.path(".drsync/demo/hosts"), &mut seen);
        seen
    };
    let before = tree(&project);
    assert!(before.len() > 100);
    for command in ["plan", "drift", "check", "graph"] {
        assert!(run(&project, &[command]).code <= 2);
    }
    assert_eq!(tree(&project), before);
    for side in ["primary", "dr"] {
        let log = project.read(&format!(".drsync/demo/managers/{side}.json.requests.jsonl"));
        let writes = log.lines().filter(|line| !line.contains(r#""method":"GET""#)).count();
        assert_eq!(writes, 0, "{side}");
        assert!(log.lines().count() > 20);
    }
}

/// Lists every file with its content and time of change.
fn walk(
    folder: &std::path::Path,
    seen: &mut Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime)>,
) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let about = path.symlink_metadata().unwrap();
        if about.is_dir() {
            walk(&path, seen);
        } else if about.is_file() {
            seen.push((path.clone(), std::fs::read(&path).unwrap(), about.modified().unwrap()));
        }
    }
}

#[test]
fn the_manager_is_asked_little_and_logged_into_once() {
    let project = Project::demo();
    run(&project, &["plan"]).expect(0);
    let log = ".drsync/demo/managers/dr.json.requests.jsonl";
    let first = project.read(log).lines().count();
    let warm = run(&project, &["plan", "--timings", "--json"]).expect(0).json();
    let gets = warm["timings"]["managers"]["dr"]["gets"].as_u64().unwrap();
    let services = 12 + 1;
    assert!(gets <= 15 + 2 * services, "{gets} GETs");
    assert_eq!(project.read(log).lines().count() - first, usize::try_from(gets).unwrap());
    for host in warm["timings"]["hosts"].as_object().unwrap().values() {
        assert_eq!(host["execs"], 1);
    }
}

#[test]
fn a_saved_plan_is_applied_as_it_was_or_not_at_all() {
    let project = Project::demo();
    run(&project, &["plan", "-o", "plan.json"]).expect(0);
    let saved = project.read("plan.json");
    run(&project, &["plan", "-o", "again.json"]).expect(0);
    assert_eq!(saved, project.read("again.json"), "equal inputs give equal bytes");
    let swappiness = ".drsync/demo/hosts/dr-w02.example.com/proc/sys/vm/swappiness";
    project.file(swappiness, "17\n");
    let refused = run(&project, &["apply", "plan.json", "--yes"]).expect(5);
    let named = "dr/dr-w02.example.com/os.sysctl[vm.swappiness] runtime moved from `60` to `17`";
    assert!(refused.err.contains(named), "{}", refused.err);
    project.file(swappiness, "60\n");
    project.file(".drsync/demo/hosts/dr-w02.example.com/etc/machine-id", "f".repeat(32) + "\n");
    let refused = run(&project, &["apply", "plan.json", "--yes"]).expect(5);
    assert!(refused.err.contains("another machine now"), "{}", refused.err);
    run(&project, &["plan", "-o", "plan.json"]).expect(0);
    run(&project, &["apply", "plan.json", "--yes"]).expect(0);
    run(&project, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn nobody_to_approve_means_no_apply() {
    let project = Project::demo();
    let refused = run(&project, &["apply"]).expect(7);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
}
