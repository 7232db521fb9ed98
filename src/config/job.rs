//! Reading one job file.

use std::path::Path;
use std::time::Duration;

use chrono_tz::Tz;

use super::account::Account;
use super::accounts::{Accounts, Service};
use super::duration::{Bounds, DAY, HOUR};
use super::fields::{self, MappedField};
use super::reader::{Spot, Table};
use super::source::{self, SecretSource};
use super::{duration, keys, limits, matching, quiet, tags, values};
use crate::model::{
    AccountName, Channel, ContactsReader, Destination, Job, JobName, LocationId, SourceKind,
};
use crate::plan::template::Templates;

/// The sources there are.
const SOURCES: &[(&str, SourceKind)] = &[
    ("twitch.followers", SourceKind::TwitchFollowers),
    ("twitch.subscribers", SourceKind::TwitchSubscribers),
    ("twitch.vips", SourceKind::TwitchVips),
    ("twitch.moderators", SourceKind::TwitchModerators),
    ("twitch.bits", SourceKind::TwitchBits),
    ("twitch.streams", SourceKind::TwitchStreams),
];

/// The destinations there are.
const DESTINATIONS: &[(&str, Destination)] =
    &[("highlevel.contacts", Destination::HighLevelContacts)];

/// The endpoints a full contacts pass can read.
const READERS: &[(&str, ContactsReader)] = &[
    ("list", ContactsReader::List),
    ("search", ContactsReader::Search),
];

/// What one file says, as far as it could be read; what checks over all jobs need.
#[derive(Debug)]
pub(super) struct Sketch {
    pub(super) name: Option<Spot<JobName>>,
    pub(super) source: Option<SourceKind>,
    pub(super) timezone: Tz,
    pub(super) location: Option<LocationId>,
    pub(super) fields: Vec<MappedField>,
    pub(super) ping: Option<SecretSource>,
    /// The job, when its file has no problem.
    pub(super) job: Option<Job>,
}

/// Reads a job file and reports every problem in it.
///
/// Paths of secrets start at `folder`, that of the main file.
pub(super) fn read(root: &Table<'_>, accounts: &Accounts, folder: &Path) -> Sketch {
    let before = root.file().count();
    root.expect_keys(keys::JOB, |_| None);
    let name = root.required_id::<JobName>("name", "name = \"twitch-followers\"");
    let timezone = timezone(root);
    let schedule = line(root, "schedule", timezone);
    let full = line(root, "full", timezone);
    let full_at_most_every = duration::read(root, "full_at_most_every", &FULL_SPACING);
    let full_at_most_every = full_at_most_every.unwrap_or(DAY);
    let jitter = duration::read(root, "jitter", &JITTER).unwrap_or_default();
    let time_budget = duration::read(root, "time_budget", &TIME_BUDGET);
    let quiet = quiet::read(root);
    let ping = source::source(root, "ping", folder);
    let recheck = root.flag("recheck", true);
    let create_fields = root.flag("create_fields", false);
    let strict = root.flag("strict", false);
    let reader = root.word("contacts_reader", READERS);
    let from = from(root, accounts);
    let to = to(root, accounts);

    // Without a source the attributes are unknown, so templates are not judged.
    let mut templates = from.source.map(|source| Templates::new(source, timezone));
    let mapped = fields::read(root, from.source, templates.as_mut());
    let rules = matching::read(root, from.source, templates.as_ref(), &mapped);
    let on = tags::read(root, from.source, templates.as_mut());
    let limits = limits::read(root);
    let drift = limits::drift(root);

    let is_clean = root.file().count() == before;
    let label = match &from.channel {
        Some(Channel::Login(login)) => Some(login.clone()),
        _ => from.account.as_ref().map(ToString::to_string),
    };
    let whole = || {
        Some(Job {
            name: name.clone()?.value,
            part_of: None,
            schedule,
            timezone,
            jitter,
            time_budget,
            quiet,
            full,
            full_at_most_every,
            source: from.source?,
            from: from.account?,
            label: label.clone()?,
            channel: from.channel?,
            channels: Vec::new(),
            period: None,
            destination: to.destination?,
            to: to.account?,
            location: to.location.clone()?,
            match_by: rules.by,
            missing: rules.missing,
            recreate_deleted: rules.recreate_deleted,
            fields: mapped.iter().map(|field| field.rule.clone()).collect(),
            scope: None,
            business: None,
            on,
            backfill: false,
            limits,
            drift,
            recheck,
            create_fields,
            strict,
            contacts_reader: reader.map_or(ContactsReader::List, |spot| spot.value),
        })
    };
    let job = if is_clean { whole() } else { None };
    Sketch {
        name,
        source: from.source,
        timezone,
        location: to.location,
        fields: mapped,
        ping,
        job,
    }
}

struct Origin {
    source: Option<SourceKind>,
    account: Option<AccountName>,
    channel: Option<Channel>,
}

fn from(root: &Table<'_>, accounts: &Accounts) -> Origin {
    let example = "[from] with source = \"twitch.followers\" and account = \"<name>\"";
    let Some(table) = root.required_table("from", example) else {
        return Origin {
            source: None,
            account: None,
            channel: None,
        };
    };
    table.expect_keys(keys::FROM, top_level);
    let source = table.required_word("source", SOURCES);
    let service = source.map(|source| match source {
        SourceKind::TwitchFollowers
        | SourceKind::TwitchSubscribers
        | SourceKind::TwitchVips
        | SourceKind::TwitchModerators
        | SourceKind::TwitchBits
        | SourceKind::TwitchStreams => Service::Twitch,
    });
    let name = table.required_id::<AccountName>("account", "account = \"<a name of [accounts]>\"");
    let account = name
        .as_ref()
        .and_then(|name| accounts.get(&table, "account", name, service));
    let channel = account.and_then(|account| match account {
        Account::Twitch(account) => Some(account.channel.clone()),
        Account::HighLevel(_) | Account::Agency(_) => None,
    });
    Origin {
        source,
        account: name.map(|name| name.value),
        channel,
    }
}

struct Target {
    destination: Option<Destination>,
    account: Option<AccountName>,
    location: Option<LocationId>,
}

fn to(root: &Table<'_>, accounts: &Accounts) -> Target {
    let example = "[to] with destination = \"highlevel.contacts\" and account = \"<name>\"";
    let Some(table) = root.required_table("to", example) else {
        return Target {
            destination: None,
            account: None,
            location: None,
        };
    };
    table.expect_keys(keys::TO, top_level);
    let destination = table.required_word("destination", DESTINATIONS);
    let service = destination.map(|destination| match destination {
        Destination::HighLevelContacts => Service::HighLevel,
    });
    let name = table.required_id::<AccountName>("account", "account = \"<a name of [accounts]>\"");
    let account = name
        .as_ref()
        .and_then(|name| accounts.get(&table, "account", name, service));
    let location = account.and_then(|account| match account {
        Account::HighLevel(account) => Some(account.location.clone()),
        Account::Agency(_) | Account::Twitch(_) => None,
    });
    Target {
        destination,
        account: name.map(|name| name.value),
        location,
    }
}

/// Says where a key of the job itself belongs, for one that was found in a table.
///
/// In TOML a key below a `[table]` line belongs to that table, which is the commonest slip with such files.
pub(super) fn top_level(key: &str) -> Option<String> {
    keys::JOB
        .contains(&key)
        .then(|| format!("`{key}` is a key of the job itself: write it above the first [table]"))
}

fn timezone(root: &Table<'_>) -> Tz {
    let Some(text) = root.text("timezone") else {
        return Tz::UTC;
    };
    values::time_zone(text.value).unwrap_or_else(|message| {
        let hint = "IANA names such as America/New_York, Europe/Berlin or UTC".to_owned();
        root.report_at(text.at, "timezone", message, Some(hint));
        Tz::UTC
    })
}

/// Reads a cron line, and refuses one that names no day there is.
fn line(root: &Table<'_>, key: &str, zone: Tz) -> Option<String> {
    let text = root.text(key)?;
    if let Err(message) = values::check_cron_line(text.value, zone) {
        let hint = "for example \"*/15 * * * *\" or \"30 4 * * 0\" (Sundays at 4:30)".to_owned();
        root.report_at(text.at, key, message, Some(hint));
    }
    Some(text.value.to_owned())
}

/// The least `full_at_most_every`, so that a differing total cannot make the job page all day.
const FULL_SPACING: Bounds = Bounds {
    least: HOUR,
    most: duration::YEARS,
};

/// More than a day of jitter is no jitter.
const JITTER: Bounds = Bounds {
    least: Duration::ZERO,
    most: DAY,
};

/// A run needs a minute to read a page and send something; a day is longer than any run.
const TIME_BUDGET: Bounds = Bounds {
    least: Duration::from_secs(60),
    most: DAY,
};
