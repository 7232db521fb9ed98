//! One follower's life, and the calls it takes.

use ghl_sync::model::StepKind;
use ghl_sync::run::Ask;

use crate::rig::{Rig, hours, minutes, settings};

#[tokio::test]
async fn a_first_plan_shows_creates_and_apply_makes_them_with_one_call_each() {
    let mut rig = Rig::new(settings(25, 20)).await;
    let told = rig.plan().await;
    assert_eq!(told.planned(StepKind::Create), 25);
    assert_eq!(rig.sandbox.writes().len(), 0);
    let digest = told.report.digest.clone().unwrap();
    let told = rig
        .run(Ask {
            apply: true,
            approve: Some(digest.short().to_owned()),
            ..Ask::default()
        })
        .await
        .unwrap();
    assert_eq!(told.done(StepKind::Create), 25);
    assert_eq!(rig.sandbox.count("POST /contacts/"), 25);
    rig.sandbox.clear_calls();
    rig.advance(minutes(15));
    rig.apply().await;
    assert_eq!(rig.sandbox.writes().len(), 0);
    // Our own writes come back once; after that a pass in which nothing happened is two calls.
    rig.advance(hours(1));
    rig.apply().await;
    rig.sandbox.clear_calls();
    rig.advance(minutes(15));
    rig.apply().await;
    let calls: Vec<_> = rig
        .sandbox
        .calls()
        .into_iter()
        .map(|call| call.route)
        .collect();
    assert_eq!(calls, ["GET /channels/followers", "POST /contacts/search"]);
}
