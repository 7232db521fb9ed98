//! Reading `[from]`: the source, and the channels that it is read of. Several channels make several jobs, one a channel.

use std::collections::BTreeSet;

use super::account::Account;
use super::accounts::{Accounts, Service};
use super::job::top_level;
use super::reader::{Spot, Table};
use super::{keys, values};
use crate::model::{AccountName, BitsPeriod, Channel, SourceKind};

/// The sources there are.
const SOURCES: &[(&str, SourceKind)] = &[
    ("twitch.followers", SourceKind::TwitchFollowers),
    ("twitch.subscribers", SourceKind::TwitchSubscribers),
    ("twitch.vips", SourceKind::TwitchVips),
    ("twitch.moderators", SourceKind::TwitchModerators),
    ("twitch.bits", SourceKind::TwitchBits),
    ("twitch.streams", SourceKind::TwitchStreams),
];

/// The periods of a bits leaderboard.
const PERIODS: &[(&str, BitsPeriod)] = &[
    ("all", BitsPeriod::All),
    ("day", BitsPeriod::Day),
    ("week", BitsPeriod::Week),
    ("month", BitsPeriod::Month),
    ("year", BitsPeriod::Year),
];

/// What `[from]` says, as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct Origin {
    pub(super) source: Option<SourceKind>,
    /// One a channel; several make several jobs.
    pub(super) parts: Vec<Part>,
    /// The channels of a job over streams.
    pub(super) channels: Vec<Channel>,
    pub(super) period: Option<BitsPeriod>,
}

/// One channel and the account that it is read with.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) account: AccountName,
    /// `None` when the account could not be read.
    pub(super) channel: Option<Channel>,
    /// What templates call the channel.
    pub(super) label: String,
    /// What tells it from the other parts: the account or the channel, whichever there are several of.
    pub(super) suffix: String,
}

/// Reads `[from]`.
pub(super) fn read(root: &Table<'_>, accounts: &Accounts) -> Origin {
    let example = "[from] with source = \"twitch.followers\" and account = \"<name>\"";
    let Some(table) = root.required_table("from", example) else {
        return Origin::default();
    };
    table.expect_keys(keys::FROM, top_level);
    let source = table.required_word("source", SOURCES);
    let with = with(&table, accounts, source);
    let channels = channels(&table, source, &with);
    let period = period(&table, source);
    let is_one_job = source.is_none_or(SourceKind::is_of_channels);
    let mut origin = Origin {
        source,
        period,
        ..Origin::default()
    };
    match with.as_slice() {
        [one] if !is_one_job && !channels.is_empty() => {
            origin.parts = channels
                .into_iter()
                .map(|login| Part {
                    account: one.account.clone(),
                    channel: one.channel.as_ref().map(|_| Channel::Login(login.clone())),
                    label: login.clone(),
                    suffix: login,
                })
                .collect();
        }
        _ => {
            origin.parts = with;
            origin.channels = channels.into_iter().map(Channel::Login).collect();
        }
    }
    origin
}

/// Reads `account` or `accounts`: what each of them reads by itself.
fn with(table: &Table<'_>, accounts: &Accounts, source: Option<SourceKind>) -> Vec<Part> {
    let service = source.map(|source| match source {
        SourceKind::TwitchFollowers
        | SourceKind::TwitchSubscribers
        | SourceKind::TwitchVips
        | SourceKind::TwitchModerators
        | SourceKind::TwitchBits
        | SourceKind::TwitchStreams => Service::Twitch,
    });
    let example = "account = \"<a name of [accounts]>\"";
    let named: Vec<(&str, Spot<AccountName>)> = if table.has("accounts") {
        if let Some(one) = table.value("account") {
            let message =
                "`accounts` names the accounts already, expected one of the two".to_owned();
            table.report_at(one.at, "account", message, None);
        }
        let named = names(table);
        named.into_iter().map(|name| ("accounts", name)).collect()
    } else {
        let one = table.required_id::<AccountName>("account", example);
        one.map(|name| ("account", name)).into_iter().collect()
    };
    named
        .into_iter()
        .map(|(key, name)| {
            let channel = match accounts.get(table, key, &name, service) {
                Some(Account::Twitch(account)) => Some(account.channel.clone()),
                Some(Account::HighLevel(_) | Account::Agency(_)) | None => None,
            };
            let label = match &channel {
                Some(Channel::Login(login)) => login.clone(),
                Some(Channel::Own | Channel::Id(_)) | None => name.value.to_string(),
            };
            Part {
                channel,
                label,
                suffix: name.value.to_string(),
                account: name.value,
            }
        })
        .collect()
}

fn names(table: &Table<'_>) -> Vec<Spot<AccountName>> {
    let mut names: Vec<Spot<AccountName>> = Vec::new();
    for text in listed(
        table,
        "accounts",
        "accounts = [\"<a name of [accounts]>\", …]",
    ) {
        match AccountName::try_from(text.value) {
            Ok(name) if names.iter().any(|other| other.value == name) => {
                table.report_at(text.at, "accounts", twice(name.as_str()), None);
            }
            Ok(value) => names.push(Spot { value, at: text.at }),
            Err(refused) => table.report_at(text.at, "accounts", refused.to_string(), None),
        }
    }
    names
}

/// Reads `channels`: logins in lower case.
fn channels(table: &Table<'_>, source: Option<SourceKind>, with: &[Part]) -> Vec<String> {
    let Some(list) = table.value("channels") else {
        return Vec::new();
    };
    let refuse = |message: String, hint: &str| {
        table.report_at(list.at, "channels", message, Some(hint.to_owned()));
    };
    if let Some(source) = source.filter(|source| source.is_broadcasters_own()) {
        let message = format!(
            "only a channel's own login lists its {}, expected the account of each channel",
            source.plural()
        );
        refuse(
            message,
            "accounts = [\"one\", \"other\"], each an account that the broadcaster logged in",
        );
        return Vec::new();
    }
    if with.len() > 1 {
        let message = format!(
            "stands beside {} accounts, and each would read the same channels",
            with.len()
        );
        refuse(
            message,
            "leave one account, or leave `channels` out: an account reads its own channel",
        );
        return Vec::new();
    }
    let mut logins = BTreeSet::new();
    let mut in_order = Vec::new();
    for text in listed(
        table,
        "channels",
        "channels = [\"<login>\", …], as in twitch.tv/LOGIN",
    ) {
        match values::twitch_login(text.value) {
            Ok(login) if logins.contains(&login) => {
                table.report_at(text.at, "channels", twice(&login), None);
            }
            Ok(login) => {
                logins.insert(login.clone());
                in_order.push(login);
            }
            Err(message) => table.report_at(text.at, "channels", message, None),
        }
    }
    in_order
}

/// Returns the texts of a list, and reports an empty one.
fn listed<'t>(table: &Table<'t>, key: &str, expected: &str) -> Vec<Spot<&'t str>> {
    let before = table.file().count();
    let texts = table.texts(key);
    if texts.is_empty()
        && table.file().count() == before
        && let Some(list) = table.value(key)
    {
        table.report_at(list.at, key, format!("is empty, expected {expected}"), None);
    }
    texts
}

fn twice(name: &str) -> String {
    format!("`{name}` stands here twice")
}

fn period(table: &Table<'_>, source: Option<SourceKind>) -> Option<BitsPeriod> {
    let period = table.word("period", PERIODS).map(|spot| spot.value);
    match source? {
        SourceKind::TwitchBits => Some(period.unwrap_or(BitsPeriod::All)),
        source @ (SourceKind::TwitchFollowers
        | SourceKind::TwitchSubscribers
        | SourceKind::TwitchVips
        | SourceKind::TwitchModerators
        | SourceKind::TwitchStreams) => {
            if let Some(value) = table.value("period") {
                let message = format!("only twitch.bits has periods, not {}", source.word());
                table.report_at(value.at, "period", message, None);
            }
            None
        }
    }
}
