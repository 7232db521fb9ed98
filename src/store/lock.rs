//! Locks between processes that die with their owner and never by the clock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;

/// How often a lock that nobody holds is tried again while others look whether somebody does.
const LOOKS_AT_MOST: u32 = 50;
/// How long a look takes at most, generously.
const A_LOOK: Duration = Duration::from_millis(1);

/// A held lock: an OS lock on an open file. Dropping it, or dying, lets it go.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// What a try came to.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(Lock),
    /// Another process, or another task of this one, holds it.
    Busy {
        /// What the holder wrote inside.
        holder: String,
    },
}

impl Lock {
    /// Tries to take the lock on the file `path`, made 0600 when it is missing; `holder` is written inside for whoever finds it taken.
    ///
    /// Errors: the file cannot be opened, locked or written.
    pub fn take(path: &Path, holder: &str) -> io::Result<Taken> {
        let open = |is_new| {
            // Not truncated: a taken lock's words belong to its holder. Nor through a link, which may lead to anything.
            OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(is_new)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(path)
        };
        let mut file = match open(true) {
            Ok(file) => {
                give_to_owner(&file, path);
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(false)?,
            Err(error) => return Err(error),
        };
        for _ in 0..LOOKS_AT_MOST {
            match file.try_lock() {
                Ok(()) => {
                    file.set_len(0)?;
                    file.rewind()?;
                    writeln!(file, "{holder}")?;
                    return Ok(Taken::Ours(Lock { file }));
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(source),
            }
            match file.try_lock_shared() {
                // Nobody holds it: somebody only looked (`Lock::holder`), which is over in a moment.
                Ok(()) => {
                    file.unlock()?;
                    std::thread::sleep(A_LOOK);
                }
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(source),
            }
        }
        Ok(Taken::Busy {
            holder: words(&mut file),
        })
    }

    /// Returns what the holder of a lock wrote inside; `None` when nobody holds it, or there is no such file. Takes nothing and makes nothing.
    ///
    /// It looks by a shared lock that it lets go at once; whoever takes the lock in that moment tries again.
    ///
    /// Errors: the file cannot be opened or looked at.
    pub fn holder(path: &Path) -> io::Result<Option<String>> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => {
                file.unlock()?;
                Ok(None)
            }
            Err(TryLockError::WouldBlock) => Ok(Some(words(&mut file))),
            Err(TryLockError::Error(source)) => Err(source),
        }
    }
}

/// Returns what a holder wrote inside; it may be about to.
fn words(file: &mut File) -> String {
    let mut words = String::new();
    let _ = file.read_to_string(&mut words);
    words.lines().next().unwrap_or("another process").to_owned()
}

/// Gives a file that was just made to the owner of its folder: what root makes in a service's state, `sudo ghl-sync auth` for example, would
/// keep the service from renewing its logins. SQLite does the same with its WAL. Whoever is not root makes files of its own alone.
pub(super) fn give_to_owner(file: &File, path: &Path) {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.metadata().ok(),
        Some(_) => Path::new(".").metadata().ok(),
        None => None,
    };
    if let (Some(folder), Ok(made)) = (folder, file.metadata())
        && (folder.uid(), folder.gid()) != (made.uid(), made.gid())
    {
        let _ = fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The words are of use only while the lock is held; that the file is emptied or not changes nothing.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[test]
    fn a_lock_belongs_to_the_owner_of_its_folder_and_is_taken_through_no_link() {
        let folder = std::env::temp_dir().join(format!("ghl-sync-lock-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        // Root alone can do this, and only what root does is of interest.
        let _ = chown(&folder, Some(4_321), Some(4_321));
        let path = folder.join("token-main.lock");
        let lock = Lock::take(&path, "me").unwrap();
        assert!(matches!(lock, Taken::Ours(_)));
        assert!(matches!(Lock::take(&path, "other"), Ok(Taken::Busy { .. })));
        let owner = |path: &Path| fs::metadata(path).unwrap().uid();
        assert_eq!(owner(&path), owner(&folder));
        assert_eq!(Lock::holder(&path).unwrap().as_deref(), Some("me"));
        drop(lock);
        assert_eq!(Lock::holder(&path).unwrap(), None);
        assert_eq!(Lock::holder(&folder.join("none.lock")).unwrap(), None);
        assert!(!folder.join("none.lock").exists());
        let precious = folder.join("precious");
        fs::write(&precious, "text").unwrap();
        symlink(&precious, folder.join("link.lock")).unwrap();
        assert!(Lock::take(&folder.join("link.lock"), "me").is_err());
        assert_eq!(fs::read_to_string(&precious).unwrap(), "text");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn whoever_looks_hinders_nobody_who_takes() {
        let folder = std::env::temp_dir().join(format!("ghl-sync-looks-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("job-a.lock");
        drop(Lock::take(&path, "first").unwrap());
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        Lock::holder(&path).unwrap();
                    }
                });
            }
            for _ in 0..200 {
                let taken = Lock::take(&path, "me").unwrap();
                assert!(matches!(taken, Taken::Ours(_)), "{taken:?}");
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        fs::remove_dir_all(&folder).unwrap();
    }
}
