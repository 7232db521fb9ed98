use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::Store;

/// The patience of these tests with a locked file.
const SOON: Duration = Duration::from_millis(50);

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ghl-sync-open-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Opens a file with these schemas, as a later release of the program would.
fn open_as(path: &Path, schemas: &[&str]) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path).unwrap();
    make_ready(&mut connection, path, schemas, SOON).map_err(|error| error.at(path))?;
    Ok(connection)
}

fn rows(path: &Path, table: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    connection.query_row(&count, [], |row| row.get(0)).unwrap()
}

fn version_of(path: &Path) -> i64 {
    version(&Connection::open(path).unwrap()).unwrap()
}

const FIRST: &str = "CREATE TABLE follower (name TEXT NOT NULL) STRICT;";
const SECOND: &str = "CREATE TABLE extra (x INTEGER) STRICT; INSERT INTO extra VALUES (7);";

#[test]
fn the_folder_and_the_file_are_for_their_owner_alone() {
    let folder = folder("modes").join("deeper");
    let store = Store::open(&folder).unwrap();
    assert_eq!((mode(&folder), mode(store.path())), (0o700, 0o600));
    fs::remove_dir_all(folder.parent().unwrap()).unwrap();
}

#[test]
fn before_a_migration_the_file_is_copied() {
    let folder = folder("copy");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(STATE_FILE);
    let connection = open_as(&path, &[FIRST]).unwrap();
    connection
        .execute("INSERT INTO follower VALUES ('Ada')", [])
        .unwrap();
    drop(connection);
    assert_eq!(version_of(&path), 1);
    let backup = folder.join("ghl-sync.db.before-v2");
    assert!(!backup.exists(), "a new file needs no copy");

    drop(open_as(&path, &[FIRST, SECOND]).unwrap());
    assert_eq!((version_of(&path), rows(&path, "extra")), (2, 1));
    assert_eq!((version_of(&backup), rows(&backup, "follower")), (1, 1));
    assert_eq!(mode(&backup), 0o600);
    drop(open_as(&path, &[FIRST, SECOND]).unwrap());
    assert_eq!(rows(&path, "extra"), 1, "a schema is applied once");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was_and_the_next_copy_is_of_that_day() {
    let folder = folder("fails");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(STATE_FILE);
    drop(open_as(&path, &[FIRST]).unwrap());
    let broken = "CREATE TABLE extra (x INTEGER) STRICT; CREATE TABLE extra (y INTEGER) STRICT;";
    let error = open_as(&path, &[FIRST, broken]).unwrap_err();
    assert!(matches!(error, StoreError::Sql { .. }), "{error}");
    assert_eq!(version_of(&path), 1);

    // The old release goes on for a while.
    let connection = open_as(&path, &[FIRST]).unwrap();
    connection
        .execute("INSERT INTO follower VALUES ('Ada')", [])
        .unwrap();
    drop(connection);
    drop(open_as(&path, &[FIRST, SECOND]).unwrap());
    let backup = folder.join("ghl-sync.db.before-v2");
    assert_eq!((version_of(&backup), rows(&backup, "follower")), (1, 1));
    let halves = fs::read_dir(&folder)
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains("half")
        })
        .count();
    assert_eq!(halves, 0);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_of_a_newer_release_is_refused_and_left_alone() {
    let folder = folder("newer");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(STATE_FILE);
    drop(open_as(&path, &[FIRST, SECOND]).unwrap());
    let error = open_as(&path, &[FIRST]).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!((version_of(&path), rows(&path, "extra")), (2, 1));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_can_only_be_read_is_read_only() {
    let folder = folder("read-only");
    let path = Store::open(&folder).unwrap().path().to_owned();
    // What a user without write permission gets; root, who may run this test, could write whatever the permissions say.
    let mut connection =
        Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let error = make_ready(&mut connection, &path, SCHEMAS, SOON).unwrap_err();
    let error = error.at(&path);
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("write permission"), "{error}");
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_file_that_somebody_keeps_locked_is_told_as_locked_and_serves_again_afterwards() {
    let folder = folder("locked");
    let store = Store::open(&folder).unwrap();
    store.write(|db| Ok(db.busy_timeout(SOON)?)).await.unwrap();
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let write = || store.write(|db| Ok(db.execute_batch("CREATE TABLE IF NOT EXISTS t (x)")?));
    let error = write().await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(
        error.to_string().contains("ghl-sync.db is locked"),
        "{error}"
    );
    other.execute_batch("ROLLBACK").unwrap();
    write().await.unwrap();
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_is_locked_while_it_is_made_is_told_as_locked() {
    let folder = folder("locked-new");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(STATE_FILE);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = open_as(&path, SCHEMAS).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(other);
    Store::open(&folder).unwrap();
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_disk_with_next_to_no_room_is_full_and_one_that_does_not_tell_is_not() {
    assert!(is_full(1_000, ROOM_BYTES - 1));
    assert!(!is_full(1_000, ROOM_BYTES));
    assert!(!is_full(0, 0), "proc and its like have no blocks at all");
    assert!(has_room(&std::env::temp_dir().join("x.db")).is_ok());
}

#[test]
fn a_state_that_root_makes_for_a_service_is_the_services() {
    use std::os::unix::fs::{MetadataExt, chown};
    let base = folder("root");
    fs::create_dir(&base).unwrap();
    // Root alone can do this, and only what root does is of interest.
    let _ = chown(&base, Some(4_321), Some(4_321));
    let state = base.join("state");
    drop(Store::open(&state).unwrap());
    let owner = |path: &Path| fs::metadata(path).unwrap().uid();
    assert_eq!(owner(&state), owner(&base));
    assert_eq!(owner(&state.join(STATE_FILE)), owner(&base));
    fs::remove_dir_all(&base).unwrap();
}

#[test]
fn a_copy_that_a_killed_process_left_half_made_is_removed_and_a_young_one_is_left_alone() {
    let folder = folder("halves");
    drop(Store::open(&folder).unwrap());
    let (old, young) = (
        folder.join("ghl-sync.db.half-1"),
        folder.join("ghl-sync.db.half-2"),
    );
    for half in [&old, &young] {
        fs::write(half, "tokens").unwrap();
    }
    let hours_ago = std::time::SystemTime::now() - HALF_MAY_BE * 2;
    let file = fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(hours_ago).unwrap();
    drop(Store::open(&folder).unwrap());
    assert_eq!((old.exists(), young.exists()), (false, true));
    fs::remove_dir_all(folder).unwrap();
}
