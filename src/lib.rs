//! drsync keeps the two clusters of a disaster-recovery pair alike.

pub mod cli;
pub mod engine;
pub mod format;
pub mod kinds;
pub mod lang;
pub mod model;
pub mod reach;
pub mod view;
