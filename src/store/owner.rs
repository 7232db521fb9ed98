//! Whose state it is: what another user makes in it (a lock, the WAL) would keep its owner out, and the next run of a service would fail at night.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::error::StoreError;
use super::open::STATE_FILE;

/// Where the users of this machine are. Those that come from elsewhere (LDAP, systemd-homed) are known by their number alone.
const USERS: &str = "/etc/passwd";

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The number.
    pub uid: u32,
    /// The name; `None` when no user has this number.
    pub name: Option<String>,
}

impl fmt::Display for Owner {
    /// Writes it as `sudo -u` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "#{}", self.uid),
        }
    }
}

impl Owner {
    fn of(uid: u32, users: &str) -> Owner {
        let named = |line: &str| {
            let mut parts = line.split(':');
            let name = parts.next().filter(|name| is_name(name))?;
            let number: u32 = parts.nth(1)?.parse().ok()?;
            (number == uid).then(|| name.to_owned())
        };
        Owner {
            uid,
            name: users.lines().find_map(named),
        }
    }
}

/// Returns whether it may stand in a command line as it is.
fn is_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(is_plain)
}

/// Makes sure that the state in `folder` is this user's, or is not there yet; touches nothing.
///
/// The owner of the file counts, and while there is none that of the folder, unless it is root's and this user may write in it (a volume
/// that a container was given). Root works in the state of an owner without a name, who can hardly be changed to.
///
/// Errors: `Foreign`.
pub fn is_ours(folder: &Path) -> Result<(), StoreError> {
    let Some((path, uid)) = owned(folder) else {
        return Ok(());
    };
    let ours = rustix::process::geteuid().as_raw();
    let users = fs::read_to_string(USERS).unwrap_or_default();
    let owner = Owner::of(uid, &users);
    let is_free =
        uid == 0 && path == folder && rustix::fs::access(folder, Access::WRITE_OK).is_ok();
    if is_free || may_work(ours, &owner) {
        return Ok(());
    }
    Err(StoreError::Foreign {
        path,
        owner,
        user: Owner::of(ours, &users),
    })
}

/// Returns who keeps this user from reading a file: its owner, or that of the folder it is hidden in; `None` when nobody does.
pub fn hidden_by(path: &Path) -> Option<Owner> {
    let refused = fs::File::open(path).err()?;
    if refused.kind() != io::ErrorKind::PermissionDenied {
        return None;
    }
    let uid = path
        .ancestors()
        .find_map(|path| path.metadata().ok())?
        .uid();
    let is_another = uid != rustix::process::geteuid().as_raw();
    let users = fs::read_to_string(USERS).unwrap_or_default();
    is_another.then(|| Owner::of(uid, &users))
}

/// Says whether the user `ours` may work in what belongs to `owner`.
fn may_work(ours: u32, owner: &Owner) -> bool {
    match (ours, &owner.name) {
        (ours, _) if ours == owner.uid => true,
        (0, None) => true,
        (0, Some(_)) | (_, _) => false,
    }
}

/// Returns what says whose the state is, with its owner's number: the file, else the folder, else what keeps us from looking at either.
fn owned(folder: &Path) -> Option<(PathBuf, u32)> {
    let file = folder.join(STATE_FILE);
    let mut is_hidden = false;
    for path in [file.as_path()].into_iter().chain(folder.ancestors()) {
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        // A folder above counts only when it hides the state.
        if path != file && path != folder && !is_hidden {
            return None;
        }
        match path.metadata() {
            Ok(meta) => return Some((path.to_owned(), meta.uid())),
            Err(error) => is_hidden |= error.kind() == io::ErrorKind::PermissionDenied,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    const SOME: &str = "root:x:0:0:root:/root:/bin/sh\n# a remark\nghl-sync:x:998:998::/var/lib/ghl-sync:/usr/sbin/nologin\n-x:x:5:5::/:/\na b:x:6:6::/:/\n";

    #[test]
    fn a_user_is_known_by_name_where_the_name_can_be_typed_and_else_by_number() {
        let said = |uid| Owner::of(uid, SOME).to_string();
        assert_eq!(
            [0, 998, 4_321, 5, 6].map(said),
            ["root", "ghl-sync", "#4321", "#5", "#6"]
        );
    }

    #[test]
    fn another_user_is_refused_and_root_alone_works_for_those_without_a_name() {
        for (ours, owner, may) in [
            (998, 998, true),
            (4_321, 4_321, true),
            (0, 0, true),
            (1_000, 998, false),
            (1_000, 0, false),
            (1_000, 4_321, false),
            (0, 998, false),
            (0, 4_321, true),
        ] {
            assert_eq!(
                may_work(ours, &Owner::of(owner, SOME)),
                may,
                "{ours}, {owner}"
            );
        }
    }

    #[test]
    fn a_state_of_somebody_else_is_not_opened_and_nothing_is_made_in_it() {
        if rustix::process::geteuid().as_raw() != 0 {
            // Only root can give a folder to somebody else.
            return;
        }
        let folder = std::env::temp_dir().join(format!("ghl-sync-owner-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let users = fs::read_to_string(USERS).unwrap();
        let somebody = |line: &str| {
            let uid: u32 = line.split(':').nth(2)?.parse().ok()?;
            (uid > 0).then_some(uid)
        };
        let somebody = users.lines().find_map(somebody).unwrap();
        chown(&folder, Some(somebody), None).unwrap();
        let refused = crate::store::Store::open(&folder).unwrap_err().to_string();
        let name = Owner::of(somebody, &users).to_string();
        assert!(
            refused.contains(&format!("belongs to {name}, and you are root")),
            "{refused}"
        );
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        // The file's owner counts when there is one.
        let file = folder.join(STATE_FILE);
        fs::write(&file, "").unwrap();
        assert!(is_ours(&folder).is_ok());
        chown(&folder, Some(0), None).unwrap();
        chown(&file, Some(somebody), None).unwrap();
        assert!(matches!(is_ours(&folder), Err(StoreError::Foreign { path, .. }) if path == file));
        assert!(matches!(
            crate::store::Store::look(&folder),
            Err(StoreError::Foreign { .. })
        ));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_state_that_is_not_there_is_nobodys() {
        let folder = std::env::temp_dir().join("ghl-sync-no/such/state");
        assert_eq!(owned(&folder), None);
        assert!(is_ours(&folder).is_ok());
    }
}
