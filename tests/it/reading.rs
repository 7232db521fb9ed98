//! Reading the followers: what a pass costs, what it lists, and when its walk is whole.

use std::fs;
use std::time::Duration;

use ghl_sync::model::{Change, StepKind};
use ghl_sync::report::Pass;
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{BROADCASTER_ID, BROADCASTER_LOGIN, Fault, FaultKind, StaleAfter};

use crate::rig::{JOB, Rig, Told, ask_all, hours, minutes, settings};
use crate::scenes::number;

const FOLLOWERS: &str = "GET /channels/followers";

/// Three pages of followers who all have their contact already, linked by a first run.
pub(crate) async fn linked(job: &str) -> Rig {
    let mut rig = Rig::with_job(twins(250), job).await;
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::Link), 250);
    assert!(rig.sandbox.writes().is_empty());
    rig.advance(hours(1));
    rig.sandbox.clear_calls();
    rig
}

fn twins(followers: u64) -> ghl_sync::sandbox::Settings {
    let mut world = settings(followers, followers + 10);
    world.twins = followers;
    world
}

pub(crate) async fn full(rig: &mut Rig) -> Told {
    rig.run(Ask {
        full: true,
        ..ask_all()
    })
    .await
    .unwrap()
}

pub(crate) fn contact_of(rig: &Rig, id: &str) -> serde_json::Value {
    let contacts = rig.sandbox.contacts_by_field("twitch_user_id", id);
    assert_eq!(contacts.len(), 1, "{contacts:?}");
    contacts[0].clone()
}

#[tokio::test]
async fn a_normal_pass_without_changes_is_two_calls() {
    let mut rig = linked(JOB).await;
    rig.apply().await;
    for _ in 0..3 {
        rig.advance(minutes(15));
        rig.sandbox.clear_calls();
        let told = rig.apply().await;
        let routes: Vec<_> = rig.sandbox.calls().iter().map(|call| call.route).collect();
        assert_eq!(routes, [FOLLOWERS, "POST /contacts/search"]);
        assert_eq!(told.report.pass, Pass::Normal);
        assert_eq!(told.report.source.ended, "caught up");
    }
    // The validation of an hour ago and the definitions of a day ago are read again: four at the most.
    rig.advance(hours(25));
    rig.sandbox.clear_calls();
    rig.apply().await;
    assert!(rig.sandbox.calls().len() <= 4);
}

#[tokio::test]
async fn new_followers_are_read_page_by_page_until_everybody_is_known() {
    let mut rig = linked(JOB).await;
    for number in 0..120 {
        let (id, login) = (format!("90000{number}"), format!("newcomer_{number}"));
        rig.sandbox.follow(&id, &login, &login);
    }
    let told = rig.apply_all().await;
    assert_eq!(told.report.source.pages, 3, "the third one ends the list");
    assert_eq!(told.done(StepKind::Create), 120);
    rig.advance(minutes(15));
    let told = rig.apply_all().await;
    // The last page was followed moments before the last walk: one page is not proof enough yet.
    assert_eq!(told.planned(StepKind::Create), 0);
}

#[tokio::test]
async fn the_first_pass_takes_a_total_that_counts_ghosts_and_the_next_ones_know_the_gap() {
    let mut world = twins(1_000);
    world.switches.ghosts = true;
    let mut rig = Rig::new(world).await;
    let told = rig.apply_all().await;
    assert_eq!(told.report.source.ended, "complete");
    assert!(told.report.source.total > Some(told.report.source.listed));
    rig.advance(hours(1));
    let told = full(&mut rig).await;
    assert_eq!(told.report.source.ended, "complete");
    assert_eq!(
        number(
            &mut rig,
            "SELECT count(*) FROM roster WHERE missing_walk IS NOT NULL"
        ),
        0
    );
    // Twenty suspended accounts are still counted: the gap is not what it was, and nobody is taken for gone.
    for follower in rig.sandbox.followers().into_iter().skip(500).take(20) {
        rig.sandbox.suspend(&follower.id);
    }
    rig.advance(hours(1));
    let told = full(&mut rig).await;
    assert!(
        told.report.source.ended.contains("980"),
        "{}",
        told.report.source.ended
    );
    rig.advance(hours(1));
    let told = full(&mut rig).await;
    let warned = told
        .report
        .remarks
        .iter()
        .find(|remark| remark.contains("drift"));
    let warned = warned.expect("the second cut is a warning");
    assert!(
        warned.contains("980") && warned.contains("1010"),
        "{warned}"
    );
    assert_eq!(
        number(
            &mut rig,
            "SELECT count(*) FROM roster WHERE missing_walk IS NOT NULL"
        ),
        0
    );
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn a_first_pass_with_a_gap_beyond_five_percent_has_no_leavers_and_is_not_complete() {
    let mut world = twins(250);
    world.switches.ghosts = true;
    let mut rig = Rig::new(world).await;
    for follower in rig.sandbox.followers().into_iter().take(20) {
        rig.sandbox.suspend(&follower.id);
    }
    let told = rig.apply_all().await;
    assert!(
        told.report.source.ended.contains("230"),
        "{}",
        told.report.source.ended
    );
    // Reading everything again at once would tell the same: it is tried again after a day, and until then a pass is two calls.
    rig.advance(hours(1));
    rig.run(Ask {
        apply: true,
        ..Ask::default()
    })
    .await
    .unwrap();
    rig.advance(minutes(15));
    rig.sandbox.clear_calls();
    let told = rig
        .run(Ask {
            apply: true,
            ..Ask::default()
        })
        .await
        .unwrap();
    assert_eq!(told.report.why_full, None);
    let calls: Vec<_> = rig
        .sandbox
        .calls()
        .into_iter()
        .map(|call| call.route)
        .collect();
    assert_eq!(calls, ["GET /channels/followers", "POST /contacts/search"]);
    rig.advance(hours(25));
    let told = rig
        .run(Ask {
            apply: true,
            ..Ask::default()
        })
        .await
        .unwrap();
    assert_eq!(
        told.report.why_full.as_deref(),
        Some("no full pass has ended yet")
    );
}

#[tokio::test]
async fn a_rename_reaches_the_contact_and_a_name_that_was_filled_in_stays() {
    let mut rig = linked(JOB).await;
    let follower = rig.sandbox.followers()[10].clone();
    let before = contact_of(&rig, &follower.id);
    rig.sandbox
        .rename(&follower.id, "another_login", "Another Name");
    let told = rig.apply().await;
    assert_eq!(told.done(StepKind::Update), 1);
    let Change::Update { fields } = &told.rows[0].change else {
        panic!("{:?}", told.rows)
    };
    assert_eq!(fields.len(), 1, "only the key that differs: {fields:?}");
    let after = contact_of(&rig, &follower.id);
    assert_eq!(after["fields"]["twitch_username"], "another_login");
    assert_eq!(after["firstName"], before["firstName"]);
}

#[tokio::test]
async fn blank_repeated_and_unreadable_rows_cost_nobody_else_anything() {
    let mut world = settings(230, 0);
    world.fields = true;
    let mut rig = Rig::new(world).await;
    let followers = rig.sandbox.followers();
    rig.sandbox.blank_row(5);
    rig.sandbox.blank_row(120);
    rig.sandbox.duplicate_row(&followers[3].id, 150);
    rig.sandbox.duplicate_row(&followers[200].id, 7);
    rig.sandbox.unreadable_row(&followers[40].id, 160);
    let told = rig.apply_all().await;
    assert_eq!(told.report.source.ended, "complete");
    assert!(told.report.source.odd_rows >= 2);
    assert_eq!(told.done(StepKind::Create), 230);
    assert_eq!(rig.sandbox.contact_count(), 230);
    rig.advance(hours(1));
    rig.sandbox.clear_calls();
    full(&mut rig).await;
    assert!(rig.sandbox.writes().is_empty());
    assert_eq!(
        number(
            &mut rig,
            "SELECT count(*) FROM roster WHERE missing_walk IS NOT NULL"
        ),
        0
    );
}

#[tokio::test]
async fn empty_middle_pages_short_pages_and_an_extra_last_page_hide_nobody() {
    let mut world = twins(450);
    world.switches.empty_pages = 2;
    world.switches.short_pages = true;
    world.switches.last_cursor = true;
    let mut rig = Rig::new(world).await;
    let told = rig.apply_all().await;
    assert_eq!(told.report.source.ended, "complete");
    assert_eq!(told.report.source.listed, 450);
    assert_eq!(told.done(StepKind::Link), 450);
    rig.advance(hours(1));
    assert_eq!(full(&mut rig).await.report.source.ended, "complete");
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn a_walk_that_is_taken_up_again_adds_people_and_never_proves_an_absence() {
    let mut rig = linked(JOB).await;
    rig.sandbox.unfollow(&rig.sandbox.followers()[240].id);
    for number in 0..100 {
        let (id, login) = (format!("90000{number}"), format!("newcomer_{number}"));
        rig.sandbox.follow(&id, &login, &login);
    }
    rig.sandbox.fault(
        Fault::new(FaultKind::ResetBefore)
            .on(FOLLOWERS)
            .skip(2)
            .times(5),
    );
    let told = full(&mut rig).await;
    assert!(
        told.report.source.ended != "complete",
        "{}",
        told.report.source.ended
    );
    assert_eq!(told.done(StepKind::Create), 100, "a cut walk may add");
    rig.advance(minutes(1));
    rig.sandbox.clear_calls();
    let told = full(&mut rig).await;
    assert!(
        told.report.source.ended != "complete",
        "{}",
        told.report.source.ended
    );
    assert_eq!(rig.sandbox.count(FOLLOWERS), 2, "it went on where it was");
    assert_eq!(
        number(
            &mut rig,
            "SELECT count(*) FROM roster WHERE missing_walk IS NOT NULL"
        ),
        0
    );
    rig.advance(minutes(1));
    let told = full(&mut rig).await;
    assert_eq!(told.report.source.ended, "complete");
    assert_eq!(
        number(
            &mut rig,
            "SELECT count(*) FROM roster WHERE missing_walk IS NOT NULL"
        ),
        1
    );
}

#[tokio::test]
async fn a_walk_that_rested_longer_than_five_minutes_starts_over() {
    let mut rig = linked(JOB).await;
    rig.sandbox.fault(
        Fault::new(FaultKind::ResetBefore)
            .on(FOLLOWERS)
            .skip(2)
            .times(5),
    );
    full(&mut rig).await;
    rig.advance(minutes(6));
    rig.sandbox.clear_calls();
    let told = full(&mut rig).await;
    assert_eq!(rig.sandbox.count(FOLLOWERS), 3);
    assert_eq!(told.report.source.ended, "complete");
}

#[tokio::test]
async fn a_stale_cursor_cuts_the_walk_whatever_twitch_makes_of_it() {
    for stale_after in [StaleAfter::BadRequest, StaleAfter::FirstPage] {
        let mut rig = linked(JOB).await;
        rig.sandbox.unfollow(&rig.sandbox.followers()[240].id);
        rig.sandbox.switch(|switches| {
            switches.stale_after = stale_after;
            switches.cursor_life = Duration::ZERO;
        });
        let told = rig
            .run(Ask {
                full: true,
                ..ask_all()
            })
            .await;
        if let Ok(told) = told {
            assert!(told.report.source.ended != "complete", "{stale_after:?}");
        }
        assert_eq!(
            number(
                &mut rig,
                "SELECT count(*) FROM roster WHERE missing_walk IS NOT NULL"
            ),
            0,
            "{stale_after:?}"
        );
        rig.sandbox
            .switch(|switches| switches.cursor_life = Duration::from_secs(600));
        rig.advance(minutes(15));
        let told = full(&mut rig).await;
        assert_eq!(told.report.source.ended, "complete", "{stale_after:?}");
        assert!(rig.sandbox.writes().is_empty());
    }
}

/// Returns a rig whose account names its channel by the login, and whose job was let through a day ago.
async fn named_channel() -> Rig {
    let mut rig = Rig::new(twins(5)).await;
    let config = fs::read_to_string(rig.config_path()).unwrap();
    let named = config.replace(
        "[accounts.channel]\n",
        &format!("[accounts.channel]\nchannel = \"{BROADCASTER_LOGIN}\"\n"),
    );
    fs::write(rig.config_path(), named).unwrap();
    rig.apply_all().await;
    rig.advance(hours(25));
    rig
}

#[tokio::test]
async fn a_suspended_channel_proves_nothing_about_its_followers() {
    let mut rig = named_channel().await;
    rig.sandbox.suspend(BROADCASTER_ID);
    rig.sandbox.clear_calls();
    for _ in 0..2 {
        let run = rig.run(Ask {
            full: true,
            ..ask_all()
        });
        let said = run.await.unwrap_err().to_string();
        assert!(
            said.contains("there is no Twitch channel `sandbox_channel`"),
            "{said}"
        );
        rig.advance(minutes(16));
    }
    assert_eq!(rig.sandbox.count(FOLLOWERS), 0);
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn a_renamed_channel_is_read_on_under_its_id() {
    let mut rig = named_channel().await;
    rig.sandbox
        .rename(BROADCASTER_ID, "another_login", "Another");
    rig.sandbox.follow("900", "ada", "Ada");
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::Create), 1);
    let remarks = told.report.remarks.join("\n");
    assert!(
        remarks.contains("the channel `sandbox_channel` is called `another_login` now and is read on under its id"),
        "{remarks}"
    );
}
