//! What can go wrong with the state.

use std::fmt;
use std::path::PathBuf;

use super::owner::Owner;

/// Why the state could not be read or written; variants by what the caller does next.
#[derive(Debug)]
pub enum StoreError {
    /// The file is not a SQLite database, or is damaged.
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        said: String,
    },
    /// The file was written by a newer ghl-sync.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
        /// The newest we know.
        known: i64,
    },
    /// Another process kept the file locked for longer than we wait.
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is another user's, and was not opened.
    Foreign {
        /// The file; its folder while there is no file.
        path: PathBuf,
        /// Whose it is.
        owner: Owner,
        /// Who we are.
        user: Owner,
    },
    /// The file or its folder cannot be written.
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full.
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder could not be opened or made.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Any other answer of SQLite; a defect of ours or of the file.
    Sql {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A value in the database does not fit its type; it was changed by hand or by a defect.
    Corrupt {
        /// What was being read.
        what: String,
    },
    /// The writing thread is gone (the program is stopping, or a test stopped it on purpose).
    Stopped,
}

impl StoreError {
    /// Sorts the failure to open or write a file beside the database by what can be done about it.
    pub(crate) fn of_file(path: PathBuf, source: std::io::Error) -> StoreError {
        use std::io::ErrorKind;
        match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                StoreError::ReadOnly { path }
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
            _ => StoreError::Io { path, source },
        }
    }

    /// Sorts an error of SQLite by what can be done about it.
    pub(crate) fn sorted(path: PathBuf, source: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode;
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                StoreError::NotADatabase {
                    path,
                    said: source.to_string(),
                }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StoreError::Locked { path }
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                StoreError::ReadOnly { path }
            }
            Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
            _ => StoreError::Sql { path, source },
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    /// For use inside statements, where the path is not known; the writer and the readers put it in.
    fn from(source: rusqlite::Error) -> StoreError {
        StoreError::sorted(PathBuf::new(), source)
    }
}

impl StoreError {
    /// Puts the path of the file into an error that was made where it is not known.
    pub(crate) fn at(self, file: &std::path::Path) -> StoreError {
        let known = |path: PathBuf| {
            if path.as_os_str().is_empty() {
                file.to_owned()
            } else {
                path
            }
        };
        match self {
            StoreError::NotADatabase { path, said } => StoreError::NotADatabase {
                path: known(path),
                said,
            },
            StoreError::Newer {
                path,
                found,
                known: newest,
            } => StoreError::Newer {
                path: known(path),
                found,
                known: newest,
            },
            StoreError::Locked { path } => StoreError::Locked { path: known(path) },
            StoreError::ReadOnly { path } => StoreError::ReadOnly { path: known(path) },
            StoreError::DiskFull { path } => StoreError::DiskFull { path: known(path) },
            StoreError::Io { path, source } => StoreError::Io {
                path: known(path),
                source,
            },
            StoreError::Sql { path, source } => StoreError::Sql {
                path: known(path),
                source,
            },
            other @ (StoreError::Foreign { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Stopped) => other,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::NotADatabase { path, said } => write!(
                f,
                "{} is not a ghl-sync state file or is damaged ({said}); move it away, or put a backup from the same folder in its place",
                path.display()
            ),
            StoreError::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer ghl-sync (state version {found}, this program knows {known}); update ghl-sync, or put a backup in its place",
                path.display()
            ),
            StoreError::Locked { path } => write!(
                f,
                "{} is locked by another program; end it (or wait for it) and run the command again",
                path.display()
            ),
            StoreError::Foreign { path, owner, user } => write!(
                f,
                "{} belongs to {owner}, and you are {user}; it was not opened, because what another user makes there keeps its owner out",
                path.display()
            ),
            StoreError::ReadOnly { path } => write!(
                f,
                "{} cannot be written; give this user write permission on the file and its folder",
                path.display()
            ),
            StoreError::DiskFull { path } => write!(
                f,
                "the disk that holds {} is full; free some space and run the command again, nothing is lost",
                path.display()
            ),
            StoreError::Io { path, source } => {
                write!(f, "cannot open {}: {source}", path.display())
            }
            StoreError::Sql { path, source } => write!(f, "{}: {source}", path.display()),
            StoreError::Corrupt { what } => {
                write!(f, "the state holds an impossible value: {what}")
            }
            StoreError::Stopped => f.write_str("the state was closed"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Io { source, .. } => Some(source),
            StoreError::Sql { source, .. } => Some(source),
            _ => None,
        }
    }
}
