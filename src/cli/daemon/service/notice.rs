//! What happened outside that bears on the schedules: a clock that went back, a run by hand, a login.

use chrono::{DateTime, Utc};
use tracing::{info, warn};

use crate::plan::agenda::Memory;
use crate::store::runs::last_success;
use crate::store::tokens;

use super::{Service, Slot};

impl Service {
    /// A clock that was far ahead and is right again must not silence the schedules until then.
    pub(super) fn notice_clock(&mut self, now: DateTime<Utc>) {
        self.upkeep.0 = self.upkeep.0.min(now);
        for (name, slot) in &mut self.slots {
            let (Some(terms), Some(known), None) = (&slot.terms, &slot.memory, &slot.running)
            else {
                continue;
            };
            let believed = known.clone().under(terms, now);
            if *known != believed {
                warn!(
                    job.name = %name,
                    "the clock of this machine went back; the schedule of {name} goes on from {}",
                    now.format("%Y-%m-%d %H:%M UTC")
                );
                // It is written with the next run, and a start before that finds the same.
                slot.memory = Some(believed);
            }
        }
    }

    /// A job that fails here and that a person made work by hand, or logged in for, needs no pause any more.
    pub(super) fn notice_successes(&mut self, now: DateTime<Utc>) {
        self.notice_logins(now);
        for (name, slot) in &mut self.slots {
            let Some(memory) = &slot.memory else { continue };
            let Some(failed_at) = memory.failed_at.filter(|_| memory.failures > 0) else {
                continue;
            };
            if slot.running.is_some() {
                continue;
            }
            let found = self
                .worlds
                .store()
                .reader()
                .and_then(|db| last_success(&db, name));
            let success = found
                .ok()
                .flatten()
                .and_then(DateTime::from_timestamp_millis);
            if let Some(began) = success.filter(|began| *began > failed_at && *began <= now) {
                info!(job.name = %name, "{name} works again: a run by hand went through");
                let memory = slot.memory.take();
                slot.memory = memory.map(|memory| Memory {
                    failures: 0,
                    failed_at: None,
                    why: None,
                    not_before: None,
                    served: Some(memory.served.map_or(began, |served| served.max(began))),
                    ..memory
                });
            }
        }
    }

    pub(super) fn notice_logins(&mut self, now: DateTime<Utc>) {
        let is_paused = |slot: &Slot| {
            let memory = slot.memory.as_ref();
            memory.is_some_and(|memory| memory.failures > 0 && memory.pause(now).is_some())
        };
        if !self.slots.values().any(is_paused) {
            return;
        }
        let logins = self.worlds.store().reader().and_then(|db| tokens::all(&db));
        for login in logins.unwrap_or_default() {
            for (name, slot) in &mut self.slots {
                let job = self.worlds.config().jobs.get(name);
                let is_its = job.is_some_and(|job| [&job.from, &job.to].contains(&&login.account));
                let failed_at = slot.memory.as_ref().and_then(|memory| memory.failed_at);
                let is_new = failed_at.is_some_and(|failed_at| login.made > failed_at);
                if is_its && is_new && is_paused(slot) {
                    info!(job.name = %name, "{name} is tried at once: somebody logged in for account {}", login.account);
                    slot.memory = slot.memory.take().map(Memory::anew);
                }
            }
        }
    }
}
