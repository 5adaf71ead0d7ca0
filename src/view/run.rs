//! An apply while it goes on, and its end.

use super::{ADD, BOLD, DIM, REMOVE, UNKNOWN, paint};
use crate::model::report::{Event, Outcome, Report};

/// Returns the line for an event, if it deserves one.
pub fn event(event: &Event) -> Option<String> {
    match event {
        Event::Started(..) => None,
        Event::Ended(address, outcome, seconds) => {
            let (word, reason) = match outcome {
                Outcome::Changed => (paint(ADD, "  changed"), String::new()),
                Outcome::Unchanged => (paint(DIM, "unchanged"), String::new()),
                Outcome::Failed(reason) => (paint(REMOVE, "   failed"), format!(": {reason}")),
                Outcome::Skipped(reason) => (paint(UNKNOWN, "  skipped"), format!(": {reason}")),
            };
            Some(format!("{word}  {address}{reason}  {}\n", paint(DIM, format!("{seconds:.1} s"))))
        }
    }
}

/// Returns the line for something that takes long.
pub fn progress(line: &str) -> String {
    format!("{}  {line}\n", paint(DIM, "      …  "))
}

/// Returns the recap of an apply.
pub fn recap(report: &Report) -> String {
    let mut out = String::new();
    if report.was_stopped {
        out.push_str("The run was stopped; what was not tried is listed as skipped.\n");
    }
    let counts = ["changed", "unchanged", "failed", "skipped"].map(|word| {
        let count = report.count(word);
        let text = format!("{count} {word}");
        match (word, count) {
            (_, 0) => paint(DIM, text),
            ("failed", _) => paint(REMOVE, text),
            ("changed", _) => paint(ADD, text),
            _ => text,
        }
    });
    out.push_str(&format!("{} {}\n", paint(BOLD, "Apply:"), counts.join(", ")));
    out.push_str(&paint(DIM, format!("Run: {}\n", report.run)));
    out
}
