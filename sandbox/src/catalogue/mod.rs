//! Which settings exist in which scope: built in, from extra files, and learnt from the seed.

mod setting;
mod table;
pub(crate) mod types;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::document::{entries, flag, list, text};
use crate::error::SandboxError;
pub(crate) use setting::{Kind, Setting};

/// All scopes and their settings. Scopes are named `manager`, `allHosts`, `service:TYPE` and
/// `role:SERVICE_TYPE/ROLE_TYPE`.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    scopes: HashMap<String, Vec<Setting>>,
}

impl Catalogue {
    /// The built-in catalogue with the extra files laid over it.
    pub(crate) fn load(extra: &[PathBuf]) -> Result<Catalogue, SandboxError> {
        let mut catalogue = Catalogue::default();
        for (scope, settings) in table::built_in() {
            catalogue.add(&scope, settings);
        }
        for path in extra {
            let (scope, settings) = read_extra(path)?;
            catalogue.add(&scope, settings);
        }
        Ok(catalogue)
    }

    /// Makes sure that every scope of the state exists and knows the names set in it.
    pub(crate) fn learn(&mut self, state: &Value) {
        self.ensure("manager");
        self.ensure("allHosts");
        for (scope, names) in state.get("learned").and_then(Value::as_object).into_iter().flatten()
        {
            for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
                self.learn_name(scope, name);
            }
        }
        for service in list(state, "services") {
            let service_type = text(service, "type");
            self.ensure(&service_scope(service_type));
            for group in list(service, "groups") {
                self.ensure(&role_scope(service_type, text(group, "roleType")));
            }
        }
    }

    /// The settings of a scope, by name order of their files.
    pub(crate) fn settings(&self, scope: &str) -> &[Setting] {
        self.scopes.get(scope).map_or(&[], Vec::as_slice)
    }

    /// One setting of a scope.
    pub(crate) fn find(&self, scope: &str, name: &str) -> Option<Cow<'_, Setting>> {
        let known = self.settings(scope).iter().find(|setting| setting.name == name);
        known.map(Cow::Borrowed).or_else(|| Setting::suppression(name).map(Cow::Owned))
    }

    fn learn_name(&mut self, scope: &str, name: &str) {
        self.ensure(scope);
        if self.find(scope, name).is_none() {
            self.add(scope, vec![Setting::bare(name)]);
        }
    }

    /// Adds settings to a scope; an entry of the same name is replaced.
    fn add(&mut self, scope: &str, settings: Vec<Setting>) {
        self.ensure(scope);
        let known = self.scopes.entry(scope.to_owned()).or_default();
        for setting in settings {
            match known.iter_mut().find(|other| other.name == setting.name) {
                Some(slot) => *slot = setting,
                None => known.push(setting),
            }
        }
    }

    /// Creates a scope with the settings that all of its kind have.
    fn ensure(&mut self, scope: &str) {
        if self.scopes.contains_key(scope) {
            return;
        }
        let mut settings = Vec::new();
        if let Some(service_type) = scope.strip_prefix("service:") {
            settings.extend(table::generic("any-service", service_type));
        } else if let Some((_, role_type)) =
            scope.strip_prefix("role:").and_then(|rest| rest.split_once('/'))
        {
            let second = if types::is_gateway(role_type) { "any-gateway" } else { "any-daemon" };
            settings.extend(table::generic("any-role", role_type));
            settings.extend(table::generic(second, role_type));
        }
        self.scopes.insert(scope.to_owned(), settings);
    }
}

/// The scope of the settings of a whole service.
pub(crate) fn service_scope(service_type: &str) -> String {
    format!("service:{service_type}")
}

/// The scope of the settings of a role type.
pub(crate) fn role_scope(service_type: &str, role_type: &str) -> String {
    format!("role:{service_type}/{role_type}")
}

/// The names set per scope in a state, to be remembered even after they are reset.
pub(crate) fn names_in_use(state: &Value) -> Value {
    let mut learned = serde_json::Map::new();
    let mut note = |scope: String, document: &Value, member: &str| {
        let names = learned.entry(scope).or_insert_with(|| Value::Array(Vec::new()));
        for (name, _) in entries(document, member) {
            if let Some(names) = names.as_array_mut() {
                names.push(name.into());
            }
        }
    };
    note("manager".into(), state, "settings");
    note("allHosts".into(), state, "allHosts");
    for host in list(state, "hosts") {
        note("allHosts".into(), host, "config");
    }
    for service in list(state, "services") {
        let service_type = text(service, "type");
        note(service_scope(service_type), service, "config");
        for group in list(service, "groups") {
            note(role_scope(service_type, text(group, "roleType")), group, "config");
        }
        for role in list(service, "roles") {
            note(role_scope(service_type, text(role, "type")), role, "config");
        }
    }
    Value::Object(learned)
}

/// Reads an extra catalogue: a full view, bare or wrapped with its scope.
fn read_extra(path: &Path) -> Result<(String, Vec<Setting>), SandboxError> {
    let bytes = std::fs::read(path).map_err(|source| SandboxError::file(path, "read", source))?;
    let document: Value = serde_json::from_slice(&bytes)
        .map_err(|error| SandboxError::content(path, format!("not a JSON document: {error}")))?;
    let answers = list(&document, "items");
    let upper = |item: &Value| !text(item, "name").chars().any(char::is_lowercase);
    let scope = match text(&document, "scope") {
        "" if !answers.is_empty() && answers.iter().all(upper) => "manager",
        "" => {
            let reason = "a catalogue needs a member `scope` unless all its names are upper case";
            return Err(SandboxError::content(path, reason));
        }
        named => named,
    };
    Ok((scope.to_owned(), answers.iter().map(from_answer).collect()))
}

/// A setting from one item of a full view.
fn from_answer(item: &Value) -> Setting {
    let default = item.get("default").and_then(Value::as_str);
    Setting {
        kind: Kind::of_default(default),
        default: default.map(str::to_owned),
        required: flag(item, "required"),
        sensitive: flag(item, "sensitive"),
        related_name: text(item, "relatedName").to_owned(),
        display_name: text(item, "displayName").to_owned(),
        description: text(item, "description").to_owned(),
        ..Setting::bare(text(item, "name"))
    }
}
