//! Settings: views, merging, refusals, secrets, revisions.

mod common;

use common::{LOGIN, demo, send};
use serde_json::{Value, json};

const HDFS: &str = "/clusters/lake/services/hdfs";
const NAMENODE: &str = "/clusters/lake/services/hdfs/roleConfigGroups/hdfs-NAMENODE-BASE/config";

#[tokio::test(flavor = "multi_thread")]
async fn summary_lists_what_is_set_and_full_lists_everything() {
    let world = demo().await;
    let summary = world.get(NAMENODE).await;
    let names: Vec<_> = summary["items"].as_array().unwrap().iter().map(|i| &i["name"]).collect();
    assert!(names.contains(&&json!("dfs_namenode_handler_count")));
    assert!(!names.contains(&&json!("dfs_safemode_extension")));
    let full = world.get(&format!("{NAMENODE}?view=FULL")).await;
    let items = full["items"].as_array().unwrap();
    assert!(items.len() > 80, "{}", items.len());
    let find = |name: &str| items.iter().find(|item| item["name"] == name).unwrap();
    let handlers = find("dfs_namenode_handler_count");
    assert_eq!(handlers["value"], "120");
    assert_eq!(handlers["default"], "30");
    assert_eq!(handlers["relatedName"], "dfs.namenode.handler.count");
    assert_eq!(handlers["validationState"], "OK");
    assert!(find("dfs_safemode_extension").get("value").is_none());
    let answer = world.call("GET", &format!("{NAMENODE}?view=odd"), Value::Null).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn put_merges_and_resets() {
    let world = demo().await;
    let answer = world.set(NAMENODE, "fs_trash_interval", json!("60")).await;
    assert_eq!(answer.status, 200);
    let items = answer.json()["items"].clone();
    assert!(items.as_array().unwrap().len() > 5, "others stay: {items}");
    assert_eq!(world.value(NAMENODE, "fs_trash_interval").await.as_deref(), Some("60"));
    assert_eq!(world.set(NAMENODE, "fs_trash_interval", Value::Null).await.status, 200);
    assert_eq!(world.value(NAMENODE, "fs_trash_interval").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_puts_are_refused_whole() {
    let world = demo().await;
    let path = format!("{HDFS}/config");
    let body = json!({ "items": [
        { "name": "dfs_replication", "value": "2" },
        { "name": "process_auto_restart", "value": "true" },
    ] });
    let answer = world.call("PUT", &path, body).await;
    assert_eq!(answer.status, 400);
    let message = "Unknown configuration attribute 'process_auto_restart'.";
    assert_eq!(answer.json()["message"], message);
    assert_eq!(world.value(&path, "dfs_replication").await.as_deref(), Some("3"));
    assert_eq!(world.set(&path, "dfs_replication", json!("three")).await.status, 400);
    assert_eq!(world.set(&path, "dfs_webhdfs_enabled", json!("maybe")).await.status, 400);
    let odd = json!({ "items": [{ "name": "dfs_replication", "wert": "3" }] });
    assert_eq!(world.call("PUT", &path, odd).await.status, 400);
    let url = world.manager.url();
    let broken = send(url, "PUT", &format!("/api/v54{path}"), LOGIN, "{\"items\":").await;
    assert_eq!(broken.status, 400);
    let suppression = "service_config_suppression_anything";
    assert_eq!(world.set(&path, suppression, json!("true")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_hidden() {
    let world = demo().await;
    let path = "/clusters/lake/services/hue/config";
    assert_eq!(world.value(path, "database_password").await.as_deref(), Some("REDACTED"));
    assert_eq!(world.set(path, "database_password", json!("new")).await.status, 200);
    assert_eq!(world.value(path, "database_password").await.as_deref(), Some("REDACTED"));
    let state = std::fs::read_to_string(&world.spec.state).unwrap();
    assert!(state.contains("\"database_password\":\"new\""));
    let export = world.get("/clusters/lake/export").await.to_string();
    assert!(export.contains("<changeme>") && !export.contains("pri-hive-db"));
    let deployment = world.get("/cm/deployment?view=export_redacted").await.to_string();
    assert!(deployment.contains("REDACTED") && !deployment.contains("pri-hive-db"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scope_can_be_read_and_changed() {
    let world = demo().await;
    let host = world.get("/hosts").await["items"][0].clone();
    let host_id = host["hostId"].as_str().unwrap();
    let roles = world.get(&format!("{HDFS}/roles?filter=type==NAMENODE")).await;
    let role = roles["items"][0]["name"].as_str().unwrap();
    let places = [
        ("/cm/config".to_owned(), "SESSION_TIMEOUT", "900"),
        ("/cm/allHosts/config".to_owned(), "java_home", "/opt/java"),
        (format!("/hosts/{host_id}/config"), "rm_enabled", "true"),
        ("/cm/service/config".to_owned(), "service_triggers", "[]"),
        (
            "/cm/service/roleConfigGroups/mgmt-HOSTMONITOR-BASE/config".to_owned(),
            "firehose_heapsize",
            "1",
        ),
        (format!("{HDFS}/config"), "dfs_replication", "2"),
        (NAMENODE.to_owned(), "namenode_java_heapsize", "1"),
        (format!("{HDFS}/roles/{role}/config"), "namenode_id", "9"),
    ];
    for (path, name, value) in places {
        let answer = world.set(&path, name, json!(value)).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(world.value(&path, name).await.as_deref(), Some(value), "{path}");
        assert_eq!(world.call("DELETE", &path, Value::Null).await.status, 405);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn effective_changes_make_revisions_and_events() {
    let world = demo().await;
    let query = "/events?query=attributes.EVENTCODE==EV_REVISION_CREATED&maxResults=100";
    assert_eq!(world.get(query).await["totalResults"], 0);
    let path = format!("{NAMENODE}?message=run%2042");
    world.set(&path, "fs_trash_interval", json!("60")).await;
    world.set(&path, "fs_trash_interval", json!("60")).await;
    world.set("/cm/config", "SESSION_TIMEOUT", json!("60")).await;
    let events = world.get(query).await;
    assert_eq!(events["totalResults"], 2, "the same value again is no revision");
    let event = &events["items"][1];
    assert_eq!(event["content"], "User admin created a new revision. Message was: run 42");
    assert_eq!(event["category"], "AUDIT_EVENT");
    let attributes = event["attributes"].to_string();
    for expected in ["EV_REVISION_CREATED", "hdfs-NAMENODE-BASE", "\"lake\"", "1546338000"] {
        assert!(attributes.contains(expected), "{attributes}");
    }
    let bad = world.call("GET", "/events?query=timeOccurred=gt=2020", Value::Null).await;
    assert_eq!((bad.status, bad.json()["message"].clone()), (400, json!("Missing comparator")));
    let none = world.get("/events?query=attributes.SERVICE==yarn").await;
    assert_eq!(none["totalResults"], 0);
}
