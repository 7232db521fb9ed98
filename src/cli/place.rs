//! Putting new files in their places: each whole or not at all, and nothing that was there is lost.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::CliError;

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Nobody but this user: 0600, and new folders 0700.
    ThisUser,
    /// All users, whatever the umask: 0644, and new folders 0755.
    Everyone,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) whose: For,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) path: PathBuf,
    /// Where the file is that was there before.
    pub(super) old: Option<PathBuf>,
}

/// Returns whether anything is at a path, a link that leads nowhere included.
pub(super) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Writes all files, in their order; folders that are missing are made.
///
/// With `may_replace`, a file that is there gets another name first. Nothing is in its place before the texts of all are on the disk.
///
/// Errors: `Io`, with the file. A file that appeared meanwhile is left alone without `may_replace`.
pub(super) fn place(files: &[NewFile], may_replace: bool) -> Result<Vec<Placed>, CliError> {
    let mut drafts = Vec::new();
    for file in files {
        let draft = Draft::write(file).map_err(CliError::writing(&file.path))?;
        drafts.push((draft, file.path.as_path()));
    }
    let mut placed = Vec::new();
    for (draft, path) in drafts {
        let old = match draft.settle(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && may_replace => {
                Some(draft.replace(path))
            }
            settled => settled.map(|()| None).transpose(),
        };
        let old = old.transpose().map_err(CliError::writing(path))?;
        let path = path.to_owned();
        placed.push(Placed { path, old });
    }
    Ok(placed)
}

/// Writes a file over one that nobody misses.
///
/// Errors: `Io`, with the file.
pub(super) fn renew(file: &NewFile) -> Result<(), CliError> {
    let renew = || {
        let draft = Draft::write(file)?;
        fs::rename(&draft.0, &file.path)?;
        sync_folder(&file.path)
    };
    renew().map_err(CliError::writing(&file.path))
}

/// A text on the disk under a name that nobody reads; goes away when it is not needed any more.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Draft {
    fn write(file: &NewFile) -> io::Result<Draft> {
        let folder = folder_of(&file.path);
        match file.whose {
            For::ThisUser => DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?,
            For::Everyone => make_for_everyone(folder)?,
        }
        let mut name = OsString::from(".");
        name.push(file.path.file_name().unwrap_or_default());
        name.push(format!(".{}.new", std::process::id()));
        let path = folder.join(name);
        // `create_new` follows no link, so nothing else is written to.
        let mut open = OpenOptions::new();
        let mut draft = open.write(true).create_new(true).mode(0o600).open(&path)?;
        let this = Draft(path);
        draft.write_all(file.text.as_bytes())?;
        if file.whose == For::Everyone {
            draft.set_permissions(Permissions::from_mode(0o644))?;
        }
        draft.sync_all()?;
        Ok(this)
    }

    /// Gives the text its name, which must be free.
    fn settle(&self, path: &Path) -> io::Result<()> {
        match fs::hard_link(&self.0, path) {
            // Not every file system has links.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                if is_there(path) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                fs::rename(&self.0, path)?;
            }
            linked => linked?,
        }
        sync_folder(path)
    }

    /// Gives the text the name of a file that is there, which gets the first free name; at every moment one of the two has the name.
    fn replace(&self, path: &Path) -> io::Result<PathBuf> {
        let old = keep(path)?;
        fs::rename(&self.0, path)?;
        sync_folder(path)?;
        Ok(old)
    }
}

/// Makes a folder, and those above it that are missing, 0755.
fn make_for_everyone(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_for_everyone(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made.and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o755))),
    }
}

/// Gives what is at a path a second name: NAME.old, or NAME.old2 and so on while that is taken.
pub(super) fn keep(path: &Path) -> io::Result<PathBuf> {
    for number in 1_u32.. {
        let mut name = path.as_os_str().to_owned();
        name.push(".old");
        if number > 1 {
            name.push(number.to_string());
        }
        let old = PathBuf::from(name);
        match fs::hard_link(path, &old) {
            Ok(()) => return Ok(old),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // Not every file system has links.
            Err(_) if is_there(&old) => {}
            Err(_) => return fs::rename(path, &old).map(|()| old),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes the names in a folder last.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Returns the folder of a file, one that can be opened.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder that goes away with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path =
                std::env::temp_dir().join(format!("ghl-sync-place-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.join(name)).unwrap()
        }

        fn file(&self, name: &str, text: &str) -> NewFile {
            let (path, text) = (self.0.join(name), text.to_owned());
            let whose = For::ThisUser;
            NewFile { path, text, whose }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn new_files_are_for_this_user_alone() {
        let folder = Folder::new("new");
        let placed = place(&[folder.file("a/b/c.toml", "text")], false).unwrap();
        assert_eq!(placed[0].old, None);
        assert_eq!(folder.read("a/b/c.toml"), "text");
        assert_eq!(mode(&folder.0.join("a/b/c.toml")), 0o600);
        assert_eq!(mode(&folder.0.join("a/b")), 0o700);
        assert_eq!(mode(&folder.0.join("a")), 0o700);
        assert_eq!(fs::read_dir(folder.0.join("a/b")).unwrap().count(), 1);
    }

    #[test]
    fn files_for_everyone_can_be_read_whatever_the_umask() {
        let folder = Folder::new("everyone");
        let file = NewFile {
            whose: For::Everyone,
            ..folder.file("a/b/c.conf", "text")
        };
        place(&[file], false).unwrap();
        assert_eq!(mode(&folder.0.join("a/b/c.conf")), 0o644);
        assert_eq!(mode(&folder.0.join("a/b")), 0o755);
        assert_eq!(mode(&folder.0.join("a")), 0o755);
    }

    #[test]
    fn what_is_there_is_never_lost() {
        let folder = Folder::new("old");
        for text in ["one", "two", "three"] {
            place(&[folder.file("x", text)], true).unwrap();
        }
        assert_eq!(folder.names(), ["x", "x.old", "x.old2"]);
        assert_eq!(folder.read("x"), "three");
        assert_eq!(folder.read("x.old"), "one");
        assert_eq!(folder.read("x.old2"), "two");
        let refused = place(&[folder.file("x", "four")], false).unwrap_err();
        assert!(refused.to_string().contains("/x: "), "{refused}");
        assert_eq!(folder.read("x"), "three");
        assert_eq!(folder.names().len(), 3);
    }

    #[test]
    fn a_link_is_not_followed_wherever_it_leads() {
        let folder = Folder::new("link");
        let target = folder.0.join("elsewhere");
        symlink(&target, folder.0.join("x")).unwrap();
        assert!(is_there(&folder.0.join("x")));
        place(&[folder.file("x", "new")], false).unwrap_err();
        let placed = place(&[folder.file("x", "new")], true).unwrap();
        assert_eq!(folder.names(), ["x", "x.old"]);
        assert!(placed[0].old.as_ref().unwrap().is_symlink());
        assert_eq!(folder.read("x"), "new");
        assert!(!target.exists());
    }

    #[test]
    fn one_that_cannot_be_written_leaves_none() {
        let folder = Folder::new("none");
        fs::write(folder.0.join("blocked"), "a file, not a folder").unwrap();
        let files = [folder.file("a", "a"), folder.file("blocked/b", "b")];
        let refused = place(&files, true).unwrap_err();
        assert!(refused.to_string().contains("blocked/b"), "{refused}");
        assert_eq!(folder.names(), ["blocked"]);
    }
}
