//! Law 3: an answer is lost at every single write of a run, in every way an answer can be lost.

use std::collections::BTreeMap;
use std::time::Duration;

use ghl_sync::model::StepKind;
use ghl_sync::report::NewsKind;
use ghl_sync::run::RunError;
use ghl_sync::sandbox::{Fault, FaultKind, Switches};

use crate::rig::{Rig, minutes, settings};
use crate::scenes::{Scene, every, unsettled};

const CREATE: &str = "POST /contacts/";
const UPDATE: &str = "PUT /contacts/{id}";
const TAGS: &str = "POST /contacts/bulk/tags/update/{type}";

/// The vendor did what was asked, and we never learn it.
fn after() -> Vec<FaultKind> {
    vec![
        FaultKind::ResetAfter,
        FaultKind::Status500After,
        FaultKind::Html502After,
        FaultKind::Truncated,
        FaultKind::BrokenBody,
        FaultKind::WrongShape,
        FaultKind::NotJson,
    ]
}

/// The vendor did nothing, and most of the time we cannot tell.
fn before() -> Vec<FaultKind> {
    vec![
        FaultKind::ResetBefore,
        FaultKind::Status500,
        FaultKind::Status503,
        FaultKind::Html502,
        FaultKind::TooMany { retry_after: None },
        FaultKind::TooMany {
            retry_after: Some(2),
        },
    ]
}

/// Returns the writes of the scene's run when nothing goes wrong, by route.
async fn writes_of(scene: Scene) -> Vec<(&'static str, u64)> {
    let mut set = scene.set().await;
    set.run().await.unwrap();
    let mut routes = BTreeMap::new();
    for call in set.rig.sandbox.writes() {
        *routes.entry(call.route).or_insert(0) += 1;
    }
    assert!(!routes.is_empty(), "{scene:?} writes nothing");
    routes.into_iter().collect()
}

/// Hits every write of the scene with every fault, `times` times in a row, and lets it heal.
async fn hit_every_write(scene: Scene, kinds: Vec<FaultKind>, times: u64) {
    let mut cases = Vec::new();
    for (route, count) in writes_of(scene).await {
        for skip in 0..count {
            for kind in &kinds {
                let fault = Fault::new(kind.clone()).on(route).skip(skip).times(times);
                cases.push(fault);
            }
        }
    }
    every(move |number| {
        let fault = cases.get(number as usize).cloned();
        async move {
            let Some(fault) = fault else { return true };
            // With the real fault at hand, the vendor's undocumented sides vary along.
            let vendor = match times {
                1 => Switches::default(),
                _ => Switches::random(u64::from(number)),
            };
            let mut set = scene.set_at(vendor).await;
            set.rig.sandbox.fault(fault.clone());
            // Whatever fails, the run ends in order: with a report, or out of touch.
            if let Err(error) = set.run().await {
                let in_order = matches!(error, RunError::OutOfTouch { .. });
                assert!(in_order, "{fault:?} ends the run: {error}");
            }
            set.rig.sandbox.clear_faults();
            set.heal().await;
            false
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_lost_at_any_write_of_a_first_sync_makes_no_second_contact() {
    hit_every_write(Scene::FirstSync, after(), 1).await;
}

#[tokio::test]
async fn a_failure_before_any_write_of_a_first_sync_loses_nothing() {
    hit_every_write(Scene::FirstSync, before(), 1).await;
}

#[tokio::test]
async fn an_answer_lost_at_any_update_is_sent_again_or_found_done() {
    hit_every_write(Scene::Renames, after(), 1).await;
    hit_every_write(Scene::Renames, before(), 1).await;
    // Five tries a call: with all of them lost, recovery has to finish it.
    hit_every_write(Scene::Renames, after(), 5).await;
}

#[tokio::test]
async fn an_answer_lost_at_any_bulk_tag_call_tags_nobody_twice_and_forgets_nobody() {
    hit_every_write(Scene::BulkTags, after(), 1).await;
    hit_every_write(Scene::BulkTags, before(), 1).await;
    hit_every_write(Scene::BulkTags, after(), 5).await;
    hit_every_write(Scene::BulkTags, before(), 5).await;
}

#[tokio::test]
async fn an_answer_lost_at_any_note_or_task_makes_no_second_one_and_loses_none() {
    hit_every_write(Scene::Events, after(), 1).await;
    hit_every_write(Scene::Events, before(), 1).await;
    hit_every_write(Scene::Events, after(), 5).await;
}

#[tokio::test]
async fn an_answer_lost_at_any_write_of_a_leave_still_ends_with_the_right_tags() {
    hit_every_write(Scene::Leaves, after(), 1).await;
    hit_every_write(Scene::Leaves, before(), 1).await;
    hit_every_write(Scene::Leaves, after(), 5).await;
}

#[tokio::test]
async fn every_write_that_may_be_sent_again_is_harmless_when_it_is_sent_twice() {
    for (scene, route) in [
        (Scene::Renames, UPDATE),
        (Scene::BulkTags, TAGS),
        (Scene::Leaves, TAGS),
    ] {
        let clean: u64 = writes_of(scene).await.iter().map(|(_, count)| count).sum();
        let mut set = scene.set().await;
        // Every other call acts and loses its answer, so that its second try is a repeat.
        for skip in 0..clean {
            let lost = Fault::new(FaultKind::ResetAfter).on(route).skip(2 * skip);
            set.rig.sandbox.fault(lost);
        }
        set.run().await.unwrap();
        let acted = set
            .rig
            .sandbox
            .writes()
            .iter()
            .filter(|call| call.acted)
            .count() as u64;
        assert!(acted > clean, "{scene:?}: {acted} of {clean} writes acted");
        set.rig.sandbox.clear_faults();
        set.heal().await;
    }
}

#[tokio::test]
async fn a_create_is_never_tried_twice_in_one_run() {
    for kind in after() {
        let mut set = Scene::FirstSync.set().await;
        set.rig.sandbox.fault(Fault::new(kind.clone()).on(CREATE));
        let told = set.run().await.unwrap();
        assert_eq!(set.rig.sandbox.count(CREATE), 3, "{kind:?}");
        assert_eq!(told.report.counts[&StepKind::Create].unknown, 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_linked_whenever_the_next_runs_come() {
    // With the slowest index, and a run every minute: nobody is made twice, whatever the look finds.
    for lag in [0, 30, 290] {
        let mut set = Scene::FirstSync.set().await;
        set.rig
            .sandbox
            .switch(|switches| switches.lag = Duration::from_secs(lag));
        let lost = Fault::new(FaultKind::ResetAfter).on(CREATE).times(3);
        set.rig.sandbox.fault(lost);
        set.run().await.unwrap();
        for minute in 0..18 {
            set.rig.advance(minutes(1));
            set.rig.apply_all().await;
            assert_eq!(set.rig.sandbox.count(CREATE), 3, "lag {lag}, {minute}");
        }
        assert_eq!(set.unsettled(), 0, "lag {lag}");
        assert_eq!(set.wrong(), Vec::<String>::new());
        set.heal().await;
    }
}

#[tokio::test]
async fn a_lost_create_that_is_not_there_is_sent_once_more_after_two_looks_ten_minutes_apart() {
    let mut set = Scene::FirstSync.set().await;
    set.rig
        .sandbox
        .fault(Fault::new(FaultKind::ResetBefore).on(CREATE));
    set.run().await.unwrap();
    assert_eq!(set.rig.sandbox.count(CREATE), 3);
    set.rig.advance(minutes(16));
    set.rig.apply_all().await;
    assert_eq!(set.rig.sandbox.count(CREATE), 3);
    set.rig.advance(minutes(9));
    set.rig.apply_all().await;
    assert_eq!(set.rig.sandbox.count(CREATE), 3);
    set.rig.advance(minutes(2));
    let told = set.rig.apply_all().await;
    assert_eq!(set.rig.sandbox.count(CREATE), 4);
    assert!(told.report.extra["recovery"] > 0);
    assert_eq!(set.wrong(), Vec::<String>::new());
    set.heal().await;
}

#[tokio::test]
async fn a_create_lost_twice_and_not_there_is_left_to_a_person() {
    let mut rig = one_follower().await;
    let lost = Fault::new(FaultKind::ResetBefore).on(CREATE).times(2);
    rig.sandbox.fault(lost);
    rig.apply_all().await;
    let mut asked = 0;
    for _ in 0..8 {
        rig.advance(minutes(16));
        let told = rig.apply_all().await;
        asked += usize::from(told.report.has_news(NewsKind::Asks));
    }
    assert_eq!(rig.sandbox.count(CREATE), 2);
    assert_eq!(asked, 1, "a person is asked once, not at every run");
    assert_eq!(rig.sandbox.contact_count(), 2);
}

#[tokio::test]
async fn a_422_that_created_with_its_fields_is_found_by_its_marker() {
    for skip in 0..3 {
        let mut set = Scene::FirstSync.set().await;
        let kind = FaultKind::Unprocessable422Created { with_fields: true };
        set.rig
            .sandbox
            .fault(Fault::new(kind).on(CREATE).skip(skip));
        set.run().await.unwrap();
        let healed = set.heal().await;
        assert_eq!(set.rig.sandbox.count(CREATE), 0);
        assert!(healed.iter().all(|told| told.done(StepKind::Create) == 0));
    }
}

#[tokio::test]
async fn a_422_that_created_without_its_fields_is_left_to_a_person_and_never_sent_again() {
    let mut rig = one_follower().await;
    let kind = FaultKind::Unprocessable422Created { with_fields: false };
    rig.sandbox.fault(Fault::new(kind).on(CREATE));
    rig.apply_all().await;
    let mut asks = Vec::new();
    for _ in 0..6 {
        rig.advance(minutes(16));
        let told = rig.apply_all().await;
        asks.extend(told.report.news);
    }
    assert_eq!(asks.len(), 1, "{asks:#?}");
    assert_eq!(asks[0].kind, NewsKind::Asks);
    assert!(asks[0].command.is_some(), "{asks:#?}");
    assert_eq!(rig.sandbox.count(CREATE), 1);
    assert_eq!(rig.sandbox.contact_count(), 3);
}

#[tokio::test]
async fn a_422_that_created_nothing_is_set_aside_after_two_looks_and_never_sent_again() {
    let mut rig = one_follower().await;
    rig.sandbox
        .fault(Fault::new(FaultKind::Unprocessable422).on(CREATE));
    rig.apply_all().await;
    rig.advance(minutes(16));
    let told = rig.apply_all().await;
    assert!(
        !told.report.has_news(NewsKind::Refused),
        "one look is too few"
    );
    rig.advance(minutes(11));
    let told = rig.apply_all().await;
    assert!(
        told.report.has_news(NewsKind::Refused),
        "{:#?}",
        told.report
    );
    for _ in 0..4 {
        rig.advance(minutes(16));
        let told = rig.apply_all().await;
        assert_eq!(told.report.news, [], "told once");
        assert_eq!(told.report.standing.get("refused"), Some(&1));
    }
    assert_eq!(rig.sandbox.count(CREATE), 1);
    assert_eq!(unsettled(&mut rig), 0);
    // What the refusal rests on has changed: now it is worth another try.
    let id = rig.sandbox.followers()[0].id.clone();
    rig.sandbox.rename(&id, "another_login", "Another");
    rig.apply_all().await;
    assert_eq!(rig.sandbox.count(CREATE), 2);
    assert_eq!(rig.sandbox.contact_count(), 3);
}

#[tokio::test]
async fn a_refused_update_is_set_aside_and_the_others_go_through() {
    for skip in 0..3 {
        let mut set = Scene::Renames.set().await;
        let refusal = Fault::new(FaultKind::Unprocessable422)
            .on(UPDATE)
            .skip(skip);
        set.rig.sandbox.fault(refusal);
        let told = set.run().await.unwrap();
        assert_eq!(told.done(StepKind::Update), 2);
        assert_eq!(told.report.counts[&StepKind::Update].refused, 1);
        assert!(told.report.has_news(NewsKind::Refused));
        for _ in 0..3 {
            set.rig.advance(minutes(16));
            let told = set.rig.apply_all().await;
            assert_eq!(told.report.news, []);
            assert_eq!(set.rig.sandbox.count(UPDATE), 3);
        }
    }
}

#[tokio::test]
async fn a_refused_batch_is_halved_down_to_the_contact_that_is_refused() {
    let mut set = Scene::BulkTags.set().await;
    // All four, then both halves, then one of the four alone.
    let refusal = Fault::new(FaultKind::Unprocessable422).on(TAGS).times(4);
    set.rig.sandbox.fault(refusal);
    let told = set.run().await.unwrap();
    assert_eq!(told.done(StepKind::AddTags), 3, "{:#?}", told.report);
    assert_eq!(told.report.counts[&StepKind::AddTags].refused, 1);
    assert!(told.report.extra["halving"] > 0);
    let calls = set.rig.sandbox.count(TAGS);
    for _ in 0..3 {
        set.rig.advance(minutes(16));
        assert_eq!(set.rig.apply_all().await.report.news, []);
    }
    assert_eq!(set.rig.sandbox.count(TAGS), calls);
}

async fn one_follower() -> Rig {
    let mut world = settings(1, 2);
    world.fields = true;
    Rig::new(world).await
}
