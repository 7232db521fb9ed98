//! What the vendors refuse, and what a person is told.

use ghl_sync::run::Ask;
use ghl_sync::sandbox::{
    BROADCASTER_LOGIN, Fault, FaultKind, HIGHLEVEL_CLIENT_ID, TWITCH_CLIENT_ID,
};

use super::{FOLLOWERS, LIST, VALIDATE, full, renewals};
use crate::logged::{
    Way, assert_everyone_once, keeper, log_in, log_in_as, logged, run, worlds, write_config,
};
use crate::rig::{Rig, hours, minutes, settings};

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
async fn a_wrong_client_secret_names_the_key_to_correct_and_keeps_the_login() {
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
        write_config(&rig, way, "");
        run(&rig, &full()).await.unwrap();
        assert_everyone_once(&rig, 2, &format!("{way:?}"));
    }
}

#[tokio::test]
async fn an_application_that_nobody_knows_or_another_one_names_client_id_and_keeps_the_login() {
    for way in [Way::TwitchPublic, Way::Location, Way::Agency] {
        let rig = logged(way, settings(3, 2)).await;
        let path = rig.config_path();
        let right = std::fs::read_to_string(&path).unwrap();
        let known = if way.is_twitch() {
            TWITCH_CLIENT_ID
        } else {
            HIGHLEVEL_CLIENT_ID
        };
        std::fs::write(&path, right.replace(known, "anotherapp")).unwrap();
        let said = run(&rig, &full()).await.unwrap_err().to_string();
        let account = format!("account {}", way.caller());
        for part in [&*account, "anotherapp", known, way.command()] {
            assert!(said.contains(part), "{way:?}: no {part}: {said}");
        }
        assert!(rig.sandbox.writes().is_empty(), "{way:?}");
        std::fs::write(&path, right).unwrap();
        run(&rig, &full()).await.unwrap();
        assert_everyone_once(&rig, 2, &format!("{way:?}"));
    }
}

#[tokio::test]
async fn a_login_that_may_not_write_is_a_remark_in_a_plan_and_an_error_before_anything_is_sent() {
    for way in [Way::Location, Way::Agency] {
        let mut world = settings(3, 2);
        world.switches.withheld_scopes = vec!["contacts.write".to_owned()];
        let rig = logged(way, world).await;
        let told = run(&rig, &Ask::default()).await.unwrap();
        let remarks = told.report.remarks.join("\n");
        let said = run(&rig, &full()).await.unwrap_err().to_string();
        for said in [&remarks, &said] {
            for part in ["contacts.write", way.command()] {
                assert!(said.contains(part), "{way:?}: no {part}: {said}");
            }
        }
        assert!(said.contains("account main"), "{way:?}: {said}");
        assert!(rig.sandbox.writes().is_empty(), "{way:?}");
        rig.sandbox
            .switch(|switches| switches.withheld_scopes.clear());
        log_in(&rig, way).await;
        run(&rig, &full()).await.unwrap();
        assert_everyone_once(&rig, 2, &format!("{way:?}"));
    }
}

#[tokio::test]
async fn a_moderator_who_is_none_any_more_is_one_message_and_nobody_left() {
    let rig = Rig::new(settings(3, 2)).await;
    rig.sandbox.add_user("777", "helping_hand", "Helping_Hand");
    rig.sandbox.add_moderator("777");
    write_config(&rig, Way::TwitchPublic, "");
    let path = rig.config_path();
    let main = std::fs::read_to_string(&path).unwrap();
    let named = format!("service = \"twitch\"\nchannel = \"{BROADCASTER_LOGIN}\"");
    std::fs::write(&path, main.replace("service = \"twitch\"", &named)).unwrap();
    log_in_as(&rig, Way::TwitchPublic, "777").await;
    run(&rig, &full()).await.unwrap();
    rig.sandbox.clear_calls();
    rig.sandbox.remove_moderator("777");
    rig.advance(hours(2));
    for ask in [Ask::default(), full()] {
        let said = run(&rig, &ask).await.unwrap_err().to_string();
        for part in ["account channel", "moderator", Way::TwitchPublic.command()] {
            assert!(said.contains(part), "no {part}: {said}");
        }
    }
    assert!(rig.sandbox.writes().is_empty());
    rig.sandbox.add_moderator("777");
    run(&rig, &full()).await.unwrap();
    assert_everyone_once(&rig, 2, "the moderator");
}

#[tokio::test]
async fn a_login_noted_as_lost_is_asked_for_once_more_when_a_person_renews_it() {
    for way in [Way::TwitchPublic, Way::Location] {
        let rig = logged(way, settings(3, 2)).await;
        let mut opened = worlds(&rig).await;
        let vault = opened.vault().clone();
        vault.lose(&way.account(), "the first cause").await.unwrap();
        rig.sandbox.expire_access_tokens();
        let keeper = keeper(&mut opened, &way.account());
        // A run does not ask.
        let said = run(&rig, &full()).await.unwrap_err().to_string();
        assert!(said.contains("the first cause"), "{way:?}: {said}");
        assert_eq!(rig.sandbox.count(way.route()), 0, "{way:?}");
        // A person does, and is refused: the note stays as it is.
        rig.sandbox
            .fault(Fault::new(FaultKind::ExpiredToken).on(way.route()));
        let said = keeper.renew().await.unwrap_err().to_string();
        assert!(said.contains("the first cause"), "{way:?}: {said}");
        assert_eq!(rig.sandbox.count(way.route()), 1, "{way:?}");
        rig.sandbox.clear_faults();
        let renewed = keeper.renew().await.unwrap();
        assert_eq!(renewed.lost, None, "{way:?}");
        assert_eq!(keeper.facts().unwrap().unwrap().lost, None, "{way:?}");
        run(&rig, &full()).await.unwrap();
        assert_everyone_once(&rig, 2, &format!("{way:?}"));
    }
}
