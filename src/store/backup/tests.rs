use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::Store;

fn folder(name: &str) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("ghl-sync-backup-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_452_800 + seconds, 0).unwrap()
}

async fn with_logins(folder: &Path) -> Store {
    let store = Store::open(folder).unwrap();
    store
        .write(|db| {
            Ok(db.execute_batch(
                "INSERT INTO job (name) VALUES ('a');
                 INSERT INTO token (account, vendor, kind, scopes, secret, made_ms, obtained_ms)
                 VALUES ('main', 'twitch', 'user', '[]', CAST('plain-refresh-token' AS BLOB), 1, 1);",
            )?)
        })
        .await
        .unwrap();
    store
}

#[tokio::test]
async fn a_copy_is_whole_private_and_without_logins_while_the_state_is_open() {
    let folder = folder("whole");
    let store = with_logins(&folder).await;
    let copies_folder = folder.join("copies");
    make_folder(&copies_folder).unwrap();
    let to = copies_folder.join(name_of(at(0)));
    let copied = copy(&folder, &to).unwrap();
    assert_eq!(copied.path, to);
    let meta = fs::metadata(&to).unwrap();
    assert_eq!(
        (meta.permissions().mode() & 0o777, meta.len()),
        (0o600, copied.bytes)
    );
    let db = Connection::open(&to).unwrap();
    let count = |table: &str| -> i64 {
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })
        .unwrap()
    };
    assert_eq!((count("job"), count("token")), (1, 0));
    let bytes = fs::read(&to).unwrap();
    let secret = b"plain-refresh-token";
    assert!(!bytes.windows(secret.len()).any(|part| part == secret));
    assert_eq!(copies(&copies_folder).unwrap(), std::slice::from_ref(&to));
    assert_eq!(fs::read_dir(&copies_folder).unwrap().count(), 1);
    assert_eq!(newest_good(&copies_folder), Some(to));
    drop(store);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_a_killed_process_left_half_made_is_cleared() {
    let folder = folder("half");
    let half = folder.join(format!("{}{HALF}", name_of(at(0))));
    fs::create_dir_all(&folder).unwrap();
    fs::write(&half, "SQLite format 3").unwrap();
    let other = folder.join("notes.half");
    fs::write(&other, "mine").unwrap();
    let journal = folder.join(format!("{}{HALF}-journal", name_of(at(1))));
    fs::write(&journal, "").unwrap();
    make_folder(&folder).unwrap();
    assert!(!half.exists() && !journal.exists());
    assert!(other.exists());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn rotation_takes_the_oldest_copies_and_no_other_file() {
    let folder = folder("rotation");
    fs::create_dir_all(&folder).unwrap();
    for seconds in 0..6 {
        fs::write(folder.join(name_of(at(seconds * 86_400))), "").unwrap();
    }
    let strangers = [
        "ghl-sync.db",
        "ghl-sync-mine.db",
        "ghl-sync-20260302T120000Z.db.half",
        "ghl-sync-20269902T120000Z.db",
    ];
    for name in strangers {
        fs::write(folder.join(name), "").unwrap();
    }
    // Made by a clock that was set back: it is good, so it stays.
    let made = folder.join(name_of(at(0)));
    let gone = rotate(&folder, 3, &made).unwrap();
    assert_eq!(gone.len(), 3);
    let left: Vec<PathBuf> = [5, 4, 0]
        .map(|day| folder.join(name_of(at(day * 86_400))))
        .into();
    assert_eq!(copies(&folder).unwrap(), left);
    assert!(strangers.iter().all(|name| folder.join(name).exists()));
    rotate(&folder, 1, &made).unwrap();
    assert_eq!(copies(&folder).unwrap(), [made]);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn room_is_made_only_while_another_sound_copy_stays() {
    let folder = folder("room");
    drop(with_logins(&folder).await);
    let copies_folder = folder.join("copies");
    make_folder(&copies_folder).unwrap();
    let name = |day: i64| copies_folder.join(name_of(at(day * 86_400)));
    copy(&folder, &name(0)).unwrap();
    for day in 1..4 {
        fs::write(name(day), "SQLite format 3").unwrap();
    }
    // The only sound one is the oldest.
    assert!(make_room(&copies_folder, 4).unwrap().is_empty());
    assert!(make_room(&copies_folder, 1).unwrap().is_empty());
    assert_eq!(copies(&copies_folder).unwrap().len(), 4);
    copy(&folder, &name(2)).unwrap();
    assert_eq!(make_room(&copies_folder, 4).unwrap(), [name(0)]);
    assert!(make_room(&copies_folder, 7).unwrap().is_empty());
    assert_eq!(make_room(&copies_folder, 3).unwrap(), [name(1)]);
    assert_eq!(copies(&copies_folder).unwrap(), [name(3), name(2)]);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_leaves_what_was_there() {
    let folder = folder("damaged");
    drop(with_logins(&folder).await);
    let to = folder.join("copy.db");
    copy(&folder, &to).unwrap();
    let before = fs::read(&to).unwrap();
    let state = folder.join(STATE_FILE);
    let mut bytes = fs::read(&state).unwrap();
    let pages = bytes.len() / 4_096;
    for page in 2..pages {
        bytes[page * 4_096..page * 4_096 + 64].fill(0x5a);
    }
    fs::write(&state, bytes).unwrap();
    assert!(copy(&folder, &to).is_err());
    assert_eq!(fs::read(&to).unwrap(), before);
    assert!(!folder.join("copy.db.half").exists());
    fs::remove_dir_all(folder).unwrap();
}
