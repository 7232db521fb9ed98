//! What has to be done to each file, and doing it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::error::CliError;
use super::super::place::{For, NewFile, keep, place, renew};
use super::Wanted;
use super::texts::is_as_written;

/// What is to be done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It is not there.
    Write,
    /// It is there, and of this program as it is.
    Same,
    /// It is of another version.
    Replace,
    /// A person changed it.
    ReplaceChanged,
    /// It is to go.
    Remove,
    /// It is to go, and a person changed it.
    RemoveChanged,
    /// It is to go and not there.
    Absent,
}

/// One file and its deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) path: PathBuf,
    pub(super) deed: Deed,
    text: String,
}

impl Step {
    /// Returns whether it concerns a file that a person changed.
    pub(super) fn is_changed(&self) -> bool {
        matches!(self.deed, Deed::ReplaceChanged | Deed::RemoveChanged)
    }
}

/// Looks at every file and decides what is to be done.
///
/// Errors: `Io` for a file that cannot be read.
pub(super) fn steps(wanted: &[Wanted], is_removal: bool) -> Result<Vec<Step>, CliError> {
    let step = |Wanted { path, text }: &Wanted| {
        let there = match fs::read(path) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                let what = format!("read {}", path.display());
                return Err(CliError::Io { what, source });
            }
        };
        let deed = match (there, is_removal) {
            (None, false) => Deed::Write,
            (None, true) => Deed::Absent,
            (Some(there), false) if there == *text => Deed::Same,
            (Some(there), false) if is_as_written(&there) => Deed::Replace,
            (Some(there), true) if is_as_written(&there) => Deed::Remove,
            (Some(_), false) => Deed::ReplaceChanged,
            (Some(_), true) => Deed::RemoveChanged,
        };
        Ok(Step {
            path: path.clone(),
            deed,
            text: text.clone(),
        })
    };
    wanted.iter().map(step).collect()
}

/// Does all steps; returns the files that a person changed, each with its new name.
///
/// Errors: `Io` for a file that cannot be written or removed.
pub(super) fn carry_out(steps: &[Step]) -> Result<Vec<(PathBuf, PathBuf)>, CliError> {
    let mut kept = Vec::new();
    for step in steps {
        let path = &step.path;
        let file = NewFile {
            path: path.clone(),
            text: step.text.clone(),
            whose: For::Everyone,
        };
        let old = match step.deed {
            Deed::Same | Deed::Absent => None,
            Deed::Write | Deed::ReplaceChanged => {
                let may_replace = step.deed == Deed::ReplaceChanged;
                let placed = place(&[file], may_replace)?;
                placed.into_iter().find_map(|placed| placed.old)
            }
            // Its text is that of another version, which nobody misses.
            Deed::Replace => renew(&file).map(|()| None)?,
            Deed::Remove => {
                fs::remove_file(path).map_err(CliError::writing(path))?;
                None
            }
            Deed::RemoveChanged => {
                let old = keep(path).map_err(CliError::writing(path))?;
                remove(path).map_err(CliError::writing(path))?;
                Some(old)
            }
        };
        kept.extend(old.map(|old| (path.clone(), old)));
    }
    Ok(kept)
}

/// Removes a file that may have got another name already.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
