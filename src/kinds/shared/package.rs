//! Looking at packages, many at a time, and changing one.

use std::cmp::Ordering;

use crate::format::version;
use crate::model::question::{Argument, Question, Reply, Script};

/// Asks for a package: `tool` is `auto`, `apt`, `dnf` or `yum`.
///
/// The reply has `tool`, `root` (known below a folder that stands for a host), `installed` (lines
/// of `VERSION|ARCHITECTURE|STATUS|SELECTION`, absent when there are none), `locks` (lines of the
/// versionlock plugin that may be about it, absent without the plugin) and, with `newest`, the
/// `candidate` (`=` when nothing newer is known; absent when the package cache does not know it).
pub fn ask(name: &str, tool: &str, newest: bool) -> Question {
    let more = if newest { "newest" } else { "" };
    Question::Probe(&PACKAGES, [tool, name, more].map(Argument::plain).to_vec())
}

/// Sets of NUMBER TOOL NAME MORE. One `dpkg-query`, one `rpm` and one `awk` see all packages.
///
/// apt-cache rebuilds its cache when it is stale, and writes it down as root: so it runs as nobody.
/// dnf writes its log wherever it is told to.
static PACKAGES: Script = Script::together(
    "drsync_packages",
    r#"
drsync_packages() {
  debs= rpms= newdebs= newrpms= newyums=
  drsync_packages_host
  drsync_packages_list "$@"
  {
    [ -z "$debs" ] || drsync_packages_run deb "$debs" dpkg-query ${root:+--admindir="$root/var/lib/dpkg"} \
      -W -f='${Package}|${Version}|${Architecture}|${db:Status-Status}|${db:Status-Want}\n' --
    [ -z "$rpms" ] || drsync_packages_rpm
    [ -z "$newdebs$newrpms$newyums" ] || [ -n "$root" ] || drsync_packages_newest
  } | mark=$mark root=$root host=$host awk "$drsync_packages_awk" "$@"
}
drsync_packages_host() {
  family= host=
  if [ -r "$root/etc/os-release" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      case $line in ID=*|ID_LIKE=*) family="$family ${line#*=}" ;; esac
    done < "$root/etc/os-release"
  fi
  case $family in
    *debian*|*ubuntu*) host=apt ;;
    *rhel*|*fedora*|*centos*) if command -v dnf >/dev/null 2>&1; then host=dnf; else host=yum; fi ;;
    *) for one in apt-get dnf yum; do
         if command -v $one >/dev/null 2>&1; then host=${one%-get}; break; fi
       done ;;
  esac
}
drsync_packages_list() {
  while [ $# -gt 0 ]; do
    tool=$2
    [ "$tool" != auto ] || tool=$host
    case $tool in
      apt) debs="$debs$3$nl"; [ -z "$4" ] || newdebs="$newdebs$3$nl" ;;
      dnf) rpms="$rpms$3$nl"; [ -z "$4" ] || newrpms="$newrpms$3$nl" ;;
      yum) rpms="$rpms$3$nl"; [ -z "$4" ] || newyums="$newyums$3$nl" ;;
    esac
    shift 4
  done
}
# SECTION NAMES COMMAND...
drsync_packages_run() {
  section=$1 names=$2
  shift 2
  printf '@drsync section %s\n' "$section"
  (IFS=$nl; set -f; exec "$@" $names 2>&1)
  printf '\n@drsync status %s\n' $?
}
drsync_packages_rpm() {
  # rpm would make a database where there is none.
  base=$(rpm --eval '%{_dbpath}' 2>/dev/null)
  for file in "$root$base"/*; do
    [ -f "$file" ] || continue
    drsync_packages_run rpm "$rpms" rpm ${root:+--root="$root"} -q \
      --qf '%{NAME}|%{EPOCH}:%{VERSION}-%{RELEASE}|%{ARCH}\n' --
    return
  done
  command -v rpm >/dev/null 2>&1 || printf '@drsync section rpm\nrpm is not there\n@drsync status 127\n'
}
drsync_packages_newest() {
  as=
  if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null 2>&1; then
    as='setpriv --reuid=65534 --regid=65534 --clear-groups'
  fi
  [ -z "$newdebs" ] || drsync_packages_run newdeb "$newdebs" $as apt-cache policy --
  [ -z "$newyums" ] || drsync_packages_run newyum "$newyums" yum -C -q list updates
  [ -n "$newrpms" ] || return 0
  if ! log=$(mktemp -d); then printf '@drsync section newrpm\n%s\n@drsync status 1\n' 'no folder for temporary files'; return; fi
  drsync_packages_run newrpm "$newrpms" dnf -C -q --setopt="logdir=$log" repoquery --latest-limit=1 \
    --qf '%{name}|%{epoch}:%{version}-%{release}|%{arch}
'
  rm -rf -- "$log"
}
drsync_packages_awk='
  function tell(n, name, status, text) {
    printf "%s %s %s %s %d\n%s\n", ENVIRON["mark"], n, name, status, length(text), text
  }
  function known(n, name, text) { tell(n, name, "known", text) }
  # The name without its architecture, which is left in `arch`.
  function bare(name,  at) {
    arch = ""
    at = index(name, ":")
    if (!at) {
      at = match(name, /\.[a-z0-9_]+$/)
      if (at && substr(name, at + 1) !~ /^(noarch|x86_64|i[3-6]86|aarch64|ppc64le|s390x)$/) at = 0
    }
    if (!at) return name
    arch = substr(name, at + 1)
    return substr(name, 1, at - 1)
  }
  function hear(line,  part, parts, i, token) {
    if (line == "") return
    parts = split(line, part, "|")
    if (section == "deb" && parts == 5) { add(part[1], part[2] "|" part[3] "|" part[4] "|" part[5], part[3]); return }
    if (section == "rpm" && parts == 3) { add(part[1], part[2] "|" part[3] "|installed|", part[3]); return }
    if (section == "newrpm" && parts == 3) {
      newest[section, part[1]] = newest[section, part[1]] (newest[section, part[1]] == "" ? "" : "\n") part[2]
      newest[section, part[1] "." part[3]] = part[2]
      return
    }
    if (section == "newdeb") {
      if (line ~ /^[^ ].*:$/) { about = substr(line, 1, length(line) - 1); return }
      if (line ~ /^  Candidate: /) { newest[section, about] = substr(line, 14); return }
      # What only dpkg itself knows of has no newest version.
      if (line ~ /^        +-?[0-9]+ / && line !~ /\/var\/lib\/dpkg\/status$/) offered[about] = 1
      if (line ~ /^ / || line ~ /^N: /) return
    }
    if (section == "newyum") {
      if (line ~ /^Updated Packages/) { listed = 1; return }
      if (line ~ /No matching Packages/) { nothing = 1; return }
      if (listed) {
        i = split(line, token, " ")
        # Long lines are broken, but there are always three words: NAME.ARCH VERSION REPOSITORY.
        for (parts = 1; parts <= i; parts++) {
          word[++words] = token[parts]
          if (words < 3) continue
          newest[section, word[1]] = newest[section, bare(word[1])] = word[2]
          words = 0
        }
        return
      }
    }
    if (line ~ /no packages? found matching/ || line ~ /^package .* is not installed$/ || line ~ /^warning:/) return
    said[section] = said[section] (said[section] == "" ? "" : "; ") line
  }
  function add(name, line, of) {
    found[section, name] = found[section, name] (found[section, name] == "" ? "" : "\n") line
    found[section, name "/" of] = found[section, name "/" of] (found[section, name "/" of] == "" ? "" : "\n") line
  }
  function why(from) { return said[from] == "" ? "it ended with status " status[from] : said[from] }
  # The lines of the versionlock plugin; `plugin` tells whether it is there.
  function locks(  folder, file, line, part, list, on) {
    for (folder in plugins) {
      on = 0; list = plugins[folder] "versionlock.list"
      while ((getline line < (ENVIRON["root"] plugins[folder] "versionlock.conf")) > 0) {
        gsub(/[ \t]/, "", line)
        split(line, part, "=")
        if (part[1] == "enabled") on = (part[2] ~ /^(1|[Tt]rue|yes|on)$/)
        if (part[1] == "locklist") list = part[2]
      }
      if (!on) continue
      plugin = 1
      while ((getline line < (ENVIRON["root"] list)) > 0) if (line !~ /^[#!]/ && line != "") lock[++count] = line
    }
  }
  BEGIN {
    plugins[1] = "/etc/dnf/plugins/"; plugins[2] = "/etc/yum/pluginconf.d/"
    last = ARGC
    for (i = 1; i < last; i++) argument[i] = ARGV[i]
    while ((getline line < "-") > 0) {
      if (line ~ /^@drsync section /) section = substr(line, 17)
      else if (line ~ /^@drsync status /) status[section] = substr(line, 16) + 0
      else hear(line)
    }
    locks()
    for (i = 1; i < last; i += 4) {
      n = argument[i]; tool = argument[i + 1]; full = argument[i + 2]
      if (tool == "auto") tool = ENVIRON["host"]
      if (tool == "") { tell(n, "tool", "unknown", "there is neither apt nor dnf nor yum"); print ENVIRON["mark"], n, "done"; continue }
      known(n, "tool", tool)
      if (ENVIRON["root"] != "") known(n, "root", "yes"); else tell(n, "root", "absent", "")
      name = bare(full)
      from = (tool == "apt") ? "deb" : "rpm"
      key = (arch == "") ? name : name "/" arch
      # dpkg-query ends with 1, and rpm with their number, when packages are not there.
      if ((from, key) in found) known(n, "installed", found[from, key])
      else if (from == "deb" && status[from] > 1 || from == "rpm" && said[from] != "") tell(n, "installed", "unknown", why(from))
      else tell(n, "installed", "absent", "")
      if (tool == "apt" || !plugin) tell(n, "locks", "absent", "")
      else {
        text = ""
        for (j = 1; j <= count; j++) if (index(lock[j], name)) text = text (text == "" ? "" : "\n") lock[j]
        known(n, "locks", text)
      }
      if (argument[i + 3] != "") {
        from = (tool == "apt") ? "newdeb" : (tool == "dnf") ? "newrpm" : "newyum"
        if (ENVIRON["root"] != "") tell(n, "candidate", "unknown", "an image has no package cache that counts")
        else if ((from, full) in newest && (from != "newdeb" || full in offered)) known(n, "candidate", newest[from, full])
        else if (from == "newyum" && (status[from] == 0 || nothing)) known(n, "candidate", "=")
        else if (status[from] != 0) tell(n, "candidate", "unknown", why(from))
        else tell(n, "candidate", "absent", "")
      }
      print ENVIRON["mark"], n, "done"
    }
  }'
"#,
);

/// `drsync_package TOOL VERB PACKAGE WAIT OPTIONS ENABLE DISABLE`: changes a package, or tells what
/// matters of what the tool said.
///
/// While another run holds the lock it waits, so many seconds. The options are letters: `u` updates
/// the package cache first, `d` a downgrade is fine, `h` a held package is fine, `r` and `R` with and
/// without what is recommended, `x` removes what depends on it too. Repositories are separated by
/// commas.
pub static CHANGE: Script = Script::each(
    "drsync_package",
    r#"
drsync_package() {
  tool=$1 verb=$2 name=$3 wait=$4 options=$5 enable=$6 disable=$7
  deadline=$(($(date +%s) + wait))
  if [ -n "$root" ] && [ -z "${DRSYNC_SANDBOX_ROOT-}" ]; then echo 'packages of an image are not changed from outside'; return 1; fi
  case $tool in apt) drsync_package_apt ;; *) drsync_package_dnf ;; esac
}
drsync_package_apt() {
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  case $verb in hold|unhold) drsync_package_run apt-mark "$verb" "$name"; return ;; esac
  # Without the pattern a name with a dot that is not there would be taken for a regular expression.
  set -- -y -q -o DPkg::Lock::Timeout="$wait" -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold -o APT::Cmd::Pattern-Only=true
  case $options in *d*) set -- "$@" --allow-downgrades ;; esac
  case $options in *h*) set -- "$@" --allow-change-held-packages ;; esac
  case $options in
    *r*) set -- "$@" -o APT::Install-Recommends=true ;;
    *R*) set -- "$@" -o APT::Install-Recommends=false ;;
  esac
  case $options in *u*) drsync_package_run apt-get "$@" update || return ;; esac
  case $verb$options in
    install*|*x*) ;;
    *)
      others=$(apt-get -s "$@" "$verb" -- "$name" 2>/dev/null | while read -r word one rest; do
        case $word in Remv|Purg) [ "$one" = "${name%%:*}" ] || [ "$one" = "$name" ] || printf ' %s' "$one" ;; esac
      done)
      if [ -n "$others" ]; then
        printf 'it would take along%s: declare them absent first, or add `dependents: true`' "$others"
        return 1
      fi ;;
  esac
  drsync_package_run apt-get "$@" "$verb" -- "$name"
}
drsync_package_dnf() {
  case $verb in
    hold) drsync_package_run "$tool" -y -q versionlock add "$name"; return ;;
    unhold) drsync_package_run "$tool" -y -q versionlock delete "$name"; return ;;
  esac
  set -- -y -q --setopt=exit_on_lock=1
  [ -z "$enable" ] || set -- "$@" --enablerepo="$enable"
  [ -z "$disable" ] || set -- "$@" --disablerepo="$disable"
  case $tool$options in
    yum*) ;;
    *r*) set -- "$@" --setopt=install_weak_deps=1 ;;
    *R*) set -- "$@" --setopt=install_weak_deps=0 ;;
  esac
  case $options in *u*) drsync_package_run "$tool" "$@" clean expire-cache || return ;; esac
  if [ "$verb" = remove ]; then
    set -- "$@" --setopt=clean_requirements_on_remove=0
    case $options in
      *x*) ;;
      *)
        if ! others=$(rpm -e --test -- "$name" 2>&1); then
          printf '%s: declare them absent first, or add `dependents: true`' "$others"
          return 1
        fi ;;
    esac
  fi
  drsync_package_run "$tool" "$@" "$verb" "$name"
}
drsync_package_run() {
  while :; do
    said=$("$@" 2>&1)
    rc=$?
    [ $rc != 0 ] || return 0
    # dnf ends with 200 when another run holds the lock.
    case $rc:$said in
      200:*|*'Could not get lock'*|*'locked by another process'*)
        if [ "$(date +%s)" -lt $deadline ]; then sleep 2; continue; fi ;;
    esac
    gist=$(printf '%s\n' "$said" | grep -E '^ *(E:|Error|error:|dpkg: error|Problem|- |	)' | head -n 12)
    [ -n "$gist" ] || gist=$(printf '%s\n' "$said" | grep . | head -n 4)
    printf '%s' "${gist:-$1 ended with status $rc}"
    return 1
  done
}
"#,
);

/// One installed, or once installed, package of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `[EPOCH:]VERSION[-RELEASE]`; empty when nothing of it is there.
    pub version: String,
    /// `installed`, `config-files`, `half-configured`, … (dpkg's words).
    pub status: String,
    /// True when it is held (dpkg's selection).
    pub is_held: bool,
}

/// What a host says of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// `apt`, `dnf` or `yum`.
    pub tool: String,
    /// True below a folder that stands for a host.
    pub is_image: bool,
    /// All of one name: several architectures, or several kernels.
    pub instances: Vec<Instance>,
    /// The lines of the versionlock plugin that are about it; `None` without the plugin.
    pub locks: Option<Vec<String>>,
}

impl Package {
    /// Reads what a host replied about `name`.
    ///
    /// Errors: why it is unknown.
    pub fn read(reply: &Reply, name: &str) -> Result<Package, String> {
        let tool = reply.text("tool")?.unwrap_or_default().to_string();
        let installed = reply.text("installed")?.unwrap_or_default();
        let instances = installed.lines().filter_map(|line| instance(line, &tool)).collect();
        let locks = reply.text("locks")?;
        let locks = locks.map(|text| {
            text.lines().filter(|line| is_lock_of(line, name)).map(String::from).collect()
        });
        let is_image = reply.text("root")?.is_some();
        Ok(Package { tool, is_image, instances, locks })
    }

    /// Compares two versions as the host's tool does.
    pub fn compare(&self, a: &str, b: &str) -> Ordering {
        match self.is_deb() {
            true => version::deb(a, b),
            false => version::rpm(a, b),
        }
    }

    /// True where packages are Debian's.
    pub fn is_deb(&self) -> bool {
        self.tool == "apt"
    }

    /// Returns the newest that is installed whole.
    pub fn installed(&self) -> Option<&Instance> {
        // dpkg: what waits for triggers is configured already.
        let whole = |i: &&Instance| i.status == "installed" || i.status.starts_with("triggers-");
        self.instances.iter().filter(whole).max_by(|a, b| self.compare(&a.version, &b.version))
    }

    /// True when it is kept at its version.
    pub fn is_held(&self) -> bool {
        let locked = self.locks.as_ref().is_some_and(|locks| !locks.is_empty());
        locked || self.instances.iter().any(|i| i.is_held)
    }
}

fn instance(line: &str, tool: &str) -> Option<Instance> {
    let mut fields = line.split('|');
    let (version, _) = (fields.next()?, fields.next()?);
    let (status, selection) = (fields.next()?, fields.next()?);
    let version = match tool {
        "apt" => version,
        // rpm says `(none)` where there is no epoch.
        _ => version.strip_prefix("(none):").or(version.strip_prefix("0:")).unwrap_or(version),
    };
    Some(Instance {
        version: version.to_string(),
        status: status.to_string(),
        is_held: selection == "hold",
    })
}

/// True when a line of the versionlock plugin is about `name`: `NAME-EPOCH:VERSION-…` (dnf),
/// `EPOCH:NAME-VERSION-…` (yum), or what people write.
fn is_lock_of(line: &str, name: &str) -> bool {
    let line = line.trim();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (line, had_epoch) = match line.split_once(':') {
        Some((epoch, rest)) if is_number(epoch) => (rest, true),
        _ => (line, false),
    };
    let Some(rest) = line.strip_prefix(name) else { return false };
    let Some(rest) = rest.strip_prefix('-') else { return rest.is_empty() };
    match rest.split_once(':') {
        Some((epoch, _)) => is_number(epoch) || epoch == "*",
        None if had_epoch => rest.matches('-').count() == 1,
        None => rest.starts_with(|c: char| c.is_ascii_digit() || c == '*'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_told_apart_by_the_whole_name() {
        for line in ["java-11-0:11.0.2-1.*", "0:java-11-11.0.2-1.*", "java-11-*", "java-11"] {
            assert!(is_lock_of(line, "java-11"), "{line}");
        }
        for line in ["java-11-devel-0:11.0.2-1.*", "java-0:1-1.*", "0:java-1-1.0-1.*", "xjava-11"] {
            assert!(!is_lock_of(line, "java-11"), "{line}");
        }
        assert!(!is_lock_of("0:java-11-11.0.2-1.*", "java"));
    }
}
