//! Cached catalogues: what settings a scope has, with their defaults.
//!
//! `view=full` makes Cloudera Manager validate every setting, so it is asked once per version and
//! sort of scope. A catalogue says nothing about live values, which are read every time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::model::digest::sha256;
use crate::model::manager::Setting;

/// Settings by API name, without values.
pub type Catalogue = Arc<IndexMap<Arc<str>, Setting>>;

/// Catalogues of one manager version, on disk.
pub struct Catalogues {
    folder: PathBuf,
}

impl Catalogues {
    /// Returns the catalogues kept below `folder` for `version`.
    pub fn new(folder: &Path, version: &str) -> Catalogues {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        Catalogues { folder: folder.join(version.chars().map(plain).collect::<String>()) }
    }

    fn file(&self, scope: &str) -> PathBuf {
        self.folder.join(format!("{}.json", scope.replace(['/', ' '], "-")))
    }

    /// Returns the catalogue of `scope`, if a sound one is kept.
    pub fn load(&self, scope: &str) -> Option<Catalogue> {
        let text = std::fs::read_to_string(self.file(scope)).ok()?;
        let page: Value = serde_json::from_str(&text).ok()?;
        let items = page.get("settings")?;
        let sound = page.get("sha256")?.as_str()? == sha256(items.to_string().as_bytes());
        let settings = items.as_object()?.iter().map(|(name, item)| {
            let text = |key: &str| item.get(key).and_then(Value::as_str).map(Arc::from);
            let sensitive = item.get("sensitive").and_then(Value::as_bool).unwrap_or(false);
            let setting = Setting {
                value: None,
                default: text("default"),
                related: text("relatedName").unwrap_or_else(|| Arc::from("")),
                sensitive,
            };
            (Arc::from(name.as_str()), setting)
        });
        sound.then(|| Arc::new(settings.collect()))
    }

    /// Keeps a catalogue; failing to is no failure, it is then read again next time.
    pub fn keep(&self, scope: &str, catalogue: &Catalogue) {
        let mut items = serde_json::Map::new();
        for (name, setting) in catalogue.iter() {
            let mut item = serde_json::Map::new();
            if let Some(default) = setting.default.as_ref().filter(|_| !setting.sensitive) {
                item.insert("default".into(), json!(&**default));
            }
            if !setting.related.is_empty() {
                item.insert("relatedName".into(), json!(&*setting.related));
            }
            if setting.sensitive {
                item.insert("sensitive".into(), json!(true));
            }
            items.insert(name.to_string(), Value::Object(item));
        }
        let items = Value::Object(items);
        let page = json!({ "sha256": sha256(items.to_string().as_bytes()), "settings": items });
        let _ = write(&self.file(scope), &page.to_string());
    }
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut new, text.as_bytes())?;
    new.persist(file).map(|_| ()).map_err(|error| error.error)
}

/// Reads the items of a `config` answer (CM API: `ApiConfigList`), values included.
///
/// Errors: what is wrong with the answer; half an answer is none.
pub fn read_items(answer: &Value) -> Result<IndexMap<Arc<str>, Setting>, String> {
    let items = answer.get("items").and_then(Value::as_array);
    let items = items.ok_or("the answer has no list of settings")?;
    let mut settings = IndexMap::with_capacity(items.len());
    for item in items {
        let text = |key: &str| match item.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(Arc::from(text.as_str()))),
            Some(other) => Err(format!("`{key}` of a setting is `{other}`, not text")),
        };
        let name = text("name")?.ok_or("a setting without a name")?;
        let setting = Setting {
            value: text("value")?,
            default: text("default")?,
            related: text("relatedName")?.unwrap_or_else(|| Arc::from("")),
            sensitive: item.get("sensitive").and_then(Value::as_bool).unwrap_or(false),
        };
        settings.insert(name, setting);
    }
    Ok(settings)
}
