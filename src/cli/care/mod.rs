//! What keeps the state healthy for years: old runs go, the file is checked and copied, and a copy can be put in its place.

mod backup;
mod check;
mod prune;
mod restore;
mod upkeep;

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::report::number;
use crate::run::{Lease, RunError, Stop};
use crate::store::StoreError;
use crate::store::history::Pruned;

use super::args::{State, StateDo};
use super::error::CliError;
use super::exit::Exit;
use super::runs::holder;
use super::shell::Shell;

pub(super) use prune::{after_run, prune};
pub(super) use upkeep::{Kept, upkeep};

/// What the first Ctrl-C is answered with while old rows are taken away or upkeep is under way.
pub(super) const STOPPING: &str =
    "stopping: what was done so far stands; press Ctrl-C again to stop at once, which is safe too";

/// The number of the JSON shapes.
const SCHEMA: u32 = 1;

/// Runs `state`.
///
/// Errors: whatever kept the command from its end; what it found wrong is no error but an exit code.
pub(super) async fn state(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &State,
) -> Result<Exit, CliError> {
    match &args.what {
        StateDo::Check(args) => check::check(shell, path, args).await,
        StateDo::Backup(args) => backup::backup(shell, path, args).await,
        StateDo::Restore(args) => restore::restore(shell, path, args).await,
        StateDo::Upkeep(args) => upkeep::command(shell, path, args).await,
    }
}

/// Takes the lock under which copies are made and the state is kept in order, so that two never do it at the same time.
///
/// Errors: `Busy` without `wait`.
async fn lease(
    config: &Config,
    command: &str,
    now: chrono::DateTime<chrono::Utc>,
    wait: Option<&Stop>,
) -> Result<Lease, RunError> {
    Lease::take(&config.state, "upkeep", &holder(command, now), wait).await
}

/// Runs what takes long and waits for the disk on a thread of its own.
///
/// Errors: what `work` returned.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The hook told of the panic; a runtime that ends takes the work with it.
        Err(_) => Err(StoreError::Stopped),
    }
}

/// Returns what is to be typed to put a copy in place.
fn restore_command(shell: &Shell, copy: &Path) -> String {
    shell.typed.command(&format!(
        "state restore {}",
        crate::report::shell_word(copy)
    ))
}

/// Writes a size as people read it.
fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 100.0 {
        format!("{megabytes:.1} MB")
    } else {
        format!("{} MB", number(bytes / 1_000_000))
    }
}

/// Says what was taken away, as a fragment; `None` when nothing was.
fn pruned_words(pruned: &Pruned) -> Option<String> {
    let Pruned {
        runs,
        plans: _,
        steps,
        walks,
        staged: _,
    } = pruned;
    (pruned.rows() > 0).then(|| {
        format!(
            "{} runs, {} steps and {} walks",
            number(*runs),
            number(*steps),
            number(*walks)
        )
    })
}

/// Returns what JSON says of it.
fn pruned_json(pruned: &Pruned) -> serde_json::Value {
    let Pruned {
        runs,
        plans,
        steps,
        walks,
        staged,
    } = pruned;
    serde_json::json!({ "runs": runs, "plans": plans, "steps": steps, "walks": walks, "staged": staged })
}

/// Returns the error of a state that is not there yet.
fn no_state(path: PathBuf) -> CliError {
    CliError::usage(format!(
        "there is no state yet ({} is missing); the first run makes it",
        path.display()
    ))
}
