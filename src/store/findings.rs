//! What reports tell once and people settle.

use rusqlite::{Connection, params};

use crate::model::{Digest, FieldKey, JobName, RecordKey};
use crate::plan::basis;

use super::error::StoreError;
use super::walks::parsed_key;

/// What kind of thing a person is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A person's value stands against ours.
    Conflict,
    /// The vendor refused the record as it is.
    Refused,
    /// Several contacts match.
    Ambiguous,
    /// Only a person can tell what became of a step.
    Asks,
    /// The mapping cannot make anything of the record.
    BadRow,
}

impl FindingKind {
    /// All kinds.
    pub const ALL: [FindingKind; 5] = [
        FindingKind::Conflict,
        FindingKind::Refused,
        FindingKind::Ambiguous,
        FindingKind::Asks,
        FindingKind::BadRow,
    ];

    /// Returns the word in the database and in reports.
    pub fn word(self) -> &'static str {
        match self {
            FindingKind::Conflict => "conflict",
            FindingKind::Refused => "refused",
            FindingKind::Ambiguous => "ambiguous",
            FindingKind::Asks => "asks",
            FindingKind::BadRow => "bad-row",
        }
    }

    fn from_word(word: &str) -> Result<FindingKind, StoreError> {
        FindingKind::ALL
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| StoreError::Corrupt {
                what: format!("finding.kind {word}"),
            })
    }
}

/// Something that stands until a person, the record or the contact changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The record.
    pub key: RecordKey,
    /// What kind.
    pub kind: FindingKind,
    /// The field of a conflict, else empty.
    pub field: String,
    /// Of what it depends on; another hash is news again.
    pub hash: String,
    /// The reason; of a conflict JSON with `wanted` and `seen`.
    pub what: String,
    /// The run that told it.
    pub run_no: i64,
}

impl Finding {
    /// Makes the finding of a field where a person's value stands against ours.
    ///
    /// It rests on the two values: the same conflict found by the planner and by an update that met it is the same finding.
    pub fn conflict(
        key: &RecordKey,
        field: &FieldKey,
        wanted: &str,
        seen: Option<&str>,
        run_no: i64,
    ) -> Finding {
        let what = serde_json::json!({ "wanted": wanted, "seen": seen }).to_string();
        Finding {
            key: key.clone(),
            kind: FindingKind::Conflict,
            field: field.to_string(),
            hash: basis(&what, &Digest::stored(String::new()), ""),
            what,
            run_no,
        }
    }
}

/// Stores findings; one that stands already with the same hash keeps the run that told it first.
pub fn note_findings(db: &Connection, job_no: i64, findings: &[Finding]) -> Result<(), StoreError> {
    let mut insert = db.prepare_cached(
        "INSERT INTO finding (job_no, key, kind, field, hash, what, run_no) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (job_no, key, kind, field) DO UPDATE SET hash = excluded.hash, what = excluded.what, run_no = excluded.run_no
         WHERE finding.hash != excluded.hash
            OR (SELECT summary FROM run WHERE no = finding.run_no) IS NULL",
    )?;
    for Finding {
        key,
        kind,
        field,
        hash,
        what,
        run_no,
    } in findings
    {
        insert.execute(params![
            job_no,
            key.as_str(),
            kind.word(),
            field,
            hash,
            what,
            run_no
        ])?;
    }
    Ok(())
}

/// Returns whether anything stands about a record.
pub fn has_any(db: &Connection, job_no: i64, key: &RecordKey) -> Result<bool, StoreError> {
    Ok(db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM finding WHERE job_no = ?1 AND key = ?2)")?
        .query_row(params![job_no, key.as_str()], |row| row.get(0))?)
}

/// Returns whether the same finding was told before, by a run that ended.
pub fn is_told(db: &Connection, job_no: i64, finding: &Finding) -> Result<bool, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM finding f JOIN run r ON r.no = f.run_no AND r.summary IS NOT NULL
             WHERE f.job_no = ?1 AND f.key = ?2 AND f.kind = ?3 AND f.field = ?4 AND f.hash = ?5)",
        )?
        .query_row(
            params![job_no, finding.key.as_str(), finding.kind.word(), finding.field, finding.hash],
            |row| row.get(0),
        )?)
}

/// Takes a record's findings of one kind away, but for the `standing` fields.
pub fn clear_findings(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    kind: FindingKind,
    standing: &[&str],
) -> Result<(), StoreError> {
    let standing = serde_json::to_string(standing).expect("a list of texts is always JSON");
    db.prepare_cached(
        "DELETE FROM finding WHERE job_no = ?1 AND key = ?2 AND kind = ?3
           AND field NOT IN (SELECT value FROM json_each(?4))",
    )?
    .execute(params![job_no, key.as_str(), kind.word(), standing])?;
    Ok(())
}

/// Returns a job's findings of a kind in key order, of one record when `key` is given.
pub fn findings(
    db: &Connection,
    job_no: i64,
    kind: FindingKind,
    key: Option<&RecordKey>,
) -> Result<Vec<Finding>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT key, kind, field, hash, what, run_no FROM finding
         WHERE job_no = ?1 AND kind = ?2 AND (?3 IS NULL OR key = ?3) ORDER BY key, field LIMIT 10000",
    )?;
    let rows = statement.query_map(
        params![job_no, kind.word(), key.map(RecordKey::as_str)],
        |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
            ))
        },
    )?;
    rows.map(|row| {
        let (key, kind, field, hash, what, run_no) = row?;
        Ok(Finding {
            key: parsed_key(key)?,
            kind: FindingKind::from_word(&kind)?,
            field,
            hash,
            what,
            run_no,
        })
    })
    .collect()
}

/// Returns what a run was the first to tell, in key order, at most `limit`.
pub fn told_by(
    db: &Connection,
    job_no: i64,
    run_no: i64,
    limit: i64,
) -> Result<Vec<Finding>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT key, kind, field, hash, what, run_no FROM finding WHERE job_no = ?1 AND run_no = ?2
         ORDER BY key, kind, field LIMIT ?3",
    )?;
    let rows = statement.query_map(params![job_no, run_no, limit], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
            row.get(5)?,
        ))
    })?;
    rows.map(|row| {
        let (key, kind, field, hash, what, run_no) = row?;
        Ok(Finding {
            key: parsed_key(key)?,
            kind: FindingKind::from_word(&kind)?,
            field,
            hash,
            what,
            run_no,
        })
    })
    .collect()
}

/// Takes a job's refusals away and lets the next plan look at their records, because what they rested on has changed.
pub fn forget_refusals(db: &Connection, job: &JobName) -> Result<(), StoreError> {
    db.execute(
        "UPDATE roster SET open = 1 WHERE job_no = (SELECT no FROM job WHERE name = ?1) AND key IN (
           SELECT key FROM finding WHERE job_no = (SELECT no FROM job WHERE name = ?1) AND kind = 'refused' LIMIT 4000)",
        [job.as_str()],
    )?;
    db.execute(
        "DELETE FROM finding WHERE kind = 'refused' AND job_no = (SELECT no FROM job WHERE name = ?1) AND key IN (
           SELECT key FROM finding WHERE job_no = (SELECT no FROM job WHERE name = ?1) AND kind = 'refused' LIMIT 4000)",
        [job.as_str()],
    )?;
    Ok(())
}

/// Counts a job's findings by kind.
pub fn count_findings(db: &Connection, job_no: i64) -> Result<Vec<(FindingKind, i64)>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT kind, count(*) FROM finding WHERE job_no = ?1 GROUP BY kind ORDER BY kind",
    )?;
    let rows = statement.query_map([job_no], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (word, count) = row?;
        Ok((FindingKind::from_word(&word)?, count))
    })
    .collect()
}
