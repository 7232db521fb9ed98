//! Subscribers: counted, tiered, given, and gone only when two listings and a look-up say so.

use ghl_sync::model::{GuardKind, StepKind};
use ghl_sync::report::Pass;
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{BROADCASTER_ID, Change, Fault, FaultKind, Happening, Lingering, Settings};

use super::{
    absent, at_twitch, channel, contact, crowd, failed_pass, field, has_left, is_in, pass, settled,
    tasks,
};
use crate::rig::{Rig, ask_all, hours, minutes};
use crate::scenes::has;

const ROUTE: &str = "GET /subscriptions";

fn attributes(rig: &mut Rig, id: &str) -> serde_json::Value {
    let reader = rig.store().reader().unwrap();
    let text: String = reader
        .query_row(
            "SELECT attributes FROM roster WHERE key = ?1",
            [id],
            |row| row.get(0),
        )
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn whoever_subscribes_is_in_with_their_tier_and_the_broadcaster_is_not() {
    let mut rig = settled(crowd(3, 0, 0), "subscribers").await;
    let first = channel(&rig).subscribers();
    assert!(
        first
            .iter()
            .all(|id| is_in(&rig, id) && tasks(&rig, id).is_empty())
    );
    let tiers: Vec<String> = first
        .iter()
        .map(|id| field(&rig, id, "twitch_tier"))
        .collect();
    assert_eq!(tiers, ["1", "2", "1"]);
    let own = rig
        .sandbox
        .contacts_by_field("twitch_user_id", BROADCASTER_ID);
    assert!(own.is_empty(), "{own:?}");

    rig.sandbox.add_user("71", "ada", "Ada");
    channel(&rig).subscribe("71", "3000");
    channel(&rig).change_tier(&first[0], "2000");
    let told = pass(&mut rig, 15).await;
    assert_eq!(told.report.source.listed, 4);
    assert_eq!(told.report.source.total, Some(4));
    assert!(is_in(&rig, "71"));
    assert_eq!(field(&rig, "71", "twitch_tier"), "3");
    assert_eq!(field(&rig, &first[0], "twitch_tier"), "2");
    // She is news, and nobody else is.
    assert_eq!(tasks(&rig, "71"), ["Greet ada"]);
    assert_eq!(told.done(StepKind::Task), 1);
    rig.sandbox.clear_calls();
    pass(&mut rig, 15).await;
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn a_subscriber_beyond_the_place_where_a_listing_was_cut_is_news_too() {
    let mut rig = settled(crowd(205, 0, 0), "subscribers").await;
    rig.sandbox.add_user("71", "ada", "Ada");
    channel(&rig).subscribe("71", "1000");
    rig.sandbox
        .fault(Fault::new(FaultKind::Status503).on(ROUTE).skip(1).times(50));
    let full = || Ask {
        full: true,
        ..ask_all()
    };
    rig.advance(minutes(15));
    let told = rig.run(full()).await.unwrap();
    assert!(told.report.source.ended.contains("503"), "{told:?}");
    assert_eq!(told.done(StepKind::Task), 0, "she is on the last page");
    rig.sandbox.clear_faults();
    // So soon after it that the walk could go on where it was cut.
    rig.advance(minutes(1));
    rig.run(full()).await.unwrap();
    assert_eq!(tasks(&rig, "71"), ["Greet ada"]);
}

#[tokio::test]
async fn the_first_subscriber_of_a_channel_without_any_is_news() {
    let mut rig = settled(crowd(0, 0, 0), "subscribers").await;
    let told = pass(&mut rig, 15).await;
    assert_eq!(told.report.source.ended, "complete");
    rig.sandbox.add_user("71", "ada", "Ada");
    channel(&rig).subscribe("71", "1000");
    pass(&mut rig, 15).await;
    assert_eq!(tasks(&rig, "71"), ["Greet ada"]);
}

#[tokio::test]
async fn one_has_left_when_two_listings_and_a_look_up_say_so() {
    let mut rig = settled(crowd(5, 0, 0), "subscribers").await;
    let lost = channel(&rig).subscribers().remove(2);
    channel(&rig).unsubscribe(&lost);
    let told = pass(&mut rig, 15).await;
    let waiting = told.report.standing.get("absent, not confirmed yet");
    assert_eq!(waiting, Some(&1));
    pass(&mut rig, 1).await;
    assert!(is_in(&rig, &lost), "one minute is too early");
    assert!(!at_twitch(&rig).iter().any(|path| path.ends_with("by id")));
    rig.sandbox.clear_calls();
    pass(&mut rig, 3).await;
    assert!(has_left(&rig, &lost));
    let asked = ["/subscriptions", "/subscriptions by id", "/users"];
    assert_eq!(at_twitch(&rig), asked);

    // She comes back: the tags of one who is in, and a new beginning.
    channel(&rig).subscribe(&lost, "1000");
    rig.advance(hours(24 * 40));
    pass(&mut rig, 15).await;
    assert!(is_in(&rig, &lost) && !has(&contact(&rig, &lost), "was in"));
    assert_eq!(field(&rig, &lost, "twitch_months"), "0");
    pass(&mut rig, 15).await;
    rig.sandbox.clear_calls();
    pass(&mut rig, 15).await;
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn one_whom_the_look_up_still_shows_has_not_left() {
    let mut rig = settled(crowd(5, 0, 0), "subscribers").await;
    let flapping = channel(&rig).subscribers().remove(2);
    channel(&rig).unsubscribe(&flapping);
    pass(&mut rig, 15).await;
    assert_eq!(absent(&mut rig), (1, 0));
    // The second listing lacks her too; a moment later she is there.
    let back = Change::On {
        channel: BROADCASTER_ID.to_owned(),
        what: Happening::Subscribe {
            id: flapping.clone(),
            tier: "1000".to_owned(),
        },
    };
    rig.sandbox.drift_on(ROUTE, 1, back);
    rig.sandbox.clear_calls();
    pass(&mut rig, 15).await;
    assert_eq!(at_twitch(&rig), ["/subscriptions", "/subscriptions by id"]);
    assert_eq!(absent(&mut rig), (0, 0));
    pass(&mut rig, 15).await;
    assert!(is_in(&rig, &flapping) && !has(&contact(&rig, &flapping), "was in"));
}

#[tokio::test]
async fn a_suspended_subscriber_is_told_from_one_who_left() {
    let mut rig = settled(crowd(6, 0, 0), "subscribers").await;
    let ids = channel(&rig).subscribers();
    channel(&rig).unsubscribe(&ids[0]);
    rig.sandbox.suspend(&ids[1]);
    rig.sandbox.delete_user(&ids[2]);
    pass(&mut rig, 15).await;
    pass(&mut rig, 15).await;
    let tags = |id: &str| (has_left(&rig, id), has(&contact(&rig, id), "gone"));
    assert_eq!(tags(&ids[0]), (true, false));
    assert_eq!(tags(&ids[1]), (false, true));
    assert_eq!(tags(&ids[2]), (false, true));
}

#[tokio::test]
async fn a_pass_without_changes_is_one_call_however_many_there_are() {
    // With the broadcaster 99 fill a page, and only an empty one after it would end the list.
    for subscribers in [1, 20, 99, 250] {
        let mut rig = settled(crowd(subscribers, 0, 0), "subscribers").await;
        for _ in 0..3 {
            rig.sandbox.clear_calls();
            let told = rig.apply().await;
            let routes: Vec<_> = rig.sandbox.calls().iter().map(|call| call.route).collect();
            assert_eq!(routes, [ROUTE, "POST /contacts/search"], "{subscribers}");
            assert_eq!(told.report.pass, Pass::Normal);
            rig.advance(minutes(15));
        }
    }
}

#[tokio::test]
async fn a_change_behind_the_first_page_is_seen_by_the_counts_or_within_a_day() {
    let mut rig = settled(crowd(250, 0, 0), "subscribers").await;
    let ids = channel(&rig).subscribers();
    // The points tell of another tier.
    channel(&rig).change_tier(&ids[220], "3000");
    let told = pass(&mut rig, 15).await;
    assert_eq!(
        (told.report.source.pages, told.report.pass),
        (3, Pass::Normal)
    );
    assert_eq!(field(&rig, &ids[220], "twitch_tier"), "3");
    // One goes and one comes: both counts are what they were.
    rig.sandbox.add_user("71", "ada", "Ada");
    channel(&rig).unsubscribe(&ids[202]);
    channel(&rig).subscribe("71", "1000");
    let told = pass(&mut rig, 15).await;
    assert_eq!((told.report.source.pages, told.report.source.new), (1, 0));
    assert_eq!(told.report.source.ended, "caught up");
    let told = pass(&mut rig, 24 * 60).await;
    let why = "the last whole listing is older than `full_at_most_every`";
    assert_eq!(told.report.why_full.as_deref(), Some(why));
    assert!(is_in(&rig, "71"));
    // Whoever is absent makes the next pass read on to the end.
    let told = pass(&mut rig, 15).await;
    let why = "1 record is absent, and a second listing tells whether they left";
    assert_eq!(told.report.why_full.as_deref(), Some(why));
    assert!(has_left(&rig, &ids[202]));
    assert_eq!(pass(&mut rig, 15).await.report.pass, Pass::Normal);
}

#[tokio::test]
async fn three_hundred_gifts_at_once_are_three_hundred_who_joined_once() {
    let mut rig = settled(crowd(1, 0, 0), "subscribers").await;
    let people: Vec<String> = (0..300).map(|number| format!("77{number:04}")).collect();
    for id in &people {
        rig.sandbox.add_user(id, &format!("lucky_{id}"), "");
    }
    rig.sandbox.add_user("88", "santa", "Santa");
    let ids: Vec<&str> = people.iter().map(String::as_str).collect();
    channel(&rig).gift(Some("88"), &ids);
    let told = pass(&mut rig, 15).await;
    assert_eq!(
        (told.report.source.new, told.done(StepKind::Create)),
        (300, 300)
    );
    assert_eq!(told.done(StepKind::Task), 300);
    assert_eq!(field(&rig, &people[7], "twitch_gifter"), "santa");
    assert_eq!(tasks(&rig, &people[299]).len(), 1);
    rig.sandbox.clear_calls();
    pass(&mut rig, 15).await;
    assert!(rig.sandbox.writes().is_empty());
    // She goes on at her own expense: it is no gift any more.
    assert_eq!(attributes(&mut rig, &people[7])["is_gift"], "yes");
    channel(&rig).subscribe(&people[7], "2000");
    pass(&mut rig, 15).await;
    let own = attributes(&mut rig, &people[7]);
    assert_eq!(own["tier"], "2");
    for ended in ["is_gift", "gifter_id", "gifter_login", "gifter_name"] {
        assert!(own.get(ended).is_none(), "{own}");
    }
}

#[tokio::test]
async fn a_purge_is_held_before_anybody_is_looked_up() {
    let mut rig = settled(crowd(300, 0, 0), "subscribers").await;
    let ids = channel(&rig).subscribers();
    for id in ids.iter().skip(100).take(90) {
        channel(&rig).unsubscribe(id);
    }
    let apply = Ask {
        apply: true,
        ..Ask::default()
    };
    for _ in 0..3 {
        rig.advance(minutes(15));
        let told = rig.run(apply.clone()).await.unwrap();
        let guard = &told.report.guards[0];
        assert_eq!(
            (guard.guard, guard.count, guard.limit),
            (GuardKind::Leave, 90, 50)
        );
        assert_eq!(guard.command, "ghl-sync apply subscribers --allow leave");
        assert!(guard.held);
    }
    assert!(!at_twitch(&rig).iter().any(|path| path != "/subscriptions"));
    assert!(rig.sandbox.writes().is_empty());
    let allow = Ask {
        allow: [GuardKind::Leave].into(),
        ..apply
    };
    rig.advance(minutes(15));
    let told = rig.run(allow).await.unwrap();
    assert_eq!(told.done(StepKind::AddTags), 90, "{:#?}", told.report);
    assert!(has_left(&rig, &ids[100]) && is_in(&rig, &ids[99]));
}

#[tokio::test]
async fn a_permission_lost_anywhere_means_that_nobody_left() {
    // At the first page, and at the look-up that comes after both pages of the listing.
    for skip in [0, 2] {
        let mut rig = settled(crowd(120, 0, 0), "subscribers").await;
        let lost = channel(&rig).subscribers().remove(5);
        channel(&rig).unsubscribe(&lost);
        pass(&mut rig, 15).await;
        rig.sandbox.clear_calls();
        let fault = Fault::new(FaultKind::MissingPermission)
            .on(ROUTE)
            .skip(skip);
        rig.sandbox.fault(fault);
        let error = failed_pass(&mut rig, 15).await.to_string();
        assert!(error.contains("channel:read:subscriptions"), "{error}");
        assert!(rig.sandbox.writes().is_empty());
        assert_eq!(absent(&mut rig), (1, 0), "after {skip} calls");
        pass(&mut rig, 15).await;
        assert!(has_left(&rig, &lost));
    }
}

#[tokio::test]
async fn a_listing_that_was_cut_or_does_not_add_up_removes_nobody() {
    let cuts = [
        (FaultKind::MissingCursor, 1),
        (FaultKind::RepeatedCursor, 9),
        (FaultKind::Html502, 5),
        (FaultKind::Truncated, 5),
        (FaultKind::WrongShape, 5),
        (FaultKind::EmptyPage, 99),
    ];
    for (kind, times) in cuts {
        let mut rig = settled(crowd(250, 0, 0), "subscribers").await;
        let lost = channel(&rig).subscribers().remove(240);
        channel(&rig).unsubscribe(&lost);
        let fault = Fault::new(kind.clone()).on(ROUTE).skip(1).times(times);
        rig.sandbox.fault(fault);
        rig.advance(minutes(15));
        let _ = rig.run(ask_all()).await;
        assert_eq!(absent(&mut rig), (0, 0), "{kind:?}");
        rig.sandbox.clear_faults();
        for _ in 0..3 {
            pass(&mut rig, 15).await;
        }
        assert!(has_left(&rig, &lost), "{kind:?}");
    }
}

#[tokio::test]
async fn a_count_without_rows_is_no_empty_list() {
    let mut rig = settled(crowd(80, 0, 0), "subscribers").await;
    let fault = Fault::new(FaultKind::EmptyPage).on(ROUTE).times(9);
    rig.sandbox.fault(fault);
    let told = pass(&mut rig, 15).await;
    assert_eq!(told.report.source.listed, 0);
    assert_eq!(absent(&mut rig), (0, 0));
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn months_are_counted_from_the_first_listing_and_change_once_a_month() {
    let mut rig = settled(crowd(3, 0, 0), "subscribers").await;
    let one = channel(&rig).subscribers().remove(0);
    assert_eq!(field(&rig, &one, "twitch_months"), "0");
    for month in 1..4 {
        rig.advance(hours(24 * 31));
        let told = rig.apply_all().await;
        assert_eq!(told.done(StepKind::Update), 3, "month {month}");
        assert_eq!(field(&rig, &one, "twitch_months"), month.to_string());
        rig.sandbox.clear_calls();
        pass(&mut rig, 60).await;
        assert!(rig.sandbox.writes().is_empty());
    }
}

#[tokio::test]
async fn a_deleted_account_that_lingers_keeps_the_name_it_had() {
    let world = Settings {
        crew: crowd(4, 0, 0).crew,
        ..crowd(4, 0, 0)
    };
    let mut rig = settled(world, "subscribers").await;
    let one = channel(&rig).subscribers().remove(1);
    let login = field(&rig, &one, "twitch_username");
    rig.sandbox.delete_user(&one);
    rig.sandbox
        .switch(|switches| switches.lingering = Lingering::Nameless);
    pass(&mut rig, 15).await;
    pass(&mut rig, 15).await;
    assert!(is_in(&rig, &one), "it is listed");
    assert_eq!(field(&rig, &one, "twitch_username"), login);
    assert_eq!(attributes(&mut rig, &one)["user_login"], login);
    // Not even its id is left: the row is counted, and the account is gone.
    rig.sandbox
        .switch(|switches| switches.lingering = Lingering::Blank);
    let told = pass(&mut rig, 15).await;
    assert_eq!(told.report.source.odd_rows, 1);
    pass(&mut rig, 15).await;
    assert!(has(&contact(&rig, &one), "gone"));
}
