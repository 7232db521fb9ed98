//! The one writing connection, on a thread of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::error::StoreError;
use super::open::{SCHEMA_VERSION, STATE_FILE, has_room, open_for_reading, open_for_writing, wipe};
use super::owner::is_ours;

/// How many queued writes share one commit at most.
const COMMIT_TOGETHER: usize = 64;

/// A queued write: gets the connection, or the reason why there is no transaction; returns why its savepoint is not to be kept, if so,
/// and what to tell the asker once the commit is through.
type Job = Box<dyn FnOnce(Result<&Connection, StoreError>) -> (Option<StoreError>, Tell) + Send>;
/// Tells the asker; called after the commit, with the commit's own failure if there was one.
type Tell = Box<dyn FnOnce(Result<(), StoreError>)>;

/// A handle on the state; clones share the one writer.
#[derive(Clone)]
pub struct Store {
    writer: Arc<Writer>,
    path: Arc<PathBuf>,
    commits: Arc<AtomicU64>,
    commits_left: Arc<AtomicI64>,
}

/// The writing thread; the last handle that goes waits for it, so that whoever closed a state may look at its file.
struct Writer {
    jobs: Option<mpsc::SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without a sender the thread ends after the writes that are queued.
        self.jobs = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A write that holds the last handle itself cannot wait for its own end.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the state in `folder`, making it when it is missing: the folder 0700 and the file 0600, because both hold people's data. An
    /// older file is copied before it is brought up to date.
    ///
    /// Errors: every variant of [`StoreError`] but `Stopped`.
    pub fn open(folder: &Path) -> Result<Store, StoreError> {
        let (connection, path) = open_for_writing(folder)?;
        let (jobs, queue) = mpsc::sync_channel::<Job>(COMMIT_TOGETHER * 4);
        let commits = Arc::new(AtomicU64::new(0));
        let commits_left = Arc::new(AtomicI64::new(i64::MAX));
        let thread = {
            let (commits, commits_left) = (Arc::clone(&commits), Arc::clone(&commits_left));
            std::thread::Builder::new()
                .name("store".to_owned())
                .spawn(move || write_until_closed(connection, &queue, &commits, &commits_left))
        };
        let thread = thread.map_err(|source| StoreError::Io {
            path: path.clone(),
            source,
        })?;
        let writer = Writer {
            jobs: Some(jobs),
            thread: Some(thread),
        };
        Ok(Store {
            writer: Arc::new(writer),
            path: Arc::new(path),
            commits,
            commits_left,
        })
    }

    /// Runs `write` on the writing connection and returns once its commit is on the disk.
    ///
    /// An error of `write` undoes what it wrote and nothing else. Keep it under some 5,000 rows: other jobs and processes wait for it.
    ///
    /// Errors: what `write` returned; any [`StoreError`] of the commit; `Stopped` when the thread has ended.
    pub async fn write<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let outcome = connection.and_then(write);
            let failed = outcome.as_ref().err().map(once_more);
            let tell: Tell = Box::new(move |commit| {
                // Nobody listens any more when the asker was canceled; the write stands all the same.
                let _ = tell.send(outcome.and_then(|value| commit.map(|()| value)));
            });
            (failed, tell)
        });
        let mut job = Some(job);
        loop {
            let Some(unsent) = job.take() else { break };
            let Some(jobs) = &self.writer.jobs else {
                return Err(StoreError::Stopped);
            };
            match jobs.try_send(unsent) {
                Ok(()) => break,
                Err(mpsc::TrySendError::Full(back)) => {
                    job = Some(back);
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                Err(mpsc::TrySendError::Disconnected(_)) => return Err(StoreError::Stopped),
            }
        }
        told.await
            .unwrap_or(Err(StoreError::Stopped))
            .map_err(|error| error.at(&self.path))
    }

    /// Lets the writing connection give back the memory that it keeps for the next write: for a process that will do nothing for a while.
    ///
    /// Errors: as [`Store::write`].
    pub async fn rest(&self) -> Result<(), StoreError> {
        let shrink = |db: &Connection| Ok(db.execute_batch("PRAGMA shrink_memory")?);
        self.write(shrink).await
    }

    /// Opens the state in `folder` for reading alone; `None` when there is none yet, and none is made.
    ///
    /// A file of an older schema is brought up to date first, because nothing could be read from it otherwise.
    ///
    /// Errors: as [`Store::open`].
    pub fn look(folder: &Path) -> Result<Option<Connection>, StoreError> {
        is_ours(folder)?;
        let path = folder.join(STATE_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let look = || open_for_reading(&path).map_err(|error| error.at(&path));
        let connection = look()?;
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|error| StoreError::sorted(path.clone(), error))?;
        if found == SCHEMA_VERSION {
            return Ok(Some(connection));
        }
        drop(connection);
        drop(open_for_writing(folder)?);
        look().map(Some)
    }

    /// Opens a connection that only reads, for joins, streams and reports.
    pub fn reader(&self) -> Result<Connection, StoreError> {
        open_for_reading(&self.path)
    }

    /// Makes sure that there is room for a commit that must not fail.
    ///
    /// Errors: `DiskFull`.
    pub(super) fn has_room(&self) -> Result<(), StoreError> {
        has_room(&self.path)
    }

    /// Rewrites the file without its freed pages and empties the WAL; returns whether it is empty. Takes as long as a copy of the file.
    pub(super) fn wipe(&self) -> Result<bool, StoreError> {
        wipe(&self.path)
    }

    /// Returns the path of the state file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many commits this handle's writer has made.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Lets `more` commits pass and then ends the writer as a kill would: nothing later reaches the disk.
    ///
    /// For crash tests; the store is of no use afterwards and must be opened again.
    pub fn stop_after_commits(&self, more: u32) {
        self.commits_left.store(i64::from(more), Ordering::SeqCst);
    }
}

fn write_until_closed(
    mut connection: Connection,
    queue: &mpsc::Receiver<Job>,
    commits: &AtomicU64,
    commits_left: &AtomicI64,
) {
    while let Ok(first) = queue.recv() {
        let mut together = vec![first];
        while together.len() < COMMIT_TOGETHER {
            match queue.try_recv() {
                Ok(job) => together.push(job),
                Err(_) => break,
            }
        }
        // The kill of a crash test: dropping the jobs tells their askers `Stopped`.
        if commits_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return;
        }
        commit(&mut connection, together);
        commits.fetch_add(1, Ordering::SeqCst);
    }
}

fn commit(connection: &mut Connection, together: Vec<Job>) {
    let mut jobs = together.into_iter();
    while jobs.len() > 0 {
        commit_some(connection, &mut jobs);
    }
}

/// Runs jobs in one transaction: all of them, unless SQLite gives the transaction up in the middle.
fn commit_some(connection: &mut Connection, jobs: &mut std::vec::IntoIter<Job>) {
    let mut transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate)
    {
        Ok(transaction) => transaction,
        Err(error) => {
            for job in jobs {
                let (_, tell) = job(Err(again(&error)));
                tell(Ok(()));
            }
            return;
        }
    };
    let mut tells = Vec::with_capacity(jobs.len());
    for job in jobs {
        let (own, tell) = match transaction.savepoint() {
            Ok(savepoint) => {
                let (failed, tell) = job(Ok(&savepoint));
                // Dropping a savepoint rolls it back.
                let own = match failed {
                    Some(failed) => Some(failed),
                    None => savepoint.commit().err().map(|error| again(&error)),
                };
                (own, tell)
            }
            Err(error) => {
                let (_, tell) = job(Err(again(&error)));
                (Some(again(&error)), tell)
            }
        };
        // A full disk makes SQLite roll back everything, not the savepoint alone: what ran before is undone with it. A job that ran
        // now would be committed on its own and then be told that it was not.
        let undone = own.as_ref().filter(|_| transaction.is_autocommit());
        let undone = undone.map(once_more);
        tells.push((tell, own));
        if let Some(why) = undone {
            for (tell, _) in tells {
                tell(Err(once_more(&why)));
            }
            return;
        }
    }
    let failed = transaction.commit().err();
    for (tell, own) in tells {
        tell(match (own, &failed) {
            (Some(error), _) => Err(error),
            (None, Some(error)) => Err(again(error)),
            (None, None) => Ok(()),
        });
    }
}

/// Makes the failure of one write once more, for those whose writes went with it.
fn once_more(error: &StoreError) -> StoreError {
    match error {
        StoreError::DiskFull { path } => StoreError::DiskFull { path: path.clone() },
        StoreError::Locked { path } => StoreError::Locked { path: path.clone() },
        StoreError::Sql { source, .. } => again(source),
        other => StoreError::Corrupt {
            what: other.to_string(),
        },
    }
}

/// Makes an error once more, for each of those who shared the commit.
fn again(error: &rusqlite::Error) -> StoreError {
    StoreError::from(match error {
        rusqlite::Error::SqliteFailure(code, said) => {
            rusqlite::Error::SqliteFailure(*code, said.clone())
        }
        other => rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR),
            Some(other.to_string()),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("ghl-sync-writer-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    #[tokio::test]
    async fn a_failed_write_takes_nothing_else_with_it() {
        let folder = folder("failed");
        let store = Store::open(&folder).unwrap();
        store
            .write(|db| Ok(db.execute_batch("CREATE TABLE t(x)")?))
            .await
            .unwrap();
        let good = store.write(|db| Ok(db.execute("INSERT INTO t VALUES(1)", [])?));
        let bad = store.write(|db| {
            db.execute("INSERT INTO t VALUES(2)", [])?;
            Err::<(), _>(StoreError::Corrupt {
                what: "on purpose".to_owned(),
            })
        });
        let (good, bad) = tokio::join!(good, bad);
        assert!(good.is_ok());
        assert!(bad.is_err());
        let rows: i64 = store
            .reader()
            .unwrap()
            .query_row("SELECT sum(x) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 1);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn after_the_last_allowed_commit_nothing_reaches_the_disk() {
        let folder = folder("stopped");
        let store = Store::open(&folder).unwrap();
        store
            .write(|db| Ok(db.execute_batch("CREATE TABLE t(x)")?))
            .await
            .unwrap();
        store.stop_after_commits(1);
        assert!(
            store
                .write(|db| Ok(db.execute("INSERT INTO t VALUES(1)", [])?))
                .await
                .is_ok()
        );
        let lost = store
            .write(|db| Ok(db.execute("INSERT INTO t VALUES(2)", [])?))
            .await;
        assert!(matches!(lost, Err(StoreError::Stopped)));
        let again = Store::open(&folder).unwrap();
        let rows: i64 = again
            .reader()
            .unwrap()
            .query_row("SELECT sum(x) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 1);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_undoes_what_shared_the_commit_and_everybody_is_told_so() {
        let folder = folder("full");
        let store = Store::open(&folder).unwrap();
        store
            .write(|db| {
                db.execute_batch("CREATE TABLE t(x)")?;
                let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
                Ok(db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?)
            })
            .await
            .unwrap();
        let small = |x| store.write(move |db| Ok(db.execute("INSERT INTO t VALUES(?1)", [x])?));
        let large = store.write(|db| Ok(db.execute("INSERT INTO t VALUES(zeroblob(100000))", [])?));
        let (before, large, after) = tokio::join!(small(1), large, small(2));
        assert!(
            matches!(large, Err(StoreError::DiskFull { .. })),
            "{large:?}"
        );
        for outcome in [&before, &after] {
            let told = matches!(outcome, Ok(1) | Err(StoreError::DiskFull { .. }));
            assert!(told, "{outcome:?}");
        }
        let rows: i64 = store
            .reader()
            .unwrap()
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap();
        let done = i64::from(before.is_ok()) + i64::from(after.is_ok());
        assert_eq!(
            rows, done,
            "what is told as done is there, and nothing else"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
