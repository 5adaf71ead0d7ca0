//! The order of resources as a drawing, in Graphviz' and Mermaid's languages.

/// A box of the drawing: side, label, how many instances.
pub type Box<'a> = (&'a str, &'a str, usize);

/// Returns the drawing in Graphviz' dot language.
pub fn dot(boxes: &[Box<'_>], arrows: &[(usize, usize)]) -> String {
    let mut out = String::from("digraph drsync {\n  rankdir=LR;\n  node [shape=box];\n");
    for (number, side) in sides(boxes).into_iter().enumerate() {
        out.push_str(&format!("  subgraph cluster_{number} {{\n    label={};\n", quoted(side)));
        for (i, (_, label, count)) in boxes.iter().enumerate().filter(|(_, b)| b.0 == side) {
            let text = format!("{label}\n×{count}");
            out.push_str(&format!("    n{i} [label={}];\n", quoted(&text)));
        }
        out.push_str("  }\n");
    }
    arrows.iter().for_each(|(a, b)| out.push_str(&format!("  n{a} -> n{b};\n")));
    out.push_str("}\n");
    out
}

/// Returns `text` in quotes; a line break stays one, a backslash a backslash.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// Returns the drawing in Mermaid's language.
pub fn mermaid(boxes: &[Box<'_>], arrows: &[(usize, usize)]) -> String {
    let mut out = String::from("flowchart LR\n");
    for (number, side) in sides(boxes).into_iter().enumerate() {
        out.push_str(&format!("  subgraph s{number}[\"{}\"]\n", escaped(side)));
        for (i, (_, label, count)) in boxes.iter().enumerate().filter(|(_, b)| b.0 == side) {
            out.push_str(&format!("    n{i}[\"{} ×{count}\"]\n", escaped(label)));
        }
        out.push_str("  end\n");
    }
    arrows.iter().for_each(|(a, b)| out.push_str(&format!("  n{a} --> n{b}\n")));
    out
}

fn escaped(text: &str) -> String {
    text.replace('"', "#quot;")
}

fn sides<'a>(boxes: &[Box<'a>]) -> Vec<&'a str> {
    let mut sides: Vec<&str> = Vec::new();
    for (side, ..) in boxes {
        if !sides.contains(side) {
            sides.push(side);
        }
    }
    sides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_keeps_backslashes_and_breaks_before_the_count() {
        let drawing = dot(&[("a\\b", "c\\n\"d\"", 2)], &[]);
        assert!(drawing.contains(r#"label="a\\b""#), "{drawing}");
        assert!(drawing.contains(r#"[label="c\\n\"d\"\n×2"]"#), "{drawing}");
    }
}
