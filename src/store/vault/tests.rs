//! Logins on a real file, looked for byte by byte.

use std::fs;
use std::io::{Read, Seek};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{TimeZone, Utc};

use super::*;
use crate::store::LoginKind;

const ACCESS: &str = "access-9f3a-must-not-show";
const REFRESH: &str = "refresh-77c1-must-not-show";

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new(name: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("ghl-sync-vault-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Folder(path)
    }

    /// Opens the vault as another process would; a digit stands for a key of 64 of it.
    fn vault(&self, key: Option<&str>, old_key: Option<&str>) -> Vault {
        let read = |digit: &str| Key::read(&Secret::new(digit.repeat(64))).unwrap();
        let store = Store::open(&self.0).unwrap();
        Vault::new(store, key.map(read), old_key.map(read))
    }

    /// Returns the files that hold a token in the clear.
    fn leaks(&self) -> Vec<String> {
        let mut leaks = Vec::new();
        for entry in fs::read_dir(&self.0).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let holds = |text: &str| {
                bytes
                    .windows(text.len())
                    .any(|part| part == text.as_bytes())
            };
            if holds(ACCESS) || holds(REFRESH) {
                leaks.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
        leaks
    }
}

fn account(name: &str) -> AccountName {
    AccountName::try_from(name).unwrap()
}

fn login(name: &str) -> Login {
    let now = Utc.with_ymd_and_hms(2026, 3, 2, 12, 0, 0).unwrap();
    Login {
        facts: LoginFacts {
            account: account(name),
            kind: LoginKind::User,
            client_id: Some("client".to_owned()),
            owner: Some("4242".to_owned()),
            owner_name: None,
            scopes: vec!["bits:read".to_owned()],
            expires: Some(now),
            made: now,
            obtained: now,
            renewing: None,
            lost: None,
        },
        access: Secret::new(ACCESS),
        refresh: Some(Secret::new(REFRESH)),
    }
}

#[tokio::test]
async fn a_login_comes_back_as_it_was_kept() {
    for key in [None, Some("a")] {
        let folder = Folder::new(&format!("back{}", key.unwrap_or_default()));
        let vault = folder.vault(key, None);
        assert_eq!(vault.load(&account("main")).unwrap(), None);
        vault.save(&login("main")).await.unwrap();
        assert_eq!(vault.load(&account("main")).unwrap(), Some(login("main")));
        assert!(vault.forget(&account("main")).await.unwrap());
        assert_eq!(vault.load(&account("main")).unwrap(), None);
        assert!(!vault.forget(&account("main")).await.unwrap());
    }
}

#[tokio::test]
async fn the_first_unanswered_renewal_is_remembered_until_a_pair_comes() {
    let folder = Folder::new("renewing");
    let vault = folder.vault(None, None);
    let main = account("main");
    vault.save(&login("main")).await.unwrap();
    let first = Utc.with_ymd_and_hms(2026, 3, 2, 13, 0, 0).unwrap();
    for hours in 0..2 {
        let at = first + chrono::TimeDelta::hours(hours);
        vault.renewing(&main, at).await.unwrap();
        let facts = vault.load(&main).unwrap().unwrap().facts;
        assert_eq!(facts.renewing, Some(first));
    }
    vault.lose(&main, "spent").await.unwrap();
    let facts = vault.load(&main).unwrap().unwrap().facts;
    assert_eq!(
        (facts.renewing, facts.lost.as_deref()),
        (None, Some("spent"))
    );
    vault.save(&login("main")).await.unwrap();
    assert_eq!(vault.load(&main).unwrap(), Some(login("main")));
}

#[tokio::test]
async fn with_a_key_no_token_is_in_any_file() {
    let folder = Folder::new("sealed");
    let vault = folder.vault(Some("a"), None);
    vault.save(&login("main")).await.unwrap();
    assert!(vault.tidy().await.unwrap());
    assert_eq!(folder.leaks(), Vec::<String>::new());
    drop(vault);
    assert_eq!(folder.leaks(), Vec::<String>::new());
}

#[tokio::test]
async fn turning_the_key_on_leaves_nothing_in_the_clear() {
    let folder = Folder::new("on");
    let vault = folder.vault(None, None);
    // Some come and go, so that there are freed cells and pages.
    for number in 0..200 {
        vault.save(&login(&format!("a{number}"))).await.unwrap();
    }
    for number in 0..150 {
        vault.forget(&account(&format!("a{number}"))).await.unwrap();
    }
    drop(vault);
    assert_eq!(folder.leaks(), ["ghl-sync.db"]);
    let vault = folder.vault(Some("a"), None);
    assert!(vault.tidy().await.unwrap());
    assert_eq!(folder.leaks(), Vec::<String>::new());
    assert_eq!(vault.load(&account("a199")).unwrap(), Some(login("a199")));
    drop(vault);
    assert_eq!(folder.leaks(), Vec::<String>::new());
}

#[tokio::test]
async fn a_reader_in_the_way_puts_the_wiping_off_to_the_next_start() {
    let folder = Folder::new("busy");
    let vault = folder.vault(None, None);
    vault.save(&login("main")).await.unwrap();
    let vault = Vault::new(vault.store.clone(), folder.vault(Some("a"), None).key, None);
    let reader = vault.store.reader().unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM token").unwrap();
    let is_wiped = vault.tidy().await;
    assert!(!matches!(is_wiped, Ok(true)), "{is_wiped:?}");
    reader.execute_batch("COMMIT").unwrap();
    drop(reader);
    assert!(vault.tidy().await.unwrap());
    assert_eq!(folder.leaks(), Vec::<String>::new());
}

#[tokio::test]
async fn a_changed_key_opens_with_the_old_one_beside_it_and_alone_afterwards() {
    let folder = Folder::new("changed");
    let main = account("main");
    folder
        .vault(Some("a"), None)
        .save(&login("main"))
        .await
        .unwrap();
    let lost = folder.vault(Some("b"), None);
    lost.tidy().await.unwrap();
    let error = lost.load(&main).unwrap_err();
    assert!(matches!(error, VaultError::NoKey { ours: Some(_), .. }));
    let error = folder.vault(None, None).load(&main).unwrap_err();
    assert!(matches!(error, VaultError::NoKey { ours: None, .. }));
    let both = folder.vault(Some("b"), Some("a"));
    assert_eq!(both.load(&main).unwrap(), Some(login("main")));
    assert!(both.tidy().await.unwrap());
    let alone = folder.vault(Some("b"), None);
    assert_eq!(alone.load(&main).unwrap(), Some(login("main")));
}

/// The login after a renewal an hour later.
fn renewed(name: &str) -> Login {
    let mut login = login(name);
    login.facts.obtained += chrono::TimeDelta::hours(1);
    login.access = Secret::new(format!("{ACCESS}-renewed"));
    login
}

fn lock(vault: &Vault, name: &str) -> Lock {
    match vault.lock(&account(name)).unwrap() {
        Taken::Ours(lock) => lock,
        Taken::Busy { holder } => panic!("{holder} holds it"),
    }
}

/// Asserts that the file is gone, and that what it was holds zeros alone.
fn assert_wiped(mut former: fs::File, path: &std::path::Path) {
    assert!(!path.exists());
    let mut bytes = Vec::new();
    former.rewind().unwrap();
    former.read_to_end(&mut bytes).unwrap();
    assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
}

#[tokio::test]
async fn what_was_set_aside_is_taken_up_once_and_wiped() {
    for key in [None, Some("a")] {
        let folder = Folder::new(&format!("aside{}", key.unwrap_or_default()));
        let vault = folder.vault(key, None);
        let main = account("main");
        vault.save(&login("main")).await.unwrap();
        vault
            .renewing(&main, login("main").facts.made)
            .await
            .unwrap();
        let lock = lock(&vault, "main");
        let path = vault.set_aside(&renewed("main"), &lock).unwrap();
        assert_eq!(path, folder.0.join("token-main.pair"));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let leaks = folder.leaks();
        assert_eq!(leaks.contains(&"token-main.pair".to_owned()), key.is_none());
        let former = fs::File::open(&path).unwrap();
        vault.take_up(&main, &lock).await.unwrap();
        assert_eq!(vault.load(&main).unwrap(), Some(renewed("main")));
        assert_wiped(former, &path);
        // There is nothing left to take up.
        vault.take_up(&main, &lock).await.unwrap();
        assert_eq!(vault.load(&main).unwrap(), Some(renewed("main")));
    }
}

#[tokio::test]
async fn what_was_set_aside_replaces_no_newer_pair_no_other_login_and_no_forgotten_one() {
    let folder = Folder::new("stale");
    let vault = folder.vault(None, None);
    let main = account("main");
    let lock = lock(&vault, "main");
    let mut newer = renewed("main");
    newer.facts.obtained += chrono::TimeDelta::hours(1);
    let mut other = login("main");
    other.facts.made += chrono::TimeDelta::minutes(1);
    for stored in [Some(newer), Some(other), None] {
        match &stored {
            Some(stored) => vault.save(stored).await.unwrap(),
            None => assert!(vault.forget(&main).await.unwrap()),
        }
        let path = vault.set_aside(&renewed("main"), &lock).unwrap();
        let former = fs::File::open(&path).unwrap();
        vault.take_up(&main, &lock).await.unwrap();
        assert_eq!(vault.load(&main).unwrap(), stored);
        assert_wiped(former, &path);
    }
}

#[tokio::test]
async fn what_was_set_aside_is_taken_up_also_when_the_clock_was_set_back_before_it_came() {
    let folder = Folder::new("back-clock");
    let vault = folder.vault(None, None);
    let main = account("main");
    let mut before = login("main");
    before.facts.obtained += chrono::TimeDelta::days(400);
    vault.save(&before).await.unwrap();
    vault.renewing(&main, before.facts.made).await.unwrap();
    let lock = lock(&vault, "main");
    vault.set_aside(&renewed("main"), &lock).unwrap();
    vault.take_up(&main, &lock).await.unwrap();
    assert_eq!(vault.load(&main).unwrap(), Some(renewed("main")));
}

#[tokio::test]
async fn a_new_login_and_forgetting_wipe_what_was_set_aside() {
    let folder = Folder::new("again");
    let vault = folder.vault(None, None);
    let lock = lock(&vault, "main");
    for forgets in [false, true] {
        vault.save(&login("main")).await.unwrap();
        let path = vault.set_aside(&renewed("main"), &lock).unwrap();
        // Another renewal replaces it, and wipes it as well.
        let first = fs::File::open(&path).unwrap();
        vault.set_aside(&renewed("main"), &lock).unwrap();
        let former = fs::File::open(&path).unwrap();
        // What a kill left half-way.
        let half = folder.0.join("token-main.pair.new");
        fs::write(&half, REFRESH).unwrap();
        match forgets {
            true => assert!(vault.forget(&account("main")).await.unwrap()),
            false => vault.save(&login("main")).await.unwrap(),
        }
        assert_wiped(first, &path);
        assert_wiped(former, &path);
        assert!(!half.exists());
    }
}

#[tokio::test]
async fn turning_the_key_on_leaves_no_plain_file_behind() {
    for is_locked in [false, true] {
        let folder = Folder::new(&format!("aside-on-{is_locked}"));
        let vault = folder.vault(None, None);
        vault.save(&login("main")).await.unwrap();
        let lock = lock(&vault, "main");
        let path = vault.set_aside(&renewed("main"), &lock).unwrap();
        fs::write(folder.0.join("token-other.pair.new"), REFRESH).unwrap();
        drop((vault, lock));
        let former = fs::File::open(&path).unwrap();
        let vault = folder.vault(Some("a"), None);
        let other = Connection::open(vault.store.path()).unwrap();
        if is_locked {
            let short = |db: &Connection| Ok(db.busy_timeout(Duration::from_millis(1))?);
            vault.store.write(short).await.unwrap();
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            assert!(vault.tidy().await.is_err());
            // The state keeps what it has, but the file is sealed.
            let leaks = folder.leaks();
            assert!(
                leaks.iter().all(|name| !name.contains(".pair")),
                "{leaks:?}"
            );
            assert!(path.exists());
            other.execute_batch("COMMIT").unwrap();
        }
        drop(other);
        assert!(vault.tidy().await.unwrap());
        assert_wiped(former, &path);
        assert_eq!(folder.leaks(), Vec::<String>::new());
        assert_eq!(vault.load(&account("main")).unwrap(), Some(renewed("main")));
    }
}

#[tokio::test]
async fn what_cannot_be_read_of_it_is_said_and_a_new_login_wipes_it() {
    let folder = Folder::new("aside-damaged");
    let main = account("main");
    let vault = folder.vault(Some("a"), None);
    vault.save(&login("main")).await.unwrap();
    let path = {
        let lock = lock(&vault, "main");
        vault.set_aside(&renewed("main"), &lock).unwrap()
    };
    // With another key it waits for the right one.
    let other = folder.vault(Some("b"), None);
    other.tidy().await.unwrap();
    let held = lock(&other, "main");
    let error = other.take_up(&main, &held).await.unwrap_err();
    assert!(matches!(error, VaultError::NoKey { .. }), "{error}");
    let whole = fs::read(&path).unwrap();
    for bytes in [&b""[..], &whole[..whole.len() - 1], &whole[..40]] {
        fs::write(&path, bytes).unwrap();
        let error = vault.take_up(&main, &held).await.unwrap_err();
        assert!(matches!(error, VaultError::Damaged { .. }), "{error}");
    }
    // Of another account it is none of this one's.
    fs::write(folder.0.join("token-other.pair"), &whole).unwrap();
    let of_other = lock(&vault, "other");
    let error = vault.take_up(&account("other"), &of_other).await;
    assert!(matches!(error, Err(VaultError::Damaged { .. })));
    vault.save(&login("main")).await.unwrap();
    assert!(!path.exists());
    // And it is followed nowhere.
    let precious = folder.0.join("precious");
    fs::write(&precious, "text").unwrap();
    symlink(&precious, &path).unwrap();
    assert!(vault.take_up(&main, &held).await.is_err());
    assert_eq!(fs::read_to_string(&precious).unwrap(), "text");
}
