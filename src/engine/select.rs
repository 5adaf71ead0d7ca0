//! Which part of an inventory a run is about: sides, hosts, tags, kinds.

use std::collections::HashSet;

use crate::kinds;
use crate::lang::expand::Selection;
use crate::lang::inventory::Inventory;
use crate::lang::resource::Resource;
use crate::model::nearest::did_you_mean;

/// What the command line asked for; empty means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Choice {
    /// `--side`
    #[serde(default)]
    pub sides: Vec<String>,
    /// `--limit`: a host pattern. Managers are left out then.
    #[serde(default)]
    pub limit: Option<String>,
    /// `--tags`
    #[serde(default)]
    pub tags: Vec<String>,
    /// `--skip-tags`
    #[serde(default)]
    pub skip_tags: Vec<String>,
    /// `--kind`
    #[serde(default)]
    pub kinds: Vec<String>,
}

/// A choice, checked against an inventory.
pub struct Chosen {
    choice: Choice,
    hosts: Option<HashSet<usize>>,
}

impl Choice {
    /// Checks that every name chosen exists: a selector that matches nothing would make a run
    /// succeed without doing anything.
    ///
    /// Errors: text for the user, one for each mistake.
    pub fn check(&self, inventory: &Inventory) -> Result<Chosen, Vec<String>> {
        let mut mistakes = Vec::new();
        let sides: Vec<&str> = inventory.world.pair.sides.keys().map(|side| &**side).collect();
        check_names("--side", "side", &self.sides, &sides, &mut mistakes);
        let known = kinds::all().iter().map(|kind| kind.info().name);
        // Modules may be kinds too.
        let known: Vec<&str> =
            known.chain(inventory.resources.iter().map(|r| r.kind.name)).collect();
        check_names("--kind", "kind", &self.kinds, &known, &mut mistakes);
        let tags: HashSet<&str> =
            inventory.resources.iter().flat_map(|r| r.tags.iter().map(|tag| &**tag)).collect();
        let tags: Vec<&str> = tags.into_iter().collect();
        check_names("--tags", "tag", &self.tags, &tags, &mut mistakes);
        check_names("--skip-tags", "tag", &self.skip_tags, &tags, &mut mistakes);
        let hosts = self.limit.as_ref().and_then(|pattern| {
            let hosts = inventory.hosts_of(pattern);
            hosts.map_err(|said| mistakes.push(format!("--limit: {said}"))).ok()
        });
        match mistakes.is_empty() {
            true => {
                Ok(Chosen { choice: self.clone(), hosts: hosts.map(|h| h.into_iter().collect()) })
            }
            false => Err(mistakes),
        }
    }
}

fn check_names(
    flag: &str,
    what: &str,
    chosen: &[String],
    known: &[&str],
    mistakes: &mut Vec<String>,
) {
    for name in chosen.iter().filter(|name| !known.contains(&name.as_str())) {
        let near = did_you_mean(name, known.iter().copied()).map(|hint| format!("; {hint}"));
        mistakes.push(format!("{flag}: there is no {what} `{name}`{}", near.unwrap_or_default()));
    }
}

impl Chosen {
    /// True when nothing was left out.
    pub fn is_everything(&self) -> bool {
        self.choice == Choice::default()
    }
}

impl Selection for Chosen {
    fn side(&self, side: &str) -> bool {
        self.choice.sides.is_empty() || self.choice.sides.iter().any(|s| s == side)
    }

    fn host(&self, host: usize) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.contains(&host))
    }

    fn managers(&self) -> bool {
        self.hosts.is_none()
    }

    fn resource(&self, resource: &Resource) -> bool {
        let tagged =
            |tags: &[String]| resource.tags.iter().any(|t| tags.iter().any(|x| **x == **t));
        let kind = &self.choice.kinds;
        (kind.is_empty() || kind.iter().any(|name| name == resource.kind.name))
            && (self.choice.tags.is_empty() || tagged(&self.choice.tags))
            && !tagged(&self.choice.skip_tags)
    }
}
