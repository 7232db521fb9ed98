//! Ctrl-C and SIGTERM: first politely, then at once.

use tokio::signal::unix::{SignalKind, signal};

use crate::run::Stop;

use super::exit::Exit;
use super::progress::Progress;

/// What the first signal is answered with.
const STOPPING: &str = "stopping: the calls in flight are finished first, and the next run goes on from there; \
    press Ctrl-C again to stop at once, which is safe too";

/// Listens for Ctrl-C and SIGTERM until the program ends.
///
/// The first asks the run to stop. The second ends the process after `last`, without waiting for anything: every commit so far stands, and
/// the next run recovers what was under way. This is the one place besides `main` that ends the process, because a run that computes cannot
/// be made to return.
pub(super) fn listen(stop: Stop, progress: Progress, last: impl FnOnce() + Send + 'static) {
    tokio::spawn(async move {
        next().await;
        stop.ask();
        progress.say(STOPPING);
        next().await;
        last();
        std::process::exit(i32::from(Exit::Failed.code()));
    });
}

/// Waits for the next Ctrl-C or SIGTERM.
pub(super) async fn next() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Without handlers the system's own answer stands: the process ends at the first signal.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
