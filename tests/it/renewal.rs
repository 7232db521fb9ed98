//! Tokens that end, renewals whose answers are lost, and several who renew at once.

mod aside;
mod lost;
mod refused;
mod together;

use std::sync::atomic::Ordering;

use ghl_sync::model::StepKind;
use ghl_sync::run::{Ask, Watch};
use ghl_sync::sandbox::{Fault, FaultKind, Settings};

use crate::logged::{
    Way, assert_everyone_once, keeper, log_in, logged, passing, run, run_watched, world, worlds,
};
use crate::rig::{Rig, ask_all, hours, minutes, run_in, settings};

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
