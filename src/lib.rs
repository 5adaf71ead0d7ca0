//! drsync keeps the two clusters of a disaster-recovery pair alike: one inventory declares both
//! sides, drsync reads what is really there, shows the difference as a plan, applies it in order
//! and reports drift.
//!
//! # Floors
//!
//! A floor imports only downwards; `tests/house.rs` checks it.
//!
//! | floor | module | what it is for |
//! |---|---|---|
//! | 5 | [`cli`] | arguments → one function per command; builds the outside world, picks the view |
//! | 4 | [`view`] | everything that is printed: text, JSON, drawings |
//! | 3 | [`engine`] | expand, order, read, compare, apply; journal, lock, limits |
//! | 2 | [`kinds`] | one file per kind of resource, all of them pure |
//! | 1 | [`lang`] | YAML, templates, the inventory, modules, secrets; no network |
//! | 1 | [`reach`] | hosts over SSH, managers over REST, directories that stand for hosts |
//! | 0 | [`model`] | plain data: places, values, changes, plans; no I/O, no clock |
//! | 0 | [`mod@format`] | Hadoop XML, properties, units, settings, text differences |
//!
//! `lang` and `reach` never meet; `kinds` sees neither of them; `view` sees only data.
//!
//! # The path of a plan
//!
//! 1. [`lang::inventory::Inventory::load`]: files → trees in which every value keeps its place.
//! 2. [`lang::expand::expand`]: resources → rendered arguments per target, once per distinct input.
//! 3. [`engine::instance::build`]: arguments → decoded instances; contradictions are named.
//! 4. [`engine::graph::Order`]: what comes before what; a cycle is named whole.
//! 5. [`engine::read::read`]: all questions of a target at once: one script per host, few GETs per
//!    manager.
//! 6. [`engine::plan::decide`]: replies against declarations → [`model::plan::Plan`].
//! 7. [`view`]: the plan as text or JSON; or [`engine::saved::Saved`]: as a file.
//! 8. [`engine::apply::apply`]: look again, write ahead in the journal, write, read back.
//!
//! # Invariants
//!
//! 1. Planning cannot write: it is given [`reach::Eyes`], which have no write; only an apply asks
//!    for [`reach::Hands`].
//! 2. [`kinds::Kind::diff`] is pure: equal arguments and replies give an equal change.
//! 3. Nothing below `cli` reads arguments, environment or the clock's date; nothing outside `view`
//!    prints.
//! 4. Unknown is never absent: what could not be read is unknown, with its reason.
//! 5. No secret is in any output, file, journal, error or `Debug`; values never become shell code.
//! 6. After a clean apply a second plan is empty.
//! 7. A script or an answer that is cut short does nothing, and tells nothing.
//!
//! # Adding a kind
//!
//! Its file in `kinds/` (module doc: the manual page with an example), one line in
//! `kinds/registry.rs`, cases in `tests/kinds/<kind>/`. Nothing else.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr))]

pub mod cli;
pub mod engine;
pub mod format;
pub mod kinds;
pub mod lang;
pub mod model;
pub mod reach;
pub mod view;
