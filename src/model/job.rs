//! One job file, parsed and valid.

use std::fmt;
use std::time::Duration;

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

use super::ids::{AccountName, BusinessId, FieldKey, JobName, LocationId, Tag};
use super::limits::{Limits, Share};
use super::source::{BitsPeriod, SourceKind};

/// What a job file says, after every check that needs no vendor.
///
/// Serializes in a fixed order, because the fingerprints of `plan` are taken over parts of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    /// The job's identity: state in the database belongs to this name.
    pub name: JobName,
    /// The job file's own name when it lists several channels and this is the part of one of them; `None` for a file that is one job.
    pub part_of: Option<JobName>,
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
    /// The channels whose streams are watched beside or instead of `channel`; empty watches `channel` alone, and for all other sources.
    pub channels: Vec<Channel>,
    /// What templates call the channel: its login as configured, else the name of the account.
    pub label: String,
    /// The period of a bits leaderboard; `None` for all other sources.
    pub period: Option<BitsPeriod>,
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
    /// The contacts that the job may touch; `None` is all of the location.
    pub scope: Option<Scope>,
    /// The business that contacts of records are attached to while they belong to none.
    pub business: Option<BusinessId>,
    /// What happens by moment of life.
    pub on: Lifecycle,
    /// Whether what the first listing finds fires the notes and tasks of `on.join` too.
    pub backfill: bool,
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

/// The contacts that a job may touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Those with this tag.
    Tag(Tag),
    /// Those that belong to this business.
    Business(BusinessId),
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

/// What happens by moment of life; templates, rendered per record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lifecycle {
    /// Tags wanted while the record is in; notes and tasks when it joins.
    pub join: Actions,
    /// Tags wanted while the record is out; notes and tasks when it leaves.
    pub leave: Actions,
    /// Tags added once more when it comes back; notes and tasks when it does.
    pub returns: Actions,
    /// Tags wanted when the source's account is suspended or deleted; notes and tasks when it is.
    pub gone: Actions,
    /// Notes and tasks when an attribute becomes another while the record is in.
    pub changes: Vec<ChangeRule>,
    /// Notes and tasks when a number reaches a threshold while the record is in.
    pub milestones: Vec<Milestone>,
}

/// What one moment does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Actions {
    /// Templates of tags to add.
    pub add_tags: Vec<String>,
    /// Templates of tags to remove.
    pub remove_tags: Vec<String>,
    /// Notes and tasks.
    pub events: Vec<EventRule>,
}

/// What happens when one attribute of a record changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeRule {
    /// The attribute.
    pub of: String,
    /// Notes and tasks; their templates know `before`, the value until then.
    pub events: Vec<EventRule>,
}

/// What happens when a number of a record reaches one of several thresholds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Milestone {
    /// The attribute, one of [`SourceKind::numbers`].
    pub of: String,
    /// The thresholds, rising, none twice.
    pub at: Vec<u64>,
    /// Notes and tasks; their templates know `milestone`, the highest threshold that was newly reached, and `before`.
    pub events: Vec<EventRule>,
}

/// One note or task of a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventRule {
    /// A template; when it comes out empty, `false`, `no` or `0`, nothing happens. `None` is always.
    pub when: Option<String>,
    /// Whose contact it is for.
    pub to: EventTarget,
    /// What happens.
    pub what: EventWhat,
}

/// Whose contact a note or task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventTarget {
    /// The record's own.
    Contact,
    /// That of the job's channel, as a job over streams linked it.
    Channel,
}

impl EventTarget {
    /// Returns the word in job files.
    pub fn word(self) -> &'static str {
        match self {
            EventTarget::Contact => "contact",
            EventTarget::Channel => "channel",
        }
    }
}

/// What a note or task says; templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventWhat {
    /// A note.
    Note {
        /// Its text.
        body: String,
    },
    /// A task.
    Task {
        /// Its title.
        title: String,
        /// Its text, if any.
        body: Option<String>,
        /// When it is due: a duration from when it is made (`2d`), a date (`2026-12-24`) or a moment (RFC 3339).
        due: String,
        /// The HighLevel user it is assigned to, by id.
        assigned: Option<String>,
    },
    /// The tasks that this job made for the record, and that are not done, are marked as done.
    CompleteTask,
}
