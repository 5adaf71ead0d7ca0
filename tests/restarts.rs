//! Services are restarted when, and only when, they are stale: whatever happened before.

mod support;

use std::process::Child;
use std::time::{Duration, Instant};

use support::Project;

const KAFKA: &str =
    "- cm.config: { service: kafka, values: { num.partitions: 24 }, unmanaged: ignore }\n";

/// A pair of which only the `dr` side has a manager, with `faults` and a `policy`.
fn pair(policy: &str, faults: &str, resources: &str) -> Project {
    let project = Project::demo();
    let seed = project.path("inventories/demo/sandbox/dr.json");
    project
        .file(
            "inv/pair.yaml",
            format!(
                "pair: p\nsides:\n  primary: {{}}\n  dr: {{ manager: {{ cluster: lake, sandbox: \
                 {{ seed: {}, faults: {faults} }} }} }}\npolicy: {policy}\n",
                seed.display()
            ),
        )
        .file("inv/hosts.yaml", "all: { children: { primary: {}, dr: {} } }\n")
        .file("inv/resources/all.yaml", resources);
    project
}

/// The requests so far that hold all of `words`.
fn requests(project: &Project, words: &[&str]) -> usize {
    let log = project.path("inv/.drsync/inv/managers/dr.json.requests.jsonl");
    let log = std::fs::read_to_string(log).unwrap_or_default();
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

fn apply(project: &Project, code: i32) -> support::Ran {
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(code)
}

fn is_in_sync(project: &Project) {
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}

/// Starts an apply and kills it as soon as a request with all of `words` was made.
fn kill_after(project: &Project, words: &[&str]) {
    let mut command = project.command(&["apply", "-i", "inv", "--yes"]);
    let mut child: Child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while requests(project, words) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "no request with {words:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

const RESTART: &[&str] = &["POST", "estart"];

#[test]
fn a_plan_foresees_the_restarts_and_an_apply_makes_each_once() {
    let declared =
        "- cm.config: { service: yarn, values: { yarn_acl_enable: false }, unmanaged: ignore }\n";
    let project = pair("{ restart: rolling }", "[{ fault: command_ms, ms: 50 }]", declared);
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    assert!(plan.out.contains("rolling, up to 7 roles"), "{}", plan.out);
    // What is built from it may be stale too.
    assert!(plan.out.contains("hive_on_tez "), "{}", plan.out);
    assert!(!plan.out.contains("kafka"), "{}", plan.out);
    let done = apply(&project, 0);
    assert!(done.err.contains("rolling restart: yarn: command"), "{}", done.err);
    let log = project.read("inv/.drsync/inv/managers/dr.json.requests.jsonl");
    let posts: Vec<&str> = log.lines().filter(|line| line.contains("POST")).collect();
    let restarts = posts.iter().filter(|line| line.contains("rollingRestart")).count();
    let foreseen = plan.out.lines().filter(|line| line.contains("fresh → "));
    let foreseen = foreseen.filter(|line| !line.contains("no running roles")).count();
    assert_eq!(restarts, foreseen, "{}\n{posts:#?}", plan.out);
    is_in_sync(&project);
    project.drsync(&["drift", "-i", "inv"]).expect(0);
}

#[test]
fn a_run_killed_after_its_write_is_followed_by_one_that_restarts() {
    let project = pair("{}", "[{ fault: staleness_delay, ms: 4000 }]", KAFKA);
    kill_after(&project, &["PUT", "kafka"]);
    // Nothing is stale yet; that is not taken for "in sync".
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    assert!(plan.out.contains("kafka  stale → fresh"), "{}", plan.out);
    assert!(!plan.out.contains("num.partitions"), "{}", plan.out);
    apply(&project, 0);
    assert_eq!((requests(&project, &["PUT"]), requests(&project, RESTART)), (1, 1));
    is_in_sync(&project);
}

#[test]
fn a_run_killed_in_a_restart_is_followed_by_one_that_waits_for_it() {
    let project = pair("{}", "[{ fault: command_ms, ms: 4000 }]", KAFKA);
    kill_after(&project, RESTART);
    let again = apply(&project, 0);
    assert!(again.err.contains("rolling restart: kafka"), "{}", again.err);
    assert_eq!((requests(&project, &["PUT"]), requests(&project, RESTART)), (1, 1));
    is_in_sync(&project);
}

#[test]
fn a_restart_whose_answer_is_lost_is_followed_and_not_made_again() {
    let faults = "[{ fault: command_ms, ms: 3000 }, { fault: drop, applied: true, times: 1, path: \
                  rollingRestart }]";
    let project = pair("{}", faults, KAFKA);
    apply(&project, 0);
    assert_eq!(requests(&project, RESTART), 1);
    is_in_sync(&project);
}

#[test]
fn what_is_stale_twenty_seconds_late_is_restarted_all_the_same() {
    let project = pair("{}", "[{ fault: staleness_delay, ms: 20000 }]", KAFKA);
    let done = apply(&project, 0);
    assert!(done.err.contains("the manager looks for what is stale"), "{}", done.err);
    assert_eq!(requests(&project, RESTART), 1);
    is_in_sync(&project);
}

#[test]
fn a_restart_with_a_failed_child_is_a_failure_and_the_next_run_restarts() {
    let project = pair("{}", "[{ fault: child_fails, times: 1, name: rollingRestart }]", KAFKA);
    let failed = apply(&project, 3);
    assert!(failed.err.contains("rolling restart: RollingRestart failed on "), "{}", failed.err);
    assert!(failed.err.contains("Failed to restart process."), "{}", failed.err);
    let drift = project.drsync(&["drift", "-i", "inv"]).expect(2);
    assert!(drift.out.contains("kafka  stale → fresh"), "{}", drift.out);
    apply(&project, 0);
    assert_eq!((requests(&project, &["PUT"]), requests(&project, RESTART)), (1, 2));
    is_in_sync(&project);
}

#[test]
fn the_policy_decides_how_and_how_many() {
    let project = pair("{ restart: full }", "[]", KAFKA);
    apply(&project, 0);
    assert_eq!(requests(&project, &["POST", "/services/kafka/commands/restart"]), 1);
    is_in_sync(&project);

    let project = pair("{ restart: none }", "[]", KAFKA);
    apply(&project, 0);
    assert_eq!(requests(&project, RESTART), 0);
    std::thread::sleep(Duration::from_secs(1));
    let plan = project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
    assert!(plan.out.contains("kafka is stale"), "{}", plan.out);

    let hdfs =
        "- cm.config: { service: hdfs, values: { dfs.replication: 4 }, unmanaged: ignore }\n";
    let project = pair("{ max_restarts: 2 }", "[]", hdfs);
    let refused = apply(&project, 7);
    assert!(refused.err.contains("policy.max_restarts allows (2)"), "{}", refused.err);
    assert_eq!(requests(&project, &["PUT"]), 0);
}
