//! A week of a channel: streams, raids, gifts, purges, and everybody's contact, notes and tasks at the end of it.
//!
//! The daemon runs the jobs by their schedules, on a clock that the test moves. While a stream is near, it looks every two minutes, as often as
//! the job over streams is due; else every hour, as all polls of a quiet night are alike and the daemon makes up for those it
//! missed with one.

mod costs;
mod jobs;
mod script;
mod town;
mod witness;

use chrono::TimeDelta;

use town::{Chance, Town};

/// What the witness misses, cut to what a person reads.
fn told(differences: &[String]) -> String {
    let shown: Vec<&str> = differences.iter().take(25).map(String::as_str).collect();
    format!("{} differences:\n{}", differences.len(), shown.join("\n"))
}

/// Lets hours of quiet go by until everything is as it must be.
async fn heal(town: &mut Town) {
    town.witness.sums_up();
    for hour in 0.. {
        let wrong = town.witness.differences(&town.sandbox);
        if wrong.is_empty() && town.unsettled() == 0 {
            return;
        }
        // Who left is looked for once a day.
        if hour >= 30 {
            let ends = town.open_ends();
            panic!("after {hour} hours {}\n{}", told(&wrong), ends.join("\n"));
        }
        town.pass(TimeDelta::hours(1)).await;
    }
}

/// Compares, and looks once around the clock's dial that nobody writes anything.
async fn assert_settled(town: &mut Town) {
    town.witness.sums_up();
    let wrong = town.witness.differences(&town.sandbox);
    assert!(wrong.is_empty(), "{}", told(&wrong));
    assert_eq!(town.unsettled(), 0);
    town.sandbox.clear_calls();
    town.pass(TimeDelta::hours(2)).await;
    let writes = town.sandbox.writes();
    assert!(
        writes.is_empty(),
        "the last passes are not silent: {writes:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_of_a_channel_ends_with_exactly_the_contacts_tags_fields_notes_and_tasks_that_belong()
 {
    let mut town = Town::new(TimeDelta::minutes(75), 0).await;
    while town.next_moment().await.is_some() {
        town.served.settle().await;
    }
    assert_eq!(town.sandbox.too_many(), 0);
    assert_settled(&mut town).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_in_which_every_tenth_call_fails_heals_to_the_same() {
    let mut town = Town::new(TimeDelta::hours(12), 30).await;
    town.every_tenth_call_fails(7);
    while town.next_moment().await.is_some() {
        town.served.settle().await;
    }
    town.sandbox.clear_faults();
    heal(&mut town).await;
    assert_settled(&mut town).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_with_a_kill_in_every_hour_heals_to_the_same() {
    let mut town = Town::new(TimeDelta::hours(12), 30).await;
    let mut chance = Chance(11);
    let (mut hour, mut died) = (None, 0);
    while let Some(moment) = town.next_moment().await {
        let now = moment.timestamp() / 3_600;
        if hour.replace(now) == Some(now) {
            town.served.settle().await;
            continue;
        }
        let commits = u32::try_from(1 + chance.below(30)).unwrap();
        died += u64::from(town.served.kill(commits).await);
    }
    // What is due at a full hour commits more often than that.
    assert!(died > 150, "it died {died} times");
    heal(&mut town).await;
    assert_settled(&mut town).await;
}
