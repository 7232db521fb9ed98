//! The scheduler: which jobs run now, which come next, and what every event changes.

mod drain;
mod notice;
mod take_up;
mod upkeep;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use crate::config;
use crate::model::JobName;
use crate::plan::agenda::{Came, Memory, Terms, Wants};
use crate::run::{RunError, Stop, Why};
use crate::store::agenda::remember;
use crate::store::{Store, StoreError};

use super::super::error::CliError;
use super::super::scheduled::end_of;
use super::super::telling;
use super::super::worlds::Worlds;
use super::manager::Manager;
use super::run::{self, Ended, Task};
use super::words::{self, Course};

/// Runs that are under way at the same time; what is due beyond waits for a place, the longest waiting first.
const MOST_RUNS: usize = 16;

/// The longest that the service waits without looking, in case a tick is lost.
const LOOK_AGAIN: Duration = Duration::from_secs(75);

/// The longest while a run is under way, so that `systemctl status` shows how far it is.
const SHOW_AGAIN: Duration = Duration::from_secs(5);

/// The shortest, so that a clock that stands still does not make it spin.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);

/// What can happen to the service.
#[derive(Debug)]
pub enum Event {
    /// A minute began.
    Minute,
    /// A run ended.
    Ended(Ended),
    /// The configuration is to be loaded again.
    Reload,
    /// The service is to end.
    Stop,
    /// Upkeep of the state ended.
    Kept,
    /// Somebody wants to know whether the scheduler answers.
    Alive(oneshot::Sender<()>),
}

/// The schedules of all jobs, and the runs under way.
pub struct Service {
    path: PathBuf,
    worlds: Arc<Worlds>,
    manager: Manager,
    tell: mpsc::UnboundedSender<Event>,
    slots: BTreeMap<JobName, Slot>,
    give_up: watch::Sender<bool>,
    /// Why the configuration is an older one than the files; `None` when it is not.
    trouble: Option<String>,
    told: String,
    is_ending: bool,
    /// Whether the state could not note the last run that was to begin.
    cannot_note: bool,
    /// Up to when upkeep was served, and what ends it while it is under way.
    upkeep: (DateTime<Utc>, Option<Stop>),
}

/// One job.
struct Slot {
    /// `None`: it has no schedule, or it is no longer configured.
    terms: Option<Terms>,
    memory: Option<Memory>,
    budget: Option<Duration>,
    running: Option<Running>,
}

/// A run under way.
struct Running {
    moment: DateTime<Utc>,
    stop: Stop,
    course: Course,
    /// When it has to end, and why.
    until: Option<(DateTime<Utc>, Why)>,
}

impl Service {
    /// Takes up the schedules where they were left. Runs that were killed are caught up.
    ///
    /// Errors: the state cannot be read or written.
    pub(super) async fn new(
        path: PathBuf,
        worlds: Worlds,
        manager: Manager,
        tell: mpsc::UnboundedSender<Event>,
    ) -> Result<Service, CliError> {
        let mut service = Service {
            path,
            worlds: Arc::new(worlds),
            manager,
            tell,
            slots: BTreeMap::new(),
            give_up: watch::Sender::new(false),
            trouble: None,
            told: String::new(),
            is_ending: false,
            cannot_note: false,
            upkeep: (DateTime::UNIX_EPOCH, None),
        };
        let now = service.now();
        service.upkeep.0 = upkeep::upkept(&service.store(), now)?;
        let taken = service.take_up().await;
        let mut noted = taken.map_err(CliError::from);
        for name in service.slots.keys().cloned().collect::<Vec<_>>() {
            noted = noted.and(service.find_killed(&name).await);
        }
        if let Err(error) = noted {
            error!("the state cannot note what the schedules begin with: {error}");
        }
        Ok(service)
    }

    /// Returns the state.
    pub fn store(&self) -> Store {
        self.worlds.store().clone()
    }

    /// Returns the names of the jobs that run now.
    pub fn running(&self) -> Vec<JobName> {
        let running = self.slots.iter().filter(|(_, slot)| slot.running.is_some());
        running.map(|(name, _)| name.clone()).collect()
    }

    /// Says how many jobs there are and what comes next.
    pub(super) fn summary(&self) -> String {
        let scheduled = self.slots.values().filter(|slot| slot.terms.is_some());
        let mut text = match scheduled.count() {
            1 => "1 job".to_owned(),
            more => format!("{more} jobs"),
        };
        let without: Vec<&str> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.terms.is_none())
            .map(|(name, _)| name.as_str())
            .collect();
        if !without.is_empty() {
            text.push_str(&format!(", and without a schedule {}", without.join(", ")));
        }
        if let Some((job, at)) = self.next() {
            text.push_str(&format!("; next {}", words::next(job, at, self.now())));
        }
        text
    }

    /// Serves until it is told to end and nothing is under way any more.
    pub async fn serve(&mut self, events: &mut mpsc::UnboundedReceiver<Event>) {
        self.manager.ready(&self.status());
        loop {
            self.look().await;
            self.show();
            let wait = self.wait();
            match timeout(wait, events.recv()).await {
                Ok(Some(Event::Stop) | None) => break,
                Ok(Some(event)) => self.hear(event).await,
                // The time of something came.
                Err(_) => {}
            }
        }
        self.drain(events).await;
    }

    /// Takes an event in; [`Event::Stop`] is for [`Service::serve`] alone.
    pub async fn hear(&mut self, event: Event) {
        match event {
            Event::Minute => {
                let worlds = Arc::clone(&self.worlds);
                // Aside: a target that does not answer must not keep the schedules.
                tokio::spawn(async move { telling::minute(&worlds).await });
            }
            Event::Stop => {}
            Event::Kept => self.upkeep.1 = None,
            Event::Ended(ended) => self.ended(ended).await,
            Event::Reload => self.reload().await,
            Event::Alive(answer) => {
                // Whoever asked may have lost patience.
                let _ = answer.send(());
            }
        }
    }

    /// Starts what is due, and asks runs to end whose time is up.
    pub async fn look(&mut self) {
        let now = self.worlds.clock().now();
        for slot in self.slots.values() {
            if let Some(running) = &slot.running
                && let Some((_, why)) = running.until.filter(|(until, _)| *until <= now)
            {
                running.stop.ask_for(why);
            }
        }
        if self.is_ending {
            return;
        }
        self.look_after_the_state(now);
        self.notice_clock(now);
        self.notice_successes(now);
        // By what they wait for longest: the newest moment would let a dense rhythm pass everybody else.
        let mut due: Vec<(DateTime<Utc>, JobName, DateTime<Utc>)> = self
            .slots
            .iter()
            .filter_map(|(name, slot)| match slot.wants(now)? {
                Wants::Run { moment } => Some((slot.waits_since()?, name.clone(), moment)),
                Wants::Nothing { .. }
                | Wants::Jitter { .. }
                | Wants::Quiet { .. }
                | Wants::Pause { .. } => None,
            })
            .collect();
        due.sort();
        let places = MOST_RUNS.saturating_sub(self.running().len());
        for (_, name, moment) in due.into_iter().take(places) {
            self.start(&name, moment, now).await;
            // Each of the others would wait as long for the state, and nobody be answered meanwhile.
            if self.cannot_note {
                break;
            }
        }
    }

    /// Returns how long nothing happens by itself.
    fn wait(&self) -> Duration {
        let now = self.worlds.clock().now();
        let moments = self.slots.values().filter_map(|slot| {
            if let Some(running) = &slot.running {
                // One whose time is up was asked to end, and will say so.
                return running
                    .until
                    .map(|(until, _)| until)
                    .filter(|until| *until > now);
            }
            match slot.wants(now)? {
                Wants::Nothing { next } => next,
                Wants::Jitter { until } | Wants::Quiet { until } | Wants::Pause { until } => {
                    Some(until)
                }
                // It waits for a place.
                Wants::Run { .. } => None,
            }
        });
        let wait = moments
            .min()
            .and_then(|moment| (moment - now).to_std().ok());
        let longest = match self.running().is_empty() {
            true => LOOK_AGAIN,
            false => SHOW_AGAIN,
        };
        wait.unwrap_or(longest).clamp(SHORTEST_LOOK, longest)
    }

    async fn start(&mut self, name: &JobName, moment: DateTime<Utc>, now: DateTime<Utc>) {
        let Some(slot) = self.slots.get_mut(name) else {
            return;
        };
        let (Some(terms), Some(memory)) = (&slot.terms, slot.memory.clone()) else {
            return;
        };
        let begun = memory.clone().begins(now);
        if let Err(error) = keep(&self.worlds, name, &begun).await {
            slot.memory = Some(memory.ends(moment, Came::Busy, now));
            if !self.cannot_note {
                error!(
                    "{name} is not started, because the state cannot note it: {error}; it is tried again each minute, without a word until it works"
                );
            }
            self.cannot_note = true;
            let (worlds, name) = (Arc::clone(&self.worlds), name.clone());
            // Aside, as it has to reach people without the state.
            tokio::spawn(async move {
                let error = CliError::Run(RunError::State(error));
                telling::ended(&worlds, &name, Err(&error), true).await;
            });
            return;
        }
        if std::mem::take(&mut self.cannot_note) {
            warn!("the state takes notes again");
        }
        let running = Running {
            moment,
            stop: Stop::default(),
            course: Course::default(),
            until: end_of(terms, slot.budget, now),
        };
        let task = Task {
            worlds: Arc::clone(&self.worlds),
            job: name.clone(),
            stop: running.stop.clone(),
            watch: running.course.watch(),
            give_up: self.give_up.subscribe(),
        };
        slot.memory = Some(begun);
        slot.running = Some(running);
        let started = run::start(task, self.tell.clone());
        if let Err(error) = started {
            let came = Came::Failed(format!("the system has no thread for it: {error}"));
            let ended = Ended {
                job: name.clone(),
                came,
                headline: None,
            };
            self.ended(ended).await;
        }
    }

    async fn ended(&mut self, ended: Ended) {
        let Ended {
            job: name,
            came,
            headline,
        } = ended;
        let now = self.worlds.clock().now();
        let Some(slot) = self.slots.get_mut(&name) else {
            return;
        };
        let (Some(running), Some(before)) = (slot.running.take(), slot.memory.take()) else {
            return;
        };
        let is_lost = headline.is_none();
        let after = before.clone().ends(running.moment, came.clone(), now);
        words::say(&name, &came, headline, &before, &after);
        slot.memory = Some(after.clone());
        let is_gone = slot.terms.is_none();
        if is_lost {
            run::tidy(&self.worlds, &name, before.begun.unwrap_or(now)).await;
        }
        if let Err(error) = keep(&self.worlds, &name, &after).await {
            error!(job.name = %name, "the state cannot note how {name} ended: {error}");
        }
        if is_gone && !self.worlds.config().jobs.contains_key(&name) {
            self.slots.remove(&name);
        }
        self.rest().await;
    }

    /// Loads the configuration again. One with problems changes nothing.
    async fn reload(&mut self) {
        self.manager.reloading();
        match self.loaded().await {
            Ok(worlds) => {
                self.worlds = Arc::new(worlds);
                self.trouble = None;
                let taken = self.take_up().await;
                // Whoever changed something wants to see whether it helps.
                for slot in self.slots.values_mut() {
                    slot.memory = slot.memory.take().map(Memory::anew);
                }
                match taken {
                    Ok(()) => info!("the configuration was loaded again: {}", self.summary()),
                    Err(error) => {
                        error!("the state cannot note what the new configuration changes: {error}");
                    }
                }
            }
            Err(error) => {
                error!("{error}");
                error!("the old configuration stays in use; mend the files and reload again");
                let what =
                    "the files have problems, an older configuration is in use (see the log)";
                self.trouble = Some(what.to_owned());
            }
        }
        self.told = self.status();
        self.manager.ready(&self.told);
    }

    async fn loaded(&self) -> Result<Worlds, CliError> {
        let config = config::load(&self.path)?;
        self.worlds.under(config).await
    }

    /// Gives back what the last run left in memory, once nobody runs.
    async fn rest(&mut self) {
        if !self.running().is_empty() {
            return;
        }
        if let Err(error) = self.worlds.store().rest().await {
            debug!("the state keeps its memory: {error}");
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.worlds.clock().now()
    }

    fn next(&self) -> Option<(&JobName, DateTime<Utc>)> {
        let now = self.worlds.clock().now();
        let moments = self.slots.iter().filter_map(|(name, slot)| {
            let at = match slot.wants(now)? {
                Wants::Run { moment } => moment,
                Wants::Nothing { next } => next?,
                Wants::Jitter { until } | Wants::Quiet { until } | Wants::Pause { until } => until,
            };
            Some((name, at))
        });
        moments.min_by_key(|(_, at)| *at)
    }

    fn status(&self) -> String {
        let running: Vec<(&JobName, &Course)> = self
            .slots
            .iter()
            .filter_map(|(name, slot)| Some((name, &slot.running.as_ref()?.course)))
            .collect();
        let failing = |slot: &&Slot| {
            slot.memory
                .as_ref()
                .is_some_and(|memory| memory.failures > 0)
        };
        words::status(
            &running,
            self.next()
                .map(|(job, at)| words::next(job, at, self.now())),
            self.slots.values().filter(failing).count(),
            self.slots.len(),
            self.trouble.as_deref(),
        )
    }

    fn show(&mut self) {
        let status = self.status();
        if status != self.told {
            self.manager.status(&status);
            self.told = status;
        }
    }
}

impl Slot {
    /// Returns the first moment that was not served.
    fn waits_since(&self) -> Option<DateTime<Utc>> {
        Some(self.terms.as_ref()?.first_open(self.memory.as_ref()?))
    }

    /// What its schedule wants; `None` without one, and while it runs.
    fn wants(&self, now: DateTime<Utc>) -> Option<Wants> {
        if self.running.is_some() {
            return None;
        }
        Some(self.terms.as_ref()?.wants(self.memory.as_ref()?, now))
    }
}

async fn keep(worlds: &Worlds, name: &JobName, memory: &Memory) -> Result<(), StoreError> {
    let (name, memory) = (name.clone(), memory.clone());
    worlds
        .store()
        .write(move |db| remember(db, &name, &memory))
        .await
}
