//! Streams: a channel is in while it is live, and its contact knows what the broadcast came to.

mod cohorts;
mod events;
mod kills;
mod several;

use ghl_sync::run::RunError;
use ghl_sync::sandbox::{BROADCASTER_ID, ChannelHandle, Fault, FaultKind};
use serde_json::Value;

use crate::rig::{Rig, Told, ask_all, hours, minutes, settings};
use crate::scenes::{has, number};

pub(crate) const STREAMS: &str = "GET /streams";
const FOLLOWERS: &str = "GET /channels/followers";

/// A job over the streams of the account's own channel.
pub(crate) const JOB: &str = r#"
name = "streams"
timezone = "UTC"
create_fields = true
[from]
source = "twitch.streams"
account = "channel"
[to]
destination = "highlevel.contacts"
account = "main"
[match]
by = ["link", "field:twitch_channel_id"]
missing = "create"
[fields]
lastName = { value = "{{ channel_name or channel_login or 'twitch ' ~ channel_id }}", own = "fill" }
twitch_channel_id = "{{ channel_id }}"
stream_title = "{{ title }}"
stream_game = "{{ game }}"
stream_started = "{{ started_at }}"
stream_ended = "{{ ended_at }}"
stream_minutes = "{{ minutes }}"
stream_peak = "{{ viewers_peak }}"
stream_average = "{{ viewers_average }}"
stream_new_followers = "{{ new_followers }}"
channel_followers = "{{ followers }}"
[on.join]
add_tags = ["live now"]
[on.leave]
remove_tags = ["live now"]
"#;

/// A job that was let through while nobody was live.
pub(crate) async fn watched(job: &str) -> Rig {
    let mut rig = Rig::with_job(settings(3, 5), job).await;
    rig.apply_all().await;
    rig.advance(minutes(2));
    rig.sandbox.clear_calls();
    rig
}

pub(crate) fn channel(rig: &Rig) -> ChannelHandle<'_> {
    rig.sandbox.channel(BROADCASTER_ID)
}

/// Returns the only contact of a channel.
pub(crate) fn contact_of(rig: &Rig, id: &str) -> Value {
    let contacts = rig.sandbox.contacts_by_field("twitch_channel_id", id);
    assert_eq!(contacts.len(), 1, "{contacts:?}");
    contacts[0].clone()
}

pub(crate) fn is_live(rig: &Rig) -> bool {
    has(&contact_of(rig, BROADCASTER_ID), "live now")
}

fn field(rig: &Rig, name: &str) -> String {
    let contact = contact_of(rig, BROADCASTER_ID);
    let value = &contact["fields"][name];
    value.as_str().unwrap_or_default().to_owned()
}

/// Polls after so many minutes.
pub(crate) async fn poll_after(rig: &mut Rig, passed: u64) -> Told {
    rig.advance(minutes(passed));
    rig.sandbox.clear_calls();
    rig.apply().await
}

/// Returns the calls that went to Twitch.
fn twitch_calls(rig: &Rig) -> Vec<&'static str> {
    let calls = rig.sandbox.calls().into_iter();
    let routes = calls.map(|call| call.route);
    routes
        .filter(|route| [STREAMS, FOLLOWERS, "GET /users", "GET /validate"].contains(route))
        .collect()
}

#[tokio::test]
async fn a_broadcast_from_its_beginning_to_its_end() {
    let mut rig = watched(JOB).await;
    assert!(
        rig.sandbox
            .contacts_by_field("twitch_channel_id", BROADCASTER_ID)
            .is_empty()
    );
    channel(&rig).go_live("Chess night", "Chess");
    channel(&rig).viewers(10);
    let told = poll_after(&mut rig, 2).await;
    assert_eq!((told.report.source.listed, told.report.source.new), (1, 1));
    assert_eq!(twitch_calls(&rig), [STREAMS, FOLLOWERS]);
    assert!(is_live(&rig));
    assert_eq!(field(&rig, "stream_title"), "Chess night");
    assert_eq!(field(&rig, "stream_game"), "Chess");
    assert_eq!(field(&rig, "channel_followers"), "3");
    assert_eq!(field(&rig, "stream_peak"), "");
    let started = field(&rig, "stream_started");

    // Viewers come and go, and no write does.
    for viewers in [30, 20] {
        channel(&rig).viewers(viewers);
        poll_after(&mut rig, 2).await;
        assert_eq!(twitch_calls(&rig), [STREAMS]);
        assert_eq!(rig.sandbox.writes().len(), 0);
    }
    channel(&rig).retitle("Blitz", "Chess");
    poll_after(&mut rig, 2).await;
    assert_eq!(field(&rig, "stream_title"), "Blitz");
    rig.sandbox.follow("900", "ada", "Ada");
    rig.sandbox.follow("901", "grace", "Grace");
    poll_after(&mut rig, 2).await;

    channel(&rig).end_stream();
    poll_after(&mut rig, 2).await;
    assert!(is_live(&rig), "one poll proves nothing");
    assert_eq!(rig.sandbox.writes().len(), 0);
    let told = poll_after(&mut rig, 2).await;
    assert_eq!(twitch_calls(&rig), [STREAMS, FOLLOWERS]);
    assert!(!is_live(&rig));
    assert_eq!(told.report.source.listed, 0);
    let numbers = ["minutes", "peak", "average", "new_followers"];
    let seen = numbers.map(|name| field(&rig, &format!("stream_{name}")));
    // Seen live at minutes 2, 4, 6, 8 and 10, by 10, 30, 20, 20 and 20.
    assert_eq!(seen, ["10", "30", "20", "2"]);
    assert_eq!(field(&rig, "channel_followers"), "5");
    assert_eq!(field(&rig, "stream_title"), "Blitz");
    assert_eq!(field(&rig, "stream_started"), started);
    assert!(field(&rig, "stream_ended") > started);

    for _ in 0..3 {
        poll_after(&mut rig, 2).await;
        assert_eq!(rig.sandbox.writes().len(), 0);
        assert_eq!(twitch_calls(&rig), [STREAMS]);
    }
}

#[tokio::test]
async fn a_pass_in_which_nothing_changed_is_one_call_to_twitch_and_one_to_highlevel() {
    for live in [true, false] {
        let mut rig = watched(JOB).await;
        channel(&rig).go_live("Chess night", "Chess");
        poll_after(&mut rig, 2).await;
        if !live {
            channel(&rig).end_stream();
            poll_after(&mut rig, 2).await;
            poll_after(&mut rig, 2).await;
        }
        poll_after(&mut rig, 16).await;
        for _ in 0..3 {
            poll_after(&mut rig, 2).await;
            let routes: Vec<_> = rig.sandbox.calls().iter().map(|call| call.route).collect();
            assert_eq!(routes, [STREAMS, "POST /contacts/search"]);
        }
        // The validation of an hour ago, and what is kept for a day.
        rig.advance(hours(25));
        rig.sandbox.clear_calls();
        rig.apply().await;
        assert!(rig.sandbox.calls().len() <= 5, "{:?}", rig.sandbox.calls());
    }
}

#[tokio::test]
async fn a_stream_that_starts_again_within_ten_minutes_is_the_same_broadcast() {
    let mut rig = watched(JOB).await;
    let first = channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    // Nobody saw it away.
    channel(&rig).end_stream();
    let second = channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    assert_eq!(rig.sandbox.writes().len(), 0);
    // Away for two polls: it had ended, and goes on.
    channel(&rig).end_stream();
    poll_after(&mut rig, 2).await;
    poll_after(&mut rig, 2).await;
    assert!(!is_live(&rig));
    assert_eq!(field(&rig, "stream_minutes"), "4");
    let third = channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    assert!(is_live(&rig));
    assert_eq!(number(&mut rig, "SELECT count(*) FROM broadcast"), 1);
    let ids = rig.store().reader().unwrap();
    let ids: String = ids
        .query_row("SELECT ids FROM broadcast", [], |row| row.get(0))
        .unwrap();
    let ids: Vec<String> = serde_json::from_str(&ids).unwrap();
    assert_eq!(ids, [first, second, third]);
    poll_after(&mut rig, 2).await;
    channel(&rig).end_stream();
    poll_after(&mut rig, 2).await;
    poll_after(&mut rig, 2).await;
    assert!(!is_live(&rig));
    assert_eq!(field(&rig, "stream_minutes"), "12");
}

#[tokio::test]
async fn a_stream_that_starts_later_is_another_broadcast_which_joins_after_the_first_has_left() {
    let mut rig = watched(JOB).await;
    channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    channel(&rig).end_stream();
    rig.advance(minutes(30));
    channel(&rig).go_live("Cooking", "Food");
    let told = poll_after(&mut rig, 2).await;
    assert!(!is_live(&rig));
    let says = |remark: &String| remark.contains("joins in the next run");
    assert!(
        told.report.remarks.iter().any(says),
        "{:?}",
        told.report.remarks
    );
    assert_eq!(field(&rig, "stream_title"), "Chess night");
    poll_after(&mut rig, 2).await;
    assert!(is_live(&rig));
    assert_eq!(field(&rig, "stream_title"), "Cooking");
    assert_eq!(number(&mut rig, "SELECT count(*) FROM broadcast"), 2);
}

#[tokio::test]
async fn the_end_of_one_broadcast_is_told_before_the_next_one_begins() {
    let mut rig = watched(JOB).await;
    channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    // Twitch answers and HighLevel does not: what happens is seen and cannot be carried out.
    channel(&rig).end_stream();
    for passed in [2, 2, 2] {
        rig.advance(minutes(passed));
        rig.sandbox.fault(
            Fault::new(FaultKind::Status503)
                .on("POST /contacts/search")
                .times(50),
        );
        let _ = rig.run(ask_all()).await;
        rig.sandbox.clear_faults();
    }
    assert!(is_live(&rig));
    rig.advance(minutes(20));
    channel(&rig).go_live("Cooking", "Food");
    rig.sandbox.fault(
        Fault::new(FaultKind::Status503)
            .on("POST /contacts/search")
            .times(50),
    );
    let _ = rig.run(ask_all()).await;
    rig.sandbox.clear_faults();
    poll_after(&mut rig, 16).await;
    assert!(!is_live(&rig));
    assert_eq!(field(&rig, "stream_title"), "Chess night");
    poll_after(&mut rig, 2).await;
    assert!(is_live(&rig));
    assert_eq!(field(&rig, "stream_title"), "Cooking");
}

#[tokio::test]
async fn a_poll_that_fails_changes_nothing() {
    let mut rig = watched(JOB).await;
    channel(&rig).go_live("Chess night", "Chess");
    poll_after(&mut rig, 2).await;
    let faults = [
        FaultKind::NotJson,
        FaultKind::WrongShape,
        FaultKind::Truncated,
        FaultKind::Status503,
        FaultKind::Html502,
        FaultKind::ResetBefore,
        FaultKind::ExpiredToken,
    ];
    for kind in faults {
        rig.advance(minutes(2));
        rig.sandbox
            .fault(Fault::new(kind.clone()).on(STREAMS).times(50));
        let error = rig.run(ask_all()).await.unwrap_err();
        let is_expected = match kind {
            FaultKind::ExpiredToken => !matches!(error, RunError::Bug { .. }),
            _ => matches!(error, RunError::OutOfTouch { .. }),
        };
        assert!(is_expected, "{kind:?}: {error}");
        rig.sandbox.clear_faults();
        let sql = "SELECT count(*) FROM broadcast WHERE absent_ms IS NULL AND ended_ms IS NULL AND polls = 1";
        assert_eq!(number(&mut rig, sql), 1, "{kind:?}");
    }
    // An empty page among good ones is an absence that the next poll takes back.
    rig.sandbox
        .fault(Fault::new(FaultKind::EmptyPage).on(STREAMS));
    poll_after(&mut rig, 2).await;
    poll_after(&mut rig, 2).await;
    poll_after(&mut rig, 2).await;
    assert!(is_live(&rig));
    assert_eq!(number(&mut rig, "SELECT count(*) FROM broadcast"), 1);
}

#[tokio::test]
async fn a_channel_that_is_live_at_the_first_look_is_in_as_any_other() {
    let mut rig = Rig::with_job(settings(3, 5), JOB).await;
    channel(&rig).go_live("Chess night", "Chess");
    let told = rig.apply().await;
    assert!(told.report.is_held_as_new());
    assert_eq!(rig.sandbox.writes().len(), 0);
    rig.advance(minutes(2));
    rig.apply_all().await;
    assert!(is_live(&rig));
    poll_after(&mut rig, 16).await;
    assert_eq!(rig.sandbox.writes().len(), 0);
}

#[tokio::test]
async fn followers_that_cannot_be_counted_cost_the_number_and_nothing_else() {
    let mut rig = watched(JOB).await;
    rig.sandbox
        .fault(Fault::new(FaultKind::Status503).on(FOLLOWERS).times(50));
    channel(&rig).go_live("Chess night", "Chess");
    let told = poll_after(&mut rig, 2).await;
    assert!(is_live(&rig));
    let says = |remark: &String| remark.contains("could not be counted");
    assert!(told.report.remarks.iter().any(says));
    channel(&rig).end_stream();
    poll_after(&mut rig, 2).await;
    poll_after(&mut rig, 2).await;
    assert!(!is_live(&rig));
    assert_eq!(field(&rig, "stream_minutes"), "2");
    assert_eq!(field(&rig, "stream_new_followers"), "");
    assert_eq!(field(&rig, "channel_followers"), "");
}
