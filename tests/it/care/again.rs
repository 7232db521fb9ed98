//! Going back to a copy: whoever was created since is found again, and nobody is created twice.

use ghl_sync::model::StepKind;
use ghl_sync::sandbox::{Fault, FaultKind};
use ghl_sync::store::backup::copy;
use ghl_sync::store::restore::restore;

use crate::rig::{Rig, ask_all, hours, minutes, settings};

fn follow(rig: &Rig, from: u32, to: u32) {
    for number in from..to {
        let (id, login) = (format!("77{number:04}"), format!("late_{number}"));
        rig.sandbox.follow(&id, &login, &login);
    }
}

/// Asserts that every follower is exactly one contact.
fn everybody_once(rig: &Rig) {
    for follower in rig.sandbox.followers() {
        let contacts = rig
            .sandbox
            .contacts_by_field("twitch_user_id", &follower.id);
        assert_eq!(contacts.len(), 1, "{}", follower.id);
    }
}

#[tokio::test]
async fn after_a_restore_nobody_is_created_twice_and_then_it_is_silent() {
    let mut rig = Rig::new(settings(25, 20)).await;
    rig.apply_all().await;
    let file = rig.folder.join("copy.db");
    copy(&rig.state(), &file).unwrap();
    rig.advance(minutes(30));
    follow(&rig, 0, 7);
    assert_eq!(rig.apply_all().await.done(StepKind::Create), 7);
    let unfollows = rig.sandbox.followers()[3].id.clone();
    rig.sandbox.unfollow(&unfollows);
    rig.advance(minutes(30));
    follow(&rig, 7, 9);
    // Made just before the restore: the index does not show them yet.
    assert_eq!(rig.apply_all().await.done(StepKind::Create), 2);
    rig.close();
    restore(&rig.state(), &file, rig.clock.now()).unwrap();
    // Two more, who nobody has seen yet.
    follow(&rig, 9, 11);
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::Create), 0);
    assert!(
        told.report
            .remarks
            .iter()
            .any(|remark| remark.contains("restored from a copy"))
    );
    rig.advance(minutes(16));
    assert_eq!(rig.apply_all().await.done(StepKind::Create), 2);
    for _ in 0..3 {
        rig.advance(hours(1));
        rig.run(ghl_sync::run::Ask {
            full: true,
            ..ask_all()
        })
        .await
        .unwrap();
    }
    everybody_once(&rig);
    assert_eq!(rig.sandbox.count("POST /contacts/"), 25 + 7 + 2 + 2);
    rig.sandbox.clear_calls();
    rig.advance(minutes(15));
    rig.apply_all().await;
    assert_eq!(rig.sandbox.writes().len(), 0);
}

#[tokio::test]
async fn a_create_that_was_under_way_when_the_copy_was_made_is_looked_for() {
    let mut rig = Rig::new(settings(6, 3)).await;
    // Carried out, and the answer lost: the copy is made while nobody knows.
    rig.sandbox.fault(
        Fault::new(FaultKind::ResetAfter)
            .on("POST /contacts/")
            .times(2),
    );
    rig.apply_all().await;
    let file = rig.folder.join("copy.db");
    copy(&rig.state(), &file).unwrap();
    rig.advance(minutes(20));
    rig.apply_all().await;
    rig.close();
    restore(&rig.state(), &file, rig.clock.now()).unwrap();
    for _ in 0..4 {
        rig.advance(minutes(16));
        rig.apply_all().await;
    }
    everybody_once(&rig);
    assert_eq!(rig.sandbox.count("POST /contacts/"), 6);
}
