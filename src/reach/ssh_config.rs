//! The ssh configuration of one connection: the inventory's options, then the user's own files.

use std::path::Path;

use crate::model::connection::SshOptions;

/// Returns the text of a configuration file. ssh takes the first value it finds of each option.
pub fn text(options: &SshOptions, home: Option<&Path>) -> String {
    let mut lines = vec!["Host *".to_string(), "LogLevel ERROR".to_string()];
    lines.extend(options.lines.iter().cloned());
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
