//! What keeps a daemon from its schedules although nothing is wrong any more.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ghl_sync::cli::daemon::{Event, Service, for_tests};
use ghl_sync::sandbox::{Fault, FaultKind};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::rig::{JOB, Rig, hours, minutes, settings};

struct Night {
    rig: Rig,
    service: Service,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Night {
    /// Starts a daemon with one approved job that is due every half hour, while the clock is off by so many milliseconds.
    async fn new(off_ms: i64) -> Night {
        let job = JOB.replace(
            "timezone = \"UTC\"",
            "timezone = \"UTC\"\nschedule = \"*/30 * * * *\"",
        );
        let mut rig = Rig::with_job(settings(5, 2), &job).await;
        rig.apply_all().await;
        rig.close();
        rig.sandbox
            .clock_offset()
            .fetch_add(off_ms, Ordering::SeqCst);
        let (tell, events) = mpsc::unbounded_channel();
        let service = for_tests(&rig.config_path(), rig.clock.clone(), tell).await;
        let service = service.unwrap_or_else(|error| panic!("{error}"));
        Night {
            rig,
            service,
            events,
        }
    }

    /// Lets time pass and the daemon look; returns how many runs it began.
    async fn pass(&mut self, by: Duration) -> u32 {
        self.rig.advance(by);
        let mut runs = 0;
        loop {
            self.service.look().await;
            if self.service.running().is_empty() {
                return runs;
            }
            runs += 1;
            let event = timeout(Duration::from_secs(60), self.events.recv()).await;
            self.service.hear(event.unwrap().unwrap()).await;
        }
    }
}

#[tokio::test]
async fn a_clock_that_was_days_ahead_and_is_right_again_silences_no_schedule() {
    let ahead_ms = 10 * 24 * 3_600 * 1_000;
    let mut night = Night::new(ahead_ms).await;
    let clock = night.rig.sandbox.clock_offset();
    clock.fetch_sub(ahead_ms, Ordering::SeqCst);
    assert_eq!(night.pass(Duration::ZERO).await, 0);
    assert_eq!(night.pass(minutes(30)).await, 1);
    assert_eq!(night.pass(minutes(30)).await, 1);
}

#[tokio::test]
async fn a_pause_that_a_vendor_asks_for_is_not_taken_for_a_spent_day() {
    let mut night = Night::new(0).await;
    for route in ["GET /channels/followers", "POST /contacts/search"] {
        let pause = FaultKind::TooMany {
            retry_after: Some(600),
        };
        night.rig.sandbox.fault(Fault::new(pause).on(route));
        assert_eq!(night.pass(minutes(31)).await, 1, "{route}");
        assert_eq!(night.pass(minutes(5)).await, 0, "{route}");
        assert_eq!(night.pass(minutes(8)).await, 1, "{route}");
        night.pass(hours(1)).await;
    }
}
