//! Floor 2: the state, one SQLite file.
//!
//! One connection writes, on a thread of its own; everything that only reads opens a connection of its own (WAL). Writes that are queued at
//! the same time share one commit: each runs in a savepoint, so one that fails takes nothing else with it, and nobody is told "done"
//! before the disk has it.

mod bucket;
mod error;
mod open;
mod writer;

pub use bucket::{Bucket, Usage};
pub use error::StoreError;
pub use open::{SCHEMA_VERSION, STATE_FILE};
pub use writer::Store;
