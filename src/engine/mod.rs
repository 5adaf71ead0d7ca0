//! Decides and does: instances, order, reading, plans, applying, journal and lock.

pub mod apply;
mod bracket;
pub mod gate;
pub mod graph;
pub mod instance;
pub mod journal;
pub mod lock;
pub mod names;
pub mod parcels;
pub mod plan;
pub mod read;
mod restart;
pub mod saved;
pub mod select;
pub mod state;
pub mod two_servers;
