//! `drsync drift`

use super::arguments::Part;
use super::exit::{Code, Fault};
use super::{load, plan, world};
use crate::reach::Logins;
use crate::view::plan::Purpose;

/// Reports live state that differs from the declaration.
pub fn run(part: &Part) -> Result<Code, Fault> {
    let loaded = load::prepared(part, "drift")?;
    let found = world::block_on(async {
        let (built, found) = plan::made(&loaded, part, false, "drift", Logins::Once).await?;
        built.close().await;
        Ok::<_, Fault>(found)
    })??;
    plan::show(&found, part, "drift", Purpose::Drift);
    Ok(plan::code(&found, part, !found.is_clean()))
}
