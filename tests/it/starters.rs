//! The starter jobs, as they are shipped, against the sandbox: all of a streamer's jobs side by side.

use std::fs;
use std::path::Path;

use ghl_sync::sandbox::{Crew, Settings};

use crate::program::{now, program};
use crate::rig::Rig;

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
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules");
    for name in PEOPLE.into_iter().chain(["twitch-streams"]) {
        let file = format!("{name}.toml");
        let text = fs::read_to_string(shipped.join(&file)).unwrap();
        let text = text.replace("account = \"my-channel\"", "account = \"channel\"");
        fs::write(rig.folder.join("schedules").join(file), text).unwrap();
    }
    rig
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
