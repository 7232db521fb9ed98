//! What stands around a call: the budget, the jobs' memory, a person who wants it to end, the manual.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use ghl_sync::sandbox::{Fault, FaultKind};

use super::{ann, api, rig, routes, rows};
use crate::program::{Running, command, now, program};
use crate::rig::Rig;

const BULK: &str = "POST /contacts/bulk/tags/update/{type}";

/// Returns the rows of every table that is the jobs' memory; kept facts and the gate's count of calls are not.
fn memory(rig: &Rig) -> BTreeMap<String, Vec<String>> {
    let db = rusqlite::Connection::open(rig.state().join("ghl-sync.db")).unwrap();
    let sql =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('kept', 'bucket')";
    let mut names = db.prepare(sql).unwrap();
    let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut all = BTreeMap::new();
    for name in names {
        let name = name.unwrap();
        let mut table = db.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
        let width = table.column_count();
        let shown = table
            .query_map([], |row| {
                let cells = (0..width).map(|at| row.get::<_, rusqlite::types::Value>(at));
                Ok(format!("{:?}", cells.collect::<Result<Vec<_>, _>>()?))
            })
            .unwrap();
        all.insert(name, shown.collect::<Result<_, _>>().unwrap());
    }
    all
}

#[tokio::test]
async fn the_jobs_are_told_nothing_and_read_it_in_their_next_run() {
    let rig = rig(3).await;
    program(&rig, &["apply", "--allow", "first"]).await.exits(0);
    let before = memory(&rig);
    let made = api(
        &rig,
        "contacts create --first-name Ann --field twitch_user_id=999",
    )
    .await;
    let contact = super::id(&made.exits(0));
    for line in [
        format!("contacts update {contact} --city Bern"),
        format!("tags add {contact} vip"),
        format!("notes create {contact} --body hello"),
        format!("contacts delete {contact} --yes"),
        "contacts search".to_owned(),
    ] {
        api(&rig, &line).await.exits(0);
    }
    assert_eq!(memory(&rig), before);
}

#[tokio::test]
async fn the_calls_of_the_day_are_shared_with_the_jobs() {
    let mut settings = now(1, 3);
    settings.daily = 6;
    let rig = Rig::new(settings).await;
    let text = fs::read_to_string(rig.config_path()).unwrap();
    let text = text.replace("reserve = 0", "reserve = 4");
    fs::write(rig.config_path(), text).unwrap();
    let contact = ann(&rig);
    api(&rig, "tags list").await.exits(0);
    api(&rig, "users list").await.exits(0);
    let made = rig.sandbox.calls().len();
    let ended = api(&rig, &format!("tags add {contact} vip")).await.exits(6);
    ended.complains(&[
        "account main: the budget of calls is spent until 20",
        "nothing was changed",
    ]);
    assert_eq!((made, rig.sandbox.calls().len()), (2, 2));
    assert_eq!(rig.sandbox.too_many(), 0);
}

#[tokio::test]
async fn ctrl_c_lets_the_call_under_way_end_and_says_how_far_it_came() {
    let rig = rig(250).await;
    let listed = api(&rig, "contacts list --all --fields id").await.exits(0);
    let file = rig.folder.join("all.jsonl");
    fs::write(&file, &listed.out).unwrap();
    let slow = FaultKind::Slow(Duration::from_millis(300));
    rig.sandbox.fault(Fault::new(slow).on(BULK));
    let file = file.to_str().unwrap();
    let args = ["api", "tags", "bulk-add", "--tag", "lead", "--from", file];
    let mut running = Running::of(&rig, command(&rig, &args));
    running.until(|_| rig.sandbox.count(BULK) > 0).await;
    running.signal("INT");
    let ended = running.end().await.exits(1);
    assert_eq!(rows(&ended).len(), 100);
    assert_eq!(rig.sandbox.count(BULK), 1);
    ended.complains(&[
        "stopping: the call under way is finished first",
        "error: stopped by you: 100 of 250 contacts were sent",
    ]);
}

#[tokio::test]
async fn ctrl_c_ends_a_reading_at_once() {
    let rig = rig(3).await;
    let slow = FaultKind::Slow(Duration::from_secs(20));
    rig.sandbox.fault(Fault::new(slow).on("GET /contacts/"));
    let mut running = Running::start(&rig, &["api", "contacts", "list"]);
    running
        .until(|_| rig.sandbox.count("GET /contacts/") > 0)
        .await;
    running.signal("INT");
    let ended = running.end().await.exits(1);
    ended.complains(&["stopped by you"]);
}

#[tokio::test]
async fn a_list_that_highlevel_no_longer_serves_is_told_with_what_to_use() {
    let rig = rig(3).await;
    rig.sandbox.switch(|switches| switches.list_refused = true);
    let ended = api(&rig, "contacts list").await.exits(1);
    ended.complains(&[
        "HighLevel refused GET /contacts/ with 404",
        "`ghl-sync api contacts search",
        "may do",
    ]);
    assert_eq!(routes(&rig), ["GET /contacts/"]);
}

#[tokio::test]
async fn the_manual_and_the_completions_know_every_verb() {
    let rig = rig(0).await;
    let folder = rig.folder.join("man");
    let folder = folder.to_str().unwrap();
    program(&rig, &["man", "--out", folder]).await.exits(0);
    let page = |name: &str| fs::read_to_string(format!("{folder}/{name}.1"));
    let page = page("ghl-sync-api-tasks-create").unwrap();
    assert!(page.contains("due"), "{page}");
    let bash = program(&rig, &["completions", "bash"]).await.exits(0);
    assert!(bash.out.contains("bulk-add"), "verbs are completed");
}
