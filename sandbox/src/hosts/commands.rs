//! Writing the command stand-ins.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::SandboxError;

const PRELUDE: &str = include_str!("../../commands/prelude.sh");
/// Every stand-in with the part of its script after the prelude.
const COMMANDS: [(&str, &str); 10] = [
    ("chgrp", include_str!("../../commands/owner.sh")),
    ("chown", include_str!("../../commands/owner.sh")),
    ("dnf", include_str!("../../commands/dnf.sh")),
    ("hostname", include_str!("../../commands/hostname.sh")),
    ("mv", include_str!("../../commands/mv.sh")),
    ("rpm", include_str!("../../commands/rpm.sh")),
    ("stat", include_str!("../../commands/stat.sh")),
    ("sysctl", include_str!("../../commands/sysctl.sh")),
    ("systemctl", include_str!("../../commands/systemctl.sh")),
    ("yum", include_str!("../../commands/dnf.sh")),
];

/// Writes all stand-ins into `dir`; one that is up to date is left alone, as it may be running.
pub(super) fn prepare(dir: &Path) -> Result<(), SandboxError> {
    std::fs::create_dir_all(dir).map_err(|source| SandboxError::file(dir, "create", source))?;
    for (name, script) in COMMANDS {
        let path = dir.join(name);
        let text = format!("{PRELUDE}{script}");
        if std::fs::read_to_string(&path).is_ok_and(|present| present == text) {
            continue;
        }
        // Renamed into place: another process may be executing the one that stands there. Only
        // the holder of the lock writes, so the name need not be unique.
        let temporary = dir.join(format!(".{name}.new"));
        std::fs::write(&temporary, text)
            .and_then(|()| std::fs::set_permissions(&temporary, Permissions::from_mode(0o755)))
            .and_then(|()| std::fs::rename(&temporary, &path))
            .map_err(|source| SandboxError::file(&path, "write", source))?;
    }
    Ok(())
}
