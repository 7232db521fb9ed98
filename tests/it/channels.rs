//! A job file that lists several channels: one job for each, named by the file or by the part.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ghl_sync::sandbox::{ChannelSettings, Crew, Settings, TWITCH_CLIENT_ID, channel_token};

use crate::program::{now, program};
use crate::rig::{JOB, Rig};

/// Returns a world of two channels, of which the second has the first two followers of the first, and the rig's job over the first.
async fn two_channels() -> Rig {
    let second = ChannelSettings {
        id: "5151".to_owned(),
        login: "second_channel".to_owned(),
        name: "Second Channel".to_owned(),
        followers: 2,
        crew: Crew::default(),
    };
    let settings = Settings {
        channels: vec![second],
        ..now(3, 0)
    };
    let rig = Rig::new(settings).await;
    let token = rig.folder.join("second.token");
    fs::write(&token, channel_token("5151")).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let main = fs::read_to_string(rig.config_path()).unwrap();
    let more = format!(
        "[accounts.second]\nservice = \"twitch\"\nclient_id = \"{TWITCH_CLIENT_ID}\"\ntoken = \"file:second.token\"\nbase_url = \"{}\"\nauth_url = \"{}/oauth2\"\n",
        rig.sandbox.helix_url(),
        rig.sandbox.id_url(),
    );
    fs::write(rig.config_path(), main + &more).unwrap();
    rig
}

/// Lets the rig's job list both channels.
fn list_both(rig: &Rig) {
    let job = JOB.replace(
        "account = \"channel\"",
        "accounts = [\"channel\", \"second\"]",
    );
    fs::write(rig.folder.join("schedules/followers.toml"), job).unwrap();
}

#[tokio::test]
async fn the_name_of_the_file_stands_for_all_of_its_channels() {
    let rig = two_channels().await;
    list_both(&rig);
    program(&rig, &["plan", "followers"]).await.exits(0).says(&[
        "followers.channel would create 3 contacts",
        "followers.second would create 2 contacts",
    ]);
    let one = program(&rig, &["plan", "followers.second"]).await.exits(0);
    assert!(!one.out.contains("followers.channel"), "{one}");
    program(&rig, &["plan", "folowers"]).await.exits(4).complains(&[
        "there is no job `folowers`; the jobs are: followers (followers.channel, followers.second)",
        "did you mean `followers`?",
    ]);
    program(&rig, &["apply", "followers", "--approve", "0123456789ab"])
        .await
        .exits(4)
        .complains(&["several jobs are meant: followers.channel, followers.second"]);
    program(&rig, &["resync", "followers", "--allow", "first"])
        .await
        .exits(0);
    // Who follows both is one contact.
    assert_eq!(rig.sandbox.contact_count(), 3);
    let writes = rig.sandbox.writes().len();
    program(&rig, &["apply"]).await.exits(0);
    assert_eq!(rig.sandbox.writes().len(), writes);
    program(&rig, &["status"])
        .await
        .exits(0)
        .says(&["followers.channel\n", "followers.second\n"]);
    let all = program(&rig, &["history", "followers"]).await.exits(0);
    let of_one = program(&rig, &["history", "followers.second"])
        .await
        .exits(0);
    let runs = |text: &str, job: &str| text.matches(&format!(" {job} ")).count();
    assert_eq!(
        runs(&all.out, "followers.second"),
        runs(&of_one.out, "followers.second"),
        "{all}"
    );
    assert!(runs(&all.out, "followers.channel") > 0, "{all}");
    assert_eq!(runs(&of_one.out, "followers.channel"), 0, "{of_one}");
    program(&rig, &["show", "followers"]).await.exits(0);
}

#[tokio::test]
async fn what_a_person_settles_reaches_the_part_that_knows_the_record() {
    let rig = two_channels().await;
    list_both(&rig);
    program(&rig, &["apply", "--allow", "first"]).await.exits(0);
    program(&rig, &["retry", "followers", "--all"])
        .await
        .exits(4)
        .complains(&[
            "followers.channel has no refused and no unreadable records",
            "followers.second has no refused and no unreadable records",
        ]);
    // The pair is the person's: forgotten once, it is forgotten for both.
    let key = rig.sandbox.followers()[0].id.clone();
    program(&rig, &["unlink", "followers", &key]).await.exits(0);
    program(&rig, &["unlink", "followers", &key]).await.exits(4);
    let known = program(&rig, &["explain", &key, "--job", "followers"]).await;
    known.exits(0);
}

#[tokio::test]
async fn a_job_that_lists_a_second_channel_keeps_what_it_knew_of_the_first() {
    let rig = two_channels().await;
    program(&rig, &["apply", "--allow", "first"]).await.exits(0);
    let writes = rig.sandbox.writes().len();
    list_both(&rig);
    // Nobody is asked about the channel that was looked at; the new one waits.
    let planned = program(&rig, &["plan"]).await.exits(0);
    assert!(
        planned.out.contains("followers.channel has nothing to do"),
        "{planned}"
    );
    program(&rig, &["apply"])
        .await
        .exits(7)
        .says(&["apply followers.second --approve"]);
    assert_eq!(rig.sandbox.writes().len(), writes);
    let history = program(&rig, &["history", "followers.channel"])
        .await
        .exits(0);
    assert!(history.out.contains("create 3"), "{history}");
}
