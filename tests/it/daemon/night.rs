//! What keeps a daemon from its schedules although nothing is wrong any more.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DurationRound, TimeDelta, Utc};
use ghl_sync::cli::daemon::{Event, Service, for_tests};
use ghl_sync::model::Clock;
use ghl_sync::sandbox::{Fault, FaultKind, Settings};
use ghl_sync::store::STATE_FILE;
use ghl_sync::store::kept::last_upkeep;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::program;
use crate::rig::{JOB, Rig, hours, minutes, settings};
use crate::scenes::unsettled;
use crate::telling::listener::Listener;
use crate::telling::says;

/// A daemon that a test drives.
struct Night {
    rig: Rig,
    service: Service,
    tell: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Night {
    /// Starts a daemon with one approved job that is due every half hour, while the clock is off by so many milliseconds.
    async fn new(off_ms: i64) -> Night {
        Night::with("", off_ms).await
    }

    /// The same with more lines at the top of the job.
    async fn with(more: &str, off_ms: i64) -> Night {
        let job = JOB.replace(
            "timezone = \"UTC\"",
            &format!("timezone = \"UTC\"\nschedule = \"*/30 * * * *\"\n{more}"),
        );
        let job = format!("{job}[limits]\ncreate = 5000\n");
        let world = Settings {
            // The vendor's hundred calls in ten seconds, by the clock that the test moves.
            limits_in_virtual_time: true,
            speed: 1.0,
            ..settings(5, 2)
        };
        let mut rig = Rig::with_job(world, &job).await;
        // Every wait is a leap, so that a run of minutes takes a second or two.
        let offset = rig.sandbox.clock_offset();
        rig.clock = Clock::starting_at(rig.sandbox.now(), offset, Some(Duration::from_millis(5)));
        Night::of(rig, off_ms).await
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
            while !self.service.running().is_empty() {
                // As often as a daemon looks, by a clock that runs ahead.
                let event = timeout(Duration::from_millis(2), self.events.recv()).await;
                match event {
                    Ok(event) => self.service.hear(event.unwrap()).await,
                    Err(_) => self.service.look().await,
                }
            }
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

/// Lets this many follow, who are more than a minute's work.
fn crowd(rig: &Rig, count: u64) {
    for number in 0..count {
        let id = format!("88{number:05}");
        rig.sandbox
            .follow(&id, &format!("one_{number}"), &format!("One_{number}"));
    }
}

/// Returns how the newest run ended: its exit, and its report's word for it.
fn newest(rig: &mut Rig) -> (i64, String) {
    let store = rig.store();
    let found = store.reader().unwrap().query_row(
        "SELECT exit, summary ->> '$.outcome.is' FROM run ORDER BY no DESC LIMIT 1",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    );
    drop(store);
    rig.close();
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_budget_ends_a_run_cleanly_and_the_next_ones_go_on() {
    let mut night = Night::with("time_budget = \"1m\"", 0).await;
    crowd(&night.rig, 1_500);
    let mut before = night.rig.sandbox.contact_count();
    let mut rounds = 0;
    while night.rig.sandbox.contact_count() < 2 + 5 + 1_500 {
        assert_eq!(night.pass(minutes(31)).await, 1);
        rounds += 1;
        let made = night.rig.sandbox.contact_count() - before;
        // Ten a second, and as many as were under way.
        assert!((1..=700).contains(&made), "{made} in round {rounds}");
        before += made;
        if rounds == 1 {
            let ended = newest(&mut night.rig);
            assert_eq!(ended, (0, "out-of-time".to_owned()));
        }
    }
    assert!((3..=6).contains(&rounds), "{rounds} rounds");
    assert_eq!(newest(&mut night.rig), (0, "finished".to_owned()));
    assert_eq!(unsettled(&mut night.rig), 0);
    assert_eq!(night.rig.sandbox.too_many(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_hours_end_a_run_start_none_and_are_made_up_for_once() {
    // The sandbox's clock begins where it does; the quiet hours come a minute after the second half hour from there.
    let start = settings(0, 0).start;
    let half = TimeDelta::minutes(30);
    let due = start.duration_trunc(half).unwrap() + half * 2;
    let (from, until) = (due + TimeDelta::minutes(1), due + TimeDelta::hours(3));
    let hours = format!(
        "quiet = [\"{}-{}\"]",
        from.format("%H:%M"),
        until.format("%H:%M")
    );
    let mut night = Night::with(&hours, 0).await;
    let wait = due - TimeDelta::minutes(1) - night.rig.clock.now();
    // The half hour before has its own run.
    assert_eq!(night.pass(wait.to_std().unwrap()).await, 1);
    let before = night.rig.sandbox.contact_count();
    crowd(&night.rig, 1_500);
    assert_eq!(night.pass(Duration::from_secs(61)).await, 1);
    assert_eq!(newest(&mut night.rig), (0, "out-of-time".to_owned()));
    let made = night.rig.sandbox.contact_count() - before;
    assert!((1..1_000).contains(&made), "{made}");
    let now = night.rig.clock.now();
    let rest = until - now - TimeDelta::minutes(1);
    assert_eq!(night.pass(rest.to_std().unwrap()).await, 0);
    assert_eq!(night.pass(minutes(2)).await, 1);
    assert_eq!(night.rig.sandbox.contact_count(), before + 1_500);
}

#[tokio::test]
async fn a_timers_run_rests_in_quiet_hours_and_calls_nobody() {
    let now = Utc::now();
    let hour = TimeDelta::hours(1);
    let quiet = format!(
        "timezone = \"UTC\"\nquiet = [\"{}-{}\"]",
        (now - hour).format("%H:%M"),
        (now + hour).format("%H:%M")
    );
    let rig = Rig::with_job(
        program::now(3, 2),
        &JOB.replace("timezone = \"UTC\"", &quiet),
    )
    .await;
    let rests = "rests in its quiet hours until";
    program::program(&rig, &["apply", "--scheduled"])
        .await
        .exits(0)
        .complains(&[rests]);
    assert!(rig.sandbox.calls().is_empty());
    // A person is not a timer.
    let ended = program::program(&rig, &["apply", "--allow", "first"]).await;
    assert!(!ended.err.contains(rests), "{ended}");
    assert_eq!(ended.code, Some(0), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_listing_that_does_not_fit_into_the_time_rests_and_new_followers_come_all_the_same()
{
    let mut night = Night::with("time_budget = \"1m\"\nfull = \"0 * * * *\"", 0).await;
    night.pass(minutes(31)).await;
    crowd(&night.rig, 1_500);
    let before = night.rig.sandbox.contact_count();
    // One o'clock: the listing of everybody is due, and the clock passes the budget while it is read.
    let page = "GET /channels/followers";
    let slow = Fault::new(FaultKind::Slow(Duration::from_millis(20)));
    night.rig.sandbox.fault(slow.on(page).times(1_000));
    let read = night.rig.sandbox.count(page);
    night.rig.advance(minutes(30));
    night.service.look().await;
    let mut is_over = false;
    while !night.service.running().is_empty() {
        if !is_over && night.rig.sandbox.count(page) > read + 2 {
            night.rig.advance(minutes(2));
            is_over = true;
        }
        match timeout(Duration::from_millis(2), night.events.recv()).await {
            Ok(event) => night.service.hear(event.unwrap()).await,
            Err(_) => night.service.look().await,
        }
    }
    assert!(is_over);
    assert_eq!(newest(&mut night.rig), (0, "out-of-time".to_owned()));
    assert_eq!(night.rig.sandbox.contact_count(), before);
    night.rig.sandbox.clear_faults();
    assert_eq!(night.pass(minutes(30)).await, 1);
    assert!(night.rig.sandbox.contact_count() > before + 100);
    let store = night.rig.store();
    let db = store.reader().unwrap();
    let mut passes = db.prepare("SELECT pass FROM run ORDER BY no").unwrap();
    let passes: Vec<String> = passes
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    // The person's, half past twelve, one o'clock, half past one.
    assert_eq!(passes, ["full", "normal", "full", "normal"]);
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
    // So the next start makes up for it.
    assert_eq!(last.ended_ms, None);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_while_the_state_takes_no_notes_takes_no_schedule_away() {
    let mut night = Night::new(0).await;
    let file = night.rig.state().join(STATE_FILE);
    let path = night.rig.folder.join("schedules/followers.toml");
    let edited = fs::read_to_string(&path).unwrap().replace("*/30", "*/20");
    fs::write(&path, edited).unwrap();
    // A broken pipe of a disk, for as long as the reload lasts: the table is away.
    let other = rusqlite::Connection::open(file).unwrap();
    other
        .execute_batch("ALTER TABLE agenda RENAME TO agenda_away")
        .unwrap();
    night.service.hear(Event::Reload).await;
    assert_eq!(night.pass(minutes(21)).await, 0);
    other
        .execute_batch("ALTER TABLE agenda_away RENAME TO agenda")
        .unwrap();
    assert_eq!(night.pass(minutes(21)).await, 1);
    assert_eq!(night.pass(minutes(21)).await, 1);
}
