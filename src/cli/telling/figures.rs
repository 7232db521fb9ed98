//! Figures for Prometheus: one text file that the node exporter's textfile collector reads.
//!
//! Source of the form: Prometheus, Exposition formats, "Text-based format". No personal data: names of jobs, accounts and routes, and counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde_json::Value;
use tracing::warn;

use crate::config::Config;
use crate::model::{Job, JobName};
use crate::plan::Mark;
use crate::plan::agenda::Terms;
use crate::store::findings::{FindingKind, count_findings};
use crate::store::kept::{LastUpkeep, last_upkeep};
use crate::store::runs::{Run, last_ended};
use crate::store::{StoreError, Usage, agenda, conditions, jobs, notices, plans, tokens};

use super::super::exit::Exit;
use super::super::worlds::Worlds;

/// The mode of a page that anybody may read: the collector is another user.
const MODE: u32 = 0o644;

/// What begins the lines that the daemon alone knows; other processes leave them as they are.
const OF_DAEMON: &str = "ghl_sync_daemon_";

/// Since when this process serves as the daemon, in ms; 0 when it does not.
static SERVING_MS: AtomicI64 = AtomicI64::new(0);

/// Exits of a run that went through, whatever it found.
const WENT_THROUGH: [Exit; 5] = [
    Exit::Done,
    Exit::Differs,
    Exit::Held,
    Exit::DoneWithRefusals,
    Exit::WaitsForAPerson,
];

/// Says since when this process is the daemon, for the figures; `None` when it is not any more.
pub(in crate::cli) fn serving(since: Option<DateTime<Utc>>) {
    let ms = since.map_or(0, |since| since.timestamp_millis());
    SERVING_MS.store(ms, Ordering::SeqCst);
}

/// Writes the figures, where there is a place for them and something changed. A failure is one warning, until it works again.
pub(super) fn write(worlds: &Worlds) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    let Some(path) = &worlds.config().metrics else {
        return;
    };
    match written(worlds, path) {
        Ok(()) => WARNED.store(false, Ordering::Relaxed),
        Err(why) => {
            if !WARNED.swap(true, Ordering::Relaxed) {
                warn!(
                    "the figures could not be written to {}: {why}",
                    path.display()
                );
            }
        }
    }
}

fn written(worlds: &Worlds, path: &Path) -> Result<(), String> {
    renewed(path, |before| {
        let now = worlds.clock().now();
        let serving_ms = SERVING_MS.load(Ordering::SeqCst);
        let serving = DateTime::from_timestamp_millis(serving_ms).filter(|_| serving_ms != 0);
        let db = worlds.store().reader()?;
        page(worlds.config(), &db, before, serving, now)
    })
}

/// Puts into the place of a page, empty when there is none, what `make` makes of it.
///
/// One at a time: the daemon's minute and the ends of runs are on threads of their own, would write the same file beside the page, and
/// count from the same totals.
fn renewed(
    path: &Path,
    make: impl FnOnce(&str) -> Result<String, StoreError>,
) -> Result<(), String> {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.to_string()),
    };
    let text = make(&before).map_err(|error| error.to_string())?;
    if text == before {
        return Ok(());
    }
    replace(path, &text).map_err(|error| error.to_string())
}

/// Puts a file into the place of another one, so that nobody reads half of it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The collector reads `*.prom`; this is none.
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let _ = fs::remove_file(&beside);
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            // Whatever the umask says.
            file.set_permissions(fs::Permissions::from_mode(MODE))
        })
        .and_then(|()| fs::rename(&beside, path));
    if made.is_err() {
        let _ = fs::remove_file(&beside);
    }
    made
}

/// A page in the making.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    /// Begins a family; those without a sample are left out.
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: &[Sample]) {
        if samples.is_empty() {
            return;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.text, "{}", sample(name, labels, *value));
        }
    }
}

/// Labels with their values, and a value.
type Sample = (Vec<(&'static str, String)>, f64);

fn sample(name: &str, labels: &[(&'static str, String)], value: f64) -> String {
    format!("{} {value}", key(name, labels))
}

fn key(name: &str, labels: &[(&'static str, String)]) -> String {
    if labels.is_empty() {
        return name.to_owned();
    }
    let labels: Vec<String> = labels
        .iter()
        .map(|(label, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{label}=\"{}\"", value.replace('\n', "\\n"))
        })
        .collect();
    format!("{name}{{{}}}", labels.join(","))
}

/// Returns the values of a page by what stands before them: counters go on from where they were.
fn values(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (key, value) = line.rsplit_once(' ')?;
            Some((key, value.parse().ok()?))
        })
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and moments are far below 2^52"
)]
fn number(number: i64) -> f64 {
    number as f64
}

fn seconds(ms: i64) -> f64 {
    number(ms) / 1_000.0
}

/// What the figures of one job come from.
struct OfJob {
    name: JobName,
    runs: Vec<Run>,
    success_ms: Option<i64>,
    in_roster: i64,
    debt: i64,
    findings: Vec<(FindingKind, i64)>,
    unsettled: usize,
    failures: i64,
    next_ms: Option<i64>,
}

impl OfJob {
    fn read(db: &Connection, job: &Job, now: DateTime<Utc>) -> Result<OfJob, StoreError> {
        // Lines that were loaded can be read. A moment of `full` is a run too.
        let next = Terms::of(job).ok().and_then(|terms| terms.next(now));
        let mut of_job = OfJob {
            name: job.name.clone(),
            runs: Vec::new(),
            success_ms: None,
            in_roster: 0,
            debt: 0,
            findings: Vec::new(),
            unsettled: 0,
            failures: 0,
            next_ms: next.map(|next| next.timestamp_millis()),
        };
        let Some(state) = jobs::find_job(db, &job.name)? else {
            return Ok(of_job);
        };
        for mode in ["plan", "apply"] {
            of_job.runs.extend(last_ended(db, state.no, mode, &[])?);
        }
        let success = last_ended(db, state.no, "apply", &WENT_THROUGH.map(Exit::code))?;
        of_job.success_ms = success.and_then(|run| run.ended_ms);
        of_job.in_roster = state.roster_size;
        of_job.debt = state.debt;
        of_job.findings = count_findings(db, state.no)?;
        let steps = plans::unsettled(db, state.no)?;
        of_job.unsettled = steps.iter().filter(|step| step.mark != Mark::Asks).count();
        let memory = agenda::memory(db, &job.name)?;
        of_job.failures = memory.map_or(0, |memory| i64::from(memory.failures));
        Ok(of_job)
    }

    fn labels(&self) -> Vec<(&'static str, String)> {
        vec![("job", self.name.to_string())]
    }

    fn applied(&self) -> Option<(&Run, Value)> {
        let run = self.runs.iter().find(|run| run.mode == "apply")?;
        let summary = run.summary.as_deref().unwrap_or("null");
        Some((run, serde_json::from_str(summary).unwrap_or_default()))
    }

    /// Returns how many steps a guard held in the last run.
    fn held(&self) -> i64 {
        let Some((_, summary)) = self.applied() else {
            return 0;
        };
        let kinds = summary.get("counts").and_then(Value::as_object);
        let held = kinds.into_iter().flat_map(|kinds| kinds.values());
        held.filter_map(|counts| counts.get("held")?.as_i64()).sum()
    }

    /// Returns the calls of the last run by vendor and route, and the extra ones by kind.
    fn calls(&self) -> Vec<Sample> {
        let Some((_, summary)) = self.applied() else {
            return Vec::new();
        };
        let mut calls = Vec::new();
        let vendors = summary.get("made").and_then(Value::as_object);
        for (vendor, routes) in vendors.into_iter().flatten() {
            for (route, count) in routes.as_object().into_iter().flatten() {
                let mut labels = self.labels();
                labels.push(("vendor", vendor.clone()));
                labels.push(("route", route.clone()));
                calls.push((labels, number(count.as_i64().unwrap_or(0))));
            }
        }
        let extra = summary.get("extra").and_then(Value::as_object);
        for (kind, count) in extra.into_iter().flatten() {
            let mut labels = self.labels();
            labels.push(("vendor", String::new()));
            labels.push(("route", format!("extra: {kind}")));
            calls.push((labels, number(count.as_i64().unwrap_or(0))));
        }
        calls
    }
}

/// Makes the page. `before` is the page that is there: totals go on from it, and what the daemon said stays unless this is the daemon.
fn page(
    config: &Config,
    db: &Connection,
    before: &str,
    serving: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<String, StoreError> {
    let known = values(before);
    let mut page = Page::default();
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    page.family(
        "ghl_sync_info",
        "gauge",
        "The program that wrote this page.",
        &[(version, 1.0)],
    );
    let mut all = Vec::new();
    for job in config.jobs.values() {
        all.push(OfJob::read(db, job, now)?);
    }
    of_runs(&mut page, &all);
    of_jobs(&mut page, &all);
    of_calls(&mut page, &all, &known);
    of_budgets(&mut page, &Usage::all(db, now)?);
    of_logins(&mut page, config, &tokens::all(db)?);
    let standing = conditions::standing(db)?;
    let standing: Vec<Sample> = standing
        .into_iter()
        .map(|condition| {
            let labels = vec![
                ("subject", condition.subject),
                ("kind", condition.kind.word().to_owned()),
            ];
            (labels, seconds(condition.since_ms))
        })
        .collect();
    page.family(
        "ghl_sync_condition_since_timestamp_seconds",
        "gauge",
        "Since when something is not as it should be; absent when all is well.",
        &standing,
    );
    let waiting = notices::waiting(db)?;
    let waiting: Vec<Sample> = config
        .notify
        .keys()
        .map(|name| {
            let count = waiting.iter().filter(|notice| notice.target == *name);
            let count = i64::try_from(count.count()).unwrap_or(i64::MAX);
            (vec![("target", name.clone())], number(count))
        })
        .collect();
    page.family(
        "ghl_sync_notices_waiting",
        "gauge",
        "Messages that wait to be sent.",
        &waiting,
    );
    of_upkeep(&mut page, &last_upkeep(db)?, &known);
    of_daemon(&mut page, before, serving, now);
    Ok(page.text)
}

fn of_upkeep(page: &mut Page, last: &LastUpkeep, known: &BTreeMap<&str, f64>) {
    const UPKEEP: &str = "ghl_sync_last_upkeep_timestamp_seconds";
    let alone = |value: Option<f64>| -> Vec<Sample> {
        let samples = value.into_iter().map(|value| (Vec::new(), value));
        samples.collect()
    };
    // One that is under way, or was killed, hides the end of the one before.
    let ended = last.ended_ms.map(seconds);
    let ended = ended.or_else(|| known.get(UPKEEP).copied());
    page.family(
        UPKEEP,
        "gauge",
        "When upkeep of the state last ended, whatever it found.",
        &alone(ended),
    );
    page.family(
        "ghl_sync_last_backup_timestamp_seconds",
        "gauge",
        "When the newest copy of the state was made by upkeep.",
        &alone(last.backup_ms.map(seconds)),
    );
}

fn of_runs(page: &mut Page, all: &[OfJob]) {
    let of_runs = |value: &dyn Fn(&Run) -> Option<f64>| -> Vec<Sample> {
        let runs = all
            .iter()
            .flat_map(|job| job.runs.iter().map(move |run| (job, run)));
        runs.filter_map(|(job, run)| {
            let mut labels = job.labels();
            labels.push(("mode", run.mode.clone()));
            Some((labels, value(run)?))
        })
        .collect()
    };
    page.family(
        "ghl_sync_last_run_timestamp_seconds",
        "gauge",
        "When the last run ended.",
        &of_runs(&|run| run.ended_ms.map(seconds)),
    );
    page.family(
        "ghl_sync_last_run_duration_seconds",
        "gauge",
        "How long the last run took.",
        &of_runs(&|run| Some(seconds((run.ended_ms? - run.began_ms).max(0)))),
    );
    page.family(
        "ghl_sync_last_run_exit_code",
        "gauge",
        "The exit code of the last run.",
        &of_runs(&|run| run.exit.map(number)),
    );
    page.family(
        "ghl_sync_last_run_number",
        "gauge",
        "The number of the last run.",
        &of_runs(&|run| Some(number(run.no))),
    );
}

fn of_jobs(page: &mut Page, all: &[OfJob]) {
    let of_jobs = |value: &dyn Fn(&OfJob) -> Option<f64>| -> Vec<Sample> {
        let values = all.iter().map(|job| (job.labels(), value(job)));
        values
            .filter_map(|(labels, value)| Some((labels, value?)))
            .collect()
    };
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    page.family(
        "ghl_sync_last_success_timestamp_seconds",
        "gauge",
        "When apply last went through, whatever it found.",
        &of_jobs(&|job| job.success_ms.map(seconds)),
    );
    page.family(
        "ghl_sync_next_run_timestamp_seconds",
        "gauge",
        "When the schedule is due next.",
        &of_jobs(&|job| job.next_ms.map(seconds)),
    );
    page.family(
        "ghl_sync_failures_in_row",
        "gauge",
        "Scheduled runs that failed, in a row.",
        &of_jobs(&|job| Some(number(job.failures))),
    );
    page.family(
        "ghl_sync_records",
        "gauge",
        "Records in the roster.",
        &of_jobs(&|job| Some(number(job.in_roster))),
    );
    page.family(
        "ghl_sync_debt",
        "gauge",
        "How many fewer records the source counts than expected.",
        &of_jobs(&|job| Some(number(job.debt))),
    );
    page.family(
        "ghl_sync_held_steps",
        "gauge",
        "Steps that a guard held in the last run.",
        &of_jobs(&|job| Some(number(job.held()))),
    );
    page.family(
        "ghl_sync_unsettled_steps",
        "gauge",
        "Steps whose outcome is not known yet.",
        &of_jobs(&|job| Some(number(count(job.unsettled)))),
    );
    let findings: Vec<Sample> = all
        .iter()
        .flat_map(|job| {
            FindingKind::ALL.iter().map(move |kind| {
                let mut labels = job.labels();
                labels.push(("kind", kind.word().to_owned()));
                let found = job.findings.iter().find(|(found, _)| found == kind);
                (labels, number(found.map_or(0, |(_, count)| *count)))
            })
        })
        .collect();
    page.family(
        "ghl_sync_findings",
        "gauge",
        "What waits for a person, by kind.",
        &findings,
    );
}

fn of_calls(page: &mut Page, all: &[OfJob], known: &BTreeMap<&str, f64>) {
    const TOTAL: &str = "ghl_sync_calls_total";
    let mut last = Vec::new();
    let mut totals: BTreeMap<String, Sample> = BTreeMap::new();
    for job in all {
        let mut labels = job.labels();
        labels.push(("mode", "apply".to_owned()));
        let counted = known.get(key("ghl_sync_last_run_number", &labels).as_str());
        let is_new = job
            .applied()
            .is_some_and(|(run, _)| counted.is_none_or(|counted| number(run.no) > *counted));
        for (labels, count) in job.calls() {
            let key = key(TOTAL, &labels);
            let before = known.get(key.as_str()).copied().unwrap_or(0.0);
            let total = if is_new {
                before + count
            } else {
                before.max(count)
            };
            totals.insert(key, (labels.clone(), total));
            last.push((labels, count));
        }
    }
    page.family(
        "ghl_sync_last_run_calls",
        "gauge",
        "Calls by which the last run carried its plan out.",
        &last,
    );
    // Routes that the last run did not need keep their totals.
    let mut lines: BTreeMap<String, f64> = known
        .iter()
        .filter(|(key, _)| key.starts_with(&format!("{TOTAL}{{")))
        .map(|(key, value)| ((*key).to_owned(), *value))
        .collect();
    lines.extend(totals.into_iter().map(|(key, (_, total))| (key, total)));
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(
        page.text,
        "# HELP {TOTAL} Calls that carried plans out, since this file was first written.\n# TYPE {TOTAL} counter"
    );
    for (key, value) in lines {
        let _ = writeln!(page.text, "{key} {value}");
    }
}

fn of_budgets(page: &mut Page, usages: &[Usage]) {
    let of_buckets = |value: &dyn Fn(&Usage) -> Option<u64>| -> Vec<Sample> {
        let values = usages.iter().filter_map(|usage| {
            let value = i64::try_from(value(usage)?).unwrap_or(i64::MAX);
            Some((vec![("bucket", usage.name.clone())], number(value)))
        });
        values.collect()
    };
    page.family(
        "ghl_sync_budget_used",
        "gauge",
        "Calls made in the present day of a vendor's allowance.",
        &of_buckets(&|usage| Some(usage.used)),
    );
    page.family(
        "ghl_sync_budget_limit",
        "gauge",
        "Calls allowed in a day.",
        &of_buckets(&|usage| usage.limit),
    );
    page.family(
        "ghl_sync_budget_remaining",
        "gauge",
        "Calls left in the present day, the reserve included.",
        &of_buckets(&|usage| usage.remaining),
    );
}

fn of_logins(page: &mut Page, config: &Config, logins: &[tokens::LoginFacts]) {
    let ours = || {
        let known = logins.iter();
        known.filter(|login| config.accounts.contains_key(&login.account))
    };
    let labels = |login: &tokens::LoginFacts| vec![("account", login.account.to_string())];
    let expires: Vec<Sample> = ours()
        .filter_map(|login| {
            let expires = login.expires?;
            Some((labels(login), seconds(expires.timestamp_millis())))
        })
        .collect();
    page.family(
        "ghl_sync_token_expiry_timestamp_seconds",
        "gauge",
        "When the present access token ends; it is renewed before.",
        &expires,
    );
    let lost: Vec<Sample> = ours()
        .map(|login| (labels(login), f64::from(u8::from(login.lost.is_some()))))
        .collect();
    page.family(
        "ghl_sync_login_lost",
        "gauge",
        "1 when a login has ended and a person has to log in.",
        &lost,
    );
}

fn of_daemon(page: &mut Page, before: &str, serving: Option<DateTime<Utc>>, now: DateTime<Utc>) {
    let Some(since) = serving else {
        // The daemon's own lines, with their heads; another process cannot know better.
        for line in before.lines() {
            let line_of = line
                .trim_start_matches("# HELP ")
                .trim_start_matches("# TYPE ");
            if line_of.starts_with(OF_DAEMON) {
                let _ = writeln!(page.text, "{line}");
            }
        }
        return;
    };
    let since = seconds(since.timestamp_millis());
    page.family(
        "ghl_sync_daemon_start_time_seconds",
        "gauge",
        "When the daemon started.",
        &[(Vec::new(), since)],
    );
    page.family(
        "ghl_sync_daemon_last_seen_timestamp_seconds",
        "gauge",
        "When the daemon last wrote this page; it does so each minute while it lives.",
        &[(Vec::new(), number(now.timestamp()))],
    );
}

#[cfg(test)]
mod tests;
