//! Moving roles between groups.

mod common;

use common::demo;
use serde_json::{Value, json};

const GROUPS: &str = "/clusters/lake/services/hdfs/roleConfigGroups";

#[tokio::test(flavor = "multi_thread")]
async fn only_a_list_of_role_names_is_taken() {
    let world = demo().await;
    let group = format!("{GROUPS}/hdfs-NAMENODE-BASE/roles");
    let role = world.get(&group).await["items"][0]["name"].clone();
    assert!(role.is_string());
    let odd = [json!([role, { "name": role }]), json!([1]), json!([null]), json!("x"), Value::Null];
    for items in odd {
        for path in [group.clone(), format!("{GROUPS}/roles")] {
            let answer = world.call("PUT", &path, json!({ "items": items })).await;
            assert_eq!(answer.status, 400, "{items}");
        }
    }
    assert_eq!(world.call("PUT", &group, json!({ "items": [role] })).await.status, 200);
}
