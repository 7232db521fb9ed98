//! What a pass costs in which nothing changed, over all sources of a channel.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use ghl_sync::run::Ask;
use ghl_sync::sandbox::Crew;

use super::jobs::JOBS;
use super::town::Town;

/// Calls by route.
type Calls = BTreeMap<&'static str, usize>;

/// Runs all jobs within a minute; returns the calls of each.
async fn pass(town: &Town) -> Vec<(&'static str, Calls)> {
    let mut all = Vec::new();
    for (name, _) in JOBS {
        town.sandbox.clear_calls();
        let ask = Ask {
            apply: true,
            ..Ask::default()
        };
        town.run(name, ask).await;
        assert!(town.sandbox.writes().is_empty(), "{name} writes");
        let mut calls = Calls::new();
        for call in town.sandbox.calls() {
            *calls.entry(call.route).or_default() += 1;
        }
        all.push((name, calls));
    }
    all
}

/// Returns whether a call goes to HighLevel.
fn is_of_the_hub(route: &str) -> bool {
    ["/contacts", "/locations", "/businesses"]
        .iter()
        .any(|start| {
            route
                .split(' ')
                .nth(1)
                .is_some_and(|path| path.starts_with(start))
        })
}

/// Shows the calls of a pass, and asserts that there are no more than two a source at Twitch and two for the hub.
fn assert_cheap(what: &str, pass: &[(&'static str, Calls)]) -> String {
    let mut table = format!("{what}\n");
    let mut hub = 0;
    for (name, calls) in pass {
        let (ours, theirs): (Vec<_>, Vec<_>) =
            calls.iter().partition(|(route, _)| is_of_the_hub(route));
        let count =
            |calls: &[(&&str, &usize)]| calls.iter().map(|(_, count)| **count).sum::<usize>();
        let (ours, twitch) = (count(&ours), count(&theirs));
        hub += ours;
        table.push_str(&format!(
            "{name:<20} Twitch {twitch}  HighLevel {ours}  {calls:?}\n"
        ));
        assert!(twitch <= 2, "{table}");
    }
    assert!(hub <= 2, "{table}");
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_over_all_sources_in_which_nothing_changed_costs_two_calls_a_source_and_two_for_the_hub()
 {
    let crew = Crew {
        subscribers: 100,
        vips: 100,
        moderators: 80,
        cheerers: 60,
    };
    let mut town = Town::with(100, &crew, TimeDelta::zero(), 0).await;
    // Our own writes come back once.
    town.pass(TimeDelta::hours(3)).await;
    town.wait_for(TimeDelta::minutes(15));
    let offline = pass(&town).await;
    let mut tables = assert_cheap("offline", &offline);
    town.channel().go_live("On air", "Chess");
    town.channel().viewers(12);
    town.pass(TimeDelta::hours(3)).await;
    town.wait_for(TimeDelta::minutes(15));
    let live = pass(&town).await;
    tables.push_str(&assert_cheap("live", &live));
    print(&tables);
}

#[expect(
    clippy::print_stdout,
    reason = "a table for whoever runs it with --nocapture"
)]
fn print(tables: &str) {
    println!("{tables}");
}
