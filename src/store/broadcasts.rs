//! Broadcasts of Twitch channels.

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::RecordKey;

use super::error::StoreError;

/// How long after it was last seen live a broadcast may go on as another stream, in ms.
const GOES_ON_WITHIN_MS: i64 = 10 * 60 * 1000;

/// Returns from when on the newest broadcast of a channel is over for good, in ms; `None` when none is known.
pub fn settled_at(
    db: &Connection,
    job_no: i64,
    channel: &RecordKey,
) -> Result<Option<i64>, StoreError> {
    let seen_ms: Option<i64> = db
        .prepare_cached(
            "SELECT seen_ms FROM broadcast WHERE job_no = ?1 AND channel = ?2 ORDER BY no DESC LIMIT 1",
        )?
        .query_row(params![job_no, channel.as_str()], |row| row.get(0))
        .optional()?;
    Ok(seen_ms.map(|seen_ms| seen_ms + GOES_ON_WITHIN_MS))
}
