//! What the schedule remembers of a job, between scheduled runs and over restarts.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use crate::model::JobName;
use crate::plan::agenda::Memory;

use super::error::StoreError;
use super::jobs;

/// Reads what is remembered of a job; `None` when no schedule ever saw it. For readers alone: makes no row.
pub fn memory(db: &Connection, job: &JobName) -> Result<Option<Memory>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT line, seen_ms, served_ms, begun_ms, failures, failed_ms, why, not_before_ms
         FROM agenda JOIN job ON job.no = agenda.job_no WHERE job.name = ?1",
    )?;
    let memory = statement
        .query_row([job.as_str()], |row| {
            Ok(Memory {
                line: row.get(0)?,
                seen: at(row.get(1)?),
                served: row.get::<_, Option<i64>>(2)?.map(at),
                begun: row.get::<_, Option<i64>>(3)?.map(at),
                failures: row.get(4)?,
                failed_at: row.get::<_, Option<i64>>(5)?.map(at),
                why: row.get(6)?,
                not_before: row.get::<_, Option<i64>>(7)?.map(at),
            })
        })
        .optional()?;
    Ok(memory)
}

/// Returns since when the oldest schedule is watched; `None` when none ever was.
pub fn first_seen(db: &Connection) -> Result<Option<DateTime<Utc>>, StoreError> {
    let first: Option<i64> =
        db.query_row("SELECT min(seen_ms) FROM agenda", [], |row| row.get(0))?;
    Ok(first.map(at))
}

/// Writes what is remembered of a job, making the job's row when it is not there yet.
pub fn remember(db: &Connection, job: &JobName, memory: &Memory) -> Result<(), StoreError> {
    let Memory {
        line,
        seen,
        served,
        begun,
        failures,
        failed_at,
        why,
        not_before,
    } = memory;
    let job_no = jobs::job_state(db, job)?.no;
    let ms = |moment: &Option<DateTime<Utc>>| moment.map(|moment| moment.timestamp_millis());
    let mut statement = db.prepare_cached(
        "INSERT INTO agenda (job_no, line, seen_ms, served_ms, begun_ms, failures, failed_ms, why, not_before_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (job_no) DO UPDATE SET
           line = excluded.line, seen_ms = excluded.seen_ms, served_ms = excluded.served_ms, begun_ms = excluded.begun_ms,
           failures = excluded.failures, failed_ms = excluded.failed_ms, why = excluded.why, not_before_ms = excluded.not_before_ms",
    )?;
    statement.execute(params![
        job_no,
        line,
        seen.timestamp_millis(),
        ms(served),
        ms(begun),
        failures,
        ms(failed_at),
        why,
        ms(not_before),
    ])?;
    Ok(())
}

/// A moment out of the file; one that is none becomes the epoch, which nothing waits for.
fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_schedule_is_remembered_as_it_was() {
        let folder = std::env::temp_dir().join(format!("ghl-sync-agenda-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Store::open(&folder).unwrap();
        let job = JobName::try_from("followers".to_owned()).unwrap();
        assert_eq!(memory(&store.reader().unwrap(), &job).unwrap(), None);
        let mut wanted = Memory {
            line: "0 * * * * UTC".to_owned(),
            seen: at(1_000),
            served: None,
            begun: Some(at(2_000)),
            failures: 3,
            failed_at: Some(at(3_000)),
            why: Some("no answer".to_owned()),
            not_before: Some(at(4_000)),
        };
        for served in [None, Some(at(5_000))] {
            wanted.served = served;
            let (written, name) = (wanted.clone(), job.clone());
            store
                .write(move |db| remember(db, &name, &written))
                .await
                .unwrap();
            let found = memory(&store.reader().unwrap(), &job).unwrap();
            assert_eq!(found.as_ref(), Some(&wanted));
            let first = first_seen(&store.reader().unwrap()).unwrap();
            assert_eq!(first, Some(wanted.seen));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
