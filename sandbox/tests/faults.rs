//! Every fault, seen from a client.

mod common;

use std::time::Instant;

use common::{World, demo, demo_seed, pause, start};
use serde_json::{Value, json};

const HDFS: &str = "/clusters/lake/services/hdfs/config";

async fn echo(world: &World) -> common::Answer {
    world.call("GET", "/tools/echo?message=x", Value::Null).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transport_faults() {
    let world = demo().await;
    world.faults(json!([{ "fault": "drop", "times": 1 }])).await;
    assert_eq!(echo(&world).await.status, 0);
    assert_eq!(echo(&world).await.json()["message"], "x");
    world.faults(json!([{ "fault": "cut", "bytes": 5, "times": 1 }])).await;
    let cut = echo(&world).await;
    assert_eq!((cut.status, cut.body.len(), cut.complete), (200, 5, false), "{cut:?}");
    world.faults(json!([{ "fault": "status", "code": 502, "after": 1, "times": 1 }])).await;
    assert_eq!(echo(&world).await.status, 200);
    let failed = echo(&world).await;
    assert_eq!(failed.status, 502);
    assert!(failed.body.starts_with("<html>"));
    assert_eq!(echo(&world).await.status, 200);
    world.faults(json!([{ "fault": "html", "path": "/tools" }])).await;
    assert!(echo(&world).await.body.starts_with("<html>"));
    world.faults(json!([{ "fault": "latency", "ms": 200 }])).await;
    let begin = Instant::now();
    echo(&world).await;
    assert!(begin.elapsed().as_millis() >= 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_may_or_may_not_have_been_applied() {
    let world = demo().await;
    world.faults(json!([{ "fault": "drop", "method": "PUT" }])).await;
    assert_eq!(world.set(HDFS, "dfs_replication", json!("2")).await.status, 0);
    assert_eq!(world.value(HDFS, "dfs_replication").await.as_deref(), Some("3"));
    world.faults(json!([{ "fault": "drop", "method": "PUT", "applied": true }])).await;
    assert_eq!(world.set(HDFS, "dfs_replication", json!("2")).await.status, 0);
    assert_eq!(world.value(HDFS, "dfs_replication").await.as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_faults() {
    let world = demo().await;
    world.faults(json!([{ "fault": "put_loses", "name": "dfs_replication", "times": 1 }])).await;
    let body = json!({ "items": [
        { "name": "dfs_replication", "value": "2" },
        { "name": "dfs_umaskmode", "value": "022" },
    ] });
    assert_eq!(world.call("PUT", HDFS, body).await.status, 200);
    assert_eq!(world.value(HDFS, "dfs_replication").await.as_deref(), Some("3"));
    assert_eq!(world.value(HDFS, "dfs_umaskmode").await.as_deref(), Some("022"));
    world.faults(json!([{ "fault": "stale_reads", "ms": 300 }])).await;
    world.set(HDFS, "dfs_replication", json!("2")).await;
    assert_eq!(world.value(HDFS, "dfs_replication").await.as_deref(), Some("3"));
    pause(350).await;
    assert_eq!(world.value(HDFS, "dfs_replication").await.as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_faults() {
    let faults =
        vec![json!({ "fault": "read_only_user" }), json!({ "fault": "event_server_down" })];
    let world = start(&demo_seed(), faults).await;
    assert_eq!(world.set(HDFS, "dfs_replication", json!("2")).await.status, 403);
    assert_eq!(world.call("GET", "/events", Value::Null).await.status, 503);
    assert_eq!(echo(&world).await.status, 200);
    let url = world.manager.url();
    let odd =
        common::send(url, "PUT", "/sandbox/faults", common::LOGIN, "[{\"fault\":\"x\"}]").await;
    assert_eq!(odd.status, 400);
    world.faults(json!([])).await;
    assert_eq!(world.call("GET", "/events", Value::Null).await.status, 200);
}
