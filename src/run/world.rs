//! What a run works with.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{HighLevelAccount, TwitchAccount};
use crate::model::{Clock, Digest, FieldKey, GuardKind, Job, Scope};
use crate::net::Line;
use crate::plan::wanted::Mapping;
use crate::store::Store;
use crate::store::mirror::Keeping;

/// The most that this machine's clock and a vendor's may differ by; recovery compares moments of both.
pub const CLOCK_MAY_BE_OFF: TimeDelta = TimeDelta::minutes(2);

/// Everything one run of a job works with; made by `cli` and, later, by the daemon.
#[derive(Clone)]
pub struct World {
    /// The state.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The job.
    pub job: Arc<Job>,
    /// Its templates.
    pub mapping: Arc<Mapping>,
    /// The digest of what it wants.
    pub digest: Digest,
    /// The account that is written to.
    pub hub: HighLevelAccount,
    /// The line to it.
    pub hub_line: Line,
    /// The account that is read from.
    pub spoke: TwitchAccount,
    /// The line to it.
    pub spoke_line: Line,
    /// The line to the addresses that know of its token.
    pub auth_line: Line,
    /// When Twitch last validated that token, in ms; 0 before the run did or read of it.
    pub validated_ms: Arc<AtomicI64>,
    /// What the mirror keeps: the union over all jobs of the location.
    pub keeping: Arc<Keeping>,
    /// Whether a person wants it to stop.
    pub stop: Stop,
    /// Who watches.
    pub watch: Watch,
}

/// What a person asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Read everything, whatever is due.
    pub full: bool,
    /// Carry the plan out; `false` is a dry run.
    pub apply: bool,
    /// The digest, or the start of it, of the stored plan to carry out.
    pub approve: Option<String>,
    /// Guards that a person lets through.
    pub allow: BTreeSet<GuardKind>,
    /// Carry out the steps of this many records at most.
    pub limit: Option<u64>,
    /// Wait for a run of the same job to end instead of refusing.
    pub wait: bool,
    /// The command and the process, for whoever finds the job busy.
    pub holder: String,
}

/// Tells a run to finish the calls in flight and end. The first who asks is heard.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Wish>);

/// A wish that something ends.
#[derive(Debug, Default)]
struct Wish {
    why: OnceLock<Why>,
    /// Whose end is the end of this one too.
    above: Option<Stop>,
}

/// Why a run is to end before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A person, or the end of the service that runs it.
    Asked,
    /// The time budget of the job is used up.
    Budget,
    /// The quiet hours of the job begin.
    Quiet,
}

impl Stop {
    /// Asks the run to end because somebody wants it to.
    pub fn ask(&self) {
        self.ask_for(Why::Asked);
    }

    /// Asks the run to end and says why.
    pub fn ask_for(&self, why: Why) {
        let _ = self.0.why.set(why);
    }

    /// Returns whether the run was asked to end.
    pub fn is_asked(&self) -> bool {
        self.why().is_some()
    }

    /// Returns why the run was asked to end; `None` when it was not.
    pub fn why(&self) -> Option<Why> {
        let above = || self.0.above.as_ref().and_then(Stop::why);
        self.0.why.get().copied().or_else(above)
    }

    /// Returns a stop that is asked when this one is, and can be asked alone.
    #[must_use]
    pub fn part(&self) -> Stop {
        Stop(Arc::new(Wish {
            why: OnceLock::new(),
            above: Some(self.clone()),
        }))
    }
}

/// What happens while a run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tick {
    /// A listing is about to be read; how many rows it may have, where the vendor said.
    Reading {
        /// What, for people.
        what: String,
        /// Rows, if known.
        total: Option<u64>,
    },
    /// The plan is being made.
    Planning,
    /// The plan is about to be carried out: so many steps.
    Executing {
        /// Steps.
        total: u64,
    },
    /// This many rows or steps more are through.
    Advance(u64),
    /// Something worth a line.
    Say(String),
}

/// Who watches a run; a closure, because the watcher (a bar, a log, a test) is above this floor.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(Tick) + Send + Sync>);

impl Watch {
    /// Calls `tell` at every tick.
    pub fn new(tell: impl Fn(Tick) + Send + Sync + 'static) -> Watch {
        Watch(Arc::new(tell))
    }

    /// Nobody watches.
    pub fn nobody() -> Watch {
        Watch::new(|_| {})
    }

    pub(super) fn tick(&self, tick: Tick) {
        (self.0)(tick);
    }
}

impl World {
    /// Says what is wrong with this machine's clock, as far as the vendors' answers told; `None` when nothing is.
    pub(super) fn clock_fault(&self) -> Option<String> {
        let off = |(name, skew): (&str, Option<TimeDelta>)| Some((name.to_owned(), skew?));
        let lines = [
            ("HighLevel", self.hub_line.skew()),
            ("Twitch", self.spoke_line.skew()),
        ];
        let (vendor, skew) = lines
            .into_iter()
            .filter_map(off)
            .find(|(_, skew)| skew.abs() > CLOCK_MAY_BE_OFF)?;
        Some(format!(
            "the clock of this machine is {} s {} {vendor}'s; set it (for example with `timedatectl set-ntp true`) and run it again",
            skew.num_seconds().abs(),
            if skew > TimeDelta::zero() {
                "behind"
            } else {
                "ahead of"
            },
        ))
    }

    /// Returns the present moment in ms.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    /// Returns the vendor's date of an answer in ms, ours where it gave none.
    pub(super) fn date_ms(&self, date: Option<DateTime<Utc>>) -> i64 {
        date.unwrap_or_else(|| self.clock.now()).timestamp_millis()
    }
}

/// Returns what the mirror must keep for all of `jobs`, which share one location.
pub fn keeping_of<'a>(jobs: impl Iterator<Item = &'a Job>) -> Keeping {
    let mut keeping = Keeping::default();
    for job in jobs {
        keeping
            .fields
            .extend(job.fields.iter().map(|rule| rule.key.clone()));
        for by in &job.match_by {
            if let crate::model::By::Field(key) = by {
                keeping.fields.insert(key.clone());
                keeping.match_fields.insert(key.clone());
            }
        }
        if job.business.is_some() || matches!(job.scope, Some(Scope::Business(_))) {
            keeping.fields.insert(FieldKey::business());
        }
        if let Some(Scope::Tag(tag)) = &job.scope {
            keeping.tag_prefixes.insert(tag.as_str().to_owned());
        }
        let moments = [&job.on.join, &job.on.leave, &job.on.returns, &job.on.gone];
        for template in moments
            .into_iter()
            .flat_map(|actions| actions.add_tags.iter().chain(&actions.remove_tags))
        {
            // What stands before the first expression is part of every tag the template makes.
            let fixed = template.split("{{").next().unwrap_or_default();
            let fixed = fixed.split("{%").next().unwrap_or_default();
            keeping
                .tag_prefixes
                .insert(fixed.trim_start().to_lowercase());
        }
    }
    keeping
}
