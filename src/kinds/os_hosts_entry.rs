//! `os.hosts_entry`: an address and its names in `/etc/hosts`.
//!
//! One line per address, the full name first, as `hostname -f` and Kerberos take it. A line that
//! has the address already is taken over, with its comment; further lines of the address go. With
//! `exclusive`, which is the default, the line has no other names, and the names leave all other
//! lines: one name, one address (and one of IPv6). The name of a machine never belongs on
//! `127.0.0.1` or `127.0.1.1`, where Hadoop's daemons would listen for nobody else, nor has it
//! capitals; both are refused. `state: absent` removes the names given, or the whole address.
//!
//! ```yaml
//! - name: The manager of the other side
//!   os.hosts_entry:
//!     address: 10.20.0.11
//!     names: [cm1.dr.example.com, cm1]
//!   hosts: all
//! - name: Not what Debian's installer writes
//!   os.hosts_entry: { address: 127.0.1.1, state: absent }
//!   hosts: all
//! ```

use std::net::IpAddr;

use serde::Deserialize;

use super::shared::edit::{self, Edit};
use super::shared::state::State;
use super::{Claim, Kind, Link, problem};
use crate::format::hosts::{Outcome, Wish, fulfil, is_localhost};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// An address and its names.
pub struct OsHostsEntry;

/// An address and its names in `/etc/hosts`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The address.
    address: String,
    /// Its names, the full one first.
    #[serde(default)]
    names: Vec<String>,
    /// Should it have them?
    #[serde(default)]
    state: State,
    /// May it have no other names, and no other address these?
    #[serde(default = "yes")]
    exclusive: bool,
    /// The file.
    #[serde(default = "file")]
    path: String,
}

fn yes() -> bool {
    true
}

fn file() -> String {
    "/etc/hosts".into()
}

/// Whether cloud-init writes the file anew at every boot.
static CLOUD: Script = Script::each(
    "drsync_hosts_cloud",
    r#"
drsync_hosts_cloud() {
  set --
  for file in "$root"/etc/cloud/cloud.cfg "$root"/etc/cloud/cloud.cfg.d/*.cfg; do
    [ ! -e "$file" ] || set -- "$@" "$file"
  done
  if [ $# = 0 ]; then absent managed; return; fi
  out=$(grep -h '^[[:blank:]]*manage_etc_hosts:' "$@" 2>&1)
  if [ $? -le 1 ]; then put managed "$out"; else unknown managed "$out"; fi
}
"#,
);

impl Args {
    fn edit(&self) -> Edit<'_> {
        Edit { create: self.state == State::Present, ..Edit::of(&self.path) }
    }

    fn address(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }

    fn outcome(&self, text: &str) -> Option<Outcome> {
        let (names, present) = (&self.names[..], self.state == State::Present);
        let wish = Wish { address: self.address()?, names, present, exclusive: self.exclusive };
        Some(fulfil(text, &wish))
    }
}

impl Kind for OsHostsEntry {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "os.hosts_entry", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_hosts_entry.rs");

    fn key(args: &Args) -> String {
        let address = args.address().map_or_else(|| args.address.clone(), |a| a.to_string());
        let names = match args.state {
            State::Absent if !args.names.is_empty() => format!(" {}", args.names.join(" ")),
            _ => String::new(),
        };
        match args.path == file() {
            true => format!("{address}{}", edit::key_part(&names)),
            false => format!("{}: {address}{}", args.path, edit::key_part(&names)),
        }
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        args.edit().check(&mut problems);
        if args.address().is_none() {
            let said = format!("`{}` is no address", edit::key_part(&args.address));
            problems.push(problem(&["address"], said, Some("write it as in `10.20.0.11`")));
        }
        if args.names.is_empty() && args.state == State::Present {
            problems.push(problem(&["address"], "`names` is needed", None));
        }
        for (i, name) in args.names.iter().enumerate() {
            if let Some((said, hint)) = name_problem(args, i, name) {
                problems.push(problem(&["names", &i.to_string()], said, hint));
            }
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![args.edit().ask(), Question::Probe(&CLOUD, vec![])]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let present = match args.edit().read(&replies[0]) {
            Ok(present) => present,
            // Where there is no file there is no name either.
            Err(delta) if args.state == State::Absent && delta.is_curable => {
                return Delta {
                    attributes: vec![Attribute::gone("names", Live::Absent)],
                    ..Delta::default()
                };
            }
            Err(delta) => return delta,
        };
        let Some(outcome) = args.outcome(&present.text) else {
            return Delta::unknown("its address cannot be read");
        };
        let mut attributes = attributes(args, &outcome);
        if let Some(first) = attributes.iter_mut().find(|attribute| attribute.differs) {
            first.note = cloud_note(args, &replies[1]);
        }
        Delta { attributes, ..Delta::default() }
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(present) = args.edit().read(&replies[0]) else { return Vec::new() };
        let Some(outcome) = args.outcome(&present.text) else { return Vec::new() };
        args.edit().write(&present, &outcome.text, false)
    }

    fn needs(args: &Args) -> Vec<Link> {
        args.edit().needs()
    }

    fn claims(args: &Args) -> Option<Claim> {
        Some(args.edit().claim())
    }
}

/// Returns what is wrong with the name at `i`, and a hint.
fn name_problem(args: &Args, i: usize, name: &str) -> Option<(String, Option<&'static str>)> {
    let is_label = |label: &str| {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.bytes().all(is_part)
    };
    let shown = edit::key_part(name);
    if !name.split('.').all(is_label) || name.len() > 253 || name.parse::<IpAddr>().is_ok() {
        return Some((format!("`{shown}` is not the name of a host"), None));
    }
    if args.state == State::Absent {
        return None;
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        let hint = "Kerberos and Hadoop tell capitals apart where name services do not";
        return Some((format!("`{shown}` has capitals: write it in lower case"), Some(hint)));
    }
    if args.names[..i].contains(&name.to_string()) {
        return Some((format!("`{shown}` is there twice"), None));
    }
    let is_loopback = args.address().is_some_and(|address| address.is_loopback());
    if is_loopback && !is_localhost(name) {
        let hint = "daemons that look their own name up would listen for this machine alone: \
                    declare the address the cluster knows it by";
        return Some((format!("`{shown}` does not belong on {}", args.address), Some(hint)));
    }
    let first = &args.names[0];
    let is_full = name.contains('.') && !first.contains('.') && !is_localhost(first);
    is_full.then(|| {
        let hint = "`hostname -f` takes the first one";
        (format!("`{shown}`, the full name, comes first"), Some(hint))
    })
}

fn list(names: impl IntoIterator<Item = String>) -> Value {
    Value::List(names.into_iter().map(Value::text).collect())
}

fn attributes(args: &Args, outcome: &Outcome) -> Vec<Attribute> {
    let live: Vec<String> = outcome.live.concat();
    if args.state == State::Absent {
        let is_meant = |name: &String| {
            args.names.is_empty() || args.names.iter().any(|n| n.eq_ignore_ascii_case(name))
        };
        let doomed: Vec<String> = live.into_iter().filter(is_meant).collect();
        return vec![Attribute::gone(
            "names",
            match doomed.is_empty() {
                true => Live::Absent,
                false => Live::Known(list(doomed)),
            },
        )];
    }
    // Names apart: of two entries that change places one is first, and takes from the other only
    // what that does not wish for.
    let is_wished = |name: &String| args.names.iter().any(|n| n.eq_ignore_ascii_case(name));
    let (wished, further): (Vec<String>, Vec<String>) =
        live.into_iter().partition(|name| !args.exclusive || is_wished(name));
    let some = |names: Vec<String>| match names.is_empty() {
        true => Live::Absent,
        false => Live::Known(list(names)),
    };
    let mut attributes = vec![Attribute::new("names", some(wished), list(outcome.names.clone()))];
    if !further.is_empty() {
        attributes.push(Attribute {
            name: "further names".into(),
            ..Attribute::gone("names", some(further))
        });
    }
    if outcome.live.len() > 1 {
        let count = Live::Known(Value::text(outcome.live.len().to_string()));
        attributes.push(Attribute::new("lines", count, Value::text("1")));
    }
    attributes.push(Attribute {
        name: "elsewhere".into(),
        ..Attribute::gone("names", some(outcome.elsewhere.clone()))
    });
    attributes
}

fn cloud_note(args: &Args, reply: &Reply) -> Option<String> {
    let said = reply.text("managed").ok()??;
    // The last file that says something counts.
    let value = said.lines().last()?.split_once(':')?.1.trim().trim_matches(['"', '\'']);
    let is_managed = !matches!(value, "false" | "False" | "no" | "");
    (is_managed && args.path == file()).then(|| {
        "cloud-init writes the file anew at every boot: set manage_etc_hosts to false".to_string()
    })
}
