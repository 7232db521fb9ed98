//! Tokens that end, renewals whose answers are lost, and several who renew at once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ghl_sync::model::StepKind;
use ghl_sync::net::{Purpose, Reach, Tally};
use ghl_sync::run::{Ask, RunError, Watch};
use ghl_sync::sandbox::{Fault, FaultKind, Settings};

use crate::logged::{
    Way, account, assert_everyone_once, keeper, log_in, logged, passing, run, run_watched, world,
    worlds,
};
use crate::program::{Running, now, program, together};
use crate::rig::{Rig, ask_all, hours, minutes, run_in, settings};
use crate::secrets::listening;

const VALIDATE: &str = "GET /oauth2/validate";
const FOLLOWERS: &str = "GET /channels/followers";
const LIST: &str = "GET /contacts/";
const CREATE: &str = "POST /contacts/";

fn full() -> Ask {
    Ask {
        full: true,
        ..ask_all()
    }
}

/// Says what the sandbox saw of this way's renewals.
fn renewals(rig: &Rig, way: Way) -> u64 {
    rig.sandbox.count(way.route())
}

/// Counts the creates that the vendor carried out.
fn created(rig: &Rig) -> usize {
    let calls = rig.sandbox.calls();
    let creates = calls.iter().filter(|call| call.route == CREATE);
    creates.filter(|call| call.acted).count()
}

/// Asserts that a run is silent: everything is done, and nothing is renewed for nothing.
async fn assert_silent(rig: &Rig, case: &str) {
    rig.advance(minutes(16));
    rig.sandbox.clear_calls();
    let told = run(rig, &ask_all()).await.unwrap();
    assert_eq!(told.rows, [], "{case}");
    assert!(rig.sandbox.writes().is_empty(), "{case}");
}

#[tokio::test]
async fn a_token_that_the_vendor_ends_at_any_call_is_renewed_once_and_every_write_is_made_once() {
    for way in Way::ALL {
        let routes: &[(&str, u64)] = match way.is_twitch() {
            true => &[(VALIDATE, 0), (FOLLOWERS, 0), (FOLLOWERS, 1)],
            false => &[
                ("GET /locations/{id}", 0),
                ("GET /locations/{id}/customFields", 0),
                (LIST, 0),
                (LIST, 1),
                ("POST /contacts/search", 0),
                (CREATE, 0),
                (CREATE, 8),
            ],
        };
        for &(route, skip) in routes {
            let case = format!("{way:?}, {route} {skip}");
            // The second page begins with the hundred-and-first row.
            let (followers, contacts) = if skip == 1 { (102, 103) } else { (12, 5) };
            let rig = logged(way, settings(followers, contacts)).await;
            if !way.is_twitch() {
                // The first token of an agency's location is made at the first call.
                run(&rig, &Ask::default()).await.unwrap();
                rig.advance(hours(25) - way.life() / 2);
                rig.sandbox.clear_calls();
            }
            let fault = Fault::new(FaultKind::ExpiredToken).on(route).skip(skip);
            rig.sandbox.fault(fault);
            let told = run(&rig, &full()).await.unwrap();
            assert_everyone_once(&rig, contacts, &case);
            let was_asked = rig.sandbox.count(route) > skip;
            assert_eq!(renewals(&rig, way), u64::from(was_asked), "{case}");
            // All calls but the refused one, and those that make tokens, were announced or read pages.
            let retries = told.report.extra.get("retry").copied().unwrap_or(0);
            assert_eq!(retries, u64::from(was_asked), "{case}");
            let creates = rig.sandbox.count(CREATE);
            let refused = u64::from(route == CREATE);
            assert_eq!(creates, followers + refused, "{case}");
            assert_silent(&rig, &case).await;
        }
    }
}

#[tokio::test]
async fn a_full_pass_survives_the_end_of_its_tokens_at_any_moment() {
    for way in Way::ALL {
        for from in [0, 1, 2, 3, 8] {
            let case = format!("{way:?} from tick {from}");
            let mut small = settings(110, 105);
            small.twins = 98;
            let rig = logged(way, small).await;
            let (watch, ticks) = passing(&rig, way.life() + minutes(60), from, from + 1);
            let told = run_watched(&rig, &full(), watch).await;
            let told = told.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert!(ticks.load(Ordering::SeqCst) > 8, "{case}");
            // A jump in the middle of a walk may cut it, and then the next run goes on.
            assert!(told.done(StepKind::Create) <= 12, "{case}");
            // The last one is after everything that Twitch is asked.
            let needed = u64::from(!way.is_twitch() || from < 8);
            let first = u64::from(way == Way::Agency);
            assert_eq!(renewals(&rig, way), needed + first, "{case}");
            if way == Way::Agency {
                // Its own token ended too.
                assert_eq!(rig.sandbox.count("POST /oauth/token"), 1, "{case}");
            }
            rig.advance(minutes(16));
            run(&rig, &full()).await.unwrap();
            assert_everyone_once(&rig, 7, &case);
            assert_eq!(created(&rig), 12, "{case}");
            assert_silent(&rig, &case).await;
        }
    }
}

#[tokio::test]
async fn tokens_that_die_while_ten_writes_are_under_way_are_renewed_once() {
    for way in [Way::Location, Way::Agency] {
        let rig = logged(way, settings(60, 10)).await;
        let mut worlds = worlds(&rig).await;
        let ask = full();
        let running = world(&mut worlds, &rig, &ask, Watch::nobody());
        let killing = async {
            while rig.sandbox.count(CREATE) < 15 {
                tokio::task::yield_now().await;
            }
            rig.sandbox.clear_calls();
            rig.sandbox.expire_access_tokens();
        };
        let (told, ()) = tokio::join!(run_in(&running, &ask), killing);
        assert_eq!(told.unwrap().done(StepKind::Create), 60, "{way:?}");
        assert_everyone_once(&rig, 10, &format!("{way:?}"));
        assert_eq!(
            renewals(&rig, way),
            match way {
                // The agency's token is dead as well: its location's is asked for twice.
                Way::Agency => 2,
                _ => 1,
            }
        );
        assert_eq!(rig.sandbox.count("POST /oauth/token"), 1, "{way:?}");
        drop((running, worlds));
        assert_silent(&rig, &format!("{way:?}")).await;
    }
}

/// Everything that can happen to the answer of a token call.
fn faults() -> Vec<FaultKind> {
    vec![
        FaultKind::Status500,
        FaultKind::Status500After,
        FaultKind::Status503,
        FaultKind::Html502,
        FaultKind::Html502After,
        FaultKind::ResetBefore,
        FaultKind::ResetAfter,
        FaultKind::Truncated,
        FaultKind::BrokenBody,
        FaultKind::WrongShape,
        FaultKind::NotJson,
        FaultKind::TooMany { retry_after: None },
    ]
}

/// Runs until the job is through, a person is asked, or the vendor is out of touch three times; returns the message that asks a person.
async fn heals(rig: &Rig, way: Way, case: &str) -> Option<String> {
    for _ in 0..3 {
        match run(rig, &ask_all()).await {
            Ok(_) => return None,
            Err(RunError::OutOfTouch { account, .. }) => {
                assert_eq!(account, way.caller(), "{case}");
            }
            Err(RunError::Setup { account, what, .. }) => {
                assert_eq!(account, Some(way.caller()), "{case}");
                assert!(what.contains(way.command()), "{case}: {what}");
                return Some(what);
            }
            Err(error) => panic!("{case}: {error}"),
        }
        assert!(rig.sandbox.writes().is_empty(), "{case}");
        rig.advance(minutes(2));
    }
    panic!("{case}: it neither heals nor asks");
}

/// Logs in again after a message, and shows that nothing was lost.
async fn goes_on(rig: &Rig, way: Way, asked: Option<String>, case: &str) {
    if let Some(what) = &asked {
        // Once it is lost, nothing is tried again and nothing written.
        rig.sandbox.clear_calls();
        let again = run(rig, &ask_all()).await;
        // Some of what a vendor says is worth a second try, and the message says so.
        let is_settled = matches!(again, Err(RunError::Setup { .. }));
        assert!(
            is_settled || what.contains("; run it again"),
            "{case}: {what}, and then {again:?}"
        );
        assert!(again.is_ok() || rig.sandbox.writes().is_empty(), "{case}");
        log_in(rig, way).await;
        run(rig, &ask_all()).await.unwrap();
    }
    assert_everyone_once(rig, 2, case);
    assert_eq!(rig.sandbox.count(CREATE), 3, "{case}");
    assert_silent(rig, case).await;
}

/// Loses the answer of a renewal at every point; returns how often a person was asked to log in again.
async fn lost_answers(way: Way, route: &str) -> u32 {
    let mut asked = 0;
    for kind in faults() {
        for (skip, times) in [(0, 1), (1, 1), (0, 7)] {
            let case = format!("{way:?}, {kind:?} of {route}, {skip} {times}");
            let rig = logged(way, settings(3, 2)).await;
            if skip > 0 {
                // The first try surely did nothing, and the second one is hit.
                rig.sandbox
                    .fault(Fault::new(FaultKind::Status500).on(route));
            }
            let fault = Fault::new(kind.clone()).on(route);
            rig.sandbox.fault(fault.skip(skip).times(times));
            rig.sandbox.expire_access_tokens();
            let ends = heals(&rig, way, &case).await;
            asked += u32::from(
                ends.as_ref()
                    .is_some_and(|what| !what.contains("; run it again")),
            );
            rig.sandbox.clear_faults();
            goes_on(&rig, way, ends, &case).await;
        }
    }
    asked
}

#[tokio::test]
async fn a_renewal_whose_answer_is_lost_heals_or_says_the_one_thing_to_do() {
    assert!(lost_answers(Way::TwitchPublic, Way::TwitchPublic.route()).await > 0);
}

#[tokio::test]
async fn a_renewal_of_a_location_whose_answer_is_lost_heals_or_says_the_one_thing_to_do() {
    assert!(lost_answers(Way::Location, Way::Location.route()).await > 0);
}

#[tokio::test]
async fn a_renewal_that_may_be_asked_for_again_always_heals() {
    assert_eq!(
        lost_answers(Way::TwitchConfidential, Way::TwitchConfidential.route()).await,
        0
    );
}

#[tokio::test]
async fn a_token_made_from_an_agencys_login_always_heals() {
    assert_eq!(lost_answers(Way::Agency, Way::Agency.route()).await, 0);
}

#[tokio::test]
async fn a_renewal_of_an_agency_whose_answer_is_lost_heals_or_says_the_one_thing_to_do() {
    assert!(lost_answers(Way::Agency, "POST /oauth/token").await > 0);
}

/// Kills the run after every commit around a renewal; returns how often a person was asked to log in again.
async fn killed_renewals(way: Way) -> u32 {
    let (mut asked, mut renewed) = (0, 0);
    let mut stop_after = 0;
    // The first commits are those of the run's start; the renewal's are among the next.
    while renewed < 5 {
        let case = format!("{way:?} killed after {stop_after}");
        let rig = logged(way, settings(3, 2)).await;
        rig.sandbox.expire_access_tokens();
        let mut worlds = worlds(&rig).await;
        worlds.store().stop_after_commits(stop_after);
        stop_after += 1;
        let ask = ask_all();
        let running = world(&mut worlds, &rig, &ask, Watch::nobody());
        let outlived = run_in(&running, &ask).await.is_ok();
        assert!(!outlived, "{case}");
        drop((running, worlds));
        let was_renewed =
            rig.sandbox.count("POST /oauth/token") + rig.sandbox.count("POST /oauth2/token") > 0;
        renewed += u32::from(was_renewed);
        match run(&rig, &ask_all()).await {
            Ok(_) => {}
            Err(RunError::Setup { what, .. }) => {
                assert!(was_renewed, "{case}: {what}");
                for part in [way.command(), "the answer to the renewal of"] {
                    assert!(what.contains(part), "{case}: {what}");
                }
                asked += 1;
                log_in(&rig, way).await;
                run(&rig, &ask_all()).await.unwrap();
            }
            Err(error) => panic!("{case}: {error}"),
        }
        assert_everyone_once(&rig, 2, &case);
    }
    asked
}

#[tokio::test]
async fn a_process_killed_after_any_commit_of_a_renewal_heals_or_says_the_one_thing_to_do() {
    // Of all commits one is between the vendor's answer and the new pair; only there a single-use token can be lost.
    assert_eq!(killed_renewals(Way::TwitchPublic).await, 1);
    assert_eq!(killed_renewals(Way::TwitchConfidential).await, 0);
}

#[tokio::test]
async fn a_process_killed_after_any_commit_of_highlevels_renewal_heals_or_says_the_one_thing_to_do()
{
    assert_eq!(killed_renewals(Way::Location).await, 1);
    assert_eq!(killed_renewals(Way::Agency).await, 1);
}

#[tokio::test]
async fn a_login_whose_renewal_ahead_of_its_end_fails_is_used_while_it_is_good() {
    for kind in [FaultKind::ResetAfter, FaultKind::Status503] {
        let (log, _guard) = listening();
        let rig = logged(Way::Location, settings(3, 2)).await;
        // Three quarters of a day are over, and the vendor does not answer.
        rig.advance(hours(19));
        let fault = Fault::new(kind.clone()).on("POST /oauth/token");
        rig.sandbox.fault(fault.times(1_000));
        run(&rig, &full()).await.unwrap();
        assert_everyone_once(&rig, 2, &format!("{kind:?}"));
        // One renewal of five tries, not one for each call.
        assert_eq!(rig.sandbox.count("POST /oauth/token"), 5, "{kind:?}");
        let logged = log.text();
        let warned: Vec<_> = logged
            .lines()
            .filter(|line| line.contains(" WARN "))
            .collect();
        assert_eq!(warned.len(), 1, "{kind:?}: {warned:#?}");
        for part in [
            "account main",
            "the present token is good until 2026-03-03 11:59 UTC",
        ] {
            assert!(warned[0].contains(part), "{kind:?}: {warned:#?}");
        }
        rig.sandbox.clear_faults();
        rig.sandbox.clear_calls();
        rig.advance(hours(1));
        run(&rig, &full()).await.unwrap();
        assert_eq!(rig.sandbox.count("POST /oauth/token"), 1, "{kind:?}");
        // Only now, at its end, a spent one is missed.
        rig.advance(hours(5));
        let ended = run(&rig, &full()).await;
        match kind {
            FaultKind::ResetAfter => {
                let said = ended.unwrap_err().to_string();
                assert!(said.contains(Way::Location.command()), "{said}");
                assert!(said.contains("account main"), "{said}");
            }
            _ => drop(ended.unwrap()),
        }
    }
}

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
                        let location = ghl_sync::sandbox::LOCATION_ID.to_owned();
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
async fn a_paused_location_keeps_its_login_and_works_again_when_it_is_active() {
    for way in [Way::Location, Way::Agency] {
        let rig = logged(way, settings(3, 2)).await;
        rig.sandbox.expire_access_tokens();
        rig.sandbox
            .switch(|switches| switches.location_inactive = true);
        for _ in 0..2 {
            let said = run(&rig, &full()).await.unwrap_err().to_string();
            for part in [
                "account main",
                "Location is not active",
                "the login is kept",
            ] {
                assert!(said.contains(part), "{way:?}: {said}");
            }
            assert!(!said.contains("ghl-sync auth"), "{way:?}: {said}");
            rig.advance(hours(3));
        }
        let keeper = keeper(&mut worlds(&rig).await, &way.account());
        let facts = keeper.facts().unwrap().unwrap();
        assert_eq!((facts.lost, facts.renewing), (None, None), "{way:?}");
        rig.sandbox
            .switch(|switches| switches.location_inactive = false);
        run(&rig, &full()).await.unwrap();
        assert_everyone_once(&rig, 2, &format!("{way:?}"));
    }
}

#[tokio::test]
async fn a_401_that_is_not_about_the_tokens_life_renews_nothing() {
    for way in Way::ALL {
        let route = if way.is_twitch() { FOLLOWERS } else { LIST };
        let rig = logged(way, settings(3, 2)).await;
        run(&rig, &Ask::default()).await.unwrap();
        rig.sandbox.clear_calls();
        let fault = Fault::new(FaultKind::MissingPermission).on(route);
        rig.sandbox.fault(fault.times(50));
        rig.advance(minutes(30));
        let ended = run(&rig, &full()).await;
        let said = ended.map(|told| format!("{:?}", told.report.remarks));
        let said = said.unwrap_or_else(|error| error.to_string());
        assert_eq!(renewals(&rig, way), 0, "{way:?}: {said}");
        assert!(rig.sandbox.writes().is_empty(), "{way:?}");
    }
    // A login for another location.
    let mut other = settings(3, 2);
    other.other_locations = vec!["elsewhereLocation001".to_owned()];
    other.switches.chosen_location = "elsewhereLocation001".to_owned();
    let rig = logged(Way::Location, other).await;
    let said = run(&rig, &full()).await.unwrap_err().to_string();
    assert!(said.contains(Way::Location.command()), "{said}");
    assert!(said.contains("elsewhereLocation001"), "{said}");
    assert_eq!(renewals(&rig, Way::Location), 0);
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_again_is_one_repeat_and_one_message() {
    for way in Way::ALL {
        let route = if way.is_twitch() { VALIDATE } else { LIST };
        let rig = logged(way, settings(3, 2)).await;
        run(&rig, &Ask::default()).await.unwrap();
        rig.sandbox.clear_calls();
        rig.advance(hours(25) - way.life() / 2);
        rig.sandbox.expire_access_tokens();
        let fault = Fault::new(FaultKind::ExpiredToken).on(route);
        rig.sandbox.fault(fault.times(1_000));
        let before = renewals(&rig, way);
        let said = run(&rig, &full()).await.unwrap_err().to_string();
        let account = format!("account {}", way.caller());
        for part in [
            account.as_str(),
            "even the renewed token is refused",
            way.command(),
        ] {
            assert!(said.contains(part), "{way:?}: {said}");
        }
        assert!(rig.sandbox.count(route) <= 2, "{way:?}");
        let most = if way == Way::Agency { 3 } else { 2 };
        assert!(renewals(&rig, way) - before <= most, "{way:?}");
        assert!(rig.sandbox.writes().is_empty(), "{way:?}");
    }
}

#[tokio::test]
async fn twitch_is_validated_at_the_start_and_every_hour_of_a_long_pass() {
    for way in [Way::TwitchPublic, Way::Location] {
        for (step, pages) in [(minutes(10), 20), (minutes(59), 10), (minutes(1), 20)] {
            let rig = logged(way, settings(100 * pages, 3)).await;
            let (watch, _) = passing(&rig, step, 0, pages);
            let ask = Ask {
                full: true,
                ..Ask::default()
            };
            run_watched(&rig, &ask, watch).await.unwrap();
            let validated = rig.sandbox.count(VALIDATE);
            let spent = step * u32::try_from(pages).unwrap();
            let most = 1 + spent.as_secs() / 3_600;
            // A page is the least that it can be late.
            let late = hours(1) + step;
            let least = spent.as_secs() / late.as_secs();
            assert!(
                (least.max(1)..=most).contains(&validated),
                "{way:?}, {step:?}: {validated} of {least} to {most}"
            );
        }
        // While HighLevel is read for hours, too.
        let rig = logged(way, settings(3, 2_003)).await;
        let (watch, _) = passing(&rig, minutes(10), 1, 20);
        let ask = Ask {
            full: true,
            ..Ask::default()
        };
        run_watched(&rig, &ask, watch).await.unwrap();
        let validated = rig.sandbox.count(VALIDATE);
        assert!((3..=4).contains(&validated), "{way:?}: {validated}");
        // Within the hour the next run believes the last one.
        let rig = logged(way, settings(3, 2)).await;
        for _ in 0..5 {
            run(&rig, &Ask::default()).await.unwrap();
            rig.advance(minutes(11));
        }
        assert_eq!(rig.sandbox.count(VALIDATE), 1, "{way:?}");
        rig.advance(minutes(6));
        run(&rig, &Ask::default()).await.unwrap();
        assert_eq!(rig.sandbox.count(VALIDATE), 2, "{way:?}");
    }
}

#[tokio::test]
async fn a_dry_run_with_an_ended_token_renews_it_and_only_reads() {
    for way in Way::ALL {
        let rig = logged(way, settings(12, 20)).await;
        let before = rig.sandbox.contacts();
        rig.sandbox.expire_access_tokens();
        let told = run(&rig, &Ask::default()).await.unwrap();
        assert_eq!(told.planned(StepKind::Create), 12, "{way:?}");
        assert!(rig.sandbox.writes().is_empty(), "{way:?}");
        for call in rig.sandbox.calls() {
            let of_tokens = [
                "POST /oauth2/token",
                "POST /oauth/token",
                "POST /oauth/locationToken",
            ];
            let reads = call.method == "GET" || call.route == "POST /contacts/search";
            assert!(
                reads || of_tokens.contains(&call.route),
                "{way:?}: {}",
                call.route
            );
        }
        assert_eq!(rig.sandbox.contacts(), before, "{way:?}");
        let did = run(&rig, &ask_all()).await.unwrap();
        assert_eq!(did.report.digest, told.report.digest, "{way:?}");
        assert_eq!(
            did.report.extra,
            std::collections::BTreeMap::new(),
            "{way:?}"
        );
        assert_eq!(
            did.report.made.as_ref(),
            Some(&told.report.cost.calls),
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn an_integrations_token_that_is_replaced_in_the_middle_of_a_pass_is_taken_up() {
    let rig = Rig::new(settings(230, 240)).await;
    let text = std::fs::read_to_string(rig.config_path()).unwrap();
    let text = text.replace("token = \"file:highlevel.token\"\n", "");
    std::fs::write(rig.config_path(), text).unwrap();
    let mut worlds = worlds(&rig).await;
    let main = ghl_sync::model::AccountName::try_from("main".to_owned()).unwrap();
    let keeper = keeper(&mut worlds, &main);
    let grant = |text: &str| ghl_sync::net::Grant {
        access: ghl_sync::net::Secret::new(text),
        refresh: None,
        expires_in: None,
        scopes: Vec::new(),
        location: None,
        company: None,
    };
    keeper
        .keep(grant(ghl_sync::sandbox::HIGHLEVEL_TOKEN), None, None)
        .await
        .unwrap();
    let ask = full();
    let running = world(&mut worlds, &rig, &ask, Watch::nobody());
    let replacing = async {
        while rig.sandbox.count(CREATE) < 15 {
            tokio::task::yield_now().await;
        }
        let token = ghl_sync::sandbox::Token {
            holder: ghl_sync::sandbox::Holder::Location,
            scopes: Settings::default().highlevel_scopes,
            expires_at_ms: None,
        };
        rig.sandbox.set_token("pit-replaced", token);
        keeper
            .keep(grant("pit-replaced"), None, None)
            .await
            .unwrap();
        rig.sandbox.revoke_token(ghl_sync::sandbox::HIGHLEVEL_TOKEN);
    };
    let (told, ()) = tokio::join!(run_in(&running, &ask), replacing);
    assert_eq!(told.unwrap().done(StepKind::Create), 230);
    assert_everyone_once(&rig, 240, "replaced");
}

#[tokio::test]
async fn an_agencys_location_that_is_renamed_gets_a_token_of_its_own() {
    let mut elsewhere = settings(3, 2);
    elsewhere.other_locations = vec!["elsewhereLocation001".to_owned()];
    let rig = logged(Way::Agency, elsewhere).await;
    let text = std::fs::read_to_string(rig.config_path()).unwrap();
    let here = ghl_sync::sandbox::LOCATION_ID;
    std::fs::write(
        rig.config_path(),
        text.replace(here, "elsewhereLocation001"),
    )
    .unwrap();
    // The sandbox serves nothing of that one, but its token is made and stored.
    let _ = run(&rig, &Ask::default()).await;
    assert_eq!(renewals(&rig, Way::Agency), 1);
    std::fs::write(rig.config_path(), text).unwrap();
    run(&rig, &full()).await.unwrap();
    assert_eq!(renewals(&rig, Way::Agency), 2);
    assert_everyone_once(&rig, 2, "renamed back");
}

#[tokio::test]
async fn a_location_uses_no_token_of_an_agencys_former_login() {
    let mut withheld = settings(3, 2);
    withheld.switches.withheld_scopes = vec!["contacts.write".to_owned()];
    let rig = logged(Way::Agency, withheld).await;
    let said = run(&rig, &full()).await.unwrap_err().to_string();
    for part in ["contacts.write", Way::Agency.command()] {
        assert!(said.contains(part), "{said}");
    }
    // Whoever does what it says is heard at once, and not when the token made before has ended.
    rig.sandbox
        .switch(|switches| switches.withheld_scopes.clear());
    rig.advance(minutes(20));
    log_in(&rig, Way::Agency).await;
    run(&rig, &full()).await.unwrap();
    assert_everyone_once(&rig, 2, "logged in again");
    assert_eq!(renewals(&rig, Way::Agency), 2);
    // And without the agency's login its location has none.
    let mut worlds = worlds(&rig).await;
    let agency = keeper(&mut worlds, &Way::Agency.account());
    agency.forget().await.unwrap();
    rig.advance(minutes(20));
    let said = run(&rig, &full()).await.unwrap_err().to_string();
    for part in ["account main", "nobody is logged in", Way::Agency.command()] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn a_revoked_login_is_one_message_and_a_new_one_goes_on() {
    for way in Way::ALL {
        let rig = logged(way, settings(3, 2)).await;
        rig.sandbox.revoke_login(None);
        for _ in 0..2 {
            let said = run(&rig, &full()).await.unwrap_err().to_string();
            let account = format!("account {}", way.caller());
            for part in [account.as_str(), "the login has ended", way.command()] {
                assert!(said.contains(part), "{way:?}: {said}");
            }
            assert_eq!(said.matches("ghl-sync auth").count(), 1, "{way:?}: {said}");
        }
        // What is lost is not asked for again and again.
        let renewal = match way {
            Way::Agency => "POST /oauth/token",
            _ => way.route(),
        };
        assert_eq!(rig.sandbox.count(renewal), 1, "{way:?}");
        assert!(rig.sandbox.writes().is_empty(), "{way:?}");
        log_in(&rig, way).await;
        run(&rig, &full()).await.unwrap();
        assert_everyone_once(&rig, 2, &format!("{way:?}"));
    }
}

#[tokio::test]
async fn a_wrong_client_secret_or_client_id_names_the_key_to_correct_and_keeps_the_login() {
    for way in [Way::TwitchConfidential, Way::Location, Way::Agency] {
        let rig = logged(way, settings(3, 2)).await;
        rig.sandbox.expire_access_tokens();
        for secret in ["highlevel.secret", "twitch.secret"] {
            std::fs::write(rig.folder.join(secret), "wrong-secret").unwrap();
        }
        let said = run(&rig, &full()).await.unwrap_err().to_string();
        for part in ["account main", "account channel"] {
            let is_it = part.ends_with(way.caller().as_str());
            assert_eq!(said.contains(part), is_it, "{way:?}: {said}");
        }
        assert!(said.contains("client_secret"), "{way:?}: {said}");
        assert!(!said.contains("wrong-secret"), "{way:?}: {said}");
        crate::logged::write_config(&rig, way, "");
        run(&rig, &full()).await.unwrap();
        assert_everyone_once(&rig, 2, &format!("{way:?}"));
    }
}
