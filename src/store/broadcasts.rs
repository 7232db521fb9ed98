//! Broadcasts of Twitch channels, and which of them somebody followed in.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::model::RecordKey;
use crate::plan::Presence;
use crate::plan::broadcast::{Broadcast, SAME_WITHIN_MS};

use super::error::StoreError;
use super::jobs::{json_list, next_tick};
use super::walks::{mark_missing, settle_missing};

/// Followers that are looked at when a broadcast turns out to have begun before they were listed: the newest of a job.
const STAMPED_AT_MOST: i64 = 5_000;

const COLUMNS: &str = "no, stream_id, ids, title, game, started_ms, seen_ms, absent_ms, polls, viewers_sum, viewers_peak,
    followers_before, followers_after, new_followers, ended_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<Broadcast> {
    let ids: String = row.get(2)?;
    Ok(Broadcast {
        no: row.get(0)?,
        stream_id: row.get(1)?,
        ids: serde_json::from_str(&ids).unwrap_or_default(),
        title: row.get(3)?,
        game: row.get(4)?,
        started_ms: row.get(5)?,
        seen_ms: row.get(6)?,
        absent_ms: row.get(7)?,
        polls: row.get(8)?,
        viewers_sum: row.get(9)?,
        viewers_peak: row.get(10)?,
        followers_before: row.get(11)?,
        followers_after: row.get(12)?,
        new_followers: row.get(13)?,
        ended_ms: row.get(14)?,
    })
}

/// What a poll saw of a live channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighting {
    /// The id of the stream.
    pub stream_id: String,
    /// The title; `None` when blank.
    pub title: Option<String>,
    /// The game or category; `None` without one.
    pub game: Option<String>,
    /// When it began, in ms.
    pub started_ms: i64,
    /// When the poll was, in ms of Twitch's clock.
    pub seen_ms: i64,
    /// How many watched.
    pub viewers: i64,
}

/// Returns the newest broadcast of a channel that a job watched, ended or not.
pub fn newest(
    db: &Connection,
    job_no: i64,
    channel: &RecordKey,
) -> Result<Option<Broadcast>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM broadcast WHERE job_no = ?1 AND channel = ?2 ORDER BY no DESC LIMIT 1"
    );
    Ok(db
        .prepare_cached(&sql)?
        .query_row(params![job_no, channel.as_str()], read)
        .optional()?)
}

/// Returns the broadcast of a channel by its name, the id of its first stream.
pub fn named(
    db: &Connection,
    job_no: i64,
    channel: &RecordKey,
    stream_id: &str,
) -> Result<Option<Broadcast>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM broadcast WHERE job_no = ?1 AND channel = ?2 AND stream_id = ?3"
    );
    Ok(db
        .prepare_cached(&sql)?
        .query_row(params![job_no, channel.as_str(), stream_id], read)
        .optional()?)
}

/// Begins a broadcast with its first sighting. `followers` is what the channel had then.
pub fn begin(
    db: &Connection,
    job_no: i64,
    channel: &RecordKey,
    sighting: &Sighting,
    followers: Option<i64>,
) -> Result<(), StoreError> {
    let Sighting {
        stream_id,
        title,
        game,
        started_ms,
        seen_ms,
        viewers,
    } = sighting;
    db.prepare_cached(
        "INSERT INTO broadcast (job_no, channel, stream_id, ids, title, game, started_ms, seen_ms, polls, viewers_sum, viewers_peak, followers_before)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9, ?9, ?10) ON CONFLICT (job_no, channel, stream_id) DO NOTHING",
    )?
    .execute(params![
        job_no,
        channel.as_str(),
        stream_id,
        json_list(std::slice::from_ref(stream_id)),
        title,
        game,
        started_ms,
        seen_ms,
        viewers,
        followers
    ])?;
    Ok(())
}

/// Counts a sighting of a broadcast; one that was absent, or taken for ended, goes on with it.
pub fn sample(
    db: &Connection,
    broadcast: &Broadcast,
    sighting: &Sighting,
) -> Result<(), StoreError> {
    let Sighting {
        stream_id,
        title,
        game,
        started_ms: _,
        seen_ms,
        viewers,
    } = sighting;
    let mut ids = broadcast.ids.clone();
    if !ids.contains(stream_id) {
        ids.push(stream_id.clone());
    }
    db.prepare_cached(
        "UPDATE broadcast SET ids = ?2, title = coalesce(?3, title), game = coalesce(?4, game), seen_ms = max(seen_ms, ?5), absent_ms = NULL,
           ended_ms = NULL, followers_after = NULL, new_followers = NULL, polls = polls + 1, viewers_sum = viewers_sum + ?6,
           viewers_peak = max(viewers_peak, ?6) WHERE no = ?1",
    )?
    .execute(params![
        broadcast.no,
        json_list(&ids),
        title,
        game,
        seen_ms,
        viewers
    ])?;
    Ok(())
}

/// Remembers the first poll that did not see a broadcast any more.
pub fn absent(db: &Connection, no: i64, absent_ms: i64) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE broadcast SET absent_ms = ?2 WHERE no = ?1")?
        .execute(params![no, absent_ms])?;
    Ok(())
}

/// Ends a broadcast as of when it was last seen. `followers` is what the channel has now, `new_followers` how many came while it went on.
pub fn end(
    db: &Connection,
    no: i64,
    followers: Option<i64>,
    new_followers: Option<i64>,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE broadcast SET ended_ms = seen_ms, followers_after = ?2, new_followers = ?3 WHERE no = ?1",
    )?
    .execute(params![no, followers, new_followers])?;
    Ok(())
}

/// Returns the broadcast during which a moment of a channel was, whichever job watched it; `None`: none, as far as is known.
///
/// One that is still live reaches ten minutes beyond its last sighting, so that a job that stopped watching does not make it endless.
pub fn of_moment(
    db: &Connection,
    channel: &str,
    at_ms: i64,
) -> Result<Option<Broadcast>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM broadcast WHERE channel = ?1 AND started_ms <= ?2 AND seen_ms >= ?2 - ?3 ORDER BY started_ms DESC, no LIMIT 5"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![channel, at_ms, SAME_WITHIN_MS], read)?;
    for broadcast in rows {
        let broadcast = broadcast?;
        if at_ms <= broadcast.until_ms() {
            return Ok(Some(broadcast));
        }
    }
    Ok(None)
}

/// Returns from when on what tells of the end of a channel's last broadcast is final, in ms; `None` when none has ended.
///
/// Until then another stream may turn out to be its continuation, and the end is taken back.
pub fn settled_at(
    db: &Connection,
    job_no: i64,
    channel: &RecordKey,
) -> Result<Option<i64>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT seen_ms + ?3 FROM broadcast WHERE job_no = ?1 AND channel = ?2 AND ended_ms IS NOT NULL ORDER BY no DESC LIMIT 1",
        )?
        .query_row(params![job_no, channel.as_str(), SAME_WITHIN_MS], |row| {
            row.get(0)
        })
        .optional()?)
}

/// Returns the channels whose record is in, as far as walks found.
pub fn channels_in(db: &Connection, job_no: i64) -> Result<Vec<RecordKey>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT key FROM roster WHERE job_no = ?1 AND coalesce(pending, state) = 'in' ORDER BY key",
    )?;
    let keys = statement.query_map([job_no], |row| row.get::<_, String>(0))?;
    keys.map(|key| super::walks::parsed_key(key?)).collect()
}

/// Lets a channel's record leave: what it shows of its broadcast from now on, and that it is out.
pub fn leave(
    db: &Connection,
    roster_no: i64,
    walk_no: i64,
    attributes: &str,
) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE roster SET attributes = ?2 WHERE no = ?1")?
        .execute(params![roster_no, attributes])?;
    mark_missing(db, &[roster_no], walk_no)?;
    settle_missing(db, &[(roster_no, Presence::Out)])
}

/// The attributes of a follower that tell the broadcast they followed in.
pub const COHORT: [&str; 4] = [
    "stream_id",
    "stream_title",
    "stream_game",
    "stream_started_at",
];

/// Tells in a follower's attributes which broadcast they followed in, in place of what they told before; `None` takes it away.
pub fn stamp(attributes: &mut BTreeMap<String, String>, broadcast: Option<&Broadcast>) {
    for name in COHORT {
        attributes.remove(name);
    }
    let Some(broadcast) = broadcast else { return };
    let told = [
        Some(broadcast.stream_id.clone()),
        broadcast.title.clone(),
        broadcast.game.clone(),
        moment(broadcast.started_ms),
    ];
    for (name, value) in COHORT.into_iter().zip(told) {
        if let Some(value) = value {
            attributes.insert(name.to_owned(), value);
        }
    }
}

/// Tells followers that were listed before the broadcast was known that they followed in it: the newest of every job that lists the channel's.
///
/// Returns how many there were.
pub fn stamp_followers(
    db: &Connection,
    channel: &RecordKey,
    broadcast: &Broadcast,
) -> Result<u64, StoreError> {
    let (Some(since), Some(until)) = (moment(broadcast.started_ms), moment(broadcast.until_ms()))
    else {
        return Ok(0);
    };
    // The ticks are an index, and the newest rows have the highest.
    let mut rows = db.prepare_cached(
        "SELECT n.no, n.attributes FROM job j JOIN roster n ON n.no IN (
           SELECT r.no FROM roster r INDEXED BY roster_tick WHERE r.job_no = j.no ORDER BY r.tick DESC LIMIT ?4)
         WHERE j.channel = ?1 AND coalesce(n.pending, n.state) = 'in' AND json_extract(n.attributes, '$.stream_id') IS NULL
           AND json_extract(n.attributes, '$.followed_at') BETWEEN ?2 AND ?3",
    )?;
    let rows: Vec<(i64, String)> = rows
        .query_map(
            params![channel.as_str(), since, until, STAMPED_AT_MOST],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .collect::<Result<_, _>>()?;
    let mut update =
        db.prepare_cached("UPDATE roster SET attributes = ?2, tick = ?3 WHERE no = ?1")?;
    let mut stamped = 0;
    for (no, stored) in rows {
        // Written as records are, names in order: walks compare texts.
        let mut attributes: BTreeMap<String, String> =
            serde_json::from_str(&stored).map_err(|error| StoreError::Corrupt {
                what: format!("roster.attributes: {error}"),
            })?;
        stamp(&mut attributes, Some(broadcast));
        let text = serde_json::to_string(&attributes).expect("a map of texts is always JSON");
        update.execute(params![no, text, next_tick(db)?])?;
        stamped += 1;
    }
    Ok(stamped)
}

/// Returns a moment as records have it.
fn moment(ms: i64) -> Option<String> {
    let moment = chrono::DateTime::from_timestamp_millis(ms)?;
    Some(moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests;
