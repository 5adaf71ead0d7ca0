//! Servers of Cloudera Manager on their own hosts: whether they run, and with which options.

use super::edit::Edit;
use crate::format::java_options::Options;
use crate::model::Live;
use crate::model::question::{Action, Argument, Question, Reply, Script};

/// The file with the options of the server.
pub const FILE: &str = "/etc/default/cloudera-scm-server";
/// The variable in it that holds the options of Java.
pub const VARIABLE: &str = "CMF_JAVA_OPTS";
/// The unit of the server.
pub const UNIT: &str = "cloudera-scm-server.service";
/// The system property that makes the server one of two (Cloudera: Cloudera Manager HA).
pub const HA_MODE: &str = "com.cloudera.cmf.haMode";

/// `drsync_cm_server UNIT`: what systemd says of the server, the options it was started with, and
/// which database it is told to use.
///
/// A Java program has its options among its arguments; of the environment only the one variable is
/// told, since others may hold secrets.
static SERVER: Script = Script::each(
    "drsync_cm_server",
    r#"
drsync_cm_server() {
  if ! command -v systemctl >/dev/null 2>&1; then unknown unit 'systemctl is not there'; return; fi
  if ! out=$(systemctl show -p LoadState -p ActiveState -p MainPID -- "$1" 2>&1); then
    unknown unit "systemctl show: $out"
    return
  fi
  put unit "$out"
  pid=${out#*MainPID=} pid=${pid%%"$nl"*}
  case $pid in
    0)
      case $out in
        *ActiveState=active*) unknown options 'systemd does not tell its process' ;;
        *) absent options ;;
      esac ;;
    *[!0-9]*|'') unknown options 'systemd does not tell its process' ;;
    *)
      drsync_cm_server_options
      if [ -n "$said" ]; then unknown options "$said"; else put options "$options"; fi ;;
  esac
  file=$root/etc/cloudera-scm-server/db.properties
  if [ -r "$file" ]; then
    put database "$(sed -n 's/^com\.cloudera\.cmf\.db\.\(type\|host\|name\)=/\1=/p' "$file" | sort)"
  elif [ -e "$file" ]; then unknown database "${file#"$root"} cannot be read"
  else absent database; fi
}
# What a process that is not Java yet (a wrapper, say) has for options says nothing.
drsync_cm_server_options() {
  said= options=
  if [ ! -r "$root/proc/$pid/cmdline" ]; then said="/proc/$pid cannot be read"; return; fi
  options=$(tr '\0' '\n' < "$root/proc/$pid/cmdline" | grep '^-D')
  if environ=$(tr '\0' '\n' < "$root/proc/$pid/environ" | grep '^CMF_JAVA_OPTS='); then
    options=$options$nl${environ#CMF_JAVA_OPTS=}
  elif [ -z "$options" ]; then said='it is starting: no options of Java yet'; fi
}
"#,
);

/// `drsync_cm_restart UNIT`: restarts the server and waits until it is a Java process.
static RESTART: Script = Script::each(
    "drsync_cm_restart",
    r#"
drsync_cm_restart() {
  systemctl daemon-reload
  systemctl restart -- "$1" || return
  left=60
  while [ $left -gt 0 ]; do
    out=$(systemctl show -p ActiveState -p MainPID -- "$1" 2>&1)
    pid=${out#*MainPID=} pid=${pid%%"$nl"*}
    case $out in *ActiveState=failed*) printf 'it failed after its start'; return 1 ;; esac
    if [ "$pid" != 0 ] && [ -r "$root/proc/$pid/cmdline" ]; then
      if tr '\0' '\n' < "$root/proc/$pid/cmdline" | grep -q '^-D'; then return 0; fi
      if tr '\0' '\n' < "$root/proc/$pid/environ" | grep -q '^CMF_JAVA_OPTS='; then return 0; fi
    fi
    left=$((left - 1))
    sleep 1
  done
  printf 'it runs, but not as a Java process after 60 s'
  return 1
}
"#,
);

/// Returns the restart of the server.
pub fn restart() -> Action {
    Action::Host(&RESTART, vec![Argument::plain(UNIT)])
}

/// What is asked about the server: its file, and itself.
pub fn ask() -> Vec<Question> {
    vec![edit().ask(), Question::Probe(&SERVER, vec![Argument::plain(UNIT)])]
}

/// Returns the edit of the file with the options.
pub fn edit() -> Edit<'static> {
    Edit::of(FILE)
}

/// Whether the server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// It runs.
    Running,
    /// It does not.
    Stopped,
    /// It is on its way; systemd's word.
    Between(String),
}

/// Returns whether the server runs.
///
/// Errors: why it cannot be told.
pub fn server(reply: &Reply) -> Result<Server, String> {
    let unit = reply.text("unit")?.ok_or("systemd tells nothing of the server")?;
    let value = |name: &str| {
        let found = unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().to_string()
    };
    match (value("LoadState").as_str(), value("ActiveState").as_str()) {
        ("not-found", _) => Err(format!("there is no unit {UNIT} on this host")),
        (_, "active" | "reloading") => Ok(Server::Running),
        (_, "inactive" | "failed") => Ok(Server::Stopped),
        (_, "") => Err("systemd does not tell the state of the server".into()),
        (_, word) => Ok(Server::Between(word.to_string())),
    }
}

/// Returns the value with which the running server was started for a system property; the last one
/// counts.
///
/// Errors: why it cannot be told.
pub fn running_property(reply: &Reply, name: &str) -> Result<Option<String>, String> {
    let Some(options) = reply.text("options")? else { return Ok(None) };
    let prefix = format!("-D{name}=");
    let tokens = options.split_ascii_whitespace();
    let mut found = tokens.filter_map(|token| token.strip_prefix(&prefix));
    Ok(found.next_back().map(String::from))
}

/// Returns the value of a system property in the file.
///
/// Errors: why it cannot be told.
pub fn file_property(text: &str, name: &str) -> Result<Option<String>, String> {
    let options = Options::parse(text, VARIABLE).map_err(|said| format!("{FILE}: {said}"))?;
    Ok(options.property(name).map(String::from))
}

/// Returns which database the server is told to use, as lines `name=value`.
pub fn database(reply: &Reply) -> Live {
    reply.field("database")
}
