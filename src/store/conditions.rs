//! What is not as it should be, and what messages said of it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::StoreError;

/// What sort of condition; the words are those of the database, of messages and of `on` in ghl-sync.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionKind {
    /// Runs fail.
    Failure,
    /// A guard holds changes back.
    Held,
    /// Conflicts, refused rows or questions wait for a person.
    Conflict,
    /// A login is lost, or will be.
    Login,
}

impl ConditionKind {
    /// All of them.
    pub const ALL: [ConditionKind; 4] = [
        ConditionKind::Failure,
        ConditionKind::Held,
        ConditionKind::Conflict,
        ConditionKind::Login,
    ];

    /// Returns the word.
    pub fn word(self) -> &'static str {
        match self {
            ConditionKind::Failure => "failure",
            ConditionKind::Held => "held",
            ConditionKind::Conflict => "conflict",
            ConditionKind::Login => "login",
        }
    }

    fn from_word(word: &str) -> Result<ConditionKind, StoreError> {
        let mut all = ConditionKind::ALL.into_iter();
        all.find(|kind| kind.word() == word)
            .ok_or_else(|| StoreError::Corrupt {
                what: "the kind of a condition".to_owned(),
            })
    }
}

/// Something that is not as it should be, while it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `job:NAME`, `account:NAME`, `state` or `upkeep`.
    pub subject: String,
    /// What sort.
    pub kind: ConditionKind,
    /// What it is, for people.
    pub what: String,
    /// Tells it from another one of its kind; no number in it, so that other counts are no news.
    pub hash: String,
    /// Since when, in ms.
    pub since_ms: i64,
}

/// What messages said of a condition, and how restless it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The hash that was last told; `None` when nothing was, or when it is over and that was told too.
    pub hash: Option<String>,
    /// How often in a row it was seen to stand; 0 when it is gone.
    pub times: i64,
    /// When it changed within the last hour, in ms, the oldest first.
    pub changes: Vec<i64>,
    /// Whether it was told that it comes and goes; nothing is told then until it stood still for an hour.
    pub flaps: bool,
}

/// Returns everything that stands, by subject.
pub fn standing(db: &Connection) -> Result<Vec<Condition>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT subject, kind, what, hash, since_ms FROM condition ORDER BY subject, kind",
    )?;
    let rows = statement.query_map([], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

/// Returns one condition, `None` when it does not stand, and what messages said of it.
pub fn find(
    db: &Connection,
    subject: &str,
    kind: ConditionKind,
) -> Result<(Option<Condition>, Told), StoreError> {
    let condition = db
        .prepare_cached("SELECT subject, kind, what, hash, since_ms FROM condition WHERE subject = ?1 AND kind = ?2")?
        .query_row(params![subject, kind.word()], |row| Ok(read(row)))
        .optional()?
        .transpose()?;
    let told = db
        .prepare_cached(
            "SELECT hash, times, changes, flaps FROM told WHERE subject = ?1 AND kind = ?2",
        )?
        .query_row(params![subject, kind.word()], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get::<_, String>(2)?,
                row.get(3)?,
            ))
        })
        .optional()?;
    let told = match told {
        None => Told::default(),
        Some((hash, times, changes, flaps)) => Told {
            hash,
            times,
            changes: serde_json::from_str(&changes).map_err(|_| StoreError::Corrupt {
                what: "the changes of a condition".to_owned(),
            })?,
            flaps,
        },
    };
    Ok((condition, told))
}

/// Stores what a condition has come to; `None` when it does not stand.
pub fn save(
    db: &Connection,
    subject: &str,
    kind: ConditionKind,
    condition: Option<&Condition>,
    told: &Told,
) -> Result<(), StoreError> {
    match condition {
        Some(Condition {
            subject,
            kind,
            what,
            hash,
            since_ms,
        }) => db
            .prepare_cached(
                "INSERT INTO condition (subject, kind, what, hash, since_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (subject, kind) DO UPDATE SET what = excluded.what, hash = excluded.hash, since_ms = excluded.since_ms",
            )?
            .execute(params![subject, kind.word(), what, hash, since_ms])?,
        None => db
            .prepare_cached("DELETE FROM condition WHERE subject = ?1 AND kind = ?2")?
            .execute(params![subject, kind.word()])?,
    };
    if *told == Told::default() {
        db.prepare_cached("DELETE FROM told WHERE subject = ?1 AND kind = ?2")?
            .execute(params![subject, kind.word()])?;
        return Ok(());
    }
    let changes = serde_json::to_string(&told.changes).expect("a list of numbers is always JSON");
    db.prepare_cached(
        "INSERT INTO told (subject, kind, hash, times, changes, flaps) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (subject, kind) DO UPDATE SET
           hash = excluded.hash, times = excluded.times, changes = excluded.changes, flaps = excluded.flaps",
    )?
    .execute(params![subject, kind.word(), told.hash, told.times, changes, told.flaps])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Condition, StoreError> {
    Ok(Condition {
        subject: row.get("subject")?,
        kind: ConditionKind::from_word(&row.get::<_, String>("kind")?)?,
        what: row.get("what")?,
        hash: row.get("hash")?,
        since_ms: row.get("since_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_comes_back_as_it_was_stored_and_goes() {
        let db = Connection::open_in_memory().unwrap();
        for schema in [
            include_str!("schema/001.sql"),
            include_str!("schema/002.sql"),
            include_str!("schema/003.sql"),
        ] {
            db.execute_batch(schema).unwrap();
        }
        for kind in ConditionKind::ALL {
            let nothing = (None, Told::default());
            assert_eq!(find(&db, "job:a", kind).unwrap(), nothing);
            let condition = Condition {
                subject: "job:a".to_owned(),
                kind,
                what: "guard create".to_owned(),
                hash: "create".to_owned(),
                since_ms: 5,
            };
            let told = Told {
                hash: Some("create".to_owned()),
                times: 3,
                changes: vec![5, 7],
                flaps: true,
            };
            save(&db, "job:a", kind, Some(&condition), &told).unwrap();
            assert_eq!(find(&db, "job:a", kind).unwrap(), (Some(condition), told));
            assert_eq!(standing(&db).unwrap().len(), 1);
            save(&db, "job:a", kind, None, &Told::default()).unwrap();
            assert_eq!(find(&db, "job:a", kind).unwrap(), nothing);
        }
        assert!(standing(&db).unwrap().is_empty());
    }
}
