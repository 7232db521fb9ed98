//! What the headers of an answer say about limits, time and the token.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::tally::Vendor;

/// HighLevel's burst window when an answer names the allowance alone (its page on rate limits).
const USUAL_INTERVAL_MS: u64 = 10_000;

/// What is planned for of the points a minute that Twitch promises: 600 of 800, where 429s were seen to begin (issue 597 of Twitch's tracker).
const TWITCH_SHARE_PERCENT: u64 = 75;

/// How many calls are allowed in a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The number of calls, at least 1.
    pub max: u32,
    /// The length of the window in milliseconds, at least 10.
    pub interval_ms: u64,
}

/// What the vendor says of the day's allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The number of calls in 24 h; `None` when the answer does not name it.
    pub limit: Option<u64>,
    /// The calls left.
    pub remaining: u64,
    /// The time until the day ends; `None` when the answer does not name it.
    pub resets_in: Option<Duration>,
}

/// The headers of an answer that we use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The allowance to plan with, already reduced to what the vendor keeps in fact.
    pub window: Option<Window>,
    /// The calls left in the present window, or the points left in the bucket.
    pub remaining: Option<u32>,
    /// The day's allowance; HighLevel alone has one.
    pub day: Option<Day>,
    /// How long the vendor asks us to wait.
    pub retry_after: Option<Duration>,
    /// When Twitch's bucket is full again.
    pub full_at: Option<DateTime<Utc>>,
    /// The vendor's clock, in whole seconds.
    pub date: Option<DateTime<Utc>>,
    /// Whether `WWW-Authenticate` says that the token is dead.
    pub dead_token: bool,
}

impl Hints {
    /// Reads the headers; `get` returns the value of a header by its lower-case name. What cannot be read is left out.
    pub fn read<'h>(vendor: Vendor, get: impl Fn(&str) -> Option<&'h str>) -> Hints {
        let number = |name: &str| get(name).and_then(|text| text.trim().parse::<u64>().ok());
        let date = get("date").and_then(moment);
        let retry_after = get("retry-after").and_then(|text| match text.trim().parse::<u64>() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => (moment(text)? - date?).to_std().ok(),
        });
        let dead_token = get("www-authenticate").is_some_and(|text| text.contains("invalid_token"));
        let hints = Hints {
            retry_after,
            date,
            dead_token,
            ..Hints::default()
        };
        match vendor {
            Vendor::HighLevel => Hints {
                window: number("x-ratelimit-max").and_then(|max| {
                    let interval = number("x-ratelimit-interval-milliseconds");
                    window(max, interval.unwrap_or(USUAL_INTERVAL_MS))
                }),
                remaining: number("x-ratelimit-remaining").map(small),
                day: number("x-ratelimit-daily-remaining").map(|remaining| Day {
                    limit: number("x-ratelimit-limit-daily").filter(|limit| *limit > 0),
                    remaining,
                    resets_in: number("x-ratelimit-daily-reset").map(Duration::from_millis),
                }),
                ..hints
            },
            Vendor::Twitch => Hints {
                window: number("ratelimit-limit").and_then(|points| {
                    window(points.saturating_mul(TWITCH_SHARE_PERCENT) / 100, 60_000)
                }),
                remaining: number("ratelimit-remaining").map(small),
                full_at: number("ratelimit-reset")
                    .and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)),
                ..hints
            },
        }
    }
}

/// Returns the window when it makes sense: at least one call, in 10 ms to an hour.
fn window(max: u64, interval_ms: u64) -> Option<Window> {
    let sensible = max >= 1 && (10..=3_600_000).contains(&interval_ms);
    sensible.then(|| Window {
        max: small(max),
        interval_ms,
    })
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let moment = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some(moment.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(vendor: Vendor, headers: &[(&str, &'static str)]) -> Hints {
        Hints::read(vendor, |name| {
            headers
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        })
    }

    #[test]
    fn highlevel_headers_as_recorded() {
        let seen = hints(
            Vendor::HighLevel,
            &[
                ("x-ratelimit-limit-daily", "200000"),
                ("x-ratelimit-daily-remaining", "199640"),
                ("x-ratelimit-daily-reset", "83207000"),
                ("x-ratelimit-interval-milliseconds", "10000"),
                ("x-ratelimit-max", "100"),
                ("x-ratelimit-remaining", "96"),
                ("date", "Fri, 17 Jul 2026 10:27:09 GMT"),
            ],
        );
        assert_eq!(
            seen.window,
            Some(Window {
                max: 100,
                interval_ms: 10_000
            })
        );
        assert_eq!(seen.remaining, Some(96));
        assert_eq!(
            seen.day,
            Some(Day {
                limit: Some(200_000),
                remaining: 199_640,
                resets_in: Some(Duration::from_millis(83_207_000)),
            })
        );
        // Date and daily-reset give the instant that the reference names.
        let ends = seen.date.unwrap() + Duration::from_millis(83_207_000);
        assert_eq!(ends.to_rfc3339(), "2026-07-18T09:33:56+00:00");
    }

    #[test]
    fn twitch_is_planned_at_three_quarters() {
        let seen = hints(
            Vendor::Twitch,
            &[
                ("ratelimit-limit", "800"),
                ("ratelimit-remaining", "799"),
                ("ratelimit-reset", "1784284708"),
            ],
        );
        assert_eq!(
            seen.window,
            Some(Window {
                max: 600,
                interval_ms: 60_000
            })
        );
        assert_eq!(seen.full_at.unwrap().timestamp(), 1_784_284_708);
    }

    #[test]
    fn nonsense_is_left_out() {
        let seen = hints(
            Vendor::HighLevel,
            &[
                ("x-ratelimit-max", "0"),
                ("x-ratelimit-remaining", "many"),
                ("date", "now"),
                ("retry-after", "soon"),
            ],
        );
        assert_eq!(seen, Hints::default());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seen = hints(Vendor::HighLevel, &[("retry-after", "7")]);
        assert_eq!(seen.retry_after, Some(Duration::from_secs(7)));
        let seen = hints(
            Vendor::HighLevel,
            &[
                ("date", "Fri, 17 Jul 2026 10:27:09 GMT"),
                ("retry-after", "Fri, 17 Jul 2026 10:27:19 GMT"),
            ],
        );
        assert_eq!(seen.retry_after, Some(Duration::from_secs(10)));
    }
}
