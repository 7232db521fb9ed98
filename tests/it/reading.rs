//! Reading the followers: what a pass costs, when a full one is due, and whom it believes to be gone.

use std::time::Duration;

use ghl_sync::model::{Change, GuardKind, StepKind};
use ghl_sync::report::Pass;
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{Fault, FaultKind, StaleAfter};

use crate::rig::{JOB, Rig, Told, ask_all, hours, minutes, settings};
use crate::scenes::{has, number};

const FOLLOWERS: &str = "GET /channels/followers";
const USERS: &str = "GET /users";

/// Three pages of followers who all have their contact already, linked by a first run.
async fn linked(job: &str) -> Rig {
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

async fn full(rig: &mut Rig) -> Told {
    rig.run(Ask {
        full: true,
        ..ask_all()
    })
    .await
    .unwrap()
}

/// Returns how many times single followers were looked up.
fn look_ups(rig: &Rig) -> usize {
    let calls = rig.sandbox.calls();
    let look_up =
        |path: &str| path.starts_with("/channels/followers") && path.contains("&user_id=");
    calls.iter().filter(|call| look_up(&call.path)).count()
}

fn contact_of(rig: &Rig, id: &str) -> serde_json::Value {
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
async fn a_debt_is_shown_and_makes_a_full_pass_due_only_when_it_stood_and_a_day_went_by() {
    let mut rig = linked(JOB).await;
    let lost = rig.sandbox.followers()[220].id.clone();
    rig.sandbox.unfollow(&lost);
    for _ in 0..5 {
        let told = rig.apply_all().await;
        assert_eq!(told.report.pass, Pass::Normal, "{:?}", told.report.why_full);
        assert_eq!(told.report.source.debt, 1);
        assert_eq!(told.report.source.pages, 1);
        rig.advance(minutes(15));
    }
    rig.advance(hours(24));
    let told = rig.apply_all().await;
    assert_eq!(told.report.pass, Pass::Full);
    assert_eq!(
        told.report.why_full.as_deref(),
        Some("the total has differed by 1 for 5 passes")
    );
    rig.advance(minutes(3));
    rig.apply_all().await;
    assert!(has(&contact_of(&rig, &lost), "twitch unfollowed"));
    rig.advance(minutes(15));
    let told = rig.apply_all().await;
    assert_eq!(told.report.source.debt, 0);
    assert_eq!(told.report.pass, Pass::Normal);
}

#[tokio::test]
async fn a_debt_beyond_guard_leave_makes_a_full_pass_due_at_once() {
    let mut rig = linked(JOB).await;
    rig.sandbox.purge(150, 210);
    let told = rig.apply_all().await;
    assert_eq!(told.report.source.debt, 60);
    rig.advance(minutes(15));
    assert_eq!(rig.apply_all().await.report.pass, Pass::Full);
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
    rig.advance(minutes(15));
    let told = rig.apply_all().await;
    assert_eq!(
        told.report.why_full.as_deref(),
        Some("no full pass has ended yet")
    );
}

#[tokio::test]
async fn one_who_is_absent_has_left_only_when_a_look_two_minutes_later_says_so() {
    let mut rig = linked(JOB).await;
    let lost = rig.sandbox.followers()[130].id.clone();
    rig.sandbox.unfollow(&lost);
    full(&mut rig).await;
    rig.advance(minutes(1));
    let told = rig.apply_all().await;
    assert_eq!(look_ups(&rig), 0, "one minute is too early");
    assert_eq!(
        told.report.standing.get("absent, not confirmed yet"),
        Some(&1)
    );
    assert!(rig.sandbox.writes().is_empty());
    rig.advance(minutes(2));
    rig.apply_all().await;
    assert_eq!(look_ups(&rig), 1);
    let contact = contact_of(&rig, &lost);
    assert!(has(&contact, "twitch unfollowed"));
    assert!(
        has(&contact, "twitch follower"),
        "it was there before us, so it stays"
    );
    rig.advance(minutes(15));
    rig.sandbox.clear_calls();
    rig.apply_all().await;
    assert_eq!((look_ups(&rig), rig.sandbox.writes().len()), (0, 0));
}

#[tokio::test]
async fn one_who_was_only_missing_from_the_list_has_not_left() {
    let mut rig = linked(JOB).await;
    let flapping = rig.sandbox.followers()[130].clone();
    rig.sandbox.unfollow(&flapping.id);
    full(&mut rig).await;
    rig.sandbox
        .follow(&flapping.id, &flapping.login, &flapping.name);
    rig.advance(minutes(3));
    rig.apply_all().await;
    rig.advance(minutes(15));
    rig.apply_all().await;
    assert!(
        rig.sandbox.writes().is_empty(),
        "{:#?}",
        rig.sandbox.writes()
    );
}

#[tokio::test]
async fn a_permission_lost_between_the_listing_and_the_look_means_that_nobody_left() {
    let mut rig = linked(JOB).await;
    let lost = rig.sandbox.followers()[130].id.clone();
    rig.sandbox.unfollow(&lost);
    full(&mut rig).await;
    rig.advance(minutes(3));
    // The page is still shown, the look-up is not.
    rig.sandbox.fault(
        Fault::new(FaultKind::MissingPermission)
            .on(FOLLOWERS)
            .skip(1),
    );
    assert!(rig.run(ask_all()).await.is_err());
    assert!(rig.sandbox.writes().is_empty());
    assert_eq!(
        number(
            &mut rig,
            "SELECT count(*) FROM roster WHERE state != 'in' OR pending IS NOT NULL"
        ),
        0
    );
    rig.advance(minutes(15));
    rig.apply_all().await;
    assert!(has(&contact_of(&rig, &lost), "twitch unfollowed"));
}

#[tokio::test]
async fn many_leavers_are_confirmed_by_a_second_listing_and_not_one_by_one() {
    let mut rig = linked(JOB).await;
    rig.sandbox.purge(100, 140);
    full(&mut rig).await;
    rig.advance(minutes(5));
    full(&mut rig).await;
    assert!(rig.sandbox.writes().is_empty(), "five minutes are too few");
    rig.advance(minutes(6));
    let told = full(&mut rig).await;
    assert_eq!(told.done(StepKind::AddTags), 40);
    assert_eq!(look_ups(&rig), 0);
    assert_eq!(rig.sandbox.count(USERS), 1);
}

#[tokio::test]
async fn guard_leave_counts_candidates_before_anybody_is_looked_up() {
    let mut rig = linked(JOB).await;
    rig.sandbox.purge(100, 160);
    let apply = Ask {
        apply: true,
        full: true,
        ..Ask::default()
    };
    for _ in 0..3 {
        let told = rig.run(apply.clone()).await.unwrap();
        let guard = &told.report.guards[0];
        assert_eq!(
            (guard.guard, guard.count, guard.limit),
            (GuardKind::Leave, 60, 50)
        );
        assert!(guard.held);
        assert_eq!(guard.command, "ghl-sync apply followers --allow leave");
        rig.advance(minutes(15));
    }
    assert_eq!((look_ups(&rig), rig.sandbox.count(USERS)), (0, 0));
    assert!(rig.sandbox.writes().is_empty());
    let allow = Ask {
        allow: [GuardKind::Leave].into(),
        ..apply
    };
    let told = rig.run(allow).await.unwrap();
    // The sixty also have sixty tag changes, which guard leave counts and nothing else.
    assert_eq!(told.done(StepKind::AddTags), 60, "{:#?}", told.report);
}

#[tokio::test]
async fn a_suspended_account_is_told_from_one_that_left() {
    let job = format!("{JOB}[on.gone]\nadd_tags = [\"twitch gone\"]\n");
    let mut rig = linked(&job).await;
    let followers = rig.sandbox.followers();
    let (left, suspended, deleted) = (&followers[10].id, &followers[20].id, &followers[30].id);
    rig.sandbox.unfollow(left);
    rig.sandbox.suspend(suspended);
    rig.sandbox.delete_user(deleted);
    full(&mut rig).await;
    rig.advance(minutes(3));
    rig.apply_all().await;
    let tags = |id: &str| {
        let contact = contact_of(&rig, id);
        (
            has(&contact, "twitch unfollowed"),
            has(&contact, "twitch gone"),
        )
    };
    assert_eq!(tags(left), (true, false));
    assert_eq!(tags(suspended), (false, true));
    assert_eq!(tags(deleted), (false, true));
}

#[tokio::test]
async fn by_default_nothing_happens_to_a_suspended_account() {
    let mut rig = linked(JOB).await;
    let suspended = rig.sandbox.followers()[20].id.clone();
    rig.sandbox.suspend(&suspended);
    full(&mut rig).await;
    rig.advance(minutes(3));
    rig.apply_all().await;
    rig.sandbox.reinstate(&suspended);
    rig.advance(minutes(15));
    full(&mut rig).await;
    assert!(
        rig.sandbox.writes().is_empty(),
        "{:#?}",
        rig.sandbox.writes()
    );
}

#[tokio::test]
async fn one_who_comes_back_has_the_tags_of_a_follower_again_and_those_of_a_return() {
    let job = format!("{JOB}[on.return]\nadd_tags = [\"twitch back\"]\n");
    let mut rig = linked(&job).await;
    let follower = rig.sandbox.followers()[10].clone();
    rig.sandbox.unfollow(&follower.id);
    full(&mut rig).await;
    rig.advance(minutes(3));
    rig.apply_all().await;
    assert!(has(&contact_of(&rig, &follower.id), "twitch unfollowed"));
    rig.advance(minutes(15));
    rig.sandbox
        .follow(&follower.id, &follower.login, &follower.name);
    rig.apply_all().await;
    let contact = contact_of(&rig, &follower.id);
    assert!(has(&contact, "twitch follower") && has(&contact, "twitch back"));
    assert!(!has(&contact, "twitch unfollowed"));
    rig.advance(minutes(15));
    rig.sandbox.clear_calls();
    rig.apply_all().await;
    assert!(rig.sandbox.writes().is_empty());
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
