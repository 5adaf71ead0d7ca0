//! `ansible_ssh_common_args`: ssh's command-line options, turned into ssh_config lines.

use crate::model::connection::SshOptions;

/// Adds the options in `args` to `options`.
///
/// Errors: text for the user when an option is not understood; guessing about a connection would
/// be worse than refusing.
pub fn read(args: &str, options: &mut SshOptions) -> Result<(), String> {
    let mut words = split(args)?.into_iter();
    while let Some(word) = words.next() {
        let (flag, attached) = word.split_at(word.len().min(2));
        let mut value = || match attached.is_empty() {
            false => Ok(attached.to_string()),
            true => words.next().ok_or_else(|| format!("`{flag}` needs a value in `{args}`")),
        };
        match flag {
            "-o" => add_line(&value()?, options),
            "-J" => add_line(&format!("ProxyJump={}", value()?), options),
            "-i" => add_line(&format!("IdentityFile={}", value()?), options),
            "-p" => add_line(&format!("Port={}", value()?), options),
            "-l" => add_line(&format!("User={}", value()?), options),
            "-F" => options.lines.push(format!("Include {}", value()?)),
            "-C" => options.lines.push("Compression yes".into()),
            "-4" => options.lines.push("AddressFamily inet".into()),
            "-6" => options.lines.push("AddressFamily inet6".into()),
            "-A" => return Err("agent forwarding (`-A`) is not used: drsync needs none".into()),
            "-q" | "-v" | "-T" | "-x" => {}
            _ => return Err(format!("the ssh option `{word}` is not understood")),
        }
    }
    Ok(())
}

fn add_line(option: &str, options: &mut SshOptions) {
    let (name, value) = option.split_once(['=', ' ']).unwrap_or((option, ""));
    if name.eq_ignore_ascii_case("ProxyJump") && !value.eq_ignore_ascii_case("none") {
        options.jump = value.split(',').next().map(String::from);
    }
    // ControlMaster and its like are the connection's own business.
    if !name.to_lowercase().starts_with("control") {
        options.lines.push(format!("{name} {value}"));
    }
}

/// Splits into words as a shell would, without expanding anything.
fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut open) = (Vec::new(), String::new(), None::<char>);
    let (mut started, mut chars) = (false, text.chars());
    while let Some(c) = chars.next() {
        match (open, c) {
            (Some(quote), c) if c == quote => open = None,
            (None, '\'' | '"') => {
                (open, started) = (Some(c), true);
            }
            (None | Some('"'), '\\') => word.extend(chars.next()),
            (None, c) if c.is_whitespace() => {
                if started || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            (_, c) => word.push(c),
        }
    }
    if open.is_some() {
        return Err(format!("a quote is not closed in `{text}`"));
    }
    if started || !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_options_become_config_lines() {
        let mut options = SshOptions::default();
        read("-o ProxyJump=bastion -o 'UserKnownHostsFile /tmp/k' -oPort=22 -C", &mut options)
            .unwrap();
        assert_eq!(
            options.lines,
            ["ProxyJump bastion", "UserKnownHostsFile /tmp/k", "Port 22", "Compression yes"]
        );
        assert_eq!(options.jump.as_deref(), Some("bastion"));
        assert!(read("--what", &mut options).is_err());
        assert!(read("-o 'x", &mut options).is_err());
    }
}
