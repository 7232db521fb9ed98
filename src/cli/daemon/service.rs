//! The scheduler: which jobs run now, which come next, and what every event changes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use crate::config;
use crate::model::JobName;
use crate::plan::agenda::{Came, Memory, Terms, Wants};
use crate::plan::due;
use crate::run::{Lease, RunError, Stop, Why};
use crate::store::agenda::{first_seen, memory, remember};
use crate::store::kept::last_upkeep;
use crate::store::runs::last_success;
use crate::store::tokens;
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

/// How long calls in flight may take to end once the service is told to; the units give it half a minute more.
const DRAIN: Duration = Duration::from_secs(60);

/// How long upkeep waits for a moment in which nobody runs.
const UPKEEP_WAITS: TimeDelta = TimeDelta::hours(6);

/// How long the state may take to note the end of what was given up.
const LAST_WORDS: Duration = Duration::from_secs(5);

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
        service.upkeep.0 = upkept(&service.store(), now)?;
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
        }
    }

    /// Starts upkeep when it is due and nobody runs; after hours of waiting also beside runs, which it does not hinder.
    fn look_after_the_state(&mut self, now: DateTime<Utc>) {
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
        say(&name, &came, headline, &before, &after);
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

    /// Makes the slots those of the configuration.
    ///
    /// Errors: the first thing that the state could not tell or note; every job is taken up all the same.
    async fn take_up(&mut self) -> Result<(), StoreError> {
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
    async fn find_killed(&mut self, name: &JobName) -> Result<(), CliError> {
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

    /// A clock that was far ahead and is right again must not silence the schedules until then.
    fn notice_clock(&mut self, now: DateTime<Utc>) {
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
    fn notice_successes(&mut self, now: DateTime<Utc>) {
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

    fn notice_logins(&mut self, now: DateTime<Utc>) {
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

    /// Gives back what the last run left in memory, once nobody runs.
    async fn rest(&mut self) {
        if !self.running().is_empty() {
            return;
        }
        if let Err(error) = self.worlds.store().rest().await {
            debug!("the state keeps its memory: {error}");
        }
    }

    /// Lets the runs under way end, and gives up those that do not.
    async fn drain(&mut self, events: &mut mpsc::UnboundedReceiver<Event>) {
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

    async fn hear_the_last(&mut self, events: &mut mpsc::UnboundedReceiver<Event>) {
        while !self.running().is_empty() || self.upkeep.1.is_some() {
            match events.recv().await {
                Some(Event::Reload) | Some(Event::Minute) | Some(Event::Stop) => {}
                Some(event) => self.hear(event).await,
                None => return,
            }
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

/// Returns up to when upkeep was served. One that was killed in the middle was not; a state that never had any has waited since its schedules
/// are watched, so that a machine that is off at night is looked after in the morning.
///
/// Errors: the state cannot be read.
fn upkept(store: &Store, now: DateTime<Utc>) -> Result<DateTime<Utc>, StoreError> {
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

async fn keep(worlds: &Worlds, name: &JobName, memory: &Memory) -> Result<(), StoreError> {
    let (name, memory) = (name.clone(), memory.clone());
    worlds
        .store()
        .write(move |db| remember(db, &name, &memory))
        .await
}

/// Says how a run ended: failures once, then when they are given up on, then when they are over.
fn say(name: &JobName, came: &Came, headline: Option<String>, before: &Memory, after: &Memory) {
    match (came, headline) {
        (Came::Failed(why), _) => {
            let again = after.not_before.map_or_else(String::new, |at| {
                format!("; tried again at {}", at.format("%Y-%m-%d %H:%M UTC"))
            });
            if before.failures == 0 {
                error!(job.name = %name, "{name} failed: {why}{again}");
            } else if after.is_quarantined() && !before.is_quarantined() {
                error!(
                    job.name = %name,
                    "{name} failed {} times in a row and is tried once an hour from now on, without a word until it works again: {why}",
                    after.failures
                );
            } else if before.why.as_deref() != Some(why) && !after.is_quarantined() {
                warn!(job.name = %name, "{name} failed again, differently: {why}{again}");
            } else {
                let times = after.failures;
                info!(job.name = %name, "{name} failed again, {times} times in a row now: {why}{again}");
            }
        }
        (Came::Served, headline) => {
            if before.failures > 0 {
                warn!(job.name = %name, "{name} works again after {} failed runs", before.failures);
            }
            if let Some(headline) = headline {
                info!(job.name = %name, "{headline}");
            }
        }
        (Came::Spent(_), _) => {
            let until = after
                .not_before
                .map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string());
            warn!(
                job.name = %name,
                "{name} used the calls of the day up and goes on at {}",
                until.unwrap_or_default()
            );
        }
        (Came::Busy, _) => {
            info!(job.name = %name, "{name} is run by another process; it is looked at again in a minute")
        }
        (Came::Stopped, _) => {
            info!(job.name = %name, "{name} was stopped; the next start goes on from there")
        }
    }
}
