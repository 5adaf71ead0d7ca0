//! `drsync plan`

use super::arguments::{Part, PlanOptions};
use super::exit::{Code, Fault};
use super::load::{self, Loaded};
use super::world::{self, Built};
use crate::engine::plan;
use crate::engine::saved::Saved;
use crate::engine::two_servers;
use crate::model::Diagnostic;
use crate::model::plan::Plan;
use crate::reach::Logins;
use crate::view::{self, plan::Purpose};

/// Shows what apply would do.
pub fn run(options: &PlanOptions) -> Result<Code, Fault> {
    let part = &options.part;
    let loaded = load::prepared(part, "plan")?;
    let plan = world::block_on(async {
        let (built, plan) =
            made(&loaded, part, options.out.is_some(), "plan", Logins::Once).await?;
        built.close().await;
        Ok::<Plan, Fault>(plan)
    })??;
    if let Some(file) = &options.out {
        let written = Saved::new(&plan, &loaded.choice).write(file);
        written.map_err(|said| Fault::new(Code::Failed, Diagnostic::error(said)))?;
    }
    show(&plan, part, "plan", Purpose::Plan);
    if let Some(file) = &options.out
        && !part.json
    {
        view::talk(&format!("Saved; apply it with: drsync apply {}\n", file.display()));
    }
    let differs = options.detailed_exitcode && !plan.is_clean();
    Ok(code(&plan, part, differs))
}

/// Builds the world and makes the plan; the world is closed when that fails.
pub async fn made(
    loaded: &Loaded,
    part: &Part,
    with_evidence: bool,
    command: &'static str,
    logins: Logins,
) -> Result<(Built, Plan), Fault> {
    let targets = loaded.prepared.sheets.targets.keys();
    let built = world::build(&loaded.inventory, part, targets, logins).await?;
    let plan = tokio::select! {
        plan = plan::plan(&loaded.inventory, &loaded.prepared, &built.world, with_evidence) => plan,
        () = world::interrupted() => {
            built.close().await;
            let said = "interrupted while reading; nothing was changed";
            return Err(Fault::new(Code::Interrupted, Diagnostic::error(said)));
        }
    };
    match plan {
        Ok(plan) => {
            let warnings = two_servers::too_old(&loaded.inventory, &plan.identities);
            if !warnings.is_empty() {
                view::talk(&view::fault::text(&warnings, &loaded.inventory.texts));
            }
            Ok((built, plan))
        }
        Err(mistakes) => {
            built.close().await;
            let fault = Fault::invalid(mistakes, loaded.inventory.texts.clone());
            Err(fault.with_json(part.json, command))
        }
    }
}

/// Prints a plan.
pub fn show(plan: &Plan, part: &Part, command: &str, purpose: Purpose) {
    if part.json {
        let page = view::json::plan(plan, command, part.timings);
        view::page(&page);
        return;
    }
    if !plan.warnings.is_empty() {
        view::talk(&view::fault::text(&plan.warnings, &view::fault::Texts::new()));
    }
    view::out(&view::plan::text(plan, purpose));
    if part.timings {
        view::talk(&view::plan::timings(&plan.coverage));
    }
}

/// Returns the code of a plan: unknown and refused instances count, differences when asked.
pub fn code(plan: &Plan, part: &Part, differs: bool) -> Code {
    let tally = plan.tally();
    let mut codes = Vec::new();
    if tally.unknown > 0 && !part.allow_incomplete {
        codes.push(Code::Incomplete);
    }
    if tally.refused > 0 {
        codes.push(Code::Failed);
    }
    if differs {
        codes.push(Code::Differs);
    }
    Code::worst(&codes)
}
