//! Reading one job file.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use chrono_tz::Tz;

use super::accounts::Accounts;
use super::duration::{Bounds, DAY, HOUR};
use super::fields::{self, MappedField};
use super::origin::{self, Part};
use super::reader::{Spot, Table};
use super::source::{self, SecretSource};
use super::target;
use super::trial::Trial;
use super::{duration, keys, limits, matching, on, quiet, suits, values};
use crate::model::{AccountName, Channel, ContactsReader, Job, JobName, LocationId, SourceKind};

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
    /// The channels that it is read of, with their accounts.
    pub(super) parts: Vec<Part>,
    pub(super) timezone: Tz,
    pub(super) location: Option<LocationId>,
    pub(super) fields: Vec<MappedField>,
    pub(super) ping: Option<SecretSource>,
    /// The jobs, when the file has no problem: one, or one a channel.
    pub(super) jobs: Vec<Job>,
}

impl Sketch {
    /// Returns whether both read the same channels, with whatever accounts.
    pub(super) fn is_over_the_channels_of(&self, other: &Sketch) -> bool {
        fn channel(part: &Part) -> (Option<&AccountName>, Option<&str>) {
            match &part.channel {
                Some(Channel::Login(login)) => (None, Some(login)),
                Some(Channel::Id(id)) => (None, Some(id)),
                Some(Channel::Own) | None => (Some(&part.account), None),
            }
        }
        let own: BTreeSet<_> = self.parts.iter().map(channel).collect();
        own == other.parts.iter().map(channel).collect()
    }
}

/// Reads a job file and reports every problem in it.
///
/// Paths of secrets start at `folder`, that of the main file.
pub(super) fn read(root: &Table<'_>, accounts: &Accounts, folder: &Path) -> Sketch {
    let before = root.file().count();
    root.expect_keys(keys::JOB, |_| None);
    let name = name(root);
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
    let backfill = root.flag("backfill", false);
    let reader = root.word("contacts_reader", READERS);
    let from = origin::read(root, accounts);
    let to = target::read(root, accounts);
    let scope = target::scope(root);

    // Without a source the attributes are unknown, so templates are not judged.
    let label = from.parts.first().map_or("", |part| part.label.as_str());
    let mut trial = from
        .source
        .map(|source| Trial::new(source, timezone, label));
    let mapped = fields::read(root, trial.as_mut());
    let rules = matching::read(root, from.source, &mapped);
    let on = on::read(root, trial.as_mut());
    let limits = limits::read(root);
    let drift = limits::drift(root);
    if let Some(source) = from.source {
        suits::check(root, source);
        suits::one_value(root, source, &from.parts, &mapped);
    }
    target::check(root, &to, scope.as_ref(), rules.missing, &on);

    let is_clean = root.file().count() == before;
    let mut jobs = Vec::new();
    if let Some((source, name, to)) = whole(is_clean, from.source, name.as_ref(), to.whole()) {
        let is_several = from.parts.len() > 1;
        for part in &from.parts {
            let own_name = match is_several {
                true => name.part(&part.suffix).ok(),
                false => Some(name.clone()),
            };
            // An account that could not be read was reported where it stands.
            let (Some(own_name), Some(channel)) = (own_name, &part.channel) else {
                continue;
            };
            jobs.push(Job {
                name: own_name,
                part_of: is_several.then(|| name.clone()),
                schedule: schedule.clone(),
                timezone,
                jitter,
                time_budget,
                quiet: quiet.clone(),
                full: full.clone(),
                full_at_most_every,
                source,
                from: part.account.clone(),
                channel: channel.clone(),
                channels: from.channels.clone(),
                label: part.label.clone(),
                period: from.period,
                destination: to.destination,
                to: to.account.clone(),
                location: to.location.clone(),
                match_by: rules.by.clone(),
                missing: rules.missing,
                recreate_deleted: rules.recreate_deleted,
                fields: mapped.iter().map(|field| field.rule.clone()).collect(),
                scope: scope.as_ref().map(|scope| scope.value.clone()),
                business: to.business.clone(),
                on: on.clone(),
                backfill,
                limits: limits.clone(),
                drift,
                recheck,
                create_fields,
                strict,
                contacts_reader: reader
                    .as_ref()
                    .map_or(ContactsReader::List, |spot| spot.value),
            });
        }
    }
    Sketch {
        name,
        source: from.source,
        parts: from.parts,
        timezone,
        location: to.location.clone(),
        fields: mapped,
        ping,
        jobs,
    }
}

/// Returns what every job of a file has, when the file has no problem.
fn whole<T>(
    is_clean: bool,
    source: Option<SourceKind>,
    name: Option<&Spot<JobName>>,
    to: Option<T>,
) -> Option<(SourceKind, &JobName, T)> {
    match is_clean {
        true => Some((source?, &name?.value, to?)),
        false => None,
    }
}

/// Reads the name of the file's job, which has no dot: that is how its parts are named.
fn name(root: &Table<'_>) -> Option<Spot<JobName>> {
    let name = root.required_id::<JobName>("name", "name = \"twitch-followers\"")?;
    if name.value.is_part() {
        let message = format!(
            "`{}` is not a job name: expected 1 to 64 of a-z, 0-9 and '-', not starting with '-'",
            name.value
        );
        let hint = "a dot stands in the names of the parts of a job that lists several channels";
        root.report_at(name.at, "name", message, Some(hint.to_owned()));
        return None;
    }
    Some(name)
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
