//! `drsync graph`

use serde_json::json;

use super::arguments::{Drawing, GraphOptions};
use super::exit::{Code, Fault};
use super::load;
use crate::engine::graph::drawing;
use crate::view;

/// Draws what comes before what.
pub fn run(options: &GraphOptions) -> Result<Code, Fault> {
    let loaded = load::prepared(&options.part, "graph")?;
    let prepared = &loaded.prepared;
    let (drawn, arrows) = drawing(&loaded.inventory, &prepared.instances, &prepared.order);
    let boxes: Vec<view::drawing::Box<'_>> =
        drawn.iter().map(|d| (d.side.as_str(), d.label.as_str(), d.count)).collect();
    if options.part.json {
        let nodes: Vec<_> = drawn
            .iter()
            .map(|d| json!({ "side": d.side, "label": d.label, "instances": d.count }))
            .collect();
        view::page(&json!({ "version": 1, "command": "graph", "nodes": nodes, "edges": arrows }));
        return Ok(Code::Done);
    }
    let format = match (options.dot, options.mermaid) {
        (true, _) => Drawing::Dot,
        (_, true) => Drawing::Mermaid,
        _ => options.format,
    };
    view::out(&match format {
        Drawing::Dot => view::drawing::dot(&boxes, &arrows),
        Drawing::Mermaid => view::drawing::mermaid(&boxes, &arrows),
    });
    Ok(Code::Done)
}
