use super::super::backup::copy;
use super::*;
use crate::store::Store;

fn folder(name: &str) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("ghl-sync-restore-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_452_800, 0).unwrap()
}

async fn write(store: &Store, sql: &'static str) {
    store
        .write(move |db| Ok(db.execute_batch(sql)?))
        .await
        .unwrap();
}

fn read(folder: &Path, sql: &str) -> Vec<String> {
    let store = Store::open(folder).unwrap();
    let reader = store.reader().unwrap();
    let mut statement = reader.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

const LOGIN: &str =
    "INSERT OR REPLACE INTO token (account, vendor, kind, scopes, secret, made_ms, obtained_ms)
   VALUES ('main', 'twitch', 'user', '[]', x'01', 1, 1);";

#[tokio::test]
async fn a_copy_takes_the_place_of_the_state_and_keeps_its_logins() {
    let folder = folder("place");
    let store = Store::open(&folder).unwrap();
    write(&store, "INSERT INTO job (name) VALUES ('a'); INSERT INTO location (id, complete_ms, watermark_ms) VALUES ('l', 5, 6);").await;
    let file = folder.join("copy.db");
    copy(&folder, &file).unwrap();
    write(&store, LOGIN).await;
    write(&store, "INSERT INTO job (name) VALUES ('b')").await;

    // Somebody has it open.
    assert!(matches!(
        restore(&folder, &file, now()),
        Err(RestoreError::InUse)
    ));
    drop(store);
    let restored = restore(&folder, &file, now()).unwrap();
    assert!(restored.carried);
    assert_eq!(read(&folder, "SELECT name FROM job"), ["a"]);
    assert_eq!(read(&folder, "SELECT account FROM token"), ["main"]);
    let location = "SELECT coalesce(complete_ms, 'never') || ' ' || watermark_ms FROM location";
    assert_eq!(read(&folder, location), ["never 6"]);
    let store = Store::open(&folder).unwrap();
    let now_ms = now().timestamp_millis();
    let settles = |at_ms| is_settling(&store.reader().unwrap(), at_ms).unwrap();
    assert_eq!(settles(now_ms + 1), Some(now_ms + SETTLES_MS));
    assert_eq!(settles(now_ms + SETTLES_MS + 1), None);

    let kept = Connection::open(restored.kept.unwrap()).unwrap();
    let jobs: i64 = kept
        .query_row("SELECT count(*) FROM job", [], |row| row.get(0))
        .unwrap();
    assert_eq!(jobs, 2, "the state before is whole");
    drop(store);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_people_were_told_is_known_after_it_as_before() {
    use crate::store::conditions::{Condition, ConditionKind, Told, find, save};
    let folder = folder("told");
    let store = Store::open(&folder).unwrap();
    let file = folder.join("copy.db");
    copy(&folder, &file).unwrap();
    let condition = Condition {
        subject: "job:a".to_owned(),
        kind: ConditionKind::Held,
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
    let (stands, known) = (condition.clone(), told.clone());
    store
        .write(move |db| save(db, "job:a", ConditionKind::Held, Some(&stands), &known))
        .await
        .unwrap();
    drop(store);
    restore(&folder, &file, now()).unwrap();
    let store = Store::open(&folder).unwrap();
    let found = find(&store.reader().unwrap(), "job:a", ConditionKind::Held).unwrap();
    assert_eq!(found, (Some(condition), told));
    drop(store);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_damaged_state_is_replaced_and_kept_as_it_is() {
    let folder = folder("damaged");
    let store = Store::open(&folder).unwrap();
    write(&store, "INSERT INTO job (name) VALUES ('a')").await;
    let file = folder.join("copy.db");
    copy(&folder, &file).unwrap();
    drop(store);
    let state = folder.join(STATE_FILE);
    fs::write(&state, "this was a database once, and it is not any more").unwrap();
    fs::write(beside(&state, "-wal"), "a log of something else").unwrap();
    let restored = restore(&folder, &file, now()).unwrap();
    assert!(!restored.carried);
    assert_eq!(read(&folder, "SELECT name FROM job"), ["a"]);
    let kept = restored.kept.unwrap();
    assert!(fs::read_to_string(&kept).unwrap().starts_with("this was"));
    assert!(beside(&kept, "-wal").exists());
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_is_no_sound_copy_is_refused_and_the_state_stays() {
    let folder = folder("refused");
    let store = Store::open(&folder).unwrap();
    write(&store, "INSERT INTO job (name) VALUES ('a'), ('b')").await;
    let good = folder.join("copy.db");
    copy(&folder, &good).unwrap();
    drop(store);
    let refuses = |file: &Path, part: &str| match restore(&folder, file, now()) {
        Err(RestoreError::NotSound { what }) => assert!(what.contains(part), "{what}"),
        other => panic!("{other:?}"),
    };
    let text = folder.join("text.db");
    fs::write(&text, "a letter").unwrap();
    refuses(&text, "not a database");
    let empty = folder.join("empty.db");
    fs::write(&empty, "").unwrap();
    refuses(&empty, "not a state of ghl-sync");
    refuses(&folder.join(STATE_FILE), "the state itself");
    let mut bytes = fs::read(&good).unwrap();
    let last = bytes.len() - 4_096;
    bytes[last..last + 64].fill(0x5a);
    fs::write(&text, bytes).unwrap();
    refuses(&text, "damaged");
    let newer = Connection::open(&good).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let refused = restore(&folder, &good, now());
    assert!(
        matches!(refused, Err(RestoreError::State(StoreError::Newer { .. }))),
        "{refused:?}"
    );
    assert_eq!(
        read(&folder, "SELECT name FROM job ORDER BY name"),
        ["a", "b"]
    );
    assert!(!folder.join("ghl-sync.db.half").exists());
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_copy_by_hand_is_restored_with_its_log() {
    let (here, there) = (folder("hand"), folder("hand-copy"));
    let store = Store::open(&here).unwrap();
    write(&store, "INSERT INTO job (name) VALUES ('a')").await;
    fs::create_dir_all(&there).unwrap();
    for name in ["ghl-sync.db", "ghl-sync.db-wal"] {
        fs::copy(here.join(name), there.join(name)).unwrap();
    }
    drop(store);
    fs::remove_dir_all(&here).unwrap();
    fs::create_dir_all(&here).unwrap();
    let restored = restore(&here, &there.join(STATE_FILE), now()).unwrap();
    assert_eq!((restored.kept, restored.carried), (None, false));
    assert_eq!(read(&here, "SELECT name FROM job"), ["a"]);
    fs::remove_dir_all(here).unwrap();
    fs::remove_dir_all(there).unwrap();
}
