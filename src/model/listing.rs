//! How the reading of a listing ended.

use std::fmt;

/// How a walk through all pages of a listing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every row was listed; only now does absence mean anything.
    Complete,
    /// The walk stopped early or does not add up: it may add, never remove.
    Cut(Cut),
}

/// Why a walk is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The vendor could not be reached or answered no page that can be read.
    OutOfTouch(String),
    /// The same cursor came twice.
    RepeatedCursor,
    /// More pages came than the promised total explains.
    TooManyPages {
        /// How many pages were read.
        pages: u64,
    },
    /// The number of rows does not fit the vendor's total.
    Gap {
        /// How many distinct rows were listed.
        listed: u64,
        /// What the first page promised.
        total: u64,
    },
    /// The listing looks whole, but may have been cut off by the vendor: its last page is full, or it is empty although some are still there.
    Suspicious {
        /// How many distinct rows were listed.
        listed: u64,
    },
    /// The walk went on from a stored cursor, so rows may have moved in between.
    Resumed,
    /// The day's budget is spent.
    Spent,
    /// A person pressed Ctrl-C.
    Stopped,
}

impl Cut {
    /// Returns the word under which the database keeps the reason.
    pub fn word(&self) -> &'static str {
        match self {
            Cut::OutOfTouch(_) => "out-of-touch",
            Cut::RepeatedCursor => "repeated-cursor",
            Cut::TooManyPages { .. } => "too-many-pages",
            Cut::Gap { .. } => "gap",
            Cut::Suspicious { .. } => "suspicious",
            Cut::Resumed => "resumed",
            Cut::Spent => "spent",
            Cut::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::OutOfTouch(said) => write!(f, "out of touch: {said}"),
            Cut::RepeatedCursor => f.write_str("the vendor gave the same cursor twice"),
            Cut::TooManyPages { pages } => write!(f, "still no end after {pages} pages"),
            Cut::Gap { listed, total } => {
                write!(f, "{listed} rows listed where the vendor counts {total}")
            }
            Cut::Suspicious { listed: 0 } => {
                f.write_str("none are listed although some are still there")
            }
            Cut::Suspicious { listed } => {
                write!(f, "{listed} rows listed, which may not be all of them")
            }
            Cut::Resumed => f.write_str("resumed from a stored cursor"),
            Cut::Spent => f.write_str("the day's budget of calls is spent"),
            Cut::Stopped => f.write_str("stopped before the end"),
        }
    }
}
