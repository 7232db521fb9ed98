//! `plan`, `apply` and `resync`: jobs in the order of their names, a report each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::config::{self, Config};
use crate::model::{Digest, JobName};
use crate::net::Reach;
use crate::report::{self, Options, Report, ReportRow, Rows};
use crate::run::{self, Ask, Done, RunError, Stop, Watch};
use crate::store::runs::note_exit;
use crate::store::{Store, is_ours};

use super::args::{Apply, Format, How, Output, Plan, Resync};
use super::care;
use super::error::CliError;
use super::exit::{self, Exit};
use super::scheduled::scheduled;
use super::shell::Shell;
use super::telling;
use super::waiting::{self, one_after_another};
use super::worlds::Worlds;

/// The rows that a report on a terminal or a page shows before it only counts.
pub(super) const MAX_ROWS: u64 = 200;

/// Who started a run.
#[derive(Clone, Copy, Debug)]
enum By {
    /// A person; `exit_code`: a dry run that finds something ends with 2.
    Person { exit_code: bool },
    /// A timer.
    Schedule,
}

/// How a report is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) format: Format,
    pub(super) options: Options,
}

/// Runs `plan`.
pub(super) async fn plan(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Plan,
) -> Result<Exit, CliError> {
    let ask = Ask {
        full: args.full,
        holder: holder("plan", shell.clock.now()),
        ..Ask::default()
    };
    let how = By::Person {
        exit_code: args.exit_code,
    };
    all(shell, path, &args.jobs, &ask, &args.output, how).await
}

/// Runs `apply`.
pub(super) async fn apply(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Apply,
) -> Result<Exit, CliError> {
    let ask = ask(&args.how, args.full, "apply", shell.clock.now());
    let how = if args.scheduled {
        By::Schedule
    } else {
        By::Person { exit_code: false }
    };
    all(shell, path, &args.jobs, &ask, &args.output, how).await
}

/// Runs `resync`.
pub(super) async fn resync(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &Resync,
) -> Result<Exit, CliError> {
    let ask = ask(&args.how, true, "resync", shell.clock.now());
    let jobs = [args.job.clone()];
    let how = By::Person { exit_code: false };
    all(shell, path, &jobs, &ask, &args.output, how).await
}

fn ask(how: &How, full: bool, command: &str, now: DateTime<Utc>) -> Ask {
    let How {
        approve,
        allow,
        limit,
        wait,
    } = how;
    Ask {
        full,
        apply: true,
        approve: approve.as_ref().map(Digest::as_str).map(ToOwned::to_owned),
        allow: allow.iter().copied().collect(),
        limit: *limit,
        wait: *wait,
        holder: holder(command, now),
    }
}

/// Returns what is written into a lock: the process, the command and when it started.
pub(super) fn holder(command: &str, now: DateTime<Utc>) -> String {
    format!(
        "ghl-sync {command}, process {}, since {}",
        std::process::id(),
        now.to_rfc3339_opts(SecondsFormat::Secs, true)
    )
}

/// Loads the configuration that was named, or the one that is found, of a state that is this user's or is not there yet.
///
/// Errors: all problems of all files; the state is another user's, in which nothing was touched then.
pub(super) fn load(path: Option<&Path>) -> Result<Config, CliError> {
    let config = config::load(&config::find(path))?;
    is_ours(&config.state)?;
    Ok(config)
}

/// Returns the jobs that were named in the order of their names, each once; all of them when none was. The name of a file that lists several
/// channels names all of its parts.
///
/// Errors: a name that no job has, or no job at all.
pub(super) fn chosen(config: &Config, names: &[JobName]) -> Result<Vec<JobName>, CliError> {
    if config.jobs.is_empty() {
        return Err(CliError::Usage {
            what: "no job is configured".to_owned(),
            hint: Some(
                "put a job file into the folder that `schedules` in ghl-sync.toml names".to_owned(),
            ),
        });
    }
    let mut wanted = BTreeSet::new();
    for name in names {
        let named = config.named(name);
        if named.is_empty() {
            return Err(unknown(config, name));
        }
        wanted.extend(named.into_iter().map(|job| &job.name));
    }
    let is_chosen = |name: &&JobName| names.is_empty() || wanted.contains(name);
    Ok(config.jobs.keys().filter(is_chosen).cloned().collect())
}

/// The error of a name that no job has, with the names that there are: a file's name stands before those of its parts.
fn unknown(config: &Config, name: &JobName) -> CliError {
    let mut files: BTreeMap<&JobName, Vec<&JobName>> = BTreeMap::new();
    for job in config.jobs.values() {
        let parts = files
            .entry(job.part_of.as_ref().unwrap_or(&job.name))
            .or_default();
        parts.extend(job.part_of.is_some().then_some(&job.name));
    }
    let known: Vec<String> = files
        .iter()
        .map(|(file, parts)| match parts.as_slice() {
            [] => file.to_string(),
            parts => format!("{file} ({})", listed(parts)),
        })
        .collect();
    let words = files.iter().flat_map(|(file, parts)| {
        let parts = parts.iter().map(|part| part.as_str());
        std::iter::once(file.as_str()).chain(parts)
    });
    let near = crate::plan::spelling::near(name.as_str(), words);
    CliError::Usage {
        what: format!(
            "there is no job `{name}`; the jobs are: {}",
            known.join(", ")
        ),
        hint: near.map(|near| format!("did you mean `{near}`?")),
    }
}

fn listed(names: &[&JobName]) -> String {
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    names.join(", ")
}

async fn all(
    shell: &mut Shell,
    path: Option<&Path>,
    names: &[JobName],
    ask: &Ask,
    output: &Output,
    by: By,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let names = chosen(&config, names)?;
    if ask.approve.is_some() && names.len() > 1 {
        let meant: Vec<&JobName> = names.iter().collect();
        return Err(CliError::Usage {
            what: format!(
                "a digest belongs to the plan of one job, and several jobs are meant: {}",
                listed(&meant)
            ),
            hint: Some("name the job: ghl-sync apply JOB --approve DIGEST".to_owned()),
        });
    }
    // Opened before anything is carried out: a report that has no place to go must not cost a run.
    let mut file = match &output.out {
        Some(path) => Some(BufWriter::new(
            private(path).map_err(CliError::writing(path))?,
        )),
        None => None,
    };
    let view = View {
        format: output.format,
        options: Options {
            gone: 0,
            show_personal: output.show_personal,
            max_rows: output.out.is_none().then_some(MAX_ROWS),
            width: shell.width.filter(|_| output.out.is_none()),
        },
    };
    let worlds = Worlds::open(config, shell.clock.clone())
        .await?
        .typing(&shell.typed);
    let mut exits = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if shell.stop.is_asked() {
            let left = names.len() - index;
            shell
                .progress
                .say(&format!("stopped before {left} more of the jobs"));
            exits.push(Exit::Failed);
            break;
        }
        let (done, exit_code) = match by {
            By::Person { exit_code } if ask.wait => {
                let done = one_after_another(shell, &worlds, name, ask).await;
                (done.map(Some), exit_code)
            }
            By::Person { exit_code } => (one(shell, &worlds, name, ask).await.map(Some), exit_code),
            By::Schedule => (scheduled(shell, &worlds, name, ask).await, false),
        };
        let done = match done {
            Ok(Some(done)) => done,
            // It rests; it was said.
            Ok(None) => continue,
            Err(error) => {
                shell.complain(&error);
                if let CliError::Run(RunError::Busy { .. }) = &error {
                    for hint in waiting::hints(shell, &worlds, name, ask) {
                        shell.progress.say(&format!("hint: {hint}"));
                    }
                }
                exits.push(error.exit());
                continue;
            }
        };
        exits.push(exit::of_report(&done.report, exit_code));
        match &mut file {
            None => shell.write(|out| render(worlds.store(), &done, view, out))?,
            Some(file) => {
                let path = output.out.clone().unwrap_or_default();
                render(worlds.store(), &done, view, file)
                    .and_then(|()| file.flush())
                    .map_err(CliError::writing(path))?;
                shell.say(&format!("{}.", report::headline(&done.report)))?;
            }
        }
    }
    Ok(exit::first_of(exits.into_iter()))
}

/// Makes a file that only its owner can read, because reports hold people's names; one that is there is emptied and keeps its permissions.
pub(super) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Runs one job once, with its progress on the shell.
///
/// Errors: whatever kept the run from a report.
pub(super) async fn one(
    shell: &Shell,
    worlds: &Worlds,
    name: &JobName,
    ask: &Ask,
) -> Result<Done, CliError> {
    let run = carried_out(worlds, name, ask, shell.stop.clone(), shell.watch(), false);
    let done = run.await;
    shell.progress.finish();
    done
}

/// Runs one job once, and notes how it ended. `is_scheduled`: no person started it.
///
/// Errors: whatever kept the run from a report.
pub(super) async fn carried_out(
    worlds: &Worlds,
    name: &JobName,
    ask: &Ask,
    stop: Stop,
    watch: Watch,
    is_scheduled: bool,
) -> Result<Done, CliError> {
    if !ask.apply {
        return to_its_end(worlds, name, ask, stop, watch, is_scheduled).await;
    }
    let ended = to_its_end(worlds, name, ask, stop, watch, is_scheduled).await;
    telling::ended(worlds, name, ended.as_ref(), is_scheduled).await;
    ended
}

async fn to_its_end(
    worlds: &Worlds,
    name: &JobName,
    ask: &Ask,
    stop: Stop,
    watch: Watch,
    is_scheduled: bool,
) -> Result<Done, CliError> {
    let reach = if ask.apply {
        Reach::Everything
    } else {
        Reach::ReadsOnly
    };
    let world = worlds.world(name, reach, stop.clone(), watch)?;
    let lease = run::lease(worlds.store(), name, ask, &stop).await?;
    if ask.apply {
        // Only once the job is this run's: a beginning without an end would be waited for, and one that is busy is none.
        telling::began(worlds, name, is_scheduled).await;
    }
    let done = run::run_under(&world, ask, lease).await?;
    // What the report means to a shell is known up here alone; `status` tells it later.
    let exit = i64::from(exit::of_report(&done.report, false).code());
    let run_no = done.report.run;
    worlds
        .store()
        .write(move |db| note_exit(db, run_no, exit))
        .await?;
    if ask.apply {
        care::after_run(worlds).await;
    }
    Ok(done)
}

/// Writes the report of a run with its rows.
///
/// Errors: of `out`, or of reading the rows.
pub(super) fn render(
    store: &Store,
    done: &Done,
    view: View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut rows: Box<dyn Iterator<Item = io::Result<ReportRow>>> = match done.plan_no {
        Some(plan_no) => Box::new(run::rows(store, plan_no)),
        None => Box::new(std::iter::empty()),
    };
    write_report(&done.report, &mut rows, view.format, &view.options, out)
}

/// Writes a report with these rows in one of the forms.
///
/// Errors: of `out`, or of reading the rows.
pub(super) fn write_report(
    report: &Report,
    rows: Rows<'_>,
    format: Format,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let write = match format {
        Format::Text => report::text,
        Format::Json => report::json,
        Format::Markdown => report::markdown,
    };
    write(report, rows, out, options)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_lock_names_command_process_and_start() {
        let now = DateTime::from_timestamp_millis(1_772_452_800_123).unwrap();
        let words = holder("apply", now);
        assert!(words.starts_with("ghl-sync apply, process "), "{words}");
        assert!(words.ends_with(", since 2026-03-02T12:00:00Z"), "{words}");
    }

    #[test]
    fn a_file_for_a_report_is_its_owners_alone() {
        let path = std::env::temp_dir().join(format!("ghl-sync-out-{}", std::process::id()));
        private(&path).unwrap().write_all(b"names").unwrap();
        let about = || std::fs::metadata(&path).unwrap();
        assert_eq!(about().permissions().mode() & 0o777, 0o600);
        private(&path).unwrap();
        assert_eq!(about().len(), 0);
        std::fs::remove_file(&path).unwrap();
    }
}
