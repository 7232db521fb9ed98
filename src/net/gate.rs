//! The gate of one vendor bucket: who may send, and when.
//!
//! All handles of a gate share one process's calls, lane by lane; the row in the state is shared by all processes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tracing::{debug, warn};

use super::chance::Chance;
use super::flight::{Flight, Go};
use super::hints::Hints;
use super::judge::Pause;
use super::lanes::{Lanes, Sharing};
use super::pace::{self, Heard, Reserve, Taken};
use super::tally::Vendor;
use crate::model::Clock;
use crate::store::{Bucket, Store, StoreError};

/// Permits that were taken and not used within this time are dropped: used later they would come on top of a full window.
const PERMITS_KEEP: TimeDelta = TimeDelta::milliseconds(100);

/// The longest pause that a vendor's `Retry-After` is taken at its word for: a day's allowance comes back after a day.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Why no call may be sent.
#[derive(Debug)]
pub enum Shut {
    /// Not for long: the day's budget less the reserve (and less what other jobs are sure of) is used up, or the vendor asked for minutes
    /// of silence.
    Spent {
        /// When calls are possible again.
        until: DateTime<Utc>,
    },
    /// The bucket's row could not be read or written.
    State(StoreError),
}

/// A lane to the gate of one vendor bucket; clones are the same lane.
#[derive(Clone, Debug)]
pub struct Gate {
    inner: Arc<Inner>,
    lane: u64,
    reserve: Reserve,
    /// `None`: no job's calls, which are few and leave nothing to anybody.
    sharing: Option<Arc<Sharing>>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    vendor: Vendor,
    name: String,
    chance: Chance,
    flight: Mutex<Flight>,
    /// The server's word of the limits that the row has not heard yet.
    unheard: Mutex<Option<Heard>>,
    /// The row as this process last saw it.
    known: Mutex<Bucket>,
    lanes: Lanes,
    /// Until when it last was shut to a job.
    shut: Mutex<BTreeMap<String, DateTime<Utc>>>,
    /// Permits taken with the last row update, and when; only whose turn it is looks at them.
    stock: Mutex<(u32, DateTime<Utc>)>,
    place_free: Notify,
    answered: Notify,
}

/// The right to send one call; dropping it says that the call is no longer under way.
#[derive(Debug)]
pub struct Permit {
    gate: Arc<Inner>,
    sent_at: DateTime<Utc>,
}

/// A place among the calls under way.
struct Place<'g>(&'g Inner);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.flight().leave();
        self.0.place_free.notify_one();
    }
}

impl Gate {
    /// Makes the gate of a bucket. There should be one per bucket and process; accounts in one bucket share it.
    ///
    /// `name` identifies the bucket in the state: `highlevel:<location>:<account>`, `twitch:<client id>:<account>`, `twitch-auth:<client id>`.
    /// `reserve` of the day (a number alone is percent) is left to the tenant's other tools. `seed` spreads the pauses of several processes.
    pub fn new(
        store: Store,
        clock: Clock,
        vendor: Vendor,
        name: impl Into<String>,
        reserve: impl Into<Reserve>,
        seed: u64,
    ) -> Gate {
        let stock = Mutex::new((0, clock.now()));
        let inner = Inner {
            store,
            clock,
            vendor,
            name: name.into(),
            chance: Chance::new(seed),
            flight: Mutex::new(Flight::new()),
            unheard: Mutex::new(None),
            known: Mutex::new(pace::fresh(vendor)),
            lanes: Lanes::default(),
            shut: Mutex::default(),
            stock,
            place_free: Notify::new(),
            answered: Notify::new(),
        };
        Gate {
            inner: Arc::new(inner),
            lane: 0,
            reserve: reserve.into(),
            sharing: None,
        }
    }

    /// Returns another lane to the same gate, for calls of no job; they leave `reserve` of the day.
    #[must_use]
    pub fn lane(&self, reserve: impl Into<Reserve>) -> Gate {
        Gate {
            inner: Arc::clone(&self.inner),
            lane: self.inner.lanes.open(),
            reserve: reserve.into(),
            sharing: None,
        }
    }

    /// Returns another lane to the same gate, for the calls of a job.
    ///
    /// Besides the reserve they leave to each of the `others` in the bucket a small part of the day, once the job itself has used as much.
    #[must_use]
    pub fn of_job(&self, job: &str, others: Vec<String>) -> Gate {
        let job = job.to_owned();
        Gate {
            sharing: Some(Arc::new(Sharing { job, others })),
            ..self.lane(self.reserve)
        }
    }

    /// Returns until when it was shut to a job when it last was; `None` when it never was.
    pub fn shut_until(&self, job: &str) -> Option<DateTime<Utc>> {
        let shut = self.inner.shut.lock();
        shut.unwrap_or_else(PoisonError::into_inner)
            .get(job)
            .copied()
    }

    fn shuts(&self, until: DateTime<Utc>) {
        if let Some(sharing) = &self.sharing {
            let mut shut = self
                .inner
                .shut
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            shut.insert(sharing.job.clone(), until);
        }
    }

    /// Returns the name of the bucket in the state.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Waits until one call may be sent. Lanes take turns; callers of one lane go in the order in which they asked.
    ///
    /// Dropping the future gives everything back but permits already taken from the row.
    ///
    /// Errors: [`Shut::Spent`] instead of a wait of more than five minutes; [`Shut::State`].
    pub async fn permit(&self) -> Result<Permit, Shut> {
        let inner = &*self.inner;
        let turn = inner.lanes.turn(self.lane).await;
        let place = inner.place().await;
        let sent_at = loop {
            inner.room().await;
            let now = inner.clock.now();
            if inner.use_stock(now) {
                break now;
            }
            match self.take().await.map_err(Shut::State)? {
                Taken::Permits(permits) => *inner.stock() = (permits, inner.clock.now()),
                Taken::Wait(wait) => inner.clock.sleep(wait).await,
                Taken::Shut(until) => {
                    self.shuts(until);
                    return Err(Shut::Spent { until });
                }
            }
        };
        inner.flight().send();
        if let Some(sharing) = &self.sharing {
            let day_ends = inner.known().day_ends_ms;
            if let Some(day_ends) = day_ends.and_then(DateTime::from_timestamp_millis) {
                inner.lanes.count(&sharing.job, day_ends);
            }
        }
        drop(turn);
        // From here on the permit gives the place back.
        std::mem::forget(place);
        Ok(Permit {
            gate: Arc::clone(&self.inner),
            sent_at,
        })
    }

    /// Takes permits out of the row, telling it first what the server said: one for this caller, and for those behind it that have a place.
    async fn take(&self) -> Result<Taken, StoreError> {
        let inner = &self.inner;
        let free = inner.flight().free();
        let want = inner.lanes.waiting().min(free).saturating_add(1);
        let unheard = inner.unheard().take();
        let (vendor, reserve) = (inner.vendor, self.reserve);
        let (shares, sharing) = (Arc::clone(inner), self.sharing.clone());
        inner
            .update(move |bucket, now| {
                if let Some(heard) = unheard {
                    heard.tell(bucket, now);
                }
                let kept = |limit, day_ends| match &sharing {
                    Some(sharing) => shares.lanes.kept(sharing, limit, day_ends),
                    None => 0,
                };
                pace::take_leaving(bucket, vendor, want, reserve, kept, now)
            })
            .await
    }

    /// Learns from the headers of an answer that was not a 429.
    ///
    /// A failure to write the row is logged, not returned: the answer is worth more, and the next permit meets the same failure.
    pub(crate) async fn heard(&self, permit: &Permit, hints: &Hints) {
        let inner = &*self.inner;
        let now = inner.clock.now();
        let known = inner.known().clone();
        let (remaining, interval_ms) = match inner.vendor {
            Vendor::HighLevel => (
                hints.remaining,
                hints.window.map_or(known.window_ms, |w| w.interval_ms),
            ),
            // Twitch's points come back all the time: a second brings some ten.
            Vendor::Twitch => (hints.remaining, 1_000),
        };
        let sent = {
            let mut flight = inner.flight();
            flight.answered(
                permit.sent_at.timestamp_millis(),
                remaining,
                i64::try_from(interval_ms).unwrap_or(i64::MAX),
            );
            flight.sent().saturating_sub(1)
        };
        inner.answered.notify_waiters();
        let Some(heard) = Heard::of(hints, sent, known.day_limit, now) else {
            return;
        };
        if !heard.is_news(&known) {
            *inner.unheard() = Some(heard);
            return;
        }
        let told = inner
            .update(move |bucket, now| heard.tell(bucket, now))
            .await;
        if let Err(error) = told {
            warn!(bucket.name = %inner.name, "cannot keep what {} says of its limits: {error}", inner.vendor);
        }
    }

    /// Holds all processes after a 429; returns when calls are possible again.
    pub(crate) async fn pushed_back(
        &self,
        permit: &Permit,
        pause: &Pause,
    ) -> Result<DateTime<Utc>, StoreError> {
        let inner = &*self.inner;
        let now = inner.clock.now();
        inner
            .flight()
            .pushed_back(permit.sent_at.timestamp_millis(), now.timestamp_millis());
        inner.answered.notify_waiters();
        let one_window = Duration::from_millis(match inner.vendor {
            Vendor::HighLevel => inner.known().window_ms,
            // A second or two bring back ten or twenty points (800 a minute, Twitch API Concepts, Rate Limits).
            Vendor::Twitch => 2_000,
        });
        let wait = match pause {
            // Longer than that is no pause, and the end of it may not even be a date.
            Pause::For(wait) => (*wait).min(LONGEST_PAUSE),
            Pause::Until(moment) => (*moment - now).to_std().unwrap_or_default(),
            Pause::OneWindow => one_window,
        };
        // Up to a tenth more, at most a second: several processes do not come back in the same instant.
        let jitter = wait.mul_f64(0.1 * inner.chance.next());
        let wait = wait + jitter.min(Duration::from_secs(1));
        let until = now + TimeDelta::from_std(wait).unwrap_or(TimeDelta::days(1));
        warn!(
            bucket.name = %inner.name, wait_ms = wait.as_millis(),
            "{} asks for a pause of {} ms", inner.vendor, wait.as_millis()
        );
        inner
            .update(move |bucket, now| pace::hold(bucket, until, now))
            .await?;
        Ok(until)
    }

    /// Marks the day as used up, because the vendor said so; returns when it ends.
    pub(crate) async fn spent(
        &self,
        resets_in: Option<Duration>,
    ) -> Result<DateTime<Utc>, StoreError> {
        let until = resets_in
            .and_then(|left| TimeDelta::from_std(left).ok())
            .and_then(|left| self.inner.clock.now().checked_add_signed(left));
        let spent = self
            .inner
            .update(move |bucket, now| pace::spend(bucket, until, now));
        let until = spent.await?;
        self.shuts(until);
        Ok(until)
    }
}

impl Inner {
    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Bucket> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unheard(&self) -> MutexGuard<'_, Option<Heard>> {
        self.unheard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stock(&self) -> MutexGuard<'_, (u32, DateTime<Utc>)> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses one of the permits that were taken before; returns whether there was one.
    fn use_stock(&self, now: DateTime<Utc>) -> bool {
        let mut stock = self.stock();
        let (permits, taken_at) = *stock;
        let is_there = permits > 0 && (now - taken_at).abs() <= PERMITS_KEEP;
        if is_there {
            *stock = (permits - 1, taken_at);
        }
        is_there
    }

    /// Waits for a place among the calls under way; only whose turn it is waits.
    async fn place(&self) -> Place<'_> {
        loop {
            let free = self.place_free.notified();
            if self.flight().enter() {
                return Place(self);
            }
            free.await;
        }
    }

    /// Waits until the server has room for one more call.
    async fn room(&self) {
        loop {
            let answered = self.answered.notified();
            tokio::pin!(answered);
            answered.as_mut().enable();
            let now = self.clock.now();
            let go = self.flight().room(now.timestamp_millis());
            let Go::At(ms) = go else { return };
            debug!(bucket.name = %self.name, wait_ms = ms - now.timestamp_millis(), "{} has no room left in its window", self.vendor);
            let end = DateTime::from_timestamp_millis(ms).unwrap_or(now);
            tokio::select! {
                () = answered => {}
                () = self.clock.sleep_until(end) => {}
            }
        }
    }

    /// Changes the row in one commit and remembers it.
    async fn update<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Bucket, DateTime<Utc>) -> T + Send + 'static,
    {
        let (vendor, name, clock) = (self.vendor, self.name.clone(), self.clock.clone());
        let (bucket, outcome) = self
            .store
            .write(move |db| {
                let before = Bucket::load(db, &name)?;
                let mut bucket = before.clone().unwrap_or_else(|| pace::fresh(vendor));
                // The time is read here: a commit may have waited for another process's.
                let outcome = change(&mut bucket, clock.now());
                if before.as_ref() != Some(&bucket) {
                    bucket.save(db, &name)?;
                }
                Ok((bucket, outcome))
            })
            .await?;
        *self.known() = bucket;
        Ok(outcome)
    }
}

impl Permit {
    /// Returns when the call was let go.
    pub fn sent_at(&self) -> DateTime<Utc> {
        self.sent_at
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut flight = self.gate.flight();
            flight.land();
            flight.leave();
        }
        self.gate.place_free.notify_one();
        self.gate.answered.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::super::hints::{Day, Window};
    use super::super::testing::{Folder, leaping};
    use super::*;
    use crate::store::Usage;

    fn gate(store: Store, clock: &Clock, reserve_percent: u8) -> Gate {
        Gate::new(
            store,
            clock.clone(),
            Vendor::HighLevel,
            "highlevel:here:main",
            reserve_percent,
            1,
        )
    }

    #[tokio::test]
    async fn two_processes_on_one_bucket_keep_its_limit_together() {
        let folder = Folder::new();
        let clock = leaping();
        let gates = [
            gate(folder.store(), &clock, 0),
            gate(folder.store(), &clock, 0),
        ];
        let mut tasks = Vec::new();
        for gate in gates {
            for _ in 0..3 {
                let gate = gate.clone();
                tasks.push(tokio::spawn(async move {
                    let mut sent = Vec::new();
                    for _ in 0..60 {
                        let permit = gate.permit().await.unwrap();
                        sent.push(permit.sent_at());
                    }
                    sent
                }));
            }
        }
        let mut sent = Vec::new();
        for task in tasks {
            sent.extend(task.await.unwrap());
        }
        sent.sort_unstable();
        assert_eq!(sent.len(), 360);
        for hundred in sent.windows(100) {
            let (Some(first), Some(last)) = (hundred.first(), hundred.last()) else {
                unreachable!("100 calls")
            };
            let apart = *last - *first;
            assert!(apart >= TimeDelta::seconds(10), "100 calls in {apart}");
        }
        let db = folder.store().reader().unwrap();
        let usage = Usage::all(&db, clock.now()).unwrap();
        // A permit that was taken and not used in time is dropped, and counts.
        assert!(usage.first().is_some_and(|usage| usage.used >= 360));
    }

    #[tokio::test]
    async fn no_pause_and_no_day_is_too_long_to_be_reckoned_with() {
        let folder = Folder::new();
        let clock = leaping();
        let gate = gate(folder.store(), &clock, 0);
        for seconds in [9_000_000_000_000, u64::MAX] {
            let wait = Duration::from_secs(seconds);
            let permit = gate.permit().await.unwrap();
            let until = gate.pushed_back(&permit, &Pause::For(wait)).await.unwrap();
            assert!(until <= clock.now() + TimeDelta::hours(25), "{until}");
            drop(permit);
            assert!(matches!(gate.permit().await, Err(Shut::Spent { .. })));
            gate.spent(Some(wait)).await.unwrap();
            clock.sleep(LONGEST_PAUSE * 2).await;
        }
    }

    #[tokio::test]
    async fn a_429_holds_the_other_process_too() {
        let folder = Folder::new();
        let clock = leaping();
        let one = gate(folder.store(), &clock, 0);
        let other = gate(folder.store(), &clock, 0);
        let permit = one.permit().await.unwrap();
        let before = clock.now();
        let asked = Duration::from_secs(20);
        let until = one.pushed_back(&permit, &Pause::For(asked)).await.unwrap();
        drop(permit);
        assert!(until >= before + asked);
        assert!(until <= clock.now() + asked + Duration::from_secs(1));
        let permit = other.permit().await.unwrap();
        assert!(permit.sent_at() >= until - TimeDelta::milliseconds(1));
    }

    #[tokio::test]
    async fn five_calls_are_under_way_at_the_start() {
        let folder = Folder::new();
        let gate = gate(folder.store(), &leaping(), 0);
        let mut permits = Vec::new();
        for _ in 0..5 {
            permits.push(gate.permit().await.unwrap());
        }
        let mut sixth = std::pin::pin!(gate.permit());
        let waits =
            std::future::poll_fn(|context| Poll::Ready(sixth.as_mut().poll(context).is_pending()))
                .await;
        assert!(waits);
        permits.pop();
        sixth.await.unwrap();
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_takes_no_place_with_it() {
        let folder = Folder::new();
        let gate = gate(folder.store(), &leaping(), 0);
        for _ in 0..10 {
            let mut permit = std::pin::pin!(gate.permit());
            std::future::poll_fn(|context| {
                let _ = permit.as_mut().poll(context);
                Poll::Ready(())
            })
            .await;
        }
        let mut permits = Vec::new();
        for _ in 0..5 {
            permits.push(gate.permit().await.unwrap());
        }
    }

    #[tokio::test]
    async fn limits_are_learned_and_the_reserve_is_kept() {
        let folder = Folder::new();
        let clock = leaping();
        let gate = gate(folder.store(), &clock, 10);
        let permit = gate.permit().await.unwrap();
        let hints = Hints {
            window: Some(Window {
                max: 1_000,
                interval_ms: 10_000,
            }),
            day: Some(Day {
                limit: Some(100),
                remaining: 12,
                resets_in: Some(Duration::from_secs(3_600)),
            }),
            ..Hints::default()
        };
        gate.heard(&permit, &hints).await;
        drop(permit);
        let ends = clock.now() + TimeDelta::hours(1);
        let db = folder.store().reader().unwrap();
        let usage = Usage::all(&db, clock.now()).unwrap().pop().unwrap();
        assert_eq!(
            (usage.used, usage.limit, usage.remaining),
            (88, Some(100), Some(12))
        );
        // Ten of a hundred are kept for others: two calls are left.
        gate.permit().await.unwrap();
        gate.permit().await.unwrap();
        let Err(Shut::Spent { until }) = gate.permit().await else {
            panic!("the day is spent")
        };
        assert!(
            (until - ends).abs() <= TimeDelta::seconds(5),
            "{until} {ends}"
        );
    }

    #[tokio::test]
    async fn nothing_is_sent_into_a_full_window() {
        let folder = Folder::new();
        let clock = leaping();
        let gate = gate(folder.store(), &clock, 0);
        let permit = gate.permit().await.unwrap();
        let hints = Hints {
            remaining: Some(0),
            ..Hints::default()
        };
        gate.heard(&permit, &hints).await;
        let first = permit.sent_at();
        drop(permit);
        let next = gate.permit().await.unwrap();
        assert!(next.sent_at() - first >= TimeDelta::seconds(10) - TimeDelta::milliseconds(1));
    }

    /// Lets `load` callers of one lane and one caller of each of `readers` lanes ask again and again; returns how often each lane was let go,
    /// the loaded one first. Nobody is let go before all have asked.
    async fn load(gate: &Gate, load: u32, readers: &[u32], calls: usize) -> Vec<usize> {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let mut callers = vec![(0, gate.lane(0)); load as usize];
        // Each of them goes away after so many calls.
        let mut ends = vec![u32::MAX; load as usize];
        for (index, end) in readers.iter().enumerate() {
            callers.push((index + 1, gate.lane(0)));
            ends.push(*end);
        }
        let tasks: Vec<_> = callers
            .into_iter()
            .zip(ends)
            .map(|((lane, gate), end)| {
                let tell = tell.clone();
                tokio::spawn(async move {
                    for _ in 0..end {
                        let permit = gate.permit().await.unwrap();
                        let _ = tell.send(lane);
                        drop(permit);
                    }
                })
            })
            .collect();
        let mut counts = vec![0; readers.len() + 1];
        for _ in 0..calls {
            let lane: usize = told.recv().await.unwrap();
            counts[lane] += 1;
        }
        for task in tasks {
            task.abort();
        }
        counts
    }

    #[tokio::test]
    async fn a_single_reader_gets_every_second_permit_beside_ten_writers() {
        let folder = Folder::new();
        let gate = gate(folder.store(), &leaping(), 0);
        let counts = load(&gate, 10, &[u32::MAX], 200).await;
        assert!((95..=105).contains(&counts[1]), "{counts:?}");
    }

    #[tokio::test]
    async fn three_lanes_get_a_third_each_and_the_load_gets_what_an_ended_lane_leaves() {
        let folder = Folder::new();
        let gate = gate(folder.store(), &leaping(), 0);
        let counts = load(&gate, 10, &[u32::MAX, u32::MAX], 300).await;
        for count in &counts {
            assert!((93..=107).contains(count), "{counts:?}");
        }
        let counts = load(&gate, 10, &[20], 200).await;
        assert_eq!(counts, [180, 20]);
    }

    #[tokio::test]
    async fn a_big_job_leaves_the_others_of_its_bucket_their_share_of_the_day() {
        let folder = Folder::new();
        let clock = leaping();
        let gate = gate(folder.store(), &clock, 0);
        let names = ["big", "one", "other"];
        let lane = |job: &str| {
            let others = names.iter().filter(|name| **name != job);
            gate.of_job(job, others.map(ToString::to_string).collect())
        };
        let permit = gate.permit().await.unwrap();
        let hints = Hints {
            day: Some(Day {
                limit: Some(1_200),
                remaining: 1_000,
                resets_in: Some(Duration::from_secs(36_000)),
            }),
            ..Hints::default()
        };
        gate.heard(&permit, &hints).await;
        drop(permit);
        let calls_until_spent = async |gate: &Gate| {
            let mut calls = 0;
            while gate.permit().await.is_ok() {
                calls += 1;
            }
            calls
        };
        let big = lane("big");
        assert_eq!(calls_until_spent(&big).await, 800);
        // A later run of the same job finds no more, and the others find theirs.
        assert_eq!(calls_until_spent(&lane("big")).await, 0);
        assert_eq!(calls_until_spent(&lane("one")).await, 100);
        assert_eq!(calls_until_spent(&lane("one")).await, 0);
        // Calls of no job, such as the renewal of a token, go as long as there are any.
        gate.lane(0).permit().await.unwrap();
        assert_eq!(calls_until_spent(&lane("other")).await, 99);
        // The next day is everybody's again.
        clock.sleep(LONGEST_PAUSE).await;
        big.permit().await.unwrap();
    }
}
