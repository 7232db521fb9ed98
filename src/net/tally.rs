//! How many calls were made, by vendor, route and purpose.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A service we speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vendor {
    /// HighLevel, the hub.
    HighLevel,
    /// Twitch's Helix and its login host.
    Twitch,
}

impl Vendor {
    /// Returns the word for the vendor in the database, in reports and in logs.
    pub fn word(self) -> &'static str {
        match self {
            Vendor::HighLevel => "highlevel",
            Vendor::Twitch => "twitch",
        }
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a call is made: announced by the plan, or one of the named extra kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The plan or the reading counted on it.
    Announced,
    /// Looks into a step whose answer was lost.
    Recovery,
    /// Confirms something before it is acted on.
    Confirmation,
    /// A part of a batch that was refused as a whole.
    Halving,
}

/// What a call is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// First try of [`Purpose::Announced`].
    Announced,
    /// First try of [`Purpose::Recovery`].
    Recovery,
    /// First try of [`Purpose::Confirmation`].
    Confirmation,
    /// First try of [`Purpose::Halving`].
    Halving,
    /// Every further try, whatever the purpose.
    Retry,
}

impl Counted {
    /// Returns the word for reports.
    pub fn word(self) -> &'static str {
        match self {
            Counted::Announced => "announced",
            Counted::Recovery => "recovery",
            Counted::Confirmation => "confirmation",
            Counted::Halving => "halving",
            Counted::Retry => "retry",
        }
    }
}

impl From<Purpose> for Counted {
    fn from(purpose: Purpose) -> Counted {
        match purpose {
            Purpose::Announced => Counted::Announced,
            Purpose::Recovery => Counted::Recovery,
            Purpose::Confirmation => Counted::Confirmation,
            Purpose::Halving => Counted::Halving,
        }
    }
}

type Counts = BTreeMap<(Vendor, &'static str, Counted), u64>;

/// Counts calls; clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Counts>>);

impl Tally {
    /// Counts one call.
    pub(crate) fn count(&self, vendor: Vendor, route: &'static str, counted: Counted) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((vendor, route, counted)).or_default() += 1;
    }

    /// Returns the counts so far, by vendor, route and what they count as.
    pub fn snapshot(&self) -> Counts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the number of all calls so far.
    pub fn total(&self) -> u64 {
        self.snapshot().values().sum()
    }
}
