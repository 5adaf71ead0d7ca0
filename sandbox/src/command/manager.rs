//! Commands of the manager itself.

use serde_json::{Value, json};

use super::order::{Outcome, Share, add, prune, refuse_duplicate};
use super::show;
use crate::answer::Reply;
use crate::document::{list, list_mut, number};
use crate::world::World;

/// What looks for stale configuration after a change.
const CHECK: &str = "ProcessStalenessCheckCommand";

/// Submits a command of the manager that has no parts.
pub(crate) fn submit_on_manager(
    world: &mut World,
    name: &'static str,
    effect: &'static str,
) -> Reply {
    let manager = json!({ "cluster": null, "service": null, "role": null });
    refuse_duplicate(world, name, &manager)?;
    prune(world);
    let outcome = Outcome::of(world, 0);
    let top = add(world, name, &manager, Value::Null, outcome, Share::Top(effect));
    if world.servers.race() {
        lose_race(world, top);
    }
    show(world, top, false)
}

/// Two servers write the same rows, and the database takes them from one only.
fn lose_race(world: &mut World, id: i64) {
    let commands = list_mut(world.state, "commands").iter_mut();
    for command in commands.filter(|command| number(command, "id") == id) {
        command["success"] = json!(false);
        command["effect"] = json!("");
        command["message"] = json!(
            "ERROR: duplicate key value violates unique constraint \"releases_product_version_key\" \
             Detail: Key (product, version)=(CDH, 7.1.9) already exists."
        );
    }
}

/// How long the check goes on once its findings show.
const AFTERMATH: i64 = 1200;

/// Notes that the manager looks for stale configuration, and has found it at `visible`. It begins to
/// do so in the second half of the time only: nothing tells of it right after a change.
pub(crate) fn note_check(world: &mut World, visible: i64) {
    let now = world.now;
    let covers = |command: &&Value| {
        command["name"] == CHECK && number(command, "end") >= visible + AFTERMATH
    };
    if visible <= now || list(world.state, "commands").iter().any(|command| covers(&command)) {
        return;
    }
    let id = world.next("nextCommand");
    let check = json!({
        "cluster": null, "service": null, "role": null,
        "id": id,
        "name": CHECK,
        "parent": null,
        "start": now + (visible - now) / 2,
        "end": visible + AFTERMATH,
        "success": true,
        "message": "First reason why: com.cloudera.cmf.model.DbConfig.valueForDb has changed",
        "effect": "",
        "settled": false,
    });
    list_mut(world.state, "commands").push(check);
}
