//! The write test leaves the location as it was, whatever fails, and whoever stops it.

use std::collections::BTreeSet;
use std::time::Duration;

use ghl_sync::sandbox::{Fault, FaultKind, Sandbox};
use serde_json::Value;

use super::{Checked, check, edit};
use crate::program::{Running, now, program};
use crate::rig::{Rig, minutes};

/// The calls of a test in their order.
const STEPS: &[&str] = &[
    "POST /contacts/",
    "PUT /contacts/{id}",
    "POST /contacts/bulk/tags/update/{type}",
    "POST /contacts/{id}/notes",
    "POST /contacts/{id}/tasks",
    "PUT /contacts/{id}/tasks/{taskId}/completed",
    "GET /contacts/{id}",
    "GET /contacts/{id}/notes",
    "GET /contacts/{id}/tasks",
    "DELETE /contacts/{id}",
    "GET /contacts/{id}",
];

const TEST: &str = "--write-test --account main";

/// Returns what a person sees of all contacts.
fn contacts(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.contacts()
}

/// Returns what the state remembers of tests.
fn kept(rig: &Rig) -> Option<String> {
    let db = rusqlite::Connection::open(rig.state().join("ghl-sync.db")).unwrap();
    let sql = "SELECT value FROM kept WHERE name LIKE 'write-test:%'";
    db.query_row(sql, [], |row| row.get(0)).ok()
}

fn assert_clean(rig: &Rig, before: &[Value], case: &str) {
    assert_eq!(contacts(&rig.sandbox), before, "{case}");
    assert_eq!(kept(rig), None, "{case}");
}

#[tokio::test]
async fn every_step_is_told_and_nothing_is_left() {
    let rig = Rig::new(now(1, 4)).await;
    let before = contacts(&rig.sandbox);
    let ended = program(&rig, &["check", "--write-test", "--format", "json"]).await;
    let checked = Checked::of(&ended.out, ended.err);
    checked.is_well();
    for step in [
        "was made",
        "changed",
        "tagged",
        "given a note",
        "given a task",
        "completed",
        "read back",
        "was removed and is gone",
    ] {
        checked.has("ok", &["account main: write test", step]);
    }
    assert!(
        checked.err.contains(
            "workflows of the location that start on new contacts or on tags will see it"
        ),
        "{}",
        checked.err
    );
    assert_clean(&rig, &before, "");
    let calls = rig.sandbox.calls();
    // The three reads and the channel's came before.
    let first = calls
        .iter()
        .position(|call| call.route == STEPS[0])
        .unwrap();
    let routes: Vec<&str> = calls[first..].iter().map(|call| call.route).collect();
    assert_eq!(routes, STEPS);
    // Nobody else was touched.
    let ids: BTreeSet<String> = before
        .iter()
        .map(|contact| contact["id"].as_str().unwrap().to_owned())
        .collect();
    for call in rig.sandbox.writes() {
        assert!(
            !ids.iter().any(|id| call.path.contains(id.as_str())),
            "{call:?}"
        );
    }
    let text = program(&rig, &["check", "--write-test"]).await.exits(0);
    assert!(text.out.contains("all is well"), "{text}");
    assert_clean(&rig, &before, "again");
}

#[tokio::test]
async fn each_call_may_fail_in_turn_and_nothing_stays() {
    for (index, route) in STEPS.iter().enumerate() {
        for kind in [
            FaultKind::ResetAfter,
            FaultKind::Status500After,
            FaultKind::Status500,
            FaultKind::ResetBefore,
            FaultKind::WrongShape,
            FaultKind::ExpiredToken,
            FaultKind::MissingPermission,
            FaultKind::Unprocessable422,
        ] {
            let case = format!("call {index}, {route}: {kind:?}");
            let rig = Rig::new(now(1, 3)).await;
            let before = contacts(&rig.sandbox);
            let earlier = STEPS[..index].iter().filter(|step| *step == route).count();
            let skip = u64::try_from(earlier).unwrap();
            rig.sandbox
                .fault(Fault::new(kind.clone()).on(*route).skip(skip).times(50));
            let checked = check(&rig, TEST).await;
            assert_ne!(checked.exit(), 0, "{case}: {checked:?}");
            for wrong in checked.all("wrong") {
                assert!(wrong.contains("account main"), "{case}: {wrong}");
            }
            // What may be left is named, and how it goes away.
            if contacts(&rig.sandbox) != before {
                checked.has(
                    "wrong",
                    &["ghl-sync write test", "check --write-test --account main"],
                );
            }
            rig.sandbox.clear_faults();
            rig.advance(minutes(16));
            check(&rig, TEST).await.is_well();
            assert_clean(&rig, &before, &case);
        }
    }
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_looked_for_by_its_own_name() {
    let rig = Rig::new(now(1, 3)).await;
    // Somebody has the same first name and source, and is nobody's to delete.
    let twin = rig
        .sandbox
        .add_contact("ghl-sync write test", "by hand", "", &[], &[]);
    rig.sandbox.edit_contact(&twin, "source", "ghl-sync");
    rig.sandbox.settle();
    let before = contacts(&rig.sandbox);
    rig.sandbox
        .fault(Fault::new(FaultKind::ResetAfter).on("POST /contacts/"));
    let checked = check(&rig, TEST).await;
    assert_eq!(checked.exit(), 6, "{checked:?}");
    checked
        .has("wrong", &["may or may not have been carried out"])
        .has("ok", &["was removed and is gone"]);
    assert_clean(&rig, &before, "in the same test");

    // An index that lags for longer is asked again by the next test.
    rig.sandbox
        .switch(|switches| switches.lag = Duration::from_secs(300));
    rig.sandbox
        .fault(Fault::new(FaultKind::ResetAfter).on("POST /contacts/"));
    let checked = check(&rig, TEST).await;
    assert_eq!(checked.exit(), 6, "{checked:?}");
    checked.has(
        "wrong",
        &[
            "may have been made",
            "up to a minute late",
            "again in some minutes",
        ],
    );
    assert_eq!(contacts(&rig.sandbox).len(), before.len() + 1);
    assert!(kept(&rig).is_some());
    rig.advance(minutes(6));
    let checked = check(&rig, TEST).await;
    checked.is_well();
    assert_clean(&rig, &before, "by the next test");
    let removed = checked.all("ok");
    let removed = removed
        .iter()
        .filter(|line| line.contains("was removed and is gone"));
    assert_eq!(removed.count(), 2);
}

#[tokio::test]
async fn an_account_with_trouble_is_not_written_to() {
    let rig = Rig::new(now(1, 1)).await;
    edit(&rig, "sandboxLocation00001", "sandboxLocation00002");
    let checked = check(&rig, TEST).await;
    checked
        .is_wrong(4, &["account main", "does not belong to this location"])
        .has("note", &["account main", "the write test was not tried"]);
    assert_eq!(rig.sandbox.writes().len(), 0);
    let rig = Rig::new(now(1, 1)).await;
    check(&rig, "--write-test --account channel")
        .await
        .is_well()
        .has(
            "note",
            &["account channel", "for HighLevel locations alone"],
        );
    assert_eq!(rig.sandbox.writes().len(), 0);
    // A token that may not write says so at the first call.
    let mut settings = now(1, 1);
    settings
        .highlevel_scopes
        .retain(|scope| scope != "contacts.write");
    let rig = Rig::new(settings).await;
    check(&rig, TEST).await.is_wrong(
        4,
        &[
            "account main",
            "lacks the scope contacts.write",
            "private integration",
        ],
    );
    assert_eq!(kept(&rig), None);
}

#[tokio::test]
async fn ctrl_c_in_the_middle_removes_the_contact_before_it_ends() {
    for (route, signal) in [
        ("POST /contacts/", "INT"),
        ("PUT /contacts/{id}", "INT"),
        ("POST /contacts/{id}/notes", "TERM"),
        ("GET /contacts/{id}/tasks", "INT"),
    ] {
        let rig = Rig::new(now(1, 3)).await;
        let before = contacts(&rig.sandbox);
        rig.sandbox
            .fault(Fault::new(FaultKind::Slow(Duration::from_millis(700))).on(route));
        let mut test = Running::start(&rig, &["check", "--write-test", "--format", "json"]);
        test.until(|_| rig.sandbox.count(route) > 0).await;
        test.signal(signal);
        let ended = test.end().await;
        assert_eq!(ended.code, Some(1), "{route}: {ended}");
        assert!(
            ended.err.contains("the test's contact is removed first"),
            "{ended}"
        );
        let checked = Checked::of(&ended.out, ended.err);
        checked
            .has("wrong", &["account main", "stopped before its end"])
            .has("ok", &["was removed and is gone"]);
        assert_clean(&rig, &before, route);
    }
}

#[tokio::test]
async fn a_killed_test_is_cleaned_up_by_the_next_one() {
    for route in [
        "POST /contacts/",
        "PUT /contacts/{id}",
        "DELETE /contacts/{id}",
    ] {
        let rig = Rig::new(now(1, 3)).await;
        let before = contacts(&rig.sandbox);
        rig.sandbox
            .fault(Fault::new(FaultKind::Slow(Duration::from_secs(30))).on(route));
        let mut test = Running::start(&rig, &["check", "--write-test"]);
        test.until(|_| rig.sandbox.count(route) > 0).await;
        test.signal("KILL");
        let ended = test.end().await;
        assert_eq!(ended.code, None, "{ended}");
        assert!(kept(&rig).is_some(), "{route}");
        rig.advance(minutes(2));
        check(&rig, TEST).await.is_well();
        assert_clean(&rig, &before, route);
    }
}

#[tokio::test]
async fn a_second_test_of_a_location_waits_for_nobody_and_says_who_is_at_it() {
    let rig = Rig::new(now(1, 1)).await;
    check(&rig, "--online").await.is_well();
    let lock = rig.state().join("write-test-sandboxLocation00001.lock");
    std::fs::write(&lock, "ghl-sync check --write-test, process 1\n").unwrap();
    let file = std::fs::File::open(&lock).unwrap();
    file.lock().unwrap();
    check(&rig, TEST).await.is_wrong(
        8,
        &[
            "account main",
            "write-test-sandboxLocation00001 is busy",
            "process 1",
        ],
    );
    assert_eq!(rig.sandbox.writes().len(), 0);
    drop(file);
    check(&rig, TEST).await.is_well();
}
