//! Signs of life: while the store's thread and the scheduler answer.
//!
//! A vendor that does not answer holds up its own run alone, and that ends in the time-out of its call: no reason to be restarted. A store
//! that takes no writes, or a scheduler that is stuck, will not mend itself.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::error;

use crate::store::Store;

use super::manager::Manager;
use super::service::Event;

/// Within this time both have to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Gives signs of life for as long as the runtime goes on; nothing where no manager waits for them.
pub(super) fn start(store: Store, manager: Manager, tell: mpsc::UnboundedSender<Event>) {
    let Some(watchdog) = manager.watchdog() else {
        return;
    };
    // Three chances before the manager loses its patience.
    let pause = watchdog / 3;
    tokio::spawn(async move {
        let mut was_well = true;
        loop {
            let sick = sickness(&store, &tell).await;
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
async fn sickness(store: &Store, tell: &mpsc::UnboundedSender<Event>) -> Option<String> {
    let seconds = PATIENCE.as_secs();
    // An empty write goes through the queue and a transaction, and costs no disk.
    match timeout(PATIENCE, store.write(|_| Ok(()))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Some(format!("the state takes no writes ({error})")),
        Err(_) => return Some(format!("the state did not answer within {seconds} s")),
    }
    let (answer, answered) = oneshot::channel();
    let asked = tell.send(Event::Alive(answer));
    if asked.is_ok() && matches!(timeout(PATIENCE, answered).await, Ok(Ok(()))) {
        None
    } else {
        Some(format!("the scheduler did not answer within {seconds} s"))
    }
}
