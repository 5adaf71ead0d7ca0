//! What the servers of a manager share, in PostgreSQL.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use drsync_sandbox::{Running, SandboxError, Servers, Storage, Table};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls, Transaction};
use serde_json::Value;

use crate::log::Log;

/// The advisory lock all servers of a database hold: shared with `haMode=true`, else alone.
const ACTIVE: i64 = 7180;
/// The advisory lock of who makes the tables.
const MAKING: i64 = 7179;
/// How long a server waits for the lock of one that has just ended.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a server tells that it is alive, and looks for rows to write.
const PULSE: Duration = Duration::from_millis(100);
/// A server that was not seen for so long does not run.
const GONE: &str = "2 seconds";
/// How long the metadata of a parcel are worked on before its row is there for others.
const METADATA: Duration = Duration::from_millis(300);
/// How long one server waits until the other has written its rows, too.
const OTHERS: Duration = Duration::from_secs(3);

/// What is made in an empty database. `jobs` are rows that every server writes.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS state (
        one boolean PRIMARY KEY DEFAULT true CHECK (one), generation bigint, document text);
    CREATE TABLE IF NOT EXISTS cm_servers (
        name text PRIMARY KEY, ha_mode boolean, seen timestamptz);
    CREATE TABLE IF NOT EXISTS requests (id bigserial, server text, line jsonb);
    CREATE TABLE IF NOT EXISTS releases (
        product text, version text, UNIQUE (product, version));
    CREATE TABLE IF NOT EXISTS services (cluster text, name text, UNIQUE (cluster, name));
    CREATE TABLE IF NOT EXISTS jobs (
        id bigserial PRIMARY KEY, rows_of text, new_rows jsonb, at timestamptz DEFAULT now());
    CREATE TABLE IF NOT EXISTS job_ends (
        job bigint, server text, refused text, PRIMARY KEY (job, server));
";

/// A server among those that share the database.
pub struct Member {
    /// Its name.
    pub name: String,
    /// It was started with `haMode=true`.
    pub ha_mode: bool,
}

/// The shared database, as one server uses it.
pub struct Database {
    member: Member,
    settings: Config,
    log: Arc<Log>,
    /// Held until the server ends: its lock tells that the server is there.
    _lock: Mutex<Client>,
    client: Mutex<Client>,
    /// Looks at the servers while the other one holds the state.
    watch: Mutex<Client>,
    loaded: Mutex<Option<(i64, Value)>>,
}

fn failed(error: postgres::Error) -> SandboxError {
    SandboxError::Storage { reason: said(&error) }
}

/// What the database said, with the detail that names the row.
fn said(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(told) => {
            let detail = told.detail().map(|text| format!("\n  Detail: {text}"));
            format!("ERROR: {}{}", told.message(), detail.unwrap_or_default())
        }
        None => error.to_string(),
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Database {
    /// Opens the database; fails when another server uses it and one of both wants it alone.
    pub fn open(
        settings: Config,
        member: Member,
        log: Arc<Log>,
    ) -> Result<Database, Box<dyn std::error::Error>> {
        let mut lock = settings.connect(NoTls)?;
        // Two servers that start at once would both make the tables.
        lock.batch_execute(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock({MAKING}); {TABLES} COMMIT"
        ))?;
        take(&mut lock, member.ha_mode)?;
        let client = Mutex::new(settings.connect(NoTls)?);
        let watch = Mutex::new(settings.connect(NoTls)?);
        let (lock, loaded) = (Mutex::new(lock), Mutex::new(None));
        Ok(Database { member, settings, log, _lock: lock, client, watch, loaded })
    }

    /// Tells that the server is alive, and writes rows another server has begun to write, as long
    /// as the program runs.
    pub fn keep_up(own: &Arc<Database>) {
        let own = Arc::clone(own);
        thread::spawn(move || {
            let mut client = None;
            loop {
                let result = match client.as_mut() {
                    Some(client) => own.pulse(client),
                    None => own.settings.connect(NoTls).map(|new| client = Some(new)),
                };
                if let Err(error) = result {
                    own.log.error("DbHeartbeat", &said(&error));
                    client = None;
                }
                thread::sleep(PULSE);
            }
        });
    }

    fn pulse(&self, client: &mut Client) -> Result<(), postgres::Error> {
        client.execute(
            "INSERT INTO cm_servers VALUES ($1, $2, clock_timestamp()) ON CONFLICT (name)
             DO UPDATE SET ha_mode = excluded.ha_mode, seen = excluded.seen",
            &[&self.member.name, &self.member.ha_mode],
        )?;
        if !self.member.ha_mode {
            return Ok(());
        }
        let jobs = client.query(
            "SELECT id, rows_of, new_rows::text FROM jobs WHERE at > now() - interval '10 seconds'
             AND id NOT IN (SELECT job FROM job_ends WHERE server = $1) ORDER BY id",
            &[&self.member.name],
        )?;
        for job in jobs {
            let rows: Vec<(String, String)> = serde_json::from_str(job.get(2)).unwrap_or_default();
            self.work_on(client, (job.get(0), job.get(1)), &rows)?;
        }
        Ok(())
    }

    /// Writes the new ones of `rows` and notes how that ended.
    fn work_on(
        &self,
        client: &mut Client,
        (job, table): (i64, &str),
        rows: &[(String, String)],
    ) -> Result<(), postgres::Error> {
        let mut refused = None;
        if let Err(error) = write(client.transaction()?, table, rows) {
            if error.code() != Some(&SqlState::UNIQUE_VIOLATION) {
                return Err(error);
            }
            self.log.refused(&said(&error));
            refused = Some(said(&error));
        }
        let end = "INSERT INTO job_ends VALUES ($1, $2, $3)";
        client.execute(end, &[&job, &self.member.name, &refused]).map(drop)
    }

    /// Has all servers write `rows`; returns what the database refused to one of them.
    fn share(
        &self,
        table: Table,
        rows: &[(String, String)],
    ) -> Result<Option<String>, postgres::Error> {
        let mut client = self.settings.connect(NoTls)?;
        let list = serde_json::json!(rows).to_string();
        let add = "INSERT INTO jobs (rows_of, new_rows) VALUES ($1, $2::text::jsonb) RETURNING id";
        let job: i64 = client.query_one(add, &[&table.name(), &list])?.get(0);
        if !self.member.ha_mode {
            self.work_on(&mut client, (job, table.name()), rows)?;
        }
        let begun = Instant::now();
        loop {
            let left: i64 = client
                .query_one(
                    &format!(
                        "SELECT count(*) FROM cm_servers WHERE seen > now() - interval '{GONE}'
                         AND name NOT IN (SELECT server FROM job_ends WHERE job = $1)"
                    ),
                    &[&job],
                )?
                .get(0);
            if left == 0 || begun.elapsed() > OTHERS {
                break;
            }
            thread::sleep(PULSE);
        }
        let refused = client.query_opt(
            "SELECT refused FROM job_ends WHERE job = $1 AND refused IS NOT NULL LIMIT 1",
            &[&job],
        )?;
        Ok(refused.map(|row| row.get(0)))
    }
}

/// Takes the lock of the database, as a real server looks whether another one is active.
fn take(client: &mut Client, is_shared: bool) -> Result<(), Box<dyn std::error::Error>> {
    let shared = if is_shared { "_shared" } else { "" };
    let begun = Instant::now();
    while !client
        .query_one(&format!("SELECT pg_try_advisory_lock{shared}($1)"), &[&ACTIVE])?
        .get::<_, bool>(0)
    {
        if begun.elapsed() > PATIENCE {
            let said = "The configured database is being used by another instance of Cloudera \
                        Manager.";
            return Err(said.into());
        }
        thread::sleep(PULSE);
    }
    Ok(())
}

/// Looks which rows are new, works on their metadata, and writes them: what another server writes
/// in between is not seen.
fn write(
    mut client: Transaction<'_>,
    table: &str,
    rows: &[(String, String)],
) -> Result<(), postgres::Error> {
    let known = client.query(&format!("SELECT * FROM {table}"), &[])?;
    let known: Vec<(String, String)> = known.iter().map(|row| (row.get(0), row.get(1))).collect();
    let new: Vec<&(String, String)> = rows.iter().filter(|row| !known.contains(row)).collect();
    if !new.is_empty() {
        thread::sleep(METADATA);
    }
    for (first, second) in new {
        client.execute(&format!("INSERT INTO {table} VALUES ($1, $2)"), &[first, second])?;
    }
    client.commit()
}

impl Storage for Database {
    fn create(
        &self,
        keep: &dyn Fn(&Value) -> bool,
        make: &dyn Fn() -> Value,
    ) -> Result<(), SandboxError> {
        let mut client = hold(&self.client);
        let mut change = client.transaction().map_err(failed)?;
        // Two servers may start at once.
        change.batch_execute("LOCK TABLE state").map_err(failed)?;
        let present = change.query_opt("SELECT document FROM state", &[]).map_err(failed)?;
        let present = present.and_then(|row| serde_json::from_str(row.get(0)).ok());
        if present.is_some_and(|state| keep(&state)) {
            return change.commit().map_err(failed);
        }
        let put = "INSERT INTO state (generation, document) VALUES (1, $1) ON CONFLICT (one)
                   DO UPDATE SET generation = state.generation + 1, document = excluded.document";
        change.execute(put, &[&make().to_string()]).map_err(failed)?;
        change.commit().map_err(failed)
    }

    fn work(&self, work: &mut dyn FnMut(&mut Value) -> bool) -> Result<(), SandboxError> {
        let mut client = hold(&self.client);
        let mut change = client.transaction().map_err(failed)?;
        let row = change.query_one("SELECT generation FROM state FOR UPDATE", &[]);
        let generation: i64 = row.map_err(failed)?.get(0);
        let mut loaded = hold(&self.loaded);
        let mut state = match loaded.take() {
            Some((known, state)) if known == generation => state,
            _ => {
                let row = change.query_one("SELECT document FROM state", &[]).map_err(failed)?;
                let reason = |e: serde_json::Error| SandboxError::Storage { reason: e.to_string() };
                serde_json::from_str(row.get(0)).map_err(reason)?
            }
        };
        let mut next = generation;
        if work(&mut state) {
            next += 1;
            let put = "UPDATE state SET generation = $1, document = $2";
            change.execute(put, &[&next, &state.to_string()]).map_err(failed)?;
        }
        change.commit().map_err(failed)?;
        *loaded = Some((next, state));
        Ok(())
    }

    fn record(&self, line: &Value) -> Result<(), SandboxError> {
        let add = "INSERT INTO requests (server, line) VALUES ($1, $2::text::jsonb)";
        let mut client = hold(&self.client);
        client.execute(add, &[&self.member.name, &line.to_string()]).map(drop).map_err(failed)
    }

    fn servers(&self) -> Result<Servers, SandboxError> {
        let query = format!(
            "SELECT name, ha_mode, seen > now() - interval '{GONE}',
             (extract(epoch FROM seen) * 1000)::bigint FROM cm_servers ORDER BY name"
        );
        let rows = hold(&self.watch).query(&query, &[]).map_err(failed)?;
        let mut servers = Servers::default();
        for row in &rows {
            let name: String = row.get(0);
            servers.seen.insert(name.clone(), row.get(3));
            servers.all.push(name.clone());
            if row.get(2) || name == self.member.name {
                servers.running.push(Running { name, ha_mode: row.get(1), is_up: true });
            }
        }
        Ok(servers)
    }

    fn add_rows(&self, table: Table, rows: &[(String, String)]) -> Result<(), String> {
        match self.share(table, rows) {
            Ok(None) => Ok(()),
            Ok(Some(refused)) => Err(refused),
            Err(error) => Err(said(&error)),
        }
    }
}
