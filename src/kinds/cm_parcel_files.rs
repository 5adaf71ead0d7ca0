//! `cm.parcel_files`: the parcels in use are on the disks of Cloudera Manager's servers.
//!
//! drsync declares it itself on both `servers` of a manager in `pair.yaml`. A server downloads
//! parcels to its own disk (the manager's setting `PARCEL_REPO_PATH`, by default
//! `/opt/cloudera/parcel-repo`), and after a failover the files may be missing on the server that is
//! active now. They are needed only to bring hosts into the cluster or to add services; where a plan
//! does so, what is missing is downloaded before, on one server after the other, from the manager's
//! own repositories, and compared with the hash that their `manifest.json` tells. Where that fails,
//! nothing is added; a server whose host cannot be reached holds nothing up. The distribution of the
//! file (`el8`, say) is that of the server's host. A parcel has some ten gigabytes: give it time
//! with `--command-timeout`; a download that is cut short goes on where it ended when it is tried
//! again. Plans without such work say nothing of it.
//!
//! ```yaml
//! sides:
//!   dr:
//!     manager:
//!       servers: [cm1.dr.example.com, cm2.dr.example.com]
//! ```

use std::sync::Arc;

use serde::Deserialize;

use super::{Kind, unanswered};
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Entity, PARCEL_FOLDER};
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Secret, Value};

/// Files of parcels on a server of Cloudera Manager.
pub struct CmParcelFiles;

/// Files of parcels on a server of Cloudera Manager.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {}

/// `drsync_cm_parcels DIRECTORY`: the names of the parcels' files that are there, a line each.
static LIST: Script = Script::each(
    "drsync_cm_parcels",
    r#"
drsync_cm_parcels() {
  dir=$root$1 names=
  if [ ! -d "$dir" ]; then put files ''; return; fi
  if [ ! -r "$dir" ] || [ ! -x "$dir" ]; then unknown files "$1 cannot be read"; return; fi
  for file in "$dir"/*.parcel; do
    if [ -s "$file" ]; then names=$names${file##*/}$nl; fi
  done
  put files "$names"
}
"#,
);

/// `drsync_cm_parcel DIRECTORY PARCEL URL…`: downloads a parcel from the first repository that has
/// it. The address goes to curl through a pipe: it may hold a login.
static FETCH: Script = Script::each(
    "drsync_cm_parcel",
    r#"
drsync_cm_parcel() {
  dir=$root$1 parcel=$2 silent='' failed=''
  shift 2
  if ! command -v curl >/dev/null 2>&1; then printf 'curl is not there to download it'; return 1; fi
  drsync_cm_distribution || return
  file=$parcel-$distribution.parcel part=$dir/.$parcel-$distribution.drsync
  for url do
    url=${url%/}
    if ! manifest=$(drsync_cm_get "$url/manifest.json"); then
      silent="; one has no manifest.json: $manifest"
      continue
    fi
    hash=$(printf '%s\n' "$manifest" | drsync_cm_hash "$file")
    if [ -z "$hash" ]; then continue; fi
    if failed=$(drsync_cm_take "$url/$file" 2>&1); then return; fi
  done
  if [ -n "$failed" ]; then printf '%s: %s' "$file" "$failed"; return 1; fi
  printf 'no repository of the manager offers %s%s: put it and its .sha file into %s yourself' \
    "$file" "$silent" "${dir#"$root"}"
  return 1
}
drsync_cm_take() {
  mkdir -p -- "$dir" || return
  said=$(drsync_cm_get "$1" -C - -o "$part")
  status=$?
  case ${#hash} in 40) summing=sha1sum ;; *) summing=sha256sum ;; esac
  sum=$({ "$summing" < "$part"; } 2>/dev/null)
  if [ "${sum%% *}" != "$hash" ]; then
    # What was cut short goes on where it ended, unless the repository cannot do that (33).
    case $status in 0|33) rm -f -- "$part" ;; esac
    printf '%s' "${said:-it is not what the manifest says: its hash is another}"
    return 1
  fi
  printf '%s' "$hash" > "$dir/$file.sha" || return
  chown --reference="$dir" -- "$part" "$dir/$file.sha" || return
  mv -f -- "$part" "$dir/$file"
}
drsync_cm_get() {
  address=$1
  shift
  case $address in *[\"\\]*) printf 'an address with a quote in it'; return 1 ;; esac
  printf 'url = "%s"\n' "$address" | curl -q -fsSLg --retry 2 --connect-timeout 10 \
    --speed-limit 1 --speed-time 60 -K - "$@" 2>&1
}
# The members of an object may come in any order, and objects stand in objects: what is between
# quotes is taken from what is around it, and the braces there are counted.
drsync_cm_hash() {
  awk -v file="$1" '
    function around(s,  i, c) {
      for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "{") { depth++; name[depth] = hash[depth] = "" }
        else if (c == "}") {
          if (name[depth] == file && hash[depth] ~ /^[0-9a-f]+$/ && found == "") found = hash[depth]
          depth--
        }
        if (c == ":") is_value = 1
        else if (c != " " && c != "\t") is_value = 0
      }
    }
    function text(s) {
      if (!is_value) { member = s; return }
      if (member == "parcelName") name[depth] = s
      if (member == "hash") hash[depth] = s
      is_value = 0
    }
    {
      n = split($0, parts, "\"")
      within = 0
      for (p = 1; p <= n; p++) {
        if (!within) { around(parts[p]); within = 1; held = ""; continue }
        held = held parts[p]
        if (match(parts[p], /\\+$/) && RLENGTH % 2) { held = held "\""; continue }
        text(held); within = 0
      }
    }
    END { print found }'
}
drsync_cm_distribution() {
  os() { sed -n "s/^$1=//p" "$root/etc/os-release" | tr -d "\"'"; }
  id=$(os ID) version=$(os VERSION_ID)
  case $id in
    rhel|centos|rocky|almalinux|ol) distribution=el${version%%.*} ;;
    sles) distribution=sles${version%%.*} ;;
    ubuntu|debian) distribution=$(os VERSION_CODENAME) ;;
    *) printf 'parcels for `%s` are not known: put the file and its .sha file there yourself' "$id"
      return 1 ;;
  esac
}
"#,
);

impl Kind for CmParcelFiles {
    type Args = Args;
    const INFO: KindInfo =
        KindInfo { name: "cm.parcel_files", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_parcel_files.rs");

    fn key(_: &Args) -> String {
        "in use".into()
    }

    fn ask(_: &Args) -> Vec<Question> {
        vec![
            list(PARCEL_FOLDER),
            Question::Entity(Entity::ParcelsInUse),
            Question::Entity(Entity::Repositories),
        ]
    }

    /// The folder is only known once the manager has told it; mostly it is the standard one.
    fn ask_further(_: &Args, replies: &[Reply]) -> Vec<Question> {
        if matches!(replies[0], Reply::Unknown(_)) {
            return Vec::new();
        }
        let told = folder(&replies[2]).ok().filter(|folder| **folder != *PARCEL_FOLDER);
        told.map(|folder| list(&folder)).into_iter().collect()
    }

    fn diff(_: &Args, replies: &[Reply]) -> Delta {
        if let Some(delta) = unanswered(&replies[1]) {
            return delta;
        }
        if let Err(reason) = folder(&replies[2]) {
            return Delta::unknown(reason);
        }
        let files = match replies.get(3).unwrap_or(&replies[0]).text("files") {
            Ok(files) => files.unwrap_or_default(),
            Err(reason) => return Delta::unknown(reason),
        };
        let attributes = in_use(&replies[1]).map(|parcel| {
            let live = match is_there(&files, parcel) {
                true => Live::Known(Value::text("downloaded")),
                false => Live::Absent,
            };
            Attribute::new(parcel.to_string(), live, Value::text("downloaded"))
        });
        Delta { attributes: attributes.collect(), ..Delta::default() }
    }

    fn steps(_: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let Ok(folder) = folder(&replies[2]) else { return Vec::new() };
        // In an address with braces the manager puts in a version; it has others beside it.
        let urls = replies[2].texts("url/").filter(|(_, url)| !url.contains('{'));
        let secret = |(_, url): (&str, &str)| Argument::Secret(Secret::derived(url.to_string()));
        let urls: Vec<Argument> = urls.map(secret).collect();
        let fetch = |attribute: &Attribute| {
            let mut words = vec![Argument::plain(&folder), Argument::plain(&attribute.name)];
            words.extend(urls.iter().cloned());
            Action::Host(&FETCH, words)
        };
        delta.differing().map(fetch).collect()
    }
}

fn list(folder: &str) -> Question {
    Question::Probe(&LIST, vec![Argument::plain(folder)])
}

/// Returns the folder as the manager tells it.
fn folder(repositories: &Reply) -> Result<Arc<str>, String> {
    let told = repositories
        .text("folder")
        .map_err(|reason| format!("the settings of the manager could not be read: {reason}"))?;
    told.filter(|folder| folder.starts_with('/'))
        .ok_or_else(|| "the manager's `PARCEL_REPO_PATH` is no absolute path: set it right".into())
}

fn in_use(reply: &Reply) -> impl Iterator<Item = &str> {
    reply.texts("parcel/").map(|(parcel, _)| parcel)
}

/// True if there is a file of the parcel, for whatever distribution.
fn is_there(files: &str, parcel: &str) -> bool {
    let rest = |file: &str| {
        file.strip_prefix(parcel)?.strip_prefix('-')?.strip_suffix(".parcel").map(str::len)
    };
    files.lines().any(|file| rest(file).is_some_and(|length| length > 0))
}
