//! Notes and tasks: what came up for a record, once by its key, and what became of it.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::model::{Change, EventKey, RecordKey, StepKind};
use crate::plan::events::{EventState, Past};
use crate::plan::wanted::Watched;

use super::error::StoreError;
use super::mirror::parsed;

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub no: i64,
    /// The record.
    pub key: String,
    /// What it says.
    pub past: Past,
    /// The contact that it was sent to.
    pub contact_no: Option<i64>,
    /// The vendor's id of the note or task.
    pub vendor_id: Option<String>,
    /// When the task is due, as it was sent, in ms.
    pub due_ms: Option<i64>,
    /// When it came up, in ms.
    pub made_ms: i64,
    /// When it was carried out, in ms.
    pub done_ms: Option<i64>,
    /// When the task was marked as done by us, in ms.
    pub completed_ms: Option<i64>,
    /// Why it was refused or dropped.
    pub why: Option<String>,
}

const COLUMNS: &str = "no, key, change, transition, not_before_ms, state, contact_no, vendor_id, due_ms, made_ms, done_ms, completed_ms, why, kind";

fn kept(row: &Row<'_>) -> Result<Kept, StoreError> {
    let (change, state): (String, String) = (row.get(2)?, row.get(5)?);
    let (completed_ms, vendor_id): (Option<i64>, Option<String>) = (row.get(11)?, row.get(7)?);
    let state = EventState::from_word(&state).ok_or_else(|| StoreError::Corrupt {
        what: format!("event.state {state}"),
    })?;
    let change: Change = parsed(&change, "event.change")?;
    let is_task = change.kind() == StepKind::Task;
    Ok(Kept {
        no: row.get(0)?,
        key: row.get(1)?,
        past: Past {
            transition: row.get(3)?,
            not_before_ms: row.get(4)?,
            state,
            is_open_task: is_task
                && state == EventState::Done
                && completed_ms.is_none()
                && vendor_id.is_some(),
            change,
        },
        contact_no: row.get(6)?,
        vendor_id,
        due_ms: row.get(8)?,
        made_ms: row.get(9)?,
        done_ms: row.get(10)?,
        completed_ms,
        why: row.get(12)?,
    })
}

/// Returns every event of a record in a job, oldest first.
pub fn of_record(db: &Connection, job_no: i64, key: &RecordKey) -> Result<Vec<Kept>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM event WHERE job_no = ?1 AND key = ?2 ORDER BY no");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![job_no, key.as_str()])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(kept(row)?);
    }
    Ok(events)
}

/// Returns whether a job has any events at all: most jobs have none, and no record of them needs to be asked about.
pub fn has_any(db: &Connection, job_no: i64) -> Result<bool, StoreError> {
    Ok(db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM event WHERE job_no = ?1)")?
        .query_row([job_no], |row| row.get(0))?)
}

/// Remembers an event that came up, as due; one that came up before stays as it is.
pub fn remember(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    change: &Change,
    transition: u32,
    not_before_ms: Option<i64>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Some((event, _)) = change.event() else {
        return Ok(());
    };
    let EventKey {
        moment,
        occurrence,
        place,
    } = event;
    db.prepare_cached(
        "INSERT INTO event (job_no, key, moment, occurrence, place, kind, change, transition, not_before_ms, state, made_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'due', ?10) ON CONFLICT (job_no, key, moment, occurrence, place) DO NOTHING",
    )?
    .execute(params![
        job_no,
        key.as_str(),
        moment,
        occurrence,
        place,
        change.kind().word(),
        change.json(),
        transition,
        not_before_ms,
        now_ms
    ])?;
    Ok(())
}

/// Gives up an event that was not sent: nobody wants it any more. It may come up again.
pub fn forget(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    event: &EventKey,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "DELETE FROM event WHERE job_no = ?1 AND key = ?2 AND moment = ?3 AND occurrence = ?4 AND place = ?5 AND state = 'due'",
    )?
    .execute(params![job_no, key.as_str(), event.moment, event.occurrence, event.place])?;
    Ok(())
}

/// Gives up what was due when a broadcast had ended, because it goes on after all.
pub fn cancel(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    occurrence: &str,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "DELETE FROM event WHERE job_no = ?1 AND key = ?2 AND moment = 'leave' AND occurrence = ?3 AND state = 'due'",
    )?
    .execute(params![job_no, key.as_str(), occurrence])?;
    Ok(())
}

/// Moves the event of a step from one of `from` to a state; anything else stays as it is.
fn move_event(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    change: &Change,
    from: &[EventState],
    to: EventState,
    why: Option<&str>,
) -> Result<(), StoreError> {
    let Some((event, _)) = change.event() else {
        return Ok(());
    };
    let from: Vec<&str> = from.iter().map(|state| state.word()).collect();
    let from = serde_json::to_string(&from).expect("a list of words is always JSON");
    db.prepare_cached(
        "UPDATE event SET state = ?6, why = ?7 WHERE job_no = ?1 AND key = ?2 AND moment = ?3 AND occurrence = ?4 AND place = ?5
           AND state IN (SELECT value FROM json_each(?8))",
    )?
    .execute(params![
        job_no,
        key.as_str(),
        event.moment,
        event.occurrence,
        event.place,
        to.word(),
        why,
        from
    ])?;
    Ok(())
}

/// Notes that the call of an event is about to be made: whose contact it is for, and when the task is due.
pub fn sent(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    change: &Change,
    contact_no: i64,
    due_ms: Option<i64>,
) -> Result<(), StoreError> {
    move_event(
        db,
        job_no,
        key,
        change,
        &[EventState::Due],
        EventState::Sent,
        None,
    )?;
    let Some((event, _)) = change.event() else {
        return Ok(());
    };
    db.prepare_cached(
        "UPDATE event SET contact_no = ?6, due_ms = ?7 WHERE job_no = ?1 AND key = ?2 AND moment = ?3 AND occurrence = ?4 AND place = ?5",
    )?
    .execute(params![
        job_no,
        key.as_str(),
        event.moment,
        event.occurrence,
        event.place,
        contact_no,
        due_ms
    ])?;
    Ok(())
}

/// Notes that the call of an event was surely not carried out: it is due as before.
pub fn due_again(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    change: &Change,
) -> Result<(), StoreError> {
    move_event(
        db,
        job_no,
        key,
        change,
        &[EventState::Sent],
        EventState::Due,
        None,
    )
}

/// Notes that the vendor refused an event, or that it can never be sent; `retry` makes it due again.
pub fn refuse(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    change: &Change,
    why: &str,
) -> Result<(), StoreError> {
    let from = [EventState::Due, EventState::Sent];
    move_event(
        db,
        job_no,
        key,
        change,
        &from,
        EventState::Refused,
        Some(why),
    )
}

/// Notes that nobody is there to whom an event could go any more.
pub fn drop_for_good(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    change: &Change,
    why: &str,
) -> Result<(), StoreError> {
    let from = [EventState::Due, EventState::Sent];
    move_event(
        db,
        job_no,
        key,
        change,
        &from,
        EventState::Dropped,
        Some(why),
    )
}

/// Notes that an event was carried out, with the vendor's id of what it made.
pub fn done(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    change: &Change,
    vendor_id: Option<&str>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let from = [EventState::Due, EventState::Sent];
    move_event(db, job_no, key, change, &from, EventState::Done, None)?;
    let Some((event, _)) = change.event() else {
        return Ok(());
    };
    db.prepare_cached(
        "UPDATE event SET vendor_id = ?6, done_ms = ?7 WHERE job_no = ?1 AND key = ?2 AND moment = ?3 AND occurrence = ?4 AND place = ?5",
    )?
    .execute(params![
        job_no,
        key.as_str(),
        event.moment,
        event.occurrence,
        event.place,
        vendor_id,
        now_ms
    ])?;
    Ok(())
}

/// Notes that a task was marked as done.
pub fn completed(db: &Connection, event_no: i64, now_ms: i64) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE event SET completed_ms = ?2 WHERE no = ?1")?
        .execute(params![event_no, now_ms])?;
    Ok(())
}

/// Makes the refused events of a record due again; returns how many there were.
pub fn retry(db: &Connection, job_no: i64, key: &RecordKey) -> Result<usize, StoreError> {
    Ok(db
        .prepare_cached(
            "UPDATE event SET state = 'due', why = NULL WHERE job_no = ?1 AND key = ?2 AND state = 'refused'",
        )?
        .execute(params![job_no, key.as_str()])?)
}

/// Makes what was refused in these words due again, because it was not about single notes and tasks.
pub fn forgive(db: &Connection, job_no: i64, why: &str) -> Result<(), StoreError> {
    db.execute(
        "UPDATE event SET state = 'due', why = NULL WHERE job_no = ?1 AND state = 'refused' AND why = ?2",
        params![job_no, why],
    )?;
    Ok(())
}

/// Returns the name of an event among the findings of its record; empty for any other change.
pub fn name(change: &Change) -> String {
    match change.event() {
        Some((event, _)) => format!("{} {event}", change.kind()),
        None => String::new(),
    }
}

/// Returns the vendor's ids of the notes or tasks on a contact that are known to be of some event.
pub fn known_ids(
    db: &Connection,
    contact_no: i64,
    kind: StepKind,
) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT vendor_id FROM event WHERE contact_no = ?1 AND kind = ?2 AND vendor_id IS NOT NULL",
    )?;
    let rows = statement.query_map(params![contact_no, kind.word()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns how many calls the planned steps that complete tasks take: one for each task of the record, on the contact that is meant, that came up
/// before and is open, or is made in the same plan. An event that a dry run does not remember came up last.
pub fn completing_calls(
    db: &Connection,
    job_no: i64,
    plan_no: i64,
    marks: &str,
) -> Result<u64, StoreError> {
    let count: i64 = db.query_row(
        "WITH closing (key, whose, no) AS (
           SELECT s.key, json_extract(s.change, '$.to'), coalesce((SELECT e.no FROM event e WHERE e.job_no = ?2 AND e.key = s.key AND e.change = s.change), 9223372036854775807)
           FROM step s WHERE s.plan_no = ?1 AND s.kind = 'complete-task' AND s.mark IN (SELECT value FROM json_each(?3)))
         SELECT (SELECT count(DISTINCT e.no) FROM closing c CROSS JOIN event e ON e.job_no = ?2 AND e.key = c.key AND e.no < c.no
                 WHERE e.kind = 'task' AND e.state = 'done' AND e.completed_ms IS NULL AND e.vendor_id IS NOT NULL
                   AND json_extract(e.change, '$.to') = c.whose)
              + (SELECT count(*) FROM step t WHERE t.plan_no = ?1 AND t.kind = 'task' AND t.mark IN (SELECT value FROM json_each(?3))
                   AND EXISTS (SELECT 1 FROM closing c WHERE c.key = t.key AND c.whose = json_extract(t.change, '$.to') AND coalesce(
                     (SELECT e.no FROM event e WHERE e.job_no = ?2 AND e.key = t.key AND e.change = t.change), 9223372036854775806) < c.no))",
        params![plan_no, job_no, marks],
        |row| row.get(0),
    )?;
    Ok(count.unsigned_abs())
}

/// Counts a job's events by kind and state, for whoever looks.
pub fn count(db: &Connection, job_no: i64) -> Result<BTreeMap<(String, String), u64>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT kind, state, count(*) FROM event WHERE job_no = ?1 GROUP BY kind, state",
    )?;
    let rows = statement.query_map([job_no], |row| {
        Ok(((row.get(0)?, row.get(1)?), row.get::<_, i64>(2)?))
    })?;
    let mut counts = BTreeMap::new();
    for row in rows {
        let (what, count) = row?;
        counts.insert(what, count.unsigned_abs());
    }
    Ok(counts)
}

/// Returns the watched attributes of a record as they were when the job last looked; `None` when it never did.
pub fn watched(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
) -> Result<Option<Watched>, StoreError> {
    let text: Option<String> = db
        .prepare_cached("SELECT attributes FROM watched WHERE job_no = ?1 AND key = ?2")?
        .query_row(params![job_no, key.as_str()], |row| row.get(0))
        .optional()?;
    text.map(|text| parsed(&text, "watched.attributes"))
        .transpose()
}

/// Remembers the watched attributes of a record.
pub fn watch(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    watched: &Watched,
) -> Result<(), StoreError> {
    let text = serde_json::to_string(watched).expect("texts are always JSON");
    db.prepare_cached(
        "INSERT INTO watched (job_no, key, attributes) VALUES (?1, ?2, ?3)
         ON CONFLICT (job_no, key) DO UPDATE SET attributes = excluded.attributes",
    )?
    .execute(params![job_no, key.as_str(), text])?;
    Ok(())
}
