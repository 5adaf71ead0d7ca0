//! A simulated Cloudera Manager server, as a program of its own.
//!
//! Two of them on two hosts are an active-passive manager: they share a PostgreSQL database, which
//! `db.properties` names as it does for a real server, and are told in the environment variable
//! `CMF_JAVA_OPTS` whether they run with `haMode=true`. Without it a server wants the database for
//! itself and ends when another uses it. What goes wrong is written to the log a real server has.
#![forbid(unsafe_code)]

mod database;
mod log;
mod properties;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use drsync_sandbox::{Manager, ManagerSpec};

use database::{Database, Member};
use log::Log;

/// The option with which a server shares the database with another (Cloudera).
const HA_MODE: &str = "-Dcom.cloudera.cmf.haMode=true";

/// A simulated Cloudera Manager server.
#[derive(Parser)]
struct Options {
    /// The cluster template or deployment it begins with.
    #[arg(long)]
    seed: PathBuf,
    /// The side of the pair it plays.
    #[arg(long)]
    side: String,
    /// Its name among the servers of the manager.
    #[arg(long)]
    name: String,
    /// Where it listens; what it tells as its own address.
    #[arg(long, default_value = "0.0.0.0:7180")]
    listen: SocketAddr,
    /// Where the database is told.
    #[arg(long, default_value = "/etc/cloudera-scm-server/db.properties")]
    properties: PathBuf,
    /// Its log.
    #[arg(long, default_value = "/var/log/cloudera-scm-server/cloudera-scm-server.log")]
    log: PathBuf,
    /// The only user that can log in.
    #[arg(long, default_value = "admin")]
    user: String,
    /// That user's password.
    #[arg(long, default_value = "admin")]
    password: String,
    /// What the Java machine of a real server is given.
    #[arg(long, env = "CMF_JAVA_OPTS", default_value = "", allow_hyphen_values = true)]
    java_options: String,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let log = Arc::new(Log::new(&options.log));
    match run(&options, &log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.error("ScmActive", &error.to_string());
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, log: &Arc<Log>) -> Result<(), Box<dyn Error>> {
    log.info("CMServer", "Starting SCM Server.");
    let member = Member {
        name: options.name.clone(),
        ha_mode: options.java_options.split_whitespace().any(|word| word == HA_MODE),
    };
    let settings = properties::read(&options.properties)?;
    let database = Arc::new(Database::open(settings, member, Arc::clone(log))?);
    Database::keep_up(&database);
    let spec = ManagerSpec {
        side: options.side.clone(),
        seed: options.seed.clone(),
        catalogue: Vec::new(),
        state: PathBuf::new(),
        user: options.user.clone(),
        password: options.password.clone(),
        servers: Vec::new(),
        faults: Vec::new(),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let manager = Manager::start_on(spec, options.listen, database).await?;
        log.info("WebServerImpl", "Started Jetty server.");
        let mut ends = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        ends.recv().await;
        manager.stop().await;
        Ok(())
    })
}
