//! Reading the accounts of HighLevel: a location, and an agency.

use std::path::Path;

use toml::de::DeValue;

use super::account::{AgencyAccount, HighLevelAccount, HubApp, HubLogin};
use super::accounts::{address, client_id, redirect_uri};
use super::reader::{Spot, Table};
use super::source::{required_source, source};
use super::{keys, values};
use crate::model::AccountName;

/// Where HighLevel's API is. Source: HighLevel's API reference, "Base URL".
const API_URL: &str = "https://services.leadconnectorhq.com";

/// Where a person installs an app and chooses a location. Source: HighLevel's OAuth documentation, "Authorization".
const AUTHORIZE_URL: &str = "https://marketplace.gohighlevel.com/v2/oauth/chooselocation";

/// Where a browser comes back to; the redirect address of HighLevel's own examples.
const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// Calls that HighLevel allows an app in a location in 24 hours. Source: HighLevel's rate limits.
const DAILY_CALLS: u64 = 200_000;

/// The keys that each name a way to log in.
const WAYS: &[&str] = &["token", "client_id", "agency"];

/// The keys that only an app has beside its `client_id`.
const OF_APP: &[&str] = &["client_secret", "redirect_uri", "authorize_url"];

/// Reads `[accounts.NAME]` with `service = "highlevel"`.
pub(super) fn location(
    table: &Table<'_>,
    name: &AccountName,
    folder: &Path,
) -> Option<HighLevelAccount> {
    table.expect_keys(keys::HIGHLEVEL, |_| None);
    let location = table.required_id("location", "location = \"<the id of the location>\"");
    let login = login(table, folder);
    let reserve = reserve(table);
    let base_url = address(table, "base_url", API_URL);
    Some(HighLevelAccount {
        name: name.clone(),
        location: location?.value,
        login: login?,
        reserve,
        base_url: base_url?,
    })
}

/// Reads `[accounts.NAME]` with `service = "highlevel.agency"`.
pub(super) fn agency(
    table: &Table<'_>,
    name: &AccountName,
    folder: &Path,
) -> Option<AgencyAccount> {
    table.expect_keys(keys::AGENCY, |key| match key {
        "location" | "token" | "reserve" => Some(format!(
            "`{key}` belongs to an account of a location (service = \"highlevel\"), which names this one: agency = \"{name}\""
        )),
        _ => None,
    });
    let app = app(table, folder);
    let base_url = address(table, "base_url", API_URL);
    Some(AgencyAccount {
        name: name.clone(),
        app: app?,
        base_url: base_url?,
    })
}

fn login(table: &Table<'_>, folder: &Path) -> Option<HubLogin> {
    let keys: Vec<Spot<&str>> = table.entries().into_iter().map(|(key, _)| key).collect();
    let is_way = |key: &&Spot<&str>| WAYS.contains(&key.value);
    let ways: Vec<&Spot<&str>> = keys.iter().filter(is_way).collect();
    if let [first, others @ ..] = ways.as_slice()
        && !others.is_empty()
    {
        for other in others {
            let message = format!(
                "`{}` says already how this account logs in, expected one of `token`, `client_id` and `agency`",
                first.value
            );
            table.report_at(other.at, other.value, message, None);
        }
        return None;
    }
    let way = ways.first().map(|way| way.value);
    if way == Some("client_id") || (way.is_none() && table.has("client_secret")) {
        return app(table, folder).map(HubLogin::App);
    }
    let strays: Vec<&Spot<&str>> = keys
        .iter()
        .filter(|key| OF_APP.contains(&key.value))
        .collect();
    for stray in &strays {
        let message = match way {
            Some(way) => format!("belongs to an app, but `{way}` says how this account logs in"),
            None => {
                "belongs to an app, expected `client_id` and `client_secret` beside it".to_owned()
            }
        };
        table.report_at(stray.at, stray.value, message, None);
    }
    if !strays.is_empty() {
        return None;
    }
    match way {
        None => Some(HubLogin::Kept),
        Some("agency") => {
            let example = "agency = \"<the name of an account of service highlevel.agency>\"";
            let agency = table.required_id::<AccountName>("agency", example)?;
            Some(HubLogin::Agency(agency.value))
        }
        Some(_) => source(table, "token", folder).map(HubLogin::Fixed),
    }
}

fn app(table: &Table<'_>, folder: &Path) -> Option<HubApp> {
    let client_id = client_id(
        table,
        "client_id = \"<the client id of your HighLevel app>\"",
        values::check_highlevel_client,
    );
    let client_secret = required_source(table, "client_secret", folder);
    let redirect_uri = redirect_uri(table, REDIRECT_URI);
    let authorize_url = address(table, "authorize_url", AUTHORIZE_URL);
    Some(HubApp {
        client_id: client_id?,
        client_secret: client_secret?,
        redirect_uri: redirect_uri?,
        authorize_url: authorize_url?,
    })
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
