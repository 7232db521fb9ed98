//! The starter jobs, as they are shipped, against the sandbox: all of a streamer's jobs side by side.

use std::fs;
use std::path::Path;

use ghl_sync::model::StepKind;
use ghl_sync::sandbox::{BROADCASTER_ID, Crew, Settings};

use crate::program::{now, program};
use crate::rig::{Rig, hours};
use crate::sources::crowd;
use crate::streams::{channel, contact_of, poll_after, watched};

/// The jobs over people, as they are shipped.
const PEOPLE: [&str; 5] = [
    "twitch-bits",
    "twitch-followers",
    "twitch-moderators",
    "twitch-subscribers",
    "twitch-vips",
];

/// Returns a channel with a crew of each kind, and all starter jobs in the place of the rig's own.
async fn streamer() -> Rig {
    let crew = Crew {
        subscribers: 4,
        vips: 3,
        moderators: 2,
        cheerers: 2,
    };
    let rig = Rig::new(Settings { crew, ..now(6, 1) }).await;
    fs::remove_file(rig.folder.join("schedules/followers.toml")).unwrap();
    for name in PEOPLE.into_iter().chain(["twitch-streams"]) {
        let file = format!("schedules/{name}.toml");
        fs::write(rig.folder.join(file), shipped(name)).unwrap();
    }
    rig
}

/// Returns a starter job for the account of the rig.
fn shipped(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules");
    let text = fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
    text.replace("account = \"my-channel\"", "account = \"channel\"")
}

#[tokio::test]
async fn every_starter_job_plans_and_all_of_them_make_one_contact_of_one_person() {
    let rig = streamer().await;
    program(&rig, &["check", "--online"])
        .await
        .exits(0)
        .says(&["who alone may list its cheerers, moderators, subscribers, VIPs"]);
    for name in PEOPLE {
        program(&rig, &["plan", name])
            .await
            .exits(0)
            .says(&[&format!("{name} would create ")]);
    }
    assert_eq!(rig.sandbox.writes().len(), 0);
    for name in PEOPLE {
        program(&rig, &["apply", name, "--allow", "first"])
            .await
            .exits(0);
    }
    // Nobody twice: everybody in the world follows, and the crew are the first of them.
    assert_eq!(rig.sandbox.contact_count(), 1 + 6);
    let key = rig.sandbox.followers().last().unwrap().id.clone();
    let contacts = rig.sandbox.contacts_by_field("twitch_user_id", &key);
    assert_eq!(contacts.len(), 1, "{contacts:?}");
    // The first listing writes no notes and tasks.
    for contact in rig.sandbox.contacts() {
        let id = contact["id"].as_str().unwrap();
        assert_eq!(rig.sandbox.notes(id).len() + rig.sandbox.tasks(id).len(), 0);
    }
    let writes = rig.sandbox.writes().len();
    for name in PEOPLE {
        program(&rig, &["apply", name]).await.exits(0);
    }
    assert_eq!(rig.sandbox.writes().len(), writes);
}

#[tokio::test]
async fn the_job_over_streams_opens_a_task_and_sums_the_stream_up() {
    let mut rig = watched(&shipped("twitch-streams")).await;
    channel(&rig).go_live("Chess night", "Chess");
    channel(&rig).viewers(20);
    poll_after(&mut rig, 2).await;
    let contact = contact_of(&rig, BROADCASTER_ID);
    let id = contact["id"].as_str().unwrap();
    let tasks = rig.sandbox.tasks(id);
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(tasks[0]["title"], "Live: Chess night");
    assert_eq!(tasks[0]["completed"], false);
    let body = tasks[0]["body"].as_str().unwrap();
    assert!(
        body.contains("Game: Chess") && body.contains("twitch.tv/sandbox_channel"),
        "{body}"
    );
    channel(&rig).end_stream();
    for minutes in [2, 2, 12, 2] {
        poll_after(&mut rig, minutes).await;
    }
    let tasks = rig.sandbox.tasks(id);
    assert_eq!(
        (tasks.len(), &tasks[0]["completed"]),
        (1, &true.into()),
        "{tasks:?}"
    );
    let notes = rig.sandbox.notes(id);
    assert_eq!(notes.len(), 1, "{notes:?}");
    let body = notes[0]["body"].as_str().unwrap();
    assert!(
        body.starts_with("Streamed Chess night (Chess)\nFrom "),
        "{body}"
    );
    assert!(
        body.contains("Viewers: 20 on average, 20 at most"),
        "{body}"
    );
    let tags = contact_of(&rig, BROADCASTER_ID)["tags"].to_string();
    assert!(
        tags.contains("twitch streamed chess") && !tags.contains("twitch live"),
        "{tags}"
    );
    assert_eq!(rig.sandbox.writes().len(), 0, "the last poll was silent");
}

#[tokio::test]
async fn the_months_of_all_who_subscribed_before_the_first_run_change_without_a_person() {
    let mut rig = Rig::with_job(crowd(60, 0, 0), &shipped("twitch-subscribers")).await;
    rig.apply_all().await;
    for month in 1..=3 {
        rig.advance(hours(24 * 31));
        let told = rig.apply().await;
        let held: Vec<_> = told
            .report
            .guards
            .iter()
            .filter(|guard| guard.held)
            .collect();
        assert!(held.is_empty(), "{held:?}");
        let notes = if month == 3 { 60 } else { 0 };
        assert_eq!(
            (told.done(StepKind::Update), told.done(StepKind::Note)),
            (60, notes),
            "month {month}"
        );
    }
}
