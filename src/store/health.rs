//! Whether the state is sound: the file by SQLite's own checks, and what must hold between its rows.

use rusqlite::{Connection, ErrorCode};

use super::error::StoreError;
use super::history::has_table;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The pages, and what must hold between rows, as far as indexes tell: reads the file once.
    Quick,
    /// Every row against every index too, and whether what should be JSON is: reads the file several times.
    Whole,
}

impl Depth {
    /// Returns the word in messages and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Depth::Quick => "quick",
            Depth::Whole => "whole",
        }
    }
}

/// Faults of one kind that are told before the rest is left out.
const EACH: usize = 5;

/// What must hold, as a query of what does not: its column says what is wrong. `true`: only looked at in a whole check.
const RULES: &[(bool, &str, &str)] = &[
    (
        false,
        "counter",
        "SELECT 'the counter has ' || count(*) || ' rows' FROM counter HAVING count(*) != 1",
    ),
    (
        false,
        "roster",
        "SELECT 'job ' || j.name || ' has a roster row from after the counter' FROM job j
         WHERE (SELECT max(tick) FROM roster WHERE job_no = j.no) > (SELECT tick FROM counter)",
    ),
    (
        false,
        "mirror",
        "SELECT 'location ' || l.id || ' has a mirror row from after the counter' FROM location l
         WHERE (SELECT max(tick) FROM mirror WHERE location_no = l.no) > (SELECT tick FROM counter)",
    ),
    (
        false,
        "job",
        "SELECT 'job ' || name || ' was planned up to a tick that is still to come' FROM job
         WHERE planned_tick > (SELECT tick FROM counter)",
    ),
    (
        false,
        "job",
        "SELECT 'the roster of job ' || name || ' is of a walk that is still to come' FROM job
         WHERE generation > coalesce((SELECT max(no) FROM walk), 0)",
    ),
    (
        false,
        "job",
        "SELECT 'job ' || name || ' names a walk that is not there' FROM job
         WHERE (last_walk_no IS NOT NULL AND NOT EXISTS (SELECT 1 FROM walk WHERE no = last_walk_no))
            OR (complete_walk_no IS NOT NULL AND NOT EXISTS (SELECT 1 FROM walk WHERE no = complete_walk_no))",
    ),
    (
        false,
        "roster",
        "SELECT 'record ' || r.key || ' is absent from a walk that is not there' FROM roster r
         WHERE r.missing_walk IS NOT NULL AND NOT EXISTS (SELECT 1 FROM walk w WHERE w.no = r.missing_walk)",
    ),
    (
        false,
        "plan",
        "SELECT 'plan ' || p.no || ' and its run are of different jobs' FROM plan p JOIN run r ON r.no = p.run_no
         WHERE r.job_no != p.job_no",
    ),
    (
        true,
        "link",
        "SELECT 'the link of record ' || l.key || ' leads to a contact of another location' FROM link l
         JOIN mirror m ON m.no = l.contact_no WHERE m.location_no != l.location_no",
    ),
    (
        true,
        "link",
        "SELECT 'contact ' || m.id || ' is linked to ' || count(*) || ' records of one namespace' FROM link l NOT INDEXED
         JOIN mirror m ON m.no = l.contact_no WHERE l.contact_no IS NOT NULL GROUP BY l.contact_no, l.namespace HAVING count(*) > 1",
    ),
    (
        true,
        "claim",
        "SELECT 'tag claims of contact number ' || contact_no || ' have no contact' FROM claim
         WHERE contact_no NOT IN (SELECT no FROM mirror)",
    ),
    (
        true,
        "roster",
        "SELECT 'record ' || key || ' was listed by a walk that is still to come' FROM roster
         WHERE walk_no > (SELECT max(no) FROM walk)",
    ),
    (
        true,
        "roster",
        "SELECT 'the attributes of record ' || key || ' are not JSON' FROM roster WHERE NOT json_valid(attributes)",
    ),
    (
        true,
        "mirror",
        "SELECT 'what is known of contact ' || id || ' is not JSON' FROM mirror
         WHERE NOT (json_valid(seen) AND coalesce(json_valid(tags), 1) AND coalesce(json_valid(written), 1))",
    ),
    (
        true,
        "step",
        "SELECT 'step ' || seq || ' of plan ' || plan_no || ' is not JSON' FROM step WHERE NOT json_valid(change)",
    ),
];

/// Looks the state through; returns what is wrong, in words, empty when nothing is.
///
/// On a connection that reads: others go on writing. Memory does not grow with the file.
///
/// Errors: the file cannot be read for a reason that is no damage, such as a lock.
pub fn check(db: &Connection, depth: Depth) -> Result<Vec<String>, StoreError> {
    let mut wrong = Vec::new();
    let pages = match depth {
        Depth::Quick => "PRAGMA quick_check(20)",
        Depth::Whole => "PRAGMA integrity_check(20)",
    };
    let said = gather(db, pages, |row| row.get::<_, String>(0), &mut wrong)?;
    wrong.extend(said.into_iter().filter(|said| said != "ok"));
    // What stands in damaged pages is no reason for more sentences.
    if !wrong.is_empty() {
        return Ok(wrong);
    }
    let orphans = gather(
        db,
        "PRAGMA foreign_key_check",
        |row| {
            let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
            Ok(format!(
                "a row of {table} names a row of {parent} that is not there"
            ))
        },
        &mut wrong,
    )?;
    told(orphans, &mut wrong);
    for (only_whole, table, rule) in RULES {
        if (*only_whole && depth == Depth::Quick) || !has_table(db, table)? {
            continue;
        }
        let broken = gather(db, rule, |row| row.get::<_, String>(0), &mut wrong)?;
        told(broken, &mut wrong);
    }
    Ok(wrong)
}

/// Runs a query to its end, or to a few rows more than are told; damage that it meets is put into `wrong`.
fn gather(
    db: &Connection,
    sql: &str,
    read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<String>,
    wrong: &mut Vec<String>,
) -> Result<Vec<String>, StoreError> {
    let run = || -> rusqlite::Result<Vec<String>> {
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
            if found.len() > 4 * EACH {
                break;
            }
        }
        Ok(found)
    };
    match run() {
        Ok(found) => Ok(found),
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ) =>
        {
            wrong.push(error.to_string());
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

fn told(broken: Vec<String>, wrong: &mut Vec<String>) {
    let more = broken.len() > EACH;
    wrong.extend(broken.into_iter().take(EACH));
    if more {
        wrong.push("and more like the last".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn what_does_not_fit_together_is_found() {
        let folder = std::env::temp_dir().join(format!("ghl-sync-health-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Store::open(&folder).unwrap();
        let found = |depth| check(&store.reader().unwrap(), depth).unwrap();
        assert_eq!(found(Depth::Whole), [""; 0]);
        let spoil = |sql: &'static str| store.write(move |db| Ok(db.execute_batch(sql)?));
        spoil(
            "INSERT INTO job (name) VALUES ('a'); INSERT INTO location (id) VALUES ('l'), ('m');
               INSERT INTO mirror (location_no, id, seen, tick) VALUES (1, 'c', '{}', 0);",
        )
        .await
        .unwrap();
        assert_eq!(found(Depth::Whole), [""; 0]);
        for (depth, sql, says) in [
            (
                Depth::Quick,
                "UPDATE job SET generation = 9",
                "still to come",
            ),
            (
                Depth::Quick,
                "UPDATE job SET generation = 0, complete_walk_no = 4",
                "a walk that is not there",
            ),
            (
                Depth::Quick,
                "UPDATE job SET complete_walk_no = NULL, planned_tick = 7",
                "a tick that is still to come",
            ),
            (
                Depth::Quick,
                "UPDATE job SET planned_tick = 0; UPDATE mirror SET tick = 5",
                "after the counter",
            ),
            (
                Depth::Whole,
                "UPDATE mirror SET tick = 0, seen = '{'",
                "not JSON",
            ),
            (
                Depth::Whole,
                "UPDATE mirror SET seen = '{}'; INSERT INTO link VALUES (2, 'n', 'k', 1, 'linked', NULL)",
                "another location",
            ),
        ] {
            spoil(sql).await.unwrap();
            let wrong = found(depth);
            assert_eq!(wrong.len(), 1, "{sql}: {wrong:?}");
            assert!(wrong[0].contains(says), "{sql}: {wrong:?}");
        }
        drop(store);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
