//! Locks between processes that die with their owner and never by the clock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

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
        // Not truncated: a taken lock's words belong to its holder.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.rewind()?;
                writeln!(file, "{holder}")?;
                Ok(Taken::Ours(Lock { file }))
            }
            Err(TryLockError::WouldBlock) => {
                let mut words = String::new();
                let _ = file.read_to_string(&mut words);
                let holder = words.lines().next().unwrap_or("another process").to_owned();
                Ok(Taken::Busy { holder })
            }
            Err(TryLockError::Error(source)) => Err(source),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The words are of use only while the lock is held; that the file is emptied or not changes nothing.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}
