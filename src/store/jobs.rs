//! Jobs, locations and facts that are kept for a while.

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::{Digest, JobName, LocationId, Namespace};

use super::error::StoreError;

/// What is remembered of a job between runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// The job's number in the database.
    pub no: i64,
    /// The mapping that a person let through guard *first*.
    pub approved: Option<Digest>,
    /// Whose listing it was when a person did, by the source's own id.
    pub channel: Option<String>,
    /// The mapping that was last journaled.
    pub mapping: Option<Digest>,
    /// Changes up to this tick were planned.
    pub planned_tick: i64,
    /// Rows of walks up to this one are the roster.
    pub generation: i64,
    /// When the last walk that ended began, in ms of the vendor's clock.
    pub last_walk_began_ms: Option<i64>,
    /// The last Complete walk.
    pub complete: Option<CompleteWalk>,
    /// Full walks in a row that were cut for the gap alone.
    pub gap_cuts: i64,
    /// When the last of them began, in ms; `None` when the last full walk added up.
    pub gap_cut_ms: Option<i64>,
    /// Keys first seen in passes begun after the last Complete walk.
    pub added_since: i64,
    /// Records that are in, counting what the last walks found.
    pub roster_size: i64,
    /// What the vendor's total lacks against what we expect; negative when it has more.
    pub debt: i64,
    /// Passes in a row that saw a debt.
    pub debt_passes: i64,
    /// The last moment of the `full` schedule that was served, in ms.
    pub last_full_due_ms: Option<i64>,
    /// The first walk that ended: what walks up to it listed is no news.
    pub first_walk_no: Option<i64>,
}

/// The last Complete walk of a job's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompleteWalk {
    /// The walk.
    pub no: i64,
    /// When it began, in ms.
    pub began_ms: i64,
    /// The vendor's total on its first page.
    pub total: Option<i64>,
    /// Rows listed minus that total.
    pub gap: i64,
}

/// What is remembered of a location between runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationState {
    /// The location's number in the database.
    pub no: i64,
    /// Where the next incremental walk starts, in ms of the vendor's clock.
    pub watermark_ms: Option<i64>,
    /// When the last Complete contacts walk ended.
    pub complete_ms: Option<i64>,
    /// Its listed rows minus the vendor's total.
    pub complete_gap: Option<i64>,
    /// The match keys it read.
    pub complete_keys: Vec<String>,
    /// When the mirror was last refreshed.
    pub refreshed_ms: Option<i64>,
    /// The job that refreshed it.
    pub refreshed_job: Option<i64>,
    /// The managed keys at that time.
    pub refreshed_keys: Vec<String>,
    /// Full contacts walks in a row that were cut for the gap alone.
    pub gap_cuts: i64,
    /// When the last of them ended, in ms; `None` when the last one added up.
    pub gap_cut_ms: Option<i64>,
}

/// Returns the state of a job, made when there is none.
pub fn job_state(db: &Connection, name: &JobName) -> Result<JobState, StoreError> {
    db.prepare_cached("INSERT INTO job (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?
        .execute([name.as_str()])?;
    find_job(db, name)?.ok_or_else(|| StoreError::Corrupt {
        what: format!("the row of job {name} is gone"),
    })
}

/// Returns the state of a job, `None` when it never ran.
pub fn find_job(db: &Connection, name: &JobName) -> Result<Option<JobState>, StoreError> {
    let state = db
        .prepare_cached(
            "SELECT no, approved, mapping, planned_tick, generation, last_walk_began_ms, complete_walk_no, complete_began_ms,
                    complete_total, complete_gap, gap_cuts, added_since, debt, debt_passes, last_full_due_ms, roster_size, gap_cut_ms, channel, first_walk_no
             FROM job WHERE name = ?1",
        )?
        .query_row([name.as_str()], |row| {
            let complete_no: Option<i64> = row.get(6)?;
            Ok(JobState {
                no: row.get(0)?,
                approved: row.get::<_, Option<String>>(1)?.map(Digest::stored),
                mapping: row.get::<_, Option<String>>(2)?.map(Digest::stored),
                planned_tick: row.get(3)?,
                generation: row.get(4)?,
                last_walk_began_ms: row.get(5)?,
                complete: match complete_no {
                    None => None,
                    Some(no) => Some(CompleteWalk {
                        no,
                        began_ms: row.get(7)?,
                        total: row.get(8)?,
                        gap: row.get::<_, Option<i64>>(9)?.unwrap_or_default(),
                    }),
                },
                gap_cuts: row.get(10)?,
                added_since: row.get(11)?,
                debt: row.get(12)?,
                debt_passes: row.get(13)?,
                last_full_due_ms: row.get(14)?,
                roster_size: row.get(15)?,
                gap_cut_ms: row.get(16)?,
                channel: row.get(17)?,
                first_walk_no: row.get(18)?,
            })
        })
        .optional()?;
    Ok(state)
}

/// Notes the namespace of a job's records, so that what one listing tells of a person reaches the rosters of all.
pub fn note_namespace(
    db: &Connection,
    job_no: i64,
    namespace: Namespace,
) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE job SET namespace = ?2 WHERE no = ?1 AND namespace IS NOT ?2")?
        .execute(params![job_no, namespace.as_str()])?;
    Ok(())
}

/// Lets a part of a job file take over what is remembered of the whole, when the whole was this part alone until now.
///
/// The digest of what it wants tells: it covers account, channel and mapping.
pub fn adopt(
    db: &Connection,
    part: &JobName,
    whole: &JobName,
    mapping: &Digest,
) -> Result<bool, StoreError> {
    let changed = db
        .prepare_cached(
            "UPDATE job SET name = ?1 WHERE name = ?2 AND mapping = ?3 AND NOT EXISTS (SELECT 1 FROM job WHERE name = ?1)",
        )?
        .execute(params![part.as_str(), whole.as_str(), mapping.as_str()])?;
    Ok(changed == 1)
}

/// Returns the state of a location, made when there is none.
pub fn location_state(db: &Connection, id: &LocationId) -> Result<LocationState, StoreError> {
    db.prepare_cached("INSERT INTO location (id) VALUES (?1) ON CONFLICT (id) DO NOTHING")?
        .execute([id.as_str()])?;
    let list = |text: String| serde_json::from_str(&text).unwrap_or_default();
    Ok(db
        .prepare_cached(
            "SELECT no, watermark_ms, complete_ms, complete_gap, complete_keys, refreshed_ms, refreshed_job, refreshed_keys, gap_cuts, gap_cut_ms
             FROM location WHERE id = ?1",
        )?
        .query_row([id.as_str()], |row| {
            Ok(LocationState {
                no: row.get(0)?,
                watermark_ms: row.get(1)?,
                complete_ms: row.get(2)?,
                complete_gap: row.get(3)?,
                complete_keys: list(row.get(4)?),
                refreshed_ms: row.get(5)?,
                refreshed_job: row.get(6)?,
                refreshed_keys: list(row.get(7)?),
                gap_cuts: row.get(8)?,
                gap_cut_ms: row.get(9)?,
            })
        })?)
}

/// Returns the match keys that the last full contacts walk of a location read; `None` when none has ended Complete.
pub fn complete_keys(db: &Connection, location_no: i64) -> Result<Option<Vec<String>>, StoreError> {
    let keys: Option<String> = db
        .prepare_cached(
            "SELECT complete_keys FROM location WHERE no = ?1 AND complete_ms IS NOT NULL",
        )?
        .query_row([location_no], |row| row.get(0))
        .optional()?;
    Ok(keys.map(|keys| serde_json::from_str(&keys).unwrap_or_default()))
}

/// Notes that an incremental walk ended, so that the next one starts at `watermark_ms`.
pub fn note_refreshed(
    db: &Connection,
    location_no: i64,
    job_no: i64,
    watermark_ms: i64,
    refreshed_ms: i64,
    managed_keys: &[String],
) -> Result<(), StoreError> {
    db.execute(
        "UPDATE location SET watermark_ms = ?3, refreshed_ms = ?4, refreshed_job = ?2, refreshed_keys = ?5 WHERE no = ?1",
        params![location_no, job_no, watermark_ms, refreshed_ms, json_list(managed_keys)],
    )?;
    Ok(())
}

/// Notes that a full contacts walk ended Complete; what changed while it went on is read from `watermark_ms`.
pub fn note_contacts_complete(
    db: &Connection,
    location_no: i64,
    ended_ms: i64,
    gap: i64,
    watermark_ms: i64,
    match_keys: &[String],
) -> Result<(), StoreError> {
    db.execute(
        "UPDATE location SET complete_ms = ?2, complete_gap = ?3, watermark_ms = coalesce(watermark_ms, ?4), complete_keys = ?5,
           gap_cuts = 0, gap_cut_ms = NULL WHERE no = ?1",
        params![location_no, ended_ms, gap, watermark_ms, json_list(match_keys)],
    )?;
    Ok(())
}

/// Notes which match keys are left of those that the last Complete contacts walk read.
pub fn keep_match_keys(
    db: &Connection,
    location_no: i64,
    match_keys: &[String],
) -> Result<(), StoreError> {
    db.execute(
        "UPDATE location SET complete_keys = ?2 WHERE no = ?1",
        params![location_no, json_list(match_keys)],
    )?;
    Ok(())
}

/// Notes that a full contacts walk was cut for the gap alone; what was read is kept up to date from `watermark_ms` all the same.
pub fn note_contacts_gap(
    db: &Connection,
    location_no: i64,
    ended_ms: i64,
    watermark_ms: i64,
) -> Result<(), StoreError> {
    db.execute(
        "UPDATE location SET gap_cuts = gap_cuts + 1, gap_cut_ms = ?2, watermark_ms = coalesce(watermark_ms, ?3) WHERE no = ?1",
        params![location_no, ended_ms, watermark_ms],
    )?;
    Ok(())
}

/// Returns how many contacts a bulk tag call of the location takes, as learned, and how many full calls in a row were clean.
pub fn batch(db: &Connection, location_no: i64) -> Result<(i64, i64), StoreError> {
    Ok(db.query_row(
        "SELECT batch_size, clean_calls FROM location WHERE no = ?1",
        [location_no],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?)
}

/// Learns from an answer that named only `answered` of the contacts: more than that is cut without a word.
pub fn batch_was_cut(db: &Connection, location_no: i64, answered: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE location SET batch_size = max(1, min(batch_size, ?2)), clean_calls = 0 WHERE no = ?1",
        params![location_no, answered],
    )?;
    Ok(())
}

/// Learns from a clean bulk call that was full: after ten of them the batch doubles, up to 500.
pub fn batch_was_clean(db: &Connection, location_no: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE location SET
           batch_size = CASE WHEN clean_calls >= 9 THEN min(500, batch_size * 2) ELSE batch_size END,
           clean_calls = CASE WHEN clean_calls >= 9 THEN 0 ELSE clean_calls + 1 END
         WHERE no = ?1",
        [location_no],
    )?;
    Ok(())
}

/// Learns from a refusal that named no contact: the batch of `sent` was too large.
pub fn batch_was_refused(db: &Connection, location_no: i64, sent: i64) -> Result<i64, StoreError> {
    let half = (sent / 2).max(1);
    db.execute(
        "UPDATE location SET batch_size = min(batch_size, ?2), clean_calls = 0 WHERE no = ?1",
        params![location_no, half],
    )?;
    Ok(half)
}

/// Returns a fact kept under `name` that is younger than `since_ms`.
pub fn kept(db: &Connection, name: &str, since_ms: i64) -> Result<Option<String>, StoreError> {
    Ok(kept_at(db, name, since_ms)?.map(|(value, _)| value))
}

/// Returns a fact kept under `name` that is younger than `since_ms`, and since when it is kept.
pub fn kept_at(
    db: &Connection,
    name: &str,
    since_ms: i64,
) -> Result<Option<(String, i64)>, StoreError> {
    Ok(db
        .prepare_cached("SELECT value, kept_ms FROM kept WHERE name = ?1 AND kept_ms >= ?2")?
        .query_row(params![name, since_ms], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?)
}

/// Keeps a fact under `name`.
pub fn keep(db: &Connection, name: &str, value: &str, now_ms: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO kept (name, value, kept_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, kept_ms = excluded.kept_ms",
    )?
    .execute(params![name, value, now_ms])?;
    Ok(())
}

/// Forgets a kept fact.
pub fn unkeep(db: &Connection, name: &str) -> Result<(), StoreError> {
    db.execute("DELETE FROM kept WHERE name = ?1", [name])?;
    Ok(())
}

/// Lets a kept fact count as old, so that it is read again.
pub fn stale(db: &Connection, name: &str) -> Result<(), StoreError> {
    db.execute("UPDATE kept SET kept_ms = 0 WHERE name = ?1", [name])?;
    Ok(())
}

/// Takes the next tick.
pub(super) fn next_tick(db: &Connection) -> Result<i64, StoreError> {
    Ok(db
        .prepare_cached("UPDATE counter SET tick = tick + 1 WHERE id = 1 RETURNING tick")?
        .query_row([], |row| row.get(0))?)
}

/// Returns the last tick taken.
pub fn last_tick(db: &Connection) -> Result<i64, StoreError> {
    Ok(
        db.query_row("SELECT tick FROM counter WHERE id = 1", [], |row| {
            row.get(0)
        })?,
    )
}

pub(super) fn json_list(items: &[String]) -> String {
    serde_json::to_string(items).expect("a list of texts is always JSON")
}
