//! Several who meet one ended token, and processes that end in the middle of its renewal.

use std::time::{Duration, Instant};

use ghl_sync::net::{Purpose, Reach, Tally};
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{
    BROADCASTER_ID, Fault, FaultKind, HIGHLEVEL_CLIENT_ID, LOCATION_ID, TWITCH_CLIENT_ID,
};

use super::{full, renewals};
use crate::logged::{Way, account, assert_everyone_once, keeper, logged, run, worlds};
use crate::program::{Running, now, program, together};
use crate::rig::{minutes, settings};

#[tokio::test]
async fn ten_tasks_and_two_processes_that_meet_an_ended_token_renew_it_once() {
    for way in Way::ALL {
        let rig = logged(way, settings(3, 2)).await;
        let mut first = worlds(&rig).await;
        let mut second = worlds(&rig).await;
        let mut lines = Vec::new();
        for process in [&mut first, &mut second] {
            let account = account(process, &way.caller());
            let auth = process.auth(&account).unwrap();
            let tally = Tally::default();
            lines.push(match way.is_twitch() {
                true => process.token_line(&account, auth, &tally).unwrap(),
                false => process
                    .line(&account, Reach::ReadsOnly, auth, &tally)
                    .unwrap(),
            });
        }
        for dead in [false, true] {
            rig.sandbox.clear_calls();
            match dead {
                true => rig.sandbox.expire_access_tokens(),
                // By the clock.
                false => rig.advance(way.life()),
            }
            let mut all = tokio::task::JoinSet::new();
            for number in 0..10 {
                let line = lines[number % 2].clone();
                all.spawn(async move {
                    if way.is_twitch() {
                        let call = ghl_sync::apis::twitch::validate();
                        line.send(&call, Purpose::Announced).await.map(drop)
                    } else {
                        let location = LOCATION_ID.to_owned();
                        let location = location.try_into().unwrap();
                        let call = ghl_sync::apis::highlevel::location(&location);
                        line.send(&call, Purpose::Announced).await.map(drop)
                    }
                });
            }
            for done in all.join_all().await {
                done.unwrap();
            }
            let made = renewals(&rig, way);
            // An agency's dead token is found out by the one call that asks for the location's.
            let expected = if way == Way::Agency && dead { 2 } else { 1 };
            assert_eq!(made, expected, "{way:?}, {dead}");
            if way == Way::Agency {
                assert_eq!(rig.sandbox.count("POST /oauth/token"), 1, "{dead}");
            }
        }
    }
}

#[tokio::test]
async fn two_real_processes_renew_once_and_both_go_on() {
    together(Way::ALL.map(async |way| {
        let rig = logged(way, now(40, 30)).await;
        rig.sandbox.expire_access_tokens();
        // Both are there before the first answer comes.
        for route in [
            "POST /oauth2/token",
            "POST /oauth/token",
            "POST /oauth/locationToken",
        ] {
            let slow = FaultKind::Slow(Duration::from_millis(400));
            rig.sandbox.fault(Fault::new(slow).on(route));
        }
        let (one, two) = (
            Running::start(&rig, &["plan"]),
            Running::start(&rig, &["plan"]),
        );
        let (one, two) = tokio::join!(one.end(), two.end());
        one.exits(0);
        two.exits(0);
        let made = renewals(&rig, way);
        assert_eq!(made, if way == Way::Agency { 2 } else { 1 }, "{way:?}");
        program(&rig, &["apply", "--allow", "first"]).await.exits(0);
        assert_everyone_once(&rig, 30, &format!("{way:?}"));
    }))
    .await;
}

#[tokio::test]
async fn a_process_killed_in_the_middle_of_a_renewal_leaves_no_lock() {
    let rig = logged(Way::TwitchPublic, now(5, 3)).await;
    rig.sandbox.expire_access_tokens();
    // It holds the lock while it waits.
    let wait = FaultKind::TooMany {
        retry_after: Some(30),
    };
    rig.sandbox.fault(Fault::new(wait).on("POST /oauth2/token"));
    let mut running = Running::start(&rig, &["plan"]);
    running
        .until(|_| rig.sandbox.count("POST /oauth2/token") >= 1)
        .await;
    running.signal("KILL");
    running.end().await;
    let keeper = keeper(&mut worlds(&rig).await, &Way::TwitchPublic.account());
    assert!(keeper.facts().unwrap().unwrap().renewing.is_some());
    // The vendor's wait is in the state, and its bucket is another process's too.
    rig.advance(minutes(2));
    run(&rig, &Ask::default()).await.unwrap();
    assert!(keeper.facts().unwrap().unwrap().renewing.is_none());
    program(&rig, &["status"]).await.exits(0);
}

#[tokio::test]
async fn a_program_that_is_stopped_at_once_still_writes_the_pair_it_was_granted() {
    for way in [Way::TwitchPublic, Way::Location] {
        let rig = logged(way, now(5, 3)).await;
        rig.sandbox.expire_access_tokens();
        let slow = FaultKind::Slow(Duration::from_millis(500));
        rig.sandbox.fault(Fault::new(slow).on(way.route()));
        let mut running = Running::start(&rig, &["plan"]);
        running.until(|_| renewals(&rig, way) >= 1).await;
        running.signal("INT");
        running.until(|it| it.said().contains("stopping")).await;
        running.signal("INT");
        running.end().await.exits(1);
        program(&rig, &["plan"]).await.exits(0);
        assert_eq!(renewals(&rig, way), 1, "{way:?}");
    }
}

#[tokio::test]
async fn a_program_that_waits_for_another_ones_renewal_is_stopped_at_once() {
    let rig = logged(Way::TwitchPublic, now(5, 3)).await;
    rig.sandbox.expire_access_tokens();
    let lock = rig.state().join("token-channel.lock");
    let held = ghl_sync::store::Lock::take(&lock, "process 1").unwrap();
    assert!(matches!(held, ghl_sync::store::Taken::Ours(_)));
    let mut running = Running::start(&rig, &["plan"]);
    running
        .until(|_| rig.sandbox.count("GET /oauth2/validate") >= 1)
        .await;
    running.signal("INT");
    running.until(|it| it.said().contains("stopping")).await;
    running.signal("INT");
    let stopped = Instant::now();
    running.end().await.exits(1);
    assert!(stopped.elapsed() < Duration::from_secs(2));
    assert_eq!(renewals(&rig, Way::TwitchPublic), 0);
    drop(held);
    program(&rig, &["plan"]).await.exits(0);
}

#[tokio::test]
async fn whoever_gives_up_waiting_for_a_renewal_loses_no_pair() {
    for way in Way::ALL {
        let rig = logged(way, settings(3, 2)).await;
        run(&rig, &Ask::default()).await.unwrap();
        rig.sandbox.clear_calls();
        rig.sandbox.expire_access_tokens();
        let slow = FaultKind::Slow(Duration::from_millis(100));
        rig.sandbox.fault(Fault::new(slow).on(way.route()));
        let mut worlds = worlds(&rig).await;
        let keeper = keeper(&mut worlds, &way.caller());
        let before = keeper.facts().unwrap().unwrap().obtained;
        rig.advance(minutes(1));
        let renewal = keeper.renew();
        tokio::select! {
            _ = renewal => panic!("it was not slow"),
            () = async { while renewals(&rig, way) == 0 { tokio::task::yield_now().await } } => {}
        }
        assert!(ghl_sync::net::renewals_through(Duration::from_secs(5)).await);
        assert!(
            keeper.facts().unwrap().unwrap().obtained > before,
            "{way:?}"
        );
        run(&rig, &full()).await.unwrap();
    }
}

#[tokio::test]
async fn logins_of_one_application_in_one_location_and_of_one_twitch_user_share_a_gate() {
    let hub = format!("highlevel:{LOCATION_ID}:app-{HIGHLEVEL_CLIENT_ID}");
    let spoke = format!("twitch:{TWITCH_CLIENT_ID}:user-{BROADCASTER_ID}");
    for (way, bucket) in [
        (Way::Location, &hub),
        (Way::Agency, &hub),
        (Way::TwitchPublic, &spoke),
        (Way::TwitchConfidential, &spoke),
    ] {
        let rig = logged(way, settings(3, 2)).await;
        let worlds = worlds(&rig).await;
        let account = account(&worlds, &way.caller());
        let auth = worlds.auth(&account).unwrap();
        let line = worlds.line(&account, Reach::ReadsOnly, auth, &Tally::default());
        assert_eq!(line.unwrap().gate().name(), bucket, "{way:?}");
    }
}
