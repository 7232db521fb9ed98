//! Floor 5: one run of a job, in nine moves.

mod bits;
mod error;
mod gather;
mod lease;
mod refresh;
mod world;

pub use error::RunError;
pub use world::{Ask, Stop, Tick, Watch, World, keeping_of};
