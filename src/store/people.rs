//! Who is meant: from what a person types to the records and contacts that it fits.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::{ContactId, FieldKey, LocationId, Namespace, RecordKey};
use crate::plan::same;

use super::error::StoreError;
use super::mirror::parsed_contact;
use super::walks::parsed_key;

/// How many hits are told one by one.
const HITS_AT_MOST: usize = 20;

/// Returns the number of a location, `None` when nothing is known of it.
pub fn location_no(db: &Connection, id: &LocationId) -> Result<Option<i64>, StoreError> {
    Ok(db
        .prepare_cached("SELECT no FROM location WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?)
}

/// Returns the keys of a job's roster that `who` names: the key itself, else those whose attributes `names` hold it in any case.
pub fn records(
    db: &Connection,
    job_no: i64,
    who: &str,
    names: &[&str],
) -> Result<BTreeSet<RecordKey>, StoreError> {
    let is_key: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM roster WHERE job_no = ?1 AND key = ?2)")?
        .query_row(params![job_no, who], |row| row.get(0))?;
    if is_key {
        return Ok(BTreeSet::from([parsed_key(who.to_owned())?]));
    }
    // SQLite lowers the letters of English alone; a name in another script is compared as typed and in lower case.
    let names = serde_json::to_string(names).expect("a list of texts is always JSON");
    let mut statement = db.prepare_cached(
        "SELECT r.key FROM roster r WHERE r.job_no = ?1 AND EXISTS (
           SELECT 1 FROM json_each(?2) n WHERE lower(r.attributes ->> n.value) IN (lower(?3), ?4) OR r.attributes ->> n.value = ?3)
         ORDER BY r.key LIMIT ?5",
    )?;
    let rows = statement.query_map(
        params![
            job_no,
            names,
            who,
            who.to_lowercase(),
            i64::try_from(HITS_AT_MOST).unwrap_or(i64::MAX)
        ],
        |row| row.get::<_, String>(0),
    )?;
    rows.map(|row| parsed_key(row?)).collect()
}

/// Returns the contacts of a location that `who` names: by id, else by e-mail address or phone number.
pub fn contacts(
    db: &Connection,
    location_no: i64,
    who: &str,
) -> Result<Vec<(i64, ContactId)>, StoreError> {
    let by_id: Option<i64> = db
        .prepare_cached("SELECT no FROM mirror WHERE location_no = ?1 AND id = ?2")?
        .query_row(params![location_no, who], |row| row.get(0))
        .optional()?;
    if let Some(no) = by_id {
        return Ok(vec![(no, parsed_contact(who.to_owned())?)]);
    }
    let field = match who.contains('@') {
        true => "email",
        false if who.bytes().filter(u8::is_ascii_digit).count() >= 7 => "phone",
        false => return Ok(Vec::new()),
    };
    let Ok(key) = FieldKey::try_from(field) else {
        return Ok(Vec::new());
    };
    let mut statement = db.prepare_cached(
        "SELECT no, id, seen ->> ?2 FROM mirror WHERE location_no = ?1 AND seen ->> ?2 IS NOT NULL AND gone_ms IS NULL",
    )?;
    let mut rows = statement.query(params![location_no, field])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let seen = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        if found.len() < HITS_AT_MOST && same(&key, seen, who) {
            found.push((row.get(0)?, parsed_contact(row.get(1)?)?));
        }
    }
    Ok(found)
}

/// Returns the key of the record that a contact is linked to, with the link's state.
pub fn record_of(
    db: &Connection,
    namespace: Namespace,
    contact_no: i64,
) -> Result<Option<RecordKey>, StoreError> {
    let key: Option<String> = db
        .prepare_cached("SELECT key FROM link WHERE contact_no = ?1 AND namespace = ?2")?
        .query_row(params![contact_no, namespace.as_str()], |row| row.get(0))
        .optional()?;
    key.map(parsed_key).transpose()
}

/// What the roster knows of a record besides what a plan looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The state at the last journaled plan.
    pub state: String,
    /// What walks found since; `None`: no change.
    pub pending: Option<String>,
    /// The walk that first listed it, or listed it again, and when it began, in ms; `None` when that walk is no longer kept.
    pub walk: (i64, Option<i64>),
    /// The walk in which it was first absent, and when that began, in ms.
    pub missing: Option<(i64, Option<i64>)>,
}

/// Returns what the roster knows of a record, `None` when it is not in it.
pub fn listed(db: &Connection, job_no: i64, key: &RecordKey) -> Result<Option<Listed>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT r.state, r.pending, r.walk_no, w.began_ms, r.missing_walk, m.began_ms FROM roster r
             LEFT JOIN walk w ON w.no = r.walk_no LEFT JOIN walk m ON m.no = r.missing_walk
             WHERE r.job_no = ?1 AND r.key = ?2",
        )?
        .query_row(params![job_no, key.as_str()], |row| {
            let missing: Option<i64> = row.get(4)?;
            let missing_ms: Option<i64> = row.get(5)?;
            Ok(Listed {
                state: row.get(0)?,
                pending: row.get(1)?,
                walk: (row.get(2)?, row.get(3)?),
                missing: missing.map(|no| (no, missing_ms)),
            })
        })
        .optional()?)
}

/// Returns every claim on a contact's tags: the tag, the job, and whether an answer confirmed it.
pub fn claims(db: &Connection, contact_no: i64) -> Result<Vec<(String, String, bool)>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT c.tag, j.name, c.state = 'ours' FROM claim c JOIN job j ON j.no = c.job_no WHERE c.contact_no = ?1 ORDER BY c.tag, j.name",
    )?;
    let rows = statement.query_map([contact_no], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns the state of a record's link and the contact's row; `None` when there is none.
pub fn linked(
    db: &Connection,
    location_no: i64,
    namespace: Namespace,
    key: &RecordKey,
) -> Result<Option<(String, Option<i64>)>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT state, contact_no FROM link WHERE location_no = ?1 AND namespace = ?2 AND key = ?3",
        )?
        .query_row(params![location_no, namespace.as_str(), key.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?)
}
