//! `check`: what is wrong and how to mend it, as far as that can be known without a call.

use std::fs::{self, OpenOptions};
use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use crate::config::{self, Account, HubLogin};
use crate::model::{AccountName, FieldKey, Job, Missing};
use crate::plan::due;
use crate::plan::wanted::{Mapping, mapping_hash};
use crate::store::{STATE_FILE, Store, StoreError, jobs};

use super::error::CliError;
use super::exit::{self, Exit};
use super::shell::Shell;
use super::status::moment;
use super::worlds::{not_logged_in, secret};

/// Runs `check`: everything is looked at, and all that is wrong is said at once.
pub(super) fn check(shell: &mut Shell, path: Option<&Path>) -> Result<Exit, CliError> {
    let path = config::find(path);
    let (config, problems) = config::load_partly(&path)?;
    let mut found = Found::default();
    let now = shell.clock.now();
    let is_whole = problems.0.is_empty();
    for (name, account) in &config.accounts {
        // A job that cannot be read may use any account.
        let is_used = !is_whole
            || config
                .jobs
                .values()
                .any(|job| job.from == *name || job.to == *name);
        found.account(name, account, is_used);
    }
    let state = found.state(&config.state);
    for job in config.jobs.values() {
        found.job(job, state.as_ref(), now);
    }
    if config.jobs.is_empty() && is_whole {
        found.wrong(
            "no job is configured; put a job file into the folder that `schedules` in ghl-sync.toml names",
            Exit::BadConfig,
        );
    }
    let Found { mut lines, wrongs } = found;
    if !is_whole {
        // Where every command tells of them; what else was found stands below.
        shell.complain(&CliError::Config(problems));
        shell.progress.say(&lines.join("\n"));
        return Ok(Exit::BadConfig);
    }
    lines.insert(0, path.display().to_string());
    match wrongs.len() {
        0 => lines.push("all is well, as far as can be told without a call".to_owned()),
        1 => lines.push("1 problem".to_owned()),
        n => lines.push(format!("{n} problems")),
    }
    shell.say(&lines.join("\n"))?;
    Ok(exit::first_of(wrongs.into_iter()))
}

/// What was found so far.
#[derive(Default)]
struct Found {
    lines: Vec<String>,
    wrongs: Vec<Exit>,
}

impl Found {
    fn well(&mut self, line: String) {
        self.lines.push(format!("  ok     {line}"));
    }

    fn wrong(&mut self, line: &str, exit: Exit) {
        self.lines.push(format!("  WRONG  {line}"));
        self.wrongs.push(exit);
    }

    fn account(&mut self, name: &AccountName, account: &Account, is_used: bool) {
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
        let Some(source) = account.token() else {
            let (service, who) = match account {
                Account::HighLevel(account) => match &account.login {
                    HubLogin::Agency(agency) => ("highlevel", agency),
                    HubLogin::Fixed(_) | HubLogin::Kept | HubLogin::App(_) => ("highlevel", name),
                },
                Account::Agency(_) => ("highlevel", name),
                Account::Twitch(_) => ("twitch", name),
            };
            let login = not_logged_in(service, who);
            return self.well(format!("account {name}: {what}; {login}"));
        };
        match secret(source) {
            Ok(_) => self.well(format!("account {name}: {what}, token in {source}")),
            Err(why) if is_used => self.wrong(
                &format!("account {name}: {what}: token: {why}"),
                Exit::BadConfig,
            ),
            Err(_) => self.well(format!(
                "account {name}: {what}; no job uses it, and its token is not there"
            )),
        }
    }

    /// Looks at the state; returns a connection when there is one to look through.
    fn state(&mut self, folder: &Path) -> Option<Connection> {
        let path = folder.join(STATE_FILE);
        if let Err(why) = can_write(folder) {
            self.wrong(&format!("state {}: {why}", path.display()), Exit::Failed);
            return None;
        }
        match Store::look(folder) {
            Ok(Some(connection)) => {
                self.well(format!("state {}: opens", path.display()));
                Some(connection)
            }
            Ok(None) => {
                self.well(format!(
                    "state {}: not there yet, the first run makes it",
                    path.display()
                ));
                None
            }
            Err(error) => {
                self.wrong(&format!("state: {error}"), Exit::Failed);
                None
            }
        }
    }

    fn job(&mut self, job: &Job, state: Option<&Connection>, now: DateTime<Utc>) {
        let guard = match state.map_or(Ok(None), |db| jobs::find_job(db, &job.name)) {
            Ok(state) => approval(job, state.and_then(|state| state.approved)),
            Err(error) => return self.unreadable(job, &error),
        };
        let missing = match (job.missing, marker(job)) {
            (Missing::Create, Some(marker)) => {
                format!("creates missing contacts, marked by {marker}")
            }
            (Missing::Create, None) => "creates missing contacts".to_owned(),
            (Missing::Skip, _) => "changes existing contacts alone".to_owned(),
        };
        self.well(format!(
            "job {}: {} of {} → contacts of {}; {missing}; {}; {guard}",
            job.name,
            job.source.word(),
            job.from,
            job.to,
            when(job, now),
        ));
    }

    fn unreadable(&mut self, job: &Job, error: &StoreError) {
        self.wrong(&format!("job {}: {error}", job.name), Exit::Failed);
    }
}

/// Returns the field that tells whose contact it is.
fn marker(job: &Job) -> Option<FieldKey> {
    // The job was loaded, so its templates compile.
    Mapping::new(job).ok()?.marker().cloned()
}

/// Says what guard *first* thinks of the job.
fn approval(job: &Job, approved: Option<crate::model::Digest>) -> String {
    let see = format!("run `ghl-sync plan {}` and approve what it shows", job.name);
    match approved {
        None => format!("no person has approved it yet: {see}"),
        Some(approved) if approved == mapping_hash(job) => "approved".to_owned(),
        Some(_) => format!("edited since it was approved: {see}"),
    }
}

/// Says when the job is due, and when in full.
pub(super) fn when(job: &Job, now: DateTime<Utc>) -> String {
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

/// Tries to make a file in the folder, or finds out whether the folder could be made.
fn can_write(folder: &Path) -> Result<(), String> {
    if !folder.exists() {
        let mut above =
            folder
                .ancestors()
                .skip(1)
                .map(|above| match above.as_os_str().is_empty() {
                    true => Path::new("."),
                    false => above,
                });
        return match above.find(|above| above.exists()) {
            Some(above) if above.is_dir() => can_write(above),
            Some(above) => Err(format!("{} is not a folder", above.display())),
            None => Err("there is no folder above it".to_owned()),
        };
    }
    let probe = folder.join(format!(".ghl-sync-check-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|error| {
            format!(
                "cannot write in {}: {error}; give this user write permission on it",
                folder.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::super::progress::Progress;
    use super::*;
    use crate::model::Clock;

    /// What a command said.
    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn secrets_and_state_are_looked_at_even_when_a_file_has_a_problem() {
        let folder = std::env::temp_dir().join(format!("ghl-sync-whole-{}", std::process::id()));
        fs::create_dir_all(folder.join("schedules")).unwrap();
        let main = folder.join("ghl-sync.toml");
        fs::write(
            &main,
            "[accounts.main]\nservice = 'highlevel'\nlocation = 'L0c'\ntoken = 'file:nowhere'\ntipo = 1\n",
        )
        .unwrap();
        fs::write(folder.join("schedules/a.toml"), "name = 'A b'\n").unwrap();
        fs::write(folder.join("state"), "not a folder").unwrap();
        let said = Said::default();
        let mut shell = Shell::new(
            Box::new(io::sink()),
            Progress::quiet(Box::new(said.clone())),
            Clock::system(),
        );
        let exit = check(&mut shell, Some(&main)).unwrap();
        let text = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(exit, Exit::BadConfig, "{text}");
        for part in ["tipo", "schedules/a.toml:1", "nowhere", "WRONG  state"] {
            assert!(text.contains(part), "no {part} in:\n{text}");
        }
    }
}
