//! What several kinds share: shell functions, and the reading of what they report.

pub mod account;
pub mod edit;
pub mod file;
pub mod ownership;
pub mod texts;
pub mod unit;
