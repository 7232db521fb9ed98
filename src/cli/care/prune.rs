//! `history prune`, and the piece of it that follows every run.

use std::path::Path;
use std::time::Duration;

use tracing::{debug, warn};

use crate::store::history::{self, Keep, Much};
use crate::store::{STATE_FILE, Store};

use super::super::args::{Form, Prune};
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::runs::load;
use super::super::shell::Shell;
use super::super::worlds::Worlds;
use super::{SCHEMA, no_state, pruned_json, pruned_words};

/// Runs `history prune`.
///
/// Errors: there is no state, or it cannot be read or written.
pub(in crate::cli) async fn prune(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Prune,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let keep = keep(
        shell.clock.now().timestamp_millis(),
        args.older_than.unwrap_or(config.upkeep.keep),
        args.keep_runs.unwrap_or(config.upkeep.keep_runs),
    );
    let file = config.state.join(STATE_FILE);
    if !file.exists() {
        return Err(no_state(file));
    }
    let pruned = if args.dry_run {
        let Some(reader) = Store::look(&config.state)? else {
            return Err(no_state(file));
        };
        history::count(&reader, &keep)?
    } else {
        let store = Store::open(&config.state)?;
        let (stop, progress) = (shell.stop.clone(), shell.progress.clone());
        progress.reading("taking old rows away", None);
        let mut shown = 0;
        let pruned = history::prune(&store, &keep, Much::All, |sum| {
            progress.advance(sum.rows() - shown);
            shown = sum.rows();
            !stop.is_asked()
        })
        .await;
        shell.progress.finish();
        pruned?
    };
    match args.format {
        Form::Json => {
            let mut line = pruned_json(&pruned);
            line["schema"] = SCHEMA.into();
            line["dry_run"] = args.dry_run.into();
            line["stopped"] = shell.stop.is_asked().into();
            shell.say(&line.to_string())?;
        }
        Form::Text => {
            let said = match (pruned_words(&pruned), args.dry_run) {
                (None, true) => {
                    "nothing would go: all that is there is young, or still needed".to_owned()
                }
                (None, false) => {
                    "nothing went: all that is there is young, or still needed".to_owned()
                }
                (Some(what), true) => format!("{what} would go; nothing was taken away"),
                (Some(what), false) => format!("{what} went"),
            };
            shell.say(&format!("{said}."))?;
        }
    }
    Ok(if shell.stop.is_asked() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// Takes a piece of what is old away after a run; a failure is said and otherwise ignored, because the run is through and upkeep tries again.
pub(in crate::cli) async fn after_run(worlds: &Worlds) {
    let upkeep = &worlds.config().upkeep;
    let now_ms = worlds.clock().now().timestamp_millis();
    let keep = keep(now_ms, upkeep.keep, upkeep.keep_runs);
    match history::prune(worlds.store(), &keep, Much::Piece, |_| true).await {
        Ok(pruned) => {
            if pruned.rows() > 0 {
                debug!(
                    history.rows = pruned.rows(),
                    "{} old rows went",
                    pruned.rows()
                );
            }
        }
        Err(error) => warn!("old runs could not be taken away: {error}"),
    }
}

/// Makes what the store is told from what the configuration says.
pub(super) fn keep(now_ms: i64, age: Duration, runs: u64) -> Keep {
    Keep {
        now_ms,
        age_ms: i64::try_from(age.as_millis()).unwrap_or(i64::MAX),
        runs,
    }
}
