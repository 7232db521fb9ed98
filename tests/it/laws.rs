//! What must always hold, law by law.
//!
//! | law | tests |
//! |---|---|
//! | 1 twice the same job | `laws::a_second_run_sends_no_write`; the last run of every test in `crash` and `lost` |
//! | 2 killed at any moment | `crash`; of logins `renewal::a_process_killed_…` |
//! | 3 an answer lost | `lost`; of logins `renewal::a_renewal_…` |
//! | 4 a cut or empty listing | `laws::a_cut_or_empty_listing_removes_nobody`, `laws::a_cut_or_empty_mirror_creates_nobody`, `reading`, `leaving` |
//! | 5 a person's edit | `laws::a_persons_edit_survives`, `laws::contacts_that_no_record_matches_stay_byte_for_byte` |
//! | 6 guards | `guards::over_the_limit_of_…`, `leaving::guard_leave_counts_candidates_before_anybody_is_looked_up` |
//! | 7 the rate | `shared::two_processes_share_one_bucket_without_a_violation_and_neither_starves`, and the tests of `net/gate` and `net/pace` |
//! | 8 any order of pages | `laws::any_pages_give_the_same_plan`, `laws::the_list_and_the_search_give_the_same_mirror` |
//! | 9 secrets and people | `secrets`, `wires`; `privacy` |
//! | 10 dry runs | `laws::a_dry_run_only_reads_and_apply_sends_what_it_announced`, `renewal::a_dry_run_with_an_ended_token_renews_it_and_only_reads` |
//! | 11 new and edited jobs | `guards::a_new_job_…`, `guards::an_edited_job_…` |
//! | 12 bad input | `badinput`; `config::tests::jobs`, `config::tests::main_file`, `store::open::tests`; `net::secret::tests`; of the program `cli::args::tests`, `cli::exit::tests`, `cli::check::tests` |

use std::collections::BTreeMap;

use ghl_sync::model::StepKind;
use ghl_sync::report::NewsKind;
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{Fault, FaultKind, Settings, Switches};
use serde_json::Value;

use crate::rig::{JOB, Rig, hours, minutes, settings};
use crate::scenes::{job, number, strangers};

const FOLLOWERS: &str = "GET /channels/followers";
const LIST: &str = "GET /contacts/";

fn twins(followers: u64, contacts: u64, twins: u64) -> Settings {
    let mut world = settings(followers, contacts);
    world.twins = twins;
    world
}

fn full() -> Ask {
    Ask {
        full: true,
        ..crate::rig::ask_all()
    }
}

#[tokio::test]
async fn a_second_run_sends_no_write() {
    for seed in 0..16 {
        let mut world = twins(30, 40, 12);
        world.seed = seed;
        world.odd_names = seed % 2 == 0;
        world.switches = Switches::random(seed);
        let mut rig = Rig::with_job(world, &job()).await;
        rig.apply_all().await;
        assert_eq!(rig.sandbox.contact_count(), 58, "seed {seed}");
        for wait in [minutes(1), minutes(16), hours(25)] {
            rig.sandbox.clear_calls();
            rig.advance(wait);
            rig.apply_all().await;
            let writes = rig.sandbox.writes();
            assert!(writes.is_empty(), "seed {seed}: {writes:#?}");
        }
        rig.run(full()).await.unwrap();
        assert!(rig.sandbox.writes().is_empty(), "seed {seed}");
    }
}

/// Everything that can cut a walk short, with how often it strikes.
fn cuts() -> Vec<(FaultKind, u64)> {
    vec![
        (FaultKind::RepeatedCursor, 1),
        (FaultKind::RepeatedCursor, 100),
        (FaultKind::MissingCursor, 1),
        (FaultKind::EmptyPage, 100),
        (FaultKind::ResetBefore, 5),
        (FaultKind::Html502, 5),
        (FaultKind::Truncated, 5),
        (FaultKind::WrongShape, 5),
        (FaultKind::NotJson, 5),
        (FaultKind::MissingPermission, 1),
    ]
}

#[tokio::test]
async fn a_cut_or_empty_listing_removes_nobody() {
    for (kind, times) in cuts() {
        for skip in 0..2 {
            let case = format!("{kind:?} on page {}", skip + 1);
            let mut rig = Rig::new(twins(250, 255, 250)).await;
            rig.apply_all().await;
            rig.advance(hours(1));
            let fault = Fault::new(kind.clone())
                .on(FOLLOWERS)
                .skip(skip)
                .times(times);
            rig.sandbox.fault(fault);
            // An error is an honest end, too.
            let told = rig.run(full()).await;
            if let Ok(told) = told {
                let source = told.report.source;
                assert!(source.ended != "complete" || source.listed == 250, "{case}");
            }
            let out = "SELECT count(*) FROM roster WHERE missing_walk IS NOT NULL OR pending IS NOT NULL OR state != 'in'";
            assert_eq!(number(&mut rig, out), 0, "{case}");
            rig.sandbox.clear_faults();
            for _ in 0..2 {
                rig.advance(minutes(11));
                rig.run(full()).await.unwrap();
            }
            assert_eq!(number(&mut rig, out), 0, "{case}");
            assert!(rig.sandbox.writes().is_empty(), "{case}");
        }
    }
}

#[tokio::test]
async fn a_cut_or_empty_mirror_creates_nobody() {
    for (kind, times) in cuts() {
        for (reader, route) in [("list", LIST), ("search", "POST /contacts/search")] {
            // The followers' contacts are all there, but the walk does not come to its end.
            let contacts = if reader == "list" { 260 } else { 1_060 };
            let job = JOB.replace(
                "timezone = \"UTC\"",
                &format!("timezone = \"UTC\"\ncontacts_reader = \"{reader}\""),
            );
            let case = format!("{kind:?} of {reader}");
            let mut rig = Rig::with_job(twins(50, contacts, 50), &job).await;
            let fault = Fault::new(kind.clone()).on(route).skip(1).times(times);
            rig.sandbox.fault(fault);
            if let Ok(told) = rig.run(full()).await {
                if told.report.hub.reader == reader {
                    assert_eq!(
                        told.planned(StepKind::Create),
                        0,
                        "{case}: {:#?}",
                        told.report
                    );
                }
                assert_eq!(told.done(StepKind::Tombstone), 0, "{case}");
            }
            assert_eq!(rig.sandbox.count("POST /contacts/"), 0, "{case}");
            rig.sandbox.clear_faults();
            rig.advance(minutes(16));
            rig.run(full()).await.unwrap();
            rig.advance(minutes(16));
            let told = rig.run(full()).await.unwrap();
            assert_eq!(told.report.hub.ended, "complete", "{case}");
            assert_eq!(number(&mut rig, "SELECT count(*) FROM link"), 50, "{case}");
            assert!(rig.sandbox.writes().is_empty(), "{case}");
        }
    }
}

#[tokio::test]
async fn a_cut_listing_of_contacts_buries_nobody() {
    for (kind, times) in cuts() {
        let mut rig = Rig::new(twins(250, 260, 250)).await;
        rig.apply_all().await;
        rig.advance(hours(1));
        rig.sandbox
            .fault(Fault::new(kind.clone()).on(LIST).skip(1).times(times));
        let told = rig.run(full()).await;
        if let Ok(told) = told {
            assert_eq!(told.planned(StepKind::Tombstone), 0, "{kind:?}");
        }
        assert_eq!(rig.sandbox.count("GET /contacts/{id}"), 0, "{kind:?}");
        let gone = "SELECT count(*) FROM mirror WHERE gone_ms IS NOT NULL";
        assert_eq!(number(&mut rig, gone), 0, "{kind:?}");
    }
}

#[tokio::test]
async fn a_persons_edit_survives() {
    for own in ["owned", "fill", "create"] {
        let job = JOB.replace(
            "twitch_username = \"{{ user_login }}\"",
            &format!("twitch_username = {{ value = \"{{{{ user_login }}}}\", own = \"{own}\" }}"),
        );
        let mut rig = Rig::with_job(twins(3, 5, 1), &job).await;
        rig.apply_all().await;
        rig.advance(minutes(16));
        let mut edited = Vec::new();
        for follower in rig.sandbox.followers() {
            let contact = rig
                .sandbox
                .contacts_by_field("twitch_user_id", &follower.id)[0]
                .clone();
            let id = contact["id"].as_str().unwrap().to_owned();
            for (key, value) in [
                ("twitch_username", "typed by hand"),
                ("firstName", "Typed"),
                ("lastName", "By Hand"),
                ("email", "typed@example.com"),
                ("city", "Leeds"),
                ("twitch_followed_at", "2001-01-01"),
            ] {
                if key != "email" || edited.is_empty() {
                    rig.sandbox.edit_contact(&id, key, value);
                }
            }
            rig.sandbox.add_tag(&id, "vip");
            edited.push(rig.sandbox.contact(&id).unwrap());
        }
        rig.sandbox.clear_calls();
        rig.advance(minutes(1));
        let told = rig.apply_all().await;
        // Nothing was to be written, so nobody is asked.
        assert_eq!(told.report.news, [], "{own}");
        rig.advance(minutes(16));
        for follower in rig.sandbox.followers() {
            let login = format!("renamed_{}", follower.id);
            rig.sandbox.rename(&follower.id, &login, "Renamed");
        }
        let told = rig.apply_all().await;
        assert_eq!(
            told.report.has_news(NewsKind::Conflict),
            own == "owned",
            "{own}"
        );
        for _ in 0..2 {
            rig.advance(minutes(16));
            assert_eq!(
                rig.run(full()).await.unwrap().report.news,
                [],
                "{own}: told once"
            );
        }
        assert!(
            rig.sandbox.writes().is_empty(),
            "{own}: {:#?}",
            rig.sandbox.writes()
        );
        for contact in edited {
            let id = contact["id"].as_str().unwrap();
            assert_eq!(rig.sandbox.contact(id).unwrap(), contact, "{own}");
        }
    }
}

#[tokio::test]
async fn a_forced_field_is_written_whenever_it_differs_and_nothing_else_is() {
    let job = JOB.replace(
        "twitch_username = \"{{ user_login }}\"",
        "twitch_username = { value = \"{{ user_login }}\", own = \"force\" }",
    );
    let mut rig = Rig::with_job(twins(2, 5, 1), &job).await;
    rig.apply_all().await;
    rig.advance(minutes(16));
    let follower = rig.sandbox.followers()[0].clone();
    let contact = rig
        .sandbox
        .contacts_by_field("twitch_user_id", &follower.id)[0]
        .clone();
    let id = contact["id"].as_str().unwrap();
    rig.sandbox
        .edit_contact(id, "twitch_username", "typed by hand");
    rig.sandbox.edit_contact(id, "firstName", "Typed");
    rig.advance(minutes(1));
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::Update), 1);
    let contact = rig.sandbox.contact(id).unwrap();
    assert_eq!(
        contact["fields"]["twitch_username"],
        follower.login.as_str()
    );
    assert_eq!(contact["firstName"], "Typed");
}

#[tokio::test]
async fn contacts_that_no_record_matches_stay_byte_for_byte() {
    for seed in 0..6 {
        let mut world = twins(20, 60, 10);
        world.seed = seed;
        world.switches = Switches::random(100 + seed);
        let mut rig = Rig::with_job(world, &job()).await;
        let email = "someone@example.com";
        // One that looks like us, and is not: the same name and tag, another marker.
        let like = rig.sandbox.followers()[15].clone();
        let id = rig
            .sandbox
            .add_contact(&like.name, "", email, &["twitch follower"], &[]);
        let before = strangers(&rig);
        assert_eq!(before.len(), 51);
        rig.apply_all().await;
        for round in 0..4 {
            rig.advance(minutes(16));
            let followers = rig.sandbox.followers();
            rig.sandbox.unfollow(&followers[round].id);
            rig.sandbox
                .rename(&followers[10].id, &format!("round_{round}"), "Name");
            rig.run(full()).await.unwrap();
        }
        assert_eq!(strangers(&rig), before, "seed {seed}");
        assert!(rig.sandbox.contact(&id).is_some());
    }
}

#[tokio::test]
async fn any_pages_give_the_same_plan() {
    let mut digests = Vec::new();
    for variant in 0..5 {
        let mut world = twins(330, 200, 150);
        match variant {
            1 => world.switches.short_pages = true,
            2 => world.switches.empty_pages = 2,
            3 => world.switches.last_cursor = true,
            _ => {}
        }
        let mut rig = Rig::with_job(world, &job()).await;
        if variant == 4 {
            let followers = rig.sandbox.followers();
            for (which, place) in [(3, 150), (250, 20), (99, 100), (100, 99), (320, 0)] {
                rig.sandbox.duplicate_row(&followers[which].id, place);
            }
        }
        digests.push(rig.plan().await.report.digest.unwrap());
        digests.push(
            rig.run(Ask {
                full: true,
                ..Ask::default()
            })
            .await
            .unwrap()
            .report
            .digest
            .unwrap(),
        );
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[tokio::test]
async fn the_list_and_the_search_give_the_same_mirror() {
    let mut mirrors = Vec::new();
    for reader in ["list", "search"] {
        let job = job().replace(
            "timezone = \"UTC\"",
            &format!("timezone = \"UTC\"\ncontacts_reader = \"{reader}\""),
        );
        let mut rig = Rig::with_job(twins(30, 230, 20), &job).await;
        let told = rig.plan().await;
        assert_eq!(told.report.hub.reader, reader);
        let reader = rig.store().reader().unwrap();
        let mut statement = reader
            .prepare("SELECT id, seen, tags FROM mirror ORDER BY id")
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let rows: Vec<(String, String, Option<String>)> =
            rows.unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.len(), 230);
        mirrors.push((rows, told.report.digest));
    }
    assert_eq!(mirrors[0], mirrors[1]);
}

#[tokio::test]
async fn a_dry_run_only_reads_and_apply_sends_what_it_announced() {
    for seed in 0..20 {
        let mut world = twins(20 + seed, 40, seed % 20);
        world.seed = seed;
        world.odd_names = seed % 3 == 0;
        world.switches = Switches::random(200 + seed);
        // What is learned about the batch costs extra calls, once.
        world.switches.bulk_max = ghl_sync::sandbox::BulkMax::Refuse(500);
        let mut text = job();
        if seed % 2 == 0 {
            text = text.replace("timezone = \"UTC\"", "timezone = \"UTC\"\nrecheck = false");
        }
        if seed % 3 == 0 {
            text = text.replace("missing = \"create\"", "missing = \"skip\"");
        }
        if seed % 5 == 0 {
            text = text.replace(
                "timezone = \"UTC\"",
                "timezone = \"UTC\"\ncontacts_reader = \"search\"",
            );
        }
        let mut rig = Rig::with_job(world, &text).await;
        for round in 0..3 {
            let case = format!("seed {seed}, round {round}");
            let before = rig.sandbox.contacts();
            rig.sandbox.clear_calls();
            let plan = rig.plan().await;
            assert!(rig.sandbox.writes().is_empty(), "{case}");
            for call in rig.sandbox.calls() {
                let reads = call.method == "GET" || call.route == "POST /contacts/search";
                assert!(reads, "{case}: {}", call.route);
            }
            assert_eq!(rig.sandbox.contacts(), before, "{case}");
            rig.sandbox.clear_calls();
            let did = rig.apply_all().await;
            assert_eq!(plan.report.digest, did.report.digest, "{case}");
            assert_eq!(plan.report.cost.calls, did.report.cost.calls, "{case}");
            assert_eq!(
                did.report.made.as_ref(),
                Some(&plan.report.cost.calls),
                "{case}"
            );
            assert_eq!(did.report.extra, BTreeMap::new(), "{case}");
            let writes = plan.report.cost.calls.get("highlevel").map_or(0, |routes| {
                let writes = routes.iter().filter(|(route, _)| !route.starts_with("GET"));
                writes.map(|(_, count)| count).sum()
            });
            assert_eq!(rig.sandbox.writes().len() as u64, writes, "{case}");
            rig.advance(minutes(16));
            for follower in rig.sandbox.followers().iter().skip(round).take(4) {
                rig.sandbox
                    .rename(&follower.id, &format!("r{round}_{}", follower.id), "Name");
            }
        }
    }
}

#[tokio::test]
async fn a_dry_run_leaves_no_link_claim_or_mark_behind() {
    let mut rig = Rig::with_job(twins(10, 12, 5), &job()).await;
    for _ in 0..2 {
        rig.plan().await;
        for table in ["link", "claim", "finding"] {
            assert_eq!(
                number(&mut rig, &format!("SELECT count(*) FROM {table}")),
                0,
                "{table}"
            );
        }
        let marks = "SELECT count(*) FROM step WHERE mark NOT IN ('planned', 'held')";
        assert_eq!(number(&mut rig, marks), 0);
        rig.advance(minutes(16));
    }
}

#[tokio::test]
async fn names_of_every_sort_become_ordinary_contacts() {
    let mut world = settings(0, 2);
    world.fields = true;
    let mut rig = Rig::new(world).await;
    let long = "n".repeat(200);
    let names = [
        "",
        "  ",
        long.as_str(),
        "שלום עולם",
        "👩‍👩‍👧‍👦 家族",
        "a\u{0}b\nc",
        "{{ user_id }}",
        "'; DROP TABLE link; --",
    ];
    for (number, name) in names.iter().enumerate() {
        rig.sandbox
            .follow(&format!("500{number}"), &format!("login_{number}"), name);
    }
    let told = rig.apply_all().await;
    assert_eq!(
        told.done(StepKind::Create),
        names.len() as u64,
        "{:#?}",
        told.report
    );
    for number in 0..names.len() {
        let found = rig
            .sandbox
            .contacts_by_field("twitch_user_id", &format!("500{number}"));
        assert_eq!(found.len(), 1);
        assert!(found[0]["firstName"] != Value::Null, "{found:?}");
    }
    rig.advance(minutes(16));
    rig.sandbox.clear_calls();
    rig.run(full()).await.unwrap();
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn one_empty_page_of_contacts_is_asked_for_again_before_it_ends_the_listing() {
    // Three contacts fewer than counted would be within what a whole walk may be off.
    for reader in ["list", "search"] {
        let contacts = if reader == "list" { 103 } else { 503 };
        let job = JOB.replace(
            "timezone = \"UTC\"",
            &format!("timezone = \"UTC\"\ncontacts_reader = \"{reader}\""),
        );
        let mut rig = Rig::with_job(twins(contacts, contacts, contacts), &job).await;
        let route = if reader == "list" {
            LIST
        } else {
            "POST /contacts/search"
        };
        rig.sandbox
            .fault(Fault::new(FaultKind::EmptyPage).on(route).skip(1));
        let told = rig.plan().await;
        assert_eq!(told.report.hub.ended, "complete", "{reader}");
        assert_eq!(told.planned(StepKind::Create), 0, "{reader}");
    }
}

#[tokio::test]
async fn a_listing_of_contacts_that_falls_short_creates_nobody_a_second_time() {
    // For ever three contacts fewer than counted, which is within what a whole walk may be off; five of its records are new.
    let mut rig = Rig::new(twins(108, 103, 103)).await;
    rig.sandbox
        .fault(Fault::new(FaultKind::EmptyPage).on(LIST).skip(1).times(100));
    let told = rig.apply_all().await;
    assert_eq!(told.report.hub.ended, "complete");
    assert_eq!(told.planned(StepKind::Create), 8);
    assert_eq!(told.done(StepKind::Create), 5, "{:#?}", told.rows);
    assert_eq!(told.report.extra["confirmation"], 8);
    rig.advance(minutes(16));
    let told = rig.apply_all().await;
    assert_eq!(told.done(StepKind::Link), 3, "{:#?}", told.rows);
    assert_eq!(rig.sandbox.count("POST /contacts/"), 5);
}
