//! However the pages come, and whatever the vendor is like, the plan is the same and the second run is silent.

use ghl_sync::sandbox::{Crew, Settings, Switches};

use super::{channel, crowd, job};
use crate::rig::{Rig, hours, minutes};

const SOURCES: [&str; 4] = ["subscribers", "vips", "moderators", "bits"];

fn world(seed: u64, switches: Switches) -> Settings {
    Settings {
        seed: 7 + seed % 2,
        switches,
        crew: Crew {
            subscribers: 230,
            vips: 130,
            moderators: 30,
            cheerers: 30,
        },
        ..crowd(0, 0, 0)
    }
}

#[tokio::test]
async fn any_pages_give_the_same_plan() {
    for source in SOURCES {
        let mut plain = Rig::with_job(world(0, Switches::default()), &job(source)).await;
        let expected = plain.plan().await;
        assert!(!expected.rows.is_empty());
        for odd in 1..8u64 {
            let switches = Switches {
                shuffled: odd & 1 == 1,
                sliding_rows: odd & 2 == 2,
                short_pages: odd & 4 == 4,
                empty_pages: odd % 3,
                last_cursor: odd % 3 == 1,
                broadcaster_moderates: odd & 1 == 1,
                ..Switches::default()
            };
            // An empty page in a row with every page would never end.
            let switches = Switches {
                empty_pages: if switches.empty_pages == 1 {
                    3
                } else {
                    switches.empty_pages
                },
                ..switches
            };
            let mut rig = Rig::with_job(world(0, switches), &job(source)).await;
            let told = rig.plan().await;
            assert_eq!(
                told.report.digest, expected.report.digest,
                "{source}, {odd}"
            );
        }
    }
}

#[tokio::test]
async fn a_second_run_sends_no_write_at_any_vendor() {
    for seed in 0..6 {
        for source in SOURCES {
            let world = Settings {
                crew: Crew {
                    subscribers: 12,
                    vips: 8,
                    moderators: 5,
                    cheerers: 4,
                },
                ..world(seed, Switches::random(seed))
            };
            let mut rig = Rig::with_job(world, &job(source)).await;
            rig.apply_all().await;
            for wait in [minutes(1), minutes(16), hours(25)] {
                rig.sandbox.clear_calls();
                rig.advance(wait);
                let told = rig.apply_all().await;
                let writes = rig.sandbox.writes();
                assert!(writes.is_empty(), "{source}, seed {seed}: {writes:#?}");
                assert_eq!(told.report.news, [], "{source}, seed {seed}");
            }
        }
    }
}

#[tokio::test]
async fn a_dry_run_only_reads() {
    for source in SOURCES {
        let mut rig = Rig::with_job(world(0, Switches::default()), &job(source)).await;
        rig.plan().await;
        assert!(rig.sandbox.writes().is_empty(), "{source}");
        let told = rig.apply_all().await;
        assert_eq!(
            told.report.made,
            Some(told.report.cost.calls.clone()),
            "{source}"
        );
        assert!(!channel(&rig).followers().is_empty());
    }
}
