//! The state file: every schema that was ever released, and files that cannot serve.

use std::fs;
use std::path::{Path, PathBuf};

use ghl_sync::model::StepKind;
use ghl_sync::run::RunError;
use ghl_sync::store::{SCHEMA_VERSION, STATE_FILE, Store, StoreError};
use rusqlite::Connection;

use crate::rig::{Rig, ask_all, minutes, settings};

fn folder(name: &str) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("ghl-sync-schema-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Returns the text of every table and index, in a fixed order.
fn schema_of(file: &Path) -> String {
    let connection = Connection::open(file).unwrap();
    let mut statement = connection
        .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, name")
        .unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0));
    rows.unwrap()
        .map(|sql| format!("{};\n", sql.unwrap()))
        .collect()
}

fn kept(version: i64) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schema");
    folder.join(format!("v{version}.sql"))
}

#[test]
fn a_released_schema_never_changes() {
    let folder = folder("fresh");
    let store = Store::open(&folder).unwrap();
    let fresh = schema_of(store.path());
    let kept = kept(SCHEMA_VERSION);
    if std::env::var_os("KEEP_SCHEMA").is_some() {
        fs::write(&kept, &fresh).unwrap();
    }
    let known = fs::read_to_string(&kept).unwrap_or_default();
    assert!(
        fresh == known,
        "a new state file differs from {}; if version {SCHEMA_VERSION} was released, undo the edit and add the next file to \
         src/store/schema, else run this test once with KEEP_SCHEMA=1",
        kept.display()
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_of_every_release_becomes_one_of_this_release() {
    let newest = fs::read_to_string(kept(SCHEMA_VERSION)).unwrap();
    for version in 1..=SCHEMA_VERSION {
        let folder = folder(&format!("from-v{version}"));
        let path = folder.join(STATE_FILE);
        let old = Connection::open(&path).unwrap();
        old.execute_batch(&fs::read_to_string(kept(version)).unwrap())
            .unwrap();
        old.execute("INSERT INTO job (name) VALUES ('followers')", [])
            .unwrap();
        old.pragma_update(None, "user_version", version).unwrap();
        drop(old);
        let store = Store::open(&folder).unwrap();
        assert_eq!(schema_of(store.path()), newest, "from version {version}");
        let jobs: i64 = store
            .reader()
            .unwrap()
            .query_row("SELECT count(*) FROM job", [], |row| row.get(0))
            .unwrap();
        assert_eq!(jobs, 1, "from version {version}");
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_file_of_a_newer_release_is_refused_with_what_to_do() {
    let folder = folder("newer");
    let path = Store::open(&folder).unwrap().path().to_owned();
    let newer = Connection::open(&path).unwrap();
    newer
        .pragma_update(None, "user_version", SCHEMA_VERSION + 3)
        .unwrap();
    drop(newer);
    let before = fs::read(&path).unwrap();
    let error = Store::open(&folder).unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    let said = error.to_string();
    for part in [
        "ghl-sync.db",
        "written by a newer ghl-sync",
        "update ghl-sync",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(fs::read(&path).unwrap(), before, "the file was touched");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = folder("text");
    let path = folder.join(STATE_FILE);
    let text = "these are somebody's notes, not a database\n".repeat(100);
    fs::write(&path, &text).unwrap();
    let error = Store::open(&folder).unwrap_err();
    assert!(matches!(error, StoreError::NotADatabase { .. }), "{error}");
    assert!(error.to_string().contains("move it away"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_empty_file_becomes_a_state() {
    let folder = folder("empty");
    fs::write(folder.join(STATE_FILE), "").unwrap();
    let store = Store::open(&folder).unwrap();
    assert!(schema_of(store.path()).contains("CREATE TABLE job"));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "a test that skips its point says so where its reader looks"
)]
fn a_folder_that_cannot_be_written_is_told_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder("read-only");
    let modes = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    modes(0o500);
    if fs::write(folder.join("probe"), "").is_ok() {
        // Root may write anywhere; `store::open` tests the same answer with a connection that only reads.
        println!("skipped: this user writes into read-only folders");
    } else {
        let error = Store::open(&folder).unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
        assert!(error.to_string().contains("write permission"), "{error}");
    }
    modes(0o700);
    fs::remove_dir_all(folder).unwrap();
}

/// Lets the state file grow by so many pages at most, as a full disk would; `None` gives the space back.
async fn leave_pages(store: &Store, more: Option<i64>) {
    store
        .write(move |db| {
            let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
            let most = more.map_or(1_000_000_000, |more| pages + more);
            Ok(db.pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))?)
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_the_next_run_goes_on() {
    for more in [0, 2, 5, 9, 14] {
        let mut rig = Rig::new(settings(120, 20)).await;
        rig.plan().await;
        let store = rig.store();
        leave_pages(&store, Some(more)).await;
        let mut full = 0;
        for _ in 0..2 {
            match rig.run(ask_all()).await {
                Ok(_) => {}
                Err(RunError::State(StoreError::DiskFull { path })) => {
                    assert!(path.ends_with(STATE_FILE));
                    full += 1;
                }
                Err(error) => panic!("{error}"),
            }
            rig.advance(minutes(1));
        }
        assert!(full > 0, "the disk never was full with {more} pages left");
        leave_pages(&store, None).await;
        // Creates whose answers could not be kept are looked for, and found.
        for _ in 0..3 {
            rig.advance(minutes(16));
            rig.apply_all().await;
        }
        let sound: String = store
            .reader()
            .unwrap()
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
        for follower in rig.sandbox.followers() {
            let contacts = rig
                .sandbox
                .contacts_by_field("twitch_user_id", &follower.id);
            assert_eq!(contacts.len(), 1, "{} with {more} pages left", follower.id);
        }
        assert_eq!(rig.sandbox.contact_count(), 140);
        rig.advance(minutes(15));
        let told = rig.apply_all().await;
        assert_eq!(told.planned(StepKind::Create), 0);
        assert_eq!(told.rows, []);
    }
}
