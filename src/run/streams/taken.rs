//! What a poll makes of the state: broadcasts, records and the walk, in one transaction.

use rusqlite::Connection;

use crate::model::RecordKey;
use crate::plan::Presence;
use crate::plan::broadcast::{Broadcast, Decision, Showing, Shown, show};
use crate::store::rows::{self, Listing};
use crate::store::runs::{WalkNote, note_walk};
use crate::store::walks::{self, Reached, WalkOf};
use crate::store::{StoreError, broadcasts, events};

use super::Turn;
use super::audience::Audience;
use super::record::{ended_record, live_record};

/// How the walk went.
pub(super) struct Walked {
    pub full: bool,
    pub began_ms: i64,
    pub pages: u64,
    pub listed: u64,
    pub word: &'static str,
}

/// What taking a poll in came to.
#[derive(Default)]
pub(super) struct Told {
    pub new: u64,
    pub remarks: Vec<String>,
}

/// Takes a poll in, in one transaction: broadcasts, records, and the walk.
pub(super) fn take_in(
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
