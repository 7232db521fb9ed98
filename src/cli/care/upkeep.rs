//! Upkeep: prune, check, copy, rotate, give room back; one after the other, and one that fails does not stop the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use tracing::info;

use crate::report::{duration, number};
use crate::run::Stop;
use crate::store::backup::Copied;
use crate::store::freeing::{self, Fill};
use crate::store::health::Depth;
use crate::store::history::{self, Much, Pruned};
use crate::store::kept::{LastUpkeep, begin_upkeep, end_upkeep, last_upkeep};
use crate::store::{Lock, STATE_FILE, StoreError, Taken};

use super::super::args::{Form, StateUpkeep};
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::runs::{holder, load};
use super::super::shell::Shell;
use super::super::telling;
use super::super::worlds::Worlds;
use super::{
    SCHEMA, aside, backup::rotating, check, lease, no_state, prune, pruned_json, pruned_words, size,
};

/// How often every row is checked against every index, in ms; the pages are read each time.
const WHOLE_EVERY_MS: i64 = 7 * 24 * 3_600 * 1_000;

/// What upkeep did.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Kept {
    /// What was taken out of the journal.
    pub(in crate::cli) pruned: Pruned,
    /// How deep was checked.
    pub(in crate::cli) depth: Depth,
    /// The copy that was made; `None` when none is wanted, or none could be made.
    pub(in crate::cli) copied: Option<Copied>,
    /// How many older copies went.
    pub(in crate::cli) rotated: usize,
    /// How much was given back to the disk.
    pub(in crate::cli) freed_bytes: u64,
    /// Whether the check came to its end.
    pub(in crate::cli) is_checked: bool,
    /// Whether it was told to end before all parts were tried.
    pub(in crate::cli) is_stopped: bool,
    /// What is wrong with the state, and which parts failed, with why.
    pub(in crate::cli) wrong: Vec<String>,
    /// How long it took, in seconds.
    pub(in crate::cli) seconds: f64,
}

impl Kept {
    /// Says it in one line, without a full stop.
    pub(in crate::cli) fn line(&self) -> String {
        let mut parts = Vec::new();
        if let Some(pruned) = pruned_words(&self.pruned) {
            parts.push(format!("{pruned} went"));
        }
        if self.is_checked && self.wrong.is_empty() {
            parts.push(format!("sound ({} check)", self.depth.word()));
        }
        if let Some(Copied { path, bytes }) = &self.copied {
            parts.push(format!("copied to {} ({})", path.display(), size(*bytes)));
        }
        if self.rotated > 0 {
            parts.push(format!("{} old copies went", number(self.rotated as u64)));
        }
        if self.freed_bytes > 0 {
            parts.push(format!("{} given back to the disk", size(self.freed_bytes)));
        }
        parts.extend(self.wrong.iter().cloned());
        if self.is_stopped {
            parts.push("stopped before its end".to_owned());
        }
        format!("upkeep: {}; {}", parts.join(", "), duration(self.seconds))
    }
}

/// Runs `state upkeep`.
///
/// Errors: there is no state, or upkeep is under way already. A part that failed is said and is exit 1.
pub(super) async fn command(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &StateUpkeep,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let file = config.state.join(STATE_FILE);
    if !file.exists() {
        return Err(no_state(file));
    }
    let worlds = Worlds::open(config, shell.clock.clone())
        .await?
        .typing(&shell.typed);
    shell.progress.waiting("keeping the state in order");
    let kept = kept(&worlds, &shell.stop).await;
    shell.progress.finish();
    let kept = kept?;
    match args.format {
        Form::Json => {
            let line = json!({
                "schema": SCHEMA,
                "pruned": pruned_json(&kept.pruned),
                "depth": kept.depth.word(),
                "copy": kept.copied.as_ref().map(|copied| copied.path.display().to_string()),
                "copy_bytes": kept.copied.as_ref().map(|copied| copied.bytes),
                "old_copies_removed": kept.rotated,
                "freed_bytes": kept.freed_bytes,
                "wrong": kept.wrong,
                "seconds": kept.seconds,
            });
            shell.say(&line.to_string())?;
        }
        Form::Text => shell.say(&format!("{}.", kept.line()))?,
    }
    Ok(if kept.wrong.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Keeps the state in order: takes old runs away, checks, copies, gives room back. No run waits for it longer than for one commit. `stop`
/// ends it between two parts.
///
/// Errors: `Busy` when another process is at it; [`CliError::Care`] with everything that is wrong or failed, after all parts were tried.
pub(in crate::cli) async fn upkeep(worlds: &Worlds, stop: &Stop) -> Result<Kept, CliError> {
    let kept = kept(worlds, stop).await?;
    match kept.error() {
        None => Ok(kept),
        Some(error) => Err(error),
    }
}

/// Does all parts and tells of the end.
async fn kept(worlds: &Worlds, stop: &Stop) -> Result<Kept, CliError> {
    let kept = keep(worlds, stop).await;
    telling::kept(worlds, kept.as_ref()).await;
    kept
}

/// Does all parts; `stop` ends them between two, and the first between two commits.
///
/// Errors: `Busy`, or the state cannot be written at all.
async fn keep(worlds: &Worlds, stop: &Stop) -> Result<Kept, CliError> {
    let (config, store, clock) = (worlds.config(), worlds.store(), worlds.clock());
    let now = clock.now();
    let now_ms = now.timestamp_millis();
    let began = Instant::now();
    let _lease = lease(config, "state upkeep", now, None).await?;
    let last = last_upkeep(&store.reader()?)?;
    store.write(move |db| begin_upkeep(db, now_ms)).await?;
    let is_due = last
        .checked_ms
        .is_none_or(|at| now_ms - at >= WHOLE_EVERY_MS || at > now_ms);
    let depth = if is_due { Depth::Whole } else { Depth::Quick };
    let mut kept = Kept {
        pruned: Pruned::default(),
        depth,
        copied: None,
        rotated: 0,
        freed_bytes: 0,
        is_checked: false,
        is_stopped: false,
        wrong: Vec::new(),
        seconds: 0.0,
    };
    let mut noted = LastUpkeep::default();

    let keep = prune::keep(now_ms, config.upkeep.keep, config.upkeep.keep_runs);
    match history::prune(store, &keep, Much::All, |_| !stop.is_asked()).await {
        Ok(pruned) => kept.pruned = pruned,
        Err(error) => kept.failed("old runs could not be taken away", &error),
    }

    if !stop.is_asked() {
        let folder = config.state.clone();
        info!(
            upkeep.depth = depth.word(),
            "upkeep: a {} check of the state",
            depth.word()
        );
        match aside(move || check::look(&folder, depth)).await {
            Ok((wrong, _)) if wrong.is_empty() => {
                kept.is_checked = true;
                noted.checked_ms = (depth == Depth::Whole).then_some(now_ms);
            }
            Ok((wrong, _)) => kept.wrong.push(format!(
                "the state is damaged ({}); `{}` says what to do",
                wrong.join("; "),
                worlds.typed().command("state check")
            )),
            Err(error) => kept.failed("the state could not be checked", &error),
        }
    }

    // A copy of a damaged state would only push a good one out.
    let is_sound = kept.wrong.is_empty();
    let copies = config.upkeep.backups;
    if is_sound && copies > 0 && !stop.is_asked() {
        info!("upkeep: a copy of the state");
        let (folder, to) = (config.state.clone(), config.upkeep.backup_folder.clone());
        match aside(move || rotating(&folder, &to, copies, now)).await {
            Ok((made, gone)) => {
                noted.backup_ms = Some(now_ms);
                kept.copied = Some(made);
                match gone {
                    Ok(gone) => kept.rotated = gone,
                    Err(error) => kept.failed("an old copy could not be removed", &error),
                }
            }
            Err(error) => kept.failed("no copy could be made", &error),
        }
    }

    if is_sound && !stop.is_asked() {
        match give_back(worlds, stop).await {
            Ok(Some(freed)) => {
                kept.freed_bytes = freed;
                noted.vacuumed_ms = Some(now_ms);
            }
            Ok(None) => {}
            Err(error) => kept.failed("freed room could not be given back", &error),
        }
    }

    kept.is_stopped = stop.is_asked();
    kept.seconds = began.elapsed().as_secs_f64();
    noted.what = Some(kept.line());
    // The daemon makes up for one without an end.
    noted.ended_ms = (!kept.is_stopped).then(|| clock.now().timestamp_millis());
    store.write(move |db| end_upkeep(db, &noted)).await?;
    info!("{}", kept.line());
    Ok(kept)
}

impl Kept {
    /// Returns what is wrong and what failed; `None` when nothing is.
    pub(in crate::cli) fn error(&self) -> Option<CliError> {
        (!self.wrong.is_empty()).then(|| CliError::Care {
            what: self.wrong.join("; "),
        })
    }

    fn failed(&mut self, what: &str, error: &StoreError) {
        self.wrong.push(format!("{what}: {error}"));
    }
}

/// Gives free pages back when that is worth it; `None` when nothing was tried.
async fn give_back(worlds: &Worlds, stop: &Stop) -> Result<Option<u64>, StoreError> {
    let store = worlds.store();
    let fill = Fill::of(&store.reader()?)?;
    if !fill.is_worth_it() {
        return Ok(None);
    }
    info!(
        upkeep.free_bytes = fill.free_bytes,
        "upkeep: {} are free",
        size(fill.free_bytes)
    );
    if fill.is_incremental {
        let freed = freeing::give_back(store, |_| !stop.is_asked()).await?;
        return Ok(Some(freed));
    }
    if !fill.is_to_rewrite() {
        return Ok(None);
    }
    // Everybody who writes waits for it, so it has to be while nobody runs; the next upkeep tries again.
    let Some(leases) = nobody_runs(worlds) else {
        return Ok(None);
    };
    let path = store.path().to_owned();
    aside(move || {
        // Held to the end of the work, also when nobody waits for it any more.
        let _leases = leases;
        freeing::rewrite(&path, &fill)
    })
    .await
    .map(Some)
}

/// Takes the lock of every job; `None` when one is at work.
fn nobody_runs(worlds: &Worlds) -> Option<Vec<Lock>> {
    let folder = &worlds.config().state;
    let locks: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("job-") && name.ends_with(".lock"))
        })
        .collect();
    let holder = holder("state upkeep", worlds.clock().now());
    locks
        .iter()
        .map(|path| match Lock::take(path, &holder) {
            Ok(Taken::Ours(lock)) => Some(lock),
            Ok(Taken::Busy { .. }) | Err(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::Connection;

    use crate::model::Clock;

    use super::*;

    #[tokio::test]
    async fn no_run_begins_while_the_file_is_rewritten() {
        let folder =
            std::env::temp_dir().join(format!("ghl-sync-give-back-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let state = folder.join("state");
        fs::create_dir_all(&state).unwrap();
        fs::create_dir_all(folder.join("schedules")).unwrap();
        let main = folder.join("ghl-sync.toml");
        let text = "[accounts.main]\nservice = 'highlevel'\nlocation = 'L0c'\n";
        fs::write(&main, text).unwrap();
        // A file of an earlier release, mostly free.
        let early = Connection::open(state.join(STATE_FILE)).unwrap();
        early.execute_batch("CREATE TABLE early(x)").unwrap();
        drop(early);
        let config = crate::config::load(&main).unwrap();
        let worlds = Worlds::open(config, Clock::system()).await.unwrap();
        let fill = worlds.store().write(|db| {
            for _ in 0..18 {
                db.execute("INSERT INTO early VALUES(zeroblob(1000000))", [])?;
            }
            Ok(db.execute("DELETE FROM early", [])?)
        });
        fill.await.unwrap();
        let lock = state.join("job-followers.lock");
        fs::write(&lock, "").unwrap();
        // Somebody writes, so that the work has to wait.
        let other = Connection::open(state.join(STATE_FILE)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let stop = Stop::default();
        let mut work = std::pin::pin!(give_back(&worlds, &stop));
        let begun = tokio::time::timeout(Duration::ZERO, &mut work).await;
        assert!(begun.is_err(), "{begun:?}");
        let holder = Lock::holder(&lock).unwrap().unwrap_or_default();
        assert!(holder.contains("state upkeep"), "{holder}");
        other.execute_batch("ROLLBACK").unwrap();
        let freed = work.await.unwrap().unwrap();
        assert!(freed >= 17_000_000, "{freed}");
        assert_eq!(Lock::holder(&lock).unwrap(), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
