//! Plans and the journal.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::model::{Change, ContactId, Digest, GuardKind, RecordKey, StepKind};
use crate::plan::{Event, Mark, phase};

use super::error::StoreError;
use super::mirror::{parsed, parsed_contact};
use super::walks::parsed_key;

/// How many steps one transaction marks at most.
const CHUNK: i64 = 4_000;

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The plan.
    pub plan_no: i64,
    /// Its place in the plan, in key order.
    pub seq: i64,
    /// The record.
    pub key: RecordKey,
    /// Of kind, key, contact, before, after and mapping.
    pub hash: Digest,
    /// What to do.
    pub change: Change,
    /// Steps of one kind and parcel may share a call.
    pub parcel: String,
    /// The guard that counts it.
    pub guard: Option<GuardKind>,
    /// Why.
    pub reason: String,
    /// What a report calls the record.
    pub name: String,
    /// The contact's mirror row; `None` before a create.
    pub contact_no: Option<i64>,
    /// The contact's id; `None` before a create.
    pub contact: Option<ContactId>,
    /// The record's transition.
    pub transition: u32,
    /// What a refusal of it rests on.
    pub basis: String,
    /// Where it stands.
    pub mark: Mark,
    /// Why it stands there.
    pub why: Option<String>,
    /// How often it was sent.
    pub tries: i64,
    /// Whether it is unknown because of a 422.
    pub refusal: bool,
    /// When it was sent, in ms.
    pub sent_ms: Option<i64>,
    /// How often it was looked for in vain.
    pub looks: i64,
    /// When it was last looked for, in ms.
    pub looked_ms: Option<i64>,
    /// When its mark last changed, in ms; `None` while it is as it was planned.
    pub marked_ms: Option<i64>,
}

/// Ended plans whose unsent steps are kept, so that the last reports can be made again.
const KEPT_WHOLE: i64 = 3;

/// Begins a plan as a draft.
pub fn begin_plan(
    db: &Connection,
    run_no: i64,
    job_no: i64,
    mapping: &Digest,
    made_ms: i64,
) -> Result<i64, StoreError> {
    db.execute(
        "INSERT INTO plan (run_no, job_no, state, mapping, made_ms) VALUES (?1, ?2, 'draft', ?3, ?4)",
        params![run_no, job_no, mapping.as_str(), made_ms],
    )?;
    Ok(db.last_insert_rowid())
}

/// Stores a chunk of a draft's steps.
pub fn add_steps(db: &Connection, steps: &[Step]) -> Result<(), StoreError> {
    let mut insert = db.prepare_cached(
        "INSERT INTO step (plan_no, seq, key, hash, phase, kind, parcel, guard, reason, name, change, contact_no, transition, basis, mark, why)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    for step in steps {
        let kind = step.change.kind();
        insert.execute(params![
            step.plan_no,
            step.seq,
            step.key.as_str(),
            step.hash.as_str(),
            phase(kind),
            kind.word(),
            step.parcel,
            step.guard.map(GuardKind::word),
            step.reason,
            step.name,
            step.change.json(),
            step.contact_no,
            step.transition,
            step.basis,
            step.mark.word(),
            step.why,
        ])?;
    }
    Ok(())
}

/// Deletes a draft's steps, a chunk at a time; returns whether any are left.
pub fn delete_steps(db: &Connection, plan_no: i64) -> Result<bool, StoreError> {
    let deleted = db.execute(
        "DELETE FROM step WHERE plan_no = ?1 AND seq IN (SELECT seq FROM step WHERE plan_no = ?1 ORDER BY seq LIMIT ?2)",
        [plan_no, CHUNK],
    )?;
    Ok(i64::try_from(deleted) == Ok(CHUNK))
}

/// Moves a plan to another state, with its digest and the guards that its report shows.
pub fn note_plan(
    db: &Connection,
    plan_no: i64,
    state: &str,
    digest: &Digest,
    shown: &[String],
) -> Result<(), StoreError> {
    db.execute(
        "UPDATE plan SET state = ?2, digest = ?3, shown = ?4 WHERE no = ?1",
        params![
            plan_no,
            state,
            digest.as_str(),
            super::jobs::json_list(shown)
        ],
    )?;
    Ok(())
}

/// Moves a plan to another state.
pub fn set_plan_state(db: &Connection, plan_no: i64, state: &str) -> Result<(), StoreError> {
    db.execute(
        "UPDATE plan SET state = ?2 WHERE no = ?1",
        params![plan_no, state],
    )?;
    Ok(())
}

/// A stored plan that a person approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// The plan.
    pub plan_no: i64,
    /// Its whole digest.
    pub digest: Digest,
    /// The mapping it was made with.
    pub mapping: Digest,
    /// When it was made, in ms.
    pub made_ms: i64,
    /// The guards that its report showed.
    pub shown: Vec<GuardKind>,
    /// Whether it was carried out already.
    pub served: bool,
}

/// Returns the newest stored plan of a job whose digest starts with `prefix`.
pub fn find_approved(
    db: &Connection,
    job_no: i64,
    prefix: &str,
) -> Result<Option<Approved>, StoreError> {
    Ok(db
        .query_row(
            "SELECT no, digest, mapping, made_ms, shown, state FROM plan
             WHERE job_no = ?1 AND state IN ('stored', 'served') AND substr(digest, 1, length(?2)) = ?2 ORDER BY no DESC LIMIT 1",
            params![job_no, prefix],
            |row| {
                let words: Vec<String> = serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default();
                Ok(Approved {
                    plan_no: row.get(0)?,
                    digest: Digest::stored(row.get(1)?),
                    mapping: Digest::stored(row.get(2)?),
                    made_ms: row.get(3)?,
                    shown: words.iter().filter_map(|word| GuardKind::from_word(word)).collect(),
                    served: row.get::<_, String>(5)? == "served",
                })
            },
        )
        .optional()?)
}

/// Returns the places of a plan's open steps that another plan does not have, in order.
pub fn not_in(db: &Connection, plan_no: i64, other_no: i64) -> Result<Vec<i64>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT seq FROM step WHERE plan_no = ?1 AND mark IN ('planned', 'held')
           AND hash NOT IN (SELECT hash FROM step WHERE plan_no = ?2) ORDER BY seq",
    )?;
    let rows = statement.query_map([plan_no, other_no], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Counts a plan's steps that another plan does not have.
pub fn count_not_in(db: &Connection, plan_no: i64, other_no: i64) -> Result<u64, StoreError> {
    let count: i64 = db.query_row(
        "SELECT count(*) FROM step WHERE plan_no = ?1 AND hash NOT IN (SELECT hash FROM step WHERE plan_no = ?2)",
        [plan_no, other_no],
        |row| row.get(0),
    )?;
    Ok(count.unsigned_abs())
}

/// Drops steps of a plan by their places; a few thousand at a time.
pub fn drop_steps(
    db: &Connection,
    plan_no: i64,
    places: &[i64],
    why: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let mut drop = db.prepare_cached(
        "UPDATE step SET mark = 'dropped', why = ?3, marked_ms = ?4
         WHERE plan_no = ?1 AND seq = ?2 AND mark IN ('planned', 'held')",
    )?;
    for place in places {
        drop.execute(params![plan_no, place, why, now_ms])?;
    }
    Ok(())
}

/// Returns steps of the approved plan that no longer hold, at most `limit`.
pub fn no_longer_held(
    db: &Connection,
    draft_no: i64,
    approved_no: i64,
    limit: i64,
) -> Result<Vec<Step>, StoreError> {
    select(
        db,
        "s.plan_no = ?1 AND s.hash NOT IN (SELECT hash FROM step WHERE plan_no = ?2) ORDER BY s.seq LIMIT ?3",
        &[&approved_no, &draft_no, &limit],
    )
}

/// Holds planned steps of the chunk after `after`: those that one of `guards` counts, or all, also those that cost no call, when guard *first* is
/// among them. Returns where the next chunk begins, `None` at the end of the plan.
pub fn hold(
    db: &Connection,
    plan_no: i64,
    guards: &[GuardKind],
    after: i64,
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let last: Option<i64> = db
        .prepare_cached("SELECT max(seq) FROM step WHERE plan_no = ?1")?
        .query_row([plan_no], |row| row.get(0))?;
    let to = after + CHUNK;
    if guards.contains(&GuardKind::First) {
        db.prepare_cached(
            "UPDATE step SET mark = 'held', why = 'held by guard first', marked_ms = ?4
             WHERE plan_no = ?1 AND seq > ?2 AND seq <= ?3 AND mark = 'planned'",
        )?
        .execute(params![plan_no, after, to, now_ms])?;
    } else {
        // Notes and tasks are held by the guard of their kind, whatever counted them first, and with the create that makes their contact.
        let mut hold_events = db.prepare_cached(
            "UPDATE step SET mark = 'held', why = ?5, marked_ms = ?4
             WHERE plan_no = ?1 AND seq > ?2 AND seq <= ?3 AND mark = 'planned' AND kind IN (SELECT value FROM json_each(?6))
               AND (?7 OR contact_no IS NULL)",
        )?;
        for guard in guards {
            let (kinds, all) = match guard {
                GuardKind::Note => (r#"["note"]"#, true),
                GuardKind::Task => (r#"["task","complete-task"]"#, true),
                GuardKind::Create => (r#"["attach","note","task","complete-task"]"#, false),
                GuardKind::First
                | GuardKind::Update
                | GuardKind::Tag
                | GuardKind::Leave
                | GuardKind::Return => continue,
            };
            let why = format!("held by guard {guard}");
            hold_events.execute(params![plan_no, after, to, now_ms, why, kinds, all])?;
        }
        let mut hold = db.prepare_cached(
            "UPDATE step SET mark = 'held', why = ?5, marked_ms = ?4
             WHERE plan_no = ?1 AND seq > ?2 AND seq <= ?3 AND mark = 'planned' AND guard = ?6",
        )?;
        for guard in guards {
            let why = format!("held by guard {guard}");
            hold.execute(params![plan_no, after, to, now_ms, why, guard.word()])?;
        }
    }
    Ok(last.is_some_and(|last| last > to).then_some(to))
}

/// Returns the places of planned steps of all records but the first `records`, for `--limit`.
pub fn beyond_first(db: &Connection, plan_no: i64, records: u64) -> Result<Vec<i64>, StoreError> {
    let records = i64::try_from(records).unwrap_or(i64::MAX);
    // Places are in key order, so everything from the first step of the next record on is beyond.
    let mut statement = db.prepare_cached(
        "SELECT seq FROM step WHERE plan_no = ?1 AND mark = 'planned' AND key >= (
           SELECT DISTINCT key FROM step WHERE plan_no = ?1 AND mark = 'planned' ORDER BY key LIMIT 1 OFFSET ?2) ORDER BY seq",
    )?;
    let rows = statement.query_map(params![plan_no, records], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns the next planned steps of a kind, those of one parcel together, at most `limit`.
pub fn todo(
    db: &Connection,
    plan_no: i64,
    kind: StepKind,
    limit: i64,
) -> Result<Vec<Step>, StoreError> {
    select(
        db,
        "s.plan_no = ?1 AND s.phase = ?2 AND s.mark = 'planned' ORDER BY s.parcel, s.seq LIMIT ?3",
        &[&plan_no, &phase(kind), &limit],
    )
}

/// Returns the steps of a job whose outcome is not known yet, of all its plans, oldest first.
pub fn unsettled(db: &Connection, job_no: i64) -> Result<Vec<Step>, StoreError> {
    // By the index of open steps: the usual journal is long and has none.
    select_from(
        db,
        "step s INDEXED BY step_open",
        "s.mark IN ('sent', 'unknown', 'asks') AND p.job_no = ?1 ORDER BY s.plan_no, s.seq",
        &[&job_no],
    )
}

/// Returns the plan of a run, `None` when it ended before it planned, or when the plan was taken out of the journal.
pub fn of_run(db: &Connection, run_no: i64) -> Result<Option<i64>, StoreError> {
    Ok(db
        .query_row("SELECT no FROM plan WHERE run_no = ?1", [run_no], |row| {
            row.get(0)
        })
        .optional()?)
}

/// Returns every step of one record in all plans of a job, oldest first, at most `limit` of the newest.
///
/// Looks through the whole journal of the job: there is no index for it, because people ask seldom and runs write often.
pub fn of_record(
    db: &Connection,
    job_no: i64,
    key: &RecordKey,
    limit: i64,
) -> Result<Vec<Step>, StoreError> {
    let mut steps = select_from(
        db,
        "step s",
        "p.job_no = ?1 AND s.key = ?2 ORDER BY s.plan_no DESC, s.seq DESC LIMIT ?3",
        &[&job_no, &key.as_str(), &limit],
    )?;
    steps.reverse();
    Ok(steps)
}

/// Returns the run and the moment of making of a plan, the latter in ms.
pub fn made_by(db: &Connection, plan_no: i64) -> Result<(i64, i64), StoreError> {
    Ok(db
        .prepare_cached("SELECT run_no, made_ms FROM plan WHERE no = ?1")?
        .query_row([plan_no], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Returns the steps of a plan in order, after `after`, at most `limit`.
pub fn steps_after(
    db: &Connection,
    plan_no: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Step>, StoreError> {
    select(
        db,
        "s.plan_no = ?1 AND s.seq > ?2 ORDER BY s.seq LIMIT ?3",
        &[&plan_no, &after, &limit],
    )
}

fn select(
    db: &Connection,
    condition: &str,
    arguments: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Step>, StoreError> {
    select_from(db, "step s", condition, arguments)
}

fn select_from(
    db: &Connection,
    steps: &str,
    condition: &str,
    arguments: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Step>, StoreError> {
    let sql = format!(
        "SELECT s.plan_no, s.seq, s.key, s.hash, s.change, s.parcel, s.guard, s.reason, s.name, s.contact_no, m.id, s.transition,
                s.basis, s.mark, s.why, s.tries, s.refusal, s.sent_ms, s.looks, s.looked_ms, s.marked_ms
         FROM {steps} JOIN plan p ON p.no = s.plan_no LEFT JOIN mirror m ON m.no = s.contact_no WHERE {condition}"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(arguments)?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(read(row)?);
    }
    Ok(steps)
}

fn read(row: &Row<'_>) -> Result<Step, StoreError> {
    let mark: String = row.get(13)?;
    let change: String = row.get(4)?;
    Ok(Step {
        plan_no: row.get(0)?,
        seq: row.get(1)?,
        key: parsed_key(row.get(2)?)?,
        hash: Digest::stored(row.get(3)?),
        change: parsed(&change, "step.change")?,
        parcel: row.get(5)?,
        guard: row
            .get::<_, Option<String>>(6)?
            .as_deref()
            .and_then(GuardKind::from_word),
        reason: row.get(7)?,
        name: row.get(8)?,
        contact_no: row.get(9)?,
        contact: row
            .get::<_, Option<String>>(10)?
            .map(parsed_contact)
            .transpose()?,
        transition: row.get(11)?,
        basis: row.get(12)?,
        mark: Mark::from_word(&mark).ok_or_else(|| StoreError::Corrupt {
            what: format!("step.mark {mark}"),
        })?,
        why: row.get(14)?,
        tries: row.get(15)?,
        refusal: row.get(16)?,
        sent_ms: row.get(17)?,
        looks: row.get(18)?,
        looked_ms: row.get(19)?,
        marked_ms: row.get(20)?,
    })
}

/// Moves one step by the table of `plan/mark`, and notes why; the only way a mark changes after its plan is journaled.
///
/// Errors: `Corrupt` for a move that the table does not have.
pub fn move_step(
    db: &Connection,
    step: &Step,
    event: Event,
    why: Option<&str>,
    now_ms: i64,
) -> Result<Mark, StoreError> {
    let word: String = db
        .prepare_cached("SELECT mark FROM step WHERE plan_no = ?1 AND seq = ?2")?
        .query_row(params![step.plan_no, step.seq], |row| row.get(0))?;
    let mark = Mark::from_word(&word).ok_or_else(|| StoreError::Corrupt {
        what: format!("step.mark {word}"),
    })?;
    let next = mark.after(event).map_err(|error| StoreError::Corrupt {
        what: error.to_string(),
    })?;
    let sends = i64::from(event == Event::Send);
    db.prepare_cached(
        "UPDATE step SET mark = ?3, why = coalesce(?4, why), marked_ms = ?5, tries = tries + ?6,
           sent_ms = CASE WHEN ?6 = 1 THEN ?5 ELSE sent_ms END,
           looks = CASE WHEN ?6 = 1 THEN 0 ELSE looks END WHERE plan_no = ?1 AND seq = ?2",
    )?
    .execute(params![
        step.plan_no,
        step.seq,
        next.word(),
        why,
        now_ms,
        sends
    ])?;
    Ok(next)
}

/// Notes that a step's answer was a 422: it may have been carried out, and is never sent again.
pub fn note_refusal(db: &Connection, step: &Step) -> Result<(), StoreError> {
    db.execute(
        "UPDATE step SET refusal = 1 WHERE plan_no = ?1 AND seq = ?2",
        params![step.plan_no, step.seq],
    )?;
    Ok(())
}

/// Notes that a step was looked for and not found.
pub fn note_look(db: &Connection, step: &Step, now_ms: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE step SET looks = looks + 1, looked_ms = ?3 WHERE plan_no = ?1 AND seq = ?2",
        params![step.plan_no, step.seq, now_ms],
    )?;
    Ok(())
}

/// Sets the contact that a create made.
pub fn set_contact(db: &Connection, step: &Step, contact_no: i64) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE step SET contact_no = ?3 WHERE plan_no = ?1 AND seq = ?2")?
        .execute(params![step.plan_no, step.seq, contact_no])?;
    Ok(())
}

/// Drops what a plan never sent, a chunk at a time; returns whether any are left.
pub fn drop_unsent(
    db: &Connection,
    plan_no: i64,
    why: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let dropped = db.execute(
        "UPDATE step SET mark = 'dropped', why = ?2, marked_ms = ?3 WHERE plan_no = ?1 AND mark = 'planned' AND seq IN (
           SELECT seq FROM step INDEXED BY step_todo WHERE plan_no = ?1 AND mark = 'planned' LIMIT ?4)",
        params![plan_no, why, now_ms, CHUNK],
    )?;
    Ok(i64::try_from(dropped) == Ok(CHUNK))
}

/// Ends plans that a kill left journaled: what was sent is unknown now, what was not is dropped, a chunk at a time; returns whether any is left.
pub fn end_killed_plans(db: &Connection, job_no: i64, now_ms: i64) -> Result<bool, StoreError> {
    db.execute(
        "UPDATE step INDEXED BY step_open SET mark = 'unknown', why = 'stopped before the answer', marked_ms = ?2
         WHERE mark IN ('sent', 'unknown', 'asks') AND mark = 'sent' AND plan_no IN (SELECT no FROM plan WHERE job_no = ?1)",
        params![job_no, now_ms],
    )?;
    let dropped = db.execute(
        "UPDATE step SET mark = 'dropped', why = 'the run was stopped', marked_ms = ?2 WHERE (plan_no, seq) IN (
           SELECT s.plan_no, s.seq FROM plan p CROSS JOIN step s INDEXED BY step_todo ON s.plan_no = p.no
           WHERE p.job_no = ?1 AND p.state IN ('journaled', 'ended') AND s.mark = 'planned' LIMIT ?3)",
        params![job_no, now_ms, CHUNK],
    )?;
    if i64::try_from(dropped) == Ok(CHUNK) {
        return Ok(true);
    }
    db.execute(
        "UPDATE plan SET state = 'ended' WHERE job_no = ?1 AND (state = 'journaled'
           OR (state = 'draft' AND run_no IN (SELECT no FROM run WHERE job_no = ?1 AND (mode = 'apply' OR ended_ms IS NOT NULL))))",
        [job_no],
    )?;
    Ok(false)
}

/// Counts a plan's steps by kind and mark.
pub fn count_steps(
    db: &Connection,
    plan_no: i64,
) -> Result<Vec<(StepKind, Mark, i64)>, StoreError> {
    let mut statement = db.prepare(
        "SELECT kind, mark, count(*) FROM step WHERE plan_no = ?1 GROUP BY phase, kind, mark",
    )?;
    let rows = statement.query_map([plan_no], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get(2)?,
        ))
    })?;
    rows.map(|row| {
        let (kind, mark, count) = row?;
        let kind = StepKind::from_word(&kind).ok_or_else(|| StoreError::Corrupt {
            what: format!("step.kind {kind}"),
        })?;
        let mark = Mark::from_word(&mark).ok_or_else(|| StoreError::Corrupt {
            what: format!("step.mark {mark}"),
        })?;
        Ok((kind, mark, count))
    })
    .collect()
}

/// Returns how many steps each parcel of a kind has, of those with one of `marks`, in the order in which they are carried out.
pub fn parcel_sizes(
    db: &Connection,
    plan_no: i64,
    kind: StepKind,
    marks: &[Mark],
) -> Result<Vec<i64>, StoreError> {
    let words: Vec<&str> = marks.iter().map(|mark| mark.word()).collect();
    let words = serde_json::to_string(&words).expect("a list of words is always JSON");
    let mut statement = db.prepare_cached(
        "SELECT count(*) FROM step WHERE plan_no = ?1 AND phase = ?2 AND mark IN (SELECT value FROM json_each(?3))
         GROUP BY parcel ORDER BY parcel",
    )?;
    let rows = statement.query_map(params![plan_no, phase(kind), words], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Counts the records that a guard's planned steps are for.
pub fn count_guarded(db: &Connection, plan_no: i64, guard: GuardKind) -> Result<u64, StoreError> {
    let count: i64 = db.query_row(
        "SELECT count(DISTINCT key) FROM step WHERE plan_no = ?1 AND mark = 'planned'
           AND (guard = ?2 OR kind IN (SELECT value FROM json_each(?3)))",
        params![plan_no, guard.word(), kinds_of(guard)],
        |row| row.get(0),
    )?;
    Ok(count.unsigned_abs())
}

/// Counts what a guard's steps sent since `since_ms`, in records.
pub fn sent_since(
    db: &Connection,
    job_no: i64,
    guard: GuardKind,
    since_ms: i64,
) -> Result<u64, StoreError> {
    // Notes and tasks may have been counted by the guard of a leave or a return as well.
    let words = match guard {
        GuardKind::Note => r#"["note","leave","return"]"#.to_owned(),
        GuardKind::Task => r#"["task","leave","return"]"#.to_owned(),
        GuardKind::First
        | GuardKind::Create
        | GuardKind::Update
        | GuardKind::Tag
        | GuardKind::Leave
        | GuardKind::Return => format!("[\"{guard}\"]"),
    };
    let count: i64 = db
        .prepare_cached(
            "SELECT count(DISTINCT s.key) FROM step s INDEXED BY step_day CROSS JOIN plan p ON p.no = s.plan_no
             WHERE s.guard IN (SELECT value FROM json_each(?2)) AND s.sent_ms >= ?3 AND s.mark IN ('done', 'sent', 'unknown', 'asks')
               AND p.job_no = ?1 AND (?4 = '[]' OR s.kind IN (SELECT value FROM json_each(?4)))",
        )?
        .query_row(params![job_no, words, since_ms, kinds_of(guard)], |row| {
            row.get(0)
        })?;
    Ok(count.unsigned_abs())
}

/// Returns the kinds of steps that a guard counts by their kind, JSON; none for those that count by the guard of the step.
fn kinds_of(guard: GuardKind) -> &'static str {
    match guard {
        GuardKind::Note => r#"["note"]"#,
        GuardKind::Task => r#"["task","complete-task"]"#,
        GuardKind::First
        | GuardKind::Create
        | GuardKind::Update
        | GuardKind::Tag
        | GuardKind::Leave
        | GuardKind::Return => "[]",
    }
}

/// Deletes some steps that nobody needs any more: of stored plans older than `before_ms`, of stored plans that a newer one with the same digest replaces, and, of
/// ended plans but the newest `KEPT_WHOLE`, those that were never sent. Returns whether any may be left.
///
/// A job that waits for its approval journals all its steps as held at every run; without this they would fill the disk.
pub fn sweep_plans(db: &Connection, job_no: i64, before_ms: i64) -> Result<bool, StoreError> {
    let stored: Option<i64> = db
        .query_row(
            "SELECT no FROM plan p WHERE job_no = ?1 AND state IN ('stored', 'served')
               AND (made_ms < ?2 OR EXISTS (
                 SELECT 1 FROM plan n WHERE n.job_no = ?1 AND n.digest = p.digest AND n.state = 'stored' AND n.no > p.no))
               AND EXISTS (SELECT 1 FROM step WHERE step.plan_no = p.no) ORDER BY no LIMIT 1",
            params![job_no, before_ms],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(plan_no) = stored {
        delete_steps(db, plan_no)?;
        return Ok(true);
    }
    let ended: Option<i64> = db
        .query_row(
            "SELECT no FROM plan WHERE job_no = ?1 AND state = 'ended' AND no < (
               SELECT no FROM plan WHERE job_no = ?1 AND state = 'ended' ORDER BY no DESC LIMIT 1 OFFSET ?2)
             ORDER BY no LIMIT 1",
            params![job_no, KEPT_WHOLE],
            |row| row.get(0),
        )
        .optional()?;
    let Some(plan_no) = ended else {
        return Ok(false);
    };
    let deleted = db.execute(
        "DELETE FROM step WHERE plan_no = ?1 AND seq IN (
           SELECT seq FROM step WHERE plan_no = ?1 AND mark IN ('held', 'dropped', 'planned') AND tries = 0 LIMIT ?2)",
        params![plan_no, CHUNK],
    )?;
    if i64::try_from(deleted).unwrap_or(0) < CHUNK {
        set_plan_state(db, plan_no, "swept")?;
    }
    Ok(true)
}
