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

use super::shell::PUT;
use super::{Kind, Link, argument, folders_above, problem};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Data, Delta, Live, Node, Value, Want};

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
    /// Should the file be there?
    #[serde(default)]
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Present,
    Absent,
}

/// Content larger than this is compared, but not shown.
const LARGEST_SHOWN: &str = "262144";

static PROBE: Script = Script {
    name: "drsync_file",
    source: r#"
drsync_file() {
  path=$root$1
  if ! out=$(stat -c '%F|%a|%U|%G|%u|%g|%s' -- "$path" 2>&1); then
    # A folder that may not be searched, or a lost mount, hides whether the file is there.
    case $out in
      *': No such file or directory'|*': Not a directory') absent stat ;;
      *) unknown stat "$out" ;;
    esac
    return
  fi
  put stat "$out"
  case $out in 'regular '*) ;; *) return ;; esac
  [ -n "$2" ] || return
  if ! sum=$({ sha256sum < "$path"; } 2>&1); then unknown digest "$sum"; return; fi
  sum=${sum%% *}
  put digest "$sum"
  [ "$sum" = "$2" ] || [ "$4" != show ] || [ "${out##*|}" -gt "$3" ] || put_file content "$path" "${out##*|}"
}
"#,
};

static REMOVE: Script = Script {
    name: "drsync_remove",
    source: r#"
drsync_remove() { rm -f -- "$root$1"; }
"#,
};

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

    fn is_secret(&self) -> bool {
        matches!(&self.content, Some(Node { data: Data::Secret(_), .. }))
    }
}

/// Reads permissions written in octal; a bare decimal number is refused.
fn octal(node: &Node) -> Option<String> {
    match &node.data {
        Data::Text(text) | Data::Literal(text) => {
            let digits = text.strip_prefix("0o").unwrap_or(text);
            let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777)?;
            (digits.len() >= 3).then(|| format!("{mode:04o}"))
        }
        _ => None,
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
        let path = &args.path;
        let is_plain = path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        if !path.starts_with('/') || !is_plain || path.contains(char::is_control) {
            let hint = "write the whole path from `/`, without `..`, down to the file's name";
            problems.push(problem(
                &["path"],
                format!("`{}` is not the path of a file", args.path),
                Some(hint),
            ));
        }
        if let Some(node) = &args.mode
            && octal(node).is_none()
        {
            let said = format!("`{}` is not a mode", node.as_text().unwrap_or(node.sort()));
            let hint = "write it in octal and in quotes, e.g. \"0644\": YAML reads a bare number as decimal";
            problems.push(problem(&["mode"], said, Some(hint)));
        }
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
        if args.content_base64.is_some() && args.bytes().is_none() {
            problems.push(problem(&["content_base64"], "not base64", None));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let digest = args.bytes().map(|bytes| sha256(&bytes)).unwrap_or_default();
        // The content of a secret file has no business in our memory.
        let show = if args.is_secret() || args.content_base64.is_some() { "hide" } else { "show" };
        let words = [&*args.path, &digest, LARGEST_SHOWN, show];
        vec![Question::Probe(&PROBE, words.into_iter().map(Argument::plain).collect())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let stat = match replies[0].text("stat") {
            Ok(stat) => stat,
            Err(reason) => return Delta::unknown(reason),
        };
        let Some(stat) = stat else { return missing(args) };
        let fields: Vec<&str> = stat.split('|').collect();
        let [sort, mode, owner, group, uid, gid, _] = fields[..] else {
            return Delta::unknown(format!("stat answered `{stat}`"));
        };
        if args.state == State::Absent {
            let before = Live::Known(Value::text(sort));
            let after = Want::Absent(None);
            let gone = Attribute { name: "state".into(), before, after, differs: true, note: None };
            return Delta { attributes: vec![gone], ..refuse_sort(sort) };
        }
        if !sort.starts_with("regular") {
            return refuse_sort(sort);
        }
        let mut delta = Delta::default();
        if let Some(want) = args.bytes() {
            delta.attributes.push(content(args, &replies[0], &want));
        }
        let mut compare = |name: &'static str, live: String, want: Option<String>| {
            if let Some(want) = want {
                let live = Live::Known(Value::text(live));
                delta.attributes.push(Attribute::new(name, live, Value::text(want)));
            }
        };
        compare("mode", format!("{mode:0>4}"), args.mode.as_ref().and_then(octal));
        let live = |wish: &Option<String>, name: &str, number: &str| match wish {
            // Whoever declares a number means the number, whatever name it has there.
            Some(wish) if wish.bytes().all(|b| b.is_ascii_digit()) => number.to_string(),
            _ => name.to_string(),
        };
        compare("owner", live(&args.owner, owner, uid), args.owner.clone());
        compare("group", live(&args.group, group, gid), args.group.clone());
        delta
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        if args.state == State::Absent {
            return vec![Action::Host(&REMOVE, vec![Argument::plain(&args.path)])];
        }
        let is_new = matches!(replies[0].field("stat"), Live::Absent);
        let rewrites = is_new || delta.differing().any(|attribute| attribute.name == "content");
        let mode = args.mode.as_ref().and_then(octal).unwrap_or_default();
        let owner = args.owner.clone().unwrap_or_default();
        let group = args.group.clone().unwrap_or_default();
        if !rewrites {
            let words = [&args.path, &mode, &owner, &group].map(Argument::plain).to_vec();
            return vec![Action::Host(&ATTRIBUTES, words)];
        }
        let (encoding, content) = match (&args.content, &args.content_base64) {
            (_, Some(encoded)) => ("base64", Argument::plain(encoded)),
            (Some(node), None) => ("text", argument(node).unwrap_or(Argument::plain(""))),
            (None, None) => ("text", Argument::plain("")),
        };
        let mut words = [&args.path, &mode, &owner, &group].map(Argument::plain).to_vec();
        words.extend([Argument::plain(encoding), content]);
        vec![Action::Host(&PUT, words)]
    }

    fn needs(args: &Args) -> Vec<Link> {
        let owner = args.owner.iter().map(|owner| Link::new("os.user", owner));
        let group = args.group.iter().map(|group| Link::new("os.group", group));
        folders_above(&args.path).into_iter().chain(owner).chain(group).collect()
    }
}

static ATTRIBUTES: Script = Script {
    name: "drsync_attributes",
    source: r#"
drsync_attributes() {
  { [ -z "$3$4" ] || chown "$3${4:+:$4}" "$root$1"; } && { [ -z "$2" ] || chmod "$2" "$root$1"; }
}
"#,
};

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
        let after = Want::Absent(None);
        let gone = Attribute {
            name: "state".into(),
            before: Live::Absent,
            after,
            differs: false,
            note: None,
        };
        return Delta { attributes: vec![gone], ..delta };
    }
    let Some(bytes) = args.bytes() else {
        delta.refused = Some("it does not exist, and no content is declared for it".into());
        return delta;
    };
    let want = shown(args, &bytes);
    delta.attributes.push(Attribute::new("content", Live::Absent, want).noted(args.from.clone()));
    let rest = [
        ("mode", args.mode.as_ref().and_then(octal)),
        ("owner", args.owner.clone()),
        ("group", args.group.clone()),
    ];
    for (name, want) in rest {
        if let Some(want) = want {
            delta.attributes.push(Attribute::new(name, Live::Absent, Value::text(want)));
        }
    }
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
