//! Tells other processes how far a run is: a row that is written every two seconds, and goes when the run ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::store::StoreError;
use crate::store::progress::{self, Progress};

use super::world::{Tick, Watch, World};

/// How often a run tells how far it is, whether or not it advances: so that who looks sees a living run.
const EVERY: Duration = Duration::from_secs(2);
/// A row that is older belongs to a run that was killed, in ms.
const SURELY_DEAD_MS: i64 = 10 * 60 * 1000;

/// A run that is followed; dropping it ends that.
#[derive(Debug)]
pub(super) struct Following(tokio::task::JoinHandle<()>);

impl Following {
    /// Ends it, and returns once it holds the state no longer: whoever waits for the end of a run may close the state then.
    pub(super) async fn end(mut self) {
        self.0.abort();
        // It was canceled, which is what was wanted.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins the row, in the commit that begins the run.
pub(super) fn begin(db: &Connection, run_no: i64, now_ms: i64) -> Result<(), StoreError> {
    let first = Progress {
        what: "starting".to_owned(),
        done: 0,
        total: None,
        since_ms: now_ms,
        at_ms: now_ms,
    };
    progress::begin(db, run_no, &first, now_ms - SURELY_DEAD_MS)
}

/// Follows a run: returns its world with a watch that also remembers how far it is, and what writes that down.
///
/// A run of two seconds or less costs no commit. One that cannot be written is no reason to end a run: the next is tried two seconds later.
pub(super) fn follow(world: &World, run_no: i64) -> (World, Following) {
    let far = Arc::new(Mutex::new(Progress {
        what: "starting".to_owned(),
        since_ms: world.now_ms(),
        ..Progress::default()
    }));
    let (seen, clock, inner) = (far.clone(), world.clock.clone(), world.watch.clone());
    let watch = Watch::new(move |tick| {
        let now_ms = || clock.now().timestamp_millis();
        take_in(
            &mut seen.lock().unwrap_or_else(PoisonError::into_inner),
            &tick,
            now_ms,
        );
        inner.tick(tick);
    });
    let (store, clock) = (world.store.clone(), world.clock.clone());
    let task = tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let mut now = far.lock().unwrap_or_else(PoisonError::into_inner).clone();
            now.at_ms = clock.now().timestamp_millis();
            let _ = store
                .write(move |db| progress::note(db, run_no, &now))
                .await;
        }
    });
    let world = World {
        watch,
        ..world.clone()
    };
    (world, Following(task))
}

fn take_in(far: &mut Progress, tick: &Tick, now_ms: impl Fn() -> i64) {
    let mut begins = |what: String, total| {
        *far = Progress {
            what,
            done: 0,
            total,
            since_ms: now_ms(),
            at_ms: 0,
        };
    };
    match tick {
        Tick::Reading { what, total } => begins(format!("reading {what}"), *total),
        Tick::Planning => begins("planning".to_owned(), None),
        Tick::Executing { total } => begins("carrying out steps".to_owned(), Some(*total)),
        Tick::Advance(n) => far.done += n,
        Tick::Say(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_add_up_and_another_part_begins_at_nothing() {
        let mut far = Progress::default();
        let reading = Tick::Reading {
            what: "followers".to_owned(),
            total: Some(10),
        };
        for (tick, shown) in [
            (reading, ("reading followers", 0, Some(10))),
            (Tick::Advance(4), ("reading followers", 4, Some(10))),
            (
                Tick::Say("x".to_owned()),
                ("reading followers", 4, Some(10)),
            ),
            (Tick::Planning, ("planning", 0, None)),
            (
                Tick::Executing { total: 3 },
                ("carrying out steps", 0, Some(3)),
            ),
        ] {
            take_in(&mut far, &tick, || 7);
            assert_eq!((far.what.as_str(), far.done, far.total), shown);
            assert_eq!(far.since_ms, 7);
        }
    }
}
