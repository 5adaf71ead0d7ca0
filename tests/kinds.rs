//! Runs every case in `tests/kinds/<kind>/`: given these answers, expect this change and these
//! steps. A case is data alone; the examples in the manual pages are checked too.

use std::path::Path;
use std::sync::Arc;

use drsync::kinds;
use drsync::lang::scalar::Dialect;
use drsync::lang::yaml;
use drsync::model::manager::{ScopeConfig, Setting};
use drsync::model::question::{Action, Argument, Field, Reply};
use drsync::model::{Data, Delta, Live, Node, Value, Want};

fn parse(path: &Path) -> Node {
    let text = std::fs::read_to_string(path).unwrap();
    let file: Arc<str> = Arc::from(path.display().to_string());
    yaml::parse(&file, &text, Dialect::Core).unwrap_or_else(|e| panic!("{e:?}"))
}

fn text(node: &Node) -> String {
    node.as_text().unwrap_or_else(|| panic!("{}: text is due", node.place)).to_string()
}

fn reply(node: &Node) -> Reply {
    if let Some(reason) = node.get("unknown") {
        return Reply::Unknown(Arc::from(text(reason)));
    }
    if let Some(what) = node.get("missing") {
        return Reply::Missing(Arc::from(text(what)), None);
    }
    if let Some(settings) = node.get("config") {
        return config(settings, false);
    }
    if let Some(settings) = node.get("overrides") {
        return config(settings, true);
    }
    let fields = node.as_map().unwrap().iter().map(|(key, value)| {
        let live = match &value.data {
            Data::Null => Live::Absent,
            Data::Map(_) => Live::Unknown(text(value.get("unknown").unwrap())),
            _ => Live::Known(Value::text(text(value))),
        };
        Field { name: key.name.to_string().into(), live }
    });
    Reply::Fields(Arc::new(fields.collect()))
}

fn config(settings: &Node, overrides: bool) -> Reply {
    let mut scope = ScopeConfig { title: "the scope".into(), overrides, ..ScopeConfig::default() };
    for (key, node) in settings.as_map().unwrap().iter() {
        let field = |name: &str| node.get(name).map(|n| Arc::from(text(n)));
        let setting = Setting {
            value: field("value"),
            default: field("default"),
            related: field("related").unwrap_or_else(|| Arc::from("")),
            sensitive: node.get("sensitive").is_some(),
        };
        scope.settings.insert(key.name.clone(), setting);
    }
    Reply::Config(Arc::new(scope))
}

fn live(live: &Live) -> String {
    match live {
        Live::Known(value) => value.to_string(),
        Live::Absent => "absent".into(),
        Live::Unknown(reason) => format!("unknown: {reason}"),
    }
}

/// Writes what differs as `name: before -> after`.
fn changes(delta: &Delta) -> Vec<String> {
    let after = |want: &Want| match want {
        Want::Value(value) => value.to_string(),
        Want::Absent(Some(default)) => format!("default {default}"),
        Want::Absent(None) => "absent".into(),
        Want::Later(why) => format!("later {why}"),
    };
    delta
        .differing()
        .map(|a| format!("{}: {} -> {}", a.name, live(&a.before), after(&a.after)))
        .collect()
}

/// Writes actions as one line each.
fn steps(actions: &[Action]) -> Vec<String> {
    let shown = |argument: &Argument| match argument {
        Argument::Plain(text) => text.to_string(),
        Argument::Secret(_) => "(sensitive)".to_string(),
    };
    actions
        .iter()
        .map(|action| match action {
            Action::Host(script, arguments) => {
                let words: Vec<String> = arguments.iter().map(shown).collect();
                format!("{} {}", script.name, words.join(" ")).trim_end().to_string()
            }
            Action::Config(scope, entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(name, value)| match value {
                        Some(value) => format!("{name}={}", shown(value)),
                        None => format!("{name} reset"),
                    })
                    .collect();
                format!("PUT {scope} {}", entries.join(" "))
            }
            Action::Call(entity, call) => format!("{entity} {call}"),
        })
        .collect()
}

fn list(node: Option<&Node>) -> Vec<String> {
    node.and_then(Node::as_list).unwrap_or_default().iter().map(text).collect()
}

fn run(kind: &str, path: &Path) -> Result<(), String> {
    let case = parse(path);
    let kind = kinds::find(kind).ok_or("no such kind")?;
    let args = kind.decode(case.get("args").ok_or("no args")?).map_err(|d| d.summary)?;
    let problems = kind.check(&args);
    let wanted_problems = list(case.get("problems"));
    let said: Vec<String> = problems.iter().map(|p| p.summary.clone()).collect();
    if case.get("replies").is_none() {
        return compare("problems", &said, &wanted_problems);
    }
    let replies: Vec<Reply> =
        case.get("replies").and_then(Node::as_list).unwrap_or_default().iter().map(reply).collect();
    let asked = kind.ask(&args).len();
    let further = replies.get(..asked).map_or(0, |first| kind.ask_further(&args, first).len());
    if replies.len() != asked + further {
        return Err(format!("the kind asks {} questions", asked + further));
    }
    let delta = kind.diff(&args, &replies);
    let again = kind.diff(&args, &replies);
    if delta != again {
        return Err("the comparison is not pure".into());
    }
    let said: Vec<String> = delta.problems.iter().map(|p| p.summary.clone()).collect();
    compare("problems", &said, &wanted_problems)?;
    let verdict = text(case.get("verdict").ok_or("no verdict")?);
    compare("verdict", &[delta.verdict().word().to_string()], &[verdict])?;
    compare("changes", &changes(&delta), &list(case.get("changes")))?;
    let refused: Vec<String> = delta.refused.iter().cloned().collect();
    compare("refused", &refused, &case.get("refused").map(|n| vec![text(n)]).unwrap_or_default())?;
    let unmanaged: Vec<String> =
        delta.unmanaged.iter().map(|(n, v)| format!("{n} = {v}")).collect();
    compare("unmanaged", &unmanaged, &list(case.get("unmanaged")))?;
    compare("notes", &delta.notes, &list(case.get("notes")))?;
    let findings: Vec<String> =
        delta.findings.iter().map(|f| format!("{}: {}", f.name, f.summary)).collect();
    compare("findings", &findings, &list(case.get("findings")))?;
    if delta.verdict() == drsync::model::change::Verdict::Change {
        compare("steps", &steps(&kind.steps(&args, &delta, &replies)), &list(case.get("steps")))?;
    }
    Ok(())
}

fn compare(what: &str, found: &[String], wanted: &[String]) -> Result<(), String> {
    match found == wanted {
        true => Ok(()),
        false => Err(format!("{what}:\n  found  {found:?}\n  wanted {wanted:?}")),
    }
}

#[test]
fn every_case_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kinds");
    let (mut failures, mut count) = (Vec::new(), 0);
    for folder in std::fs::read_dir(&root).unwrap() {
        let folder = folder.unwrap().path();
        let kind = folder.file_name().unwrap().to_string_lossy().into_owned();
        for case in std::fs::read_dir(&folder).unwrap() {
            let path = case.unwrap().path();
            count += 1;
            if let Err(said) = run(&kind, &path) {
                failures.push(format!("{}: {said}", path.display()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count >= 25, "only {count} cases were found");
}

#[test]
fn the_example_of_every_manual_page_is_sound() {
    for kind in kinds::all() {
        let name = kind.info().name;
        let manual = kind.manual();
        let example = manual.split("```yaml").nth(1).and_then(|rest| rest.split("```").next());
        let example = example.unwrap_or_else(|| panic!("{name} has no example"));
        let list = yaml::parse(&Arc::from(name), example, Dialect::Core).unwrap();
        if kind.info().is_implied() {
            // Not declared as a resource: the example is a part of pair.yaml.
            assert!(list.as_map().is_some(), "{name}");
            continue;
        }
        for item in list.as_list().unwrap() {
            let args = item
                .get(name)
                .unwrap_or_else(|| panic!("the example of {name} is of another kind"));
            for args in kind.parts(args).unwrap_or_else(|| vec![args.clone()]) {
                let args = kind.decode(&args).unwrap_or_else(|d| panic!("{name}: {}", d.summary));
                assert!(kind.check(&args).is_empty(), "{name}");
                assert!(!kind.ask(&args).is_empty(), "{name}");
            }
        }
    }
}
