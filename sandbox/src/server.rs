//! From an HTTP request to an answer: login, faults, routing, record keeping.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Response, header};
use serde_json::{Value, json};

use crate::answer::{Answer, Refusal, Reply};
use crate::catalogue::Catalogue;
use crate::clock;
use crate::command;
use crate::control;
use crate::counters::LiveCounters;
use crate::digest::sha256_hex;
use crate::document::{flag, number};
use crate::fault::Faults;
use crate::login::{Account, Login};
use crate::request::Request;
use crate::routes;
use crate::servers::Servers;
use crate::staleness;
use crate::store::Storage;
use crate::wire::{Connection, Fate};
use crate::world::World;

/// Longest request body taken.
const BODY_LIMIT: usize = 64 << 20;

/// What all requests to one manager share.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) store: Arc<dyn Storage>,
    pub(crate) catalogue: Catalogue,
    pub(crate) account: Account,
    pub(crate) counters: Arc<LiveCounters>,
}

/// An answer and what is to be done with it.
struct Outcome {
    answer: Answer,
    fate: Fate,
    delay: u64,
}

/// Handles every request of a manager.
pub(crate) async fn handle(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: axum::extract::Request,
) -> Response<Body> {
    let counters = Arc::clone(&server.counters);
    let _in_flight = counters.enter();
    let (head, body) = request.into_parts();
    let login = judge(&server.account, &head.headers);
    let body = to_bytes(body, BODY_LIMIT).await.map(|bytes| bytes.to_vec()).unwrap_or_default();
    let request = Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        body,
    };
    let worker = Arc::clone(&server);
    let answered = tokio::task::spawn_blocking(move || worker.answer(&request, login)).await;
    let outcome = answered.unwrap_or_else(|_| {
        whole(Answer::from(Reply::Err(failure("The simulator failed on this request."))))
    });
    if outcome.delay > 0 {
        tokio::time::sleep(Duration::from_millis(outcome.delay)).await;
    }
    if outcome.fate != Fate::Whole {
        connection.doom(outcome.fate);
    }
    respond(outcome.answer, (login == Login::Basic).then(|| server.account.cookie()))
}

fn judge(account: &Account, headers: &HeaderMap) -> Login {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    account.judge(header(header::AUTHORIZATION), header(header::COOKIE))
}

fn respond(answer: Answer, cookie: Option<String>) -> Response<Body> {
    let mut builder = Response::builder()
        .status(answer.status)
        .header(header::CONTENT_TYPE, answer.content_type)
        .header(header::EXPIRES, "Thu, 01 Jan 1970 00:00:00 GMT");
    if answer.status == 401 {
        builder = builder.header(header::WWW_AUTHENTICATE, "Basic realm=\"Cloudera Manager\"");
    } else if let Some(cookie) = cookie {
        builder = builder.header(header::SET_COOKIE, cookie);
    }
    builder.body(Body::from(answer.body)).unwrap_or_default()
}

fn whole(answer: Answer) -> Outcome {
    Outcome { answer, fate: Fate::Whole, delay: 0 }
}

fn failure(message: &str) -> Refusal {
    Refusal { status: 500, message: message.to_owned() }
}

impl Server {
    /// Answers a request and records it.
    fn answer(&self, request: &Request, login: Login) -> Outcome {
        self.count(request, login);
        let outcome = self
            .store
            .with(|state| self.work(state, request, login))
            .unwrap_or_else(|error| whole(Answer::from(Reply::Err(failure(&error.to_string())))));
        let status = if outcome.fate == Fate::Dropped { 0 } else { outcome.answer.status };
        let recorded = self.store.record(&json!({
            "time": clock::iso(clock::now()),
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "status": status,
            // Tells one request from another, and nothing of the secrets in it.
            "body": sha256_hex(&request.body).get(..16),
        }));
        match recorded {
            Ok(()) => outcome,
            Err(error) => whole(Answer::from(Reply::Err(failure(&error.to_string())))),
        }
    }

    fn count(&self, request: &Request, login: Login) {
        let counters = &self.counters;
        if request.path.starts_with("/api") {
            let counter = if request.is_read() { &counters.reads } else { &counters.writes };
            LiveCounters::add(counter);
        }
        match login {
            Login::Basic => LiveCounters::add(&counters.logins),
            Login::Refused => LiveCounters::add(&counters.failed_logins),
            Login::Session | Login::Nobody => {}
        }
    }

    /// Answers a request on the present state; the flag says whether the state changed.
    fn work(&self, state: &mut Value, request: &Request, login: Login) -> (Outcome, bool) {
        let known = matches!(login, Login::Basic | Login::Session);
        if request.path.starts_with("/sandbox") {
            if !known {
                return (whole(Answer::page(401, "Error 401 Bad credentials")), false);
            }
            let (reply, changed) = control::route(state, request, self.counters.snapshot());
            return (whole(reply.into()), changed);
        }
        let servers = match self.store.servers() {
            Ok(servers) => servers,
            Err(error) => {
                return (whole(Answer::from(Reply::Err(failure(&error.to_string())))), false);
            }
        };
        if !servers.is_up() {
            // What a balancer says when no server answers it.
            return (whole(Answer::page(503, "503 Service Unavailable")), false);
        }
        let (faults, counted) = Faults::collect(state, request);
        let (answer, changed) = match replacement(&faults) {
            Some((answer, false)) => (answer, false),
            Some((answer, true)) => {
                let (_, changed) = self.serve(state, request, known, (faults.clone(), servers));
                (answer, changed)
            }
            None => self.serve(state, request, known, (faults.clone(), servers)),
        };
        (doomed(answer, &faults), counted || changed)
    }

    /// Answers a request as a manager without network troubles would.
    fn serve(
        &self,
        state: &mut Value,
        request: &Request,
        known: bool,
        (faults, servers): (Faults, Servers),
    ) -> (Answer, bool) {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        if !matches!(path.as_slice(), ["api", ..]) {
            return (front_page(&path), false);
        }
        if !known {
            return (Answer::page(401, "Error 401 Bad credentials"), false);
        }
        let newest = number(state, "apiVersion");
        let mut world = World {
            state,
            catalogue: &self.catalogue,
            url: &self.url,
            user: &self.account.user,
            store: &*self.store,
            now: clock::now(),
            faults,
            servers,
            changed: false,
        };
        command::settle(&mut world);
        staleness::note_servers(&mut world);
        let answer = match path.as_slice() {
            ["api", "version"] => Answer::text(format!("v{newest}")),
            ["api", version, rest @ ..] if is_served(version, newest) => {
                api(&mut world, rest, request)
            }
            _ => Answer::from(Reply::Err(Refusal::no_path())),
        };
        (answer, world.changed)
    }
}

fn api(world: &mut World, path: &[&str], request: &Request) -> Answer {
    if world.faults.get("read_only_user").is_some() && !request.is_read() {
        let message = format!("User {} is not allowed to do this.", world.user);
        return Answer::from(Reply::Err(Refusal { status: 403, message }));
    }
    let created = world.faults.get("documented_status").is_some() && !request.is_read();
    match routes::route(world, path, request) {
        // The published description promises these, though servers in use answer 200.
        Ok(_) if created && request.method != "POST" => {
            Answer { status: 204, content_type: "application/json", body: Vec::new() }
        }
        Ok(document) if created => Answer::json(201, &document),
        reply => Answer::from(reply),
    }
}

fn is_served(version: &str, newest: i64) -> bool {
    let number = version.strip_prefix('v').and_then(|digits| digits.parse::<i64>().ok());
    number.is_some_and(|number| (1..=newest).contains(&number))
}

fn front_page(path: &[&str]) -> Answer {
    match path {
        [] | ["cmf", "login" | "home"] => Answer::page(200, "Cloudera Manager"),
        _ => Answer::page(404, "Error 404 Not Found"),
    }
}

/// The answer a fault gives instead of the right one, and whether the request still takes effect.
fn replacement(faults: &Faults) -> Option<(Answer, bool)> {
    if let Some(fault) = faults.get("drop") {
        return Some((Answer::page(200, "dropped"), flag(fault, "applied")));
    }
    if let Some(fault) = faults.get("html") {
        return Some((Answer::page(200, "Cloudera Manager"), flag(fault, "applied")));
    }
    let fault = faults.get("status")?;
    let code = fault.get("code").and_then(Value::as_u64).unwrap_or(503);
    let status = u16::try_from(code).ok().filter(|code| (200..600).contains(code)).unwrap_or(503);
    let answer = match status {
        502 => Answer::page(status, "502 Bad Gateway"),
        503 => Answer::page(status, "503 Service Unavailable"),
        504 => Answer::page(status, "504 Gateway Time-out"),
        _ => Answer::from(Reply::Err(Refusal { status, message: format!("HTTP {status}") })),
    };
    Some((answer, flag(fault, "applied")))
}

/// What the transport faults do to a finished answer.
fn doomed(answer: Answer, faults: &Faults) -> Outcome {
    let fate = match (faults.get("drop"), faults.get("cut")) {
        (Some(_), _) => Fate::Dropped,
        (None, Some(fault)) => Fate::Cut(usize::try_from(number(fault, "bytes")).unwrap_or(0)),
        (None, None) => Fate::Whole,
    };
    let delay = faults.milliseconds("latency").unwrap_or(0);
    Outcome { answer, fate, delay: u64::try_from(delay).unwrap_or(0) }
}
