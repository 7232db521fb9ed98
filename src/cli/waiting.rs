//! Waiting for another run of the same job: whom for, how far that one is, and how to wait.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::model::JobName;
use crate::report::plain;
use crate::run::{Ask, Done, RunError};
use crate::store::runs::{self, Which};
use crate::store::{Store, progress};

use super::error::CliError;
use super::look::{self, Far};
use super::runs::one;
use super::shell::Shell;
use super::worlds::Worlds;

/// How long a wait sleeps between two looks, on the system's clock: the other owner is another process.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// The least time between two lines about the other run where there is no terminal.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// Runs one job once, after whoever runs it now.
///
/// Errors: `Stopped` when a person stops it while it waits; whatever kept the run from a report.
pub(super) async fn one_after_another(
    shell: &Shell,
    worlds: &Worlds,
    name: &JobName,
    ask: &Ask,
) -> Result<Done, CliError> {
    let at_once = Ask {
        wait: false,
        ..ask.clone()
    };
    loop {
        until_free(shell, worlds, name).await?;
        match one(shell, worlds, name, &at_once).await {
            // Somebody else was faster.
            Err(CliError::Run(RunError::Busy { what, .. })) if what == lock_of(name) => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            done => return done,
        }
    }
}

async fn until_free(shell: &Shell, worlds: &Worlds, name: &JobName) -> Result<(), CliError> {
    let folder = folder_of(worlds);
    let mut told = String::new();
    let mut told_at: Option<Instant> = None;
    loop {
        let Some(holder) = look::holder(&folder, &lock_of(name))? else {
            shell.waits.store(false, Ordering::SeqCst);
            shell.progress.finish();
            return Ok(());
        };
        shell.waits.store(true, Ordering::SeqCst);
        if shell.stop.is_asked() {
            shell.progress.finish();
            return Err(CliError::Stopped {
                left: format!("nothing was begun; {} goes on", plain(&holder)),
            });
        }
        let far = far_of(worlds.store(), name, &holder)?;
        let far = far.map(|far| format!(", {}", far.words()));
        let words = format!("{name} waits for {holder}{}", far.unwrap_or_default());
        shell.progress.waiting(&plain(&words));
        let is_due = told_at.is_none_or(|at| at.elapsed() >= SAY_AGAIN);
        if told != holder || is_due {
            shell.progress.tell(&words);
            (told, told_at) = (holder, Some(Instant::now()));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Returns what helps who finds the job busy: how far the other run is, and the command that waits for it.
pub(super) fn hints(shell: &Shell, worlds: &Worlds, name: &JobName, ask: &Ask) -> Vec<String> {
    let holder = look::holder(&folder_of(worlds), &lock_of(name));
    let holder = holder.ok().flatten();
    let far = holder.and_then(|holder| far_of(worlds.store(), name, &holder).ok().flatten());
    let mut hints = Vec::new();
    hints.extend(far.map(|far| format!("it is {}", far.words())));
    hints.push(format!(
        "to wait for it, and then run: {}",
        shell.typed.command(&again(name, ask))
    ));
    hints
}

/// Returns the words of the command that was typed, with `--wait`.
fn again(name: &JobName, ask: &Ask) -> String {
    let command = look::command_of(&ask.holder);
    let mut words = vec![command.to_owned(), name.to_string()];
    if ask.full && command != "resync" {
        words.push("--full".to_owned());
    }
    words.extend(
        ask.approve
            .iter()
            .map(|digest| format!("--approve {digest}")),
    );
    words.extend(ask.allow.iter().map(|guard| format!("--allow {guard}")));
    words.extend(ask.limit.map(|limit| format!("--limit {limit}")));
    words.push("--wait".to_owned());
    words.join(" ")
}

/// Returns how far the run is that this holder carries on; `None` for one that told nothing yet, or that runs nothing.
fn far_of(store: &Store, name: &JobName, holder: &str) -> Result<Option<Far>, CliError> {
    let db = store.reader()?;
    let which = Which {
        jobs: vec![name.clone()],
        limit: 20,
        ..Which::default()
    };
    let runs = runs::list(&db, &which)?;
    let run = runs
        .iter()
        .find(|(_, run)| run.ended_ms.is_none() && run.holder == holder);
    let Some((_, run)) = run else {
        return Ok(None);
    };
    Ok(progress::find(&db, run.no)?.as_ref().map(Far::of))
}

fn lock_of(name: &JobName) -> String {
    format!("job-{name}")
}

fn folder_of(worlds: &Worlds) -> PathBuf {
    let folder = worlds.store().path().parent();
    folder.map(Path::to_path_buf).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::model::GuardKind;

    use super::*;

    #[test]
    fn the_command_that_waits_is_the_one_that_was_typed() {
        let name = JobName::try_from("followers").unwrap();
        let ask = Ask {
            holder: "ghl-sync apply, process 1, since x".to_owned(),
            full: true,
            allow: [GuardKind::First].into(),
            limit: Some(5),
            ..Ask::default()
        };
        assert_eq!(
            again(&name, &ask),
            "apply followers --full --allow first --limit 5 --wait"
        );
        let ask = Ask {
            holder: "ghl-sync resync, process 1, since x".to_owned(),
            full: true,
            ..Ask::default()
        };
        assert_eq!(again(&name, &ask), "resync followers --wait");
    }
}
