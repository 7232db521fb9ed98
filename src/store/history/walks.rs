//! Old walks, and what they left in staging.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::super::error::StoreError;
use super::{Keep, Much, Pruned, ROWS_A_COMMIT};

/// Returns the walks that nothing names any more, oldest first: of locations, and with [`Much::All`] of jobs.
pub(super) fn old(db: &Connection, keep: &Keep, much: Much) -> Result<Vec<i64>, StoreError> {
    let mut old = Vec::new();
    for location_no in owners(db, "SELECT no FROM location ORDER BY no")? {
        old.extend(of(db, "location_no", location_no, keep)?);
    }
    if much == Much::All {
        for job_no in owners(db, "SELECT no FROM job ORDER BY no")? {
            let candidates = of(db, "job_no", job_no, keep)?;
            if candidates.is_empty() {
                continue;
            }
            // When a key was first listed is told of the walk that brought it, an absence of the walk that found it, and what is news of
            // the first one. Walks this old are named by no new row, so it does not matter that runs go on meanwhile.
            let named = named(db, job_no)?;
            old.extend(candidates.into_iter().filter(|no| !named.contains(no)));
        }
    }
    old.sort_unstable();
    Ok(old)
}

/// Returns the walks of one owner that are old, but its newest and its last Complete full one.
fn of(db: &Connection, column: &str, owner: i64, keep: &Keep) -> Result<Vec<i64>, StoreError> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT no FROM walk WHERE {column} = ?1 AND page_ms < ?2
           AND (page_ms < ?3 OR no <= (SELECT no FROM walk WHERE {column} = ?1 ORDER BY no DESC LIMIT 1 OFFSET ?4))
           AND no != (SELECT max(no) FROM walk WHERE {column} = ?1)
           AND no != coalesce((SELECT max(no) FROM walk WHERE {column} = ?1 AND pass = 'full' AND ended = 'complete'), -1)
         ORDER BY no"
    ))?;
    let rows = statement.query_map(
        params![
            owner,
            keep.young_ms(),
            keep.before_ms(),
            i64::try_from(keep.runs).unwrap_or(i64::MAX)
        ],
        |row| row.get(0),
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn named(db: &Connection, job_no: i64) -> Result<BTreeSet<i64>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT walk_no FROM roster WHERE job_no = ?1
         UNION SELECT missing_walk FROM roster WHERE job_no = ?1 AND missing_walk IS NOT NULL
         UNION SELECT last_walk_no FROM job WHERE no = ?1 AND last_walk_no IS NOT NULL
         UNION SELECT complete_walk_no FROM job WHERE no = ?1 AND complete_walk_no IS NOT NULL
         UNION SELECT first_walk_no FROM job WHERE no = ?1 AND first_walk_no IS NOT NULL",
    )?;
    let rows = statement.query_map([job_no], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes numbers as the JSON list that statements take.
pub(super) fn list(walks: &[i64]) -> String {
    serde_json::to_string(walks).expect("a list of numbers is always JSON")
}

/// Counts what these walks left in staging.
pub(super) fn staged(db: &Connection, walks: &[i64]) -> Result<u64, StoreError> {
    let count: i64 = db.query_row(
        "SELECT count(*) FROM staging WHERE walk_no IN (SELECT value FROM json_each(?1))",
        [list(walks)],
        |row| row.get(0),
    )?;
    Ok(count.unsigned_abs())
}

/// Takes some of what these walks left in staging away, or, when nothing is left of it, the walks. `walks` is a JSON list of some hundred at most.
pub(super) fn take(db: &Connection, walks: &str) -> Result<Pruned, StoreError> {
    let staged = db
        .prepare_cached(
            "DELETE FROM staging WHERE no IN (
               SELECT no FROM staging WHERE walk_no IN (SELECT value FROM json_each(?1)) LIMIT ?2)",
        )?
        .execute(params![
            walks,
            i64::try_from(ROWS_A_COMMIT).unwrap_or(i64::MAX)
        ])? as u64;
    let mut pruned = Pruned {
        staged,
        ..Pruned::default()
    };
    if staged < ROWS_A_COMMIT / 2 {
        pruned.walks = db
            .prepare_cached("DELETE FROM walk WHERE no IN (SELECT value FROM json_each(?1))")?
            .execute([walks])? as u64;
    }
    Ok(pruned)
}

fn owners(db: &Connection, sql: &str) -> Result<Vec<i64>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
