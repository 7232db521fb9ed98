//! Whom the service tells: addresses, programs and the file of figures, without calling anybody.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{Config, NotifyTo, SecretSource};
use crate::net::{check_address, resolve};

use super::super::exit::Exit;
use super::super::telling;
use super::findings::{About, Found, parted};

/// Returns every address of the operator's own, with what it is of.
pub(super) fn sources(config: &Config) -> Vec<(String, &SecretSource)> {
    let of_targets = config.notify.values().filter_map(|target| {
        let source = match &target.to {
            NotifyTo::Discord(source) | NotifyTo::Slack(source) | NotifyTo::Json(source) => source,
            NotifyTo::Command(_) => return None,
        };
        Some((format!("notify target {}", target.name), source))
    });
    let of_jobs = config.pings.iter();
    let of_jobs = of_jobs.map(|(job, source)| (format!("ping of {job}"), source));
    of_targets.chain(of_jobs).collect()
}

/// Looks at the targets of `[notify]`, the pings and the file of `[metrics]`.
pub(super) fn look(found: &mut Found, config: &Config) {
    for (what, source) in sources(config) {
        match resolve(source) {
            Err(error) => {
                let error = error.to_string();
                let (seen, mend) = parted(&error);
                let mend = mend.unwrap_or("put it where the configuration says that it is");
                found.wrong(
                    About::Configuration,
                    format!("{what}: {seen}"),
                    mend,
                    Exit::BadConfig,
                );
            }
            Ok(address) => match check_address(&address) {
                Ok(()) => found.well(About::Configuration, format!("{what}: address in {source}")),
                Err(error) => found.wrong(
                    About::Configuration,
                    format!("{what}: {source}: {error}"),
                    "put the whole address there, as the service shows it, and nothing else",
                    Exit::BadConfig,
                ),
            },
        }
    }
    for target in config.notify.values() {
        if let NotifyTo::Command(words) = &target.to {
            let program = words.first().map_or("", String::as_str);
            let what = format!("notify target {}", target.name);
            match program_file(program) {
                Some(_) => found.well(
                    About::Configuration,
                    format!("{what}: {}", telling::place(&target.to)),
                ),
                None => found.wrong(
                    About::Configuration,
                    format!("{what}: {program} is no file that can be run"),
                    format!("correct `command`, or make the file runnable: chmod +x {program}"),
                    Exit::BadConfig,
                ),
            }
        }
    }
    if let Some(path) = &config.metrics {
        metrics(found, path);
    }
}

fn metrics(found: &mut Found, path: &Path) {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    if folder.is_dir() {
        let what = format!("figures for Prometheus go to {}", path.display());
        found.well(About::Configuration, what);
    } else {
        found.wrong(
            About::Configuration,
            format!("metrics: there is no folder {}", folder.display()),
            "make it, writable by the user that runs ghl-sync, or correct `textfile`",
            Exit::BadConfig,
        );
    }
}

/// Returns the file that a program's name stands for: itself when it is a path, else the first of `PATH` that can be run.
fn program_file(program: &str) -> Option<PathBuf> {
    let can_run = |path: &PathBuf| {
        let about = path.metadata();
        about.is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(can_run);
    }
    let folders = std::env::var_os("PATH")?;
    let mut all = std::env::split_paths(&folders).map(|folder| folder.join(program));
    all.find(can_run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        assert!(program_file("sh").is_some());
        assert!(program_file("/bin/sh").is_some());
        assert_eq!(program_file("/etc/passwd"), None);
        assert_eq!(program_file("/etc"), None);
        assert_eq!(program_file("no-such-program-here"), None);
    }
}
