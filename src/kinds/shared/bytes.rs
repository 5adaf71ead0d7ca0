//! Reading files that are not text, many at a time.

use crate::model::question::{Argument, Question, Reply, Script};

/// Asks for the bytes of the file at `path`, through symbolic links.
///
/// The reply has `bytes` (in hexadecimal, up to 8 MiB; absent when there is nothing) and `now`, the
/// host's own clock in seconds.
pub fn ask(path: &str) -> Question {
    Question::Probe(&BYTES, vec![Argument::plain(path)])
}

/// Sets of NUMBER PATH. One `stat`, one `cat` and one `od` see all files: two digits a byte, so the
/// digits of one file are told from those of the next by length alone.
static BYTES: Script = Script::together(
    "drsync_bytes",
    r#"
drsync_bytes() {
  list= packs= total=0
  now=$(date +%s)
  drsync_bytes_list "$@"
  facts=
  [ -z "$list" ] || facts=$(IFS=$nl; set -f; stat -L -c '%s %n' -- $list 2>/dev/null)$nl
  drsync_bytes_sizes "$@"
  if [ -n "$packs" ]; then
    packed "$total"
    (IFS=$nl; set -f; cat -- $packs) | od -An -v -tx1 | tr -d ' \n'
    printf '\n'
  fi
  while [ $# -gt 0 ]; do n=$1; finish; shift 2; done
}
drsync_bytes_list() {
  while [ $# -gt 0 ]; do
    if [ -f "$root$2" ] && [ -r "$root$2" ]; then list="$list$root$2$nl"; fi
    shift 2
  done
}
drsync_bytes_sizes() {
  while [ $# -gt 0 ]; do
    n=$1 path=$root$2
    put now "$now"
    line=${facts%%"$nl"*}
    case $line in
      *" $path")
        facts=${facts#*"$nl"}
        size=${line%% *}
        if [ -n "$root" ] && [ -L "$path" ]; then
          unknown bytes 'it is a symbolic link, which is not followed in an image'
        elif [ "$size" -gt 8388608 ]; then
          unknown bytes 'it is larger than 8 MiB'
        else
          part bytes $((size * 2))
          packs="$packs$path$nl" total=$((total + size * 2))
        fi ;;
      *)
        if [ ! -e "$path" ] && [ ! -L "$path" ] && { [ -x "${path%/*}/" ] || [ ! -e "${path%/*}/" ]; }
        then absent bytes
        elif [ -f "$path" ]; then unknown bytes 'it cannot be read'
        else unknown bytes 'it leads to no regular file'; fi ;;
    esac
    shift 2
  done
}
"#,
);

/// Returns the bytes a host sent; `None` when nothing is there.
///
/// Errors: why they are unknown.
pub fn read(reply: &Reply) -> Result<Option<Vec<u8>>, String> {
    let Some(text) = reply.text("bytes")? else { return Ok(None) };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    let bytes = pairs.collect::<Option<Vec<u8>>>();
    bytes.map(Some).ok_or_else(|| "it changed while it was read".to_string())
}

/// Returns the host's clock, in seconds since 1970.
///
/// Errors: why it is unknown.
pub fn now(reply: &Reply) -> Result<i64, String> {
    let text = reply.text("now")?.unwrap_or_default();
    text.parse().map_err(|_| format!("`date +%s` answered `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::question::Field;
    use crate::model::{Live, Value};
    use std::sync::Arc;

    #[test]
    fn digits_become_bytes() {
        let reply = |text: &str| {
            let live = Live::Known(Value::text(text));
            Reply::Fields(Arc::new(vec![Field { name: "bytes".into(), live }]))
        };
        assert_eq!(read(&reply("00ff0a")), Ok(Some(vec![0, 255, 10])));
        assert_eq!(read(&reply("")), Ok(Some(vec![])));
        assert!(read(&reply("00f")).is_err() && read(&reply("zz")).is_err());
    }
}
