//! Reading the contacts: thin rows, a list that is refused, an index that lags, contacts that people delete and merge.

use std::time::Duration;

use ghl_sync::model::{ContactId, StepKind};
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{DeletedAnswer, ListNames, Settings};
use ghl_sync::store::mirror;

use crate::rig::{JOB, Rig, Told, ask_all, hours, minutes, settings};
use crate::scenes::{job, number};

const GET: &str = "GET /contacts/{id}";
const UPDATE: &str = "PUT /contacts/{id}";

fn twins(followers: u64) -> Settings {
    let mut world = settings(followers, followers + 10);
    world.twins = followers;
    world
}

async fn full(rig: &mut Rig) -> Told {
    let ask = Ask {
        full: true,
        ..ask_all()
    };
    rig.run(ask).await.unwrap()
}

fn contact_id(rig: &Rig, follower: &str) -> String {
    let contacts = rig.sandbox.contacts_by_field("twitch_user_id", follower);
    assert_eq!(contacts.len(), 1, "{contacts:?}");
    contacts[0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_list_that_is_refused_gives_way_to_search_and_the_report_says_so() {
    let mut world = twins(120);
    world.switches.list_refused = true;
    let mut rig = Rig::new(world).await;
    let told = rig.apply_all().await;
    assert_eq!(told.report.hub.reader, "search");
    assert!(told.report.hub.note.as_ref().unwrap().contains("refused"));
    assert_eq!(told.done(StepKind::Link), 120);
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn names_that_the_list_does_not_show_are_unknown_and_are_read_before_anything_is_written() {
    for names in [ListNames::Absent, ListNames::Lower] {
        let mut world = twins(6);
        world.switches.list_names = names;
        let mut rig = Rig::new(world).await;
        let before = rig.sandbox.contacts();
        rig.apply_all().await;
        assert_eq!(rig.sandbox.count(GET), 6, "{names:?}: one look each");
        assert!(rig.sandbox.writes().is_empty(), "{names:?}");
        assert_eq!(rig.sandbox.contacts(), before, "{names:?}");
        // Many are cheaper by search, 500 a page.
        let mut world = twins(40);
        world.switches.list_names = names;
        let mut rig = Rig::new(world).await;
        rig.apply_all().await;
        assert_eq!(rig.sandbox.count(GET), 0, "{names:?}");
        assert!(rig.sandbox.writes().is_empty(), "{names:?}");
        rig.advance(hours(1));
        full(&mut rig).await;
        assert_eq!(
            rig.sandbox.count(GET),
            0,
            "{names:?}: a list row unlearns nothing"
        );
    }
}

#[tokio::test]
async fn an_index_that_lags_five_minutes_undoes_no_write_of_ours() {
    let mut world = twins(5);
    world.switches.lag = Duration::from_secs(299);
    let mut rig = Rig::with_job(world, &job()).await;
    rig.apply_all().await;
    rig.advance(minutes(16));
    let follower = rig.sandbox.followers()[2].clone();
    rig.sandbox.rename(&follower.id, "another_login", "Another");
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::Update), 1);
    rig.sandbox.clear_calls();
    for minute in 1..12 {
        rig.advance(minutes(1));
        let told = if minute % 2 == 0 {
            full(&mut rig).await
        } else {
            rig.apply_all().await
        };
        assert!(rig.sandbox.writes().is_empty(), "minute {minute}");
        assert_eq!(told.report.news, [], "minute {minute}");
    }
}

#[tokio::test]
async fn a_contact_that_a_person_deleted_is_not_made_again() {
    for deleted in [
        DeletedAnswer::BadRequest,
        DeletedAnswer::NotFound,
        DeletedAnswer::StillShown,
    ] {
        let mut world = twins(5);
        world.switches.deleted = deleted;
        let mut rig = Rig::new(world).await;
        rig.apply_all().await;
        rig.advance(hours(1));
        let follower = rig.sandbox.followers()[2].clone();
        rig.sandbox.delete_contact(&contact_id(&rig, &follower.id));
        rig.advance(minutes(10));
        let told = full(&mut rig).await;
        assert_eq!(told.done(StepKind::Tombstone), 1, "{deleted:?}");
        rig.sandbox.rename(&follower.id, "another_login", "Another");
        for _ in 0..3 {
            rig.advance(minutes(15));
            full(&mut rig).await;
        }
        assert!(rig.sandbox.writes().is_empty(), "{deleted:?}");
        assert_eq!(rig.sandbox.contact_count(), 14);
    }
}

#[tokio::test]
async fn a_deletion_that_a_write_meets_is_noticed_there() {
    for (deleted, recheck) in [
        (DeletedAnswer::BadRequest, true),
        (DeletedAnswer::NotFound, false),
        (DeletedAnswer::StillShown, true),
        (DeletedAnswer::StillShown, false),
    ] {
        let mut world = twins(5);
        world.switches.deleted = deleted;
        let job = JOB.replace(
            "create_fields = true",
            &format!("create_fields = true\nrecheck = {recheck}"),
        );
        let mut rig = Rig::with_job(world, &job).await;
        rig.apply_all().await;
        rig.advance(hours(1));
        let follower = rig.sandbox.followers()[2].clone();
        rig.sandbox.delete_contact(&contact_id(&rig, &follower.id));
        rig.sandbox.rename(&follower.id, "another_login", "Another");
        let told = rig.apply_all().await;
        assert_eq!(told.done(StepKind::Update), 0, "{deleted:?} {recheck}");
        rig.advance(minutes(15));
        let told = rig.apply_all().await;
        assert_eq!(told.done(StepKind::Tombstone), 1, "{deleted:?} {recheck}");
        rig.sandbox.clear_calls();
        rig.advance(minutes(15));
        rig.apply_all().await;
        assert!(rig.sandbox.writes().is_empty(), "{deleted:?} {recheck}");
        assert_eq!(rig.sandbox.contact_count(), 14);
    }
}

#[tokio::test]
async fn a_job_may_say_that_deleted_contacts_are_made_again() {
    let job = JOB.replace(
        "missing = \"create\"",
        "missing = \"create\"\nrecreate_deleted = true",
    );
    let mut rig = Rig::with_job(twins(5), &job).await;
    rig.apply_all().await;
    rig.advance(hours(1));
    let follower = rig.sandbox.followers()[2].clone();
    rig.sandbox.delete_contact(&contact_id(&rig, &follower.id));
    rig.advance(minutes(10));
    full(&mut rig).await;
    rig.advance(minutes(15));
    full(&mut rig).await;
    contact_id(&rig, &follower.id);
    assert_eq!(rig.sandbox.count("POST /contacts/"), 1);
}

#[tokio::test]
async fn a_tombstone_ends_when_the_contact_is_seen_again() {
    let mut rig = Rig::new(twins(5)).await;
    rig.apply_all().await;
    rig.advance(hours(1));
    let follower = rig.sandbox.followers()[2].clone();
    let id = contact_id(&rig, &follower.id);
    // The vendor said once, wrongly, that it is gone.
    let (gone, now_ms) = (
        ContactId::try_from(id.clone()).unwrap(),
        rig.sandbox.now().timestamp_millis(),
    );
    let location_no = number(&mut rig, "SELECT no FROM location");
    rig.store()
        .write(move |db| mirror::note_gone(db, location_no, &gone, now_ms))
        .await
        .unwrap();
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::Tombstone), 1);
    rig.advance(minutes(15));
    rig.sandbox.edit_contact(&id, "city", "Leeds");
    rig.sandbox.rename(&follower.id, "another_login", "Another");
    rig.advance(minutes(1));
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::Link), 1, "{:#?}", told.rows);
    rig.advance(minutes(15));
    rig.apply_all().await;
    assert_eq!(
        rig.sandbox.contact(&id).unwrap()["fields"]["twitch_username"],
        "another_login"
    );
}

#[tokio::test]
async fn a_link_moves_with_a_contact_that_was_merged_into_another() {
    for by_write in [false, true] {
        let mut rig = Rig::new(twins(5)).await;
        rig.apply_all().await;
        rig.advance(hours(1));
        let follower = rig.sandbox.followers()[2].clone();
        let loser = contact_id(&rig, &follower.id);
        let winner = rig.sandbox.contacts()[8]["id"].as_str().unwrap().to_owned();
        rig.sandbox.merge_contacts(&loser, &winner);
        if by_write {
            rig.sandbox.rename(&follower.id, "another_login", "Another");
            rig.advance(minutes(1));
            rig.apply_all().await;
        }
        let mut moved = 0;
        for _ in 0..2 {
            rig.advance(minutes(10));
            moved += full(&mut rig).await.done(StepKind::Relink);
        }
        assert_eq!(moved, 1, "by a write: {by_write}");
        rig.sandbox.rename(&follower.id, "a_third_login", "Third");
        rig.advance(minutes(15));
        let told = rig.apply_all().await;
        assert_eq!(told.report.standing.get("conflicts"), None);
        assert_eq!(contact_id(&rig, &follower.id), winner);
        let contact = rig.sandbox.contact(&winner).unwrap();
        assert_eq!(contact["fields"]["twitch_username"], "a_third_login");
        assert_eq!(rig.sandbox.count("POST /contacts/"), 0);
        assert!(rig.sandbox.count(UPDATE) > 0);
    }
}

#[tokio::test]
async fn a_contact_without_its_marker_is_still_the_record_that_it_is_linked_to() {
    let mut rig = Rig::new(twins(5)).await;
    rig.apply_all().await;
    rig.advance(hours(1));
    let follower = rig.sandbox.followers()[2].clone();
    let id = contact_id(&rig, &follower.id);
    rig.sandbox
        .edit_contact(&id, "twitch_user_id", serde_json::Value::Null);
    rig.advance(minutes(1));
    for _ in 0..2 {
        full(&mut rig).await;
        rig.advance(minutes(15));
    }
    assert_eq!(rig.sandbox.count("POST /contacts/"), 0);
    assert_eq!(rig.sandbox.contact_count(), 15);
}
