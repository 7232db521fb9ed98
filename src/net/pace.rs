//! The arithmetic of the gate on its shared row: when the next call may go, and how much of the day is left.
//!
//! Pure: the row and the time come in, the changed row goes out. GCRA itself is governor's, over one cell that is the row's `next_free_ns`.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::hints::{Hints, Window};
use super::tally::Vendor;
use crate::store::Bucket;

/// A wait longer than this is a stop: the run ends cleanly and says when to go on.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(5);

/// A hold that reaches further than this is not believed: the clock was moved.
const LONGEST_HOLD: TimeDelta = TimeDelta::hours(25);

/// The vendor's day: 24 hours from its first call (seen in recorded traffic).
const DAY: TimeDelta = TimeDelta::hours(24);

/// By how much calls are spaced wider than allowed, in thousandths: 100 calls in 10 s become one in 103 ms.
const SPACING_PER_MILLE: u64 = 1_030;

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// This many permits, to be used at once.
    Permits(u32),
    /// None yet: ask again after this time.
    Wait(Duration),
    /// None for long: the day's budget is used up, or the vendor asked for a long pause.
    Shut(DateTime<Utc>),
}

/// Returns the row of a bucket that nobody used yet, with the limits that the vendor documents.
pub(crate) fn fresh(vendor: Vendor) -> Bucket {
    let (window_max, window_ms, day_limit) = match vendor {
        // "100 requests per 10 s" and "200,000 per day" (HighLevel, Rate Limits page).
        Vendor::HighLevel => (100, 10_000, Some(200_000)),
        // 600 of the promised 800 points a minute (Twitch API Concepts, Rate Limits; issue 597 of Twitch's tracker).
        Vendor::Twitch => (600, 60_000, None),
    };
    Bucket {
        window_max,
        window_ms,
        next_free_ns: 0,
        hold_until_ms: 0,
        day_limit,
        day_used: 0,
        day_ends_ms: None,
        heard_ms: 0,
    }
}

/// What of a day is left to the tenant's other tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// This share of what the vendor allows, 0 to 100.
    Percent(u8),
    /// This many calls.
    Calls(u64),
}

impl From<u8> for Reserve {
    fn from(percent: u8) -> Reserve {
        Reserve::Percent(percent)
    }
}

impl Reserve {
    /// Returns the calls that are left to others when a day has `limit`.
    fn of(self, limit: u64) -> u64 {
        match self {
            Reserve::Percent(percent) => limit
                .saturating_mul(u64::from(percent.min(100)))
                .div_ceil(100),
            Reserve::Calls(calls) => calls,
        }
    }
}

/// As [`take_leaving`], with the reserve in percent.
#[cfg(test)]
pub(crate) fn take(
    bucket: &mut Bucket,
    vendor: Vendor,
    want: u32,
    reserve_percent: u8,
    now: DateTime<Utc>,
) -> Taken {
    take_leaving(
        bucket,
        vendor,
        want,
        Reserve::Percent(reserve_percent),
        |_, _| 0,
        now,
    )
}

/// Takes up to `want` permits out of the row.
///
/// `reserve` of the day is left to others, and so is what `kept` says of a day's limit and its end. A row that claims to be further ahead than it can be was written under another
/// clock, and is started over.
pub(crate) fn take_leaving(
    bucket: &mut Bucket,
    vendor: Vendor,
    want: u32,
    reserve: Reserve,
    kept: impl FnOnce(u64, DateTime<Utc>) -> u64,
    now: DateTime<Utc>,
) -> Taken {
    let now_ms = now.timestamp_millis();
    let hold = TimeDelta::milliseconds(bucket.hold_until_ms.saturating_sub(now_ms).max(0));
    if hold > LONGEST_HOLD {
        bucket.hold_until_ms = 0;
    } else if hold > LONGEST_WAIT {
        return Taken::Shut(now + hold);
    } else if hold > TimeDelta::zero() {
        return Taken::Wait(hold.to_std().unwrap_or_default());
    }

    let day_ends = day_end(bucket, now);
    let left = match bucket.day_limit {
        Some(limit) => limit
            .saturating_sub(bucket.day_used)
            .saturating_sub(reserve.of(limit))
            .saturating_sub(kept(limit, day_ends)),
        None => u64::MAX,
    };
    if left == 0 {
        return Taken::Shut(day_ends);
    }

    let pace = Pace::of(vendor, window(bucket));
    let want = want
        .min(u32::try_from(left).unwrap_or(u32::MAX))
        .min(pace.at_once());
    match pace.check(bucket, want, now) {
        Ok(permits) => {
            bucket.day_used = bucket.day_used.saturating_add(u64::from(permits));
            Taken::Permits(permits)
        }
        Err(wait) => Taken::Wait(wait),
    }
}

/// Returns when the present day ends, after beginning a new one when it is over or cannot be true.
fn day_end(bucket: &mut Bucket, now: DateTime<Utc>) -> DateTime<Utc> {
    let running = bucket
        .day_ends_ms
        .and_then(DateTime::from_timestamp_millis)
        .filter(|ends| *ends > now && *ends - now <= DAY + TimeDelta::minutes(1));
    running.unwrap_or_else(|| {
        bucket.day_used = 0;
        bucket.day_ends_ms = Some((now + DAY).timestamp_millis());
        now + DAY
    })
}

/// Something an answer told of the limits, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    window: Option<Window>,
    day_limit: Option<u64>,
    day_used: Option<u64>,
    day_ends_ms: Option<i64>,
    at_ms: i64,
}

impl Heard {
    /// Takes from the headers what belongs into the row; `None` when that is nothing.
    ///
    /// `sent` calls are under way and not yet in the server's count. A day that the vendor calls empty leaves no call to anybody.
    pub(crate) fn of(
        hints: &Hints,
        sent: u32,
        limit: Option<u64>,
        now: DateTime<Utc>,
    ) -> Option<Heard> {
        let day_limit = hints.day.and_then(|day| day.limit);
        let heard = Heard {
            window: hints.window,
            day_limit,
            day_used: hints.day.and_then(|day| {
                let limit = day_limit.or(limit)?;
                Some(limit.saturating_sub(day.remaining) + u64::from(sent))
            }),
            day_ends_ms: hints
                .day
                .and_then(|day| day.resets_in)
                .and_then(|left| TimeDelta::from_std(left).ok())
                .map(|left| (now + left).timestamp_millis()),
            at_ms: now.timestamp_millis(),
        };
        let Heard {
            window,
            day_limit,
            day_used,
            day_ends_ms,
            at_ms: _,
        } = heard;
        let something =
            window.is_some() || day_limit.is_some() || day_used.is_some() || day_ends_ms.is_some();
        something.then_some(heard)
    }

    /// Returns whether the row should learn of it at once, not with the next permits: a limit or the day's end is another.
    pub(crate) fn is_news(&self, bucket: &Bucket) -> bool {
        let another_window = self
            .window
            .is_some_and(|window| window != self::window(bucket));
        let another_limit = self.day_limit.is_some() && self.day_limit != bucket.day_limit;
        // The two clocks and the way between them make the same end differ by seconds.
        let another_end = self.day_ends_ms.is_some_and(|ends_ms| {
            bucket
                .day_ends_ms
                .is_none_or(|known_ms| known_ms.abs_diff(ends_ms) > 60_000)
        });
        another_window || another_limit || another_end
    }

    /// Writes it into the row. The vendor's word wins over our count, a newer word over an older one.
    pub(crate) fn tell(&self, bucket: &mut Bucket, now: DateTime<Utc>) {
        // A word from the future was heard under another clock.
        let older = self.at_ms < bucket.heard_ms && bucket.heard_ms <= now.timestamp_millis();
        if older {
            return;
        }
        bucket.heard_ms = self.at_ms;
        if let Some(window) = self.window {
            bucket.window_max = window.max;
            bucket.window_ms = window.interval_ms;
        }
        if self.day_limit.is_some() {
            bucket.day_limit = self.day_limit;
        }
        if let Some(used) = self.day_used {
            bucket.day_used = used;
        }
        if self.day_ends_ms.is_some() {
            bucket.day_ends_ms = self.day_ends_ms;
        }
    }
}

/// Holds everybody until `until`, or longer if the row already says so.
pub(crate) fn hold(bucket: &mut Bucket, until: DateTime<Utc>, now: DateTime<Utc>) {
    let believed = bucket.hold_until_ms - now.timestamp_millis() <= LONGEST_HOLD.num_milliseconds();
    let held_ms = if believed { bucket.hold_until_ms } else { 0 };
    bucket.hold_until_ms = held_ms.max(until.timestamp_millis());
}

/// Marks the day as used up.
pub(crate) fn spend(
    bucket: &mut Bucket,
    until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    if let Some(until) = until {
        bucket.day_ends_ms = Some(until.timestamp_millis());
    }
    let ends = day_end(bucket, now);
    if let Some(limit) = bucket.day_limit {
        bucket.day_used = bucket.day_used.max(limit);
    }
    bucket.heard_ms = now.timestamp_millis();
    ends
}

fn window(bucket: &Bucket) -> Window {
    Window {
        max: bucket.window_max.max(1),
        interval_ms: bucket.window_ms.max(1),
    }
}

/// The spacing and the burst that keep any window below its allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    spacing_ns: u64,
    burst: u32,
    interval_ns: u64,
}

impl Pace {
    fn of(vendor: Vendor, window: Window) -> Pace {
        let interval_ns = window.interval_ms.saturating_mul(1_000_000);
        let max = u64::from(window.max);
        let burst = match vendor {
            // What falls in 200 ms, at least 2; never more than a fiftieth of the window, so that a small allowance is not lost to it.
            Vendor::HighLevel => (200 * max / window.interval_ms).max(2).min(max / 50),
            Vendor::Twitch => (max / 30).min(20),
        }
        .max(1);
        // Any window sees at most `burst` calls and one for each whole spacing in it: below `max` by construction.
        let wide = interval_ns.saturating_mul(SPACING_PER_MILLE) / 1_000 / max;
        let room = interval_ns / max.saturating_sub(burst).max(1);
        let mut spacing_ns = wide.max(room + room / 10_000 + 1);
        if max == 1 {
            // One call in a window: the spacing alone keeps it.
            spacing_ns = wide;
        }
        Pace {
            spacing_ns,
            burst: u32::try_from(burst).unwrap_or(u32::MAX),
            interval_ns,
        }
    }

    /// Returns how many permits are taken in one go: half the burst, so that the other half makes up for waking late.
    fn at_once(&self) -> u32 {
        (self.burst / 2).max(1)
    }

    /// Asks governor for `want` permits, or for one when so many are not free yet; else returns the wait.
    fn check(&self, bucket: &mut Bucket, want: u32, now: DateTime<Utc>) -> Result<u32, Duration> {
        let now_ns = now
            .timestamp_nanos_opt()
            .and_then(|ns| u64::try_from(ns).ok())
            .unwrap_or(0);
        // Further ahead than one window (or than one burst, should that be longer): another clock wrote it.
        let burst_ns = self.spacing_ns.saturating_mul(u64::from(self.burst));
        let furthest_ns = now_ns.saturating_add(self.interval_ns.max(burst_ns));
        let believed = bucket.next_free_ns <= furthest_ns;
        let cell = TheRow(Cell::new(
            believed.then_some(bucket.next_free_ns).filter(|ns| *ns > 0),
        ));
        let Some(quota) = Quota::with_period(Duration::from_nanos(self.spacing_ns)) else {
            return Ok(want);
        };
        let quota = quota.allow_burst(NonZeroU32::new(self.burst).unwrap_or(NonZeroU32::MIN));
        // Governor measures from the moment a limiter is made; made at zero, its time is the Unix epoch's.
        let clock = FakeRelativeClock::default();
        let limiter =
            RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::new(quota, cell, clock.clone());
        clock.advance(Duration::from_nanos(now_ns));
        let mut wait = Duration::ZERO;
        let mut tries = [want, 1];
        tries.sort_unstable();
        for n in tries.into_iter().rev().filter_map(NonZeroU32::new) {
            match limiter.check_n(n) {
                Ok(Ok(())) => {
                    bucket.next_free_ns = limiter.into_state_store().0.get().unwrap_or(0);
                    return Ok(n.get());
                }
                Ok(Err(early)) => wait = early.wait_time_from(Nanos::from(now_ns)),
                // `want` is never above the burst.
                Err(_) => {}
            }
        }
        Err(wait.max(Duration::from_nanos(1)))
    }
}

/// The one cell of governor's state: the row's theoretical arrival time.
struct TheRow(Cell<Option<u64>>);

impl StateStore for TheRow {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (answer, next) = decide(self.0.get().map(Nanos::from))?;
        self.0.set(Some(next.as_u64()));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
