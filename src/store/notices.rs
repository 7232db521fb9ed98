//! Messages to the targets of `[notify]`: those that wait, and those that were sent within a day.

use rusqlite::{Connection, params};

use super::error::StoreError;

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

/// Takes messages away that were sent before a moment.
pub fn forget_sent(db: &Connection, before_ms: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM notice WHERE sent_ms < ?1")?
        .execute([before_ms])?;
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
        forget_sent(&db, 101).unwrap();
        assert_eq!(sent_since(&db, "team", 0).unwrap(), 0);
        drop_them(&db, &[4]).unwrap();
        assert!(numbers(&db).is_empty());
    }
}
