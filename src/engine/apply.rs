//! Walks the order: checks the evidence before each write, reads back after it.
//!
//! A failed step fails only what depends on it. What could not be read counts as failed. A target is
//! worked on by one step at a time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::json;
use tokio::task::JoinSet;

use super::bracket;
use super::graph::{Index, Point};
use super::instance::Instance;
use super::journal::Journal;
use super::plan::{Prepared, compare};
use super::state::State;
use super::{parcels, read, restart};
use crate::kinds::Unsettles;
use crate::lang::inventory::Inventory;
use crate::lang::pair::Restart;
use crate::lang::resource::Phase;
use crate::model::change::Verdict;
use crate::model::manager::Call;
use crate::model::plan::Plan;
use crate::model::question::{Action, Reply};
use crate::model::report::{Event, Outcome, Report};
use crate::model::{Attribute, Delta, Live, Target, Want};
use crate::reach::{World, Written};

/// Everything an apply works with.
pub struct Job {
    /// The inventory.
    pub inventory: Arc<Inventory>,
    /// Instances, order, questions.
    pub prepared: Prepared,
    /// The plan that was shown and agreed to.
    pub plan: Plan,
    /// The outside.
    pub world: Arc<World>,
    /// Written ahead.
    pub journal: Journal,
    /// What is remembered between runs.
    pub state: State,
    /// The run's id.
    pub run: String,
    /// The reason given to managers: `drsync RUN TICKET`.
    pub message: String,
    /// Steps at once.
    pub parallel: usize,
    /// What could not be read does not hold back the next side.
    pub allow_incomplete: bool,
    /// Set to let running steps end and start no more.
    pub stop: Arc<AtomicBool>,
    /// Told while the apply goes on.
    pub tell: Box<dyn Fn(Event) + Send + Sync>,
}

/// How a point of the order ended.
#[derive(Clone, Debug)]
struct End {
    /// Why what depends on it must not be tried.
    blocks: Option<String>,
    /// Something was written on the way here, so what follows may find a world unlike the plan's.
    changed: bool,
    /// It blocks only because it could not be read.
    unseen: bool,
}

/// Applies the plan of `job`. Everything that happens is in the report; nothing is an error here.
pub async fn apply(job: Arc<Job>) -> Report {
    let mut walk = Walk::new(&job);
    walk.run().await;
    Report { run: job.run.clone(), ends: walk.ends, was_stopped: job.stop.load(Ordering::Relaxed) }
}

struct Walk<'a> {
    job: &'a Arc<Job>,
    /// Place of each point in the sequence.
    rank: Vec<usize>,
    /// Predecessors not ended yet.
    open: Vec<usize>,
    ended: Vec<Option<End>>,
    ready: BTreeSet<usize>,
    /// Steps waiting for their target.
    waiting: HashMap<Target, BTreeSet<usize>>,
    busy: HashSet<Target>,
    running: JoinSet<(usize, Outcome, f64)>,
    /// Place in the plan of each instance.
    planned: HashMap<usize, usize>,
    ends: Vec<(crate::model::Address, Outcome, f64)>,
    started: usize,
    total: usize,
}

impl<'a> Walk<'a> {
    fn new(job: &'a Arc<Job>) -> Walk<'a> {
        let order = &job.prepared.order;
        let mut rank = vec![0; order.len()];
        for (at, index) in order.sequence.iter().enumerate() {
            rank[index.index()] = at;
        }
        let open: Vec<usize> = order.sequence.iter().map(|i| order.before(*i).count()).collect();
        let ready = (0..open.len()).filter(|at| open[*at] == 0).collect();
        Walk {
            job,
            rank,
            ended: vec![None; open.len()],
            open,
            ready,
            waiting: HashMap::new(),
            busy: HashSet::new(),
            running: JoinSet::new(),
            planned: order.instances().enumerate().map(|(at, i)| (i, at)).collect(),
            ends: Vec::new(),
            started: 0,
            total: job.plan.changes().count(),
        }
    }

    fn index(&self, at: usize) -> Index {
        self.job.prepared.order.sequence[at]
    }

    async fn run(&mut self) {
        loop {
            while let Some(at) = self.ready.pop_first() {
                self.visit(at);
            }
            self.start();
            match self.running.join_next().await {
                Some(Ok((at, outcome, seconds))) => self.finish_step(at, outcome, seconds),
                // Its task broke off; what it was about is told below.
                Some(Err(_)) => {}
                None if self.ready.is_empty() => break,
                None => {}
            }
        }
        self.tell_lost();
    }

    /// Tells of every change that neither ended nor was skipped: a step whose task broke off, and
    /// what waited for it or for its target. Nothing may be left out of the report.
    fn tell_lost(&mut self) {
        let lost = |at: usize| match self.job.prepared.order.point(self.index(at)) {
            Point::Instance(i) if self.ended[at].is_none() => {
                Some(&self.job.plan.instances[self.planned[i]])
            }
            _ => None,
        };
        let addresses: Vec<_> = (0..self.ended.len())
            .filter_map(lost)
            .filter(|planned| !planned.verdict.is_settled())
            .map(|planned| planned.address.clone())
            .collect();
        for address in addresses {
            let reason = "the run lost track of it; the outcome is unknown".to_string();
            self.report(&address, Outcome::Failed(reason), 0.0);
        }
    }

    /// Ends a point that needs no write, or queues its step.
    fn visit(&mut self, at: usize) {
        let order = &self.job.prepared.order;
        let point = order.point(self.index(at)).clone();
        let before: Vec<End> = order
            .needed(self.index(at))
            .filter_map(|index| self.ended[self.rank[index.index()]].clone())
            .collect();
        let lenient = self.job.allow_incomplete && matches!(point, Point::Side(_));
        let blocked =
            before.iter().filter(|end| !(lenient && end.unseen)).find_map(|end| end.blocks.clone());
        let Point::Instance(i) = point else {
            let changed = !matches!(point, Point::Side(_)) && before.iter().any(|end| end.changed);
            let blocks = match (&point, blocked) {
                (Point::Side(side), Some(why)) => Some(format!("side {side} is not done: {why}")),
                (_, blocked) => blocked,
            };
            return self.end(at, End { blocks, changed, unseen: false });
        };
        let planned = &self.job.plan.instances[self.planned[&i]];
        let address = planned.address.clone();
        let changed = before.iter().any(|end| end.changed);
        let delta = planned.delta.as_deref();
        match planned.verdict {
            Verdict::InSync | Verdict::Finding => {
                let unseen = before.iter().filter(|end| end.blocks.is_some()).all(|end| end.unseen);
                self.end(at, End { blocks: blocked, changed, unseen });
            }
            Verdict::Unknown => {
                let reason = delta.and_then(unknown_reason).unwrap_or_default();
                let blocks = Some(format!("{address} could not be read"));
                self.report(&address, Outcome::Failed(format!("could not be read: {reason}")), 0.0);
                self.end(at, End { blocks, changed, unseen: true });
            }
            Verdict::Refused => {
                let reason = delta.and_then(|d| d.refused.clone()).unwrap_or_default();
                self.report(&address, Outcome::Failed(reason), 0.0);
                self.end(
                    at,
                    End { blocks: Some(format!("{address} failed")), changed, unseen: false },
                );
            }
            Verdict::Change => match blocked.or_else(|| self.lacking_files(at)) {
                Some(why) => self.skip(at, address, why),
                None => {
                    self.waiting.entry(address.target).or_default().insert(at);
                }
            },
        }
    }

    /// Returns why files of parcels that an addition needs are not there, if that is so.
    fn lacking_files(&self, at: usize) -> Option<String> {
        let (plan, prepared) = (&self.job.plan, &self.job.prepared);
        let Point::Instance(i) = prepared.order.point(self.index(at)) else { return None };
        if !parcels::adds(&plan.instances[self.planned[i]]) {
            return None;
        }
        prepared.order.before(self.index(at)).find_map(|before| {
            let Point::Instance(i) = prepared.order.point(before) else { return None };
            let address = &prepared.instances[*i].address;
            let end = self.ended[self.rank[before.index()]].as_ref()?;
            let is_excused = end.unseen && parcels::is_out_of_reach(plan, &address.target);
            (address.kind == parcels::KIND && !is_excused).then(|| end.blocks.clone())?
        })
    }

    fn skip(&mut self, at: usize, address: crate::model::Address, why: String) {
        self.report(&address, Outcome::Skipped(why.clone()), 0.0);
        self.end(at, End { blocks: Some(why), changed: false, unseen: false });
    }

    /// Starts steps on targets that are free.
    fn start(&mut self) {
        if self.job.stop.load(Ordering::Relaxed) {
            self.skip_what_waits();
        }
        let free: Vec<Target> =
            self.waiting.keys().filter(|target| !self.busy.contains(target)).cloned().collect();
        for target in free {
            if self.running.len() >= self.job.parallel.max(1) {
                return;
            }
            let next = self.waiting.get_mut(&target).and_then(BTreeSet::pop_first);
            if self.waiting.get(&target).is_some_and(BTreeSet::is_empty) {
                self.waiting.remove(&target);
            }
            if let Some(at) = next {
                self.busy.insert(target);
                self.launch(at);
            }
        }
    }

    /// After a stop nothing more is begun, except what ends single-node maintenance.
    fn skip_what_waits(&mut self) {
        let waiting: Vec<usize> = self.waiting.values().flatten().copied().collect();
        for at in waiting {
            let Point::Instance(i) = *self.job.prepared.order.point(self.index(at)) else {
                continue;
            };
            let instance = &self.job.prepared.instances[i];
            if bracket::phase(&self.job.inventory, instance) == Some(Phase::Close) {
                continue;
            }
            let address = instance.address.clone();
            if let Some(steps) = self.waiting.get_mut(&address.target) {
                steps.remove(&at);
            }
            self.skip(at, address, "the run was stopped".into());
        }
        self.waiting.retain(|_, steps| !steps.is_empty());
    }

    fn launch(&mut self, at: usize) {
        let Point::Instance(i) = *self.job.prepared.order.point(self.index(at)) else { return };
        self.started += 1;
        let address = self.job.prepared.instances[i].address.clone();
        (self.job.tell)(Event::Started(address, self.started, self.total));
        let order = &self.job.prepared.order;
        let moved = order
            .needed(self.index(at))
            .any(|index| self.ended[self.rank[index.index()]].as_ref().is_some_and(|e| e.changed));
        let (job, planned) = (self.job.clone(), self.planned[&i]);
        self.running.spawn(async move {
            let before = Instant::now();
            let outcome = step(&job, i, planned, moved).await;
            (at, outcome, before.elapsed().as_secs_f64())
        });
    }

    fn finish_step(&mut self, at: usize, outcome: Outcome, seconds: f64) {
        let Point::Instance(i) = *self.job.prepared.order.point(self.index(at)) else { return };
        let address = self.job.prepared.instances[i].address.clone();
        self.busy.remove(&address.target);
        let blocks = match &outcome {
            Outcome::Failed(_) | Outcome::Skipped(_) => Some(format!("{address} failed")),
            _ => None,
        };
        // What drsync declares itself changes nothing that others rest on.
        let is_implied = self.job.prepared.instances[i].shared.kind.info().is_implied();
        let changed = outcome != Outcome::Unchanged && !is_implied;
        self.report(&address, outcome, seconds);
        self.end(at, End { blocks, changed, unseen: false });
    }

    fn report(&mut self, address: &crate::model::Address, outcome: Outcome, seconds: f64) {
        (self.job.tell)(Event::Ended(address.clone(), outcome.clone(), seconds));
        self.ends.push((address.clone(), outcome, seconds));
    }

    fn end(&mut self, at: usize, end: End) {
        self.ended[at] = Some(end);
        let order = &self.job.prepared.order;
        let after: Vec<usize> =
            order.after(self.index(at)).map(|index| self.rank[index.index()]).collect();
        for next in after {
            self.open[next] -= 1;
            if self.open[next] == 0 {
                self.ready.insert(next);
            }
        }
    }
}

fn unknown_reason(delta: &Delta) -> Option<String> {
    delta.attributes.iter().find_map(Attribute::unknown).map(String::from)
}

/// Does one step: look, compare with the plan, write, read back.
async fn step(job: &Job, i: usize, planned: usize, moved: bool) -> Outcome {
    let instance = &job.prepared.instances[i];
    let replies = read::look(&job.world, instance).await;
    let delta = compare(&job.inventory, instance, &replies);
    let planned = job.plan.instances[planned].delta.as_deref();
    if delta.verdict() != Verdict::Unknown {
        settled(job, instance);
    }
    match delta.verdict() {
        Verdict::InSync | Verdict::Finding => return Outcome::Unchanged,
        // What waits for a manager begins before that can be read.
        Verdict::Unknown if waits(instance, &delta, &replies) => {}
        Verdict::Unknown => {
            let reason = unknown_reason(&delta).unwrap_or_default();
            return Outcome::Failed(format!("could not be read before the write: {reason}"));
        }
        Verdict::Refused => {
            return Outcome::Failed(delta.refused.unwrap_or_else(|| {
                delta.problems.first().map(|p| p.summary.clone()).unwrap_or_default()
            }));
        }
        Verdict::Change => {}
    }
    // What is stale then is what counts, not what was foreseen.
    let later = |planned: &Delta| planned.differing().all(|a| matches!(a.after, Want::Later(_)));
    let is_foreseen = instance.shared.kind.info().is_implied() || planned.is_some_and(later);
    if !moved
        && !is_foreseen
        && let Some(what) = planned.and_then(|planned| difference(planned, &delta))
    {
        return Outcome::Failed(format!("moved since the plan: {what}"));
    }
    if let Err(reason) = job.journal.intent(&instance.address.to_string(), effects(&delta)) {
        job.stop.store(true, Ordering::Relaxed);
        return Outcome::Failed(reason);
    }
    let outcome = match mark_unsettled(job, instance) {
        Ok(()) => write(job, i, delta, replies).await,
        Err(reason) => Outcome::Failed(reason),
    };
    let reason = match &outcome {
        Outcome::Failed(reason) => Some(reason.as_str()),
        _ => None,
    };
    if let Err(reason) = job.journal.end(&instance.address.to_string(), outcome.word(), reason) {
        job.stop.store(true, Ordering::Relaxed);
        return Outcome::Failed(reason);
    }
    outcome
}

/// True for a step that drsync declares itself and that only waits for a manager.
fn waits(instance: &Instance, delta: &Delta, replies: &[Reply]) -> bool {
    let shared = &instance.shared;
    let is_wait = |action: &Action| {
        let call = if let Action::Call(_, call) = action { Some(call) } else { None };
        matches!(call, Some(Call::AwaitReady | Call::AwaitIdle(_) | Call::AwaitServers(_)))
    };
    let actions = shared.kind.steps(&shared.args, delta, replies);
    !actions.is_empty() && actions.iter().all(is_wait)
}

/// Notes that all is known of what was written to a manager, once its services were looked at.
fn settled(job: &Job, instance: &Instance) {
    if instance.address.kind == restart::KIND {
        job.state.clear_unsettled(instance.address.target.side());
    }
}

/// Notes on disk that a manager is written to, so that a run that is interrupted is followed by one
/// that waits until the manager has found out what is stale.
fn mark_unsettled(job: &Job, instance: &Instance) -> Result<(), String> {
    if job.inventory.world.pair.policy.restart == Restart::None {
        return Ok(());
    }
    match (&instance.address.target, &instance.shared.unsettles) {
        (Target::Manager { side }, Some(Unsettles::Service(name))) => {
            job.state.mark_unsettled(side, Some(name))
        }
        (Target::Manager { side }, Some(Unsettles::Cluster | Unsettles::Something)) => {
            job.state.mark_unsettled(side, None)
        }
        _ => Ok(()),
    }
}

/// How often one step writes at most.
const ATTEMPTS: usize = 3;

/// Writes and reads back. What is missing after reading is sent again in two cases only: settings
/// that the manager lost (CM API), once; and a write whose answer was lost, as while one manager
/// takes over from another (requirement M12).
async fn write(job: &Job, i: usize, delta: Delta, replies: Vec<Reply>) -> Outcome {
    let instance = &job.prepared.instances[i];
    let shared = &instance.shared;
    let (mut delta, mut replies) = (delta, replies);
    let mut failure = String::new();
    let mut was_lost = true;
    for attempt in 0..ATTEMPTS {
        let actions = shared.kind.steps(&shared.args, &delta, &replies);
        let settings = actions.iter().all(|action| matches!(action, Action::Config(..)));
        let once_more = attempt == 1 && settings && !actions.is_empty();
        if !was_lost && !once_more {
            break;
        }
        let written = send(job, instance, &actions).await;
        replies = written.replies;
        delta = compare(&job.inventory, instance, &replies);
        was_lost = written.outcome.as_ref().is_err_and(|failure| failure.is_lost);
        failure = match (delta.verdict(), written.outcome) {
            (verdict, Ok(())) if verdict.is_settled() => return Outcome::Changed,
            // Reading decides: a write whose answer was lost may well have been done. One that
            // failed for certain did not do all that was to be done, whatever can be read.
            (verdict, Err(failure)) if verdict.is_settled() && failure.is_lost => {
                return Outcome::Changed;
            }
            (Verdict::Unknown, Ok(())) => {
                let reason = unknown_reason(&delta).unwrap_or_default();
                return Outcome::Failed(format!("written, but could not be read back: {reason}"));
            }
            (Verdict::Change, Err(failure)) if failure.is_lost => failure.said,
            (_, Err(failure)) => return Outcome::Failed(failure.said),
            (_, Ok(())) => stuck(&delta),
        };
    }
    Outcome::Failed(failure)
}

async fn send(job: &Job, instance: &Instance, actions: &[Action]) -> Written {
    let questions = &instance.shared.questions;
    let side = match &instance.address.target {
        Target::Host { host, .. } => {
            let written = job.world.hands().host(host, actions, &read::own(instance)).await;
            let replies = read::completed(&job.world, instance, written.replies).await;
            return Written { replies, ..written };
        }
        Target::Manager { side } => side,
    };
    let looks = |action: &Action| match action {
        Action::Call(_, call) => {
            matches!(call, Call::SetRepositories(_) | Call::RefreshRepositories)
        }
        _ => false,
    };
    let looks = actions.iter().any(looks);
    if looks && let Err(reason) = job.state.mark_unrefreshed(side) {
        return Written::failed(questions, &reason);
    }
    let written = job.world.hands().manager(side, actions, questions, &job.message).await;
    if looks && written.outcome.is_ok() {
        job.state.clear_unrefreshed(side);
    }
    written
}

/// Says which attributes did not take the value written.
fn stuck(delta: &Delta) -> String {
    let said = delta.differing().map(|attribute| match (&attribute.before, &attribute.after) {
        (Live::Known(value), _) => format!("{} is still {value}", attribute.name),
        _ => format!("{} is still not set", attribute.name),
    });
    let said: Vec<String> = said.collect();
    format!("does not converge: {}", said.join(", "))
}

/// Names the first attribute in which two comparisons of one instance differ. What is as wished by
/// now is left out: another instance that shares the file has done it.
fn difference(planned: &Delta, now: &Delta) -> Option<String> {
    let shown = |live: &Live| match live {
        Live::Known(value) => format!("`{value}`"),
        Live::Absent => "absent".into(),
        Live::Unknown(_) => "unknown".into(),
    };
    now.differing().find_map(|attribute| {
        let then = planned.attributes.iter().find(|a| a.name == attribute.name)?;
        (then.before != attribute.before).then(|| {
            format!(
                "{} from {} to {}",
                attribute.name,
                shown(&then.before),
                shown(&attribute.before)
            )
        })
    })
}

/// Returns what a step changes, for the journal: with the prior values, so that there is a way back.
fn effects(delta: &Delta) -> serde_json::Value {
    let effects = delta.differing().map(|attribute| {
        let before = match &attribute.before {
            Live::Known(value) => value.to_json(),
            _ => serde_json::Value::Null,
        };
        let after = match &attribute.after {
            Want::Value(value) => value.to_json(),
            _ => serde_json::Value::Null,
        };
        json!({ "attribute": attribute.name, "before": before, "after": after })
    });
    effects.collect()
}
