//! What becomes of steps that were not simply carried out.

use rusqlite::Connection;

use crate::model::{Change, ContactId, StepKind};
use crate::net::{CallError, Purpose};
use crate::plan::{Event, Mark};
use crate::store::events;
use crate::store::findings::{self, Finding, FindingKind};
use crate::store::jobs;
use crate::store::mirror::{self};
use crate::store::plans::{self, Step};
use crate::store::{StoreError, links};

use super::error::RunError;
use super::hand::{Executed, Hand, Parcel};
use super::hub::{definitions_name, of_hub};

pub(super) async fn send_marks(hand: &Hand, steps: Vec<Step>) -> Result<(), RunError> {
    let now_ms = hand.world.now_ms();
    hand.world
        .store
        .write(move |db| {
            for step in &steps {
                plans::move_step(db, step, Event::Send, None, now_ms)?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

/// Puts sent steps back, because the vendor surely did nothing; they go into the next call.
pub(super) async fn replan(
    hand: &Hand,
    steps: Vec<Step>,
    learn: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), RunError> {
    let now_ms = hand.world.now_ms();
    hand.world
        .store
        .write(move |db| {
            for step in &steps {
                plans::move_step(db, step, Event::Recheck, None, now_ms)?;
            }
            learn(db)
        })
        .await?;
    Ok(())
}

pub(super) async fn lose_touch(
    hand: &Hand,
    steps: Vec<Step>,
    why: String,
    refusal: bool,
) -> Result<Parcel, RunError> {
    let now_ms = hand.world.now_ms();
    hand.world
        .store
        .write(move |db| {
            for step in &steps {
                plans::move_step(db, step, Event::LoseTouch, Some(&why), now_ms)?;
                if refusal {
                    plans::note_refusal(db, step)?;
                }
            }
            Ok(())
        })
        .await?;
    if hand.streak.lost_touch() {
        return Ok(Parcel::Ended(Executed::OutOfTouch(
            "one answer after the other is lost".to_owned(),
        )));
    }
    Ok(Parcel::Through)
}

/// Drops steps that the vendor surely did not carry out, and says how the error ends the run.
pub(super) async fn stopped_by(
    hand: &Hand,
    steps: Vec<Step>,
    error: CallError,
) -> Result<Parcel, RunError> {
    if let CallError::State(error) = error {
        return Err(error.into());
    }
    let why = error.to_string();
    for step in &steps {
        drop_step(hand, step, &why).await?;
    }
    match error {
        CallError::Spent { until } => Ok(Parcel::Ended(Executed::Spent(until))),
        CallError::OutOfTouch { .. } | CallError::BadReply { .. } => {
            Ok(Parcel::Ended(Executed::OutOfTouch(why)))
        }
        error => Err(of_hub(&hand.world, error)),
    }
}

/// Gives a step up; a claimed link of a create is free again.
pub(super) async fn drop_step(hand: &Hand, step: &Step, why: &str) -> Result<Parcel, RunError> {
    let (location_no, namespace, now_ms) = (
        hand.hub.location_no,
        hand.world.job.source.namespace(),
        hand.world.now_ms(),
    );
    let (step, why, job_no) = (step.clone(), why.to_owned(), hand.job_no);
    hand.world
        .store
        .write(move |db| {
            if step.change.kind() == StepKind::Create {
                links::release_link(db, location_no, namespace, &step.key, job_no)?;
            }
            forget_claims(db, &step, job_no)?;
            // A note or task that was surely not sent is due as before.
            events::due_again(db, job_no, &step.key, &step.change)?;
            plans::move_step(db, &step, Event::Drop, Some(&why), now_ms)?;
            Ok(())
        })
        .await?;
    Ok(Parcel::Through)
}

/// Takes back the unconfirmed claims of a tag step that surely was not carried out.
pub(super) fn forget_claims(db: &Connection, step: &Step, job_no: i64) -> Result<(), StoreError> {
    if let (Change::AddTags { tags }, Some(no)) = (&step.change, step.contact_no) {
        for tag in tags {
            if step.tries == 0 && links::has_claim(db, no, tag, job_no)? == Some(false) {
                links::unclaim(db, no, tag, job_no)?;
            }
        }
    }
    Ok(())
}

/// Sets a record aside: the vendor refuses it as it is, or it cannot be written at all.
pub(super) async fn set_aside(
    hand: &Hand,
    step: &Step,
    event: Event,
    what: String,
) -> Result<Parcel, RunError> {
    let (location_no, namespace, now_ms) = (
        hand.hub.location_no,
        hand.world.job.source.namespace(),
        hand.world.now_ms(),
    );
    let (job_no, run_no, step) = (hand.job_no, hand.run_no, step.clone());
    let said = what.clone();
    let definitions = definitions_name(&hand.world.hub.location);
    hand.world
        .store
        .write(move |db| {
            if step.change.kind() == StepKind::Create {
                links::release_link(db, location_no, namespace, &step.key, job_no)?;
            }
            forget_claims(db, &step, job_no)?;
            if matches!(step.change.kind(), StepKind::Create | StepKind::Update) {
                // The ids of custom fields may have changed: they are read again before the next run.
                jobs::stale(db, &definitions)?;
            }
            let mark = plans::move_step(db, &step, event, Some(&what), now_ms)?;
            debug_assert!(matches!(mark, Mark::Refused | Mark::Dropped));
            let finding = Finding {
                key: step.key.clone(),
                kind: FindingKind::Refused,
                field: String::new(),
                hash: step.basis.clone(),
                what,
                run_no,
            };
            findings::note_findings(db, job_no, &[finding])
        })
        .await?;
    if event == Event::Refuse && hand.streak.was_refused(&said) {
        // Not about these records: none of them is set aside for it.
        let job = hand.world.job.name.clone();
        hand.world
            .store
            .write(move |db| findings::forget_refusals(db, &job))
            .await?;
        return Ok(Parcel::Ended(Executed::OutOfTouch(format!(
            "HighLevel refuses one record after the other: {said}"
        ))));
    }
    Ok(Parcel::Through)
}

/// A write says "not found": that may be about something in its body, so a fresh look decides whether the contact is gone.
pub(super) async fn not_found(
    hand: &Hand,
    step: &Step,
    contact: &ContactId,
) -> Result<Parcel, RunError> {
    if hand
        .hub
        .look_at(&hand.world, contact, Purpose::Confirmation)
        .await?
    {
        let what = "HighLevel says that something in it is not found".to_owned();
        return set_aside(hand, step, Event::Refuse, what).await;
    }
    gone(hand, step, contact).await
}

/// The contact does not exist any more: its marker is looked for, so that the next plan can tell a merge from a deletion.
pub(super) async fn gone(
    hand: &Hand,
    step: &Step,
    contact: &ContactId,
) -> Result<Parcel, RunError> {
    let (location_no, id, now_ms) = (hand.hub.location_no, contact.clone(), hand.world.now_ms());
    hand.world
        .store
        .write(move |db| mirror::note_gone(db, location_no, &id, now_ms))
        .await?;
    drop_step(hand, step, "the contact was deleted or merged").await?;
    hand.hub
        .look_for_marker(&hand.world, step.key.as_str(), Purpose::Confirmation)
        .await?;
    Ok(Parcel::Through)
}
