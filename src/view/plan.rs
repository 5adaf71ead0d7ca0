//! A plan, or drift, as text.

use indexmap::IndexMap;

use super::group::{Group, groups, reason};
use super::{ADD, BOLD, CHANGE, DIM, REMOVE, UNKNOWN, change, count, paint};
use crate::model::change::{Delta, Verdict};
use crate::model::plan::{Coverage, Effect, Plan, Planned};

/// What the text is for; decides its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What would be done.
    Plan,
    /// What moved away from the declaration.
    Drift,
}

/// Returns the whole text.
pub fn text(plan: &Plan, purpose: Purpose) -> String {
    let mut out = String::new();
    unread(plan, &mut out);
    refused(plan, &mut out);
    changes(plan, purpose, &mut out);
    findings(plan, &mut out);
    unmanaged(plan, purpose, &mut out);
    notes(plan, &mut out);
    footer(plan, purpose, &mut out);
    out
}

fn line(out: &mut String, text: impl AsRef<str>) {
    out.push_str(text.as_ref());
    out.push('\n');
}

/// What could not be read comes first: it is what the rest cannot be trusted about.
fn unread(plan: &Plan, out: &mut String) {
    let whole = |seen: &std::collections::BTreeMap<String, crate::model::plan::Seen>,
                 what: &str,
                 out: &mut String| {
        for (name, seen) in seen {
            if let Some(trouble) = &seen.trouble {
                line(
                    out,
                    format!(
                        "{} {what} {} could not be read: {trouble}",
                        paint(UNKNOWN, "?"),
                        paint(BOLD, name)
                    ),
                );
            }
        }
    };
    whole(&plan.coverage.hosts, "host", out);
    whole(&plan.coverage.managers, "manager of", out);
    let is_dark = |instance: &&Planned| {
        let target = &instance.address.target;
        let seen = match target.host() {
            Some(host) => plan.coverage.hosts.get(&**host),
            None => plan.coverage.managers.get(&**target.side()),
        };
        seen.is_some_and(|seen| seen.trouble.is_some())
    };
    let unknown = plan.instances.iter().filter(|i| i.verdict == Verdict::Unknown);
    for group in groups(unknown.filter(|i| !is_dark(i))) {
        let why = reason(group.first).unwrap_or_default().to_string();
        line(out, format!("{}   {}", heading(&group, paint(UNKNOWN, "?")), paint(DIM, why)));
    }
    if !out.is_empty() {
        out.push('\n');
    }
}

fn refused(plan: &Plan, out: &mut String) {
    let before = out.len();
    for group in groups(plan.instances.iter().filter(|i| i.verdict == Verdict::Refused)) {
        let why = group.first.delta.as_deref().and_then(|d| d.refused.clone()).unwrap_or_default();
        line(out, heading(&group, paint(REMOVE, "!")));
        line(out, format!("    {why}   {}", paint(DIM, &group.first.place)));
    }
    if out.len() > before {
        out.push('\n');
    }
}

fn changes(plan: &Plan, purpose: Purpose, out: &mut String) {
    let groups = groups(plan.changes());
    if groups.is_empty() {
        return;
    }
    let lead = match purpose {
        Purpose::Plan => "Would change:",
        Purpose::Drift => "Differs from the declaration:",
    };
    line(out, format!("{}\n", paint(BOLD, lead)));
    for group in &groups {
        let sign = match group.first.effect() {
            Effect::Add => paint(ADD, "+"),
            Effect::Change => paint(CHANGE, "~"),
            Effect::Remove => paint(REMOVE, "-"),
        };
        let protected = match group.first.is_protected {
            true => paint(REMOVE, "   protected"),
            false => String::new(),
        };
        line(out, format!("{}{protected}", heading(group, sign)));
        for text in group.first.delta.iter().flat_map(|delta| change::lines(delta)) {
            line(out, format!("    {text}"));
        }
    }
    out.push('\n');
}

fn heading(group: &Group<'_>, sign: String) -> String {
    let address = &group.first.address;
    let what = format!("{}[{}]", address.kind, address.key);
    let name = match &*group.first.name == address.kind {
        true => String::new(),
        false => paint(DIM, format!("  {}", group.first.name)),
    };
    format!("  {sign} {}   {}{name}", paint(BOLD, what), group.whereabouts())
}

/// Tells of the instances that have something to tell beside their attributes, below a `title`:
/// each with `sign`, and what `tell` writes of it.
fn remarks(
    plan: &Plan,
    (title, sign): (&str, String),
    has: impl Fn(&Delta) -> bool,
    tell: impl Fn(&Delta, &mut String),
    out: &mut String,
) {
    let groups = groups(plan.instances.iter().filter(|i| i.delta.as_deref().is_some_and(&has)));
    if groups.is_empty() {
        return;
    }
    line(out, format!("{}\n", paint(BOLD, title)));
    for group in groups {
        line(out, heading(&group, sign.clone()));
        group.first.delta.iter().for_each(|delta| tell(delta, out));
    }
    out.push('\n');
}

/// What a person must look into: apply has no step for it.
fn findings(plan: &Plan, out: &mut String) {
    let heads = ("To be looked into (apply does nothing about it):", paint(REMOVE, "!"));
    let tell = |delta: &Delta, out: &mut String| {
        for finding in &delta.findings {
            let name = paint(BOLD, change::told(&finding.name));
            line(out, format!("    {name}  {}", change::told(&finding.summary)));
            if let Some(advice) = &finding.advice {
                line(out, format!("      {}", paint(DIM, change::told(advice))));
            }
        }
    };
    remarks(plan, heads, |delta| !delta.findings.is_empty(), tell, out);
}

/// More lines of what nobody declared are left out.
const MOST_UNMANAGED: usize = 25;

fn unmanaged(plan: &Plan, purpose: Purpose, out: &mut String) {
    let mut found: IndexMap<(String, String), Vec<&str>> = IndexMap::new();
    for (instance, delta) in plan.instances.iter().filter_map(|i| Some((i, i.delta.as_deref()?))) {
        for (name, value) in &delta.unmanaged {
            let setting = format!("{name} = {value}");
            let sides = found.entry((instance.address.key.to_string(), setting)).or_default();
            sides.push(instance.address.target.side());
        }
    }
    if found.is_empty() {
        return;
    }
    if purpose == Purpose::Drift {
        let told = super::count(found.len(), "setting");
        line(
            out,
            paint(DIM, format!("  {told} live and declared nowhere; `drsync plan` lists them")),
        );
        return;
    }
    line(out, paint(DIM, "  Set live, declared nowhere (no difference; see `unmanaged`):"));
    for ((scope, setting), sides) in found.iter().take(MOST_UNMANAGED) {
        line(out, paint(DIM, format!("    {scope}  {setting}   {}", sides.join(", "))));
    }
    let left_out = found.len().saturating_sub(MOST_UNMANAGED);
    if left_out > 0 {
        line(out, paint(DIM, format!("    … and {left_out} more; --json lists them all")));
    }
    out.push('\n');
}

/// What is worth knowing of instances, in sync or not.
fn notes(plan: &Plan, out: &mut String) {
    let heads = ("Worth knowing (no difference):", paint(DIM, "·"));
    let tell = |delta: &Delta, out: &mut String| {
        delta.notes.iter().for_each(|note| line(out, format!("    {}", change::told(note))));
    };
    remarks(plan, heads, |delta| !delta.notes.is_empty(), tell, out);
}

fn footer(plan: &Plan, purpose: Purpose, out: &mut String) {
    let tally = plan.tally();
    let rest = [
        (tally.finding, "to be looked into"),
        (tally.unknown, "unknown"),
        (tally.refused, "refused"),
    ];
    let rest: String =
        rest.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("; {n} {word}")).collect();
    let differing = tally.add + tally.change + tally.remove;
    let summary = match (purpose, differing) {
        (Purpose::Plan, 0) if rest.is_empty() => {
            paint(ADD, format!("In sync: {}.", count(tally.in_sync, "instance")))
        }
        (Purpose::Drift, 0) if rest.is_empty() => {
            paint(ADD, format!("No drift: {} in sync.", count(tally.in_sync, "instance")))
        }
        (Purpose::Plan, _) => format!(
            "{} {} to add, {} to change, {} to remove; {} in sync{rest}",
            paint(BOLD, "Plan:"),
            tally.add,
            tally.change,
            tally.remove,
            tally.in_sync
        ),
        (Purpose::Drift, _) => format!(
            "{} {} differ, {} in sync{rest}",
            paint(BOLD, "Drift:"),
            differing,
            tally.in_sync
        ),
    };
    line(out, summary);
    line(out, paint(DIM, format!("View: {}", view(&plan.coverage))));
    if differing > 0 && purpose == Purpose::Plan {
        line(out, paint(DIM, format!("Digest: {}", plan.digest)));
    }
}

fn view(coverage: &Coverage) -> String {
    let part = |read: usize, all: usize, what: &str| match all {
        0 => None,
        all => Some(format!("{read}/{all} {what}")),
    };
    let hosts = part(Coverage::read(&coverage.hosts), coverage.hosts.len(), "hosts");
    let managers = part(Coverage::read(&coverage.managers), coverage.managers.len(), "managers");
    let parts: Vec<String> = hosts.into_iter().chain(managers).collect();
    match parts.is_empty() {
        true => "nothing was asked".into(),
        false => parts.join(", "),
    }
}

/// Returns what every target cost: scripts or requests, and seconds.
pub fn timings(coverage: &Coverage) -> String {
    let mut out = String::new();
    for (side, seen) in &coverage.managers {
        let requests = format!("{} GETs, {} writes", seen.reads, seen.writes);
        line(&mut out, format!("manager of {side:24} {requests:22} {:6.2} s", seen.read));
    }
    let mut hosts: Vec<_> = coverage.hosts.iter().collect();
    hosts.sort_by(|a, b| (b.1.connect + b.1.read).total_cmp(&(a.1.connect + a.1.read)));
    for (host, seen) in hosts {
        let execs = count(seen.reads, "exec");
        line(
            &mut out,
            format!("{host:35} {execs:8} connect {:5.2} s, read {:5.2} s", seen.connect, seen.read),
        );
    }
    out
}
