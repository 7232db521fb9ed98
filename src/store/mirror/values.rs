//! The values by which records find contacts.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::model::FieldKey;
use crate::plan::{Mirrored, match_key};

use super::super::error::StoreError;
use super::{Keeping, mirrored, parsed};

pub(super) fn reindex(
    db: &Connection,
    location_no: i64,
    no: i64,
    old: &BTreeMap<FieldKey, Option<String>>,
    new: &BTreeMap<FieldKey, Option<String>>,
    keeping: &Keeping,
) -> Result<(), StoreError> {
    for key in &keeping.match_fields {
        let value_in = |seen: &BTreeMap<FieldKey, Option<String>>| {
            let value = seen.get(key)?.as_deref()?;
            Some(match_key(key, value))
        };
        let (before, after) = (value_in(old), value_in(new));
        if let Some(value) = &before
            && before != after
        {
            db.prepare_cached(
                "DELETE FROM mirror_key WHERE location_no = ?1 AND field = ?2 AND value = ?3 AND contact_no = ?4",
            )?
            .execute(params![location_no, key.as_str(), value, no])?;
        }
        if let Some(value) = &after {
            index_value(db, location_no, no, key, value, keeping)?;
        }
    }
    Ok(())
}

pub(super) fn index_value(
    db: &Connection,
    location_no: i64,
    no: i64,
    key: &FieldKey,
    value: &str,
    keeping: &Keeping,
) -> Result<(), StoreError> {
    if keeping.match_fields.contains(key) {
        let value = match_key(key, value);
        db.prepare_cached(
            "INSERT OR IGNORE INTO mirror_key (location_no, field, value, contact_no) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![location_no, key.as_str(), value, no])?;
    }
    Ok(())
}

/// Indexes the stored values of match fields that no walk has indexed yet, after `[match]` names a new key; a chunk at a time, from `after`.
///
/// Returns the last row looked at, `None` when there is none left.
pub fn index_chunk(
    db: &Connection,
    location_no: i64,
    after: i64,
    keeping: &Keeping,
) -> Result<Option<i64>, StoreError> {
    let rows: Vec<(i64, String)> = db
        .prepare_cached(
            "SELECT no, seen FROM mirror WHERE +location_no = ?1 AND no > ?2 ORDER BY no LIMIT 4000",
        )?
        .query_map(params![location_no, after], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    for (no, seen) in &rows {
        let seen: BTreeMap<FieldKey, Option<String>> = parsed(seen, "mirror.seen")?;
        for (key, value) in &seen {
            if let Some(value) = value {
                index_value(db, location_no, *no, key, value, keeping)?;
            }
        }
    }
    Ok(rows.last().map(|(no, _)| *no))
}

/// Takes a field's values out of the index, some at a time; returns whether any are left.
pub fn forget_key(db: &Connection, location_no: i64, field: &str) -> Result<bool, StoreError> {
    let deleted = db.execute(
        "DELETE FROM mirror_key WHERE (location_no, field, value, contact_no) IN (
           SELECT location_no, field, value, contact_no FROM mirror_key WHERE location_no = ?1 AND field = ?2 LIMIT 4000)",
        params![location_no, field],
    )?;
    Ok(deleted == 4_000)
}

/// Returns the mirror rows that hold `value` in a match field, the gone ones left out; at most 10.
pub fn by_value(
    db: &Connection,
    location_no: i64,
    field: &FieldKey,
    value: &str,
) -> Result<Vec<Mirrored>, StoreError> {
    let numbers: Vec<i64> = db
        .prepare_cached(
            "SELECT k.contact_no FROM mirror_key k JOIN mirror m ON m.no = k.contact_no
             WHERE k.location_no = ?1 AND k.field = ?2 AND k.value = ?3 AND m.gone_ms IS NULL ORDER BY k.contact_no LIMIT 10",
        )?
        .query_map(params![location_no, field.as_str(), value], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    numbers.into_iter().map(|no| mirrored(db, no)).collect()
}
