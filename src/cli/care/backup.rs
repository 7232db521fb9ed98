//! `state backup`.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde_json::json;

use crate::config::Config;
use crate::store::backup::{self, Copied};
use crate::store::{STATE_FILE, StoreError};

use super::super::args::{Form, StateBackup};
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::runs::load;
use super::super::shell::Shell;
use super::{SCHEMA, aside, lease, no_state, size};

/// What every SQLite file begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Runs `state backup`.
///
/// Errors: there is no state; the copy cannot be written; its place is taken by something that is no copy.
pub(super) async fn backup(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &StateBackup,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let file = config.state.join(STATE_FILE);
    if !file.exists() {
        return Err(no_state(file));
    }
    if let Some(out) = &args.out {
        may_replace(out, &config)?;
    }
    let now = shell.clock.now();
    let _lease = lease(&config, "state backup", now, Some(&shell.stop)).await?;
    shell.progress.waiting("copying the state");
    let (folder, copies, out) = (
        config.state.clone(),
        config.upkeep.backup_folder.clone(),
        args.out.clone(),
    );
    let copied = aside(move || match out {
        Some(out) => backup::copy(&folder, &out),
        None => into_folder(&folder, &copies, now),
    })
    .await;
    shell.progress.finish();
    let Copied { path, bytes } = copied?;
    match args.format {
        Form::Json => {
            let line =
                json!({ "schema": SCHEMA, "path": path.display().to_string(), "bytes": bytes });
            shell.say(&line.to_string())?;
        }
        Form::Text => shell.say(&format!(
            "copied to {} ({}), checked, without logins.",
            path.display(),
            size(bytes)
        ))?,
    }
    Ok(Exit::Done)
}

/// Makes a copy in the folder of copies.
pub(super) fn into_folder(
    folder: &Path,
    copies: &Path,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Copied, StoreError> {
    backup::make_folder(copies)?;
    backup::copy(folder, &copies.join(backup::name_of(now)))
}

/// Makes a copy in the folder of copies and rotates them down to `keep`; returns how many went. When the disk has no room for it, the oldest
/// ones go first, if a sound one stays: a disk that is full would else never see a new copy.
///
/// Errors: no copy could be made. Inside: it could, and an old one could not be removed.
pub(super) fn rotating(
    folder: &Path,
    copies: &Path,
    keep: u32,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(Copied, Result<usize, StoreError>), StoreError> {
    let (copied, before) = with_room(
        || into_folder(folder, copies, now),
        || backup::make_room(copies, keep).map(|gone| gone.len()),
    )?;
    let gone = backup::rotate(copies, keep, &copied.path);
    Ok((copied, gone.map(|gone| before + gone.len())))
}

/// Makes something, and once more when the disk was full and some of it could be freed; returns how much was.
fn with_room<T>(
    make: impl Fn() -> Result<T, StoreError>,
    free: impl FnOnce() -> Result<usize, StoreError>,
) -> Result<(T, usize), StoreError> {
    match make() {
        Err(StoreError::DiskFull { path }) => match free()? {
            0 => Err(StoreError::DiskFull { path }),
            freed => Ok((make()?, freed)),
        },
        made => Ok((made?, 0)),
    }
}

/// Looks whether a copy may be put there: nothing is there, or another copy.
fn may_replace(out: &Path, config: &Config) -> Result<(), CliError> {
    let Ok(meta) = fs::metadata(out) else {
        return Ok(());
    };
    let refuse = |why: &str| {
        Err(CliError::usage(format!(
            "{}: {why}; name another file with --out",
            out.display()
        )))
    };
    if !meta.is_file() {
        return refuse("this is not a file");
    }
    let is_ours = out.file_name().is_some_and(|name| {
        name.to_string_lossy().starts_with(STATE_FILE)
            && fs::canonicalize(out)
                .ok()
                .and_then(|out| out.parent().map(Path::to_owned))
                == fs::canonicalize(&config.state).ok()
    });
    if is_ours {
        return refuse("this is the state itself, or belongs to it");
    }
    let mut begins = Vec::new();
    let read =
        File::open(out).and_then(|file| file.take(SQLITE.len() as u64).read_to_end(&mut begins));
    if read.is_err() || (!begins.is_empty() && begins != SQLITE) {
        return refuse("this is something else than a copy of the state, and is not replaced");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_full_disk_is_tried_again_once_some_of_it_was_freed() {
        for (freed, tries, is_made) in [(0, 1, false), (2, 2, true)] {
            let tried = Cell::new(0);
            let make = || {
                tried.set(tried.get() + 1);
                match tried.get() {
                    1 => Err(StoreError::DiskFull {
                        path: "copy.db".into(),
                    }),
                    _ => Ok(()),
                }
            };
            let made = with_room(make, || Ok(freed));
            assert_eq!((made.is_ok(), tried.get()), (is_made, tries));
        }
        let made = with_room(|| Ok(()), || panic!("there was room"));
        assert!(made.is_ok_and(|(_, freed)| freed == 0));
    }
}
