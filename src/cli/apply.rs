//! `drsync apply`

use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::arguments::{ApplyOptions, Part};
use super::exit::{Code, Fault};
use super::load::{self, Loaded};
use super::world::{self, Built};
use super::{outside, plan};
use crate::engine::apply::{Job, apply};
use crate::engine::gate;
use crate::engine::journal::Journal;
use crate::engine::lock::{Lock, Refusal};
use crate::engine::saved::Saved;
use crate::model::digest::sha256;
use crate::model::plan::Plan;
use crate::model::report::{Outcome, Report};
use crate::model::{Address, Delta, Diagnostic};
use crate::reach::Logins;
use crate::view::{self, plan::Purpose};

/// Plans, shows, asks, and applies; or applies a saved plan if nothing moved since.
pub fn run(options: &ApplyOptions) -> Result<Code, Fault> {
    let part = &options.part;
    let saved = options.file.as_deref().map(Saved::read).transpose();
    let saved = saved.map_err(|said| Fault::new(Code::Usage, Diagnostic::error(said)))?;
    let loaded = match &saved {
        None => load::prepared(part, "apply")?,
        Some(saved) => {
            only_the_file(part)?;
            load::chosen(part, saved.choice.clone(), "apply")?
        }
    };
    world::block_on(go(options, loaded, saved))?
}

/// A saved plan knows what it is about; selecting again would only confuse.
fn only_the_file(part: &Part) -> Result<(), Fault> {
    let selects = part.playbook.is_some()
        || !part.sides.is_empty()
        || part.limit.is_some()
        || !part.tags.is_empty()
        || !part.skip_tags.is_empty()
        || !part.kinds.is_empty();
    match selects {
        true => Err(Fault::usage(vec![
            "a saved plan says itself what it is about: leave out --playbook, --side, --limit, \
             --tags, --skip-tags and --kind"
                .into(),
        ])),
        false => Ok(()),
    }
}

async fn go(options: &ApplyOptions, loaded: Loaded, saved: Option<Saved>) -> Result<Code, Fault> {
    let part = &options.part;
    let lock = take_lock(&loaded)?;
    let (built, found) = plan::made(&loaded, part, saved.is_some(), "apply", Logins::Kept).await?;
    if let Some(saved) = &saved
        && let Err(stale) = saved.check(&found)
    {
        built.close().await;
        let said = stale.0.join("; ");
        return Err(Fault::new(
            Code::Stale,
            Diagnostic::error("the plan does not fit any more; nothing was changed")
                .because(said)
                .hint("plan again and look at it: drsync plan -o FILE".to_string()),
        ));
    }
    if !part.json {
        plan::show(&found, part, "apply", Purpose::Plan);
    }
    let allowed = allowed(options, &loaded, &found).await;
    match allowed {
        Ok(()) => {}
        Err(fault) => {
            built.close().await;
            return Err(fault);
        }
    }
    let code = carry_out(options, loaded, built, found).await;
    drop(lock);
    code
}

fn take_lock(loaded: &Loaded) -> Result<Lock, Fault> {
    let folder = loaded.inventory.state_folder();
    std::fs::create_dir_all(&folder).map_err(|error| {
        let said = format!("cannot create `{}`", folder.display());
        Fault::new(Code::Failed, Diagnostic::error(said).because(error.to_string()))
    })?;
    Lock::take(&folder.join("lock"), &outside::holder()).map_err(|refusal| match refusal {
        Refusal::Held(who) => Fault::new(
            Code::Locked,
            Diagnostic::error("another apply of this pair is under way")
                .because(format!("The lock is held by {who}.")),
        ),
        Refusal::Failed(said) => Fault::new(Code::Failed, Diagnostic::error(said)),
    })
}

/// Checks limits, windows and protection, and asks.
async fn allowed(options: &ApplyOptions, loaded: &Loaded, found: &Plan) -> Result<(), Fault> {
    if found.is_empty() {
        return Ok(());
    }
    let mut reasons = gate::refusals(&loaded.inventory, found, jiff::Timestamp::now());
    if options.ignore_windows {
        reasons.retain(|reason| !reason.contains("change window"));
    }
    if !reasons.is_empty() {
        let mut diagnostic = Diagnostic::error("this plan must not be applied now");
        diagnostic = diagnostic.because(reasons.join("; "));
        return Err(Fault::new(Code::Refused, diagnostic).with_json(options.part.json, "apply"));
    }
    // Whoever hands over a saved plan has seen it.
    if options.yes || options.file.is_some() {
        return Ok(());
    }
    ask().await
}

async fn ask() -> Result<(), Fault> {
    let refused = |said: &str| {
        let hint = "answer `yes`, or use --yes";
        Fault::new(Code::Refused, Diagnostic::error(said).hint(hint.to_string()))
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused("nobody is there to approve the plan"));
    }
    view::talk("Apply this? Only `yes` will be accepted: ");
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own: nothing ends a read of the terminal, so nobody may wait for it.
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        let _ = tell.send(read.is_ok() && answer.trim() == "yes");
    });
    tokio::select! {
        answer = told => match answer {
            Ok(true) => Ok(()),
            _ => Err(refused("not approved; nothing was changed")),
        },
        () = world::interrupted() => {
            let said = "interrupted; nothing was changed";
            Err(Fault::new(Code::Interrupted, Diagnostic::error(said)))
        }
    }
}

async fn carry_out(
    options: &ApplyOptions,
    loaded: Loaded,
    built: Built,
    found: Plan,
) -> Result<Code, Fault> {
    let part = &options.part;
    let run = run_id(&found);
    let failed = |said: String| Fault::new(Code::Failed, Diagnostic::error(said));
    let tally = found.tally();
    if found.is_empty() {
        if part.json {
            let report = Report { run, ends: not_tried(&found), ..Report::default() };
            view::page(&view::json::report(&report, &found));
        }
        built.close().await;
        return Ok(plan::code(&found, part, false));
    }
    let path = journal_path(&loaded, &run);
    let journal = Journal::start(&path, &run, &found.digest).map_err(failed)?;
    let ticket = options.ticket.as_ref().map(|ticket| format!(" {ticket}")).unwrap_or_default();
    let quiet = part.json;
    let stop = Arc::new(AtomicBool::new(false));
    let listener = tokio::spawn(listen(stop.clone()));
    let job = Arc::new(Job {
        inventory: Arc::new(loaded.inventory),
        prepared: loaded.prepared,
        plan: found,
        world: built.world.clone(),
        journal,
        state: built.state.clone(),
        message: format!("drsync {run}{ticket}"),
        run,
        parallel: usize::from(part.parallel),
        allow_incomplete: part.allow_incomplete,
        stop,
        tell: Box::new(move |event| {
            if let Some(line) = view::run::event(&event).filter(|_| !quiet) {
                view::talk(&line);
            }
        }),
    });
    let report = apply(job.clone()).await;
    listener.abort();
    if part.json {
        view::page(&view::json::report(&report, &job.plan));
    } else {
        view::out(&view::run::recap(&report));
    }
    drop(job);
    let kept = built.state.keep_ledger(&built.world.ledger(built.ledger.clone()));
    built.close().await;
    kept.map_err(failed)?;
    Ok(code(&report, tally.unknown, part))
}

/// Tells of the instances for which nothing could even be tried.
fn not_tried(found: &Plan) -> Vec<(Address, Outcome, f64)> {
    let told = found.instances.iter().filter(|i| !i.verdict.is_settled());
    let reason = |delta: &Delta| {
        let unknown = delta.attributes.iter().find_map(|a| a.unknown().map(String::from));
        delta.refused.clone().or(unknown)
    };
    told.map(|instance| {
        let reason = instance.delta.as_deref().and_then(reason).unwrap_or_default();
        (instance.address.clone(), Outcome::Failed(reason), 0.0)
    })
    .collect()
}

fn code(report: &Report, unknown: usize, part: &Part) -> Code {
    let bad = report.count("failed") + report.count("skipped");
    let unread = if part.allow_incomplete { unknown.min(bad) } else { 0 };
    let mut codes = Vec::new();
    if report.was_stopped {
        codes.push(Code::Interrupted);
    }
    if bad > unread {
        codes.push(if report.count("changed") > 0 { Code::Partly } else { Code::Failed });
    }
    if unknown > 0 && !part.allow_incomplete {
        codes.push(Code::Incomplete);
    }
    Code::worst(&codes)
}

/// Returns a run's id: when it began and a piece of what it is about; it sorts and reads well.
fn run_id(found: &Plan) -> String {
    let now = jiff::Timestamp::now();
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let seed = format!("{now}{}{}", found.digest, std::process::id());
    format!("{stamp}-{}", &sha256(seed.as_bytes())[..6])
}

fn journal_path(loaded: &Loaded, run: &str) -> std::path::PathBuf {
    let folder: &Path = &loaded.inventory.state_folder();
    folder.join("runs").join(format!("{run}.jsonl"))
}

/// The first Ctrl-C (or SIGTERM) lets running steps end; the second ends the program.
async fn listen(stop: Arc<AtomicBool>) {
    let mut term = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(term) => term,
        Err(_) => return,
    };
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
        if stop.swap(true, Ordering::Relaxed) {
            view::talk("Stopped at once; steps under way have an unknown outcome.\n");
            #[expect(clippy::exit, reason = "the user asked twice to end at once")]
            std::process::exit(Code::Interrupted as i32);
        }
        view::talk("Stopping: steps under way end first. Once more to stop at once.\n");
    }
}
