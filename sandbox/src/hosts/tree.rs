//! Writing the directory tree of a simulated host.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use crate::digest::sha256_hex;
use crate::document::{flag, list, number, text};
use crate::error::SandboxError;

/// Where the simulator keeps its own notes in the tree.
const NOTES: &str = ".sandbox";

/// Builds the tree unless it stands already for the same seed.
pub(super) fn prepare(dir: &Path, seed: &Value, machine_id: &str) -> Result<(), SandboxError> {
    let fingerprint = sha256_hex(format!("{machine_id}\n{seed}").as_bytes());
    let marker = dir.join(NOTES).join("seed.sha256");
    if std::fs::read_to_string(&marker).is_ok_and(|known| known.trim() == fingerprint) {
        return Ok(());
    }
    clear(dir)?;
    let mut host = Host { root: dir.to_owned(), owners: String::new(), modes: Vec::new() };
    // First of all, so that a tree left unfinished is known as ours.
    host.write(Path::new(".sandbox/seed.sha256"), "")?;
    host.directories(seed)?;
    host.files(seed)?;
    host.links(seed)?;
    host.write(Path::new("etc/machine-id"), &format!("{machine_id}\n"))?;
    host.units(seed)?;
    host.notes(seed)?;
    host.set_modes()?;
    host.write(Path::new(".sandbox/seed.sha256"), &format!("{fingerprint}\n"))
}

/// Removes an earlier tree; anything else in the way is refused.
fn clear(dir: &Path) -> Result<(), SandboxError> {
    let Ok(mut entries) = std::fs::read_dir(dir) else {
        return Ok(());
    };
    if entries.next().is_none() {
        return Ok(());
    }
    if !dir.join(NOTES).is_dir() {
        let reason = "holds files that are not those of a simulated host";
        return Err(SandboxError::content(dir, reason));
    }
    open_directories(dir);
    std::fs::remove_dir_all(dir).map_err(|source| SandboxError::file(dir, "remove", source))
}

/// Makes every directory writable, so that the tree can be removed without being root.
fn open_directories(dir: &Path) {
    // What cannot be opened shows up as an error of the removal.
    std::fs::set_permissions(dir, Permissions::from_mode(0o755)).ok();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_directories(&entry.path());
        }
    }
}

/// A host under construction.
struct Host {
    root: PathBuf,
    /// The lines of the table of owners.
    owners: String,
    /// Modes to be set once everything is written.
    modes: Vec<(PathBuf, u32)>,
}

impl Host {
    fn directories(&mut self, seed: &Value) -> Result<(), SandboxError> {
        for (path, facts) in members(seed, "directories") {
            let place = self.place(path)?;
            std::fs::create_dir_all(&place)
                .map_err(|source| SandboxError::file(&place, "create", source))?;
            self.note(path, place, facts)?;
        }
        Ok(())
    }

    fn files(&mut self, seed: &Value) -> Result<(), SandboxError> {
        for (path, facts) in members(seed, "files") {
            let content = facts.as_str().unwrap_or_else(|| text(facts, "content"));
            let place = self.place(path)?;
            self.write(Path::new(path.trim_start_matches('/')), content)?;
            self.note(path, place, facts)?;
        }
        Ok(())
    }

    fn links(&self, seed: &Value) -> Result<(), SandboxError> {
        for (path, target) in members(seed, "links") {
            let place = self.place(path)?;
            make_parent(&place)?;
            symlink(target.as_str().unwrap_or(""), &place)
                .map_err(|source| SandboxError::file(&place, "link", source))?;
        }
        Ok(())
    }

    /// The state of each unit, and a unit file where the seed gives none of its own.
    fn units(&self, seed: &Value) -> Result<(), SandboxError> {
        std::fs::create_dir_all(self.root.join(".sandbox/units"))
            .map_err(|source| SandboxError::file(&self.root, "create", source))?;
        for (name, facts) in members(seed, "units") {
            let short = name.strip_suffix(".service").unwrap_or(name);
            let full =
                if short.contains('.') { short.to_owned() } else { format!("{short}.service") };
            let state = format!(
                "known=1\nenabled={}\nactive={}\nmasked={}\npid={}\n",
                flag(facts, "enabled"),
                flag(facts, "active"),
                flag(facts, "masked"),
                number(facts, "pid")
            );
            self.write(&Path::new(".sandbox/units").join(short), &state)?;
            let given = text(facts, "fragment");
            let standard = format!("[Unit]\nDescription={short}\n");
            let own = self.root.join("etc/systemd/system").join(&full);
            if !own.exists() {
                let fragment = if given.is_empty() { &standard } else { given };
                self.write(&Path::new("usr/lib/systemd/system").join(&full), fragment)?;
            }
        }
        Ok(())
    }

    fn notes(&self, seed: &Value) -> Result<(), SandboxError> {
        self.write(Path::new(".sandbox/owners"), &self.owners)?;
        self.write(Path::new(".sandbox/users"), &numbered(list(seed, "users")))?;
        self.write(Path::new(".sandbox/groups"), &numbered(list(seed, "groups")))?;
        let packages = list(seed, "packages").iter().filter_map(Value::as_str);
        let packages: String =
            packages.map(|name| format!("{name}|0:1.0-1.el9|x86_64\n")).collect();
        self.write(Path::new(".sandbox/packages"), &packages)?;
        // Its presence tells that this host has packages of the rpm kind.
        self.write(Path::new("var/lib/rpm/rpmdb.sqlite"), "")?;
        self.write(Path::new(".sandbox/daemon-reload"), "")
    }

    /// Deepest paths first, since a closed directory hides what is in it.
    fn set_modes(&mut self) -> Result<(), SandboxError> {
        self.modes.sort_by_key(|(path, _)| std::cmp::Reverse(path.components().count()));
        for (path, mode) in &self.modes {
            std::fs::set_permissions(path, Permissions::from_mode(*mode))
                .map_err(|source| SandboxError::file(path, "set the mode of", source))?;
        }
        Ok(())
    }

    /// Notes owner, group and mode of one entry.
    fn note(&mut self, path: &str, place: PathBuf, facts: &Value) -> Result<(), SandboxError> {
        let (owner, group) = (text(facts, "owner"), text(facts, "group"));
        let inner = format!("/{}", path.trim_matches('/'));
        self.owners.push_str(&format!(
            "{inner}|{}|{}|\n",
            if owner.is_empty() { "root" } else { owner },
            if group.is_empty() { "root" } else { group }
        ));
        let standard = if place.is_dir() { "0755" } else { "0644" };
        let given = match text(facts, "mode") {
            "" => standard,
            given => given,
        };
        let mode = u32::from_str_radix(given, 8)
            .map_err(|_| SandboxError::content(&place, format!("`{given}` is not a mode")))?;
        self.modes.push((place, mode));
        Ok(())
    }

    /// Where a path of the host lies; it must not lead out of the tree.
    fn place(&self, path: &str) -> Result<PathBuf, SandboxError> {
        let inner = Path::new(path.trim_start_matches('/'));
        let sound = inner.components().all(|part| matches!(part, Component::Normal(_)));
        if !sound || path.contains('|') || inner.starts_with(NOTES) {
            return Err(SandboxError::content(
                &self.root,
                format!("`{path}` is not a usable path"),
            ));
        }
        Ok(self.root.join(inner))
    }

    fn write(&self, inner: &Path, content: &str) -> Result<(), SandboxError> {
        let place = self.root.join(inner);
        make_parent(&place)?;
        std::fs::write(&place, content)
            .map_err(|source| SandboxError::file(&place, "write", source))
    }
}

fn make_parent(place: &Path) -> Result<(), SandboxError> {
    let parent = place.parent().unwrap_or(place);
    std::fs::create_dir_all(parent).map_err(|source| SandboxError::file(parent, "create", source))
}

fn members<'a>(seed: &'a Value, name: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let map = seed.get(name).and_then(Value::as_object);
    map.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// Names with numbers, `root` first.
fn numbered(names: &[Value]) -> String {
    let root = json!("root");
    let others = names.iter().filter(|name| **name != root).filter_map(Value::as_str);
    let lines = others.enumerate().map(|(position, name)| format!("{name}:{}\n", position + 1001));
    format!("root:0\n{}", lines.collect::<String>())
}
