//! What would go wrong at three in the morning: two jobs for one person, a job that nobody approves, an ill vendor, a contact that comes back.

use std::sync::Arc;

use ghl_sync::config;
use ghl_sync::model::{Job, StepKind};
use ghl_sync::net::Reach;
use ghl_sync::plan::wanted::{Mapping, mapping_hash};
use ghl_sync::report::Outcome;
use ghl_sync::run::{Ask, World};
use ghl_sync::sandbox::{Fault, FaultKind};

use crate::rig::{JOB, Rig, Told, ask_all, minutes, run_in, settings};
use crate::scenes::number;

/// Another job beside the rig's own: the same source, the same location.
fn second_job(rig: &Rig) {
    let second = JOB.replace("name = \"followers\"", "name = \"watchers\"");
    std::fs::write(rig.folder.join("schedules/watchers.toml"), second).unwrap();
}

fn world_of(rig: &mut Rig, name: &str) -> World {
    let mut world = rig.world(Reach::Everything);
    let config = config::load(&rig.config_path()).unwrap_or_else(|problems| panic!("{problems}"));
    let job: Job = config
        .jobs
        .into_values()
        .find(|job| job.name.as_str() == name)
        .unwrap();
    world.mapping = Arc::new(Mapping::new(&job).unwrap());
    world.digest = mapping_hash(&job);
    world.job = Arc::new(job);
    world
}

async fn apply_as(rig: &mut Rig, name: &str) -> Told {
    let world = world_of(rig, name);
    run_in(&world, &ask_all()).await.unwrap()
}

#[tokio::test]
async fn two_jobs_that_start_together_make_one_contact_for_one_person() {
    let mut world = settings(30, 3);
    world.fields = true;
    let mut rig = Rig::new(world).await;
    second_job(&rig);
    let (first, second) = (
        world_of(&mut rig, "followers"),
        world_of(&mut rig, "watchers"),
    );
    let ask = ask_all();
    let (one, other) = tokio::join!(run_in(&first, &ask), run_in(&second, &ask));
    let made = one.unwrap().done(StepKind::Create) + other.unwrap().done(StepKind::Create);
    assert_eq!(made, 30);
    assert_eq!(rig.sandbox.count("POST /contacts/"), 30);
    for _ in 0..2 {
        rig.advance(minutes(16));
        apply_as(&mut rig, "followers").await;
        apply_as(&mut rig, "watchers").await;
    }
    assert_eq!(rig.sandbox.count("POST /contacts/"), 30);
    assert_eq!(rig.sandbox.contacts().len(), 33);
}

#[tokio::test]
async fn a_create_that_one_job_lost_is_not_made_by_the_other() {
    let mut world = settings(1, 0);
    world.fields = true;
    let mut rig = Rig::new(world).await;
    second_job(&rig);
    rig.sandbox
        .fault(Fault::new(FaultKind::ResetAfter).on("POST /contacts/"));
    apply_as(&mut rig, "followers").await;
    rig.advance(minutes(1));
    let told = apply_as(&mut rig, "watchers").await;
    assert_eq!(told.planned(StepKind::Create), 0, "{:#?}", told.rows);
    for _ in 0..3 {
        rig.advance(minutes(16));
        apply_as(&mut rig, "followers").await;
        apply_as(&mut rig, "watchers").await;
    }
    assert_eq!(rig.sandbox.contacts().len(), 1);
    assert_eq!(rig.sandbox.count("POST /contacts/"), 1);
    assert_eq!(
        number(&mut rig, "SELECT count(*) FROM link WHERE state = 'linked'"),
        1
    );
}

#[tokio::test]
async fn a_job_that_waits_for_its_approval_does_not_fill_the_disk() {
    let mut rig = Rig::new(settings(20, 2)).await;
    for _ in 0..12 {
        let told = rig.apply().await;
        assert_eq!(told.planned(StepKind::Create), 20);
        rig.advance(minutes(15));
    }
    for _ in 0..12 {
        rig.plan().await;
    }
    let steps = number(&mut rig, "SELECT count(*) FROM step");
    assert!(steps <= 20 * 7, "{steps} steps are kept");
    assert!(rig.sandbox.writes().is_empty());
    assert_eq!(rig.apply_all().await.done(StepKind::Create), 20);
}

#[tokio::test]
async fn a_vendor_that_refuses_everything_in_the_same_words_ends_the_run_and_spoils_no_record() {
    let mut rig = Rig::new(settings(40, 0)).await;
    rig.apply_all().await;
    rig.advance(minutes(16));
    for follower in rig.sandbox.followers() {
        let login = format!("new_{}", follower.login);
        rig.sandbox.rename(&follower.id, &login, &follower.name);
    }
    let full = Ask {
        full: true,
        ..ask_all()
    };
    rig.sandbox.fault(
        Fault::new(FaultKind::Unprocessable422)
            .on("PUT /contacts/{id}")
            .times(1_000),
    );
    let told = rig.run(full.clone()).await.unwrap();
    assert!(
        matches!(told.report.outcome, Outcome::OutOfTouch(_)),
        "{:#?}",
        told.report.outcome
    );
    assert!(rig.sandbox.count("PUT /contacts/{id}") < 40);
    rig.sandbox.clear_faults();
    rig.advance(minutes(16));
    let told = rig.run(full).await.unwrap();
    assert_eq!(told.done(StepKind::Update), 40, "{:#?}", told.report);
}

#[tokio::test]
async fn lost_answers_one_after_the_other_end_the_run() {
    let mut rig = Rig::new(settings(60, 0)).await;
    rig.sandbox.fault(
        Fault::new(FaultKind::Status500After)
            .on("POST /contacts/")
            .times(1_000),
    );
    let told = rig.apply_all().await;
    assert!(
        matches!(told.report.outcome, Outcome::OutOfTouch(_)),
        "{:#?}",
        told.report.outcome
    );
    assert!(rig.sandbox.count("POST /contacts/") < 30);
    rig.sandbox.clear_faults();
    for _ in 0..4 {
        rig.advance(minutes(16));
        rig.apply_all().await;
    }
    assert_eq!(rig.sandbox.contacts().len(), 60);
}

#[tokio::test]
async fn contacts_that_cannot_be_read_hold_up_nothing_else() {
    let mut rig = Rig::new(settings(5, 0)).await;
    rig.apply_all().await;
    rig.advance(minutes(16));
    for follower in rig.sandbox.followers() {
        let login = format!("new_{}", follower.login);
        rig.sandbox.rename(&follower.id, &login, &follower.name);
    }
    rig.job = JOB.replace(
        "[\"twitch follower\"]\n[on.leave]",
        "[\"twitch follower\", \"club\"]\n[on.leave]",
    );
    assert_ne!(rig.job, JOB);
    rig.write_config();
    rig.sandbox.fault(
        Fault::new(FaultKind::WrongShape)
            .on("GET /contacts/{id}")
            .times(1_000),
    );
    let full = Ask {
        full: true,
        ..ask_all()
    };
    let told = rig.run(full.clone()).await.unwrap();
    assert_eq!(told.done(StepKind::Update), 0);
    assert_eq!(told.done(StepKind::AddTags), 5, "{:#?}", told.report);
}
