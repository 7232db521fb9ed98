//! The record of every call that arrived.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use serde_json::Value;

/// One call as the vendor saw it.
#[derive(Clone, Debug)]
pub struct SeenCall {
    /// The HTTP method.
    pub method: String,
    /// The path with its query, without the vendor's prefix.
    pub path: String,
    /// The endpoint's name, such as `POST /contacts/` or `GET /channels/followers`.
    pub route: &'static str,
    /// The status answered; 0 when the connection was ended without an answer.
    pub status: u16,
    /// When the call arrived, in real time.
    pub at: Instant,
    /// Whether the vendor did something.
    pub acted: bool,
    /// Whether this kind of call can change the vendor.
    pub write: bool,
    /// The JSON body sent.
    pub body: Option<Value>,
}

/// The latest calls and the counts of all.
pub(crate) struct Calls {
    latest: VecDeque<SeenCall>,
    keep: usize,
    counts: HashMap<&'static str, u64>,
    pub(crate) too_many: u64,
}

impl Calls {
    pub(crate) fn new(keep: usize) -> Calls {
        Calls {
            latest: VecDeque::new(),
            keep,
            counts: HashMap::new(),
            too_many: 0,
        }
    }

    pub(crate) fn add(&mut self, call: SeenCall) {
        *self.counts.entry(call.route).or_default() += 1;
        if self.keep == 0 {
            return;
        }
        if self.latest.len() == self.keep {
            self.latest.pop_front();
        }
        self.latest.push_back(call);
    }

    pub(crate) fn clear(&mut self) {
        self.latest.clear();
        self.counts.clear();
        self.too_many = 0;
    }

    pub(crate) fn latest(&self) -> impl Iterator<Item = &SeenCall> {
        self.latest.iter()
    }

    pub(crate) fn count(&self, route: &str) -> u64 {
        self.counts.get(route).copied().unwrap_or(0)
    }

    pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts: Vec<_> = self
            .counts
            .iter()
            .map(|(route, count)| (*route, *count))
            .collect();
        counts.sort_unstable();
        counts
    }
}
