//! `cm.config`: settings of Cloudera Manager, in any of the scopes that have some.
//!
//! The scope is told by what is named: `scope: manager` (Cloudera Manager itself), `scope:
//! all_hosts`, `host` (one host's overrides), `service` (`mgmt` is the Cloudera Management
//! Service), `service` and `role_group` (a group's name, or a role type for its base group),
//! `service`, `role` and `host` (one role; `service` and `role` alone with a role's own name).
//!
//! Settings go by their API name or by the native property (`dfs.replication`), and are checked
//! against the manager's own catalogue. Values may be typed: sizes with a unit (`4 GiB`), lists,
//! mappings for safety valves and thresholds; `null` resets to the default. Values compare by
//! meaning: the order of XML properties, spelling of numbers or blanks in lists do not count, and
//! explicitly setting the default equals not setting it. A query of time series in a value that asks
//! for a server of Cloudera Manager by its name is told: names have changed, categories have not.
//! Where the name of a role is due, which differs on the two sides, `{ role: { service: hdfs, type:
//! HTTPFS, host: NAME } }` stands for it.
//!
//! ```yaml
//! - name: DataNode settings
//!   cm.config:
//!     service: hdfs
//!     role_group: DATANODE
//!     values:
//!       dfs_datanode_max_locked_memory: 4 GiB
//!       dfs_data_dir_list: [/data/1/dfs, /data/2/dfs]
//!       dfs.datanode.handler.count: 20
//!     unmanaged: report
//! ```

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use super::shared::role_reference::{self, Found};
use super::shared::tsquery;
use super::{Guarded, Kind, Link, Unsettles, argument, problem, unanswered};
use crate::format::setting::{Sort, normalise, unit};
use crate::format::{hadoop_xml, properties, units};
use crate::model::change::Problem;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::manager::{Call, ConfigScope, Entity, REPOSITORIES, ScopeConfig, Setting};
use crate::model::nearest::nearest;
use crate::model::question::{Action, Argument, Question, Reply};
use crate::model::{Attribute, Data, Delta, Key, Live, Map, Node, Secret, Value, Want};

/// Settings of one scope of Cloudera Manager.
pub struct CmConfig;

/// Settings of Cloudera Manager, in any of the scopes that have some.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// `manager` for Cloudera Manager itself, `all_hosts` for what all hosts inherit.
    scope: Option<Scope>,
    /// A service by name; `mgmt` is the Cloudera Management Service.
    service: Option<String>,
    /// A role config group by name, or a role type for its base group.
    role_group: Option<String>,
    /// A role type (with `host`), or a role's own name.
    role: Option<String>,
    /// A host by name.
    host: Option<String>,
    /// Settings by API name or native property; `null` resets to the default.
    values: Node,
    /// What to do with non-default settings that nobody declared; the pair's policy when left out.
    unmanaged: Option<Unmanaged>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Scope {
    Manager,
    AllHosts,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Unmanaged {
    Ignore,
    Report,
    Reset,
}

/// What Cloudera Manager answers for sensitive values (CM 7).
const REDACTED: &str = "REDACTED";

/// Settings that Cloudera Manager sets by itself, or that are declared elsewhere.
const GENERATED: [&str; 6] = [
    REPOSITORIES,
    "CLUSTER_STATS_START",
    "PUBLIC_CLOUD_STATUS",
    "role_jceks_password",
    "CM_HOST_NAME",
    "INSTALLED_AGENTS",
];

impl Args {
    fn config_scope(&self) -> Option<ConfigScope> {
        let text = |text: &String| Arc::from(text.as_str());
        let (service, group, role, host) =
            (&self.service, &self.role_group, &self.role, &self.host);
        match (self.scope, service, group, role, host) {
            (Some(Scope::Manager), None, None, None, None) => Some(ConfigScope::Manager),
            (Some(Scope::AllHosts), None, None, None, None) => Some(ConfigScope::AllHosts),
            (None, None, None, None, Some(host)) => Some(ConfigScope::Host(text(host))),
            (None, Some(s), None, None, None) => Some(ConfigScope::Service(text(s))),
            (None, Some(s), Some(g), None, None) => Some(ConfigScope::RoleGroup(text(s), text(g))),
            (None, Some(s), None, Some(r), host) => {
                Some(ConfigScope::Role(text(s), text(r), host.as_ref().map(text)))
            }
            _ => None,
        }
    }

    fn entries(&self) -> &[(Key, Node)] {
        self.values.as_map().map_or(&[], |map| &map.0)
    }

    /// Returns the services of roles that values name, each once, in the order written.
    fn services_named(&self) -> Vec<&str> {
        let mut services = Vec::new();
        let named = self.entries().iter().filter_map(|(_, node)| role_reference::parse(node));
        for service in named.map(|reference| reference.service) {
            if !services.contains(&service) {
                services.push(service);
            }
        }
        services
    }

    /// Returns the value as the manager writes it where it names a role.
    fn resolved<'a>(&self, node: &'a Node, replies: &[Reply]) -> Result<Cow<'a, Node>, Found> {
        let Some(reference) = role_reference::parse(node) else { return Ok(Cow::Borrowed(node)) };
        let at = self.services_named().iter().position(|service| *service == reference.service);
        // The scope itself is asked first.
        match reference.find(at.and_then(|at| replies.get(at + 1))) {
            Found::Name(name) => Ok(Cow::Owned(Node::text(node.place.clone(), &name))),
            other => Err(other),
        }
    }
}

impl Kind for CmConfig {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "cm.config", home: Home::Manager, takes_files: false };
    const SOURCE: &'static str = include_str!("cm_config.rs");

    fn key(args: &Args) -> String {
        args.config_scope().map_or_else(String::new, |scope| scope.to_string())
    }

    fn check(args: &Args) -> Vec<Problem> {
        let mut problems = Vec::new();
        if args.config_scope().is_none() {
            let hint = "name one: `scope: manager`, `scope: all_hosts`, `host`, `service`, \
                        `service` + `role_group`, or `service` + `role` (+ `host`)";
            problems.push(problem(&[], "these keys name no scope of Cloudera Manager", Some(hint)));
        }
        match args.values.as_map() {
            Some(map) => {
                let wrong = |(key, node): &(Key, Node)| {
                    unfit(&key.name, node).or_else(|| role_reference::unfit(&key.name, node))
                };
                problems.extend(map.0.iter().filter_map(wrong));
            }
            None => {
                let said = format!("`values` must be a mapping, found {}", args.values.sort());
                problems.push(problem(&["values"], said, None));
            }
        }
        problems
    }

    fn advice(args: &Args) -> Vec<Problem> {
        tsquery::advice(&args.values, &["values"])
    }

    fn ask(args: &Args) -> Vec<Question> {
        let roles = |service| Question::Entity(Entity::Roles(Arc::from(service)));
        let scope = args.config_scope().into_iter().map(Question::Config);
        scope.chain(args.services_named().into_iter().map(roles)).collect()
    }

    fn hosts(args: &Args) -> Vec<String> {
        args.host.iter().cloned().collect()
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let config = match replies.first() {
            Some(Reply::Config(config)) => config,
            reply => {
                let delta = reply.and_then(unanswered);
                return delta.unwrap_or_else(|| Delta::unknown("the manager was not asked"));
            }
        };
        let mut delta = Delta::default();
        let mut declared: Vec<&str> = Vec::new();
        for (key, node) in args.entries() {
            let Some((name, setting)) = find(config, &key.name) else {
                delta.problems.push(unknown_setting(config, &key.name));
                continue;
            };
            if declared.contains(&&**name) {
                let said = format!("`{}` and another key name one setting, `{name}`", key.name);
                delta.problems.push(problem(&["values", &key.name], said, None));
                continue;
            }
            declared.push(name);
            let node = match args.resolved(node, replies) {
                Ok(node) => node,
                Err(found) => {
                    lacking(name, found, &mut delta);
                    continue;
                }
            };
            match attribute(name, setting, &node, config) {
                Ok(attribute) => delta.attributes.push(attribute),
                Err(wrong) => delta
                    .problems
                    .push(Problem { path: vec!["values".into(), key.name.to_string()], ..wrong }),
            }
        }
        unmanaged(args, config, &declared, &mut delta);
        delta
    }

    fn guarded(args: &Args) -> Option<Guarded> {
        // The addresses of parcel repositories (requirement M2).
        (args.scope == Some(Scope::Manager)).then_some(Guarded::Attribute(REPOSITORIES))
    }

    fn unsettles(args: &Args) -> Option<Unsettles> {
        match args.config_scope()? {
            // What hosts run with depends on the setting, and on what they run.
            ConfigScope::AllHosts | ConfigScope::Host(_) => Some(Unsettles::Something),
            scope => scope.service().map(|service| Unsettles::Service(service.clone())),
        }
    }

    fn needs(args: &Args) -> Vec<Link> {
        let Some(scope) = args.config_scope() else { return Vec::new() };
        let service = scope.service().map(|name| Link::new("cm.service", &**name));
        let within = match &scope {
            ConfigScope::RoleGroup(service, group) => {
                Some(Link::new("cm.role_group", format!("{service}/{group}")))
            }
            ConfigScope::Role(service, role, _) => {
                Some(Link::new("cm.role", format!("{service}/{role}")))
            }
            _ => None,
        };
        let named = args.entries().iter().filter_map(|(_, node)| role_reference::parse(node));
        let named = named.map(|role| Link::new("cm.role", role.to_string()));
        service.into_iter().chain(within).chain(named).collect()
    }

    fn steps(args: &Args, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        let (Some(scope), Some(Reply::Config(config))) = (args.config_scope(), replies.first())
        else {
            return Vec::new();
        };
        let wish = |name: &str| {
            let declared = args.entries().iter().find(|(key, _)| {
                find(config, &key.name).is_some_and(|(found, _)| &**found == name)
            });
            declared.and_then(|(_, node)| {
                let setting = config.settings.get(name)?;
                let node = args.resolved(node, replies).ok()?;
                let text = text(name, setting, &node).ok().flatten()?;
                Some(match (setting.sensitive, text) {
                    (true, Argument::Plain(text)) => {
                        Argument::Secret(Secret::new(text.to_string()))
                    }
                    (_, text) => text,
                })
            })
        };
        let entries: Vec<(Arc<str>, Option<Argument>)> =
            delta.differing().map(|a| (Arc::from(&*a.name), wish(&a.name))).collect();
        let is_repositories = |(name, _): &(Arc<str>, Option<Argument>)| **name == *REPOSITORIES;
        let looks = scope == ConfigScope::Manager && entries.iter().any(is_repositories);
        let look = looks.then_some(Action::Call(Entity::Repositories, Call::RefreshRepositories));
        std::iter::once(Action::Config(scope, entries)).chain(look).collect()
    }
}

/// Tells of a value that names a role which is not found.
fn lacking(name: &str, found: Found, delta: &mut Delta) {
    match found {
        Found::Name(_) => {}
        Found::Unknown(reason) => {
            let want = Value::text("the role's name");
            let attribute = Attribute::new(name.to_string(), Live::Unknown(reason), want);
            delta.attributes.push(attribute);
        }
        // A step before it may bring the role.
        Found::Missing(reason) => {
            delta.refused.get_or_insert(reason);
            delta.is_curable = true;
        }
    }
}

/// Finds a setting by API name, else by native property.
fn find<'a>(config: &'a ScopeConfig, name: &str) -> Option<(&'a Arc<str>, &'a Setting)> {
    config.settings.get_key_value(name).or_else(|| {
        let mut related = config.settings.iter().filter(|(_, setting)| &*setting.related == name);
        match (related.next(), related.next()) {
            (Some(found), None) => Some(found),
            _ => None,
        }
    })
}

fn unknown_setting(config: &ScopeConfig, name: &str) -> Problem {
    let shared: Vec<&str> = config
        .settings
        .iter()
        .filter(|(_, setting)| &*setting.related == name)
        .map(|(api, _)| &**api)
        .collect();
    if !shared.is_empty() {
        let said = format!("`{name}` names several settings of {}", config.title);
        let hint = format!("use one of their API names: {}", shared.join(", "));
        return problem(&["values", name], said, Some(&hint));
    }
    let names = config.settings.keys().map(|name| &**name);
    let related = config.settings.values().map(|s| &*s.related).filter(|r| !r.is_empty());
    let near = nearest(name, names.chain(related)).map(|near| format!("did you mean `{near}`?"));
    let said = format!("{} has no setting `{name}`", config.title);
    problem(&["values", name], said, near.as_deref())
}

/// What can be said of a value without the catalogue.
fn unfit(name: &str, node: &Node) -> Option<Problem> {
    let said = match &node.data {
        Data::Text(text) if &**text == REDACTED => {
            "`REDACTED` is what Cloudera Manager answers instead of a secret; writing it would destroy the secret"
        }
        _ => return None,
    };
    Some(problem(&["values", name], said, None))
}

fn sort_of(name: &str, node: Option<&Node>) -> Sort {
    let is_list = matches!(node.map(|n| &n.data), Some(Data::List(_)));
    match is_list || name.ends_with("_list") || name.ends_with("_dirs") {
        true => Sort::List,
        false => Sort::Plain,
    }
}

/// Compares one setting with its declared value.
fn attribute(
    name: &Arc<str>,
    setting: &Setting,
    node: &Node,
    config: &ScopeConfig,
) -> Result<Attribute, Problem> {
    let wish = text(name, setting, node)?;
    let default = setting.default.as_deref();
    let sort = sort_of(name, Some(node));
    let value = |text: &str| normalise(name, text, default, sort);
    let Some(wish) = wish else { return Ok(reset(name, setting, sort, config.overrides)) };
    if setting.sensitive || matches!(wish, Argument::Secret(_)) {
        return Ok(sensitive(name, setting, &wish, config, sort));
    }
    // What a role or a host inherits today may change tomorrow: only an explicit value is its own.
    let inherited = default.filter(|_| !config.overrides);
    let effective = setting.value.as_deref().or(inherited);
    let live = effective.map_or(Live::Absent, |text| Live::Known(value(text)));
    let note = match (&setting.value, default) {
        (None, _) if config.overrides => Some("inherited now".to_string()),
        (None, Some(_)) => Some("now the default".to_string()),
        _ => None,
    };
    let compared = Attribute::new(name.to_string(), live, value(wish.reveal()));
    let note = note.filter(|_| compared.differs);
    Ok(compared.noted(note))
}

/// Compares with a wish to have the default.
fn reset(name: &str, setting: &Setting, sort: Sort, overrides: bool) -> Attribute {
    let default = setting.default.as_deref();
    let value = |text: &str| match setting.sensitive {
        true => Value::Sensitive,
        false => normalise(name, text, default, sort),
    };
    let differs = match (&setting.value, default) {
        (None, _) => false,
        // What a secret is cannot be compared, only whether one is set.
        (Some(_), _) if setting.sensitive || overrides => true,
        (Some(live), Some(default)) => value(live) != value(default),
        (Some(_), None) => true,
    };
    let before =
        setting.value.as_deref().or(default).map_or(Live::Absent, |t| Live::Known(value(t)));
    let after = Want::Absent(default.map(value));
    Attribute { name: name.to_string().into(), before, after, differs, note: None }
}

/// Compares a sensitive value: by what was applied last where the manager hides it.
fn sensitive(
    name: &str,
    setting: &Setting,
    wish: &Argument,
    config: &ScopeConfig,
    sort: Sort,
) -> Attribute {
    let same = |live: &str| match setting.sensitive {
        true => live == wish.reveal(),
        // A secret inside of other text, a safety valve say, compares as that text does.
        false => {
            let default = setting.default.as_deref();
            normalise(name, live, default, sort) == normalise(name, wish.reveal(), default, sort)
        }
    };
    let (before, differs, note) = match setting.value.as_deref() {
        None => (Live::Absent, true, None),
        Some(REDACTED) => {
            let agrees = config.agrees(name, wish.reveal());
            let note = (!agrees).then(|| "not known to be what was applied last".to_string());
            (Live::Known(Value::Sensitive), !agrees, note)
        }
        Some(clear) => (Live::Known(Value::Sensitive), !same(clear), None),
    };
    let after = Want::Value(Value::Sensitive);
    Attribute { name: name.to_string().into(), before, after, differs, note }
}

/// Returns the text Cloudera Manager would be sent for `node`; `None` to reset.
fn text(name: &str, setting: &Setting, node: &Node) -> Result<Option<Argument>, Problem> {
    let text = plain_text(name, setting, node)?;
    Ok(match text {
        Some(Argument::Plain(text)) if holds_secret(node) => {
            Some(Argument::Secret(Secret::new(text.to_string())))
        }
        text => text,
    })
}

fn holds_secret(node: &Node) -> bool {
    match &node.data {
        Data::Secret(_) => true,
        Data::List(items) => items.iter().any(holds_secret),
        Data::Map(map) => map.iter().any(|(_, node)| holds_secret(node)),
        _ => false,
    }
}

fn plain_text(name: &str, setting: &Setting, node: &Node) -> Result<Option<Argument>, Problem> {
    let default = setting.default.as_deref();
    match &node.data {
        Data::Null => Ok(None),
        Data::Bool(value, _) => Ok(Some(Argument::plain(value.to_string()))),
        Data::List(items) if holds_json(setting) => Ok(Some(Argument::plain(
            items.iter().map(json).collect::<serde_json::Value>().to_string(),
        ))),
        Data::List(items) => list_text(name, items).map(|text| Some(Argument::plain(text))),
        Data::Map(map) => mapping(name, setting, map).map(|text| Some(Argument::plain(text))),
        Data::Text(text) | Data::Literal(text) => match units::bytes(text) {
            Some(bytes) if takes_numbers(default) => {
                in_unit(name, default, text, bytes).map(|n| Some(Argument::plain(n)))
            }
            _ => truth_or_text(name, default, text).map(Some),
        },
        _ => Ok(argument(node)),
    }
}

/// True when the setting's values are JSON lists, as its default or live value tells.
fn holds_json(setting: &Setting) -> bool {
    let known = setting.default.iter().chain(&setting.value);
    known.into_iter().any(|text| text.trim_start().starts_with('['))
}

fn takes_numbers(default: Option<&str>) -> bool {
    default.is_none_or(|text| text.trim().is_empty() || text.trim().parse::<f64>().is_ok())
}

/// Joins items with commas; an item that holds one would become two.
fn list_text(name: &str, items: &[Node]) -> Result<String, Problem> {
    let texts: Option<Vec<Argument>> = items.iter().map(argument).collect();
    let Some(items) = texts else {
        return Err(problem(&[], format!("the list of `{name}` holds plain values only"), None));
    };
    if items.iter().any(|item| item.reveal().contains(',')) {
        let said = format!("an item of `{name}` holds a comma, which separates items there");
        return Err(problem(&[], said, Some("write the two as two items")));
    }
    Ok(items.iter().map(Argument::reveal).collect::<Vec<_>>().join(","))
}

/// Refuses words where the setting is a truth value: Cloudera Manager knows `true` and `false`.
fn truth_or_text(name: &str, default: Option<&str>, text: &str) -> Result<Argument, Problem> {
    let is_truth = |text: &str| matches!(&*text.trim().to_lowercase(), "true" | "false");
    if default.is_some_and(is_truth) && !is_truth(text) {
        let said = format!("`{name}` is a truth value, and `{text}` is none");
        return Err(problem(&[], said, Some("write `true` or `false`")));
    }
    Ok(Argument::plain(text))
}

/// Turns a size into the setting's own unit.
fn in_unit(
    name: &str,
    default: Option<&str>,
    written: &str,
    bytes: u64,
) -> Result<String, Problem> {
    let Some(unit) = unit(name, default) else {
        let said = format!("the unit in which `{name}` counts is not known");
        let hint = format!("write the plain number Cloudera Manager shows instead of `{written}`");
        return Err(problem(&[], said, Some(&hint)));
    };
    match bytes % unit {
        0 => Ok((bytes / unit).to_string()),
        _ => {
            let said =
                format!("`{name}` counts in MiB, and `{written}` is no whole number of them");
            Err(problem(&[], said, None))
        }
    }
}

/// Writes a mapping in the form the setting holds: XML properties, `key=value` lines or JSON.
fn mapping(name: &str, setting: &Setting, map: &Map) -> Result<String, Problem> {
    let live = setting.value.as_deref().or(setting.default.as_deref()).unwrap_or_default().trim();
    let lower = name.to_lowercase();
    let is_valve = lower.contains("safety_valve");
    if is_valve && (live.starts_with('<') || !holds_lines(&lower)) {
        let read = map.iter().map(|(key, node)| xml_property(&key.name, node));
        return Ok(hadoop_xml::render(&read.collect::<Result<Vec<_>, _>>()?));
    }
    if is_valve {
        let pairs = map.iter().map(|(key, node)| match argument(node) {
            Some(value) if value.reveal().contains('\n') => {
                Err(problem(&[], format!("`{}` must be one line", key.name), None))
            }
            Some(value) => Ok((key.name.to_string(), value.reveal().to_string())),
            None => Err(problem(&[], format!("`{}` must be text", key.name), None)),
        });
        return Ok(properties::render(&pairs.collect::<Result<Vec<_>, _>>()?));
    }
    Ok(json(&Node::new(crate::model::Place::nowhere(), Data::Map(map.clone()))).to_string())
}

/// True for safety valves that hold `key=value` lines rather than XML, as their names tell.
fn holds_lines(name: &str) -> bool {
    ["env_safety_valve", "environment", ".properties", "_properties_", "log4j", "extra_env"]
        .iter()
        .any(|part| name.contains(part))
}

fn xml_property(name: &str, node: &Node) -> Result<hadoop_xml::Property, Problem> {
    let wrong = || {
        problem(&[], format!("the value of `{name}` must be text, or `value` and `final`"), None)
    };
    let (value, is_final) = match &node.data {
        Data::Map(map) => {
            let is_final = map.get("final").is_some_and(|n| matches!(n.data, Data::Bool(true, _)));
            let known = map.iter().all(|(key, _)| matches!(&*key.name, "value" | "final"));
            (map.get("value").filter(|_| known).ok_or_else(wrong)?, is_final)
        }
        _ => (node, false),
    };
    let value = argument(value).ok_or_else(wrong)?.reveal().trim().to_string();
    Ok(hadoop_xml::Property { name: name.to_string(), value, is_final })
}

fn json(node: &Node) -> serde_json::Value {
    match &node.data {
        Data::Null => serde_json::Value::Null,
        Data::Bool(value, _) => (*value).into(),
        Data::Int(value, _) => (*value).into(),
        Data::Float(value, _) => (*value).into(),
        Data::List(items) => items.iter().map(json).collect(),
        Data::Map(map) => map
            .iter()
            .map(|(k, v)| (k.name.to_string(), json(v)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => argument(node).map_or(serde_json::Value::Null, |text| text.reveal().into()),
    }
}

/// Lists, or resets, non-default settings that the declaration does not name.
fn unmanaged(args: &Args, config: &ScopeConfig, declared: &[&str], delta: &mut Delta) {
    let policy = args.unmanaged.unwrap_or(Unmanaged::Ignore);
    if policy == Unmanaged::Ignore {
        return;
    }
    for (name, setting) in &config.settings {
        if declared.contains(&&**name) || setting.value.is_none() || GENERATED.contains(&&**name) {
            continue;
        }
        let compared = reset(name, setting, sort_of(name, None), config.overrides);
        if !compared.differs {
            continue;
        }
        match (policy, &compared.before) {
            (Unmanaged::Reset, _) if !setting.sensitive => {
                delta.attributes.push(compared.noted("nobody declared it".to_string()));
            }
            (_, Live::Known(value)) => delta.unmanaged.push((name.to_string(), value.clone())),
            _ => {}
        }
    }
}
