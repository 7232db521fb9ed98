//! Time as a value that comes from the top.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// How far a stamp may be later than now and still be taken for one of now: another process may have looked at the clock just before it
/// was set.
const AHEAD_MS: i64 = 5 * 60 * 1_000;

/// Returns whether a stamp is from a clock that was ahead and came back. It is to be treated as absent: waiting for its moment could take
/// years.
pub fn is_ahead(at_ms: i64, now_ms: i64) -> bool {
    at_ms.saturating_sub(now_ms) > AHEAD_MS
}

/// Tells the time and waits; the only way the program below `cli` and `daemon` learns of either.
///
/// The system's clock is the usual one. Tests, and the demo's "a day later", use a moved one: the same clock plus an offset that
/// they own, which may also leap over waits instead of sitting them out.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Where the clock began, on its own dial and on the machine's; `None` is the system's dial.
    began: Option<(DateTime<Utc>, Instant)>,
    offset_ms: Arc<AtomicI64>,
    leaps_over: Option<Duration>,
}

impl Clock {
    /// Returns the system's clock.
    pub fn system() -> Clock {
        Clock {
            began: None,
            offset_ms: Arc::new(AtomicI64::new(0)),
            leaps_over: None,
        }
    }

    /// Returns the system's clock moved by `offset_ms` milliseconds, an offset that its owner may change at any time.
    ///
    /// A wait longer than `leaps_over` moves the offset forward instead of waiting; `None` really waits.
    pub fn moved(offset_ms: Arc<AtomicI64>, leaps_over: Option<Duration>) -> Clock {
        Clock {
            began: None,
            offset_ms,
            leaps_over,
        }
    }

    /// Returns a clock that shows `start` now and goes on from there, moved by `offset_ms` like [`Clock::moved`].
    pub fn starting_at(
        start: DateTime<Utc>,
        offset_ms: Arc<AtomicI64>,
        leaps_over: Option<Duration>,
    ) -> Clock {
        Clock {
            began: Some((start, Instant::now())),
            offset_ms,
            leaps_over,
        }
    }

    /// Returns the present moment, in UTC.
    pub fn now(&self) -> DateTime<Utc> {
        let dial = match self.began {
            None => Utc::now(),
            Some((start, began)) => {
                start + TimeDelta::from_std(began.elapsed()).unwrap_or_default()
            }
        };
        dial + TimeDelta::milliseconds(self.offset_ms.load(Ordering::SeqCst))
    }

    /// Waits until `moment`; returns at once when it has passed.
    pub async fn sleep_until(&self, moment: DateTime<Utc>) {
        let Ok(wait) = (moment - self.now()).to_std() else {
            return;
        };
        if self.leaps_over.is_some_and(|limit| wait > limit) {
            let ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            self.offset_ms.fetch_add(ms, Ordering::SeqCst);
        } else {
            tokio::time::sleep(wait).await;
        }
    }

    /// Waits for `wait`.
    pub async fn sleep(&self, wait: Duration) {
        let delta = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
        let moment = self.now().checked_add_signed(delta);
        self.sleep_until(moment.unwrap_or(DateTime::<Utc>::MAX_UTC))
            .await;
    }
}
