//! The modules that come with drsync: sound for every family, with every parameter.

mod support;

use support::Project;

const FAMILIES: [&str; 5] = ["rhel7", "rhel8", "rhel9", "debian", "ubuntu"];

/// Uses of every module, with as many parameters as it has.
const USES: &str = r#"
- cdp-host-prerequisites: { family: FAMILY }
  hosts: a
- cdp-host-prerequisites:
    family: FAMILY
    transparent_hugepage: madvise
    network_tuning: true
    selinux: enforcing
    timezone: UTC
    jdk: "8"
    entropy: true
    packages: [tar, unzip]
    hosts_entries: [{ address: 10.0.0.1, names: [dn01.example.com, dn01] }]
    data_mounts: [{ path: /data/1, src: /dev/sdb1 }, { path: /data/2, src: /dev/sdc1, fstype: ext4 }]
  hosts: b
- chrony: { family: FAMILY, servers: [ntp1.example.com], pools: [pool.example.com], allow: [10.0.0.0/8], extra: [log tracking] }
- service-accounts: { family: FAMILY }
  hosts: a
- service-accounts: { family: FAMILY, only: [hdfs, yarn], uids: { hdfs: 982 }, gids: { hadoop: 980, hdfs: 982 } }
  hosts: b
- tls-hosts: { family: FAMILY, authority: "{{ pem }}" }
  hosts: a
- tls-hosts:
    family: FAMILY
    authority: "{{ pem }}"
    certificate: "{{ pem }}"
    key: { env: PATH }
    check_names: ["{{ inventory_hostname }}"]
    readers: [hdfs, yarn]
  hosts: b
- cloudera-manager-ha: { database_host: db }
  hosts: a
- cloudera-manager-ha:
    database_host: db:5432
    database_name: cm
    parcel_repository: /opt/parcels
    parcel_repository_source: nfs:/parcels
    parcel_repository_type: nfs
    redaction: false
    restart: false
  hosts: b
"#;

/// A certificate that says nothing of anybody.
fn pem() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["b1".to_string()]).unwrap();
    parameters.self_signed(&key).unwrap().pem()
}

#[test]
fn every_module_is_sound_for_every_family() {
    let pem = serde_json::to_string(&pem()).unwrap();
    for family in FAMILIES {
        let project = Project::new();
        project
            .file("pair/pair.yaml", "pair: lake\nsides: { a: {}, b: {} }\n")
            .file("pair/hosts.yaml", "a: { hosts: { a1: } }\nb: { hosts: { b1: } }\n")
            .file("pair/group_vars/all.yaml", format!("pem: {pem}\n"))
            .file("pair/resources/all.yaml", USES.replace("FAMILY", family));
        let ran = project.drsync(&["check", "-i", "pair"]).expect(0);
        assert!(!ran.all().contains("warning"), "{family}: {}", ran.all());
        project.drsync(&["graph", "-i", "pair"]).expect(0);
    }
}

#[test]
fn every_parameter_of_a_module_is_told_in_its_readme_and_described() {
    let folder = support::repository().join("modules");
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let text = std::fs::read_to_string(folder.join("module.yaml")).unwrap();
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
        let params = text.split("\nresources:").next().unwrap();
        let names = params.lines().filter_map(|line| {
            let name = line.strip_prefix("  ")?.strip_suffix(':')?;
            (!name.starts_with([' ', '#'])).then_some(name)
        });
        let mut count = 0;
        for name in names {
            count += 1;
            assert!(readme.contains(name), "{}: `{name}` is not in the README", folder.display());
        }
        let described = params.matches("\n    description: ").count();
        assert_eq!(described, count, "{}: a parameter has no description", folder.display());
    }
}

const BASELINE: &str = "\
- cdp-cluster-baseline:
    services: [SERVICES]
    impala_memory: 64 GiB
    regionserver_heap: 20 GiB
    unmanaged: report
";

/// Applies the baseline to managers with this seed, until nothing is left to do.
fn baseline(seed: &std::path::Path, services: &str) {
    let project = Project::new();
    let manager = format!("{{ manager: {{ sandbox: {{ seed: {} }} }} }}", seed.display());
    let pair = format!("pair: p\nsides:\n  a: {manager}\n  b: {{}}\npolicy: {{ restart: none }}\n");
    project
        .file("inv/pair.yaml", pair)
        .file("inv/hosts.yaml", "all: { children: { a: {}, b: {} } }\n")
        .file("inv/resources/all.yaml", BASELINE.replace("SERVICES", services));
    let plan = project.drsync(&["plan", "-i", "inv"]).expect(0);
    assert!(plan.out.contains("cm.config[zookeeper/SERVER]"), "{}", plan.out);
    project.drsync(&["apply", "-i", "inv", "--yes"]).expect(0);
    project.drsync(&["plan", "-i", "inv", "--detailed-exitcode"]).expect(0);
}

#[test]
fn the_baseline_fits_clusters_as_they_are() {
    let demo = support::repository().join("inventories/demo/sandbox/dr.json");
    baseline(&demo, "zookeeper, hdfs, yarn, hive, hive_on_tez, hue, kafka, ranger");
    let recordings = support::repository().join("../shared/cm-recordings");
    let cluster = recordings.join("single-node-cdp-cluster/719base2.json");
    match cluster.exists() {
        true => baseline(&cluster, "zookeeper, hdfs, yarn, hive, impala, hbase, kafka, hue"),
        false => eprintln!("skipped: there are no recordings of real managers"),
    }
}
