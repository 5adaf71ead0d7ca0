//! A simulated world for drsync: Cloudera Managers over HTTP, and hosts as plain directories.
//!
//! The managers serve JSON documents shaped by the published API, from a state kept in one file
//! per manager, so that several processes can serve and use the same manager at once.
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
mod request;
mod revision;
mod routes;
mod seed;
mod server;
mod staleness;
mod store;
mod wire;
mod world;

pub use counters::Counters;
pub use error::SandboxError;
pub use manager::{Manager, ManagerSpec};
