//! A process is killed after every single commit of the polls that matter, and started again.

use super::events::{job, jotted};
use super::{channel, is_live, watched};
use crate::rig::{Rig, ask_all, minutes};
use crate::scenes::{every, number};

async fn polls(rig: &mut Rig, count: u32) {
    for _ in 0..count {
        rig.advance(minutes(5));
        let _ = rig.run(ask_all()).await;
    }
}

/// Kills the run after `n` commits; returns whether it outlived that.
async fn killed(rig: &mut Rig, stop_after: u32) -> bool {
    rig.store().stop_after_commits(stop_after);
    let outlived = rig.run(ask_all()).await.is_ok();
    rig.close();
    outlived
}

#[tokio::test]
async fn a_beginning_and_an_end_killed_after_any_commit_are_told_once() {
    let commits = every(|stop_after| async move {
        let mut rig = watched(&job()).await;
        channel(&rig).go_live("Chess night", "Chess");
        rig.advance(minutes(2));
        let first = killed(&mut rig, stop_after).await;
        polls(&mut rig, 5).await;
        assert!(is_live(&rig), "killed after {stop_after} commits");
        let tasks = vec![("Clip Chess night".to_owned(), false)];
        assert_eq!(
            jotted(&rig),
            (vec![], tasks),
            "killed after {stop_after} commits"
        );
        channel(&rig).end_stream();
        rig.advance(minutes(2));
        let _ = rig.run(ask_all()).await;
        rig.advance(minutes(2));
        let second = killed(&mut rig, stop_after).await;
        rig.advance(minutes(10));
        let third = killed(&mut rig, stop_after).await;
        polls(&mut rig, 6).await;
        assert!(!is_live(&rig), "killed after {stop_after} commits");
        let (notes, tasks) = jotted(&rig);
        assert_eq!(
            notes.len(),
            1,
            "killed after {stop_after} commits: {notes:?}"
        );
        assert_eq!(tasks, [("Clip Chess night".to_owned(), true)]);
        assert_eq!(number(&mut rig, "SELECT count(*) FROM broadcast"), 1);
        rig.sandbox.clear_calls();
        polls(&mut rig, 1).await;
        assert!(rig.sandbox.writes().is_empty());
        first && second && third
    })
    .await;
    assert!(commits > 10, "there are only {commits} commits");
}
