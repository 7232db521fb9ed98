//! Move 3 for streams: which channels are live, and what that makes of their broadcasts and records.
//!
//! One poll is one commit: what is known of the broadcasts, the records, and the walk. A run that is killed before it polled for nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat};
use rusqlite::Connection;

use crate::apis::twitch::{self, Stream};
use crate::model::{Cut, Ended, Record, RecordKey};
use crate::net::{CallError, Purpose};
use crate::plan::Presence;
use crate::plan::broadcast::{Broadcast, Decision, Poll, Showing, Shown, decide, show};
use crate::store::broadcasts::{self, Sighting};
use crate::store::jobs::JobState;
use crate::store::rows::{self, Listing};
use crate::store::runs::{WalkNote, note_walk};
use crate::store::walks::{self, Reached, WalkOf};
use crate::store::{StoreError, events};

use super::audience::{self, Audience};
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

/// How the walk went.
struct Walked {
    full: bool,
    began_ms: i64,
    pages: u64,
    listed: u64,
    word: &'static str,
}

/// What taking a poll in came to.
#[derive(Default)]
struct Told {
    new: u64,
    remarks: Vec<String>,
}

/// Takes a poll in, in one transaction: broadcasts, records, and the walk.
fn take_in(
    db: &Connection,
    job_no: i64,
    generation: i64,
    turns: &[Turn],
    walked: &Walked,
) -> Result<(i64, Told), StoreError> {
    let Walked {
        full,
        began_ms,
        pages,
        listed,
        word,
    } = walked;
    let walk_no = walks::begin_walk(db, WalkOf::Source(job_no), *full, "streams", *began_ms)?;
    let mut told = Told::default();
    for turn in turns {
        carry_out(db, job_no, turn)?;
        let place = Place {
            job_no,
            generation,
            walk_no,
        };
        show_it(db, place, turn, &mut told)?;
    }
    let reached = Reached {
        cursor: None,
        total: None,
        pages: i64::try_from(*pages).unwrap_or(i64::MAX),
        listed: i64::try_from(*listed).unwrap_or(i64::MAX),
        page_ms: *began_ms,
    };
    walks::commit_pages(db, walk_no, &[], &reached)?;
    walks::end_walk(db, walk_no, word)?;
    if *word == "complete" {
        let note = WalkNote {
            walk_no,
            began_ms: *began_ms,
            complete: Some((None, 0)),
            debt: 0,
            gap_cut: false,
        };
        note_walk(db, job_no, note)?;
    }
    Ok((walk_no, told))
}

/// Carries a decision out on what is known of the broadcasts.
fn carry_out(db: &Connection, job_no: i64, turn: &Turn) -> Result<(), StoreError> {
    let Turn {
        channel,
        newest,
        decision,
        live,
        at_ms,
        audience,
        is_watched: _,
    } = turn;
    let Audience { followers, new } = audience;
    let sighting = live.as_ref().map(|(_, sighting)| sighting);
    match (decision, newest, sighting) {
        (Decision::Nothing, _, _) => {}
        (Decision::Begins, _, Some(sighting)) => {
            broadcasts::begin(db, job_no, channel, sighting, *followers)?;
        }
        (Decision::GoesOn { .. }, Some(newest), Some(sighting)) => {
            broadcasts::sample(db, newest, sighting)?;
        }
        (Decision::Resumes { .. }, Some(newest), Some(sighting)) => {
            broadcasts::sample(db, newest, sighting)?;
            take_back(db, job_no, channel, newest)?;
        }
        (Decision::Remember, Some(newest), _) => broadcasts::absent(db, newest.no, *at_ms)?,
        (Decision::Ends, Some(newest), _) => {
            broadcasts::end(db, newest.no, *followers, *new)?;
        }
        (Decision::EndsAndBegins, Some(newest), Some(sighting)) => {
            broadcasts::end(db, newest.no, *followers, *new)?;
            broadcasts::begin(db, job_no, channel, sighting, *followers)?;
        }
        // No decision rests on what is not there.
        (
            Decision::Begins
            | Decision::GoesOn { .. }
            | Decision::Resumes { .. }
            | Decision::Remember
            | Decision::Ends
            | Decision::EndsAndBegins,
            _,
            _,
        ) => {}
    }
    // Followers may have been listed before anybody knew of the broadcast, or while nobody looked whether it goes on.
    let looked_away = newest
        .as_ref()
        .is_some_and(|newest| *at_ms > newest.settled_ms());
    let may_lack = match decision {
        Decision::Begins | Decision::EndsAndBegins => true,
        Decision::GoesOn { .. } | Decision::Resumes { .. } => looked_away,
        Decision::Nothing | Decision::Remember | Decision::Ends => false,
    };
    if may_lack && let Some(broadcast) = broadcasts::newest(db, job_no, channel)? {
        broadcasts::stamp_followers(db, channel, &broadcast)?;
    }
    Ok(())
}

/// Takes the notes and tasks back that tell of an end that was none, as far as they are not sent.
fn take_back(
    db: &Connection,
    job_no: i64,
    channel: &RecordKey,
    broadcast: &Broadcast,
) -> Result<(), StoreError> {
    events::cancel(db, job_no, channel, &broadcast.stream_id)
}

/// Where a record is kept.
#[derive(Clone, Copy)]
struct Place {
    job_no: i64,
    generation: i64,
    walk_no: i64,
}

/// Lets the channel's record show what it is to show next.
fn show_it(db: &Connection, place: Place, turn: &Turn, told: &mut Told) -> Result<(), StoreError> {
    let Place {
        job_no,
        generation,
        walk_no,
    } = place;
    let channel = &turn.channel;
    let newest = broadcasts::newest(db, job_no, channel)?;
    let listing = rows::listing_of(db, job_no, generation, channel)?;
    let stream_id = listing
        .as_ref()
        .and_then(|listing| listing.record.attributes.get("stream_id"));
    let shown = listing.as_ref().map(|listing| Shown {
        stream_id: stream_id.map(String::as_str),
        presence: listing.presence,
        was: listing.was,
    });
    let name = name_of(turn, listing.as_ref());
    let is_other =
        |broadcast: &Broadcast| stream_id.is_some_and(|shown| *shown != broadcast.stream_id);
    match (show(shown, newest.as_ref()), &newest) {
        (Showing::In, Some(newest)) => {
            let Some((stream, _)) = turn.live.as_ref().filter(|_| turn.decision != Decision::Nothing)
            else {
                return Ok(());
            };
            let stored = listing.as_ref().map(|listing| &listing.record);
            let record = live_record(stream, newest, stored);
            let row = (channel.as_str().to_owned(), record.attributes_json());
            let (_, added) = walks::fold_rows(db, job_no, walk_no, &[row])?;
            told.new += added.unsigned_abs();
        }
        (Showing::Out, _) => {
            let Some(listing) = &listing else {
                return Ok(());
            };
            let ended = match stream_id {
                Some(id) => broadcasts::named(db, job_no, channel, id)?,
                None => None,
            };
            let record = ended_record(&listing.record, ended.as_ref());
            broadcasts::leave(db, listing.no, walk_no, &record.attributes_json())?;
            if !turn.is_watched {
                told.remarks.push(format!(
                    "{name} is no longer among the channels of the job, and leaves"
                ));
            }
            if newest.as_ref().is_some_and(|newest| newest.is_live() && is_other(newest)) {
                told.remarks.push(format!(
                    "{name} has ended one broadcast and begun another, which joins in the next run"
                ));
            }
        }
        (Showing::Waits, _) => told.remarks.push(match listing.map(|listing| listing.presence) {
            Some(Presence::In) => format!(
                "a broadcast of {name} has ended, and leaves once a run has carried out that it began"
            ),
            Some(Presence::Out | Presence::Gone) | None => format!(
                "{name} has begun another broadcast, which joins once a run has carried out the end of the one before"
            ),
        }),
        (Showing::Nothing, Some(newest))
            if turn.decision == Decision::Ends && is_other(newest) =>
        {
            told.remarks.push(format!(
                "a broadcast of {name} was over before a run could carry out its beginning; it is left out"
            ));
        }
        (Showing::In | Showing::Nothing, _) => {}
    }
    Ok(())
}

/// Returns what a report calls the channel: its login, else its id.
fn name_of(turn: &Turn, listing: Option<&Listing>) -> String {
    let seen = turn
        .live
        .as_ref()
        .and_then(|(stream, _)| stream.login.clone());
    let stored = || listing?.record.attributes.get("channel_login").cloned();
    seen.or_else(stored)
        .unwrap_or_else(|| format!("the channel with id {}", turn.channel))
}

/// Makes the record of a channel while it is live; viewers are not part of it, because they change with every poll.
///
/// A blank is "unknown": the login and the name are kept from what is stored, the rest as long as it is the same broadcast.
fn live_record(stream: &Stream, broadcast: &Broadcast, stored: Option<&Record>) -> Record {
    let same = |record: &&Record| record.attributes.get("stream_id") == Some(&broadcast.stream_id);
    let of = |stored: Option<&Record>, name: &str| stored?.attributes.get(name).cloned();
    let of_channel = |name| of(stored, name);
    let of_broadcast = |name| of(stored.filter(same), name);
    let followers = broadcast.followers_before.map(|count| count.to_string());
    let told = [
        ("channel_id", Some(stream.channel.as_str().to_owned())),
        (
            "channel_login",
            stream.login.clone().or_else(|| of_channel("channel_login")),
        ),
        (
            "channel_name",
            stream.name.clone().or_else(|| of_channel("channel_name")),
        ),
        ("stream_id", Some(broadcast.stream_id.clone())),
        (
            "title",
            stream.title.clone().or_else(|| of_broadcast("title")),
        ),
        ("game", stream.game.clone().or_else(|| of_broadcast("game"))),
        (
            "language",
            stream.language.clone().or_else(|| of_broadcast("language")),
        ),
        ("started_at", moment(broadcast.started_ms)),
        // A number of the end is newer than that of the beginning, should the broadcast go on.
        ("followers", of_broadcast("followers").or(followers)),
    ];
    record(stream.channel.clone(), BTreeMap::new(), told)
}

/// Makes the record of a channel whose broadcast has ended, from what it showed while that was live.
fn ended_record(stored: &Record, ended: Option<&Broadcast>) -> Record {
    let Some(ended) = ended else {
        return stored.clone();
    };
    let number = |count: i64| Some(count.to_string());
    let followers = ended.followers_after.or(ended.followers_before);
    let told = [
        ("ended_at", moment(ended.seen_ms)),
        ("minutes", number(ended.minutes())),
        ("viewers_peak", number(ended.viewers_peak)),
        ("viewers_average", number(ended.viewers_average())),
        ("new_followers", ended.new_followers.and_then(number)),
        ("followers", followers.and_then(number)),
    ];
    record(stored.key.clone(), stored.attributes.clone(), told)
}

fn record<const N: usize>(
    key: RecordKey,
    mut attributes: BTreeMap<String, String>,
    told: [(&str, Option<String>); N],
) -> Record {
    for (name, value) in told {
        if let Some(value) = value {
            attributes.insert(name.to_owned(), value);
        }
    }
    Record { key, attributes }
}

fn moment(ms: i64) -> Option<String> {
    let moment = DateTime::from_timestamp_millis(ms)?;
    Some(moment.to_rfc3339_opts(SecondsFormat::Secs, true))
}
