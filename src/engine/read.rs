//! Asks every target all its questions at once, and hands the replies back to the instances.

use std::collections::HashMap;
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
}

impl Sheets {
    /// Gathers the questions of all instances.
    pub fn new(instances: &[Instance]) -> Sheets {
        let mut targets: IndexMap<Target, Sheet> = IndexMap::new();
        let mut places = Vec::with_capacity(instances.len());
        let mut hashes: HashMap<usize, Arc<[u64]>> = HashMap::new();
        for instance in instances {
            let at = match targets.get_index_of(&instance.address.target) {
                Some(at) => at,
                None => targets.insert_full(instance.address.target.clone(), Sheet::default()).0,
            };
            let shared = &instance.shared;
            let hashes = hashes
                .entry(Arc::as_ptr(shared) as usize)
                .or_insert_with(|| hashes_of(shared))
                .clone();
            let questions = shared.questions.iter().zip(hashes.iter());
            let sheet = &mut targets[at];
            places.push((at, questions.map(|(q, hash)| sheet.add(q, *hash)).collect()));
        }
        Sheets { targets, places }
    }

    /// Returns the replies to one instance's questions.
    pub fn replies(&self, readings: &Readings, instance: usize) -> Vec<Reply> {
        let (target, questions) = &self.places[instance];
        let replies = &readings.replies[*target];
        questions
            .iter()
            .map(|q| {
                let reply = replies.get(*q as usize).cloned();
                reply.unwrap_or_else(|| Reply::Unknown(Arc::from("no reply")))
            })
            .collect()
    }
}

fn hashes_of(shared: &Shared) -> Arc<[u64]> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let hash = |question: &Question| {
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
    };
    shared.questions.iter().map(hash).collect()
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
    /// What could be seen.
    pub coverage: Coverage,
    /// Which machines answered.
    pub identities: Identities,
}

/// Asks all targets together.
pub async fn read(world: &Arc<World>, sheets: &Sheets) -> Readings {
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
