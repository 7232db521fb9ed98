//! Who is told of what: messages, pings, figures and the journal, with listeners on the loopback address.

pub(crate) mod listener;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use clap::Parser;
use ghl_sync::cli::args::Args;
use ghl_sync::cli::exit::Exit;
use ghl_sync::cli::progress::Progress;
use ghl_sync::cli::{self, Shell};
use ghl_sync::model::JobName;
use ghl_sync::run::Lease;
use ghl_sync::sandbox::{Fault, FaultKind};
use serde_json::Value;

use crate::logged::{Way, log_in, logged};
use crate::program::{Running, command, now, program};
use crate::rig::{JOB, Rig, hours, minutes, settings};
use crate::secrets::{Kept, assert_lacks, listening};
use listener::Listener;

/// Everything that is on.
const ALL_ON: &str = "kind = \"json\"\nurl = \"file:team.url\"\n";

/// A rig whose job has a schedule and a ping, and whose main file ends with `more`.
async fn told(more: &str, team: &Listener, ping: &Listener) -> Rig {
    let job = format!("schedule = \"* * * * *\"\nping = \"file:ping.url\"\n{JOB}");
    let rig = Rig::with_job(settings(4, 3), &job).await;
    add(&rig, more, team, ping);
    rig
}

fn add(rig: &Rig, more: &str, team: &Listener, ping: &Listener) {
    let main = fs::read_to_string(rig.config_path()).unwrap();
    fs::write(rig.config_path(), format!("{main}{more}")).unwrap();
    for (name, listener) in [("team.url", team), ("ping.url", ping)] {
        let path = rig.folder.join(name);
        fs::write(&path, listener.address()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// Runs a command of the program in this process, on the rig's clock.
pub(crate) async fn says(rig: &Rig, args: &[&str]) -> (Exit, String) {
    let kept = Kept::default();
    let progress = Progress::lines(Box::new(kept.clone()));
    let mut shell = Shell::new(Box::new(kept.clone()), progress, rig.clock.clone());
    let path = rig.config_path();
    let config = ["--config", path.to_str().unwrap()];
    let all = ["ghl-sync"].iter().chain(args).chain(&config);
    let exit = cli::run(&Args::try_parse_from(all).unwrap(), &mut shell).await;
    (exit, kept.text())
}

const SCHEDULED: &[&str] = &["apply", "--scheduled", "followers"];

fn kinds(messages: &[Value]) -> Vec<&str> {
    let kinds = messages.iter().map(|message| message["kind"].as_str());
    kinds.map(Option::unwrap).collect()
}

#[tokio::test]
async fn a_change_is_told_once_and_its_end_too() {
    let (team, ping) = (Listener::start().await, Listener::start().await);
    let rig = told(&format!("[notify.team]\n{ALL_ON}"), &team, &ping).await;
    let (log, _guard) = listening();
    for _ in 0..3 {
        let (exit, said) = says(&rig, SCHEDULED).await;
        assert_eq!(exit, Exit::WaitsForAPerson, "{said}");
        rig.advance(minutes(15));
    }
    let messages = team.bodies();
    assert_eq!(kinds(&messages), ["held"], "{messages:?}");
    let held = &messages[0];
    assert_eq!(
        (&held["job"], &held["change"]),
        (&"followers".into(), &"new".into())
    );
    let path = rig.config_path().display().to_string();
    let plan = format!("ghl-sync plan followers --config {path}");
    assert_eq!(held["command"], plan.as_str());
    assert!(held["summary"].as_str().unwrap().ends_with(&plan), "{held}");
    let (_, standing) = says(&rig, &["notify"]).await;
    assert!(
        standing.contains("stands: job:followers held since"),
        "{standing}"
    );
    assert!(
        standing.contains("team: json, address in file:"),
        "{standing}"
    );
    // A person looks at it: nothing new is told, but that it is over.
    let (exit, said) = says(&rig, &["apply", "followers", "--allow", "first"]).await;
    assert_eq!(exit, Exit::Done, "{said}");
    let messages = team.bodies();
    assert_eq!(kinds(&messages), ["held", "recovered"], "{messages:?}");
    assert_eq!(messages[1]["condition"], "held");
    // Beginnings and ends, and only of scheduled runs.
    let address = ping.path();
    let expected: Vec<String> = (0..3)
        .flat_map(|_| [format!("{address}/start"), address.clone()])
        .collect();
    assert_eq!(ping.paths(), expected);
    assert!(
        ping.texts()[1].starts_with("exit 7: followers "),
        "{:?}",
        ping.texts()
    );
    // Nobody's name, and no address, in what was told or logged.
    let all = format!("{:?} {:?} {}", team.texts(), ping.texts(), log.text());
    for follower in rig.sandbox.followers() {
        assert!(!all.contains(&follower.login), "{}", follower.login);
    }
    assert_lacks(all.as_bytes(), &[team.path(), ping.path()], "what was told");
}

#[tokio::test]
async fn an_outage_is_told_at_the_third_failure_and_a_blip_never() {
    let (team, ping) = (Listener::start().await, Listener::start().await);
    let rig = told(&format!("[notify.team]\n{ALL_ON}"), &team, &ping).await;
    says(&rig, &["apply", "followers", "--allow", "first"]).await;
    let away = || {
        let fault = Fault::new(FaultKind::Status503).on("POST /contacts/search");
        rig.sandbox.fault(fault.times(1_000));
    };
    for failures in [2, 4] {
        away();
        for _ in 0..failures {
            rig.advance(minutes(5));
            let (exit, said) = says(&rig, SCHEDULED).await;
            assert_eq!(exit, Exit::OutOfTouch, "{said}");
        }
        rig.sandbox.clear_faults();
        rig.advance(minutes(5));
        let (exit, said) = says(&rig, SCHEDULED).await;
        assert_eq!(exit, Exit::Done, "{said}");
        if failures == 2 {
            assert!(team.bodies().is_empty(), "{:?}", team.bodies());
        }
    }
    assert_eq!(kinds(&team.bodies()), ["failure", "recovered"]);
    let fails = ping
        .paths()
        .into_iter()
        .filter(|path| path.ends_with("/fail"));
    assert_eq!(fails.count(), 6);
}

#[tokio::test]
async fn upkeep_that_fails_is_told_until_it_works_and_good_runs_do_not_end_it() {
    let (team, ping) = (Listener::start().await, Listener::start().await);
    let more = format!("[metrics]\ntextfile = \"it.prom\"\n[notify.team]\n{ALL_ON}");
    let rig = told(&more, &team, &ping).await;
    says(&rig, &["apply", "followers", "--allow", "first"]).await;
    // No copy can be put into this.
    let folder = rig.state().join("backups");
    fs::write(&folder, "a file").unwrap();
    for _ in 0..2 {
        let (exit, said) = says(&rig, &["state", "upkeep"]).await;
        assert_eq!(exit, Exit::Failed, "{said}");
        rig.advance(minutes(5));
        // What sends it need not be what saw it.
        let (exit, said) = says(&rig, SCHEDULED).await;
        assert_eq!(exit, Exit::Done, "{said}");
    }
    let messages = team.bodies();
    assert_eq!(kinds(&messages), ["failure"], "{messages:?}");
    let summary = messages[0]["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("upkeep of the state fails since "),
        "{summary}"
    );
    assert!(summary.contains("no copy could be made"), "{summary}");
    let path = rig.config_path().display().to_string();
    let again = format!("ghl-sync state upkeep --config {path}");
    assert_eq!(messages[0]["command"], again.as_str());
    assert_eq!(
        (&messages[0]["job"], &messages[0]["account"]),
        (&Value::Null, &Value::Null)
    );
    let (_, standing) = says(&rig, &["notify"]).await;
    assert!(
        standing.contains("stands: upkeep failure since"),
        "{standing}"
    );
    let figures = || fs::read_to_string(rig.folder.join("it.prom")).unwrap();
    assert!(figures().contains("ghl_sync_last_upkeep_timestamp_seconds "));
    assert!(!figures().contains("ghl_sync_last_backup_timestamp_seconds"));
    fs::remove_file(folder).unwrap();
    let (exit, said) = says(&rig, &["state", "upkeep"]).await;
    assert_eq!(exit, Exit::Done, "{said}");
    says(&rig, SCHEDULED).await;
    let messages = team.bodies();
    assert_eq!(kinds(&messages), ["failure", "recovered"], "{messages:?}");
    let figures = figures();
    assert!(figures.contains("ghl_sync_last_backup_timestamp_seconds "));
    assert!(!figures.contains("subject=\"upkeep\""), "{figures}");
}

#[tokio::test]
async fn a_login_that_is_lost_is_told_with_the_command_that_mends_it() {
    let (team, ping) = (Listener::start().await, Listener::start().await);
    let rig = logged(Way::TwitchPublic, settings(2, 1)).await;
    add(&rig, &format!("[notify.team]\n{ALL_ON}"), &team, &ping);
    says(&rig, &["apply", "followers", "--allow", "first"]).await;
    rig.sandbox.kill_refresh_tokens();
    rig.sandbox.expire_access_tokens();
    for _ in 0..3 {
        rig.advance(hours(5));
        let (exit, said) = says(&rig, SCHEDULED).await;
        assert_eq!(exit, Exit::BadConfig, "{said}");
    }
    let messages = team.bodies();
    assert_eq!(kinds(&messages), ["login"], "{messages:?}");
    let account = Way::TwitchPublic.account().to_string();
    assert_eq!(messages[0]["account"], account.as_str());
    let command = messages[0]["command"].as_str().unwrap();
    let login = format!("ghl-sync auth twitch --account {account} --config ");
    assert!(command.starts_with(&login), "{command}");
    log_in(&rig, Way::TwitchPublic).await;
    rig.advance(minutes(5));
    let (exit, said) = says(&rig, SCHEDULED).await;
    assert_eq!(exit, Exit::Done, "{said}");
    assert_eq!(kinds(&team.bodies()), ["login", "recovered"]);
}

#[tokio::test]
async fn a_message_that_was_not_taken_is_sent_later_and_never_fails_a_run() {
    let (team, ping) = (Listener::start().await, Listener::start().await);
    let rig = told(&format!("[notify.team]\n{ALL_ON}"), &team, &ping).await;
    team.answer(500);
    ping.answer(404);
    let (log, _guard) = listening();
    let (exit, said) = says(&rig, SCHEDULED).await;
    assert_eq!(exit, Exit::WaitsForAPerson, "{said}");
    assert_eq!(team.bodies().len(), 1);
    // Not tried again before its time, then it is, and after that it is through.
    says(&rig, SCHEDULED).await;
    assert_eq!(team.bodies().len(), 1);
    let (_, listed) = says(&rig, &["notify", "team"]).await;
    assert!(listed.contains("1 waiting"), "{listed}");
    rig.advance(minutes(1));
    says(&rig, SCHEDULED).await;
    assert_eq!(team.bodies().len(), 2);
    team.answer(200);
    rig.advance(minutes(2));
    says(&rig, SCHEDULED).await;
    rig.advance(minutes(30));
    says(&rig, SCHEDULED).await;
    let messages = team.bodies();
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().all(|message| *message == messages[0]));
    assert!(
        log.text().contains("team could not be told"),
        "{}",
        log.text()
    );
    assert!(
        log.text().contains("followers could not be pinged"),
        "{}",
        log.text()
    );
    assert_lacks(
        log.text().as_bytes(),
        &[team.path(), ping.path()],
        "the log",
    );
}

#[tokio::test]
async fn what_is_too_much_for_the_hour_is_one_message_when_there_is_room() {
    let (team, ping) = (Listener::start().await, Listener::start().await);
    let more = format!("[notify.team]\n{ALL_ON}at_most = 1\n");
    let rig = told(&more, &team, &ping).await;
    says(&rig, SCHEDULED).await;
    assert_eq!(kinds(&team.bodies()), ["held"]);
    rig.advance(minutes(5));
    says(&rig, &["apply", "followers", "--allow", "first"]).await;
    // Another change: a template is approved no more.
    let edited = rig.job.replace("twitch follower\"", "twitch fan\"");
    fs::write(rig.folder.join("schedules/followers.toml"), edited).unwrap();
    rig.advance(minutes(5));
    says(&rig, SCHEDULED).await;
    assert_eq!(kinds(&team.bodies()), ["held"]);
    rig.advance(hours(1));
    says(&rig, SCHEDULED).await;
    let messages = team.bodies();
    assert_eq!(kinds(&messages), ["held", "summary"], "{messages:?}");
    let summary = messages[1]["summary"].as_str().unwrap();
    assert!(
        summary.contains("is held no more") && summary.contains("is held since"),
        "{summary}"
    );
}

#[tokio::test]
async fn a_message_outlives_a_kill() {
    let (team, ping) = (Listener::start().await, Listener::start().await);
    let job = format!("schedule = \"* * * * *\"\n{JOB}");
    let rig = Rig::with_job(now(4, 3), &job).await;
    add(&rig, &format!("[notify.team]\n{ALL_ON}"), &team, &ping);
    team.hang();
    let mut run = Running::start(&rig, SCHEDULED);
    run.until(|_| !team.paths().is_empty()).await;
    run.signal("KILL");
    assert_eq!(run.end().await.code, None);
    team.answer(200);
    program(&rig, SCHEDULED).await.exits(7);
    program(&rig, SCHEDULED).await.exits(7);
    // Once in vain, once for good.
    let messages = team.bodies();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], messages[1]);
}

#[tokio::test]
async fn each_kind_of_target_gets_its_shape_and_a_test_says_what_came_of_it() {
    let (team, ping) = (Listener::start().await, Listener::start().await);
    let rig = Rig::new(now(1, 1)).await;
    let script = rig.folder.join("page-me");
    fs::write(
        &script,
        "#!/bin/sh\ncat > \"$1\"; echo \"$GHL_SYNC_KIND\" >> \"$1\"\n",
    )
    .unwrap();
    let paged = rig.folder.join("paged");
    let more = format!(
        "[notify.a-discord]\nkind = \"discord\"\nurl = \"file:team.url\"\n[notify.b-slack]\nkind = \"slack\"\nurl = \"file:team.url\"\n\
         [notify.c-program]\nkind = \"command\"\ncommand = [\"{}\", \"{}\"]\n[notify.d-nobody]\nkind = \"json\"\nurl = \"file:ping.url\"\n",
        script.display(),
        paged.display()
    );
    add(&rig, &more, &team, &ping);
    // Not to be run yet: `check` says so, and calls nobody.
    let checked = program(&rig, &["check"]).await.exits(4);
    checked.says(&["notify target c-program", "chmod +x"]);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    program(&rig, &["check"]).await.exits(0);
    assert!(team.paths().is_empty());
    ping.answer(503);
    let tested = program(&rig, &["notify", "--test"]).await.exits(6);
    let tested = tested.says(&[
        "a-discord: the test was taken",
        "b-slack: the test was taken",
        "c-program: the test was taken",
        "d-nobody: not told: it was refused with 503",
    ]);
    assert_lacks(
        tested.to_string().as_bytes(),
        &[team.path(), ping.path()],
        "notify --test",
    );
    let bodies = team.bodies();
    let of = |key: &str| bodies.iter().find(|body| body.get(key).is_some()).unwrap();
    assert_eq!(
        of("content")["allowed_mentions"]["parse"],
        serde_json::json!([])
    );
    assert!(
        of("text")["text"]
            .as_str()
            .unwrap()
            .contains("this is a test")
    );
    let paged = fs::read_to_string(paged).unwrap();
    assert!(
        paged.contains("\"schema\":1") && paged.ends_with("test\n"),
        "{paged}"
    );
    let one = program(&rig, &["notify", "b-slack", "--test", "--format", "json"]).await;
    one.exits(0)
        .says(&["\"target\":\"b-slack\"", "\"sent\":true"]);
    program(&rig, &["notify", "nobody"])
        .await
        .exits(4)
        .complains(&["the targets are: a-discord, b-slack"]);
}

/// Asserts that no file of a folder holds one of the texts, but for those of these names.
fn assert_no_file_holds(folder: &Path, texts: &[String], but: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            assert_no_file_holds(&path, texts, but);
        } else if !but.contains(&name.as_str()) {
            assert_lacks(&fs::read(&path).unwrap(), texts, &name);
        }
    }
}

#[tokio::test]
async fn the_address_of_a_target_is_in_no_file_and_no_line_and_the_figures_are_there() {
    let (team, ping) = (Listener::start().await, Listener::start().await);
    let job = format!("schedule = \"* * * * *\"\nping = \"file:ping.url\"\n{JOB}");
    let rig = Rig::with_job(now(4, 3), &job).await;
    let more = format!("[metrics]\ntextfile = \"ghl-sync.prom\"\n[notify.team]\n{ALL_ON}");
    add(&rig, &more, &team, &ping);
    for (number, status) in [200, 404, 429].into_iter().enumerate() {
        team.answer(status);
        ping.answer(status);
        let form = ["text", "json", "text"][number];
        let loud = ["-vv", "--log-format", form];
        for args in [SCHEDULED, &["notify", "--test"], &["check", "--online"]] {
            program(&rig, &[args, &loud].concat()).await;
        }
    }
    // Also when nobody listens.
    let gone = [team.path(), ping.path()];
    drop((team, ping));
    program(&rig, &[SCHEDULED, &["-vv"]].concat()).await;
    program(&rig, &["notify", "--test", "-vv"]).await.exits(6);
    // The files of what these processes said are among them.
    assert_no_file_holds(&rig.folder, &gone, &["team.url", "ping.url"]);
    let path = rig.folder.join("ghl-sync.prom");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let figures = fs::read_to_string(path).unwrap();
    for part in [
        "ghl_sync_last_run_exit_code{job=\"followers\",mode=\"apply\"} 7\n",
        "ghl_sync_records{job=\"followers\"} ",
        "ghl_sync_held_steps{job=\"followers\"} ",
        "ghl_sync_condition_since_timestamp_seconds{subject=\"job:followers\",kind=\"held\"} ",
        "ghl_sync_budget_used{bucket=\"highlevel:",
    ] {
        assert!(figures.contains(part), "{part} is not in\n{figures}");
    }
    for follower in rig.sandbox.followers() {
        assert!(!figures.contains(&follower.login), "{}", follower.login);
    }
}

#[tokio::test]
async fn the_journal_gets_priorities_and_nobody_else_does() {
    let rig = Rig::new(now(4, 3)).await;
    let err = rig.folder.join("journal");
    let mut all = Vec::new();
    for (args, is_journal) in [
        (&["apply", "followers"][..], true),
        (&["apply", "followers"], false),
        (&["apply", "nobody"], true),
    ] {
        let file = fs::File::create(&err).unwrap();
        let about = file.metadata().unwrap();
        let other = u64::from(!is_journal);
        let mut run: Command = command(&rig, args);
        run.env(
            "JOURNAL_STREAM",
            format!("{}:{}", about.dev(), about.ino() + other),
        )
        .stderr(file)
        .stdout(std::process::Stdio::null());
        let status = tokio::task::spawn_blocking(move || run.status()).await;
        let status = status.unwrap().unwrap();
        assert_eq!(status.code(), Some(if args[1] == "nobody" { 4 } else { 7 }));
        all.push(fs::read_to_string(&err).unwrap());
    }
    let has_priority = |line: &str| {
        ["<3>", "<4>", "<6>"]
            .iter()
            .any(|priority| line.starts_with(priority))
    };
    assert!(
        !all[0].is_empty() && all[0].lines().all(has_priority),
        "{}",
        all[0]
    );
    assert!(
        !all[0].contains("INFO") && !all[0].contains("T0"),
        "{}",
        all[0]
    );
    // An ordinary run of a few followers says little, and nothing for each of them.
    assert!(all[0].lines().count() < 12, "{}", all[0]);
    assert!(!all[1].lines().any(has_priority), "{}", all[1]);
    assert!(
        all[2].starts_with("<3>error: there is no job `nobody`"),
        "{}",
        all[2]
    );
}

#[tokio::test]
async fn a_run_that_finds_the_job_taken_pings_nobody() {
    let (team, ping) = (Listener::start().await, Listener::start().await);
    let rig = told("", &team, &ping).await;
    says(&rig, &["apply", "followers", "--allow", "first"]).await;
    let job = JobName::try_from("followers").unwrap();
    // One that hangs: while it does, the check must not stay green.
    let hangs = Lease::of_job(&rig.state(), &job, "a run that hangs", None).await;
    let (exit, said) = says(&rig, SCHEDULED).await;
    assert_eq!(exit, Exit::Busy, "{said}");
    assert!(ping.paths().is_empty(), "{:?}", ping.paths());
    drop(hangs.unwrap());
    let (exit, said) = says(&rig, SCHEDULED).await;
    assert_eq!(exit, Exit::Done, "{said}");
    let paths = ping.paths();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(paths[0].ends_with("/start"), "{paths:?}");
}
