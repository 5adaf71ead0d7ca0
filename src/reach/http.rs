//! HTTP to one manager: the only file that names the HTTP library.
//!
//! A read is tried again while the manager starts or fails over; a write is sent once. The first
//! refused login is final: repeating a wrong password locks accounts.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, SET_COOKIE};
use reqwest::{Certificate, Client, Method, RequestBuilder, StatusCode};
use tokio::sync::{Mutex, Semaphore};

use super::Limits;
use super::failure::Failure;
use super::retry::Pauses;
use super::talk::chain;
use crate::model::connection::ManagerConnection;

/// Requests at once to one manager.
const IN_FLIGHT: usize = 4;
/// An answer larger than this is refused.
const LARGEST: usize = 256 * 1024 * 1024;

/// What is said of a manager that answers 404 for everything.
const NOT_READY: &str = "it answers 404 for everything: not ready";

/// What a read came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The manager says that there is no such thing (404 with its own error body).
    NotFound(String),
    /// The login is refused.
    Login(String),
    /// The manager refuses the request: status and its own words.
    Refused(u16, String),
    /// No usable answer; nothing can be said about what was asked for.
    Unknown(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::NotFound(said) | Trouble::Login(said) | Trouble::Unknown(said) => {
                f.write_str(said)
            }
            // What was never sent has no status.
            Trouble::Refused(0, said) => f.write_str(said),
            Trouble::Refused(status, said) => write!(f, "{said} (HTTP {status})"),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        let is_lost = matches!(trouble, Trouble::Unknown(_));
        Failure { said: trouble.to_string(), is_lost }
    }
}

/// Talks to one manager.
pub struct Http {
    client: Result<Client, String>,
    way: ManagerConnection,
    reads_for: Duration,
    places: Semaphore,
    /// Set once a session cookie has been given out.
    has_session: AtomicBool,
    /// Only one request logs in; the others wait for its cookie.
    login: Mutex<()>,
    refused: AtomicBool,
    reads: AtomicUsize,
    writes: AtomicUsize,
    gaps: AtomicUsize,
}

impl Http {
    /// Prepares to talk to the manager at `way`.
    pub fn new(way: ManagerConnection, limits: &Limits) -> Http {
        Http {
            client: client(&way, limits),
            way,
            reads_for: limits.reads,
            places: Semaphore::new(IN_FLIGHT),
            has_session: AtomicBool::new(false),
            login: Mutex::new(()),
            refused: AtomicBool::new(false),
            reads: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            gaps: AtomicUsize::new(0),
        }
    }

    /// Returns how many reads and writes were sent.
    pub fn requests(&self) -> (usize, usize) {
        (self.reads.load(Ordering::Relaxed), self.writes.load(Ordering::Relaxed))
    }

    /// Returns how often no usable answer came: the manager was away, or failed over.
    pub fn gaps(&self) -> usize {
        self.gaps.load(Ordering::Relaxed)
    }

    /// Reads `path` as text.
    pub async fn get_text(&self, path: &str) -> Result<String, Trouble> {
        self.get(path, |text| match text.trim_start().starts_with('<') {
            true => Err("it answered with a web page".into()),
            false => Ok(text.to_string()),
        })
        .await
    }

    /// Reads `path` as JSON.
    pub async fn get_json(&self, path: &str) -> Result<serde_json::Value, Trouble> {
        self.get(path, |text| {
            serde_json::from_str(text).map_err(|error| match text.trim_start().starts_with('<') {
                true => "it answered with a web page instead of JSON".to_string(),
                false => format!("its answer is not JSON: {error}"),
            })
        })
        .await
    }

    async fn get<T>(
        &self,
        path: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Trouble> {
        let mut pauses = Pauses::new(self.reads_for);
        let mut was_missing = false;
        loop {
            let is_second = std::mem::take(&mut was_missing);
            let said = match self.once(Method::GET, path, None).await {
                Ok((status, text)) if status.is_success() => match read(&text) {
                    Ok(value) => return Ok(value),
                    Err(said) => said,
                },
                Ok((status, text)) => match self.refusal(status, &text) {
                    Ok(trouble @ Trouble::NotFound(_)) => {
                        let is_there = self.is_there().await;
                        if is_there && is_second {
                            return Err(trouble);
                        }
                        was_missing = is_there;
                        NOT_READY.to_string()
                    }
                    Ok(trouble) => return Err(trouble),
                    Err(said) => said,
                },
                Err(Trouble::Unknown(said)) => said,
                Err(trouble) => return Err(trouble),
            };
            if was_missing {
                continue;
            }
            self.gaps.fetch_add(1, Ordering::Relaxed);
            match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(Trouble::Unknown(format!("{}: {said}", self.way.url))),
            }
        }
    }

    /// True when the manager answers what every manager has. While one server takes over from the
    /// other all paths are missing for up to 25 s, and that means "not ready", never "absent"
    /// (requirement M25).
    async fn is_there(&self) -> bool {
        let answer = self.once(Method::GET, "/api/version", None).await;
        answer.is_ok_and(|(status, _)| status.is_success())
    }

    /// Sends `body` to `path` once. `Unknown` means that it may or may not have been done.
    pub async fn put(&self, path: &str, body: &serde_json::Value) -> Result<(), Trouble> {
        self.write(Method::PUT, path, Some(body)).await.map(drop)
    }

    /// Deletes `path`, or what `body` names of it, once.
    pub async fn delete(
        &self,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<(), Trouble> {
        self.write(Method::DELETE, path, body).await.map(drop)
    }

    /// Posts to `path` once; returns the answer, which may be empty (CM API).
    pub async fn post(
        &self,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<String, Trouble> {
        self.write(Method::POST, path, body).await
    }

    async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<String, Trouble> {
        let (status, text) = self.once(method, path, body).await?;
        // A page is no answer of the manager: something between took the request, or did not.
        if status.is_success() && text.trim_start().starts_with('<') {
            let said = format!("{}: it answered with a web page instead of JSON", self.way.url);
            return Err(Trouble::Unknown(said));
        }
        if status.is_success() {
            return Ok(text);
        }
        Err(match self.refusal(status, &text) {
            Ok(Trouble::NotFound(_)) if !self.is_there().await => {
                Trouble::Unknown(format!("{}: {NOT_READY}", self.way.url))
            }
            Ok(trouble) => trouble,
            Err(said) => Trouble::Unknown(format!("{}: {said}", self.way.url)),
        })
    }

    /// Tells a refusal that will not change (`Ok`) from a manager that is not ready (`Err`).
    fn refusal(&self, status: StatusCode, text: &str) -> Result<Trouble, String> {
        let said = message(text);
        match (status.as_u16(), said) {
            (401, _) => {
                self.refused.store(true, Ordering::Relaxed);
                Ok(Trouble::Login(self.login_refused()))
            }
            (502..=504, _) => Err(format!("it is not ready (HTTP {status})")),
            // While a passive server takes over, a console without its own error body answers
            // 404 for everything: that is "not ready", never "absent".
            (404, None) => Err(NOT_READY.into()),
            (404, Some(said)) => Ok(Trouble::NotFound(said)),
            (status @ (500 | 429), None) => Err(format!("it failed (HTTP {status})")),
            (status, said) => Ok(Trouble::Refused(
                status,
                said.unwrap_or_else(|| "refused without a word".into()),
            )),
        }
    }

    fn login_refused(&self) -> String {
        format!("{} refuses the login of `{}`", self.way.url, self.way.user)
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<(StatusCode, String), Trouble> {
        if self.refused.load(Ordering::Relaxed) {
            return Err(Trouble::Login(self.login_refused()));
        }
        let _place = self.places.acquire().await;
        let first = match self.has_session.load(Ordering::Relaxed) {
            true => None,
            false => Some(self.login.lock().await),
        };
        let with_password = !self.has_session.load(Ordering::Relaxed);
        let (status, text) = self.send(&method, path, body, with_password).await?;
        if status == StatusCode::UNAUTHORIZED && !with_password {
            // The session ran out: log in again, once.
            self.has_session.store(false, Ordering::Relaxed);
            // Whoever waited for a login that another one made holds the lock already.
            let _login = match first {
                Some(held) => held,
                None => self.login.lock().await,
            };
            return self.send(&method, path, body, true).await;
        }
        if status == StatusCode::UNAUTHORIZED {
            self.refused.store(true, Ordering::Relaxed);
        }
        drop(first);
        Ok((status, text))
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&serde_json::Value>,
        with_password: bool,
    ) -> Result<(StatusCode, String), Trouble> {
        let client = self.client.as_ref().map_err(|said| Trouble::Unknown(said.clone()))?;
        let count = if *method == Method::GET { &self.reads } else { &self.writes };
        count.fetch_add(1, Ordering::Relaxed);
        let mut request: RequestBuilder = client
            .request(method.clone(), format!("{}{path}", self.way.url))
            .header(ACCEPT, "application/json");
        if with_password {
            request = request.basic_auth(&self.way.user, Some(self.way.password.reveal()));
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let unknown = |error: reqwest::Error| {
            Trouble::Unknown(format!("{}: {}", self.way.url, explain(error)))
        };
        let answer = request.send().await.map_err(unknown)?;
        if answer.headers().contains_key(SET_COOKIE) && answer.status().is_success() {
            self.has_session.store(true, Ordering::Relaxed);
        }
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(unknown)?;
        if bytes.len() > LARGEST {
            return Err(Trouble::Unknown(format!("{}: the answer is too large", self.way.url)));
        }
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// Returns the manager's own words in an error body (CM API: `{"message": …}`).
fn message(text: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(text).ok()?;
    let message = body.get("message")?.as_str()?.trim();
    Some(if message.is_empty() { "no reason given".into() } else { message.to_string() })
}

fn client(way: &ManagerConnection, limits: &Limits) -> Result<Client, String> {
    let mut builder = Client::builder()
        .cookie_store(true)
        .connect_timeout(limits.connect)
        .timeout(Duration::from_secs(120))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("drsync/", env!("CARGO_PKG_VERSION")));
    if let Some(file) = &way.ca {
        let shown = file.display();
        let pem = std::fs::read(file).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
        let roots = Certificate::from_pem_bundle(&pem)
            .map_err(|error| format!("`{shown}` holds no PEM certificates: {error}"))?;
        builder = builder.tls_certs_only(roots);
    }
    builder.build().map_err(|error| format!("cannot prepare HTTPS: {}", explain(error)))
}

/// Joins an error and its causes; the address is left out, since the caller names it.
fn explain(error: reqwest::Error) -> String {
    chain(&error.without_url())
}
