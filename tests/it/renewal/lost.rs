//! Renewals whose answers are lost, and processes killed in the middle of one.

use ghl_sync::run::{RunError, Watch};
use ghl_sync::sandbox::{Fault, FaultKind};

use super::{CREATE, assert_silent, full};
use crate::logged::{Way, assert_everyone_once, log_in, logged, run, world, worlds};
use crate::rig::{Rig, ask_all, hours, minutes, run_in, settings};
use crate::secrets::listening;

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
async fn a_later_try_that_is_refused_says_that_the_answer_to_an_earlier_one_was_lost() {
    for way in [Way::TwitchPublic, Way::Location] {
        let rig = logged(way, settings(3, 2)).await;
        rig.sandbox
            .fault(Fault::new(FaultKind::ResetAfter).on(way.route()));
        rig.sandbox.expire_access_tokens();
        for _ in 0..2 {
            let said = run(&rig, &ask_all()).await.unwrap_err().to_string();
            for part in [way.command(), "the answer to the renewal of"] {
                assert!(said.contains(part), "{way:?}: {said}");
            }
        }
        // An earlier try and the one that was refused, both in the first run.
        assert_eq!(rig.sandbox.count(way.route()), 2, "{way:?}");
    }
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
