//! Telling that the state cannot be written: there is no place to queue a message in, and none to remember what was told but this process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::config::Occasion;
use crate::model::{Job, is_ahead};
use crate::store::StoreError;

use super::super::worlds::Worlds;
use super::change::Say;
use super::deliver::{self, send};
use super::message::{self, News};
use super::{came_and_went, seen};

/// A state that can be written now and then is told of once in this time.
const EVERY_MS: i64 = 60 * 60 * 1_000;

/// What was told of the states that this process could not write, by their files.
static TOLD: Mutex<BTreeMap<PathBuf, Told>> = Mutex::new(BTreeMap::new());

/// What was told of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    /// Whether it was logged, and told to the targets, that it cannot be written, and it could not be since.
    is_logged: bool,
    is_told: bool,
    /// When the targets were last told, in ms.
    last_ms: Option<i64>,
}

impl Told {
    /// Returns whether the targets are to be told now.
    fn is_due(self, now_ms: i64) -> bool {
        let is_recent = |last_ms: i64| !is_ahead(last_ms, now_ms) && now_ms - last_ms < EVERY_MS;
        !self.is_told && !self.last_ms.is_some_and(is_recent)
    }
}

fn of<T>(state: &Path, change: impl FnOnce(&mut Told) -> T) -> T {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    change(told.entry(state.to_owned()).or_default())
}

/// Notes that the state can be written: when it cannot be any more, that is told again.
pub(super) fn noted(worlds: &Worlds) {
    of(worlds.store().path(), |told| {
        told.is_logged = false;
        told.is_told = false;
    });
}

/// Returns what is wrong with a state that somebody keeps.
pub(super) fn takes_too_long(state: &Path) -> StoreError {
    StoreError::Io {
        path: state.to_owned(),
        source: std::io::Error::other("somebody else keeps it locked, or the disk does not answer"),
    }
}

/// Says that the state cannot be written: in the log, and to the targets if they `may` be told; once, until it can be written again.
///
/// Takes some ten seconds at most.
pub(super) async fn cannot_note(worlds: &Worlds, job: Option<&Job>, error: &StoreError, may: bool) {
    let state = worlds.store().path();
    let was_logged = of(state, |told| std::mem::replace(&mut told.is_logged, true));
    let what =
        format!("what was seen could not be noted, so that nobody is told of it later: {error}");
    if was_logged {
        debug!("{what}");
    } else {
        warn!("{what}");
    }
    let now = worlds.clock().now();
    let now_ms = now.timestamp_millis();
    // Taken at once, so that of two runs that end together one tells.
    let is_due = of(state, |told| {
        let is_due = may && told.is_due(now_ms);
        told.is_told |= is_due;
        is_due
    });
    if !is_due {
        return;
    }
    let is_told = told(worlds, job, error).await;
    of(state, |told| {
        if is_told {
            told.last_ms = Some(now_ms);
        } else {
            told.is_told = false;
        }
    });
}

/// Tells all targets at the same time; returns whether one of them, if there is any, knows now.
async fn told(worlds: &Worlds, job: Option<&Job>, error: &StoreError) -> bool {
    let now = worlds.clock().now();
    let seen = seen::of_state(error);
    let message = message::of_change(&News {
        say: Say::New,
        condition: &came_and_went(&seen, now.timestamp_millis()),
        job: job.map(|job| job.name.as_str()),
        command: worlds.typed().command("check"),
        now,
    });
    let Some(message) = message else { return true };
    let mut sending = JoinSet::new();
    for target in worlds.config().notify.values() {
        if !target.on.contains(&Occasion::Failure) {
            continue;
        }
        let (target, message) = (target.clone(), message.clone());
        let proxy = worlds.config().proxy.clone();
        sending.spawn(async move {
            let sent = timeout(deliver::WITHIN, send(&target, &message, proxy.as_deref())).await;
            match sent {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => warn!("{} could not be told: {error}", target.name),
                Err(_) => warn!("{} could not be told: it did not answer", target.name),
            }
            false
        });
    }
    let mut is_told = sending.is_empty();
    while let Some(sent) = sending.join_next().await {
        is_told |= sent.unwrap_or(false);
    }
    is_told
}

#[cfg(test)]
mod tests;
