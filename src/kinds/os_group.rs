//! `os.group`: a local group.
//!
//! Parameters follow Ansible's `group`. A group that exists with another number is refused rather
//! than renumbered: files would keep the old number. `change_gid: true` renumbers it all the same.
//! A group that comes from a directory service is taken as it is, never changed.
//!
//! ```yaml
//! - name: Group of all Hadoop services
//!   os.group: { name: hadoop, gid: 980, system: true }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::account;
use super::shared::state::State;
use super::{Kind, Link};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// A local group.
pub struct OsGroup;

/// A local group.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its name.
    name: String,
    /// Its number.
    gid: Option<u32>,
    /// Take a number from the system's range when it is made?
    #[serde(default)]
    system: bool,
    /// Renumber a group that exists with another number?
    #[serde(default)]
    change_gid: bool,
    /// Should the group be there?
    #[serde(default)]
    state: State,
}

static CHANGE: Script = Script::each(
    "drsync_group",
    r#"
drsync_group() {
  case $1 in
    add) set -- groupadd ${root:+-P "$root"} ${3:+-g "$3"} ${4:+-r} -- "$2" ;;
    mod) set -- groupmod ${root:+-P "$root"} -g "$3" -- "$2" ;;
    del) set -- groupdel ${root:+-P "$root"} -- "$2" ;;
  esac
  "$@"
}
"#,
);

impl Kind for OsGroup {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.group", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_group.rs");

    fn key(args: &Args) -> String {
        args.name.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        account::name_problem("name", &args.name).into_iter().collect()
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![account::ask_group(&args.name)]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let entry = match replies[0].text("entry") {
            Ok(entry) => entry,
            Err(reason) => return Delta::unknown(reason),
        };
        let mut delta = Delta::default();
        let is_there = entry.is_some();
        let live = if is_there { Live::Known(Value::text("present")) } else { Live::Absent };
        if args.state == State::Absent {
            let gone = Attribute::gone("state", live);
            delta.attributes.push(gone);
        } else {
            delta.attributes.push(Attribute::new("state", live, Value::text("present")));
        }
        let gid = entry.as_deref().and_then(|entry| entry.split(':').nth(2)).map(String::from);
        if let (Some(want), State::Present) = (args.gid, args.state) {
            let live = gid.clone().map_or(Live::Absent, |gid| Live::Known(Value::text(gid)));
            delta.attributes.push(Attribute::new("gid", live, Value::text(want.to_string())));
        }
        let differs = delta.differing().next().is_some();
        if is_there
            && differs
            && matches!(replies[0].text("local"), Ok(Some(local)) if &*local == "no")
        {
            delta.refused = Some("it comes from a directory service: change it there".into());
        } else if let (Some(gid), true, false) = (gid, differs, args.change_gid)
            && args.state == State::Present
        {
            delta.refused = Some(format!(
                "it exists with the number {gid}, which files may carry: renumber it by hand, or \
                 declare `change_gid: true`"
            ));
        }
        delta
    }

    fn steps(args: &Args, _: &Delta, replies: &[Reply]) -> Vec<Action> {
        let is_there = matches!(replies[0].text("entry"), Ok(Some(_)));
        let verb = match (args.state, is_there) {
            (State::Absent, _) => "del",
            (State::Present, true) => "mod",
            (State::Present, false) => "add",
        };
        let gid = args.gid.map(|gid| gid.to_string()).unwrap_or_default();
        let system = if args.system { "system" } else { "" };
        let words = [verb, &args.name, &gid, system].map(Argument::plain);
        vec![Action::Host(&CHANGE, words.to_vec())]
    }

    fn needs(_: &Args) -> Vec<Link> {
        Vec::new()
    }
}
