//! `modules/<name>/module.yaml`: reusable bundles of resources with typed parameters.
//!
//! A module may be a kind of its own instead, or beside its resources: a *scripted kind*, which looks
//! and writes by shell text.
//!
//! ```yaml
//! params:
//!   name: { type: string }
//!   level: { type: integer, default: 3 }
//! kind:
//!   key: "{{ name }}"
//!   want: { level: "{{ level }}" }
//!   probe: |
//!     put level "$(cat "$root/etc/levels/$name")"
//!   apply: |
//!     printf '%s\n' "$level" > "$root/etc/levels/$name"
//! ```
//!
//! Every parameter reaches both texts as a shell variable; nothing is ever filled into them. A use of
//! the module declares one instance, `HOST/MODULE[KEY]`. What the texts may do is told on the manual
//! page of `os.script`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde::Deserialize;

use super::resource::{self, Item, ModuleNames, ModuleUse, Resource};
use super::scalar::Dialect;
use super::scope::Locals;
use super::source::Sources;
use super::vars::VarMap;
use crate::model::decode::decode;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::nearest::did_you_mean;
use crate::model::quote::{VARIABLE_HINT, is_variable};
use crate::model::{Data, Diagnostic, Key, Map, Node};

/// Modules may use modules this deep.
const DEEPEST: usize = 8;

/// What a parameter must be.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the sorts name themselves")]
pub enum Sort {
    String,
    Integer,
    Number,
    Boolean,
    List,
    Map,
    Any,
}

/// One parameter of a module.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// What it must be.
    #[serde(rename = "type")]
    pub sort: Sort,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Its value when none is given; without one the parameter is required.
    pub default: Option<Node>,
    /// May it be left out though it has no default? It is then null.
    #[serde(default)]
    pub optional: bool,
    /// The only values allowed.
    #[serde(default)]
    pub choices: Vec<Node>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    #[expect(dead_code, reason = "read by people, checked to be text")]
    description: String,
    params: Option<Node>,
    resources: Option<Node>,
    kind: Option<Node>,
}

/// What makes a module a kind of its own, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindPage {
    key: Node,
    want: Node,
    probe: Option<Node>,
    apply: Option<Node>,
}

/// A loaded module.
#[derive(Debug)]
struct Module {
    params: IndexMap<Arc<str>, Param>,
    /// Where each parameter is declared.
    keys: Vec<Key>,
    resources: Vec<Node>,
    scripted: Option<Scripted>,
    folder: Option<Arc<Path>>,
}

/// A kind made of shell text.
#[derive(Debug)]
struct Scripted {
    kind: KindInfo,
    /// Arguments of `os.script`, but for the parameters.
    args: Map,
}

/// Finds and expands modules.
pub struct Modules<'a> {
    /// Folders searched, first match wins.
    folders: Vec<PathBuf>,
    /// Modules that come with drsync: name and text.
    shipped: &'a [(&'static str, &'static str)],
    kinds: &'a [KindInfo],
    loaded: IndexMap<Arc<str>, Option<Arc<Module>>>,
    /// Names of resources that have mistakes.
    pub broken: Vec<Arc<str>>,
}

impl<'a> Modules<'a> {
    /// Returns a finder over `folders` and, after them, the modules that come with drsync.
    pub fn new(
        folders: Vec<PathBuf>,
        shipped: &'a [(&'static str, &'static str)],
        kinds: &'a [KindInfo],
    ) -> Modules<'a> {
        Modules { folders, shipped, kinds, loaded: IndexMap::new(), broken: Vec::new() }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        let files = self.folders.iter().map(|folder| folder.join(name).join("module.yaml"));
        files.into_iter().find(|file| file.is_file())
    }

    /// Reads `list` and puts what its items declare, modules expanded, into `into`.
    pub fn read_list(
        &mut self,
        sources: &mut Sources,
        list: &[Node],
        into: &mut Vec<Resource>,
        depth: usize,
    ) {
        for node in list {
            let mut mistakes = Vec::new();
            let item = resource::read_item(node, self.kinds, self, &mut mistakes);
            sources.mistakes.extend(mistakes);
            match item {
                Some(Item::Resource(resource)) => into.push(*resource),
                Some(Item::Module(used)) => self.expand(sources, &used, into, depth),
                None => self.broken.extend(node.get("name").and_then(Node::as_text).map(Arc::from)),
            }
        }
    }

    fn expand(
        &mut self,
        sources: &mut Sources,
        used: &ModuleUse,
        into: &mut Vec<Resource>,
        depth: usize,
    ) {
        if depth >= DEEPEST {
            sources.mistakes.push(
                Diagnostic::error(format!("module `{}` uses itself", used.module)).at(&used.place),
            );
            return;
        }
        let Some(module) = self.module(sources, used) else { return };
        let mistakes = check_params(&module, used);
        if !mistakes.is_empty() {
            sources.mistakes.extend(mistakes);
            return;
        }
        let vars = given_params(&module, used);
        let params =
            Arc::new(Locals { outer: true, types: module.params.clone(), ..Locals::of(vars) });
        let mut inner = Vec::new();
        self.read_list(sources, &module.resources, &mut inner, depth + 1);
        inner.extend(module.scripted.iter().map(|kind| kind.resource(used, &module.keys)));
        into.extend(inner.into_iter().map(|inner| inherit(inner, used, &params, &module)));
    }

    fn module(&mut self, sources: &mut Sources, used: &ModuleUse) -> Option<Arc<Module>> {
        if let Some(known) = self.loaded.get(&used.module) {
            return known.clone();
        }
        if !self.exists(&used.module) {
            let names = self.names();
            sources.mistakes.push(
                Diagnostic::error(format!("unknown module `{}`", used.module))
                    .at(&used.place)
                    .hint(did_you_mean(&used.module, names.iter().map(String::as_str))),
            );
            return None;
        }
        let module = self.load(sources, &used.module).map(Arc::new);
        self.loaded.insert(used.module.clone(), module.clone());
        module
    }

    fn load(&self, sources: &mut Sources, name: &str) -> Option<Module> {
        let (node, folder) = match self.file(name) {
            Some(file) => {
                let folder = file.parent().map(Arc::from);
                (sources.mapping(&file, Dialect::Core)?, folder)
            }
            None => {
                let (_, text) = self.shipped.iter().find(|(n, _)| *n == name)?;
                let file: Arc<str> = Arc::from(format!("<drsync>/modules/{name}/module.yaml"));
                sources.remember(&file, text);
                let node = super::yaml::parse(&file, text, Dialect::Core);
                (node.map_err(|mistakes| sources.mistakes.extend(mistakes)).ok()?, None)
            }
        };
        let page: Page = decode(&node).map_err(|mistake| sources.mistakes.push(mistake)).ok()?;
        let (mut params, mut keys) = (IndexMap::new(), Vec::new());
        for (key, node) in page.params.iter().filter_map(Node::as_map).flat_map(Map::iter) {
            match decode::<Param>(node) {
                Ok(param) => {
                    params.insert(key.name.clone(), param);
                    keys.push(key.clone());
                }
                Err(mistake) => sources.mistakes.push(mistake),
            }
        }
        if page.resources.is_none() && page.kind.is_none() {
            let said = "a module needs `resources`, a `kind`, or both";
            sources.mistakes.push(Diagnostic::error(said).at(&node.place));
            return None;
        }
        let resources = match &page.resources {
            None => Vec::new(),
            Some(node) => match node.as_list() {
                Some(list) => list.to_vec(),
                None => {
                    let said = format!("`resources` must be a list, found {}", node.sort());
                    sources.mistakes.push(Diagnostic::error(said).at(&node.place));
                    return None;
                }
            },
        };
        let scripted = page.kind.map(|node| Scripted::read(name, &node)).transpose();
        let scripted = scripted.map_err(|mistake| sources.mistakes.push(mistake)).ok()?;
        if scripted.is_some() {
            let odd = keys.iter().filter(|key| !is_variable(&key.name));
            sources.mistakes.extend(odd.map(|key| {
                let said = format!("`{}` cannot be the name of a shell variable", key.name);
                Diagnostic::error(said).at(&key.place).hint(VARIABLE_HINT.to_string())
            }));
            if keys.iter().any(|key| !is_variable(&key.name)) {
                return None;
            }
        }
        Some(Module { params, keys, resources, scripted, folder })
    }
}

impl Scripted {
    /// Reads the `kind` of the module called `name`.
    fn read(name: &str, node: &Node) -> Result<Scripted, Diagnostic> {
        let page: KindPage = decode(node)?;
        let Some(probe) = page.probe else {
            return Err(Diagnostic::error(format!("the kind of module `{name}` has no `probe`"))
                .because("Nothing is changed that cannot be looked at.")
                .at(&node.place)
                .hint("write shell text that reports with `put NAME VALUE`".to_string()));
        };
        let mut args = Map::default();
        let mut set = |name: &str, node: Node| {
            let place = node.place.clone();
            args.set(Key { name: Arc::from(name), place }, node);
        };
        set("name", page.key);
        set("want", page.want);
        set("probe", code("probe", &probe)?);
        if let Some(apply) = &page.apply {
            set("apply", code("apply", apply)?);
        }
        // Kinds go by names that live as long as the program. A module is loaded once in a run, so
        // there are as many of these as modules with a kind.
        let name: &'static str = Box::leak(name.to_string().into_boxed_str());
        Ok(Scripted { kind: KindInfo { name, home: Home::Host, takes_files: false }, args })
    }

    /// Returns the one resource that a use of the module declares.
    fn resource(&self, used: &ModuleUse, keys: &[Key]) -> Resource {
        let mut params = Map::default();
        for key in keys {
            let given = used.params.get(&key.name).map_or(&used.place, |node| &node.place);
            let value = Node::text(given.clone(), &format!("{{{{ {} }}}}", key.name));
            params.set(key.clone(), value);
        }
        let place = || used.place.clone();
        let mut args = self.args.clone();
        let key = Key { name: Arc::from("params"), place: place() };
        args.set(key, Node::new(place(), Data::Map(params)));
        let name = match used.common.name.is_empty() {
            true => self.kind.name,
            false => &*used.common.name,
        };
        let args = Node::new(place(), Data::Map(args));
        // All the rest it is given by `inherit`.
        Resource::new(name, self.kind, args, used.common.place.clone())
    }
}

/// Returns shell text as it is written: never a template, so that no value becomes code.
fn code(argument: &str, node: &Node) -> Result<Node, Diagnostic> {
    match node.as_text() {
        Some(text) => Ok(Node::new(node.place.clone(), Data::Literal(Arc::from(text)))),
        None => {
            let said = format!("`{argument}` must be shell text, found {}", node.sort());
            Err(Diagnostic::error(said).at(&node.place))
        }
    }
}

impl ModuleNames for Modules<'_> {
    fn exists(&self, name: &str) -> bool {
        let is_name = !name.is_empty() && !name.contains(['/', '.']);
        is_name && (self.file(name).is_some() || self.shipped.iter().any(|(n, _)| *n == name))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.shipped.iter().map(|(name, _)| name.to_string()).collect();
        for folder in &self.folders {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            names.extend(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        }
        names
    }
}

fn given_params(module: &Module, used: &ModuleUse) -> VarMap {
    let given = |name: &str| used.params.get(name).cloned();
    let null = || Node::new(used.place.clone(), Data::Null);
    module
        .params
        .iter()
        .map(|(name, param)| {
            let value = given(name).or_else(|| param.default.clone()).unwrap_or_else(null);
            (name.clone(), Arc::new(value))
        })
        .collect()
}

/// Checks names, presence and, where a value is no template, type and choice.
fn check_params(module: &Module, used: &ModuleUse) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let Some(given) = used.params.as_map() else {
        let said = format!("parameters must be a mapping, found {}", used.params.sort());
        return vec![Diagnostic::error(said).at(&used.params.place)];
    };
    for (key, value) in given.iter() {
        match module.params.get(&key.name) {
            None => mistakes.push(
                Diagnostic::error(format!(
                    "module `{}` has no parameter `{}`",
                    used.module, key.name
                ))
                .at(&key.place)
                .hint(did_you_mean(&key.name, module.params.keys().map(|name| &**name))),
            ),
            Some(param) if super::template::is_plain(value) => {
                mistakes.extend(check_value(&key.name, param, value));
            }
            Some(_) => {}
        }
    }
    for (name, param) in &module.params {
        if given.get(name).is_none() && param.default.is_none() && !param.optional {
            mistakes.push(
                Diagnostic::error(format!("module `{}` needs parameter `{name}`", used.module))
                    .at(&used.place)
                    .hint((!param.description.is_empty()).then(|| param.description.clone())),
            );
        }
    }
    mistakes
}

/// Returns what is wrong with the value of a parameter.
pub fn check_value(name: &str, param: &Param, value: &Node) -> Option<Diagnostic> {
    let fits = match (&value.data, param.sort) {
        (_, Sort::Any) | (Data::List(_), Sort::List) | (Data::Map(_), Sort::Map) => true,
        (Data::Int(..), Sort::Integer | Sort::Number) | (Data::Float(..), Sort::Number) => true,
        (Data::Bool(..), Sort::Boolean) => true,
        (Data::Null, _) => param.optional,
        (Data::Secret(_), Sort::String) => true,
        (_, Sort::String) => value.as_text().is_some(),
        _ => false,
    };
    if !fits {
        let due = format!("{:?}", param.sort).to_lowercase();
        let said = format!("parameter `{name}` must be of type {due}, found {}", value.sort());
        return Some(Diagnostic::error(said).at(&value.place));
    }
    let chosen = param.choices.is_empty() || param.choices.iter().any(|c| c.same(value));
    (!chosen).then(|| {
        let choices: Vec<&str> = param.choices.iter().filter_map(Node::as_text).collect();
        Diagnostic::error(format!("parameter `{name}` must be one of: {}", choices.join(", ")))
            .at(&value.place)
            .hint(did_you_mean(value.as_text().unwrap_or_default(), choices.iter().copied()))
    })
}

/// Gives a module's resource what the use of the module says.
fn inherit(
    mut inner: Resource,
    used: &ModuleUse,
    params: &Arc<Locals>,
    module: &Module,
) -> Resource {
    let outer = &used.common;
    if inner.hosts.is_none() && inner.kind.home == crate::model::kind_info::Home::Host {
        inner.hosts = outer.hosts.clone();
    }
    if inner.sides.is_empty() {
        inner.sides = outer.sides.clone();
    }
    inner.when = outer.when.iter().cloned().chain(inner.when).collect();
    inner.tags.extend(outer.tags.iter().cloned());
    inner.requires.extend(outer.requires.iter().cloned());
    inner.before.extend(outer.before.iter().cloned());
    if !outer.name.is_empty() {
        inner.within.push(outer.name.clone());
    }
    inner.protect |= outer.protect;
    inner.ignore.extend(outer.ignore.iter().cloned());
    let mut locals = outer.locals.clone();
    locals.extend(
        outer.repeat.iter().map(|node| {
            Arc::new(Locals { repeat: Some(node.clone()), ..Locals::of(VarMap::new()) })
        }),
    );
    locals.push(params.clone());
    locals.extend(inner.locals);
    inner.locals = locals;
    if inner.folder.is_none() {
        inner.folder = module.folder.clone();
    }
    inner
}
