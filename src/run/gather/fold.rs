//! From staging into the roster.

use crate::store::walks;

use super::super::error::RunError;
use super::super::world::World;
use super::FOLLOWED_AT;

/// Folds a walk's staged rows into the roster; returns how many keys are new, and how many are new or came back.
pub(super) async fn fold(world: &World, job_no: i64, walk_no: i64) -> Result<(i64, i64), RunError> {
    let reader = world.store.reader()?;
    let (chunks, mut incoming) = tokio::sync::mpsc::channel::<Vec<(String, String)>>(2);
    let streaming = tokio::task::spawn_blocking(move || {
        walks::staged_in_key_order(&reader, walk_no, FOLLOWED_AT, |chunk| {
            chunks.blocking_send(chunk).is_ok()
        })
    });
    let (mut new, mut added) = (0, 0);
    while let Some(chunk) = incoming.recv().await {
        let (new_here, added_here) = world
            .store
            .write(move |db| walks::fold_rows(db, job_no, walk_no, &chunk))
            .await?;
        new += new_here;
        added += added_here;
    }
    streaming.await.map_err(|error| RunError::Bug {
        what: error.to_string(),
    })??;
    while world
        .store
        .write(move |db| walks::delete_staged(db, walk_no))
        .await?
    {}
    Ok((new, added))
}
