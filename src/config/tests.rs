//! Wrong files and the exact lines that say so.

mod accounts;
mod channels;
mod digest;
mod jobs;
mod life;
mod main_file;
mod service;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::model::*;

const MAIN: &str = r#"
[accounts.main]
service = "highlevel"
location = "ve9EPM428h8vShlRW1KT"
token = "env:HIGHLEVEL_TOKEN"

[accounts.my-channel]
service = "twitch"
client_id = "abc123"
token = "file:secrets/twitch"
"#;

/// The least a job says, on seven lines.
const HEAD: &str = r#"name = "NAME"
[from]
source = "twitch.followers"
account = "my-channel"
[to]
destination = "highlevel.contacts"
account = "main"
"#;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(main: &str, jobs: &[(&str, &str)]) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("ghl-sync-config-{}-{number}", std::process::id()));
        std::fs::create_dir_all(path.join("schedules")).unwrap();
        std::fs::write(path.join("ghl-sync.toml"), main).unwrap();
        for (name, text) in jobs {
            std::fs::write(path.join("schedules").join(name), text).unwrap();
        }
        Folder(path)
    }

    fn load(&self) -> Result<Config, Problems> {
        load(&self.0.join("ghl-sync.toml"))
    }

    /// Returns the problems without the folder in front, hints included.
    fn problems(&self) -> String {
        match self.load() {
            Ok(_) => String::new(),
            Err(problems) => problems
                .to_string()
                .replace(&format!("{}/", self.0.display()), ""),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn head(name: &str) -> String {
    HEAD.replace("NAME", name)
}

/// Returns the problems of a job whose head is followed by `tail` (which begins at line 8), without hints.
fn of_job(tail: &str) -> Vec<String> {
    let text = format!("{}{tail}", head("a"));
    lines(MAIN, &[("a.toml", &text)])
}

/// Returns the problems of a job whose head is preceded by the line `top`, without hints.
fn of_top(top: &str) -> Vec<String> {
    let text = format!("{top}\n{}", head("a"));
    lines(MAIN, &[("a.toml", &text)])
}

fn lines(main: &str, jobs: &[(&str, &str)]) -> Vec<String> {
    let problems = Folder::new(main, jobs).problems();
    problems
        .lines()
        .filter(|line| !line.starts_with("  hint: "))
        .map(|line| {
            line.strip_prefix("schedules/a.toml:")
                .unwrap_or(line)
                .to_owned()
        })
        .collect()
}

fn job_of(tail: &str) -> Job {
    let folder = Folder::new(MAIN, &[("a.toml", &format!("{}{tail}", head("a")))]);
    match folder.load() {
        Ok(config) => config.jobs.into_values().next().unwrap(),
        Err(problems) => panic!("{problems}"),
    }
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("schedules")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn limits_are_read_in_every_form() {
    let limits = |text: &str| job_of(&format!("[limits]\n{text}")).limits;
    let counts = |run, day| AtMost {
        run: Share::Count(run),
        day: Share::Count(day),
    };
    let percent = |percent, atleast| Share::Percent { percent, atleast };
    assert_eq!(limits("create = 2000").create, counts(2000, 4000));
    assert_eq!(
        limits("create = { run = 10, day = 12 }").create,
        counts(10, 12)
    );
    assert_eq!(limits("create = { day = 500 }").create, counts(500, 500));
    assert_eq!(limits("create = { day = 5000 }").create, counts(1000, 5000));
    let leave = limits("leave = { percent = 2.5, atleast = 9 }").leave;
    assert_eq!(
        leave,
        AtMost {
            run: percent(2.5, 9),
            day: percent(5.0, 18)
        }
    );
    let leave = limits("leave = { percent = 60, day = { percent = 70, atleast = 1 } }").leave;
    assert_eq!(
        leave,
        AtMost {
            run: percent(60.0, 50),
            day: percent(70.0, 1)
        }
    );
    assert_eq!(
        limits("leave = { percent = 60 }").leave.day,
        percent(100.0, 100)
    );
    assert_eq!(limits(""), Limits::default());
}

#[test]
fn a_job_that_says_little_has_the_documented_defaults() {
    let job = job_of("");
    assert_eq!(job.timezone, chrono_tz::Tz::UTC);
    assert_eq!((job.schedule, job.full), (None, None));
    assert_eq!(job.full_at_most_every.as_secs(), 24 * 60 * 60);
    assert_eq!((job.match_by, job.missing), (vec![By::Link], Missing::Skip));
    assert_eq!(
        (job.recheck, job.create_fields, job.strict),
        (true, false, false)
    );
    assert_eq!(job.contacts_reader, ContactsReader::List);
    assert_eq!(job.location.as_str(), "ve9EPM428h8vShlRW1KT");
    assert_eq!(job.channel, Channel::Own);
}

#[test]
fn the_shipped_files_have_no_problem() {
    let folder = Folder::new(
        &shipped("ghl-sync.example.toml"),
        &[("twitch-followers.toml", &shipped("twitch-followers.toml"))],
    );
    let config = folder
        .load()
        .unwrap_or_else(|problems| panic!("{problems}"));
    let job = config.jobs.values().next().unwrap();
    assert_eq!(job.name.as_str(), "twitch-followers");
    let mapping = crate::plan::wanted::Mapping::new(job).unwrap();
    assert_eq!(mapping.marker().unwrap().as_str(), "twitch_user_id");
    let order: Vec<&str> = job.fields.iter().map(|rule| rule.key.as_str()).collect();
    assert_eq!(
        order,
        [
            "firstName",
            "twitch_user_id",
            "twitch_username",
            "twitch_followed_at"
        ]
    );
}

#[test]
fn the_shipped_jobs_stand_side_by_side_and_one_person_is_one_contact() {
    let names = [
        "twitch-bits",
        "twitch-followers",
        "twitch-moderators",
        "twitch-streams",
        "twitch-subscribers",
        "twitch-vips",
    ];
    let texts = names.map(|name| (format!("{name}.toml"), shipped(&format!("{name}.toml"))));
    let texts = texts.each_ref().map(|(name, text)| (&**name, &**text));
    let folder = Folder::new(&shipped("ghl-sync.example.toml"), &texts);
    let config = folder
        .load()
        .unwrap_or_else(|problems| panic!("{problems}"));
    let told: Vec<&str> = config.jobs.keys().map(JobName::as_str).collect();
    assert_eq!(told, names);
    let sources: std::collections::BTreeSet<&str> =
        config.jobs.values().map(|job| job.source.word()).collect();
    assert_eq!(sources.len(), SourceKind::ALL.len());
    for job in config.jobs.values() {
        let mapping = crate::plan::wanted::Mapping::new(job).unwrap();
        let marker = mapping.marker().unwrap().as_str();
        let expected = match job.source.is_of_channels() {
            true => "twitch_channel_id",
            false => "twitch_user_id",
        };
        assert_eq!(marker, expected, "{}", job.name);
        assert_eq!(job.missing, Missing::Create, "{}", job.name);
        assert!(job.schedule.is_some() && job.create_fields, "{}", job.name);
    }
}

#[test]
fn every_key_is_documented() {
    let readme = shipped("README.md");
    for key in keys::ALL.iter().copied().flatten() {
        assert!(
            readme.contains(&format!("`{key}`")),
            "`{key}` is not in schedules/README.md"
        );
    }
    for standard in STANDARD_KEYS {
        assert!(
            readme.contains(&format!("`{}`", standard.key)),
            "{}",
            standard.key
        );
    }
}
