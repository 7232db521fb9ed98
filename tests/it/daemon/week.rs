//! Seven days of five jobs in two vendor buckets, with all that can happen to a small machine in a week.

mod town;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use ghl_sync::model::Job;
use ghl_sync::plan::due;
use ghl_sync::sandbox::{Fault, FaultKind, Follower};

use crate::rig::hours;
use town::{Row, STEP, Town};

/// The calls that the first location's day has; the other has the vendor's usual day.
const DAILY: u64 = 1_000;

/// So many follow the first channel in one hour: more than a day of calls can make contacts of.
const BACKLOG: u64 = 1_000;

/// So often the daemon is killed or ended.
const ENDS: usize = 5;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// A time in which a job of the first location, or of any, may be late.
struct Trouble {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    first_alone: bool,
}

impl Trouble {
    fn concerns(&self, job: &str, moment: DateTime<Utc>) -> bool {
        (!self.first_alone || job.starts_with("a-")) && self.from <= moment && moment <= self.until
    }
}

/// Returns the due moments of a job after `from` and up to `until`, each once.
fn moments(job: &Job, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let mut all = BTreeSet::new();
    for line in job.schedule.iter().chain(&job.full) {
        let mut last = from;
        while let Some(next) = due::next(line, job.timezone, last).unwrap() {
            if next > until {
                break;
            }
            all.insert(next);
            last = next;
        }
    }
    all.into_iter().collect()
}

fn follow(town: &Town, index: usize, number: u64) {
    let id = (500_000_000 + number).to_string();
    town.sandboxes[index].follow(&id, &format!("fan_{number}"), &format!("Fan {number}"));
}

/// Lets people come and go: one comes every three hours, one goes every twelve and comes back a day later.
fn people(town: &Town, hour: u64, gone: &mut Vec<(u64, Follower)>) {
    for index in 0..2 {
        if hour.is_multiple_of(3) {
            follow(town, index, 10 * hour + u64::try_from(index).unwrap());
        }
    }
    if hour % 12 == 5 && hour < 120 {
        let sandbox = &town.sandboxes[0];
        if let Some(oldest) = sandbox.followers().pop() {
            sandbox.unfollow(&oldest.id);
            gone.push((hour, oldest));
        }
    }
    gone.retain(|(when, person)| {
        let is_back = hour == when + 24;
        if is_back {
            town.sandboxes[0].follow(&person.id, &person.login, &person.name);
        }
        !is_back
    });
}

/// Asserts what the run table must show of one job.
fn assert_kept(
    name: &str,
    rows: &[Row],
    due: &[DateTime<Utc>],
    troubles: &[Trouble],
    end: DateTime<Utc>,
) {
    for pair in rows.windows(2) {
        let [one, next] = pair else { continue };
        let free = one.ended.unwrap_or(one.began);
        assert!(free <= next.began, "{name} overlaps: {one:?} {next:?}");
    }
    let good: Vec<&Row> = rows.iter().filter(|row| row.is_good()).collect();
    for moment in due {
        let served = good.iter().find(|row| row.began >= *moment);
        let Some(served) = served else {
            panic!("{name} was never run for {moment}")
        };
        let late = served.began - *moment;
        let may_be_late = troubles.iter().any(|it| it.concerns(name, *moment));
        assert!(
            may_be_late || late <= TimeDelta::minutes(25),
            "{name} ran {late} late for {moment}"
        );
    }
    // A run that no moment asked for: only after an end of the daemon that came between a run's last commit and its note.
    let for_nothing = good.windows(2).filter(|pair| {
        let [one, next] = pair else { return false };
        !due.iter().any(|it| one.began < *it && *it <= next.began)
    });
    let for_nothing = for_nothing.count();
    assert!(
        for_nothing <= ENDS,
        "{name}: {for_nothing} runs for nothing"
    );
    let first_runs = rows.first().is_some_and(|row| row.began < due[1]);
    assert!(first_runs, "{name} began late");
    assert!(good.len() >= 90, "{name} ran {} times to {end}", good.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_of_five_jobs_with_an_outage_a_spent_day_kills_and_a_sleep_keeps_every_promise() {
    let start = at("2026-03-05T00:05:00Z");
    let mut town = Town::new(start, DAILY).await;
    let begun = town.now();
    let end = at("2026-03-12T00:05:00Z");
    let (outage, outage_over) = (at("2026-03-06T10:15:00Z"), at("2026-03-06T14:05:00Z"));
    let (backlog, backlog_over) = (at("2026-03-07T09:25:00Z"), at("2026-03-08T14:00:00Z"));
    let kills = [
        (at("2026-03-05T21:00:00Z"), 3),
        (at("2026-03-08T20:00:00Z"), 11),
        (at("2026-03-09T03:00:00Z"), 24),
        (at("2026-03-11T08:00:00Z"), 50),
    ];
    let restart = at("2026-03-09T12:00:00Z");
    let reload = at("2026-03-10T20:00:00Z");
    let (sleep, awake) = (at("2026-03-10T01:15:00Z"), at("2026-03-10T06:35:00Z"));
    let calm = at("2026-03-11T18:00:00Z");

    let mut gone = Vec::new();
    let mut last_hour = None;
    let mut before = begun;
    while town.now() < end {
        let now = town.now();
        // Whether the clock passed a moment since the last round.
        let since = before;
        let comes = |moment: DateTime<Utc>| since < moment && moment <= now;
        // The step after this round reaches it.
        let is_next = |moment: DateTime<Utc>| {
            now < moment && moment <= now + TimeDelta::minutes(STEP.cast_signed())
        };
        let hour = (now - start).num_hours().unsigned_abs();
        if last_hour != Some(hour) && now < calm {
            last_hour = Some(hour);
            people(&town, hour, &mut gone);
        }
        if comes(outage) {
            let ill = Fault::new(FaultKind::Status503).times(1_000_000);
            town.sandboxes[0].fault(ill);
        }
        if comes(outage_over) {
            town.sandboxes[0].clear_faults();
        }
        if comes(backlog) {
            for number in 0..BACKLOG {
                follow(&town, 0, 1_000_000 + number);
            }
        }
        before = now;
        if let Some((_, commits)) = kills.iter().find(|(moment, _)| is_next(*moment)) {
            town.kill(*commits).await;
        } else if is_next(restart) {
            town.restart().await;
        } else if is_next(reload) {
            town.reload().await;
            town.tick().await;
        } else if comes(sleep) {
            town.sandboxes[0].advance((awake - now).to_std().unwrap());
            town.settle().await;
        } else {
            town.tick().await;
        }
    }

    for (index, sandbox) in town.sandboxes.iter().enumerate() {
        assert_eq!(sandbox.too_many(), 0, "429 at location {index}");
    }
    let troubles = [
        Trouble {
            from: outage - TimeDelta::minutes(30),
            until: outage_over + TimeDelta::minutes(70),
            first_alone: true,
        },
        Trouble {
            from: backlog - TimeDelta::minutes(30),
            until: backlog_over,
            first_alone: true,
        },
        // While the big job writes, the clock runs ahead of everybody by minutes.
        Trouble {
            from: backlog,
            until: backlog + TimeDelta::hours(8),
            first_alone: false,
        },
        Trouble {
            from: sleep - TimeDelta::minutes(20),
            until: awake,
            first_alone: false,
        },
    ];
    let config = town.config();
    let rows = town.rows();
    let last = end - TimeDelta::hours(1);
    for (name, job) in &config.jobs {
        let due = moments(job, begun, last);
        assert_kept(name.as_str(), &rows[name.as_str()], &due, &troubles, end);
    }

    // The troubles were there: runs were killed in the middle, and the outage failed some.
    let killed = rows.values().flatten().filter(|row| row.ended.is_none());
    assert!(killed.count() >= 1, "no run was killed");
    let in_outage = |row: &&Row| row.began > outage && row.began < outage_over && !row.is_good();
    assert!(rows["a-main"].iter().filter(in_outage).count() >= 3);
    assert!(rows["b-main"].iter().filter(in_outage).count() == 0);

    // The day was spent by the big job, and meanwhile the others went on.
    let big = &rows["a-main"];
    let spent = big
        .iter()
        .filter(|row| !row.is_good() && row.began > backlog && row.began < backlog_over)
        .filter_map(|row| Some((row.began, row.ended?)))
        .max_by_key(|(began, ended)| *ended - *began);
    let (writes_from, writes_until) = spent.expect("the day was to be spent");
    let took = writes_until - writes_from;
    assert!(took > TimeDelta::hours(1), "{took}");
    for name in ["a-tags", "a-late", "b-main", "b-tags"] {
        let ended = rows[name].iter().filter(|row| {
            row.is_good()
                && row.began >= writes_from
                && row.ended.is_some_and(|ended| ended <= writes_until)
        });
        assert!(ended.count() >= 1, "{name} waited while a-main wrote");
        let until = writes_until + TimeDelta::hours(8);
        let after = rows[name]
            .iter()
            .filter(|row| row.is_good() && row.began > writes_until && row.began < until);
        let after = after.count();
        assert!(after >= 6, "{name} ran {after} times on the spent day");
    }

    for (index, sandbox) in town.sandboxes.iter().enumerate() {
        for follower in sandbox.followers() {
            let found = sandbox.contacts_by_field("twitch_user_id", &follower.id);
            assert_eq!(found.len(), 1, "{} at location {index}", follower.id);
        }
    }
    let unsettled = town.number("SELECT count(*) FROM step WHERE mark IN ('sent', 'unknown')");
    assert_eq!(unsettled, 0);

    // Once more around the clock's dial, and nobody writes anything.
    for sandbox in &town.sandboxes {
        sandbox.clear_calls();
    }
    let runs_before: usize = town.rows().values().map(Vec::len).sum();
    for _ in 0..6 {
        town.tick().await;
    }
    for sandbox in &town.sandboxes {
        assert_eq!(sandbox.writes().len(), 0);
    }
    let runs: usize = town.rows().values().map(Vec::len).sum();
    assert!(runs >= runs_before + 5);
    assert!(town.now() - end < TimeDelta::from_std(hours(3)).unwrap());
}
