//! The daemon and a person at the same job: each is told who is at it, and takes its turn.

use std::time::Duration;

use ghl_sync::sandbox::{Fault, FaultKind};
use serde_json::Value;

use super::process::{CREATE, Manager, approved, late, make_due, remembered};
use crate::program::{Running, program};
use crate::rig::Rig;

const NEW: u64 = 60;

/// A rig whose job is due, with creates that are answered late.
async fn due() -> Rig {
    let mut rig = approved(NEW).await;
    make_due(&mut rig).await;
    let slow = Fault::new(FaultKind::Slow(Duration::from_millis(700))).on(CREATE);
    rig.sandbox.fault(slow.times(1_000));
    rig
}

async fn status(rig: &Rig) -> Value {
    let ended = program(rig, &["status", "--format", "json"]).await.exits(0);
    serde_json::from_str(&ended.out).unwrap()
}

/// Waits until another process sees steps of the job that are through.
async fn under_way(rig: &Rig, running: &mut Running) -> Value {
    loop {
        assert!(running.is_running(), "{}", running.said());
        let seen = status(rig).await;
        let far = &seen["jobs"]["followers"]["running"][0]["progress"];
        if far["what"] == "carrying out steps" && far["done"].as_u64() > Some(0) {
            return seen;
        }
    }
}

#[tokio::test]
async fn a_resync_beside_the_daemon_names_it_or_waits_for_it() {
    let rig = due().await;
    let manager = Manager::new(&rig);
    let mut daemon = manager.start(&rig, None);
    let seen = under_way(&rig, &mut daemon).await;
    let holder = format!("ghl-sync daemon, process {}", daemon.id());
    let job = &seen["jobs"]["followers"];
    assert_eq!(seen["daemon"]["running"], true, "{seen}");
    let at_it = job["running"][0]["holder"].as_str().unwrap();
    assert!(at_it.starts_with(&holder), "{at_it}");
    // What was due is under way, and so are its calls.
    assert_eq!(job["agenda"]["wants"], "nothing", "{seen}");
    assert_eq!(job["unsettled"], 0, "{seen}");
    let told = program(&rig, &["status"]).await.exits(0).says(&[
        &format!("the daemon runs: {holder}"),
        "runs now: run",
        "carrying out steps",
    ]);
    for contradiction in ["due now", "without an answer"] {
        assert!(!told.out.contains(contradiction), "{told}");
    }
    let run = job["running"][0]["run"].to_string();
    let shown = program(&rig, &["show", &run])
        .await
        .exits(0)
        .says(&["goes on", "create: 60 planned"]);
    assert!(
        !shown.out.contains("without an answer\n"),
        "a call under way is not lost: {shown}"
    );
    program(&rig, &["resync", "followers"])
        .await
        .exits(8)
        .complains(&[
            &holder,
            "hint: it is carrying out steps",
            "hint: to wait for it, and then run: ghl-sync resync followers --wait --config ",
        ]);
    let mut waiting = Running::start(&rig, &["resync", "followers", "--wait"]);
    let says = format!("followers waits for {holder}");
    waiting.until(|it| it.said().contains(&says)).await;
    rig.sandbox.clear_faults();
    waiting
        .end()
        .await
        .exits(0)
        .says(&["followers had nothing to do", "full pass (asked for)"]);
    assert_eq!(late(&rig, NEW) as u64, NEW);
    daemon.signal("TERM");
    daemon.end().await.exits(0);
}

#[tokio::test]
async fn what_is_due_while_a_person_resyncs_is_put_off_and_runs_afterwards() {
    let mut rig = due().await;
    let mut resync = Running::start(&rig, &["resync", "followers"]);
    under_way(&rig, &mut resync).await;
    let mut manager = Manager::new(&rig);
    let mut daemon = manager.start(&rig, None);
    let put_off = "followers is run by another process; it is looked at again in a minute";
    daemon.until(|it| it.said().contains(put_off)).await;
    let seen = status(&rig).await;
    let holder = format!("ghl-sync resync, process {}", resync.id());
    let job = &seen["jobs"]["followers"];
    assert_eq!(seen["daemon"]["running"], true, "{seen}");
    let at_it = job["running"][0]["holder"].as_str().unwrap();
    assert!(at_it.starts_with(&holder), "{at_it}");
    assert_eq!(job["agenda"]["failures"], 0, "being busy is no failure");
    rig.sandbox.clear_faults();
    resync.end().await.exits(0);
    assert_eq!(late(&rig, NEW) as u64, NEW);
    rig.sandbox
        .follow(&format!("77{NEW:04}"), "after_it", "After_It");
    // A reload spares the test the minute.
    daemon.signal("HUP");
    manager.until(&mut daemon, "RELOADING=1").await;
    manager.until(&mut daemon, "STATUS=running followers").await;
    manager
        .until(&mut daemon, "STATUS=idle; next followers at")
        .await;
    assert_eq!(late(&rig, NEW + 1) as u64, NEW + 1);
    daemon.signal("TERM");
    daemon.end().await.exits(0);
    let memory = remembered(&mut rig);
    assert_eq!((memory.begun, memory.failures), (None, 0));
    assert!(memory.served.is_some());
}
