//! `os.link`: a symbolic link.
//!
//! Parameters follow Ansible's `file` with `state: link`. `src` is what the link says, absolute or
//! relative to the link's folder; that nothing is there (yet) is told, but no mistake. A link that
//! points elsewhere is replaced in one go, so that there is no moment without it. Where a file or
//! an empty folder is in its place, only `force: true` replaces that; a folder that holds something
//! is never replaced. With `state: absent` a link goes, and nothing but a link. Links that
//! `update-alternatives` keeps are better left to it.
//!
//! ```yaml
//! - name: The JDK in use
//!   os.link: { path: /usr/java/default, src: /usr/lib/jvm/java-17-openjdk }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::file::{self, REMOVE, Sight, Stat};
use super::{Kind, Link, folders_above, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Value};

/// A symbolic link.
pub struct OsLink;

/// A symbolic link.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Absolute path of the link.
    path: String,
    /// Where it points: absolute, or relative to the folder of the link.
    src: Option<String>,
    /// Should the link be there?
    #[serde(default)]
    state: State,
    /// Replace a file or an empty folder that is in its place?
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    #[serde(alias = "link")]
    Present,
    Absent,
}

/// `drsync_link_held PATH`: does the folder in the place of a link hold anything?
static HELD: Script = Script::each(
    "drsync_link_held",
    r#"
drsync_link_held() {
  path=$root$1
  if [ -L "$path" ] || [ ! -d "$path" ]; then absent held; return; fi
  if out=$(find "$path" -mindepth 1 -printf . -quit 2>&1); then put held "$out"; else unknown held "$out"; fi
}
"#,
);

/// `drsync_link PATH TARGET FORCE`: makes the link beside its place and renames it into it.
static LINK: Script = Script::each(
    "drsync_link",
    r#"
drsync_link() {
  path=$root$1
  if [ -e "$path" ] && [ ! -L "$path" ]; then
    if [ -z "$3" ]; then echo "$1 is no link"; return 1; fi
    [ ! -d "$path" ] || rmdir -- "$path" || return
  fi
  # What an interrupted run left here; nobody else writes these names.
  rm -f -- "${path%/*}/.${path##*/}.drsync."??????
  new=$(mktemp -u "${path%/*}/.${path##*/}.drsync.XXXXXX") || return
  ln -s -- "$2" "$new" || return
  mv -f -T -- "$new" "$path" || { rm -f -- "$new"; return 1; }
}
"#,
);

impl Args {
    fn src(&self) -> &str {
        self.src.as_deref().unwrap_or_default()
    }

    /// Returns the absolute path the link leads to, without `..`.
    fn destination(&self) -> String {
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let whole = match self.src().starts_with('/') {
            true => self.src().to_string(),
            false => format!("{folder}/{}", self.src()),
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in whole.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    }
}

impl Kind for OsLink {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.link", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_link.rs");

    fn key(args: &Args) -> String {
        args.path.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems: Vec<Problem> =
            file::path_problem("path", &args.path).into_iter().collect();
        let is_odd =
            |src: &str| src.is_empty() || src.contains(char::is_control) || src.len() >= 4096;
        match (&args.src, args.state) {
            (None, State::Present) => {
                problems.push(problem(&["path"], "`src` is needed: where should it point?", None));
            }
            (Some(src), _) if is_odd(src) => {
                let shown: String = src.chars().take(200).collect();
                problems.push(problem(&["src"], format!("`{shown}` is not a path"), None));
            }
            (Some(src), State::Present) if *src == args.path || args.destination() == args.path => {
                problems.push(problem(&["src"], "the link would point to itself", None));
            }
            _ => {}
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let mut questions = vec![file::ask(&args.path, "", Sight::Target)];
        if args.state == State::Present {
            questions.push(file::ask(&args.destination(), "", Sight::Attributes));
            if args.force {
                questions.push(Question::Probe(&HELD, vec![Argument::plain(&args.path)]));
            }
        }
        questions
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let stat = match Stat::read(&replies[0]) {
            Ok(stat) => stat,
            Err(reason) => return Delta::unknown(reason),
        };
        let other = stat.as_ref().filter(|stat| stat.sort != "symbolic link");
        let live = match (&stat, other) {
            (None, _) | (_, Some(_)) => Live::Absent,
            (Some(_), None) => replies[0].field("target"),
        };
        let mut delta = Delta::default();
        if args.state == State::Absent {
            let refused = |stat: &Stat| format!("it is a {}, not a symbolic link", stat.sort);
            delta.refused = other.map(refused);
            delta.attributes.push(Attribute::gone("target", live));
            return delta;
        }
        if let Some(stat) = other {
            let before = Live::Known(Value::text(&stat.sort));
            delta.attributes.push(Attribute::new("state", before, Value::text("symbolic link")));
            delta.refused = in_its_place(args, stat, replies);
            if args.force
                && let Err(reason) = replies[2].text("held")
            {
                return Delta::unknown(reason);
            }
        }
        let target = Attribute::new("target", live, Value::text(args.src()));
        delta.attributes.push(target.noted(leads_nowhere(args, &replies[1])));
        delta
    }

    fn steps(args: &Args, _: &Delta, _: &[Reply]) -> Vec<Action> {
        if args.state == State::Absent {
            return vec![Action::Host(&REMOVE, vec![Argument::plain(&args.path)])];
        }
        let force = if args.force { "force" } else { "" };
        let words = [&args.path, args.src(), force].map(Argument::plain);
        vec![Action::Host(&LINK, words.to_vec())]
    }

    fn needs(args: &Args) -> Vec<Link> {
        let mut links = folders_above(&args.path);
        if args.state == State::Present {
            let destination = args.destination();
            links.push(Link::new("os.file", &*destination));
            links.push(Link::new("os.directory", &*destination));
            links.extend(folders_above(&destination));
        }
        links
    }
}

/// Returns why what is in the place of the link must stay.
fn in_its_place(args: &Args, stat: &Stat, replies: &[Reply]) -> Option<String> {
    let is_folder = stat.sort == "directory";
    let holds = || matches!(replies[2].text("held"), Ok(Some(held)) if !held.is_empty());
    match (stat.is_file() || is_folder, args.force) {
        (false, _) => Some(format!("it is a {}, not a symbolic link", stat.sort)),
        (true, false) => Some(format!("it is a {}: `force: true` would replace it", stat.sort)),
        (true, true) if is_folder && holds() => {
            Some("it is a directory that holds something: empty it first".into())
        }
        (true, true) => None,
    }
}

fn leads_nowhere(args: &Args, reply: &Reply) -> Option<String> {
    matches!(Stat::read(reply), Ok(None))
        .then(|| format!("there is no {} at present", args.destination()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_link_starts_in_its_own_folder() {
        let destination = |path: &str, src: &str| {
            let args = Args {
                path: path.into(),
                src: Some(src.into()),
                state: State::Present,
                force: false,
            };
            args.destination()
        };
        assert_eq!(destination("/usr/java/default", "../lib/jvm/a"), "/usr/lib/jvm/a");
        assert_eq!(destination("/usr/java/default", "/opt//jdk/./"), "/opt/jdk");
        assert_eq!(destination("/a", "../../b"), "/b");
    }
}
