//! Getting a secret from where the configuration says that it is.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::SecretSource;
use crate::model::Secret;
use crate::report::shell_word;

/// Where systemd says that the credentials of a unit are. Source: systemd.exec(5), "Credentials".
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// More than this is no secret but a mistake, and is not read into memory.
const LARGEST_BYTES: u64 = 64 * 1024;

/// The permissions that a secret file must not give: anything to others, writing to its group.
///
/// The group may read, because `root:service` with 0640 is how services are usually handed a file.
const TOO_OPEN: u32 = 0o027;

/// Why a secret could not be had.
#[derive(Debug)]
pub enum SecretError {
    /// The environment variable is missing or not text.
    NoVariable {
        /// Its name.
        name: String,
    },
    /// The file cannot be read.
    NoFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The credential cannot be read where it has to be.
    NoCredential {
        /// Its name.
        name: String,
        /// The folder that systemd named; `None` outside a unit.
        directory: Option<PathBuf>,
        /// The folder that serves outside a unit.
        fallback: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// People besides its owner and a group of readers can get at the file.
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The permissions that it should have.
        wanted: u32,
    },
    /// The secret is empty, or has characters that no header can carry.
    Unusable {
        /// Where it came from, for example `env:GHL_TOKEN`.
        source: String,
    },
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretError::NoVariable { name } => write!(
                f,
                "the environment variable {name} is not set; set it to the secret, or write `file:PATH` instead"
            ),
            SecretError::NoFile { path, source } => write!(
                f,
                "cannot read the secret file {} ({source}); make it, readable by this user alone, with the secret as its only line",
                path.display()
            ),
            SecretError::NoCredential {
                name,
                directory: Some(directory),
                fallback,
                source,
            } => write!(
                f,
                "cannot read the credential {} ({source}); add `LoadCredential={name}:/path/to/it` to the unit (outside a unit {} would be read)",
                directory.join(name).display(),
                fallback.join(name).display()
            ),
            SecretError::NoCredential {
                name,
                directory: None,
                fallback,
                source,
            } => write!(
                f,
                "cannot read the credential {} ({source}); make that file, readable by this user alone, with the secret as its only line, or run inside a systemd unit, where it is $CREDENTIALS_DIRECTORY/{name}",
                fallback.join(name).display()
            ),
            SecretError::Open { path, mode, wanted } => write!(
                f,
                "the secret file {} is open to other users (mode {mode:04o}); run `chmod {wanted:o} {}`",
                path.display(),
                shell_word(path)
            ),
            SecretError::Unusable { source } => write!(
                f,
                "{source} is empty or is not one line of plain characters; it should hold the secret alone"
            ),
        }
    }
}

impl std::error::Error for SecretError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SecretError::NoFile { source, .. } | SecretError::NoCredential { source, .. } => {
                Some(source)
            }
            SecretError::NoVariable { .. }
            | SecretError::Open { .. }
            | SecretError::Unusable { .. } => None,
        }
    }
}

/// Gets the secret that a source names; nothing is remembered, so that a file is read again each time.
///
/// Spaces and line ends around the secret are dropped. What systemd hands over is taken as it is; every other file must be closed to others.
///
/// Errors: every variant of [`SecretError`].
pub fn resolve(source: &SecretSource) -> Result<Secret, SecretError> {
    let directory = std::env::var_os(CREDENTIALS_DIRECTORY);
    resolve_in(source, directory.as_deref())
}

/// Does what [`resolve`] does, with the folder that systemd named.
fn resolve_in(source: &SecretSource, directory: Option<&OsStr>) -> Result<Secret, SecretError> {
    let text = match source {
        SecretSource::Env(name) => {
            std::env::var(name).map_err(|_| SecretError::NoVariable { name: name.clone() })?
        }
        SecretSource::File(path) => {
            let no_file = |source| SecretError::NoFile {
                path: path.clone(),
                source,
            };
            let mut file = File::open(path).map_err(no_file)?;
            check_mode(&file, path, no_file)?;
            read(&mut file).map_err(no_file)?
        }
        SecretSource::Credential { name, fallback } => {
            let directory = directory.filter(|directory| !directory.is_empty());
            let directory = directory.map(PathBuf::from);
            let no_credential = |source| SecretError::NoCredential {
                name: name.clone(),
                directory: directory.clone(),
                fallback: fallback.clone(),
                source,
            };
            let path = directory.as_deref().unwrap_or(fallback).join(name);
            let mut file = File::open(&path).map_err(no_credential)?;
            if directory.is_none() {
                check_mode(&file, &path, no_credential)?;
            }
            read(&mut file).map_err(no_credential)?
        }
    };
    let text = text.trim();
    let usable = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if usable {
        Ok(Secret::new(text))
    } else {
        Err(SecretError::Unusable {
            source: source.to_string(),
        })
    }
}

/// Reads a file that may not be text; what is not is replaced, and so no secret.
fn read(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(LARGEST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Refuses a file that is too open; asks the open file, so that it is the one that is read.
fn check_mode(
    file: &File,
    path: &Path,
    unreadable: impl Fn(io::Error) -> SecretError,
) -> Result<(), SecretError> {
    let meta = file.metadata().map_err(&unreadable)?;
    if meta.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    let mode = meta.mode() & 0o7777;
    if mode & TOO_OPEN == 0 {
        return Ok(());
    }
    // A file of root is read by a service through its group; from anybody else's file no group needs anything.
    let is_for_a_group = meta.uid() == 0 && mode & 0o040 != 0;
    Err(SecretError::Open {
        path: path.to_owned(),
        mode,
        wanted: if is_for_a_group { 0o640 } else { 0o600 },
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder that goes away with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path =
                std::env::temp_dir().join(format!("ghl-sync-secret-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn write(&self, name: &str, text: &str, mode: u32) {
            let path = self.0.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }

        fn file(&self, name: &str) -> Result<Secret, SecretError> {
            resolve(&SecretSource::File(self.0.join(name)))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_secret_comes_from_a_file_without_its_line_end() {
        let folder = Folder::new("file");
        folder.write("token", "abc\r\n", 0o600);
        folder.write("empty", "\n", 0o600);
        folder.write("two", "a\nb\n", 0o600);
        assert_eq!(folder.file("token").unwrap().reveal(), "abc");
        for name in ["empty", "two"] {
            let seen = folder.file(name);
            assert!(matches!(seen, Err(SecretError::Unusable { .. })), "{name}");
        }
        assert!(matches!(
            folder.file("none"),
            Err(SecretError::NoFile { .. })
        ));
        assert!(matches!(folder.file(""), Err(SecretError::NoFile { .. })));
        assert!(matches!(
            resolve(&SecretSource::Env("GHL_SYNC_NO_SUCH_VARIABLE".to_owned())),
            Err(SecretError::NoVariable { .. })
        ));
    }

    #[test]
    fn a_file_that_others_can_get_at_is_refused_with_the_line_that_mends_it() {
        let folder = Folder::new("mode");
        for fine in [0o600, 0o400, 0o640, 0o440, 0o700] {
            folder.write("token", "abc", fine);
            assert!(folder.file("token").is_ok(), "{fine:o}");
        }
        for open in [0o604, 0o602, 0o601, 0o620, 0o660, 0o644, 0o777] {
            folder.write("token", "very-secret", open);
            let said = folder.file("token").unwrap_err().to_string();
            assert!(said.contains(&format!("(mode {open:04o})")), "{said}");
            assert!(said.contains("`chmod 6"), "{said}");
            assert!(said.contains("/token`"), "{said}");
            assert!(!said.contains("very-secret"), "{said}");
        }
        let name = "it's open";
        folder.write(name, "abc", 0o644);
        let said = folder.file(name).unwrap_err().to_string();
        assert!(said.contains(r"it'\''s open'`"), "{said}");
    }

    #[test]
    fn a_credential_comes_from_systemd_and_outside_a_unit_from_the_folder_beside() {
        let unit = Folder::new("unit");
        let beside = Folder::new("beside");
        unit.write("twitch", "of-unit", 0o644);
        beside.write("twitch", "of-folder\n", 0o600);
        beside.write("hub", "of-folder", 0o600);
        let source = |name: &str| SecretSource::Credential {
            name: name.to_owned(),
            fallback: beside.0.clone(),
        };
        let in_unit = Some(unit.0.as_os_str());
        let get = |name: &str, directory| resolve_in(&source(name), directory);
        assert_eq!(get("twitch", in_unit).unwrap().reveal(), "of-unit");
        assert_eq!(get("twitch", None).unwrap().reveal(), "of-folder");
        assert_eq!(
            get("twitch", Some(OsStr::new(""))).unwrap().reveal(),
            "of-folder"
        );
        // A unit that was not given a credential does not quietly take another one.
        for (name, directory) in [("hub", in_unit), ("none", None)] {
            let said = get(name, directory).unwrap_err().to_string();
            let both = [format!("{}/{name}", beside.0.display()), "CRED".to_owned()];
            let unit = unit.0.display().to_string();
            assert!(said.contains(&both[0]), "{said}");
            assert!(said.contains(&unit) || said.contains("$CRED"), "{said}");
        }
        beside.write("hub", "abc", 0o644);
        assert!(matches!(get("hub", None), Err(SecretError::Open { .. })));
    }
}
