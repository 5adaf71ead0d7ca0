//! `cm.parcel`: a version of a product, and how far it is: downloaded, distributed, activated.
//!
//! The parcel is brought to its stage step by step, each one waited for: downloaded to the manager,
//! distributed to all hosts of the cluster, activated. A stage below the present one takes it back:
//! `distributed` puts an activated parcel out of use. One version of a product is active at a time;
//! activating another puts the first out of use. After an activation services run the old version
//! until they are restarted; only then `remove_other_versions` removes every other version from the
//! hosts and from the manager.
//!
//! ```yaml
//! - name: Spark 3
//!   cm.parcel:
//!     product: SPARK3
//!     version: 3.3.2.3.3.7191000.0-78-1.p0.57384092
//!     stage: activated
//!     remove_other_versions: true
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::{Guarded, Kind, Link, Unsettles, problem, unanswered};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, Entity, ParcelMove};
use crate::model::nearest::did_you_mean;
use crate::model::question::{Action, Question, Reply};
use crate::model::{Attribute, Data, Delta, Key, Live, Node, Value};

/// A parcel.
pub struct CmParcel;

/// A version of a product, and how far it is.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The product's name, such as `CDH`.
    product: String,
    /// The whole version, such as `7.1.9-1.cdh7.1.9.p0.44702451`.
    version: String,
    /// How far the parcel is; `absent` for neither on hosts nor at the manager.
    #[serde(default)]
    stage: Stage,
    /// Remove all other versions of the product; only for `activated`.
    #[serde(default)]
    remove_other_versions: bool,
    /// What is removed after services were restarted; made of `remove_other_versions`.
    #[serde(default)]
    #[schemars(skip)]
    others_only: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, PartialOrd, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Absent,
    Downloaded,
    Distributed,
    #[default]
    Activated,
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Stage::Absent => "absent",
            Stage::Downloaded => "downloaded",
            Stage::Distributed => "distributed",
            Stage::Activated => "activated",
        }
    }

    /// Returns the stable stage that a parcel is at or leaves, by the manager's word (CM API).
    fn of(word: &str) -> Option<Stage> {
        match word {
            "AVAILABLE_REMOTELY" | "UNAVAILABLE" | "DOWNLOADING" => Some(Stage::Absent),
            "DOWNLOADED" | "DISTRIBUTING" => Some(Stage::Downloaded),
            "DISTRIBUTED" | "ACTIVATING" | "UNDISTRIBUTING" => Some(Stage::Distributed),
            "ACTIVATED" => Some(Stage::Activated),
            _ => None,
        }
    }
}

/// The moves upwards and downwards, each with the stage it leaves and the one it comes to.
const UP: [(Stage, Stage, ParcelMove); 3] = [
    (Stage::Absent, Stage::Downloaded, ParcelMove::Download),
    (Stage::Downloaded, Stage::Distributed, ParcelMove::Distribute),
    (Stage::Distributed, Stage::Activated, ParcelMove::Activate),
];
const DOWN: [(Stage, Stage, ParcelMove); 3] = [
    (Stage::Activated, Stage::Distributed, ParcelMove::Deactivate),
    (Stage::Distributed, Stage::Downloaded, ParcelMove::Undistribute),
    (Stage::Downloaded, Stage::Absent, ParcelMove::Remove),
];

/// Returns the moves from one stage to another.
fn moves(from: Stage, to: Stage) -> Vec<ParcelMove> {
    let up = UP.iter().filter(|(first, then, _)| *first >= from && *then <= to);
    let down = DOWN.iter().filter(|(first, then, _)| *first <= from && *then >= to);
    up.chain(down).map(|(_, _, step)| *step).collect()
}

impl Args {
    fn entity(&self) -> Entity {
        self.entity_of(&self.version)
    }

    fn entity_of(&self, version: &str) -> Entity {
        Entity::Parcel(Arc::from(self.product.as_str()), Arc::from(version))
    }
}

impl Kind for CmParcel {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.parcel", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_parcel.rs");

    fn key(args: &Args) -> String {
        let others = if args.others_only { " (other versions)" } else { "" };
        format!("{} {}{others}", args.product, args.version)
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (argument, value) in [("product", &args.product), ("version", &args.version)] {
            if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c == '/') {
                let said = format!("`{value}` cannot be the {argument} of a parcel");
                problems.push(problem(&[argument], said, None));
            }
        }
        if args.remove_other_versions && args.stage != Stage::Activated {
            let said = "other versions can be removed only where this one is activated";
            problems.push(problem(&["remove_other_versions"], said, None));
        }
        problems
    }

    fn parts(node: &Node) -> Option<Vec<Node>> {
        let map = node.as_map()?;
        let asks = map.get("remove_other_versions")?.as_text()? == "true";
        if !asks || map.get("others_only").is_some() {
            return None;
        }
        let key = |name: &str| Key { name: Arc::from(name), place: node.place.clone() };
        let truth =
            |is: bool| Node::new(node.place.clone(), Data::Bool(is, Arc::from(is.to_string())));
        let mut first = map.clone();
        first.set(key("remove_other_versions"), truth(false));
        let mut others = map.clone();
        others.set(key("others_only"), truth(true));
        let whole = |map| Node::new(node.place.clone(), Data::Map(map));
        Some(vec![whole(first), whole(others)])
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Entity(args.entity())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let reply = &replies[0];
        if let Some(delta) = unanswered(reply) {
            return delta;
        }
        let live = match stage(&reply.field("stage")) {
            Ok(Some(word)) if &*word == "UNAVAILABLE" && args.stage != Stage::Absent => {
                return Delta::lacking("no repository offers this parcel any more");
            }
            Ok(None) if args.stage != Stage::Absent => {
                return Delta::lacking(unknown_parcel(args, reply));
            }
            Ok(word) => word,
            Err(reason) => return Delta::unknown(reason),
        };
        if args.others_only {
            return surplus(args, reply, live.as_deref());
        }
        let mut delta = Delta::default();
        let is_absent = live.as_deref().is_none_or(|word| Stage::of(word) == Some(Stage::Absent));
        let is_moving = live.as_deref() == Some("DOWNLOADING");
        let before = match &live {
            Some(word) if !is_absent || is_moving => Live::Known(shown(word)),
            _ => Live::Absent,
        };
        delta.attributes.push(match args.stage {
            Stage::Absent => Attribute::gone("stage", before),
            stage => Attribute::new("stage", before, Value::text(stage.word())),
        });
        if let Ok(Some(errors)) = reply.text("errors")
            && !errors.is_empty()
        {
            delta.notes.push(format!("the manager reports: {errors}"));
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let reply = &replies[0];
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let mut actions = Vec::new();
        if differs("stage") {
            let live = reply.text("stage").ok().flatten();
            let from = live.as_deref().and_then(Stage::of).unwrap_or(Stage::Absent);
            let moves = match live.as_deref() {
                // What is on its way down cannot be called back.
                Some("UNDISTRIBUTING") if args.stage >= Stage::Distributed => {
                    let first = vec![ParcelMove::Undistribute];
                    [first, moves(Stage::Downloaded, args.stage)].concat()
                }
                Some("DOWNLOADING") if args.stage == Stage::Absent => {
                    vec![ParcelMove::Download, ParcelMove::Remove]
                }
                Some("DISTRIBUTING") if args.stage < Stage::Distributed => {
                    let first = vec![ParcelMove::Distribute];
                    [first, moves(Stage::Distributed, args.stage)].concat()
                }
                Some("ACTIVATING") if args.stage < Stage::Activated => {
                    let first = vec![ParcelMove::Activate];
                    [first, moves(Stage::Activated, args.stage)].concat()
                }
                _ => moves(from, args.stage),
            };
            let call = |step| Action::Call(args.entity(), Call::Parcel(step));
            actions.extend(moves.into_iter().map(call));
        }
        if differs("other versions") {
            for (version, stage) in others(args, reply) {
                // Once this version is active no other one is.
                let from = if stage == Stage::Activated { Stage::Distributed } else { stage };
                let call = |step| Action::Call(args.entity_of(version), Call::Parcel(step));
                actions.extend(moves(from, Stage::Absent).into_iter().map(call));
            }
        }
        actions
    }

    fn unsettles(args: &Args) -> Option<Unsettles> {
        (args.stage == Stage::Activated && !args.others_only).then_some(Unsettles::Cluster)
    }

    fn guarded(args: &Args) -> Option<Guarded> {
        (!args.others_only).then_some(Guarded::Whole)
    }

    fn needs(args: &Args) -> Vec<Link> {
        match args.others_only {
            // Services must not run what is removed.
            true => vec![
                Link::new("cm.parcel", format!("{} {}", args.product, args.version)),
                Link::any("cm.restart"),
            ],
            false => vec![Link::any("cm.parcel_repository"), Link::new("cm.config", "manager")],
        }
    }
}

/// Compares the other versions that are there with none; they stay until this one is active.
fn surplus(args: &Args, reply: &Reply, live: Option<&str>) -> Delta {
    if live != Some("ACTIVATED") {
        return Delta::lacking(format!("{} {} is not activated", args.product, args.version));
    }
    let others = others(args, reply).map(|(version, _)| Value::text(version)).collect();
    let live = Live::Known(Value::List(others));
    let attribute = Attribute::new("other versions", live, Value::List(Vec::new()));
    Delta { attributes: vec![attribute], ..Delta::default() }
}

/// Returns the manager's word for the stage; an unheard-of word tells nothing.
fn stage(live: &Live) -> Result<Option<Arc<str>>, String> {
    match live {
        Live::Absent => Ok(None),
        Live::Unknown(reason) => Err(reason.clone()),
        Live::Known(value) => match value.to_string() {
            word if Stage::of(&word).is_some() => Ok(Some(Arc::from(word))),
            word => Err(format!("the stage `{word}` is not known to drsync")),
        },
    }
}

fn shown(word: &str) -> Value {
    Value::text(word.to_lowercase())
}

/// Other versions of the product that are at the manager or on hosts.
fn others<'a>(args: &'a Args, reply: &'a Reply) -> impl Iterator<Item = (&'a str, Stage)> {
    let other = reply.texts("version/").filter(|(version, _)| *version != args.version);
    let staged = other.filter_map(|(version, word)| Some((version, Stage::of(word)?)));
    staged.filter(|(_, stage)| *stage != Stage::Absent)
}

fn unknown_parcel(args: &Args, reply: &Reply) -> String {
    let product = &args.product;
    let versions: Vec<&str> = reply.texts("version/").map(|(version, _)| version).collect();
    let products = reply.text("products").ok().flatten().unwrap_or_default();
    let (said, near) = match versions.is_empty() {
        true => (
            format!("the manager knows no parcel of `{product}`"),
            did_you_mean(product, products.split(' ')),
        ),
        false => (
            format!("the manager knows no parcel {product} {}", args.version),
            did_you_mean(&args.version, versions.iter().copied())
                .or_else(|| Some(format!("it knows {}", versions.join(", ")))),
        ),
    };
    let near = near.unwrap_or_else(|| "declare its repository (cm.parcel_repository)".into());
    let hidden = hidden(reply).unwrap_or_default();
    format!("{said}; {near}{hidden}")
}

/// Says that two servers may not show a parcel although its repository is declared (requirement
/// M19), and the way out (requirement M20).
fn hidden(reply: &Reply) -> Option<String> {
    let count = |name: &str| reply.text(name).ok().flatten()?.parse::<usize>().ok();
    let (servers, repositories) = (count("servers")?, count("repositories")?);
    (servers > 1 && repositories > 0).then(|| {
        let addresses = if repositories == 1 { "address" } else { "addresses" };
        format!(
            "; it has {repositories} {addresses} of repositories: while both servers run, parcels of newly saved ones \
             are not shown (OPSAPS-60726); to see them, stop the passive server and apply again, \
             with `maintenance: {{ procedure: passive_stop }}` at the manager in pair.yaml; the \
             server is started afterwards"
        )
    })
}
