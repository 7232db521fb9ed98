//! Walks, staging and the roster.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::{Record, RecordKey};
use crate::plan::Presence;

use super::error::StoreError;
use super::jobs::next_tick;

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

/// Marks a walk as gone on with after a break.
pub fn resume_walk(db: &Connection, walk_no: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE walk SET resumed = 1, ended = NULL WHERE no = ?1",
        [walk_no],
    )?;
    Ok(())
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
    /// Whether the walk that listed it ended; rows of a cut walk do not count as known.
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
        "SELECT r.key, r.no, r.attributes, coalesce(r.pending, r.state), r.missing_walk, coalesce(w.ended IN ('complete', 'caught-up', 'gap'), 0)
         FROM json_each(?2) j CROSS JOIN roster r ON r.job_no = ?1 AND r.key = j.value LEFT JOIN walk w ON w.no = r.walk_no",
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

/// Streams a walk's staged rows in key order, one row a key, to `each` in chunks; `each` returns false to stop.
///
/// Runs on a reading connection; SQLite sorts in a temporary file, so memory stays flat. Of a key that was listed twice the newest `at`
/// attribute wins (a follow during the walk, or a lagging replica).
pub fn staged_in_key_order(
    reader: &Connection,
    walk_no: i64,
    at: &str,
    mut each: impl FnMut(Vec<(String, String)>) -> bool,
) -> Result<(), StoreError> {
    let mut statement = reader
        .prepare("SELECT key, attributes FROM staging WHERE walk_no = ?1 ORDER BY key, no")?;
    let mut rows = statement.query([walk_no])?;
    let mut chunk: Vec<(String, String)> = Vec::with_capacity(CHUNK);
    while let Some(row) = rows.next()? {
        let (key, attributes): (String, String) = (row.get(0)?, row.get(1)?);
        match chunk.last_mut() {
            Some((same, older)) if *same == key => {
                if attribute(&attributes, at) > attribute(older, at) {
                    *older = attributes;
                }
                continue;
            }
            _ => {}
        }
        if chunk.len() >= CHUNK {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK));
            if !each(full) {
                return Ok(());
            }
        }
        chunk.push((key, attributes));
    }
    if !chunk.is_empty() {
        each(chunk);
    }
    Ok(())
}

/// Folds staged rows into the roster; returns how many keys were new, and how many were new or came back.
pub fn fold_rows(
    db: &Connection,
    job_no: i64,
    walk_no: i64,
    rows: &[(String, String)],
) -> Result<(i64, i64), StoreError> {
    let (mut new, mut added) = (0, 0);
    for (key, attributes) in rows {
        match fold(db, job_no, walk_no, key, attributes)? {
            Folded::New => {
                new += 1;
                added += 1;
            }
            Folded::Back => added += 1,
            Folded::Known => {}
        }
    }
    if added > 0 {
        db.execute(
            "UPDATE job SET added_since = added_since + ?2, roster_size = roster_size + ?2 WHERE no = ?1",
            params![job_no, added],
        )?;
    }
    Ok((new, added))
}

/// What folding a row came to.
enum Folded {
    New,
    Back,
    Known,
}

/// Deletes some of a walk's staged rows; returns whether any are left.
pub fn delete_staged(db: &Connection, walk_no: i64) -> Result<bool, StoreError> {
    let deleted = db
        .prepare_cached("DELETE FROM staging WHERE no IN (SELECT no FROM staging WHERE walk_no = ?1 ORDER BY no LIMIT ?2)")?
        .execute(params![walk_no, CHUNK as i64])?;
    Ok(deleted == CHUNK)
}

fn attribute(attributes: &str, name: &str) -> Option<String> {
    let parsed: std::collections::BTreeMap<String, String> =
        serde_json::from_str(attributes).ok()?;
    parsed.get(name).cloned()
}

fn fold(
    db: &Connection,
    job_no: i64,
    walk_no: i64,
    key: &str,
    attributes: &str,
) -> Result<Folded, StoreError> {
    let old: Option<(i64, String, String, Option<String>)> = db
        .prepare_cached(
            "SELECT no, attributes, state, pending FROM roster WHERE job_no = ?1 AND key = ?2",
        )?
        .query_row(params![job_no, key], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((no, old_attributes, state, pending)) = old else {
        let tick = next_tick(db)?;
        db.prepare_cached(
            "INSERT INTO roster (job_no, key, attributes, state, walk_no, tick) VALUES (?1, ?2, ?3, 'in', ?4, ?5)",
        )?
        .execute(params![job_no, key, attributes, walk_no, tick])?;
        return Ok(Folded::New);
    };
    let was_in = pending.as_deref().unwrap_or(&state) == "in";
    if was_in && old_attributes == attributes {
        db.prepare_cached(
            "UPDATE roster SET missing_walk = NULL,
               walk_no = CASE WHEN (SELECT ended FROM walk WHERE no = walk_no) IN ('complete', 'caught-up', 'gap') THEN walk_no ELSE ?2 END
             WHERE no = ?1",
        )?
        .execute(params![no, walk_no])?;
        return Ok(Folded::Known);
    }
    let tick = next_tick(db)?;
    // A row that is back in the state of the roster has no pending change any more.
    let pending = (state != "in").then_some("in");
    db.prepare_cached(
        "UPDATE roster SET attributes = ?2, pending = ?3, missing_walk = NULL, walk_no = CASE WHEN ?4 THEN walk_no ELSE ?5 END, tick = ?6
         WHERE no = ?1",
    )?
    .execute(params![no, attributes, pending, was_in, walk_no, tick])?;
    Ok(if was_in { Folded::Known } else { Folded::Back })
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

/// Marks roster rows as absent from a Complete walk.
pub fn mark_missing(db: &Connection, rows: &[i64], walk_no: i64) -> Result<(), StoreError> {
    let mut mark = db.prepare_cached(
        "UPDATE roster SET missing_walk = ?2 WHERE no = ?1 AND missing_walk IS NULL",
    )?;
    for no in rows {
        mark.execute(params![no, walk_no])?;
    }
    Ok(())
}

/// Returns the numbers of roster rows that are in and not yet marked absent, in order after `after`, a chunk at a time.
///
/// Rows that the walk `walk_no` itself brought are left out: it listed them. The plus keeps the indexes that begin with the job out of it: they
/// would be read and sorted whole for every chunk.
pub fn present_rows(
    db: &Connection,
    job_no: i64,
    after: i64,
    walk_no: i64,
) -> Result<Vec<i64>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT no FROM roster WHERE no > ?2 AND +job_no = ?1 AND coalesce(pending, state) = 'in'
           AND missing_walk IS NULL AND walk_no != ?3 ORDER BY no LIMIT 50000",
    )?;
    let rows = statement.query_map(params![job_no, after, walk_no], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A record that is absent from a Complete listing and not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The roster row.
    pub no: i64,
    /// The record.
    pub key: RecordKey,
    /// When the walk in which it was first absent began, in ms.
    pub walk_began_ms: i64,
    /// When that walk read its last page, in ms.
    pub walk_ended_ms: i64,
}

/// Returns the records that are absent and not confirmed, in key order, at most `limit` after `after`.
pub fn missing(
    db: &Connection,
    job_no: i64,
    after: &str,
    limit: i64,
) -> Result<Vec<Missing>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT r.no, r.key, w.began_ms, w.page_ms FROM roster r JOIN walk w ON w.no = r.missing_walk
         WHERE r.job_no = ?1 AND r.missing_walk IS NOT NULL AND r.key > ?2 ORDER BY r.key LIMIT ?3",
    )?;
    let rows = statement.query_map(params![job_no, after, limit], |row| {
        Ok((
            row.get(0)?,
            row.get::<_, String>(1)?,
            row.get(2)?,
            row.get(3)?,
        ))
    })?;
    rows.map(|row| {
        let (no, key, walk_began_ms, walk_ended_ms) = row?;
        Ok(Missing {
            no,
            key: parsed_key(key)?,
            walk_began_ms,
            walk_ended_ms,
        })
    })
    .collect()
}

/// Returns when the oldest walk began in which a record was absent that is not confirmed yet, in ms.
pub fn missing_since(db: &Connection, job_no: i64) -> Result<Option<i64>, StoreError> {
    Ok(db.query_row(
        "SELECT min(w.began_ms) FROM roster r INDEXED BY roster_missing JOIN walk w ON w.no = r.missing_walk
         WHERE r.job_no = ?1 AND r.missing_walk IS NOT NULL",
        [job_no],
        |row| row.get(0),
    )?)
}

/// Returns how many records are absent and not confirmed.
pub fn count_missing(db: &Connection, job_no: i64) -> Result<i64, StoreError> {
    Ok(db.query_row(
        "SELECT count(*) FROM roster WHERE job_no = ?1 AND missing_walk IS NOT NULL",
        [job_no],
        |row| row.get(0),
    )?)
}

/// Settles absent records: what each turned out to be now; still following takes the mark away.
pub fn settle_missing(db: &Connection, rows: &[(i64, Presence)]) -> Result<(), StoreError> {
    for (no, presence) in rows {
        let tick = next_tick(db)?;
        let settled = db
            .prepare_cached(
                "UPDATE roster SET missing_walk = NULL, pending = CASE WHEN state = ?2 THEN NULL ELSE ?2 END,
                   tick = CASE WHEN ?2 = 'in' THEN tick ELSE ?3 END WHERE no = ?1 AND missing_walk IS NOT NULL",
            )?
            .execute(params![no, presence.word(), tick])?;
        if settled == 1 && *presence != Presence::In {
            db.prepare_cached(
                "UPDATE job SET roster_size = roster_size - 1 WHERE no = (SELECT job_no FROM roster WHERE no = ?1)",
            )?
            .execute([no])?;
        }
    }
    Ok(())
}

pub(super) fn parsed_key(key: String) -> Result<RecordKey, StoreError> {
    RecordKey::try_from(key).map_err(|error| StoreError::Corrupt {
        what: error.to_string(),
    })
}
