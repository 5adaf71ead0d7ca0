//! The simulated manager seeded with real cluster templates, and real `view=full` answers.

mod support;

use std::path::Path;

use drsync::format::setting::{Sort, normalise};
use drsync::reach::catalogue::read_items;
use support::{Project, recordings, repository};

const HOSTS: &str = "all: { children: { primary: { hosts: { h1: } }, dr: { hosts: { h2: } } } }\n";

/// Writes an inventory whose two managers are seeded with `seed`.
fn seeded(seed: &Path, resources: &str) -> Project {
    let project = Project::new();
    let seed = seed.canonicalize().unwrap();
    let manager = format!("{{ manager: {{ sandbox: {{ seed: {} }} }} }}", seed.display());
    project
        .file(
            "inv/pair.yaml",
            format!("pair: real\nsides:\n  primary: {manager}\n  dr: {manager}\n"),
        )
        .file("inv/hosts.yaml", HOSTS)
        .file("inv/resources/all.yaml", resources);
    project
}

/// Plans, checks that exactly `expected` differ (on each side), applies, and plans to nothing.
fn converges(project: &Project, expected: &[(&str, &[&str])]) {
    let plan =
        project.drsync(&["plan", "-i", "inv", "--json", "--detailed-exitcode"]).expect(2).json();
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for instance in plan["instances"].as_array().unwrap() {
        // What restarts follow is told by tests of their own.
        if instance["verdict"] == "change" && instance["kind"] != "cm.restart" {
            let names = instance["attributes"].as_array().unwrap().iter();
            let names = names.map(|a| a["name"].as_str().unwrap().to_string()).collect();
            found.push((instance["address"].as_str().unwrap().to_string(), names));
        }
    }
    let mut wanted: Vec<(String, Vec<String>)> = Vec::new();
    for side in ["primary", "dr"] {
        for (key, names) in expected {
            let names = names.iter().map(|n| n.to_string()).collect();
            wanted.push((format!("{side}/cm.config[{key}]"), names));
        }
    }
    assert_eq!(found, wanted);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}

#[test]
fn an_exported_data_lake_shows_exactly_what_is_declared() {
    let Some(recordings) = recordings() else { return };
    let project = seeded(
        &recordings.join("cloudbreak/export-datalake-7.3.1-cm7.13.1.json"),
        r#"
- cm.config: { service: zookeeper, role_group: SERVER, values: { maxClientCnxns: 250, dataDir: /hadoopfs/fs1/zookeeper } }
- cm.config: { service: hdfs, role_group: NAMENODE, values: { dfs_name_dir_list: [/hadoopfs/fs1/namenode, /hadoopfs/fs2/namenode] } }
- cm.config: { service: hdfs, role_group: DATANODE, values: { dfs_datanode_handler_count: 20 } }
- cm.config: { service: kafka, role_group: KAFKA_BROKER, values: { log.dirs: [/hadoopfs/fs1/kafka] } }
- cm.config: { service: hive, values: { hive_metastore_database_port: 5432, hive_metastore_database_name: metastore } }
- cm.config: { service: ranger, values: { ranger_database_user: ranger2 } }
- cm.config: { scope: manager, values: { SESSION_TIMEOUT: 900 } }
"#,
    );
    converges(
        &project,
        &[
            ("zookeeper/SERVER", &["maxClientCnxns"]),
            ("hdfs/NAMENODE", &["dfs_name_dir_list"]),
            ("hdfs/DATANODE", &["dfs_datanode_handler_count"]),
            ("hive", &["hive_metastore_database_name"]),
            ("ranger", &["ranger_database_user"]),
            ("manager", &["SESSION_TIMEOUT"]),
        ],
    );
}

#[test]
fn a_single_node_cluster_of_twenty_two_services_shows_exactly_what_is_declared() {
    let Some(recordings) = recordings() else { return };
    let project = seeded(
        &recordings.join("single-node-cdp-cluster/719base2.json"),
        r#"
- cm.config: { service: hdfs, values: { dfs.replication: 1, dfs_umaskmode: "077" } }
- cm.config: { service: hue, values: { database_type: mysql, database_host: db2 } }
- cm.config: { service: oozie, role_group: OOZIE_SERVER, values: { oozie_database_user: oozie, oozie_http_port: 11001 } }
- cm.config: { service: impala, role_group: IMPALAD, values: { impalad_memory_limit: 4 GiB } }
- cm.config: { service: yarn, role_group: NODEMANAGER, values: { yarn_nodemanager_resource_memory_mb: 16 GiB } }
- cm.config: { service: ranger, values: { ranger_database_port: 3306 } }
"#,
    );
    converges(
        &project,
        &[
            ("hdfs", &["dfs_replication", "dfs_umaskmode"]),
            ("hue", &["database_host"]),
            ("oozie/OOZIE_SERVER", &["oozie_http_port"]),
            ("impala/IMPALAD", &["impalad_memory_limit"]),
            ("yarn/NODEMANAGER", &["yarn_nodemanager_resource_memory_mb"]),
        ],
    );
}

/// Every recorded `config?view=full`, as lists of items.
fn full_views(recordings: &Path) -> Vec<(String, serde_json::Value)> {
    let read = |name: &str| -> serde_json::Value {
        let text = std::fs::read_to_string(recordings.join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let mut views = vec![
        ("manager".to_string(), read("cloudera-api-starter/cloudera_manager__cm_full_config.json")),
        (
            "zookeeper".to_string(),
            read("cloudera-api-starter/zookeeper__zookeeper_full_config.json"),
        ),
        ("all hosts".to_string(), read("cm_api-tests/cms-hosts-or-commands-list.json")),
        (
            "data directories".to_string(),
            read("cm_api-docs/tutorial-config-full-dfs_data_dir_list.json"),
        ),
    ];
    let hive = read("sebc/fragosoft/v1-hive-config-view-full.json");
    for group in hive["roleTypeConfigs"].as_array().unwrap() {
        views.push((format!("hive {}", group["roleType"]), group.clone()));
    }
    views.push(("hive".to_string(), hive));
    views
}

#[test]
fn every_recorded_full_view_parses_and_normalises() {
    let Some(recordings) = recordings() else { return };
    let mut count = 0;
    for (name, view) in full_views(&recordings) {
        let list =
            if view.get("items").is_some() { view } else { serde_json::json!({ "items": [view] }) };
        let settings = read_items(&list).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!settings.is_empty(), "{name}");
        for (setting, body) in &settings {
            let default = body.default.as_deref();
            for text in body.value.iter().chain(&body.default) {
                for sort in [Sort::Plain, Sort::List] {
                    let once = normalise(setting, text, default, sort);
                    let padded = normalise(setting, &format!(" {text} \n"), default, sort);
                    assert_eq!(once, padded, "{name} {setting}: blanks around a value count");
                }
            }
            count += 1;
        }
    }
    assert!(count > 680, "only {count} settings were seen");
}

#[test]
fn declaring_every_recorded_value_of_a_scope_plans_to_nothing() {
    let Some(recordings) = recordings() else { return };
    let full = recordings.join("cloudera-api-starter/cloudera_manager__cm_full_config.json");
    let text = std::fs::read_to_string(&full).unwrap();
    let view: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut declared = serde_json::Map::new();
    let mut live = Vec::new();
    for item in view["items"].as_array().unwrap() {
        let value = item.get("value").or(item.get("default")).and_then(|v| v.as_str());
        if let Some(value) = value.filter(|_| item["sensitive"] != true) {
            declared.insert(item["name"].as_str().unwrap().into(), value.into());
        }
        if let Some(value) = item.get("value") {
            live.push(serde_json::json!({ "name": item["name"], "value": value }));
        }
    }
    assert!(declared.len() > 180);
    let project = Project::new();
    // The demo's primary, with the recorded manager settings and the recorded catalogue.
    let seed = repository().join("inventories/demo/sandbox/primary.json");
    let mut seed: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(seed).unwrap()).unwrap();
    seed["sandbox"]["managerSettings"] = live.into();
    let manager = format!(
        "{{ manager: {{ sandbox: {{ seed: seed.json, catalogue: [{}] }} }} }}",
        full.canonicalize().unwrap().display()
    );
    project
        .file("inv/seed.json", seed.to_string())
        .file("inv/pair.yaml", format!("pair: x\nsides:\n  primary: {manager}\n  dr: {{}}\n"))
        .file("inv/hosts.yaml", HOSTS)
        // JSON is YAML: every value is written as the text it was recorded as.
        .file(
            "inv/resources/all.yaml",
            serde_json::json!([{ "cm.config": { "scope": "manager", "values": declared } }])
                .to_string(),
        );
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}
