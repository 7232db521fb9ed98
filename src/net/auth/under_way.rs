//! How many renewals are under way in this process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often to look whether they are through.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

static RENEWALS: AtomicUsize = AtomicUsize::new(0);

/// One renewal under way, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(());

impl UnderWay {
    pub(super) fn begin() -> UnderWay {
        RENEWALS.fetch_add(1, Ordering::SeqCst);
        UnderWay(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        RENEWALS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until no renewal of this process is under way, for so long at most; whoever ends the process does so, because ending it between a
/// vendor's answer and its commit costs a login. Returns whether none is.
pub async fn renewals_through(patience: Duration) -> bool {
    let began = Instant::now();
    while RENEWALS.load(Ordering::SeqCst) > 0 {
        if began.elapsed() > patience {
            return false;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    true
}
