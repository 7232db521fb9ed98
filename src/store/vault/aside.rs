//! A renewed pair that the state would not take: in a file beside it, sealed as in the state, until the state takes it up.
//!
//! The refresh token before it is spent, so that without the file a locked database would cost a person a login.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::super::error::StoreError;
use super::super::lock::{Lock, Taken, give_to_owner};
use super::super::tokens::{self, LoginFacts, LoginKind, Stored};
use super::{Login, Vault, VaultError};
use crate::model::AccountName;

/// What the file's name ends with, after `token-ACCOUNT`.
const ENDING: &str = ".pair";
/// What is added to it while the file is not whole.
const HALF: &str = ".new";

/// The file's first line; what follows it is the pair, as in the column `secret`.
#[derive(Serialize, Deserialize)]
struct Header {
    account: String,
    kind: String,
    client_id: Option<String>,
    owner: Option<String>,
    owner_name: Option<String>,
    scopes: Vec<String>,
    expires_ms: Option<i64>,
    made_ms: i64,
    obtained_ms: i64,
    key_id: Option<String>,
}

impl Vault {
    /// Writes a renewed login that the state would not take to a file beside it; whole and on the disk when this returns its path.
    ///
    /// `_lock` is the account's. Errors: the file could not be written.
    pub fn set_aside(&self, login: &Login, _lock: &Lock) -> Result<PathBuf, StoreError> {
        let path = self.aside(&login.facts.account);
        let stored = self.sealed_login(login);
        write_whole(&path, &file_of(&stored))
            .map_err(|source| StoreError::of_file(path.clone(), source))?;
        Ok(path)
    }

    /// Writes what was set aside to the state, when it is newer than the row of the same login, and takes the file away.
    ///
    /// It is newer when the row still waits for the answer of a renewal, whatever the clock said at the two, or by the clock.
    ///
    /// `_lock` is the account's. Errors: every variant of [`VaultError`]; the file stays then.
    pub async fn take_up(&self, account: &AccountName, _lock: &Lock) -> Result<(), VaultError> {
        let Some(stored) = self.read_aside(account)? else {
            return Ok(());
        };
        let row = tokens::find(&self.store.reader()?, account)?;
        let is_newer = row.is_some_and(|row| {
            let is_same_login = row.facts.made == stored.facts.made;
            let is_awaited = row.facts.renewing.is_some();
            is_same_login && (is_awaited || row.facts.obtained < stored.facts.obtained)
        });
        if !is_newer {
            return Ok(self.wipe_aside(account)?);
        }
        // Saving takes the file away as well.
        self.save(&self.login_of(stored)?).await?;
        info!(
            account.name = %account,
            "account {account}: the renewed login that the state would not take before is stored now"
        );
        Ok(())
    }

    /// Takes up what was set aside for any account. What still cannot be taken up is at least sealed with the present key.
    pub(super) async fn take_all_up(&self) {
        for account in self.all_aside() {
            // Whoever holds the lock takes it up, before anything else.
            let Ok(Taken::Ours(lock)) = self.lock(&account) else {
                continue;
            };
            let Err(error) = self.take_up(&account, &lock).await else {
                continue;
            };
            let path = self.aside(&account);
            warn!(
                account.name = %account,
                "account {account}: the renewed login in {} could not be taken up: {error}", path.display()
            );
            if let Err(error) = self.reseal_aside(&account) {
                warn!(
                    account.name = %account,
                    "account {account}: {} is not encrypted, and could not be: {error}", path.display()
                );
            }
        }
    }

    /// Overwrites what was set aside for an account with zeros and removes it.
    ///
    /// Errors: the file could not be written or removed.
    pub(super) fn wipe_aside(&self, account: &AccountName) -> Result<(), StoreError> {
        let path = self.aside(account);
        for path in [half_of(&path), path] {
            wipe(&path).map_err(|source| StoreError::of_file(path, source))?;
        }
        Ok(())
    }

    /// Seals what was set aside with the present key, if it is not.
    fn reseal_aside(&self, account: &AccountName) -> Result<(), VaultError> {
        let (Some(key), Some(stored)) = (&self.key, self.read_aside(account)?) else {
            return Ok(());
        };
        if stored.key_id.as_deref() == Some(key.id()) {
            return Ok(());
        }
        let plain = self.opened(&stored)?;
        let path = self.aside(account);
        let sealed = file_of(&self.sealed(stored.facts, &plain));
        write_whole(&path, &sealed)
            .map_err(|source| StoreError::of_file(path.clone(), source).into())
    }

    fn read_aside(&self, account: &AccountName) -> Result<Option<Stored>, VaultError> {
        let path = self.aside(account);
        let half = half_of(&path);
        // Not whole, and whoever wrote it died before it said that anything was set aside.
        wipe(&half).map_err(|source| StoreError::of_file(half, source))?;
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::of_file(path, source).into()),
        };
        let stored = stored_of(&bytes).filter(|stored| stored.facts.account == *account);
        let damaged = || VaultError::Damaged {
            account: account.clone(),
        };
        stored.map(Some).ok_or_else(damaged)
    }

    fn aside(&self, account: &AccountName) -> PathBuf {
        self.beside(account, ENDING)
    }

    /// Returns the accounts for which there is a file, whole or not.
    fn all_aside(&self) -> Vec<AccountName> {
        let folder = self.store.path().parent().unwrap_or(Path::new("."));
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let account = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let name = name.strip_suffix(HALF).unwrap_or(&name);
            let account = name.strip_prefix("token-")?.strip_suffix(ENDING)?;
            AccountName::try_from(account).ok()
        };
        let mut accounts: Vec<_> = entries.flatten().filter_map(account).collect();
        accounts.sort();
        accounts.dedup();
        accounts
    }
}

fn file_of(stored: &Stored) -> Vec<u8> {
    let Stored {
        facts,
        key_id,
        secret,
    } = stored;
    // A pair that just came has neither a renewal under way nor been lost.
    let LoginFacts {
        account,
        kind,
        client_id,
        owner,
        owner_name,
        scopes,
        expires,
        made,
        obtained,
        renewing: _,
        lost: _,
    } = facts;
    let header = Header {
        account: account.as_str().to_owned(),
        kind: kind.word().to_owned(),
        client_id: client_id.clone(),
        owner: owner.clone(),
        owner_name: owner_name.clone(),
        scopes: scopes.clone(),
        expires_ms: expires.map(|moment| moment.timestamp_millis()),
        made_ms: made.timestamp_millis(),
        obtained_ms: obtained.timestamp_millis(),
        key_id: key_id.clone(),
    };
    let mut bytes = serde_json::to_vec(&header).expect("texts and numbers are always JSON");
    bytes.push(b'\n');
    bytes.extend_from_slice(secret);
    bytes
}

fn stored_of(bytes: &[u8]) -> Option<Stored> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (header, secret) = (bytes.get(..end)?, bytes.get(end + 1..)?);
    let Header {
        account,
        kind,
        client_id,
        owner,
        owner_name,
        scopes,
        expires_ms,
        made_ms,
        obtained_ms,
        key_id,
    } = serde_json::from_slice(header).ok()?;
    let expires = match expires_ms {
        Some(ms) => Some(DateTime::from_timestamp_millis(ms)?),
        None => None,
    };
    Some(Stored {
        facts: LoginFacts {
            account: AccountName::try_from(account).ok()?,
            kind: LoginKind::from_word(&kind)?,
            client_id,
            owner,
            owner_name,
            scopes,
            expires,
            made: DateTime::from_timestamp_millis(made_ms)?,
            obtained: DateTime::from_timestamp_millis(obtained_ms)?,
            renewing: None,
            lost: None,
        },
        key_id,
        secret: secret.to_vec(),
    })
}

fn half_of(path: &Path) -> PathBuf {
    let mut half = OsString::from(path);
    half.push(HALF);
    half.into()
}

/// Writes a file as a whole or not at all, 0600. What it replaces is overwritten with zeros once the new one stands.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let half = half_of(path);
    wipe(&half)?;
    let former = open(path).ok();
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&half)?;
        give_to_owner(&file, &half);
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&half, path)
    };
    if let Err(error) = write() {
        let _ = wipe(&half);
        return Err(error);
    }
    sync_folder(path)?;
    former.map_or(Ok(()), |former| fill_with_zeros(&former))
}

/// Overwrites a file with zeros and removes it; does nothing when there is none.
fn wipe(path: &Path) -> io::Result<()> {
    match open(path) {
        Ok(file) => fill_with_zeros(&file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    fs::remove_file(path)?;
    sync_folder(path)
}

fn fill_with_zeros(mut file: &File) -> io::Result<()> {
    let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    file.write_all(&vec![0; len])?;
    file.sync_all()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file that is there, not through a link, which may lead to anything.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Puts a folder's entries on the disk: a file that was renamed or removed is so after a power cut, too.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    }
}
