//! What several kinds share: shell functions, and the reading of what they report.

pub mod account;
pub mod bytes;
pub mod certificates;
pub mod cm_command;
pub mod cm_server;
pub mod edit;
pub mod file;
pub mod host_name;
pub mod mount;
pub mod names;
pub mod ownership;
pub mod package;
pub mod parts;
pub mod role_reference;
pub mod role_type;
pub mod shell;
pub mod state;
pub mod texts;
pub mod tsquery;
pub mod tuned;
pub mod unit;
