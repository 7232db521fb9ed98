//! Contacts to a business: up to fifty in one call.

use rusqlite::Connection;

use crate::apis::highlevel::{self, BUSINESS_LIMIT};
use crate::model::{BusinessId, Change, ContactId, FieldKey, StepKind};
use crate::net::{CallError, Purpose};
use crate::plan::Event;
use crate::store::links;
use crate::store::mirror::{self, Wrote};
use crate::store::plans::{self, Step};

use super::error::RunError;
use super::hand::{Executed, Hand, NOT_LINKED, Parcel};
use super::marks::{drop_step, lose_touch, not_found, send_marks, set_aside, stopped_by};
use super::world::Tick;

/// Returns how many calls it takes to attach so many contacts.
pub(super) fn attach_calls(parcels: &[i64]) -> i64 {
    let limit = i64::try_from(BUSINESS_LIMIT).unwrap_or(1);
    parcels.iter().map(|size| (size + limit - 1) / limit).sum()
}

/// Attaches contacts, one call after the other.
pub(super) async fn attach(
    hand: &Hand,
    reader: &Connection,
    plan_no: i64,
) -> Result<Executed, RunError> {
    let limit = i64::try_from(BUSINESS_LIMIT).unwrap_or(1);
    loop {
        let steps = plans::todo(reader, plan_no, StepKind::Attach, limit)?;
        let Some(parcel) = steps.first().map(|step| step.parcel.clone()) else {
            return Ok(Executed::Through);
        };
        if hand.world.stop.is_asked() {
            return Ok(Executed::Stopped);
        }
        let steps: Vec<Step> = steps
            .into_iter()
            .take_while(|step| step.parcel == parcel)
            .collect();
        let done = steps.len() as u64;
        match call(hand, steps, Purpose::Announced).await? {
            Parcel::Through => {}
            Parcel::Ended(how) => return Ok(how),
        }
        hand.world.watch.tick(Tick::Advance(done));
    }
}

/// Gives each step the contact that its record is linked to now; a step without one is dropped.
async fn with_contact(
    hand: &Hand,
    steps: Vec<Step>,
) -> Result<Vec<(Step, i64, ContactId)>, RunError> {
    let mut there = Vec::with_capacity(steps.len());
    for step in steps {
        let contact = {
            let reader = hand.world.store.reader()?;
            let namespace = hand.world.job.source.namespace();
            let linked =
                links::linked_contact(&reader, hand.hub.location_no, namespace, &step.key)?;
            match linked.filter(|no| step.contact_no.is_none_or(|planned| planned == *no)) {
                Some(no) => Some((no, mirror::mirrored(&reader, no)?.id)),
                None => None,
            }
        };
        match contact {
            Some((no, id)) => there.push((step, no, id)),
            None => {
                drop_step(hand, &step, NOT_LINKED).await?;
            }
        }
    }
    Ok(there)
}

async fn call(hand: &Hand, steps: Vec<Step>, purpose: Purpose) -> Result<Parcel, RunError> {
    let world = &hand.world;
    let there = with_contact(hand, steps).await?;
    let Some(business) = there
        .first()
        .map(|(step, ..)| business_of(step))
        .transpose()?
    else {
        return Ok(Parcel::Through);
    };
    let ids: Vec<ContactId> = there.iter().map(|(_, _, id)| id.clone()).collect();
    let steps: Vec<Step> = there.iter().map(|(step, ..)| step.clone()).collect();
    send_marks(hand, steps.clone()).await?;
    let request = highlevel::bulk_business(&world.hub.location, Some(&business), &ids);
    match world.hub_line.send(&request, purpose).await {
        Ok(answer) => {
            hand.streak.went_well();
            let date_ms = world.date_ms(answer.date);
            let (done, left): (Vec<_>, Vec<_>) = there
                .into_iter()
                .partition(|(_, _, id)| answer.value.contains(id));
            note_attached(hand, done, &business, date_ms).await?;
            one_by_one(
                hand,
                left,
                ids.len(),
                "the answer does not name the contact",
            )
            .await
        }
        Err(CallError::Unsure { why, .. }) => lose_touch(hand, steps, why, false).await,
        Err(CallError::Refused { said, .. }) => one_by_one(hand, there, ids.len(), &said).await,
        Err(CallError::NotFound { .. }) => match there.as_slice() {
            [(step, _, id)] => not_found(hand, &step.clone(), &id.clone()).await,
            _ => one_by_one(hand, there, ids.len(), "something in it is not found").await,
        },
        Err(error) => stopped_by(hand, steps, error).await,
    }
}

fn business_of(step: &Step) -> Result<BusinessId, RunError> {
    match &step.change {
        Change::Attach { business } => Ok(business.clone()),
        _ => Err(RunError::Bug {
            what: "an attach step without a business".to_owned(),
        }),
    }
}

/// What a call of several did not do is tried in calls of one; what a call of one did not do is set aside.
async fn one_by_one(
    hand: &Hand,
    left: Vec<(Step, i64, ContactId)>,
    size: usize,
    said: &str,
) -> Result<Parcel, RunError> {
    for (step, ..) in left {
        let parcel = if size == 1 {
            set_aside(hand, &step, Event::Refuse, said.to_owned()).await?
        } else {
            let (again, now_ms) = (step.clone(), hand.world.now_ms());
            hand.world
                .store
                .write(move |db| plans::move_step(db, &again, Event::Recheck, None, now_ms))
                .await?;
            Box::pin(call(hand, vec![step], Purpose::Halving)).await?
        };
        if let Parcel::Ended(how) = parcel {
            return Ok(Parcel::Ended(how));
        }
    }
    Ok(Parcel::Through)
}

async fn note_attached(
    hand: &Hand,
    done: Vec<(Step, i64, ContactId)>,
    business: &BusinessId,
    date_ms: i64,
) -> Result<(), RunError> {
    let (location_no, now_ms) = (hand.hub.location_no, hand.world.now_ms());
    let value = business.to_string();
    hand.world
        .store
        .write(move |db| {
            for (step, no, id) in &done {
                let mut wrote = Wrote::default();
                wrote.fields.insert(FieldKey::business(), value.clone());
                mirror::confirm(db, location_no, id, &wrote, date_ms)?;
                plans::set_contact(db, step, *no)?;
                plans::move_step(db, step, Event::Ack, None, now_ms)?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_contacts_share_a_call() {
        assert_eq!(attach_calls(&[]), 0);
        assert_eq!(attach_calls(&[1, 50, 51]), 1 + 1 + 2);
    }
}
