use std::fs;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::cli::error::CliError;
use crate::model::{Clock, JobName};
use crate::run::RunError;
use crate::store::{STATE_FILE, notices};

use super::super::ended_within;
use super::*;

const JOB: &str = r#"name = "followers"
[from]
source = "twitch.followers"
account = "channel"
[to]
destination = "highlevel.contacts"
account = "main"
"#;

#[test]
fn a_state_that_cannot_be_written_is_told_once_and_now_and_then_once_an_hour() {
    let mut told = Told::default();
    assert!(told.is_due(0));
    told.is_told = true;
    told.last_ms = Some(0);
    assert!(!told.is_due(10 * EVERY_MS));
    told.is_told = false;
    assert!(!told.is_due(EVERY_MS - 1));
    assert!(told.is_due(EVERY_MS));
    // By a clock that was ahead.
    assert!(told.is_due(-100 * EVERY_MS));
}

#[tokio::test]
async fn that_the_state_is_locked_is_told_at_once_and_once() {
    let folder = std::env::temp_dir().join(format!("ghl-sync-direct-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("schedules")).unwrap();
    fs::create_dir_all(folder.join("state")).unwrap();
    let pages = folder.join("pages");
    let main = folder.join("ghl-sync.toml");
    let text = format!(
        "[accounts.channel]\nservice = 'twitch'\nclient_id = 'abc123'\n[accounts.main]\nservice = 'highlevel'\nlocation = 'L0c'\n\
         [notify.pager]\nkind = 'command'\ncommand = ['/bin/sh', '-c', 'cat >> \"$0\"; echo >> \"$0\"', '{}']\n",
        pages.display()
    );
    fs::write(&main, text).unwrap();
    fs::write(folder.join("schedules").join("followers.toml"), JOB).unwrap();
    let config = crate::config::load(&main).unwrap();
    let name = JobName::try_from("followers").unwrap();
    let worlds = Worlds::open(config, Clock::system()).await.unwrap();
    let other = Connection::open(folder.join("state").join(STATE_FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = CliError::Run(RunError::State(takes_too_long(&folder)));
    let fails = async || {
        let began = Instant::now();
        let patience = Duration::from_millis(20);
        ended_within(&worlds, &name, Err(&error), true, patience).await;
        assert!(began.elapsed() < Duration::from_secs(8));
    };
    let told = || {
        let told = fs::read_to_string(&pages).unwrap_or_default();
        told.lines().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        fails().await;
        assert_eq!(told().len(), 1, "{:?}", told());
    }
    assert!(told()[0].contains("locked"), "{:?}", told());
    other.execute_batch("ROLLBACK").unwrap();
    // What was given up does not come later.
    let nothing = worlds.store().write(notices::waiting).await;
    assert!(nothing.unwrap().is_empty());
    fs::remove_dir_all(folder).unwrap();
}
