//! What keeps the state healthy: copies that can be gone back to, a damaged file that is noticed, old runs that go.

mod again;
mod forgetful;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ghl_sync::store::{Lock, Store, Taken};

use crate::program::{Running, command, now, program};
use crate::rig::Rig;

/// A rig whose first sync went through the program.
async fn synced(followers: u64) -> Rig {
    let rig = Rig::new(now(followers, 5)).await;
    let first = ["apply", "followers", "--allow", "first"];
    program(&rig, &first).await.exits(0);
    rig
}

fn copies(rig: &Rig) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(rig.state().join("backups")) else {
        return Vec::new();
    };
    let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Spoils the pages of a file from the third on, as a bad disk does.
fn spoil(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let pages = bytes.len() / 4_096;
    for page in 2..pages {
        bytes[page * 4_096..page * 4_096 + 100].fill(0xa5);
    }
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_state_is_found_and_the_command_that_is_named_mends_it() {
    let rig = synced(12).await;
    program(&rig, &["state", "backup"])
        .await
        .exits(0)
        .says(&["copied to", "checked, without logins"]);
    let copy = copies(&rig).remove(0);
    program(&rig, &["state", "check"])
        .await
        .exits(0)
        .says(&["sound (whole check"]);
    spoil(&rig.state().join("ghl-sync.db"));
    let found = program(&rig, &["state", "check"]).await.exits(1);
    let named = format!("state restore {}", copy.display());
    let found = found.says(&["damaged", &named]);
    assert!(found.err.is_empty(), "{found}");
    let found = program(&rig, &["state", "check", "--format", "json"]).await;
    let told = json(&found.exits(1).out);
    assert_eq!(told["newest_good_copy"], copy.display().to_string());

    // Upkeep makes no copy of it, so the good one stays.
    let kept = program(&rig, &["state", "upkeep"]).await;
    assert_eq!(kept.code, Some(1), "{kept}");
    assert_eq!(copies(&rig), std::slice::from_ref(&copy));

    let copy = copy.display().to_string();
    let restore = ["state", "restore", &copy, "--yes"];
    program(&rig, &restore).await.exits(0).says(&[
        "is the state now",
        "before-restore-",
        "nobody is created",
    ]);
    program(&rig, &["state", "check"]).await.exits(0);
    let made = rig.sandbox.count("POST /contacts/");
    program(&rig, &["apply", "followers"])
        .await
        .exits(0)
        .says(&["the state was restored from a copy"]);
    assert_eq!(rig.sandbox.count("POST /contacts/"), made);
}

#[tokio::test]
async fn upkeep_does_everything_in_one_line_and_keeps_as_many_copies_as_were_asked_for() {
    let rig = synced(5).await;
    let main = fs::read_to_string(rig.config_path()).unwrap();
    fs::write(rig.config_path(), format!("{main}[upkeep]\nbackups = 2\n")).unwrap();
    let folder = rig.state().join("backups");
    fs::create_dir_all(&folder).unwrap();
    for day in 1..=3 {
        fs::write(folder.join(format!("ghl-sync-2026010{day}T000000Z.db")), "").unwrap();
    }
    fs::write(folder.join("mine.db"), "mine").unwrap();
    fs::write(folder.join("ghl-sync-20260104T000000Z.db.half"), "").unwrap();
    let kept = program(&rig, &["state", "upkeep"]).await.exits(0);
    let kept = kept.says(&[
        "upkeep: sound (whole check)",
        "copied to",
        "2 old copies went",
    ]);
    assert_eq!(kept.out.lines().count(), 1, "{kept}");
    assert_eq!(copies(&rig).len(), 3, "{:?}", copies(&rig));
    assert!(folder.join("mine.db").exists());
    // The whole check is made once a week.
    let kept = program(&rig, &["state", "upkeep", "--format", "json"]).await;
    let told = json(&kept.exits(0).out);
    assert_eq!(
        (
            told["depth"].as_str(),
            told["wrong"].as_array().map(Vec::len)
        ),
        (Some("quick"), Some(0))
    );
    let store = Store::open(&rig.state()).unwrap();
    let last = ghl_sync::store::kept::last_upkeep(&store.reader().unwrap()).unwrap();
    assert!(
        last.ended_ms >= last.began_ms && last.backup_ms.is_some() && last.checked_ms.is_some()
    );
    assert!(last.what.unwrap().starts_with("upkeep: sound"));
    drop(store);

    // Two never keep it at the same time.
    let Ok(Taken::Ours(_lock)) = Lock::take(&rig.state().join("upkeep.lock"), "somebody else")
    else {
        panic!("nobody holds it");
    };
    program(&rig, &["state", "upkeep"])
        .await
        .exits(8)
        .complains(&["somebody else"]);
}

#[tokio::test]
async fn nothing_is_restored_while_somebody_is_at_work_or_nobody_agrees() {
    let rig = synced(5).await;
    program(&rig, &["state", "backup", "--out", "copy.db"])
        .await
        .exits(0);
    let before = fs::read(rig.state().join("ghl-sync.db")).unwrap();
    program(&rig, &["state", "restore", "copy.db"])
        .await
        .exits(4)
        .complains(&["add --yes"]);
    for lock in ["daemon.lock", "job-followers.lock", "token-main.lock"] {
        let Ok(Taken::Ours(held)) = Lock::take(&rig.state().join(lock), "the one at work") else {
            panic!("nobody holds it");
        };
        program(&rig, &["state", "restore", "copy.db", "--yes"])
            .await
            .exits(8)
            .complains(&["the one at work"]);
        drop(held);
    }
    let open = Store::open(&rig.state()).unwrap();
    program(&rig, &["state", "restore", "copy.db", "--yes"])
        .await
        .exits(8)
        .complains(&["another process has it open"]);
    drop(open);
    fs::write(rig.folder.join("letter.db"), "a letter, not a copy").unwrap();
    program(&rig, &["state", "restore", "letter.db", "--yes"])
        .await
        .exits(4)
        .complains(&[
            "cannot be put in the place of the state",
            "the state is as it was",
        ]);
    program(&rig, &["state", "restore", "no.db", "--yes"])
        .await
        .exits(4)
        .complains(&["there is no such file"]);
    assert!(before == fs::read(rig.state().join("ghl-sync.db")).unwrap());
}

#[tokio::test]
async fn a_copy_replaces_another_copy_and_nothing_else() {
    let rig = synced(3).await;
    let out = |file: &'static str| ["state", "backup", "--out", file];
    program(&rig, &out("copy.db")).await.exits(0);
    program(&rig, &out("copy.db")).await.exits(0);
    fs::write(rig.folder.join("letter.txt"), "a letter").unwrap();
    for (file, says) in [
        ("letter.txt", "something else than a copy"),
        ("state/ghl-sync.db", "this is the state itself"),
        ("schedules", "not a file"),
    ] {
        program(&rig, &out(file)).await.exits(4).complains(&[says]);
    }
    program(&rig, &out("no/such/folder/copy.db")).await.exits(1);
    assert_eq!(
        fs::read_to_string(rig.folder.join("letter.txt")).unwrap(),
        "a letter"
    );
}

/// Makes the state some tens of megabytes large, so that copying it takes a while.
async fn grow(rig: &Rig) {
    let store = Store::open(&rig.state()).unwrap();
    let grown = store.write(|db| {
        for _ in 0..60 {
            db.execute(
                "INSERT INTO kept (name, value, kept_ms) VALUES (hex(randomblob(8)), hex(randomblob(500000)), 0)",
                [],
            )?;
        }
        Ok(())
    });
    grown.await.unwrap();
}

/// Returns `state backup` under a shell's limits.
fn limited(rig: &Rig, limits: &str) -> Command {
    let typed = command(rig, &["state", "backup"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &format!("{limits}; exec \"$@\""), "sh"])
        .arg(typed.get_program())
        .args(typed.get_args())
        .current_dir(&rig.folder)
        .stdin(Stdio::null());
    limited
}

#[tokio::test]
async fn a_copy_that_is_killed_in_the_middle_leaves_nothing_that_looks_like_one() {
    let rig = synced(3).await;
    grow(&rig).await;
    let folder = rig.state().join("backups");
    let is_half = |folder: &Path| {
        fs::read_dir(folder).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry
                    .unwrap()
                    .path()
                    .extension()
                    .is_some_and(|end| end == "half")
            })
        })
    };
    // The system kills it when a file grows beyond 1 MiB, which is in the middle however fast the machine is.
    let ended = Running::of(&rig, limited(&rig, "ulimit -c 0; ulimit -f 2048"))
        .end()
        .await;
    assert_eq!(ended.code, None, "{ended}");
    assert!(is_half(&folder));
    program(&rig, &["state", "backup"]).await.exits(0);
    assert!(!is_half(&folder));
    let copies = copies(&rig);
    assert_eq!(copies.len(), 1, "{copies:?}");
}

#[tokio::test]
async fn a_disk_that_is_full_costs_the_copy_and_not_the_one_before() {
    let rig = synced(3).await;
    program(&rig, &["state", "backup"]).await.exits(0);
    grow(&rig).await;
    let before = copies(&rig);
    // No file of the process may grow beyond 1 MiB.
    let ended = Running::of(&rig, limited(&rig, "trap '' XFSZ; ulimit -f 2048"))
        .end()
        .await;
    assert_eq!(ended.code, Some(1), "{ended}");
    assert_eq!(copies(&rig), before);
}

#[tokio::test]
async fn old_runs_go_on_request_and_a_dry_run_only_counts() {
    let rig = synced(4).await;
    // Of these the full pass is the last one, and stays for that.
    for run in ["apply", "resync", "apply"] {
        program(&rig, &[run, "followers"]).await.exits(0);
    }
    program(&rig, &["history", "prune"])
        .await
        .exits(0)
        .says(&["nothing went"]);
    let store = Store::open(&rig.state()).unwrap();
    store
        .write(|db| {
            Ok(db.execute_batch(
                "UPDATE run SET began_ms = began_ms - 30000000000 WHERE no < 4; UPDATE step SET sent_ms = sent_ms - 30000000000;",
            )?)
        })
        .await
        .unwrap();
    drop(store);
    program(
        &rig,
        &["history", "prune", "--older-than", "90d", "--dry-run"],
    )
    .await
    .exits(0)
    .says(&["2 runs, 4 steps", "nothing was taken away"]);
    let pruned = program(&rig, &["history", "prune", "--format", "json"]).await;
    let told = json(&pruned.exits(0).out);
    assert_eq!(
        (told["runs"].as_u64(), told["steps"].as_u64()),
        (Some(2), Some(4))
    );
    program(&rig, &["state", "check"]).await.exits(0);
    rig.sandbox.clear_calls();
    program(&rig, &["apply", "followers"]).await.exits(0);
    assert_eq!(rig.sandbox.writes().len(), 0);
}
