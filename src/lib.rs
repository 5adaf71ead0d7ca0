//! drsync keeps the two clusters of a disaster-recovery pair alike.

pub mod engine;
pub mod format;
pub mod kinds;
pub mod lang;
pub mod model;
pub mod reach;
