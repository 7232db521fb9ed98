//! The schedule of single jobs, and a year of a hundred of them.

mod year;

use super::*;
use chrono::NaiveTime;
use chrono_tz::{America, Europe};

pub(super) fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

pub(super) fn terms(lines: &[&str], zone: Tz, jitter: Duration) -> Terms {
    Terms {
        lines: lines
            .iter()
            .map(|line| Line::parse(line).unwrap())
            .collect(),
        zone,
        jitter,
        quiet: Vec::new(),
        seed: "job".to_owned(),
        text: format!("{} {zone}", lines.join(" | ")),
    }
}

fn hourly() -> Terms {
    terms(&["0 * * * *"], Tz::UTC, Duration::ZERO)
}

fn quiet(from: (u32, u32), until: (u32, u32)) -> Quiet {
    let time = |(hour, minute)| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
    Quiet {
        from: time(from),
        until: time(until),
    }
}

#[test]
fn a_job_runs_at_its_next_moment_once_and_a_missed_one_is_caught_up_once() {
    let terms = hourly();
    let start = utc("2026-03-02T10:20:00Z");
    let memory = Memory::new(&terms, start);
    let eleven = utc("2026-03-02T11:00:00Z");
    assert_eq!(
        terms.wants(&memory, start),
        Wants::Nothing { next: Some(eleven) }
    );
    assert_eq!(terms.wants(&memory, eleven), Wants::Run { moment: eleven });
    let memory = memory.begins(eleven).ends(eleven, Came::Served, eleven);
    let noon = utc("2026-03-02T12:00:00Z");
    assert_eq!(
        terms.wants(&memory, eleven),
        Wants::Nothing { next: Some(noon) }
    );
    // Asleep for two days: 48 moments, one run.
    let later = utc("2026-03-04T12:30:00Z");
    let moment = utc("2026-03-04T12:00:00Z");
    assert_eq!(terms.wants(&memory, later), Wants::Run { moment });
    let memory = memory.ends(moment, Came::Served, later);
    let next = utc("2026-03-04T13:00:00Z");
    assert_eq!(
        terms.wants(&memory, later),
        Wants::Nothing { next: Some(next) }
    );
}

#[test]
fn both_lines_of_a_job_make_it_due_and_one_run_serves_both() {
    let terms = terms(
        &["0 12 * * *", "30 4 * * 0"],
        Europe::Berlin,
        Duration::ZERO,
    );
    // A Saturday.
    let start = utc("2026-03-07T12:00:00Z");
    let memory = Memory::new(&terms, start);
    let full = utc("2026-03-08T03:30:00Z");
    assert_eq!(
        terms.wants(&memory, start),
        Wants::Nothing { next: Some(full) }
    );
    let noon = utc("2026-03-08T11:00:00Z");
    assert_eq!(
        terms.wants(&memory, utc("2026-03-08T12:00:00Z")),
        Wants::Run { moment: noon }
    );
}

#[test]
fn failures_back_off_to_once_an_hour_and_success_forgets_them() {
    let terms = terms(&["*/15 * * * *"], Tz::UTC, Duration::ZERO);
    let mut now = utc("2026-03-02T10:00:00Z");
    let mut memory = Memory::new(&terms, now - TimeDelta::minutes(1));
    let mut waits = Vec::new();
    for tries in 1..=10 {
        let Wants::Run { moment } = terms.wants(&memory, now) else {
            panic!("{tries}: {:?}", terms.wants(&memory, now));
        };
        memory = memory
            .begins(now)
            .ends(moment, Came::Failed("no answer".to_owned()), now);
        assert_eq!(memory.failures, tries);
        assert_eq!(memory.is_quarantined(), tries >= QUARANTINE);
        let Wants::Pause { until } = terms.wants(&memory, now) else {
            panic!("{:?}", terms.wants(&memory, now));
        };
        waits.push((until - now).num_minutes());
        now = until;
    }
    for (wait, least) in waits[..6].iter().zip([1, 2, 4, 8, 16, 32]) {
        assert!((least..=least + least / 10 + 1).contains(wait), "{waits:?}");
    }
    assert!(
        waits[6..].iter().all(|wait| (60..=66).contains(wait)),
        "{waits:?}"
    );
    let Wants::Run { moment } = terms.wants(&memory, now) else {
        panic!()
    };
    let memory = memory.ends(moment, Came::Served, now);
    assert_eq!((memory.failures, memory.pause(now)), (0, None));
    assert!(matches!(terms.wants(&memory, now), Wants::Nothing { .. }));
}

#[test]
fn a_spent_day_waits_for_the_next_one_and_is_no_failure() {
    let terms = hourly();
    let now = utc("2026-03-02T10:00:00Z");
    let memory = Memory::new(&terms, now - TimeDelta::minutes(1));
    let until = utc("2026-03-02T19:20:00Z");
    let memory = memory.begins(now).ends(now, Came::Spent(until), now);
    assert_eq!(memory.failures, 0);
    assert_eq!(
        terms.wants(&memory, utc("2026-03-02T15:00:00Z")),
        Wants::Pause { until }
    );
    let moment = utc("2026-03-02T19:00:00Z");
    assert_eq!(terms.wants(&memory, until), Wants::Run { moment });
    // A day that ends never, or that has ended, is not taken at its word.
    for wrong in [utc("2026-03-02T09:00:00Z"), utc("2126-03-02T09:00:00Z")] {
        let memory = memory.clone().ends(now, Came::Spent(wrong), now);
        let pause = memory.pause(now).unwrap() - now;
        assert!(pause >= BUSY_PAUSE && pause <= LONGEST_WAIT, "{pause}");
    }
}

#[test]
fn a_killed_run_is_caught_up_at_once_and_one_that_kills_every_time_backs_off() {
    let terms = hourly();
    let now = utc("2026-03-02T10:00:00Z");
    let memory = Memory::new(&terms, now - TimeDelta::minutes(1))
        .begins(now)
        .killed(now);
    assert_eq!(terms.wants(&memory, now), Wants::Run { moment: now });
    let memory = memory.begins(now).killed(now);
    assert!(matches!(terms.wants(&memory, now), Wants::Pause { .. }));
    let stopped = memory.begins(now).ends(now, Came::Stopped, now).anew();
    assert_eq!(terms.wants(&stopped, now), Wants::Run { moment: now });
}

#[test]
fn quiet_hours_hold_what_is_due_until_they_end_by_the_clock_on_the_wall() {
    let mut terms = terms(&["0 * * * *"], America::New_York, Duration::ZERO);
    terms.quiet = vec![quiet((22, 0), (7, 0)), quiet((12, 0), (12, 30))];
    let memory = Memory::new(&terms, utc("2026-03-07T20:00:00Z"));
    // The clock is set forward in that night: 07:00 is 11:00 UTC instead of 12:00.
    let until = utc("2026-03-08T11:00:00Z");
    let night = utc("2026-03-08T05:00:00Z");
    assert_eq!(terms.wants(&memory, night), Wants::Quiet { until });
    assert_eq!(terms.wants(&memory, until), Wants::Run { moment: until });
    assert_eq!(terms.quiet_until(until), None);
    assert_eq!(terms.quiet_from(until), Some(utc("2026-03-08T16:00:00Z")));
    let half = utc("2026-03-08T16:10:30Z");
    assert_eq!(terms.quiet_until(half), Some(utc("2026-03-08T16:30:00Z")));
}

#[test]
fn jitter_delays_by_the_same_while_whenever_it_is_asked_and_starves_nobody() {
    let minute = Duration::from_secs(60);
    let jittered = terms(&["0 * * * *"], Tz::UTC, 10 * minute);
    let moment = utc("2026-03-02T10:00:00Z");
    let memory = Memory::new(&jittered, moment - TimeDelta::minutes(1));
    let Wants::Jitter { until } = jittered.wants(&memory, moment) else {
        panic!("no jitter at all");
    };
    assert!(until - moment <= TimeDelta::minutes(10));
    let later = moment + (until - moment) / 2;
    assert_eq!(jittered.wants(&memory, later), Wants::Jitter { until });
    assert_eq!(jittered.wants(&memory, until), Wants::Run { moment });
    // Every minute, and later by up to five: the newest moment is never old enough, the first one is.
    let dense = terms(&["* * * * *"], Tz::UTC, 5 * minute);
    let mut memory = Memory::new(&dense, moment);
    let mut runs = 0;
    for second in 0..3_600 {
        let now = moment + TimeDelta::seconds(second);
        if let Wants::Run { moment } = dense.wants(&memory, now) {
            memory = memory.ends(moment, Came::Served, now);
            runs += 1;
        }
    }
    assert!((12..=60).contains(&runs), "{runs}");
}

#[test]
fn a_clock_that_was_far_ahead_is_forgotten_and_one_set_back_a_little_runs_nothing_twice() {
    let terms = hourly();
    let now = utc("2026-03-02T10:00:00Z");
    let memory = Memory::new(&terms, now - TimeDelta::minutes(1)).ends(now, Came::Served, now);
    let back = now - TimeDelta::minutes(5);
    let memory = memory.under(&terms, back);
    assert!(matches!(terms.wants(&memory, back), Wants::Nothing { .. }));
    assert!(matches!(terms.wants(&memory, now), Wants::Nothing { .. }));
    let ahead = utc("2031-01-01T00:00:00Z");
    let wrong = memory
        .ends(ahead, Came::Failed("x".to_owned()), ahead)
        .ends(ahead, Came::Served, ahead);
    let mended = wrong.under(&terms, now);
    let eleven = utc("2026-03-02T11:00:00Z");
    assert_eq!(terms.wants(&mended, eleven), Wants::Run { moment: eleven });
}

#[test]
fn an_edited_schedule_is_watched_anew_and_keeps_no_old_debts() {
    let daily = terms(&["0 4 * * *"], Tz::UTC, Duration::ZERO);
    let memory = Memory::new(&daily, utc("2026-02-01T00:00:00Z"));
    let now = utc("2026-03-02T10:20:00Z");
    assert!(matches!(daily.wants(&memory, now), Wants::Run { .. }));
    let memory = memory.under(&hourly(), now);
    let next = Some(utc("2026-03-02T11:00:00Z"));
    assert_eq!(hourly().wants(&memory, now), Wants::Nothing { next });
}

#[test]
fn what_a_job_waits_for_is_its_first_open_moment() {
    let dense = terms(&["* * * * *"], Tz::UTC, Duration::ZERO);
    let ten = utc("2026-03-02T10:00:00Z");
    let now = ten + TimeDelta::minutes(9);
    let long = Memory::new(&dense, ten);
    let short = long
        .clone()
        .ends(ten + TimeDelta::minutes(7), Came::Served, now);
    // Both want the same newest moment, and one of them has waited for longer.
    assert_eq!(dense.wants(&long, now), dense.wants(&short, now));
    assert!(dense.first_open(&long) < dense.first_open(&short));
    assert_eq!(dense.first_open(&long), ten + TimeDelta::minutes(1));
}

#[test]
fn a_pause_that_a_wrong_clock_wrote_is_not_kept() {
    let terms = hourly();
    let now = utc("2026-03-02T10:00:00Z");
    let ahead = now + TimeDelta::hours(20);
    let memory = Memory::new(&terms, now - TimeDelta::minutes(1));
    let wrong = memory
        .clone()
        .ends(ahead, Came::Failed("x".to_owned()), ahead);
    assert_eq!(wrong.pause(now), None);
    let right = memory.ends(now, Came::Failed("x".to_owned()), now);
    assert!(right.pause(now).is_some());
}
