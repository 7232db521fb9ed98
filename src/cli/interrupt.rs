//! Ctrl-C, SIGTERM and a terminal that goes away: first politely, then at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::net::renewals_through;
use crate::run::Stop;

use super::exit::Exit;
use super::progress::Progress;

/// What the first signal is answered with.
const STOPPING: &str = "stopping: the calls in flight are finished first, and the next run goes on from there; \
    press Ctrl-C again to stop at once, which is safe too";

/// How long the end of the process waits for a token's renewal under way. One takes a fraction of a second; a vendor that does not answer
/// is not waited for.
pub(super) const RENEWAL_PATIENCE: Duration = Duration::from_secs(3);

/// Listens for Ctrl-C, SIGTERM and SIGHUP until the program ends.
///
/// The first asks the run to stop. The second ends the process after `last`, waiting for nothing but a moment for a login's renewal, whose
/// answer comes once: every commit so far stands, and the next run recovers what was under way. This module is the one place besides `main`
/// that ends the process, because a run that computes cannot be made to return.
pub(super) fn listen(stop: Stop, progress: Progress, last: impl FnOnce() + Send + 'static) {
    listen_saying(STOPPING, stop, progress, last);
}

/// Listens as [`listen`] does, and answers the first signal with nothing while the command `waits` for another process: that ends it.
pub(super) fn listen_unless(waits: Arc<AtomicBool>, stop: Stop, progress: Progress) {
    listen_for(
        move || (!waits.load(Ordering::SeqCst)).then_some(STOPPING),
        stop,
        progress,
        || {},
    );
}

/// Listens as [`listen`] does, and answers the first signal with these words.
pub(super) fn listen_saying(
    words: &'static str,
    stop: Stop,
    progress: Progress,
    last: impl FnOnce() + Send + 'static,
) {
    listen_for(move || Some(words), stop, progress, last);
}

fn listen_for(
    words: impl Fn() -> Option<&'static str> + Send + 'static,
    stop: Stop,
    progress: Progress,
    last: impl FnOnce() + Send + 'static,
) {
    let mut signals = Signals::new();
    tokio::spawn(async move {
        signals.next().await;
        stop.ask();
        if let Some(words) = words() {
            progress.say(words);
        }
        signals.next().await;
        renewals_through(RENEWAL_PATIENCE).await;
        last();
        std::process::exit(i32::from(Exit::Failed.code()));
    });
}

/// Ends the program at the first Ctrl-C or SIGTERM: for what only asks, and may renew a login on the way, whose answer comes once.
pub(super) fn end_at_once(progress: Progress) {
    let mut signals = Signals::new();
    tokio::spawn(async move {
        signals.next().await;
        renewals_through(RENEWAL_PATIENCE).await;
        progress.finish();
        progress.say("stopped by you");
        std::process::exit(i32::from(Exit::Failed.code()));
    });
}

/// Returns whether whoever started this process had it ignore SIGHUP, as `nohup` does; listening would take that back.
///
/// Source: proc(5), `SigIgn` in /proc/self/status, a mask in which the lowest bit is signal 1. Elsewhere than on Linux it counts as not ignored.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Signals that end a process, from its making on; none that comes between two waits is missed.
pub(super) struct Signals(Vec<Signal>);

impl Signals {
    /// Begins to listen for Ctrl-C, SIGTERM and a terminal that goes away, unless `nohup` said that the latter is of no account.
    pub(super) fn new() -> Signals {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if !is_hangup_ignored() {
            kinds.push(SignalKind::hangup());
        }
        Signals::of(&kinds)
    }

    /// Begins to listen for everything that usually ends a program on a terminal: these and Ctrl-\.
    pub(super) fn that_end() -> Signals {
        let mut signals = Signals::new();
        signals.0.extend(Signals::of(&[SignalKind::quit()]).0);
        signals
    }

    /// Where listening is not possible the system's own answer stands: the process ends at the first signal.
    fn of(kinds: &[SignalKind]) -> Signals {
        let signals: Result<_, _> = kinds.iter().map(|kind| signal(*kind)).collect();
        Signals(signals.unwrap_or_default())
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let mut signals = self.0.iter_mut();
            match signals.any(|signal| signal.poll_recv(context).is_ready()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}
