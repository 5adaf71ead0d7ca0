//! How the program starts, and how it does not.

use std::process::Command;

#[test]
fn without_a_database_it_ends_and_says_why() {
    let folder = std::env::temp_dir().join(format!("drsync-server-{}", std::process::id()));
    let (properties, log) = (folder.join("db.properties"), folder.join("log/server.log"));
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drsync-sandbox-server"));
        command.args(["--seed", "none", "--side", "dr", "--name", "cm1"]);
        command.arg("--properties").arg(&properties).arg("--log").arg(&log);
        let ended = command.output().unwrap();
        assert!(!ended.status.success());
        String::from_utf8(ended.stderr).unwrap()
    };
    assert!(run().contains("db.properties: No such file"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&properties, "com.cloudera.cmf.db.type=postgresql\n").unwrap();
    assert!(run().contains("there is no com.cloudera.cmf.db.host"));
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains(" ERROR ") && log.contains("com.cloudera.cmf.db.host"), "{log}");
    std::fs::remove_dir_all(&folder).unwrap();
}
