//! The texts of the units, where each goes, and how it is known later who wrote it.

use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Wanted;

/// The program in the texts as they are in the repository.
const PROGRAM: &str = "/usr/local/bin/ghl-sync";

/// How the last line of a file starts that `install-units` wrote.
const STAMP: &str = "# written by ghl-sync install-units, sum of the lines above: ";

/// Places that the units cannot see into (`ProtectHome`, `PrivateTmp`).
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/// All units.
pub(super) const UNITS: &[(&str, &str)] = &[
    (
        "ghl-sync.service",
        include_str!("../../../systemd/ghl-sync.service"),
    ),
    (
        "ghl-sync@.service",
        include_str!("../../../systemd/ghl-sync@.service"),
    ),
    (
        "ghl-sync@.timer",
        include_str!("../../../systemd/ghl-sync@.timer"),
    ),
    (
        "ghl-sync-resync@.service",
        include_str!("../../../systemd/ghl-sync-resync@.service"),
    ),
    (
        "ghl-sync-upkeep.service",
        include_str!("../../../systemd/ghl-sync-upkeep.service"),
    ),
    (
        "ghl-sync-upkeep.timer",
        include_str!("../../../systemd/ghl-sync-upkeep.timer"),
    ),
];

const SYSUSERS: &str = include_str!("../../../systemd/ghl-sync.sysusers.conf");
const TMPFILES: &str = include_str!("../../../systemd/ghl-sync.tmpfiles.conf");

/// Where the files go, and what they start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a> {
    pub(super) root: &'a Path,
    pub(super) prefix: &'a Path,
    /// The program's path on the machine that the units will run on; one that [`startable`] returned.
    pub(super) program: &'a str,
}

impl Files<'_> {
    /// Returns all files, with the texts that they should have.
    pub(super) fn all(&self) -> Vec<Wanted> {
        let unit = |(name, text): &(&str, &str)| {
            let path = self.path(&format!("lib/systemd/system/{name}"));
            let text = text.replace(
                &format!("ExecStart={PROGRAM} "),
                &format!("ExecStart={} ", self.program),
            );
            (path, text)
        };
        let others = [
            ("lib/sysusers.d/ghl-sync.conf", SYSUSERS),
            ("lib/tmpfiles.d/ghl-sync.conf", TMPFILES),
        ];
        let others = others.map(|(path, text)| (self.path(path), text.to_owned()));
        let all = UNITS.iter().map(unit).chain(others);
        all.map(|(path, text)| Wanted {
            path,
            text: stamped(&text),
        })
        .collect()
    }

    fn path(&self, rest: &str) -> PathBuf {
        let inside = self.prefix.components();
        let inside: PathBuf = inside
            .filter(|part| !matches!(part, Component::RootDir))
            .collect();
        self.root.join(inside).join(rest)
    }
}

/// Returns the program's path as `ExecStart=` takes it.
///
/// Errors: what is in the way, and what to do: a place that the units cannot see, or letters that mean something to systemd.
pub(super) fn startable(path: &Path, prefix: &Path) -> Result<String, (String, String)> {
    let target = prefix.join("bin/ghl-sync");
    let shown = crate::report::shell_word(path);
    let hint = format!(
        "install -m 755 {shown} {0}, then {0} install-units",
        crate::report::shell_word(&target)
    );
    if HIDDEN.iter().any(|hidden| path.starts_with(hidden)) {
        return Err((
            format!(
                "the units see neither homes nor temporary folders, and this program is {shown}"
            ),
            hint,
        ));
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+,".contains(&b);
    match path.to_str() {
        Some(text) if text.bytes().all(is_plain) => Ok(text.to_owned()),
        Some(_) | None => Err((
            format!("systemd would not understand the path {shown}"),
            hint,
        )),
    }
}

/// Returns whether a unit of this name is one of these, or an instance of one.
pub(super) fn is_ours(name: &str) -> bool {
    UNITS.iter().any(|(unit, _)| match unit.split_once('@') {
        None => *unit == name,
        Some((before, after)) => name
            .strip_prefix(before)
            .and_then(|rest| rest.strip_prefix('@'))
            .is_some_and(|rest| rest.ends_with(after)),
    })
}

/// Returns a text with the line that says who wrote it.
fn stamped(text: &str) -> String {
    format!("{text}{STAMP}{}\n", sum(text))
}

/// Returns whether a file is one that `install-units` wrote, of whatever version, and that nobody changed since.
pub(super) fn is_as_written(text: &str) -> bool {
    text.rsplit_once(STAMP)
        .is_some_and(|(above, said)| said.trim_end() == sum(above))
}

fn sum(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest[..8].iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_starts_the_program_where_it_is() {
        let files = Files {
            root: Path::new("/srv/image"),
            prefix: Path::new("/usr"),
            program: "/opt/bin/ghl-sync",
        };
        let all = files.all();
        assert_eq!(all.len(), UNITS.len() + 2);
        for Wanted { path, text } in &all {
            assert!(path.starts_with("/srv/image/usr/lib"), "{}", path.display());
            assert!(!text.contains(PROGRAM), "{}", path.display());
            let is_service = path.extension().is_some_and(|end| end == "service");
            assert_eq!(text.contains("ExecStart=/opt/bin/ghl-sync "), is_service);
            assert!(is_as_written(text));
        }
    }

    #[test]
    fn a_change_by_hand_is_seen_and_another_version_is_none() {
        let text = stamped("[Unit]\nDescription=an older one\n");
        assert!(is_as_written(&text));
        assert!(!is_as_written(&text.replace("older", "other")));
        assert!(!is_as_written(&format!("{text}Nice=5\n")));
        assert!(!is_as_written("[Unit]\n"));
    }

    #[test]
    fn a_program_that_the_units_cannot_see_or_name_is_refused_with_the_lines_that_move_it() {
        let prefix = Path::new("/usr/local");
        for good in ["/usr/bin/ghl-sync", "/opt/ghl-sync-0.1/ghl_sync"] {
            assert_eq!(startable(Path::new(good), prefix), Ok(good.to_owned()));
        }
        let hidden = HIDDEN.map(|folder| format!("{folder}/x/ghl-sync"));
        let odd = ["/opt/a b", "/opt/%n", "/opt/$x"].map(ToOwned::to_owned);
        for bad in hidden.iter().chain(&odd) {
            let (what, hint) = startable(Path::new(bad), prefix).unwrap_err();
            assert!(what.contains(bad.as_str()), "{what}");
            assert!(
                hint.contains("/usr/local/bin/ghl-sync install-units"),
                "{hint}"
            );
        }
    }

    #[test]
    fn instances_are_units_of_ours_and_others_are_not() {
        for ours in [
            "ghl-sync.service",
            "ghl-sync@a-b.timer",
            "ghl-sync-resync@x.service",
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "ghl-sync.timer",
            "ghl-sync-x.service",
            "ghl-sync@a.socket",
            "cron.service",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
