//! Renders the templates inside a [`Node`], keeping places and types.
//!
//! With `filters.rs` the only file that names the template engine. A scalar that is exactly one
//! `{{ … }}` keeps the type of its value; anything else becomes text. Variables are rendered when
//! they are used, as in Ansible, so one may refer to another. Whatever touched a secret is secret.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use minijinja::value::{Enumerator, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::scope::Scope;
use super::{filters, scalar};
use crate::model::nearest::did_you_mean;
use crate::model::{Data, Diagnostic, Key, Map, Node, Place, Secret};

/// Variables may refer to variables this deep.
const DEEPEST: usize = 40;
/// What `omit` renders to; a key with this value disappears.
const OMIT: &str = "__omit_place_holder__";

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(engine);

fn engine() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    // Without it the engine does not say which variable is undefined.
    env.set_debug(true);
    env.set_fuel(Some(10_000_000));
    env.set_syntax(
        minijinja::syntax::SyntaxConfig::builder()
            .trim_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .unwrap_or_default(),
    );
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.set_formatter(|out, state, value| match value.kind() {
        // The engine would write Python's `True` and `None`, which no configuration file wants.
        ValueKind::Bool => Ok(write!(out, "{}", if value.is_true() { "true" } else { "false" })?),
        ValueKind::None => Ok(()),
        _ => minijinja::escape_formatter(out, state, value),
    });
    filters::install(&mut env);
    env
}

/// True when `text` holds a template.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// True when nothing in `node` needs rendering.
pub fn is_plain(node: &Node) -> bool {
    match &node.data {
        Data::Text(text) => !is_template(text),
        Data::List(items) => items.iter().all(is_plain),
        Data::Map(map) => {
            !super::secrets::is_reference(node) && map.iter().all(|(_, value)| is_plain(value))
        }
        Data::Vault(_) => false,
        _ => true,
    }
}

/// Returns the variables the templates in `node` use directly, given names included.
pub fn variables(node: &Node, found: &mut HashSet<String>) {
    match &node.data {
        Data::Text(text) if is_template(text) => {
            if let Ok(template) = ENGINE.template_from_str(text) {
                found.extend(template.undeclared_variables(false));
            }
        }
        Data::List(items) => items.iter().for_each(|item| variables(item, found)),
        Data::Map(map) => map.iter().for_each(|(_, value)| variables(value, found)),
        _ => {}
    }
}

/// Renders every template and opens every secret in `node`.
///
/// Errors: all mistakes in the node, each at the place of its scalar.
pub fn render(node: &Node, scope: &Scope) -> Result<Node, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let rendered = Render { scope, trail: &[] }.node(node, &mut mistakes);
    if mistakes.is_empty() { Ok(rendered) } else { Err(mistakes) }
}

/// Renders a file's text.
pub fn render_text(text: &str, place: &Place, scope: &Scope) -> Result<Node, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let rendered = Render { scope, trail: &[] }.text(text, place, false, &mut mistakes);
    if mistakes.is_empty() { Ok(rendered) } else { Err(mistakes) }
}

/// Evaluates a condition (`when`): an expression, with or without braces; all of a list must hold.
pub fn condition(node: &Node, scope: &Scope) -> Result<bool, Vec<Diagnostic>> {
    match &node.data {
        Data::Bool(value, _) => Ok(*value),
        Data::List(items) => {
            for item in items {
                if !condition(item, scope)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Data::Text(text) => {
            let inner = sole_expression(text).unwrap_or(text);
            let mut mistakes = Vec::new();
            let value = Render { scope, trail: &[] }.evaluate(inner, &node.place, &mut mistakes);
            if mistakes.is_empty() { Ok(value.0.is_true()) } else { Err(mistakes) }
        }
        _ => Err(vec![
            Diagnostic::error(format!("expected a condition, found {}", node.sort()))
                .at(&node.place),
        ]),
    }
}

/// Returns what stands between the braces when `text` is exactly one `{{ … }}`.
fn sole_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    if !inner.contains("}}") || ENGINE.compile_expression(inner).is_ok() {
        Some(inner.trim_start_matches('-').trim_end_matches('-').trim())
    } else {
        None
    }
}

/// One rendering: a scope, and the variables on the way to here (to find circles).
struct Render<'a> {
    scope: &'a Scope,
    trail: &'a [String],
}

/// What one evaluation gathers on the side.
#[derive(Default, Debug)]
struct Gathered {
    touched_secret: AtomicBool,
    mistakes: Mutex<Vec<Diagnostic>>,
}

impl Render<'_> {
    fn node(&self, node: &Node, mistakes: &mut Vec<Diagnostic>) -> Node {
        if let Some(secret) = self.scope.world.secrets.resolve(node) {
            return match secret {
                Ok(secret) => Node::new(node.place.clone(), Data::Secret(secret)),
                Err(mistake) => {
                    mistakes.push(mistake);
                    Node::new(node.place.clone(), Data::Null)
                }
            };
        }
        match &node.data {
            Data::Text(text) if is_template(text) => self.text(text, &node.place, true, mistakes),
            Data::List(items) => {
                let items = items.iter().map(|item| self.node(item, mistakes));
                let items = items.filter(|item| !is_omitted(item)).collect();
                Node::new(node.place.clone(), Data::List(items))
            }
            Data::Map(map) => {
                let entries = map.iter().map(|(k, v)| (k.clone(), self.node(v, mistakes)));
                let entries = entries.filter(|(_, value)| !is_omitted(value)).collect();
                Node::new(node.place.clone(), Data::Map(Map(entries)))
            }
            _ => node.clone(),
        }
    }

    fn text(&self, text: &str, place: &Place, typed: bool, mistakes: &mut Vec<Diagnostic>) -> Node {
        if typed && let Some(inner) = sole_expression(text) {
            let (value, gathered) = self.evaluate(inner, place, mistakes);
            let touched = || gathered.touched_secret.load(Ordering::Relaxed);
            let before = touched();
            let node = to_node(&value, place, before);
            // A lazy value is looked into only now.
            return if touched() == before { node } else { to_node(&value, place, true) };
        }
        let gathered = Arc::new(Gathered::default());
        let context = Value::from_object(Lookup::new(self, &gathered));
        let rendered = ENGINE.render_named_str("template", text, context);
        let at = match &rendered {
            // A whole file begins where its text does, so places in it are known.
            Err(error) if !typed => place_in(text, error, place),
            _ => place.clone(),
        };
        let rendered = self.checked(rendered, &at, &gathered, mistakes).unwrap_or_default();
        let secret = gathered.touched_secret.load(Ordering::Relaxed);
        to_node(&Value::from(rendered), place, secret)
    }

    /// Evaluates an expression; what it gathers tells whether a secret was touched.
    fn evaluate(
        &self,
        inner: &str,
        place: &Place,
        mistakes: &mut Vec<Diagnostic>,
    ) -> (Value, Arc<Gathered>) {
        let gathered = Arc::new(Gathered::default());
        let context = Value::from_object(Lookup::new(self, &gathered));
        let value = ENGINE.compile_expression(inner).and_then(|e| e.eval(context)).and_then(|v| {
            // A bare undefined name is no error to the engine, even when strict.
            match v.is_undefined() {
                true => {
                    Err(Error::new(ErrorKind::UndefinedError, format!("`{inner}` is undefined")))
                }
                false => Ok(v),
            }
        });
        let value = self.checked(value, place, &gathered, mistakes).unwrap_or_default();
        (value, gathered)
    }

    fn checked<T>(
        &self,
        result: Result<T, Error>,
        place: &Place,
        gathered: &Gathered,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Option<T> {
        let nested: Vec<Diagnostic> =
            gathered.mistakes.lock().map(|mut m| std::mem::take(&mut *m)).unwrap_or_default();
        if !nested.is_empty() {
            mistakes.extend(nested.into_iter().map(|mistake| match &mistake.place {
                Some(at) if at == place => mistake,
                _ => mistake.also(place, "used here"),
            }));
            return None;
        }
        let touched = gathered.touched_secret.load(Ordering::Relaxed);
        result.map_err(|error| mistakes.push(self.explain(&error, place, touched))).ok()
    }

    /// Turns an engine error into a diagnostic, without the values its debug output would show.
    fn explain(&self, error: &Error, place: &Place, touched_secret: bool) -> Diagnostic {
        let detail = error.detail().unwrap_or_default().to_string();
        if error.kind() == ErrorKind::UndefinedError {
            let name = detail.split('`').nth(1).unwrap_or_default().to_string();
            let names = self.scope.names();
            let near = did_you_mean(&name, names.iter().map(|n| &**n));
            let said = match name.is_empty() {
                true => "undefined variable".to_string(),
                false => format!("undefined variable `{name}`"),
            };
            let whom = self.scope.target();
            let is_placeholder = !name.is_empty()
                && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            let near = near.or_else(|| {
                is_placeholder.then(|| {
                    "a placeholder of Cloudera Manager is written as text: `!unsafe \"{{…}}\"`, or \
                     between `{% raw %}` and `{% endraw %}`"
                        .to_string()
                })
            });
            return Diagnostic::error(said)
                .at(place)
                .because(format!("Nothing defines it for {whom}."))
                .hint(near);
        }
        let kind = error.kind().to_string();
        let is_about_words = matches!(
            error.kind(),
            ErrorKind::SyntaxError
                | ErrorKind::UnknownFilter
                | ErrorKind::UnknownTest
                | ErrorKind::UnknownFunction
                | ErrorKind::UnknownMethod
        );
        let said = match detail.is_empty() {
            true => kind,
            // The engine may quote a part of the secret, which nothing would recognise.
            false if touched_secret && !is_about_words => {
                format!("{kind} (it has to do with a secret)")
            }
            false => format!("{kind}: {detail}"),
        };
        Diagnostic::error("the template does not work").because(said).at(place)
    }
}

/// Returns where in the file that begins at `start` an error of its template is.
fn place_in(text: &str, error: &Error, start: &Place) -> Place {
    let Some(before) = error.range().and_then(|range| text.get(..range.start)) else {
        let line = error.line().and_then(|line| u32::try_from(line).ok());
        return Place::new(start.file.clone(), line.unwrap_or(start.line), 1);
    };
    let line = before.rsplit('\n').next().unwrap_or_default();
    let lines = before.matches('\n').count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
    Place::new(start.file.clone(), number(lines), number(line.chars().count()))
}

fn is_omitted(node: &Node) -> bool {
    matches!(&node.data, Data::Text(text) if &**text == OMIT)
}

/// The root of what a template sees: names are looked up when the template asks.
struct Lookup {
    scope: Scope,
    trail: Vec<String>,
    gathered: Arc<Gathered>,
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("variables")
    }
}

impl Lookup {
    fn new(render: &Render<'_>, gathered: &Arc<Gathered>) -> Lookup {
        Lookup {
            scope: render.scope.clone(),
            trail: render.trail.to_vec(),
            gathered: gathered.clone(),
        }
    }

    fn fail(&self, mistake: Diagnostic) -> Option<Value> {
        if let Ok(mut mistakes) = self.gathered.mistakes.lock() {
            mistakes.push(mistake);
        }
        None
    }

    fn variable(&self, name: &str) -> Option<Value> {
        let (node, outer) = self.scope.find(name)?;
        if is_plain(&node) {
            return Some(self.value_of(&node));
        }
        let depth = format!("{name}@{}", outer.as_ref().unwrap_or(&self.scope).locals.len());
        if self.trail.contains(&depth) || self.trail.len() >= DEEPEST {
            let way: Vec<&str> =
                self.trail.iter().map(|t| t.split('@').next().unwrap_or(t)).collect();
            let way = format!("{} → {name}", way.join(" → "));
            return self.fail(
                Diagnostic::error(format!("variable `{name}` refers to itself"))
                    .because(way)
                    .at(&node.place),
            );
        }
        let mut trail = self.trail.clone();
        trail.push(depth);
        let mut mistakes = Vec::new();
        let render = Render { scope: outer.as_ref().unwrap_or(&self.scope), trail: &trail };
        let rendered = render.node(&node, &mut mistakes);
        if mistakes.is_empty() {
            return Some(self.value_of(&rendered));
        }
        mistakes.into_iter().for_each(|mistake| {
            self.fail(mistake);
        });
        None
    }

    fn value_of(&self, node: &Node) -> Value {
        watched(node, &self.gathered)
    }

    fn given(&self, name: &str) -> Option<Value> {
        let world = &self.scope.world;
        let host = self.scope.host.map(|host| world.hosts.host_name(host));
        Some(match name {
            "side" => Value::from(&*self.scope.side),
            "peer" => Value::from(&**self.scope.peer()?),
            "inventory_hostname" => Value::from(&*host?),
            "inventory_hostname_short" => Value::from(host?.split('.').next().unwrap_or_default()),
            "inventory_dir" => Value::from(world.hosts.folder.as_str()),
            "omit" => Value::from(OMIT),
            "translate" => {
                let here = world.pair.translate.iter();
                Value::from_pairs(here.filter_map(|(name, sides)| {
                    Some((name.to_string(), to_value(sides.get(&self.scope.side)?)))
                }))
            }
            "translations" => {
                Value::from_pairs(world.pair.translate.iter().map(|(name, sides)| {
                    let sides = sides.iter().map(|(side, node)| (side.to_string(), to_value(node)));
                    (name.to_string(), Value::from_pairs(sides))
                }))
            }
            "groups" => Value::from_pairs((0..world.hosts.groups.len()).map(|group| {
                let members = world.hosts.members(group).into_iter();
                let names = members.map(|host| Value::from(&*world.hosts.host_name(host)));
                let name = world.hosts.group_name(group).to_string();
                (name, Value::from(names.collect::<Vec<_>>()))
            })),
            "group_names" => {
                let groups = world.hosts.groups_of(self.scope.host?).iter();
                let mut names: Vec<&str> = groups
                    .map(|group| world.hosts.group_name(*group))
                    .filter(|name| *name != "all")
                    .collect();
                names.sort_unstable();
                names.into_iter().map(Value::from).collect::<Vec<_>>().into()
            }
            "hostvars" => Value::from_object(HostVars {
                scope: self.scope.clone(),
                trail: self.trail.clone(),
                gathered: self.gathered.clone(),
            }),
            _ => return None,
        })
    }
}

impl Object for Lookup {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        self.variable(name).or_else(|| self.given(name))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.scope.names().iter().map(|name| Value::from(&**name)).collect())
    }
}

/// `hostvars`: other hosts' variables by host name.
struct HostVars {
    scope: Scope,
    trail: Vec<String>,
    gathered: Arc<Gathered>,
}

impl fmt::Debug for HostVars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hostvars")
    }
}

impl Object for HostVars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let world = &self.scope.world;
        let host = world.hosts.hosts.get_index_of(key.as_str()?)?;
        let side =
            world.side_of.get(host).cloned().flatten().unwrap_or_else(|| self.scope.side.clone());
        Some(Value::from_object(Lookup {
            scope: Scope::of_host(world, &side, host),
            trail: self.trail.clone(),
            gathered: self.gathered.clone(),
        }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.scope.world.hosts.hosts.keys();
        Enumerator::Values(names.map(|name| Value::from(&**name)).collect())
    }
}

/// A list or mapping with a secret in it: what is not secret in it may be used as such.
struct Watched {
    node: Node,
    gathered: Arc<Gathered>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sensitive)")
    }
}

impl Object for Watched {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.node.data {
            Data::List(_) => ObjectRepr::Seq,
            _ => ObjectRepr::Map,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let node = match &self.node.data {
            Data::List(items) => items.get(key.as_usize()?),
            data => matches!(data, Data::Map(_)).then(|| self.node.get(key.as_str()?))?,
        };
        Some(watched(node?, &self.gathered))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &self.node.data {
            Data::List(items) => Enumerator::Seq(items.len()),
            Data::Map(map) => {
                Enumerator::Values(map.iter().map(|(key, _)| Value::from(&*key.name)).collect())
            }
            _ => Enumerator::Empty,
        }
    }
}

/// Turns a rendered node into the engine's value; whoever looks at a secret in it is noticed.
fn watched(node: &Node, gathered: &Arc<Gathered>) -> Value {
    match &node.data {
        Data::List(_) | Data::Map(_) if holds_secret(node) => {
            Value::from_object(Watched { node: node.clone(), gathered: gathered.clone() })
        }
        Data::Secret(_) => {
            gathered.touched_secret.store(true, Ordering::Relaxed);
            to_value(node)
        }
        _ => to_value(node),
    }
}

/// Returns `node` as if all of it were written at `place`.
fn moved(node: &Node, place: &Place) -> Node {
    let data = match &node.data {
        Data::List(items) => Data::List(items.iter().map(|item| moved(item, place)).collect()),
        Data::Map(map) => {
            let key = |key: &Key| Key { name: key.name.clone(), place: place.clone() };
            Data::Map(Map(map.iter().map(|(k, v)| (key(k), moved(v, place))).collect()))
        }
        data => data.clone(),
    };
    Node::new(place.clone(), data)
}

fn holds_secret(node: &Node) -> bool {
    match &node.data {
        Data::Secret(_) => true,
        Data::List(items) => items.iter().any(holds_secret),
        Data::Map(map) => map.iter().any(|(_, value)| holds_secret(value)),
        _ => false,
    }
}

/// Turns a rendered node into the engine's value.
pub fn to_value(node: &Node) -> Value {
    match &node.data {
        Data::Null => Value::from(()),
        Data::Bool(value, _) => Value::from(*value),
        Data::Int(value, _) => Value::from(*value),
        Data::Float(value, _) => Value::from(*value),
        Data::Text(text) | Data::Literal(text) | Data::Vault(text) => Value::from(&**text),
        Data::Secret(secret) => Value::from(secret.reveal()),
        Data::List(items) => Value::from(items.iter().map(to_value).collect::<Vec<_>>()),
        Data::Map(map) => {
            Value::from_pairs(map.iter().map(|(k, v)| (k.name.to_string(), to_value(v))))
        }
    }
}

/// Turns the engine's value into a node at `place`; text and numbers become secret when a secret was
/// touched.
fn to_node(value: &Value, place: &Place, secret: bool) -> Node {
    if let Some(watched) = value.downcast_object_ref::<Watched>() {
        return moved(&watched.node, place);
    }
    let data = match value.kind() {
        ValueKind::Undefined | ValueKind::None => Data::Null,
        ValueKind::Bool => Data::Bool(value.is_true(), Arc::from(value.is_true().to_string())),
        ValueKind::Number if !secret => number(value),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().into_iter().flatten();
            Data::List(items.map(|item| to_node(&item, place, secret)).collect())
        }
        ValueKind::Map => {
            let keys = value.try_iter().into_iter().flatten();
            let entries = keys.filter_map(|key| {
                let item = value.get_item(&key).ok()?;
                let name = Arc::from(key.as_str().map_or_else(|| key.to_string(), String::from));
                Some((Key { name, place: place.clone() }, to_node(&item, place, secret)))
            });
            Data::Map(Map(entries.collect()))
        }
        _ => {
            let text = value.as_str().map_or_else(|| value.to_string(), String::from);
            match secret && text != OMIT {
                true => Data::Secret(Secret::derived(text)),
                false => Data::Text(Arc::from(text)),
            }
        }
    };
    Node::new(place.clone(), data)
}

fn number(value: &Value) -> Data {
    let text: Arc<str> = Arc::from(value.to_string());
    match i64::try_from(value.clone()) {
        Ok(int) if value.is_integer() => Data::Int(int, text),
        _ => match f64::try_from(value.clone()) {
            Ok(float) => Data::Float(float, text),
            Err(_) => scalar::resolve(&text, scalar::Dialect::Core),
        },
    }
}
