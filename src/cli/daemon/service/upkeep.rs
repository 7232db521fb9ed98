//! When the state is looked after.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::error;

use crate::plan::due;
use crate::run::Stop;
use crate::store::agenda::first_seen;
use crate::store::kept::last_upkeep;
use crate::store::{Store, StoreError};

use super::super::run;
use super::Service;

/// How long upkeep waits for a moment in which nobody runs.
const UPKEEP_WAITS: TimeDelta = TimeDelta::hours(6);

impl Service {
    /// Starts upkeep when it is due and nobody runs; after hours of waiting also beside runs, which it does not hinder.
    pub(super) fn look_after_the_state(&mut self, now: DateTime<Utc>) {
        let (last, is_under_way) = (self.upkeep.0, self.upkeep.1.is_some());
        let upkeep = &self.worlds.config().upkeep;
        // A line that was loaded is one.
        let due = due::due(&upkeep.schedule, upkeep.timezone, Some(last), now);
        let Some(moment) = due.ok().flatten().filter(|_| !is_under_way) else {
            return;
        };
        if !self.running().is_empty() && now - moment < UPKEEP_WAITS {
            return;
        }
        let stop = Stop::default();
        self.upkeep = (now, Some(stop.clone()));
        if let Err(error) = run::keep(Arc::clone(&self.worlds), stop, self.tell.clone()) {
            self.upkeep.1 = None;
            error!("the state is not kept in order, the system has no thread for it: {error}");
        }
    }
}

/// Returns up to when upkeep was served. One that was killed in the middle was not; a state that never had any has waited since its schedules
/// are watched, so that a machine that is off at night is looked after in the morning.
///
/// Errors: the state cannot be read.
pub(super) fn upkept(store: &Store, now: DateTime<Utc>) -> Result<DateTime<Utc>, StoreError> {
    let db = store.reader()?;
    let last = last_upkeep(&db)?;
    let began = last.began_ms.and_then(DateTime::from_timestamp_millis);
    let known = match (began, last.ended_ms) {
        (Some(began), Some(_)) => Some(began),
        (Some(began), None) => Some(began - TimeDelta::days(1)),
        (None, _) => first_seen(&db)?,
    };
    Ok(known.filter(|known| *known <= now).unwrap_or(now))
}
