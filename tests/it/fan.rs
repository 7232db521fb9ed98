//! A week of a channel: streams, raids, gifts, purges, and everybody's contact, notes and tasks at the end of it.
//!
//! The daemon runs the jobs by their schedules, on a clock that the test moves. While a stream is near, it looks every two minutes, as often as
//! the job over streams is due; else every quarter of an hour, as all polls of a quiet night are alike and the daemon makes up for those it
//! missed with one.

mod jobs;
mod script;
mod town;
mod witness;

use chrono::TimeDelta;

use town::Town;

/// What the witness misses, cut to what a person reads.
fn told(differences: &[String]) -> String {
    std::fs::write("/tmp/fan.txt", differences.join("\n")).unwrap();
    let shown: Vec<&str> = differences.iter().take(25).map(String::as_str).collect();
    format!("{} differences:\n{}", differences.len(), shown.join("\n"))
}

/// Compares, and looks once around the clock's dial that nobody writes anything.
async fn assert_settled(town: &mut Town) {
    town.witness.sums_up();
    let wrong = town.witness.differences(&town.sandbox);
    town.dump();
    assert!(wrong.is_empty(), "{}", told(&wrong));
    let unsettled = "SELECT count(*) FROM step WHERE mark IN ('sent', 'unknown')";
    assert_eq!(town.number(unsettled), 0);
    town.sandbox.clear_calls();
    town.pass(TimeDelta::hours(2)).await;
    let writes = town.sandbox.writes();
    assert!(writes.is_empty(), "the last passes are not silent: {writes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_of_a_channel_ends_with_exactly_the_contacts_tags_fields_notes_and_tasks_that_belong() {
    let mut town = Town::new(TimeDelta::minutes(75), 0).await;
    while town.next_moment().await.is_some() {
        town.served.settle().await;
    }
    assert_eq!(town.sandbox.too_many(), 0);
    assert_settled(&mut town).await;
}
