//! The state without a call: whether it opens, who can read it, and whether its disk has room.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::report::shell_word;
use crate::store::{STATE_FILE, Store};

use super::super::exit::Exit;
use super::findings::{About, Found};

/// Below this the disk of the state is worth a note, in bytes: a first pass over a million contacts writes about as much.
const LITTLE_BYTES: u64 = 500 * 1000 * 1000;
/// Below this a run may stop in its middle, in bytes.
const TOO_LITTLE_BYTES: u64 = 50 * 1000 * 1000;

/// Looks at the state; returns a connection when there is one to look through.
pub(super) fn look(found: &mut Found, folder: &Path) -> Option<Connection> {
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
                Some(format!("run `chmod {wanted:o} {}`", shell_word(path))),
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
    // A file system that does not tell is no fault.
    if let Ok(disk) = rustix::fs::statvfs(&there) {
        room_of(found, folder, disk.f_bavail.saturating_mul(disk.f_frsize));
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
