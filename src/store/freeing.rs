//! Giving freed pages back to the disk.
//!
//! Files are made with `auto_vacuum = INCREMENTAL`, so that it is done some pages a commit and nobody waits. A file of an earlier release has to be
//! rewritten once for that, which is only done while it is small and nobody runs.

use std::path::Path;

use rusqlite::Connection;

use super::error::StoreError;
use super::open::wipe;
use super::writer::Store;

/// Free pages below this are not worth the work: they are used again soon.
const MUCH_BYTES: u64 = 16 * 1024 * 1024;
/// Pages that one commit gives back: 1 MiB to 4 MiB.
const PAGES_A_COMMIT: i64 = 512;
/// A larger file of an earlier release is not rewritten: writers would wait longer than they do. Its free pages are used again.
const REWRITE_BYTES: u64 = 256 * 1024 * 1024;

/// How full a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The size of the file.
    pub bytes: u64,
    /// How much of it is free.
    pub free_bytes: u64,
    /// Whether free pages can be given back without rewriting the file.
    pub is_incremental: bool,
}

impl Fill {
    /// Reads it of a state.
    pub fn of(db: &Connection) -> Result<Fill, StoreError> {
        let number = |name: &str| -> rusqlite::Result<i64> {
            db.pragma_query_value(None, name, |row| row.get(0))
        };
        let page = number("page_size")?.unsigned_abs();
        Ok(Fill {
            bytes: page * number("page_count")?.unsigned_abs(),
            free_bytes: page * number("freelist_count")?.unsigned_abs(),
            is_incremental: number("auto_vacuum")? == 2,
        })
    }

    /// Returns whether giving pages back is worth it: more than a quarter of the file, and not little.
    pub fn is_worth_it(&self) -> bool {
        self.free_bytes >= MUCH_BYTES && self.free_bytes.saturating_mul(4) > self.bytes
    }

    /// Returns whether the file is one to rewrite: it cannot give pages back otherwise, and is small enough.
    pub fn is_to_rewrite(&self) -> bool {
        !self.is_incremental && self.bytes - self.free_bytes.min(self.bytes) <= REWRITE_BYTES
    }
}

/// Gives the free pages of an incremental file back, some a commit; `each` hears how many bytes so far, and returns false to stop.
///
/// Errors: of writing the state; what was given back before stays so.
pub async fn give_back(
    store: &Store,
    mut each: impl FnMut(u64) -> bool,
) -> Result<u64, StoreError> {
    let mut given = 0;
    loop {
        let (freed, left) = store.write(|db| step(db, PAGES_A_COMMIT)).await?;
        given += freed;
        if freed == 0 || left == 0 || !each(given) {
            return Ok(given);
        }
    }
}

/// Gives some pages back; returns how many bytes it was and how many are still free.
fn step(db: &Connection, pages: i64) -> Result<(u64, u64), StoreError> {
    let before = Fill::of(db)?;
    // Gives a page back for every row that is asked for.
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    let after = Fill::of(db)?;
    Ok((before.bytes.saturating_sub(after.bytes), after.free_bytes))
}

/// Rewrites a file without its free pages, so that it can give pages back bit by bit from then on; returns how many bytes that gave back.
///
/// Writers wait meanwhile. Errors: somebody is in the way, or the disk has no room for it; nothing has changed then.
pub fn rewrite(path: &Path, fill: &Fill) -> Result<u64, StoreError> {
    // Once in SQLite's temporary file, once in the WAL.
    has_room_for(path, 2 * (fill.bytes - fill.free_bytes.min(fill.bytes)))?;
    wipe(path)?;
    let after = std::fs::metadata(path)
        .map_err(|source| StoreError::of_file(path.to_owned(), source))?
        .len();
    Ok(fill.bytes.saturating_sub(after))
}

/// Makes sure that the disk of a file has room for so many bytes more, and that some is left for others.
///
/// Errors: `DiskFull`. A file system that does not tell has room.
pub(super) fn has_room_for(file: &Path, bytes: u64) -> Result<(), StoreError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return Ok(());
    };
    let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
    if disk.f_blocks > 0 && free_bytes < bytes.saturating_add(MUCH_BYTES) {
        return Err(StoreError::DiskFull {
            path: file.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::STATE_FILE;

    async fn fill(store: &Store, blobs: i64) {
        store
            .write(move |db| {
                db.execute_batch("CREATE TABLE t(x)")?;
                for _ in 0..blobs {
                    db.execute("INSERT INTO t VALUES(zeroblob(1000000))", [])?;
                }
                Ok(())
            })
            .await
            .unwrap();
        store
            .write(|db| Ok(db.execute("DELETE FROM t", [])?))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn freed_pages_are_given_back_some_a_commit_and_a_little_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("ghl-sync-freeing-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Store::open(&folder).unwrap();
        assert!(!Fill::of(&store.reader().unwrap()).unwrap().is_worth_it());
        fill(&store, 18).await;
        let before = Fill::of(&store.reader().unwrap()).unwrap();
        assert!(before.is_incremental && before.is_worth_it(), "{before:?}");
        let commits = store.commits();
        let mut told = Vec::new();
        let given = give_back(&store, |bytes| {
            told.push(bytes);
            true
        })
        .await
        .unwrap();
        assert!(given >= 17_000_000, "{given}");
        assert!(told.len() > 5 && told.is_sorted(), "{told:?}");
        assert!(store.commits() - commits > 5);
        let after = Fill::of(&store.reader().unwrap()).unwrap();
        assert_eq!(after.free_bytes, 0);
        assert_eq!(after.bytes, before.bytes - given);
        drop(store);
        assert!(folder.join(STATE_FILE).metadata().unwrap().len() < 2_000_000);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_file_of_an_earlier_release_is_rewritten_once() {
        let folder = std::env::temp_dir().join(format!("ghl-sync-rewrite-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(STATE_FILE);
        let early = Connection::open(&path).unwrap();
        early.execute_batch("CREATE TABLE early(x)").unwrap();
        drop(early);
        let store = Store::open(&folder).unwrap();
        fill(&store, 18).await;
        let before = Fill::of(&store.reader().unwrap()).unwrap();
        assert!(!before.is_incremental && before.is_to_rewrite());
        assert!(rewrite(&path, &before).unwrap() >= 17_000_000);
        let after = Fill::of(&store.reader().unwrap()).unwrap();
        assert!(after.is_incremental, "{after:?}");
        drop(store);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_disk_without_room_is_not_filled() {
        let file = std::env::temp_dir().join("ghl-sync-room.db");
        assert!(has_room_for(&file, 0).is_ok());
        let full = has_room_for(&file, u64::MAX).unwrap_err();
        assert!(matches!(full, StoreError::DiskFull { path } if path == file));
    }
}
