//! How many calls may be under way at once, and whether the server has room for one more.
//!
//! Pure, and of this process alone: times come in as milliseconds since the Unix epoch.

/// Calls under way at the start; several clients of HighLevel report 429s at modest parallelism.
const AT_START: u32 = 5;
/// Calls under way at most.
const AT_MOST: u32 = 20;
/// So many calls without a 429 earn one more under way.
const CLEAN_CALLS: u32 = 200;

/// Whether a call may go as far as this process's own calls are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    /// Now.
    Now,
    /// When an answer comes back with more room, at the latest at this moment.
    At(i64),
}

/// The calls of this process that are under way.
#[derive(Debug)]
pub(crate) struct Flight {
    /// Callers that hold a place, sent or not.
    places: u32,
    /// Calls sent and not yet answered.
    sent: u32,
    allowed: u32,
    clean: u32,
    halved_ms: i64,
    window: Option<Seen>,
}

/// The server's present window as far as its answers show it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// When the first call was sent whose answer counts in it.
    opened_ms: i64,
    /// When the newest call was sent whose answer counts in it.
    newest_ms: i64,
    ends_ms: i64,
    remaining: u32,
}

impl Flight {
    pub(crate) fn new() -> Flight {
        Flight {
            places: 0,
            sent: 0,
            allowed: AT_START,
            clean: 0,
            halved_ms: i64::MIN,
            window: None,
        }
    }

    /// Takes a place when one is free.
    pub(crate) fn enter(&mut self) -> bool {
        let free = self.places < self.allowed;
        if free {
            self.places += 1;
        }
        free
    }

    /// Returns how many places are free.
    pub(crate) fn free(&self) -> u32 {
        self.allowed.saturating_sub(self.places)
    }

    /// Gives a place back.
    pub(crate) fn leave(&mut self) {
        self.places = self.places.saturating_sub(1);
    }

    /// Returns whether the server has room for one more call besides those under way.
    pub(crate) fn room(&self, now_ms: i64) -> Go {
        match self.window {
            Some(seen) if now_ms < seen.ends_ms && seen.remaining <= self.sent => {
                Go::At(seen.ends_ms)
            }
            Some(_) | None => Go::Now,
        }
    }

    /// Counts a call as sent.
    pub(crate) fn send(&mut self) {
        self.sent += 1;
    }

    /// Counts a call as no longer under way, answered or not.
    pub(crate) fn land(&mut self) {
        self.sent = self.sent.saturating_sub(1);
    }

    /// Returns the calls sent and not yet answered.
    pub(crate) fn sent(&self) -> u32 {
        self.sent
    }

    /// Notes an answer that is not a 429: `remaining` calls are left in the server's window, which lasts `interval_ms` from its first call.
    pub(crate) fn answered(&mut self, sent_ms: i64, remaining: Option<u32>, interval_ms: i64) {
        self.clean += 1;
        if self.clean >= CLEAN_CALLS {
            self.clean = 0;
            self.allowed = (self.allowed + 1).min(AT_MOST);
        }
        let Some(remaining) = remaining else { return };
        // Calls sent together may be counted in another order, so a small rise is not yet a new window.
        let slack = self.sent.saturating_add(1);
        match &mut self.window {
            Some(seen) if sent_ms < seen.newest_ms => {
                // An answer that was overtaken; what it says is already history.
                let _ = seen;
            }
            Some(seen)
                if sent_ms < seen.opened_ms.saturating_add(interval_ms)
                    && remaining <= seen.remaining.saturating_add(slack) =>
            {
                seen.newest_ms = sent_ms;
                seen.remaining = remaining;
            }
            // A window begins at its first call, and the way there is as long as the way of the call that will follow its end.
            window => {
                *window = Some(Seen {
                    opened_ms: sent_ms,
                    newest_ms: sent_ms,
                    ends_ms: sent_ms.saturating_add(interval_ms),
                    remaining,
                });
            }
        }
    }

    /// Notes a 429 to a call that was sent at `sent_ms`: halves what may be under way, once for all calls sent before the last halving.
    pub(crate) fn pushed_back(&mut self, sent_ms: i64, now_ms: i64) {
        self.clean = 0;
        self.window = None;
        if sent_ms > self.halved_ms {
            self.allowed = (self.allowed / 2).max(1);
            self.halved_ms = now_ms;
        }
    }

    #[cfg(test)]
    pub(crate) fn allowed(&self) -> u32 {
        self.allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_go_together_while_no_429_comes() {
        let mut flight = Flight::new();
        for _ in 0..AT_START {
            assert!(flight.enter());
        }
        assert!(!flight.enter());
        for _ in 0..CLEAN_CALLS {
            flight.answered(0, None, 10_000);
        }
        assert!(flight.enter());
        for _ in 0..100 * CLEAN_CALLS {
            flight.answered(0, None, 10_000);
        }
        assert_eq!(flight.allowed(), AT_MOST);
    }

    #[test]
    fn a_429_halves_once_for_all_that_were_under_way() {
        let mut flight = Flight::new();
        for _ in 0..100 * CLEAN_CALLS {
            flight.answered(0, None, 10_000);
        }
        flight.pushed_back(100, 150);
        flight.pushed_back(120, 151);
        assert_eq!(flight.allowed(), 10);
        for (sent_ms, left) in [(200, 5), (300, 2), (400, 1), (500, 1)] {
            flight.pushed_back(sent_ms, sent_ms + 50);
            assert_eq!(flight.allowed(), left);
        }
    }

    #[test]
    fn nothing_goes_while_the_server_has_less_room_than_calls_are_under_way() {
        let mut flight = Flight::new();
        flight.send();
        flight.answered(1_000, Some(3), 10_000);
        flight.send();
        assert_eq!(flight.room(2_000), Go::Now);
        flight.send();
        assert_eq!(flight.room(2_000), Go::At(11_000));
        // An answer makes room, and so does the end of the window.
        flight.land();
        assert_eq!(flight.room(2_000), Go::Now);
        flight.send();
        assert_eq!(flight.room(11_000), Go::Now);
    }

    #[test]
    fn an_overtaken_answer_does_not_close_a_new_window() {
        let mut flight = Flight::new();
        flight.answered(1_000, Some(50), 10_000);
        flight.answered(10_900, Some(1), 10_000);
        flight.answered(11_000, Some(98), 10_000);
        flight.answered(10_950, Some(0), 10_000);
        assert_eq!(flight.room(11_100), Go::Now);
    }
}
