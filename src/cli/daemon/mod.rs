//! `daemon`: runs the schedules until it is told to end.
//!
//! Every job runs on a thread of its own, at most once at a time, under the lock that `apply` takes too. What the schedule remembers is
//! in the state before a run begins and after it ends, so that a kill at any moment costs a catching up and nothing else.

mod alive;
mod manager;
mod run;
mod service;
mod ticks;
mod words;

use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::config;
use crate::net::renewals_through;
use crate::run::Lease;

use super::error::CliError;
use super::exit::Exit;
use super::interrupt::RENEWAL_PATIENCE;
use super::runs::{holder, load};
use super::shell::Shell;
use super::telling;
use super::worlds::Worlds;

use manager::Manager;
pub use service::{Event, Service};

/// Runs `daemon`: until SIGTERM or Ctrl-C, which let the calls in flight end; a second one ends it at once. SIGHUP loads the configuration
/// again.
///
/// Errors: the configuration is wrong, the state cannot be opened, or another daemon has it.
pub(super) async fn daemon(shell: &mut Shell, path: Option<&Path>) -> Result<Exit, CliError> {
    let path = config::find(path);
    let config = load(Some(&path))?;
    // From here on no signal takes its usual way.
    let signals = Signals::new()?;
    let words = holder("daemon", shell.clock.now());
    let worlds = Worlds::open(config, shell.clock.clone())
        .await?
        .typing(&shell.typed);
    let folder = worlds.config().state.clone();
    let _alone = Lease::take(&folder, "daemon", &words, None)
        .await
        .map_err(CliError::Run)?;
    let (tell, mut events) = mpsc::unbounded_channel();
    let manager = Manager::of_environment();
    let mut service = Service::new(path, worlds, manager, tell.clone()).await?;
    signals.tell(tell.clone());
    if let Err(error) = ticks::start(tell.clone()).await {
        // The service keeps a slow clock of its own.
        warn!(
            "the ticks of the minute cannot be started ({error}); schedules may be up to a minute late"
        );
    }
    alive::start(service.store(), manager, tell);
    info!(
        "ghl-sync {} runs the schedules: {}",
        env!("CARGO_PKG_VERSION"),
        service.summary()
    );
    telling::serving(Some(shell.clock.now()));
    service.serve(&mut events).await;
    telling::serving(None);
    info!("the daemon ends");
    Ok(Exit::Done)
}

/// The signals that a daemon hears.
struct Signals {
    ends: [Signal; 2],
    reload: Signal,
}

impl Signals {
    /// Errors: the system does not let this process listen.
    fn new() -> Result<Signals, CliError> {
        let listen = |kind| {
            signal(kind).map_err(|source| CliError::Io {
                what: "listen for signals".to_owned(),
                source,
            })
        };
        Ok(Signals {
            ends: [
                listen(SignalKind::terminate())?,
                listen(SignalKind::interrupt())?,
            ],
            reload: listen(SignalKind::hangup())?,
        })
    }

    /// Passes them on from now on. The second that asks for the end does not wait for it: what a kill leaves, the next start mends.
    fn tell(self, tell: mpsc::UnboundedSender<Event>) {
        let Signals {
            ends: [mut terminate, mut interrupt],
            mut reload,
        } = self;
        let reloads = tell.clone();
        tokio::spawn(async move {
            while reload.recv().await.is_some() {
                // Nobody listens any more once the service ends.
                let _ = reloads.send(Event::Reload);
            }
        });
        tokio::spawn(async move {
            for is_first in [true, false] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if is_first {
                    let _ = tell.send(Event::Stop);
                }
            }
            renewals_through(RENEWAL_PATIENCE).await;
            warn!("told twice to end: it ends at once, and the next start goes on from there");
            std::process::exit(i32::from(Exit::Failed.code()));
        });
    }
}

/// Returns a service that a test drives with events of its own.
///
/// Errors: as those of the command.
pub async fn for_tests(
    path: &Path,
    clock: crate::model::Clock,
    tell: mpsc::UnboundedSender<Event>,
) -> Result<Service, CliError> {
    let config = load(Some(path))?;
    let worlds = Worlds::open(config, clock).await?;
    Service::new(path.to_owned(), worlds, Manager::nobody(), tell).await
}
