//! Move 3 for streams: which channels are live, and what that makes of their broadcasts and records.
//!
//! One poll is one commit: what is known of the broadcasts, the records, and the walk. A run that is killed before it polled for nothing.

mod audience;
mod record;
mod taken;

use std::collections::{BTreeMap, BTreeSet};

use crate::apis::twitch::{self, Stream};
use crate::model::{Cut, Ended, RecordKey};
use crate::net::{CallError, Purpose};
use crate::plan::broadcast::{Broadcast, Decision, Poll, decide};
use crate::store::broadcasts::{self, Sighting};
use crate::store::jobs::JobState;

use self::audience::Audience;
use self::taken::{Walked, take_in};
use super::error::RunError;
use super::gather::Gathered;
use super::seat::{Seat, stay};
use super::world::{Tick, World};

/// Polls the channels of the job and takes in what changed.
///
/// Errors: permission and account faults, the state, and a vendor that gives no readable answer to the first call. A later one cuts the walk,
/// and nothing changes for the channels it was about.
pub(super) async fn gather(
    world: &World,
    seat: &Seat,
    state: &JobState,
    full: bool,
) -> Result<Gathered, RunError> {
    let poll = poll(world, &seat.channels.ids).await?;
    let mut turns = Vec::new();
    let mut remarks = seat.channels.remarks.clone();
    let mut ended = poll.ended;
    for channel in &seat.channels.ids {
        // What was not looked into yet is polled again by the next run.
        if world.stop.is_asked() {
            ended = Ended::Cut(Cut::Stopped);
            break;
        }
        turns.push(turn(world, state, channel, poll.seen.get(channel), &mut remarks).await?);
    }
    turns.extend(unwatched(world, state, &seat.channels.ids)?);
    let listed = poll.listed;
    let note = Walked {
        full,
        began_ms: poll.began_ms,
        pages: poll.pages,
        listed,
        word: match &ended {
            Ended::Complete => "complete",
            Ended::Cut(cut) => cut.word(),
        },
    };
    let (job_no, generation) = (state.no, state.generation);
    let (walk_no, told) = world
        .store
        .write(move |db| take_in(db, job_no, generation, &turns, &note))
        .await?;
    remarks.extend(told.remarks);
    world.watch.tick(Tick::Advance(listed));
    Ok(Gathered {
        listed,
        new: told.new,
        total: None,
        pages: poll.pages,
        ended: Some(ended),
        odd_rows: poll.odd_rows,
        debt: 0,
        walk_no,
        remarks,
    })
}

/// What the calls of one poll said.
struct Polled {
    /// By channel; one that is not in it was not asked about, or not answered for.
    seen: BTreeMap<RecordKey, Saw>,
    ended: Ended,
    began_ms: i64,
    pages: u64,
    listed: u64,
    odd_rows: u64,
}

/// What a poll said of one channel, and when.
struct Saw {
    /// The stream; `None`: it is not live.
    stream: Option<Stream>,
    at_ms: i64,
}

async fn poll(world: &World, channels: &[RecordKey]) -> Result<Polled, RunError> {
    let mut polled = Polled {
        seen: BTreeMap::new(),
        ended: Ended::Complete,
        began_ms: 0,
        pages: 0,
        listed: 0,
        odd_rows: 0,
    };
    world.watch.tick(Tick::Reading {
        what: format!("live channels of {}", world.job.name),
        total: None,
    });
    for chunk in channels.chunks(twitch::PAGE_LIMIT) {
        stay(world).await?;
        let call = twitch::streams(chunk);
        let answer = match world.spoke_line.send(&call, Purpose::Announced).await {
            Ok(answer) => answer,
            Err(CallError::State(error)) => return Err(error.into()),
            Err(error) if polled.pages == 0 => {
                return Err(RunError::of_call(&world.job.name, &world.spoke.name, error));
            }
            Err(CallError::Spent { .. }) => {
                polled.ended = Ended::Cut(Cut::Spent);
                break;
            }
            Err(error) => {
                polled.ended = Ended::Cut(Cut::OutOfTouch(error.to_string()));
                break;
            }
        };
        let at_ms = world.date_ms(answer.date);
        if polled.pages == 0 {
            polled.began_ms = at_ms;
        }
        polled.pages += 1;
        polled.listed += answer.value.live.len() as u64;
        polled.odd_rows += answer.value.odd.rows;
        let mut live: BTreeMap<RecordKey, Stream> = answer
            .value
            .live
            .into_iter()
            .map(|stream| (stream.channel.clone(), stream))
            .collect();
        for channel in chunk {
            let stream = live.remove(channel);
            // A row that could not be read may have been about any channel that is not listed.
            if stream.is_some() || answer.value.odd.rows == 0 {
                polled.seen.insert(channel.clone(), Saw { stream, at_ms });
            }
        }
    }
    Ok(polled)
}

/// What is to be done about one channel.
struct Turn {
    channel: RecordKey,
    /// The newest broadcast before the poll.
    newest: Option<Broadcast>,
    decision: Decision,
    /// The stream that the decision rests on.
    live: Option<(Stream, Sighting)>,
    at_ms: i64,
    audience: Audience,
    is_watched: bool,
}

/// Decides what a poll means for one channel, and asks for the followers at the two ends of a broadcast.
async fn turn(
    world: &World,
    state: &JobState,
    channel: &RecordKey,
    saw: Option<&Saw>,
    remarks: &mut Vec<String>,
) -> Result<Turn, RunError> {
    let newest = broadcasts::newest(&world.store.reader()?, state.no, channel)?;
    let at_ms = saw.map_or_else(|| world.now_ms(), |saw| saw.at_ms);
    let live = saw.and_then(|saw| {
        let stream = saw.stream.clone()?;
        let sighting = sighting(&stream, at_ms);
        Some((stream, sighting))
    });
    let poll = match (saw, &live) {
        (None, _) => Poll::Unknown,
        (Some(_), None) => Poll::Absent,
        (Some(_), Some((_, sighting))) => Poll::Live {
            stream_id: &sighting.stream_id,
            started_ms: sighting.started_ms,
        },
    };
    let decision = decide(newest.as_ref(), poll, at_ms);
    let audience = match (decision, &newest) {
        (Decision::Begins, _) => audience::at_begin(world, channel, remarks).await?,
        (Decision::Ends | Decision::EndsAndBegins, Some(newest)) => {
            audience::at_end(world, channel, newest, remarks).await?
        }
        (
            Decision::Nothing
            | Decision::GoesOn { .. }
            | Decision::Resumes { .. }
            | Decision::Remember
            | Decision::Ends
            | Decision::EndsAndBegins,
            _,
        ) => Audience::default(),
    };
    Ok(Turn {
        channel: channel.clone(),
        newest,
        decision,
        live,
        at_ms,
        audience,
        is_watched: true,
    })
}

fn sighting(stream: &Stream, at_ms: i64) -> Sighting {
    Sighting {
        stream_id: stream.id.as_str().to_owned(),
        title: stream.title.clone(),
        game: stream.game.clone(),
        started_ms: stream
            .started_at
            .map_or(at_ms, |started| started.timestamp_millis()),
        seen_ms: at_ms,
        viewers: i64::try_from(stream.viewers).unwrap_or(i64::MAX),
    }
}

/// Ends the broadcasts of channels that the job no longer names: nobody will tell any more when they end.
fn unwatched(
    world: &World,
    state: &JobState,
    watched: &[RecordKey],
) -> Result<Vec<Turn>, RunError> {
    let reader = world.store.reader()?;
    let watched: BTreeSet<&RecordKey> = watched.iter().collect();
    let mut turns = Vec::new();
    for channel in broadcasts::channels_in(&reader, state.no)? {
        if watched.contains(&channel) {
            continue;
        }
        let newest = broadcasts::newest(&reader, state.no, &channel)?;
        let decision = match newest.as_ref().is_some_and(Broadcast::is_live) {
            true => Decision::Ends,
            false => Decision::Nothing,
        };
        turns.push(Turn {
            channel,
            newest,
            decision,
            live: None,
            at_ms: world.now_ms(),
            audience: Audience::default(),
            is_watched: false,
        });
    }
    Ok(turns)
}
