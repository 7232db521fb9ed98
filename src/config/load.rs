//! Finding the files, reading all of them, and what only shows when they stand side by side.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::accounts::{self, Accounts};
use super::address::check_proxy;
use super::job::{self, Sketch};
use super::problem::{Problem, Problems};
use super::reader::{File, Spot, Table};
use super::source::{self, SecretSource};
use super::{Config, across, keys, service};
use crate::model::{Job, JobName};

/// The main file when none is named and the current folder has none.
const SYSTEM_FILE: &str = "/etc/ghl-sync/ghl-sync.toml";

/// The main file's name.
const MAIN_FILE: &str = "ghl-sync.toml";

/// Job files with this ending are examples and not read.
const EXAMPLE: &str = ".example.toml";

/// Returns the main file to load: the one that was named, else `./ghl-sync.toml`, else `/etc/ghl-sync/ghl-sync.toml`.
///
/// When neither of the latter exists, the former, so that the problem names the place where people look first.
pub fn find(named: Option<&Path>) -> PathBuf {
    if let Some(named) = named {
        return named.to_owned();
    }
    let here = PathBuf::from(MAIN_FILE);
    let system = PathBuf::from(SYSTEM_FILE);
    // One that is hidden from this user is there, and says so when it is read.
    if !here.exists() && system.try_exists().unwrap_or(true) {
        return system;
    }
    here
}

/// Loads the main file and the job files beside it.
///
/// Paths in the result work from the current folder. No secret is read.
///
/// Errors: every problem of every file, in the order of the files and their lines.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let (config, problems) = load_partly(path)?;
    if problems.0.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

/// Loads like [`load`] what can be loaded, with all problems beside it: accounts and jobs with a problem of their own are left out.
///
/// Errors: the main file cannot be read or parsed, so that neither the accounts nor the place of the state are known; every problem of every file.
pub fn load_partly(path: &Path) -> Result<(Config, Problems), Problems> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = folder.strip_prefix(".").unwrap_or(folder);
    let main = read(plain(path))?;
    let main_table = main.parse();
    let main_root = main_table.as_ref().map(|table| Table::root(&main, table));
    let accounts = match &main_root {
        Some(root) => {
            root.expect_keys(keys::MAIN, |_| None);
            accounts::read(root, folder)
        }
        None => Accounts::default(),
    };
    let place = |key: &str| {
        let text = main_root.as_ref().and_then(|root| root.text(key));
        folder.join(text.map_or(key, |text| text.value))
    };
    let state = place("state");
    let schedules = place("schedules");
    let key = |key: &str| source::source(main_root.as_ref()?, key, folder);
    let (token_key, old_token_key) = (key("token_key"), key("old_token_key"));
    let proxy = main_root.as_ref().and_then(proxy);
    let service = service::read(main_root.as_ref(), folder, &state);

    let mut unreadable = Vec::new();
    let mut files = Vec::new();
    match job_files(&schedules) {
        Ok(paths) => {
            for path in paths {
                match read(path) {
                    Ok(file) => files.push(file),
                    Err(Problems(problems)) => unreadable.extend(problems),
                }
            }
        }
        Err(error) => {
            let text = main_root.as_ref().and_then(|root| root.text("schedules"));
            main.report(
                text.map(|Spot { at, .. }| at),
                "schedules",
                format!("the folder {} cannot be read: {error}", schedules.display()),
                Some("job files live there, one a job; an empty folder will do".to_owned()),
            );
        }
    }
    let tables: Vec<_> = files.iter().map(File::parse).collect();
    let sketches: Vec<(&File, Sketch)> = files
        .iter()
        .zip(&tables)
        .filter_map(|(file, table)| Some((file, table.as_ref()?)))
        .map(|(file, table)| {
            (
                file,
                job::read(&Table::root(file, table), &accounts, folder),
            )
        })
        .collect();
    across::check(&sketches);

    let mut pings: BTreeMap<JobName, SecretSource> = BTreeMap::new();
    for (_, sketch) in &sketches {
        let (Some(name), Some(ping)) = (&sketch.name, &sketch.ping) else {
            continue;
        };
        // A file with a problem elsewhere has no jobs, and its ping is looked at all the same.
        let parts: Vec<JobName> = match sketch.jobs.as_slice() {
            [] => vec![name.value.clone()],
            jobs => jobs.iter().map(|job| job.name.clone()).collect(),
        };
        pings.extend(parts.into_iter().map(|part| (part, ping.clone())));
    }
    let jobs: Vec<Vec<Job>> = sketches
        .into_iter()
        .map(|(_, sketch)| sketch.jobs)
        .collect();
    let is_parsed = main_root.is_some();
    drop(main_root);
    drop(main_table);
    drop(tables);
    let mut problems = main.into_problems();
    let mut of_jobs: Vec<Problem> = files.into_iter().flat_map(File::into_problems).collect();
    of_jobs.extend(unreadable);
    // The sort is stable: problems of one file stay in the order of its lines.
    of_jobs.sort_by(|one, other| one.file.cmp(&other.file));
    problems.extend(of_jobs);
    if !is_parsed {
        return Err(Problems(problems));
    }
    if problems.is_empty() {
        let are_whole = jobs.iter().all(|jobs| !jobs.is_empty());
        assert!(are_whole, "a job file without a problem is a job");
    }
    let jobs: BTreeMap<JobName, Job> = jobs
        .into_iter()
        .flatten()
        .map(|job| (job.name.clone(), job))
        .collect();
    let config = Config {
        path: path.to_owned(),
        state,
        token_key,
        old_token_key,
        proxy,
        notify: service.notify,
        metrics: service.metrics,
        upkeep: service.upkeep,
        pings,
        accounts: accounts.into_whole(),
        jobs,
    };
    Ok((config, Problems(problems)))
}

/// Reads the proxy, without a slash at its end.
fn proxy(root: &Table<'_>) -> Option<String> {
    let text = root.text("proxy")?;
    match check_proxy(text.value) {
        Ok(()) => Some(text.value.trim_end_matches('/').to_owned()),
        Err(message) => {
            let hint =
                "it is used for https alone; a proxy that asks for a password is not supported";
            root.report_at(text.at, "proxy", message, Some(hint.to_owned()));
            None
        }
    }
}

/// Returns the job files of a folder by name: `*.toml`, without hidden ones and examples.
fn job_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        let is_job = name.ends_with(".toml") && !name.ends_with(EXAMPLE) && !name.starts_with('.');
        if is_job && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: PathBuf) -> Result<File, Problems> {
    let whole_file = |message: String| {
        Problems(vec![Problem {
            file: path.clone(),
            line: 0,
            column: 0,
            key: String::new(),
            message,
            hint: None,
        }])
    };
    let bytes =
        std::fs::read(&path).map_err(|error| whole_file(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        whole_file(format!(
            "not UTF-8 text: byte {at} is the first that is not"
        ))
    })?;
    Ok(File::new(path, text))
}

/// Returns the path as people write it, without a leading `./`.
fn plain(path: &Path) -> PathBuf {
    path.strip_prefix(".").unwrap_or(path).to_owned()
}
