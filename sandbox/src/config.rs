//! Reading and changing the settings of one place.

use serde_json::{Map, Value, json};

use crate::answer::{Refusal, Reply};
use crate::catalogue::Setting;
use crate::document::{list, map_mut, number, text, wrap};
use crate::request::{Request, check_members};
use crate::world::{Place, World};
use crate::{revision, staleness};

/// The members one entry of a configuration list may have.
const ENTRY: [&str; 11] = [
    "name",
    "value",
    "required",
    "default",
    "displayName",
    "description",
    "relatedName",
    "sensitive",
    "validationState",
    "validationMessage",
    "validationWarningsSuppressed",
];

/// GET or PUT of the settings of a place.
pub(crate) fn route(world: &mut World, place: Place, request: &Request) -> Reply {
    match request.method.as_str() {
        "GET" | "HEAD" => Ok(shown(world, place, request.full_view()?)),
        "PUT" => {
            let body = request.object(&["items"])?;
            put(world, place, &body, &request.parameter("message").unwrap_or_default())?;
            Ok(summary(world, place, world.values(place)))
        }
        _ => Err(Refusal::method()),
    }
}

/// The settings of a place as a GET shows them, old values included when reads lag.
pub(crate) fn shown(world: &World, place: Place, full: bool) -> Value {
    let values = lagging(world, place).unwrap_or_else(|| world.values(place));
    if !full {
        return summary(world, place, values);
    }
    let scope = world.scope(place);
    let value_of = |name: &str| values.get(name).and_then(Value::as_str);
    let known = world.catalogue.settings(&scope).iter();
    let mut items: Vec<Value> =
        known.map(|setting| setting.full(value_of(&setting.name))).collect();
    let listed =
        |name: &str| world.catalogue.settings(&scope).iter().any(|setting| setting.name == name);
    for (name, value) in values.iter().filter(|(name, _)| !listed(name)) {
        items.push(setting(world, &scope, name).full(value.as_str()));
    }
    wrap(items)
}

/// The explicitly set values only.
pub(crate) fn summary(world: &World, place: Place, values: &Map<String, Value>) -> Value {
    let scope = world.scope(place);
    let item = |(name, value): (&String, &Value)| {
        setting(world, &scope, name).summary(value.as_str().unwrap_or(""))
    };
    wrap(values.iter().map(item).collect())
}

/// Applies a configuration list: all of it or, when one entry is refused, none of it.
pub(crate) fn put(
    world: &mut World,
    place: Place,
    body: &Value,
    message: &str,
) -> Result<(), Refusal> {
    let entries = read_entries(world, place, body)?;
    let lost = world.faults.get("put_loses").map(|fault| text(fault, "name").to_owned());
    let before = world.values(place).clone();
    let values = world.values_mut(place);
    let mut changed = Vec::new();
    for (setting, value) in entries {
        let name = &setting.name;
        let old = values.get(name).and_then(Value::as_str);
        if old == value.as_deref() || lost.as_ref() == Some(name) {
            continue;
        }
        match value {
            Some(value) => values.insert(name.clone(), Value::String(value)),
            None => values.shift_remove(name),
        };
        changed.push(setting);
    }
    if changed.is_empty() {
        return Ok(());
    }
    let key = world.place_key(place);
    let kept = json!({ "at": world.now, "values": before });
    map_mut(world.state, "previous").insert(key, kept);
    revision::record(world, place, message);
    staleness::note(world, place, &changed);
    world.changed = true;
    Ok(())
}

/// The entries of a configuration list with the settings they name.
fn read_entries(
    world: &World,
    place: Place,
    body: &Value,
) -> Result<Vec<(Setting, Option<String>)>, Refusal> {
    let scope = world.scope(place);
    let mut entries = Vec::new();
    for item in list(body, "items") {
        check_members(item, &ENTRY)?;
        let name = text(item, "name");
        let Some(setting) = world.catalogue.find(&scope, name) else {
            return Err(Refusal::bad(format!("Unknown configuration attribute '{name}'.")));
        };
        let value = match item.get("value") {
            None | Some(Value::Null) => None,
            Some(Value::String(value)) => Some(value.clone()),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => Some(value.to_string()),
            Some(_) => return Err(Refusal::bad(format!("The value of '{name}' is not a text"))),
        };
        if let Some(objection) = value.as_deref().and_then(|value| setting.objection(value)) {
            return Err(Refusal::bad(objection));
        }
        entries.push((setting.into_owned(), value));
    }
    Ok(entries)
}

fn setting(world: &World, scope: &str, name: &str) -> Setting {
    let known = world.catalogue.find(scope, name);
    known.map_or_else(|| Setting::bare(name), std::borrow::Cow::into_owned)
}

/// The values before the last write, while the fault `stale_reads` hides that write.
fn lagging<'a>(world: &'a World, place: Place) -> Option<&'a Map<String, Value>> {
    let lag = world.faults.milliseconds("stale_reads")?;
    let previous = world.state["previous"].get(world.place_key(place))?;
    let hidden = world.now - number(previous, "at") < lag;
    previous["values"].as_object().filter(|_| hidden)
}
