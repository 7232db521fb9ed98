//! Floor 2: the state, one SQLite file.
//!
//! One connection writes, on a thread of its own; everything that only reads opens a connection of its own (WAL). Writes that are queued at
//! the same time share one commit: each runs in a savepoint, so one that fails takes nothing else with it, and nobody is told "done"
//! before the disk has it.

pub mod agenda;
pub mod backup;
pub mod broadcasts;
mod bucket;
pub mod conditions;
mod error;
pub mod events;
pub mod findings;
pub mod freeing;
pub mod health;
pub mod history;
pub mod jobs;
pub mod kept;
mod key;
pub mod links;
mod lock;
pub mod mirror;
pub mod notices;
mod open;
mod owner;
pub mod people;
pub mod plans;
pub mod progress;
pub mod restore;
pub mod rows;
pub mod runs;
pub mod tokens;
mod vault;
pub mod walks;
mod writer;

pub use bucket::{Bucket, Usage};
pub use error::StoreError;
pub use key::{Key, NotAKey};
pub use lock::{Lock, Taken};
pub use open::{SCHEMA_VERSION, STATE_FILE};
pub use owner::{Owner, hidden_by, is_ours};
pub use tokens::{LoginFacts, LoginKind};
pub use vault::{Login, Vault, VaultError};
pub use writer::Store;
