//! `os.directory`: a folder: that it is there, its mode, owner and group.
//!
//! Parameters follow Ansible's `file` with `state: directory`. Folders above it that are missing
//! are made too (mode `0755`, owner root). What is not declared is left as it is. With
//! `state: absent` an empty folder goes; one that holds something is refused unless `force: true`,
//! and the plan says how much it holds.
//!
//! ```yaml
//! - name: Folder of keys and certificates
//!   os.directory: { path: /opt/cloudera/security/pki, mode: "0755", owner: root, group: root }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::file::{self, ATTRIBUTES, Sight, Stat};
use super::shared::ownership::Ownership;
use super::shared::state::State;
use super::{Kind, Link, folders_above};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Node, Value};

/// A folder.
pub struct OsDirectory;

/// A folder: that it is there, its mode, owner and group.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Absolute path.
    path: String,
    /// Permissions in octal, quoted: "0755".
    mode: Option<Node>,
    /// Owner, by name or number.
    owner: Option<String>,
    /// Group, by name or number.
    group: Option<String>,
    /// Should the folder be there?
    #[serde(default)]
    state: State,
    /// Remove it with everything in it?
    #[serde(default)]
    force: bool,
}

/// `drsync_count PATH`: how much a folder holds, for one that should go.
static COUNT: Script = Script::each(
    "drsync_count",
    r#"
drsync_count() {
  path=$root$1
  if [ -L "$path" ] || [ ! -d "$path" ]; then absent count; return; fi
  if out=$(find "$path" -mindepth 1 -printf . 2>&1); then put count "${#out}"; else unknown count "$out"; fi
}
"#,
);

static MAKE: Script = Script::each(
    "drsync_directory",
    r#"
drsync_directory() { mkdir -p -- "$root$1" && drsync_attributes "$1" "$2" "$3" "$4"; }
drsync_attributes() {
  { [ -z "$3$4" ] || chown "$3${4:+:$4}" "$root$1"; } && { [ -z "$2" ] || chmod "$2" "$root$1"; }
}
"#,
);

/// `drsync_rmdir PATH FORCE`: never leaves the file system the folder is on.
static REMOVE: Script = Script::each(
    "drsync_rmdir",
    r#"
drsync_rmdir() {
  if [ -n "$2" ]; then rm -rf --one-file-system -- "$root$1"; else rmdir -- "$root$1"; fi
}
"#,
);

impl Args {
    fn ownership(&self) -> Ownership<'_> {
        let (owner, group) = (self.owner.as_deref(), self.group.as_deref());
        Ownership { mode: self.mode.as_ref(), owner, group }
    }
}

impl Kind for OsDirectory {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.directory", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_directory.rs");

    fn key(args: &Args) -> String {
        args.path.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems: Vec<Problem> =
            file::path_problem("path", &args.path).into_iter().collect();
        args.ownership().check(&mut problems);
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let mut questions = vec![file::ask(&args.path, "", Sight::Attributes)];
        if args.state == State::Absent {
            questions.push(Question::Probe(&COUNT, vec![Argument::plain(&args.path)]));
        }
        questions
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let stat = match Stat::read(&replies[0]) {
            Ok(stat) => stat,
            Err(reason) => return Delta::unknown(reason),
        };
        let refused = stat.as_ref().filter(|stat| stat.sort != "directory");
        let refused = refused.map(|stat| format!("it is a {}, not a directory", stat.sort));
        let live = stat.as_ref().map_or(Live::Absent, |stat| Live::Known(Value::text(&stat.sort)));
        if args.state == State::Absent {
            return gone(args, live, refused, replies);
        }
        let mut delta = Delta { refused, ..Delta::default() };
        delta.attributes.push(Attribute::new("state", live, Value::text("directory")));
        args.ownership().compare(stat.as_ref(), &mut delta.attributes);
        delta
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        if args.state == State::Absent {
            let force = if args.force { "force" } else { "" };
            return vec![Action::Host(&REMOVE, [&args.path, force].map(Argument::plain).to_vec())];
        }
        let mut words = vec![Argument::plain(&args.path)];
        words.extend(args.ownership().words());
        match replies[0].field("stat") {
            Live::Absent => vec![Action::Host(&MAKE, words)],
            _ => vec![Action::Host(&ATTRIBUTES, words)],
        }
    }

    fn needs(args: &Args) -> Vec<Link> {
        folders_above(&args.path).into_iter().chain(args.ownership().needs()).collect()
    }
}

fn gone(args: &Args, live: Live, refused: Option<String>, replies: &[Reply]) -> Delta {
    let count = match replies[1].text("count") {
        Err(reason) => return Delta::unknown(reason),
        Ok(count) => count.and_then(|count| count.parse::<usize>().ok()).unwrap_or(0),
    };
    let held = (count > 0).then(|| format!("it holds {count} files and folders"));
    let refused = refused.or_else(|| {
        let held = held.as_ref().filter(|_| !args.force)?;
        Some(format!("{held}: declare `force: true` to remove them too"))
    });
    let state = Attribute::gone("state", live).noted(held);
    Delta { attributes: vec![state], refused, ..Delta::default() }
}
