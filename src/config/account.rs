//! What an account of the main file says.

use crate::model::{AccountName, Channel, LocationId};

use super::source::SecretSource;

/// One account of the main file.
#[derive(Clone, Debug, PartialEq)]
pub enum Account {
    /// A HighLevel location.
    HighLevel(HighLevelAccount),
    /// A HighLevel agency, whose login makes tokens for its locations; no job reads or writes it.
    Agency(AgencyAccount),
    /// A Twitch channel.
    Twitch(TwitchAccount),
}

impl Account {
    /// Returns the word of `service` in the main file.
    pub fn service(&self) -> &'static str {
        match self {
            Account::HighLevel(_) => "highlevel",
            Account::Agency(_) => "highlevel.agency",
            Account::Twitch(_) => "twitch",
        }
    }

    /// Returns where the account's fixed token is found; `None` when it logs in and the state keeps what it got.
    pub fn token(&self) -> Option<&SecretSource> {
        match self {
            Account::HighLevel(account) => match &account.login {
                HubLogin::Fixed(source) => Some(source),
                HubLogin::Kept | HubLogin::App(_) | HubLogin::Agency(_) => None,
            },
            Account::Agency(_) => None,
            Account::Twitch(account) => match &account.login {
                TwitchLogin::Fixed(source) => Some(source),
                TwitchLogin::Kept => None,
            },
        }
    }

    /// Returns every secret that the account names, each with its key.
    pub fn sources(&self) -> Vec<(&'static str, &SecretSource)> {
        let token = self.token().map(|source| ("token", source));
        let client_secret = match self {
            Account::HighLevel(account) => match &account.login {
                HubLogin::App(app) => Some(&app.client_secret),
                HubLogin::Fixed(_) | HubLogin::Kept | HubLogin::Agency(_) => None,
            },
            Account::Agency(account) => Some(&account.app.client_secret),
            Account::Twitch(account) => account.client_secret.as_ref(),
        };
        let client_secret = client_secret.map(|source| ("client_secret", source));
        token.into_iter().chain(client_secret).collect()
    }
}

/// A HighLevel location and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct HighLevelAccount {
    /// The account's name in the main file.
    pub name: AccountName,
    /// The location.
    pub location: LocationId,
    /// Where its tokens come from.
    pub login: HubLogin,
    /// Calls a day that are left to the tenant's other tools; `None` is 5 % of what the vendor allows a day.
    pub reserve: Option<u64>,
    /// The address of the API, without a slash at the end.
    pub base_url: String,
}

/// Where a location's tokens come from.
#[derive(Clone, Debug, PartialEq)]
pub enum HubLogin {
    /// A private integration token that is kept elsewhere.
    Fixed(SecretSource),
    /// A private integration token that `auth highlevel` asked for and the state keeps.
    Kept,
    /// An OAuth app that `auth highlevel` logs in.
    App(HubApp),
    /// The login of this agency account, which makes tokens for its locations.
    Agency(AccountName),
}

/// An OAuth app of HighLevel's marketplace.
#[derive(Clone, Debug, PartialEq)]
pub struct HubApp {
    /// The id of the app; no secret.
    pub client_id: String,
    /// Where the secret of the app is found.
    pub client_secret: SecretSource,
    /// Where HighLevel sends the browser after a login, exactly as the app has it registered.
    pub redirect_uri: String,
    /// The address at which a person logs in, without a slash at the end.
    pub authorize_url: String,
}

/// A HighLevel agency and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct AgencyAccount {
    /// The account's name in the main file.
    pub name: AccountName,
    /// The app that is installed for the agency.
    pub app: HubApp,
    /// The address of the API, without a slash at the end.
    pub base_url: String,
}

/// A Twitch channel and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct TwitchAccount {
    /// The account's name in the main file.
    pub name: AccountName,
    /// The application that tokens are made for; no secret.
    pub client_id: String,
    /// Where the secret of a confidential application is found; `None` for a public one.
    pub client_secret: Option<SecretSource>,
    /// Where its tokens come from.
    pub login: TwitchLogin,
    /// Whose followers are read.
    pub channel: Channel,
    /// Where Twitch sends the browser after a login, exactly as the application has it registered.
    pub redirect_uri: String,
    /// The address of the API, without a slash at the end.
    pub base_url: String,
    /// The address of the token endpoints, without a slash at the end.
    pub auth_url: String,
}

/// Where a channel's tokens come from.
#[derive(Clone, Debug, PartialEq)]
pub enum TwitchLogin {
    /// A user token that is kept elsewhere and never renewed.
    Fixed(SecretSource),
    /// The pair that `auth twitch` got and the state keeps.
    Kept,
}
