//! Signs of life: while the store's thread and the scheduler answer.
//!
//! A vendor that does not answer holds up its own run alone, and that ends in the time-out of its call: no reason to be restarted. A store
//! that takes no writes, or a scheduler that is stuck, will not mend itself.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::error;

use crate::store::{Store, StoreError};

use super::manager::Manager;
use super::service::Event;

/// Within this time both have to answer: the scheduler in 10 s, and the store's thread after the 10 s that it waits for another process's
/// commit, with some room. That the state is locked is an answer: the thread lives, and a restart would not unlock it.
const PATIENCE: Duration = Duration::from_secs(12);

/// Gives signs of life for as long as the runtime goes on; nothing where no manager waits for them.
pub(super) fn start(store: Store, manager: Manager, tell: mpsc::UnboundedSender<Event>) {
    let Some(watchdog) = manager.watchdog() else {
        return;
    };
    // Three chances before the manager loses its patience, which may be shorter than ours.
    let pause = watchdog / 3;
    let patience = PATIENCE.min(pause);
    tokio::spawn(async move {
        let mut was_well = true;
        loop {
            let sick = sickness(&store, &tell, patience).await;
            match &sick {
                None => manager.alive(),
                Some(what) if was_well => {
                    error!(
                        "{what}; the service manager is given no sign of life until that is over"
                    );
                }
                Some(_) => {}
            }
            was_well = sick.is_none();
            tokio::time::sleep(pause).await;
        }
    });
}

/// Says what does not answer; `None` when all is well.
async fn sickness(
    store: &Store,
    tell: &mpsc::UnboundedSender<Event>,
    patience: Duration,
) -> Option<String> {
    // An empty write goes through the queue and a transaction, and costs no disk.
    match timeout(patience, store.write(|_| Ok(()))).await {
        Ok(Ok(()) | Err(StoreError::Locked { .. })) => {}
        Ok(Err(error)) => return Some(format!("the state takes no writes ({error})")),
        Err(_) => return Some(format!("the state did not answer within {patience:?}")),
    }
    let (answer, answered) = oneshot::channel();
    let asked = tell.send(Event::Alive(answer));
    if asked.is_ok() && matches!(timeout(patience, answered).await, Ok(Ok(()))) {
        None
    } else {
        Some(format!("the scheduler did not answer within {patience:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn life_is_a_store_that_takes_writes_and_a_scheduler_that_answers() {
        let folder = std::env::temp_dir().join(format!("ghl-sync-alive-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Store::open(&folder).unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let soon = Duration::from_millis(50);

        let silent = sickness(&store, &tell, soon).await.unwrap();
        assert!(silent.contains("the scheduler did not answer"), "{silent}");
        drop(told.recv().await);

        let answers = tokio::spawn(async move {
            while let Some(event) = told.recv().await {
                if let Event::Alive(answer) = event {
                    let _ = answer.send(());
                }
            }
        });
        let long = Duration::from_secs(60);
        assert_eq!(sickness(&store, &tell, long).await, None);

        let (unstick, stuck_until) = std::sync::mpsc::channel::<()>();
        let sticking = store.clone();
        let stuck = tokio::spawn(async move {
            let write = sticking.write(move |_| {
                let _ = stuck_until.recv();
                Ok(())
            });
            write.await
        });
        // Once it is at it, nothing else gets through.
        tokio::task::yield_now().await;
        let seen = sickness(&store, &tell, soon).await.unwrap();
        assert!(seen.contains("the state did not answer"), "{seen}");
        drop(unstick);
        stuck.await.unwrap().unwrap();
        assert_eq!(sickness(&store, &tell, long).await, None);

        store.stop_after_commits(0);
        let ended = sickness(&store, &tell, long).await.unwrap();
        assert!(ended.contains("takes no writes"), "{ended}");
        answers.abort();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
