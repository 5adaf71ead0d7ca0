//! The rules of the house, as tests: floors, one place per outside crate, sizes, documentation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Floors by module, and the ones of equal height that must not meet.
const FLOORS: [(&str, u8); 8] = [
    ("cli", 5),
    ("view", 4),
    ("engine", 3),
    ("kinds", 2),
    ("lang", 1),
    ("reach", 1),
    ("model", 0),
    ("format", 0),
];

/// What a floor may not import although it lies below.
const FORBIDDEN: [(&str, &str); 7] = [
    ("kinds", "lang"),
    ("kinds", "reach"),
    ("lang", "reach"),
    ("reach", "lang"),
    ("view", "engine"),
    ("view", "lang"),
    ("view", "reach"),
];

/// Outside crates, and the only files or folders that may name them.
const OUTSIDE: [(&str, &[&str]); 16] = [
    ("serde_yaml", &["lang/yaml.rs"]),
    ("minijinja", &["lang/template.rs", "lang/filters.rs"]),
    ("minijinja_contrib", &["lang/template.rs"]),
    ("openssh", &["reach/ssh.rs"]),
    ("reqwest", &["reach/http.rs"]),
    ("petgraph", &["engine/graph.rs"]),
    ("similar", &["format/text_diff.rs"]),
    ("sha1", &["format/jks.rs"]),
    ("x509_parser", &["format/x509.rs"]),
    ("quick_xml", &["format/hadoop_"]),
    ("annotate_snippets", &["view/fault.rs"]),
    ("anstyle", &["view/mod.rs"]),
    ("anstream", &["view/mod.rs"]),
    ("clap", &["cli/"]),
    ("drsync_sandbox", &["cli/world.rs"]),
    ("rustls", &["cli/world.rs"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file below `folder` with its path from there.
fn sources(folder: &Path) -> BTreeMap<String, String> {
    fn walk(base: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(base, &path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(base).unwrap().display().to_string();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// The part of a file before its tests, without comments.
fn code(text: &str) -> Vec<&str> {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect()
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(module, _)| *module == name).map(|(_, floor)| *floor)
}

fn names(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(|c| is_part(c) || c == '.') && !after.is_some_and(is_part)
    })
}

#[test]
fn floors_import_only_downwards() {
    let mut wrong = Vec::new();
    for (file, text) in sources(&root()) {
        let Some((module, _)) = file.split_once('/') else { continue };
        let Some(own) = floor(module) else { continue };
        for line in code(&text) {
            for (other, other_floor) in FLOORS {
                let path = format!("crate::{other}::");
                if !line.contains(&path) || other == module {
                    continue;
                }
                let forbidden = FORBIDDEN.contains(&(module, other));
                // `format` reads values of the model; both are data.
                let upwards = other_floor > own || (other_floor == own && own > 0);
                if upwards || forbidden {
                    wrong.push(format!("{file}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_outside_crate_is_named_in_one_place() {
    let mut wrong = Vec::new();
    for (file, text) in sources(&root()) {
        for (name, places) in OUTSIDE {
            let allowed = places.iter().any(|place| file.starts_with(place));
            let named =
                |line: &&str| names(line, name) && (line.contains("::") || line.contains("use "));
            if let Some(line) = code(&text).iter().find(|line| named(line)).filter(|_| !allowed) {
                wrong.push(format!("{file} names {name}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_simulator_shares_nothing_with_the_client() {
    let manifest = std::fs::read_to_string(root().join("../sandbox/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    assert!(!dependencies.lines().any(|line| line.starts_with("drsync")), "{dependencies}");
}

#[test]
fn nothing_below_the_command_line_reads_environment_or_arguments_or_prints() {
    let banned = [
        "std::env::var",
        "std::env::args",
        "println!",
        "eprintln!",
        "SystemTime::now",
        "Timestamp::now",
    ];
    let mut wrong = Vec::new();
    for (file, text) in sources(&root()) {
        if file.starts_with("cli/") || file == "main.rs" {
            continue;
        }
        for line in code(&text) {
            if banned.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{file}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn planning_is_given_eyes_and_only_an_apply_hands() {
    for (file, text) in sources(&root()) {
        let allowed = file.starts_with("reach/") || file == "engine/apply.rs";
        let asks = code(&text).iter().any(|line| line.contains(".hands()"));
        assert!(allowed || !asks, "{file} asks for hands");
    }
}

#[test]
fn files_and_functions_stay_small_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for folder in ["src", "sandbox/src"] {
        for (file, text) in sources(&root().join("..").join(folder)) {
            if !text.starts_with("//!") {
                wrong.push(format!("{folder}/{file} does not open with `//!`"));
            }
            let lines = code(&text).len();
            if lines > 600 {
                wrong.push(format!("{folder}/{file} has {lines} lines"));
            }
            for (name, length) in functions(&text) {
                if length > 80 {
                    wrong.push(format!("{folder}/{file}: {name} has {length} lines"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names and lengths of functions, told from the indentation rustfmt gives them.
fn functions(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize, usize)> = None;
    for (number, line) in code(text).iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let is_start = line.trim_start().starts_with("fn ")
            || line.contains("pub fn ")
            || line.contains("async fn ")
            || line.contains("pub(crate) fn ");
        match &open {
            None if is_start && !line.trim_end().ends_with([';', '}']) => {
                open = Some((line.trim().to_string(), number, indent));
            }
            Some((name, start, at)) if indent == *at && line.trim_start().starts_with('}') => {
                found.push((name.clone(), number - start + 1));
                open = None;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn every_kind_is_registered_has_an_example_and_cases() {
    let registry = std::fs::read_to_string(root().join("kinds/registry.rs")).unwrap();
    for (file, text) in sources(&root().join("kinds")) {
        let name = file.trim_end_matches(".rs");
        if ["mod", "registry"].contains(&name) || name.starts_with("shared/") {
            continue;
        }
        assert!(registry.contains(&format!("super::{name}::")), "{name} is not registered");
        assert!(text.contains("//! ```yaml"), "{name} has no example");
        let kind = name.replacen('_', ".", 1);
        let cases = root().join("../tests/kinds").join(&kind);
        // A kind that only looks has nothing to create or to change.
        let acts: &[&str] =
            if name == "cm_server_log" { &["finding"] } else { &["create", "change"] };
        for case in acts.iter().chain(&["noop", "unknown", "refuse"]) {
            let found = std::fs::read_dir(&cases)
                .into_iter()
                .flatten()
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with(case));
            assert!(found, "{kind} has no `{case}` case in {}", cases.display());
        }
        let laboratory = root().join("../tests/lab/cases").join(format!("{kind}.yaml"));
        assert!(!kind.starts_with("os.") || laboratory.is_file(), "{}", laboratory.display());
    }
}
