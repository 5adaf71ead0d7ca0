//! Commands: how they are submitted, how they end, how they look.

mod hosts;
mod manager;
mod order;
mod settle;
mod show;
mod task;

pub(crate) use hosts::{commission_state, submit_on_hosts, synchronous};
pub(crate) use manager::{note_check, submit_on_manager};
pub(crate) use order::{Order, Target, submit};
pub(crate) use settle::{abort, settle};
pub(crate) use show::{active, activity, runs, show};
pub(crate) use task::{Target as TaskTarget, submit_task, task};

use serde_json::Value;

use crate::document::{flag, number};

/// Whether a command still runs at `now`.
pub(crate) fn is_active(command: &Value, now: i64) -> bool {
    !flag(command, "settled") && number(command, "start") <= now && now < number(command, "end")
}
