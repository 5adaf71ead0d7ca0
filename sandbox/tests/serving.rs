//! Access, versions, objects, seeds, and states shared between managers.

mod common;

use common::{LOGIN, World, demo, recording, send, start};
use drsync_sandbox::Manager;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn logins_and_sessions() {
    let world = demo().await;
    let url = world.manager.url();
    assert_eq!(send(url, "GET", "/api/version", "", "").await.status, 401);
    let wrong = "Authorization: Basic YQ==\r\n";
    assert_eq!(send(url, "GET", "/api/version", wrong, "").await.status, 401);
    let answer = send(url, "GET", "/api/version", LOGIN, "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "v54"));
    let line = answer.head.lines().find(|line| line.to_lowercase().starts_with("set-cookie"));
    let cookie = line.unwrap().split_once(": ").unwrap().1.split(';').next().unwrap();
    assert!(cookie.starts_with("SESSION="));
    let with_cookie = format!("Cookie: {cookie}\r\n");
    assert_eq!(send(url, "GET", "/api/v54/cm/version", &with_cookie, "").await.status, 200);
    let counters = world.manager.counters();
    assert_eq!((counters.logins, counters.failed_logins), (1, 1));
    assert_eq!((counters.reads, counters.writes), (4, 0));
    assert!(counters.max_in_flight >= 1 && counters.connections >= 4);
    let shown = send(url, "GET", "/sandbox/counters", LOGIN, "").await.json();
    assert_eq!(shown["reads"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_unknown_things() {
    let world = demo().await;
    let url = world.manager.url();
    assert_eq!(send(url, "GET", "/api/v1/clusters", LOGIN, "").await.status, 200);
    let above = send(url, "GET", "/api/v55/clusters", LOGIN, "").await;
    assert_eq!(above.status, 404);
    assert!(above.json()["message"].is_string());
    for path in ["/nothing", "/clusters/sea", "/clusters/lake/services/x", "/hosts/x", "/cm/x"] {
        let answer = world.call("GET", path, Value::Null).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json()["message"].is_string());
    }
    assert_eq!(world.call("PUT", "/clusters", json!({})).await.status, 405);
    assert_eq!(world.get("/clusters/Lake").await["name"], "lake", "by display name");
    assert_eq!(world.get("/clusters?clusterType=compute").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_has_what_it_should() {
    let world = demo().await;
    let services = world.get("/clusters/lake/services?view=full").await;
    assert_eq!(services["items"].as_array().unwrap().len(), 12);
    let state = |name: &str| {
        let mut items = services["items"].as_array().unwrap().iter();
        items.find(|item| item["name"] == name).unwrap()["serviceState"].clone()
    };
    assert_eq!((state("hdfs"), state("tez")), (json!("STARTED"), json!("NA")));
    let namenodes = world.get("/clusters/lake/services/hdfs/roles?filter=type==NAMENODE").await;
    let statuses: Vec<_> =
        namenodes["items"].as_array().unwrap().iter().map(|role| &role["haStatus"]).collect();
    assert_eq!(statuses, ["ACTIVE", "STANDBY"]);
    let hue = world.get("/clusters/lake/services/hue/config").await.to_string();
    assert!(hue.contains(namenodes["items"][0]["name"].as_str().unwrap()), "a role reference");
    let groups = world.get("/clusters/lake/services/yarn/roleConfigGroups").await;
    let large = groups["items"].as_array().unwrap().iter().find(|g| g["base"] == false).unwrap();
    assert_eq!(large["name"], "yarn-NODEMANAGER-large");
    assert!(large["config"]["items"].as_array().unwrap().len() > 3);
    let hosts = world.get("/hosts?view=full").await;
    assert_eq!(hosts["items"].as_array().unwrap().len(), 7);
    let references = hosts["items"][0]["roleRefs"].to_string();
    assert!(references.contains("\"MGMT\"") && references.contains("EVENTSERVER"));
    let instance = world.get("/cm/instances").await["items"][0].clone();
    assert!(instance["cmServerId"].is_string());
    for path in ["/cm/scmDbInfo", "/users", "/cm/commands", "/clusters/lake/parcels"] {
        world.get(path).await;
    }
}

async fn walk(world: &World, version: u32) -> (usize, usize) {
    let url = world.manager.url();
    let get = async |path: String| {
        let answer = send(url, "GET", &format!("/api/v{version}{path}"), LOGIN, "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    };
    let answer = send(url, "GET", "/api/version", LOGIN, "").await;
    assert_eq!(answer.body, format!("v{version}"));
    let clusters = get("/clusters".into()).await;
    let cluster = clusters["items"][0]["name"].as_str().unwrap().to_owned();
    let base = format!("/clusters/{cluster}/services");
    let services = get(base.clone()).await;
    let mut settings = 0;
    for service in services["items"].as_array().unwrap() {
        let path = format!("{base}/{}", service["name"].as_str().unwrap());
        settings += get(format!("{path}/config")).await["items"].as_array().unwrap().len();
        let groups = get(format!("{path}/roleConfigGroups")).await;
        for group in groups["items"].as_array().unwrap() {
            settings += group["config"]["items"].as_array().unwrap().len();
            let name = group["name"].as_str().unwrap();
            get(format!("{path}/roleConfigGroups/{name}/config?view=full")).await;
        }
        get(format!("{path}/roles")).await;
    }
    get(format!("/clusters/{cluster}/export")).await;
    (services["items"].as_array().unwrap().len(), settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_templates_can_be_served() {
    let cases = [
        ("cloudbreak/export-datalake-7.3.1-cm7.13.1.json", 57, 10),
        ("single-node-cdp-cluster/719base2.json", 54, 22),
    ];
    for (name, version, services) in cases {
        let Some(seed) = recording(name) else { continue };
        let world = start(&seed, Vec::new()).await;
        let (count, settings) = walk(&world, version).await;
        assert_eq!(count, services, "{name}");
        assert!(settings > 20, "{name}: {settings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_export_is_a_seed_too() {
    let world = demo().await;
    world.set("/cm/config", "SESSION_TIMEOUT", json!("77")).await;
    let export = world.get("/cm/deployment?view=export").await;
    let seed = world.directory.path().join("deployment.json");
    std::fs::write(&seed, export.to_string()).unwrap();
    let copy = start(&seed, Vec::new()).await;
    assert_eq!(copy.value("/cm/config", "SESSION_TIMEOUT").await.as_deref(), Some("77"));
    let path = "/clusters/lake/services/hdfs";
    assert_eq!(
        world.get(&format!("{path}/config")).await,
        copy.get(&format!("{path}/config")).await
    );
    let groups = "/clusters/lake/services/yarn/roleConfigGroups";
    assert_eq!(world.get(groups).await, copy.get(groups).await);
    assert_eq!(copy.get("/cm/service/roles").await["items"].as_array().unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn state_survives_and_is_shared() {
    let world = demo().await;
    let second = Manager::start(world.spec.clone()).await.unwrap();
    let other = World {
        manager: second,
        directory: tempfile::tempdir().unwrap(),
        spec: world.spec.clone(),
    };
    let path = "/clusters/lake/services/hdfs/config";
    for value in ["1", "2", "4", "5"] {
        let (writer, reader) = if value > "2" { (&world, &other) } else { (&other, &world) };
        assert_eq!(writer.set(path, "dfs_replication", json!(value)).await.status, 200);
        assert_eq!(reader.value(path, "dfs_replication").await.as_deref(), Some(value));
    }
    let uuid = world.get("/clusters/lake").await["uuid"].clone();
    let spec = world.spec.clone();
    let log = std::fs::read_to_string(spec.state.with_file_name("state.json.requests.jsonl"));
    let puts = log.unwrap().lines().filter(|line| line.contains("\"PUT\"")).count();
    assert_eq!(puts, 4);
    world.manager.stop().await;
    let third = Manager::start(spec.clone()).await.unwrap();
    let again = World { manager: third, directory: world.directory, spec };
    assert_eq!(again.value(path, "dfs_replication").await.as_deref(), Some("5"));
    assert_eq!(again.get("/clusters/lake").await["uuid"], uuid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_seed_starts_over() {
    let directory = tempfile::tempdir().unwrap();
    let seed = directory.path().join("seed.json");
    let text = std::fs::read_to_string(common::demo_seed()).unwrap();
    std::fs::write(&seed, &text).unwrap();
    let world = start(&seed, Vec::new()).await;
    let path = "/clusters/lake/services/hdfs/config";
    world.set(path, "dfs_replication", json!("1")).await;
    std::fs::write(&seed, format!("{text}\n")).unwrap();
    let renewed = Manager::start(world.spec.clone()).await.unwrap();
    let renewed = World { manager: renewed, directory, spec: world.spec.clone() };
    assert_eq!(renewed.value(path, "dfs_replication").await.as_deref(), Some("3"));
    std::fs::write(&seed, "{}").unwrap();
    let refused = Manager::start(world.spec.clone()).await.err().unwrap().to_string();
    assert!(refused.contains("seed.json") && refused.contains("services"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn extra_catalogues_add_settings() {
    let directory = tempfile::tempdir().unwrap();
    let wrapped = directory.path().join("hdfs.json");
    let items = json!([{ "name": "new_one", "default": "7", "relatedName": "new.one" }]);
    std::fs::write(&wrapped, json!({ "scope": "service:HDFS", "items": items }).to_string())
        .unwrap();
    let bare = directory.path().join("cm.json");
    std::fs::write(&bare, json!({ "items": [{ "name": "NEW_ONE" }] }).to_string()).unwrap();
    let mut world = demo().await;
    world.spec.catalogue = vec![wrapped, bare];
    world.manager = Manager::start(world.spec.clone()).await.unwrap();
    let path = "/clusters/lake/services/hdfs/config";
    assert_eq!(world.set(path, "new_one", json!("8")).await.status, 200);
    assert_eq!(world.set(path, "new_one", json!("x")).await.status, 400);
    assert_eq!(world.set("/cm/config", "NEW_ONE", json!("x")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_through_two_managers_at_once_are_all_kept() {
    let world = demo().await;
    let second = Manager::start(world.spec.clone()).await.unwrap();
    let urls = [world.manager.url().to_owned(), second.url().to_owned()];
    let path = "/clusters/lake/services/yarn/config";
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let url = urls[number % 2].clone();
            let name = format!("service_config_suppression_n{number}");
            let body = json!({ "items": [{ "name": name, "value": "true" }] }).to_string();
            let target = format!("/api/v54{path}");
            tokio::spawn(async move { send(&url, "PUT", &target, LOGIN, &body).await.status })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    let config = world.get(path).await.to_string();
    assert_eq!(config.matches("service_config_suppression_n").count(), 40);
}
