//! Cloudera Manager: many questions, few requests; writes one scope at a time.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::catalogue::{Catalogue, Catalogues, read_items};
use super::cm_command::{self, Line};
use super::cm_entity::{self, Place};
use super::cm_gate::{self, Seen};
use super::cm_order;
use super::cm_scope::{Found, Session, find, text, unknown};
use super::cm_staleness::{self, Unsettled};
use super::cm_wants::Wants;
use super::failure::Failure;
use super::http::{Http, Trouble};
use super::{Limits, ManagerReading, Progress, Written};
use crate::model::connection::ManagerConnection;
use crate::model::digest::Ledger;
use crate::model::manager::{
    Call, CommandScope, ConfigScope, Entity, ManagerIdentity, ParcelMove, ScopeConfig, Setting,
};
use crate::model::nearest::did_you_mean;
use crate::model::question::{Action, Argument, Question, Reply};
use crate::model::quote::percent;

/// The newest API version this client knows; an older server's own is used.
const NEWEST_API: u32 = 58;

/// The manager of one side.
pub struct Cm {
    pub(super) http: Http,
    cluster: Option<String>,
    pub(super) declared_servers: usize,
    pub(super) side: Arc<str>,
    catalogues: PathBuf,
    progress: Progress,
    ledger: Mutex<Arc<Ledger>>,
    /// When each server was seen first in this run.
    pub(super) seen: OnceLock<Seen>,
    /// It was told of repositories, and has not looked into them yet.
    pub(super) is_unrefreshed: AtomicBool,
    /// How long commands that run already are waited for before the first write.
    patience: Duration,
    /// Whether they have ended; looked at once.
    quiet: OnceCell<Result<(), String>>,
    /// It was verified just now that no command runs.
    pub(super) is_idle: AtomicBool,
    /// What was read last of settings, by path.
    pub(super) settings: Mutex<HashMap<String, Value>>,
    /// What was stale when that was looked at last.
    pub(super) stale: Mutex<HashSet<String>>,
    /// Writes whose consequences the manager may not have found out yet.
    pub(super) unsettled: Mutex<Option<Unsettled>>,
    session: OnceCell<Session>,
}

impl Cm {
    /// Returns the manager at `way`; nothing is contacted yet.
    pub fn new(way: ManagerConnection, limits: &Limits, ledger: Arc<Ledger>) -> Cm {
        Cm {
            cluster: way.cluster.clone(),
            declared_servers: way.servers,
            side: way.side.clone(),
            settings: Mutex::default(),
            stale: Mutex::default(),
            seen: OnceLock::new(),
            is_idle: AtomicBool::new(false),
            patience: way.patience,
            quiet: OnceCell::new(),
            is_unrefreshed: AtomicBool::new(way.is_unrefreshed),
            unsettled: Mutex::new(way.unsettled.clone().map(cm_staleness::earlier)),
            progress: limits.progress.clone(),
            http: Http::new(way, limits),
            catalogues: limits.catalogues.clone(),
            ledger: Mutex::new(ledger),
            session: OnceCell::new(),
        }
    }

    /// Answers all `questions`.
    pub async fn read(&self, questions: &[Question]) -> ManagerReading {
        let before = Instant::now();
        let session = self.session.get_or_try_init(|| self.open()).await;
        let (replies, identity) = match session {
            Ok(session) => (self.answer(session, questions).await, Some(session.identity.clone())),
            Err(trouble) => (super::all_unknown(questions, &trouble.to_string()), None),
        };
        ManagerReading { replies, identity, time: before.elapsed(), requests: self.http.requests() }
    }

    async fn open(&self) -> Result<Session, Trouble> {
        let version = self.http.get_text("/api/version").await?;
        let number: u32 =
            version.trim().trim_start_matches('v').parse().map_err(|_| {
                Trouble::Unknown(format!("`{}` is not an API version", version.trim()))
            })?;
        let api = format!("/api/v{}", number.min(NEWEST_API));
        let (about, clusters) = tokio::join!(
            self.http.get_json_at(&api, "/cm/version"),
            self.http.get_json_at(&api, "/clusters")
        );
        let (about, clusters) = (about?, items(&clusters?)?);
        let servers = match number {
            // `/cm/instances` came with v41; an older manager has one server only.
            ..41 => Vec::new(),
            _ => match self.http.get_json_at(&api, "/cm/instances").await {
                Ok(answer) => server_ids(&answer),
                Err(Trouble::NotFound(_) | Trouble::Refused(..)) => Vec::new(),
                Err(trouble) => return Err(trouble),
            },
        };
        let version = text(&about, "version").unwrap_or_default().to_string();
        let chosen = self.choose(&clusters);
        let full = chosen.as_ref().ok().and_then(|c| text(c, "fullVersion")).unwrap_or("none");
        let catalogues = Catalogues::new(&self.catalogues, &format!("{version}-{full}"));
        Ok(Session {
            identity: ManagerIdentity {
                cluster_uuid: chosen.as_ref().ok().and_then(|c| text(c, "uuid")).map(String::from),
                servers,
                version,
                api: api.trim_start_matches("/api/").to_string(),
            },
            cluster: chosen.map(|c| text(c, "name").unwrap_or_default().to_string()),
            catalogues,
            api,
        })
    }

    /// Picks the declared cluster, or the only one.
    fn choose<'a>(&self, clusters: &'a [Value]) -> Result<&'a Value, String> {
        let names = || clusters.iter().filter_map(|c| text(c, "name")).collect::<Vec<_>>();
        match (&self.cluster, clusters) {
            (None, [only]) => Ok(only),
            (None, []) => Err("the manager has no cluster".into()),
            (None, _) => Err(format!(
                "the manager has several clusters ({}): name one as `cluster` in pair.yaml",
                names().join(", ")
            )),
            (Some(name), _) => clusters
                .iter()
                .find(|c| text(c, "name") == Some(name) || text(c, "displayName") == Some(name))
                .ok_or_else(|| {
                    let near = did_you_mean(name, names()).map(|h| format!("; {h}"));
                    format!("the manager has no cluster `{name}`{}", near.unwrap_or_default())
                }),
        }
    }

    async fn answer(&self, session: &Session, questions: &[Question]) -> Vec<Reply> {
        let scopes: Vec<&ConfigScope> = questions
            .iter()
            .filter_map(|question| match question {
                Question::Config(scope) => Some(scope),
                Question::Probe(..) | Question::Entity(_) => None,
            })
            .collect();
        let mut wants = Wants::default();
        scopes.iter().for_each(|scope| wants.scope(scope));
        for question in questions {
            if let Question::Entity(entity) = question {
                wants.entity(entity);
            }
        }
        let overview = self.overview(session, &wants).await;
        let found: Vec<Result<Found, Reply>> =
            scopes.iter().map(|scope| find(session, &overview, scope)).collect();
        let catalogues = self.catalogues(session, &found).await;
        let values = futures_join(found.iter().map(|found| self.values(session, found))).await;
        let mut replies =
            scopes.iter().zip(found).zip(values).map(|((scope, found), values)| {
                match (found, values) {
                    (Err(reply), _) => reply,
                    (Ok(found), Some(values)) => {
                        self.reply(session, scope, &found, values, catalogues.get(&found.sort))
                    }
                    (Ok(_), None) => unknown("no values were read"),
                }
            });
        questions
            .iter()
            .map(|question| match question {
                Question::Config(_) => {
                    replies.next().unwrap_or_else(|| unknown("no answer was made"))
                }
                Question::Entity(entity) => cm_entity::reply(session, &overview, entity),
                Question::Probe(..) => unknown("a manager cannot be asked this"),
            })
            .collect()
    }

    /// Loads or reads the catalogue of every sort of scope found, each once.
    async fn catalogues(
        &self,
        session: &Session,
        found: &[Result<Found, Reply>],
    ) -> HashMap<String, Result<Catalogue, String>> {
        let mut first: IndexMap<&str, &str> = IndexMap::new();
        for found in found.iter().flatten() {
            first.entry(&found.sort).or_insert(&found.path);
        }
        let read = futures_join(first.iter().map(|(sort, path)| async {
            (sort.to_string(), self.catalogue(session, sort, path).await)
        }))
        .await;
        read.into_iter().collect()
    }

    async fn catalogue(
        &self,
        session: &Session,
        sort: &str,
        path: &str,
    ) -> Result<Catalogue, String> {
        if let Some(kept) = session.catalogues.load(sort) {
            return Ok(kept);
        }
        let answer = self.http.get_json_at(&session.api, &format!("{path}?view=full")).await;
        let answer = answer.map_err(|trouble| trouble.to_string())?;
        let mut settings = read_items(&answer)?;
        settings.values_mut().for_each(|setting| setting.value = None);
        let catalogue = Arc::new(settings);
        session.catalogues.keep(sort, &catalogue);
        Ok(catalogue)
    }

    /// Reads the explicitly set values of a scope, unless its listing told them.
    async fn values(
        &self,
        session: &Session,
        found: &Result<Found, Reply>,
    ) -> Option<Result<Value, Trouble>> {
        let found = found.as_ref().ok()?;
        if let Some(told) = &found.told {
            return Some(Ok(told.clone()));
        }
        let read = self.http.get_json_at(&session.api, &found.path).await;
        if let (Ok(values), Ok(mut kept)) = (&read, self.settings.lock()) {
            kept.insert(found.path.clone(), values.clone());
        }
        Some(read)
    }

    fn reply(
        &self,
        session: &Session,
        scope: &ConfigScope,
        found: &Found,
        values: Result<Value, Trouble>,
        catalogue: Option<&Result<Catalogue, String>>,
    ) -> Reply {
        let catalogue = match catalogue {
            Some(Ok(catalogue)) => catalogue,
            Some(Err(said)) => return unknown(said),
            None => return unknown("no catalogue was read"),
        };
        let explicit = match values.map_err(|t| t.to_string()).and_then(|v| read_items(&v)) {
            Ok(explicit) => explicit,
            Err(said) => return unknown(&said),
        };
        let mut settings: IndexMap<Arc<str>, Setting> = (**catalogue).clone();
        for (name, setting) in explicit {
            let known = settings.entry(name).or_insert_with(|| setting.clone());
            known.sensitive |= setting.sensitive;
            known.value = setting.value;
        }
        Reply::Config(Arc::new(ScopeConfig {
            settings,
            title: found.title.clone(),
            path: found.path.clone(),
            overrides: found.overrides,
            ledger: self.ledger(),
            ledger_place: ledger_place(&session.identity, scope),
        }))
    }

    /// Sends each action once and reads `questions` back.
    pub async fn write(
        &self,
        actions: &[Action],
        questions: &[Question],
        message: &str,
    ) -> Written {
        let outcome = self.send(actions, message).await;
        let replies = self.read(questions).await.replies;
        // A moment later somebody may have begun something.
        self.is_idle.store(false, Ordering::Relaxed);
        Written { outcome, replies }
    }

    async fn send(&self, actions: &[Action], message: &str) -> Result<(), Failure> {
        let session = self.session.get_or_try_init(|| self.open()).await;
        let session = session.map_err(Failure::from)?;
        if actions.iter().any(writes_at_once) {
            self.await_others(session).await?;
        }
        let mut places: HashMap<&Entity, Place> = HashMap::new();
        for action in actions {
            match action {
                Action::Config(scope, entries) => {
                    self.set(session, scope, entries, message).await?;
                }
                Action::Call(entity, call) => {
                    // No call moves a thing: it is looked up once for all calls to it.
                    let place = match places.entry(entity) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(new) => new.insert(self.place(session, entity).await?),
                    };
                    if let Some(touched) = unsettles(entity, call) {
                        self.unsettle(session, touched).await;
                    }
                    let what = format!("{}: {call}: {}", self.side, place.name);
                    let line = self.line(session, &what);
                    let called = match call {
                        Call::Command(order) => {
                            cm_order::carry_out(line, session, place, order).await
                        }
                        call => cm_command::call(line, place, call).await,
                    };
                    let is_idle = matches!(call, Call::AwaitIdle(_)) && called.is_ok();
                    self.is_idle.store(is_idle, Ordering::Relaxed);
                    if is_idle {
                        // Waited for already: so be it.
                        let _ = self.quiet.set(Ok(()));
                    }
                    if matches!(call, Call::SetRepositories(_) | Call::RefreshRepositories) {
                        self.is_unrefreshed.store(called.is_err(), Ordering::Relaxed);
                    }
                    called.map_err(|failure| failure.during(call))?;
                }
                Action::Host(..) => return Err("a manager cannot run this".into()),
            }
        }
        Ok(())
    }

    /// Waits, before the first write of a run, for what others have begun: it may work on what is
    /// about to be written.
    async fn await_others(&self, session: &Session) -> Result<(), Failure> {
        let what = format!("{}: commands of others", self.side);
        let line = self.line(session, &what);
        let quiet = self.quiet.get_or_init(|| async {
            let ended = cm_gate::await_idle(line, self.patience, false).await;
            ended.map_err(|failure| format!("nothing was begun: {failure}"))
        });
        quiet.await.clone().map_err(Failure::from)
    }

    pub(super) fn line<'a>(&'a self, session: &'a Session, what: &'a str) -> Line<'a> {
        static NOBODY: Seen = Seen::new();
        let seen = self.seen.get().unwrap_or(&NOBODY);
        Line { http: &self.http, api: &session.api, progress: &self.progress, what, seen }
    }

    /// Notes a write after which the manager has to find out what is stale: `service`, if it is
    /// known. It is still to come.
    async fn unsettle(&self, session: &Session, service: Option<&Arc<str>>) {
        let old_checks = cm_staleness::checks(self.line(session, &self.side)).await.ok();
        let stale = self.stale.lock().map(|stale| stale.clone()).unwrap_or_default();
        if let Ok(mut unsettled) = self.unsettled.lock() {
            let writes = unsettled.take();
            *unsettled = Some(cm_staleness::one_more(writes, service, &stale, old_checks));
        }
    }

    /// Finds where a thing is.
    async fn place(&self, session: &Session, entity: &Entity) -> Result<Place, String> {
        let mut wants = Wants::default();
        // The manager itself is where it is, even while it is away.
        if *entity != Entity::Manager {
            wants.entity(entity);
        }
        let overview = self.overview(session, &wants).await;
        cm_entity::path(session, &overview, entity).map_err(reason)
    }

    /// Sets and resets settings of one scope in one PUT.
    async fn set(
        &self,
        session: &Session,
        scope: &ConfigScope,
        entries: &[(Arc<str>, Option<Argument>)],
        message: &str,
    ) -> Result<(), Failure> {
        let mut wants = Wants::default();
        wants.scope(scope);
        let overview = self.overview(session, &wants).await;
        let found = find(session, &overview, scope).map_err(reason)?;
        let items: Vec<Value> = entries
            .iter()
            .map(|(name, value)| match value {
                Some(value) => json!({ "name": &**name, "value": value.reveal() }),
                // Without a value the setting goes back to its default (CM API).
                None => json!({ "name": &**name }),
            })
            .collect();
        let path = format!("{}{}?message={}", session.api, found.path, percent(message));
        match scope {
            ConfigScope::Manager => {}
            scope => self.unsettle(session, scope.service()).await,
        }
        self.http.put(&path, &json!({ "items": items })).await?;
        self.remember(&ledger_place(&session.identity, scope), entries);
        Ok(())
    }

    /// Returns the ledger with everything this run applied.
    pub fn ledger(&self) -> Arc<Ledger> {
        self.ledger.lock().map(|ledger| ledger.clone()).unwrap_or_default()
    }

    fn remember(&self, place: &str, entries: &[(Arc<str>, Option<Argument>)]) {
        let Ok(mut ledger) = self.ledger.lock() else { return };
        for (name, value) in entries {
            if let Some(Argument::Secret(secret)) = value {
                Arc::make_mut(&mut ledger).remember(&format!("{place}/{name}"), secret.reveal());
            }
        }
    }
}

impl Http {
    pub(super) async fn get_json_at(&self, api: &str, path: &str) -> Result<Value, Trouble> {
        self.get_json(&format!("{api}{path}")).await
    }
}

/// True for what changes something at once. The other calls wait for the manager, or are commands:
/// these wait for one of the same sort that runs already, which may be that of a run that was
/// interrupted, and go on from there.
fn writes_at_once(action: &Action) -> bool {
    let Action::Call(_, call) = action else { return true };
    !matches!(
        call,
        Call::AwaitReady
            | Call::AwaitIdle(_)
            | Call::AwaitServers(_)
            | Call::Commission(_)
            | Call::Parcel(_)
            | Call::DeployClientConfig
            | Call::Refresh
            | Call::Restart(_)
            | Call::Run(_)
            | Call::RunRoles(..)
            | Call::Command(_)
    )
}

/// Returns what may be stale after a call: nothing, a service, or (the inner `None`) nobody knows.
fn unsettles<'a>(entity: &'a Entity, call: &Call) -> Option<Option<&'a Arc<str>>> {
    match (entity, call) {
        (Entity::RoleGroup(service, _), Call::MoveRoles(_) | Call::MoveToBase(_)) => {
            Some(Some(service))
        }
        (
            Entity::Roles(service) | Entity::Service(service),
            Call::AddRoles(..) | Call::RemoveRoles(_) | Call::AddService(..) | Call::RemoveService,
        ) => Some(Some(service)),
        (Entity::Command(CommandScope::Service(service), _), _) => Some(Some(service)),
        (_, Call::Parcel(ParcelMove::Activate) | Call::Command(_)) => Some(None),
        _ => None,
    }
}

/// Says why something was not found.
fn reason(reply: Reply) -> String {
    match reply {
        Reply::Unknown(said) | Reply::Missing(said, _) => said.to_string(),
        _ => "it was not found".to_string(),
    }
}

/// Names a scope of this very cluster in the ledger of applied secrets.
pub fn ledger_place(identity: &ManagerIdentity, scope: &ConfigScope) -> String {
    let id = identity.cluster_uuid.as_deref().unwrap_or("manager");
    format!("{id}/{scope}")
}

/// Runs all futures together; the limit of requests at once is the connection's.
pub(super) async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<std::pin::Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut is_ready = true;
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(output) => *done = Some(output),
                    std::task::Poll::Pending => is_ready = false,
                }
            }
        }
        match is_ready {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

pub(super) fn items(answer: &Value) -> Result<Vec<Value>, Trouble> {
    let items = answer.get("items").and_then(Value::as_array).cloned();
    items.ok_or_else(|| Trouble::Unknown("the answer has no list `items`".into()))
}

fn server_ids(answer: &Value) -> Vec<String> {
    let servers = answer.get("items").and_then(Value::as_array);
    let mut ids: Vec<String> = servers
        .into_iter()
        .flatten()
        .filter_map(|server| text(server, "cmServerId").map(String::from))
        .collect();
    ids.sort();
    ids
}
