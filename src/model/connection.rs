//! How to reach a host or a manager, as the inventory says it.

use std::path::PathBuf;
use std::sync::Arc;

use super::Secret;

/// How to reach one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConnection {
    /// The host's name in the inventory.
    pub name: Arc<str>,
    /// The way there.
    pub way: Way,
    /// Folder on the host that stands for `/` (`drsync_root`): an image or a chroot.
    pub root: Option<String>,
    /// Run everything through `sudo -n`, as this user (`ansible_become`, `ansible_become_user`).
    pub become_user: Option<String>,
}

/// The ways to a host (`ansible_connection`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The operator's own `ssh`.
    Ssh(SshOptions),
    /// This machine itself.
    Local,
    /// A directory that stands for a host; holds the directory.
    Sandbox(PathBuf),
}

/// What the inventory says about an SSH connection; everything else is the user's ssh config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshOptions {
    /// Address to connect to (`ansible_host`), the inventory name by default.
    pub host: String,
    /// `ansible_port`.
    pub port: Option<u16>,
    /// `ansible_user`.
    pub user: Option<String>,
    /// `ansible_ssh_private_key_file`.
    pub key: Option<PathBuf>,
    /// `ansible_ssh_common_args` and `ansible_ssh_extra_args`, as ssh_config lines.
    pub lines: Vec<String>,
    /// The first jump host, if any: logins through it are limited.
    pub jump: Option<String>,
}

/// How to reach the manager of a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerConnection {
    /// The side it rules.
    pub side: Arc<str>,
    /// Base address, e.g. `https://cm.example.com:7183`.
    pub url: String,
    /// Login name.
    pub user: String,
    /// Password.
    pub password: Secret,
    /// Certificate authority to trust, in PEM.
    pub ca: Option<PathBuf>,
    /// The cluster's name or display name; needed when the manager rules several.
    pub cluster: Option<String>,
    /// How long commands that run already are waited for before the first write.
    pub patience: std::time::Duration,
    /// How many servers it is declared to have; two of them run active-passive.
    pub servers: usize,
    /// A run told it of repositories, and did not see it look into them.
    pub is_unrefreshed: bool,
    /// How long ago a run wrote to it that did not see what became of it, and which services that
    /// may have made stale (an empty name for all of them).
    pub unsettled: Option<(std::time::Duration, Vec<String>)>,
}
