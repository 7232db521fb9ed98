//! What an account of the main file says.

use std::fmt;
use std::path::PathBuf;

use crate::model::{AccountName, Channel, LocationId};

/// One account of the main file.
#[derive(Clone, Debug, PartialEq)]
pub enum Account {
    /// A HighLevel location.
    HighLevel(HighLevelAccount),
    /// A Twitch channel.
    Twitch(TwitchAccount),
}

impl Account {
    /// Returns the word of `service` in the main file.
    pub fn service(&self) -> &'static str {
        match self {
            Account::HighLevel(_) => "highlevel",
            Account::Twitch(_) => "twitch",
        }
    }

    /// Returns where the account's token is found.
    pub fn token(&self) -> &SecretSource {
        match self {
            Account::HighLevel(account) => &account.token,
            Account::Twitch(account) => &account.token,
        }
    }
}

/// A HighLevel location and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct HighLevelAccount {
    /// The account's name in the main file.
    pub name: AccountName,
    /// The location.
    pub location: LocationId,
    /// Where the private integration token is found.
    pub token: SecretSource,
    /// Calls a day that are left to the tenant's other tools; `None` is 5 % of what the vendor allows a day.
    pub reserve: Option<u64>,
    /// The address of the API, without a slash at the end.
    pub base_url: String,
}

/// A Twitch channel and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct TwitchAccount {
    /// The account's name in the main file.
    pub name: AccountName,
    /// The application that the token was made for.
    pub client_id: String,
    /// Where the user token is found.
    pub token: SecretSource,
    /// Whose followers are read.
    pub channel: Channel,
    /// The address of the API, without a slash at the end.
    pub base_url: String,
    /// The address of the token endpoints, without a slash at the end.
    pub auth_url: String,
}

/// Where a secret is found; never the secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretSource {
    /// The environment variable of this name.
    Env(String),
    /// What this file holds; a path that works from the current folder.
    File(PathBuf),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Env(name) => write!(f, "env:{name}"),
            SecretSource::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}
