//! A rig whose accounts log in: the vendor's pairs are in the state, as `ghl-sync auth` leaves them there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ghl_sync::cli::Worlds;
use ghl_sync::config::{self, Account};
use ghl_sync::model::{AccountName, Clock, JobName};
use ghl_sync::net::auth::{highlevel, twitch};
use ghl_sync::net::{Auth, Grant, Keeper, Line, Purpose, Reach, Secret, Tally};
use ghl_sync::run::{Ask, RunError, Tick, Watch, World};
use ghl_sync::sandbox::{
    BROADCASTER_ID, HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET, HIGHLEVEL_SCOPES, LOCATION_ID,
    Settings, TWITCH_CLIENT_ID, TWITCH_CLIENT_SECRET, TWITCH_SCOPES, UserType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{Rig, Told, run_in};

/// The keys that tests encrypt logins with.
pub(crate) const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub(crate) const OTHER_KEY: &str =
    "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

/// What turns encryption on.
pub(crate) const KEYED: &str = "token_key = \"file:key\"\n";

/// Which account logs in, and how; the other one has a fixed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Twitch, by an application without a secret: a refresh token is good for one use.
    TwitchPublic,
    /// Twitch, by an application with a secret.
    TwitchConfidential,
    /// A HighLevel location.
    Location,
    /// A HighLevel agency, which makes the location's tokens.
    Agency,
}

impl Way {
    pub(crate) const ALL: [Way; 4] = [
        Way::TwitchPublic,
        Way::TwitchConfidential,
        Way::Location,
        Way::Agency,
    ];

    pub(crate) fn is_twitch(self) -> bool {
        matches!(self, Way::TwitchPublic | Way::TwitchConfidential)
    }

    /// The account that a person logs in.
    pub(crate) fn account(self) -> AccountName {
        let name = match self {
            Way::TwitchPublic | Way::TwitchConfidential => "channel",
            Way::Location => "main",
            Way::Agency => "agency",
        };
        AccountName::try_from(name.to_owned()).unwrap()
    }

    /// The account whose calls carry the token.
    pub(crate) fn caller(self) -> AccountName {
        let name = if self.is_twitch() { "channel" } else { "main" };
        AccountName::try_from(name.to_owned()).unwrap()
    }

    /// The route that makes the token of the calls.
    pub(crate) fn route(self) -> &'static str {
        match self {
            Way::TwitchPublic | Way::TwitchConfidential => "POST /oauth2/token",
            Way::Location => "POST /oauth/token",
            Way::Agency => "POST /oauth/locationToken",
        }
    }

    /// How long the access token lives.
    pub(crate) fn life(self) -> Duration {
        Duration::from_secs(if self.is_twitch() { 14_400 } else { 86_399 })
    }

    /// The command that a person is told when the login is lost.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Way::TwitchPublic | Way::TwitchConfidential => {
                "`ghl-sync auth twitch --account channel`"
            }
            Way::Location => "`ghl-sync auth highlevel --account main`",
            Way::Agency => "`ghl-sync auth highlevel --account agency`",
        }
    }

    pub(crate) fn settings(self, mut settings: Settings) -> Settings {
        if self == Way::TwitchConfidential {
            settings.twitch_client_secret = Some(TWITCH_CLIENT_SECRET.to_owned());
        }
        if self == Way::Agency {
            settings.switches.user_type = UserType::Company;
        }
        // Hours pass in the middle of a listing.
        settings.switches.cursor_life = Duration::from_secs(7 * 86_400);
        settings
    }
}

/// Writes a file that others cannot read.
pub(crate) fn write_secret(rig: &Rig, name: &str, text: &str) {
    let path = rig.folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Writes the configuration of a way to log in; `more` comes first.
pub(crate) fn write_config(rig: &Rig, way: Way, more: &str) {
    rig.write_config();
    write_secret(rig, "highlevel.secret", HIGHLEVEL_CLIENT_SECRET);
    write_secret(rig, "twitch.secret", TWITCH_CLIENT_SECRET);
    write_secret(rig, "key", KEY);
    write_secret(rig, "other.key", OTHER_KEY);
    let base = rig.sandbox.highlevel_url();
    let app =
        format!("client_id = \"{HIGHLEVEL_CLIENT_ID}\"\nclient_secret = \"file:highlevel.secret\"");
    let main = match way {
        Way::TwitchPublic | Way::TwitchConfidential => {
            "token = \"file:highlevel.token\"".to_owned()
        }
        Way::Location => app.clone(),
        Way::Agency => "agency = \"agency\"".to_owned(),
    };
    let agency = match way {
        Way::TwitchPublic | Way::TwitchConfidential | Way::Location => String::new(),
        Way::Agency => format!(
            "[accounts.agency]\nservice = \"highlevel.agency\"\n{app}\nbase_url = \"{base}\"\n"
        ),
    };
    let channel = match way {
        Way::TwitchPublic => "",
        Way::TwitchConfidential => "client_secret = \"file:twitch.secret\"\n",
        Way::Location | Way::Agency => "token = \"file:twitch.token\"\n",
    };
    let text = format!(
        "{more}[accounts.main]\nservice = \"highlevel\"\nlocation = \"{LOCATION_ID}\"\n{main}\nbase_url = \"{base}\"\nreserve = 0\n{agency}\
         [accounts.channel]\nservice = \"twitch\"\nclient_id = \"{TWITCH_CLIENT_ID}\"\n{channel}base_url = \"{}\"\nauth_url = \"{}\"\n",
        rig.sandbox.helix_url(),
        rig.sandbox.auth_url(),
    );
    fs::write(rig.config_path(), text).unwrap();
}

/// Starts a rig and logs its account in.
pub(crate) async fn logged(way: Way, settings: Settings) -> Rig {
    logged_with(way, settings, "").await
}

/// Does what [`logged`] does, with more keys in the main file.
pub(crate) async fn logged_with(way: Way, settings: Settings, more: &str) -> Rig {
    let mut rig = Rig::new(way.settings(settings)).await;
    // What the gate waits between two calls is passed over as well.
    let leaps = Some(Duration::from_millis(20));
    rig.clock = Clock::starting_at(rig.sandbox.now(), rig.sandbox.clock_offset(), leaps);
    write_config(&rig, way, more);
    log_in(&rig, way).await;
    rig.sandbox.clear_calls();
    rig
}

/// Opens the state and the configuration as a process would.
pub(crate) async fn worlds(rig: &Rig) -> Worlds {
    let config = config::load(&rig.config_path()).unwrap_or_else(|problems| panic!("{problems}"));
    Worlds::open(config, rig.clock.clone()).await.unwrap()
}

pub(crate) fn account(worlds: &Worlds, name: &AccountName) -> Account {
    worlds.config().accounts[name].clone()
}

pub(crate) fn keeper(worlds: &mut Worlds, name: &AccountName) -> Arc<Keeper> {
    let account = account(worlds, name);
    worlds.keeper(&account).unwrap().unwrap()
}

/// Logs the way's account in, as a person would.
pub(crate) async fn log_in(rig: &Rig, way: Way) {
    log_in_as(rig, way, BROADCASTER_ID).await;
}

/// Logs it in, at Twitch as this user.
pub(crate) async fn log_in_as(rig: &Rig, way: Way, user: &str) {
    let mut worlds = worlds(rig).await;
    let account = account(&worlds, &way.account());
    let line = worlds
        .token_line(&account, Auth::Nobody, &Tally::default())
        .unwrap();
    let (grant, owner) = match way {
        Way::TwitchPublic | Way::TwitchConfidential => {
            (device(rig, way, &line, user).await, user.to_owned())
        }
        Way::Location | Way::Agency => {
            let user = match way {
                Way::Agency => highlevel::UserType::Company,
                _ => highlevel::UserType::Location,
            };
            let grant = browser(rig, &line, user).await;
            let owner = grant.location.clone().or(grant.company.clone());
            (grant, owner.unwrap())
        }
    };
    let keeper = keeper(&mut worlds, &way.account());
    keeper.keep(grant, Some(owner), None).await.unwrap();
}

async fn device(rig: &Rig, way: Way, line: &Line, user: &str) -> Grant {
    let send = twitch::start_device(TWITCH_CLIENT_ID, TWITCH_SCOPES);
    let device = line.send(&send, Purpose::Announced).await.unwrap().value;
    rig.sandbox.approve_device(&device.user_code, user);
    let secret = Secret::new(TWITCH_CLIENT_SECRET);
    let secret = (way == Way::TwitchConfidential).then_some(&secret);
    let poll = twitch::poll_device(TWITCH_CLIENT_ID, secret, &device.device_code, TWITCH_SCOPES);
    line.send(&poll, Purpose::Announced).await.unwrap().value
}

const REDIRECT: &str = "http://localhost:3000/callback";

async fn browser(rig: &Rig, line: &Line, user: highlevel::UserType) -> Grant {
    let scopes = [HIGHLEVEL_SCOPES, &["oauth.readonly", "oauth.write"]].concat();
    let path = format!(
        "/highlevel/oauth/chooselocation?response_type=code&client_id={HIGHLEVEL_CLIENT_ID}&redirect_uri={REDIRECT}&scope={}",
        scopes.join("+")
    );
    let answer = get(rig, &path).await;
    let code = answer.split("code=").nth(1).unwrap();
    let code = code.split(['&', '\r', ' ']).next().unwrap();
    let secret = Secret::new(HIGHLEVEL_CLIENT_SECRET);
    let code = Secret::new(code);
    let call = highlevel::exchange_code(HIGHLEVEL_CLIENT_ID, &secret, &code, REDIRECT, user);
    line.send(&call, Purpose::Announced).await.unwrap().value
}

/// Opens a page of the sandbox as a browser does that follows no redirect.
async fn get(rig: &Rig, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(rig.sandbox.address())
        .await
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The world of one run.
pub(crate) fn world(worlds: &mut Worlds, rig: &Rig, ask: &Ask, watch: Watch) -> World {
    let reach = match ask.apply {
        true => Reach::Everything,
        false => Reach::ReadsOnly,
    };
    let job = JobName::try_from("followers".to_owned()).unwrap();
    worlds.world(&job, reach, rig.stop.clone(), watch).unwrap()
}

/// Runs the job as a process of its own would: everything is opened for it and closed after it.
pub(crate) async fn run(rig: &Rig, ask: &Ask) -> Result<Told, RunError> {
    run_watched(rig, ask, Watch::nobody()).await
}

pub(crate) async fn run_watched(rig: &Rig, ask: &Ask, watch: Watch) -> Result<Told, RunError> {
    let mut worlds = worlds(rig).await;
    let world = world(&mut worlds, rig, ask, watch);
    run_in(&world, ask).await
}

/// Lets `by` pass at each of the ticks `from` to `to` that count pages and steps.
pub(crate) fn passing(rig: &Rig, by: Duration, from: u64, to: u64) -> (Watch, Arc<AtomicU64>) {
    let offset: Arc<AtomicI64> = rig.sandbox.clock_offset();
    let seen = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&seen);
    let watch = Watch::new(move |tick| {
        if let Tick::Advance(_) = tick {
            let number = count.fetch_add(1, Ordering::SeqCst);
            if (from..to).contains(&number) {
                offset.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
            }
        }
    });
    (watch, seen)
}

/// Asserts that every follower has one contact, and that no other contact came.
pub(crate) fn assert_everyone_once(rig: &Rig, before: u64, case: &str) {
    let followers = rig.sandbox.followers();
    for follower in &followers {
        let contacts = rig
            .sandbox
            .contacts_by_field("twitch_user_id", &follower.id);
        assert_eq!(contacts.len(), 1, "{case}: {}", follower.id);
    }
    let all = before + followers.len() as u64;
    assert_eq!(rig.sandbox.contact_count(), all, "{case}");
}
