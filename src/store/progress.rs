//! How far runs under way have come, for other processes to look at.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it does, for people: `reading followers`, `planning`, …
    pub what: String,
    /// Rows or steps that are through.
    pub done: u64,
    /// How many there are, where that is known.
    pub total: Option<u64>,
    /// When this part of the run began, in ms.
    pub since_ms: i64,
    /// When this was written, in ms: a living run writes every few seconds, whether or not it advances.
    pub at_ms: i64,
}

/// Begins the progress of a run, and takes that of killed runs of the same job and mode away which last told of themselves before `before_ms`.
pub fn begin(
    db: &Connection,
    run_no: i64,
    progress: &Progress,
    before_ms: i64,
) -> Result<(), StoreError> {
    db.execute(
        "DELETE FROM progress WHERE at_ms < ?2 AND run_no IN (
           SELECT o.no FROM run o JOIN run n ON n.no = ?1 AND o.job_no = n.job_no AND o.mode = n.mode WHERE o.no < ?1)",
        params![run_no, before_ms],
    )?;
    let Progress {
        what,
        done,
        total,
        since_ms,
        at_ms,
    } = progress;
    db.execute(
        "INSERT INTO progress (run_no, what, done, total, since_ms, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![run_no, what, whole(*done), total.map(whole), since_ms, at_ms],
    )?;
    Ok(())
}

/// Notes how far a run has come. One that has ended meanwhile gets no row any more.
pub fn note(db: &Connection, run_no: i64, progress: &Progress) -> Result<(), StoreError> {
    let Progress {
        what,
        done,
        total,
        since_ms,
        at_ms,
    } = progress;
    db.prepare_cached(
        "UPDATE progress SET what = ?2, done = ?3, total = ?4, since_ms = ?5, at_ms = ?6 WHERE run_no = ?1",
    )?
    .execute(params![run_no, what, whole(*done), total.map(whole), since_ms, at_ms])?;
    Ok(())
}

/// Returns how far a run has come, `None` when it told nothing or has ended.
pub fn find(db: &Connection, run_no: i64) -> Result<Option<Progress>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT what, done, total, since_ms, at_ms FROM progress WHERE run_no = ?1",
        )?
        .query_row([run_no], |row| {
            Ok(Progress {
                what: row.get(0)?,
                done: row.get::<_, i64>(1)?.unsigned_abs(),
                total: row.get::<_, Option<i64>>(2)?.map(i64::unsigned_abs),
                since_ms: row.get(3)?,
                at_ms: row.get(4)?,
            })
        })
        .optional()?)
}

/// SQLite's integers are signed.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::runs;

    #[test]
    fn the_row_of_a_run_goes_when_it_ends_and_does_not_come_back() {
        let db = Connection::open_in_memory().unwrap();
        for schema in [
            include_str!("schema/001.sql"),
            include_str!("schema/002.sql"),
            include_str!("schema/003.sql"),
        ] {
            db.execute_batch(schema).unwrap();
        }
        db.execute("INSERT INTO job (name) VALUES ('a')", [])
            .unwrap();
        let begun = |at_ms| {
            let run_no = runs::begin_run(&db, 1, "apply", "me", at_ms).unwrap();
            let progress = Progress {
                what: "starting".to_owned(),
                at_ms,
                ..Progress::default()
            };
            begin(&db, run_no, &progress, at_ms - 10).unwrap();
            run_no
        };
        let killed = begun(100);
        let run_no = begun(200);
        assert_eq!(find(&db, killed).unwrap(), None);
        let half = Progress {
            what: "reading followers".to_owned(),
            done: 5,
            total: Some(10),
            since_ms: 201,
            at_ms: 203,
        };
        note(&db, run_no, &half).unwrap();
        assert_eq!(find(&db, run_no).unwrap(), Some(half.clone()));
        runs::end_run(&db, run_no, 300, 0, None, None).unwrap();
        note(&db, run_no, &half).unwrap();
        assert_eq!(find(&db, run_no).unwrap(), None);
    }
}
