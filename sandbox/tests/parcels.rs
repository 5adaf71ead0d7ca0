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
