//! Law 2: a process is killed after every single commit of a run, and started again.

use ghl_sync::sandbox::Switches;

use crate::scenes::{Scene, every};

/// Kills the run after `n` commits for every `n` there is, and lets it heal each time.
async fn killed_after_every_commit(scene: Scene) {
    killed_at(scene, |_| Switches::default()).await;
    // Once more, with another vendor behind every kill.
    killed_at(scene, |stop_after| Switches::random(u64::from(stop_after))).await;
}

async fn killed_at(scene: Scene, vendor: fn(u32) -> Switches) {
    let commits = every(move |stop_after| async move {
        let mut set = scene.set_at(vendor(stop_after)).await;
        set.rig.store().stop_after_commits(stop_after);
        let outlived = set.run().await.is_ok();
        set.rig.close();
        set.heal().await;
        outlived
    })
    .await;
    assert!(commits > 10, "{scene:?} has only {commits} commits");
}

#[tokio::test]
async fn a_first_sync_killed_after_any_commit_makes_no_second_contact() {
    killed_after_every_commit(Scene::FirstSync).await;
}

#[tokio::test]
async fn updates_killed_after_any_commit_are_all_made_in_the_end() {
    killed_after_every_commit(Scene::Renames).await;
}

#[tokio::test]
async fn bulk_tags_killed_after_any_commit_are_all_there_in_the_end() {
    killed_after_every_commit(Scene::BulkTags).await;
}

#[tokio::test]
async fn notes_and_tasks_killed_after_any_commit_are_there_once_in_the_end() {
    killed_after_every_commit(Scene::Events).await;
}

#[tokio::test]
async fn leaves_killed_after_any_commit_change_their_tags_in_the_end() {
    killed_after_every_commit(Scene::Leaves).await;
}
