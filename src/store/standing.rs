//! What upkeep last did, for whoever looks.

use rusqlite::{Connection, OptionalExtension};

use super::error::StoreError;

/// What upkeep of the state last did; moments in ms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastUpkeep {
    /// When it began.
    pub began_ms: Option<i64>,
    /// When it ended; `None` while it is under way, or when it was killed.
    pub ended_ms: Option<i64>,
    /// In words.
    pub what: Option<String>,
    /// When the newest copy was made.
    pub backup_ms: Option<i64>,
    /// When all of the file was last checked.
    pub checked_ms: Option<i64>,
    /// When freed pages were last given back.
    pub vacuumed_ms: Option<i64>,
}

/// Returns what upkeep last did; `None` before the first time.
pub fn last_upkeep(db: &Connection) -> Result<Option<LastUpkeep>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT began_ms, ended_ms, what, backup_ms, checked_ms, vacuumed_ms FROM upkeep WHERE id = 1",
        )?
        .query_row([], |row| {
            Ok(LastUpkeep {
                began_ms: row.get(0)?,
                ended_ms: row.get(1)?,
                what: row.get(2)?,
                backup_ms: row.get(3)?,
                checked_ms: row.get(4)?,
                vacuumed_ms: row.get(5)?,
            })
        })
        .optional()?)
}
