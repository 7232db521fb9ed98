//! Followers who came during a broadcast, and which one it was.

use std::sync::Arc;

use ghl_sync::config;
use ghl_sync::net::Reach;
use ghl_sync::plan::wanted::{Mapping, mapping_hash};
use ghl_sync::run::World;

use super::{JOB, channel};
use crate::rig::{self, Rig, Told, ask_all, minutes, run_in, settings};
use crate::scenes::has;

/// Lets one of several jobs of the rig run.
async fn run(rig: &mut Rig, name: &str, full: bool) -> Told {
    let config = config::load(&rig.config_path()).unwrap_or_else(|problems| panic!("{problems}"));
    let mut jobs = config.jobs.values();
    let job = jobs.find(|job| job.name.as_str() == name).unwrap().clone();
    let world = World {
        mapping: Arc::new(Mapping::new(&job).unwrap()),
        digest: mapping_hash(&job),
        job: Arc::new(job),
        ..rig.world(Reach::Everything)
    };
    let ask = ghl_sync::run::Ask { full, ..ask_all() };
    run_in(&world, &ask).await.unwrap()
}

async fn both() -> Rig {
    let followers = rig::JOB.replace(
        r#"add_tags = ["twitch follower"]"#,
        r#"add_tags = ["twitch follower", "{% if stream_id %}came in {{ stream_title }}{% endif %}", "{% if stream_game %}likes {{ stream_game }}{% endif %}"]"#,
    );
    let mut rig = Rig::with_job(settings(3, 5), &followers).await;
    std::fs::write(rig.folder.join("schedules/streams.toml"), JOB).unwrap();
    run(&mut rig, "followers", false).await;
    run(&mut rig, "streams", false).await;
    rig.advance(minutes(30));
    rig
}

fn follower(rig: &Rig, id: &str) -> serde_json::Value {
    let contacts = rig.sandbox.contacts_by_field("twitch_user_id", id);
    assert_eq!(contacts.len(), 1, "{contacts:?}");
    contacts[0].clone()
}

#[tokio::test]
async fn a_follower_has_the_tags_of_the_broadcast_they_came_in() {
    let mut rig = both().await;
    rig.sandbox.follow("899", "early", "Early");
    rig.advance(minutes(1));
    channel(&rig).go_live("Chess night", "Chess");
    rig.advance(minutes(1));
    // Listed before anybody knew that the channel is live.
    rig.sandbox.follow("900", "ada", "Ada");
    run(&mut rig, "followers", false).await;
    assert!(!has(&follower(&rig, "900"), "likes chess"));
    run(&mut rig, "streams", false).await;
    rig.advance(minutes(2));
    rig.sandbox.follow("901", "grace", "Grace");
    run(&mut rig, "followers", false).await;
    for id in ["900", "901"] {
        let contact = follower(&rig, id);
        assert!(has(&contact, "came in chess night"), "{contact}");
        assert!(has(&contact, "likes chess"), "{contact}");
    }
    assert!(!has(&follower(&rig, "899"), "likes chess"));

    // Another title does not move those who are there, and the list that is read again is no news.
    channel(&rig).retitle("Blitz", "Chess");
    run(&mut rig, "streams", false).await;
    rig.advance(minutes(16));
    run(&mut rig, "followers", true).await;
    rig.advance(minutes(16));
    rig.sandbox.clear_calls();
    run(&mut rig, "followers", true).await;
    assert_eq!(rig.sandbox.writes().len(), 0, "{:?}", rig.sandbox.writes());
    assert!(has(&follower(&rig, "901"), "came in chess night"));

    // It ends; who follows later came in none.
    channel(&rig).end_stream();
    for _ in 0..2 {
        rig.advance(minutes(2));
        run(&mut rig, "streams", false).await;
    }
    rig.advance(minutes(5));
    rig.sandbox.follow("902", "alan", "Alan");
    run(&mut rig, "followers", false).await;
    let contact = follower(&rig, "902");
    assert!(has(&contact, "twitch follower") && !has(&contact, "likes chess"));
}

#[tokio::test]
async fn one_who_comes_back_came_in_the_broadcast_of_the_new_follow() {
    let mut rig = both().await;
    channel(&rig).go_live("Chess night", "Chess");
    run(&mut rig, "streams", false).await;
    rig.advance(minutes(1));
    rig.sandbox.follow("900", "ada", "Ada");
    run(&mut rig, "followers", false).await;
    assert!(has(&follower(&rig, "900"), "came in chess night"));
    channel(&rig).end_stream();
    for _ in 0..2 {
        rig.advance(minutes(2));
        run(&mut rig, "streams", false).await;
    }
    rig.sandbox.unfollow("900");
    rig.advance(minutes(30));
    run(&mut rig, "followers", true).await;
    rig.advance(minutes(3));
    run(&mut rig, "followers", false).await;
    assert!(has(&follower(&rig, "900"), "twitch unfollowed"));
    channel(&rig).go_live("Cooking", "Food");
    rig.advance(minutes(1));
    run(&mut rig, "streams", false).await;
    rig.advance(minutes(1));
    rig.sandbox.follow("900", "ada", "Ada");
    run(&mut rig, "followers", false).await;
    let contact = follower(&rig, "900");
    assert!(has(&contact, "came in cooking"), "{contact}");
    assert!(has(&contact, "likes food"), "{contact}");
}
