//! One setting a scope knows: its name, type and what the full view says about it.

use serde_json::{Map, Value, json};

/// The type of a setting's value; the API never shows it, but refuses values that break it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Boolean,
    Integer,
    Number,
}

impl Kind {
    /// The kind for a type word of the catalogue files.
    pub(crate) fn named(word: &str) -> Option<Kind> {
        match word {
            "boolean" => Some(Kind::Boolean),
            "integer" | "memory" => Some(Kind::Integer),
            "number" => Some(Kind::Number),
            "string" | "list" | "json" | "xml" | "text" | "password" | "service_ref" => {
                Some(Kind::Text)
            }
            _ => None,
        }
    }

    /// The kind that a default value suggests.
    pub(crate) fn of_default(default: Option<&str>) -> Kind {
        match default {
            Some("true" | "false") => Kind::Boolean,
            Some(text) if text.parse::<i64>().is_ok() => Kind::Integer,
            _ => Kind::Text,
        }
    }

    /// Why `value` cannot be stored, if it cannot.
    fn objection(self, value: &str) -> Option<&'static str> {
        let fits = match self {
            Kind::Text => true,
            Kind::Boolean => matches!(value, "true" | "false"),
            Kind::Integer => value.parse::<i64>().is_ok(),
            Kind::Number => value.parse::<f64>().is_ok(),
        };
        match self {
            _ if fits => None,
            Kind::Boolean => Some("true or false"),
            Kind::Integer => Some("a whole number"),
            _ => Some("a number"),
        }
    }
}

/// One setting of a scope.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) default: Option<String>,
    pub(crate) required: bool,
    pub(crate) sensitive: bool,
    /// A refresh is enough to make a change take effect.
    pub(crate) refreshable: bool,
    /// A change alters the client configuration of gateways.
    pub(crate) client: bool,
    pub(crate) related_name: String,
    pub(crate) display_name: String,
    pub(crate) description: String,
}

impl Setting {
    /// A setting of which only the name is known.
    pub(crate) fn bare(name: &str) -> Setting {
        let lower = name.to_lowercase();
        let secret = ["password", "secret", "passphrase"].iter().any(|word| lower.contains(word));
        Setting {
            name: name.to_owned(),
            kind: Kind::Text,
            default: None,
            required: false,
            sensitive: secret && !lower.contains("suppression"),
            refreshable: false,
            client: false,
            related_name: String::new(),
            display_name: title(name),
            description: String::new(),
        }
    }

    /// A switch that silences a validator or a health test; any such name is known everywhere.
    pub(crate) fn suppression(name: &str) -> Option<Setting> {
        let lower = name.to_lowercase();
        let matches = ["_config_suppression_", "_health_suppression_"];
        matches.iter().any(|part| lower.contains(part)).then(|| Setting {
            kind: Kind::Boolean,
            default: Some("false".to_owned()),
            ..Setting::bare(name)
        })
    }

    /// Whether only the monitoring of the service depends on it, so that no process is affected.
    pub(crate) fn monitoring_only(&self) -> bool {
        let name = self.name.as_str();
        let lower = name.to_lowercase();
        lower.contains("_suppression_")
            || ["_thresholds", "_triggers", "_health_enabled"].iter().any(|end| name.ends_with(end))
            || matches!(name, "enable_alerts" | "enable_config_alerts")
    }

    /// The message of the refusal when `value` breaks the type.
    pub(crate) fn objection(&self, value: &str) -> Option<String> {
        let expected = self.kind.objection(value)?;
        Some(format!(
            "Could not parse parameter '{}': Was expecting {expected}. Input: {value}",
            self.name
        ))
    }

    /// The short form of the API, for an explicitly set value.
    pub(crate) fn summary(&self, value: &str) -> Value {
        json!({ "name": self.name, "value": self.shown(value), "sensitive": self.sensitive })
    }

    /// The long form of the API.
    pub(crate) fn full(&self, value: Option<&str>) -> Value {
        let mut item = Map::new();
        item.insert("name".into(), json!(self.name));
        if let Some(value) = value {
            item.insert("value".into(), json!(self.shown(value)));
        }
        item.insert("required".into(), json!(self.required));
        if let Some(default) = &self.default {
            item.insert("default".into(), json!(default));
        }
        item.insert("displayName".into(), json!(self.display_name));
        item.insert("description".into(), json!(self.description));
        item.insert("relatedName".into(), json!(self.related_name));
        item.insert("sensitive".into(), json!(self.sensitive));
        item.insert("validationState".into(), json!("OK"));
        item.insert("validationWarningsSuppressed".into(), json!(false));
        Value::Object(item)
    }

    fn shown<'a>(&self, value: &'a str) -> &'a str {
        if self.sensitive { "REDACTED" } else { value }
    }
}

/// `dfs_name_dir_list` as `Dfs Name Dir List`.
fn title(name: &str) -> String {
    let words = name.split(['_', '.', '-']).filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect::<String>()
        })
    };
    words.map(capital).collect::<Vec<_>>().join(" ")
}
