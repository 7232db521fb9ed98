//! Taking schedules up: at the start, and when the configuration was loaded again.

use std::sync::Arc;

use tracing::warn;

use crate::model::JobName;
use crate::plan::agenda::{Memory, Terms};
use crate::run::Lease;
use crate::store::StoreError;
use crate::store::agenda::memory;

use super::super::super::error::CliError;
use super::{Service, Slot, keep};

impl Service {
    /// Makes the slots those of the configuration.
    ///
    /// Errors: the first thing that the state could not tell or note; every job is taken up all the same.
    pub(super) async fn take_up(&mut self) -> Result<(), StoreError> {
        let now = self.worlds.clock().now();
        let worlds = Arc::clone(&self.worlds);
        let mut failed = None;
        for (name, job) in &worlds.config().jobs {
            // A line that was loaded is one.
            let terms = Terms::of(job).ok().filter(Terms::has_moments);
            let slot = self.slots.entry(name.clone()).or_insert(Slot {
                terms: None,
                memory: None,
                budget: None,
                running: None,
            });
            slot.budget = job.time_budget;
            slot.terms.clone_from(&terms);
            let Some(terms) = terms else { continue };
            let before = match slot.memory.take() {
                Some(memory) => Some(memory),
                None => match worlds.store().reader().and_then(|db| memory(&db, name)) {
                    Ok(found) => found,
                    Err(error) => {
                        failed.get_or_insert(error);
                        None
                    }
                },
            };
            let known = match before.clone() {
                Some(before) => before.under(&terms, now),
                None => Memory::new(&terms, now),
            };
            let is_kept = before.as_ref() == Some(&known);
            // In the slot first: a state that cannot be written now must not take the job's schedule away.
            slot.memory = Some(known.clone());
            if !is_kept && let Err(error) = keep(&worlds, name, &known).await {
                failed.get_or_insert(error);
            }
        }
        for (name, slot) in &mut self.slots {
            if !worlds.config().jobs.contains_key(name) {
                slot.terms = None;
            }
        }
        self.slots
            .retain(|name, slot| slot.running.is_some() || worlds.config().jobs.contains_key(name));
        failed.map_or(Ok(()), Err)
    }

    /// Finds out whether the run that a job's memory knows of was killed: then nobody holds its lock.
    pub(super) async fn find_killed(&mut self, name: &JobName) -> Result<(), CliError> {
        let now = self.worlds.clock().now();
        let folder = self.worlds.config().state.clone();
        let Some(slot) = self.slots.get_mut(name) else {
            return Ok(());
        };
        let Some(begun) = slot.memory.clone().filter(|memory| memory.begun.is_some()) else {
            return Ok(());
        };
        if Lease::of_job(&folder, name, "a look at killed runs", None)
            .await
            .is_err()
        {
            return Ok(());
        }
        let memory = begun.killed(now);
        match memory.pause(now) {
            None => {
                warn!(job.name = %name, "the last run of {name} was killed; it is caught up now")
            }
            Some(until) => warn!(
                job.name = %name,
                "the last {} runs of {name} were killed; it is tried again at {}",
                memory.failures, until.format("%H:%M UTC")
            ),
        }
        keep(&self.worlds, name, &memory).await?;
        slot.memory = Some(memory);
        Ok(())
    }
}
