//! `os.script`: a kind made of shell text: a probe that looks, and text that changes.
//!
//! Most often it is the `kind` of a module (`modules/NAME/module.yaml`: `kind: { key, want, probe,
//! apply }`): then every use of the module declares one instance, called `HOST/NAME[KEY]`, and the
//! parameters of the module are the `params`. As `os.script` it is used at once.
//!
//! `probe` reports with `put NAME VALUE`, `absent NAME` and `unknown NAME REASON`; what it does not
//! report is unknown, for the reason it printed. It must write nothing. `want` names the values
//! wished; `null` wishes for absence; truth values, numbers and lists (a line for each item) compare
//! by meaning. `apply` brings them about: what is wished is in `$want_NAME`, the names of what differs
//! are its `"$@"`; then the probe looks again. Without `apply` a difference is told and cannot be repaired.
//!
//! Parameters are shell variables of the same name, never part of the text: write `"$name"`. A list
//! has one item a line, a mapping is JSON, nothing is empty. `$root` goes before every path (it is
//! empty but for images and sandboxes; text that does not mention it is not run there), `$nl` is a
//! line end. Each text runs in a shell of its own, POSIX `sh`, started in `$root/`, without standard
//! input: what it sets, where it `exit`s or what it gets wrong reaches nothing else. Only time is
//! shared: a probe that hangs holds up its host.
//!
//! ```yaml
//! - name: Log level of the balancer
//!   os.script:
//!     name: balancer log level
//!     params: { reason: asked for by operations }
//!     want: { level: warning }
//!     probe: |
//!       file=$root/etc/balancer.level
//!       if [ -e "$file" ]; then put level "$(cat "$file")"; else absent level; fi
//!     apply: |
//!       printf '%s\n' "$want_level" > "$root/etc/balancer.level"
//!       printf '%s\n' "$reason" > "$root/etc/balancer.reason"
//!   hosts: all
//! ```

use indexmap::IndexMap;
use serde::Deserialize;

use super::shared::{edit, shell};
use super::{Kind, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo, SCRIPTED};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::quote::{VARIABLE_HINT, is_variable, is_word};
use crate::model::{Delta, Live, Node};

/// A kind made of shell text.
pub struct OsScript;

/// A kind made of shell text: a probe that looks, and text that changes.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What tells it from others on the same host.
    name: String,
    /// The values wished, by the names the probe reports; `null` for absence.
    want: IndexMap<String, Node>,
    /// Shell text that reports with `put`, `absent` and `unknown`, and writes nothing.
    probe: String,
    /// Shell text that brings about what is wished; the names of what differs are its `"$@"`.
    apply: Option<String>,
    /// Shell variables of both texts.
    #[serde(default)]
    params: IndexMap<String, Node>,
}

/// `drsync_script CODE (NAME VALUE)…`: runs a probe. Records reach standard output by descriptor 9;
/// whatever else the text prints is kept as the reason for what it does not report.
///
/// Names are words by [`is_word`]: only they and the user's own text are evaluated.
static PROBE: Script = Script::each(
    "drsync_script",
    r#"
drsync_script() {
  case $root$1 in
    "$1"|*'$root'*|*'${root'*) ;;
    *) unknown trouble 'its probe does not mention $root, so it cannot look into an image'; return ;;
  esac
  { said=$(drsync_script_run "$@" 2>&1); rc=$?; } 9>&1
  [ "${#said}" -le 2000 ] || said=$(printf '%.2000s…' "$said")
  case $rc$said in
    0) ;;
    0*) unknown trouble "$said" ;;
    *) unknown trouble "${said:+$said; }the probe ended with status $rc" ;;
  esac
}
drsync_script_run() {
  drsync_mark=$mark drsync_n=$n drsync_code=$1
  shift
  # In a shell of its own each: the text may have changed the locale, in which lengths are counted.
  drsync_tell() (
    LC_ALL=C
    case $2 in ''|*[!A-Za-z0-9_.-]*) echo "\`$2\` is not the name of a value" >&2; exit 1 ;; esac
    printf '%s %s value.%s %s %s\n%s\n' "$drsync_mark" "$drsync_n" "$2" "$1" "${#3}" "$3" >&9
  )
  put() { drsync_tell known "$@"; }
  absent() { drsync_tell absent "$1" ''; }
  unknown() { drsync_tell unknown "$@"; }
  cd "$root/" || exit
  while [ $# -gt 0 ]; do eval "$1=\$2"; shift 2; done
  eval "$drsync_code"
}
"#,
);

/// `drsync_script_apply CODE COUNT (NAME VALUE)… DIFFERING…`: runs the text that changes.
static APPLY: Script = Script::each(
    "drsync_script_apply",
    r#"
drsync_script_apply() {
  case $root$1 in
    "$1"|*'$root'*|*'${root'*) ;;
    *) echo 'it does not mention $root, so it cannot change an image'; return 1 ;;
  esac
  drsync_code=$1 drsync_count=$2
  shift 2
  cd "$root/" || return
  while [ "$drsync_count" -gt 0 ]; do
    eval "$1=\$2"
    shift 2
    drsync_count=$((drsync_count - 1))
  done
  eval "$drsync_code"
}
"#,
);

impl Args {
    /// Returns the parameters, each name before its value.
    fn words(&self) -> impl Iterator<Item = Argument> {
        let pairs = self.params.iter();
        pairs.flat_map(|(name, value)| [Argument::plain(name), shell::variable(value)])
    }
}

impl Kind for OsScript {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: SCRIPTED, home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_script.rs");

    fn key(args: &Args) -> String {
        edit::key_part(&args.name)
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(shell::code_problem("probe", &args.probe));
        problems.extend(args.apply.iter().filter_map(|code| shell::code_problem("apply", code)));
        if args.name.trim().is_empty() {
            problems.push(problem(&["name"], "it needs a name to be told from others", None));
        }
        if args.want.is_empty() {
            problems.push(problem(&["want"], "nothing is wished", None));
        }
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        for (name, wish) in &args.want {
            if name.is_empty() || !name.chars().all(sound) {
                let said = format!("`{name}` is not the name of a value");
                let hint = "letters, digits, `_`, `.` and `-`, as the probe reports it";
                problems.push(problem(&["want", name], said, Some(hint)));
            }
            if !shell::is_wish(wish) {
                let said = format!("`{name}` must be one value or a list of such");
                let hint = "a probe reports text: wish for its parts one by one";
                problems.push(problem(&["want", name], said, Some(hint)));
            }
        }
        for name in args.params.keys().filter(|name| !is_variable(name)) {
            let said = format!("`{name}` cannot be the name of a shell variable");
            problems.push(problem(&["params", name], said, Some(VARIABLE_HINT)));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let words = std::iter::once(Argument::plain(&args.probe)).chain(args.words());
        vec![Question::Probe(&PROBE, words.collect())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        if let Reply::Unknown(reason) = &replies[0] {
            return Delta::unknown(&**reason);
        }
        let wishes = args.want.iter();
        let attributes =
            wishes.map(|(name, wish)| shell::compare(name, wish, reported(&replies[0], name)));
        let mut delta = Delta { attributes: attributes.collect(), ..Delta::default() };
        if args.apply.is_none() && delta.differing().next().is_some() {
            let names: Vec<String> =
                delta.differing().map(|attribute| attribute.name.to_string()).collect();
            let names = names.join(", ");
            let said = format!("there is no `apply` that could change {names}: do so by hand");
            delta.refused = Some(said);
            // What comes before it may change it.
            delta.is_curable = true;
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, _: &[Reply]) -> Vec<Action> {
        let Some(code) = &args.apply else { return Vec::new() };
        let mut words = vec![Argument::plain(code)];
        let wishes = args.want.iter().map(|(name, wish)| (format!("want_{name}"), wish));
        let wishes: Vec<_> = wishes.filter(|(name, _)| is_word(name)).collect();
        words.push(Argument::plain((args.params.len() + wishes.len()).to_string()));
        words.extend(args.words());
        for (name, wish) in wishes {
            words.extend([Argument::plain(name), shell::variable(wish)]);
        }
        words.extend(delta.differing().map(|attribute| Argument::plain(&attribute.name)));
        vec![Action::Host(&APPLY, words)]
    }
}

/// Returns what the probe said of `name` last; where it said nothing, the reason.
fn reported(reply: &Reply, name: &str) -> Live {
    let Reply::Fields(fields) = reply else { return Live::Unknown("not a host's reply".into()) };
    let said = fields.iter().rev().find(|field| field.name.strip_prefix("value.") == Some(name));
    match said {
        Some(field) => field.live.clone(),
        None => {
            let trouble = match reply.field("trouble") {
                Live::Unknown(reason) if fields.iter().any(|f| f.name == "trouble") => reason,
                _ => format!("the probe did not report `{name}`"),
            };
            Live::Unknown(trouble)
        }
    }
}
