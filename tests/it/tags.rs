//! Tags: bulk calls that learn what the vendor takes, and whose tag it is.

use std::sync::Arc;

use ghl_sync::config;
use ghl_sync::model::{JobName, StepKind};
use ghl_sync::net::Reach;
use ghl_sync::plan::wanted::{Mapping, mapping_hash};
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{BulkMax, Settings};

use crate::rig::{JOB, Rig, Told, ask_all, minutes, run_in, settings};
use crate::scenes::{has, job, number};

const TAGS: &str = "POST /contacts/bulk/tags/update/{type}";

fn twins(followers: u64) -> Settings {
    let mut world = settings(followers, followers + 10);
    world.twins = followers;
    world
}

/// Returns how many contacts each tag call named, and whether it was accepted.
fn calls(rig: &Rig) -> Vec<(usize, bool)> {
    let calls = rig.sandbox.calls();
    let tags = calls.iter().filter(|call| call.route == TAGS);
    tags.map(|call| {
        let body = call.body.as_ref().unwrap();
        (body["contacts"].as_array().unwrap().len(), call.acted)
    })
    .collect()
}

fn tagged(rig: &Rig, tag: &str) -> usize {
    let contacts = rig.sandbox.contacts();
    contacts.iter().filter(|contact| has(contact, tag)).count()
}

/// Lets the whole job want one more tag.
async fn with_another_tag(rig: &mut Rig, tag: &str) -> Told {
    rig.job = rig.job.replacen(
        "\"twitch follower\"",
        &format!("\"{tag}\", \"twitch follower\""),
        1,
    );
    rig.write_config();
    rig.advance(minutes(16));
    rig.apply_all().await
}

#[tokio::test]
async fn a_vendor_that_takes_fifty_at_a_time_is_learned_and_remembered() {
    let mut world = twins(230);
    world.switches.bulk_max = BulkMax::Refuse(50);
    let mut rig = Rig::with_job(world, &job()).await;
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::AddTags), 230);
    assert_eq!(tagged(&rig, "synced"), 230);
    assert!(
        calls(&rig)
            .iter()
            .all(|(count, acted)| *acted == (*count <= 50))
    );
    assert!(told.report.extra["halving"] > 0);
    rig.sandbox.clear_calls();
    let told = with_another_tag(&mut rig, "second").await;
    assert_eq!(told.done(StepKind::AddTags), 230);
    assert_eq!(calls(&rig).len(), 5, "no refusal: {:?}", calls(&rig));
    assert_eq!(told.report.extra.get("halving"), None);
}

#[tokio::test]
async fn a_vendor_that_cuts_a_batch_silently_leaves_nobody_out() {
    for max in [1, 30, 99] {
        let mut world = twins(130);
        world.switches.bulk_max = BulkMax::Cut(max);
        let mut rig = Rig::with_job(world, &job()).await;
        let told = rig.apply_all().await;
        assert_eq!(told.done(StepKind::AddTags), 130, "{max}");
        assert_eq!(tagged(&rig, "synced"), 130, "{max}");
        assert_eq!(told.report.news, [], "{max}");
        let claims = "SELECT count(*) FROM claim WHERE tag = 'synced' AND state = 'ours'";
        assert_eq!(number(&mut rig, claims), 130, "{max}");
    }
}

#[tokio::test]
async fn the_batch_doubles_after_ten_clean_full_calls() {
    let mut rig = Rig::with_job(twins(1_300), &job()).await;
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::AddTags), 1_300);
    let mut sizes: Vec<usize> = calls(&rig).into_iter().map(|(count, _)| count).collect();
    sizes.sort_unstable();
    let mut expected = vec![100; 11];
    expected.push(200);
    assert_eq!(sizes, expected);
    assert_eq!(told.report.cost.calls, told.report.made.unwrap());
}

#[tokio::test]
async fn a_tag_of_ours_that_a_person_removed_stays_away_until_the_record_changes_state() {
    let mut world = settings(3, 2);
    world.fields = true;
    let mut rig = Rig::new(world).await;
    rig.apply_all().await;
    rig.advance(minutes(16));
    let follower = rig.sandbox.followers()[1].clone();
    let contact = |rig: &Rig| {
        rig.sandbox
            .contacts_by_field("twitch_user_id", &follower.id)[0]
            .clone()
    };
    let id = contact(&rig)["id"].as_str().unwrap().to_owned();
    rig.sandbox.remove_tag(&id, "twitch follower");
    rig.sandbox.clear_calls();
    for _ in 0..3 {
        rig.advance(minutes(16));
        rig.apply_all().await;
    }
    assert!(rig.sandbox.writes().is_empty());
    // Other changes of the record leave it alone, too.
    rig.sandbox.rename(&follower.id, "another_login", "Another");
    rig.apply_all().await;
    assert!(!has(&contact(&rig), "twitch follower"));
    rig.sandbox.unfollow(&follower.id);
    for _ in 0..2 {
        rig.advance(minutes(16));
        rig.run(Ask {
            full: true,
            ..ask_all()
        })
        .await
        .unwrap();
    }
    assert!(has(&contact(&rig), "twitch unfollowed"));
    rig.advance(minutes(16));
    rig.sandbox.follow(&follower.id, "another_login", "Another");
    rig.apply_all().await;
    assert!(has(&contact(&rig), "twitch follower"));
    assert!(!has(&contact(&rig), "twitch unfollowed"));
}

#[tokio::test]
async fn a_tag_that_was_there_before_us_stays_when_the_record_leaves() {
    // One follower's contact has the tag by a person's hand, the other one's is new.
    let mut world = settings(2, 1);
    world.twins = 1;
    let mut rig = Rig::new(world).await;
    rig.apply_all().await;
    assert_eq!(tagged(&rig, "twitch follower"), 2);
    for follower in rig.sandbox.followers() {
        rig.sandbox.unfollow(&follower.id);
    }
    for _ in 0..3 {
        rig.advance(minutes(16));
        rig.run(Ask {
            full: true,
            ..ask_all()
        })
        .await
        .unwrap();
    }
    assert_eq!(tagged(&rig, "twitch unfollowed"), 2);
    assert_eq!(tagged(&rig, "twitch follower"), 1);
}

#[tokio::test]
async fn a_tag_that_two_jobs_want_goes_only_with_the_last_of_them() {
    let mut world = settings(2, 1);
    world.fields = true;
    let mut rig = Rig::new(world).await;
    let second = JOB
        .replace("name = \"followers\"", "name = \"watchers\"")
        .replace("\"twitch unfollowed\"", "\"watcher left\"");
    std::fs::write(rig.folder.join("schedules/watchers.toml"), second).unwrap();
    rig.apply_all().await;
    rig.advance(minutes(16));
    apply_second(&mut rig).await;
    let claims = "SELECT count(*) FROM claim WHERE tag = 'twitch follower' AND state = 'ours'";
    assert_eq!(
        number(&mut rig, claims),
        4,
        "each job claims it for each contact"
    );
    let follower = rig.sandbox.followers()[0].clone();
    let contact = |rig: &Rig| {
        rig.sandbox
            .contacts_by_field("twitch_user_id", &follower.id)[0]
            .clone()
    };
    rig.sandbox.unfollow(&follower.id);
    for _ in 0..3 {
        rig.advance(minutes(16));
        rig.run(Ask {
            full: true,
            ..ask_all()
        })
        .await
        .unwrap();
    }
    assert!(has(&contact(&rig), "twitch unfollowed"));
    assert!(
        has(&contact(&rig), "twitch follower"),
        "the other job still wants it"
    );
    assert_eq!(number(&mut rig, claims), 3);
    for _ in 0..3 {
        rig.advance(minutes(16));
        apply_second(&mut rig).await;
    }
    assert!(has(&contact(&rig), "watcher left"));
    assert!(
        !has(&contact(&rig), "twitch follower"),
        "nobody wants it any more"
    );
    assert_eq!(number(&mut rig, claims), 2);
    rig.sandbox.clear_calls();
    for _ in 0..2 {
        rig.advance(minutes(16));
        rig.apply_all().await;
        apply_second(&mut rig).await;
    }
    assert!(
        rig.sandbox.writes().is_empty(),
        "{:#?}",
        rig.sandbox.writes()
    );
}

/// Runs the job `watchers`, which shares account and location with the rig's own.
async fn apply_second(rig: &mut Rig) -> Told {
    let mut world = rig.world(Reach::Everything);
    let config = config::load(&rig.config_path()).unwrap_or_else(|problems| panic!("{problems}"));
    let job = config.jobs[&JobName::try_from("watchers").unwrap()].clone();
    world.mapping = Arc::new(Mapping::new(&job).unwrap());
    world.digest = mapping_hash(&job);
    world.job = Arc::new(job);
    let ask = Ask {
        full: true,
        ..ask_all()
    };
    run_in(&world, &ask).await.unwrap()
}
