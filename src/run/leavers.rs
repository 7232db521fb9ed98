//! Who left: confirmed one by one, or by a second whole listing.

use chrono::TimeDelta;

use crate::apis::twitch;
use crate::model::RecordKey;
use crate::net::{CallError, Purpose};
use crate::plan::Presence;
use crate::store::jobs::JobState;
use crate::store::walks::{self, Missing};

use super::error::RunError;
use super::seat::Seat;
use super::world::{Tick, World};

/// A record that is absent from a listing is looked up no sooner than this after it: replicas flap.
const CONFIRM_AFTER: TimeDelta = TimeDelta::minutes(2);
/// Look-ups without an answer, one after the other, after which Twitch itself is taken to be out of touch.
const UNCLEAR_IN_A_ROW: u32 = 3;
/// So many absent records are looked up one by one whatever the size of the channel.
pub(super) const LOOK_UP_AT_LEAST: u64 = 10;
/// A second listing proves absence when it began this long after the first, in ms.
pub(super) const SECOND_LISTING_MS: i64 = 10 * 60 * 1000;
/// Absent records that are handled at a time; as many ids as one `GET /users` takes.
const CHUNK: i64 = 100;

/// What the look for leavers came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Leavers {
    /// Records that are absent and not confirmed: what guard *leave* counts besides those that are.
    pub candidates: u64,
    /// Records that left, now.
    pub left: u64,
    /// Records whose account is suspended or deleted.
    pub gone: u64,
    /// Records that were there after all.
    pub back: u64,
}

/// Confirms absent records, unless there are more than `limit` and nobody let guard *leave* go.
///
/// `walked` is the walk of this run if it was Complete. An absent record has left when its own look-up says so two minutes later, or when a second
/// Complete listing, begun ten minutes after the first, lacks it too and there are more of them than that listing has pages.
///
/// Errors: a permission that was lost in the middle: then nobody left.
pub(super) async fn confirm(
    world: &World,
    seat: &Seat,
    state: &JobState,
    walked: Option<i64>,
    total: u64,
    limit: u64,
    allowed: bool,
) -> Result<Leavers, RunError> {
    let reader = world.store.reader()?;
    let mut leavers = Leavers {
        candidates: count(&reader, state.no)?,
        ..Leavers::default()
    };
    if leavers.candidates == 0 || (leavers.candidates > limit && !allowed) {
        return Ok(leavers);
    }
    let pages = total / 100 + 1;
    let one_by_one = leavers.candidates <= pages.max(LOOK_UP_AT_LEAST);
    let now_ms = world.now_ms();
    let mut after = String::new();
    let mut unclear = 0;
    loop {
        let rows = walks::missing(&reader, state.no, &after, CHUNK)?;
        let Some(last) = rows.last() else { break };
        after = last.key.as_str().to_owned();
        let mut absent = Vec::new();
        let mut settled = Vec::new();
        for row in rows {
            if world.stop.is_asked() {
                break;
            }
            match verdict(world, seat, &row, walked, one_by_one, now_ms, &mut unclear).await? {
                Some(true) => absent.push(row),
                Some(false) => settled.push((row.no, Presence::In)),
                None => {}
            }
        }
        leavers.back += settled.len() as u64;
        let exist = if absent.is_empty() {
            Existing::default()
        } else {
            existing(world, &absent).await?
        };
        for row in absent {
            if exist.unclear.contains(&row.key) {
                continue;
            }
            let presence = if exist.known.contains(&row.key) {
                Presence::Out
            } else {
                Presence::Gone
            };
            match presence {
                Presence::Out => leavers.left += 1,
                Presence::In | Presence::Gone => leavers.gone += 1,
            }
            settled.push((row.no, presence));
        }
        if !settled.is_empty() {
            world.watch.tick(Tick::Advance(settled.len() as u64));
            world
                .store
                .write(move |db| walks::settle_missing(db, &settled))
                .await?;
        }
        if world.stop.is_asked() {
            break;
        }
    }
    leavers.candidates = count(&reader, state.no)?;
    Ok(leavers)
}

fn count(reader: &rusqlite::Connection, job_no: i64) -> Result<u64, RunError> {
    Ok(walks::count_missing(reader, job_no)?.unsigned_abs())
}

/// Says whether a record is really absent; `None` when it is too early to tell.
async fn verdict(
    world: &World,
    seat: &Seat,
    row: &Missing,
    walked: Option<i64>,
    one_by_one: bool,
    now_ms: i64,
    unclear: &mut u32,
) -> Result<Option<bool>, RunError> {
    if let Some(began_ms) = walked
        && began_ms >= row.walk_began_ms + SECOND_LISTING_MS
    {
        return Ok(Some(true));
    }
    if !one_by_one || now_ms < row.walk_ended_ms + CONFIRM_AFTER.num_milliseconds() {
        return Ok(None);
    }
    let probe = twitch::follows(&seat.broadcaster, &row.key);
    match world.spoke_line.send(&probe, Purpose::Confirmation).await {
        Ok(answer) => {
            *unclear = 0;
            Ok(Some(match answer.value {
                twitch::Follows::NotFollowing => true,
                twitch::Follows::Following(_) => false,
            }))
        }
        // One record that Twitch cannot answer for waits; several in a row are not about single records.
        Err(
            CallError::OutOfTouch { .. } | CallError::Refused { .. } | CallError::BadReply { .. },
        ) if *unclear + 1 < UNCLEAR_IN_A_ROW => {
            *unclear += 1;
            Ok(None)
        }
        Err(error) => Err(RunError::of_call(&world.job.name, &world.spoke.name, error)),
    }
}

/// Returns which of these accounts still exist, and which nobody can tell: one bad id makes Twitch answer 500 for its whole batch.
///
/// Source: seen by users of Get Users (issue 592 of the vendor's tracker).
async fn existing(world: &World, rows: &[Missing]) -> Result<Existing, RunError> {
    let mut existing = Existing::default();
    let mut batches = vec![rows.to_vec()];
    while let Some(batch) = batches.pop() {
        let ids: Vec<RecordKey> = batch.iter().map(|row| row.key.clone()).collect();
        match world
            .spoke_line
            .send(&twitch::users(&ids), Purpose::Confirmation)
            .await
        {
            Ok(answer) => existing
                .known
                .extend(answer.value.into_iter().map(|user| user.id)),
            Err(CallError::OutOfTouch { .. } | CallError::Refused { .. }) if batch.len() > 1 => {
                let (left, right) = batch.split_at(batch.len() / 2);
                batches.extend([left.to_vec(), right.to_vec()]);
            }
            Err(CallError::OutOfTouch { .. } | CallError::Refused { .. }) => {
                existing.unclear.extend(ids)
            }
            Err(error) => return Err(RunError::of_call(&world.job.name, &world.spoke.name, error)),
        }
    }
    Ok(existing)
}

/// What the look-up of accounts came to.
#[derive(Debug, Default)]
struct Existing {
    known: Vec<RecordKey>,
    unclear: Vec<RecordKey>,
}
