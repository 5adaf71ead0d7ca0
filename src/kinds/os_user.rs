//! `os.user`: a local user.
//!
//! Parameters follow Ansible's `user`. What is not declared is left as it is. A user that exists
//! with another number is refused rather than renumbered: files would keep the old number;
//! `change_uid: true` renumbers it all the same. A user that comes from a directory service is
//! taken as it is, never changed. `password` is a hash of crypt(5), best kept as a secret.
//!
//! ```yaml
//! - name: Account of the HDFS service
//!   os.user:
//!     name: hdfs
//!     uid: 982
//!     group: hdfs
//!     groups: [hadoop]
//!     shell: /sbin/nologin
//!     home: /var/lib/hadoop-hdfs
//!     system: true
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::state::State;
use super::shared::{account, file, ownership};
use super::{Kind, Link, argument, problem};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Node, Value, Want};

/// A local user.
pub struct OsUser;

/// A local user.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The login name.
    name: String,
    /// Its number.
    uid: Option<u32>,
    /// Its first group, by name or number.
    group: Option<String>,
    /// Further groups it is in.
    groups: Option<Vec<String>>,
    /// May it be in other groups too? Otherwise it leaves them.
    #[serde(default)]
    append: bool,
    /// The login shell.
    shell: Option<String>,
    /// The home folder; where it changes, files stay where they are.
    home: Option<String>,
    /// What the account is for (the GECOS field).
    comment: Option<String>,
    /// The hash of its password, as in /etc/shadow.
    password: Option<Node>,
    /// Must no password fit? Logging in by key stays possible.
    password_lock: Option<bool>,
    /// Take a number from the system's range when it is made?
    #[serde(default)]
    system: bool,
    /// Make its home folder when the user is made?
    #[serde(default = "yes")]
    create_home: bool,
    /// Renumber a user that exists with another number?
    #[serde(default)]
    change_uid: bool,
    /// Should the user be there?
    #[serde(default)]
    state: State,
    /// Remove home folder and mail with the user?
    #[serde(default)]
    remove: bool,
}

fn yes() -> bool {
    true
}

/// `drsync_user VERB NAME UID GROUP GROUPS(yes|append|) LIST SHELL HOME COMMENT(yes|) TEXT SYSTEM HOME?`
static CHANGE: Script = Script::each(
    "drsync_user",
    r#"
drsync_user() {
  verb=$1 name=$2 more=
  if [ "$verb" = userdel ]; then
    userdel ${root:+-P "$root"} ${3:+-r} -- "$name"
    return
  fi
  case $5 in
    yes) more=-G ;;
    append) more=-aG; [ "$verb" = usermod ] || more=-G ;;
  esac
  [ "$verb" = useradd ] && [ -z "$root" ] && [ -n "$8" ] && [ -n "${12}" ] && { mkdir -p "${8%/*}/" || return; }
  "$verb" ${root:+-P "$root"} ${3:+-u "$3"} ${4:+-g "$4"} ${more:+$more "$6"} ${7:+-s "$7"} ${8:+-d "$8"} \
    ${9:+-c "${10}"} ${11:+-r} ${12:+"${12}"} -- "$name"
}
"#,
);

/// `drsync_password NAME HASH`: the hash goes through a pipe, since everyone can read arguments.
static PASSWORD: Script = Script::each(
    "drsync_password",
    r#"
drsync_password() {
  printf '%s:%s\n' "$1" "$2" | chpasswd -e ${root:+-R "$root"}
}
"#,
);

/// `drsync_lock NAME lock|unlock`.
static LOCK: Script = Script::each(
    "drsync_lock",
    r#"
drsync_lock() {
  case $2 in lock) usermod ${root:+-P "$root"} -L -- "$1" ;; *) usermod ${root:+-P "$root"} -U -- "$1" ;; esac
}
"#,
);

impl Args {
    fn wants_password(&self) -> bool {
        self.password.is_some() || self.password_lock.is_some()
    }

    fn password(&self) -> Option<Argument> {
        self.password.as_ref().and_then(argument)
    }

    /// Returns the declared groups, sorted.
    fn sorted_groups(&self) -> Option<Vec<String>> {
        let mut groups = self.groups.clone()?;
        groups.sort();
        groups.dedup();
        Some(groups)
    }
}

impl Kind for OsUser {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.user", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_user.rs");

    fn key(args: &Args) -> String {
        args.name.clone()
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems: Vec<Problem> =
            account::name_problem("name", &args.name).into_iter().collect();
        let teams = args.group.iter().map(|g| ("group", g));
        let teams = teams.chain(args.groups.iter().flatten().map(|g| ("groups", g)));
        for (argument, team) in teams.filter(|(_, team)| !ownership::is_account(team)) {
            let said = format!(
                "`{}` is not the name of a group",
                team.chars().take(60).collect::<String>()
            );
            problems.push(problem(&[argument], said, None));
        }
        for (name, path) in [("shell", &args.shell), ("home", &args.home)] {
            problems.extend(path.as_deref().and_then(|path| file::path_problem(name, path)));
            if path.as_deref().is_some_and(|path| path.contains(':')) {
                problems.push(problem(&[name], "a path in passwd(5) has no colon", None));
            }
        }
        let bad = |text: &str| text.contains([':', '\n']) || text.contains(char::is_control);
        if args.comment.as_deref().is_some_and(|c| bad(c) || c.len() > 1024) {
            let said = "a comment is one line of at most 1024 bytes, without colons";
            problems.push(problem(&["comment"], said, None));
        }
        match (&args.password, args.password()) {
            (Some(_), None) => {
                problems.push(problem(&["password"], "`password` must be text", None));
            }
            (_, Some(hash)) if bad(hash.reveal()) || hash.reveal().len() > 512 => {
                let hint = Some("`mkpasswd` and `openssl passwd -6` make one");
                problems.push(problem(&["password"], "not a hash of crypt(5)", hint));
            }
            _ => {}
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![account::ask_user(&args.name, args.wants_password())]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let entry = match replies[0].text("entry") {
            Ok(entry) => entry,
            Err(reason) => return Delta::unknown(reason),
        };
        let live = entry.as_ref().map_or(Live::Absent, |_| Live::Known(Value::text("present")));
        if args.state == State::Absent {
            let gone = Attribute::gone("state", live);
            return refused(args, replies, Delta { attributes: vec![gone], ..Delta::default() });
        }
        let mut delta = Delta::default();
        delta.attributes.push(Attribute::new("state", live, Value::text("present")));
        let fields: Option<Vec<&str>> = entry.as_deref().map(|entry| entry.split(':').collect());
        let field = |at: usize| match &fields {
            Some(fields) => Live::Known(Value::text(fields.get(at).copied().unwrap_or_default())),
            None => Live::Absent,
        };
        let mut add = |name: &'static str, live: Live, want: Option<String>| {
            delta.attributes.extend(want.map(|want| Attribute::new(name, live, Value::text(want))));
        };
        add("uid", field(2), args.uid.map(|uid| uid.to_string()));
        let by_number = args.group.as_deref().is_some_and(ownership::is_number);
        let group = match (by_number, &fields) {
            (false, Some(_)) => replies[0].field("group"),
            _ => field(3),
        };
        add("group", group, args.group.clone());
        add("comment", field(4), args.comment.clone());
        add("home", field(5), args.home.clone());
        add("shell", field(6), args.shell.clone());
        delta.attributes.extend(groups(args, &replies[0], fields.is_some()));
        delta.attributes.extend(password(args, &replies[0], fields.is_some()));
        refused(args, replies, delta)
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let is_there = matches!(replies[0].text("entry"), Ok(Some(_)));
        if args.state == State::Absent {
            let remove = if args.remove { "remove" } else { "" };
            let words = ["userdel", &args.name, remove].map(Argument::plain);
            return vec![Action::Host(&CHANGE, words.to_vec())];
        }
        let differs = |name: &str| delta.differing().any(|attribute| attribute.name == name);
        let pick = |name: &str, value: Option<String>| match differs(name) {
            true => value.unwrap_or_default(),
            false => String::new(),
        };
        let mut actions = Vec::new();
        if ["state", "uid", "group", "groups", "shell", "home", "comment"]
            .iter()
            .any(|n| differs(n))
        {
            let groups = match (differs("groups"), args.append) {
                (false, _) => "",
                (true, true) => "append",
                (true, false) => "yes",
            };
            let comment = if differs("comment") { "yes" } else { "" };
            let system = if args.system && !is_there { "system" } else { "" };
            let home = match (is_there, args.create_home) {
                (true, _) => "",
                (false, true) => "-m",
                (false, false) => "-M",
            };
            let words = [
                if is_there { "usermod" } else { "useradd" },
                &args.name,
                &pick("uid", args.uid.map(|uid| uid.to_string())),
                &pick("group", args.group.clone()),
                groups,
                &args.sorted_groups().unwrap_or_default().join(","),
                &pick("shell", args.shell.clone()),
                &pick("home", args.home.clone()),
                comment,
                args.comment.as_deref().unwrap_or_default(),
                system,
                home,
            ];
            actions.push(Action::Host(&CHANGE, words.map(Argument::plain).to_vec()));
        }
        if let (Some(hash), true) = (args.password(), differs("password")) {
            actions.push(Action::Host(&PASSWORD, vec![Argument::plain(&args.name), hash]));
        }
        if let (Some(lock), true) = (args.password_lock, differs("password_lock")) {
            let verb = if lock { "lock" } else { "unlock" };
            let words = [&args.name, verb].map(Argument::plain);
            actions.push(Action::Host(&LOCK, words.to_vec()));
        }
        actions
    }

    fn needs(args: &Args) -> Vec<Link> {
        let groups = args.group.iter().chain(args.groups.iter().flatten());
        let mut links: Vec<Link> = groups.map(|group| Link::new("os.group", group)).collect();
        links.extend(args.shell.iter().map(|shell| Link::new("os.file", shell)));
        links
    }
}

/// Refuses what would harm: users of a directory service, and new numbers for old users.
fn refused(args: &Args, replies: &[Reply], mut delta: Delta) -> Delta {
    let is_there = matches!(replies[0].text("entry"), Ok(Some(_)));
    let is_foreign = matches!(replies[0].text("local"), Ok(Some(local)) if &*local == "no");
    let uid = delta.differing().find(|attribute| attribute.name == "uid");
    if is_there && is_foreign && delta.differing().next().is_some() {
        delta.refused = Some("it comes from a directory service: change it there".into());
    } else if let (Some(Attribute { before: Live::Known(uid), .. }), false) = (uid, args.change_uid)
    {
        delta.refused = Some(format!(
            "it exists with the number {uid}, which files may carry: renumber it by hand, or \
             declare `change_uid: true`"
        ));
    }
    delta
}

/// Compares the further groups: all of them, or with `append` only the declared ones.
fn groups(args: &Args, reply: &Reply, is_there: bool) -> Option<Attribute> {
    let want = args.sorted_groups()?;
    let texts = |names: &[String]| Value::List(names.iter().map(Value::text).collect());
    let live = match reply.text("groups") {
        _ if !is_there && want.is_empty() => Live::Known(Value::List(Vec::new())),
        _ if !is_there => Live::Absent,
        Err(reason) => Live::Unknown(reason),
        Ok(list) => {
            let list = list.unwrap_or_default();
            let mut names: Vec<String> =
                list.split(',').filter(|name| !name.is_empty()).map(String::from).collect();
            names.sort();
            names.dedup();
            if args.append {
                names.retain(|name| want.contains(name));
            }
            Live::Known(texts(&names))
        }
    };
    Some(Attribute::new("groups", live, texts(&want)))
}

/// Compares the password hash, and whether it is locked: a `!` before the hash locks it.
fn password(args: &Args, reply: &Reply, is_there: bool) -> Vec<Attribute> {
    let live = match reply.text("password") {
        _ if !args.wants_password() => return Vec::new(),
        _ if !is_there => Ok(None),
        other => other,
    };
    let mut attributes = Vec::new();
    if let Some(hash) = args.password() {
        let (before, differs) = match &live {
            Err(reason) => (Live::Unknown(reason.clone()), false),
            Ok(None) => (Live::Absent, true),
            Ok(Some(live)) => {
                let bare =
                    if args.password_lock.is_some() { live.trim_start_matches('!') } else { live };
                (Live::Known(Value::Sensitive), bare != hash.reveal())
            }
        };
        let after = Want::Value(Value::Sensitive);
        attributes.push(Attribute { name: "password".into(), before, after, differs, note: None });
    }
    if let Some(lock) = args.password_lock {
        let before = match live {
            Err(reason) => Live::Unknown(reason),
            // A user without an entry, or one just made, has no password that fits.
            Ok(None) => Live::Known(Value::Bool(true)),
            Ok(Some(live)) => Live::Known(Value::Bool(live.starts_with('!'))),
        };
        attributes.push(Attribute::new("password_lock", before, Value::Bool(lock)));
    }
    attributes
}
