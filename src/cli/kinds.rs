//! `drsync kinds`

use serde_json::json;

use super::exit::{Code, Fault};
use crate::kinds;
use crate::model::Diagnostic;
use crate::model::nearest::did_you_mean;
use crate::view;

/// Lists the kinds, or shows the manual page of one.
pub fn run(kind: Option<&str>, json: bool) -> Result<Code, Fault> {
    let all = kinds::all();
    let Some(name) = kind else {
        let pages: Vec<(&str, String)> =
            all.iter().map(|kind| (kind.info().name, summary(&kind.manual()))).collect();
        view::out(&match json {
            true => {
                let list: Vec<_> =
                    pages.iter().map(|(n, s)| json!({ "kind": n, "summary": s })).collect();
                format!("{:#}\n", json!({ "version": 1, "kinds": list }))
            }
            false => pages.iter().map(|(name, summary)| format!("{name:26} {summary}\n")).collect(),
        });
        return Ok(Code::Done);
    };
    let Some(kind) = kinds::find(name) else {
        let names = all.iter().map(|kind| kind.info().name);
        return Err(Fault::new(
            Code::Usage,
            Diagnostic::error(format!("there is no kind `{name}`")).hint(did_you_mean(name, names)),
        ));
    };
    view::out(&match json {
        true => {
            let page = json!({
                "version": 1,
                "kind": name,
                "manual": kind.manual(),
                "schema": kind.schema(),
            });
            format!("{page:#}\n")
        }
        false => format!("{}\n{}", kind.manual(), parameters(&kind.schema())),
    });
    Ok(Code::Done)
}

/// Returns what follows the kind's name on the first line of its manual.
fn summary(manual: &str) -> String {
    let first = manual.lines().next().unwrap_or_default();
    first.split_once("`: ").map_or(first, |(_, rest)| rest).trim_end_matches('.').to_string()
}

/// Lists the parameters with their descriptions.
fn parameters(schema: &serde_json::Value) -> String {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str())
        .collect();
    let mut out = String::from("Parameters:\n");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let star = if required.contains(&name.as_str()) { " (required)" } else { "" };
        let description = property["description"].as_str().unwrap_or_default();
        out.push_str(&format!("  {name}{star}\n      {}\n", description.replace('\n', "\n      ")));
    }
    out
}
