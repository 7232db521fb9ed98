//! Tag changes: many contacts in one call.

use std::collections::BTreeSet;

use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::apis::highlevel::{self, BulkTags, TagMove, TagOutcome};
use crate::model::{Change, ContactId, StepKind, Tag};
use crate::net::{CallError, Purpose};
use crate::plan::Event;
use crate::store::mirror::{self, Wrote};
use crate::store::plans::{self, Step};
use crate::store::{StoreError, jobs, links};

use super::contact_steps::is_still_linked;
use super::error::RunError;
use super::hand::{AT_ONCE, Executed, Hand, NOT_LINKED, Parcel, note};
use super::hub::Hub;
use super::marks::{drop_step, lose_touch, not_found, replan, set_aside, stopped_by};
use super::world::Tick;
/// Full calls without a refusal after which the batch doubles.
pub(super) const CLEAN_CALLS: i64 = 10;
/// The most contacts of one bulk call.
pub(super) const MAX_BATCH: i64 = 500;

/// Returns how many calls the tag steps of a plan take: batches as learned, growing as execution would let them grow.
pub(super) fn tag_calls(parcels: &[i64], mut batch: i64, mut clean: i64) -> i64 {
    let mut calls = 0;
    for size in parcels {
        let mut left = *size;
        while left > 0 {
            let sent = left.min(batch);
            calls += 1;
            left -= sent;
            if sent == batch {
                clean += 1;
                if clean >= CLEAN_CALLS {
                    batch = (batch * 2).min(MAX_BATCH);
                    clean = 0;
                }
            }
        }
    }
    calls
}

/// Tag changes: steps with the same tags share a call; batches grow and shrink as the vendor lets them.
pub(super) async fn together(
    hand: &Hand,
    reader: &Connection,
    plan_no: i64,
    kind: StepKind,
    announced: &mut i64,
) -> Result<Executed, RunError> {
    let mut under_way: JoinSet<Result<Parcel, RunError>> = JoinSet::new();
    let mut ended = Executed::Through;
    let mut failed = None;
    let location_no = hand.hub.location_no;
    'plan: loop {
        let (batch, clean) = jobs::batch(reader, location_no)?;
        // Until the batch may grow, or the parcels end: so many calls can be under way before the next decision.
        let steps = plans::todo(reader, plan_no, kind, batch * (CLEAN_CALLS - clean).max(1))?;
        if steps.is_empty() {
            break;
        }
        let size = usize::try_from(batch).unwrap_or(1).max(1);
        for call in calls_of(steps, size, (CLEAN_CALLS - clean).max(1)) {
            if hand.world.stop.is_asked() {
                ended = Executed::Stopped;
                break 'plan;
            }
            while under_way.len() >= AT_ONCE {
                note(under_way.join_next().await, &mut ended, &mut failed);
            }
            if failed.is_some() || !matches!(ended, Executed::Through) {
                break 'plan;
            }
            let purpose = if *announced > 0 {
                Purpose::Announced
            } else {
                Purpose::Halving
            };
            *announced -= 1;
            let hand = hand.clone();
            let full = call.len() == size;
            under_way.spawn(async move {
                let count = call.len() as u64;
                let parcel = tag_call(&hand, kind, call, full, purpose).await;
                hand.world.watch.tick(Tick::Advance(count));
                parcel
            });
        }
        while let Some(joined) = under_way.join_next().await {
            note(Some(joined), &mut ended, &mut failed);
        }
        if failed.is_some() || !matches!(ended, Executed::Through) {
            break;
        }
    }
    while let Some(joined) = under_way.join_next().await {
        note(Some(joined), &mut ended, &mut failed);
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(ended),
    }
}

/// Cuts steps into calls of at most `size` contacts of one parcel, and stops after `full` full ones, when the batch may grow.
///
/// The last parcel is left for the next round when it may go on beyond the steps at hand.
pub(super) fn calls_of(steps: Vec<Step>, size: usize, full: i64) -> Vec<Vec<Step>> {
    let mut calls: Vec<Vec<Step>> = Vec::new();
    let mut full_left = full;
    for step in steps {
        match calls.last_mut() {
            Some(call)
                if call.len() < size
                    && call
                        .first()
                        .is_some_and(|first| first.parcel == step.parcel) =>
            {
                call.push(step);
            }
            _ => {
                if calls.last().is_some_and(|call| call.len() == size) {
                    full_left -= 1;
                    if full_left == 0 {
                        break;
                    }
                }
                calls.push(vec![step]);
            }
        }
    }
    calls
}

pub(super) async fn tag_call(
    hand: &Hand,
    kind: StepKind,
    steps: Vec<Step>,
    full: bool,
    purpose: Purpose,
) -> Result<Parcel, RunError> {
    let world = &hand.world;
    let tags = match steps.first().map(|step| &step.change) {
        Some(Change::AddTags { tags } | Change::RemoveTags { tags }) => tags.clone(),
        _ => {
            return Err(RunError::Bug {
                what: "a tag call without tags".to_owned(),
            });
        }
    };
    let tag_move = if kind == StepKind::AddTags {
        TagMove::Add
    } else {
        TagMove::Remove
    };
    let steps = linked_alone(hand, steps).await?;
    if steps.is_empty() {
        return Ok(Parcel::Through);
    }
    let contacts: Vec<ContactId> = steps
        .iter()
        .filter_map(|step| step.contact.clone())
        .collect();
    let call = highlevel::bulk_tags(&world.hub.location, tag_move, &contacts, &tags);
    let before = claim_before(hand, &steps, tag_move).await?;
    match world.hub_line.send(&call, purpose).await {
        Ok(answer) => {
            hand.streak.went_well();
            let date_ms = world.date_ms(answer.date);
            let again = answer.tries > 1;
            tagged(
                hand,
                steps,
                tag_move,
                answer.value,
                &before,
                again,
                full,
                date_ms,
            )
            .await
        }
        Err(CallError::Unsure { why, .. }) => lose_touch(hand, steps, why, false).await,
        Err(CallError::Refused { said, .. }) => match steps.as_slice() {
            [only] => set_aside(hand, &only.clone(), Event::Refuse, said).await,
            _ => {
                let (location_no, sent) = (
                    hand.hub.location_no,
                    i64::try_from(steps.len()).unwrap_or(1),
                );
                replan(hand, steps, move |db| {
                    jobs::batch_was_refused(db, location_no, sent).map(drop)
                })
                .await?;
                Ok(Parcel::Through)
            }
        },
        Err(CallError::NotFound { .. }) => match steps.as_slice() {
            [
                Step {
                    contact: Some(contact),
                    ..
                },
            ] => not_found(hand, &steps[0].clone(), &contact.clone()).await,
            _ => {
                let (location_no, sent) = (
                    hand.hub.location_no,
                    i64::try_from(steps.len()).unwrap_or(1),
                );
                replan(hand, steps, move |db| {
                    jobs::batch_was_refused(db, location_no, sent).map(drop)
                })
                .await?;
                Ok(Parcel::Through)
            }
        },
        Err(error) => stopped_by(hand, steps, error).await,
    }
}

/// Drops the steps whose record is not linked to their contact, and returns the others.
async fn linked_alone(hand: &Hand, steps: Vec<Step>) -> Result<Vec<Step>, RunError> {
    let mut linked = Vec::with_capacity(steps.len());
    let mut strangers = Vec::new();
    {
        let reader = hand.world.store.reader()?;
        for step in steps {
            if is_still_linked(hand, &reader, &step)? {
                linked.push(step);
            } else {
                strangers.push(step);
            }
        }
    }
    for step in strangers {
        drop_step(hand, &step, NOT_LINKED).await?;
    }
    Ok(linked)
}

/// Commits `sent` together with the claims that a lost answer would need; returns the tags that an earlier lost call may have added.
pub(super) async fn claim_before(
    hand: &Hand,
    steps: &[Step],
    tag_move: TagMove,
) -> Result<BTreeSet<(i64, Tag)>, RunError> {
    let (job_no, now_ms, steps) = (hand.job_no, hand.world.now_ms(), steps.to_vec());
    Ok(hand
        .world
        .store
        .write(move |db| {
            let mut before = BTreeSet::new();
            for step in &steps {
                plans::move_step(db, step, Event::Send, None, now_ms)?;
                let (Change::AddTags { tags }, Some(no), TagMove::Add) =
                    (&step.change, step.contact_no, tag_move)
                else {
                    continue;
                };
                for tag in tags {
                    if links::has_claim(db, no, tag, job_no)? == Some(false) {
                        before.insert((no, tag.clone()));
                    }
                    links::claim_sent(db, no, tag, job_no, step.transition)?;
                }
            }
            Ok(before)
        })
        .await?)
}

/// Notes the answer to a bulk call, contact by contact.
#[expect(
    clippy::too_many_arguments,
    reason = "one answer and all it depends on"
)]
pub(super) async fn tagged(
    hand: &Hand,
    steps: Vec<Step>,
    tag_move: TagMove,
    answer: BulkTags,
    before: &BTreeSet<(i64, Tag)>,
    again: bool,
    full: bool,
    date_ms: i64,
) -> Result<Parcel, RunError> {
    let BulkTags {
        outcomes,
        unanswered,
    } = answer;
    let nothing_came = outcomes.is_empty();
    let cut = !unanswered.is_empty();
    let mut lost = Vec::new();
    let mut refused = Vec::new();
    let mut settled = Vec::new();
    let mut left = Vec::new();
    for step in steps {
        match step
            .contact
            .as_ref()
            .and_then(|contact| outcomes.get(contact))
        {
            Some(TagOutcome::Done { added, before, .. }) => {
                settled.push((step, added.clone(), before.clone()))
            }
            Some(TagOutcome::NotFound) => lost.push(step),
            Some(TagOutcome::Refused(said)) => refused.push((step, said.clone())),
            None => left.push(step),
        }
    }
    let (hub, now_ms, job_no) = (hand.hub.clone(), hand.world.now_ms(), hand.job_no);
    let earlier = before.clone();
    let answered = i64::try_from(settled.len() + lost.len() + refused.len()).unwrap_or(1);
    hand.world
        .store
        .write(move |db| {
            for (step, added, tags_before) in &settled {
                note_tagged(
                    db,
                    &hub,
                    job_no,
                    step,
                    tag_move,
                    |no, tag| {
                        // Ours when the answer says so, or when a call whose answer was lost may have added it.
                        let said = match tags_before {
                            Some(before) => !before.contains(tag) || added.contains(tag),
                            None => added.is_empty() || added.contains(tag),
                        };
                        said || again || earlier.contains(&(no, tag.clone()))
                    },
                    date_ms,
                )?;
                plans::move_step(db, step, Event::Ack, None, now_ms)?;
            }
            if !cut && full {
                jobs::batch_was_clean(db, hub.location_no)?;
            } else if cut && !nothing_came {
                jobs::batch_was_cut(db, hub.location_no, answered)?;
            }
            Ok(())
        })
        .await?;
    for step in lost {
        if let Some(contact) = step.contact.clone() {
            not_found(hand, &step, &contact).await?;
        }
    }
    for (step, said) in refused {
        set_aside(hand, &step, Event::Refuse, said).await?;
    }
    match left.as_slice() {
        [] => {}
        [only] if nothing_came => {
            let said = "the answer does not name the contact".to_owned();
            set_aside(hand, &only.clone(), Event::Refuse, said).await?;
        }
        _ if nothing_came => {
            let (location_no, sent) =
                (hand.hub.location_no, i64::try_from(left.len()).unwrap_or(1));
            replan(hand, left, move |db| {
                jobs::batch_was_refused(db, location_no, sent).map(drop)
            })
            .await?;
        }
        _ => replan(hand, left, |_| Ok(())).await?,
    }
    Ok(Parcel::Through)
}

pub(super) fn note_tagged(
    db: &Connection,
    hub: &Hub,
    job_no: i64,
    step: &Step,
    tag_move: TagMove,
    is_ours: impl Fn(i64, &Tag) -> bool,
    date_ms: i64,
) -> Result<(), StoreError> {
    let (Some(no), Some(contact)) = (step.contact_no, &step.contact) else {
        return Ok(());
    };
    let mut wrote = Wrote::default();
    match (&step.change, tag_move) {
        (Change::AddTags { tags }, TagMove::Add) => {
            for tag in tags {
                if is_ours(no, tag) {
                    links::claim_ours(db, no, tag, job_no, step.transition)?;
                } else {
                    links::unclaim(db, no, tag, job_no)?;
                }
            }
            wrote.added = tags.clone();
        }
        (Change::RemoveTags { tags }, TagMove::Remove) => {
            for tag in tags {
                links::unclaim(db, no, tag, job_no)?;
            }
            wrote.removed = tags.clone();
        }
        _ => {}
    }
    mirror::confirm(db, hub.location_no, contact, &wrote, date_ms)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_calls_are_counted_as_batches_grow() {
        assert_eq!(tag_calls(&[], 100, 0), 0);
        assert_eq!(tag_calls(&[1, 1, 250], 100, 0), 5);
        // Ten full calls of 100, ten of 200, ten of 400, the rest 500 each.
        assert_eq!(tag_calls(&[20_000], 100, 0), 10 + 10 + 10 + 26);
        assert_eq!(tag_calls(&[1_000], 1, 9), 1 + 10 + 10 + 10 + 10 + 10 + 6);
    }
}
