//! Kinds made of a module's shell text, against the machine the tests run on.

mod support;

use support::Project;

/// A value with everything in it that a shell could take for code.
const HOSTILE: &str =
    "a'b\"c$(touch broken)`touch broken`\\ $HOME ;touch broken; ü -n *\n  {{ x }}\n--";

const LEVEL: &str = r#"
description: A level in a file.
params:
  file: { type: string }
  level: { type: string, default: low }
  loud: { type: boolean, optional: true }
kind:
  key: "{{ file }}"
  want: { level: "{{ level }}", mode: "600" }
  probe: |
    # Not a template: {{ nothing }} {% of the sort %}
    if [ -e "$root$file" ]; then
      put level "$(cat "$root$file")"
      put mode "$(stat -c %a "$root$file")"
    else
      absent level
      absent mode
    fi
  apply: |
    printf '%s' "$*" > "$root/applied"
    printf '%s\n' "$level" > "$root$file" && chmod 600 "$root$file"
"#;

/// Returns a project with the module `level`, one host whose root is `root/`, and `resources`.
fn project(resources: &str) -> Project {
    let project = Project::new();
    let root = project.path("root").display().to_string();
    let hosts = format!(
        "a: {{hosts: {{here: {{ansible_connection: local, drsync_root: {root}}}}}}}\nb: {{hosts: {{}}}}\n"
    );
    project
        .file("modules/level/module.yaml", LEVEL)
        .file("inventories/x/pair.yaml", "pair: x\nsides: { a: {}, b: {} }\n")
        .file("inventories/x/hosts.yaml", hosts)
        .file("inventories/x/resources/all.yaml", resources)
        .file("root/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    project
}

#[test]
fn a_module_is_a_kind_of_its_own() {
    let project = project(
        "- name: The level\n  level: { file: /etc/level, level: high }\n- os.file: { path: /etc/next, content: x }\n  requires: [\"level[/etc/level]\"]\n",
    );
    let plan = project.drsync(&["plan", "--json", "--detailed-exitcode"]).expect(2);
    assert!(plan.out.contains("a/here/level[/etc/level]"), "{}", plan.out);
    let shown = project.drsync(&["plan", "--kind", "level"]).expect(0);
    assert!(shown.out.contains("+ level[/etc/level]   a/here  The level"), "{}", shown.out);
    assert!(shown.out.contains("+ level  absent → high"), "{}", shown.out);
    assert!(!shown.out.contains("/etc/next"), "{}", shown.out);
    project.drsync(&["apply", "--yes"]).expect(0);
    assert_eq!(project.read("root/etc/level"), "high\n");
    assert_eq!(project.read("root/applied"), "level mode");
    project.drsync(&["plan", "--detailed-exitcode"]).expect(0);
    project.file("root/etc/level", "low\n");
    let drift = project.drsync(&["drift"]).expect(2);
    assert!(drift.out.contains("~ level  low → high"), "{}", drift.out);
    project.drsync(&["apply", "--yes"]).expect(0);
    assert_eq!(project.read("root/applied"), "level");
    project.drsync(&["drift"]).expect(0);
}

#[test]
fn values_never_become_code() {
    let level = serde_json::Value::from(HOSTILE).to_string();
    let project = project(&format!(
        "- vars: {{ it: !unsafe {level} }}\n  level: {{ file: \"/etc/le'v $(id)\\\" el\", level: \"{{{{ it }}}}\" }}\n"
    ));
    project.drsync(&["apply", "--yes"]).expect(0);
    assert_eq!(project.read("root/etc/le'v $(id)\" el"), format!("{HOSTILE}\n"));
    project.drsync(&["plan", "--detailed-exitcode"]).expect(0);
    assert!(!project.path("broken").exists() && !project.path("root/broken").exists());
}

#[test]
fn large_values_pass() {
    let level = "x'$y".repeat(75_000);
    let project = project(&format!("- level: {{ file: /etc/level, level: \"{level}\" }}\n"));
    project.drsync(&["apply", "--yes"]).expect(0);
    project.drsync(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn secrets_stay_hidden() {
    let project = project(
        "- level: { file: /etc/level, level: { file: secret } }\n- level: { file: /etc/plain, level: high }\n",
    );
    project.file("inventories/x/secret", "tr0ub4dor&3");
    let plan = project.drsync(&["plan"]).expect(0);
    assert!(plan.out.contains("+ level  absent → (sensitive)"), "{}", plan.out);
    let apply = project.drsync(&["apply", "--yes"]).expect(0);
    assert_eq!(project.read("root/etc/level"), "tr0ub4dor&3\n");
    project.drsync(&["plan", "--detailed-exitcode"]).expect(0);
    project.file("root/etc/level", "tr0ub4dor&3!\n");
    let drift = project.drsync(&["drift", "--json"]).expect(2);
    for text in [plan.all(), apply.all(), drift.all()] {
        assert!(!text.contains("tr0ub4dor"), "{text}");
    }
}

/// Returns a module whose probe is `probe` and whose text that changes is `apply`.
fn module(probe: &str, apply: &str) -> String {
    let indent = |text: &str| text.replace('\n', "\n    ");
    format!(
        "kind:\n  key: one\n  want: {{ x: 1, y: null }}\n  probe: |\n    # $root\n    {}\n  apply: |\n    # $root\n    {}\n",
        indent(probe),
        indent(apply)
    )
}

#[test]
fn what_is_wrong_with_one_text_harms_nothing_else() {
    let texts = [
        ("quote", "put x 'a", "Syntax error"),
        ("syntax", "put x 1\nif then", "yntax error"),
        (
            "exits",
            "echo so that is why >&2\nexit 3",
            "so that is why; the probe ended with status 3",
        ),
        ("silent", "absent y", "the probe did not report `x`"),
        ("unsure", "unknown x 'the door is locked'; absent y", "the door is locked"),
        ("loose", "printf 'no line end'; put 'a b' 1; absent y", "is not the name of a value"),
        ("renames", "put() { :; }; n=99; mark=; finish() { :; }; absent y", "did not report `x`"),
        ("stops", "set -e; trap 'put x 2' EXIT; false; put x 1", "status 1"),
        ("strict", "set -u; put x \"$nothing\"", "nothing"),
        ("bytes", "absent y; put x \"$(printf '\\377')\"", "not UTF-8"),
    ];
    let mut resources = String::from("- os.file: { path: /etc/first, content: x }\n");
    for (name, ..) in &texts {
        resources.push_str(&format!("- {name}: {{}}\n"));
    }
    resources.push_str("- os.file: { path: /etc/last, content: x }\n");
    let project = project(&resources);
    for (name, probe, _) in &texts {
        project.file(&format!("modules/{name}/module.yaml"), module(probe, "exit 1"));
    }
    let plan = project.drsync(&["plan", "--json"]).expect(4).json();
    let instances = plan["instances"].as_array().unwrap();
    let of = |address: &str| {
        let found = instances.iter().find(|i| i["address"] == format!("a/here/{address}").as_str());
        found.unwrap_or_else(|| panic!("no {address} in {plan:#}"))
    };
    assert_eq!(of("os.file[/etc/first]")["verdict"], "change");
    assert_eq!(of("os.file[/etc/last]")["verdict"], "change");
    for (name, _, said) in &texts {
        let instance = of(&format!("{name}[one]"));
        assert_eq!(instance["verdict"], "unknown", "{name}: {instance:#}");
        let told = instance.to_string();
        assert!(told.contains(said) || *name == "quote", "{name}: {told}");
    }
}

#[test]
fn what_fails_to_change_says_why() {
    let project = project(
        "- fails: {}\n- broken: {}\n- stuck: {}\n- os.file: { path: /etc/last, content: x }\n",
    );
    let probe = "put x \"$(cat \"$root/x\" 2>/dev/null || echo 0)\"; put y 2";
    project
        .file("modules/fails/module.yaml", module(probe, "echo the disk is full; exit 7"))
        .file("modules/broken/module.yaml", module(probe, "if then"))
        .file("modules/stuck/module.yaml", module(probe, "exit 0"));
    let apply = project.drsync(&["apply", "--yes"]).expect(3);
    assert!(apply.all().contains("fails[one]: the disk is full"), "{}", apply.all());
    assert!(apply.all().contains("yntax error"), "{}", apply.all());
    assert!(apply.all().contains("stuck[one]: does not converge"), "{}", apply.all());
    assert_eq!(project.read("root/etc/last"), "x");
}

#[test]
fn text_that_does_not_heed_root_is_not_run_in_an_image() {
    let project = project("- heedless: {}\n");
    let text = "kind: { key: a, want: { x: 1 }, probe: \"touch /tmp/drsync-never; put x 0\", apply: \"true\" }\n";
    project.file("modules/heedless/module.yaml", text);
    let plan = project.drsync(&["plan"]).expect(4);
    assert!(plan.out.contains("does not mention $root"), "{}", plan.out);
    assert!(!std::path::Path::new("/tmp/drsync-never").exists());
}

#[test]
fn mistakes_are_told_with_their_places() {
    let project = project(
        "- blind: {}\n- odd: { a-b: 1 }\n- names: {}\n- empty: {}\n- level: { fiel: /x }\n",
    );
    project
        .file("modules/blind/module.yaml", "kind: { key: a, want: { x: 1 }, apply: id }\n")
        .file(
            "modules/odd/module.yaml",
            "params:\n  a-b: { type: integer }\nkind: { key: a, want: { x: 1 }, probe: id }\n",
        )
        .file("modules/names/module.yaml", "kind: { key: a, want: { \"x y\": 1 }, probe: id }\n")
        .file("modules/empty/module.yaml", "params: {}\n");
    let check = project.drsync(&["check"]).expect(8);
    for said in [
        "the kind of module `blind` has no `probe`",
        "blind/module.yaml:1:7",
        "`a-b` cannot be the name of a shell variable",
        "odd/module.yaml:2:3",
        "`x y` is not the name of a value",
        "a module needs `resources`, a `kind`, or both",
        "module `level` has no parameter `fiel`",
    ] {
        assert!(check.all().contains(said), "{said}\n{}", check.all());
    }
}

#[test]
fn a_use_inherits_what_any_resource_may_have() {
    let project = project(
        "- name: never\n  level: { file: /etc/never }\n  when: side == 'b'\n- name: tagged\n  level: { file: /etc/tagged }\n  tags: [t]\n  protect: true\n- name: loose\n  level: { file: /etc/loose, level: high }\n  ignore: [mode]\n",
    );
    let plan = project.drsync(&["plan"]).expect(0);
    assert!(!plan.out.contains("never"), "{}", plan.out);
    let tagged = project.drsync(&["plan", "--tags", "t"]).expect(0);
    assert!(tagged.out.contains("level[/etc/tagged]"), "{}", tagged.out);
    assert!(!tagged.out.contains("loose"), "{}", tagged.out);
    project.file("root/etc/loose", "high\n");
    let plan = project.drsync(&["plan", "--kind", "level"]).expect(0);
    assert!(!plan.out.contains("level[/etc/loose]"), "{}", plan.out);
}

#[test]
fn two_uses_that_contradict_each_other_are_refused() {
    let project = project(
        "- level: { file: /etc/level, level: high }\n- level: { file: /etc/level, level: low }\n",
    );
    let check = project.drsync(&["check"]).expect(8);
    let said = "`params.level` of level[/etc/level] is declared twice, differently";
    assert!(check.all().contains(said), "{}", check.all());
    assert!(check.all().contains("all.yaml:2:"), "{}", check.all());
}

#[test]
fn a_use_of_a_module_is_repeated_over_a_loop() {
    let project = project(
        "- vars: { levels: [low, high] }\n  level: { file: \"/etc/{{ item }}\", level: \"{{ item }}\" }\n  loop: \"{{ levels }}\"\n- files: { folder: \"/etc/{{ item }}\" }\n  loop: [c, d]\n",
    );
    project.file(
        "modules/files/module.yaml",
        "params:\n  folder: { type: string }\nresources:\n- os.file: { path: \"{{ folder }}-{{ item }}\", content: x }\n  loop: [1, 2]\n",
    );
    let plan = project.drsync(&["plan"]).expect(0);
    let wanted = ["level[/etc/low]", "level[/etc/high]", "os.file[/etc/c-1]", "os.file[/etc/d-2]"];
    for address in wanted {
        assert!(plan.out.contains(address), "{address}: {}", plan.out);
    }
    assert!(plan.out.contains("Plan: 6 to add"), "{}", plan.out);
}
