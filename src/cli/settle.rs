//! `link`, `unlink`, `retry`, `keep` and `take`: arguments in, one sentence out.

use std::path::Path;

use crate::model::JobName;
use crate::run::{self, SettleError, Settling};
use crate::store::{STATE_FILE, Store};

use super::args::{Link, Record, Retry, Settle};
use super::error::CliError;
use super::exit::Exit;
use super::runs::{chosen, holder, load};
use super::shell::Shell;

/// Runs `link`.
pub(super) async fn link(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Link,
) -> Result<Exit, CliError> {
    let settling = Settling::Link {
        key: args.record.key.clone(),
        contact: args.contact.clone(),
    };
    settle(shell, path, "link", &args.record.job, settling).await
}

/// Runs `unlink`.
pub(super) async fn unlink(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Record,
) -> Result<Exit, CliError> {
    let settling = Settling::Unlink {
        key: args.key.clone(),
    };
    settle(shell, path, "unlink", &args.job, settling).await
}

/// Runs `retry`.
pub(super) async fn retry(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Retry,
) -> Result<Exit, CliError> {
    let settling = if args.all {
        Settling::RetryAll
    } else {
        let mut keys = args.keys.clone();
        keys.sort();
        keys.dedup();
        Settling::Retry { keys }
    };
    settle(shell, path, "retry", &args.job, settling).await
}

/// Runs `keep`.
pub(super) async fn keep(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Settle,
) -> Result<Exit, CliError> {
    let settling = Settling::Keep {
        key: args.record.key.clone(),
        field: args.field.clone(),
    };
    settle(shell, path, "keep", &args.record.job, settling).await
}

/// Runs `take`.
pub(super) async fn take(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Settle,
) -> Result<Exit, CliError> {
    let settling = Settling::Take {
        key: args.record.key.clone(),
        field: args.field.clone(),
    };
    settle(shell, path, "take", &args.record.job, settling).await
}

async fn settle(
    shell: &mut Shell,
    path: Option<&Path>,
    command: &str,
    name: &JobName,
    settling: Settling,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let names = chosen(&config, std::slice::from_ref(name))?;
    // Settling makes no database: without one there is nothing to settle.
    if !config.state.join(STATE_FILE).exists() {
        return Err(CliError::usage(format!(
            "{name} never ran, so there is nothing to settle yet; start with `ghl-sync plan {name}`"
        )));
    }
    let store = Store::open(&config.state)?;
    let holder = holder(command, shell.clock.now());
    // A pair is a person's, whichever part of the job knows them; what was set aside and what is in conflict is a part's own.
    let is_shared = match settling {
        Settling::Link { .. } | Settling::Unlink { .. } => true,
        Settling::Retry { .. }
        | Settling::RetryAll
        | Settling::Keep { .. }
        | Settling::Take { .. } => false,
    };
    let (mut done, mut nothing) = (0_usize, Vec::new());
    for job in names.iter().filter_map(|name| config.jobs.get(name)) {
        match run::settle(&store, job, &shell.clock, &holder, settling.clone()).await {
            Ok(said) => {
                shell.say(&format!("{said}."))?;
                done += 1;
                if is_shared {
                    break;
                }
            }
            // Another part may know the record.
            Err(SettleError::Nothing(why)) => nothing.push(why),
            Err(error) => return Err(error.into()),
        }
    }
    if done == 0 {
        return Err(SettleError::Nothing(nothing.join("\n")).into());
    }
    Ok(Exit::Done)
}
