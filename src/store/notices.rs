//! Messages to the targets of `[notify]`: those that wait, and those that were sent within a day.

use rusqlite::{Connection, params};

use super::error::StoreError;
use crate::model::is_ahead;

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub no: i64,
    /// The name of its target.
    pub target: String,
    /// When it was made, in ms.
    pub made_ms: i64,
    /// How often it was sent in vain.
    pub tries: i64,
    /// What it says, JSON.
    pub body: String,
}

/// Adds a message for a target; belongs into the commit of the change that it tells.
pub fn add(db: &Connection, target: &str, made_ms: i64, body: &str) -> Result<(), StoreError> {
    db.prepare_cached("INSERT INTO notice (target, made_ms, body) VALUES (?1, ?2, ?3)")?
        .execute(params![target, made_ms, body])?;
    Ok(())
}

/// Returns the messages that wait, the oldest first, at most 1,000.
pub fn waiting(db: &Connection) -> Result<Vec<Notice>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT no, target, made_ms, tries, body FROM notice WHERE sent_ms IS NULL ORDER BY no LIMIT 1000",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Notice {
            no: row.get("no")?,
            target: row.get("target")?,
            made_ms: row.get("made_ms")?,
            tries: row.get("tries")?,
            body: row.get("body")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Counts what was sent to a target after a moment.
pub fn sent_since(db: &Connection, target: &str, after_ms: i64) -> Result<u64, StoreError> {
    let count: i64 = db
        .prepare_cached("SELECT count(*) FROM notice WHERE target = ?1 AND sent_ms > ?2")?
        .query_row(params![target, after_ms], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Notes that these went out as one message: the first stands for it in `at_most`, the others go.
pub fn sent(db: &Connection, numbers: &[i64], sent_ms: i64) -> Result<(), StoreError> {
    for (index, no) in numbers.iter().enumerate() {
        match index {
            0 => db
                .prepare_cached("UPDATE notice SET sent_ms = ?2 WHERE no = ?1")?
                .execute(params![no, sent_ms])?,
            _ => db
                .prepare_cached("DELETE FROM notice WHERE no = ?1")?
                .execute([no])?,
        };
    }
    Ok(())
}

/// Notes how often these were sent in vain.
pub fn tried(db: &Connection, numbers: &[i64], tries: i64) -> Result<(), StoreError> {
    for no in numbers {
        db.prepare_cached("UPDATE notice SET tries = max(tries, ?2) WHERE no = ?1")?
            .execute(params![no, tries])?;
    }
    Ok(())
}

/// Takes messages away that are not sent any more.
pub fn drop_them(db: &Connection, numbers: &[i64]) -> Result<(), StoreError> {
    for no in numbers {
        db.prepare_cached("DELETE FROM notice WHERE no = ?1")?
            .execute([no])?;
    }
    Ok(())
}

/// Takes messages away that were sent before a moment, or after now: by a clock that was ahead, so that they would count for ever.
pub fn forget_sent(db: &Connection, before_ms: i64, now_ms: i64) -> Result<(), StoreError> {
    let mut statement =
        db.prepare_cached("SELECT no, sent_ms FROM notice WHERE sent_ms IS NOT NULL")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sent: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
    let old = sent
        .into_iter()
        .filter(|(_, sent_ms)| *sent_ms < before_ms || is_ahead(*sent_ms, now_ms));
    drop_them(db, &old.map(|(no, _)| no).collect::<Vec<_>>())
}

/// Lets messages be made now, because the clock that said when they were was ahead: they would neither be due nor be given up.
pub fn made_now(db: &Connection, numbers: &[i64], now_ms: i64) -> Result<(), StoreError> {
    for no in numbers {
        db.prepare_cached("UPDATE notice SET made_ms = ?2 WHERE no = ?1")?
            .execute(params![no, now_ms])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_waits_until_it_is_sent_and_counts_as_one() {
        let db = Connection::open_in_memory().unwrap();
        for schema in [
            include_str!("schema/001.sql"),
            include_str!("schema/002.sql"),
            include_str!("schema/003.sql"),
        ] {
            db.execute_batch(schema).unwrap();
        }
        for made_ms in 1..=4 {
            add(&db, "team", made_ms, "{}").unwrap();
        }
        let numbers = |db: &Connection| -> Vec<i64> {
            let waiting = waiting(db).unwrap();
            waiting.iter().map(|notice| notice.no).collect()
        };
        assert_eq!(numbers(&db), [1, 2, 3, 4]);
        tried(&db, &[1, 2], 3).unwrap();
        assert_eq!(waiting(&db).unwrap()[1].tries, 3);
        sent(&db, &[1, 2, 3], 100).unwrap();
        assert_eq!(numbers(&db), [4]);
        assert_eq!(sent_since(&db, "team", 99).unwrap(), 1);
        assert_eq!(sent_since(&db, "team", 100).unwrap(), 0);
        assert_eq!(sent_since(&db, "other", 0).unwrap(), 0);
        forget_sent(&db, 101, 101).unwrap();
        assert_eq!(sent_since(&db, "team", 0).unwrap(), 0);
        drop_them(&db, &[4]).unwrap();
        assert!(numbers(&db).is_empty());
    }

    #[test]
    fn what_was_sent_by_a_clock_that_was_ahead_counts_no_more() {
        const YEAR_MS: i64 = 365 * 86_400_000;
        let db = Connection::open_in_memory().unwrap();
        for schema in [
            include_str!("schema/001.sql"),
            include_str!("schema/002.sql"),
            include_str!("schema/003.sql"),
        ] {
            db.execute_batch(schema).unwrap();
        }
        for sent_ms in [YEAR_MS + 1_000, YEAR_MS * 2] {
            add(&db, "team", YEAR_MS * 2, "{}").unwrap();
            sent(&db, &[db.last_insert_rowid()], sent_ms).unwrap();
        }
        assert_eq!(sent_since(&db, "team", 0).unwrap(), 2);
        forget_sent(&db, 0, YEAR_MS).unwrap();
        // A second ahead is another process's look at the clock.
        assert_eq!(sent_since(&db, "team", 0).unwrap(), 1);
        add(&db, "team", YEAR_MS * 2, "{}").unwrap();
        let no = waiting(&db).unwrap()[0].no;
        made_now(&db, &[no], YEAR_MS).unwrap();
        assert_eq!(waiting(&db).unwrap()[0].made_ms, YEAR_MS);
    }
}
