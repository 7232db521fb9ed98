//! What keeps a daemon from its schedules although nothing is wrong any more.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ghl_sync::cli::daemon::{Event, Service, for_tests};
use ghl_sync::sandbox::{Fault, FaultKind};
use ghl_sync::store::STATE_FILE;
use ghl_sync::store::kept::last_upkeep;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::rig::{JOB, Rig, hours, minutes, settings};
use crate::telling::listener::Listener;
use crate::telling::says;

struct Night {
    rig: Rig,
    service: Service,
    tell: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Night {
    /// Starts a daemon with one approved job that is due every half hour, while the clock is off by so many milliseconds.
    async fn new(off_ms: i64) -> Night {
        let job = JOB.replace(
            "timezone = \"UTC\"",
            "timezone = \"UTC\"\nschedule = \"*/30 * * * *\"",
        );
        Night::of(Rig::with_job(settings(5, 2), &job).await, off_ms).await
    }

    /// Starts a daemon with the rig's job, once it is approved.
    async fn of(mut rig: Rig, off_ms: i64) -> Night {
        rig.apply_all().await;
        rig.close();
        rig.sandbox
            .clock_offset()
            .fetch_add(off_ms, Ordering::SeqCst);
        let (tell, events) = mpsc::unbounded_channel();
        let service = for_tests(&rig.config_path(), rig.clock.clone(), tell.clone()).await;
        let service = service.unwrap_or_else(|error| panic!("{error}"));
        Night {
            rig,
            service,
            tell,
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
    let pause = FaultKind::TooMany {
        retry_after: Some(600),
    };
    night
        .rig
        .sandbox
        .fault(Fault::new(pause).on("POST /contacts/search"));
    assert_eq!(night.pass(minutes(31)).await, 1);
    assert_eq!(night.pass(minutes(5)).await, 0);
    assert_eq!(night.pass(minutes(8)).await, 1);
    assert_eq!(night.pass(minutes(2)).await, 0);
}

#[tokio::test]
async fn a_day_that_is_spent_at_the_first_call_fails_no_check_and_is_called_what_it_is() {
    let ping = Listener::start().await;
    let job = format!("schedule = \"*/30 * * * *\"\nping = \"file:ping.url\"\n{JOB}");
    let rig = Rig::with_job(settings(5, 2), &job).await;
    let url = rig.folder.join("ping.url");
    fs::write(&url, ping.address()).unwrap();
    fs::set_permissions(url, fs::Permissions::from_mode(0o600)).unwrap();
    let mut night = Night::of(rig, 0).await;
    let pause = FaultKind::TooMany {
        retry_after: Some(7_200),
    };
    night
        .rig
        .sandbox
        .fault(Fault::new(pause).on("POST /contacts/search"));
    assert_eq!(night.pass(minutes(31)).await, 1);
    let address = ping.path();
    assert_eq!(ping.paths(), [format!("{address}/start"), address.clone()]);
    let body = ping.texts().pop().unwrap();
    assert!(body.starts_with("exit 6: the calls are spent"), "{body}");
    // Nothing is tried, and nothing pinged, until the calls are back.
    assert_eq!(night.pass(minutes(60)).await, 0);
    let (_, history) = says(&night.rig, &["history"]).await;
    let spent = history.contains("the day's calls were spent: account main: ");
    assert!(spent && !history.contains("out of touch"), "{history}");
    let (_, status) = says(&night.rig, &["status"]).await;
    assert!(status.contains("the day's calls were spent"), "{status}");
    assert!(!status.contains("out of touch"), "{status}");
    assert_eq!(night.pass(minutes(65)).await, 1);
    assert_eq!(ping.paths().len(), 4);
    assert_eq!(ping.paths()[3], address);
}

#[tokio::test]
async fn a_service_that_ends_lets_upkeep_end_first_and_tells_it_to() {
    let mut night = Night::of(Rig::with_job(settings(3, 2), JOB).await, 0).await;
    night.rig.advance(hours(24));
    let file = night.rig.state().join(STATE_FILE);
    // Keeps upkeep from beginning until the service was told to end.
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    night.tell.send(Event::Stop).unwrap();
    let serving = night.service.serve(&mut night.events);
    let ending = async { other.execute_batch("ROLLBACK").unwrap() };
    tokio::join!(biased; serving, ending);
    let last = last_upkeep(&night.service.store().reader().unwrap()).unwrap();
    assert!(last.ended_ms.is_some(), "{last:?}");
    let what = last.what.unwrap();
    assert!(what.starts_with("upkeep: stopped before its end"), "{what}");
    assert!(!night.rig.state().join("backups").exists());
}

#[tokio::test]
async fn upkeep_of_the_service_that_fails_is_told_within_a_minute() {
    let team = Listener::start().await;
    let rig = Rig::with_job(settings(3, 2), JOB).await;
    let url = rig.folder.join("team.url");
    fs::write(&url, team.address()).unwrap();
    fs::set_permissions(url, fs::Permissions::from_mode(0o600)).unwrap();
    let main = fs::read_to_string(rig.config_path()).unwrap();
    let more = "[notify.team]\nkind = \"json\"\nurl = \"file:team.url\"\n";
    fs::write(rig.config_path(), format!("{main}{more}")).unwrap();
    let mut night = Night::of(rig, 0).await;
    fs::write(night.rig.state().join("backups"), "a file").unwrap();
    night.rig.advance(hours(24));
    night.service.look().await;
    let event = timeout(Duration::from_secs(60), night.events.recv()).await;
    night.service.hear(event.unwrap().unwrap()).await;
    assert_eq!(team.paths().len(), 0);
    night.service.hear(Event::Minute).await;
    let sent = async {
        while team.paths().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), sent).await.unwrap();
    let message = team.bodies().remove(0);
    assert_eq!(message["kind"], "failure");
    let what = message["what"].as_str().unwrap();
    assert!(what.starts_with("no copy could be made"), "{what}");
}
