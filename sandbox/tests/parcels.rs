//! Parcels: the stages they go through, and what is refused on the way.

mod common;

use std::time::Duration;

use common::{World, demo};
use serde_json::{Value, json};

const SPARK: &str =
    "/clusters/lake/parcels/products/SPARK3/versions/3.3.2.3.3.7191000.0-78-1.p0.57384092";
const URLS: &str = "https://archive.cloudera.com/p/cdh7/7.1.9/parcels/,\
                    https://archive.cloudera.com/p/spark3/3.3.7191000.0/parcels";

async fn reaches(world: &World, stage: &str) {
    for _ in 0..100 {
        let shown = world.call("GET", SPARK, Value::Null).await.json();
        if shown["stage"] == stage {
            return;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    panic!("{:?} is not {stage}", world.get(SPARK).await);
}

async fn command(world: &World, word: &str) -> u16 {
    world.call("POST", &format!("{SPARK}/commands/{word}"), Value::Null).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_goes_its_whole_way_and_back() {
    let world = demo().await;
    assert_eq!(command(&world, "startDownload").await, 404);
    world.set("/cm/config", "REMOTE_PARCEL_REPO_URLS", json!(URLS)).await;
    world.call("POST", "/cm/commands/refreshParcelRepos", Value::Null).await;
    reaches(&world, "AVAILABLE_REMOTELY").await;
    // A stage cannot be skipped, and a command is not taken twice.
    assert_eq!(command(&world, "activate").await, 400);
    assert_eq!(command(&world, "startDownload").await, 200);
    assert_eq!(command(&world, "startDownload").await, 400);
    assert_eq!(world.get(SPARK).await["stage"], "DOWNLOADING");
    reaches(&world, "DOWNLOADED").await;
    // Torrents are being set up.
    assert_eq!(command(&world, "startDistribution").await, 400);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(command(&world, "startDistribution").await, 200);
    reaches(&world, "DISTRIBUTED").await;
    assert_eq!(command(&world, "activate").await, 200);
    reaches(&world, "ACTIVATED").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let hdfs = world.get("/clusters/lake/services/hdfs").await;
    assert_eq!(hdfs["configStalenessStatus"], "STALE");
    for (word, stage) in [
        ("deactivate", "DISTRIBUTED"),
        ("startRemovalOfDistribution", "DOWNLOADED"),
        ("removeDownload", "AVAILABLE_REMOTELY"),
    ] {
        assert_eq!(command(&world, word).await, 200);
        reaches(&world, stage).await;
    }
}

/// The directory of a host on which a server runs with `haMode=true`.
fn server(folder: &std::path::Path, name: &str) -> drsync_sandbox::ServerHost {
    let root = folder.join(name);
    std::fs::create_dir_all(root.join(".sandbox/units")).unwrap();
    std::fs::create_dir_all(root.join("proc/7")).unwrap();
    let unit = "known=1\nactive=true\npid=7\n";
    std::fs::write(root.join(".sandbox/units/cloudera-scm-server"), unit).unwrap();
    let options = "CMF_JAVA_OPTS=-Dcom.cloudera.cmf.haMode=true\0";
    std::fs::write(root.join("proc/7/environ"), options).unwrap();
    drsync_sandbox::ServerHost { name: name.into(), root }
}

#[tokio::test(flavor = "multi_thread")]
async fn m3_two_servers_that_run_race_for_the_same_rows() {
    let mut world = demo().await;
    let folder = world.directory.path().join("hosts");
    world.spec.servers = vec![server(&folder, "cm1"), server(&folder, "cm2")];
    world.manager = drsync_sandbox::Manager::start(world.spec.clone()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let instances = world.get("/cm/instances").await;
    assert_eq!(instances["items"].as_array().unwrap().len(), 2);
    world.set("/cm/config", "REMOTE_PARCEL_REPO_URLS", json!(URLS)).await;
    let refresh = world.call("POST", "/cm/commands/refreshParcelRepos", Value::Null).await.json();
    let refresh = world.finish(&refresh).await;
    assert_eq!(refresh["success"], json!(false));
    let said = refresh["resultMessage"].as_str().unwrap();
    assert!(said.contains("Key (product, version)=") && said.contains("already exists"), "{said}");
    assert_eq!(world.call("GET", SPARK, Value::Null).await.status, 404);
    let service = json!({ "items": [{ "name": "audit", "type": "KAFKA" }] });
    assert_eq!(world.call("POST", "/clusters/lake/services", service).await.status, 500);
    // One of them alone does what it is told.
    std::fs::write(folder.join("cm2/.sandbox/units/cloudera-scm-server"), "active=false\n")
        .unwrap();
    world.call("POST", "/cm/commands/refreshParcelRepos", Value::Null).await;
    reaches(&world, "AVAILABLE_REMOTELY").await;
    // And without any of them nothing answers.
    std::fs::write(folder.join("cm1/.sandbox/units/cloudera-scm-server"), "active=false\n")
        .unwrap();
    assert_eq!(world.call("GET", "/cm/version", Value::Null).await.status, 503);
}
