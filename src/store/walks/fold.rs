//! From staging into the roster, and what that tells the rosters of other jobs.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::StoreError;
use super::super::jobs::next_tick;
use super::CHUNK;

/// What a listing tells of a person, whichever listing it is.
const NAMES: [&str; 2] = ["user_login", "user_name"];

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
///
/// The names that a row tells reach the rosters of all other jobs over the same people: two jobs that fill one field would else write an old
/// name and a new one in turns.
pub fn fold_rows(
    db: &Connection,
    job_no: i64,
    walk_no: i64,
    rows: &[(String, String)],
) -> Result<(i64, i64), StoreError> {
    let (mut new, mut added) = (0, 0);
    let others = others(db, job_no)?;
    for (key, attributes) in rows {
        if !others.is_empty() {
            tell_names(db, &others, key, attributes)?;
        }
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

/// Returns the other jobs that have a roster of the same namespace.
fn others(db: &Connection, job_no: i64) -> Result<Vec<i64>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT o.no FROM job j JOIN job o ON o.namespace = j.namespace AND o.no != j.no
         WHERE j.no = ?1 AND EXISTS (SELECT 1 FROM roster WHERE job_no = o.no)",
    )?;
    let rows = statement.query_map([job_no], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Brings the login and the name of a listed person into the rosters of other jobs that show other ones, so that their next plans look at it.
fn tell_names(
    db: &Connection,
    others: &[i64],
    key: &str,
    attributes: &str,
) -> Result<(), StoreError> {
    let mut find = db.prepare_cached(
        "SELECT no, attributes FROM roster WHERE job_no = ?1 AND key = ?2 AND attributes != ?3",
    )?;
    let mut told: Option<BTreeMap<String, String>> = None;
    for job_no in others {
        let found: Option<(i64, String)> = find
            .query_row(params![job_no, key, attributes], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((no, old)) = found else { continue };
        let told = match &mut told {
            Some(told) => told,
            None => told.insert(parsed(attributes)?),
        };
        let mut new = parsed(&old)?;
        for name in NAMES {
            if let Some(value) = told.get(name) {
                new.insert(name.to_owned(), value.clone());
            }
        }
        let new = serde_json::to_string(&new).expect("a map of texts is always JSON");
        if new != old {
            let tick = next_tick(db)?;
            db.prepare_cached("UPDATE roster SET attributes = ?2, tick = ?3 WHERE no = ?1")?
                .execute(params![no, new, tick])?;
        }
    }
    Ok(())
}

fn parsed(attributes: &str) -> Result<BTreeMap<String, String>, StoreError> {
    serde_json::from_str(attributes).map_err(|error| StoreError::Corrupt {
        what: format!("attributes of a record are no JSON: {error}"),
    })
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
    parsed(attributes).ok()?.remove(name)
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
        db.prepare_cached("UPDATE roster SET missing_walk = NULL WHERE no = ?1")?
            .execute([no])?;
        return Ok(Folded::Known);
    }
    let tick = next_tick(db)?;
    // A row that is back in the state of the roster has no pending change any more, and never left.
    let pending = (state != "in").then_some("in");
    let never_left = was_in || state == "in";
    db.prepare_cached(
        "UPDATE roster SET attributes = ?2, pending = ?3, missing_walk = NULL, walk_no = CASE WHEN ?4 THEN walk_no ELSE ?5 END, tick = ?6
         WHERE no = ?1",
    )?
    .execute(params![no, attributes, pending, never_left, walk_no, tick])?;
    Ok(if was_in { Folded::Known } else { Folded::Back })
}
