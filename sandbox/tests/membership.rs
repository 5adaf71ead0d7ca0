//! Services, roles, host templates, users and peers come and go, and what is refused.

mod common;

use common::{World, demo};
use serde_json::{Value, json};

const LAKE: &str = "/clusters/lake";

async fn call(world: &World, method: &str, path: &str, body: Value) -> u16 {
    world.call(method, path, body).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_its_roles_comes_and_goes() {
    let world = demo().await;
    let services = format!("{LAKE}/services");
    let solr = |kind: &str| json!({ "items": [{ "name": "search", "type": kind }] });
    assert_eq!(call(&world, "POST", &services, solr("NOSUCH")).await, 400);
    assert_eq!(call(&world, "POST", &services, solr("SOLR")).await, 200);
    assert_eq!(call(&world, "POST", &services, solr("SOLR")).await, 400);
    let search = format!("{services}/search");
    assert_eq!(world.get(&search).await["serviceState"], "NA");
    let host = world.get("/hosts").await["items"][0]["hostId"].clone();
    let role = |sort: &str, host: &Value| json!({ "items": [{ "type": sort, "hostRef": { "hostId": host } }] });
    let roles = format!("{search}/roles");
    assert_eq!(call(&world, "POST", &roles, role("DATANODE", &host)).await, 400);
    assert_eq!(call(&world, "POST", &roles, role("SOLR_SERVER", &json!("nowhere"))).await, 404);
    assert_eq!(call(&world, "POST", &roles, role("SOLR_SERVER", &host)).await, 200);
    assert_eq!(call(&world, "POST", &roles, role("SOLR_SERVER", &host)).await, 400);
    assert_eq!(world.get(&search).await["serviceState"], "STOPPED");
    let start = world.call("POST", &format!("{search}/commands/start"), Value::Null).await.json();
    world.finish(&start).await;
    // What runs is not removed, and neither is what others are built upon.
    assert_eq!(call(&world, "DELETE", &search, Value::Null).await, 400);
    assert_eq!(call(&world, "DELETE", &format!("{services}/zookeeper"), Value::Null).await, 400);
    let name = world.get(&roles).await["items"][0]["name"].clone();
    let names = json!({ "items": [name] });
    assert_eq!(call(&world, "POST", &format!("{roles}/bulkDelete"), names.clone()).await, 400);
    let stop = world.call("POST", &format!("{search}/commands/stop"), Value::Null).await.json();
    world.finish(&stop).await;
    assert_eq!(call(&world, "POST", &format!("{roles}/bulkDelete"), names).await, 200);
    assert_eq!(call(&world, "DELETE", &search, Value::Null).await, 200);
    assert_eq!(call(&world, "GET", &search, Value::Null).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_users_and_peers_come_and_go() {
    let world = demo().await;
    let group = |names: &[&str]| -> Vec<Value> {
        names.iter().map(|name| json!({ "roleConfigGroupName": name })).collect()
    };
    let templates = format!("{LAKE}/hostTemplates");
    let made =
        |names: &[&str]| json!({ "items": [{ "name": "t", "roleConfigGroupRefs": group(names) }] });
    assert_eq!(call(&world, "POST", &templates, made(&["no-such-group"])).await, 400);
    assert_eq!(call(&world, "POST", &templates, made(&["hdfs-DATANODE-BASE"])).await, 200);
    let changed = json!({ "name": "t", "roleConfigGroupRefs": group(&["hdfs-DATANODE-BASE", "yarn-NODEMANAGER-BASE"]) });
    assert_eq!(call(&world, "PUT", &format!("{templates}/t"), changed).await, 200);
    let shown = world.get(&format!("{templates}/t")).await;
    assert_eq!(shown["roleConfigGroupRefs"].as_array().unwrap().len(), 2);
    assert_eq!(call(&world, "DELETE", &format!("{templates}/t"), Value::Null).await, 200);

    let user = |role: &str| json!({ "items": [{ "name": "eve", "password": "p", "authRoles": [{ "name": role }] }] });
    assert_eq!(call(&world, "POST", "/users", user("ROLE_KING")).await, 400);
    assert_eq!(call(&world, "POST", "/users", user("ROLE_USER")).await, 200);
    let role = json!({ "authRoles": [{ "name": "ROLE_ADMIN" }] });
    assert_eq!(call(&world, "PUT", "/users/eve", role).await, 200);
    let eve = world.get("/users/eve").await;
    assert_eq!(eve, json!({ "name": "eve", "authRoles": [{ "name": "ROLE_ADMIN" }] }));
    assert_eq!(call(&world, "DELETE", "/users/eve", Value::Null).await, 200);

    let peer =
        json!({ "name": "other", "url": "https://cm:7183", "username": "u", "password": "hush" });
    assert_eq!(call(&world, "POST", "/cm/peers", peer.clone()).await, 200);
    assert_eq!(call(&world, "POST", "/cm/peers", peer).await, 400);
    let shown = world.get("/cm/peers/other").await;
    assert_eq!(shown["type"], "REPLICATION");
    assert!(!shown.to_string().contains("hush"));
    assert_eq!(call(&world, "DELETE", "/cm/peers/other?type=REPLICATION", Value::Null).await, 200);
    assert_eq!(world.get("/cm/peers").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_leaves_its_cluster_without_roles_only_and_comes_back() {
    let world = demo().await;
    let hosts = world.get("/hosts").await["items"].as_array().unwrap().clone();
    let id = hosts.last().unwrap()["hostId"].as_str().unwrap().to_string();
    let list = format!("{LAKE}/hosts");
    let one = json!({ "items": [{ "hostId": id }] });
    assert_eq!(call(&world, "POST", &list, one.clone()).await, 400);
    assert_eq!(call(&world, "DELETE", &format!("{list}/{id}"), Value::Null).await, 400);
    let shown = world.get(&format!("/hosts/{id}")).await;
    for role in shown["roleRefs"].as_array().unwrap() {
        let text = |member: &str| role[member].as_str().unwrap();
        let service = format!("{LAKE}/services/{}", text("serviceName"));
        let names = json!({ "items": [text("roleName")] });
        let stop = world.call("POST", &format!("{service}/roleCommands/stop"), names.clone()).await;
        for command in stop.json()["items"].as_array().into_iter().flatten() {
            world.finish(command).await;
        }
        assert_eq!(call(&world, "POST", &format!("{service}/roles/bulkDelete"), names).await, 200);
    }
    assert_eq!(call(&world, "DELETE", &format!("{list}/{id}"), Value::Null).await, 200);
    assert_eq!(world.get(&format!("/hosts/{id}")).await["clusterRef"], Value::Null);
    assert_eq!(call(&world, "DELETE", &format!("{list}/{id}"), Value::Null).await, 404);
    assert_eq!(call(&world, "POST", &list, one).await, 200);
}
