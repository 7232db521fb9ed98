//! Records that a Complete listing lacks.

use rusqlite::{Connection, params};

use crate::model::RecordKey;
use crate::plan::Presence;

use super::super::error::StoreError;
use super::super::jobs::next_tick;
use super::parsed_key;

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

/// Returns the keys of the records that are in, those marked absent among them, in order, at most `limit` after `after`.
pub fn present(
    db: &Connection,
    job_no: i64,
    after: &str,
    limit: i64,
) -> Result<Vec<RecordKey>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT key FROM roster WHERE job_no = ?1 AND key > ?2 AND coalesce(pending, state) = 'in' ORDER BY key LIMIT ?3",
    )?;
    let rows = statement.query_map(params![job_no, after, limit], |row| row.get(0))?;
    rows.map(|key| parsed_key(key?)).collect()
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
