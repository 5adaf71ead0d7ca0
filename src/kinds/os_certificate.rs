//! `os.certificate`: certificates in PEM files and Java key stores: what they must be like, and
//! placing them.
//!
//! What is asked of a certificate is checked against the file's first one (`subject`, `issuer`, `san`,
//! `key`, `trusted_by`) or all of them (`valid_days`): in a Java key store those of the entry `alias`,
//! or of its only private key. `subject` and `issuer` are a common name or a whole name in any usual
//! spelling. Whether a signature holds is checked here, with the clock of the host, against a PEM
//! bundle or a trust store on the host; `key` compares public keys by `openssl` on the host.
//!
//! With `content` (PEM text) or `source` (a file under `files/`) a PEM file is placed, or, with
//! `alias`, a trusted certificate put into a Java key store: drsync writes the store itself, so no
//! JDK is needed and the password stays here. Then the certificate placed must be as asked. Without
//! them, what is not as asked is refused: drsync makes no certificates. JKS stores are read without
//! their password; where it is declared, it is checked. PKCS#12 is not read.
//!
//! ```yaml
//! - name: Certificate of the host
//!   os.certificate:
//!     path: /opt/cloudera/security/pki/host.pem
//!     san: [dn-01.example.com]
//!     valid_days: 30
//!     trusted_by: /opt/cloudera/security/pki/ca.pem
//!     key: /opt/cloudera/security/pki/host.key
//! - name: Trust in the other side
//!   os.certificate:
//!     path: /opt/cloudera/security/pki/truststore.jks
//!     alias: dr-ca
//!     password: changeit
//!     source: dr-ca.pem
//! ```

use serde::Deserialize;

use super::shared::bytes;
use super::shared::certificates::{Form, Held, Judged, Wishes, day};
use super::shared::file::{self, ATTRIBUTES, PUT, REMOVE, Sight, Stat};
use super::shared::ownership::Ownership;
use super::shared::state::State;
use super::{Kind, Link, argument, folders_above, problem};
use crate::format::jks::{self, Entry, Store};
use crate::format::x509::{Certificate, Name, pem};
use crate::model::change::Problem;
use crate::model::digest::sha256;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Node, Secret, Value};

/// Certificates in a file.
pub struct OsCertificate;

/// Certificates in PEM files and Java key stores: what they must be like, and placing them.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Absolute path of the file.
    path: String,
    /// The format of the file; told from the file where it is left out.
    #[serde(default)]
    format: Format,
    /// An entry of a Java key store.
    alias: Option<String>,
    /// The password of the Java key store.
    password: Option<Node>,
    /// The certificates to place, as PEM text.
    content: Option<Node>,
    /// A file under `files/` with the certificates to place.
    #[expect(dead_code, reason = "the language replaces it by `content`; here for the schema")]
    source: Option<String>,
    /// A file under `templates/` that renders to the certificates to place.
    #[expect(dead_code, reason = "the language replaces it by `content`; here for the schema")]
    template: Option<String>,
    /// What a source that is not text becomes.
    #[schemars(skip)]
    content_base64: Option<String>,
    /// Which file the content came from.
    #[schemars(skip)]
    from: Option<String>,
    /// Make the Java key store where there is none?
    #[serde(default)]
    create: bool,
    /// Should the file, or with `alias` the entry, be there?
    #[serde(default)]
    state: State,
    /// Permissions in octal, quoted: "0644".
    mode: Option<Node>,
    /// Owner, by name or number.
    owner: Option<String>,
    /// Group, by name or number.
    group: Option<String>,
    /// Whom it must be for: a common name, or a whole name such as `CN=a,O=b`.
    subject: Option<String>,
    /// Who must have signed it: a common name or a whole name.
    issuer: Option<String>,
    /// Names and addresses it must be for, beside any others; a `*` in the certificate counts.
    #[serde(default)]
    san: Vec<String>,
    /// How many more days it must be valid, by the clock of the host.
    valid_days: Option<u32>,
    /// A PEM bundle or Java trust store on the host; what is in it must have signed it.
    trusted_by: Option<String>,
    /// The path of its private key on the host.
    key: Option<String>,
    /// The password of the private key.
    key_password: Option<Node>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Auto,
    Pem,
    Jks,
}

/// `drsync_public_key PATH PASSWORD`: the public part of a private key. The password goes through the
/// environment, where only the same user sees it; an empty one keeps openssl from asking.
static PUBLIC_KEY: Script = Script::each(
    "drsync_public_key",
    r#"
drsync_public_key() {
  path=$root$1
  if [ ! -e "$path" ] && [ ! -L "$path" ] && { [ -x "${path%/*}/" ] || [ ! -e "${path%/*}/" ]; }; then
    absent public
  elif [ -n "$root" ] && [ -L "$path" ]; then
    unknown public 'the key is a symbolic link, which is not followed in an image'
  elif ! command -v openssl >/dev/null 2>&1; then
    unknown public 'openssl is not there to read the key'
  elif out=$(DRSYNC_PASSWORD=$2 openssl pkey -in "$path" -passin env:DRSYNC_PASSWORD -pubout 2>&1); then
    put public "$out"
  else unknown public "$1: ${out%%"$nl"*}"; fi
}
"#,
);

impl Args {
    fn ownership(&self) -> Ownership<'_> {
        let (owner, group) = (self.owner.as_deref(), self.group.as_deref());
        Ownership { mode: self.mode.as_ref(), owner, group }
    }

    fn content(&self) -> Option<Argument> {
        self.content.as_ref().and_then(argument)
    }

    /// Returns the certificates to place; none where none are declared.
    fn wished(&self) -> Option<Vec<Certificate>> {
        let blocks = pem(self.content()?.reveal().as_bytes()).ok()?;
        blocks.iter().filter_map(|block| block.certificate()).collect::<Result<_, _>>().ok()
    }

    fn password(&self) -> Option<Argument> {
        self.password.as_ref().and_then(argument)
    }

    fn wishes(&self) -> Wishes<'_> {
        Wishes {
            subject: self.subject.as_deref(),
            issuer: self.issuer.as_deref(),
            san: &self.san,
            valid_days: self.valid_days,
            trusted_by: self.trusted_by.as_deref(),
            key: self.key.as_deref(),
        }
    }

    /// True when something is asked that only makes sense of a single certificate.
    fn is_about_one(&self) -> bool {
        let wishes = self.wishes();
        wishes != Wishes { valid_days: wishes.valid_days, ..Wishes::default() }
    }

    fn is_of_store(&self) -> bool {
        self.format == Format::Jks || self.alias.is_some()
    }
}

impl Kind for OsCertificate {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.certificate", home: Home::Host, takes_files: true };
    const SOURCE: &'static str = include_str!("os_certificate.rs");

    fn key(args: &Args) -> String {
        match &args.alias {
            Some(alias) => format!("{}: {alias}", args.path),
            None => args.path.clone(),
        }
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(file::path_problem("path", &args.path));
        let others = [("trusted_by", &args.trusted_by), ("key", &args.key)];
        problems.extend(
            others.iter().filter_map(|(name, path)| file::path_problem(name, path.as_deref()?)),
        );
        args.ownership().check(&mut problems);
        check_content(args, &mut problems);
        check_wishes(args, &mut problems);
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        let mut questions =
            vec![file::ask(&args.path, "", Sight::Attributes), bytes::ask(&args.path)];
        questions.extend(args.trusted_by.as_deref().map(bytes::ask));
        questions.extend(args.key.as_ref().map(|key| {
            let password = args.key_password.as_ref().and_then(argument);
            let words = [Argument::plain(key), password.unwrap_or(Argument::plain(""))];
            Question::Probe(&PUBLIC_KEY, words.to_vec())
        }));
        questions
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let live = match Found::read(args, replies) {
            Ok(live) => live,
            Err(delta) => return delta,
        };
        match args.state {
            State::Absent => gone(args, &live),
            State::Present => present(args, &live, replies),
        }
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(live) = Found::read(args, replies) else { return Vec::new() };
        let names: Vec<&str> = delta.differing().map(|a| &*a.name).collect();
        let mut words = vec![Argument::plain(&args.path)];
        words.extend(args.ownership().words());
        let old = || match &live.bytes {
            Some(bytes) => Argument::plain(sha256(bytes)),
            None => Argument::plain("absent"),
        };
        if names.contains(&"state") {
            return vec![Action::Host(&REMOVE, vec![Argument::plain(&args.path)])];
        }
        if names.contains(&"entry") {
            use base64::Engine as _;
            let now = bytes::now(&replies[1]).unwrap_or_default();
            let Some(store) = changed(args, &live, now) else { return Vec::new() };
            let store = base64::engine::general_purpose::STANDARD.encode(store);
            words.push(Argument::plain("base64"));
            words.extend([Argument::Secret(Secret::derived(store)), old()]);
            return vec![Action::Host(&PUT, words)];
        }
        if names.contains(&"content") {
            let content = args.content().unwrap_or(Argument::plain(""));
            words.extend([Argument::plain("text"), content, old()]);
            return vec![Action::Host(&PUT, words)];
        }
        match names.iter().any(|name| ["mode", "owner", "group"].contains(name)) {
            true => vec![Action::Host(&ATTRIBUTES, words)],
            false => Vec::new(),
        }
    }

    fn needs(args: &Args) -> Vec<Link> {
        let paths = [Some(&args.path), args.trusted_by.as_ref(), args.key.as_ref()];
        let files = paths.into_iter().flatten().map(|path| Link::new("os.file", path));
        let bundle = args.trusted_by.iter().map(|path| Link::new("os.certificate", path));
        let folders = folders_above(&args.path);
        files.chain(bundle).chain(folders).chain(args.ownership().needs()).collect()
    }
}

fn check_content(args: &Args, problems: &mut Vec<Problem>) {
    let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
    if args.content_base64.is_some() {
        add("content_base64", "certificates are placed as PEM text, and this is none");
    }
    if let Some(node) = &args.content {
        let text = argument(node).map(|text| text.reveal().to_string()).unwrap_or_default();
        match pem(text.as_bytes()) {
            Err(said) => add("content", &format!("not PEM text: {said}")),
            Ok(blocks) if blocks.iter().any(|block| block.is_private_key()) => {
                add("content", "a private key has no place here: `os.file` places one");
            }
            Ok(blocks) => {
                let found: Vec<_> = blocks.iter().filter_map(|b| b.certificate()).collect();
                match &found[..] {
                    [] => add("content", "there is no certificate in it"),
                    [_, _, ..] if args.is_of_store() => {
                        add("content", "an entry of a trust store holds one certificate");
                    }
                    _ => {}
                }
                let broken = found.into_iter().find_map(Result::err);
                broken.iter().for_each(|said| add("content", said));
            }
        }
    }
    let writes = args.content.is_some() || args.state == State::Absent;
    if writes && args.format == Format::Jks && args.alias.is_none() {
        add("format", "which entry? add `alias`");
    }
    if writes && args.alias.is_some() && args.password.is_none() {
        add("alias", "changing a Java key store needs its `password`");
    }
    let is_odd = |text: &String| text.trim().is_empty() || text.contains(char::is_control);
    if args.alias.as_ref().is_some_and(|alias| is_odd(alias) || alias.len() > 200) {
        add("alias", "not the name of an entry");
    }
}

fn check_wishes(args: &Args, problems: &mut Vec<Problem>) {
    let mut add = |name: &str, said: &str| problems.push(problem(&[name], said, None));
    if args.format == Format::Pem && args.alias.is_some() {
        add("alias", "only a Java key store has entries");
    }
    if args.key.is_some() && args.is_of_store() {
        add("key", "a private key inside of a store always fits its certificate");
    }
    if args.key_password.is_some() && args.key.is_none() {
        add("key_password", "`key_password` needs `key`");
    }
    for (name, wish) in [("subject", &args.subject), ("issuer", &args.issuer)] {
        if wish
            .as_ref()
            .is_some_and(|w| w.trim().is_empty() || w.contains('=') && Name::parse(w).is_none())
        {
            add(name, "neither a common name nor a whole one such as `CN=a,O=b`");
        }
    }
    if args.san.iter().any(|name| name.trim().is_empty()) {
        add("san", "a name is empty");
    }
    for (name, node) in [("password", &args.password), ("key_password", &args.key_password)] {
        if node.as_ref().is_some_and(|node| argument(node).is_none()) {
            add(name, "a password must be text");
        }
    }
    let is_wished =
        args.content.is_some() || args.password.is_some() || args.wishes() != Wishes::default();
    if args.state == State::Present && !is_wished && args.content_base64.is_none() {
        add("path", "nothing is asked of it: add `valid_days`, `san`, `trusted_by` or `content`");
    }
}

/// What is there.
struct Found {
    stat: Option<Stat>,
    bytes: Option<Vec<u8>>,
    held: Option<Held>,
}

impl Found {
    /// Errors: the delta that says why it cannot be told, or why nothing can be done.
    fn read(args: &Args, replies: &[Reply]) -> Result<Found, Delta> {
        let stat = Stat::read(&replies[0]).map_err(Delta::unknown)?;
        if stat.is_none() {
            return Ok(Found { stat, bytes: None, held: None });
        }
        let sort = stat.as_ref().map(|stat| &*stat.sort).unwrap_or_default();
        if !sort.starts_with("regular") && sort != "symbolic link" {
            return Err(Delta::refused(format!("it is a {sort}, not a file")));
        }
        let bytes = bytes::read(&replies[1]).map_err(Delta::unknown)?;
        let bytes = bytes.ok_or_else(|| Delta::unknown("it went away while it was read"))?;
        let held = Held::parse(&bytes).map_err(Delta::refused)?;
        let is_store = matches!(held.form, Form::Jks(_));
        match (args.format, is_store) {
            (Format::Pem, true) => Err(Delta::refused("it is a Java key store, not a PEM file")),
            (Format::Jks, false) => Err(Delta::refused("it is no Java key store")),
            (_, false) if args.alias.is_some() => Err(Delta::refused("it is no Java key store")),
            (_, true) if args.content.is_some() && args.alias.is_none() => {
                Err(Delta::refused("it is a Java key store: which entry? add `alias`"))
            }
            _ => Ok(Found { stat, bytes: Some(bytes), held: Some(held) }),
        }
    }

    fn store(&self) -> Option<&Store> {
        match self.held.as_ref().map(|held| &held.form) {
            Some(Form::Jks(store)) => Some(store),
            _ => None,
        }
    }

    /// True for a store in which no entry stands out: all, or none, have a private key.
    fn is_ambiguous(&self) -> bool {
        self.store().is_some_and(|store| {
            store.entries.iter().filter(|entry| entry.key.is_some()).count() != 1
        })
    }

    /// Returns the certificates that the declaration speaks of, the most important one first.
    fn meant(&self, args: &Args) -> Result<Vec<Certificate>, String> {
        let Some(held) = &self.held else { return Ok(Vec::new()) };
        match (&args.alias, self.store()) {
            (Some(alias), _) => held.of_entry(alias),
            (None, Some(store)) => {
                let mut keys = store.entries.iter().filter(|entry| entry.key.is_some());
                match (keys.next(), keys.next()) {
                    (Some(only), None) => held.of_entry(&only.alias),
                    _ => Ok(held.certificates.clone()),
                }
            }
            (None, None) => Ok(held.certificates.clone()),
        }
    }
}

/// Returns a certificate in short.
fn short(certificate: &Certificate) -> Value {
    let name = certificate.subject.common().map(String::from);
    let name = name.unwrap_or_else(|| certificate.subject.to_string());
    let (until, print) = (day(certificate.until), certificate.fingerprint());
    Value::text(format!("{name} until {until} ({print})"))
}

fn list(certificates: &[Certificate]) -> Value {
    match certificates {
        [only] => short(only),
        several => Value::List(several.iter().map(short).collect()),
    }
}

fn gone(args: &Args, live: &Found) -> Delta {
    let mut delta = Delta::default();
    let (name, before) = match &args.alias {
        Some(_) => match live.meant(args) {
            Ok(found) if found.is_empty() => ("entry", Live::Absent),
            Ok(found) => ("entry", Live::Known(list(&found))),
            Err(reason) => return Delta::unknown(reason),
        },
        None => {
            if live.held.as_ref().is_some_and(|held| held.has_key) {
                delta.refused = Some("it holds a private key: `os.file` removes it".into());
            }
            let found = live.held.as_ref().map(|held| list(&held.certificates));
            ("state", found.map_or(Live::Absent, Live::Known))
        }
    };
    let gone = Attribute::gone(name, before);
    let differs = gone.differs;
    delta.attributes.push(gone);
    if differs && args.alias.is_some() {
        password(args, live, &mut delta);
    }
    delta
}

fn present(args: &Args, live: &Found, replies: &[Reply]) -> Delta {
    let mut delta = Delta::default();
    let found = match live.meant(args) {
        Ok(found) => found,
        Err(reason) => return Delta::unknown(reason),
    };
    password(args, live, &mut delta);
    let mut meant = found.clone();
    if let Some(wished) = args.wished() {
        let name = if args.is_of_store() { "entry" } else { "content" };
        let before = if found.is_empty() { Live::Absent } else { Live::Known(list(&found)) };
        let same = found.iter().map(|c| &c.der).eq(wished.iter().map(|c| &c.der));
        let certificates = Attribute::new(name, before, list(&wished)).noted(args.from.clone());
        delta.attributes.push(Attribute { differs: !same, ..certificates });
        if !same {
            delta.refused = delta.refused.or_else(|| unplaceable(args, live));
        }
        meant = wished;
    }
    args.ownership().compare(live.stat.as_ref(), &mut delta.attributes);
    let mut judged = Judged::new(args.wishes(), bytes::now(&replies[1]));
    match meant.split_first() {
        None if live.held.is_none() => judged.trouble.push("there is no such file".into()),
        None => judged.trouble.push(match &args.alias {
            Some(alias) => format!("there is no entry `{alias}`"),
            None => "there is no certificate in it".into(),
        }),
        Some(_) if args.alias.is_none() && live.is_ambiguous() && args.is_about_one() => {
            judged.trouble.push("it has several entries: name one of them with `alias`".into());
        }
        Some((own, others)) => {
            let rest = &replies[2..];
            judged.names(own);
            judged.time(own, others);
            judged.trust(own, others, rest.first());
            judged.key(own, rest.last());
        }
    }
    delta.attributes.extend(judged.attributes);
    if !judged.trouble.is_empty() && delta.refused.is_none() {
        let is_there = |said: &String| !said.starts_with("there is no ");
        let what = match (&args.content, judged.trouble.iter().any(is_there)) {
            (_, false) => "",
            (Some(_), true) => ": declare another certificate",
            (None, true) => ": place another one",
        };
        delta.refused = Some(format!("{}{what}", judged.trouble.join("; ")));
        // Another resource may bring the file, its key or who vouches for it.
        delta.is_curable = true;
    }
    delta
}

/// Returns why the declared certificates cannot be put where they should be.
fn unplaceable(args: &Args, live: &Found) -> Option<String> {
    if !args.is_of_store() {
        let has_key = live.held.as_ref().is_some_and(|held| held.has_key);
        return has_key.then(|| "it holds a private key too, which would be lost".to_string());
    }
    let Some(store) = live.store() else {
        let said = "there is no such store; `create: true` would make it";
        return (!args.create).then(|| said.to_string());
    };
    let entry = store.entry(args.alias.as_deref().unwrap_or_default())?;
    entry.key.is_some().then(|| "the entry holds a private key, which would be lost".to_string())
}

/// Checks the password of a store.
fn password(args: &Args, live: &Found, delta: &mut Delta) {
    let Some(password) = args.password() else { return };
    let Some(bytes) = &live.bytes else {
        delta.attributes.push(Attribute::new("password", Live::Absent, Value::Sensitive));
        return;
    };
    if live.store().is_none() {
        delta.refused.get_or_insert_with(|| "only a Java key store has a password".to_string());
        return;
    }
    let is_right = jks::opens(bytes, password.reveal());
    let before = Live::Known(Value::Sensitive);
    let attribute = Attribute::new("password", before, Value::Sensitive);
    delta.attributes.push(Attribute { differs: !is_right, ..attribute });
    if !is_right {
        let said = "the store has another password, or is damaged";
        delta.refused.get_or_insert_with(|| said.to_string());
    }
}

/// Returns the store with the entry added, replaced or removed.
fn changed(args: &Args, live: &Found, now: i64) -> Option<Vec<u8>> {
    let (alias, password) = (args.alias.as_ref()?.to_lowercase(), args.password()?);
    let mut store = live.store().cloned().unwrap_or_default();
    let at = store.entries.iter().position(|entry| entry.alias.to_lowercase() == alias);
    let old = at.map(|at| store.entries.remove(at));
    if args.state == State::Present {
        let alias = old.map_or(alias, |old| old.alias);
        let chain = args.wished()?.into_iter().map(|certificate| certificate.der).collect();
        let entry = Entry { alias, made: now * 1000, key: None, chain };
        store.entries.insert(at.unwrap_or(store.entries.len()), entry);
    }
    Some(store.write(password.reveal()))
}
