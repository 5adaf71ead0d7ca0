//! `pair.yaml`: the two sides, their managers, translation, order, policy and change windows.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde::Deserialize;

use super::source::Sources;
use crate::model::decode::{decode, leniently};
use crate::model::nearest::did_you_mean;
use crate::model::{Diagnostic, Map, Node, Place};

/// What to do with live, non-default settings that nobody declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmanaged {
    /// Say nothing.
    Ignore,
    /// List them; they are no difference.
    #[default]
    Report,
    /// Reset them to their defaults.
    Reset,
}

impl Unmanaged {
    /// Returns the word used in YAML.
    pub fn word(self) -> &'static str {
        match self {
            Unmanaged::Ignore => "ignore",
            Unmanaged::Report => "report",
            Unmanaged::Reset => "reset",
        }
    }
}

/// How stale services are restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Rolling where the service can.
    #[default]
    Rolling,
    /// All roles at once.
    Full,
    /// Not at all; stale services are listed.
    None,
}

/// Limits and habits of a pair.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// See [`Unmanaged`].
    #[serde(default)]
    pub unmanaged: Unmanaged,
    /// Most hosts one apply may change, as a number or a percentage of the hosts of a side.
    pub max_hosts: Option<Node>,
    /// Most services one apply may restart.
    pub max_restarts: Option<u32>,
    /// See [`Restart`].
    #[serde(default)]
    pub restart: Restart,
}

/// A change window.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its name.
    pub name: String,
    /// Days of the week it opens on: `mon` … `sun`; every day by default.
    #[serde(default)]
    pub days: Vec<Day>,
    /// When it opens, `HH:MM`.
    pub from: String,
    /// When it closes; before `from` means on the next day.
    pub to: String,
    /// Time zone (IANA name).
    pub zone: String,
    /// Sides it is for; all by default.
    #[serde(default)]
    pub sides: Vec<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the days name themselves")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    pair: String,
    sides: Node,
    order: Option<Vec<Node>>,
    translate: Option<Node>,
    policy: Option<Policy>,
    windows: Option<Vec<Node>>,
    sandbox: Option<SandboxHosts>,
}

/// What stands behind hosts with `ansible_connection: sandbox`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxHosts {
    /// A YAML file that tells what the host directories hold on the first day.
    pub hosts: String,
}

/// One side of a pair.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// The inventory group of its hosts; the side's name by default.
    #[serde(default)]
    pub group: String,
    /// Its manager.
    pub manager: Option<Manager>,
    /// Where its group is named: the side itself by default.
    #[serde(skip, default = "Place::nowhere")]
    pub place: Place,
}

/// The manager of a side.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manager {
    /// Base address, e.g. `https://cm.example.com:7183`.
    pub url: Option<Node>,
    /// The cluster's name or display name.
    pub cluster: Option<String>,
    /// Login name.
    pub user: Option<String>,
    /// Where the password comes from.
    pub password: Option<Node>,
    /// Certificate authority to trust: a PEM file, relative to the inventory.
    pub ca: Option<String>,
    /// The manager's own hosts; two of them run active-passive, the primary first.
    #[serde(default)]
    pub servers: Vec<Node>,
    /// How a manager with two servers is worked on.
    #[serde(default)]
    pub maintenance: Maintenance,
    /// How the load balancer before two servers looks after them.
    #[serde(default)]
    pub balancer: Balancer,
    /// Where the manager keeps passwords; needs naming only where it is not its own database.
    #[serde(default)]
    pub credential_storage: CredentialStorage,
    /// Where that is written.
    #[serde(skip, default = "Place::nowhere")]
    pub storage_place: Place,
    /// A simulated manager instead of a real one.
    pub sandbox: Option<SandboxManager>,
}

/// Where a manager keeps passwords: its Secure Credential Storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialStorage {
    /// In its own database.
    #[default]
    None,
    /// In an embedded vault.
    Embedded,
    /// In a vault elsewhere.
    Vault,
}

/// The checks of a load balancer; by default those of HAProxy (requirement M24).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balancer {
    /// Seconds between two checks.
    #[serde(default = "two_seconds")]
    pub inter_seconds: u32,
    /// After so many failed checks a server gets nothing any more.
    #[serde(default = "three_times")]
    pub fall: u32,
}

impl Balancer {
    /// Returns how long a failover takes at the most, in seconds.
    pub fn failover_seconds(self) -> u64 {
        u64::from(self.inter_seconds) * u64::from(self.fall)
    }
}

impl Default for Balancer {
    fn default() -> Balancer {
        Balancer { inter_seconds: two_seconds(), fall: three_times() }
    }
}

fn two_seconds() -> u32 {
    2
}

fn three_times() -> u32 {
    3
}

/// How work is done that two servers of a manager must not do together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// See [`Procedure`].
    #[serde(default)]
    pub procedure: Procedure,
    /// How long commands that run are waited for: others' before the first write, whoever's they
    /// are before the second server comes back.
    #[serde(default = "half_an_hour")]
    pub wait_seconds: u32,
}

impl Default for Maintenance {
    fn default() -> Maintenance {
        Maintenance { procedure: Procedure::default(), wait_seconds: half_an_hour() }
    }
}

impl Maintenance {
    /// Returns `wait_seconds`.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.wait_seconds.into())
    }
}

fn half_an_hour() -> u32 {
    1800
}

/// A procedure of single-node maintenance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Procedure {
    /// The secondary is stopped, and the primary runs with `haMode=false` meanwhile (requirement
    /// M5).
    #[default]
    Full,
    /// The secondary is stopped, nothing else (requirement M20).
    PassiveStop,
}

/// A simulated manager.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxManager {
    /// What it holds on the first day: a cluster template or deployment (JSON), relative to the
    /// inventory.
    pub seed: String,
    /// Further catalogues of settings (`config?view=full` answers), relative to the inventory.
    #[serde(default)]
    pub catalogue: Vec<String>,
    /// Faults to inject, as the sandbox understands them.
    #[serde(default)]
    pub faults: Vec<Node>,
}

/// A loaded `pair.yaml`.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// The pair's name.
    pub name: String,
    /// The sides, in the order written.
    pub sides: IndexMap<Arc<str>, Side>,
    /// The order in which sides are changed.
    pub order: Vec<Arc<str>>,
    /// Values that differ by design, by name and side.
    pub translate: IndexMap<Arc<str>, IndexMap<Arc<str>, Node>>,
    /// Limits and habits.
    pub policy: Policy,
    /// Where they are written.
    pub policy_place: Option<Place>,
    /// Change windows.
    pub windows: Vec<Window>,
    /// What stands behind sandbox hosts.
    pub sandbox: Option<SandboxHosts>,
}

impl Pair {
    /// Decodes the tree of `pair.yaml`; mistakes go to `sources`.
    pub fn load(sources: &mut Sources, node: &Node) -> Pair {
        let mistakes = &mut sources.mistakes;
        let Some(page) = leniently(node, mistakes, decode::<Page>) else { return Pair::default() };
        let sides = read_sides(&page.sides, mistakes);
        let order = read_order(page.order, &sides, mistakes);
        let translate = page.translate.map(|t| read_translate(&t, &sides, mistakes));
        let windows = page.windows.unwrap_or_default();
        let windows = windows.iter().filter_map(|node| read_window(node, &sides, mistakes));
        let windows = windows.collect();
        let policy = page.policy.unwrap_or_default();
        mistakes.extend(check_max_hosts(&policy));
        let pair = Pair {
            name: page.pair,
            order,
            translate: translate.unwrap_or_default(),
            policy,
            policy_place: Some(node.place_of(&["policy"])),
            windows,
            sandbox: page.sandbox,
            sides,
        };
        check_managers(&pair, node, mistakes);
        pair
    }
}

/// `max_hosts` is a number or a percentage.
fn check_max_hosts(policy: &Policy) -> Option<Diagnostic> {
    let node = policy.max_hosts.as_ref()?;
    let text = node.as_text().unwrap_or_default().trim();
    let digits = text.strip_suffix('%').unwrap_or(text).trim();
    digits.parse::<u32>().is_err().then(|| {
        Diagnostic::error("`max_hosts` must be a number of hosts or a percentage")
            .at(&node.place)
            .hint("write it as `10` or `25%`".to_string())
    })
}

fn read_sides(node: &Node, mistakes: &mut Vec<Diagnostic>) -> IndexMap<Arc<str>, Side> {
    let mut sides = IndexMap::new();
    let Some(map) = node.as_map() else {
        let said = format!("`sides` must be a mapping, found {}", node.sort());
        mistakes.push(Diagnostic::error(said).at(&node.place));
        return sides;
    };
    for (key, body) in map.iter() {
        if key.name.is_empty() || key.name.contains(['/', '[', ' ']) {
            let said = format!("`{}` cannot name a side", key.name);
            mistakes.push(Diagnostic::error(said).at(&key.place).hint(
                "use letters, digits, `-` and `_`: the name becomes part of addresses".to_string(),
            ));
        }
        // What else names the side must not be blamed for a mistake in its body.
        let nothing = Side { group: String::new(), manager: None, place: Place::nowhere() };
        let mut side = leniently(body, mistakes, decode::<Side>).unwrap_or(nothing);
        if let Some(manager) = &mut side.manager {
            manager.storage_place = body.place_of(&["manager", "credential_storage"]);
        }
        side.place = body.get("group").map_or(&key.place, |group| &group.place).clone();
        if side.group.is_empty() {
            side.group = key.name.to_string();
        }
        sides.insert(key.name.clone(), side);
    }
    if sides.is_empty() && mistakes.is_empty() {
        mistakes.push(Diagnostic::error("a pair needs its sides").at(&node.place));
    }
    sides
}

fn unknown_side(name: &str, node: &Node, sides: &IndexMap<Arc<str>, Side>) -> Diagnostic {
    Diagnostic::error(format!("unknown side `{name}`"))
        .at(&node.place)
        .hint(did_you_mean(name, sides.keys().map(|side| &**side)))
}

fn read_order(
    order: Option<Vec<Node>>,
    sides: &IndexMap<Arc<str>, Side>,
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<Arc<str>> {
    let Some(order) = order else { return sides.keys().cloned().collect() };
    let mut names: Vec<Arc<str>> = Vec::new();
    for node in &order {
        let name = node.as_text().unwrap_or_default();
        match sides.get_key_value(name) {
            Some((side, _)) if !names.contains(side) => names.push(side.clone()),
            Some(_) => mistakes.push(
                Diagnostic::error(format!("side `{name}` stands twice in `order`")).at(&node.place),
            ),
            None => mistakes.push(unknown_side(name, node, sides)),
        }
    }
    // A side left out of `order` comes after those that are in it.
    names.extend(sides.keys().filter(|side| !names.contains(side)).cloned().collect::<Vec<_>>());
    names
}

fn read_translate(
    node: &Node,
    sides: &IndexMap<Arc<str>, Side>,
    mistakes: &mut Vec<Diagnostic>,
) -> IndexMap<Arc<str>, IndexMap<Arc<str>, Node>> {
    let mut translate = IndexMap::new();
    let empty = Map::default();
    for (key, entry) in node.as_map().unwrap_or(&empty).iter() {
        let mut by_side = IndexMap::new();
        for (side, value) in entry.as_map().unwrap_or(&empty).iter() {
            if sides.contains_key(&side.name) {
                by_side.insert(side.name.clone(), value.clone());
            } else {
                let at = Node::text(side.place.clone(), &side.name);
                mistakes.push(unknown_side(&side.name, &at, sides));
            }
        }
        for side in sides.keys().filter(|side| !by_side.contains_key(*side)) {
            mistakes.push(
                Diagnostic::error(format!(
                    "`translate.{}` says nothing for side `{side}`",
                    key.name
                ))
                .at(&key.place)
                .hint("give every side its value".to_string()),
            );
        }
        translate.insert(key.name.clone(), by_side);
    }
    translate
}

fn read_window(
    node: &Node,
    sides: &IndexMap<Arc<str>, Side>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Window> {
    let window: Window = leniently(node, mistakes, decode)?;
    let place = |key: &str| node.get(key).map_or(&node.place, |value| &value.place);
    for (key, text) in [("from", &window.from), ("to", &window.to)] {
        if text.parse::<jiff::civil::Time>().is_err() {
            mistakes.push(
                Diagnostic::error(format!("`{text}` is not a time of day"))
                    .at(place(key))
                    .hint("write it as \"HH:MM\"".to_string()),
            );
        }
    }
    if jiff::tz::TimeZone::get(&window.zone).is_err() {
        let zones: Vec<String> = jiff::tz::db().available().map(|z| z.to_string()).collect();
        let near = did_you_mean(&window.zone, zones.iter().map(String::as_str));
        mistakes.push(
            Diagnostic::error(format!("unknown time zone `{}`", window.zone))
                .at(place("zone"))
                .hint(near.unwrap_or("use an IANA name such as Europe/Berlin or UTC".into())),
        );
    }
    for item in node.get("sides").and_then(Node::as_list).unwrap_or_default() {
        let name = item.as_text().unwrap_or_default();
        if !sides.contains_key(name) {
            mistakes.push(unknown_side(name, item, sides));
        }
    }
    Some(window)
}

/// A manager is real or simulated; two sides must not share one (requirement P1).
fn check_managers(pair: &Pair, page: &Node, mistakes: &mut Vec<Diagnostic>) {
    let mut seen: IndexMap<String, &Arc<str>> = IndexMap::new();
    for (name, side) in &pair.sides {
        let Some(manager) = &side.manager else { continue };
        let place = page.place_of(&["sides", name, "manager"]);
        if manager.url.is_some() == manager.sandbox.is_some() {
            mistakes.push(
                Diagnostic::error(format!("the manager of `{name}` needs `url` or `sandbox`"))
                    .at(&place)
                    .hint(
                        "`url` for a real manager, `sandbox: { seed: … }` for a simulated one"
                            .to_string(),
                    ),
            );
        }
        if manager.url.is_some() {
            let given =
                [("user", manager.user.is_some()), ("password", manager.password.is_some())];
            for (key, _) in given.iter().filter(|(_, given)| !given) {
                mistakes.push(
                    Diagnostic::error(format!("the manager of `{name}` needs `{key}`")).at(&place),
                );
            }
        }
        let url = manager.url.as_ref().and_then(Node::as_text).map(|url| url.to_lowercase());
        if let Some(url) = url
            && let Some(other) = seen.insert(url.trim_end_matches('/').to_string(), name)
        {
            mistakes.push(
                Diagnostic::warning(format!("`{other}` and `{name}` share one manager"))
                    .because(
                        "After a disaster it may be on the failed side, and nothing could manage \
                         the other (P1).",
                    )
                    .at(&place)
                    .hint("give each side a manager of its own".to_string()),
            );
        }
    }
}
