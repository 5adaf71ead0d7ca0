//! Every mistake in an inventory is told with its place, and before anything is contacted.

mod support;

use std::net::TcpListener;

use support::{Project, Ran};

/// Marks, in the text of a case, where the mistake must be reported.
const HERE: char = '«';
/// Marks another place that must be named too.
const TOO: char = '‹';

const PAIR: &str = r#"pair: lake
sides:
  a:
    manager: { url: "http://127.0.0.1:@CM@", user: admin, password: whatever, cluster: lake }
  b: {}
"#;

const HOSTS: &str = "\
all:
  vars:
    ansible_host: 127.0.0.1
    ansible_port: @SSH@
  children:
    a: { hosts: { a1: , a2: } }
    b: { hosts: { b1: } }
";

const GOOD: &str = "\
- name: Swappiness
  os.sysctl: { name: vm.swappiness, value: 1 }
  tags: [os]
- name: HDFS
  cm.config: { service: hdfs, values: { dfs_replication: 3 } }
  tags: [hdfs]
";

const MODULE: &str = "\
params:
  level: { type: integer }
  mood: { type: string, default: calm, choices: [calm, wild] }
resources:
  - os.sysctl: { name: vm.swappiness, value: \"{{ level }}\" }
";

/// A pair whose manager and hosts listen for the first connection.
struct Scene {
    project: Project,
    manager: TcpListener,
    ssh: TcpListener,
}

impl Scene {
    /// Returns the good inventory with some files replaced. A file whose text is `-` is removed.
    fn new(files: &[(&str, &[u8])]) -> Scene {
        let listen = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        };
        let scene = Scene { project: Project::new(), manager: listen(), ssh: listen() };
        let good = [("pair.yaml", PAIR), ("hosts.yaml", HOSTS), ("resources/good.yaml", GOOD)];
        for (name, text) in good {
            scene.file(name, text.as_bytes());
        }
        scene.file("modules/mood/module.yaml", MODULE.as_bytes());
        for (name, text) in files {
            match *text {
                b"-" => std::fs::remove_file(scene.project.path("inv").join(name)).unwrap(),
                text => scene.file(name, text),
            }
        }
        scene
    }

    fn file(&self, name: &str, text: &[u8]) {
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port().to_string();
        let text = replaced(text, "@CM@", &port(&self.manager));
        let text = replaced(&text, "@SSH@", &port(&self.ssh));
        self.project.file(&format!("inv/{name}"), text);
    }

    fn run(&self, words: &[&str]) -> Ran {
        let mut command = self.project.command(words);
        command.args(["-i", "inv"]).env_remove("DRSYNC_TEST_UNSET");
        support::ran(command.output().unwrap())
    }

    /// Tells which of the two were connected to.
    fn contacted(&self) -> (bool, bool) {
        (self.manager.accept().is_ok(), self.ssh.accept().is_ok())
    }
}

fn replaced(text: &[u8], what: &str, by: &str) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => text.replace(what, by).into_bytes(),
        Err(_) => text.to_vec(),
    }
}

/// A place in a file of the inventory.
#[derive(Debug)]
struct Spot {
    file: String,
    line: usize,
    column: usize,
    /// The whole line.
    text: String,
}

impl Spot {
    fn shown(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Takes the marks out of `text`; returns the places they stood at.
fn unmarked(file: &str, text: &str) -> (String, Vec<(char, Spot)>) {
    let mut spots = Vec::new();
    let lines = text.split('\n').enumerate().map(|(number, line)| {
        let clean = line.replace([HERE, TOO], "");
        let marks = line.chars().enumerate().filter(|(_, c)| [HERE, TOO].contains(c));
        // Marks themselves take no column.
        for (before, (column, c)) in marks.enumerate() {
            let (file, text) = (format!("inv/{file}"), clean.clone());
            spots.push((c, Spot { file, line: number + 1, column: column + 1 - before, text }));
        }
        clean
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    (text, spots)
}

/// An inventory with a mistake, and what must be said of it.
struct Bad {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
}

const fn bad(
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
) -> Bad {
    Bad { name, files, says }
}

/// Runs the three commands on a bad inventory and looks at what they say.
fn examine(case: &Bad) -> Vec<String> {
    let mut files = Vec::new();
    let mut spots = Vec::new();
    for (name, text) in case.files {
        let (text, found) = unmarked(name, text);
        files.push((*name, text));
        spots.extend(found);
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(n, t)| (*n, t.as_bytes())).collect();
    let scene = Scene::new(&files);
    let mut wrong = examine_runs(&scene, &spots, case.says);
    if scene.project.path(".drsync").exists() || scene.project.path("inv/.drsync").exists() {
        wrong.push("something was written".into());
    }
    wrong.into_iter().map(|what| format!("\n### {}: {what}", case.name)).collect()
}

fn examine_runs(scene: &Scene, spots: &[(char, Spot)], says: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for words in [&["check"][..], &["plan"], &["apply", "--yes"]] {
        let ran = scene.run(words);
        let mut missing: Vec<String> = says
            .iter()
            .filter(|said| !ran.err.contains(**said))
            .map(|said| format!("does not say {said:?}"))
            .collect();
        for (mark, spot) in spots {
            missing.extend(misplaced(&ran.err, spot, *mark == HERE));
        }
        let errors = spots.iter().filter(|(mark, _)| *mark == HERE).count().max(1);
        let found =
            if errors == 1 { "1 error found".into() } else { format!("{errors} errors found") };
        if !ran.err.contains(&found) {
            missing.push(format!("does not say {found:?}"));
        }
        if ran.code != 8 {
            missing.push(format!("ended with {}", ran.code));
        }
        if !missing.is_empty() {
            wrong.push(format!("{words:?} {}\n{}", missing.join(", "), ran.all()));
            break;
        }
    }
    wrong.extend(untold_as_json(scene, spots));
    if scene.contacted() != (false, false) {
        wrong.push("something was contacted".into());
    }
    wrong
}

/// Says what is wrong with how a place is shown: the name of the place, the line, the caret.
fn misplaced(said: &str, spot: &Spot, with_caret: bool) -> Option<String> {
    if !said.contains(&spot.shown()) {
        return Some(format!("does not name {}", spot.shown()));
    }
    // Tabs are drawn as four blanks.
    let text = spot.text.replace('\t', "    ");
    let tabs = spot.text.chars().take(spot.column - 1).filter(|c| *c == '\t').count();
    let column = spot.column - 1 + 3 * tabs;
    let lines: Vec<&str> = said.lines().collect();
    let shown = lines.windows(2).any(|two| {
        let Some((number, line)) = two[0].split_once(" | ") else { return false };
        let below = two[1].split_once(" | ").map_or("", |(_, below)| below);
        let caret = below.chars().position(|c| c == '^');
        number.trim() == spot.line.to_string()
            && line == text
            && (!with_caret || caret == Some(column))
    });
    (!shown).then(|| format!("does not show line {} with a caret at {}", spot.line, spot.column))
}

/// Says which mistakes `--json` does not tell.
fn untold_as_json(scene: &Scene, spots: &[(char, Spot)]) -> Option<String> {
    let ran = scene.run(&["check", "--json"]);
    let Ok(page) = serde_json::from_str::<serde_json::Value>(&ran.out) else {
        return Some(format!("--json prints no JSON: {}", ran.out));
    };
    let told = page["diagnostics"].as_array().cloned().unwrap_or_default();
    let at = |spot: &Spot| {
        let place = serde_json::json!({
            "file": spot.file, "line": spot.line, "column": spot.column
        });
        told.iter().any(|d| d["place"] == place && d["severity"] == "error")
    };
    let untold: Vec<String> = spots
        .iter()
        .filter(|(mark, spot)| *mark == HERE && !at(spot))
        .map(|(_, spot)| spot.shown())
        .collect();
    (ran.code != 8 || told.is_empty() || !untold.is_empty())
        .then(|| format!("--json ends with {} and does not tell {untold:?}", ran.code))
}

#[track_caller]
fn all_are_told(cases: &[Bad]) {
    let wrong: Vec<String> = cases.iter().flat_map(examine).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_same_inventory_without_a_mistake_is_carried_out() {
    let scene = Scene::new(&[]);
    scene.run(&["check"]).expect(0);
    assert_eq!(scene.contacted(), (false, false));
    // Whoever is connected to hangs up at once.
    let hang_up = |listener: &TcpListener| {
        let listener = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            let start = std::time::Instant::now();
            let mut seen = false;
            while start.elapsed().as_secs() < 20 && !seen {
                seen = listener.accept().is_ok();
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            seen
        })
    };
    let (manager, ssh) = (hang_up(&scene.manager), hang_up(&scene.ssh));
    scene.run(&["plan", "--retry-for", "0", "--connect-timeout", "1"]).expect(4);
    assert!(manager.join().unwrap() && ssh.join().unwrap(), "a plan asks manager and hosts");
}

#[test]
fn mistakes_in_the_words_of_a_resource() {
    all_are_told(&[
        bad(
            "unknown key",
            &[("resources/x.yaml", "- os.sysctl: { name: a.b, value: 1 }\n  «host: all\n")],
            &["unknown key `host`", "did you mean `hosts`?"],
        ),
        bad(
            "unknown kind",
            &[("resources/x.yaml", "# é\n- name: ü\n  «os.sysctll: { name: a.b, value: 1 }\n")],
            &["unknown kind `os.sysctll`", "did you mean `os.sysctl`?"],
        ),
        bad(
            "unknown parameter",
            &[("resources/x.yaml", "- os.sysctl: { name: a.b, «valeu: 1, value: 1 }\n")],
            &["unknown key `valeu`", "did you mean `value`?"],
        ),
        bad(
            "unknown parameters, all of them",
            &[("resources/x.yaml", "- os.sysctl: { «nmae: a.b, «valeu: 1, value: 1, name: x }\n")],
            &["did you mean `name`?", "did you mean `value`?"],
        ),
        bad(
            "missing parameter",
            &[("resources/x.yaml", "- os.sysctl: «{ name: a.b }\n")],
            &["missing key `value`"],
        ),
        bad(
            "wrong type",
            &[("resources/x.yaml", "- os.sysctl: { name: a.b, value: «[1, 2] }\n")],
            &["expected text, found a list"],
        ),
        bad(
            "wrong type after rendering",
            &[
                ("group_vars/all.yaml", "level: [1, 2]\n"),
                ("resources/x.yaml", "- os.sysctl:\n    name: a.b\n    value: «\"{{ level }}\"\n"),
            ],
            &["expected text, found a list"],
        ),
        bad(
            "word not in the list of words",
            &[("resources/x.yaml", "- os.file: { path: /x, state: «presnt }\n")],
            &["`presnt` is not allowed here", "did you mean `present`?"],
        ),
        bad(
            "not a mapping",
            &[("resources/x.yaml", "- «just words\n")],
            &["a resource must be a mapping, found text"],
        ),
        bad(
            "not a list",
            &[("resources/x.yaml", "«os.sysctl: { name: a.b, value: 1 }\n")],
            &["expected a list of resources, found a mapping", "start every resource with `- `"],
        ),
        bad(
            "hosts of a manager's kind",
            &[("resources/x.yaml", "- cm.config: { service: hdfs, values: {} }\n  hosts: «a\n")],
            &["`hosts` means nothing to `cm.config`", "use `sides`"],
        ),
        bad(
            "two kinds",
            &[(
                "resources/x.yaml",
                "- ‹os.sysctl: { name: a.b, value: 1 }\n  «os.service: { name: x, enabled: true }\n",
            )],
            &["two kinds in one resource: `os.sysctl` and `os.service`"],
        ),
        bad(
            "unknown side",
            &[("resources/x.yaml", "- os.sysctl: { name: a.b, value: 1 }\n  sides: [a, «c]\n")],
            &["unknown side `c`"],
        ),
        bad(
            "unknown name in requires",
            &[(
                "resources/x.yaml",
                "- os.sysctl: { name: a.b, value: 1 }\n  requires: «Swapiness\n",
            )],
            &["no resource is named `Swapiness`", "did you mean `Swappiness`?"],
        ),
    ]);
}

#[test]
fn mistakes_in_values() {
    all_are_told(&[
        bad(
            "a key in requires that nothing declares",
            &[(
                "resources/x.yaml",
                "- os.sysctl: { name: a.b, value: 1 }\n- os.sysctl: { name: a.c, value: 1 }\n  \
                 requires: «os.sysctl[a.d]\n",
            )],
            &["nothing declares `os.sysctl[a.d]`"],
        ),
        bad(
            "mode as a decimal number",
            &[("resources/x.yaml", "- os.file: { path: /x, content: a, «mode: 644 }\n")],
            &["`644` is not a mode", "\"0644\""],
        ),
        bad(
            "mode that is not octal",
            &[("resources/x.yaml", "- os.file: { path: /x, content: a, «mode: \"999\" }\n")],
            &["`999` is not a mode"],
        ),
        bad(
            "relative path",
            &[("resources/x.yaml", "- os.file: { «path: etc/x, content: a }\n")],
            &["`etc/x` is not the path of a file", "write the whole path from `/`"],
        ),
        bad(
            "content and source",
            &[
                ("files/x", "x"),
                ("resources/x.yaml", "- os.file: { path: /x, source: x, «content: a }\n"),
            ],
            &["`source` and `content` exclude each other"],
        ),
        bad(
            "NUL in a value",
            &[("resources/x.yaml", "- os.file:\n    path: /x\n    content: «\"a\\0b\"\n")],
            &["NUL"],
        ),
        bad(
            "NUL in a manager's value",
            &[(
                "resources/x.yaml",
                "- cm.config: { service: yarn, values: { x: { y: «\"a\\0b\" } } }\n",
            )],
            &["NUL"],
        ),
        bad(
            "file that is not there",
            &[
                ("files/issue.txt", "x"),
                ("resources/x.yaml", "- os.file: { path: /x, source: «isue.txt }\n"),
            ],
            &["cannot read `inv/files/isue.txt`", "did you mean `issue.txt`?"],
        ),
        bad(
            "template that is not there",
            &[("resources/x.yaml", "- os.file: { path: /x, template: «motd.j2 }\n")],
            &["cannot read `inv/templates/motd.j2`"],
        ),
    ]);
}

#[test]
fn mistakes_in_the_use_of_modules() {
    all_are_told(&[
        bad(
            "unknown module",
            &[("resources/x.yaml", "- module: «moood\n")],
            &["unknown module `moood`", "did you mean `mood`?"],
        ),
        bad(
            "unknown module by its name",
            &[("resources/x.yaml", "- «cdp-host-prerequisits: {}\n")],
            &["`cdp-host-prerequisits`", "did you mean `cdp-host-prerequisites`?"],
        ),
        bad(
            "unknown parameter of a module",
            &[("resources/x.yaml", "- mood: { level: 1, «modo: calm }\n")],
            &["module `mood` has no parameter `modo`", "did you mean `mood`?"],
        ),
        bad(
            "missing parameter of a module",
            &[("resources/x.yaml", "- «mood: { mood: calm }\n")],
            &["module `mood` needs parameter `level`"],
        ),
        bad(
            "wrong type of a parameter",
            &[("resources/x.yaml", "- mood: { level: «high }\n")],
            &["parameter `level` must be of type integer, found text"],
        ),
        bad(
            "word a parameter does not allow",
            &[("resources/x.yaml", "- mood: { level: 1, mood: «clam }\n")],
            &["parameter `mood` must be one of: calm, wild", "did you mean `calm`?"],
        ),
    ]);
}

#[test]
fn mistakes_in_variables() {
    all_are_told(&[
        bad(
            "undefined in a resource",
            &[
                ("group_vars/all.yaml", "swappiness: 1\n"),
                ("resources/x.yaml", "- os.sysctl: { name: a.b, value: «\"{{ swapiness }}\" }\n"),
            ],
            &["undefined variable `swapiness`", "did you mean `swappiness`?"],
        ),
        bad(
            "undefined in group_vars",
            &[
                ("group_vars/all.yaml", "one: 1\ntwo: «\"x{{ oen }}\"\n"),
                ("resources/x.yaml", "- os.sysctl: { name: a.b, value: ‹\"{{ two }}\" }\n"),
            ],
            &["undefined variable `oen`", "did you mean `one`?", "used here"],
        ),
        bad(
            "undefined in a template file",
            &[
                ("group_vars/all.yaml", "one: 1\n"),
                ("templates/x.j2", "# é\nfirst line {{ one }}\né: {{ «oen }}\n"),
                ("resources/x.yaml", "- os.file: { path: /x, template: x.j2 }\n"),
            ],
            &["undefined variable `oen`", "did you mean `one`?"],
        ),
        bad(
            "broken template file",
            &[
                ("templates/x.j2", "a\n  {% if side %}\n«b\n"),
                ("resources/x.yaml", "- os.file: { path: /x, template: x.j2 }\n"),
            ],
            &["the template does not work"],
        ),
        bad(
            "undefined in a condition",
            &[
                ("group_vars/all.yaml", "one: 1\n"),
                ("resources/x.yaml", "- os.sysctl: { name: a.b, value: 1 }\n  when: «oen == 1\n"),
            ],
            &["undefined variable `oen`", "did you mean `one`?"],
        ),
        bad(
            "undefined in one of several conditions",
            &[(
                "resources/x.yaml",
                "- os.sysctl: { name: a.b, value: 1 }\n  when:\n    - true\n    - «sied == 'a'\n",
            )],
            &["undefined variable `sied`", "did you mean `side`?"],
        ),
        bad(
            "undefined in a loop",
            &[
                ("group_vars/all.yaml", "one: [1]\n"),
                (
                    "resources/x.yaml",
                    "- os.sysctl: { name: a.b, value: 1 }\n  loop: «\"{{ oen }}\"\n",
                ),
            ],
            &["undefined variable `oen`", "did you mean `one`?"],
        ),
        bad(
            "a variable that refers to itself",
            &[
                ("group_vars/all.yaml", "one: «\"{{ two }}\"\ntwo: ‹\"{{ one }}\"\n"),
                ("resources/x.yaml", "- os.sysctl: { name: a.b, value: ‹\"{{ one }}\" }\n"),
            ],
            &["variable `one` refers to itself", "one → two → one"],
        ),
    ]);
}

#[test]
fn mistakes_in_hosts_and_patterns() {
    all_are_told(&[
        bad(
            "bad range",
            &[("hosts.yaml", "a: { hosts: { «\"n[9:1]\": } }\nb: { hosts: { b1: } }\n")],
            &["the range `[9:1]`"],
        ),
        bad(
            "pattern that matches nothing",
            &[("resources/x.yaml", "- os.sysctl: { name: a.b, value: 1 }\n  hosts: «a11\n")],
            &["no group or host matches `a11`", "did you mean `a1`?"],
        ),
        bad(
            "exclusion that matches nothing",
            &[(
                "resources/x.yaml",
                "- os.sysctl: { name: a.b, value: 1 }\n  hosts: «\"all:!nosuch\"\n",
            )],
            &["no group or host matches `nosuch`"],
        ),
        bad(
            "a host in two sides",
            &[
                ("pair.yaml", "pair: lake\nsides:\n  ‹a: {}\n  «b: {}\n"),
                ("hosts.yaml", "a: { hosts: { a1: , x: } }\nb: { hosts: { x: } }\n"),
                ("resources/good.yaml", "- os.sysctl: { name: a.b, value: 1 }\n"),
            ],
            &["host `x` belongs to two sides: `a` and `b`"],
        ),
        bad(
            "a side without its group",
            &[
                ("pair.yaml", "pair: lake\nsides:\n  a: { group: «aa }\n  b: {}\n"),
                ("resources/good.yaml", "- os.sysctl: { name: a.b, value: 1 }\n"),
            ],
            &["side `a` names the group `aa`", "did you mean `a`?"],
        ),
    ]);
}

#[test]
fn mistakes_in_the_pair() {
    all_are_told(&[
        bad(
            "unknown key",
            &[("pair.yaml", "pair: lake\nsides: { a: {}, b: {} }\n«polcy: { max_restarts: 1 }\n")],
            &["unknown key `polcy`", "did you mean `policy`?"],
        ),
        bad(
            "unknown key of a manager",
            &[(
                "pair.yaml",
                "pair: lake\nsides:\n  a: { manager: { url: http://x, user: u, password: { command: [echo, x] }, «clster: x } }\n  b: {}\n",
            )],
            &["unknown key `clster`", "did you mean `cluster`?"],
        ),
        bad(
            "unknown side in the order",
            &[("pair.yaml", "pair: lake\nsides: { a: {}, bb: { group: b } }\norder: [«b, a]\n")],
            &["unknown side `b`", "did you mean `bb`?"],
        ),
        bad(
            "no value for a side",
            &[(
                "pair.yaml",
                "pair: lake\nsides: { a: {}, b: {} }\ntranslate:\n  «domain: { a: x }\n",
            )],
            &["`translate.domain` says nothing for side `b`", "give every side its value"],
        ),
        bad(
            "bad time zone",
            &[(
                "pair.yaml",
                "pair: lake\nsides: { a: {}, b: {} }\nwindows:\n  - { name: w, from: \"01:00\", to: \"02:00\", zone: «Europe/Berln }\n",
            )],
            &["unknown time zone `Europe/Berln`", "did you mean `Europe/Berlin`?"],
        ),
        bad(
            "bad time",
            &[(
                "pair.yaml",
                "pair: lake\nsides: { a: {}, b: {} }\nwindows:\n  - { name: w, from: \"01:00\", to: «\"25:00\", zone: UTC }\n",
            )],
            &["`25:00` is not a time of day", "\"HH:MM\""],
        ),
        bad(
            "bad day and bad side of a window",
            &[(
                "pair.yaml",
                "pair: lake\nsides: { a: {}, b: {} }\nwindows:\n  - name: w\n    days: [mon, «tues]\n    from: \"01:00\"\n    to: \"02:00\"\n    zone: UTC\n    sides: [a, «c]\n",
            )],
            &["`tues` is not allowed here", "did you mean `tue`?", "unknown side `c`"],
        ),
        bad(
            "a manager that is neither real nor simulated",
            &[("pair.yaml", "pair: lake\nsides: { a: { «manager: { cluster: x } }, b: {} }\n")],
            &["the manager of `a` needs `url` or `sandbox`"],
        ),
    ]);
}

#[test]
fn declarations_that_contradict_each_other() {
    all_are_told(&[
        bad(
            "one attribute, two values",
            &[
                ("resources/x.yaml", "- os.sysctl: { name: a.b, value: ‹1 }\n"),
                (
                    "resources/y.yaml",
                    "- name: again\n  os.sysctl: { name: a.b, value: «2 }\n  hosts: a\n",
                ),
            ],
            &["`value` of os.sysctl[a.b] is declared twice, differently", "declared here too"],
        ),
        bad(
            "one setting, two values",
            &[
                ("resources/x.yaml", "- cm.config: { service: yarn, values: { p: ‹1, q: 1 } }\n"),
                ("resources/y.yaml", "- cm.config: { service: yarn, values: { p: «2 } }\n"),
            ],
            &["`values.p` of cm.config[yarn] is declared twice, differently"],
        ),
        bad(
            "a whole file and a part of it",
            &[
                ("resources/x.yaml", "- ‹os.file: { path: /etc/x, content: a }\n"),
                ("resources/y.yaml", "- «os.line: { path: /etc/x, line: b }\n  hosts: a\n"),
            ],
            &["os.line changes a part of /etc/x, which is declared whole", "declared whole here"],
        ),
        bad(
            "a whole file and an option in it",
            &[
                ("resources/x.yaml", "- ‹os.file: { path: /etc/x, content: a }\n"),
                (
                    "resources/y.yaml",
                    "- «os.ini: { path: /etc/x, section: s, option: o, value: v }\n",
                ),
            ],
            &["os.ini changes a part of /etc/x, which is declared whole", "declared whole here"],
        ),
        bad(
            "a circle of three",
            &[(
                "resources/x.yaml",
                "- «name: a\n  os.sysctl: { name: a.a, value: 1 }\n  requires: [c]\n\
                 - ‹name: b\n  os.sysctl: { name: b.b, value: 1 }\n  requires: [a]\n  before: [c]\n\
                 - ‹name: c\n  os.sysctl: { name: c.c, value: 1 }\n",
            )],
            &["a → b → c → a"],
        ),
    ]);
}

#[test]
fn secrets_that_cannot_be_read() {
    all_are_told(&[
        bad(
            "from the environment",
            &[(
                "resources/x.yaml",
                "- os.file: { path: /x, content: «{ env: DRSYNC_TEST_UNSET } }\n",
            )],
            &["cannot read the secret `env: DRSYNC_TEST_UNSET`", "is not set"],
        ),
        bad(
            "from a file",
            &[(
                "resources/x.yaml",
                "- os.file:\n    path: /x\n    content:\n      «file: no/such\n",
            )],
            &["cannot read the secret `file: no/such`"],
        ),
        bad(
            "from a command that fails",
            &[(
                "resources/x.yaml",
                "- os.file: { path: /x, content: «{ command: [sh, -c, echo out; echo why >&2; exit 3] } }\n",
            )],
            &["cannot read the secret `command:", "why", "exit status: 3"],
        ),
        bad(
            "from a command that is not there",
            &[
                ("group_vars/all.yaml", "x: «{ command: /no/such/program }\n"),
                ("resources/x.yaml", "- os.file: { path: /x, content: ‹\"{{ x }}\" }\n"),
            ],
            &["cannot read the secret `command: /no/such/program`", "cannot start"],
        ),
        bad(
            "from a vault",
            &[(
                "resources/x.yaml",
                "- os.file:\n    path: /x\n    content: !vault |\n      «$ANSIBLE_VAULT;1.1;AES256\n      3132\n",
            )],
            &["cannot read the secret `!vault`", "ansible-vault"],
        ),
        bad(
            "the manager's password",
            &[(
                "pair.yaml",
                "pair: lake\nsides:\n  a: { manager: { url: http://x, user: u, password: «{ env: DRSYNC_TEST_UNSET } } }\n  b: {}\n",
            )],
            &["cannot read the secret `env: DRSYNC_TEST_UNSET`"],
        ),
    ]);
}

#[test]
fn files_that_are_not_what_they_should_be() {
    all_are_told(&[
        bad(
            "duplicate key in pair.yaml",
            &[("pair.yaml", "‹pair: lake\nsides: { a: {}, b: {} }\n«pair: pond\n")],
            &["duplicate key `pair`", "first written here"],
        ),
        bad(
            "duplicate key in hosts.yaml",
            &[("hosts.yaml", "a: { hosts: { ‹a1: , «a1: } }\nb: { hosts: { b1: } }\n")],
            &["duplicate key `a1`"],
        ),
        bad(
            "duplicate key in a resource",
            &[("resources/x.yaml", "- os.sysctl: { ‹name: a.b, value: 1, «name: a.b }\n")],
            &["duplicate key `name`"],
        ),
        bad(
            "two documents",
            &[("resources/x.yaml", "- os.sysctl: { name: a.b, value: 1 }\n«---\n- {}\n")],
            &["a second YAML document in one file", "keep one document per file"],
        ),
        bad(
            "tabs",
            &[("resources/x.yaml", "- os.sysctl:\n\t«name: a.b\n\tvalue: 1\n")],
            &["not valid YAML"],
        ),
        bad(
            "not closed",
            &[("hosts.yaml", "a: { hosts: { a1: }\n«b: { hosts: { b1: } }\n")],
            &["not valid YAML"],
        ),
        bad("no pair.yaml", &[("pair.yaml", "-")], &["cannot read `inv/pair.yaml`"]),
        bad("no hosts.yaml", &[("hosts.yaml", "-")], &["cannot read `inv/hosts.yaml`"]),
        bad("no resources", &[("resources/good.yaml", "-")], &["`inv/resources`"]),
    ]);
}

#[test]
fn hostile_files_are_refused_at_their_place() {
    let bomb = || {
        let mut text = String::from("- &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..10 {
            let row = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("- &a{i} [{row}]\n"));
        }
        text.into_bytes()
    };
    let cases: [(&str, Vec<u8>, &str, &str); 3] = [
        ("alias bomb", bomb(), "the file expands to too many values", "x.yaml:6:"),
        ("tower", [&b"- "[..], &b"[".repeat(20_000)].concat(), "nested too deeply", "x.yaml:1:103"),
        (
            "latin 1",
            b"# gr\xc3\xbc\xc3\x9fe\n- x: gr\xfc\xdfe\n".to_vec(),
            "not UTF-8 text",
            "x.yaml:2:8",
        ),
    ];
    for (name, text, said, place) in cases {
        let scene = Scene::new(&[("resources/x.yaml", &text)]);
        for words in [&["check"][..], &["plan"], &["apply", "--yes"]] {
            let ran = scene.run(words).expect(8);
            assert!(ran.err.contains(said), "{name}: {}", ran.err);
            assert!(ran.err.contains(place), "{name}: {}", ran.err);
            assert!(ran.err.contains('^'), "{name}: {}", ran.err);
            assert!(ran.err.len() < 2_000, "{name}: {} bytes", ran.err.len());
        }
        assert_eq!(scene.contacted(), (false, false), "{name}");
    }
}

#[test]
fn twelve_mistakes_are_told_in_one_run() {
    all_are_told(&[bad(
        "twelve",
        &[
            (
                "pair.yaml",
                "pair: lake\nsides: { a: {}, b: {} }\norder: [a, «c]\n«polcy: {}\n\
                 windows:\n  - { name: w, from: «noon, to: \"02:00\", zone: UTC }\n",
            ),
            ("hosts.yaml", "a: { hosts: { a1: , «\"n[9:1]\": } }\nb: { hosts: { b1: } }\n"),
            ("group_vars/all.yaml", "level: «\"{{ lvl }}\"\n"),
            (
                "resources/x.yaml",
                "- «os.sysctll: { name: a.b, value: 1 }\n\
                 - os.sysctl: { name: a.b, «valeu: 1, value: 1 }\n\
                 - os.sysctl: { name: a.c, value: ‹\"{{ level }}\" }\n\
                 - os.file: { path: /x, content: a, «mode: 644 }\n\
                 - os.sysctl: { name: a.e, value: 1 }\n  hosts: «nosuch\n\
                 - mood: { level: «high }\n",
            ),
            (
                "resources/y.yaml",
                "- os.file: { path: /y, source: «nosuch }\n\
                 - os.sysctl: { name: a.d, value: ‹1 }\n  requires: [«nosuch]\n",
            ),
            ("resources/z.yaml", "- os.sysctl: { name: a.d, value: «2 }\n"),
        ],
        &["13 errors found"],
    )]);
}

#[test]
fn usage_mistakes_name_the_nearest_name() {
    let scene = Scene::new(&[]);
    let cases: [(&[&str], &str); 6] = [
        (&["--side", "aa"], "--side: there is no side `aa`; did you mean `a`?"),
        (&["--limit", "a11"], "--limit: no group or host matches `a11`; did you mean `a1`?"),
        (&["--limit", "all:!nosuch"], "--limit: no group or host matches `nosuch`"),
        (&["--tags", "hfds"], "--tags: there is no tag `hfds`; did you mean `hdfs`?"),
        (&["--skip-tags", "so"], "--skip-tags: there is no tag `so`; did you mean `os`?"),
        (
            &["--kind", "os.sysctll"],
            "--kind: there is no kind `os.sysctll`; did you mean `os.sysctl`?",
        ),
    ];
    for (flags, said) in cases {
        for words in [&["check"][..], &["plan"], &["apply", "--yes"]] {
            let ran = scene.run(&[words, flags].concat()).expect(64);
            assert!(ran.err.contains(said), "{flags:?}: {}", ran.err);
        }
        let page = scene.run(&[&["check", "--json"], flags].concat()).expect(64).json();
        assert_eq!(page["diagnostics"][0]["summary"], said);
    }
    assert_eq!(scene.contacted(), (false, false));
}

mod any_text {
    //! Whatever stands in a file: an inventory or a list of mistakes, never a panic.

    use std::path::Path;
    use std::sync::Arc;

    use drsync::engine::plan::prepare;
    use drsync::engine::select::Choice;
    use drsync::kinds;
    use drsync::lang::inventory::{Inventory, Outside};
    use drsync::lang::scalar::Dialect;
    use drsync::lang::secrets::SecretSource;
    use drsync::lang::yaml;
    use drsync::view::fault;
    use proptest::prelude::*;

    use super::Scene;

    /// An outside without variables and programs.
    struct Nothing;

    impl SecretSource for Nothing {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }

        fn run(&self, _: &[String], _: &Path, _: &str) -> Result<String, String> {
            Err("there are no programs".into())
        }
    }

    /// Loads, expands and orders as every command does, and draws the mistakes.
    fn checked(folder: &Path) -> String {
        let infos = kinds::infos();
        let outside = Outside { kinds: &infos, modules: &[], secrets: Box::new(Nothing) };
        let inventory = Inventory::load(folder, outside);
        let mut mistakes = inventory.diagnostics.clone();
        if let Ok(chosen) = Choice::default().check(&inventory) {
            mistakes.extend(prepare(&inventory, &chosen).err().unwrap_or_default());
        }
        for host in 0..inventory.world.hosts.hosts.len() {
            mistakes.extend(inventory.host_connection(host).err().unwrap_or_default());
        }
        fault::text(&mistakes, &inventory.texts)
    }

    /// Pieces that mean something in our files, with bars between them.
    const PIECES: &str = "\
        ¦a¦b¦hosts¦children¦vars¦name¦os.sysctl¦os.file¦cm.config¦value¦values¦loop¦when\
        ¦requires¦module¦mood¦pair¦sides¦manager¦order¦translate¦windows¦: ¦:¦- ¦\n¦\n  \
        ¦\n    ¦{ ¦ }¦[¦]¦, ¦{{ ¦ }}¦{% if ¦ %}¦{% for x in ¦{#¦'¦\"¦|\n¦>¦&x ¦*x¦<<: *x\
        ¦!vault ¦!!str ¦env¦file¦~¦\t¦0644¦1.5¦-¦n[1:3]¦all:!a¦~(¦\u{feff}¦\r\n¦é¦\u{0}\
        ¦---\n¦ | default(1)¦ | int¦ / 0¦range(9)¦item¦side¦path¦/x¦content¦source¦template\
        ¦group¦url¦http://x";

    /// Text from pieces that mean something to us, wild characters between them.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![8 => prop::sample::select(PIECES.split('¦').collect::<Vec<_>>()).prop_map(String::from), 1 => "\\PC{0,3}", 1 => any::<char>().prop_map(String::from)]
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat()),
            1 => any::<String>(),
        ]
    }

    /// One of the good files with a piece put into it.
    fn spoilt() -> impl Strategy<Value = (&'static str, String)> {
        const FILES: &[(&str, &str)] = &[
            ("pair.yaml", super::PAIR),
            ("hosts.yaml", super::HOSTS),
            ("resources/x.yaml", super::GOOD),
        ];
        (prop::sample::select(FILES), any::<prop::sample::Index>(), piece()).prop_map(
            |((name, good), at, piece)| {
                // The good files are ASCII.
                let at = at.index(good.len());
                (name, format!("{}{piece}{}", &good[..at], &good[at..]))
            },
        )
    }

    fn file() -> impl Strategy<Value = (&'static str, String)> {
        const NAMES: &[&str] = &["pair.yaml", "hosts.yaml", "resources/x.yaml"];
        prop_oneof![(prop::sample::select(NAMES), text()), spoilt()]
    }

    /// The good inventory with one file of any text, `-` too, which would remove it in a table.
    fn scene(name: &str, text: &str) -> Scene {
        let scene = Scene::new(&[]);
        scene.file(name, text.as_bytes());
        scene
    }

    fn config(cases: u32) -> ProptestConfig {
        ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(config(500))]

        #[test]
        fn is_parsed_or_refused_with_places(text in text()) {
            for dialect in [Dialect::Core, Dialect::Ansible] {
                if let Err(mistakes) = yaml::parse(&Arc::from("t.yaml"), &text, dialect) {
                    prop_assert!(!mistakes.is_empty());
                    prop_assert!(mistakes.iter().all(|m| m.place.is_some()));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(config(300))]

        #[test]
        fn is_loaded_or_refused((name, text) in file()) {
            checked(&scene(name, &text).project.path("inv"));
        }
    }

    proptest! {
        #![proptest_config(config(60))]

        #[test]
        fn ends_with_0_or_8((name, text) in file()) {
            let ran = scene(name, &text).run(&["check"]);
            prop_assert!([0, 8].contains(&ran.code), "{}: {}", ran.code, ran.err);
        }
    }
}
