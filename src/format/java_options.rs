//! The options of a Java program in a shell file: `export CMF_JAVA_OPTS="-Xmx4G -Dname=value"`.
//!
//! Every byte that is not asked for stays: other options, other variables, comments, quotes.

use std::ops::Range;

/// A variable's assignments in a shell file, as far as this program understands them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    text: &'a str,
    /// Those that count, in order.
    assignments: Vec<Assignment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Assignment {
    /// Where the value is, without its quotes.
    value: Range<usize>,
    is_quoted: bool,
    /// It adds to the value before it.
    appends: bool,
}

impl<'a> Options<'a> {
    /// Reads the assignments to `variable`; those that a later one overrides do not count.
    ///
    /// Errors: the line of an assignment that is no plain text.
    pub fn parse(text: &'a str, variable: &str) -> Result<Options<'a>, String> {
        let mut assignments = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let end = text[at..].find('\n').map_or(text.len(), |n| at + n + 1);
            let number = text[..at].matches('\n').count() + 1;
            let odd = || format!("line {number} sets {variable} in a way drsync does not read");
            let Some(start) = value_start(&text[at..end], variable) else {
                let line = text[at..end].split('#').next().unwrap_or_default();
                if line.contains(&format!("{variable}=")) || line.contains(&format!("{variable}+="))
                {
                    return Err(odd());
                }
                at = end;
                continue;
            };
            let found = assignment(text, at + start, variable).ok_or_else(odd)?;
            at = text[found.value.end..].find('\n').map_or(text.len(), |n| found.value.end + n + 1);
            if !found.appends {
                assignments.clear();
            }
            assignments.push(found);
        }
        Ok(Options { text, assignments })
    }

    /// Returns the value of the system property `name` (`-Dname=value`); the last one counts.
    pub fn property(&self, name: &str) -> Option<&'a str> {
        self.find(name).map(|range| &self.text[range])
    }

    /// Returns the text with the system property `name` set to `value`, which holds neither blanks
    /// nor quotes.
    pub fn with(&self, variable: &str, name: &str, value: &str) -> String {
        let token = format!("-D{name}={value}");
        if let Some(range) = self.find(name) {
            return self.replaced(range, value);
        }
        let Some(last) = self.assignments.last() else {
            let mut text = self.text.to_string();
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            return text + &format!("export {variable}=\"{token}\"\n");
        };
        let old = &self.text[last.value.clone()];
        let gap = if old.is_empty() || old.ends_with([' ', '\t']) { "" } else { " " };
        match last.is_quoted {
            true => self.replaced(last.value.end..last.value.end, &format!("{gap}{token}")),
            false => self.replaced(last.value.clone(), &format!("\"{old}{gap}{token}\"")),
        }
    }

    /// Returns the text without the system property `name`.
    pub fn without(&self, name: &str) -> String {
        let Some(value) = self.find(name) else { return self.text.to_string() };
        let start = value.start - name.len() - "-D=".len();
        let blanks = self.text[..start].len() - self.text[..start].trim_end_matches(' ').len();
        let is_first = self.assignments.iter().any(|a| a.value.start == start - blanks);
        let rest = &self.text[value.end..];
        let after = if is_first { rest.len() - rest.trim_start_matches(' ').len() } else { 0 };
        self.replaced(start - blanks..value.end + after, "")
    }

    fn find(&self, name: &str) -> Option<Range<usize>> {
        let prefix = format!("-D{name}=");
        let mut found = None;
        for assignment in &self.assignments {
            let value = &self.text[assignment.value.clone()];
            for token in value.split_ascii_whitespace() {
                if token.starts_with(&prefix) {
                    let start = token.as_ptr() as usize - self.text.as_ptr() as usize;
                    found = Some(start + prefix.len()..start + token.len());
                }
            }
        }
        found
    }

    fn replaced(&self, range: Range<usize>, by: &str) -> String {
        format!("{}{by}{}", &self.text[..range.start], &self.text[range.end..])
    }
}

/// Returns where the value begins in a line that assigns to `variable`.
fn value_start(line: &str, variable: &str) -> Option<usize> {
    let bare = line.trim_start();
    let words = bare.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let assigned = words.unwrap_or(bare).trim_start().strip_prefix(variable)?;
    let value = assigned.strip_prefix("+=").or_else(|| assigned.strip_prefix('='))?;
    Some(line.len() - value.len())
}

/// Reads the value that begins at `at`; `None` when it is no plain text.
fn assignment(text: &str, at: usize, variable: &str) -> Option<Assignment> {
    let is_added = text[..at].ends_with("+=");
    let rest = &text[at..];
    let (value, is_quoted, after) = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let length = rest[1..].find(quote)?;
            (at + 1..at + 1 + length, true, &rest[length + 2..])
        }
        _ => {
            let length = rest.find([' ', '\t', '\n', ';', '#']).unwrap_or(rest.len());
            (at..at + length, false, &rest[length..])
        }
    };
    let inside = &text[value.clone()];
    let references = inside.matches('$').count();
    let own = [format!("${{{variable}}}"), format!("${variable}")];
    let appends = is_added || own.iter().any(|name| inside.contains(name.as_str()));
    let is_plain = !inside.contains(['\\', '`', '\n']) && (references == 0 || appends);
    let tail = after.split('\n').next().unwrap_or_default().trim();
    let ends = tail.is_empty() || tail.starts_with('#') || tail == ";";
    (is_plain && ends).then_some(Assignment { value, is_quoted, appends })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Java options.\n#export CMF_JAVA_OPTS=\"-Dh=x\"\nCMF_OPTS=\"\"\n\
        export CMF_JAVA_OPTS=\"-Xmx4G  -Dcom.cloudera.cmf.haMode=true -XX:+Heap\"  # ours\nA=1\n";

    fn set(text: &str, name: &str, value: &str) -> String {
        Options::parse(text, "CMF_JAVA_OPTS").unwrap().with("CMF_JAVA_OPTS", name, value)
    }

    #[test]
    fn only_the_one_token_changes() {
        let name = "com.cloudera.cmf.haMode";
        let options = Options::parse(FILE, "CMF_JAVA_OPTS").unwrap();
        assert_eq!(options.property(name), Some("true"));
        assert_eq!(options.property("h"), None);
        let off = set(FILE, name, "false");
        assert_eq!(off, FILE.replace("=true", "=false"));
        assert_eq!(set(&off, name, "true"), FILE);
        assert_eq!(
            options.without(name),
            FILE.replace(" -Dcom.cloudera.cmf.haMode=true", "").replace("  -XX", " -XX")
        );
    }

    #[test]
    fn a_token_that_is_not_there_is_added_where_it_counts() {
        assert_eq!(set("", "a", "1"), "export CMF_JAVA_OPTS=\"-Da=1\"\n");
        assert_eq!(set("CMF_JAVA_OPTS=-Xmx1G\n", "a", "1"), "CMF_JAVA_OPTS=\"-Xmx1G -Da=1\"\n");
        assert_eq!(set("CMF_JAVA_OPTS=''", "a", "1"), "CMF_JAVA_OPTS='-Da=1'");
        let two = "CMF_JAVA_OPTS=\"-Da=1\"\nexport CMF_JAVA_OPTS=\"$CMF_JAVA_OPTS -Db=2\"\n";
        let options = Options::parse(two, "CMF_JAVA_OPTS").unwrap();
        assert_eq!((options.property("a"), options.property("b")), (Some("1"), Some("2")));
        assert_eq!(set(two, "a", "3"), two.replace("a=1", "a=3"));
        // The last assignment replaces those before it.
        let over = "CMF_JAVA_OPTS=\"-Da=1\"\nCMF_JAVA_OPTS=\"-Db=2\"\n";
        let options = Options::parse(over, "CMF_JAVA_OPTS").unwrap();
        assert_eq!((options.property("a"), options.property("b")), (None, Some("2")));
        // Of two alike the last counts.
        assert_eq!(
            set("CMF_JAVA_OPTS=\"-Da=1 -Da=2\"\n", "a", "3"),
            "CMF_JAVA_OPTS=\"-Da=1 -Da=3\"\n"
        );
    }

    #[test]
    fn what_is_no_plain_text_is_refused_with_its_line() {
        for odd in [
            "\nCMF_JAVA_OPTS=\"-Da=`x`\"\n",
            "\nCMF_JAVA_OPTS=\"-Da=1\n",
            "\nCMF_JAVA_OPTS=$OTHER\n",
            "\nexport A=1 CMF_JAVA_OPTS=-Da=1\n",
            "\nA=1; CMF_JAVA_OPTS=-Da=1\n",
        ] {
            let said = Options::parse(odd, "CMF_JAVA_OPTS").unwrap_err();
            assert!(said.starts_with("line 2 sets CMF_JAVA_OPTS"), "{said}");
        }
    }

    #[test]
    fn the_first_and_the_only_token_go_without_a_trace() {
        let without = |text: &str| Options::parse(text, "V").unwrap().without("a");
        assert_eq!(without("V=\"-Da=1 -Db=2\"\n"), "V=\"-Db=2\"\n");
        assert_eq!(without("V=\"-Db=2 -Da=1\"\n"), "V=\"-Db=2\"\n");
        assert_eq!(without("V=\"-Da=1\"\n"), "V=\"\"\n");
    }
}
