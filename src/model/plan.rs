//! A plan is data: what is to be done, in which order, on what evidence, to which machines.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::{Finding, Verdict};
use super::manager::ManagerIdentity;
use super::{Address, Delta, Diagnostic, Place};

/// What a run of `plan`, `apply` or `drift` found.
#[derive(Debug, Default)]
pub struct Plan {
    /// The pair's name.
    pub pair: String,
    /// Sides, in the order in which they are changed.
    pub sides: Vec<Arc<str>>,
    /// Every instance, in order.
    pub instances: Vec<Planned>,
    /// What could be seen.
    pub coverage: Coverage,
    /// Which machines and managers were looked at.
    pub identities: Identities,
    /// Digest of the typed effects: equal effects, equal digest.
    pub digest: String,
    /// Services that are stale or may be afterwards, by side.
    pub restarts: BTreeMap<Arc<str>, usize>,
    /// What concerns no instance and is worth a warning.
    pub warnings: Vec<Diagnostic>,
}

/// One instance of a plan.
#[derive(Debug)]
pub struct Planned {
    /// Its address.
    pub address: Address,
    /// The `name` of the resource that declares it.
    pub name: Arc<str>,
    /// Where that resource is written.
    pub place: Place,
    /// The verdict.
    pub verdict: Verdict,
    /// The comparison; left out for instances in sync that have nothing to tell.
    pub delta: Option<Box<Delta>>,
    /// True when apply must not change it.
    pub is_protected: bool,
    /// Digest of every attribute read, when evidence was asked for.
    pub evidence: Vec<(String, String)>,
}

/// What could be seen.
#[derive(Debug, Default, Clone)]
pub struct Coverage {
    /// Hosts asked and why some could not be read whole, by name.
    pub hosts: BTreeMap<String, Seen>,
    /// Managers asked, by side.
    pub managers: BTreeMap<String, Seen>,
}

/// How one target was seen.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Seen {
    /// Why nothing could be read, if so.
    pub trouble: Option<String>,
    /// Seconds until the connection stood.
    pub connect: f64,
    /// Seconds the reading took.
    pub read: f64,
    /// Scripts run, or requests that read.
    pub reads: usize,
    /// Requests that write.
    pub writes: usize,
}

impl Coverage {
    /// Returns how many of the targets were read.
    pub fn read(seen: &BTreeMap<String, Seen>) -> usize {
        seen.values().filter(|seen| seen.trouble.is_none()).count()
    }
}

/// The physical identity of the targets: a plan made for one machine is not applied to another.
#[derive(Debug, Default, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Identities {
    /// `/etc/machine-id` by host.
    pub hosts: BTreeMap<String, String>,
    /// Manager and cluster by side.
    pub managers: BTreeMap<String, ManagerIdentity>,
}

/// How many instances have each verdict.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// In sync.
    pub in_sync: usize,
    /// Nothing to write, but something to look into.
    pub finding: usize,
    /// To be created: nothing is there yet.
    pub add: usize,
    /// To be changed.
    pub change: usize,
    /// To be removed.
    pub remove: usize,
    /// Not read.
    pub unknown: usize,
    /// Cannot be met.
    pub refused: usize,
}

/// What a change does to its instance as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing was there.
    Add,
    /// Something becomes something else.
    Change,
    /// Something goes away.
    Remove,
}

impl Planned {
    /// Returns what the change does to the instance as a whole.
    pub fn effect(&self) -> Effect {
        use super::{Live, Want};
        let Some(delta) = &self.delta else { return Effect::Change };
        let mut differing = delta.differing().peekable();
        let is_whole = delta.attributes.iter().all(|a| a.differs);
        if differing.peek().is_none() || !is_whole {
            return Effect::Change;
        }
        if delta.attributes.iter().all(|a| matches!(a.before, Live::Absent)) {
            return Effect::Add;
        }
        match delta.attributes.iter().all(|a| matches!(a.after, Want::Absent(None))) {
            true => Effect::Remove,
            false => Effect::Change,
        }
    }
}

impl Plan {
    /// Counts the verdicts.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for instance in &self.instances {
            match (instance.verdict, instance.effect()) {
                (Verdict::InSync, _) => tally.in_sync += 1,
                (Verdict::Finding, _) => tally.finding += 1,
                (Verdict::Unknown, _) => tally.unknown += 1,
                (Verdict::Refused, _) => tally.refused += 1,
                (Verdict::Change, Effect::Add) => tally.add += 1,
                (Verdict::Change, Effect::Change) => tally.change += 1,
                (Verdict::Change, Effect::Remove) => tally.remove += 1,
            }
        }
        tally
    }

    /// Iterates over the instances that need a write.
    pub fn changes(&self) -> impl Iterator<Item = &Planned> {
        self.instances.iter().filter(|instance| instance.verdict == Verdict::Change)
    }

    /// Iterates over what a person must look into, beside changes too.
    pub fn findings(&self) -> impl Iterator<Item = (&Planned, &Finding)> {
        let with = self.instances.iter().filter_map(|i| Some((i, i.delta.as_deref()?)));
        with.flat_map(|(instance, delta)| delta.findings.iter().map(move |one| (instance, one)))
    }

    /// True when nothing is wrong: neither a write nor a person is needed.
    pub fn is_clean(&self) -> bool {
        self.is_empty() && self.findings().next().is_none()
    }

    /// True when nothing needs a write.
    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none()
    }
}
