//! What the new files say.

use chrono_tz::Tz;

use super::super::args::JobSet;
use crate::model::{AccountName, LocationId};

/// The first job is the one that the repository ships, with a few lines changed.
const JOB: &str = include_str!("../../../schedules/twitch-followers.toml");

/// The other jobs of a streamer, by their names.
const OF_A_STREAMER: &[(&str, &str)] = &[
    (
        "twitch-subscribers",
        include_str!("../../../schedules/twitch-subscribers.toml"),
    ),
    (
        "twitch-vips",
        include_str!("../../../schedules/twitch-vips.toml"),
    ),
    (
        "twitch-moderators",
        include_str!("../../../schedules/twitch-moderators.toml"),
    ),
    (
        "twitch-bits",
        include_str!("../../../schedules/twitch-bits.toml"),
    ),
    (
        "twitch-streams",
        include_str!("../../../schedules/twitch-streams.toml"),
    ),
];

/// The schedule that the shipped job has, and the one of a job when nothing else is asked for.
pub(super) const SCHEDULE: &str = "*/15 * * * *";

/// The name of the shipped job over followers.
pub(super) const JOB_NAME: &str = "twitch-followers";

/// Everything that the files are made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answers {
    pub(super) hub: AccountName,
    pub(super) location: LocationId,
    pub(super) login: HubLogin,
    pub(super) spoke: AccountName,
    pub(super) client_id: String,
    /// Where the secret of the application is found.
    pub(super) client_secret: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) timezone: Tz,
    pub(super) set: JobSet,
    /// Of the job over followers.
    pub(super) schedule: String,
    pub(super) encrypt: bool,
    pub(super) addresses: Addresses,
}

/// How the location logs in.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum HubLogin {
    Token,
    App(App),
    Agency(AccountName, App),
}

/// An app of HighLevel's marketplace.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct App {
    pub(super) client_id: String,
    /// Where its secret is found.
    pub(super) client_secret: String,
}

/// Addresses other than the vendors' own.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Addresses {
    pub(super) base_url: Option<String>,
    pub(super) authorize_url: Option<String>,
    pub(super) twitch_url: Option<String>,
    pub(super) auth_url: Option<String>,
}

/// Returns the main file.
pub(super) fn main_file(answers: &Answers, state: &str) -> String {
    let Answers {
        hub,
        location,
        login,
        spoke,
        client_id,
        client_secret,
        channel,
        timezone: _,
        set,
        schedule: _,
        encrypt,
        addresses,
    } = answers;
    let mut text = Text::default();
    text.say(&format!(
        "# The accounts of ghl-sync, and where it keeps things. After a change run `ghl-sync check`.\n\
         # What a job does stands in the files of the folder `schedules`. Every key is explained in schedules/README.md of ghl-sync.\n\n\
         # Folders, relative to this file.\n\
         schedules = \"schedules\"                # the jobs\n\
         state     = {:<26} # the database; it keeps the logins too\n\n\
         # A secret never stands in this file, only where it is found:\n\
         #   \"env:NAME\"         an environment variable\n\
         #   \"file:PATH\"        a file that only its owner can read (chmod 600); a relative path starts beside this file\n\
         #   \"credential:NAME\"  what systemd hands over; outside a unit the file credentials/NAME beside this file\n\n",
        format!("\"{state}\""),
    ));
    text.say(match encrypt {
        true => {
            "# The key that encrypts the logins in the state. Keep a copy of the file elsewhere: without it you have to log in again.\n\
             token_key = \"file:token.key\"\n"
        }
        false => {
            "# The key that encrypts the logins in the state: a secret of 64 hex digits, such as `openssl rand -hex 32` prints.\n\
             # token_key = \"file:token.key\"\n"
        }
    });
    text.say(
        "# To change it, name the new one above and the one before here.\n\
         # old_token_key = \"file:old-token.key\"\n\n\
         # A proxy on the way to the vendors.\n\
         # proxy = \"http://proxy.example.com:3128\"\n\n",
    );

    text.say(&format!(
        "# The HighLevel location. Jobs say `account = \"{hub}\"`.\n[accounts.{hub}]\n"
    ));
    text.set("service", "highlevel");
    text.set("location", location.as_str());
    match login {
        HubLogin::Token => text.say(
            "# No `token`, `client_id` or `agency`: `ghl-sync auth highlevel` asks for a private integration token and keeps it in the state.\n",
        ),
        HubLogin::App(app) => {
            text.say("# The OAuth app that `ghl-sync auth highlevel` logs in.\n");
            text.app(app, addresses);
        }
        HubLogin::Agency(agency, _) => {
            text.say("# The agency account whose login makes the tokens of this location.\n");
            text.set("agency", agency.as_str());
        }
    }
    text.maybe("base_url", &addresses.base_url);
    text.say(
        "# Calls a day that are left to your other tools; 5 % of what HighLevel allows when left out.\n# reserve = 10000\n\n",
    );

    if let HubLogin::Agency(agency, app) = login {
        text.say(&format!(
            "# The HighLevel agency, which `ghl-sync auth highlevel` logs in. Locations say `agency = \"{agency}\"`.\n[accounts.{agency}]\n"
        ));
        text.set("service", "highlevel.agency");
        text.app(app, addresses);
        text.maybe("base_url", &addresses.base_url);
        text.say("\n");
    }

    text.say(&format!(
        "# The Twitch channel, which `ghl-sync auth twitch` logs in. Jobs say `account = \"{spoke}\"`.\n[accounts.{spoke}]\n"
    ));
    text.set("service", "twitch");
    text.say("# The Client ID of your application on dev.twitch.tv; it is no secret.\n");
    text.set("client_id", client_id);
    match client_secret {
        Some(source) => {
            text.say("# Where the secret of the application is found, because its client type is Confidential.\n");
            text.set("client_secret", source);
        }
        None => text.say(
            "# Where the secret of the application is found, if its client type is Confidential.\n# client_secret = \"file:secrets/twitch-app\"\n",
        ),
    }
    text.say(match set {
        JobSet::Followers => "# The channel whose followers are read, as in twitch.tv/LOGIN. Left out: the channel of the person who logs in.\n",
        JobSet::Streamer => "# The channel that is read, as in twitch.tv/LOGIN, by its own broadcaster's login. Left out: the channel of the person who logs in.\n",
    });
    match channel {
        Some(channel) => text.set("channel", channel),
        None => text.say("# channel = \"login\"\n"),
    }
    text.maybe("base_url", &addresses.twitch_url);
    text.maybe("auth_url", &addresses.auth_url);
    text.0
}

/// Returns the files of the jobs, each with the job's name.
pub(super) fn job_files(answers: &Answers) -> Vec<(&'static str, String)> {
    let mut files = vec![(JOB_NAME, job_file(answers))];
    match answers.set {
        JobSet::Followers => {}
        JobSet::Streamer => files.extend(OF_A_STREAMER.iter().map(|(name, text)| {
            let changed = everywhere(answers)
                .into_iter()
                .fold((*text).to_owned(), |text, (from, to)| {
                    text.replacen(from, &to, 1)
                });
            (*name, changed)
        })),
    }
    files
}

/// Returns the names of a streamer's jobs, that over followers first.
pub(super) fn streamers_jobs() -> Vec<&'static str> {
    let others = OF_A_STREAMER.iter().map(|(name, _)| *name);
    std::iter::once(JOB_NAME).chain(others).collect()
}

/// Returns the custom fields that the jobs fill, each once, by name.
pub(super) fn custom_fields(answers: &Answers) -> Vec<String> {
    // Of the shipped jobs they are the lines that begin so.
    let mut fields: Vec<String> = job_files(answers)
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter(|line| line.starts_with("twitch_"))
        .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
        .collect();
    fields.sort();
    fields.dedup();
    fields
}

/// Returns the file of the job over followers.
fn job_file(answers: &Answers) -> String {
    let mut text = JOB.to_owned();
    for (from, to) in changes(answers) {
        text = text.replacen(from, &to, 1);
    }
    if answers.schedule != SCHEDULE {
        text = text.replacen(THIS_ONE, "\n#", 1);
    }
    text
}

/// What the shipped job says about its own schedule.
const THIS_ONE: &str = " This one: every 15\n# minutes.";

/// Returns what is changed in the shipped job over followers, where each is there once.
fn changes(answers: &Answers) -> Vec<(&'static str, String)> {
    let mut changes = everywhere(answers);
    changes.extend([
        (
            "see systemd/README.md.",
            "see systemd/README.md of ghl-sync.".to_owned(),
        ),
        (
            "schedule = \"*/15 * * * *\"",
            format!("schedule = {}", quoted(&answers.schedule)),
        ),
    ]);
    changes
}

/// Returns what is changed in every shipped job, where each is there once.
fn everywhere(answers: &Answers) -> Vec<(&'static str, String)> {
    // As wide as in the shipped file, so that its comments stay in their column.
    let account = |name: &AccountName| {
        let line = format!("account = \"{name}\"");
        format!("{line:<38} # [accounts.{name}] in the main file")
    };
    let timezone = format!("timezone = {}", quoted(answers.timezone.name()));
    vec![
        (
            "is in README.md beside this file",
            "is in schedules/README.md of ghl-sync".to_owned(),
        ),
        (
            "timezone = \"America/New_York\"          #",
            format!("{timezone:<38} #"),
        ),
        (
            "account = \"my-channel\"                 # [accounts.my-channel] in ghl-sync.toml",
            account(&answers.spoke),
        ),
        (
            "account = \"main\"                       # [accounts.main] in ghl-sync.toml",
            account(&answers.hub),
        ),
    ]
}

/// Returns a text as TOML writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A file that grows.
#[derive(Default)]
struct Text(String);

impl Text {
    fn say(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn set(&mut self, key: &str, value: &str) {
        self.say(&format!("{key} = {}\n", quoted(value)));
    }

    fn maybe(&mut self, key: &str, value: &Option<String>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    fn app(&mut self, app: &App, addresses: &Addresses) {
        self.set("client_id", &app.client_id);
        self.set("client_secret", &app.client_secret);
        self.maybe("authorize_url", &addresses.authorize_url);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{self, Account, Config};

    fn answers() -> Answers {
        Answers {
            hub: AccountName::try_from("main").unwrap(),
            location: LocationId::try_from("ve9EPM428h8vShlRW1KT").unwrap(),
            login: HubLogin::Token,
            spoke: AccountName::try_from("my-channel").unwrap(),
            client_id: "abc123".to_owned(),
            client_secret: None,
            channel: None,
            timezone: Tz::UTC,
            set: JobSet::Followers,
            schedule: SCHEDULE.to_owned(),
            encrypt: true,
            addresses: Addresses::default(),
        }
    }

    fn loaded(name: &str, answers: &Answers) -> Config {
        let folder: PathBuf =
            std::env::temp_dir().join(format!("ghl-sync-text-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("schedules")).unwrap();
        std::fs::write(folder.join("ghl-sync.toml"), main_file(answers, "state")).unwrap();
        for (name, text) in job_files(answers) {
            std::fs::write(folder.join(format!("schedules/{name}.toml")), text).unwrap();
        }
        let config = config::load(&folder.join("ghl-sync.toml"));
        std::fs::remove_dir_all(&folder).unwrap();
        config.unwrap_or_else(|problems| panic!("{problems}\n{}", main_file(answers, "state")))
    }

    #[test]
    fn whatever_is_answered_the_files_have_no_problem() {
        let app = App {
            client_id: "65f-abc".to_owned(),
            client_secret: "file:it's \"odd\" \\ \u{e9}".to_owned(),
        };
        let address = |text: &str| Some(text.to_owned());
        let addresses = Addresses {
            base_url: address("http://127.0.0.1:1"),
            authorize_url: address("http://127.0.0.1:2/choose"),
            twitch_url: address("http://127.0.0.1:3"),
            auth_url: address("http://127.0.0.1:4"),
        };
        let agency = AccountName::try_from("firm").unwrap();
        let mut count = 0;
        for login in [
            HubLogin::Token,
            HubLogin::App(app.clone()),
            HubLogin::Agency(agency, app),
        ] {
            for (encrypt, addresses) in [(true, Addresses::default()), (false, addresses.clone())] {
                count += 1;
                let answers = Answers {
                    hub: AccountName::try_from("hub-9").unwrap(),
                    spoke: AccountName::try_from("spoke-9").unwrap(),
                    login: login.clone(),
                    client_secret: encrypt.then(|| "credential:twitch".to_owned()),
                    channel: encrypt.then(|| "some_one".to_owned()),
                    timezone: Tz::Asia__Tokyo,
                    schedule: "5 8-18 * * MON-FRI".to_owned(),
                    encrypt,
                    addresses,
                    ..answers()
                };
                let config = loaded(&count.to_string(), &answers);
                assert_eq!(config.token_key.is_some(), encrypt);
                let text = job_file(&answers);
                assert!(!text.contains("[accounts.m"), "{text}");
                assert!(text.contains("# [accounts.hub-9] in the"), "{text}");
                let job = config.jobs.values().next().unwrap();
                assert_eq!((job.name.as_str(), job.to.as_str()), (JOB_NAME, "hub-9"));
                assert_eq!(job.from.as_str(), "spoke-9");
                assert_eq!(job.timezone, Tz::Asia__Tokyo);
                assert_eq!(job.schedule.as_deref(), Some("5 8-18 * * MON-FRI"));
                let Account::HighLevel(hub) = &config.accounts[&job.to] else {
                    panic!("{config:?}");
                };
                let is_sandbox = hub.base_url == "http://127.0.0.1:1";
                assert_eq!(is_sandbox, !encrypt);
                let fits = match (&login, &hub.login) {
                    (HubLogin::Token, config::HubLogin::Kept) => true,
                    (HubLogin::App(app), config::HubLogin::App(read)) => read
                        .client_secret
                        .to_string()
                        .ends_with(&app.client_secret[5..]),
                    (HubLogin::Agency(name, _), config::HubLogin::Agency(read)) => name == read,
                    _ => false,
                };
                assert!(fits, "{hub:?}");
            }
        }
    }

    #[test]
    fn every_line_that_is_changed_in_the_shipped_job_is_there() {
        let mut text = JOB.to_owned();
        for (from, to) in changes(&answers()) {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text = text.replacen(from, &to, 1);
        }
        assert_eq!(JOB.matches(THIS_ONE).count(), 1);
        let other = Answers {
            schedule: "0 3 * * *".to_owned(),
            ..answers()
        };
        assert!(!job_file(&other).contains("15"));
        assert!(job_file(&answers()).contains("every 15"));
    }

    #[test]
    fn a_streamers_jobs_are_those_that_are_shipped_with_the_same_lines_changed() {
        let answers = Answers {
            hub: AccountName::try_from("hub-9").unwrap(),
            spoke: AccountName::try_from("spoke-9").unwrap(),
            timezone: Tz::Asia__Tokyo,
            schedule: "5 8-18 * * MON-FRI".to_owned(),
            set: JobSet::Streamer,
            ..answers()
        };
        for (name, text) in OF_A_STREAMER {
            for (from, _) in everywhere(&answers) {
                assert_eq!(text.matches(from).count(), 1, "{name}: {from}");
            }
        }
        for (name, text) in job_files(&answers) {
            assert!(!text.contains("[accounts.m"), "{text}");
            assert!(!text.contains("beside this file;"), "{text}");
            assert!(text.contains(&format!("name = \"{name}\"")), "{text}");
        }
        let config = loaded("streamer", &answers);
        assert_eq!(config.jobs.len(), 6);
        for job in config.jobs.values() {
            assert_eq!((job.from.as_str(), job.to.as_str()), ("spoke-9", "hub-9"));
            assert_eq!(job.timezone, Tz::Asia__Tokyo);
            // Jobs of the same minute share what one of them read: each meets the followers' or the streams'.
            let is_followers = job.name.as_str() == JOB_NAME;
            let line = job.schedule.as_deref().unwrap();
            assert_eq!(line == "5 8-18 * * MON-FRI", is_followers, "{line}");
        }
    }
}
