//! Retention: old runs go, and with them their plans, steps, walks and what those staged.
//!
//! What a later run, a report or a person may still read stays, whatever its age; `docs/state.md` lists every reader. No number is ever given
//! out twice, because the newest run, plan and walk stay: rows elsewhere name them.

mod walks;

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::writer::Store;

/// Rows that one commit takes away at most, so that nobody waits long for the writer.
pub const ROWS_A_COMMIT: u64 = 1_000;
/// Commits of the piece that follows a run.
const PIECE_COMMITS: u32 = 5;
/// Runs that are looked at together.
const LOOK: usize = 500;
/// Nothing younger goes: the guards look back over 24 hours, a plan may be approved as long, and clocks differ. In ms.
pub const YOUNG_MS: i64 = 48 * 3_600 * 1_000;
/// A run that never ended may still be under way until it is this old, in ms.
const UNDER_WAY_MS: i64 = 7 * 24 * 3_600 * 1_000;

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The time now, in ms.
    pub now_ms: i64,
    /// Older runs go, in ms; never less than [`YOUNG_MS`].
    pub age_ms: i64,
    /// And all but this many of the newest of each job.
    pub runs: u64,
}

impl Keep {
    /// Returns the moment before which runs are too old.
    fn before_ms(&self) -> i64 {
        self.now_ms.saturating_sub(self.age_ms.max(YOUNG_MS))
    }

    /// Returns the moment after which nothing goes.
    fn young_ms(&self) -> i64 {
        self.now_ms.saturating_sub(YOUNG_MS)
    }
}

/// How much is taken away in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Much {
    /// A few thousand rows at most, cheap enough to follow every run. Leaves the walks of sources alone: to find which of them the roster
    /// names takes a look at all of it.
    Piece,
    /// Everything that is old.
    All,
}

/// What was taken away, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Runs.
    pub runs: u64,
    /// Plans.
    pub plans: u64,
    /// Steps of the journal.
    pub steps: u64,
    /// Walks.
    pub walks: u64,
    /// Rows that walks left in staging.
    pub staged: u64,
}

impl Pruned {
    /// Returns how many rows it is altogether.
    pub fn rows(&self) -> u64 {
        let Pruned {
            runs,
            plans,
            steps,
            walks,
            staged,
        } = self;
        runs + plans + steps + walks + staged
    }

    fn add(&mut self, more: Pruned) {
        let Pruned {
            runs,
            plans,
            steps,
            walks,
            staged,
        } = more;
        self.runs += runs;
        self.plans += plans;
        self.steps += steps;
        self.walks += walks;
        self.staged += staged;
    }
}

/// One run that may go, or whose plan may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Old {
    run_no: i64,
    plan_no: Option<i64>,
    /// Whether a finding that stands was told by it: then its row stays, and the finding is not told again.
    told: bool,
}

/// Takes away what is old, at most [`ROWS_A_COMMIT`] rows a commit; `each` hears the sum after each commit, and returns false to stop there.
///
/// Every commit leaves a state that any run can go on from.
///
/// Errors: of reading or writing the state; what was committed before stands.
pub async fn prune(
    store: &Store,
    keep: &Keep,
    much: Much,
    mut each: impl FnMut(&Pruned) -> bool,
) -> Result<Pruned, StoreError> {
    let keep = *keep;
    let mut sum = Pruned::default();
    let mut commits_left = match much {
        Much::Piece => PIECE_COMMITS,
        Much::All => u32::MAX,
    };
    for job_no in numbers(&store.reader()?, "SELECT no FROM job ORDER BY no")? {
        let mut after = 0;
        while let Some((mut old, last)) = look(&store.reader()?, job_no, &keep, after)? {
            after = last;
            while !old.is_empty() {
                if commits_left == 0 {
                    return Ok(sum);
                }
                commits_left -= 1;
                let chunk = old;
                let (pruned, rest) = store
                    .write(move |db| {
                        let (pruned, through) = take(db, &chunk, &keep)?;
                        Ok((pruned, chunk[through..].to_vec()))
                    })
                    .await?;
                old = rest;
                sum.add(pruned);
                if !each(&sum) {
                    return Ok(sum);
                }
            }
        }
    }
    let old_walks = walks::old(&store.reader()?, &keep, much)?;
    for chunk in old_walks.chunks(LOOK) {
        let chunk = walks::list(chunk);
        loop {
            if commits_left == 0 {
                return Ok(sum);
            }
            commits_left -= 1;
            let chunk = chunk.clone();
            let pruned = store.write(move |db| walks::take(db, &chunk)).await?;
            sum.add(pruned);
            if !each(&sum) {
                return Ok(sum);
            }
            if pruned.walks > 0 || pruned.staged == 0 {
                break;
            }
        }
    }
    Ok(sum)
}

/// Counts what [`prune`] of everything would take away, and takes nothing.
///
/// Errors: of reading the state.
pub fn count(db: &Connection, keep: &Keep) -> Result<Pruned, StoreError> {
    let mut sum = Pruned::default();
    for job_no in numbers(db, "SELECT no FROM job ORDER BY no")? {
        let mut after = 0;
        while let Some((old, last)) = look(db, job_no, keep, after)? {
            after = last;
            for Old {
                run_no: _,
                plan_no,
                told,
            } in old
            {
                let (going, staying) = match plan_no {
                    Some(plan_no) => steps(db, plan_no, keep)?,
                    None => (0, 0),
                };
                sum.steps += going;
                sum.plans += u64::from(plan_no.is_some() && staying == 0);
                sum.runs += u64::from(!told && staying == 0);
            }
        }
    }
    let old_walks = walks::old(db, keep, Much::All)?;
    sum.walks = old_walks.len() as u64;
    sum.staged = walks::staged(db, &old_walks)?;
    Ok(sum)
}

/// Which steps of plan `?1` may go: neither one that is unsettled, nor another of the same record (what recovery leaves of a record depends on its
/// neighbors), nor one that was sent after `?2`, which the guards still count.
const MAY_GO: &str = "plan_no = ?1 AND mark NOT IN ('sent', 'unknown', 'asks') AND (sent_ms IS NULL OR sent_ms < ?2)
   AND key NOT IN (SELECT key FROM step INDEXED BY step_open WHERE mark IN ('sent', 'unknown', 'asks') AND plan_no = ?1)";

/// Finds the next runs after `after` that leave something to take away, of those looked at, and the last that was; `None` after all.
fn look(
    db: &Connection,
    job_no: i64,
    keep: &Keep,
    after: i64,
) -> Result<Option<(Vec<Old>, i64)>, StoreError> {
    let floor: Option<i64> = db
        .prepare_cached("SELECT no FROM run WHERE job_no = ?1 ORDER BY no DESC LIMIT 1 OFFSET ?2")?
        .query_row(
            params![job_no, i64::try_from(keep.runs).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )
        .optional()?;
    let mut statement = db.prepare_cached(
        "SELECT r.no, p.no FROM run r LEFT JOIN plan p ON p.run_no = r.no
         WHERE r.job_no = ?1 AND r.no > ?2 AND (r.began_ms < ?3 OR r.no <= ?4) AND r.began_ms < ?5
           AND (r.ended_ms IS NOT NULL OR r.began_ms < ?6) ORDER BY r.no LIMIT ?7",
    )?;
    let rows = statement.query_map(
        params![
            job_no,
            after,
            keep.before_ms(),
            floor.unwrap_or(-1),
            keep.young_ms(),
            keep.now_ms.saturating_sub(UNDER_WAY_MS),
            LOOK as i64,
        ],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)),
    )?;
    let found: Vec<(i64, Option<i64>)> = rows.collect::<Result<_, _>>()?;
    let Some((last, _)) = found.last().copied() else {
        return Ok(None);
    };
    let stay = staying(db, job_no)?;
    let told = numbers(db, "SELECT DISTINCT run_no FROM finding")?;
    let mut old = Vec::new();
    for (run_no, plan_no) in found {
        let one = Old {
            run_no,
            plan_no,
            told: told.contains(&run_no),
        };
        if stay.contains(&run_no) {
            continue;
        }
        let leaves_something = match plan_no {
            Some(plan_no) => db
                .prepare_cached(&format!(
                    "SELECT EXISTS (SELECT 1 FROM step WHERE {MAY_GO}) OR NOT EXISTS (SELECT 1 FROM step WHERE plan_no = ?1)"
                ))?
                .query_row(params![plan_no, keep.young_ms()], |row| row.get(0))?,
            None => !one.told,
        };
        if leaves_something {
            old.push(one);
        }
    }
    Ok(Some((old, last)))
}

/// Counts the steps of a plan that may go, and those that have to stay.
fn steps(db: &Connection, plan_no: i64, keep: &Keep) -> Result<(u64, u64), StoreError> {
    let going: i64 = db
        .prepare_cached(&format!("SELECT count(*) FROM step WHERE {MAY_GO}"))?
        .query_row(params![plan_no, keep.young_ms()], |row| row.get(0))?;
    let all: i64 = db
        .prepare_cached("SELECT count(*) FROM step WHERE plan_no = ?1")?
        .query_row([plan_no], |row| row.get(0))?;
    Ok((going.unsigned_abs(), (all - going).unsigned_abs()))
}

/// Returns the runs of a job that stay whatever their age: the newest of each mode, the last that did what it should, the last such full pass, and
/// the one of the newest plan.
fn staying(db: &Connection, job_no: i64) -> Result<BTreeSet<i64>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT max(no) FROM run WHERE job_no = ?1 GROUP BY mode
         UNION SELECT max(no) FROM run WHERE job_no = ?1 AND mode = 'apply' AND exit IN (0, 5)
         UNION SELECT max(no) FROM run WHERE job_no = ?1 AND mode = 'apply' AND exit IN (0, 3, 5, 7)
         UNION SELECT max(no) FROM run WHERE job_no = ?1 AND mode = 'apply' AND exit IN (0, 3, 5, 7) AND pass = 'full'
         UNION SELECT run_no FROM plan WHERE no = (SELECT max(no) FROM plan)
         UNION SELECT max(no) FROM run",
    )?;
    let rows = statement.query_map([job_no], |row| row.get::<_, Option<i64>>(0))?;
    Ok(rows
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect())
}

/// Takes at most [`ROWS_A_COMMIT`] rows of these runs away; returns what it was and how many of the runs are through.
fn take(db: &Connection, old: &[Old], keep: &Keep) -> Result<(Pruned, usize), StoreError> {
    let mut pruned = Pruned::default();
    let has_progress = has_table(db, "progress")?;
    for (through, one) in old.iter().enumerate() {
        let Some(left) = ROWS_A_COMMIT
            .checked_sub(pruned.rows())
            .filter(|left| *left > 0)
        else {
            return Ok((pruned, through));
        };
        if let Some(plan_no) = one.plan_no {
            let gone = db
                .prepare_cached(&format!(
                    "DELETE FROM step WHERE plan_no = ?1 AND seq IN (SELECT seq FROM step WHERE {MAY_GO} LIMIT ?3)"
                ))?
                .execute(params![
                    plan_no,
                    keep.young_ms(),
                    i64::try_from(left).unwrap_or(i64::MAX)
                ])? as u64;
            pruned.steps += gone;
            if gone == left {
                return Ok((pruned, through));
            }
            pruned.plans += db
                .prepare_cached(
                    "DELETE FROM plan WHERE no = ?1 AND NOT EXISTS (SELECT 1 FROM step WHERE plan_no = ?1)",
                )?
                .execute([plan_no])? as u64;
        }
        // What stands now decides, not what stood when it was chosen.
        let free = "no = ?1 AND NOT EXISTS (SELECT 1 FROM plan WHERE run_no = ?1)";
        if !one.told {
            if has_progress {
                // Of a run that was killed.
                db.prepare_cached(&format!(
                    "DELETE FROM progress WHERE run_no IN (SELECT no FROM run WHERE {free})"
                ))?
                .execute([one.run_no])?;
            }
            pruned.runs += db
                .prepare_cached(&format!("DELETE FROM run WHERE {free}"))?
                .execute([one.run_no])? as u64;
        }
    }
    Ok((pruned, old.len()))
}

/// Returns whether the state has a table; tests read files of older schemas.
pub(super) fn has_table(db: &Connection, name: &str) -> Result<bool, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
        )?
        .query_row([name], |row| row.get(0))?)
}

fn numbers(db: &Connection, sql: &str) -> Result<BTreeSet<i64>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests;
