//! A simulated world for drsync: Cloudera Managers over HTTP, and hosts as plain directories.
//!
//! The managers serve JSON documents shaped by the published API, from a state kept in one file
//! per manager, so that several processes can serve and use the same manager at once.
//!
//! Beside the API, an authenticated client can `GET` and `PUT` the list of faults at
//! `/sandbox/faults` and `GET` the counters at `/sandbox/counters`. A fault is an object
//! `{"fault": NAME}` with, optionally, `method`, `path` (a part of the path), `after` (so many
//! matching requests are let through first) and `times` (so many are hit). The names:
//!
//! * `latency` (`ms`): the answer is held back, after the request took effect;
//! * `status` (`code`), `html`, `drop`: another answer, or none; the request takes no effect
//!   unless `applied` is true;
//! * `cut` (`bytes`): the connection closes in the middle of the body;
//! * `put_loses` (`name`): that setting is silently not stored;
//! * `stale_reads` (`ms`): settings read as before the last write for so long;
//! * `staleness_delay` (`ms`), `command_ms` (`ms`): other delays than 200 and 300;
//! * `command_fails`, `child_fails` (both `name`, optional): commands end badly;
//! * `event_server_down`, `read_only_user`: events or writes are refused;
//! * `hides_parcels`: while two servers run with `haMode=true`, parcels that were found since and not
//!   downloaded are not shown (OPSAPS-60726);
//! * `documented_status`: writes answer 201 and 204 as the published description says.
#![forbid(unsafe_code)]

mod answer;
mod catalogue;
mod clock;
mod command;
mod config;
mod control;
mod counters;
mod digest;
mod document;
mod error;
mod fault;
pub mod hosts;
mod login;
mod manager;
mod naming;
mod parcel;
mod request;
mod revision;
mod routes;
mod seed;
mod server;
mod servers;
mod staleness;
mod store;
mod wire;
mod world;

pub use counters::Counters;
pub use error::SandboxError;
pub use manager::{Manager, ManagerSpec};
pub use servers::{Running, ServerHost, Servers};
pub use store::{Storage, Table};
