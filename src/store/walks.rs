//! Walks, staging and the roster's side of both.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::{Record, RecordKey};
use crate::plan::Presence;

use super::error::StoreError;

mod fold;
mod missing;

pub use fold::{delete_staged, fold_rows, staged_in_key_order};
pub use missing::{
    Missing, count_missing, mark_missing, missing, missing_since, present, present_rows,
    settle_missing,
};

/// How many rows one transaction folds or moves at most.
const CHUNK: usize = 4_000;

/// Whose listing a walk reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkOf {
    /// A job's source.
    Source(i64),
    /// A location's contacts.
    Contacts(i64),
}

/// A walk that is going on, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Its number; walks of all kinds count together.
    pub no: i64,
    /// When it began, in ms of the vendor's clock.
    pub began_ms: i64,
    /// Where it stopped.
    pub cursor: Option<String>,
    /// The vendor's total on the first page.
    pub total: Option<i64>,
    /// Pages read.
    pub pages: i64,
    /// Rows listed.
    pub listed: i64,
}

/// Begins a walk.
pub fn begin_walk(
    db: &Connection,
    of: WalkOf,
    full: bool,
    reader: &str,
    began_ms: i64,
) -> Result<i64, StoreError> {
    let (job_no, location_no) = match of {
        WalkOf::Source(no) => (Some(no), None),
        WalkOf::Contacts(no) => (None, Some(no)),
    };
    let pass = if full { "full" } else { "normal" };
    db.execute(
        "INSERT INTO walk (job_no, location_no, pass, reader, began_ms, page_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        params![job_no, location_no, pass, reader, began_ms],
    )?;
    Ok(db.last_insert_rowid())
}

/// Returns the newest full walk of `of` with `reader` that never ended and whose last page is younger than `since_ms`.
pub fn resumable(
    db: &Connection,
    of: WalkOf,
    reader: &str,
    since_ms: i64,
) -> Result<Option<Walk>, StoreError> {
    let (column, no) = match of {
        WalkOf::Source(no) => ("job_no", no),
        WalkOf::Contacts(no) => ("location_no", no),
    };
    let sql = format!(
        "SELECT no, began_ms, cursor, total, pages, listed, ended, reader, pass, page_ms FROM walk
         WHERE {column} = ?1 ORDER BY no DESC LIMIT 1"
    );
    let newest = db
        .query_row(&sql, [no], |row| {
            let walk = Walk {
                no: row.get(0)?,
                began_ms: row.get(1)?,
                cursor: row.get(2)?,
                total: row.get(3)?,
                pages: row.get(4)?,
                listed: row.get(5)?,
            };
            let ended: Option<String> = row.get(6)?;
            let fits = row.get::<_, String>(7)? == reader
                && row.get::<_, String>(8)? == "full"
                && row.get::<_, i64>(9)? >= since_ms
                && matches!(
                    ended.as_deref(),
                    None | Some("stopped" | "spent" | "out-of-touch")
                );
            Ok((walk, fits))
        })
        .optional()?;
    Ok(newest.and_then(|(walk, fits)| (fits && walk.cursor.is_some()).then_some(walk)))
}

/// Returns when a walk began, in ms of the vendor's clock; `None` when its row is gone.
pub fn began_at(db: &Connection, walk_no: i64) -> Result<Option<i64>, StoreError> {
    Ok(db
        .prepare_cached("SELECT began_ms FROM walk WHERE no = ?1")?
        .query_row([walk_no], |row| row.get(0))
        .optional()?)
}

/// Marks a walk as gone on with after a break.
pub fn resume_walk(db: &Connection, walk_no: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE walk SET resumed = 1, ended = NULL WHERE no = ?1",
        [walk_no],
    )?;
    Ok(())
}

/// Begins a walk that goes on where another was cut, whose rows are in the roster already; returns its number.
pub fn continue_walk(db: &Connection, walk_no: i64) -> Result<i64, StoreError> {
    db.execute(
        "INSERT INTO walk (job_no, location_no, pass, reader, began_ms, page_ms, cursor, total, pages, listed, resumed)
         SELECT job_no, location_no, pass, reader, began_ms, page_ms, cursor, total, pages, listed, 1 FROM walk WHERE no = ?1",
        [walk_no],
    )?;
    Ok(db.last_insert_rowid())
}

/// How far a walk is after its last pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Where to go on.
    pub cursor: Option<String>,
    /// The vendor's total on the first page.
    pub total: Option<i64>,
    /// Pages read so far.
    pub pages: i64,
    /// Rows listed so far.
    pub listed: i64,
    /// When the last page was read, in ms of the vendor's clock.
    pub page_ms: i64,
}

/// Commits what the last pages of a walk brought: their rows that differ from the roster, and how far it is.
pub fn commit_pages(
    db: &Connection,
    walk_no: i64,
    staged: &[Record],
    reached: &Reached,
) -> Result<(), StoreError> {
    let Reached {
        cursor,
        total,
        pages,
        listed,
        page_ms,
    } = reached;
    let mut insert =
        db.prepare_cached("INSERT INTO staging (walk_no, key, attributes) VALUES (?1, ?2, ?3)")?;
    for record in staged {
        insert.execute(params![
            walk_no,
            record.key.as_str(),
            record.attributes_json()
        ])?;
    }
    db.prepare_cached(
        "UPDATE walk SET cursor = ?2, total = coalesce(total, ?3), pages = ?4, listed = ?5, page_ms = ?6 WHERE no = ?1",
    )?
    .execute(params![walk_no, cursor, total, pages, listed, page_ms])?;
    Ok(())
}

/// Notes how a walk ended: `complete`, `caught-up`, or the word of a cut.
pub fn end_walk(db: &Connection, walk_no: i64, ended: &str) -> Result<(), StoreError> {
    let keeps_cursor = matches!(ended, "stopped" | "spent" | "out-of-touch");
    db.execute(
        "UPDATE walk SET ended = ?2, cursor = CASE WHEN ?3 THEN cursor END WHERE no = ?1",
        params![walk_no, ended, keeps_cursor],
    )?;
    Ok(())
}

/// What the roster knows of one listed key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The row's number; small and dense, so a set of them is a bitmap.
    pub no: i64,
    /// The stored attributes, JSON.
    pub attributes: String,
    /// The state with what walks since the last plan found.
    pub presence: Presence,
    /// Whether it was marked absent by a Complete walk.
    pub missing: bool,
    /// Whether a walk since it was first listed ended by itself; rows that cut walks alone have brought do not count as known.
    pub known: bool,
}

/// Looks the rows of a page up in the roster, by key; one statement for all of them, because a full pass looks a million up.
pub fn listed_page(
    db: &Connection,
    job_no: i64,
    page: &[Record],
) -> Result<HashMap<String, Listed>, StoreError> {
    let keys: Vec<&str> = page.iter().map(|record| record.key.as_str()).collect();
    look_up(db, job_no, &keys)
}

/// Looks one key up in the roster.
pub fn listed(db: &Connection, job_no: i64, key: &RecordKey) -> Result<Option<Listed>, StoreError> {
    Ok(look_up(db, job_no, &[key.as_str()])?.remove(key.as_str()))
}

fn look_up(
    db: &Connection,
    job_no: i64,
    keys: &[&str],
) -> Result<HashMap<String, Listed>, StoreError> {
    let count = keys.len();
    let keys = serde_json::to_string(keys).expect("a list of texts is always JSON");
    let mut statement = db.prepare_cached(
        "SELECT r.key, r.no, r.attributes, coalesce(r.pending, r.state), r.missing_walk,
                r.walk_no <= coalesce((SELECT last_walk_no FROM job WHERE no = ?1), 0)
         FROM json_each(?2) j CROSS JOIN roster r ON r.job_no = ?1 AND r.key = j.value",
    )?;
    let mut rows = statement.query(params![job_no, keys])?;
    let mut found = HashMap::with_capacity(count);
    while let Some(row) = rows.next()? {
        let word = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
        let presence = Presence::from_word(word).ok_or_else(|| StoreError::Corrupt {
            what: format!("roster state {word}"),
        })?;
        let listed = Listed {
            no: row.get(1)?,
            attributes: row.get(2)?,
            presence,
            missing: row.get::<_, Option<i64>>(4)?.is_some(),
            known: row.get(5)?,
        };
        found.insert(row.get(0)?, listed);
    }
    Ok(found)
}

/// Deletes some of what a job's walks that never ended left in staging, because their rows may have moved since; returns whether any is left.
pub fn sweep_staging(db: &Connection, job_no: i64, before_ms: i64) -> Result<bool, StoreError> {
    let deleted = db.execute(
        "DELETE FROM staging WHERE no IN (
           SELECT s.no FROM staging s JOIN walk w ON w.no = s.walk_no WHERE w.job_no = ?1 AND w.page_ms < ?2 LIMIT ?3)",
        params![job_no, before_ms, CHUNK as i64],
    )?;
    Ok(deleted == CHUNK)
}

pub(super) fn parsed_key(key: String) -> Result<RecordKey, StoreError> {
    RecordKey::try_from(key).map_err(|error| StoreError::Corrupt {
        what: error.to_string(),
    })
}
