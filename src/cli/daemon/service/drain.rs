//! The end of the service: what is under way ends first.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::model::JobName;

use super::{Event, Service};

/// How long calls in flight may take to end once the service is told to; the units give it half a minute more.
const DRAIN: Duration = Duration::from_secs(60);

/// How long the state may take to note the end of what was given up.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Service {
    /// Lets the runs under way end, and gives up those that do not.
    pub(super) async fn drain(&mut self, events: &mut mpsc::UnboundedReceiver<Event>) {
        self.is_ending = true;
        let running = self.running();
        if !running.is_empty() {
            let names: Vec<&str> = running.iter().map(JobName::as_str).collect();
            info!(
                "told to end: the calls in flight of {} end first",
                names.join(", ")
            );
        }
        self.manager.stopping(&format!("ending; {}", self.status()));
        for slot in self.slots.values() {
            if let Some(running) = &slot.running {
                running.stop.ask();
            }
        }
        if let Some(upkeep) = &self.upkeep.1 {
            upkeep.ask();
        }
        if timeout(DRAIN, self.hear_the_last(events)).await.is_ok() {
            return;
        }
        match self.running().is_empty() {
            true => warn!("upkeep of the state did not end in time; the next one does it anew"),
            false => warn!("some calls did not end in time; the next start looks into them"),
        }
        self.give_up.send_replace(true);
        let _ = timeout(LAST_WORDS, self.hear_the_last(events)).await;
    }

    pub(super) async fn hear_the_last(&mut self, events: &mut mpsc::UnboundedReceiver<Event>) {
        while !self.running().is_empty() || self.upkeep.1.is_some() {
            match events.recv().await {
                Some(Event::Reload) | Some(Event::Minute) | Some(Event::Stop) => {}
                Some(event) => self.hear(event).await,
                None => return,
            }
        }
    }
}
