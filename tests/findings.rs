//! What no write mends: told by every command, and an apply leaves it alone. Tests are named after
//! the requirements they show.

mod support;

use support::{Project, Ran};

const STALE: &str = "\
2026-11-28 10:00:01,100 ERROR CommandPusher:org.hibernate.engine.j1dbc.batch.internal.BatchingBatch: HHH000315: Exception executing batch
[org.hibernate.StaleStateException: Batch update returned unexpected row count from update [0];
 actual row count: 0; expected: 1]
\tat org.hibernate.engine.jdbc.batch.internal.BatchingBatch.performExecution(BatchingBatch.java:119)
2026-11-28 10:00:02,100 ERROR CommandPusher:org.hibernate.engine.jdbc.batch.internal.BatchingBatch: HHH000315: Exception executing batch [org.hibernate.StaleStateException: Batch update returned unexpected row count from update [0]; actual row count: 0; expected: 1]
";
const RACE: &str = "\
2026-11-28 10:01:00,100 WARN ParcelUpdateService:org.hibernate.engine.jdbc.spi.SqlExceptionHelper: SQL Error: 0, SQLState: 23505
2026-11-28 10:01:00,101 ERROR ParcelUpdateService:org.hibernate.engine.jdbc.spi.SqlExceptionHelper: ERROR: duplicate key value violates unique constraint \"uq_release\"
  Detail: Key (product, version)=(CDH, 7.1.9-1.cdh7.1.9.p0.44702451) already exists.
2026-11-28 10:01:01,000 INFO ParcelUpdateService:com.cloudera.parcel.ParcelUpdateService: done
";
const OTHER: &str = "\
2026-11-28 10:02:00,100 ERROR agentServer-7:com.cloudera.server.cmf.AgentProtocolImpl: Failed for password=hunter2 \u{fc}
java.lang.IllegalStateException: closed
\tat com.cloudera.server.cmf.AgentProtocolImpl.go(AgentProtocolImpl.java:1)
";
const STARTED: &str = "\
2026-11-28 09:59:00,000 INFO WebServerImpl:com.cloudera.server.cmf.WebServerImpl: Started Jetty server.
";

/// A pair with one host, whose server of Cloudera Manager has this log.
fn pair(log: &str, resources: &str) -> Project {
    let project = Project::new();
    let path = "/var/log/cloudera-scm-server/cloudera-scm-server.log";
    project
        .file("inv/pair.yaml", "pair: p\nsides: { dr: {} }\nsandbox: { hosts: seed.yaml }\n")
        .file(
            "inv/hosts.yaml",
            "all: { children: { dr: { hosts: { dr-cm1: {} } } }, vars: { ansible_connection: \
             sandbox } }\n",
        )
        .file("inv/seed.yaml", format!("- hosts: all\n  files:\n    {path}: {log:?}\n"))
        .file(
            "inv/resources/all.yaml",
            format!("- cm.server_log: {{}}\n  hosts: all\n{resources}"),
        );
    project
}

fn run(project: &Project, arguments: &[&str]) -> Ran {
    project.drsync(&[arguments, &["-i", "inv"]].concat())
}

#[test]
fn m3_a_race_for_parcels_is_found_in_the_log_with_its_cause_and_advice() {
    let project = pair(&[STARTED, STALE, RACE].concat(), "");
    let drift = run(&project, &["drift"]).expect(2);
    for said in ["cm-ha-parcel-race", "(product, version)=(CDH, 7.1.9", "single-node maintenance"] {
        assert!(drift.out.contains(said), "{said}: {}", drift.out);
    }
    // The error is the same one, and the harmless lines are left out.
    assert!(!drift.out.contains("cm-server-error"), "{}", drift.out);
}

#[test]
fn m17_harmless_lines_are_no_finding_and_any_other_error_is() {
    run(&pair(&[STARTED, STALE].concat(), ""), &["drift"]).expect(0);
    let drift = run(&pair(&[STARTED, STALE, OTHER].concat(), ""), &["drift"]).expect(2);
    let said = "1 error since the server started: `ERROR agentServer-7:";
    assert!(drift.out.contains(said), "{}", drift.out);
    assert!(drift.out.contains("java.lang.IllegalStateException: closed`"), "{}", drift.out);
    assert!(!drift.all().contains("hunter2"), "{}", drift.all());
    // What was before the last start is over.
    run(&pair(&[RACE, OTHER, STARTED, STALE].concat(), ""), &["drift"]).expect(0);
}

const STARTING: &str = "\
2026-11-28 09:58:00,000 INFO main:com.cloudera.server.cmf.Main: Starting SCM Server. JVM Args: [-Xmx4G]
";

#[test]
fn errors_of_the_start_that_goes_on_or_just_ended_are_told() {
    let log = [RACE, STARTING, OTHER, STARTED, STALE].concat();
    let drift = run(&pair(&log, ""), &["drift"]).expect(2);
    assert!(drift.out.contains("1 error since the server started"), "{}", drift.out);
    assert!(!drift.out.contains("cm-ha-parcel-race"), "{}", drift.out);
    let log = [STARTING, STARTED, OTHER, STARTING, STALE].concat();
    run(&pair(&log, ""), &["drift"]).expect(0);
}

/// `count` errors, each from a thread of its own.
fn from_threads(count: usize, class: &str, said: impl Fn(usize) -> String) -> String {
    let line = |n| format!("2026-11-28 10:03:00,000 ERROR scm-web-{n}:{class}: {}\n", said(n));
    (0..count).map(line).collect()
}

#[test]
fn m17_harmless_and_ignored_lines_crowd_out_nothing() {
    let batch = "org.hibernate.engine.jdbc.batch.internal.BatchingBatch";
    let stale = STALE.lines().last().unwrap().split_once("Batch: ").unwrap().1;
    let harmless = from_threads(60, batch, |_| stale.to_string());
    run(&pair(&harmless, ""), &["drift"]).expect(0);
    let noise = from_threads(60, "com.example.Usage", |n| format!("no report {n} was sent"));
    let ignoring = |log: &str| {
        let project = pair(log, "");
        let resource =
            "- cm.server_log: { ignored: [Failed for, was sent, \"'$(x)\"] }\n  hosts: all\n";
        project.file("inv/resources/all.yaml", resource);
        project
    };
    run(&ignoring(&[&noise, OTHER].concat()), &["drift"]).expect(0);
    let real = OTHER.replace("Failed", "Lost");
    let drift = run(&ignoring(&[&noise, OTHER, &real, &noise].concat()), &["drift"]).expect(2);
    assert!(drift.out.contains("1 error since the server started"), "{}", drift.out);
}

#[test]
fn errors_of_many_threads_are_one_and_the_newest_are_shown() {
    let noise = from_threads(50, "com.example.Usage", |n| format!("no report {n}"));
    let same = from_threads(30, "com.example.Agent", |_| "no agent".to_string());
    let drift = run(&pair(&[noise.as_str(), OTHER, &same].concat(), ""), &["drift"]).expect(2);
    assert!(drift.out.contains("81 errors since the server started"), "{}", drift.out);
    let said = "com.example.Agent: no agent` (2026-11-28 10:03:00, 30 times)";
    assert!(drift.out.contains(said), "{}", drift.out);
    assert!(drift.out.contains("java.lang.IllegalStateException: closed`"), "{}", drift.out);
}

#[test]
fn a_log_whose_reading_breaks_off_is_unknown() {
    use std::os::unix::fs::PermissionsExt;
    for tool in ["tail", "tr", "awk"] {
        let project = pair(&[STARTED, OTHER].concat(), "");
        run(&project, &["drift"]).expect(2);
        let path = format!("inv/.drsync/inv/commands/{tool}");
        project.file(&path, "#!/bin/sh\nexit 1\n");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(project.path(&path), mode).unwrap();
        let drift = run(&project, &["drift"]).expect(4);
        assert!(drift.out.contains("of /var/log/cloudera-scm-server/"), "{tool}: {}", drift.out);
    }
}

#[test]
fn a_log_that_floods_is_told_in_a_few_lines() {
    let log: String = (0..4000).map(|n| OTHER.replace("Failed", &format!("Failed {n}"))).collect();
    let found = run(&pair(&log, ""), &["drift", "--json"]).expect(2).json();
    let summary = found["findings"][0]["summary"].as_str().unwrap();
    assert!(summary.len() < 1000 && summary.contains(" errors since"), "{summary}");
}

#[test]
fn a_log_that_cannot_be_read_is_unknown() {
    let project = pair("", "");
    let text = project.read("inv/resources/all.yaml").replace("{}", "{ path: /var/log/cm.log }");
    project.file("inv/resources/all.yaml", text);
    let drift = run(&project, &["drift"]).expect(4);
    assert!(drift.out.contains("/var/log/cm.log is not there"), "{}", drift.out);
}

#[test]
fn a_finding_is_told_everywhere_and_an_apply_neither_mends_it_nor_fails() {
    let folder = "- os.directory: { path: /srv/x }\n  hosts: all\n";
    let project = pair(&(STARTED.to_string() + RACE), folder);
    let plan = run(&project, &["plan", "--json"]).expect(0).json();
    assert_eq!(plan["summary"]["finding"], 1);
    assert_eq!(plan["instances"][0]["verdict"], "finding");
    assert_eq!(plan["findings"][0]["finding"], "cm-ha-parcel-race");
    assert!(plan["findings"][0]["advice"].as_str().unwrap().contains("maintenance"));
    let done = run(&project, &["apply", "--yes"]).expect(0);
    assert!(done.out.contains("cm-ha-parcel-race"), "{}", done.out);
    assert!(done.out.contains("1 changed, 0 unchanged, 0 failed"), "{}", done.out);
    let plan = run(&project, &["plan", "--detailed-exitcode"]).expect(2);
    assert!(plan.out.contains("1 in sync; 1 to be looked into"), "{}", plan.out);
    let done = run(&project, &["apply", "--yes", "--json"]).expect(0).json();
    assert_eq!(done["findings"][0]["finding"], "cm-ha-parcel-race");
    assert_eq!(done["instances"].as_array().unwrap().len(), 0);
    // What is known already is left out by its name.
    let text = project.read("inv/resources/all.yaml");
    let ignoring = text.replacen("hosts: all", "ignore: [cm-ha-*]\n  hosts: all", 1);
    project.file("inv/resources/all.yaml", ignoring);
    run(&project, &["plan", "--detailed-exitcode"]).expect(0);
}
