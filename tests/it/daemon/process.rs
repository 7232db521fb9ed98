//! A real process under a notify socket: what a service manager hears, and what signals do.

use std::fs;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use ghl_sync::plan::agenda::Memory;
use ghl_sync::sandbox::{Fault, FaultKind};
use ghl_sync::store::agenda::{memory, remember};

use crate::program::{Running, command, hearing, now, program};
use crate::rig::{JOB, Rig};
use crate::scenes::unsettled;

pub(super) const CREATE: &str = "POST /contacts/";

/// The line and zone of the rig's job as the agenda keeps them.
const EVERY_HOUR: &str = "0 * * * * UTC";

/// The rig's job with a schedule whose next moment no test waits for.
fn hourly(name: &str) -> String {
    JOB.replace(
        "name = \"followers\"",
        &format!("name = \"{name}\"\nschedule = \"0 * * * *\""),
    )
}

/// A rig whose job was approved, with this many new followers since.
pub(super) async fn approved(new: u64) -> Rig {
    let mut rig = Rig::with_job(now(3, 2), &hourly("followers")).await;
    program(&rig, &["apply", "--allow", "first"]).await.exits(0);
    for number in 0..new {
        let id = format!("77{number:04}");
        rig.sandbox
            .follow(&id, &format!("late_{number}"), &format!("Late_{number}"));
    }
    rig.sandbox.clear_calls();
    rig.close();
    rig
}

/// Lets the job of a rig be due at once: its schedule has been watched for two hours and nothing was served.
pub(super) async fn make_due(rig: &mut Rig) {
    let job = "followers".to_owned().try_into().unwrap();
    let seen = Utc::now() - TimeDelta::hours(2);
    let due = Memory {
        line: EVERY_HOUR.to_owned(),
        seen,
        served: None,
        begun: None,
        failures: 0,
        failed_at: None,
        why: None,
        not_before: None,
    };
    let store = rig.store();
    store
        .write(move |db| remember(db, &job, &due))
        .await
        .unwrap();
    drop(store);
    rig.close();
}

/// What the schedule of the rig's job remembers.
pub(super) fn remembered(rig: &mut Rig) -> Memory {
    let job = "followers".to_owned().try_into().unwrap();
    let found = memory(&rig.store().reader().unwrap(), &job).unwrap();
    rig.close();
    found.unwrap()
}

/// The socket of a service manager.
pub(super) struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    heard: Vec<String>,
}

impl Manager {
    pub(super) fn new(rig: &Rig) -> Manager {
        let path = rig.folder.join("notify.sock");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Manager {
            socket,
            path,
            heard: Vec::new(),
        }
    }

    /// Starts the daemon; with a watchdog it has to give a sign of life within this time.
    pub(super) fn start(&self, rig: &Rig, watchdog: Option<Duration>) -> Running {
        let mut daemon: Command = hearing(&command(rig, &["daemon"]));
        daemon.env("NOTIFY_SOCKET", &self.path);
        if let Some(watchdog) = watchdog {
            daemon.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        Running::of(rig, daemon)
    }

    /// Takes in what was said since the last time.
    fn listen(&mut self) {
        let mut buffer = [0_u8; 4096];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    self.heard.push(said);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits until this is said, and forgets everything up to it.
    pub(super) async fn until(&mut self, running: &mut Running, text: &str) -> String {
        let mut found = None;
        let began = Instant::now();
        while found.is_none() {
            self.listen();
            found = self.heard.iter().position(|said| said.contains(text));
            assert!(
                found.is_some() || running.is_running(),
                "it ended without saying `{text}`: {}",
                running.said()
            );
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "`{text}` is not said: {:?}\n{}",
                self.heard,
                running.said()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let at = found.unwrap();
        self.heard.drain(..=at).next_back().unwrap()
    }

    /// Waits for so many signs of life.
    async fn signs(&mut self, running: &mut Running, count: u32) {
        self.listen();
        self.heard.clear();
        for _ in 0..count {
            self.until(running, "WATCHDOG=1").await;
        }
    }
}

/// Returns how many contacts the late followers have; nobody has two.
pub(super) fn late(rig: &Rig, new: u64) -> usize {
    let mut made = 0;
    for number in 0..new {
        let contacts = rig
            .sandbox
            .contacts_by_field("twitch_user_id", &format!("77{number:04}"));
        assert!(contacts.len() < 2, "{contacts:#?}");
        made += contacts.len();
    }
    made
}

#[tokio::test]
async fn it_is_ready_without_any_call() {
    let rig = approved(1).await;
    let mut manager = Manager::new(&rig);
    let mut daemon = manager.start(&rig, None);
    manager.until(&mut daemon, "READY=1").await;
    assert!(rig.sandbox.calls().is_empty());
    daemon.signal("TERM");
    daemon.end().await.exits(0);
    assert!(rig.sandbox.calls().is_empty());
}

#[tokio::test]
async fn it_runs_what_is_due_and_ends_when_told() {
    let mut rig = approved(2).await;
    make_due(&mut rig).await;
    let mut manager = Manager::new(&rig);
    let mut daemon = manager.start(&rig, None);
    let ready = manager.until(&mut daemon, "READY=1").await;
    assert!(ready.contains("STATUS="), "{ready}");
    manager.until(&mut daemon, "STATUS=running followers").await;
    let idle = manager
        .until(&mut daemon, "STATUS=idle; next followers at")
        .await;
    assert!(idle.trim_end().ends_with(":00 UTC"), "{idle}");
    assert_eq!(late(&rig, 2), 2);
    // A second daemon on the same state is told who is there.
    let id = daemon.id();
    program(&rig, &["daemon"])
        .await
        .exits(8)
        .complains(&[&format!("ghl-sync daemon, process {id}, since")]);
    daemon.signal("TERM");
    manager.until(&mut daemon, "STOPPING=1").await;
    let ended = daemon.end().await.exits(0);
    assert!(ended.err.contains("the daemon ends"), "{ended}");
    assert_eq!(ended.out, "", "reports are for people: {ended}");
    let memory = remembered(&mut rig);
    assert_eq!((memory.begun, memory.failures), (None, 0));
    assert!(memory.served.is_some());
}

#[tokio::test]
async fn a_reload_takes_a_good_file_up_and_leaves_everything_at_a_bad_one() {
    let rig = approved(0).await;
    let mut manager = Manager::new(&rig);
    let mut daemon = manager.start(&rig, None);
    manager.until(&mut daemon, "READY=1").await;
    let bad = rig.folder.join("schedules/second.toml");
    fs::write(&bad, hourly("second").replace("0 * * * *", "61 * * * *")).unwrap();
    daemon.signal("HUP");
    manager.until(&mut daemon, "RELOADING=1").await;
    let said = manager.until(&mut daemon, "READY=1").await;
    assert!(said.contains("an older configuration is in use"), "{said}");
    assert!(said.contains("next followers"), "{said}");
    let log = daemon.said();
    for part in [
        "second.toml:3",
        "`61` is not a minute",
        "mend the files and reload again",
    ] {
        assert!(log.contains(part), "`{part}`: {log}");
    }
    fs::write(&bad, hourly("second").replace("0 * * * *", "30 * * * *")).unwrap();
    daemon.signal("HUP");
    manager.until(&mut daemon, "RELOADING=1").await;
    let said = manager.until(&mut daemon, "READY=1").await;
    assert!(!said.contains("older configuration"), "{said}");
    assert!(
        daemon.said().contains("loaded again: 2 jobs"),
        "{}",
        daemon.said()
    );
    // The state is elsewhere: not while it runs.
    let main = fs::read_to_string(rig.config_path()).unwrap();
    fs::write(rig.config_path(), format!("state = \"other\"\n{main}")).unwrap();
    daemon.signal("HUP");
    manager.until(&mut daemon, "older configuration").await;
    assert!(
        daemon.said().contains("moves the state"),
        "{}",
        daemon.said()
    );
    assert!(!rig.folder.join("other").exists());
    daemon.signal("INT");
    daemon.end().await.exits(0);
}

#[tokio::test]
async fn killed_in_the_middle_of_a_run_it_catches_up_and_makes_nobody_twice() {
    const NEW: u64 = 20;
    let mut rig = approved(NEW).await;
    make_due(&mut rig).await;
    let slow = Fault::new(FaultKind::Slow(Duration::from_millis(100))).on(CREATE);
    rig.sandbox.fault(slow.times(1_000));
    let mut manager = Manager::new(&rig);
    let mut daemon = manager.start(&rig, None);
    daemon.until(|_| rig.sandbox.count(CREATE) >= 5).await;
    daemon.signal("KILL");
    assert_eq!(daemon.end().await.code, None);
    assert!(remembered(&mut rig).begun.is_some());
    rig.sandbox.clear_faults();

    let mut daemon = manager.start(&rig, None);
    manager.until(&mut daemon, "STATUS=running followers").await;
    manager
        .until(&mut daemon, "STATUS=idle; next followers at")
        .await;
    assert!(
        daemon.said().contains("was killed; it is caught up now"),
        "{}",
        daemon.said()
    );
    daemon.signal("TERM");
    daemon.end().await.exits(0);
    let memory = remembered(&mut rig);
    assert_eq!((memory.begun, memory.failures), (None, 0));
    let made = late(&rig, NEW) as u64;
    assert!(made >= NEW - 10, "only what was under way waits: {made}");
    for _ in 0..4 {
        rig.advance(Duration::from_secs(16 * 60));
        rig.apply().await;
    }
    assert_eq!(late(&rig, NEW) as u64, NEW);
    assert_eq!(unsettled(&mut rig), 0);
}

#[tokio::test]
async fn told_to_end_in_the_middle_of_a_run_it_lets_the_calls_end_and_the_next_start_goes_on() {
    const NEW: u64 = 40;
    let mut rig = approved(NEW).await;
    make_due(&mut rig).await;
    let slow = Fault::new(FaultKind::Slow(Duration::from_millis(200))).on(CREATE);
    rig.sandbox.fault(slow.times(1_000));
    let mut manager = Manager::new(&rig);
    let mut daemon = manager.start(&rig, None);
    daemon.until(|_| rig.sandbox.count(CREATE) >= 5).await;
    daemon.signal("TERM");
    manager.until(&mut daemon, "STOPPING=1").await;
    let ended = daemon.end().await.exits(0);
    assert!(ended.err.contains("followers was stopped"), "{ended}");
    let made = late(&rig, NEW) as u64;
    assert!((5..NEW).contains(&made), "{made} were made: {ended}");
    assert_eq!(unsettled(&mut rig), 0, "{ended}");
    rig.close();
    rig.sandbox.clear_faults();

    let mut daemon = manager.start(&rig, None);
    manager.until(&mut daemon, "STATUS=running followers").await;
    manager
        .until(&mut daemon, "STATUS=idle; next followers at")
        .await;
    daemon.signal("TERM");
    daemon.end().await.exits(0);
    assert_eq!(late(&rig, NEW) as u64, NEW);
    assert_eq!(unsettled(&mut rig), 0);
}

#[tokio::test]
async fn a_stuck_state_starves_the_watchdog_and_a_vendor_that_hangs_does_not() {
    let mut rig = approved(1).await;
    make_due(&mut rig).await;
    // The page of followers does not come while this test looks.
    let hang = Fault::new(FaultKind::Slow(Duration::from_secs(20)));
    rig.sandbox
        .fault(hang.on("GET /channels/followers").times(10));
    let mut manager = Manager::new(&rig);
    let mut daemon = manager.start(&rig, Some(Duration::from_millis(300)));
    manager.until(&mut daemon, "STATUS=running followers").await;
    daemon
        .until(|_| rig.sandbox.count("GET /channels/followers") > 0)
        .await;
    manager.signs(&mut daemon, 5).await;

    // Another program writes to the state and does not end.
    let blocker = rusqlite::Connection::open(rig.state().join("ghl-sync.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    daemon
        .until(|daemon| daemon.said().contains("is given no sign of life"))
        .await;
    manager.listen();
    manager.heard.clear();
    // Some probes later it is still so.
    tokio::time::sleep(Duration::from_millis(400)).await;
    manager.listen();
    assert_eq!(manager.heard, Vec::<String>::new());
    blocker.execute_batch("ROLLBACK").unwrap();
    manager.until(&mut daemon, "WATCHDOG=1").await;
    daemon.signal("TERM");
    // Two that come at once are one to the system.
    manager.until(&mut daemon, "STOPPING=1").await;
    daemon.signal("TERM");
    let ended = daemon.end().await;
    assert_eq!(ended.code, Some(1), "told twice, it does not wait: {ended}");
}

#[tokio::test]
async fn a_failing_job_says_so_once_and_recovers_by_itself_when_it_was_made_to_work() {
    let mut rig = approved(1).await;
    make_due(&mut rig).await;
    fs::rename(rig.folder.join("twitch.token"), rig.folder.join("away")).unwrap();
    let mut manager = Manager::new(&rig);
    let mut daemon = manager.start(&rig, None);
    manager.until(&mut daemon, "1 job fails").await;
    let log = daemon.said();
    assert_eq!(log.matches("ERROR followers failed").count(), 1, "{log}");
    assert!(
        log.contains("twitch.token") && log.contains("tried again at"),
        "{log}"
    );
    // A reload is a person who wants to see whether it helps.
    daemon.signal("HUP");
    manager.until(&mut daemon, "RELOADING=1").await;
    manager.until(&mut daemon, "STATUS=running followers").await;
    manager.until(&mut daemon, "STATUS=idle").await;
    assert_eq!(
        daemon.said().matches("ERROR followers failed").count(),
        1,
        "{}",
        daemon.said()
    );
    fs::rename(rig.folder.join("away"), rig.folder.join("twitch.token")).unwrap();
    daemon.signal("HUP");
    manager.until(&mut daemon, "STATUS=running followers").await;
    manager
        .until(&mut daemon, "STATUS=idle; next followers")
        .await;
    let log = daemon.said();
    assert!(
        log.contains("followers works again after 2 failed runs"),
        "{log}"
    );
    assert_eq!(late(&rig, 1), 1);
    daemon.signal("TERM");
    daemon.end().await.exits(0);
}
