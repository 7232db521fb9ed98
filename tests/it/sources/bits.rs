//! The bits leaderboard: a ranking, which nobody leaves.

use ghl_sync::model::StepKind;
use ghl_sync::report::Pass;
use ghl_sync::sandbox::Crew;

use super::{absent, at_twitch, channel, crowd, field, is_in, job, pass, settled, tasks};
use crate::rig::Rig;
use crate::scenes::number;

#[tokio::test]
async fn cheerers_join_and_climb_and_nobody_leaves() {
    let world = ghl_sync::sandbox::Settings {
        crew: Crew {
            cheerers: 3,
            ..Crew::default()
        },
        ..crowd(0, 0, 0)
    };
    let mut rig = settled(world, "bits").await;
    let ids: Vec<String> = channel(&rig).followers().into_iter().take(3).collect();
    let told = |rig: &Rig, id: &str| (field(rig, id, "twitch_rank"), field(rig, id, "twitch_bits"));
    assert_eq!(told(&rig, &ids[0]), ("3".to_owned(), "100".to_owned()));
    rig.sandbox.add_user("71", "ada", "Ada");
    channel(&rig).cheer("71", 5_000);
    channel(&rig).cheer(&ids[0], 150);
    let report = pass(&mut rig, 15).await.report;
    assert_eq!(
        (report.pass, report.source.ended.as_str()),
        (Pass::Normal, "caught up")
    );
    assert_eq!((report.source.total, report.source.debt), (None, 0));
    assert_eq!(told(&rig, "71"), ("1".to_owned(), "5000".to_owned()));
    assert_eq!(told(&rig, &ids[0]), ("3".to_owned(), "250".to_owned()));
    assert_eq!(tasks(&rig, "71"), ["Greet ada"]);
    assert!(ids.iter().all(|id| tasks(&rig, id).is_empty()));
    rig.sandbox.clear_calls();
    pass(&mut rig, 15).await;
    assert!(rig.sandbox.writes().is_empty());
    assert_eq!(at_twitch(&rig), ["/bits/leaderboard"]);
    assert_eq!(rig.sandbox.calls().len(), 2);
}

#[tokio::test]
async fn a_new_period_begins_empty_and_takes_nothing_away() {
    let text = job("bits").replace(
        "account = \"channel\"",
        "account = \"channel\"\nperiod = \"day\"",
    );
    let mut rig = Rig::with_job(crowd(0, 0, 0), &text).await;
    let told = rig.apply_all().await;
    assert_eq!(told.report.source.ended, "caught up", "nobody cheered yet");
    rig.sandbox.add_user("71", "ada", "Ada");
    channel(&rig).cheer("71", 500);
    pass(&mut rig, 15).await;
    assert_eq!(
        tasks(&rig, "71"),
        ["Greet ada"],
        "the empty listing was the first"
    );
    assert_eq!(field(&rig, "71", "twitch_bits"), "500");
    let day = |rig: &mut Rig| {
        let reader = rig.store().reader().unwrap();
        let text = "SELECT json_extract(attributes, '$.period_started_at') FROM roster";
        reader
            .query_row(text, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    assert_eq!(day(&mut rig), "2026-03-02T08:00:00Z");
    rig.sandbox.clear_calls();
    pass(&mut rig, 24 * 60).await;
    pass(&mut rig, 15).await;
    assert!(rig.sandbox.writes().is_empty());
    assert!(is_in(&rig, "71"));
    assert_eq!(absent(&mut rig), (0, 0));
    assert_eq!(field(&rig, "71", "twitch_bits"), "500");
    channel(&rig).cheer("71", 20);
    let told = pass(&mut rig, 15).await;
    assert_eq!(told.done(StepKind::Update), 1);
    assert_eq!(field(&rig, "71", "twitch_bits"), "20");
    assert_eq!(day(&mut rig), "2026-03-03T08:00:00Z");
    assert_eq!(number(&mut rig, "SELECT max(transition) FROM roster"), 0);
}
