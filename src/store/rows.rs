//! The rows that a plan must look at, and everything known about each.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::{FieldKey, Namespace, Record, RecordKey, Tag};
use crate::plan::{Candidate, Candidates, Claim, Linked, Presence, Row};

use super::error::StoreError;
use super::mirror::{by_value, mirrored, parsed};
use super::plans::Step;
use super::walks::parsed_key;

/// How many rows one snapshot of the database serves, so that a long plan does not keep the WAL from being cut.
const SNAPSHOT_ROWS: i64 = 20_000;

/// Which rows a plan looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// All of the roster: the mapping is new.
    All,
    /// Those whose record or contact changed after this tick, and those that the last plan left open.
    Since(i64),
}

/// Whose rows a plan looks at, and which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The job.
    pub job_no: i64,
    /// Walks up to this one are the roster.
    pub generation: i64,
    /// The location.
    pub location_no: i64,
    /// The namespace of the job's records.
    pub namespace: Namespace,
    /// Which rows.
    pub look: Look,
}

/// One roster row, before anything is looked up for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The row's number.
    pub no: i64,
    /// The record.
    pub record: Record,
    /// Its attributes as stored.
    pub attributes: String,
    /// Its state now.
    pub presence: Presence,
    /// Its state at the last journaled plan; `None` when it was not in the roster then.
    pub was: Option<Presence>,
    /// The number of its transition now.
    pub transition: u32,
    /// Whether the last plan left something to do.
    pub open: bool,
    /// The walk that first listed it, or listed it again.
    pub walk_no: i64,
}

/// Streams the next rows to look at after key `after`, in key order, at most `SNAPSHOT_ROWS`, to `each`; returns the last key looked at, `None` at the end.
pub fn next_rows<E: From<StoreError>>(
    db: &Connection,
    scope: Scope,
    after: &str,
    mut each: impl FnMut(&Listing) -> Result<(), E>,
) -> Result<Option<String>, E> {
    const COLUMNS: &str = "r.no, r.attributes, r.state, r.pending, r.transition, r.walk_no, r.open";
    let Scope {
        job_no,
        generation,
        location_no,
        namespace,
        look,
    } = scope;
    let sql = match look {
        Look::All => format!(
            "SELECT r.key, {COLUMNS} FROM roster r WHERE r.job_no = ?1 AND r.key > ?2 ORDER BY r.key LIMIT {SNAPSHOT_ROWS}"
        ),
        // The ordered union is merged and ends at its limit, so that the many open rows of a held plan are not collected for every chunk. The
        // left join keeps keys that another job alone lists: they are skipped, but say how far we are.
        Look::Since(_) => format!(
            "WITH touched (key) AS (
               SELECT key FROM roster INDEXED BY roster_tick WHERE job_no = ?1 AND tick > ?3 AND key > ?2
               UNION SELECT key FROM roster INDEXED BY roster_open WHERE job_no = ?1 AND open = 1 AND key > ?2
               UNION SELECT key FROM roster INDEXED BY roster_pending WHERE job_no = ?1 AND pending IS NOT NULL AND key > ?2
               UNION SELECT l.key FROM mirror m CROSS JOIN link l ON l.contact_no = m.no AND l.namespace = ?5
                     WHERE m.location_no = ?4 AND m.tick > ?3 AND l.key > ?2
               UNION SELECT w.key FROM mirror m CROSS JOIN mirror_key k ON k.contact_no = m.no AND k.location_no = ?4
                     CROSS JOIN waiting w ON w.job_no = ?1 AND w.field = k.field AND w.value = k.value
                     WHERE m.location_no = ?4 AND m.tick > ?3 AND w.key > ?2
               ORDER BY 1 LIMIT {SNAPSHOT_ROWS})
             SELECT t.key, {COLUMNS} FROM touched t LEFT JOIN roster r ON r.job_no = ?1 AND r.key = t.key ORDER BY t.key"
        ),
    };
    let mut statement = db.prepare_cached(&sql).map_err(StoreError::from)?;
    let mut rows = match look {
        Look::All => statement.query(params![job_no, after]),
        Look::Since(tick) => statement.query(params![
            job_no,
            after,
            tick,
            location_no,
            namespace.as_str()
        ]),
    }
    .map_err(StoreError::from)?;
    let mut last = None;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        let key: String = row.get(0).map_err(StoreError::from)?;
        if let Some(listing) = listing(row, &key, generation)? {
            each(&listing)?;
        }
        last = Some(key);
    }
    Ok(last)
}

/// Returns the roster row of one key, `None` when the roster has none.
pub fn listing_of(
    db: &Connection,
    job_no: i64,
    generation: i64,
    key: &RecordKey,
) -> Result<Option<Listing>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT r.key, r.no, r.attributes, r.state, r.pending, r.transition, r.walk_no, r.open FROM roster r
         WHERE r.job_no = ?1 AND r.key = ?2",
    )?;
    let mut rows = statement.query(params![job_no, key.as_str()])?;
    match rows.next()? {
        Some(row) => listing(row, key.as_str(), generation),
        None => Ok(None),
    }
}

/// Reads a listing; `None` for a key that is not in the roster.
fn listing(
    row: &rusqlite::Row<'_>,
    key: &str,
    generation: i64,
) -> Result<Option<Listing>, StoreError> {
    let Some(no) = row.get::<_, Option<i64>>(1)? else {
        return Ok(None);
    };
    let attributes: String = row.get(2)?;
    let known = |word: &str| {
        Presence::from_word(word).ok_or_else(|| StoreError::Corrupt {
            what: format!("roster state {word}"),
        })
    };
    let state = known(&row.get::<_, String>(3)?)?;
    let pending: Option<String> = row.get(4)?;
    let presence = pending.as_deref().map(known).transpose()?.unwrap_or(state);
    let walk_no: i64 = row.get(6)?;
    Ok(Some(Listing {
        no,
        record: Record {
            key: parsed_key(key.to_owned())?,
            attributes: parsed(&attributes, "roster.attributes")?,
        },
        attributes,
        presence,
        // A row that this walk brought back was planned before, as one that is out.
        was: (walk_no <= generation || state != Presence::In).then_some(state),
        transition: row.get::<_, u32>(5)? + u32::from(pending.is_some()),
        open: row.get(7)?,
        walk_no,
    }))
}

/// Builds the planner's row for one listing.
///
/// `match_values` are the values that the matching rules look for, in their order; they are looked up only when the link does not decide.
pub fn row_of(
    db: &Connection,
    job_no: i64,
    location_no: i64,
    namespace: Namespace,
    listing: &Listing,
    match_values: &[(FieldKey, String)],
) -> Result<Row, StoreError> {
    let key = listing.record.key.as_str();
    let (link, claimed_by) = linked(db, location_no, namespace, key)?;
    let found = match &link {
        Linked::To(contact) if !contact.gone => Vec::new(),
        Linked::Tombstone(_) => Vec::new(),
        Linked::To(_) | Linked::Claimed | Linked::No => {
            candidates(db, location_no, namespace, key, match_values)?
        }
    };
    let claims = match &link {
        Linked::To(contact) | Linked::Tombstone(contact) => claims(db, contact.no, job_no)?,
        Linked::Claimed | Linked::No => match free_candidate(&found) {
            Some(only) => claims(db, only.contact.no, job_no)?,
            None => Vec::new(),
        },
    };
    let open_step: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM step s JOIN plan p ON p.no = s.plan_no
             WHERE s.key = ?2 AND s.mark IN ('sent', 'unknown', 'asks') AND p.job_no = ?1
               AND s.kind NOT IN ('note', 'task', 'complete-task'))",
        )?
        .query_row(params![job_no, key], |row| row.get(0))?;
    // A create of another job for the same record is under way, or its answer was lost.
    let unsettled = open_step || claimed_by.is_some_and(|other| other != job_no);
    let refused = db
        .prepare_cached(
            "SELECT hash FROM finding WHERE job_no = ?1 AND key = ?2 AND kind = 'refused' AND field = ''",
        )?
        .query_row(params![job_no, key], |row| row.get(0))
        .optional()?;
    Ok(Row {
        record: listing.record.clone(),
        presence: listing.presence,
        was: listing.was,
        transition: listing.transition,
        link,
        found,
        claims,
        unsettled,
        refused,
    })
}

fn linked(
    db: &Connection,
    location_no: i64,
    namespace: Namespace,
    key: &str,
) -> Result<(Linked, Option<i64>), StoreError> {
    let link: Option<(Option<i64>, String, Option<i64>)> = db
        .prepare_cached(
            "SELECT contact_no, state, claimed_by FROM link WHERE location_no = ?1 AND namespace = ?2 AND key = ?3",
        )?
        .query_row(params![location_no, namespace.as_str(), key], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    Ok(match link {
        None => (Linked::No, None),
        Some((None, _, claimed_by)) => (Linked::Claimed, claimed_by),
        Some((Some(no), state, _)) => {
            let contact = Box::new(mirrored(db, no)?);
            if state == "tombstone" {
                (Linked::Tombstone(contact), None)
            } else {
                (Linked::To(contact), None)
            }
        }
    })
}

/// Returns the first contact that a rule found and that belongs to no other record.
fn free_candidate(found: &[Candidates]) -> Option<&Candidate> {
    let mut contacts = found.iter().flat_map(|found| &found.contacts);
    contacts.find(|candidate| !candidate.taken)
}

fn candidates(
    db: &Connection,
    location_no: i64,
    namespace: Namespace,
    key: &str,
    match_values: &[(FieldKey, String)],
) -> Result<Vec<Candidates>, StoreError> {
    let mut found = Vec::new();
    for (field, value) in match_values {
        let mut contacts = Vec::new();
        for contact in by_value(db, location_no, field, value)? {
            let owner: Option<String> = db
                .prepare_cached("SELECT key FROM link WHERE contact_no = ?1 AND namespace = ?2")?
                .query_row(params![contact.no, namespace.as_str()], |row| row.get(0))
                .optional()?;
            let taken = owner.is_some_and(|owner| owner != key);
            contacts.push(Candidate { contact, taken });
        }
        found.push(Candidates {
            by: format!("field:{field}"),
            contacts,
        });
    }
    Ok(found)
}

fn claims(db: &Connection, contact_no: i64, job_no: i64) -> Result<Vec<Claim>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT tag, job_no, state, transition FROM claim WHERE contact_no = ?1 ORDER BY tag, job_no")?;
    let rows = statement.query_map([contact_no], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, u32>(3)?,
        ))
    })?;
    rows.map(|row| {
        let (tag, owner, state, transition) = row?;
        let tag = Tag::try_from(tag).map_err(|error| StoreError::Corrupt {
            what: error.to_string(),
        })?;
        Ok(Claim {
            tag,
            mine: owner == job_no,
            confirmed: state == "ours",
            transition,
        })
    })
    .collect()
}

/// Returns the texts that a row's refusal rests on: what its contact shows, or nothing.
pub fn shown(row: &Row) -> String {
    let contact = match &row.link {
        Linked::To(contact) | Linked::Tombstone(contact) => Some(contact.as_ref()),
        Linked::Claimed | Linked::No => free_candidate(&row.found).map(|found| &found.contact),
    };
    let fields: BTreeMap<_, _> = contact
        .map(|contact| contact.seen.clone())
        .unwrap_or_default();
    let tags = contact.and_then(|contact| contact.tags.clone());
    serde_json::to_string(&(contact.map(|contact| &contact.id), fields, tags))
        .expect("texts are always JSON")
}

/// What a journaled plan leaves behind for one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The roster row.
    pub no: i64,
    /// Whether the next plan must look at it again.
    pub open: bool,
    /// The values by which a contact may still be found, for a record that waits for one.
    pub waiting: Vec<(FieldKey, String)>,
}

/// Stores what a plan leaves behind for rows where that changed.
pub fn note_outcomes(db: &Connection, job_no: i64, outcomes: &[Outcome]) -> Result<(), StoreError> {
    for Outcome { no, open, waiting } in outcomes {
        db.prepare_cached("UPDATE roster SET open = ?2 WHERE no = ?1 AND open != ?2")?
            .execute(params![no, open])?;
        for (field, value) in waiting {
            db.prepare_cached(
                "INSERT OR IGNORE INTO waiting (job_no, field, value, key)
                 SELECT ?1, ?2, ?3, key FROM roster WHERE no = ?4",
            )?
            .execute(params![job_no, field.as_str(), value, no])?;
        }
    }
    Ok(())
}

/// Closes the row of a record whose plan was the link alone, now that it is there: nothing is left to do until something changes.
///
/// Not when the contact is not wholly known yet (`keys` managed keys): then the next plan still has to read it.
pub fn close_linked(
    db: &Connection,
    job_no: i64,
    step: &Step,
    contact_no: i64,
    keys: usize,
) -> Result<(), StoreError> {
    // Steps of one record stand next to each other.
    db.prepare_cached(
        "UPDATE roster SET open = 0 WHERE job_no = ?1 AND key = ?2 AND open = 1
           AND NOT EXISTS (SELECT 1 FROM step WHERE plan_no = ?3 AND seq IN (?4 - 1, ?4 + 1) AND key = ?2)
           AND NOT EXISTS (SELECT 1 FROM event WHERE job_no = ?1 AND key = ?2 AND state IN ('due', 'sent'))
           AND EXISTS (SELECT 1 FROM mirror WHERE no = ?5 AND tags IS NOT NULL AND (SELECT count(*) FROM json_each(seen)) >= ?6)",
    )?
    .execute(params![
        job_no,
        step.key.as_str(),
        step.plan_no,
        step.seq,
        contact_no,
        i64::try_from(keys).unwrap_or(i64::MAX)
    ])?;
    Ok(())
}

/// Makes the states that walks found those of the roster, a chunk at a time; returns whether any may be left.
///
/// Only for rows that move to one of `states`: whoever calls leaves out those that a guard holds.
pub fn accept_pending(
    db: &Connection,
    job_no: i64,
    states: &[Presence],
) -> Result<bool, StoreError> {
    let mut changed = 0;
    for state in states {
        changed += db
            .prepare_cached(
                "UPDATE roster SET state = pending, pending = NULL, transition = transition + 1 WHERE no IN (
                   SELECT no FROM roster WHERE job_no = ?1 AND pending = ?2 LIMIT 4000)",
            )?
            .execute(params![job_no, state.word()])?;
    }
    Ok(changed > 0)
}
