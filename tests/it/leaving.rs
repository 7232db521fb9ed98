//! Who left: a debt in the total, and nobody is gone before a second look says so.

use ghl_sync::model::{GuardKind, StepKind};
use ghl_sync::report::Pass;
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{Fault, FaultKind};

use crate::reading::{contact_of, full, linked};
use crate::rig::{JOB, Rig, ask_all, hours, minutes};
use crate::scenes::{has, number};

const FOLLOWERS: &str = "GET /channels/followers";
const USERS: &str = "GET /users";

/// Returns how many times single followers were looked up.
fn look_ups(rig: &Rig) -> usize {
    let calls = rig.sandbox.calls();
    let look_up =
        |path: &str| path.starts_with("/channels/followers") && path.contains("&user_id=");
    calls.iter().filter(|call| look_up(&call.path)).count()
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
