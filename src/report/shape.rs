//! What a report holds: one shape for "would" and "did".

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{
    AccountName, Change, ContactId, Digest, GuardKind, JobName, LocationId, RecordKey, StepKind,
};

/// The number of the JSON shape; it grows when a reader of the older shape would misread the newer one.
pub const SCHEMA: u32 = 1;

/// Everything a person or a program is told about one run, except the rows, which are streamed beside it.
///
/// Serializes as the JSON report does, without `next` and `rows`; the journal keeps it so, and a past run's report is made of it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// The job that ran.
    pub job: JobName,
    /// The number of the run.
    pub run: i64,
    /// Whether the rows were only planned or carried out.
    pub mode: Mode,
    /// How much was read.
    pub pass: Pass,
    /// Why the pass was full, for example "asked for"; `None` for a normal pass.
    pub why_full: Option<String>,
    /// The digest to approve; `None` when there is no plan to approve.
    pub digest: Option<Digest>,
    /// When the run began.
    pub began_at: DateTime<Utc>,
    /// When the run ended.
    pub ended_at: DateTime<Utc>,
    /// What was read from the source.
    pub source: SourceSummary,
    /// What was read from the destination.
    pub hub: HubSummary,
    /// How many steps of each kind there are, and what became of them; kinds without steps may be missing.
    pub counts: BTreeMap<StepKind, Counts>,
    /// The guards that found something, held or not.
    pub guards: Vec<GuardFinding>,
    /// What carrying it out costs, announced before it happens.
    pub cost: Cost,
    /// The calls that were really made while carrying it out; `None` for a dry run.
    pub made: Option<Calls>,
    /// Calls beyond the announced ones, by kind: `retry`, `halving`, `recovery`, `confirmation`.
    pub extra: BTreeMap<String, u64>,
    /// What is told once because it is new, in the order found.
    pub news: Vec<News>,
    /// What still stands from earlier runs, as counts by name, for example `conflicts`.
    pub standing: BTreeMap<String, u64>,
    /// What is worth knowing and needs nobody, as sentences.
    pub remarks: Vec<String>,
    /// How the run ended.
    pub outcome: Outcome,
}

/// Calls by vendor, then by route, for example `highlevel`, `POST /contacts/`.
pub type Calls = BTreeMap<String, BTreeMap<String, u64>>;

/// Whether the rows were only planned or carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A dry run: the rows say what would happen.
    Would,
    /// The rows say what happened.
    Did,
}

/// How much was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// Only what is new since the last run.
    Normal,
    /// All of both sides.
    Full,
}

/// What was read from the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceSummary {
    /// The source's word in job files, for example `twitch.followers`.
    pub source: String,
    /// The account it was read with.
    pub account: AccountName,
    /// Distinct rows listed in this pass.
    pub listed: u64,
    /// Rows among them that no ended walk had listed before.
    pub new: u64,
    /// How many rows the vendor says there are; `None` when it did not say.
    pub total: Option<u64>,
    /// Pages read.
    pub pages: u64,
    /// How the walk ended: `complete`, `caught up`, or why it was cut.
    pub ended: String,
    /// The total we expected less the vendor's: positive when so many are missing, negative when it counts more than we know.
    pub debt: i64,
    /// Records in the roster after this pass.
    pub in_roster: u64,
    /// Rows that could not be read and were left out.
    pub odd_rows: u64,
}

/// What was read from the destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HubSummary {
    /// The account it was read with.
    pub account: AccountName,
    /// The location.
    pub location: LocationId,
    /// What read it, for example `search` or `list`.
    pub reader: String,
    /// Pages read.
    pub pages: u64,
    /// Rows on them, all pages together; a contact that was listed twice counts twice.
    pub contacts_seen: u64,
    /// How the walk ended: `complete`, `caught up`, or why it was cut.
    pub ended: String,
    /// Anything else worth a line, for example that the reader was switched.
    pub note: Option<String>,
}

/// How many steps of one kind there are, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All steps of the kind: as many as there are rows, whatever their mark.
    pub planned: u64,
    /// Carried out; 0 in a dry run.
    pub done: u64,
    /// Held back by a guard.
    pub held: u64,
    /// Refused by the vendor and set aside.
    pub refused: u64,
    /// Sent, but the answer was lost.
    pub unknown: u64,
    /// Not sent: no longer true, or the run ended before.
    pub dropped: u64,
}

/// What one guard found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardFinding {
    /// The guard.
    pub guard: GuardKind,
    /// What it counted; 0 for [`GuardKind::First`].
    pub count: u64,
    /// The most it lets pass; 0 for [`GuardKind::First`].
    pub limit: u64,
    /// The time the limit is for.
    pub per: Per,
    /// Whether it holds its part of the plan back.
    pub held: bool,
    /// The one command that lets it go; shown only when it holds.
    pub command: String,
}

/// The time a guard's limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Per {
    /// One run.
    #[serde(rename = "run")]
    Run,
    /// All runs that began within 24 hours.
    #[serde(rename = "24 h")]
    Day,
    /// The guard does not count.
    #[serde(rename = "-")]
    Never,
}

/// What carrying out the plan costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The announced calls.
    pub calls: Calls,
    /// The hub's calls that one day allows.
    pub day_limit: u64,
    /// How many of them were used before this plan.
    pub day_used: u64,
    /// The announced calls to the hub as a fraction of `day_limit`: 0.01 is one percent.
    pub share_of_day: f64,
    /// How long the announced calls take at the permitted rate, in minutes.
    pub minutes: f64,
}

/// Something told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// What sort of news.
    pub kind: NewsKind,
    /// The record, field or row it is about; `None` when it is about none in particular.
    pub key: Option<String>,
    /// What happened, as a fragment that follows the key.
    pub what: String,
    /// The command that settles it; `None` when nothing needs to be typed.
    pub command: Option<String>,
}

/// What sort of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewsKind {
    /// A field holds something that neither we nor the mapping put there.
    Conflict,
    /// The vendor refused a row; it is set aside.
    Refused,
    /// Only a person can decide.
    Asks,
    /// Several contacts fit one record, or several records one contact.
    Ambiguous,
    /// A row of the source that cannot be read.
    BadRow,
    /// A step of an earlier run whose answer was lost and which is not settled yet.
    Unsettled,
    /// A custom field that the job names and the location lacks.
    MissingField,
}

impl NewsKind {
    /// Returns the kind as words for people.
    pub fn word(self) -> &'static str {
        match self {
            NewsKind::Conflict => "conflict",
            NewsKind::Refused => "refused",
            NewsKind::Asks => "asks you",
            NewsKind::Ambiguous => "ambiguous",
            NewsKind::BadRow => "bad row",
            NewsKind::Unsettled => "unsettled",
            NewsKind::MissingField => "missing field",
        }
    }
}

/// How a run ended, apart from what the counts, guards and news say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "why", rename_all = "kebab-case")]
pub enum Outcome {
    /// It went through to its end.
    Finished,
    /// A person stopped it, or the service that ran it ended; the next run goes on.
    Stopped,
    /// It reached its time budget or its quiet hours, as the job says; the next run goes on.
    OutOfTime,
    /// The day's budget of calls is spent; the next run goes on.
    Spent,
    /// A vendor could not be reached; says which and why.
    OutOfTouch(String),
}

/// One step, as a report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportRow {
    /// The step's place in the plan.
    pub seq: u64,
    /// The record it is for.
    pub key: RecordKey,
    /// The record's name for people; may be empty.
    pub name: String,
    /// The contact it touches; `None` before a create was answered.
    pub contact: Option<ContactId>,
    /// What changes.
    pub change: Change,
    /// What became of it.
    pub mark: RowMark,
    /// Why it is wanted, for example `joined`, `changed`, `left`, `returned`, `matched by field:twitch_user_id`.
    pub reason: String,
}

/// What became of a step; the same words in all formats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum RowMark {
    /// It would be carried out.
    Would,
    /// It was carried out.
    Done,
    /// A guard holds it back.
    Held {
        /// The guard that holds it.
        by: GuardKind,
    },
    /// The vendor refused it.
    Refused {
        /// What the vendor said.
        why: String,
    },
    /// It was sent, and the answer was lost.
    Unknown,
    /// It was not sent.
    Dropped {
        /// Why not.
        why: String,
    },
}

impl fmt::Display for RowMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowMark::Would => f.write_str("would"),
            RowMark::Done => f.write_str("done"),
            RowMark::Held { by } => write!(f, "held by {by}"),
            RowMark::Refused { why } => write!(f, "refused: {why}"),
            RowMark::Unknown => f.write_str("unknown"),
            RowMark::Dropped { why } => write!(f, "dropped: {why}"),
        }
    }
}

impl From<RowMark> for String {
    fn from(mark: RowMark) -> String {
        mark.to_string()
    }
}

impl Counts {
    /// Counts one more step with this mark.
    pub fn add(&mut self, mark: &RowMark) {
        self.planned += 1;
        match mark {
            RowMark::Would => {}
            RowMark::Done => self.done += 1,
            RowMark::Held { .. } => self.held += 1,
            RowMark::Refused { .. } => self.refused += 1,
            RowMark::Unknown => self.unknown += 1,
            RowMark::Dropped { .. } => self.dropped += 1,
        }
    }
}

impl Report {
    /// Returns the counts of all kinds together; `planned` is the number of rows.
    pub fn all(&self) -> Counts {
        self.counts.values().fold(Counts::default(), |sum, counts| {
            let Counts {
                planned,
                done,
                held,
                refused,
                unknown,
                dropped,
            } = *counts;
            Counts {
                planned: sum.planned + planned,
                done: sum.done + done,
                held: sum.held + held,
                refused: sum.refused + refused,
                unknown: sum.unknown + unknown,
                dropped: sum.dropped + dropped,
            }
        })
    }

    /// Returns whether a guard holds a part of the plan back.
    pub fn is_held(&self) -> bool {
        self.guards.iter().any(|finding| finding.held)
    }

    /// Returns whether the job waits because it is new or was edited.
    pub fn is_held_as_new(&self) -> bool {
        self.guards
            .iter()
            .any(|finding| finding.held && finding.guard == GuardKind::First)
    }

    /// Returns whether there is news of this kind.
    pub fn has_news(&self, kind: NewsKind) -> bool {
        self.news.iter().any(|news| news.kind == kind)
    }
}
