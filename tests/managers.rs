//! Managers with two real servers each: units on real hosts that share a PostgreSQL database behind
//! HAProxy. Tests are named after the requirements they show.
//!
//! The laboratory (`tests/lab/up`, `tests/lab/managers`) is brought up by `tests/run`; without one
//! these tests say that they are skipped. They share its hosts, so they run one at a time.

#[path = "support/hosts.rs"]
mod hosts;
#[path = "support/lab.rs"]
mod lab;
mod support;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hosts::Laboratory;
use lab::wait_until;
use serde_json::{Value, json};
use support::{Ran, in_order, ran};

/// One test at a time: they share the managers.
static ONE: Mutex<()> = Mutex::new(());

const SIDES: [&str; 2] = ["primary", "dr"];
const UNIT: &str = "cloudera-scm-server";
const REPOSITORY: &str = "https://archive.cloudera.com/p/spark3/3.3.7191000.0/parcels/";
const SPARK: &str = "3.3.2.3.3.7191000.0-78-1.p0.57384092";

/// The managers of both sides, as they were seeded.
struct Managers {
    laboratory: Laboratory,
    _alone: MutexGuard<'static, ()>,
}

impl Managers {
    /// Returns the managers with an inventory of the hosts `pri-01 … dr-02` and `resources`.
    fn find(resources: &str) -> Option<Managers> {
        let alone = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let laboratory = Laboratory::named("DRSYNC_LAB_MANAGERS")?;
        let managers = Managers { laboratory, _alone: alone };
        let hosts = ["pri-01", "pri-02", "dr-01", "dr-02"];
        let hosts = hosts.map(|host| (host, managers.laboratory.root(host)));
        managers.laboratory.inventory(&hosts, resources);
        managers.pair("restart: rolling");
        managers.reset();
        Some(managers)
    }

    fn pair(&self, policy: &str) {
        let manager = |side: &str, servers: &str| {
            let url = self.laboratory.value(&format!("MANAGER_{}", side.to_uppercase()));
            format!(
                "{side}: {{ manager: {{ url: '{url}', cluster: lake, user: admin, password: \
                 {{ env: CM_PASSWORD }}, servers: {servers} }} }}"
            )
        };
        let (primary, dr) =
            (manager("primary", "[pri-01, pri-02]"), manager("dr", "[dr-01, dr-02]"));
        let pair = format!(
            "pair: lab\nsides:\n  {primary}\n  {dr}\norder: [dr, primary]\npolicy: {{ {policy} }}\n"
        );
        self.laboratory.project.file("pair/pair.yaml", pair);
    }

    /// Stops the servers, empties their databases, and starts them.
    fn reset(&self) {
        for side in SIDES {
            for number in ["01", "02"] {
                let host = host(side, number);
                let off = format!(
                    "systemctl stop {UNIT}; rm -f /var/log/{UNIT}/*; systemctl reset-failed {UNIT} || :
                     sed -i s/haMode=false/haMode=true/ /etc/default/{UNIT}"
                );
                self.laboratory.on(&host, &off);
            }
            self.sql(
                side,
                "TRUNCATE state, cm_servers, requests, releases, services, jobs, job_ends",
            );
            for number in ["01", "02"] {
                self.laboratory.on(&host(side, number), &format!("systemctl start {UNIT}"));
            }
        }
        for side in SIDES {
            self.await_both(side);
        }
    }

    /// Waits until both servers are alive, and the balancer has no doubt about either.
    #[track_caller]
    fn await_both(&self, side: &str) {
        let is_up = |name: &str| {
            let mine = |line: &&str| line.starts_with(&format!("{side},{name},"));
            // The 18th column is the state: `UP`, but also `UP 1/3` or `DOWN 1/2`.
            let balancer = self.balancer();
            balancer.lines().find(mine).is_some_and(|line| line.split(',').nth(17) == Some("UP"))
        };
        let are_both = || {
            let answer = self.call(side, "GET", "/cm/instances", "").unwrap_or_default();
            is_up(&host(side, "01"))
                && is_up(&host(side, "02"))
                && answer["items"].as_array().is_some_and(|items| items.len() == 2)
        };
        assert!(wait_until(Duration::from_secs(30), are_both), "{side}: {}", self.balancer());
    }

    /// Returns what the balancer thinks of its servers (HAProxy: `show stat`).
    fn balancer(&self) -> String {
        let mut socket = UnixStream::connect(self.laboratory.path("haproxy.sock")).unwrap();
        socket.write_all(b"show stat\n").unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        said
    }

    /// Sends a request with curl, as anybody may; returns the answer when it is a good one.
    fn call(&self, side: &str, method: &str, path: &str, body: &str) -> Option<Value> {
        let url = self.laboratory.value(&format!("MANAGER_{}", side.to_uppercase()));
        let said = self
            .laboratory
            .inside("curl")
            .args(["-sf", "-u", "admin:admin", "-m", "10", "-X", method])
            .args(["-H", "Content-Type: application/json", "-d", body])
            .arg(format!("{url}/api/v45{path}"))
            .output()
            .unwrap();
        serde_json::from_slice(&said.stdout).ok().filter(|_| said.status.success())
    }

    /// Asks the database of a side.
    #[track_caller]
    fn sql(&self, side: &str, query: &str) -> String {
        let database = format!("postgresql://scm_{side}:scm-{side}@10.77.0.1/scm_{side}");
        let psql = self.laboratory.value("PSQL");
        let said = self.laboratory.inside(&psql).args(["-qAt", &database, "-c", query]).output();
        let said = said.unwrap();
        assert!(said.status.success(), "{query}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_string()
    }

    /// How many requests of a sort both servers of a side took.
    fn taken(&self, side: &str, method: &str, words: &str) -> usize {
        let query = format!(
            "SELECT count(*) FROM requests WHERE line->>'method' = '{method}' AND
             line->>'path' LIKE '%{words}%' AND (line->>'status')::int = 200"
        );
        self.sql(side, &query).parse().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.laboratory.command(arguments);
        command.env("CM_PASSWORD", "admin");
        command
    }

    fn drsync(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments).output().unwrap())
    }

    /// Both servers of both sides run with `haMode=true`, nothing else of their options is changed, and
    /// nothing is left to do.
    #[track_caller]
    fn is_whole(&self) {
        for side in SIDES {
            for number in ["01", "02"] {
                let show =
                    format!("systemctl is-active {UNIT}; grep CMF_JAVA_OPTS /etc/default/{UNIT}");
                let said = self.laboratory.on(&host(side, number), &show);
                let options = "export CMF_JAVA_OPTS=\"-Xmx4G  -Dcom.cloudera.cmf.haMode=true \
                               -XX:+HeapDumpOnOutOfMemoryError\" # two servers\n";
                assert_eq!(said, format!("active\n{options}"), "{side} {number}");
            }
        }
        self.drsync(&["plan", "--detailed-exitcode"]).expect(0);
    }

    /// Asserts that no command was submitted twice.
    #[track_caller]
    fn nothing_twice(&self, side: &str) {
        let query = "SELECT line->>'path', count(*) FROM requests WHERE line->>'method' = 'POST'
                     AND line->>'path' NOT LIKE '%refreshParcelRepos' AND (line->>'status')::int = 200
                     GROUP BY line->>'path', line->>'body' HAVING count(*) > 1";
        assert_eq!(self.sql(side, query), "", "{side}");
    }

    /// Kills the server of a host as a crash would.
    fn kill(&self, host: &str) {
        self.laboratory.on(host, &format!("systemctl kill -s KILL {UNIT}"));
    }
}

fn host(side: &str, number: &str) -> String {
    let side = if side == "primary" { "pri" } else { side };
    format!("{side}-{number}")
}

/// A parcel repository, a parcel, and settings of five services.
fn work() -> String {
    let setting = |service: &str, values: Value| json!({ "cm.config": { "service": service, "values": values, "unmanaged": "ignore" } });
    json!([
        { "cm.parcel_repository": { "url": REPOSITORY } },
        { "cm.parcel": { "product": "SPARK3", "version": SPARK } },
        setting("kafka", json!({ "num.partitions": 24 })),
        setting("hdfs", json!({ "dfs_umaskmode": "077" })),
        setting("zookeeper", json!({ "zookeeper_datadir_autocreate": true })),
        setting("yarn", json!({ "yarn_log_aggregation_retain_seconds": 864_000 })),
        setting("hive", json!({ "hive_metastore_database_port": 5433 })),
    ])
    .to_string()
}

/// The steps of M5 for a side, with the work between them.
fn steps(side: &str) -> Vec<String> {
    let (one, two) = (host(side, "01"), host(side, "02"));
    let on = |step: &str, host: &str| format!("{step}]   {side}/{host}");
    vec![
        "no command runs]".into(),
        on("stop the server", &two),
        on("set haMode=false", &one),
        on("restart the server with haMode=false", &one),
        "cm.parcel_repository[".into(),
        "cm.parcel[SPARK3".into(),
        "no command runs]".into(),
        on("set haMode=true", &one),
        on("restart the server with haMode=true", &one),
        on("start the server", &two),
        "both servers are alive]".into(),
    ]
}

#[test]
fn m2_m5_m8_both_sides_converge_through_single_node_maintenance() {
    let Some(managers) = Managers::find(&work()) else { return };
    let plan = managers.drsync(&["plan"]).expect(0);
    SIDES.iter().for_each(|side| in_order(&plan.out, &steps(side)));
    managers.drsync(&["apply", "--yes"]).expect(0);
    for side in SIDES {
        for command in ["startDownload", "startDistribution", "commands/activate"] {
            assert_eq!(managers.taken(side, "POST", command), 1, "{side}: {command}");
        }
        managers.nothing_twice(side);
    }
    managers.is_whole();
}

/// Starts an apply and kills it as soon as it tells the end of a step that is not in `known`, which
/// is added there; false when it ends first.
fn killed_after_a_step(managers: &Managers, known: &mut HashSet<String>) -> bool {
    let mut child = managers
        .command(&["apply", "--yes", "--parallel", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
        let step = line.split_once("changed  ").map(|(_, step)| step.rsplit_once("  ").unwrap().0);
        if step.is_some_and(|step| known.insert(step.to_string())) {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        told += &(line + "\n");
    }
    let status = child.wait().unwrap();
    assert!(status.success(), "it neither ended a new step nor well: {status}\n{told}");
    false
}

/// A run is killed after the first step, the next one after the second, and so on to the last.
#[test]
fn m5_killed_after_each_single_step_and_run_again_it_ends_with_both_servers() {
    let Some(managers) = Managers::find(&work()) else { return };
    let mut known = HashSet::new();
    while killed_after_a_step(&managers, &mut known) {}
    for side in SIDES {
        // 07 and 14 look only: after the step before them nothing is left to be gone on with.
        for step in (1..14).filter(|step| *step != 7) {
            let step = format!("{step:02}");
            let is_it =
                |name: &String| name.starts_with(side) && name.contains(&format!("[{step}: "));
            assert!(known.iter().any(is_it), "{side}, step {step}: {known:#?}");
        }
        for kind in ["cm.parcel_repository[", "cm.parcel[SPARK3", "cm.restart["] {
            let is_it = |name: &String| name.starts_with(&format!("{side}/{kind}"));
            assert!(known.iter().any(is_it), "{side}, {kind}: {known:#?}");
        }
        managers.nothing_twice(side);
    }
    managers.is_whole();
}

#[test]
fn m3_adding_a_parcel_with_both_servers_up_ends_in_a_unique_violation() {
    let log = json!([{ "cm.server_log": {}, "hosts": "dr-01,dr-02" }]);
    let Some(managers) = Managers::find(&log.to_string()) else { return };
    managers.drsync(&["drift"]).expect(0);
    let list = json!({ "items": [{ "name": "REMOTE_PARCEL_REPO_URLS", "value": REPOSITORY }] });
    managers.call("dr", "PUT", "/cm/config", &list.to_string()).unwrap();
    let refresh = managers.call("dr", "POST", "/cm/commands/refreshParcelRepos", "").unwrap();
    let path = format!("/commands/{}", refresh["id"]);
    let mut end = Value::Null;
    wait_until(Duration::from_secs(10), || {
        end = managers.call("dr", "GET", &path, "").unwrap_or_default();
        end["active"] == false
    });
    assert_eq!(end["success"], false, "{end}");
    let said = "duplicate key value violates unique constraint \"releases_product_version_key\"";
    assert!(end["resultMessage"].as_str().unwrap().contains(said), "{end}");
    // One of both has it in its log, with the row.
    let log = |number| {
        managers.laboratory.on(&host("dr", number), &format!("cat /var/log/{UNIT}/{UNIT}.log"))
    };
    let logs = log("01") + &log("02");
    let row = format!("Key (product, version)=(SPARK3, {SPARK}) already exists");
    assert_eq!(logs.matches(&row).count(), 1, "{logs}");
    assert!(logs.contains("ERROR") && logs.contains(said), "{logs}");
    // drsync tells what that is, and what to do.
    let drift = managers.drsync(&["drift"]).expect(2);
    assert!(drift.out.contains("cm-ha-parcel-race"), "{}", drift.out);
}

/// Returns how long it takes until a manager answers by its url, asked anew every 100 ms.
fn answers_after(managers: &Managers, name: &str, since: Instant) -> Duration {
    let url = format!("{}/cmf/login", managers.laboratory.value(name));
    while since.elapsed() < Duration::from_secs(30) {
        let mut curl = managers.laboratory.inside("curl");
        let said = curl.args(["-sf", "-o", "/dev/null", "-m", "0.3", &url]).status();
        if said.unwrap().success() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    since.elapsed()
}

#[test]
fn m24_failover_takes_as_long_as_the_checks_of_the_balancer_say() {
    let Some(managers) = Managers::find("[]") else { return };
    managers.kill("dr-01");
    let begun = Instant::now();
    let (default, fast) = std::thread::scope(|scope| {
        let default = scope.spawn(|| answers_after(&managers, "MANAGER_DR", begun));
        let fast = answers_after(&managers, "MANAGER_DR_FAST", begun);
        (default.join().unwrap(), fast)
    });
    println!("failover: {default:.1?} with default checks, {fast:.1?} with inter 1s fall 2");
    let seconds = default.as_secs_f64();
    assert!((3.5..7.5).contains(&seconds), "{default:?}");
    assert!(fast < default, "{fast:?} {default:?}");
    managers.call("dr", "GET", "/cm/version", "").unwrap();
    assert_eq!(managers.sql("dr", "SELECT server FROM requests ORDER BY id DESC LIMIT 1"), "dr-02");
}

/// A setting whose service is restarted after it.
fn kafka() -> String {
    json!([{ "cm.config": {
        "service": "kafka", "values": { "num.partitions": 24 }, "unmanaged": "ignore",
    } }])
    .to_string()
}

#[test]
fn m12_m21_failover_in_the_middle_of_a_plan_and_of_an_apply() {
    let Some(managers) = Managers::find(&kafka()) else { return };
    // In the middle of a plan: what it says is complete, or says that something is unknown.
    let before = managers.taken("dr", "GET", "");
    let mut plan = managers.command(&["plan", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let has_begun = || managers.taken("dr", "GET", "") > before;
    assert!(wait_until(Duration::from_secs(20), has_begun));
    assert!(plan.try_wait().unwrap().is_none(), "the plan was over before the server was gone");
    managers.kill("dr-01");
    let plan = ran(plan.wait_with_output().unwrap());
    let page = plan.json();
    let found = page["instances"].as_array().unwrap().iter().any(|item| {
        item["address"].as_str().unwrap().starts_with("dr/cm.config") && item["verdict"] == "change"
    });
    assert!(plan.code == 4 || plan.code == 0 && found, "{}: {page:#}", plan.code);
    managers.laboratory.on("dr-01", &format!("systemctl start {UNIT}"));
    managers.await_both("dr");
    // In the middle of an apply: after the setting was written, while the restart is going on.
    let mut apply = managers.command(&["apply", "--yes"]);
    let mut apply = apply.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let restarts = || managers.taken("dr", "POST", "rollingRestart") > 0;
    assert!(wait_until(Duration::from_secs(60), restarts));
    assert!(apply.try_wait().unwrap().is_none(), "the apply was over before the server was gone");
    managers.kill("dr-01");
    let begun = Instant::now();
    let done = ran(apply.wait_with_output().unwrap()).expect(0);
    println!("the apply ended {:.1?} after the active server was killed", begun.elapsed());
    assert!(done.err.contains("dr/cm.config[kafka]"), "{}", done.err);
    assert_eq!(managers.taken("dr", "PUT", "services/kafka/config"), 1);
    managers.nothing_twice("dr");
    // The server that is gone is told, and started by the next run.
    let drift = managers.drsync(&["drift"]).expect(2);
    assert!(drift.out.contains("server  stopped → running"), "{}", drift.out);
    managers.drsync(&["apply", "--yes"]).expect(0);
    managers.is_whole();
}
