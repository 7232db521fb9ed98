//! Signals, locks and pipes: what the outside does to a process, and what that leaves.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ghl_sync::model::StepKind;
use ghl_sync::sandbox::{Fault, FaultKind};

use crate::program::{Running, command, hearing, now, program, together};
use crate::rig::{Rig, minutes};
use crate::scenes::{strangers, unsettled};

const CREATE: &str = "POST /contacts/";
const FIRST: &[&str] = &["apply", "--allow", "first"];

/// Lets every create be answered late, so that a test can meet the program in the middle of an apply.
fn slow(rig: &Rig, by: Duration) {
    let fault = Fault::new(FaultKind::Slow(by)).on(CREATE);
    rig.sandbox.fault(fault.times(1_000));
}

/// Asserts that no follower has two contacts; returns how many have one.
fn made(rig: &Rig) -> usize {
    let mut made = 0;
    for follower in rig.sandbox.followers() {
        let contacts = rig
            .sandbox
            .contacts_by_field("twitch_user_id", &follower.id);
        assert!(contacts.len() < 2, "{} has {contacts:#?}", follower.id);
        made += contacts.len();
    }
    made
}

/// Lets the recovery's waits pass, in this process, until nothing is open; then a run must be silent.
async fn heals(mut rig: Rig, followers: usize, before: u64) {
    for _ in 0..4 {
        rig.advance(minutes(16));
        rig.apply().await;
        if made(&rig) == followers && unsettled(&mut rig) == 0 {
            break;
        }
    }
    assert_eq!(made(&rig), followers);
    assert_eq!(unsettled(&mut rig), 0);
    assert_eq!(rig.sandbox.contact_count(), followers as u64 + before);
    rig.sandbox.clear_calls();
    rig.advance(minutes(16));
    let told = rig.apply().await;
    assert_eq!((told.rows, told.report.news), (Vec::new(), Vec::new()));
    assert_eq!(rig.sandbox.writes().len(), 0);
}

async fn killed_after(writes: u64) {
    const FOLLOWERS: usize = 30;
    let rig = Rig::new(now(FOLLOWERS as u64, 3)).await;
    let unmanaged = strangers(&rig);
    slow(&rig, Duration::from_millis(150));
    let mut running = Running::start(&rig, FIRST);
    running.until(|_| rig.sandbox.count(CREATE) >= writes).await;
    running.signal("KILL");
    let ended = running.end().await;
    assert_eq!(ended.code, None, "{ended}");
    rig.sandbox.clear_faults();

    // At once again: whatever was answered is kept, whatever was under way waits, the others are made.
    let sent = rig.sandbox.count(CREATE);
    let ended = program(&rig, &["apply", "--format", "json"]).await;
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let open = report["news"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|news| news["kind"] == "unsettled")
        .count();
    assert!((1..=10).contains(&open), "{ended}");
    let again = usize::try_from(rig.sandbox.count(CREATE) - sent).unwrap();
    let before = usize::try_from(sent).unwrap();
    // A call that was journaled may have died before the vendor saw it; it waits as well.
    let left = FOLLOWERS - before;
    assert!(
        (left.saturating_sub(open)..=left).contains(&again),
        "{again} of {left}: {ended}"
    );
    assert!(made(&rig) >= FOLLOWERS - open, "{ended}");
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(strangers(&rig), unmanaged);
    heals(rig, FOLLOWERS, 3).await;
}

#[tokio::test]
async fn a_process_killed_in_the_middle_of_an_apply_makes_nobody_twice() {
    together([1, 2, 7, 13, 22, 29].map(killed_after)).await;
}

#[tokio::test]
async fn ctrl_c_finishes_the_calls_in_flight_and_the_next_run_goes_on() {
    for signal in ["INT", "TERM", "HUP"] {
        let mut rig = Rig::new(now(40, 3)).await;
        slow(&rig, Duration::from_millis(300));
        let mut running = Running::of(&rig, hearing(&command(&rig, FIRST)));
        running.until(|_| rig.sandbox.count(CREATE) >= 6).await;
        running.signal(signal);
        let ended = running
            .end()
            .await
            .exits(1)
            .says(&[
                "stopped before the end",
                "the next run goes on from there",
                "ghl-sync apply followers",
            ])
            .complains(&["the calls in flight are finished first", "again"]);
        let stopped = made(&rig);
        assert!((6..40).contains(&stopped), "{stopped} were made: {ended}");
        assert!(!ended.out.contains("without an answer"), "{ended}");
        assert_eq!(unsettled(&mut rig), 0, "{ended}");
        rig.close();
        rig.sandbox.clear_faults();
        program(&rig, &["apply"]).await.exits(0);
        assert_eq!(made(&rig), 40);
        heals(rig, 40, 3).await;
    }
}

#[tokio::test]
async fn a_run_under_nohup_outlives_its_terminal() {
    let rig = Rig::new(now(10, 3)).await;
    slow(&rig, Duration::from_millis(100));
    let mut nohup = Command::new("nohup");
    nohup
        .arg(env!("CARGO_BIN_EXE_ghl-sync"))
        .args(FIRST)
        .arg("--config")
        .arg(rig.config_path())
        .current_dir(&rig.folder)
        .stdin(Stdio::null());
    let mut running = Running::of(&rig, nohup);
    running.until(|_| rig.sandbox.count(CREATE) >= 2).await;
    running.signal("HUP");
    running.end().await.exits(0);
    assert_eq!(made(&rig), 10);
}

#[tokio::test]
async fn a_second_ctrl_c_ends_it_at_once_and_loses_nothing() {
    let rig = Rig::new(now(30, 3)).await;
    slow(&rig, Duration::from_secs(20));
    let mut running = Running::start(&rig, FIRST);
    running.until(|_| rig.sandbox.count(CREATE) >= 2).await;
    running.signal("INT");
    running.until(|it| it.said().contains("stopping")).await;
    let second = Instant::now();
    running.signal("INT");
    running.end().await.exits(1);
    assert!(second.elapsed() < Duration::from_secs(10));
    rig.sandbox.clear_faults();
    heals(rig, 30, 3).await;
}

#[tokio::test]
async fn ctrl_c_while_reading_changes_nothing() {
    let rig = Rig::new(now(450, 3)).await;
    let fault = Fault::new(FaultKind::Slow(Duration::from_millis(300)));
    rig.sandbox
        .fault(fault.on("GET /channels/followers").times(100));
    let mut running = Running::start(&rig, FIRST);
    running
        .until(|_| rig.sandbox.count("GET /channels/followers") >= 1)
        .await;
    running.signal("INT");
    running.end().await.exits(1);
    assert_eq!(rig.sandbox.writes().len(), 0);
    assert!(rig.sandbox.count("GET /channels/followers") < 5);
    rig.sandbox.clear_faults();
    program(&rig, FIRST).await.exits(0);
    assert_eq!(made(&rig), 450);
}

#[tokio::test]
async fn a_second_apply_is_busy_and_names_the_first_or_waits_for_it() {
    let rig = Rig::new(now(20, 3)).await;
    slow(&rig, Duration::from_millis(500));
    let mut first = Running::start(&rig, FIRST);
    first.until(|_| rig.sandbox.count(CREATE) >= 1).await;
    let holder = format!("ghl-sync apply, process {}", first.id());
    for args in [
        &["apply"][..],
        &["resync", "followers"],
        &["retry", "followers", "--all"],
    ] {
        program(&rig, args)
            .await
            .exits(8)
            .complains(&[&holder, "wait for it"]);
    }
    // A dry run needs no lock, and neither does a look.
    program(&rig, &["plan"]).await.exits(0);
    program(&rig, &["status"]).await.exits(0);
    let waiting = Running::start(&rig, &["apply", "--wait"]);
    let (first, waiting) = tokio::join!(first.end(), waiting.end());
    first.exits(0);
    waiting.exits(0).says(&["nothing to do"]);
    assert_eq!(rig.sandbox.count(CREATE), 20);
}

#[tokio::test]
async fn a_reader_that_leaves_early_is_no_error() {
    let rig = Rig::new(now(300, 3)).await;
    for args in [
        &["plan"][..],
        &["plan", "--format", "json"],
        &["plan", "--format", "markdown"],
        &["status"],
        &["--help"],
        FIRST,
    ] {
        let mut child = command(&rig, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let status = tokio::task::spawn_blocking(move || child.wait())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{args:?}");
    }
    assert_eq!(made(&rig), 300);
}

#[tokio::test]
async fn a_report_that_has_no_place_to_go_is_an_error() {
    let rig = Rig::new(now(3, 3)).await;
    let out = rig.folder.join("nowhere/report.txt");
    // Told before anything is carried out.
    let args = ["apply", "--allow", "first", "--out", out.to_str().unwrap()];
    program(&rig, &args)
        .await
        .exits(1)
        .complains(&["cannot write", "nowhere/report.txt"]);
    assert_eq!(rig.sandbox.calls().len(), 0);
}

/// Returns the first character that a terminal would obey.
fn obeyed(text: &str) -> Option<char> {
    text.chars().find(|c| c.is_control() && *c != '\n')
}

#[tokio::test]
async fn a_pipe_gets_plain_lines_and_no_control_characters() {
    let mut settings = now(60, 3);
    settings.odd_names = true;
    let rig = Rig::new(settings).await;
    for name in ["\u{1b}[2Jgone", "a\u{202e}b", "tab\tand\rreturn"] {
        let id = (1_000 + name.len()).to_string();
        rig.sandbox.follow(&id, "login", name);
    }
    for format in ["text", "markdown", "json"] {
        let mut command = command(&rig, &["plan", "--format", format, "-vv"]);
        command.env("COLUMNS", "40");
        let ended = Running::of(&rig, command).end().await.exits(0);
        assert_eq!(obeyed(&ended.out), None, "{ended}");
        assert_eq!(obeyed(&ended.err), None, "{ended}");
        assert!(!ended.out.contains('\u{202e}'), "{ended}");
    }
    let ended = program(&rig, FIRST).await.exits(0);
    assert_eq!(obeyed(&ended.out), None, "{ended}");
    assert_eq!(obeyed(&ended.err), None, "{ended}");
}

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "a test that skips its point says so where its reader looks"
)]
async fn a_narrow_terminal_wraps_every_line() {
    let rig = Rig::new(now(12, 3)).await;
    let program = command(&rig, &["plan", "--quiet"]);
    let words: Vec<_> = std::iter::once(program.get_program())
        .chain(program.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    // util-linux's `script` is the terminal.
    let mut script = Command::new("script");
    script
        .args(["-q", "-e", "-c", &words.join(" "), "/dev/null"])
        .env("COLUMNS", "40")
        .current_dir(&rig.folder)
        .stdin(Stdio::null());
    let version = Command::new("script").arg("--version").output();
    if !version.is_ok_and(|version| version.stdout.starts_with(b"script from util-linux")) {
        println!("skipped: there is no `script` of util-linux here");
        return;
    }
    let ended = Running::of(&rig, script).end().await.exits(0);
    let lines: Vec<_> = ended.out.lines().map(|line| line.trim_end()).collect();
    assert!(lines.len() > 60, "{ended}");
    // A word that is longer than the line stays whole, so that it can be copied.
    for line in lines {
        let long = line.chars().count() > 40;
        let one_word = !line.trim().contains(' ') || line.contains("ghl-sync apply");
        assert!(!long || one_word, "`{line}` is too long: {ended}");
    }
}

#[tokio::test]
async fn a_demo_leaves_nothing_behind_however_it_ends() {
    let rig = Rig::new(now(0, 0)).await;
    let (home, temp) = (rig.folder.join("home"), rig.folder.join("temp"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&temp).unwrap();
    let left = || fs::read_dir(&home).unwrap().count() + fs::read_dir(&temp).unwrap().count();
    let demo = |followers: &str, more: &[&str]| {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_ghl-sync"));
        demo.args(["demo", "--followers", followers, "--contacts", "30"])
            .args(more)
            .current_dir(&home)
            .env("TMPDIR", &temp)
            .env("HOME", &home)
            .stdin(Stdio::null());
        Running::of(&rig, demo)
    };
    let ended = demo("60", &[]).end().await.exits(0).says(&[
        "5. And once more",
        "0 writes",
        "ghl-sync check",
    ]);
    assert_eq!(obeyed(&ended.out), None, "{ended}");
    assert_eq!(ended.err, "");
    assert_eq!(left(), 0);

    // Stopped, and stopped at once.
    for times in [1, 2] {
        let mut running = demo("900", &[]);
        running.until(|it| it.has_told("$ ghl-sync apply")).await;
        for _ in 0..times {
            running.signal("INT");
        }
        running.end().await.exits(1);
        assert_eq!(left(), 0, "stopped {times} times");
    }

    // Unless it was asked to.
    demo("30", &["--keep", "kept"]).end().await.exits(0);
    assert_eq!(left(), 1);
    let config = home.join("kept/ghl-sync.toml");
    assert!(config.is_file());
    let mut status = Command::new(env!("CARGO_BIN_EXE_ghl-sync"));
    status.arg("status").arg("--config").arg(&config);
    Running::of(&rig, status)
        .end()
        .await
        .exits(0)
        .says(&["twitch-followers"]);
}

#[tokio::test]
async fn what_a_killed_run_left_is_told_by_plan_and_touched_by_none() {
    let mut rig = Rig::new(now(5, 3)).await;
    slow(&rig, Duration::from_secs(20));
    let mut running = Running::start(&rig, FIRST);
    running.until(|_| rig.sandbox.count(CREATE) >= 5).await;
    running.signal("KILL");
    running.end().await;
    rig.sandbox.clear_faults();
    let before = unsettled(&mut rig);
    assert_eq!(before, 5);
    rig.close();
    let ended = program(&rig, &["plan"]).await.exits(0);
    for follower in rig.sandbox.followers() {
        let line = format!("unsettled {}", follower.id);
        assert!(ended.out.contains(&line), "{ended}");
    }
    assert_eq!(unsettled(&mut rig), before);
    assert_eq!(rig.plan().await.planned(StepKind::Create), 0);
    heals(rig, 5, 3).await;
}
