//! The vendors' rate limits. Bursts are measured in real time, because clients really wait for them.

use std::time::Instant;

const WINDOW_MS: u128 = 10_000;
const DAY_MS: i64 = 86_400_000;

/// HighLevel: a fixed window of ten seconds and one of 24 hours, each opened by its first call.
pub(crate) struct Windows {
    max: u64,
    daily: u64,
    window: Option<(Instant, u64)>,
    day: Option<(i64, u64)>,
}

/// What the window said to one call.
pub(crate) struct Permit {
    pub(crate) granted: bool,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Milliseconds of real time until a refused call may be tried again.
    pub(crate) wait_ms: i64,
}

impl Windows {
    /// `speed` multiplies the vendor's 100 calls per window.
    pub(crate) fn new(speed: f64, daily: u64) -> Windows {
        Windows {
            max: (100.0 * speed).round().max(1.0) as u64,
            daily,
            window: None,
            day: None,
        }
    }

    /// Asks for one call at this instant; `now` is virtual.
    pub(crate) fn ask(&mut self, at: Instant, now: i64, refused_counted: bool) -> Permit {
        let (opened, used) = match self.window {
            Some((opened, used)) if at.duration_since(opened).as_millis() < WINDOW_MS => {
                (opened, used)
            }
            _ => (at, 0),
        };
        let (day, spent) = match self.day {
            Some((day, spent)) if now - day < DAY_MS => (day, spent),
            _ => (now, 0),
        };
        let granted = used < self.max && spent < self.daily;
        let counted = u64::from(granted || refused_counted);
        let used = (used + u64::from(granted)).min(self.max);
        let spent = (spent + counted).min(self.daily);
        let wait_ms = if spent >= self.daily && !granted {
            DAY_MS - (now - day)
        } else {
            WINDOW_MS.saturating_sub(at.duration_since(opened).as_millis()) as i64
        };
        self.window = Some((opened, used));
        self.day = Some((day, spent));
        let headers = vec![
            ("x-ratelimit-limit-daily", self.daily.to_string()),
            (
                "x-ratelimit-daily-remaining",
                (self.daily - spent).to_string(),
            ),
            (
                "x-ratelimit-daily-reset",
                (DAY_MS - (now - day)).to_string(),
            ),
            ("x-ratelimit-interval-milliseconds", WINDOW_MS.to_string()),
            ("x-ratelimit-max", self.max.to_string()),
            ("x-ratelimit-remaining", (self.max - used).to_string()),
        ];
        Permit {
            granted,
            headers,
            wait_ms,
        }
    }

    /// Gives a permit back: the call was refused and refused calls are free.
    pub(crate) fn give_back(&mut self) {
        if let Some((_, used)) = &mut self.window {
            *used = used.saturating_sub(1);
        }
        if let Some((_, spent)) = &mut self.day {
            *spent = spent.saturating_sub(1);
        }
    }
}

/// Twitch: a bucket of 800 points that claims to refill at 800 a minute and refills at 600.
pub(crate) struct Bucket {
    size: f64,
    refill_per_ms: f64,
    level: f64,
    seen: Instant,
}

impl Bucket {
    pub(crate) fn new(speed: f64) -> Bucket {
        let size = (800.0 * speed).round().max(1.0);
        Bucket {
            size,
            refill_per_ms: 600.0 * speed / 60_000.0,
            level: size,
            seen: Instant::now(),
        }
    }

    /// Asks for one point at this instant; `now` is virtual.
    pub(crate) fn ask(&mut self, at: Instant, now: i64) -> Permit {
        let passed = at.saturating_duration_since(self.seen).as_secs_f64() * 1000.0;
        self.level = (self.level + passed * self.refill_per_ms).min(self.size);
        self.seen = self.seen.max(at);
        let granted = self.level >= 1.0;
        if granted {
            self.level -= 1.0;
        }
        let full_in_ms = (self.size - self.level) / self.refill_per_ms;
        let reset = (now as f64 + full_in_ms) / 1000.0;
        let headers = vec![
            ("ratelimit-limit", format!("{:.0}", self.size)),
            ("ratelimit-remaining", format!("{:.0}", self.level.floor())),
            ("ratelimit-reset", format!("{:.0}", reset.ceil())),
        ];
        Permit {
            granted,
            headers,
            wait_ms: ((1.0 - self.level) / self.refill_per_ms).ceil() as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_window_is_fixed_and_opened_by_its_first_call() {
        let start = Instant::now();
        let mut windows = Windows::new(1.0, 1_000);
        let granted = (0..150)
            .filter(|_| windows.ask(start, 0, false).granted)
            .count();
        assert_eq!(granted, 100);
        let late = start + Duration::from_millis(9_999);
        assert!(!windows.ask(late, 0, false).granted);
        assert!(
            windows
                .ask(start + Duration::from_secs(10), 0, false)
                .granted
        );
    }

    #[test]
    fn a_day_is_spent_in_virtual_time() {
        let mut windows = Windows::new(1000.0, 3);
        let at = Instant::now();
        assert_eq!(
            (0..5).filter(|_| windows.ask(at, 7, true).granted).count(),
            3
        );
        assert!(!windows.ask(at, 7 + DAY_MS - 1, true).granted);
        assert!(windows.ask(at, 7 + DAY_MS, true).granted);
    }

    #[test]
    fn the_twitch_bucket_refills_more_slowly_than_it_says() {
        let mut bucket = Bucket::new(1.0);
        let start = Instant::now();
        let first = (0..1_000).filter(|_| bucket.ask(start, 0).granted).count();
        assert_eq!(first, 800);
        let later = start + Duration::from_secs(60);
        let second = (0..1_000).filter(|_| bucket.ask(later, 0).granted).count();
        assert!((599..=600).contains(&second), "{second}");
    }
}
