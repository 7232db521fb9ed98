//! A daemon in this process, whose clock a test moves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ghl_sync::cli::CliError;
use ghl_sync::cli::daemon::{Event, Service, for_tests};
use ghl_sync::model::Clock;
use ghl_sync::store::Store;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The longest that runs of one moment may take on the machine's clock; far more than they need.
const PATIENCE: Duration = Duration::from_secs(240);

/// The daemon of one configuration.
pub(crate) struct Served {
    path: PathBuf,
    clock: Clock,
    daemon: Option<Daemon>,
}

struct Daemon {
    service: Service,
    events: mpsc::UnboundedReceiver<Event>,
    /// Kept, so that the events never end.
    _tell: mpsc::UnboundedSender<Event>,
}

impl Served {
    /// Starts it.
    pub(crate) async fn start(path: &Path, clock: &Clock) -> Served {
        Served {
            path: path.to_owned(),
            clock: clock.clone(),
            daemon: Some(Daemon::start(path, clock).await),
        }
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().unwrap()
    }

    /// Returns the state that it has open.
    pub(crate) fn store(&mut self) -> Store {
        self.daemon().service.store()
    }

    /// Lets it look until nothing is under way any more.
    pub(crate) async fn settle(&mut self) {
        let settled = timeout(PATIENCE, self.daemon().until_idle()).await;
        assert!(settled.is_ok(), "runs do not end at {}", self.clock.now());
    }

    /// Lets it do what is due now, and kills it after so many commits; then starts it again, which catches up.
    ///
    /// Returns whether it died in the middle.
    pub(crate) async fn kill(&mut self, commits: u32) -> bool {
        let store = self.store();
        let before = store.commits();
        store.stop_after_commits(commits);
        self.settle().await;
        let died = store.commits() - before >= u64::from(commits);
        // If it did not come so far, it dies at rest.
        store.stop_after_commits(0);
        self.daemon = None;
        self.daemon = Some(Daemon::start(&self.path, &self.clock).await);
        self.settle().await;
        died
    }
}

impl Daemon {
    async fn start(path: &Path, clock: &Clock) -> Daemon {
        let (tell, events) = mpsc::unbounded_channel();
        let service = for_tests(path, clock.clone(), tell.clone()).await;
        Daemon {
            service: service.unwrap_or_else(|error: CliError| panic!("{error}")),
            events,
            _tell: tell,
        }
    }

    async fn until_idle(&mut self) {
        loop {
            self.service.look().await;
            if self.service.running().is_empty() {
                return;
            }
            match timeout(Duration::from_millis(5), self.events.recv()).await {
                Ok(Some(event)) => self.service.hear(event).await,
                Ok(None) => panic!("the sender is kept"),
                Err(_) => {}
            }
        }
    }
}
