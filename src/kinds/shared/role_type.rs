//! Types of roles, such as `DATANODE`.

use crate::model::nearest::did_you_mean;
use crate::model::question::Reply;

/// Says that `service` has no role type `wanted`, if the manager's reply tells its types and it is
/// none of them.
pub fn unknown(service: &str, wanted: &str, reply: &Reply) -> Option<String> {
    let types = reply.text("role_types").ok().flatten().unwrap_or_default();
    let types: Vec<&str> = types.split(' ').filter(|name| !name.is_empty()).collect();
    if types.is_empty() || types.contains(&wanted) {
        return None;
    }
    let near = did_you_mean(wanted, types).map(|near| format!("; {near}"));
    let near = near.unwrap_or_default();
    Some(format!("service `{service}` has no role type `{wanted}`{near}"))
}
