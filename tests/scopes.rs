//! Every scope of a manager, selections, and several runs on one sandbox.

mod support;

use support::Project;

/// A pair with the demo's managers and the given resources.
fn pair(resources: &str) -> Project {
    let project = Project::demo();
    let demo = project.path("inventories/demo/sandbox");
    let side = |name: &str| {
        let seed = demo.join(format!("{name}.json"));
        format!("{{ manager: {{ cluster: lake, sandbox: {{ seed: {} }} }} }}", seed.display())
    };
    project
        .file(
            "inv/pair.yaml",
            format!("pair: p\nsides:\n  primary: {}\n  dr: {}\n", side("primary"), side("dr")),
        )
        .file("inv/hosts.yaml", "all: { children: { primary: {}, dr: {} } }\n")
        .file("inv/resources/all.yaml", resources);
    project
}

#[test]
fn every_scope_is_read_written_and_converges() {
    let project = pair(
        r#"
- cm.config: { scope: manager, values: { SESSION_TIMEOUT: 901 } }
- cm.config: { scope: all_hosts, values: { java_home: /usr/java/jdk-17 } }
- cm.config: { host: dr-w04.example.com, values: { java_home: /usr/java/jdk-17 } }
  sides: dr
- cm.config: { service: mgmt, values: { enable_config_alerts: true } }
- cm.config: { service: mgmt, role_group: EVENTSERVER, values: { event_server_heapsize: 2 GiB } }
- cm.config: { service: hdfs, values: { dfs.replication: 4 } }
- cm.config: { service: hdfs, role_group: DATANODE, values: { process_auto_restart: true } }
- cm.config: { service: yarn, role_group: yarn-NODEMANAGER-large, values: { process_auto_restart: true } }
- cm.config: { service: hdfs, role: DATANODE, host: dr-w01.example.com, values: { process_auto_restart: false } }
  sides: dr
"#,
    );
    let plan = project.drsync(&["plan", "-i", "inv", "--json"]).expect(0).json();
    assert_eq!(
        plan["summary"]["change"].as_u64().unwrap() + plan["summary"]["add"].as_u64().unwrap(),
        // Each side's restarts are one more.
        16 + 2
    );
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_host_of_the_manager_is_placed_tagged_silenced_and_taken_out_and_back() {
    let host = |more: &str| {
        format!(
            "- cm.host: {{ name: dr-w04.example.com, rack: /hall-2/r7, {more} }}\n  sides: dr\n"
        )
    };
    let out = "maintenance: true, commission_state: decommissioned, tags: { owner: us, stage: dr }";
    let project = pair(&host(out));
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    for said in ["/dr/r1 → /hall-2/r7", "commissioned → decommissioned", "tag owner"] {
        assert!(plan.out.contains(said), "{said}: {}", plan.out);
    }
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
    let back =
        "maintenance: false, commission_state: commissioned, tags: { owner: us, stage: null }";
    project.file("inv/resources/all.yaml", host(back));
    project.drsync(&["drift", "-i", "inv"]).expect(2);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_host_comes_into_the_cluster_before_its_roles_and_leaves_after_them() {
    let host = |more: &str| format!("- cm.host: {{ name: dr-w05.example.com, {more} }}\n");
    let roles = |hosts: &str| {
        format!("- cm.role: {{ service: hdfs, type: HTTPFS, hosts: [{hosts}], state: started }}\n")
    };
    // Written the wrong way round: the order follows from what they are.
    let project = pair(&(roles("dr-w05.example.com") + &host("in_cluster: true, rack: /dr/r9")));
    support::spare_host(&project, "dr-w05.example.com");
    let text = project.read("inv/pair.yaml");
    let dr = text.find("  dr:").unwrap();
    project.file("inv/pair.yaml", format!("pair: p\nsides:\n  primary: {{}}\n{}", &text[dr..]));
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    assert!(plan.out.contains("in_cluster  false → true"), "{}", plan.out);
    assert!(plan.out.contains("the cluster has no host `dr-w05.example.com`"), "{}", plan.out);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
    // A host that still has roles stays.
    project.file("inv/resources/all.yaml", host("in_cluster: false"));
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(1);
    assert!(plan.out.contains("it still has 1 role (hdfs): they must go first"), "{}", plan.out);
    project
        .file("inv/resources/all.yaml", host("in_cluster: false, maintenance: true") + &roles(""));
    let done = project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    let at = |words: &str| done.err.find(words).unwrap_or_else(|| panic!("{words}: {}", done.err));
    assert!(at("cm.role[hdfs/HTTPFS] ") < at("cm.host[dr-w05.example.com (out of the cluster)]"));
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_role_config_group_is_made_filled_set_and_removed() {
    let group = |hosts: &str| {
        format!(
            "- cm.config: {{ service: hdfs, role_group: large, values: {{ process_auto_restart: true }} }}\n  \
             sides: dr\n\
             - cm.role_group:\n    {{ service: hdfs, name: large, role_type: DATANODE, hosts: [{hosts}] }}\n  \
             sides: dr\n"
        )
    };
    let project = pair(&group("dr-w01.example.com, dr-w02.example.com"));
    // What is set in the group is known once the group is there.
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    assert!(plan.out.contains("known after apply"), "{}", plan.out);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
    project.file("inv/resources/all.yaml", group("dr-w02.example.com"));
    let drift = project.drsync(&["drift", "-i", "inv"]).expect(2);
    assert!(drift.out.contains("dr-w01.example.com"), "{}", drift.out);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    let gone = "- cm.role_group: { service: hdfs, name: large, state: absent }\n  sides: dr\n";
    project.file("inv/resources/all.yaml", gone);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_host_the_manager_does_not_know_is_refused_by_name() {
    let project = pair(
        "- cm.host: { name: dr-w40.example.com, rack: /r1 }\n  sides: dr\n\
         - cm.host: { name: dr-w04.example.com, rack: /r1 }\n  sides: dr\n",
    );
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(1);
    let said = "the manager has no host `dr-w40.example.com`; did you mean `dr-w04.example.com`?";
    assert!(plan.out.contains(said), "{}", plan.out);
    assert!(plan.out.contains("/dr/r1 → /r1"), "{}", plan.out);
}

/// A pair whose `dr` side has one simulated host, with its connection and its own name.
fn pair_with_host(host: &str, own: &str, resources: &str) -> Project {
    let project = pair(&format!("- os.directory: {{ path: /srv/x }}\n  hosts: dr\n{resources}"));
    let text = project.read("inv/pair.yaml") + "sandbox: { hosts: seed.yaml }\n";
    let hosts = format!(
        "all: {{ children: {{ primary: {{}}, dr: {{ hosts: {{ {host} }} }} }}, \
         vars: {{ ansible_connection: sandbox }} }}\n"
    );
    let seed = format!("- hosts: all\n  files: {{ /etc/hostname: \"{own}\\n\" }}\n");
    project
        .file("inv/pair.yaml", text)
        .file("inv/hosts.yaml", hosts)
        .file("inv/seed.yaml", seed)
        .file("inv/resources/more.yaml", "[]\n");
    project
}

const RACK: &str = "- cm.host: { name: dr-w04.example.com, rack: /r1 }\n  sides: dr\n";

#[test]
fn a_machine_that_everybody_calls_the_same_is_not_spoken_of() {
    let full = "dr-w04.example.com";
    let named = format!("{full}: {{ ansible_host: 10.0.0.16 }}");
    let project = pair_with_host(&named, full, RACK);
    let plan = project.drsync(&["plan", "-i", "inv", "--timings"]).expect(0);
    assert!(!plan.err.contains("several names"), "{}", plan.err);
    assert!(plan.err.contains("1 exec "), "{}", plan.err);
    let gets = |ran: &support::Ran| {
        let line = ran.err.lines().find(|line| line.contains("manager of dr")).unwrap();
        line.split_whitespace().nth(3).unwrap().parse::<usize>().unwrap()
    };
    let with = gets(&project.drsync(&["plan", "-i", "inv", "--timings"]).expect(0));
    let alone = pair(RACK);
    alone.drsync(&["plan", "-i", "inv"]).expect(0);
    assert_eq!(with, gets(&alone.drsync(&["plan", "-i", "inv", "--timings"]).expect(0)));
}

#[test]
fn a_machine_that_goes_by_several_names_is_told_with_all_of_them() {
    // By its address, although its name is another one's.
    let project =
        pair_with_host("dr-w03.example.com: { ansible_host: 10.0.0.16 }", "w4.example.com", RACK);
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    for said in [
        "The inventory calls it `dr-w03.example.com`",
        "Cloudera Manager `dr-w04.example.com`",
        "the host itself says `w4.example.com`",
        "another machine",
    ] {
        assert!(plan.err.replace(['\n', '│'], " ").contains(said), "{said}: {}", plan.err);
    }
    let told = project.drsync(&["plan", "-i", "inv", "--json"]).expect(0).json();
    assert_eq!(told["diagnostics"][0]["severity"], "warning");
    // Where the manager's hosts are not read, nobody asks.
    let other = "- cm.config: { service: hdfs, values: { dfs.replication: 4 } }\n";
    let project = pair_with_host("dr-w03.example.com: { ansible_host: 10.0.0.16 }", "w4", other);
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    assert!(!plan.err.contains("several names"), "{}", plan.err);
}

#[test]
fn a_host_that_the_manager_knows_by_another_name_is_refused_with_that_name() {
    let resources = "\
- cm.host: { name: w4, rack: /r1 }
  sides: dr
- cm.role: { service: hdfs, type: HTTPFS, hosts: [dr-w01.example.com, w4] }
  sides: dr
";
    let own = "dr-w04.example.com";
    let project = pair_with_host("w4: { ansible_host: 10.0.0.16 }", own, resources);
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(1);
    let said = "Cloudera Manager knows host `w4` as `dr-w04.example.com` only";
    assert_eq!(plan.out.matches(said).count(), 2, "{}", plan.out);
}

#[test]
fn two_names_of_one_scope_are_a_mistake() {
    let project = pair(
        "- cm.config: { service: hdfs, role_group: DATANODE, values: { dfs_datanode_handler_count: 11 } }\n\
         - cm.config: { service: hdfs, role_group: hdfs-DATANODE-BASE, values: { dfs_datanode_handler_count: 12 } }\n",
    );
    let refused = project.drsync(&["plan", "-i", "inv"]).expect(8);
    assert!(refused.err.contains("are one scope"), "{}", refused.err);
    assert!(refused.err.contains("inv/resources/all.yaml:2:3"), "{}", refused.err);
}

#[test]
fn a_scope_that_is_not_there_is_refused_by_name_and_hides_nothing() {
    let project = pair(
        "- cm.config: { service: kafak, values: { num.partitions: 24 } }\n\
         - cm.config: { service: kafka, values: { num.partitions: 24 } }\n",
    );
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(1);
    assert!(
        plan.out.contains("cluster `lake` has no service `kafak`; did you mean `kafka`?"),
        "{}",
        plan.out
    );
    assert!(plan.out.contains("num.partitions"), "{}", plan.out);
}

#[test]
fn an_unknown_setting_names_the_nearest_one_and_its_place() {
    let project = pair("- cm.config: { service: hdfs, values: { dfs.replicaton: 3 } }\n");
    let refused = project.drsync(&["plan", "-i", "inv"]).expect(8);
    assert!(refused.err.contains("inv/resources/all.yaml:1:41"), "{}", refused.err);
    assert!(refused.err.contains("did you mean `dfs.replication`?"), "{}", refused.err);
}

#[test]
fn a_selection_that_matches_nothing_as_a_whole_is_an_error() {
    let project = Project::demo();
    for selection in [
        &["--kind", "cm.config", "--limit", "dr-w01.example.com"][..],
        &["--tags", "cm", "--kind", "os.sysctl"],
        &["--side", "primary", "--limit", "dr"],
        &["--tags", "os", "--skip-tags", "os"],
    ] {
        project.drsync(&[&["plan", "-i", "inventories/demo"], selection].concat()).expect(64);
    }
    project.drsync(&["plan", "-i", "inventories/demo", "--limit", "dr:&workers"]).expect(0);
}

#[test]
fn several_first_runs_at_once_do_not_disturb_each_other() {
    let project = Project::demo();
    let start = || {
        let mut command = project.command(&["plan", "-i", "inventories/demo"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let running: Vec<_> = (0..5).map(|_| start()).collect();
    for child in running {
        support::ran(child.wait_with_output().unwrap()).expect(0);
    }
}

const SPARK: &str = "\
- cm.parcel_repository: { url: https://archive.cloudera.com/p/spark3/3.3.7191000.0/parcels/ }
- cm.parcel: { product: SPARK3, version: 3.3.2.3.3.7191000.0-78-1.p0.57384092 }
";

#[test]
fn parcels_go_their_whole_way_and_are_in_sync_then() {
    let project = pair(SPARK);
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    assert!(plan.out.contains("the manager knows no parcel of `SPARK3`"), "{}", plan.out);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
    let posts = || {
        let log = project.read("inv/.drsync/inv/managers/dr.json.requests.jsonl");
        let is_it = |line: &&str| {
            line.contains("POST") && line.to_lowercase().contains("parcel") && line.contains(":200")
        };
        log.lines().filter(is_it).count()
    };
    assert_eq!(posts(), 4, "refresh, download, distribute, activate");
    project
        .file("inv/resources/all.yaml", SPARK.replace("57384092 }", "57384092, stage: absent }"));
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
    assert_eq!(posts(), 7);
}

#[test]
fn a_new_service_gets_its_roles_and_settings_and_is_started_then() {
    let audit = "\
- cm.service: { name: audit, type: KAFKA, display_name: Audit, state: started }
- cm.role: { service: audit, type: KAFKA_BROKER, hosts: [dr-w01.example.com, dr-w02.example.com], state: started }
- cm.config: { service: audit, values: { num.partitions: 6, zookeeper_service: zookeeper } }
- cm.config: { service: audit, role_group: large, values: { broker_max_heap_size: 2048 } }
- cm.role_group: { service: audit, name: large, role_type: KAFKA_BROKER, hosts: [dr-w02.example.com] }
- cm.host_template: { name: auditor, role_groups: [large] }
- cm.user: { name: night, roles: [ROLE_USER], password: !unsafe hush-hush }
- cm.peer: { name: pri, url: 'https://cm.pri.example.com:7183', username: r, password: hush-hush }
- cm.replication_schedule: { service: hdfs, name: warehouse, source: { peer: pri, cluster: lake, service: hdfs }, hdfs: { source_path: /w, destination_path: /w, maps: 9 }, every: { interval: 15, unit: minute } }
";
    let project = pair(audit);
    let text = project.read("inv/pair.yaml");
    let dr = text.find("  dr:").unwrap();
    project.file("inv/pair.yaml", format!("pair: p\nsides:\n  primary: {{}}\n{}", &text[dr..]));
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    assert!(plan.out.contains("there is no service `audit`"), "{}", plan.out);
    let done = project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    let at = |words: &str| done.err.find(words).unwrap_or_else(|| panic!("{words}: {}", done.err));
    assert!(at("cm.service[audit] ") < at("cm.role[audit/KAFKA_BROKER] "));
    assert!(at("cm.config[audit/large]") < at("cm.service[audit (state)]"));
    assert!(!done.all().contains("hush"));
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
    // A role that comes later is started in the same run, and one that runs goes.
    project.file(
        "inv/resources/all.yaml",
        audit.replace("w01.example.com, dr-w02", "w03.example.com, dr-w02"),
    );
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    assert!(plan.out.contains("not started  [] → (known after apply"), "{}", plan.out);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
    // And all of it goes again.
    let gone = "\
- cm.host_template: { name: auditor, state: absent }
- cm.user: { name: night, state: absent }
- cm.peer: { name: pri, state: absent }
- cm.replication_schedule: { service: hdfs, name: warehouse, state: absent }
- cm.service: { name: audit, state: absent }
";
    project.file("inv/resources/all.yaml", gone);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}

#[test]
fn what_stands_for_two_instances_can_be_required() {
    let project = pair(
        "\
- name: Audit
  cm.service: { name: audit, type: KAFKA, state: started }
- name: Settings
  cm.config: { service: audit, values: { num.partitions: 6 } }
  requires: Audit
- name: CDH
  cm.parcel: { product: CDH, version: 7.1.9-1.cdh7.1.9.p1000.59281103, remove_other_versions: true }
- name: After the parcel
  cm.config: { service: hdfs, values: { dfs.replication: 2 } }
  requires: CDH
- name: Brokers
  cm.role: { service: audit, type: KAFKA_BROKER, hosts: [dr-w01.example.com], state: started }
  requires: [Audit, CDH]
",
    );
    project.drsync(&["check", "-i", "inv"]).expect(0);
}

#[test]
fn p6_a_smaller_side_is_no_drift_where_it_is_declared_so_and_drift_where_it_is_not() {
    let project = pair(
        r#"
- cm.config: { service: kafka, role_group: KAFKA_BROKER, values: { broker_max_heap_size: "{{ heap }}" } }
- cm.config: { service: kafka, values: { num.partitions: "{{ partitions }}" }, unmanaged: ignore }
- cm.role: { service: kafka, type: KAFKA_BROKER, hosts: "{{ brokers }}" }
"#,
    );
    let hosts = |side: &str, count: usize| {
        let hosts = (1..=count).map(|n| format!("{side}-w0{n}.example.com"));
        hosts.collect::<Vec<_>>().join(", ")
    };
    let vars = |side: &str, name: &str, heap: u32, count: usize| {
        let brokers = hosts(side, count);
        let text = format!("heap: {heap}\nbrokers: [{brokers}]\n");
        project.file(&format!("inv/group_vars/{name}.yaml"), text);
    };
    project.file("inv/group_vars/all.yaml", "partitions: 6\n");
    vars("pri", "primary", 6144, 4);
    // The allowance: half the memory, and two brokers fewer.
    vars("dr", "dr", 3072, 2);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    let drift = project.drsync(&["drift", "-i", "inv"]).expect(0);
    assert!(!drift.out.contains("heap"), "{}", drift.out);
    // What nobody declared to be smaller is drift, and nothing else is, but that the service runs it.
    support::served(&project, "inv", 2, |manager| {
        if manager["side"] == "dr" {
            let body = r#"{"items":[{"name":"num.partitions","value":"3"}]}"#;
            let path = "/api/v54/clusters/lake/services/kafka/config";
            let answer = support::request(manager, "PUT", path, body);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    });
    let drift = project.drsync(&["drift", "-i", "inv", "--json"]).expect(2);
    let page = drift.json();
    let differing: Vec<&serde_json::Value> = page["instances"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|instance| instance["verdict"] == "change" && instance["kind"] == "cm.config")
        .collect();
    assert_eq!(differing.len(), 1, "{}", drift.out);
    assert_eq!(differing[0]["address"], "dr/cm.config[kafka]", "{}", drift.out);
    assert!(differing[0].to_string().contains("num.partitions"), "{}", drift.out);
    assert!(!differing[0].to_string().contains("heap"), "{}", drift.out);
}

#[test]
fn a_role_is_named_by_its_host_where_the_two_sides_call_it_otherwise() {
    let named = |host: &str| {
        format!(
            "- cm.config:\n    service: hue\n    values:\n      hue_webhdfs: {{ role: {{ service: \
             hdfs, type: NAMENODE, host: \"{{{{ {{'primary': 'pri'}}.get(side, side) }}}}-{host}\" }} }}\n"
        )
    };
    let project = pair(&named("m02.example.com"));
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    assert!(plan.out.contains("→ hdfs-NAMENODE-"), "{}", plan.out);
    project.drsync(&["apply", "--yes", "-i", "inv"]).expect(0);
    project.drsync(&["plan", "--detailed-exitcode", "-i", "inv"]).expect(0);
    project.file("inv/resources/all.yaml", named("m09.example.com"));
    let refused = project.drsync(&["plan", "-i", "inv"]).expect(1);
    let said = "service `hdfs` has no role `NAMENODE` on host `dr-m09.example.com`";
    assert!(refused.out.contains(said), "{}", refused.out);
}
