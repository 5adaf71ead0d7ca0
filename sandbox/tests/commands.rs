//! Commands and the staleness they remove.

mod common;

use common::{World, demo, pause};
use serde_json::{Value, json};

const HDFS: &str = "/clusters/lake/services/hdfs";

async fn status(world: &World, service: &str) -> (String, String) {
    let shown = world.get(&format!("/clusters/lake/services/{service}")).await;
    let word = |name: &str| shown[name].as_str().unwrap().to_owned();
    (word("configStalenessStatus"), word("clientConfigStalenessStatus"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_makes_stale_until_the_restart() {
    let world = demo().await;
    world.faults(json!([{ "fault": "staleness_delay", "ms": 400 }])).await;
    world.set(&format!("{HDFS}/config"), "dfs_replication", json!("2")).await;
    assert_eq!(status(&world, "hdfs").await.0, "FRESH", "it takes a while to show");
    pause(450).await;
    assert_eq!(status(&world, "hdfs").await, ("STALE".into(), "STALE".into()));
    assert_eq!(status(&world, "hive").await.0, "STALE", "it refers to hdfs");
    assert_eq!(status(&world, "kafka").await.0, "FRESH");
    let answer = world.call("POST", &format!("{HDFS}/commands/restart"), Value::Null).await;
    let command = answer.json();
    assert_eq!((answer.status, &command["active"]), (200, &json!(true)));
    assert!(command["id"].as_i64().unwrap() >= 1_546_300_000);
    let again = world.call("POST", &format!("{HDFS}/commands/restart"), Value::Null).await;
    assert_eq!(again.status, 400, "{again:?}");
    let finished = world.finish(&command).await;
    assert_eq!(finished["success"], true);
    assert_eq!(finished["resultMessage"], "Successfully restarted service.");
    let children = finished["children"]["items"].as_array().unwrap();
    assert_eq!(children.len(), 2 + 4 + 3 + 2 + 1, "one per role that runs");
    assert!(children.iter().all(|child| child["roleRef"]["roleName"].is_string()));
    assert_eq!(status(&world, "hdfs").await, ("FRESH".into(), "STALE".into()));
    let deploy = format!("{HDFS}/commands/deployClientConfig");
    let command = world.call("POST", &deploy, Value::Null).await.json();
    world.finish(&command).await;
    assert_eq!(status(&world, "hdfs").await.1, "FRESH");
}

#[tokio::test(flavor = "multi_thread")]
async fn some_changes_need_a_refresh_only_and_some_nothing() {
    let world = demo().await;
    let group = format!("{HDFS}/roleConfigGroups/hdfs-DATANODE-BASE/config");
    world.set(&group, "unexpected_exits_thresholds", json!("{}")).await;
    pause(250).await;
    assert_eq!(status(&world, "hdfs").await.0, "FRESH");
    world.set(&group, "dfs_data_dir_list", json!("/data/1/dfs/dn")).await;
    pause(250).await;
    assert_eq!(status(&world, "hdfs").await.0, "STALE_REFRESHABLE");
    let body = json!({ "items": [] });
    let answer = world.call("POST", "/clusters/lake/commands/refresh", body).await;
    let finished = world.finish(&answer.json()).await;
    assert_eq!(finished["name"], "RefreshCluster");
    assert_eq!(status(&world, "hdfs").await.0, "FRESH");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_and_starting_changes_states() {
    let world = demo().await;
    let service = "/clusters/lake/services/zookeeper";
    let command = world.call("POST", &format!("{service}/commands/stop"), Value::Null).await.json();
    assert_eq!(world.get(service).await["serviceState"], "STOPPING");
    let active = world.get(&format!("{service}/commands")).await;
    assert_eq!(active["items"].as_array().unwrap().len(), 1);
    world.finish(&command).await;
    let shown = world.get(service).await;
    assert_eq!(shown["serviceState"], "STOPPED");
    assert_eq!(
        (&shown["healthSummary"], &shown["entityStatus"]),
        (&json!("DISABLED"), &json!("STOPPED"))
    );
    let command =
        world.call("POST", &format!("{service}/commands/start"), Value::Null).await.json();
    world.finish(&command).await;
    assert_eq!(world.get(service).await["serviceState"], "STARTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_and_role_commands() {
    let world = demo().await;
    let body = json!({ "restartServiceNames": ["kafka"], "redeployClientConfiguration": true });
    let command = world.call("POST", "/clusters/lake/commands/restart", body).await.json();
    let finished = world.finish(&command).await;
    let services = finished["children"]["items"].as_array().unwrap().clone();
    assert_eq!(services.len(), 1);
    assert_eq!(services[0]["serviceRef"]["serviceName"], "kafka");
    let child = world.get(&format!("/commands/{}", services[0]["id"])).await;
    assert_eq!(child["children"]["items"].as_array().unwrap().len(), 4);
    assert_eq!(child["parent"]["id"], command["id"]);
    let body = json!({ "items": ["HOSTMONITOR"] });
    let answer = world.call("POST", "/cm/service/roleCommands/restart", body).await.json();
    let role = answer["items"][0]["roleRef"]["roleName"].as_str().unwrap();
    assert!(role.starts_with("mgmt-HOSTMONITOR-"));
    world.finish(&answer["items"][0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_aborts() {
    let world = demo().await;
    let restart = "/clusters/lake/services/kafka/commands/restart";
    world.faults(json!([{ "fault": "command_fails", "name": "Restart", "times": 1 }])).await;
    let command = world.call("POST", restart, Value::Null).await.json();
    let finished = world.finish(&command).await;
    assert_eq!(finished["success"], false);
    world.faults(json!([{ "fault": "child_fails" }])).await;
    let command = world.call("POST", restart, Value::Null).await.json();
    let finished = world.finish(&command).await;
    assert_eq!(finished["success"], true);
    let children = finished["children"]["items"].as_array().unwrap();
    assert!(children.iter().any(|child| child["success"] == false));
    world.faults(json!([{ "fault": "command_ms", "ms": 60000 }])).await;
    let command = world.call("POST", restart, Value::Null).await.json();
    let path = format!("/commands/{}/abort", command["id"]);
    let aborted = world.call("POST", &path, Value::Null).await.json();
    assert_eq!((&aborted["active"], &aborted["success"]), (&json!(false), &json!(false)));
    assert_eq!(world.get("/clusters/lake/services/kafka").await["serviceState"], "STARTED");
    assert_eq!(world.call("GET", "/commands/1", Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_go_and_come_back_are_silenced_and_tagged() {
    let world = demo().await;
    let hosts = world.get("/hosts").await;
    let host = &hosts["items"][3];
    let (id, name) = (host["hostId"].as_str().unwrap(), host["hostname"].as_str().unwrap());
    let at = format!("/hosts/{id}");
    let body = json!({ "items": [name] });
    world.faults(json!([{ "fault": "command_ms", "ms": 1500 }])).await;
    let answer = world.call("POST", "/cm/commands/hostsDecommission", body.clone()).await;
    assert_eq!(world.get(&at).await["commissionState"], "DECOMMISSIONING");
    let again = world.call("POST", "/cm/commands/hostsDecommission", body.clone()).await;
    assert_eq!(again.status, 400, "{again:?}");
    let finished = world.finish(&answer.json()).await;
    assert_eq!(finished["children"]["items"][0]["hostRef"]["hostname"], name);
    assert_eq!(world.get(&at).await["commissionState"], "DECOMMISSIONED");
    let answer = world.call("POST", "/cm/commands/hostsRecommission", body).await;
    world.finish(&answer.json()).await;
    assert_eq!(world.get(&at).await["commissionState"], "COMMISSIONED");

    let enter = format!("{at}/commands/enterMaintenanceMode");
    let command = world.call("POST", &enter, Value::Null).await.json();
    assert_eq!((&command["active"], &command["success"]), (&json!(false), &json!(true)));
    assert!(command["id"].as_i64().unwrap() < 0, "it cannot be looked up later");
    assert_eq!(world.get(&at).await["maintenanceOwners"], json!(["HOST"]));

    let tags = format!("/hosts/{name}/tags");
    let tag = |value: &str| json!([{ "name": "owner", "value": value }]);
    world.call("PUT", &tags, tag("a")).await;
    world.call("PUT", &tags, tag("b")).await;
    assert_eq!(world.get(&at).await["tags"], tag("b"));
    world.call("DELETE", &tags, tag("b")).await;
    assert_eq!(world.get(&tags).await, json!([]));
    let odd = world.call("PUT", &tags, json!([{ "nmae": "owner" }])).await;
    assert_eq!(odd.status, 400, "{odd:?}");
}
