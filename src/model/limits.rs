//! How much a run may do without asking.

use std::fmt;

use serde::{Deserialize, Serialize};

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
