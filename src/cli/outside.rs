//! Environment and programs: the only place that reads the one or starts the other for secrets.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lang::secrets::SecretSource;

/// Modules that come with drsync.
pub const MODULES: [(&str, &str); 6] = [
    ("cdp-host-prerequisites", include_str!("../../modules/cdp-host-prerequisites/module.yaml")),
    ("cdp-cluster-baseline", include_str!("../../modules/cdp-cluster-baseline/module.yaml")),
    ("chrony", include_str!("../../modules/chrony/module.yaml")),
    ("cloudera-manager-ha", include_str!("../../modules/cloudera-manager-ha/module.yaml")),
    ("service-accounts", include_str!("../../modules/service-accounts/module.yaml")),
    ("tls-hosts", include_str!("../../modules/tls-hosts/module.yaml")),
];

/// The process's own environment.
pub struct Environment;

impl SecretSource for Environment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn run(&self, program: &[String], folder: &Path, input: &str) -> Result<String, String> {
        let (name, arguments) = program.split_first().ok_or("no command is given")?;
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut child = Command::new(name)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start `{name}`: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read its input breaks the pipe: that is its right.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no word why");
            return Err(format!("`{name}` ended with {}: {said}", output.status));
        }
        String::from_utf8(output.stdout).map_err(|_| format!("`{name}` printed no UTF-8 text"))
    }
}

/// Returns `bytes` random ones in hexadecimal.
pub fn random(bytes: usize) -> Result<String, String> {
    let mut buffer = vec![0u8; bytes];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut buffer))
        .map_err(|error| format!("cannot read /dev/urandom: {error}"))?;
    Ok(crate::model::digest::hex(&buffer))
}

/// Returns who runs this: user, host, and the job's address on a CI machine.
pub fn holder() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "unknown".into());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let job = ["CI_JOB_URL", "BUILD_URL", "GITHUB_RUN_ID"].iter().find_map(|name| variable(name));
    let job = job.map(|job| format!(", job {job}")).unwrap_or_default();
    format!("{user}@{} (process {}){job}", host.trim(), std::process::id())
}
