//! The name a host goes by itself: Cloudera Manager's agent reports it, and Kerberos principals are
//! made of it.

use crate::model::Live;
use crate::model::question::{Question, Reply, Script};

/// `drsync_host_name`: what `hostname -f` says. It may wait for name servers that are away.
static NAME: Script = Script::each(
    "drsync_host_name",
    r#"
drsync_host_name() {
  if [ -n "$root" ]; then
    # The files of a host do not run: what they say is its name.
    if { IFS= read -r line < "$root/etc/hostname"; } 2>/dev/null; then put name "$line"
    else absent name; fi
  elif out=$(timeout 5 hostname -f 2>&1); then put name "$out"
  else unknown name "hostname -f: ${out:-no answer}"; fi
}
"#,
);

/// Asks for the name.
pub fn ask_name() -> Question {
    Question::Probe(&NAME, Vec::new())
}

/// Returns the name.
pub fn own_name(reply: &Reply) -> Live {
    reply.field("name")
}
