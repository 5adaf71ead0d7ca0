//! `resources/**/*.yaml`: desired state, as written.

use std::sync::Arc;

use super::scope::Locals;
use super::template;
use super::vars::VarMap;
use crate::model::kind_info::{Home, KindInfo};
use crate::model::nearest::did_you_mean;
use crate::model::{Data, Diagnostic, Key, Map, Node, Place};

/// Keys every resource may have, whatever its kind.
pub const COMMON: [&str; 11] = [
    "name", "hosts", "sides", "vars", "when", "loop", "tags", "requires", "before", "protect",
    "ignore",
];

/// One declared thing, as written; not yet expanded onto targets.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its `name`, or its kind when it has none.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: KindInfo,
    /// Its arguments, unrendered.
    pub args: Node,
    /// Where it starts.
    pub place: Place,
    /// Host pattern.
    pub hosts: Option<(Arc<str>, Place)>,
    /// Sides it is for; all when empty.
    pub sides: Vec<(Arc<str>, Place)>,
    /// Conditions, outermost first; all must hold.
    pub when: Vec<Node>,
    /// Items to repeat it over.
    pub repeat: Option<Node>,
    /// Tags.
    pub tags: Vec<Arc<str>>,
    /// Names of resources that come first.
    pub requires: Vec<(Arc<str>, Place)>,
    /// Names of resources that come after.
    pub before: Vec<(Arc<str>, Place)>,
    /// True when apply must never change it.
    pub protect: bool,
    /// Attributes (globs) that are not compared.
    pub ignore: Vec<Arc<str>>,
    /// Variables: those of the modules around it, outermost first, then its own.
    pub locals: Vec<Arc<Locals>>,
    /// Names of the module uses it comes from, innermost first.
    pub within: Vec<Arc<str>>,
    /// The folder its files are found in, before the inventory's own.
    pub folder: Option<Arc<std::path::Path>>,
    /// Its part in single-node maintenance, for what drsync declares itself.
    pub phase: Option<Phase>,
}

/// A part of single-node maintenance: around the work that two servers must not do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the work.
    Open,
    /// After it, whatever became of it.
    Close,
}

impl Resource {
    /// Returns a resource of `kind` called `name`, written at `place`, with nothing but arguments.
    pub fn new(name: &str, kind: KindInfo, args: Node, place: Place) -> Resource {
        Resource {
            name: Arc::from(name),
            kind,
            args,
            place,
            hosts: None,
            sides: Vec::new(),
            when: Vec::new(),
            repeat: None,
            tags: Vec::new(),
            requires: Vec::new(),
            before: Vec::new(),
            protect: false,
            ignore: Vec::new(),
            locals: Vec::new(),
            within: Vec::new(),
            folder: None,
            phase: None,
        }
    }
}

/// A use of a module, as written.
#[derive(Clone, Debug)]
pub struct ModuleUse {
    /// The module's name.
    pub module: Arc<str>,
    /// Where the name stands.
    pub place: Place,
    /// Its parameters, unrendered.
    pub params: Node,
    /// Everything else: what the module's resources inherit. Kind and arguments mean nothing here.
    pub common: Resource,
}

/// What can stand as the verb of a resource beside the kinds.
pub trait ModuleNames {
    /// True when there is a module of this name.
    fn exists(&self, name: &str) -> bool;
    /// Returns all names, for "did you mean".
    fn names(&self) -> Vec<String>;
}

/// One item of a resource list.
pub enum Item {
    /// A resource.
    Resource(Box<Resource>),
    /// A use of a module.
    Module(Box<ModuleUse>),
}

/// Reads one item of a list of resources.
pub fn read_item(
    node: &Node,
    kinds: &[KindInfo],
    modules: &dyn ModuleNames,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Item> {
    let Some(map) = node.as_map() else {
        let said = format!("a resource must be a mapping, found {}", node.sort());
        mistakes.push(Diagnostic::error(said).at(&node.place));
        return None;
    };
    let before = mistakes.len();
    let verbs: Vec<(&Key, &Node)> = map
        .iter()
        .filter(|(key, _)| !COMMON.contains(&&*key.name) && &*key.name != "params")
        .collect();
    let item =
        match verbs[..] {
            [] => {
                mistakes.push(Diagnostic::error("a resource without a kind").at(&node.place).hint(
                    "add one, e.g. `os.sysctl: { name: vm.swappiness, value: 1 }`".to_string(),
                ));
                None
            }
            [(key, value)] => read_verb(map, key, value, node, kinds, modules, mistakes),
            _ => {
                blame_verbs(&verbs, kinds, modules, mistakes);
                None
            }
        };
    (mistakes.len() == before).then_some(item).flatten()
}

fn read_verb(
    map: &Map,
    key: &Key,
    value: &Node,
    node: &Node,
    kinds: &[KindInfo],
    modules: &dyn ModuleNames,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Item> {
    let is_it = |kind: &&KindInfo| kind.name == &*key.name && !kind.is_implied();
    if let Some(kind) = kinds.iter().find(is_it) {
        if let Some((params, _)) = map.entry("params") {
            mistakes.push(
                Diagnostic::error("`params` belongs to a module, not to a kind").at(&params.place),
            );
        }
        let resource = read_common(map, *kind, value.clone(), node, mistakes);
        return Some(Item::Resource(Box::new(resource)));
    }
    let nothing = KindInfo { name: "", home: Home::Host, takes_files: false };
    let empty = || Node::new(value.place.clone(), Data::Map(Map::default()));
    let (module, place, params) = if &*key.name == "module" {
        let name = value.as_text().unwrap_or_default();
        (Arc::from(name), value.place.clone(), map.get("params").cloned().unwrap_or_else(empty))
    } else if modules.exists(&key.name) {
        let params = if matches!(value.data, Data::Null) { empty() } else { value.clone() };
        (key.name.clone(), key.place.clone(), params)
    } else {
        blame_verbs(&[(key, value)], kinds, modules, mistakes);
        return None;
    };
    let common =
        read_common(map, nothing, Node::new(value.place.clone(), Data::Null), node, mistakes);
    Some(Item::Module(Box::new(ModuleUse { module, place, params, common })))
}

/// Explains keys that are neither common keys, nor a kind, nor a module, or too many kinds.
fn blame_verbs(
    verbs: &[(&Key, &Node)],
    kinds: &[KindInfo],
    modules: &dyn ModuleNames,
    mistakes: &mut Vec<Diagnostic>,
) {
    let (implied, kinds): (Vec<&KindInfo>, Vec<&KindInfo>) =
        kinds.iter().partition(|kind| kind.is_implied());
    let is_verb = |name: &str| {
        name == "module" || modules.exists(name) || kinds.iter().any(|k| k.name == name)
    };
    let known: Vec<&&Key> =
        verbs.iter().map(|(key, _)| key).filter(|key| is_verb(&key.name)).collect();
    if let [first, second, ..] = known[..] {
        mistakes.push(
            Diagnostic::error(format!(
                "two kinds in one resource: `{}` and `{}`",
                first.name, second.name
            ))
            .at(&second.place)
            .also(&first.place, "the first one")
            .hint("write two resources".to_string()),
        );
    }
    for (key, _) in verbs.iter().filter(|(key, _)| !is_verb(&key.name)) {
        if implied.iter().any(|kind| kind.name == &*key.name) {
            let said = format!("`{}` is declared by drsync itself", key.name);
            let hint = "what it does follows from `policy` and `servers` in pair.yaml".to_string();
            mistakes.push(Diagnostic::error(said).at(&key.place).hint(hint));
            continue;
        }
        let of_modules = modules.names();
        let names = kinds.iter().map(|kind| kind.name).chain(COMMON);
        let names = names.chain(of_modules.iter().map(String::as_str));
        let what = match known.is_empty() {
            true => "kind",
            false => "key",
        };
        mistakes.push(
            Diagnostic::error(format!("unknown {what} `{}`", key.name)).at(&key.place).hint(
                did_you_mean(&key.name, names)
                    .or_else(|| Some("`drsync kinds` lists all kinds".to_string())),
            ),
        );
    }
}

fn read_common(
    map: &Map,
    kind: KindInfo,
    args: Node,
    node: &Node,
    mistakes: &mut Vec<Diagnostic>,
) -> Resource {
    let name = one_text(map, "name", mistakes);
    let hosts = one_text(map, "hosts", mistakes);
    if let Some((_, place)) = &hosts
        && kind.home == Home::Manager
    {
        mistakes.push(
            Diagnostic::error(format!("`hosts` means nothing to `{}`", kind.name))
                .because("Its instances live at the manager of a side.")
                .at(place)
                .hint("use `sides`".to_string()),
        );
    }
    let protect = map.get("protect").map(|node| match node.data {
        Data::Bool(value, _) => value,
        _ => {
            let said = format!("`protect` must be true or false, found {}", node.sort());
            mistakes.push(Diagnostic::error(said).at(&node.place));
            false
        }
    });
    Resource {
        name: name.map_or_else(|| Arc::from(kind.name), |(name, _)| name),
        kind,
        args,
        place: node.place.clone(),
        hosts,
        sides: texts(map, "sides", mistakes),
        when: map.get("when").cloned().into_iter().collect(),
        repeat: map.get("loop").cloned(),
        tags: texts(map, "tags", mistakes).into_iter().map(|(tag, _)| tag).collect(),
        requires: texts(map, "requires", mistakes),
        before: texts(map, "before", mistakes),
        protect: protect.unwrap_or(false),
        ignore: texts(map, "ignore", mistakes).into_iter().map(|(glob, _)| glob).collect(),
        locals: own_vars(map, mistakes).into_iter().collect(),
        within: Vec::new(),
        folder: None,
        phase: None,
    }
}

fn own_vars(map: &Map, mistakes: &mut Vec<Diagnostic>) -> Option<Arc<Locals>> {
    let node = map.get("vars")?;
    let Some(vars) = node.as_map() else {
        let said = format!("`vars` must be a mapping, found {}", node.sort());
        mistakes.push(Diagnostic::error(said).at(&node.place));
        return None;
    };
    let vars: VarMap = vars.iter().map(|(k, v)| (k.name.clone(), Arc::new(v.clone()))).collect();
    Some(Arc::new(Locals::of(vars)))
}

fn one_text(map: &Map, key: &str, mistakes: &mut Vec<Diagnostic>) -> Option<(Arc<str>, Place)> {
    let node = map.get(key)?;
    let text = node.as_text().filter(|text| !template::is_template(text) || key == "name");
    if text.is_none() {
        let said = match node.as_text() {
            Some(_) => format!("`{key}` cannot be a template"),
            None => format!("`{key}` must be text, found {}", node.sort()),
        };
        mistakes.push(Diagnostic::error(said).at(&node.place));
    }
    text.map(|text| (Arc::from(text), node.place.clone()))
}

/// Reads a list of words; one word alone, or several with commas, is a list too, as in Ansible.
fn texts(map: &Map, key: &str, mistakes: &mut Vec<Diagnostic>) -> Vec<(Arc<str>, Place)> {
    let Some(node) = map.get(key) else { return Vec::new() };
    let items: Vec<Node> = match (&node.data, node.as_text()) {
        (Data::List(items), _) => items.clone(),
        (_, Some(text)) if key == "tags" => {
            text.split(',').map(|tag| Node::text(node.place.clone(), tag.trim())).collect()
        }
        (_, Some(_)) => vec![node.clone()],
        _ => Vec::new(),
    };
    if items.is_empty() || items.iter().any(|item| item.as_text().is_none()) {
        let said = format!("`{key}` must be a list of words, found {}", node.sort());
        mistakes.push(Diagnostic::error(said).at(&node.place));
        return Vec::new();
    }
    let words =
        items.iter().filter_map(|item| Some((Arc::from(item.as_text()?), item.place.clone())));
    words.collect()
}
