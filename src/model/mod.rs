//! Plain data shared by all floors: no I/O, no async, no clock.

pub mod address;
pub mod call;
pub mod change;
pub mod command;
pub mod connection;
pub mod decode;
pub mod diagnostic;
pub mod digest;
pub mod kind_info;
pub mod manager;
pub mod member;
pub mod nearest;
pub mod node;
pub mod place;
pub mod plan;
pub mod question;
pub mod quote;
pub mod report;
pub mod secret;
pub mod value;

pub use address::{Address, Target};
pub use change::{Attribute, Delta, Live, Want};
pub use diagnostic::{Diagnostic, Severity};
pub use node::{Data, Key, Map, Node};
pub use place::Place;
pub use secret::Secret;
pub use value::Value;
