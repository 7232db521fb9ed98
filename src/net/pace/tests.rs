//! The arithmetic under simulated loads.

use super::*;
use crate::net::chance::Chance;

const START_MS: i64 = 1_790_000_000_000;

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(START_MS + ms).unwrap()
}

fn micros(us: i64) -> DateTime<Utc> {
    at(0) + TimeDelta::microseconds(us)
}

/// The most calls that any window of `interval_us` saw.
fn most_in_a_window(calls_us: &[i64], interval_us: i64) -> usize {
    let mut from = 0;
    let mut most = 0;
    for (to, call) in calls_us.iter().enumerate() {
        while calls_us[from] <= call - interval_us {
            from += 1;
        }
        most = most.max(to - from + 1);
    }
    most
}

/// Several callers of one row, each with its own load; returns when calls went, in microseconds.
///
/// `late_us` is by how much a caller wakes late at most, `idle_us` how long it rests now and then.
fn simulate(
    vendor: Vendor,
    row: &mut Bucket,
    callers: usize,
    late_us: f64,
    idle_us: f64,
    length_us: i64,
) -> Vec<i64> {
    let chance = Chance::new(7);
    let by_chance = |most: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "microseconds of a simulation"
        )]
        let us = (chance.next() * most) as i64;
        us
    };
    let mut wake: Vec<i64> = vec![0; callers];
    let mut calls = Vec::new();
    loop {
        let (next, now) = wake
            .iter()
            .copied()
            .enumerate()
            .min_by_key(|(_, us)| *us)
            .unwrap();
        if now >= length_us {
            return calls;
        }
        let want = 1 + u32::try_from(by_chance(20.0)).unwrap();
        wake[next] = match take(row, vendor, want, 0, micros(now)) {
            Taken::Permits(permits) => {
                calls.extend(std::iter::repeat_n(now, permits as usize));
                assert!(calls.len() < 2_000_000, "no end of permits");
                now + if chance.next() < 0.02 {
                    by_chance(idle_us)
                } else {
                    0
                }
            }
            Taken::Wait(wait) => {
                now + i64::try_from(wait.as_micros()).unwrap() + 1 + by_chance(late_us)
            }
            Taken::Shut(until) => panic!("shut until {until}"),
        };
    }
}

#[test]
fn no_ten_seconds_see_more_than_99_calls_whatever_the_load() {
    for (callers, late_us, idle_us) in [
        (1, 0.0, 0.0),
        (1, 3_000.0, 0.0),
        (4, 8_000.0, 0.0),
        (1, 0.0, 2_000_000.0),
        (3, 50_000.0, 30_000_000.0),
    ] {
        let mut row = fresh(Vendor::HighLevel);
        let calls = simulate(
            Vendor::HighLevel,
            &mut row,
            callers,
            late_us,
            idle_us,
            600_000_000,
        );
        let most = most_in_a_window(&calls, 10_000_000);
        assert!(most <= 99, "{most} with {callers} {late_us} {idle_us}");
    }
}

#[test]
fn a_steady_load_uses_95_percent_of_what_is_allowed() {
    for (vendor, limit_per_minute) in [(Vendor::HighLevel, 600), (Vendor::Twitch, 600)] {
        let mut row = fresh(vendor);
        // Waking up to 5 ms late costs nothing, because the burst makes up for it.
        let calls = simulate(vendor, &mut row, 2, 5_000.0, 0.0, 600_000_000);
        let least = limit_per_minute * 10 * 95 / 100;
        assert!(calls.len() >= least, "{vendor}: {} of {least}", calls.len());
    }
}

#[test]
fn no_minute_sees_more_than_600_points() {
    let mut row = fresh(Vendor::Twitch);
    let calls = simulate(
        Vendor::Twitch,
        &mut row,
        3,
        2_000.0,
        5_000_000.0,
        1_200_000_000,
    );
    let most = most_in_a_window(&calls, 60_000_000);
    assert!(most <= 600, "{most}");
    assert!(calls.iter().filter(|us| **us == 0).count() <= 20);
}

#[test]
fn any_learned_limit_keeps_its_window_and_most_of_its_rate() {
    for vendor in [Vendor::HighLevel, Vendor::Twitch] {
        for (max, interval_ms, share) in [
            (1, 1_000, 90),
            (2, 1_000, 45),
            (10, 10_000, 85),
            (100, 1_000, 90),
            (100_000, 2_000, 95),
            (10_000, 60_000, 95),
        ] {
            let mut row = fresh(vendor);
            row.window_max = max;
            row.window_ms = interval_ms;
            row.day_limit = None;
            let interval_us = i64::try_from(interval_ms).unwrap() * 1_000;
            let calls = simulate(vendor, &mut row, 2, 0.0, 0.0, interval_us * 3);
            let most = most_in_a_window(&calls, interval_us);
            assert!(most <= max as usize, "{vendor}: {most} of {max}");
            let least = 3 * max as usize * share / 100;
            assert!(
                calls.len() >= least,
                "{vendor} {max}: {} of {least}",
                calls.len()
            );
        }
    }
}

#[test]
fn a_rested_bucket_gives_a_burst_of_two() {
    let mut row = fresh(Vendor::HighLevel);
    let mut take = |ms| take(&mut row, Vendor::HighLevel, 1, 0, at(ms));
    assert_eq!(take(0), Taken::Permits(1));
    assert_eq!(take(0), Taken::Permits(1));
    let Taken::Wait(wait) = take(0) else {
        panic!("no third call at once")
    };
    assert_eq!(wait.as_millis(), 103);
    assert_eq!(take(103), Taken::Permits(1));
}

#[test]
fn a_row_from_another_clock_is_started_over() {
    let mut row = fresh(Vendor::HighLevel);
    assert_eq!(
        take(&mut row, Vendor::HighLevel, 1, 0, at(365 * 86_400_000)),
        Taken::Permits(1)
    );
    row.hold_until_ms = START_MS + 200 * 86_400_000;
    // The clock is a year earlier now: neither the next free moment, nor the hold, nor the day are believed.
    assert_eq!(
        take(&mut row, Vendor::HighLevel, 1, 0, at(0)),
        Taken::Permits(1)
    );
    assert_eq!(row.day_used, 1);
    assert_eq!(row.day_ends_ms, Some(START_MS + 86_400_000));
}

#[test]
fn a_hold_holds_everybody_and_a_long_one_stops() {
    let mut row = fresh(Vendor::HighLevel);
    hold(&mut row, at(10_000), at(0));
    hold(&mut row, at(5_000), at(0));
    let take = |row: &mut Bucket, ms| take(row, Vendor::HighLevel, 1, 0, at(ms));
    assert_eq!(
        take(&mut row, 4_000),
        Taken::Wait(Duration::from_millis(6_000))
    );
    assert_eq!(take(&mut row, 10_000), Taken::Permits(1));
    hold(&mut row, at(3_600_000), at(10_000));
    assert_eq!(take(&mut row, 11_000), Taken::Shut(at(3_600_000)));
    assert_eq!(row.day_used, 1);
}

#[test]
fn the_day_ends_with_its_reserve_and_begins_again() {
    let mut row = fresh(Vendor::HighLevel);
    row.day_limit = Some(20);
    let mut ms = 0;
    let mut made = 0;
    let until = loop {
        match take(&mut row, Vendor::HighLevel, 3, 5, at(ms)) {
            Taken::Permits(permits) => made += permits,
            Taken::Wait(wait) => ms += i64::try_from(wait.as_millis()).unwrap() + 1,
            Taken::Shut(until) => break until,
        }
    };
    // 5 % of 20 is one call.
    assert_eq!((made, until), (19, at(86_400_000)));
    assert_eq!(
        take(&mut row, Vendor::HighLevel, 1, 5, until),
        Taken::Permits(1)
    );
    assert_eq!(row.day_used, 1);
}

fn hints(remaining: u64, resets_in_s: u64) -> Hints {
    Hints {
        window: Some(Window {
            max: 200,
            interval_ms: 5_000,
        }),
        day: Some(super::super::hints::Day {
            limit: Some(1_000),
            remaining,
            resets_in: Some(Duration::from_secs(resets_in_s)),
        }),
        ..Hints::default()
    }
}

#[test]
fn the_vendors_word_wins_and_a_newer_one_over_an_older() {
    let mut row = fresh(Vendor::HighLevel);
    let first = Heard::of(&hints(400, 3_600), 3, None, at(1_000)).unwrap();
    assert!(first.is_news(&row));
    first.tell(&mut row, at(1_000));
    assert_eq!((row.window_max, row.window_ms), (200, 5_000));
    // 600 counted there, and three calls that were under way.
    assert_eq!((row.day_limit, row.day_used), (Some(1_000), 603));
    assert_eq!(row.day_ends_ms, Some(START_MS + 3_601_000));
    assert!(!first.is_news(&row));
    let second = Heard::of(&hints(100, 3_598), 0, None, at(3_000)).unwrap();
    assert!(!second.is_news(&row));
    second.tell(&mut row, at(9_000));
    first.tell(&mut row, at(9_000));
    assert_eq!(row.day_used, 900);
    // But for a word that was heard under another clock, in what is the future now.
    first.tell(&mut row, at(2_000));
    assert_eq!(row.day_used, 603);
    assert_eq!(Heard::of(&Hints::default(), 0, None, at(0)), None);
}

#[test]
fn a_day_that_the_vendor_calls_spent_is_spent() {
    let mut row = fresh(Vendor::HighLevel);
    assert_eq!(spend(&mut row, Some(at(60_000)), at(0)), at(60_000));
    assert_eq!(
        take(&mut row, Vendor::HighLevel, 1, 0, at(1)),
        Taken::Shut(at(60_000))
    );
    assert_eq!(
        take(&mut row, Vendor::HighLevel, 1, 0, at(60_000)),
        Taken::Permits(1)
    );
}

#[test]
fn a_reserve_is_a_share_or_a_number_of_calls() {
    assert_eq!(Reserve::Percent(5).of(200_000), 10_000);
    assert_eq!(Reserve::Percent(1).of(99), 1);
    assert_eq!(Reserve::Calls(3).of(200_000), 3);
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let fresh = || Bucket {
        day_limit: Some(4),
        ..fresh(Vendor::HighLevel)
    };
    let mut row = fresh();
    assert_eq!(
        take(&mut row, Vendor::HighLevel, 1, 0, now),
        Taken::Permits(1)
    );
    let leaving = |row: &mut Bucket| {
        take_leaving(row, Vendor::HighLevel, 1, Reserve::Calls(3), |_, _| 0, now)
    };
    let mut row = fresh();
    assert_eq!(leaving(&mut row), Taken::Permits(1));
    assert_eq!(leaving(&mut row), Taken::Shut(now + DAY));
}
