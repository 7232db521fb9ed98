//! Move 8: the plan, parcel by parcel.

use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::model::{Change, StepKind};
use crate::net::Purpose;
use crate::plan::Event;
use crate::store::links;
use crate::store::mirror::{self};
use crate::store::plans::{self};
use crate::store::rows;

use super::attach_steps::attach;
use super::contact_steps::{create, update};
use super::error::RunError;
use super::event_steps::event;
use super::hand::{AT_ONCE, Executed, Hand, Parcel, note};
use super::seat;
use super::tag_steps::together;
use super::world::Tick;

/// Steps that are read from the journal at a time.
const CHUNK: i64 = 500;
/// Carries a journaled plan out. `tag_calls` is how many tag calls were announced; more are extra.
///
/// Errors: account faults and the state; whatever was in flight is settled first.
pub(super) async fn execute(
    hand: &Hand,
    plan_no: i64,
    mut tag_calls: i64,
) -> Result<Executed, RunError> {
    let reader = hand.world.store.reader()?;
    for kind in StepKind::ALL {
        let ended = match kind {
            StepKind::Link | StepKind::Relink | StepKind::Tombstone => {
                remember(hand, &reader, plan_no, kind).await?;
                Executed::Through
            }
            StepKind::Create
            | StepKind::Update
            | StepKind::Task
            | StepKind::CompleteTask
            | StepKind::Note => singly(hand, &reader, plan_no, kind).await?,
            StepKind::AddTags | StepKind::RemoveTags => {
                together(hand, &reader, plan_no, kind, &mut tag_calls).await?
            }
            StepKind::Attach => attach(hand, &reader, plan_no).await?,
        };
        match ended {
            Executed::Through => {}
            ended => return Ok(ended),
        }
    }
    Ok(Executed::Through)
}

/// Steps that only we remember: a commit for many.
async fn remember(
    hand: &Hand,
    reader: &Connection,
    plan_no: i64,
    kind: StepKind,
) -> Result<(), RunError> {
    loop {
        let steps = plans::todo(reader, plan_no, kind, CHUNK)?;
        if steps.is_empty() {
            return Ok(());
        }
        let done = steps.len() as u64;
        let (location_no, namespace, now_ms) = (
            hand.hub.location_no,
            hand.world.job.source.namespace(),
            hand.world.now_ms(),
        );
        let (job_no, keys) = (hand.job_no, hand.world.keeping.fields.len());
        hand.world
            .store
            .write(move |db| {
                for step in &steps {
                    plans::move_step(db, step, Event::Send, None, now_ms)?;
                    let linked = match (&step.change, step.contact_no) {
                        (Change::Link { .. }, Some(no)) => {
                            let linked = links::link(db, location_no, namespace, &step.key, no)?;
                            if linked {
                                rows::close_linked(db, job_no, step, no, keys)?;
                            }
                            linked
                        }
                        (Change::Relink { from, .. }, Some(no)) => {
                            let linked = links::link(db, location_no, namespace, &step.key, no)?;
                            if let Some(from_no) =
                                mirror::find_contact(db, location_no, from)?.filter(|_| linked)
                            {
                                links::move_claims(db, from_no, no)?;
                                mirror::move_written(db, from_no, no)?;
                            }
                            linked
                        }
                        (Change::Tombstone { .. }, _) => {
                            links::bury(db, location_no, namespace, &step.key)?;
                            true
                        }
                        _ => false,
                    };
                    if linked {
                        plans::move_step(db, step, Event::Ack, None, now_ms)?;
                    } else {
                        let why = "the contact is linked to another record";
                        plans::move_step(db, step, Event::Drop, Some(why), now_ms)?;
                    }
                }
                Ok(())
            })
            .await?;
        hand.world.watch.tick(Tick::Advance(done));
    }
}

/// Creates, updates, notes and tasks: one call a step, several under way.
async fn singly(
    hand: &Hand,
    reader: &Connection,
    plan_no: i64,
    kind: StepKind,
) -> Result<Executed, RunError> {
    let mut under_way: JoinSet<Result<Parcel, RunError>> = JoinSet::new();
    let mut ended = Executed::Through;
    let mut failed = None;
    'plan: loop {
        // Steps under way may still be marked as planned, so a chunk is finished before the next is read.
        let steps = plans::todo(reader, plan_no, kind, CHUNK)?;
        if steps.is_empty() {
            break;
        }
        seat::stay_if_possible(&hand.world).await;
        for step in steps {
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
            let hand = hand.clone();
            under_way.spawn(async move {
                let parcel = match kind {
                    StepKind::Create => create(&hand, &step, Purpose::Announced).await,
                    StepKind::Task | StepKind::CompleteTask | StepKind::Note => {
                        event(&hand, &step).await
                    }
                    StepKind::Link
                    | StepKind::Relink
                    | StepKind::Tombstone
                    | StepKind::Update
                    | StepKind::RemoveTags
                    | StepKind::AddTags
                    | StepKind::Attach => update(&hand, &step).await,
                };
                hand.world.watch.tick(Tick::Advance(1));
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
    // The calls in flight end, whatever stopped the rest.
    while let Some(joined) = under_way.join_next().await {
        note(Some(joined), &mut ended, &mut failed);
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(ended),
    }
}
