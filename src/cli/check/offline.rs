//! What can be known without a call: the files, the secrets, the logins, the jobs.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;

use crate::config::{Account, Config, HubLogin, SecretSource, TwitchLogin};
use crate::model::{AccountName, FieldKey, Job, Missing};
use crate::net::resolve;
use crate::plan::due;
use crate::plan::wanted::{Mapping, mapping_hash};
use crate::store::tokens::{self, LoginFacts};
use crate::store::{Key, LoginKind, jobs};

use super::super::exit::Exit;
use super::super::status::moment;
use super::findings::{About, Found, parted};
use super::{Typed, channels_contact, notify, state};

/// Looks at everything that needs no call. `is_whole` says that every file could be read, and `is_asked` of which accounts the vendors are
/// asked afterwards, so that a login which is missing is said there.
pub(super) fn look(
    found: &mut Found,
    config: &Config,
    is_whole: bool,
    typed: &Typed,
    is_asked: impl Fn(&AccountName) -> bool,
    now: DateTime<Utc>,
) {
    let state = state::look(found, &config.state);
    let logins = match state.as_ref().map(tokens::all) {
        Some(Ok(logins)) => logins,
        Some(Err(error)) => {
            found.wrong_as_said(About::State, &error.to_string(), Exit::Failed);
            Vec::new()
        }
        None => Vec::new(),
    };
    key(found, config, state.as_ref(), &logins);
    for (name, account) in &config.accounts {
        // A job that cannot be read may use any account.
        let is_used = !is_whole || is_used(config, name);
        let before = (is_used, is_asked(name));
        self::account(found, name, account, before, &logins, typed, now);
    }
    for job in config.jobs.values() {
        self::job(found, job, state.as_ref(), typed, now);
    }
    channels_contact::look(found, config, state.as_ref(), typed);
    if config.jobs.is_empty() && is_whole {
        found.wrong(
            About::Configuration,
            "no job is configured",
            "put a job file into the folder that `schedules` in ghl-sync.toml names",
            Exit::BadConfig,
        );
    }
    notify::look(found, config);
    restarts(found, config);
}

/// Returns whether a job uses the account, or a used location takes its tokens from it.
pub(in crate::cli) fn is_used(config: &Config, name: &AccountName) -> bool {
    let by_a_job = |name: &AccountName| {
        let mut jobs = config.jobs.values();
        jobs.any(|job| job.from == *name || job.to == *name)
    };
    let mints = |account: &Account| match account {
        Account::HighLevel(hub) => match &hub.login {
            HubLogin::Agency(agency) => agency == name && by_a_job(&hub.name),
            HubLogin::Fixed(_) | HubLogin::Kept | HubLogin::App(_) => false,
        },
        Account::Agency(_) | Account::Twitch(_) => false,
    };
    by_a_job(name) || config.accounts.values().any(mints)
}

/// A login of a public Twitch application that was not renewed for so long is worth a word: it ends after 30 days. Source: Twitch, Getting OAuth
/// Access Tokens.
const IDLE: TimeDelta = TimeDelta::days(20);

/// The age at which HighLevel advises to rotate a private integration token. Source: HighLevel, Private Integrations.
const ROTATION: TimeDelta = TimeDelta::days(90);

/// Returns the command that logs an account in; an agency's location is logged in by its agency.
pub(in crate::cli) fn login_command(
    account: &Account,
    name: &AccountName,
    typed: &Typed,
) -> String {
    let (service, who) = match account {
        Account::HighLevel(hub) => match &hub.login {
            HubLogin::Agency(agency) => ("highlevel", agency),
            HubLogin::Fixed(_) | HubLogin::Kept | HubLogin::App(_) => ("highlevel", name),
        },
        Account::Agency(_) => ("highlevel", name),
        Account::Twitch(_) => ("twitch", name),
    };
    typed.command(&format!("auth {service} --account {who}"))
}

fn account(
    found: &mut Found,
    name: &AccountName,
    account: &Account,
    (is_used, is_asked): (bool, bool),
    logins: &[LoginFacts],
    typed: &Typed,
    now: DateTime<Utc>,
) {
    let about = About::Account(name.clone());
    let what = match account {
        Account::HighLevel(account) => format!(
            "HighLevel location {} at {}",
            account.location, account.base_url
        ),
        Account::Agency(account) => format!("HighLevel agency at {}", account.base_url),
        Account::Twitch(account) => format!(
            "Twitch client {} at {}",
            account.client_id, account.base_url
        ),
    };
    let mut there = Vec::new();
    for (key, source) in account.sources() {
        match resolve(source) {
            Ok(_) => there.push(format!("{key} in {source}")),
            Err(error) if is_used => {
                let error = error.to_string();
                let (seen, mend) = parted(&error);
                let line = format!("{what}: {key}: {seen}");
                let mend = mend.unwrap_or("put it where ghl-sync.toml says that it is");
                found.wrong(about.clone(), line, mend, Exit::BadConfig);
            }
            Err(_) => found.well(
                about.clone(),
                format!("{what}; no job uses it, and its {key} is not there"),
            ),
        }
    }
    let is_said = account.sources().len() > there.len();
    match there.as_slice() {
        [] if is_said => {}
        [] => found.well(about.clone(), what),
        there => found.well(about.clone(), format!("{what}, {}", there.join(", "))),
    }
    let holder = match account {
        Account::HighLevel(hub) => match &hub.login {
            HubLogin::Fixed(_) => return,
            HubLogin::Kept | HubLogin::App(_) => name,
            HubLogin::Agency(agency) => agency,
        },
        Account::Agency(_) => name,
        Account::Twitch(channel) => match channel.login {
            TwitchLogin::Fixed(_) => return,
            TwitchLogin::Kept => name,
        },
    };
    let whose = match holder == name {
        true => String::new(),
        false => format!(" through the agency account {holder}"),
    };
    let log_in = || format!("run `{}`", login_command(account, name, typed));
    match logins.iter().find(|login| login.account == *holder) {
        None if is_asked => {}
        None => found.note(about, format!("not logged in yet{whose}"), Some(log_in())),
        Some(login) => match &login.lost {
            Some(why) if is_used => {
                let why = format!("the stored login{whose} has ended: {why}");
                found.wrong(about, why, log_in(), Exit::BadConfig);
            }
            Some(why) => found.note(
                about,
                format!("no job uses it, and its stored login{whose} has ended: {why}"),
                Some(log_in()),
            ),
            None => {
                let said = format!("logged in{whose} {}", since(login, now));
                found.well(about.clone(), said);
                if let Some((why, mend)) = ages(account, login, name, typed, now) {
                    found.note(about, why, Some(mend));
                }
            }
        },
    }
}

/// Says what will end a login that nobody uses or renews, while there is time; with the command.
fn ages(
    account: &Account,
    login: &LoginFacts,
    name: &AccountName,
    typed: &Typed,
    now: DateTime<Utc>,
) -> Option<(String, String)> {
    let is_public = match account {
        Account::Twitch(account) => account.client_secret.is_none(),
        Account::HighLevel(_) | Account::Agency(_) => false,
    };
    match login.kind {
        LoginKind::User if is_public && now - login.obtained > IDLE => Some((
            format!(
                "the login was last renewed {}; Twitch ends one of a public application after 30 days without a renewal",
                moment(login.obtained, now)
            ),
            format!(
                "let a job of it run more often, and run `{}` now",
                typed.command(&format!("auth twitch renew --account {name}"))
            ),
        )),
        LoginKind::Integration if now - login.made > ROTATION => Some((
            format!(
                "the private integration token is there since {}; HighLevel advises to rotate it every 90 days",
                moment(login.made, now)
            ),
            format!(
                "rotate it in HighLevel (Settings, Private Integrations) and run `{}`",
                login_command(account, name, typed)
            ),
        )),
        LoginKind::User
        | LoginKind::Integration
        | LoginKind::Location
        | LoginKind::Agency
        | LoginKind::Minted => None,
    }
}

/// Says who logged in, or to what, and when.
fn since(login: &LoginFacts, now: DateTime<Utc>) -> String {
    let made = moment(login.made, now);
    let to = match login.kind {
        LoginKind::User => "as",
        LoginKind::Integration | LoginKind::Location | LoginKind::Agency | LoginKind::Minted => {
            "to"
        }
    };
    match &login.owner_name {
        Some(who) => format!("{to} {who} since {made}"),
        None => format!("since {made}"),
    }
}

/// Says what changes with a restart alone; a file is read again at each run.
fn restarts(found: &mut Found, config: &Config) {
    let (mut variables, mut credentials) = (BTreeSet::new(), BTreeSet::new());
    let of_accounts = config.accounts.values().flat_map(Account::sources);
    let keys = [&config.token_key, &config.old_token_key];
    let keys = keys.into_iter().flatten();
    let of_others = notify::sources(config).into_iter();
    let of_others = of_others.map(|(_, source)| source);
    let all = of_accounts.map(|(_, source)| source);
    for source in all.chain(keys).chain(of_others) {
        match source {
            SecretSource::Env(_) => variables.insert(source.to_string()),
            SecretSource::Credential { .. } => credentials.insert(source.to_string()),
            SecretSource::File(_) => false,
        };
    }
    for (what, named) in [("the environment", variables), ("systemd", credentials)] {
        if named.is_empty() {
            continue;
        }
        let named: Vec<String> = named.into_iter().collect();
        found.note(
            About::Configuration,
            format!(
                "{} comes from {what}, as it was when the service started",
                named.join(", ")
            ),
            Some(
                "restart the service after a change; a `file:` is read again at each run"
                    .to_owned(),
            ),
        );
    }
}

/// Says whether stored logins are encrypted, and whether the key is one.
fn key(found: &mut Found, config: &Config, state: Option<&Connection>, logins: &[LoginFacts]) {
    for (name, source) in [
        ("token_key", &config.token_key),
        ("old_token_key", &config.old_token_key),
    ] {
        let Some(source) = source else { continue };
        let read = resolve(source)
            .map_err(|error| error.to_string())
            .and_then(|text| Key::read(&text).map_err(|error| error.to_string()));
        match read {
            Ok(key) => found.well(
                About::Configuration,
                format!("`{name}` in {source} is key {}", key.id()),
            ),
            Err(why) => found.wrong_as_said(
                About::Configuration,
                &format!("`{name}` in {source}: {why}"),
                Exit::BadConfig,
            ),
        }
    }
    if config.token_key.is_none() && config.old_token_key.is_some() {
        found.wrong(
            About::Configuration,
            "`old_token_key` in ghl-sync.toml stands alone",
            "name the present key as `token_key`: it takes over what the old one encrypted",
            Exit::BadConfig,
        );
    }
    if logins.is_empty() {
        return;
    }
    match state.map(tokens::any_plain) {
        Some(Ok(true)) if config.token_key.is_none() => found.note(
            About::State,
            "stored logins are not encrypted: whoever can read the state can use them",
            Some(
                "make a key with `openssl rand -hex 32 > token.key && chmod 600 token.key`, and name it in ghl-sync.toml: token_key = \"file:token.key\""
                    .to_owned(),
            ),
        ),
        Some(Ok(true)) => found.note(
            About::State,
            "some stored logins are not encrypted yet",
            Some("nothing: the next run encrypts them".to_owned()),
        ),
        Some(Ok(false)) => found.well(About::State, "stored logins are encrypted"),
        Some(Err(error)) => found.wrong_as_said(About::State, &error.to_string(), Exit::Failed),
        None => {}
    }
}

fn job(
    found: &mut Found,
    job: &Job,
    state: Option<&Connection>,
    typed: &Typed,
    now: DateTime<Utc>,
) {
    let about = About::Job(job.name.clone());
    let known = match state.map_or(Ok(None), |db| jobs::find_job(db, &job.name)) {
        Ok(known) => known,
        Err(error) => return found.wrong_as_said(about, &error.to_string(), Exit::Failed),
    };
    let missing = match (job.missing, marker(job)) {
        (Missing::Create, Some(marker)) => format!("creates missing contacts, marked by {marker}"),
        (Missing::Create, None) => "creates missing contacts".to_owned(),
        (Missing::Skip, _) => "changes existing contacts alone".to_owned(),
    };
    let line = format!(
        "{} of {} → contacts of {}; {missing}; {}",
        job.source.word(),
        job.from,
        job.to,
        when(job, now),
    );
    let see = || {
        let plan = typed.command(&format!("plan {}", job.name));
        Some(format!("run `{plan}` and approve what it shows"))
    };
    match known.and_then(|known| known.approved) {
        Some(approved) if approved == mapping_hash(job) => {
            found.well(about, format!("{line}; approved"));
        }
        None => found.note(
            about,
            format!("{line}; no person has approved it yet"),
            see(),
        ),
        Some(_) => found.note(
            about,
            format!("{line}; edited since it was approved"),
            see(),
        ),
    }
}

/// Returns the field that tells whose contact it is.
pub(super) fn marker(job: &Job) -> Option<FieldKey> {
    // The job was loaded, so its templates compile.
    Mapping::new(job).ok()?.marker().cloned()
}

/// Says when the job is due, and when in full.
pub(in crate::cli) fn when(job: &Job, now: DateTime<Utc>) -> String {
    let zone = job.timezone;
    let next = |line: &str| match due::next(line, zone, now) {
        Ok(Some(next)) => format!("next {}", moment(next.with_timezone(&zone), now)),
        Ok(None) => "never due".to_owned(),
        Err(error) => error.to_string(),
    };
    match (&job.schedule, &job.full) {
        (Some(line), None) => format!("due `{line}` ({zone}), {}", next(line)),
        (Some(line), Some(full)) => format!(
            "due `{line}` ({zone}), {}; in full `{full}`, {}",
            next(line),
            next(full)
        ),
        (None, Some(full)) => format!("due in full `{full}` ({zone}), {}", next(full)),
        (None, None) => "runs when started".to_owned(),
    }
}
