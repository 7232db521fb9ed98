//! Notes and tasks: one call each, once by their key.

use chrono::{DateTime, Utc};

use crate::apis::highlevel::{self, NewTask};
use crate::model::{Change, ContactId, EventTarget, Namespace, NoteId, TaskId, UserId};
use crate::net::{CallError, Purpose};
use crate::plan::Event;
use crate::plan::events::EventState;
use crate::plan::taskdue::DueBy;
use crate::store::findings::{self, Finding, FindingKind};
use crate::store::plans::{self, Step};
use crate::store::{events, links, mirror};

use super::error::RunError;
use super::hand::{Executed, Hand, NOT_LINKED, Parcel};
use super::marks::{drop_step, gone, lose_touch, stopped_by};

/// Carries a note or a task out.
pub(super) async fn event(hand: &Hand, step: &Step) -> Result<Parcel, RunError> {
    let Some((no, contact)) = whose(hand, step)? else {
        return drop_step(hand, step, NOT_LINKED).await;
    };
    match &step.change {
        Change::Note { body, .. } => {
            let call = highlevel::create_note(&contact, body);
            send_marked(hand, step, no, None).await?;
            let answer = hand.world.hub_line.send(&call, Purpose::Announced).await;
            let made = answer.map(|answer| answer.value.id.to_string());
            settle(hand, step, &contact, made).await
        }
        Change::Task {
            title,
            body,
            due,
            assigned,
            ..
        } => {
            let task = match new_task(hand, title, body.as_deref(), due, assigned.as_deref()) {
                Ok(task) => task,
                Err(what) => return refuse(hand, step, Event::Drop, what).await,
            };
            let call = highlevel::create_task(&contact, &task);
            send_marked(hand, step, no, Some(task.due)).await?;
            let answer = hand.world.hub_line.send(&call, Purpose::Announced).await;
            let made = answer.map(|answer| answer.value.id.to_string());
            settle(hand, step, &contact, made).await
        }
        Change::CompleteTask { .. } => complete(hand, step, no).await,
        Change::Link { .. }
        | Change::Relink { .. }
        | Change::Tombstone { .. }
        | Change::Create { .. }
        | Change::Update { .. }
        | Change::AddTags { .. }
        | Change::RemoveTags { .. }
        | Change::Attach { .. } => Err(RunError::Bug {
            what: "a note or task step without one".to_owned(),
        }),
    }
}

/// Returns the contact that an event goes to now: the one that the record, or the job's channel, is linked to.
fn whose(hand: &Hand, step: &Step) -> Result<Option<(i64, ContactId)>, RunError> {
    let reader = hand.world.store.reader()?;
    let linked = match step.change.event() {
        Some((_, EventTarget::Channel)) => {
            // The plan named it; whoever linked the channel to another contact since then gets it in the next plan.
            let Some(no) = step.contact_no else {
                return Ok(None);
            };
            let still = links::owner(&reader, Namespace::TwitchChannel, no)?.is_some();
            still.then_some(no)
        }
        Some((_, EventTarget::Contact)) | None => links::linked_contact(
            &reader,
            hand.hub.location_no,
            hand.world.job.source.namespace(),
            &step.key,
        )?,
    };
    let Some(no) = linked else { return Ok(None) };
    // What was planned for one contact does not go to another.
    if step.contact_no.is_some_and(|planned| planned != no) {
        return Ok(None);
    }
    let contact = mirror::mirrored(&reader, no)?;
    Ok((!contact.gone).then_some((no, contact.id)))
}

fn new_task(
    hand: &Hand,
    title: &str,
    body: Option<&str>,
    due: &str,
    assigned: Option<&str>,
) -> Result<NewTask, String> {
    let world = &hand.world;
    let due = DueBy::parse(due)?.moment(world.clock.now(), world.job.timezone);
    let assigned = assigned
        .map(|user| UserId::try_from(user).map_err(|error| format!("`assigned`: {error}")))
        .transpose()?;
    Ok(NewTask {
        body: body.map(str::to_owned),
        assigned,
        ..NewTask::due(title, due)
    })
}

/// Commits that the call is about to be made, in the journal and for the event.
async fn send_marked(
    hand: &Hand,
    step: &Step,
    contact_no: i64,
    due: Option<DateTime<Utc>>,
) -> Result<(), RunError> {
    let (job_no, now_ms, step) = (hand.job_no, hand.world.now_ms(), step.clone());
    let due_ms = due.map(|due| due.timestamp_millis());
    hand.world
        .store
        .write(move |db| {
            plans::move_step(db, &step, Event::Send, None, now_ms)?;
            plans::set_contact(db, &step, contact_no)?;
            events::sent(db, job_no, &step.key, &step.change, contact_no, due_ms)
        })
        .await?;
    Ok(())
}

/// Notes what the call of a note or a new task came to.
async fn settle(
    hand: &Hand,
    step: &Step,
    contact: &ContactId,
    made: Result<String, CallError>,
) -> Result<Parcel, RunError> {
    match made {
        Ok(id) => {
            hand.streak.went_well();
            carried_out(hand, step, Some(id)).await?;
            Ok(Parcel::Through)
        }
        Err(CallError::Unsure { why, .. }) => {
            lose_touch(hand, vec![step.clone()], why, false).await
        }
        Err(CallError::NotFound { .. }) => not_found(hand, step, contact).await,
        Err(CallError::Refused { said, .. }) => refuse(hand, step, Event::Refuse, said).await,
        Err(error) => stopped_by(hand, vec![step.clone()], error).await,
    }
}

/// Notes that an event was carried out, with the vendor's id of what it made.
pub(super) async fn carried_out(
    hand: &Hand,
    step: &Step,
    vendor_id: Option<String>,
) -> Result<(), RunError> {
    let (job_no, now_ms, step) = (hand.job_no, hand.world.now_ms(), step.clone());
    hand.world
        .store
        .write(move |db| {
            let id = vendor_id.as_deref();
            events::done(db, job_no, &step.key, &step.change, id, now_ms)?;
            plans::move_step(db, &step, Event::Ack, None, now_ms).map(drop)
        })
        .await?;
    Ok(())
}

/// The vendor refuses an event, or it cannot be sent at all: it is set aside, and its record goes on without it.
async fn refuse(hand: &Hand, step: &Step, event: Event, what: String) -> Result<Parcel, RunError> {
    let (job_no, run_no, now_ms) = (hand.job_no, hand.run_no, hand.world.now_ms());
    let (step, said) = (step.clone(), what.clone());
    hand.world
        .store
        .write(move |db| {
            events::refuse(db, job_no, &step.key, &step.change, &what)?;
            plans::move_step(db, &step, event, Some(&what), now_ms)?;
            let name = events::name(&step.change);
            let finding = Finding {
                key: step.key.clone(),
                kind: FindingKind::Refused,
                field: name.clone(),
                // Never what the refusal of a record rests on: the record is not held up by it.
                hash: name,
                what: format!("{}: {what}", step.change.kind()),
                run_no,
            };
            findings::note_findings(db, job_no, &[finding])
        })
        .await?;
    if event == Event::Refuse && hand.streak.was_refused(&said) {
        // Not about these notes and tasks: none of them is set aside for it.
        let (job, why) = (hand.world.job.name.clone(), said.clone());
        hand.world
            .store
            .write(move |db| {
                findings::forget_refusals(db, &job)?;
                events::forgive(db, job_no, &why)
            })
            .await?;
        return Ok(Parcel::Ended(Executed::OutOfTouch(format!(
            "HighLevel refuses one note or task after the other: {said}"
        ))));
    }
    Ok(Parcel::Through)
}

/// "Not found" may be about the contact, or about something in the call such as the user a task is assigned to: a fresh look decides.
async fn not_found(hand: &Hand, step: &Step, contact: &ContactId) -> Result<Parcel, RunError> {
    let is_there = hand
        .hub
        .look_at(&hand.world, contact, Purpose::Confirmation)
        .await?;
    if is_there {
        let what = "HighLevel says that something in it is not found".to_owned();
        return refuse(hand, step, Event::Refuse, what).await;
    }
    gone(hand, step, contact).await
}

/// Marks the tasks as done that the job made for the record; a task that a person deleted needs nothing.
async fn complete(hand: &Hand, step: &Step, contact_no: i64) -> Result<Parcel, RunError> {
    let world = &hand.world;
    let kept = events::of_record(&world.store.reader()?, hand.job_no, &step.key)?;
    let to = step
        .change
        .event()
        .map_or(EventTarget::Contact, |(_, to)| to);
    // Those that came up before: a later one is of the next broadcast, or of another life.
    let tasks = || {
        kept.iter()
            .take_while(|kept| kept.past.change.event() != step.change.event())
            .filter(|kept| kept.past.change.is_task_for(to))
    };
    if tasks().any(|task| matches!(task.past.state, EventState::Due | EventState::Sent)) {
        return drop_step(hand, step, "its task is not made yet").await;
    }
    send_marked(hand, step, contact_no, None).await?;
    for task in tasks().filter(|task| task.past.is_open_task) {
        let (Some(id), Some(no)) = (&task.vendor_id, task.contact_no) else {
            continue;
        };
        let id = TaskId::try_from(id.as_str()).map_err(|error| RunError::Bug {
            what: format!("a stored task id: {error}"),
        })?;
        let contact = {
            let reader = world.store.reader()?;
            let made_for = mirror::mirrored(&reader, no)?;
            // A merge of contacts takes the tasks along.
            match made_for.gone && no != contact_no {
                true => mirror::mirrored(&reader, contact_no)?.id,
                false => made_for.id,
            }
        };
        let call = highlevel::complete_task(&contact, &id);
        match world.hub_line.send(&call, Purpose::Announced).await {
            Ok(_) => hand.streak.went_well(),
            Err(CallError::NotFound { .. }) => {
                let looked = hand.hub.look_at(world, &contact, Purpose::Confirmation);
                if !looked.await? {
                    return gone(hand, step, &contact).await;
                }
                // A person deleted the task: nothing is left to do.
            }
            Err(CallError::Unsure { why, .. }) => {
                return lose_touch(hand, vec![step.clone()], why, false).await;
            }
            Err(CallError::Refused { said, .. }) => {
                return refuse(hand, step, Event::Refuse, said).await;
            }
            Err(error) => return stopped_by(hand, vec![step.clone()], error).await,
        }
        let (event_no, now_ms) = (task.no, world.now_ms());
        world
            .store
            .write(move |db| events::completed(db, event_no, now_ms))
            .await?;
    }
    carried_out(hand, step, None).await?;
    Ok(Parcel::Through)
}

/// A note or task that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is there, under this id.
    Here(String),
    /// It is not there.
    Nowhere,
    /// Its contact is not there any more.
    NoContact,
}

/// A note is ours when it was added no longer before the call than clocks may differ, in ms.
const ADDED_BEFORE_MS: i64 = 2 * 60 * 1000;

/// Looks for a note or task whose answer was lost, among those of its contact that are not known to be another's.
///
/// Errors: account faults, the state, and a hub that cannot be reached.
pub(super) async fn look_for(hand: &Hand, step: &Step) -> Result<Found, RunError> {
    let world = &hand.world;
    let kind = step.change.kind();
    let (known, due_ms) = {
        let reader = world.store.reader()?;
        let kept = events::of_record(&reader, hand.job_no, &step.key)?;
        let mine = kept
            .iter()
            .find(|kept| kept.past.change.event() == step.change.event());
        let known = match step.contact_no {
            Some(no) => events::known_ids(&reader, no, kind)?,
            None => Vec::new(),
        };
        (known, mine.and_then(|mine| mine.due_ms))
    };
    let Some(contact) = &step.contact else {
        return Ok(Found::NoContact);
    };
    let sent_ms = step.sent_ms.unwrap_or_default();
    let found = match &step.change {
        Change::Note { body, .. } => {
            let answer = world
                .hub_line
                .send(&highlevel::notes(contact), Purpose::Recovery)
                .await;
            answer.map(|answer| {
                let notes = answer.value.into_iter();
                let mut ours = notes.filter(|note| {
                    let is_young = note
                        .date_added
                        .is_none_or(|added| added.timestamp_millis() >= sent_ms - ADDED_BEFORE_MS);
                    is_young
                        && (same_text(&note.text, body) || same_text(&note.body, body))
                        && !is_known(&known, note_id(&note.id))
                });
                ours.next().map(|note| note_id(&note.id).to_owned())
            })
        }
        Change::Task { title, body, .. } => {
            let answer = world
                .hub_line
                .send(&highlevel::tasks(contact), Purpose::Recovery)
                .await;
            answer.map(|answer| {
                let tasks = answer.value.into_iter();
                let mut ours = tasks.filter(|task| {
                    let at = task.due.map(|due| due.timestamp());
                    let is_due = at.is_none() || due_ms.map(|due_ms| due_ms / 1000) == at;
                    let has_body = match (&task.body, body) {
                        (Some(seen), Some(body)) => same_text(seen, body),
                        // Not every answer shows the text.
                        (None, _) | (_, None) => true,
                    };
                    is_due
                        && has_body
                        && same_text(&task.title, title)
                        && !is_known(&known, task.id.as_str())
                });
                ours.next().map(|task| task.id.to_string())
            })
        }
        _ => return Ok(Found::Nowhere),
    };
    match found {
        Ok(Some(id)) => Ok(Found::Here(id)),
        Ok(None) => Ok(Found::Nowhere),
        Err(CallError::NotFound { .. }) => Ok(Found::NoContact),
        Err(error) => Err(super::hub::of_hub(world, error)),
    }
}

fn note_id(id: &NoteId) -> &str {
    id.as_str()
}

fn is_known(known: &[String], id: &str) -> bool {
    known.iter().any(|known| known == id)
}

/// Compares two texts as an editor may have changed them: white space does not count.
fn same_text(seen: &str, sent: &str) -> bool {
    let mut seen = seen.split_whitespace();
    let mut sent = sent.split_whitespace();
    loop {
        match (seen.next(), sent.next()) {
            (None, None) => return true,
            (one, other) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::same_text;

    #[test]
    fn white_space_does_not_make_another_text() {
        assert!(same_text("one\r\n two ", "one two"));
        assert!(!same_text("one two three", "one two"));
        assert!(!same_text("one", "one two"));
    }
}
