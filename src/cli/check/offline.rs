//! What can be known without a call: the files, the secrets, the state, the disk.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::Connection;

use crate::config::{Account, Config, HubLogin, SecretSource, TwitchLogin};
use crate::model::{AccountName, FieldKey, Job, Missing};
use crate::net::resolve;
use crate::plan::due;
use crate::plan::wanted::{Mapping, mapping_hash};
use crate::store::tokens::{self, LoginFacts};
use crate::store::{Key, STATE_FILE, Store, jobs};

use super::super::exit::Exit;
use super::super::status::moment;
use super::Typed;
use super::findings::{About, Found, parted};

/// Below this the disk of the state is worth a note, in bytes: a first pass over a million contacts writes about as much.
const LITTLE_BYTES: u64 = 500 * 1000 * 1000;
/// Below this a run may stop in its middle, in bytes.
const TOO_LITTLE_BYTES: u64 = 50 * 1000 * 1000;

/// Looks at everything that needs no call. `is_whole` says that every file could be read.
pub(super) fn look(
    found: &mut Found,
    config: &Config,
    is_whole: bool,
    typed: &Typed,
    now: DateTime<Utc>,
) {
    let state = state(found, &config.state);
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
        self::account(found, name, account, is_used, &logins, typed);
    }
    for job in config.jobs.values() {
        self::job(found, job, state.as_ref(), typed, now);
    }
    if config.jobs.is_empty() && is_whole {
        found.wrong(
            About::Configuration,
            "no job is configured",
            "put a job file into the folder that `schedules` in ghl-sync.toml names",
            Exit::BadConfig,
        );
    }
    restarts(found, config);
}

/// Returns whether a job uses the account, or a used location takes its tokens from it.
pub(super) fn is_used(config: &Config, name: &AccountName) -> bool {
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

/// Returns the command that logs an account in; an agency's location is logged in by its agency.
pub(super) fn login_command(account: &Account, name: &AccountName, typed: &Typed) -> String {
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
    is_used: bool,
    logins: &[LoginFacts],
    typed: &Typed,
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
    if !there.is_empty() {
        found.well(about.clone(), format!("{what}, {}", there.join(", ")));
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
        None => found.note(
            about,
            format!("{what}; not logged in yet{whose}"),
            Some(log_in()),
        ),
        Some(login) => match &login.lost {
            Some(why) if is_used => {
                let why = format!("{what}; the stored login{whose} is lost: {why}");
                found.wrong(about, why, log_in(), Exit::BadConfig);
            }
            Some(why) => found.note(
                about,
                format!("{what}; no job uses it, and its stored login{whose} is lost: {why}"),
                Some(log_in()),
            ),
            None => found.well(about, format!("{what}; logged in{whose} {}", since(login))),
        },
    }
}

/// Says who logged in and when.
fn since(login: &LoginFacts) -> String {
    let made = login.made.to_rfc3339_opts(SecondsFormat::Secs, true);
    match &login.owner_name {
        Some(who) => format!("as {who} on {made}"),
        None => format!("on {made}"),
    }
}

/// Says what changes with a restart alone; a file is read again at each run.
fn restarts(found: &mut Found, config: &Config) {
    let (mut variables, mut credentials) = (BTreeSet::new(), BTreeSet::new());
    let of_accounts = config.accounts.values().flat_map(Account::sources);
    let keys = [&config.token_key, &config.old_token_key];
    let keys = keys.into_iter().flatten();
    for source in of_accounts.map(|(_, source)| source).chain(keys) {
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

/// Looks at the state; returns a connection when there is one to look through.
fn state(found: &mut Found, folder: &Path) -> Option<Connection> {
    let path = folder.join(STATE_FILE);
    if let Err(why) = can_write(folder) {
        found.wrong_as_said(
            About::State,
            &format!("{}: {why}", path.display()),
            Exit::Failed,
        );
        return None;
    }
    modes(found, folder);
    room(found, folder);
    match Store::look(folder) {
        Ok(Some(connection)) => {
            found.well(About::State, format!("{}: opens", path.display()));
            Some(connection)
        }
        Ok(None) => {
            let line = format!("{}: not there yet, the first run makes it", path.display());
            found.well(About::State, line);
            None
        }
        Err(error) => {
            found.wrong_as_said(About::State, &error.to_string(), Exit::Failed);
            None
        }
    }
}

/// Looks whether others can get at the state: it holds people's data and logins.
fn modes(found: &mut Found, folder: &Path) {
    let mut look = |path: &Path, wanted: u32| {
        let Ok(meta) = fs::metadata(path) else { return };
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            found.note(
                About::State,
                format!(
                    "{} is open to other users (mode {mode:04o})",
                    path.display()
                ),
                Some(format!("run `chmod {wanted:o} {}`", path.display())),
            );
        }
    };
    look(folder, 0o700);
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    // The file, its WAL, and the copies that migrations leave.
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            path.is_file() && name.is_some_and(|name| name.starts_with(STATE_FILE))
        })
        .collect();
    files.sort();
    for file in files {
        look(&file, 0o600);
    }
}

/// Looks whether the disk of the state has room.
fn room(found: &mut Found, folder: &Path) {
    let Some(there) = folder_above(folder) else {
        return;
    };
    match rustix::fs::statvfs(&there) {
        Ok(disk) => room_of(found, folder, disk.f_bavail.saturating_mul(disk.f_frsize)),
        // A file system that does not tell is no fault.
        Err(_) => {}
    }
}

fn room_of(found: &mut Found, folder: &Path, free_bytes: u64) {
    let line = format!(
        "{} MB are free on the disk that holds {}",
        free_bytes / 1_000_000,
        folder.display()
    );
    let mend = "free some space, or put `state` in ghl-sync.toml on another disk";
    if free_bytes < TOO_LITTLE_BYTES {
        found.wrong(About::State, format!("only {line}"), mend, Exit::Failed);
    } else if free_bytes < LITTLE_BYTES {
        found.note(About::State, format!("only {line}"), Some(mend.to_owned()));
    } else {
        found.well(About::State, line);
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
    let schedule = match &job.schedule {
        Some(line) => format!("due `{line}` ({zone}), {}", next(line)),
        None => "runs when started".to_owned(),
    };
    match &job.full {
        Some(line) => format!("{schedule}; in full `{line}`, {}", next(line)),
        None => schedule,
    }
}

/// Returns the folder itself, or the nearest above it that is there.
fn folder_above(folder: &Path) -> Option<PathBuf> {
    let mut above = folder
        .ancestors()
        .map(|above| match above.as_os_str().is_empty() {
            true => Path::new("."),
            false => above,
        });
    above.find(|above| above.exists()).map(Path::to_owned)
}

/// Tries to make a file in the folder, or finds out whether the folder could be made.
fn can_write(folder: &Path) -> Result<(), String> {
    let Some(there) = folder_above(folder) else {
        return Err("there is no folder above it".to_owned());
    };
    if !there.is_dir() {
        return Err(format!("{} is not a folder", there.display()));
    }
    let probe = there.join(format!(".ghl-sync-check-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|error| {
            format!(
                "cannot write in {}: {error}; give this user write permission on it",
                there.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_told() {
        let said = |bytes: u64| {
            let mut found = Found::default();
            room_of(&mut found, Path::new("state"), bytes);
            let mut out = Vec::new();
            found.text(&mut out, None).unwrap();
            (String::from_utf8(out).unwrap(), found.exit())
        };
        let (text, exit) = said(TOO_LITTLE_BYTES - 1);
        assert!(
            text.starts_with("  WRONG  state: only 49 MB are free"),
            "{text}"
        );
        assert_eq!(exit, Exit::Failed);
        let (text, exit) = said(LITTLE_BYTES - 1);
        assert!(text.starts_with("  note   state: only 499 MB"), "{text}");
        assert_eq!(exit, Exit::Done);
        let (text, _) = said(LITTLE_BYTES);
        assert!(text.starts_with("  ok     state: 500 MB"), "{text}");
    }

    #[test]
    fn the_room_of_a_folder_to_come_is_that_of_the_nearest_above_it() {
        let there = std::env::temp_dir();
        let folder = there.join("ghl-sync-no/such/folder");
        assert_eq!(folder_above(&folder), Some(there));
        assert!(can_write(&folder).is_ok());
        assert_eq!(
            can_write(Path::new("/dev/null/x")).unwrap_err(),
            "/dev/null is not a folder"
        );
    }
}
