//! Runs: one execution of a job each.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::model::JobName;

use super::error::StoreError;

/// One execution of a job, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number; runs of all jobs count together.
    pub no: i64,
    /// `plan` or `apply`.
    pub mode: String,
    /// `normal` or `full`; `None` before that was decided.
    pub pass: Option<String>,
    /// The command and the process id.
    pub holder: String,
    /// When it began, in ms.
    pub began_ms: i64,
    /// When it ended; `None` while it runs, or when it was killed.
    pub ended_ms: Option<i64>,
    /// Its exit code.
    pub exit: Option<i64>,
    /// The digest of its plan.
    pub digest: Option<String>,
    /// The report without its rows, JSON.
    pub summary: Option<String>,
    /// Why it ended without a report.
    pub why: Option<String>,
}

const COLUMNS: &str =
    "r.no, r.mode, r.pass, r.holder, r.began_ms, r.ended_ms, r.exit, r.digest, r.summary, r.why";

fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        no: row.get(0)?,
        mode: row.get(1)?,
        pass: row.get(2)?,
        holder: row.get(3)?,
        began_ms: row.get(4)?,
        ended_ms: row.get(5)?,
        exit: row.get(6)?,
        digest: row.get(7)?,
        summary: row.get(8)?,
        why: row.get(9)?,
    })
}

/// Which runs are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// Of these jobs and of their parts; of all when there is none.
    pub jobs: Vec<JobName>,
    /// Only the run of this number.
    pub no: Option<i64>,
    /// Only those that began then or later, in ms.
    pub since_ms: Option<i64>,
    /// Only those that did not end, or with an exit code other than these.
    pub but_exits: Vec<u8>,
    /// At most so many.
    pub limit: u32,
}

/// Returns runs with the names of their jobs, newest first.
pub fn list(db: &Connection, which: &Which) -> Result<Vec<(JobName, Run)>, StoreError> {
    let Which {
        jobs,
        no,
        since_ms,
        but_exits,
        limit,
    } = which;
    let names = serde_json::to_string(jobs).expect("a list of texts is always JSON");
    let exits = serde_json::to_string(but_exits).expect("a list of numbers is always JSON");
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, j.name FROM run r JOIN job j ON j.no = r.job_no
         WHERE (?1 = '[]' OR j.name IN (SELECT value FROM json_each(?1))
                OR substr(j.name, 1, instr(j.name, '.') - 1) IN (SELECT value FROM json_each(?1))) AND (?2 IS NULL OR r.no = ?2)
           AND (?3 IS NULL OR r.began_ms >= ?3)
           AND (?4 = '[]' OR r.exit IS NULL OR r.exit NOT IN (SELECT value FROM json_each(?4)))
         ORDER BY r.no DESC LIMIT ?5"
    ))?;
    let rows = statement.query_map(params![names, no, since_ms, exits, limit], |row| {
        Ok((row.get::<_, String>(10)?, read(row)?))
    })?;
    rows.map(|row| {
        let (name, run) = row?;
        let name = JobName::try_from(name).map_err(|error| StoreError::Corrupt {
            what: error.to_string(),
        })?;
        Ok((name, run))
    })
    .collect()
}

/// Notes why a run ended without a report.
pub fn note_why(db: &Connection, run_no: i64, why: &str) -> Result<(), StoreError> {
    db.execute(
        "UPDATE run SET why = ?2 WHERE no = ?1",
        params![run_no, why],
    )?;
    Ok(())
}

/// Begins a run.
pub fn begin_run(
    db: &Connection,
    job_no: i64,
    mode: &str,
    holder: &str,
    began_ms: i64,
) -> Result<i64, StoreError> {
    db.execute(
        "INSERT INTO run (job_no, mode, holder, began_ms) VALUES (?1, ?2, ?3, ?4)",
        params![job_no, mode, holder, began_ms],
    )?;
    Ok(db.last_insert_rowid())
}

/// Notes whether a run is a full pass.
pub fn note_pass(db: &Connection, run_no: i64, full: bool) -> Result<(), StoreError> {
    db.execute(
        "UPDATE run SET pass = ?2 WHERE no = ?1",
        params![run_no, if full { "full" } else { "normal" }],
    )?;
    Ok(())
}

/// Ends a run; its progress goes with it.
pub fn end_run(
    db: &Connection,
    run_no: i64,
    ended_ms: i64,
    exit: i64,
    digest: Option<&str>,
    summary: Option<&str>,
) -> Result<(), StoreError> {
    db.execute(
        "UPDATE run SET ended_ms = ?2, exit = ?3, digest = ?4, summary = ?5 WHERE no = ?1",
        params![run_no, ended_ms, exit, digest, summary],
    )?;
    db.execute("DELETE FROM progress WHERE run_no = ?1", [run_no])?;
    Ok(())
}

/// Ends the runs of a job, begun at `since_ms` or later by the process that `process` names in `holder`, which ended without saying so.
///
/// A run that was killed earlier stays without an end: in a container every process may have the same number.
pub fn end_broken(
    db: &Connection,
    job: &JobName,
    process: &str,
    since_ms: i64,
    ended_ms: i64,
    exit: i64,
) -> Result<(), StoreError> {
    db.execute(
        "DELETE FROM progress WHERE run_no IN (
           SELECT no FROM run WHERE ended_ms IS NULL AND mode = 'apply' AND instr(holder, ?2) > 0 AND began_ms >= ?3
             AND job_no = (SELECT no FROM job WHERE name = ?1))",
        params![job.as_str(), process, since_ms],
    )?;
    db.execute(
        "UPDATE run SET ended_ms = ?4, exit = ?5
         WHERE ended_ms IS NULL AND mode = 'apply' AND instr(holder, ?2) > 0 AND began_ms >= ?3
           AND job_no = (SELECT no FROM job WHERE name = ?1)",
        params![job.as_str(), process, since_ms, ended_ms, exit],
    )?;
    Ok(())
}

/// Notes the exit code that a run's report came to.
pub fn note_exit(db: &Connection, run_no: i64, exit: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE run SET exit = ?2 WHERE no = ?1",
        params![run_no, exit],
    )?;
    Ok(())
}

/// Returns the newest run of a job, of one mode when given.
pub fn last_run(
    db: &Connection,
    job_no: i64,
    mode: Option<&str>,
) -> Result<Option<Run>, StoreError> {
    Ok(db
        .query_row(
            &format!(
                "SELECT {COLUMNS} FROM run r
                 WHERE r.job_no = ?1 AND (?2 IS NULL OR r.mode = ?2) ORDER BY r.no DESC LIMIT 1"
            ),
            params![job_no, mode],
            read,
        )
        .optional()?)
}

/// Returns the newest run of a job and mode that has ended, with one of these exit codes when any are given.
pub fn last_ended(
    db: &Connection,
    job_no: i64,
    mode: &str,
    exits: &[u8],
) -> Result<Option<Run>, StoreError> {
    let exits = serde_json::to_string(exits).expect("a list of numbers is always JSON");
    let sql = format!(
        "SELECT {COLUMNS} FROM run r WHERE r.job_no = ?1 AND r.mode = ?2 AND r.ended_ms IS NOT NULL
           AND (?3 = '[]' OR r.exit IN (SELECT value FROM json_each(?3))) ORDER BY r.no DESC LIMIT 1"
    );
    let mut statement = db.prepare_cached(&sql)?;
    Ok(statement
        .query_row(params![job_no, mode, exits], read)
        .optional()?)
}

/// Returns when the newest `apply` of a job began that went through, in ms: one whose exit says that it did what it could, held parts and
/// refused rows among it.
pub fn last_success(db: &Connection, job: &JobName) -> Result<Option<i64>, StoreError> {
    Ok(db
        .query_row(
            "SELECT began_ms FROM run WHERE job_no = (SELECT no FROM job WHERE name = ?1)
               AND mode = 'apply' AND ended_ms IS NOT NULL AND exit IN (0, 3, 5, 7) ORDER BY no DESC LIMIT 1",
            [job.as_str()],
            |row| row.get(0),
        )
        .optional()?)
}

/// What a journaled plan changes of a job, in the commit that makes the plan valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journaled {
    /// The plan.
    pub plan_no: i64,
    /// Its digest.
    pub digest: String,
    /// The mapping it was made with.
    pub mapping: String,
    /// Whether a person let the mapping through guard *first*.
    pub approves: bool,
    /// Whose listing it is, by the source's own id.
    pub channel: String,
    /// Every change up to this tick was planned.
    pub planned_tick: i64,
    /// Rows of walks up to this one are the roster now.
    pub generation: i64,
}

/// Makes a plan valid: its steps, the roster's generation and the tick up to which was planned, in one commit.
pub fn journal(db: &Connection, job_no: i64, journaled: &Journaled) -> Result<(), StoreError> {
    let Journaled {
        plan_no,
        digest,
        mapping,
        approves,
        channel,
        planned_tick,
        generation,
    } = journaled;
    db.execute(
        "UPDATE plan SET state = 'journaled', digest = ?2 WHERE no = ?1",
        params![plan_no, digest],
    )?;
    db.execute(
        "UPDATE job SET mapping = ?2, approved = CASE WHEN ?3 THEN ?2 ELSE approved END,
           channel = CASE WHEN ?3 THEN ?6 ELSE channel END, planned_tick = ?4,
           -- What joins while a person is asked is still news when the answer comes.
           generation = CASE WHEN ?3 THEN ?5 ELSE generation END WHERE no = ?1",
        params![job_no, mapping, approves, planned_tick, generation, channel],
    )?;
    Ok(())
}

/// Notes how a source walk that ended bears on the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkNote {
    /// The walk.
    pub walk_no: i64,
    /// When it began, in ms of the vendor's clock.
    pub began_ms: i64,
    /// `Some((total, gap))` when it was Complete.
    pub complete: Option<(Option<i64>, i64)>,
    /// The debt now.
    pub debt: i64,
    /// Whether it was cut for the gap alone.
    pub gap_cut: bool,
}

/// Stores a [`WalkNote`]; belongs to staging, so a dry run may do it.
pub fn note_walk(db: &Connection, job_no: i64, note: WalkNote) -> Result<(), StoreError> {
    let WalkNote {
        walk_no,
        began_ms,
        complete,
        debt,
        gap_cut,
    } = note;
    db.execute(
        "UPDATE job SET first_walk_no = ?2 WHERE no = ?1 AND first_walk_no IS NULL",
        params![job_no, walk_no],
    )?;
    if gap_cut {
        // It read to the very end, so a normal pass may lean on it; only absence means nothing.
        db.execute(
            "UPDATE job SET gap_cuts = gap_cuts + 1, gap_cut_ms = ?2, last_walk_no = ?3, last_walk_began_ms = ?2 WHERE no = ?1",
            params![job_no, began_ms, walk_no],
        )?;
        return Ok(());
    }
    db.execute(
        "UPDATE job SET last_walk_no = ?2, last_walk_began_ms = ?3, debt = ?4,
           debt_passes = CASE WHEN ?4 = 0 THEN 0 ELSE debt_passes + 1 END WHERE no = ?1",
        params![job_no, walk_no, began_ms, debt],
    )?;
    if let Some((total, gap)) = complete {
        db.execute(
            "UPDATE job SET complete_walk_no = ?2, complete_began_ms = ?3, complete_total = ?4, complete_gap = ?5,
               added_since = 0, gap_cuts = 0, gap_cut_ms = NULL, debt = 0, debt_passes = 0 WHERE no = ?1",
            params![job_no, walk_no, began_ms, total, gap],
        )?;
    }
    Ok(())
}

/// Lets full passes of a job rest, because one did not fit into the time that the job gives a run: the next one would not either.
pub fn rest_from_full(db: &Connection, job_no: i64, now_ms: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE job SET gap_cut_ms = ?2 WHERE no = ?1",
        params![job_no, now_ms],
    )?;
    Ok(())
}

/// Notes that a moment of the `full` schedule was served.
pub fn note_full_due(db: &Connection, job_no: i64, due_ms: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE job SET last_full_due_ms = ?2 WHERE no = ?1",
        params![job_no, due_ms],
    )?;
    Ok(())
}
