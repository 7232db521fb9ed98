//! `show`, `history` and `explain`: what is told of the past is what was told then.

use ghl_sync::sandbox::{Fault, FaultKind};
use serde_json::Value;

use crate::program::{now, program};
use crate::rig::{JOB, Rig};

const FIRST: &[&str] = &["apply", "--allow", "first"];

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "one object is one line: {text}");
    serde_json::from_str(text).unwrap()
}

/// What a report says of the run that it is of: its number differs between two runs that say the same.
async fn run_and_show(rig: &Rig, args: &[&str], formats: &[&str]) {
    for format in formats {
        let told = program(rig, &[args, &["--format", format]].concat()).await;
        let shown = program(rig, &["show", "last", "--format", format])
            .await
            .exits(0);
        assert_eq!(shown.out, told.out, "{args:?} {format}: {shown}");
    }
}

#[tokio::test]
async fn a_past_report_is_shown_again_to_the_letter() {
    let formats = ["text", "json", "markdown"];
    let mut world = now(230, 12);
    world.twins = 5;
    let rig = Rig::new(world).await;
    // More rows than a report on a terminal shows.
    run_and_show(&rig, &["plan"], &formats).await;
    run_and_show(&rig, &["apply"], &["text"]).await;
    run_and_show(&rig, FIRST, &["json"]).await;
    // Refused rows, lost answers and conflicts are told once; what they looked like then stays.
    for follower in rig.sandbox.followers().into_iter().take(6) {
        let login = format!("renamed_{}", follower.id);
        rig.sandbox.rename(&follower.id, &login, &follower.name);
    }
    rig.sandbox.fault(
        Fault::new(FaultKind::ResetAfter)
            .on("PUT /contacts/{id}")
            .times(2),
    );
    run_and_show(&rig, &["apply", "--full"], &["json"]).await;
    run_and_show(&rig, &["resync", "followers"], &["text"]).await;
    let out = rig.folder.join("again.txt");
    let out = out.to_str().unwrap();
    program(&rig, &["show", "followers", "--out", out])
        .await
        .exits(0)
        .says(&["followers "]);
    assert!(std::fs::read_to_string(out).unwrap().contains("Read\n"));
}

#[tokio::test]
async fn what_was_settled_since_does_not_change_a_past_report() {
    let mut rig = Rig::new(now(8, 2)).await;
    let lost = Fault::new(FaultKind::ResetAfter).on("POST /contacts/");
    rig.sandbox.fault(lost.times(3));
    let told = program(&rig, &[FIRST, &["--format", "json"]].concat()).await;
    rig.sandbox.clear_faults();
    let run = json(&told.out)["run"].to_string();
    assert!(
        json(&told.out)["counts"]["create"]["unknown"].as_u64() > Some(0),
        "{told}"
    );
    let shown = program(&rig, &["show", &run, "--format", "json"])
        .await
        .exits(0);
    assert_eq!(shown.out, told.out);
    // The recovery finds them in runs of this process, with the rig's own clock.
    for _ in 0..3 {
        rig.advance(crate::rig::minutes(16));
        rig.apply().await;
    }
    assert_eq!(crate::scenes::unsettled(&mut rig), 0);
    let shown = program(&rig, &["show", &run, "--format", "json"])
        .await
        .exits(0)
        .complains(&["were settled since"]);
    assert_eq!(shown.out, told.out);
}

#[tokio::test]
async fn a_run_whose_steps_were_swept_says_so() {
    let mut rig = Rig::new(now(5, 2)).await;
    program(&rig, &["plan"]).await.exits(0);
    let store = rig.store();
    store
        .write(|db| {
            db.execute("DELETE FROM step WHERE seq > 3", [])?;
            Ok(())
        })
        .await
        .unwrap();
    program(&rig, &["show", "1"]).await.exits(0).says(&[
        "followers would create 5 contacts",
        "… and 2 rows that the journal no longer has",
        "the journal no longer has 2 of the 5 rows",
    ]);
    store
        .write(|db| {
            db.execute_batch("DELETE FROM step; DELETE FROM plan")?;
            Ok(())
        })
        .await
        .unwrap();
    program(&rig, &["show", "1"])
        .await
        .exits(0)
        .says(&["no longer has 5 of the 5 rows"]);
}

#[tokio::test]
async fn a_run_without_a_report_says_what_became_of_it() {
    let mut rig = Rig::new(now(5, 2)).await;
    program(&rig, &["show", "last"])
        .await
        .exits(4)
        .complains(&["nothing ever ran", "ghl-sync plan"]);
    rig.sandbox
        .fault(Fault::new(FaultKind::ExpiredToken).times(50));
    let failed = program(&rig, FIRST).await;
    assert_ne!(failed.code, Some(0), "{failed}");
    rig.sandbox.clear_faults();
    program(&rig, &["show", "1"]).await.exits(0).says(&[
        "run 1 of followers",
        "without a report",
        "it said: ",
    ]);
    let shown = program(&rig, &["show", "1", "--format", "json"])
        .await
        .exits(0);
    let shown = json(&shown.out);
    assert_eq!(
        (&shown["is"], &shown["report"]),
        (&"failed".into(), &Value::Null)
    );
    assert!(shown["why"].is_string(), "{shown}");
    // As a kill leaves it: begun, not ended, and nobody holds its lock.
    rig.store()
        .write(|db| {
            db.execute(
                "UPDATE run SET ended_ms = NULL, exit = NULL, why = NULL",
                [],
            )?;
            Ok(())
        })
        .await
        .unwrap();
    program(&rig, &["show", "1"]).await.exits(0).says(&[
        "did not end: it was killed",
        "ghl-sync apply followers --config",
    ]);
    for (args, says) in [
        (&["show", "9"][..], "there is no run 9; the newest is 1"),
        (&["show", "nobody"], "there is no run of a job `nobody`"),
        (&["show", "No Such"], "is not a job name"),
    ] {
        program(&rig, args).await.exits(4).complains(&[says]);
    }
}

#[tokio::test]
async fn the_history_lists_runs_newest_first_in_all_forms() {
    let rig = Rig::new(now(6, 2)).await;
    program(&rig, &["plan"]).await.exits(0);
    program(&rig, FIRST).await.exits(0);
    rig.sandbox
        .fault(Fault::new(FaultKind::ExpiredToken).times(50));
    let failed = program(&rig, &["resync", "followers"]).await;
    assert_ne!(failed.code, Some(0), "{failed}");
    let all = program(&rig, &["history", "--format", "json"])
        .await
        .exits(0);
    let all = json(&all.out);
    let runs = all["runs"].as_array().unwrap();
    let of = |key: &str| -> Vec<Value> { runs.iter().map(|run| run[key].clone()).collect() };
    assert_eq!(of("run"), [3, 2, 1]);
    assert_eq!(of("command"), ["resync", "apply", "plan"]);
    assert_eq!(runs[1]["counts"]["create"]["done"], 6);
    assert_eq!(runs[1]["result"], "done");
    assert!(runs[1]["calls"].as_u64() >= Some(6), "{all}");
    let text = program(&rig, &["history"]).await.exits(0);
    let lines: Vec<&str> = text.out.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("3 followers resync"), "{text}");
    assert!(
        lines[1].contains("create 6") && lines[1].contains(": done"),
        "{text}"
    );
    // Each line says what its object says.
    for (line, run) in lines.iter().zip(runs) {
        assert!(
            line.contains(run["result"].as_str().unwrap()),
            "{line}: {run}"
        );
    }
    let markdown = program(&rig, &["history", "--format", "markdown"])
        .await
        .exits(0);
    assert_eq!(markdown.out.lines().count(), 2 + 3, "{markdown}");
    let failed = program(&rig, &["history", "--failed"]).await.exits(0);
    assert_eq!(failed.out.lines().count(), 1, "{failed}");
    let one = program(
        &rig,
        &["history", "followers", "--limit", "1", "--since", "1d"],
    )
    .await;
    assert!(
        one.out.starts_with("3 ") && one.out.lines().count() == 1,
        "{one}"
    );
    program(&rig, &["history", "--since", "2100-01-01"])
        .await
        .exits(0)
        .says(&["no such run"]);
}

/// Leaves out how long ago something was: that grows while a test runs.
fn without_ages(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" UTC (") {
        kept.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    kept + rest
}

#[tokio::test]
async fn a_person_is_explained_from_key_login_name_and_contact() {
    let mut world = now(6, 8);
    world.twins = 2;
    let rig = Rig::new(world).await;
    let follower = rig.sandbox.followers().remove(0);
    program(&rig, &["explain", &follower.id])
        .await
        .exits(4)
        .complains(&["nothing ever ran"]);
    program(&rig, &["plan"]).await.exits(0);
    // Held by guard first: nothing is linked yet, and all of it is wanted.
    program(&rig, &["explain", &follower.id])
        .await
        .exits(0)
        .says(&[
            &follower.id,
            "roster: in",
            "link: none",
            "now: `ghl-sync plan followers` would show",
        ]);
    program(&rig, FIRST).await.exits(0);
    let contact = rig
        .sandbox
        .contacts_by_field("twitch_user_id", &follower.id)
        .remove(0);
    let id = contact["id"].as_str().unwrap().to_owned();
    let by_key = program(&rig, &["explain", &follower.id]).await.exits(0);
    for who in [&follower.login, &follower.login.to_uppercase(), &id] {
        let again = program(&rig, &["explain", who]).await.exits(0);
        assert_eq!(without_ages(&again.out), without_ages(&by_key.out), "{who}");
    }
    let by_key = by_key.says(&[
        &format!("link: contact {id}, since run 2"),
        "match: the link decides",
        "twitch_username: `",
        "holds what is wanted",
        "set at creation alone",
        "tag twitch follower: wanted, and there",
        "now: nothing to do",
        "steps of all runs, oldest first",
    ]);
    let told = program(&rig, &["explain", &follower.id, "--format", "json"])
        .await
        .exits(0);
    let told = json(&told.out);
    let person = &told["people"][0];
    assert_eq!(person["link"]["contact"], id);
    assert_eq!(person["wants"]["waits"], Value::Null);
    for field in person["wants"]["fields"].as_array().unwrap() {
        let (name, says) = (
            field["field"].as_str().unwrap(),
            field["says"].as_str().unwrap(),
        );
        let line = by_key
            .out
            .lines()
            .find(|line| line.trim().starts_with(name));
        assert!(
            by_key
                .out
                .lines()
                .any(|line| line.contains(name) && line.contains(says)),
            "{line:?} {says}"
        );
    }
    for step in person["steps"].as_array().unwrap() {
        let line = format!("run {}, ", step["run"]);
        assert!(by_key.out.contains(&line), "{line}");
    }
    program(&rig, &["explain", "nobody_of_this_name"])
        .await
        .exits(4)
        .complains(&["does not know `nobody_of_this_name`"]);
    program(&rig, &["explain", &follower.id, "--job", "other"])
        .await
        .exits(4)
        .complains(&["there is no job `other`"]);
}

#[tokio::test]
async fn a_persons_edit_and_a_conflict_are_explained_with_the_command_that_settles_it() {
    let job = JOB.replace(
        "[on.join]",
        "email = { value = \"{{ user_login }}@example.com\", own = \"fill\" }\n[on.join]",
    );
    let mut rig = Rig::with_job(now(3, 1), &job).await;
    program(&rig, FIRST).await.exits(0);
    let follower = rig.sandbox.followers().remove(0);
    let contact = rig
        .sandbox
        .contacts_by_field("twitch_user_id", &follower.id)
        .remove(0);
    let id = contact["id"].as_str().unwrap().to_owned();
    let email = format!("{}@example.com", follower.login);
    // Found by address too, and hidden unless asked for.
    let told = program(&rig, &["explain", &email]).await.exits(0);
    assert!(!told.out.contains(&email), "{told}");
    program(&rig, &["explain", &email, "--show-personal"])
        .await
        .exits(0)
        .says(&[&email, &id]);
    // One is edited; of another the record wants something else besides.
    let other = rig.sandbox.followers().remove(1);
    let others = rig
        .sandbox
        .contacts_by_field("twitch_user_id", &other.id)
        .remove(0);
    let others = others["id"].as_str().unwrap().to_owned();
    rig.sandbox.edit_contact(&id, "twitch_username", "by hand");
    rig.sandbox
        .edit_contact(&others, "twitch_username", "by hand");
    rig.sandbox.rename(&other.id, "renamed", &other.name);
    rig.advance(crate::rig::minutes(16));
    rig.apply().await;
    program(&rig, &["explain", &follower.id])
        .await
        .exits(0)
        .says(&["`by hand`", "a person's edit stands", "now: nothing to do"]);
    program(&rig, &["explain", "renamed"])
        .await
        .exits(0)
        .says(&[
            "in conflict: it holds what neither we nor the mapping put there",
            "open: conflict: twitch_username holds `by hand`, we want `renamed`",
            &format!(
                "    ghl-sync keep followers {} twitch_username --config ",
                other.id
            ),
        ]);
    program(&rig, &["status"])
        .await
        .exits(0)
        .says(&["waits for conflict of"]);
}

#[tokio::test]
async fn hints_of_what_looks_back_reach_the_same_files() {
    let rig = Rig::new(now(2, 1)).await;
    for args in [&["history"][..], &["show", "last"], &["explain", "zoe"]] {
        program(&rig, args)
            .await
            .exits(4)
            .complains(&["start with `ghl-sync plan --config "]);
    }
    program(&rig, &["plan"]).await.exits(0);
    program(&rig, &["show", "99"])
        .await
        .exits(4)
        .complains(&["`ghl-sync history --config "]);
}
