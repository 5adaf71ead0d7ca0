//! The ssh configuration of one connection: the inventory's options, then the user's own files.

use std::path::Path;

use crate::model::connection::SshOptions;

/// Returns the text of a configuration file. ssh takes the first value it finds of each option.
pub fn text(options: &SshOptions, home: Option<&Path>) -> String {
    // The inventory's options are those of a command line: they are not meant for jump hosts,
    // whose ssh reads this file too.
    let mut lines = vec!["LogLevel ERROR".to_string(), format!("Host \"{}\"", options.host)];
    lines.extend(options.lines.iter().cloned());
    lines.push("Host *".to_string());
    if let Some(home) = home {
        lines.push(format!("Include \"{}\"", home.join(".ssh/config").display()));
    }
    // Naming a configuration file makes ssh skip the system's.
    lines.push("Include /etc/ssh/ssh_config".to_string());
    lines.push("Host *".to_string());
    lines.push("ServerAliveInterval 15".to_string());
    lines.push("ServerAliveCountMax 3".to_string());
    lines.join("\n") + "\n"
}

/// Returns the value the inventory gives an option, lower-cased.
pub fn value(options: &SshOptions, name: &str) -> Option<String> {
    options.lines.iter().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inventorys_options_come_first_and_are_not_for_jump_hosts() {
        let lines = vec!["ProxyJump bastion".into(), "StrictHostKeyChecking No".into()];
        let options = SshOptions { host: "dn1".into(), lines, ..SshOptions::default() };
        let text = text(&options, Some(Path::new("/home/me")));
        assert!(
            text.starts_with(
                "LogLevel ERROR\nHost \"dn1\"\nProxyJump bastion\nStrictHostKeyChecking No\n\
                 Host *\nInclude \"/home/me/.ssh/config\"\n"
            ),
            "{text}"
        );
        assert_eq!(value(&options, "stricthostkeychecking").as_deref(), Some("no"));
    }
}
