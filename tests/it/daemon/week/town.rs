//! Two locations with a channel each, five jobs, and a daemon whose clock a test moves.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ghl_sync::cli::daemon::{Event, Service, for_tests};
use ghl_sync::cli::{CliError, Worlds};
use ghl_sync::config::{self, Config};
use ghl_sync::model::{Clock, JobName};
use ghl_sync::net::Reach;
use ghl_sync::run::{Stop, Watch, run_job};
use ghl_sync::sandbox::{
    HIGHLEVEL_TOKEN, LOCATION_ID, Sandbox, Settings, TWITCH_CLIENT_ID, TWITCH_TOKEN,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::rig::{ask_all, minutes};

/// How far the clock moves between two looks; every moment of the schedules falls on one.
pub(super) const STEP: u64 = 10;

/// The longest that runs of one moment may take on the machine's clock; far more than they need.
const PATIENCE: Duration = Duration::from_secs(240);

const CREATE: &str = "POST /contacts/";

const SECOND_LOCATION: &str = "sandboxLocation00002";

/// A job that makes contacts.
const MAKES: &str = r#"
create_fields = true
[match]
by = ["link", "field:twitch_user_id"]
missing = "create"
[fields]
firstName = { value = "{{ user_name or user_login or 'twitch ' ~ user_id }}", own = "fill" }
twitch_user_id = "{{ user_id }}"
twitch_username = "{{ user_login }}"
[on.join]
add_tags = ["twitch follower"]
[on.leave]
remove_tags = ["twitch follower"]
add_tags = ["twitch unfollowed"]
"#;

/// A job that tags the contacts that are there.
const TAGS: &str = r#"
[match]
by = ["link", "field:twitch_user_id"]
missing = "skip"
[on.join]
add_tags = ["seen by NAME"]
[on.leave]
remove_tags = ["seen by NAME"]
"#;

/// Name, which of the two towns, `schedule`, `full`, zone, further keys, whether it makes contacts.
type JobRow = (
    &'static str,
    usize,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    bool,
);

/// Half past two does not exist in New York and Chicago on the fourth day; Kolkata and Lord Howe are off by half hours.
#[rustfmt::skip]
const JOBS: [JobRow; 5] = [
    ("a-main", 0, "0 * * * *", "30 2 * * *", "America/New_York", "", true),
    ("a-tags", 0, "20 * * * *", "0 4 * * *", "Asia/Kolkata", "", false),
    ("a-late", 0, "0 * * * *", "10 5 * * 1", "Europe/Berlin", "jitter = \"5m\"\n", false),
    ("b-main", 1, "0 * * * *", "30 2 * * *", "America/Chicago", "", true),
    ("b-tags", 1, "40 * * * *", "20 3 * * *", "Australia/Lord_Howe", "", false),
];

/// Both vendors twice, the state, and the daemon.
pub(super) struct Town {
    pub(super) sandboxes: [Sandbox; 2],
    pub(super) folder: PathBuf,
    pub(super) clock: Clock,
    daemon: Option<Daemon>,
    made: u64,
}

struct Daemon {
    service: Service,
    tell: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
}

/// One run that the daemon began.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) began: DateTime<Utc>,
    pub(super) ended: Option<DateTime<Utc>>,
    exit: Option<i64>,
}

impl Row {
    /// Returns whether it did what it could.
    pub(super) fn is_good(&self) -> bool {
        self.ended.is_some() && matches!(self.exit, Some(0 | 3 | 5 | 7))
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Town {
    /// Sets up everything; the first sync of every job was approved and has been carried out.
    pub(super) async fn new(start: DateTime<Utc>, daily: u64) -> Town {
        let first = Sandbox::start(Settings {
            start,
            daily,
            followers: 30,
            contacts: 12,
            // The vendors' own rates, and waits that are leaps.
            speed: 1.0,
            limits_in_virtual_time: true,
            keep_bodies: false,
            ..Settings::default()
        });
        let first = first.await.unwrap();
        let second = first.start_beside(Settings {
            seed: 2,
            start,
            followers: 20,
            contacts: 8,
            speed: 1.0,
            limits_in_virtual_time: true,
            keep_bodies: false,
            location: SECOND_LOCATION.to_owned(),
            ..Settings::default()
        });
        let second = second.await.unwrap();
        let memory = PathBuf::from("/dev/shm");
        let base = Some(memory).filter(|memory| memory.is_dir());
        let base = base.unwrap_or_else(std::env::temp_dir);
        let folder = base.join(format!("ghl-sync-week-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let offset = first.clock_offset();
        let mut town = Town {
            clock: Clock::starting_at(first.now(), offset, Some(Duration::from_millis(20))),
            sandboxes: [first, second],
            folder,
            daemon: None,
            made: 0,
        };
        town.write_files();
        town.approve().await;
        town.start().await;
        town
    }

    fn write_files(&self) {
        fs::create_dir_all(self.folder.join("schedules")).unwrap();
        for (name, token) in [
            ("highlevel.token", HIGHLEVEL_TOKEN),
            ("twitch.token", TWITCH_TOKEN),
        ] {
            let path = self.folder.join(name);
            fs::write(&path, token).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let mut main = String::new();
        for (index, location) in [LOCATION_ID, SECOND_LOCATION].iter().enumerate() {
            let sandbox = &self.sandboxes[index];
            main.push_str(&format!(
                "[accounts.hub-{index}]\nservice = \"highlevel\"\nlocation = \"{location}\"\ntoken = \"file:highlevel.token\"\nbase_url = \"{}\"\nreserve = 0\n\
                 [accounts.channel-{index}]\nservice = \"twitch\"\nclient_id = \"{TWITCH_CLIENT_ID}\"\ntoken = \"file:twitch.token\"\nbase_url = \"{}\"\nauth_url = \"{}/oauth2\"\n",
                sandbox.highlevel_url(),
                sandbox.helix_url(),
                sandbox.id_url(),
            ));
        }
        fs::write(self.config_path(), main).unwrap();
        for (name, index, schedule, full, zone, more, makes) in JOBS {
            let head = format!(
                "name = \"{name}\"\nschedule = \"{schedule}\"\nfull = \"{full}\"\ntimezone = \"{zone}\"\n{more}"
            );
            let tail = format!(
                "[from]\nsource = \"twitch.followers\"\naccount = \"channel-{index}\"\n[to]\ndestination = \"highlevel.contacts\"\naccount = \"hub-{index}\"\n\
                 [limits]\ncreate = 5000\nupdate = 5000\ntag = 5000\nleave = 5000\nreturn = 5000\n"
            );
            let body = if makes { MAKES } else { TAGS }.replace("NAME", name);
            let path = self.folder.join(format!("schedules/{name}.toml"));
            fs::write(path, format!("{head}{body}{tail}")).unwrap();
        }
    }

    fn config_path(&self) -> PathBuf {
        self.folder.join("ghl-sync.toml")
    }

    pub(super) fn config(&self) -> Config {
        config::load(&self.config_path()).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Lets a person carry every first sync out.
    async fn approve(&self) {
        let worlds = Worlds::open(self.config(), self.clock.clone())
            .await
            .unwrap();
        for (name, ..) in JOBS {
            let name = JobName::try_from(name.to_owned()).unwrap();
            let world = worlds.world(&name, Reach::Everything, Stop::default(), Watch::nobody());
            run_job(&world.unwrap(), &ask_all()).await.unwrap();
        }
    }

    async fn start(&mut self) {
        let (tell, events) = mpsc::unbounded_channel();
        let service = for_tests(&self.config_path(), self.clock.clone(), tell.clone()).await;
        self.daemon = Some(Daemon {
            service: service.unwrap_or_else(|error: CliError| panic!("{error}")),
            tell,
            events,
        });
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().unwrap()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Lets the clock move on by a step, and the daemon do what is due then.
    pub(super) async fn tick(&mut self) {
        self.sandboxes[0].advance(minutes(STEP));
        self.settle().await;
    }

    /// Lets the daemon look until nothing is under way any more.
    pub(super) async fn settle(&mut self) {
        let settled = timeout(PATIENCE, self.until_idle()).await;
        assert!(settled.is_ok(), "runs do not end at {}", self.now());
    }

    async fn until_idle(&mut self) {
        loop {
            let daemon = self.daemon();
            daemon.service.look().await;
            if daemon.service.running().is_empty() {
                return;
            }
            match timeout(Duration::from_millis(5), daemon.events.recv()).await {
                Ok(Some(event)) => daemon.service.hear(event).await,
                Ok(None) => panic!("the sender is kept above"),
                Err(_) => self.while_it_writes(),
            }
        }
    }

    /// A run that writes takes its time: half a minute for each contact that was made since the last look.
    fn while_it_writes(&mut self) {
        let made = self.sandboxes[0].count(CREATE);
        if made >= self.made + 5 {
            self.made = made;
            self.sandboxes[0].advance(minutes(1));
        }
    }

    /// Kills the daemon after so many commits more, if it comes to them at the next step, and starts it again.
    pub(super) async fn kill(&mut self, commits: u32) {
        let store = self.daemon().service.store();
        store.stop_after_commits(commits);
        self.tick().await;
        store.stop_after_commits(0);
        self.daemon = None;
        self.start().await;
        self.settle().await;
    }

    /// Ends the daemon as a service manager does, right when runs begin, and starts it again.
    pub(super) async fn restart(&mut self) {
        self.sandboxes[0].advance(minutes(STEP));
        let daemon = self.daemon();
        daemon.tell.send(Event::Stop).unwrap();
        let served = timeout(PATIENCE, daemon.service.serve(&mut daemon.events)).await;
        assert!(served.is_ok(), "the daemon does not end");
        self.daemon = None;
        self.start().await;
        self.settle().await;
    }

    /// Loads the configuration again.
    pub(super) async fn reload(&mut self) {
        self.daemon().service.hear(Event::Reload).await;
        self.settle().await;
    }

    /// Returns the runs that the daemon began, by job, in their order.
    pub(super) fn rows(&mut self) -> BTreeMap<String, Vec<Row>> {
        let db = self.daemon().service.store().reader().unwrap();
        let mut statement = db
            .prepare(
                "SELECT job.name, run.began_ms, run.ended_ms, run.exit FROM run JOIN job ON job.no = run.job_no
                 WHERE run.mode = 'apply' AND instr(run.holder, 'daemon') > 0 ORDER BY run.no",
            )
            .unwrap();
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
        let rows = statement.query_map([], |row| {
            let name: String = row.get(0)?;
            let row = Row {
                began: at(row.get(1)?),
                ended: row.get::<_, Option<i64>>(2)?.map(at),
                exit: row.get(3)?,
            };
            Ok((name, row))
        });
        let mut by_job = BTreeMap::<String, Vec<Row>>::new();
        for row in rows.unwrap() {
            let (name, row) = row.unwrap();
            by_job.entry(name).or_default().push(row);
        }
        by_job
    }

    /// Asks the state for one number.
    pub(super) fn number(&mut self, sql: &str) -> i64 {
        let db = self.daemon().service.store().reader().unwrap();
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}
