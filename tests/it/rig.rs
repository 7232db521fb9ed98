//! One job, one sandbox, one state folder, and a clock that tests move.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ghl_sync::config::{self, Account, HighLevelAccount, TwitchAccount};
use ghl_sync::model::{Clock, GuardKind, Job, StepKind};
use ghl_sync::net::{Auth, Gate, Line, LineParts, Reach, Secret, Tally, Timeouts, Vendor};
use ghl_sync::plan::wanted::{Mapping, mapping_hash};
use ghl_sync::report::{Report, ReportRow};
use ghl_sync::run::{Ask, Done, RunError, Stop, Watch, World, keeping_of, rows, run_job};
use ghl_sync::sandbox::{
    HIGHLEVEL_TOKEN, LOCATION_ID, Sandbox, Settings, TWITCH_CLIENT_ID, TWITCH_TOKEN,
};
use ghl_sync::store::Store;

/// The job that most tests run; tests change single lines of it.
pub(crate) const JOB: &str = r#"
name = "followers"
timezone = "UTC"
create_fields = true
[from]
source = "twitch.followers"
account = "channel"
[to]
destination = "highlevel.contacts"
account = "main"
[match]
by = ["link", "field:twitch_user_id"]
missing = "create"
[fields]
firstName = { value = "{{ user_name or user_login or 'twitch ' ~ user_id }}", own = "fill" }
twitch_user_id = "{{ user_id }}"
twitch_username = "{{ user_login }}"
twitch_followed_at = { value = "{{ followed_at | date }}", own = "create" }
[on.join]
add_tags = ["twitch follower"]
[on.leave]
remove_tags = ["twitch follower"]
add_tags = ["twitch unfollowed"]
"#;

static FOLDERS: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Rig {
    pub(crate) sandbox: Sandbox,
    pub(crate) folder: PathBuf,
    pub(crate) job: String,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
    store: Option<Store>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Rig {
    pub(crate) async fn new(settings: Settings) -> Rig {
        Rig::with_job(settings, JOB).await
    }

    pub(crate) async fn with_job(settings: Settings, job: &str) -> Rig {
        let sandbox = Sandbox::start(settings).await.unwrap();
        let number = FOLDERS.fetch_add(1, Ordering::SeqCst);
        // In memory where there is such a place: every commit waits for its disk, and no test here cuts the power.
        let memory = PathBuf::from("/dev/shm");
        let base = Some(memory).filter(|memory| memory.is_dir());
        let base = base.unwrap_or_else(std::env::temp_dir);
        let folder = base.join(format!("ghl-sync-it-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("schedules")).unwrap();
        let clock = Clock::starting_at(
            sandbox.now(),
            sandbox.clock_offset(),
            Some(Duration::from_millis(300)),
        );
        let rig = Rig {
            sandbox,
            folder,
            job: job.to_owned(),
            clock,
            stop: Stop::default(),
            store: None,
        };
        rig.write_config();
        rig
    }

    pub(crate) fn write_config(&self) {
        std::fs::write(self.folder.join("highlevel.token"), HIGHLEVEL_TOKEN).unwrap();
        std::fs::write(self.folder.join("twitch.token"), TWITCH_TOKEN).unwrap();
        for token in ["highlevel.token", "twitch.token"] {
            use std::os::unix::fs::PermissionsExt;
            let path = self.folder.join(token);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let main = format!(
            "[accounts.main]\nservice = \"highlevel\"\nlocation = \"{LOCATION_ID}\"\ntoken = \"file:highlevel.token\"\nbase_url = \"{}\"\nreserve = 0\n\
             [accounts.channel]\nservice = \"twitch\"\nclient_id = \"{TWITCH_CLIENT_ID}\"\ntoken = \"file:twitch.token\"\nbase_url = \"{}\"\nauth_url = \"{}/oauth2\"\n",
            self.sandbox.highlevel_url(),
            self.sandbox.helix_url(),
            self.sandbox.id_url(),
        );
        std::fs::write(self.folder.join("ghl-sync.toml"), main).unwrap();
        std::fs::write(self.folder.join("schedules/followers.toml"), &self.job).unwrap();
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder.join("ghl-sync.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.sandbox.advance(by);
    }

    /// Opens the state once and keeps it open, as one process would.
    pub(crate) fn store(&mut self) -> Store {
        let state = self.state();
        self.store
            .get_or_insert_with(|| Store::open(&state).unwrap())
            .clone()
    }

    /// Forgets the open state, as the end of a process would.
    pub(crate) fn close(&mut self) {
        self.store = None;
    }

    pub(crate) fn world(&mut self, reach: Reach) -> World {
        let store = self.store();
        self.world_on(store, reach)
    }

    pub(crate) fn world_on(&self, store: Store, reach: Reach) -> World {
        let config =
            config::load(&self.config_path()).unwrap_or_else(|problems| panic!("{problems}"));
        let job = config.jobs.values().next().unwrap().clone();
        let (hub, spoke) = accounts(&config, &job);
        let tally = Tally::default();
        let line = |vendor, base: &str, token: &str, gate: &str, client: Option<&str>| {
            let gate = Gate::new(store.clone(), self.clock.clone(), vendor, gate, 0, 7);
            Line::new(LineParts {
                vendor,
                base_url: base.to_owned(),
                auth: Auth::Fixed(Secret::new(token)),
                proxy: None,
                client_id: client.map(str::to_owned),
                gate,
                clock: self.clock.clone(),
                tally: tally.clone(),
                reach,
                timeouts: Timeouts {
                    connect: Duration::from_secs(2),
                    whole: Duration::from_secs(5),
                },
                seed: 7,
            })
            .unwrap()
        };
        World {
            hub_line: line(
                Vendor::HighLevel,
                &hub.base_url,
                HIGHLEVEL_TOKEN,
                "highlevel",
                None,
            ),
            spoke_line: line(
                Vendor::Twitch,
                &spoke.base_url,
                TWITCH_TOKEN,
                "twitch",
                Some(TWITCH_CLIENT_ID),
            ),
            auth_line: line(
                Vendor::Twitch,
                &spoke.auth_url,
                TWITCH_TOKEN,
                "twitch-auth",
                Some(TWITCH_CLIENT_ID),
            ),
            validated_ms: Arc::default(),
            store,
            clock: self.clock.clone(),
            mapping: Arc::new(Mapping::new(&job).unwrap()),
            digest: mapping_hash(&job),
            keeping: Arc::new(keeping_of(config.jobs.values())),
            job: Arc::new(job),
            hub,
            spoke,
            stop: self.stop.clone(),
            watch: Watch::nobody(),
        }
    }

    pub(crate) async fn plan(&mut self) -> Told {
        self.run(Ask::default()).await.unwrap()
    }

    pub(crate) async fn apply(&mut self) -> Told {
        self.run(Ask {
            apply: true,
            ..Ask::default()
        })
        .await
        .unwrap()
    }

    /// Applies with every guard let through.
    pub(crate) async fn apply_all(&mut self) -> Told {
        self.run(ask_all()).await.unwrap()
    }

    pub(crate) async fn run(&mut self, ask: Ask) -> Result<Told, RunError> {
        let reach = if ask.apply {
            Reach::Everything
        } else {
            Reach::ReadsOnly
        };
        let world = self.world(reach);
        run_in(&world, &ask).await
    }
}

/// Everything let through.
pub(crate) fn ask_all() -> Ask {
    Ask {
        apply: true,
        allow: GuardKind::ALL.into_iter().collect::<BTreeSet<_>>(),
        ..Ask::default()
    }
}

pub(crate) async fn run_in(world: &World, ask: &Ask) -> Result<Told, RunError> {
    let Done { report, plan_no } = run_job(world, ask).await?;
    let rows = match plan_no {
        Some(plan_no) => rows(&world.store, plan_no)
            .collect::<Result<_, _>>()
            .unwrap(),
        None => Vec::new(),
    };
    Ok(Told { report, rows })
}

fn accounts(config: &config::Config, job: &Job) -> (HighLevelAccount, TwitchAccount) {
    let (Account::HighLevel(hub), Account::Twitch(spoke)) =
        (&config.accounts[&job.to], &config.accounts[&job.from])
    else {
        panic!("the accounts are of the wrong service")
    };
    (hub.clone(), spoke.clone())
}

/// What a run told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) report: Report,
    pub(crate) rows: Vec<ReportRow>,
}

impl Told {
    pub(crate) fn planned(&self, kind: StepKind) -> u64 {
        self.report
            .counts
            .get(&kind)
            .map_or(0, |counts| counts.planned)
    }

    pub(crate) fn done(&self, kind: StepKind) -> u64 {
        self.report
            .counts
            .get(&kind)
            .map_or(0, |counts| counts.done)
    }
}

/// A small honest world.
pub(crate) fn settings(followers: u64, contacts: u64) -> Settings {
    Settings {
        followers,
        contacts,
        ..Settings::default()
    }
}

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

pub(crate) fn hours(hours: u64) -> Duration {
    minutes(60 * hours)
}
