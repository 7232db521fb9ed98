//! What upkeep last did, as it is kept.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;

/// What is remembered of upkeep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastUpkeep {
    /// When it began, in ms.
    pub began_ms: Option<i64>,
    /// When it ended; `None` while it is under way, and when it was killed or stopped.
    pub ended_ms: Option<i64>,
    /// What came of it, in words.
    pub what: Option<String>,
    /// When the newest copy was made.
    pub backup_ms: Option<i64>,
    /// When the whole state was last checked and found sound.
    pub checked_ms: Option<i64>,
    /// When freed pages were last given back.
    pub vacuumed_ms: Option<i64>,
}

/// Returns what upkeep last did; nothing when it never ran.
pub fn last_upkeep(db: &Connection) -> Result<LastUpkeep, StoreError> {
    let last = db
        .query_row(
            "SELECT began_ms, ended_ms, what, backup_ms, checked_ms, vacuumed_ms FROM upkeep WHERE id = 1",
            [],
            |row| {
                Ok(LastUpkeep {
                    began_ms: row.get(0)?,
                    ended_ms: row.get(1)?,
                    what: row.get(2)?,
                    backup_ms: row.get(3)?,
                    checked_ms: row.get(4)?,
                    vacuumed_ms: row.get(5)?,
                })
            },
        )
        .optional()?;
    Ok(last.unwrap_or_default())
}

/// Notes that upkeep begins.
pub fn begin_upkeep(db: &Connection, now_ms: i64) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO upkeep (id, began_ms) VALUES (1, ?1)
         ON CONFLICT (id) DO UPDATE SET began_ms = excluded.began_ms, ended_ms = NULL, what = NULL",
        [now_ms],
    )?;
    Ok(())
}

/// Notes how upkeep ended; a part that did not succeed leaves its moment as it was.
pub fn end_upkeep(db: &Connection, last: &LastUpkeep) -> Result<(), StoreError> {
    let LastUpkeep {
        began_ms: _,
        ended_ms,
        what,
        backup_ms,
        checked_ms,
        vacuumed_ms,
    } = last;
    db.execute(
        "UPDATE upkeep SET ended_ms = ?1, what = ?2, backup_ms = coalesce(?3, backup_ms), checked_ms = coalesce(?4, checked_ms),
           vacuumed_ms = coalesce(?5, vacuumed_ms) WHERE id = 1",
        params![ended_ms, what, backup_ms, checked_ms, vacuumed_ms],
    )?;
    Ok(())
}
