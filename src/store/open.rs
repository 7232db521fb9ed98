//! Opening the file: permissions, pragmas, migrations.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::StoreError;
use super::lock::give_to_owner;
use super::owner::is_ours;

/// The name of the state file in the state folder.
pub const STATE_FILE: &str = "ghl-sync.db";

/// The schemas in the order in which they were made; `user_version` counts how many a file has.
const SCHEMAS: &[&str] = &[
    include_str!("schema/001.sql"),
    include_str!("schema/002.sql"),
    include_str!("schema/003.sql"),
    include_str!("schema/004.sql"),
];

/// The `user_version` of a file that this program writes.
#[expect(clippy::cast_possible_wrap, reason = "a handful of schema files")]
pub const SCHEMA_VERSION: i64 = SCHEMAS.len() as i64;

/// How long a connection waits for another process's commit before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How old a half made copy may be before it counts as left behind; the copy of a million rows takes seconds.
const HALF_MAY_BE: Duration = Duration::from_secs(3_600);

/// How long wiping waits for another process: it is tried again at the next start, so nobody should wait long for it.
const WIPE_PATIENCE: Duration = Duration::from_secs(1);

/// What has to be free before a login is renewed: its commit is a few pages in the WAL, and others write to the disk as well.
const ROOM_BYTES: u64 = 1024 * 1024;

/// Pages are 4 KiB; 16 MiB of cache keep the hot ends of the indexes in memory at a million rows.
const CACHE_KIB: i64 = 16 * 1024;

/// Opens the state file in `folder` for writing, making both when they are missing, and brings its schema up to date.
///
/// The folder is made 0700 and the file 0600, because both hold people's data. Before a migration the file is copied to
/// `ghl-sync.db.before-vN`.
///
/// Errors: every variant of [`StoreError`] but `Stopped`.
pub(super) fn open_for_writing(folder: &Path) -> Result<(Connection, PathBuf), StoreError> {
    is_ours(folder)?;
    let path = folder.join(STATE_FILE);
    let io = |source| StoreError::Io {
        path: path.clone(),
        source,
    };
    if !folder.is_dir() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io)?;
        if let Ok(made) = fs::File::open(folder) {
            give_to_owner(&made, folder);
        }
    }
    if !path.exists() {
        // Made before SQLite touches it, so that it is never readable by others, not even for a moment.
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Ok(file) => give_to_owner(&file, &path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(StoreError::ReadOnly { path });
            }
            Err(error) => return Err(io(error)),
        }
    }
    close_to_others(&path);
    let mut connection = Connection::open_with_flags(
        &path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|error| StoreError::sorted(path.clone(), error))?;
    make_ready(&mut connection, &path, SCHEMAS, PATIENCE).map_err(|error| error.at(&path))?;
    clear_halves(folder);
    Ok((connection, path))
}

/// Takes from the file and its WAL what a copy or a careless `chmod` gave to other users: they hold tokens.
///
/// Best effort: a file of another owner cannot be changed, and opening it says what is wrong with it.
fn close_to_others(path: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        let open = fs::metadata(&file).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
        if open && fs::set_permissions(&file, Permissions::from_mode(0o600)).is_ok() {
            tracing::warn!(
                state.path = %Path::new(&file).display(),
                "{} was open to other users and is now 0600", Path::new(&file).display()
            );
        }
    }
}

/// Sets a writing connection up and brings its file to the last of `schemas`.
fn make_ready(
    connection: &mut Connection,
    path: &Path,
    schemas: &[&str],
    patience: Duration,
) -> Result<(), StoreError> {
    prepare(connection, patience)?;
    if connection.is_readonly("main")? {
        return Err(StoreError::ReadOnly {
            path: path.to_owned(),
        });
    }
    migrate(connection, path, schemas)
}

/// Opens the state file for reading only; it must exist and be of this program's schema.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let sorted = |error| StoreError::sorted(path.to_owned(), error);
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(sorted)?;
    connection.busy_timeout(PATIENCE).map_err(sorted)?;
    connection
        .pragma_update(None, "cache_size", -CACHE_KIB)
        .map_err(sorted)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(sorted)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(sorted)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(connection)
}

/// Opens the state file for copying it; like [`open_for_reading`], but of any schema that this program knows.
pub(super) fn open_for_copying(path: &Path) -> Result<Connection, StoreError> {
    let connection = open_for_reading(path)?;
    // A copy is written by the connection that reads.
    connection
        .pragma_update(None, "query_only", false)
        .map_err(|error| StoreError::sorted(path.to_owned(), error))?;
    Ok(connection)
}

/// Brings a file that nobody else knows of to the present schema, without a copy of how it was.
///
/// Errors: `Newer`, or it cannot be written.
pub(super) fn bring_up(connection: &mut Connection, path: &Path) -> Result<i64, StoreError> {
    let found = version(connection).map_err(StoreError::from)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    raise(connection, SCHEMAS)?;
    Ok(found)
}

/// How many prepared statements a connection keeps: all that there are.
const STATEMENTS: usize = 128;

fn prepare(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(patience)?;
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    if pages == 0 {
        give_back_pages(connection)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // A WAL that one long reader let grow is cut back at the next checkpoint.
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Lets freed pages be given back bit by bit; of effect on a file that is still empty, or when it is rewritten.
fn give_back_pages(connection: &Connection) -> rusqlite::Result<()> {
    // Where it is so already, to say it again would be a commit.
    let mode: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if mode != 2 {
        connection.pragma_update(None, "auto_vacuum", 2)?;
    }
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn migrate(connection: &mut Connection, path: &Path, schemas: &[&str]) -> Result<(), StoreError> {
    #[expect(clippy::cast_possible_wrap, reason = "a handful of schema files")]
    let known = schemas.len() as i64;
    let found = version(connection)?;
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        let backup = path.with_extension(format!("db.before-v{known}"));
        copy_into(connection, &backup, found)?;
    }
    raise(connection, schemas)
}

/// Applies the schemas that a file does not have yet.
fn raise(connection: &mut Connection, schemas: &[&str]) -> Result<(), StoreError> {
    #[expect(clippy::cast_possible_wrap, reason = "a handful of schema files")]
    let known = schemas.len() as i64;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated while we waited for the lock.
    let found = version(&transaction)?;
    let first = usize::try_from(found).unwrap_or(0);
    for schema in schemas.iter().skip(first) {
        transaction.execute_batch(schema)?;
    }
    transaction.pragma_update(None, "user_version", known.max(found))?;
    transaction.commit()?;
    Ok(())
}

/// Writes a whole, consistent copy of the database, as of schema `found`, to `target`; 0600 like the original, and without logins.
///
/// A copy that an earlier, failed migration left behind is replaced: what was done since then is only in the newer one. If another
/// process migrates at this moment, its copy stands.
fn copy_into(connection: &Connection, target: &Path, found: i64) -> Result<(), StoreError> {
    // Two processes may be at it at once, each with a half of its own.
    let half = target.with_extension(format!("half-{}", std::process::id()));
    let io = |source| StoreError::Io {
        path: half.clone(),
        source,
    };
    if half.exists() {
        fs::remove_file(&half).map_err(io)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&half)
        .map_err(io)?;
    connection.execute("VACUUM INTO ?1", [half.to_string_lossy()])?;
    let copied = Connection::open_with_flags(&half, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|copy| without_logins(&copy).and_then(|()| version(&copy)))?;
    if copied == found {
        fs::rename(&half, target).map_err(io)
    } else {
        fs::remove_file(&half).map_err(io)
    }
}

/// Removes copies that a killed process left half made: they may hold logins, and nobody would look for them.
///
/// A younger one may be another process's that makes it now. Best effort: the next start tries again.
fn clear_halves(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_half = name.to_string_lossy().starts_with("ghl-sync.db.half");
        let changed = entry.metadata().and_then(|meta| meta.modified()).ok();
        let age = changed.and_then(|at| at.elapsed().ok());
        if is_half && age.is_some_and(|age| age > HALF_MAY_BE) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Takes the logins out of a copy: refresh tokens are good for one use, so those of a copy would be spent by the time it is needed.
pub(super) fn without_logins(copy: &Connection) -> rusqlite::Result<()> {
    let has_logins: bool = copy.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'token')",
        [],
        |row| row.get(0),
    )?;
    if has_logins {
        // No journal beside the copy, which would hold them for a moment.
        copy.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
        copy.pragma_update(None, "secure_delete", true)?;
        copy.execute("DELETE FROM token", [])?;
    }
    Ok(())
}

/// Makes sure that the disk has room for what is about to be written and cannot be had again.
///
/// Errors: `DiskFull`. A file system that does not tell has room.
pub(super) fn has_room(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return Ok(());
    };
    match is_full(disk.f_blocks, disk.f_bavail.saturating_mul(disk.f_frsize)) {
        true => Err(StoreError::DiskFull {
            path: path.to_owned(),
        }),
        false => Ok(()),
    }
}

fn is_full(blocks: u64, free_bytes: u64) -> bool {
    blocks > 0 && free_bytes < ROOM_BYTES
}

/// Rewrites the file without its freed pages and empties the WAL; returns whether the WAL is empty.
///
/// Errors: another process kept the file locked, or the disk is full. Neither is waited for long: the next start wipes again.
pub(super) fn wipe(path: &Path) -> Result<bool, StoreError> {
    let sorted = |error| StoreError::sorted(path.to_owned(), error);
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(sorted)?;
    let wipe = || -> rusqlite::Result<bool> {
        prepare(&connection, WIPE_PATIENCE)?;
        give_back_pages(&connection)?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.execute_batch("VACUUM")?;
        let busy: i64 =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(busy == 0)
    };
    wipe().map_err(sorted)
}

#[cfg(test)]
mod tests;
