//! Logins on a real file, looked for byte by byte.

use std::fs;
use std::path::PathBuf;

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
            let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
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
    assert_eq!((facts.renewing, facts.lost.as_deref()), (None, Some("spent")));
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
    folder.vault(Some("a"), None).save(&login("main")).await.unwrap();
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
