//! Reading `[notify]`, `[metrics]` and `[upkeep]` of the main file: what a service needs besides its jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use toml::de::DeValue;

use super::duration::{self, Bounds, DAY, YEARS};
use super::reader::{Spot, Table};
use super::source::{SecretSource, required_source};
use super::{keys, values};

/// A target of messages about changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyTarget {
    /// Its name: letters, digits, '_' and '-'.
    pub name: String,
    /// Where messages go, and in which shape.
    pub to: NotifyTo,
    /// What it is told of; never empty.
    pub on: BTreeSet<Occasion>,
    /// Messages an hour at most; at least 1.
    pub at_most: u32,
}

/// Where messages go, and in which shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyTo {
    /// A webhook of a Discord channel; its address is a secret.
    Discord(SecretSource),
    /// An incoming webhook of Slack; its address is a secret.
    Slack(SecretSource),
    /// Any address that takes JSON.
    Json(SecretSource),
    /// A program and its arguments; it gets the JSON on stdin.
    Command(Vec<String>),
}

/// What a target can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// Runs of a job fail.
    Failure,
    /// A guard holds changes back, or a plan waits for its approval.
    Held,
    /// New conflicts, refused rows or questions.
    Conflict,
    /// A login is lost, or cannot be renewed.
    Login,
    /// Something that was told is over.
    Recovered,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Occasion; 5] = [
        Occasion::Failure,
        Occasion::Held,
        Occasion::Conflict,
        Occasion::Login,
        Occasion::Recovered,
    ];

    /// Returns the word for it in `on` and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Occasion::Failure => "failure",
            Occasion::Held => "held",
            Occasion::Conflict => "conflict",
            Occasion::Login => "login",
            Occasion::Recovered => "recovered",
        }
    }
}

/// How the state is kept in good order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// When: a five-field cron line.
    pub schedule: String,
    /// The zone of `schedule`.
    pub timezone: Tz,
    /// Runs older than this are taken out of the journal.
    pub keep: Duration,
    /// And of each job all but this many.
    pub keep_runs: u64,
    /// How many copies of the state are kept; 0 makes none.
    pub backups: u32,
    /// Where copies are kept; a path that works from the current folder.
    pub backup_folder: PathBuf,
}

/// What the three tables say.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) notify: BTreeMap<String, NotifyTarget>,
    pub(super) metrics: Option<PathBuf>,
    pub(super) upkeep: Upkeep,
}

/// Messages an hour when a target does not say.
const AT_MOST: u32 = 12;

/// Guards count the writes of 24 hours and stored plans are good for as long; two days leave both alone.
const KEEP: Bounds = Bounds {
    least: DAY.saturating_mul(2),
    most: YEARS,
};

/// Reads the three tables; paths start at `folder`, that of the main file, copies at the state.
pub(super) fn read(root: Option<&Table<'_>>, folder: &Path, state: &Path) -> Service {
    let mut service = Service {
        notify: BTreeMap::new(),
        metrics: None,
        upkeep: Upkeep {
            schedule: "41 3 * * *".to_owned(),
            timezone: Tz::UTC,
            keep: 180 * DAY,
            keep_runs: 5_000,
            backups: 7,
            backup_folder: state.join("backups"),
        },
    };
    let Some(root) = root else { return service };
    if let Some(targets) = root.table("notify") {
        for (key, _) in targets.entries() {
            if let Some(table) = targets.table(key.value)
                && let Some(target) = target(&targets, &table, &key, folder)
            {
                service.notify.insert(target.name.clone(), target);
            }
        }
    }
    if let Some(table) = root.table("metrics") {
        table.expect_keys(keys::METRICS, |_| None);
        let example = "textfile = \"/var/lib/prometheus/node-exporter/ghl-sync.prom\"";
        let file = table.required_text("textfile", example);
        service.metrics = file.and_then(|text| textfile(&table, &text, folder));
    }
    if let Some(table) = root.table("upkeep") {
        upkeep(&table, &mut service.upkeep, state);
    }
    service
}

/// Reads where the figures go. The collector reads `*.prom` alone. Source: node_exporter, textfile collector.
fn textfile(table: &Table<'_>, text: &Spot<&str>, folder: &Path) -> Option<PathBuf> {
    let path = folder.join(text.value);
    if path.extension().is_some_and(|ending| ending == "prom") {
        return Some(path);
    }
    let message = format!(
        "`{}` does not end in .prom, so that the textfile collector would not read it",
        text.value.escape_debug()
    );
    table.report_at(text.at, "textfile", message, None);
    None
}

fn upkeep(table: &Table<'_>, upkeep: &mut Upkeep, state: &Path) {
    table.expect_keys(keys::UPKEEP, |_| None);
    if let Some(text) = table.text("timezone") {
        match values::time_zone(text.value) {
            Ok(zone) => upkeep.timezone = zone,
            Err(message) => table.report_at(text.at, "timezone", message, None),
        }
    }
    if let Some(text) = table.text("schedule") {
        match values::check_cron_line(text.value, upkeep.timezone) {
            Ok(()) => text.value.clone_into(&mut upkeep.schedule),
            Err(message) => {
                let hint = "for example \"41 3 * * *\" (every night at 3:41)".to_owned();
                table.report_at(text.at, "schedule", message, Some(hint));
            }
        }
    }
    if let Some(keep) = duration::read(table, "keep", &KEEP) {
        upkeep.keep = keep;
    }
    if let Some(runs) = whole(table, "keep_runs", 10, 1_000_000) {
        upkeep.keep_runs = runs;
    }
    if let Some(backups) = whole(table, "backups", 0, 1_000) {
        upkeep.backups = u32::try_from(backups).unwrap_or(upkeep.backups);
    }
    if let Some(text) = table.text("backup_folder") {
        upkeep.backup_folder = state.join(text.value);
    }
}

/// The kinds of targets.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Discord,
    Slack,
    Json,
    Command,
}

const KINDS: &[(&str, Kind)] = &[
    ("discord", Kind::Discord),
    ("slack", Kind::Slack),
    ("json", Kind::Json),
    ("command", Kind::Command),
];

fn target(
    targets: &Table<'_>,
    table: &Table<'_>,
    key: &Spot<&str>,
    folder: &Path,
) -> Option<NotifyTarget> {
    let before = table.file().count();
    table.expect_keys(keys::NOTIFY, |_| None);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !(1..=64).contains(&key.value.len()) || !key.value.bytes().all(is_plain) {
        let message = "expected a name of letters, digits, '_' and '-'".to_owned();
        targets.report_at(key.at, key.value, message, None);
    }
    let kind = table.required_word("kind", KINDS);
    let superfluous = match kind {
        Some(Kind::Command) => Some("url"),
        Some(Kind::Discord | Kind::Slack | Kind::Json) => Some("command"),
        None => None,
    };
    if let Some(name) = superfluous
        && let Some(value) = table.value(name)
    {
        let message = "does not belong to a target of this kind".to_owned();
        table.report_at(value.at, name, message, None);
    }
    let address = || required_source(table, "url", folder);
    let to = match kind? {
        Kind::Discord => NotifyTo::Discord(address()?),
        Kind::Slack => NotifyTo::Slack(address()?),
        Kind::Json => NotifyTo::Json(address()?),
        Kind::Command => NotifyTo::Command(command(table, folder)?),
    };
    let on = occasions(table);
    let at_most = whole(table, "at_most", 1, 1_000);
    let at_most = at_most.and_then(|count| u32::try_from(count).ok());
    (table.file().count() == before).then(|| NotifyTarget {
        name: key.value.to_owned(),
        to,
        on,
        at_most: at_most.unwrap_or(AT_MOST),
    })
}

/// Reads a program and its arguments. A path to the program starts at `folder`, as every path of the file does; a bare name is looked for as
/// a shell would.
fn command(table: &Table<'_>, folder: &Path) -> Option<Vec<String>> {
    let mut words: Vec<String> = table
        .texts("command")
        .into_iter()
        .map(|word| word.value.to_owned())
        .collect();
    if let Some(program) = words.first_mut().filter(|program| !program.is_empty()) {
        if program.contains('/')
            && let Ok(folder) = std::path::absolute(folder)
        {
            *program = folder.join(&*program).display().to_string();
        }
        return Some(words);
    }
    let message =
        "expected a program and its arguments, such as [\"/usr/local/bin/page-me\", \"--loud\"]";
    table.report_absent("command", message.to_owned(), None);
    None
}

fn occasions(table: &Table<'_>) -> BTreeSet<Occasion> {
    if !table.has("on") {
        return Occasion::ALL.into_iter().collect();
    }
    let mut on = BTreeSet::new();
    for text in table.texts("on") {
        let found = Occasion::ALL
            .into_iter()
            .find(|occasion| occasion.word() == text.value);
        match found {
            Some(occasion) => {
                on.insert(occasion);
            }
            None => {
                let words: Vec<&str> = Occasion::ALL.iter().map(|each| each.word()).collect();
                let message = format!(
                    "unknown word `{}`, expected {}",
                    text.value.escape_debug(),
                    super::reader::one_of(&words)
                );
                table.report_at(text.at, "on", message, None);
            }
        }
    }
    if on.is_empty() {
        let at = table.value("on").map_or(0, |value| value.at);
        let message = "names nothing that the target is to be told of".to_owned();
        table.report_at(at, "on", message, None);
    }
    on
}

/// Reads a whole number between two others, `None` when it is absent or not as it must be.
fn whole(table: &Table<'_>, key: &str, least: u64, most: u64) -> Option<u64> {
    let value = table.value(key)?;
    let DeValue::Integer(number) = value.value else {
        return table.wrong_type(key, value.at, "a whole number", value.value);
    };
    let number: Option<u64> = number.as_str().parse().ok();
    let number = number.filter(|number| (least..=most).contains(number));
    if number.is_none() {
        let message = format!("expected a whole number from {least} to {most}");
        table.report_at(value.at, key, message, None);
    }
    number
}
