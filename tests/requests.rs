//! What a plan costs a manager: requests, requests at once, logins.

mod support;

use serde_json::{Value, json};
use support::{Project, request, served};

const SERVICES: usize = 30;
const HOSTS: usize = 500;
const SIMULATED: &str =
    "pair: s\nsides: { a: { manager: { sandbox: { seed: wide.json } } }, b: {} }\n";
/// Types with their role types; a service has a role config group of each, and one more.
const TYPES: [(&str, [&str; 3]); 3] = [
    ("HDFS", ["NAMENODE", "DATANODE", "JOURNALNODE"]),
    ("YARN", ["RESOURCEMANAGER", "NODEMANAGER", "JOBHISTORY"]),
    ("KAFKA", ["KAFKA_BROKER", "KAFKA_CONNECT", "KAFKA_MIRROR_MAKER"]),
];

/// A cluster of 30 services with 4 declared role config groups each, on 500 hosts.
fn cluster() -> Value {
    let services = (0..SERVICES).map(|n| {
        let (kind, roles) = TYPES[n % TYPES.len()];
        let name = format!("s{n:02}");
        let mut groups: Vec<Value> = roles
            .iter()
            .map(|role| json!({ "refName": format!("{name}-{role}-BASE"), "roleType": role, "base": true }))
            .collect();
        let large = json!({ "refName": format!("{name}-large"), "roleType": roles[1], "base": false });
        groups.push(large);
        json!({ "refName": name, "serviceType": kind, "roleConfigGroups": groups })
    });
    let hosts = (0..HOSTS).map(|n| {
        let roles = (0..5).map(|k| {
            let service = (n + k * 6) % SERVICES;
            format!("s{service:02}-{}-BASE", TYPES[service % TYPES.len()].1[1])
        });
        json!({ "hostName": format!("w{n:03}.example.com"), "roleRefNames": [], "hostTemplateRefName": "w", "x": roles.collect::<Vec<_>>() })
    });
    let hosts: Vec<Value> = hosts
        .map(|mut host| {
            host.as_object_mut().unwrap().remove("x");
            host
        })
        .collect();
    json!({
        "cdhVersion": "7.1.9",
        "cmVersion": "7.11.3",
        "displayName": "wide",
        "services": services.collect::<Vec<_>>(),
        "hostTemplates": [{ "refName": "w", "roleConfigGroupsRefNames": ["s00-DATANODE-BASE", "s01-NODEMANAGER-BASE", "s02-KAFKA_BROKER-BASE", "s03-large"] }],
        "instantiator": { "clusterName": "wide", "hosts": hosts },
    })
}

/// Settings of every service and of four role config groups each.
fn resources() -> String {
    let mut text = String::new();
    for n in 0..SERVICES {
        let (_, roles) = TYPES[n % TYPES.len()];
        let mut declare = |group: Option<&str>, value: u32| {
            let group = group.map(|group| format!("role_group: {group}, ")).unwrap_or_default();
            let setting = if group.is_empty() {
                "smon_derived_configs_safety_valve"
            } else {
                "rm_cpu_shares"
            };
            text.push_str(&format!(
                "- cm.config: {{ service: s{n:02}, {group}values: {{ {setting}: {value} }}, unmanaged: ignore }}\n"
            ));
        };
        declare(None, 1);
        roles.iter().for_each(|role| declare(Some(role), 1024));
        declare(Some(&format!("s{n:02}-large")), 2048);
    }
    text
}

/// A project with a large simulated manager, and an inventory that lacks its `pair.yaml`.
fn wide() -> Project {
    let project = Project::new();
    project
        .file("sim/wide.json", cluster().to_string())
        .file("sim/pair.yaml", SIMULATED)
        .file("sim/hosts.yaml", "all: { children: { a: {}, b: {} } }\n")
        .file("sim/resources/all.yaml", "[]\n")
        .file("inv/hosts.yaml", "all: { children: { a: {}, b: {} } }\n")
        .file("inv/resources/all.yaml", resources());
    project
}

fn counters(manager: &Value) -> Value {
    let answer = request(manager, "GET", "/sandbox/counters", "");
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

#[test]
fn a_plan_of_a_large_manager_costs_few_requests_few_at_once_and_one_login() {
    let project = wide();
    served(&project, "sim", 1, |manager| {
        let text = |key: &str| manager[key].as_str().unwrap();
        let pair = format!(
            "pair: p\nsides:\n  a:\n    manager: {{ url: '{}', user: {}, password: {} }}\n  b: {{}}\n",
            text("url"),
            text("user"),
            text("password")
        );
        project.file("inv/pair.yaml", pair);
        let limit = 15 + 2 * SERVICES as u64;
        // The first plan reads the catalogues of settings, too; they are kept.
        project.drsync(&["plan", "-i", "inv"]).expect(0);
        let before = counters(manager);
        let plan = project.drsync(&["plan", "-i", "inv", "--timings", "--json"]).expect(0).json();
        let after = counters(manager);
        let gets = plan["timings"]["managers"]["a"]["gets"].as_u64().unwrap();
        assert!(gets <= limit, "{gets} GETs");
        let grown = |name: &str| after[name].as_u64().unwrap() - before[name].as_u64().unwrap();
        assert_eq!(grown("reads"), gets);
        // Asking for the counters is a login of its own.
        assert_eq!((grown("writes"), grown("logins"), grown("failed_logins")), (0, 2, 0));
        assert!(after["max_in_flight"].as_u64().unwrap() <= 4, "{after}");
        let told = project.drsync(&["plan", "-i", "inv", "--timings"]).expect(0);
        assert!(told.err.contains(&format!("{gets} GETs")), "{}", told.err);
        // Everything in sync costs no more.
        let same = resources()
            .replace(
                "smon_derived_configs_safety_valve: 1",
                "smon_derived_configs_safety_valve: null",
            )
            .replace("2048", "1024");
        project.file("inv/resources/all.yaml", same);
        let same = ["plan", "-i", "inv", "--timings", "--json", "--detailed-exitcode"];
        let plan = project.drsync(&same).expect(0).json();
        let gets = plan["timings"]["managers"]["a"]["gets"].as_u64().unwrap();
        assert!(gets <= limit, "{gets} GETs");
    });
}

#[test]
fn a_wrong_password_is_tried_once() {
    let project = wide();
    served(&project, "sim", 1, |manager| {
        let url = manager["url"].as_str().unwrap();
        let pair = format!(
            "pair: p\nsides: {{ a: {{ manager: {{ url: '{url}', user: admin, password: wrong }} }}, b: {{}} }}\n"
        );
        project.file("inv/pair.yaml", pair);
        let refused = project.drsync(&["plan", "-i", "inv"]).expect(4);
        assert!(refused.out.contains("refuses the login of `admin`"), "{}", refused.out);
        assert_eq!(counters(manager)["failed_logins"], 1);
    });
}

#[test]
fn p1_two_sides_that_lead_to_one_cluster_are_refused() {
    let project = wide();
    served(&project, "sim", 1, |manager| {
        let text = |key: &str| manager[key].as_str().unwrap();
        // Two addresses of one server.
        let by_name = text("url").replace("127.0.0.1", "localhost");
        let side = |url: &str| {
            format!(
                "{{ manager: {{ url: '{url}', user: {}, password: {} }} }}",
                text("user"),
                text("password")
            )
        };
        let pair =
            format!("pair: p\nsides:\n  a: {}\n  b: {}\n", side(text("url")), side(&by_name));
        project.file("inv/pair.yaml", pair);
        let refused = project.drsync(&["plan", "-i", "inv"]).expect(8);
        assert!(refused.err.contains("`a` and `b` lead to one cluster"), "{}", refused.err);
        assert_eq!(counters(manager)["writes"], 0);
    });
}
