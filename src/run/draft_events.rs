//! The notes and tasks of a plan: what is looked up for them, and what is remembered of them.

use chrono::DateTime;
use rusqlite::Connection;

use crate::model::{Change, ContactId, EventKey, Namespace, RecordKey};
use crate::plan::events::{Decided, EventState, Scene, decide};
use crate::plan::wanted::{CalledFor, Moment, RowProblem, Watched};
use crate::plan::{Presence, Row, Verdict};
use crate::store::rows::Listing;
use crate::store::{StoreError, events, links, mirror, walks};

use super::draft::Desk;
use super::error::RunError;
use super::world::World;

/// Twitch shows a follow up to minutes late, so one so shortly before the first listing may be news, in ms.
const OLD_BEFORE_MS: i64 = 10 * 60 * 1000;

/// What the notes and tasks of every record alike hang on.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// Rows of walks up to this one are the first listing; `None` when no walk has ended.
    first_walk_no: Option<i64>,
    /// When that walk began, in ms; `None` when the state no longer knows.
    first_walk_ms: Option<i64>,
    /// The contact of the job's channel, where it is known.
    channel: Option<(i64, ContactId)>,
    /// Whether any event was ever remembered for the job.
    has_past: bool,
    /// The present moment in ms.
    now_ms: i64,
}

impl Stage {
    /// Looks up what the plan of a job with notes and tasks needs; `None` for a job that has none and never had.
    ///
    /// `channel` is the user id of the job's channel.
    ///
    /// Errors: the state cannot be read.
    pub(super) fn of(
        world: &World,
        job_no: i64,
        first_walk_no: Option<i64>,
        location_no: i64,
        channel: &RecordKey,
    ) -> Result<Option<Stage>, RunError> {
        let reader = world.store.reader()?;
        let has_past = events::has_any(&reader, job_no)?;
        if !has_past && !world.mapping.has_events() {
            return Ok(None);
        }
        let first_walk_ms = match first_walk_no {
            Some(no) => walks::began_at(&reader, no)?,
            None => None,
        };
        Ok(Some(Stage {
            first_walk_no,
            first_walk_ms,
            channel: channel_contact(&reader, location_no, channel)?,
            has_past,
            now_ms: world.now_ms(),
        }))
    }
}

/// Returns the contact that a channel is linked to, as a job over streams or a person linked it; `None` when it has none that is there.
pub(super) fn channel_contact(
    db: &Connection,
    location_no: i64,
    channel: &RecordKey,
) -> Result<Option<(i64, ContactId)>, StoreError> {
    let linked = links::linked_contact(db, location_no, Namespace::TwitchChannel, channel)?;
    let Some(no) = linked else { return Ok(None) };
    let contact = mirror::mirrored(db, no)?;
    Ok((!contact.gone).then_some((no, contact.id)))
}

/// What a plan leaves behind of the events of one record.
#[derive(Debug)]
pub(super) struct Learned {
    key: RecordKey,
    transition: u32,
    remember: Vec<(Change, Option<i64>)>,
    forget: Vec<EventKey>,
    drop: Vec<(Change, &'static str)>,
    watched: Option<Watched>,
}

/// What came of the notes and tasks of one record.
pub(super) struct OfRecord {
    /// What is to be done.
    pub(super) decided: Decided,
    /// What is remembered of it.
    pub(super) learned: Option<Learned>,
    /// A template that fails on the record: that note or task is never called for.
    pub(super) problem: Option<RowProblem>,
    /// The names of those that were refused, which stand until a person says `retry`.
    pub(super) refused: Vec<String>,
}

impl Learned {
    /// Keeps it; what was kept before stays as it is.
    pub(super) fn keep(&self, db: &Connection, job_no: i64, now_ms: i64) -> Result<(), StoreError> {
        let Learned {
            key,
            transition,
            remember,
            forget,
            drop,
            watched,
        } = self;
        for event in forget {
            events::forget(db, job_no, key, event)?;
        }
        for (change, why) in drop {
            events::drop_for_good(db, job_no, key, change, why)?;
        }
        for (change, not_before_ms) in remember {
            events::remember(db, job_no, key, change, *transition, *not_before_ms, now_ms)?;
        }
        if let Some(watched) = watched {
            events::watch(db, job_no, key, watched)?;
        }
        Ok(())
    }

    fn is_nothing(&self) -> bool {
        self.remember.is_empty()
            && self.forget.is_empty()
            && self.drop.is_empty()
            && self.watched.is_none()
    }
}

/// Decides about the notes and tasks of one record.
///
/// Errors: the state cannot be read.
pub(super) fn of_record(
    db: &Connection,
    desk: &Desk,
    stage: &Stage,
    listing: &Listing,
    row: &Row,
    verdict: &Verdict,
) -> Result<OfRecord, RunError> {
    let key = &listing.record.key;
    let past = if stage.has_past {
        events::of_record(db, desk.job_no, key)?
    } else {
        Vec::new()
    };
    let before = match desk.mapping.watches() {
        true => events::watched(db, desk.job_no, key)?,
        false => None,
    };
    let now = desk
        .mapping
        .watched(&listing.record, before.as_ref())
        .filter(|_| is_watched(desk, listing));
    let CalledFor {
        changes: fired,
        problem,
    } = fired(desk, stage, listing, &past, before.as_ref(), now.as_ref());
    let scene = Scene {
        past: past.iter().map(|kept| kept.past.clone()).collect(),
        fired,
        leave_not_before_ms: leave_not_before(db, desk, key)?,
        channel: stage.channel.clone(),
        now_ms: stage.now_ms,
    };
    let decided = decide(row, verdict, scene, |change| {
        desk.mapping.still_calls_for(change)
    });
    let change_of = |event: &EventKey| {
        past.iter()
            .map(|kept| &kept.past.change)
            .find(|change| change.event().is_some_and(|(key, _)| key == event))
    };
    let learned = Learned {
        key: key.clone(),
        transition: listing.transition,
        remember: decided.remember.clone(),
        forget: decided.forget.clone(),
        drop: decided
            .drop
            .iter()
            .filter_map(|(event, why)| Some((change_of(event)?.clone(), *why)))
            .collect(),
        watched: now.filter(|now| before.as_ref() != Some(now)),
    };
    let learned = Some(learned).filter(|learned| !learned.is_nothing());
    let refused = past
        .iter()
        .filter(|kept| kept.past.state == EventState::Refused)
        .map(|kept| events::name(&kept.past.change));
    Ok(OfRecord {
        decided,
        learned,
        problem,
        refused: refused.collect(),
    })
}

/// What a record says is watched while it is in; a channel is there while it is not live, too.
fn is_watched(desk: &Desk, listing: &Listing) -> bool {
    listing.presence == Presence::In || desk.job.source.is_of_channels()
}

/// What the leave of a channel calls for waits until it is sure that the broadcast does not go on.
fn leave_not_before(
    db: &Connection,
    desk: &Desk,
    key: &RecordKey,
) -> Result<Option<i64>, StoreError> {
    if !desk.job.source.is_of_channels() {
        return Ok(None);
    }
    crate::store::broadcasts::settled_at(db, desk.job_no, key)
}

/// Returns what the record's transition, and the step of what is watched, call for.
fn fired(
    desk: &Desk,
    stage: &Stage,
    listing: &Listing,
    past: &[events::Kept],
    before: Option<&Watched>,
    now: Option<&Watched>,
) -> CalledFor {
    let Listing {
        record,
        presence,
        was,
        transition,
        walk_no,
        ..
    } = listing;
    let is_first = stage.first_walk_no.is_none_or(|first| *walk_no <= first);
    // A first listing may lack rows that a later one has; who followed before it is no news.
    let is_old = record
        .attributes
        .get("followed_at")
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
        .zip(stage.first_walk_ms)
        .is_some_and(|(followed, first_ms)| followed.timestamp_millis() < first_ms - OLD_BEFORE_MS);
    let is_news = !(is_first || is_old) || desk.job.backfill;
    let is_of_channels = desk.job.source.is_of_channels();
    let moment = match (was, presence) {
        (None, Presence::In) if is_news => Some(Moment::Join),
        (None, Presence::In | Presence::Out | Presence::Gone) => None,
        // Every broadcast is another one.
        (Some(Presence::Out | Presence::Gone), Presence::In) if is_of_channels => {
            Some(Moment::Join)
        }
        (Some(Presence::Out | Presence::Gone), Presence::In) => Some(Moment::Return),
        (Some(Presence::In), Presence::Out) => Some(Moment::Leave),
        (Some(Presence::In), Presence::Gone) => Some(Moment::Gone),
        (Some(Presence::In), Presence::In)
        | (Some(Presence::Out | Presence::Gone), Presence::Out | Presence::Gone) => None,
    };
    let mapping = &desk.mapping;
    let mut called = CalledFor::default();
    if let Some(moment) = moment {
        let occurrence = mapping.occurrence(moment, record, *transition);
        // The same follow was told before: the listing had lacked it for a while.
        let is_told = moment == Moment::Return
            && !occurrence.starts_with('t')
            && past.iter().any(|kept| {
                let event = kept.past.change.event();
                event.is_some_and(|(event, _)| {
                    matches!(event.moment.as_str(), "join" | "return")
                        && event.occurrence == occurrence
                })
            });
        if !is_told {
            mapping.events(moment, record, *transition, &mut called);
        }
    }
    if let Some(now) = now {
        // Without a look before, a record that was seen to join has reached everything from nothing; one of the first listing begins here.
        let begins_here = before.is_none() && moment != Some(Moment::Join);
        if !begins_here {
            let stays = (was, presence) == (&Some(Presence::In), &Presence::In);
            mapping.turns(record, before, now, *transition, stays, &mut called);
        }
    }
    called
}
