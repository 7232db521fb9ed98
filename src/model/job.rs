//! One job file, parsed and valid.

use std::fmt;
use std::time::Duration;

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

use super::ids::{AccountName, BusinessId, FieldKey, JobName, LocationId, Namespace, Tag};

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

/// A source of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SourceKind {
    /// The followers of a Twitch channel.
    #[serde(rename = "twitch.followers")]
    TwitchFollowers,
    /// The subscribers of a Twitch channel, without the broadcaster.
    #[serde(rename = "twitch.subscribers")]
    TwitchSubscribers,
    /// The VIPs of a Twitch channel.
    #[serde(rename = "twitch.vips")]
    TwitchVips,
    /// The moderators of a Twitch channel, without the broadcaster.
    #[serde(rename = "twitch.moderators")]
    TwitchModerators,
    /// The first hundred of a Twitch channel's bits leaderboard.
    #[serde(rename = "twitch.bits")]
    TwitchBits,
    /// Twitch channels that are in while they are live.
    #[serde(rename = "twitch.streams")]
    TwitchStreams,
}

/// What proves that a record which is no longer listed has left its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveProof {
    /// Absent from a complete listing, and then from a look-up of its own or from a second listing ten minutes later.
    LookUp,
    /// Absent from two complete listings, and then from a look-up of a hundred at a time.
    TwiceAndBatch,
    /// Nothing: the listing is a ranking, and not to be in it says nothing.
    Nothing,
    /// Absent from two polls two minutes apart.
    TwoPolls,
}

impl SourceKind {
    /// All sources, as documentation lists them.
    pub const ALL: [SourceKind; 6] = [
        SourceKind::TwitchFollowers,
        SourceKind::TwitchSubscribers,
        SourceKind::TwitchVips,
        SourceKind::TwitchModerators,
        SourceKind::TwitchBits,
        SourceKind::TwitchStreams,
    ];

    /// Returns the word in job files.
    pub fn word(self) -> &'static str {
        match self {
            SourceKind::TwitchFollowers => "twitch.followers",
            SourceKind::TwitchSubscribers => "twitch.subscribers",
            SourceKind::TwitchVips => "twitch.vips",
            SourceKind::TwitchModerators => "twitch.moderators",
            SourceKind::TwitchBits => "twitch.bits",
            SourceKind::TwitchStreams => "twitch.streams",
        }
    }

    /// Returns what its records are, for people: the plural.
    pub fn plural(self) -> &'static str {
        match self {
            SourceKind::TwitchFollowers => "followers",
            SourceKind::TwitchSubscribers => "subscribers",
            SourceKind::TwitchVips => "VIPs",
            SourceKind::TwitchModerators => "moderators",
            SourceKind::TwitchBits => "cheerers",
            SourceKind::TwitchStreams => "live channels",
        }
    }

    /// Returns the namespace its record keys live in.
    pub fn namespace(self) -> Namespace {
        match self {
            SourceKind::TwitchFollowers
            | SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators
            | SourceKind::TwitchBits => Namespace::TwitchUser,
            SourceKind::TwitchStreams => Namespace::TwitchChannel,
        }
    }

    /// Returns the attributes that its records carry, the key first; `channel` is the job's own label.
    pub fn attributes(self) -> &'static [&'static str] {
        match self {
            SourceKind::TwitchFollowers => &[
                "user_id",
                "user_login",
                "user_name",
                "followed_at",
                "stream_id",
                "stream_title",
                "stream_game",
                "stream_started_at",
                "channel",
            ],
            SourceKind::TwitchSubscribers => &[
                "user_id",
                "user_login",
                "user_name",
                "tier",
                "plan",
                "is_gift",
                "gifter_id",
                "gifter_login",
                "gifter_name",
                "since",
                "months",
                "channel",
            ],
            SourceKind::TwitchVips | SourceKind::TwitchModerators => {
                &["user_id", "user_login", "user_name", "since", "channel"]
            }
            SourceKind::TwitchBits => &[
                "user_id",
                "user_login",
                "user_name",
                "rank",
                "score",
                "period_started_at",
                "channel",
            ],
            SourceKind::TwitchStreams => &[
                "channel_id",
                "channel_login",
                "channel_name",
                "stream_id",
                "title",
                "game",
                "language",
                "started_at",
                "ended_at",
                "minutes",
                "viewers_peak",
                "viewers_average",
                "new_followers",
                "followers",
                "channel",
            ],
        }
    }

    /// Returns the attribute that is the record's key.
    pub fn key_attribute(self) -> &'static str {
        match self {
            SourceKind::TwitchFollowers
            | SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators
            | SourceKind::TwitchBits => "user_id",
            SourceKind::TwitchStreams => "channel_id",
        }
    }

    /// Returns the attributes that hold whole numbers, which milestones can watch.
    pub fn numbers(self) -> &'static [&'static str] {
        match self {
            SourceKind::TwitchFollowers | SourceKind::TwitchVips | SourceKind::TwitchModerators => {
                &[]
            }
            SourceKind::TwitchSubscribers => &["months"],
            SourceKind::TwitchBits => &["score"],
            SourceKind::TwitchStreams => &["followers", "viewers_peak", "minutes"],
        }
    }

    /// Returns the attribute that tells one join from the next, for notes and tasks that are to come once for each.
    ///
    /// `None`: joins are told apart by the number of the record's transition.
    pub fn occurrence_attribute(self) -> Option<&'static str> {
        match self {
            SourceKind::TwitchFollowers => Some("followed_at"),
            SourceKind::TwitchStreams => Some("stream_id"),
            SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators
            | SourceKind::TwitchBits => None,
        }
    }

    /// Returns whether a record is about a channel, which joins anew with every stream and whose fields are kept while it is out too.
    pub fn is_of_channels(self) -> bool {
        self.namespace() == Namespace::TwitchChannel
    }

    /// Returns what proves a leave.
    pub fn leave_proof(self) -> LeaveProof {
        match self {
            SourceKind::TwitchFollowers => LeaveProof::LookUp,
            SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators => LeaveProof::TwiceAndBatch,
            SourceKind::TwitchBits => LeaveProof::Nothing,
            SourceKind::TwitchStreams => LeaveProof::TwoPolls,
        }
    }

    /// Returns the scopes of Twitch of which the login needs one; none for what is public.
    ///
    /// Source: Twitch's API reference, the authorization of each endpoint.
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            SourceKind::TwitchFollowers => &["moderator:read:followers"],
            SourceKind::TwitchSubscribers => &["channel:read:subscriptions"],
            SourceKind::TwitchVips => &["channel:read:vips", "channel:manage:vips"],
            SourceKind::TwitchModerators => &["moderation:read", "channel:manage:moderators"],
            SourceKind::TwitchBits => &["bits:read"],
            SourceKind::TwitchStreams => &[],
        }
    }

    /// Returns whether only the broadcaster's own login may list it.
    ///
    /// Source: Twitch's API reference; followers can be listed by a moderator, and streams are public.
    pub fn is_broadcasters_own(self) -> bool {
        match self {
            SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators
            | SourceKind::TwitchBits => true,
            SourceKind::TwitchFollowers | SourceKind::TwitchStreams => false,
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
    /// Records that notes are written for.
    Note,
    /// Records that tasks are made or completed for.
    Task,
}

impl GuardKind {
    /// All guards, the first one first.
    pub const ALL: [GuardKind; 8] = [
        GuardKind::First,
        GuardKind::Create,
        GuardKind::Update,
        GuardKind::Tag,
        GuardKind::Leave,
        GuardKind::Return,
        GuardKind::Note,
        GuardKind::Task,
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
            GuardKind::Note => "note",
            GuardKind::Task => "task",
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
    /// Records that notes are written for; default 100 a run and 200 a day.
    pub note: AtMost,
    /// Records that tasks are made or completed for; default 100 a run and 200 a day.
    pub task: AtMost,
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
        let events = AtMost {
            run: Share::Count(100),
            day: Share::Count(200),
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
            note: events,
            task: events,
        }
    }
}
