//! Move 8: the plan, parcel by parcel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::apis::highlevel::{self, BulkTags, TagMove, TagOutcome};
use crate::model::{Change, Contact, ContactId, FieldChange, FieldKey, Reading, StepKind, Tag};
use crate::net::{CallError, Purpose};
use crate::plan::{Event, Mark, same_or_both_empty};
use crate::store::findings::{self, Finding, FindingKind};
use crate::store::mirror::{self, Wrote};
use crate::store::plans::{self, Step};
use crate::store::{StoreError, jobs, links};

use super::error::RunError;
use super::refresh::{Hub, of_hub};
use super::world::{Tick, World};

/// Steps that are read from the journal at a time.
const CHUNK: i64 = 500;
/// Calls that are prepared at the same time; how many are really under way is the gate's decision.
const AT_ONCE: usize = 10;
/// Full calls without a refusal after which the batch doubles.
const CLEAN_CALLS: i64 = 10;
/// The most contacts of one bulk call.
const MAX_BATCH: i64 = 500;

/// How the execution ended.
#[derive(Debug)]
pub(super) enum Executed {
    /// Everything was tried.
    Through,
    /// A person stopped it.
    Stopped,
    /// The day's budget is spent.
    Spent,
    /// The hub cannot be reached.
    OutOfTouch(String),
}

/// Why a step is dropped whose link is not there (any more).
const NOT_LINKED: &str = "the record is not linked to this contact";

/// What one parcel came to, as far as the whole run cares.
enum Parcel {
    Through,
    Ended(Executed),
}

/// What executing works with.
#[derive(Clone)]
pub(super) struct Hand {
    pub world: World,
    pub hub: Hub,
    pub job_no: i64,
    pub run_no: i64,
}

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
            StepKind::Create | StepKind::Update => singly(hand, &reader, plan_no, kind).await?,
            StepKind::AddTags | StepKind::RemoveTags => {
                together(hand, &reader, plan_no, kind, &mut tag_calls).await?
            }
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
        hand.world
            .store
            .write(move |db| {
                for step in &steps {
                    plans::move_step(db, step, Event::Send, None, now_ms)?;
                    let linked = match (&step.change, step.contact_no) {
                        (Change::Link { .. }, Some(no)) => {
                            links::link(db, location_no, namespace, &step.key, no)?
                        }
                        (Change::Relink { from, .. }, Some(no)) => {
                            let linked = links::link(db, location_no, namespace, &step.key, no)?;
                            if let Some(from_no) =
                                mirror::find_contact(db, location_no, from)?.filter(|_| linked)
                            {
                                links::move_claims(db, from_no, no)?;
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

/// Creates and updates: one call a step, several under way.
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
                    _ => update(&hand, &step).await,
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

fn note(
    joined: Option<Result<Result<Parcel, RunError>, tokio::task::JoinError>>,
    ended: &mut Executed,
    failed: &mut Option<RunError>,
) {
    match joined {
        None | Some(Ok(Ok(Parcel::Through))) => {}
        Some(Ok(Ok(Parcel::Ended(how)))) => *ended = how,
        Some(Ok(Err(error))) => {
            failed.get_or_insert(error);
        }
        Some(Err(error)) => {
            failed.get_or_insert(RunError::Bug {
                what: format!("a step stopped: {error}"),
            });
        }
    }
}

/// Creates a contact: claim and `sent` in one commit, the call, then answer, link, claims and mirror row in one commit.
pub(super) async fn create_again(hand: &Hand, step: &Step) -> Result<(), RunError> {
    match create(hand, step, Purpose::Recovery).await? {
        Parcel::Through | Parcel::Ended(_) => Ok(()),
    }
}

async fn create(hand: &Hand, step: &Step, purpose: Purpose) -> Result<Parcel, RunError> {
    let Change::Create { fields, tags } = &step.change else {
        return Err(RunError::Bug {
            what: "a create step without a create".to_owned(),
        });
    };
    let world = &hand.world;
    let call = match highlevel::create(&world.hub.location, fields, tags, &hand.hub.keys) {
        Ok(call) => call,
        Err(error) => return set_aside(hand, step, Event::Drop, error.to_string()).await,
    };
    let replace = step.reason == "deleted before";
    let (location_no, namespace, now_ms) = (
        hand.hub.location_no,
        world.job.source.namespace(),
        world.now_ms(),
    );
    let free = {
        let step = step.clone();
        world
            .store
            .write(move |db| {
                let free = links::claim_link(db, location_no, namespace, &step.key, replace)?;
                if free {
                    plans::move_step(db, &step, Event::Send, None, now_ms)?;
                } else {
                    let why = "linked meanwhile";
                    plans::move_step(db, &step, Event::Drop, Some(why), now_ms)?;
                }
                Ok(free)
            })
            .await?
    };
    if !free {
        return Ok(Parcel::Through);
    }
    match world.hub_line.send(&call, purpose).await {
        Ok(answer) => {
            let date_ms = world.date_ms(answer.date);
            created(hand, step, answer.value, Reading::Write, date_ms).await?;
            Ok(Parcel::Through)
        }
        Err(CallError::Unsure { why, .. }) => {
            lose_touch(hand, vec![step.clone()], why, false).await?;
            Ok(Parcel::Through)
        }
        // A 422 does not prove that nothing was made.
        Err(CallError::Refused {
            status: 422, said, ..
        }) => {
            lose_touch(hand, vec![step.clone()], said, true).await?;
            Ok(Parcel::Through)
        }
        Err(CallError::Duplicate { contact, field, .. }) => {
            duplicate(hand, step, contact, field).await
        }
        Err(CallError::Refused { said, .. }) => set_aside(hand, step, Event::Refuse, said).await,
        Err(error) => not_sent(hand, vec![step.clone()], error).await,
    }
}

/// Notes a create that is there: by its answer, or found afterwards.
pub(super) async fn created(
    hand: &Hand,
    step: &Step,
    contact: Contact,
    reading: Reading,
    date_ms: i64,
) -> Result<(), RunError> {
    let Change::Create { fields, tags } = &step.change else {
        return Ok(());
    };
    let shown = |tag: &Tag| contact.tags.as_ref().is_none_or(|tags| tags.contains(tag));
    let wrote = Wrote {
        fields: fields.clone(),
        added: tags.iter().filter(|tag| shown(tag)).cloned().collect(),
        removed: BTreeSet::new(),
    };
    let (hub, keeping) = (hand.hub.clone(), Arc::clone(&hand.world.keeping));
    let (job_no, namespace, now_ms) = (
        hand.job_no,
        hand.world.job.source.namespace(),
        hand.world.now_ms(),
    );
    let step = step.clone();
    hand.world
        .store
        .write(move |db| {
            mirror::ingest(
                db,
                hub.location_no,
                &hub.completed(contact.clone()),
                reading,
                date_ms,
                &keeping,
            )?;
            let no = mirror::confirm(
                db,
                hub.location_no,
                &contact.id,
                None,
                &wrote,
                date_ms,
                &keeping,
            )?;
            links::link(db, hub.location_no, namespace, &step.key, no)?;
            for tag in &wrote.added {
                links::claim_ours(db, no, tag, job_no, step.transition)?;
            }
            plans::set_contact(db, &step, no)?;
            plans::move_step(db, &step, Event::Ack, None, now_ms)?;
            findings::clear_findings(db, job_no, &step.key, FindingKind::Asks, &[])
        })
        .await?;
    Ok(())
}

/// The location refuses a second contact with this e-mail or phone: if it is the same person, it is theirs, else a person decides.
async fn duplicate(
    hand: &Hand,
    step: &Step,
    contact: ContactId,
    field: Option<String>,
) -> Result<Parcel, RunError> {
    let world = &hand.world;
    let exists = hand
        .hub
        .look_at(world, &contact, Purpose::Confirmation)
        .await?;
    let reader = world.store.reader()?;
    let location_no = hand.hub.location_no;
    let no = mirror::find_contact(&reader, location_no, &contact)?;
    let marker = world.mapping.marker();
    let same = match (no, marker, exists) {
        (Some(no), Some(marker), true) => {
            mirror::mirrored(&reader, no)?
                .seen
                .get(marker)
                .cloned()
                .flatten()
                .as_deref()
                == Some(step.key.as_str())
        }
        _ => false,
    };
    let field = field.unwrap_or_else(|| "e-mail or phone".to_owned());
    let Some(no) = no.filter(|_| same) else {
        let what = format!(
            "its {field} belongs to contact {contact}, which is not known to be the same person"
        );
        return set_aside(hand, step, Event::Refuse, what).await;
    };
    let (namespace, now_ms, step) = (world.job.source.namespace(), world.now_ms(), step.clone());
    world
        .store
        .write(move |db| {
            links::link(db, location_no, namespace, &step.key, no)?;
            mirror::touch(db, no)?;
            plans::move_step(
                db,
                &step,
                Event::Drop,
                Some("the contact was there already and is linked now"),
                now_ms,
            )?;
            Ok(())
        })
        .await?;
    Ok(Parcel::Through)
}

/// Updates a contact: a fresh look first, then only what still differs.
async fn update(hand: &Hand, step: &Step) -> Result<Parcel, RunError> {
    let Change::Update { fields } = &step.change else {
        return Err(RunError::Bug {
            what: "an update step without an update".to_owned(),
        });
    };
    let world = &hand.world;
    let Some((no, contact)) = step.contact_no.zip(step.contact.clone()) else {
        return drop_step(hand, step, "the contact is gone").await;
    };
    if !is_still_linked(hand, &world.store.reader()?, step)? {
        return drop_step(hand, step, NOT_LINKED).await;
    }
    if world.job.recheck {
        match world
            .hub_line
            .send(
                &highlevel::get(&contact, &hand.hub.keys),
                Purpose::Announced,
            )
            .await
        {
            Ok(answer) => {
                let date_ms = world.date_ms(answer.date);
                hand.hub
                    .take_in(world, vec![answer.value], Reading::Get, date_ms)
                    .await?;
            }
            Err(CallError::NotFound { .. }) => return gone(hand, step, &contact).await,
            Err(error) => return stopped_by(hand, vec![step.clone()], error).await,
        }
    }
    let reader = world.store.reader()?;
    let now = mirror::mirrored(&reader, no)?;
    let (write, edited) = still_true(fields, &now.seen);
    if write.is_empty() {
        let why = if edited.is_empty() {
            "it is so already"
        } else {
            "a person changed it meanwhile"
        };
        return drop_step(hand, step, why).await;
    }
    let call = match highlevel::update(&contact, &write, &hand.hub.keys) {
        Ok(call) => call,
        Err(error) => return set_aside(hand, step, Event::Drop, error.to_string()).await,
    };
    send_marks(hand, vec![step.clone()]).await?;
    match world.hub_line.send(&call, Purpose::Announced).await {
        Ok(answer) => {
            let date_ms = world.date_ms(answer.date);
            let (hub, keeping, now_ms, step) = (
                hand.hub.clone(),
                Arc::clone(&world.keeping),
                world.now_ms(),
                step.clone(),
            );
            let wrote = Wrote {
                fields: write,
                ..Wrote::default()
            };
            let why = (!edited.is_empty()).then(|| {
                let names: Vec<&str> = edited.iter().map(FieldKey::as_str).collect();
                format!(
                    "left out, because a person changed it meanwhile: {}",
                    names.join(", ")
                )
            });
            world
                .store
                .write(move |db| {
                    let shown = hub.completed(answer.value.clone());
                    mirror::ingest(
                        db,
                        hub.location_no,
                        &shown,
                        Reading::Write,
                        date_ms,
                        &keeping,
                    )?;
                    mirror::confirm(
                        db,
                        hub.location_no,
                        &contact,
                        None,
                        &wrote,
                        date_ms,
                        &keeping,
                    )?;
                    plans::move_step(db, &step, Event::Ack, why.as_deref(), now_ms)?;
                    Ok(())
                })
                .await?;
            Ok(Parcel::Through)
        }
        Err(CallError::NotFound { .. }) => gone(hand, step, &contact).await,
        Err(CallError::Unsure { why, .. }) => {
            lose_touch(hand, vec![step.clone()], why, false).await?;
            Ok(Parcel::Through)
        }
        Err(CallError::Refused { said, .. }) => set_aside(hand, step, Event::Refuse, said).await,
        Err(error) => not_sent(hand, vec![step.clone()], error).await,
    }
}

/// Returns whether the record is linked to the step's contact: another job may have moved the link, or the link step was dropped.
fn is_still_linked(hand: &Hand, db: &Connection, step: &Step) -> Result<bool, RunError> {
    let namespace = hand.world.job.source.namespace();
    let linked = links::linked_contact(db, hand.hub.location_no, namespace, &step.key)?;
    Ok(linked.is_some() && linked == step.contact_no)
}

/// Sorts the fields of an update: those still to be written, and those that a person changed since the plan.
fn still_true(
    fields: &BTreeMap<FieldKey, FieldChange>,
    seen: &BTreeMap<FieldKey, Option<String>>,
) -> (BTreeMap<FieldKey, String>, Vec<FieldKey>) {
    let mut write = BTreeMap::new();
    let mut edited = Vec::new();
    for (key, FieldChange { before, after }) in fields {
        let now = seen.get(key).cloned().flatten();
        if same_or_both_empty(key, now.as_deref(), Some(after)) {
            continue;
        }
        if same_or_both_empty(key, now.as_deref(), before.as_deref()) {
            write.insert(key.clone(), after.clone());
        } else {
            edited.push(key.clone());
        }
    }
    (write, edited)
}

/// Tag changes: steps with the same tags share a call; batches grow and shrink as the vendor lets them.
async fn together(
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
fn calls_of(steps: Vec<Step>, size: usize, full: i64) -> Vec<Vec<Step>> {
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

async fn tag_call(
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
    let contacts: Vec<ContactId> = steps
        .iter()
        .filter_map(|step| step.contact.clone())
        .collect();
    let call = highlevel::bulk_tags(&world.hub.location, tag_move, &contacts, &tags);
    let before = claim_before(hand, &steps, tag_move).await?;
    match world.hub_line.send(&call, purpose).await {
        Ok(answer) => {
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
        Err(CallError::Unsure { why, .. }) => {
            lose_touch(hand, steps, why, false).await?;
            Ok(Parcel::Through)
        }
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
            ] => gone(hand, &steps[0].clone(), &contact.clone()).await,
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
        Err(error) => not_sent(hand, steps, error).await,
    }
}

/// Commits `sent` together with the claims that a lost answer would need; returns the tags that an earlier lost call may have added.
async fn claim_before(
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
async fn tagged(
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
    let (hub, keeping, now_ms, job_no) = (
        hand.hub.clone(),
        Arc::clone(&hand.world.keeping),
        hand.world.now_ms(),
        hand.job_no,
    );
    let earlier = before.clone();
    let answered = i64::try_from(settled.len() + lost.len() + refused.len()).unwrap_or(1);
    hand.world
        .store
        .write(move |db| {
            for (step, added, tags_before) in &settled {
                note_tagged(
                    db,
                    &hub,
                    &keeping,
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
            gone(hand, &step, &contact).await?;
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

#[expect(clippy::too_many_arguments, reason = "one contact of one answer")]
fn note_tagged(
    db: &Connection,
    hub: &Hub,
    keeping: &mirror::Keeping,
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
    mirror::confirm(db, hub.location_no, contact, None, &wrote, date_ms, keeping)?;
    Ok(())
}

async fn send_marks(hand: &Hand, steps: Vec<Step>) -> Result<(), RunError> {
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
async fn replan(
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

async fn lose_touch(
    hand: &Hand,
    steps: Vec<Step>,
    why: String,
    refusal: bool,
) -> Result<(), RunError> {
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
    Ok(())
}

/// A sent call that the vendor surely did not carry out: its steps are dropped and the run ends as the error says.
async fn not_sent(hand: &Hand, steps: Vec<Step>, error: CallError) -> Result<Parcel, RunError> {
    stopped_by(hand, steps, error).await
}

/// Drops steps and says how an error ends the run.
async fn stopped_by(hand: &Hand, steps: Vec<Step>, error: CallError) -> Result<Parcel, RunError> {
    if let CallError::State(error) = error {
        return Err(error.into());
    }
    let why = error.to_string();
    for step in &steps {
        drop_step(hand, step, &why).await?;
    }
    match error {
        CallError::Spent { .. } => Ok(Parcel::Ended(Executed::Spent)),
        CallError::OutOfTouch { .. } | CallError::BadReply { .. } => {
            Ok(Parcel::Ended(Executed::OutOfTouch(why)))
        }
        error => Err(of_hub(&hand.world, error)),
    }
}

/// Gives a step up; a claimed link of a create is free again.
async fn drop_step(hand: &Hand, step: &Step, why: &str) -> Result<Parcel, RunError> {
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
                links::release_link(db, location_no, namespace, &step.key)?;
            }
            forget_claims(db, &step, job_no)?;
            plans::move_step(db, &step, Event::Drop, Some(&why), now_ms)?;
            Ok(())
        })
        .await?;
    Ok(Parcel::Through)
}

/// Takes back the unconfirmed claims of a tag step that surely was not carried out.
fn forget_claims(db: &Connection, step: &Step, job_no: i64) -> Result<(), StoreError> {
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
async fn set_aside(
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
    hand.world
        .store
        .write(move |db| {
            if step.change.kind() == StepKind::Create {
                links::release_link(db, location_no, namespace, &step.key)?;
            }
            forget_claims(db, &step, job_no)?;
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
    Ok(Parcel::Through)
}

/// The contact does not exist any more: its marker is looked for, so that the next plan can tell a merge from a deletion.
async fn gone(hand: &Hand, step: &Step, contact: &ContactId) -> Result<Parcel, RunError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_calls_are_counted_as_batches_grow() {
        assert_eq!(tag_calls(&[], 100, 0), 0);
        assert_eq!(tag_calls(&[1, 1, 250], 100, 0), 5);
        // Ten full calls of 100, ten of 200, ten of 400, the rest 500 each.
        assert_eq!(tag_calls(&[20_000], 100, 0), 10 + 10 + 10 + 26);
        assert_eq!(
            tag_calls(&[1_000], 1, 9),
            1 + 10 + 10 + 10 + 10 + 10 + 10 + 6
        );
    }

    #[test]
    fn a_field_that_a_person_changed_is_left_out() {
        let key = |name: &str| FieldKey::try_from(name).unwrap();
        let change = |before: Option<&str>, after: &str| FieldChange {
            before: before.map(str::to_owned),
            after: after.to_owned(),
        };
        let fields = BTreeMap::from([
            (key("a"), change(None, "new")),
            (key("b"), change(Some("old"), "new")),
            (key("c"), change(Some("old"), "new")),
        ]);
        let seen = BTreeMap::from([
            (key("a"), None),
            (key("b"), Some("edited".to_owned())),
            (key("c"), Some("new".to_owned())),
        ]);
        let (write, edited) = still_true(&fields, &seen);
        assert_eq!(write, BTreeMap::from([(key("a"), "new".to_owned())]));
        assert_eq!(edited, vec![key("b")]);
    }
}
