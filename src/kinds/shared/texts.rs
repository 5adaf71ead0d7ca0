//! Reading all files of `…/x.d` folders of a host, and changing some of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::PUT;
use crate::model::digest::sha256;
use crate::model::question::{Action, Argument, Question, Reply, Script};

/// A text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Where it was found, which decides its rank.
    pub path: String,
    /// Where it lies: another place when `path` is a symbolic link.
    pub target: String,
    /// What it says.
    pub text: Arc<str>,
}

/// Asks for the texts at `places`: files, and, where a place ends in `/`, every file in it whose
/// name ends in `suffix`. All resources of a kind on one host share the question.
pub fn ask(suffix: &str, places: &[&str]) -> Question {
    let words = [suffix].iter().chain(places).map(Argument::plain).collect();
    Question::Probe(&TEXTS, words)
}

/// `drsync_texts SUFFIX PLACE…`: one `ls`, one `stat` and one `cat` see all files.
static TEXTS: Script = Script::each(
    "drsync_texts",
    r#"
drsync_texts() {
  suffix=$1 list= paths= targets= count=0 total=0
  shift
  for place in "$@"; do set -- "$@" "$root$place"; count=$((count + 1)); done
  shift "$count"
  said=$(ls -- "$@" 2>&1 >/dev/null)
  saved=$IFS; IFS=$nl; set -f
  for line in $said; do
    case $line in
      *': No such file or directory'|*': Not a directory') ;;
      *) IFS=$saved; set +f; unknown paths "$line"; return ;;
    esac
  done
  IFS=$saved; set +f
  for place in "$@"; do
    case $place in
      */) for file in "$place"*"$suffix"; do drsync_texts_one "$file" || return; done ;;
      *) drsync_texts_one "$place" || return ;;
    esac
  done
  if [ -n "$list" ]; then
    sizes=$(IFS=$nl; set -f; stat -L -c %s -- $list 2>&1) || { unknown paths "$sizes"; return; }
    count=0
    for size in $sizes; do
      part "text$count" "$size"
      count=$((count + 1)) total=$((total + size))
    done
    packed "$total"
    (IFS=$nl; set -f; cat -- $list)
    printf '\n'
  fi
  put paths "$paths"
  put targets "$targets"
}
drsync_texts_one() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  case $1 in *"$nl"*) return 0 ;; esac
  target=$1
  if [ -L "$1" ]; then
    # What a link in an image names lies in the image; nothing outside it is read.
    target=$(readlink -f -- "$1") || return 0
    case $target in
      /dev/null) ;;
      *)
        top=${root:+$(readlink -f -- "$root")}
        case $target in
          "$top/"*) target=$root${target#"$top"} ;;
          *) unknown paths "${1#"$root"} is a link that leads out of $root"; return 1 ;;
        esac ;;
    esac
  fi
  [ -f "$target" ] || [ "$target" = /dev/null ] || return 0
  list="$list$target$nl" paths="$paths${1#"$root"}$nl" targets="$targets${target#"$root"}$nl"
}
"#,
);

/// Returns the texts a host replied.
///
/// Errors: why they are unknown.
pub fn read(reply: &Reply) -> Result<Vec<Text>, String> {
    let paths = reply.text("paths")?.unwrap_or_default();
    let targets = reply.text("targets")?.unwrap_or_default();
    let mut texts = Vec::new();
    for (i, (path, target)) in paths.lines().zip(targets.lines()).enumerate() {
        let text = reply.text(&format!("text{i}")).map_err(|said| format!("{path}: {said}"))?;
        let text = text.unwrap_or_default();
        texts.push(Text { path: path.into(), target: target.into(), text });
    }
    Ok(texts)
}

/// Returns the texts of `folders` (the most important first) in the order in which they count:
/// sorted by name, and of two with one name only the one in the more important folder.
pub fn in_order<'a>(texts: &'a [Text], folders: &[&str]) -> Vec<&'a Text> {
    let mut found: BTreeMap<&str, (usize, &Text)> = BTreeMap::new();
    for text in texts {
        let (folder, name) = text.path.rsplit_once('/').unwrap_or(("", &text.path));
        let Some(rank) = folders.iter().position(|f| *f == folder) else { continue };
        let best = found.entry(name).or_insert((rank, text));
        if rank < best.0 {
            *best = (rank, text);
        }
    }
    found.into_values().map(|(_, text)| text).collect()
}

/// Returns the writes that make `new` what the file at `path` says; nothing when it does already.
pub fn write(texts: &[Text], path: &str, new: &str) -> Vec<Action> {
    let old = texts.iter().find(|text| text.path == path);
    if old.map_or("", |old| &*old.text) == new {
        return Vec::new();
    }
    let (folder, _) = path.rsplit_once('/').unwrap_or_default();
    let is_known =
        texts.iter().any(|text| text.path.rsplit_once('/').is_some_and(|t| t.0 == folder));
    let digest = old.map_or_else(|| "absent".into(), |old| sha256(old.text.as_bytes()));
    let target = old.map_or(path, |old| &old.target);
    let words = [target, "", "", "", "text", new, &digest].map(Argument::plain).to_vec();
    let mut actions = Vec::new();
    if !is_known {
        actions.push(Action::Host(&FOLDER, vec![Argument::plain(folder)]));
    }
    actions.push(Action::Host(&PUT, words));
    actions
}

/// `drsync_texts_folder PATH`: makes a folder that systems usually have.
static FOLDER: Script = Script::each(
    "drsync_texts_folder",
    "\ndrsync_texts_folder() { [ -d \"$root$1\" ] || mkdir -p -- \"$root$1\"; }\n",
);

/// Returns the texts as they will be once `new` is written.
pub fn after(texts: &[Text], new: Vec<(String, String)>) -> Vec<Text> {
    let mut texts = texts.to_vec();
    for (path, text) in new {
        match texts.iter_mut().find(|old| old.path == path) {
            Some(old) => old.text = text.into(),
            None => texts.push(Text { target: path.clone(), path, text: text.into() }),
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_one_name_masks_the_less_important_one() {
        let text = |path: &str| Text { path: path.into(), target: path.into(), text: "".into() };
        let texts = ["/usr/lib/x.d/20-a", "/etc/x.d/20-a", "/etc/x.d/10-b", "/usr/lib/x.d/15-c"];
        let texts = texts.map(text);
        let order: Vec<&str> =
            in_order(&texts, &["/etc/x.d", "/usr/lib/x.d"]).iter().map(|t| &*t.path).collect();
        assert_eq!(order, ["/etc/x.d/10-b", "/usr/lib/x.d/15-c", "/etc/x.d/20-a"]);
    }
}
