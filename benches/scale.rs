//! What a large inventory costs: load, expand, compare, order and render, without any I/O; and how
//! long `--help` takes.
//!
//! `cargo bench --bench scale` prints medians of several runs, the ratio of 120,000 to 30,000
//! instances (linear is 4), peak memory, and ends with 1 when a figure is missed:
//! 120,000 instances in less than 2 s and 300 MB, a ratio of at most 5, `--help` in less than 20 ms.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use drsync::engine::plan::{decide, prepare};
use drsync::engine::read::Readings;
use drsync::engine::select::Choice;
use drsync::kinds;
use drsync::lang::inventory::{Inventory, Outside};
use drsync::lang::secrets::SecretSource;
use drsync::model::question::{Field, Question, Reply};
use drsync::model::{Live, Value};
use drsync::view;

/// Resources that every host has.
const RESOURCES: usize = 200;
/// Runs of each measurement.
const RUNS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--measure") {
        return measure(Path::new(&arguments[at + 1]));
    }
    let (small, large) = (compare(30_000), compare(120_000));
    let ratio = large.seconds / small.seconds;
    println!("30,000 instances:  {:.2} s, {:.0} MB", small.seconds, small.megabytes);
    println!("120,000 instances: {:.2} s, {:.0} MB", large.seconds, large.megabytes);
    println!("ratio:             {ratio:.2} (4 is linear)");
    let help = median((0..20).map(|_| help()).collect());
    println!("drsync --help:     {:.1} ms", help.as_secs_f64() * 1000.0);
    let holds = large.seconds < 2.0
        && large.megabytes < 300.0
        && ratio <= 5.0
        && help < Duration::from_millis(20);
    println!("{}", if holds { "all figures hold" } else { "a figure is missed" });
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Cost {
    seconds: f64,
    megabytes: f64,
}

/// Measures `instances` in processes of their own, so that peak memory is theirs alone.
fn compare(instances: usize) -> Cost {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    write_inventory(folder.path(), instances / RESOURCES);
    let runs: Vec<Cost> = (0..RUNS).map(|_| child(folder.path())).collect();
    let mut seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let megabytes = runs.iter().map(|run| run.megabytes).fold(0.0, f64::max);
    Cost { seconds: seconds[RUNS / 2], megabytes }
}

fn child(folder: &Path) -> Cost {
    let program = std::env::current_exe().expect("the program knows where it is");
    let output = Command::new(program).arg("--measure").arg(folder).output();
    let output = output.expect("the program can run itself");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    let mut next = || numbers.next().expect("two numbers are printed");
    Cost { seconds: next(), megabytes: next() }
}

fn help() -> Duration {
    let before = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_drsync")).arg("--help").output();
    let took = before.elapsed();
    assert!(output.expect("drsync runs").status.success());
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Writes a pair of `hosts` hosts, half on each side, each with all resources.
fn write_inventory(folder: &Path, hosts: usize) {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("files are below the folder"))
            .and_then(|()| std::fs::write(path, text))
            .expect("the inventory can be written");
    };
    write("pair.yaml", "pair: large\nsides: { a: {}, b: {} }\n");
    let half = hosts / 2;
    write(
        "hosts.yaml",
        &format!(
            "all:\n  children:\n    a: {{ hosts: {{ 'a[0001:{half:04}]': }}, vars: {{ site: x }} }}\n    \
             b: {{ hosts: {{ 'b[0001:{half:04}]': }}, vars: {{ site: y }} }}\n"
        ),
    );
    let mut text = String::new();
    for i in 0..RESOURCES {
        let resource = match i % 4 {
            0 => format!("os.sysctl: {{ name: net.test.key{i}, value: {i} }}"),
            1 => format!(
                "os.file: {{ path: /etc/t/{i}, content: \"site {{{{ site }}}} {i}\\n\", mode: \"0644\" }}"
            ),
            2 => format!("os.service: {{ name: unit{i}, enabled: true, state: started }}"),
            _ => format!(
                "os.file: {{ path: /etc/h/{i}, content: \"{{{{ inventory_hostname }}}} {i}\\n\" }}"
            ),
        };
        writeln!(text, "- name: resource {i}\n  {resource}").expect("a string can be written");
    }
    write("resources/all.yaml", &text);
}

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn run(&self, _: &[String], _: &Path, _: &str) -> Result<String, String> {
        Err("no programs here".into())
    }
}

/// Loads, expands, compares, orders and renders once; prints seconds and peak megabytes.
fn measure(folder: &Path) -> ExitCode {
    let before = Instant::now();
    let infos = kinds::infos();
    let outside = Outside { kinds: &infos, modules: &[], secrets: Box::new(NoSecrets) };
    let inventory = Inventory::load(folder, outside);
    assert!(inventory.diagnostics.is_empty(), "{:?}", inventory.diagnostics);
    let chosen = Choice::default().check(&inventory).expect("everything is chosen");
    let prepared = prepare(&inventory, &chosen).expect("the inventory is sound");
    // The replies are the outside's part: they are made while the clock stands still.
    let made = Instant::now();
    let readings = answer(&prepared.sheets);
    let making = made.elapsed();
    let plan = decide(&inventory, &prepared, readings, false).expect("the plan can be made");
    let text = view::plan::text(&plan, view::plan::Purpose::Plan);
    let took = before.elapsed() - making;
    assert!(text.contains("to change") && plan.instances.len().is_multiple_of(RESOURCES));
    println!("{:.3} {:.1}", took.as_secs_f64(), peak_megabytes());
    ExitCode::SUCCESS
}

fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

/// Answers every question; one instance in ten differs from its declaration.
fn answer(sheets: &drsync::engine::read::Sheets) -> Readings {
    let mut readings = Readings::default();
    for (target, sheet) in &sheets.targets {
        let replies = sheet.questions.iter().map(|question| {
            let Question::Probe(script, arguments) = question else {
                return Reply::Unknown(Arc::from("no managers here"));
            };
            let first = arguments.first().map_or("", |a| a.reveal());
            let differs = target.host().is_some_and(|h| (h.len() + first.len()).is_multiple_of(10));
            let number: String = first.chars().filter(char::is_ascii_digit).collect();
            let fields = match script.name {
                "drsync_sysctl" => vec![("runtime", if differs { "x".into() } else { number })],
                "drsync_sysctl_files" => vec![("files", files()), ("root", String::new())],
                "drsync_file" => vec![
                    ("stat", "regular file|644|root|root|0|0|9".to_string()),
                    (
                        "digest",
                        if differs { "0".into() } else { arguments[1].reveal().to_string() },
                    ),
                ],
                _ => vec![(
                    "unit",
                    "LoadState=loaded\nActiveState=active\nUnitFileState=enabled".to_string(),
                )],
            };
            let fields = fields.into_iter().map(|(name, text)| Field {
                name: name.into(),
                live: Live::Known(Value::text(text)),
            });
            Reply::Fields(Arc::new(fields.collect()))
        });
        readings.replies.push(replies.collect());
    }
    readings
}

/// What a host's sysctl files say.
fn files() -> String {
    let line = |i: usize| format!("/etc/sysctl.d/90-drsync.conf:net.test.key{i} = {i}\n");
    (0..RESOURCES).step_by(4).map(line).collect()
}
