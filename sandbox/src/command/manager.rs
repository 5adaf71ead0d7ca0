//! Commands of the manager itself.

use serde_json::{Value, json};

use super::order::{Outcome, Share, add, prune, refuse_duplicate};
use super::show;
use crate::answer::Reply;
use crate::document::{list, list_mut, number};
use crate::parcel;
use crate::store::Table;
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
    // Where newly found parcels are not shown, finding them goes well.
    if effect == "refreshParcels" && world.faults.get("hides_parcels").is_none() {
        let offered = parcel::offered(world);
        if let Err(said) = world.store.add_rows(Table::Releases, &offered) {
            fail(world, top, &said);
        }
    }
    show(world, top, false)
}

/// Two servers wrote the same rows, and the database took them from one only.
pub(super) fn fail(world: &mut World, id: i64, said: &str) {
    let commands = list_mut(world.state, "commands").iter_mut();
    for command in commands.filter(|command| number(command, "id") == id) {
        command["success"] = json!(false);
        command["effect"] = json!("");
        command["message"] = json!(said);
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
