//! The vault: logins with their tokens, sealed before they reach SQLite when there is a key.

mod aside;

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::error::StoreError;
use super::jobs;
use super::key::Key;
use super::lock::{Lock, Taken};
use super::tokens::{self, LoginFacts, Stored};
use super::writer::Store;
use crate::model::{AccountName, Secret};

/// Kept while freed pages, the WAL or a copy may still hold a token that is encrypted by now.
const SCRUB: &str = "tokens.scrub";

/// A login with its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// What is known of it besides the tokens.
    pub facts: LoginFacts,
    /// The access token.
    pub access: Secret,
    /// The refresh token; `None` where there is none.
    pub refresh: Option<Secret>,
}

/// The logins of one state, and the keys that open them; clones share them.
#[derive(Clone, Debug)]
pub struct Vault {
    store: Store,
    key: Option<Key>,
    old_key: Option<Key>,
}

/// Why a login cannot be read.
#[derive(Debug)]
pub enum VaultError {
    /// It is encrypted, and no configured key is the one.
    NoKey {
        /// The account.
        account: AccountName,
        /// The id of the key that encrypted it.
        key_id: String,
        /// The id of the configured key, if there is one.
        ours: Option<String>,
    },
    /// What was decrypted is no pair of tokens: the row was changed.
    Damaged {
        /// The account.
        account: AccountName,
    },
    /// The state could not be read or written.
    State(StoreError),
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VaultError::NoKey {
                key_id, ours: None, ..
            } => write!(
                f,
                "the stored login is encrypted with key {key_id}, and ghl-sync.toml names no `token_key`; name that key, or log in again"
            ),
            VaultError::NoKey {
                key_id,
                ours: Some(ours),
                ..
            } => write!(
                f,
                "the stored login is encrypted with key {key_id}, and `token_key` in ghl-sync.toml is key {ours}; name the other one as `old_token_key`, or log in again"
            ),
            VaultError::Damaged { .. } => f.write_str("the stored login is damaged; log in again"),
            VaultError::State(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for VaultError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            VaultError::State(error) => Some(error),
            VaultError::NoKey { .. } | VaultError::Damaged { .. } => None,
        }
    }
}

impl From<StoreError> for VaultError {
    fn from(error: StoreError) -> VaultError {
        VaultError::State(error)
    }
}

/// The tokens as they are sealed.
#[derive(Serialize, Deserialize)]
struct Pair {
    access: String,
    refresh: Option<String>,
}

impl Vault {
    /// Makes the vault of a state: `key` seals, `old_key` opens what it sealed before the key was changed.
    pub fn new(store: Store, key: Option<Key>, old_key: Option<Key>) -> Vault {
        Vault {
            store,
            key,
            old_key,
        }
    }

    /// Reads an account's login; `None` when nobody logged in.
    ///
    /// Errors: every variant of [`VaultError`].
    pub fn load(&self, account: &AccountName) -> Result<Option<Login>, VaultError> {
        let Some(stored) = tokens::find(&self.store.reader()?, account)? else {
            return Ok(None);
        };
        self.login_of(stored).map(Some)
    }

    /// Takes the account's lock, which one renewal at a time holds, of all tasks and processes.
    ///
    /// Errors: the file of the lock cannot be opened or written.
    pub fn lock(&self, account: &AccountName) -> Result<Taken, StoreError> {
        let path = self.beside(account, ".lock");
        let words = format!("process {}", std::process::id());
        Lock::take(&path, &words).map_err(|source| StoreError::of_file(path, source))
    }

    /// Writes a login; it is on the disk when this returns. What was set aside is of no use then and taken away.
    ///
    /// Errors: as [`Store::write`].
    pub async fn save(&self, login: &Login) -> Result<(), StoreError> {
        let stored = self.sealed_login(login);
        let save = move |db: &Connection| {
            // What was there in the clear, or sealed with another key, is wiped at the next start.
            let former = tokens::find(db, &stored.facts.account)?;
            if stored.key_id.is_some() && former.is_some_and(|row| row.key_id != stored.key_id) {
                jobs::keep(db, SCRUB, "1", 0)?;
            }
            tokens::save(db, &stored)
        };
        self.store.write(save).await?;
        let account = &login.facts.account;
        if let Err(error) = self.wipe_aside(account) {
            // The login is stored all the same; the next start wipes again.
            warn!(
                account.name = %account,
                "account {account}: a former login is left in a file beside the state: {error}"
            );
        }
        Ok(())
    }

    /// Notes that a renewal is about to be sent.
    ///
    /// Errors: as [`Store::write`]; also `DiskFull` when what the vendor answers might find no room, for it answers once.
    pub async fn renewing(
        &self,
        account: &AccountName,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.store.has_room()?;
        let (account, at_ms) = (account.clone(), at.timestamp_millis());
        self.store
            .write(move |db| tokens::renewing(db, &account, at_ms))
            .await
    }

    /// Notes that a renewal was refused, and that the refresh token was not spent by it.
    pub async fn not_renewed(&self, account: &AccountName) -> Result<(), StoreError> {
        let account = account.clone();
        self.store
            .write(move |db| tokens::not_renewed(db, &account))
            .await
    }

    /// Notes why a login cannot be renewed any more. It is kept: its access token may be good for a while.
    pub async fn lose(&self, account: &AccountName, why: &str) -> Result<(), StoreError> {
        let (account, why) = (account.clone(), why.to_owned());
        self.store
            .write(move |db| tokens::lose(db, &account, &why))
            .await
    }

    /// Takes a login away, and what was set aside of it; returns whether there was one.
    ///
    /// Errors: as [`Store::write`]; what was set aside could not be removed.
    pub async fn forget(&self, account: &AccountName) -> Result<bool, StoreError> {
        let name = account.clone();
        let was_there = self
            .store
            .write(move |db| tokens::forget(db, &name))
            .await?;
        // Last: without a row nobody takes it up again.
        self.wipe_aside(account)?;
        Ok(was_there)
    }

    /// Takes up what was set aside; then encrypts what is stored plain or with the old key, and wipes what is left of it in freed pages and
    /// the WAL.
    ///
    /// Encrypts nothing without a key, and does next to nothing when everything is sealed with it already. Returns whether the wiping is through; it
    /// is tried again at the next call when another process was in the way.
    ///
    /// Errors: the state could not be read or written.
    pub async fn tidy(&self) -> Result<bool, StoreError> {
        self.take_all_up().await;
        let Some(key) = &self.key else {
            return Ok(true);
        };
        let is_ours = |row: &Stored| row.key_id.as_deref() == Some(key.id());
        let db = self.store.reader()?;
        let all = tokens::stored(&db)?;
        let is_asked = jobs::kept(&db, SCRUB, i64::MIN)?.is_some_and(|value| value == "1");
        drop(db);
        if all
            .iter()
            .any(|row| !is_ours(row) && self.opened(row).is_ok())
        {
            let vault = self.clone();
            self.store.write(move |db| vault.reseal(db)).await?;
        } else if !is_asked {
            return Ok(true);
        }
        let store = self.store.clone();
        let wiped = tokio::task::spawn_blocking(move || store.wipe())
            .await
            .map_err(|_| StoreError::Stopped)??;
        if wiped {
            self.store.write(|db| jobs::keep(db, SCRUB, "0", 0)).await?;
        }
        Ok(wiped)
    }

    /// Seals every row that can be opened with the present key, in the transaction of `db`.
    fn reseal(&self, db: &Connection) -> Result<(), StoreError> {
        for stored in tokens::stored(db)? {
            // What no key opens stays as it is; whoever needs it is told.
            if let Ok(plain) = self.opened(&stored) {
                tokens::save(db, &self.sealed(stored.facts, &plain))?;
            }
        }
        jobs::keep(db, SCRUB, "1", 0)
    }

    /// Returns the path of an account's file beside the state.
    fn beside(&self, account: &AccountName, ending: &str) -> PathBuf {
        let name = format!("token-{account}{ending}");
        self.store.path().with_file_name(name)
    }

    fn login_of(&self, stored: Stored) -> Result<Login, VaultError> {
        let plain = self.opened(&stored)?;
        let Ok(Pair { access, refresh }) = serde_json::from_slice(&plain) else {
            return Err(VaultError::Damaged {
                account: stored.facts.account,
            });
        };
        Ok(Login {
            facts: stored.facts,
            access: Secret::new(access),
            refresh: refresh.map(Secret::new),
        })
    }

    fn sealed_login(&self, login: &Login) -> Stored {
        let pair = Pair {
            access: login.access.reveal().to_owned(),
            refresh: login
                .refresh
                .as_ref()
                .map(|token| token.reveal().to_owned()),
        };
        let plain = serde_json::to_vec(&pair).expect("a pair of texts is always JSON");
        self.sealed(login.facts.clone(), &plain)
    }

    fn sealed(&self, facts: LoginFacts, plain: &[u8]) -> Stored {
        let about = about(&facts);
        let (key_id, secret) = match &self.key {
            Some(key) => (Some(key.id().to_owned()), key.seal(plain, &about)),
            None => (None, plain.to_vec()),
        };
        Stored {
            facts,
            key_id,
            secret,
        }
    }

    fn opened(&self, stored: &Stored) -> Result<Vec<u8>, VaultError> {
        let Some(key_id) = &stored.key_id else {
            return Ok(stored.secret.clone());
        };
        let keys = [&self.key, &self.old_key].into_iter().flatten();
        let Some(key) = keys.into_iter().find(|key| key.id() == key_id) else {
            return Err(VaultError::NoKey {
                account: stored.facts.account.clone(),
                key_id: key_id.clone(),
                ours: self.key.as_ref().map(|key| key.id().to_owned()),
            });
        };
        key.open(&stored.secret, &about(&stored.facts))
            .ok_or_else(|| VaultError::Damaged {
                account: stored.facts.account.clone(),
            })
    }
}

/// What a sealed pair is bound to, so that a row's tokens cannot be put into another row.
fn about(facts: &LoginFacts) -> String {
    format!("{} {}", facts.kind.word(), facts.account)
}

#[cfg(test)]
mod tests;
