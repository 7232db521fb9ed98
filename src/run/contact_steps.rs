//! Creating and updating one contact.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::Connection;

use crate::apis::highlevel;
use crate::model::{Change, Contact, ContactId, FieldChange, FieldKey, Own, Reading, Tag};
use crate::net::{CallError, Purpose};
use crate::plan::{Event, same_or_both_empty};
use crate::store::findings::{self, Finding, FindingKind};
use crate::store::links;
use crate::store::mirror::{self, Wrote};
use crate::store::plans::{self, Step};

use super::error::RunError;
use super::hand::{Hand, NOT_LINKED, Parcel};
use super::marks::{drop_step, gone, lose_touch, not_found, send_marks, set_aside, stopped_by};

/// Sends a lost create once more, because it was looked for twice and is not there.
pub(super) async fn create_again(hand: &Hand, step: &Step) -> Result<(), RunError> {
    match create(hand, step, Purpose::Recovery).await? {
        Parcel::Through | Parcel::Ended(_) => Ok(()),
    }
}

/// Creates a contact: claim and `sent` in one commit, the call, then answer, link, claims and mirror row in one commit.
pub(super) async fn create(hand: &Hand, step: &Step, purpose: Purpose) -> Result<Parcel, RunError> {
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
    if hand.listing_fell_short && purpose == Purpose::Announced {
        let hits = hand
            .hub
            .look_for_marker(world, step.key.as_str(), Purpose::Confirmation)
            .await?;
        if !hits.is_empty() {
            return drop_step(
                hand,
                step,
                "a contact that the listing did not show carries its marker",
            )
            .await;
        }
    }
    let replace = step.reason == "deleted before";
    let (location_no, namespace, now_ms) = (
        hand.hub.location_no,
        world.job.source.namespace(),
        world.now_ms(),
    );
    let job_no = hand.job_no;
    let free = {
        let step = step.clone();
        world
            .store
            .write(move |db| {
                let free =
                    links::claim_link(db, location_no, namespace, &step.key, job_no, replace)?;
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
            hand.streak.went_well();
            let date_ms = world.date_ms(answer.date);
            created(hand, step, answer.value, Reading::Write, date_ms).await?;
            Ok(Parcel::Through)
        }
        Err(CallError::Unsure { why, .. }) => {
            lose_touch(hand, vec![step.clone()], why, false).await
        }
        // A 422 does not prove that nothing was made.
        Err(CallError::Refused {
            status: 422, said, ..
        }) => lose_touch(hand, vec![step.clone()], said, true).await,
        Err(CallError::NotFound { .. }) => {
            let what = "HighLevel says that something in it is not found".to_owned();
            set_aside(hand, step, Event::Refuse, what).await
        }
        Err(CallError::Duplicate { contact, field, .. }) => {
            duplicate(hand, step, contact, field).await
        }
        Err(CallError::Refused { said, .. }) => set_aside(hand, step, Event::Refuse, said).await,
        Err(error) => stopped_by(hand, vec![step.clone()], error).await,
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
            let no = mirror::confirm(db, hub.location_no, &contact.id, &wrote, date_ms)?;
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
pub(super) async fn duplicate(
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
pub(super) async fn update(hand: &Hand, step: &Step) -> Result<Parcel, RunError> {
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
            // Something is wrong with this one contact; the others go on.
            Err(error @ (CallError::Refused { .. } | CallError::BadReply { .. })) => {
                return set_aside(hand, step, Event::Drop, error.to_string()).await;
            }
            Err(error) => return stopped_by(hand, vec![step.clone()], error).await,
        }
    }
    let reader = world.store.reader()?;
    let now = mirror::mirrored(&reader, no)?;
    let (write, edited) = still_true(fields, &now.seen);
    tell_conflicts(hand, step, fields, &now.seen, &edited).await?;
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
            hand.streak.went_well();
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
                    mirror::confirm(db, hub.location_no, &contact, &wrote, date_ms)?;
                    plans::move_step(db, &step, Event::Ack, why.as_deref(), now_ms)?;
                    Ok(())
                })
                .await?;
            Ok(Parcel::Through)
        }
        Err(CallError::NotFound { .. }) => not_found(hand, step, &contact).await,
        Err(CallError::Duplicate { contact: other, .. }) => {
            let what = format!("its e-mail or phone belongs to contact {other}");
            set_aside(hand, step, Event::Refuse, what).await
        }
        Err(CallError::Unsure { why, .. }) => {
            lose_touch(hand, vec![step.clone()], why, false).await
        }
        Err(CallError::Refused { said, .. }) => set_aside(hand, step, Event::Refuse, said).await,
        Err(error) => stopped_by(hand, vec![step.clone()], error).await,
    }
}

/// Returns whether the record is linked to the step's contact: another job may have moved the link, or the link step was dropped.
pub(super) fn is_still_linked(hand: &Hand, db: &Connection, step: &Step) -> Result<bool, RunError> {
    let namespace = hand.world.job.source.namespace();
    let linked = links::linked_contact(db, hand.hub.location_no, namespace, &step.key)?;
    Ok(linked.is_some() && linked == step.contact_no)
}

/// Tells of owned fields that a person changed between the plan and the write; the next plan finds the same conflicts.
async fn tell_conflicts(
    hand: &Hand,
    step: &Step,
    fields: &BTreeMap<FieldKey, FieldChange>,
    seen: &BTreeMap<FieldKey, Option<String>>,
    edited: &[FieldKey],
) -> Result<(), RunError> {
    let owned = |key: &FieldKey| {
        hand.world
            .job
            .fields
            .iter()
            .any(|rule| rule.key == *key && rule.own == Own::Owned)
    };
    let findings: Vec<Finding> = edited
        .iter()
        .filter(|key| owned(key))
        .filter_map(|key| {
            let seen = seen.get(key)?.as_deref();
            Some(Finding::conflict(
                &step.key,
                key,
                &fields.get(key)?.after,
                seen,
                hand.run_no,
            ))
        })
        .collect();
    let job_no = hand.job_no;
    if !findings.is_empty() {
        hand.world
            .store
            .write(move |db| findings::note_findings(db, job_no, &findings))
            .await?;
    }
    Ok(())
}

/// Sorts the fields of an update: those still to be written, and those that a person changed since the plan.
pub(super) fn still_true(
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

#[cfg(test)]
mod tests {
    use super::*;

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
