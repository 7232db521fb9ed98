//! Reading `[accounts]` of the main file.

use std::collections::BTreeMap;
use std::path::Path;

use super::account::{Account, HubLogin};
use super::address::check_address;
use super::reader::{Spot, Table, one_of};
use super::{highlevel, twitch};
use crate::model::AccountName;
use crate::plan::spelling;

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
    Agency,
    Twitch,
}

const SERVICES: &[(&str, Service)] = &[
    ("highlevel", Service::HighLevel),
    ("highlevel.agency", Service::Agency),
    ("twitch", Service::Twitch),
];

impl Service {
    pub(super) fn word(self) -> &'static str {
        match self {
            Service::HighLevel => "highlevel",
            Service::Agency => "highlevel.agency",
            Service::Twitch => "twitch",
        }
    }
}

impl Accounts {
    /// Returns the account that `key` names, `None` when it is unknown, broken or of another service.
    ///
    /// Reports an unknown name and a wrong service; a broken account was reported where it stands.
    pub(super) fn get(
        &self,
        table: &Table<'_>,
        key: &str,
        name: &Spot<AccountName>,
        service: Option<Service>,
    ) -> Option<&Account> {
        let Some(entry) = self.entries.get(&name.value) else {
            if self.is_known {
                self.report_unknown(table, key, name, service);
            }
            return None;
        };
        if let (Some(expected), Some(seen)) = (service, entry.service)
            && expected != seen
        {
            table.report_at(
                name.at,
                key,
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
        key: &str,
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
        table.report_at(name.at, key, message, Some(hint));
    }
}

/// Reads `[accounts]` of the main file.
pub(super) fn read(root: &Table<'_>, folder: &Path) -> Accounts {
    let mut accounts = Accounts {
        is_known: true,
        entries: BTreeMap::new(),
    };
    let mut tables = Vec::new();
    if let Some(all) = root.table("accounts") {
        for (key, _) in all.entries() {
            let name = match AccountName::try_from(key.value) {
                Ok(name) => name,
                Err(refused) => {
                    all.report_at(key.at, key.value, refused.to_string(), None);
                    continue;
                }
            };
            if let Some(table) = all.table(key.value) {
                let entry = read_one(&table, &name, folder);
                accounts.entries.insert(name.clone(), entry);
                tables.push((name, table));
            }
        }
    }
    for (name, table) in tables {
        agency(&mut accounts, &name, &table);
    }
    accounts
}

fn read_one(table: &Table<'_>, name: &AccountName, folder: &Path) -> Entry {
    let service = table.required_word("service", SERVICES);
    let account = match service {
        None => None,
        Some(Service::HighLevel) => {
            highlevel::location(table, name, folder).map(Account::HighLevel)
        }
        Some(Service::Agency) => highlevel::agency(table, name, folder).map(Account::Agency),
        Some(Service::Twitch) => twitch::read(table, name, folder).map(Account::Twitch),
    };
    Entry { service, account }
}

/// Checks that the agency which a location names is one, and leaves the location out when it is not.
fn agency(accounts: &mut Accounts, name: &AccountName, table: &Table<'_>) {
    let Some(Account::HighLevel(account)) = accounts
        .entries
        .get(name)
        .and_then(|entry| entry.account.as_ref())
    else {
        return;
    };
    let HubLogin::Agency(agency) = &account.login else {
        return;
    };
    let named = Spot {
        value: agency.clone(),
        at: table.value("agency").map_or(0, |value| value.at),
    };
    let is_there = accounts
        .get(table, "agency", &named, Some(Service::Agency))
        .is_some();
    if !is_there && let Some(entry) = accounts.entries.get_mut(name) {
        entry.account = None;
    }
}

/// Reads an address, without the slash at its end; `http` only on this machine, because tokens travel with every call.
pub(super) fn address(table: &Table<'_>, key: &str, default: &str) -> Option<String> {
    let address = carrying(table, key, default, "token")?;
    Some(address.trim_end_matches('/').to_owned())
}

/// Reads where a browser is sent after a login, as it stands: vendors compare it letter by letter.
pub(super) fn redirect_uri(table: &Table<'_>, default: &str) -> Option<String> {
    carrying(table, "redirect_uri", default, "code of a login")
}

fn carrying(table: &Table<'_>, key: &str, default: &str, carried: &str) -> Option<String> {
    if !table.has(key) {
        return Some(default.to_owned());
    }
    let text = table.text(key)?;
    match check_address(text.value, carried) {
        Ok(()) => Some(text.value.to_owned()),
        Err(message) => {
            table.report_at(text.at, key, message, None);
            None
        }
    }
}

/// Reads the id of an app that has to be there.
pub(super) fn client_id(
    table: &Table<'_>,
    example: &str,
    check: fn(&str) -> Result<(), String>,
) -> Option<String> {
    let text = table.required_text("client_id", example)?;
    match check(text.value) {
        Ok(()) => Some(text.value.to_owned()),
        Err(message) => {
            table.report_at(text.at, "client_id", message, None);
            None
        }
    }
}
