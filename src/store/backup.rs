//! Copies of the state: made while others go on writing, whole or not there at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::freeing::{Fill, has_room_for};
use super::health::{self, Depth};
use super::lock::give_to_owner;
use super::open::{STATE_FILE, open_for_copying, without_logins};
use super::owner::is_ours;

/// What the names of copies begin with; between it and the ending stands the moment.
const BEGINS: &str = "ghl-sync-";
/// What the names of copies end with.
const ENDS: &str = ".db";
/// The moment in a name, UTC.
const MOMENT: &str = "%Y%m%dT%H%M%SZ";
/// What is added to a copy's name while it is not whole.
const HALF: &str = ".half";

/// What SQLite adds to the names of files beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Returns the name of a copy made now.
pub fn name_of(now: DateTime<Utc>) -> String {
    format!("{BEGINS}{}{ENDS}", now.format(MOMENT))
}

/// Returns whether a file's name is one that [`name_of`] gives; no other file is ever taken for a copy.
fn is_a_copy(name: &str) -> bool {
    let moment = name
        .strip_prefix(BEGINS)
        .and_then(|rest| rest.strip_suffix(ENDS));
    moment.is_some_and(|moment| {
        moment.len() == "20260302T120000Z".len()
            && chrono::NaiveDateTime::parse_from_str(moment, MOMENT).is_ok()
    })
}

/// Returns the copies in a folder, the newest first; none when there is no such folder.
///
/// Errors: the folder cannot be read.
pub fn copies(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut copies = named(folder, is_a_copy)?;
    copies.sort();
    copies.reverse();
    Ok(copies)
}

/// Writes a whole, consistent copy of the state in `folder` to `target`, 0600, checked, on the disk, and without logins: a refresh token is good
/// for one use, so one in a copy would be spent by the time it is needed. What was at `target` is replaced.
///
/// Others read and write meanwhile. Takes as long as to read the file and to write it; memory does not grow with it. Whoever calls holds a lock
/// that keeps others from writing the same copy.
///
/// Errors: the disk is full or cannot be written, or the state is damaged; then there is no copy, and what was at `target` stands.
pub fn copy(folder: &Path, target: &Path) -> Result<Copied, StoreError> {
    is_ours(folder)?;
    let state = folder.join(STATE_FILE);
    let source = open_for_copying(&state)?;
    // Runs under way need the disk more than a copy does, and it is not filled under them only to fail.
    let fill = Fill::of(&source)?;
    has_room_for(target, fill.bytes.saturating_sub(fill.free_bytes))?;
    let half = Half::make(target)?;
    let sorted = |error| StoreError::sorted(half.path.clone(), error);
    source
        .execute("VACUUM INTO ?1", [half.path.to_string_lossy()])
        .map_err(sorted)?;
    drop(source);
    {
        let copy = Connection::open_with_flags(&half.path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(sorted)?;
        without_logins(&copy).map_err(sorted)?;
        let wrong = health::check(&copy, Depth::Quick).map_err(|error| error.at(&half.path))?;
        if let Some(first) = wrong.first() {
            return Err(StoreError::NotADatabase {
                path: state,
                said: format!("its copy is not sound: {first}"),
            });
        }
    }
    let io = |source| StoreError::of_file(target.to_owned(), source);
    let file = File::open(&half.path).map_err(io)?;
    file.sync_all().map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    half.becomes(target).map_err(io)?;
    sync_folder(target);
    Ok(Copied {
        path: target.to_owned(),
        bytes,
    })
}

/// Makes the folder of copies, for its owner alone, when it is missing, and takes away what a killed process left half made in it.
///
/// Whoever calls holds the lock under which copies are made, so every half is left behind. Errors: the folder cannot be made or read.
pub fn make_folder(folder: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::of_file(folder.to_owned(), source);
    if !folder.is_dir() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io)?;
        if let Ok(made) = File::open(folder) {
            give_to_owner(&made, folder);
        }
    }
    for half in named(folder, |name| {
        // SQLite's journal of a half is left behind with it.
        let mut endings = BESIDE.iter();
        let half = endings.find_map(|ending| name.strip_suffix(ending));
        let half = half.unwrap_or(name).strip_suffix(HALF);
        half.is_some_and(is_a_copy)
    })? {
        fs::remove_file(&half).map_err(|source| StoreError::of_file(half.clone(), source))?;
    }
    Ok(())
}

/// Takes the oldest copies away until `keep` are left; returns those that went. The one just `made`, known to be good, stays whatever the clock
/// says of it.
///
/// Errors: a copy cannot be removed.
pub fn rotate(folder: &Path, keep: u32, made: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let others = copies(folder)?.into_iter().filter(|copy| copy != made);
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let mut gone = Vec::new();
    for old in others.skip(keep.saturating_sub(1)) {
        fs::remove_file(&old).map_err(|source| StoreError::of_file(old.clone(), source))?;
        gone.push(old);
    }
    Ok(gone)
}

/// Makes room for a copy: takes the oldest ones away until `keep` less one are left, if one of those is sound; returns those that went.
///
/// Errors: the folder cannot be read, or a copy cannot be removed.
pub fn make_room(folder: &Path, keep: u32) -> Result<Vec<PathBuf>, StoreError> {
    let mut staying = copies(folder)?;
    let keep = usize::try_from(keep.saturating_sub(1)).unwrap_or(usize::MAX);
    let gone = staying.split_off(keep.min(staying.len()));
    if gone.is_empty() || !staying.iter().any(|copy| is_sound(copy)) {
        return Ok(Vec::new());
    }
    for old in &gone {
        fs::remove_file(old).map_err(|source| StoreError::of_file(old.clone(), source))?;
    }
    Ok(gone)
}

/// Returns the newest copy that is sound; looks at no more than it has to.
pub fn newest_good(folder: &Path) -> Option<PathBuf> {
    copies(folder).ok()?.into_iter().find(|copy| is_sound(copy))
}

fn is_sound(copy: &Path) -> bool {
    let opened = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY);
    opened.is_ok_and(|db| health::check(&db, Depth::Quick).is_ok_and(|wrong| wrong.is_empty()))
}

fn named(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::of_file(folder.to_owned(), source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| StoreError::of_file(folder.to_owned(), source))?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && entry.file_name().to_str().is_some_and(&wanted) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Lets the new name of a file reach the disk; a file system that cannot do it has its own order.
pub(super) fn sync_folder(file: &Path) {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// A file that is not whole yet; it goes unless it becomes what it was made for.
pub(super) struct Half {
    pub(super) path: PathBuf,
    is_whole: bool,
}

impl Half {
    /// Makes an empty one beside `target`, 0600 before anything is in it; one that was left there is replaced.
    pub(super) fn make(target: &Path) -> Result<Half, StoreError> {
        let mut path = target.as_os_str().to_owned();
        path.push(HALF);
        let path = PathBuf::from(path);
        let io = |source| StoreError::of_file(path.clone(), source);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        give_to_owner(&file, &path);
        Ok(Half {
            path,
            is_whole: false,
        })
    }

    /// Gives it its name.
    pub(super) fn becomes(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.is_whole = true;
        Ok(())
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        if !self.is_whole {
            for ending in ["", "-wal", "-shm", "-journal"] {
                let mut path = self.path.as_os_str().to_owned();
                path.push(ending);
                // The next copy takes away what cannot be now.
                let _ = fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests;
