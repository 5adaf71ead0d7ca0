//! Stopping a run, and two runs at once.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use support::Project;

const APPLY: [&str; 5] = ["apply", "--yes", "-i", "inventories/demo", "--parallel"];

/// Starts an apply of the demo, one step at a time, and waits until it has changed something.
fn started(project: &Project) -> (std::process::Child, BufReader<std::process::ChildStderr>) {
    let mut command = project.command(&[&APPLY[..], &["1"]].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("changed") {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "it ended before it changed anything");
    }
    (child, err)
}

fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn the_first_interrupt_drains_and_the_next_run_finishes() {
    let project = Project::demo();
    let (child, err) = started(&project);
    signal(&child, "-INT");
    let rest: Vec<String> = err.lines().map(Result::unwrap).collect();
    let ran = support::ran(child.wait_with_output().unwrap()).expect(130);
    assert!(ran.out.contains("The run was stopped"), "{}", ran.out);
    assert!(rest.iter().any(|line| line.contains("skipped")), "{rest:?}");
    // Every intent in the journal has its end: nothing was cut off half-way.
    let runs = project.path(".drsync/demo/runs");
    let journal = std::fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    let journal = std::fs::read_to_string(journal).unwrap();
    let count = |word: &str| journal.lines().filter(|line| line.starts_with(word)).count();
    assert!(count(r#"{"intent""#) > 0);
    assert_eq!(count(r#"{"intent""#), count(r#"{"end""#));
    project.drsync(&[&APPLY[..], &["32"]].concat()).expect(0);
    project.drsync(&["plan", "--detailed-exitcode", "-i", "inventories/demo"]).expect(0);
}

#[test]
fn a_killed_run_can_be_started_again() {
    let project = Project::demo();
    let (mut child, _err) = started(&project);
    child.kill().unwrap();
    child.wait().unwrap();
    project.drsync(&[&APPLY[..], &["32"]].concat()).expect(0);
    project.drsync(&["plan", "--detailed-exitcode", "-i", "inventories/demo"]).expect(0);
}

#[test]
fn the_second_of_two_applies_is_told_who_holds_the_lock() {
    let project = Project::demo();
    // Commands of the manager that take a minute: the first run outlasts the second, however slow
    // the machine is.
    let pair = project.read("inventories/demo/pair.yaml");
    let faults = "sandbox/dr.json, faults: [{ fault: command_ms, ms: 60000 }]";
    project.file("inventories/demo/pair.yaml", pair.replace("sandbox/dr.json", faults));
    let (mut child, _err) = started(&project);
    let second = project.drsync(&[&APPLY[..], &["1"]].concat()).expect(6);
    assert!(second.err.contains(&format!("process {}", child.id())), "{}", second.err);
    // Reading needs no lock.
    project.drsync(&["plan", "-i", "inventories/demo"]).expect(0);
    child.kill().unwrap();
    child.wait().unwrap();
}
