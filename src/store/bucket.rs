//! The rows of the gate: one per vendor bucket.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row};

use super::error::StoreError;

/// What all processes know of a vendor bucket; the columns of table `bucket`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The calls allowed in one window, at least 1.
    pub window_max: u32,
    /// The length of the window in milliseconds.
    pub window_ms: u64,
    /// The theoretical arrival time of GCRA, in nanoseconds since the Unix epoch.
    pub next_free_ns: u64,
    /// No calls before this moment, in milliseconds since the Unix epoch.
    pub hold_until_ms: i64,
    /// The calls allowed in a day; `None` when the vendor has no such limit.
    pub day_limit: Option<u64>,
    /// The calls made in the present day.
    pub day_used: u64,
    /// When the day ends, in milliseconds since the Unix epoch; `None` before the first call.
    pub day_ends_ms: Option<i64>,
    /// When the vendor last told us of the day, in milliseconds since the Unix epoch.
    pub heard_ms: i64,
}

/// What was used of a bucket's day, for `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The bucket's name.
    pub name: String,
    /// The calls made in the present day.
    pub used: u64,
    /// The calls allowed in a day; `None` when the vendor has no such limit.
    pub limit: Option<u64>,
    /// The calls left in the present day, the reserve included.
    pub remaining: Option<u64>,
    /// When the present day ends; `None` when no day is running, or when the vendor has no limit of the day.
    pub resets_at: Option<DateTime<Utc>>,
    /// Until when the vendor's 429 holds everybody; `None` when it does not.
    pub held_until: Option<DateTime<Utc>>,
    /// About when the last call was allowed, late by a window at most; `None` before the first.
    pub last_at: Option<DateTime<Utc>>,
}

impl Bucket {
    /// Reads the row of a bucket; `None` before its first call.
    pub fn load(db: &Connection, name: &str) -> Result<Option<Bucket>, StoreError> {
        let mut statement = db.prepare_cached(
            "SELECT window_max, window_ms, next_free_ns, hold_until_ms, day_limit, day_used, day_ends_ms, heard_ms
             FROM bucket WHERE name = ?1",
        )?;
        Ok(statement.query_row([name], read).optional()?)
    }

    /// Writes the row of a bucket.
    pub fn save(&self, db: &Connection, name: &str) -> Result<(), StoreError> {
        let Bucket {
            window_max,
            window_ms,
            next_free_ns,
            hold_until_ms,
            day_limit,
            day_used,
            day_ends_ms,
            heard_ms,
        } = self;
        let mut statement = db.prepare_cached(
            "INSERT INTO bucket(name, window_max, window_ms, next_free_ns, hold_until_ms, day_limit, day_used, day_ends_ms, heard_ms)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT(name) DO UPDATE SET
               window_max = excluded.window_max, window_ms = excluded.window_ms, next_free_ns = excluded.next_free_ns,
               hold_until_ms = excluded.hold_until_ms, day_limit = excluded.day_limit, day_used = excluded.day_used,
               day_ends_ms = excluded.day_ends_ms, heard_ms = excluded.heard_ms",
        )?;
        statement.execute((
            name,
            window_max,
            whole(*window_ms),
            whole(*next_free_ns),
            hold_until_ms,
            day_limit.map(whole),
            whole(*day_used),
            day_ends_ms,
            heard_ms,
        ))?;
        Ok(())
    }
}

impl Usage {
    /// Reads what was used of every bucket, by name. A day that ended before `now` counts as unused.
    pub fn all(db: &Connection, now: DateTime<Utc>) -> Result<Vec<Usage>, StoreError> {
        let mut statement = db.prepare_cached(
            "SELECT window_max, window_ms, next_free_ns, hold_until_ms, day_limit, day_used, day_ends_ms, heard_ms, name
             FROM bucket ORDER BY name",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get("name")?, read(row)?)))?;
        let mut all = Vec::new();
        for row in rows {
            let (name, bucket) = row?;
            all.push(Usage::of(name, &bucket, now));
        }
        Ok(all)
    }

    fn of(name: String, bucket: &Bucket, now: DateTime<Utc>) -> Usage {
        let now_ms = now.timestamp_millis();
        let ends_ms = bucket.day_ends_ms.filter(|ends_ms| *ends_ms > now_ms);
        let used = if ends_ms.is_some() {
            bucket.day_used
        } else {
            0
        };
        Usage {
            name,
            used,
            limit: bucket.day_limit,
            remaining: bucket.day_limit.map(|limit| limit.saturating_sub(used)),
            resets_at: ends_ms
                .filter(|_| bucket.day_limit.is_some())
                .and_then(DateTime::from_timestamp_millis),
            held_until: Some(bucket.hold_until_ms)
                .filter(|hold_ms| *hold_ms > now_ms)
                .and_then(DateTime::from_timestamp_millis),
            // The bucket's next free moment is never before the last permit, and at most a window after it.
            last_at: Some(bucket.next_free_ns)
                .filter(|ns| *ns > 0)
                .and_then(|ns| DateTime::from_timestamp_millis(whole(ns / 1_000_000))),
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Bucket> {
    let count = |column: &str| -> rusqlite::Result<u64> {
        Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
    };
    Ok(Bucket {
        window_max: row.get("window_max")?,
        window_ms: count("window_ms")?,
        next_free_ns: count("next_free_ns")?,
        hold_until_ms: row.get("hold_until_ms")?,
        day_limit: row
            .get::<_, Option<i64>>("day_limit")?
            .map(|limit| u64::try_from(limit).unwrap_or(0)),
        day_used: count("day_used")?,
        day_ends_ms: row.get("day_ends_ms")?,
        heard_ms: row.get("heard_ms")?,
    })
}

/// SQLite's integers are signed.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema/001.sql")).unwrap();
        assert_eq!(Bucket::load(&db, "b").unwrap(), None);
        let mut bucket = Bucket {
            window_max: 100,
            window_ms: 10_000,
            next_free_ns: 1_800_000_000_000_000_001,
            hold_until_ms: 5,
            day_limit: Some(200_000),
            day_used: 360,
            day_ends_ms: Some(2_000),
            heard_ms: 7,
        };
        for day_limit in [Some(200_000), None] {
            bucket.day_limit = day_limit;
            bucket.save(&db, "b").unwrap();
            assert_eq!(Bucket::load(&db, "b").unwrap(), Some(bucket.clone()));
        }
    }

    #[test]
    fn a_vendor_without_a_limit_of_the_day_has_no_day_that_ends() {
        let mut bucket = Bucket {
            window_max: 800,
            window_ms: 60_000,
            next_free_ns: 5_000_000_000,
            hold_until_ms: 0,
            day_limit: None,
            day_used: 9,
            day_ends_ms: Some(10_000),
            heard_ms: 0,
        };
        let now = DateTime::from_timestamp_millis(6_000).unwrap();
        let usage = Usage::of("b".to_owned(), &bucket, now);
        assert_eq!((usage.used, usage.resets_at), (9, None));
        assert_eq!(usage.last_at, DateTime::from_timestamp_millis(5_000));
        bucket.day_limit = Some(10);
        let usage = Usage::of("b".to_owned(), &bucket, now);
        assert_eq!(usage.resets_at, DateTime::from_timestamp_millis(10_000));
    }

    #[test]
    fn a_day_that_is_over_counts_as_unused() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema/001.sql")).unwrap();
        let bucket = Bucket {
            window_max: 100,
            window_ms: 10_000,
            next_free_ns: 0,
            hold_until_ms: 0,
            day_limit: Some(1_000),
            day_used: 400,
            day_ends_ms: Some(10_000),
            heard_ms: 0,
        };
        bucket.save(&db, "b").unwrap();
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
        let during = Usage::all(&db, at(9_999)).unwrap();
        assert_eq!(
            during.first().map(|usage| (usage.used, usage.remaining)),
            Some((400, Some(600)))
        );
        let after = Usage::all(&db, at(10_000)).unwrap();
        assert_eq!(
            after.first().map(|usage| (usage.used, usage.remaining)),
            Some((0, Some(1_000)))
        );
    }
}
