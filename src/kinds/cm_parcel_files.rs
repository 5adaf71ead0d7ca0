//! `cm.parcel_files`: the parcels in use are on the disks of Cloudera Manager's servers.
//!
//! drsync declares it itself on both `servers` of a manager in `pair.yaml`. A server downloads
//! parcels to its own disk (`/opt/cloudera/parcel-repo`), and after a failover the files may be
//! missing on the server that is active now. They are needed only to bring hosts into the cluster or
//! to add services; where a plan does so, what is missing is downloaded before, from the manager's
//! own repositories, and compared with the hash that their `manifest.json` tells. The distribution
//! of the file (`el8`, say) is that of the server's host. A parcel has some ten gigabytes: give it
//! time with `--command-timeout`; a download that is cut short goes on where it ended when it is
//! tried again. Plans without such work say nothing of it.
//!
//! ```yaml
//! sides:
//!   dr:
//!     manager:
//!       servers: [cm1.dr.example.com, cm2.dr.example.com]
//! ```

use serde::Deserialize;

use super::{Kind, unanswered};
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::Entity;
use crate::model::question::{Action, Argument, Question, Reply, Script};
use crate::model::{Attribute, Delta, Live, Secret, Value};

/// Files of parcels on a server of Cloudera Manager.
pub struct CmParcelFiles;

/// Files of parcels on a server of Cloudera Manager.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Where the server keeps them.
    #[serde(default = "standard_directory")]
    directory: String,
}

fn standard_directory() -> String {
    "/opt/cloudera/parcel-repo".into()
}

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
  dir=$root$1 parcel=$2
  shift 2
  if ! command -v curl >/dev/null 2>&1; then printf 'curl is not there to download it'; return 1; fi
  drsync_cm_distribution || return
  found=
  for url do
    if manifest=$(drsync_cm_get "${url%/}/manifest.json"); then
      hash=$(printf '%s\n' "$manifest" | drsync_cm_hash "$parcel-$distribution.parcel")
      if [ -n "$hash" ]; then found=${url%/}; break; fi
    fi
  done
  if [ -z "$found" ]; then
    printf 'no repository of the manager offers %s-%s.parcel: put it and its .sha file into %s yourself' \
      "$parcel" "$distribution" "${dir#"$root"}"
    return 1
  fi
  mkdir -p -- "$dir" || return
  file=$parcel-$distribution.parcel part=$dir/.$parcel-$distribution.drsync
  said=$(drsync_cm_get "$found/$file" -C - -o "$part")
  status=$?
  case ${#hash} in 40) sum=$(sha1sum < "$part") ;; *) sum=$(sha256sum < "$part") ;; esac
  if [ "${sum%% *}" != "$hash" ]; then
    # What was cut short goes on where it ended, unless the repository cannot do that (33).
    case $status in 0|33) rm -f -- "$part" ;; esac
    printf '%s: %s' "$file" "${said:-it is not what the manifest says: its hash is another}"
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
  printf 'url = "%s"\n' "$address" | curl -q -fsSL --retry 2 -K - "$@" 2>&1
}
drsync_cm_hash() {
  awk -v file="$1" '{ text = text " " $0 }
    END {
      n = split(text, parcels, "\"parcelName\"")
      for (i = 2; i <= n; i++) {
        if (index(parcels[i], "\"" file "\"") && match(parcels[i], /"hash" *: *"[0-9a-f]+"/)) {
          split(substr(parcels[i], RSTART, RLENGTH), words, "\"")
          print words[4]; exit
        }
      }
    }'
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

    fn key(args: &Args) -> String {
        args.directory.clone()
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![
            Question::Probe(&LIST, vec![Argument::plain(&args.directory)]),
            Question::Entity(Entity::ParcelsInUse),
            Question::Entity(Entity::Repositories),
        ]
    }

    fn diff(_: &Args, replies: &[Reply]) -> Delta {
        if let Some(delta) = unanswered(&replies[1]) {
            return delta;
        }
        let files = match replies[0].text("files") {
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
        let delta = Delta { attributes: attributes.collect(), ..Delta::default() };
        match &replies[2] {
            Reply::Unknown(reason) if delta.differing().next().is_some() => {
                Delta::unknown(format!("the repositories could not be read: {reason}"))
            }
            _ => delta,
        }
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let secret = |(_, url): (&str, &str)| Argument::Secret(Secret::derived(url.to_string()));
        let urls: Vec<Argument> = replies[2].texts("url/").map(secret).collect();
        let fetch = |attribute: &Attribute| {
            let mut words =
                vec![Argument::plain(&args.directory), Argument::plain(&attribute.name)];
            words.extend(urls.iter().cloned());
            Action::Host(&FETCH, words)
        };
        delta.differing().map(fetch).collect()
    }
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
