//! Who left: confirmed one by one, by a second whole listing, or by that and a look-up of a hundred at a time, as the source asks.

use chrono::TimeDelta;

use crate::apis::twitch;
use crate::model::{LeaveProof, RecordKey, SourceKind};
use crate::net::{CallError, Purpose};
use crate::plan::Presence;
use crate::store::jobs::JobState;
use crate::store::walks::{self, Missing};

use super::error::RunError;
use super::seat::Seat;
use super::world::{Tick, World};

/// A record that is absent from a listing is looked up no sooner than this after it: replicas flap.
pub(super) const CONFIRM_AFTER: TimeDelta = TimeDelta::minutes(2);
/// Look-ups without an answer, one after the other, after which Twitch itself is taken to be out of touch.
const UNCLEAR_IN_A_ROW: u32 = 3;
/// Look-ups of a batch without an answer, one after the other, after which its rest waits: a hundred are halved seven times down to one.
const HALVINGS: u32 = 8;
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
/// `walked` is when the walk of this run began if it was Complete. An absent follower has left when its own look-up says so two minutes later, or
/// when a second Complete listing, begun ten minutes after the first, lacks it too and there are more of them than that listing has pages. An absent
/// subscriber, VIP or moderator has left when a second Complete listing, begun two minutes after the first, lacks it too, and then a look-up of
/// its own does.
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
    let proof = world.job.source.leave_proof();
    match proof {
        LeaveProof::LookUp | LeaveProof::TwiceAndBatch => {}
        // Nobody is ever marked as absent, or whoever polls says it at once.
        LeaveProof::Nothing | LeaveProof::TwoPolls => return Ok(Leavers::default()),
    }
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
        let (absent, back) = if proof == LeaveProof::TwiceAndBatch {
            together(world, seat, rows, walked).await?
        } else {
            let mut one = OneByOne {
                walked,
                asks: one_by_one,
                now_ms,
                unclear: &mut unclear,
            };
            one.sort(world, seat, rows).await?
        };
        let mut settled: Vec<(i64, Presence)> =
            back.iter().map(|row| (row.no, Presence::In)).collect();
        leavers.back += settled.len() as u64;
        let exist = look_up(world, seat, Batch::Accounts, &keys(&absent)).await?;
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

/// Absent records, and those that are there after all; the others are too early to tell.
type Sorted = (Vec<Missing>, Vec<Missing>);

/// Tells absent records one by one, or by what two listings a while apart say.
struct OneByOne<'a> {
    walked: Option<i64>,
    /// Whether there are so few that each is asked for.
    asks: bool,
    now_ms: i64,
    /// Look-ups without an answer, one after the other.
    unclear: &'a mut u32,
}

impl OneByOne<'_> {
    async fn sort(
        &mut self,
        world: &World,
        seat: &Seat,
        rows: Vec<Missing>,
    ) -> Result<Sorted, RunError> {
        let (mut absent, mut back) = Sorted::default();
        for row in rows {
            if world.stop.is_asked() {
                break;
            }
            match self.verdict(world, seat, &row).await? {
                Some(true) => absent.push(row),
                Some(false) => back.push(row),
                None => {}
            }
        }
        Ok((absent, back))
    }

    /// Says whether a record is really absent; `None` when it is too early to tell.
    async fn verdict(
        &mut self,
        world: &World,
        seat: &Seat,
        row: &Missing,
    ) -> Result<Option<bool>, RunError> {
        if let Some(began_ms) = self.walked
            && began_ms >= row.walk_began_ms + SECOND_LISTING_MS
        {
            return Ok(Some(true));
        }
        let is_ripe = self.now_ms >= row.walk_ended_ms + CONFIRM_AFTER.num_milliseconds();
        if !self.asks || !is_ripe {
            return Ok(None);
        }
        let probe = twitch::follows(&seat.broadcaster, &row.key);
        match world.spoke_line.send(&probe, Purpose::Confirmation).await {
            Ok(answer) => {
                *self.unclear = 0;
                Ok(Some(match answer.value {
                    twitch::Follows::NotFollowing => true,
                    twitch::Follows::Following(_) => false,
                }))
            }
            // One record that Twitch cannot answer for waits; several in a row are not about single records.
            Err(
                CallError::OutOfTouch { .. }
                | CallError::Refused { .. }
                | CallError::BadReply { .. },
            ) if *self.unclear + 1 < UNCLEAR_IN_A_ROW => {
                *self.unclear += 1;
                Ok(None)
            }
            Err(error) => Err(RunError::of_call(&world.job.name, &world.spoke.name, error)),
        }
    }
}

/// Tells those records that two Complete listings lack by asking for all of them at once.
async fn together(
    world: &World,
    seat: &Seat,
    rows: Vec<Missing>,
    walked: Option<i64>,
) -> Result<Sorted, RunError> {
    let confirm_after = CONFIRM_AFTER.num_milliseconds();
    let lacked_twice = |row: &Missing| {
        walked.is_some_and(|began_ms| began_ms >= row.walk_ended_ms + confirm_after)
    };
    let rows: Vec<Missing> = rows.into_iter().filter(lacked_twice).collect();
    let Some(batch) = Batch::of(world.job.source) else {
        return Ok(Sorted::default());
    };
    let listed = look_up(world, seat, batch, &keys(&rows)).await?;
    let rows = rows
        .into_iter()
        .filter(|row| !listed.unclear.contains(&row.key));
    let (back, absent) = rows.partition(|row| listed.known.contains(&row.key));
    Ok((absent, back))
}

/// Returns whether none of those that the roster has is there, asked for by name; an empty listing alone does not say so.
///
/// Errors: permission and account faults. A look-up without an answer proves nothing, and is no error.
pub(super) async fn nobody_is_left(
    world: &World,
    seat: &Seat,
    job_no: i64,
) -> Result<bool, RunError> {
    let Some(batch) = Batch::of(world.job.source) else {
        return Ok(false);
    };
    let reader = world.store.reader()?;
    let mut after = String::new();
    loop {
        let keys = walks::present(&reader, job_no, &after, CHUNK)?;
        let Some(last) = keys.last() else {
            return Ok(true);
        };
        last.as_str().clone_into(&mut after);
        let Found { known, unclear } = look_up(world, seat, batch, &keys).await?;
        if !known.is_empty() || !unclear.is_empty() || world.stop.is_asked() {
            return Ok(false);
        }
    }
}

fn keys(rows: &[Missing]) -> Vec<RecordKey> {
    rows.iter().map(|row| row.key.clone()).collect()
}

/// What a hundred ids at a time are looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    Accounts,
    Subscribers,
    Vips,
    Moderators,
}

impl Batch {
    /// Returns where the records of a source are looked up; `None` where they cannot be, or not a hundred at a time.
    fn of(source: SourceKind) -> Option<Batch> {
        match source {
            SourceKind::TwitchSubscribers => Some(Batch::Subscribers),
            SourceKind::TwitchVips => Some(Batch::Vips),
            SourceKind::TwitchModerators => Some(Batch::Moderators),
            SourceKind::TwitchFollowers | SourceKind::TwitchBits | SourceKind::TwitchStreams => {
                None
            }
        }
    }

    /// Returns which of these ids are there.
    async fn ask(
        self,
        world: &World,
        seat: &Seat,
        ids: &[RecordKey],
    ) -> Result<Vec<RecordKey>, CallError> {
        let line = &world.spoke_line;
        let call = match self {
            Batch::Accounts => {
                let answer = line
                    .send(&twitch::users(ids), Purpose::Confirmation)
                    .await?;
                return Ok(answer.value.into_iter().map(|user| user.id).collect());
            }
            Batch::Subscribers => twitch::subscribers_of(&seat.broadcaster, ids),
            Batch::Vips => twitch::vips_of(&seat.broadcaster, ids),
            Batch::Moderators => twitch::moderators_of(&seat.broadcaster, ids),
        };
        let answer = line.send(&call, Purpose::Confirmation).await?;
        let records = answer.value.records.into_iter();
        Ok(records.map(|record| record.key).collect())
    }
}

/// Looks ids up and says which are there, and which nobody can tell: one bad id makes Twitch answer 500 for its whole batch.
///
/// Source: seen by users of Get Users (issue 592 of the vendor's tracker).
///
/// Errors: permission and account faults.
async fn look_up(
    world: &World,
    seat: &Seat,
    batch: Batch,
    ids: &[RecordKey],
) -> Result<Found, RunError> {
    let mut found = Found::default();
    let mut batches = vec![ids.to_vec()];
    batches.retain(|ids| !ids.is_empty());
    let mut in_a_row = 0;
    while let Some(ids) = batches.pop() {
        match batch.ask(world, seat, &ids).await {
            Ok(known) => {
                in_a_row = 0;
                found.known.extend(known);
            }
            // Down to one bad id of a hundred it takes fewer; more in a row are about no single id.
            Err(
                CallError::OutOfTouch { .. }
                | CallError::Refused { .. }
                | CallError::BadReply { .. },
            ) if ids.len() > 1 && in_a_row < HALVINGS => {
                in_a_row += 1;
                let (left, right) = ids.split_at(ids.len() / 2);
                batches.extend([left.to_vec(), right.to_vec()]);
            }
            Err(
                CallError::OutOfTouch { .. }
                | CallError::Refused { .. }
                | CallError::BadReply { .. },
            ) => {
                in_a_row += 1;
                found.unclear.extend(ids);
                if in_a_row > HALVINGS {
                    found.unclear.extend(batches.drain(..).flatten());
                }
            }
            Err(error) => return Err(RunError::of_call(&world.job.name, &world.spoke.name, error)),
        }
    }
    Ok(found)
}

/// What a look-up came to.
#[derive(Debug, Default)]
struct Found {
    known: Vec<RecordKey>,
    unclear: Vec<RecordKey>,
}
