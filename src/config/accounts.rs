//! Reading `[accounts]` of the main file.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeValue;

use super::account::{Account, HighLevelAccount, SecretSource, TwitchAccount};
use super::address::check_address;
use super::keys;
use super::reader::{Spot, Table, one_of};
use crate::model::{AccountName, Channel};
use crate::plan::spelling;

/// Where HighLevel's API is. Source: HighLevel's API reference, "Base URL".
const HIGHLEVEL_URL: &str = "https://services.leadconnectorhq.com";

/// Where Twitch's API is. Source: Twitch's API reference.
const TWITCH_URL: &str = "https://api.twitch.tv/helix";

/// Where Twitch issues and checks tokens. Source: Twitch's authentication guide.
const TWITCH_AUTH_URL: &str = "https://id.twitch.tv/oauth2";

/// Calls that HighLevel allows an app in a location in 24 hours. Source: HighLevel's rate limits.
const DAILY_CALLS: u64 = 200_000;

/// The accounts as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// Whether the main file could be parsed, so that a name that is not here does not exist.
    is_known: bool,
    entries: BTreeMap<AccountName, Entry>,
}

#[derive(Debug)]
struct Entry {
    service: Option<Service>,
    account: Option<Account>,
}

/// A service that an account can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    HighLevel,
    Twitch,
}

const SERVICES: &[(&str, Service)] = &[
    ("highlevel", Service::HighLevel),
    ("twitch", Service::Twitch),
];

impl Service {
    pub(super) fn word(self) -> &'static str {
        match self {
            Service::HighLevel => "highlevel",
            Service::Twitch => "twitch",
        }
    }
}

impl Accounts {
    /// Returns the account that a job names, `None` when it is unknown, broken or of another service.
    ///
    /// Reports an unknown name and a wrong service; a broken account was reported where it stands.
    pub(super) fn get(
        &self,
        table: &Table<'_>,
        name: &Spot<AccountName>,
        service: Option<Service>,
    ) -> Option<&Account> {
        let Some(entry) = self.entries.get(&name.value) else {
            if self.is_known {
                self.report_unknown(table, name, service);
            }
            return None;
        };
        if let (Some(expected), Some(seen)) = (service, entry.service)
            && expected != seen
        {
            table.report_at(
                name.at,
                "account",
                format!(
                    "`{}` is an account of {}, expected one of {}",
                    name.value,
                    seen.word(),
                    expected.word()
                ),
                None,
            );
            return None;
        }
        entry.account.as_ref()
    }

    /// Returns the accounts that could be read whole; all of them when no problem was reported.
    pub(super) fn into_whole(self) -> BTreeMap<AccountName, Account> {
        self.entries
            .into_iter()
            .filter_map(|(name, entry)| Some((name, entry.account?)))
            .collect()
    }

    fn report_unknown(
        &self,
        table: &Table<'_>,
        name: &Spot<AccountName>,
        service: Option<Service>,
    ) {
        let fitting: Vec<&str> = self
            .entries
            .iter()
            .filter(|(_, entry)| {
                service.is_none() || entry.service.is_none() || entry.service == service
            })
            .map(|(name, _)| name.as_str())
            .collect();
        let message = match spelling::near(name.value.as_str(), fitting.iter().copied()) {
            Some(near) => format!("unknown account `{}`, did you mean `{near}`?", name.value),
            None if fitting.is_empty() => format!("unknown account `{}`", name.value),
            None => format!(
                "unknown account `{}`, expected {}",
                name.value,
                one_of(&fitting)
            ),
        };
        let hint = format!(
            "accounts are tables [accounts.{}] of ghl-sync.toml",
            name.value
        );
        table.report_at(name.at, "account", message, Some(hint));
    }
}

/// Reads `[accounts]` of the main file.
pub(super) fn read(root: &Table<'_>, folder: &Path) -> Accounts {
    let mut entries = BTreeMap::new();
    if let Some(accounts) = root.table("accounts") {
        for (key, _) in accounts.entries() {
            let name = match AccountName::try_from(key.value) {
                Ok(name) => name,
                Err(refused) => {
                    accounts.report_at(key.at, key.value, refused.to_string(), None);
                    continue;
                }
            };
            if let Some(table) = accounts.table(key.value) {
                let entry = read_one(&table, &name, folder);
                entries.insert(name, entry);
            }
        }
    }
    Accounts {
        is_known: true,
        entries,
    }
}

fn read_one(table: &Table<'_>, name: &AccountName, folder: &Path) -> Entry {
    let service = table.required_word("service", SERVICES);
    let account = match service {
        None => None,
        Some(Service::HighLevel) => highlevel(table, name, folder).map(Account::HighLevel),
        Some(Service::Twitch) => twitch(table, name, folder).map(Account::Twitch),
    };
    Entry { service, account }
}

fn highlevel(table: &Table<'_>, name: &AccountName, folder: &Path) -> Option<HighLevelAccount> {
    table.expect_keys(keys::HIGHLEVEL, |_| None);
    let location = table.required_id("location", "location = \"<the id of the location>\"");
    let token = token(table, folder);
    let reserve = reserve(table);
    let base_url = address(table, "base_url", HIGHLEVEL_URL);
    Some(HighLevelAccount {
        name: name.clone(),
        location: location?.value,
        token: token?,
        reserve,
        base_url,
    })
}

fn twitch(table: &Table<'_>, name: &AccountName, folder: &Path) -> Option<TwitchAccount> {
    table.expect_keys(keys::TWITCH, |_| None);
    let client_id = client_id(table);
    let token = token(table, folder);
    let channel = channel(table);
    let base_url = address(table, "base_url", TWITCH_URL);
    let auth_url = address(table, "auth_url", TWITCH_AUTH_URL);
    Some(TwitchAccount {
        name: name.clone(),
        client_id: client_id?,
        token: token?,
        channel,
        base_url,
        auth_url,
    })
}

/// Reads where the token is found; what was written instead is never shown, for it may be the token.
fn token(table: &Table<'_>, folder: &Path) -> Option<SecretSource> {
    let text = table.required_text("token", "token = \"env:NAME\" or \"file:PATH\"")?;
    if let Some(name) = text.value.strip_prefix("env:") {
        let mut bytes = name.bytes();
        let starts_well = bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if starts_well && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Some(SecretSource::Env(name.to_owned()));
        }
        table.report_at(
            text.at,
            "token",
            "expected the name of a variable after `env:`: letters, digits and '_'".to_owned(),
            None,
        );
        return None;
    }
    if let Some(path) = text.value.strip_prefix("file:") {
        if !path.is_empty() {
            return Some(SecretSource::File(folder.join(path)));
        }
        table.report_at(
            text.at,
            "token",
            "expected a path after `file:`".to_owned(),
            None,
        );
        return None;
    }
    table.report_at(
        text.at,
        "token",
        "a secret does not belong into this file, expected \"env:NAME\" or \"file:PATH\"".to_owned(),
        Some(
            "write the secret into a file that only its owner can read (chmod 600) and name it here: token = \"file:/path/to/it\""
                .to_owned(),
        ),
    );
    None
}

fn client_id(table: &Table<'_>) -> Option<String> {
    let text = table.required_text(
        "client_id",
        "client_id = \"<the id of your Twitch application>\"",
    )?;
    let is_id = !text.value.is_empty() && text.value.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_id {
        return Some(text.value.to_owned());
    }
    table.report_at(
        text.at,
        "client_id",
        "expected the client id itself: letters and digits (it is no secret)".to_owned(),
        None,
    );
    None
}

fn channel(table: &Table<'_>) -> Channel {
    let login = table.text("channel");
    let id = table.text("channel_id");
    match (login, id) {
        (None, None) => Channel::Own,
        (Some(_), Some(id)) => {
            let message = "`channel` names the channel already, expected one of the two".to_owned();
            table.report_at(id.at, "channel_id", message, None);
            Channel::Own
        }
        (Some(login), None) => {
            let lower = login.value.to_ascii_lowercase();
            let is_login = (1..=25).contains(&lower.len())
                && lower
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !is_login {
                let message = format!(
                    "`{}` is not a Twitch login: expected 1 to 25 letters, digits and '_', as in twitch.tv/LOGIN",
                    login.value.escape_debug()
                );
                table.report_at(login.at, "channel", message, None);
            }
            Channel::Login(lower)
        }
        (None, Some(id)) => {
            let is_id = !id.value.is_empty() && id.value.bytes().all(|b| b.is_ascii_digit());
            if !is_id {
                let message = format!(
                    "`{}` is not a Twitch user id: expected digits",
                    id.value.escape_debug()
                );
                table.report_at(id.at, "channel_id", message, None);
            }
            Channel::Id(id.value.to_owned())
        }
    }
}

fn reserve(table: &Table<'_>) -> Option<u64> {
    let value = table.value("reserve")?;
    let DeValue::Integer(number) = value.value else {
        return table.wrong_type(
            "reserve",
            value.at,
            "a whole number of calls a day",
            value.value,
        );
    };
    match u64::from_str_radix(number.as_str(), number.radix()) {
        Ok(calls) if calls < DAILY_CALLS => Some(calls),
        _ => {
            let message = format!(
                "{number} is out of range, expected 0 to {} calls a day",
                DAILY_CALLS - 1
            );
            let hint = format!(
                "HighLevel allows {DAILY_CALLS} calls a day, and some have to be left for ghl-sync"
            );
            table.report_at(value.at, "reserve", message, Some(hint));
            None
        }
    }
}

/// Reads an address, without the slash at its end; `http` only on this machine, because tokens travel with every call.
fn address(table: &Table<'_>, key: &str, default: &str) -> String {
    let Some(text) = table.text(key) else {
        return default.to_owned();
    };
    if let Err(message) = check_address(text.value) {
        table.report_at(text.at, key, message, None);
    }
    text.value.trim_end_matches('/').to_owned()
}
