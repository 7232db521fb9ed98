//! Putting a copy in the place of the state.
//!
//! A copy does not know what was done since it was made: contacts were created, fields written, logins renewed. So a restored state creates nobody
//! before all contacts were read once more, and before the hub's index shows the last ones; it keeps the logins of the state that it replaces.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags, params};

use super::backup::{Half, sync_folder};
use super::error::StoreError;
use super::health::{self, Depth};
use super::history::has_table;
use super::jobs;
use super::open::{STATE_FILE, bring_up};
use super::owner::is_ours;

/// The fact that tells runs when a copy was put in place; see [`is_settling`].
const RESTORED: &str = "restored";
/// For so long after a restore nobody is created: what was created just before it shows in the hub's listings by then. In ms.
const SETTLES_MS: i64 = 15 * 60 * 1_000;
/// How long a restore waits for others to close the state.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a restore came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the state that was there is kept; `None` when there was none.
    pub kept: Option<PathBuf>,
    /// Whether logins, limits and messages were carried over from it; false when there was none or it could not be read.
    pub carried: bool,
    /// The schema of the copy.
    pub version: i64,
    /// The last run that the copy knows of began then, in ms; `None`: it knows of none.
    pub last_run_ms: Option<i64>,
}

/// Why a copy was not put in place.
#[derive(Debug)]
pub enum RestoreError {
    /// The file is no copy of a state, or a damaged one.
    NotSound {
        /// What is wrong with it.
        what: String,
    },
    /// Somebody has the present state open.
    InUse,
    /// Reading or writing failed.
    State(StoreError),
}

impl From<StoreError> for RestoreError {
    fn from(error: StoreError) -> RestoreError {
        RestoreError::State(error)
    }
}

/// Returns until when nobody is created because the state was restored, in ms; `None` when nothing is in the way.
pub fn is_settling(db: &Connection, now_ms: i64) -> Result<Option<i64>, StoreError> {
    let restored = jobs::kept_at(db, RESTORED, now_ms.saturating_sub(SETTLES_MS))?;
    Ok(restored
        .map(|(_, at)| at.saturating_add(SETTLES_MS))
        // A restore that the clock has still to come to was made before the clock was set back.
        .filter(|until| *until <= now_ms.saturating_add(SETTLES_MS)))
}

/// Puts the copy `file` in the place of the state in `folder`, whole or not at all; what was there is kept beside it.
///
/// Whoever calls holds the locks of all who write. The copy is read and changed in a file of its own first, which then gets the state's name.
///
/// Errors: the copy is not sound, of a newer release, or the same file as the state; somebody has the state open; the disk. The state is as it was
/// then.
pub fn restore(folder: &Path, file: &Path, now: DateTime<Utc>) -> Result<Restored, RestoreError> {
    is_ours(folder)?;
    let state = folder.join(STATE_FILE);
    if let (Ok(one), Ok(other)) = (fs::canonicalize(file), fs::canonicalize(&state))
        && one == other
    {
        return Err(RestoreError::NotSound {
            what: "it is the state itself".to_owned(),
        });
    }
    let half = Half::make(&state)?;
    let new = copied(file, &half.path)?;
    let mut restored = make_ready(new, &half.path, &state, now)?;
    let disk = |source| StoreError::of_file(half.path.clone(), source);
    File::open(&half.path)
        .and_then(|file| file.sync_all())
        .map_err(disk)?;
    let closed = if state.exists() {
        let (kept, closed) = retire(&state, now)?;
        restored.kept = Some(kept);
        closed
    } else {
        forget_log(&state, None)?;
        None
    };
    half.becomes(&state)
        .map_err(|source| StoreError::of_file(state.clone(), source))?;
    sync_folder(&state);
    drop(closed);
    Ok(restored)
}

/// Copies a file, with its log when it has one, and looks whether the copy is sound and one of a state.
fn copied(file: &Path, half: &Path) -> Result<Connection, RestoreError> {
    let unreadable = |source: io::Error| RestoreError::NotSound {
        what: format!("it cannot be read: {source}"),
    };
    let disk = |source| StoreError::of_file(half.to_owned(), source);
    let mut from = File::open(file).map_err(unreadable)?;
    let mut to = File::options().write(true).open(half).map_err(disk)?;
    io::copy(&mut from, &mut to).map_err(disk)?;
    // A copy made by hand has its last commits in there.
    let log = beside(file, "-wal");
    if fs::metadata(&log).is_ok_and(|meta| meta.len() > 0) {
        fs::copy(&log, beside(half, "-wal")).map_err(disk)?;
    }
    let sorted = |error| match StoreError::sorted(half.to_owned(), error) {
        StoreError::NotADatabase { said, .. } => RestoreError::NotSound {
            what: format!("it is damaged: {said}"),
        },
        other => RestoreError::State(other),
    };
    let new =
        Connection::open_with_flags(half, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sorted)?;
    let tables: i64 = new
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('job', 'roster', 'mirror', 'link', 'step')",
            [],
            |row| row.get(0),
        )
        .map_err(sorted)?;
    if tables != 5 {
        return Err(RestoreError::NotSound {
            what: "it is not a state of ghl-sync".to_owned(),
        });
    }
    let wrong = health::check(&new, Depth::Whole)?;
    if wrong.is_empty() {
        return Ok(new);
    }
    Err(RestoreError::NotSound {
        what: format!("it is damaged: {}", wrong.join("; ")),
    })
}

/// Brings the copy to the present schema, and makes it one that is safe to go on with.
fn make_ready(
    mut new: Connection,
    path: &Path,
    state: &Path,
    now: DateTime<Utc>,
) -> Result<Restored, RestoreError> {
    let version = bring_up(&mut new, path)?;
    let now_ms = now.timestamp_millis();
    let sorted = |error| StoreError::sorted(path.to_owned(), error);
    new.execute_batch(AFTER).map_err(sorted)?;
    jobs::keep(&new, RESTORED, "", now_ms)?;
    let carried = is_database(state) && carry_over(&new, state).unwrap_or(false);
    let last_run_ms = new
        .query_row("SELECT max(began_ms) FROM run", [], |row| row.get(0))
        .map_err(sorted)?;
    // All of it in one file.
    new.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .map_err(sorted)?;
    Ok(Restored {
        kept: None,
        carried,
        version,
        last_run_ms,
    })
}

/// What a restored state must not believe.
///
/// The watermark stays: the next search reads everything that changed since the copy was made. Walks are not gone on with, because what they read is
/// as old as the copy. Steps without an answer are recovered by the next run, as after a kill.
const AFTER: &str = "
UPDATE location SET complete_ms = NULL, refreshed_ms = NULL, gap_cuts = 0, gap_cut_ms = NULL;
UPDATE walk SET cursor = NULL, ended = coalesce(ended, 'stopped') WHERE cursor IS NOT NULL OR ended IS NULL;
UPDATE agenda SET begun_ms = NULL, failures = 0, failed_ms = NULL, why = NULL, not_before_ms = NULL;
UPDATE kept SET kept_ms = 0 WHERE name NOT LIKE 'write-test:%';
DELETE FROM progress;
DELETE FROM notice;
";

/// What is newer in the state that is replaced, whatever is wrong with its other tables.
const CARRIED: &[(&str, &str)] = &[
    (
        "token",
        "account, vendor, kind, client_id, owner, owner_name, scopes, key_id, secret, expires_ms, made_ms, obtained_ms, renewing_ms, lost",
    ),
    (
        "bucket",
        "name, window_max, window_ms, next_free_ns, hold_until_ms, day_limit, day_used, day_ends_ms, heard_ms",
    ),
    ("condition", "subject, kind, what, hash, since_ms"),
    // Without it a condition that people know of would be told anew, and its end to nobody.
    ("told", "subject, kind, hash, times, changes, flaps"),
    ("notice", "no, target, made_ms, sent_ms, tries, body"),
    (
        "upkeep",
        "id, began_ms, ended_ms, what, backup_ms, checked_ms, vacuumed_ms",
    ),
];

/// Takes over what the present state knows better; returns whether its logins could be read.
fn carry_over(new: &Connection, state: &Path) -> Result<bool, StoreError> {
    // Without its own connection a damaged file could not be told from a damaged copy.
    let old = Connection::open_with_flags(state, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    old.busy_timeout(PATIENCE)?;
    let mut logins = false;
    for (table, columns) in CARRIED {
        if !has_table(&old, table)? {
            continue;
        }
        let count = columns.split(',').count();
        let read = || -> rusqlite::Result<Vec<Vec<rusqlite::types::Value>>> {
            let mut statement = old.prepare(&format!("SELECT {columns} FROM {table}"))?;
            let rows = statement.query_map([], |row| (0..count).map(|at| row.get(at)).collect())?;
            rows.collect()
        };
        // A table that cannot be read is left as the copy has it.
        let Ok(rows) = read() else { continue };
        logins |= *table == "token";
        let marks = vec!["?"; count].join(", ");
        let transaction = new.unchecked_transaction()?;
        transaction.execute(&format!("DELETE FROM {table}"), [])?;
        for row in rows {
            transaction.execute(
                &format!("INSERT INTO {table} ({columns}) VALUES ({marks})"),
                rusqlite::params_from_iter(row),
            )?;
        }
        transaction.commit()?;
    }
    // A contact that a write test has not removed yet is only known here.
    let _ = carry_write_tests(&old, new);
    Ok(logins)
}

fn carry_write_tests(old: &Connection, new: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        old.prepare("SELECT name, value, kept_ms FROM kept WHERE name LIKE 'write-test:%'")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (name, value, kept_ms): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        new.execute(
            "INSERT INTO kept (name, value, kept_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, kept_ms = excluded.kept_ms",
            params![name, value, kept_ms],
        )?;
    }
    Ok(())
}

/// Gives the present state a second name and empties its log, so that the log is not taken for the restored file's; returns the name, and a connection
/// that keeps others out until the new file is in place.
///
/// Errors: `InUse` when somebody has it open.
fn retire(state: &Path, now: DateTime<Utc>) -> Result<(PathBuf, Option<Connection>), RestoreError> {
    let kept = beside(
        state,
        &format!(".before-restore-{}", now.format("%Y%m%dT%H%M%SZ")),
    );
    let alone = match is_database(state) {
        true => alone(state).map(Some),
        // SQLite would throw its log away.
        false => Ok(None),
    };
    let closed = match alone {
        Ok(connection) => connection,
        Err(StoreError::Locked { .. }) => return Err(RestoreError::InUse),
        // A damaged file has nobody who could work with it.
        Err(StoreError::NotADatabase { .. }) => None,
        Err(other) => return Err(other.into()),
    };
    let io = |source| StoreError::of_file(kept.clone(), source);
    match fs::remove_file(&kept) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error).into()),
    }
    fs::hard_link(state, &kept)
        .or_else(|_| fs::copy(state, &kept).map(|_| ()))
        .map_err(io)?;
    forget_log(state, closed.is_none().then_some(&kept))?;
    Ok((kept, closed))
}

/// Returns whether a file begins as SQLite's do; one that does not is opened by nothing, so that it is kept with its log as it is.
fn is_database(file: &Path) -> bool {
    let mut begins = [0; 16];
    File::open(file)
        .and_then(|mut file| file.read_exact(&mut begins))
        .is_ok_and(|()| begins == *b"SQLite format 3\0")
}

/// Writes the log of a state into its file, and keeps everybody else out of it.
fn alone(state: &Path) -> Result<Connection, StoreError> {
    let sorted = |error| StoreError::sorted(state.to_owned(), error);
    let connection =
        Connection::open_with_flags(state, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sorted)?;
    connection.busy_timeout(PATIENCE).map_err(sorted)?;
    // Succeeds only for the last one who has it open, and takes the log away.
    connection
        .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .map_err(sorted)?;
    connection
        .execute_batch("BEGIN EXCLUSIVE")
        .map_err(sorted)?;
    Ok(connection)
}

/// Takes the log away that lies beside a state: to where the damaged file is `kept`, so that nothing of it is lost, else for good.
fn forget_log(state: &Path, kept: Option<&PathBuf>) -> Result<(), StoreError> {
    let log = beside(state, "-wal");
    let gone = match kept {
        Some(kept) => fs::rename(&log, beside(kept, "-wal")),
        None => fs::remove_file(&log),
    };
    for outcome in [gone, fs::remove_file(beside(state, "-shm"))] {
        match outcome {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::of_file(log, source)),
        }
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
