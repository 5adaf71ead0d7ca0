//! Asks every target all its questions at once, and hands the replies back to the instances.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use tokio::task::JoinSet;

use super::instance::{Instance, Shared};
use crate::model::Target;
use crate::model::plan::{Coverage, Identities, Seen};
use crate::model::question::{Question, Reply};
use crate::reach::{HostReading, ManagerReading, World};

/// The questions of one target, each once.
#[derive(Default)]
pub struct Sheet {
    /// What is asked.
    pub questions: Vec<Question>,
    index: HashMap<u64, Vec<usize>>,
}

/// All questions of a run, and where each instance finds its replies.
pub struct Sheets {
    /// By target, in the order of instances.
    pub targets: IndexMap<Target, Sheet>,
    /// Per instance: the target's place in `targets` and the questions' in its sheet.
    places: Vec<(usize, Box<[u32]>)>,
    /// Where the replies are that a host's instance wants of its side's manager, by instance and
    /// place among its questions: there are few of them.
    of_managers: HashMap<(usize, usize), (usize, u32)>,
}

/// Where a reply will be.
#[derive(Clone, Copy)]
pub struct Spot(usize, u32);

impl Spot {
    /// Returns the reply, if there is one.
    pub fn reply(self, readings: &Readings) -> Option<&Reply> {
        readings.replies.get(self.0)?.get(self.1 as usize)
    }
}

impl Sheets {
    /// Gathers the questions of all instances.
    pub fn new(instances: &[Instance]) -> Sheets {
        let mut targets: IndexMap<Target, Sheet> = IndexMap::new();
        let mut places = Vec::with_capacity(instances.len());
        let mut of_managers = HashMap::new();
        let mut hashes: HashMap<usize, Arc<[u64]>> = HashMap::new();
        for (i, instance) in instances.iter().enumerate() {
            let own = &instance.address.target;
            let at = sheet_of(&mut targets, own);
            let shared = &instance.shared;
            let hashes = hashes
                .entry(Arc::as_ptr(shared) as usize)
                .or_insert_with(|| hashes_of(shared))
                .clone();
            let mut own_places = Vec::with_capacity(hashes.len());
            for (n, (question, hash)) in shared.questions.iter().zip(hashes.iter()).enumerate() {
                if is_of_manager(own, question) {
                    let manager = Target::Manager { side: own.side().clone() };
                    let at = sheet_of(&mut targets, &manager);
                    of_managers.insert((i, n), (at, targets[at].add(question, *hash)));
                    own_places.push(u32::MAX);
                } else {
                    own_places.push(targets[at].add(question, *hash));
                }
            }
            places.push((at, own_places.into_boxed_slice()));
        }
        Sheets { targets, places, of_managers }
    }

    /// Adds a question that belongs to no instance.
    pub fn add(&mut self, target: &Target, question: Question) -> Spot {
        let at = sheet_of(&mut self.targets, target);
        Spot(at, self.targets[at].add(&question, hash_of(&question)))
    }

    /// Returns the replies to one instance's questions.
    pub fn replies(&self, readings: &Readings, instance: usize) -> Vec<Reply> {
        let (own, questions) = &self.places[instance];
        questions
            .iter()
            .enumerate()
            .map(|(n, question)| {
                let elsewhere = match self.of_managers.is_empty() {
                    true => None,
                    false => self.of_managers.get(&(instance, n)),
                };
                let (target, question) = elsewhere.unwrap_or(&(*own, *question)).to_owned();
                let reply = readings.replies[target].get(question as usize).cloned();
                reply.unwrap_or_else(|| Reply::Unknown(Arc::from("no reply")))
            })
            .chain(readings.further.get(&instance).into_iter().flatten().cloned())
            .collect()
    }

    /// Returns the hosts' instances that wanted something of a manager.
    fn informed(&self) -> BTreeSet<usize> {
        self.of_managers.keys().map(|(instance, _)| *instance).collect()
    }
}

fn sheet_of(targets: &mut IndexMap<Target, Sheet>, target: &Target) -> usize {
    match targets.get_index_of(target) {
        Some(at) => at,
        None => targets.insert_full(target.clone(), Sheet::default()).0,
    }
}

/// True for a question of a host's instance that only the manager of its side can answer.
fn is_of_manager(target: &Target, question: &Question) -> bool {
    matches!(target, Target::Host { .. }) && !matches!(question, Question::Probe(..))
}

/// Asks an instance's questions once more.
pub async fn look(world: &World, instance: &Instance) -> Vec<Reply> {
    let questions = &instance.shared.questions;
    match &instance.address.target {
        Target::Host { host, .. } => {
            let replies = world.eyes().host(host, &own(instance)).await.replies;
            completed(world, instance, replies).await
        }
        Target::Manager { side } => world.eyes().manager(side, questions).await.replies,
    }
}

/// Returns the questions of an instance that its own target answers.
pub fn own(instance: &Instance) -> Vec<Question> {
    let questions = instance.shared.questions.iter();
    let is_own = |question: &&Question| !is_of_manager(&instance.address.target, question);
    questions.filter(is_own).cloned().collect()
}

/// Returns the replies of an instance's own target with those of its side's manager among them, and
/// with what is asked further.
pub async fn completed(world: &World, instance: &Instance, replies: Vec<Reply>) -> Vec<Reply> {
    let mut replies = with_managers(world, instance, replies).await;
    if let Some(reading) = further(world, instance, &replies).await {
        replies.extend(reading.replies);
    }
    replies
}

/// Asks a host what an instance asks because of `replies`, if it does.
async fn further(world: &World, instance: &Instance, replies: &[Reply]) -> Option<HostReading> {
    let Target::Host { host, .. } = &instance.address.target else { return None };
    let questions = instance.shared.kind.ask_further(&instance.shared.args, replies);
    match questions.is_empty() {
        true => None,
        false => Some(world.eyes().host(host, &questions).await),
    }
}

async fn with_managers(world: &World, instance: &Instance, replies: Vec<Reply>) -> Vec<Reply> {
    let target = &instance.address.target;
    let questions = &instance.shared.questions;
    let others: Vec<Question> =
        questions.iter().filter(|question| is_of_manager(target, question)).cloned().collect();
    if others.is_empty() {
        return replies;
    }
    let told = world.eyes().manager(target.side(), &others).await.replies;
    let (mut own, mut told) = (replies.into_iter(), told.into_iter());
    let next = |question| match is_of_manager(target, question) {
        true => told.next(),
        false => own.next(),
    };
    let missing = || Reply::Unknown(Arc::from("no reply"));
    questions.iter().map(next).map(|reply| reply.unwrap_or_else(missing)).collect()
}

fn hashes_of(shared: &Shared) -> Arc<[u64]> {
    shared.questions.iter().map(hash_of).collect()
}

fn hash_of(question: &Question) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    match question {
        Question::Probe(script, arguments) => {
            script.name.hash(&mut hasher);
            arguments.iter().for_each(|a| a.reveal().hash(&mut hasher));
        }
        Question::Config(scope) => scope.hash(&mut hasher),
        Question::Entity(entity) => entity.hash(&mut hasher),
    }
    hasher.finish()
}

impl Sheet {
    fn add(&mut self, question: &Question, hash: u64) -> u32 {
        let same = self.index.entry(hash).or_default();
        let known = same.iter().copied().find(|i| self.questions[*i] == *question);
        let at = known.unwrap_or_else(|| {
            same.push(self.questions.len());
            self.questions.push(question.clone());
            self.questions.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }
}

/// What all targets answered.
#[derive(Default)]
pub struct Readings {
    /// Replies by target, in the order of [`Sheets::targets`].
    pub replies: Vec<Vec<Reply>>,
    /// Replies to what instances asked because of these: what follows them.
    pub further: HashMap<usize, Vec<Reply>>,
    /// What could be seen.
    pub coverage: Coverage,
    /// Which machines answered.
    pub identities: Identities,
}

/// Asks all targets together, and hosts once more where what a manager tells makes it necessary.
pub async fn read(world: &Arc<World>, sheets: &Sheets, instances: &[Instance]) -> Readings {
    let mut readings = read_once(world, sheets).await;
    for i in sheets.informed() {
        let replies = sheets.replies(&readings, i);
        let Some(reading) = further(world, &instances[i], &replies).await else { continue };
        if let Target::Host { host, .. } = &instances[i].address.target
            && let Some(seen) = readings.coverage.hosts.get_mut(&**host)
        {
            seen.reads = reading.execs;
        }
        readings.further.insert(i, reading.replies);
    }
    readings
}

async fn read_once(world: &Arc<World>, sheets: &Sheets) -> Readings {
    let mut asking = JoinSet::new();
    for (at, (target, sheet)) in sheets.targets.iter().enumerate() {
        let (world, target, questions) = (world.clone(), target.clone(), sheet.questions.clone());
        asking.spawn(async move {
            let eyes = world.eyes();
            match &target {
                Target::Host { host, .. } => {
                    (at, target.clone(), Answer::Host(eyes.host(host, &questions).await))
                }
                Target::Manager { side } => {
                    (at, target.clone(), Answer::Manager(eyes.manager(side, &questions).await))
                }
            }
        });
    }
    let mut readings =
        Readings { replies: vec![Vec::new(); sheets.targets.len()], ..Readings::default() };
    while let Some(answered) = asking.join_next().await {
        // A task that panicked leaves its target without replies: unknown.
        if let Ok((at, target, answer)) = answered {
            readings.take(at, &target, answer);
        }
    }
    readings
}

enum Answer {
    Host(HostReading),
    Manager(ManagerReading),
}

impl Readings {
    fn take(&mut self, at: usize, target: &Target, answer: Answer) {
        match (target, answer) {
            (Target::Host { host, .. }, Answer::Host(reading)) => {
                let seen = Seen {
                    trouble: trouble(&reading.replies),
                    connect: reading.timings.0.as_secs_f64(),
                    read: reading.timings.1.as_secs_f64(),
                    reads: reading.execs,
                    writes: 0,
                };
                self.coverage.hosts.insert(host.to_string(), seen);
                if let Some(id) = reading.machine_id {
                    self.identities.hosts.insert(host.to_string(), id);
                }
                self.replies[at] = reading.replies;
            }
            (_, Answer::Manager(reading)) => {
                let side = target.side().to_string();
                let seen = Seen {
                    trouble: trouble(&reading.replies),
                    connect: 0.0,
                    read: reading.time.as_secs_f64(),
                    reads: reading.requests.0,
                    writes: reading.requests.1,
                };
                self.coverage.managers.insert(side.clone(), seen);
                if let Some(identity) = reading.identity {
                    self.identities.managers.insert(side, identity);
                }
                self.replies[at] = reading.replies;
            }
            (Target::Manager { .. }, Answer::Host(_)) => {}
        }
    }
}

/// Returns why a target could not be read at all, if that is so.
fn trouble(replies: &[Reply]) -> Option<String> {
    let mut reasons = replies.iter().map(|reply| match reply {
        Reply::Unknown(reason) => Some(reason),
        _ => None,
    });
    let first = reasons.next()??;
    reasons.all(|reason| reason == Some(first)).then(|| first.to_string())
}
