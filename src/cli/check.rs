//! `drsync check`

use std::collections::HashSet;

use super::arguments::Part;
use super::exit::{Code, Fault};
use super::load;
use crate::view;

/// Checks the inventory; nothing is contacted.
pub fn run(part: &Part) -> Result<Code, Fault> {
    let loaded = load::prepared(part, "check")?;
    let resources: HashSet<usize> = loaded.prepared.instances.iter().map(|i| i.resource).collect();
    let targets = &loaded.prepared.sheets.targets;
    let hosts = targets.keys().filter(|target| target.host().is_some()).count();
    let managers = targets.len() - hosts;
    if part.json {
        view::page(&view::json::diagnostics(&[], "check"));
    } else {
        view::out(&format!(
            "ok: {} on {} and {}, from {}\n",
            view::count(loaded.prepared.instances.len(), "instance"),
            view::count(hosts, "host"),
            view::count(managers, "manager"),
            view::count(resources.len(), "resource"),
        ));
    }
    Ok(Code::Done)
}
