//! With a key no token is in any file, whenever the key was turned on or changed.

use std::fs;
use std::time::Duration;

use ghl_sync::run::{Ask, Watch};

use super::{SECRET_FILES, assert_lacks, assert_no_file_holds, secrets};
use crate::logged::{
    KEYED, Way, keeper, logged, logged_with, run, run_watched, worlds, write_config,
};
use crate::program::{Running, now, program};
use crate::rig::{Rig, ask_all, hours, settings};

const CHANGED: &str = "token_key = \"file:other.key\"\nold_token_key = \"file:key\"\n";

/// Asserts that no file holds a secret in the clear.
fn assert_sealed(rig: &Rig) {
    assert_no_file_holds(&rig.folder, &secrets(rig), SECRET_FILES);
}

#[tokio::test]
async fn with_a_key_no_token_is_in_any_file_at_any_moment() {
    for way in Way::ALL {
        let rig = logged_with(way, settings(12, 10), KEYED).await;
        // The state is open, and its WAL is there to be looked at.
        let mut open = worlds(&rig).await;
        for _ in 0..3 {
            rig.sandbox.expire_access_tokens();
            keeper(&mut open, &way.caller()).token().await.unwrap();
            run(&rig, &ask_all()).await.unwrap();
            assert_sealed(&rig);
            rig.advance(hours(25));
        }
        drop(open);
        assert_sealed(&rig);
        // The key is changed, and then stands alone.
        write_config(&rig, way, CHANGED);
        run(&rig, &ask_all()).await.unwrap();
        write_config(&rig, way, "token_key = \"file:other.key\"\n");
        run(&rig, &ask_all()).await.unwrap();
        assert_sealed(&rig);
        // The wrong one is one message.
        write_config(&rig, way, KEYED);
        let said = run(&rig, &ask_all()).await.unwrap_err().to_string();
        for part in ["old_token_key", way.command()] {
            assert!(said.contains(part), "{way:?}: {said}");
        }
        assert_lacks(said.as_bytes(), &secrets(&rig), "the message");
    }
}

#[tokio::test]
async fn turning_the_key_on_seals_what_was_there_also_with_a_reader_or_a_kill_in_the_way() {
    for way in [Way::TwitchPublic, Way::Agency] {
        let rig = logged(way, settings(12, 10)).await;
        run(&rig, &ask_all()).await.unwrap();
        write_config(&rig, way, KEYED);
        // Another process reads an old state of the file meanwhile.
        let reader = rusqlite::Connection::open(rig.state().join("ghl-sync.db")).unwrap();
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM token")
            .unwrap();
        run(&rig, &ask_all()).await.unwrap();
        reader.execute_batch("COMMIT").unwrap();
        drop(reader);
        // The next start finds it undone and does it.
        run(&rig, &Ask::default()).await.unwrap();
        assert_sealed(&rig);
    }
    // Killed at any moment of it.
    let rig = logged(Way::Location, now(40, 200)).await;
    program(&rig, &["plan"]).await.exits(0);
    for round in 0..8 {
        write_config(
            &rig,
            Way::Location,
            if round % 2 == 0 {
                KEYED
            } else {
                CHANGED_BACK[round / 2 % 2]
            },
        );
        let mut running = Running::start(&rig, &["plan"]);
        tokio::time::sleep(Duration::from_millis(7 * round as u64)).await;
        if running.is_running() {
            running.signal("KILL");
        }
        running.end().await;
    }
    write_config(
        &rig,
        Way::Location,
        "token_key = \"file:other.key\"\nold_token_key = \"file:key\"\n",
    );
    program(&rig, &["plan"]).await.exits(0);
    assert_sealed(&rig);
    run_watched(&rig, &Ask::default(), Watch::nobody())
        .await
        .unwrap();
}

/// The key's change, and the change back.
const CHANGED_BACK: [&str; 2] = [
    CHANGED,
    "token_key = \"file:key\"\nold_token_key = \"file:other.key\"\n",
];

#[tokio::test]
async fn the_copy_before_a_migration_holds_no_login() {
    for more in ["", KEYED] {
        let rig = logged_with(Way::Location, settings(1, 1), more).await;
        let db = rusqlite::Connection::open(rig.state().join("ghl-sync.db")).unwrap();
        // A file that says it is older; the migration fails, after the copy was made.
        db.pragma_update(None, "user_version", 1).unwrap();
        drop(db);
        let failed = ghl_sync::store::Store::open(&rig.state());
        assert!(failed.is_err());
        let version = ghl_sync::store::SCHEMA_VERSION;
        let copy = rig.state().join(format!("ghl-sync.db.before-v{version}"));
        let bytes = fs::read(&copy).unwrap();
        assert_lacks(&bytes, &secrets(&rig), "the copy");
        let copy = rusqlite::Connection::open(&copy).unwrap();
        let rows: i64 = copy
            .query_row("SELECT count(*) FROM token", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 0);
    }
}
