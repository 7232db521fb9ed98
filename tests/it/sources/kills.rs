//! A process is killed after every single commit, while people join, change and leave.

use super::{channel, contact, crowd, field, has_left, is_in, job, tasks};
use crate::rig::{Rig, ask_all, minutes};
use crate::scenes::{every, has, unsettled};

/// Kills the run after `n` commits; returns whether it outlived that.
async fn killed(rig: &mut Rig, stop_after: u32) -> bool {
    rig.store().stop_after_commits(stop_after);
    let outlived = rig.run(ask_all()).await.is_ok();
    rig.close();
    outlived
}

async fn heal(rig: &mut Rig) {
    for _ in 0..4 {
        rig.advance(minutes(16));
        let _ = rig.run(ask_all()).await;
    }
    assert_eq!(unsettled(rig), 0);
}

#[tokio::test]
async fn joins_changes_and_leaves_killed_after_any_commit_are_all_there_once() {
    let commits = every(|stop_after| async move {
        let mut rig = Rig::with_job(crowd(4, 0, 0), &job("subscribers")).await;
        rig.apply_all().await;
        let ids = channel(&rig).subscribers();
        channel(&rig).unsubscribe(&ids[0]);
        rig.advance(minutes(16));
        rig.apply_all().await;
        rig.sandbox.add_user("71", "ada", "Ada");
        channel(&rig).subscribe("71", "1000");
        channel(&rig).change_tier(&ids[1], "3000");
        rig.advance(minutes(16));
        let outlived = killed(&mut rig, stop_after).await;
        heal(&mut rig).await;
        let said = format!("killed after {stop_after} commits");
        assert!(has_left(&rig, &ids[0]), "{said}");
        assert!(is_in(&rig, "71") && is_in(&rig, &ids[2]), "{said}");
        assert_eq!(field(&rig, &ids[1], "twitch_tier"), "3", "{said}");
        assert_eq!(tasks(&rig, "71"), ["Greet ada"], "{said}");
        assert!(tasks(&rig, &ids[0]).is_empty(), "{said}");
        assert_eq!(rig.sandbox.contact_count(), 8, "{said}");
        assert!(!has(&contact(&rig, "71"), "was in"), "{said}");
        rig.sandbox.clear_calls();
        rig.advance(minutes(16));
        rig.apply_all().await;
        assert!(rig.sandbox.writes().is_empty(), "{said}");
        outlived
    })
    .await;
    assert!(commits > 10, "there are only {commits} commits");
}
