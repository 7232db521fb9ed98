//! Law 12, as far as vendors and the state file go: one clear message, and nothing lost.

use ghl_sync::model::StepKind;
use ghl_sync::report::Outcome;
use ghl_sync::run::{Ask, RunError};
use ghl_sync::sandbox::{Fault, FaultKind};
use ghl_sync::store::{Store, StoreError};

use crate::rig::{Rig, ask_all, minutes, settings};
use crate::scenes::{job, number};

/// Answers of a vendor that cannot be read, whatever is asked.
fn unreadable() -> Vec<FaultKind> {
    vec![
        FaultKind::Html502,
        FaultKind::Html502After,
        FaultKind::Truncated,
        FaultKind::BrokenBody,
        FaultKind::WrongShape,
        FaultKind::NotJson,
        FaultKind::Status500,
        FaultKind::Status503,
        FaultKind::ResetBefore,
    ]
}

#[tokio::test]
async fn a_vendor_that_cannot_be_read_is_out_of_touch_and_the_next_run_goes_on() {
    for route in [
        "GET /oauth2/validate",
        "GET /channels/followers",
        "GET /locations/{id}/customFields",
        "GET /contacts/",
        "POST /contacts/search",
    ] {
        for kind in unreadable() {
            let case = format!("{route}: {kind:?}");
            let mut rig = Rig::with_job(settings(4, 5), &job()).await;
            rig.sandbox.fault(Fault::new(kind).on(route).times(50));
            let said = match rig.run(ask_all()).await {
                Err(error @ RunError::OutOfTouch { .. }) => error.to_string(),
                Ok(told) => match told.report.outcome {
                    Outcome::OutOfTouch(why) => why,
                    // A route that this run could do without.
                    Outcome::Finished if rig.sandbox.count(route) == 0 => String::new(),
                    outcome => panic!("{case}: {outcome:?}"),
                },
                Err(error) => panic!("{case}: {error}"),
            };
            assert!(
                !said.contains('\n') && !said.contains('<'),
                "{case}: {said}"
            );
            rig.sandbox.clear_faults();
            rig.advance(minutes(16));
            rig.apply_all().await;
            rig.advance(minutes(16));
            rig.apply_all().await;
            assert_eq!(rig.sandbox.contact_count(), 9, "{case}");
            assert_eq!(
                number(&mut rig, "SELECT count(*) FROM link WHERE state = 'linked'"),
                4
            );
        }
    }
}

#[tokio::test]
async fn a_page_that_repeats_for_ever_ends_the_walk() {
    for (route, followers, contacts) in [
        ("GET /channels/followers", 250, 3),
        ("GET /contacts/", 3, 250),
        ("POST /contacts/search", 3, 1_200),
    ] {
        let text = if route.ends_with("search") {
            job().replace(
                "timezone = \"UTC\"",
                "timezone = \"UTC\"\ncontacts_reader = \"search\"",
            )
        } else {
            job()
        };
        let mut rig = Rig::with_job(settings(followers, contacts), &text).await;
        let fault = Fault::new(FaultKind::RepeatedCursor).on(route).skip(1);
        rig.sandbox.fault(fault.times(10_000));
        let told = rig
            .run(Ask {
                full: true,
                ..Ask::default()
            })
            .await;
        assert!(
            rig.sandbox.count(route) < 10,
            "{route}: {}",
            rig.sandbox.count(route)
        );
        if let Ok(told) = told {
            let (source, hub) = (told.report.source.ended, told.report.hub.ended);
            assert!(
                source.contains("cursor") || hub.contains("cursor"),
                "{source}, {hub}"
            );
        }
    }
}

#[tokio::test]
async fn a_missing_permission_is_explained_and_is_never_everybody_left() {
    let mut rig = Rig::with_job(settings(4, 5), &job()).await;
    rig.apply_all().await;
    rig.advance(minutes(16));
    rig.sandbox.fault(
        Fault::new(FaultKind::MissingPermission)
            .on("GET /channels/followers")
            .times(10),
    );
    let error = rig.run(ask_all()).await.unwrap_err();
    assert!(matches!(error, RunError::Setup { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("moderator:read:followers"), "{said}");
    assert_eq!(
        number(
            &mut rig,
            "SELECT count(*) FROM roster WHERE state != 'in' OR missing_walk IS NOT NULL"
        ),
        0
    );
}

#[tokio::test]
async fn a_dead_token_names_its_account_and_costs_nothing() {
    for (route, account) in [
        ("GET /oauth2/validate", "channel"),
        ("GET /channels/followers", "channel"),
        ("GET /contacts/", "main"),
        ("POST /contacts/", "main"),
    ] {
        let mut rig = Rig::with_job(settings(4, 5), &job()).await;
        rig.sandbox
            .fault(Fault::new(FaultKind::ExpiredToken).on(route).times(50));
        let error = rig.run(ask_all()).await.unwrap_err();
        assert!(
            matches!(error, RunError::Setup { .. }),
            "{route}: {error:?}"
        );
        assert!(error.to_string().contains(account), "{route}: {error}");
        rig.sandbox.clear_faults();
        for _ in 0..3 {
            rig.advance(minutes(16));
            rig.apply_all().await;
        }
        assert_eq!(rig.sandbox.contact_count(), 9, "{route}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_left_alone() {
    let rig = Rig::with_job(settings(1, 1), &job()).await;
    std::fs::create_dir_all(rig.state()).unwrap();
    let path = rig.state().join("ghl-sync.db");
    let text = "these are somebody's notes and no database at all\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = Store::open(&rig.state()).unwrap_err();
    assert!(
        matches!(error, StoreError::NotADatabase { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("ghl-sync.db"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_state_of_a_newer_program_is_refused_and_left_alone() {
    let mut rig = Rig::with_job(settings(1, 1), &job()).await;
    rig.apply_all().await;
    rig.close();
    let path = rig.state().join("ghl-sync.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let error = Store::open(&rig.state()).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("update ghl-sync"), "{error}");
    let file = rusqlite::Connection::open(&path).unwrap();
    let links: i64 = file
        .query_row("SELECT count(*) FROM link", [], |row| row.get(0))
        .unwrap();
    assert_eq!(links, 1);
}

#[tokio::test]
async fn a_source_row_that_no_contact_can_be_made_of_is_set_aside_and_the_others_go_on() {
    // Without a fallback, a blank name makes a contact without any name.
    let text = job().replace(
        "{{ user_name or user_login or 'twitch ' ~ user_id }}",
        "{{ user_login or 'x' }}",
    );
    let mut rig = Rig::with_job(settings(4, 5), &text).await;
    let long = "t".repeat(120);
    rig.job = rig.job.replace("\"synced\"", "\"tag {{ user_login }}\"");
    rig.write_config();
    rig.sandbox.follow("777", &long, "Long");
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::Create), 4, "{:#?}", told.report);
    assert_eq!(
        told.report
            .news
            .iter()
            .filter(|news| news.key.as_deref() == Some("777"))
            .count(),
        1
    );
    rig.advance(minutes(16));
    assert_eq!(rig.apply_all().await.report.news, []);
}
