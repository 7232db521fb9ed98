use std::path::PathBuf;

use super::*;

const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// The time now in these tests.
const NOW_MS: i64 = 1_000 * DAY_MS;
const KEEP: Keep = Keep {
    now_ms: NOW_MS,
    age_ms: 100 * DAY_MS,
    runs: 1_000,
};

fn folder(name: &str) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("ghl-sync-history-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// A state with one job, whose runs began this many days ago and have a plan of three steps each; the first is run 1.
async fn runs(name: &str, days_ago: &[i64]) -> (PathBuf, Store) {
    let folder = folder(name);
    let store = Store::open(&folder).unwrap();
    let days_ago = days_ago.to_vec();
    store
        .write(move |db| {
            db.execute_batch("INSERT INTO job (no, name) VALUES (1, 'a'); INSERT INTO location (no, id) VALUES (1, 'l');")?;
            for (at, days) in days_ago.iter().enumerate() {
                let no = at as i64 + 1;
                let began_ms = NOW_MS - days * DAY_MS;
                run(db, no, began_ms)?;
                for seq in 0..3 {
                    step(db, no, seq, &format!("k{seq}"), "done", began_ms)?;
                }
            }
            Ok(())
        })
        .await
        .unwrap();
    (folder, store)
}

fn run(db: &Connection, no: i64, began_ms: i64) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO run (no, job_no, mode, holder, began_ms, ended_ms, exit, summary) VALUES (?1, 1, 'apply', 'x', ?2, ?2, 0, '{}')",
        [no, began_ms],
    )?;
    db.execute(
        "INSERT INTO plan (no, run_no, job_no, state, mapping, made_ms) VALUES (?1, ?1, 1, 'ended', 'm', ?2)",
        [no, began_ms],
    )?;
    Ok(())
}

fn step(
    db: &Connection,
    plan_no: i64,
    seq: i64,
    key: &str,
    mark: &str,
    sent_ms: i64,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO step (plan_no, seq, key, hash, phase, kind, parcel, guard, reason, name, change, transition, basis, mark, sent_ms)
         VALUES (?1, ?2, ?3, 'h', 1, 'create', 'p', 'create', 'r', 'n', '{}', 1, 'b', ?4, ?5)",
    )?
    .execute(params![plan_no, seq, key, mark, sent_ms])?;
    Ok(())
}

fn column(store: &Store, sql: &str) -> Vec<i64> {
    let reader = store.reader().unwrap();
    let mut statement = reader.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

async fn prune_all(store: &Store, keep: &Keep) -> Pruned {
    let would = count(&store.reader().unwrap(), keep).unwrap();
    let did = prune(store, keep, Much::All, |_| true).await.unwrap();
    assert_eq!(would, did, "a dry run tells what goes");
    let again = prune(store, keep, Much::All, |_| panic!("it commits nothing"));
    assert_eq!(again.await.unwrap(), Pruned::default());
    did
}

#[tokio::test]
async fn runs_that_are_too_old_go_with_their_plans_and_steps() {
    let (folder, store) = runs("age", &[400, 200, 101, 99, 3, 0]).await;
    let pruned = prune_all(&store, &KEEP).await;
    assert_eq!((pruned.runs, pruned.plans, pruned.steps), (3, 3, 9));
    assert_eq!(column(&store, "SELECT no FROM run ORDER BY no"), [4, 5, 6]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn of_many_runs_the_newest_stay_and_none_of_the_last_two_days_goes() {
    let (folder, store) = runs("count", &[9, 8, 7, 6, 1, 1, 0]).await;
    prune_all(&store, &Keep { runs: 4, ..KEEP }).await;
    assert_eq!(
        column(&store, "SELECT no FROM run ORDER BY no"),
        [4, 5, 6, 7]
    );
    prune_all(
        &store,
        &Keep {
            runs: 1,
            age_ms: 0,
            ..KEEP
        },
    )
    .await;
    assert_eq!(column(&store, "SELECT no FROM run ORDER BY no"), [5, 6, 7]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_newest_run_of_each_mode_and_the_last_that_did_well_stay() {
    let (folder, store) = runs("newest", &[900, 800, 700, 600, 500]).await;
    store
        .write(|db| {
            Ok(db.execute_batch(
                "UPDATE run SET pass = 'full' WHERE no = 1; UPDATE run SET mode = 'plan' WHERE no = 3;
                 UPDATE run SET exit = 6 WHERE no IN (4, 5);",
            )?)
        })
        .await
        .unwrap();
    prune_all(&store, &KEEP).await;
    // The last full pass, the last success, the last dry run, the last of all.
    assert_eq!(
        column(&store, "SELECT no FROM run ORDER BY no"),
        [1, 2, 3, 5]
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn an_unsettled_step_stays_with_its_record_its_plan_and_its_run() {
    for mark in ["sent", "unknown", "asks"] {
        let (folder, store) = runs(&format!("unsettled-{mark}"), &[400, 300, 0]).await;
        store
            .write(move |db| {
                step(db, 1, 3, "k1", mark, NOW_MS - 400 * DAY_MS)?;
                step(db, 1, 4, "k4", "refused", NOW_MS - 400 * DAY_MS)
            })
            .await
            .unwrap();
        prune_all(&store, &KEEP).await;
        assert_eq!(column(&store, "SELECT no FROM run ORDER BY no"), [1, 3]);
        let left = "SELECT seq FROM step WHERE plan_no = 1 ORDER BY seq";
        assert_eq!(column(&store, left), [1, 3]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[tokio::test]
async fn what_the_guards_still_count_stays() {
    let (folder, store) = runs("guards", &[400, 0]).await;
    store
        .write(|db| step(db, 1, 3, "k9", "done", NOW_MS - DAY_MS))
        .await
        .unwrap();
    prune_all(&store, &KEEP).await;
    assert_eq!(
        column(&store, "SELECT seq FROM step WHERE plan_no = 1"),
        [3]
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_run_that_told_a_finding_which_stands_stays_without_its_plan() {
    let (folder, store) = runs("told", &[400, 300, 0]).await;
    store
        .write(|db| {
            Ok(db.execute_batch(
                "INSERT INTO finding (job_no, key, kind, hash, what, run_no) VALUES (1, 'k', 'refused', 'h', 'w', 2)",
            )?)
        })
        .await
        .unwrap();
    let pruned = prune_all(&store, &KEEP).await;
    assert_eq!((pruned.runs, pruned.plans), (1, 2));
    assert_eq!(column(&store, "SELECT no FROM run ORDER BY no"), [2, 3]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn walks_that_the_roster_names_stay() {
    let (folder, store) = runs("walks", &[0]).await;
    store
        .write(|db| {
            for no in 1..=8 {
                // The odd ones are of the job, the even ones of the location.
                let of = if no % 2 == 1 { "job_no" } else { "location_no" };
                db.execute(
                    &format!("INSERT INTO walk (no, {of}, pass, reader, began_ms, page_ms, ended) VALUES (?1, 1, 'normal', 'x', ?2, ?2, 'caught-up')"),
                    [no, NOW_MS - 500 * DAY_MS],
                )?;
            }
            Ok(db.execute_batch(
                "INSERT INTO roster (job_no, key, attributes, state, walk_no, tick) VALUES (1, 'a', '{}', 'in', 3, 1);
                 INSERT INTO staging (walk_no, key, attributes) VALUES (1, 'a', '{}'), (4, 'b', '{}');
                 UPDATE walk SET pass = 'full', ended = 'complete' WHERE no = 2;
                 UPDATE job SET first_walk_no = 5 WHERE no = 1;",
            )?)
        })
        .await
        .unwrap();
    let piece = prune(&store, &KEEP, Much::Piece, |_| true).await.unwrap();
    assert_eq!((piece.walks, piece.staged), (2, 1));
    prune_all(&store, &KEEP).await;
    // Named by the roster, the job's first, the last whole reading of the location, and the newest of both.
    assert_eq!(
        column(&store, "SELECT no FROM walk ORDER BY no"),
        [2, 3, 5, 7, 8]
    );
    assert_eq!(column(&store, "SELECT count(*) FROM staging"), [0]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn killed_after_any_commit_it_goes_on_and_comes_to_the_same() {
    let dump = |store: &Store| {
        let count = |table: &str| column(store, &format!("SELECT count(*) FROM {table}"))[0];
        ["run", "plan", "step"].map(count)
    };
    let (folder, store) = runs("killed", &[400, 300, 200, 0]).await;
    store
        .write(|db| {
            for seq in 3..2_600 {
                step(db, 2, seq, &format!("m{seq}"), "dropped", 0)?;
            }
            Ok(())
        })
        .await
        .unwrap();
    drop(store);
    let mut commits = 0;
    loop {
        let store = Store::open(&folder).unwrap();
        store.stop_after_commits(1);
        let before = dump(&store);
        let outcome = prune(&store, &KEEP, Much::All, |_| true).await;
        let after = dump(&store);
        let rows = |counts: [i64; 3]| counts.iter().sum::<i64>();
        assert!(rows(before) - rows(after) <= 1_100, "{before:?} {after:?}");
        commits += 1;
        if outcome.is_ok() {
            break;
        }
    }
    assert!((3..=6).contains(&commits), "{commits}");
    let store = Store::open(&folder).unwrap();
    assert_eq!(dump(&store), [1, 1, 3]);
    std::fs::remove_dir_all(folder).unwrap();
}
