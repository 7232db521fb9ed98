//! The page, read by a parser of the text format.

use std::collections::BTreeSet;

use super::*;
use crate::store::{LoginFacts, LoginKind, Store};

/// One sample, taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Reads a page by the rules of the text format, and asserts those that a writer can break.
fn read(text: &str) -> Vec<Read> {
    assert!(text.ends_with('\n'), "the last line has no end");
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let (mut typed, mut seen, mut all) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut family = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap().to_owned();
            assert!(help.len() > family.len() + 1, "{line}");
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert!(["gauge", "counter"].contains(&kind), "{line}");
            assert!(
                typed.insert(name.to_owned()),
                "a family comes twice: {line}"
            );
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        let (name, rest) = key
            .split_once('{')
            .map_or((key, None), |(n, r)| (n, Some(r)));
        assert!(is_name(name), "{line}");
        assert_eq!(name, family, "a sample outside its family: {line}");
        assert!(seen.insert(key.to_owned()), "a sample comes twice: {line}");
        let mut labels = BTreeMap::new();
        if let Some(rest) = rest {
            let mut rest = rest.strip_suffix('}').unwrap();
            while !rest.is_empty() {
                let (label, after) = rest.split_once("=\"").unwrap();
                assert!(is_name(label), "{line}");
                let (mut value, mut end, mut escaped) = (String::new(), None, false);
                for (at, c) in after.char_indices() {
                    match (escaped, c) {
                        (true, 'n') => value.push('\n'),
                        (true, '\\' | '"') => value.push(c),
                        (true, _) => panic!("no such escape: {line}"),
                        (false, '"') => {
                            end = Some(at);
                            break;
                        }
                        (false, '\\') => {}
                        (false, c) => value.push(c),
                    }
                    escaped = !escaped && c == '\\';
                }
                labels.insert(label.to_owned(), value);
                rest = after[end.unwrap() + 1..].trim_start_matches(',');
            }
        }
        all.push(Read {
            name: name.to_owned(),
            labels,
            value: value.parse().unwrap(),
        });
    }
    all
}

fn found(all: &[Read], name: &str, label: &str) -> Option<f64> {
    let is_it = |read: &&Read| {
        read.name == name && (label.is_empty() || read.labels.values().any(|value| value == label))
    };
    all.iter().find(is_it).map(|read| read.value)
}

#[test]
fn a_page_is_valid_whatever_stands_in_its_labels() {
    let mut page = Page::default();
    let odd = "a \"quoted\" back\\slash\nand a line, {braces}";
    page.family(
        "ghl_sync_test",
        "gauge",
        "A test.",
        &[
            (vec![("job", odd.to_owned()), ("mode", String::new())], 1.5),
            (Vec::new(), -2.0),
        ],
    );
    page.family("ghl_sync_nothing", "gauge", "Nothing.", &[]);
    let all = read(&page.text);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].labels["job"], odd);
    assert_eq!((all[0].value, all[1].value), (1.5, -2.0));
    assert!(!page.text.contains("nothing"));
}

#[test]
fn other_processes_leave_what_the_daemon_said() {
    let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    let mut page = Page::default();
    of_daemon(&mut page, "", Some(at(1_000)), at(2_000));
    let all = read(&page.text);
    assert_eq!(
        found(&all, "ghl_sync_daemon_start_time_seconds", ""),
        Some(1_000.0)
    );
    let mut other = Page::default();
    of_daemon(&mut other, &page.text, None, at(9_000));
    assert_eq!(other.text, page.text);
}

#[test]
fn the_last_upkeep_and_copy_are_known_also_while_the_next_one_is_under_way() {
    let mut page = Page::default();
    of_upkeep(&mut page, &LastUpkeep::default(), &BTreeMap::new());
    assert_eq!(page.text, "");
    let mut last = LastUpkeep {
        ended_ms: Some(5_000),
        backup_ms: Some(4_000),
        ..LastUpkeep::default()
    };
    of_upkeep(&mut page, &last, &BTreeMap::new());
    last.ended_ms = None;
    let mut next = Page::default();
    of_upkeep(&mut next, &last, &values(&page.text));
    assert_eq!(next.text, page.text);
    let all = read(&next.text);
    let value = |name| found(&all, name, "");
    assert_eq!(value("ghl_sync_last_upkeep_timestamp_seconds"), Some(5.0));
    assert_eq!(value("ghl_sync_last_backup_timestamp_seconds"), Some(4.0));
}

#[test]
fn a_file_is_replaced_as_a_whole_and_anybody_may_read_it() {
    let folder = std::env::temp_dir().join(format!("ghl-sync-figures-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("ghl-sync.prom");
    for text in ["one 1\n", "two 2\n"] {
        replace(&path, text).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::remove_dir_all(&folder).unwrap();
    assert!(replace(&path, "three 3\n").is_err());
}

#[tokio::test]
async fn totals_grow_by_each_run_once_and_survive_runs_without_calls() {
    let folder = std::env::temp_dir().join(format!("ghl-sync-totals-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("schedules")).unwrap();
    let main = "[accounts.main]\nservice = 'highlevel'\nlocation = 'L0c'\n[accounts.my-channel]\nservice = 'twitch'\nclient_id = 'abc'\n";
    fs::write(folder.join("ghl-sync.toml"), main).unwrap();
    let job = include_str!("../../../../schedules/twitch-followers.toml");
    fs::write(folder.join("schedules/a.toml"), job).unwrap();
    let config = crate::config::load(&folder.join("ghl-sync.toml")).unwrap();
    let name = config.jobs.keys().next().unwrap().clone();
    let store = Store::open(&folder.join("state")).unwrap();
    let now = DateTime::from_timestamp(1_772_452_800, 0).unwrap();
    let mut before = String::new();
    let total = |text: &str| found(&read(text), "ghl_sync_calls_total", "POST /contacts/");
    for (made, expected) in [(Some(5), 5.0), (Some(2), 7.0), (None, 7.0), (Some(1), 8.0)] {
        let name = name.clone();
        let summary = match made {
            Some(made) => format!(
                r#"{{"made":{{"highlevel":{{"POST /contacts/":{made}}}}},"extra":{{"retry":1}},"counts":{{"create":{{"held":4}}}}}}"#
            ),
            None => r#"{"made":{},"extra":{},"counts":{}}"#.to_owned(),
        };
        store
            .write(move |db| {
                use crate::store::runs::{begin_run, end_run};
                let job_no = jobs::job_state(db, &name)?.no;
                let run = begin_run(db, job_no, "apply", "x", 1_000)?;
                end_run(db, run, 3_500, 3, None, Some(&summary))
            })
            .await
            .unwrap();
        // Twice: nothing counts twice.
        for _ in 0..2 {
            let db = store.reader().unwrap();
            before = page(&config, &db, &before, None, now).unwrap();
            assert_eq!(total(&before), Some(expected), "{made:?}");
        }
    }
    let all = read(&before);
    assert_eq!(
        found(&all, "ghl_sync_last_run_duration_seconds", "apply"),
        Some(2.5)
    );
    assert_eq!(
        found(&all, "ghl_sync_last_success_timestamp_seconds", ""),
        Some(3.5)
    );
    assert_eq!(found(&all, "ghl_sync_held_steps", ""), Some(4.0));
    assert!(found(&all, "ghl_sync_next_run_timestamp_seconds", "").unwrap() > 1_772_452_800.0);
    // A moment of `full` is a run too, with and without a `schedule`.
    let mut job = config.jobs.values().next().unwrap().clone();
    job.full = Some("*/5 * * * *".to_owned());
    for schedule in [None, Some("0 0 1 1 *".to_owned())] {
        job.schedule = schedule;
        let of_job = OfJob::read(&store.reader().unwrap(), &job, now).unwrap();
        assert_eq!(of_job.next_ms, Some(1_772_453_100_000));
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_login_shows_when_its_token_ends_and_never_whose_it_is() {
    let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    let text = "[accounts.main]\nservice = 'highlevel'\nlocation = 'L0c'\n";
    let folder = std::env::temp_dir().join(format!("ghl-sync-logins-{}", std::process::id()));
    fs::create_dir_all(folder.join("schedules")).unwrap();
    fs::write(folder.join("ghl-sync.toml"), text).unwrap();
    let config = crate::config::load(&folder.join("ghl-sync.toml")).unwrap();
    fs::remove_dir_all(folder).unwrap();
    let facts = LoginFacts {
        account: "main".try_into().unwrap(),
        kind: LoginKind::User,
        client_id: None,
        owner: None,
        owner_name: Some("zoe".to_owned()),
        scopes: Vec::new(),
        expires: Some(at(5_000)),
        made: at(1),
        obtained: at(1),
        renewing: None,
        lost: Some("why".to_owned()),
    };
    let mut page = Page::default();
    of_logins(&mut page, &config, &[facts]);
    let all = read(&page.text);
    assert_eq!(
        found(&all, "ghl_sync_token_expiry_timestamp_seconds", "main"),
        Some(5_000.0)
    );
    assert_eq!(found(&all, "ghl_sync_login_lost", "main"), Some(1.0));
    assert!(!page.text.contains("zoe"));
}

#[test]
fn threads_that_write_the_page_at_the_same_time_lose_nothing() {
    let folder = std::env::temp_dir().join(format!("ghl-sync-renewed-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("ghl-sync.prom");
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..25 {
                    let one_more = |before: &str| Ok(format!("{before}.\n"));
                    assert_eq!(renewed(&path, one_more), Ok(()));
                }
            });
        }
    });
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 8 * 25);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::remove_dir_all(folder).unwrap();
}
