//! The servers of a simulated manager, each on a simulated host: they run where their unit does, with
//! the options it was started with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The unit of a server.
const UNIT: &str = "cloudera-scm-server";
/// How long a server that was started does not answer.
const STARTS: Duration = Duration::from_millis(700);

/// A server and the directory of its host.
#[derive(Debug, Clone)]
pub struct ServerHost {
    /// Name of the host.
    pub name: String,
    /// The host's directory.
    pub root: PathBuf,
}

/// A server that runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// It was started with `haMode=true`.
    pub ha_mode: bool,
    /// It answers already.
    pub is_up: bool,
}

/// The servers of one manager just now.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    /// The names of all, running or not.
    pub all: Vec<String>,
    /// Those that run.
    pub running: Vec<Running>,
    /// When each was seen last, in milliseconds since 1970, where they note that themselves.
    pub seen: BTreeMap<String, i64>,
}

impl Servers {
    /// Looks at the hosts.
    pub(crate) fn look(hosts: &[ServerHost]) -> Servers {
        Servers {
            all: hosts.iter().map(|host| host.name.clone()).collect(),
            running: hosts.iter().filter_map(running).collect(),
            seen: BTreeMap::new(),
        }
    }

    /// Whether any request can be answered: a manager whose servers are not told always can.
    pub(crate) fn is_up(&self) -> bool {
        self.all.is_empty() || self.running.iter().any(|server| server.is_up)
    }

    /// The server that answers just now, if servers are told at all.
    pub(crate) fn active(&self) -> Option<&str> {
        self.running.iter().find(|server| server.is_up).map(|server| server.name.as_str())
    }

    /// Whether two servers would work on the same rows of the database at once.
    pub(crate) fn race(&self) -> bool {
        self.running.iter().filter(|server| server.ha_mode).count() > 1
    }
}

fn running(host: &ServerHost) -> Option<Running> {
    let unit = std::fs::read_to_string(host.root.join(".sandbox/units").join(UNIT)).ok()?;
    if !unit.lines().any(|line| line == "active=true") {
        return None;
    }
    let pid = unit.lines().find_map(|line| line.strip_prefix("pid="))?;
    let process = host.root.join("proc").join(pid).join("environ");
    let options = std::fs::read(&process).unwrap_or_default();
    let options = String::from_utf8_lossy(&options).into_owned();
    Some(Running {
        name: host.name.clone(),
        ha_mode: options.contains("-Dcom.cloudera.cmf.haMode=true"),
        is_up: age(&process).is_none_or(|age| age >= STARTS),
    })
}

fn age(path: &Path) -> Option<Duration> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    SystemTime::now().duration_since(modified).ok()
}
