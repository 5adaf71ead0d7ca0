//! Whether a plan may be applied now: protected resources, limits, change windows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};

use crate::lang::inventory::Inventory;
use crate::lang::pair::{Day, Window};
use crate::model::Data;
use crate::model::kind_info::is_implied;
use crate::model::plan::{Plan, Planned};

/// Returns every reason why `plan` must not be applied at `now`.
pub fn refusals(inventory: &Inventory, plan: &Plan, now: Timestamp) -> Vec<String> {
    let mut reasons = protected(plan);
    reasons.extend(too_many_hosts(inventory, plan));
    reasons.extend(too_many_restarts(inventory, plan));
    reasons.extend(outside_windows(inventory, plan, now));
    reasons
}

fn protected(plan: &Plan) -> Vec<String> {
    let held = plan.changes().filter(|instance| instance.is_protected);
    held.map(|instance| format!("{} is protected ({})", instance.address, instance.place)).collect()
}

/// Checks `policy.max_hosts`, side by side.
fn too_many_hosts(inventory: &Inventory, plan: &Plan) -> Vec<String> {
    let Some(limit) = &inventory.world.pair.policy.max_hosts else { return Vec::new() };
    let mut changed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let declared = |i: &&Planned| !is_implied(i.address.kind);
    for instance in plan.changes().filter(declared) {
        if let Some(host) = instance.address.target.host() {
            changed.entry(instance.address.target.side()).or_default().insert(host);
        }
    }
    let mut reasons = Vec::new();
    for (side, hosts) in changed {
        let of_side = |s: &&Option<std::sync::Arc<str>>| s.as_deref() == Some(side);
        let all = inventory.world.side_of.iter().filter(of_side).count();
        let (most, shown) = match (&limit.data, limit.as_text()) {
            (Data::Int(most, _), _) => (usize::try_from(*most).unwrap_or(0), most.to_string()),
            (_, Some(text)) => {
                let percent =
                    text.trim().strip_suffix('%').and_then(|p| p.trim().parse::<usize>().ok());
                match percent {
                    Some(percent) => (all * percent / 100, format!("{percent}% of {all}")),
                    None => {
                        return vec![format!(
                            "policy.max_hosts: `{text}` is no number or percentage"
                        )];
                    }
                }
            }
            _ => return vec!["policy.max_hosts must be a number or a percentage".into()],
        };
        if hosts.len() > most {
            reasons.push(format!(
                "{} hosts of {side} would change, more than policy.max_hosts allows ({shown})",
                hosts.len()
            ));
        }
    }
    reasons
}

/// Checks `policy.max_restarts`, side by side.
fn too_many_restarts(inventory: &Inventory, plan: &Plan) -> Vec<String> {
    let Some(most) = inventory.world.pair.policy.max_restarts else { return Vec::new() };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let beyond = plan.restarts.iter().filter(|(_, services)| **services > most);
    beyond
        .map(|(side, services)| {
            format!(
                "{services} services of {side} may have to be restarted, more than \
                 policy.max_restarts allows ({most})"
            )
        })
        .collect()
}

/// Checks that an open window covers every side that would change.
fn outside_windows(inventory: &Inventory, plan: &Plan, now: Timestamp) -> Vec<String> {
    let windows = &inventory.world.pair.windows;
    if windows.is_empty() {
        return Vec::new();
    }
    let sides: BTreeSet<&str> = plan.changes().map(|i| &**i.address.target.side()).collect();
    let is_open =
        |side: &str| windows.iter().any(|window| covers(window, side) && opens(window, now));
    let closed = sides.into_iter().filter(|side| !is_open(side));
    closed
        .map(|side| {
            let names: Vec<String> = windows
                .iter()
                .filter(|window| covers(window, side))
                .map(|w| format!("{} ({} to {} {})", w.name, w.from, w.to, w.zone))
                .collect();
            match names.is_empty() {
                true => format!("no change window is declared for {side}"),
                false => format!("no change window of {side} is open now: {}", names.join(", ")),
            }
        })
        .collect()
}

fn covers(window: &Window, side: &str) -> bool {
    window.sides.is_empty() || window.sides.iter().any(|s| s == side)
}

/// True when `window` is open at `now`. One that closes before it opens runs past midnight, and
/// belongs to the day on which it opened.
fn opens(window: &Window, now: Timestamp) -> bool {
    let Ok(local) = now.in_tz(&window.zone) else { return false };
    let (Ok(from), Ok(to)) = (window.from.parse::<Time>(), window.to.parse::<Time>()) else {
        return false;
    };
    let time = local.time();
    let today = on_day(window, local.weekday());
    if from <= to {
        return today && from <= time && time < to;
    }
    let yesterday = on_day(window, local.weekday().previous());
    (today && time >= from) || (yesterday && time < to)
}

fn on_day(window: &Window, day: Weekday) -> bool {
    let day = match day {
        Weekday::Monday => Day::Mon,
        Weekday::Tuesday => Day::Tue,
        Weekday::Wednesday => Day::Wed,
        Weekday::Thursday => Day::Thu,
        Weekday::Friday => Day::Fri,
        Weekday::Saturday => Day::Sat,
        Weekday::Sunday => Day::Sun,
    };
    window.days.is_empty() || window.days.contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, to: &str, days: Vec<Day>) -> Window {
        Window {
            name: "w".into(),
            days,
            from: from.into(),
            to: to.into(),
            zone: "Europe/Berlin".into(),
            sides: vec![],
        }
    }

    #[test]
    fn windows_respect_zone_midnight_and_daylight_saving() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let sunday = window("01:00", "05:00", vec![Day::Sun]);
        // 2026-11-22 is a Sunday; Berlin is an hour ahead of UTC.
        assert!(opens(&sunday, at("2026-11-22T00:30:00Z")));
        assert!(!opens(&sunday, at("2026-11-21T23:30:00Z")));
        assert!(!opens(&sunday, at("2026-11-22T04:00:00Z")));
        let night = window("22:00", "02:00", vec![Day::Sat]);
        assert!(opens(&night, at("2026-11-22T00:30:00Z")));
        assert!(!opens(&night, at("2026-11-21T00:30:00Z")));
        // In March the clock jumps from 02:00 to 03:00: one hour of the window does not exist.
        assert!(opens(&sunday, at("2026-03-29T01:30:00Z")));
        assert!(!opens(&sunday, at("2026-03-29T03:00:00Z")));
    }
}
