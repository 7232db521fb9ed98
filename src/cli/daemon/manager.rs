//! What systemd is told; nothing where no manager listens.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// The service manager that started this process, if one did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manager {
    is_there: bool,
    watchdog: Option<Duration>,
}

impl Manager {
    /// Finds the manager by `NOTIFY_SOCKET` and `WATCHDOG_USEC`. Source: sd_notify(3), sd_watchdog_enabled(3).
    pub(super) fn of_environment() -> Manager {
        Manager {
            is_there: std::env::var_os("NOTIFY_SOCKET").is_some(),
            watchdog: sd_notify::watchdog_enabled(),
        }
    }

    /// Returns a manager that does not exist.
    pub(super) fn nobody() -> Manager {
        Manager {
            is_there: false,
            watchdog: None,
        }
    }

    /// Returns how long it waits for a sign of life; `None` when it does not.
    pub(super) fn watchdog(self) -> Option<Duration> {
        self.watchdog.filter(|time| !time.is_zero())
    }

    /// Says that the service is up, or up to date again, and what it does.
    pub(super) fn ready(self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Says what it does.
    pub(super) fn status(self, status: &str) {
        self.tell(&[NotifyState::Status(status)]);
    }

    /// Says that the configuration is being loaded again; [`Manager::ready`] must follow.
    pub(super) fn reloading(self) {
        // Without the moment systemd 253 and later take it for a failure.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(_) => self.tell(&[NotifyState::Reloading]),
        }
    }

    /// Says that the service ends.
    pub(super) fn stopping(self, status: &str) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
    }

    /// Gives a sign of life.
    pub(super) fn alive(self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    /// A manager that does not hear is no reason to stop working.
    fn tell(self, states: &[NotifyState<'_>]) {
        if self.is_there
            && let Err(error) = sd_notify::notify(states)
        {
            debug!("the service manager does not hear: {error}");
        }
    }
}
