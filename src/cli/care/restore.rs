//! `state restore`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chrono::DateTime;
use serde_json::json;

use crate::config::Config;
use crate::run::{Lease, RunError};
use crate::store::restore::{self, RestoreError, Restored};
use crate::store::{STATE_FILE, backup};

use super::super::args::{Form, StateRestore};
use super::super::ask::Asker;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::runs::{holder, load};
use super::super::shell::Shell;
use super::{SCHEMA, aside};

/// What an end before the copy is in place leaves.
const LEFT: &str = "the state is as it was";

/// Runs `state restore`.
///
/// Errors: somebody is at work; the copy is not sound; nobody agreed; the disk.
pub(super) async fn restore(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &StateRestore,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let file = config.state.join(STATE_FILE);
    if !args.file.is_file() {
        return Err(CliError::usage(format!(
            "{}: there is no such file",
            args.file.display()
        )));
    }
    if !args.yes {
        if !Asker::can_ask() {
            return Err(CliError::usage(
                "nobody is there to be asked; add --yes to put the copy in the place of the state",
            ));
        }
        let mut asker = Asker::new();
        let what = format!(
            "Put {} in the place of {}? What is there now is kept beside it",
            args.file.display(),
            file.display()
        );
        let agreed = asker.yes_no(&what, false).await;
        if !agreed.map_err(|error| error.leaving(LEFT))? {
            shell.say(&format!("{LEFT}."))?;
            return Ok(Exit::Done);
        }
    }
    // On a new machine there is no folder yet.
    backup::make_folder(&config.state)?;
    let _leases = leases(&config, shell).await?;
    shell.progress.waiting("checking the copy");
    let (folder, copy, now) = (config.state.clone(), args.file.clone(), shell.clock.now());
    let restored = aside(move || Ok(restore::restore(&folder, &copy, now))).await;
    shell.progress.finish();
    let restored = restored?.map_err(|error| refused(error, args, shell))?;
    tell(shell, args, &restored)
}

/// Takes the lock of everybody who may write the state: the daemon, each job, each login, upkeep.
///
/// Errors: `Busy` with the holder's words.
async fn leases(config: &Config, shell: &Shell) -> Result<Vec<Lease>, RunError> {
    let mut names: BTreeSet<String> = ["daemon", "upkeep"].map(str::to_owned).into();
    names.extend(config.jobs.keys().map(|job| format!("job-{job}")));
    let found = fs::read_dir(&config.state).into_iter().flatten().flatten();
    names.extend(found.filter_map(|entry| {
        let name = entry.file_name();
        Some(name.to_str()?.strip_suffix(".lock")?.to_owned())
    }));
    let holder = holder("state restore", shell.clock.now());
    let mut leases = Vec::new();
    for name in names {
        leases.push(Lease::take(&config.state, &name, &holder, None).await?);
    }
    Ok(leases)
}

fn refused(error: RestoreError, args: &StateRestore, shell: &Shell) -> CliError {
    match error {
        RestoreError::NotSound { what } => CliError::Usage {
            what: format!(
                "{} cannot be put in the place of the state: {what}; {LEFT}",
                args.file.display()
            ),
            hint: Some("name another copy".to_owned()),
        },
        RestoreError::InUse => CliError::Run(RunError::Busy {
            what: "the state".to_owned(),
            holder: format!(
                "another process has it open, for example `{}`",
                shell.typed.command("plan")
            ),
        }),
        RestoreError::State(error) => error.into(),
    }
}

fn tell(shell: &mut Shell, args: &StateRestore, restored: &Restored) -> Result<Exit, CliError> {
    let Restored {
        kept,
        carried,
        version,
        last_run_ms,
    } = restored;
    let last_run = last_run_ms.and_then(DateTime::from_timestamp_millis);
    match args.format {
        Form::Json => {
            let line = json!({
                "schema": SCHEMA,
                "restored": args.file.display().to_string(),
                "kept": kept.as_ref().map(|kept| kept.display().to_string()),
                "logins_carried_over": carried,
                "version": version,
                "last_run_at": last_run,
            });
            shell.say(&line.to_string())?;
        }
        Form::Text => {
            let mut text = format!("{} is the state now", args.file.display());
            if let Some(last_run) = last_run {
                text.push_str(&format!(
                    "; its last run began {}",
                    last_run.format("%Y-%m-%d %H:%M UTC")
                ));
            }
            text.push('.');
            if let Some(kept) = kept {
                text.push_str(&format!(
                    "\nThe state before is kept as {}; remove it when all is well.",
                    kept.display()
                ));
            }
            text.push_str(if *carried {
                "\nLogins were carried over from it."
            } else {
                "\nThere are no logins in it: log in again."
            });
            text.push_str("\nThe next run of each job reads all contacts; nobody is created before that, nor in the next 15 minutes.");
            shell.say(&text)?;
            if !carried {
                shell.progress.say(&format!(
                    "hint: `{}` says where to log in",
                    shell.typed.command("auth show")
                ));
            }
        }
    }
    Ok(Exit::Done)
}
