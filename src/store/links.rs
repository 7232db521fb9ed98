//! Links and claims: who is whom, and which tags are ours.

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::{Namespace, RecordKey, Tag};

use super::error::StoreError;

/// Claims the link of a record for a job before its contact is created; returns whether it was free.
///
/// A claim of another job stands: its create is under way or its answer was lost. `replace` lets the claim take the place of a link to a contact
/// that is gone.
pub fn claim_link(
    db: &Connection,
    location_no: i64,
    namespace: Namespace,
    key: &RecordKey,
    job_no: i64,
    replace: bool,
) -> Result<bool, StoreError> {
    let changed = db
        .prepare_cached(
            "INSERT INTO link (location_no, namespace, key, contact_no, state, claimed_by) VALUES (?1, ?2, ?3, NULL, 'claimed', ?4)
             ON CONFLICT (location_no, namespace, key) DO UPDATE SET contact_no = NULL, state = 'claimed', claimed_by = excluded.claimed_by
             WHERE (link.state = 'claimed' AND link.claimed_by = excluded.claimed_by)
                OR (?5 AND link.state != 'claimed'
                    AND (SELECT gone_ms FROM mirror WHERE no = link.contact_no) IS NOT NULL)",
        )?
        .execute(params![location_no, namespace.as_str(), key.as_str(), job_no, replace])?;
    Ok(changed == 1)
}

/// Links a record to a contact; returns whether it could be: neither may be linked to another that is still there.
pub fn link(
    db: &Connection,
    location_no: i64,
    namespace: Namespace,
    key: &RecordKey,
    contact_no: i64,
) -> Result<bool, StoreError> {
    let owner: Option<String> = db
        .prepare_cached("SELECT key FROM link WHERE contact_no = ?1 AND namespace = ?2")?
        .query_row(params![contact_no, namespace.as_str()], |row| row.get(0))
        .optional()?;
    if owner.is_some_and(|owner| owner != key.as_str()) {
        return Ok(false);
    }
    let changed = db
        .prepare_cached(
            "INSERT INTO link (location_no, namespace, key, contact_no, state) VALUES (?1, ?2, ?3, ?4, 'linked')
             ON CONFLICT (location_no, namespace, key) DO UPDATE
             SET contact_no = excluded.contact_no, state = 'linked', claimed_by = NULL
             WHERE link.state != 'linked' OR link.contact_no = excluded.contact_no
                OR (SELECT gone_ms FROM mirror WHERE no = link.contact_no) IS NOT NULL",
        )?
        .execute(params![location_no, namespace.as_str(), key.as_str(), contact_no])?;
    Ok(changed == 1)
}

/// Returns the key of the record that a contact is linked to, a buried link included.
pub fn owner(
    db: &Connection,
    namespace: Namespace,
    contact_no: i64,
) -> Result<Option<String>, StoreError> {
    Ok(db
        .prepare_cached("SELECT key FROM link WHERE contact_no = ?1 AND namespace = ?2")?
        .query_row(params![contact_no, namespace.as_str()], |row| row.get(0))
        .optional()?)
}

/// Buries a link: the contact was deleted by a person and is not made again.
pub fn bury(
    db: &Connection,
    location_no: i64,
    namespace: Namespace,
    key: &RecordKey,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE link SET state = 'tombstone' WHERE location_no = ?1 AND namespace = ?2 AND key = ?3 AND contact_no IS NOT NULL",
    )?
    .execute(params![location_no, namespace.as_str(), key.as_str()])?;
    Ok(())
}

/// Forgets a link that a job claimed and whose create surely never happened.
pub fn release_link(
    db: &Connection,
    location_no: i64,
    namespace: Namespace,
    key: &RecordKey,
    job_no: i64,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "DELETE FROM link WHERE location_no = ?1 AND namespace = ?2 AND key = ?3 AND state = 'claimed' AND claimed_by = ?4",
    )?
    .execute(params![location_no, namespace.as_str(), key.as_str(), job_no])?;
    Ok(())
}

/// Forgets a link; returns the contact it went to.
pub fn unlink(
    db: &Connection,
    location_no: i64,
    namespace: Namespace,
    key: &RecordKey,
) -> Result<Option<i64>, StoreError> {
    Ok(db
        .query_row(
            "DELETE FROM link WHERE location_no = ?1 AND namespace = ?2 AND key = ?3 RETURNING contact_no",
            params![location_no, namespace.as_str(), key.as_str()],
            |row| row.get::<_, Option<i64>>(0),
        )
        .optional()?
        .flatten())
}

/// Returns the contact that a record is linked to.
pub fn linked_contact(
    db: &Connection,
    location_no: i64,
    namespace: Namespace,
    key: &RecordKey,
) -> Result<Option<i64>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT contact_no FROM link WHERE location_no = ?1 AND namespace = ?2 AND key = ?3 AND state = 'linked'",
        )?
        .query_row(params![location_no, namespace.as_str(), key.as_str()], |row| row.get::<_, Option<i64>>(0))
        .optional()?
        .flatten())
}

/// Returns whether a contact is linked to any record.
pub fn is_linked(db: &Connection, contact_no: i64) -> Result<bool, StoreError> {
    Ok(db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM link WHERE contact_no = ?1)")?
        .query_row([contact_no], |row| row.get(0))?)
}

/// Notes that a tag is about to be added for a job; confirmed once an answer shows it.
pub fn claim_sent(
    db: &Connection,
    contact_no: i64,
    tag: &Tag,
    job_no: i64,
    transition: u32,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO claim (contact_no, tag, job_no, state, transition) VALUES (?1, ?2, ?3, 'sent', ?4)
         ON CONFLICT (contact_no, tag, job_no) DO NOTHING",
    )?
    .execute(params![contact_no, tag.as_str(), job_no, transition])?;
    Ok(())
}

/// Confirms that a tag is ours for a job, at a transition.
pub fn claim_ours(
    db: &Connection,
    contact_no: i64,
    tag: &Tag,
    job_no: i64,
    transition: u32,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO claim (contact_no, tag, job_no, state, transition) VALUES (?1, ?2, ?3, 'ours', ?4)
         ON CONFLICT (contact_no, tag, job_no) DO UPDATE SET state = 'ours', transition = excluded.transition",
    )?
    .execute(params![contact_no, tag.as_str(), job_no, transition])?;
    Ok(())
}

/// Returns whether a job has a claim on a tag, confirmed or not.
pub fn has_claim(
    db: &Connection,
    contact_no: i64,
    tag: &Tag,
    job_no: i64,
) -> Result<Option<bool>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT state = 'ours' FROM claim WHERE contact_no = ?1 AND tag = ?2 AND job_no = ?3",
        )?
        .query_row(params![contact_no, tag.as_str(), job_no], |row| row.get(0))
        .optional()?)
}

/// Gives up a job's claim on a tag.
pub fn unclaim(db: &Connection, contact_no: i64, tag: &Tag, job_no: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM claim WHERE contact_no = ?1 AND tag = ?2 AND job_no = ?3")?
        .execute(params![contact_no, tag.as_str(), job_no])?;
    Ok(())
}

/// Gives up all of a job's claims on a contact.
pub fn unclaim_all(db: &Connection, contact_no: i64, job_no: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM claim WHERE contact_no = ?1 AND job_no = ?2")?
        .execute(params![contact_no, job_no])?;
    Ok(())
}

/// Moves the claims on a contact that was merged away to the one it was merged into.
pub fn move_claims(db: &Connection, from_no: i64, to_no: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE OR IGNORE claim SET contact_no = ?2 WHERE contact_no = ?1",
        params![from_no, to_no],
    )?;
    db.execute("DELETE FROM claim WHERE contact_no = ?1", [from_no])?;
    Ok(())
}
