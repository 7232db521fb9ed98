//! Looking at a run that goes on in another process, and waiting for it.

use std::time::Duration;

use ghl_sync::sandbox::{Fault, FaultKind};
use serde_json::Value;

use crate::program::{Running, command, hearing, now, program};
use crate::rig::{JOB, Rig};
use crate::terminal::Terminal;

const CREATE: &str = "POST /contacts/";
const FIRST: &[&str] = &["apply", "--allow", "first"];

/// A world whose creates are answered late: the first apply is still under way when it is looked at.
async fn slow(followers: u64) -> Rig {
    let rig = Rig::new(now(followers, 2)).await;
    let late = Fault::new(FaultKind::Slow(Duration::from_millis(700)));
    rig.sandbox.fault(late.on(CREATE).times(1_000));
    rig
}

async fn status(rig: &Rig) -> Value {
    let ended = program(rig, &["status", "--format", "json"]).await.exits(0);
    serde_json::from_str(&ended.out).unwrap()
}

/// Starts the first apply and waits until another process sees steps that are through.
async fn under_way(rig: &Rig) -> Running {
    let mut first = Running::start(rig, FIRST);
    first.until(|_| rig.sandbox.count(CREATE) >= 1).await;
    loop {
        assert!(first.is_running(), "{}", first.said());
        let seen = status(rig).await;
        let far = &seen["jobs"]["followers"]["running"][0]["progress"];
        if far["what"] == "carrying out steps" && far["done"].as_u64() > Some(0) {
            return first;
        }
    }
}

#[tokio::test]
async fn a_run_in_another_process_shows_its_progress_until_it_ends() {
    let rig = slow(60).await;
    let first = under_way(&rig).await;
    let holder = format!("ghl-sync apply, process {}", first.id());
    program(&rig, &["status"]).await.exits(0).says(&[
        "runs now: run 1",
        "carrying out steps",
        "of 60",
        &holder,
    ]);
    program(&rig, &["show", "1"]).await.exits(0).says(&[
        "run 1 of followers",
        "goes on",
        "carrying out steps",
    ]);
    program(&rig, &["history"])
        .await
        .exits(0)
        .says(&["goes on: carrying out steps"]);
    rig.sandbox.clear_faults();
    first.end().await.exits(0);
    let seen = status(&rig).await;
    let job = &seen["jobs"]["followers"];
    assert_eq!(job["running"], Value::Array(Vec::new()));
    assert_eq!(job["held_by"], Value::Null);
    assert_eq!(job["last_apply"]["result"], "done");
    assert_eq!(seen["daemon"]["running"], false);
}

#[tokio::test]
async fn a_killed_run_is_not_taken_for_a_living_one() {
    let rig = slow(60).await;
    let first = under_way(&rig).await;
    first.signal("KILL");
    first.end().await;
    rig.sandbox.clear_faults();
    let seen = status(&rig).await;
    let job = &seen["jobs"]["followers"];
    assert_eq!(job["running"], Value::Array(Vec::new()));
    assert_eq!(job["last_apply"]["result"], "killed");
    program(&rig, &["show", "last"])
        .await
        .exits(0)
        .says(&["it was killed", "create: 60 planned"]);
    program(&rig, &["history"])
        .await
        .exits(0)
        .says(&[": killed"]);
}

#[tokio::test]
async fn a_resync_beside_a_run_names_it_or_waits_for_it() {
    let rig = slow(60).await;
    let first = under_way(&rig).await;
    let holder = format!("ghl-sync apply, process {}", first.id());
    program(&rig, &["resync", "followers"])
        .await
        .exits(8)
        .complains(&[
            &holder,
            ", since ",
            "hint: it is carrying out steps",
            "hint: to wait for it, and then run: ghl-sync resync followers --wait --config ",
        ]);
    let mut waiting = Running::start(&rig, &["resync", "followers", "--wait"]);
    let says = format!("followers waits for {holder}");
    waiting.until(|it| it.said().contains(&says)).await;
    assert!(
        waiting.said().contains("carrying out steps"),
        "{}",
        waiting.said()
    );
    // Looking hinders neither.
    for _ in 0..3 {
        program(&rig, &["status"]).await.exits(0);
    }
    rig.sandbox.clear_faults();
    let (first, waiting) = tokio::join!(first.end(), waiting.end());
    first.exits(0);
    waiting
        .exits(0)
        .says(&["followers had nothing to do", "full pass (asked for)"]);
    assert_eq!(rig.sandbox.count(CREATE), 60);
}

#[tokio::test]
async fn ctrl_c_while_waiting_ends_with_one_sentence() {
    let rig = slow(60).await;
    let first = under_way(&rig).await;
    let mut waiting = Running::of(
        &rig,
        hearing(&command(&rig, &["resync", "followers", "--wait"])),
    );
    waiting.until(|it| it.said().contains("waits for")).await;
    let before = waiting.said().lines().count();
    waiting.signal("INT");
    let ended = waiting.end().await.exits(1);
    let new: Vec<&str> = ended.err.lines().skip(before).collect();
    let sentence = format!(
        "error: stopped by you: nothing was begun; ghl-sync apply, process {}",
        first.id()
    );
    assert_eq!(new.len(), 1, "{ended}");
    assert!(
        new[0].starts_with(&sentence) && new[0].ends_with("goes on"),
        "{ended}"
    );
    rig.sandbox.clear_faults();
    first.end().await.exits(0);
}

#[tokio::test]
async fn a_terminal_of_forty_columns_is_enough_to_look() {
    let rig = Rig::new(now(6, 2)).await;
    program(&rig, &["plan"]).await.exits(0);
    let key = rig.sandbox.followers().remove(0).id;
    for args in [
        &["status"][..],
        &["history"],
        &["explain", &key],
        &["show", "last"],
    ] {
        for columns in [40, 80] {
            let mut command = command(&rig, args);
            command.env("COLUMNS", columns.to_string());
            let (code, shown) = Terminal::of(command).end().await;
            assert_eq!(code, Some(0), "{shown}");
            for line in shown.lines() {
                let is_command = line.trim_start().starts_with("ghl-sync ");
                // Values of a row are cut to fit by the report itself; commands are there to be copied.
                assert!(
                    is_command || line.chars().count() <= columns,
                    "{args:?} at {columns}: {line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn status_says_what_waits_for_whom_in_all_forms() {
    let rig = Rig::new(now(6, 2)).await;
    program(&rig, &["status"]).await.exits(0).says(&[
        "never ran; start with",
        "    ghl-sync plan followers --config",
    ]);
    assert!(!rig.state().exists(), "a look makes no state");
    program(&rig, &["apply"]).await.exits(7);
    let seen = status(&rig).await;
    let waits = &seen["jobs"]["followers"]["waits"];
    assert_eq!(waits.as_array().unwrap().len(), 1, "{seen}");
    let (what, command) = (
        waits[0]["what"].as_str().unwrap(),
        waits[0]["command"].as_str().unwrap(),
    );
    for format in ["text", "markdown"] {
        program(&rig, &["status", "--format", format])
            .await
            .exits(0)
            .says(&[
                what,
                command,
                "waits for a person",
                "no daemon runs",
                "its token is kept elsewhere",
                "last full pass",
            ]);
    }
}

#[tokio::test]
async fn a_job_with_full_moments_alone_is_due_at_them() {
    let job = JOB.replace("timezone =", "full = \"30 4 * * 0\"\ntimezone =");
    let rig = Rig::with_job(now(2, 1), &job).await;
    let due = "due in full `30 4 * * 0` (UTC), next ";
    program(&rig, &["status"])
        .await
        .exits(0)
        .says(&[due, "schedules are served by timers"]);
    let checked = program(&rig, &["check"]).await;
    assert!(checked.out.contains(due), "{checked}");
    let seen = status(&rig).await;
    let job = &seen["jobs"]["followers"];
    assert!(job["next_due_at"].is_string(), "{seen}");
    assert_eq!(job["next_due_at"], job["next_full_at"]);
}

#[tokio::test]
async fn a_mistyped_approval_does_not_hide_what_waits() {
    let rig = Rig::new(now(4, 2)).await;
    program(&rig, &["apply"]).await.exits(7);
    let waits = &["your approval", "ghl-sync apply followers --approve"];
    program(&rig, &["status"]).await.exits(0).says(waits);
    program(&rig, &["apply", "followers", "--approve", "abcdef123456"])
        .await
        .exits(4);
    program(&rig, &["status"]).await.exits(0).says(waits);
}
