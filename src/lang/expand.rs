//! Resources → what they say about each of their targets.
//!
//! Rendering is the same for every target that sees the same variables, so it is done once per
//! distinct set of inputs: hundreds of hosts that differ in nothing a resource mentions cost one
//! rendering.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::inventory::Inventory;
use super::resource::Resource;
use super::scope::{GIVEN, Locals, Scope};
use super::source;
use super::template;
use super::vars::VarMap;
use crate::model::kind_info::Home;
use crate::model::nearest::did_you_mean;
use crate::model::{Data, Diagnostic, Key, Map, Node, Place, Target};

/// What one resource says about one target, rendered.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Index of the resource in the inventory.
    pub resource: usize,
    /// The target.
    pub target: Target,
    /// The arguments, rendered; targets with equal inputs share them.
    pub args: Arc<Node>,
}

/// Which targets to expand onto: all, unless a method says otherwise.
pub trait Selection {
    /// True when the side is wanted.
    fn side(&self, _side: &str) -> bool {
        true
    }
    /// True when the host is wanted.
    fn host(&self, _host: usize) -> bool {
        true
    }
    /// True when managers are wanted.
    fn managers(&self) -> bool {
        true
    }
    /// True when the resource is wanted (kind and tags).
    fn resource(&self, _resource: &Resource) -> bool {
        true
    }
}

/// Everything is wanted.
pub struct Everything;

impl Selection for Everything {}

/// The sides at whose manager something is declared: what drsync declares by itself concerns those.
struct Managed(Vec<Arc<str>>);

impl Selection for Managed {
    fn side(&self, side: &str) -> bool {
        self.0.iter().any(|managed| **managed == *side)
    }
}

/// Expands all wanted resources, target by target in the order written. All mistakes go to
/// `mistakes`.
pub fn expand(
    inventory: &Inventory,
    wanted: &dyn Selection,
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<Declared> {
    let mut expander = Expander::new(inventory);
    let mut declared = Vec::new();
    let (implied, chosen): (Vec<_>, Vec<_>) =
        inventory.resources.iter().enumerate().partition(|(_, r)| r.kind.is_implied());
    for (index, resource) in chosen.into_iter().filter(|(_, r)| wanted.resource(r)) {
        expander.everywhere(index, resource, wanted, &mut declared, mistakes);
    }
    let at_manager = |side: &&Arc<str>| {
        declared.iter().any(|d| matches!(&d.target, Target::Manager { side: own } if own == *side))
    };
    let managed = Managed(inventory.world.pair.sides.keys().filter(at_manager).cloned().collect());
    for (index, resource) in implied {
        expander.everywhere(index, resource, &managed, &mut declared, mistakes);
    }
    declared
}

/// Adds a mistake unless the same one was found for another target already.
fn say_once(mistakes: &mut Vec<Diagnostic>, mistake: Diagnostic) {
    let said = |m: &Diagnostic| {
        m.summary == mistake.summary && m.place == mistake.place && m.related == mistake.related
    };
    if !mistakes.iter().any(said) {
        mistakes.push(mistake);
    }
}

fn no_manager(side: &str, resource: &Resource) -> Diagnostic {
    Diagnostic::error(format!("side `{side}` has no manager"))
        .because(format!("`{}` lives at the manager of a side.", resource.kind.name))
        .at(&resource.place)
}

/// The inputs of one rendering: the identity of every value it can see.
type Inputs = Vec<usize>;

struct Expander<'a> {
    inventory: &'a Inventory,
    scopes: HashMap<usize, Scope>,
    patterns: HashMap<Arc<str>, Vec<usize>>,
    /// Variables used by an unrendered node, by the node's address.
    used: HashMap<usize, Arc<Vec<String>>>,
    /// Variables used by a whole resource, by its index.
    resource_used: HashMap<usize, Arc<Vec<String>>>,
    done: HashMap<(usize, Inputs), Arc<Vec<Arc<Node>>>>,
    files: HashMap<std::path::PathBuf, Result<Arc<[u8]>, Diagnostic>>,
}

impl<'a> Expander<'a> {
    fn new(inventory: &'a Inventory) -> Expander<'a> {
        Expander {
            inventory,
            scopes: HashMap::new(),
            patterns: HashMap::new(),
            used: HashMap::new(),
            resource_used: HashMap::new(),
            done: HashMap::new(),
            files: HashMap::new(),
        }
    }

    fn hosts(&mut self, resource: &Resource) -> Vec<usize> {
        let pattern = resource.hosts.as_ref().map_or_else(|| Arc::from("all"), |(p, _)| p.clone());
        let inventory = self.inventory;
        self.patterns
            .entry(pattern)
            // A pattern that matches nothing was reported when the inventory was loaded.
            .or_insert_with_key(|pattern| inventory.hosts_of(pattern).unwrap_or_default())
            .clone()
    }

    /// Expands a resource onto all its targets that are wanted.
    fn everywhere(
        &mut self,
        index: usize,
        resource: &Resource,
        wanted: &dyn Selection,
        declared: &mut Vec<Declared>,
        mistakes: &mut Vec<Diagnostic>,
    ) {
        let world = &self.inventory.world;
        let is_named = |side: &str| resource.sides.iter().any(|(named, _)| **named == *side);
        let on_side =
            |side: &str| wanted.side(side) && (resource.sides.is_empty() || is_named(side));
        match resource.kind.home {
            Home::Manager => {
                let sides = world.pair.sides.iter().filter(|(side, _)| on_side(side));
                for (side, body) in sides.filter(|_| wanted.managers()) {
                    if body.manager.is_some() {
                        let scope = Scope::of_side(world, side);
                        self.one(index, resource, &scope, declared, mistakes);
                    } else if is_named(side) {
                        mistakes.push(no_manager(side, resource));
                    }
                }
            }
            Home::Host => {
                for host in self.hosts(resource) {
                    let Some(side) = &world.side_of[host] else { continue };
                    if on_side(side) && wanted.host(host) {
                        let scope = self.scope_of(host, side);
                        self.one(index, resource, &scope, declared, mistakes);
                    }
                }
            }
        }
    }

    fn scope_of(&mut self, host: usize, side: &Arc<str>) -> Scope {
        let world = &self.inventory.world;
        self.scopes.entry(host).or_insert_with(|| Scope::of_host(world, side, host)).clone()
    }

    fn one(
        &mut self,
        index: usize,
        resource: &Resource,
        scope: &Scope,
        declared: &mut Vec<Declared>,
        mistakes: &mut Vec<Diagnostic>,
    ) {
        let mut scope = scope.clone();
        scope.locals.extend(resource.locals.iter().cloned());
        let key = (index, self.inputs(index, resource, &scope));
        let rendered = match self.done.get(&key) {
            Some(rendered) => rendered.clone(),
            None => {
                let rendered = self.render(resource, &scope).unwrap_or_else(|found| {
                    found.into_iter().for_each(|mistake| say_once(mistakes, mistake));
                    Vec::new()
                });
                let rendered = Arc::new(rendered);
                self.done.insert(key, rendered.clone());
                rendered
            }
        };
        let target = scope.target();
        declared.extend(rendered.iter().map(|args| Declared {
            resource: index,
            target: target.clone(),
            args: args.clone(),
        }));
    }

    /// Renders condition, loop and arguments for one set of inputs.
    fn render(
        &mut self,
        resource: &Resource,
        scope: &Scope,
    ) -> Result<Vec<Arc<Node>>, Vec<Diagnostic>> {
        let mut scopes = unrolled(scope)?;
        for scope in &scopes {
            check_params(scope)?;
        }
        if let Some(node) = &resource.repeat {
            let repeated: Result<Vec<_>, _> =
                scopes.iter().map(|scope| repeated(node, scope)).collect();
            scopes = repeated?.into_iter().flatten().collect();
        }
        let mut rendered = Vec::new();
        for scope in scopes {
            let mut holds = true;
            for condition in &resource.when {
                holds = holds && template::condition(condition, &scope)?;
            }
            if holds {
                let args = template::render(&resource.args, &scope)?;
                rendered.push(Arc::new(self.with_files(resource, args, &scope)?));
            }
        }
        Ok(rendered)
    }

    /// Identifies everything the rendering of `resource` can see in `scope`.
    fn inputs(&mut self, index: usize, resource: &Resource, scope: &Scope) -> Inputs {
        let names = match self.resource_used.get(&index) {
            Some(names) => names.clone(),
            None => {
                let names = Arc::new(self.names_of(resource));
                self.resource_used.insert(index, names.clone());
                names
            }
        };
        let mut inputs = Vec::new();
        let mut seen = HashSet::new();
        for name in names.iter() {
            self.input(name, scope, &mut inputs, &mut seen);
        }
        inputs
    }

    fn input(
        &mut self,
        name: &str,
        scope: &Scope,
        inputs: &mut Inputs,
        seen: &mut HashSet<(String, usize)>,
    ) {
        if !seen.insert((name.to_string(), scope.locals.len())) {
            return;
        }
        let side = || scope.side.as_ptr() as usize;
        let Some((node, outer)) = scope.find(name) else {
            match name {
                "side" | "peer" | "translate" => inputs.push(side()),
                "groups" | "translations" | "inventory_dir" | "omit" => {}
                // Anything else differs from host to host, or is undefined (and then the message
                // names the target).
                _ => inputs.extend([side(), scope.host.map_or(usize::MAX, |host| host)]),
            }
            return;
        };
        inputs.push(Arc::as_ptr(&node) as usize);
        let names = self.used_by(&node);
        let scope = outer.as_ref().unwrap_or(scope);
        for name in names.iter() {
            self.input(name, scope, inputs, seen);
        }
    }

    fn used_by(&mut self, node: &Arc<Node>) -> Arc<Vec<String>> {
        let key = Arc::as_ptr(node) as usize;
        self.used
            .entry(key)
            .or_insert_with(|| {
                let mut names = HashSet::new();
                template::variables(node, &mut names);
                Arc::new(sorted(names))
            })
            .clone()
    }

    fn names_of(&mut self, resource: &Resource) -> Vec<String> {
        let mut names = HashSet::new();
        let types = resource.locals.iter().flat_map(|locals| locals.types.keys());
        names.extend(types.map(|name| name.to_string()));
        if resource.locals.iter().any(|locals| locals.repeat.is_some()) {
            // Which items there are is told by the variables where the module is used, which may
            // differ from target to target.
            names.extend(["inventory_hostname".to_string(), "side".to_string()]);
        }
        template::variables(&resource.args, &mut names);
        for condition in resource.when.iter().chain(&resource.repeat) {
            match &condition.data {
                Data::Text(text) if !template::is_template(text) => {
                    let wrapped = Node::text(condition.place.clone(), &format!("{{{{ {text} }}}}"));
                    template::variables(&wrapped, &mut names);
                }
                Data::List(items) => items.iter().for_each(|item| {
                    let text = item.as_text().unwrap_or_default();
                    let wrapped = Node::text(item.place.clone(), &format!("{{{{ {text} }}}}"));
                    template::variables(&wrapped, &mut names);
                    template::variables(item, &mut names);
                }),
                _ => template::variables(condition, &mut names),
            }
        }
        if resource.kind.takes_files
            && let Some(node) = resource.args.get("template")
        {
            match node.as_text().filter(|text| !template::is_template(text)) {
                Some(name) => {
                    if let Ok(bytes) = self.file(resource, "templates", name, &node.place) {
                        let text = String::from_utf8_lossy(&bytes);
                        template::variables(&Node::text(Place::nowhere(), &text), &mut names);
                    }
                }
                // Which file it is differs from target to target, so its variables may too.
                None => names.extend(["inventory_hostname".to_string(), "side".to_string()]),
            }
        }
        sorted(names)
    }

    /// Replaces `source` and `template` by the `content` they stand for.
    fn with_files(
        &mut self,
        resource: &Resource,
        mut args: Node,
        scope: &Scope,
    ) -> Result<Node, Vec<Diagnostic>> {
        if !resource.kind.takes_files {
            return Ok(args);
        }
        let Data::Map(map) = &mut args.data else { return Ok(args) };
        let takes =
            |(key, _): &(&Key, &Node)| ["content", "source", "template"].contains(&&*key.name);
        let given: Vec<&Key> = map.iter().filter(takes).map(|(key, _)| key).collect();
        if let [first, second, ..] = given[..] {
            let said = format!("`{}` and `{}` exclude each other", first.name, second.name);
            return Err(vec![Diagnostic::error(said).at(&second.place)]);
        }
        for (argument, folder) in [("source", "files"), ("template", "templates")] {
            let Some(position) = map.0.iter().position(|(key, _)| &*key.name == argument) else {
                continue;
            };
            let (key, node) = map.0.remove(position);
            let Some(name) = node.as_text() else {
                let said = format!("`{argument}` must name a file, found {}", node.sort());
                return Err(vec![Diagnostic::error(said).at(&node.place)]);
            };
            let bytes = self.file(resource, folder, name, &node.place).map_err(|m| vec![m])?;
            let content = self.content(resource, argument, name, &bytes, &node.place, scope)?;
            let (key_name, content) = content;
            map.set(Key { name: Arc::from(key_name), place: key.place.clone() }, content);
            map.set(
                Key { name: Arc::from("from"), place: key.place },
                Node::text(node.place.clone(), &format!("{folder}/{name}")),
            );
        }
        Ok(args)
    }

    fn content(
        &mut self,
        resource: &Resource,
        argument: &str,
        name: &str,
        bytes: &[u8],
        place: &Place,
        scope: &Scope,
    ) -> Result<(&'static str, Node), Vec<Diagnostic>> {
        let text = std::str::from_utf8(bytes);
        match (argument, text) {
            ("source", Ok(text)) if !text.contains('\0') => {
                Ok(("content", Node::new(place.clone(), Data::Literal(Arc::from(text)))))
            }
            ("source", _) => {
                use base64::Engine as _;
                let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
                Ok(("content_base64", Node::text(place.clone(), &encoded)))
            }
            (_, Ok(text)) => {
                let file = Arc::from(self.path(resource, "templates", name).display().to_string());
                let start = Place::new(file, 1, 1);
                let mut node = template::render_text(text, &start, scope)?;
                node.place = place.clone();
                Ok(("content", node))
            }
            (_, Err(_)) => Err(vec![
                Diagnostic::error(format!("the template `{name}` is not UTF-8 text")).at(place),
            ]),
        }
    }

    /// Finds a file: beside the module, then in the inventory.
    fn path(&self, resource: &Resource, folder: &str, name: &str) -> std::path::PathBuf {
        let inventory: &Path = &self.inventory.folder;
        let roots = resource.folder.as_deref().into_iter().chain([inventory]);
        let found = roots.map(|root| root.join(folder).join(name)).find(|path| path.is_file());
        found.unwrap_or_else(|| inventory.join(folder).join(name))
    }

    fn file(
        &mut self,
        resource: &Resource,
        folder: &str,
        name: &str,
        place: &Place,
    ) -> Result<Arc<[u8]>, Diagnostic> {
        let path = self.path(resource, folder, name);
        let read = self.files.entry(path).or_insert_with_key(|path| {
            std::fs::read(path).map(Arc::from).map_err(|error| {
                let names = path.parent().and_then(|p| {
                    source::files_below(
                        p,
                        &["j2", "conf", "txt", "xml", "cfg", "sh", "service", "yaml"],
                    )
                    .ok()
                });
                let names: Vec<String> = names
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned()))
                    .collect();
                Diagnostic::error(format!("cannot read `{}`", path.display()))
                    .because(error.to_string())
                    .hint(did_you_mean(name, names.iter().map(String::as_str)))
            })
        });
        read.clone().map_err(|mistake| mistake.at(place))
    }
}

fn sorted(names: HashSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    // Given names that never differ need no place among the inputs.
    names.retain(|name| name != "omit" || !GIVEN.contains(&name.as_str()));
    names
}

/// Checks the parameters whose values were templates until now.
fn check_params(scope: &Scope) -> Result<(), Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    for (depth, locals) in scope.locals.iter().enumerate() {
        for (name, param) in &locals.types {
            let Some(given) = locals.vars.get(name).filter(|node| !template::is_plain(node)) else {
                continue;
            };
            let mut outer = scope.clone();
            outer.locals.truncate(depth);
            match template::render(given, &outer) {
                Ok(value) => mistakes.extend(super::module::check_value(name, param, &value)),
                Err(found) => mistakes.extend(found),
            }
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// Returns one scope per item of each `loop` of the module uses around.
fn unrolled(scope: &Scope) -> Result<Vec<Scope>, Vec<Diagnostic>> {
    let mut scopes = vec![scope.clone()];
    for (depth, locals) in scope.locals.iter().enumerate() {
        let Some(node) = &locals.repeat else { continue };
        let mut all = Vec::new();
        for scope in scopes {
            let mut outer = scope.clone();
            outer.locals.truncate(depth);
            all.extend(items(node, &outer)?.into_iter().map(|item| {
                let mut inner = scope.clone();
                inner.locals[depth] = item;
                inner
            }));
        }
        scopes = all;
    }
    Ok(scopes)
}

/// Returns one scope per item of a `loop`, with `item` set.
fn repeated(node: &Node, scope: &Scope) -> Result<Vec<Scope>, Vec<Diagnostic>> {
    Ok(items(node, scope)?.into_iter().map(|item| scope.with(item)).collect())
}

/// Returns the variables of each turn of a `loop`.
fn items(node: &Node, scope: &Scope) -> Result<Vec<Arc<Locals>>, Vec<Diagnostic>> {
    let list = template::render(node, scope)?;
    let Some(items) = list.as_list() else {
        let said = format!("`loop` must be a list, found {}", list.sort());
        return Err(vec![Diagnostic::error(said).at(&node.place)]);
    };
    let with = |item: &Node| {
        let mut vars = VarMap::new();
        vars.insert(Arc::from("item"), Arc::new(literal(item)));
        Arc::new(Locals::of(vars))
    };
    Ok(items.iter().map(with).collect())
}

/// Marks rendered text so that it is not rendered again.
fn literal(node: &Node) -> Node {
    let data = match &node.data {
        Data::Text(text) => Data::Literal(text.clone()),
        Data::List(items) => Data::List(items.iter().map(literal).collect()),
        Data::Map(map) => {
            Data::Map(Map(map.iter().map(|(k, v)| (k.clone(), literal(v))).collect()))
        }
        other => other.clone(),
    };
    Node::new(node.place.clone(), data)
}
