//! Several channels in one job.

use ghl_sync::sandbox::{BROADCASTER_ID, BROADCASTER_LOGIN, ChannelSettings, Crew};

use super::{JOB, STREAMS, contact_of, poll_after, twitch_calls};
use crate::rig::{Rig, hours, minutes, settings};
use crate::scenes::has;

const SECOND: &str = "777";

fn job(channels: &[&str]) -> String {
    let list = format!("account = \"channel\"\nchannels = {channels:?}\n");
    JOB.replacen("account = \"channel\"\n", &list, 1)
}

async fn two() -> Rig {
    let mut world = settings(3, 5);
    world.channels.push(ChannelSettings {
        id: SECOND.to_owned(),
        login: "second".to_owned(),
        name: "Second".to_owned(),
        followers: 2,
        crew: Crew::default(),
    });
    let mut rig = Rig::with_job(world, &job(&[BROADCASTER_LOGIN, "second"])).await;
    rig.apply_all().await;
    rig
}

fn live(rig: &Rig, id: &str) -> bool {
    has(&contact_of(rig, id), "live now")
}

#[tokio::test]
async fn two_channels_are_one_call_and_two_lives() {
    let mut rig = two().await;
    let asked: Vec<String> = rig
        .sandbox
        .calls()
        .into_iter()
        .filter(|call| call.route == "GET /users")
        .map(|call| call.path)
        .collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    rig.sandbox.channel(SECOND).go_live("Second's", "Chess");
    poll_after(&mut rig, 2).await;
    assert!(live(&rig, SECOND));
    rig.sandbox.channel(BROADCASTER_ID).go_live("Main's", "Go");
    poll_after(&mut rig, 2).await;
    assert!(live(&rig, SECOND) && live(&rig, BROADCASTER_ID));
    assert_eq!(
        contact_of(&rig, SECOND)["fields"]["stream_title"],
        "Second's"
    );
    poll_after(&mut rig, 2).await;
    assert_eq!(twitch_calls(&rig), [STREAMS]);
    rig.sandbox.follow("900", "ada", "Ada");
    rig.sandbox.channel(SECOND).follow("900");
    rig.sandbox.channel(SECOND).end_stream();
    poll_after(&mut rig, 2).await;
    poll_after(&mut rig, 2).await;
    assert!(!live(&rig, SECOND) && live(&rig, BROADCASTER_ID));
    // The login may not see who follows the other channel: two totals tell how many more there are.
    let fields = &contact_of(&rig, SECOND)["fields"];
    assert_eq!(fields["stream_new_followers"], "1");
    assert_eq!(fields["channel_followers"], "3");
}

#[tokio::test]
async fn a_channel_that_the_job_no_longer_names_leaves() {
    let mut rig = two().await;
    rig.sandbox.channel(SECOND).go_live("Second's", "Chess");
    poll_after(&mut rig, 2).await;
    rig.job = job(&[BROADCASTER_LOGIN]);
    rig.write_config();
    rig.advance(minutes(2));
    let told = rig.apply().await;
    assert!(told.report.is_held_as_new());
    assert!(live(&rig, SECOND));
    rig.advance(minutes(2));
    rig.apply_all().await;
    assert!(!live(&rig, SECOND));
    poll_after(&mut rig, 16).await;
    assert_eq!(rig.sandbox.writes().len(), 0);
}

#[tokio::test]
async fn a_login_that_nobody_has_any_more_is_watched_on_under_its_id() {
    let mut rig = two().await;
    rig.sandbox.rename(SECOND, "renamed", "Renamed");
    rig.sandbox.channel(SECOND).go_live("Second's", "Chess");
    rig.advance(hours(25));
    let told = rig.apply().await;
    assert!(live(&rig, SECOND));
    let says = |remark: &String| remark.contains("knows no channel `second` any more");
    assert!(
        told.report.remarks.iter().any(says),
        "{:?}",
        told.report.remarks
    );
    rig.advance(minutes(2));
    let told = rig.apply().await;
    assert!(
        !told.report.remarks.iter().any(says),
        "once a day is enough"
    );
}

#[tokio::test]
async fn a_login_that_somebody_else_has_now_holds_the_job_until_a_person_looked() {
    let mut rig = two().await;
    rig.sandbox.recycle_login("888", "second", "Stranger");
    rig.sandbox.channel("888").go_live("Strange", "Chess");
    rig.advance(hours(25));
    let told = rig.apply().await;
    assert!(told.report.is_held_as_new());
    assert_eq!(rig.sandbox.writes().len(), 0);
    rig.advance(minutes(2));
    rig.apply_all().await;
    assert!(live(&rig, "888"));
}

#[tokio::test]
async fn a_login_that_nobody_ever_had_is_named() {
    let mut rig = Rig::with_job(settings(1, 1), &job(&["no_such_one", BROADCASTER_LOGIN])).await;
    let error = rig.run(crate::rig::ask_all()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there is no Twitch channel `no_such_one`"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_written_of_a_channel_calls_it_by_its_own_login() {
    let mut rig = two().await;
    rig.job = rig.job.replacen(
        "[on.join]\n",
        "[on.join]\nnote = \"{{ channel }} is live\"\n",
        1,
    );
    rig.write_config();
    rig.apply_all().await;
    rig.sandbox.channel(SECOND).go_live("Second's", "Chess");
    poll_after(&mut rig, 2).await;
    let contact = contact_of(&rig, SECOND);
    let notes = rig.sandbox.notes(contact["id"].as_str().unwrap());
    assert_eq!(notes[0]["body"], "second is live");
}
