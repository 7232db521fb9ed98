//! Logins: one row per account, its tokens encrypted when there is a key.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::StoreError;
use crate::model::AccountName;

/// What kind of login it is, which says how it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginKind {
    /// A private integration token of a HighLevel location: it does not expire and cannot be renewed.
    Integration,
    /// A Twitch user's pair.
    User,
    /// A HighLevel location's OAuth pair.
    Location,
    /// A HighLevel agency's OAuth pair.
    Agency,
    /// A token of a HighLevel location that was made from its agency's login.
    Minted,
}

impl LoginKind {
    const ALL: [LoginKind; 5] = [
        LoginKind::Integration,
        LoginKind::User,
        LoginKind::Location,
        LoginKind::Agency,
        LoginKind::Minted,
    ];

    /// Returns the word in the database and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            LoginKind::Integration => "integration",
            LoginKind::User => "user",
            LoginKind::Location => "location",
            LoginKind::Agency => "agency",
            LoginKind::Minted => "minted",
        }
    }

    /// Returns the vendor's word in the database.
    fn vendor(self) -> &'static str {
        match self {
            LoginKind::User => "twitch",
            LoginKind::Integration
            | LoginKind::Location
            | LoginKind::Agency
            | LoginKind::Minted => "highlevel",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<LoginKind> {
        LoginKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What is known of a login besides its tokens: fit for people to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginFacts {
    /// The account's name in `ghl-sync.toml`.
    pub account: AccountName,
    /// What kind it is.
    pub kind: LoginKind,
    /// The application that it was granted to; `None` for a private integration token.
    pub client_id: Option<String>,
    /// Whose it is: the id of a location, an agency or a Twitch user; `None` when the vendor did not say.
    pub owner: Option<String>,
    /// The Twitch user's login when it was granted.
    pub owner_name: Option<String>,
    /// The scopes as granted; empty when the vendor did not say.
    pub scopes: Vec<String>,
    /// When the access token ends; `None` when it does not, or when that is unknown.
    pub expires: Option<DateTime<Utc>>,
    /// When a person logged in.
    pub made: DateTime<Utc>,
    /// When this pair came.
    pub obtained: DateTime<Utc>,
    /// When a renewal was sent whose answer is not known.
    pub renewing: Option<DateTime<Utc>>,
    /// Why it cannot be renewed any more.
    pub lost: Option<String>,
}

/// A row with its tokens as they are stored; never printed.
#[derive(Clone)]
pub(super) struct Stored {
    pub facts: LoginFacts,
    /// Which key encrypted `secret`; `None`: not encrypted.
    pub key_id: Option<String>,
    pub secret: Vec<u8>,
}

const COLUMNS: &str = "account, kind, client_id, owner, owner_name, scopes, key_id, secret, expires_ms, made_ms, obtained_ms, renewing_ms, lost";

/// Reads the facts of every login, by account.
pub fn all(db: &Connection) -> Result<Vec<LoginFacts>, StoreError> {
    Ok(stored(db)?.into_iter().map(|row| row.facts).collect())
}

/// Returns by account the id of the key that encrypts its login; `None` for one that is not encrypted.
pub fn keys(db: &Connection) -> Result<BTreeMap<AccountName, Option<String>>, StoreError> {
    let rows = stored(db)?.into_iter();
    Ok(rows.map(|row| (row.facts.account, row.key_id)).collect())
}

/// Returns whether any login is stored without encryption.
pub fn any_plain(db: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM token WHERE key_id IS NULL)";
    Ok(db.query_row(sql, [], |row| row.get(0))?)
}

pub(super) fn stored(db: &Connection) -> Result<Vec<Stored>, StoreError> {
    let mut statement = db.prepare(&format!("SELECT {COLUMNS} FROM token ORDER BY account"))?;
    let rows = statement.query_map([], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

pub(super) fn find(db: &Connection, account: &AccountName) -> Result<Option<Stored>, StoreError> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM token WHERE account = ?1"))?;
    let row = statement
        .query_row([account.as_str()], |row| Ok(read(row)))
        .optional()?;
    row.transpose()
}

/// Writes a row. What it replaces is overwritten with zeros, not merely given free.
pub(super) fn save(db: &Connection, row: &Stored) -> Result<(), StoreError> {
    let Stored {
        facts,
        key_id,
        secret,
    } = row;
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
        renewing,
        lost,
    } = facts;
    let ms = |moment: &Option<DateTime<Utc>>| moment.map(|moment| moment.timestamp_millis());
    with_zeros(db, || {
        db.prepare_cached(
            "INSERT INTO token (account, vendor, kind, client_id, owner, owner_name, scopes, key_id, secret, expires_ms, made_ms, obtained_ms, renewing_ms, lost)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (account) DO UPDATE SET
               vendor = excluded.vendor, kind = excluded.kind, client_id = excluded.client_id, owner = excluded.owner,
               owner_name = excluded.owner_name, scopes = excluded.scopes, key_id = excluded.key_id, secret = excluded.secret,
               expires_ms = excluded.expires_ms, made_ms = excluded.made_ms, obtained_ms = excluded.obtained_ms,
               renewing_ms = excluded.renewing_ms, lost = excluded.lost",
        )?
        .execute(params![
            account.as_str(),
            kind.vendor(),
            kind.word(),
            client_id,
            owner,
            owner_name,
            super::jobs::json_list(scopes),
            key_id,
            secret,
            ms(expires),
            made.timestamp_millis(),
            obtained.timestamp_millis(),
            ms(renewing),
            lost,
        ])?;
        Ok(())
    })
}

/// Notes that a renewal is about to be sent, unless an older one is noted: the first is the one whose answer was lost.
pub(super) fn renewing(
    db: &Connection,
    account: &AccountName,
    at_ms: i64,
) -> Result<(), StoreError> {
    with_zeros(db, || {
        db.prepare_cached(
            "UPDATE token SET renewing_ms = coalesce(renewing_ms, ?2) WHERE account = ?1",
        )?
        .execute(params![account.as_str(), at_ms])?;
        Ok(())
    })
}

/// Notes that the vendor refused the renewal without spending the refresh token.
pub(super) fn not_renewed(db: &Connection, account: &AccountName) -> Result<(), StoreError> {
    with_zeros(db, || {
        db.prepare_cached("UPDATE token SET renewing_ms = NULL WHERE account = ?1")?
            .execute([account.as_str()])?;
        Ok(())
    })
}

/// Notes why a login cannot be renewed any more.
pub(super) fn lose(db: &Connection, account: &AccountName, why: &str) -> Result<(), StoreError> {
    with_zeros(db, || {
        db.prepare_cached("UPDATE token SET lost = ?2, renewing_ms = NULL WHERE account = ?1")?
            .execute(params![account.as_str(), why])?;
        Ok(())
    })
}

/// Takes a login away; returns whether there was one.
pub(super) fn forget(db: &Connection, account: &AccountName) -> Result<bool, StoreError> {
    with_zeros(db, || {
        let gone = db
            .prepare_cached("DELETE FROM token WHERE account = ?1")?
            .execute([account.as_str()])?;
        Ok(gone > 0)
    })
}

/// Runs a write after which no byte of what it replaced is left in the file's pages. Every change of a row is one: a row whose length
/// changes moves, and what it moves from is given free with the tokens in it.
fn with_zeros<T>(
    db: &Connection,
    write: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // Not always on: a walk of a million rows deletes as many, and nobody gains by zeros there.
    db.pragma_update(None, "secure_delete", true)?;
    let done = write();
    db.pragma_update(None, "secure_delete", false)?;
    done
}

fn read(row: &Row<'_>) -> Result<Stored, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt {
        what: format!("a login's {what}"),
    };
    let moment = |column: &str| -> Result<Option<DateTime<Utc>>, StoreError> {
        let ms: Option<i64> = row.get(column)?;
        let read = |ms| DateTime::from_timestamp_millis(ms).ok_or_else(|| corrupt(column));
        ms.map(read).transpose()
    };
    let account: String = row.get("account")?;
    let kind: String = row.get("kind")?;
    let scopes: String = row.get("scopes")?;
    let facts = LoginFacts {
        account: AccountName::try_from(account).map_err(|_| corrupt("account"))?,
        kind: LoginKind::from_word(&kind).ok_or_else(|| corrupt("kind"))?,
        client_id: row.get("client_id")?,
        owner: row.get("owner")?,
        owner_name: row.get("owner_name")?,
        scopes: serde_json::from_str(&scopes).map_err(|_| corrupt("scopes"))?,
        expires: moment("expires_ms")?,
        made: moment("made_ms")?.ok_or_else(|| corrupt("made_ms"))?,
        obtained: moment("obtained_ms")?.ok_or_else(|| corrupt("obtained_ms"))?,
        renewing: moment("renewing_ms")?,
        lost: row.get("lost")?,
    };
    Ok(Stored {
        facts,
        key_id: row.get("key_id")?,
        secret: row.get("secret")?,
    })
}
