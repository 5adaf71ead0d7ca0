//! What tuned(8) sets: another owner of kernel parameters and huge pages.

use std::sync::Arc;

use crate::model::question::Reply;
use crate::model::{Live, Value};

/// `drsync_tuned`: a part of probes. Reports `tuned`, the active profiles, and `tuned_settings`,
/// what they set, the most important last; nothing where tuned neither runs nor starts at boot.
macro_rules! tuned_shell {
    () => {
        r#"
drsync_tuned() {
  [ -s "$root/etc/tuned/active_profile" ] || return 0
  [ -L "$root/etc/systemd/system/multi-user.target.wants/tuned.service" ] || [ -e "$root/run/tuned/tuned.pid" ] || return 0
  IFS= read -r profile < "$root/etc/tuned/active_profile" || [ -n "$profile" ] || return 0
  put tuned "$profile"
  out=$(set -f; drsync_tuned_files $profile; IFS=$nl; grep -h '=' /dev/null $files 2>&1)
  if [ $? -le 1 ]; then put tuned_settings "$out"; else unknown tuned_settings "$out"; fi
}
# Profiles include others, which they override.
drsync_tuned_files() {
  files= depth=0
  while [ $# -gt 0 ] && [ $depth -lt 9 ]; do
    depth=$((depth + 1)) more=
    for one; do
      case $one in */*|.*) continue ;; esac
      for folder in etc/tuned/profiles etc/tuned usr/lib/tuned/profiles usr/lib/tuned; do
        file=$root/$folder/$one/tuned.conf
        [ -f "$file" ] || continue
        files=$file$nl$files
        while IFS= read -r line || [ -n "$line" ]; do
          case $line in include=*|include\ *=*) line=${line#*=}; IFS=', '; more="$more $line" ;; esac
        done < "$file"
        break
      done
    done
    IFS=', '
    set -- $more
  done
}
"#
    };
}

pub(crate) use tuned_shell;

/// What tuned sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuned {
    /// The active profiles, as `/etc/tuned/active_profile` has them.
    pub profile: Arc<str>,
    settings: Arc<str>,
}

impl Tuned {
    /// Reads what a probe with `drsync_tuned` in it reported; `None` where tuned is not used.
    ///
    /// Errors: why it is unknown.
    pub fn read(reply: &Reply) -> Result<Option<Tuned>, String> {
        let Reply::Fields(fields) = reply else { return Ok(None) };
        let field = |name: &str| fields.iter().find(|f| f.name == name).map(|f| &f.live);
        let Some(Live::Known(Value::Text(profile))) = field("tuned") else { return Ok(None) };
        match field("tuned_settings") {
            Some(Live::Known(Value::Text(settings))) => {
                Ok(Some(Tuned { profile: profile.clone(), settings: settings.clone() }))
            }
            Some(Live::Unknown(reason)) => Err(reason.clone()),
            _ => Ok(Some(Tuned { profile: profile.clone(), settings: Arc::from("") })),
        }
    }

    /// Returns what the profile sets `name` to, without the sign of a limit (`>4096`).
    pub fn setting(&self, name: &str) -> Option<&str> {
        let set = |line: &'_ str| line.split_once('=').is_some_and(|(key, _)| key.trim() == name);
        let line = self.settings.lines().rfind(|line| set(line))?;
        let (_, value) = line.split_once('=')?;
        Some(value.trim().trim_start_matches(['>', '<']).trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_setting_counts() {
        let settings =
            "include=base\nvm.swappiness = 10\nvm.swappiness=30\nnet.core.somaxconn=>2048\n#vm.x=1";
        let tuned = Tuned { profile: Arc::from("virtual-guest"), settings: Arc::from(settings) };
        assert_eq!(tuned.setting("vm.swappiness"), Some("30"));
        assert_eq!(tuned.setting("net.core.somaxconn"), Some("2048"));
        assert_eq!(tuned.setting("vm.x"), None);
    }
}
