//! Where the answers come from: flags, and questions for what they leave open.

use std::path::{Path, PathBuf};

use chrono_tz::Tz;

use crate::config::{SecretSource, values};
use crate::model::{AccountName, LocationId};

use super::super::args::{HubWay, Init, JobSet};
use super::super::ask::{AskError, Asker};
use super::super::error::CliError;
use super::NOTHING;
use super::text::{Addresses, Answers, App, HubLogin, SCHEDULE};

/// What the flags say, each checked; `None` for those that are not given.
pub(super) struct Given {
    location: Option<LocationId>,
    way: Option<HubWay>,
    app_id: Option<String>,
    app_secret: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    channel: Option<String>,
    timezone: Option<Tz>,
    set: Option<JobSet>,
    schedule: Option<String>,
    no_encrypt: bool,
    hub: AccountName,
    spoke: AccountName,
    agency: AccountName,
    addresses: Addresses,
    /// The folder of the main file, at which relative paths of secrets start.
    folder: PathBuf,
}

impl Given {
    /// Checks the flags.
    ///
    /// Errors: everything that is wrong with them, in one message.
    pub(super) fn read(args: &Init, folder: &Path) -> Result<Given, CliError> {
        let mut wrong = Wrong::default();
        let source = |text: &str| source(text, folder);
        let location = wrong.of("--location", &args.location, location);
        let app_id = wrong.of("--app-id", &args.app_id, app_id);
        let app_secret = wrong.of("--app-secret", &args.app_secret, source);
        let client_id = wrong.of("--client-id", &args.client_id, client_id);
        let client_secret = wrong.of("--client-secret", &args.client_secret, source);
        let channel = wrong.of("--channel", &args.channel, values::twitch_login);
        let timezone = wrong.of("--timezone", &args.timezone, values::time_zone);
        let zone = timezone.unwrap_or(Tz::UTC);
        let schedule = wrong.of("--schedule", &args.schedule, |text| cron_line(text, zone));
        let mut name = |flag, text: &String| wrong.of(flag, &Some(text.clone()), account);
        let hub = name("--hub", &args.hub);
        let spoke = name("--spoke", &args.spoke);
        let agency = name("--agency", &args.agency);
        let addresses = Addresses {
            base_url: wrong.of("--base-url", &args.base_url, address),
            authorize_url: wrong.of("--authorize-url", &args.authorize_url, address),
            twitch_url: wrong.of("--twitch-url", &args.twitch_url, address),
            auth_url: wrong.of("--auth-url", &args.auth_url, address),
        };
        if hub.is_some() && (hub == spoke || hub == agency) || agency.is_some() && agency == spoke {
            wrong.say("--hub, --spoke and --agency: expected a name of its own for each account");
        }
        let is_app = matches!(args.highlevel, Some(HubWay::App | HubWay::Agency));
        if !is_app && (args.app_id.is_some() || args.app_secret.is_some()) {
            wrong.say("--app-id and --app-secret: expected --highlevel app or --highlevel agency beside them");
        }
        if !wrong.0.is_empty() {
            return Err(CliError::usage(wrong.0.join("\n")));
        }
        // Without a problem every name could be read.
        let (Some(hub), Some(spoke), Some(agency)) = (hub, spoke, agency) else {
            return Err(CliError::usage("an account has no name"));
        };
        Ok(Given {
            location,
            way: args.highlevel,
            app_id,
            app_secret,
            client_id,
            client_secret,
            channel,
            timezone,
            set: args.set,
            schedule,
            no_encrypt: args.no_encrypt,
            hub,
            spoke,
            agency,
            addresses,
            folder: folder.to_owned(),
        })
    }

    /// Returns the answers where nobody can be asked: the flags, and defaults for the others.
    ///
    /// Errors: all flags that are missing, in one message.
    pub(super) fn take(self, args: &Init) -> Result<Answers, CliError> {
        let mut missing = Vec::new();
        let mut need = |given: Option<String>, flag| {
            if given.is_none() {
                missing.push(flag);
            }
            given.unwrap_or_default()
        };
        // Its text, because a location has no empty one to go on with.
        let location = self.location.as_ref().map(|id| id.as_str().to_owned());
        need(location, "--location ID");
        let mut app = || App {
            client_id: need(self.app_id.clone(), "--app-id ID"),
            client_secret: need(self.app_secret.clone(), "--app-secret SOURCE"),
        };
        let login = match self.way {
            Some(HubWay::Token) | None => HubLogin::Token,
            Some(HubWay::App) => HubLogin::App(app()),
            Some(HubWay::Agency) => HubLogin::Agency(self.agency, app()),
        };
        let client_id = need(self.client_id, "--client-id ID");
        let (Some(location), []) = (self.location, missing.as_slice()) else {
            let why = match args.yes {
                true => "--yes asks nothing",
                false => "there is no terminal to ask on",
            };
            return Err(CliError::Usage {
                what: format!("{why}, and these are missing: {}", missing.join(", ")),
                hint: Some("`ghl-sync init --help` says where they are found".to_owned()),
            });
        };
        Ok(Answers {
            hub: self.hub,
            location,
            login,
            spoke: self.spoke,
            client_id,
            client_secret: self.client_secret,
            channel: self.channel,
            timezone: self.timezone.unwrap_or_else(zone_here),
            set: self.set.unwrap_or_default(),
            schedule: self.schedule.unwrap_or_else(|| SCHEDULE.to_owned()),
            encrypt: !self.no_encrypt,
            addresses: self.addresses,
        })
    }

    /// Asks for everything that the flags leave open.
    ///
    /// Errors: a person who stopped, and an input that ended.
    pub(super) async fn ask(self, asker: &mut Asker, has_key: bool) -> Result<Answers, CliError> {
        let asked = self.questions(asker, has_key).await;
        asked.map_err(|error| error.leaving(NOTHING))
    }

    async fn questions(self, asker: &mut Asker, has_key: bool) -> Result<Answers, AskError> {
        asker.tell("Ctrl-C ends this, and nothing is written before the last answer.");
        let location = match self.location {
            Some(location) => location,
            None => {
                asker.tell("\nThe HighLevel location: Settings, Business Profile, Location ID; in the browser it follows /location/.");
                asker.ask("Location ID", None, location).await?
            }
        };
        let way = match self.way {
            Some(way) => way,
            None => {
                asker.tell("\nHow to log in to HighLevel:");
                asker.choose("HighLevel login", WAYS).await?
            }
        };
        let folder = self.folder;
        let app = match way {
            HubWay::Token => None,
            HubWay::App | HubWay::Agency => {
                let client_id = match self.app_id {
                    Some(id) => id,
                    None => {
                        asker.tell("\nThe app, on marketplace.gohighlevel.com: My Apps, Advanced Settings, Auth. Its redirect URL has to be http://localhost:3000/callback.");
                        asker.ask("App Client ID", None, app_id).await?
                    }
                };
                let client_secret = match self.app_secret {
                    Some(source) => source,
                    None => {
                        asker.tell("Where its client secret is found, not the secret itself: env:NAME, file:PATH or credential:NAME.");
                        let read = |text: &str| source(text, &folder);
                        asker.ask("App secret", None, read).await?
                    }
                };
                Some(App {
                    client_id,
                    client_secret,
                })
            }
        };
        let login = match (way, app) {
            (HubWay::App, Some(app)) => HubLogin::App(app),
            (HubWay::Agency, Some(app)) => HubLogin::Agency(self.agency, app),
            (HubWay::Token, _) | (HubWay::App | HubWay::Agency, None) => HubLogin::Token,
        };

        let has_client = self.client_id.is_some();
        let client_id = match self.client_id {
            Some(id) => id,
            None => {
                asker.tell("\nThe Twitch application, on dev.twitch.tv/console/apps: OAuth Redirect URL http://localhost:3000, Client Type Public.");
                asker.ask("Client ID", None, client_id).await?
            }
        };
        let client_secret = match self.client_secret {
            Some(source) => Some(source),
            // Whoever knows the flags knows this one.
            None if has_client => None,
            None => {
                asker.tell("If its Client Type is Confidential, where its secret is found: env:NAME, file:PATH or credential:NAME.");
                let read = |text: &str| match text {
                    PUBLIC => Ok(None),
                    text => source(text, &folder).map(Some),
                };
                asker.ask("Client secret", Some(PUBLIC), read).await?
            }
        };
        let set = match self.set {
            Some(set) => set,
            None => {
                asker.tell("\nWhich jobs to begin with:");
                asker.choose("Jobs", SETS).await?
            }
        };
        let channel = match self.channel {
            Some(channel) => Some(channel),
            None => {
                asker.tell(match set {
                    JobSet::Followers => "The channel whose followers are read, as in twitch.tv/LOGIN.",
                    JobSet::Streamer => "The channel that is read, as in twitch.tv/LOGIN. Its broadcaster has to log in: Twitch shows subscribers, VIPs, moderators and bits to nobody else.",
                });
                let read = |text: &str| match text {
                    OWN => Ok(None),
                    text => values::twitch_login(text).map(Some),
                };
                asker.ask("Channel", Some(OWN), read).await?
            }
        };

        let timezone = match self.timezone {
            Some(zone) => zone,
            None => {
                asker.tell("\nThe time zone of the schedule, an IANA name such as Europe/Berlin.");
                let here = zone_here().name();
                asker
                    .ask("Time zone", Some(here), values::time_zone)
                    .await?
            }
        };
        let schedule = match self.schedule {
            Some(line) => line,
            // Its jobs have times that go together.
            None if set == JobSet::Streamer => SCHEDULE.to_owned(),
            None => {
                asker.tell("When the job is due: minute, hour, day of month, month, day of week.");
                let read = |text: &str| cron_line(text, timezone);
                asker.ask("Schedule", Some(SCHEDULE), read).await?
            }
        };
        let encrypt = if self.no_encrypt {
            false
        } else if has_key {
            true
        } else {
            asker.tell("\nLogins are kept in the state; a key beside the configuration, token.key, encrypts them there and in backups of it.");
            asker.yes_no("Make a key", true).await?
        };
        Ok(Answers {
            hub: self.hub,
            location,
            login,
            spoke: self.spoke,
            client_id,
            client_secret,
            channel,
            timezone,
            set,
            schedule,
            encrypt,
            addresses: self.addresses,
        })
    }
}

/// How to log in to HighLevel, with a line on each.
const WAYS: &[(&str, &str, HubWay)] = &[
    (
        "token",
        "a private integration token of the location; the simplest",
        HubWay::Token,
    ),
    (
        "app",
        "an OAuth app of yours, installed for the location",
        HubWay::App,
    ),
    (
        "agency",
        "an OAuth app of yours, installed for the agency of the location",
        HubWay::Agency,
    ),
];

/// The jobs to begin with, with a line on each.
const SETS: &[(&str, &str, JobSet)] = &[
    (
        "followers",
        "the followers of the channel; a moderator's login will do",
        JobSet::Followers,
    ),
    (
        "streamer",
        "followers, subscribers, VIPs, moderators, bits and streams: six jobs",
        JobSet::Streamer,
    ),
];

/// What stands for an application without a secret.
const PUBLIC: &str = "none, it is Public";

/// What stands for no channel.
const OWN: &str = "that of the person who logs in";

/// What is wrong with the flags.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn say(&mut self, what: &str) {
        self.0.push(what.to_owned());
    }

    fn of<T>(
        &mut self,
        flag: &str,
        given: &Option<String>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match read(given.as_deref()?) {
            Ok(value) => Some(value),
            Err(why) => {
                self.0.push(format!("{flag}: {why}"));
                None
            }
        }
    }
}

fn location(text: &str) -> Result<LocationId, String> {
    LocationId::try_from(text).map_err(|refused| refused.to_string())
}

fn account(text: &str) -> Result<AccountName, String> {
    AccountName::try_from(text).map_err(|refused| refused.to_string())
}

fn app_id(text: &str) -> Result<String, String> {
    values::check_highlevel_client(text).map(|()| text.to_owned())
}

fn client_id(text: &str) -> Result<String, String> {
    values::check_twitch_client(text).map(|()| text.to_owned())
}

fn cron_line(text: &str, zone: Tz) -> Result<String, String> {
    values::check_cron_line(text, zone).map(|()| text.to_owned())
}

fn address(text: &str) -> Result<String, String> {
    values::check_address(text, "token").map(|()| text.to_owned())
}

/// Takes where a secret is found, as it was written.
fn source(text: &str, folder: &Path) -> Result<String, String> {
    SecretSource::parse(text, folder).map(|_| text.to_owned())
}

/// Returns the time zone of this machine, UTC where it does not say.
fn zone_here() -> Tz {
    let of_variable = std::env::var("TZ").ok();
    let of_variable = of_variable
        .as_deref()
        .and_then(|name| name.trim_start_matches(':').parse().ok());
    match of_variable.or_else(zone_of_system) {
        // The name that people know.
        Some(Tz::Etc__UTC) | None => Tz::UTC,
        Some(zone) => zone,
    }
}

fn zone_of_system() -> Option<Tz> {
    let link = std::fs::read_link("/etc/localtime").ok()?;
    let (_, name) = link.to_str()?.split_once("zoneinfo/")?;
    name.parse().ok()
}
