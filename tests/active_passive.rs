//! Managers with two servers, one active and one passive: work that both must not do together, and
//! what happens when a server is not there. Tests are named after the requirements they show.

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use support::{Project, Ran, in_order};

const OPTIONS: &str = "# Java\nCMF_OPTS=\"\"\nexport CMF_JAVA_OPTS=\"-Xmx4G  -Dcom.cloudera.cmf.haMode=true -XX:+Heap\" # ours\n";
const SPARK: &str = "\
- cm.parcel_repository: { url: https://archive.cloudera.com/p/spark3/3.3.7191000.0/parcels/ }
- cm.parcel: { product: SPARK3, version: 3.3.2.3.3.7191000.0-78-1.p0.57384092 }
";
const KAFKA: &str =
    "- cm.config: { service: kafka, values: { num.partitions: 24 }, unmanaged: ignore }\n";
/// The file of the parcel in use, which both servers have.
const PARCEL: &str = "CDH-7.1.9-1.cdh7.1.9.p0.44702451-el8.parcel";
/// Faults that only make commands short.
const QUICK: &str = "[{ fault: command_ms, ms: 50 }]";

/// A pair whose `dr` side has a manager with two servers on simulated hosts. Restarts are off: they
/// have tests of their own.
fn pair(manager: &str, faults: &str, resources: &str) -> Project {
    let project = Project::demo();
    let seed = project.path("inventories/demo/sandbox/dr.json");
    let process = "CMF_JAVA_OPTS=-Xmx4G  -Dcom.cloudera.cmf.haMode=true -XX:+Heap\\0";
    let hosts = format!(
        "- hosts: all\n  files:\n    /etc/default/cloudera-scm-server: {OPTIONS:?}\n    \
         /etc/cloudera-scm-server/db.properties: \"com.cloudera.cmf.db.host=db\\n\
         com.cloudera.cmf.db.password=hush\\n\"\n    /etc/os-release: \
         \"ID=rhel\\nVERSION_ID=8.8\\n\"\n    \
         /opt/cloudera/parcel-repo/{PARCEL}: \"parcel\\n\"\n    /proc/4242/environ: \"{process}\"\n    \
         /proc/4242/cmdline: \"java\\0\"\n  units:\n    \
         cloudera-scm-server: {{ enabled: true, active: true, pid: 4242 }}\n"
    );
    project
        .file(
            "inv/pair.yaml",
            format!(
                "pair: p\nsides:\n  primary: {{}}\n  dr:\n    manager:\n      cluster: lake\n      \
                 servers: [dr-cm1, dr-cm2]\n      {manager}\n      sandbox: {{ seed: {}, faults: \
                 {faults} }}\npolicy: {{ restart: none }}\nsandbox: {{ hosts: seed.yaml }}\n",
                seed.display()
            ),
        )
        .file(
            "inv/hosts.yaml",
            "all: { children: { primary: { hosts: { pri-cm1: {} } }, dr: { hosts: { dr-cm1: {}, \
             dr-cm2: {} } } }, vars: { ansible_connection: sandbox } }\n",
        )
        .file("inv/seed.yaml", hosts)
        .file("inv/resources/all.yaml", resources);
    project
}

fn run(project: &Project, arguments: &[&str]) -> Ran {
    project.drsync(&[arguments, &["-i", "inv"]].concat())
}

fn host(project: &Project, host: &str, file: &str) -> String {
    project.read(&format!("inv/.drsync/inv/hosts/{host}/{file}"))
}

fn options(project: &Project) -> String {
    host(project, "dr-cm1", "etc/default/cloudera-scm-server")
}

fn runs(project: &Project, name: &str) -> bool {
    host(project, name, ".sandbox/units/cloudera-scm-server").contains("active=true")
}

/// Starts or stops a server behind drsync's back.
fn turn(project: &Project, name: &str, on: bool) {
    let unit = format!("inv/.drsync/inv/hosts/{name}/.sandbox/units/cloudera-scm-server");
    let text = project.read(&unit);
    let (from, to) = if on { ("false", "true") } else { ("true", "false") };
    project.file(&unit, text.replace(&format!("active={from}"), &format!("active={to}")));
}

/// The requests of a sort that were taken.
fn taken(project: &Project, method: &str, words: &str) -> usize {
    let log = project.path("inv/.drsync/inv/managers/dr.json.requests.jsonl");
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let method = format!("\"method\":\"{method}\"");
    let is_it = |line: &&str| {
        line.contains(&method) && line.contains(words) && line.contains("\"status\":200")
    };
    log.lines().filter(is_it).count()
}

/// Both servers run in their roles, nothing of the file is lost, and nothing is left to do.
#[track_caller]
fn is_whole(project: &Project) {
    assert_eq!(options(project), OPTIONS);
    assert!(runs(project, "dr-cm1") && runs(project, "dr-cm2"));
    run(project, &["plan", "--detailed-exitcode"]).expect(0);
}

const STEPS: [&str; 14] = [
    "01: start the server]   dr/dr-cm1",
    "02: no command runs]",
    "03: stop the server]   dr/dr-cm2",
    "04: set haMode=false]   dr/dr-cm1",
    "05: restart the server with haMode=false]   dr/dr-cm1",
    "06: the manager answers]",
    "07: start the server]   dr/dr-cm1",
    "08: the manager answers]",
    "09: no command runs]",
    "10: set haMode=true]   dr/dr-cm1",
    "11: restart the server with haMode=true]   dr/dr-cm1",
    "12: the manager answers]",
    "13: start the server]   dr/dr-cm2",
    "14: both servers are alive]",
];

#[test]
fn m2_m5_m8_parcels_are_worked_on_by_one_server_and_both_run_in_the_end() {
    let project = pair("", QUICK, &SPARK.replace("57384092", "57384093"));
    // What the manager cannot know is refused before anything is stopped.
    let file = "inv/resources/all.yaml";
    let refused = SPARK.lines().nth(1).unwrap().to_string() + "\n";
    project.file(file, refused);
    let plan = run(&project, &["plan"]).expect(1);
    assert!(!plan.out.contains("cm.single_node"), "{}", plan.out);
    project.file(file, SPARK);
    let plan = run(&project, &["plan"]).expect(0);
    let (before, after) = STEPS.split_at(6);
    let work = ["cm.parcel_repository[", "cm.parcel[SPARK3"];
    in_order(&plan.out, &[before, &work, after].concat());
    // Planning changed nothing.
    assert_eq!(options(&project), OPTIONS);
    let done = run(&project, &["apply", "--yes"]).expect(0);
    in_order(
        &done.err,
        &["stop the server", "haMode=false", "cm.parcel[SPARK3", "start the server"],
    );
    assert_eq!(taken(&project, "POST", "arcel"), 4);
    is_whole(&project);
}

#[test]
fn m4_m10_a_plain_setting_needs_no_maintenance_a_repository_and_a_new_service_do() {
    let project = pair("", QUICK, KAFKA);
    let plan = run(&project, &["plan"]).expect(0);
    assert!(!plan.out.contains("cm.single_node"), "{}", plan.out);
    let setting = |name: &str, value: &str| {
        format!(
            "- cm.config: {{ scope: manager, values: {{ {name}: {value} }}, unmanaged: ignore }}\n"
        )
    };
    project.file("inv/resources/all.yaml", setting("SESSION_TIMEOUT", "900"));
    let plan = run(&project, &["plan"]).expect(0);
    assert!(!plan.out.contains("cm.single_node"), "{}", plan.out);
    let urls = setting("REMOTE_PARCEL_REPO_URLS", "[https://archive.example.com/p/]");
    project.file("inv/resources/all.yaml", KAFKA.to_string() + &urls);
    let plan = run(&project, &["plan"]).expect(0);
    in_order(&plan.out, &["cm.config[kafka]", STEPS[0], "cm.config[manager]", STEPS[13]]);
    let service = "- cm.service: { name: audit, type: KAFKA }\n";
    project.file("inv/resources/all.yaml", service);
    let plan = run(&project, &["plan"]).expect(0);
    in_order(&plan.out, &[STEPS[5], "cm.service[audit]", STEPS[6]]);
    project.file("inv/resources/all.yaml", KAFKA.to_string() + &urls + service);
    run(&project, &["apply", "--yes"]).expect(0);
    is_whole(&project);
}

#[test]
fn m20_the_shorter_procedure_only_stops_the_passive_server() {
    let project = pair("maintenance: { procedure: passive_stop }", QUICK, SPARK);
    let plan = run(&project, &["plan"]).expect(0);
    in_order(
        &plan.out,
        &[
            "02: no command runs]",
            "03: stop the server]   dr/dr-cm2",
            "04: the manager answers]",
            "cm.parcel[SPARK3",
            "05: start the server]   dr/dr-cm1",
            "06: the manager answers]",
            "07: no command runs]",
            "08: start the server]   dr/dr-cm2",
            "09: both servers are alive]",
        ],
    );
    assert!(!plan.out.contains("haMode"), "{}", plan.out);
    run(&project, &["apply", "--yes"]).expect(0);
    is_whole(&project);
}

/// Starts an apply and kills it as soon as it has told the end of its step number `after`, or, with
/// `begun`, as soon as the journal says that the next one begins. Returns whether it had so many.
fn kill_after(project: &Project, after: usize, begun: bool) -> bool {
    let mut command = project.command(&["apply", "--yes", "-i", "inv"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let is_end = |line: &String| line.contains("changed  dr");
    let mut ends = 0;
    while ends < after {
        match lines.next() {
            Some(line) => ends += usize::from(is_end(&line.unwrap())),
            None => {
                child.wait().unwrap();
                return false;
            }
        }
    }
    if begun {
        std::thread::sleep(Duration::from_millis(60));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

#[test]
fn m5_killed_after_each_single_step_the_next_run_ends_with_both_servers() {
    let killed = |after: usize, begun: bool| {
        let project = pair("", QUICK, SPARK);
        let was_killed = kill_after(&project, after, begun);
        let status = run(&project, &["drift", "--json"]);
        run(&project, &["apply", "--yes"]).expect(0);
        assert_eq!(taken(&project, "POST", "startDownload"), 1, "after step {after}");
        assert_eq!(taken(&project, "POST", "startDistribution"), 1, "after step {after}");
        assert_eq!(taken(&project, "POST", "activate"), 1, "after step {after}");
        assert!(taken(&project, "POST", "refreshParcelRepos") <= 2);
        is_whole(&project);
        // Until then the way back is told as drift.
        let is_done = status.code == 0 && after >= 13;
        assert!(is_done || status.code == 2, "after step {after}: {}", status.all());
        was_killed
    };
    std::thread::scope(|scope| {
        let tasks: Vec<_> = [(0..3), (3..6), (6..9), (9..12), (12..15)]
            .map(|steps| {
                scope.spawn(move || {
                    steps.map(|after| killed(after, after % 2 == 1)).collect::<Vec<_>>()
                })
            })
            .into_iter()
            .collect();
        let killed: Vec<bool> = tasks.into_iter().flat_map(|task| task.join().unwrap()).collect();
        assert!(killed.iter().all(|killed| *killed), "{killed:?}");
    });
}

#[test]
fn m5_the_way_back_is_gone_even_when_the_work_failed() {
    let faults =
        "[{ fault: command_ms, ms: 50 }, { fault: command_fails, name: startDistribution }]";
    let project = pair("", faults, SPARK);
    let failed = run(&project, &["apply", "--yes"]).expect(3);
    assert!(failed.err.contains("distribute: DISTRIBUTING failed on 1 host."), "{}", failed.err);
    assert_eq!(options(&project), OPTIONS);
    assert!(runs(&project, "dr-cm1") && runs(&project, "dr-cm2"));
}

/// Has somebody else restart Kafka.
fn restart_kafka(project: &Project) {
    support::served(project, "inv", 1, |manager| {
        let path = "/api/v54/clusters/lake/services/kafka/commands/restart";
        // The server that is left may just be starting anew.
        let is_taken = || support::request(manager, "POST", path, "").starts_with("HTTP/1.1 200");
        while !is_taken() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn commands_of_others_are_waited_for_before_anything_is_written_or_stopped() {
    let faults = "[{ fault: command_ms, ms: 4000, times: 1, path: kafka }]";
    let project = pair("", faults, &(KAFKA.to_string() + SPARK));
    run(&project, &["plan"]).expect(0);
    restart_kafka(&project);
    let before = std::time::Instant::now();
    let done = std::thread::scope(|scope| {
        let apply = scope.spawn(|| run(&project, &["apply", "--yes"]));
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(taken(&project, "PUT", ""), 0);
        assert!(runs(&project, "dr-cm2"));
        apply.join().unwrap()
    });
    assert!(before.elapsed() > Duration::from_millis(3500));
    assert!(done.err.contains("commands of others: Restart ("), "{}", done.err);
    is_whole(&project);
    // Longer than was said it is not waited for, and nothing is begun then.
    let pair =
        project.read("inv/pair.yaml").replace("command_ms, ms: 4000", "command_ms, ms: 5000");
    let pair = pair.replace("servers: ", "maintenance: { wait_seconds: 1 }\n      servers: ");
    project.file("inv/pair.yaml", pair);
    project.file("inv/resources/all.yaml", KAFKA.replace("24", "36"));
    run(&project, &["plan"]).expect(0);
    restart_kafka(&project);
    let puts = taken(&project, "PUT", "");
    let refused = run(&project, &["apply", "--yes"]).expect(1);
    let said = "nothing was begun: after 1 s there still runs: Restart (";
    assert!(refused.err.contains(said), "{}", refused.err);
    assert_eq!(taken(&project, "PUT", ""), puts);
}

#[test]
fn m6_while_a_command_runs_the_second_server_does_not_come_back() {
    let faults = "[{ fault: command_ms, ms: 20000, times: 1, path: kafka }]";
    let project = pair("maintenance: { wait_seconds: 1 }", faults, SPARK);
    run(&project, &["plan"]).expect(0);
    let held = std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2000 {
                if !runs(&project, "dr-cm2") {
                    return restart_kafka(&project);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        run(&project, &["apply", "--yes"])
    });
    let held = held.expect(3);
    let said = held.err.contains("after 1 s there still runs: ");
    assert!(said && held.err.contains("Restart ("), "{}", held.err);
    assert!(!runs(&project, "dr-cm2"));
    assert!(options(&project).contains("haMode=false"));
    std::thread::sleep(Duration::from_secs(17));
    run(&project, &["apply", "--yes"]).expect(0);
    is_whole(&project);
}

#[test]
fn m7_a_server_left_alone_is_drift() {
    let project = pair("", QUICK, KAFKA);
    run(&project, &["apply", "--yes"]).expect(0);
    let off = OPTIONS.replace("haMode=true", "haMode=false");
    project.file("inv/.drsync/inv/hosts/dr-cm1/etc/default/cloudera-scm-server", off);
    let drift = run(&project, &["drift"]).expect(2);
    assert!(drift.out.contains("left in single-node mode"), "{}", drift.out);
    run(&project, &["apply", "--yes"]).expect(0);
    is_whole(&project);
}

#[test]
fn m22_m23_one_server_down_is_told_and_both_down_leave_the_hosts_to_be_planned() {
    let folder = "- os.directory: { path: /srv/x }\n  hosts: dr-cm1\n";
    let project = pair("", QUICK, &(KAFKA.to_string() + folder));
    run(&project, &["plan"]).expect(0);
    turn(&project, "dr-cm2", false);
    let drift = run(&project, &["drift"]).expect(2);
    assert!(drift.out.contains("server  stopped → running"), "{}", drift.out);
    assert!(drift.out.contains("num.partitions"), "the manager is read: {}", drift.out);
    turn(&project, "dr-cm1", false);
    let dark = run(&project, &["plan", "--retry-for", "1"]).expect(4);
    assert!(dark.out.contains("manager of dr could not be read"), "{}", dark.out);
    assert!(dark.out.contains("os.directory[/srv/x]"), "{}", dark.out);
    turn(&project, "dr-cm1", true);
    run(&project, &["apply", "--yes"]);
    assert!(runs(&project, "dr-cm2"));
}

/// Applies while no server answers for `seconds`, from the moment the setting was written.
fn apply_through(project: &Project, seconds: u64) -> Ran {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while taken(project, "PUT", "kafka") == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            turn(project, "dr-cm1", false);
            turn(project, "dr-cm2", false);
            std::thread::sleep(Duration::from_secs(seconds));
            turn(project, "dr-cm1", true);
            turn(project, "dr-cm2", true);
        });
        run(project, &["apply", "--yes"])
    })
}

#[test]
fn m12_six_seconds_without_a_server_in_the_middle_of_an_apply() {
    let project = pair("", QUICK, KAFKA);
    run(&project, &["plan"]).expect(0);
    let done = apply_through(&project, 6).expect(0);
    assert!(done.err.contains("changed  dr/cm.config[kafka]"), "{}", done.err);
    assert_eq!(taken(&project, "PUT", "kafka"), 1);
    run(&project, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn m21_a_command_is_followed_by_its_id_from_one_server_to_the_other() {
    let faults = "[{ fault: command_ms, ms: 4000, path: rollingRestart }]";
    let project = pair("", faults, KAFKA);
    let text = project.read("inv/pair.yaml").replace("restart: none", "restart: rolling");
    project.file("inv/pair.yaml", text);
    run(&project, &["plan"]).expect(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while taken(&project, "POST", "rollingRestart") == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            turn(&project, "dr-cm1", false);
            turn(&project, "dr-cm2", false);
            std::thread::sleep(Duration::from_secs(2));
            // The other one takes over.
            turn(&project, "dr-cm2", true);
        });
        run(&project, &["apply", "--yes"]).expect(0);
    });
    assert_eq!(taken(&project, "POST", "estart"), 1);
    turn(&project, "dr-cm1", true);
    run(&project, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn m25_a_manager_that_answers_404_for_everything_has_lost_nothing() {
    let resources = KAFKA.to_string()
        + "- cm.host: { name: dr-w04.example.com, rack: /dr/r1 }\n\
           - cm.config: { service: mgmt, values: { enable_config_alerts: true }, unmanaged: ignore }\n\
           - cm.role_group: { service: hdfs, name: hdfs-DATANODE-BASE, role_type: DATANODE }\n";
    // So many requests are answered with 404, with and without the manager's words.
    for fault in ["{ fault: status, code: 404, times: 6 }", "{ fault: status, code: 404 }"] {
        let project = pair("", &format!("[{fault}]"), &resources);
        let patience = if fault.contains("times") { "25" } else { "3" };
        let plan = run(&project, &["plan", "--json", "--retry-for", patience]);
        let page = plan.json();
        let verdicts = page["instances"].as_array().unwrap().iter();
        let dark: Vec<&str> = verdicts.filter_map(|i| i["verdict"].as_str()).collect();
        match fault.contains("times") {
            true => assert!(plan.code == 0 && !dark.contains(&"unknown"), "{}", plan.all()),
            false => assert!(plan.code == 4 && dark.contains(&"unknown"), "{}", plan.all()),
        }
        assert!(!dark.contains(&"refused"), "{}", plan.all());
    }
}

const REPOSITORY: &str = "- cm.parcel_repository: { url: https://archive.example.com/p/ }\n";

#[test]
fn m15_queue_manager_is_restarted_once_the_servers_were() {
    let project = pair("", QUICK, REPOSITORY);
    let text = project.read("inv/pair.yaml").replace("restart: none", "restart: rolling");
    project.file("inv/pair.yaml", text);
    let plan = run(&project, &["plan"]).expect(0);
    in_order(&plan.out, &[STEPS[12], "cm.restart[services]", "queuemanager  fresh → (known after"]);
    let done = run(&project, &["apply", "--yes"]).expect(0);
    in_order(&done.err, &["start the server]", "changed  dr/cm.restart[services]"]);
    assert_eq!(taken(&project, "POST", "rollingRestart"), 1);
    is_whole(&project);
}

#[test]
fn m15_where_nothing_is_restarted_queue_manager_is_told() {
    let project = pair("", QUICK, REPOSITORY);
    let plan = run(&project, &["plan"]).expect(0);
    assert!(plan.out.contains("queuemanager may be stale once the servers"), "{}", plan.out);
    run(&project, &["apply", "--yes"]).expect(0);
    assert_eq!(taken(&project, "POST", "queuemanager"), 0);
    let plan = run(&project, &["plan"]).expect(0);
    let said = "queuemanager is stale: a restart of Cloudera Manager's servers may leave it so";
    assert!(plan.out.contains(said), "{}", plan.out);
    is_whole(&project);
}

#[test]
fn m15_a_change_of_the_servers_options_tells_what_may_follow() {
    let options = "- cm.server: { ha_mode: false }\n  hosts: dr-cm2\n";
    let project = pair("", QUICK, &(KAFKA.to_string() + options));
    let text = project.read("inv/pair.yaml").replace("restart: none", "restart: rolling");
    project.file("inv/pair.yaml", text);
    let plan = run(&project, &["plan"]).expect(0);
    // The servers come after the restarts of services.
    in_order(&plan.out, &["cm.restart[services]", "cm.server[", "queuemanager may be stale once"]);
}

const COPY: &str = "\
- cm.peer: { name: pri, url: 'https://cm.pri.example.com:7183', username: r, password: hush-hush }
- cm.replication_schedule: { service: hive, name: warehouse, source: { peer: pri, cluster: lake, service: hive }, hive: { force: false } }
";

/// Runs the only replication schedule once.
fn copy(project: &Project) {
    support::served(project, "inv", 1, |manager| {
        let list = "/api/v54/clusters/lake/services/hive/replications";
        let told = support::request(manager, "GET", list, "");
        let id = told.split("\"id\":").nth(1).unwrap().split([',', '}']).next().unwrap();
        let answer = support::request(manager, "POST", &format!("{list}/{id}/run"), "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        std::thread::sleep(Duration::from_millis(200));
    });
}

#[test]
fn m18_one_failed_replication_may_be_a_failover_and_two_are_a_finding() {
    let faults = "[{ fault: command_ms, ms: 50 }, { fault: command_fails, path: /run, times: 2 }]";
    let project = pair("", faults, COPY);
    run(&project, &["apply", "--yes"]).expect(0);
    run(&project, &["drift"]).expect(0);
    copy(&project);
    let before = taken(&project, "GET", "/history");
    let once = run(&project, &["drift"]).expect(0);
    assert!(once.out.contains("its last run failed"), "{}", once.out);
    assert_eq!(taken(&project, "GET", "/history"), before + 1);
    copy(&project);
    let twice = run(&project, &["drift"]).expect(2);
    assert!(twice.out.contains("replication-failed  its last runs failed"), "{}", twice.out);
    // One server has no other to change to.
    let text = project.read("inv/pair.yaml");
    project.file("inv/pair.yaml", text.replace("servers: [dr-cm1, dr-cm2]", "servers: [dr-cm1]"));
    let alone = run(&project, &["drift"]).expect(2);
    assert!(alone.out.contains("replication-failed"), "{}", alone.out);
    copy(&project);
    run(&project, &["drift"]).expect(0);
    // What is paused is not asked after.
    let paused = COPY.replace("false } }", "false }, paused: true }");
    project.file("inv/resources/all.yaml", paused);
    run(&project, &["apply", "--yes"]).expect(0);
    let before = taken(&project, "GET", "/history");
    run(&project, &["drift"]).expect(0);
    assert_eq!(taken(&project, "GET", "/history"), before);
}

const JOINS: &str = "- cm.host: { name: dr-w05.example.com, in_cluster: true }\n";

/// A pair like the others whose manager has a repository of parcels, a directory, behind one that is
/// not there and one with a version to be filled in; `more` is a setting of the manager besides.
fn pair_with_repository(resources: &str, more: Option<(&str, &str)>) -> Project {
    let project = pair("", QUICK, resources);
    support::spare_host(&project, "dr-w05.example.com");
    let seed = "inventories/demo/sandbox/dr.json";
    let mut document: serde_json::Value = serde_json::from_str(&project.read(seed)).unwrap();
    let folder = project.path("repository").display().to_string();
    let urls = format!("file://{folder}/none/,file://{folder}/{{latest}}/,file://{folder}/");
    for (name, value) in std::iter::once(("REMOTE_PARCEL_REPO_URLS", &*urls)).chain(more) {
        let setting = serde_json::json!({ "name": name, "value": value });
        document["sandbox"]["managerSettings"].as_array_mut().unwrap().push(setting);
    }
    project.file(seed, document.to_string()).file(&format!("repository/{PARCEL}"), "parcel\n");
    manifest(&project, false);
    project
}

/// Writes the repository's manifest, with the hash of a parcel before or after its name.
fn manifest(project: &Project, hash_first: bool) {
    let file = project.path(&format!("repository/{PARCEL}"));
    let sum = std::process::Command::new("sha1sum").arg(file).output().unwrap();
    let hash = String::from_utf8(sum.stdout).unwrap()[..40].to_string();
    let parcel = |name: &str, hash: &str| {
        let (name, hash) = (format!("\"parcelName\": \"{name}\""), format!("\"hash\":\"{hash}\""));
        let parts =
            r#""components": [ { "name": "a \"b} \\", "hash": "0123" }, {"parcelName" : 1 } ]"#;
        match hash_first {
            true => format!("{{ {hash}, {parts},\n {name} }}"),
            false => format!("{{{name},{parts},{hash}, \"depends\": \"{PARCEL}\"}}"),
        }
    };
    let other = |release: &str| parcel(&PARCEL.replace("el8", release), &"0".repeat(40));
    let parcels = [other("el7"), parcel(PARCEL, &hash), other("el9")].join(",");
    let text = format!("{{\"lastUpdated\":1,\n\"parcels\" : [{parcels}]}}");
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
    project.file("repository/manifest.json", text);
}

/// The parcel's file on a server, in the folder as it comes.
fn on_server(server: &str) -> String {
    format!("inv/.drsync/inv/hosts/{server}/opt/cloudera/parcel-repo/{PARCEL}")
}

fn without_file(project: &Project, server: &str) {
    std::fs::remove_file(project.path(&on_server(server))).unwrap();
}

#[test]
fn m16_parcels_in_use_are_downloaded_again_before_hosts_or_services_are_added() {
    let rack = "- cm.host: { name: dr-w04.example.com, rack: /dr/r7 }\n";
    let project = pair_with_repository(rack, None);
    let plan = run(&project, &["plan"]).expect(0);
    assert!(!plan.out.contains("cm.parcel_files"), "{}", plan.out);
    // The one server has the file; after a failover the other one is without.
    without_file(&project, "dr-cm2");
    project.file("inv/resources/all.yaml", JOINS);
    let plan = run(&project, &["plan", "--timings"]).expect(0);
    let step = "cm.parcel_files[in use]   dr/dr-cm2";
    in_order(&plan.out, &[step, "CDH-7.1.9-1.cdh7.1.9.p0.44702451", "cm.host[dr-w05.example.com]"]);
    assert!(!plan.out.contains("in use]   dr/dr-cm1"), "{}", plan.out);
    assert_eq!(plan.err.matches("1 exec ").count(), 2, "{}", plan.err);
    // The first repository offers the file and does not have it.
    project.file("repository/none/manifest.json", project.read("repository/manifest.json"));
    let log = project.path("curl.log").display().to_string();
    let words = format!("#!/bin/sh\nprintf '%s ' \"$@\" >> {log}\nexec /usr/bin/curl \"$@\"\n");
    let curl = "inv/.drsync/inv/commands/curl";
    project.file(curl, words);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(project.path(curl), mode).unwrap();
    let done = run(&project, &["apply", "--yes"]).expect(0);
    in_order(&done.err, &["dr/dr-cm2/cm.parcel_files", "dr/cm.host[dr-w05"]);
    let called = project.read("curl.log");
    let limits = "-fsSLg --retry 2 --connect-timeout 10 --speed-limit 1 --speed-time 60 -K -";
    assert!(called.starts_with(&format!("-q {limits}")), "{called}");
    assert!(!called.contains("file://") && called.matches("-C - -o").count() == 2, "{called}");
    assert_eq!(project.read(&on_server("dr-cm2")), "parcel\n");
    assert_eq!(project.read(&(on_server("dr-cm2") + ".sha")).len(), 40);
    run(&project, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn m16_nothing_is_added_where_a_parcel_could_not_be_downloaded() {
    let project = pair_with_repository("- cm.service: { name: audit, type: KAFKA }\n", None);
    run(&project, &["plan"]).expect(0);
    without_file(&project, "dr-cm1");
    // A file that is not the one the manifest names is no file.
    project.file(&format!("repository/{PARCEL}"), "other\n");
    let done = run(&project, &["apply", "--yes"]).expect(3);
    in_order(&done.out, &["in use]   dr/dr-cm1", "cm.service[audit]"]);
    assert!(done.err.contains("its hash is another"), "{}", done.err);
    assert!(!project.path(&on_server("dr-cm1")).exists());
    assert_eq!(options(&project), OPTIONS);
    let plan = run(&project, &["plan"]).expect(0);
    assert!(plan.out.contains("cm.service[audit]"), "{}", plan.out);
    // The hash stands before the name, too; and both servers run while the file travels.
    manifest(&project, true);
    let done = run(&project, &["apply", "--yes"]).expect(0);
    let order = ["dr/dr-cm1/cm.parcel_files", "stop the server", "cm.service[audit"];
    in_order(&done.err, &order);
    assert_eq!(project.read(&on_server("dr-cm1")), "other\n");
    is_whole(&project);
}

#[test]
fn m16_a_server_that_cannot_be_reached_does_not_hold_an_addition_up() {
    let project = pair_with_repository(JOINS, None);
    run(&project, &["plan"]).expect(0);
    let hosts = project.read("inv/hosts.yaml");
    let gone = "dr-cm2: { ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1 }";
    project.file("inv/hosts.yaml", hosts.replace("dr-cm2: {}", gone));
    let done = run(&project, &["apply", "--yes", "--allow-incomplete", "--retry-for", "1"]);
    assert!(done.out.contains("1 changed"), "{}\n{}\n{}", done.code, done.out, done.err);
}

#[test]
fn m16_the_folder_is_the_managers_and_one_download_does_for_both_servers_if_they_share_it() {
    let folder = ("PARCEL_REPO_PATH", "/srv/parcels");
    let project = pair_with_repository(JOINS, Some(folder));
    let plan = run(&project, &["plan"]).expect(0);
    assert_eq!(plan.out.matches("cm.parcel_files[in use]").count(), 2, "{}", plan.out);
    let shared = project.path("shared");
    std::fs::create_dir(&shared).unwrap();
    for server in ["dr-cm1", "dr-cm2"] {
        let at = project.path(&format!("inv/.drsync/inv/hosts/{server}/srv"));
        std::fs::create_dir_all(&at).unwrap();
        std::os::unix::fs::symlink(&shared, at.join("parcels")).unwrap();
    }
    let done = run(&project, &["apply", "--yes"]).expect(0);
    assert!(done.out.contains("2 changed, 1 unchanged, 0 failed"), "{}\n{}", done.out, done.err);
    assert_eq!(project.read(&format!("shared/{PARCEL}")), "parcel\n");
    run(&project, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn m16_a_saved_plan_does_not_go_stale_for_files_it_never_showed() {
    let rack = "- cm.host: { name: dr-w05.example.com, in_cluster: true, rack: /dr/r7 }\n";
    let project = pair_with_repository(rack, None);
    run(&project, &["apply", "--yes"]).expect(0);
    project.file("inv/resources/all.yaml", rack.replace("r7", "r8"));
    run(&project, &["plan", "-o", "saved.json"]).expect(0);
    without_file(&project, "dr-cm2");
    run(&project, &["apply", "saved.json", "--yes"]).expect(0);
}

#[test]
fn m16_commands_may_add_and_hosts_that_join_nothing_do_not() {
    let asked = |resources: &str| {
        let project = pair_with_repository(resources, None);
        let graph = run(&project, &["graph"]).expect(0);
        graph.out.contains("cm.parcel_files")
    };
    let command = |name: &str| {
        format!("- cm.command: {{ name: {name}, done: {{ get: /hosts, at: x, exists: true }} }}\n")
    };
    assert!(
        asked(JOINS) && asked(&command("hostInstall")) && asked(&command("importClusterTemplate"))
    );
    assert!(asked(&command("firstRun, scope: cluster")));
    assert!(!asked("- cm.host: { name: dr-w04.example.com, rack: /dr/r7 }\n"));
    assert!(!asked("- cm.host: { name: dr-w04.example.com, in_cluster: false }\n"));
    assert!(!asked(&command("generateCmca")));
}

#[test]
fn m1_two_servers_with_two_databases_are_an_error() {
    let project = pair("", QUICK, KAFKA);
    run(&project, &["plan"]).expect(0);
    let other = "com.cloudera.cmf.db.host=other\ncom.cloudera.cmf.db.password=hush\n";
    project.file("inv/.drsync/inv/hosts/dr-cm2/etc/cloudera-scm-server/db.properties", other);
    let refused = run(&project, &["plan"]).expect(8);
    let said = "On dr-cm1: host=db. On dr-cm2: host=other.";
    assert!(refused.err.contains(said), "{}", refused.err);
    assert!(!refused.all().contains("hush"));
}

#[test]
fn m28_p2_a_third_server_and_servers_elsewhere_are_told() {
    let project = pair("", QUICK, KAFKA);
    let text = project.read("inv/pair.yaml");
    project.file("inv/pair.yaml", text.replace("dr-cm2]", "dr-cm2, dr-cm3]"));
    let refused = run(&project, &["plan"]).expect(8);
    assert!(refused.err.contains("two servers at most"), "{}", refused.err);
    project.file("inv/pair.yaml", text.replace("dr-cm2]", "dr-cm9]"));
    let refused = run(&project, &["plan"]).expect(8);
    assert!(refused.err.contains("server `dr-cm9` is no host of the inventory"), "{}", refused.err);
    project.file("inv/pair.yaml", text.replace("dr-cm2]", "pri-cm1]"));
    let refused = run(&project, &["plan"]).expect(8);
    assert!(refused.err.contains("(manager-on-wrong-side)"), "{}", refused.err);
    project.file("inv/pair.yaml", text.replace("[dr-cm1, dr-cm2]", "[pri-cm1]"));
    let warned = run(&project, &["plan"]).expect(0);
    assert!(
        warned.err.contains("runs on a host of `primary`: pri-cm1 (manager-on-wrong-side)"),
        "{}",
        warned.err
    );
}

#[test]
fn m24_checks_of_the_balancer_that_take_longer_than_reads_are_retried_are_told() {
    let project = pair("balancer: { inter_seconds: 3, fall: 5 }", QUICK, KAFKA);
    let plan = run(&project, &["plan"]).expect(0);
    assert!(!plan.err.contains("a failover takes"), "{}", plan.err);
    let text = project.read("inv/pair.yaml").replace("inter_seconds: 3", "inter_seconds: 15");
    project.file("inv/pair.yaml", text);
    let warned = run(&project, &["plan"]).expect(0);
    assert!(warned.err.contains("a failover takes up to 75 s"), "{}", warned.err);
    assert!(warned.err.contains("--retry-for 85"), "{}", warned.err);
}

/// A command that makes files on the server it runs on.
const AUTHORITY: &str = "\
- cm.command:
    name: generateCmca
    arguments: { customCA: false, userName: root, password: { file: login } }
    done: { get: /cm/config, at: 'items[name=WEB_TLS].value', is: true }
";

/// Wizards of all sorts: the name of each, and the rest of its declaration.
const WIZARDS: [(&str, &str); 5] = [
    (
        "hostInstall",
        "arguments: { hostNames: [dr-w09.example.com], userName: root }, \
         done: { get: /hosts, at: 'items[hostname=dr-w09.example.com]', exists: true }",
    ),
    ("importClusterTemplate", "done: { get: /clusters/pond, exists: true }"),
    (
        "firstRun",
        "scope: cluster, done: { get: '/clusters/{cluster}/services/audit', at: serviceState, \
         is: STARTED }",
    ),
    (
        "upgradeCdh",
        "scope: cluster, arguments: { cdhParcelVersion: 7.3.1-1.cdh7.3.1.p0.1 }, \
         done: { get: '/clusters/{cluster}', at: fullVersion, is: 7.3.1 }",
    ),
    (
        "installEmbeddedControlPlane",
        "scope: control_planes, arguments: { remoteRepoUrl: 'https://archive.example.com/cds' }, \
         done: { get: /controlPlanes, at: 'items[0]', exists: true }",
    ),
];

fn wizard((name, more): (&str, &str)) -> String {
    format!("- cm.command: {{ name: {name}, {more} }}\n")
}

#[test]
fn m4_m9_m11_every_wizard_is_worked_on_by_one_server() {
    let project = pair("", QUICK, AUTHORITY);
    project.file("inv/login", "hush-hush");
    let file = "inv/resources/all.yaml";
    for one in WIZARDS {
        project.file(file, wizard(one));
        let plan = run(&project, &["plan"]).expect(0);
        in_order(&plan.out, &[STEPS[2], STEPS[5], one.0, STEPS[6], STEPS[13]]);
    }
    // What makes files is done with both of them there.
    project.file(file, AUTHORITY);
    let plan = run(&project, &["plan"]).expect(0);
    in_order(&plan.out, &["cm.command[generateCmca]", "works with files of one server"]);
    assert!(!plan.out.contains("cm.single_node"), "{}", plan.out);
    // Two of them at work on one wizard would spoil it.
    let all = [WIZARDS[0], WIZARDS[3], WIZARDS[4]].map(wizard).concat();
    project.file(file, all);
    run(&project, &["apply", "--yes"]).expect(0);
    assert_eq!(taken(&project, "POST", "ommands/"), 3);
    is_whole(&project);
}

#[test]
fn m13_files_stay_behind_when_the_manager_fails_over_so_nothing_is_run_again() {
    // Calls are dropped for a while, or the other server is there at once.
    for seconds in [2, 0] {
        let project = pair("", "[{ fault: command_ms, ms: 3000, path: generateCmca }]", AUTHORITY);
        project.file("inv/login", "hush-hush");
        run(&project, &["plan"]).expect(0);
        let failed = std::thread::scope(|scope| {
            scope.spawn(|| fail_over(&project, "generateCmca", seconds));
            run(&project, &["apply", "--yes"]).expect(1)
        });
        let said = ["its files are not on this server", "are not carried over", "retry it by hand"];
        in_order(&failed.err, &said);
        assert_eq!(taken(&project, "POST", "generateCmca"), 1);
        turn(&project, "dr-cm1", true);
        let done = run(&project, &["apply", "--yes"]).expect(0);
        assert_eq!(taken(&project, "POST", "generateCmca"), 2);
        run(&project, &["plan", "--detailed-exitcode"]).expect(0);
        assert!(!(failed.all() + &done.all()).contains("hush"));
    }
}

/// Waits until a command was taken, and has the second server take over from the first; nobody
/// answers for `seconds` between.
fn fail_over(project: &Project, command: &str, seconds: u64) {
    while taken(project, "POST", command) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    turn(project, "dr-cm1", false);
    if seconds > 0 {
        turn(project, "dr-cm2", false);
        std::thread::sleep(Duration::from_secs(seconds));
        turn(project, "dr-cm2", true);
    }
}

#[test]
fn m12_m13_a_command_whose_answer_was_lost() {
    let lost = |resources: &str, applied: bool| {
        let drop =
            format!("fault: drop, method: POST, path: ommands/, times: 1, applied: {applied}");
        let project = pair("", &format!("[{{ {drop} }}]"), resources);
        project.file("inv/login", "hush-hush");
        let ran = run(&project, &["apply", "--yes"]);
        let log = project.read("inv/.drsync/inv/managers/dr.json.requests.jsonl");
        let posts = log.lines().filter(|line| line.contains("\"POST\"")).count();
        (ran, posts)
    };
    // It runs: it is followed, and not begun twice.
    let (ran, posts) = lost(AUTHORITY, true);
    assert_eq!((ran.code, posts), (0, 1), "{}", ran.all());
    // Nobody knows whether it has made files: somebody has to look.
    let (ran, posts) = lost(AUTHORITY, false);
    assert_eq!((ran.code, posts), (1, 1), "{}", ran.all());
    assert!(ran.err.contains("retry it by hand"), "{}", ran.err);
    // Anything else is not begun twice either: it may have failed.
    let (ran, posts) = lost(&wizard(WIZARDS[0]), true);
    assert_eq!((ran.code, posts), (0, 1), "{}", ran.all());
    let (ran, posts) = lost(&wizard(WIZARDS[0]), false);
    assert_eq!((ran.code, posts), (3, 1), "{}", ran.all());
    assert!(ran.err.contains("whether it was taken is not known"), "{}", ran.err);
}

#[test]
fn a_command_that_fails_or_does_not_do_what_it_should_is_told() {
    let faults =
        "[{ fault: command_ms, ms: 50 }, { fault: command_fails, name: generateCmca, times: 1 }]";
    let project = pair("", faults, AUTHORITY);
    project.file("inv/login", "hush-hush");
    let failed = run(&project, &["apply", "--yes"]).expect(1);
    assert!(failed.err.contains("GenerateCMCA failed: Command failed."), "{}", failed.err);
    assert!(!failed.err.contains("by hand"), "{}", failed.err);
    run(&project, &["apply", "--yes"]).expect(0);
    let odd = AUTHORITY.replace("WEB_TLS", "HTTP_PORT").replace("is: true", "is: 9");
    project.file("inv/resources/all.yaml", odd);
    let failed = run(&project, &["apply", "--yes"]).expect(1);
    assert!(failed.err.contains("does not converge"), "{}", failed.err);
    // What cannot be read is unknown, and nothing is run for it.
    let dark = AUTHORITY.replace("at: 'items[name=WEB_TLS].value'", "at: 'items.name'");
    project.file("inv/resources/all.yaml", dark);
    let plan = run(&project, &["plan"]).expect(4);
    assert!(plan.out.contains("tells nothing of `items.name`"), "{}", plan.out);
}

#[test]
fn m19_parcels_that_two_servers_do_not_show_name_the_defect_and_the_way_out() {
    let faults = "[{ fault: command_ms, ms: 50 }, { fault: hides_parcels }]";
    let project = pair("maintenance: { procedure: passive_stop }", faults, SPARK);
    run(&project, &["plan"]).expect(0);
    // Somebody saved the address while both servers ran.
    support::served(&project, "inv", 1, |manager| {
        let urls = "https://archive.cloudera.com/p/cdh7/7.1.9/parcels/,\
                    https://archive.cloudera.com/p/spark3/3.3.7191000.0/parcels/";
        let body = format!(
            "{{\"items\":[{{\"name\":\"REMOTE_PARCEL_REPO_URLS\",\"value\":\"{urls}\"}}]}}"
        );
        let answer = support::request(manager, "PUT", "/api/v54/cm/config", &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let look = "/api/v54/cm/commands/refreshParcelRepos";
        let answer = support::request(manager, "POST", look, "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    });
    let plan = run(&project, &["plan"]).expect(1);
    in_order(
        &plan.out,
        &["the manager knows no parcel of `SPARK3`", "OPSAPS-60726", "passive_stop"],
    );
    // A name that is not known with one server either has nothing to do with the defect.
    turn(&project, "dr-cm2", false);
    project.file("inv/resources/all.yaml", SPARK.replace("57384092", "57384093"));
    let plan = run(&project, &["plan"]).expect(1);
    assert!(!plan.out.contains("OPSAPS"), "{}", plan.out);
    // What it says is done: the passive server stands still, and comes back afterwards.
    project.file("inv/resources/all.yaml", SPARK);
    run(&project, &["apply", "--yes"]).expect(0);
    is_whole(&project);
}

#[test]
fn m14_two_servers_and_a_credential_storage_are_refused_before_any_contact() {
    let is_refused = |project: &Project, at: &str| {
        for command in ["check", "plan", "drift"] {
            let ran = run(project, &[command]).expect(8);
            let said = "two servers of a manager cannot use Secure Credential Storage";
            assert!(ran.err.contains(said) && ran.err.contains(at), "{}", ran.err);
            assert!(ran.err.contains("pair.yaml"), "both places: {}", ran.err);
        }
        assert!(!project.path("inv/.drsync/inv/managers").exists(), "nothing was contacted");
    };
    is_refused(&pair("credential_storage: vault", QUICK, KAFKA), "pair.yaml:7:");
    let setting = |value: &str| {
        format!(
            "- cm.config: {{ scope: manager, values: {{ CREDENTIAL_STORAGE_PROVIDER: {value} }} }}\n"
        )
    };
    is_refused(&pair("", QUICK, &setting("EMBEDDED_VAULT")), "all.yaml:1:");
    // Each of the two alone is all right.
    for project in
        [pair("", QUICK, &setting("none")), pair("credential_storage: none", QUICK, KAFKA)]
    {
        run(&project, &["check"]).expect(0);
    }
    let one = pair("credential_storage: embedded", QUICK, &setting("EMBEDDED_VAULT"));
    let text = one.read("inv/pair.yaml").replace("[dr-cm1, dr-cm2]", "[dr-cm1]");
    one.file("inv/pair.yaml", text);
    run(&one, &["check"]).expect(0);
    let odd = pair("credential_storage: valt", QUICK, KAFKA);
    assert!(run(&odd, &["check"]).expect(8).err.contains("did you mean `vault`?"));
}

/// Gives the manager of a project another version.
fn with_version(project: &Project, version: &str) {
    let seed = project.path("inventories/demo/sandbox/dr.json");
    let text = std::fs::read_to_string(&seed).unwrap();
    let known = "\"cmVersion\": \"7.11.3\"";
    assert!(text.contains(known));
    std::fs::write(&seed, text.replace(known, &format!("\"cmVersion\": \"{version}\""))).unwrap();
}

#[test]
fn b6_two_servers_are_doubted_where_the_manager_is_too_old_for_them() {
    let resources = KAFKA.to_string()
        + "- cm.role: { service: kafka, type: KAFKA_BROKER, hosts: [dr-w01.example.com, \
           dr-w02.example.com, dr-w03.example.com, dr-w04.example.com] }\n";
    let found = |version: &str, servers: &str| {
        let project = pair("", QUICK, &resources);
        with_version(&project, version);
        let text = project.read("inv/pair.yaml").replace("[dr-cm1, dr-cm2]", servers);
        project.file("inv/pair.yaml", text);
        let plan = run(&project, &["plan"]).expect(0);
        let drift = run(&project, &["drift"]).expect(2);
        // Whatever is said of the servers, the rest is worked on as anywhere.
        run(&project, &["apply", "--yes"]).expect(0);
        run(&project, &["plan", "--detailed-exitcode"]).expect(0);
        (plan.err, drift.err)
    };
    let (plan, drift) = found("7.6.2", "[dr-cm1, dr-cm2]");
    for said in [plan, drift] {
        assert!(said.contains("Cloudera Manager 7.6.2, and two servers are declared"), "{said}");
        assert!(said.contains("pair.yaml:7:") && said.contains("about version 7.7"), "{said}");
    }
    for (version, servers) in [("7.6.2", "[dr-cm1]"), ("7.11.3", "[dr-cm1, dr-cm2]")] {
        let (plan, drift) = found(version, servers);
        assert!(!plan.contains("two servers") && !drift.contains("two servers"), "{plan}{drift}");
    }
}

const BY_NAME: &str = "select jvm_heap_used_mb where entityName=\"cloudera_manager_server\"";

/// Returns the query that drsync proposes instead of one by name.
fn proposed(err: &str) -> &str {
    let words = "ask by category, for old and new: ";
    let at = err.find(words).unwrap_or_else(|| panic!("{err}")) + words.len();
    err[at..].lines().next().unwrap().trim()
}

#[test]
fn m26_a_query_by_the_old_name_of_the_server_is_told_and_rewritten() {
    let trigger = |query: &str| {
        let query = query.replace('"', "\\\"");
        let text = format!(
            "[{{\"triggerName\":\"heap\",\"triggerExpression\":\"IF ({query}) DO health:bad\"}}]"
        );
        format!("- cm.config:\n    service: kafka\n    values:\n      service_triggers: '{text}'\n")
    };
    let project = pair("", QUICK, &trigger(BY_NAME));
    for query in [BY_NAME, "select fd_open where entityName = \"CMSERVER:cm1.dr.example.com\""] {
        project.file("inv/resources/all.yaml", trigger(query));
        let checked = run(&project, &["check"]).expect(0);
        assert!(checked.err.contains("all.yaml:4:"), "{}", checked.err);
        assert!(proposed(&checked.err).ends_with("where category=CMSERVER"), "{}", checked.err);
    }
    let by_category = "select jvm_heap_used_mb where category=CMSERVER";
    for query in [by_category, "select fd_open where entityName=\"kafka-1\""] {
        project.file("inv/resources/all.yaml", trigger(query));
        let checked = run(&project, &["check"]).expect(0);
        assert!(!checked.err.contains("category"), "{}", checked.err);
    }
}

#[test]
fn m27_a_query_by_category_joins_what_the_old_and_the_new_entities_recorded() {
    let resources = format!(
        "- cm.config: {{ service: kafka, values: {{ service_triggers: ['{BY_NAME}'] }} }}\n"
    );
    let project = pair("", QUICK, &resources);
    let checked = run(&project, &["plan"]).expect(0);
    let series = |manager: &serde_json::Value, query: &str| -> Vec<String> {
        let body = serde_json::json!({ "query": query }).to_string();
        let answer = support::request(manager, "POST", "/api/v54/timeseries", &body);
        let page: serde_json::Value =
            serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let series = page["items"][0]["timeSeries"].as_array().unwrap().iter();
        series.map(|one| one["metadata"]["entityName"].as_str().unwrap().to_string()).collect()
    };
    support::served(&project, "inv", 1, |manager| {
        assert_eq!(series(manager, BY_NAME), ["cloudera_manager_server"]);
        let all = ["cloudera_manager_server", "CMSERVER:dr-cm1", "CMSERVER:dr-cm2"];
        assert_eq!(series(manager, proposed(&checked.err)), all);
        let new = "select jvm_heap_used_mb where entityName=CMSERVER:dr-cm1";
        assert_eq!(series(manager, new), ["CMSERVER:dr-cm1"]);
    });
}
