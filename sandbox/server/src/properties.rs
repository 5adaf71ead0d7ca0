//! `db.properties`: which database a server uses.

use std::path::Path;
use std::time::Duration;

use postgres::Config;

/// How the name of each property begins.
const PREFIX: &str = "com.cloudera.cmf.db.";
/// Longest wait for the database to take a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Reads how the database is reached.
pub fn read(path: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix(PREFIX));
        lines.find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))
    };
    let wanted = |name: &str| {
        let lacks = || format!("{}: there is no {PREFIX}{name}", path.display());
        value(name).map(str::trim).ok_or_else(lacks)
    };
    if wanted("type")? != "postgresql" {
        return Err(format!("{}: {PREFIX}type is not postgresql", path.display()));
    }
    let (host, port) = match wanted("host")?.split_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|e| format!("{PREFIX}host: {e}"))?),
        None => (wanted("host")?, 5432),
    };
    let mut settings = Config::new();
    settings
        .host(host)
        .port(port)
        .dbname(wanted("name")?)
        .user(wanted("user")?)
        .password(wanted("password")?)
        .connect_timeout(CONNECT);
    Ok(settings)
}
