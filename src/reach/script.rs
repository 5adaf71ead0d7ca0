//! One script per host, and the framed reply it prints.
//!
//! The script holds every distinct probe once and one call per question. It defines everything
//! inside one function and calls that on its last line, so that a script cut short on its way does
//! nothing at all. The reply is a sequence of records
//!
//! ```text
//! MARK QUESTION NAME STATUS LENGTH\n
//! LENGTH bytes\n
//! ```
//!
//! between `MARK begin` and `MARK end`; a question's records count only once its own `MARK QUESTION
//! done` has arrived. Many bodies may follow each other in one go, printed by one process:
//!
//! ```text
//! MARK QUESTION NAME part LENGTH\n      (for each of them)
//! MARK * packed - TOTAL\n
//! TOTAL bytes\n
//! ```
//!
//! MARK is new for every script, so nothing a host prints by itself (banners, profiles, file
//! contents) is taken for a record.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::question::{Action, Argument, Calls, Field, Question, Reply, Script};
use crate::model::quote::quote;
use crate::model::{Live, Value};

/// Where a script runs.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Folder that stands for `/`; empty for `/` itself.
    pub root: String,
    /// The mark of this script's records.
    pub mark: String,
}

const PRELUDE: &str = r#"
LC_ALL=C LANG=C
export LC_ALL LANG
umask 022
rec() { printf '%s %s %s %s %s\n%s\n' "$mark" "$n" "$1" "$2" "${#3}" "$3"; }
put() { rec "$1" known "$2"; }
absent() { rec "$1" absent ''; }
unknown() { rec "$1" unknown "$2"; }
part() { printf '%s %s %s part %s\n' "$mark" "$n" "$1" "$2"; }
packed() { printf '%s * packed - %s\n' "$mark" "$1"; }
finish() { printf '%s %s done\n' "$mark" "$n"; }
held=
hold() { held=$held$1$nl; [ ${#held} -lt 4096 ] || spill; }
keep() { hold "$mark $n $1 $2 ${#3}$nl$3"; }
spill() { printf '%s' "$held"; held=; }
nl='
'
"#;

/// Returns the script that asks `questions`.
pub fn reading(questions: &[Question], setting: &Setting) -> String {
    wrap(setting, |body| probes(body, questions), scripts_of(questions))
}

/// Returns the script that runs `actions`, stopping at the first failure, and then asks `questions`.
pub fn writing(actions: &[Action], questions: &[Question], setting: &Setting) -> String {
    let mut scripts = scripts_of(questions);
    for action in actions {
        if let Action::Host(script, _) = action
            && !scripts.contains(script)
        {
            scripts.push(script);
        }
    }
    let calls = |body: &mut String| {
        body.push_str("failed=\n");
        for (i, action) in actions.iter().enumerate() {
            if let Action::Host(script, arguments) = action {
                body.push_str(&format!(
                    "if [ -z \"$failed\" ]; then n=a{i}\n out=$({}{} 2>&1)\n rc=$?\n \
                     if [ $rc = 0 ]; then put ok ''; else failed=1; put failed \"${{out:-exit status $rc}}\"; fi\n \
                     printf '%s %s done\\n' \"$mark\" \"$n\"\nfi\n",
                    script.name,
                    words(arguments)
                ));
            }
        }
        probes(body, questions);
    };
    wrap(setting, calls, scripts)
}

fn scripts_of(questions: &[Question]) -> Vec<&'static Script> {
    let mut seen = HashSet::new();
    let scripts = questions.iter().filter_map(|question| match question {
        Question::Probe(script, _) => Some(*script),
        Question::Config(_) | Question::Entity(_) => None,
    });
    scripts.filter(|script| seen.insert(script.name)).collect()
}

fn wrap(
    setting: &Setting,
    calls: impl FnOnce(&mut String),
    scripts: Vec<&'static Script>,
) -> String {
    let mut text = String::from("drsync_main() {\n");
    text.push_str("PATH=${DRSYNC_COMMANDS:+$DRSYNC_COMMANDS:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport PATH\n");
    text.push_str(&format!("root={}\nmark={}\n", quote(&setting.root), quote(&setting.mark)));
    text.push_str(PRELUDE);
    scripts.iter().for_each(|script| text.push_str(script.source));
    text.push_str("printf '\\n%s begin\\n' \"$mark\"\n");
    text.push_str(
        "n=host\nif [ -r \"$root/etc/machine-id\" ] && IFS= read -r id < \"$root/etc/machine-id\"; \
         then put machine_id \"$id\"; fi\nprintf '%s host done\\n' \"$mark\"\n",
    );
    calls(&mut text);
    text.push_str("printf '%s end\\n' \"$mark\"\n}\ndrsync_main </dev/null\n");
    text
}

fn probes(text: &mut String, questions: &[Question]) {
    let mut called = HashSet::new();
    for (i, question) in questions.iter().enumerate() {
        let Question::Probe(script, arguments) = question else { continue };
        match script.calls {
            Calls::Each => text.push_str(&format!(
                "n={i}; {}{} 2>/dev/null; finish\n",
                script.name,
                words(arguments)
            )),
            Calls::Together if called.insert(script.name) => {
                text.push_str(script.name);
                sets(text, script, &questions[i..], i);
                text.push_str(" 2>/dev/null\n");
            }
            Calls::Together => {}
        }
    }
}

/// Writes the parameters of every question that `script` answers, each set after its number.
fn sets(text: &mut String, script: &Script, questions: &[Question], first: usize) {
    for (i, question) in questions.iter().enumerate() {
        match question {
            Question::Probe(other, arguments) if *other == script => {
                text.push_str(&format!(" {}{}", first + i, words(arguments)));
            }
            _ => {}
        }
    }
}

/// Returns the arguments as quoted words, a blank before each.
fn words(arguments: &[Argument]) -> String {
    arguments.iter().map(|argument| format!(" {}", quote(argument.reveal()))).collect()
}

/// Returns why `arguments` of any question cannot be sent: a shell has no NUL.
pub fn unsendable<'a>(arguments: impl Iterator<Item = &'a Argument>) -> Option<String> {
    let mut arguments = arguments;
    arguments
        .any(|argument| argument.reveal().contains('\0'))
        .then(|| "a value holds a NUL character, which no shell can pass on".to_string())
}

/// What a script printed, taken apart.
#[derive(Debug, Default)]
pub struct Answer {
    /// One reply per question.
    pub replies: Vec<Reply>,
    /// Outcomes of the actions, as far as they were reached.
    pub actions: Vec<Result<(), String>>,
    /// `/etc/machine-id`.
    pub machine_id: Option<String>,
    /// True when the reply arrived whole.
    pub is_whole: bool,
    /// True when not even its beginning arrived.
    pub is_empty: bool,
}

/// Takes apart what a script with `questions` printed. `why` explains what is missing.
pub fn parse(output: &[u8], mark: &str, questions: usize, why: &str) -> Answer {
    let mut answer = Answer { is_empty: true, ..Answer::default() };
    let missing: Arc<str> = Arc::from(why);
    answer.replies = vec![Reply::Unknown(missing); questions];
    let Some(mut rest) = after_begin(output, mark) else { return answer };
    answer.is_empty = false;
    let mut open: HashMap<&str, Vec<Field>> = HashMap::new();
    let mut parts: Vec<Part<'_>> = Vec::new();
    while let Some(line) = take_line(&mut rest) {
        let Some(words) = record(line, mark) else { continue };
        match words[..] {
            ["end"] => {
                answer.is_whole = true;
                break;
            }
            [question, "done"] => {
                finish(&mut answer, question, open.remove(question).unwrap_or_default());
            }
            [question, name, "part", length] => parts.push(Part { question, name, length }),
            ["*", "packed", _, total] => {
                let packed = unpack(&mut rest, mark, std::mem::take(&mut parts), total);
                packed.for_each(|(question, field)| open.entry(question).or_default().push(field));
            }
            [question, name, status, length] => match body(&mut rest, length) {
                Some(bytes) => open.entry(question).or_default().push(field(name, status, bytes)),
                None => break,
            },
            _ => {}
        }
    }
    answer
}

/// One of several bodies that follow each other.
struct Part<'a> {
    question: &'a str,
    name: &'a str,
    length: &'a str,
}

/// Takes apart bodies printed in one go. Where their lengths do not add up, one of them changed
/// while it was read: all are unknown, and reading goes on at the next record.
fn unpack<'a>(
    rest: &mut &'a [u8],
    mark: &str,
    parts: Vec<Part<'a>>,
    total: &str,
) -> impl Iterator<Item = (&'a str, Field)> {
    let next = format!("\n{mark} ");
    let follows = |end: usize| rest.get(end..).is_some_and(|r| r.starts_with(next.as_bytes()));
    let end = total.parse().ok().filter(|end| follows(*end));
    let mut bytes = end.map(|end| &rest[..end]);
    let resume = end.or_else(|| find(rest, next.as_bytes())).map_or(rest.len(), |end| end + 1);
    *rest = &rest[resume.min(rest.len())..];
    parts.into_iter().map(move |part| {
        let length = part.length.parse().unwrap_or(usize::MAX);
        let body = bytes.and_then(|all| all.split_at_checked(length));
        bytes = body.map(|(_, others)| others);
        let field = match body {
            Some((body, _)) => field(part.name, "known", body),
            None => field(part.name, "unknown", b"it changed while it was read"),
        };
        (part.question, field)
    })
}

fn after_begin<'a>(output: &'a [u8], mark: &str) -> Option<&'a [u8]> {
    let begin = format!("\n{mark} begin\n");
    // The script prints a line end first, but a transport may swallow a leading one.
    let start = find(output, begin.as_bytes()).map(|i| i + begin.len());
    start
        .or_else(|| output.starts_with(&begin.as_bytes()[1..]).then_some(begin.len() - 1))
        .map(|start| &output[start..])
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Takes a line that is complete, without its end.
fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|b| *b == b'\n')?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    Some(line)
}

fn record<'a>(line: &'a [u8], mark: &str) -> Option<Vec<&'a str>> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix(mark)?.strip_prefix(' ')?;
    Some(line.split(' ').collect())
}

fn body<'a>(rest: &mut &'a [u8], length: &str) -> Option<&'a [u8]> {
    let length: usize = length.parse().ok()?;
    if rest.get(length) != Some(&b'\n') {
        return None;
    }
    let bytes = &rest[..length];
    *rest = &rest[length + 1..];
    Some(bytes)
}

fn field(name: &str, status: &str, bytes: &[u8]) -> Field {
    let live = match (status, std::str::from_utf8(bytes)) {
        ("known", Ok(text)) => Live::Known(Value::text(text)),
        ("known", Err(_)) => Live::Unknown("what was read is not UTF-8 text".into()),
        ("absent", _) => Live::Absent,
        ("unknown", _) => Live::Unknown(String::from_utf8_lossy(bytes).trim().to_string()),
        (other, _) => Live::Unknown(format!("the reply has the unknown status `{other}`")),
    };
    Field { name: name.to_string().into(), live }
}

fn finish(answer: &mut Answer, question: &str, fields: Vec<Field>) {
    let text = |name: &str| {
        fields.iter().find(|field| field.name == name).and_then(|field| match &field.live {
            Live::Known(Value::Text(text)) => Some(text.to_string()),
            _ => None,
        })
    };
    if question == "host" {
        answer.machine_id = text("machine_id").filter(|id| !id.is_empty());
    } else if question.starts_with('a') {
        answer.actions.push(text("failed").map_or(Ok(()), Err));
    } else if let Some(reply) = question.parse().ok().and_then(|i: usize| answer.replies.get_mut(i))
    {
        *reply = Reply::Fields(Arc::new(fields));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    static ECHO: Script =
        Script::each("drsync_echo", "drsync_echo() { put first \"$1\"; put second \"$2\"; }\n");

    fn run(shell: &str, script: &str) -> Vec<u8> {
        let mut child = Command::new(shell)
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A shell that stops early closes the pipe; what it printed is still to be read.
        let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
        child.wait_with_output().unwrap().stdout
    }

    fn questions() -> Vec<Question> {
        let values = [("a'b$(id)\n\\", "ü -n"), ("", "x\n")];
        let ask = |(a, b): &(&str, &str)| {
            Question::Probe(&ECHO, vec![Argument::plain(a), Argument::plain(b)])
        };
        values.iter().map(ask).collect()
    }

    #[test]
    fn values_pass_through_every_shell_unharmed() {
        let setting = Setting { root: String::new(), mark: "@m1".into() };
        let script = reading(&questions(), &setting);
        for shell in ["sh", "dash", "bash"] {
            if Command::new(shell).arg("-c").arg(":").status().is_err() {
                println!("skipped: there is no {shell}");
                continue;
            }
            let answer = parse(&run(shell, &script), "@m1", 2, "cut");
            assert!(answer.is_whole, "{shell}");
            assert_eq!(answer.replies[0].text("first").unwrap().as_deref(), Some("a'b$(id)\n\\"));
            assert_eq!(answer.replies[0].text("second").unwrap().as_deref(), Some("ü -n"));
            assert_eq!(answer.replies[1].text("second").unwrap().as_deref(), Some("x\n"));
        }
    }

    #[test]
    fn a_reply_cut_at_any_byte_is_whole_or_unknown() {
        let setting = Setting { root: String::new(), mark: "@m2".into() };
        let mut output = b"Welcome!\n@m2 fake begin\n".to_vec();
        output.extend(run("sh", &reading(&questions(), &setting)));
        let whole = parse(&output, "@m2", 2, "cut");
        for end in 0..output.len() {
            let cut = parse(&output[..end], "@m2", 2, "cut");
            for (reply, expected) in cut.replies.iter().zip(&whole.replies) {
                match reply {
                    Reply::Unknown(reason) => assert_eq!(&**reason, "cut"),
                    reply => assert_eq!(reply.text("second"), expected.text("second")),
                }
            }
        }
    }

    #[test]
    fn a_script_cut_at_any_byte_writes_nothing() {
        static TOUCH: Script = Script::each("drsync_touch", "drsync_touch() { : > \"$1\"; }\n");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made").display().to_string();
        let setting = Setting { root: String::new(), mark: "@m3".into() };
        let actions = [Action::Host(&TOUCH, vec![Argument::plain(&file)])];
        let script = writing(&actions, &[], &setting);
        for end in (0..script.len() - 15).step_by(7) {
            if let Some(part) = script.get(..end) {
                run("sh", part);
                assert!(!std::path::Path::new(&file).exists(), "cut at {end}");
            }
        }
        run("sh", &script);
        assert!(std::path::Path::new(&file).exists());
    }
}
