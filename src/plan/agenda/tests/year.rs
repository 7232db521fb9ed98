//! A hundred jobs in twenty zones for a year, beside a witness that knows nothing of cron: it walks the clocks on the walls.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{Africa, America, Antarctica, Asia, Atlantic, Australia, Europe, Pacific};

use super::*;

const ZONES: [Tz; 20] = [
    Tz::UTC,
    Europe::Berlin,
    Europe::London,
    Europe::Dublin,
    Europe::Lisbon,
    Europe::Chisinau,
    Atlantic::Azores,
    America::New_York,
    America::Los_Angeles,
    America::St_Johns,
    America::Santiago,
    America::Havana,
    America::Sao_Paulo,
    Africa::Cairo,
    Africa::Casablanca,
    Asia::Beirut,
    Asia::Kolkata,
    Australia::Lord_Howe,
    Pacific::Chatham,
    Antarctica::Troll,
];

/// A job: its line, the hours and minutes and weekdays that it names (Sunday is 0), and whether it is a rhythm.
struct Plan {
    line: &'static str,
    hours: &'static [u32],
    minutes: &'static [u32],
    weekdays: &'static [u32],
    is_rhythm: bool,
}

const ALL_HOURS: &[u32] = &[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
];
const EVERY_DAY: &[u32] = &[0, 1, 2, 3, 4, 5, 6];

const PLANS: [Plan; 5] = [
    Plan {
        line: "30 2 * * *",
        hours: &[2],
        minutes: &[30],
        weekdays: EVERY_DAY,
        is_rhythm: false,
    },
    Plan {
        line: "0,15,45 0,1,2,3 * * 0,1",
        hours: &[0, 1, 2, 3],
        minutes: &[0, 15, 45],
        weekdays: &[0, 1],
        is_rhythm: false,
    },
    Plan {
        line: "20 */3 * * *",
        hours: &[0, 3, 6, 9, 12, 15, 18, 21],
        minutes: &[20],
        weekdays: EVERY_DAY,
        is_rhythm: true,
    },
    Plan {
        line: "5 * * * 0",
        hours: ALL_HOURS,
        minutes: &[5],
        weekdays: &[0],
        is_rhythm: true,
    },
    Plan {
        line: "*/30 0-4 * * 6,0",
        hours: &[0, 1, 2, 3, 4],
        minutes: &[0, 30],
        weekdays: &[6, 0],
        is_rhythm: true,
    },
];

/// Every offset changes at a whole five minutes of UTC.
const STEP: TimeDelta = TimeDelta::minutes(5);

/// What the clock on the wall shows at every fifth minute of the year, and a day before and after.
fn wall(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<(DateTime<Utc>, NaiveDateTime)> {
    let mut shown = Vec::new();
    let mut at = from;
    let mut offset = TimeDelta::zero();
    let mut count = 0;
    while at <= to {
        // Looked up every quarter of an hour alone: that is slow, and no zone changes in between.
        if count % 3 == 0 {
            let seconds = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
            offset = TimeDelta::seconds(i64::from(seconds.local_minus_utc()));
        }
        shown.push((at, at.naive_utc() + offset));
        at += STEP;
        count += 1;
    }
    shown
}

/// Returns when the plan is due, as somebody would say who looks at the clock all year.
fn witnessed(plan: &Plan, wall: &[(DateTime<Utc>, NaiveDateTime)]) -> BTreeSet<DateTime<Utc>> {
    let is_day = |day: NaiveDate| {
        plan.weekdays
            .contains(&day.weekday().num_days_from_sunday())
    };
    let names = |local: &NaiveDateTime| {
        plan.minutes.contains(&local.minute())
            && plan.hours.contains(&local.hour())
            && is_day(local.date())
    };
    if plan.is_rhythm {
        return wall
            .iter()
            .filter(|(_, local)| names(local))
            .map(|(at, _)| *at)
            .collect();
    }
    // A moment of a day: the first time that the clock shows it, or the first time that it shows something later.
    let mut first: BTreeMap<NaiveDateTime, DateTime<Utc>> = BTreeMap::new();
    for (at, local) in wall {
        first.entry(*local).or_insert(*at);
    }
    let days: BTreeSet<NaiveDate> = wall.iter().map(|(_, local)| local.date()).collect();
    let mut due = BTreeSet::new();
    for day in days.into_iter().filter(|day| is_day(*day)) {
        for (hour, minute) in plan
            .hours
            .iter()
            .flat_map(|hour| plan.minutes.iter().map(move |minute| (*hour, *minute)))
        {
            let local = day.and_hms_opt(hour, minute, 0).unwrap();
            if let Some((_, at)) = first.range(local..).next() {
                due.insert(*at);
            }
        }
    }
    due
}

struct Lot(u64);

impl Lot {
    fn below(&mut self, most: u64) -> u64 {
        self.0 += 1;
        scatter("lot", i64::try_from(self.0).unwrap()) % most
    }
}

#[test]
fn a_hundred_jobs_in_twenty_zones_run_every_moment_of_a_year_once_or_catch_it_up_once() {
    let (start, end) = (utc("2026-01-01T00:00:00Z"), utc("2027-01-01T00:00:00Z"));
    let (mut runs, mut caught_up, mut killed) = (0_u64, 0_u64, 0_u64);
    for (index, zone) in ZONES.into_iter().enumerate() {
        let wall = wall(zone, start - TimeDelta::days(1), end + TimeDelta::days(1));
        for plan in &PLANS {
            let due = witnessed(plan, &wall);
            let due: Vec<DateTime<Utc>> = due
                .into_iter()
                .filter(|at| *at > start && *at <= end)
                .collect();
            let terms = terms(&[plan.line], zone, Duration::ZERO);
            let mut lot = Lot(index as u64 * 1_000_003);
            let mut memory = Memory::new(&terms, start);
            let mut now = start;
            let mut served_to = start;
            // Whether the daemon was there, and the job free to run, ever since the moment it now wants came.
            let mut was_ready = true;
            while now <= end {
                match terms.wants(&memory, now) {
                    Wants::Nothing { next } => {
                        let next = next.unwrap();
                        let expected = due.iter().find(|at| **at > now);
                        assert_eq!(
                            expected.copied(),
                            Some(next).filter(|next| *next <= end),
                            "{} {zone} after {now}",
                            plan.line
                        );
                        was_ready = true;
                        // Now and then the machine sleeps, or the daemon is down, over the next moments.
                        now = match lot.below(40) {
                            0 => {
                                was_ready = false;
                                next + TimeDelta::minutes(
                                    i64::try_from(lot.below(3 * 24 * 60)).unwrap(),
                                )
                            }
                            _ => next,
                        };
                    }
                    Wants::Run { moment } => {
                        let open: Vec<_> = due
                            .iter()
                            .filter(|at| **at > served_to && **at <= now)
                            .collect();
                        assert_eq!(
                            open.last().copied(),
                            Some(&moment),
                            "{} {zone} at {now}",
                            plan.line
                        );
                        if was_ready {
                            assert_eq!(
                                now, moment,
                                "{} {zone}: late although it was free",
                                plan.line
                            );
                            assert_eq!(
                                open.len(),
                                1,
                                "{} {zone} at {now}: left out a moment",
                                plan.line
                            );
                        }
                        runs += 1;
                        let began = now;
                        memory = memory.begins(now);
                        // Mostly a run is short; some last longer than the next moment, fail, or are killed.
                        let (lasts, came) = match lot.below(60) {
                            0 => (lot.below(600), Some(Came::Served)),
                            1 => (1, Some(Came::Failed("x".to_owned()))),
                            2 => (1, None),
                            3 => (1, Some(Came::Stopped)),
                            4 => (1, Some(Came::Busy)),
                            _ => (1, Some(Came::Served)),
                        };
                        now = began + TimeDelta::minutes(i64::try_from(lasts).unwrap());
                        was_ready = now == began;
                        memory = match came {
                            Some(came) => {
                                if came == Came::Served {
                                    caught_up += u64::from(open.len() > 1);
                                    served_to = moment;
                                }
                                memory.ends(moment, came, now)
                            }
                            None => {
                                killed += 1;
                                now += TimeDelta::minutes(i64::try_from(lot.below(300)).unwrap());
                                memory.killed(now)
                            }
                        };
                    }
                    Wants::Pause { until } => {
                        assert!(until > now);
                        was_ready = false;
                        now = until;
                    }
                    other @ (Wants::Jitter { .. } | Wants::Quiet { .. }) => panic!("{other:?}"),
                }
            }
        }
    }
    // So that the test cannot become an empty one.
    assert!(
        runs > 50_000 && caught_up > 1_000 && killed > 500,
        "{runs} {caught_up} {killed}"
    );
}
