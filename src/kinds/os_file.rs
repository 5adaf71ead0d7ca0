//! `os.file`: a regular file: its content, mode, owner and group.
//!
//! `content` is text; `source` names a file under `files/`, `template` one under `templates/`
//! (Jinja). What is not declared is left as it is. The file is replaced as a whole, by a rename, so
//! that nobody ever reads half of it. Parameters follow Ansible's `copy` and `template`.
//!
//! ```yaml
//! - name: Client hints
//!   os.file:
//!     path: /etc/motd
//!     content: "{{ side }} side of the pair\n"
//!     mode: "0644"
//!     owner: root
//!     group: root
//! ```

use serde::Deserialize;

use super::shared::file::{self, ATTRIBUTES, PUT, REMOVE, Sight, Stat};
use super::shared::ownership::Ownership;
use super::shared::state::State;
use super::{Claim, Kind, Link, argument, folders_above, problem};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply};
use crate::model::{Attribute, Data, Delta, Live, Node, Value};

/// A regular file.
pub struct OsFile;

/// A regular file: its content, mode, owner and group.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Absolute path.
    path: String,
    /// The whole content.
    content: Option<Node>,
    /// The whole content in base64, for files that are not text.
    content_base64: Option<String>,
    /// A file under `files/` that holds the content.
    #[expect(dead_code, reason = "the language replaces it by `content`; here for the schema")]
    source: Option<String>,
    /// A file under `templates/` that renders to the content.
    #[expect(dead_code, reason = "the language replaces it by `content`; here for the schema")]
    template: Option<String>,
    /// Which file the content came from.
    #[schemars(skip)]
    from: Option<String>,
    /// Permissions in octal, quoted: "0644".
    mode: Option<Node>,
    /// Owner, by name.
    owner: Option<String>,
    /// Group, by name.
    group: Option<String>,
    /// A command that must accept the new content; `%s` stands for the file that holds it.
    validate: Option<String>,
    /// Should the file be there?
    #[serde(default)]
    state: State,
}

impl Args {
    /// Returns the declared content as bytes, if any is declared.
    fn bytes(&self) -> Option<Vec<u8>> {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        match (&self.content, &self.content_base64) {
            (Some(node), _) => argument(node).map(|content| content.reveal().as_bytes().to_vec()),
            (None, Some(encoded)) => engine.decode(encoded).ok(),
            (None, None) => None,
        }
    }

    fn ownership(&self) -> Ownership<'_> {
        let (owner, group) = (self.owner.as_deref(), self.group.as_deref());
        Ownership { mode: self.mode.as_ref(), owner, group }
    }

    fn is_secret(&self) -> bool {
        matches!(&self.content, Some(Node { data: Data::Secret(_), .. }))
    }
}

impl Kind for OsFile {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.file", home: Home::Host, takes_files: true };
    const SOURCE: &'static str = include_str!("os_file.rs");

    fn key(args: &Args) -> String {
        args.path.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(file::path_problem("path", &args.path));
        args.ownership().check(&mut problems);
        if let Some(node) = &args.content
            && argument(node).is_none()
        {
            let said = format!("`content` must be text, found {}", node.sort());
            problems.push(problem(
                &["content"],
                said,
                Some("use `{{ … | to_nice_json }}` or `to_yaml` to write data"),
            ));
        }
        problems.extend(file::validate_problem(args.validate.as_deref()));
        if args.content_base64.is_some() && args.bytes().is_none() {
            problems.push(problem(&["content_base64"], "not base64", None));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let digest = args.bytes().map(|bytes| sha256(&bytes)).unwrap_or_default();
        let sight = match (digest.is_empty(), args.is_secret() || args.content_base64.is_some()) {
            (true, _) => Sight::Attributes,
            // The content of a secret file has no business in our memory.
            (false, true) => Sight::Digest,
            (false, false) => Sight::Content,
        };
        vec![file::ask(&args.path, &digest, sight)]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let stat = match Stat::read(&replies[0]) {
            Ok(stat) => stat,
            Err(reason) => return Delta::unknown(reason),
        };
        let Some(stat) = stat else { return missing(args) };
        if args.state == State::Absent {
            let before = Live::Known(Value::text(&stat.sort));
            let gone = Attribute::gone("state", before);
            return Delta { attributes: vec![gone], ..refuse_sort(&stat.sort) };
        }
        if !stat.is_file() {
            return refuse_sort(&stat.sort);
        }
        let mut delta = Delta::default();
        if let Some(want) = args.bytes() {
            delta.attributes.push(content(args, &replies[0], &want));
        }
        args.ownership().compare(Some(&stat), &mut delta.attributes);
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        if args.state == State::Absent {
            return vec![Action::Host(&REMOVE, vec![Argument::plain(&args.path)])];
        }
        let is_new = matches!(replies[0].field("stat"), Live::Absent);
        let rewrites = is_new || delta.differing().any(|attribute| attribute.name == "content");
        let mut words = vec![Argument::plain(&args.path)];
        words.extend(args.ownership().words());
        if !rewrites {
            return vec![Action::Host(&ATTRIBUTES, words)];
        }
        let (encoding, content) = match (&args.content, &args.content_base64) {
            (_, Some(encoded)) => ("base64", Argument::plain(encoded)),
            (Some(node), None) => ("text", argument(node).unwrap_or(Argument::plain(""))),
            (None, None) => ("text", Argument::plain("")),
        };
        words.extend([Argument::plain(encoding), content]);
        if let Some(command) = &args.validate {
            words.extend([Argument::plain(""), Argument::plain(command)]);
        }
        vec![Action::Host(&PUT, words)]
    }

    fn needs(args: &Args) -> Vec<Link> {
        folders_above(&args.path).into_iter().chain(args.ownership().needs()).collect()
    }

    fn claims(args: &Args) -> Option<Claim> {
        let decides = args.bytes().is_some() || args.state == State::Absent;
        decides.then(|| Claim::Whole(args.path.clone()))
    }
}

fn refuse_sort(sort: &str) -> Delta {
    let refused = match sort {
        sort if sort.starts_with("regular") => None,
        "symbolic link" => Some("it is a symbolic link: declare the file it points to".to_string()),
        other => Some(format!("it is a {other}, not a regular file")),
    };
    Delta { refused, ..Delta::default() }
}

/// The file is not there: everything declared is new.
fn missing(args: &Args) -> Delta {
    let mut delta = Delta::default();
    if args.state == State::Absent {
        let gone = Attribute::gone("state", Live::Absent);
        return Delta { attributes: vec![gone], ..delta };
    }
    let Some(bytes) = args.bytes() else {
        delta.refused = Some("it does not exist, and no content is declared for it".into());
        return delta;
    };
    let want = shown(args, &bytes);
    delta.attributes.push(Attribute::new("content", Live::Absent, want).noted(args.from.clone()));
    args.ownership().compare(None, &mut delta.attributes);
    delta
}

/// Returns the declared content as it may be shown.
fn shown(args: &Args, bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        _ if args.is_secret() => Value::Sensitive,
        Ok(text) if args.content_base64.is_none() => Value::text(text),
        _ => Value::text(format!("{} bytes, sha256 {}", bytes.len(), sha256(bytes))),
    }
}

fn content(args: &Args, reply: &Reply, want: &[u8]) -> Attribute {
    let live = match reply.text("digest") {
        Ok(live) => live.unwrap_or_default(),
        Err(reason) => {
            let before = Live::Unknown(reason);
            return Attribute::new("content", before, shown(args, want));
        }
    };
    let after = shown(args, want);
    if *live == *sha256(want) {
        return Attribute::new("content", Live::Known(after.clone()), after);
    }
    let before = match reply.text("content") {
        _ if args.is_secret() => Value::Sensitive,
        Ok(Some(text)) => Value::Text(text),
        _ => Value::text(format!("sha256 {live}")),
    };
    Attribute { differs: true, ..Attribute::new("content", Live::Known(before), after) }
        .noted(args.from.clone())
}
