//! One job file, parsed and valid.

use std::fmt;
use std::time::Duration;

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

use super::ids::{AccountName, FieldKey, JobName, LocationId, Namespace};

/// What a job file says, after every check that needs no vendor.
///
/// Serializes in a fixed order, because the fingerprints of `plan` are taken over parts of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    /// The job's identity: state in the database belongs to this name.
    pub name: JobName,
    /// Five-field cron line in `timezone`; `None` leaves it to the moments of `full`, to a timer, or to a person.
    pub schedule: Option<String>,
    /// The zone of `schedule`, `full` and the `date` filter.
    pub timezone: chrono_tz::Tz,
    /// A scheduled run begins up to so much later than its moment, each time another while; default none.
    pub jitter: Duration,
    /// A scheduled run ends after this time and goes on at the next one; `None` lets it run to its end.
    pub time_budget: Option<Duration>,
    /// Hours of the day, in `timezone`, in which no scheduled run begins or goes on.
    pub quiet: Vec<Quiet>,
    /// Five-field cron line for full passes; `None` leaves them to `--full` and to what the source demands.
    pub full: Option<String>,
    /// The least time between two full passes that a debt makes due; default 24 h.
    pub full_at_most_every: Duration,
    /// Where records come from.
    pub source: SourceKind,
    /// The account the source is read with.
    pub from: AccountName,
    /// The channel that the source lists, as the `from` account says.
    pub channel: Channel,
    /// Where they go.
    pub destination: Destination,
    /// The account of the destination.
    pub to: AccountName,
    /// The location of the `to` account.
    pub location: LocationId,
    /// How a record finds its contact, in order; never empty.
    pub match_by: Vec<By>,
    /// What happens to a record without a contact.
    pub missing: Missing,
    /// Whether a contact that a person deleted may be created again.
    pub recreate_deleted: bool,
    /// The mapping, in the order of the file.
    pub fields: Vec<FieldRule>,
    /// Tags by moment of life.
    pub on: Lifecycle,
    /// Where guards stop the job.
    pub limits: Limits,
    /// How far a full walk of the source may be off the gap of the walk before and still count as complete; default the larger of 0.5 % and 5.
    pub drift: Share,
    /// Whether an update looks at the contact once more before it writes.
    pub recheck: bool,
    /// Whether `apply` may create custom fields that the location lacks.
    pub create_fields: bool,
    /// Whether one guard holds the whole plan instead of the part it concerns.
    pub strict: bool,
    /// Which endpoint a full pass reads contacts with.
    pub contacts_reader: ContactsReader,
}

/// A part of every day, by the clock on the wall; it may reach over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quiet {
    /// Its first minute.
    pub from: NaiveTime,
    /// The first minute after it; never the same as `from`.
    pub until: NaiveTime,
}

impl Quiet {
    /// Returns whether the clock on the wall shows a time in it.
    pub fn holds(self, time: NaiveTime) -> bool {
        if self.from < self.until {
            self.from <= time && time < self.until
        } else {
            self.from <= time || time < self.until
        }
    }
}

/// A source of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SourceKind {
    /// The followers of a Twitch channel.
    #[serde(rename = "twitch.followers")]
    TwitchFollowers,
}

impl SourceKind {
    /// Returns the word in job files.
    pub fn word(self) -> &'static str {
        match self {
            SourceKind::TwitchFollowers => "twitch.followers",
        }
    }

    /// Returns the namespace its record keys live in.
    pub fn namespace(self) -> Namespace {
        match self {
            SourceKind::TwitchFollowers => Namespace::TwitchUser,
        }
    }

    /// Returns the attributes that its records carry, the key first.
    pub fn attributes(self) -> &'static [&'static str] {
        match self {
            SourceKind::TwitchFollowers => &["user_id", "user_login", "user_name", "followed_at"],
        }
    }

    /// Returns the attribute that is the record's key.
    pub fn key_attribute(self) -> &'static str {
        match self {
            SourceKind::TwitchFollowers => "user_id",
        }
    }
}

/// The period of a bits leaderboard; Twitch cuts them by its own clock, in Pacific Standard Time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BitsPeriod {
    /// Since the channel began.
    All,
    /// The present day.
    Day,
    /// The present week.
    Week,
    /// The present month.
    Month,
    /// The present year.
    Year,
}

impl BitsPeriod {
    /// All periods.
    pub const ALL: [BitsPeriod; 5] = [
        BitsPeriod::All,
        BitsPeriod::Day,
        BitsPeriod::Week,
        BitsPeriod::Month,
        BitsPeriod::Year,
    ];

    /// Returns the word in job files and in the call.
    pub fn word(self) -> &'static str {
        match self {
            BitsPeriod::All => "all",
            BitsPeriod::Day => "day",
            BitsPeriod::Week => "week",
            BitsPeriod::Month => "month",
            BitsPeriod::Year => "year",
        }
    }
}

/// The Twitch channel that an account stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// The channel of the person whose token it is.
    Own,
    /// The channel with this login, in lower case.
    Login(String),
    /// The channel with this user id, digits only.
    Id(String),
}

/// What a job writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Destination {
    /// The contacts of a HighLevel location.
    #[serde(rename = "highlevel.contacts")]
    HighLevelContacts,
}

/// The endpoint of a full contacts pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContactsReader {
    /// `GET /contacts/`, 100 a page.
    List,
    /// `POST /contacts/search`, 500 a page.
    Search,
}

/// One rule of `[match]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The link we remember.
    Link,
    /// The contact whose field holds what the mapping makes of the record for that field.
    Field(FieldKey),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Link => f.write_str("link"),
            By::Field(key) => write!(f, "field:{key}"),
        }
    }
}

/// What happens to a record for which no contact is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// A contact is created.
    Create,
    /// Nothing: only contacts that exist are enriched.
    Skip,
}

/// One line of `[fields]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldRule {
    /// The field to write.
    pub key: FieldKey,
    /// The template that makes its value.
    pub template: String,
    /// Who owns the value.
    pub own: Own,
}

/// Who owns a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Own {
    /// Ours, three-way: kept equal, but a person's edit stands.
    Owned,
    /// Written only when empty.
    Fill,
    /// Written only at creation.
    Create,
    /// Ours without question: written whenever it differs.
    Force,
}

/// Tags by moment of life; templates, rendered per record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lifecycle {
    /// Wanted while the record is in.
    pub join: Actions,
    /// Wanted while the record is out.
    pub leave: Actions,
    /// Added once more when it comes back.
    pub returns: Actions,
    /// Wanted when the source's account is suspended or deleted.
    pub gone: Actions,
}

/// What one moment does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Actions {
    /// Templates of tags to add.
    pub add_tags: Vec<String>,
    /// Templates of tags to remove.
    pub remove_tags: Vec<String>,
}

/// A rule that can hold a part of a plan back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardKind {
    /// The job never ran, or was edited since it did.
    First,
    /// Contacts to be created.
    Create,
    /// Contacts whose fields change.
    Update,
    /// Contacts whose tags change.
    Tag,
    /// Records that left.
    Leave,
    /// Records that came back.
    Return,
}

impl GuardKind {
    /// All guards, the first one first.
    pub const ALL: [GuardKind; 6] = [
        GuardKind::First,
        GuardKind::Create,
        GuardKind::Update,
        GuardKind::Tag,
        GuardKind::Leave,
        GuardKind::Return,
    ];

    /// Returns the word for `--allow`, job files and reports.
    pub fn word(self) -> &'static str {
        match self {
            GuardKind::First => "first",
            GuardKind::Create => "create",
            GuardKind::Update => "update",
            GuardKind::Tag => "tag",
            GuardKind::Leave => "leave",
            GuardKind::Return => "return",
        }
    }

    /// Returns the guard that a word names, `None` for no such word.
    pub fn from_word(word: &str) -> Option<GuardKind> {
        GuardKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for GuardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How much of a kind one run, and all runs of 24 hours, may do before a person is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Contacts created; default 1,000 a run and 2,000 a day.
    pub create: AtMost,
    /// Contacts updated; default the larger of 5 % and 50, twice that a day.
    pub update: AtMost,
    /// Contacts whose tags change; default the larger of 5 % and 50, twice that a day.
    pub tag: AtMost,
    /// Records that leave; default the larger of 5 % and 50, twice that a day.
    pub leave: AtMost,
    /// Records that return; default the larger of 5 % and 50, twice that a day.
    pub returns: AtMost,
}

/// A limit for one run and for 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtMost {
    /// What one run may do.
    pub run: Share,
    /// What all runs that began within 24 hours may do together.
    pub day: Share,
}

/// A number, or a share of the roster with a floor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// This many.
    Count(u64),
    /// The larger of a share of the roster's records and a number.
    Percent {
        /// 0 to 100.
        percent: f64,
        /// The least it ever is.
        atleast: u64,
    },
}

impl Share {
    /// Returns the limit in records, for a roster of `roster` records.
    pub fn of(self, roster: u64) -> u64 {
        match self {
            Share::Count(count) => count,
            Share::Percent { percent, atleast } => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a roster is far below 2^52 records and a percentage is never negative"
                )]
                let share = (roster as f64 * percent / 100.0).floor() as u64;
                share.max(atleast)
            }
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        let share = AtMost {
            run: Share::Percent {
                percent: 5.0,
                atleast: 50,
            },
            day: Share::Percent {
                percent: 10.0,
                atleast: 100,
            },
        };
        Limits {
            create: AtMost {
                run: Share::Count(1_000),
                day: Share::Count(2_000),
            },
            update: share,
            tag: share,
            leave: share,
            returns: share,
        }
    }
}
